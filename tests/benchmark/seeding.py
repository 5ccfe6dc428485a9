# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build costs where an earlier one can be taken over."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmark.measures import COLLECTIONS, FIFTY, ROOT, Figure, ratio
from tests.pkgserver import PackageServer, PackageWorld

sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.seed import FIRST_RELOCATABLE
from tests.julia.laboratory import Built, Laboratory, version

STORE = "/srv/julia of the benchmark/environments/fifty/releases"


def measure(folder: Path, executable: str, julia: str) -> list[Figure]:
    """One changed leaf among fifty packages, and another environment with the same packages.

    The leaf is a local package that needs the last of the fifty. Compared are the seconds that compiling took, as the
    module tells them, and the whole steps, in which starting Julia and reading the images back counts most where
    packages are as small as these. One sample each.
    """
    world = PackageWorld.generate(folder / "world", many=FIFTY)
    bundle = folder / "julia.json"
    programs = sorted((ROOT / "plugins" / "julia").iterdir())
    bundle.write_text(json.dumps({path.name: path.read_text() for path in programs}))
    project = world.project(folder / "project", world.many, local={"Leaf": ["Many050"]})
    with PackageServer(world) as server:
        os.environ["JULIA_PKG_SERVER"] = server.url
        laboratory = Laboratory(executable, version(julia), str(bundle), str(folder / "registries"), server)
        laboratory.lock(project)
        first = _build(laboratory, folder / "first", project, None)
        source = project / "Leaf" / "src" / "Leaf.jl"
        source.write_text(source.read_text() + "\n# changed\n")
        server.requests.clear()
        second = _build(laboratory, folder / "second", project, folder / "first")
        third = world.project(folder / "third-project", world.many)
        laboratory.lock(third)
        server.requests.clear()
        laboratory.instantiate(**_installing(folder / "third", third, folder / "first"))
        twice = [path for path in server.requests if path.startswith(("/package", "/artifact"))]
    figures = [
        Figure("downloads of an environment that shares its packages", len(twice), 0, "files", {"ours": [len(twice)]})
    ]
    if laboratory.version >= FIRST_RELOCATABLE:
        names = ("precompiling one changed leaf among fifty / all of them", "the whole step of that")
        figures += [
            ratio(name, [ours], [theirs], limit)
            for name, ours, theirs, limit in zip(names, second, first, (0.15, 0.6), strict=True)
        ]
    return figures


def _installing(folder: Path, project: Path, seed: Path | None) -> dict[str, Any]:
    built = Built(folder, project, {}, {})
    folder.mkdir()
    return {
        "project": str(project),
        "environment": "all",
        "depot": built.common,
        "mounts": built.mounts(f"{STORE}/{folder.name}"),
        "seeds": [f"{seed}/common"] if seed else [],
    }


def _build(laboratory: Laboratory, folder: Path, project: Path, seed: Path | None) -> tuple[float, float]:
    """Build a release; the seconds that compiling its packages took, and the whole step."""
    arguments = _installing(folder, project, seed)
    laboratory.instantiate(**arguments)
    built = Built(folder, project, {}, {})
    seeds = [{"depot": f"{seed}/level", "built_below": f"{STORE}/{seed.name}"}] if seed else []
    compiling = {**built.compiling(), "mounts": arguments["mounts"], "seeds": seeds}
    started = time.monotonic()
    result = laboratory.precompile(**compiling)
    taken = time.monotonic() - started
    laboratory.check(**{**built.proving(), "mounts": arguments["mounts"]})
    return result["totals"]["seconds"], taken
