# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of an environment: what is asked of Julia, and what counts as a proof."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError, JuliaError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import check as checks
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.check import (
    ARGUMENT_SPEC,
    RELEASE_CHECK_SPEC,
    check,
    check_release,
)
from tests.unit.helpers import FakeJulia, needs_bwrap, params_of

RELEASE = "0123456789abcdef"

EVENTS = [
    {"event": "julia", "version": "1.10.8"},
    {"event": "total", "total": 2},
    {"event": "loaded", "package": "A", "seconds": 0.5},
    {"event": "ready", "seconds": 0.75},
    {"event": "loaded", "package": "B", "seconds": 0.25},
    {"event": "workload", "seconds": 1.5},
    {"event": "done"},
]


@pytest.fixture
def fake(tmp_path):
    fake = FakeJulia(tmp_path)
    environment = tmp_path / "store" / "environments" / "jets"
    release = environment / "releases" / RELEASE
    (release / "bin").mkdir(parents=True)
    (release / "bin" / "julia").write_text(f"#!/bin/sh\nexec '{fake.executable}' \"$@\"\n")
    (release / "bin" / "julia").chmod(0o755)
    said = {
        "julia": "1.10.8",
        "architectures": {"x86_64": {}},
        "missing": [{"arch": "aarch64", "reason": "no builder"}],
    }
    (release / "release.json").write_text(json.dumps(said))
    (environment / "current").symlink_to(f"releases/{RELEASE}")
    return fake


def ask(fake, check_mode=False, **params):
    """Prove the release of a store whose command is the fake Julia."""
    store = {"type": "directory", "path": str(fake.prefix.parent / "store")}
    given = {"store": store, "environment": "jets", "time_limit": 60, "_bundle": str(fake.bundle)}
    return check_release(params_of(RELEASE_CHECK_SPEC, **{**given, **params}), check_mode)


def words(result) -> dict[str, str]:
    """What the fake Julia printed of its request and environment."""
    return dict(line.split("=", 1) for line in result["output"].replace(" = ", "=").splitlines() if "=" in line)


def test_a_proof_tells_what_was_loaded_and_how_long_that_took(fake):
    fake.ends_with(EVENTS)
    result = ask(fake, workload='print("ü")')
    assert result["packages"] == [{"package": "A", "seconds": 0.5}, {"package": "B", "seconds": 0.25}]
    assert (result["startup_seconds"], result["workload_seconds"]) == (0.75, 1.5)
    assert (result["changed"], result["actions"], result["compiled"], result["rejected"]) == (False, [], [], [])
    assert (result["release"], [item["arch"] for item in result["missing"]]) == (RELEASE, ["aarch64"])


def test_another_version_than_that_of_the_release_is_refused(fake):
    fake.ends_with([{"event": "julia", "version": "1.9.4"}, *EVENTS[1:]])
    with pytest.raises(JuliaError, match=re.escape("is Julia 1.9.4, but version 1.10.8 is asked for")):
        ask(fake)


def test_the_command_of_a_release_knows_its_own_depots(fake, monkeypatch):
    monkeypatch.setenv("JULIA_DEPOT_PATH", "/users/own")
    fake.ends_with(EVENTS)
    seen = words(ask(fake))
    first = seen["JULIA_DEPOT_PATH"]
    assert ":" not in first
    assert first != "/users/own"
    assert not os.path.exists(first)
    assert (seen["HOME"], seen["JULIA_DEBUG"]) == (first, "loading")
    assert "JULIA_LOAD_PATH" not in seen
    project = f"environments/jets/releases/{RELEASE}/x86_64/common/environments/jets"
    assert seen["project"] == f'"{fake.prefix.parent}/store/{project}"'


def test_without_a_release_check_mode_skips_what_else_is_an_error(fake):
    shutil.rmtree(fake.prefix.parent / "store")
    missing = "no release of 'jets' is at "
    skipped = ask(fake, check_mode=True)
    assert skipped.pop("skip_reason").startswith(f"environment: {missing}")
    assert skipped == {"changed": False, "actions": [], "skipped": True}
    with pytest.raises(InputError, match=missing):
        ask(fake)


def test_faults_of_what_names_a_release_are_told_at_once(fake):
    with pytest.raises(InputError) as error:
        ask(fake, store={"type": "directory", "path": "srv"}, environment="../x", release="newest")
    assert [fault.partition(":")[0] for fault in error.value.faults] == ["store", "environment", "release"]


def test_a_command_that_is_gone_is_named(fake):
    os.remove(fake.prefix.parent / "store" / "environments" / "jets" / "releases" / RELEASE / "bin" / "julia")
    with pytest.raises(JuliaError, match="is not an executable file on this machine") as error:
        ask(fake)
    assert error.value.details["release"] == RELEASE


@needs_bwrap
def test_enclosed_everything_is_asked_by_the_paths_of_the_store(fake, tmp_path):
    fake.ends_with(EVENTS)
    for name in ("level", "common/environments/jets"):
        (tmp_path / "staging" / name).mkdir(parents=True)
    staging, target = f"{tmp_path}/staging", "/srv/julia of tests/releases/x"
    params = params_of(
        ARGUMENT_SPEC,
        julia=str(fake.executable),
        julia_version="1.10.8",
        project=f"{staging}/common/environments/jets",
        depots=[f"{staging}/level", f"{staging}/common"],
        mounts=[{"source": staging, "target": target}],
        variables={"MINE": 1},
        time_limit=60,
        _bundle=str(fake.bundle),
    )
    seen = words(check(params, False))
    assert seen["project"] == f'"{target}/common/environments/jets"'
    first, *others = seen["JULIA_DEPOT_PATH"].split(":")
    assert others == [f"{target}/level", f"{target}/common", ""]
    assert first not in ("", f"{target}/level")
    assert f"{target}/common/environments/jets" in seen["JULIA_LOAD_PATH"].split(":")
    assert (seen["MINE"], seen["HOME"], seen["JULIA_DEBUG"]) == ("1", "/tmp/home", "loading")
    with pytest.raises(JuliaError, match=re.escape("is Julia 1.10.8, but version 1.9.4 is asked for")):
        check(dict(params, julia_version="1.9.4"), False)


def test_whatever_fails_or_was_compiled_is_no_proof(fake):
    stderr = (
        "┌ Debug: Rejecting cache file /d/with space/A/x.ji for A [123] since it was built for another CPU\n"
        "│ Rejecting stale cache file /d/B/y.ji (mtime 1) because file z has changed\n"
    )
    failed = [
        {"event": "failed", "what": "B", "error": "no such thing"},
        {"event": "failed", "what": "workload", "error": "boom"},
    ]
    fake.ends_with([*EVENTS[:3], *failed, {"event": "done"}], stderr=stderr, compiled="A")
    with pytest.raises(BuildError) as error:
        ask(fake)
    assert error.value.message.splitlines() == [
        "the depot is not proved:",
        "- B fails: no such thing",
        "- workload fails: boom",
        "- compiled although a cache was to be there: A",
        "- /d/with space/A/x.ji was rejected for A [123] since it was built for another CPU",
        "- /d/B/y.ji was rejected (mtime 1) because file z has changed",
    ]
    assert (error.value.details["compiled"], error.value.details["release"]) == (["A"], RELEASE)
    assert [item["cache"] for item in error.value.details["rejected"]] == ["/d/with space/A/x.ji", "/d/B/y.ji"]
    assert (error.value.details["startup_seconds"], error.value.details["workload_seconds"]) == (None, None)


def test_a_rejected_cache_alone_is_told_and_no_fault(fake):
    fake.ends_with(EVENTS, stderr="Rejecting cache file /d/A/x.ji for A since x\n")
    assert ask(fake)["rejected"] == [{"cache": "/d/A/x.ji", "reason": "for A since x"}]


def test_of_a_long_output_the_end_is_told(fake, monkeypatch):
    monkeypatch.setattr(checks, "OUTPUT_TAIL", 10)
    fake.ends_with(EVENTS)
    assert len(ask(fake)["output"]) == 10


def test_what_ends_early_is_an_error(fake):
    fake.ends_with(EVENTS[:-1])
    with pytest.raises(JuliaError, match=r"check\.jl ended before its work was done"):
        ask(fake)


def test_a_project_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"^project: /nowhere is not a folder on this machine$"):
        check(params_of(ARGUMENT_SPEC, project="/nowhere"), False)
