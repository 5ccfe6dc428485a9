# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``/proc/cpuinfo`` tells of the first processor on real machines, and the level that each should have at least.

``vm-`` are virtual machines, which mask features. A Neoverse V2 has no row of its own.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.scisoft.julia_depots.plugins.module_utils.targets import LEVELS

FOLDER = Path(__file__).parent

LEVELS_OF_PROCESSORS = {
    "nehalem": "x86_64/x86-64-v2",
    "vm-without-avx": "x86_64/x86-64-v2",
    "sandy-bridge": "x86_64/sandybridge",
    "vm-virtualbox-skylake": "x86_64/sandybridge",
    "vm-cpu64-rhel6": "x86_64/ivybridge",
    "haswell": "x86_64/haswell",
    "skylake": "x86_64/skylake",
    "skylake-sp": "x86_64/skylake-avx512",
    "vm-cascade-lake": "x86_64/cascadelake",
    "ice-lake-sp": "x86_64/icelake-server",
    "sapphire-rapids": "x86_64/sapphirerapids",
    "vm-zen1": "x86_64/znver1",
    "zen2": "x86_64/znver2",
    "zen3": "x86_64/znver3",
    "vm-zen4": "x86_64/znver4",
    "zen5": "x86_64/znver5",
    "cortex-a72": "aarch64/cortex-a57",
    "thunderx2": "aarch64/thunderx2t99",
    "a64fx": "aarch64/a64fx",
    "neoverse-n1": "aarch64/neoverse-n1",
    "apple-m1": "aarch64/apple-m1",
    "neoverse-v1": "aarch64/neoverse-v1",
    "neoverse-n2": "aarch64/neoverse-n2",
    "neoverse-v2": "aarch64/neoverse-n2",
}


def cpuinfo(processor: str) -> Path:
    """The file of a processor, to be read in place of ``/proc/cpuinfo``."""
    return FOLDER / f"{processor}.txt"


def flags_of(processor: str) -> list[str]:
    for line in cpuinfo(processor).read_text().splitlines():
        key, _colon, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return value.split()
    raise AssertionError(f"{processor} has no flags")


def level_of(processor: str) -> str:
    """The level of the whole table that a node with this processor takes, the last one all of whose flags it has."""
    arch = LEVELS_OF_PROCESSORS[processor].partition("/")[0]
    has = set(flags_of(processor))
    return f"{arch}/{[level.name for level in LEVELS[arch] if has.issuperset(level.flags)][-1]}"
