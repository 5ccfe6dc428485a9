# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening, publishing and aborting a transaction of ``cvmfs_server``, each proved by what the repository is then.

An exit status alone proves nothing: ``abort`` has ended with 0 beside mounts that it left broken, and ``publish``
with a failure after the new revision was signed (CernVM-FS 2.12).
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import descriptors, server
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, ServerError

OPEN_SECONDS = 600  # a template is cloned while a transaction opens
ABORT_SECONDS = 600


@dataclass(frozen=True)
class Published:
    """What a publish made: the revision that readers get, and what has to be told of how it went."""

    revision: int
    warnings: tuple[str, ...] = ()


def open_transaction(repository: Repository, lease: str = "", template: tuple[str, str] | None = None) -> None:
    """Open a transaction.

    :param lease: the path in the repository to be leased, where a gateway hands out leases.
    :param template: two paths in the repository: the second begins as a clone of the first, which copies nothing.
    :raises BusyError: somebody was faster, or has the lease.
    :raises ServerError: it cannot be opened; none is.
    """
    words = ["transaction"]
    if template:
        words += ["-T", "=".join(template)]
    words.append(f"{repository.name}/{lease}" if lease else repository.name)
    completed = server.run(words, OPEN_SECONDS)
    if completed.returncode in (errno.EEXIST, errno.EBUSY):
        what = "lease" if completed.returncode == errno.EBUSY else "transaction"
        raise BusyError(
            f"repository: {repository.name}: somebody else has just taken the {what}: {server.said(completed)}",
            **completed.details(),
        )
    if completed.ok and is_writable(repository):
        return
    fault = f"repository: {repository.name}: no transaction could be opened: {server.said(completed)}"
    if os.path.exists(repository.transaction_lock):  # ours: status 17 would have told of another's
        abort(repository)
    raise ServerError(fault, **completed.details())


def is_writable(repository: Repository) -> bool:
    """Whether a transaction is open, and the repository can be written to."""
    return os.path.exists(repository.transaction_lock) and "ro" not in repository.mount_options()


def publish(
    repository: Repository,
    tag: str = "",
    message: str = "",
    wait: float = 60,
    force: bool = False,
    time_limit: float | None = None,
) -> Published:
    """Publish the transaction that is open. When it fails, the transaction is still open.

    :param tag: name of the snapshot that it makes; empty: as the repository's settings have it.
    :param wait: seconds to wait for what others have open below the mount.
    :param force: publish although somebody still has files open for reading; they lose them.
    :param time_limit: seconds.
    :raises ServerError: something is open there, or ``cvmfs_server`` failed; nothing was published.
    """
    left = descriptors.until_closed(repository.mount, wait, readers_too=not force)
    if left:
        remedy = "" if any(holder.writable for holder in left) else ", or publish with force, which takes them away"
        raise ServerError(
            f"repository: {repository.name}: files below {repository.mount} are open, waited {wait:g} s: "
            f"{descriptors.named(left)}. End these processes{remedy}",
            open_files=[str(holder) for holder in left],
        )
    before = repository.manifest().revision
    words = (
        ["publish"] + (["-f"] if force else []) + (["-a", tag] if tag else []) + (["-m", message] if message else [])
    )
    completed = server.run([*words, repository.name], time_limit)
    now = repository.manifest().revision
    if completed.ok and now > before:
        return Published(now)
    if now == before:
        raise ServerError(
            f"repository: {repository.name}: nothing could be published: {server.said(completed)}",
            **completed.details(),
        )
    if os.path.exists(repository.transaction_lock):
        abort(repository)
    return Published(
        now,
        (
            f"repository: {repository.name}: revision {now} is published, but the server's own mount had to be put "
            f"right after it: {server.said(completed)}",
        ),
    )


def abort(repository: Repository, wait: float = 60) -> None:
    """Abort the transaction that is open, until the mount proves that it is.

    :param wait: seconds to wait for what others have open below the mount, after a first try.
    :raises ServerError: the repository is still not as it was before; the message names who hinders it.
    """
    last = _try_abort(repository)
    if last is not None and os.path.exists(repository.transaction_lock):
        left = descriptors.until_closed(repository.mount, wait)
        if os.geteuid() == 0:
            for path in (repository.mount, repository.read_only):
                process.run(["umount", "--lazy", path], server.environment())
        last = _try_abort(repository)
        if last is not None and os.path.exists(repository.transaction_lock):
            hindered = f"; open there: {descriptors.named(left)}" if left else ""
            raise ServerError(
                f"repository: {repository.name}: its transaction could not be aborted: {server.said(last)}{hindered}. "
                f"Put it right with `{server.PROGRAM} abort -f {repository.name}`",
                **last.details(),
            )
    if last is not None:
        mount(repository)  # an abort mounts the revision before, where a publish died between signing and saying so


def _try_abort(repository: Repository) -> process.Completed | None:
    """Abort once; none where that is proved, else what the command said."""
    completed = server.run(["abort", "-f", repository.name], ABORT_SECONDS)
    return None if is_closed(repository) else completed


def is_closed(repository: Repository) -> bool:
    """Whether no transaction is open, and the mounts are those of the newest revision."""
    return not os.path.exists(repository.transaction_lock) and server.is_healthy(repository)


def mount(repository: Repository) -> None:
    """Mount a repository again whose mounts are lost, as after a reboot, or not those of the newest revision.

    :raises ServerError: it cannot be.
    """
    completed = server.run(["mount", repository.name])
    if not is_closed(repository):
        raise ServerError(
            f"repository: {repository.name}: {repository.mount} is not mounted as published, and `{server.PROGRAM} "
            f"mount` does not help: {server.said(completed)}",
            **completed.details(),
        )
