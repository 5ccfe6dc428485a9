# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU levels: what Julia is told to compile for, and what a node must have to use it.

CPU names and features are those of Julia's ``src/features_x86.h``, ``src/features_aarch64.h`` and
``src/processor_*.cpp``; the levels of x86-64 are those of its psABI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Sequence

Version = tuple  # (major, minor, patch)

FIRST_WITH_NATIVE_CODE = (1, 9, 0)
FIRST_WITH_MULTIPLE_TARGETS = (1, 11, 2)
FIRST_WITH_PSABI_NAMES = (1, 14, 0)

_V2 = ("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3")
_V3 = (*_V2, "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")


@dataclass(frozen=True)
class Level:
    """One row of the table.

    :param target: what Julia is told (``JULIA_CPU_TARGET``).
    :param flags: what ``/proc/cpuinfo`` of a node must list (``flags`` on x86-64, ``Features`` on aarch64).
    :param psabi: the shorter name that Julia understands from 1.14 on.
    """

    name: str
    target: str
    flags: Sequence[str] = ()
    psabi: str | None = None

    def target_for(self, version: Version) -> str:
        return self.psabi if self.psabi and version >= FIRST_WITH_PSABI_NAMES else self.target


# Each architecture: worst first, as in a release's ``levels`` file, where the last match wins.
LEVELS: dict[str, tuple[Level, ...]] = {
    "x86_64": (
        Level("generic", "generic"),
        Level("x86-64-v2", "nehalem", _V2, "x86-64-v2"),
        Level("x86-64-v3", "haswell,-rdrnd,-fsgsbase", _V3, "x86-64-v3"),
        Level(
            "x86-64-v4",
            "haswell,-rdrnd,-fsgsbase,+avx512f,+avx512cd,+avx512dq,+avx512bw,+avx512vl",
            _V4,
            "x86-64-v4",
        ),
    ),
    "aarch64": (
        Level("generic", "generic"),
        # Before those of Neoverse: a Neoverse V1 has all the flags of an A64FX, and not the other way round.
        Level("a64fx", "a64fx", ("asimdhp", "asimdrdm", "atomics", "crc32", "fphp", "sve", "fcma")),
        Level(
            "neoverse-n1",
            "neoverse-n1",
            ("asimddp", "asimdhp", "asimdrdm", "atomics", "crc32", "fphp", "lrcpc"),
        ),
        Level(
            "neoverse-v1",
            "neoverse-v1",
            ("asimddp", "asimdhp", "asimdrdm", "atomics", "crc32", "fphp", "lrcpc", "bf16", "i8mm", "sve"),
        ),
    ),
}

PORTABLE = {
    "x86_64": "generic;haswell,-rdrnd,-fsgsbase,clone_all",
    "aarch64": "generic;neoverse-n1,clone_all",
}

_TARGET = re.compile(r"^[a-z][a-z0-9_.-]*(,[+-]?[a-z0-9_.()-]+)*(;[a-z][a-z0-9_.-]*(,[+-]?[a-z0-9_.()-]+)*)*\Z")


def parse_version(text: str) -> Version:
    """``"1.10.8"`` as ``(1, 10, 8)``; a prerelease counts as its release.

    :raises ValueError: it is not of that form.
    """
    match = re.match(r"^([0-9]+)\.([0-9]+)\.([0-9]+)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?\Z", text)
    if not match:
        raise ValueError(f"{text!r} is not a Julia version such as 1.10.8")
    return tuple(int(number) for number in match.groups())


def resolve(names: Sequence[str] | str, arch: str, version: Version) -> list[Level]:
    """The levels to build, worst first.

    :param names: level names, ``portable``, or literal Julia target strings; a single one may stand alone.
    :param arch: as Julia says it (``x86_64``, ``aarch64``).
    :raises ValueError: a fault, with what would do instead.
    """
    if arch not in LEVELS:
        raise ValueError(f"architecture {arch!r} has no table of levels; known are {', '.join(sorted(LEVELS))}")
    wanted = [names] if isinstance(names, str) else names
    if not isinstance(wanted, (list, tuple)) or not all(isinstance(name, str) for name in wanted):
        raise ValueError(f"{names!r} is not a list of levels of {arch}; the least is [generic]")
    if not wanted:
        raise ValueError(f"no level is given for {arch}; the least is [generic]")
    chosen = {level.name: level for level in (_resolve_one(name, arch, version) for name in wanted)}
    if len(chosen) != len(wanted):
        raise ValueError(f"{', '.join(wanted)} name the same level of {arch} more than once")
    if version < FIRST_WITH_NATIVE_CODE:
        return [LEVELS[arch][0]]  # caches hold no native code, so one level serves every CPU
    order = [level.name for level in LEVELS[arch]]

    def rank(level: Level) -> tuple[bool, int, str]:
        # What needs no flags fits every node, so it must not hide a better level.
        return bool(level.flags), order.index(level.name) if level.name in order else len(order), level.name

    return sorted(chosen.values(), key=rank)


def _resolve_one(name: str, arch: str, version: Version) -> Level:
    for level in LEVELS[arch]:
        if level.name == name:
            return level
    if name == "portable":
        return Level("portable", _several(PORTABLE[arch], version))
    if re.search(r"[;,]", name) and _TARGET.match(name):
        return Level("portable" if ";" in name else "literal", _several(name, version))
    known = ", ".join(level.name for level in LEVELS[arch])
    raise ValueError(
        f"{name!r} is neither a level of {arch} ({known}), nor portable, nor a Julia target string "
        "such as 'generic;haswell,-rdrnd,-fsgsbase,clone_all'"
    )


def _several(target: str, version: Version) -> str:
    """A target string of several targets, where the Julia can write them into one image.

    Up to 1.10 the first target alone is written (JuliaLang/julia#54471); 1.11.0 and 1.11.1 can crash (#56177).
    """
    if ";" not in target or version < FIRST_WITH_NATIVE_CODE:
        return target
    if version < FIRST_WITH_MULTIPLE_TARGETS:
        found = ".".join(str(number) for number in version)
        raise ValueError(
            f"{target!r} holds several targets, and Julia {found} writes only one into an image; "
            "name levels instead, or use Julia 1.11.2 or later"
        )
    if not target.startswith("generic;"):
        raise ValueError(f"{target!r} must begin with generic, or some nodes could not load it")
    return target
