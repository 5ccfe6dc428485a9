# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From site variables to the list of builds. Nothing but the controller's project folders is read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.module_utils import release as releases
from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets as cpu
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import fault_of_tree
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import project as projects

ENVIRONMENT_KEYS = {
    "name": "a name, for example jets",
    "project": "the folder of a Julia project on the controller",
    "julia": "a version, or {version: ..., executable: ...}",
    "targets": "levels for each architecture, for example {x86_64: [generic]}; default: depot_targets",
    "workload": "Julia code that proves the environment",
    "lazy_artifacts": "whether lazy artifacts are part of the release",
    "registries": "URLs of registries; default: General",
    "variables": "environment variables for Julia while building",
}
JULIA_KEYS = ("version", "executable")
VARIABLE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\Z")


def build_plan(
    environments: Sequence[Mapping[str, Any]],
    store: Mapping[str, Any],
    targets: Mapping[str, Any],
    select: str = "",
    base: str = ".",
) -> list[dict[str, Any]]:
    """All builds of these environments: one for each architecture and level.

    :param environments: ``depot_environments``.
    :param store: ``depot_store``.
    :param targets: ``depot_targets``, for environments that name none.
    :param select: ``depot_select``, a JMESPath expression over the list of builds; empty: all.
    :param base: folder to which the projects' folders are relative.
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
    read = lru_cache(maxsize=None)(projects.read)  # many environments may share a project
    builds: list[dict[str, Any]] = []
    for index, environment in enumerate(environments):
        builds += _builds(environment, index, root, targets, base, read, faults)
    if faults:
        raise InputError(faults)
    return _selected(builds, select)


def _find_duplicates(environments: Sequence[Any], faults: list[str]) -> None:
    seen = set()
    for environment in environments:
        name = environment.get("name") if isinstance(environment, Mapping) else None
        if isinstance(name, str) and name in seen:
            faults.append(f"depot_environments: the name {name!r} stands there more than once")
        seen.add(name if isinstance(name, str) else None)


def _builds(
    environment: Any,
    index: int,
    root: str,
    targets: Mapping[str, Any],
    base: str,
    read: Any,
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
    folder = environment.get("project")
    if not isinstance(folder, str) or not folder:
        faults.append(f"{where}: project: {folder!r} is not {ENVIRONMENT_KEYS['project']}")
    elif version is not None:
        project = read(os.path.abspath(os.path.join(base, os.path.expanduser(folder))), version)
        faults += [f"{where}: project: {fault}" for fault in project.faults]
    _check_types(environment, where, faults)
    if version is not None:
        levels = _levels(environment.get("targets", targets), version, where, faults)
    if len(faults) > before:
        return []
    shared = {
        "environment": environment["name"],
        "julia": julia,
        "project": {
            "source": project.source,
            "lock": project.lock,
            "digest": project.digest,
        },
        "workload": environment.get("workload", ""),
        "lazy_artifacts": environment.get("lazy_artifacts", False),
        "registries": list(environment.get("registries", [])),
        "variables": dict(environment.get("variables", {})),
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
        if (1, 11, 0) <= cpu.parse_version(version) < (1, 11, 2):
            faults.append(
                f"{where}: julia: {version} can crash on CPUs with AVX-512 (JuliaLang/julia#56177); use 1.11.2 or later"
            )
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
    ):
        if key in environment and not isinstance(environment[key], kinds):
            faults.append(f"{where}: {key}: {environment[key]!r} is not {name} ({ENVIRONMENT_KEYS[key]})")
    registries, variables = environment.get("registries"), environment.get("variables")
    for url in registries if isinstance(registries, (list, tuple)) else ():
        if not isinstance(url, str) or not url:
            faults.append(f"{where}: registries: {url!r} is not the URL or folder of a registry")
    for name, value in variables.items() if isinstance(variables, Mapping) else ():
        if not isinstance(name, str) or not VARIABLE_NAME.match(name):
            faults.append(f"{where}: variables: {name!r} is not the name of an environment variable")
        if isinstance(value, bool) or not isinstance(value, (str, int, float)) or "\0" in str(value):
            faults.append(f"{where}: variables: {name}: {value!r} is neither text nor a number; quote it")


def _levels(targets: Any, version: tuple, where: str, faults: list[str]) -> dict[str, list[cpu.Level]]:
    if not isinstance(targets, Mapping) or not targets:
        faults.append(f"{where}: targets: {targets!r} is not {ENVIRONMENT_KEYS['targets']}")
        return {}
    found = {}
    for arch, names in targets.items():
        try:
            found[str(arch)] = cpu.resolve(names, str(arch), version)
        except ValueError as error:
            faults.append(f"{where}: targets: {arch}: {error}")
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


def release_inputs(builds: Sequence[Mapping[str, Any]], installations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Everything that goes into the release of one environment; its digest is the release's name.

    :param builds: builds of one environment, all or a part.
    :param installations: the Julias that will build it, one an architecture (``version``, ``arch``, ``build`` and
        ``prefix``).
    :raises InputError: an architecture has no Julia, two different ones, or one that cannot be published.
    """
    first = builds[0]
    version = first["julia"]["version"]
    found: dict[str, str] = {}
    faults = []
    for julia in installations:
        if julia["version"] != version:
            continue
        fault = fault_of_tree(julia["prefix"])
        if fault and fault not in faults:
            faults.append(fault)
        if found.setdefault(julia["arch"], julia["build"]) != julia["build"]:
            faults.append(
                f"two builders have different builds of Julia {version} for {julia['arch']}; caches of one are stale "
                "for the other, so install the same archive on both"
            )
    architectures = sorted(first["targets"])
    for arch in architectures:
        if arch not in found:
            faults.append(
                f"{first['environment']}: no builder has Julia {version} for {arch}; add a builder of that "
                "architecture to the group julia_builders, or leave it out of targets"
            )
    if faults:
        raise InputError(faults)
    return {
        "environment": first["environment"],
        "project": first["project"]["digest"],
        "julia": {"version": version, "builds": {arch: found[arch] for arch in architectures}},
        "targets": first["targets"],
        "lazy_artifacts": first["lazy_artifacts"],
        "variables": dict(first["variables"]),
        "store": first["store"],
    }


def staged_paths(workdir: str, inputs: Mapping[str, Any], arch: str) -> dict[str, Any]:
    """Where a builder lays a release out, and where the sandbox shows it.

    :param workdir: the builder's folder.
    :returns: ``release`` (its name), ``staging`` and ``target`` (the release here and in the store), ``common``,
        ``project``, ``levels`` (level: depot), ``levels_file``, ``build_file``, ``julia_target``, ``snapshot``.
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
        "julia_target": layout.julia(inputs["julia"]["version"], arch),
        "snapshot": os.path.join(workdir, "projects", inputs["project"][:16]),
    }


def merged_releases(staged: Sequence[Mapping[str, Any]], prefer: str = "") -> list[dict[str, Any]]:
    """What several builders staged, one entry a release: each architecture comes from a builder that staged it itself.

    :param staged: ``depot_build_releases`` of all builders. An entry is about one architecture (``arch``) of one
        builder (``builder``, an inventory name; empty for the host that publishes).
    :param prefer: the builder that is taken where several staged the same architecture; else the first one is.
    :returns: entries with the ``julias`` of all architectures, and ``stagings``, one an architecture, with ``arch``,
        ``builder``, ``source``, ``workdir``, ``julia``, and ``others``, the builders that staged the same. Their
        ``source`` is that of the first architecture.
    :raises InputError: nobody staged an architecture that a release must have.
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
            changed=any(entry.get("changed", False) for entry in group),
        )
        merged.append(first)
        there = {staging["arch"] for staging in stagings}
        faults += [_not_staged(first, stagings, arch) for arch in first.get("architectures", ()) if arch not in there]
    if faults:
        raise InputError(faults)
    return merged


def _stagings(entries: Sequence[Mapping[str, Any]], prefer: str) -> list[dict[str, Any]]:
    """Of one release: for each architecture the builder that it is taken from."""
    found: dict[str, dict[str, Any]] = {}
    for entry in sorted(entries, key=lambda entry: entry.get("builder", "") not in (prefer, "")):
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


def release_path(store: Mapping[str, Any], environment: str, release: str = "current") -> str:
    """The path of a release on every node.

    :param release: its name, or ``current`` for the link to the one in use.
    """
    faults = [f"depot_store: {fault}" for fault in releases.faults_of_store(store)]
    fault = releases.fault_of_name(environment)
    if fault:
        faults.append(f"environment: {fault}")
    if release != "current" and not releases.RELEASE_ID.match(release):
        faults.append(f"release: {release!r} is neither current nor the name of a release (16 hexadecimal digits)")
    if faults:
        raise InputError(faults)
    layout = releases.Layout(releases.store_root(store))
    return layout.current(environment) if release == "current" else layout.release(environment, release).path
