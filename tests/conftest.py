# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all tests share: the way to the collection, hypothesis profiles, and the Julias to test with."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".build" / "collections"

sys.path.insert(0, str(COLLECTIONS))

set_hypothesis_home_dir(ROOT / ".build" / "hypothesis")
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@functools.cache
def version_of(executable: str) -> str:
    """The version that a Julia says it is, such as ``1.10.8``. Each executable is started once a session."""
    program = [executable, "--startup-file=no", "--history-file=no", "-e", "print(VERSION)"]
    try:
        return subprocess.run(program, check=True, capture_output=True, text=True, timeout=120).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        stderr = getattr(error, "stderr", None) or ""
        raise pytest.UsageError(f"{executable}, a Julia to test with, does not start: {error}\n{stderr}") from None


@functools.cache
def found_julias() -> tuple[str, ...]:
    """The executables of the Julias to test with, see ``scripts/find_julias``."""
    command = [str(ROOT / "scripts" / "find_julias")]
    return tuple(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines())


def pytest_sessionstart() -> None:
    """Refuse to start where the collection cannot be imported."""
    link = COLLECTIONS / "ansible_collections" / "scisoft" / "julia_depots"
    if not link.is_dir():
        raise pytest.UsageError(f"{link} is not there: `make venv` makes it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for ``julia`` with every Julia there is."""
    if "julia" not in metafunc.fixturenames:
        return
    parameters = [pytest.param(path, id=f"julia-{version_of(path)}") for path in found_julias()]
    if not parameters:
        reason = "no Julia: set JULIA_DEPOTS_TEST_JULIAS, or put julia into PATH"
        parameters = [pytest.param("", id="julia-none", marks=pytest.mark.skip(reason=reason))]
    metafunc.parametrize("julia", parameters, indirect=True, scope="session")


@pytest.fixture(scope="session")
def julia(request: pytest.FixtureRequest) -> str:
    """The path of a Julia executable; tests that ask for it run once with every Julia found."""
    return request.param


@pytest.fixture(scope="session")
def julia_version():
    """A function that gives the version of a Julia executable, such as ``1.10.8``."""
    return version_of
