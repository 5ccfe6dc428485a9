# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Native images, and platforms: what a Julia makes of CPU targets on this machine, and what the images of a depot hold.

Julia itself refuses little: it passes features that it does not know on to LLVM, takes an image for a CPU that it does
not know as fit for every processor, and leaves out of the first target what this machine's processor lacks
(``arg_target_data`` in ``src/processor_*.cpp``).
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets as cpu
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import program
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.caches import find_caches
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import (
    Installation,
    probe,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Outcome, Runner

TIME_LIMIT = 600
CPUINFO = "/proc/cpuinfo"
# What Julia says where it does not know the first name: without a feature set, the one that it requires is missing.
SAID_OF_UNKNOWN_NAME = ("does not support the CX16 instruction", "Invalid CPU name")
WORDS = ("clone_all", "opt_size", "min_size")  # what a target may hold beside features
ARGUMENT_SPEC = {
    "julia": {"type": "path", "required": True},
    "julia_version": {"type": "str"},
    "levels": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "level": {"type": "str", "required": True},
            "target": {"type": "str", "required": True},
            "flags": {"type": "list", "elements": "str", "default": []},
        },
    },
    "platforms": {"type": "list", "elements": "str", "default": []},
    "_bundle": {"type": "path"},
}


def check_targets(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Whether a Julia can compile for levels on this machine, and knows platforms; nothing is changed.

    :returns: the module's result: ``julia`` and ``levels``, each with ``images`` (name, features, flags).
    :raises InputError: all faults of all levels and platforms.
    :raises JuliaError: the executable is not the Julia that is asked for.
    """
    with program.unpacked(params["_bundle"]) as programs:
        julia = probe(params["julia"], programs, params["julia_version"])
        asked: list[str] = []
        if julia.number >= cpu.FIRST_WITH_NATIVE_CODE:
            asked = sorted({level["target"] for level in params["levels"]})
        runner = Runner(params["julia"], programs, None, TIME_LIMIT)
        outcome = Outcome()
        if asked or params["platforms"]:
            outcome = tell(runner, [""], targets=asked, platforms=params["platforms"])
    tried = _by_target(outcome)
    fault = cpu.fault_of_version(julia.number)
    faults = [f"julia: {julia.version} {fault}"] if fault else []
    here = flags_of_this_machine()
    for level in params["levels"]:
        found = _faults(level, tried.get(level["target"]), julia, here)
        faults += [f"targets: {level['level']}: {level['target']!r}: {fault}" for fault in found]
    faults += [f"platforms: {event['error']}" for event in outcome.of("refused")]
    if faults:
        raise InputError(faults)
    levels = [
        dict(level, images=_told(tried[level["target"]]["images"] if tried else [], julia.arch))
        for level in params["levels"]
    ]
    return {"changed": False, "julia": julia.as_dict(), "levels": levels}


def flags_of_this_machine(path: str = CPUINFO) -> set[str]:
    """What the kernel tells of the first processor: ``flags`` on x86-64, ``Features`` on aarch64."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            key, _colon, value = line.partition(":")
            if key.strip() in ("flags", "Features"):
                return set(value.split())
    return set()


def tell(
    runner: Runner,
    depots: Sequence[str],
    targets: Sequence[str] = (),
    caches: Sequence[str] = (),
    platforms: Sequence[str] = (),
) -> Outcome:
    """Ask a Julia about CPU targets, caches and platforms at one start.

    :returns: events ``target``: the ``images`` that Julia makes for it, and what it printed where it made none
        (``output``); ``cache``: its ``targets`` and ``images``; ``refused``, for each platform that it does not know,
        what it says (``error``).
    """
    request = {"targets": list(targets), "caches": list(caches), "platforms": list(platforms)}
    return runner.run("images.jl", request, {"JULIA_DEPOT_PATH": program.depot_path(depots)})


def _by_target(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {event["target"]: event for event in outcome.of("target")}


def _faults(level: Mapping[str, Any], tried: Any, julia: Installation, here: set[str]) -> list[str]:
    if tried is None:  # no native code
        return []
    names = cpu.cpu_names(level["target"])
    faults = []
    if len(names) > 1 and names[0] != "generic":
        faults.append("the first of several targets must be generic, or some nodes could not load the images")
    lacking = sorted(set(level["flags"]) - here)
    if lacking:
        faults.append(
            f"this machine's processor lacks {', '.join(lacking)}, so Julia would compile for less than that; build "
            f"on a machine that has the level {level['level']}, or leave it out of targets"
        )
    if tried["output"]:
        return [*faults, _why_refused(tried["output"], names[0], julia)]
    images = tried["images"]
    for image in images:
        if not image["known"]:
            faults.append(_unknown_name(image["name"], julia))
        faults += [
            f"Julia {julia.version} does not know the feature {feature.lstrip('+-')} (of {image['name']}); leave it out"
            for feature in image["unknown_features"]
        ]
    if images and len(images) != len(names):
        faults.append(
            f"Julia {julia.version} writes {len(images)} of these {len(names)} targets into an image; name levels "
            "instead, or use Julia 1.11.2 or later"
        )
    if images and not lacking:
        faults += _not_emitted(level["target"], images[0])
    return faults


def _unknown_name(name: str, julia: Installation) -> str:
    return (
        f"Julia {julia.version} does not know the CPU {name}, and nodes would take code for it as fit for every "
        "processor; choose another one, or a newer Julia"
    )


def _why_refused(output: str, name: str, julia: Installation) -> str:
    if any(said in output for said in SAID_OF_UNKNOWN_NAME):
        return _unknown_name(name, julia)
    lines = [line for line in output.splitlines() if line.startswith("ERROR")] or output.strip().splitlines()
    return f"Julia {julia.version} refuses it: {lines[-1]}"


def _not_emitted(target: str, first: Mapping[str, Any]) -> list[str]:
    """Features that the first target asks for by name, and this machine's processor lacks."""
    unknown = {feature.lstrip("+-") for feature in first["unknown_features"]}
    parts = target.split(";")[0].split(",")[1:]
    asked = [part.lstrip("+") for part in parts if not part.startswith(("-", "base(")) and part not in WORDS]
    lacking = [feature for feature in asked if feature not in first["features"] and feature not in unknown]
    if not lacking:
        return []
    return [
        f"this machine's processor lacks {', '.join(lacking)}, so Julia would leave that out; build on a machine that "
        "has it, or take it out of the target"
    ]


def read_back(runner: Runner, julia: Installation, depot: str, target: str) -> list[dict[str, Any]]:
    """What all images of a depot hold, which must be what Julia makes of this target on this machine.

    :param runner: in the sandbox in which the depot was filled.
    :returns: for each target its ``name``, ``features`` and ``flags``; none where there is nothing to tell (no caches,
        or Julia up to 1.9).
    :raises BuildError: an image holds something else; every package is named with what was wanted and found.
    """
    inside = runner.sandbox.inside if runner.sandbox else str
    packages = {inside(cache["path"]): cache["package"] for cache in find_caches(depot)}
    if not packages or julia.number < cpu.FIRST_WITH_NATIVE_CODE:
        return []
    outcome = tell(runner, [inside(depot)], targets=[target], caches=list(packages))
    wanted = _by_target(outcome)[target]["images"]
    if not wanted:
        return []
    events = outcome.of("cache")
    wrong = [
        dict(package=packages[event["path"]], **_difference(wanted, event["images"]))
        for event in events
        if _held(event["images"]) != _held(wanted)
    ]
    if wrong:
        lines = "\n".join(f"- {image['package']}: wanted {image['wanted']}, found {image['found']}" for image in wrong)
        raise BuildError(
            f"{len(wrong)} of {len(events)} images in {depot} do not hold what was asked for ({target}):\n{lines}\n"
            "Remove that folder, and build again on one machine.",
            wrong_images=wrong,
        )
    return _told(wanted, julia.arch)


def _told(images: Sequence[Mapping[str, Any]], arch: str) -> list[dict[str, Any]]:
    return [
        {"name": image["name"], "features": image["features"], "flags": cpu.flags_of(image["features"], arch)}
        for image in images
    ]


def _held(images: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [(image["name"], set(image["features"]), set(image["unknown_features"])) for image in images]


def _difference(wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Both as texts: names, and where they agree the features that only one of them has."""

    def text(images: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> str:
        if [image["name"] for image in images] != [image["name"] for image in others]:
            return ";".join(image["name"] for image in images) or "no native code"
        parts = []
        for image, other in zip(images, others):
            own = image["features"] + image["unknown_features"]
            more = [feature for feature in own if feature not in other["features"] + other["unknown_features"]]
            parts.append(image["name"] + "".join(f",+{feature.lstrip('+')}" for feature in more))
        return ";".join(parts)

    return {"wanted": text(wanted, found), "found": text(found, wanted)}
