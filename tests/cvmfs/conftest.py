# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers for the tests of this folder."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cvmfs.servers import KINDS, Emulated, Real, Server, remove_abandoned

IDLE = "stratum0 / local"
PROGRAMS = ("cvmfs_server", "cvmfs2", "cvmfs_config", "attr", "apachectl")


def pytest_report_header() -> list[str]:
    """Say what is installed of CernVM-FS, and why the real server is not used where it is not."""
    found = [f"{name}: {shutil.which(name) or 'not installed'}" for name in PROGRAMS]
    reason = Real.unavailable()
    version = "" if reason else f" {Real.version()}"
    return [f"real server of CernVM-FS{version}: {reason or 'used'}", f"programs: {', '.join(found)}"]


class Storage(http.server.SimpleHTTPRequestHandler):
    """Serves ``/srv/cvmfs`` as ``/cvmfs``."""

    def translate_path(self, path: str) -> str:
        return str(Path("/srv") / path.partition("?")[0].lstrip("/"))

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Remove what tests leave, also what an earlier run that was killed left."""
    remove_abandoned()
    yield
    remove_abandoned()


@pytest.fixture(scope="session", autouse=True)
def _no_map() -> Iterator[None]:
    """Let real replicas be made without a map of addresses, which takes an account; so does the role by default."""
    if Real.unavailable():
        yield
        return
    settings = Path("/etc/cvmfs/server.local")
    before = settings.read_text() if settings.exists() else None
    settings.write_text(f"{before or ''}CVMFS_GEO_DB_FILE=NONE\n")
    yield
    if before is None:
        settings.unlink()
    else:
        settings.write_text(before)


def kinds() -> list:
    """Every kind of server as a parameter of a fixture; those that are not to be had are skipped."""
    parameters = []
    for kind in KINDS:
        reason = kind.unavailable()
        marks = [pytest.mark.skip(reason=reason)] if reason else []
        parameters.append(pytest.param(kind, id=kind.kind, marks=marks))
    return parameters


@pytest.fixture(scope="session", params=kinds())
def shared_server(request: pytest.FixtureRequest, _nothing_left_behind: None) -> Iterator[Server]:
    """A repository of each kind of server, for all tests that leave little in it."""
    with made(request.param) as server:
        yield server


@contextmanager
def made(kind: type[Server]) -> Iterator[Server]:
    """A fresh repository."""
    server = kind()
    try:
        server.create()
        server.configure("CVMFS_FORCE_REMOUNT_WARNING=false")
        yield server
    finally:
        server.destroy()


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The repository of each kind of server, healthy and not in a transaction."""
    yield shared_server
    state = shared_server.state
    if state == IDLE:
        return
    if "whitelist expired" in state:
        shared_server.run("resign", shared_server.name)
    if "in transaction" in state:
        shared_server.run("abort", "-f", shared_server.name)
    assert shared_server.state == IDLE


@pytest.fixture
def another_server(shared_server: Server) -> Iterator[Callable[..., Server]]:
    """A function that makes a further repository of the same kind, with options of ``mkfs``."""
    made: list[Server] = []

    def make(*options: str) -> Server:
        made.append(shared_server.another())
        made[-1].create(*options)
        return made[-1]

    yield make
    for server in made:
        server.destroy()


@pytest.fixture
def emulated(_nothing_left_behind: None) -> Iterator[Emulated]:
    """A fresh repository of the emulation."""
    reason = Emulated.unavailable()
    if reason:
        pytest.skip(reason)
    server = Emulated()
    try:
        server.create("-z")
        yield server
    finally:
        server.destroy()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A web server for all repositories of this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
