# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the contents of a tree are cut into parcels.

The contents of the files that are needed, one after another in the order of the inventory, are one stream of bytes; a
parcel is a range of it. So a parcel holds no name, no mode and no link that would have to be believed: all these come
from the inventory, which is checked before anything is laid out. And a file of any size can be cut.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from bisect import bisect_right
from typing import Any, Collection, Iterator, NamedTuple, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.inventory import FILE, Entry


class Piece(NamedTuple):
    """A range of one file."""

    entry: Entry
    start: int
    length: int

    @property
    def ends(self) -> bool:
        """Whether the file ends with it."""
        return self.start + self.length == self.entry.size


class Stream:
    """The contents that are needed, as one stream.

    :param needed: which entries, by their places in the inventory.
    """

    def __init__(self, entries: Sequence[Entry], needed: Collection[int]) -> None:
        self.entries = [entries[index] for index in sorted(needed)]
        if any(entry.kind != FILE for entry in self.entries):
            raise InputError(["needed: only files have contents"])
        self._starts: list[int] = []
        self.size = 0
        for entry in self.entries:
            self._starts.append(self.size)
            self.size += entry.size

    def pieces(self, offset: int, length: int) -> Iterator[Piece]:
        """The pieces of files that make up a range.

        :raises InputError: the range is not within the stream.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise InputError([f"offset, length: {offset}, {length} is no range of {self.size} bytes"])
        index = bisect_right(self._starts, offset) - 1
        while length:
            entry = self.entries[index]
            start = offset - self._starts[index]
            step = min(length, entry.size - start)
            if step:
                yield Piece(entry, start, step)
            offset += step
            length -= step
            index += 1


def cut(size: int, parcel_size: int) -> list[dict[str, Any]]:
    """The parcels of a stream: ``number`` (from 1), ``offset`` and ``length`` in bytes."""
    return [
        {"number": number, "offset": offset, "length": min(parcel_size, size - offset)}
        for number, offset in enumerate(range(0, size, parcel_size), 1)
    ]


def pack_needed(needed: Collection[int], entries: int) -> str:
    """Which entries are needed, as a short text: one bit each, compressed."""
    bits = bytearray((entries + 7) // 8)
    for index in needed:
        bits[index // 8] |= 1 << index % 8
    return base64.b64encode(zlib.compress(bytes(bits), 9)).decode()


def unpack_needed(text: str, entries: int) -> list[int]:
    """What :func:`pack_needed` packed.

    :raises InputError: it is not that.
    """
    size = (entries + 7) // 8
    try:
        inflate = zlib.decompressobj()
        bits = inflate.decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, zlib.error) as error:
        raise InputError([f"needed: {error}"]) from error
    if len(bits) != size or not inflate.eof:
        raise InputError([f"needed: it is not about {entries} entries"])
    found = [index * 8 + bit for index, byte in enumerate(bits) if byte for bit in range(8) if byte >> bit & 1]
    if found and found[-1] >= entries:
        raise InputError([f"needed: it is not about {entries} entries"])
    return found
