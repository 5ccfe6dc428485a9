# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines about a job: what they say, how often they come, and that none comes twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import following

COUNTS = st.none() | st.integers(0, 200)
STATES = st.none() | st.fixed_dictionaries(
    {
        "phase": st.sampled_from(["precompile", "load", "packages", "copy"]),
        "item": st.sampled_from(["", "LoopVectorization", "A, B"]),
        "done": COUNTS,
        "total": COUNTS,
        "skipped": st.integers(0, 200),
        "unit": st.sampled_from(["", "MB"]),
        "seconds": st.floats(0, 90000),
    }
)


def state(**more):
    return {
        "phase": "precompile",
        "item": "",
        "done": None,
        "total": None,
        "skipped": 0,
        "unit": "",
        "seconds": 0,
        **more,
    }


@pytest.mark.parametrize(
    ("elapsed", "said", "line"),
    [
        (10, None, "builder1  jets  starting  10 s"),
        (12, state(phase="resolve"), "builder1  jets  resolve  12 s"),
        (
            380,
            state(done=41, total=120, item="LoopVectorization", seconds=300, skipped=0),
            "builder1  jets  precompile 41/120  LoopVectorization  6 min, about 9 to go",
        ),
        (380, state(done=1, total=3, seconds=300), "builder1  jets  precompile 1/3  6 min"),
        (380, state(done=2, total=3, seconds=40), "builder1  jets  precompile 2/3  6 min, about 20 s to go"),
        (45, state(done=2, total=3, seconds=40), "builder1  jets  precompile 2/3  45 s, about 20 to go"),
        (
            4000,
            state(done=50, total=100, seconds=4000),
            "builder1  jets  precompile 50/100  1 h 6 min, about 1 h 6 min to go",
        ),
        (
            70,
            state(phase="copy", done=310, total=1240, unit="MB", seconds=60),
            "builder1  jets  copy 310/1240 MB  1 min, about 3 to go",
        ),
    ],
)
def test_a_line_says_how_far_a_job_is(elapsed, said, line):
    assert following.Lines("builder1", "jets").next(said, elapsed) == line


@given(st.lists(st.tuples(STATES, st.floats(0.05, 5)), min_size=1, max_size=400))
def test_no_line_comes_twice_and_one_at_least_each_minute(said):
    lines, elapsed, told, last = following.Lines("host", "jets"), 0.0, [], 0.0
    for what, delay in said:
        elapsed += following.patience(elapsed) + delay
        line = lines.next(what, elapsed)
        if line is not None:
            assert elapsed - last >= (following.SHORTEST if told else following.FIRST)
            told.append(line)
            last = elapsed
        assert elapsed - last <= 60
    assert len(set(told)) == len(told)
    assert all("  " in line and "\n" not in line for line in told)


@given(st.floats(0, 10**6))
def test_a_job_that_says_the_same_all_day_has_no_line_twice(start):
    lines = following.Lines("host", "jets")
    elapsed, told = start, []
    for _unused in range(50):
        elapsed += following.patience(elapsed) + 0.5
        told.append(lines.next(state(item="Slow"), elapsed))
    shown = [line for line in told if line is not None]
    assert len(set(shown)) == len(shown)


@given(STATES.filter(bool))
def test_what_remains_is_never_negative_and_nothing_once_all_is_done(said):
    rest = following.remaining(said)
    assert rest is None or rest > 0
    if (said["done"] or 0) >= (said["total"] or 0):
        assert rest is None


def test_what_took_no_time_does_not_shorten_the_estimate():
    assert following.remaining(state(done=60, total=80, skipped=50, seconds=100)) == 200


@given(st.floats(0, 10**6))
def test_a_time_in_words_is_the_time(seconds):
    factors = {"h": 3600, "min": 60, "s": 1}
    words = following.in_words(seconds, exact=True).split()
    assert sum(int(number) * factors[unit] for number, unit in zip(words[::2], words[1::2], strict=True)) == int(
        seconds
    )


@pytest.mark.parametrize(
    ("module", "arguments", "about"),
    [
        (
            "julia_precompile",
            {"project": "/s/common/environments/jets", "depot": "/s/x86_64/x86-64-v3"},
            "jets x86-64-v3",
        ),
        (
            "julia_depot_check",
            {"project": "/s/environments/jets/", "depots": ["/s/generic", "/s/common"]},
            "jets generic",
        ),
        ("depot_release_check", {"environment": "jets", "workload": "x()"}, "jets"),
        ("julia_instantiate", {"project": "/tmp/x/project", "environment": "jets", "depot": "/s/common"}, "jets"),
        ("julia_instantiate", {"environment": "jets", "platform": "aarch64-linux-gnu"}, "jets aarch64-linux-gnu"),
        ("depot_release", {"environment": "jets", "release": "0123456789abcdef"}, "jets 0123456789abcdef"),
        ("depot_release", {"environment": "jets", "state": "pruned"}, "jets"),
        ("julia_precompile", {}, ""),
    ],
)
def test_a_label_names_environment_and_level(module, arguments, about):
    assert following.label(module, arguments) == about
