# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives where releases are published: trees, laid out from an inventory and parcels.

Below ``<workdir>/incoming`` there are, for each tree by its id (``releases/<environment>/<release>/<arch>`` or
``julia/<version>/<arch>/<build>``): ``<id>`` itself, once it is whole; ``.records/<id>.json.gz``, its inventory; and
while it arrives ``.partial/<id>/`` with ``tree``, ``inventory.json.gz`` and ``plan.json``. A plan is written when
everything that is not sent has been laid out; from then on it counts the parcels that are safe on the disk. So what
ended a transfer, and when, does not matter: without a plan the tree is begun anew, with one the next parcel is due.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import BinaryIO, Iterator, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import DepotError, InputError, StoreError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import read_json, write_json
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import BASE_ENVIRONMENT
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.base import remove_tree
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.inventory import (
    CHUNK,
    FILE,
    FOLDER,
    HARD_LINK,
    LINK,
    NO_SPACE,
    Entry,
    Inventory,
    check,
    chunks_of,
    differences,
    open_file,
    read_contents,
    scan,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.parcels import (
    Piece,
    Stream,
    cut,
    pack_needed,
    unpack_needed,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import names

TREE_ID = re.compile(r"^(releases|julia)(/[A-Za-z0-9][A-Za-z0-9_.+-]*){3}\Z")
PARTIAL, RECORDS = ".partial", ".records"
SUFFIX = ".json.gz"
MIB = 1 << 20


@dataclass
class Plan:
    """How far a transfer is.

    :param seal: of the inventory that it is about.
    :param needed: which entries are sent, as :func:`pack_needed` has it.
    :param size: bytes of their contents.
    :param reused: bytes that were there already.
    :param parcel_size: bytes.
    :param arrived: how many parcels are laid out, and safe on the disk.
    """

    seal: str
    needed: str
    size: int
    reused: int
    parcel_size: int
    arrived: int = 0

    @property
    def parcels(self) -> int:
        return -(-self.size // self.parcel_size)


class Incoming:
    """The trees that have arrived, or are about to.

    :param workdir: the folder in which they are kept.
    :param wait: seconds to wait for another run that works on them.
    """

    def __init__(self, workdir: str, wait: float) -> None:
        self.root = os.path.join(workdir, "incoming")
        self.wait = wait

    # --- paths

    def whole(self, tree: str) -> str:
        """Where a tree is once it is whole.

        :raises InputError: this is not the id of a tree.
        """
        if not TREE_ID.match(tree) or ".." in tree:
            raise InputError([f"id: {tree!r} is not the id of a tree, such as releases/jets/0123456789abcdef/x86_64"])
        return os.path.join(self.root, tree)

    def _partial(self, tree: str, *below: str) -> str:
        return os.path.join(self.root, PARTIAL, tree, *below)

    def _record(self, tree: str) -> str:
        return os.path.join(self.root, RECORDS, tree + SUFFIX)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with folder_lock(self.root, self.wait), self._explained():
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            raise StoreError(
                f"{self.root}: {error.strerror} ({shutil.disk_usage(self.root).free // MIB} MiB are free). What has "
                "arrived is kept, and the next run goes on from there. Make room, or let depot_publish_workdir name a "
                "folder that has some"
            ) from error

    # --- reading

    def is_whole(self, tree: str, digest: str) -> bool:
        """Whether a tree has arrived, and still is as its builder listed it."""
        path = self.whole(tree)
        inventory = self._recorded(tree)
        return inventory is not None and inventory.digest == digest and os.path.isdir(path) and _digest(path) == digest

    def _recorded(self, tree: str) -> Inventory | None:
        if not os.path.exists(self._record(tree)):
            return None
        with suppress(InputError):
            return Inventory.load(self._record(tree))
        return None

    def plan(self, tree: str) -> Plan | None:
        """How far the transfer of a tree is; none where it is not under way."""
        document = read_json(self._partial(tree, "plan.json"))
        if document is None or not os.path.isdir(self._partial(tree, "tree")):
            return None
        with suppress(TypeError):
            return Plan(**document)
        return None

    # --- a tree arrives

    def expect(
        self,
        tree: str,
        inventory: Inventory,
        parcel_size: int,
        links_to: Sequence[str] | None = (),
        local: str | None = None,
    ) -> Plan:
        """Prepare for a tree: what is to be sent, after all was laid out that is here already.

        :param parcel_size: bytes.
        :param links_to: absolute paths outside of the tree at which, and below which, links may point; none: anywhere.
        :param local: a folder on this machine with the same contents.
        :raises InputError: the tree must not be laid out here.
        :raises StoreError: there is no room for it.
        """
        self.whole(tree)
        check(inventory.entries, links_to)
        with self._exclusive():
            plan = self.plan(tree)
            if plan is not None and (plan.seal, plan.parcel_size) == (inventory.seal, parcel_size):
                return plan
            self._discard(tree)
            self._find_room(inventory)
            folder = self._partial(tree, "tree")
            os.makedirs(folder, exist_ok=True)
            needed = self._lay_out(folder, inventory, local)
            size = sum(inventory.entries[index].size for index in needed)
            plan = Plan(
                seal=inventory.seal,
                needed=pack_needed(needed, len(inventory.entries)),
                size=size,
                reused=inventory.size - size,
                parcel_size=parcel_size,
            )
            with open(self._partial(tree, "inventory.json.gz"), "wb") as stream:
                stream.write(inventory.dump())
            self._settle(tree)
            write_json(self._partial(tree, "plan.json"), asdict(plan))
            return plan

    def _discard(self, tree: str) -> None:
        """Forget a transfer that was about another inventory, or has no plan; the plan goes first."""
        with suppress(FileNotFoundError):
            os.unlink(self._partial(tree, "plan.json"))
        self._drop(self._partial(tree))

    def _drop(self, path: str) -> None:
        """Remove a folder or file, and the folders above it that are empty then."""
        if os.path.isdir(path) and not os.path.islink(path):
            remove_tree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        with suppress(OSError):
            while True:
                path = os.path.dirname(path)
                if path == self.root:
                    break
                os.rmdir(path)

    def _find_room(self, inventory: Inventory) -> None:
        free = os.statvfs(self.root)
        bytes_free = free.f_bavail * free.f_frsize
        if inventory.size > bytes_free or (free.f_files and len(inventory.entries) > free.f_favail):
            raise StoreError(
                f"{self.root} has no room for {inventory.size // MIB} MiB in {len(inventory.entries)} entries: "
                f"{bytes_free // MIB} MiB and {free.f_favail} entries are free. Nothing was sent. Make room, or let "
                "depot_publish_workdir name a folder that has some"
            )

    def _lay_out(self, folder: str, inventory: Inventory, local: str | None) -> list[int]:
        """Make folders, links and each file whose content is here; the places of those whose content is not."""
        root = os.fsencode(folder)
        held = self._held(inventory, local)
        needed: dict[str, int] = {}
        for index, entry in enumerate(inventory.entries):
            path = os.path.join(root, entry.path)
            if entry.kind == FOLDER:
                os.makedirs(path, exist_ok=True)
            elif entry.kind == LINK:
                os.symlink(entry.link, path)
                os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)
            elif entry.kind == FILE and entry.size == 0:
                _empty_file(path, entry)
            elif entry.kind == FILE and entry.sha256 not in needed:  # the content of others comes with the first
                copied = any(_copy_file(source, there, path, entry) for source, there in held[entry.sha256])
                needed.update({} if copied else {entry.sha256: index})
        return sorted(needed.values())

    def _held(self, inventory: Inventory, local: str | None) -> dict[str, list[tuple[bytes, Entry]]]:
        """Where on this machine the contents of a tree are, by digest: in whole trees, whatever they are of."""
        found: dict[str, list[tuple[bytes, Entry]]] = {
            entry.sha256: [] for entry in inventory.entries if entry.kind == FILE and entry.size
        }
        sources = [(self.whole(tree), self._recorded(tree)) for tree in self.trees()]
        for root, known in [(local, inventory), *sources]:
            if root is None or known is None:
                continue
            for entry in known.entries:
                if entry.sha256 in found:
                    found[entry.sha256].append((os.path.join(os.fsencode(root), entry.path), entry))
        return found

    def unpack(self, tree: str, seal: str, number: int, parcel: str, sha256: str) -> bool:
        """Lay out what a parcel holds; tell whether it was due.

        :param seal: of the inventory from which it was packed.
        :param number: of the parcel, from 1.
        :param parcel: the file.
        :raises StoreError: it is not what was sent (then the details say ``damaged``) or not what the inventory says,
            there is no room, or another run has begun the tree anew; nothing of the parcel counts.
        """
        self.whole(tree)
        with self._exclusive():
            plan = self.plan(tree)
            if plan is None or plan.seal != seal:
                raise StoreError(f"{tree}: another run has begun this transfer anew meanwhile; run again")
            if number <= plan.arrived:
                return False
            if number != plan.arrived + 1 or number > plan.parcels:
                raise StoreError(f"{tree}: parcel {number} of {plan.parcels} is not due, {plan.arrived} have arrived")
            inventory = Inventory.load(self._partial(tree, "inventory.json.gz"))
            needed = unpack_needed(plan.needed, len(inventory.entries))
            place = cut(plan.size, plan.parcel_size)[number - 1]
            with open(parcel, "rb") as stream:
                _check_parcel(stream, sha256, place["length"])
                layer = _Layer(os.fsencode(self._partial(tree, "tree")), inventory, needed)
                try:
                    for piece in Stream(inventory.entries, needed).pieces(place["offset"], place["length"]):
                        layer.add(piece, stream)
                except FileNotFoundError as error:
                    self._discard(tree)
                    raise StoreError(
                        f"{tree}: somebody removed {error.filename!r} while it arrived; the next run begins it anew"
                    ) from error
            self._settle(tree)
            plan.arrived = number
            write_json(self._partial(tree, "plan.json"), asdict(plan))
            return True

    def complete(self, tree: str) -> str:
        """Give a tree its name, once everything of it has arrived and is as its builder listed it; its path.

        :raises StoreError: it is not.
        """
        whole = self.whole(tree)
        with self._exclusive():
            plan = self.plan(tree)
            if plan is None or plan.arrived < plan.parcels:
                raise StoreError(f"{tree}: not all of it has arrived; run again")
            inventory = Inventory.load(self._partial(tree, "inventory.json.gz"))
            folder = self._partial(tree, "tree")
            _dress(os.fsencode(folder), inventory.entries)
            found = scan(folder)
            if found.digest != inventory.digest:
                told = differences(inventory.entries, found.entries)
                self._discard(tree)
                raise StoreError(
                    f"{tree}: what has arrived is not what its builder listed: {'; '.join(told)}. The next run begins "
                    "it anew"
                )
            self._settle(tree)
            self._name(tree, folder, whole, inventory.entries[0].mode)
            return whole

    def _name(self, tree: str, folder: str, whole: str, mode: int) -> None:
        for path in (self._record(tree), whole):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copyfile(self._partial(tree, "inventory.json.gz"), self._record(tree) + ".new")
        os.replace(self._record(tree) + ".new", self._record(tree))
        # With the new record the old tree is not whole any more, so it may be taken apart.
        if os.path.lexists(whole):
            remove_tree(whole)
        os.chmod(folder, 0o700)  # who is not root cannot move a folder into which he may not write
        os.rename(folder, whole)
        os.chmod(whole, mode)
        self._discard(tree)

    def adopt(self, tree: str, path: str) -> str:
        """Take a copy of a folder of this machine in as a tree, checked like one that was sent; its path."""
        root = os.path.realpath(path)
        inventory = read_contents(root, scan(root).entries)
        plan = self.expect(tree, inventory, MIB, links_to=None, local=root)
        if plan.parcels:
            raise StoreError(f"{path} changed while it was copied to {self.whole(tree)}; run again")
        return self.complete(tree)

    def _settle(self, tree: str) -> None:
        """Make sure that what was laid out outlives a crash of the machine."""
        completed = process.run(["sync", "--file-system", self._partial(tree)], BASE_ENVIRONMENT)
        if not completed.ok:
            raise StoreError(f"{self.root} could not be written to its disk: {completed.stderr}", **completed.details())

    # --- clearing away

    def trees(self) -> list[str]:
        """The ids of the trees that are whole."""
        return _trees_below(self.root)

    def outdated(self, current: Mapping[str, str], keep: int) -> list[str]:
        """The releases that can be removed with all their trees, as ids without an architecture.

        :param current: the release of each environment that the run is about; of other environments nothing is told.
        :param keep: how many releases of each to keep; those are kept to take contents from.
        """
        found = []
        for environment, release in current.items():
            folder = f"releases/{environment}"
            there = {name for root in self._roots() for name in names(os.path.join(root, folder))}
            ranked = sorted(there, key=lambda name: (name == release, self._age(f"{folder}/{name}")), reverse=True)
            found += [f"{folder}/{name}" for name in ranked[keep:]]
        return found

    def _roots(self) -> list[str]:
        return [self.root, os.path.join(self.root, PARTIAL), os.path.join(self.root, RECORDS)]

    def julias(self) -> list[str]:
        """The ids of the Julias of which anything is here."""
        there = {tree for root in self._roots()[:2] for tree in _trees_below(root)}
        return sorted(tree for tree in there if tree.startswith("julia/"))

    def _age(self, release: str) -> float:
        """When a release was last worked on, in seconds since 1970; 0 where it never was."""
        folders = [os.path.join(self.root, RECORDS, release), self._partial(release)]
        return max((os.path.getmtime(folder) for folder in folders if os.path.isdir(folder)), default=0.0)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove trees, or releases with all their trees."""
        with self._exclusive():
            for name in ids:
                paths = [os.path.join(self.root, RECORDS, name), self._record(name), self._partial(name)]
                for path in [*paths, os.path.join(self.root, name)]:
                    self._drop(path)


def _trees_below(root: str) -> list[str]:
    found = ["releases", "julia"]
    for _level in range(3):
        found = [f"{above}/{name}" for above in found for name in names(os.path.join(root, above))]
    return [tree for tree in found if TREE_ID.match(tree)]


def _digest(path: str) -> str | None:
    """The digest of what is in a folder; none where there is something that cannot be a tree."""
    with suppress(DepotError):
        return scan(path).digest
    return None


class _Layer:
    """Writes files from parcels: piece by piece, each checked when it ends, and its twins after it."""

    def __init__(self, root: bytes, inventory: Inventory, needed: Sequence[int]) -> None:
        self.root = root
        wanted = {inventory.entries[index].sha256: index for index in needed}
        self.twins: dict[str, list[Entry]] = {}
        for index, entry in enumerate(inventory.entries):
            if entry.kind == FILE and entry.size and wanted.get(entry.sha256, index) != index:
                self.twins.setdefault(entry.sha256, []).append(entry)

    def add(self, piece: Piece, parcel: BinaryIO) -> None:
        entry = piece.entry
        path = os.path.join(self.root, entry.path)
        if piece.start == 0:
            descriptor = _new_file(path)
        else:
            os.chmod(path, 0o600)  # a run that died had finished it, but not the parcel
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            os.lseek(descriptor, piece.start, os.SEEK_SET)
        try:
            digest = hashlib.sha256()
            left = piece.length
            while left:
                chunk = parcel.read(min(left, CHUNK))
                digest.update(chunk)
                _write(descriptor, chunk)
                left -= len(chunk)
            if not piece.ends:
                return
            if piece.start:
                digest = hashlib.sha256()
                for chunk in chunks_of(descriptor, 0, entry.size, path):
                    digest.update(chunk)
            if digest.hexdigest() != entry.sha256:
                raise StoreError(
                    f"{entry.name()}: its content is not what the inventory says; it changed on its builder while it "
                    "was sent. Run again once no build is under way"
                )
            _dress_file(descriptor, entry)
        finally:
            os.close(descriptor)
        for twin in self.twins.get(entry.sha256, ()):
            if not _copy_file(path, entry, os.path.join(self.root, twin.path), twin):
                raise StoreError(f"{entry.name()} changed while it was copied to {twin.name()}; run again")


def _check_parcel(stream: BinaryIO, sha256: str, length: int) -> None:
    digest = hashlib.sha256()
    size = 0
    for chunk in iter(lambda: stream.read(CHUNK), b""):
        digest.update(chunk)
        size += len(chunk)
    if (digest.hexdigest(), size) != (sha256, length):
        raise StoreError(
            f"a parcel arrived damaged: {size} bytes with SHA-256 {digest.hexdigest()}, not {length} with {sha256}; "
            "run again",
            damaged=True,
        )
    stream.seek(0)


def _new_file(path: bytes) -> int:
    with suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _dress_file(descriptor: int, entry: Entry) -> None:
    os.fchmod(descriptor, entry.mode)
    os.utime(descriptor, ns=(entry.mtime, entry.mtime))


def _empty_file(path: bytes, entry: Entry) -> None:
    descriptor = _new_file(path)
    try:
        _dress_file(descriptor, entry)
    finally:
        os.close(descriptor)


def _copy_file(source: bytes, there: Entry, path: bytes, entry: Entry) -> bool:
    """Copy a content that should be the one of an entry; tell whether it is."""
    try:
        if there.size != entry.size:
            return False
        reading = open_file(source, there)
    except (OSError, StoreError):
        return False
    writing = _new_file(path)
    try:
        digest = hashlib.sha256()
        for chunk in chunks_of(reading, 0, there.size, source):
            digest.update(chunk)
            _write(writing, chunk)
        if digest.hexdigest() == entry.sha256:
            _dress_file(writing, entry)
            return True
    except StoreError:  # it became shorter
        pass
    finally:
        os.close(writing)
        os.close(reading)
    os.unlink(path)
    return False


def _dress(root: bytes, entries: Sequence[Entry]) -> None:
    """Give a tree that is complete its further names, and its folders their modes and times: innermost first."""
    for entry in entries:
        if entry.kind == HARD_LINK:
            path, first = os.path.join(root, entry.path), os.path.join(root, entry.link)
            if os.path.lexists(path) and os.path.samestat(os.lstat(path), os.lstat(first)):
                continue
            with suppress(FileNotFoundError):
                os.unlink(path)
            os.link(first, path, follow_symlinks=False)
    for entry in reversed(entries):
        if entry.kind == FOLDER:
            path = os.path.join(root, entry.path)
            os.chmod(path, entry.mode)
            os.utime(path, ns=(entry.mtime, entry.mtime))
