# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetches what the module packs: through a file that the connection fetches, else through the module's results."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

from ansible.plugins.action import ActionBase

PIECE = 4 << 20  # bytes that one result of the module may hold; Ansible keeps several copies of a result
CHUNK = 1 << 20


class ActionModule(ActionBase):
    """Runs the module on the builder, and brings what it gives to the controller."""

    TRANSFERS_FILES = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        del tmp  # unused for long, and kept by Ansible for its signature alone
        dest = self._task.args.get("dest")
        try:
            if not dest or self._task.check_mode:
                result.update(self._execute_module(task_vars=task_vars))
            elif self._is_become_unprivileged():
                result.update(self._fetch_pieces(dest, task_vars))
            else:
                result.update(self._fetch_file(dest, task_vars))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        # What a result holds of a parcel is bytes, and of no use to anybody who reads it.
        result.pop("content", None)
        return result

    def _ask(self, task_vars: dict[str, Any] | None, **internal: Any) -> dict[str, Any]:
        return self._execute_module(module_args=dict(self._task.args, **internal), task_vars=task_vars)

    def _fetch_file(self, dest: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "parcel")
        answer = self._ask(task_vars, _file=remote)
        if answer.get("failed"):
            return answer
        self._connection.fetch_file(remote, f"{dest}.part")
        digest = hashlib.sha256()
        with open(f"{dest}.part", "rb") as stream:
            for chunk in iter(lambda: stream.read(CHUNK), b""):
                digest.update(chunk)
        return self._keep(dest, digest.hexdigest(), answer)

    def _fetch_pieces(self, dest: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        digest = hashlib.sha256()
        fetched = 0
        with open(f"{dest}.part", "wb") as stream:
            while True:
                answer = self._ask(task_vars, _skip=fetched, _limit=PIECE)
                if answer.get("failed"):
                    return answer
                piece = base64.b64decode(answer.pop("content"))
                if hashlib.sha256(piece).hexdigest() != answer["sha256"]:
                    return self._damaged(answer)
                stream.write(piece)
                digest.update(piece)
                fetched += len(piece)
                if not piece or fetched >= answer["size"]:
                    break
        answer["sha256"] = digest.hexdigest()
        return self._keep(dest, answer["sha256"], answer)

    def _keep(self, dest: str, sha256: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Give what was fetched its name, if it is whole."""
        if sha256 != answer["sha256"] or os.path.getsize(f"{dest}.part") != answer["size"]:
            return self._damaged(answer)
        os.replace(f"{dest}.part", dest)
        return answer

    @staticmethod
    def _damaged(answer: dict[str, Any]) -> dict[str, Any]:
        return dict(
            answer, failed=True, damaged=True, msg="a parcel was damaged on its way to the controller; run again"
        )
