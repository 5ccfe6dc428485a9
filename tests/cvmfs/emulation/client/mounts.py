# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mounts of the emulated client, and the revision that a repository's servers publish."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .configuration import Configuration

MOUNTS = Path("/cvmfs")
STORAGE = Path("/srv/cvmfs")
ROOT = re.compile(r"/emulation/revisions/(?P<hash>[0-9a-f]{40})(//deleted)?\Z")


@dataclass(frozen=True)
class Published:
    """What a server publishes: a revision, and the folder that holds its content."""

    revision: int
    content: Path


class UnreachableError(Exception):
    """None of the servers publishes the repository."""


def published(configuration: Configuration) -> Published:
    """What the first server that answers publishes.

    Raises:
        UnreachableError: if none does
    """
    for url in configuration.servers:
        for proxy in configuration.proxies:
            with suppress(OSError, ValueError, KeyError):
                return _published(configuration, url.rstrip("/"), proxy)
    raise UnreachableError(configuration.fqrn)


def _published(configuration: Configuration, url: str, proxy: str) -> Published:
    direct = proxy == "DIRECT"
    seconds = float(configuration.get("CVMFS_TIMEOUT_DIRECT" if direct else "CVMFS_TIMEOUT") or 10)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({} if direct else {"http": proxy}))
    with opener.open(f"{url}/.cvmfspublished", timeout=seconds) as answer:
        lines = answer.read().split(b"\n--\n")[0].decode().splitlines()
    fields = {line[0]: line[1:] for line in lines}
    content = STORAGE / url.rpartition("/")[2] / "emulation" / "revisions" / fields["C"]
    if fields["N"] != configuration.fqrn or not content.is_dir():
        raise ValueError(url)
    return Published(int(fields["S"]), content)


def mounted_hash(fqrn: str) -> str | None:
    """The root hash of what is mounted, None if nothing is that the emulation mounted."""
    found = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[4] == str(MOUNTS / fqrn):
            found = ROOT.search(fields[3])
    return found["hash"] if found else None


def mounted_revision(fqrn: str) -> int | None:
    """The revision that is mounted, None if none is."""
    digest = mounted_hash(fqrn)
    for path in STORAGE.glob(f"*/emulation/revisions/{digest}.json"):
        return int(re.search(r'"revision": ([0-9]+)', path.read_text())[1])
    return None


def all_mounted() -> list[str]:
    """The repositories that are mounted."""
    mounted = {Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()}
    return sorted(path.name for path in mounted if path.parent == MOUNTS and mounted_hash(path.name))


def mount(fqrn: str, wanted: Published) -> None:
    """Mount a revision over what is mounted.

    Raises:
        OSError: if the mount is refused
    """
    target = MOUNTS / fqrn
    # Where the file system has no such attributes, cvmfs_talk tells the revision all the same.
    with suppress(OSError):
        os.setxattr(wanted.content, "user.revision", str(wanted.revision).encode())
    for arguments in (["--bind", wanted.content, target], ["-o", "remount,bind,ro,nosuid,nodev", target]):
        result = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if result.returncode:
            raise OSError(result.stderr.strip())


def move_to_newest(configuration: Configuration) -> None:
    """Show what the servers publish now.

    Raises:
        UnreachableError: if none of them answers
        OSError: if the mount is refused
    """
    newest = published(configuration)
    if newest.content.name != mounted_hash(configuration.fqrn):
        mount(configuration.fqrn, newest)


def umount(fqrn: str) -> bool:
    """Remove all mounts of a repository; whether that worked."""
    while mounted_hash(fqrn):
        result = subprocess.run(["umount", MOUNTS / fqrn], capture_output=True, text=True, check=False)
        if result.returncode:
            sys.stderr.write(result.stderr)
            return False
    return True
