# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store holds: what the module ``depot_release_info`` does. Only files are read, and no lock is taken."""

from __future__ import annotations

import os
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import (
    STORE_SPEC,
    Layout,
    Release,
    fault_of_name,
    faults_of_store,
    given_store,
    read_json,
    store_root,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.directory import DirectoryStore
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import names

ARGUMENT_SPEC = {
    "store": STORE_SPEC,
    "environments": {"type": "list", "elements": "str", "default": []},
}
# Of a record, what is told as it is; packages are told by their number, since their list is long.
RECORD_KEYS = ("release", "environment", "published", "julia", "size", "missing", "inputs")
BUILD_KEYS = ("host", "origin", "size", "slimmed")
LEVEL_KEYS = ("name", "target", "totals", "size", "check", "rebuilt")


def info(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """What a store holds, environment by environment.

    :returns: the module's result: ``root``, and ``environments``, each with ``current``, ``previous``, ``releases``,
        the records of the current and the previous release, and their locks where these differ.
    :raises InputError: there is no such store, or a name is none.
    """
    given = given_store(params["store"])
    faults = [f"store: {fault}" for fault in faults_of_store(given)]
    found = [fault_of_name(name) for name in params["environments"]]
    faults += [f"environments: {fault}" for fault in found if fault]
    if faults:
        raise InputError(faults)
    layout = Layout(_readable(given))
    wanted = params["environments"] or [name for name in names(layout.environments) if not fault_of_name(name)]
    there = [name for name in wanted if os.path.isdir(layout.environment(name))]
    return {
        "changed": False,
        "actions": [],
        "root": store_root(given),
        "environments": [_environment(layout, name) for name in there],
    }


def _readable(store: Mapping[str, Any]) -> str:
    """Where what readers get is read on this machine: on a stratum-0 also while a transaction is open."""
    root = store_root(store)
    if store["type"] == "cvmfs":
        repository = Repository(store["repository"])
        if os.path.isdir(repository.read_only):
            return os.path.normpath(os.path.join(repository.read_only, os.path.relpath(root, repository.mount)))
    return root


def _environment(layout: Layout, name: str) -> dict[str, Any]:
    held = DirectoryStore(layout.root).held(name)
    current = layout.release(name, held.current) if held.current else None
    before = layout.release(name, held.previous) if held.previous else None
    locks = {"after": _lock(current), "before": _lock(before)} if current and before else {}
    return {
        "environment": name,
        "current": held.current,
        "previous": held.previous,
        "releases": [{"release": release, "published": published} for release, published in held.releases],
        "record": _record(current),
        "record_before": _record(before),
        "locks": {} if locks and locks["after"] == locks["before"] else locks,
    }


def _record(release: Release | None) -> dict[str, Any] | None:
    record = read_json(release.record) if release else None
    if record is None:
        return None
    told = _of(record, RECORD_KEYS)
    told["platforms"] = sorted(record.get("platforms") or {})
    told["architectures"] = {
        arch: {
            **_of(build, BUILD_KEYS),
            "packages": len(build.get("packages") or []),
            "artifacts": len(build.get("artifacts") or []),
            "levels": [_of(level, LEVEL_KEYS) for level in build.get("levels") or []],
        }
        for arch, build in (record.get("architectures") or {}).items()
        if build
    }
    return told


def _of(mapping: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: mapping[key] for key in keys if key in mapping}


def _lock(release: Release) -> str:
    """The text of the lock in a release; it is the same for each architecture. Empty where none can be read."""
    for arch in release.architectures():
        folder = release.project(arch)
        for name in names(folder):
            if name.startswith(("Manifest", "JuliaManifest")) and name.endswith(".toml"):
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as stream:
                    return stream.read()
    return ""
