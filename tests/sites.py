# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole playbooks on this machine, with real Julia: a site of its own for each test, and what kills and watches it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".build" / "venv" / "bin"
JETS = ROOT / "environments" / "jets"
MARK = "JULIA_DEPOTS_TEST_SITE"  # a variable of all that a site has started

os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # where ansible-runner looks for ansible-playbook


@dataclass
class Run:
    """How a playbook ended, from its events."""

    status: str
    stats: dict[str, dict[str, int]]
    failures: list[str]
    changed_tasks: list[str]
    text: str

    @property
    def ok(self) -> bool:
        return self.status == "successful"

    @property
    def changed(self) -> int:
        return sum(self.stats.get("changed", {}).values())

    def failure(self) -> str:
        """The one message with which it failed."""
        assert self.failures, f"it did not fail: {self.text[-3000:]}"
        return self.failures[-1]


@dataclass
class Site:
    """A site below one folder: project, builder's folder and store."""

    folder: Path
    julia: str
    version: str
    variables: dict[str, Any] = field(default_factory=dict)
    inventory: Path = ROOT / "inventory" / "local"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def environment(self) -> Path:
        return self.store / "environments" / "jets"

    @property
    def current(self) -> str | None:
        link = self.environment / "current"
        return os.readlink(link).rpartition("/")[2] if link.is_symlink() else None

    def releases(self) -> list[str]:
        folder = self.environment / "releases"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def extra(self, **variables: Any) -> dict[str, Any]:
        environment = {
            "name": "jets",
            "project": str(self.project),
            "julia": {"version": self.version, "executable": self.julia},
            "workload": "using AntiKt; AntiKt.demo()",
        }
        return {
            "quickstart_root": str(self.folder),
            "depot_environments": [environment],
            **self.variables,
            **variables,
        }

    def run(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook of the collection, as AWX would: through ansible-runner."""
        runner = self.folder / "runner"
        runner.mkdir(exist_ok=True)
        # Else the options and variables of an earlier run hold for this one too.
        shutil.rmtree(runner / "env", ignore_errors=True)
        result = ansible_runner.run(
            private_data_dir=str(runner),
            playbook=str(ROOT / "playbooks" / f"{playbook}.yml"),
            inventory=str(self.inventory),
            extravars=self.extra(**variables),
            envvars={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            cmdline=" ".join(arguments),
            quiet=True,
            rotate_artifacts=3,
        )
        failures, changed = [], []
        for event in result.events:
            data = event.get("event_data", {})
            if event["event"] in ("runner_on_failed", "runner_item_on_failed") and not data.get("ignore_errors"):
                failures.append(str(data.get("res", {}).get("msg", "")))
            if event["event"] == "runner_on_ok" and data.get("res", {}).get("changed"):
                changed.append(data["task"])
        text = result.stdout.read()
        return Run(result.status, result.stats or {}, failures, changed, text)

    def start(self, playbook: str, **variables: Any) -> subprocess.Popen[bytes]:
        """Start a playbook in a process group of its own, to be killed; its output goes to ``log``."""
        with open(self.log, "wb") as log:
            return subprocess.Popen(
                [
                    BIN / "ansible-playbook",
                    "--inventory",
                    self.inventory,
                    ROOT / "playbooks" / f"{playbook}.yml",
                    "--extra-vars",
                    json.dumps(self.extra(**variables)),
                ],
                env={
                    **os.environ,
                    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                    "ANSIBLE_NOCOLOR": "1",
                    MARK: str(self.folder),
                },
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        return self.folder / "killed.log"

    def use(self, *arguments: str, release: str = "current", **environment: str) -> subprocess.CompletedProcess[str]:
        """Call the command of a release from a bare environment."""
        folder = self.environment / ("current" if release == "current" else f"releases/{release}")
        return subprocess.run(
            [folder / "bin" / "julia", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and all that it has started, in whatever groups and sessions these are.

    What :meth:`Site.start` has started is found also where it has no parent any more, as jobs have none.
    """
    victims = [process.pid]
    for pid in victims:
        victims += children_of(pid)
    mark = mark_of(process.pid)
    if mark:
        victims += [int(path.name) for path in Path("/proc").glob("[0-9]*") if mark_of(int(path.name)) == mark]
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def mark_of(pid: int) -> bytes:
    """By which site a process was started; empty where by none."""
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return b""
    return next((word for word in words if word.startswith(f"{MARK}=".encode())), b"")


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found


def wait_for_line(path: Path, text: str, process: subprocess.Popen[bytes], seconds: float = 300) -> bool:
    """Wait until a file holds a text; False when the process ended before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if text in path.read_text(errors="replace"):
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    raise AssertionError(f"{text!r} did not appear within {seconds:g} s: {path.read_text(errors='replace')[-2000:]}")


@dataclass
class Reader:
    """Somebody who looks at a store all the while, and notes each partial release."""

    site: Site
    looks: int = 0
    faults: list[str] = field(default_factory=list)

    def look(self) -> None:
        self.looks += 1
        if self.site.current is not None:
            self._judge(self.site.environment / "current")
        for name in self.site.releases():
            if not name.startswith("."):
                self._judge(self.site.environment / "releases" / name)

    def _judge(self, release: Path) -> None:
        real = release.resolve()
        try:
            record = json.loads((real / "release.json").read_text())
            entries = sum(len(folders) + len(files) for _parent, folders, files in os.walk(real))
        except (OSError, ValueError) as error:
            if real.exists():  # else it was removed while we looked
                self.faults.append(f"{release}: {error}")
            return
        # The record is written last and does not count itself.
        if entries != record["size"]["entries"] + 1 and real.exists():
            self.faults.append(f"{release}: {entries} entries instead of {record['size']['entries'] + 1}")
        if not os.access(real / "bin" / "julia", os.X_OK) and real.exists():
            self.faults.append(f"{release}: no command")


@contextmanager
def reading(site: Site) -> Iterator[Reader]:
    """Let a reader look at the store, in a thread, while the body runs."""
    reader = Reader(site)
    done = threading.Event()

    def look_on() -> None:
        while not done.is_set():
            reader.look()
            time.sleep(0.005)

    thread = threading.Thread(target=look_on)
    thread.start()
    try:
        yield reader
    finally:
        done.set()
        thread.join()


def new_site(folder: Path, julia: str, version: str) -> Site:
    site = Site(folder, julia, version)
    shutil.copytree(JETS, site.project, ignore=shutil.ignore_patterns("Manifest*.toml"))
    return site


@pytest.fixture
def site(tmp_path: Path, julia: str, julia_version) -> Site:
    """A site with nothing in it but a copy of the project jets."""
    return new_site(tmp_path, julia, julia_version(julia))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, julia: str, julia_version) -> Site:
    """A site after its first run, for tests that do not change it."""
    site = new_site(tmp_path_factory.mktemp("published"), julia, julia_version(julia))
    run = site.run("site")
    assert run.ok, run.text[-4000:]
    return site
