# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a depot holds: what the module ``julia_depot_info`` tells."""

from __future__ import annotations

import os
import re
from typing import Any, Iterator, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import images, program
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.caches import find_caches
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import probe
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Runner
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import names

PROBE_TARGETS_SECONDS = 600
ARGUMENT_SPEC = {
    "depot": {"type": "path"},
    "julia": {"type": "path"},
    "julia_version": {"type": "str"},
    "_bundle": {"type": "path"},
}
_VERSION = re.compile(r'^version\s*=\s*"([^"]*)"')


def info(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Read a depot, and ask a Julia what it is; nothing is changed.

    :returns: the module's result: ``julia``, and ``packages``, ``artifacts``, ``caches``, ``environments``, ``size``.
    :raises InputError: there is no such folder.
    :raises JuliaError: the executable is not the Julia that is asked for.
    """
    depot = params["depot"]
    if depot and not os.path.isdir(depot):
        raise InputError([f"depot: {depot} is not a folder on this machine"])
    result: dict[str, Any] = {"changed": False}
    if depot:
        result.update(_depot(depot))
    if params["julia"]:
        with program.unpacked(params["_bundle"]) as programs:
            julia = probe(params["julia"], programs, params["julia_version"])
            result["julia"] = julia.as_dict()
            if depot:
                _add_targets(Runner(params["julia"], programs, None, PROBE_TARGETS_SECONDS), depot, result["caches"])
    return result


def _depot(depot: str) -> dict[str, Any]:
    parts = {name: trees.count(os.path.join(depot, name)) for name in names(depot)}
    size = trees.Count(entries=len(parts))
    for part in parts.values():
        size.add(part)
    return {
        "packages": list(_packages(depot)),
        "artifacts": names(os.path.join(depot, "artifacts")),
        "caches": list(find_caches(depot)),
        "environments": names(os.path.join(depot, "environments")),
        "size": dict(size.as_dict(), parts={name: part.as_dict() for name, part in parts.items()}),
    }


def _packages(depot: str) -> Iterator[dict[str, Any]]:
    """``packages/<name>/<slug>``: one entry a version."""
    folder = os.path.join(depot, "packages")
    for name in names(folder):
        for slug in names(os.path.join(folder, name)):
            path = os.path.join(folder, name, slug)
            yield {"name": name, "version": _project_version(path), "path": path}


def _project_version(folder: str) -> str | None:
    """The version in a project file: a top-level key, so it stands before the first table."""
    for name in ("JuliaProject.toml", "Project.toml"):
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as stream:
                for line in stream:
                    if line.startswith("["):
                        break
                    match = _VERSION.match(line)
                    if match:
                        return match.group(1)
        except OSError:
            continue
    return None


def _add_targets(runner: Runner, depot: str, caches: list[dict[str, Any]]) -> None:
    if not caches:
        return
    outcome = images.tell(runner, [depot], caches=[cache["path"] for cache in caches])
    read = {event["path"]: event for event in outcome.of("cache")}
    for cache in caches:
        cache["targets"] = read[cache["path"]]["targets"]
