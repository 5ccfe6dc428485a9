# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks: what runs in each, read from the files; what it is for, from ``docs/playbooks.yml``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TARGET = re.compile(r"\b(target_[a-z_]+) \| default\('([a-z0-9_]+)'\)")
COLLECTION = "scisoft.julia_depots."


@dataclass
class Playbook:
    """What a playbook does, with all that it imports."""

    name: str
    plays: list[str] = field(default_factory=list)
    roles: list[tuple[str, str]] = field(default_factory=list)
    targets: dict[str, str] = field(default_factory=dict)


def names(root: Path) -> list[str]:
    return sorted(path.stem for path in root.glob("playbooks/*.yml"))


def read(root: Path, name: str) -> Playbook:
    """A playbook: its plays, its roles with their entry points, and the variables that move it to other groups."""
    playbook = Playbook(name)
    text = (root / "playbooks" / f"{name}.yml").read_text()
    playbook.targets.update(TARGET.findall(text))
    for play in yaml.safe_load(text):
        imported = play.get("ansible.builtin.import_playbook")
        if imported:
            other = read(root, Path(imported).stem)
            playbook.plays += other.plays
            playbook.targets.update(other.targets)
            found = other.roles
        else:
            playbook.plays.append(play["name"])
            found = list(_roles(play))
        playbook.roles += [role for role in found if role not in playbook.roles]
    return playbook


def _roles(node: Any) -> list[tuple[str, str]]:
    """The roles that a play or task includes, with their entry points."""
    if isinstance(node, list):
        return [role for item in node for role in _roles(item)]
    if not isinstance(node, dict):
        return []
    found = []
    for key, value in node.items():
        if key in ("ansible.builtin.include_role", "ansible.builtin.import_role"):
            found.append((value["name"].removeprefix(COLLECTION), value.get("tasks_from", "main")))
        elif key == "roles":
            entries = [{"role": entry} if isinstance(entry, str) else entry for entry in value]
            found += [(str(entry["role"]).removeprefix(COLLECTION), "main") for entry in entries]
        else:
            found += _roles(value)
    return found


def explained(root: Path) -> dict[str, dict[str, str]]:
    """What ``docs/playbooks.yml`` says of each: ``does``, ``check`` and ``example``."""
    return yaml.safe_load((root / "docs" / "playbooks.yml").read_text())
