# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has files or working directories open below a folder, as ``Lsof`` of ``cvmfs/util/posix.cc`` finds it."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass


@dataclass(frozen=True)
class Descriptor:
    """An open file or a working directory.

    Attributes:
        pid: the process
        owner: the user who owns the process
        executable: path of its program
        path: what is open
        writable: whether it is open for writing; a working directory is not
    """

    pid: int
    owner: str
    executable: str
    path: str
    writable: bool


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _owner(pid: str) -> str:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return "?"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _of_process(pid: str, prefix: str) -> list[Descriptor]:
    found = []
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return []
    candidates = [(f"/proc/{pid}/cwd", False)]
    for name in names:
        path = f"/proc/{pid}/fd/{name}"
        try:
            candidates.append((path, bool(os.lstat(path).st_mode & stat.S_IWUSR)))
        except OSError:
            continue
    for path, writable in candidates:
        target = _link(path)
        if (target + "/").startswith(prefix):
            found.append(Descriptor(int(pid), _owner(pid), _link(f"/proc/{pid}/exe"), target, writable))
    return found


def below(folder: str) -> list[Descriptor]:
    """What is open in a folder or below it; only root sees the processes of others."""
    found: list[Descriptor] = []
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            found += _of_process(pid, folder.rstrip("/") + "/")
    return found
