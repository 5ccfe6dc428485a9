# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A publish that is killed at any moment, beside a client that never stops looking."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from tests.cvmfs.conftest import made
from tests.cvmfs.servers import Emulated, Real, Server
from tests.cvmfs.test_client import Client, no_namespace, no_real_client
from tests.cvmfs.test_store import CvmfsSite, assert_fine
from tests.releases import A, B, whole

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120  # to come to a moment
PUBLISH = """
import json, sys
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores import publish
publish.change(json.loads(sys.argv[1]), False)
"""
# Looks at the current release all the time; its last line says how often, and what was not whole.
LOOK = """
import json, os, signal, subprocess, sys, time
name, mount, current, files = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
looks, partial, seen, over = 0, [], [], []
signal.signal(signal.SIGTERM, lambda *_: over.append(1))
print("looking", flush=True)
while not over:
    subprocess.run(["cvmfs_talk", "-i", name, "remount", "sync"], capture_output=True)
    try:
        release = os.readlink(current)
    except OSError:
        partial.append(["no link"])
        continue
    revision = os.getxattr(mount, "user.revision")
    missing = [file for file in files if not os.path.exists(f"{os.path.dirname(current)}/{release}/{file}")]
    if missing and os.getxattr(mount, "user.revision") == revision:
        partial.append([release, *missing])
    if release not in seen:
        seen.append(release)
    looks += 1
    time.sleep(0.1)
print(json.dumps({"looks": looks, "partial": partial, "seen": seen}), flush=True)
"""


class Publish:
    """A publish in a process of its own, to be killed with all that it has started."""

    def __init__(self, site: CvmfsSite, release: str) -> None:
        self.site, self.release = site, release
        self.repository = Repository(site.server.name)
        self.folder = site.root / "environments/jets/releases" / release
        self.current = site.root / "environments/jets/current"
        self.manifest = site.server.storage / ".cvmfspublished"
        self.before = self.manifest.read_bytes()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PUBLISH, json.dumps(site.params(release, lock_timeout=60, open_files_timeout=60))],
            env={**site.server.environment, "PYTHONPATH": str(ROOT / ".build" / "collections")},
            cwd="/",
            start_new_session=True,
        )

    def kill_at(self, moment: str) -> bool:
        """Kill it at a moment; False where it was over before."""
        came: Callable[[], bool] = getattr(self, moment)
        deadline = time.monotonic() + SECONDS
        while not came():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline, f"the publish did not come to the moment {moment}"
        for pid in self.descendants():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        return True

    def descendants(self) -> list[int]:
        """Process ids of all that it has started, the deepest last."""
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    parents.setdefault(parent, []).append(int(entry.name))
        found = [self.process.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def runs(self, *words: str) -> bool:
        """Whether a program that it has started has these among its words."""
        for pid in self.descendants():
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if all(any(word in part for part in line) for word in words):
                    return True
        return False

    # Moments, in their order

    def owner_recorded(self) -> bool:
        return os.path.exists(self.repository.owner_record)

    def opening(self) -> bool:
        return os.path.exists(self.repository.transaction_lock)

    def opened(self) -> bool:
        with suppress(OSError, ValueError):
            return bool(json.loads(Path(self.repository.owner_record).read_text())["mark"])
        return False

    def copying(self) -> bool:
        return (self.folder / "x86_64/common").exists()

    def linked(self) -> bool:
        with suppress(OSError):
            return os.readlink(self.current) == f"releases/{self.release}"
        return False

    def publishing(self) -> bool:
        return os.path.exists(self.repository.publishing_lock)

    def syncing(self) -> bool:
        return self.runs("cvmfs_swissknife", "sync")

    def signing(self) -> bool:
        return self.runs("cvmfs_swissknife", "sign")

    def signed(self) -> bool:
        with suppress(OSError):
            return self.manifest.read_bytes() != self.before
        return False

    def remounting(self) -> bool:
        return self.signed() and "rw" not in self.repository.mount_options()


MOMENTS = [
    "owner_recorded",
    "opening",
    "opened",
    "copying",
    "linked",
    "publishing",
    "syncing",
    "signing",
    "signed",
    "remounting",
]
REAL_ONLY = {"syncing", "signing"}  # programs that the emulation does not start


@pytest.fixture(scope="module", params=[Emulated, Real], ids=lambda kind: kind.kind)
def server(request: pytest.FixtureRequest, _nothing_left_behind: None) -> Iterator[Server]:
    """A repository of its own."""
    reason = request.param.unavailable() or no_namespace() or (no_real_client() if request.param is Real else "")
    if reason:
        pytest.skip(reason)
    with made(request.param) as server:
        yield server


class Looker:
    """A client that looks all the time until it is asked what it has seen."""

    def __init__(self, client: Client, site: CvmfsSite) -> None:
        current = site.root / "environments/jets/current"
        staged = site.staged(B)
        files = [str(path.relative_to(staged)) for path in staged.rglob("*") if path.is_file()]
        words = [client.name, client.mount, str(current), "release.json", "bin/julia", "setup.sh", *files]
        self.process = subprocess.Popen(
            client.inside(sys.executable, "-c", LOOK, *words),
            env=dict(os.environ, CVMFS_EMULATION_PYTHON=sys.executable),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "looking\n"

    def seen(self) -> dict:
        self.process.terminate()
        output, _errors = self.process.communicate(timeout=60)
        return json.loads(output)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_publish_that_is_killed(server: Server, url: str, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    if moment in REAL_ONLY and not server.is_real:
        pytest.skip("the emulation starts no such program")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        site = CvmfsSite(Path(folder), server, f"kills-{moment}")
        site.change(A)
        client = Client(server.kind, server, url, Path(folder))
        try:
            client.configure()
            looker = Looker(client, site)
            publish = Publish(site, B)
            killed = publish.kill_at(moment)
            result = site.change(B, lock_timeout=60)
            assert killed, "the publish was over before it could be killed"
            if moment != "owner_recorded":
                assert [entry["what"] for entry in result["recovered"]][-1:] in (["transaction"], ["mount"], [])
            assert (result["release"], result["previous"]) == (B, A)
            assert whole(Path(result["path"]))
            assert not site.change(B)["changed"]
            assert_fine(server)
            time.sleep(0.5)
            seen = looker.seen()
            assert seen["partial"] == []
            assert seen["looks"] > 0
            assert set(seen["seen"]) <= {f"releases/{A}", f"releases/{B}"}
        finally:
            client.close()
