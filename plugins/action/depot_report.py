# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the report on the controller: arguments in, ``plugin_utils/report``, result out."""

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import DepotError
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report import files
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.document import Known

DICTS = {"type": "list", "elements": "dict", "default": []}
NAMES = {"type": "list", "elements": "str", "default": []}
ARGUMENT_SPEC = {
    "folder": {"type": "path", "required": True},
    "store": {"type": "dict", "required": True},
    "held": DICTS,
    "builds": DICTS,
    "publishes": DICTS,
    "checks": DICTS,
    "lagging": DICTS,
    "benchmarks": DICTS,
    "builder_errors": {"type": "dict", "default": {}},
    "client_errors": {"type": "dict", "default": {}},
    "builders": NAMES,
    "clients": NAMES,
    "revision": {"type": "int"},
}


class ActionModule(ActionBase):
    """Needs no connection, and runs as the user who runs the playbook."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        del tmp  # unused for long, and kept by Ansible for its signature alone
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        given = json.loads(json.dumps(given))  # plain values, whatever classes Ansible has them of
        folder = given.pop("folder")
        try:
            told, planned = files.planned(Known(**given), folder)
            if not self._task.check_mode:
                files.write(planned)
        except DepotError as error:
            return {**result, **error.result(), "failed": True}
        except OSError as error:
            message = (
                f"folder: {error.filename or folder}: {error.strerror or error}; choose another depot_report_folder"
            )
            return {**result, "failed": True, "msg": message}
        changed = [file for file in planned if file.changed]
        result.update(
            changed=bool(changed),
            actions=[{"what": "file", "id": file.path, "status": file.status} for file in changed],
            path=next(file.path for file in planned if file.path.endswith(files.PAGE)),
            outcome=told["outcome"],
            summary=told["summary"],
        )
        if self._task.diff:
            result["diff"] = [
                {
                    "before_header": file.path,
                    "after_header": file.path,
                    "before": file.before or "",
                    "after": file.after,
                }
                for file in changed
                if file.path.endswith(files.DOCUMENT)
            ]
        return result
