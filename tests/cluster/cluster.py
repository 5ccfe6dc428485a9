# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster: its hosts, their network, and Ansible on its controller."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import ansible_runner

from .hosts import SECONDS, Host, Namespaces, kill
from .playbooks import Played, played

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = ROOT / ".build" / "venv" / "bin"
KINDS = ("emulated", "real")
ACCOUNT = "maintainer"
CONTROLLER = "192.0.2.1"  # of TEST-NET-1, which is nobody's (RFC 5737)
ADDRESSES = {"builder1": "192.0.2.11", "builder2": "192.0.2.12", "stratum0": "192.0.2.13", "client": "192.0.2.14"}
GROUPS = {
    "julia_builders": ["builder1", "builder2"],
    "cvmfs_stratum0": ["stratum0"],
    "cvmfs_stratum1": [],
    "depot_clients": ["client"],
    "depot_canary_clients": [],
}
WITH_SOFTWARE = ("stratum0", "client")
PROGRAMS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "pivot_root": "util-linux",
    "ip": "iproute2",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "sudo": "sudo",
    "useradd": "passwd",
}
REAL_PROGRAMS = {"cvmfs_server": "cvmfs-server", "mount.cvmfs": "cvmfs", "apache2": "apache2"}
PREFIX = "julia_depots-cluster-"


class Cluster:
    """Hosts that are namespaces of this machine; a context manager that starts and stops them.

    Args:
        kind: of ``KINDS``, whose CernVM-FS the hosts have

    Attributes:
        folder: where all of it is, gone after ``stop``
        inventory: the path of the inventory
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.folder = Path()
        self.hosts: dict[str, Host] = {}
        self._controller: Namespaces | None = None
        self._serves = False
        self._stack = ExitStack()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory" / "hosts.json"

    @staticmethod
    @functools.cache
    def unavailable(kind: str) -> str:
        """Why clusters of a kind cannot exist here, empty if they can."""
        if os.geteuid() != 0:
            return "namespaces that are hosts need root"
        programs = {**PROGRAMS, **(REAL_PROGRAMS if kind == "real" else {})}
        missing = [f"{program} ({package})" for program, package in programs.items() if not _found(program)]
        if missing:
            return f"missing on this machine: {', '.join(missing)}"
        if not host_python():
            return "no python3 in /usr/bin or /usr/local/bin, which ordinary users can run"
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            return _namespaces_refused(Path(folder))

    def start(self) -> None:
        """Start the hosts, after clearing away what is left of makers that were killed.

        Raises:
            RuntimeError: if one does not start; nothing is left then
        """
        remove_abandoned()
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._stack.callback(_remove, self.folder)
            self._stack.enter_context(_held(self.folder))
            (self.folder / "log").mkdir()
            self._make_key()
            self._start_controller()
            for name, address in ADDRESSES.items():
                self._start_host(name, address)
            self._write_inventory()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything on the hosts, and remove what they wrote."""
        self.hosts = {}
        self._stack.close()

    def command(self, *command: str | Path) -> list[str]:
        """A command that runs another on the controller, in the checkout."""
        return self._controller.enter(*command, folder=ROOT)

    @property
    def environment(self) -> dict[str, str]:
        """The environment for Ansible on the controller."""
        return {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOST_KEY_CHECKING": "true",  # ansible-runner would switch it off
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
        }

    def ansible(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``ansible`` on the controller with the cluster's inventory."""
        return subprocess.run(
            self.command(BIN / "ansible", "--inventory", self.inventory, *arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def play(self, playbook: Path, *arguments: str, **variables: Any) -> Played:
        """Run a playbook on the controller, as AWX would: through ansible-runner."""
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        # ansible-runner starts the first one in PATH.
        program = programs / "ansible-playbook"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(self.command(BIN / "ansible-playbook"))} "$@"\n')
        program.chmod(0o755)
        return played(
            ansible_runner.run(
                # A folder of its own, since ansible-runner goes on using the variables that it finds in an old one.
                private_data_dir=tempfile.mkdtemp(prefix="runner-", dir=self.folder),
                playbook=str(playbook),
                inventory=str(self.inventory.parent),
                extravars=variables,
                envvars={**self.environment, "PATH": f"{programs}:{os.environ['PATH']}"},
                cmdline=" ".join(arguments),
                quiet=True,
            )
        )

    def serve(self) -> None:
        """Serve what the stratum-0 publishes: by its Apache, or for the emulation by a web server of Python."""
        stratum0 = self.hosts["stratum0"]
        if self.kind == "real":
            stratum0.run("service", "apache2", "start")
        elif not self._serves:
            program = [sys.executable, "-m", "http.server", "80", "--directory", "/srv"]
            stratum0.run("sh", "-c", 'setsid --fork "$@" </dev/null >/dev/null 2>&1', "sh", *program)
            self._serves = True
        deadline = time.monotonic() + SECONDS
        while stratum0.run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/80", check=False).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError("the web server of stratum0 does not answer")
            time.sleep(0.1)

    def set(self, name: str, **variables: Any) -> None:
        """Set the inventory's variables of a host or a group, in place of those that were set before."""
        kind = "host_vars" if name in self.hosts else "group_vars"
        folder = self.inventory.parent / kind
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(variables))

    def _make_key(self) -> None:
        key = self.folder / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cluster", "-f", key], check=True)

    def _start_controller(self) -> None:
        namespaces = self._namespaces("controller", ("--mount", "--net", "--pid"), "boot_controller", sys.executable)
        namespaces.start({"ADDRESS": f"{CONTROLLER}/24"})
        namespaces.connected()
        self._controller = namespaces

    def _start_host(self, name: str, address: str) -> None:
        folder = self.folder / name
        software = self.kind if name in WITH_SOFTWARE else "none"
        namespaces = self._namespaces(
            name,
            ("--mount", "--uts", "--ipc", "--net", "--pid"),
            "boot_host",
            host_python(),
            str(folder),
            name,
            software,
        )
        if self.kind == "emulated" and name == "client":
            (folder / "served").symlink_to(self.folder / "stratum0" / "own" / "srv" / "cvmfs")
        namespaces.start(
            {
                "ADDRESS": f"{address}/24",
                "NEIGHBOURS": "\n".join(f"{address} {name}" for name, address in ADDRESSES.items()),
                "ACCOUNT": ACCOUNT,
                "AUTHORIZED_KEY": (self.folder / "id_ed25519.pub").read_text().strip(),
            }
        )
        link = f"ip link add {name} type veth peer name uplink netns {namespaces.pid}"
        network = f"--net=/proc/{self._controller.pid}/ns/net"
        plug = f"{link} && ip link set {name} master bridge up"
        subprocess.run(["nsenter", network, "sh", "-c", plug], check=True, capture_output=True)
        namespaces.connected()
        self.hosts[name] = Host(name, address, namespaces)

    def _namespaces(self, name: str, new: tuple[str, ...], program: str, *arguments: str) -> Namespaces:
        folder = self.folder / name
        folder.mkdir()
        namespaces = Namespaces(name, new, [str(HERE / program), *arguments], folder)
        self._stack.callback(namespaces.stop)
        return namespaces

    def _write_inventory(self) -> None:
        known = self.folder / "known_hosts"
        known.write_text("".join(f"{host.address} {host.key}\n" for host in self.hosts.values()))
        options = {
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "ConnectTimeout": "20",
        }
        inventory = {
            "all": {
                "hosts": {name: {"ansible_host": host.address} for name, host in self.hosts.items()},
                "children": {group: {"hosts": {name: {} for name in names}} for group, names in GROUPS.items()},
                "vars": {
                    "ansible_user": ACCOUNT,
                    "ansible_ssh_private_key_file": str(self.folder / "id_ed25519"),
                    "ansible_ssh_common_args": " ".join(
                        ["-F none", *(f"-o {name}={value}" for name, value in options.items())]
                    ),
                    "ansible_python_interpreter": host_python(),
                },
            }
        }
        self.inventory.parent.mkdir()
        self.inventory.write_text(json.dumps(inventory, indent=2))


def host_python() -> str:
    """The Python of the machine that an ordinary user can run, empty if there is none."""
    return shutil.which("python3", path="/usr/bin:/usr/local/bin") or ""


def _found(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin")


def _namespaces_refused(folder: Path) -> str:
    """Why the kernel refuses what hosts are made of, empty if it does not."""
    for name in ("changes", "work", "root", "more"):
        (folder / name).mkdir()
    trial = f"""
        mount -t overlay -o lowerdir=/,upperdir={folder}/changes,workdir={folder}/work overlay {folder}/root &&
        mount -t tmpfs tmpfs {folder}/more && mkdir {folder}/more/changes {folder}/more/work && cd {folder}/more &&
        mount -t overlay -o lowerdir={folder}/root/etc,upperdir=changes,workdir=work overlay {folder}/root/etc &&
        ip link add bridge type bridge && ip link add one type veth peer name other
    """
    new = ["--mount", "--uts", "--ipc", "--net", "--pid", "--fork"]
    command = ["unshare", *new, "--propagation", "private", "sh", "-c", trial]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"namespaces that are hosts are refused here: {result.stderr.strip()}" if result.returncode else ""


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Mark a folder as in use, as long as this process lives and the context lasts."""
    with open(folder / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_abandoned() -> None:
    """Remove what makers of clusters left who were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for namespaces in folder.glob("*/pid"):
                kill(namespaces.parent)
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder; what a host that is ending still holds is tried again."""
    deadline = time.monotonic() + SECONDS
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < deadline)
