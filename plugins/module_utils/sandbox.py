# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bubblewrap command lines.

In the sandbox the machine is read-only, ``/tmp`` and ``HOME`` are private, the environment is an allow-list, and
folders appear at the paths that they will have in the store. It dies with the process that started it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import SandboxError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.kernel import read as _read

PRIVATE_TMP = "/tmp"
PRIVATE_HOME = "/tmp/home"
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}
# What a program needs to reach the network from where the task runs.
NETWORK_VARIABLES = (
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "JULIA_SSL_CA_ROOTS_PATH",
    "JULIA_SSL_NO_VERIFY_HOSTS",
    "JULIA_PKG_SERVER",
    "JULIA_PKG_SERVER_REGISTRY_PREFERENCE",
    "JULIA_PKG_USE_CLI_GIT",
)
# A folder with more entries than this cannot be rebuilt entry by entry on a command line (bubblewrap takes 9,000
# arguments, three an entry).
MAX_SIBLINGS = 2500


@dataclass(frozen=True)
class Mount:
    """A folder of the machine and the path at which the sandbox shows it."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Sandbox:
    """How a program is to be enclosed; ``mounts`` come in the order given."""

    mounts: Sequence[Mount] = ()
    network: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    def inside(self, path: str) -> str:
        """The path at which the sandbox shows a path of the machine (the longest source wins)."""
        best = None
        for mount in self.mounts:
            if is_below(path, mount.source) and (best is None or len(mount.source) > len(best.source)):
                best = mount
        if best is None:
            return path
        rest = os.path.relpath(path, best.source)
        return best.target if rest == "." else os.path.join(best.target, rest)

    def outside(self, path: str) -> str:
        """The reverse of :meth:`inside`."""
        return Sandbox(mounts=[Mount(mount.target, mount.source) for mount in self.mounts]).inside(path)

    def environment(self) -> dict[str, str]:
        """The whole environment of the enclosed program."""
        env = dict(BASE_ENVIRONMENT, HOME=PRIVATE_HOME, TMPDIR=PRIVATE_TMP)
        if self.network:
            env.update({name: os.environ[name] for name in NETWORK_VARIABLES if name in os.environ})
        env.update(self.variables)
        return env

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs ``argv`` enclosed.

        :raises SandboxError: a mount cannot be made.
        """
        command = [_bubblewrap(), "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc"]
        if not self.network:
            command.append("--unshare-net")
        if os.geteuid() == 0:
            # Root needs no user namespace, in which files of other users would become unreadable. Of root's
            # powers it keeps the one to read.
            command += ["--cap-drop", "ALL", "--cap-add", "CAP_DAC_READ_SEARCH"]
        else:
            command.append("--unshare-user")
        command += self._root()
        command += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", PRIVATE_TMP, "--dir", PRIVATE_HOME]
        for mount in self.mounts:
            command += ["--bind" if mount.writable else "--ro-bind", mount.source, _place(mount.target)]
        return [*command, "--chdir", PRIVATE_HOME, "--", *argv]

    def _root(self) -> list[str]:
        """The machine, read-only, with a place for every mount: parents come before what lies below them."""
        places = sorted({_missing_place(_place(mount.target)) for mount in self.mounts} - {None})
        arguments = _entries("/") if "/" in places else ["--ro-bind", "/", "/"]
        for place in places:
            if place != "/":
                arguments += ["--tmpfs", place, *_entries(place)]
        return arguments


def is_below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies below it (both absolute and normal)."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _place(target: str) -> str:
    """Where bubblewrap is to mount: it does not follow links of the machine, through which the target is then seen."""
    return target if is_below(target, PRIVATE_TMP) else os.path.realpath(target)


def _missing_place(target: str) -> str | None:
    """The deepest existing folder above a target that does not exist; none where it exists or /tmp makes it."""
    if is_below(target, PRIVATE_TMP) or os.path.isdir(target):
        return None
    place = os.path.dirname(target)
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    return place


def _entries(folder: str) -> list[str]:
    """Arguments that show every entry of a folder in a new folder at the same path."""
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    if len(entries) > MAX_SIBLINGS:
        raise SandboxError(
            f"{folder} has {len(entries)} entries, too many to build a sandbox beside them (at most {MAX_SIBLINGS}); "
            "create the folder of the store below it, or choose another store path"
        )
    arguments: list[str] = []
    for entry in entries:
        if entry.path in ("/dev", "/proc", PRIVATE_TMP):
            continue
        if entry.is_symlink():
            arguments += ["--symlink", os.readlink(entry.path), entry.path]
        else:
            arguments += ["--ro-bind", entry.path, entry.path]
    return arguments


def require() -> None:
    """Prove that this machine can give a sandbox.

    :raises SandboxError: says what is missing and how to get it.
    """
    completed = process.run(Sandbox().command(["/bin/sh", "-c", ":"]), env=BASE_ENVIRONMENT, timeout=30)
    if not completed.ok:
        raise SandboxError(
            f"bubblewrap cannot make a sandbox on this machine: {completed.stderr.strip()}\n"
            f"{_remedy(completed.stderr)}",
            **completed.details(),
        )


def _bubblewrap() -> str:
    path = shutil.which("bwrap", path=BASE_ENVIRONMENT["PATH"])
    if path is None:
        raise SandboxError(
            "bubblewrap (the command bwrap) is not installed on this machine, and a build needs its sandbox: "
            "install the package bubblewrap (apt-get install bubblewrap, or dnf install bubblewrap)"
        )
    return path


def _remedy(stderr: str) -> str:
    """What to do about bubblewrap's complaint, from the switches that this kernel has."""
    hints = []
    for path, wanted, hint in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "1", "sysctl kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "0",
            "an AppArmor profile that grants userns to /usr/bin/bwrap "
            "(or sysctl kernel.apparmor_restrict_unprivileged_userns=0)",
        ),
    ):
        value = _read(path)
        if value not in ("", wanted):
            hints.append(hint)
    if _read("/proc/sys/user/max_user_namespaces") == "0":
        hints.append("sysctl user.max_user_namespaces=15000")
    if hints and os.geteuid() != 0:
        return "An ordinary user needs: " + "; ".join(hints) + ". Or run the task as root (become: true)."
    if "proc" in stderr:
        return "Inside a container, it needs one that may mount /proc (for example --security-opt unmask=/proc/*)."
    return "It needs user, mount, process and network namespaces; in a container these must be granted to it."
