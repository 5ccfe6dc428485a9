# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that ``docs/faults.yml`` explains, and where it and the code disagree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from docs.generator import messages


@dataclass(frozen=True)
class Fault:
    """Messages that have one cause: what they mean and what to do, in reStructuredText."""

    messages: tuple[str, ...]
    means: str
    remedy: str


@dataclass(frozen=True)
class Group:
    """Faults that one meets in the same place."""

    id: str
    title: str
    where: str
    faults: tuple[Fault, ...]


def read(path: Path) -> list[Group]:
    """The groups of a file in their order."""
    return [
        Group(
            group["id"],
            group["title"],
            group["where"],
            tuple(
                Fault(tuple(map(messages.normal, entry["messages"])), entry["means"], entry["remedy"])
                for entry in group["entries"]
            ),
        )
        for group in yaml.safe_load(path.read_text())
    ]


def disagreements(groups: list[Group], said: messages.Messages) -> list[str]:
    """What is to be done so that the explained messages are those of the code; nothing when all is well.

    A message that is not explained yet comes in the form of an entry, to be filled in.
    """
    explained = Counter(text for group in groups for fault in group.faults for text in fault.messages)
    lines = [
        f"# {', '.join(places)}\n    - messages:\n        - {_quoted(text)}\n      means: >-\n      remedy: >-"
        for text, places in said.items()
        if text not in explained
    ]
    lines += [f"# the code does not say this any more: {text}" for text in explained if text not in said]
    return lines + [f"# explained {count} times: {text}" for text, count in explained.items() if count > 1]


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, allow_unicode=True, width=10_000, default_style='"').strip()
