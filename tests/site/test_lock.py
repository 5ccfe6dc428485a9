# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook lock, and what a site builds from: locks, git, packages around the project, preferences."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pkgserver import PackageServer, PackageWorld, uuid_of
from tests.sites import Site


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> PackageWorld:
    return PackageWorld.generate(tmp_path_factory.mktemp("world"))


@pytest.fixture
def server(world):
    with PackageServer(world) as server:
        yield server


def locks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*Manifest*.toml"))


def version_of(site: Site) -> tuple[int, ...]:
    return tuple(int(part) for part in site.version.split("."))


def environment(site: Site, **changes) -> dict:
    return {**site.extra()["depot_environments"][0], **changes}


def served(site: Site, server: PackageServer, **changes) -> dict:
    """An environment whose Julia knows this package server alone."""
    return environment(site, workload="", variables={"JULIA_PKG_SERVER": server.url}, **changes)


def test_a_lock_is_made_once_and_brought_up_to_date_when_asked(site, world, server):
    shutil.rmtree(site.project)
    world.project(site.project, ["DiamondLeft", "DiamondBase"], compat={"DiamondBase": "=1.0.0"})
    given = {"depot_environments": [served(site, server)]}

    refused = site.run("site", depot_lock="require", **given)
    assert "depot_lock: require forbids to resolve; run the playbook lock" in refused.failure()
    assert locks(site.project) == []
    assert not (site.folder / "work").exists()

    planned = site.run("lock", "--check", depot_lock="require", **given)
    assert "added: DiamondBase 1.0.0" in planned.text
    assert planned.ok, planned.text[-3000:]
    assert locks(site.project) == []
    made = site.run("lock", depot_lock="require", **given)
    assert made.ok, made.text[-3000:]
    assert "added: DiamondBase 1.0.0" in made.text
    assert locks(site.project) == ["Manifest.toml"]
    assert site.run("lock", "--check", **given).changed == 0
    assert site.run("lock", **given).changed == 0

    project = site.project / "Project.toml"
    project.write_text(project.read_text().replace("=1.0.0", "1"))
    again = site.run("lock", **given)
    assert (again.ok, "DiamondBase 1.0.0" in again.text) == (True, False)
    before = (site.project / "Manifest.toml").read_text()
    told = "updated: DiamondBase 1.0.0 -> 1.1.0"
    foretold = site.run("lock", "--check", "--diff", depot_update=True, **given)
    assert told in foretold.text
    assert "-DiamondBase 1.0.0" in foretold.text
    assert "+DiamondBase 1.1.0" in foretold.text
    assert (site.project / "Manifest.toml").read_text() == before
    assert told in site.run("lock", depot_update=True, **given).text
    assert site.run("lock", "--check", depot_update=True, **given).changed == 0
    assert site.run("lock", depot_update=True, **given).changed == 0
    assert site.run("build", depot_lock="require", **given).ok


def test_a_lock_that_does_not_fit_is_refused_and_made_anew_by_the_playbook(site):
    other = f'julia_version = "1.9.0"\nmanifest_format = "2.0"\n[[deps.Printf]]\nuuid = "{uuid_of("X")}"\n'
    (site.project / "Manifest.toml").write_text(other)
    refused = site.run("site")
    assert "run the playbook lock" in refused.failure()
    assert not (site.folder / "work").exists()
    assert site.run("lock").ok
    assert locks(site.project) == ["Manifest.toml"]
    run = site.run("build", "--check", depot_lock="require")
    assert run.ok, run.text[-3000:]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


def test_a_project_from_git_with_packages_beside_it_and_preferences_of_the_site(site, world, server):
    """The preference is of a package that the project does not name, and users get it from the caches as published."""
    upstream = site.folder / "upstream"
    world.project(upstream / "envs" / "mine", [], local={"Mine": ["Preferring"]})
    (upstream / "envs" / "mine" / "Mine").rename(upstream / "Mine")
    project = upstream / "envs" / "mine" / "Project.toml"
    project.write_text(project.read_text().replace('path = "Mine"', 'path = "../../Mine"'))
    git(upstream, "init", "-q", "-b", "main")
    first = commit(upstream)
    has_preferences = version_of(site) >= (1, 6)
    inner = f'Base.loaded_modules[Base.PkgId(Base.UUID("{uuid_of("Preferring")}"), "Preferring")]'
    greeting = "hello, site" if has_preferences else "default"
    given = {
        "depot_environments": [
            {
                **served(site, server, project={"git": str(upstream), "version": "main", "folder": "envs/mine"}),
                "workload": f'using Mine; {inner}.greeting() == "{greeting}" || error({inner}.greeting())',
            }
        ],
        "depot_preferences": {"Preferring": {"greeting": "hello, site"}, "NotHere": {"a": [1, {"b": True}]}},
        "depot_build_base": str(site.folder),
        "depot_build_cache": str(site.folder / "cache"),
    }
    planned = site.run("site", "--check", **given)
    assert planned.ok, planned.text[-3000:]
    assert not (site.folder / "locks").exists()
    run = site.run("site", **given)
    assert run.ok, run.text[-4000:]
    assert locks(site.folder / "locks" / "jets") == ["Manifest.toml"]
    assert 'path = "../../Mine"' in (site.folder / "locks" / "jets" / "Manifest.toml").read_text()
    assert site.run("site", "--check", **given).changed == 0
    again = site.run("site", **given)
    assert (again.ok, again.changed) == (True, 0), again.text[-3000:]

    home = site.folder / "home"
    home.mkdir()
    strict = ["--compiled-modules=strict"] if version_of(site) >= (1, 11) else []
    used = site.use(*strict, "-e", f"using Mine; print({inner}.greeting())", HOME=str(home))
    assert (used.stdout, used.stderr) == (greeting, "")
    assert list(home.glob(".julia/compiled/**/*.ji")) == []
    record = json.loads((site.environment / "current" / "release.json").read_text())
    origin = {"git": str(upstream), "version": "main", "folder": "envs/mine", "commit": first}
    assert [build["origin"] for build in record["architectures"].values()] == [origin]

    # A branch goes on: another commit with other files is another release, one with the same files is none.
    (upstream / "README").write_text("more")
    commit(upstream)
    same = site.run("site", **given)
    assert (same.ok, same.changed) == (True, 0), same.text[-3000:]
    (upstream / "Mine" / "src" / "Mine.jl").open("a").write("\n# more\n")
    second = commit(upstream)
    assert second != first
    current = site.current
    assert site.run("site", **given).ok
    assert site.current != current
    if has_preferences:
        changed = {**given, "depot_preferences": {"Preferring": {"greeting": "goodbye"}}}
        plan = site.run("build", "--check", **changed)
        assert plan.changed > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"project": {"git": "/nowhere.git", "version": "v1"}}, "/nowhere.git at v1 cannot be fetched"),
        (
            {"project": {"git": "https://a:b@example.org/x", "version": "v1"}},
            "https://a:***@example.org/x holds a password",
        ),
        ({"preferences": {"Elsewhere": "x"}}, "preferences: Elsewhere: 'x' is not a mapping"),
    ],
)
def test_bad_input_is_named_before_anything_is_done(site, changes, message):
    run = site.run("site", depot_environments=[environment(site, **changes)], depot_build_cache=str(site.folder / "c"))
    assert message in run.failure()
    assert "Traceback" not in run.text
    assert not (site.folder / "work").exists()
    assert not site.store.exists()


def test_two_julias_that_share_a_folder_have_locks_of_their_own(site, julia_version):
    if version_of(site) < (1, 10, 8):
        pytest.skip("Julia reads Manifest-vX.Y.toml from 1.10.8 on")
    series = ".".join(site.version.split(".")[:2])
    sharing = [environment(site), environment(site, name="other", julia="1.99.0")]
    run = site.run("lock", depot_environments=sharing, depot_select="[?environment=='jets']")
    assert run.ok, run.text[-3000:]
    assert locks(site.project) == [f"Manifest-v{series}.toml"]
    assert site.run("build", "--check", depot_environments=sharing[:1], depot_lock="require").ok
