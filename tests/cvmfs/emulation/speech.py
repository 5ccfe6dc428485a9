# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ends a command, and how it speaks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


class CommandError(Exception):
    """The end of a command.

    Attributes:
        status: the exit status
        stdout: what is printed on the standard output before the end
        stderr: what is printed on the standard error before the end
    """

    def __init__(self, status: int = 1, stderr: str = "", stdout: str = "") -> None:
        super().__init__(stderr or stdout)
        self.status = status
        self.stderr = stderr
        self.stdout = stdout


def say(text: str, end: str = "\n") -> None:
    """Print on the standard output at once, as the real programs do."""
    print(text, end=end, flush=True)


def warn(text: str, end: str = "\n") -> None:
    """Print on the standard error."""
    print(text, end=end, file=sys.stderr, flush=True)


def answered_yes(question: str = "") -> bool:
    """Ask as ``read`` of a shell does: at the end of the input the script ends with status 1."""
    if question and sys.stdin.isatty():
        warn(question, end="")
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        raise CommandError(1)
    return line.strip() in ("y", "Y")


@contextmanager
def silence() -> Iterator[None]:
    """Drop what is said meanwhile on the standard output."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield
