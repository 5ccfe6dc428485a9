# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a job on a node is, in lines for people."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

FIRST = 4.0  # seconds until the first look at a job, so that most short ones take none
SHORTEST, LONGEST = 10.0, 25.0  # seconds between two looks; both together are below a minute
GROWTH = 0.1  # a look as often as a tenth of what the job took so far
ESTIMATE_SECONDS = 20.0  # what a phase has to have taken, and
ESTIMATE_DONE = 2  # how much of it has to be done, before the rest of it is estimated


def patience(elapsed: float) -> float:
    """How long to follow a job until the next line, in seconds, when it has taken ``elapsed`` seconds."""
    return min(max(elapsed * GROWTH, SHORTEST), LONGEST) if elapsed >= FIRST else FIRST


def label(module: str, arguments: Mapping[str, Any]) -> str:
    """What a task is about, from its arguments: the environment, and the level or the platform."""
    if module in ("depot_release", "depot_release_check"):
        words = [arguments.get("environment"), arguments.get("release")]
    else:
        words = [arguments.get("environment") or _last(arguments.get("project")), arguments.get("platform")]
        # A depot for caches has the name of its level.
        levels = arguments.get("depots") if module == "julia_depot_check" else [arguments.get("depot")]
        if module != "julia_instantiate" and levels:
            words.append(_last(levels[0]))
    return " ".join(str(word) for word in words if word)


def _last(path: Any) -> str:
    return os.path.basename(str(path or "").rstrip("/"))


class Lines:
    """The lines about one job.

    :param host: the name of the node in the inventory.
    :param about: what its task is about, see :func:`label`.
    """

    def __init__(self, host: str, about: str) -> None:
        self.host = host
        self.about = about
        self._told: set[str] = set()
        self._last = 0.0

    def next(self, state: Mapping[str, Any] | None, elapsed: float) -> str | None:
        """The line to show now; none where it would be one that came before.

        :param state: what the job says, see :func:`progress.read`; none: nothing yet.
        :param elapsed: seconds since the task began; two that follow are :func:`patience` apart.
        """
        line = self._line(state, in_words(elapsed))
        if line in self._told:
            if elapsed - self._last < 60 - LONGEST:
                return None
            line = self._line(state, in_words(elapsed, exact=True))
        self._told.add(line)
        self._last = elapsed
        return line

    def _line(self, state: Mapping[str, Any] | None, time: str) -> str:
        state = state or {"phase": "starting"}
        rest = remaining(state)
        if rest is not None:
            time = f"{time}, about {_shortened(in_words(rest), time)} to go"
        words = [self.host, self.about, _phase(state), state.get("item"), time]
        return "  ".join(word for word in words if word)


def _phase(state: Mapping[str, Any]) -> str:
    if not state.get("total"):
        return str(state["phase"])
    numbers = f"{state.get('done') or 0}/{state['total']}"
    return " ".join(word for word in (str(state["phase"]), numbers, state.get("unit")) if word)


def remaining(state: Mapping[str, Any]) -> float | None:
    """How many seconds a phase will go on, if it goes on as it went so far; none where that is not known."""
    done, total, skipped = (state.get(name) or 0 for name in ("done", "total", "skipped"))
    seconds = state.get("seconds") or 0.0
    worked = done - skipped
    if not total or done >= total or worked < ESTIMATE_DONE or seconds < ESTIMATE_SECONDS:
        return None
    return seconds / worked * (total - done)


def in_words(seconds: float, exact: bool = False) -> str:
    """A time as people say it: ``40 s``, ``6 min``, ``1 h 5 min``; exact: with its seconds, ``6 min 20 s``."""
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    words = [f"{hours} h"] if hours else []
    if hours or minutes:
        words.append(f"{minutes} min")
    if exact or not words:
        words.append(f"{rest} s")
    return " ".join(words)


def _shortened(rest: str, time: str) -> str:
    """A time without its unit, where both have one and it is the same."""
    units = [words.split()[1:] for words in (rest, time)]
    return rest.split()[0] if units[0] == units[1] and len(units[0]) == 1 else rest
