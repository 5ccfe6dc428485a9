# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages and artifacts in a depot: marked while incomplete, repaired afterwards, and a lock that comes back."""

from __future__ import annotations

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import ARGUMENT_SPEC, instantiate
from tests.unit.helpers import FakeJulia, needs_bwrap, params_of

pytestmark = needs_bwrap
DONE = {"event": "done"}
INSTALLED = [{"event": "missing", "package": "A"}, {"event": "missing", "artifact": "tool"}, DONE]


@pytest.fixture
def fake(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "Project.toml").write_text("")
    (project / "Manifest.toml").write_text("old")
    return FakeJulia(tmp_path)


def ask(fake, check_mode=False, **params):
    place = fake.prefix.parent
    given = {
        "julia": str(fake.executable),
        "project": f"{place}/project",
        "environment": "jets",
        "depot": f"{place}/common",
        "registries_depot": f"{place}/registries",
        "_bundle": str(fake.bundle),
    }
    return instantiate(params_of(ARGUMENT_SPEC, **{**given, **params}), check_mode)


def test_what_is_installed_is_told_and_the_environment_is_placed(fake, tmp_path):
    fake.ends_with(INSTALLED)
    result = ask(fake)
    assert result["actions"] == [
        {"what": "environment", "id": "jets", "status": "placed"},
        {"what": "package", "id": "A", "status": "installed"},
        {"what": "artifact", "id": "tool", "status": "installed"},
    ]
    assert result["changed"] is True
    assert "manifest" not in result
    assert (tmp_path / "common/environments/jets/Manifest.toml").read_text() == "old"
    assert not (tmp_path / "common/.incomplete").exists()
    fake.ends_with([DONE])
    result = ask(fake)
    assert (result["changed"], result["actions"]) == (False, [])
    assert result["seeded"] == {"packages": 0, "artifacts": 0, "bytes": 0}
    assert result["downloaded"] == {"packages": [], "artifacts": []}


def test_julia_is_asked_by_the_paths_of_the_store(fake, tmp_path):
    fake.ends_with([DONE])
    target = "/srv/julia of tests/releases/x/common"
    ask(
        fake,
        lazy_artifacts=True,
        registries=["https://r.example.org"],
        variables={"MINE": 1},
        mounts=[{"source": f"{tmp_path}/common", "target": target}],
    )
    env = dict(line.split("=", 1) for line in (tmp_path / "common/env").read_text().splitlines())
    assert env["JULIA_DEPOT_PATH"] == f"{target}:{tmp_path}/registries:"
    assert (env["MINE"], env["HOME"]) == ("1", "/tmp/home")
    request = (tmp_path / "common/request.toml").read_text()
    for line in (
        f'project = "{target}/environments/jets"',
        'registries = ["https://r.example.org"]',
        "lazy = true",
        "offline = false",
        "dry_run = false",
    ):
        assert f"{line}\n" in request


def test_an_interrupted_run_is_marked_and_repaired_by_the_next(fake, tmp_path):
    (tmp_path / "common/packages/Half").mkdir(parents=True)
    fake.ends_with([], stderr="ERROR: no network\n", status=1)
    with pytest.raises(
        BuildError, match=rf"the packages of {tmp_path}/project cannot be installed: .*ERROR: no network"
    ):
        ask(fake)
    assert (tmp_path / "common/.incomplete").exists()
    assert (tmp_path / "common/packages/Half").exists()
    fake.ends_with([INSTALLED[0], DONE])
    statuses = [action["status"] for action in ask(fake)["actions"]]
    assert statuses == ["repaired after an interrupted run", "installed"]
    assert not (tmp_path / "common/packages/Half").exists()
    assert not (tmp_path / "common/.incomplete").exists()


def test_every_package_that_is_not_installed_is_named(fake, tmp_path):
    fake.ends_with(
        [{"event": "failed", "what": "A", "error": "boom"}, {"event": "failed", "what": "tool", "error": "gone"}, DONE]
    )
    with pytest.raises(BuildError) as error:
        ask(fake)
    assert error.value.message == (
        f"2 packages or artifacts of {tmp_path}/project are not installed:\n- A: boom\n- tool: gone"
    )
    assert [event["what"] for event in error.value.details["failures"]] == ["A", "tool"]
    assert (tmp_path / "common/.incomplete").exists()


@pytest.mark.parametrize("there", [False, True], ids=["no-depot", "depot"])
def test_check_mode_changes_nothing(fake, tmp_path, there):
    depot = tmp_path / "common"
    if there:
        (depot / "packages").mkdir(parents=True)
    fake.ends_with(INSTALLED)
    result = ask(fake, check_mode=True)
    assert result["changed"] is True
    assert {"what": "package", "id": "A", "status": "installed"} in result["actions"]
    assert depot.exists() is there
    assert not (depot / "environments").exists()
    assert not (depot / ".incomplete").exists()


@pytest.mark.parametrize(
    ("present", "status", "before"), [(True, "updated", "old"), (False, "created", "")], ids=["updated", "created"]
)
def test_a_lock_comes_back_and_the_project_stays_as_it_is(fake, tmp_path, present, status, before):
    manifest = tmp_path / "project" / "Manifest.toml"
    if not present:
        manifest.unlink()
    fake.ends_with([{"event": "lock", "path": "/any/Manifest.toml"}, DONE])
    script = fake.executable.read_text()
    write = 'project=$(sed -n \'s/^project = "\\(.*\\)"$/\\1/p\' "$request"); printf new > "$project/Manifest.toml"\n'
    fake.executable.write_text(script.replace("exit 0\n", write))
    result = ask(fake, lock="resolve", depot=None, environment=None)
    assert result["actions"] == [{"what": "lock", "id": "Manifest.toml", "status": status}]
    assert result["manifest"] == {"name": "Manifest.toml", "content": "new", "packages": []}
    assert (result["diff"]["before"], result["diff"]["after"]) == (before, "new")
    assert manifest.exists() is present
    assert not present or manifest.read_text() == "old"


def test_a_lock_that_stays_is_no_change(fake):
    fake.ends_with([{"event": "lock", "path": "/any/Manifest.toml"}, DONE])
    result = ask(fake, lock="resolve", depot=None, environment=None)
    assert (result["changed"], result["manifest"]["content"]) == (False, "old")
    assert "diff" not in result


def test_a_project_that_cannot_be_resolved_is_named(fake, tmp_path):
    fake.ends_with([], stderr="ERROR: Unsatisfiable requirements\n", status=1)
    with pytest.raises(BuildError, match=rf"the project {tmp_path}/project cannot be resolved: .*Unsatisfiable"):
        ask(fake, lock="update", depot=None)


@pytest.mark.parametrize(
    ("params", "faults"),
    [
        ({"project": "/nowhere"}, ["project: /nowhere is not a folder on this machine"]),
        ({"depot": None}, ["depot: nothing to do with lock: require and no depot"]),
        ({"environment": None}, ["environment: None is not a name"]),
        ({"environment": "a/b"}, ["environment: 'a/b' is not a name"]),
        (
            {"project": "/usr", "lock": "update", "offline": True, "environment": "a b"},
            ["project: /usr has no Project.toml", "environment: 'a b'", "offline: an update needs the network"],
        ),
    ],
)
def test_all_faults_are_told_at_once(fake, tmp_path, params, faults):
    with pytest.raises(InputError) as error:
        ask(fake, **params)
    assert [fault[: len(start)] for fault, start in zip(error.value.faults, faults, strict=True)] == faults
    assert not (tmp_path / "common").exists()


def test_without_a_lock_require_is_refused(fake, tmp_path):
    (tmp_path / "project" / "Manifest.toml").unlink()
    with pytest.raises(InputError, match=r"has no Manifest\.toml, and lock: require forbids to make one"):
        ask(fake)
