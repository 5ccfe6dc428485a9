# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report on the controller: ``report.json``, and ``report.html`` made of the same document."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import TemplateError

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import read_json
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import replace_file
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.document import (
    Known,
    document,
    same_state,
)
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.page import render

DOCUMENT, PAGE = "report.json", "report.html"
MODE = 0o644


@dataclass(frozen=True)
class File:
    """A file as it is, and as it is to be; what cannot be read is not there."""

    path: str
    before: str | None
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def status(self) -> str:
        return "created" if self.before is None else "updated"


def planned(known: Known, folder: str) -> tuple[dict[str, Any], list[File]]:
    """The document of a report, and its files.

    Where the report that is there says the same already, it stays, with its time: a run that found nothing to do leaves
    the report of the one that did something.

    :raises InputError: the folder is no absolute path, or is a file.
    """
    if not os.path.isabs(folder):
        raise InputError([f"folder: {folder!r} is not an absolute path"])
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise InputError([f"folder: {folder} is there and is not a folder"])
    told = document(known, datetime.now(UTC).isoformat(timespec="seconds"))
    page = None
    before = read_json(os.path.join(folder, DOCUMENT))
    if before is not None:
        try:
            if same_state(before, told):
                told, page = before, render(before)
        except (KeyError, TypeError, AttributeError, ValueError, TemplateError):
            pass  # it is no document of ours, or of another version: it is written anew
    texts = {PAGE: page or render(told), DOCUMENT: _json(told)}
    return told, [File(path, _text(path), text) for path, text in _below(folder, texts)]


def write(files: list[File]) -> None:
    """Write those that change, each so that a reader sees it whole or not at all.

    :raises OSError: one cannot be written.
    """
    for file in files:
        if not file.changed:
            continue
        os.makedirs(os.path.dirname(file.path), exist_ok=True)
        replace_file(file.path, _bytes(file.after), MODE)


def _below(folder: str, texts: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(os.path.join(folder, name), text) for name, text in texts.items()]


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _bytes(text: str) -> bytes:
    # Half a character of UTF-16, from a path that is no UTF-8: as JSON writes it. The page has none.
    return text.encode("utf-8", "backslashreplace")


def _text(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return None
