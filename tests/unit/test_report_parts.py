# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report is made of: results of builds, what a store holds, what a release changes; and its files."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.contents import ARGUMENT_SPEC, info
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report import changes, files
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.document import Known
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.outcomes import (
    ERROR_LIMIT,
    build_results,
    check_results,
)
from tests import reports
from tests.unit.helpers import params_of

CURRENT, PREVIOUS = "0123456789abcdef", "fedcba9876543210"

# --- results of builds

LEVELS = ["generic", "x86-64-v2", "x86-64-v3"]
BUILDS = [{"environment": "jets", "julia": {"version": "1.10.8"}, "arch": "x86_64", "level": level} for level in LEVELS]


def built(level: str, compiled: int, fresh: int) -> dict:
    return {
        "name": level,
        "totals": {"compiled": compiled, "fresh": fresh, "seconds": 12.5},
        "size": {"bytes": 1000},
        "check": {"startup_seconds": 0.5, "workload_seconds": None},
    }


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3),
    st.booleans(),
    st.sampled_from(["", "it broke"]),
)
def test_each_build_has_one_result_and_at_most_one_is_to_blame(numbers, complete, fault):
    levels = [built(level, *pair) for level, pair in zip(LEVELS, numbers, strict=False)]
    results = build_results(BUILDS, "builder", CURRENT, levels=levels, complete=complete, fault=fault)
    assert [result["level"] for result in results] == LEVELS
    outcomes = [result["outcome"] for result in results]
    assert outcomes.count("failed") == (bool(fault) and not complete and len(levels) < len(LEVELS))
    assert all((result["error"] != "") is (result["outcome"] == "failed") for result in results)
    for result, (compiled, fresh) in zip(results, numbers, strict=False):
        assert result["outcome"] == ("fresh" if not compiled else "partly" if fresh else "built")
        assert result["packages"] == {"compiled": compiled, "fresh": fresh, "failed": 0}
    rest = set(outcomes[len(levels) :])
    assert rest <= ({"fresh"} if complete else {"failed", "skipped"})


def test_a_failed_build_says_how_many_packages_failed_and_which_caches_were_refused():
    packages = [{"state": "compiled"}, {"state": "failed"}, {"state": "fresh"}, {"state": "fresh"}]
    failure = {"packages": packages, "failed_packages": ["A"], "rejected": [{"cache": "a.ji", "reason": "old"}]}
    result = build_results(BUILDS, "builder", CURRENT, fault="x" * 9999, failure=failure)[0]
    assert result["packages"] == {"compiled": 1, "fresh": 2, "failed": 1}
    assert result["rejected"] == failure["rejected"]
    assert len(result["error"]) == ERROR_LIMIT


# --- results of proofs

PROVED = {
    "release": CURRENT,
    "missing": [{"arch": "aarch64"}],
    "startup_seconds": 0.5,
    "workload_seconds": None,
    "rejected": [],
    "changed": False,
}


def test_each_environment_that_was_tried_is_told_of():
    late = {"cache": "/d/A/x.ji", "reason": "for A since x"}
    broken = {"failed": True, "msg": "the depot is not proved" + "!" * ERROR_LIMIT, "rejected": [late]}
    results = check_results(["jets", "plots", "new"], "node1", [PROVED, broken, {"skipped": True}])
    assert [(entry["environment"], entry["outcome"], entry["release"]) for entry in results] == [
        ("jets", "proved", CURRENT),
        ("plots", "failed", ""),
    ]
    jets, plots = results
    assert (jets["host"], jets["error"], jets["missing"], jets["startup_seconds"]) == (
        "node1",
        "",
        [{"arch": "aarch64"}],
        0.5,
    )
    assert len(plots["error"]) == ERROR_LIMIT
    assert plots["rejected"] == [late]


def test_a_node_that_lags_proves_nothing():
    waited = {"failed": True, "msg": "it lags", "lagging": [{"id": "client", "revision": 3}]}
    results = check_results(["jets", "plots"], "node1", [PROVED, PROVED], waited, 5)
    lag = {"host": "node1", "outcome": "lagging", "error": "it lags", "revision": 3, "wanted": 5}
    assert results == [dict(lag, environment="jets"), dict(lag, environment="plots")]
    (silent,) = check_results(["jets"], "node1", waited={"failed": True}, wanted=5)
    assert (silent["revision"], silent["error"]) == (None, "it failed")


def test_a_node_that_has_waited_tells_of_its_proofs():
    for waited in ({"skipped": True}, {"changed": False, "served": []}, None):
        (entry,) = check_results(["jets"], "node1", [PROVED], waited, 5)
        assert entry["outcome"] == "proved"


# --- what a release changes

VERSIONS = st.dictionaries(st.sampled_from(["A", "B", "C"]), st.sampled_from(["1.0.0", "1.1.0"]))


@given(VERSIONS, VERSIONS)
def test_changes_of_locks_are_those_of_their_versions(before, after):
    locks = {"before": reports.manifest(before), "after": reports.manifest(after)}
    told = {change["package"]: change for change in changes.between({}, {}, locks)["packages"]}
    assert set(told) == {name for name in {**before, **after} if before.get(name) != after.get(name)}
    for name, change in told.items():
        assert (change["from"], change["to"]) == (before.get(name, ""), after.get(name, ""))


def test_locks_of_the_first_format_are_read_too():
    text = '[[A]]\nuuid = "1"\nversion = "0.1.0"\n\n[[Dates]]\ndeps = ["Printf"]\nuuid = "2"\n'
    assert changes.pinned_by(text) == {("A", "1"): "0.1.0", ("Dates", "2"): ""}


def test_a_package_from_a_repository_has_its_commit():
    text = '[[A]]\nuuid = "1"\nversion = "0.1.0"\nrepo-rev = "main"\ngit-tree-sha1 = "0123456789abcdef0123"\n'
    assert changes.pinned_by(text) == {("A", "1"): "0.1.0 (main at 01234567)"}


@given(st.text())
def test_a_lock_that_is_none_pins_nothing_and_is_no_fault(text):
    changes.pinned_by(text)


def test_what_else_differs_is_told_in_words():
    inputs = {"project": "1", "targets": {"x86_64": {"generic": "generic"}}, "julia": {"builds": {"x86_64": "a"}}}
    before = {"julia": "1.10.7", "inputs": inputs}
    after = {"julia": "1.10.8", "inputs": {**inputs, "targets": {}, "slim": ["docs"], "julia": {"builds": {}}}}
    assert changes.between(before, before, {}) == {"julia": None, "packages": [], "others": []}
    told = changes.between(before, after, {})
    assert told["julia"] == {"from": "1.10.7", "to": "1.10.8"}
    assert told["others"] == ["levels and CPU targets", "what is left out"]
    rebuilt = changes.between(before, {**after, "julia": "1.10.7"}, {})
    assert rebuilt["others"][-1] == "build of Julia"


# --- what a store holds


def publish(store: Path, release: str, lock: str, published: str) -> None:
    folder = store / "environments" / "jets" / "releases" / release
    project = folder / "x86_64" / "common" / "environments" / "jets"
    project.mkdir(parents=True)
    (project / "Manifest.toml").write_text(lock)
    (folder / "x86_64" / "build.json").write_text("{}")
    level = {**built("generic", 3, 0), "target": "generic", "packages": [{"package": "A"}] * 3, "flags": []}
    build = {
        "host": "builder",
        "packages": [["A", "1.0.0"]],
        "artifacts": [],
        "levels": [level],
        "variables": {"A": "b"},
    }
    record = {"release": release, "environment": "jets", "published": published, "julia": "1.10.8", "inputs": {}}
    record.update(architectures={"x86_64": build}, size={"bytes": 5, "entries": 2}, platforms={}, store=str(store))
    (folder / "release.json").write_text(json.dumps(record))


def ask(store: Path, **given) -> dict:
    return info(
        params_of(ARGUMENT_SPEC, store={"type": "directory", "path": str(store), "repository": None}, **given), True
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    publish(tmp_path, PREVIOUS, "before", "2026-01-01T00:00:00+00:00")
    publish(tmp_path, CURRENT, "after", "2026-01-02T00:00:00+00:00")
    jets = tmp_path / "environments" / "jets"
    (jets / "current").symlink_to(f"releases/{CURRENT}")
    (jets / "previous").symlink_to(f"releases/{PREVIOUS}")
    return tmp_path


def test_a_store_tells_current_and_previous_releases_with_their_locks(store):
    told = ask(store)["environments"]
    assert [entry["environment"] for entry in told] == ["jets"]
    entry = told[0]
    assert (entry["current"], entry["previous"]) == (CURRENT, PREVIOUS)
    assert [release["release"] for release in entry["releases"]] == [CURRENT, PREVIOUS]
    assert entry["locks"] == {"after": "after", "before": "before"}
    build = entry["record"]["architectures"]["x86_64"]
    assert (build["packages"], build["artifacts"]) == (1, 0)
    assert set(build["levels"][0]) == {"name", "target", "totals", "size", "check"}
    assert entry["record_before"]["release"] == PREVIOUS


def test_locks_that_are_the_same_are_left_out(store):
    path = store / "environments" / "jets" / "releases" / PREVIOUS / "x86_64/common/environments/jets/Manifest.toml"
    path.write_text("after")
    assert ask(store)["environments"][0]["locks"] == {}


def test_what_is_not_there_or_broken_is_no_fault(store):
    assert ask(store, environments=["other"])["environments"] == []
    assert ask(store / "nowhere")["environments"] == []
    (store / "environments" / ".incoming").mkdir()
    (store / "environments" / "empty").mkdir()
    (store / "environments" / "jets" / "releases" / CURRENT / "release.json").write_text("{")
    told = {entry["environment"]: entry for entry in ask(store)["environments"]}
    assert set(told) == {"jets", "empty"}
    assert told["jets"]["record"] is None
    assert told["empty"]["current"] is None


def test_all_faults_of_what_is_asked_are_told_at_once():
    with pytest.raises(InputError) as error:
        info({"store": {"type": "directory", "path": "here", "repository": None}, "environments": ["a b"]}, False)
    assert len(error.value.faults) == 2


# --- files


def known_of(known: Known, **changed) -> Known:
    return Known(**{**known.__dict__, **changed})


def written(known: Known, folder: Path) -> list[str]:
    """Write a report; the names of the files that changed."""
    _told, planned = files.planned(known, str(folder))
    files.write(planned)
    return sorted(Path(file.path).name for file in planned if file.changed)


def later() -> Known:
    """The site of the first report, after a run that had nothing to do."""
    first = reports.first()
    return known_of(
        first,
        builds=[{**build, "outcome": "fresh"} for build in first.builds],
        publishes=[{**entry, "changed": False} for entry in first.publishes],
    )


def test_a_report_is_written_once_and_again_only_for_news(tmp_path):
    folder = tmp_path / "some where"
    assert written(reports.first(), folder) == ["report.html", "report.json"]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"report.html", "report.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert written(later(), folder) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert written(reports.lagging(), folder) == ["report.html", "report.json"]


def test_a_page_that_is_lost_is_made_again_of_the_document(tmp_path):
    written(reports.first(), tmp_path)
    (tmp_path / "report.html").unlink()
    assert written(later(), tmp_path) == ["report.html"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1, "environments": 5}', "\xff"])
def test_a_document_that_is_none_is_written_anew(tmp_path, text):
    (tmp_path / "report.json").write_text(text, encoding="latin-1")
    assert "report.json" in written(later(), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "well"


def test_planning_touches_nothing(tmp_path):
    files.planned(reports.first(), str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


def test_half_a_character_is_written_as_json_has_it(tmp_path):
    checks = [reports.check("\udc80", "jets", CURRENT, 1)]
    written(known_of(reports.first(), checks=checks, clients=[]), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["checks"][0]["host"] == "\udc80"
    assert "⟨U+DC80⟩" in (tmp_path / "report.html").read_text()


def test_a_folder_that_is_none_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is there and is not a folder"):
        files.planned(reports.first(), str(tmp_path / "file"))
    with pytest.raises(InputError, match="'here' is not an absolute path"):
        files.planned(reports.first(), "here")
