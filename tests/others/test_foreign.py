# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles within playbooks that know nothing of this collection's: larger sites, where they are a part among others.

Such a site gives each role its inputs by their own names, and has none of the variables ``depot_*`` that roles share.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
import yaml

from tests.foreign import COLLECTION, FORMS, LOOK, left_by, play_using
from tests.sites import ROOT, Site

# What each role says that it leaves in a play.
RESULTS = {
    "julia_installation",
    "depot_build_releases",
    "depot_build_results",
    "depot_build_error",
    "depot_publish_results",
    "depot_publish_revision",
    "depot_client_checks",
}


@dataclass
class Result:
    """How a task ended on a host."""

    host: str
    task: str
    outcome: str
    result: dict[str, Any]

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))


@dataclass
class Run:
    """How a playbook ended."""

    ok: bool
    results: list[Result]
    text: str

    def succeeded(self) -> Run:
        assert self.ok, self.text[-4000:]
        return self

    @property
    def changed(self) -> list[str]:
        return [result.task for result in self.results if result.changed]

    def tasks(self, host: str = "") -> list[str]:
        """The tasks that did something on a host, whether they changed it or not."""
        return [result.task for result in self.results if result.outcome == "ok" and (not host or result.host == host)]

    @property
    def failures(self) -> dict[str, str]:
        """The message of each host that failed."""
        return {result.host: result.result.get("msg", "") for result in self.results if result.outcome == "failed"}

    def seen(self) -> list[dict[str, Any]]:
        return [result.result["msg"] for result in self.results if result.task == LOOK["name"]]


@dataclass
class Foreign:
    """A site of somebody else, with nodes that are this machine, and a store that is published already."""

    folder: Path
    site: Site
    nodes: tuple[str, ...] = ("node1",)
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> dict[str, str]:
        return {"type": "directory", "path": str(self.site.store)}

    def inputs(self, role: str) -> dict[str, Any]:
        """What a site gives a role, by the role's own names."""
        work = str(self.site.folder / "work")
        return {
            "julia": {
                "julia_version": self.site.version,
                "julia_executable": self.site.julia,
                "julia_prefix": f"{self.folder}/julia",
            },
            "depot_build": {
                "depot_build_environments": self.site.extra()["depot_environments"],
                "depot_build_store": self.store,
                "depot_build_workdir": work,
                "depot_build_targets": {os.uname().machine: ["generic"]},
            },
            "depot_publish": {
                "depot_publish_store": self.store,
                "depot_publish_workdir": work,
                "depot_publish_releases": "{{ depot_build_releases }}",
            },
            "depot_client": {
                "depot_client_store": self.store,
                "depot_client_environments": ["jets"],
                "depot_client_modules": f"{self.folder}/{{{{ inventory_hostname }}}}/modules",
                "depot_client_profile": f"{self.folder}/{{{{ inventory_hostname }}}}/profile.d",
                "depot_client_bin": f"{self.folder}/{{{{ inventory_hostname }}}}/bin",
                "depot_client_default": "jets",
            },
        }[role]

    def play(self, form: str, *roles: str, **keys: Any) -> dict[str, Any]:
        """A play that uses roles in one of the forms, and looks at what it sees before and after."""
        return play_using(form, [(role, self.inputs(role)) for role in roles], **keys)

    def run(self, *plays: dict[str, Any], arguments: tuple[str, ...] = (), **variables: Any) -> Run:
        """Run plays as a playbook."""
        runner = self.folder / "runner"
        runner.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(runner / "env", ignore_errors=True)  # else the options of an earlier run hold for this one too
        playbook = runner / "playbook.yml"
        playbook.write_text(yaml.safe_dump(list(plays), sort_keys=False))
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **self.variables}
        inventory = {"all": {"hosts": {name: {} for name in self.nodes}, "vars": {**common, **variables}}}
        (runner / "hosts.json").write_text(json.dumps(inventory))
        result = ansible_runner.run(
            private_data_dir=str(runner),
            playbook=str(playbook),
            inventory=str(runner / "hosts.json"),
            envvars={
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
                "ANSIBLE_NOCOLOR": "1",
            },
            cmdline=" ".join(arguments),
            quiet=True,
            rotate_artifacts=3,
        )
        outcomes = {"runner_on_ok": "ok", "runner_on_failed": "failed", "runner_on_skipped": "skipped"}
        results = [
            Result(data["host"], data["task"], outcomes[event["event"]], data.get("res") or {})
            for event in result.events
            if event["event"] in outcomes and not (data := event["event_data"]).get("ignore_errors")
        ]
        return Run(result.status == "successful", results, result.stdout.read())


@pytest.fixture
def foreign(published: Site, tmp_path: Path) -> Callable[..., Foreign]:
    """A function that makes a foreign site with that many nodes."""

    def make(nodes: int = 1, **variables: Any) -> Foreign:
        return Foreign(tmp_path / "foreign", published, tuple(f"node{n}" for n in range(1, nodes + 1)), variables)

    return make


ALL = ("julia", "depot_build", "depot_publish", "depot_client")
MADE = ["Give users module files, profile snippets and a command"]


@pytest.mark.parametrize("form", FORMS)
def test_roles_in_every_form(foreign, form):
    """Planned, done, planned again, done again; and what the play sees after them."""
    site = foreign()
    play = site.play(form, *ALL)
    planned = site.run(play, arguments=("--check",)).succeeded()
    assert planned.changed == MADE
    assert not (site.folder / "node1").exists()
    done = site.run(play).succeeded()
    assert done.changed == MADE
    assert (site.folder / "node1" / "bin" / "julia").is_symlink()
    for arguments in (("--check",), ()):
        assert site.run(play, arguments=arguments).succeeded().changed == []

    before, after = done.seen()
    new = left_by(ALL, before, after)
    assert new <= RESULTS, new - RESULTS
    assert {"julia_installation", "depot_build_releases", "depot_client_checks"} <= new
    assert set(before["names"]) <= set(after["names"])
    assert before["facts"] == after["facts"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("sudo"), reason="become needs root, or a password")
def test_roles_with_become(foreign):
    site = foreign()
    done = site.run(site.play("include_role", *ALL, become=True)).succeeded()
    assert done.changed == MADE
    assert site.run(site.play("include_role", *ALL)).succeeded().changed == []


def test_check_mode_where_there_is_nothing_yet(foreign, tmp_path):
    """A plan for a new site is a plan: no Julia, no staged release and no store are needed for it."""
    site = foreign()
    store = {"type": "directory", "path": str(tmp_path / "no-store")}
    given = {
        "depot_build_store": store,
        "depot_build_workdir": str(tmp_path / "no-work"),
        "depot_publish_store": store,
        "depot_publish_workdir": str(tmp_path / "no-work"),
        "depot_client_store": store,
    }
    play = site.play("include_role", *ALL)
    for task in play["tasks"]:
        task.get("vars", {}).update({key: value for key, value in given.items() if key in task.get("vars", {})})
    planned = site.run(play, arguments=("--check",)).succeeded()
    assert set(MADE) <= set(planned.changed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign"]


def test_tags_choose_roles(foreign):
    """With ``apply`` the tags are those of the role's tasks as well; what is imported inherits them."""
    site = foreign()
    tagged = {
        "name": "Set clients up",
        "ansible.builtin.include_role": {"name": f"{COLLECTION}.depot_client", "apply": {"tags": "julia_clients"}},
        "vars": site.inputs("depot_client"),
        "tags": "julia_clients",
    }
    other = {
        "name": "Provide Julia",
        "ansible.builtin.import_role": {"name": f"{COLLECTION}.julia"},
        "vars": site.inputs("julia"),
        "tags": "julia_itself",
    }
    play = {"hosts": "all", "gather_facts": False, "tasks": [tagged, other]}
    run = site.run(play, arguments=("--tags", "julia_clients")).succeeded()
    assert run.changed == MADE
    assert "Tell where Julia is" not in run.tasks()
    run = site.run(play, arguments=("--tags", "julia_itself")).succeeded()
    assert "Tell where Julia is" in run.tasks()
    assert not set(MADE) & set(run.tasks())
    run = site.run(play, arguments=("--skip-tags", "julia_clients")).succeeded()
    assert "Tell where Julia is" in run.tasks()
    assert not set(MADE) & set(run.tasks())


@pytest.mark.parametrize("strategy", ["linear", "free", "host_pinned"])
def test_strategies_and_a_host_that_fails(foreign, strategy):
    """The other hosts go on, whoever of them is first."""
    site = foreign(nodes=3)
    (site.folder / "node2" / "bin").mkdir(parents=True)
    (site.folder / "node2" / "bin" / "julia").write_text("mine")
    play = site.play("include_role", "julia", "depot_client", strategy=f"ansible.builtin.{strategy}")
    run = site.run(play)
    assert not run.ok
    assert list(run.failures) == ["node2"]
    assert "is there already and is not a link into the store" in run.failures["node2"]
    assert (site.folder / "node2" / "bin" / "julia").read_text() == "mine"
    for name in ("node1", "node3"):
        assert (site.folder / name / "bin" / "julia").is_symlink()
        assert MADE[0] in run.tasks(name)


def test_serial(foreign):
    site = foreign(nodes=3)
    run = site.run(site.play("roles", "julia", "depot_client", serial=2)).succeeded()
    hosts = [result.host for result in run.results if result.task == MADE[0]]
    assert (sorted(hosts[:2]), hosts[2:]) == (["node1", "node2"], ["node3"])  # of one batch either may be first
    assert run.changed == MADE * 3


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_builders_that_stand_beside_a_failing_host(foreign, strategy):
    """A build stops where another builder of the play is lost, unless releases may do without it."""
    site = foreign(nodes=2)
    fail = {"ansible.builtin.fail": {"msg": "this host is broken"}, "when": "inventory_hostname == 'node2'"}
    play = site.play("include_role", "depot_build", strategy=f"ansible.builtin.{strategy}")
    play["tasks"].insert(0, fail)
    run = site.run(play)
    assert not run.ok
    assert run.failures["node2"] == "this host is broken"
    if strategy == "linear":
        assert "node2: this builder failed or cannot be reached" in run.failures["node1"]
    architecture = os.uname().machine
    for task in play["tasks"]:
        if "vars" in task:
            task["vars"]["depot_build_allow_partial"] = [architecture]
    run = site.run(play)
    assert list(run.failures) == ["node2"]
    assert "Tell what is staged" in run.tasks("node1")


def test_a_node_that_lags_fails_and_leaves_the_fact_that_says_so(foreign):
    site = foreign()
    inputs = {
        "depot_client_store": {"type": "cvmfs", "repository": "not-here.example.org"},
        "depot_client_environments": ["jets", "plots"],
        "depot_client_revision": 5,
        "depot_client_revision_timeout": 1,
    }
    use = {
        "ansible.builtin.include_role": {"name": f"{COLLECTION}.depot_client", "tasks_from": "verify"},
        "vars": inputs,
    }
    show = {"name": "Show", "ansible.builtin.debug": {"var": "depot_client_checks"}}
    run = site.run({"hosts": "all", "gather_facts": False, "tasks": [{"block": [use], "always": [show]}]})
    assert not run.ok
    (shown,) = (result.result["depot_client_checks"] for result in run.results if result.task == "Show")
    assert [(check["environment"], check["outcome"], check["wanted"]) for check in shown] == [
        ("jets", "lagging", 5),
        ("plots", "lagging", 5),
    ]
    assert {check["error"] for check in shown} == {run.failures["node1"]}
    assert "not-here.example.org" in run.failures["node1"]


def test_defaults_of_a_play_for_the_groups_of_modules(foreign):
    """``module_defaults`` reach what the roles do, and modules that lack an option of another group are not hurt."""
    site = foreign()
    defaults = {
        f"group/{COLLECTION}.julia": {"julia": site.site.julia, "time_limit": 600, "variables": {"SITE": "1"}},
        f"group/{COLLECTION}.cvmfs": {"repository": "software.example.org"},
    }
    release = os.path.realpath(f"{site.site.environment}/current/{os.uname().machine}")
    check = {
        "name": "Prove it",
        f"{COLLECTION}.julia_depot_check": {
            "project": f"{release}/common/environments/jets",
            "depots": [f"{release}/generic", f"{release}/common"],
            "workload": 'ENV["SITE"] == "1" || error("no default")',
        },
    }
    ask = {"name": "Ask", f"{COLLECTION}.cvmfs_revision": {"urls": ["http://127.0.0.1:9/cvmfs/@fqrn@"]}}
    play = site.play("include_role", *ALL, module_defaults=defaults)
    play["tasks"] += [check, ask]
    run = site.run(play).succeeded()
    assert "Prove it" in run.tasks()
    asked = next(result.result for result in run.results if result.task == "Ask")
    assert asked["served"][0]["id"] == "http://127.0.0.1:9/cvmfs/software.example.org"
