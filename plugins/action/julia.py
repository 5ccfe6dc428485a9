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

import glob
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import following

PLUGINS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Folders below plugins/ whose files a module needs; the others run Julia.
FOLDERS = {"depot_release": "release"}
DEFAULT_FOLDER = "julia"
JOBS = ("depot_release", "depot_release_check", "julia_depot_check", "julia_instantiate", "julia_precompile")


class Stopped(BaseException):
    """Ansible wants this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _stoppable() -> Iterator[None]:
    """Raise :class:`Stopped` at a signal to end, and also when the ansible-playbook that started this process is gone.

    A cancelled job of AWX kills ansible-playbook, but not the processes in which its tasks run.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    if sys.platform == "linux":
        process.die_with_parent(signal.SIGTERM)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_children() -> None:
    """End the programs by which this process is connected to the node, so that the job loses its follower at once.

    They would live on, and the follower with them, if this process was killed while it asks the job to end.
    """
    for listing in glob.glob(f"/proc/{os.getpid()}/task/*/children"):
        with suppress(OSError), open(listing, encoding="ascii") as stream:
            for child in stream.read().split():
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(int(child), signal.SIGTERM)


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
        shown = self._shows_progress(task_vars)
        lines = following.Lines(task_vars.get("inventory_hostname", ""), following.label(module, arguments))
        job: dict[str, Any] = {"folder": None, "temporary": self._connection._shell.tmpdir}
        started = time.monotonic()
        try:
            with _stoppable():
                while True:
                    job["seconds"] = following.patience(time.monotonic() - started)
                    answer = self._execute_module(module_args=dict(arguments, _job=job), task_vars=task_vars)
                    state = answer.get("depot_job")
                    if state is None:
                        return answer
                    job["folder"] = state["folder"]
                    while state is not None:
                        line = lines.next(state["progress"], time.monotonic() - started)
                        if shown and line:
                            Display().display(line)
                        state = self._ask(job["folder"], following.patience(time.monotonic() - started))
        except Stopped as stopped:
            _end_children()
            if job["folder"]:  # else the call that was to start it has ended, and the job with it
                self._ask(job["folder"])
            os.kill(os.getpid(), stopped.number)
            raise

    def _ask(self, folder: str, seconds: float | None = None) -> dict[str, Any] | None:
        """Follow a job for some seconds, or end it; how far it is, none where the module tells what came of it."""
        script = self._connection._shell.join_path(folder, "follower.py")
        words = [script] if seconds is None else [script, f"{seconds:.3f}"]
        interpreter = self._used_interpreter.removeprefix("#!").strip()
        done = self._low_level_execute_command(" ".join([interpreter, *map(shlex.quote, words)]))
        try:
            return json.loads(done["stdout"])["depot_job"]
        except (ValueError, KeyError):
            return None

    def _shows_progress(self, task_vars: dict[str, Any]) -> bool:
        """Whether there are lines about the job of this task."""
        wanted = self._templar.template(task_vars.get("depot_progress", True))
        try:
            return boolean(wanted) and not self._task.no_log
        except TypeError:
            raise AnsibleActionFail(f"depot_progress: {wanted!r} is neither true nor false") from None

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
