# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first process of a host: buries orphans, and ends with its standard input, as does all that runs on the host."""

from __future__ import annotations

import os
import signal
import sys


def bury(*_arguments: object) -> None:
    """Wait for each child that has ended, those among them that lost their parents."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


signal.signal(signal.SIGCHLD, bury)
bury()
while sys.stdin.buffer.raw.read(4096):
    pass
