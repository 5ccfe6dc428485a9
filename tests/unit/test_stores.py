# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores: the plan of steps against a model, and releases in real folders, whatever dies when."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ansible_collections.scisoft.julia_depots.plugins.module_utils import locks
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, StoreError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores import base, directory, publish
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.directory import DirectoryStore
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.plan import Held, Wanted, steps
from tests.releases import ARCH, VERSION, A, B, C, D, Site, statuses, whole
from tests.unit.helpers import (
    answer_of,
    as_ordinary_user,
    give_to_ordinary_user,
    in_child,
    needs_root,
    start_child,
    wait_until,
)

# --- the plan


class Releases(RuleBasedStateMachine):
    """One environment in a store, with the steps applied one after another as a store would."""

    def __init__(self):
        super().__init__()
        self.held = Held()
        self.published = 0

    def bring_to(self, wanted: Wanted) -> list:
        taken = steps(self.held, wanted)
        kinds = [step.what for step in taken]
        assert len({(step.what, step.id, step.status) for step in taken}) == len(taken)
        assert kinds == sorted(kinds, key=["julia", "release", "current"].index) or "removed" in [
            s.status for s in taken
        ]
        for step in taken:
            self.take(step)
            self.nothing_in_use_is_gone()
        assert steps(self.held, wanted) == [] or wanted.activate == "previous"
        return taken

    def take(self, step):
        held, ids = self.held, self.held.ids
        if step.what == "julia":
            julia = (step.details["version"], step.details["arch"])
            assert julia not in held.julias
            self.held = Held(held.releases, held.current, held.previous, held.julias | {julia})
        elif step.status == "published":
            assert step.id not in ids
            assert held.julias, "a release comes after its Julia"
            self.published += 1
            newest = (step.id, f"{self.published:06}")
            self.held = Held([newest, *held.releases], held.current, held.previous, held.julias)
        elif step.status == "activated":
            assert step.id in ids
            assert step.id != held.current == step.details["previous"]
            self.held = Held(held.releases, step.id, held.current, held.julias)
        else:
            assert step.status == "removed"
            assert step.id in ids
            left = [release for release in held.releases if release[0] != step.id]
            self.held = Held(left, held.current, held.previous, held.julias)

    @rule(number=st.integers(0, 9), activate=st.booleans(), keep=st.integers(0, 4))
    def publish(self, number, activate, keep):
        release, before = f"{number:016}", self.held
        wanted = Wanted(release, [(VERSION, ARCH)], release if activate else None, keep=keep)
        self.bring_to(wanted)
        assert release in self.held.ids
        assert self.held.current == (release if activate else before.current)
        self.kept(keep, {release})

    @rule(data=st.data(), keep=st.integers(0, 4))
    def activate(self, data, keep):
        if self.held.ids:
            release = data.draw(st.sampled_from(self.held.ids))
            self.bring_to(Wanted(activate=release, keep=keep))
            assert self.held.current == release
            self.kept(keep)

    @rule()
    def roll_back(self):
        before = self.held
        if before.previous is None:
            with pytest.raises(StoreError, match="no previous release"):
                steps(before, Wanted(activate="previous"))
            return
        self.bring_to(Wanted(activate="previous"))
        assert (self.held.current, self.held.previous) == (before.previous, before.current)
        assert self.held.ids == before.ids

    @rule(number=st.integers(0, 9), keep=st.integers(0, 4))
    def remove(self, number, keep):
        release, before = f"{number:016}", self.held
        wanted = Wanted(remove=[release, release], keep=keep)
        if release in (before.current, before.previous):
            with pytest.raises(StoreError, match=f"release {release} is .* and is not removed"):
                steps(before, wanted)
            return
        self.bring_to(wanted)
        assert release not in self.held.ids
        self.kept(keep)

    @rule(keep=st.integers(0, 4))
    def prune(self, keep):
        before = self.held.ids
        self.bring_to(Wanted(keep=keep))
        self.kept(keep)
        in_use = {self.held.current, self.held.previous}
        others = [release for release in before if release not in in_use]
        assert [release for release in self.held.ids if release not in in_use] == others[
            : len(self.held.ids) - len(in_use - {None})
        ]

    @rule()
    def activate_what_is_not_there(self):
        with pytest.raises(StoreError, match="release 'x' is not in the store; there are: "):
            steps(self.held, Wanted(activate="x"))

    def kept(self, keep, also=frozenset()):
        """Not more than asked for is kept, but for what is in use."""
        in_use = {self.held.current, self.held.previous, *also} - {None}
        assert keep == 0 or len(self.held.ids) <= max(keep, len(in_use))

    @invariant()
    def nothing_in_use_is_gone(self):
        assert {self.held.current, self.held.previous} - {None} <= set(self.held.ids)
        assert self.held.previous is None or self.held.previous != self.held.current


Releases.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestPlanOfSteps = Releases.TestCase


def test_a_step_says_what_it_does():
    wanted = Wanted(B, [(VERSION, ARCH)], B, keep=1)
    held = Held([(A, "2"), (C, "1")], current=A, previous=None)
    assert [step.action() for step in steps(held, wanted)] == [
        {"what": "julia", "id": "1.10.8/x86_64", "status": "added"},
        {"what": "release", "id": B, "status": "published"},
        {"what": "current", "id": B, "status": "activated"},
        {"what": "release", "id": C, "status": "removed"},
    ]


# --- real folders


@pytest.fixture
def place():
    """A folder that an ordinary user can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="store-test-"))
    path.chmod(0o755)
    yield path
    base.remove_tree(str(path))


@pytest.fixture
def site(place, monkeypatch):
    monkeypatch.setattr(DirectoryStore, "_settle", lambda self, folder: None)  # writing a whole disk out takes long
    return Site(place)


def test_a_release_is_published_with_all_that_its_users_need(place):
    site = Site(place)  # with the real settling
    result = site.change(A)
    assert statuses(result) == ["julia added", "release published", "current activated"]
    assert (result["changed"], result["release"], result["previous"], result["recovered"]) == (True, A, None, [])
    assert result["path"] == f"{site.root}/environments/jets/current"
    current = Path(result["path"])
    assert os.readlink(current) == f"releases/{A}"
    assert whole(current)
    assert os.access(current / "bin" / "julia", os.X_OK)
    assert str(current.resolve()) in (current / "setup.sh").read_text()
    record = json.loads((current / "release.json").read_text())
    assert (record["release"], record["julia"], record["store"]) == (A, VERSION, str(site.root))
    assert record["inputs"] == {"environment": "jets"}
    assert record["architectures"][ARCH]["levels"][0]["name"] == "generic"
    julia = site.root / "julia" / VERSION / ARCH
    assert (julia / "bin" / "julia").is_file()
    assert json.loads((julia / ".julia-depots.json").read_text()) == {"version": VERSION, "arch": ARCH, "build": "b1"}


def test_times_modes_and_links_are_kept(site):
    site.change(A)
    compiled = site.root / "environments/jets/releases" / A / ARCH / "generic/compiled"
    cache = compiled / "cache.ji"
    assert (cache.stat().st_mtime, cache.stat().st_mode & 0o777) == (1e9 + 0.25, 0o444)
    assert compiled.stat().st_mode & 0o777 == 0o555
    assert os.readlink(compiled / "link") == "cache.ji"
    assert cache.samefile(compiled / "same.ji")


def test_publishing_again_is_nothing_and_takes_no_lock(site, monkeypatch):
    site.change(A)
    before = site.files()
    monkeypatch.setattr(DirectoryStore, "exclusive", None)
    result = site.change(A)
    assert (result["changed"], result["actions"], result["release"]) == (False, [], A)
    assert site.files() == before


def test_a_release_that_lacks_an_architecture_says_so_and_is_warned_of_each_time(site):
    lacking = {"arch": "aarch64", "reason": "b-arm: the packages were not to be had"}
    told = f"release {A} of jets has nothing for aarch64: b-arm: the packages were not to be had"
    for check_mode in (True, False, False):
        assert site.change(A, check_mode, missing=[lacking])["warnings"] == [told]
    assert json.loads((site.root / f"environments/jets/releases/{A}/release.json").read_text())["missing"] == [lacking]
    assert site.change(B)["warnings"] == []
    assert json.loads((site.root / f"environments/jets/releases/{B}/release.json").read_text())["missing"] == []


FOREIGN = "aarch64-linux-gnu"


def stage_platform(site, release) -> Path:
    """A platform without caches, beside the architecture of a staged release."""
    folder = site.staged(release) / FOREIGN
    project = folder / "common" / "environments" / "jets"
    project.mkdir(parents=True)
    (project / "Project.toml").write_text(release)
    (folder / "platform.json").write_text(json.dumps({"triplet": FOREIGN, "caches": False, "unbuilt": ["Example"]}))
    return folder


def test_a_platform_without_caches_is_published_and_the_release_says_so(site):
    stage_platform(site, A)
    assert statuses(site.change(A, check_mode=True, platforms=[FOREIGN]))[1] == "release published"
    assert site.change(A, platforms=[FOREIGN])["warnings"] == []
    assert site.change(A, platforms=[FOREIGN])["changed"] is False
    release = site.root / "environments/jets/releases" / A
    record = json.loads((release / "release.json").read_text())
    assert record["platforms"] == {FOREIGN: {"triplet": FOREIGN, "caches": False, "unbuilt": ["Example"]}}
    assert list(record["architectures"]) == [ARCH]
    assert (release / FOREIGN / "common/environments/jets/Project.toml").read_text() == A
    assert f"__julia_depots_platforms='{FOREIGN}'" in (release / "setup.sh").read_text()
    site.change(B)
    without = site.root / "environments/jets/releases" / B
    assert json.loads((without / "release.json").read_text())["platforms"] == {}
    assert "__julia_depots_platforms=''" in (without / "setup.sh").read_text()


@pytest.mark.parametrize(
    ("spoilt", "fault"),
    [
        (lambda folder: (folder / "platform.json").unlink(), f"has not all packages for the platform {FOREIGN}"),
        (lambda folder: (folder / "platform.json").write_text("{}"), f"{FOREIGN}: its platform.json is not about it"),
        (lambda folder: (folder / "common/.incomplete").touch(), f"{FOREIGN}: the packages were not installed to the"),
        (lambda folder: shutil.rmtree(folder / "common"), f"{FOREIGN}: the environment is missing"),
    ],
)
def test_a_platform_that_is_not_complete_is_refused(site, spoilt, fault):
    spoilt(stage_platform(site, A))
    for check_mode in (True, False):
        with pytest.raises(InputError) as error:
            site.change(A, check_mode, platforms=[FOREIGN])
        assert len(error.value.faults) == 1
        assert fault in error.value.faults[0]
    assert not site.root.exists()


def test_what_is_staged_is_not_missing(site):
    with pytest.raises(InputError) as error:
        site.change(A, missing=[{"arch": ARCH, "reason": "none"}])
    assert error.value.faults == [f"missing: {ARCH} is called missing, but {site.staged(A)} has a build for it"]


def test_check_mode_tells_and_changes_nothing(site):
    result = site.change(A, check_mode=True)
    assert statuses(result) == ["julia added", "release published", "current activated"]
    assert (result["changed"], result["release"], result["previous"]) == (True, A, None)
    assert not site.root.exists()
    site.change(A)
    before = site.files()
    result = site.change(B, check_mode=True)
    assert (result["release"], result["previous"]) == (B, A)
    assert site.files() == before


def test_releases_beyond_the_number_kept_go_oldest_first(site):
    for release in (A, B, C):
        site.change(release)
    assert statuses(site.change(D, keep=3)) == ["release published", "current activated", "release removed"]
    assert site.state() == (D, C, [B, C, D])
    assert site.change(state="pruned", keep=1)["actions"] == [{"what": "release", "id": B, "status": "removed"}]
    assert site.state() == (D, C, [C, D])


def test_what_is_published_without_activating_is_not_pruned_at_once(site):
    for release in (A, B):
        site.change(release)
    site.change(C, activate=False, keep=2)
    assert site.state() == (B, A, [A, B, C])


def test_removing_and_pruning_the_same_release_removes_it_once(site):
    for release in (A, B, C):
        site.change(release)
    result = site.change(A, state="absent", keep=1)
    assert result["actions"] == [{"what": "release", "id": A, "status": "removed"}]
    assert site.change(A, state="absent")["changed"] is False


def test_going_back_and_back_again(site):
    for release in (A, B):
        site.change(release)
    for expected in (A, B, A):
        result = site.change("previous", state="active")
        assert statuses(result) == ["current activated"]
        assert result["release"] == expected
    assert site.state() == (A, B, [A, B])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"release": "previous", "state": "active"}, "there is no previous release to activate"),
        ({"release": B, "state": "active"}, f"release '{B}' is not in the store; there are: {A}"),
        ({"release": A, "state": "absent"}, f"release {A} is current and is not removed"),
    ],
)
def test_what_the_store_cannot_do_changes_nothing(site, changes, message):
    site.change(A)
    before = site.files()
    with pytest.raises(StoreError, match=message):
        site.change(**changes)
    assert site.files() == before


def test_another_build_of_a_julia_in_the_store_is_refused(site):
    site.change(A)
    before = site.files()
    other = [{"version": VERSION, "arch": ARCH, "build": "b2", "prefix": str(site.julia)}]
    with pytest.raises(
        InputError, match=r"another build of Julia 1\.10\.8 for x86_64 \(b1\).*\(b2\).*build with"
    ) as error:
        site.change(B, julias=other)
    assert f"{site.root}/julia/{VERSION}/{ARCH}/bin/julia" in error.value.message
    assert site.files() == before
    (site.root / "julia" / VERSION / ARCH / ".julia-depots.json").unlink()
    with pytest.raises(InputError, match="not published by this collection"):
        site.change(B)


# --- bad input


def spoil(site, source, how):
    compiled = source / ARCH / "generic" / "compiled"
    {
        "no record": (source / ARCH / "build.json").unlink,
        "no levels file": (source / ARCH / "levels").unlink,
        "incomplete": (source / ARCH / "common" / ".incomplete").touch,
        "no levels": lambda: site.record(source, []),
        "no such level": lambda: site.record(source, [{"name": "x86-64-v9", "check": {"compiled": []}}]),
        "unchecked": lambda: site.record(source, [{"name": "generic"}]),
        "compiled": lambda: site.record(source, [{"name": "generic", "check": {"compiled": ["Example"]}}]),
        "damaged record": lambda: (source / ARCH / "build.json").write_text("{"),
        "no folder": lambda: (compiled.chmod(0o755), shutil.rmtree(source)),
        "no julia": (site.julia / "bin" / "julia").unlink,
    }[how]()


@pytest.mark.parametrize(
    ("how", "faults"),
    [
        (
            "no record",
            ["source: {source} has no complete build for x86_64", "source: {source} holds no complete build"],
        ),
        ("no levels file", ["source: x86_64: there is no levels file"]),
        ("incomplete", ["source: x86_64: the packages were not installed to the end"]),
        ("no levels", ["source: x86_64: its build.json names no level"]),
        ("no such level", ["source: x86_64: level x86-64-v9 is missing"]),
        ("unchecked", ["source: x86_64: level generic was not checked"]),
        ("compiled", ["source: x86_64: level generic was not checked"]),
        ("damaged record", ["source: x86_64: its build.json names no level"]),
        ("no folder", ["source: {source} is not a folder on this machine"]),
        ("no julia", ["julias: {julia} has no bin/julia"]),
    ],
)
def test_what_is_not_complete_and_checked_is_refused(site, how, faults):
    params, source = site.params(A), site.staged(A)
    spoil(site, source, how)
    with pytest.raises(InputError) as error:
        publish.change(params, False)
    assert len(error.value.faults) == len(faults)
    for fault, start in zip(error.value.faults, faults, strict=True):
        assert fault.startswith(start.format(source=source, julia=site.julia))
    assert not site.root.exists()


def test_all_faults_are_told_at_once(site):
    with pytest.raises(InputError) as error:
        site.change(
            A,
            environment="a b",
            store={"type": "directory", "path": "rel"},
            keep=-1,
            architectures=["aarch64"],
            julias=[],
        )
    starts = [
        "environment: 'a b' is not a name",
        "store: path: 'rel' is not an absolute path",
        "keep: -1 is less than 0",
        f"source: {site.staged(A)} has no complete build for aarch64",
        "julias: none for x86_64",
    ]
    assert [fault[: len(start)] for fault, start in zip(error.value.faults, starts, strict=True)] == starts


@pytest.mark.parametrize("release", ["x", "previous", f"{A}\n", A.upper()])
def test_what_is_no_release_is_refused(site, release):
    with pytest.raises(InputError, match="is not the name of a release"):
        site.change(release, state="absent")


def test_a_root_that_is_a_file_is_refused(site):
    site.root.write_text("mine")
    with pytest.raises(InputError, match=f"store: path: {site.root} is not a folder"):
        site.change(A)
    assert site.root.read_text() == "mine"


def test_templates_that_did_not_arrive_leave_nothing_half(site):
    with pytest.raises(StoreError, match="did not arrive with the module"):
        site.change(A, _bundle=None)
    site.bundle.write_text("{}")
    with pytest.raises(InputError, match=r"setup\.sh is missing"):
        site.change(A)
    assert site.state() == (None, None, [])
    assert DirectoryStore(str(site.root))._leftovers() == []


def test_a_root_that_the_user_cannot_write_to_is_named(site):
    site.root.mkdir()
    params = site.params(A)
    if os.geteuid() != 0:
        site.root.chmod(0o555)
    with pytest.raises(StoreError, match=rf"depot_store: {site.root}: Permission denied: {site.root}/\.lock"):
        as_ordinary_user(publish.change, params, False)


def test_an_ordinary_user_publishes_and_removes_also_what_is_read_only(site):
    requests = [site.params(release, keep=1) for release in (A, B, C)]
    give_to_ordinary_user(site.folder)
    for params in requests:
        as_ordinary_user(publish.change, params, False)
    assert site.state() == (C, B, [B, C])
    assert sorted(os.listdir(site.root / "environments/jets/releases")) == [B, C]


@needs_root
def test_a_full_disk_leaves_what_was_there(site):
    site.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(site.root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        site.change(A)
        before = site.files()
        (site.staged(B) / ARCH / "big").write_bytes(bytes(3_000_000))
        with pytest.raises(
            StoreError, match=r"could not be copied to .* MiB are free there\): .*No space left"
        ) as error:
            site.change(B)
        assert error.value.details["rc"] == 1
        assert site.files() == before
        (site.root / "fill").write_bytes(bytes(os.statvfs(site.root).f_bavail * os.statvfs(site.root).f_frsize))
        site.root.joinpath(".lock").unlink()
        (site.staged(B) / ARCH / "big").unlink()
        with pytest.raises(StoreError, match="No space left"):
            site.change(B)
        (site.root / "fill").unlink()
        assert site.files() == before
        site.change(B)
        assert site.state() == (B, A, [A, B])
    finally:
        subprocess.run(["umount", str(site.root)], check=True)


def test_removing_a_tree_touches_nothing_outside_of_it(place):
    outside = place / "outside"
    outside.write_text("")
    outside.chmod(0o444)
    tree = place / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    for name in ("a/b/link", "a/link"):
        (tree / name).symlink_to(outside)
    (tree / "a" / "dangling").symlink_to("nowhere")
    (tree / "a" / "folder").symlink_to(place)
    give_to_ordinary_user(place)
    for name, mode in (("a/b", 0), ("a", 0o555), (".", 0o500)):
        (tree / name).chmod(mode)
    as_ordinary_user(base.remove_tree, str(tree))
    assert os.listdir(place) == ["outside"]
    assert outside.stat().st_mode & 0o777 == 0o444
    assert place.stat().st_mode & 0o777 == 0o755


# --- several at once


def test_a_busy_store_names_the_holder(site):
    def hold():
        with DirectoryStore(str(site.root)).exclusive(0):
            (site.folder / "held").touch()
            signal.pause()

    child = start_child(hold)
    wait_until((site.folder / "held").exists, "the store is held")
    with pytest.raises(BusyError) as error:
        site.change(A, lock_timeout=0)
    os.kill(child[0], signal.SIGKILL)
    answer_of(child)
    assert f"depot_store: {site.root} is being written to; waited 0 s" in error.value.message
    assert f"Held by: process {child[0]} on {socket.gethostname()}, since 20" in error.value.message
    assert site.state() == (None, None, [])
    assert site.change(A)["changed"]


def writers_at_once(site, *requests):
    """Let several writers decide what to do before the first of them may write; what each gave."""
    ready = site.folder / "ready"
    ready.mkdir()
    acquire = locks.acquire

    def write(index, params):
        def wait_then_acquire(*args):
            (ready / str(index)).touch()
            wait_until(lambda: len(list(ready.iterdir())) == len(requests), "all writers are ready")
            acquire(*args)

        locks.acquire = wait_then_acquire
        try:
            return publish.change(params, False)
        except InputError as error:
            return error.message

    children = [start_child(write, index, params) for index, params in enumerate(requests)]
    return [answer_of(child) for child in children]


def test_two_writers_at_once_both_publish(site):
    first, second = writers_at_once(site, site.params(A), site.params(B))
    assert first["changed"]
    assert second["changed"]
    current, previous, ids = site.state()
    assert {current, previous} == set(ids) == {A, B}
    assert first["recovered"] == second["recovered"] == []


def test_two_writers_of_the_same_release_publish_it_once(site):
    results = writers_at_once(site, site.params(A), site.params(A))
    assert sorted(result["changed"] for result in results) == [False, True]
    assert site.state() == (A, None, [A])


def test_of_two_writers_with_different_builds_of_julia_one_is_refused(site):
    other = [{"version": VERSION, "arch": ARCH, "build": "b2", "prefix": str(site.julia)}]
    results = writers_at_once(site, site.params(A), site.params(B, julias=other))
    refused = [result for result in results if isinstance(result, str)]
    assert len(refused) == 1
    assert "another build of Julia" in refused[0]
    assert len(site.state()[2]) == 1


def test_a_reader_never_sees_part_of_a_release(site):
    environment = site.root / "environments" / "jets"
    partial, looks, over = [], [], threading.Event()

    def look():
        while not over.is_set():
            for release in [environment / "current", *environment.glob("releases/*")]:
                if not release.name.startswith(".") and not whole(release) and release.exists():
                    partial.append(release)
            looks.append(1)

    site.change(A)
    reader = threading.Thread(target=look)
    reader.start()
    for release in (B, C, D, A, B, C):
        site.change(release, keep=1)
    over.set()
    reader.join()
    assert looks
    assert partial == []


# --- whatever dies when


def die_at(moment: int, site, params):
    """Do it, and die at the given moment: before, in the middle of or after one of the calls that change a store."""
    passed = -1

    def pass_by():
        nonlocal passed
        passed += 1
        if passed == moment:
            os._exit(9)

    def mortal(function, half=None):
        def call(*args, **options):
            pass_by()
            if half is not None:
                nonlocal passed
                passed += 1
                if passed == moment:
                    half(*args)
                    os._exit(9)
            result = function(*args, **options)
            pass_by()
            return result

        return call

    for name in ("rename", "replace", "symlink", "mkdir"):
        setattr(os, name, mortal(getattr(os, name)))
    directory.copy_tree = mortal(directory.copy_tree, lambda source, destination: os.makedirs(f"{destination}/{ARCH}"))
    directory.remove_tree = mortal(directory.remove_tree, lambda path: os.unlink(f"{path}/release.json"))
    publish.change(params, False)
    return "done"


SCENARIOS = {
    "the first release": ([], {"release": A}, (A, None, [A])),
    "one more": ([A], {"release": B}, (B, A, [A, B])),
    "one more, and the oldest goes": ([A, B], {"release": C, "keep": 2}, (C, B, [B, C])),
    "going back": ([A, B], {"release": "previous", "state": "active"}, (A, B, [A, B])),
    "activating another": ([A, B, C], {"release": A, "state": "active"}, (A, C, [A, B, C])),
    "removing": ([A, B, C], {"release": A, "state": "absent"}, (C, B, [B, C])),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_dies_when_the_next_run_puts_it_right_and_says_so(site, scenario):
    before, request, after = SCENARIOS[scenario]
    for release in before:
        site.change(release)
    site.root.mkdir(exist_ok=True)
    start, saved = site.state(), site.folder / "saved"
    shutil.copytree(site.root, saved, symlinks=True)
    params = site.params(**request)
    moment, recoveries, died = 0, 0, True
    while died:
        base.remove_tree(str(site.root))
        shutil.copytree(saved, site.root, symlinks=True)
        died = in_child(die_at, moment, site, params) is None
        moment += 1

        current, _previous, ids = site.state()
        environment = site.root / "environments" / "jets"
        for release in ids:
            assert whole(environment / "releases" / release)
        assert current is None or whole(environment / "current")
        assert current in (start[0], after[0])
        left = DirectoryStore(str(site.root))._leftovers()
        if not left and site.state() == after:
            continue  # it was done
        recovered = publish.change(params, False)["recovered"]
        assert [item["path"] for item in recovered if item["what"] == "leftover"] == left
        recoveries += bool(left)
        assert site.state() == after
        assert DirectoryStore(str(site.root))._leftovers() == []
        assert not [path for path in site.root.rglob(".*") if path.name not in (".lock", ".julia-depots.json")]
    assert moment > 4
    assert recoveries > 0


def test_an_activation_that_died_between_its_links_is_taken_back_by_another_run(site):
    for release in (A, B, C):
        site.change(release)
    environment = site.root / "environments" / "jets"
    (environment / "previous.new").symlink_to(f"releases/{C}")
    (environment / "current").unlink()
    (environment / "current").symlink_to(f"releases/{A}")
    assert site.state() == (C, B, [A, B, C])
    result = site.change(state="pruned", keep=0)
    assert result["recovered"] == [
        {"what": "current", "path": str(environment / "current"), "status": "taken back"},
        {"what": "leftover", "path": str(environment / "previous.new"), "status": "removed"},
    ]
    assert os.readlink(environment / "current") == f"releases/{C}"
    assert site.state() == (C, B, [A, B, C])
