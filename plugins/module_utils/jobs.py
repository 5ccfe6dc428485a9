# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as a job on the node, which whoever wants its result follows by one call after another.

The first call starts the job and follows it for some seconds, the next calls follow on; each prints how far the job is,
and the last one what the module printed, so that its result is the same as without a job. There are three processes::

    module (first call) ── follows, prints, ends
      └─ keeper          ── in a session of its own: waits for the worker, watches the followers, clears up
           └─ worker     ── in a session of its own: does what the module does, and writes its output to files

No job outlives who wants it. A follower holds a lock, which the kernel drops whatever becomes of the follower, and it
writes a blank line every second, so that it notices when its connection has broken. When a follower leaves without
having said so, the keeper ends the worker at once; when one has said so, and none comes for a while, it does so too.
Ended like this, the worker ends its programs, undoes what has to be undone, and nothing stays of the job.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from typing import Any, Callable, Mapping, NoReturn

from ansible_collections.scisoft.julia_depots.plugins.module_utils import locks, process, progress
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import JobError

SPEC = {"_job": {"type": "dict"}}
LEASE_SECONDS = 60.0  # from one follower to the next; a busy controller may take its time
CLEARING_SECONDS = 60.0  # for a worker that was ended to undo what it has begun
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.05

# In the folder of a job.
ALIVE = "alive"  # locked by the keeper as long as it lives
FOLLOWED = "followed"  # locked by the follower; holds the time at which it left in good order
PROGRESS = "progress"
STDOUT, STDERR = "stdout", "stderr"
ENDED = "ended"  # how the worker ended; written last
TEMPORARY = "tmp"  # where the worker makes its temporary files

GONE = (
    f"the job of this task is gone from the node: nobody asked for it for {LEASE_SECONDS:g} s, since the controller "
    "was overloaded or its connection broken, or the node was restarted, or ends what its users leave running "
    "(KillUserProcesses= in logind.conf). Run the playbook again, it goes on from what is there"
)
KILLED = (
    "the job of this task was killed on the node by signal {number} before it had a result; the kernel does so where "
    "memory runs out, and says so in its log (dmesg). Compile fewer packages at once (depot_build_tasks, or tasks of "
    "julia_precompile) or give the node more memory, and run the playbook again, it goes on from what is there"
)


class Abandoned(BaseException):
    """Nobody follows this job any more. It is no error, and nothing but what has to be undone follows it."""


def attend(asked: Mapping[str, Any], work: Callable[[], NoReturn]) -> NoReturn:
    """Start a job or follow one, print its result or how far it is, and end this process.

    :param asked: ``folder`` of the job, none: it is started; ``seconds`` to follow it; ``temporary``, the folder on
        this node that the controller removes as long as it lives.
    :param work: what the module does: it prints its result and ends by ``SystemExit``.
    :raises JobError: the job ended without a result.
    """
    folder = asked.get("folder")
    # What this module was unpacked to is the keeper's as long as the job runs.
    leave = sys.exit if folder else os._exit
    if folder:
        lease = _take_lease(folder)
    else:
        folder, lease = _start(asked.get("temporary"), work)
    try:
        ended = _wait(folder, float(asked["seconds"]))
    except BrokenPipeError:
        leave(1)
    if ended:
        sys.exit(_hand_over(folder))
    state = {"folder": folder, "progress": progress.read(os.path.join(folder, PROGRESS))}
    sys.stdout.write(json.dumps({"changed": False, "depot_job": state}) + "\n")
    sys.stdout.flush()
    os.pwrite(lease, repr(time.monotonic()).encode(), 0)
    leave(0)


# --- the follower


def _take_lease(folder: str) -> int:
    """Become the follower of a job."""
    try:
        lease = os.open(os.path.join(folder, FOLLOWED), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise JobError(GONE) from None
    fcntl.flock(lease, fcntl.LOCK_EX)  # the keeper holds it for a moment when it looks
    os.ftruncate(lease, 0)
    return lease


def _wait(folder: str, seconds: float) -> bool:
    """Wait until a job has ended; False when the time was over before.

    :raises JobError: its keeper is gone.
    :raises BrokenPipeError: nobody reads what this process writes.
    """
    now = time.monotonic()
    deadline, beat = now + seconds, now + BEAT_SECONDS
    ended = os.path.join(folder, ENDED)
    while not os.path.exists(ended):
        if not locks.is_held(os.path.join(folder, ALIVE)) and not os.path.exists(ended):
            shutil.rmtree(folder, ignore_errors=True)
            raise JobError(GONE)
        now = time.monotonic()
        if now >= deadline:
            return False
        if now >= beat:
            beat = now + BEAT_SECONDS
            try:
                sys.stdout.write("\n")
                sys.stdout.flush()
            except OSError as error:  # a terminal says it in other words
                raise BrokenPipeError from error
        time.sleep(LOOK_SECONDS)
    return True


def _hand_over(folder: str) -> int:
    """Print what the worker of a job has printed, and remove the job; the status that the worker ended with.

    :raises JobError: it was killed.
    """
    printed = {}
    for name in (ENDED, STDOUT, STDERR):
        with open(os.path.join(folder, name), "rb") as stream:
            printed[name] = stream.read()
    shutil.rmtree(folder, ignore_errors=True)
    status = int(printed[ENDED])
    if status < 0 and not printed[STDOUT]:
        raise JobError(KILLED.format(number=-status))
    for stream, name in ((sys.stdout, STDOUT), (sys.stderr, STDERR)):
        stream.buffer.write(printed[name])
        stream.flush()
    return status


# --- the keeper


def _start(temporary: str | None, work: Callable[[], NoReturn]) -> tuple[str, int]:
    """Start a job and become its follower; its folder and the lease."""
    folder = tempfile.mkdtemp(prefix="julia-job-")
    os.mkdir(os.path.join(folder, TEMPORARY))
    lease, alive = (
        os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in (FOLLOWED, ALIVE)
    )
    for descriptor in (lease, alive):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    starter = os.getpid()
    if os.fork() == 0:
        os.close(lease)
        _keep(folder, temporary, starter, work)
    os.close(alive)
    return folder, lease


def _keep(folder: str, temporary: str | None, starter: int, work: Callable[[], NoReturn]) -> NoReturn:
    """Let the worker of a job do its work as long as somebody wants it, and clear up."""
    os.setsid()
    _print_to(os.devnull, os.devnull)
    worker = os.fork()
    if worker == 0:
        _work(folder, work)
    status = _watch(folder, worker)
    ended = os.path.join(folder, ENDED)
    with open(f"{ended}.new", "w", encoding="ascii") as stream:
        stream.write(str(status))
    os.replace(f"{ended}.new", ended)
    while _is_wanted(folder):
        time.sleep(LOOK_SECONDS)
    if os.path.exists(folder):  # else the follower took the result
        shutil.rmtree(folder, ignore_errors=True)
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
    if os.getppid() == starter:
        os._exit(0)
    sys.exit(0)  # what unpacked this module removes it now


def _watch(folder: str, worker: int) -> int:
    """Wait for a worker, and end it when nobody wants it any more; its status, or the negative number of a signal."""
    told = None
    while True:
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if told is None and not _is_wanted(folder):
            told = time.monotonic()
            os.kill(worker, signal.SIGTERM)
        elif told is not None and time.monotonic() - told > CLEARING_SECONDS:
            os.kill(worker, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)


def _is_wanted(folder: str) -> bool:
    """Whether somebody follows a job, or left not long ago to come again."""
    try:
        with open(os.path.join(folder, FOLLOWED), encoding="ascii") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            left = stream.read()
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return bool(left) and time.monotonic() - float(left) < LEASE_SECONDS


# --- the worker


def _work(folder: str, work: Callable[[], NoReturn]) -> NoReturn:
    """Do the work of a module with its output and its temporary files in the folder of the job."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, _abandon)
        process.die_with_parent(signal.SIGTERM)
        os.setsid()
        _print_to(os.path.join(folder, STDOUT), os.path.join(folder, STDERR))
        tempfile.tempdir = os.path.join(folder, TEMPORARY)
        progress.OWN.path = os.path.join(folder, PROGRESS)
        work()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except Abandoned:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _abandon(_number: int, _frame: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)  # once is enough; children do not inherit this
    raise Abandoned


def _print_to(stdout: str, stderr: str) -> None:
    """Let this process print to files, and read nothing."""
    sys.stdout.flush()
    sys.stderr.flush()
    for path, target in ((os.devnull, 0), (stdout, 1), (stderr, 2)):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(descriptor, target)
        os.close(descriptor)
