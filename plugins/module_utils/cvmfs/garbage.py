# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Garbage collection, of a stratum-0 and of a replica alike.

``cvmfs_server gc`` of CernVM-FS 2.12 does not say what it gave back: it logs what it deletes where it is told to, and
counts bytes in its statistics where ``CVMFS_EXTENDED_GC_STATS`` is set in ``server.conf``.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import Any, Iterator, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import locks
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import ownership, server, session
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, ServerError, TimeLimitError

COUNT_BYTES = "CVMFS_EXTENDED_GC_STATS"
POLL_SECONDS = 0.5
DAY = 86400


def wait_until_free(path: str, deadline: float, message: str) -> None:
    """Wait until nobody holds a flock on a file.

    :param deadline: by time.monotonic().
    :raises BusyError: with this message, when somebody still does.
    """
    while locks.is_held(path):
        if time.monotonic() >= deadline:
            raise BusyError(message)
        time.sleep(POLL_SECONDS)


def faults_of(params: Mapping[str, Any]) -> list[str]:
    """What is wrong with what a module was told of garbage collection."""
    faults = []
    if params["garbage_days"] < 0:
        faults.append(f"garbage_days: {params['garbage_days']} is not a number of days")
    if params["time_limit"] <= 0:
        faults.append(f"time_limit: {params['time_limit']} is not a number of seconds above 0")
    return faults


def collect(
    repository: Repository, settings: Mapping[str, str], days: int, time_limit: float, check_mode: bool = False
) -> dict[str, Any]:
    """Remove what no revision, tag or recent past needs. The repository is held, unless this is for check mode.

    :param days: revisions are kept that were the newest within so many, for clients that have not moved on.
    :returns: ``objects`` removed; ``bytes`` given back, none where they are not counted; ``seconds``.
    :raises ServerError: it is off, or failed.
    """
    site_log = "" if check_mode else settings.get("CVMFS_GC_DELETION_LOG", "")
    log = site_log or os.path.join(repository.spool, "julia_depots.deleted" + (f".{os.getpid()}" if check_mode else ""))
    if not site_log:
        _forget(log)  # that of a collection that died
    begin = os.path.getsize(log) if os.path.exists(log) else 0
    words = ["gc", "-f", "-t", f"{days * DAY} seconds ago", "-L", log] + (["-d"] if check_mode else [])
    before = last_statistics(repository, settings)
    try:
        with _as_owner(repository, settings, check_mode):
            completed = server.must_run(
                [*words, repository.name],
                f"repository: {repository.name}: its garbage cannot be collected",
                time_limit,
            )
        objects = logged(log, begin)
    except ServerError as error:
        error.message += _remedy(error.message)
        raise
    finally:
        if not site_log:
            _forget(log)
    after = last_statistics(repository, settings)
    counted = after[1] if after and after != before else None
    return {
        "objects": objects,
        "bytes": 0 if not objects else None if check_mode else counted,
        "seconds": round(completed.seconds, 3),
    }


def _forget(log: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(log)


def _remedy(message: str) -> str:
    if "not enabled" in message:
        return ". Switch it on with garbage_collection, or settings: CVMFS_GARBAGE_COLLECTION"
    if "does not allow garbage collection" in message:
        return ". It was switched on after the last publish; publish something, and it is"
    return ""


@contextmanager
def _as_owner(repository: Repository, settings: Mapping[str, str], check_mode: bool) -> Iterator[None]:
    """Own the transaction that a collection on a stratum-0 opens, so that one that dies with us is recovered."""
    if check_mode or settings.get("CVMFS_REPOSITORY_TYPE") != "stratum0":
        yield
        return
    ownership.record(repository, ownership.this_process("collect its garbage"))
    try:
        yield
    except (ServerError, TimeLimitError):
        if ownership.mark_of(repository):
            session.abort(repository)
        raise
    finally:
        if not ownership.mark_of(repository):
            ownership.forget(repository)


def logged(path: str, begin: int) -> int:
    """How many objects a log of deletions names."""
    try:
        with open(path, "rb") as stream:
            stream.seek(begin)
            return sum(1 for line in stream if line.strip() and not line.startswith(b"#"))
    except FileNotFoundError:
        return 0


def last_statistics(repository: Repository, settings: Mapping[str, str]) -> tuple[int, int | None] | None:
    """Number and counted bytes of the last collection in the statistics; none where these cannot be read."""
    path = settings.get("CVMFS_STATISTICS_DB") or os.path.join(repository.spool, "stats.db")
    try:
        import sqlite3  # here, since some builds of Python come without
    except ImportError:
        return None
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            row = connection.execute(
                "SELECT gc_id, sz_condemned_bytes FROM gc_statistics ORDER BY gc_id DESC LIMIT 1"
            ).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    if row is None:
        return None
    return int(row[0]), int(row[1]) if row[1] not in (None, "") else None
