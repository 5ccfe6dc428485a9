# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that fail or wait for ever, runs that are killed, and locks that cannot be made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import (
    BuildError,
    InputError,
    JuliaError,
    TimeLimitError,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import instantiate
from tests.julia.laboratory import WAIT_SECONDS, Laboratory, processes_with, wait_until
from tests.pkgserver import FAILURE_MESSAGE, Fault, PackageServer, PackageWorld

COLLECTIONS = Path(__file__).resolve().parents[2] / ".build" / "collections"
INSTANTIATE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import instantiate
instantiate(json.loads(sys.argv[2]), False)
"""


def install(laboratory: Laboratory, project: Path, depot: Path) -> dict[str, Any]:
    """Lock a project and install it; the arguments of precompile()."""
    laboratory.lock(project)
    laboratory.instantiate(project=str(project), environment="e", depot=str(depot))
    return {"project": f"{depot}/environments/e", "package_depots": [str(depot)], "depot": f"{depot}-level"}


def test_failing_package_is_named_and_keeps_no_other_from_compiling(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["DependsOnFailing", "DiamondLeft"])
    compiling = install(laboratory, project, tmp_path / "depot")
    expected = {"DiamondBase": "compiled", "DiamondLeft": "compiled"}
    for _run in range(2):
        with pytest.raises(BuildError) as caught:
            laboratory.precompile(**compiling)
        error = caught.value
        assert set(error.details["failed_packages"]) == {"FailsToPrecompile", "DependsOnFailing"}
        assert FAILURE_MESSAGE in error.message
        assert "DependsOnFailing: needs FailsToPrecompile, which failed" in error.message
        states = {package["package"]: package["state"] for package in error.details["packages"]}
        assert expected.items() <= states.items()
        expected = dict.fromkeys(expected, "fresh")


def test_package_that_waits_for_ever_is_killed_with_its_children(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["WaitsForever"])
    compiling = install(laboratory, project, tmp_path / "depot")
    child = f"sleep\0{WAIT_SECONDS}\0"
    for limit in (10, 60, 300):  # the longer ones for a machine that is too busy to start the child in time
        seen = threading.Event()
        stop = threading.Event()

        def watch(seen: threading.Event = seen, stop: threading.Event = stop) -> None:
            while not (seen.is_set() or stop.wait(0.1)):
                if processes_with(child):
                    seen.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with pytest.raises(TimeLimitError) as caught:
                laboratory.precompile(**compiling, time_limit=limit)
        finally:
            stop.set()
            watcher.join()
        assert f"time_limit: {limit} s" in caught.value.message
        wait_until(lambda: not processes_with(child), "the child of WaitsForever ends")
        wait_until(lambda: not processes_with(str(tmp_path)), "Julia ends")
        if seen.is_set():
            break
    assert seen.is_set()
    assert "WaitsForever" in caught.value.message


def test_killed_installation_is_marked_and_repaired(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["DiamondLeft", "RecordsDir"])
    laboratory.lock(project)
    depot = tmp_path / "depot"
    where = {"project": str(project), "environment": "e", "depot": str(depot)}
    params = laboratory.complete(instantiate.ARGUMENT_SPEC, {**where, "registries_depot": laboratory.registries})
    hanging = world.package_path("RecordsDir")
    server.fault = Fault("hang", hanging)
    server.requests.clear()  # Julia 1.5 has fetched packages to lock them, too
    process = subprocess.Popen([sys.executable, "-c", INSTANTIATE, str(COLLECTIONS), json.dumps(params)])
    try:
        wait_until(lambda: hanging in server.requests or process.poll() is not None, "a package is asked for")
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: not processes_with(str(depot)), "Julia ends with the one that started it")
    assert (depot / ".incomplete").exists()

    # Half a package, as it lies there when the killing comes while it is being unpacked.
    for path in (depot / "packages").rglob("src"):
        for file in path.iterdir():
            file.unlink()
    server.fault = None
    repaired = laboratory.instantiate(**where)
    assert {"what": "depot", "id": str(depot), "status": "repaired after an interrupted run"} in repaired["actions"]
    assert not (depot / ".incomplete").exists()
    sources = {path.name for path in (depot / "packages").rglob("src/*.jl")}
    assert sources == {"DiamondBase.jl", "DiamondLeft.jl", "RecordsDir.jl"}
    assert not laboratory.instantiate(**where)["changed"]


def test_lock_that_cannot_be_resolved(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    world.project(tmp_path, ["ConflictA", "ConflictB"])
    with pytest.raises(BuildError) as caught:
        laboratory.lock(tmp_path)
    assert f"the project {tmp_path} cannot be resolved" in caught.value.message
    assert "Unsatisfiable requirements" in caught.value.message
    assert "DiamondBase" in caught.value.message
    assert os.listdir(tmp_path) == ["Project.toml"]


def test_unknown_package(laboratory: Laboratory, server: PackageServer, tmp_path: Path) -> None:
    uuid = "01234567-89ab-4cde-8f01-23456789abcd"
    (tmp_path / "Project.toml").write_text(f'[deps]\nNobodyKnows = "{uuid}"\n')
    with pytest.raises(BuildError) as caught:
        laboratory.lock(tmp_path)
    assert f"the project {tmp_path} cannot be resolved" in caught.value.message
    assert "NobodyKnows" in caught.value.message or uuid in caught.value.message


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[deps\n", "Project.toml"),
        ('deps = "none"\n', "deps is not a table"),
        ('[deps]\nDiamondBase = "no uuid"\n', "no uuid"),
    ],
)
def test_project_that_is_no_project(
    laboratory: Laboratory, server: PackageServer, tmp_path: Path, text: str, cause: str
) -> None:
    (tmp_path / "Project.toml").write_text(text)
    with pytest.raises(BuildError) as caught:
        laboratory.lock(tmp_path)
    assert f"the project {tmp_path} cannot be resolved" in caught.value.message
    assert cause in caught.value.message
    assert server.requests == []


def test_lock_that_lacks_what_the_project_asks_for(
    laboratory: Laboratory, server: PackageServer, world: PackageWorld, tmp_path: Path
) -> None:
    project = world.project(tmp_path / "project", ["DiamondLeft"])
    laboratory.lock(project)
    where = {"project": str(project), "environment": "e", "depot": str(tmp_path / "depot")}
    # Once where all that the lock names is still to be installed, and once where it is there already.
    for _time in range(2):
        world.project(project, ["DiamondLeft", "DiamondTop"])
        with pytest.raises(BuildError) as caught:
            laboratory.instantiate(**where)
        assert str(project) in caught.value.message
        assert "DiamondTop" in caught.value.message
        world.project(project, ["DiamondLeft"])
        laboratory.instantiate(**where)


def test_faults_of_the_input_come_all_at_once(laboratory: Laboratory, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        laboratory.instantiate(project=str(tmp_path / "absent"), environment="../up", depot=str(tmp_path / "d"))
    assert len(caught.value.faults) == 2
    with pytest.raises(InputError) as caught:
        laboratory.precompile(project="/absent", depot=str(tmp_path / "d"), package_depots=["/away"], tasks=0)
    assert len(caught.value.faults) == 3
    with pytest.raises(InputError):
        laboratory.check(project="/absent")
    with pytest.raises(InputError):
        laboratory.info(depot="/absent")
    assert os.listdir(tmp_path) == []


def test_lock_is_required(laboratory: Laboratory, world: PackageWorld, tmp_path: Path) -> None:
    project = world.project(tmp_path / "project", ["DiamondLeft"])
    with pytest.raises(InputError, match=r"has no Manifest\.toml"):
        laboratory.instantiate(project=str(project), environment="e", depot=str(tmp_path / "depot"))
    assert os.listdir(tmp_path) == ["project"]


def test_another_julia_than_the_one_asked_for(laboratory: Laboratory) -> None:
    with pytest.raises(JuliaError, match=r"but version 1\.0\.5 is asked for"):
        laboratory.info(julia_version="1.0.5")


@pytest.mark.parametrize("program", ["/bin/true", "/bin/false", "/bin/sh", "/etc/passwd", "/absent"])
def test_executable_that_is_not_julia(laboratory: Laboratory, program: str) -> None:
    with pytest.raises(JuliaError, match=f"julia: '{program}'"):
        laboratory.info(julia=program)
