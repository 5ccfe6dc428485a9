# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in a shared directory: each step is one rename, and one lock keeps writers apart."""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Iterator

from ansible_collections.scisoft.julia_depots.plugins.module_utils import locks, process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import (
    BusyError,
    InputError,
    StoreError,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import BASE_ENVIRONMENT
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.base import Store, explained


class DirectoryStore(Store):
    """Releases in a folder of this machine or of a network file system."""

    @contextmanager
    def exclusive(self, wait: float) -> Iterator[list[dict[str, str]]]:
        root = self.layout.root
        if os.path.lexists(root) and not os.path.isdir(root):
            raise InputError([f"depot_store: path: {root} is not a folder"])
        with explained(root):
            os.makedirs(root, exist_ok=True)
            descriptor = os.open(self.layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                locks.acquire(descriptor, wait, f"depot_store: {root} is being written to")
            except BusyError as error:
                raise BusyError(f"{error.message}. Held by: {_read_owner(descriptor)}") from None
            with explained(root):
                _write_owner(descriptor)
                yield self.clear(self.leftovers())
        finally:
            os.close(descriptor)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with explained(self.layout.root):
            yield

    def revision(self) -> None:
        return None

    def settle(self, folder: str) -> None:
        completed = process.run(["sync", "--file-system", folder], BASE_ENVIRONMENT)
        if not completed.ok:
            raise StoreError(f"{folder} could not be written to its disk: {completed.stderr}", **completed.details())


def _write_owner(descriptor: int) -> None:
    """Say in the lock file who holds it; for people, since the lock itself ends with its holder."""
    owner = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode() + b"\n", 0)


def _read_owner(descriptor: int) -> str:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0).decode())
        return "process {pid} on {host}, since {since}".format(**owner)
    except (ValueError, KeyError, TypeError):
        return "an unknown process"
