# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches that are taken over from an earlier depot, so that only what is stale is compiled.

From Julia 1.11.2 on a cache is valid below another path, but what a package had computed from its path while it was
compiled (``@__DIR__``, a path to an artifact) still stands in it. Such a cache is not taken.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import struct
from dataclasses import asdict, dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.caches import cache_files, find_caches
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import read_json, write_json
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import BASE_ENVIRONMENT

FIRST_RELOCATABLE = (1, 11, 2)
MARK = ".seeded"  # in a depot from before the first cache is taken until those that are not used are dropped
MAX_TEXT = 65536  # bytes of a text in a cache that may be a path
# Paths that are in many caches and of which nothing is read once a package is loaded: the place of a documented source
# file, and that of an artifact file, whose content is in the cache as well (stdlib/Artifacts, `@artifact_str`).
HARMLESS_ENDINGS = (b".jl", b"/Artifacts.toml", b"/JuliaArtifacts.toml")


@dataclass
class Taken:
    """What was taken over: files relative to the depot, and the caches that were left, by package with the reason."""

    files: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def is_due(depot: str) -> bool:
    """Whether a depot is still to be seeded: nothing was compiled into it, or seeding it was interrupted."""
    mark = os.path.join(depot, MARK)
    interrupted = os.path.exists(mark) and read_json(mark) is None
    return interrupted or not os.path.isdir(os.path.join(depot, "compiled"))


def pending(depot: str) -> Taken | None:
    """What was taken over into a depot whose build has not ended yet; none where nothing was."""
    document = read_json(os.path.join(depot, MARK))
    return None if document is None else Taken(**document)


def take(depot: str, seeds: Sequence[Mapping[str, str]]) -> Taken:
    """Copy the caches of other depots into this one, with their times of change.

    :param seeds: ``depot``, and ``built_below``, the path below which everything lay when it was compiled.
    :raises BuildError: they cannot be copied.
    """
    taken = Taken()
    mark = os.path.join(depot, MARK)
    shutil.rmtree(os.path.join(depot, "compiled"), ignore_errors=True)  # what an interrupted copy left
    with open(mark, "w", encoding="ascii"):
        pass
    for seed in seeds:
        below = os.fsencode(seed["built_below"] or os.path.dirname(seed["depot"].rstrip("/")))
        for cache in find_caches(seed["depot"]):
            files = cache_files(cache["path"])
            text = next(filter(None, (baked_path(path, below) for path in files)), None)
            if text is not None:
                taken.refused[cache["package"]] = f"holds the path {os.fsdecode(text)}"
                continue
            folder = os.path.relpath(os.path.dirname(cache["path"]), seed["depot"])
            place = os.path.join(depot, folder)
            chosen = [path for path in files if not os.path.exists(os.path.join(place, os.path.basename(path)))]
            if chosen:
                _copy(chosen, place)
                taken.files += [os.path.join(folder, os.path.basename(path)) for path in chosen]
    write_json(mark, asdict(taken))
    return taken


def _copy(files: Iterable[str], folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    # Never a hard link: Julia sets the times of caches, and the seed may be a published release.
    argv = ["cp", "--preserve=mode,timestamps", "--reflink=auto", "--", *files, folder]
    completed = process.run(argv, BASE_ENVIRONMENT)
    if not completed.ok:
        raise BuildError(f"caches cannot be taken over: {completed.stderr.strip()}", **completed.details())


def baked_path(file: str, below: bytes) -> bytes | None:
    """A text in a cache that begins with this path, or holds it, and is more than the name of a source file.

    An image holds texts with their length in eight bytes before them and a zero byte after them, and symbols with their
    length in four (``src/staticdata.c``, ``jl_write_values`` and ``jl_write_symbol``); debugging information has no
    lengths. Names of source files are symbols, so only texts are looked at, and what has the path in its midst.
    """
    if os.path.getsize(file) == 0:
        return None
    with open(file, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(below)
        while start >= 0:
            text = _text_at(content, start, len(below))
            if text is not None and not _is_harmless(text):
                return text
            start = content.find(below, start + len(below))
    return None


def _text_at(content: mmap.mmap, start: int, length: int) -> bytes | None:
    """The text that begins or goes on at a place; none where a symbol or a name in debugging information does."""
    following = content[start + length : start + length + 1]
    if following not in (b"/", b"\0"):
        return None  # another path, which begins as this one does
    if start and 0x20 <= content[start - 1] < 0x7F:
        end = content.find(b"\0", start)
        return content[start - 1 : min(end if end >= 0 else start + length, start + MAX_TEXT)]
    if start < 8:
        return None
    (size,) = struct.unpack("<Q", content[start - 8 : start])
    if not length <= size <= MAX_TEXT or content[start + size : start + size + 1] != b"\0":
        return None
    return content[start : start + size]


def _is_harmless(text: bytes) -> bool:
    return text.startswith(b"/") and text.endswith(HARMLESS_ENDINGS) and b"/../" not in text


def settle(depot: str, taken: Taken, used: Iterable[str]) -> dict[str, Any]:
    """Drop the caches that were taken over and are not used, and end the seeding of a depot.

    :param used: paths of the ``.ji`` files that a session loads.
    :returns: ``caches``, ``bytes``, ``dropped`` (a number) and ``refused`` (package: reason).
    """
    kept = {os.path.splitext(os.path.relpath(path, depot))[0] for path in used}
    told = {"caches": 0, "bytes": 0, "dropped": 0, "refused": dict(taken.refused)}
    for name in taken.files:
        stem, ending = os.path.splitext(name)
        path = os.path.join(depot, name)
        if stem in kept:
            told["bytes"] += os.path.getsize(path)
        else:
            with contextlib.suppress(FileNotFoundError):  # Julia keeps ten caches of a package
                os.unlink(path)
        if ending == ".ji":
            told["caches" if stem in kept else "dropped"] += 1
    for folder in {os.path.dirname(name) for name in taken.files}:
        with contextlib.suppress(OSError):  # it is used
            os.rmdir(os.path.join(depot, folder))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(depot, MARK))
    return told
