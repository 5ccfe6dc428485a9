# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as a job on the node, which whoever wants its result follows by one call after another.

The first call starts the job and follows it for some seconds, the next ones follow on (:mod:`follower`); each prints
how far the job is. The last is one of the module again. It prints what the module printed, so that the result is the
same as without a job. There are three processes::

    module          follows, prints, ends
    keeper          in a session of its own: waits for the worker, watches the followers, clears up
      └─ worker     in a session of its own: does what the module does, and writes its output to files

No job outlives who wants it. A follower holds a lock, which the kernel drops whatever becomes of the follower, and it
writes a blank line every second, so that it ends when its connection has broken. When a follower leaves without having
said so, the keeper ends the worker at once, and also when one says that nobody wants the job; when none comes for a
while, it does so too. Ended like this, the worker ends its programs, undoes what has to be undone, and nothing stays of
the job.
"""

from __future__ import annotations

import fcntl
import inspect
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from typing import Any, Callable, Mapping, NoReturn

from ansible_collections.scisoft.julia_depots.plugins.module_utils import follower, process, progress
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import JobError

SPEC = {"_job": {"type": "dict"}}
LEASE_SECONDS = 60.0  # from one follower to the next; a busy controller may take its time
CLEARING_SECONDS = 60.0  # for a worker that was ended to undo what it has begun
# In the folder of a job, beside what followers use.
STDOUT, STDERR = "stdout", "stderr"
TEMPORARY = "tmp"  # where the worker makes its temporary files
FOLLOWER = "follower.py"

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
    leave = _exit if folder else os._exit
    try:
        if folder:
            lease = follower.take_lease(folder)
        else:
            folder, lease = _start(asked.get("temporary"), work)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: leave(1))
        ended = follower.wait(folder, float(asked["seconds"]))
    except follower.GoneError:
        shutil.rmtree(folder, ignore_errors=True)
        raise JobError(GONE) from None
    except BrokenPipeError:
        leave(1)
    if ended:
        _exit(_hand_over(folder))
    follower.leave(folder, lease)
    leave(0)


def _exit(status: int) -> NoReturn:
    raise SystemExit(status)


def _hand_over(folder: str) -> int:
    """Print what the worker of a job has printed, and remove the job; the status that the worker ended with.

    :raises JobError: it was killed.
    """
    printed = {}
    for name in (follower.ENDED, STDOUT, STDERR):
        with open(os.path.join(folder, name), "rb") as stream:
            printed[name] = stream.read()
    os.unlink(os.path.join(folder, follower.ENDED))  # by which the keeper knows that the result was taken
    shutil.rmtree(folder, ignore_errors=True)
    status = int(printed[follower.ENDED])
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
    with open(os.path.join(folder, FOLLOWER), "w", encoding="utf-8") as stream:
        stream.write(inspect.getsource(follower))
    lease, alive = (_locked(os.path.join(folder, name)) for name in (follower.FOLLOWED, follower.ALIVE))
    starter, open_while_it_lives = os.pipe()
    between = os.fork()
    if between == 0:
        # Twice, so that the keeper is nobody's child: whatever kills the follower with its children leaves it alone.
        if os.fork() == 0:
            os.close(lease)
            os.close(open_while_it_lives)
            _keep(folder, temporary, starter, work)
        os._exit(0)
    os.waitpid(between, 0)
    os.close(alive)
    return folder, lease


def _locked(path: str) -> int:
    """A new file, open and locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _keep(folder: str, temporary: str | None, starter: int, work: Callable[[], NoReturn]) -> NoReturn:
    """Let the worker of a job do its work as long as somebody wants it, and clear up.

    :param starter: a pipe that ends with the process that started the job.
    """
    os.setsid()
    _print_to(os.devnull, os.devnull)
    worker = os.fork()
    if worker == 0:
        _work(folder, work)
    status = _watch(folder, worker)
    ended = os.path.join(folder, follower.ENDED)
    with open(f"{ended}.new", "w", encoding="ascii") as stream:
        stream.write(str(status))
    os.replace(f"{ended}.new", ended)
    pause = follower.pauses()
    while _is_wanted(folder):
        time.sleep(next(pause))
    if os.path.exists(ended):  # else the follower took the result
        shutil.rmtree(folder, ignore_errors=True)
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
    if not select.select([starter], [], [], 0)[0]:
        os._exit(0)  # it still lives, and removes what this module was unpacked to
    _exit(0)


def _watch(folder: str, worker: int) -> int:
    """Wait for a worker, and end it when nobody wants it any more; its status, or the negative number of a signal."""
    told, pause = None, follower.pauses()
    while True:
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if told is None and not _is_wanted(folder):
            told = time.monotonic()
            os.kill(worker, signal.SIGTERM)
        elif told is not None and time.monotonic() - told > CLEARING_SECONDS:
            os.kill(worker, signal.SIGKILL)
        time.sleep(next(pause))


def _is_wanted(folder: str) -> bool:
    """Whether somebody follows a job, or left not long ago to come again."""
    if os.path.exists(os.path.join(folder, follower.UNWANTED)):
        return False
    try:
        with open(os.path.join(folder, follower.FOLLOWED), encoding="ascii") as stream:
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
        progress.OWN.path = os.path.join(folder, follower.PROGRESS)
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
