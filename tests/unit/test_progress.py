# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a process says of how far it is, and what events of Julia programs say of that."""

from __future__ import annotations

import json
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import follower, locks, progress
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.watch import EventFile, Watch
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores import base

NAMES = st.sampled_from(["A", "B", "C"])
EVENTS = st.lists(
    st.one_of(
        st.builds(lambda name: {"event": "started", "package": name}, NAMES),
        st.builds(lambda name: {"event": "started", "what": name}, NAMES),
        st.builds(lambda name: {"event": "package", "package": name, "state": "compiled"}, NAMES),
        st.builds(lambda name: {"event": "package", "package": name, "state": "fresh"}, NAMES),
        st.builds(lambda name: {"event": "failed", "what": name, "error": ""}, NAMES),
        st.just({"event": "phase", "name": "artifacts"}),
        st.just({"event": "done"}),
    )
)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What this process says, once something was said."""
    monkeypatch.setattr(progress, "OWN", progress.Progress(str(tmp_path / follower.PROGRESS)))
    monkeypatch.setattr(progress, "WRITE_SECONDS", 0)
    return lambda: follower.read_progress(str(tmp_path))


def test_what_was_said_last_is_read(told):
    assert told() is None
    progress.tell("precompile", "A", done=1, total=3)
    said = told()
    assert said.pop("seconds") >= 0
    assert said == {"phase": "precompile", "item": "A", "done": 1, "total": 3, "skipped": 0, "unit": ""}
    progress.tell("images")
    assert (told()["phase"], told()["item"], told()["total"]) == ("images", "", None)


def test_a_phase_keeps_its_beginning(told):
    progress.tell("precompile", "A")
    first = progress.OWN._since
    progress.tell("precompile", "B")
    assert progress.OWN._since == first
    progress.tell("load")
    assert progress.OWN._since > first


def test_what_comes_too_soon_waits_but_a_new_phase_does_not(told, monkeypatch):
    monkeypatch.setattr(progress, "WRITE_SECONDS", 3600)
    progress.tell("precompile", "A")
    progress.tell("precompile", "B")
    assert told()["item"] == "A"
    progress.tell("load", "C")
    assert told()["item"] == "C"


def test_a_file_that_cannot_be_written_is_no_fault_of_the_work(tmp_path):
    progress.Progress(str(tmp_path / "missing" / "progress")).tell("precompile")
    progress.Progress(None).tell("precompile")


def test_who_waits_for_a_lock_says_so(told, tmp_path):
    held = locks.folder_lock(str(tmp_path / "depot"), 0)
    with held, pytest.raises(BusyError), locks.folder_lock(str(tmp_path / "depot"), 0.3):
        raise AssertionError("both hold it")
    assert told()["phase"] == "waiting"
    assert "in use by another run" in told()["item"]


def test_a_copy_is_counted_in_megabytes(told, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "COUNTING_SECONDS", 0)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(b"x" * 3_000_000)
    copying = base._Copying(str(tmp_path / "source"), str(tmp_path / "copy"))
    copying.look()
    assert (told()["done"], told()["total"], told()["unit"]) == (0, 3, "MB")
    base.copy_tree(str(tmp_path / "source"), str(tmp_path / "copy"))
    copying._next = 0
    copying.look()
    assert (told()["done"], told()["total"]) == (3, 3)


def test_a_short_copy_is_not_counted(told, tmp_path):
    (tmp_path / "source").mkdir()
    base.copy_tree(str(tmp_path / "source"), str(tmp_path / "copy"))
    assert told() is None


@given(EVENTS)
def test_a_watch_counts_what_settles_and_knows_what_runs(events):
    watch = Watch()
    for event in events:
        watch.see(event)
    phases = [number for number, event in enumerate(events) if event["event"] == "phase"]
    own = events[phases[-1] + 1 if phases else 0 :]
    settled = [event for event in own if event["event"] in ("package", "failed")]
    assert watch.done == len(settled)
    assert watch.skipped == sum(event.get("state") == "fresh" for event in settled)
    assert 0 <= watch.skipped <= watch.done
    started = sum(event["event"] == "started" for event in own)
    assert started - len(settled) <= len(watch.running) <= started


def test_a_watch_says_what_julia_does(told):
    watch = Watch()
    for event in (
        {"event": "phase", "name": "precompile", "total": 3},
        {"event": "package", "package": "A", "state": "fresh"},
        {"event": "started", "package": "B"},
        {"event": "started", "package": "C"},
    ):
        watch.see(event)
    watch.tell()
    said = told()
    assert (said["phase"], said["item"]) == ("precompile", "B, C")
    assert (said["done"], said["total"], said["skipped"]) == (1, 3, 1)
    watch.see({"event": "phase", "name": "packages", "total": 7})
    watch.see({"event": "count", "done": 5})
    watch.tell()
    assert (told()["phase"], told()["item"], told()["done"], told()["total"]) == ("packages", "", 5, 7)


@given(st.lists(st.integers()), st.data())
def test_events_are_read_once_each_however_they_arrive(numbers, data):
    whole = b"".join(json.dumps({"event": "x", "n": number}).encode() + b"\n" for number in numbers)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    with tempfile.NamedTemporaryFile() as stream:
        file, seen, written = EventFile(stream.name), [], 0
        for cut in [*cuts, len(whole)]:
            stream.write(whole[written:cut])
            stream.flush()
            written = cut
            seen += [event["n"] for event in file.new()]
    assert seen == numbers
