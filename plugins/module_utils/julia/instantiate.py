# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of projects, and packages and artifacts in a depot: what the module ``julia_instantiate`` does."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import Any, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import jobs, trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import (
    BuildError,
    InputError,
    JuliaError,
    TimeLimitError,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import arguments, program
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import (
    Installation,
    probe,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Outcome
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import fault_of_name

INCOMPLETE = ".incomplete"  # in a depot from before the first package arrives until the last one is there
PROJECT_FILES = ("JuliaProject.toml", "Project.toml")  # Base.project_names
LOCK_MODES = ("require", "resolve", "update")
SLIM_PARTS = ("tests", "docs", "artifacts")
SLIMMED = "slimmed.toml"  # in a depot: what its packages lack on purpose (plugins/julia/slimming.jl)

ARGUMENT_SPEC = dict(
    arguments.julia_spec(),
    **arguments.lock_spec(),
    **jobs.SPEC,
    project={"type": "path", "required": True},
    environment={"type": "str"},
    depot={"type": "path"},
    lock={"type": "str", "choices": list(LOCK_MODES), "default": "require"},
    registries={"type": "list", "elements": "str", "default": []},
    registries_depot={"type": "path"},
    lazy_artifacts={"type": "bool", "default": False},
    platform={"type": "str"},
    seeds={"type": "list", "elements": "path", "default": []},
    slim={"type": "list", "elements": "str", "choices": list(SLIM_PARTS), "default": []},
    registry={"type": "bool", "default": False},
    offline={"type": "bool", "default": False},
)


def instantiate(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Lock a project as asked, and install what its lock names where a depot is given.

    :returns: the module's result: ``changed``, ``actions``, ``manifest``, ``diff``, and where a depot is given
        ``seeded``, ``downloaded`` and ``platform``.
    :raises DepotError: whatever keeps the depot from being complete; it is then marked and repaired by the next run.
    """
    os.umask(0o022)
    _validate(params)
    with program.unpacked(params["_bundle"]) as programs:
        julia = probe(params["julia"], programs, params["julia_version"])
        with tempfile.TemporaryDirectory(prefix="julia-project-") as scratch:
            params = dict(params, registries_depot=params["registries_depot"] or os.path.join(scratch, "registries"))
            project = params["project"]
            manifest = None
            if params["lock"] != "require":
                project = os.path.join(scratch, "project")
                manifest = _lock(params, programs, julia, project, scratch)
            elif not _manifests(project):
                raise InputError([f"project: {project} has no Manifest.toml, and lock: require forbids to make one"])
            actions = _lock_actions(manifest)
            result: dict[str, Any] = {}
            if params["depot"]:
                installed, outcome = _install(params, programs, julia, project, check_mode)
                actions += installed
                result.update(_told(outcome, params["platform"]))
    result.update(changed=bool(actions), actions=actions)
    if manifest is not None:
        result["manifest"] = {
            "name": manifest["name"],
            "content": manifest["after"],
            "packages": lock_changes(manifest["pinned"]),
        }
        if manifest["before"] != manifest["after"]:
            before, after = (_versions(manifest["pinned"], lock) for lock in ("before", "after"))
            if before == after:  # the lock says something else than versions
                before, after = manifest["before"], manifest["after"]
            result["diff"] = {
                "before_header": manifest["name"],
                "after_header": manifest["name"],
                "before": before,
                "after": after,
            }
    return result


def _validate(params: Mapping[str, Any]) -> None:
    faults = []
    project = params["project"]
    if not os.path.isdir(project):
        faults.append(f"project: {project} is not a folder on this machine")
    elif not any(os.path.isfile(os.path.join(project, name)) for name in PROJECT_FILES):
        faults.append(f"project: {project} has no Project.toml")
    if params["lock"] == "require" and not params["depot"]:
        faults.append("depot: nothing to do with lock: require and no depot; give a depot, or lock: resolve")
    if params["depot"]:
        fault = fault_of_name(params["environment"])
        if fault:
            faults.append(f"environment: {fault}")
    if params["platform"] is not None and not params["platform"].strip():
        faults.append("platform: it is empty; give a triplet such as aarch64-linux-gnu, or leave it out")
    if params["offline"] and params["lock"] == "update":
        faults.append("offline: an update needs the network; leave one of offline and lock: update out")
    if faults:
        raise InputError(faults)


def _manifests(project: str) -> list[str]:
    return sorted(
        name
        for name in os.listdir(project)
        if name.startswith(("Manifest", "JuliaManifest")) and name.endswith(".toml")
    )


def _lock(params: Mapping[str, Any], programs: str, julia: Installation, project: str, scratch: str) -> dict[str, Any]:
    """Make or renew the lock in a copy of the project; its text before and after."""
    shutil.copytree(params["project"], project, symlinks=True)
    depot = os.path.join(scratch, "depot")
    os.makedirs(depot)
    with folder_lock(params["registries_depot"], params["lock_timeout"]):
        runner = arguments.enclosed(
            params,
            programs,
            readable=(julia.prefix, *_folders(params["registries"])),
            writable=(project, depot, params["registries_depot"]),
            network=not params["offline"],
        )
        before = {name: _text(os.path.join(project, name)) for name in _manifests(project)}
        try:
            outcome = runner.run(
                "lock.jl",
                {
                    "project": project,
                    "registries_depot": params["registries_depot"],
                    "registries": params["registries"],
                    "update": params["lock"] == "update",
                },
                {"JULIA_DEPOT_PATH": program.depot_path([depot, params["registries_depot"]])},
            )
        except (JuliaError, TimeLimitError) as error:
            raise BuildError(
                f"the project {params['project']} cannot be resolved: {error.message}", **error.details
            ) from error
    path = outcome.of("lock")[-1]["path"]
    name = os.path.basename(path)
    return {
        "name": name,
        "before": before.get(name, ""),
        "after": _text(os.path.join(project, name)),
        "pinned": outcome.of("pinned"),
    }


def lock_changes(pinned: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """What a new lock changes, package by package.

    :param pinned: what the locks ``before`` and ``after`` pin: ``lock``, ``name``, ``uuid`` and ``version``.
    :returns: by name: ``package``, ``uuid``, ``status`` (``added``, ``removed`` or ``updated``), the versions ``from``
        and ``to``, and all that as one ``summary``.
    """
    versions: dict[str, dict[tuple[str, str], str]] = {"before": {}, "after": {}}
    for entry in pinned:
        versions[entry["lock"]][entry["name"], entry["uuid"]] = entry["version"]
    changes = []
    for name, uuid in sorted({**versions["before"], **versions["after"]}):
        old, new = versions["before"].get((name, uuid)), versions["after"].get((name, uuid))
        if old == new:
            continue
        status = "added" if old is None else "removed" if new is None else "updated"
        summary = f"{name} {old or ''} -> {new or ''}" if status == "updated" else f"{name} {new or old or ''}"
        changes.append(
            {
                "package": name,
                "uuid": uuid,
                "status": status,
                "from": old or "",
                "to": new or "",
                "summary": f"{status}: {' '.join(summary.split())}",
            }
        )
    return changes


def _versions(pinned: Sequence[Mapping[str, str]], lock: str) -> str:
    """What a lock pins, a line for each package."""
    entries = [entry for entry in pinned if entry["lock"] == lock]
    lines = [f"{entry['name']} {entry['version']}".rstrip() for entry in entries]
    return "".join(f"{line}\n" for line in sorted(lines))


def _lock_actions(manifest: Mapping[str, Any] | None) -> list[dict[str, str]]:
    if manifest is None or manifest["before"] == manifest["after"]:
        return []
    return [{"what": "lock", "id": manifest["name"], "status": "updated" if manifest["before"] else "created"}]


def _install(
    params: Mapping[str, Any], programs: str, julia: Installation, project: str, check_mode: bool
) -> tuple[list[dict[str, str]], Outcome]:
    """Bring project, packages and artifacts into the depot; what that changed, or would, and what Julia told."""
    if check_mode:
        return _foretell(params, programs, julia, project)
    depot = params["depot"]
    with folder_lock(depot, params["lock_timeout"]):
        place = _place(params)
        actions = [_placed(params)] if trees.place_copy(project, place) else []
        mark = os.path.join(depot, INCOMPLETE)
        if os.path.exists(mark):
            # A package that was being unpacked or built looks installed; artifacts are checked by Pkg itself.
            shutil.rmtree(os.path.join(depot, "packages"), ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(depot, SLIMMED))
            actions.append({"what": "depot", "id": depot, "status": "repaired after an interrupted run"})
        with open(mark, "w", encoding="ascii"):
            pass
        outcome = _run_instantiate(params, programs, julia, place, depot, dry_run=False)
        trees.remove_leftovers(depot, keep=["registries"] if params["registry"] else [])
        os.unlink(mark)
        return actions + _installed(params, outcome), outcome


def _foretell(
    params: Mapping[str, Any], programs: str, julia: Installation, project: str
) -> tuple[list[dict[str, str]], Outcome]:
    """What an installation would change; whatever is not there is stood in for by an empty folder."""
    with tempfile.TemporaryDirectory(prefix="julia-depot-") as empty:
        there = {
            name: params[name] if os.path.isdir(params[name]) else os.path.join(empty, name)
            for name in ("depot", "registries_depot")
        }
        os.makedirs(os.path.join(empty, "depot"))
        outcome = _run_instantiate(dict(params, **there), programs, julia, project, there["depot"], dry_run=True)
    place = _place(params)
    same = os.path.isdir(place) and trees.same_tree(project, place)
    found = _installed(params, outcome)
    return (found if same else [_placed(params), *found]), outcome


def _place(params: Mapping[str, Any]) -> str:
    return os.path.join(params["depot"], "environments", params["environment"])


def _placed(params: Mapping[str, Any]) -> dict[str, str]:
    return {"what": "environment", "id": params["environment"], "status": "placed"}


def _run_instantiate(
    params: Mapping[str, Any], programs: str, julia: Installation, project: str, depot: str, dry_run: bool
) -> Outcome:
    registries = params["registries_depot"]
    seeds = [seed for seed in params["seeds"] if os.path.isdir(seed) and not _same_folder(seed, depot)]
    with folder_lock(registries, params["lock_timeout"]):
        runner = arguments.enclosed(
            params,
            programs,
            readable=(julia.prefix, project, *_folders(params["registries"]), *seeds),
            writable=(depot, registries),
            network=not params["offline"],
        )
        inside = runner.sandbox.inside
        try:
            outcome = runner.run(
                "instantiate.jl",
                {
                    "project": inside(project),
                    "depot": inside(depot),
                    "seeds": [inside(seed) for seed in seeds],
                    "slim": params["slim"],
                    "registries_depot": inside(registries),
                    "registries": params["registries"],
                    "lazy": params["lazy_artifacts"],
                    "platform": params["platform"] or "",
                    "registry": params["environment"] if params["registry"] else "",
                    "offline": params["offline"],
                    "dry_run": dry_run,
                },
                {
                    "JULIA_DEPOT_PATH": program.depot_path([inside(depot), inside(registries)]),
                    "JULIA_LOAD_PATH": f"{inside(project)}:@stdlib",
                },
            )
        except (JuliaError, TimeLimitError) as error:
            raise BuildError(
                f"the packages of {params['project']} cannot be installed: {error.message}", **error.details
            ) from error
    refused = outcome.first("refused")
    if refused:
        raise InputError([f"platform: {refused['error']}"])
    failed = outcome.of("failed")
    if failed:
        reasons = "\n".join(f"- {event['what']}: {event['error']}" for event in failed)
        raise BuildError(
            f"{len(failed)} packages or artifacts of {params['project']} are not installed:\n{reasons}",
            failures=failed,
            **outcome.completed.details(),
        )
    return outcome


def _same_folder(left: str, right: str) -> bool:
    return os.path.realpath(left) == os.path.realpath(right)


def _kind(event: Mapping[str, Any]) -> str:
    return "package" if "package" in event else "artifact"


def _installed(params: Mapping[str, Any], outcome: Outcome) -> list[dict[str, str]]:
    seeded = {(_kind(event), event[_kind(event)]) for event in outcome.of("seeded")}
    found = [(_kind(event), event[_kind(event)]) for event in outcome.of("missing")]
    actions = [
        {"what": what, "id": name, "status": "seeded" if (what, name) in seeded else "installed"}
        for what, name in found
    ]
    registered = outcome.first("registered")
    if registered and registered["changed"]:
        actions.append({"what": "registry", "id": params["environment"], "status": "written"})
    return actions


def _told(outcome: Outcome, platform: str | None) -> dict[str, Any]:
    """What the module tells beyond its actions."""
    seeded, downloaded = outcome.of("seeded"), outcome.of("downloaded")
    told: dict[str, Any] = {
        "seeded": {
            "packages": sum("package" in event for event in seeded),
            "artifacts": sum("artifact" in event for event in seeded),
            "bytes": sum(event["bytes"] for event in seeded),
        },
        "downloaded": {
            "packages": [event["package"] for event in downloaded if "package" in event],
            "artifacts": [event["artifact"] for event in downloaded if "artifact" in event],
        },
    }
    if platform:
        unbuilt = [event["package"] for event in outcome.of("unbuilt")]
        told["platform"] = {"triplet": platform, "caches": False, "unbuilt": unbuilt}
        told["warnings"] = [
            f"the build script of {name} was not run, since it would make files for this machine and not for {platform}"
            for name in unbuilt
        ]
    return told


def _folders(registries: Sequence[str]) -> list[str]:
    """The registries that are folders of this machine; the others are URLs."""
    return [registry for registry in registries if os.path.isdir(registry)]


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()
