# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CPU levels: the table, version ranges, and the order in which nodes choose among them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.targets import (
    BUNDLES,
    LEVELS,
    flags_of,
    parse_version,
    resolve,
)
from tests import cpus

LITERAL = "haswell,-rdrnd"
SEVERAL = "generic;znver3,clone_all"


def chosen(levels, flags) -> str:
    """The level that a node takes: the last one all of whose flags it has."""
    return [level.name for level in levels if set(level.flags) <= set(flags)][-1]


@pytest.mark.parametrize("arch", LEVELS)
def test_the_table_begins_with_generic_which_needs_nothing(arch):
    names = [level.name for level in LEVELS[arch]]
    assert len(set(names)) == len(names)
    assert LEVELS[arch][0] == targets.Level("generic", {(1, 9, 0): "generic"})
    assert all(level.flags and len(set(level.flags)) == len(level.flags) for level in LEVELS[arch][1:])


@pytest.mark.parametrize(("lower", "upper"), [("x86-64-v2", "x86-64-v3"), ("x86-64-v3", "x86-64-v4")])
def test_each_level_of_the_psabi_has_all_flags_of_the_one_below(lower, upper):
    rows = {level.name: set(level.flags) for level in LEVELS["x86_64"]}
    assert rows[lower] < rows[upper]


@pytest.mark.parametrize("arch", LEVELS)
def test_no_level_hides_a_better_one(arch):
    for index, level in enumerate(LEVELS[arch]):
        for later in LEVELS[arch][index + 1 :]:
            assert not set(later.flags) <= set(level.flags), f"{later.name} must stand before {level.name}"


EVERY_LEVEL = pytest.mark.parametrize(
    ("arch", "level"),
    [pytest.param(arch, row, id=f"{arch}-{row.name}") for arch, rows in LEVELS.items() for row in rows],
)


@EVERY_LEVEL
def test_a_node_that_has_just_its_flags_takes_each_level(arch, level):
    newest = max(first for rows in LEVELS.values() for row in rows for first in row.targets)
    every = resolve([row.name for row in LEVELS[arch]], arch, newest)
    assert chosen(every, level.flags) == level.name
    assert level.first_version >= (1, 9, 0)
    for version, target in level.targets.items():
        (alone,) = resolve([level.name], arch, version)
        assert alone.target_for(version) == target
        assert targets.TARGET.match(target), f"{target!r} is not in the form of a Julia target string"
        assert ";" not in target, f"{target!r} holds several targets, which no level does"


@EVERY_LEVEL
def test_each_level_asks_for_all_that_one_before_it_asks_for(arch, level):
    before = LEVELS[arch][1 : LEVELS[arch].index(level)]
    assert not before or any(set(row.flags) <= set(level.flags) for row in before), "are all its flags there?"


def test_every_processor_that_was_recorded_has_a_level_of_the_table():
    assert {path.stem for path in cpus.FOLDER.glob("*.txt")} == set(cpus.LEVELS_OF_PROCESSORS)
    rows = {f"{arch}/{level.name}" for arch, levels in LEVELS.items() for level in levels}
    assert set(cpus.LEVELS_OF_PROCESSORS.values()) <= rows


@pytest.mark.parametrize(("processor", "least"), cpus.LEVELS_OF_PROCESSORS.items())
def test_real_processors_take_their_level_or_one_that_asks_for_more(processor, least):
    arch, level = least.split("/")
    names = [row.name for row in LEVELS[arch]]
    flags = {row.name: set(row.flags) for row in LEVELS[arch]}
    taken = cpus.level_of(processor).partition("/")[2]
    assert names.index(taken) >= names.index(level)
    assert flags[taken] >= flags[level], f"{taken} asks for less than {level}, so it must stand before it"


@pytest.mark.parametrize(
    ("version", "target"),
    [((1, 9, 0), "haswell,-rdrnd,-fsgsbase"), ((1, 13, 9), "haswell,-rdrnd,-fsgsbase"), ((1, 14, 0), "x86-64-v3")],
)
def test_the_psabi_name_is_used_where_julia_knows_it(version, target):
    assert resolve("x86-64-v3", "x86_64", version)[0].target_for(version) == target


def test_bundles_hold_what_the_levels_hold_that_stand_for_them():
    for arch, bundles in BUNDLES.items():
        rows = {level.name: level for level in LEVELS[arch]}
        for bundle in bundles.values():
            names = [targets.cpu_names(rows[name].target_for((1, 12, 0)))[0] for name in bundle.levels]
            assert targets.cpu_names(bundle.targets[1, 9, 0]) == names
            assert bundle.targets[1, 9, 0].startswith("generic;")


def test_features_have_the_kernel_s_names():
    assert flags_of(["sse4.2", "avx", "bmi", "uintr"], "x86_64") == ["avx", "bmi1", "sse4_2"]
    assert flags_of(["v8_1a", "lse", "rdm", "sve"], "aarch64") == ["asimdrdm", "atomics", "sve"]


@pytest.mark.parametrize(
    ("names", "version", "expected"),
    [
        ("generic", (1, 10, 8), [("generic", "generic")]),
        (["x86-64-v3", "generic"], (1, 5, 3), [("generic", "generic")]),
        (["portable"], (1, 8, 5), [("generic", "generic")]),
        (["portable"], (1, 11, 2), [("portable", "generic;haswell,-rdrnd,-fsgsbase,clone_all")]),
        (["portable"], (1, 10, 8), [("generic", "generic"), ("x86-64-v3", "haswell,-rdrnd,-fsgsbase")]),
        (
            ["portable", "generic", "x86-64-v3"],
            (1, 9, 0),
            [("generic", "generic"), ("x86-64-v3", "haswell,-rdrnd,-fsgsbase")],
        ),
        (
            "official",
            (1, 10, 8),
            [("generic", "generic"), ("sandybridge", "sandybridge"), ("haswell", "haswell,-rdrnd")],
        ),
        (
            "official",
            (1, 12, 5),
            [("portable", "generic;sandybridge,-xsaveopt,clone_all;haswell,-rdrnd,base(1)")],
        ),
        (
            "official",
            (1, 14, 0),
            [
                (
                    "portable",
                    "generic;sandybridge,-xsaveopt,clone_all;haswell,-rdrnd,base(1);x86-64-v4,-rdrnd,base(1)",
                )
            ],
        ),
        (SEVERAL, (1, 12, 0), [("portable", SEVERAL)]),
        (LITERAL, (1, 9, 0), [("literal", LITERAL)]),
    ],
)
def test_names_become_levels(names, version, expected):
    assert [(level.name, level.target_for(version)) for level in resolve(names, "x86_64", version)] == expected


@pytest.mark.parametrize("flagless", ["portable", SEVERAL])
def test_what_fits_every_node_does_not_hide_a_level(flagless):
    levels = resolve(["x86-64-v3", flagless, "generic"], "x86_64", (1, 11, 2))
    assert [level.name for level in levels] == ["portable", "generic", "x86-64-v3"]
    assert chosen(levels, cpus.flags_of("zen3")) == "x86-64-v3"


def test_what_was_written_out_is_better_than_what_we_know():
    levels = resolve([LITERAL, "x86-64-v4", "generic"], "x86_64", (1, 11, 2))
    assert [level.name for level in levels] == ["generic", "x86-64-v4", "literal"]


@pytest.mark.parametrize(
    ("names", "arch", "version", "fault"),
    [
        (["generic"], "riscv64", (1, 10, 8), "'riscv64' has no table of levels; known are aarch64, x86_64"),
        ([], "x86_64", (1, 10, 8), "no level is given for x86_64; the least is [generic]"),
        (["v3"], "x86_64", (1, 10, 8), "'v3' is neither a level of x86_64 (generic, x86-64-v2"),
        (["x86-64-v3"], "aarch64", (1, 10, 8), "'x86-64-v3' is neither a level of aarch64"),
        (["v3"], "x86_64", (1, 5, 3), "'v3' is neither"),
        (["generic", "generic"], "x86_64", (1, 10, 8), "generic, generic name the same level of x86_64 more than"),
        (["portable", SEVERAL], "x86_64", (1, 12, 0), "more than once"),
        (SEVERAL, "x86_64", (1, 10, 8), "holds several targets, and Julia 1.10.8 writes only one into an image"),
        (
            ["znver4"],
            "x86_64",
            (1, 10, 8),
            "Julia 1.10.8 does not know the level znver4, only Julia 1.11.2 and later do",
        ),
        (["generic;native"], "x86_64", (1, 12, 0), "native is another processor on each builder"),
        (["portable", "official"], "x86_64", (1, 12, 0), "portable, official name the same level"),
        ([LITERAL, "znver3,-rdrnd"], "x86_64", (1, 12, 0), "name the same level"),
        ("haswell;generic", "x86_64", (1, 12, 0), "must begin with generic"),
        ("generic;haswell;rm -rf", "x86_64", (1, 12, 0), "is neither"),
        ("generic;haswell\n", "x86_64", (1, 12, 0), "is neither"),
        ("", "x86_64", (1, 12, 0), "is neither"),
        (None, "x86_64", (1, 12, 0), "None is not a list of levels of x86_64"),
        (3, "x86_64", (1, 12, 0), "3 is not a list"),
        ({"generic": True}, "x86_64", (1, 12, 0), "is not a list"),
        (["generic", 3], "x86_64", (1, 12, 0), "is not a list"),
    ],
)
def test_a_fault_says_what_would_do(names, arch, version, fault):
    with pytest.raises(InputError, match=re.escape(fault)) as error:
        resolve(names, arch, version)
    assert len(error.value.faults) == 1


def test_all_faults_are_told_at_once():
    with pytest.raises(InputError) as error:
        resolve(["v3", "znver5", "haswell;native", "generic"], "x86_64", (1, 10, 8))
    assert len(error.value.faults) == 5


@pytest.mark.parametrize(("version", "refused"), [((1, 10, 8), False), ((1, 11, 1), True), ((1, 11, 2), False)])
def test_versions_that_crash_are_refused(version, refused):
    assert (targets.fault_of_version(version) is not None) == refused


VERSIONS = st.tuples(st.just(1), st.integers(5, 14), st.integers(0, 12))


@given(st.data(), st.sampled_from(sorted(LEVELS)), VERSIONS)
def test_levels_are_unique_and_worst_first_whatever_the_order(data, arch, version):
    table = [level.name for level in LEVELS[arch] if level.first_version <= max(version, (1, 9, 0))]
    names = data.draw(st.lists(st.sampled_from([*table, "portable", LITERAL]), min_size=1, unique=True))
    levels = resolve(names, arch, version)
    found = [level.name for level in levels]
    assert len(set(found)) == len(found)
    assert levels == resolve(sorted(names), arch, version)
    if version < (1, 9, 0):
        assert found == ["generic"]
        return
    expected = {"literal" if name == LITERAL else name for name in names}
    if "portable" in names and version < (1, 11, 2):
        expected = expected - {"portable"} | set(BUNDLES[arch]["portable"].levels)
    assert set(found) == expected
    assert [name for name in found if name in table] == [name for name in table if name in found]
    for index, level in enumerate(levels):
        assert not any(set(later.flags) <= set(level.flags) for later in levels[index + 1 :] if later.flags)


@given(VERSIONS, st.sampled_from(["", "-rc1", "+0", "-DEV.12+abc"]))
def test_a_version_is_three_numbers_and_a_prerelease_counts_as_its_release(version, rest):
    assert parse_version(".".join(map(str, version)) + rest) == version


@pytest.mark.parametrize(
    "text", ["", "1", "1.10", "1.10.8.1", "v1.10.8", "1.10.x", "1.10.8\n", " 1.10.8", "١.١٠.٨", "None"]
)
def test_what_is_no_version_is_named(text):
    with pytest.raises(ValueError, match=r"is not a Julia version such as 1\.10\.8"):
        parse_version(text)
