# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks that end with their holder."""

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock
from tests.unit.helpers import answer_of, start_child, wait_until


def take(folder: str) -> str:
    with folder_lock(folder, 0):
        return "taken"


def hold(folder: str) -> None:
    with folder_lock(folder, 0):
        process.run(["/bin/sh", "-c", f"touch {folder}.held; exec sleep 300"], {})


def test_it_makes_the_folder_and_leaves_nothing_in_it(tmp_path):
    folder = tmp_path / "a" / "b"
    with folder_lock(str(folder), 0):
        assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_a_second_holder_is_refused_and_told_who_to_wait_for(tmp_path):
    with folder_lock(str(tmp_path), 0), pytest.raises(BusyError) as error:
        take(str(tmp_path))
    assert str(error.value) == (
        f"{tmp_path} is in use by another run on this machine; waited 0 s, run again later or raise lock_timeout"
    )
    assert take(str(tmp_path)) == "taken"


def test_another_process_is_waited_for(tmp_path):
    depot, held, release = tmp_path / "depot", tmp_path / "held", tmp_path / "release"

    def hold_until_told() -> None:
        with folder_lock(str(depot), 0):
            held.touch()
            wait_until(release.exists, "the lock may be released")

    child = start_child(hold_until_told)
    wait_until(held.exists, "it is held")
    with pytest.raises(BusyError):
        take(str(depot))
    release.touch()
    with folder_lock(str(depot), 60):
        assert answer_of(child) is None


def test_it_ends_with_a_holder_that_is_killed(tmp_path):
    folder = str(tmp_path / "depot")
    child = start_child(hold, folder)
    wait_until(lambda: os.path.exists(f"{folder}.held"), "it is held")
    with pytest.raises(BusyError):
        take(folder)
    os.kill(child[0], signal.SIGKILL)
    answer_of(child)
    assert take(folder) == "taken"


def test_it_ends_with_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), folder_lock(str(tmp_path), 0):
        raise ZeroDivisionError
    assert take(str(tmp_path)) == "taken"
