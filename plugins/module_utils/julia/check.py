# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that an environment loads and nothing is compiled: what the module ``julia_depot_check`` does."""

from __future__ import annotations

import os
import re
import tempfile
import time
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import jobs
from ansible_collections.scisoft.julia_depots.plugins.module_utils import sandbox as sandboxes
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import (
    BuildError,
    InputError,
    JuliaError,
    ProcessError,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import arguments, program
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import probe, wrong_version
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.precompile import CHECK_BOUNDS, load_path
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Outcome, Runner

ARGUMENT_SPEC = dict(
    arguments.julia_spec(),
    **jobs.SPEC,
    project={"type": "path", "required": True},
    depots={"type": "list", "elements": "path", "default": []},
    workload={"type": "str", "default": ""},
    check_bounds={"type": "bool", "default": False},
    sandbox={"type": "bool", "default": True},
)
# What Base.loading says of a cache that it does not take, under JULIA_DEBUG=loading (all versions).
_REJECTED = re.compile(r"Rejecting (?:stale )?cache file (?P<cache>.+?\.ji) (?P<reason>.*)")
OUTPUT_TAIL = 4000


def check(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Load everything with an empty first depot, run the workload, and look whether the depot is still empty.

    It only reads, so check mode makes no difference.

    :returns: the module's result: ``packages``, ``startup_seconds``, ``workload_seconds``, ``compiled``, ``rejected``.
    :raises BuildError: something does not load, the workload fails, or something was compiled.
    """
    if not os.path.isdir(params["project"]):
        raise InputError([f"project: {params['project']} is not a folder on this machine"])
    with program.unpacked(params["_bundle"]) as programs, tempfile.TemporaryDirectory(prefix="julia-check-") as first:
        outcome = _enclosed(params, programs, first) if params["sandbox"] else _as_user(params, programs, first)
        compiled = compiled_in(first)
    result = _result(outcome, compiled)
    faults = [f"{event['what']} fails: {event['error']}" for event in outcome.of("failed")]
    if compiled:
        faults.append(f"compiled although a cache was to be there: {', '.join(compiled)}")
        faults += [f"{item['cache']} was rejected {item['reason']}" for item in result["rejected"]]
    if faults:
        raise BuildError("the depot is not proved:\n" + "\n".join(f"- {fault}" for fault in faults), **result)
    return result


def _enclosed(params: Mapping[str, Any], programs: str, first: str) -> Outcome:
    julia = probe(params["julia"], programs, params["julia_version"])
    readable = (julia.prefix, params["project"], *params["depots"])
    return _run(params, arguments.enclosed(params, programs, readable=readable, writable=(first,)), first)


def _as_user(params: Mapping[str, Any], programs: str, first: str) -> Outcome:
    """As a user of this node would meet it; Julia is started once, and says then which one it is."""
    runner = Runner(params["julia"], programs, sandbox=None, timeout=params["time_limit"])
    try:
        outcome = _run(params, runner, first)
    except (JuliaError, ProcessError):
        probe(params["julia"], programs, params["julia_version"])  # what is no Julia says so better here
        raise
    version = outcome.first("julia")["version"]
    if params["julia_version"] not in (None, version):
        raise wrong_version(params["julia"], version, params["julia_version"])
    return outcome


def _run(params: Mapping[str, Any], runner: Runner, first: str) -> Outcome:
    inside = (runner.sandbox or sandboxes.Sandbox()).inside
    project = inside(params["project"])
    env = {"JULIA_DEBUG": "loading", "JULIA_PKG_PRECOMPILE_AUTO": "0"}
    if params["depots"]:
        env["JULIA_DEPOT_PATH"] = program.depot_path([inside(path) for path in [first, *params["depots"]]])
        env["JULIA_LOAD_PATH"] = load_path(project)
    else:
        env["JULIA_DEPOT_PATH"] = inside(first)
    if runner.sandbox is None:
        env.update(arguments.string_values(params["variables"]), HOME=first)
    request = {"project": project, "workload": params["workload"], "started_at": time.time()}
    return runner.run("check.jl", request, env, [CHECK_BOUNDS] if params["check_bounds"] else [])


def compiled_in(depot: str) -> list[str]:
    """The packages whose caches were written into the first depot (``compiled/v1.10/<package>/<slug>.ji``)."""
    found = set()
    for parent, _folders, files in os.walk(os.path.join(depot, "compiled")):
        if files:
            found.add(os.path.basename(parent))
    return sorted(found)


def _result(outcome: Outcome, compiled: list[str]) -> dict[str, Any]:
    ready, workload = outcome.first("ready"), outcome.first("workload")
    rejected = [match.groupdict() for match in _REJECTED.finditer(outcome.completed.stderr)]
    return {
        "changed": False,
        "actions": [],
        "packages": [{"package": event["package"], "seconds": event["seconds"]} for event in outcome.of("loaded")],
        "startup_seconds": ready["seconds"] if ready else None,
        "workload_seconds": workload["seconds"] if workload else None,
        "output": outcome.completed.stdout[-OUTPUT_TAIL:],
        "compiled": compiled,
        "rejected": rejected,
    }
