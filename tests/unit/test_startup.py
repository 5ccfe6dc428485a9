# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is measured, with which surroundings, and what is made of the times."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import (
    BuildError,
    InputError,
    JuliaError,
    TimeLimitError,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import startup
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.startup import (
    ARGUMENT_SPEC,
    dependencies,
    measure,
    summary,
)
from tests.unit.helpers import params_of

ARCH = os.uname().machine
SCRIPT = """#!/bin/sh
echo "{who} $HOME $JULIA_DEPOTS_LEVEL|$JULIA_DEPOT_PATH|$JULIA_PROJECT|$MINE|$http_proxy|$*" >> "{log}"
{more}
"""


class Store:
    """A store with one release, whose Julia writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "store"
        self.log = folder / "log"
        self.log.touch()
        self.work = folder / "work"
        self.work.mkdir()
        self.environment = self.root / "environments" / "jets"
        self.release = self.environment / "releases" / "0123456789abcdef"
        project = self.release / ARCH / "common" / "environments" / "jets"
        project.mkdir(parents=True)
        (project / "Project.toml").write_text('name = "x"\n[deps]\nB = "1"\nA = "2"\n\n[compat]\njulia = "1"\n')
        (self.release / "release.json").write_text(json.dumps({"julia": "1.10.8"}))
        (self.release / ARCH / "levels").write_text("generic\nimpossible no_such_flag\nportable\n")
        (self.environment / "current").symlink_to("releases/0123456789abcdef")
        self.own = self.root / "julia" / "1.10.8" / ARCH / "bin" / "julia"
        self.command = self.release / "bin" / "julia"
        self.write()

    def write(self, own: str = "", command: str = "") -> None:
        for path, who, more in ((self.own, "own", own), (self.command, "release", command)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SCRIPT.format(who=who, log=self.log, more=more))
            path.chmod(0o755)

    def measure(self, check_mode: bool = False, **params):
        given = {
            "store": {"type": "directory", "path": str(self.root)},
            "environment": "jets",
            "workload": "work()",
            "workdir": str(self.work),
            "times": 2,
            "measurements": ["nothing", "private", "published_warm"],
        }
        return measure(params_of(ARGUMENT_SPEC, **{**given, **params}), check_mode)

    def calls(self) -> list[str]:
        """How Julia was called, with the temporary folder as ``TMP``."""
        return [
            re.sub(re.escape(str(self.work)) + r"/[^/ ]+", "TMP", line) for line in self.log.read_text().split("\n")
        ][:-1]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_each_is_measured_as_a_user_would_meet_it(store, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy")
    monkeypatch.setenv("JULIA_DEPOT_PATH", "/of/who/measures")
    result = store.measure(variables={"MINE": 7})
    common = f"{store.release}/{ARCH}/common"
    flags = "--startup-file=no --history-file=no --color=no -e work()"
    private = [
        f"own TMP/private{number} |TMP/private{number}/.julia:{common}:|{common}/environments/jets|7||{flags}"
        for number in (0, 1, 0, 0)
    ]
    published = [f"release TMP/user {level}|||7||{flags}" for level in ("generic", "portable") for _number in range(3)]
    assert store.calls() == private + published
    assert [entry["level"] for entry in result["levels"]] == ["generic", "portable"]
    first, second = (entry["measurements"] for entry in result["levels"])
    assert set(first) == {"nothing", "private", "published_warm"}
    assert all(len(measured["samples"]) == 2 for measured in first.values())
    assert (first["nothing"], first["private"]) == (second["nothing"], second["private"])
    told = {key: result[key] for key in ("changed", "environment", "release", "julia", "arch", "times", "packages")}
    assert told == {
        "changed": False,
        "environment": "jets",
        "release": "0123456789abcdef",
        "julia": "1.10.8",
        "arch": ARCH,
        "times": 2,
        "packages": "published",
    }
    assert list(store.work.iterdir()) == []


def test_packages_are_installed_into_a_project_of_ones_own(store, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy")
    store.measure(packages="installed", measurements=["nothing", "private"], times=1)
    flags = "--startup-file=no --history-file=no --color=no"
    where = "own TMP/private0 |TMP/private0/.julia:|TMP/private0/project|"
    assert store.calls() == [
        f"{where}|http://proxy|{flags} -e import Pkg; Pkg.instantiate() -e work()",
        f"{where}||{flags} -e work()",
    ]


def test_a_private_depot_is_filled_before_it_is_measured(store):
    result = store.measure(measurements=["private"], levels=["portable"])
    assert len(store.calls()) == 3
    assert [set(entry["measurements"]) for entry in result["levels"]] == [{"private"}]


def test_without_a_workload_the_packages_of_the_project_are_loaded(store):
    store.measure(workload="", measurements=["published_warm"], levels=["generic"])
    assert store.calls()[0].endswith(" -e import B, A")


def test_check_mode_starts_nothing(store):
    result = store.measure(check_mode=True)
    assert result["levels"] == [
        {"level": "generic", "measurements": {}},
        {"level": "portable", "measurements": {}},
    ]
    assert store.calls() == []


def test_cold_is_measured_where_the_caches_can_be_dropped(store, tmp_path, monkeypatch):
    drop = tmp_path / "drop_caches"
    drop.touch()
    monkeypatch.setattr(startup, "DROP_CACHES", str(drop))
    result = store.measure(measurements=["published_cold"], levels=["generic"])
    assert result["warnings"] == []
    assert len(result["levels"][0]["measurements"]["published_cold"]["samples"]) == 2
    assert drop.read_text() == "3"


def test_cold_is_left_out_with_a_warning_where_they_cannot(store, tmp_path, monkeypatch):
    monkeypatch.setattr(startup, "DROP_CACHES", str(tmp_path / "nowhere" / "drop_caches"))
    result = store.measure(measurements=["published_cold", "published_warm"])
    assert [set(entry["measurements"]) for entry in result["levels"]] == [{"published_warm"}, {"published_warm"}]
    (warning,) = result["warnings"]
    assert warning.startswith("published_cold of jets was not measured: the page cache cannot be dropped")


def test_what_is_compiled_with_the_release_is_no_measurement(store):
    store.write(command='mkdir -p "$HOME/.julia/compiled/v1.10/Late"; touch "$HOME/.julia/compiled/v1.10/Late/x.ji"')
    with pytest.raises(BuildError, match=r"is not proved on this node: with level generic it compiles Late; "):
        store.measure()
    assert list(store.work.iterdir()) == []


@pytest.mark.parametrize(
    ("own", "command", "message"),
    [
        ("echo 'ERROR: no' >&2; exit 1", "", "the workload of jets fails with a private depot: ERROR: no"),
        ("", "exit 64", "the workload of jets fails with level generic: it printed nothing"),
    ],
)
def test_a_workload_that_fails_says_where_and_why(store, own, command, message):
    store.write(own, command)
    with pytest.raises(JuliaError, match=re.escape(message)) as caught:
        store.measure()
    assert {"cmd", "rc", "stdout", "stderr"} <= set(caught.value.details)
    assert list(store.work.iterdir()) == []


def test_a_start_that_takes_too_long_is_given_up(store):
    store.write(own="sleep 60")
    with pytest.raises(TimeLimitError):
        store.measure(time_limit=1)
    assert list(store.work.iterdir()) == []


@pytest.mark.parametrize(
    ("params", "faults"),
    [
        (
            {"times": 0, "workdir": "/nowhere", "store": {"type": "tape"}},
            ["store: {'type': 'tape'} is no store", "times: 0 is less than 1", "workdir: /nowhere is not a folder"],
        ),
        ({"environment": "other"}, ["environment: no release of 'other' is at "]),
        ({"release": "fedcba9876543210"}, ["environment: no release of 'jets' is at "]),
        (
            {"levels": ["generic", "impossible", "unknown"]},
            [
                "levels: impossible: this node lacks the CPU flags no_such_flag; choose from generic, portable",
                "levels: 'unknown' is not in ",
            ],
        ),
    ],
)
def test_all_faults_are_told_at_once(store, params, faults):
    with pytest.raises(InputError) as caught:
        store.measure(**params)
    assert len(caught.value.faults) == len(faults)
    for fault, beginning in zip(caught.value.faults, faults, strict=True):
        assert fault.startswith(beginning)
    assert store.calls() == []


def test_another_architecture_than_the_nodes_is_told(store):
    (store.release / ARCH / "levels").rename(store.release / "levels")
    other = store.release / "sparc"
    other.mkdir()
    (other / "build.json").touch()
    with pytest.raises(InputError, match=f"has no caches for this node, which is {ARCH}; it has sparc"):
        store.measure()


def test_a_node_that_can_run_no_level_is_told(store):
    (store.release / ARCH / "levels").write_text("impossible no_such_flag\n")
    with pytest.raises(InputError, match="this node has the CPU flags of no level in "):
        store.measure(levels=["impossible"])


@given(st.lists(st.floats(0.001, 1e5), min_size=1, max_size=20))
def test_a_summary_lies_within_its_samples(samples):
    told = summary(samples)
    assert told["samples"] == [round(sample, 3) for sample in samples]
    assert min(told["samples"]) <= told["low"] <= told["median"] <= told["high"] <= max(told["samples"])
    if len(set(samples)) == 1:
        assert told["low"] == told["high"]


NAMES = st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,12}", fullmatch=True), unique=True, max_size=6)


@given(deps=NAMES, extras=NAMES, version=st.booleans())
def test_dependencies_are_those_of_their_table_alone(tmp_path_factory, deps, extras, version):
    folder = tmp_path_factory.mktemp("project")
    lines = ['version = "0.1.0"'] if version else []
    for table, names in (("extras", extras), ("deps", deps), ("compat", extras)):
        lines += ["", f"[{table}]", *(f'{name} = "3699dc51-98ee-4d54-bd69-d30591c32fed"' for name in names)]
    (folder / "Project.toml").write_text("\n".join(lines))
    assert dependencies(str(folder)) == deps
