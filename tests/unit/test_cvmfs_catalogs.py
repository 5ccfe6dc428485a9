# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nested catalogs: where they go, by trees of any shape, and the markers in real folders."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import catalogs
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.catalogs import Catalog, Plan
from tests.unit.helpers import as_ordinary_user, give_to_ordinary_user

SMALL = {"least": 4, "goal": 9, "most": 16}


@st.composite
def trees(draw):
    """How many entries each folder of a tree holds directly."""
    paths, entries = [""], {"": 0}
    for number in range(draw(st.integers(0, 24))):
        parent = draw(st.sampled_from(paths))
        path = os.path.join(parent, f"f{number}")
        paths.append(path)
        entries[parent] += 1
        entries[path] = 0
    for path in paths:
        entries[path] += draw(st.integers(0, 20) if draw(st.booleans()) else st.integers(0, 3))
    return entries


def nearest(path, roots):
    while path not in roots:
        path = os.path.dirname(path)
    return path


def counted(entries, roots):
    """The entries of each catalog, from its definition: an entry belongs to the catalog of the folder that holds it,
    and each catalog holds its own root and its marker, too."""
    sizes = dict.fromkeys(roots, 2)
    for path, number in entries.items():
        sizes[nearest(path, roots)] += number
    return sizes


def left_in(folder, entries, roots):
    """What a folder that is no catalog holds of the catalog around it, itself included."""
    below = [path for path in entries if path == folder or path.startswith(folder + "/")]
    return 1 + sum(entries[path] for path in below if nearest(path, roots) == nearest(folder, roots))


@given(trees())
def test_sizes_are_those_of_the_definition(entries):
    plan = catalogs.plan_of(entries, **SMALL)
    assert plan.catalogs == sorted(plan.catalogs)
    assert "" in plan.catalogs
    assert set(plan.catalogs) <= set(entries)
    assert plan.sizes == counted(entries, plan.catalogs)


@given(trees())
def test_no_catalog_breaks_a_bound_without_a_warning(entries):
    plan = catalogs.plan_of(entries, "/staging", **SMALL)
    assert all(size >= SMALL["least"] for path, size in plan.sizes.items() if path)
    broken = [path for path, size in plan.sizes.items() if size > SMALL["most"]]
    assert len(plan.warnings) == len(broken)
    for path, warning in zip(broken, plan.warnings, strict=True):
        assert warning.startswith(f"catalogs: {os.path.join('/staging', path).rstrip('/')} makes a catalog of ")
        assert f"of {plan.sizes[path]} entries" in warning
        assert f": {entries[path]} are directly in it" in warning


@given(trees())
def test_what_breaks_the_bound_could_not_be_divided(entries):
    plan = catalogs.plan_of(entries, **SMALL)
    for root, size in plan.sizes.items():
        if size > SMALL["most"]:
            for folder in entries:
                if folder not in plan.catalogs and nearest(folder, plan.catalogs) == root:
                    assert left_in(folder, entries, plan.catalogs) + 1 < SMALL["least"]


@given(trees())
def test_what_every_client_loads_is_divided_as_far_as_it_can_be(entries):
    plan = catalogs.plan_of(entries, **SMALL)
    if plan.sizes[""] > SMALL["goal"]:
        for folder in entries:
            if folder and nearest(folder, plan.catalogs) == "":
                assert left_in(folder, entries, plan.catalogs) + 1 < SMALL["least"]


@given(trees(), st.randoms())
def test_the_same_tree_has_the_same_catalogs(entries, shuffler):
    items = list(entries.items())
    shuffler.shuffle(items)
    assert catalogs.plan_of(dict(items), **SMALL) == catalogs.plan_of(entries, **SMALL)


def release(**folders):
    """The counts of a release whose folders hold so many files; ``__`` is for ``/``."""
    entries = {"": 5}
    for key, files in folders.items():
        path = ""
        for name in key.split("__"):
            parent, path = path, os.path.join(path, name)
            if path not in entries:
                entries[parent] += 1
                entries[path] = 0
        entries[path] += files
    return entries


def test_a_small_release_has_one_catalog():
    plan = catalogs.plan_of(release(x86_64__common__packages=3000, x86_64__generic__compiled=400))
    assert plan == Plan([""], [], {"": 3000 + 400 + 5 + 5 + 2})


def test_a_top_has_a_catalog_however_small():
    assert catalogs.plan_of({"": 0}) == Plan([""], [], {"": 2})


def test_large_parts_of_a_release_are_apart():
    parts = {f"x86_64__common__artifacts__small{number}": 200 for number in range(10)}
    plan = catalogs.plan_of(
        release(
            x86_64__common__packages=8000,
            x86_64__common__artifacts__qt__lib=5400,
            x86_64__common__artifacts__qt__share=300,
            x86_64__generic__compiled=900,
            x86_64__znver4__compiled=1900,
            **parts,
        )
    )
    # What is left of the architecture is less than a request is worth.
    assert plan.catalogs == ["", "x86_64/common/artifacts/qt", "x86_64/common/packages"]
    assert plan.warnings == []


@pytest.mark.parametrize("files", [1100, 3000, 4000, 40000])
def test_what_every_client_loads_stays_small(files):
    parts = ("common__packages", "common__artifacts__one", "generic__compiled", "znver4__compiled")
    plan = catalogs.plan_of(release(**{f"{arch}__{part}": files for arch in ("x86_64", "aarch64") for part in parts}))
    assert plan.sizes[""] <= catalogs.GOAL
    assert plan.warnings == []


def test_a_folder_that_breaks_the_bound_is_named():
    plan = catalogs.plan_of(release(x86_64__common__artifacts__data=100001, x86_64__generic=50), "/staging/jets")
    assert plan.sizes["x86_64/common/artifacts/data"] == 100003
    (warning,) = plan.warnings
    assert warning.startswith("catalogs: /staging/jets/x86_64/common/artifacts/data makes a catalog of 100003 entries")
    plan = catalogs.plan_of({"": 100000})
    assert plan.warnings[0].startswith("catalogs: . makes a catalog of 100002 entries")


def test_many_folders_that_are_too_small_are_named():
    parts = {f"common__packages__p{number}": 900 for number in range(120)}
    plan = catalogs.plan_of(release(**parts))
    assert plan.catalogs == ["", "common/packages"] or plan.catalogs == ["", "common"]
    assert len(plan.warnings) == 1
    assert "common" in plan.warnings[0]


# --- in folders


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a deep and a read-only folder, a link to one of them, and times in the past."""
    return grown(tmp_path / "tree")


def grown(tree: Path) -> Path:
    for folder in ("a/deep", "b"):
        (tree / folder).mkdir(parents=True)
        for number in range(3):
            (tree / folder / f"file{number}").touch()
    (tree / "link").symlink_to("a")
    (tree / "b").chmod(0o555)
    set_back(tree)
    return tree


def set_back(tree: Path) -> None:
    for path in (*tree.rglob("*"), tree):
        os.utime(path, ns=(1, 1_700_000_000_123456789), follow_symlinks=False)


def states(tree: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(tree)): (path.lstat().st_mtime_ns, path.lstat().st_mode)
        for path in (tree, *tree.rglob("*"))
        if path.name != catalogs.MARKER
    }


def markers(tree: Path) -> set[str]:
    return {str(path.relative_to(tree)) for path in tree.rglob(catalogs.MARKER)}


def planned(*folders: str) -> Plan:
    return Plan(list(folders), [], dict.fromkeys(folders, 2))


def test_links_are_not_followed(tree):
    assert catalogs.counts(str(tree)) == {"": 3, "a": 1, "a/deep": 3, "b": 3}


def test_a_folder_is_planned_for(tmp_path):
    for number in range(5100):
        os.mkdir(f"{tmp_path}/{number}")
        if number < 1200:
            os.makedirs(f"{tmp_path}/large/deep/{number}")
    plan = catalogs.plan(str(tmp_path))
    assert plan == Plan(["", "large"], [], {"": 5103, "large": 1203})
    assert catalogs.place(str(tmp_path), plan) == [".cvmfscatalog", "large/.cvmfscatalog"]
    assert catalogs.plan(str(tmp_path)) == plan


def test_markers_are_placed_and_nothing_else_is_changed(tree):
    before = states(tree)
    plan = planned("", "a")
    assert catalogs.place(str(tree), plan) == [".cvmfscatalog", "a/.cvmfscatalog"]
    assert states(tree) == before
    assert markers(tree) == {".cvmfscatalog", "a/.cvmfscatalog"}
    marker = (tree / "a" / ".cvmfscatalog").stat()
    assert (marker.st_size, marker.st_mode & 0o777, marker.st_mtime_ns) == (0, 0o644, 1_700_000_000_123456789)
    assert catalogs.place(str(tree), plan) == []


def test_markers_that_were_not_planned_are_removed(tree):
    for folder in ("a/deep", "b"):
        (tree / folder / catalogs.MARKER).touch()
    set_back(tree)
    before = states(tree)
    changed = catalogs.place(str(tree), planned("", "a"))
    assert sorted(changed) == sorted(f"{folder}.cvmfscatalog" for folder in ("", "a/", "a/deep/", "b/"))
    assert markers(tree) == {".cvmfscatalog", "a/.cvmfscatalog"}
    assert states(tree) == before


def test_an_ordinary_user_marks_read_only_folders():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is for root alone
        tree = grown(Path(folder) / "tree")
        before = states(tree)
        give_to_ordinary_user(Path(folder))
        assert as_ordinary_user(catalogs.place, str(tree), planned("", "b")) == [".cvmfscatalog", "b/.cvmfscatalog"]
        assert as_ordinary_user(catalogs.place, str(tree), planned("")) == ["b/.cvmfscatalog"]
        assert states(tree) == before


def test_a_planned_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        catalogs.place(str(tmp_path), planned("", "nowhere"))


# --- what the server lists

listings = st.lists(
    st.builds(
        Catalog,
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])).map("/{}".format),
        st.integers(0, 10**12),
        st.integers(0, 10**7),
    )
)


@given(listings)
def test_a_listing_is_read_as_it_was_written(found):
    text = "".join(f"{catalog.bytes}B {catalog.entries} {catalog.path}\n" for catalog in found)
    assert catalogs.parse_listing(text) == found


def test_a_real_listing_is_read():
    assert catalogs.parse_listing("16384B 3 /\n16384B 5 /julia\n") == [
        Catalog("/", 16384, 3),
        Catalog("/julia", 16384, 5),
    ]


@pytest.mark.parametrize(
    "line", ["[12 bytes left out]", "16384 3 /", "16384B x /", "16384B 3 julia", "B 3 /", "16384B 3"]
)
def test_what_is_not_a_line_is_named(line):
    with pytest.raises(ValueError, match="not a line of list-catalogs"):
        catalogs.parse_listing(f"16384B 3 /\n{line}\n")
