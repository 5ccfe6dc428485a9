# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Days on which the machine of a stratum-0 fails: disks that are full, a web server that is gone."""

from __future__ import annotations

import http.server
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import StoreError
from tests.cvmfs.conftest import Storage
from tests.cvmfs.servers import Emulated, Real, Server
from tests.cvmfs.test_store import CvmfsSite, assert_fine
from tests.releases import ARCH, A, B

MEGABYTES = 48  # of a small disk; a repository without content takes some five


@pytest.fixture(params=[Emulated, Real], ids=lambda kind: kind.kind)
def fresh(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _nothing_left_behind: None) -> Server:
    """A server whose repository is still to be made."""
    if reason := request.param.unavailable():
        pytest.skip(reason)
    server = request.param()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A small disk of its own at a folder."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=0755", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"this machine lets nobody mount a tmpfs: {mounted.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def made(server: Server, *options: str) -> Iterator[CvmfsSite]:
    """A repository with one release, and what comes next."""
    with tempfile.TemporaryDirectory(prefix="days-") as folder:
        try:
            server.create(*options)
            server.configure("CVMFS_FORCE_REMOUNT_WARNING=false")
            site = CvmfsSite(Path(folder), server, "julia")
            site.change(A)
            yield site
        finally:
            server.destroy()


@pytest.mark.parametrize("disk", ["spool", "storage"])
def test_a_full_disk_loses_nothing(fresh: Server, disk: str) -> None:
    with small_disk(getattr(fresh, disk)), made(fresh) as site:
        before = fresh.revision
        big = site.staged(B) / ARCH / "common" / "big"
        big.write_bytes(os.urandom(2 * MEGABYTES * 2**20))
        with pytest.raises(StoreError) as error:
            site.change(B)
        assert fresh.name in error.value.message
        assert fresh.revision == before
        big.unlink()
        # What was uploaded of it stays in the storage, so whoever keeps the disk has to make room.
        grown = f"remount,size={4 * MEGABYTES}m"
        subprocess.run(["mount", "-o", grown, str(getattr(fresh, disk))], check=True)
        result = site.change(B)
        assert (result["release"], result["previous"]) == (B, A)
        assert_fine(fresh)


def test_a_web_server_that_is_gone_is_named(fresh: Server) -> None:
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    try:
        with made(fresh, "-w", f"http://127.0.0.1:{web.server_port}/cvmfs/{fresh.name}") as site:
            before = fresh.revision
            web.shutdown()
            web.server_close()
            if fresh.is_real:
                with pytest.raises(
                    StoreError, match=r"depot_store: .*Input/output error|no transaction could be opened"
                ):
                    site.change(B)
                assert fresh.revision == before
            assert not os.path.exists(site.repository.owner_record)
            again = http.server.ThreadingHTTPServer(("127.0.0.1", web.server_port), Storage)
            serving = threading.Thread(target=again.serve_forever)
            serving.start()
            try:
                assert site.change(B)["release"] == B
                assert_fine(fresh)
            finally:
                again.shutdown()
                serving.join()
                again.server_close()
    finally:
        web.shutdown()
        thread.join()
