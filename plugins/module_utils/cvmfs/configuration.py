# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of settings that the scripts of CernVM-FS source, such as ``server.conf``, edited line by line.

The shell sources them and the programs of CernVM-FS parse them too (``cvmfs/options.cc`` of 2.12: a ``#`` begins a
comment anywhere), so a value is what both understand alike.
"""

from __future__ import annotations

import os
import re
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import server
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ServerError

NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\Z")
PLAIN = re.compile(r"^[A-Za-z0-9_@%+=:,./-]*\Z")
UNSAFE = re.compile(r"[\"'`$\\#\x00-\x1f\x7f-\x9f\u2028\u2029]")


def as_text(value: Any) -> str:
    """The value of a setting as CernVM-FS writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def faults_of(settings: Mapping[str, Any], reserved: Mapping[str, str]) -> list[str]:
    """What is wrong with settings that were given.

    :param reserved: names that cannot be set, with what decides them instead.
    """
    faults = []
    for name, value in settings.items():
        where = f"settings: {name}"
        if not isinstance(name, str) or not NAME.match(name):
            faults.append(f"settings: {name!r} is not the name of a setting, such as CVMFS_AUTO_TAG")
        elif name in reserved:
            faults.append(f"{where} cannot be set there; {reserved[name]}")
        elif value is not None and not isinstance(value, (str, int, float)):
            faults.append(f"{where}: {value!r} is neither a text, a number, a boolean, nor null, which removes it")
        elif isinstance(value, str) and UNSAFE.search(value):
            faults.append(f"{where}: {value!r} holds a quote, one of $ ` \\ #, or a control character")
        elif isinstance(value, str) and value != value.strip():
            faults.append(f"{where}: {value!r} begins or ends with a space")
    return faults


def differences(there: Mapping[str, str], wanted: Mapping[str, Any]) -> dict[str, str | None]:
    """The settings that have to be changed, with their values as texts; none: removed."""
    texts = {name: None if value is None else as_text(value) for name, value in wanted.items()}
    return {name: text for name, text in texts.items() if there.get(name) != text}


def edited(text: str, changes: Mapping[str, str | None]) -> str:
    """A file's text with some settings changed, and every other line as it was.

    A setting is changed where it stands for the last time, which is what counts, or added at the end.
    """
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    found = [next(iter(server.parse_settings(line)), "") for line in lines]
    last = {name: number for number, name in enumerate(found)}
    kept = []
    for number, (name, line) in enumerate(zip(found, lines)):
        value = changes.get(name)
        if name not in changes or (value is not None and number != last[name]):
            kept.append(line)
        elif value is not None:
            kept.append(assignment(name, value))
    kept += [assignment(name, value) for name, value in changes.items() if name not in last and value is not None]
    return "".join(kept)


def assignment(name: str, value: str) -> str:
    """The line that sets a value without faults."""
    return f"{name}={value}\n" if PLAIN.match(value) else f'{name}="{value}"\n'


def read(path: str) -> str:
    """A file's text; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def require_writable(path: str) -> None:
    """
    :raises ServerError: who runs this may not write the file, which belongs to root.
    """
    if not os.access(path, os.W_OK):
        raise ServerError(f"settings: {path} has to be changed, which this user may not; become root for that")


def write(path: str, text: str, mode: int | None = None) -> None:
    """Replace a file so that a reader sees it whole; its mode and owner stay.

    :param mode: of a file that is new.
    """
    path = os.path.realpath(path)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        status = os.stat(path)
    except FileNotFoundError:
        status = None
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        if status:
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, status.st_mode & 0o7777 if status else mode or 0o644)
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)
