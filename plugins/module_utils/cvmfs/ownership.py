# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a transaction is, and one lock for everything that writes to a repository.

CernVM-FS marks a transaction by an empty file, which does not say whose it is. So a record beside it does, and tells
by the mark's inode and time of which transaction it speaks. A lock of our own (flock(2)) is held by whoever of this
collection publishes, removes tags, collects garbage or renews the whitelist; while it can be taken, nobody of us is
at work, and a transaction of ours that is open then has lost its owner.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from typing import Any, Iterator

from ansible_collections.scisoft.julia_depots.plugins.module_utils import kernel, locks
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import descriptors, server, session, whitelist
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import read_json, write_json

POLL_SECONDS = 0.5
# An owner that died while its transaction opened could not write down which it was. One that began within this time
# and holds no change is taken for it.
OPENING_SECONDS = 60


@dataclass(frozen=True)
class Owner:
    """Who has a transaction open.

    :param boot: which boot of the host (proc(5), random/boot_id).
    :param pid: the process; 0 where none stays with the transaction, which several tasks share.
    :param run: what these tasks call themselves.
    :param purpose: what it is for, in words.
    :param since: seconds since the epoch.
    :param lifetime: seconds after which a shared transaction counts as abandoned.
    :param mark: inode and time in ns of CernVM-FS's own mark of it; empty while it opens.
    """

    host: str
    boot: str
    pid: int
    run: str
    purpose: str
    since: float
    lifetime: float = 0.0
    mark: tuple[int, ...] = ()

    def __str__(self) -> str:
        begun = datetime.fromtimestamp(self.since, timezone.utc).isoformat(timespec="seconds")
        who = f"process {self.pid}" if self.pid else f"run {self.run!r}"
        return f"{who} on {self.host}, since {begun}, to {self.purpose}"


def this_process(purpose: str, run: str = "", lifetime: float = 0.0) -> Owner:
    """This process as the owner of a transaction, or, with a lifetime, a run of which it is a part."""
    return Owner(
        host=socket.gethostname(),
        boot=_boot(),
        pid=0 if lifetime else os.getpid(),
        run=run,
        purpose=purpose,
        since=time.time(),
        lifetime=lifetime,
    )


def _boot() -> str:
    return kernel.read("/proc/sys/kernel/random/boot_id")


def mark_of(repository: Repository) -> tuple[int, ...]:
    """What tells a transaction that is open from every other; empty where none is."""
    try:
        status = os.stat(repository.transaction_lock)
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_mtime_ns


def record(repository: Repository, owner: Owner) -> None:
    """Write down who opens a transaction, or has opened it."""
    write_json(repository.owner_record, asdict(owner))
    _give(repository, repository.owner_record)


def forget(repository: Repository) -> None:
    """A transaction has ended."""
    with suppress(FileNotFoundError):
        os.unlink(repository.owner_record)


def owner_of(repository: Repository) -> Owner | None:
    """Who of this collection has the transaction that is open; none where it is a stranger's, or there is none."""
    mark = mark_of(repository)
    known = read_json(repository.owner_record) or {}
    if not mark or {field.name for field in fields(Owner)} != set(known):
        return None
    owner = Owner(**dict(known, mark=tuple(known["mark"])))
    if owner.mark:
        return owner if owner.mark == mark else None
    begun = mark[1] / 1e9
    is_ours = owner.since - 1 <= begun <= owner.since + OPENING_SECONDS and is_unchanged(repository)
    return owner if is_ours else None


def is_unchanged(repository: Repository) -> bool:
    """Whether a transaction has changed nothing yet: the upper layer of its overlay is empty."""
    try:
        return repository.settings().get("CVMFS_UNION_FS_TYPE") == "overlayfs" and not os.listdir(repository.changes)
    except OSError:
        return False


def _is_abandoned(owner: Owner) -> bool:
    """Whether an owner is gone for sure; the lock is held by who asks, so a process that had it is."""
    if owner.host != socket.gethostname():
        return False
    return owner.boot != _boot() or not owner.lifetime or time.time() > owner.since + owner.lifetime


@contextmanager
def exclusive(repository: Repository, wait: float, purpose: str, run: str = "") -> Iterator[list[dict[str, str]]]:
    """Hold a repository against every other writer, after what a dead one of ours left has been put right.

    :param wait: seconds to wait in all for another of ours, and for a stranger's transaction.
    :param purpose: what for, in words that follow ``to``; others who wait are told.
    :param run: whose transaction may stay open, as its own tasks go on with it.
    :returns: what had to be recovered, an entry each with ``what``, ``path`` and ``status``.
    :raises BusyError: another has it longer than that; the message says all that is known of it.
    :raises ServerError: what was left could not be put right.
    """
    deadline = time.monotonic() + wait
    with held(repository, wait, purpose):
        yield _settled(repository, deadline, wait, run)


@contextmanager
def held(repository: Repository, wait: float, purpose: str) -> Iterator[None]:
    """Hold the lock alone, whatever the repository's state.

    :raises BusyError: another of ours holds it longer than ``wait`` seconds.
    """
    descriptor = os.open(repository.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _give(repository, repository.lock)
        try:
            locks.acquire(descriptor, wait, f"repository: {repository.name} is being written to")
        except BusyError as error:
            raise BusyError(f"{error.message}. Held by: {locks.read_holder(descriptor)}") from None
        locks.write_holder(descriptor, purpose)
        yield
    finally:
        os.close(descriptor)


def _give(repository: Repository, path: str) -> None:
    """Let the repository's owner use a file that root has made."""
    if os.geteuid() == 0:
        folder = os.stat(repository.spool)
        os.chown(path, folder.st_uid, folder.st_gid)


def _settled(repository: Repository, deadline: float, wait: float, run: str) -> list[dict[str, str]]:
    """Bring a repository to where a transaction can be opened; what had to be done for that."""
    while True:
        owner = owner_of(repository)
        if run and owner and owner.run == run:
            return []
        hindrance = ""
        if repository.is_publishing():
            hindrance = "a publish or an abort goes on"
        elif locks.is_held(repository.lock_of("collecting")):
            hindrance = "a check or a garbage collection goes on"
        if not hindrance:
            if owner and _is_abandoned(owner):
                return _recover(repository, owner)
            if not mark_of(repository):
                recovered = _mount_again(repository)
                forget(repository)
                return recovered
            hindrance = "a transaction is open"
        if time.monotonic() >= deadline:
            there = describe(repository)
            known = f": {there['text']}. It is left alone: publish or abort it where it was begun" if there else ""
            raise BusyError(
                f"repository: {repository.name}: {hindrance}, waited {wait:g} s{known}; run again later",
                transaction=there,
            )
        time.sleep(POLL_SECONDS)


def _mount_again(repository: Repository) -> list[dict[str, str]]:
    if not lost(repository):
        return []
    session.mount(repository)
    return [{"what": "mount", "path": repository.mount, "status": "mounted"}]


def _recover(repository: Repository, owner: Owner) -> list[dict[str, str]]:
    renewed, _warnings = whitelist.keep_valid(repository, 0)  # with one that has expired, nothing can be aborted
    session.abort(repository)
    forget(repository)
    return [{"what": "whitelist", "path": repository.mount, "status": "renewed"}] * len(renewed) + [
        _aborted(repository, owner)
    ]


def _aborted(repository: Repository, owner: Owner) -> dict[str, str]:
    return {"what": "transaction", "path": repository.mount, "status": "aborted", "owner": str(owner)}


def left_behind(repository: Repository) -> list[dict[str, str]]:
    """What the next one of ours will recover, as far as it can be told without the lock."""
    owner = owner_of(repository)
    if owner and _is_abandoned(owner) and not (owner.pid and _is_alive(owner)):
        return [_aborted(repository, owner)]
    if not mark_of(repository) and lost(repository):
        return [{"what": "mount", "path": repository.mount, "status": "mounted"}]
    return []


def _is_alive(owner: Owner) -> bool:
    return os.path.exists(f"/proc/{owner.pid}")


def lost(repository: Repository) -> bool:
    """Whether a repository that is in no transaction is not mounted as it should be.

    That is looked at closely only where something is amiss: it is not mounted, or one of ours died while it aborted.
    """
    if "ro" in repository.mount_options() and not os.path.exists(repository.owner_record):
        return False
    return not server.is_healthy(repository)


def describe(repository: Repository) -> dict[str, Any] | None:
    """All that is known of the transaction that is open; none where none is.

    :returns: ``text`` in words; ``ours``, ``since`` (seconds since the epoch), ``user``, and ``open_files``.
    """
    try:
        status = os.stat(repository.transaction_lock)
    except FileNotFoundError:
        if not repository.is_publishing():
            return None
        status = os.stat(repository.publishing_lock)
    owner = owner_of(repository)
    holders = descriptors.below(repository.mount)
    begun = datetime.fromtimestamp(status.st_mtime, timezone.utc).isoformat(timespec="seconds")
    text = f"it belongs to {owner}" if owner else f"it was not begun by this collection, but since {begun}"
    if holders:
        text += f"; open there: {descriptors.named(holders)}"
    return {
        "text": text,
        "ours": owner is not None,
        "since": status.st_mtime,
        "open_files": [str(holder) for holder in holders],
    }
