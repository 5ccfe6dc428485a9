# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Julia may use of a machine: processors and memory, within the limits of its control group."""

from __future__ import annotations

import os

from ansible_collections.scisoft.julia_depots.plugins.module_utils.kernel import read as _read

BYTES_PER_TASK = 2 * 1024**3  # what compiling one large package takes with its dependencies loaded


def default_tasks() -> int:
    """How many packages to compile at once, at least one."""
    return max(1, min(_processors(), int(available_memory() // BYTES_PER_TASK)))


def _processors() -> int:
    """Processors this process may run on, cut to the quota of the control group."""
    allowed = len(os.sched_getaffinity(0))
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        allowed = min(allowed, max(1, int(quota[0]) // int(quota[1])))
    return allowed


def available_memory() -> int:
    """Bytes that new processes can have without swapping (MemAvailable of proc(5), memory.max of cgroup v2)."""
    available = _meminfo("MemAvailable")
    limit, used = _read("/sys/fs/cgroup/memory.max"), _read("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and used.isdigit():
        available = min(available, max(0, int(limit) - int(used)))
    return available


def _meminfo(field: str) -> int:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return BYTES_PER_TASK
