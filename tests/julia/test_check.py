# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Depots that are not what they should be, and what check() says of them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError
from tests.julia.laboratory import ARCH, Built, Laboratory
from tests.pkgserver import PackageWorld

NEEDS_BASE = {"DiamondBase", "DiamondLeft", "DiamondRight", "DiamondTop"}


def spoil_source(laboratory: Laboratory, built: Built) -> None:
    """Make the caches of DiamondBase stale: by the time of its source up to 1.10, by its content afterwards."""
    (source,) = Path(built.common).glob("packages/DiamondBase/*/src/DiamondBase.jl")
    source.chmod(0o644)
    if laboratory.version >= (1, 11):
        source.write_text(source.read_text() + "\n# changed\n")
    else:
        os.utime(source, (time.time() + 60, time.time() + 60))


def test_stale_cache_is_found_with_its_reason(laboratory: Laboratory, built: Built, tmp_path: Path) -> None:
    spoilt = built.copy(tmp_path / "staging")
    spoil_source(laboratory, spoilt)
    with pytest.raises(BuildError) as caught:
        laboratory.check(**spoilt.proving())
    error = caught.value
    assert "the depot is not proved" in error.message
    assert "compiled although a cache was to be there: DiamondBase" in error.message
    assert set(error.details["compiled"]) >= NEEDS_BASE
    rejected = [item for item in error.details["rejected"] if "/DiamondBase/" in item["cache"]]
    assert any("DiamondBase.jl" in item["reason"] and "has changed" in item["reason"] for item in rejected)
    assert all(item["cache"].endswith(".ji") for item in error.details["rejected"])
    assert rejected[0]["cache"] in error.message
    assert rejected[0]["reason"] in error.message


def test_stale_cache_is_compiled_again_with_all_that_need_it(
    laboratory: Laboratory, built: Built, tmp_path: Path
) -> None:
    spoilt = built.copy(tmp_path / "staging")
    spoil_source(laboratory, spoilt)
    planned = laboratory.precompile(check_mode=True, **spoilt.compiling())
    extension = {"WithExtensionDiamondBaseExt"} if laboratory.version >= (1, 9) else set()
    assert {action["id"] for action in planned["actions"]} == NEEDS_BASE | extension
    mended = laboratory.precompile(**spoilt.compiling())
    assert {action["id"] for action in mended["actions"]} == NEEDS_BASE | extension
    assert laboratory.check(**spoilt.proving())["compiled"] == []


def test_dependents_of_a_new_cache_are_stale_also_in_a_later_run(
    laboratory: Laboratory, built: Built, tmp_path: Path
) -> None:
    """As after a run that died once DiamondBase was compiled, and before what needs it was."""
    spoilt = built.copy(tmp_path / "staging")
    spoil_source(laboratory, spoilt)
    base = next(Path(spoilt.level).glob("compiled/*/DiamondBase"))
    others = [path for path in base.parent.iterdir() if path.name in NEEDS_BASE - {"DiamondBase"}]
    kept = tmp_path / "kept"
    for path in others:
        shutil.copytree(path, kept / path.name)
    laboratory.precompile(**spoilt.compiling())
    for path in others:
        shutil.rmtree(path)
        shutil.copytree(kept / path.name, path)
    mended = laboratory.precompile(**spoilt.compiling())
    assert {action["id"] for action in mended["actions"]} >= NEEDS_BASE - {"DiamondBase"}
    assert laboratory.check(**spoilt.proving())["compiled"] == []


def test_caches_at_another_path_than_the_one_of_their_use(laboratory: Laboratory, built: Built) -> None:
    moved = {**built.proving(), "mounts": built.mounts("/srv/another place/arch")}
    if laboratory.version >= (1, 11):
        assert laboratory.check(**moved)["compiled"] == []
        return
    with pytest.raises(BuildError) as caught:
        laboratory.check(**moved)
    assert set(caught.value.details["compiled"]) >= NEEDS_BASE
    # Of a package that is compiled after PrintsMegabytes, whose output pushes earlier reasons out.
    (reason,) = {item["reason"] for item in caught.value.details["rejected"] if "/RecordsDir/" in item["cache"]}
    assert "RecordsDir.jl" in reason


def test_package_without_cache_is_found(laboratory: Laboratory, built: Built, tmp_path: Path) -> None:
    spoilt = built.copy(tmp_path / "staging")
    shutil.rmtree(next(Path(spoilt.level).glob("compiled/*/RecordsDir")))
    with pytest.raises(BuildError) as caught:
        laboratory.check(**spoilt.proving())
    assert caught.value.details["compiled"] == ["RecordsDir"]


def test_package_that_is_not_there_is_found(laboratory: Laboratory, built: Built, tmp_path: Path) -> None:
    spoilt = built.copy(tmp_path / "staging")
    shutil.rmtree(f"{spoilt.common}/packages/RecordsDir")
    with pytest.raises(BuildError, match=r"- RecordsDir fails: "):
        laboratory.check(**spoilt.proving())
    with pytest.raises(BuildError, match=r"- RecordsDir: RecordsDir is not installed in this depot path"):
        laboratory.precompile(**spoilt.compiling())


def test_failing_workload(laboratory: Laboratory, built: Built) -> None:
    with pytest.raises(BuildError, match="workload fails: LoadError: it is Tuesday") as caught:
        laboratory.check(**built.proving(), workload='println("before"); error("it is Tuesday")')
    assert caught.value.details["compiled"] == []
    assert caught.value.details["output"].endswith("before\n")


def test_workload_that_ends_julia(laboratory: Laboratory, built: Built) -> None:
    with pytest.raises(Exception, match=r"check\.jl ended before its work was done"):
        laboratory.check(**built.proving(), workload="exit(0)")


def test_workload_has_no_network_and_a_read_only_machine(laboratory: Laboratory, built: Built) -> None:
    workload = f"""
    import Sockets
    refused = try; Sockets.connect("127.0.0.1", {laboratory.server.port}); false; catch; true; end
    unwritable = try; write(joinpath({built.common!r}, "x"), "x"); false; catch; true; end
    println("refused=", refused, " unwritable=", unwritable, " home=", readdir(homedir()))
    """.replace("'", '"')
    proved = laboratory.check(**built.proving(), workload=workload)
    assert "refused=true unwritable=true home=" in proved["output"]
    assert not os.path.exists(f"{built.common}/x")


def test_a_release_is_proved_by_its_own_command(laboratory: Laboratory, world: PackageWorld, tmp_path: Path) -> None:
    """As a user of a node meets it: in no sandbox, and the level is the one that the command chooses."""
    release = tmp_path / "store" / "environments" / "small" / "releases" / "0123456789abcdef"
    project = world.project(tmp_path / "project", ["DiamondBase"])
    laboratory.lock(project)
    common = f"{release}/{ARCH}/common"
    laboratory.instantiate(project=str(project), environment="small", depot=common)
    (release / ARCH / "generic").mkdir()
    (release / ARCH / "levels").write_text("generic\n")
    laboratory.release(tmp_path / "store", release, "small")
    with pytest.raises(BuildError) as caught:
        laboratory.check_release(tmp_path / "store", environment="small", release=release.name)
    assert caught.value.details["compiled"] == ["DiamondBase"]
    assert caught.value.details["release"] == release.name
    laboratory.precompile(
        project=f"{common}/environments/small", depot=f"{release}/{ARCH}/generic", package_depots=[common]
    )
    (release.parent.parent / "current").symlink_to(f"releases/{release.name}")
    for name in ("current", release.name):
        workload = 'print(ENV["JULIA_DEPOTS_ACTIVE"])'
        proved = laboratory.check_release(tmp_path / "store", environment="small", release=name, workload=workload)
        assert proved["compiled"] == []
        assert [package["package"] for package in proved["packages"]] == ["DiamondBase"]
        assert proved["output"].endswith(f"{ARCH}/generic")
        assert proved["startup_seconds"] > 0
        assert proved["workload_seconds"] >= 0
