# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases in CernVM-FS, on each kind of server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import ownership
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, StoreError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores import contents, cvmfs
from tests.cvmfs.conftest import IDLE, kinds, made
from tests.cvmfs.servers import MOUNTS, Server
from tests.releases import ARCH, VERSION, A, B, C, Site, statuses, whole

FILES = 400  # in a staged release, so that most of it is as in the one before


class CvmfsSite(Site):
    """Staged releases, and a path of a repository as their store."""

    def __init__(self, folder: Path, server: Server, path: str) -> None:
        super().__init__(
            folder, MOUNTS / server.name / path, {"type": "cvmfs", "repository": server.name, "path": path}
        )
        self.server = server
        self.repository = Repository(server.name)

    def staged(self, release: str) -> Path:
        source = self.folder / "staging" / release
        if not source.exists():
            super().staged(release)
            written = 1e9 + 10 * ord(release[0]) + 0.25
            os.utime(source / ARCH / "generic/compiled/cache.ji", (written, written))
            packages = source / ARCH / "common" / "packages"
            packages.mkdir()
            for number in range(FILES):
                path = packages / f"file{number}"
                path.write_text(str(number))
                os.utime(path, (1e9, 1e9))
                path.chmod(0o755 if number % 2 else 0o644)
        return source

    def params(self, release: str | None, **changes):
        return super().params(release, **{"open_files_timeout": 0, "lock_timeout": 0, **changes})

    def state(self) -> tuple:
        held = cvmfs.CvmfsStore(self.repository, str(self.root), cvmfs.transaction.Options()).held("jets")
        return held.current, held.previous, sorted(held.ids)


@pytest.fixture(scope="module", params=kinds())
def shared_server(request: pytest.FixtureRequest, _nothing_left_behind: None) -> Iterator[Server]:
    """A repository of each kind of server, for these tests alone: the emulation copies all that is in it, each time."""
    with made(request.param) as server:
        yield server


@pytest.fixture
def site(server: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[CvmfsSite]:
    """A store of its own in the repository of each kind of server."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    folder = Path(tempfile.mkdtemp(prefix="store-test-"))
    site = CvmfsSite(folder, server, f"store-{time.monotonic_ns()}")
    yield site
    assert not os.path.exists(site.repository.owner_record), "an owner is recorded of a transaction that ended"
    shutil.rmtree(folder)


def assert_fine(server: Server) -> None:
    """The repository is healthy, in no transaction, and complete."""
    assert server.state == IDLE
    answer = server.run("check", server.name)
    assert answer.status == 0, answer


def test_a_release_is_published_with_all_that_its_users_need(site: CvmfsSite) -> None:
    before = site.server.revision
    planned = site.change(A, check_mode=True)
    assert (planned["changed"], planned["revision"]) == (True, before)
    assert not site.root.exists()
    result = site.change(A)
    assert statuses(result) == statuses(planned) == ["julia added", "release published", "current activated"]
    assert (result["release"], result["previous"], result["recovered"]) == (A, None, [])
    assert result["revision"] == site.server.revision == before + 1
    current = Path(result["path"])
    assert os.readlink(current) == f"releases/{A}"
    assert whole(current)
    assert str(site.root / "environments/jets/releases" / A) in (current / "setup.sh").read_text()
    assert json.loads((current / "release.json").read_text())["store"] == str(site.root)
    cache = current / ARCH / "generic/compiled/cache.ji"
    assert (int(cache.stat().st_mtime), cache.stat().st_mode & 0o777) == (1e9 + 10 * ord("a"), 0o444)
    assert os.readlink(cache.with_name("link")) == "cache.ji"
    assert (current / ARCH / "common/packages/file1").stat().st_mode & 0o777 == 0o755
    tag = next(tag for name, tag in site.server.tags.items() if name.startswith(f"jets-{A}-"))
    assert tag.revision == result["revision"]
    assert tag.description == f"jets: add julia {VERSION}/{ARCH}, publish release {A}, activate current {A}"
    for check_mode in (True, False):
        again = site.change(A, check_mode=check_mode)
        assert (again["changed"], again["actions"], again["revision"]) == (False, [], before + 1)
    assert_fine(site.server)


def test_a_release_that_is_much_like_the_current_one_begins_as_its_clone(
    site: CvmfsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.change(A)
    source = site.staged(B)
    (source / ARCH / "common/packages/file7").write_text("changed")
    (source / ARCH / "common/packages/file8").unlink()
    (source / ARCH / "common/packages/new").mkdir()
    (source / ARCH / "common/packages/new/file").write_text("new")
    copied = []
    monkeypatch.setattr(cvmfs, "copy_tree", lambda *paths: copied.append(paths))
    result = site.change(B)
    assert copied == []
    assert (result["release"], result["previous"]) == (B, A)
    releases = site.root / "environments/jets/releases"
    assert whole(releases / B)
    assert str(releases / B) in (releases / B / "setup.sh").read_text()
    assert json.loads((releases / B / "release.json").read_text())["release"] == B
    same = subprocess.run(
        ["diff", "--recursive", "--no-dereference", "--exclude=.cvmfscatalog", source / ARCH, releases / B / ARCH],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (same.returncode, same.stdout) == (0, "")
    assert (releases / A / ARCH / "common/packages/file7").read_text() == "7"
    assert_fine(site.server)


def test_a_rollback_leaves_the_rest_of_the_repository_alone(site: CvmfsSite) -> None:
    site.change(A)
    site.change(B)
    assert site.server.run("transaction", site.server.name).status == 0
    newest = site.server.path / "elsewhere"
    newest.write_text(str(site.root))
    assert site.server.run("publish", site.server.name).status == 0
    before = site.server.revision
    planned = site.change("previous", state="active", check_mode=True)
    assert (planned["changed"], planned["release"], planned["previous"]) == (True, A, B)
    result = site.change("previous", state="active")
    assert (result["release"], result["previous"], result["revision"]) == (A, B, before + 1)
    assert newest.read_text() == str(site.root)
    assert not site.change(A, state="active")["changed"]
    assert site.server.revision == before + 1


def test_releases_beyond_the_number_kept_go_in_the_same_revision(site: CvmfsSite) -> None:
    for release in (A, B):
        site.change(release)
    before = site.server.revision
    result = site.change(C, keep=2)
    assert statuses(result) == ["release published", "current activated", "release removed"]
    assert site.state() == (C, B, [B, C])
    # A clone that a transaction begins with counts as a revision that nobody gets.
    assert result["revision"] - before in (1, 2)
    assert len([tag for tag in site.server.tags.values() if tag.revision > before and C in tag.name]) == 1


def test_a_release_has_a_catalog_of_its_own(site: CvmfsSite) -> None:
    site.change(A)
    answer = site.server.run("list-catalogs", "-s", "-e", "-x", site.server.name)
    paths = [line.split(" ", 2)[2] for line in answer.stdout.splitlines()]
    assert f"/{site.root.name}/environments/jets/releases/{A}" in paths


def test_a_strangers_transaction_is_left_alone(site: CvmfsSite) -> None:
    assert site.server.run("transaction", site.server.name).status == 0
    (site.server.path / "strangers").write_text("mine")
    mark = ownership.mark_of(site.repository)
    with pytest.raises(BusyError, match="a transaction is open, waited 0 s: it was not begun by this collection"):
        site.change(A)
    assert ownership.mark_of(site.repository) == mark
    assert (site.server.path / "strangers").read_text() == "mine"
    site.server.run("abort", "-f", site.server.name)
    site.change(A)


def test_what_is_published_is_told_also_while_a_transaction_is_open(site: CvmfsSite) -> None:
    site.change(A)
    site.change(B)
    asked = {"store": site.store, "environments": []}
    told = contents.info(asked, False)
    entry = told["environments"][0]
    assert (told["root"], entry["current"], entry["previous"]) == (str(site.root), B, A)
    assert (entry["record"]["release"], entry["record_before"]["release"]) == (B, A)
    assert list(entry["record"]["architectures"]) == [ARCH]
    assert site.server.run("transaction", site.server.name).status == 0
    shutil.rmtree(site.root / "environments/jets/releases" / A)
    assert contents.info(asked, False) == told
    site.server.run("abort", "-f", site.server.name)


def test_what_a_dead_run_left_is_told_and_put_right(site: CvmfsSite) -> None:
    site.change(A)
    owner = ownership.this_process("die", run="dead", lifetime=0.001)
    ownership.record(site.repository, owner)
    cvmfs.transaction.session.open_transaction(site.repository)
    ownership.record(site.repository, replace(owner, mark=ownership.mark_of(site.repository)))
    shutil.rmtree(site.root)
    assert site.state() == (A, None, [A])
    planned = site.change(A, check_mode=True)
    result = site.change(A)
    assert planned["recovered"] == result["recovered"]
    assert [entry["status"] for entry in result["recovered"]] == ["aborted"]
    assert (planned["changed"], result["changed"], result["actions"]) == (True, True, [])
    assert whole(Path(result["path"]))
    assert not site.change(A)["changed"]


def test_a_reader_never_sees_part_of_a_release(site: CvmfsSite) -> None:
    readable, partial, looks, over = Path(site.repository.read_only), [], [], threading.Event()
    current = readable / site.root.name / "environments/jets/current"

    def look() -> None:
        while not over.is_set():
            try:
                os.lstat(current)
                if not whole(current) and os.path.lexists(current):
                    partial.append(os.readlink(current))
            except OSError:
                continue
            finally:
                time.sleep(0.002)  # or the writer, in the other thread, hardly gets a turn
            looks.append(1)

    site.change(A)
    reader = threading.Thread(target=look)
    reader.start()
    try:
        site.change(B)
        site.change(A, state="active")
    finally:
        over.set()
        reader.join()
    assert looks
    assert partial == []


def test_an_unknown_repository_is_named(site: CvmfsSite) -> None:
    with pytest.raises(StoreError, match=r"repository: unknown\.example\.org is not on this machine"):
        site.change(A, store={"type": "cvmfs", "repository": "unknown.example.org", "path": "julia"})
    with pytest.raises(InputError, match="store: repository: 'unknown' is not a repository's fully qualified name"):
        site.change(A, store={"type": "cvmfs", "repository": "unknown", "path": "julia"})
