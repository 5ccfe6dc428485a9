# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Julia programs, the events that they write, and how their end is told."""

from __future__ import annotations

import json
import os
import tomllib
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.action import julia as action
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import JuliaError, TimeLimitError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import program
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Runner, toml, unpacked
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.watch import EventFile
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import Mount, Sandbox
from tests.unit.helpers import FakeJulia, needs_bwrap

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES | st.lists(TEXT)))
@example({"a": "\x00\x1f\x7f\x80\u2028\U0001f600\\\"'\r\n\t"})
@example({"a": ["\x7f", ""], "b": 1e22, "c": -0.0})
def test_a_request_is_read_as_it_was_written(asked):
    assert tomllib.loads(toml(asked)) == asked


@pytest.mark.parametrize(("depots", "path"), [([], ""), (["/a"], "/a:"), (["/a", "/b c"], "/a:/b c:")])
def test_a_depot_path_ends_with_what_comes_with_julia(depots, path):
    assert program.depot_path(depots) == path


WHOLE = '{"event": "a", "x": 1}\n'


@pytest.mark.parametrize(
    ("content", "count"),
    [(None, 0), ("", 0), (WHOLE, 1), (WHOLE * 2 + '{"event": "torn', 2), (WHOLE + '{"event": "b"}', 1), ('{"ev', 0)],
)
def test_a_torn_last_line_is_left(tmp_path, content, count):
    path = tmp_path / "events"
    if content is not None:
        path.write_text(content)
    assert list(EventFile(str(path)).new()) == [{"event": "a", "x": 1}] * count


def test_an_event_that_is_no_utf8_is_read_all_the_same(tmp_path):
    (tmp_path / "events").write_bytes(b'{"event": "a", "x": "\xff"}\n')
    assert list(EventFile(str(tmp_path / "events")).new()) == [{"event": "a", "x": "\ufffd"}]


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        ("", "it printed nothing"),
        ("\n \n", "it printed nothing"),
        ("a\nb\n\n", "b"),
        ("ERROR: first\nat x\nERROR: LoadError: last\nStacktrace:\n [1] x\n", "ERROR: LoadError: last"),
        ("ERROR: versions conflict:\n  A 1\n\n  B 2\nStacktrace:\n [1] x\n", "ERROR: versions conflict:\n  A 1\n  B 2"),
        ("ERROR: x\n" + "y\n" * 100, "ERROR: x" + "\ny" * (program.ERROR_LINES - 1)),
    ],
)
def test_the_last_error_is_told_without_its_stack_trace(stderr, told):
    assert program._last_error(stderr) == told


def test_the_programs_are_unpacked_and_taken_away(tmp_path):
    bundle = tmp_path / "bundle"
    bundle.write_text(json.dumps({"a.jl": "1\n", "../b.jl": "ü"}))
    with unpacked(str(bundle)) as folder:
        assert sorted(os.listdir(folder)) == ["a.jl", "b.jl"]
        assert os.stat(folder).st_mode & 0o777 == 0o755
        with open(os.path.join(folder, "b.jl"), encoding="utf-8") as stream:
            assert stream.read() == "ü"
    assert not os.path.exists(folder)


@pytest.mark.parametrize("bundle", [None, "", "/nowhere/bundle.json"])
def test_programs_that_did_not_arrive_are_an_error_with_the_remedy(bundle):
    with pytest.raises(JuliaError, match=r"call it by its full name scisoft\.julia_depots"), unpacked(bundle):
        raise AssertionError("there is nothing to unpack")


@pytest.fixture
def fake(tmp_path):
    return FakeJulia(tmp_path)


def runner(fake, tmp_path, sandbox=None, **options) -> Runner:
    return Runner(str(fake.executable), str(tmp_path), sandbox, **options)


DONE = {"event": "done"}


def test_a_program_gets_its_request_and_gives_its_events(fake, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    fake.ends_with([{"event": "a", "n": 1}, {"event": "a", "n": 2}, DONE])
    outcome = runner(fake, tmp_path).run("check.jl", {"project": "/p q"}, {"A": "1"})
    assert [event["n"] for event in outcome.of("a")] == [1, 2]
    assert outcome.first("a")["n"] == 1
    assert outcome.first("b") is None
    assert 'project = "/p q"' in outcome.completed.stdout
    assert "\nA=1\n" in outcome.completed.stdout
    assert "SECRET" not in outcome.completed.stdout


@needs_bwrap
def test_enclosed_it_sees_what_is_mounted(fake, tmp_path):
    fake.ends_with([DONE])
    enclosure = Sandbox([Mount(str(fake.prefix), "/opt/shown julia")], variables={"MINE": "1", "A": "theirs"})
    outcome = runner(fake, tmp_path, enclosure).run("check.jl", {"x": 1}, {"A": "ours"})
    words = outcome.completed.stdout.splitlines()
    assert outcome.completed.argv[-6] == "/opt/shown julia/bin/julia"
    assert {'events = "/tmp/exchange/events.jsonl"', 'scratch = "/tmp/exchange"', "A=ours", "MINE=1", "x = 1"} <= set(
        words
    )


@pytest.mark.parametrize(
    ("events", "stderr", "status", "message"),
    [
        ([DONE], "ERROR: boom\nStacktrace:\n", 1, "check.jl failed: ERROR: boom"),
        ([{"event": "a"}], "", 0, "check.jl ended before its work was done"),
    ],
)
def test_a_bad_end_is_an_error_with_the_output(fake, tmp_path, events, stderr, status, message):
    fake.ends_with(events, stderr, status)
    with pytest.raises(JuliaError) as error:
        runner(fake, tmp_path).run("check.jl", {}, {})
    assert error.value.message == message
    assert {"cmd", "stdout"} <= set(error.value.details)
    assert (error.value.details["rc"], error.value.details["stderr"]) == (status, stderr)


def test_a_program_whose_time_is_over_is_named(fake, tmp_path):
    fake.executable.write_text("#!/bin/sh\nsleep 300\n")
    with pytest.raises(TimeLimitError, match=r"did not end within .*0\.3 s"):
        runner(fake, tmp_path, timeout=0.3).run("check.jl", {}, {})


@pytest.mark.parametrize(
    ("module", "folder"), [("julia_depot_check", "julia"), ("julia_precompile", "julia"), ("depot_release", "release")]
)
def test_the_action_plugin_sends_exactly_the_files_of_a_folder(module, folder):
    sent = {}
    plugin = object.__new__(action.ActionModule)
    plugin._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/remote/tmp", join_path=os.path.join))
    plugin._transfer_data = sent.__setitem__
    plugin._fixup_perms2 = lambda paths: sent.__setitem__("readable", paths)
    where = plugin._send(action.FOLDERS.get(module, action.DEFAULT_FOLDER))
    assert where == f"/remote/tmp/{folder}.json"
    assert where in sent["readable"]
    source = os.path.join(action.PLUGINS, folder)
    texts = json.loads(sent[where])
    assert sorted(texts) == sorted(os.listdir(source))
    for name, text in texts.items():
        with open(os.path.join(source, name), encoding="utf-8") as stream:
            assert text == stream.read()
