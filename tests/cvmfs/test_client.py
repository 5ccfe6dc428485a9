# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role cvmfs_client and the module cvmfs_revision with the emulated client, and with the real one where it is.

Each test has a mount namespace of its own, which ``emulation/client/prepare`` makes one for a client.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cvmfs.servers import Emulated, Real, Server
from tests.foreign import COLLECTION, FORMS, left_by, play_using, seen_in

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".build" / "venv" / "bin"
COLLECTIONS = ROOT / ".build" / "collections"
PREPARE = Path(__file__).resolve().parent / "emulation" / "client" / "prepare"
ROLE = ROOT / "roles" / "cvmfs_client"
MARK = "# Managed by Ansible, scisoft.julia_depots.cvmfs_client"
RELOAD = "Let the client read its settings again"
# A public key of no repository.
WRONG_KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqgrj11qHKl8QzCxy7Sdf
76rqBvvdeNoIJ2quYbTIjbjdsnfGM724cdNWIcX1oINQKuTonzu6aMBWD8+SPk3k
EsiygOCb7G7utkHR8nQJOgwejjc10smlgsHP4UE8lfnXYGEGXibTq/cuejuNUV2R
9pvGZHnclNo3rjNSCQRvb7HA9n2jtkku8lBcUz8AnwIfv9oibuNwNt8/mMiLnJGa
TxF/WYkWiB0IibaFymzuqKBhfuoINhvpOLmQ83mpMkX+uQiWkQg4wmuzCA2DKoEy
2mlyCY1ioToUFG9+K1oASEGYKlN/Fat7rG7QkpwfUfykEEk7/1cWoULqLTJjmVh7
LQIDAQAB
-----END PUBLIC KEY-----
"""
ASK = """
import json, sys
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import client
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import DepotError
params = {"urls": [], "client": False, "revision": None, "timeout": 60, "interval": 1, **json.loads(sys.argv[1])}
check_mode = params.pop("check_mode", False)
try:
    print(json.dumps({"ok": client.change(params, check_mode)}))
except DepotError as error:
    print(json.dumps({"failure": error.result()}))
"""


@functools.cache
def no_namespace() -> str:
    """Why there is no mount namespace for a client here, empty if there is."""
    if os.geteuid() != 0:
        return "a client needs a mount namespace of its own, and that needs root"
    command = ["unshare", "--mount", "--propagation", "private", PREPARE, "none", "true"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"no mount namespace with overlays is to be had here: {result.stderr.strip()}" if result.returncode else ""


@functools.cache
def no_real_client() -> str:
    """Why the real client cannot be used, empty if it can."""
    if Real.unavailable():
        return Real.unavailable()
    if not shutil.which("cvmfs2") or not os.access("/sbin/mount.cvmfs", os.X_OK):
        return "no real client of CernVM-FS is installed"
    command = ["setpriv", "--reuid=cvmfs", "--clear-groups", "--", "sh", "-c", ": <>/dev/fuse"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"the user cvmfs cannot open /dev/fuse: {result.stderr.strip()}" if result.returncode else ""


@dataclass
class Run:
    """How a playbook ended."""

    ok: bool
    changed: list[str]
    message: str
    text: str


class Client:
    """A mount namespace of a client, and the repository that it is a client of."""

    def __init__(self, kind: str, server: Server, url: str, folder: Path) -> None:
        self.kind, self.server, self.url, self.folder = kind, server, url, folder
        self.name = server.name
        self.mount = f"/cvmfs/{server.name}"
        self.key = folder / "key.pub"
        self.key.write_bytes(Path(f"/etc/cvmfs/keys/{server.name}.pub").read_bytes())
        environment = dict(os.environ, CVMFS_EMULATION_PYTHON=sys.executable)
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", PREPARE, kind, "sh", "-c", "echo; exec sleep infinity"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.keeper.stdout.readline() == "\n", "the namespace could not be prepared"

    def close(self) -> None:
        self.sh("cvmfs_config umount", check=False)
        self.keeper.kill()
        self.keeper.wait()
        self.keeper.stdout.close()

    def inside(self, *command: str | Path, user: str = "") -> list[str | Path]:
        """A command line that runs a command in the namespace."""
        become = ["setpriv", f"--reuid={user}", "--clear-groups", "--"] if user else []
        return ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", "--wd=/", "--", *become, *command]

    def sh(self, script: str, check: bool = True) -> str:
        """Run a shell script in the namespace, and return what it prints."""
        result = subprocess.run(
            self.inside("sh", "-euc", script),
            env=dict(os.environ, CVMFS_EMULATION_PYTHON=sys.executable),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def configure(self) -> None:
        """Mount the repository without the role."""
        self.sh(
            f"""
            cp {self.key} /etc/cvmfs/keys/{self.name}.pub
            echo CVMFS_SERVER_URL={self.url}/cvmfs/@fqrn@ > /etc/cvmfs/config.d/{self.name}.conf
            echo CVMFS_PUBLIC_KEY=/etc/cvmfs/keys/{self.name}.pub >> /etc/cvmfs/config.d/{self.name}.conf
            echo CVMFS_HTTP_PROXY=DIRECT > /etc/cvmfs/default.local
            (ulimit -n 131072) 2> /dev/null || echo CVMFS_NFILES=$(ulimit -H -n) >> /etc/cvmfs/default.local
            mkdir {self.mount}
            mount -t cvmfs {self.name} {self.mount}
            """
        )

    def exists(self, path: str) -> bool:
        return self.sh(f"test -e {path} && echo yes || true") == "yes\n"

    @property
    def is_mounted(self) -> bool:
        return self.sh(f"grep -c ' {self.mount} ' /proc/self/mounts || true") != "0\n"

    @property
    def revision(self) -> int:
        return int(self.sh(f"attr -q -g revision {self.mount}"))

    @property
    def files(self) -> dict[str, str]:
        """Digests of all files below ``/etc``, by their path."""
        script = "find /etc -type f -print0 | xargs -0 sha256sum; find /etc -type l -printf '%l  %p\\n'"
        return {line.partition("  ")[2]: line.partition("  ")[0] for line in self.sh(script).splitlines()}

    def publish(self, path: str, content: str) -> int:
        """Publish a file, and return the new revision."""
        self.server.run("transaction", self.name)
        (self.server.path / path).write_text(content)
        answer = self.server.run("publish", self.name)
        assert answer.status == 0, answer
        return self.server.revision

    def play(self, *arguments: str, entry: str = "main", **variables: Any) -> Run:
        """Run the role in the namespace."""
        use = {"name": f"{COLLECTION}.cvmfs_client", "tasks_from": entry}
        book = {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": use}]}
        store = {"type": "cvmfs", "repository": self.name, "path": "julia"}
        return self.run(book, *arguments, **{"depot_store": store, **self.inputs, **variables})

    @property
    def inputs(self) -> dict[str, Any]:
        """What the role needs to know, beside the repository."""
        return {
            "cvmfs_client_server_urls": [f"{self.url}/cvmfs/@fqrn@"],
            "cvmfs_client_public_key_file": str(self.key),
            "cvmfs_client_install": False,
        }

    def run(self, play: dict[str, Any], *arguments: str, hosts: str = "localhost", **variables: Any) -> Run:
        """Run a play in the namespace, in which all hosts are."""
        playbook = self.folder / "play.yml"
        playbook.write_text(json.dumps([play]))
        given = {"ansible_python_interpreter": sys.executable, **variables}
        environment = dict(
            os.environ,
            ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default",
            ANSIBLE_CALLBACK_FORMAT_PRETTY="false",
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_DISPLAY_SKIPPED_HOSTS="false",
            CVMFS_EMULATION_PYTHON=sys.executable,
        )
        command = [BIN / "ansible-playbook", "--inventory", f"{hosts},", "--connection", "local", playbook]
        result = subprocess.run(
            self.inside(*command, "--extra-vars", json.dumps(given), *arguments),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return read(result)

    def ask(self, user: str = "", **params: Any) -> dict[str, Any]:
        """What the module cvmfs_revision gives in the namespace: ``ok``, or ``failure``."""
        text = json.dumps({"repository": self.name, **params})
        python = "/usr/bin/python3" if user else sys.executable
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(COLLECTIONS)}
        result = subprocess.run(
            self.inside(python, "-c", ASK, text, user=user),
            env=dict(environment, CVMFS_EMULATION_PYTHON=python),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


def read(result: subprocess.CompletedProcess[str]) -> Run:
    """The tasks of a play that changed something, and the message with which it failed."""
    task, changed, message = "", [], ""
    for line in result.stdout.splitlines():
        if line.startswith("TASK ["):
            task = line.partition("[")[2].rpartition("]")[0].rpartition(" : ")[2]
        elif line.startswith("changed: ") and task not in changed:
            changed.append(task)
        elif line.startswith("fatal: ") and "=> " in line:
            message = json.loads(line.partition("=> ")[2])["msg"]
    return Run(result.returncode == 0, changed, message, result.stdout + result.stderr)


def _parameters() -> list:
    emulated = [pytest.mark.skipif(bool(no_namespace()), reason=no_namespace())]
    reason = no_namespace() or no_real_client()
    real = [pytest.mark.skipif(bool(reason), reason=reason)]
    return [pytest.param("emulated", marks=emulated), pytest.param("real", marks=real)]


# For what does not depend on the client.
once = pytest.mark.parametrize("served", _parameters()[:1], indirect=True)


@pytest.fixture(scope="module", params=_parameters())
def served(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A repository of the emulated server, and of the real one."""
    server = Emulated() if request.param == "emulated" else Real()
    try:
        server.create()
        yield server
    finally:
        server.destroy()


@pytest.fixture
def client(served: Server, url: str, tmp_path: Path) -> Iterator[Client]:
    """A client on which nothing is configured."""
    made = Client("real" if served.is_real else "emulated", served, url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def configured(client: Client) -> Client:
    """A client that has the repository mounted."""
    client.configure()
    return client


# The role


def test_a_static_mount(client):
    before = client.files
    planned = client.play("--check", "--diff", cvmfs_client_mount="static")
    assert planned.ok, planned.text
    assert "Write the settings of the client" in planned.changed
    assert f"+CVMFS_SERVER_URL={client.url}/cvmfs/@fqrn@" in planned.text.splitlines()
    assert client.files == before
    assert not client.exists(client.mount)

    done = client.play(cvmfs_client_mount="static")
    assert done.ok, done.text
    assert [task for task in done.changed if task != "Mount it"] == [
        task for task in planned.changed if task != "Say what would be mounted"
    ]
    assert client.is_mounted
    assert client.revision == client.server.revision
    assert client.sh(f"grep cvmfs /etc/fstab | grep {client.name}") == (
        f"{client.name} {client.mount} cvmfs defaults,_netdev,nodev 0 0\n"
    )
    lowered = client.sh("(ulimit -n 131072) 2> /dev/null || ulimit -H -n").strip()
    wanted = {"CVMFS_CACHE_BASE=/var/lib/cvmfs", "CVMFS_HTTP_PROXY=DIRECT", "CVMFS_QUOTA_LIMIT=4000"}
    wanted |= {MARK, f"CVMFS_REPOSITORIES={client.name}"} | ({f"CVMFS_NFILES={lowered}"} if lowered else set())
    assert set(client.sh("cat /etc/cvmfs/default.local").splitlines()) == wanted
    assert client.sh(f"cat /etc/cvmfs/keys/example.org/{client.name}.pub") == client.key.read_text().strip() + "\n"

    for arguments in (("--check",), ()):
        again = client.play(*arguments, cvmfs_client_mount="static")
        assert (again.ok, again.changed) == (True, []), again.text

    changes = {"cvmfs_client_settings": {"CVMFS_SEND_INFO_HEADER": True, "CVMFS_X": "it's $HOME"}}
    planned = client.play("--check", cvmfs_client_mount="static", **changes)
    assert planned.changed == ["Write the settings of the client"], planned.text
    done = client.play(cvmfs_client_mount="static", **changes)
    assert done.changed == ["Write the settings of the client", RELOAD], done.text
    shown = client.sh(f"cvmfs_config showconfig {client.name} || true")
    assert "CVMFS_SEND_INFO_HEADER=yes " in shown
    assert "s $HOME" in shown  # the real one shows it quoted
    assert client.is_mounted

    refused = client.play(cvmfs_client_mount="autofs", **changes)
    assert refused.message == (
        f"cvmfs_client_mount is autofs, but /etc/fstab mounts {client.mount}; set it to static, or unmount these and"
        " take their lines out of /etc/fstab."
    )
    assert refused.changed == []


@once
def test_the_user_of_the_client_is_made_where_no_package_did(client):
    client.sh("userdel cvmfs")
    assert "Make the user of the client" in client.play(cvmfs_client_mount="static").changed
    assert client.sh("getent passwd cvmfs").startswith("cvmfs:")
    assert client.is_mounted
    again = client.play(cvmfs_client_mount="static")
    assert again.ok, again.text
    assert again.changed == []


@once
def test_autofs(client):
    planned = client.play("--check")
    assert planned.ok, planned.text
    assert not client.exists("/etc/cvmfs/default.local")
    done = client.play()
    assert done.ok, done.text
    assert done.changed[-2:] == ["Set autofs up for the client", "Start autofs, now and when the node boots"]
    assert client.is_mounted
    assert "/cvmfs /etc/auto.cvmfs" in client.sh("cat /etc/auto.master.d/cvmfs.autofs").splitlines()
    for arguments in (("--check",), ()):
        again = client.play(*arguments)
        assert (again.ok, again.changed) == (True, []), again.text
    refused = client.play(cvmfs_client_mount="static")
    assert refused.message.startswith(
        "cvmfs_client_mount is static, but autofs has /cvmfs here (/etc/auto.master.d/cvmfs.autofs); "
    )
    client.sh("rm /etc/auto.master /etc/auto.master.d/cvmfs.autofs; cvmfs_config umount")
    refused = client.play()
    assert refused.message.startswith("cvmfs_client_mount is autofs, but there is no auto.master on this node; "), (
        refused
    )


@once
def test_no_mount(client):
    done = client.play(cvmfs_client_mount="none")
    assert done.ok, done.text
    assert not client.is_mounted
    again = client.play(cvmfs_client_mount="none")
    assert (again.ok, again.changed) == (True, []), again.text


@once
def test_what_something_else_wrote_is_refused_or_kept(client):
    client.sh("echo CVMFS_HTTP_PROXY=http://squid:3128 > /etc/cvmfs/default.local")
    before = client.files
    refused = client.play(cvmfs_client_mount="none")
    assert "/etc/cvmfs/default.local was written by something else; " in refused.message
    assert "entry point repository" in refused.message
    assert client.files == before
    done = client.play(cvmfs_client_mount="none", cvmfs_client_take_over=True)
    assert done.ok, done.text
    assert client.sh("cat /etc/cvmfs/default.local.*") == "CVMFS_HTTP_PROXY=http://squid:3128\n"
    again = client.play(cvmfs_client_mount="none")
    assert (again.ok, again.changed) == (True, []), again.text


def test_the_entry_point_repository_touches_nothing_else(client):
    client.sh(
        """
        echo CVMFS_HTTP_PROXY=DIRECT > /etc/cvmfs/default.local
        (ulimit -n 131072) 2> /dev/null || echo CVMFS_NFILES=$(ulimit -H -n) >> /etc/cvmfs/default.local
        echo CVMFS_SERVER_URL=http://elsewhere.example.org/cvmfs/@fqrn@ > /etc/cvmfs/domain.d/example.org.conf
        mkdir -p /etc/cvmfs/keys/example.org
        echo CVMFS_KEYS_DIR=/etc/cvmfs/keys/example.org >> /etc/cvmfs/domain.d/example.org.conf
        """
    )
    if client.kind == "emulated":
        client.sh("cvmfs_config setup")
    before = client.files
    planned = client.play("--check", entry="repository")
    assert planned.ok, planned.text
    assert client.files == before
    done = client.play(entry="repository")
    assert done.ok, done.text
    assert done.changed == planned.changed
    own = {f"/etc/cvmfs/config.d/{client.name}.local", f"/etc/cvmfs/keys/julia_depots/{client.name}.pub"}
    assert {path for path in client.files if path not in before} == own
    assert {path: digest for path, digest in client.files.items() if path in before} == before

    again = client.play(entry="repository")
    assert (again.ok, again.changed) == (True, []), again.text
    if client.kind == "real":
        client.sh(f"mkdir {client.mount}; mount -t cvmfs {client.name} {client.mount}")
    assert client.revision == client.server.revision

    done = client.play(entry="repository", cvmfs_client_repository_settings={"CVMFS_MAX_RETRIES": 3})
    assert done.changed == ["Write the settings of the repository", RELOAD], done.text
    assert {path: digest for path, digest in client.files.items() if path in before} == before

    client.sh(f"echo CVMFS_MAX_RETRIES=2 > /etc/cvmfs/config.d/{client.name}.local")
    refused = client.play(entry="repository")
    assert f"/etc/cvmfs/config.d/{client.name}.local was written by something else; " in refused.message


@once
def test_servers_and_key_from_the_variables_of_another_role(client):
    """As ``docs/larger-sites.md`` has it, with the variables of galaxyproject.cvmfs."""
    text = (ROOT / "docs" / "larger-sites.md").read_text()
    mapping = yaml.safe_load(re.search(r"```yaml\n(cvmfs_client_repository: .*?)```", text, re.DOTALL)[1])
    theirs = {
        "cvmfs_server_urls": [
            {"domain": "elsewhere.org", "urls": ["http://elsewhere.org/cvmfs/@fqrn@"]},
            {"domain": client.name.partition(".")[2], "urls": [f"{client.url}/cvmfs/@fqrn@"]},
        ],
        "cvmfs_keys": [
            {"path": f"/etc/cvmfs/keys/example.org/not-{client.name}.pub", "key": WRONG_KEY},
            {"path": f"/etc/cvmfs/keys/example.org/{client.name}.pub", "key": client.key.read_text()},
        ],
    }
    client.sh(
        """
        echo CVMFS_HTTP_PROXY=DIRECT > /etc/cvmfs/default.local
        (ulimit -n 131072) 2> /dev/null || echo CVMFS_NFILES=$(ulimit -H -n) >> /etc/cvmfs/default.local
        cvmfs_config setup
        """
    )
    given = {**mapping, **theirs, "cvmfs_client_repository": client.name, "cvmfs_client_public_key_file": ""}
    done = client.play(entry="repository", **given)
    assert done.ok, done.text
    assert client.revision == client.server.revision
    again = client.play(entry="repository", **given)
    assert (again.ok, again.changed) == (True, []), again.text

    bad = client.play(entry="repository", **{**given, "cvmfs_keys": [], "cvmfs_server_urls": []})
    assert "cvmfs_client_server_urls is empty" in bad.message
    assert "cvmfs_client_public_key and cvmfs_client_public_key_file are both empty" in bad.message


def foreign_play(client, form, *, mount="static", inputs=(), **keys):
    """A play that uses the role by its own inputs alone."""
    given = {**client.inputs, "cvmfs_client_repository": client.name, "cvmfs_client_mount": mount, **dict(inputs)}
    return play_using(form, [("cvmfs_client", given)], **keys)


@pytest.mark.parametrize("form", FORMS)
def test_in_a_foreign_play(client, form):
    """Planned, done, planned again, done again; and what the play sees after it."""
    play = foreign_play(client, form)
    planned = client.run(play, "--check")
    assert planned.ok, planned.text
    assert "Write the settings of the client" in planned.changed
    assert not client.exists(client.mount)
    done = client.run(play)
    assert done.ok, done.text
    assert client.is_mounted
    before, after = seen_in(done.text)
    assert left_by(["cvmfs_client"], before, after) == set()
    assert set(before["names"]) <= set(after["names"])
    assert before["facts"] == after["facts"]
    for arguments in (("--check",), ()):
        again = client.run(play, *arguments)
        assert (again.ok, again.changed) == (True, []), again.text


@once
def test_tags_of_a_foreign_play(client):
    play = foreign_play(client, "roles", mount="none")
    play["roles"][0]["tags"] = "file_systems"
    left_out = client.run(play, "--skip-tags", "file_systems")
    assert (left_out.ok, left_out.changed) == (True, []), left_out.text
    assert "Write the settings of the client" not in left_out.text
    chosen = client.run(play, "--tags", "file_systems")
    assert "Write the settings of the client" in chosen.changed, chosen.text
    assert seen_in(chosen.text) == []


@once
@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_beside_a_host_that_fails(client, strategy):
    """Both hosts are this one, and the one that fails does so before it changes anything."""
    inputs = {"cvmfs_client_http_proxy": "{{ 'DIRECT' if inventory_hostname == 'good' else '' }}"}
    play = foreign_play(client, "include_role", inputs=inputs, strategy=f"ansible.builtin.{strategy}")
    done = client.run(play, hosts="good,bad")
    assert not done.ok
    assert "cvmfs_client_http_proxy holds" in done.message
    assert "fatal: [good]" not in done.text
    assert client.is_mounted


@once
def test_one_host_after_the_other(client):
    """Both hosts are this one, so there is nothing left to do on the second."""
    done = client.run(foreign_play(client, "import_role", serial=1), hosts="first,second")
    assert done.ok, done.text
    assert "changed: [first]" in done.text
    assert "changed: [second]" not in done.text


def test_a_server_that_cannot_be_reached_is_named(client):
    failed = client.play(cvmfs_client_mount="static", cvmfs_client_server_urls=["http://127.0.0.1:9/cvmfs/@fqrn@"])
    assert failed.message.startswith(f"{client.mount} cannot be mounted, ")
    assert failed.message.endswith(
        f". cvmfs_config chksetup says: Warning: failed to access http://127.0.0.1:9/cvmfs/{client.name}/"
        ".cvmfspublished through proxy DIRECT. See cvmfs_client_server_urls, cvmfs_client_http_proxy and the public"
        " key, and the system log of the node."
    )
    mended = client.play(cvmfs_client_mount="static")
    assert mended.ok, mended.text
    assert client.is_mounted


def test_a_wrong_key_mounts_nothing(client):
    failed = client.play(
        cvmfs_client_mount="static", cvmfs_client_public_key_file="", cvmfs_client_public_key=WRONG_KEY
    )
    assert f"{client.mount} cannot be mounted, " in failed.message
    assert not client.is_mounted


@once
def test_bad_input_is_named_at_once(client):
    before = client.files
    bad = client.play(
        cvmfs_client_repository="software",
        cvmfs_client_server_urls=["s1.example.org"],
        cvmfs_client_public_key_file="/nonexistent/key.pub",
        cvmfs_client_http_proxy="squid:3128",
        cvmfs_client_quota_limit=0,
        cvmfs_client_cache_base="cache of mine",
        cvmfs_client_settings={"NO-NAME": 1, "CVMFS_QUOTA_LIMIT": 5, "CVMFS_NFILES": 10**9},
        cvmfs_client_repository_settings={"CVMFS_LIST": [1], "CVMFS_LINES": "a\nb"},
    )
    for words in (
        'cvmfs_client_repository is "software"',
        'cvmfs_client_server_urls holds "s1.example.org"',
        'cvmfs_client_public_key_file is "/nonexistent/key.pub"',
        'cvmfs_client_http_proxy holds "squid:3128"',
        "cvmfs_client_quota_limit is 0;",
        'cvmfs_client_cache_base is "cache of mine"',
        "cvmfs_client_settings.NO-NAME is not the name of a setting",
        "cvmfs_client_settings.CVMFS_QUOTA_LIMIT has a variable of its own",
        "cvmfs_client_settings.CVMFS_NFILES is 1000000000",
        "cvmfs_client_repository_settings.CVMFS_LIST is neither",
        "cvmfs_client_repository_settings.CVMFS_LINES has more than one line",
    ):
        assert words in bad.message, words
    assert bad.changed == []
    nothing = {"cvmfs_client_server_urls": [], "cvmfs_client_public_key_file": ""}
    bad = client.play(entry="repository", **nothing)
    assert "cvmfs_client_server_urls is empty" in bad.message
    assert "cvmfs_client_public_key and cvmfs_client_public_key_file are both empty" in bad.message
    secret = {"cvmfs_client_public_key": "-----BEGIN RSA PRIVATE KEY-----", "cvmfs_client_public_key_file": ""}
    bad = client.play(cvmfs_client_mount="none", **secret)
    assert bad.message.startswith("cvmfs_client_public_key holds a private key"), bad.text
    bad = client.play(cvmfs_client_mount="none", cvmfs_client_public_key_file=str(client.folder / "play.yml"))
    assert bad.message.startswith("cvmfs_client_public_key_file holds no public key; give "), bad.text
    bad = client.play(cvmfs_client_mount="sometimes")
    assert "value of cvmfs_client_mount must be one of: autofs, static, none, got: sometimes" in bad.text
    assert client.files == before


@once
def test_a_host_that_publishes_the_repository_is_refused(client):
    client.sh(
        f"""
        mkdir -p {client.mount} /run/cvmfs/upper /run/cvmfs/work
        mount -t overlay -o lowerdir=/etc/cvmfs,upperdir=/run/cvmfs/upper,workdir=/run/cvmfs/work \
            overlay_{client.name} {client.mount}
        """
    )
    refused = client.play(cvmfs_client_mount="static")
    assert refused.message.startswith(
        f"cvmfs_client_mount is static, but this host publishes {client.name} and has it mounted at {client.mount}"
        " itself; "
    )
    client.sh(f"umount {client.mount}")


@once
def test_check_mode_on_a_machine_where_nothing_is_installed(served, url, tmp_path):
    client = Client("none", served, url, tmp_path)
    try:
        before = client.files
        for mount in ("autofs", "static", "none"):
            planned = client.play("--check", cvmfs_client_install=True, cvmfs_client_mount=mount)
            assert planned.ok, planned.text
            assert planned.changed[:2] == ["Say what would be installed", "Write the settings of the client"]
            assert client.files == before
        refused = client.play()
        assert refused.message.startswith("There is no client of CernVM-FS on this node"), refused.text
        asked = client.ask(client=True)["ok"]["served"][0]
        assert asked["reason"].startswith("it is not mounted; there is no client of CernVM-FS on this machine")
    finally:
        client.close()


@functools.cache
def no_packages() -> str:
    """Why no package can be made and installed here, empty if one can."""
    missing = [name for name in ("apt-get", "dpkg-deb", "gpg") if not shutil.which(name)]
    if missing:
        return f"a package repository for apt needs {', '.join(missing)}"
    command = ["/usr/bin/python3", "-c", "import apt"]
    bindings = subprocess.run(command, capture_output=True, check=False)
    return "Ansible's module apt needs python3-apt, which is not installed" if bindings.returncode else ""


def make_package_repository(folder: Path) -> str:
    """Make a signed package repository with a package that holds the emulated client, and return its key's SHA-256."""
    root, place = folder / "root", folder / "packages"
    for name, text in {
        "DEBIAN/control": "Package: cvmfs\nVersion: 2.12.0\nArchitecture: all\nDescription: for a test\n"
        "Maintainer: nobody <nobody@example.org>\n",
        "etc/cvmfs/default.conf": (PREPARE.parent / "default.conf").read_text(),
        **{
            f"usr/bin/{program}": f'#!/bin/sh\nexec {PREPARE.parent}/{program} "$@"\n'
            for program in ("cvmfs_config", "cvmfs_talk")
        },
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o755 if name.startswith("usr") else 0o644)
    place.mkdir()
    build = ["dpkg-deb", "--root-owner-group", "--build", root, place]
    subprocess.run(build, check=True, capture_output=True)
    package = next(place.glob("*.deb"))
    control = (root / "DEBIAN" / "control").read_text()
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    index = f"{control}Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"
    (place / "Packages").write_text(index)
    digest = hashlib.sha256(index.encode()).hexdigest()
    (place / "Release").write_text(f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {digest} {len(index)} Packages\n")
    with tempfile.TemporaryDirectory() as home:  # a short path, as the agent of gpg has its socket there
        gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--passphrase", ""]
        for arguments in (
            ["--quick-generate-key", "test", "ed25519"],
            ["--output", place / "InRelease", "--clearsign", place / "Release"],
            ["--output", place / "key.gpg", "--export"],
        ):
            subprocess.run([*gpg, *arguments], check=True, capture_output=True)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=False, capture_output=True)
    return hashlib.sha256((place / "key.gpg").read_bytes()).hexdigest()


@once
@pytest.mark.skipif(bool(no_packages()), reason=no_packages())
def test_packages_come_from_a_repository_whose_key_is_pinned(served, url, tmp_path):
    checksum = make_package_repository(tmp_path)
    client = Client("none", served, url, tmp_path)
    try:
        client.sh(
            f"""
            rm -rf /etc/apt/sources.list /etc/apt/sources.list.d
            mkdir /etc/apt/sources.list.d
            for folder in var/lib/dpkg var/lib/apt var/cache/apt var/log/apt usr/share/doc opt; do
                mkdir -p /$folder /run/cvmfs/$folder/upper /run/cvmfs/$folder/work
                mount -t overlay overlay /$folder \
                    -o lowerdir=/$folder,upperdir=/run/cvmfs/$folder/upper,workdir=/run/cvmfs/$folder/work
            done
            cp -r {tmp_path}/packages /opt/
            chmod -R a+rX /opt/packages
            """
        )
        key = {"url": "file:///opt/packages/key.gpg", "checksum": checksum}
        source = {"name": "test", "url": "file:///opt/packages", "suite": "./", "signing_keys": [key]}
        given = {"cvmfs_client_install": True, "cvmfs_client_mount": "none"}

        lacking = client.play(
            **given, cvmfs_client_package_repository={"apt": {"url": "", "signing_keys": [{**key, "checksum": "0"}]}}
        )
        assert "cvmfs_client_package_repository.apt has no url; " in lacking.message, lacking.text
        assert f"the checksum of {key['url']} is no SHA-256" in lacking.message
        wrong = {"apt": {**source, "signing_keys": [{**key, "checksum": "0" * 64}]}}
        refused = client.play(**given, cvmfs_client_package_repository=wrong)
        named = f"cvmfs_client_package_repository.apt.signing_keys: {key['url']} was refused: The checksum for "
        assert refused.message.startswith(named), refused.text
        assert not client.exists("/etc/apt/keyrings/key.gpg")
        assert not client.exists("/etc/apt/sources.list.d/test.sources")

        done = client.play(**given, cvmfs_client_package_repository={"apt": source})
        assert done.ok, done.text
        assert client.exists("/usr/bin/cvmfs_config")
        assert "Signed-By: /etc/apt/keyrings/key.gpg" in client.sh("cat /etc/apt/sources.list.d/test.sources")
        again = client.play(**given, cvmfs_client_package_repository=wrong)  # it is there, so nothing is looked at
        assert (again.ok, again.changed) == (True, []), again.text
    finally:
        client.close()


# The module


def test_a_client_is_brought_to_the_newest(configured):
    old = configured.revision
    new = configured.publish("new", "1\n")
    asked = configured.ask(client=True, urls=[f"{configured.url}/cvmfs/@fqrn@"], revision=new, check_mode=True)
    assert [entry["id"] for entry in asked["ok"]["lagging"]] == [configured.mount]
    assert configured.revision == old
    asked = configured.ask(client=True, urls=[f"{configured.url}/cvmfs/@fqrn@"], revision=new)
    assert [entry["revision"] for entry in asked["ok"]["served"]] == [new, new]
    assert configured.sh(f"cat {configured.mount}/new") == "1\n"


def test_who_lags_is_named(configured):
    now, url = configured.revision, f"{configured.url}/cvmfs/{configured.name}"
    dead = f"http://127.0.0.1:9/cvmfs/{configured.name}"
    failure = configured.ask(client=True, urls=[url, dead], revision=now + 1, timeout=2)["failure"]
    head = f"repository: {configured.name}: revision {now + 1} is not served by 3 of 3 after 2 s: {url} serves {now}; "
    assert failure["msg"].startswith(f"{head}{dead} cannot be read: ")
    assert f"the client's mount {configured.mount} serves {now}" in failure["msg"]
    assert [entry["revision"] for entry in failure["served"]] == [now, None, now]


def test_an_ordinary_user_waits(configured):
    user = "nobody"
    try:
        pwd.getpwnam(user)
    except KeyError:
        pytest.skip("there is no user nobody")
    readable = configured.inside("/usr/bin/python3", "-c", "import ansible_collections", user=user)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(COLLECTIONS)}
    if subprocess.run(readable, env=environment, capture_output=True, check=False).returncode:
        pytest.skip("the user nobody cannot read the collection, or there is no /usr/bin/python3")
    new = configured.publish("user", "1\n")
    failure = configured.ask(user=user, client=True, revision=new, timeout=1)["failure"]
    assert "it goes on by itself" in failure["lagging"][0]["reason"]
    assert "Permission denied" in failure["lagging"][0]["reason"]
    configured.sh(f"cvmfs_talk -i {configured.name} remount sync")
    assert configured.ask(user=user, client=True, revision=new)["ok"]["lagging"] == []


def test_a_client_that_has_not_mounted_it_says_why(client):
    reason = client.ask(client=True)["ok"]["served"][0]["reason"]
    assert reason.startswith("it is not mounted; its client is not configured for it: there is none of ")
    client.sh(f"touch /etc/cvmfs/config.d/{client.name}.local; mkdir {client.mount}")
    failure = client.ask(client=True, revision=1, timeout=0)["failure"]
    assert failure["msg"].endswith(
        f"the client's mount {client.mount} cannot be read: it is not mounted; "
        f"see what `cvmfs_config probe {client.name}` says, and the system's log"
    )


def test_a_broken_mount_is_told_from_one_that_is_not_there(configured):
    if configured.kind == "emulated":
        pytest.skip("the emulated client has no process that could die")
    configured.sh(f"kill -KILL $(attr -q -g pid {configured.mount})")
    reason = configured.ask(client=True)["ok"]["served"][0]["reason"]
    assert reason.startswith("its mount is broken, the process cvmfs2 behind it is gone; ")


# The emulation beside the real one


def test_both_answer_alike(configured):
    def answer(script: str) -> tuple[str, str]:
        text = configured.sh(f"if {{ {script}; }} 2>&1; then echo; echo 0; else s=$?; echo; echo $s; fi")
        *lines, status = text.replace(configured.name, "NAME").splitlines()
        return status, next((line for line in reversed(lines) if line), "")

    name, mount = configured.name, configured.mount
    assert answer(f"cvmfs_config probe {name}") == ("0", "Probing /cvmfs/NAME... OK")
    assert answer(f"cvmfs_talk -i {name} revision") == ("0", str(configured.revision))
    assert answer(f"cvmfs_talk -i {name} mountpoint") == ("0", "/cvmfs/NAME")
    assert answer(f"cvmfs_talk -i {name} remount sync") == ("0", "Catalog up to date")
    assert answer(f"cvmfs_config reload {name}") == ("0", "Activating Fuse module")
    assert answer(f"mount -t cvmfs {name} {mount}") == ("1", "Repository NAME is already mounted on /cvmfs/NAME")
    assert answer(f"touch {mount}/x")[0] == "1"
    assert answer("cvmfs_config umount") == ("0", "Unmounting /cvmfs/NAME: OK")
    assert answer(f"cvmfs_config reload {name}") == ("100", "Connecting to CernVM-FS loader... failed!")
    assert answer(f"cvmfs_config probe {name}") == ("1", "Probing /cvmfs/NAME... Failed!")
    socket = "/var/lib/cvmfs/shared/cvmfs_io.NAME"
    text = f"Seems like CernVM-FS is not running in /var/lib/cvmfs/shared (not found: {socket})"
    assert answer(f"cvmfs_talk -i {name} revision") == ("1", text)
    configured.sh(f"rmdir {mount}")
    assert answer(f"mount.cvmfs {name} {mount}")[0] == "32"  # the real one loses the end of what it has to say
    configured.sh(f"mkdir {mount}; echo CVMFS_PUBLIC_KEY=/nonexistent >> /etc/cvmfs/config.d/{name}.conf")
    assert answer(f"mount -t cvmfs {name} {mount}")[0] == "32"
    configured.sh("echo CVMFS_HTTP_PROXY= >> /etc/cvmfs/default.local")
    assert answer(f"mount -t cvmfs {name} {mount}") == ("1", "CVMFS_HTTP_PROXY required")
    configured.sh("echo CVMFS_STRICT_MOUNT=yes >> /etc/cvmfs/default.local")
    assert answer(f"mount -t cvmfs {name} {mount}") == ("1", "CVMFS_REPOSITORIES missing")


@once
def test_who_has_the_old_revision_open_keeps_it(configured):
    configured.publish("kept", "old\n")
    configured.sh(f"cvmfs_talk -i {configured.name} remount sync")
    new = configured.publish("kept", "new\n")
    script = f"""
        exec 3< {configured.mount}/kept
        cvmfs_talk -i {configured.name} remount sync > /dev/null
        cat <&3
        cat {configured.mount}/kept
    """
    assert configured.sh(script) == "old\nnew\n"
    assert configured.revision == new
