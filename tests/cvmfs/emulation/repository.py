# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository's files: settings, manifest, whitelist, tags and revisions."""

from __future__ import annotations

import calendar
import fcntl
import hashlib
import json
import os
import pwd
import shlex
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import trees
from .faults import step
from .speech import CommandError, warn

CONFIGURATION = Path("/etc/cvmfs/repositories.d")
KEYS = Path("/etc/cvmfs/keys")
SPOOL = Path("/var/spool/cvmfs")
STORAGE = Path("/srv/cvmfs")
MOUNTS = Path("/cvmfs")
KEY_ENDINGS = ("masterkey", "pub", "key", "crt")
UNDO_TAGS = ("trunk", "trunk-previous")


@dataclass(frozen=True)
class Tag:
    """A named snapshot; ``timestamp`` in seconds since the epoch, ``size`` of its root catalog in bytes."""

    name: str
    hash: str
    size: int
    revision: int
    timestamp: int
    description: str


@dataclass(frozen=True)
class Manifest:
    """What ``.cvmfspublished`` says, by its letters C, B, S, T, H and G."""

    root: str
    size: int
    revision: int
    timestamp: int
    history: str
    collectable: bool


class Lock:
    """A lock file, held with flock and removed when it is given back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = -1

    def acquire(self) -> bool:
        """Take the lock; False if another process holds it."""
        try:
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:
            text = f"cvmfs_server: eval: cannot create {self.path}: Permission denied\n"
            raise CommandError(2, text) from None
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.descriptor)
            return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)

    def is_held(self) -> bool:
        """Whether another process holds it; a stale file is removed, as ``check_lock`` of the real scripts does."""
        if not self.acquire():
            return True
        self.release()
        return False


class Repository:
    """The files of one emulated repository."""

    def __init__(self, fqrn: str) -> None:
        self.fqrn = fqrn
        self.configuration = CONFIGURATION / fqrn
        self.settings_file = self.configuration / "emulation.json"
        self.spool = SPOOL / fqrn
        self.readonly = self.spool / "rdonly"
        self.scratch = self.spool / "scratch" / "current"
        self.work = self.spool / "ofs_workdir"
        self.union = MOUNTS / fqrn
        self.storage = STORAGE / fqrn
        self.store = self.storage / "emulation"
        self.in_transaction_file = self.spool / "in_transaction.lock"
        self.publishing = Lock(self.spool / "is_publishing.lock")
        self.collecting = Lock(self.spool / "is_collecting.lock")
        self.token = self.spool / "session_token"
        self.cloned = self.spool / "cloned"  # revision on which a transaction with a template is based
        self.client_settings = self.spool / "client.local"

    def exists(self) -> bool:
        """Whether it is there, and a repository of the emulation."""
        return self.settings_file.is_file() and (self.configuration / "server.conf").is_file()

    # Settings

    @property
    def configured(self) -> dict[str, str]:
        """What ``server.conf`` says."""
        found = {}
        for line in (self.configuration / "server.conf").read_text().splitlines():
            for word in shlex.split(line, comments=True):
                name, separator, value = word.partition("=")
                if separator:
                    found[name] = value
        return found

    @property
    def settings(self) -> dict:
        """What ``emulation.json`` says."""
        return json.loads(self.settings_file.read_text())

    @property
    def owner(self) -> str:
        """The user who owns the repository."""
        return self.configured["CVMFS_USER"]

    @property
    def url(self) -> str:
        """Where the repository is served."""
        configured = self.configured
        return configured.get("CVMFS_STRATUM1", configured["CVMFS_STRATUM0"])

    @property
    def is_stratum0(self) -> bool:
        """Whether it is no replica."""
        return self.configured["CVMFS_REPOSITORY_TYPE"] == "stratum0"

    @property
    def upstream(self) -> str:
        """``local`` or ``gw``."""
        return self.configured["CVMFS_UPSTREAM_STORAGE"].split(",")[0]

    @property
    def is_gateway(self) -> bool:
        """Whether it publishes through a gateway."""
        return self.upstream == "gw"

    @property
    def collectable(self) -> bool:
        """Whether garbage collection is enabled."""
        return self.configured.get("CVMFS_GARBAGE_COLLECTION") == "true"

    @property
    def user_is_owner_or_root(self) -> bool:
        """Whether the command runs as the repository's owner or as root."""
        return os.geteuid() in (0, pwd.getpwnam(self.owner).pw_uid)

    def step(self, name: str) -> None:
        """Pass a step, see ``faults.step``."""
        step(name, self.settings_file)

    # Files that others see appear whole, and belong to the owner.

    def give(self, path: Path) -> None:
        """Give a file of the server's own to the repository's owner."""
        if os.geteuid() == 0:
            entry = pwd.getpwnam(self.owner)
            os.lchown(path, entry.pw_uid, entry.pw_gid)

    def write(self, path: Path, content: bytes | str) -> None:
        """Replace a file at once."""
        new = path.with_name(path.name + ".new")
        new.write_bytes(content.encode() if isinstance(content, str) else content)
        os.chmod(new, 0o644)
        self.give(new)
        new.replace(path)

    def folder(self, path: Path) -> None:
        """Make a folder that belongs to the owner."""
        path.mkdir(parents=True, exist_ok=True)
        self.give(path)

    # Transactions

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.in_transaction_file.is_file()

    def set_in_transaction(self) -> None:
        """Put down the lock of a transaction: an empty file."""
        self.in_transaction_file.touch(mode=0o600)
        self.give(self.in_transaction_file)

    # Whitelist

    def sign_whitelist(self, days: int) -> None:
        """Make a whitelist that is valid for some days from now."""
        moment = "%Y%m%d%H%M%S"
        now = time.time()
        text = (
            f"{time.strftime(moment, time.gmtime(now))}\n"
            f"E{time.strftime(moment, time.gmtime(now + days * 86400))}\n"
            f"N{self.fqrn}\n"
            f"{hashlib.sha1(self.fqrn.encode()).digest().hex(':').upper()}\n--\n"
        )
        self.write(self.storage / ".cvmfswhitelist", text + hashlib.sha1(text.encode()).hexdigest() + "\n")

    @property
    def whitelist_seconds(self) -> float | None:
        """Seconds that the whitelist still is valid, None if there is none."""
        try:
            lines = (self.storage / ".cvmfswhitelist").read_text().splitlines()
        except FileNotFoundError:
            return None
        expires = next(line[1:] for line in lines if line.startswith("E"))
        moment = [int(expires[start:end]) for start, end in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))]
        return calendar.timegm((*moment, 0, 0, 0)) - time.time()

    @property
    def whitelist_expired(self) -> bool:
        """Whether the whitelist is not valid any more."""
        seconds = self.whitelist_seconds
        return seconds is None or seconds < 0

    def require_native_whitelist(self) -> None:
        """The check of ``cvmfs_publish``, which loads the whitelist first.

        Raises:
            CommandError: with status 1 if it has expired
        """
        if self.whitelist_expired:
            raise CommandError(
                1, "(unexpected termination) cannot load whitelist [expired whitelist]\n\nStacktrace:\n\n"
            )

    # Manifest, tags and revisions

    @property
    def manifest(self) -> Manifest:
        """What is published now."""
        content = (self.storage / ".cvmfspublished").read_bytes().split(b"\n--\n")[0].decode()
        found = {line[0]: line[1:] for line in content.splitlines()}
        return Manifest(
            found["C"], int(found["B"]), int(found["S"]), int(found["T"]), found["H"], found.get("G") == "yes"
        )

    def sign(self, manifest: Manifest) -> None:
        """Publish: from here on others see the new revision and its tags."""
        text = (
            f"C{manifest.root}\nB{manifest.size}\nRd41d8cd98f00b204e9800998ecf8427e\nD240\nS{manifest.revision}\n"
            f"G{'yes' if manifest.collectable else 'no'}\nAno\nN{self.fqrn}\n"
            f"X{hashlib.sha1(self.fqrn.encode()).hexdigest()}\nH{manifest.history}\nT{manifest.timestamp}\n"
        )
        digest = hashlib.sha1(text.encode()).hexdigest()
        self.write(self.storage / ".cvmfspublished", f"{text}--\n{digest}\n".encode() + bytes(range(128, 255)))

    def tags(self, manifest: Manifest | None = None) -> list[Tag]:
        """The named snapshots, the newest first."""
        history = (manifest or self.manifest).history
        entries = [Tag(**entry) for entry in json.loads((self.store / f"history-{history}.json").read_text())]
        return sorted(entries, key=lambda tag: (-tag.timestamp, -tag.revision, tag.name))

    def store_tags(self, tags: list[Tag]) -> str:
        """Store a list of tags and return its hash; a manifest makes it valid."""
        text = json.dumps([asdict(tag) for tag in tags], indent=2) + "\n"
        digest = hashlib.sha1(text.encode()).hexdigest()
        self.write(self.store / f"history-{digest}.json", text)
        return digest

    def tree(self, root: str) -> Path:
        """Where the content of a revision is, by its root hash."""
        return self.store / "revisions" / root

    def record(self, root: str) -> dict:
        """What is known of a revision: ``revision``, ``timestamp``, ``digest`` and ``catalogs``."""
        return json.loads(self.tree(root).with_suffix(".json").read_text())

    def store_revision(self, source: Path, previous: Manifest | None) -> Manifest:
        """Store the content of a folder as the revision after another; the manifest that is returned has no tags."""
        target = self.tree("new")
        self.discard(target)
        self.folder(target)
        add_mode = 0o200 if self.settings["mode"] == "plain" else 0
        for path in trees.copy(str(source), str(target), add_mode):
            warn(f"Warning: Found file with linkcount > 1 ({path}). We will break up these hardlinks.")
        content = trees.read(str(target))
        revision = previous.revision + 1 if previous else 0
        timestamp = int(time.time())
        root = hashlib.sha1(f"{self.fqrn} {revision} {timestamp} {content.digest}".encode()).hexdigest()
        content.catalogs[0].hash = root
        known = {"revision": revision, "timestamp": timestamp, **content.as_json()}
        self.write(self.tree(root).with_suffix(".json"), json.dumps(known, indent=2) + "\n")
        self.discard(self.tree(root))  # what a publish left that failed within the same second
        target.replace(self.tree(root))
        return Manifest(root, content.catalogs[0].size, revision, timestamp, "", self.collectable)

    def discard(self, folder: Path) -> None:
        """Remove a folder with all its content, if it is there."""
        if folder.is_dir():
            trees.clear(str(folder))
            folder.rmdir()

    def discard_revision(self, root: str) -> None:
        """Remove a revision from the storage."""
        self.discard(self.tree(root))
        self.tree(root).with_suffix(".json").unlink(missing_ok=True)

    @property
    def revisions(self) -> dict[str, int]:
        """The revisions that the storage holds, by root hash."""
        return {path.stem: self.record(path.stem)["revision"] for path in (self.store / "revisions").glob("*.json")}

    def moved_tags(self, manifest: Manifest, new: Tag | None) -> list[Tag]:
        """The tags after a publish: a new one, if any, and trunk, which leaves trunk-previous behind."""
        tags = {tag.name: tag for tag in self.tags()}
        if "trunk" in tags:
            tags["trunk-previous"] = replace(tags["trunk"], name="trunk-previous", description="default undo target")
        tags["trunk"] = head_tag(manifest, "trunk", "current HEAD")
        if new is not None:
            tags[new.name] = new
        return list(tags.values())


def head_tag(manifest: Manifest, name: str, description: str) -> Tag:
    """A tag of what a manifest publishes."""
    return Tag(name, manifest.root, manifest.size, manifest.revision, manifest.timestamp, description)


def all_repositories() -> list[Repository]:
    """The repositories of the emulation on this machine."""
    if not CONFIGURATION.is_dir():
        return []
    found = [Repository(path.name) for path in sorted(CONFIGURATION.iterdir())]
    return [repository for repository in found if repository.exists()]


def remove_files(repository: Repository, preserve_data: bool) -> None:
    """Remove spool area, configuration, and unless they are to be preserved, storage and keys."""
    repository.discard(repository.spool)
    shutil.rmtree(repository.configuration)
    if preserve_data:
        return
    repository.discard(repository.storage)
    for ending in KEY_ENDINGS:
        (KEYS / f"{repository.fqrn}.{ending}").unlink(missing_ok=True)
