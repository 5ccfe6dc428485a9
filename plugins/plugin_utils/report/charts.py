# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bar charts as SVG that fits any width: lengths are in per cent, letters in pixels, colours by the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.words import shortened, visible

LABEL_LIMIT = 42  # characters that fit beside each other on a phone
WIDEST = 72.0  # per cent of the width for the longest bar; the rest is for its number
ROW, BAR, LABEL = 38, 12, 14  # pixels


@dataclass(frozen=True)
class Bar:
    """One bar.

    :param label: what it is about, which stands above it.
    :param value: its length; ``text`` is the same in words.
    :param kind: how it looks: ``main``, ``other`` (hatched by its outline) or ``strong``.
    :param low, high: the ends of a spread that is drawn across its end, if there is one.
    """

    label: str
    value: float
    text: str
    kind: str = "main"
    low: float | None = None
    high: float | None = None


def bars(name: str, title: str, entries: Sequence[Bar]) -> Markup:
    """A chart of bars, one below the other.

    :param name: its id in the page.
    :param title: what it shows, for who cannot see it; the values follow there.
    """
    longest = max((max(entry.value, entry.high or 0.0) for entry in entries), default=0.0) or 1.0
    rows = Markup("").join(_row(entry, index * ROW, longest) for index, entry in enumerate(entries))
    told = "; ".join(f"{visible(entry.label)}: {entry.text}" for entry in entries)
    return Markup(
        '<svg id="{name}" role="img" aria-labelledby="{name}-title {name}-desc" width="100%" height="{height}">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{told}</desc>{rows}</svg>'
    ).format(name=name, title=visible(title), told=told, rows=rows, height=len(entries) * ROW)


def _row(entry: Bar, top: int, longest: float) -> Markup:
    width = _per_cent(entry.value, longest)
    end = max(width, _per_cent(entry.high or 0.0, longest))
    middle = top + LABEL + 4 + BAR / 2
    parts = [
        Markup('<text class="label" x="0" y="{y}">{text}</text>').format(
            y=top + LABEL - 2, text=shortened(visible(entry.label), LABEL_LIMIT)
        ),
        Markup('<rect class="bar {kind}" x="0" y="{y}" width="{width:.2f}%" height="{height}" rx="2"/>').format(
            kind=escape(entry.kind), y=top + LABEL + 4, width=max(width, 0.4), height=BAR
        ),
    ]
    if entry.low is not None and entry.high is not None:
        low, high = _per_cent(entry.low, longest), _per_cent(entry.high, longest)
        parts.append(
            Markup('<line class="spread" x1="{low:.2f}%" x2="{high:.2f}%" y1="{y}" y2="{y}"/>').format(
                low=low, high=high, y=middle
            )
        )
    parts.append(
        Markup('<text class="value" x="{x:.2f}%" dx="8" y="{y}">{text}</text>').format(
            x=end, y=middle + 4, text=entry.text
        )
    )
    return Markup("").join(parts)


def _per_cent(value: float, longest: float) -> float:
    return WIDEST * value / longest
