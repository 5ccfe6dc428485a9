# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Git's tree hashes and reproducible tarballs of file trees that are held in memory.

Julia names the contents of packages, registries and artifacts by the SHA-1 of the git tree object they would
be (Pkg's GitTools.jl, ``tree_hash``; git's documentation, "Git Internals - Git Objects").
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Mode(Enum):
    """The modes that git records for what a folder holds; the values are git's own spelling."""

    NORMAL = "100644"
    EXECUTABLE = "100755"
    SYMLINK = "120000"
    FOLDER = "40000"


@dataclass(frozen=True)
class Blob:
    """A file: its bytes, or the target where it is a symbolic link."""

    data: bytes
    mode: Mode = Mode.NORMAL

    @classmethod
    def text(cls, text: str, mode: Mode = Mode.NORMAL) -> Blob:
        return cls(text.encode(), mode)


# Paths relative to the top, with "/" between their parts. As in git there is no folder without a file.
Tree = Mapping[str, Blob]


def _object_digest(kind: str, content: bytes) -> bytes:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).digest()


def _tree_object(entries: Iterable[tuple[str, Mode, bytes]]) -> bytes:
    """A tree object's content: git sorts by bytes, and a folder as though its name ended with "/"."""

    def order(entry: tuple[str, Mode, bytes]) -> bytes:
        name, mode, _unused = entry
        return (name + "/" if mode is Mode.FOLDER else name).encode()

    return b"".join(f"{mode.value} {name}\0".encode() + digest for name, mode, digest in sorted(entries, key=order))


def _tree_digest(tree: Tree) -> bytes:
    entries: list[tuple[str, Mode, bytes]] = []
    folders: dict[str, dict[str, Blob]] = {}
    for path, blob in tree.items():
        head, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(head, {})[rest] = blob
        else:
            entries.append((head, blob.mode, _object_digest("blob", blob.data)))
    entries.extend((name, Mode.FOLDER, _tree_digest(inner)) for name, inner in folders.items())
    return _object_digest("tree", _tree_object(entries))


def tree_hash(tree: Tree) -> str:
    """The SHA-1 of ``tree`` as a git tree object, in hexadecimal."""
    return _tree_digest(tree).hex()


def write_tree(tree: Tree, folder: Path) -> None:
    """Lay ``tree`` out below ``folder``."""
    for path, blob in tree.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if blob.mode is Mode.SYMLINK:
            target.symlink_to(blob.data.decode())
            continue
        target.write_bytes(blob.data)
        target.chmod(0o755 if blob.mode is Mode.EXECUTABLE else 0o644)


def tarball(tree: Tree) -> bytes:
    """A gzipped tarball of ``tree``, the same bytes every time.

    Nothing is compressed, so that the bytes (whose SHA-256 an Artifacts.toml records) do not depend on the
    version of zlib.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=0, fileobj=packed, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(tree):
            blob = tree[path]
            member = tarfile.TarInfo(path)
            if blob.mode is Mode.SYMLINK:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, blob.data.decode(), 0o777
                archive.addfile(member)
                continue
            member.size = len(blob.data)
            member.mode = 0o755 if blob.mode is Mode.EXECUTABLE else 0o644
            archive.addfile(member, io.BytesIO(blob.data))
    return packed.getvalue()


def read_tarball(data: bytes) -> dict[str, Blob]:
    """The tree that ``tarball`` packed into ``data``."""
    tree = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive.getmembers():
            if member.issym():
                tree[member.name] = Blob(member.linkname.encode(), Mode.SYMLINK)
                continue
            mode = Mode.EXECUTABLE if member.mode & 0o100 else Mode.NORMAL
            tree[member.name] = Blob(archive.extractfile(member).read(), mode)
    return tree
