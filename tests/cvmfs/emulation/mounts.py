# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two mounts of a repository, the read-only branch and the union, in both modes; and their health."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import descriptors, trees
from .repository import Repository
from .speech import CommandError, say, warn


def _run(*command: str | Path) -> bool:
    """Run mount or umount; their messages go to the standard error, as from the real helper."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    sys.stderr.write(result.stderr)
    sys.stderr.flush()
    return result.returncode == 0


def _mount_record(path: Path) -> tuple[str, set[str]] | None:
    """The root and the options of what is mounted on a folder last, from ``/proc/self/mountinfo``."""
    found = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[4] == str(path):
            found = fields[3], set(fields[5].split(","))
    return found


class Mounts:
    """What both modes share. Methods that change a mount return whether it worked."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    @property
    def mounted_root(self) -> str | None:
        """Root hash of the revision in the read-only branch, None if it is not mounted."""
        raise NotImplementedError

    @property
    def union_writable(self) -> bool | None:
        """Whether the union is writable, None if it is not mounted."""
        raise NotImplementedError

    def mount_readonly(self) -> bool:
        """Mount the revision that ``client.local`` names."""
        tree = self.repository.tree(self.wanted_root)
        if not tree.is_dir() or not self._mount_readonly(tree):
            return False
        say("CernVM-FS: running with suid support")
        say("CernVM-FS: loading Fuse module... done")
        say(f"CernVM-FS: mounted cvmfs on {self.repository.readonly}")
        return True

    @property
    def wanted_root(self) -> str:
        """The root hash in ``client.local``."""
        return self.repository.client_settings.read_text().strip().partition("=")[2]

    def want(self, root: str) -> None:
        """Write the root hash that the read-only branch is to show."""
        self.repository.write(self.repository.client_settings, f"CVMFS_ROOT_HASH={root}\n")

    def _mount_readonly(self, tree: Path) -> bool:
        raise NotImplementedError

    def mount_union(self) -> bool:
        """Mount the union, read-only."""
        raise NotImplementedError

    def open(self) -> bool:
        """Make the union writable."""
        raise NotImplementedError

    def lock(self) -> bool:
        """Make the union read-only."""
        raise NotImplementedError

    def umount_union(self, lazily: bool = False) -> bool:
        """Take the union down."""
        raise NotImplementedError

    def umount_readonly(self, lazily: bool = False) -> bool:
        """Take the read-only branch down."""
        raise NotImplementedError

    def clear_scratch(self) -> None:
        """Throw away what the transaction has written."""
        wastebin = tempfile.mkdtemp(prefix="waste.", dir=self.repository.spool / "scratch" / "wastebin")
        os.rename(self.repository.scratch, os.path.join(wastebin, "delete-me"))
        self.repository.folder(self.repository.scratch)
        self.repository.discard(Path(wastebin))


class OverlayMounts(Mounts):
    """The union is an overlay mount, the read-only branch a bind mount of the revision's tree."""

    @property
    def mounted_root(self) -> str | None:
        record = _mount_record(self.repository.readonly)
        return record[0].rpartition("/")[2] if record else None

    @property
    def union_writable(self) -> bool | None:
        record = _mount_record(self.repository.union)
        return "rw" in record[1] if record else None

    def _mount_readonly(self, tree: Path) -> bool:
        path = self.repository.readonly
        return _run("mount", "--bind", tree, path) and _run("mount", "-o", "remount,bind,ro", path)

    def mount_union(self) -> bool:
        own = self.repository
        options = f"ro,nodev,lowerdir={own.readonly},upperdir={own.scratch},workdir={own.work}"
        return _run("mount", "-t", "overlay", "-o", options, f"overlay_{own.fqrn}", own.union)

    def open(self) -> bool:
        return _run("mount", "-o", "remount,rw", "dev", self.repository.union)

    def lock(self) -> bool:
        return _run("mount", "-o", "remount,ro", "dev", self.repository.union)

    def umount_union(self, lazily: bool = False) -> bool:
        return _run("umount", *(["-l"] if lazily else []), self.repository.union)

    def umount_readonly(self, lazily: bool = False) -> bool:
        return _run("umount", *(["-l"] if lazily else []), self.repository.readonly)


class PlainMounts(Mounts):
    """The union is a folder with a copy of the revision, the read-only branch a link to the revision's tree."""

    @property
    def _mark(self) -> Path:
        return self.repository.spool / "union_is_mounted"

    @property
    def mounted_root(self) -> str | None:
        path = self.repository.readonly
        return os.readlink(path).rpartition("/")[2] if path.is_symlink() else None

    @property
    def union_writable(self) -> bool | None:
        if not self._mark.exists():
            return None
        return bool(self.repository.union.stat().st_mode & 0o200)

    def _mount_readonly(self, tree: Path) -> bool:
        path = self.repository.readonly
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.symlink_to(tree)
        self.repository.give(path)
        return True

    def mount_union(self) -> bool:
        union = str(self.repository.union)
        trees.clear(union)
        for _unused in trees.copy(f"{self.repository.readonly}/", union):
            pass
        trees.chmod_folders(union, remove=0o222)
        self._mark.touch()
        self.repository.give(self._mark)
        return True

    def open(self) -> bool:
        trees.chmod_folders(str(self.repository.union), add=0o200)
        return True

    def lock(self) -> bool:
        union = str(self.repository.union)
        if any(entry.path.endswith(" (deleted)") for entry in descriptors.below(union)):
            warn(f"mount: {union}: mount point is busy.")
            return False
        trees.chmod_folders(union, remove=0o222)
        return True

    def umount_union(self, lazily: bool = False) -> bool:
        union = str(self.repository.union)
        if not lazily and descriptors.below(union):
            warn(f"umount: {union}: target is busy.")
            return False
        trees.clear(union)
        self._mark.unlink(missing_ok=True)
        return True

    def umount_readonly(self, lazily: bool = False) -> bool:
        self.repository.readonly.unlink(missing_ok=True)
        return True


def mounts_of(repository: Repository) -> Mounts:
    """The mounts of a repository, by the mode that it has."""
    return OverlayMounts(repository) if repository.settings["mode"] == "overlay" else PlainMounts(repository)


def take_down(repository: Repository) -> bool:
    """Take both mounts down for good."""
    mounts = mounts_of(repository)
    if mounts.union_writable is not None and not mounts.umount_union():
        return False
    return mounts.mounted_root is None or mounts.umount_readonly()


def _in_user_namespace() -> bool:
    """Whether root is not the machine's: its overlay mounts then cannot mark what replaces a folder."""
    return Path("/proc/self/uid_map").read_text().split() != ["0", "0", str(2**32 - 1)]


def choose_mode(repository: Repository) -> str:
    """``overlay`` where root owns the repository and an overlay mount is allowed, else ``plain``."""
    ordered = os.environ.get("CVMFS_EMULATION_MODE", "")
    if ordered in ("overlay", "plain"):
        return ordered
    if ordered:
        raise CommandError(70, f"emulation: CVMFS_EMULATION_MODE must be overlay or plain, and is {ordered}\n")
    if os.geteuid() != 0 or repository.owner != "root" or _in_user_namespace():
        return "plain"
    trial = Path(tempfile.mkdtemp(prefix="trial.", dir=repository.spool))
    for name in ("lower", "upper", "work", "union"):
        (trial / name).mkdir()
    options = f"ro,lowerdir={trial}/lower,upperdir={trial}/upper,workdir={trial}/work"
    command = ["mount", "-t", "overlay", "-o", options, "overlay_trial", str(trial / "union")]
    allowed = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if allowed:
        subprocess.run(["umount", str(trial / "union")], check=True)
    shutil.rmtree(trial)
    return "overlay" if allowed else "plain"


class Health:
    """What is wrong with the mounts of a repository, and its repair.

    The scripts (``cvmfs_server_health_check.sh``) and the program ``cvmfs_publish`` (``repository_managed.cc``) check
    the same, and print slightly different texts.
    """

    def __init__(self, repository: Repository, native: bool, ignore_outdated: bool = False) -> None:
        self.repository = repository
        self.mounts = mounts_of(repository)
        self.native = native
        mounted = self.mounts.mounted_root
        writable = self.mounts.union_writable
        self.readonly_broken = mounted is None
        self.outdated = bool(mounted) and mounted != repository.manifest.root
        self.union_broken = writable is None
        self.should_be_writable = repository.in_transaction and not writable
        self.should_be_readonly = not repository.in_transaction and bool(writable)
        self.ok = not (
            self.readonly_broken
            or self.union_broken
            or self.should_be_writable
            or self.should_be_readonly
            or (self.outdated and not ignore_outdated)
        )

    def report(self) -> None:
        """Print what is wrong."""
        own = self.repository
        stop = "" if self.native else "."
        if self.readonly_broken:
            warn(f"{own.readonly} is not mounted properly{stop}")
        if self.outdated:
            warn(f"{own.fqrn} is not based on the newest published revision")
        if self.union_broken:
            warn(f"{own.union} is not mounted properly{stop}")
        if self.should_be_readonly:
            warn(f"{own.fqrn} is not in a transaction but {own.union} is mounted read/write")
        if self.should_be_writable and not (self.native and self.union_broken):
            warn(f"{own.fqrn} is in a transaction but {own.union} is not mounted read/write")

    def _change(self, text: str, worked: bool) -> None:
        if not self.native:
            text = f"Note: {text.replace('unmount', 'umount')}"
        warn(f"{text}... {'success' if worked else 'fail'}")
        if not worked:
            raise CommandError(1)

    def repair(self, in_transaction: bool = False) -> None:
        """Report, and repair from the bottom up.

        Args:
            in_transaction: repair although a transaction is open

        Raises:
            CommandError: with status 1 if that is not possible
        """
        if self.ok:
            return
        self.report()
        own = self.repository
        if own.publishing.is_held():
            spaces = "    " if self.native else "   "
            warn(
                f"WARNING: The repository {own.fqrn} is currently publishing and should not\n"
                "be touched. If you are absolutely sure, that this is _not_ the case,\n"
                f"please run the following command and retry:\n\n{spaces}rm -fR {own.publishing.path}\n"
            )
            raise CommandError(1)
        if own.in_transaction and not in_transaction:
            name = "$name" if self.native else own.fqrn
            warn(f"Repository {own.fqrn} is in a transaction and cannot be repaired.")
            warn(f"--> Run `cvmfs_server abort {name}` to revert and repair.")
            raise CommandError(1)
        self._bring_up()

    def _bring_up(self) -> None:
        own, mounts = self.repository, self.mounts
        if (self.outdated or self.readonly_broken) and not self.union_broken:
            self._change(f"Trying to unmount {own.union}", mounts.umount_union())
            self.union_broken = True
        if self.outdated:
            self._change(f"Trying to unmount {own.readonly}", mounts.umount_readonly())
            self.readonly_broken = True
            mounts.want(own.manifest.root)
        if self.readonly_broken:
            self._change(f"Trying to mount {own.readonly}", mounts.mount_readonly())
        if self.union_broken:
            self._change(f"Trying to mount {own.union}", mounts.mount_union())
            self.should_be_writable, self.should_be_readonly = own.in_transaction, False
        if self.should_be_writable:
            self._change(f"Trying to remount {own.union} read/write", mounts.open())
        if self.should_be_readonly:
            self._change(f"Trying to remount {own.union} read-only", mounts.lock())
