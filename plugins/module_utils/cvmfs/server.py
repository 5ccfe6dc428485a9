# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``cvmfs_server``, and where a repository has its things on the server that publishes it.

Sources: ``cvmfs/server/cvmfs_server_*.sh`` and ``cvmfs/publish`` of CernVM-FS 2.12.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import time
from dataclasses import dataclass
from typing import Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import locks, process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import published
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ServerError

PROGRAM = "cvmfs_server"
OUTPUT_BYTES = 65536  # of the end of what a command prints
LISTING_BYTES = 64 * 1024**2  # of a list that is of use as a whole alone: of half a million tags
ADMINISTRATION = "/usr/local/sbin:/usr/sbin:/sbin"  # not in every user's PATH, but cvmfs_server needs what is there
# The list ends early where another repository is being made or removed meanwhile.
LISTINGS, LISTING_PAUSE = 5, 0.5  # attempts, and seconds between them
CONFIGURATIONS = "/etc/cvmfs/repositories.d"
KEYS = "/etc/cvmfs/keys"


@dataclass(frozen=True)
class Repository:
    """A repository on the machine that publishes or replicates it.

    :param name: fully qualified, such as ``software.example.org``.
    """

    name: str

    @property
    def mount(self) -> str:
        return os.path.join("/cvmfs", self.name)

    @property
    def configuration(self) -> str:
        return os.path.join(CONFIGURATIONS, self.name)

    @property
    def spool(self) -> str:
        return os.path.join("/var/spool/cvmfs", self.name)

    @property
    def read_only(self) -> str:
        """What is published, without what a transaction that is open has changed."""
        return os.path.join(self.spool, "rdonly")

    @property
    def transaction_lock(self) -> str:
        """An empty file that is there while a transaction is open."""
        return os.path.join(self.spool, "in_transaction.lock")

    @property
    def publishing_lock(self) -> str:
        """A file on which a publish, and an abort, hold a flock."""
        return os.path.join(self.spool, "is_publishing.lock")

    @property
    def lock(self) -> str:
        """Held by whatever of this collection writes to the repository."""
        return os.path.join(self.spool, "julia_depots.lock")

    @property
    def owner_record(self) -> str:
        """Says whose the transaction is that is open."""
        return os.path.join(self.spool, "julia_depots.json")

    @property
    def changes(self) -> str:
        """What a transaction has changed so far: the upper layer of its overlay."""
        return os.path.join(self.spool, "scratch", "current")

    def key(self, kind: str) -> str:
        """Path of the ``pub``, ``crt``, ``key`` or ``masterkey``."""
        return os.path.join(KEYS, f"{self.name}.{kind}")

    def exists(self) -> bool:
        return os.path.isfile(os.path.join(self.configuration, "server.conf"))

    def settings(self) -> dict[str, str]:
        """What ``server.conf`` says; empty where there is no such repository.

        :raises ServerError: the file cannot be read.
        """
        path = os.path.join(self.configuration, "server.conf")
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                return parse_settings(stream.read())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ServerError(f"repository: {path} cannot be read: {error.strerror}") from error

    def published_at(self, settings: dict[str, str]) -> str:
        """Where its manifest and whitelist are read: the folder of its storage, or its URL where that is elsewhere."""
        kind, _comma, rest = settings.get("CVMFS_UPSTREAM_STORAGE", "").partition(",")
        if kind == "local":
            return rest.split(",")[-1]
        return settings.get("CVMFS_STRATUM0") or settings.get("CVMFS_STRATUM1", "")

    def manifest(self) -> published.Manifest:
        """What is published now.

        :raises ServerError: it cannot be read.
        """
        return published.manifest_of(self.published_at(self.settings()))

    def lock_of(self, doing: str) -> str:
        """The file on which the scripts hold a flock while they are ``collecting`` (or checking) or ``updating``."""
        return os.path.join(self.spool, f"is_{doing}.lock")

    def is_publishing(self) -> bool:
        """Whether some living process publishes or aborts at this moment."""
        return locks.is_held(self.publishing_lock)

    def mount_options(self) -> frozenset[str]:
        """How ``/cvmfs/<name>`` is mounted here (proc(5)), such as ``ro``; empty where it is not."""
        options: frozenset[str] = frozenset()
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                fields = line.split()
                if fields[1] == self.mount:
                    options = frozenset(fields[3].split(","))  # the last one covers the others
        return options


def parse_settings(text: str) -> dict[str, str]:
    """The assignments of a file that the shell sources, such as ``server.conf``; the last of a name wins."""
    settings = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        name = name[len("export ") :].strip() if name.startswith("export ") else name
        if not equals or not re.match(r"^[A-Za-z_][A-Za-z0-9_]*\Z", name):
            continue
        try:
            settings[name] = " ".join(shlex.split(value, comments=True))
        except ValueError:  # an open quote: the shell would read on, and no setting of CernVM-FS does that
            settings[name] = value
    return settings


def require(repository: Repository, kinds: Sequence[str] = ("stratum0",)) -> dict[str, str]:
    """The settings of a repository that is to be worked on.

    :raises ServerError: there is no such repository, or no such program, or who runs this may not.
    """
    settings = repository.settings()
    if not settings:
        there = ", ".join(repositories()) or "none"
        raise ServerError(f"repository: {repository.name} is not on this machine; there are: {there}")
    kind = settings.get("CVMFS_REPOSITORY_TYPE", "")
    if kind not in kinds:
        raise ServerError(f"repository: {repository.name} is a {kind} here, but this needs a {' or '.join(kinds)}")
    owner = settings.get("CVMFS_USER", "root")
    if os.geteuid() != 0 and pwd.getpwuid(os.geteuid()).pw_name != owner:
        raise ServerError(
            f"repository: {repository.name} belongs to {owner}, and this task runs as "
            f"{pwd.getpwuid(os.geteuid()).pw_name}; become {owner} or root"
        )
    return settings


def repositories() -> list[str]:
    """The names of the repositories on this machine."""
    try:
        found = sorted(os.listdir(CONFIGURATIONS))
    except OSError:
        return []
    return [name for name in found if Repository(name).exists()]


def is_healthy(repository: Repository) -> bool:
    """Whether a repository that is in no transaction is mounted read-only, at the revision that is published.

    :raises ServerError: that cannot be found out.
    """
    try:
        mounted = os.getxattr(repository.read_only, "user.root_hash").decode("ascii", "replace")
    except OSError:  # it is not mounted, or not by a client that tells
        return "unhealthy" not in remarks(repository)
    return "ro" in repository.mount_options() and mounted == repository.manifest().root_hash


def remarks(repository: Repository) -> frozenset[str]:
    """What ``cvmfs_server list`` remarks on a repository, which looks at its mounts for that.

    :returns: none for one that is healthy and not in a transaction; else some of ``in transaction``, ``unhealthy``,
        ``whitelist expired``, ``whitelist unreachable``.
    :raises ServerError: it is not listed.
    """
    for _attempt in range(LISTINGS):
        completed = run(["list"])
        for line in completed.stdout.splitlines():
            name, _bracket, rest = line.partition(" (")
            if name == repository.name:
                _kind, *found = rest.rpartition(")")[0].split(" - ")
                return frozenset(found)
        time.sleep(LISTING_PAUSE)
    raise ServerError(f"repository: {repository.name} is not listed by `{PROGRAM} list`", **completed.details())


def environment() -> dict[str, str]:
    """The environment of ``cvmfs_server``: that of the task, in a language whose texts are known."""
    path = f"{os.environ.get('PATH', os.defpath)}:{ADMINISTRATION}"
    return dict(os.environ, PATH=path, LANG="C.UTF-8", LC_ALL="C.UTF-8")


def is_installed() -> bool:
    return shutil.which(PROGRAM, path=environment()["PATH"]) is not None


def run(
    arguments: Sequence[str], time_limit: float | None = 600, output_limit: int = OUTPUT_BYTES
) -> process.Completed:
    """Run ``cvmfs_server`` to its end, whatever it answers. It is started in ``/``, and has no terminal to ask on.

    :param time_limit: seconds.
    :param output_limit: how many bytes of the end of its output are kept.
    :raises ServerError: it is not installed.
    :raises TimeLimitError: its time was over.
    """
    if not is_installed():
        raise ServerError(
            f"{PROGRAM} is not installed on this machine; the role scisoft.julia_depots.cvmfs_stratum0 installs it"
        )
    return process.run([PROGRAM, *arguments], environment(), timeout=time_limit, cwd="/", output_limit=output_limit)


def must_run(
    arguments: Sequence[str], purpose: str, time_limit: float | None = 600, output_limit: int = OUTPUT_BYTES
) -> process.Completed:
    """Run ``cvmfs_server``, which must succeed.

    :param purpose: what fails when it does not, for the message: ``the tag v1 cannot be removed``.
    :raises ServerError: it did not.
    """
    completed = run(arguments, time_limit, output_limit)
    if not completed.ok:
        raise ServerError(f"{purpose}: {said(completed)}", **completed.details())
    return completed


def said(completed: process.Completed) -> str:
    """What a command of the server gave as its reason: the last lines of what it wrote before any stack trace."""
    text = (completed.stderr.strip() or completed.stdout).partition("Stacktrace:")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-3:]) or f"{PROGRAM} ended with status {completed.returncode} and said nothing"
