# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a revision: servers that are real HTTP servers here, and a client that is played."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import client
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError, ServerError

NAME = "software.example.org"
names = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){1,3}", fullmatch=True)


class Served(ThreadingHTTPServer):
    """A server of manifests; ``revisions`` are what it answers one after another, the last one for ever."""

    daemon_threads = True

    def __init__(self, *revisions: int, repository: str = NAME) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.revisions, self.repository, self.asked = list(revisions), repository, []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/cvmfs/{NAME}"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        served = self.server
        served.asked.append(self.path)
        if not served.revisions:
            self.send_error(404)
            return
        revision = served.revisions.pop(0) if len(served.revisions) > 1 else served.revisions[0]
        text = f"C{'0' * 40}\nB4096\nD240\nS{revision}\nN{served.repository}\nT1795421613\n--\n{'0' * 40}\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode() + bytes(range(128, 255)))

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def serving(*revisions: int, **options: str) -> Iterator[Served]:
    server = Served(*revisions, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(client.urllib.request, "_opener", None)  # it remembers the proxies of its first use
    monkeypatch.setattr(client, "GRACE_SECONDS", 1.0)


def ask(check_mode: bool = False, **params: object) -> dict:
    return client.change(
        {"repository": NAME, "urls": [], "client": False, "revision": None, "timeout": 30, "interval": 1, **params},
        check_mode,
    )


def refused(**params: object) -> ServerError:
    with pytest.raises(ServerError) as error:
        ask(**params)
    return error.value


# Servers


def test_without_a_revision_it_tells_what_each_serves():
    with serving(7) as one, serving() as two:
        result = ask(urls=[one.url, two.url])
    assert result == {
        "changed": False,
        "actions": [],
        "revision": None,
        "served": [
            {"what": "url", "id": one.url, "revision": 7, "reason": ""},
            {
                "what": "url",
                "id": two.url,
                "revision": None,
                "reason": f"{two.url}/.cvmfspublished cannot be read: HTTP 404 Not Found",
            },
        ],
        "lagging": [],
    }
    assert one.asked == [f"/cvmfs/{NAME}/.cvmfspublished"]


def test_it_waits_until_all_serve_the_revision():
    with serving(6, 6, 7) as one, serving(9) as two:
        result = ask(urls=[one.url, f"{two.url}/"], revision=7)
    assert [served["revision"] for served in result["served"]] == [7, 9]
    assert result["lagging"] == []
    assert len(one.asked) == 3
    assert len(two.asked) == 1


def test_it_fails_and_names_who_lags():
    with serving(6) as one, serving(7) as two, serving(9, repository="other.example.org") as other:
        error = refused(urls=[one.url, two.url, other.url], revision=7, timeout=1)
    assert error.message == (
        f"repository: {NAME}: revision 7 is not served by 2 of 3 after 1 s: {one.url} serves 6; "
        f"{other.url} cannot be read: it is of the repository other.example.org, not of {NAME}"
    )
    assert [entry["id"] for entry in error.details["lagging"]] == [one.url, other.url]
    assert [entry["revision"] for entry in error.details["served"]] == [6, 7, None]
    assert error.details["changed"] is False


def test_in_check_mode_it_asks_once_and_does_not_fail():
    with serving(6, 7) as one:
        result = ask(urls=[one.url], revision=7, check_mode=True)
    assert [entry["revision"] for entry in result["lagging"]] == [6]
    assert len(one.asked) == 1


def test_servers_that_do_not_answer_leave_the_others_their_time(monkeypatch):
    monkeypatch.setattr(client, "READ_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, serving(6, 6, 7) as one:
        dead = [f"http://127.0.0.1:{silent.getsockname()[1]}/cvmfs/{NAME}", f"http://127.0.0.1:9/cvmfs/{NAME}"]
        error = refused(urls=[*dead, one.url], revision=7, timeout=4)
    assert [entry["revision"] for entry in error.details["served"]] == [None, None, 7]
    assert "timed out" in error.details["served"][0]["reason"]
    assert "Connection refused" in error.details["served"][1]["reason"]


def test_a_look_that_hangs_is_left_behind(monkeypatch):
    monkeypatch.setattr(client, "READ_SECONDS", 0.2)
    monkeypatch.setattr(client, "GRACE_SECONDS", 0.2)
    never = threading.Event()
    monkeypatch.setattr(client.Mount, "look", lambda *_arguments, **_options: never.wait())
    with serving(7) as one:
        error = refused(urls=[one.url], client=True, revision=7, timeout=1)
    never.set()
    assert error.details["lagging"] == [
        {"what": "client", "id": f"/cvmfs/{NAME}", "revision": None, "reason": "gave no answer"}
    ]


def test_a_proxy_that_may_be_stale_is_named(monkeypatch):
    with serving(6) as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:secret@127.0.0.1:{proxy.server_port}")
        error = refused(urls=[f"http://stratum1.example.org/cvmfs/{NAME}"], revision=7, timeout=0)
    assert error.details["lagging"][0]["reason"] == (
        f"read through the proxy 127.0.0.1:{proxy.server_port}, which may hold it longer"
    )


# The client of this machine


class Played:
    """A client: what its mount's attributes are, and what ``cvmfs_talk`` writes and exits with."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.attributes: dict[str, str] = {}
        self.error = errno.ENODATA
        self.mounted = True
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setattr(client.server, "ADMINISTRATION", "/nonexistent")
        monkeypatch.setattr(client, "CONFIGURATION", str(folder / "etc"))
        monkeypatch.setattr(client, "is_mounted", lambda _path: self.mounted)
        monkeypatch.setattr(client.os, "getxattr", self.getxattr, raising=False)

    def getxattr(self, path: str, name: str) -> bytes:
        assert path == f"/cvmfs/{NAME}"
        on_disk = self.folder / "revision"
        if name == "user.revision" and on_disk.exists():
            return on_disk.read_bytes()
        value = self.attributes.get(name[len("user.") :])
        if value is None:
            raise OSError(self.error, os.strerror(self.error))
        return value.encode()

    def talks(self, script: str) -> None:
        program = self.folder / "cvmfs_talk"
        program.write_text(f'#!/bin/sh\ncd "${{0%/*}}" && echo "$@" >>asked\n{script}\n')
        program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def played(tmp_path, monkeypatch) -> Played:
    return Played(tmp_path, monkeypatch)


def test_the_client_is_asked_to_look_for_the_newest(played):
    played.attributes["revision"] = "6"
    played.talks('printf 7 > revision; echo "Catalog up to date"')
    assert ask(client=True, revision=7)["served"] == [
        {"what": "client", "id": f"/cvmfs/{NAME}", "revision": 7, "reason": ""}
    ]
    assert played.asked == [f"-i {NAME} remount sync"]


def test_the_client_is_not_asked_where_it_need_not_be(played):
    played.attributes["revision"] = "6"
    played.talks("exit 1")
    assert ask(client=True)["served"][0]["revision"] == 6
    assert ask(client=True, revision=6)["lagging"] == []
    assert ask(client=True, revision=7, check_mode=True)["lagging"][0]["revision"] == 6
    assert played.asked == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            f"echo \"Could not access instance '{NAME}' (13 - Permission denied)\" >&2; exit 1",
            "it goes on by itself, in up to 4 minutes, for it cannot be asked: "
            f"Could not access instance '{NAME}' (13 - Permission denied)",
        ),
        ("echo 'Failed (no space)'", "asked for the newest, it says 'Failed (no space)'"),
        ("echo 'Catalog up to date'", ""),
        ("", "it cannot be asked, since cvmfs_talk is not installed"),
    ],
)
def test_a_client_that_lags_says_why(played, script, reason):
    played.attributes = {"revision": "6", "expires": "4", "host": "http://s1/cvmfs/x", "proxy": "http://squid:3128"}
    if script:
        played.talks(script)
    else:
        played.monkeypatch.setenv("PATH", str(played.folder))
    error = refused(client=True, revision=7, timeout=1)
    way = "it reads from http://s1/cvmfs/x through the proxy http://squid:3128, which may hold an older one"
    assert error.details["lagging"][0]["reason"] == "; ".join(part for part in (way, reason) if part)
    assert f"the client's mount /cvmfs/{NAME} serves 6: {way}" in error.message


def test_a_client_without_attributes_is_asked_for_its_revision(played):
    played.talks('[ "$3" = revision ] && echo 6')
    assert ask(client=True)["served"][0]["revision"] == 6
    played.talks("echo unknown command")
    served = ask(client=True)["served"][0]
    assert served["revision"] is None
    assert served["reason"] == "it does not tell its revision: unknown command"


@pytest.mark.parametrize(
    ("number", "mounted", "reason"),
    [
        (errno.ENOTCONN, True, "its mount is broken, the process cvmfs2 behind it is gone"),
        (errno.EACCES, False, "Permission denied"),
        (errno.ENOENT, False, "it is not mounted; there is no client of CernVM-FS on this machine"),
        (errno.ENOTSUP, False, "it is not mounted; there is no client of CernVM-FS on this machine"),
    ],
)
def test_a_mount_that_cannot_be_read_has_a_reason(played, number, mounted, reason):
    played.error, played.mounted = number, mounted
    played.monkeypatch.setenv("PATH", str(played.folder))
    served = ask(client=True)["served"][0]
    assert served["revision"] is None
    assert served["reason"].startswith(reason)


def test_a_client_that_is_not_configured_is_told_from_one_that_fails(played):
    played.error, played.mounted = errno.ENOENT, False
    (played.folder / "etc" / "config.d").mkdir(parents=True)
    (played.folder / "etc" / "default.conf").touch()
    reason = ask(client=True)["served"][0]["reason"]
    assert reason.startswith("it is not mounted; its client is not configured for it: there is none of ")
    assert f"domain.d{os.sep}example.org.local" in reason
    (played.folder / "etc" / "config.d" / f"{NAME}.local").touch()
    reason = ask(client=True)["served"][0]["reason"]
    assert reason == f"it is not mounted; see what `cvmfs_config probe {NAME}` says, and the system's log"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('[ "$3 $4" = "cleanup 0" ] && echo OK', ""),
        ('[ "$3 $4" = "cleanup 0" ] && echo "Not fully cleaned (there might be pinned chunks)"', ""),
        ("echo Unsupported by this cache", "Unsupported by this cache"),
        ("echo Permission denied >&2; exit 1", "Permission denied"),
        ("", "it cannot be asked, since cvmfs_talk is not installed"),
    ],
)
def test_a_client_empties_its_cache_or_says_why_not(played, script, reason):
    if script:
        played.talks(script)
    else:
        played.monkeypatch.setenv("PATH", str(played.folder))
    assert client.empty_cache(NAME) == reason


def test_a_mount_on_demand_is_no_mount(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/etc/auto.cvmfs /cvmfs autofs rw 0 0\ncvmfs2 /cvmfs/a.b fuse ro 0 0\nx /cvmfs/c.d autofs rw 0 0\n"
    )
    plain_open = open
    monkeypatch.setattr("builtins.open", lambda path, **options: plain_open(mounts, **options))
    assert client.is_mounted("/cvmfs/a.b")
    assert not client.is_mounted("/cvmfs/c.d")
    assert not client.is_mounted("/cvmfs/e.f")


# Input


def test_all_faults_are_named_at_once():
    with pytest.raises(InputError) as error:
        ask(
            repository="no",
            urls=["stratum1.example.org", "http://user:secret@s1.example.org/cvmfs/x", "http://s1:port/", "ftp://s1/x"],
            revision=0,
            timeout=-1,
            interval=0,
        )
    assert len(error.value.faults) == 8
    assert [fault.partition(":")[0] for fault in error.value.faults] == [
        "repository",
        *["urls"] * 4,
        "revision",
        "timeout",
        "interval",
    ]
    assert "secret" not in error.value.message


def test_nothing_to_ask_is_a_fault():
    with pytest.raises(InputError, match="urls: none is given, and client is false"):
        ask()


@given(names, st.sampled_from(["http", "https"]), st.from_regex(r"[a-z0-9]{1,9}(:[1-9][0-9]{0,3})?", fullmatch=True))
def test_urls_are_expanded_as_clients_do(name, scheme, host):
    url = f"{scheme}://{host}/cvmfs/@org@/@fqrn@/"
    assert client._fault_of_url(url) == ""
    assert client.expanded(url, name) == f"{scheme}://{host}/cvmfs/{name.split('.')[0]}/{name}"
    assert client.expanded(client.expanded(url, name), name) == client.expanded(url, name)


@given(st.text())
def test_any_text_is_a_url_or_has_a_fault(text):
    fault = client._fault_of_url(text)
    assert fault == "" or "URL" in fault or "holds a user" in fault
