# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs on the node: what a follower gets, and that no job outlives its followers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils import follower, jobs
from tests.conftest import COLLECTIONS
from tests.unit.helpers import wait_until

# A module as Ansible would start it: its arguments say what it does, in which folder, and how it is followed.
MODULE = """
import json, os, sys, tempfile, time
from ansible_collections.scisoft.julia_depots.plugins.module_utils import errors, jobs, process, progress

asked, what, folder = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
jobs.LEASE_SECONDS = float(sys.argv[4])

def work():
    if what == "sleep":
        progress.tell("precompile", "Slow", done=1, total=3)
        tempfile.mkdtemp()
        try:
            process.run(["/bin/sh", "-c", "sleep 300; : " + folder], dict(os.environ))
        finally:
            open(os.path.join(folder, "undone"), "w").close()
    if what == "long":
        time.sleep(float(asked.get("takes", 1)))
    if what == "raise":
        raise RuntimeError("odd")
    if what == "kill":
        os.kill(os.getpid(), 9)
    print(json.dumps({"changed": True, "pid": os.getpid()}))
    sys.stderr.write("beware")
    sys.exit(0 if what != "fail" else 1)

try:
    jobs.attend(asked, work)
except errors.JobError as error:
    print(json.dumps(error.result()))
    sys.exit(1)
"""


class Node:
    """Where jobs run: a folder for all that they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.remote = folder / "ansible-tmp-1"
        self.remote.mkdir()
        self.module = folder / "module.py"
        self.module.write_text(MODULE)

    def start(self, what: str, lease: float = 60, **asked: object) -> subprocess.Popen[str]:
        """A call of the module."""
        asked = {"folder": None, "seconds": 1, "temporary": str(self.remote), **asked}
        return subprocess.Popen(
            [sys.executable, self.module, json.dumps(asked), what, self.folder, str(lease)],
            env={**os.environ, "TMPDIR": str(self.tmp), "PYTHONPATH": str(COLLECTIONS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, what: str, lease: float = 60, **asked: object) -> tuple[int, dict, str]:
        """A call of the module to its end: status, result, standard error."""
        process = self.start(what, lease, **asked)
        out, err = process.communicate()
        return process.returncode, json.loads(out), err

    def processes(self) -> list[int]:
        """All processes that name this folder."""
        found = []
        for folder in Path("/proc").iterdir():
            try:
                if str(self.folder).encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except (OSError, ValueError):
                continue
        return found

    def programs(self) -> list[int]:
        """What the workers have started."""
        return [pid for pid in self.processes() if b"sleep 300" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def is_empty(self) -> bool:
        return not self.processes() and not list(self.tmp.iterdir())


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def gone(node: Node) -> None:
    wait_until(node.is_empty, "neither a process nor a file of the job is left")


def ask(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Follow a job by the script in its folder, as the action plugin does."""
    return subprocess.run(
        [sys.executable, Path(folder) / "follower.py", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("what", "status"), [("tell", 0), ("fail", 1)])
def test_a_job_that_ends_soon_is_one_call(node, what, status):
    code, result, err = node.call(what, seconds=30)
    assert (code, result["changed"], err) == (status, True, "beware")
    assert result["pid"] not in (os.getpid(), None)
    gone(node)
    assert node.remote.is_dir()  # which the controller removes


def test_a_job_is_followed_until_it_ends(node):
    code, result, _err = node.call("long", seconds=0.2, takes=2)
    folder = result["depot_job"]["folder"]
    assert (code, result["changed"], result["depot_job"]["progress"]) == (0, False, None)
    assert json.loads(ask(folder, "0.1").stdout)["depot_job"]["folder"] == folder
    ended = ask(folder, "30")
    assert (ended.returncode, ended.stdout.strip()) == (0, "")
    code, result, err = node.call("long", folder=folder, seconds=30)
    assert (code, result["changed"], err) == (0, True, "beware")
    gone(node)


def test_a_follower_hears_how_far_the_job_is(node):
    _code, result, _err = node.call("sleep", seconds=1)
    said = result["depot_job"]["progress"]
    assert {"phase": "precompile", "item": "Slow", "done": 1, "total": 3, "skipped": 0}.items() <= said.items()
    assert 0 <= said["seconds"] < 60
    ask(result["depot_job"]["folder"])
    gone(node)


def test_a_worker_that_is_killed_is_an_error_with_a_remedy(node):
    code, result, _err = node.call("kill", seconds=30)
    assert code == 1
    assert "was killed on the node by signal 9" in result["msg"]
    gone(node)


def test_an_error_that_nobody_foresaw_is_printed_as_without_a_job(node):
    process = node.start("raise", seconds=30)
    out, err = process.communicate()
    assert (process.returncode, out.strip()) == (1, "")
    assert "RuntimeError: odd" in err
    gone(node)


def test_a_job_that_is_gone_is_an_error(node):
    code, result, _err = node.call("sleep", folder=str(node.tmp / "julia-job-x"))
    assert code == 1
    assert "is gone from the node" in result["msg"]


def started(node: Node, **asked: object) -> str:
    """Start a job that runs a program, and leave it in good order; its folder."""
    _code, result, _err = node.call("sleep", seconds=0.5, **asked)
    wait_until(node.programs, "its program runs")
    return result["depot_job"]["folder"]


def ended(node: Node) -> None:
    """The job was ended, had the time to undo what it did, and left nothing."""
    gone(node)
    assert (node.folder / "undone").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_first_follower_that_is_killed_takes_the_job_with_it(node, number):
    process = node.start("sleep", seconds=300)
    wait_until(node.programs, "its program runs")
    process.send_signal(number)
    process.communicate()
    ended(node)
    assert not node.remote.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_later_follower_that_is_killed_takes_the_job_with_it(node, number):
    folder = started(node)
    process = subprocess.Popen([sys.executable, Path(folder) / "follower.py", "300"], stdout=subprocess.PIPE)
    with process:
        wait_until(lambda: (Path(folder) / follower.FOLLOWED).read_text() == "", "it follows")
        process.send_signal(number)
    ended(node)


def test_a_follower_whose_connection_breaks_takes_the_job_with_it(node):
    folder = started(node)
    process = subprocess.Popen([sys.executable, Path(folder) / "follower.py", "300"], stdout=subprocess.PIPE)
    wait_until(lambda: (Path(folder) / follower.FOLLOWED).read_text() == "", "it follows")
    process.stdout.close()
    process.wait()
    ended(node)


def test_a_job_that_nobody_comes_back_to_ends(node):
    started(node, lease=1)
    ended(node)
    assert not node.remote.exists()


def test_a_job_that_is_done_waits_for_who_comes_back_and_no_longer(node):
    _code, _result, _err = node.call("long", lease=2, seconds=0.1, takes=0.5)
    gone(node)


def test_a_job_that_is_not_wanted_ends(node):
    folder = started(node)
    ask(folder)
    ended(node)


def test_a_job_is_ended_while_it_starts(node):
    for delay in (0, 0.02, 0.1, 0.3, 0.5):
        process = node.start("sleep", seconds=300)
        time.sleep(delay)
        process.kill()
        process.communicate()
        wait_until(lambda: not node.processes(), "no process is left")


def test_a_keeper_that_is_killed_takes_the_job_with_it(node):
    folder = started(node)
    worker = int(Path(f"/proc/{node.programs()[0]}/stat").read_text().rpartition(")")[2].split()[1])
    keeper = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not node.programs(), "its program has ended")
    code, result, _err = node.call("sleep", folder=folder)
    assert (code, "is gone from the node" in result["msg"]) == (1, True)
    wait_until(lambda: not node.processes(), "no process is left")
    assert not Path(folder).exists()


def test_the_lease_outlasts_a_busy_controller():
    assert jobs.LEASE_SECONDS >= 60
