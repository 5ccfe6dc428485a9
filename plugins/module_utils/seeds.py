# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new build can take over on a builder: what the internal module ``depot_seeds`` finds."""

from __future__ import annotations

import os
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import Layout, Release, read_json

ARGUMENT_SPEC = {
    "staging": {"type": "path", "required": True},
    "store": {"type": "path", "required": True},
    "environment": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "arch": {"type": "str", "required": True},
    "build": {"type": "str", "required": True},
    "levels": {"type": "dict", "required": True},
    "variables": {"type": "dict", "default": {}},
    "platforms": {"type": "list", "elements": "str", "default": []},
}


def find(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Look for earlier builds: those of the same environment first, the newest before older ones.

    :returns: the module's result: ``depots`` with packages and artifacts, of all environments; ``platforms``, the same
        for each platform without caches; and ``caches``, for each level at most one depot with ``depot`` and
        ``built_below``. It was made by the same build of Julia for the same target with the same variables; what is
        stale in it all the same, Julia finds.
    """
    arch = params["arch"]
    own = params["environment"]
    earlier = [*_staged(params, own), *_published(params)]
    others = [
        release for name in trees.names(params["staging"]) if name != own for release, _path in _staged(params, name)
    ]
    everywhere = [*(release for release, _path in earlier), *others]
    caches: dict[str, list[dict[str, str]]] = {level: [] for level in params["levels"]}
    for release, path in earlier:
        for level in _levels(params, release):
            if not caches[level]:
                caches[level].append({"depot": release.level(arch, level), "built_below": path})
    return {
        "changed": False,
        "depots": _depots(everywhere, arch),
        "platforms": {triplet: _depots(everywhere, triplet) for triplet in params["platforms"]},
        "caches": caches,
    }


def _depots(found: Sequence[Release], name: str) -> list[str]:
    """What releases have for an architecture, or for a platform without caches."""
    return [depot for depot in (release.common(name) for release in found) if os.path.isdir(depot)]


def _staged(params: Mapping[str, Any], environment: str) -> Iterator[tuple[Release, str]]:
    """Staged releases, newest first, each with its path in the store."""
    folder = os.path.join(params["staging"], environment)
    releases = Layout(params["store"])
    found = [
        (_changed(staged.build(params["arch"])), name, staged)
        for name in trees.names(folder)
        if (environment, name) != (params["environment"], params["release"])
        for staged in [Release(os.path.join(folder, name), environment)]
    ]
    for _time, name, staged in sorted(found, key=lambda entry: entry[:2], reverse=True):
        yield staged, releases.release(environment, name).path


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:  # it is not complete, or gone by now
        return 0.0


def _published(params: Mapping[str, Any]) -> Iterator[tuple[Release, str]]:
    """The release in use, where this builder sees the store."""
    current = Layout(params["store"]).current(params["environment"])
    if os.path.isdir(current):
        path = os.path.realpath(current)
        yield Release(path, params["environment"]), path


def _levels(params: Mapping[str, Any], release: Release) -> list[str]:
    """The levels of a complete build whose caches can be of use."""
    build = read_json(release.build(params["arch"]))
    if (
        build is None
        or build.get("julia", {}).get("build") != params["build"]
        or build.get("variables") != params["variables"]
    ):
        return []
    return [
        level["name"] for level in build.get("levels", []) if params["levels"].get(level["name"]) == level["target"]
    ]
