# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surroundings for the Julia programs: the package server alone is in reach, and built depots are shared."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.julia.laboratory import MEGABYTES, PACKAGES, WAIT_SECONDS, Built, Laboratory, version
from tests.pkgserver import PackageServer, PackageWorld

PROGRAMS = Path(__file__).resolve().parents[2] / "plugins" / "julia"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> PackageWorld:
    return PackageWorld.generate(tmp_path_factory.mktemp("world"), wait_seconds=WAIT_SECONDS, megabytes=MEGABYTES)


@pytest.fixture(scope="session")
def session_server(world: PackageWorld) -> Iterator[PackageServer]:
    """The package server, and nothing else in reach of what has a network."""
    with PackageServer(world) as server, pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("JULIA_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("JULIA_PKG_SERVER", server.url)
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")  # discard(9): nobody listens
        patch.setenv("no_proxy", "127.0.0.1")
        yield server


@pytest.fixture
def server(session_server: PackageServer) -> Iterator[PackageServer]:
    """The package server without faults and with an empty record of requests."""
    session_server.requests.clear()
    yield session_server
    session_server.fault = None


@pytest.fixture(scope="session")
def laboratory(
    julia: str,
    julia_version: Callable[[str], str],
    session_server: PackageServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Laboratory:
    folder = tmp_path_factory.mktemp("laboratory")
    bundle = folder / "julia.json"
    bundle.write_text(json.dumps({path.name: path.read_text() for path in sorted(PROGRAMS.iterdir())}))
    return Laboratory(julia, version(julia_version(julia)), str(bundle), str(folder / "registries"), session_server)


@pytest.fixture(scope="session")
def built(laboratory: Laboratory, world: PackageWorld, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The environment ``all``, locked, installed and compiled."""
    folder = tmp_path_factory.mktemp("built")
    project = world.project(folder / "project", PACKAGES, preferences={"Preferring": {"greeting": "good morning"}})
    laboratory.lock(project)
    staging = folder / "staging"
    built = Built(staging, project, {}, {})
    instantiated = laboratory.instantiate(
        project=str(project), environment="all", depot=built.common, lazy_artifacts=True, mounts=built.mounts()
    )
    precompiled = laboratory.precompile(tasks=2, **built.compiling())
    return Built(staging, project, instantiated, precompiled)
