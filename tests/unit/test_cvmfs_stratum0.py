# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is planned, refused and edited of a repository on its stratum-0, without a server."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import (
    configuration,
    creation,
    garbage,
    keychain,
    server,
    stratum0,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.result import Result, adjust_settings
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError, ServerError
from tests.unit.helpers import needs_root

REPOSITORY = Repository("nowhere.example.org")
DEFAULTS = {name: spec.get("default") for name, spec in stratum0.ARGUMENT_SPEC.items()}

NAMES = st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,6}\Z")
VALUES = st.text(st.characters(codec="utf-8"), max_size=12).filter(
    lambda value: not configuration.UNSAFE.search(value) and value == value.strip()
)
OTHER_LINES = st.sampled_from(["# a remark", "", "export A=1", "if true; then", "A='in quotes' # why", 'A_B="x y"'])


@st.composite
def files(draw: st.DrawFn) -> str:
    lines = draw(
        st.lists(st.one_of(OTHER_LINES, st.tuples(NAMES, VALUES).map(lambda pair: configuration.assignment(*pair))))
    )
    text = "\n".join(line.rstrip("\n") for line in lines)
    return text + draw(st.sampled_from(["", "\n"])) if text else text


@given(files(), st.dictionaries(NAMES, st.one_of(st.none(), VALUES), max_size=4))
def test_settings_are_what_was_asked_for_and_nothing_else_changes(text, wanted):
    there = server.parse_settings(text)
    changes = configuration.differences(there, wanted)
    after = configuration.edited(text, changes)
    expected = {**there, **{name: value for name, value in wanted.items() if value is not None}}
    expected = {name: value for name, value in expected.items() if wanted.get(name, "") is not None}
    assert server.parse_settings(after) == expected
    assert configuration.differences(server.parse_settings(after), wanted) == {}
    touched = set(changes)
    assert [line for line in text.splitlines() if not set(server.parse_settings(line)) & touched] == [
        line for line in after.splitlines() if not set(server.parse_settings(line)) & touched
    ]


@given(NAMES, VALUES)
def test_the_shell_reads_a_setting_as_it_was_given(name, value):
    line = configuration.assignment(f"S_{name}", value)
    completed = subprocess.run(
        ["/bin/sh", "-c", f'{line}printf %s "$S_{name}"'], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert completed.stdout.decode() == value


def test_a_setting_is_changed_where_it_counts():
    text = "A=1\nB=2\nA=3"
    assert configuration.edited(text, {"A": "4"}) == "A=1\nB=2\nA=4\n"
    assert configuration.edited(text, {"A": None}) == "B=2\n"
    assert configuration.edited(text, {"C": "a b", "D": ""}) == 'A=1\nB=2\nA=3\nC="a b"\nD=\n'
    assert configuration.edited("", {"A": None}) == ""


def test_settings_that_cannot_be_are_named_all_at_once():
    given_settings = {
        "CVMFS_USER": "root",
        "CVMFS_SPOOL_DIR": "/x",
        "no name": 1,
        "A": "$(reboot)",
        "B": [1],
        "C": " x",
        "D": "a\nb",
        "E": None,
        "F": 1.5,
        "G": True,
    }
    faults = configuration.faults_of(given_settings, stratum0.RESERVED)
    assert len(faults) == 7
    assert faults[0] == "settings: CVMFS_USER cannot be set there; use the option owner"
    assert faults[1] == "settings: CVMFS_SPOOL_DIR cannot be set there; it is decided when the repository is made"
    assert {fault.partition(" ")[2][:2] for fault in faults[3:]} == {"A:", "B:", "C:", "D:"}


def test_a_file_keeps_its_mode_and_is_not_left_half_written(tmp_path):
    path, link = tmp_path / "real", tmp_path / "server.conf"
    path.write_bytes(b"A=\xff\n")
    path.chmod(0o640)
    link.symlink_to(path)
    configuration.write(str(link), configuration.edited(configuration.read(str(link)), {"B": "1"}))
    assert path.read_bytes() == b"A=\xff\nB=1\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["real", "server.conf"]


def test_settings_are_changed_in_the_file_where_they_stand(tmp_path):
    paths = [str(tmp_path / name) for name in ("server.conf", "replica.conf")]
    for path, text in zip(paths, ("A=1\n", "B=1\nC=1\n"), strict=True):
        Path(path).write_text(text)
    wanted = {"A": 2, "B": "2", "C": None, "D": False, "E": None}
    for check_mode in (True, False):
        result = Result("x")
        adjust_settings(paths, wanted, check_mode, result)
        assert [(entry["id"], entry["status"]) for entry in result.actions] == [
            ("A", "set"),
            ("D", "set"),
            ("B", "set"),
            ("C", "removed"),
        ]
        assert (Path(paths[0]).read_text() == "A=1\n") == check_mode
    assert [Path(path).read_text() for path in paths] == ["A=2\nD=false\n", "B=2\n"]
    result = Result("x")
    adjust_settings(paths, wanted, False, result)
    assert not result.as_dict()["changed"]


def test_what_was_given_is_looked_at_as_a_whole():
    given_params = {
        "repository": REPOSITORY.name,
        "owner": "no-such-user",
        "url": "localhost",
        "storage": "local,/x",
        "settings": {"CVMFS_AUTO_TAG": "true"},
        "garbage_days": -1,
        "time_limit": 0,
        "whitelist_days": 30,
        "keys_folder": "/nonexistent",
    }
    with pytest.raises(InputError) as error:
        stratum0.change({**DEFAULTS, **given_params}, True)
    names = [fault.partition(":")[0] for fault in error.value.faults]
    assert sorted(names) == [
        "garbage_days",
        "keys_folder",
        "owner",
        "settings",
        "storage",
        "time_limit",
        "url",
        "whitelist_days",
    ]
    with pytest.raises(InputError, match=r"repository: 'a/b' is not"):
        stratum0.change({**DEFAULTS, "repository": "a/b"}, True)
    with pytest.raises(InputError, match="url: it is needed with s3_config"):
        stratum0.change({**DEFAULTS, "repository": REPOSITORY.name, "s3_config": "/x"}, True)


@needs_root
def test_what_is_not_there_can_be_made_in_check_mode_and_needs_no_removal():
    params = {**DEFAULTS, "repository": REPOSITORY.name}
    result = stratum0.change({**params, "settings": {"A": "1"}}, True)
    assert result["actions"] == [{"what": "repository", "id": REPOSITORY.name, "status": "created"}]
    assert result["diff"]["after"] == "A=1\nCVMFS_EXTENDED_GC_STATS=true\n"
    assert stratum0.change({**params, "state": "absent"}, False)["actions"] == []


@pytest.mark.parametrize(
    ("storage", "upstream", "folder"),
    [
        ("/srv/data/", "local,/srv/data/data/txn,/srv/data", "/srv/data"),
        ("local,/a/txn,/b", "local,/a/txn,/b", "/b"),
        ("gw,/a,http://gateway:4929/api/v1", "gw,/a,http://gateway:4929/api/v1", ""),
    ],
)
def test_a_storage_is_a_folder_or_a_definition(storage, upstream, folder):
    assert creation.fault_of_storage(storage) is None
    assert creation.upstream_of(storage) == upstream
    assert creation.local_storage(upstream) == folder


@given(st.text())
def test_a_storage_that_is_neither_is_told(storage):
    assert (creation.fault_of_storage(storage) is None) == (storage.startswith("/") or storage.count(",") == 2)


# --- keys


def openssl(*words: str, text: str = "") -> str:
    return subprocess.run(["openssl", *words], input=text, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def chain():
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, masterkey = openssl("genrsa", "2048"), openssl("genrsa", "2048")
    certificate = openssl("req", "-new", "-x509", "-key", "/dev/stdin", "-subj", "/CN=test", "-days", "3", text=key)
    return {"pub": openssl("pkey", "-pubout", text=masterkey), "crt": certificate, "key": key, "masterkey": masterkey}


def test_keys_that_belong_together(chain):
    assert keychain.faults_of(chain, keychain.CHAIN, "keys") == []
    gateway = {"pub": chain["pub"], "crt": chain["crt"], "gw": "plain_text id secret"}
    assert keychain.faults_of(gateway, keychain.GATEWAY_CHAIN, "keys") == []


def test_keys_that_do_not(chain):
    crossed = {**chain, "key": chain["masterkey"], "masterkey": chain["key"]}
    assert keychain.faults_of(crossed, keychain.CHAIN, "keys") == [
        "keys: pub and masterkey do not belong together",
        "keys: crt and key do not belong together",
    ]
    assert keychain.faults_of({**chain, "key": " ", "gw": "x"}, keychain.CHAIN, "keys") == [
        "keys: key missing; needed are pub, crt, key, masterkey",
        "keys: there is no use for gw; needed are pub, crt, key, masterkey",
    ]
    assert keychain.faults_of({**chain, "masterkey": chain["pub"]}, keychain.CHAIN, "keys") == [
        "keys: masterkey is not a private key without a passphrase that openssl can read"
    ]


def test_a_key_that_did_not_sign_a_whitelist_is_known(chain, tmp_path):
    digest = "0f4c8889da92f5fb0d0c9efa325a6ae8a30f2af6"
    (tmp_path / "digest").write_text(digest)
    (tmp_path / "masterkey").write_text(chain["masterkey"])
    signature = subprocess.run(
        ["openssl", "pkeyutl", "-sign", "-inkey", "masterkey", "-in", "digest"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout
    signed = b"20261124114149\nE20261224114149\nNx\nAA:BB\n--\n" + digest.encode() + b"\n" + signature
    assert not keychain.is_foreign(chain["pub"], signed)
    assert keychain.is_foreign(openssl("pkey", "-pubout", text=chain["key"]), signed)
    assert not keychain.is_foreign("no key at all", signed)
    assert not keychain.is_foreign(chain["pub"], b"not signed")


def test_keys_of_a_folder(tmp_path):
    assert keychain.read_folder(REPOSITORY, str(tmp_path))[1] == [
        f"keys_folder: {tmp_path} has no nowhere.example.org.pub and the like; there is: nothing"
    ]
    (tmp_path / "nowhere.example.org.pub").write_text("p")
    (tmp_path / "nowhere.example.org.crt").write_bytes(b"\xff")
    found, faults = keychain.read_folder(REPOSITORY, str(tmp_path))
    assert found == {"pub": "p"}
    assert len(faults) == 1
    assert f"{tmp_path}/nowhere.example.org.crt cannot be read" in faults[0]


# --- garbage


def test_a_log_of_deletions_is_counted_from_where_it_ended(tmp_path):
    path = tmp_path / "log"
    assert garbage.logged(str(path), 0) == 0
    path.write_text("# Garbage Collection started at x\naa\nbbC\n# Garbage Collection finished at y\n\n")
    assert garbage.logged(str(path), 0) == 2
    end = path.stat().st_size
    with open(path, "a") as stream:
        stream.write("# Garbage Collection started at z\nccH\n")
    assert garbage.logged(str(path), end) == 1


def test_statistics_are_read_where_they_are(tmp_path):
    path = tmp_path / "stats.db"
    settings = {"CVMFS_STATISTICS_DB": str(path)}
    assert garbage.last_statistics(REPOSITORY, settings) is None
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE gc_statistics (gc_id INTEGER PRIMARY KEY, sz_condemned_bytes INTEGER)")
    connection.commit()
    assert garbage.last_statistics(REPOSITORY, settings) is None
    connection.execute("INSERT INTO gc_statistics VALUES (1, 300)")
    connection.execute("INSERT INTO gc_statistics VALUES (2, NULL)")
    connection.commit()
    assert garbage.last_statistics(REPOSITORY, settings) == (2, None)
    connection.execute("INSERT INTO gc_statistics VALUES (3, 700)")
    connection.commit()
    assert garbage.last_statistics(REPOSITORY, settings) == (3, 700)
    connection.close()
    path.write_text("no database")
    assert garbage.last_statistics(REPOSITORY, settings) is None


def test_what_has_to_be_written_and_may_not_be(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    (tmp_path / "server.conf").write_text("A=1\n")
    with pytest.raises(ServerError, match="become root for that"):
        adjust_settings([str(tmp_path / "server.conf")], {"A": "2"}, True, Result("x"))
    adjust_settings([str(tmp_path / "server.conf")], {"A": "1"}, True, Result("x"))
