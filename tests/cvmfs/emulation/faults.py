# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults to order: fail, hang or die at a named step of a command. See the package's docstring."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from .speech import CommandError

VARIABLE = "CVMFS_EMULATION_FAULTS"

# In the order in which a command passes them.
STEPS = (
    "mkfs:start",
    "mkfs:before-mount",
    "rmfs:start",
    "list:start",
    "info:start",
    "transaction:start",
    "transaction:before-lock",  # nothing has changed
    "transaction:after-lock",  # the lock is there, the mount is read-only
    "transaction:after-open",  # the transaction is open
    "publish:start",
    "publish:before-sync",  # is_publishing.lock is held, the mount is read-only
    "publish:after-sync",  # the content is stored, the tag is not
    "publish:before-sign",  # nothing of the new revision is visible
    "publish:after-sign",  # the new revision is published, the mount is the old one
    "publish:before-remount",
    "publish:after-remount",  # the mount is the new revision, the locks are there
    "abort:start",
    "abort:umount",  # nothing has changed
    "abort:before-clear",  # nothing is mounted
    "abort:before-mount",  # the changes are gone
    "abort:before-unlock",  # the mount is read-only, the lock is there
    "tag:start",
    "tag:before-sign",  # a transaction of its own is open
    "tag:after-sign",
    "rollback:start",
    "rollback:before-sign",
    "rollback:after-sign",
    "check:start",
    "list-catalogs:start",
    "gc:start",
    "gc:before-sweep",  # a transaction of its own is open
    "gc:after-sweep",
    "resign:start",
    "resign:before-sign",
    "add-replica:start",
    "snapshot:start",
    "snapshot:before-pull",
    "snapshot:before-manifest",  # the content is there, the old revision is served
)
ACTIONS = ("fail", "hang", "die")
_KEYS = {"step", "action", "status", "stdout", "stderr", "times"}


def _checked(faults: list[dict], source: str) -> list[dict]:
    for fault in faults:
        unknown = set(fault) - _KEYS
        if unknown or fault.get("step") not in STEPS or fault.get("action") not in ACTIONS:
            raise CommandError(70, f"emulation: {source} holds a fault that does not exist: {json.dumps(fault)}\n")
        if fault.get("times", "once") not in ("once", "always"):
            raise CommandError(70, f"emulation: {source}: times must be once or always: {json.dumps(fault)}\n")
    return faults


def _happen(fault: dict) -> None:
    if fault["action"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault["action"] == "hang":
        while True:
            signal.pause()
    raise CommandError(fault.get("status", 1), fault.get("stderr", ""), fault.get("stdout", ""))


def _from_file(path: Path, key: str | None, step: str) -> None:
    """Let the first fault for the step happen that a file holds, as its list or under a key."""
    content = json.loads(path.read_text())
    faults = _checked(content.get(key, []) if key else content, str(path))
    for index, fault in enumerate(faults):
        if fault["step"] != step:
            continue
        if fault.get("times", "once") == "once":
            del faults[index]
            new = path.with_name(path.name + ".new")
            new.write_text(json.dumps(content, indent=2) + "\n")
            new.replace(path)
        _happen(fault)


def step(name: str, settings: Path | None = None) -> None:
    """Pass a step: here a fault happens that was ordered for it.

    Args:
        name: one of ``STEPS``
        settings: the ``emulation.json`` of the repository, if there is one
    """
    assert name in STEPS, name
    ordered = os.environ.get(VARIABLE, "").strip()
    if ordered.startswith("["):
        for fault in _checked(json.loads(ordered), VARIABLE):
            if fault["step"] == name:
                _happen(fault)
    elif ordered:
        _from_file(Path(ordered), None, name)
    if settings is not None and settings.is_file():
        _from_file(settings, "faults", name)
