# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook benchmark on a published site."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

# To measure changes nothing; the report that shows the times is a new one.
REPORTS = {"Write the report on the controller"}
WARM = {"depot_benchmark_measurements": ["published_warm"]}


def state_of(store: Path) -> list[tuple[str, int]]:
    """What is in a store; not when it was written, for a Julia that may touches the caches that it loads."""
    return sorted((str(path), path.lstat().st_size) for path in store.rglob("*"))


def test_the_table_of_an_environment(published, tmp_path):
    dest = tmp_path / "folder of reports" / "benchmark.json"
    workdir = tmp_path / "work"
    workdir.mkdir()
    variables = {"depot_benchmark_dest": str(dest), "depot_benchmark_workdir": str(workdir)}
    store = state_of(published.store)
    planned = published.run("benchmark", "--check", **variables)
    assert planned.ok, planned.text[-3000:]
    assert set(planned.changed_tasks) <= REPORTS
    assert not dest.parent.exists()

    # Answers of a survey are strings.
    run = published.run("benchmark", depot_benchmark_times="2", **variables)
    assert run.ok, run.text[-3000:]
    assert set(run.changed_tasks) <= REPORTS
    (row,) = json.loads(dest.read_text())
    measurements = row.pop("measurements")
    assert row == {
        "environment": "jets",
        "release": published.current,
        "julia": published.version,
        "arch": row["arch"],
        "level": "generic",
        "host": "localhost",
        "times": 2,
        "packages": "published",
    }
    assert {"nothing", "private", "published_warm"} <= set(measurements)
    assert ("published_cold" in measurements) != ("published_cold of jets was not measured" in run.text)
    for measured in measurements.values():
        assert len(measured["samples"]) == 2
        assert measured["median"] == pytest.approx(statistics.median(measured["samples"]), abs=0.002)
        assert 0 < min(measured["samples"]) <= measured["low"] <= measured["median"] <= measured["high"]
    # What is compared is whole minutes in real environments, and seconds in this one.
    assert measurements["nothing"]["median"] > measurements["published_warm"]["median"]
    assert state_of(published.store) == store
    assert list(workdir.iterdir()) == []


def test_a_second_run_measures_anew_and_changes_nothing(published, tmp_path):
    dest = tmp_path / "benchmark.json"
    variables = {**WARM, "depot_benchmark_dest": str(dest), "depot_benchmark_times": 1}
    texts = []
    for _number in range(2):
        run = published.run("benchmark", **variables)
        assert run.ok, run.text[-3000:]
        assert set(run.changed_tasks) <= REPORTS
        texts.append(dest.read_text())
    assert [set(row["measurements"]) for row in json.loads(texts[1])] == [{"published_warm"}]
    assert texts[0] != texts[1]


def test_packages_that_are_installed_first(published, tmp_path):
    dest = tmp_path / "benchmark.json"
    run = published.run(
        "benchmark",
        depot_benchmark_dest=str(dest),
        depot_benchmark_measurements="nothing private",
        depot_benchmark_packages="installed",
        depot_benchmark_times=1,
    )
    assert run.ok, run.text[-3000:]
    (row,) = json.loads(dest.read_text())
    assert row["packages"] == "installed"
    assert row["measurements"]["nothing"]["median"] > row["measurements"]["private"]["median"]


def test_what_cannot_be_measured_is_told_at_once(published, tmp_path):
    dest = tmp_path / "benchmark.json"
    run = published.run(
        "benchmark", depot_benchmark_dest=str(dest), depot_benchmark_times=0, depot_benchmark_workdir="/nowhere"
    )
    assert not run.ok
    assert "times: 0 is less than 1; measure at least once" in run.text
    assert "workdir: /nowhere is not a folder on this machine" in run.text
    run = published.run("benchmark", depot_benchmark_dest=str(dest), depot_benchmark_levels="generic, fastest")
    assert "levels: 'fastest' is not in " in run.text
    assert "choose from generic" in run.text
    assert not dest.exists()
