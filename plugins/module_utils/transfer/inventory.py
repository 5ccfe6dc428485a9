# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a tree, exactly: the list by which a tree is sent, received and compared.

A name is bytes, as the kernel has it. In documents it is text in which bytes that are no UTF-8 stand as lone
surrogates (PEP 383), whatever the locale.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import stat
import zlib
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, NamedTuple, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError, StoreError

FOLDER, FILE, LINK, HARD_LINK = "d", "f", "l", "h"
FORMAT = 1
PERMISSIONS = 0o777  # no setuid, setgid or sticky bit is ever sent
CHUNK = 1 << 20
MAX_DOCUMENT = 1 << 30  # bytes; about five million entries
MAX_NAME, MAX_PATH = 255, 4095  # linux/limits.h
MAX_LINKS = 40  # how many links the kernel follows, path_resolution(7)
MAX_SECONDS = 1 << 34  # what ext4 can keep, and more than anybody needs
MAX_FAULTS = 10
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
SHA256 = re.compile(r"^[0-9a-f]{64}\Z")


class Entry(NamedTuple):
    """One entry of a tree.

    :param path: relative to the tree; empty for the tree's own folder.
    :param kind: ``d``, ``f``, ``l`` or ``h``: a folder, a file, a symbolic link, a further name of an earlier file.
    :param mode: permissions; 0 where the kind has none of its own.
    :param size: bytes of a file; else 0.
    :param mtime: nanoseconds since 1970; 0 for a further name.
    :param link: where a link points to, or the earlier name.
    :param sha256: of a file's content, in hexadecimal; empty while nobody has read it.
    """

    path: bytes
    kind: str
    mode: int
    size: int
    mtime: int
    link: bytes
    sha256: str = ""

    def marks(self) -> bytes:
        """All but the content, as one unambiguous line."""
        numbers = f"{self.kind}\0{self.mode}\0{self.size}\0{self.mtime}\0".encode()
        return b"%s\0%s%s\0\n" % (self.path, numbers, self.link)

    def name(self) -> str:
        """The path for a message."""
        return ascii(_text(self.path))[1:-1] or "."


@dataclass(frozen=True)
class Listing:
    """A tree as ``lstat`` shows it.

    :param digest: of all entries but the contents of files: the same in every copy that keeps modes and times.
    :param identity: of inode numbers and times of change too: the same for the very same folder alone, however it is
        mounted.
    :param root: the same of the tree's own folder, to look at first.
    """

    entries: list[Entry]
    digest: str
    identity: str
    root: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "identity": self.identity,
            "root": self.root,
            "entries": len(self.entries),
            "size": content_size(self.entries),
        }


def content_size(entries: Iterable[Entry]) -> int:
    """Bytes of all files; what has several names counts once."""
    return sum(entry.size for entry in entries)


def scan(root: str) -> Listing:
    """List a tree: each folder before what is in it, names in order.

    :raises InputError: there is something that cannot be published: a device, a socket, a pipe.
    """
    top = os.fsencode(os.path.realpath(root))
    entries: list[Entry] = []
    faults: list[str] = []
    names: dict[tuple[int, int], bytes] = {}
    digest, identity = hashlib.sha256(), hashlib.sha256()
    pending = [(b"", top, os.lstat(top))]
    while pending:
        path, absolute, status = pending.pop()
        entry = _entry(path, absolute, status, names)
        if entry is None:
            faults.append(f"{os.fsdecode(absolute)!r} is neither a file, a folder nor a link; remove it")
            continue
        entries.append(entry)
        line = entry.marks()
        digest.update(line)
        identity.update(b"%d %d %s" % (status.st_ino, status.st_ctime_ns, line))
        if entry.kind == FOLDER:
            with os.scandir(absolute) as found:
                children = sorted(found, key=lambda child: child.name, reverse=True)
            for child in children:
                below = b"%s/%s" % (path, child.name) if path else child.name
                pending.append((below, child.path, child.stat(follow_symlinks=False)))
    if faults:
        raise InputError(faults[:MAX_FAULTS])
    return Listing(entries, digest.hexdigest(), identity.hexdigest(), root_identity(root))


def root_identity(root: str) -> str:
    """What tells the folder of a tree from every other one."""
    status = os.stat(root)
    return f"{status.st_ino}.{status.st_ctime_ns}"


def _entry(path: bytes, absolute: bytes, status: os.stat_result, names: dict[tuple[int, int], bytes]) -> Entry | None:
    mode, mtime = status.st_mode & PERMISSIONS, status.st_mtime_ns
    if stat.S_ISDIR(status.st_mode):
        return Entry(path, FOLDER, mode, 0, mtime, b"")
    if stat.S_ISLNK(status.st_mode):
        return Entry(path, LINK, 0, 0, mtime, os.readlink(absolute))
    if not stat.S_ISREG(status.st_mode):
        return None
    if status.st_nlink > 1:
        first = names.setdefault((status.st_dev, status.st_ino), path)
        if first != path:
            return Entry(path, HARD_LINK, 0, 0, 0, first)
    return Entry(path, FILE, mode, status.st_size, mtime, b"")


def differences(wanted: Sequence[Entry], found: Sequence[Entry], limit: int = 5) -> list[str]:
    """In words, how a tree differs from what it should be; the first ones."""
    there = {entry.path: entry for entry in found}
    told = []
    for entry in wanted:
        other = there.pop(entry.path, None)
        if other is None:
            told.append(f"{entry.name()} is missing")
        else:
            fields = zip(Entry._fields[1:6], entry[1:6], other[1:6])
            told += [f"{entry.name()}: {name} is {now!r}, not {then!r}" for name, then, now in fields if then != now]
    told += [f"{entry.name()} does not belong to it" for entry in there.values()]
    return told[:limit] + ([f"and {len(told) - limit} more"] if len(told) > limit else [])


class Inventory:
    """A tree with the digests of its files.

    :param digest: of the listing (:class:`Listing`).
    :param seal: of all, contents too.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = list(entries)
        digest, seal = hashlib.sha256(), hashlib.sha256()
        for entry in self.entries:
            line = entry.marks()
            digest.update(line)
            seal.update(b"%s%s" % (line, entry.sha256.encode()))
        self.digest = digest.hexdigest()
        self.seal = seal.hexdigest()

    @property
    def size(self) -> int:
        return content_size(self.entries)

    def dump(self) -> bytes:
        """As a compressed document; the same for the same inventory."""
        rows = [
            [_text(entry.path), entry.kind, entry.mode, entry.size, entry.mtime, _text(entry.link), entry.sha256]
            for entry in self.entries
        ]
        document = {"format": FORMAT, "entries": rows}
        return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), compresslevel=3, mtime=0)

    @classmethod
    def load(cls, path: str) -> Inventory:
        """Read a document of :meth:`dump`.

        :raises InputError: it is none.
        """
        try:
            with gzip.open(path) as stream:
                text = stream.read(MAX_DOCUMENT + 1)
            if len(text) > MAX_DOCUMENT:
                raise ValueError(f"it is larger than {MAX_DOCUMENT} bytes")
            document = json.loads(text)
            if not isinstance(document, dict) or document.get("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            return cls([_row(*row) for row in document["entries"]])
        except (ValueError, KeyError, TypeError, EOFError, zlib.error, gzip.BadGzipFile, RecursionError) as error:
            raise InputError([f"{path} is not the inventory of a tree: {error}"]) from error


def _row(path: Any, kind: Any, mode: Any, size: Any, mtime: Any, link: Any, sha256: Any) -> Entry:
    given = (path, kind, mode, size, mtime, link, sha256)
    kinds = (str, str, int, int, int, str, str)
    if any(isinstance(value, bool) or not isinstance(value, kind) for value, kind in zip(given, kinds)):
        raise ValueError(f"{given!r} is no entry")
    return Entry(_bytes(path), kind, mode, size, mtime, _bytes(link), sha256)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


# --- reading contents


def read_contents(root: str, entries: Sequence[Entry]) -> Inventory:
    """Read all files of a tree that was listed.

    :raises StoreError: one changed since.
    """
    return Inventory(
        [
            entry._replace(sha256=sha256_of(os.path.join(os.fsencode(root), entry.path), entry))
            if entry.kind == FILE
            else entry
            for entry in entries
        ]
    )


def open_file(path: bytes, entry: Entry) -> int:
    """Open a file of a tree to be read.

    :raises StoreError: it is not the one of this entry any more.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _changed(path) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (entry.size, entry.mtime):
        os.close(descriptor)
        raise _changed(path)
    return descriptor


def _changed(path: bytes) -> StoreError:
    return StoreError(f"{os.fsdecode(path)!r} changed while the tree was read; run again once no build is under way")


def sha256_of(path: bytes, entry: Entry) -> str:
    """The digest of a file of a tree."""
    descriptor = open_file(path, entry)
    try:
        digest = hashlib.sha256()
        for chunk in chunks_of(descriptor, 0, entry.size, path):
            digest.update(chunk)
        return digest.hexdigest()
    finally:
        os.close(descriptor)


def chunks_of(descriptor: int, start: int, length: int, path: bytes) -> Iterator[bytes]:
    """A range of an open file, piece by piece.

    :raises StoreError: the file ends before.
    """
    while length:
        chunk = os.pread(descriptor, min(length, CHUNK), start)
        if not chunk:
            raise _changed(path)
        yield chunk
        start += len(chunk)
        length -= len(chunk)


# --- what may be received


def check(entries: Sequence[Entry], links_to: Sequence[str] | None = ()) -> None:
    """Refuse what must not be laid out here, whoever says that it is a tree.

    :param links_to: absolute paths outside of the tree at which, and below which, links may point; none: anywhere.
    :raises InputError: the first faults.
    """
    faults = []
    kinds: dict[bytes, Entry] = {}
    before: list[bytes] | None = None
    for entry in entries:
        parts = entry.path.split(b"/") if entry.path else []
        fault = _fault_of_entry(entry, parts, kinds)
        if fault is None and (before is None) != (not parts):
            fault = "the folder of the tree comes first, and once"
        if fault is None and before is not None and parts <= before:
            fault = "it is out of order"
        if fault is not None:
            faults.append(f"{entry.name()}: {fault}")
        kinds[entry.path] = entry
        before = parts
    if before is None:
        faults.append("the inventory names nothing, not even a folder")
    if links_to is not None and not faults:  # a link can be judged in a tree that makes sense alone
        allowed = [os.path.normpath(os.fsencode(path)) for path in links_to]
        for entry in entries:
            if entry.kind == LINK and _leaves(entry, kinds, allowed):
                faults.append(
                    f"{entry.name()}: this link points out of the tree, to {_text(entry.link)!r}; remove it, or name "
                    "where links may point in depot_publish_links_to"
                )
    if faults:
        raise InputError(faults[:MAX_FAULTS] + ["and more"] * (len(faults) > MAX_FAULTS))


def _fault_of_entry(entry: Entry, parts: list[bytes], known: dict[bytes, Entry]) -> str | None:
    if any(part in (b"", b".", b"..") or b"\0" in part or len(part) > MAX_NAME for part in parts):
        return "this is no path below a folder"
    if len(entry.path) > MAX_PATH:
        return "this path is too long"
    parent = known.get(b"/".join(parts[:-1]))
    if parts and (parent is None or parent.kind != FOLDER):
        return "what it lies in is no folder of the tree"
    if not parts and entry.kind != FOLDER:
        return "a tree is a folder"
    if not 0 <= entry.mode <= PERMISSIONS:
        return f"mode {entry.mode:#o} is more than permissions"
    if abs(entry.mtime) >= MAX_SECONDS * 10**9:
        return f"{entry.mtime} ns is no time of a file"
    return _fault_of_kind(entry, known)


def _fault_of_kind(entry: Entry, known: dict[bytes, Entry]) -> str | None:
    if entry.kind not in (FOLDER, FILE, LINK, HARD_LINK):
        return f"{entry.kind!r} is neither a file, a folder nor a link"
    if entry.kind == FILE:
        fine = entry.size >= 0 and not entry.link and SHA256.match(entry.sha256)
        return None if fine else "this is no description of a file"
    if entry.size or entry.sha256:
        return "only a file has a content"
    if entry.kind == FOLDER:
        return "a folder points nowhere" if entry.link else None
    if entry.kind == LINK:
        fine = entry.link and b"\0" not in entry.link and len(entry.link) <= MAX_PATH
        return None if fine else "this link has no target"
    if entry.kind == HARD_LINK:
        first = known.get(entry.link)
        return (
            None if first is not None and first.kind == FILE else "the file of which it is a name does not come before"
        )
    return f"{entry.kind!r} is neither a file, a folder nor a link"


def _leaves(entry: Entry, known: dict[bytes, Entry], allowed: Sequence[bytes]) -> bool:
    """Whether a link can lead out of the tree; the links on its way are followed as the kernel would."""
    place = entry.path.split(b"/")[:-1]
    target = entry.link
    for _hop in range(MAX_LINKS):
        if target.startswith(b"/"):
            return not _below(target, allowed)
        steps = target.split(b"/")
        for index, step in enumerate(steps):
            if step == b"..":
                if not place:
                    return True
                place.pop()
            elif step not in (b"", b"."):
                met = known.get(b"/".join([*place, step]))
                if met is not None and met.kind == LINK:
                    target = b"/".join([met.link, *steps[index + 1 :]])
                    break
                place.append(step)
        else:
            return False
    return False  # a loop leads nowhere


def _below(target: bytes, allowed: Sequence[bytes]) -> bool:
    plain = os.path.normpath(target)
    return b".." not in target.split(b"/") and any(
        plain == path or plain.startswith(path.rstrip(b"/") + b"/") for path in allowed
    )
