# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing, activating, removing and pruning releases: what the module ``depot_release`` does."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from functools import partial
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import activation, jobs, progress, trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.transaction import Options
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError, StoreError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import (
    RECORD,
    fault_of_other_build,
    fault_of_tree,
    recorded_build,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import INCOMPLETE
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import DEFAULT_BUNDLE_ERROR
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import (
    LAYOUT,
    RELEASE_ID,
    STORE_SPEC,
    Release,
    fault_of_name,
    faults_of_store,
    given_store,
    read_json,
    store_root,
    write_json,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.base import Delivery, Store, explained
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.cvmfs import CvmfsStore
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.directory import DirectoryStore
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.plan import (
    Held,
    Step,
    Wanted,
    steps,
)

TOOL = {"name": "scisoft.julia_depots", "version": "0.1.0"}
STATES = ("published", "active", "absent", "pruned")

JULIA_SPEC = {
    "version": {"type": "str", "required": True},
    "arch": {"type": "str", "required": True},
    "build": {"type": "str", "required": True},
    "prefix": {"type": "path", "required": True},
}
MISSING_SPEC = {
    "arch": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
}
ARGUMENT_SPEC = {
    "store": STORE_SPEC,
    "environment": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "published"},
    "release": {"type": "str"},
    "source": {"type": "path"},
    "architectures": {"type": "list", "elements": "str", "default": []},
    "missing": {"type": "list", "elements": "dict", "default": [], "options": MISSING_SPEC},
    "platforms": {"type": "list", "elements": "str", "default": []},
    "julias": {"type": "list", "elements": "dict", "default": [], "options": JULIA_SPEC},
    "inputs": {"type": "dict", "default": {}},
    "activate": {"type": "bool", "default": True},
    "keep": {"type": "int", "default": 0},
    "lock_timeout": {"type": "int", "default": 600},
    "force": {"type": "bool", "default": False},
    "open_files_timeout": {"type": "int", "default": 60},
    "whitelist_days": {"type": "int", "default": 7},
    "_bundle": {"type": "path"},
    **jobs.SPEC,
}
REQUIRED_IF = [
    ("state", "published", ("release", "source")),
    ("state", "active", ("release",)),
    ("state", "absent", ("release",)),
    ("state", "pruned", ("keep",)),
]


def change(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring a store to what is asked for.

    The store is read first without any lock; where nothing is to be done, no lock is taken and no transaction opened.

    :returns: the module's result: ``changed``, ``release``, ``previous``, ``releases``, ``actions``, ``recovered``,
        ``revision``, ``removed_bytes``.
    :raises InputError: what was given cannot be published; nothing was touched.
    :raises StoreError: the store cannot do it; it is as it was.
    """
    os.umask(0o022)
    _validate(params)
    store = _store(params)
    environment = params["environment"]
    store.warnings += [
        f"release {params['release']} of {environment} has nothing for {entry['arch']}: {entry['reason']}"
        for entry in params["missing"]
    ]
    wanted = _wanted(params)
    left = store.left_behind()
    if check_mode and any(entry["what"] in ("mount", "transaction") for entry in left):
        store.warnings.append(f"store: what {store.layout.root} holds is seen once what a dead run left is put right")
        return _result(store, environment, Held(), [], left, removed=0, happened=False)
    if check_mode or not left:
        held, todo = _plan(params, store, wanted)
        if check_mode or not todo:
            removed = _removed_bytes(store, environment, todo)
            return _result(store, environment, held, todo, left, removed, happened=False)
    with store.exclusive(params["lock_timeout"]) as recovered:
        _held, todo = _plan(params, store, wanted)  # another writer may have been there while we waited
        removed = _removed_bytes(store, environment, todo)
        delivery = _delivery(params, store) if params["state"] == "published" else None
        if todo:
            with store.transaction(environment, todo, delivery):
                for number, step in enumerate(todo):
                    progress.tell(step.verb, f"{step.what} {step.id}", done=number, total=len(todo))
                    store.take(environment, step, delivery)
        return _result(store, environment, store.held(environment), todo, recovered, removed, happened=True)


def _store(params: Mapping[str, Any]) -> Store:
    root = store_root(given_store(params["store"]))
    if params["store"]["type"] == "directory":
        return DirectoryStore(root)
    options = Options(
        force=params["force"],
        open_files_timeout=params["open_files_timeout"],
        whitelist_days=params["whitelist_days"],
    )
    return CvmfsStore(Repository(params["store"]["repository"]), root, options)


def _plan(params: Mapping[str, Any], store: Store, wanted: Wanted) -> tuple[Held, list[Step]]:
    """What the store holds, and the steps from there to what is wanted."""
    with explained(store.layout.root):
        held = store.held(params["environment"])
        todo = steps(held, wanted)
        if params["state"] == "published":
            _compare_julias(params, store, held)
    return held, todo


def _removed_bytes(store: Store, environment: str, todo: list[Step]) -> int:
    """Bytes of the releases that are to be removed, as their records tell."""
    records = [
        read_json(store.published.release(environment, step.id).record) for step in todo if step.status == "removed"
    ]
    return sum(record["size"]["bytes"] for record in records if record and "size" in record)


def _validate(params: Mapping[str, Any]) -> None:
    faults = []
    fault = fault_of_name(params["environment"])
    if fault:
        faults.append(f"environment: {fault}")
    faults += [f"store: {fault}" for fault in faults_of_store(given_store(params["store"]))]
    path = params["store"]["path"]
    if params["store"]["type"] == "directory" and os.path.lexists(path) and not os.path.isdir(path):
        faults.append(f"store: path: {path} is not a folder")
    release = params["release"]
    names = ("previous",) if params["state"] == "active" else ()
    if release is not None and release not in names and not RELEASE_ID.match(release):
        faults.append(f"release: {release!r} is not the name of a release (16 hexadecimal digits)")
    if params["keep"] < 0:
        faults.append(f"keep: {params['keep']} is less than 0")
    if params["state"] == "published":
        faults += _faults_of_source(params)
    if faults:
        raise InputError(faults)


def _faults_of_source(params: Mapping[str, Any]) -> list[str]:
    """Why a staged release cannot be published: every architecture in it must be complete and checked."""
    source = params["source"]
    if not os.path.isdir(source):
        return [f"source: {source} is not a folder on this machine"]
    staged = Release(source, params["environment"])
    there = staged.architectures()
    faults = [
        f"source: {source} has no complete build for {arch}" for arch in params["architectures"] if arch not in there
    ]
    if not there:
        faults.append(f"source: {source} holds no complete build (no <architecture>/build.json)")
    for arch in there:
        faults += [f"source: {arch}: {fault}" for fault in _faults_of_build(staged, arch)]
    without_caches = staged.platforms()
    faults += [
        f"source: {source} has not all packages for the platform {triplet}"
        for triplet in params["platforms"]
        if triplet not in without_caches
    ]
    for triplet in without_caches:
        faults += [f"source: {triplet}: {fault}" for fault in _faults_of_platform(staged, triplet)]
    without = sorted(set(there) - {julia["arch"] for julia in params["julias"]})
    faults += [f"julias: none for {arch}, whose build is in {source}" for arch in without]
    faults += [
        f"missing: {entry['arch']} is called missing, but {source} has a build for it"
        for entry in params["missing"]
        if entry["arch"] in there
    ]
    faults += [fault for fault in (fault_of_tree(julia["prefix"]) for julia in params["julias"]) if fault]
    faults += [
        f"julias: {julia['prefix']} has no bin/julia"
        for julia in params["julias"]
        if not os.access(os.path.join(julia["prefix"], "bin", "julia"), os.X_OK)
    ]
    return faults


def _faults_of_build(staged: Release, arch: str) -> list[str]:
    if os.path.exists(os.path.join(staged.common(arch), INCOMPLETE)):
        return ["the packages were not installed to the end"]
    if not os.path.isfile(staged.levels(arch)):
        return ["there is no levels file"]
    build = read_json(staged.build(arch)) or {}
    levels = build.get("levels") or []
    faults = [] if levels else ["its build.json names no level"]
    for level in levels:
        if not os.path.isdir(staged.level(arch, level["name"])):
            faults.append(f"level {level['name']} is missing")
        if level.get("check", {}).get("compiled") != []:
            faults.append(f"level {level['name']} was not checked")
    return faults


def _faults_of_platform(staged: Release, triplet: str) -> list[str]:
    faults = []
    if os.path.exists(os.path.join(staged.common(triplet), INCOMPLETE)):
        faults.append("the packages were not installed to the end")
    if not os.path.isdir(staged.project(triplet)):
        faults.append("the environment is missing")
    if (read_json(staged.platform(triplet)) or {}).get("triplet") != triplet:
        faults.append("its platform.json is not about it")
    return faults


def _wanted(params: Mapping[str, Any]) -> Wanted:
    release, state = params["release"], params["state"]
    if state == "published":
        return Wanted(
            publish=release,
            julias=[(julia["version"], julia["arch"]) for julia in params["julias"]],
            activate=release if params["activate"] else None,
            keep=params["keep"],
        )
    if state == "active":
        return Wanted(activate=release, keep=params["keep"])
    if state == "absent":
        return Wanted(remove=[release], keep=params["keep"])
    return Wanted(keep=params["keep"])


def _compare_julias(params: Mapping[str, Any], store: Store, held: Held) -> None:
    """Refuse another build of a version that the store holds already: the depots of either would be stale."""
    faults = []
    for julia in params["julias"]:
        key = (julia["version"], julia["arch"])
        if key not in held.julias:
            continue
        there = recorded_build(store.published.julia(*key))
        fault = fault_of_other_build(there, julia, store.layout.julia(*key))
        faults += [f"julias: {fault}"] if fault else []
    if faults:
        raise InputError(faults)


def _delivery(params: Mapping[str, Any], store: Store) -> Delivery:
    return Delivery(
        source=params["source"],
        finish=partial(_finish_release, params, store),
        julias={
            (julia["version"], julia["arch"]): (julia["prefix"], partial(_finish_julia, julia))
            for julia in params["julias"]
        },
    )


def _finish_julia(julia: Mapping[str, str], folder: str) -> None:
    """Record of which build a published tree is."""
    path = os.path.join(folder, RECORD)
    record = dict(read_json(path) or {}, version=julia["version"], arch=julia["arch"], build=julia["build"])
    write_json(path, record)


def _finish_release(params: Mapping[str, Any], store: Store, folder: str) -> None:
    """Give a copy of a staged release what its users start with, and its record."""
    environment = params["environment"]
    version = params["julias"][0]["version"]
    path = store.layout.release(environment, params["release"]).path
    staged = Release(folder, environment)
    templates = _templates(params["_bundle"])
    try:
        files = activation.render(
            templates,
            release=path,
            root=store.layout.root,
            environment=environment,
            version=version,
            platforms=staged.platforms(),
        )
    except ValueError as error:
        raise InputError(str(error).splitlines()) from error
    for name, file in files.items():
        destination = os.path.join(folder, name)
        os.makedirs(os.path.dirname(destination), exist_ok=True)
        with open(destination, "w", encoding="utf-8") as stream:
            stream.write(file.text)
        os.chmod(destination, file.mode)
    write_json(
        staged.record,
        {
            "schema": LAYOUT,
            "release": params["release"],
            "environment": environment,
            "published": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
            "tool": TOOL,
            "store": store.layout.root,
            "julia": version,
            "inputs": params["inputs"],
            "architectures": {arch: read_json(staged.build(arch)) for arch in staged.architectures()},
            "missing": params["missing"],
            "platforms": {triplet: read_json(staged.platform(triplet)) for triplet in staged.platforms()},
            "size": _size(params["source"], files).as_dict(),
        },
    )


def _size(source: str, files: Mapping[str, activation.RenderedFile]) -> trees.Count:
    """What a release has for its users, counted where that is quick: in a repository each file is asked for."""
    size = trees.count(source)
    folders = {os.path.dirname(name) for name in files} - {""}
    size.entries += len(files) + sum(not os.path.isdir(os.path.join(source, folder)) for folder in folders)
    size.bytes += sum(len(file.text.encode()) for file in files.values())
    return size


def _templates(bundle: str | None) -> dict[str, str]:
    if not bundle:
        raise StoreError(DEFAULT_BUNDLE_ERROR)
    with open(bundle, encoding="utf-8") as stream:
        return json.load(stream)


def _result(
    store: Store,
    environment: str,
    held: Held,
    todo: list[Step],
    recovered: list[dict[str, str]],
    removed: int,
    happened: bool,
) -> dict[str, Any]:
    current, previous = held.current, held.previous
    if not happened:  # check mode, or nothing to do: say how it would be
        for step in todo:
            if step.status == "activated":
                current, previous = step.id, current
    return {
        "changed": bool(todo or recovered or store.actions),
        "release": current,
        "previous": previous,
        "releases": [{"release": release, "published": published} for release, published in held.releases],
        "actions": [*store.actions, *(step.action() for step in todo)],
        "recovered": recovered,
        "revision": store.revision(),
        "removed_bytes": removed,
        "path": store.layout.current(environment),
        "warnings": store.warnings,
    }
