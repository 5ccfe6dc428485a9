# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trees of revisions: copies, their catalogs and their hashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass

MARKER = ".cvmfscatalog"


@dataclass
class Catalog:
    """A file catalog.

    Attributes:
        path: its root in the repository, such as ``/julia``; ``/`` for the root catalog
        entries: how many entries it holds, its own root among them
        hash: its name in the storage
    """

    path: str
    entries: int
    hash: str

    @property
    def size(self) -> int:
        """A likely size of its database, in bytes."""
        return max(4, -(-self.entries * 120 // 4096)) * 4096


@dataclass
class Content:
    """What a tree holds: the hash of all its entries, and its catalogs, the root first."""

    digest: str
    catalogs: list[Catalog]

    def as_json(self) -> dict:
        """This as what JSON holds."""
        return asdict(self)


def _sorted(folder: str) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _describe(path: str, info: os.stat_result) -> str:
    size = 0 if stat.S_ISDIR(info.st_mode) else info.st_size
    target = os.readlink(path) if stat.S_ISLNK(info.st_mode) else ""
    return f"{info.st_mode:o} {info.st_uid} {info.st_gid} {size} {int(info.st_mtime)} {target}"


def read(root: str) -> Content:
    """Read a whole tree."""
    catalogs = [Catalog("/", 0, "")]
    sums = [hashlib.sha1()]

    def visit(folder: str, path: str, index: int) -> None:
        for entry in _sorted(folder):
            info = entry.stat(follow_symlinks=False)
            name = f"{path}/{entry.name}"
            catalogs[index].entries += 1
            sums[index].update(f"{name}\0{_describe(entry.path, info)}\0".encode(errors="surrogateescape"))
            if not stat.S_ISDIR(info.st_mode):
                continue
            inner = index
            if os.path.lexists(os.path.join(entry.path, MARKER)):
                catalogs.append(Catalog(name, 1, ""))
                sums.append(hashlib.sha1(name.encode(errors="surrogateescape")))
                inner = len(catalogs) - 1
            visit(entry.path, name, inner)

    catalogs[0].entries = 1
    visit(root, "", 0)
    for catalog, digest in zip(catalogs, sums, strict=True):
        catalog.hash = digest.hexdigest()
    return Content(hashlib.sha1("".join(catalog.hash for catalog in catalogs).encode()).hexdigest(), catalogs)


def _copy_entry(source: str, target: str, info: os.stat_result, add_mode: int) -> None:
    if stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(source), target)
    elif stat.S_ISREG(info.st_mode):
        shutil.copyfile(source, target)
    else:
        return
    _copy_status(target, info, add_mode)


def _copy_status(target: str, info: os.stat_result, add_mode: int) -> None:
    """Give owner, mode and the modification time in whole seconds."""
    if os.geteuid() == 0:
        os.lchown(target, info.st_uid, info.st_gid)
    if not stat.S_ISLNK(info.st_mode):
        os.chmod(target, stat.S_IMODE(info.st_mode) | (add_mode if stat.S_ISDIR(info.st_mode) else 0))
    seconds = int(info.st_mtime) * 10**9
    os.utime(target, ns=(seconds, seconds), follow_symlinks=False)


def copy(source: str, target: str, add_mode: int = 0) -> Iterator[str]:
    """Copy the content of a folder into an empty one; yields files with several links, which are broken up.

    Args:
        source: the folder whose content is copied
        target: a folder that exists and is empty
        add_mode: mode bits that each folder gets in addition
    """
    for entry in _sorted(source):
        info = entry.stat(follow_symlinks=False)
        new = os.path.join(target, entry.name)
        if stat.S_ISDIR(info.st_mode):
            os.mkdir(new, 0o700)
            yield from copy(entry.path, new, add_mode)
            _copy_status(new, info, add_mode)
            continue
        if stat.S_ISREG(info.st_mode) and info.st_nlink > 1:
            yield entry.path
        _copy_entry(entry.path, new, info, add_mode)
    _copy_status(target, os.lstat(source), add_mode)


def clear(folder: str) -> None:
    """Remove the content of a folder, whatever its modes."""
    chmod_folders(folder, add=0o700)
    for entry in _sorted(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def chmod_folders(root: str, add: int = 0, remove: int = 0) -> None:
    """Add and remove mode bits of a folder and all folders below."""
    os.chmod(root, (stat.S_IMODE(os.stat(root).st_mode) | add) & ~remove)
    for entry in _sorted(root):
        if entry.is_dir(follow_symlinks=False):
            chmod_folders(entry.path, add, remove)
