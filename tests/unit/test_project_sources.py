# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where projects come from: git, folders around them, and which name a lock has where environments share a folder."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.project import fetch
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import origins
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import project as projects
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.plan import build_plan

UUID = "7876af07-990d-54b4-ab0e-23690620f79a"
STORE = {"type": "directory", "path": "/srv/julia"}
TARGETS = {"x86_64": ["generic"]}
PROJECT = f'[deps]\nExample = "{UUID}"\n'


def lock(version: str, more: str = "") -> str:
    """A lock of a Julia from 1.7 on."""
    return f'julia_version = "{version}"\nmanifest_format = "2.0"\n[[deps.Example]]\nuuid = "{UUID}"\n{more}'


LOCK_1_5 = f'[[Example]]\nuuid = "{UUID}"\n'


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def plan(base, environments, **given):
    return build_plan(environments, STORE, TARGETS, base=str(base), **given)


def faults(base, environments, **given) -> list[str]:
    with pytest.raises(InputError) as error:
        plan(base, environments, **given)
    return error.value.faults


# --- Names of locks


def names(folder: Path, *versions: str, rule: str = "resolve") -> list[tuple[str | None, str]]:
    """For environments that share a folder: the lock in use, and the one that locking writes."""
    environments = [{"name": f"e{n}", "project": "p", "julia": version} for n, version in enumerate(versions)]
    found = [build["project"] for build in plan(folder, environments, lock=rule)]
    return [(p["lock"] and os.path.basename(p["lock"]), os.path.basename(p["lock_path"])) for p in found]


@pytest.mark.parametrize(
    ("locks", "versions", "expected"),
    [
        ({}, ["1.10.8"], [(None, "Manifest.toml")]),
        ({}, ["1.10.8", "1.10.9"], [(None, "Manifest.toml")] * 2),
        ({}, ["1.10.8", "1.12.5"], [(None, "Manifest-v1.10.toml"), (None, "Manifest-v1.12.toml")]),
        ({}, ["1.5.3", "1.12.5"], [(None, "Manifest.toml"), (None, "Manifest-v1.12.toml")]),
        (
            {"Manifest.toml": lock("1.10.4")},
            ["1.10.8", "1.12.5"],
            [("Manifest.toml", "Manifest.toml"), (None, "Manifest-v1.12.toml")],
        ),
        (
            {"Manifest.toml": LOCK_1_5},
            ["1.5.3", "1.12.5"],
            [("Manifest.toml", "Manifest.toml"), (None, "Manifest-v1.12.toml")],
        ),
        (
            {"Manifest-v1.12.toml": lock("1.12.1"), "Manifest.toml": lock("1.10.4")},
            ["1.12.5"],
            [("Manifest-v1.12.toml", "Manifest-v1.12.toml")],
        ),
    ],
)
def test_a_lock_has_the_name_that_each_julia_of_its_folder_can_read(tmp_path, locks, versions, expected):
    write(tmp_path / "p", {"Project.toml": PROJECT, **locks})
    assert names(tmp_path, *versions) == expected


def test_an_other_name_of_the_project_file_gives_another_name_of_the_lock(tmp_path):
    write(tmp_path / "p", {"JuliaProject.toml": PROJECT})
    assert names(tmp_path, "1.10.8") == [(None, "JuliaManifest.toml")]


@pytest.mark.parametrize(
    ("locks", "versions", "rule", "expected"),
    [
        ({}, ["1.5.3", "1.9.4"], "resolve", "which both read {p}/Manifest.toml; give each of them a folder of its own"),
        (
            {"Manifest.toml": lock("1.12.5")},
            ["1.5.3", "1.12.5"],
            "renew",
            "reads no other name; rename it to Manifest-v1.12.toml, which Julia 1.12.5 reads as well",
        ),
    ],
)
def test_old_julias_cannot_share_the_one_name_that_they_read(tmp_path, locks, versions, rule, expected):
    write(tmp_path / "p", {"Project.toml": PROJECT, **locks})
    environments = [{"name": f"e{n}", "project": "p", "julia": version} for n, version in enumerate(versions)]
    assert expected.format(p=tmp_path / "p") in faults(tmp_path, environments, lock=rule)[0]


@pytest.mark.parametrize(
    ("text", "kept"), [(lock("1.9.4"), False), ("[[", False), (LOCK_1_5, False), (lock("1.10.1"), True)]
)
def test_a_lock_that_does_not_fit_is_a_fault_until_it_is_made_anew(tmp_path, text, kept):
    write(tmp_path / "p", {"Project.toml": PROJECT + 'B = "12345678-990d-54b4-ab0e-23690620f79a"\n'})
    write(tmp_path / "p", {"Manifest.toml": text})
    (fault,) = faults(tmp_path, [{"name": "e", "project": "p", "julia": "1.10.8"}])
    assert "Manifest.toml" in fault
    assert names(tmp_path, "1.10.8", rule="renew") == [("Manifest.toml" if kept else None, "Manifest.toml")]


@pytest.mark.parametrize(
    ("sources", "entry", "fault"),
    [
        ('path = "A"', 'path = "B"', "[sources] has Example with path 'A', the lock with 'B'"),
        ('path = "A"', "", "[sources] has Example with path 'A', the lock with None"),
        ('path = "./A"', 'path = "A"', None),
        ('url = "u"', "", "[sources] has Example with url 'u', the lock with None"),
        ('url = "u", rev = "v2"', 'repo-url = "u"\nrepo-rev = "v1"', "with rev 'v2', the lock with 'v1'"),
        ('url = "u"', 'repo-url = "u"\nrepo-rev = "v1"', None),
    ],
)
def test_a_lock_with_a_package_from_elsewhere_does_not_fit(tmp_path, sources, entry, fault):
    write(tmp_path / "p", {"Project.toml": PROJECT + f"[sources]\nExample = {{{sources}}}\n"})
    write(tmp_path / "p", {"Manifest.toml": lock("1.10.1", entry), "A/Project.toml": "", "B/Project.toml": ""})
    found = projects.read(str(tmp_path / "p"), (1, 10, 8)).faults
    assert (fault in found[0]) if fault else found == []


def test_require_names_every_missing_lock_of_what_is_selected(tmp_path):
    for name in "abc":
        write(tmp_path / name, {"Project.toml": PROJECT, **({"Manifest.toml": lock("1.10.1")} if name == "b" else {})})
    environments = [{"name": name, "project": name, "julia": "1.10.8"} for name in "abc"]
    found = faults(tmp_path, environments, lock="require")
    assert [fault.split()[0] for fault in found] == ["a:", "c:"]
    assert all("depot_lock: require forbids to resolve; run the playbook lock" in fault for fault in found)
    assert plan(tmp_path, environments, lock="require", select="[?environment=='b']")
    assert faults(tmp_path, environments, lock="never")[0] == "depot_lock: 'never' is none of resolve, require"


# --- Local packages from outside of the folder


@pytest.fixture
def around(tmp_path) -> Path:
    """A project that takes packages from beside it and from above it."""
    return write(
        tmp_path / "repo",
        {
            "envs/p/Project.toml": PROJECT
            + "[sources]\nExample = {path = \"../../lib/Example\"} # there\nTop = {path = '../..'}\n",
            "envs/p/Manifest.toml": lock("1.10.1", 'path = "../../lib/Example"\n'),
            "lib/Example/Project.toml": "",
            "lib/Example/src/Example.jl": "module Example end",
            "lib/Example/.git/HEAD": "",
            "Project.toml": "",
            "src/Top.jl": "",
        },
    )


def test_local_packages_from_outside_come_along(around):
    project = projects.read(str(around / "envs/p"), (1, 10, 8))
    assert project.faults == []
    assert "../../lib/Example" not in "".join(project.texts.values())
    table = tomllib.loads(project.texts["Project.toml"])
    assert table["sources"] == {
        "Example": {"path": ".outside/repo/lib/Example"},
        "Top": {"path": ".outside/repo"},
    }
    assert "# there" in project.texts["Project.toml"]
    pinned = tomllib.loads(project.texts["Manifest.toml"])["deps"]["Example"][0]
    assert pinned["path"] == ".outside/repo/lib/Example"
    assert project.outside_files() == [
        ".outside/repo/Project.toml",
        ".outside/repo/lib/Example/Project.toml",
        ".outside/repo/lib/Example/src/Example.jl",
        ".outside/repo/src/Top.jl",
    ]
    assert (project.own_files(), project.ancestor) == ([], str(around.parent))
    text = (around / "envs/p/Manifest.toml").read_text()
    assert projects.lock_for_controller(project.texts["Manifest.toml"], project) == text


def test_without_them_a_lock_stays_as_it_is(tmp_path):
    write(tmp_path, {"Project.toml": PROJECT})
    assert projects.lock_for_controller("any", projects.read(str(tmp_path), (1, 10, 8))) == "any"


def test_what_changes_in_them_changes_the_digest(around):
    before = projects.read(str(around / "envs/p"), (1, 10, 8)).digest
    write(around, {"lib/Example/src/Example.jl": "module Example  end"})
    assert projects.read(str(around / "envs/p"), (1, 10, 8)).digest != before


def test_a_place_that_is_taken_and_paths_that_cannot_be_told_are_faults(around):
    write(around, {"envs/p/.outside": ""})
    assert "the name is taken" in projects.read(str(around / "envs/p"), (1, 10, 8)).faults[0]
    (around / "envs/p/.outside").unlink()
    text = (around / "envs/p/Project.toml").read_text()
    write(around, {"envs/p/Project.toml": 'name = "../../lib/Example"\n' + text})
    assert "cannot be told from other text" in projects.read(str(around / "envs/p"), (1, 10, 8)).faults[0]


def test_nothing_is_taken_from_outside_of_a_repository(around):
    (fault, *_rest) = projects.read(str(around / "envs/p"), (1, 10, 8), "", str(around / "envs")).faults
    assert "lies outside of the repository" in fault


# --- Git


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository with a tag and a branch that goes on."""
    folder = write(tmp_path / "upstream", {"envs/jets/Project.toml": PROJECT, "other": "x"})
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "one")
    git(folder, "tag", "-a", "-m", "one", "v1")
    return folder


def commit(folder: Path, text: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", text)
    return git(folder, "rev-parse", "HEAD")


def fetched(tmp_path, *revisions, check_mode=False):
    wanted = [{"git": str(url), "version": version} for url, version in revisions]
    return fetch({"projects": wanted, "cache": str(tmp_path / "cache"), "time_limit": 60}, check_mode)


def environment(repository, version="main", **more):
    project = {"git": str(repository), "version": version, "folder": "envs/jets", **more}
    return {"name": "jets", "project": project, "julia": "1.10.8"}


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_revision_is_fetched_once_and_a_branch_is_followed(tmp_path, repository, check_mode):
    first = git(repository, "rev-parse", "HEAD")
    result = fetched(tmp_path, (repository, "main"), (repository, "v1"), (repository, first), check_mode=check_mode)
    assert {entry["commit"] for entry in result["projects"]} == {first}
    assert result["actions"] == [{"what": "revision", "id": f"{repository} {first}", "status": "fetched"}]
    path = Path(result["projects"][0]["path"])
    assert sorted(entry.name for entry in path.iterdir()) == ["envs", "other"]
    assert not fetched(tmp_path, (repository, "main"))["changed"]
    write(repository, {"other": "y"})
    second = commit(repository, "two")
    result = fetched(tmp_path, (repository, "main"), (repository, "v1"))
    assert [entry["commit"] for entry in result["projects"]] == [second, first]
    assert (path / "other").read_text() == "x"


def test_a_commit_that_is_there_needs_no_repository(tmp_path, repository):
    first = git(repository, "rev-parse", "HEAD")
    fetched(tmp_path, (repository, first))
    repository.rename(tmp_path / "gone")
    assert not fetched(tmp_path, (repository, first))["changed"]
    assert "fault" in fetched(tmp_path, (repository, "main"))["projects"][0]


def test_a_commit_that_is_no_tip_and_submodules_are_fetched(tmp_path, repository, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[protocol.file]\nallow = always\n")
    inner = write(tmp_path / "inner", {"Project.toml": "inner"})
    git(inner, "init", "-q")
    commit(inner, "inner")
    git(repository, "submodule", "add", "-q", str(inner), "sub")
    second = commit(repository, "two")
    commit(repository, "three")
    path = Path(fetched(tmp_path, (repository, second))["projects"][0]["path"])
    assert (path / "sub/Project.toml").read_text() == "inner"
    assert list(path.rglob(".git")) == []


def test_what_cannot_be_had_is_told_of_each_and_nothing_is_left(tmp_path, repository):
    missing = "0" * 40
    result = fetched(tmp_path, ("/nowhere", "main"), (repository, "v9"), (repository, missing), (repository, "v1"))
    told = [entry.get("fault") for entry in result["projects"]]
    assert told[0].startswith("/nowhere at main cannot be fetched: ")
    assert (
        told[1] == f"{repository} has neither a tag nor a branch 'v9'; a commit is named by all 40 digits of its hash"
    )
    assert told[2].startswith(f"{repository} at {missing} cannot be fetched: ")
    assert told[3] is None
    assert [path.name for path in (tmp_path / "cache").glob("*/.*")] == []


def test_what_nobody_asked_for_in_a_while_is_dropped(tmp_path, repository):
    path = Path(fetched(tmp_path, (repository, "v1"))["projects"][0]["path"])
    os.utime(path, (1, 1))
    fetched(tmp_path)
    assert not path.exists()


def test_a_project_from_git_is_planned_with_its_commit_and_keeps_its_lock_here(tmp_path, repository):
    environments = [environment(repository)]
    assert origins.wanted(environments) == [{"git": str(repository), "version": "main"}]
    place = fetched(tmp_path, (repository, "main"))["projects"]
    (build,) = plan(tmp_path, environments, fetched=place)
    assert build["project"]["origin"] == {
        "git": str(repository),
        "version": "main",
        "folder": "envs/jets",
        "commit": git(repository, "rev-parse", "HEAD"),
    }
    assert build["project"]["lock_path"] == f"{tmp_path}/locks/jets/Manifest.toml"
    write(tmp_path, {"locks/jets/Manifest.toml": lock("1.10.1")})
    (locked,) = plan(tmp_path, environments, fetched=place)
    assert locked["project"]["lock"] == f"{tmp_path}/locks/jets/Manifest.toml"
    assert origins.contents(locked["project"], "1.10.8")["written"] == {
        "differs/Manifest.toml": lock("1.10.1"),
        "files": "Project.toml",
        "others": "Manifest.toml",
    }
    assert locked["project"]["digest"] != build["project"]["digest"]


def test_the_same_files_in_a_folder_and_from_git_are_the_same_project(tmp_path, repository):
    place = fetched(tmp_path, (repository, "main"))["projects"]
    (build,) = plan(tmp_path, [environment(repository)], fetched=place)
    (here,) = plan(tmp_path, [{"name": "jets", "project": "upstream/envs/jets", "julia": "1.10.8"}])
    assert build["project"]["digest"] == here["project"]["digest"]


def test_a_lock_in_the_repository_counts_until_the_site_has_its_own(tmp_path, repository):
    write(repository, {"envs/jets/Manifest.toml": lock("1.10.1")})
    commit(repository, "lock")
    place = fetched(tmp_path, (repository, "main"))["projects"]
    environments = [environment(repository, lock="kept")]
    (build,) = plan(tmp_path, environments, fetched=place)
    assert build["project"]["lock"] == f"{place[0]['path']}/envs/jets/Manifest.toml"
    assert build["project"]["lock_path"] == f"{tmp_path}/kept/Manifest.toml"
    write(tmp_path, {"kept/Manifest.toml": lock("1.10.2")})
    (build,) = plan(tmp_path, environments, fetched=place)
    assert build["project"]["lock"] == f"{tmp_path}/kept/Manifest.toml"


G = {"git": "https://git.example.org/x.git", "version": "v1"}


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ({**G, "branch": "x"}, "branch is not known; known are git, version, folder, lock"),
        ({**G, "git": "--upload-pack=x"}, "git: '--upload-pack=x' is not a URL"),
        ({**G, "git": None}, "git: None is not a URL, for example {git: "),
        ({**G, "git": "https://me:secret@git.example.org/x"}, "git: the URL https://me:***@git.example.org/x holds"),
        ({**G, "version": 1.2}, "version: 1.2 is not a commit, tag or branch, as text; quote it"),
        ({**G, "version": "-x"}, "version: '-x' is not a commit"),
        ({**G, "version": "main~1"}, "version: 'main~1' is not a commit"),
        ({**G, "folder": "../x"}, "folder: '../x' is not the folder of the project in the repository"),
        ({**G, "folder": "/x"}, "folder: '/x' is not the folder"),
        ({**G, "lock": 3}, "lock: 3 is not the folder on the controller that keeps its lock"),
        (G, "https://git.example.org/x.git at v1 is not fetched; the module julia_project does that"),
    ],
)
def test_a_fault_of_a_revision_names_the_value_and_no_password(tmp_path, project, expected):
    (fault,) = faults(tmp_path, [{"name": "jets", "project": project, "julia": "1.10.8"}])
    assert fault.startswith(f"depot_environments[0] (jets): project: {expected}")
    assert "secret" not in fault


def test_a_revision_that_cannot_be_had_is_a_fault_like_others(tmp_path):
    place = [{**G, "fault": "it is gone"}]
    found = faults(tmp_path, [{"name": "a b", "project": G, "julia": "1.10.8"}], fetched=place)
    assert [fault.rpartition(": ")[2] for fault in found][1:] == ["it is gone"]


WORDS = st.text(max_size=6)


@given(st.dictionaries(st.sampled_from([*origins.KEYS, "x", 3]), WORDS | st.integers() | st.none()))
def test_whatever_names_a_revision_is_told_faults_or_wanted(project):
    environments = [{"name": "e", "project": project, "julia": "1.10.8"}]
    assert bool(origins.faults_of(project)) is (origins.wanted(environments) == [])
