# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches of an environment for one CPU target: what the module ``julia_precompile`` does."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import arguments, program, resources
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import (
    Installation,
    probe,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock

ARGUMENT_SPEC = dict(
    arguments.julia_spec(),
    **arguments.lock_spec(),
    project={"type": "path", "required": True},
    depot={"type": "path", "required": True},
    package_depots={"type": "list", "elements": "path", "default": []},
    target={"type": "str", "default": "generic"},
    tasks={"type": "int"},
)


def load_path(project: str) -> str:
    """The load path under which caches are made and used: the user's own projects, ours, the standard library.

    Preferences are merged over the load path and are part of a cache, so it must be the same in both places.
    """
    return f"@:@v#.#:{project}:@stdlib"


def precompile(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Compile what has no fresh cache yet.

    :returns: the module's result: ``changed``, ``actions``, ``packages`` (package, state, seconds, bytes), ``totals``.
    :raises BuildError: a package failed; every failed one is named with its error, what compiled stays.
    """
    os.umask(0o022)
    _validate(params)
    depot = params["depot"]
    with program.unpacked(params["_bundle"]) as programs:
        julia = probe(params["julia"], programs, params["julia_version"])
        if check_mode and not os.path.isdir(depot):
            with tempfile.TemporaryDirectory(prefix="julia-depot-") as empty:
                packages = _compile(params, programs, julia, empty, dry_run=True)
        else:
            with folder_lock(depot, params["lock_timeout"]):
                packages = _compile(params, programs, julia, depot, dry_run=check_mode)
                if not check_mode:
                    trees.remove_leftovers(depot)
    return _result(packages)


def _validate(params: Mapping[str, Any]) -> None:
    faults = [
        f"{name}: {path} is not a folder on this machine"
        for name, path in [("project", params["project"])] + [("package_depots", p) for p in params["package_depots"]]
        if not os.path.isdir(path)
    ]
    if params["tasks"] is not None and params["tasks"] < 1:
        faults.append(f"tasks: {params['tasks']} is less than one")
    if faults:
        raise InputError(faults)


def _compile(
    params: Mapping[str, Any], programs: str, julia: Installation, depot: str, dry_run: bool
) -> list[dict[str, Any]]:
    runner = arguments.enclosed(
        params,
        programs,
        readable=(julia.prefix, params["project"], *params["package_depots"]),
        writable=(depot,),
    )
    inside = runner.sandbox.inside
    outcome = runner.run(
        "precompile.jl",
        {
            "project": inside(params["project"]),
            "tasks": params["tasks"] or resources.default_tasks(),
            "dry_run": dry_run,
        },
        {
            "JULIA_DEPOT_PATH": program.depot_path([inside(path) for path in [depot, *params["package_depots"]]]),
            "JULIA_LOAD_PATH": load_path(inside(params["project"])),
            "JULIA_CPU_TARGET": params["target"],
            "JULIA_PKG_PRECOMPILE_AUTO": "0",
        },
    )
    packages = [
        {key: event[key] for key in ("package", "uuid", "extension", "state", "seconds", "bytes", "error")}
        for event in outcome.of("package")
    ]
    failed = [package for package in packages if package["state"] == "failed"]
    if failed:
        reasons = "\n".join(f"- {package['package']}: {package['error'].strip()}" for package in failed)
        raise BuildError(
            f"{len(failed)} of {len(packages)} packages failed to precompile for {params['target']}:\n{reasons}",
            packages=packages,
            failed_packages=[package["package"] for package in failed],
        )
    return packages


def _result(packages: list[dict[str, Any]]) -> dict[str, Any]:
    counts = dict.fromkeys(("compiled", "fresh", "uncacheable", "pending"), 0)
    for package in packages:
        counts[package["state"]] += 1
    compiled = [package for package in packages if package["state"] in ("compiled", "pending")]
    return {
        "changed": bool(compiled),
        "actions": [{"what": "cache", "id": package["package"], "status": package["state"]} for package in compiled],
        "packages": packages,
        "totals": dict(
            counts,
            seconds=round(sum(package["seconds"] for package in packages), 3),
            bytes=sum(package["bytes"] for package in packages),
        ),
        "warnings": [
            f"{package['package']} forbids precompiling, so it is compiled anew in every session that loads it"
            for package in packages
            if package["state"] == "uncacheable"
        ],
    }
