# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``transaction``, ``abort`` and ``publish``."""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from . import descriptors, trees
from .mounts import Health, mounts_of
from .repository import Manifest, Repository, head_tag
from .speech import CommandError, say, silence, warn

TRANSACTION_ERROR = "CernVM-FS transaction error: "


def working_directory_is_in(folder: Path) -> bool:
    """Whether this process was started in a folder or below."""
    return Path(os.getcwd()).is_relative_to(folder)


def _release_message(union: Path) -> str:
    return f"Current working directory is in {union}.  Please release, e.g. by 'cd $HOME'."


def native_repository(name: str) -> Repository:
    """The repository for a command of ``cvmfs_publish``, which ignores what follows a slash.

    Raises:
        CommandError: with status 1 if there is none, or the user may not write to it
    """
    fqrn = name.partition("/")[0]
    repository = Repository(fqrn)
    if not repository.exists() or not repository.is_stratum0:
        text = "Unable to find the configuration file `server.conf` for the cvmfs publisher: "
        raise CommandError(1, f"CernVM-FS error: {text}{fqrn}\n")
    if not repository.user_is_owner_or_root:
        raise CommandError(1, "Permission error: No write permission to repository\n")
    return repository


# Opening and closing, for these commands and for those that open a transaction of their own


def open_transaction(repository: Repository) -> None:
    """Open a transaction as the scripts do for tag, rollback and gc."""
    repository.set_in_transaction()
    if not mounts_of(repository).open():
        raise CommandError(1, f"Failed to make {repository.union} writable\n")


def close_transaction(repository: Repository, force: bool = False, before_unlock: str = "") -> None:
    """Close a transaction: both mounts go down, and come up with the newest revision.

    Args:
        repository: the repository
        force: take the mounts down lazily from the start
        before_unlock: the step that is passed when only the lock is left
    """
    if not repository.in_transaction:
        return
    mounts = mounts_of(repository)
    if not force:
        force = not (mounts.umount_union() and mounts.umount_readonly())
    if force:
        mounts.umount_union(lazily=True)
        mounts.umount_readonly(lazily=True)
    mounts.clear_scratch()
    with silence():
        mounts.mount_readonly()
        mounts.mount_union()
    if before_unlock:
        repository.step(before_unlock)
    repository.cloned.unlink(missing_ok=True)
    repository.in_transaction_file.unlink()
    repository.token.unlink(missing_ok=True)


@contextmanager
def own_transaction(repository: Repository) -> Iterator[None]:
    """A transaction of a command's own, closed however it ends."""
    open_transaction(repository)
    try:
        yield
    finally:
        close_transaction(repository)


# transaction


def _overlaps(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _acquire_lease(repository: Repository, path: str) -> None:
    """Take the lease of a gateway, and look whether the path can be changed.

    Raises:
        CommandError: 16 if somebody has leased the path, 2 or 20 if its parent is missing or no folder
    """
    if repository.is_gateway:
        leases = repository.settings.get("leases", [])
        if any(not path or not lease or _overlaps(path, lease.strip("/")) for lease in leases):
            raise CommandError(errno.EBUSY, f"{TRANSACTION_ERROR}lease path busy\n")
        repository.write(repository.token, f"emulation {path}\n")
    if not path:
        return
    parent = "/" + str(Path(path).parent) if "/" in path else ""
    target = repository.tree(repository.manifest.root) / parent.lstrip("/")
    if not os.path.lexists(target):
        raise CommandError(errno.ENOENT, f"{TRANSACTION_ERROR}cannot open transaction on non-existing path {parent}\n")
    if target.is_symlink() or not target.is_dir():
        text = f"cannot open transaction on {parent}, which is not a directory"
        raise CommandError(errno.ENOTDIR, f"{TRANSACTION_ERROR}{text}\n")


def _try_to_lock(repository: Repository, path: str) -> None:
    if repository.in_transaction:
        raise CommandError(errno.EEXIST, f"{TRANSACTION_ERROR}another transaction is already open\n")
    repository.step("transaction:before-lock")
    repository.set_in_transaction()
    try:
        _acquire_lease(repository, path)
    except CommandError:
        repository.token.unlink(missing_ok=True)
        repository.in_transaction_file.unlink()
        raise


def transaction(options: dict[str, str], name: str) -> None:
    """``transaction [-t SECONDS] [-T FROM=TO] FQRN[/PATH]``."""
    repository = native_repository(name)
    repository.step("transaction:start")
    if repository.whitelist_expired:
        raise CommandError(errno.EIO, "cannot load whitelist [expired whitelist]\n")
    if (repository.whitelist_seconds or 0) < 12 * 3600:
        say("Warning: Repository whitelist stays valid for less than 12 hours!")
    try:
        Health(repository, native=True).repair()
    except CommandError:
        text = "(unexpected termination) cannot establish writable mountpoint\n\nStacktrace:\n\n"
        raise CommandError(1, text) from None
    limit = int(options["t"]) if "t" in options else -1
    deadline = time.monotonic() + limit
    path = os.path.normpath(name.partition("/")[2]).strip("/") if "/" in name else ""
    delay = 0.25
    while True:
        try:
            _try_to_lock(repository, path)
            break
        except CommandError as error:
            busy = error.status in (errno.EEXIST, errno.EBUSY)
            if not busy or (limit != 0 and time.monotonic() > deadline):
                raise
        say("repository busy, retrying")
        time.sleep(random.uniform(0.05, delay))
        delay = min(delay * 2, 5)
    repository.step("transaction:after-lock")
    if "T" in options:
        _clone(repository, *(word.strip("/") for word in options["T"].split("=")))
    if not mounts_of(repository).open():
        raise CommandError(1, f"(unexpected termination) Trying to remount {repository.union} read/write... fail\n")
    repository.step("transaction:after-open")


def _clone(repository: Repository, source: str, target: str) -> None:
    """Open on a revision, signed by nobody, in which one folder is a copy of another."""
    published = repository.tree(repository.manifest.root)
    say(f"CernVM-FS: cloning template {source} --> {target} ... ", end="")
    missing = next((path for path in (source, os.path.dirname(target)) if not (published / path).is_dir()), None)
    fault = f"path '{missing}' cannot be found" if missing is not None else ""
    if os.path.lexists(published / target):
        fault = f"destination '{target}' exists"
    if fault:
        repository.in_transaction_file.unlink()
        text = f"cannot clone directory tree. PANIC: catalog_mgr_rw.cc\n{fault}, aborting\n"
        raise CommandError(errno.EINVAL, TRANSACTION_ERROR + text)
    with tempfile.TemporaryDirectory(dir=repository.spool / "tmp") as folder:
        for origin, copy in ((published, folder), (published / source, os.path.join(folder, target))):
            os.makedirs(copy, exist_ok=True)
            for _unused in trees.copy(str(origin), copy):
                pass
        manifest = repository.store_revision(Path(folder), repository.manifest)
    mounts = mounts_of(repository)
    with silence():
        mounts.umount_union(lazily=True)
        mounts.umount_readonly(lazily=True)
        mounts.want(manifest.root)
        mounts.mount_readonly()
        mounts.mount_union()
    repository.write(repository.cloned, str(manifest.revision))
    say("[done]")


def mount(names: Sequence[str]) -> None:
    """``mount FQRN...``, also where a transaction is open."""
    for name in names:
        repository = Repository(name)
        if not repository.exists():
            raise CommandError(1, f"The repository {name} does not exist.\n")
        Health(repository, native=False).repair(in_transaction=True)


# abort


def _report_native(repository: Repository, force: bool) -> None:
    found = descriptors.below(str(repository.union))
    if not found:
        return
    if force:
        say(f"WARNING: Open file descriptors on {repository.union} (possible race!)")
        say("The following lsof report might show the culprit:\n")
    else:
        say(
            f"\nWARNING! There are open read-only file descriptors in {repository.union}\n"
            "  --> This is potentially harmful and might cause problems later on.\n"
            "      We can anyway perform the requested operation, but this will most likely\n"
            f"      break other processes with open file descriptors on {repository.union}!\n\n"
            "      The following lsof report might show the processes with open file handles\n"
        )
    for entry in found:
        say(f"{entry.executable} {entry.pid} {entry.owner} {entry.path}")
    if not force:
        _ask_native("\n      Do you want to proceed anyway? (y/N) ")


def _ask_native(question: str) -> None:
    """Ask as ``cvmfs_publish`` does, for which the end of the input is a yes."""
    say(question, end="")
    answer = sys.stdin.readline()
    if answer and answer[0] not in "yY":
        raise CommandError(errno.EINTR)


def abort(options: dict[str, str], name: str) -> None:
    """``abort [-f] FQRN``."""
    repository = native_repository(name)
    repository.step("abort:start")
    if working_directory_is_in(repository.union):
        raise CommandError(1, stdout=_release_message(repository.union) + "\n")
    force = "f" in options
    if not force:
        question = "You are about to DISCARD ALL CHANGES OF THE CURRENT TRANSACTION"
        _ask_native(f"{question} for {repository.fqrn}!  Are you sure (y/N)? ")
    _report_native(repository, force)
    repository.require_native_whitelist()
    if not repository.publishing.acquire():
        raise CommandError(errno.EINVAL, f"Could not acquire lock {repository.publishing.path}\n")
    try:
        _abort(repository)
    finally:
        repository.publishing.release()


def _abort(repository: Repository) -> None:
    if not repository.in_transaction:
        repository.token.unlink(missing_ok=True)
        raise CommandError(errno.EINVAL, f"Repository {repository.fqrn} is not in a transaction\n")
    repository.token.unlink(missing_ok=True)
    repository.publishing.release()
    try:
        Health(repository, native=True).repair(in_transaction=True)
    except CommandError:
        raise CommandError(errno.EIO, "publisher file system mount state is broken\n") from None
    finally:
        repository.publishing.acquire()
    mounts = mounts_of(repository)
    repository.step("abort:umount")
    if not mounts.umount_union():
        warn(f"Trying to unmount {repository.union}... fail")
        mounts.umount_union(lazily=True)
        mounts.umount_readonly(lazily=True)
    elif not mounts.umount_readonly():
        warn(f"Trying to unmount {repository.readonly}... fail")
        mounts.umount_readonly(lazily=True)
    repository.step("abort:before-clear")
    mounts.clear_scratch()
    repository.step("abort:before-mount")
    if not (mounts.mount_readonly() and mounts.mount_union()):
        raise CommandError(errno.EIO, f"Trying to mount {repository.union}... fail\n")
    repository.step("abort:before-unlock")
    repository.cloned.unlink(missing_ok=True)
    repository.in_transaction_file.unlink()


# publish


def require_free_tag_name(repository: Repository, tag: str) -> None:
    """Raise CommandError if a tag's name is in use or not allowed."""
    if " " in tag:
        raise CommandError(1, "Spaces are not allowed in tag names\n")
    if any(known.name == tag for known in repository.tags()):
        raise CommandError(1, f"Tag name '{tag}' is already in use.\n")


def _refuse(text: str) -> CommandError:
    return CommandError(1, stdout=text + "\n")


def _lsof_table(union: str) -> str:
    rows = [
        (Path(entry.executable).name[:9], str(entry.pid), entry.owner, entry.path) for entry in descriptors.below(union)
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "".join(
        "  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3]]) + "\n"
        for row in rows
    )


def _warn_of_descriptors(union: str) -> None:
    say(f"WARNING: Open file descriptors on {union} (possible race!)")
    say("         The following lsof report might show the culprit:\n")
    say(_lsof_table(union))


def _handle_readers(repository: Repository, force: bool) -> bool:
    """Ask, or warn, if somebody reads below the union; whether the remount must be forced."""
    union = str(repository.union)
    if not any(not entry.writable for entry in descriptors.below(union)):
        return False
    if force:
        _warn_of_descriptors(union)
        return True
    say(
        f"\nWARNING! There are open read-only file descriptors in {union}\n"
        "  --> This is potentially harmful and might cause problems later on.\n"
        "      We can anyway perform the requested operation, but this will most likely\n"
        f"      break other processes with open file descriptors on {union}!\n\n"
        "      The following lsof report might show the processes with open file handles\n      "
    )
    say(_lsof_table(union))
    say("         Do you want to proceed anyway? (y/N) ", end="")
    if sys.stdin.readline().strip() not in ("y", "Y"):
        raise _refuse("aborted.")
    return True


def require_to_publish(repository: Repository) -> None:
    """The checks of ``publish`` before it changes anything.

    Raises:
        CommandError: with status 1 if the repository cannot be published
    """
    if not repository.is_stratum0:
        raise CommandError(1, "This is not a stratum 0 repository\n")
    if repository.publishing.is_held():
        raise CommandError(1, f"Another publish process is active for {repository.fqrn}\n")
    Health(repository, native=False, ignore_outdated=True).repair()
    if not repository.user_is_owner_or_root:
        raise _refuse(f"Permission denied: Repository {repository.fqrn} is owned by {repository.owner}")
    if repository.whitelist_expired:
        raise _refuse(f"Repository whitelist for {repository.fqrn} is expired!")
    if not repository.in_transaction:
        raise _refuse(f"Repository {repository.fqrn} is not in a transaction")
    if any(entry.writable for entry in descriptors.below(str(repository.union))):
        raise _refuse(f"Open writable file descriptors on {repository.fqrn}")
    if working_directory_is_in(repository.union):
        raise _refuse(_release_message(repository.union))


def _automatic_tag(repository: Repository) -> str:
    if repository.configured.get("CVMFS_AUTO_TAG") != "true":
        return ""
    names = {tag.name for tag in repository.tags()}
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    tag, number = f"generic-{moment}", 1
    while tag in names:
        tag, number = f"generic_{number}-{moment}", number + 1
    say(f"Using auto tag '{tag}'")
    return tag


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise CommandError(128 + number)


def publish(options: dict[str, str], name: str) -> None:
    """``publish [-f] [-a TAG] [-m MESSAGE] FQRN``."""
    repository = Repository(name.partition("/")[0])
    tag = options.get("a", "")
    if not repository.exists():
        raise CommandError(1, f"The repository {repository.fqrn} does not exist.\n")
    repository.step("publish:start")
    if tag:
        require_free_tag_name(repository, tag)
    require_to_publish(repository)
    tag = tag or _automatic_tag(repository)
    force = _handle_readers(repository, "f" in options)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    if not repository.publishing.acquire():
        raise CommandError(1, "Failed to acquire publishing lock\n")
    try:
        if not mounts_of(repository).lock():
            raise CommandError(32)
        manifest = _sync(repository, tag, re.sub(r"\s+", " ", options.get("m", "")))
        _commit(repository, manifest, force)
    except CommandError:
        # What has not been committed stays open.
        repository.publishing.release()
        if repository.in_transaction:
            mounts_of(repository).open()
        raise
    repository.publishing.release()


def _sync(repository: Repository, tag: str, description: str) -> Manifest:
    """Store the content and the tags of the new revision."""
    repository.step("publish:before-sync")
    say("Swissknife Sync: Processing changes...")
    previous = repository.manifest
    if repository.cloned.exists():
        previous = replace(previous, revision=int(repository.cloned.read_text()))
    manifest = repository.store_revision(repository.union, previous)
    say("Waiting for upload of files before committing...")
    say("Committing file catalogs...")
    say("Swissknife Sync: Wait for all uploads to finish")
    say("Swissknife Sync: Exporting repository manifest")
    say(f"Statistics stored at: {repository.spool}/stats.db")
    repository.step("publish:after-sync")
    say(f"Tagging {repository.fqrn}")
    new = head_tag(manifest, tag, description) if tag else None
    return replace(manifest, history=repository.store_tags(repository.moved_tags(manifest, new)))


def _commit(repository: Repository, manifest: Manifest, force: bool) -> None:
    """Publish the new revision and mount it."""
    say("Flushing file system buffers")
    say("Signing new manifest")
    repository.step("publish:before-sign")
    repository.sign(manifest)
    mounts_of(repository).want(manifest.root)
    repository.step("publish:after-sign")
    if not force and descriptors.below(str(repository.union)):
        _warn_of_descriptors(str(repository.union))
        say("Forcing remount of already committed repository revision")
        force = True
    else:
        say("Remounting newly created repository revision")
    repository.step("publish:before-remount")
    close_transaction(repository, force, "publish:after-remount")
