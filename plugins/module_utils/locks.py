# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that end with the process that holds them (flock(2))."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Iterator

from ansible_collections.scisoft.julia_depots.plugins.module_utils import progress
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError

RETRY_SECONDS = 0.2


@contextmanager
def folder_lock(folder: str, wait: float) -> Iterator[None]:
    """Hold a folder for oneself; the lock is on the folder itself, so nothing is left behind in it.

    :param wait: how many seconds to wait for another holder.
    :raises BusyError: it is held longer than that.
    """
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        acquire(descriptor, wait, f"{folder} is in use by another run on this machine")
        yield
    finally:
        os.close(descriptor)


def acquire(descriptor: int, wait: float, message: str) -> None:
    """Take an exclusive lock on an open file.

    :raises BusyError: with this message, when it is still held after ``wait`` seconds.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise BusyError(f"{message}; waited {wait:g} s, run again later or raise lock_timeout") from None
            progress.tell("waiting", message)
            time.sleep(RETRY_SECONDS)


def write_holder(descriptor: int, purpose: str) -> None:
    """Say in an open lock file who holds it; for people, since the lock itself ends with its holder."""
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "purpose": purpose,
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode() + b"\n", 0)


def read_holder(descriptor: int) -> str:
    """Who holds an open lock file, in words."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0).decode())
        return "process {pid} on {host}, since {since}, to {purpose}".format(**holder)
    except (ValueError, KeyError, TypeError):
        return "an unknown process"


def is_held(path: str) -> bool:
    """Whether some living process holds a flock on a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look do not hinder each other
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
