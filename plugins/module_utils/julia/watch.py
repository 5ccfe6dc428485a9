# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of a Julia program that runs, and what they say of how far it is."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import progress

SETTLING = ("package", "loaded", "finished", "failed")  # the events that end what an event `started` began
STARTING = "start Julia"  # what a program does until it says something


@dataclass
class Watch:
    """How far a program is by its events.

    :param phase: what it does until an event ``phase`` says something else.
    """

    phase: str = ""
    total: int | None = None
    done: int = 0
    skipped: int = 0
    running: list[str] = field(default_factory=list)

    def see(self, event: Mapping[str, Any]) -> None:
        """Take the next event into account."""
        kind = event["event"]
        if kind == "phase":
            self.phase, self.total = event["name"], event.get("total")
            self.done, self.skipped, self.running = 0, 0, []
        elif kind == "count":
            self.done = event["done"]
        elif kind == "started":
            self.running.append(_name(event))
        elif kind in SETTLING:
            self.done += 1
            self.skipped += event.get("state") in ("fresh", "uncacheable", "pending")
            if _name(event) in self.running:
                self.running.remove(_name(event))

    def tell(self) -> None:
        """Say all that to whoever follows this process."""
        busy = ", ".join(self.running)  # what runs longest comes first
        progress.tell(self.phase or STARTING, busy, done=self.done, total=self.total, skipped=self.skipped)


def _name(event: Mapping[str, Any]) -> str:
    return event.get("package") or event["what"]


class EventFile:
    """The events that a program writes to a file, as far as it has come; a last line that is not whole waits."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._read = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """The events that came since they were last asked for."""
        if not os.path.exists(self.path):
            return
        with open(self.path, "rb") as stream:
            stream.seek(self._read)
            for line in stream:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    yield json.loads(line.decode("utf-8", "replace"))
