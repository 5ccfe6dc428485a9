# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processors and memory, within the limits of a control group."""

from __future__ import annotations

import os

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import resources

GIB = 1024**3
CPU, LIMIT, USED, MEMINFO = (
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.current",
    "/proc/meminfo",
)


def meminfo(gib: int) -> str:
    return f"MemTotal:       999 kB\nMemAvailable:   {gib * 1024**2} kB\nBuffers:        1 kB"


@pytest.mark.parametrize(
    ("processors", "files", "tasks"),
    [
        (4, {MEMINFO: meminfo(64)}, 4),
        (4, {MEMINFO: meminfo(6)}, 3),
        (4, {MEMINFO: meminfo(1)}, 1),
        (4, {}, 1),
        (8, {MEMINFO: meminfo(64), CPU: "max 100000"}, 8),
        (8, {MEMINFO: meminfo(64), CPU: "200000 100000"}, 2),
        (8, {MEMINFO: meminfo(64), CPU: "50000 100000"}, 1),
        (2, {MEMINFO: meminfo(64), CPU: "800000 100000"}, 2),
        (8, {MEMINFO: meminfo(64), LIMIT: "max", USED: str(GIB)}, 8),
        (8, {MEMINFO: meminfo(64), LIMIT: str(10 * GIB), USED: str(4 * GIB)}, 3),
        (8, {MEMINFO: meminfo(4), LIMIT: str(100 * GIB), USED: "0"}, 2),
        (8, {MEMINFO: meminfo(64), LIMIT: str(GIB), USED: str(2 * GIB)}, 1),
        (8, {MEMINFO: meminfo(64), LIMIT: str(4 * GIB)}, 8),
    ],
)
def test_tasks_fit_processors_memory_and_the_control_group(monkeypatch, processors, files, tasks):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(processors)))
    monkeypatch.setattr(resources, "_read", lambda path: files.get(path, ""))
    assert resources.default_tasks() == tasks


def test_of_this_machine_something_is_known():
    assert 1 <= resources.default_tasks() <= len(os.sched_getaffinity(0))
    assert resources.available_memory() > 0


def test_a_file_that_is_not_there_is_empty(tmp_path):
    assert resources._read(str(tmp_path / "nowhere")) == ""
