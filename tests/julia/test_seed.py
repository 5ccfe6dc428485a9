# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new build takes over what an earlier one made, as far as it is good."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import seed
from tests.julia.laboratory import FINAL, Built, Laboratory
from tests.pkgserver import PackageServer, PackageWorld

# Where the next release of the same environment would be.
NEXT = FINAL.replace("0123456789abcdef", "fedcba9876543210")
DIAMOND = ("DiamondBase", "DiamondLeft", "DiamondRight", "DiamondTop")
WORKLOAD = """
using DiamondTop, RecordsDir, WithArtifact, WithBuild
println("recorded=", RecordsDir.recorded())
println("ordinary=", strip(WithArtifact.ordinary()))
println("lazy=", strip(WithArtifact.lazy()))
println("built with=", WithBuild.built_with())
"""


def installing(built: Built, seeds: list[str], target: str = NEXT) -> dict[str, Any]:
    """The arguments of instantiate()."""
    built.staging.mkdir(exist_ok=True)
    return {
        "project": str(built.project),
        "environment": "all",
        "depot": built.common,
        "lazy_artifacts": True,
        "mounts": built.mounts(target),
        "seeds": seeds,
    }


def compiling(built: Built, seeds: list[dict[str, str]]) -> dict[str, Any]:
    return {**built.compiling(), "mounts": built.mounts(NEXT), "seeds": seeds}


def states(result: dict[str, Any]) -> dict[str, str]:
    return {package["package"]: package["state"] for package in result["packages"]}


def files(folder: str) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]


@pytest.fixture(scope="session")
def taken(
    laboratory: Laboratory, built: Built, session_server: PackageServer, tmp_path_factory: pytest.TempPathFactory
) -> Built:
    """The next release of the environment ``all``, seeded from the first."""
    following = Built(tmp_path_factory.mktemp("next") / "staging", built.project, {}, {})
    arguments = installing(following, ["/nowhere", built.common])
    arguments["registries_depot"] = str(following.staging.parent / "registries")
    session_server.requests.clear()
    foretold = laboratory.instantiate(check_mode=True, **arguments)
    instantiated = laboratory.instantiate(**arguments)
    asked = list(session_server.requests)
    again = laboratory.instantiate(**arguments)
    seeds = [{"depot": built.level, "built_below": FINAL}]
    planned = laboratory.precompile(check_mode=True, **compiling(following, seeds))
    precompiled = laboratory.precompile(tasks=2, **compiling(following, seeds))
    more = {"foretold": foretold, "asked": asked, "again": again, "planned": planned}
    return Built(following.staging, built.project, {**instantiated, **more}, precompiled)


def test_packages_and_artifacts_are_taken_over_and_nothing_is_downloaded(taken: Built, built: Built) -> None:
    result = taken.instantiated
    packages = {action["id"]: action["status"] for action in result["actions"] if action["what"] == "package"}
    assert packages == dict.fromkeys(packages, "seeded")
    assert set(packages) >= {*DIAMOND, "WithArtifact", "WithBuild"}
    assert result["seeded"]["packages"] == len(packages)
    assert result["seeded"]["artifacts"] == 2
    assert result["seeded"]["bytes"] > 0
    assert result["downloaded"] == {"packages": [], "artifacts": []}
    assert result["asked"] == []
    assert sorted(os.listdir(taken.common)) == sorted(os.listdir(built.common))


def test_check_mode_foretells_it_and_the_second_run_changes_nothing(taken: Built) -> None:
    result = taken.instantiated
    assert result["foretold"]["actions"] == result["actions"]
    assert result["foretold"]["seeded"]["packages"] == result["seeded"]["packages"]
    assert (result["again"]["changed"], result["again"]["actions"]) == (False, [])
    assert result["again"]["seeded"]["packages"] == 0


def test_what_is_taken_is_a_copy_with_its_times(taken: Built, built: Built) -> None:
    for kind in ("packages", "artifacts"):
        for path in files(f"{taken.common}/{kind}"):
            source = built.common / path.relative_to(taken.common)
            assert path.stat().st_ino != source.stat().st_ino
            assert path.stat().st_nlink == 1
            if "deps" not in path.parts:  # what a build script makes is made anew
                assert path.stat().st_mtime_ns == source.stat().st_mtime_ns


def test_build_script_runs_anew(taken: Built, built: Built) -> None:
    (made,) = Path(taken.common).rglob("deps/deps.jl")
    (before,) = Path(built.common).rglob("deps/deps.jl")
    assert made.stat().st_mtime_ns > before.stat().st_mtime_ns


def test_caches_are_taken_over_where_they_are_relocatable(laboratory: Laboratory, taken: Built) -> None:
    found, seeded = states(taken.precompiled), taken.precompiled["seeded"]
    if laboratory.version < seed.FIRST_RELOCATABLE:
        assert set(found.values()) <= {"compiled", "uncacheable", "fresh"}
        assert {found[name] for name in DIAMOND} == {"compiled"}
        assert seeded == {"caches": 0, "bytes": 0, "dropped": 0, "refused": {}}
        return
    assert {name: found[name] for name in (*DIAMOND, "WithArtifact", "Preferring")} == dict.fromkeys(
        (*DIAMOND, "WithArtifact", "Preferring"), "fresh"
    )
    # It holds a path of the release that it was compiled for.
    assert found["RecordsDir"] == "compiled"
    assert FINAL in seeded["refused"]["RecordsDir"]
    assert seeded["caches"] >= len(DIAMOND)
    assert seeded["bytes"] > 0


def test_check_mode_foretells_what_is_compiled(taken: Built) -> None:
    pending = {name for name, state in states(taken.instantiated["planned"]).items() if state == "pending"}
    compiled = {name for name, state in states(taken.precompiled).items() if state == "compiled"}
    assert pending == compiled


def test_seeded_release_is_proved_and_holds_no_path_of_the_other(laboratory: Laboratory, taken: Built) -> None:
    result = laboratory.check(**{**taken.proving(), "mounts": taken.mounts(NEXT)}, workload=WORKLOAD)
    assert result["compiled"] == []
    answers = dict(line.split("=", 1) for line in result["output"].splitlines() if "=" in line)
    assert answers["recorded"].startswith(NEXT)
    assert (answers["ordinary"], answers["lazy"]) == ("ordinary data", "lazy data")
    assert os.listdir(taken.level) == ["compiled"]
    for path in files(taken.level):
        assert seed.baked_path(str(path), FINAL.encode()) is None, path


def test_seed_is_not_changed(laboratory: Laboratory, taken: Built, built: Built) -> None:
    result = laboratory.check(**built.proving())
    assert result["compiled"] == []


def test_second_run_compiles_nothing(laboratory: Laboratory, taken: Built, built: Built) -> None:
    again = laboratory.precompile(**compiling(taken, [{"depot": built.level, "built_below": FINAL}]))
    assert (again["changed"], again["actions"]) == (False, [])
    assert again["seeded"]["caches"] == 0


def test_environment_that_shares_packages_downloads_the_others_alone(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, built: Built, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["DiamondTop", "WithArtifact", "WithMuchBeside"])
    laboratory.lock(project)
    server.requests.clear()
    result = laboratory.instantiate(**installing(Built(tmp_path / "staging", project, {}, {}), [built.common]))
    assert result["downloaded"] == {"packages": ["WithMuchBeside"], "artifacts": []}
    assert [path for path in server.requests if path.startswith(("/package", "/artifact"))] == [
        world.package_path("WithMuchBeside")
    ]


def test_artifact_of_a_package_that_is_downloaded_is_taken_over(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, built: Built, tmp_path: Path
) -> None:
    damaged = built.copy(tmp_path / "seed")
    shutil.rmtree(f"{damaged.common}/packages/WithArtifact")
    result = laboratory.instantiate(**installing(Built(tmp_path / "staging", built.project, {}, {}), [damaged.common]))
    assert result["downloaded"] == {"packages": ["WithArtifact"], "artifacts": []}
    assert result["seeded"]["artifacts"] == 2
    assert [path for path in server.requests if path.startswith("/artifact")] == []


def test_damaged_seed_is_not_taken(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, built: Built, tmp_path: Path
) -> None:
    damaged = built.copy(tmp_path / "seed")
    (source,) = Path(damaged.common).glob("packages/DiamondBase/*/src/DiamondBase.jl")
    source.chmod(0o644)
    source.write_text(source.read_text() + "\n# damaged\n")
    artifact = Path(damaged.common, "artifacts", world.artifact("ordinary").hash)
    (artifact / "data.txt").unlink()
    following = Built(tmp_path / "staging", built.project, {}, {})
    result = laboratory.instantiate(**installing(following, [damaged.common]))
    assert result["downloaded"] == {"packages": ["DiamondBase"], "artifacts": ["ordinary"]}
    (installed,) = Path(following.common).glob("packages/DiamondBase/*/src/DiamondBase.jl")
    assert "damaged" not in installed.read_text()
    assert not list(Path(following.common).rglob("*.incoming"))


def test_changed_package_and_what_needs_it_are_compiled_and_the_rest_is_not(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, built: Built, tmp_path: Path
) -> None:
    if laboratory.version < seed.FIRST_RELOCATABLE:
        pytest.skip("caches can be taken over from Julia 1.11.2 on")
    packages = ["DiamondTop", "DiamondBase", "Preferring"]
    project = world.project(
        tmp_path / "project",
        packages,
        compat={"DiamondBase": "=1.0.0"},
        preferences={"Preferring": {"greeting": "good morning"}},
    )
    laboratory.lock(project)
    following = Built(tmp_path / "staging", project, {}, {})
    laboratory.instantiate(**installing(following, [built.common]))
    result = laboratory.precompile(tasks=2, **compiling(following, [{"depot": built.level, "built_below": FINAL}]))
    found = states(result)
    assert {name: found[name] for name in (*DIAMOND, "Preferring")} == {
        **dict.fromkeys(DIAMOND, "compiled"),
        "Preferring": "fresh",
    }
    caches = laboratory.info(depot=following.level, julia=None)["caches"]
    assert sorted(cache["package"] for cache in caches) == sorted((*DIAMOND, "Preferring"))
    assert result["seeded"]["caches"] == 1
    assert result["seeded"]["dropped"] > 0


def test_seeding_that_was_interrupted_is_begun_anew(
    laboratory: Laboratory, taken: Built, built: Built, tmp_path: Path
) -> None:
    if laboratory.version < seed.FIRST_RELOCATABLE:
        pytest.skip("caches can be taken over from Julia 1.11.2 on")
    half = taken.copy(tmp_path / "half")
    (Path(half.level) / seed.MARK).touch()
    for path in files(f"{half.level}/compiled"):
        path.write_bytes(b"")
    result = laboratory.precompile(tasks=2, **compiling(half, [{"depot": built.level, "built_below": FINAL}]))
    assert {states(result)[name] for name in DIAMOND} == {"fresh"}
    assert os.listdir(half.level) == ["compiled"]


def test_damaged_cache_is_compiled_anew(laboratory: Laboratory, taken: Built, built: Built, tmp_path: Path) -> None:
    if laboratory.version < seed.FIRST_RELOCATABLE:
        pytest.skip("caches can be taken over from Julia 1.11.2 on")
    damaged = built.copy(tmp_path / "seed")
    (image,) = Path(damaged.level).glob("compiled/*/DiamondLeft/*.so")
    image.write_bytes(image.read_bytes()[:-100])
    following = taken.copy(tmp_path / "next")
    shutil.rmtree(following.level)
    result = laboratory.precompile(tasks=2, **compiling(following, [{"depot": damaged.level, "built_below": FINAL}]))
    found = states(result)
    assert {name: found[name] for name in DIAMOND} == {
        "DiamondBase": "fresh",
        "DiamondLeft": "compiled",
        "DiamondRight": "fresh",
        "DiamondTop": "compiled",
    }
