# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of four hosts, reached by SSH: two builders, a stratum-0 and a client."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ACCOUNT, KINDS, Cluster, Played

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".build" / "venv" / "bin"
LOCAL_CVMFS = ROOT / "inventory" / "local-cvmfs"
JETS = ROOT / "environments" / "jets"
DEMO = "using AntiKt; AntiKt.demo()"
ENVIRONMENTS = ("jets", "more-jets")
HOSTS = ["builder1", "builder2", "stratum0", "client"]
FQRN = "depots.example.org"
MOUNTS = "/cvmfs"
MOUNT = f"{MOUNTS}/{FQRN}"

# Starts a cluster, says which processes are the first of its namespaces, and waits to be killed.
MAKER = """
import sys, time
from tests.cluster import Cluster
cluster = Cluster("emulated")
cluster.start()
print(cluster.folder, *(path.read_text().split()[0] for path in cluster.folder.glob("*/pid")), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module", params=KINDS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of each kind, for all tests."""
    if reason := Cluster.unavailable(request.param):
        pytest.skip(reason)
    with Cluster(request.param) as cluster:
        yield cluster


def test_every_host_is_reached_by_ssh_and_become_makes_root(cluster):
    for become, user in (("false", ACCOUNT), ("true", "root")):
        who = ("--module-name", "command", "--args", "sh -c 'echo $(hostname) $(id -un)'")
        result = cluster.ansible("all", "--extra-vars", f"ansible_become={become}", *who)
        assert result.returncode == 0, result.stdout + result.stderr
        for name in HOSTS:
            assert f"{name} {user}" in result.stdout


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def test_hosts_share_no_files(cluster):
    for path in ("/etc/new", "/usr/local/bin/new", "/var/lib/julia_depots/new", "/tmp/new", "/run/new", "/home/new"):
        cluster["builder1"].run("touch", path)
        assert not Path(path).exists()
        for name in HOSTS[1:]:
            assert cluster[name].run("test", "-e", path, check=False).returncode == 1, (name, path)


def test_hosts_have_processes_of_their_own(cluster):
    process = cluster["builder1"].start("sleep", "517")
    try:
        wait_for(lambda: cluster["builder1"].run("pgrep", "-f", "^sleep 517", check=False).returncode == 0)
        assert cluster["builder2"].run("pgrep", "-f", "^sleep 517", check=False).returncode == 1
    finally:
        cluster["builder1"].run("pkill", "-f", "^sleep 517")
        process.wait()


def test_the_client_mounts_what_the_stratum_0_publishes(cluster):
    stratum0, client = cluster["stratum0"], cluster["client"]
    cluster.serve()
    stratum0.run("cvmfs_server", "mkfs", "-o", "root", FQRN)
    try:
        assert client.run("curl", "-sf", f"http://stratum0/cvmfs/{FQRN}/.cvmfspublished").stdout.startswith("C")
        key = stratum0.run("cat", f"/etc/cvmfs/keys/{FQRN}.pub").stdout
        client.run("tee", f"/etc/cvmfs/keys/{FQRN}.pub", input=key)
        client.run("tee", "/etc/cvmfs/default.local", input="CVMFS_HTTP_PROXY=DIRECT\nCVMFS_NFILES=16384\n")
        settings = f"CVMFS_SERVER_URL=http://stratum0/cvmfs/@fqrn@\nCVMFS_PUBLIC_KEY=/etc/cvmfs/keys/{FQRN}.pub\n"
        client.run("tee", f"/etc/cvmfs/config.d/{FQRN}.conf", input=settings)
        client.run("mkdir", MOUNT)
        client.run("mount", "-t", "cvmfs", FQRN, MOUNT)

        stratum0.run("cvmfs_server", "transaction", FQRN)
        stratum0.run("touch", f"{MOUNT}/published")
        stratum0.run("cvmfs_server", "publish", FQRN)
        assert client.run("test", "-e", f"{MOUNT}/published", check=False).returncode == 1
        client.run("cvmfs_talk", "-i", FQRN, "remount", "sync")
        client.run("test", "-e", f"{MOUNT}/published")
        assert client.run("touch", f"{MOUNT}/mine", check=False).returncode == 1
    finally:
        client.run("umount", MOUNT, check=False)
        client.run("rm", "-rf", MOUNT, "/etc/cvmfs/default.local", f"/etc/cvmfs/config.d/{FQRN}.conf", check=False)
        client.run("rm", "-f", f"/etc/cvmfs/keys/{FQRN}.pub", check=False)
        stratum0.run("cvmfs_server", "rmfs", "-f", FQRN)


@pytest.fixture(scope="module")
def site(cluster: Cluster, julia: str, julia_version: Callable, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site of a cluster after its first run, on which each builder has an environment of its own."""
    site = Site(cluster, tmp_path_factory.mktemp("site"), {"version": julia_version(julia), "executable": julia})
    site.set_up()
    return site


@dataclass
class Site:
    """A site on a cluster: projects on the controller, and the variables of its playbooks."""

    cluster: Cluster
    folder: Path
    julia: dict[str, str]
    fqrn: str = ""
    first: Played | None = None

    def set_up(self) -> None:
        """Run the site for the first time. Each environment is locked before, as a site does that keeps its locks."""
        self.fqrn = f"site-{self.julia['version'].replace('.', '-')}.example.org"
        for name in ENVIRONMENTS:
            shutil.copytree(JETS, self.folder / name, ignore=shutil.ignore_patterns("Manifest*.toml"))
        self.change(ENVIRONMENTS[1], "another environment")
        for builder, name in zip(("builder1", "builder2"), ENVIRONMENTS, strict=True):
            only = f"{{{{ depot_environments | selectattr('name', 'eq', '{name}') }}}}"
            self.cluster.set(builder, depot_build_environments=only)
        # The repository belongs to root; a client of CernVM-FS goes on to a new revision at once for root alone.
        for group in ("cvmfs_stratum0", "depot_clients"):
            self.cluster.set(group, ansible_become=True)
        self.cluster.serve()
        locked = self.play("lock", depot_build_environments=self.environments)
        assert locked.ok, locked.end
        served = self.play("servers")
        assert served.ok, served.end
        key = self.cluster["stratum0"].run("cat", f"/etc/cvmfs/keys/{self.fqrn}.pub").stdout
        (self.folder / "key.pub").write_text(key)
        self.first = self.play("site")
        assert self.first.ok, self.first.end

    @property
    def environments(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "project": str(self.folder / name), "julia": self.julia, "workload": DEMO}
            for name in ENVIRONMENTS
        ]

    def change(self, environment: str, remark: str) -> None:
        """Change a source of an environment's project."""
        with open(self.folder / environment / "AntiKt" / "src" / "AntiKt.jl", "a") as file:
            file.write(f"\n# {remark}\n")

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Played:
        """Run a playbook of the collection."""
        known = {
            "depot_store": {"type": "cvmfs", "repository": self.fqrn, "path": "julia"},
            "depot_environments": self.environments,
            "depot_targets": {platform.machine(): ["generic"]},
            "cvmfs_stratum0_install": "never",
            "cvmfs_stratum0_apache": self.cluster.kind == "real",
            "cvmfs_client_install": False,
            "cvmfs_client_mount": "static",
            "cvmfs_client_server_urls": ["http://stratum0/cvmfs/@fqrn@"],
            "cvmfs_client_public_key_file": str(self.folder / "key.pub"),
        }
        return self.cluster.play(ROOT / "playbooks" / f"{playbook}.yml", *arguments, **{**known, **variables})

    def path(self, environment: str) -> str:
        """The folder of an environment in the store, on every host."""
        return f"/cvmfs/{self.fqrn}/julia/environments/{environment}"

    def current(self, host: str, environment: str) -> str:
        """The release that is current for a host."""
        link = self.cluster[host].run("readlink", f"{self.path(environment)}/current").stdout
        return link.strip().rpartition("/")[2]

    @property
    def revision(self) -> int:
        """The revision that the stratum-0 publishes."""
        manifest = self.cluster["stratum0"].run("cat", f"/srv/cvmfs/{self.fqrn}/.cvmfspublished").stdout
        return int(next(line[1:] for line in manifest.splitlines() if line.startswith("S")))


def test_each_environment_comes_from_its_builder_to_the_client(site):
    for builder, own, other in (("builder1", *ENVIRONMENTS), ("builder2", *reversed(ENVIRONMENTS))):
        staging = "/var/lib/julia_depots/staging"
        site.cluster[builder].run("test", "-d", f"{staging}/{own}")
        assert site.cluster[builder].run("test", "-d", f"{staging}/{other}", check=False).returncode == 1
    for name in ENVIRONMENTS:
        assert site.current("client", name) == site.current("stratum0", name) != ""


def test_an_ordinary_user_of_the_client_compiles_nothing(site):
    client = site.cluster["client"]
    for name in ENVIRONMENTS:
        command = [f"{site.path(name)}/current/bin/julia", "-e", DEMO]
        result = client.run("sudo", "-H", "-u", ACCOUNT, *command)
        assert "brute force, gives the same jets" in result.stdout
    compiled = client.run("find", f"/home/{ACCOUNT}", "-path", "*/.julia/compiled/*", "-type", "f")
    assert compiled.stdout == ""


def test_the_second_run_changes_nothing_and_publishes_nothing(site):
    before = site.revision
    for arguments in (["--check"], []):
        played = site.play("site", *arguments)
        assert (played.ok, played.changed) == (True, []), played.end
    assert site.revision == before


def test_a_change_arrives_and_a_rollback_leaves_the_other_environment_alone(site):
    one, two = ENVIRONMENTS
    first = {name: site.current("client", name) for name in ENVIRONMENTS}
    for name in ENVIRONMENTS:
        site.change(name, "changed")
    played = site.play("site")
    assert played.ok, played.end
    second = {name: site.current("client", name) for name in ENVIRONMENTS}
    assert all(second[name] != first[name] for name in ENVIRONMENTS)

    played = site.play("rollback", depot_publish_environment=one)
    assert played.ok, played.end
    assert site.current("stratum0", one) == first[one]
    played = site.play("verify")
    assert played.ok, played.end
    site.cluster["client"].run("cvmfs_talk", "-i", site.fqrn, "remount", "sync")
    assert site.current("client", one) == first[one]
    assert site.current("client", two) == second[two]


def test_one_host_is_server_and_client_in_a_mount_namespace(cluster):
    """The inventory local-cvmfs, on a host of the cluster, where it cannot touch the machine."""
    host, fqrn = cluster["stratum0"], "local.example.org"
    cluster.serve()
    variables = {
        "depot_store": {"type": "cvmfs", "repository": fqrn, "path": "julia"},
        "depot_client_check": False,
        "quickstart_root": "/root/quickstart",
        "cvmfs_stratum0_install": "never",
        "cvmfs_stratum0_apache": cluster.kind == "real",
    }
    environment = [f"ANSIBLE_CONFIG={ROOT / 'ansible.cfg'}", "ANSIBLE_NOCOLOR=1"]
    options = ["--inventory", LOCAL_CVMFS, "--extra-vars", json.dumps(variables)]

    def play(*playbooks: str) -> str:
        paths = [ROOT / "playbooks" / f"{name}.yml" for name in playbooks]
        return host.run("env", *environment, BIN / "ansible-playbook", *options, *paths).stdout

    def in_client(command: str) -> str:
        program = ["env", *environment, BIN / "ansible", "client", *options]
        return host.run(*program, "--module-name", "shell", "--args", command).stdout

    processes = ["pgrep", "-f", f"cvmfs2 .* {MOUNTS}/{fqrn}$"]
    assert "/cvmfs tmpfs" in in_client("findmnt --noheadings /cvmfs"), "it can be made before the repository is"
    play("servers", "clients")
    again = play("servers", "clients")
    assert re.findall(r"changed=[1-9]", again) == [], again
    try:
        assert f"{fqrn} {MOUNTS}/{fqrn} cvmfs " in in_client("cat /etc/fstab")
        assert f" {MOUNTS}/{fqrn} cvmfs " not in host.run("cat", "/etc/fstab").stdout
        for number in range(2):
            host.run("cvmfs_server", "transaction", fqrn)
            host.run("touch", f"{MOUNTS}/{fqrn}/{number}")
            host.run("cvmfs_server", "publish", fqrn)
            in_client(f"cvmfs_talk -i {fqrn} remount sync && test -e {MOUNTS}/{fqrn}/{number}")
            in_client(f"! touch {MOUNTS}/{fqrn}/mine")
        if cluster.kind == "real":
            host.run(*processes)
        host.run(LOCAL_CVMFS / "client-namespace", "--remove")
        wait_for(lambda: host.run(*processes, check=False).returncode == 1)
        assert host.run("sh", "-c", "grep -c julia_depots/client /proc/self/mounts", check=False).stdout == "0\n"
        host.run("test", "-e", f"{MOUNTS}/{fqrn}/1")
        host.run("cvmfs_server", "check", fqrn)
    finally:
        host.run(LOCAL_CVMFS / "client-namespace", "--remove", check=False)
        host.run("cvmfs_server", "rmfs", "-f", fqrn)


def machine() -> tuple[str, str, list[str]]:
    """What of the machine a cluster might have left something in: its network, its mounts, its host name."""
    links = subprocess.run(["ip", "-brief", "link"], check=True, capture_output=True, text=True).stdout
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "julia_depots-cluster" in line]
    return os.uname().nodename, links, mounts


def first_processes(cluster: Cluster) -> list[int]:
    return [int(path.read_text().split()[0]) for path in cluster.folder.glob("*/pid")]


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_in_the_end(kind):
    if reason := Cluster.unavailable(kind):
        pytest.skip(reason)
    before = machine()
    with Cluster(kind) as cluster:
        folder, processes = cluster.folder, first_processes(cluster)
        cluster.serve()
        assert cluster.ansible("all", "--module-name", "ping").returncode == 0
        assert [lives(pid) for pid in processes] == [True] * 5
        assert machine() == before
    assert [pid for pid in processes if lives(pid)] == []
    assert not folder.exists()
    assert machine() == before


def test_what_a_killed_maker_left_is_removed_by_the_next():
    if reason := Cluster.unavailable("emulated"):
        pytest.skip(reason)
    before = machine()
    maker = subprocess.Popen([sys.executable, "-c", MAKER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        folder, *words = maker.stdout.readline().split()
        processes = [int(word) for word in words]
        assert [lives(pid) for pid in processes] == [True] * 5
    finally:
        maker.send_signal(signal.SIGKILL)
        maker.wait()
        maker.stdout.close()
    wait_for(lambda: not any(lives(pid) for pid in processes))
    assert machine() == before
    assert Path(folder).exists()
    with Cluster("emulated"):
        assert not Path(folder).exists()
