# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: what an update changes, where packages come from, and preferences that reach inner packages."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import project as projects
from tests.julia.laboratory import Laboratory
from tests.pkgserver import PackageServer, PackageWorld, uuid_of
from tests.pkgserver.gittree import read_tarball, write_tree


def summaries(result) -> list[str]:
    """What becomes of registered packages and those from git; the standard library differs between versions."""
    ours = ("Diamond", "Preferring", "Mine", "Hidden")
    return [c["summary"] for c in result["manifest"]["packages"] if c["package"].startswith(ours)]


def test_an_update_tells_which_versions_change(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "p", ["DiamondLeft"], compat={"DiamondBase": "=1.0.0"})
    text = (project / "Project.toml").read_text()
    base = f'DiamondBase = "{uuid_of("DiamondBase")}"\n'
    (project / "Project.toml").write_text(text.replace("[deps]\n", f"[deps]\n{base}"))
    first = laboratory.lock(project)
    assert summaries(first) == ["added: DiamondBase 1.0.0", "added: DiamondLeft 1.0.0"]

    (project / "Project.toml").write_text((project / "Project.toml").read_text().replace("=1.0.0", "1"))
    assert summaries(laboratory.lock(project)) == []
    planned = laboratory.instantiate(project=str(project), lock="update", check_mode=True)
    updated = laboratory.lock(project, "update")
    assert summaries(updated) == ["updated: DiamondBase 1.0.0 -> 1.1.0"]
    assert planned["manifest"] == updated["manifest"]
    assert "DiamondBase 1.0.0\n" in updated["diff"]["before"]
    assert "DiamondBase 1.1.0\n" in updated["diff"]["after"]
    assert not laboratory.lock(project, "update")["changed"]

    (project / "Project.toml").write_text(
        world.project(tmp_path / "q", ["DiamondBase"]).joinpath("Project.toml").read_text()
    )
    assert "removed: DiamondLeft 1.0.0" in summaries(laboratory.lock(project, "update"))


@pytest.fixture
def repository(world: PackageWorld, tmp_path: Path) -> Path:
    """DiamondBase in git, with a branch that goes on; nobody but its owner may be asked for it."""
    folder = tmp_path / "DiamondBase.jl"
    write_tree(read_tarball((world.folder / world.package_path("DiamondBase", "1.0.0")[1:]).read_bytes()), folder)
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    git(folder, "tag", "v1")
    return folder


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD^{tree}")[:8]


@pytest.mark.parametrize("rev", ["main", "v1"])
def test_a_git_revision_stays_until_it_is_updated(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path, repository: Path, rev: str
) -> None:
    first = git(repository, "rev-parse", "HEAD^{tree}")[:8]
    project = world.project(tmp_path / "p", ["DiamondLeft", "DiamondBase"])
    with open(project / "Project.toml", "a", encoding="utf-8") as stream:
        stream.write(f'\n[sources]\nDiamondBase = {{url = "file:///srv/git/DiamondBase.jl", rev = "{rev}"}}\n')
    before = (project / "Project.toml").read_text()
    seen = {"mounts": [{"source": str(repository), "target": "/srv/git/DiamondBase.jl"}]}
    locked = laboratory.lock(project, **seen)
    assert f"added: DiamondBase 1.0.0 ({rev} at {first})" in summaries(locked)
    assert (project / "Project.toml").read_text() == before
    read = projects.read(str(project), laboratory.version)
    assert (read.faults, read.lock) == ([], str(project / locked["manifest"]["name"]))
    assert not laboratory.lock(project, **seen)["changed"]

    (repository / "src" / "DiamondBase.jl").open("a").write("\n# more\n")
    second = commit(repository)
    assert not laboratory.lock(project, **seen)["changed"]
    updated = laboratory.lock(project, "update", **seen)
    if rev == "v1":
        assert not updated["changed"]
    else:
        assert summaries(updated) == [f"updated: DiamondBase 1.0.0 (main at {first}) -> 1.0.0 (main at {second})"]
    where = {"project": str(project), "environment": "e", "depot": str(tmp_path / "depot")}
    installed = laboratory.instantiate(**where, **seen)
    assert {"what": "package", "id": "DiamondBase", "status": "installed"} in installed["actions"]
    assert sorted(path.name for path in (tmp_path / "depot").iterdir()) == ["environments", "packages"]


def test_a_private_registry_is_seen_by_those_alone_who_name_it(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    hidden = tmp_path / "registry"
    folder = hidden / "Hidden"
    folder.mkdir(parents=True)
    uuid = uuid_of("Hidden")
    tree = write_package(tmp_path / "Hidden.jl", uuid)
    (hidden / "Registry.toml").write_text(
        f'name = "Private"\nuuid = "{uuid_of("Private")}"\nrepo = ""\n\n[packages]\n'
        f'{uuid} = {{ name = "Hidden", path = "Hidden" }}\n'
    )
    (folder / "Package.toml").write_text(f'name = "Hidden"\nuuid = "{uuid}"\nrepo = "file:///srv/git/Hidden.jl"\n')
    (folder / "Versions.toml").write_text(f'["1.0.0"]\ngit-tree-sha1 = "{tree}"\n')
    project = world.project(tmp_path / "p", ["DiamondBase"])
    text = (project / "Project.toml").read_text()
    (project / "Project.toml").write_text(text.replace("[deps]\n", f'[deps]\nHidden = "{uuid}"\n'))
    shared = {
        "registries_depot": str(tmp_path / "registries"),
        "mounts": [{"source": str(tmp_path / "Hidden.jl"), "target": "/srv/git/Hidden.jl"}],
    }
    other = world.project(tmp_path / "q", ["DiamondBase"])
    laboratory.lock(other, **shared)
    with pytest.raises(BuildError, match="Hidden"):
        laboratory.lock(project, **shared)
    both = {**shared, "registries": [str(hidden), "General"]}
    assert "added: Hidden 1.0.0" in summaries(laboratory.lock(project, **both))
    where = {"project": str(project), "environment": "e", "depot": str(tmp_path / "depot")}
    installed = laboratory.instantiate(**where, **both)
    assert {"what": "package", "id": "Hidden", "status": "installed"} in installed["actions"]
    with pytest.raises(BuildError, match="Hidden"):
        laboratory.lock(project, "update", **shared)


def write_package(folder: Path, uuid: str) -> str:
    """A package in git; the hash of its tree."""
    (folder / "src").mkdir(parents=True)
    (folder / "Project.toml").write_text(f'name = "Hidden"\nuuid = "{uuid}"\nversion = "1.0.0"\n')
    (folder / "src" / "Hidden.jl").write_text("module Hidden end\n")
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return git(folder, "rev-parse", "HEAD^{tree}")


def test_packages_beside_the_project_and_preferences_of_inner_ones(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    """What the controller makes of a project is locked, compiled and loaded as that; the lock comes back as its own."""
    project = world.project(tmp_path / "envs" / "p", [], local={"Mine": ["Preferring"]})
    (project / "Mine").rename(tmp_path / "Mine")
    text = (project / "Project.toml").read_text().replace('path = "Mine"', 'path = "../../Mine"')
    (project / "Project.toml").write_text(text)

    sent = send(projects.read(str(project), laboratory.version), tmp_path / "sent")
    locked = laboratory.instantiate(project=str(sent), lock="resolve")
    read = projects.read(str(project), laboratory.version)
    lock = projects.lock_for_controller(locked["manifest"]["content"], read)
    (project / locked["manifest"]["name"]).write_text(lock)
    assert 'path = "../../Mine"' in lock
    read = projects.read(str(project), laboratory.version)
    assert read.faults == []

    has_preferences = laboratory.version >= (1, 6)
    site = {"Preferring": {"greeting": "hello"}}
    chosen, counting, faults = projects.with_preferences(read, {}, site)
    assert (counting, faults) == (site if has_preferences else {}, [])
    sent = send(chosen, tmp_path / "chosen")
    assert ("Preferring" in tomllib.loads((sent / "Project.toml").read_text()).get("extras", {})) is has_preferences
    depot, level = str(tmp_path / "depot"), str(tmp_path / "level")
    laboratory.instantiate(project=str(sent), environment="e", depot=depot)
    environment = f"{depot}/environments/e"
    laboratory.precompile(project=environment, depot=level, package_depots=[depot])
    inner = f'Base.PkgId(Base.UUID("{uuid_of("Preferring")}"), "Preferring")'
    proved = laboratory.check(
        project=environment,
        depots=[level, depot],
        workload=f"using Mine; println(Base.loaded_modules[{inner}].greeting())",
    )
    assert proved["compiled"] == []
    assert ("hello" if has_preferences else "default") in proved["output"].split()


def send(project: projects.Project, folder: Path) -> Path:
    """What the role brings to a builder."""
    for name in project.files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name in project.texts:
            (folder / name).write_text(project.texts[name])
        else:
            shutil.copy(project.path_of(name), folder / name)
    return folder
