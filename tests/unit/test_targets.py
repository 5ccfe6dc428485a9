# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CPU levels: the table, version ranges, and the order in which nodes choose among them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets
from ansible_collections.scisoft.julia_depots.plugins.module_utils.targets import LEVELS, parse_version, resolve

CPUINFO = Path(__file__).parent / "fixtures" / "cpuinfo"
LITERAL = "haswell,-rdrnd"
SEVERAL = "generic;znver3,clone_all"
NEOVERSE_V1 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 "
    "sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs paca pacg dcpodp svei8mm svebf16 i8mm bf16 dgh rng"
)


def chosen(levels, flags) -> str:
    """The level that a node takes: the last one all of whose flags it has."""
    return [level.name for level in levels if set(level.flags) <= set(flags)][-1]


def flags_of(name: str) -> list[str]:
    for line in (CPUINFO / name).read_text().splitlines():
        key, _colon, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return value.split()
    raise AssertionError(f"no flags in {name}")


@pytest.mark.parametrize(
    ("arch", "names"),
    [
        ("x86_64", ["generic", "x86-64-v2", "x86-64-v3", "x86-64-v4"]),
        ("aarch64", ["generic", "a64fx", "neoverse-n1", "neoverse-v1"]),
    ],
)
def test_the_table_begins_with_generic_which_needs_nothing(arch, names):
    assert [level.name for level in LEVELS[arch]] == names
    assert LEVELS[arch][0] == targets.Level("generic", "generic")
    assert all(level.flags and len(set(level.flags)) == len(level.flags) for level in LEVELS[arch][1:])


def test_each_level_of_x86_64_has_all_flags_of_the_one_below():
    levels = LEVELS["x86_64"]
    for lower, upper in itertools.pairwise(levels):
        assert set(lower.flags) < set(upper.flags)


@pytest.mark.parametrize("arch", LEVELS)
def test_no_level_hides_a_better_one(arch):
    for index, level in enumerate(LEVELS[arch]):
        for later in LEVELS[arch][index + 1 :]:
            assert not set(later.flags) <= set(level.flags)


@pytest.mark.parametrize(
    ("node", "level"),
    [
        ("nehalem", "x86-64-v2"),
        ("vm-without-avx", "x86-64-v2"),
        ("haswell", "x86-64-v3"),
        ("zen3", "x86-64-v3"),
        ("skylake-sp", "x86-64-v4"),
        ("sapphire-rapids", "x86-64-v4"),
        ("a64fx", "a64fx"),
        ("neoverse-n1", "neoverse-n1"),
        ("neoverse-v1", "neoverse-v1"),
    ],
)
def test_real_processors_take_their_level(node, level):
    flags = NEOVERSE_V1.split() if node == "neoverse-v1" else flags_of(node)
    arch = "x86_64" if "sse2" in flags else "aarch64"
    names = [row.name for row in LEVELS[arch]]
    assert chosen(resolve(names, arch, (1, 10, 8)), flags) == level


@pytest.mark.parametrize(
    ("version", "target"),
    [((1, 9, 0), "haswell,-rdrnd,-fsgsbase"), ((1, 13, 9), "haswell,-rdrnd,-fsgsbase"), ((1, 14, 0), "x86-64-v3")],
)
def test_the_psabi_name_is_used_where_julia_knows_it(version, target):
    assert resolve("x86-64-v3", "x86_64", version)[0].target_for(version) == target


@pytest.mark.parametrize(
    ("names", "version", "expected"),
    [
        ("generic", (1, 10, 8), [("generic", "generic")]),
        (["x86-64-v3", "generic"], (1, 5, 3), [("generic", "generic")]),
        (["portable"], (1, 8, 5), [("generic", "generic")]),
        (["portable"], (1, 11, 2), [("portable", "generic;haswell,-rdrnd,-fsgsbase,clone_all")]),
        (SEVERAL, (1, 12, 0), [("portable", SEVERAL)]),
        (LITERAL, (1, 9, 0), [("literal", LITERAL)]),
    ],
)
def test_names_become_levels(names, version, expected):
    assert [(level.name, level.target) for level in resolve(names, "x86_64", version)] == expected


@pytest.mark.parametrize("flagless", ["portable", SEVERAL, LITERAL])
def test_what_fits_every_node_does_not_hide_a_level(flagless):
    levels = resolve([flagless, "x86-64-v3", "generic"], "x86_64", (1, 11, 2))
    assert [level.name for level in levels][::2] == ["generic", "x86-64-v3"]
    assert chosen(levels, flags_of("zen3")) == "x86-64-v3"


@pytest.mark.parametrize(
    ("names", "arch", "version", "fault"),
    [
        (["generic"], "riscv64", (1, 10, 8), "'riscv64' has no table of levels; known are aarch64, x86_64"),
        ([], "x86_64", (1, 10, 8), "no level is given for x86_64; the least is [generic]"),
        (["v3"], "x86_64", (1, 10, 8), "'v3' is neither a level of x86_64 (generic, x86-64-v2"),
        (["x86-64-v3"], "aarch64", (1, 10, 8), "'x86-64-v3' is neither a level of aarch64"),
        (["v3"], "x86_64", (1, 5, 3), "'v3' is neither"),
        (["generic", "generic"], "x86_64", (1, 10, 8), "generic, generic name the same level of x86_64 more than once"),
        (["portable", SEVERAL], "x86_64", (1, 12, 0), "more than once"),
        ("portable", "x86_64", (1, 9, 0), "Julia 1.9.0 writes only one into an image; name levels instead"),
        ("portable", "aarch64", (1, 11, 1), "use Julia 1.11.2 or later"),
        (SEVERAL, "x86_64", (1, 10, 8), "holds several targets, and Julia 1.10.8"),
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
    with pytest.raises(ValueError, match=re.escape(fault)):
        resolve(names, arch, version)


VERSIONS = st.tuples(st.just(1), st.integers(5, 14), st.integers(0, 12))


@given(st.data(), st.sampled_from(sorted(LEVELS)), VERSIONS)
def test_levels_are_unique_and_worst_first_whatever_the_order(data, arch, version):
    table = [level.name for level in LEVELS[arch]]
    extra = ["portable"] if version >= (1, 11, 2) else []
    names = data.draw(st.lists(st.sampled_from([*table, *extra, LITERAL]), min_size=1, unique=True))
    levels = resolve(names, arch, version)
    found = [level.name for level in levels]
    assert len(set(found)) == len(found)
    assert levels == resolve(sorted(names), arch, version)
    if version < (1, 9, 0):
        assert found == ["generic"]
        return
    assert len(found) == len(names)
    assert [name for name in found if name in table] == [name for name in table if name in names]
    for index, level in enumerate(levels):
        assert not any(set(later.flags) <= set(level.flags) for later in levels[index + 1 :] if level.flags)


@given(VERSIONS, st.sampled_from(["", "-rc1", "+0", "-DEV.12+abc"]))
def test_a_version_is_three_numbers_and_a_prerelease_counts_as_its_release(version, rest):
    assert parse_version(".".join(map(str, version)) + rest) == version


@pytest.mark.parametrize(
    "text", ["", "1", "1.10", "1.10.8.1", "v1.10.8", "1.10.x", "1.10.8\n", " 1.10.8", "١.١٠.٨", "None"]
)
def test_what_is_no_version_is_named(text):
    with pytest.raises(ValueError, match=r"is not a Julia version such as 1\.10\.8"):
        parse_version(text)
