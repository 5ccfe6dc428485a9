# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and paths of releases, and documents that readers see whole."""

from __future__ import annotations

import json
import os
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import activation, release
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import (
    RELEASE_ID,
    Layout,
    Release,
    fault_of_name,
    fault_of_path,
    read_json,
    release_id,
    write_json,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
INPUTS = st.dictionaries(st.text(max_size=6), DOCUMENTS, max_size=5)


def shuffled(document):
    """The same document with every mapping in the reverse order."""
    if isinstance(document, dict):
        return {key: shuffled(document[key]) for key in reversed(document)}
    return [shuffled(item) for item in document] if isinstance(document, list) else document


@given(INPUTS)
def test_the_same_inputs_in_any_order_have_the_same_id(inputs):
    assert release_id(shuffled(inputs)) == release_id(inputs)
    assert RELEASE_ID.match(release_id(inputs))


@given(INPUTS, INPUTS)
def test_other_inputs_have_another_id(left, right):
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (release_id(left) == release_id(right)) is same


def test_another_layout_is_another_release(monkeypatch):
    before = release_id({"a": 1})
    monkeypatch.setattr(release, "LAYOUT", release.LAYOUT + 1)
    assert release_id({"a": 1}) != before


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", fullmatch=True).filter(lambda name: ".." not in name))
def test_names_are_taken(name):
    assert fault_of_name(name) is None


@pytest.mark.parametrize(
    "name", ["", "1a", "-a", ".a", "a/b", "a b", "a..b", "a\n", "ä", "a:b", "a" * 65, "../a", None, 3, True, ["a"]]
)
def test_what_is_no_name_is_named(name):
    assert fault_of_name(name).startswith(f"{name!r} is not a name")


@pytest.mark.parametrize("text", ["0123456789abcdef\n", "0123456789ABCDEF", "0123456789abcde", "previous", ""])
def test_what_is_no_release_id_is_refused(text):
    assert not RELEASE_ID.match(text)


@pytest.mark.parametrize(
    "path", ["/srv/julia", "/srv/julia/", "/cvmfs/software.example.org/julia", "/a b/ü[x]{y}~#*?&|<>(),"]
)
def test_paths_are_taken(path):
    assert fault_of_path(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "srv/julia",
        "",
        "/",
        "//",
        "///",
        "/srv/../julia",
        "/srv/./julia",
        "/srv//julia",
        "//srv/julia",
        "~/julia",
        None,
        3,
        ["/a"],
    ],
)
def test_what_is_no_plain_absolute_path_is_named(path):
    assert fault_of_path(path).startswith(f"{path!r} is not")


@given(st.text(max_size=8), st.text(min_size=1, max_size=8).filter(lambda text: text.strip("/.")))
@example("", "a\x7f")
@example("", "a\u00a0")
@example("", "a\u200b")
@example("", "a\n")
@example("", "\ud800")
def test_a_path_is_taken_only_if_every_file_of_a_release_can_hold_it(before, after):
    path = f"/{before}{after}".rstrip("/")
    bad = any(char in ":'\"\\$`!;" or not char.isprintable() for char in path)
    plain = os.path.normpath(path) == path and not path.startswith("//")
    assert (fault_of_path(path) is None) is (plain and not bad)
    if fault_of_path(path) is None:
        assert activation._path_faults("root", path) == []


def test_every_path_of_a_store_lies_below_its_root():
    layout = Layout("/srv/julia")
    assert layout.julia("1.10.8", "x86_64") == "/srv/julia/julia/1.10.8/x86_64"
    assert layout.release("jets", "id").path == "/srv/julia/environments/jets/releases/id"
    assert layout.current("jets") == "/srv/julia/environments/jets/current"
    assert layout.previous("jets") == "/srv/julia/environments/jets/previous"
    for link in (layout.current("jets"), layout.previous("jets")):
        assert (
            os.path.normpath(os.path.join(os.path.dirname(link), layout.link_target("id")))
            == layout.release("jets", "id").path
        )


def test_the_architectures_of_a_release_are_those_with_a_record(tmp_path):
    for name in ("x86_64", "aarch64", "half"):
        (tmp_path / name).mkdir()
    for name in ("x86_64", "aarch64"):
        (tmp_path / name / "build.json").write_text("{}")
    (tmp_path / "file").write_text("")
    assert Release(str(tmp_path), "jets").architectures() == ["aarch64", "x86_64"]
    assert Release(str(tmp_path / "nowhere"), "jets").architectures() == []


def test_a_platform_without_caches_is_no_architecture_nor_the_other_way_round(tmp_path):
    for name in ("x86_64", "aarch64-linux-gnu", "i686-linux-gnu", "a b-c", "x"):
        (tmp_path / name).mkdir()
    for name in ("aarch64-linux-gnu", "a b-c", "x"):
        (tmp_path / name / "platform.json").write_text("{}")
    (tmp_path / "x86_64" / "build.json").write_text("{}")
    found = Release(str(tmp_path), "jets")
    assert (found.architectures(), found.platforms()) == (["x86_64"], ["aarch64-linux-gnu"])
    assert found.project("aarch64-linux-gnu") == f"{tmp_path}/aarch64-linux-gnu/common/environments/jets"
    assert Release(str(tmp_path / "nowhere"), "jets").platforms() == []


@given(INPUTS)
def test_what_is_written_is_read(tmp_path_factory, document):
    path = str(tmp_path_factory.getbasetemp() / "document.json")
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    write_json(path, document)
    assert read_json(path) == document


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b'{"a": "\xff"}'])
def test_what_is_no_document_is_none(tmp_path, content):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    assert read_json(str(path)) is None
    assert read_json(str(path / "below")) is None


def test_a_reader_never_sees_part_of_a_document(tmp_path):
    path = str(tmp_path / "document.json")
    documents = [{"fill": str(index) * 200_000} for index in range(2)]
    write_json(path, documents[0])
    seen, over = [], threading.Event()

    def look():
        while not over.is_set():
            seen.append(read_json(path) in documents)

    reader = threading.Thread(target=look)
    reader.start()
    for index in range(40):
        write_json(path, documents[index % 2])
    over.set()
    reader.join()
    assert seen
    assert all(seen)
    assert os.listdir(tmp_path) == ["document.json"]


def test_a_write_that_fails_leaves_the_old_document(tmp_path, monkeypatch):
    path = str(tmp_path / "document.json")
    write_json(path, {"old": 1})

    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"new": 1})
    assert read_json(path) == {"old": 1}
