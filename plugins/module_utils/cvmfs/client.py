# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which revision servers and this machine's client serve, and waiting for one: what ``cvmfs_revision`` does.

Sources: ``mount/mount.cvmfs.cc``, ``cvmfs/talk.cc``, ``cvmfs/cvmfs_talk.cc`` and ``cvmfs/magic_xattr.cc`` of
CernVM-FS 2.12, and what a client of that version answers.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import published, server
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError, ProcessError, ServerError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import fault_of_repository

TALK = "cvmfs_talk"
CONFIGURATION = "/etc/cvmfs"
MOUNTS = "/cvmfs"
READ_SECONDS = 10.0  # for one answer of a server
TALK_SECONDS = 60.0  # a client may drain the kernel's caches for so long before it shows a new revision
GRACE_SECONDS = 5.0  # for what had begun before the time was over
UP_TO_DATE = "Catalog up to date"
# What a client answers that was told to empty its cache; what it must keep, such as catalogs in use, stays.
EMPTIED = ("OK", "Not fully cleaned (there might be pinned chunks)")

ARGUMENT_SPEC = {
    "repository": {"type": "str", "required": True},
    "urls": {"type": "list", "elements": "str", "default": []},
    "client": {"type": "bool", "default": False},
    "revision": {"type": "int"},
    "timeout": {"type": "int", "default": 600},
    "interval": {"type": "int", "default": 5},
}


@dataclass
class Source:
    """Something that serves a repository, and what it was last seen to serve.

    :param what: ``url`` or ``client``.
    :param repository: fully qualified name.
    :param id: a URL, or the path of a mount.
    :param revision: none where it is not known.
    :param reason: why it is not known, or what may keep it from going on; empty where there is nothing to say.
    """

    what: str
    repository: str
    id: str
    revision: int | None = None
    reason: str = "gave no answer"

    def look(self, wanted: int | None, seconds: float, hurry: bool) -> None:
        """Look what it serves.

        :param wanted: the revision that it is to serve, if any.
        :param seconds: how long that may take.
        :param hurry: whether it is asked for that revision where it has not got there.
        """
        raise NotImplementedError

    def serves(self, wanted: int | None) -> bool:
        return self.revision is not None and (wanted is None or self.revision >= wanted)

    def _set(self, revision: int | None, reason: str) -> None:
        self.revision, self.reason = revision, reason

    def result(self) -> dict[str, Any]:
        return {"what": self.what, "id": self.id, "revision": self.revision, "reason": self.reason}

    def __str__(self) -> str:
        state = "cannot be read" if self.revision is None else f"serves {self.revision}"
        name = self.id if self.what == "url" else f"the client's mount {self.id}"
        return f"{name} {state}" + (f": {self.reason}" if self.reason else "")


class Url(Source):
    """A stratum-0 or stratum-1 server."""

    def look(self, wanted: int | None, seconds: float, hurry: bool) -> None:
        try:
            manifest = published.manifest_of(self.id, min(seconds, READ_SECONDS))
        except ServerError as error:
            self._set(None, error.message)
            return
        if manifest.repository != self.repository:
            self._set(None, f"it is of the repository {manifest.repository}, not of {self.repository}")
            return
        proxy = _proxy_to(self.id)
        behind = wanted is not None and manifest.revision < wanted
        self._set(
            manifest.revision, f"read through the proxy {proxy}, which may hold it longer" if behind and proxy else ""
        )


class Mount(Source):
    """The repository as this machine's client has it mounted."""

    def look(self, wanted: int | None, seconds: float, hurry: bool) -> None:
        self._set(*self._read(seconds))
        if wanted is None or self.revision is None or self.revision >= wanted:
            return
        remark = ""
        if hurry:
            remark = self._ask_for_the_newest(seconds)
            self._set(*self._read(seconds))
        if self.revision is not None and self.revision < wanted:
            self.reason = "; ".join(part for part in (self._way(), remark) if part)

    def _read(self, seconds: float) -> tuple[int | None, str]:
        """The revision, and else the reason why it is not known. The look itself makes autofs mount."""
        value, number = self._attribute("revision")
        if value:
            return int(value), ""
        if number == errno.ENOTCONN:
            return None, (
                "its mount is broken, the process cvmfs2 behind it is gone; as root: "
                f"umount -l {self.id}, then mount it again"
            )
        if number in (errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP):
            return None, os.strerror(number)
        if not is_mounted(self.id):
            return None, f"it is not mounted; {self._why_not()}"
        return self._answer("revision", seconds)

    def _attribute(self, name: str) -> tuple[str, int]:
        """An attribute that the client gives its mount, empty where it does not, and then the error's number."""
        try:
            return os.getxattr(self.id, f"user.{name}").decode("utf-8", "replace").strip(), 0
        except OSError as error:
            return "", error.errno or errno.EIO

    def _answer(self, command: str, seconds: float) -> tuple[int | None, str]:
        """What a client says whose mount has no attributes."""
        try:
            completed = self.talk(command, seconds)
        except ProcessError as error:
            return None, error.message
        answer = completed.stdout.strip()
        if completed.ok and answer.isdigit():
            return int(answer), ""
        return None, f"it does not tell its revision: {server.said(completed)}"

    def _ask_for_the_newest(self, seconds: float) -> str:
        """Make the client look now instead of when its time to live is over; what is to be said of that."""
        try:
            completed = self.talk("remount sync", max(seconds, 1.0))
        except ProcessError as error:
            return error.message
        if completed.ok:
            answer = completed.stdout.strip()
            return "" if answer == UP_TO_DATE else f"asked for the newest, it says {answer!r}"
        expires = self._attribute("expires")[0]
        when = f", in up to {expires} minutes" if expires else ""
        return f"it goes on by itself{when}, for it cannot be asked: {server.said(completed)}"

    def talk(self, command: str, seconds: float) -> process.Completed:
        """Have the client do something.

        :param command: as ``cvmfs_talk`` takes it.
        :raises ProcessError: it cannot be asked, or gives no answer.
        """
        environment = server.environment()
        program = shutil.which(TALK, path=environment["PATH"])
        if program is None:
            raise ProcessError(f"it cannot be asked, since {TALK} is not installed")
        argv = [program, "-i", self.repository, *command.split()]
        return process.run(argv, environment, timeout=min(seconds, TALK_SECONDS), cwd="/")

    def _way(self) -> str:
        """From where, and through what, the client reads; a proxy may hold an older manifest than its server."""
        host, proxy = self._attribute("host")[0], self._attribute("proxy")[0]
        if not host:
            return ""
        through = f" through the proxy {proxy}, which may hold an older one" if proxy not in ("", "DIRECT") else ""
        return f"it reads from {host}{through}"

    def _why_not(self) -> str:
        if shutil.which("cvmfs2", path=server.environment()["PATH"]) is None and not os.path.exists(
            os.path.join(CONFIGURATION, "default.conf")
        ):
            return "there is no client of CernVM-FS on this machine; the role cvmfs_client installs it"
        domain = self.repository.partition(".")[2]
        named = [
            os.path.join(CONFIGURATION, folder, f"{name}.{ending}")
            for folder, name in (("config.d", self.repository), ("domain.d", domain))
            for ending in ("conf", "local")
        ]
        if not any(os.path.exists(path) for path in named):
            return f"its client is not configured for it: there is none of {', '.join(named)}"
        return f"see what `cvmfs_config probe {self.repository}` says, and the system's log"


def empty_cache(repository: str) -> str:
    """Make this machine's client forget what it has fetched of all that shares the cache; why not, where it does not.

    :param repository: fully qualified name of one that is mounted.
    """
    try:
        completed = Mount("client", repository, os.path.join(MOUNTS, repository)).talk("cleanup 0", TALK_SECONDS)
    except ProcessError as error:
        return error.message
    return "" if completed.ok and completed.stdout.strip() in EMPTIED else server.said(completed)


def is_mounted(path: str) -> bool:
    """Whether something is mounted at a path (proc(5)), other than what would mount it on demand."""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as stream:
        fields = [line.split() for line in stream]
    return any(field[1] == path and field[2] != "autofs" for field in fields)


def _proxy_to(url: str) -> str:
    """The proxy that the environment names for a URL; empty where there is none."""
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    proxy = urllib.request.getproxies().get(parts.scheme, "")
    return proxy.rpartition("@")[2]  # without user and password


def watch(sources: Sequence[Source], wanted: int | None, timeout: float, interval: float) -> None:
    """Look at all sources side by side, each until it serves what is wanted or the time is over.

    :param wanted: a revision; none: each is looked at once.
    :param timeout: seconds; 0: each is looked at once.
    :param interval: seconds from one look at a source to the next.
    """
    deadline = time.monotonic() + timeout

    def follow(source: Source) -> None:
        while True:
            left = deadline - time.monotonic()
            source.look(wanted, max(left, 1.0) if timeout else READ_SECONDS, hurry=timeout > 0)
            left = deadline - time.monotonic()
            if wanted is None or source.serves(wanted) or left <= 0:
                return
            time.sleep(min(interval, left))

    # A look may hang in the kernel, at a mount whose server is gone, or in the resolver, which has no time limit. Such
    # a thread is left behind, and ends with the module.
    threads = [threading.Thread(target=follow, args=(source,), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    end = max(deadline, time.monotonic() + READ_SECONDS) + GRACE_SECONDS
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0))


def change(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the module ``cvmfs_revision`` does. It changes nothing.

    :returns: the module's result: ``changed``, ``revision``, ``served``, ``lagging``.
    :raises InputError: what was given cannot be.
    :raises ServerError: not all serve the revision within the time; the result is among the details.
    """
    _validate(params)
    repository, wanted = params["repository"], params["revision"]
    sources: list[Source] = [Url("url", repository, expanded(url, repository)) for url in params["urls"]]
    if params["client"]:
        sources.append(Mount("client", repository, os.path.join(MOUNTS, repository)))
    timeout = 0 if check_mode or wanted is None else params["timeout"]
    watch(sources, wanted, timeout, params["interval"])
    lagging = [source for source in sources if wanted is not None and not source.serves(wanted)]
    result = {
        "changed": False,
        "actions": [],
        "revision": wanted,
        "served": [source.result() for source in sources],
        "lagging": [source.result() for source in lagging],
    }
    if lagging and not check_mode:
        raise ServerError(
            f"repository: {repository}: revision {wanted} is not served by {len(lagging)} of {len(sources)} after "
            f"{timeout} s: " + "; ".join(map(str, lagging)),
            **result,
        )
    return result


def expanded(url: str, repository: str) -> str:
    """A URL in which ``@fqrn@`` and ``@org@`` stand for the repository's name and its first part, as for clients."""
    return url.replace("@fqrn@", repository).replace("@org@", repository.split(".", 1)[0]).rstrip("/")


def _validate(params: Mapping[str, Any]) -> None:
    fault = fault_of_repository(params["repository"])
    faults = [f"repository: {fault}"] if fault else []
    faults += [f"urls: {fault}" for fault in map(_fault_of_url, params["urls"]) if fault]
    if not params["urls"] and not params["client"]:
        faults.append("urls: none is given, and client is false: there is nothing to ask; give one of the two")
    if params["revision"] is not None and params["revision"] < 1:
        faults.append(f"revision: {params['revision']} is not a revision; they count from 1")
    if params["timeout"] < 0:
        faults.append(f"timeout: {params['timeout']} is less than 0; give seconds")
    if params["interval"] < 1:
        faults.append(f"interval: {params['interval']} is less than 1; give seconds")
    if faults:
        raise InputError(faults)


def _fault_of_url(url: str) -> str:
    example = "such as http://stratum1.example.org/cvmfs/software.example.org"
    try:
        parts = urllib.parse.urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        return f"{url!r} is no URL ({error}); give one {example}"
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or not url.isprintable():
        return f"{url!r} is no URL of a repository; give one {example}"
    if "@" in parts.netloc:
        return f"{url.replace(parts.netloc, '***' + parts.netloc.rpartition('@')[2])!r} holds a user; servers know none"
    return ""
