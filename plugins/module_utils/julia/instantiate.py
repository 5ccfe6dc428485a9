# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of projects, and packages and artifacts in a depot: what the module ``julia_instantiate`` does."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import trees
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
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import fault_of_name

INCOMPLETE = ".incomplete"  # in a depot from before the first package arrives until the last one is there
PROJECT_FILES = ("JuliaProject.toml", "Project.toml")  # Base.project_names
LOCK_MODES = ("require", "resolve", "update")

ARGUMENT_SPEC = dict(
    arguments.julia_spec(),
    **arguments.lock_spec(),
    project={"type": "path", "required": True},
    environment={"type": "str"},
    depot={"type": "path"},
    lock={"type": "str", "choices": list(LOCK_MODES), "default": "require"},
    registries={"type": "list", "elements": "str", "default": []},
    registries_depot={"type": "path"},
    lazy_artifacts={"type": "bool", "default": False},
    offline={"type": "bool", "default": False},
)


def instantiate(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Lock a project as asked, and install what its lock names where a depot is given.

    :returns: the module's result: ``changed``, ``actions``, ``manifest``, ``diff``.
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
            if params["depot"]:
                actions += _install(params, programs, julia, project, check_mode)
    result: dict[str, Any] = {"changed": bool(actions), "actions": actions}
    if manifest is not None:
        result["manifest"] = {"name": manifest["name"], "content": manifest["after"]}
        if manifest["before"] != manifest["after"]:
            result["diff"] = {
                "before_header": manifest["name"],
                "after_header": manifest["name"],
                "before": manifest["before"],
                "after": manifest["after"],
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


def _lock(params: Mapping[str, Any], programs: str, julia: Installation, project: str, scratch: str) -> dict[str, str]:
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
    return {"name": name, "before": before.get(name, ""), "after": _text(os.path.join(project, name))}


def _lock_actions(manifest: Mapping[str, str] | None) -> list[dict[str, str]]:
    if manifest is None or manifest["before"] == manifest["after"]:
        return []
    return [{"what": "lock", "id": manifest["name"], "status": "updated" if manifest["before"] else "created"}]


def _install(
    params: Mapping[str, Any], programs: str, julia: Installation, project: str, check_mode: bool
) -> list[dict[str, str]]:
    """Bring project, packages and artifacts into the depot; what that changed, or would."""
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
            actions.append({"what": "depot", "id": depot, "status": "repaired after an interrupted run"})
        with open(mark, "w", encoding="ascii"):
            pass
        actions += _run_instantiate(params, programs, julia, place, depot, dry_run=False)
        trees.remove_leftovers(depot)
        os.unlink(mark)
        return actions


def _foretell(params: Mapping[str, Any], programs: str, julia: Installation, project: str) -> list[dict[str, str]]:
    """What an installation would change; whatever is not there is stood in for by an empty folder."""
    with tempfile.TemporaryDirectory(prefix="julia-depot-") as empty:
        there = {
            name: params[name] if os.path.isdir(params[name]) else os.path.join(empty, name)
            for name in ("depot", "registries_depot")
        }
        os.makedirs(os.path.join(empty, "depot"))
        found = _run_instantiate(dict(params, **there), programs, julia, project, there["depot"], dry_run=True)
    place = _place(params)
    same = os.path.isdir(place) and trees.same_tree(project, place)
    return found if same else [_placed(params), *found]


def _place(params: Mapping[str, Any]) -> str:
    return os.path.join(params["depot"], "environments", params["environment"])


def _placed(params: Mapping[str, Any]) -> dict[str, str]:
    return {"what": "environment", "id": params["environment"], "status": "placed"}


def _run_instantiate(
    params: Mapping[str, Any], programs: str, julia: Installation, project: str, depot: str, dry_run: bool
) -> list[dict[str, str]]:
    registries = params["registries_depot"]
    with folder_lock(registries, params["lock_timeout"]):
        runner = arguments.enclosed(
            params,
            programs,
            readable=(julia.prefix, project, *_folders(params["registries"])),
            writable=(depot, registries),
            network=not params["offline"],
        )
        inside = runner.sandbox.inside
        try:
            outcome = runner.run(
                "instantiate.jl",
                {
                    "project": inside(project),
                    "registries_depot": inside(registries),
                    "registries": params["registries"],
                    "lazy": params["lazy_artifacts"],
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
    failed = outcome.of("failed")
    if failed:
        reasons = "\n".join(f"- {event['what']}: {event['error']}" for event in failed)
        raise BuildError(
            f"{len(failed)} packages or artifacts of {params['project']} are not installed:\n{reasons}",
            failures=failed,
            **outcome.completed.details(),
        )
    return [
        {
            "what": "package" if "package" in event else "artifact",
            "id": event.get("package") or event["artifact"],
            "status": "installed",
        }
        for event in outcome.of("missing")
    ]


def _folders(registries: Sequence[str]) -> list[str]:
    """The registries that are folders of this machine; the others are URLs."""
    return [registry for registry in registries if os.path.isdir(registry)]


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()
