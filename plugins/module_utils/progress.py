# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the work of this process is, told in one file for whoever follows it.

A process does one thing at a time, so there is one place to tell it. Where nobody follows, nothing is written.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import Any

WRITE_SECONDS = 0.5  # what comes sooner after the last writing waits for the next, but a new phase does not


class Progress:
    """What is being done now.

    :param path: the file that says so, replaced as a whole; none: it is said to nobody.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = path
        self._phase = ""
        self._since = 0.0
        self._written = 0.0

    def tell(
        self,
        phase: str,
        item: str = "",
        done: int | None = None,
        total: int | None = None,
        skipped: int = 0,
        unit: str = "",
    ) -> None:
        """Say how far a phase is.

        :param phase: a word or two, for example ``precompile``.
        :param item: what is being worked on.
        :param done: how many of ``total``; without a total it is not known how far it is.
        :param skipped: how many of those done took no time, so that an estimate leaves them out.
        :param unit: what is counted, where that is not plain from the phase, for example ``MB``.
        """
        now = time.monotonic()
        if self.path is None or (phase == self._phase and now - self._written < WRITE_SECONDS):
            return
        if phase != self._phase:
            self._phase, self._since = phase, now
        self._written = now
        state = {
            "phase": phase,
            "item": item,
            "done": done,
            "total": total,
            "skipped": skipped,
            "unit": unit,
            "since": self._since,
        }
        with suppress(OSError):  # a full disk is for the work itself to tell
            with open(f"{self.path}.new", "w", encoding="utf-8") as stream:
                json.dump(state, stream)
            os.replace(f"{self.path}.new", self.path)


OWN = Progress()  # of this process


def tell(phase: str, item: str = "", **numbers: Any) -> None:
    """Say how far this process is; see :meth:`Progress.tell`."""
    OWN.tell(phase, item, **numbers)
