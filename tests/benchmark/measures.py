# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: each function gives samples of two things that are compared, or of one against a limit."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.pkgserver import PackageServer, PackageWorld

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".build" / "venv" / "bin"
COLLECTIONS = ROOT / ".build" / "collections"
DEMO_PACKAGE = {"jets": "AntiKt", "fifty": "Many050"}
FIFTY = 50
NODES = 100
FORKS = 10


@dataclass(frozen=True)
class Figure:
    """One measured figure: ``value`` must not exceed ``limit`` (both in ``unit``); without a limit it is only told."""

    name: str
    value: float
    limit: float | None
    unit: str
    samples: dict[str, list[float]]

    @property
    def reached(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def as_dict(self) -> dict[str, object]:
        medians = {name: statistics.median(samples) for name, samples in self.samples.items()}
        return {
            "name": self.name,
            "value": self.value,
            "limit": self.limit,
            "unit": self.unit,
            "reached": self.reached,
            "medians": medians,
            "samples": self.samples,
        }


def ratio(name: str, ours: list[float], theirs: list[float], limit: float) -> Figure:
    value = statistics.median(ours) / statistics.median(theirs)
    return Figure(name, value, limit, "ratio", {"ours": ours, "theirs": theirs})


def seconds(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def alternating(times: int, *actions: Callable[[], object]) -> list[list[float]]:
    """Samples of several actions taken in turn, so that what else the machine does hits all of them alike."""
    samples: list[list[float]] = [[] for _unused in actions]
    for _unused in range(times):
        for index, action in enumerate(actions):
            samples[index].append(seconds(action))
    return samples


def quiet(command: list[str | Path], environment: dict[str, str], cwd: Path | None = None) -> None:
    """Run a command that must succeed, and drop what it prints."""
    done = subprocess.run(
        [str(word) for word in command], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


@dataclass
class BenchSite:
    """A site in a folder, with one environment and the package server that it may need."""

    folder: Path
    julia: str
    version: str
    name: str
    variables: dict[str, str]

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def using(self) -> str:
        return f"using {DEMO_PACKAGE[self.name]}"

    @property
    def direct(self) -> list[str | Path]:
        """Julia itself with the project, to be given an expression."""
        return [self.julia, "--startup-file=no", f"--project={self.project}", "-e"]

    @property
    def prepare(self) -> str:
        """An expression that installs and compiles what the project needs."""
        return f"using Pkg; Pkg.instantiate(); Pkg.precompile(); {self.using}"

    def bare(self, home: Path) -> dict[str, str]:
        """The environment of a user with that home."""
        home.mkdir(parents=True, exist_ok=True)
        return {"HOME": str(home), "PATH": os.environ["PATH"], **self.variables}

    @property
    def current(self) -> Path:
        return self.folder / "store" / "environments" / self.name / "current"

    def run(self, inventory: str = "local", targets: object = None, **more: object) -> None:
        environment = {
            "name": self.name,
            "project": str(self.project),
            "julia": {"version": self.version, "executable": self.julia},
            "variables": self.variables,
            **({"targets": targets} if targets else {}),
        }
        extra = {
            "quickstart_root": str(self.folder),
            "depot_environments": [environment],
            "depot_client_default": self.name,
            **more,
        }
        quiet(
            [
                BIN / "ansible-playbook",
                "--inventory",
                ROOT / "inventory" / inventory,
                ROOT / "playbooks" / "site.yml",
                "--extra-vars",
                json.dumps(extra),
            ],
            dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")),
        )

    def forget(self) -> None:
        """As before the first run, but for Julia and the lock."""
        for name in ("store", "work", "modules", "bin", "profile.d"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


@contextmanager
def bench_site(folder: Path, julia: str, version: str, name: str) -> Iterator[BenchSite]:
    """A site with the environment ``jets``, or with one of fifty small registered packages."""
    folder.mkdir(parents=True)
    world = PackageWorld.generate(folder / "world", many=FIFTY if name == "fifty" else 0)
    if name == "jets":
        ignored = shutil.ignore_patterns("Manifest*.toml")
        shutil.copytree(ROOT / "environments" / "jets", folder / "project", ignore=ignored)
    else:
        world.project(folder / "project", [DEMO_PACKAGE[name]])
    with PackageServer(world) as server:  # Pkg wants a registry also where it needs nothing from it
        yield BenchSite(folder, julia, version, name, {"JULIA_PKG_SERVER": server.url})


def start_up(site: BenchSite, times: int) -> list[Figure]:
    """A first `using`: with the published depot, with nothing, and with a private depot that is warm."""
    site.run()
    homes = site.folder / "homes"

    def published() -> None:
        command = [site.current / "bin" / "julia", "--startup-file=no", "-e", site.using]
        quiet(command, site.bare(homes / "published"))

    def nothing() -> None:
        shutil.rmtree(homes / "nothing", ignore_errors=True)
        quiet([*site.direct, site.prepare], site.bare(homes / "nothing"))

    def warm() -> None:
        quiet([*site.direct, site.using], site.bare(homes / "warm"))

    quiet([*site.direct, site.prepare], site.bare(homes / "warm"))
    published()
    warm()
    with_depot, with_nothing = alternating(times, published, nothing)
    with_depot_2, with_warm = alternating(times, published, warm)
    return [
        ratio(f"start-up of {site.name}: published depot / nothing", with_depot, with_nothing, 0.03),
        ratio(f"start-up of {site.name}: published depot / warm private depot", with_depot_2, with_warm, 1.05),
    ]


def wrapper(site: BenchSite, times: int) -> list[Figure]:
    """The command of a release against the same Julia called with the environment that the command would set."""
    site.run()
    home = site.folder / "homes" / "wrapper"
    bare = site.bare(home)
    command = site.current / "bin" / "julia"
    record = json.loads((site.current / "release.json").read_text())
    arch = next(iter(record["architectures"]))
    release = site.current.resolve()
    direct = release.parents[3] / "julia" / record["julia"] / arch / "bin" / "julia"
    level = record["architectures"][arch]["levels"][0]["name"]
    common = release / arch / "common"
    same = dict(
        bare,
        JULIA_DEPOT_PATH=f"{home}/.julia:{release / arch / level}:{common}:",
        JULIA_LOAD_PATH=f"@:@v#.#:{common / 'environments' / site.name}:@stdlib",
    )
    arguments = ["--startup-file=no", "-e", "nothing"]
    ours, theirs = alternating(
        max(times, 30), lambda: quiet([command, *arguments], bare), lambda: quiet([direct, *arguments], same)
    )
    more = 1000 * (statistics.median(ours) - statistics.median(theirs))
    return [Figure("the wrapper beyond Julia called directly", more, 5, "ms", {"ours": ours, "theirs": theirs})]


def second_run(site: BenchSite, times: int) -> list[Figure]:
    """A run that finds nothing to do against one that builds, publishes and sets up everything."""
    first, second = [], []
    for _unused in range(times):
        site.forget()
        first.append(seconds(site.run))
        second.append(seconds(site.run))
    return [ratio(f"second run of site / first run ({site.name})", second, first, 0.25)]


def clients(site: BenchSite, times: int) -> list[Figure]:
    """The playbook ``clients`` for many nodes against a ping of the same nodes, with as many forks.

    A node is a folder of this machine. It gets module files, profile snippets and a command, and is proved: a Julia is
    started there that loads the whole environment. A workload, which is the site's own, is not run.
    """
    site.run()
    nodes = site.folder / "nodes"
    inventory = site.folder / "nodes.json"
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "depot_store": {"type": "directory", "path": str(site.folder / "store")},
        "depot_environments": [{"name": site.name}],
        "depot_client_modules": f"{nodes}/{{{{ inventory_hostname }}}}/modules",
        "depot_client_profile": f"{nodes}/{{{{ inventory_hostname }}}}/profile.d",
        "depot_client_bin": f"{nodes}/{{{{ inventory_hostname }}}}/bin",
        "depot_client_default": site.name,
    }
    hosts = {f"node{number:03}": None for number in range(NODES)}
    inventory.write_text(json.dumps({"all": {"vars": variables, "children": {"depot_clients": {"hosts": hosts}}}}))
    arguments = ["--inventory", inventory, "--forks", str(FORKS)]
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS))

    def ping() -> None:
        quiet([BIN / "ansible", *arguments, "--module-name", "ping", "depot_clients"], environment)

    def play() -> None:
        quiet([BIN / "ansible-playbook", *arguments, ROOT / "playbooks" / "clients.yml"], environment)

    pings, first, second = [], [], []
    for _unused in range(min(times, 3)):
        shutil.rmtree(nodes, ignore_errors=True)
        for samples, action in ((first, play), (pings, ping), (second, play), (pings, ping)):
            samples.append(seconds(action))
    name = f"the playbook clients for {NODES} nodes / a ping of them"
    return [ratio(f"{name}, first run", first, pings, 12), ratio(f"{name}, second run", second, pings, 8)]


def publishing(folder: Path, times: int) -> list[Figure]:
    """A release of 10,000 files of 10 kB against `cp -a` and a rename by hand, in modules' own processes.

    A release is on its disk before it gets its name, which a copy by hand is only if one asks for it; so there are two
    figures, one with and one without a `sync` by hand.
    """
    staged = staged_release(folder / "staged", files=10_000, size=10_000)
    names = iter(range(10**6))

    def by_hand(*, synced: bool) -> None:
        place = folder / "by-hand" / f"{next(names):016x}"
        place.parent.mkdir(parents=True, exist_ok=True)
        quiet(["cp", "-a", staged, f"{place}.tmp"], dict(os.environ))
        if synced:
            quiet(["sync", "--file-system", f"{place}.tmp"], dict(os.environ))
        os.rename(f"{place}.tmp", place)

    store = json.dumps({"type": "directory", "path": str(folder / "store")})

    def ours() -> None:
        quiet(
            [sys.executable, "-m", "tests.benchmark.publish", store, staged, f"{next(names):016x}"],
            dict(os.environ),
            cwd=ROOT,
        )

    ours()  # publishes Julia's tree, which comes once
    samples: list[list[float]] = [[], [], []]
    for _unused in range(times):
        for index, action in enumerate((ours, partial(by_hand, synced=True), partial(by_hand, synced=False))):
            os.sync()  # or one waits for what another wrote
            samples[index].append(seconds(action))
    with_us, with_sync, without = samples
    return [
        ratio("publishing 10,000 files of 10 kB / cp -a and a rename", with_us, without, 1.3),
        ratio("publishing 10,000 files of 10 kB / cp -a, sync and a rename", with_us, with_sync, 1.3),
    ]


def staged_release(folder: Path, files: int, size: int) -> Path:
    """A staged release that a publisher takes, with that many files in one level."""
    arch = folder / "x86_64"
    compiled = arch / "generic" / "compiled" / "v1.10"
    (arch / "common").mkdir(parents=True)
    for number in range(files):
        package = compiled / f"Package{number // 100}"
        package.mkdir(parents=True, exist_ok=True)
        (package / f"{number}.ji").write_bytes(os.urandom(size))
    (arch / "levels").write_text("generic\n")
    level = {"name": "generic", "target": "generic", "flags": [], "check": {"compiled": []}}
    (arch / "build.json").write_text(json.dumps({"arch": "x86_64", "levels": [level]}))
    return folder


def planning(folder: Path, times: int) -> list[Figure]:
    """A plan of 1,000 builds, in a process of its own."""
    project = folder / "project"
    shutil.copytree(ROOT / "environments" / "jets", project, ignore=shutil.ignore_patterns("Manifest*.toml"))
    taken = [measure_child("plan", str(project))[0] for _unused in range(times)]
    return [Figure("a plan of 1,000 builds", statistics.median(taken), 2, "s", {"ours": taken})]


def reading_depots(folder: Path, times: int) -> list[Figure]:
    """What `julia_depot_info` takes for a depot of 100,000 files."""
    depot = folder / "depot"
    for package in range(1000):
        source = depot / "packages" / f"Package{package}" / "AbCdE" / "src"
        source.mkdir(parents=True)
        (source.parent / "Project.toml").write_text(f'name = "Package{package}"\nversion = "1.2.3"\n')
        for number in range(98):
            (source / f"{number}.jl").write_text("x")
    taken = [measure_child("info", str(depot)) for _unused in range(times)]
    times_taken, megabytes = ([sample[index] for sample in taken] for index in (0, 1))
    return [
        Figure("julia_depot_info on 100,000 files", statistics.median(times_taken), 5, "s", {"ours": times_taken}),
        Figure("its memory", statistics.median(megabytes), 150, "MB", {"ours": megabytes}),
    ]


def reporting(folder: Path, times: int) -> list[Figure]:
    """A report of 500 builds that 100 clients proved, written by a process of its own; and the size of its page."""
    taken = [measure_child("report", str(folder / str(number)))[0] for number in range(times)]
    megabytes = (folder / "0" / "report.html").stat().st_size / 1e6
    return [
        Figure("a report of 500 builds", statistics.median(taken), 3, "s", {"ours": taken}),
        Figure("its page", megabytes, 1, "MB", {"ours": [megabytes]}),
    ]


def measure_child(what: str, path: str) -> tuple[float, float]:
    """Seconds and megabytes of a process that does one thing."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmark.children", what, path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    measured = json.loads(done.stdout)
    return measured["seconds"], measured["megabytes"]


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
