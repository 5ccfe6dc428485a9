# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nested catalogs of a folder that is to be published, placed from counts before the publish.

A client that looks at a path loads the catalog that lists it, whole: one request, and about 75 bytes an entry
(CernVM-FS 2.12, measured). So what is used together belongs together, and what many clients never look at apart.
CernVM-FS advises more than 1,000 entries in a catalog and fewer than 200,000 ("Recommendations for Nested Catalogs" in
its documentation); its own balancer keeps to 1,000 and 100,000 (``cvmfs/catalog_balancer_impl.h``), but works during
the publish. The rule here is that of the balancer with a goal below its limit, taken from the leaves to the top:

1. A folder counts itself, what is in it, and what is left of its folders.
2. While that is ``GOAL`` or more, the largest of its folders becomes a catalog, and counts as one entry from then on.
3. None becomes one with fewer than ``LEAST`` entries. Where fewer than that would remain around it, the folder stays
   whole instead, and the one above makes a catalog of it: so ``artifacts/<hash>`` is one, not ``artifacts/<hash>/lib``.
4. The top always is one.

So the same tree has the same catalogs in every release, and a catalog in which nothing changed is stored once.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import server
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ServerError

MARKER = ".cvmfscatalog"  # a folder that holds it is the root of a nested catalog
TOP = ""
LEAST = 1000  # entries of a catalog, but of the top's
GOAL = 5000  # 0.4 MB to be loaded: what a request costs, and not much more
MOST = 100000


@dataclass(frozen=True)
class Plan:
    """Which folders become nested catalogs.

    :param catalogs: relative to the folder that is published, sorted; an empty one is that folder itself.
    :param warnings: of folders that break the limit, with their counts.
    :param sizes: entries of each catalog as ``cvmfs_server list-catalogs -e`` counts them: its own root, its marker,
        and the roots of the catalogs in it are one each.
    """

    catalogs: list[str]
    warnings: list[str]
    sizes: dict[str, int]


@dataclass(frozen=True)
class Catalog:
    """A catalog that is published.

    :param path: of its root, from the root of the repository, which is ``/``.
    :param bytes: its size as clients keep it, uncompressed.
    """

    path: str
    bytes: int
    entries: int


def plan(folder: str) -> Plan:
    """Where nested catalogs belong in a folder. Markers that are there already do not count.

    :raises OSError: the folder cannot be read.
    """
    return plan_of(counts(folder), folder)


def counts(folder: str) -> dict[str, int]:
    """How many entries each folder holds directly, by its path relative to the top; links are not followed."""
    found = {}
    pending = [TOP]
    while pending:
        relative = pending.pop()
        found[relative] = 0
        with os.scandir(os.path.join(folder, relative)) as scan:
            for entry in scan:
                if entry.name == MARKER:
                    continue
                found[relative] += 1
                if entry.is_dir(follow_symlinks=False):
                    pending.append(os.path.join(relative, entry.name))
    return found


def plan_of(
    entries: Mapping[str, int], named: str = TOP, least: int = LEAST, goal: int = GOAL, most: int = MOST
) -> Plan:
    """Where nested catalogs belong in a tree, see the head of this module.

    :param entries: how many entries each folder holds directly, the top included, by relative path.
    :param named: the top as warnings name it.
    """
    sizes: dict[str, int] = {}
    left: dict[str, int] = {}  # of each folder: itself, and what is below it in no catalog of its own
    folders: dict[str, list[str]] = {path: [] for path in entries}
    for path in entries:
        if path != TOP:
            folders[os.path.dirname(path)].append(path)
    for path in sorted(entries, key=_depth, reverse=True):
        count = 1 + entries[path] + sum(left[child] - 1 for child in folders[path])
        for child in sorted(folders[path], key=lambda child: (-left[child], child)):
            size = left[child] + 1
            rest = count - left[child] + 1
            if count < goal or size < least:
                break
            if path != TOP and rest + 1 < least and count + 1 <= most:
                break
            sizes[child] = size
            count = rest
        left[path] = count
    sizes[TOP] = left[TOP] + 1
    catalogs = sorted(sizes)
    warnings = [
        f"catalogs: {os.path.join(named, path).rstrip('/') or '.'} makes a catalog of {sizes[path]} entries, more than "
        f"{most}, which is slow for its clients: {entries[path]} are directly in it, and no folder in it holds the "
        f"{least} that a catalog of its own takes. Spread them over larger folders, or do without some"
        for path in catalogs
        if sizes[path] > most
    ]
    return Plan(catalogs, warnings, {path: sizes[path] for path in catalogs})


def _depth(path: str) -> int:
    return path.count("/") + 1 if path else 0


def place(folder: str, wanted: Plan) -> list[str]:
    """Mark in a copy of what was planned for which folders are nested catalogs, and no others.

    Modification times and modes of the folders stay.

    :returns: the markers that were made or removed, relative to the folder.
    :raises OSError: a folder that was planned for is not there, or nothing can be written.
    """
    changed = []
    for relative in sorted(set(wanted.catalogs).symmetric_difference(_marked(folder))):
        path = os.path.join(folder, relative)
        with _restored(path) as status:
            marker = os.path.join(path, MARKER)
            if relative in wanted.sizes:
                _make(marker, status.st_mtime_ns)
            else:
                os.unlink(marker)
        changed.append(os.path.join(relative, MARKER))
    return changed


def _marked(folder: str) -> Iterator[str]:
    for parent, _folders, files in os.walk(folder):
        if MARKER in files:
            relative = os.path.relpath(parent, folder)
            yield TOP if relative == "." else relative


def _make(marker: str, mtime_ns: int) -> None:
    """Make a marker that is the same wherever the folder is published, as then its catalog is, too."""
    os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    os.chmod(marker, 0o644)
    os.utime(marker, ns=(mtime_ns, mtime_ns))


@contextmanager
def _restored(folder: str) -> Iterator[os.stat_result]:
    """Change what is in a folder, which may be read-only, and leave it as it was itself."""
    status = os.stat(folder)
    mode = stat.S_IMODE(status.st_mode)
    if not mode & stat.S_IWUSR:
        os.chmod(folder, mode | stat.S_IWUSR)
    try:
        yield status
    finally:
        if not mode & stat.S_IWUSR:
            os.chmod(folder, mode)
        os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))


def listed(repository: Repository) -> list[Catalog]:
    """The catalogs of the newest revision of a repository, which is healthy.

    :raises ServerError: they cannot be listed.
    """
    completed = server.must_run(
        ["list-catalogs", "-s", "-e", "-x", repository.name],
        f"repository: {repository.name}: its catalogs cannot be listed",
        output_limit=server.LISTING_BYTES,
    )
    try:
        return parse_listing(completed.stdout)
    except ValueError as error:
        raise ServerError(f"repository: {repository.name}: {error}") from error


def parse_listing(text: str) -> list[Catalog]:
    """What ``cvmfs_server list-catalogs -s -e -x`` prints: lines of ``<bytes>B <entries> <path>``.

    :raises ValueError: a line is none of these.
    """
    found = []
    for line in text.split("\n"):
        if not line:
            continue
        size, _space, rest = line.partition(" ")
        entries, _space, path = rest.partition(" ")
        if not (size.endswith("B") and size[:-1].isdigit() and entries.isdigit() and path.startswith("/")):
            raise ValueError(f"not a line of list-catalogs: {line!r}")
        found.append(Catalog(path, int(size[:-1]), int(entries)))
    return found
