# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments that the modules which run Julia share, and what is made of them."""

from __future__ import annotations

import os
from typing import Any, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import sandbox as sandboxes
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Runner
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import Mount, Sandbox

MOUNT_SPEC = {
    "source": {"type": "path", "required": True},
    "target": {"type": "path", "required": True},
}


def julia_spec() -> dict[str, Any]:
    """Of every module that starts Julia; documented in the fragment ``julia``."""
    return {
        "julia": {"type": "path", "required": True},
        "julia_version": {"type": "str"},
        "time_limit": {"type": "int", "default": 7200},
        "variables": {"type": "dict", "default": {}},
        "mounts": {"type": "list", "elements": "dict", "default": [], "options": MOUNT_SPEC},
        "_bundle": {"type": "path"},
    }


def lock_spec() -> dict[str, Any]:
    """Of every module that writes to a depot; documented in the fragment ``lock``."""
    return {"lock_timeout": {"type": "int", "default": 600}}


def faults_of_folders(**options: Sequence[str]) -> list[str]:
    """What options name that is no folder on this machine.

    :param options: by the option the paths that it gives.
    """
    return [
        f"{name}: {path} is not a folder on this machine"
        for name, paths in options.items()
        for path in paths
        if not os.path.isdir(path)
    ]


def enclosed(
    params: Mapping[str, Any],
    programs: str,
    readable: Sequence[str] = (),
    writable: Sequence[str] = (),
    network: bool = False,
) -> Runner:
    """A runner in a sandbox.

    :param readable: folders that must be seen even if they lie below ``/tmp`` of this machine.
    :param writable: folders that may be written to.
    :raises SandboxError: this machine cannot give one.
    """
    sandboxes.require()
    mounts = [Mount(mount["source"].rstrip("/"), mount["target"].rstrip("/")) for mount in params["mounts"]]
    inside = Sandbox(mounts=mounts).inside
    shown = [Mount(path, inside(path)) for path in readable]
    open_ = [Mount(path, inside(path), writable=True) for path in writable]
    return Runner(
        julia=params["julia"],
        programs=programs,
        sandbox=Sandbox(
            mounts=[*mounts, *shown, *open_], network=network, variables=string_values(params["variables"])
        ),
        timeout=params["time_limit"],
    )


def string_values(variables: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in variables.items()}
