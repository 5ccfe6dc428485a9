# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries the collection's own files to the node, beside a module that needs them there.

Only Python that a module imports travels by itself. Julia programs, and what a release is given for its users, are
files of their own in the collection; they go as one JSON document ``{file name: text}``, whose path on the node
the module gets as ``_bundle``.

What may take long runs there as a job, which is followed until it ends, with a line from time to time that says how far
it is. One call follows after the other, so there is one connection at a time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import following

PLUGINS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Folders below plugins/ whose files a module needs; the others run Julia.
FOLDERS = {"depot_release": "release"}
DEFAULT_FOLDER = "julia"
JOBS = ("depot_release", "julia_depot_check", "julia_instantiate", "julia_precompile")


class ActionModule(ActionBase):
    """One action plugin for all modules that need such files."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        del tmp  # unused for long, and kept by Ansible for its signature alone
        module = self._task.action.rpartition(".")[2]
        wrap_async = self._task.async_val and not self._connection.has_native_async
        try:
            arguments = dict(self._task.args, _bundle=self._send(FOLDERS.get(module, DEFAULT_FOLDER)))
            if module in JOBS and not self._task.async_val:
                result.update(self._follow(module, arguments, task_vars or {}))
            else:
                result.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=wrap_async))
        finally:
            if not wrap_async:  # else the wrapper on the node removes it when the job has ended
                self._remove_tmp_path(self._connection._shell.tmpdir)
        for name in ("_bundle", "_job"):
            result.get("invocation", {}).get("module_args", {}).pop(name, None)
        return result

    def _follow(self, module: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run a module as a job; its result."""
        if sys.platform == "linux":
            # A cancelled job of AWX kills ansible-playbook alone; the call that it waits for must then end as well.
            process.die_with_parent(signal.SIGTERM)
        shown = boolean(self._templar.template(task_vars.get("depot_progress", True))) and not self._task.no_log
        lines = following.Lines(task_vars.get("inventory_hostname", ""), following.label(module, arguments))
        started = time.monotonic()
        job: dict[str, Any] = {"folder": None, "temporary": self._connection._shell.tmpdir}
        while True:
            job["seconds"] = following.patience(time.monotonic() - started)
            answer = self._execute_module(module_args=dict(arguments, _job=job), task_vars=task_vars)
            if "depot_job" not in answer:
                return answer
            job["folder"] = answer["depot_job"]["folder"]
            line = lines.next(answer["depot_job"]["progress"], time.monotonic() - started)
            if shown and line:
                Display().display(line)

    def _send(self, folder: str) -> str:
        """Put the files of a folder on the node; where."""
        texts = {}
        source = os.path.join(PLUGINS, folder)
        for name in sorted(os.listdir(source)):
            with open(os.path.join(source, name), encoding="utf-8") as stream:
                texts[name] = stream.read()
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, f"{folder}.json")
        self._transfer_data(remote, json.dumps(texts))
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote
