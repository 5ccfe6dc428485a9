# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays that know nothing of this collection's playbooks and use its roles in the forms that Ansible has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLLECTION = "scisoft.julia_depots"
FORMS = ("include_role", "import_role", "roles")
# Says what a play sees, and puts it among what the run tells.
LOOK = {
    "name": "Look at what the play sees",
    "ansible.builtin.debug": {
        "msg": {"names": "{{ query('ansible.builtin.varnames', '.') }}", "facts": "{{ ansible_facts }}"}
    },
}


def play_using(form: str, uses: Sequence[tuple[str, Mapping[str, Any]]], **keys: Any) -> dict[str, Any]:
    """A play that uses roles in one of the forms, and looks at what it sees before and after.

    :param uses: names of roles, each with its inputs.
    :param keys: further keywords of the play.
    """
    made: dict[str, Any] = {"hosts": "all", "gather_facts": False, **keys}
    named = [(f"{COLLECTION}.{role}", dict(inputs)) for role, inputs in uses]
    if form == "roles":
        made["pre_tasks"] = [LOOK]
        made["roles"] = [{"role": name, "vars": inputs} for name, inputs in named]
        made["tasks"] = [LOOK]
    else:
        use = f"ansible.builtin.{form}"
        made["tasks"] = [LOOK, *({use: {"name": name}, "vars": inputs} for name, inputs in named), LOOK]
    return made


def seen_in(text: str) -> list[dict[str, Any]]:
    """What :data:`LOOK` said, each time, in the output of a run whose results stand on one line."""
    looks = (part for part in text.split("TASK [") if part.startswith(f"{LOOK['name']}]"))
    return [json.loads(said)["msg"] for look in looks for said in re.findall(r"^ok: .*?=> (.*)$", look, re.M)]


def left_by(roles: Iterable[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """The variables that roles left in a play, beside those whose names say that they are a role's own.

    :param before: what :data:`LOOK` said before the roles, and ``after`` them.
    """
    own = re.compile(rf"__({'|'.join(roles)})_")
    return {name for name in set(after["names"]) - set(before["names"]) if not own.match(name)}
