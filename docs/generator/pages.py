# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that follow from the code: playbooks, variables, levels and faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.plan import ENVIRONMENT_KEYS
from docs.generator import faults, playbooks, rst, variables


def _ref(name: str, text: str) -> str:
    return f":ref:`{text} <{rst.PREFIX}.{name}>`"


def _role(name: str) -> str:
    return f":ref:`{name} <ansible_collections.scisoft.julia_depots.{name}_role>`"


def _value(value: Any) -> str:
    """A default as YAML would have it on one line."""
    if value == "":
        return "empty"
    return f"``{value}``" if isinstance(value, str) else f"``{json.dumps(value, ensure_ascii=False)}``"


# --- playbooks


def playbook_page(root: Path) -> str:
    """A section for each playbook."""
    page = rst.label("playbooks") + rst.title("Playbooks")
    page += rst.paragraph(
        "Each is called by its full name, such as ``scisoft.julia_depots.site``, or from a checkout as "
        "``playbooks/site.yml``. With ``--check`` none of them changes anything; ``--diff`` shows what changes. The "
        "groups of the inventory that they run on are the defaults of the variables named ``target_...``; give another "
        "pattern to run on other hosts."
    )
    explained = playbooks.explained(root)
    for name in playbooks.names(root):
        page += _playbook(root, playbooks.read(root, name), explained[name])
    return page


def _playbook(root: Path, playbook: playbooks.Playbook, said: dict[str, str]) -> str:
    page = rst.label(f"playbook_{playbook.name}") + rst.title(playbook.name, 1) + rst.paragraph(said["does"])
    page += rst.block("console", f"$ {said['example']}")
    page += rst.paragraph(f"**Check mode.** {said['check']}")
    if playbook.targets:
        page += rst.paragraph(
            "**Groups.** "
            + ", ".join(f"``{variable}`` (``{group}``)" for variable, group in sorted(playbook.targets.items()))
        )
    shared: dict[str, None] = {}
    specifications = variables.specifications(root)
    lines = []
    for role, entry_point in playbook.roles:
        spec = specifications.get(role, {}).get(entry_point, {})
        for name, option in (spec.get("options") or {}).items():
            shared.update(dict.fromkeys([variables.Option(role, entry_point, name, option).shared or name]))
        where = "" if entry_point == "main" else f", entry point ``{entry_point}``"
        lines.append(f"- {_role(role)}{where}: {rst.plain(spec.get('short_description', ''))}\n")
    if lines:
        page += "**Roles.**\n\n" + "".join(lines) + "\n"
    if shared:
        page += rst.paragraph("**Variables.** " + ", ".join(f"``{name}``" for name in sorted(shared)))
        page += rst.paragraph(f"What they mean is in {_ref('variables', 'Variables')}.")
    return page


# --- variables


def variable_page(root: Path) -> str:
    """All variables: of the site, keys of an environment, and of each role."""
    said = variables.explained(root)
    page = rst.label("variables") + rst.title("Variables")
    page += rst.paragraph(
        "Variables of a site are read by several roles, and are best set in ``group_vars/all.yml``. Each role has "
        "options of its own as well, which take their defaults from those."
    )
    page += rst.title("Of a site", 1)
    shared = variables.site_variables(root)
    rows = [_site_variable(name, options) for name, options in sorted(shared.items())]
    rows += [[f"``{name}``", entry["says"], entry["default"], ""] for name, entry in said["others"].items()]
    page += rst.table(["Variable", "Says", "Default", "Read by"], rows, [22, 46, 15, 17])
    page += rst.label("environment_keys") + rst.title("Keys of an environment", 1)
    page += rst.paragraph("Each entry of ``depot_environments`` is a mapping with these keys.")
    keys = [
        [f"``{key}``", said["environment"][key]["says"], said["environment"][key]["default"]]
        for key in ENVIRONMENT_KEYS
    ]
    page += rst.table(["Key", "Says", "Default"], keys, [20, 60, 20])
    specifications = variables.specifications(root)
    for role in specifications:
        page += rst.title(f"Of the role {role}", 1)
        page += rst.paragraph(f"{_role(role)}: {rst.plain(specifications[role]['main']['short_description'])}")
        options = [option for option in variables.options(root) if option.role == role]
        page += rst.table(["Variable", "Says", "Default"], [_option(root, option) for option in options], [30, 50, 20])
    return page


def _site_variable(name: str, options: list[variables.Option]) -> list[str]:
    first = options[0]
    text = [variables.SHARED.sub("", paragraph) for paragraph in first.description]
    default = _value(first.spec["default"]) if "default" in first.spec else "required"
    return [f"``{name}``", rst.markup(text), default, ", ".join(sorted({_role(option.role) for option in options}))]


def _option(root: Path, option: variables.Option) -> list[str]:
    written = yaml.safe_load((root / "roles" / option.role / "defaults" / "main.yml").read_text()) or {}
    default = written.get(option.name, option.spec.get("default", ""))
    if option.shared:
        shown = f"``{option.shared}``"
    elif isinstance(default, str) and "{{" in default:
        shown = "see there"
    else:
        shown = _value(default) if option.name in written or "default" in option.spec else "required"
    text = rst.markup(option.description)
    if option.spec.get("choices"):
        text += "\n\nOne of " + ", ".join(f"``{choice}``" for choice in option.spec["choices"]) + "."
    return [f"``{option.name}``", text, shown]


# --- levels


def level_page(_root: Path) -> str:
    """The table of CPU levels."""
    page = rst.label("levels") + rst.title("Levels")
    page += rst.paragraph(
        "A level is what caches are compiled for, and what a node must have to use them. Each architecture lists its "
        "levels worst first; a node takes the last one whose flags ``/proc/cpuinfo`` lists in full. Up to Julia 1.8 "
        "caches hold no native code, and ``generic`` is all there is. ``JULIA_DEPOTS_LEVEL`` in a user's environment "
        "names another."
    )
    for arch, levels in targets.LEVELS.items():
        page += rst.title(arch, 1)
        rows = []
        for level in levels:
            told = "\n\n".join(
                f"``{target}`` (Julia {targets.version_text(version)} and later)"
                for version, target in sorted(level.targets.items())
            )
            rows.append([f"``{level.name}``", told, " ".join(f"``{flag}``" for flag in level.flags) or "none"])
        page += rst.table(["Level", "What Julia is told", "Flags that a node needs"], rows, [15, 45, 40])
        rows = [
            [f"``{name}``", ", ".join(f"``{level}``" for level in bundle.levels)]
            for name, bundle in targets.BUNDLES[arch].items()
        ]
        page += rst.paragraph(
            "Names that stand for several levels, which from Julia 1.11.2 on are one depot for all nodes, and before "
            "that a depot each:"
        )
        page += rst.table(["Name", "Levels"], rows, [30, 70])
    return page


# --- faults


def fault_page(root: Path) -> str:
    """All messages, with what they mean and what to do."""
    page = rst.label("faults") + rst.title("Faults and what to do")
    page += rst.paragraph(
        f"Every message with which something of the collection fails is here. ``{faults.messages.VALUE}`` stands for "
        "what differs from case to case: a variable, a path, what a program said. Search this page for the words "
        "around it. After a failure what was published is as it was, and the same command may be run again."
    )
    page += ".. contents::\n   :local:\n   :depth: 1\n\n"
    for group in faults.read(root / "docs" / "faults.yml"):
        page += rst.label(f"faults_{group.id}") + rst.title(group.title, 1) + rst.paragraph(group.where)
        for fault in group.faults:
            page += rst.block("text", "\n".join(fault.messages))
            page += rst.paragraph(fault.means)
            page += rst.paragraph(f"**What to do.** {fault.remedy}")
    return page


PAGES: dict[str, Callable[[Path], str]] = {
    "playbooks": playbook_page,
    "variables": variable_page,
    "levels": level_page,
    "faults": fault_page,
}
