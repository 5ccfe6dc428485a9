# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories that are made, kept, described and removed, on each kind of server."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import creation, information, stratum0
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, ServerError
from tests.cvmfs.servers import Emulated, Server, kill, wait_for

IDLE = "stratum0 / local"
KINDS = ("pub", "crt", "key", "masterkey")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture
def fresh(shared_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A repository of each kind of server that is not there yet."""
    server = shared_server.another()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.destroy()


@pytest.fixture
def made(fresh: Server) -> Server:
    """A repository of each kind of server, made by the product."""
    change(fresh)
    return fresh


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keys that belong together."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True)

    for kind in ("key", "masterkey"):
        openssl("genrsa", "-out", kind, "2048")
    openssl("req", "-new", "-x509", "-key", "key", "-subj", "/CN=test", "-days", "3", "-out", "crt")
    openssl("rsa", "-in", "masterkey", "-pubout", "-out", "pub")
    return {kind: (folder / kind).read_text() for kind in KINDS}


def change(server: Server, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Call what the module calls."""
    defaults = {name: spec.get("default") for name, spec in stratum0.ARGUMENT_SPEC.items()}
    defaults.update(repository=server.name, lock_timeout=60, open_files_timeout=0)
    return stratum0.change({**defaults, **given}, check_mode)


def known(server: Server, **given: Any) -> dict[str, Any]:
    """What is told of a repository."""
    defaults = {name: spec.get("default") for name, spec in information.ARGUMENT_SPEC.items()}
    return information.tell({**defaults, "repository": server.name, **given}, False)["repositories"][0]


def done(result: dict[str, Any]) -> list[str]:
    assert result["changed"] == bool(result["actions"])
    return [f"{entry['what']} {entry['status']}" for entry in result["actions"]]


def changes(server: Server, expected: list[str], **given: Any) -> dict[str, Any]:
    """Change it in check mode, for good, and twice more, with what each has to do."""
    before = _state_of(server)
    assert done(change(server, True, **given)) == expected
    assert _state_of(server) == before
    result = change(server, **given)
    assert done(result) == expected
    assert done(change(server, True, **given)) == []
    assert done(change(server, **given)) == []
    return result


def _state_of(server: Server) -> dict[str, bytes]:
    """What check mode must not change."""
    files = [server.configuration / "server.conf", server.storage / ".cvmfspublished"]
    files += [server.storage / ".cvmfswhitelist", *Path("/etc/cvmfs/keys").glob(f"{server.name}.*")]
    return {str(path): path.read_bytes() for path in files if path.is_file()}


def conf(server: Server) -> str:
    return (server.configuration / "server.conf").read_text()


def publish(server: Server, text: str) -> None:
    assert server.run("transaction", server.name).status == 0
    (server.path / "file").write_text(text)
    assert server.run("publish", server.name).status == 0


def key_file(server: Server, kind: str) -> Path:
    return Path(f"/etc/cvmfs/keys/{server.name}.{kind}")


def remains(server: Server) -> list[str]:
    """What is there of a repository."""
    places = (server.path, server.spool, server.storage, server.configuration)
    return [str(path) for path in (*places, *sorted(Path("/etc/cvmfs/keys").glob(f"{server.name}.*"))) if path.exists()]


def test_a_repository_is_made_and_removed(fresh: Server) -> None:
    settings = {"CVMFS_ENABLE_MTIME_NS": True, "CVMFS_AUTO_GC_LAPSE": "2 days ago"}
    result = changes(fresh, ["repository created"], settings=settings)
    assert (result["revision"], result["path"]) == (1, f"/cvmfs/{fresh.name}")
    assert result["diff"]["after"].splitlines()[:2] == [
        "CVMFS_ENABLE_MTIME_NS=true",
        'CVMFS_AUTO_GC_LAPSE="2 days ago"',
    ]
    assert fresh.state == IDLE
    for line in ("CVMFS_GARBAGE_COLLECTION=true", "CVMFS_AUTO_TAG=false", *result["diff"]["after"].splitlines()):
        assert f"\n{line}\n" in conf(fresh)
    with pytest.raises(InputError) as error:
        change(fresh, state="absent")
    assert f"{fresh.name}, at revision 1, would be lost for good, with {fresh.storage}" in str(error.value)
    changes(fresh, ["repository removed"], state="absent", force=True)
    assert remains(fresh) == []


def test_settings_are_changed_line_by_line(made: Server) -> None:
    made.configure("# a remark\nOTHER='kept as it is'")
    given = {"auto_tag": True, "garbage_collection": False, "settings": {"CVMFS_AUTO_REPAIR_MOUNTPOINT": None}}
    before = conf(made)
    result = changes(made, ["setting removed", "setting set", "setting set"], **given)
    assert result["diff"]["before"] == before
    assert result["diff"]["after"] == conf(made)
    assert set(before.splitlines()) - set(conf(made).splitlines()) == {
        "CVMFS_AUTO_TAG=false",
        "CVMFS_GARBAGE_COLLECTION=true",
        "CVMFS_AUTO_REPAIR_MOUNTPOINT=true",
    }
    assert conf(made).endswith("# a remark\nOTHER='kept as it is'\n")
    assert done(change(made)) == []  # what is not given is left as it is
    with pytest.raises(ServerError, match="garbage collection is off"):
        change(made, collect_garbage=True)


def test_what_was_decided_for_good_is_not_changed(made: Server) -> None:
    before = _state_of(made)
    with pytest.raises(InputError) as error:
        change(made, owner="nobody", storage="/srv/other", url="http://other.example.org/x", hash_algorithm="rmd160")
    assert [fault.partition(":")[0] for fault in error.value.faults] == ["owner", "url", "storage", "hash_algorithm"]
    assert "made with 'root', which cannot become 'nobody'" in error.value.faults[0]
    assert _state_of(made) == before
    same = {"owner": "root", "storage": str(made.storage), "url": f"http://localhost/cvmfs/{made.name}"}
    assert done(change(made, hash_algorithm="sha1", **same)) == []


@pytest.mark.parametrize("days", [3, -1])
def test_a_whitelist_is_renewed(made: Server, days: int) -> None:
    made.run("resign", "-d", str(days), made.name)
    changes(made, ["whitelist renewed"])
    assert 29 < known(made)["whitelist"]["days"] <= 30
    assert made.state == IDLE


@pytest.mark.parametrize("days", [3, -1])
def test_a_whitelist_that_cannot_be_renewed_is_told_of(made: Server, days: int) -> None:
    made.run("resign", "-d", str(days), made.name)
    key_file(made, "masterkey").unlink()
    if days > 0:
        (warning,) = change(made)["warnings"]
        assert "expires at" in warning
        assert "resign" in warning
    else:
        with pytest.raises(ServerError, match=r"its whitelist expired at .* is not on this machine"):
            change(made)


def test_a_whitelist_is_renewed_in_a_strangers_transaction(made: Server) -> None:
    made.run("resign", "-d", "3", made.name)
    assert made.run("transaction", made.name).status == 0
    assert done(change(made)) == ["whitelist renewed"]
    assert made.state == f"{IDLE} - in transaction"


def test_lost_mounts_are_put_back(made: Server) -> None:
    if not made.mount_options():
        pytest.skip("this kind of server has no mount")
    subprocess.run(["umount", made.path, made.spool / "rdonly"], check=True)
    result = changes(made, ["mount mounted"])
    assert result["recovered"] == [{"what": "mount", "path": str(made.path), "status": "mounted"}]
    assert made.state == IDLE


def test_a_strangers_transaction_is_left_alone(made: Server) -> None:
    assert made.run("transaction", made.name).status == 0
    (made.path / "work").write_text("of hours")
    for given in ({"auto_tag": True}, {"collect_garbage": True}, {"state": "absent", "force": True}):
        with pytest.raises(BusyError, match="not begun by this collection"):
            change(made, lock_timeout=2, **given)
    assert done(change(made)) == []
    assert (made.path / "work").read_text() == "of hours"
    assert "\nCVMFS_AUTO_TAG=false\n" in conf(made)


def test_garbage_is_collected(made: Server) -> None:
    size = 200_000
    for number in range(4):
        publish(made, str(number) * size if not made.is_real else os.urandom(size // 2).hex())
    wait_for(lambda: time.time() > os.path.getmtime(made.storage / ".cvmfspublished") + 1, "a second to pass")
    given = {"collect_garbage": True, "garbage_days": 0}
    assert change(made, collect_garbage=True)["garbage"]["objects"] == 0  # clients may still be there
    checked = change(made, True, **given)
    assert done(checked) == ["garbage collected"]
    assert checked["garbage"]["bytes"] is None
    result = change(made, **given)
    assert done(result) == ["garbage collected"]
    assert result["garbage"]["objects"] >= checked["garbage"]["objects"] > 0
    assert result["garbage"]["bytes"] > size // 2
    assert result["garbage"]["seconds"] > 0
    again = change(made, **given)["garbage"]
    assert again["bytes"] in (0, None) or again["objects"] == 0
    assert made.state == IDLE
    assert made.run("check", made.name).status == 0
    assert not list(made.spool.glob("julia_depots.deleted*"))


def test_bytes_are_counted_from_now_on(made: Server) -> None:
    assert "CVMFS_EXTENDED_GC_STATS=true" in conf(made)
    change(made, settings={"CVMFS_EXTENDED_GC_STATS": None})
    assert done(change(made, True, collect_garbage=True)) == ["setting set"]
    assert done(change(made, collect_garbage=True)) == ["setting set"]
    assert done(change(made, collect_garbage=True, settings={"CVMFS_EXTENDED_GC_STATS": False})) == ["setting set"]
    assert done(change(made, collect_garbage=True)) == []


def test_the_sites_own_log_of_deletions_is_kept(made: Server, tmp_path: Path) -> None:
    log = tmp_path / "deleted"
    log.write_text("before\n")
    made.configure(f"CVMFS_GC_DELETION_LOG={log}")
    for number in range(3):
        publish(made, str(number))
    time.sleep(1.1)
    assert change(made, True, collect_garbage=True, garbage_days=0)["garbage"]["objects"] > 0
    assert log.read_text() == "before\n"
    objects = change(made, collect_garbage=True, garbage_days=0)["garbage"]["objects"]
    lines = [line for line in log.read_text().splitlines()[1:] if line and not line.startswith("#")]
    assert len(lines) == objects > 0


def test_a_check_is_waited_for_before_garbage_is_collected(made: Server) -> None:
    with open(made.spool / "is_collecting.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="a check or a garbage collection goes on"):
            change(made, collect_garbage=True, lock_timeout=0)
        assert known(made)["collecting"]
    assert done(change(made, collect_garbage=True)) == []


def test_a_collection_that_fails_leaves_no_transaction(made: Server) -> None:
    if not isinstance(made, Emulated):
        pytest.skip("only the emulation fails to order")
    made.order("gc:before-sweep", "fail", stderr="No space left on device\n")
    with pytest.raises(ServerError, match="its garbage cannot be collected: No space left on device"):
        change(made, collect_garbage=True)
    assert made.state == IDLE
    assert not os.path.exists(Repository(made.name).owner_record)


def test_a_collection_that_dies_is_recovered(made: Server) -> None:
    """The module and its server, killed: the transaction is known as ours, and aborted."""
    if not isinstance(made, Emulated) or not made.mount_options():
        pytest.skip("only the emulation dies to order, and only with an overlay mount are changes kept apart")
    made.order("gc:before-sweep", "hang")
    process = _start_module(made, collect_garbage=True)
    wait_for(lambda: not made.settings["faults"], "the collection to begin")
    kill(process)
    wait_for(lambda: "in transaction" in made.state and not _works_on(made), "the server to die with it")
    result = change(made)
    assert done(result) == ["transaction aborted"]
    assert "collect its garbage" in result["recovered"][0]["owner"]
    assert made.state == IDLE


def _works_on(server: Server) -> bool:
    """Whether a process of ``cvmfs_server`` works on a repository; what keeps it mounted stays."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if server.name in words and "cvmfs2" not in words[0]:
            return True
    return False


def _start_module(server: Server, **given: Any) -> subprocess.Popen:
    """The module in a process of its own."""
    program = (
        "import json, sys; sys.path[:0] = json.loads(sys.argv[1]);"
        "from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import stratum0;"
        "stratum0.change(json.loads(sys.argv[2]), False)"
    )
    defaults = {name: spec.get("default") for name, spec in stratum0.ARGUMENT_SPEC.items()}
    params = {**defaults, "repository": server.name, "lock_timeout": 60, **given}
    return subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(sys.path), json.dumps(params)],
        env=server.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd="/",
    )


# --- keys


@needs_openssl
@pytest.mark.parametrize("way", ["keys", "keys_folder"])
def test_keys_that_were_given_are_used(fresh: Server, chain: dict[str, str], way: str, tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / f"{fresh.name}.{kind}").write_text(chain[kind])
    given = {"keys": {**chain, "gw": None}} if way == "keys" else {"keys_folder": str(tmp_path)}
    changes(fresh, ["repository created"], owner="nobody" if fresh.kind == "emulated-plain" else "root", **given)
    for kind in KINDS:
        path = key_file(fresh, kind)
        assert path.read_text() == chain[kind]
        assert path.stat().st_mode & 0o777 == (0o444 if kind in ("pub", "crt") else 0o400)
    assert fresh.state == IDLE
    key_file(fresh, "masterkey").unlink()  # a site may keep it elsewhere, and bring it back
    changes(fresh, ["key installed"], **given)
    other = {"pub": chain["pub"].replace("A", "B", 1)}
    with pytest.raises(InputError, match=rf"{fresh.name}\.pub is there, and is another than the pub that was given"):
        change(fresh, keys=other)


@needs_openssl
def test_wrong_keys_are_refused_before_anything_is_made(fresh: Server, chain: dict[str, str], tmp_path: Path) -> None:
    crossed = {**chain, "masterkey": chain["key"], "key": chain["masterkey"]}
    broken = {**chain, "crt": "no certificate", "gw": "of no use"}
    partial = {kind: chain[kind] for kind in ("pub", "key")}
    (tmp_path / "other.example.org.pub").write_text(chain["pub"])
    expected = {
        "pub and masterkey do not belong together": {"keys": crossed},
        "crt and key do not belong together": {"keys": crossed},
        "crt is not a certificate that openssl can read": {"keys": broken},
        "there is no use for gw": {"keys": broken},
        "keys: crt, masterkey missing; needed are pub, crt, key, masterkey": {"keys": partial},
        f"has no {fresh.name}.pub and the like; there is: other.example.org.pub": {"keys_folder": str(tmp_path)},
        f"keys_folder: {tmp_path}/nothing cannot be read": {"keys_folder": f"{tmp_path}/nothing"},
    }
    for text, given in expected.items():
        with pytest.raises(InputError) as error:
            change(fresh, **given)
        assert text in str(error.value)
        assert remains(fresh) == []


@needs_openssl
def test_keys_in_place_are_taken_but_not_others(fresh: Server, chain: dict[str, str]) -> None:
    for kind in ("pub", "crt"):
        key_file(fresh, kind).write_text(chain[kind])
    with pytest.raises(InputError, match=r"has pub, crt of .*, but not key, masterkey"):
        change(fresh)
    with pytest.raises(InputError, match=r"\.pub is there, and is another than the pub that was given"):
        change(fresh, keys={**_other_chain(chain)})
    assert len(remains(fresh)) == 2
    assert done(change(fresh, keys=chain)) == ["repository created"]
    assert key_file(fresh, "masterkey").read_text() == chain["masterkey"]


def _other_chain(chain: dict[str, str]) -> dict[str, str]:
    """Another chain: both keys changed places, and with them what belongs to them."""
    made = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=chain["key"], capture_output=True, text=True, check=True
    ).stdout
    masterkey, key = chain["key"], chain["masterkey"]
    certificate = subprocess.run(
        ["openssl", "req", "-new", "-x509", "-key", "/dev/stdin", "-subj", "/CN=other", "-days", "3"],
        input=key,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {"pub": made, "crt": certificate, "key": key, "masterkey": masterkey}


# --- a making that goes wrong


@needs_openssl
def test_a_making_that_fails_is_undone(fresh: Server, chain: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """But keys that were there before are kept, even if it was they that made it fail."""
    crossed = {**chain, "key": chain["masterkey"]}
    for kind in KINDS:
        key_file(fresh, kind).write_text(crossed[kind])
    if isinstance(fresh, Emulated):
        monkeypatch.setenv("CVMFS_EMULATION_FAULTS", '[{"step": "mkfs:before-mount", "action": "fail"}]')
    with pytest.raises(ServerError, match="cannot be made: ") as error:
        change(fresh)
    assert error.value.message.endswith(". What had been made of it was removed again")
    assert remains(fresh) == sorted(str(key_file(fresh, kind)) for kind in KINDS)
    assert {kind: key_file(fresh, kind).read_text() for kind in KINDS} == crossed
    if fresh.is_real:
        assert fresh.name not in Path("/etc/fstab").read_text()
    monkeypatch.delenv("CVMFS_EMULATION_FAULTS", raising=False)
    for kind in KINDS:
        key_file(fresh, kind).unlink()
    assert done(change(fresh)) == ["repository created"]


@pytest.mark.parametrize("step", ["mkfs:before-mount", "publish:before-sign", "publish:after-sign"])
def test_a_making_that_is_killed_is_repaired_by_the_next_run(
    fresh: Server, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(fresh, Emulated):
        monkeypatch.setenv("CVMFS_EMULATION_FAULTS", json.dumps([{"step": step, "action": "hang"}]))
        process = _start_module(fresh)
        kept = step == "publish:after-sign"
        _wait_for_step(fresh, step)
        kill(process)
        monkeypatch.delenv("CVMFS_EMULATION_FAULTS")
    else:
        waited_for = {
            "mkfs:before-mount": fresh.storage / ".cvmfswhitelist",
            "publish:before-sign": fresh.path / "new_repository",
            "publish:after-sign": fresh.spool / "stats.db",
        }[step]
        process = _start_module(fresh)
        wait_for(waited_for.exists, f"{waited_for} to be there")
        kill(process)
        kept = None  # what was signed when it died
    wait_for(lambda: not _works_on(fresh), "the server to die with it")
    assert creation.broken_off(Repository(fresh.name))
    assert known(fresh)["broken_off"]
    if kept is None:
        kept = (fresh.storage / ".cvmfspublished").is_file() and fresh.revision > 0
    assert done(change(fresh, True)) == ["repository created"]
    result = change(fresh)
    first = result["recovered"][0]["status"]
    assert first == ("completed" if kept else "removed")
    assert done(result)[0] == f"repository {first}"
    assert kept or "repository created" in done(result)
    assert fresh.state == IDLE
    assert fresh.run("check", fresh.name).status == 0
    assert (fresh.path / "new_repository").is_file()
    assert done(change(fresh)) == []


def _wait_for_step(server: Server, step: str) -> None:
    """Wait until an emulated server hangs at a step; the environment says so for good, so look at what is there."""
    marks = {
        "mkfs:before-mount": (server.storage / ".cvmfspublished").is_file,
        "publish:before-sign": (server.spool / "is_publishing.lock").is_file,
        "publish:after-sign": lambda: (server.storage / ".cvmfspublished").is_file() and server.revision == 1,
    }
    wait_for(marks[step], f"the server to come to {step}")


def test_what_others_left_is_not_overwritten(fresh: Server) -> None:
    fresh.storage.mkdir()
    (fresh.storage / ".cvmfspublished").write_text("C")
    for check_mode in (True, False):
        with pytest.raises(
            ServerError, match=f"storage: {fresh.storage} is not empty, and what it holds would be lost"
        ):
            change(fresh, check_mode)
    shutil.rmtree(fresh.storage)
    fresh.configuration.mkdir()
    for check_mode in (True, False):
        with pytest.raises(ServerError, match=f"{fresh.configuration} is there, but no repository is"):
            change(fresh, check_mode)
    assert remains(fresh) == [str(fresh.configuration)]
    fresh.configuration.rmdir()


def test_only_root_makes_and_removes(made: Server) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid

    def as_nobody(**given: Any) -> str:
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.setresuid(nobody, nobody, nobody)
            try:
                change(made, **given)
                text = "nothing was refused"
            except ServerError as error:
                text = error.message
            except BaseException as error:
                text = repr(error)
            os.write(writing, text.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        os.close(writing)
        with os.fdopen(reading) as stream:
            text = stream.read()
        os.waitpid(pid, 0)
        return text

    assert "can only be made by root" in as_nobody(repository="new.example.org")
    assert "can only be removed by root" in as_nobody(state="absent", force=True)
    assert "belongs to root, and this task runs as nobody" in as_nobody(auto_tag=True)


def test_a_repository_with_open_files_is_not_removed(made: Server) -> None:
    with open(made.path / "new_repository"):
        with pytest.raises(ServerError, match=rf"open.*process {os.getpid()} .*has open {made.path}/new_repository"):
            change(made, state="absent", force=True)
        assert made.state == IDLE
    assert done(change(made, state="absent", force=True)) == ["repository removed"]


def test_a_repository_that_is_beyond_repair_can_be_removed(made: Server) -> None:
    shutil.rmtree(made.storage)
    assert done(change(made, state="absent", force=True)) == ["repository removed"]
    assert remains(made) == []


def test_replicas_are_allowed_and_forbidden(made: Server) -> None:
    if isinstance(made, Emulated) and made.run("alterfs", "-m", "on", made.name).status == 3:
        pytest.skip("the emulation has no alterfs")
    changes(made, ["replicable forbidden"], replicable=False)
    assert not known(made)["replicable"]
    changes(made, ["replicable allowed"], replicable=True)


# --- what is told


def test_all_is_told_of_a_repository(made: Server) -> None:
    told = known(made, catalogs=True, open_files=True)
    expected = {
        "repository": made.name,
        "exists": True,
        "broken_off": False,
        "type": "stratum0",
        "replica_of": None,
        "owner": "root",
        "url": f"http://localhost/cvmfs/{made.name}",
        "path": str(made.path),
        "revision": 1,
        "garbage_collection": True,
        "collecting": False,
        "healthy": True,
        "replicable": True,
        "transaction": None,
        "publishing": False,
        "open_files": [],
        "mounted": "ro" if made.mount_options() else None,
        "keys": {kind: str(key_file(made, kind)) for kind in KINDS},
    }
    assert {name: told[name] for name in expected} == expected
    assert told["whitelist"]["renewable"]
    assert {tag["name"] for tag in told["tags"]} == set(made.tags)
    assert [catalog["path"] for catalog in told["catalogs"]] == ["/"]
    with open(made.path / "new_repository"):
        (opened,) = known(made, open_files=True)["open_files"]
    assert (opened["pid"], opened["path"]) == (os.getpid(), f"{made.path}/new_repository")
    assert made.run("transaction", made.name).status == 0
    told = known(made, catalogs=True)
    assert told["transaction"]["ours"] is False
    assert told["healthy"]
    assert told["mounted"] == ("rw" if made.mount_options() else None)


def test_what_cannot_be_told_is_warned_of(made: Server) -> None:
    defaults = {name: spec.get("default") for name, spec in information.ARGUMENT_SPEC.items()}
    (made.storage / ".cvmfspublished").rename(made.storage / "aside")
    result = information.tell({**defaults, "repository": made.name}, False)
    (made.storage / "aside").rename(made.storage / ".cvmfspublished")
    told = result["repositories"][0]
    assert (told["revision"], told["tags"]) == (None, None)
    assert any(".cvmfspublished cannot be read" in warning for warning in result["warnings"])


def test_all_repositories_are_told_of(made: Server, another_server: Callable[..., Server]) -> None:
    other = another_server()
    defaults = {name: spec.get("default") for name, spec in information.ARGUMENT_SPEC.items()}
    told = information.tell({**defaults, "tags": False}, False)["repositories"]
    assert {made.name, other.name} <= {entry["repository"] for entry in told}
    absent = information.tell({**defaults, "repository": "none.example.org"}, False)["repositories"]
    assert absent == [{"repository": "none.example.org", "exists": False, "broken_off": False}]
