# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the users of a node find there: module files, profile snippets and a command, all by way of ``current``.

They lead into the store, so they stay as they are when a release is published, and may be there before the first one.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import release as releases
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import replace_file

ARGUMENT_SPEC: dict[str, Any] = {
    "store": releases.STORE_SPEC,
    "environments": {"type": "list", "elements": "str", "required": True},
    "modules": {"type": "path", "default": ""},
    "profile": {"type": "path", "default": ""},
    "bin": {"type": "path", "default": ""},
    "default": {"type": "str", "default": ""},
}
# Ending of a module file's name -> the file of a release that it leads to.
MODULE_FILES = {".lua": "modulefile.lua", "": "modulefile.tcl"}
PROFILES = {
    "sh": """\
# Managed by Ansible, scisoft.julia_depots
# The Julia environment {default}, where its store can be reached.
# shellcheck shell=sh
if [ -r '{current}/setup.sh' ]; then
    # shellcheck disable=SC1091
    . '{current}/setup.sh'
fi
""",
    "csh": """\
# Managed by Ansible, scisoft.julia_depots
# The Julia environment {default}, where its store can be reached.
if ( -r '{current}/setup.csh' ) then
    source '{current}/setup.csh'
endif
""",
}


@dataclass(frozen=True)
class Link:
    """A link into the store. What else is at its place may be replaced if it is a link, too."""

    path: str
    target: str
    what = "link"

    @property
    def before(self) -> str:
        return os.readlink(self.path) if os.path.islink(self.path) else ""

    @property
    def after(self) -> str:
        return self.target

    @property
    def is_there(self) -> bool:
        return self.before == self.target

    def make(self) -> None:
        with tempfile.TemporaryDirectory(prefix=".julia-depots-", dir=os.path.dirname(self.path)) as room:
            made = os.path.join(room, "link")
            os.symlink(self.target, made)
            os.replace(made, self.path)


@dataclass(frozen=True)
class Text:
    """A file that anybody may read."""

    path: str
    after: str
    what = "file"
    MODE = 0o644

    @property
    def before(self) -> str:
        try:
            with open(self.path, encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except FileNotFoundError:
            return ""

    @property
    def is_there(self) -> bool:
        return (
            os.path.isfile(self.path) and self.before == self.after and os.stat(self.path).st_mode & 0o777 == self.MODE
        )

    def make(self) -> None:
        replace_file(self.path, self.after.encode(), self.MODE)


def provide(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Make what is not there yet.

    :returns: the module's result: ``changed``, ``actions`` and ``diff``.
    :raises InputError: faults of the inputs, or somebody else's file is at a place; nothing was changed.
    """
    root = _root(params)
    entrances = _entrances(params, root)
    faults = _taken(entrances, root, params["bin"])
    if faults:
        raise InputError(faults)
    missing = [entrance for entrance in entrances if not entrance.is_there]
    result = {
        "changed": bool(missing),
        "actions": [{"what": entrance.what, "id": entrance.path, "status": "made"} for entrance in missing],
        "diff": [
            {
                "before_header": entrance.path,
                "after_header": entrance.path,
                "before": entrance.before,
                "after": entrance.after,
            }
            for entrance in missing
        ],
    }
    if not check_mode:
        for entrance in missing:
            _make_folder(os.path.dirname(entrance.path))
            entrance.make()
    return result


def _root(params: Mapping[str, Any]) -> str:
    """The root of the store, once all inputs are found to be right."""
    store = releases.given_store(params["store"])
    faults = [f"store: {fault}" for fault in releases.faults_of_store(store)]
    faults += [f"environments: {fault}" for fault in map(releases.fault_of_name, params["environments"]) if fault]
    for name in ("modules", "profile", "bin"):
        if params[name] and not params[name].startswith("/"):
            faults.append(f"{name}: {params[name]!r} is not an absolute path")
    if (params["profile"] or params["bin"]) and params["default"] not in params["environments"]:
        faults.append(
            f"default: {params['default']!r} is not one of the environments {', '.join(params['environments'])}, but"
            " profile or bin needs it"
        )
    if faults:
        raise InputError(faults)
    return releases.store_root(store)


def _entrances(params: Mapping[str, Any], root: str) -> list[Link | Text]:
    layout = releases.Layout(root)
    entrances: list[Link | Text] = []
    if params["modules"]:
        entrances += [
            Link(os.path.join(params["modules"], "julia", name + ending), os.path.join(layout.current(name), file))
            for name in params["environments"]
            for ending, file in MODULE_FILES.items()
        ]
    current = layout.current(params["default"])
    if params["profile"]:
        entrances += [
            Text(
                os.path.join(params["profile"], f"julia_depots.{shell}"),
                text.format(default=params["default"], current=current),
            )
            for shell, text in PROFILES.items()
        ]
    if params["bin"]:
        command = releases.Release(current, params["default"]).command
        entrances.append(Link(os.path.join(params["bin"], "julia"), command))
    return entrances


def _taken(entrances: list[Link | Text], root: str, commands: str) -> list[str]:
    """Places that are taken: by what is no link, or in the folder of commands also by a link out of the store."""
    faults = []
    for entrance in entrances:
        if not isinstance(entrance, Link) or not os.path.lexists(entrance.path):
            continue
        option = "bin" if os.path.dirname(entrance.path) == commands.rstrip("/") else "modules"
        elsewhere = option == "bin" and not entrance.before.startswith(root + "/")
        if elsewhere or not os.path.islink(entrance.path):
            faults.append(
                f"{option}: {entrance.path} is there already and is not a link into the store {root}. Remove it, or "
                "choose another folder."
            )
    return faults


def _make_folder(path: str) -> None:
    """Make a folder, and those above it, for everybody to look into; what is there stays as it is."""
    if os.path.isdir(path):
        return
    _make_folder(os.path.dirname(path))
    os.mkdir(path)
    os.chmod(path, 0o755)
