# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences of packages as a site gives them, and as the TOML that Julia reads."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from typing import Any

NAME = re.compile(r"^[^\W\d][\w!]*\Z")  # an identifier of Julia, which names of packages are
BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+\Z")
LARGEST = 2**63 - 1  # TOML's integers have 64 bits
EXAMPLE = "{MPIPreferences: {binary: system}}"


def faults_of(preferences: Any, where: str) -> list[str]:
    """What is wrong with ``{package: {key: value}}``, each fault beginning with ``where``."""
    if not isinstance(preferences, Mapping):
        return [f"{where}: {preferences!r} is not a mapping of packages, for example {EXAMPLE}"]
    faults = []
    for package, values in preferences.items():
        if not isinstance(package, str) or not NAME.match(package):
            faults.append(f"{where}: {package!r} is not the name of a package")
        if isinstance(values, Mapping):
            for key, value in values.items():
                faults += _faults_of_value(key, value, f"{where}: {package}")
        else:
            faults.append(f"{where}: {package}: {values!r} is not a mapping, for example {EXAMPLE}")
    return faults


def _faults_of_value(key: Any, value: Any, where: str) -> list[str]:
    if not isinstance(key, str) or _cannot_be_written(key):
        return [f"{where}: {key!r} is not the name of a preference"]
    where = f"{where}: {key}"
    if isinstance(value, Mapping):
        return [fault for inner, item in value.items() for fault in _faults_of_value(inner, item, where)]
    if isinstance(value, (list, tuple)):
        return [fault for item in value for fault in _faults_of_value(key, item, where.rpartition(": ")[0])]
    if isinstance(value, str):
        fine = not _cannot_be_written(value)
    elif isinstance(value, int):
        fine = -LARGEST - 1 <= value <= LARGEST
    else:
        fine = isinstance(value, float)
    return (
        [] if fine else [f"{where}: {value!r} is neither text, a number, true or false, nor a list or mapping of those"]
    )


def _cannot_be_written(text: str) -> bool:
    """Half of a surrogate pair is no text in UTF-8."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def merged(lower: Mapping[str, Any], higher: Mapping[str, Any]) -> dict[str, Any]:
    """Both, table by table as Julia merges them; where both name a value, that of ``higher``."""
    result = dict(lower)
    for key, value in higher.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merged(below, value) if both else value
    return result


def toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of preferences as TOML, in the order of their names: equal preferences give equal text."""
    return "\n".join(
        f"[{_key(name)}]\n" + "".join(f"{_key(key)} = {_value(value)}\n" for key, value in sorted(table.items()))
        for name, table in sorted(tables.items())
    )


def _key(key: str) -> str:
    return str(key) if BARE_KEY.match(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's strings are TOML's, but for DEL.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in sorted(value.items()))
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, (datetime.date, datetime.time)):  # only from a project's own file
        return value.isoformat()
    return repr(value)  # of numbers Python's spelling is TOML's
