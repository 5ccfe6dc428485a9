# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has files or working directories open below a folder (proc(5))."""

from __future__ import annotations

import os
import pwd
import stat
import time
from dataclasses import dataclass

POLL_SECONDS = 0.5
NAMED = 10  # so many are named in a message


@dataclass(frozen=True)
class Holder:
    """Something open in a process; a working directory is not ``writable``."""

    pid: int
    user: str
    command: str
    path: str
    writable: bool

    def __str__(self) -> str:
        how = "writes to" if self.writable else "has open"
        return f"process {self.pid} ({self.command}, {self.user}) {how} {self.path}"


def below(folder: str) -> list[Holder]:
    """What is open in a folder or below it. Only root sees the processes of others."""
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            found += _of_process(pid, folder.rstrip("/") + "/")
    return found


def until_closed(folder: str, wait: float, readers_too: bool = True) -> list[Holder]:
    """Wait until nothing is open below a folder.

    :param wait: at most so many seconds.
    :param readers_too: wait also for what is open for reading alone.
    :returns: what is still open then.
    """
    deadline = time.monotonic() + wait
    while True:
        left = [holder for holder in below(folder) if readers_too or holder.writable]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(POLL_SECONDS)


def named(holders: list[Holder]) -> str:
    """The holders in words, for a message."""
    more = len(holders) - NAMED
    return "; ".join([str(holder) for holder in holders[:NAMED]] + ([f"and {more} more"] if more > 0 else []))


def _of_process(pid: str, prefix: str) -> list[Holder]:
    process = f"/proc/{pid}"
    try:
        descriptors = os.listdir(f"{process}/fd")
    except OSError:  # it has ended, or is another user's
        return []
    opened = {}
    for link in [f"{process}/cwd", f"{process}/root"] + [f"{process}/fd/{name}" for name in descriptors]:
        try:
            target = os.readlink(link)
            writable = link.startswith(f"{process}/fd/") and bool(os.lstat(link).st_mode & stat.S_IWUSR)
        except OSError:
            continue
        if f"{target}/".startswith(prefix):
            opened[target] = opened.get(target, False) or writable
    return [
        Holder(int(pid), _user(process), _command(process), path, writable) for path, writable in sorted(opened.items())
    ]


def _user(process: str) -> str:
    try:
        number = os.stat(process).st_uid
    except OSError:
        return "?"
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _command(process: str) -> str:
    try:
        with open(f"{process}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return "?"
