# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations, sizes and foreign text as people read them on a page."""

from __future__ import annotations

import re
import unicodedata

# Escape sequences of terminals (ECMA-48, "control sequences"), with which programs colour what they print.
_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_KEPT = "\n\t"
# Control, format (with those that turn the direction of writing), surrogate, private and unassigned characters.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_UNITS = ("kB", "MB", "GB", "TB")


def visible(text: str) -> str:
    """A text in which nothing acts on its reader unseen: a character that does not print is told by its number."""
    plain = _COLOURS.sub("", text).replace("\r\n", "\n")
    if plain.isprintable():
        return plain
    return "".join(char if _shows(char) else f"⟨U+{ord(char):04X}⟩" for char in plain)


def _shows(char: str) -> bool:
    return char in _KEPT or unicodedata.category(char) not in _HIDDEN


def shortened(text: str, limit: int) -> str:
    """A text of at most so many characters, with what it begins and ends with."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"


def duration(seconds: float | None) -> str:
    """For example ``0.8 s``, ``42 s``, ``3 min 5 s``, ``2 h 4 min``."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(number: float | None) -> str:
    """For example ``312 B``, ``4.2 MB``, ``57 GB``."""
    if number is None:
        return "–"
    if number < 1000:
        return f"{number:.0f} B"
    for unit in _UNITS:
        number /= 1000
        if number < 999.5 or unit == _UNITS[-1]:
            return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
    raise AssertionError("the last unit takes every size")


def moment(time: str | None) -> str:
    """A time in ISO 8601 to the minute: ``2026-11-28 19:05 UTC``."""
    match = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[\d:.]*(?:\+00:00|Z)\Z", time or "")
    return f"{match[1]} {match[2]} UTC" if match else time or "–"
