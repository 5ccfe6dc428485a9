# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX does with the project ``awx/``, done without AWX.

:func:`configured` runs ``configure.yml`` against a collection ``awx.awx`` whose modules take the options that the real
ones document, and write down what they are asked. :class:`Awx` starts jobs from what was written down, as AWX does
(``awx/main/models/jobs.py``, ``workflow.py`` and ``mixins.py``, ``awx/main/tasks/jobs.py`` of AWX 24).
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from tests.sites import BIN, ROOT

PROJECT = ROOT / "awx"
# The options that the modules of awx.awx document, with the version they are of.
MODULES = json.loads(Path(__file__).with_name("awx_modules.json").read_text())["modules"]
MODULE = """
import json
from ansible.module_utils.basic import AnsibleModule
SPEC = json.loads({spec!r})
module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
with open({record!r}, "a") as stream:
    given = {{name: value for name, value in module.params.items() if value is not None}}
    stream.write(json.dumps([{name!r}, given]) + "\\n")
module.exit_json(changed=not module.check_mode)
"""
RECAP = "playbook_on_stats"


def configured(folder: Path, **settings: Any) -> list[tuple[str, dict[str, Any]]]:
    """What ``configure.yml`` asks of AWX: names of modules with their arguments, in order."""
    record = folder / "asked.jsonl"
    modules = folder / "ansible_collections" / "awx" / "awx" / "plugins" / "modules"
    modules.mkdir(parents=True)
    for name, spec in MODULES.items():
        text = MODULE.format(spec=json.dumps(spec), record=str(record), name=name)
        (modules / f"{name}.py").write_text(text)
    completed = subprocess.run(
        [BIN / "ansible-playbook", PROJECT / "configure.yml", "-e", json.dumps(settings)],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_NOCOLOR": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return [tuple(json.loads(line)) for line in record.read_text().splitlines()]


def installed_collection(folder: Path) -> Path:
    """A collections path with this collection, packed and installed as a project's update does it."""
    galaxy = [str(BIN / "ansible-galaxy"), "collection"]
    subprocess.run([*galaxy, "build", "--output-path", str(folder), str(ROOT)], check=True, capture_output=True)
    (archive,) = folder.glob("scisoft-julia_depots-*.tar.gz")
    install = [*galaxy, "install", "--offline", "-p", str(folder), str(archive)]
    subprocess.run(install, check=True, capture_output=True, cwd=folder)
    return folder


@dataclass
class Job:
    """A job that has ended."""

    status: str
    changed: int
    artifacts: dict[str, Any]
    variables: dict[str, Any]
    events: list[dict[str, Any]]
    text: str

    @property
    def ok(self) -> bool:
        return self.status == "successful"


@dataclass
class Awx:
    """Starts jobs, each in a private data directory of its own, with the inventory that AWX holds.

    :param asked: what :func:`configured` gave.
    :param inventory: as ``ansible-inventory --list`` tells it.
    """

    folder: Path
    collections: Path
    asked: list[tuple[str, dict[str, Any]]]
    inventory: dict[str, Any]
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def template(self, name: str, kind: str = "job_template") -> dict[str, Any]:
        (found,) = [given for module, given in self.asked if module == kind and given["name"] == name]
        return found

    def launch(
        self,
        name: str,
        answers: Mapping[str, Any] | None = None,
        handed_on: Mapping[str, Any] | None = None,
        cancel: Callable[[], bool] | None = None,
        event: Callable[[dict[str, Any]], Any] | None = None,
    ) -> Job:
        """Run a job of a template.

        :param answers: to its survey; else the questions' defaults.
        :param handed_on: by earlier jobs of a workflow.
        :param cancel: asked from time to time whether somebody cancels it.
        :param event: called with each event.
        """
        template = self.template(name)
        number = next(self.numbers)
        variables = {
            **template["extra_vars"],
            **_defaults(template["survey_spec"]),
            **(handed_on or {}),
            **(answers or {}),
            "awx_job_id": number,
            "awx_job_launch_type": "workflow",
            "awx_user_name": "admin",
        }
        private = self._private_data(number, variables)
        arguments = {"check": "--check", "run": ""}[template["job_type"]]
        result = ansible_runner.run(
            private_data_dir=str(private),
            ident=str(number),
            playbook=template["playbook"],
            cmdline=arguments,
            quiet=True,
            cancel_callback=cancel,
            event_handler=event,
        )
        events = list(result.events)
        recap = [entry["event_data"] for entry in events if entry["event"] == RECAP]
        return Job(
            status=result.status,
            changed=sum(recap[0]["changed"].values()) if recap else 0,
            artifacts=recap[0].get("artifact_data", {}) if recap else {},
            variables=variables,
            events=events,
            text=result.stdout.read(),
        )

    def run_workflow(self, name: str, answers: Mapping[str, Any] | None = None) -> dict[str, Job]:
        """Run the jobs of a workflow one after the other, as long as they succeed; by their identifiers."""
        workflow = self.template(name, "workflow_job_template")
        # Answers to a workflow's survey reach all of its jobs, and count more than what is handed on.
        given = {**_defaults(workflow["survey_spec"]), **(answers or {})}
        nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
        followers = {node["identifier"] for n in nodes.values() for node in n["related"]["success_nodes"]}
        (current,) = nodes.keys() - followers
        handed_on: dict[str, Any] = {}
        jobs = {}
        while current:
            template = nodes[current]["unified_job_template"]["name"]
            job = jobs[current] = self.launch(template, given, handed_on)
            if not job.ok:
                break
            handed_on |= job.artifacts
            current = next((node["identifier"] for node in nodes[current]["related"]["success_nodes"]), "")
        return jobs

    def _private_data(self, number: int, variables: Mapping[str, Any]) -> Path:
        private = self.folder / f"awx_{number}"
        shutil.copytree(PROJECT, private / "project")
        (private / "inventory").mkdir()
        # AWX gives the inventory as a script that prints it.
        script = private / "inventory" / "hosts"
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(self.inventory)}\nEND\n")
        script.chmod(0o700)
        environment = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "AWX_PRIVATE_DATA_DIR": str(private),
            "JOB_ID": str(number),
            "MAX_EVENT_RES": "700000",
        }
        (private / "env").mkdir()
        (private / "env" / "extravars").write_text(json.dumps(variables))
        (private / "env" / "envvars").write_text(json.dumps(environment))
        return private


def _defaults(survey: Mapping[str, Any]) -> dict[str, Any]:
    return {question["variable"]: question["default"] for question in survey.get("spec", ()) if "default" in question}
