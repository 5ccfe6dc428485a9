# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a repository or a replica so that one that was broken off is recognised, and undone.

``mkfs`` and ``add-replica`` leave what they have made when they fail or are killed. A record in the spool area says,
while they run, what was there before; ``rmfs`` alone would also remove keys and data that were there first.
"""

from __future__ import annotations

import os
import pwd
import shutil
import time
from contextlib import contextmanager, suppress
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import descriptors, server, session
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import DepotError, ServerError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import read_json, write_json

ANEW = "leave the option out, or remove it and make it anew"
STORAGE = "/srv/cvmfs"  # DEFAULT_LOCAL_STORAGE of the scripts


def _record(repository: Repository) -> str:
    return os.path.join(repository.spool, "julia_depots.making.json")


def local_storage(upstream: str) -> str:
    """The folder of a definition of storage; empty where that is elsewhere."""
    kind, _comma, rest = upstream.partition(",")
    return rest.split(",")[-1] if kind == "local" else ""


def upstream_of(storage: str) -> str:
    """The definition of a storage: as given, or that of a local folder."""
    storage = storage.rstrip("/") if storage.startswith("/") else storage
    return f"local,{storage}/data/txn,{storage}" if storage.startswith("/") else storage


def default_upstream(repository: Repository) -> str:
    return upstream_of(os.path.join(STORAGE, repository.name))


def is_user(name: str) -> bool:
    """Whether a user of this name is known here, and can own a repository."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def fault_of_storage(storage: str) -> str | None:
    """Why this cannot be a storage; none if it can."""
    if storage.startswith("/") or storage.count(",") == 2:
        return None
    return f"{storage!r} is neither a folder nor a definition such as local,TEMPORARY,FOLDER"


def faults_of_fixed(repository: Repository, asked: Mapping[str, str], fixed: Mapping[str, str]) -> list[str]:
    """What was asked to be other than it is, though it cannot be changed.

    :param asked: values by option.
    :param fixed: the setting that tells what an option was when the repository was made.
    """
    settings, faults = repository.settings(), []
    for option, value in asked.items():
        there = settings.get(fixed[option], "")
        value = upstream_of(value) if option == "storage" else value
        if there.rstrip("/") != value.rstrip("/"):
            faults.append(f"{option}: {repository.name} was made with {there!r}, which cannot become {value!r}; {ANEW}")
    return faults


def require_root(repository: Repository, what: str) -> None:
    """
    :raises ServerError: who runs this is not root.
    """
    if os.geteuid() != 0:
        raise ServerError(f"repository: {repository.name} can only be {what} by root; become root for this task")


def require_room(repository: Repository, storage: str) -> None:
    """Look for what must not be there before a repository is made.

    :param storage: its folder, if it is on this machine.
    :raises ServerError: something is.
    """
    if os.path.exists(repository.configuration):
        raise ServerError(
            f"repository: {repository.configuration} is there, but no repository is. Another tool has begun to make "
            "it, or broke off; see what it is, and remove it"
        )
    if storage and os.path.isdir(storage) and os.listdir(storage):
        raise ServerError(
            f"storage: {storage} is not empty, and what it holds would be lost. If it is a repository's, bring it back "
            f"with `{server.PROGRAM} import {repository.name}`; else remove it, or name another storage"
        )


@contextmanager
def making(repository: Repository, storage: str, keys: Sequence[str]) -> Iterator[None]:
    """Make something within, and undo it when that fails.

    :param storage: the folder that is made, if any.
    :param keys: paths of the files that are made.
    :raises ServerError: it failed; what was made of it is removed again.
    """
    record = {"since": time.time(), "storage": storage, "keys": list(keys)}
    os.makedirs(repository.spool, exist_ok=True)
    write_json(_record(repository), record)
    try:
        yield
    except DepotError as error:
        _undo(repository, record)
        error.message += ". What had been made of it was removed again"
        raise
    _forget(repository)


def _forget(repository: Repository) -> None:
    with suppress(FileNotFoundError):
        os.unlink(_record(repository))


def broken_off(repository: Repository) -> bool:
    """Whether a making of ours is recorded: it goes on, or was broken off."""
    return read_json(_record(repository)) is not None


def settle(repository: Repository) -> list[dict[str, str]]:
    """Put right what a making of ours left that was broken off; no other goes on, as the caller holds the lock.

    :returns: what was done: one that had published its first revision is kept, any other removed.
    :raises ServerError: it cannot be.
    """
    record = read_json(_record(repository))
    if record is None:
        return []
    first = _first_publish(repository)
    if first is None:
        _undo(repository, record)
        return [{"what": "repository", "path": repository.configuration, "status": "removed"}]
    with suppress(FileNotFoundError):
        # A transaction that is older than the revision is that of mkfs itself, and no one else's.
        if os.stat(repository.transaction_lock).st_mtime <= first + 1:
            session.abort(repository)
    _forget(repository)
    return [{"what": "repository", "path": repository.configuration, "status": "completed"}]


def _first_publish(repository: Repository) -> float | None:
    """When the revision was signed that a repository has; none where it has none but the empty one of ``mkfs``."""
    try:
        manifest = repository.manifest()
    except ServerError:
        return None
    return manifest.published.timestamp() if manifest.revision > 0 else None


def _undo(repository: Repository, record: dict[str, Any]) -> None:
    """Remove what was made. ``rmfs`` knows most of it, if there is enough of it for ``rmfs`` to work."""
    if os.path.isdir(repository.configuration):
        server.run(["rmfs", "-f", "-p", repository.name])
    for path in (repository.mount, repository.read_only):
        while process.run(["umount", "--lazy", path], server.environment()).ok:
            pass
    for folder in (repository.configuration, record["storage"], repository.spool):
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        os.rmdir(repository.mount)
    for path in record["keys"]:
        with suppress(FileNotFoundError):
            os.unlink(path)
    if os.path.exists(repository.configuration) or os.path.exists(repository.spool):
        raise ServerError(
            f"repository: {repository.name}: its making was broken off, and what is left in {repository.configuration} "
            f"and {repository.spool} cannot be removed"
        )


def wipe(repository: Repository, open_files_timeout: float) -> None:
    """Remove a repository or a replica that is there.

    :raises ServerError: files in it are open, or ``rmfs`` failed.
    """
    left = descriptors.until_closed(repository.mount, open_files_timeout)
    if left:
        raise ServerError(
            f"repository: {repository.name} cannot be removed while files in it are open, waited "
            f"{open_files_timeout} s: {descriptors.named(left)}. End these processes",
            open_files=[str(holder) for holder in left],
        )
    completed = server.run(["rmfs", "-f", repository.name])
    if not completed.ok or os.path.exists(repository.configuration):
        raise ServerError(
            f"repository: {repository.name} cannot be removed: {server.said(completed)}", **completed.details()
        )
