# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of real runs: a first one, one with nothing to do, an update, failures; and that of a store alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.sites import ROOT, Site, new_site

SCHEMA = json.loads((ROOT / "plugins" / "plugin_utils" / "report" / "schema.json").read_text())
BROKEN = '\nerror("<script>alert(1)</script> broken on purpose")\n'


def report_of(folder: Path) -> dict[str, Any]:
    """The document of a report, which keeps to its schema, and whose page is beside it."""
    document = json.loads((folder / "report.json").read_text())
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)] == []
    page = (folder / "report.html").read_text()
    assert document["summary"] in page
    assert "<script" not in page
    return document


def outcomes(document: dict[str, Any]) -> list[str]:
    return [build["outcome"] for entry in document["environments"] for build in entry["builds"]]


def test_a_first_run_ends_with_a_report_and_a_second_one_leaves_it(published):
    folder = published.folder / "report"
    document = report_of(folder)
    assert (document["source"], document["outcome"], document["failures"]) == ("run", "well", [])
    entry = document["environments"][0]
    assert (entry["environment"], entry["outcome"], entry["release"]) == ("jets", "published", published.current)
    build = entry["builds"][0]
    assert (build["outcome"], build["host"], build["packages"]["compiled"]) == ("built", "localhost", 3)
    assert build["seconds"] > 0
    assert build["bytes"] > 0
    check = document["checks"][0]
    assert (check["outcome"], check["release"], check["rejected"]) == ("proved", published.current, [])
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    run = published.run("site")
    assert (run.ok, run.changed_tasks) == (True, []), run.text[-3000:]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert f"The report: {folder}/report.html" in run.text


def test_alone_it_tells_what_the_store_holds(published, tmp_path):
    folder = tmp_path / "report"
    where = {"depot_report_folder": str(folder)}
    run = published.run("report", "--check", "--diff", **where)
    assert run.ok, run.text[-3000:]
    assert run.changed == 1
    assert '+  "source": "store"' in run.text
    assert not folder.exists()
    run = published.run("report", **where)
    assert (run.ok, run.changed) == (True, 1), run.text[-3000:]
    document = report_of(folder)
    assert (document["source"], document["outcome"], document["checks"]) == ("store", "well", [])
    assert outcomes(document) == ["held"]
    assert document["environments"][0]["release"] == published.current
    for arguments in ((), ("--check",)):
        run = published.run("report", *arguments, **where)
        assert (run.ok, run.changed) == (True, 0), run.text[-3000:]


def test_a_folder_that_cannot_be_is_named(published):
    taken = published.folder / "taken"
    taken.write_text("")
    run = published.run("report", depot_report_folder=str(taken))
    assert not run.ok
    assert f"folder: {taken} is there and is not a folder" in run.failure()


def test_an_update_is_told_and_a_build_that_fails_is_told_and_fails_the_run(site):
    assert site.run("site").ok
    first = site.current
    project = site.project / "AntiKt" / "Project.toml"
    project.write_text(re.sub(r'(?m)^version = ".*"$', 'version = "9.9.9"', project.read_text()))
    run = site.run("lock", depot_update=True)
    assert run.ok, run.text[-3000:]
    run = site.run("site")
    assert run.ok, run.text[-3000:]
    document = report_of(site.folder / "report")
    entry = document["environments"][0]
    assert (entry["outcome"], entry["release"], entry["previous"]) == ("published", site.current, first)
    change = next(change for change in entry["changes"]["packages"] if change["package"] == "AntiKt")
    assert (change["status"], change["to"]) == ("updated", "9.9.9")

    source = site.project / "AntiKt" / "src" / "AntiKt.jl"
    good = source.read_text()
    source.write_text(good + BROKEN)
    current = site.current
    run = site.run("site")
    assert not run.ok
    assert "broken on purpose" in run.failure()
    assert "failed to precompile" in run.failure()
    document = report_of(site.folder / "report")
    assert document["outcome"] == "failed"
    assert document["failures"][0]["message"] == run.failure()
    entry = document["environments"][0]
    assert (entry["outcome"], entry["release"]) == ("withheld", current)
    assert outcomes(document) == ["failed"]
    assert entry["builds"][0]["packages"]["failed"] == 1

    source.write_text(good)
    run = site.run("site")
    assert run.ok, run.text[-3000:]
    assert report_of(site.folder / "report")["outcome"] == "well"


def test_input_that_is_refused_leaves_no_report(site):
    run = site.run("site", depot_targets={"x86_64": ["nothing"]})
    assert not run.ok
    assert not (site.folder / "report").exists()


def test_a_builder_without_julia_tells_why(site):
    julia = {"version": site.version, "executable": "/bin/true"}
    run = site.run("site", depot_environments=[{**site.extra()["depot_environments"][0], "julia": julia}])
    assert not run.ok
    (failure,) = report_of(site.folder / "report")["failures"]
    assert (failure["where"], failure["what"], failure["message"]) == ("localhost", "builder", run.failure())
    assert "does not answer as Julia" in run.failure()


def test_clients_alone_tell_nothing_of_builders(site):
    """Before anything is published there is nothing to prove, and nobody was to build."""
    run = site.run("clients")
    assert not run.ok
    (failure,) = report_of(site.folder / "report")["failures"]
    assert (failure["where"], failure["what"]) == ("localhost", "proof of jets")
    assert "no release of 'jets' is at " in failure["message"]
    assert run.failure() == failure["message"]


def test_a_publish_that_fails_is_told(site):
    run = site.run("site", depot_publish_keep=-1)
    assert not run.ok
    assert run.failure() == "keep: -1 is less than 0"
    document = report_of(site.folder / "report")
    assert [failure["what"] for failure in document["failures"]] == ["publishing jets"]
    assert document["failures"][0]["message"] == run.failure()
    assert outcomes(document) == ["built"]


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory, published: Site) -> Site:
    """The published site with further clients: one cannot be reached, one has no place for a command, one is broken."""
    inventory = tmp_path_factory.mktemp("larger") / "inventory"
    shutil.copytree(published.inventory, inventory)
    hosts = yaml.safe_load((inventory / "hosts.yml").read_text())
    workloads = {"jets": 'error("broken on purpose")'}
    hosts["all"]["hosts"].update(
        {
            "lost": {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"},
            "taken": {**hosts["all"]["hosts"]["localhost"], "depot_client_bin": str(inventory / "taken")},
            "broken": {**hosts["all"]["hosts"]["localhost"], "depot_client_workloads": workloads},
        }
    )
    hosts["all"]["children"]["depot_clients"]["hosts"].update(dict.fromkeys(["lost", "taken", "broken"]))
    (inventory / "taken").mkdir()
    (inventory / "taken" / "julia").write_text("mine")
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    return Site(published.folder, published.julia, published.version, inventory=inventory)


def test_clients_that_fail_or_cannot_be_reached_are_told_and_fail_the_run(larger, tmp_path):
    run = larger.run("site", depot_report_folder=str(tmp_path))
    assert not run.ok
    document = report_of(tmp_path)
    assert {check["host"]: check["outcome"] for check in document["checks"]} == {
        "localhost": "proved",
        "broken": "failed",
        "taken": "failed",
        "lost": "silent",
    }
    told = {failure["where"]: failure["message"] for failure in document["failures"]}
    assert sorted(told) == ["broken", "lost", "taken"]
    assert "broken on purpose" in told["broken"]
    assert "julia is there already and is not a link into the store" in told["taken"]
    assert "1 of 4 clients proved" in document["summary"]
    run = larger.run("site", depot_report_folder=str(tmp_path))
    assert not run.ok
    assert "depot_report" not in " ".join(run.changed_tasks)


def test_what_was_lost_with_the_store_is_no_fault_of_the_report(tmp_path, julia, julia_version):
    site = new_site(tmp_path, julia, julia_version(julia))
    run = site.run("report")
    assert run.ok, run.text[-3000:]
    assert report_of(site.folder / "report")["summary"] == "All is well: nothing is built."
