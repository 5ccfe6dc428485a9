# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module's result becomes, step by step, and the change of settings that repositories and replicas share."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import configuration, server


class Result:
    """What a module's result becomes, step by step."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.actions: list[dict[str, str]] = []
        self.recovered: list[dict[str, str]] = []
        self.warnings: list[str] = []
        self.more: dict[str, Any] = {}

    def did(self, what: str, status: str, which: str = "") -> None:
        self.actions.append({"what": what, "id": which or self.name, "status": status})

    def add(self, other: Result) -> None:
        self.actions += other.actions
        self.warnings += other.warnings
        self.more.update(other.more)

    def recover(self, recovered: list[dict[str, str]]) -> None:
        """Note what was put right; it is a change like any other."""
        self.recovered += recovered
        for entry in recovered:
            self.did(entry["what"], entry["status"])

    def as_dict(self) -> dict[str, Any]:
        return {
            "changed": bool(self.actions),
            "actions": self.actions,
            "recovered": self.recovered,
            "warnings": self.warnings,
            **self.more,
        }


def adjust_settings(paths: Sequence[str], wanted: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    """Change settings where they stand, and add others to the first file.

    :raises ServerError: a file has to be changed, and may not be.
    """
    texts = [configuration.read(path) for path in paths]
    there = [server.parse_settings(text) for text in texts]
    before, after, changed = "", "", []
    for number, (path, text) in enumerate(zip(paths, texts)):
        mine = {
            name: value
            for name, value in wanted.items()
            if name in there[number] or (number == 0 and not any(name in other for other in there))
        }
        changes = configuration.differences(there[number], mine)
        if not changes:
            continue
        configuration.require_writable(path)
        new = configuration.edited(text, changes)
        before, after, changed = before + text, after + new, [*changed, path]
        if not check_mode:
            configuration.write(path, new)
        for name, value in sorted(changes.items()):
            result.did("setting", "removed" if value is None else "set", name)
    if changed:
        result.more["diff"] = diff(" ".join(changed), before, after)


def diff(path: str, before: str, after: str) -> dict[str, str]:
    """What Ansible shows in diff mode."""
    return {"before": before, "after": after, "before_header": path, "after_header": path}
