# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replicas that are made, follow their stratum-0, and are removed, on each kind of server."""

from __future__ import annotations

import fcntl
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import information, replica
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import (
    BusyError,
    InputError,
    ServerError,
    TimeLimitError,
)
from tests.cvmfs.servers import Emulated, Server, wait_for

NOWHERE = "http://localhost:9/cvmfs/nothing"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """A web server of what the emulation keeps below ``/srv``."""
    handler = functools.partial(Quiet, directory="/srv")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def url(server: Server, port: int) -> str:
    """Where the repository of a stratum-0 can be read."""
    return f"http://localhost{'' if server.is_real else f':{port}'}/cvmfs/{server.name}"


@pytest.fixture
def copy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A replica that is not there yet."""
    another = server.another()
    if not server.is_real:
        Path("/srv/cvmfs").mkdir(parents=True, exist_ok=True)
    for name, value in another.environment.items():
        monkeypatch.setenv(name, value)
    yield another
    another.destroy()


@pytest.fixture
def made(server: Server, copy: Server, url: str) -> Server:
    """A replica without any revision."""
    change(server, copy, url=url)
    return copy


def change(server: Server, copy: Server, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Call what the module calls."""
    defaults = {name: spec.get("default") for name, spec in replica.ARGUMENT_SPEC.items()}
    defaults.update(repository=server.name, alias=copy.name, lock_timeout=60)
    return replica.change({**defaults, **given}, check_mode)


def done(result: dict[str, Any]) -> list[str]:
    assert result["changed"] == bool(result["actions"])
    return [f"{entry['what']} {entry['status']}" for entry in result["actions"]]


def changes(server: Server, copy: Server, expected: list[str], **given: Any) -> dict[str, Any]:
    """Change it in check mode, for good, and twice more, with what each has to do."""
    before = state_of(copy)
    assert done(change(server, copy, True, **given)) == expected
    assert state_of(copy) == before
    result = change(server, copy, **given)
    assert done(result) == expected
    assert done(change(server, copy, True, **given)) == []
    assert done(change(server, copy, **given)) == []
    return result


def state_of(copy: Server) -> dict[str, bytes]:
    """What check mode must not change."""
    files = [copy.configuration / "server.conf", copy.configuration / "replica.conf"]
    files += [copy.storage / ".cvmfspublished", copy.storage / ".cvmfswhitelist"]
    return {str(path): path.read_bytes() for path in files if path.is_file()}


def conf(copy: Server, name: str = "server.conf") -> list[str]:
    return (copy.configuration / name).read_text().splitlines()


def publish(server: Server) -> int:
    assert server.run("transaction", server.name).status == 0
    (server.path / "file").write_text(os.urandom(30_000).hex())
    assert server.run("publish", server.name).status == 0
    return server.revision


def remains(copy: Server) -> list[str]:
    return [str(path) for path in (copy.spool, copy.storage, copy.configuration) if path.exists()]


def key_of(server: Server) -> Path:
    return Path(f"/etc/cvmfs/keys/{server.name}.pub")


def test_a_replica_is_made_and_removed(server: Server, copy: Server, url: str) -> None:
    given = {"url": url, "group": "nightly", "settings": {"CVMFS_NUM_WORKERS": 4, "CVMFS_LOG_LEVEL": 2}}
    result = changes(server, copy, ["replica created"], **given)
    assert (result["revision"], result["url"]) == (0, f"http://localhost/cvmfs/{copy.name}")
    assert {f"CVMFS_STRATUM0={url}", "CVMFS_SNAPSHOT_GROUP=nightly", "CVMFS_LOG_LEVEL=2"} <= set(conf(copy))
    assert {f"CVMFS_PUBLIC_KEY={key_of(server)}", "CVMFS_NUM_WORKERS=4"} <= set(conf(copy, "replica.conf"))
    with pytest.raises(InputError, match=f"force: {copy.name}, a replica at revision 0, would be lost"):
        change(server, copy, state="absent")
    changes(server, copy, ["replica removed"], state="absent", force=True)
    assert remains(copy) == []
    assert key_of(server).is_file()


def test_a_replica_is_made_with_its_first_snapshot(server: Server, copy: Server, url: str) -> None:
    result = changes(server, copy, ["replica created", "snapshot taken"], state="current", url=url)
    assert (result["before"], result["revision"]) == (0, server.revision)
    assert copy.revision == server.revision


def test_a_replica_follows_its_stratum0(server: Server, made: Server) -> None:
    changes(server, made, ["snapshot taken"], state="current")
    before, after = server.revision, publish(server)
    assert done(change(server, made)) == []  # present alone takes no snapshot
    result = changes(server, made, ["snapshot taken"], state="current")
    assert (result["before"], result["revision"]) == (before, after)
    assert made.revision == after
    assert result["seconds"] > 0


def test_a_renewed_whitelist_is_followed_too(server: Server, made: Server) -> None:
    change(server, made, state="current")
    time.sleep(1.1)  # whitelists tell seconds apart
    assert server.run("resign", server.name).status == 0
    changes(server, made, ["snapshot taken"], state="current")
    assert (made.storage / ".cvmfswhitelist").read_bytes() == (server.storage / ".cvmfswhitelist").read_bytes()


def test_settings_of_a_replica_are_changed(server: Server, made: Server) -> None:
    given = {"group": "weekly", "settings": {"CVMFS_HTTP_RETRIES": 9, "CVMFS_X": "a b", "CVMFS_HTTP_TIMEOUT": None}}
    result = changes(server, made, ["setting set", "setting set", "setting set", "setting removed"], **given)
    assert {"CVMFS_SNAPSHOT_GROUP=weekly", 'CVMFS_X="a b"'} <= set(conf(made))
    assert "CVMFS_HTTP_RETRIES=9" in conf(made, "replica.conf")
    assert result["diff"]["after"].splitlines() == conf(made) + conf(made, "replica.conf")


def test_what_was_decided_for_good_is_not_changed(server: Server, made: Server, url: str) -> None:
    before = state_of(made)
    with pytest.raises(InputError) as error:
        change(server, made, owner="nobody", storage="/srv/other")
    assert [fault.partition(":")[0] for fault in error.value.faults] == ["owner", "storage"]
    with pytest.raises(InputError, match=f"is a replica of {server.name} here, not of other.example.org"):
        change(server, made, repository="other.example.org", public_key=str(key_of(server)))
    with pytest.raises(ServerError, match="is a stratum0 here, but this needs a stratum1"):
        change(server, server, url=url)
    assert state_of(made) == before


def test_a_stratum0_that_does_not_answer(server: Server, copy: Server, made: Server, url: str) -> None:
    for given in ({"state": "current", "url": NOWHERE}, {"alias": "new.example.org", "url": NOWHERE}):
        with pytest.raises(ServerError, match=f"url: the stratum-0 does not answer as it should: {NOWHERE}/"):
            change(server, made, **given)
    change(server, made, url=url)
    with pytest.raises(ServerError, match=f"serves {server.name}, not other.example.org"):
        change(server, copy, repository="other.example.org", alias="new.example.org", url=url, **key(server))


def key(server: Server) -> dict[str, str]:
    return {"public_key": str(key_of(server))}


def test_a_repository_that_is_not_to_be_replicated(server: Server, copy: Server, url: str) -> None:
    mark = server.storage / ".cvmfs_master_replica"
    mark.rename(server.storage / "aside")
    try:
        with pytest.raises(ServerError) as error:
            change(server, copy, url=url)
    finally:
        (server.storage / "aside").rename(mark)
    assert "does not point to a replicable master copy" in error.value.message
    assert "Allow replicas on the stratum-0" in error.value.message
    assert remains(copy) == []


@needs_openssl
def test_a_wrong_key_is_refused(server: Server, copy: Server, url: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pub"
    wrong.write_text(_other_key())
    given = {"url": url, "public_key": str(wrong)}
    if server.is_real:  # the emulation signs nothing
        for check_mode in (True, False):
            with pytest.raises(InputError, match=f"is not the key of the repository that {url} serves"):
                change(server, copy, check_mode, **given)
    assert remains(copy) == []
    change(server, copy, url=url)
    path = copy.configuration / "replica.conf"
    path.write_text(path.read_text().replace(str(key_of(server)), str(wrong)))
    with pytest.raises(ServerError) as error:
        change(server, copy, state="current")
    assert "the public key is not the repository's" in error.value.message.lower()
    path.write_text(path.read_text().replace(str(wrong), f"{tmp_path}/none.pub"))
    with pytest.raises(ServerError, match="failed to load public repo key"):
        change(server, copy, state="current")
    with pytest.raises(InputError, match=f"public_key: {tmp_path}/none.pub is not there"):
        change(server, copy, public_key=f"{tmp_path}/none.pub")
    changes(server, copy, ["setting set", "snapshot taken"], state="current", public_key=str(key_of(server)))


def _other_key() -> str:
    private = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, text=True, check=True).stdout
    return subprocess.run(
        ["openssl", "pkey", "-pubout"], input=private, capture_output=True, text=True, check=True
    ).stdout


@needs_openssl
def test_a_key_that_is_given_itself(server: Server, made: Server) -> None:
    assert done(change(server, made, public_key_content=key_of(server).read_text())) == []
    with pytest.raises(InputError, match="public_key_content: pub is not a public key that openssl can read"):
        change(server, made, public_key_content="no key")
    with pytest.raises(InputError, match="the key of the repository that is published here"):
        change(server, made, public_key_content=_other_key())


def test_what_is_missing_is_told_at_once(server: Server, copy: Server) -> None:
    with pytest.raises(InputError) as error:
        change(server, copy, repository="none.example.org", owner="no-such-user", garbage_days=-1)
    names = [fault.partition(":")[0] for fault in error.value.faults]
    assert names == ["garbage_days", "owner", "public_key", "url"]


def test_a_snapshot_of_another_is_waited_for(server: Server, made: Server, url: str) -> None:
    lock = made.spool / "is_updating.lock"
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert _known(made)["updating"]
        with pytest.raises(BusyError, match="another snapshot or garbage collection of the replica"):
            change(server, made, state="current", lock_timeout=0)
    assert done(change(server, made, state="current")) == ["snapshot taken"]
    publish(server)
    results: list[dict[str, Any]] = []
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: results.append(change(server, made, state="current")))
        waiting.start()
        time.sleep(1)
        assert not results
        for name in (".cvmfspublished", ".cvmfswhitelist"):  # what the other brings
            shutil.copy(server.storage / name, made.storage / name)
    waiting.join(60)
    assert done(results[0]) == []


def _known(copy: Server) -> dict[str, Any]:
    defaults = {name: spec.get("default") for name, spec in information.ARGUMENT_SPEC.items()}
    return information.tell({**defaults, "repository": copy.name}, False)["repositories"][0]


def test_a_snapshot_is_bounded(server: Server, made: Server) -> None:
    if not isinstance(made, Emulated):
        pytest.skip("only the emulation hangs to order")
    made.order("snapshot:before-pull", "hang")
    with pytest.raises(TimeLimitError, match="did not end within 1 s"):
        change(server, made, state="current", time_limit=1)
    assert done(change(server, made, state="current")) == ["snapshot taken"]


def test_a_snapshot_that_was_broken_off_is_taken_again(server: Server, made: Server) -> None:
    change(server, made, state="current")
    publish(server)
    if isinstance(made, Emulated):
        made.order("snapshot:before-manifest", "die")
        with pytest.raises(ServerError):
            change(server, made, state="current")
    else:
        (made.storage / ".cvmfs_is_snapshotting").touch()
    assert done(change(server, made, state="current")) == ["snapshot taken"]
    assert made.revision == server.revision
    assert not (made.storage / ".cvmfs_is_snapshotting").exists()


def test_a_making_that_fails_or_dies(server: Server, copy: Server, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not isinstance(copy, Emulated):
        pytest.skip("only the emulation fails to order")
    fault = {"step": "add-replica:start", "action": "fail", "stderr": "CVMFS_GEO_ACCOUNT_ID not set\n"}
    monkeypatch.setenv("CVMFS_EMULATION_FAULTS", json.dumps([fault]))
    with pytest.raises(ServerError) as error:
        change(server, copy, url=url)
    assert "CVMFS_GEO_DB_FILE=NONE" in error.value.message
    assert remains(copy) == []


def test_a_making_that_was_broken_off_is_repaired(server: Server, made: Server, url: str) -> None:
    """As after a kill: the record is there, and so is a part of the replica."""
    record = {"since": time.time(), "storage": str(made.storage), "keys": []}
    (made.spool / "julia_depots.making.json").write_text(json.dumps(record))
    (made.configuration / "replica.conf").unlink()
    assert done(change(server, made, True, url=url)) == ["replica created"]
    result = change(server, made, url=url)
    assert done(result) == ["repository removed", "replica created"]
    assert result["recovered"][0]["status"] == "removed"
    assert done(change(server, made, state="current")) == ["snapshot taken"]


def test_garbage_of_a_replica_is_collected(another_server: Any, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    server = another_server("-z", "-g")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    copy = server.another()
    url = f"http://localhost{'' if server.is_real else f':{port}'}/cvmfs/{server.name}"
    try:
        assert "garbage" not in change(server, copy, url=url, collect_garbage=True)  # there is nothing yet
        for _number in range(3):
            publish(server)
            change(server, copy, state="current")
        wait_for(lambda: time.time() > os.path.getmtime(copy.storage / ".cvmfspublished") + 1.1, "time to pass")
        given = {"collect_garbage": True, "garbage_days": 0}
        assert done(change(server, copy, True, **given)) == ["garbage collected"]
        result = change(server, copy, **given)
        assert done(result) == ["garbage collected"]
        assert result["garbage"]["objects"] > 0
        assert change(server, copy, **given)["garbage"]["objects"] == 0
        assert change(server, copy, state="current")["revision"] == server.revision
    finally:
        copy.destroy()
