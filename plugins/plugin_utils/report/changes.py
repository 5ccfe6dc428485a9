# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one release of an environment changes against the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import lock_changes
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.project import tables_of

COMMIT_DIGITS = 8
# What else went into a release, by its key among the inputs; see ``plan.release_inputs``.
INPUTS = {
    "project": "files of the project",
    "targets": "levels and CPU targets",
    "variables": "environment variables",
    "lazy_artifacts": "lazy artifacts",
    "registry": "registry",
    "check_bounds": "caches for sessions that check bounds",
    "slim": "what is left out",
    "platforms": "platforms without caches",
    "missing": "architectures that it lacks",
    "store": "place of the store",
}


def between(before: Mapping[str, Any], after: Mapping[str, Any], locks: Mapping[str, str]) -> dict[str, Any]:
    """What changed from one release to the next.

    :param before: the record of the earlier release, ``after`` that of the later one.
    :param locks: the texts of their Manifests, ``before`` and ``after``; none where they are the same.
    :returns: ``julia`` (``from`` and ``to``, or none), ``packages`` as :func:`lock_changes` tells them, and ``others``:
        what else differs, in words.
    """
    old, new = before.get("inputs") or {}, after.get("inputs") or {}
    julia = {"from": str(before.get("julia", "")), "to": str(after.get("julia", ""))}
    others = [words for key, words in INPUTS.items() if old.get(key) != new.get(key)]
    rebuilt = (old.get("julia") or {}).get("builds") != (new.get("julia") or {}).get("builds")
    if rebuilt and julia["from"] == julia["to"]:
        others.append("build of Julia")
    pinned = [
        {"lock": lock, "name": name, "uuid": uuid, "version": version}
        for lock in ("before", "after")
        for (name, uuid), version in pinned_by(locks.get(lock, "")).items()
    ]
    return {
        "julia": None if julia["from"] == julia["to"] else julia,
        "packages": [
            {key: change[key] for key in ("package", "status", "from", "to")} for change in lock_changes(pinned)
        ],
        "others": others,
    }


def pinned_by(text: str) -> dict[tuple[str, str], str]:
    """The packages of a Manifest by name and UUID, with their versions as people read them.

    Entries stand at the top in the first format, below ``deps`` in later ones (Pkg, "Manifest.toml").
    """
    tables = tables_of(text)
    deps = tables.get("deps") if "manifest_format" in tables else tables
    found = {}
    for name, entries in (deps or {}).items() if isinstance(deps, dict) else ():
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                found[name, str(entry.get("uuid", ""))] = _version(entry)
    return found


def _version(entry: Mapping[str, Any]) -> str:
    version = str(entry.get("version", ""))
    if "repo-rev" in entry or "repo-url" in entry:
        commit = str(entry.get("git-tree-sha1", ""))[:COMMIT_DIGITS]
        return f"{version} ({entry.get('repo-rev', 'a commit')} at {commit})".strip()
    return version
