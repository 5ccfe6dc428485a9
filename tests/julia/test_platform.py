# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages and artifacts for another platform, without caches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import images
from tests.julia.laboratory import Laboratory
from tests.pkgserver import PackageServer, PackageWorld

FOREIGN = "aarch64-linux-gnu"


@pytest.fixture
def project(laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path) -> Path:
    folder = world.project(tmp_path / "project", ["DiamondTop", "ForPlatforms"])
    laboratory.lock(folder)
    return folder


def texts(depot: Path) -> list[str]:
    """What the artifacts of a depot hold."""
    return sorted(path.read_text().strip() for path in (depot / "artifacts").glob("*/data.txt"))


def arguments(project: Path, depot: Path, **more: Any) -> dict[str, Any]:
    return {"project": str(project), "environment": "e", "depot": str(depot), "platform": FOREIGN, **more}


def test_artifacts_of_the_other_platform_are_installed_and_no_caches(
    laboratory: Laboratory, project: Path, tmp_path: Path
) -> None:
    depot = tmp_path / "depot"
    foretold = laboratory.instantiate(check_mode=True, **arguments(project, depot))
    assert not depot.exists()
    result = laboratory.instantiate(**arguments(project, depot))
    assert foretold["actions"] == result["actions"]
    assert result["platform"] == {"triplet": FOREIGN, "caches": False, "unbuilt": []}
    assert result["warnings"] == []
    assert texts(depot) == ["library for aarch64"]
    assert sorted(os.listdir(depot)) == ["artifacts", "environments", "packages"]
    again = laboratory.instantiate(**arguments(project, depot))
    assert (again["changed"], again["actions"]) == (False, [])


def test_packages_are_taken_over_from_a_depot_for_this_platform(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, project: Path, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    laboratory.instantiate(project=str(project), environment="e", depot=str(here))
    server.requests.clear()
    result = laboratory.instantiate(**arguments(project, tmp_path / "there", seeds=[str(here)]))
    assert result["downloaded"] == {"packages": [], "artifacts": ["library"]}
    assert len([path for path in server.requests if path.startswith(("/package", "/artifact"))]) == 1
    assert texts(tmp_path / "there") == ["library for aarch64"]


def test_program_of_a_package_chooses_for_the_other_platform(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    if laboratory.version < (1, 7):
        pytest.skip("programs that select artifacts came with Julia 1.7")
    folder = world.project(tmp_path / "project", ["ChoosesArtifact"])
    laboratory.lock(folder)
    depot = tmp_path / "depot"
    laboratory.instantiate(**arguments(folder, depot))
    assert texts(depot) == ["fast for aarch64"]
    assert not laboratory.instantiate(**arguments(folder, depot))["changed"]


def test_build_script_is_left_or_refused(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    folder = world.project(tmp_path / "project", ["WithBuild"])
    laboratory.lock(folder)
    depot = tmp_path / "depot"
    if laboratory.version < (1, 6):
        with pytest.raises(BuildError, match="WithBuild: has a build script, which Pkg of Julia"):
            laboratory.instantiate(**arguments(folder, depot))
        return
    result = laboratory.instantiate(**arguments(folder, depot))
    assert result["platform"]["unbuilt"] == ["WithBuild"]
    (warning,) = result["warnings"]
    assert warning.startswith("the build script of WithBuild was not run")
    assert not list(depot.rglob("deps.jl"))
    assert not laboratory.instantiate(**arguments(folder, depot))["changed"]


@pytest.mark.parametrize("triplet", ["aarch64", "pdp11-linux-gnu", "aarch64-linux-gnu; rm", "aarch64-linux-gnu-what"])
def test_what_is_no_platform_is_refused_and_nothing_is_changed(
    laboratory: Laboratory, project: Path, tmp_path: Path, triplet: str
) -> None:
    for check_mode in (True, False):
        with pytest.raises(InputError, match=r"platform: .* is not a platform that Julia"):
            laboratory.instantiate(check_mode=check_mode, **arguments(project, tmp_path / "depot", platform=triplet))
    assert not (tmp_path / "depot" / "packages").exists()


def test_empty_platform_is_refused(laboratory: Laboratory, project: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="platform: it is empty"):
        laboratory.instantiate(**arguments(project, tmp_path / "depot", platform=" "))


def test_platforms_are_judged_before_anything_is_built(laboratory: Laboratory) -> None:
    def judge(*platforms: str) -> dict[str, Any]:
        given = {"levels": [], "platforms": list(platforms)}
        return images.check_targets(laboratory.complete(images.ARGUMENT_SPEC, given), False)

    assert judge(FOREIGN, "x86_64-apple-darwin", "i686-linux-musl")["changed"] is False
    with pytest.raises(InputError) as error:
        judge("x86_64-vms", FOREIGN, "aarch64-linux-gnu-what")
    assert [fault.partition(" is not a platform that Julia")[0] for fault in error.value.faults] == [
        'platforms: "x86_64-vms"',
        'platforms: "aarch64-linux-gnu-what"',
    ]
