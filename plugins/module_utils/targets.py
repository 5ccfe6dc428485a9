# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU levels: what Julia is told to compile for, and what a node must have to use it.

CPU names and features are those of Julia's ``src/features_x86.h``, ``src/features_aarch64.h`` and
``src/processor_*.cpp``; the levels of x86-64 are those of its psABI; flags are those of Linux'
``arch/x86/include/asm/cpufeatures.h`` and ``arch/arm64/kernel/cpuinfo.c``.

Julia takes an image only where the processor has every feature of its target. Its named CPUs hold features that
compiled code does not use and that hypervisors or kernels hide from programs (``pku``, ``xsaves``, ``ssbs``), so the
targets of the table leave those out. On aarch64 they also leave out the version of the architecture, which Julia
ascribes only to processors that it knows by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError

Version = tuple  # (major, minor, patch)

FIRST_WITH_NATIVE_CODE = (1, 9, 0)
FIRST_WITH_MULTIPLE_TARGETS = (1, 11, 2)
FIRST_WITH_PSABI_NAMES = (1, 14, 0)

_NATIVE = FIRST_WITH_NATIVE_CODE
_PSABI = FIRST_WITH_PSABI_NAMES


@dataclass(frozen=True)
class Level:
    """One row of the table.

    :param targets: what Julia is told (``JULIA_CPU_TARGET``), by the first version that is told so; no older version
        knows the level.
    :param flags: what ``/proc/cpuinfo`` of a node must list (``flags`` on x86-64, ``Features`` on aarch64).
    """

    name: str
    targets: Mapping[Version, str]
    flags: Sequence[str] = ()

    @property
    def first_version(self) -> Version:
        return min(self.targets)

    def target_for(self, version: Version) -> str:
        return self.targets[max([first for first in self.targets if first <= version] or [self.first_version])]


@dataclass(frozen=True)
class Bundle:
    """Several targets in one image; where a Julia writes one target only, the levels that come nearest."""

    targets: Mapping[Version, str]
    levels: Sequence[str]


_V2 = ("cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3")
_SANDYBRIDGE = (*_V2, "avx", "pclmulqdq", "xsave")
_IVYBRIDGE = (*_SANDYBRIDGE, "f16c")
_V3 = (*_IVYBRIDGE, "abm", "avx2", "bmi1", "bmi2", "fma", "movbe")
_SKYLAKE = (*_V3, "adx", "aes")
_ZNVER1 = (*_SKYLAKE, "sha_ni", "sse4a")
_ZNVER2 = (*_ZNVER1, "clwb")  # nothing else tells it from the first, for what compilers use
_ZNVER3 = (*_ZNVER2, "vaes", "vpclmulqdq")
_AVX512 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_V4 = (*_V3, *_AVX512)
_SKYLAKE_AVX512 = (*_SKYLAKE, *_AVX512)
_CASCADELAKE = (*_SKYLAKE_AVX512, "avx512_vnni")
_AVX512_LATER = ("avx512_bitalg", "avx512_vbmi2", "avx512_vpopcntdq", "avx512ifma", "avx512vbmi", "gfni")
_ICELAKE = (*_CASCADELAKE, *_AVX512_LATER, "sha_ni", "vaes", "vpclmulqdq")
_ZNVER4 = (*_ZNVER3, *_AVX512, "avx512_vnni", *_AVX512_LATER, "avx512_bf16")

_NOT_SKYLAKE = ",-fsgsbase,-prfchw,-clflushopt,-xsavec,-xsaves"
_NOT_SKYLAKE_AVX512 = _NOT_SKYLAKE + ",-pku,-clwb"
_NOT_ICELAKE = _NOT_SKYLAKE_AVX512 + ",-rdpid,-pconfig,-wbnoinvd"
_NOT_SAPPHIRERAPIDS = (
    _NOT_ICELAKE + ",-shstk,-serialize,-cldemote,-waitpkg,-uintr,-ptwrite,-tsxldtrk,-enqcmd,-movdiri,-movdir64b"
    ",-amx-tile,-amx-int8,-amx-bf16,-avx512vp2intersect"  # no Sapphire Rapids has the last one
)
_NOT_ZNVER1 = ",-fsgsbase,-prfchw,-clflushopt,-xsavec,-clzero,-mwaitx"
_NOT_ZNVER2 = _NOT_ZNVER1 + ",-clwb,-rdpid,-wbnoinvd"
_NOT_ZNVER3 = _NOT_ZNVER2 + ",-pku,-shstk"
_NOT_ZNVER4 = _NOT_ZNVER3 + ",-xsaves"
_NOT_ZNVER5 = _NOT_ZNVER4 + ",-movdiri,-movdir64b,-avx512vp2intersect,-prefetchi"

_THUNDERX2 = ("asimdrdm", "atomics", "crc32", "pmull", "sha2")
_NEOVERSE_N1 = ("asimddp", "asimdhp", "asimdrdm", "atomics", "crc32", "fphp", "lrcpc")
_ARMV8_4 = (*_NEOVERSE_N1, "fcma", "flagm", "ilrcpc", "jscvt")
_NEOVERSE_V1 = (*_ARMV8_4, "bf16", "i8mm", "sve")

_NOT_8_1 = ",-v8_1a"
_NOT_8_2 = _NOT_8_1 + ",-v8_2a,-ccpp"
_NOT_8_4 = _NOT_8_2 + ",-v8_3a,-v8_4a,-dit"
_NOT_8_5 = _NOT_8_4 + ",-v8_5a,-sb,-ccdp"

# Each architecture: worst first, as in a release's ``levels`` file, where the last match wins.
LEVELS: dict[str, tuple[Level, ...]] = {
    "x86_64": (
        Level("generic", {_NATIVE: "generic"}),
        Level("x86-64-v2", {_NATIVE: "nehalem", _PSABI: "x86-64-v2"}, _V2),
        Level("sandybridge", {_NATIVE: "sandybridge"}, _SANDYBRIDGE),
        Level("ivybridge", {_NATIVE: "ivybridge,-rdrnd,-fsgsbase"}, _IVYBRIDGE),
        Level("x86-64-v3", {_NATIVE: "haswell,-rdrnd,-fsgsbase", _PSABI: "x86-64-v3"}, _V3),
        Level("haswell", {_NATIVE: "haswell,-rdrnd"}, (*_V3, "fsgsbase")),  # as in the official binaries
        Level("skylake", {_NATIVE: "skylake" + _NOT_SKYLAKE}, _SKYLAKE),
        # What sets AMD's processors apart is that they have sse4a.
        Level("znver1", {_NATIVE: "znver1" + _NOT_ZNVER1}, _ZNVER1),
        Level("znver2", {_NATIVE: "znver2" + _NOT_ZNVER2}, _ZNVER2),
        Level("znver3", {_NATIVE: "znver3" + _NOT_ZNVER3}, _ZNVER3),
        Level(
            "x86-64-v4",
            {
                _NATIVE: "haswell,-rdrnd,-fsgsbase,+avx512f,+avx512cd,+avx512dq,+avx512bw,+avx512vl",
                _PSABI: "x86-64-v4",
            },
            _V4,
        ),
        Level("skylake-avx512", {_NATIVE: "skylake-avx512" + _NOT_SKYLAKE_AVX512}, _SKYLAKE_AVX512),
        Level("cascadelake", {_NATIVE: "cascadelake" + _NOT_SKYLAKE_AVX512}, _CASCADELAKE),
        Level("icelake-server", {_NATIVE: "icelake-server,+avx512vnni" + _NOT_ICELAKE}, _ICELAKE),
        Level("znver4", {(1, 11, 2): "znver4" + _NOT_ZNVER4}, _ZNVER4),
        Level(
            "sapphirerapids",
            # Julia 1.9 does not know two of these features.
            {(1, 10, 0): "sapphirerapids,+avx512vnni" + _NOT_SAPPHIRERAPIDS},
            (*_ICELAKE, "avx512_bf16", "avx512_fp16", "avx_vnni"),
        ),
        Level("znver5", {(1, 12, 0): "znver5" + _NOT_ZNVER5}, (*_ZNVER4, "avx_vnni")),
    ),
    "aarch64": (
        Level("generic", {_NATIVE: "generic"}),
        Level("cortex-a57", {_NATIVE: "cortex-a57"}, ("crc32",)),
        Level("thunderx2t99", {_NATIVE: "thunderx2t99" + _NOT_8_1}, _THUNDERX2),
        Level("carmel", {_NATIVE: "carmel" + _NOT_8_2}, (*_THUNDERX2, "asimdhp", "fphp")),
        # Before those of Neoverse: a Neoverse V1 has all the flags of an A64FX, and not the other way round.
        Level(
            "a64fx",
            {_NATIVE: "a64fx" + _NOT_8_2},
            ("asimdhp", "asimdrdm", "atomics", "crc32", "fcma", "fphp", "sha2", "sve"),
        ),
        Level("neoverse-n1", {_NATIVE: "neoverse-n1,-ssbs" + _NOT_8_2}, _NEOVERSE_N1),
        Level(
            "apple-m1",
            {_NATIVE: "apple-m1" + _NOT_8_5},
            (*_ARMV8_4, "asimdfhm", "flagm2", "frint", "pmull", "sha2", "sha3"),
        ),
        Level("neoverse-v1", {_NATIVE: "neoverse-v1,+dotprod,-ssbs,-rand" + _NOT_8_4}, _NEOVERSE_V1),
        Level(
            "neoverse-n2",
            {_NATIVE: "neoverse-n2,+dotprod,-rand,-mte" + _NOT_8_5},
            (*_NEOVERSE_V1, "flagm2", "frint", "sve2", "svebitperm"),
        ),
    ),
}

# ``official`` is what the official binaries are built for (``utilities/build_envs.sh`` of JuliaCI/julia-buildkite),
# without names that a Julia does not know: it would take such an image for one that fits every processor.
BUNDLES: dict[str, dict[str, Bundle]] = {
    "x86_64": {
        "portable": Bundle({_NATIVE: "generic;haswell,-rdrnd,-fsgsbase,clone_all"}, ("generic", "x86-64-v3")),
        "official": Bundle(
            {
                _NATIVE: "generic;sandybridge,-xsaveopt,clone_all;haswell,-rdrnd,base(1)",
                _PSABI: "generic;sandybridge,-xsaveopt,clone_all;haswell,-rdrnd,base(1);x86-64-v4,-rdrnd,base(1)",
            },
            ("generic", "sandybridge", "haswell"),
        ),
    },
    "aarch64": {
        "portable": Bundle(
            {_NATIVE: f"generic;neoverse-n1,-ssbs{_NOT_8_2},clone_all"},
            ("generic", "neoverse-n1"),
        ),
        "official": Bundle(
            {
                _NATIVE: "generic;cortex-a57;thunderx2t99;carmel,clone_all;apple-m1,base(3)",
                _PSABI: "generic;cortex-a57;thunderx2t99;carmel,clone_all;apple-m1,base(3);neoverse-512tvb,base(3)",
            },
            ("generic", "cortex-a57", "thunderx2t99", "carmel", "apple-m1"),
        ),
    },
}

# What ``/proc/cpuinfo`` calls a feature of Julia (``feature=flag``), where that differs; empty: it does not tell.
_FLAGS_OF_FEATURES = {
    arch: dict(pair.split("=") for pair in pairs.split())
    for arch, pairs in {
        "x86_64": """
            amx-bf16=amx_bf16 amx-complex=amx_complex amx-fp16=amx_fp16 amx-int8=amx_int8 amx-tile=amx_tile
            avx512bf16=avx512_bf16 avx512bitalg=avx512_bitalg avx512fp16=avx512_fp16 avx512vbmi2=avx512_vbmi2
            avx512vnni=avx512_vnni avx512vp2intersect=avx512_vp2intersect avx512vpopcntdq=avx512_vpopcntdq
            avxifma=avx_ifma avxneconvert=avx_ne_convert avxvnni=avx_vnni avxvnniint16=avx_vnni_int16
            avxvnniint8=avx_vnni_int8 bmi=bmi1 lzcnt=abm pclmul=pclmulqdq prfchw=3dnowprefetch rdrnd=rdrand
            sahf=lahf_lm sha=sha_ni shstk=user_shstk sse3=pni sse4.1=sse4_1 sse4.2=sse4_2
            prefetchi= ptwrite= uintr= usermsr=
            """,
        "aarch64": """
            aes=pmull altnzcv=flagm2 ccdp=dcpodp ccpp=dcpop complxnum=fcma crc=crc32 dotprod=asimddp f32mm=svef32mm
            f64mm=svef64mm fp16fml=asimdfhm fptoint=frint fullfp16=fphp jsconv=jscvt lse=atomics pauth=paca rand=rng
            rcpc=lrcpc rcpc-immo=ilrcpc rdm=asimdrdm sve2-aes=svepmull sve2-bitperm=svebitperm sve2-sha3=svesha3
            sve2-sm4=svesm4
            v8_1a= v8_2a= v8_3a= v8_4a= v8_5a= v8_6a=
            """,
    }.items()
}

# The name of a level that a literal target string of a single target makes: its flags are those that its images need.
LITERAL = "literal"
PORTABLE = "portable"

TARGET = re.compile(r"^[a-z][a-z0-9_.-]*(,[+-]?[a-z0-9_.()-]+)*(;[a-z][a-z0-9_.-]*(,[+-]?[a-z0-9_.()-]+)*)*\Z")


def parse_version(text: str) -> Version:
    """``"1.10.8"`` as ``(1, 10, 8)``; a prerelease counts as its release.

    :raises ValueError: it is not of that form.
    """
    match = re.match(r"^([0-9]+)\.([0-9]+)\.([0-9]+)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?\Z", text)
    if not match:
        raise ValueError(f"{text!r} is not a Julia version such as 1.10.8")
    return tuple(int(number) for number in match.groups())


def cpu_names(target: str) -> list[str]:
    """The CPU names in a target string, in its order."""
    return [part.split(",")[0] for part in target.split(";")]


def version_text(version: Version) -> str:
    return ".".join(str(number) for number in version)


def fault_of_version(version: Version) -> str | None:
    """Why no release may be built with a Julia of this version, whatever its targets; none if it may."""
    if (1, 11, 0) <= version < FIRST_WITH_MULTIPLE_TARGETS:
        return "can crash on CPUs with AVX-512 (JuliaLang/julia#56177); use 1.11.2 or later"
    return None


def flags_of(features: Iterable[str], arch: str) -> list[str]:
    """What ``/proc/cpuinfo`` of a node lists that has these features of Julia, as far as it tells them."""
    names = _FLAGS_OF_FEATURES[arch]
    return sorted({names.get(feature, feature) for feature in features} - {""})


def resolve(names: Sequence[str] | str, arch: str, version: Version) -> list[Level]:
    """The levels to build, worst first.

    :param names: level names, ``portable``, ``official``, or literal Julia target strings; a single one may stand
        alone.
    :param arch: as Julia says it (``x86_64``, ``aarch64``).
    :raises InputError: all faults, each with what would do instead.
    """
    if arch not in LEVELS:
        raise InputError([f"architecture {arch!r} has no table of levels; known are {', '.join(sorted(LEVELS))}"])
    wanted = [names] if isinstance(names, str) else names
    if not isinstance(wanted, (list, tuple)) or not all(isinstance(name, str) for name in wanted):
        raise InputError([f"{names!r} is not a list of levels of {arch}; the least is [generic]"])
    if not wanted:
        raise InputError([f"no level is given for {arch}; the least is [generic]"])
    faults: list[str] = []
    chosen: dict[str, Level] = {}
    twice = len(set(wanted)) < len(wanted)
    for name in wanted:
        for level in _levels_of(name, arch, version, faults):
            twice = twice or chosen.setdefault(level.name, level) != level
    if twice:
        faults.append(f"{', '.join(wanted)} name the same level of {arch} more than once")
    if faults:
        raise InputError(faults)
    if version < FIRST_WITH_NATIVE_CODE:
        return [LEVELS[arch][0]]  # caches hold no native code, so one level serves every CPU
    # What fits every node must not hide a better level; what was written out is better than what we know.
    order = [PORTABLE, *(level.name for level in LEVELS[arch]), LITERAL]
    return sorted(chosen.values(), key=lambda level: order.index(level.name))


def _levels_of(name: str, arch: str, version: Version, faults: list[str]) -> list[Level]:
    """The levels that one name stands for; what is wrong with it goes to ``faults``."""
    several = FIRST_WITH_NATIVE_CODE <= version < FIRST_WITH_MULTIPLE_TARGETS
    table = {level.name: level for level in LEVELS[arch]}
    if name in table:
        level = table[name]
        if FIRST_WITH_NATIVE_CODE <= version < level.first_version:
            known = [other.name for other in LEVELS[arch] if other.first_version <= version]
            faults.append(
                f"Julia {version_text(version)} does not know the level {name}, only Julia "
                f"{version_text(level.first_version)} and later do; choose from {', '.join(known)}"
            )
        return [level]
    if name in BUNDLES[arch]:
        bundle = BUNDLES[arch][name]
        if several:
            return [table[part] for part in bundle.levels]
        return [Level(PORTABLE, {_NATIVE: Level(name, bundle.targets).target_for(version)})]
    if not re.search(r"[;,]", name) or not TARGET.match(name):
        faults.append(
            f"{name!r} is neither a level of {arch} ({', '.join(table)}), nor {' nor '.join(BUNDLES[arch])}, nor a "
            "Julia target string such as 'generic;haswell,-rdrnd,-fsgsbase,clone_all'"
        )
        return []
    if "native" in re.split("[,;]", name):
        faults.append(f"{name!r}: native is another processor on each builder; name the one that is meant")
    if ";" not in name:
        return [Level(LITERAL, {_NATIVE: name})]
    if several:
        # JuliaLang/julia#54471
        faults.append(
            f"{name!r} holds several targets, and Julia {version_text(version)} writes only one into an image; "
            "name levels or portable instead, or use Julia 1.11.2 or later"
        )
    if not name.startswith("generic;"):
        faults.append(f"{name!r} must begin with generic, or some nodes could not load it")
    return [Level(PORTABLE, {_NATIVE: name})]
