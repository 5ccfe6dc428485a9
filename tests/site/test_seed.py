# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that begin with what earlier ones left."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.seed import FIRST_RELOCATABLE
from tests.sites import Site


def levels(site: Site) -> list[dict]:
    record = json.loads((site.environment / "current" / "release.json").read_text())
    return [level for build in record["architectures"].values() for level in build["levels"]]


def add(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text()}\n{text}\n")


def test_a_build_that_fails_with_what_it_took_over_is_made_again_from_nothing(site):
    """A package that reads a file while it is compiled, unseen by Julia: its cache says what the file said then."""
    if tuple(int(part) for part in site.version.split(".")) < FIRST_RELOCATABLE:
        pytest.skip("caches can be taken over from Julia 1.11.2 on")
    source = site.project / "ToyEvents" / "src" / "ToyEvents.jl"
    leaf = site.project / "AntiKt" / "src" / "AntiKt.jl"
    with tempfile.NamedTemporaryFile("w", dir="/var/tmp") as file:  # where the sandbox has what the machine has
        path = json.dumps(file.name)
        source.write_text(source.read_text().replace("\nexport ", f"\nconst SAID = read({path}, String)\nexport ", 1))
        proof = f"ToyEvents.SAID == read({path}, String)"
        workload = f'using ToyEvents; {proof} || error("ToyEvents still says $(ToyEvents.SAID)")'
        given = {"depot_environments": [{**site.extra()["depot_environments"][0], "workload": workload}]}
        Path(file.name).write_text("one thing")
        first = site.run("site", **given)
        assert first.ok, first.text[-4000:]
        assert [(level["seeded"]["caches"], level["rebuilt"]) for level in levels(site)] == [(0, "")]

        add(leaf, "# changed")
        second = site.run("site", **given)
        assert second.ok, second.text[-4000:]
        assert "built again from nothing" not in second.text
        (level,) = levels(site)
        assert (level["seeded"]["caches"], level["rebuilt"]) == (2, "")
        assert level["totals"]["compiled"] == 1

        add(leaf, "# changed again")
        Path(file.name).write_text("another thing")
        third = site.run("site", **given)
        assert third.ok, third.text[-4000:]
        assert "built again from nothing" in third.text
        (level,) = levels(site)
        assert level["seeded"]["caches"] == 0
        assert "ToyEvents still says one thing" in level["rebuilt"]
        assert level["totals"]["compiled"] == 3
        assert site.run("site", **given).changed == 0
