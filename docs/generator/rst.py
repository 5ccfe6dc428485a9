# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of reStructuredText."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from antsibull_docs_parser.parser import Context, parse
from antsibull_docs_parser.rst import to_rst_plain

PREFIX = "ansible_collections.scisoft.julia_depots.docsite"
UNDERLINES = "=-~^"


def label(name: str) -> str:
    """A target for ``:ref:``, named as antsibull-docs wants it."""
    return f".. _{PREFIX}.{name}:\n\n"


def title(text: str, level: int = 0) -> str:
    return f"{text}\n{UNDERLINES[level] * len(text)}\n\n"


def paragraph(text: str) -> str:
    return f"{text.strip()}\n\n"


def block(language: str, text: str) -> str:
    return f".. code-block:: {language}\n\n{textwrap.indent(text.strip(), '    ')}\n\n"


def plain(text: str) -> str:
    """A text as it is, without a meaning for the parser."""
    return re.sub(r"([\\`*_|<>])", r"\\\1", text)


def markup(text: str | Sequence[str]) -> str:
    """Ansible's own markup, such as ``C(...)``, one paragraph after the other."""
    paragraphs = [text] if isinstance(text, str) else list(text)
    return to_rst_plain(parse([str(paragraph) for paragraph in paragraphs], Context()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> str:
    """A list-table, whose cells may hold anything."""
    lines = [".. list-table::", "  :header-rows: 1", f"  :widths: {' '.join(map(str, widths))}", ""]
    for row in [header, *rows]:
        for number, cell in enumerate(row):
            mark = "  * - " if number == 0 else "    - "
            lines.append(mark + textwrap.indent(cell.strip() or " ", "      ").strip())
    return "\n".join(lines) + "\n\n"
