# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of CernVM-FS, with the real server and client."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmark.measures import ROOT, BenchSite, Figure, alternating, quiet, ratio, seconds, staged_release
from tests.cvmfs.servers import Real

IN_CLIENT = ROOT / "inventory" / "local-cvmfs" / "client-namespace"  # a shell
FILES, SIZE = 20_000, 28_000  # bytes each, as an environment of 55 packages has it: 52 MB in 1,839 entries
CHANGED = FILES // 100


def unavailable() -> str:
    """Why there is nothing to measure here; empty where there is a real server."""
    return Real.unavailable() or ("" if shutil.which("rsync") else "rsync is not installed")


def publishing(folder: Path, times: int) -> list[Figure]:
    """A release of 20,000 files against `rsync` and a publish by hand; then one with 1 % changed, and none.

    Each sample has contents of its own, since the server stores the same content once.
    """
    server = Real()
    names = iter(range(10**6))
    by_hand, first, second, nothing = [], [], [], []
    try:
        server.create("-z")
        warm_up = staged_release(folder / "warm-up", files=100, size=SIZE)
        publish(server, warm_up, next(names))  # Julia's tree, which comes once
        for sample in range(times):
            staged = staged_release(folder / f"hand-{sample}", files=FILES, size=SIZE)
            by_hand.append(seconds(lambda source=staged, number=sample: publish_by_hand(server, source, number)))
            shutil.rmtree(staged)
            staged = staged_release(folder / f"ours-{sample}", files=FILES, size=SIZE)
            first.append(seconds(lambda source=staged: publish(server, source, next(names))))
            change_some(staged)
            name = next(names)
            second.append(seconds(lambda source=staged, number=name: publish(server, source, number)))
            nothing.append(seconds(lambda source=staged, number=name: publish(server, source, number)))
            shutil.rmtree(staged)
    finally:
        server.destroy()
    kind = f"CernVM-FS {Real.version()}"
    return [
        ratio(f"{kind}: publishing 20,000 files / rsync and publish by hand", first, by_hand, 1.1),
        ratio(f"{kind}: a release with 1 % changed / the first", second, first, 0.2),
        Figure(f"{kind}: nothing to publish", statistics.median(nothing), 2, "s", {"ours": nothing}),
    ]


def publish(server: Real, staged: Path, number: int) -> None:
    """Publish as the module does, in a process of its own."""
    store = json.dumps({"type": "cvmfs", "repository": server.name, "path": "julia"})
    command = [sys.executable, "-m", "tests.benchmark.publish", store, staged, f"{number:016x}"]
    quiet(command, server.environment, cwd=ROOT)


def publish_by_hand(server: Real, staged: Path, number: int) -> None:
    """Publish as one would without a tool."""
    destination = server.path / "by-hand" / str(number)
    for command in (
        ["cvmfs_server", "transaction", server.name],
        ["mkdir", "-p", destination],
        ["rsync", "-a", f"{staged}/", destination],
        ["touch", destination / ".cvmfscatalog"],
        ["cvmfs_server", "publish", server.name],
    ):
        quiet(command, server.environment, cwd=Path("/"))


def change_some(staged: Path) -> None:
    """Change one file in a hundred."""
    files = sorted(path for path in staged.rglob("*.ji"))
    for path in files[:: FILES // CHANGED]:
        path.write_bytes(os.urandom(SIZE))


def start_up(site: BenchSite, times: int) -> list[Figure]:
    """A first `using` from a client's own mount, its cache warm and cold, against a private depot that is warm.

    Cold: the client is mounted with an empty cache for each sample, and counts what it asks the server for.
    """
    server = Real()
    cache = Path(tempfile.mkdtemp(prefix="julia-depots-cache-"))  # where the client's own user can get to
    mount = server.path
    homes = site.folder / "homes"
    in_client = [IN_CLIENT, "-c", 'exec "$@"', "sh"]
    published = mount / "julia" / "environments" / site.name / "current" / "bin" / "julia"
    requests: list[float] = []

    def from_mount() -> None:
        quiet([*in_client, published, "--startup-file=no", "-e", site.using], site.bare(homes / "published"))

    def private() -> None:
        quiet([*in_client, *site.direct, site.using], site.bare(homes / "private"))

    def forget() -> None:
        client(f"umount {mount} && find {cache} -type f -delete && mount {mount}")

    def asked() -> float:
        return float(
            client(f"cvmfs_talk -i {server.name} internal affairs | sed -n 's/^download.n_requests|//p'").split("|")[0]
        )

    shutil.chown(cache, "cvmfs", "cvmfs")
    try:
        site.run(
            "local-cvmfs",
            depot_store={"type": "cvmfs", "repository": server.name, "path": "julia"},
            cvmfs_client_repository_settings={"CVMFS_CACHE_BASE": str(cache)},
        )
        quiet([*in_client, *site.direct, site.prepare], site.bare(homes / "private"))
        from_mount()
        private()
        warm, theirs = alternating(times, from_mount, private)
        cold = []
        for _unused in range(times):
            forget()
            cold.append(seconds(from_mount))
            requests.append(asked())
    finally:
        subprocess.run([IN_CLIENT, "-c", f"umount {mount}; sed -i '\\|{mount}|d' /etc/fstab"], check=False)
        server.destroy()
        shutil.rmtree(cache)
    what = f"CernVM-FS {Real.version()}: start-up of {site.name}"
    return [
        ratio(f"{what}: client's mount, warm / private depot", warm, theirs, 1.05),
        Figure(f"{what}: client's mount, cold", statistics.median(cold), None, "s", {"ours": cold}),
        Figure(f"{what}: requests when cold", statistics.median(requests), None, "", {"ours": requests}),
    ]


def client(command: str) -> str:
    """What a shell command prints in the client's namespace."""
    return subprocess.run([IN_CLIENT, "-c", command], check=True, capture_output=True, text=True).stdout
