# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventories of the repository: they parse, they fit the playbooks and the roles, and builds can be planned."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.plan import build_plan

ROOT = Path(__file__).resolve().parents[2]
INVENTORIES = sorted(path.name for path in (ROOT / "inventory").iterdir())
CLIENT_NAMESPACE = ROOT / "inventory" / "local-cvmfs" / "client-namespace"

# What comes from outside: the command line, or a vault.
GIVEN = {
    "ansible_playbook_python": sys.executable,
    "quickstart_julia": "1.10.8",
    "vault_software_example_org_key": "a key",
    "vault_software_example_org_masterkey": "a master key",
}

# Prints the hosts of each group, and each host's variables with everything filled in. In a process of its own, since
# Ansible's plugins are found by import hooks that would stay.
READ = """
import json, sys
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

init_plugin_loader()
loader = DataLoader()
inventory = InventoryManager(loader, sources=[sys.argv[1]])
manager = VariableManager(loader, inventory)
values = {}
for name, host in inventory.hosts.items():
    variables = {**manager.get_vars(host=host), **json.loads(sys.argv[2])}
    templar = Templar(loader, variables)
    values[name] = {
        key: templar.template(value)
        for key, value in variables.items()
        if key == "inventory_dir" or key.startswith(("ansible_shell_", "cvmfs_", "depot_"))
    }
groups = {name: [host.name for host in group.get_hosts()] for name, group in inventory.groups.items()}
print(json.dumps({"groups": groups, "values": values}))
"""


def variables_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The variables that an inventory sets, by the file and by the host or group in it that they are set for."""
    found = {
        str(path.relative_to(folder)): yaml.safe_load(path.read_text()) for path in folder.glob("group_vars/**/*.yml")
    }
    for path in folder.glob("*.yml"):
        found.update(_of_group(path.name, yaml.safe_load(path.read_text())))
    return found


def _of_group(where: str, groups: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, group in groups.items():
        for host, variables in ((group or {}).get("hosts") or {}).items():
            found[f"{where}, {host} in {name}"] = variables or {}
        found[f"{where}, {name}"] = (group or {}).get("vars") or {}
        found.update(_of_group(where, (group or {}).get("children") or {}))
    return found


@cache
def role_options() -> dict[str, dict[str, Any]]:
    """The options of all entry points of all roles."""
    options: dict[str, dict[str, Any]] = {}
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for entry_point in yaml.safe_load(path.read_text())["argument_specs"].values():
            options.update(entry_point.get("options") or {})
    return options


@cache
def site_variables() -> set[str]:
    """The variables that options of roles say they default to."""
    text = json.dumps(role_options())
    return set(re.findall(r"(?:Default is|Default are those of|[Ii]n) C\((depot_[a-z_]+)", text))


def unknown_variables(folder: Path) -> list[str]:
    """The variables of an inventory that no role knows, no site variable is, and no other variable uses."""
    places = variables_of(folder)
    text = json.dumps(list(places.values()))
    known = role_options().keys() | site_variables()
    return [
        f"{place}: {variable}"
        for place, variables in places.items()
        for variable in variables
        if variable not in known
        and not variable.startswith("ansible_")
        and not re.search(rf"\{{\{{[^}}]*\b{variable}\b", text)
    ]


@cache
def groups_of_playbooks() -> set[str]:
    """The groups on which playbooks run if they are not told otherwise."""
    texts = [path.read_text() for path in ROOT.glob("playbooks/*.yml")]
    return {group for text in texts for group in re.findall(r"target_[a-z]+ \| default\('([a-z0-9_]+)'\)", text)}


def run_inventory(name: str, *arguments: str) -> str:
    """What ``ansible-inventory`` says; it may not complain."""
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    }
    program = Path(sys.executable).with_name("ansible-inventory")
    command = [program, "--inventory", ROOT / "inventory" / name, *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


class Inventory:
    """An inventory as Ansible reads it: a copy of one of ours, with what a site puts beside it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", READ, folder, json.dumps(GIVEN)]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        read = json.loads(result.stdout)
        self.groups: dict[str, list[str]] = read["groups"]
        self.values: dict[str, dict[str, Any]] = read["values"]

    def plan(self, host: str) -> list[dict[str, Any]]:
        """The builds as a host plans them."""
        values = self.values[host]
        return build_plan(
            values["depot_environments"], values["depot_store"], values["depot_targets"], base=values["inventory_dir"]
        )


@pytest.fixture(params=INVENTORIES)
def inventory(request: pytest.FixtureRequest, tmp_path: Path) -> Inventory:
    """Each of the inventories."""
    return _inventory(request.param, tmp_path)


@pytest.fixture
def example(tmp_path: Path) -> Inventory:
    """The inventory of a whole site."""
    return _inventory("example", tmp_path)


def _inventory(name: str, folder: Path) -> Inventory:
    copy = folder / "inventory" / name
    shutil.copytree(ROOT / "inventory" / name, copy)
    without_locks = shutil.ignore_patterns("Manifest*.toml")
    shutil.copytree(ROOT / "environments", folder / "environments", ignore=without_locks)
    (folder / "keys").mkdir()
    for ending in ("pub", "crt"):
        (folder / "keys" / f"software.example.org.{ending}").write_text(f"the {ending}\n")
    return Inventory(copy)


@pytest.mark.parametrize("name", INVENTORIES)
def test_ansible_reads_it_without_complaint(name):
    assert json.loads(run_inventory(name, "--list"))["_meta"]["hostvars"]


def test_it_has_the_groups_of_the_playbooks(inventory):
    needed = {"julia_builders", "cvmfs_stratum0", "depot_clients"}
    assert needed <= groups_of_playbooks()
    assert [group for group in needed if not inventory.groups.get(group)] == []
    if next(iter(inventory.values.values()))["depot_store"]["type"] == "cvmfs":
        assert groups_of_playbooks() <= inventory.groups.keys()


@pytest.mark.parametrize("name", INVENTORIES)
def test_each_variable_is_known_to_a_role_or_used_by_another(name):
    assert unknown_variables(ROOT / "inventory" / name) == []


def test_a_misspelt_variable_would_be_found(tmp_path):
    assert {"depot_environments", "depot_store", "depot_targets", "depot_keep_releases"} <= site_variables()
    copy = tmp_path / "example"
    shutil.copytree(ROOT / "inventory" / "example", copy)
    with open(copy / "group_vars" / "depot_clients.yml", "a") as file:
        file.write("cvmfs_client_quota_limits: 1\n")
    assert unknown_variables(copy) == ["group_vars/depot_clients.yml: cvmfs_client_quota_limits"]


def test_each_value_is_one_that_the_role_takes(inventory):
    for host, values in inventory.values.items():
        given = {name: value for name, value in values.items() if name in role_options()}
        assert given
        specification = {name: {**role_options()[name], "required": False} for name in given}
        assert (host, ArgumentSpecValidator(specification).validate(given).error_messages) == (host, [])


def test_its_builds_can_be_planned(inventory):
    for host in inventory.groups["julia_builders"]:
        environments = {environment["name"] for environment in inventory.values[host]["depot_environments"]}
        assert {build["environment"] for build in inventory.plan(host)} == environments


def test_the_example_is_a_whole_site(example):
    assert len(example.groups["julia_builders"]) == 2
    assert len(example.groups["cvmfs_stratum0"]) == 1
    assert len(example.groups["cvmfs_stratum1"]) == 2
    clients = example.groups["depot_clients"]
    assert len(clients) == len(set(clients)) == 100
    assert 0 < len(example.groups["depot_canary_clients"]) < 10
    assert set(example.groups["depot_canary_clients"]) < set(clients)
    everybody = {host for group in groups_of_playbooks() for host in example.groups[group]}
    assert everybody == set(example.groups["all"])


def test_the_example_has_canaries_of_each_architecture(example):
    canaries = set(example.groups["depot_canary_clients"])
    for group in ("clients_x86_64", "clients_aarch64"):
        assert canaries & set(example.groups[group])
    assert set(example.groups["clients_x86_64"]) | set(example.groups["clients_aarch64"]) == set(
        example.groups["depot_clients"]
    )


def test_the_example_builds_each_environment_for_both_architectures(example):
    plan = example.plan("build-arm.example.org")
    for name in {build["environment"] for build in plan}:
        assert {build["arch"] for build in plan if build["environment"] == name} == {"x86_64", "aarch64"}


def test_clients_of_the_example_ask_the_replicas_alone(example):
    urls = example.values["node100.example.org"]["cvmfs_client_server_urls"]
    assert urls == [f"http://{host}/cvmfs/@fqrn@" for host in example.groups["cvmfs_stratum1"]]


def test_no_secret_of_the_example_stands_in_it():
    text = run_inventory("example", "--list")
    assert "PRIVATE KEY" not in text
    keys = json.loads(text)["_meta"]["hostvars"]["stratum0.example.org"]["cvmfs_stratum0_keys"]
    assert [keys[name] for name in ("key", "masterkey")] == [
        "{{ vault_software_example_org_key }}",
        "{{ vault_software_example_org_masterkey }}",
    ]


def test_a_client_on_the_server_is_a_shell_of_its_own(tmp_path):
    inventory = _inventory("local-cvmfs", tmp_path)
    assert inventory.values["client"]["ansible_shell_executable"].endswith("/local-cvmfs/client-namespace")
    assert "ansible_shell_executable" not in inventory.values["localhost"]


def test_the_shell_of_the_client_lists_no_hosts():
    result = subprocess.run([CLIENT_NAMESPACE, "--list"], check=True, capture_output=True, text=True)
    assert json.loads(result.stdout) == {"_meta": {"hostvars": {}}}


def test_the_shell_of_the_client_says_that_it_needs_root():
    user = "nobody" if os.geteuid() == 0 else None
    try:
        result = subprocess.run(
            [CLIENT_NAMESPACE, "-c", "true"], user=user, capture_output=True, text=True, check=False
        )
    except PermissionError as error:
        pytest.skip(f"the user nobody cannot run {CLIENT_NAMESPACE}: {error}")
    assert result.returncode == 1
    assert "needs root: run ansible as root, or with ansible_become" in result.stderr
