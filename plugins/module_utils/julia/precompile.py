# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches of an environment for one CPU target: what the module ``julia_precompile`` does."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import jobs, trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import (
    arguments,
    images,
    program,
    resources,
    seed,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import (
    Installation,
    probe,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Runner
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock

SEED_SPEC = {"depot": {"type": "path", "required": True}, "built_below": {"type": "path"}}
ARGUMENT_SPEC = dict(
    arguments.julia_spec(),
    **arguments.lock_spec(),
    **jobs.SPEC,
    project={"type": "path", "required": True},
    depot={"type": "path", "required": True},
    package_depots={"type": "list", "elements": "path", "default": []},
    target={"type": "str", "default": "generic"},
    tasks={"type": "int"},
    seeds={"type": "list", "elements": "dict", "default": [], "options": SEED_SPEC},
    check_bounds={"type": "bool", "default": False},
)
CHECK_BOUNDS = "--check-bounds=yes"


def load_path(project: str) -> str:
    """The load path under which caches are made and used: the user's own projects, ours, the standard library.

    Preferences are merged over the load path and are part of a cache, so it must be the same in both places.
    """
    return f"@:@v#.#:{project}:@stdlib"


def precompile(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Compile what has no fresh cache yet, and see what all images hold.

    :returns: the module's result: ``changed``, ``actions``, ``packages`` (package, state, seconds, bytes), ``totals``,
        ``images``, ``seeded``, and ``check_bounds`` where such caches are asked for.
    :raises BuildError: a package failed; every failed one is named with its error, what compiled stays.
    """
    os.umask(0o022)
    _validate(params)
    with program.unpacked(params["_bundle"]) as programs:
        julia = probe(params["julia"], programs, params["julia_version"])
        with _place(params, julia, check_mode) as depot:
            taken = seed.pending(depot)
            build = _Build(params, _runner(params, programs, julia, depot), depot, dry_run=check_mode)
            packages, used = build.compile([], tell_caches=taken is not None)
            result = _result(packages)
            if params["check_bounds"]:
                packages, more = build.compile([CHECK_BOUNDS], tell_caches=taken is not None)
                _add_check_bounds(result, _result(packages))
                used += more
            result["seeded"] = seed.settle(depot, taken or seed.Taken(), used)
            result["images"] = images.read_back(build.runner, julia, depot, params["target"])
            if not check_mode:
                trees.remove_leftovers(depot)
    return result


@contextmanager
def _place(params: Mapping[str, Any], julia: Installation, check_mode: bool) -> Iterator[str]:
    """The depot, locked and seeded; in check mode one that stands in for it where it would have to be changed first."""
    depot, seeds = params["depot"], _seeds(params, julia)
    due = bool(seeds) and seed.is_due(depot)
    if check_mode and (due or not os.path.isdir(depot)):
        with tempfile.TemporaryDirectory(prefix="julia-depot-") as empty:
            if due:
                seed.take(empty, seeds)
            yield empty
        return
    with folder_lock(depot, params["lock_timeout"]):
        if due:
            seed.take(depot, seeds)
        yield depot


def _seeds(params: Mapping[str, Any], julia: Installation) -> list[Mapping[str, str]]:
    """Caches hold the path at which they were made before they are relocatable: then nothing can be taken over."""
    if julia.number < seed.FIRST_RELOCATABLE:
        return []
    own = os.path.realpath(params["depot"])
    return [given for given in params["seeds"] if os.path.realpath(given["depot"]) != own]


def _validate(params: Mapping[str, Any]) -> None:
    faults = arguments.faults_of_folders(project=[params["project"]], package_depots=params["package_depots"])
    if params["tasks"] is not None and params["tasks"] < 1:
        faults.append(f"tasks: {params['tasks']} is less than one")
    if faults:
        raise InputError(faults)


def _runner(params: Mapping[str, Any], programs: str, julia: Installation, depot: str) -> Runner:
    return arguments.enclosed(
        params,
        programs,
        readable=(julia.prefix, params["project"], *params["package_depots"]),
        writable=(depot,),
    )


@dataclass(frozen=True)
class _Build:
    """Compiling an environment, once or with several sets of flags."""

    params: Mapping[str, Any]
    runner: Runner
    depot: str
    dry_run: bool

    def compile(self, flags: Sequence[str], tell_caches: bool) -> tuple[list[dict[str, Any]], list[str]]:
        """What became of each package, and where asked for the caches that are used.

        :raises BuildError: some failed.
        """
        inside = self.runner.sandbox.inside
        project = inside(self.params["project"])
        depots = [self.depot, *self.params["package_depots"]]
        outcome = self.runner.run(
            "precompile.jl",
            {
                "project": project,
                "tasks": self.params["tasks"] or resources.default_tasks(),
                "tell_caches": tell_caches,
                "dry_run": self.dry_run,
            },
            {
                "JULIA_DEPOT_PATH": program.depot_path([inside(path) for path in depots]),
                "JULIA_LOAD_PATH": load_path(project),
                "JULIA_CPU_TARGET": self.params["target"],
                "JULIA_PKG_PRECOMPILE_AUTO": "0",
            },
            flags,
        )
        used = [self.runner.sandbox.outside(event["path"]) for event in outcome.of("used")]
        return _packages(outcome, self.params["target"]), used


def _packages(outcome: program.Outcome, target: str) -> list[dict[str, Any]]:
    packages = [
        {key: event[key] for key in ("package", "uuid", "extension", "state", "seconds", "bytes", "error")}
        for event in outcome.of("package")
    ]
    failed = [package for package in packages if package["state"] == "failed"]
    if failed:
        reasons = "\n".join(f"- {package['package']}: {package['error'].strip()}" for package in failed)
        raise BuildError(
            f"{len(failed)} of {len(packages)} packages failed to precompile for {target}:\n{reasons}",
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


def _add_check_bounds(result: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add the outcome for sessions that check bounds, for which Julia from 1.9 on takes caches of their own only."""
    result["changed"] = result["changed"] or more["changed"]
    result["actions"] += [dict(action, id=f"{action['id']} {CHECK_BOUNDS}") for action in more["actions"]]
    result["check_bounds"] = {"packages": more["packages"], "totals": more["totals"]}
