# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several CPU levels cost the builder, and what the best of them gives the node."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.benchmark.measures import COLLECTIONS, ROOT, BenchSite, Figure, quiet, ratio, seconds

sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import images
from tests.julia.laboratory import Built, Laboratory, version
from tests.pkgserver import PackageServer, PackageWorld

ARCH = platform.machine()
STORE = "/srv/julia of the benchmark/environments/fifty/releases/0123456789abcdef/arch"
PACKAGES = 20
WORKLOAD = "AntiKt.demo(io=devnull, events=300)"
# Processor time, and the best of five in one session: both keep out what else the machine does.
RUNNING = f"""
    using AntiKt
    clock() = ccall(:clock, Clong, ()) / 1e6
    taken(before) = ({WORKLOAD}; clock() - before)
    taken(clock())
    print(minimum([taken(clock()) for _ in 1:5]))
"""


def best(julia: str) -> targets.Level:
    """The best level of this machine's processor that a Julia knows."""
    flags = images.flags_of_this_machine()
    known = [level for level in targets.LEVELS[ARCH] if level.first_version <= version(julia)]
    return [level for level in known if flags.issuperset(level.flags)][-1]


def unavailable(julia: str) -> str | None:
    """Why this cannot be measured with a Julia; none if it can."""
    if version(julia) < targets.FIRST_WITH_NATIVE_CODE:
        return f"Julia {julia} writes no native code"
    if best(julia).name == "generic":
        return "this machine's processor has the level generic alone"
    return None


def running(site: BenchSite, times: int) -> list[Figure]:
    """How long a workload runs with the code of the best published level, and with code for this very processor."""
    several = version(site.version) < targets.FIRST_WITH_MULTIPLE_TARGETS
    site.run(targets={ARCH: ["generic", best(site.version).name] if several else "portable"})
    homes = site.folder / "homes"
    quiet([*site.direct, site.prepare], site.bare(homes / "native"))

    def taken(command: list[str | Path], home: str) -> float:
        done = subprocess.run(command, env=site.bare(homes / home), check=True, capture_output=True, text=True)
        return float(done.stdout)

    published, native = [], []
    for _unused in range(times):
        published.append(taken([site.current / "bin" / "julia", "--startup-file=no", "-e", RUNNING], "published"))
        native.append(taken([*site.direct, RUNNING], "native"))
    name = f"run time of {site.name}: published caches / native ones of this node"
    return [ratio(name, published, native, 1.05)]


def building(folder: Path, executable: str, julia: str, times: int) -> list[Figure]:
    """Compiling packages for two levels, and for one of them; they are installed once for both."""
    world = PackageWorld.generate(folder / "world", many=PACKAGES)
    bundle = folder / "julia.json"
    programs = sorted((ROOT / "plugins" / "julia").iterdir())
    bundle.write_text(json.dumps({path.name: path.read_text() for path in programs}))
    project = world.project(folder / "project", world.many)
    with PackageServer(world) as server:
        laboratory = Laboratory(executable, version(julia), str(bundle), str(folder / "registries"), server)
        laboratory.lock(project, variables={"JULIA_PKG_SERVER": server.url})
        laboratory.instantiate(
            project=str(project),
            environment="all",
            depot=str(folder / "common"),
            variables={"JULIA_PKG_SERVER": server.url},
            mounts=[{"source": str(folder), "target": STORE}],
        )
        built = Built(folder, project, {}, {})
        one, two = [], []
        for _unused in range(times):
            taken = []
            for level in ("generic", best(julia).name):
                (found,) = targets.resolve([level], ARCH, version(julia))
                shutil.rmtree(folder / "level", ignore_errors=True)
                compiling = {**built.compiling(), "mounts": [{"source": str(folder), "target": STORE}]}
                taken.append(
                    seconds(partial(laboratory.precompile, target=found.target_for(version(julia)), **compiling))
                )
            one.append(taken[0])
            two.append(sum(taken))
    return [ratio("precompiling for two levels / for one", two, one, 2.1)]
