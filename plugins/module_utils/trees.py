# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders: copying, comparing, counting."""

from __future__ import annotations

import filecmp
import os
import shutil
from dataclasses import dataclass

# What a build leaves in a depot that must not be published: usage logs, scratch spaces (made again at run time;
# JuliaLang/julia#50746), bare git clones and preferences of the machine.
BUILD_LEFTOVERS = ("logs", "scratchspaces", "clones", "registries", "config")


@dataclass
class Count:
    """Entries (files, folders and links) and bytes of a tree."""

    entries: int = 0
    bytes: int = 0

    def add(self, other: Count) -> None:
        self.entries += other.entries
        self.bytes += other.bytes

    def as_dict(self) -> dict[str, int]:
        return {"entries": self.entries, "bytes": self.bytes}


def names(folder: str) -> list[str]:
    """The sorted names in a folder; none where there is no folder."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def count(folder: str) -> Count:
    """Count what lies below a folder, without following links; of a file, its bytes."""
    total = Count()
    pending = [folder]
    while pending:
        try:
            path = pending.pop()
            scan = os.scandir(path)
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            total.bytes += os.lstat(path).st_size
            continue
        with scan:
            for entry in scan:
                total.entries += 1
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    total.bytes += entry.stat(follow_symlinks=False).st_size
    return total


def same_tree(left: str, right: str) -> bool:
    """Whether two folders hold the same names with the same content; links are compared, not followed."""
    there = names(left)
    return there == names(right) and all(_same(os.path.join(left, name), os.path.join(right, name)) for name in there)


def _same(left: str, right: str) -> bool:
    for is_kind, same in ((os.path.islink, _same_link), (os.path.isdir, same_tree)):
        if is_kind(left) or is_kind(right):
            return is_kind(left) and is_kind(right) and same(left, right)
    return filecmp.cmp(left, right, shallow=False)


def _same_link(left: str, right: str) -> bool:
    return os.readlink(left) == os.readlink(right)


def place_copy(source: str, destination: str) -> bool:
    """Make ``destination`` a copy of ``source``, readable by all, with its modification times; tell if that changed it.

    An interrupted copy is never mistaken for a whole one.
    """
    if os.path.isdir(destination) and same_tree(source, destination):
        return False
    os.makedirs(os.path.dirname(destination), exist_ok=True)
    temporary = f"{destination}.incoming"
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary, symlinks=True)
    make_readable(temporary)
    shutil.rmtree(destination, ignore_errors=True)
    os.rename(temporary, destination)
    return True


def make_readable(folder: str) -> None:
    """Let everybody read what its owner can, and enter every folder."""
    os.chmod(folder, 0o755)
    for parent, folders, files in os.walk(folder):
        for name in folders:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755)
        for name in files:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)


def remove_leftovers(depot: str) -> None:
    """Take out of a depot what the build needed and its users do not."""
    for name in BUILD_LEFTOVERS:
        shutil.rmtree(os.path.join(depot, name), ignore_errors=True)
    for parent, _folders, files in os.walk(os.path.join(depot, "compiled")):
        for name in files:
            if name.endswith(".pidfile"):
                os.unlink(os.path.join(parent, name))
