# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transactions with an owner, on each kind of server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import ownership, session, transaction
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, ServerError
from tests.cvmfs.servers import MOMENTS, Server, kill

OPTIONS = transaction.Options(open_files_timeout=0)
DEFAULTS = {name: spec["default"] for name, spec in transaction.ARGUMENT_SPEC.items() if "default" in spec}


@pytest.fixture
def repository(server: Server, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The repository of each kind of server, as the product sees it."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield Repository(server.name)
    assert not os.path.exists(Repository(server.name).owner_record), "an owner is recorded of a transaction that ended"


def change(server: Server, state: str, run: str = "one", check_mode: bool = False, **more: Any) -> dict[str, Any]:
    """Call what the module calls."""
    given = {"repository": server.name, "state": state, "run": run, "lock_timeout": 0, "open_files_timeout": 0}
    return transaction.change({**DEFAULTS, **given, **more}, check_mode)


def statuses(result: dict[str, Any]) -> list[str]:
    return [entry["status"] for entry in result["actions"]]


def write(server: Server, name: str, text: str = "text") -> None:
    (server.path / name).write_text(text)


@contextmanager
def opened(server: Server, path: Path, mode: str) -> Iterator[subprocess.Popen]:
    """A process that has a file open."""
    program = "import sys, time; file = open(sys.argv[1], sys.argv[2]); print('open', flush=True); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path), mode],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd="/",
    )
    try:
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        kill(process)


@contextmanager
def dead_owner(server: Server, repository: Repository, **options: Any) -> Iterator[None]:
    """A transaction whose owner, a process of this collection, dies when the block ends."""
    with ownership.held(repository, 0, "die"):
        owner = replace(ownership.this_process("die"), pid=_pid_of_nobody())
        ownership.record(repository, owner)
        session.open_transaction(repository, **options)
        ownership.record(repository, replace(owner, mark=ownership.mark_of(repository)))
        yield


def _pid_of_nobody() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


def assert_fine(server: Server) -> None:
    """The repository is healthy, in no transaction, and complete."""
    assert server.state == "stratum0 / local"
    answer = server.run("check", server.name)
    assert answer.status == 0, answer


def needs_overlay(server: Server) -> None:
    """Skip where the repository is a plain folder, which cannot be unmounted, and does not keep changes apart."""
    if not server.mount_options():
        pytest.skip("this kind of server has no overlay mount")


def test_a_transaction_of_several_tasks(server: Server, repository: Repository) -> None:
    before = server.revision
    result = change(server, "started", check_mode=True)
    assert (result["changed"], statuses(result)) == (True, ["started"])
    assert server.state == "stratum0 / local"
    result = change(server, "started")
    assert (result["changed"], statuses(result), result["path"]) == (True, ["started"], f"/cvmfs/{server.name}")
    for check_mode in (True, False):
        assert not change(server, "started", check_mode=check_mode)["changed"]
    write(server, "several-tasks")
    result = change(server, "published", check_mode=True)
    assert (result["changed"], statuses(result), result["revision"]) == (True, ["published"], before)
    result = change(server, "published", tag="several-tasks", description="why")
    assert (result["changed"], statuses(result), result["revision"]) == (True, ["published"], before + 1)
    assert server.tags["several-tasks"].description == "why"
    assert server.revision == before + 1
    with pytest.raises(ServerError, match="no transaction of run 'one' is open"):
        change(server, "published")
    assert_fine(server)


def test_a_transaction_is_aborted(server: Server, repository: Repository) -> None:
    before = server.revision
    change(server, "started")
    write(server, "aborted")
    assert statuses(change(server, "aborted", check_mode=True)) == ["aborted"]
    result = change(server, "aborted")
    assert (result["changed"], statuses(result)) == (True, ["aborted"])
    for check_mode in (True, False):
        assert not change(server, "aborted", check_mode=check_mode)["changed"]
    assert server.revision == before
    assert not (server.path / "aborted").exists()
    assert_fine(server)


def test_nothing_changed_makes_no_revision(server: Server, repository: Repository) -> None:
    needs_overlay(server)
    before = server.revision
    change(server, "started")
    result = change(server, "published")
    assert statuses(result) == ["aborted"]
    assert server.revision == before
    assert_fine(server)


def test_bad_inputs(server: Server, repository: Repository) -> None:
    with pytest.raises(InputError, match="'nothing' is not a repository's fully qualified name"):
        change(server, "started", repository="nothing")
    with pytest.raises(InputError) as error:
        change(server, "published", lifetime=0, tag="a b", description="$(touch /nowhere)")
    assert [fault.partition(":")[0] for fault in error.value.faults] == ["tag", "description", "lifetime"]
    with pytest.raises(ServerError, match=r"unknown\.example\.org is not on this machine; there are: .*" + server.name):
        change(server, "started", repository="unknown.example.org")


def test_a_strangers_transaction_is_left_alone(server: Server, repository: Repository) -> None:
    assert server.run("transaction", server.name).status == 0
    write(server, "strangers")
    mark = ownership.mark_of(repository)
    with opened(server, server.path / "strangers", "r") as process:
        for state in ("started", "published", "aborted"):
            with pytest.raises(BusyError, match="not begun by this collection") as caught:
                change(server, state)
            assert f"process {process.pid}" in caught.value.message
            assert caught.value.details["transaction"]["ours"] is False
    assert ownership.mark_of(repository) == mark
    assert (server.path / "strangers").read_text() == "text"


def test_another_runs_transaction_is_left_alone(server: Server, repository: Repository) -> None:
    change(server, "started", run="one", purpose="sweep the floor")
    write(server, "another-runs")
    for state in ("started", "published", "aborted"):
        with pytest.raises(BusyError, match=r"run 'one' on .*, to sweep the floor"):
            change(server, state, run="two")
    assert (server.path / "another-runs").exists()
    change(server, "aborted", run="one")


def test_a_strangers_transaction_is_waited_for(server: Server, repository: Repository) -> None:
    assert server.run("transaction", server.name).status == 0
    write(server, "waited-for", str(time.time()))
    process = server.start("publish", server.name)
    try:
        with ownership.exclusive(repository, 60, "wait") as recovered:
            assert recovered == []
            assert server.state == "stratum0 / local"
            assert (server.path / "waited-for").exists()
    finally:
        process.communicate()
    assert process.returncode == 0


def test_a_living_publish_is_left_alone(server: Server, repository: Repository) -> None:
    assert server.run("transaction", server.name).status == 0
    write(server, "living", str(time.time()))
    with server.publishing(), pytest.raises(BusyError, match="a publish or an abort goes on"):
        change(server, "started")
    server.run("abort", "-f", server.name)


@pytest.mark.parametrize("how", ["old", "boot"])
def test_an_abandoned_transaction_is_recovered(server: Server, repository: Repository, how: str) -> None:
    before = server.revision
    change(server, "started", run="gone", purpose="go")
    write(server, "abandoned")
    owner = ownership.owner_of(repository)
    changed = {"since": owner.since - owner.lifetime - 1} if how == "old" else {"boot": "another"}
    ownership.record(repository, replace(owner, **changed))
    planned = change(server, "started", run="next", check_mode=True)["recovered"]
    result = change(server, "started", run="next")
    assert planned == result["recovered"]
    assert [(entry["what"], entry["status"]) for entry in result["recovered"]] == [("transaction", "aborted")]
    assert "run 'gone'" in result["recovered"][0]["owner"]
    assert not (server.path / "abandoned").exists()
    change(server, "aborted", run="next")
    assert server.revision == before
    assert_fine(server)


def test_a_dead_process_is_recovered(server: Server, repository: Repository) -> None:
    with dead_owner(server, repository):
        write(server, "dead")
        match = rf"{server.name} is being written to.*Held by: process {os.getpid()}"
        with pytest.raises(BusyError, match=match), ownership.exclusive(repository, 0, "look"):
            pass
    with ownership.exclusive(repository, 0, "recover") as recovered:
        assert [entry["status"] for entry in recovered] == ["aborted"]
        assert not (server.path / "dead").exists()
        assert_fine(server)
    with ownership.exclusive(repository, 0, "look again") as recovered:
        assert recovered == []


@pytest.mark.parametrize("moment", sorted(MOMENTS))
def test_a_killed_publish_is_recovered(server: Server, repository: Repository, moment: str) -> None:
    with dead_owner(server, repository):
        write(server, "killed", f"{moment} {time.time()}")
        server.publish_killed(moment)
    with ownership.exclusive(repository, 30, "recover") as recovered:
        assert [entry["status"] for entry in recovered] == ["aborted"]
        assert_fine(server)


def test_what_was_killed_while_it_opened_is_recovered(server: Server, repository: Repository) -> None:
    needs_overlay(server)
    ownership.record(repository, replace(ownership.this_process("die"), pid=_pid_of_nobody()))
    assert server.run("transaction", server.name).status == 0
    with ownership.exclusive(repository, 0, "recover") as recovered:
        assert [entry["status"] for entry in recovered] == ["aborted"]
    assert_fine(server)


def test_a_stranger_who_came_after_a_death_is_left_alone(server: Server, repository: Repository) -> None:
    with dead_owner(server, repository):
        pass
    session.abort(repository)
    assert server.run("transaction", server.name).status == 0
    with pytest.raises(BusyError, match="not begun by this collection"):
        change(server, "started")
    session.abort(repository)
    # One who came at once, and has written something.
    ownership.record(repository, replace(ownership.this_process("die"), pid=_pid_of_nobody()))
    assert server.run("transaction", server.name).status == 0
    write(server, "strangers")
    with pytest.raises(BusyError, match="not begun by this collection"):
        change(server, "started")
    session.abort(repository)
    ownership.forget(repository)


def test_a_publish_that_died_just_after_signing_is_recovered_though_its_mounts_went(
    server: Server, repository: Repository
) -> None:
    needs_overlay(server)
    settings = Path(repository.spool, "client.local")
    before_signing = settings.read_text()
    with ownership.exclusive(repository, 0, "publish"):
        session.open_transaction(repository)
        write(server, "signed", str(time.time()))
        session.publish(repository)
    with dead_owner(server, repository):
        pass
    settings.write_text(before_signing)
    for mount in (repository.mount, repository.read_only):
        subprocess.run(["umount", "--lazy", mount], check=True)
    with ownership.exclusive(repository, 0, "recover") as recovered:
        assert [entry["status"] for entry in recovered] == ["aborted"]
    assert (server.path / "signed").exists()
    assert_fine(server)


def test_a_lost_mount_is_mounted(server: Server, repository: Repository) -> None:
    needs_overlay(server)
    subprocess.run(["umount", server.path], check=True)
    assert ownership.left_behind(repository) == [{"what": "mount", "path": repository.mount, "status": "mounted"}]
    with ownership.exclusive(repository, 0, "recover") as recovered:
        assert recovered == [{"what": "mount", "path": repository.mount, "status": "mounted"}]
        assert "ro" in server.mount_options()
    assert ownership.left_behind(repository) == []


@pytest.mark.parametrize(("days", "renewed"), [(1, True), (20, False)])
def test_a_whitelist_that_runs_out_is_renewed(server: Server, repository: Repository, days: int, renewed: bool) -> None:
    assert server.run("resign", "-d", str(days), server.name).status == 0
    result = change(server, "started")
    assert statuses(result) == (["renewed"] if renewed else []) + ["started"]
    change(server, "aborted")


@pytest.mark.parametrize(("days", "match"), [(1, "expires at"), (0, "expired at")])
def test_a_whitelist_whose_key_is_elsewhere(
    server: Server, repository: Repository, tmp_path: Path, days: int, match: str
) -> None:
    assert server.run("resign", "-d", str(days), server.name).status == 0
    key = Path(repository.key("masterkey"))
    text, mode = key.read_bytes(), key.stat().st_mode
    key.unlink()
    try:
        if days:
            result = change(server, "started")
            assert match in result["warnings"][0]
            change(server, "aborted")
        else:
            with pytest.raises(ServerError, match=rf"{match} .* its master key {key} is not on this machine"):
                change(server, "started")
    finally:
        key.write_bytes(text)
        key.chmod(mode)
        server.run("resign", server.name)


def test_recovery_renews_an_expired_whitelist(server: Server, repository: Repository) -> None:
    with dead_owner(server, repository):
        assert server.run("resign", "-d", "0", server.name).status == 0
    with ownership.exclusive(repository, 0, "recover") as recovered:
        assert [entry["status"] for entry in recovered] == ["renewed", "aborted"]
    assert_fine(server)


def publish(repository: Repository, server: Server, name: str, mode: str = "", **options: Any) -> None:
    """Publish a file that, with a mode, a process has open."""
    with (
        ownership.exclusive(repository, 0, "publish"),
        ExitStack() as processes,
        transaction.around(repository, "publish", replace(OPTIONS, **options)),
    ):
        write(server, name, str(time.time()))
        if mode:
            processes.enter_context(opened(server, server.path / name, mode))


@pytest.mark.parametrize("mode", ["r", "a"])
def test_open_files_are_named(server: Server, repository: Repository, mode: str) -> None:
    before = server.revision
    with pytest.raises(ServerError, match=r"are open, waited 0 s: process \d+ \(") as caught:
        publish(repository, server, "open", mode)
    assert str(server.path / "open") in caught.value.details["open_files"][0]
    assert ("with force" in caught.value.message) == (mode == "r")
    assert server.revision == before
    with ownership.exclusive(repository, 0, "look"):
        assert_fine(server)


def test_open_files_are_taken_away_by_force(server: Server, repository: Repository) -> None:
    before = server.revision
    publish(repository, server, "forced", "r", force=True)
    assert server.revision == before + 1
    with ownership.exclusive(repository, 0, "look"):
        assert_fine(server)


def fail(repository: Repository, server: Server, error: Exception, **arguments: Any) -> None:
    """Begin to publish a file, and raise an error."""
    with ownership.exclusive(repository, 0, "fail"), transaction.around(repository, "fail", OPTIONS, **arguments):
        write(server, "fails")
        raise error


def test_what_fails_within_is_undone(server: Server, repository: Repository) -> None:
    before = server.revision
    with pytest.raises(KeyError):
        fail(repository, server, KeyError())
    assert server.revision == before
    assert not (server.path / "fails").exists()
    assert_fine(server)


def tagged(repository: Repository, server: Server, text: str) -> None:
    """Publish a file with a tag that is always the same."""
    with ownership.exclusive(repository, 0, "tag"), transaction.around(repository, "tag", OPTIONS, tag="twice"):
        write(server, "tagged", text)


def test_a_tag_that_exists_is_refused(server: Server, repository: Repository) -> None:
    tagged(repository, server, "0")
    with pytest.raises(ServerError, match="twice"):
        tagged(repository, server, "1")
    assert (server.path / "tagged").read_text() == "0"
    assert_fine(server)


def template(repository: Repository, source: str, target: str) -> None:
    """Publish a folder as a clone of another, with one file more."""
    cloned = transaction.around(repository, "clone", OPTIONS, template=(source, target))
    with ownership.exclusive(repository, 0, "clone"), cloned:
        Path(repository.mount, target, "more").write_text("more")


def test_a_template_is_cloned(server: Server, repository: Repository) -> None:
    with ownership.exclusive(repository, 0, "fill"), transaction.around(repository, "fill", OPTIONS):
        (server.path / "clones" / "one").mkdir(parents=True)
        write(server, "clones/one/file", "content")
    template(repository, "clones/one", "clones/two")
    assert {path.name: path.read_text() for path in (server.path / "clones/two").iterdir()} == {
        "file": "content",
        "more": "more",
    }
    assert [path.name for path in (server.path / "clones/one").iterdir()] == ["file"]
    assert_fine(server)
    for source, target in (("clones/nothing", "clones/three"), ("clones/one", "clones/two"), ("clones/one", "no/no")):
        with pytest.raises(ServerError, match="no transaction could be opened"):
            template(repository, source, target)
        assert_fine(server)
    with dead_owner(server, repository, template=("clones/one", "clones/three")):
        write(server, "clones/three/file", "other")
    with ownership.exclusive(repository, 0, "recover") as recovered:
        assert [entry["status"] for entry in recovered] == ["aborted"]
        assert not (server.path / "clones/three").exists()
        assert_fine(server)
