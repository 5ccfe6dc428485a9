# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From site variables to the list of builds. Nothing but the controller's project folders is read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.module_utils import release as releases
from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets as cpu
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import fault_of_tree
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import SLIM_PARTS
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import origins
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import preferences as prefs

ENVIRONMENT_KEYS = {
    "name": "a name, for example jets",
    "project": "the folder of a Julia project on the controller, or {git: URL, version: REVISION, folder: PATH}",
    "julia": "a version, or {version: ..., executable: ...}",
    "targets": "levels for each architecture, for example {x86_64: [generic]}; default: depot_targets",
    "workload": "Julia code that proves the environment",
    "lazy_artifacts": "whether lazy artifacts are part of the release",
    "registries": "URLs of registries; default: General",
    "variables": "environment variables for Julia while building",
    "registry": "whether clients get a registry of what the release holds",
    "check_bounds": "whether there are caches for julia --check-bounds=yes as well",
    "slim": "what to leave out of the release: true for all, or some of [tests, docs, artifacts]",
    "platforms": "triplets for whose nodes there are packages and artifacts without caches, for example "
    "[aarch64-linux-gnu]; default: none",
    "preferences": "preferences of packages, for example {MPIPreferences: {binary: system}}",
}
JULIA_KEYS = ("version", "executable")
EXTRAS = ("registry", "check_bounds", "slim", "platforms")  # what a release has, or lacks, when asked
# What becomes of locks: one that is missing may be made; none may; those that do not fit are made anew as well.
LOCK_RULES = ("resolve", "require", "renew")
# What Julia calls the processors of platforms (base/binaryplatforms.jl).
PLATFORM_ARCHITECTURES = ("aarch64", "armv6l", "armv7l", "i686", "powerpc64le", "riscv64", "x86_64")
VARIABLE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\Z")


def build_plan(
    environments: Sequence[Mapping[str, Any]],
    store: Mapping[str, Any],
    targets: Mapping[str, Any],
    select: str = "",
    base: str = ".",
    allow_partial: Sequence[str] = (),
    fetched: Sequence[Mapping[str, str]] = (),
    preferences: Mapping[str, Any] | None = None,
    lock: str = "resolve",
) -> list[dict[str, Any]]:
    """All builds of these environments: one for each architecture and level.

    :param environments: ``depot_environments``.
    :param store: ``depot_store``.
    :param targets: ``depot_targets``, for environments that name none.
    :param select: ``depot_select``, a JMESPath expression over the list of builds; empty: all.
    :param base: folder to which the projects' folders are relative.
    :param allow_partial: ``depot_allow_partial``, what releases may lack: architectures (``aarch64``), of one
        environment alone where its name stands before (``jets/aarch64``).
    :param fetched: what the module ``julia_project`` returned as ``projects``, for projects that come from git.
    :param preferences: ``depot_preferences``, of the packages of all environments.
    :param lock: one of ``LOCK_RULES``.
    :raises InputError: everything that is wrong with any of it.
    """
    faults: list[str] = []
    store_faults = releases.faults_of_store(store)
    faults += [f"depot_store: {fault}" for fault in store_faults]
    root = "" if store_faults else releases.store_root(store)
    if not isinstance(environments, (list, tuple)) or not environments:
        faults.append("depot_environments: must be a list with at least one environment")
        raise InputError(faults)
    _find_duplicates(environments, faults)
    _find_two_julias(environments, faults)
    preferences = {} if preferences is None else preferences
    preference_faults = prefs.faults_of(preferences, "depot_preferences")
    faults += preference_faults
    if lock not in LOCK_RULES:
        faults.append(f"depot_lock: {lock!r} is none of {', '.join(LOCK_RULES[:2])}")
    read = origins.Projects(environments, base, fetched, {} if preference_faults else preferences, lock == "renew")
    builds: list[dict[str, Any]] = []
    for index, environment in enumerate(environments):
        builds += _builds(environment, index, root, targets, read, faults)
    if not faults:  # with a fault, some architectures are not known
        _find_what_may_lack(builds, allow_partial, faults)
    if faults:
        raise InputError(faults)
    chosen = _selected(builds, select)
    if lock == "require":
        _require_locks(chosen)
    return chosen


def _require_locks(builds: Sequence[Mapping[str, Any]]) -> None:
    without = {build["environment"]: build["project"]["lock_path"] for build in builds if not build["project"]["lock"]}
    if without:
        raise InputError(
            [
                f"{name}: there is no lock {path}, and depot_lock: require forbids to resolve; run the playbook lock, "
                "and keep what it writes"
                for name, path in without.items()
            ]
        )


def _find_duplicates(environments: Sequence[Any], faults: list[str]) -> None:
    seen = set()
    for environment in environments:
        name = environment.get("name") if isinstance(environment, Mapping) else None
        if isinstance(name, str) and name in seen:
            faults.append(f"depot_environments: the name {name!r} stands there more than once")
        seen.add(name if isinstance(name, str) else None)


def _find_two_julias(environments: Sequence[Any], faults: list[str]) -> None:
    """A store holds one build of each version, so no two environments may name different ones."""
    found: dict[str, list[str]] = {}
    for environment in environments:
        julia = environment.get("julia") if isinstance(environment, Mapping) else None
        given = julia if isinstance(julia, Mapping) else {"version": julia}
        paths = found.setdefault(str(given.get("version")), [])
        path = str(given.get("executable") or "")
        paths += [path] if path not in paths else []
    for version, paths in found.items():
        if len(paths) > 1:
            named = " and ".join(path or "the one that is installed (none is named)" for path in paths)
            faults.append(
                f"depot_environments: Julia {version} is {named}, but a store holds one build of a version; name the "
                "same executable everywhere"
            )


def _find_what_may_lack(builds: list[dict[str, Any]], allow_partial: Any, faults: list[str]) -> None:
    """Tell each build what the release of its environment may lack."""
    if not isinstance(allow_partial, (list, tuple)):
        faults.append(f"depot_allow_partial: {allow_partial!r} is not a list of architectures, such as [aarch64]")
        return
    every = {name: None for build in builds for name in (build["arch"], f"{build['environment']}/{build['arch']}")}
    faults += [
        f"depot_allow_partial: {name!r} names no architecture of the environments; there are {', '.join(every)}"
        for name in allow_partial
        if not isinstance(name, str) or name not in every
    ]
    for build in builds:
        build["may_lack"] = [
            arch
            for arch in build["targets"]
            if arch in allow_partial or f"{build['environment']}/{arch}" in allow_partial
        ]


def _builds(
    environment: Any,
    index: int,
    root: str,
    targets: Mapping[str, Any],
    read: origins.Projects,
    faults: list[str],
) -> list[dict[str, Any]]:
    """The builds of one environment; what is wrong with it goes to ``faults``."""
    if not isinstance(environment, Mapping):
        faults.append(f"depot_environments[{index}]: {environment!r} is not a mapping with name, project and julia")
        return []
    where = f"depot_environments[{index}] ({environment.get('name', 'without a name')})"
    before = len(faults)
    for key in sorted(set(environment) - set(ENVIRONMENT_KEYS), key=str):
        faults.append(f"{where}: {key} is not known; known are {', '.join(ENVIRONMENT_KEYS)}")
    fault = releases.fault_of_name(environment.get("name"))
    if fault:
        faults.append(f"{where}: name: {fault}")
    before_julia = len(faults)
    julia = _julia(environment.get("julia"), where, faults)
    version = cpu.parse_version(julia["version"]) if len(faults) == before_julia else None
    project = read.of(environment, version, where, faults)
    _check_types(environment, where, faults)
    if version is not None:
        levels = _levels(environment.get("targets", targets), version, where, faults)
        _check_pointless_platforms(environment.get("platforms"), levels, where, faults)
    if len(faults) > before:
        return []
    shared = {
        "environment": environment["name"],
        "julia": julia,
        "project": project,
        "workload": environment.get("workload", ""),
        "lazy_artifacts": environment.get("lazy_artifacts", False),
        "registries": list(environment.get("registries", [])),
        "variables": dict(environment.get("variables", {})),
        "registry": environment.get("registry", False),
        "check_bounds": environment.get("check_bounds", False),
        "slim": _slim(environment.get("slim", False)),
        "platforms": sorted(environment.get("platforms", [])),
        "store": root,
        # All of them, so that a part that is selected belongs to the same release as the whole.
        "targets": {
            arch: {level.name: level.target_for(version) for level in chosen} for arch, chosen in levels.items()
        },
    }
    return [
        dict(shared, arch=arch, level=level.name, target=level.target_for(version), flags=list(level.flags))
        for arch, chosen in levels.items()
        for level in chosen
    ]


def _julia(julia: Any, where: str, faults: list[str]) -> dict[str, str]:
    given = dict(julia) if isinstance(julia, Mapping) else {"version": julia}
    for key in sorted(set(given) - set(JULIA_KEYS), key=str):
        faults.append(f"{where}: julia: {key} is not known; known are {', '.join(JULIA_KEYS)}")
    try:
        version = str(given.get("version"))
        if cpu.parse_version(version) < (1, 5, 0):
            faults.append(f"{where}: julia: {version} is older than 1.5.0, the oldest that works")
        fault = cpu.fault_of_version(cpu.parse_version(version))
        if fault:
            faults.append(f"{where}: julia: {version} {fault}")
    except ValueError as error:
        faults.append(f"{where}: julia: {error}")
    executable = str(given.get("executable") or "")
    if executable and not os.path.isabs(executable):
        faults.append(f"{where}: julia: executable: {executable!r} is not an absolute path")
    return {"version": str(given.get("version")), "executable": executable}


def _check_types(environment: Mapping[str, Any], where: str, faults: list[str]) -> None:
    for key, kinds, name in (
        ("workload", str, "text"),
        ("lazy_artifacts", bool, "true or false"),
        ("registries", (list, tuple), "a list"),
        ("variables", Mapping, "a mapping"),
        ("registry", bool, "true or false"),
        ("check_bounds", bool, "true or false"),
        ("slim", (bool, list, tuple), "true, false or a list"),
        ("platforms", (list, tuple), "a list"),
    ):
        if key in environment and not isinstance(environment[key], kinds):
            faults.append(f"{where}: {key}: {environment[key]!r} is not {name} ({ENVIRONMENT_KEYS[key]})")
    slim = environment.get("slim")
    for part in slim if isinstance(slim, (list, tuple)) else ():
        if part not in SLIM_PARTS:
            faults.append(f"{where}: slim: {part!r} is none of {', '.join(SLIM_PARTS)}")
    registries, variables = environment.get("registries"), environment.get("variables")
    for url in registries if isinstance(registries, (list, tuple)) else ():
        if not isinstance(url, str) or not url:
            faults.append(f"{where}: registries: {url!r} is not the URL or folder of a registry")
        elif origins.fault_of_url(url):
            faults.append(f"{where}: registries: {origins.fault_of_url(url)}")
    for name, value in variables.items() if isinstance(variables, Mapping) else ():
        if not isinstance(name, str) or not VARIABLE_NAME.match(name):
            faults.append(f"{where}: variables: {name!r} is not the name of an environment variable")
        if isinstance(value, bool) or not isinstance(value, (str, int, float)) or "\0" in str(value):
            faults.append(f"{where}: variables: {name}: {value!r} is neither text nor a number; quote it")
    _check_platforms(environment.get("platforms"), where, faults)


def _check_platforms(platforms: Any, where: str, faults: list[str]) -> None:
    """What can be told of platforms without a Julia; which systems there are, Julia knows."""
    given = list(platforms) if isinstance(platforms, (list, tuple)) else []
    for number, triplet in enumerate(given):
        if not isinstance(triplet, str) or not releases.TRIPLET.match(triplet):
            faults.append(f"{where}: platforms: {triplet!r} is not a triplet such as aarch64-linux-gnu")
        elif triplet.partition("-")[0] not in PLATFORM_ARCHITECTURES:
            faults.append(
                f"{where}: platforms: {triplet!r} does not begin with an architecture that Julia knows; there are "
                f"{', '.join(PLATFORM_ARCHITECTURES)}"
            )
        if triplet in given[:number] and triplet not in given[number + 1 :]:
            faults.append(f"{where}: platforms: {triplet!r} stands there more than once")


def _check_pointless_platforms(platforms: Any, levels: Mapping[str, Any], where: str, faults: list[str]) -> None:
    """Builders make their caches on Linux with the GNU C library, so that is the platform of each architecture."""
    for triplet in platforms if isinstance(platforms, (list, tuple)) else ():
        arch, _hyphen, system = triplet.partition("-") if isinstance(triplet, str) else ("", "", "")
        if arch in levels and system in ("linux", "linux-gnu"):
            faults.append(
                f"{where}: platforms: {triplet!r} is what is built for {arch}, with caches (targets: {arch}); leave "
                "one of the two out"
            )


def _slim(asked: Any) -> list[str]:
    """The parts that a release is to lack, in one order."""
    return [part for part in SLIM_PARTS if asked is True or (asked and part in asked)]


def _levels(targets: Any, version: tuple, where: str, faults: list[str]) -> dict[str, list[cpu.Level]]:
    if not isinstance(targets, Mapping) or not targets:
        faults.append(f"{where}: targets: {targets!r} is not {ENVIRONMENT_KEYS['targets']}")
        return {}
    found = {}
    for arch, names in targets.items():
        try:
            found[str(arch)] = cpu.resolve(names, str(arch), version)
        except InputError as error:
            faults += [f"{where}: targets: {arch}: {fault}" for fault in error.faults]
    return found


def _selected(builds: list[dict[str, Any]], select: str) -> list[dict[str, Any]]:
    if not select:
        return builds
    if not isinstance(select, str):
        raise InputError([f"depot_select: {select!r} is not a JMESPath expression"])
    try:
        import jmespath
        from jmespath.exceptions import JMESPathError
    except ImportError as error:
        raise InputError(["depot_select: it needs the Python package jmespath on the controller"]) from error

    # JMESPath knows plain types only, and Ansible's strings are none.
    plain = json.loads(json.dumps(builds))
    try:
        chosen = jmespath.search(select, plain)
    except JMESPathError as error:
        raise InputError([f"depot_select: {select!r} is not a JMESPath expression: {error}"]) from error
    wanted = {_text(build) for build in chosen} if isinstance(chosen, list) else {None}
    if not wanted <= {_text(build) for build in plain}:
        raise InputError(
            [f"depot_select: {select!r} does not give a list of builds; for example \"[?environment=='jets']\""]
        )
    if not chosen:
        raise InputError([f"depot_select: {select!r} selects none of {len(builds)} builds"])
    # In the plan's order, whatever the expression made of it: levels come worst first.
    return [build for build in plain if _text(build) in wanted]


def _text(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def own_builds(builds: Sequence[Mapping[str, Any]], julias: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The builds that a builder does: those for the architecture that its Julia says, whatever its machine is.

    :param julias: the Julias that it has, by version.
    """
    return [build for build in builds if julias.get(build["julia"]["version"], {}).get("arch") == build["arch"]]


def own_platforms(
    inputs: Mapping[str, Any],
    builds: Sequence[Mapping[str, Any]],
    builder: str,
    julias: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """The platforms without caches that a builder installs: all of the release's, on the first that builds any of it.

    :param inputs: of the release.
    :param builds: its builds that are selected.
    :param builder: the builder's name.
    :param julias: for each builder that takes part the Julias that it has, by version.
    """
    wanted = [build for build in builds if build["arch"] in inputs["targets"]]
    first = next((name for name, held in julias.items() if own_builds(wanted, held)), None)
    return list(inputs.get("platforms", ())) if builder == first else []


def missing_architectures(
    builds: Sequence[Mapping[str, Any]],
    julias: Mapping[str, Mapping[str, Any]],
    outcomes: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, str]]:
    """What the release of each environment has to do without, and why: ``{environment: {architecture: reason}}``.

    :param builds: the builds that are selected.
    :param julias: for each builder that takes part the Julias that it has, by version.
    :param outcomes: for each builder what became of the builds of an environment for its architecture: an empty text
        where they are complete, else the reason why not; no entry where that is not known yet.
    :raises InputError: nobody can build an architecture that no release may lack, or nothing would be left.
    """
    missing: dict[str, dict[str, str]] = {}
    faults: list[str] = []
    for environment, group in _by_environment(builds).items():
        first = group[0]
        version = first["julia"]["version"]
        lacks = missing[environment] = {}
        for arch, levels in first["targets"].items():
            holders = [name for name, held in julias.items() if held.get(version, {}).get("arch") == arch]
            reasons = {name: outcomes.get(name, {}).get(environment) for name in holders}
            if not holders and arch not in first["may_lack"]:
                faults.append(_no_builder(environment, version, arch))
            elif not holders:
                lacks[arch] = f"no builder that takes part has Julia {version} for {arch}"
            elif arch in first["may_lack"] and all(reasons.values()):
                selected = sum(build["arch"] == arch for build in group)
                if selected in (0, len(levels)):  # else this run is about a part of it alone
                    lacks[arch] = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        if len(lacks) == len(first["targets"]):
            why = "; ".join(f"{arch}: {reason}" for arch, reason in lacks.items())
            faults.append(f"{environment}: depot_allow_partial leaves nothing to publish ({why})")
    if faults:
        raise InputError(faults)
    return missing


def _by_environment(builds: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for build in builds:
        groups.setdefault(build["environment"], []).append(build)
    return groups


def _no_builder(environment: str, version: str, arch: str) -> str:
    return (
        f"{environment}: no builder has Julia {version} for {arch}; add a builder of that architecture to the group "
        "julia_builders, leave it out of targets, or name it in depot_allow_partial"
    )


def release_inputs(
    builds: Sequence[Mapping[str, Any]],
    installations: Sequence[Mapping[str, Any]],
    missing: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything that goes into the release of one environment; its digest is the release's name.

    :param builds: builds of one environment, all or a part.
    :param installations: the Julias that will build it, one an architecture (``version``, ``arch``, ``build`` and
        ``prefix``).
    :param missing: architectures that the release does without. They count: it is another one than the whole.
    :raises InputError: an architecture has no Julia, two different ones, or one that cannot be published.
    """
    first = builds[0]
    version = first["julia"]["version"]
    targets = {arch: levels for arch, levels in first["targets"].items() if arch not in missing}
    found: dict[str, str] = {}
    faults = []
    for julia in installations:
        if julia["version"] != version or julia["arch"] not in targets:
            continue
        fault = fault_of_tree(julia["prefix"])
        if fault and fault not in faults:
            faults.append(fault)
        if found.setdefault(julia["arch"], julia["build"]) != julia["build"]:
            faults.append(
                f"two builders have different builds of Julia {version} for {julia['arch']}; caches of one are stale "
                "for the other, so install the same archive on both"
            )
    faults += [_no_builder(first["environment"], version, arch) for arch in sorted(targets) if arch not in found]
    if faults:
        raise InputError(faults)
    inputs = {
        "environment": first["environment"],
        "project": first["project"]["digest"],
        "julia": {"version": version, "builds": {arch: found[arch] for arch in sorted(targets)}},
        "targets": targets,
        "lazy_artifacts": first["lazy_artifacts"],
        "variables": dict(first["variables"]),
        "store": first["store"],
    }
    inputs.update({key: first[key] for key in EXTRAS if first.get(key)})
    return dict(inputs, missing=sorted(missing)) if missing else inputs


def staged_paths(workdir: str, inputs: Mapping[str, Any], arch: str) -> dict[str, Any]:
    """Where a builder lays a release out, and where the sandbox shows it.

    :param workdir: the builder's folder.
    :returns: ``release`` (its name), ``staging`` and ``target`` (the release here and in the store), ``common``,
        ``project``, ``levels`` (level: depot), ``levels_file``, ``build_file``, ``platforms`` (triplet: ``depot`` and
        ``record``), ``julia_target``, ``snapshot``.
    """
    name = releases.release_id(inputs)
    environment = inputs["environment"]
    layout = releases.Layout(inputs["store"])
    staged = releases.Release(os.path.join(workdir, "staging", environment, name), environment)
    return {
        "release": name,
        "staging": staged.path,
        "target": layout.release(environment, name).path,
        "common": staged.common(arch),
        "project": staged.project(arch),
        "levels": {level: staged.level(arch, level) for level in inputs["targets"].get(arch, {})},
        "levels_file": staged.levels(arch),
        "build_file": staged.build(arch),
        "platforms": {
            triplet: {"depot": staged.common(triplet), "record": staged.platform(triplet)}
            for triplet in inputs.get("platforms", ())
        },
        "julia_target": layout.julia(inputs["julia"]["version"], arch),
        "snapshot": os.path.join(workdir, "projects", inputs["project"][:16]),
    }


def merged_releases(staged: Sequence[Mapping[str, Any]], prefer: str = "") -> list[dict[str, Any]]:
    """What several builders staged, one entry a release: each architecture comes from a builder that staged it itself.

    :param staged: ``depot_build_releases`` of all builders. An entry is about one architecture (``arch``) of one
        builder (``builder``, an inventory name; empty for the host that publishes), and the ``platforms`` without
        caches that it staged as well.
    :param prefer: the builder that is taken where several staged the same architecture; else the first one is.
    :returns: entries with the ``julias`` of all architectures, and ``stagings``, one an architecture, with ``arch``,
        ``builder``, ``source``, ``workdir``, ``julia``, and ``others``, the builders that staged the same. Their
        ``source`` is that of the first architecture. ``platforms`` has ``triplet``, ``builder``, ``source`` and
        ``workdir`` of each platform without caches.
    :raises InputError: nobody staged an architecture or a platform that a release must have.
    """
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for entry in staged:
        entries.setdefault(entry["release"], []).append(entry)
    faults: list[str] = []
    merged = []
    for group in entries.values():
        stagings = _stagings(group, prefer)
        first = {key: value for key, value in group[0].items() if key not in ("arch", "builder", "workdir")}
        first.update(
            source=stagings[0]["source"],
            julias=[staging["julia"] for staging in stagings],
            stagings=stagings,
            platforms=_platform_stagings(group, prefer),
            changed=any(entry.get("changed", False) for entry in group),
        )
        merged.append(first)
        there = {staging["arch"] for staging in stagings}
        faults += [_not_staged(first, stagings, arch) for arch in first.get("architectures", ()) if arch not in there]
        without_caches = {staging["triplet"] for staging in first["platforms"]}
        faults += [
            f"{first['environment']}: release {first['release']} must have packages for {triplet}, but no builder "
            "staged them; run the playbook build, and do not leave the first builder out with --limit"
            for triplet in first.get("inputs", {}).get("platforms", ())
            if triplet not in without_caches
        ]
    if faults:
        raise InputError(faults)
    return merged


def _preferred(entries: Sequence[Mapping[str, Any]], prefer: str) -> list[Mapping[str, Any]]:
    return sorted(entries, key=lambda entry: entry.get("builder", "") not in (prefer, ""))


def _platform_stagings(entries: Sequence[Mapping[str, Any]], prefer: str) -> list[dict[str, Any]]:
    """Of one release: for each platform without caches the builder that it is taken from."""
    found: dict[str, dict[str, Any]] = {}
    for entry in _preferred(entries, prefer):
        for triplet in entry.get("platforms", ()):
            staging = {"triplet": triplet, "builder": entry.get("builder", ""), "source": entry["source"]}
            found.setdefault(triplet, dict(staging, workdir=entry.get("workdir", "")))
    return [found[triplet] for triplet in sorted(found)]


def _stagings(entries: Sequence[Mapping[str, Any]], prefer: str) -> list[dict[str, Any]]:
    """Of one release: for each architecture the builder that it is taken from."""
    found: dict[str, dict[str, Any]] = {}
    for entry in _preferred(entries, prefer):
        julia = entry["julias"][0]
        arch = entry.get("arch") or julia["arch"]
        staging = {
            "arch": arch,
            "builder": entry.get("builder", ""),
            "source": entry["source"],
            "workdir": entry.get("workdir", ""),
            "julia": julia,
            "others": [],
        }
        first = found.setdefault(arch, staging)
        if staging["builder"] not in (first["builder"], *first["others"]):
            first["others"].append(staging["builder"])
    return [found[arch] for arch in sorted(found)]


def _not_staged(release: Mapping[str, Any], stagings: Sequence[Mapping[str, Any]], arch: str) -> str:
    there = ", ".join(f"{staging['arch']} by {staging['builder'] or 'this host'}" for staging in stagings)
    return (
        f"{release['environment']}: release {release['release']} must have {arch}, but no builder staged that, only "
        f"{there}; run the playbook build on a builder for {arch}, and do not leave it out with --limit"
    )


def words(given: Any) -> Any:
    """A list as it is, and of words between commas or spaces a list: a survey knows only strings."""
    return re.findall(r"[^,\s]+", given) if isinstance(given, str) else given


def release_path(store: Mapping[str, Any], environment: str, release: str = releases.CURRENT) -> str:
    """The path of a release on every node.

    :param release: its name, or ``current`` for the link to the one in use.
    """
    return releases.release_of(store, environment, release, variable="depot_store").path
