# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project for AWX: what it asks of AWX, and its jobs, run as AWX runs them."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.others.awx import PROJECT, Awx, configured, installed_collection
from tests.sites import BIN, ROOT, Site, new_site, reading
from tests.unit.helpers import wait_until

REFRESH = "Julia depots: refresh"


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return configured(tmp_path_factory.mktemp("configured"))


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    return installed_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture(scope="module")
def locked(tmp_path_factory, julia, julia_version) -> Site:
    """A site whose project has its lock, as a repository that AWX checks out."""
    site = new_site(tmp_path_factory.mktemp("locked"), julia, julia_version(julia))
    run = site.run("lock")
    assert run.ok, run.text[-3000:]
    return site


@pytest.fixture
def start(asked, collections, locked, tmp_path):
    """Makes an AWX with a site of its own, below a folder."""

    def start(folder: Path = tmp_path) -> tuple[Awx, Site]:
        site = Site(folder, locked.julia, locked.version)
        shutil.copytree(locked.project, site.project)
        return Awx(folder, collections, asked, inventory_of(site)), site

    return start


@pytest.fixture(scope="module")
def refreshed(asked, collections, locked, tmp_path_factory):
    """An AWX after its first nightly refresh, the site, and the workflow's jobs."""
    site = Site(tmp_path_factory.mktemp("refreshed"), locked.julia, locked.version)
    shutil.copytree(locked.project, site.project)
    awx = Awx(site.folder, collections, asked, inventory_of(site))
    return awx, site, awx.run_workflow(REFRESH)


def inventory_of(site: Site) -> dict:
    """One machine that is all, as AWX tells it once it has read the inventory of the repository."""
    variables = {
        "depot_store": {"type": "directory", "path": str(site.store)},
        "depot_environments": site.extra()["depot_environments"],
        "depot_targets": {platform.machine(): ["generic"]},
        "depot_build_workdir": str(site.folder / "work"),
        "depot_client_bin": str(site.folder / "bin"),
        "depot_client_default": "jets",
        "depot_report_folder": str(site.folder / "report"),
    }
    host = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    groups = {name: {"hosts": ["localhost"]} for name in ("julia_builders", "cvmfs_stratum0", "depot_clients")}
    return {
        "all": {"hosts": ["localhost"], "vars": variables, "children": list(groups)},
        "_meta": {"hostvars": {"localhost": host}},
        **groups,
    }


def of_kind(asked, kind: str) -> dict[str, dict]:
    return {given["name"]: given for module, given in asked if module == kind}


# What AWX is asked


def test_everything_that_is_named_was_made_before(asked):
    made: dict[str, set[str]] = {}
    for module, given in asked:
        for option, kind in (
            ("project", "project"),
            ("source_project", "project"),
            ("inventory", "inventory"),
            ("execution_environment", "execution_environment"),
        ):
            assert option not in given or given[option] in made[kind], (module, given["name"], option)
        templates = made.get("job_template", set()) | made.get("workflow_job_template", set())
        if module == "schedule":
            assert given["unified_job_template"] in templates
        for node in given.get("workflow_nodes", []):
            assert node["unified_job_template"]["name"] in made["job_template"]
        assert given["name"] not in made.setdefault(module, set())
        made[module].add(given["name"])
    assert len(made["job_template"]) >= 10


def test_settings_are_those_of_the_site(tmp_path):
    asked = configured(tmp_path, awx_depots_organization="Physics", awx_depots_extra_vars={"depot_lock": "resolve"})
    assert {given["organization"] for _module, given in asked} == {"Physics"}
    templates = of_kind(asked, "job_template")
    assert templates["Julia depots: build"]["extra_vars"] == {"depot_lock": "resolve"}
    assert templates["Julia depots: look for updates"]["extra_vars"] == {"depot_lock": "resolve", "depot_update": True}


def test_the_workflow_goes_from_build_to_report(asked):
    (workflow,) = of_kind(asked, "workflow_job_template").values()
    nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
    way, current = [], "build"
    while current:
        way.append(current)
        current = next((node["identifier"] for node in nodes[current]["related"]["success_nodes"]), "")
    assert way == ["build", "publish", "clients", "verify", "report"]
    # A node with a way on after a failure would make a workflow that failed a success.
    ways = [node["related"].get(kind) for node in nodes.values() for kind in ("failure_nodes", "always_nodes")]
    assert not any(ways)


def test_schedules_are_rules_that_awx_takes(asked):
    schedules = of_kind(asked, "schedule")
    assert schedules["Julia depots: nightly refresh"]["unified_job_template"] == REFRESH
    assert "FREQ=DAILY" in schedules["Julia depots: nightly refresh"]["rrule"]
    assert "FREQ=MONTHLY" in schedules["Julia depots: monthly maintenance"]["rrule"]
    for schedule in schedules.values():
        # awx/api/serializers.py: one start with its zone, one rule, and the rule with an interval.
        assert re.fullmatch(
            r"DTSTART;TZID=[A-Za-z_/]+:\d{8}T\d{6} RRULE:FREQ=(DAILY|MONTHLY);INTERVAL=\d+(;BYMONTHDAY=\d+)?",
            schedule["rrule"],
        )


def test_surveys_ask_for_flat_answers_and_known_variables(asked):
    known = "".join(path.read_text() for path in (ROOT / "roles").glob("*/defaults/main.yml"))
    known += "".join(path.read_text() for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
    surveys = [given["survey_spec"]["spec"] for _module, given in asked if given.get("survey_enabled")]
    assert len(surveys) >= 5
    for question in [question for survey in surveys for question in survey]:
        assert {"question_name", "variable", "type", "required"} <= set(question)
        assert question["type"] in ("text", "integer", "multiplechoice")
        assert re.search(rf"\b{question['variable']}\b", known), question["variable"]
        if not question["required"]:
            assert question["default"] == ""  # what stands for no answer, and is tried below
        if question["type"] == "multiplechoice":
            assert question["default"] in question["choices"]


def test_each_playbook_is_one_of_the_collection_and_each_has_a_template(asked):
    used = {given["playbook"] for given in of_kind(asked, "job_template").values()}
    thin = {path.name for path in PROJECT.glob("*.yml")} - {"configure.yml", "execution-environment.yml"}
    assert used <= thin
    for name in thin:
        (play,) = yaml.safe_load((PROJECT / name).read_text())
        assert play["ansible.builtin.import_playbook"] == f"scisoft.julia_depots.{name.removesuffix('.yml')}"
        assert (ROOT / "playbooks" / name).is_file()


# Jobs


def test_the_nightly_refresh_hands_releases_and_revision_on(refreshed):
    _awx, site, jobs = refreshed
    assert [(name, job.status) for name, job in jobs.items() if not job.ok] == [], next(reversed(jobs.values())).text[
        -3000:
    ]
    assert list(jobs) == ["build", "publish", "clients", "verify", "report"]
    releases = {"jets": site.current}
    assert jobs["build"].artifacts == {"depot_releases": releases}
    assert jobs["publish"].artifacts == {"depot_releases": releases, "depot_revision": 0}
    for name in ("clients", "verify", "report"):
        assert jobs[name].variables["depot_revision"] == 0
        assert jobs[name].variables["depot_releases"] == releases
    assert (site.folder / "bin" / "julia").is_file()


def test_a_second_refresh_changes_nothing(refreshed):
    awx, site, _jobs = refreshed
    before = site.current
    # In the evening somebody answers the survey, and leaves out what may be left out.
    answers = {"depot_select": "[?environment=='jets']", "depot_allow_partial": "", "depot_keep_releases": "3"}
    jobs = {name: awx.launch(f"Julia depots: {name}", answers) for name in ("build", "publish", "verify")}
    assert [(name, job.status, job.changed) for name, job in jobs.items()] == [
        ("build", "successful", 0),
        ("publish", "successful", 0),
        ("verify", "successful", 0),
    ]
    assert site.current == before


def test_a_wrong_answer_is_named_with_its_variable(refreshed):
    awx, _site, _jobs = refreshed
    job = awx.launch("Julia depots: build", {"depot_allow_partial": "sparc, jets/sparc"})
    assert job.status == "failed"
    assert "depot_allow_partial: 'sparc' names no architecture of the environments" in job.text
    assert "depot_allow_partial: 'jets/sparc' names no architecture of the environments" in job.text
    job = awx.launch("Julia depots: publish", {"depot_keep_releases": "some"})
    assert job.status == "failed"
    assert "keep" in job.text
    assert "some" in job.text


def test_surveys_of_other_templates(refreshed):
    awx, site, _jobs = refreshed
    asked = {"depot_publish_environment": "jets", "depot_publish_release": site.current}
    job = awx.launch("Julia depots: roll back", asked)
    assert job.ok, job.text[-3000:]
    assert job.artifacts == {"depot_releases": {"jets": site.current}, "depot_revision": 0}
    job = awx.launch("Julia depots: maintain", {"depot_keep_releases": "0"})
    assert job.ok, job.text[-3000:]
    assert job.artifacts == {"depot_revision": 0}
    job = awx.launch(
        "Julia depots: benchmark",
        {"depot_benchmark_times": 1, "depot_benchmark_measurements": "published_warm", "depot_benchmark_levels": ""},
    )
    assert job.ok, job.text[-3000:]
    assert (site.folder / "report" / "benchmark.json").is_file()
    job = awx.launch("Julia depots: look for updates")
    assert job.ok, job.text[-3000:]


def test_a_job_that_is_cancelled_is_put_right_by_the_next(start):
    awx, site = start()
    compiling = threading.Event()

    def look(event):
        if event["event"] == "playbook_on_task_start" and event["event_data"]["task"].startswith("Compile for"):
            compiling.set()
        return True

    with reading(site) as reader:
        job = awx.launch("Julia depots: build", cancel=compiling.is_set, event=look)
        assert job.status == "canceled", job.text[-3000:]
        wait_until(lambda: processes_below(site.folder) == [], "nothing of the job runs any more")
        jobs = awx.run_workflow(REFRESH)
    assert jobs["publish"].ok, next(reversed(jobs.values())).text[-3000:]
    assert jobs["verify"].ok, next(reversed(jobs.values())).text[-3000:]
    assert reader.faults == []
    assert jobs["publish"].artifacts["depot_releases"] == {"jets": site.current}


def test_schedules_that_collide_do_no_harm(start):
    awx, site = start()

    def refresh():
        return {name: awx.launch(f"Julia depots: {name}") for name in ("build", "publish", "clients")}

    with reading(site) as reader, ThreadPoolExecutor(2) as pool:
        both = [future.result() for future in [pool.submit(refresh), pool.submit(refresh)]]
    assert reader.faults == []
    assert [job.text[-3000:] for jobs in both for job in jobs.values() if not job.ok] == []
    assert len(site.releases()) == 1
    assert {jobs["publish"].artifacts["depot_releases"]["jets"] for jobs in both} == {site.current}
    # What one has built or published is not built and published again by the other.
    compiled = [result for jobs in both for result in results_of(jobs["build"], "Compile for generic")]
    assert sorted(result["changed"] for result in compiled) == [False, True]
    published = [result for jobs in both for result in results_of(jobs["publish"], "Publish jets")]
    assert sorted(result["changed"] for result in published) == [False, True]


def results_of(job, task: str) -> list[dict]:
    return [
        event["event_data"]["res"]
        for event in job.events
        if event["event"] == "runner_on_ok" and event["event_data"]["task"] == task
    ]


def processes_below(folder: Path) -> list[str]:
    """The processes whose command lines name a folder, but this one."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                line = (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                found.append(line.replace("\0", " "))
    return found


# The execution environment


def requirements(path: Path) -> dict[str, str]:
    """Names in a file of requirements, with their versions."""
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    return dict(
        re.match(r"([A-Za-z0-9_.-]+)(.*)", line).groups() for line in lines if line and not line.startswith("-")
    )


def test_the_execution_environment_can_be_built(collections, tmp_path):
    definition = yaml.safe_load((PROJECT / "execution-environment.yml").read_text())
    builder = str(BIN / "ansible-builder")
    shutil.copytree(PROJECT, tmp_path / "project")
    subprocess.run(
        [builder, "create", "-f", "execution-environment.yml", "-c", str(tmp_path / "context")],
        cwd=tmp_path / "project",
        check=True,
    )
    recipe = next(path for path in (tmp_path / "context").iterdir() if path.name in ("Containerfile", "Dockerfile"))
    text = recipe.read_text()
    assert definition["images"]["base_image"]["name"] in text
    for package in ("ansible_core", "ansible_runner"):
        assert definition["dependencies"][package]["package_pip"] in text
    galaxy = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text())
    assert [collection["name"] for collection in galaxy["collections"]] == ["scisoft.julia_depots"]

    # What the builder finds in the collection once it is installed in the image.
    told = subprocess.run(
        [builder, "introspect", str(collections), f"--write-pip={tmp_path}/pip", f"--write-bindep={tmp_path}/bindep"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "scisoft.julia_depots" in told.stdout
    assert requirements(tmp_path / "pip") == requirements(ROOT / "meta" / "ee-requirements.txt")
    assert re.findall(r"^([a-z-]+) \[", (tmp_path / "bindep").read_text(), re.MULTILINE)


def test_requirements_of_the_execution_environment_are_those_of_the_collection():
    ours = requirements(ROOT / "requirements.in")
    definition = yaml.safe_load((PROJECT / "execution-environment.yml").read_text())["dependencies"]
    theirs = requirements(ROOT / "meta" / "ee-requirements.txt")
    for package in ("ansible_core", "ansible_runner"):
        name, version = re.match(r"([a-z-]+)(.*)", definition[package]["package_pip"]).groups()
        theirs[name] = version
    # PyYAML comes with ansible-core.
    assert theirs == {name: version for name, version in ours.items() if name != "PyYAML"}
    packages = (ROOT / "bindep.txt").read_text()
    for line in (ROOT / "meta" / "ee-bindep.txt").read_text().splitlines():
        assert line.startswith("#") or line.split(" [")[0] in packages
