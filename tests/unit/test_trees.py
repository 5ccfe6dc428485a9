# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders: copied whole or not at all, compared by content, counted without following links."""

from __future__ import annotations

import filecmp
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import Count


@pytest.fixture
def tree(tmp_path):
    """A folder with a program, a private file, links to somewhere and nowhere, and an empty folder."""
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "empty").mkdir(mode=0o700)
    (tree / "bin" / "run").write_text("#!/bin/sh\n")
    (tree / "bin" / "run").chmod(0o700)
    (tree / "private").write_text("12345")
    (tree / "private").chmod(0o600)
    (tree / "link").symlink_to("private")
    (tree / "out").symlink_to("/usr")
    os.utime(tree / "private", (1e9, 1e9))
    return tree


def test_counting_does_not_follow_links(tree):
    assert trees.count(str(tree)) == Count(6 + 1 - 1, len("#!/bin/sh\n") + 5 + len("private") + len("/usr"))


@pytest.mark.parametrize(("name", "entries", "size"), [("private", 0, 5), ("empty", 0, 0), ("nowhere", 0, 0)])
def test_counting_takes_files_and_what_is_not_there(tree, name, entries, size):
    assert trees.count(str(tree / name)) == Count(entries, size)


def test_names_are_sorted_and_none_where_there_is_no_folder(tree):
    assert trees.names(str(tree)) == ["bin", "empty", "link", "out", "private"]
    assert trees.names(str(tree / "private")) == trees.names(str(tree / "nowhere")) == []


def copied(tree, tmp_path):
    copy = tmp_path / "deep" / "copy"
    changed = trees.place_copy(str(tree), str(copy))
    return copy, changed


def test_a_copy_is_readable_by_all_with_its_times_and_links(tree, tmp_path):
    copy, changed = copied(tree, tmp_path)
    assert changed
    modes = {name: (copy / name).stat().st_mode & 0o777 for name in ("", "bin", "empty", "bin/run", "private")}
    assert modes == {"": 0o755, "bin": 0o755, "empty": 0o755, "bin/run": 0o755, "private": 0o644}
    assert (copy / "private").stat().st_mtime == 1e9
    assert os.readlink(copy / "link") == "private"
    assert os.readlink(copy / "out") == "/usr"
    assert os.listdir(copy.parent) == ["copy"]


def test_a_second_copy_is_nothing(tree, tmp_path):
    copy, _unused = copied(tree, tmp_path)
    inode = copy.stat().st_ino
    assert copied(tree, tmp_path) == (copy, False)
    assert copy.stat().st_ino == inode


CHANGES = {
    "content of the same length and time": lambda tree: (
        (tree / "private").write_text("54321"),
        os.utime(tree / "private", (1e9, 1e9)),
    ),
    "a new file": lambda tree: (tree / "empty" / "new").write_text(""),
    "a file gone": lambda tree: (tree / "bin" / "run").unlink(),
    "a folder gone": lambda tree: (tree / "empty").rmdir(),
    "a file in place of a folder": lambda tree: ((tree / "empty").rmdir(), (tree / "empty").write_text("")),
    "another link": lambda tree: ((tree / "out").unlink(), (tree / "out").symlink_to("/etc")),
    "a file in place of a link": lambda tree: ((tree / "link").unlink(), (tree / "link").write_text("12345")),
    "a link to nowhere": lambda tree: (tree / "lost").symlink_to("nowhere"),
    "a name that others leave out": lambda tree: (tree / "CVS").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_copied_and_nothing_old_stays(tree, tmp_path, change):
    copied(tree, tmp_path)
    CHANGES[change](tree)
    copy, changed = copied(tree, tmp_path)
    assert changed
    filecmp.clear_cache()  # it goes by length and time
    assert trees.same_tree(str(tree), str(copy))
    assert copied(tree, tmp_path) == (copy, False)
    assert trees.count(str(tree)) == trees.count(str(copy))


def test_an_interrupted_copy_is_made_anew(tree, tmp_path, monkeypatch):
    def half(source, destination, **_options):
        os.makedirs(destination)
        raise OSError(28, "No space left on device", destination)

    with monkeypatch.context() as context:
        context.setattr(shutil, "copytree", half)
        with pytest.raises(OSError, match="No space left"):
            copied(tree, tmp_path)
    assert not (tmp_path / "deep" / "copy").exists()
    copy, changed = copied(tree, tmp_path)
    assert changed
    assert os.listdir(copy.parent) == ["copy"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "e/f/g"]), st.sampled_from(["", "x", "y"])),
    st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "e/f/g"]), st.sampled_from(["", "x", "y"])),
)
def test_trees_are_the_same_when_names_and_contents_are(tmp_path, left, right):
    for name, files in (("left", left), ("right", right)):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / name).mkdir()
        for path, text in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
    assert trees.same_tree(str(tmp_path / "left"), str(tmp_path / "right")) == (left == right)


def test_only_what_the_build_needed_is_taken_out(tmp_path):
    stay = ["packages/A/x/f", "compiled/v1.10/A/a.ji", "artifacts/0/f", "environments/e/Project.toml"]
    go = ["logs/usage.toml", "scratchspaces/u/f", "clones/c/f", "registries/General.toml", "config/startup.jl"]
    for name in [*stay, *go, "compiled/v1.10/A/a.ji.pidfile"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    trees.remove_leftovers(str(tmp_path))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(stay)
    trees.remove_leftovers(str(tmp_path))


KINDS = st.one_of(
    st.tuples(st.just("file"), st.sampled_from(["", "x", "y"]), st.sampled_from([0o644, 0o755]), st.integers(1, 3)),
    st.tuples(st.just("link"), st.sampled_from(["nowhere", "elsewhere"]), st.just(0), st.just(0)),
    st.tuples(st.just("folder"), st.just(""), st.sampled_from([0o755, 0o555]), st.integers(1, 3)),
)
TREES = st.dictionaries(st.sampled_from(["a", "b", "b/c", "b/d", "e", "e/f", "e/f/g", "same"]), KINDS)


def make(root, tree):
    """Make a tree below a folder; what has no place because its parent is no folder is left out."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, (kind, text, _mode, _time) in sorted(tree.items()):
        parent = (root / path).parent
        if parent != root and (parent.is_symlink() or not parent.is_dir()):
            continue
        if kind == "folder":
            (root / path).mkdir()
        elif kind == "link":
            (root / path).symlink_to(text)
        else:
            (root / path).write_text(text)
    for path, (kind, _text, mode, time) in sorted(tree.items(), reverse=True):
        if kind != "link" and os.path.lexists(root / path):
            (root / path).chmod(mode)
            os.utime(root / path, (time, time))
    os.utime(root, (1, 1))


def seen(root):
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        marks = () if path.is_symlink() else (status.st_mode, status.st_mtime)
        content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[str(path.relative_to(root))] = (content, *marks)
    return found


def compared(wanted, there, held):
    return trees.difference(str(wanted), trees.listing(str(wanted)), str(there), held)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(TREES, TREES)
def test_an_update_makes_one_tree_like_another_and_leaves_what_is_not_listed(tmp_path, wanted, there):
    make(tmp_path / "wanted", wanted)
    make(tmp_path / "there", there)
    (tmp_path / "there" / ".mark").write_text("mine")
    held = trees.listing(str(tmp_path / "there"))
    del held[".mark"]
    found = compared(tmp_path / "wanted", tmp_path / "there", held)
    assert found.total == len(seen(tmp_path / "wanted"))
    trees.update(str(tmp_path / "wanted"), str(tmp_path / "there"), found)
    assert (tmp_path / "there" / ".mark").read_text() == "mine"
    (tmp_path / "there" / ".mark").unlink()
    assert seen(tmp_path / "there") == seen(tmp_path / "wanted")
    again = compared(tmp_path / "wanted", tmp_path / "there", trees.listing(str(tmp_path / "there")))
    assert (again.removed, again.added, again.folders, again.unchanged) == ([], [], [], again.total)


def test_what_is_unchanged_is_not_touched(tree, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy, symlinks=True)
    before = {path: path.lstat().st_ctime_ns for path in copy.rglob("*")}
    (tree / "private").write_text("changed")
    found = compared(tree, copy, trees.listing(str(copy)))
    assert (found.removed, found.added, found.unchanged, found.total) == (["private"], ["private"], 5, 6)
    trees.update(str(tree), str(copy), found)
    assert [path.name for path in copy.rglob("*") if path.lstat().st_ctime_ns != before[path]] == ["private"]
