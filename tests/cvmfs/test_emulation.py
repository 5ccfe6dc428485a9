# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the emulated ``cvmfs_server`` has and a real one has not, or not here: faults, leases, replicas, both modes."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cvmfs.emulation.faults import STEPS
from tests.cvmfs.servers import (
    CONFIGURATION,
    Answer,
    Emulated,
    EmulatedPlain,
    kill,
    nobody_cannot_run_the_emulation,
    wait_for,
)

NOBODY = pwd.getpwnam("nobody").pw_uid
PUBLISH_STEPS = [step for step in STEPS if step.startswith("publish:")]
ABORT_STEPS = [step for step in STEPS if step.startswith("abort:")]
TRANSACTION_STEPS = [step for step in STEPS if step.startswith("transaction:")]


def publish_file(server: Emulated, text: str) -> None:
    assert server.run("transaction", server.name).status == 0
    (server.path / "file").write_text(text)
    answer = server.run("publish", server.name)
    assert answer.status == 0, answer


def is_healthy(server: Emulated) -> bool:
    return server.state == "stratum0 / local" and server.run("check", server.name).status == 0


@pytest.mark.parametrize("step", PUBLISH_STEPS)
def test_a_publish_that_dies_is_repaired_by_abort(emulated: Emulated, step: str) -> None:
    publish_file(emulated, "old")
    before = emulated.revision
    assert emulated.run("transaction", emulated.name).status == 0
    (emulated.path / "file").write_text("new")
    emulated.order(step, "die")
    assert emulated.run("publish", "-a", "tag", emulated.name).status == -signal.SIGKILL
    assert "in transaction" in emulated.state
    assert emulated.run("abort", "-f", emulated.name).status == 0
    signed = PUBLISH_STEPS.index(step) > PUBLISH_STEPS.index("publish:before-sign")
    assert emulated.revision == before + signed
    assert (emulated.path / "file").read_text() == ("new" if signed else "old")
    assert ("tag" in emulated.tags) == signed
    assert is_healthy(emulated)


@pytest.mark.parametrize("step", [*ABORT_STEPS, *TRANSACTION_STEPS])
def test_what_dies_around_a_transaction_is_repaired_by_abort(emulated: Emulated, step: str) -> None:
    command = step.partition(":")[0]
    if command == "abort":
        assert emulated.run("transaction", emulated.name).status == 0
    emulated.order(step, "die")
    assert emulated.run(command, *(["-f"] if command == "abort" else []), emulated.name).status == -signal.SIGKILL
    assert emulated.run("abort", "-f", emulated.name).status in (0, 22)
    assert is_healthy(emulated)


def test_a_fault_happens_once_or_always(emulated: Emulated) -> None:
    emulated.order("check:start", "fail", status=7, stdout="out\n", stderr="err\n")
    assert emulated.run("check", emulated.name) == Answer(7, "out\n", "err\n")
    assert emulated.run("check", emulated.name).status == 0
    emulated.order("check:start", "fail", times="always")
    assert [emulated.run("check", emulated.name).status for _unused in range(2)] == [1, 1]


def test_a_publish_that_fails_leaves_the_transaction_open(emulated: Emulated) -> None:
    assert emulated.run("transaction", emulated.name).status == 0
    (emulated.path / "file").write_text("x")
    emulated.order("publish:after-sync", "fail", stderr="Synchronization failed\n")
    answer = emulated.run("publish", emulated.name)
    assert (answer.status, answer.stderr) == (1, "Synchronization failed\n")
    assert emulated.state == "stratum0 / local - in transaction"
    assert emulated.run("publish", emulated.name).status == 0
    assert (emulated.path / "file").read_text() == "x"


def test_a_command_that_hangs(emulated: Emulated) -> None:
    emulated.order("transaction:after-lock", "hang")
    process = emulated.start("transaction", emulated.name)
    try:
        wait_for((emulated.spool / "in_transaction.lock").exists, "the lock")
        assert process.poll() is None
        assert emulated.state == "stratum0 / local - in transaction - unhealthy"
    finally:
        kill(process)
    assert emulated.run("abort", "-f", emulated.name).status == 0


def test_faults_from_the_environment(emulated: Emulated, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fault = {"step": "info:start", "action": "fail", "status": 9}
    monkeypatch.setenv("CVMFS_EMULATION_FAULTS", json.dumps([fault]))
    assert [emulated.run("info", emulated.name).status for _unused in range(2)] == [9, 9]
    (tmp_path / "faults.json").write_text(json.dumps([fault]))
    monkeypatch.setenv("CVMFS_EMULATION_FAULTS", str(tmp_path / "faults.json"))
    assert [emulated.run("info", emulated.name).status for _unused in range(2)] == [9, 0]


@pytest.mark.parametrize(
    "fault",
    [
        {"step": "publish:nowhere", "action": "die"},
        {"step": "publish:start", "action": "explode"},
        {"step": "publish:start", "action": "die", "when": "now"},
        {"step": "publish:start", "action": "die", "times": "twice"},
    ],
    ids=lambda fault: "-".join(fault.values()),
)
def test_a_fault_that_does_not_exist(emulated: Emulated, fault: dict) -> None:
    emulated.set(faults=[fault])
    answer = emulated.run("info", emulated.name)
    assert answer.status == 70
    assert json.dumps(fault) in answer.stderr


def test_an_interrupted_publish_leaves_the_transaction_open(emulated: Emulated) -> None:
    assert emulated.run("transaction", emulated.name).status == 0
    emulated.order("publish:after-sync", "hang")
    process = emulated.start("publish", emulated.name)
    try:
        wait_for(lambda: not emulated.settings["faults"], "the publish to hang")
        process.terminate()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    finally:
        kill(process)
    assert emulated.state == "stratum0 / local - in transaction"


def test_leases_of_a_gateway() -> None:
    if Emulated.unavailable():
        pytest.skip(Emulated.unavailable())
    server = Emulated()
    try:
        server.create("-u", f"gw,{server.storage}/data/txn,http://localhost:4929/api/v1")
        server.set(leases=["team/data"])
        assert server.state == "stratum0 / gw"
        busy = Answer(16, "", "CernVM-FS transaction error: lease path busy\n")
        assert server.run("transaction", server.name) == busy
        assert server.run("transaction", f"{server.name}/team/data/inner") == busy
        assert server.state == "stratum0 / gw"
        assert server.run("transaction", f"{server.name}/julia").status == 0
        token = server.spool / "session_token"
        assert token.is_file()
        assert server.run("abort", "-f", server.name).status == 0
        assert not token.exists()
    finally:
        server.destroy()


def test_a_reader_keeps_the_revision_it_opened(emulated: Emulated) -> None:
    publish_file(emulated, "old" * 10_000)
    tree = emulated.storage / "emulation" / "revisions" / emulated.tags["trunk"].hash
    with open(tree / "file") as file:
        publish_file(emulated, "new")
        assert file.read() == "old" * 10_000
    assert (tree / "file").read_text() == "old" * 10_000
    assert (emulated.path / "file").read_text() == "new"


def test_check_finds_what_was_changed_in_the_storage(emulated: Emulated) -> None:
    publish_file(emulated, "x")
    tree = emulated.storage / "emulation" / "revisions" / emulated.tags["trunk"].hash
    (tree / "file").write_text("longer")
    answer = emulated.run("check", emulated.name)
    assert answer.status == 1
    assert "no problems found" not in answer.stdout


def test_collecting_all(emulated: Emulated, tmp_path: Path) -> None:
    publish_file(emulated, "x")
    assert emulated.run("gc", "-a", "-f", "-r", "0") == Answer(0, "", "")
    assert f"Starting {emulated.name} at " in Path("/var/log/cvmfs/gc.log").read_text()
    assert is_healthy(emulated)


def test_a_replica(emulated: Emulated) -> None:
    replica = Emulated()
    try:
        url = f"http://localhost/cvmfs/{emulated.name}"
        key = f"/etc/cvmfs/keys/{emulated.name}.pub"
        assert emulated.run("add-replica", "-o", "root", "-n", replica.name, url, key).status == 0
        assert replica.state == "stratum1 / local"
        assert emulated.run("snapshot", replica.name).status == 0
        assert replica.revision == emulated.revision == 1
        publish_file(emulated, "x")
        replica.order("snapshot:before-manifest", "die")
        assert emulated.run("snapshot", replica.name).status == -signal.SIGKILL
        assert replica.revision == 1
        assert emulated.run("snapshot", replica.name).status == 0
        assert replica.revision == emulated.revision == 2
        assert emulated.run("check", replica.name).status == 0
        assert emulated.run("snapshot", emulated.name).status == 1
        assert emulated.run("rmfs", "-f", replica.name).status == 0
    finally:
        replica.destroy()


def test_other_repositories_are_left_alone(emulated: Emulated) -> None:
    foreign = Emulated()
    try:
        (CONFIGURATION / foreign.name).mkdir()
        (CONFIGURATION / foreign.name / "server.conf").write_text("CVMFS_REPOSITORY_TYPE=stratum0\n")
        assert foreign.name not in emulated.run("list").stdout
        assert emulated.run("rmfs", "-f", foreign.name).status == 1
        assert (CONFIGURATION / foreign.name / "server.conf").is_file()
    finally:
        foreign.destroy()


def test_the_owner_publishes_in_plain_folders() -> None:
    reason = Emulated.unavailable() or nobody_cannot_run_the_emulation()
    if reason:
        pytest.skip(reason)
    server = EmulatedPlain()
    environment = {**server.environment, "CVMFS_EMULATION_PYTHON": "/usr/bin/python3"}

    def run(*arguments: str) -> None:
        program = [*arguments, server.name] if arguments[0] == "cvmfs_server" else list(arguments)
        result = subprocess.run(
            program,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result

    try:
        server.create("-o", "nobody")
        assert (
            subprocess.run(["touch", server.path / "x"], user=NOBODY, capture_output=True, check=False).returncode != 0
        )
        run("cvmfs_server", "transaction")
        run("mkdir", "-p", f"{server.path}/folder/inner")
        run("cvmfs_server", "publish", "-a", "by-its-owner")
        assert (server.path / "folder" / "inner").stat().st_uid == NOBODY
        assert os.listdir(server.path / "folder") == ["inner"]
        run("cvmfs_server", "transaction")
        run("rmdir", f"{server.path}/folder/inner")
        run("cvmfs_server", "abort", "-f")
        assert os.listdir(server.path / "folder") == ["inner"]
        assert is_healthy(server)
    finally:
        server.destroy()
