# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a CernVM-FS repository without its server: manifest, whitelist, settings, open files."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import descriptors, published, server
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ServerError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import faults_of_store, store_root

# As a server 2.12.0 published them; the signatures are shortened.
MANIFEST = (
    b"Ce3000a5046d49f9b21fcc22675de778129ca0a35\nB16384\nRd41d8cd98f00b204e9800998ecf8427e\nD240\nS7\nGyes\nAno\n"
    b"Nsoftware.example.org\nX8ccf878d00e0107b5febdaba5ee3669783d40fec\nH0f4c8889da92f5fb0d0c9efa325a6ae8a30f2af6\n"
    b"T1795520512\nM85e4f386da0d5d77c7f66cf2f58e10951f24b653\n--\n781470face077813\n\xc3\x28\nS9\n"
)
WHITELIST = (
    b"20261124114149\nE20261224114149\nNsoftware.example.org\n"
    b"E7:9D:83:73:80:D2:48:D7:6A:ED:6E:80:56:33:A4:85:6D:66:B3:87\n--\nf44e09a17818c5c3\n\xff\xfe"
)


def test_a_manifest_tells_what_is_published():
    manifest = published.parse_manifest(MANIFEST)
    assert (manifest.repository, manifest.revision, manifest.ttl) == ("software.example.org", 7, 240)
    assert manifest.root_hash == "e3000a5046d49f9b21fcc22675de778129ca0a35"
    assert manifest.published == datetime(2026, 11, 24, 11, 41, 52, tzinfo=UTC)


def test_a_whitelist_tells_until_when_it_is_valid():
    whitelist = published.parse_whitelist(WHITELIST)
    assert whitelist.repository == "software.example.org"
    assert whitelist.expires == datetime(2026, 12, 24, 11, 41, 49, tzinfo=UTC)
    assert len(whitelist.fingerprints) == 1


@given(st.binary(max_size=200))
def test_what_is_no_manifest_is_a_value_error(content):
    for parse in (published.parse_manifest, published.parse_whitelist):
        with pytest.raises(ValueError, match=r"."):
            parse(content)


@given(st.integers(0, MANIFEST.index(b"\nT1795")))
def test_part_of_a_manifest_is_refused(end):
    with pytest.raises(ValueError, match="not a manifest of a repository"):
        published.parse_manifest(MANIFEST[:end])


def test_both_are_read_from_a_folder(tmp_path):
    (tmp_path / ".cvmfspublished").write_bytes(MANIFEST)
    (tmp_path / ".cvmfswhitelist").write_bytes(WHITELIST)
    assert published.manifest_of(str(tmp_path)).revision == 7
    assert published.whitelist_of(str(tmp_path)).repository == "software.example.org"


@pytest.mark.parametrize(
    "location", ["/nowhere", "http://127.0.0.1:9/cvmfs/x", "http://[", "ftp://127.0.0.1:9/x", "nothing", "x:y"]
)
def test_where_nothing_can_be_read_the_place_is_named(location):
    with pytest.raises(ServerError, match=r"\.cvmfspublished cannot be read: .") as error:
        published.manifest_of(location, timeout=1)
    assert error.value.message.startswith(location)


NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,10}", fullmatch=True)
VALUES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20)


@given(st.dictionaries(NAMES, VALUES))
def test_settings_are_read_as_the_shell_reads_them(values):
    import shlex

    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    assert server.parse_settings(f"# comment\n\n{text}nothing here\n") == values


@given(st.text())
def test_any_settings_can_be_read(text):
    assert isinstance(server.parse_settings(text), dict)


def test_the_last_of_two_settings_wins():
    assert server.parse_settings('A=1 # one\nexport A="2 3"\nB=\'\n=4\n2C=5') == {"A": "2 3", "B": "'"}


def test_open_files_and_working_directories_are_found(tmp_path):
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "file"
    program = "import sys; f = open(sys.argv[1], 'w'); g = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path / "below") as process:
        process.stdout.readline()
        found = {holder.path: holder for holder in descriptors.below(str(tmp_path)) if holder.pid == process.pid}
        assert set(found) == {str(path), str(path.parent)}
        assert [found[str(path)].writable, found[str(path.parent)].writable] == [True, False]
        assert str(found[str(path)]).startswith(f"process {process.pid} (python")
        assert [holder.path for holder in descriptors.until_closed(str(tmp_path), 0, readers_too=False)] == [str(path)]
        assert descriptors.below(str(tmp_path / "bel")) == []
        process.stdin.close()
        assert descriptors.until_closed(str(tmp_path), 30) == []


def test_many_open_files_are_not_all_named():
    holders = [descriptors.Holder(number, "u", "c", f"/{number}", False) for number in range(descriptors.NAMED + 2)]
    assert descriptors.named(holders).endswith("; and 2 more")
    assert descriptors.named(holders[:1]) == "process 0 (c, u) has open /0"


@pytest.mark.parametrize(
    ("store", "root"),
    [
        ({"type": "directory", "path": "/srv/julia/"}, "/srv/julia"),
        ({"type": "cvmfs", "repository": "software.example.org", "path": "julia"}, "/cvmfs/software.example.org/julia"),
        ({"type": "cvmfs", "repository": "software.example.org"}, "/cvmfs/software.example.org"),
        ({"type": "cvmfs", "repository": "s.example.org", "path": "a b/c/"}, "/cvmfs/s.example.org/a b/c"),
    ],
)
def test_a_store_has_one_root(store, root):
    assert store_root(store) == root


@pytest.mark.parametrize(
    ("store", "faults"),
    [
        (None, ["None is no store; for example {type: cvmfs"]),
        ({"type": "ftp"}, ["{'type': 'ftp'} is no store"]),
        ({"type": "directory", "path": "rel"}, ["path: 'rel' is not an absolute path"]),
        (
            {"type": "cvmfs", "repository": "Software", "path": "/julia", "keep": 1},
            ["keep is not known for type cvmfs", "repository: 'Software' is not", "path: '/julia' is not a path below"],
        ),
        (
            {"type": "cvmfs", "repository": "s.example.org", "path": "../x"},
            ["path: '/cvmfs/s.example.org/../x' is not a"],
        ),
        ({"type": "cvmfs", "repository": "s.example.org", "path": "a:b"}, ["path: '/cvmfs/s.example.org/a:b' holds a"]),
    ],
)
def test_all_faults_of_a_store_are_told(store, faults):
    found = faults_of_store(store)
    assert [fault[: len(start)] for fault, start in zip(found, faults, strict=True)] == faults


def test_what_is_not_installed_is_told(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr(server, "ADMINISTRATION", os.devnull)
    with pytest.raises(ServerError, match="cvmfs_server is not installed on this machine"):
        server.run(["list"])
