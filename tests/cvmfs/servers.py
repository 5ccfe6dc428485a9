# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CernVM-FS servers for tests: the emulation, and a real server where one is installed, behind one interface."""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

EMULATION = Path(__file__).resolve().parent / "emulation"
CONFIGURATION = Path("/etc/cvmfs/repositories.d")
MOUNTS = Path("/cvmfs")
SPOOL = Path("/var/spool/cvmfs")
STORAGE = Path("/srv/cvmfs")
NAMES = re.compile(r"contract-(?P<pid>[0-9]+)-[0-9a-f]+\.example\.org")

# The line that a real publish prints, and the step that the emulation passes, at a moment.
MOMENTS = {
    "sync": ("Swissknife Sync: Processing changes", "publish:before-sync"),
    "sign": ("Waiting for upload of files", "publish:before-sign"),
    "remount": ("Remounting newly created", "publish:before-remount"),
}


def fresh_name() -> str:
    """The name of a repository that does not exist; it holds the process that removes it."""
    return f"contract-{os.getpid()}-{secrets.token_hex(3)}.example.org"


@dataclass(frozen=True)
class Answer:
    """What a command answers."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Tag:
    """A line of ``tag -l -x``; ``timestamp`` in seconds since the epoch, ``size`` in bytes."""

    name: str
    hash: str
    size: int
    revision: int
    timestamp: int
    branch: str
    description: str


class Server:
    """A repository and the ``cvmfs_server`` that keeps it.

    Attributes:
        name: fully qualified name of the repository
        is_real: whether the server is a real one
        path: where the repository is mounted
        spool: its spool area
        storage: where its data are served from
    """

    is_real = False
    kind = ""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or fresh_name()
        self.path = MOUNTS / self.name
        self.spool = SPOOL / self.name
        self.storage = STORAGE / self.name
        self.configuration = CONFIGURATION / self.name

    @classmethod
    def unavailable(cls) -> str:
        """Why this kind of server cannot be used here, empty if it can."""
        raise NotImplementedError

    @property
    def environment(self) -> dict[str, str]:
        """The environment that makes ``cvmfs_server`` this server's."""
        raise NotImplementedError

    def another(self) -> Server:
        """A server of the same kind for another fresh repository."""
        return type(self)()

    def create(self, *options: str) -> Answer:
        """Make the repository with further options of ``mkfs``.

        Raises:
            RuntimeError: if that fails
        """
        answer = self.run("mkfs", "-o", "root", *options, self.name)
        if answer.status != 0:
            raise RuntimeError(f"mkfs of {self.name} ({self.kind}) fails: {answer}")
        return answer

    def destroy(self) -> None:
        """Remove the repository, whatever its state."""
        if self.configuration.is_dir():
            self.run("rmfs", "-f", self.name)
        remove_remains(self.name)

    def run(
        self, *arguments: str, cwd: Path | str = "/", input: str = "", user: int | None = None, timeout: float = 600
    ) -> Answer:
        """Run ``cvmfs_server`` to its end.

        Args:
            arguments: the command and its arguments
            cwd: where it is started
            input: what it reads from its standard input
            user: number of the user who runs it, default: who runs the tests
            timeout: seconds after which it is killed

        Raises:
            subprocess.TimeoutExpired: if it had to be killed
        """
        result = subprocess.run(
            ["cvmfs_server", *arguments],
            cwd=cwd,
            input=input,
            user=user,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Answer(result.returncode, result.stdout, result.stderr)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start ``cvmfs_server`` in a session of its own; its standard error comes with its standard output."""
        return subprocess.Popen(
            ["cvmfs_server", *arguments],
            cwd="/",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def publish_killed(self, moment: str, *arguments: str) -> None:
        """Publish, killed with SIGKILL at a moment of ``MOMENTS``."""
        raise NotImplementedError

    def publishing(self) -> AbstractContextManager[None]:
        """A publish that has begun and stands still; killed in the end."""
        raise NotImplementedError

    @property
    def state(self) -> str:
        """What ``list`` says in parentheses, such as ``stratum0 / local - in transaction``."""
        for _attempt in range(10):  # the list ends early where another repository is being made or removed
            for line in self.run("list").stdout.splitlines():
                if line.startswith(f"{self.name} ("):
                    return line.partition("(")[2].rpartition(")")[0]
            time.sleep(0.5)
        raise LookupError(f"{self.name} is not listed")

    @property
    def revision(self) -> int:
        """The revision that is published."""
        manifest = (self.storage / ".cvmfspublished").read_bytes().split(b"\n--\n")[0]
        return int(next(line[1:] for line in manifest.splitlines() if line.startswith(b"S")))

    @property
    def tags(self) -> dict[str, Tag]:
        """The tags by name, as ``tag -l -x`` lists them.

        Raises:
            RuntimeError: if that fails
        """
        answer = self.run("tag", "-l", "-x", self.name)
        if answer.status != 0:
            raise RuntimeError(f"the tags of {self.name} cannot be listed: {answer}")
        found = {}
        for line in answer.stdout.splitlines():
            name, digest, size, revision, timestamp, branch, description = line.split(" ", 6)
            found[name] = Tag(name, digest, int(size), int(revision), int(timestamp), branch, description)
        return found

    def mount_options(self) -> set[str]:
        """The options of what is mounted at ``path``, empty if nothing is."""
        options: set[str] = set()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            fields = line.split()
            if fields[1] == str(self.path):
                options = set(fields[3].split(","))
        return options

    def configure(self, line: str) -> None:
        """Add a line to ``server.conf``."""
        with open(self.configuration / "server.conf", "a") as file:
            file.write(line + "\n")


class Emulated(Server):
    """A repository of the emulation."""

    kind = "emulated"
    mode = ""

    @classmethod
    def unavailable(cls) -> str:
        if os.geteuid() != 0:
            return "the emulated cvmfs_server works on /cvmfs, /srv/cvmfs and /etc/cvmfs, and needs root"
        return ""

    @property
    def environment(self) -> dict[str, str]:
        environment = {**os.environ, "PATH": f"{EMULATION}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        environment["CVMFS_EMULATION_PYTHON"] = sys.executable
        if self.mode:
            environment["CVMFS_EMULATION_MODE"] = self.mode
        return environment

    @property
    def settings(self) -> dict:
        """What ``emulation.json`` says."""
        return json.loads((self.configuration / "emulation.json").read_text())

    def set(self, **settings: object) -> None:
        """Change settings of ``emulation.json``, such as ``leases``."""
        new = self.configuration / "emulation.json.new"
        new.write_text(json.dumps({**self.settings, **settings}))
        new.replace(self.configuration / "emulation.json")

    def order(self, step: str, action: str = "die", **more: object) -> None:
        """Order a fault, see the docstring of the package ``emulation``."""
        self.set(faults=[*self.settings["faults"], {"step": step, "action": action, **more}])

    def publish_killed(self, moment: str, *arguments: str) -> None:
        self.order(MOMENTS[moment][1], "die")
        answer = self.run("publish", *arguments, self.name)
        if answer.status != -signal.SIGKILL:
            raise RuntimeError(f"the publish was not killed: {answer}")

    @contextmanager
    def publishing(self) -> Iterator[None]:
        self.order(MOMENTS["sync"][1], "hang")
        process = self.start("publish", self.name)
        try:
            wait_for(lambda: not self.settings["faults"], "the publish to hang")
            yield
        finally:
            kill(process)


class EmulatedPlain(Emulated):
    """A repository of the emulation without mounts."""

    kind = "emulated-plain"
    mode = "plain"


class Real(Server):
    """A repository of a real server."""

    is_real = True
    kind = "real"

    @classmethod
    @functools.cache
    def unavailable(cls) -> str:
        program = shutil.which("cvmfs_server", path=_path_without_emulation())
        if program is None:
            return "no real cvmfs_server is installed"
        if os.geteuid() != 0:
            return "a real cvmfs_server is installed, but making repositories needs root"
        if not _apache_answers():
            return "a real cvmfs_server is installed, but no Apache answers on 127.0.0.1, port 80"
        return ""

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": _path_without_emulation(), "LC_ALL": "C.UTF-8"}

    @classmethod
    def version(cls) -> str:
        """The version that the server says it has."""
        answer = cls("").run("help")
        found = re.search(r"CernVM-FS Server Tool (\S+)", answer.stdout + answer.stderr)
        return found[1] if found else "of unknown version"

    def _signalled(self, moment: str, number: int, *arguments: str) -> subprocess.Popen:
        """Publish, and send the process group a signal at a moment."""
        process = self.start("publish", *arguments, self.name)
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith(MOMENTS[moment][0]):
                os.killpg(process.pid, number)
                return process
        process.wait()
        raise RuntimeError(f"the publish did not come to the moment {moment}: {''.join(seen)}")

    def publish_killed(self, moment: str, *arguments: str) -> None:
        kill(self._signalled(moment, signal.SIGKILL, *arguments))

    @contextmanager
    def publishing(self) -> Iterator[None]:
        process = self._signalled("sync", signal.SIGSTOP)
        try:
            yield
        finally:
            kill(process)


KINDS: Sequence[type[Server]] = (Emulated, EmulatedPlain, Real)


def _path_without_emulation() -> str:
    return os.pathsep.join(entry for entry in os.environ["PATH"].split(os.pathsep) if Path(entry) != EMULATION)


def _answers() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", 80), timeout=2):
            return True
    except OSError:
        return False


def _apache_answers() -> bool:
    """Whether Apache answers; it is started if it does not."""
    if _answers():
        return True
    if shutil.which("service") is None:
        return False
    subprocess.run(["service", "apache2", "start"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if _answers():
            return True
        time.sleep(0.2)
    return False


def nobody_cannot_run_the_emulation() -> str:
    """Why the user ``nobody`` cannot start the emulation with ``/usr/bin/python3``, empty if it can."""
    environment = {"PATH": f"{EMULATION}:/usr/bin:/bin", "CVMFS_EMULATION_PYTHON": "/usr/bin/python3"}
    # By its path: a real one further on in PATH would answer where the user cannot get to the emulation.
    program = shlex.quote(str(EMULATION / "cvmfs_server"))
    try:
        result = subprocess.run(
            ["sh", "-c", f"exec {program} list"],
            user="nobody",
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return f"a process cannot become the user nobody here: {error.strerror}"
    return f"the user nobody cannot run the emulation: {result.stderr}" if result.returncode else ""


def wait_for(condition: object, what: str, seconds: float = 60) -> None:
    """Wait until a function returns something true.

    Raises:
        TimeoutError: if it does not within the time
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def kill(process: subprocess.Popen) -> None:
    """Kill a process that ``Server.start`` started, with all of its session's group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def remove_remains(name: str) -> None:
    """Remove what may be left of a repository."""
    for path in (MOUNTS / name, SPOOL / name / "rdonly"):
        while is_mounted(path) and _umount_lazily(path):
            pass
    for folder in (MOUNTS / name, SPOOL / name, STORAGE / name, CONFIGURATION / name):
        shutil.rmtree(folder, ignore_errors=True)
    for path in Path("/etc/cvmfs/keys").glob(f"{name}.*"):
        path.unlink(missing_ok=True)
    for path in Path("/etc/apache2").glob(f"conf-*/cvmfs.{name}.conf"):
        path.unlink(missing_ok=True)
    fstab = Path("/etc/fstab")
    if fstab.is_file() and name in fstab.read_text():
        fstab.write_text("".join(line for line in fstab.read_text().splitlines(True) if name not in line))


def is_mounted(path: Path) -> bool:
    """Whether something is mounted at a folder, a bind mount from the same file system included."""
    return any(line.split()[1] == str(path) for line in Path("/proc/self/mounts").read_text().splitlines())


def _umount_lazily(path: Path) -> bool:
    return subprocess.run(["umount", "-l", path], capture_output=True, check=False).returncode == 0


def _is_abandoned(name: str) -> bool:
    """Whether a repository was made by this process, or by one that is gone."""
    match = NAMES.fullmatch(name)
    if match is None:
        return False
    pid = int(match["pid"])
    return pid == os.getpid() or not Path(f"/proc/{pid}").exists()


def remove_abandoned() -> None:
    """Remove every repository ``contract-*.example.org`` that no living process of tests keeps."""
    if os.geteuid() != 0:
        return
    names: set[str] = set()
    for folder in (CONFIGURATION, MOUNTS, SPOOL, STORAGE):
        names |= {path.name for path in folder.glob("contract-*.example.org")}
    for name in sorted(filter(_is_abandoned, names)):
        emulated = (CONFIGURATION / name / "emulation.json").is_file()
        (Emulated if emulated else Real)(name).destroy()
