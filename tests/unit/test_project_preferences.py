# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preferences of a site: which count, what becomes of the project's files, and the TOML that is written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import preferences as prefs
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import project as projects

UUID = "7876af07-990d-54b4-ab0e-23690620f79a"
INNER = "12345678-990d-54b4-ab0e-23690620f79a"
PROJECT = f'# ours\n[deps]\nExample = "{UUID}"\n'
LOCK = (
    f'julia_version = "1.10.1"\nmanifest_format = "2.0"\n[[deps.Example]]\nuuid = "{UUID}"\n'
    f'[[deps.Inner]]\nuuid = "{INNER}"\n[[deps.Two]]\nuuid = "{UUID}"\n[[deps.Two]]\nuuid = "{INNER}"\n'
)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "Project.toml").write_text(PROJECT)
    (tmp_path / "Manifest.toml").write_text(LOCK)
    return tmp_path


def prefer(folder, own=None, site=None, version=(1, 10, 8)):
    project = projects.read(str(folder), version)
    assert project.faults == []
    return projects.with_preferences(project, own or {}, site or {})


def test_none_leave_the_project_as_it_is(folder):
    project, counting, faults = prefer(folder, {}, {"Elsewhere": {"a": 1}})
    assert (project.texts, counting, faults) == ({}, {}, [])


def test_those_of_the_environment_count_more_than_the_sites_and_both_more_than_the_projects(folder):
    (folder / "LocalPreferences.toml").write_text(
        "[Example]\na = 1\nb = 1\nc = 1\nt = {x = 1, y = 1}\n[Other]\nz = 1\n"
    )
    own = {"Example": {"c": 3, "t": {"y": 3}}}
    site = {"Example": {"b": 2, "c": 2}, "Elsewhere": {"a": 1}}
    project, counting, faults = prefer(folder, own, site)
    assert faults == []
    assert counting == {"Example": {"b": 2, "c": 3, "t": {"y": 3}}}
    assert tomllib.loads(project.texts["LocalPreferences.toml"]) == {
        "Example": {"a": 1, "b": 2, "c": 3, "t": {"x": 1, "y": 3}},
        "Other": {"z": 1},
    }
    assert list(project.texts) == ["LocalPreferences.toml"]
    assert project.files() == ["LocalPreferences.toml", "Manifest.toml", "Project.toml"]


def test_the_other_name_of_the_file_is_kept(folder):
    (folder / "JuliaLocalPreferences.toml").write_text("")
    assert list(prefer(folder, {"Example": {"a": 1}})[0].texts) == ["JuliaLocalPreferences.toml"]


@pytest.mark.parametrize(
    "rest",
    ["", '\n[extras]\nTest = "x"\n', "\n [ extras ] # why\n", "\n[extras]", '\n[extras]\nTest = "x"\n[compat]\n'],
)
def test_an_inner_package_is_listed_in_the_project_since_julia_looks_there(folder, rest):
    (folder / "Project.toml").write_text(PROJECT + rest)
    project, _counting, faults = prefer(folder, site={"Inner": {"a": 1}})
    assert faults == []
    before, after = tomllib.loads(PROJECT + rest), tomllib.loads(project.texts["Project.toml"])
    assert after == {**before, "extras": {**before.get("extras", {}), "Inner": INNER}}
    assert project.texts["Project.toml"].startswith("# ours\n")


def test_an_inner_package_that_cannot_be_listed_is_a_fault(folder):
    (folder / "Project.toml").write_text(f'extras = {{Test = "x"}}\n{PROJECT}')
    assert prefer(folder, {"Inner": {"a": 1}})[2] == [
        f"{folder}/Project.toml: list Inner under [extras], so that their preferences count"
    ]


def test_packages_that_are_not_there_or_not_one_are_faults(folder):
    _project, _counting, faults = prefer(folder, {"Elsewhere": {"a": 1}, "Two": {"a": 1}})
    assert faults == [
        f"Elsewhere is no package of the environment: neither Project.toml nor {folder}/Manifest.toml has it",
        "several packages are called Two; list the one that is meant under [extras] of Project.toml",
    ]


def test_without_a_lock_those_of_the_environment_wait_for_it(folder):
    (folder / "Manifest.toml").unlink()
    project, counting, faults = prefer(folder, {"Inner": {"a": 1}}, {"Elsewhere": {"a": 1}})
    assert (list(project.texts), counting, faults) == (["LocalPreferences.toml"], {"Inner": {"a": 1}}, [])


def test_they_change_the_digest_and_their_order_does_not(folder):
    plain, one, two, other = (
        prefer(folder, own)[0].digest
        for own in (
            {},
            {"Example": {"a": 1, "b": 2}, "Inner": {}},
            {"Inner": {}, "Example": {"b": 2, "a": 1}},
            {"Example": {"a": 2, "b": 2}, "Inner": {}},
        )
    )
    assert one == two
    assert len({plain, one, other}) == 3


def test_a_julia_without_preferences_says_so(folder):
    (folder / "Manifest.toml").unlink()
    project, counting, faults = prefer(folder, {}, {"Example": {"a": 1}}, (1, 5, 3))
    assert (project.texts, counting, faults) == ({}, {}, [])
    assert prefer(folder, {"Example": {"a": 1}}, {}, (1, 5, 3))[2] == [
        "Julia 1.5.3 has no preferences, which came with 1.6; take them out, or name a newer Julia"
    ]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (None, "p: None is not a mapping of packages, for example {MPIPreferences: {binary: system}}"),
        ({"a-b": {}}, "p: 'a-b' is not the name of a package"),
        ({3: {}}, "p: 3 is not the name of a package"),
        ({"A": "x"}, "p: A: 'x' is not a mapping, for example"),
        ({"A": {3: "x"}}, "p: A: 3 is not the name of a preference"),
        ({"A": {"x": None}}, "p: A: x: None is neither text, a number"),
        ({"A": {"x": {"y": [None]}}}, "p: A: x: y: None is neither text"),
        ({"A": {"x": 2**63}}, "p: A: x: 9223372036854775808 is neither text"),
        ({"A": {"x": "\ud800"}}, "p: A: x: '\\ud800' is neither text"),
    ],
)
def test_a_fault_names_the_preference_and_the_value(given, fault):
    (found,) = prefs.faults_of(given, "p")
    assert found.startswith(fault)


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
TABLES = st.dictionaries(
    st.from_regex(r"[A-Z][A-Za-z_]{0,5}", fullmatch=True),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), VALUES, max_size=3),
    max_size=3,
)


@given(TABLES)
def test_what_is_written_is_read_back_as_it_was(tables):
    assert tomllib.loads(prefs.toml(tables)) == tables


@given(TABLES, TABLES)
def test_a_merge_keeps_every_value_of_the_higher_and_adds_none(lower, higher):
    merged = prefs.merged(lower, higher)
    assert merged.keys() == lower.keys() | higher.keys()
    assert prefs.merged(merged, higher) == merged
    for package, values in higher.items():
        for key, value in values.items():
            if not isinstance(value, dict):
                assert merged[package][key] == value


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda x: st.lists(x) | st.dictionaries(st.text() | st.integers(), x),
        max_leaves=6,
    )
)
def test_what_has_no_fault_can_be_written(given_):
    if not prefs.faults_of(given_, "p"):
        assert tomllib.loads(prefs.toml(given_)) == given_
