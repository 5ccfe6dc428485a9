# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Defaults for a group of modules are given to each of them, so each must have the options that are documented."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = "ansible_collections.scisoft.julia_depots.plugins.modules"
GROUPS = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
DOCUMENTED = {
    match[1]: re.findall(r"`(\w+)`", match[2])
    for match in re.finditer(
        r"(?m)^\| `group/scisoft\.julia_depots\.(\w+)` \| (.*) \|$", (ROOT / "docs" / "larger-sites.md").read_text()
    )
}


def test_every_group_is_documented():
    assert set(DOCUMENTED) == set(GROUPS)
    assert all(DOCUMENTED.values())


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_every_member_has_the_options(group):
    for module in GROUPS[group]:
        options = importlib.import_module(f"{MODULES}.{module}").ARGUMENT_SPEC
        assert set(DOCUMENTED[group]) <= set(options), module


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_whoever_has_the_options_is_a_member(group):
    for path in sorted((ROOT / "plugins" / "modules").glob("*.py")):
        # What runs on the controller alone has its options in its action plugin.
        options = getattr(importlib.import_module(f"{MODULES}.{path.stem}"), "ARGUMENT_SPEC", {})
        if set(DOCUMENTED[group]) <= set(options):
            assert path.stem in GROUPS[group]
