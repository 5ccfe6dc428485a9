# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trees arrive as they were staged, whatever is in them, whatever ends a transfer, and whoever sends them."""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError, StoreError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer import outgoing, parcels, receive
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.incoming import Incoming
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.inventory import (
    Entry,
    Inventory,
    check,
    differences,
    read_contents,
    scan,
)

from .helpers import as_ordinary_user, give_to_ordinary_user, needs_root, params_of

ID = "releases/jets/0123456789abcdef/x86_64"
OTHER_ID = "releases/jets/fedcba9876543210/x86_64"
MTIME = 1_600_000_000_123_456_789


@pytest.fixture(autouse=True)
def settled(monkeypatch) -> list[str]:
    """The trees that were made safe on the disk, without waiting for it."""
    trees: list[str] = []
    monkeypatch.setattr(Incoming, "_settle", lambda _incoming, tree: trees.append(tree))
    return trees


@pytest.fixture
def folder():
    """A folder of its own for each example too."""
    with own_folder() as path:
        yield path


@contextmanager
def own_folder():
    path = Path(tempfile.mkdtemp(prefix="transfer-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        yield path
    finally:
        for parent, folders, _files in os.walk(path):
            for name in folders:
                os.chmod(os.path.join(parent, name), 0o700)
        shutil.rmtree(path)


# --- trees of all kinds

NAMES = st.sampled_from(
    [b"a", b"b", b"with space", b"new\nline", b"-dash", b"\xff\xfe", "日本".encode(), b"a.b", b"~"]
) | st.binary(min_size=1, max_size=6).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b".."))
CONTENTS = st.sampled_from([b"", b"x", b"same" * 50, b"\0" * 700]) | st.binary(max_size=300)
FILES = st.tuples(
    st.just("file"), CONTENTS, st.sampled_from([0o644, 0o755, 0o444, 0o600, 0o4755, 0o2755]), st.integers(0, 2**60)
)
LINKS = st.tuples(st.just("link"), st.sampled_from([b"a", b"nowhere", b"./b", b"a/../b", b"\xff"]))
HARD = st.tuples(st.just("hard"), st.integers(0, 20))
TREES = st.recursive(
    FILES | LINKS | HARD,
    lambda inner: st.tuples(
        st.just("folder"), st.dictionaries(NAMES, inner, max_size=5), st.sampled_from([0o755, 0o555, 0o700, 0o1777])
    ),
    max_leaves=15,
)
ROOTS = st.tuples(st.just("folder"), st.dictionaries(NAMES, TREES, max_size=5), st.sampled_from([0o755, 0o555]))


def plant(path: bytes, node, made: list[bytes]) -> None:
    """Make a tree from its description."""
    if node[0] == "file":
        Path(os.fsdecode(path)).write_bytes(node[1])
        os.chmod(path, node[2])
        os.utime(path, ns=(node[3], node[3]))
        made.append(path)
    elif node[0] == "link":
        os.symlink(node[1], path)
    elif node[0] == "hard":
        if made:
            os.link(made[node[1] % len(made)], path)
    else:
        os.mkdir(path)
        for name, child in node[1].items():
            plant(os.path.join(path, name), child, made)
        os.utime(path, ns=(MTIME, MTIME))
        os.chmod(path, node[2])


def simple(path: Path, **contents: bytes) -> Path:
    """A tree with some files, a folder without any, a link and a further name."""
    path.mkdir(parents=True)
    contents = contents or {"one": b"1" * 1000, "two": b"2" * 1500, "three": b"3" * 10}
    for name, content in contents.items():
        (path / name).write_bytes(content)
        os.utime(path / name, ns=(MTIME, MTIME))
    (path / "empty").mkdir(mode=0o555)
    (path / "link").symlink_to(next(iter(contents)))
    (path / "zz again").hardlink_to(path / next(iter(contents)))
    return path


def contents_of(path: Path) -> dict[str, bytes]:
    return {
        os.path.relpath(file, path): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and not file.is_symlink()
    }


def inventory_of(path: Path) -> Inventory:
    return read_contents(str(path), scan(str(path)).entries)


def parcel_of(path: Path, inventory: Inventory, plan, number: int) -> bytes:
    stream = parcels.Stream(inventory.entries, parcels.unpack_needed(plan.needed, len(inventory.entries)))
    place = parcels.cut(plan.size, plan.parcel_size)[number - 1]
    return b"".join(outgoing.read_range(str(path), stream, place["offset"], place["length"]))


def deliver(folder: Path, workdir: Path, plan, number: int, parcel: bytes, sha256: str = "", tree: str = ID) -> bool:
    file = folder / "parcel"
    file.write_bytes(parcel)
    sha256 = sha256 or hashlib.sha256(parcel).hexdigest()
    return Incoming(str(workdir), 0).unpack(tree, plan.seal, number, str(file), sha256)


def send(folder: Path, path: Path, workdir: Path, size: int = 400, tree: str = ID, stop: int | None = None) -> int:
    """Send a tree, or what is left of it; how many parcels were sent. ``stop``: as if the run died before that one."""
    inventory = inventory_of(path)
    plan = Incoming(str(workdir), 0).expect(tree, inventory, size)
    numbers = range(plan.arrived + 1, plan.parcels + 1)
    for number in numbers:
        if number == stop:
            return number - plan.arrived - 1
        assert deliver(folder, workdir, plan, number, parcel_of(path, inventory, plan, number), tree=tree)
    Incoming(str(workdir), 0).complete(tree)
    return len(numbers)


def arrived(path: Path, workdir: Path, tree: str = ID) -> bool:
    """Whether a tree is there, as it was; nothing else is left of its transfer."""
    whole = workdir / "incoming" / tree
    assert not (workdir / "incoming" / ".partial").exists()
    digest = scan(str(path)).digest
    return Incoming(str(workdir), 0).is_whole(tree, digest) and contents_of(path) == contents_of(whole)


@settings(max_examples=60, deadline=None)
@given(ROOTS, st.integers(1, 700))
def test_whatever_is_in_a_tree_arrives(root, size):
    with own_folder() as folder:
        plant(os.fsencode(folder / "tree"), root, [])
        send(folder, folder / "tree", folder / "work", size)
        assert arrived(folder / "tree", folder / "work")
        for file in (folder / "work" / "incoming" / ID).rglob("*"):
            assert not file.lstat().st_mode & 0o7000
            assert file.is_symlink() or file.lstat().st_uid == os.geteuid()


def test_links_and_further_names_are_kept_and_owners_are_not(folder):
    path = simple(folder / "tree")
    send(folder, path, folder / "work")
    whole = folder / "work" / "incoming" / ID
    assert os.readlink(whole / "link") == "one"
    assert (whole / "zz again").samefile(whole / "one")
    assert (whole / "one").stat().st_mtime_ns == MTIME
    assert stat.S_IMODE((whole / "empty").stat().st_mode) == 0o555


def test_equal_contents_are_sent_once(folder):
    path = simple(folder / "tree", a=b"same" * 100, b=b"same" * 100, c=b"other")
    inventory = inventory_of(path)
    plan = Incoming(str(folder / "work"), 0).expect(ID, inventory, 1 << 20)
    assert plan.size == 400 + 5
    send(folder, path, folder / "work", 1 << 20)
    assert arrived(path, folder / "work")
    whole = folder / "work" / "incoming" / ID
    assert not (whole / "a").samefile(whole / "b")


def test_a_tree_without_contents_needs_no_parcel(folder):
    (folder / "tree" / "empty").mkdir(parents=True)
    (folder / "tree" / "file").touch()
    assert send(folder, folder / "tree", folder / "work") == 0
    assert arrived(folder / "tree", folder / "work")


def test_an_ordinary_user_receives_read_only_folders(folder):
    path = simple(folder / "tree")
    for name in ("one", "two"):
        (path / name).chmod(0o444)
    path.chmod(0o555)
    give_to_ordinary_user(folder)
    folder.chmod(0o755)

    def twice():
        first = send(folder, path, folder / "work", 400, stop=3)
        return first + send(folder, path, folder / "work", 400), arrived(path, folder / "work")

    assert as_ordinary_user(twice) == (7, True)


# --- interruptions


@pytest.mark.parametrize("stop", range(1, 9))
def test_a_transfer_goes_on_with_the_parcels_that_are_missing(folder, stop):
    path = simple(folder / "tree")
    sent = send(folder, path, folder / "work", 333, stop=stop)
    assert sent == stop - 1
    assert send(folder, path, folder / "work", 333) == 8 - sent
    assert arrived(path, folder / "work")


class Killed(BaseException):
    """As if the process had died here."""


CALLS = (
    "write",
    "open",
    "unlink",
    "mkdir",
    "rmdir",
    "symlink",
    "link",
    "rename",
    "replace",
    "chmod",
    "fchmod",
    "utime",
)


@contextmanager
def dying(moment: int, error: BaseException | None = None, calls: Sequence[str] = CALLS):
    """Let the ``moment``-th call that changes a file system fail, or end the process."""
    left = [moment]

    def wrap(function):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                raise error or Killed
            return function(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in calls:
            patch.setattr(os, name, wrap(getattr(os, name)))
        yield left


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 160), min_size=1, max_size=3))
def test_it_does_not_matter_when_a_run_dies(moments):
    with own_folder() as folder:
        path = simple(folder / "tree")
        (path / "four").write_bytes(b"2" * 1500)
        for moment in moments:
            with dying(moment):
                try:
                    send(folder, path, folder / "work", 700)
                except Killed:
                    continue
                break
        send(folder, path, folder / "work", 700)
        assert arrived(path, folder / "work")


def test_nothing_counts_before_it_is_safe_on_the_disk(folder, monkeypatch):
    path = simple(folder / "tree")
    seen = []

    def settle(incoming, tree):
        plan = incoming.plan(tree)
        seen.append((plan and plan.arrived, os.path.exists(incoming.whole(tree))))

    monkeypatch.setattr(Incoming, "_settle", settle)
    send(folder, path, folder / "work", 1000)
    assert seen == [(None, False), (0, False), (1, False), (2, False), (3, False)]


def test_a_disk_that_fails_to_settle_is_told(folder, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(
        process, "run", lambda argv, _env: process.Completed(tuple(argv), 1, "", "sync: I/O error\n", 0.0)
    )
    with pytest.raises(StoreError, match="could not be written to its disk: sync: I/O error") as error:
        Incoming(str(folder / "work"), 0).expect(ID, inventory_of(simple(folder / "tree")), 400)
    assert error.value.details["cmd"].startswith("sync --file-system ")
    assert Incoming(str(folder / "work"), 0).plan(ID) is None


def test_a_full_disk_is_told_and_what_arrived_is_kept(folder):
    path = simple(folder / "tree")
    inventory = inventory_of(path)
    plan = Incoming(str(folder / "work"), 0).expect(ID, inventory, 400)
    for number in (1, 2):
        deliver(folder, folder / "work", plan, number, parcel_of(path, inventory, plan, number))
    parcel = parcel_of(path, inventory, plan, 3)
    full = OSError(errno.ENOSPC, "No space left on device")
    with dying(2, full, ["write"]), pytest.raises(StoreError) as error:
        deliver(folder, folder / "work", plan, 3, parcel)
    assert "No space left on device" in error.value.message
    assert "depot_publish_workdir" in error.value.message
    assert send(folder, path, folder / "work", 400) == plan.parcels - 2
    assert arrived(path, folder / "work")


def test_a_disk_that_is_too_small_is_told_before_anything_is_sent(folder, monkeypatch):
    path = simple(folder / "tree")
    real = os.statvfs(folder)
    few = os.statvfs_result((real.f_bsize, 1, 10, 2, 2, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _path: few)
    with pytest.raises(StoreError, match=r"has no room for 0 MiB in 7 entries: 0 MiB and .* Nothing was sent"):
        Incoming(str(folder / "work"), 0).expect(ID, inventory_of(path), 400)
    assert Incoming(str(folder / "work"), 0).plan(ID) is None


def test_a_parcel_that_is_there_already_changes_nothing(folder):
    path = simple(folder / "tree")
    inventory = inventory_of(path)
    plan = Incoming(str(folder / "work"), 0).expect(ID, inventory, 400)
    first = parcel_of(path, inventory, plan, 1)
    assert deliver(folder, folder / "work", plan, 1, first)
    assert not deliver(folder, folder / "work", plan, 1, first)
    with pytest.raises(StoreError, match="parcel 3 of 7 is not due, 1 have arrived"):
        deliver(folder, folder / "work", plan, 3, first)
    with pytest.raises(StoreError, match="not all of it has arrived"):
        Incoming(str(folder / "work"), 0).complete(ID)


def test_a_run_whose_tree_was_begun_anew_is_told(folder):
    path = simple(folder / "tree")
    inventory = inventory_of(path)
    plan = Incoming(str(folder / "work"), 0).expect(ID, inventory, 400)
    (path / "new").write_text("x")
    send(folder, path, folder / "work", 400, stop=1)
    with pytest.raises(StoreError, match="another run has begun this transfer anew"):
        deliver(folder, folder / "work", plan, 1, parcel_of(path, inventory, plan, 1))
    send(folder, path, folder / "work", 400)
    assert arrived(path, folder / "work")


# --- damage


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_parcel_is_refused_and_the_good_one_taken(data):
    with own_folder() as folder:
        path = simple(folder / "tree")
        inventory = inventory_of(path)
        plan = Incoming(str(folder / "work"), 0).expect(ID, inventory, 400)
        number = data.draw(st.integers(1, plan.parcels))
        for earlier in range(1, number):
            deliver(folder, folder / "work", plan, earlier, parcel_of(path, inventory, plan, earlier))
        good = parcel_of(path, inventory, plan, number)
        place = data.draw(st.integers(0, len(good) - 1))
        damaged = data.draw(
            st.sampled_from([good[:place], good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :], good + b"x"])
        )
        with pytest.raises(StoreError, match="a parcel arrived damaged") as error:
            deliver(folder, folder / "work", plan, number, damaged, hashlib.sha256(good).hexdigest())
        assert error.value.details["damaged"] is True
        assert send(folder, path, folder / "work", 400) == plan.parcels - number + 1
        assert arrived(path, folder / "work")


def test_a_content_that_is_not_the_one_of_the_inventory_is_refused(folder):
    path = simple(folder / "tree", a=b"a" * 500)
    inventory = inventory_of(path)
    plan = Incoming(str(folder / "work"), 0).expect(ID, inventory, 300)
    deliver(folder, folder / "work", plan, 1, b"a" * 299 + b"b")
    with pytest.raises(StoreError, match="a: its content is not what the inventory says"):
        deliver(folder, folder / "work", plan, 2, b"a" * 200)
    assert not (folder / "work" / "incoming" / ID).exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tree: (tree / "stranger").write_text("x"), "stranger does not belong to it"),
        (lambda tree: (tree / "two").unlink(), "two is missing"),
        (lambda tree: (tree / "one").chmod(0o777), "one: mode is 511, not 420"),
        (lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("/etc")), "link: link is b'/etc'"),
    ],
)
def test_what_is_not_as_listed_gets_no_name_and_the_next_run_puts_it_right(folder, change, told):
    path = simple(folder / "tree")
    inventory = inventory_of(path)
    plan = Incoming(str(folder / "work"), 0).expect(ID, inventory, 1 << 20)
    deliver(folder, folder / "work", plan, 1, parcel_of(path, inventory, plan, 1))
    partial = folder / "work" / "incoming" / ".partial" / ID / "tree"
    change(partial)
    with pytest.raises(StoreError, match="is not what its builder listed") as error:
        Incoming(str(folder / "work"), 0).complete(ID)
    assert told in error.value.message
    assert not (folder / "work" / "incoming" / ID).exists()
    send(folder, path, folder / "work")
    assert arrived(path, folder / "work")


def test_a_file_that_is_gone_while_it_arrives_begins_the_tree_anew(folder):
    path = simple(folder / "tree", big=b"x" * 1000)
    inventory = inventory_of(path)
    plan = Incoming(str(folder / "work"), 0).expect(ID, inventory, 400)
    deliver(folder, folder / "work", plan, 1, parcel_of(path, inventory, plan, 1))
    (folder / "work" / "incoming" / ".partial" / ID / "tree" / "big").unlink()
    with pytest.raises(StoreError, match=r"somebody removed .* the next run begins it anew"):
        deliver(folder, folder / "work", plan, 2, parcel_of(path, inventory, plan, 2))
    assert send(folder, path, folder / "work", 400) == 3
    assert arrived(path, folder / "work")


@pytest.mark.parametrize("leftover", ["plan.json", "tree/strange", "inventory.json.gz", "unknown"])
def test_unknown_leftovers_do_not_matter(folder, leftover):
    path = simple(folder / "tree")
    file = folder / "work" / "incoming" / ".partial" / ID / leftover
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    send(folder, path, folder / "work")
    assert arrived(path, folder / "work")


# --- what is here already


def test_only_what_differs_from_what_is_here_is_sent(folder):
    path = simple(folder / "tree")
    send(folder, path, folder / "work")
    after = simple(folder / "after", one=b"1" * 1000, two=b"2" * 1500, new=b"n" * 50)
    os.utime(after / "one", ns=(7, 7))
    plan = Incoming(str(folder / "work"), 0).expect(OTHER_ID, inventory_of(after), 400)
    assert (plan.size, plan.reused) == (50, 2500)
    assert send(folder, after, folder / "work", 400, OTHER_ID) == 1
    assert arrived(after, folder / "work", OTHER_ID)
    assert arrived(path, folder / "work")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b"short"),
        lambda file: (file.write_bytes(b"X" * 1000), os.utime(file, ns=(MTIME, MTIME))),
        lambda file: (file.unlink(), file.symlink_to("/etc/passwd")),
    ],
)
def test_what_was_spoilt_here_is_sent_again(folder, spoil):
    path = simple(folder / "tree")
    send(folder, path, folder / "work")
    spoil(folder / "work" / "incoming" / ID / "one")
    plan = Incoming(str(folder / "work"), 0).expect(OTHER_ID, inventory_of(path), 400)
    assert (plan.size, plan.reused) == (1000, 1510)
    send(folder, path, folder / "work", 400, OTHER_ID)
    assert arrived(path, folder / "work", OTHER_ID)


def test_a_tree_that_was_staged_anew_replaces_the_one_before(folder):
    path = simple(folder / "tree")
    send(folder, path, folder / "work")
    (path / "one").write_bytes(b"changed")
    assert not Incoming(str(folder / "work"), 0).is_whole(ID, scan(str(path)).digest)
    assert send(folder, path, folder / "work") == 1
    assert arrived(path, folder / "work")


# --- a builder is not trusted

ROOT = Entry(b"", "d", 0o755, 0, 0, b"")
SHA = hashlib.sha256(b"x").hexdigest()
FILE = Entry(b"f", "f", 0o644, 1, 0, b"", SHA)
FOLDER = Entry(b"d", "d", 0o755, 0, 0, b"")


def link(target: bytes, path: bytes = b"l") -> Entry:
    return Entry(path, "l", 0, 0, 0, target)


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([], "the inventory names nothing"),
        ([FILE], "what it lies in is no folder"),
        ([ROOT, ROOT], "the folder of the tree comes first, and once"),
        ([ROOT, FILE, FILE], "f: it is out of order"),
        ([ROOT, FILE, FOLDER], "d: it is out of order"),
        ([ROOT._replace(kind="f")], "a tree is a folder"),
        ([ROOT, FILE._replace(path=b"../f")], "this is no path below a folder"),
        ([ROOT, FILE._replace(path=b"/etc/f")], "this is no path below a folder"),
        ([ROOT, FILE._replace(path=b"d/./f")], "this is no path below a folder"),
        ([ROOT, FILE._replace(path=b"a\0b")], "this is no path below a folder"),
        ([ROOT, FILE._replace(path=b"n" * 256)], "this is no path below a folder"),
        ([ROOT, FILE._replace(path=b"/".join([b"n" * 200] * 30))], "this path is too long"),
        ([ROOT, link(b"d", b"a"), FILE._replace(path=b"a/f")], "a/f: what it lies in is no folder"),
        ([ROOT, FILE._replace(mode=0o4755)], "mode 0o4755 is more than permissions"),
        ([ROOT, FILE._replace(mode=-1)], "is more than permissions"),
        ([ROOT, FILE._replace(size=-1)], "no description of a file"),
        ([ROOT, FILE._replace(sha256="x")], "no description of a file"),
        ([ROOT, FILE._replace(mtime=1 << 80)], "is no time of a file"),
        ([ROOT, FILE._replace(kind="c")], "'c' is neither"),
        ([ROOT, FOLDER._replace(size=1)], "only a file has a content"),
        ([ROOT, FOLDER._replace(link=b"x")], "a folder points nowhere"),
        ([ROOT, link(b"")], "this link has no target"),
        ([ROOT, Entry(b"h", "h", 0, 0, 0, b"nowhere")], "the file of which it is a name does not come before"),
        ([ROOT, Entry(b"h", "h", 0, 0, 0, b"../h")], "the file of which it is a name does not come before"),
        ([ROOT, link(b"x", b"a"), Entry(b"h", "h", 0, 0, 0, b"a")], "the file of which it is a name"),
        ([ROOT, link(b"..")], "points out of the tree, to '..'"),
        ([ROOT, link(b"/etc/passwd")], "points out of the tree, to '/etc/passwd'"),
        ([ROOT, link(b"d/../../x")], "points out of the tree"),
        ([ROOT, FOLDER, link(b"..", b"d/l"), link(b"d/l/../x", b"l")], "points out of the tree"),
        ([ROOT, FOLDER, link(b"../..", b"d/l")], "points out of the tree"),
        ([ROOT, link(b"/allowed/../etc")], "points out of the tree"),
        ([ROOT, link(b"/allowedmore")], "points out of the tree"),
        ([ROOT, link(b"/allowed/x", b"a"), link(b"a/../../etc", b"b")], "b: this link points out of the tree"),
    ],
)
def test_what_would_leave_the_tree_is_refused(entries, fault, folder):
    with pytest.raises(InputError) as error:
        check(entries, ["/allowed"])
    assert fault in error.value.message
    with pytest.raises(InputError):
        Incoming(str(folder / "work"), 0).expect(ID, Inventory(entries), 400, ["/allowed"])
    assert not (folder / "work").exists()


@pytest.mark.parametrize(
    "entries",
    [
        [ROOT, FOLDER, link(b"..", b"d/l"), link(b"../d/l/d", b"d/m")],
        [ROOT, link(b"l")],
        [ROOT, link(b"nowhere/at/all")],
        [ROOT, link(b"/allowed"), link(b"/allowed/lib/x.so", b"m"), link(b"l/sub", b"n")],
        [ROOT, FILE, Entry(b"h", "h", 0, 0, 0, b"f")],
    ],
)
def test_what_stays_in_the_tree_or_where_links_may_point_is_taken(entries):
    check(entries, ["/allowed/"])


def test_no_more_than_ten_faults_are_told():
    with pytest.raises(InputError) as error:
        check([ROOT, *[link(b"/etc", b"l%02d" % number) for number in range(30)]])
    assert len(error.value.faults) == 11


ODD = st.sampled_from([b"", b"..", b".", b"/", b"a", b"a/b", b"a/..", b"../x", b"a\0"])
ENTRIES = st.builds(
    Entry,
    ODD,
    st.sampled_from("dflhx"),
    st.sampled_from([0, 0o644, 0o4755]),
    st.sampled_from([0, 1, -1]),
    st.just(0),
    ODD,
    st.sampled_from(["", SHA]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ENTRIES, max_size=5), st.booleans())
def test_no_inventory_writes_outside_of_its_tree(entries, ordered):
    if ordered:
        entries = sorted([ROOT, *entries], key=lambda entry: entry.path.split(b"/") if entry.path else [])
    with own_folder() as folder:
        incoming = Incoming(str(folder / "work"), 0)
        try:
            plan = incoming.expect(ID, Inventory(entries), 400)
            if plan.parcels:
                deliver(folder, folder / "work", plan, 1, b"x")
            incoming.complete(ID)
        except InputError:
            pass
        assert sorted(path.name for path in folder.iterdir()) in ([], ["work"], ["parcel", "work"])
        if (folder / "work").exists():
            assert {path.name for path in (folder / "work" / "incoming").iterdir()} <= {"releases", ".records"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"plain",
        gzip.compress(b""),
        gzip.compress(b"[]"),
        gzip.compress(b'{"format": 2, "entries": []}'),
        gzip.compress(b'{"format": 1}'),
        gzip.compress(b'{"format": 1, "entries": [["a"]]}'),
        gzip.compress(b'{"format": 1, "entries": [["a", "f", true, 0, 0, "", ""]]}'),
        gzip.compress(b"[" * 100000),
        gzip.compress(json.dumps({"format": 1, "entries": []}).encode())[:-9],
        gzip.compress(b'{"format": 1, "entries": [["\\ud800", "f", 0, 0, 0, "", ""]]}'),
    ],
)
def test_what_is_no_inventory_is_refused(document, folder):
    (folder / "inventory").write_bytes(document)
    with pytest.raises(InputError, match="is not the inventory of a tree"):
        Inventory.load(str(folder / "inventory"))


def test_an_inventory_that_would_fill_the_memory_is_refused(folder, monkeypatch):
    monkeypatch.setattr(
        "ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.inventory.MAX_DOCUMENT", 9
    )
    (folder / "inventory").write_bytes(Inventory([ROOT]).dump())
    with pytest.raises(InputError, match="it is larger than 9 bytes"):
        Inventory.load(str(folder / "inventory"))


@pytest.mark.parametrize(
    "tree", ["", "releases/a/b", "releases/../b/c", "other/a/b/c", "julia/a/b/c/d", "julia/a/b/.c"]
)
def test_what_is_no_id_of_a_tree_is_refused(folder, tree):
    with pytest.raises(InputError, match="is not the id of a tree"):
        Incoming(str(folder), 0).expect(tree, Inventory([ROOT]), 400)


# --- listings and inventories


def test_an_inventory_is_the_same_after_it_was_written_and_read(folder):
    path = simple(folder / "tree", **{"new\nline": b"x"})
    (Path(os.fsdecode(os.fsencode(path) + b"/\xff"))).write_text("")
    inventory = inventory_of(path)
    (folder / "inventory").write_bytes(inventory.dump())
    again = Inventory.load(str(folder / "inventory"))
    assert (again.entries, again.digest, again.seal) == (inventory.entries, inventory.digest, inventory.seal)
    assert again.dump() == inventory.dump()
    assert inventory.digest == scan(str(path)).digest


def test_the_identity_is_that_of_one_folder_and_the_digest_of_all_copies(folder):
    path = simple(folder / "tree")
    shutil.copytree(path, folder / "copy", symlinks=True, copy_function=shutil.copy2)
    (folder / "copy" / "zz again").unlink()
    (folder / "copy" / "zz again").hardlink_to(folder / "copy" / "one")
    for one in ("", "empty", "link"):
        when = (path / one).lstat().st_mtime_ns
        os.utime(folder / "copy" / one, ns=(when, when), follow_symlinks=False)
    (folder / "seen").symlink_to(path)
    real, copy, seen = (scan(str(folder / name)) for name in ("tree", "copy", "seen"))
    assert real.digest == copy.digest == seen.digest
    assert real.identity == seen.identity != copy.identity
    assert real.root == seen.root != copy.root


def test_what_cannot_be_published_is_named(folder):
    path = simple(folder / "tree")
    os.mkfifo(path / "pipe")
    with pytest.raises(InputError, match="pipe' is neither a file, a folder nor a link; remove it"):
        scan(str(path))


def test_differences_are_told_in_words_and_not_all_of_them():
    wanted = [ROOT, FILE, *[FOLDER._replace(path=b"x%d" % number) for number in range(9)]]
    told = differences(wanted, [ROOT, FILE._replace(mode=0, path=b"g")])
    assert told == ["f is missing", *[f"x{number} is missing" for number in range(4)], "and 6 more"]
    assert differences(wanted, wanted) == []


# --- parcels


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 60), st.data())
def test_parcels_cover_the_stream_once_and_in_order(sizes, parcel_size, data):
    entries = [FILE._replace(path=b"%d" % index, size=size) for index, size in enumerate(sizes)]
    needed = data.draw(st.sets(st.sampled_from(range(len(sizes))))) if sizes else set()
    stream = parcels.Stream(entries, needed)
    places = parcels.cut(stream.size, parcel_size)
    covered = []
    for number, place in enumerate(places, 1):
        assert place["number"] == number
        assert 0 < place["length"] <= parcel_size
        pieces = list(stream.pieces(place["offset"], place["length"]))
        assert sum(piece.length for piece in pieces) == place["length"]
        covered += [(piece.entry.path, piece.start + step) for piece in pieces for step in range(piece.length)]
        assert all(piece.ends == (piece.start + piece.length == piece.entry.size) for piece in pieces)
    assert covered == [(entries[index].path, step) for index in sorted(needed) for step in range(sizes[index])]


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 2), (0, -1), (2, 0)])
def test_what_is_no_range_of_the_stream_is_refused(offset, length):
    with pytest.raises(InputError, match="is no range of 1 bytes"):
        list(parcels.Stream([FILE], [0]).pieces(offset, length))


@given(st.integers(0, 3000).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, max(size - 1, 0))))))
def test_what_is_needed_is_the_same_after_it_was_packed(case):
    size, needed = case
    needed = needed if size else set()
    assert parcels.unpack_needed(parcels.pack_needed(needed, size), size) == sorted(needed)


@pytest.mark.parametrize("text", ["", "?", "AAAA", parcels.pack_needed([], 8), parcels.pack_needed([11], 16)])
def test_what_is_not_about_these_entries_is_refused(text):
    with pytest.raises(InputError, match=r"^needed: "):
        parcels.unpack_needed(text, 10)


def test_only_files_have_contents():
    with pytest.raises(InputError, match="only files have contents"):
        parcels.Stream([ROOT, FILE], [0])


# --- the module depot_outgoing


def give(check_mode=False, **given):
    result = outgoing.give(params_of(outgoing.ARGUMENT_SPEC, **given), check_mode)
    assert result.pop("changed") is False
    assert result.pop("actions") == []
    return result


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_tree_is_listed_and_one_without_what_it_requires_is_none(folder, check_mode):
    path = simple(folder / "tree")
    listing = give(check_mode, path=str(path), requires="one")["listing"]
    assert (listing["entries"], listing["size"]) == (7, 2510)
    assert listing == scan(str(path)).as_dict()
    assert give(check_mode, path=str(path), requires="nothing") == {"listing": None}
    assert give(check_mode, path=str(folder / "nowhere")) == {"listing": None}


def test_an_inventory_is_made_once_for_a_tree(folder, monkeypatch):
    path = simple(folder / "tree")
    work = str(folder / "work")
    assert give(True, path=str(path), state="inventoried", workdir=work) == {}
    assert not (folder / "work").exists()
    first = give(path=str(path), state="inventoried", workdir=work, _file=str(folder / "fetched"))
    fetched = (folder / "fetched").read_bytes()
    assert fetched == Path(first["inventory"]).read_bytes() == inventory_of(path).dump()
    assert first == {
        "inventory": first["inventory"],
        "size": len(fetched),
        "sha256": hashlib.sha256(fetched).hexdigest(),
    }
    with monkeypatch.context() as patch:
        patch.setattr(outgoing, "read_contents", None)
        again = give(path=str(path), state="inventoried", workdir=work)
    assert base64.b64decode(again.pop("content")) == fetched
    assert again == first
    (path / "one").write_text("changed")
    second = give(path=str(path), state="inventoried", workdir=work)
    assert second["inventory"] != first["inventory"]
    assert len(os.listdir(folder / "work" / "outgoing")) == 2


def test_old_inventories_are_forgotten(folder):
    path = simple(folder / "tree")
    old, stranger = folder / "work" / "outgoing" / f"x{outgoing.SUFFIX}", folder / "work" / "outgoing" / "stranger"
    old.parent.mkdir(parents=True)
    for file in (old, stranger):
        file.write_text("")
        os.utime(file, (0, 0))
    give(path=str(path), state="inventoried", workdir=str(folder / "work"))
    assert (old.exists(), stranger.exists()) == (False, True)


def test_a_parcel_is_the_same_at_once_and_in_pieces(folder):
    path = simple(folder / "tree")
    inventory = give(path=str(path), state="inventoried", workdir=str(folder / "work"))["inventory"]
    entries = Inventory.load(inventory).entries
    needed = parcels.pack_needed([index for index, entry in enumerate(entries) if entry.kind == "f"], len(entries))
    asked = {
        "path": str(path),
        "state": "packed",
        "inventory": inventory,
        "needed": needed,
        "offset": 500,
        "length": 1200,
    }
    answer = give(**asked, _file=str(folder / "parcel"))
    parcel = (folder / "parcel").read_bytes()
    assert parcel == (b"1" * 1000 + b"3" * 10 + b"2" * 1500)[500:1700]
    assert answer == {"size": 1200, "sha256": hashlib.sha256(parcel).hexdigest()}
    assert stat.S_IMODE((folder / "parcel").stat().st_mode) == 0o600
    pieces = [give(**asked, _skip=skip, _limit=500) for skip in (0, 500, 1000, 1200)]
    contents = [base64.b64decode(piece["content"]) for piece in pieces]
    assert [len(content) for content in contents] == [500, 500, 200, 0]
    assert b"".join(contents) == parcel
    assert pieces[0]["sha256"] == hashlib.sha256(contents[0]).hexdigest()


@needs_root
def test_a_parcel_belongs_to_whom_the_folder_does(folder):
    path = simple(folder / "tree")
    (folder / "tmp").mkdir()
    os.chown(folder / "tmp", 65534, 65534)
    give(path=str(path), state="inventoried", workdir=str(folder / "work"), _file=str(folder / "tmp" / "parcel"))
    assert (folder / "tmp" / "parcel").stat().st_uid == 65534


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(b"2" * 1499),
        lambda file: os.utime(file, ns=(1, 1)),
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_a_tree_that_changes_while_it_is_sent_is_told(folder, change):
    path = simple(folder / "tree")
    inventory = give(path=str(path), state="inventoried", workdir=str(folder / "work"))["inventory"]
    entries = Inventory.load(inventory).entries
    needed = parcels.pack_needed([index for index, entry in enumerate(entries) if entry.kind == "f"], len(entries))
    change(path / "two")
    with pytest.raises(StoreError, match="two' changed while the tree was read; run again"):
        give(path=str(path), state="packed", inventory=inventory, needed=needed, offset=0, length=2510)
    with pytest.raises(InputError, match="nowhere is not a folder on this machine"):
        give(path=str(folder / "nowhere"), state="inventoried", workdir=str(folder))


def test_a_full_disk_of_the_builder_is_told(folder, monkeypatch):
    path = simple(folder / "tree")

    def full(*_args):
        yield b"some"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outgoing, "_file_range", full)
    with pytest.raises(StoreError, match=r"has no room for a parcel: No space left on device; .*ansible_remote_tmp"):
        give(path=str(path), state="inventoried", workdir=str(folder / "work"), _file=str(folder / "parcel"))


# --- the module depot_incoming


BUILD = "4c16ff44be8b2f3a"


class Yard:
    """Builders, the host that publishes and its store, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "publisher"
        self.store = folder / "store"

    def staging(self, arch: str, builder: str) -> dict:
        """What a builder staged for an architecture, and its Julia."""
        workdir = self.folder / builder
        source = workdir / "staging" / "jets" / "0123456789abcdef"
        if not (source / arch).exists():
            simple(source / arch, **{"build.json": arch.encode() * 100})
        prefix = workdir / "julia"
        if not prefix.exists():
            simple(prefix / "bin", julia=b"#!/bin/sh\n")
        julia = {"version": "1.10.8", "arch": arch, "build": BUILD, "prefix": str(prefix)}
        return {
            "arch": arch,
            "builder": builder,
            "source": str(source),
            "workdir": str(workdir),
            "julia": julia,
            "others": [],
        }

    def platform(self, triplet: str, builder: str) -> dict:
        """What a builder staged for a platform without caches."""
        workdir = self.folder / builder
        source = workdir / "staging" / "jets" / "0123456789abcdef"
        if not (source / triplet).exists():
            simple(source / triplet, **{"platform.json": triplet.encode()})
        return {"triplet": triplet, "builder": builder, "source": str(source), "workdir": str(workdir)}

    def release(self, *stagings: dict, platforms: Sequence[dict] = ()) -> dict:
        return {
            "environment": "jets",
            "release": "0123456789abcdef",
            "stagings": list(stagings),
            "platforms": list(platforms),
            "julias": [staging["julia"] for staging in stagings],
        }

    def take(self, state: str, check_mode: bool = False, **given) -> dict:
        spec = receive.ARGUMENT_SPEC
        params = params_of(spec, state=state, workdir=str(self.work), store_root=str(self.store), host="here", **given)
        return receive.take(params, check_mode)

    def listings(self, trees: list[dict]) -> dict:
        return {
            tree["id"]: give(path=tree["path"], requires=tree["requires"])["listing"]
            for tree in trees
            if tree["builder"] != "here"
        }

    def compared(self, planned: dict, check_mode: bool = False, **given) -> list[dict]:
        listings = self.listings(planned["trees"])
        result = self.take("compared", check_mode, trees=planned["trees"], listings=listings, **given)
        assert (result["changed"], result["actions"]) == (False, [])
        return result["trees"]

    def send(self, tree: dict) -> None:
        """The way of a tree, as the role takes it."""
        packed = give(path=tree["path"], state="inventoried", workdir=tree["workdir"], _file=str(self.folder / "sent"))
        assert self.take("expected", True, id=tree["id"], source="/x", size=tree["size"]) == {
            "changed": True,
            "actions": [{"what": "tree", "id": tree["id"], "status": "received"}],
            "size": tree["size"],
        }
        expected = self.take("expected", id=tree["id"], source="/x", _file=str(self.folder / "sent"))
        assert expected["changed"] is False
        for parcel in expected["parcels"]:
            place = {key: parcel[key] for key in ("offset", "length")}
            sent = give(
                path=tree["path"],
                state="packed",
                inventory=packed["inventory"],
                needed=expected["needed"],
                **place,
                _file=str(self.folder / "sent"),
            )
            asked = {
                "id": tree["id"],
                "source": "/x",
                "_file": str(self.folder / "sent"),
                "inventory": expected["inventory"],
                "number": parcel["number"],
                "sha256": sent["sha256"],
            }
            assert self.take("unpacked", True, **asked)["changed"] is False
            assert self.take("unpacked", **asked)["changed"] is True
            assert self.take("unpacked", **asked)["changed"] is False
        assert self.take("complete", True, id=tree["id"])["changed"] is True
        assert self.take("complete", id=tree["id"])["actions"] == [
            {"what": "tree", "id": tree["id"], "status": "received"}
        ]

    def bring(self, release: dict, **given) -> dict:
        """All of the way; the release as it can be published."""
        planned = self.take("planned", releases=[release])
        trees = self.compared(planned, **given)
        for tree in trees:
            if tree["way"] == "send":
                self.send(tree)
        return self.assembled(planned, trees)["releases"][0]

    def assembled(self, planned: dict, trees: list[dict], check_mode: bool = False) -> dict:
        places = {tree["id"]: tree["place"] for tree in trees}
        return self.take("assembled", check_mode, releases=planned["releases"], places=places)

    def publish(self, release: dict) -> None:
        """What the store holds afterwards, as far as it matters here."""
        shutil.copytree(release["source"], self.store / "environments/jets/releases/0123456789abcdef", symlinks=True)
        (self.store / "environments/jets/releases/0123456789abcdef/release.json").write_text("{}")
        for julia in release["julias"]:
            self.publish_julia(julia["arch"], julia["prefix"])

    def publish_julia(self, arch: str, prefix: str, build: str = BUILD) -> None:
        there = self.store / "julia" / "1.10.8" / arch
        shutil.copytree(prefix, there, symlinks=True)
        (there / ".julia-depots.json").write_text(json.dumps({"build": build}))


@pytest.fixture
def yard(folder):
    return Yard(folder)


def test_what_is_staged_on_the_host_itself_stays_where_it_is(yard):
    staging = yard.staging("x86_64", "here")
    ready = yard.bring(yard.release(staging))
    assert (ready["source"], ready["pending"], ready["stored"]) == (staging["source"], False, False)
    assert ready["julias"] == [staging["julia"]]
    assert not yard.work.exists()


def test_an_entry_without_a_builder_is_of_the_host_itself(yard):
    staging = dict(yard.staging("x86_64", "here"), builder="", workdir="")
    assert yard.bring(yard.release(staging))["source"] == staging["source"]


def test_the_very_same_folder_is_found_and_another_one_is_not(yard):
    staging = yard.staging("x86_64", "b1")
    planned = yard.take("planned", releases=[yard.release(staging)])
    assert [tree["way"] for tree in yard.compared(planned)] == ["same", "same"]
    ready = yard.bring(yard.release(staging))
    assert (ready["source"], ready["julias"]) == (staging["source"], [staging["julia"]])
    assert [tree["way"] for tree in yard.compared(planned, transfer="controller")] == ["send", "send"]


def test_a_folder_at_the_same_path_on_another_host_is_not_the_same(yard, monkeypatch):
    staging = yard.staging("x86_64", "b1")
    planned = yard.take("planned", releases=[yard.release(staging)])
    listings = yard.listings(planned["trees"])
    shutil.rmtree(yard.folder / "b1")
    yard.staging("x86_64", "b1")
    trees = yard.take("compared", trees=planned["trees"], listings=listings)["trees"]
    assert [tree["way"] for tree in trees] == ["send", "send"]


def test_two_builders_come_together_through_the_controller(yard):
    release = yard.release(yard.staging("aarch64", "b1"), yard.staging("x86_64", "b2"))
    # What the other builder once staged of an architecture is not what its own builder has.
    simple(Path(release["stagings"][0]["source"]) / "x86_64", stale=b"stale")
    ready = yard.bring(release, transfer="controller")
    assert ready["source"] == str(yard.work / "incoming/releases/jets/0123456789abcdef")
    assert sorted(os.listdir(ready["source"])) == ["aarch64", "x86_64"]
    for arch in ("aarch64", "x86_64"):
        assert (Path(ready["source"]) / arch / "build.json").read_text() == arch * 100
    prefixes = [julia["prefix"] for julia in ready["julias"]]
    assert prefixes == [str(yard.work / f"incoming/julia/1.10.8/{arch}/{BUILD}") for arch in ("aarch64", "x86_64")]
    assert all((Path(prefix) / "bin" / "julia").exists() for prefix in prefixes)

    planned = yard.take("planned", releases=[release])
    trees = yard.compared(planned, transfer="controller")
    assert [tree["way"] for tree in trees] == ["arrived"] * 4
    assert yard.assembled(planned, trees)["changed"] is False


def test_one_architecture_of_the_host_itself_and_one_of_another_are_copied_together(yard):
    here, there = yard.staging("aarch64", "here"), yard.staging("x86_64", "b2")
    simple(Path(here["source"]) / "x86_64", stale=b"stale")
    release = yard.release(here, there)
    planned = yard.take("planned", releases=[release])
    trees = yard.compared(planned, transfer="controller")
    assert [tree["way"] for tree in trees] == ["local", "local", "send", "send"]
    for tree in trees[2:]:
        yard.send(tree)
    copied = [{"what": "tree", "id": "releases/jets/0123456789abcdef/aarch64", "status": "copied"}]
    foretold = yard.assembled(planned, trees, check_mode=True)
    assert (foretold["actions"], foretold["releases"][0]["pending"]) == (copied, True)
    done = yard.assembled(planned, trees)
    assert (done["actions"], done["releases"][0]["pending"]) == (copied, False)
    source = Path(done["releases"][0]["source"])
    assert sorted(os.listdir(source)) == ["aarch64", "x86_64"]
    assert (source / "aarch64" / "build.json").read_text() == "aarch64" * 100
    for check_mode in (True, False):
        again = yard.assembled(planned, trees, check_mode)
        assert (again["changed"], again["releases"][0]["pending"]) == (False, False)


def test_a_platform_without_caches_comes_with_its_release(yard):
    triplet = "aarch64-linux-gnu"
    staging, platform = yard.staging("x86_64", "b1"), yard.platform(triplet, "b1")
    release = yard.release(staging, platforms=[platform])
    assert yard.bring(release)["source"] == staging["source"]  # the very same folder
    ready = yard.bring(release, transfer="controller")
    source = yard.work / "incoming/releases/jets/0123456789abcdef"
    assert (ready["source"], sorted(os.listdir(source))) == (str(source), [triplet, "x86_64"])
    assert (source / triplet / "platform.json").read_text() == triplet
    planned = yard.take("planned", releases=[release])
    trees = yard.compared(planned, transfer="controller")
    assert [tree["way"] for tree in trees] == ["arrived"] * 3
    assert yard.assembled(planned, trees)["changed"] is False


def test_a_platform_may_come_from_another_builder_than_the_architecture(yard):
    triplet = "aarch64-linux-gnu"
    release = yard.release(yard.staging("x86_64", "here"), platforms=[yard.platform(triplet, "b2")])
    ready = yard.bring(release)
    assert (ready["pending"], sorted(os.listdir(ready["source"]))) == (False, [triplet, "x86_64"])
    (yard.folder / "b2/staging/jets/0123456789abcdef" / triplet / "platform.json").unlink()
    planned = yard.take("planned", releases=[release])
    with pytest.raises(InputError, match=f"jets 0123456789abcdef for {triplet}: builder b2 has no platform.json in"):
        yard.compared(planned)


def test_leftovers_beside_what_has_arrived_are_taken_out(yard):
    release = yard.release(yard.staging("x86_64", "b1"))
    source = Path(yard.bring(release, transfer="controller")["source"])
    (source / "stranger").mkdir()
    planned = yard.take("planned", releases=[release])
    trees = yard.compared(planned, transfer="controller")
    for check_mode in (True, False):
        result = yard.assembled(planned, trees, check_mode)
        assert result["actions"] == [
            {"what": "leftover", "id": "releases/jets/0123456789abcdef/stranger", "status": "removed"}
        ]
    assert os.listdir(source) == ["x86_64"]
    assert yard.assembled(planned, trees)["changed"] is False


def test_check_mode_says_what_would_be_sent_and_sends_nothing(yard):
    planned = yard.take("planned", True, releases=[yard.release(yard.staging("x86_64", "b1"))])
    trees = yard.compared(planned, True, transfer="controller")
    assert [(tree["way"], tree["place"], tree["size"]) for tree in trees] == [("send", "", 600), ("send", "", 10)]
    result = yard.assembled(planned, trees, True)
    assert (result["changed"], result["releases"][0]["pending"]) == (False, True)
    assert not yard.work.exists()


def test_what_is_not_staged_is_told_with_builder_and_architecture_all_at_once(yard):
    release = yard.release(yard.staging("aarch64", "b1"), yard.staging("x86_64", "here"))
    for staging in release["stagings"]:
        (Path(staging["source"]) / staging["arch"] / "build.json").unlink()
    planned = yard.take("planned", releases=[release])
    with pytest.raises(InputError) as error:
        yard.compared(planned)
    assert [fault.partition(" in /")[0] for fault in error.value.faults] == [
        "jets 0123456789abcdef for aarch64: builder b1 has no build.json",
        "jets 0123456789abcdef for x86_64: builder here has no build.json",
    ]
    trees = yard.compared(planned, True)
    assert [tree["way"] for tree in trees] == ["missing", "same", "missing", "local"]
    assert yard.assembled(planned, trees, True)["releases"][0]["pending"] is True


def test_a_shared_folder_is_verified(yard):
    staging = yard.staging("x86_64", "b1")
    release = yard.release(staging)
    (yard.folder / "mnt").mkdir()
    os.rename(yard.folder / "b1", yard.folder / "mnt" / "b1")
    seen = {"b1": f"{yard.folder}/mnt/b1/"}
    planned = yard.take("planned", releases=[release])
    listings = yard.listings([dict(tree, path=tree["path"].replace("/b1/", "/mnt/b1/")) for tree in planned["trees"]])
    asked = {"trees": planned["trees"], "listings": listings, "transfer": "shared"}
    with pytest.raises(InputError, match=r"depot_publish_transfer: shared, but .* let depot_publish_shared say where"):
        yard.take("compared", **asked)
    trees = yard.take("compared", **asked, shared=seen)["trees"]
    assert [tree["way"] for tree in trees] == ["shared", "shared"]
    assert yard.assembled(planned, trees)["releases"][0]["source"] == staging["source"].replace("/b1/", "/mnt/b1/")
    (yard.folder / "mnt/b1/staging/jets/0123456789abcdef/x86_64/build.json").write_text("other")
    with pytest.raises(InputError, match="is not what b1 has in"):
        yard.take("compared", **asked, shared=seen)
    (yard.folder / "mnt/b1/staging").rename(yard.folder / "b1")


def test_a_julia_that_is_not_shared_is_sent(yard):
    staging = yard.staging("x86_64", "b1")
    os.rename(yard.folder / "b1" / "julia", yard.folder / "elsewhere")
    planned = yard.take("planned", releases=[yard.release(staging)])
    planned["trees"][1]["path"] = str(yard.folder / "elsewhere")
    listings = yard.listings(planned["trees"])
    os.rename(yard.folder / "elsewhere", yard.folder / "gone")
    trees = yard.take("compared", trees=planned["trees"], listings=listings, transfer="shared")["trees"]
    assert [tree["way"] for tree in trees] == ["shared", "send"]


def test_what_the_store_has_is_not_sent(yard):
    release = yard.release(yard.staging("x86_64", "b1"))
    yard.publish_julia("x86_64", release["julias"][0]["prefix"])
    planned = yard.take("planned", releases=[release])
    assert [tree["id"] for tree in planned["trees"]] == ["releases/jets/0123456789abcdef/x86_64"]
    ready = yard.bring(release, transfer="controller")
    assert ready["julias"][0]["prefix"] == str(yard.store / "julia/1.10.8/x86_64")
    shutil.rmtree(yard.store)
    yard.publish(yard.bring(release, transfer="controller"))
    planned = yard.take("planned", releases=[release])
    assert planned["trees"] == []
    ready = yard.assembled(planned, [])["releases"][0]
    assert (ready["stored"], ready["pending"]) == (True, False)
    assert ready["source"] == str(yard.store / "environments/jets/releases/0123456789abcdef")
    assert ready["julias"][0]["prefix"] == str(yard.store / "julia/1.10.8/x86_64")


def test_another_build_of_a_julia_in_the_store_is_told_before_anything_is_sent(yard):
    release = yard.release(yard.staging("x86_64", "b1"))
    yard.publish_julia("x86_64", release["julias"][0]["prefix"], build="other")
    with pytest.raises(InputError, match=r"the store holds another build of Julia 1.10.8 for x86_64 \(other\)"):
        yard.take("planned", releases=[release])


@pytest.mark.parametrize("size", [0, 1025])
def test_the_size_of_a_parcel_has_bounds(yard, size):
    with pytest.raises(InputError, match=f"depot_publish_parcel_size: {size} is not from 1 to 1024 MiB"):
        yard.take("expected", id=ID, source="/x", parcel_size=size)


def test_old_releases_and_published_julias_are_removed(yard):
    release = yard.release(yard.staging("x86_64", "b1"))
    ready = yard.bring(release, transfer="controller")
    path = simple(yard.folder / "tree")
    for number, name in enumerate(["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"]):
        send(yard.folder, path, yard.work, tree=f"releases/jets/{name}/x86_64")
        os.utime(yard.work / "incoming/.records/releases/jets" / name, (number, number))
    send(yard.folder, path, yard.work, tree="releases/other/aaaaaaaaaaaaaaaa/x86_64")
    (path / "more").write_text("not here")
    send(yard.folder, path, yard.work, tree="releases/jets/cccccccccccccccc/x86_64", stop=1)
    os.utime(yard.work / "incoming/.partial/releases/jets/cccccccccccccccc", (2, 2))

    assert yard.take("pruned", releases=[ready], keep=9)["changed"] is False
    yard.publish(ready)
    removed = ["releases/jets/bbbbbbbbbbbbbbbb", "releases/jets/aaaaaaaaaaaaaaaa", f"julia/1.10.8/x86_64/{BUILD}"]
    for check_mode in (True, False):
        result = yard.take("pruned", check_mode, releases=[ready], keep=2)
        assert [action["id"] for action in result["actions"]] == removed
    assert yard.take("pruned", releases=[ready], keep=2)["changed"] is False
    assert yard.take("pruned", releases=[ready], keep=0)["changed"] is True
    left = sorted(str(file.relative_to(yard.work / "incoming")) for file in (yard.work / "incoming").rglob("*"))
    other = "releases/other/aaaaaaaaaaaaaaaa/x86_64"
    assert [name for name in left if name.endswith(("x86_64", ".gz"))] == [f".records/{other}.json.gz", other]
    with pytest.raises(InputError, match="depot_publish_keep_incoming: -1 is less than 0"):
        yard.take("pruned", releases=[ready], keep=-1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.dictionaries(st.sampled_from(["b1", "b2"]), st.sampled_from(["/mnt/x", "/"])), st.sampled_from(["/w", "/w/", ""])
)
def test_a_path_is_seen_below_the_folder_that_is_said(shared, workdir):
    tree = {"path": "/w/staging/a", "workdir": workdir, "builder": "b1"}
    expected = {"/mnt/x": "/mnt/x/staging/a", "/": "/staging/a"}
    asked = shared.get("b1") if workdir else None
    assert receive._seen_here(shared, tree) == expected.get(asked, "/w/staging/a")
    assert receive._seen_here(shared, dict(tree, path="/opt/julia")) == "/opt/julia"
