# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles cvmfs_stratum0 and cvmfs_stratum1, run by ansible-playbook.

Packages are installed on a host of its own: a mount namespace in which ``/etc``, ``/opt``, ``/srv``, ``/usr`` and
``/var`` are overlays that vanish with it, and in which CernVM-FS is not installed.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import ownership
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from tests.cvmfs.servers import (
    EMULATION,
    Answer,
    Emulated,
    Real,
    Server,
    fresh_name,
    nobody_cannot_run_the_emulation,
    wait_for,
)
from tests.foreign import COLLECTION, FORMS, left_by, play_using, seen_in

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
SCRIPT = ROOT / "roles" / "cvmfs_stratum0" / "files" / "scheduled.sh"
COMMAND = "/usr/local/sbin/julia_depots_cvmfs"
OVERLAID = ("etc", "opt", "srv", "usr", "var")


@dataclass
class Run:
    """How a play ended: the names of the tasks that changed something, and what failed."""

    returncode: int
    changed: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    text: str = ""

    @classmethod
    def of(cls, done: subprocess.CompletedProcess[str]) -> Run:
        run = cls(done.returncode, text=done.stdout + done.stderr)
        task = ""
        for line in done.stdout.splitlines():
            if match := re.match(r"TASK \[(?:\S+ : )?(.*)\] \**$", line):
                task = match[1]
            elif line.startswith("changed: "):
                run.changed.append(task)
            elif match := re.match(r"(?:fatal|failed): .*?=> (.*)", line):
                with suppress(ValueError):
                    run.failures.append(str(json.loads(match[1]).get("msg")))
        return run

    def succeeded(self) -> Run:
        assert self.returncode == 0, self.text[-6000:]
        return self

    def unchanged(self) -> Run:
        assert self.succeeded().changed == [], self.text[-6000:]
        return self

    def failure(self) -> str:
        """The message with which it failed."""
        assert self.returncode != 0, self.text[-3000:]
        assert self.failures, self.text[-3000:]
        return self.failures[-1]


@dataclass
class Player:
    """Runs roles, on this machine or in a namespace that a command leads into."""

    folder: Path
    inside: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    variables: dict[str, Any] = field(default_factory=dict)

    def __call__(self, role: str, *arguments: str, entry: str = "main", **variables: Any) -> Run:
        include = {"name": f"{COLLECTION}.{role}", "tasks_from": entry}
        play = {"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": include}]}
        return self.play(play, *arguments, **variables)

    def play(self, play: dict[str, Any], *arguments: str, **variables: Any) -> Run:
        """Run a play."""
        path = self.folder / "play.yml"
        path.write_text(json.dumps([play]))
        return self.book(path, *arguments, **variables)

    def book(self, path: Path, *arguments: str, **variables: Any) -> Run:
        """Run a playbook."""
        given = {"ansible_python_interpreter": sys.executable, **self.variables, **variables}
        environment = {
            **self.environment,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "default",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_CALLBACK_FORMAT_PRETTY": "false",
            "ANSIBLE_NOCOLOR": "1",
        }
        done = subprocess.run(
            [*self.inside, PLAYBOOK, "-i", "here,", "-c", "local", "-e", json.dumps(given), *arguments, path],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return Run.of(done)


# A host without CernVM-FS, and a package repository for it.


@dataclass
class Host:
    """A mount namespace that is kept by a process."""

    process: subprocess.Popen[str]

    @property
    def inside(self) -> tuple[str, ...]:
        return ("nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", "--")

    def run(self, *command: str) -> str:
        """Run a command that must succeed, and return what it writes."""
        done = subprocess.run([*self.inside, *command], cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def has(self, path: str) -> bool:
        return subprocess.run([*self.inside, "test", "-e", path], cwd="/", check=False).returncode == 0


PREPARE = f"""set -e
mount --make-rprivate /
mount -t tmpfs layers "$1"
for name in {" ".join(OVERLAID)}; do
    mkdir -p "$1/$name/upper" "$1/$name/work"
    mount -t overlay "$name" -o "lowerdir=/$name,upperdir=$1/$name/upper,workdir=$1/$name/work" "/$name"
done
mount -t tmpfs cvmfs /cvmfs
mount -t tmpfs run /run
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/cvmfs /usr/bin/cvmfs_server /usr/local/bin/cvmfs_server
"""


def _unavailable() -> str:
    if os.geteuid() != 0:
        return "a host of its own needs root"
    missing = [name for name in ("unshare", "nsenter", "apt-get", "dpkg-deb", "gpg") if not shutil.which(name)]
    if missing:
        return f"a host of its own and its package repository need {', '.join(missing)}"
    return ""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host without CernVM-FS that takes packages from nowhere yet."""
    if reason := _unavailable():
        pytest.skip(reason)
    layers = tmp_path / "layers"
    layers.mkdir()
    Path("/cvmfs").mkdir(exist_ok=True)
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"{PREPARE} echo ready; exec cat", "sh", str(layers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout.readline() != "ready\n":
            pytest.skip(f"no overlay can be mounted in a mount namespace here: {process.stderr.read()}")
        yield Host(process)
    finally:
        process.kill()
        process.communicate()


@dataclass
class Packages:
    """A package repository in the host, signed by a key of its own."""

    host: Host
    folder: Path
    place: str = "/opt/packages"

    @property
    def checksum(self) -> str:
        return hashlib.sha256((self.folder / "key.gpg").read_bytes()).hexdigest()

    def as_variable(self, **key: str) -> dict[str, Any]:
        keys = [{"url": f"file://{self.place}/key.gpg", "checksum": self.checksum, **key}]
        return {"apt": {"name": "test", "url": f"file://{self.place}", "suite": "./", "signing_keys": keys}}

    def package(self, name: str, **files: str) -> None:
        """Add a package; its files by their names in ``/usr/bin``."""
        root = self.folder / f"{name}.root"
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: 2.12.0\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n"
            "Description: for a test\n"
        )
        for file, text in files.items():
            (root / "usr" / "bin").mkdir(parents=True, exist_ok=True)
            (root / "usr" / "bin" / file).write_text(text)
            (root / "usr" / "bin" / file).chmod(0o755)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", root, self.folder], check=True, capture_output=True
        )
        shutil.rmtree(root)

    def publish(self, home: str) -> None:
        """Write the index of the packages and sign it, by the key in a folder of gpg."""
        index, release = b"", ["Origin: test", "Date: Thu, 01 Jan 2026 00:00:00 UTC", "SHA256:"]
        for path in sorted(self.folder.glob("*.deb")):
            control = subprocess.run(["dpkg-deb", "--field", path], check=True, capture_output=True).stdout
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            size = path.stat().st_size
            index += control + f"Filename: ./{path.name}\nSize: {size}\nSHA256: {digest}\n\n".encode()
        (self.folder / "Packages").write_bytes(index)
        release.append(f" {hashlib.sha256(index).hexdigest()} {len(index)} Packages")
        (self.folder / "Release").write_text("\n".join(release) + "\n")
        gpg = ["gpg", "--homedir", home, "--batch", "--yes"]
        for arguments in (
            ["--output", "InRelease", "--clearsign", "Release"],
            ["--output", "key.gpg", "--export"],
        ):
            subprocess.run([*gpg, *arguments], cwd=self.folder, check=True, capture_output=True)
        self.host.run("rm", "-rf", self.place)
        self.host.run("cp", "-r", str(self.folder), self.place)
        self.host.run("chmod", "-R", "a+rX", self.place)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A function that makes a key of gpg; the folder in which gpg has it."""
    homes: list[Path] = []

    def make(name: str) -> str:
        homes.append(tmp_path_factory.mktemp("g"))
        homes[-1].chmod(0o700)
        subprocess.run(
            ["gpg", "--homedir", homes[-1], "--batch", "--passphrase", "", "--quick-generate-key", name, "ed25519"],
            check=True,
            capture_output=True,
        )
        return str(homes[-1])

    yield make
    for home in homes:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=False, capture_output=True)


@pytest.fixture
def packages(host: Host, tmp_path: Path, signer: Callable[[str], str]) -> Packages:
    """The packages that the role wants; the server among them is the emulation."""
    folder = tmp_path / "packages"
    folder.mkdir()
    made = Packages(host, folder)
    program = f'#!/bin/sh\nCVMFS_EMULATION_MODE=plain exec {sys.executable} -I {EMULATION}/__main__.py "$@"\n'
    made.package("cvmfs")
    made.package("cvmfs-server", cvmfs_server=program)
    made.package("cron")
    made.publish(signer("packages"))
    return made


@pytest.fixture
def on_host(host: Host, packages: Packages, tmp_path: Path) -> Player:
    """Runs roles on the host of its own."""
    variables = {
        "cvmfs_stratum0_package_repository": packages.as_variable(),
        "cvmfs_stratum0_repository": fresh_name(),
        "cvmfs_stratum0_apache": False,
    }
    return Player(tmp_path, host.inside, variables=variables)


SOURCES = "/etc/apt/sources.list.d/test.sources"


def test_packages_are_installed_with_a_pinned_key(host: Host, on_host: Player) -> None:
    check = on_host("cvmfs_stratum0", "--check", entry="install").succeeded()
    assert check.changed == ["Say what would be installed"]
    assert not host.has(SOURCES)
    assert not host.has("/usr/bin/cvmfs_server")
    on_host("cvmfs_stratum0", entry="install").succeeded()
    assert host.run("sh", "-c", "command -v cvmfs_server") == "/usr/bin/cvmfs_server\n"
    assert "Signed-By: /etc/apt/keyrings/key.gpg\n" in host.run("cat", SOURCES)
    on_host("cvmfs_stratum0", entry="install").unchanged()
    on_host("cvmfs_stratum0", entry="install", cvmfs_stratum0_install="always").unchanged()
    on_host("cvmfs_stratum0", "--check", entry="install", cvmfs_stratum0_install="always").unchanged()


def test_a_key_that_is_not_the_pinned_one_is_refused(host: Host, on_host: Player, packages: Packages) -> None:
    source = packages.as_variable(checksum="0" * 64)
    message = on_host("cvmfs_stratum0", entry="install", cvmfs_stratum0_package_repository=source).failure()
    assert "checksum" in message.lower()
    assert packages.checksum in message
    assert not host.has("/etc/apt/keyrings/key.gpg")
    assert not host.has(SOURCES)
    assert not host.has("/usr/bin/cvmfs_server")


def test_packages_that_another_key_signed_are_refused(
    host: Host, on_host: Player, packages: Packages, signer: Callable[[str], str]
) -> None:
    pinned = (packages.folder / "key.gpg").read_bytes()
    packages.publish(signer("another"))
    (packages.folder / "key.gpg").write_bytes(pinned)
    host.run("cp", str(packages.folder / "key.gpg"), packages.place)
    assert on_host("cvmfs_stratum0", entry="install").returncode != 0
    assert not host.has("/usr/bin/cvmfs_server")


def test_a_server_that_is_there_gets_no_packages(host: Host, on_host: Player) -> None:
    host.run("sh", "-c", "printf '#!/bin/sh\\n' >/usr/local/bin/cvmfs_server; chmod 755 /usr/local/bin/cvmfs_server")
    on_host("cvmfs_stratum0", entry="install").unchanged()
    on_host("cvmfs_stratum0", entry="install", cvmfs_stratum0_install="never").unchanged()
    assert not host.has(SOURCES)


def test_all_faults_come_at_once_and_before_any_change(host: Host, on_host: Player, packages: Packages) -> None:
    faults = {
        "cvmfs_stratum0_repository": "Not a name",
        "cvmfs_stratum0_owner": "no such:user",
        "cvmfs_stratum0_gc_schedule": "61 3 * * 0",
        "cvmfs_stratum0_resign_schedule": "weekly",
        "cvmfs_stratum0_gc_keep_days": -1,
        "cvmfs_stratum0_schedule_wait": -2,
        "cvmfs_stratum0_keys_folder": "/nowhere",
        "cvmfs_stratum0_keys": {"pub": "a key"},
    }
    message = on_host(
        "cvmfs_stratum0", **faults, cvmfs_stratum0_package_repository=packages.as_variable(checksum="")
    ).failure()
    for name in faults:
        assert name in message
    assert "cvmfs_stratum0_package_repository.apt.signing_keys" in message
    assert packages.place in message
    never = on_host("cvmfs_stratum0", cvmfs_stratum0_install="never", cvmfs_stratum0_owner="a:b").failure()
    assert "cvmfs_stratum0_owner" in never
    assert "cvmfs_stratum0_install is never" in never
    replica = on_host(
        "cvmfs_stratum1",
        cvmfs_stratum1_repository="Not a name",
        cvmfs_stratum1_alias="neither",
        cvmfs_stratum1_source="ftp://stratum0.example.org",
        cvmfs_stratum1_snapshot_schedule="* * 1 * 1",
        cvmfs_stratum1_gc_schedule="x",
        cvmfs_stratum1_geo="license",
        cvmfs_stratum1_package_repository=packages.as_variable(checksum=""),
    ).failure()
    for word in ("repository", "alias", "source", "stratum0", "snapshot_schedule", "gc_schedule", "geo_account"):
        assert f"cvmfs_stratum1_{word}" in replica
    assert "cvmfs_stratum1_package_repository.apt.signing_keys" in replica
    assert not host.has(SOURCES)


SYSTEMCTL = """#!/bin/sh
# As much of systemctl as Ansible asks for.
state=/var/lib/systemctl
mkdir -p "$state"
[ "$1" = --no-pager ] && shift
case $1 in
    --version) echo 'systemd 252' ;;
    show) echo LoadState=loaded; [ ! -e "$state/$2.active" ] && echo ActiveState=inactive || echo ActiveState=active ;;
    is-enabled) [ -e "$state/$2.enabled" ] && echo enabled || { echo disabled; exit 1; } ;;
    is-active) [ -e "$state/$2.active" ] && echo active || { echo inactive; exit 3; } ;;
    enable) touch "$state/$2.enabled" ;;
    disable) rm -f "$state/$2.enabled" ;;
    start | restart) touch "$state/$2.active" ;;
    stop) rm -f "$state/$2.active" ;;
esac
echo "$*" >>"$state/log"
"""


@pytest.fixture
def on_systemd(host: Host, on_host: Player, tmp_path: Path) -> Player:
    """Runs roles on the host of its own, where systemd seems to run."""
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    host.run("mkdir", "-p", "/run/systemd/system", "/usr/local/bin")
    host.run("cp", str(tmp_path / "systemctl"), "/usr/local/bin/systemctl")
    return on_host


def units_of(host: Host) -> list[str]:
    return host.run("sh", "-c", "cd /etc/systemd/system && ls | grep julia_depots- || true").split()


def test_a_repository_on_a_clean_host(host: Host, on_host: Player) -> None:
    name = on_host.variables["cvmfs_stratum0_repository"]
    check = on_host("cvmfs_stratum0", "--check").succeeded()
    assert check.changed[:2] == ["Say what would be installed", "Say that the repository would be made"]
    assert not host.has("/usr/bin/cvmfs_server")
    assert not host.has(f"/etc/cron.d/{cron_name('gc', name)}")
    on_host("cvmfs_stratum0").succeeded()
    assert host.has(f"/srv/cvmfs/{name}/.cvmfspublished")
    assert host.run("cat", f"/etc/cron.d/{cron_name('gc', name)}").splitlines()[-1] == (
        f'17 3 * * 0 root /usr/local/sbin/julia_depots_cvmfs /usr/bin/cvmfs_server 7200 gc {name} -f -t "3 days ago"'
    )
    assert host.run("cat", f"/etc/cron.d/{cron_name('resign', name)}").splitlines()[-1] == (
        f"47 2 * * 1 root /usr/local/sbin/julia_depots_cvmfs /usr/bin/cvmfs_server 7200 resign {name} -f -d 30"
    )
    on_host("cvmfs_stratum0").unchanged()
    on_host("cvmfs_stratum0", "--check").unchanged()
    assert on_host("cvmfs_stratum0", cvmfs_stratum0_gc_schedule="").succeeded().changed == [
        "Take from cron the garbage collection"
    ]
    assert not host.has(f"/etc/cron.d/{cron_name('gc', name)}")


def test_the_servers_of_a_site(on_host: Player) -> None:
    servers = ROOT / "playbooks" / "servers.yml"
    store = {"type": "cvmfs", "repository": on_host.variables.pop("cvmfs_stratum0_repository"), "path": "julia"}
    on_host.variables["cvmfs_stratum1_package_repository"] = on_host.variables["cvmfs_stratum0_package_repository"]
    on_host.variables.update(target_publisher="here", target_replicas="here", cvmfs_stratum1_apache=False)
    run = on_host.book(servers, "--check", depot_store=store).succeeded()
    assert "Say that the repository would be made" in run.changed
    assert "Say that the replica would be made" in run.changed
    run = on_host.book(servers, depot_store={"type": "directory", "path": "/srv/depots"}).unchanged()
    assert "skipping" in run.text


@pytest.fixture
def storage(host: Host) -> Iterator[str]:
    """Where a web server on the host of its own serves the repositories."""
    serve = "-u -m http.server --bind 127.0.0.1 --directory /srv 0"
    command = [*host.inside, sys.executable, *serve.split()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
    port = re.search(r" port (\d+) ", process.stdout.readline())[1]
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.communicate()


@pytest.mark.parametrize("form", FORMS)
def test_servers_in_a_foreign_play(host: Host, packages: Packages, storage: str, tmp_path: Path, form: str) -> None:
    """Planned on a clean host, done, planned again, done again; and what the play sees after them."""
    run, name = Player(tmp_path, host.inside).play, fresh_name()
    stratum0 = {"repository": name, "package_repository": packages.as_variable(), "apache": False}
    own = {"alias": fresh_name(), "stratum0": "here", "source": f"{storage}/cvmfs/{name}"}
    stratum1 = {**stratum0, **own}
    roles = {"cvmfs_stratum0": stratum0, "cvmfs_stratum1": stratum1}
    uses = [(role, {f"{role}_{key}": value for key, value in inputs.items()}) for role, inputs in roles.items()]
    play = play_using(form, uses)
    planned = run(play, "--check").succeeded()
    assert {"Say that the repository would be made", "Say that the replica would be made"} <= set(planned.changed)
    assert not host.has("/usr/bin/cvmfs_server")
    done = run(play).succeeded()
    for repository in (name, stratum1["alias"]):
        assert host.has(f"/srv/cvmfs/{repository}/.cvmfspublished")
    before, after = seen_in(done.text)
    assert left_by(roles, before, after) == set()
    assert set(before["names"]) <= set(after["names"])
    assert before["facts"] == after["facts"]
    run(play, "--check").unchanged()
    run(play).unchanged()


def test_servers_beside_a_host_that_fails(host: Host, on_host: Player) -> None:
    """All hosts are one, and the one that fails does so before it changes anything."""
    inputs = dict(on_host.variables, cvmfs_stratum0_owner="{{ 'root' if inventory_hostname == 'here' else 'no such' }}")
    alone = Player(on_host.folder, on_host.inside)
    for strategy, serial in (("linear", 1), ("free", "100%")):
        keys = {"strategy": f"ansible.builtin.{strategy}", "serial": serial, "max_fail_percentage": 99}
        run = alone.play(play_using("include_role", [("cvmfs_stratum0", inputs)], **keys), "-i", "there,")
        assert "cvmfs_stratum0_owner" in run.failure()
        assert "fatal: [here]" not in run.text
        assert host.has(f"/srv/cvmfs/{inputs['cvmfs_stratum0_repository']}/.cvmfspublished")


def test_schedules_by_systemd(host: Host, on_systemd: Player) -> None:
    name = on_systemd.variables["cvmfs_stratum0_repository"]
    on_systemd("cvmfs_stratum0", cvmfs_stratum0_owner="daemon").succeeded()
    units = [f"julia_depots-{job}-{name}.{kind}" for job in ("gc", "resign") for kind in ("service", "timer")]
    assert units_of(host) == units
    service = host.run("cat", f"/etc/systemd/system/julia_depots-gc-{name}.service")
    assert "\nUser=daemon\n" in service
    assert f'cvmfs_server 7200 gc {name} -f -t "3 days ago"\n' in service
    assert "\nUser=root\n" in host.run("cat", f"/etc/systemd/system/julia_depots-resign-{name}.service")
    timer = host.run("cat", f"/etc/systemd/system/julia_depots-gc-{name}.timer")
    assert "\nOnCalendar=Sun *-*-* 3:17:00\n" in timer
    if shutil.which("systemd-analyze"):
        host.run("systemd-analyze", "verify", *(f"/etc/systemd/system/{unit}" for unit in units))
    assert host.has(f"/var/lib/systemctl/julia_depots-gc-{name}.timer.enabled")
    assert host.has(f"/var/lib/systemctl/julia_depots-gc-{name}.timer.active")
    assert not host.has(f"/etc/cron.d/{cron_name('gc', name)}")
    on_systemd("cvmfs_stratum0", cvmfs_stratum0_owner="daemon").unchanged()
    off = {"cvmfs_stratum0_owner": "daemon", "cvmfs_stratum0_gc_schedule": ""}
    assert on_systemd("cvmfs_stratum0", "--check", **off).succeeded().changed
    assert on_systemd("cvmfs_stratum0", **off).succeeded().changed
    assert units_of(host) == units[2:]
    assert not host.has(f"/var/lib/systemctl/julia_depots-gc-{name}.timer.active")
    on_systemd("cvmfs_stratum0", **off).unchanged()


def cron_name(job: str, repository: str) -> str:
    return f"julia_depots-{job}-{repository.replace('_', '__').replace('.', '_')}"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_keys_of_the_site_stay_secret(host: Host, on_host: Player, tmp_path: Path) -> None:
    name = on_host.variables["cvmfs_stratum0_repository"]
    folder = tmp_path / "keys"
    folder.mkdir()
    for private in ("masterkey", "key"):
        _openssl(folder, "genrsa", "-out", f"{name}.{private}", "2048")
    _openssl(folder, "rsa", "-in", f"{name}.masterkey", "-pubout", "-out", f"{name}.pub")
    subject = ["-subj", f"/CN={name}", "-days", "365"]
    _openssl(folder, "req", "-new", "-x509", "-key", f"{name}.key", "-out", f"{name}.crt", *subject)
    keys = {path.suffix[1:]: path.read_text() for path in folder.iterdir()}
    runs = [
        on_host("cvmfs_stratum0", "--diff", "-vvv", cvmfs_stratum0_keys_folder="keys").succeeded(),
        on_host("cvmfs_stratum0", cvmfs_stratum0_keys=keys).unchanged(),
    ]
    for kind, content in keys.items():
        assert host.run("cat", f"/etc/cvmfs/keys/{name}.{kind}").strip() == content.strip()
    secrets = [line for kind in ("key", "masterkey") for line in keys[kind].splitlines()[1:-1]]
    assert secrets
    assert not [line for run in runs for line in secrets if line in run.text]


INIT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: apache2
# Required-Start: $local_fs
# Required-Stop: $local_fs
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
case $1 in
    start | restart) touch /run/apache2.runs ;;
    stop) rm -f /run/apache2.runs ;;
    status) [ -e /run/apache2.runs ] && echo 'apache2 is running' || { echo 'apache2 is not running'; exit 3; } ;;
esac
echo "$1" >>/run/apache2.log
"""


@pytest.mark.skipif(shutil.which("service") is None, reason="there is no command service")
def test_apache_gets_its_modules_and_runs(host: Host, on_host: Player, tmp_path: Path) -> None:
    files = {
        "/etc/init.d/apache2": INIT,
        "/usr/sbin/apache2": "#!/bin/sh\n",
        "/usr/local/sbin/a2enmod": '#!/bin/sh\ntouch "/etc/apache2/mods-enabled/$2.load"\n',
        "/usr/local/bin/cvmfs_server": "#!/bin/sh\n",
    }
    host.run("rm", "-rf", "/etc/apache2", *files)
    host.run("mkdir", "-p", "/etc/apache2/mods-enabled", "/usr/local/bin", "/usr/local/sbin")
    for path, text in files.items():
        (tmp_path / "file").write_text(text)
        (tmp_path / "file").chmod(0o755)
        host.run("cp", str(tmp_path / "file"), path)
    host.run("mv", "/usr/sbin/apache2", "/usr/sbin/apache2.away")
    absent = on_host("cvmfs_stratum0", entry="install", cvmfs_stratum0_apache=True).failure()
    assert "cvmfs_stratum0_apache is true, but there is no Apache" in absent
    host.run("mv", "/usr/sbin/apache2.away", "/usr/sbin/apache2")
    changed = on_host("cvmfs_stratum0", entry="install", cvmfs_stratum0_apache=True).succeeded().changed
    assert changed[0] == "Switch Apache's modules on"
    assert changed[-1] == "Start Apache"
    assert host.run("ls", "/etc/apache2/mods-enabled").split() == ["expires.load", "headers.load"]
    assert host.has("/run/apache2.runs")
    on_host("cvmfs_stratum0", entry="install", cvmfs_stratum0_apache=True).unchanged()


def test_the_settings_of_the_server_of_a_replica(host: Host, on_host: Player) -> None:
    path = "/etc/cvmfs/server.local"

    def geo(*arguments: str, **variables: str) -> Run:
        given = {f"cvmfs_stratum1_{name}": value for name, value in variables.items()}
        return on_host("cvmfs_stratum1", *arguments, entry="geo", **given).succeeded()

    assert geo("--check").changed
    assert not host.has(path)
    assert geo().changed
    assert host.run("cat", path) == "CVMFS_GEO_DB_FILE=NONE\n"
    geo().unchanged()
    others = "# of others\nCVMFS_GEO_DB_FILE_OF_OTHERS=x\nexport CVMFS_NUM_WORKERS=3\n"
    host.run("sh", "-c", f"printf '{others}' >{path}")
    geo(geo="file", geo_database="/srv/places.mmdb")
    assert host.run("cat", path) == f"{others}CVMFS_GEO_DB_FILE=/srv/places.mmdb\n"
    license_ = {"geo": "license", "geo_account": "4711", "geo_license_key": "swordfish x"}
    run = geo("--diff", "-vvv", **license_)
    assert host.run("cat", path) == f"{others}CVMFS_GEO_ACCOUNT_ID=4711\nCVMFS_GEO_LICENSE_KEY='swordfish x'\n"
    assert host.run("stat", "-c", "%a", path) == "600\n"
    assert "swordfish" not in run.text
    geo(**license_).unchanged()
    geo("--check", **license_).unchanged()
    geo()
    assert host.run("cat", path) == f"{others}CVMFS_GEO_DB_FILE=NONE\n"


# Servers: the emulation, and the real one where it is installed.


def _kinds() -> list:
    kinds = []
    for kind in (Emulated, Real):
        reason = kind.unavailable()
        kinds.append(pytest.param(kind, id=kind.kind, marks=[pytest.mark.skip(reason=reason)] if reason else []))
    return kinds


@pytest.fixture(params=_kinds())
def unmade(request: pytest.FixtureRequest, _nothing_left_behind: None) -> Iterator[Server]:
    """A server whose repository is not made yet; of what roles do on this machine nothing is left."""
    server = request.param()
    was_there = Path(COMMAND).exists()
    try:
        yield server
    finally:
        server.destroy()
        for path in Path("/etc/cron.d").glob(f"julia_depots-*-{server.name.replace('.', '_')}"):
            path.unlink()
        if not was_there:
            Path(COMMAND).unlink(missing_ok=True)


def on_this_machine(server: Server, folder: Path, **variables: Any) -> Player:
    """Runs roles on this machine, with one of the servers."""
    if Path("/run/systemd/system").exists():
        pytest.skip("systemd runs here, and would be given timers")
    given = {"cvmfs_stratum0_apache": server.is_real, "cvmfs_stratum1_apache": server.is_real, **variables}
    return Player(folder, environment=server.environment, variables=given)


def scheduled_command(job: str, name: str) -> tuple[str, str]:
    """The user and the command that cron is given."""
    line = Path("/etc/cron.d", cron_name(job, name)).read_text().splitlines()[-1]
    user, command = line.split(" ", 6)[5:]
    return user, command


def start_scheduled(job: str, server: Server) -> subprocess.Popen[str]:
    """Start what cron is given, as cron does."""
    user, command = scheduled_command(job, server.name)
    return subprocess.Popen(
        ["runuser", "-u", user, "--", "sh", "-c", f"exec {command}"],
        env={**server.environment, "CVMFS_EMULATION_PYTHON": "/usr/bin/python3"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_repository_of_an_ordinary_user(unmade: Server, tmp_path: Path) -> None:
    if not unmade.is_real and (reason := nobody_cannot_run_the_emulation()):
        pytest.skip(reason)
    run = on_this_machine(
        unmade,
        tmp_path,
        cvmfs_stratum0_repository=unmade.name,
        cvmfs_stratum0_owner="nobody",
        cvmfs_stratum0_install="never",
    )
    assert run("cvmfs_stratum0", "--check").succeeded().changed
    assert not unmade.configuration.exists()
    run("cvmfs_stratum0").succeeded()
    assert unmade.state == "stratum0 / local"
    run("cvmfs_stratum0").unchanged()
    run("cvmfs_stratum0", "--check").unchanged()
    new = {"cvmfs_stratum0_settings": {"CVMFS_MAXIMAL_CONCURRENT_WRITES": 7}, "cvmfs_stratum0_gc_keep_days": 9}
    expected = ["Make the repository what it should be", "Give cron the garbage collection"]
    assert run("cvmfs_stratum0", "--check", **new).succeeded().changed == expected
    assert run("cvmfs_stratum0", **new).succeeded().changed == expected
    assert "CVMFS_MAXIMAL_CONCURRENT_WRITES=7\n" in (unmade.configuration / "server.conf").read_text()
    assert '-t "9 days ago"' in scheduled_command("gc", unmade.name)[1]
    run("cvmfs_stratum0", **new).unchanged()
    # What cron is given waits for the lock, and does its work.
    assert [scheduled_command(job, unmade.name)[0] for job in ("gc", "resign")] == ["nobody", "root"]
    repository = Repository(unmade.name)
    os.unlink(repository.lock)
    with ownership.held(repository, 0, "test"):
        processes = [start_scheduled(job, unmade) for job in ("resign", "gc")]
        wait_for(lambda: all(is_waiting(process) for process in processes), "the commands to wait")
    assert [ended(process) for process in processes] == [Answer(0, "", "")] * 2
    assert os.stat(repository.lock).st_uid == pwd.getpwnam("nobody").pw_uid
    assert unmade.state == "stratum0 / local"
    check = unmade.run("check", unmade.name)
    assert check.status == 0, check


class _Storage(http.server.SimpleHTTPRequestHandler):
    """Serves ``/srv/cvmfs`` as ``/cvmfs``, as Apache does for a real server."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory="/srv")

    def log_message(self, *_unused: Any) -> None:
        pass


@pytest.fixture
def address(unmade: Server) -> Iterator[str]:
    """Where the server's repositories are served."""
    if unmade.is_real:
        yield "http://localhost"
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Storage) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_a_replica(unmade: Server, address: str, tmp_path: Path) -> None:
    unmade.create("-z")
    alias = unmade.another()
    run = on_this_machine(
        unmade,
        tmp_path,
        cvmfs_stratum1_repository=unmade.name,
        cvmfs_stratum1_alias=alias.name,
        cvmfs_stratum1_stratum0="here",
        cvmfs_stratum1_source=f"{address}/cvmfs/{unmade.name}",
        cvmfs_stratum1_install="never",
        cvmfs_stratum1_geo="unmanaged",
    )
    try:
        assert run("cvmfs_stratum1", "--check").succeeded().changed
        assert not alias.configuration.exists()
        run("cvmfs_stratum1").succeeded()
        assert alias.revision == unmade.revision
        run("cvmfs_stratum1").unchanged()
        run("cvmfs_stratum1", "--check").unchanged()
        for command in ("transaction", "publish"):
            assert unmade.run(command, unmade.name).status == 0
        assert run("cvmfs_stratum1", "--check", entry="snapshot").succeeded().changed == ["Take a snapshot"]
        assert alias.revision == unmade.revision - 1
        assert run("cvmfs_stratum1", entry="snapshot").succeeded().changed == ["Take a snapshot"]
        assert alias.revision == unmade.revision
        run("cvmfs_stratum1", entry="snapshot").unchanged()
        for command in ("transaction", "publish"):
            assert unmade.run(command, unmade.name).status == 0
        assert ended(start_scheduled("snapshot", alias)) == Answer(0, "", "")
        assert alias.revision == unmade.revision
        assert ended(start_scheduled("gc", alias)) == Answer(0, "", "")
    finally:
        for path in Path("/etc/cron.d").glob(f"julia_depots-*-{alias.name.replace('.', '_')}"):
            path.unlink()
        alias.destroy()


@pytest.mark.parametrize("role", ["cvmfs_stratum0", "cvmfs_stratum1"])
def test_specifications_agree_with_the_defaults(role: str) -> None:
    folder = ROOT / "roles" / role
    defaults = yaml.safe_load((folder / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    assert specs["main"]["options"].keys() == defaults.keys()
    for entry in specs.values():
        for name, option in entry["options"].items():
            assert option.get("required", False) == ("{{" in str(defaults[name]))
            if not option.get("required"):
                assert option["default"] == defaults[name], name


# What is scheduled.


@pytest.fixture
def scheduled(emulated: Emulated) -> Callable[..., subprocess.Popen[str]]:
    """A function that starts the scheduled command for a fresh repository of the emulation."""

    def start(wait: int, command: str, *options: str, program: Path = EMULATION / "cvmfs_server") -> subprocess.Popen:
        return subprocess.Popen(
            ["sh", SCRIPT, program, str(wait), command, emulated.name, *options],
            env=emulated.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def ended(process: subprocess.Popen[str]) -> Answer:
    """The answer of a process that ends by itself."""
    stdout, stderr = process.communicate(timeout=120)
    return Answer(process.returncode, stdout, stderr)


def is_waiting(process: subprocess.Popen[str]) -> bool:
    """Whether a scheduled command waits for the lock."""
    with suppress(FileNotFoundError, ProcessLookupError):
        children = _children(process.pid)
        return any(Path(f"/proc/{child}/comm").read_text() == "flock\n" for child in children)
    return False


def _children(pid: int) -> list[int]:
    """The numbers of a process's descendants."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [descendant for child in children for descendant in _children(child)]


def test_what_is_scheduled_waits_for_the_lock_and_says_who_has_it(
    emulated: Emulated, scheduled: Callable[..., subprocess.Popen[str]]
) -> None:
    repository = Repository(emulated.name)
    with ownership.held(repository, 0, "publish"):
        process = scheduled(100, "resign")
        wait_for(lambda: is_waiting(process), "the command to wait")
        busy = ended(scheduled(0, "gc", "-f"))
        assert busy.status == 75
        assert f"process {os.getpid()}" in busy.stderr or f'"pid": {os.getpid()}' in busy.stderr
        assert ended(scheduled(0, "snapshot")) == Answer(0, "", "")
        assert process.poll() is None
    assert ended(process) == Answer(0, "", "")
    holder = json.loads(Path(repository.lock).read_text())
    assert holder["purpose"] == "renew the whitelist"
    assert holder["pid"] == process.pid
    assert os.stat(repository.lock).st_uid == os.stat(repository.spool).st_uid


def test_a_failure_of_what_is_scheduled_is_told(
    emulated: Emulated, scheduled: Callable[..., subprocess.Popen[str]]
) -> None:
    emulated.order("resign:before-sign", "fail", status=3, stderr="no ink\n")
    answer = ended(scheduled(0, "resign"))
    assert answer.status == 3
    assert answer.stderr.endswith("no ink\n")
    assert ended(scheduled(0, "publish")).status == 64


def test_garbage_is_left_alone_while_a_transaction_is_open(
    emulated: Emulated, scheduled: Callable[..., subprocess.Popen[str]]
) -> None:
    emulated.run("transaction", emulated.name)
    Path(Repository(emulated.name).owner_record).write_text("{}")
    answer = ended(scheduled(0, "gc", "-f"))
    assert answer.status == 75
    assert "is in a transaction" in answer.stderr
    assert "in transaction" in emulated.state
    assert Path(Repository(emulated.name).owner_record).read_text() == "{}"


def test_a_collection_that_died_is_recovered(
    emulated: Emulated, scheduled: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in emulated.environment.items():
        monkeypatch.setenv(name, value)
    emulated.order("gc:before-sweep", "die")
    assert ended(scheduled(0, "gc", "-f")).status != 0
    assert "in transaction" in emulated.state
    with ownership.exclusive(Repository(emulated.name), 0, "test") as recovered:
        assert [entry["status"] for entry in recovered] == ["aborted"]
        assert "to collect garbage" in recovered[0]["owner"]
    assert ended(scheduled(0, "gc", "-f")) == Answer(0, "", "")
    assert not Path(Repository(emulated.name).owner_record).exists()


def test_a_mount_that_stays_does_not_keep_the_lock(
    emulated: Emulated, scheduled: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nsleep 600 & echo $! >{tmp_path}/pid\n")
    program.chmod(0o755)
    assert ended(scheduled(0, "resign", program=program)) == Answer(0, "", "")
    try:
        with ownership.held(Repository(emulated.name), 0, "test"):
            pass
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


# Schedules: crontab(5) for cron, systemd.time(7) for systemd.


@functools.cache
def _role_variables() -> dict[str, Any]:
    path = str(ROOT / "roles" / "cvmfs_stratum0" / "vars" / "main.yml")
    return DataLoader().load_from_file(path, trusted_as_template=True)


def calendar_of(schedule: str) -> str | None:
    """The calendar event for a schedule; none where the role refuses it."""
    variables = {**_role_variables(), "__cvmfs_stratum0_job": {"schedule": schedule}}
    variables["__cvmfs_stratum0_schedules"] = {"its_name": schedule}
    templar = Templar(DataLoader(), variables)
    faults = templar.template(variables["__cvmfs_stratum0_schedule_faults"])
    if faults:
        assert "its_name" in faults[0]
        return None
    return templar.template(variables["__cvmfs_stratum0_calendar"])


@pytest.mark.parametrize(
    ("schedule", "calendar"),
    [
        ("17 3 * * 0", "Sun *-*-* 3:17:00"),
        ("47 2 * * 1", "Mon *-*-* 2:47:00"),
        ("*/5 * * * *", "*-*-* *:0/5:00"),
        ("0-29,45 8-18 1,15 */2 *", "*-1/2-1,15 8..18:0..29,45:00"),
        ("0 0 */2 12 *", "*-12-1/2 0:0:00"),
        ("0 0 * 6 Mon,fri,7,0", "Mon,Fri,Sun *-6-* 0:0:00"),
        ("0 0 1 * 1", None),
        ("60 0 * * *", None),
        ("*/60 0 * * *", None),
        ("0 20-5 * * *", None),
        ("0 24 * * *", None),
        ("0 0 0 * *", None),
        ("0 0 * 13 *", None),
        ("0 0 * * 8", None),
        ("0 0 * * 1-5", None),
        ("0 0 * *", None),
        ("0  0 * * *", None),
        ("0 0 * * * root", None),
        ("0 0 * * *\n", None),
        ("@daily", None),
    ],
)
def test_schedules(schedule: str, calendar: str | None) -> None:
    assert calendar_of(schedule) == calendar


def _a_field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most).map(str)
    pair = st.tuples(st.integers(least, most), st.integers(least, most)).map(sorted)
    part = st.one_of(number, pair.map("{0[0]}-{0[1]}".format))
    step = st.integers(1, most - least).map("*/{}".format)
    return st.one_of(st.just("*"), step, st.lists(part, min_size=1, max_size=3).map(",".join))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@settings(max_examples=60, deadline=None)
@given(_a_field(0, 59), _a_field(0, 23), _a_field(1, 28), _a_field(1, 12))
def test_systemd_takes_every_schedule(minute: str, hour: str, day: str, month: str) -> None:
    calendar = calendar_of(f"{minute} {hour} {day} {month} *")
    assert calendar is not None
    done = subprocess.run(["systemd-analyze", "calendar", calendar], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (calendar, done.stderr)
