# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release has, or lacks, when asked: a registry, caches for sessions that check bounds, less beside the code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from tests.julia.laboratory import LIMIT, Built, Laboratory
from tests.pkgserver import PackageServer, PackageWorld

# Nothing answers here, so whatever needs a network fails.
NOWHERE = "http://127.0.0.1:9"


def as_client(laboratory: Laboratory, depots: list[str], home: Path, program: str, *flags: str) -> str:
    """What a program prints in a session of a client without network, whose own depot is in its home."""
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "JULIA_DEPOT_PATH": ":".join([str(home / "depot"), *depots, ""]),
        "JULIA_PKG_SERVER": NOWHERE,
        "http_proxy": NOWHERE,
        "https_proxy": NOWHERE,
        "JULIA_PKG_PRECOMPILE_AUTO": "0",
    }
    done = subprocess.run(
        [laboratory.julia, "--startup-file=no", *flags, "-e", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in folder.rglob("*")}


# --- A registry of what the release holds


def test_client_adds_offline_what_the_release_holds(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(
        tmp_path / "project",
        ["DiamondBase", "DiamondTop", "WithExtension", "WithBuild"],
        compat={"DiamondBase": "=1.0.0"},
    )
    laboratory.lock(project)
    depot = tmp_path / "depot"
    arguments = {"project": str(project), "environment": "e", "depot": str(depot), "registry": True}
    foretold = laboratory.instantiate(check_mode=True, **arguments)
    result = laboratory.instantiate(**arguments)
    written = {"what": "registry", "id": "e", "status": "written"}
    assert written in foretold["actions"]
    assert written in result["actions"]
    assert os.listdir(depot / "registries") == ["e"]
    before = contents(depot / "registries")
    for check_mode in (True, False):
        again = laboratory.instantiate(check_mode=check_mode, **arguments)
        assert (again["changed"], again["actions"]) == (False, [])
    assert contents(depot / "registries") == before

    home = tmp_path / "home"
    home.mkdir()
    program = """
    using Pkg
    Pkg.activate(joinpath(ENV["HOME"], "mine"))
    Pkg.offline()
    Pkg.add("DiamondTop")
    using DiamondTop
    println("total=", DiamondTop.total(1, 2))
    """
    assert "total=3.0" in as_client(laboratory, [str(depot)], home, program)
    assert not (home / "depot" / "packages").exists()
    assert not (home / "depot" / "registries").exists()


def test_registry_goes_when_it_is_not_asked_for(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["DiamondBase"])
    laboratory.lock(project)
    arguments = {"project": str(project), "environment": "e", "depot": str(tmp_path / "depot")}
    laboratory.instantiate(registry=True, **arguments)
    laboratory.instantiate(**arguments)
    assert not (tmp_path / "depot" / "registries").exists()


# --- Caches for sessions that check bounds


def test_caches_for_sessions_that_check_bounds(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["DiamondTop"])
    laboratory.lock(project)
    built = Built(tmp_path / "staging", project, {}, {})
    built.staging.mkdir()
    laboratory.instantiate(project=str(project), environment="all", depot=built.common, mounts=built.mounts())
    packages = {"DiamondBase", "DiamondLeft", "DiamondRight", "DiamondTop"}
    extra = {f"{name} --check-bounds=yes" for name in packages}
    result = laboratory.precompile(tasks=2, check_bounds=True, **built.compiling())
    own = laboratory.version >= (1, 9)
    assert {action["id"] for action in result["actions"]} >= packages | (extra if own else set())
    assert result["check_bounds"]["totals"]["compiled"] == (result["totals"]["compiled"] if own else 0)
    again = laboratory.precompile(check_bounds=True, **built.compiling())
    assert (again["changed"], again["actions"]) == (False, [])
    for check_bounds in (False, True):
        assert laboratory.check(check_bounds=check_bounds, **built.proving())["compiled"] == []


# --- Less beside the code


@pytest.fixture(scope="module")
def slimmed(
    laboratory: Laboratory, world: PackageWorld, session_server: PackageServer, tmp_path_factory: pytest.TempPathFactory
) -> Built:
    folder = tmp_path_factory.mktemp("slim")
    project = world.project(folder / "project", ["WithMuchBeside", "NeedsItsTests", "WithArtifact"])
    laboratory.lock(project)
    built = Built(folder / "staging", project, {}, {})
    built.staging.mkdir()
    laboratory.instantiate(
        project=str(project), environment="all", depot=built.common, lazy_artifacts=True, mounts=built.mounts()
    )
    (Path(built.common) / "artifacts" / ("0" * 40)).mkdir()
    (Path(built.common) / "artifacts" / ("0" * 40) / "left").write_text("of nobody")
    precompiled = laboratory.precompile(tasks=2, **built.compiling())
    arguments = slimming(built)
    planned = laboratory.slim(check_mode=True, **arguments)
    result = laboratory.slim(**arguments)
    return Built(built.staging, project, {"planned": planned, "result": result}, precompiled)


def slimming(built: Built, **more: Any) -> dict[str, Any]:
    return {
        "project": built.environment,
        "depot": built.common,
        "cache_depots": [built.level],
        "mounts": built.mounts(),
        **more,
    }


def test_what_nothing_depends_on_goes_and_the_bytes_are_told(slimmed: Built) -> None:
    planned, result = slimmed.instantiated["planned"], slimmed.instantiated["result"]
    assert (planned["changed"], planned["actions"]) == (True, result["actions"])
    (beside,) = Path(slimmed.common).glob("packages/WithMuchBeside/*")
    (needs,) = Path(slimmed.common).glob("packages/NeedsItsTests/*")
    assert sorted(os.listdir(beside)) == ["Project.toml", "src"]
    # A file of its tests is part of its code.
    assert sorted(os.listdir(needs)) == ["Project.toml", "src", "test"]
    assert not (Path(slimmed.common) / "artifacts" / ("0" * 40)).exists()
    assert len(os.listdir(f"{slimmed.common}/artifacts")) == 2
    assert all(count > 0 for count in result["removed"].values())
    assert result["saved"] == sum(result["removed"].values())


def test_slimming_again_changes_nothing_and_still_tells_the_bytes(laboratory: Laboratory, slimmed: Built) -> None:
    for check_mode in (True, False):
        again = laboratory.slim(check_mode=check_mode, **slimming(slimmed))
        assert (again["changed"], again["actions"]) == (False, [])
        assert again["saved"] == slimmed.instantiated["result"]["saved"]


def test_slimmed_depot_is_proved_and_complete_for_pkg(
    laboratory: Laboratory, server: PackageServer, slimmed: Built
) -> None:
    result = laboratory.check(**slimmed.proving(), workload="using NeedsItsTests; println(NeedsItsTests.shared())")
    assert result["compiled"] == []
    assert "shared with the tests" in result["output"]
    again = laboratory.precompile(**slimmed.compiling())
    assert (again["changed"], again["actions"]) == (False, [])
    installing = {
        "project": str(slimmed.project),
        "environment": "all",
        "depot": slimmed.common,
        "lazy_artifacts": True,
        "mounts": slimmed.mounts(),
    }
    assert laboratory.instantiate(**installing)["actions"] == []
    assert server.requests == []


def test_slimmed_depot_seeds_another_that_is_to_be_slim(
    laboratory: Laboratory, server: PackageServer, slimmed: Built, tmp_path: Path
) -> None:
    arguments = {"project": str(slimmed.project), "environment": "all", "seeds": [slimmed.common]}
    result = laboratory.instantiate(depot=str(tmp_path / "slim"), slim=["tests", "docs"], **arguments)
    assert result["downloaded"]["packages"] == []
    assert (tmp_path / "slim" / "slimmed.toml").exists()
    server.requests.clear()
    result = laboratory.instantiate(depot=str(tmp_path / "whole"), **arguments)
    assert set(result["downloaded"]["packages"]) == {"NeedsItsTests", "WithMuchBeside"}
    (beside,) = (tmp_path / "whole").glob("packages/WithMuchBeside/*")
    assert sorted(os.listdir(beside)) == ["Project.toml", "docs", "src", "test"]


def test_folders_that_are_not_there_are_refused_all_at_once(laboratory: Laboratory, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    with pytest.raises(InputError) as caught:
        laboratory.slim(project=absent, depot=absent, cache_depots=[absent])
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["project", "depot", "cache_depots"]
