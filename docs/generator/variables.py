# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the collection, read from the roles' argument specifications and from the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# How an option says that a variable of the site is its default.
SHARED = re.compile(r"\s*Default (?:is|are those of) C\((depot_[a-z_]+)\)[^.]*\.")


@dataclass(frozen=True)
class Option:
    """An option of a role's entry point, with its specification."""

    role: str
    entry_point: str
    name: str
    spec: dict[str, Any]

    @property
    def description(self) -> list[str]:
        text = self.spec.get("description", [])
        return [text] if isinstance(text, str) else [str(paragraph) for paragraph in text]

    @property
    def shared(self) -> str | None:
        """The variable of the site that it takes its default from."""
        found = SHARED.search(" ".join(self.description))
        return found[1] if found else None


def specifications(root: Path) -> dict[str, dict[str, Any]]:
    """The entry points of each role."""
    return {
        path.parent.parent.name: yaml.safe_load(path.read_text())["argument_specs"]
        for path in sorted(root.glob("roles/*/meta/argument_specs.yml"))
    }


def options(root: Path) -> Iterator[Option]:
    """All options, each once a role: of the first entry point that has it."""
    for role, entry_points in specifications(root).items():
        seen: set[str] = set()
        for entry_point, spec in entry_points.items():
            for name, option in (spec.get("options") or {}).items():
                if name not in seen:
                    seen.add(name)
                    yield Option(role, entry_point, name, option)


def site_variables(root: Path) -> dict[str, list[Option]]:
    """The variables that roles share, each with the options that take their default from it."""
    found: dict[str, list[Option]] = {}
    for option in options(root):
        if option.shared:
            found.setdefault(option.shared, []).append(option)
    return found


def explained(root: Path) -> dict[str, dict[str, dict[str, str]]]:
    """What ``docs/variables.yml`` says: of keys of an ``environment``, and of ``others`` that no role has."""
    return yaml.safe_load((root / "docs" / "variables.yml").read_text())
