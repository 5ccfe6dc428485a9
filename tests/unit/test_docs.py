# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation names exists: playbooks, variables, files, make targets, scripts, and steps of workflows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.plan import ENVIRONMENT_KEYS
from docs.generator import ROOT, pages, playbooks, variables
from docs.generator.__main__ import compare

BIN = ROOT / ".build" / "venv" / "bin"
COLLECTION = "scisoft.julia_depots"
PAGES_OF_PARTS = [*ROOT.glob("roles/*/README.md"), *ROOT.glob("awx/*.md"), *ROOT.glob("environments/*/README.md")]
MARKDOWN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(PAGES_OF_PARTS)]
GUIDES = sorted((ROOT / "docs" / "docsite").rglob("*.rst"))
WRITTEN = [*MARKDOWN, *GUIDES, *sorted((ROOT / "docs").glob("*.yml"))]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def targets() -> set[str]:
    """The targets of the Makefile that ``make help`` lists."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_documentation_agrees_with_the_code():
    assert compare() == []


# --- ansible-doc


def ansible_doc(*arguments: str) -> str:
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"), "COLUMNS": "120"}
    command = [BIN / "ansible-doc", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def plugins(kind: str) -> set[str]:
    """The plugins of a kind that the checkout has documentation for."""
    if kind == "role":
        return {path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml")}
    suffix, folder = ("*.py", "modules") if kind == "module" else ("*.yml", "filter")
    return {path.stem for path in (ROOT / "plugins" / folder).glob(suffix) if path.stem != "__init__"}


@pytest.mark.parametrize("kind", ["module", "filter", "role"])
def test_ansible_doc_shows_all(kind):
    names = [f"{COLLECTION}.{name}" for name in sorted(plugins(kind))]
    assert len(names) > 5
    found = json.loads(ansible_doc("--json", "--type", kind, *names))
    assert set(found) == set(names)
    for name, document in found.items():
        assert "error" not in document, name
        if kind == "role":
            assert all(entry["short_description"] for entry in document["entry_points"].values()), name
        else:
            assert document["doc"]["description"], name
            assert document["examples"], name
    shown = ansible_doc("--type", kind, *names)
    assert [name for name in names if name.upper() not in shown.upper()] == []


def test_every_role_and_every_filter_is_documented():
    assert plugins("role") == {path.name for path in (ROOT / "roles").iterdir()}
    code = (ROOT / "plugins" / "filter" / "depots.py").read_text()
    assert plugins("filter") == set(re.findall(r'^ +"([a-z_]+)": ', code, re.MULTILINE))


# --- pages


def test_every_playbook_has_a_section_that_names_its_roles():
    page = pages.playbook_page(ROOT)
    for name in playbooks.names(ROOT):
        assert f"\n{name}\n{'-' * len(name)}\n" in page
    site = playbooks.read(ROOT, "site")
    assert ("depot_build", "main") in site.roles
    assert site.targets["target_builders"] == "julia_builders"
    assert ("depot_publish", "rollback") in playbooks.read(ROOT, "rollback").roles


def test_every_variable_and_every_key_has_a_row():
    page = pages.variable_page(ROOT)
    rows = set(re.findall(r"^  \* - ``([a-z0-9_]+)``", page, re.MULTILINE))
    assert {option.name for option in variables.options(ROOT)} <= rows
    assert set(variables.site_variables(ROOT)) <= rows
    assert set(ENVIRONMENT_KEYS) <= rows
    assert "depot_environments" in variables.site_variables(ROOT)


def test_every_guide_is_in_the_contents():
    folder = ROOT / "docs" / "docsite"
    guides = {path.stem for path in folder.glob("rst/*.rst")}
    listed = yaml.safe_load((folder / "extra-docs.yml").read_text())["sections"]
    assert {name for section in listed for name in section["toctree"]} == guides
    assert set(re.findall(r"collection/docsite/(\w+)", (folder / "index.rst").read_text())) == guides


# --- what is named exists


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_links_lead_somewhere(path):
    text = path.read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^]]+\]: (\S+)", text, re.MULTILINE)
    local = [link.partition("#")[0] for link in links if not link.startswith(("http://", "https://", "#"))]
    assert [link for link in local if not (path.parent / link).exists()] == []


def commands(text: str) -> list[str]:
    """What is written as a command: in code within a line, after a prompt, and in Markdown's blocks of sh."""
    code = re.findall(r"(?<!`)`{1,2}([^`\n]+)`{1,2}", text) + re.findall(r"^ *\$ (.*)", text, re.MULTILINE)
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        code += block.splitlines()
    return code


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_make_targets_that_are_named_exist(path):
    named = {
        word
        for command in commands(path.read_text())
        if command.startswith("make ")
        for word in re.sub(r'[A-Z_]+=("[^"]*"|\S+)|#.*', "", command.removeprefix("make ")).split()
    }
    assert named <= targets()


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_scripts_that_are_named_exist(path):
    named = set(re.findall(r"(?<![\w/.])scripts/[a-z_]+(?![a-z_/])", path.read_text()))
    assert [script for script in named if not os.access(ROOT / script, os.X_OK)] == []


def test_the_readme_has_the_two_commands():
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert {"make quickstart\n", "make test\n"} <= set(blocks)


NAME = re.compile(r"(?<![\w./-])(?:depot|julia|cvmfs|target|ansible)_[a-z0-9_]+[a-z0-9]\b(?![/(])")

OTHERS = {"cvmfs_keys", "cvmfs_server_urls"}  # variables of the role galaxyproject.cvmfs


@pytest.fixture(scope="module")
def known_names() -> set[str]:
    """Every name of this form that code, roles, playbooks or inventories use."""
    folders = ("plugins", "roles", "playbooks", "inventory", "meta")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".yml", ".sh")]
    names = {name for path in files for name in NAME.findall(path.read_text())}
    return names | plugins("module") | plugins("role") | {"ansible_collections", "julia_depots"} | OTHERS


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_variables_modules_and_roles_that_are_named_exist(path, known_names):
    text = re.sub(r"https?://\S+", "", path.read_text())
    assert set(NAME.findall(text)) - known_names == set()


# --- workflows


def steps() -> list[tuple[str, dict]]:
    return [
        (f"{path.name}: {job}", step)
        for path in WORKFLOWS
        for job, spec in yaml.safe_load(path.read_text())["jobs"].items()
        for step in spec["steps"]
    ]


def fault_of_step(step: dict) -> str | None:
    """Why a step could not be run elsewhere; none if it can."""
    if "uses" in step:
        return None if re.search(r"@v?[0-9]", step["uses"]) else f"{step['uses']} is not pinned"
    words = shlex.split(re.sub(r"\$\{\{[^}]*\}\}", "value", step["run"]))
    if words[0] == "scripts/in_container":
        if not os.access(ROOT / words[0], os.X_OK):
            return f"there is no {words[0]}"
        words = words[2:]
    if words[0] == "make":
        unknown = [word for word in words[1:] if "=" not in word and word not in targets()]
        return f"the Makefile has no {', '.join(unknown)}" if unknown else None
    if words[0].startswith("scripts/") and os.access(ROOT / words[0], os.X_OK):
        return None
    return f"{words[0]} is neither make nor a script of the repository"


def test_every_step_of_a_workflow_also_runs_elsewhere():
    assert len(steps()) > 10
    assert {f"{where}: {fault}" for where, step in steps() if (fault := fault_of_step(step))} == set()


@pytest.mark.parametrize(
    "step",
    [
        {"uses": "actions/checkout@main"},
        {"run": "make no-such-target"},
        {"run": "pip install something"},
        {"run": "scripts/no_such_script"},
        {"run": "scripts/in_container debian:12 apt-get install x"},
        {"run": "scripts/in_container debian:12 make lint no-such-target"},
    ],
)
def test_a_step_that_does_not_would_be_found(step):
    assert fault_of_step(step)


def test_workflows_try_what_is_supported():
    text = "".join(path.read_text() for path in WORKFLOWS)
    jobs = yaml.safe_load(WORKFLOWS[0].read_text())["jobs"]
    least = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"].removeprefix(">=")
    assert jobs["cores"]["strategy"]["matrix"]["core"][0] == least.rpartition(".")[0]
    assert jobs["cores"]["strategy"]["matrix"]["core"][-1] == "newest"
    for image in ("debian:12", "ubuntu:", "almalinux:9"):
        assert image in text
    series = {str(version).rpartition(".")[0] for version in jobs["julias"]["strategy"]["matrix"]["julia"]}
    assert {"1.10", "1.11", "1.12"} <= series
