# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a job on the node (see :mod:`jobs`).

A copy of this file lies in the folder of each job, so that the controller can follow it without sending anything:
``python follower.py SECONDS`` prints how far the job is after so many seconds, or nothing where it ended before;
without seconds it ends the job. So nothing but the standard library may be needed here.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from typing import Any, Iterator

BEAT_SECONDS = 1.0
FIRST_LOOK, LAST_LOOK = 0.02, 0.25  # seconds between two looks at a job, which get longer

# In the folder of a job.
ALIVE = "alive"  # locked by the keeper as long as it lives
FOLLOWED = "followed"  # locked by the follower; holds the time at which it left in good order
PROGRESS = "progress"
UNWANTED = "unwanted"  # there once somebody has said that nobody wants the job any more
ENDED = "ended"  # how the worker ended; written last


class GoneError(Exception):
    """There is no such job."""


def take_lease(folder: str) -> int:
    """Become the follower of a job; the open file by which one is it.

    :raises GoneError: there is no such job.
    """
    try:
        lease = os.open(os.path.join(folder, FOLLOWED), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise GoneError from None
    fcntl.flock(lease, fcntl.LOCK_EX)  # the keeper holds it for a moment when it looks
    os.ftruncate(lease, 0)
    return lease


def wait(folder: str, seconds: float) -> bool:
    """Wait until a job has ended; False when the time was over before.

    :raises GoneError: its keeper does not live any more.
    :raises BrokenPipeError: nobody reads what this process writes.
    """
    now = time.monotonic()
    deadline, beat, pause = now + seconds, now + BEAT_SECONDS, pauses()
    while not _has_ended(folder):
        if not _is_kept(folder) and not _has_ended(folder):
            raise GoneError
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
        time.sleep(next(pause))
    return True


def pauses() -> Iterator[float]:
    """Seconds between one look at a job and the next: a short job is not kept waiting, a long one costs little."""
    pause = FIRST_LOOK
    while True:
        yield pause
        pause = min(1.1 * pause, LAST_LOOK)


def leave(folder: str, lease: int) -> None:
    """Print how far a job is, and leave it to who follows it next."""
    state = {"folder": folder, "progress": read_progress(folder)}
    sys.stdout.write(json.dumps({"changed": False, "depot_job": state}) + "\n")
    sys.stdout.flush()
    part(lease)


def part(lease: int) -> None:
    """Say in good order that one is no follower any more, since another comes."""
    os.pwrite(lease, repr(time.monotonic()).encode(), 0)


def read_progress(folder: str) -> dict[str, Any] | None:
    """What a job says last, with ``seconds`` since its phase began; none where nothing was said yet."""
    try:
        with open(os.path.join(folder, PROGRESS), encoding="utf-8") as stream:
            state = json.load(stream)
    except FileNotFoundError:
        return None
    state["seconds"] = round(time.monotonic() - state.pop("since"), 3)
    return state


def end(folder: str) -> None:
    """Let the keeper of a job end it."""
    with open(os.path.join(folder, UNWANTED), "w", encoding="ascii"):
        pass


def _has_ended(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, ENDED))


def _is_kept(folder: str) -> bool:
    """Whether the keeper of a job lives."""
    try:
        with open(os.path.join(folder, ALIVE), encoding="ascii") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def main(arguments: list[str]) -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    if not arguments:
        end(folder)
        return
    try:
        lease = take_lease(folder)
        if wait(folder, float(arguments[0])):
            part(lease)
        else:
            leave(folder, lease)
    except (GoneError, BrokenPipeError):
        os._exit(1)  # the module tells what became of the job, and of a broken connection there is nobody to tell


if __name__ == "__main__":
    main(sys.argv[1:])
