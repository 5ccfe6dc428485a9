# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Caches for one CPU target: what is asked of Julia, and what its events become."""

from __future__ import annotations

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, BusyError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.precompile import (
    ARGUMENT_SPEC,
    load_path,
    precompile,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock
from tests.unit.helpers import FakeJulia, needs_bwrap, params_of

pytestmark = needs_bwrap


@pytest.fixture
def fake(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "common").mkdir()
    return FakeJulia(tmp_path)


def ask(fake, check_mode=False, **params):
    place = fake.prefix.parent
    given = {
        "julia": str(fake.executable),
        "project": f"{place}/project",
        "depot": f"{place}/level",
        "package_depots": [f"{place}/common"],
        "_bundle": str(fake.bundle),
    }
    return precompile(params_of(ARGUMENT_SPEC, **{**given, **params}), check_mode)


def package(name, state, seconds=0.0, size=0, error=""):
    return {
        "event": "package",
        "package": name,
        "uuid": f"uuid of {name}",
        "extension": False,
        "state": state,
        "seconds": seconds,
        "bytes": size,
        "error": error,
    }


DONE = {"event": "done"}


def test_every_package_has_a_state_and_totals_are_told(fake):
    fake.ends_with(
        [
            package("A", "compiled", 1.25, 10),
            package("B", "fresh"),
            package("C", "uncacheable"),
            package("D", "compiled", 2, 5),
            DONE,
        ]
    )
    result = ask(fake)
    assert result["changed"] is True
    assert result["actions"] == [{"what": "cache", "id": name, "status": "compiled"} for name in "AD"]
    assert result["totals"] == {"compiled": 2, "fresh": 1, "uncacheable": 1, "pending": 0, "seconds": 3.25, "bytes": 15}
    assert [item["package"] for item in result["packages"]] == ["A", "B", "C", "D"]
    assert result["warnings"] == ["C forbids precompiling, so it is compiled anew in every session that loads it"]


def test_nothing_to_compile_is_no_change(fake):
    fake.ends_with([package("A", "fresh"), DONE])
    result = ask(fake)
    assert (result["changed"], result["actions"], result["warnings"]) == (False, [], [])


def test_julia_is_asked_by_the_paths_of_the_store(fake, tmp_path):
    fake.ends_with([DONE])
    for name in ("level", "common/environments/jets"):
        (tmp_path / "staging" / name).mkdir(parents=True)
    staging, target = f"{tmp_path}/staging", "/srv/julia of tests/releases/x"
    ask(
        fake,
        project=f"{staging}/common/environments/jets",
        depot=f"{staging}/level",
        package_depots=[f"{staging}/common"],
        target="haswell,-rdrnd",
        tasks=3,
        variables={"MINE": 1, "JULIA_CPU_TARGET": "native"},
        mounts=[{"source": staging, "target": target}],
    )
    env = dict(line.split("=", 1) for line in (tmp_path / "staging/level/env").read_text().splitlines())
    project = f"{target}/common/environments/jets"
    assert env["JULIA_DEPOT_PATH"] == f"{target}/level:{target}/common:"
    assert env["JULIA_LOAD_PATH"] == load_path(project)
    assert (env["JULIA_CPU_TARGET"], env["JULIA_PKG_PRECOMPILE_AUTO"], env["MINE"]) == ("haswell,-rdrnd", "0", "1")
    request = (tmp_path / "staging/level/request.toml").read_text()
    assert f'project = "{project}"\ntasks = 3\ntell_caches = false\ndry_run = false\n' in request


def test_every_failed_package_is_named_with_its_error(fake):
    fake.ends_with(
        [
            package("A", "compiled"),
            package("B", "failed", error="boom\n"),
            package("C", "failed", error="needs B"),
            DONE,
        ]
    )
    with pytest.raises(BuildError) as error:
        ask(fake, target="nehalem")
    assert error.value.message == "2 of 3 packages failed to precompile for nehalem:\n- B: boom\n- C: needs B"
    assert error.value.details["failed_packages"] == ["B", "C"]
    assert len(error.value.details["packages"]) == 3


def test_check_mode_tells_what_would_be_compiled_and_makes_no_depot(fake, tmp_path):
    fake.ends_with([package("A", "pending"), DONE])
    result = ask(fake, check_mode=True)
    assert result["actions"] == [{"what": "cache", "id": "A", "status": "pending"}]
    assert result["changed"] is True
    assert not (tmp_path / "level").exists()


def test_what_the_build_needed_is_taken_out(fake, tmp_path):
    (tmp_path / "level" / "logs").mkdir(parents=True)
    fake.ends_with([DONE])
    ask(fake)
    assert not (tmp_path / "level" / "logs").exists()


def test_a_depot_in_use_is_waited_for_and_then_told(fake, tmp_path):
    with folder_lock(str(tmp_path / "level"), 0), pytest.raises(BusyError, match=f"{tmp_path}/level is in use"):
        ask(fake, lock_timeout=0)


def test_all_faults_are_told_at_once(fake):
    with pytest.raises(InputError) as error:
        ask(fake, project="/no/project", package_depots=["/no/depot"], tasks=0)
    assert error.value.faults == [
        "project: /no/project is not a folder on this machine",
        "package_depots: /no/depot is not a folder on this machine",
        "tasks: 0 is less than one",
    ]
