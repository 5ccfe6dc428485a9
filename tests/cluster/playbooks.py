# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a playbook went, by ansible-runner as AWX uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Played:
    """How a playbook went.

    Attributes:
        ok: whether it ended well
        changed: host and task of each change
        failures: the messages of failed tasks
        text: what ``ansible-playbook`` printed
    """

    ok: bool
    changed: list[tuple[str, str]]
    failures: list[str]
    text: str

    @property
    def end(self) -> str:
        """The end of what it printed, for messages."""
        return self.text[-6000:]


def played(runner: Any) -> Played:
    """How it went, from what ``ansible_runner.run`` returns."""
    changed, failures = [], []
    for event in runner.events:
        data = event.get("event_data", {})
        result = data.get("res") or {}
        if event["event"] in ("runner_on_failed", "runner_item_on_failed") and not data.get("ignore_errors"):
            failures.append(str(result.get("msg", "")))
        if event["event"] == "runner_on_unreachable":
            failures.append(f"{data['host']} cannot be reached: {result.get('msg', '')}")
        if event["event"] == "runner_on_ok" and result.get("changed"):
            changed.append((data["host"], data["task"]))
    return Played(runner.status == "successful", changed, failures, runner.stdout.read())
