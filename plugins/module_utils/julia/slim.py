# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking out of a depot what its users do not need: what the module ``julia_depot_slim`` does."""

from __future__ import annotations

import os
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import arguments, program
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import probe
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import SLIM_PARTS
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock

ARGUMENT_SPEC = dict(
    arguments.julia_spec(),
    **arguments.lock_spec(),
    project={"type": "path", "required": True},
    depot={"type": "path", "required": True},
    cache_depots={"type": "list", "elements": "path", "required": True},
    parts={"type": "list", "elements": "str", "choices": list(SLIM_PARTS), "default": list(SLIM_PARTS)},
)


def slim(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Remove folders of tests and documentation on which no cache depends, and artifacts that no package takes.

    :returns: the module's result: ``changed``, ``actions``, ``removed`` (bytes, by part), ``saved`` (bytes in all, with
        what earlier runs removed).
    """
    os.umask(0o022)
    depot = params["depot"]
    faults = arguments.faults_of_folders(
        project=[params["project"]], depot=[depot], cache_depots=params["cache_depots"]
    )
    if faults:
        raise InputError(faults)
    with program.unpacked(params["_bundle"]) as programs, folder_lock(depot, params["lock_timeout"]):
        julia = probe(params["julia"], programs, params["julia_version"])
        runner = arguments.enclosed(
            params,
            programs,
            readable=(julia.prefix, params["project"], *params["cache_depots"]),
            writable=(depot,),
        )
        inside = runner.sandbox.inside
        caches = [inside(path) for path in params["cache_depots"]]
        outcome = runner.run(
            "slim.jl",
            {
                "project": inside(params["project"]),
                "depot": inside(depot),
                "caches": caches,
                "parts": params["parts"],
                "dry_run": check_mode,
            },
            {
                # Pkg writes what it used into the first depot, which is cleared of it below.
                "JULIA_DEPOT_PATH": program.depot_path([inside(depot), *caches]),
                "JULIA_LOAD_PATH": f"{inside(params['project'])}:@stdlib",
            },
        )
        if not check_mode:
            trees.remove_leftovers(depot, keep=["registries"])
    removed = dict.fromkeys(params["parts"], 0)
    for event in outcome.of("slimmed"):
        removed[event["part"]] += event["bytes"]
    actions = [{"what": event["part"], "id": event["id"], "status": "removed"} for event in outcome.of("slimmed")]
    return {"changed": bool(actions), "actions": actions, "removed": removed, "saved": outcome.of("total")[-1]["bytes"]}
