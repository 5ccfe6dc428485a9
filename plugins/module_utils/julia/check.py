# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that all loads and nothing is compiled: what ``julia_depot_check`` and ``depot_release_check`` do."""

from __future__ import annotations

import os
import re
import tempfile
import time
from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import jobs
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import (
    BuildError,
    DepotError,
    InputError,
    JuliaError,
    ProcessError,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import arguments, program
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import probe, wrong_version
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.precompile import CHECK_BOUNDS, load_path
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Outcome, Runner
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import (
    RELEASE_SPEC,
    Release,
    given_store,
    release_of,
)

ARGUMENT_SPEC = dict(
    arguments.julia_spec(),
    **jobs.SPEC,
    project={"type": "path", "required": True},
    depots={"type": "list", "elements": "path", "required": True},
    workload={"type": "str", "default": ""},
    check_bounds={"type": "bool", "default": False},
)
RELEASE_CHECK_SPEC = dict(
    RELEASE_SPEC,
    **jobs.SPEC,
    workload={"type": "str", "default": ""},
    time_limit={"type": "int", "default": 7200},
    _bundle={"type": "path"},
)
# What Base.loading says of a cache that it does not take, under JULIA_DEBUG=loading (all versions).
_REJECTED = re.compile(r"Rejecting (?:stale )?cache file (?P<cache>.+?\.ji) (?P<reason>.*)")
OUTPUT_TAIL = 4000


def check(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Load everything, in a sandbox, with an empty first depot; run the workload; see whether the depot is still empty.

    It only reads, so check mode makes no difference.

    :returns: the module's result: ``packages``, ``startup_seconds``, ``workload_seconds``, ``compiled``, ``rejected``.
    :raises BuildError: something does not load, the workload fails, or something was compiled.
    """
    faults = arguments.faults_of_folders(project=[params["project"]])
    if faults:
        raise InputError(faults)
    with _prepared(params) as (programs, first):
        julia = probe(params["julia"], programs, params["julia_version"])
        readable = (julia.prefix, params["project"], *params["depots"])
        runner = arguments.enclosed(params, programs, readable=readable, writable=(first,))
        project, *depots = (runner.sandbox.inside(path) for path in (params["project"], first, *params["depots"]))
        env = {"JULIA_DEPOT_PATH": program.depot_path(depots), "JULIA_LOAD_PATH": load_path(project)}
        flags = [CHECK_BOUNDS] if params["check_bounds"] else []
        return _proof(_run(runner, project, params["workload"], env, flags), first)


def check_release(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The same for a published release, by its own command and in no sandbox: as a user of this node would meet it.

    It only reads. In check mode there need not be a release yet; then it is skipped.

    :returns: as :func:`check`, and ``release``, its name, and ``missing``, the architectures that it lacks.
    :raises InputError: faults of the inputs, or there is no such release.
    :raises BuildError: something does not load, the workload fails, or something was compiled.
    """
    release = release_of(given_store(params["store"]), params["environment"], params["release"]).settled()
    try:
        record = release.read_record()
    except InputError as error:
        if check_mode:
            return {"changed": False, "actions": [], "skipped": True, "skip_reason": error.message}
        raise
    told = {"release": release.name, "missing": record.get("missing", [])}
    try:
        with _prepared(params) as (programs, first):
            return dict(_proof(_run_release(params, release, record, programs, first), first), **told)
    except DepotError as error:
        error.details.update(told)
        raise


@contextmanager
def _prepared(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The folder of the programs, and the first depot, which is empty."""
    with program.unpacked(params["_bundle"]) as programs, tempfile.TemporaryDirectory(prefix="julia-check-") as first:
        yield programs, first


def _run_release(
    params: Mapping[str, Any], release: Release, record: Mapping[str, Any], programs: str, first: str
) -> Outcome:
    """Julia is started once, and says then which one it is."""
    runner = Runner(release.command, programs, sandbox=None, timeout=params["time_limit"])
    project = release.project(next(iter(record["architectures"])))  # it is the same for each
    try:
        outcome = _run(runner, project, params["workload"], {"JULIA_DEPOT_PATH": first, "HOME": first})
    except (JuliaError, ProcessError):
        probe(release.command, programs, record["julia"])  # what is no Julia says so better here
        raise
    version = outcome.first("julia")["version"]
    if version != record["julia"]:
        raise wrong_version(release.command, version, record["julia"])
    return outcome


def _run(runner: Runner, project: str, workload: str, env: Mapping[str, str], flags: Sequence[str] = ()) -> Outcome:
    request = {"project": project, "workload": workload, "started_at": time.time()}
    return runner.run("check.jl", request, dict(env, JULIA_DEBUG="loading", JULIA_PKG_PRECOMPILE_AUTO="0"), flags)


def _proof(outcome: Outcome, first: str) -> dict[str, Any]:
    """The result of the module.

    :raises BuildError: it is no proof.
    """
    compiled = compiled_in(first)
    result = _result(outcome, compiled)
    faults = [f"{event['what']} fails: {event['error']}" for event in outcome.of("failed")]
    if compiled:
        faults.append(f"compiled although a cache was to be there: {', '.join(compiled)}")
        faults += [f"{item['cache']} was rejected {item['reason']}" for item in result["rejected"]]
    if faults:
        raise BuildError("the depot is not proved:\n" + "\n".join(f"- {fault}" for fault in faults), **result)
    return result


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
