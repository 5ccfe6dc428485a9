# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site whose runs are killed, or meet each other."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sites import kill_tree, reading, wait_for_line

# The task that runs when the blow comes, and how many seconds later it comes.
WHILE_BUILDING = [
    ("Resolve the project", 0.5),
    ("Unpack it on the builder", 0.1),
    ("Install packages and artifacts", 0.3),
    ("Install packages and artifacts", 1.5),
    ("Compile for generic", 1.5),
    ("Compile for generic", 4.0),
    ("Prove generic", 1.0),
    ("Record the complete build", 0.1),
]
WHILE_PUBLISHING = [0.0, 0.05, 0.2, 0.6]  # seconds after the store was first written to


def strike(site, task: str, delay: float, begun: Callable[[], bool] = lambda: True) -> bool:
    """Run ``site`` and kill all of it while a task runs, so long after it has begun; False when it ended before."""
    process = site.start("site")
    if not wait_for_line(site.log, f"{task}] ***", process):
        return False
    while not begun():
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    time.sleep(delay)
    kill_tree(process)
    return True


def written_to(store: Path) -> Callable[[], bool]:
    """Whether a release or a Julia has begun to come into a store."""
    return lambda: any(path for pattern in ("*/*/.*", "*/*/*/.*") for path in store.glob(pattern))


def test_whatever_is_killed_while_building_the_next_run_ends_well(site):
    struck = []
    with reading(site) as reader:
        for task, delay in WHILE_BUILDING:
            struck.append(strike(site, task, delay))
            assert site.current is None, "published before it was built"
        run = site.run("site")
    assert run.ok, run.text[-4000:]
    assert all(struck), struck
    assert reader.faults == []
    assert len(site.releases()) == 1
    run = site.run("site")
    assert (run.ok, run.changed) == (True, 0), run.changed_tasks


def test_whatever_is_killed_while_publishing_readers_see_all_or_nothing(site):
    assert site.run("build").ok
    recovered = 0
    for delay in WHILE_PUBLISHING:
        shutil.rmtree(site.store, ignore_errors=True)
        with reading(site) as reader:
            assert strike(site, "Publish jets", delay, written_to(site.store))
            run = site.run("site")
        assert run.ok, run.text[-4000:]
        assert reader.faults == []
        assert reader.looks > 10
        assert [name for name in site.releases() if name.startswith(".")] == []
        recovered += "Recovered after an interrupted run" in run.text
    assert recovered, "no blow fell while the store was written to"


def test_a_killed_process_group_leaves_nothing_that_keeps_the_next_run(site):
    process = site.start("site")
    assert wait_for_line(site.log, "Compile for generic] ***", process)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run = site.run("site")
    assert run.ok, run.text[-4000:]


def test_two_runs_at_once_end_with_one_release(site):
    with reading(site) as reader:
        other = site.start("site")
        run = site.run("site")
        status = other.wait(600)
    assert run.ok, run.text[-4000:]
    assert status == 0, site.log.read_text()[-4000:]
    assert reader.faults == []
    assert len(site.releases()) == 1


@pytest.mark.parametrize("playbook", ["site"])
def test_a_second_publisher_is_told_who_holds_the_store(site, playbook):
    import fcntl

    assert site.run("build").ok
    site.store.mkdir(exist_ok=True)
    with open(site.store / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = site.run(playbook, depot_publish_lock_timeout=1)
    assert not run.ok
    assert "is being written to" in run.failure()
    assert site.current is None
