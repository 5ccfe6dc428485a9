# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a builder gives away: a tree's listing, its inventory, ranges of its contents."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from typing import Any, Iterable, Iterator, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError, StoreError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.inventory import (
    NO_SPACE,
    Inventory,
    chunks_of,
    open_file,
    read_contents,
    scan,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.parcels import Stream, unpack_needed
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import names

STATES = ("listed", "inventoried", "packed")
SUFFIX = ".inventory.json.gz"
KEPT_SECONDS = 7 * 86400  # how long an inventory is kept for a transfer that is not yet through

ARGUMENT_SPEC = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "listed"},
    "requires": {"type": "str"},
    "workdir": {"type": "path"},
    "inventory": {"type": "path"},
    "needed": {"type": "str"},
    "offset": {"type": "int"},
    "length": {"type": "int"},
    "dest": {"type": "path"},
    "_file": {"type": "path"},
    "_skip": {"type": "int", "default": 0},
    "_limit": {"type": "int"},
}
REQUIRED_IF = [
    ("state", "inventoried", ("workdir",)),
    ("state", "packed", ("inventory", "needed", "offset", "length")),
]


def give(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """List a tree, make its inventory, or pack a parcel of it: what the module ``depot_outgoing`` does.

    :raises InputError: what is asked for is not there.
    :raises StoreError: the tree changed while it was read.
    """
    path = params["path"]
    if params["state"] == "listed":
        needed = os.path.join(path, params["requires"] or "")
        listing = scan(path).as_dict() if os.path.isdir(path) and os.path.exists(needed) else None
        return {"changed": False, "actions": [], "listing": listing}
    if not os.path.isdir(path):
        raise InputError([f"path: {path} is not a folder on this machine"])
    if params["state"] == "inventoried":
        if check_mode:
            return {"changed": False, "actions": []}
        file = keep_inventory(path, params["workdir"])
        size = os.path.getsize(file)
        found = {"inventory": file, "size": size}
        chunks = _file_range(file, *_part(params, 0, size))
    else:
        inventory = Inventory.load(params["inventory"])
        stream = Stream(inventory.entries, unpack_needed(params["needed"], len(inventory.entries)))
        offset, length = _part(params, params["offset"], params["length"])
        found = {"size": params["length"]}
        chunks = read_range(path, stream, offset, length)
    return dict(found, changed=False, actions=[], **_hand_over(chunks, params["_file"]))


def _part(params: Mapping[str, Any], offset: int, length: int) -> tuple[int, int]:
    """The range that is asked for, within another one."""
    skip = min(max(params["_skip"], 0), length)
    left = length - skip
    return offset + skip, left if params["_limit"] is None else min(params["_limit"], left)


def keep_inventory(path: str, workdir: str) -> str:
    """Make the inventory of a tree, unless the very same tree has one already; the file with it."""
    listing = scan(path)
    folder = os.path.join(workdir, "outgoing")
    file = os.path.join(folder, listing.identity[:32] + SUFFIX)
    if os.path.exists(file):
        os.utime(file)
        return file
    os.makedirs(folder, exist_ok=True)
    _forget_old(folder)
    inventory = read_contents(os.path.realpath(path), listing.entries)
    temporary = f"{file}.{os.getpid()}.tmp"
    with open(temporary, "wb") as stream:
        stream.write(inventory.dump())
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, file)
    return file


def _forget_old(folder: str) -> None:
    limit = time.time() - KEPT_SECONDS
    for name in names(folder):
        file = os.path.join(folder, name)
        if name.endswith((SUFFIX, ".tmp")) and os.path.getmtime(file) < limit:
            os.unlink(file)


def read_range(path: str, stream: Stream, offset: int, length: int) -> Iterator[bytes]:
    """A range of the stream of a tree's contents, piece by piece.

    :raises StoreError: a file is not the one that was listed.
    """
    root = os.fsencode(os.path.realpath(path))
    for piece in stream.pieces(offset, length):
        file = os.path.join(root, piece.entry.path)
        descriptor = open_file(file, piece.entry)
        try:
            yield from chunks_of(descriptor, piece.start, piece.length, file)
        finally:
            os.close(descriptor)


def _file_range(file: str, offset: int, length: int) -> Iterator[bytes]:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield from chunks_of(descriptor, offset, length, os.fsencode(file))
    finally:
        os.close(descriptor)


def _hand_over(chunks: Iterable[bytes], file: str | None) -> dict[str, Any]:
    """Put bytes where the action plugin fetches them, or into the result; with their digest."""
    if file is None:
        content = b"".join(chunks)
        return {"content": base64.b64encode(content).decode(), "sha256": hashlib.sha256(content).hexdigest()}
    digest = hashlib.sha256()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
                digest.update(chunk)
        if os.geteuid() == 0:
            # The folder is that of the user who connects, and so is who will fetch it.
            owner = os.stat(os.path.dirname(file))
            os.chown(file, owner.st_uid, owner.st_gid)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise StoreError(
            f"{os.path.dirname(file)} has no room for a parcel: {error.strerror}; make room, or let "
            "ansible_remote_tmp name a folder that has some, or make depot_publish_parcel_size smaller"
        ) from error
    return {"sha256": digest.hexdigest()}
