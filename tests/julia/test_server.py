# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package servers that fail, and work that needs none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError
from tests.julia.laboratory import Laboratory, processes_with, wait_until
from tests.pkgserver import Fault, PackageServer, PackageWorld
from tests.pkgserver.gittree import read_tarball, write_tree

ROOT = Path(__file__).resolve().parents[2]
JETS = ROOT / "environments" / "jets"
HANG_SECONDS = 6


@pytest.fixture(scope="session")
def locked(laboratory: Laboratory, world: PackageWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a package and an artifact."""
    project = world.project(tmp_path_factory.mktemp("locked"), ["WithArtifact"])
    laboratory.lock(project)
    return project


@pytest.mark.parametrize("kind", ["404", "garbage", "hang"])
def test_registry_that_is_not_served(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path, kind: str
) -> None:
    project = world.project(tmp_path / "project", ["DiamondBase"])
    server.fault = Fault(kind, "/" if kind == "hang" else "/registry/")
    with pytest.raises(BuildError) as caught:
        laboratory.lock(
            project, registries_depot=str(tmp_path / "registries"), time_limit=HANG_SECONDS if kind == "hang" else 900
        )
    assert f"the project {project} cannot be resolved" in caught.value.message
    assert os.listdir(project) == ["Project.toml"]
    wait_until(lambda: not processes_with(str(tmp_path)), "Julia ends")

    if kind == "garbage":
        server.fault = None
        laboratory.lock(project, registries_depot=str(tmp_path / "registries"))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("404", "package"),
        ("garbage", "package"),
        ("truncate", "package"),
        ("hang", "package"),
        ("404", "artifact"),
        ("garbage", "artifact"),
    ],
)
def test_content_that_is_not_served(
    laboratory: Laboratory, server: PackageServer, locked: Path, tmp_path: Path, kind: str, what: str
) -> None:
    server.fault = Fault(kind, f"/{what}/")
    where = {"project": str(locked), "environment": "e", "depot": str(tmp_path / "depot")}
    with pytest.raises(BuildError) as caught:
        laboratory.instantiate(**where, time_limit=HANG_SECONDS if kind == "hang" else 900)
    assert str(locked) in caught.value.message
    assert (tmp_path / "depot" / ".incomplete").exists()
    wait_until(lambda: not processes_with(str(tmp_path)), "Julia ends")
    if kind == "truncate" or (kind, what) == ("garbage", "artifact"):
        server.fault = None
        assert laboratory.instantiate(**where)["changed"]
        assert not (tmp_path / "depot" / ".incomplete").exists()
        assert not laboratory.instantiate(**where)["changed"]


def test_local_packages_need_no_network(laboratory: Laboratory, server: PackageServer, tmp_path: Path) -> None:
    """[sources] count on every Julia, and where nothing is registered no registry is asked for."""
    server.fault = Fault("hang")
    project = tmp_path / "jets"
    shutil.copytree(JETS, project)
    for lock in project.glob("Manifest*.toml"):
        lock.unlink()
    before = (project / "Project.toml").read_text()
    registries = str(tmp_path / "registries")
    laboratory.lock(project, registries_depot=registries)
    assert (project / "Project.toml").read_text() == before
    assert not laboratory.lock(project, registries_depot=registries)["changed"]

    depot, level = str(tmp_path / "depot"), str(tmp_path / "level")
    laboratory.instantiate(project=str(project), environment="jets", depot=depot, registries_depot=registries)
    environment = f"{depot}/environments/jets"
    compiled = laboratory.precompile(project=environment, depot=level, package_depots=[depot])
    states = {package["package"]: package["state"] for package in compiled["packages"]}
    assert dict.fromkeys(("AntiKt", "FourMomenta", "ToyEvents"), "compiled").items() <= states.items()
    proved = laboratory.check(project=environment, depots=[level, depot], workload="using AntiKt; AntiKt.demo()")
    assert proved["output"]
    assert server.requests == []


def test_offline_uses_what_is_there(
    laboratory: Laboratory, server: PackageServer, locked: Path, tmp_path: Path
) -> None:
    where = {"project": str(locked), "environment": "e", "depot": str(tmp_path / "depot")}
    with pytest.raises(BuildError, match=str(locked)):
        laboratory.instantiate(**where, offline=True)
    assert server.requests == []
    laboratory.instantiate(**where)
    server.requests.clear()
    assert not laboratory.instantiate(**where, offline=True)["changed"]
    assert server.requests == []


def test_registry_in_a_folder(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    write_tree(read_tarball((world.folder / world.registry_path[1:]).read_bytes()), registry)
    project = world.project(tmp_path / "project", ["DiamondBase"])
    laboratory.lock(project, registries=[str(registry)], registries_depot=str(tmp_path / "registries"))
    assert [path for path in server.requests if path.startswith("/registry/")] == []


def test_project_and_lock_by_their_other_names(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["DiamondBase"])
    (project / "Project.toml").rename(project / "JuliaProject.toml")
    locked = laboratory.lock(project)
    assert locked["manifest"]["name"].startswith("JuliaManifest")
    assert not laboratory.lock(project)["changed"]
    where = {"project": str(project), "environment": "e", "depot": str(tmp_path / "depot")}
    installed = laboratory.instantiate(**where)
    assert {"what": "package", "id": "DiamondBase", "status": "installed"} in installed["actions"]
