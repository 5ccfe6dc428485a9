# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders: copying, comparing, counting."""

from __future__ import annotations

import filecmp
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from typing import Any, Sequence

# What a build leaves in a depot that must not be published: usage logs, scratch spaces (made again at run time;
# JuliaLang/julia#50746), bare git clones and preferences of the machine.
BUILD_LEFTOVERS = ("logs", "scratchspaces", "clones", "registries", "config")


def replace_file(path: str, content: bytes, mode: int) -> None:
    """Put a new file in the place of a path, so that a reader sees the one or the other whole.

    :raises OSError: it cannot be written; what is there stays.
    """
    folder, name = os.path.split(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


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
    return _same_content(left, right)


def _same_content(left: str, right: str) -> bool:
    filecmp.clear_cache()  # it would answer by size and time of change for files that it has read before
    return filecmp.cmp(left, right, shallow=False)


def _same_link(left: str, right: str) -> bool:
    return os.readlink(left) == os.readlink(right)


@dataclass
class Difference:
    """What has to be done to one folder so that it becomes another; paths are relative to both.

    :param removed: to be taken out, whole.
    :param added: to be copied, whole.
    :param folders: folders that are there, but whose mode or time of change differs.
    :param unchanged: how many entries can stay.
    :param total: how many entries there shall be.
    """

    removed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    unchanged: int = 0
    total: int = 0


def listing(folder: str) -> dict[str, list[Any]]:
    """What lies below a folder, without following links.

    :returns: for each path its kind (``folder``, ``file``, ``link`` or ``other``), mode, time of change in ns, and the
        size of a file in bytes or the target of a link.
    """
    found: dict[str, list[Any]] = {}
    pending = [""]
    while pending:
        relative = pending.pop()
        with os.scandir(os.path.join(folder, relative)) as scan:
            for entry in scan:
                path = os.path.join(relative, entry.name)
                found[path] = _described(entry)
                if found[path][0] == "folder":
                    pending.append(path)
    return found


def _described(entry: os.DirEntry) -> list[Any]:
    status = entry.stat(follow_symlinks=False)
    marks = [stat.S_IMODE(status.st_mode), status.st_mtime_ns]
    if entry.is_symlink():
        return ["link", *marks, os.readlink(entry.path)]
    if entry.is_dir(follow_symlinks=False):
        return ["folder", *marks, 0]
    return ["file", *marks, status.st_size] if entry.is_file(follow_symlinks=False) else ["other", *marks, 0]


def difference(source: str, wanted: dict[str, list[Any]], there: str, held: dict[str, list[Any]]) -> Difference:
    """Compare two folders by kind, mode, size and time of the last change.

    Files are read only where that time was set by somebody, as it is in unpacked archives: no write ends on a second.

    :param wanted: the :func:`listing` of ``source``.
    :param held: that of ``there``.
    """
    found = Difference(total=len(wanted))
    for path, entry in wanted.items():
        other = held.get(path)
        if other is None or entry[0] != other[0]:
            found.added.append(path)
        elif entry[0] == "folder" and entry != other:
            found.folders.append(path)
        elif entry[0] == "folder" or _seems_same(path, source, entry, there, other):
            found.unchanged += 1
        else:
            found.added.append(path)
    changed = held.keys() & set(found.added)
    found.removed = _topmost([path for path in held if path not in wanted or path in changed])
    found.added = _topmost(found.added)
    return found


def _topmost(paths: list[str]) -> list[str]:
    """Those of some paths that are below none of the others."""
    chosen = set(paths)
    return [path for path in paths if os.path.dirname(path) not in chosen]


def _seems_same(path: str, source: str, entry: list[Any], there: str, other: list[Any]) -> bool:
    if entry[0] == "link":
        return entry[3] == other[3]
    if entry[0] != "file" or entry != other:
        return False
    if entry[2] % 10**9:
        return True
    return _same_content(os.path.join(source, path), os.path.join(there, path))


def update(source: str, there: str, found: Difference) -> None:
    """Make one folder like another, by what :func:`difference` has found, with modes and times but not the owners."""
    touched = {os.path.dirname(path) for path in (*found.removed, *found.added)}
    for path in touched:
        folder = os.path.join(there, path)
        if not os.lstat(folder).st_mode & stat.S_IWUSR:
            os.chmod(folder, 0o700)  # it gets its own mode below
    for path in found.removed:
        _remove(os.path.join(there, path))
    for path in found.added:
        _copy(os.path.join(source, path), os.path.join(there, path))
    for path in touched.union(found.folders, {""}):
        shutil.copystat(os.path.join(source, path), os.path.join(there, path))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _copy(source: str, destination: str) -> None:
    if os.path.isdir(source) and not os.path.islink(source):
        shutil.copytree(source, destination, symlinks=True)
    else:
        shutil.copy2(source, destination, follow_symlinks=False)


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


def remove_leftovers(depot: str, keep: Sequence[str] = ()) -> None:
    """Take out of a depot what the build needed and its users do not.

    :param keep: names that stay all the same.
    """
    for name in set(BUILD_LEFTOVERS).difference(keep):
        shutil.rmtree(os.path.join(depot, name), ignore_errors=True)
    for parent, _folders, files in os.walk(os.path.join(depot, "compiled")):
        for name in files:
            if name.endswith(".pidfile"):
                os.unlink(os.path.join(parent, name))
