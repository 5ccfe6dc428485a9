# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes: what they print, when they end, and that nothing of them stays."""

from __future__ import annotations

import os
import signal
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ProcessError, TimeLimitError
from tests.unit.helpers import answer_of, processes_with, start_child, wait_until

ENV = {"PATH": "/usr/bin:/bin"}


def sh(script: str, **options) -> process.Completed:
    return process.run(["/bin/sh", "-c", script], options.pop("env", ENV), **options)


@pytest.fixture
def nap() -> str:
    """An argument of ``sleep`` that no other process on this machine has."""
    return f"300.{uuid.uuid4().int}"


def gone(nap: str) -> None:
    wait_until(lambda: not processes_with(nap), "no process is left")


@given(limit=st.integers(1, 40), chunks=st.lists(st.binary(max_size=50)))
def test_a_tail_is_the_end_and_counts_the_rest(limit, chunks):
    tail = process.Tail(limit)
    for chunk in chunks:
        tail.feed(chunk)
    whole = b"".join(chunks)
    kept = whole[-limit:].decode("utf-8", "replace")
    dropped = max(0, len(whole) - limit)
    assert tail.text() == (f"[{dropped} bytes left out]\n{kept}" if dropped else kept)


def test_of_megabytes_on_both_streams_only_the_ends_are_kept():
    completed = sh(
        "head -c 3000000 /dev/zero | tr '\\0' o; echo END; head -c 3000000 /dev/zero | tr '\\0' e >&2; exit 3"
    )
    assert (completed.returncode, completed.ok) == (3, False)
    assert completed.stdout == f"[{3000004 - 65536} bytes left out]\n" + "o" * (65536 - 4) + "END\n"
    assert completed.stderr == f"[{3000000 - 65536} bytes left out]\n" + "e" * 65536


def test_what_is_no_utf8_is_replaced():
    assert sh("printf 'a\\377\\n'").stdout == "a\ufffd\n"


def test_the_environment_is_exactly_the_one_given(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "x")
    assert process.run(["/usr/bin/env"], {"A": "1", "B": "x y"}).stdout.splitlines() == ["A=1", "B=x y"]


def test_it_reads_nothing_and_runs_where_it_is_told(tmp_path):
    assert sh("cat; pwd", cwd=str(tmp_path)).stdout == f"{tmp_path}\n"


@pytest.mark.parametrize(
    ("argv", "env", "reason"),
    [
        (["/nowhere/julia"], {}, "No such file or directory"),
        (["/etc/passwd"], {}, "Permission denied"),
        (["/bin/true", "a\0b"], {}, "null byte"),
        (["/bin/true"], {"A=B": "x"}, "illegal environment variable name"),
    ],
)
def test_what_cannot_be_started_is_named_with_the_reason(argv, env, reason):
    with pytest.raises(ProcessError, match=f"^{argv[0]} cannot be started: .*{reason}") as error:
        process.run(argv, env)
    assert error.value.details["cmd"].startswith(argv[0])


@pytest.mark.parametrize(
    "script",
    [
        "sleep {nap}",
        "sleep {nap} & wait",
        "trap '' TERM; sleep {nap} & sleep {nap}; wait",
        "trap '' TERM; (trap '' TERM; while :; do sleep {nap}; done) & wait; wait",
    ],
    ids=["alone", "grandchild", "all-ignore-sigterm", "restarts-its-child"],
)
def test_when_its_time_is_over_it_dies_with_all_its_children(monkeypatch, nap, script):
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)
    with pytest.raises(TimeLimitError, match=r"^sh did not end within 0\.5 s and was killed") as error:
        sh("echo begun; " + script.format(nap=nap), timeout=0.5)
    assert error.value.details["stdout"] == "begun\n"
    assert error.value.details["rc"] < 0
    gone(nap)


@pytest.mark.parametrize(
    "script",
    [
        "sleep {nap} & echo over",
        "trap '' TERM; sleep {nap} & echo over",
        "(exec sh -c 'while :; do echo x; done' {nap}) & echo over",
    ],
    ids=["silent", "ignores-sigterm", "keeps-writing"],
)
def test_a_grandchild_that_keeps_the_streams_open_neither_holds_it_up_nor_stays(nap, script):
    completed = sh(script.format(nap=nap))
    assert completed.ok
    assert "over" in completed.stdout or completed.stdout.endswith("x\n")
    gone(nap)


def test_a_program_that_closes_its_streams_is_still_waited_for():
    assert sh("exec >&- 2>&-; sleep 0.2; exit 7").returncode == 7


def test_the_child_dies_with_its_parent(nap):
    child = start_child(process.run, ["/bin/sleep", nap], ENV)
    wait_until(lambda: processes_with(nap), "it runs")
    os.kill(child[0], signal.SIGKILL)
    assert answer_of(child) is None
    gone(nap)


def test_an_error_while_it_runs_leaves_nothing_behind(nap):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sh(f"while :; do echo x; sleep 0.1; done & sleep {nap}", on_poll=interrupt)
    gone(nap)


def test_it_is_polled_while_it_runs_and_after_its_end():
    polls = []
    sh("for i in 1 2 3 4 5 6 7; do echo $i; sleep 0.2; done", on_poll=lambda: polls.append(1))
    assert len(polls) >= 2


def test_the_details_are_those_of_a_module_result():
    assert sh("echo out; echo 'an err' >&2; exit 2").details() | {"seconds": 0} == {
        "cmd": "/bin/sh -c 'echo out; echo '\"'\"'an err'\"'\"' >&2; exit 2'",
        "rc": 2,
        "stdout": "out\n",
        "stderr": "an err\n",
        "seconds": 0,
    }
