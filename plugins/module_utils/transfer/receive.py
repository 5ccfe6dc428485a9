# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what builders staged to folders that can be published here: what the module ``depot_incoming`` does.

A *tree* is one architecture of a staged release, a platform without caches of one, or a Julia. It is a mapping with
``id``, ``label`` (for people), ``builder``, ``path`` and ``workdir`` (both on the builder), ``requires`` (what must be
in it), and later ``way``, ``place`` (where it is or will be on this machine) and ``size`` in bytes.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import DepotError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import (
    fault_of_other_build,
    recorded_build,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import Layout, Release
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.incoming import MIB, Incoming
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.inventory import (
    Inventory,
    root_identity,
    scan,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.parcels import cut
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import names

STATES = ("planned", "compared", "expected", "unpacked", "complete", "assembled", "pruned")
TRANSFERS = ("auto", "shared", "controller")
# Ways of a tree: it is staged on this very host; it is the same folder; it is seen here as a shared one; it has
# arrived before; it is to be sent; its builder does not have it.
LOCAL, SAME, SHARED, ARRIVED, SEND, MISSING = "local", "same", "shared", "arrived", "send", "missing"
MAX_PARCEL_MIB = 1024

ARGUMENT_SPEC = {
    "state": {"type": "str", "choices": list(STATES), "required": True},
    "workdir": {"type": "path", "required": True},
    "store_root": {"type": "path"},
    "host": {"type": "str"},
    "releases": {"type": "list", "elements": "dict"},
    "trees": {"type": "list", "elements": "dict"},
    "listings": {"type": "dict", "default": {}},
    "transfer": {"type": "str", "choices": list(TRANSFERS), "default": "auto"},
    "shared": {"type": "dict", "default": {}},
    "id": {"type": "str"},
    "source": {"type": "path"},
    "size": {"type": "int", "default": 0},
    "parcel_size": {"type": "int", "default": 64},
    "links_to": {"type": "list", "elements": "path", "default": []},
    "inventory": {"type": "str"},
    "number": {"type": "int"},
    "sha256": {"type": "str"},
    "places": {"type": "dict"},
    "keep": {"type": "int", "default": 1},
    "lock_timeout": {"type": "int", "default": 600},
    "_file": {"type": "path"},
}
REQUIRED_IF = [
    ("state", "planned", ("store_root", "host", "releases")),
    ("state", "compared", ("host", "trees")),
    ("state", "expected", ("id", "source")),
    ("state", "unpacked", ("id", "source", "inventory", "number", "sha256")),
    ("state", "complete", ("id",)),
    ("state", "assembled", ("store_root", "releases", "places")),
    ("state", "pruned", ("store_root", "releases")),
]


def take(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Take one step on the way of a release to this machine.

    :returns: the module's result: ``changed``, ``actions``, and what the step is for.
    :raises InputError: what was given, or what a builder sent, cannot be used.
    :raises StoreError: a tree cannot be laid out here.
    """
    os.umask(0o022)
    steps = {
        "planned": _planned,
        "compared": _compared,
        "expected": _expected,
        "unpacked": _unpacked,
        "complete": _complete,
        "assembled": _assembled,
        "pruned": _pruned,
    }
    actions, result = steps[params["state"]](params, Incoming(params["workdir"], params["lock_timeout"]), check_mode)
    return dict(result, changed=bool(actions), actions=actions)


Step = Tuple[List[Dict[str, str]], Dict[str, Any]]  # actions, and what else the result holds


# --- what has to be here


def _planned(params: Mapping[str, Any], incoming: Incoming, _check_mode: bool) -> Step:
    layout = Layout(params["store_root"])
    releases: list[dict[str, Any]] = []
    trees: dict[str, dict[str, Any]] = {}
    faults: list[str] = []
    for given in params["releases"]:
        stored = layout.release(given["environment"], given["release"])
        if os.path.isfile(stored.record):
            julias = [dict(one, prefix=layout.julia(one["version"], one["arch"])) for one in given["julias"]]
            releases.append(dict(given, stored=True, source=stored.path, julias=julias))
            continue
        releases.append(dict(given, stored=False))
        for staging in [*given["stagings"], *given.get("platforms", ())]:
            found = [_release_tree(given, staging)]
            if "julia" in staging and not _in_store(layout, staging["julia"], faults):
                found.append(_julia_tree(staging))
            for tree in found:
                incoming.whole(tree["id"])
                trees.setdefault(tree["id"], dict(tree, builder=staging["builder"] or params["host"]))
    if faults:
        raise InputError(sorted(set(faults)))
    return [], {"releases": releases, "trees": list(trees.values())}


def _release_tree(release: Mapping[str, Any], staging: Mapping[str, Any]) -> dict[str, Any]:
    staged = Release(staging["source"], release["environment"])
    name = _name(staging)
    record = staged.build(name) if "arch" in staging else staged.platform(name)
    return {
        "id": _release_id(release, name),
        "label": f"{release['environment']} {release['release']} for {name}",
        "path": staged.arch(name),
        "workdir": staging["workdir"],
        "requires": os.path.basename(record),
    }


def _name(staging: Mapping[str, Any]) -> str:
    """The folder below a release: that of an architecture, or of a platform without caches."""
    return staging["arch"] if "arch" in staging else staging["triplet"]


def _release_id(release: Mapping[str, Any], name: str) -> str:
    return f"releases/{release['environment']}/{release['release']}/{name}"


def _julia_tree(staging: Mapping[str, Any]) -> dict[str, Any]:
    julia = staging["julia"]
    return {
        "id": _julia_id(julia),
        "label": f"Julia {julia['version']} for {julia['arch']}",
        "path": julia["prefix"],
        "workdir": staging["workdir"],
        "requires": os.path.join("bin", "julia"),
    }


def _julia_id(julia: Mapping[str, str]) -> str:
    return "julia/{version}/{arch}/{build}".format(**julia)


def _in_store(layout: Layout, julia: Mapping[str, str], faults: list[str]) -> bool:
    """Whether the store has a Julia; that it has another build of it is a fault."""
    path = layout.julia(julia["version"], julia["arch"])
    if not os.path.isdir(path):
        return False
    fault = fault_of_other_build(recorded_build(path), julia, path)
    if fault:
        faults.append(fault)
    return True


# --- what of it is here


def _compared(params: Mapping[str, Any], incoming: Incoming, check_mode: bool) -> Step:
    trees, faults = [], []
    for tree in params["trees"]:
        listing = params["listings"].get(tree["id"])
        if tree["builder"] == params["host"]:
            way = LOCAL if os.path.exists(os.path.join(tree["path"], tree["requires"])) else MISSING
            place = tree["path"]
        else:
            way, place = _way(params, incoming, tree, listing, faults)
        if way == MISSING and not check_mode:
            faults.append(
                f"{tree['label']}: builder {tree['builder']} has no {tree['requires']} in {tree['path']}, so it is not "
                "complete there; run the playbook build"
            )
        size = listing["size"] if listing else 0
        comes = way != MISSING and not (check_mode and way == SEND)
        trees.append(dict(tree, way=way, place=place if comes else "", size=size))
    if faults:
        raise InputError(faults)
    return [], {"trees": trees}


def _way(
    params: Mapping[str, Any],
    incoming: Incoming,
    tree: Mapping[str, Any],
    listing: Mapping[str, Any] | None,
    faults: list[str],
) -> tuple[str, str]:
    """How a tree of another host comes here, and where it is or will be."""
    if not listing:
        return MISSING, ""
    here = _seen_here(params["shared"], tree)
    if params["transfer"] == "auto" and _is_same_folder(here, listing):
        return SAME, here
    if params["transfer"] == "shared":
        if _digest(here) == listing["digest"]:
            return SHARED, here
        if tree["id"].startswith("releases/"):
            faults.append(
                f"depot_publish_transfer: shared, but {here} on {params['host']} is not what {tree['builder']} has in "
                f"{tree['path']} ({tree['label']}); let depot_publish_shared say where the folder "
                f"{tree['workdir']} of {tree['builder']} is seen, or take controller"
            )
            return MISSING, ""
    if incoming.is_whole(tree["id"], listing["digest"]):
        return ARRIVED, incoming.whole(tree["id"])
    return SEND, incoming.whole(tree["id"])


def _seen_here(shared: Mapping[str, str], tree: Mapping[str, Any]) -> str:
    """Where this machine would see a builder's path."""
    path, workdir = tree["path"], (tree["workdir"] or "").rstrip("/")
    if workdir and tree["builder"] in shared and path.startswith(workdir + "/"):
        return str(shared[tree["builder"]]).rstrip("/") + path[len(workdir) :]
    return path


def _is_same_folder(path: str, listing: Mapping[str, Any]) -> bool:
    """Whether a folder here is the very one that was listed: each entry has the same inode and time of change."""
    try:
        return root_identity(path) == listing["root"] and scan(path).identity == listing["identity"]
    except (OSError, DepotError):
        return False


def _digest(path: str) -> str | None:
    try:
        return scan(path).digest
    except (OSError, DepotError):
        return None


# --- a tree comes


def _expected(params: Mapping[str, Any], incoming: Incoming, check_mode: bool) -> Step:
    if not 1 <= params["parcel_size"] <= MAX_PARCEL_MIB:
        raise InputError([f"depot_publish_parcel_size: {params['parcel_size']} is not from 1 to {MAX_PARCEL_MIB} MiB"])
    incoming.whole(params["id"])
    if check_mode:
        return [_tree(params["id"], "received")], {"size": params["size"]}
    inventory = Inventory.load(params["_file"] or params["source"])
    plan = incoming.expect(params["id"], inventory, params["parcel_size"] * MIB, params["links_to"])
    parcels = cut(plan.size, plan.parcel_size)
    return [], {
        "inventory": plan.seal,
        "needed": plan.needed,
        "parcels": parcels[plan.arrived :],
        "total": len(parcels),
        "size": plan.size,
        "reused": plan.reused,
    }


def _unpacked(params: Mapping[str, Any], incoming: Incoming, check_mode: bool) -> Step:
    if check_mode:
        return [], {}
    parcel = params["_file"] or params["source"]
    due = incoming.unpack(params["id"], params["inventory"], params["number"], parcel, params["sha256"])
    return [{"what": "parcel", "id": f"{params['id']} {params['number']}", "status": "unpacked"}] if due else [], {}


def _complete(params: Mapping[str, Any], incoming: Incoming, check_mode: bool) -> Step:
    if not check_mode:
        incoming.complete(params["id"])
    return [_tree(params["id"], "received")], {}


def _tree(tree: str, status: str) -> dict[str, str]:
    return {"what": "tree", "id": tree, "status": status}


# --- all is here


def _assembled(params: Mapping[str, Any], incoming: Incoming, check_mode: bool) -> Step:
    layout = Layout(params["store_root"])
    actions: list[dict[str, str]] = []
    releases = []
    for release in params["releases"]:
        if release["stored"]:
            releases.append(dict(release, pending=False))
            continue
        parts = [_name(staging) for staging in [*release["stagings"], *release.get("platforms", ())]]
        places = {name: params["places"][_release_id(release, name)] for name in parts}
        julias = [
            dict(one, prefix=params["places"].get(_julia_id(one), layout.julia(one["version"], one["arch"])))
            for one in release["julias"]
        ]
        pending = not all(places.values()) or not all(one["prefix"] for one in julias)
        source = "" if pending else _together(places)
        if not pending and not source:
            source = os.path.dirname(incoming.whole(_release_id(release, next(iter(places)))))
            todo = _assemble(release, places, incoming, check_mode)
            pending = check_mode and bool(todo)
            actions += todo
        releases.append(dict(release, source=source, julias=julias, pending=pending))
    return actions, {"releases": releases}


def _together(places: Mapping[str, str]) -> str:
    """The folder in which these lie together, by their names and with nothing beside; empty where there is none."""
    parents = {os.path.dirname(place) for place in places.values()}
    parent = parents.pop()
    named = all(os.path.basename(place) == name for name, place in places.items())
    return parent if named and not parents and names(parent) == sorted(places) else ""


def _assemble(
    release: Mapping[str, Any], places: Mapping[str, str], incoming: Incoming, check_mode: bool
) -> list[dict[str, str]]:
    """Bring architectures and platforms of a release together; what was done, or would be."""
    actions = []
    for part, place in places.items():
        tree = _release_id(release, part)
        if place == incoming.whole(tree) or incoming.is_whole(tree, scan(place).digest):
            continue
        if not check_mode:
            incoming.adopt(tree, place)
        actions.append(_tree(tree, "copied"))
    name = f"releases/{release['environment']}/{release['release']}"
    foreign = sorted(set(names(os.path.join(incoming.root, name))) - set(places))
    if foreign and not check_mode:
        incoming.remove([f"{name}/{one}" for one in foreign])
    return actions + [{"what": "leftover", "id": f"{name}/{one}", "status": "removed"} for one in foreign]


# --- afterwards


def _pruned(params: Mapping[str, Any], incoming: Incoming, check_mode: bool) -> Step:
    if params["keep"] < 0:
        raise InputError([f"depot_publish_keep_incoming: {params['keep']} is less than 0"])
    layout = Layout(params["store_root"])
    current = {release["environment"]: release["release"] for release in params["releases"]}
    old = incoming.outdated(current, params["keep"])
    for tree in incoming.julias():
        _kind, version, arch, build = tree.split("/")
        if recorded_build(layout.julia(version, arch)) == build:
            old.append(tree)
    if old and not check_mode:
        incoming.remove(old)
    return [_tree(tree, "removed") for tree in old], {}
