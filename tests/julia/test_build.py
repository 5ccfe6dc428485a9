# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole build: lock, install, compile, prove, describe; then again, where nothing is to be done."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.julia.laboratory import FINAL, MEGABYTES, PACKAGES, Built, Laboratory
from tests.pkgserver import PackageServer, PackageWorld

DIAMOND = {"DiamondBase", "DiamondLeft", "DiamondRight", "DiamondTop"}
WORKLOAD = """
using DiamondBase, DiamondTop, Preferring, PrintsMegabytes, RecordsDir, WithArtifact, WithBuild, WithExtension
for (name, value) in (
    "total" => DiamondTop.total(1, 2),
    "greeting" => Preferring.greeting(),
    "recorded" => RecordsDir.recorded(),
    "ordinary" => strip(WithArtifact.ordinary()),
    "lazy" => strip(WithArtifact.lazy()),
    "built with" => WithBuild.built_with(),
    "described" => WithExtension.describe(DiamondBase.Point(1, 2)),
    "megabytes" => PrintsMegabytes.MEGABYTES,
)
    println(name, '=', value)
end
"""


@pytest.fixture(scope="session")
def proved(laboratory: Laboratory, built: Built) -> dict[str, Any]:
    """What check() says of the depots."""
    return laboratory.check(**built.proving(), workload=WORKLOAD)


@pytest.fixture(scope="session")
def answers(proved: dict[str, Any]) -> dict[str, str]:
    """What the workload printed."""
    return dict(line.split("=", 1) for line in proved["output"].splitlines() if "=" in line)


def states(result: dict[str, Any]) -> dict[str, str]:
    return {package["package"]: package["state"] for package in result["packages"]}


def test_everything_is_installed(built: Built) -> None:
    installed = {a["id"] for a in built.instantiated["actions"] if a["status"] == "installed"}
    assert installed >= {*PACKAGES, *DIAMOND}
    assert {"what": "environment", "id": "all", "status": "placed"} in built.instantiated["actions"]
    assert built.instantiated["changed"]


def test_depot_holds_nothing_that_is_not_for_its_users(built: Built) -> None:
    assert sorted(os.listdir(built.common)) == ["artifacts", "environments", "packages"]
    assert os.listdir(built.level) == ["compiled"]
    leftovers = [
        path for path in Path(built.level).rglob("*") if path.suffix in {".pidfile", ".log"} or not path.exists()
    ]
    assert leftovers == []


def test_everything_is_compiled(laboratory: Laboratory, built: Built) -> None:
    found = states(built.precompiled)
    expected = dict.fromkeys({*PACKAGES, *DIAMOND}, "compiled") | {"NotPrecompilable": "uncacheable"}
    if laboratory.version >= (1, 9):
        expected["WithExtensionDiamondBaseExt"] = "compiled"
    assert {name: state for name, state in found.items() if name in expected} == expected
    assert set(found.values()) <= {"compiled", "uncacheable", "fresh"}
    assert built.precompiled["totals"]["compiled"] == list(found.values()).count("compiled")


def test_packages_come_after_what_they_need(built: Built) -> None:
    order = list(states(built.precompiled))
    assert order.index("DiamondBase") < order.index("DiamondLeft") < order.index("DiamondTop")
    assert order.index("DiamondRight") < order.index("DiamondTop")


def test_compiled_packages_have_times_and_sizes(built: Built) -> None:
    for package in built.precompiled["packages"]:
        assert (package["seconds"] > 0) == (package["state"] in {"compiled", "uncacheable"}), package
        assert (package["bytes"] > 0) == (package["state"] == "compiled"), package
        assert package["error"] == ""


def test_extension_is_told_as_such(laboratory: Laboratory, built: Built) -> None:
    if laboratory.version < (1, 9):
        pytest.skip("extensions came with Julia 1.9")
    extensions = [package["package"] for package in built.precompiled["packages"] if package["extension"]]
    assert "WithExtensionDiamondBaseExt" in extensions
    assert "WithExtension" not in extensions


def test_package_that_forbids_precompiling_gives_a_warning(built: Built) -> None:
    (warning,) = built.precompiled["warnings"]
    assert warning.startswith("NotPrecompilable forbids precompiling")


def test_output_of_packages_is_kept_out_of_the_result(built: Built) -> None:
    assert len(repr(built.precompiled)) < 20_000 < MEGABYTES * 1_000_000


def test_check_loads_everything_and_compiles_nothing(proved: dict[str, Any]) -> None:
    assert {package["package"] for package in proved["packages"]} >= {*PACKAGES, *DIAMOND}
    assert proved["compiled"] == []
    assert proved["startup_seconds"] > 0
    assert proved["workload_seconds"] > 0


def test_diamond_works(answers: dict[str, str]) -> None:
    assert float(answers["total"]) == 3


def test_preference_beside_the_project_is_compiled_in(laboratory: Laboratory, answers: dict[str, str]) -> None:
    # Preferences came with 1.6.
    assert answers["greeting"] == ("good morning" if laboratory.version >= (1, 6) else "default")


def test_artifacts_are_there_lazy_ones_too(answers: dict[str, str], built: Built, world: PackageWorld) -> None:
    assert (answers["ordinary"], answers["lazy"]) == ("ordinary data", "lazy data")
    assert set(os.listdir(f"{built.common}/artifacts")) == {world.artifact(n).hash for n in ("ordinary", "lazy")}


def test_build_script_ran(laboratory: Laboratory, answers: dict[str, str]) -> None:
    assert answers["built with"] == ".".join(map(str, laboratory.version))


def test_extension_is_loaded(laboratory: Laboratory, answers: dict[str, str]) -> None:
    assert answers["described"] == ("a point" if laboratory.version >= (1, 9) else "something")


def test_recorded_path_is_the_final_one(answers: dict[str, str], built: Built) -> None:
    assert re.fullmatch(re.escape(FINAL) + "/common/packages/RecordsDir/[^/]+/src", answers["recorded"])
    staging = str(built.staging).encode()
    for cache in Path(built.level).rglob("*.ji"):
        assert staging not in cache.read_bytes(), cache


def test_lazy_artifacts_are_left_out_unless_asked_for(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["WithArtifact"])
    laboratory.lock(project)
    where = {"project": str(project), "environment": "e", "depot": str(tmp_path / "depot")}
    artifacts = tmp_path / "depot" / "artifacts"

    laboratory.instantiate(**where)
    assert os.listdir(artifacts) == [world.artifact("ordinary").hash]

    planned = laboratory.instantiate(check_mode=True, lazy_artifacts=True, **where)
    assert planned["actions"] == [{"what": "artifact", "id": "lazy", "status": "installed"}]
    assert len(os.listdir(artifacts)) == 1
    assert laboratory.instantiate(lazy_artifacts=True, **where) == planned
    assert len(os.listdir(artifacts)) == 2
    assert not laboratory.instantiate(lazy_artifacts=True, **where)["changed"]


def test_second_build_changes_nothing(laboratory: Laboratory, server: PackageServer, built: Built) -> None:
    before = contents(built.staging)
    instantiated = laboratory.instantiate(
        project=str(built.project),
        environment="all",
        depot=built.common,
        lazy_artifacts=True,
        mounts=built.mounts(),
    )
    assert (instantiated["changed"], instantiated["actions"]) == (False, [])
    precompiled = laboratory.precompile(**built.compiling())
    assert (precompiled["changed"], precompiled["actions"]) == (False, [])
    assert set(states(precompiled).values()) == {"fresh", "uncacheable"}
    # From 1.10 on Base sets the time of a cache that it finds fresh, so that the newest is tried first.
    after = contents(built.staging)
    assert {path: inode for path, (_time, inode) in after.items()} == {
        path: inode for path, (_time, inode) in before.items()
    }
    assert [path for path in after if after[path] != before[path] and not path.endswith(".ji")] == []
    assert server.requests == []


def test_check_mode_says_what_would_be_and_does_nothing(
    laboratory: Laboratory, server: PackageServer, built: Built, tmp_path: Path
) -> None:
    elsewhere = Built(tmp_path / "staging", built.project, {}, {})
    instantiated = laboratory.instantiate(
        check_mode=True, project=str(built.project), environment="all", depot=elsewhere.common
    )
    assert instantiated["changed"]
    assert {a["id"] for a in instantiated["actions"] if a["what"] == "package"} >= {*PACKAGES, *DIAMOND}
    assert server.requests == []

    compiling = {**built.compiling(), "depot": str(tmp_path / "level")}
    precompiled = laboratory.precompile(check_mode=True, **compiling)
    expected = dict.fromkeys([*PACKAGES, *DIAMOND], "pending") | {"NotPrecompilable": "uncacheable"}
    assert expected.items() <= states(precompiled).items()
    assert {a["status"] for a in precompiled["actions"]} == {"pending"}
    assert os.listdir(tmp_path) == []


def test_lock_is_made_once(laboratory: Laboratory, server: PackageServer, built: Built) -> None:
    (name,) = [path.name for path in built.project.iterdir() if path.name.startswith("Manifest")]
    again = laboratory.instantiate(project=str(built.project), lock="resolve")
    assert (again["changed"], again["actions"]) == (False, [])
    assert "diff" not in again
    assert again["manifest"] == {"name": name, "content": (built.project / name).read_text(), "packages": []}


def test_update_takes_newer_versions_and_resolve_does_not(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    world.project(tmp_path, ["DiamondLeft", "DiamondBase"], compat={"DiamondBase": "=1.0.0"})
    made = laboratory.lock(tmp_path)
    name = made["manifest"]["name"]
    assert made["actions"] == [{"what": "lock", "id": name, "status": "created"}]
    assert made["diff"]["before"] == ""
    assert made["diff"]["after"] == "DiamondBase 1.0.0\nDiamondLeft 1.0.0\n"

    world.project(tmp_path, ["DiamondLeft", "DiamondBase"], compat={"DiamondBase": "1"})
    assert locked_version(laboratory.lock(tmp_path), "DiamondBase") == "1.0.0"
    planned = laboratory.instantiate(check_mode=True, project=str(tmp_path), lock="update")
    updated = laboratory.lock(tmp_path, "update")
    assert planned == updated
    assert locked_version(updated, "DiamondBase") == "1.1.0"
    assert updated["actions"] == [{"what": "lock", "id": name, "status": "updated"}]
    assert updated["diff"]["before"] == made["diff"]["after"]
    assert updated["diff"]["after"] == "DiamondBase 1.1.0\nDiamondLeft 1.0.0\n"
    assert not laboratory.lock(tmp_path, "update")["changed"]


def test_info_tells_what_is_in_the_depots(laboratory: Laboratory, built: Built, world: PackageWorld) -> None:
    common = laboratory.info(depot=built.common, julia=None)
    versions = {package["name"]: package["version"] for package in common["packages"]}
    assert versions == dict.fromkeys([*PACKAGES, *DIAMOND], "1.0.0") | {"DiamondBase": "1.1.0"}
    assert all(os.path.isdir(package["path"]) for package in common["packages"])
    assert common["artifacts"] == sorted(world.artifact(name).hash for name in ("ordinary", "lazy"))
    assert common["environments"] == ["all"]
    assert common["caches"] == []
    assert "julia" not in common
    assert set(common["size"]["parts"]) == {"artifacts", "environments", "packages"}
    assert common["size"]["entries"] == sum(1 for _unused in Path(built.common).rglob("*"))
    files = [path for path in Path(built.common).rglob("*") if path.is_file()]
    assert common["size"]["bytes"] == sum(path.stat().st_size for path in files)


def test_info_tells_what_caches_are_for(laboratory: Laboratory, built: Built) -> None:
    level = laboratory.info(depot=built.level)
    assert level["julia"]["version"] == ".".join(map(str, laboratory.version))
    compiled = {p["package"]: p["bytes"] for p in built.precompiled["packages"] if p["state"] == "compiled"}
    assert {cache["package"]: cache["bytes"] for cache in level["caches"]} == compiled
    native = laboratory.version >= (1, 9)
    for cache in level["caches"]:
        assert cache["julia"] == ".".join(map(str, laboratory.version[:2]))
        assert cache["native"] == native
        assert cache["targets"] == (["generic"] if native else [])


def locked_version(result: dict[str, Any], package: str) -> str:
    lock = tomllib.loads(result["manifest"]["content"])
    (entry,) = lock.get("deps", lock)[package]
    return entry["version"]


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """What tells whether a file is still the same one."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in files}
