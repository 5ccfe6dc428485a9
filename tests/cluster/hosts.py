# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that are the first of namespaces: of a host, or of the controller."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SECONDS = 60.0
ENTER = ("--mount", "--uts", "--ipc", "--net", "--pid")


class Namespaces:
    """Namespaces and their first process, which ends with its standard input, and they with it.

    Args:
        name: what errors call them
        new: options of ``unshare`` that name the namespaces
        program: what becomes their first process
        folder: where ``boot.log`` and ``pid`` are written
    """

    def __init__(self, name: str, new: tuple[str, ...], program: list[str], folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.new = new
        self.program = program
        self.pid = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the first process; it waits for ``connected``.

        Raises:
            RuntimeError: if it does not start
        """
        command = ["unshare", *self.new, "--propagation", "private", "--fork", *self.program]
        with open(self.folder / "boot.log", "wb") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.pid = int(self._said())
        (self.folder / "pid").write_text(f"{self.pid} {started(self.pid)}")

    def connected(self) -> None:
        """Let the first process go on, and wait until it has done its work.

        Raises:
            RuntimeError: if it fails
        """
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        if self._said() != "up":
            raise self._error()

    def _said(self) -> str:
        line = self.process.stdout.readline().strip()
        if not line:
            raise self._error()
        return line

    def _error(self) -> RuntimeError:
        log = (self.folder / "boot.log").read_text(errors="replace")
        return RuntimeError(f"{self.name} does not start: {log or 'it says nothing'}")

    def enter(self, *command: str | Path, folder: str | Path = "/") -> list[str]:
        """A command that runs another in the namespaces, as root and in a folder there."""
        entered = [option for option in ENTER if option in self.new]
        return ["nsenter", f"--target={self.pid}", *entered, f"--wdns={folder}", "--", *map(str, command)]

    def stop(self) -> None:
        """End everything in the namespaces."""
        if self.process is None:
            return
        self.process.stdin.close()
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            kill(self.folder)
            self.process.wait(SECONDS)
        self.process.stdout.close()
        self.process = None


def started(pid: int) -> str:
    """When a process started, as the kernel counts; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def kill(folder: Path) -> None:
    """Kill the first process that ``Namespaces`` noted in a folder, if it still lives."""
    with suppress(OSError, ValueError):
        pid, start = (folder / "pid").read_text().split()
        if started(int(pid)) == start:
            os.kill(int(pid), signal.SIGKILL)


class Host:
    """A host of a cluster.

    Attributes:
        name: its host name, and its name in the inventory
        address: in the cluster's network
        files: the folder of the machine that holds the host's changes to the machine's files
    """

    def __init__(self, name: str, address: str, namespaces: Namespaces) -> None:
        self.name = name
        self.address = address
        self.namespaces = namespaces

    @property
    def files(self) -> Path:
        return self.namespaces.folder / "changes"

    @property
    def key(self) -> str:
        """The public key by which its sshd is known."""
        return (self.files / "etc/ssh/cluster/host_key.pub").read_text().strip()

    def run(
        self, *command: str | Path, input: str = "", check: bool = True, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root, past SSH, to look or to meddle.

        Raises:
            AssertionError: if it fails and ``check`` is set
            subprocess.TimeoutExpired: if it takes longer than ``timeout`` seconds
        """
        result = subprocess.run(
            self.namespaces.enter(*command),
            env=ENVIRONMENT,
            input=input,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        assert result.returncode == 0 or not check, f"{self.name}: {command} fails: {result}"
        return result

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start a command on the host as root, in a session of its own; the caller waits for it, or kills it."""
        return subprocess.Popen(
            self.namespaces.enter(*command),
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
