# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every role keeps to, read from its files: options and defaults agree, and nothing of it is left in a play.

What a play sees of it in truth is in ``tests/others/test_foreign.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from jinja2 import lexer
from jinja2.nativetypes import NativeEnvironment

from ansible_collections.scisoft.julia_depots.plugins.filter.depots import FilterModule

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "scisoft.julia_depots"
# Variables of Ansible that a task may set for itself.
OF_ANSIBLE = {"ansible_async_dir"}
# Modules that put something into ansible_facts.
GATHERING = ("setup", "gather_facts", "package_facts", "service_facts", "mount_facts")


class Loader(yaml.SafeLoader):
    """Reads YAML as Ansible has it, with its own tags as plain values."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def read(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader)


def template(text: str) -> Any:
    """What a template gives where no variable is set. For defaults, Jinja with the collection's filters is enough."""
    environment = NativeEnvironment()
    environment.filters.update(
        {f"{COLLECTION}.{name}": function for name, function in FilterModule().filters().items()}
    )
    return environment.from_string(text).render()


@dataclass(frozen=True)
class Role:
    """The files of a role."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def specs(self) -> dict[str, dict[str, Any]]:
        """The options of each entry point."""
        specs = read(self.folder / "meta" / "argument_specs.yml")["argument_specs"]
        return {entry: spec.get("options", {}) for entry, spec in specs.items()}

    @property
    def options(self) -> set[str]:
        return {name for options in self.specs.values() for name in options}

    @property
    def results(self) -> set[str]:
        """The facts that it says it sets: ``fact C(name)`` in the descriptions of its entry points."""
        text = " ".join((self.folder / "meta" / "argument_specs.yml").read_text().split())
        return set(re.findall(r"\bfact C\((\w+)\)", text))

    @cached_property
    def defaults(self) -> dict[str, Any]:
        return read(self.folder / "defaults" / "main.yml")

    @cached_property
    def variables(self) -> dict[str, Any]:
        path = self.folder / "vars" / "main.yml"
        return read(path) if path.exists() else {}

    @cached_property
    def tasks(self) -> list[tuple[str, dict[str, Any]]]:
        """All tasks and blocks, each with the name of its file."""
        return [
            (path.name, task)
            for folder in ("tasks", "handlers")
            for path in sorted((self.folder / folder).glob("*.yml"))
            for task in flat(read(path))
        ]

    @cached_property
    def handlers(self) -> list[dict[str, Any]]:
        return [task for path in (self.folder / "handlers").glob("*.yml") for task in flat(read(path))]

    @property
    def texts(self) -> str:
        """All that may use a variable."""
        return "\n".join(
            path.read_text()
            for folder in ("tasks", "vars", "templates", "handlers", "defaults")
            for path in sorted((self.folder / folder).glob("*"))
        )


def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part, []))


def action(task: dict[str, Any]) -> tuple[str, Any]:
    """The module of a task, without its collection, and its arguments; empty for a block."""
    for key, value in task.items():
        if key.startswith(("ansible.builtin.", f"{COLLECTION}.")):
            return key.rpartition(".")[2], value
    return "", None


ROLES = [Role(path.parent) for path in sorted((ROOT / "roles").glob("*/tasks"))]
NAMES = [role.name for role in ROLES]

each_role = pytest.mark.parametrize("role", ROLES, ids=NAMES)


def test_there_are_roles():
    assert {"julia", "depot_build", "depot_publish", "depot_client", "cvmfs_client"} <= set(NAMES)


# Options and defaults


@each_role
def test_defaults_have_options_and_options_have_defaults(role):
    required = {name for name in role.options if all(spec[name].get("required") for spec in having(role, name))}
    with_default = {name for name in role.options if any("default" in spec[name] for spec in having(role, name))}
    assert set(role.defaults) <= role.options, "defaults that no entry point has as an option"
    assert with_default <= set(role.defaults), "options whose default is not in defaults/main.yml"
    assert not required & with_default, "options that are required and have a default"
    # What is neither required nor has a default of its own takes one from the site, which stands in defaults/main.yml,
    # or is looked at by the role where it is defined.
    for name in role.options - required - with_default - set(role.defaults):
        assert re.search(rf"\b{name} is defined|\b{name} \| default", role.texts), f"{name} has no default"


def having(role: Role, name: str) -> list[dict[str, Any]]:
    return [options for options in role.specs.values() if name in options]


@each_role
def test_defaults_are_what_options_say(role):
    for options in role.specs.values():
        for name, option in options.items():
            if name not in role.defaults:
                continue
            value = role.defaults[name]
            if isinstance(value, str) and "{{" in value:
                described = json.dumps(option["description"])
                source = re.search(r"\b(?!default\b)((?:depot|cvmfs)_[a-z_0-9]+)", value)
                assert source is None or source[1] in described, f"{name} does not tell that it comes from {source[1]}"
                if "default" in option:  # up to 2.18, a number that comes out of a template is a text
                    assert str(template(value)) == str(option["default"]), name
            else:
                assert option.get("default") == value, f"{name} is not said to be {value!r} by default"


@each_role
def test_what_is_used_is_an_option(role):
    others = {name for other in ROLES for name in (*other.options, *other.results)}
    used = set(re.findall(rf"(?<![\w.])({role.name}_[a-z0-9_]+)", code(role))) - role.results
    # Words in messages, and names of other roles that begin alike.
    used = {name for name in used if name in role.defaults or name not in others}
    assert used <= role.options, used - role.options


def code(role: Role) -> str:
    """What a role has Ansible evaluate: its texts without comments, names of tasks and texts in quotes."""
    text = re.sub(r"(?m)(^|\s)#.*$", "", role.texts)
    text = re.sub(r"(?m)^\s*- name: .*$", "", text)
    return re.sub(r"'[^'\n]*'", "''", text)


@each_role
def test_options_of_one_name_are_alike(role):
    for name in role.options:
        kinds = [
            (spec[name]["type"], spec[name].get("default"), spec[name].get("elements")) for spec in having(role, name)
        ]
        assert len({json.dumps(kind, default=str) for kind in kinds}) == 1, f"{name}: {kinds}"


@each_role
def test_every_entry_point_has_its_tasks(role):
    for entry in role.specs:
        assert (role.folder / "tasks" / f"{entry}.yml").exists()


# What is left in a play


@each_role
def test_names_are_the_roles_own(role):
    assert all(name.startswith(f"{role.name}_") for name in role.options)
    assert all(name.startswith(f"__{role.name}_") for name in role.variables), role.variables.keys()
    for file, task in role.tasks:
        module, arguments = action(task)
        names = set()
        if module == "set_fact":
            names |= set(arguments) - {"cacheable"}
        if "register" in task:
            names.add(task["register"])
        if "loop_var" in task.get("loop_control", {}):
            names.add(task["loop_control"]["loop_var"])
        if module != "include_role":  # whose vars are inputs of another role
            names |= set(task.get("vars", {})) - OF_ANSIBLE
        strange = {name for name in names if not name.startswith(f"__{role.name}_")} - role.results
        assert not strange, f"{file}: {task.get('name')} sets {strange}, which no entry point documents"
        assert not names & role.options, f"{file}: {task.get('name')} changes an input"


@each_role
def test_roles_that_are_used_get_their_own_inputs(role):
    for file, task in role.tasks:
        module, arguments = action(task)
        if module != "include_role":
            continue
        assert arguments["name"].startswith(f"{COLLECTION}."), f"{file} uses {arguments['name']}"
        used = arguments["name"].rpartition(".")[2]
        for name in task.get("vars", {}):
            assert name.startswith((f"{used}_", f"__{used}_")), f"{file} gives {name} to {used}"
        assert not arguments.get("public"), f"{file} leaves the variables of {used} in the play"


@each_role
def test_a_name_is_either_computed_or_remembered(role):
    """What a fact has set counts more than what a task or the role says, also in a later use of the role."""
    remembered = set()
    for _file, task in role.tasks:
        module, arguments = action(task)
        remembered |= {task["register"]} if "register" in task else set()
        remembered |= set(arguments) - {"cacheable"} if module == "set_fact" else set()
    computed = set(role.variables) | {name for _file, task in role.tasks for name in task.get("vars", {})}
    assert not remembered & computed


@each_role
def test_facts_stay_as_they_were_gathered(role):
    for file, task in role.tasks:
        module, arguments = action(task)
        assert module not in GATHERING, f"{file} gathers facts"
        assert not (module == "set_fact" and arguments.get("cacheable")), f"{file} puts a fact into a cache"


@each_role
def test_handlers_say_whose_they_are(role):
    for handler in role.handlers:
        assert handler["name"].startswith(f"{role.name} : ") or handler["name"].startswith(f"{role.name} | ")
        assert all(topic.startswith(role.name) for topic in [handler.get("listen", role.name)])


@each_role
def test_who_becomes_root_is_a_task(role):
    """Roles work with and without ``become`` on the play; what has to be root says so itself."""
    if role.name.startswith(("depot_", "julia")):
        assert not [task for _file, task in role.tasks if task.get("become")], "it works for an ordinary user too"
    for file, task in role.tasks:
        if task.get("delegate_to") == "localhost":
            assert task.get("become") is False, f"{file}: {task['name']} may become root on the controller"


@each_role
def test_loops_over_files_of_tasks_have_a_variable_of_their_own(role):
    for file, task in role.tasks:
        module, _arguments = action(task)
        if module in ("include_tasks", "include_role") and "loop" in task:
            assert "loop_var" in task.get("loop_control", {}), f"{file}: {task['name']}"


# What the oldest ansible-core can read


def expressions(value: Any) -> Iterator[str]:
    """All texts in YAML that hold an expression."""
    if isinstance(value, dict):
        for part in value.values():
            yield from expressions(part)
    elif isinstance(value, list):
        for part in value:
            yield from expressions(part)
    elif isinstance(value, str) and "{{" in value:
        yield value


def as_of_old(text: str) -> str:
    """A template as Jinja gets it from ansible-core up to 2.18, which doubles backslashes of texts in expressions."""
    within, parts = False, []
    for _line, kind, part in jinja2.Environment().lex(text):
        within = (within or kind == lexer.TOKEN_VARIABLE_BEGIN) and kind != lexer.TOKEN_VARIABLE_END
        parts.append(part.replace("\\", "\\\\") if within and kind == lexer.TOKEN_STRING else part)
    return "".join(parts)


def with_yaml() -> list[Path]:
    return [
        path
        for folder in ("roles", "playbooks", "inventory", "awx")
        for path in sorted((ROOT / folder).rglob("*.yml"))
        if "templates" not in path.parts
    ]


@pytest.mark.parametrize("path", with_yaml(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_oldest_ansible_reads_it(path):
    for text in expressions(read(path)):
        try:
            jinja2.Environment().parse(as_of_old(text))
        except jinja2.TemplateSyntaxError as error:
            pytest.fail(f"{error}: {text}")


def test_what_the_oldest_ansible_cannot_read_is_found():
    text = r"""{{ x is match('it\'s') }}"""
    jinja2.Environment().parse(text)
    with pytest.raises(jinja2.TemplateSyntaxError):
        jinja2.Environment().parse(as_of_old(text))


def test_backslashes_outside_of_expressions_stay():
    assert as_of_old(r"a\b {{ '\1' }}{% set x = '\n' %}") == r"a\b {{ '\\1' }}{% set x = '\n' %}"
