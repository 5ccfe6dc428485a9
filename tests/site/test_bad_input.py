# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site says of bad input: what is wrong and what to do, before anything is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pkgserver import Fault, PackageServer, PackageWorld
from tests.sites import Site


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> PackageWorld:
    return PackageWorld.generate(tmp_path_factory.mktemp("world"))


def untouched(site: Site) -> bool:
    """Nothing was built and nothing published."""
    return not site.store.exists() and not (site.folder / "work" / "staging").exists()


def one_environment(site: Site, **changes) -> dict:
    return {"depot_environments": [{**site.extra()["depot_environments"][0], **changes}]}


def remove_project(site: Site) -> dict:
    (site.project / "Project.toml").unlink()
    return {}


def break_toml(site: Site) -> dict:
    (site.project / "Project.toml").write_text("[deps\nAntiKt = 1")
    return {}


def mismatched_lock(site: Site) -> dict:
    (site.project / "Manifest.toml").write_text("# made for another project\n[[Printf]]\n")
    if tuple(int(part) for part in site.version.split(".")[:2]) >= (1, 7):
        (site.project / "Manifest.toml").write_text(
            f'julia_version = "{site.version}"\nmanifest_format = "2.0"\n\n[[deps.Printf]]\n'
        )
    return {}


def store_is_a_file(site: Site) -> dict:
    (site.folder / "file").write_text("not a store")
    return {"depot_store": {"type": "directory", "path": str(site.folder / "file")}}


BEFORE_ANYTHING = {
    "no project file": (remove_project, "has no Project.toml"),
    "broken TOML": (break_toml, "Project.toml is not TOML"),
    "a lock of another project": (
        mismatched_lock,
        "Manifest.toml does not match the project: it does not pin AntiKt",
    ),
    "a slash in a name": (lambda site: one_environment(site, name="a/b"), "'a/b' is not a name"),
    "a space in a name": (lambda site: one_environment(site, name="a b"), "'a b' is not a name"),
    "dots in a name": (lambda site: one_environment(site, name="a..b"), "'a..b' is not a name"),
    "a name twice": (
        lambda site: {"depot_environments": site.extra()["depot_environments"] * 2},
        "the name 'jets' stands there more than once",
    ),
    "an unknown level": (
        lambda site: one_environment(site, targets={"x86_64": ["x86-64-v9"]}),
        "'x86-64-v9' is neither a level of x86_64",
    ),
    "a broken target string": (
        lambda site: one_environment(site, targets={"x86_64": ["generic;Haswell!"]}),
        "'generic;Haswell!' is neither a level of x86_64",
    ),
    "Julia is not Julia": (
        lambda site: one_environment(site, julia={"version": site.version, "executable": "/bin/true"}),
        "'/bin/true' does not answer as Julia",
    ),
    "another Julia": (
        lambda site: one_environment(site, julia={"version": "1.9.4", "executable": site.julia}),
        "but version 1.9.4 is asked for",
    ),
    "a relative store": (
        lambda _site: {"depot_store": {"type": "directory", "path": "srv/julia"}},
        "'srv/julia' is not an absolute path",
    ),
}


@pytest.mark.parametrize("case", BEFORE_ANYTHING)
def test_a_fault_is_named_before_anything_is_touched(site, case):
    prepare, message = BEFORE_ANYTHING[case]
    run = site.run("site", **prepare(site))
    assert not run.ok
    assert message in run.failure()
    assert "Traceback" not in run.text
    assert untouched(site)


def test_all_faults_stand_in_one_message(site):
    remove_project(site)
    environments = [
        {"name": "a b", "project": "x", "julia": "one"},
        {"name": "jets", "project": str(site.project), "julia": site.version, "colour": "red"},
        {
            "name": "other",
            "project": str(site.folder),
            "julia": site.version,
            "targets": {"vax": ["generic"]},
        },
    ]
    run = site.run("site", depot_environments=environments, depot_store={"type": "directory", "path": "a:b"})
    message = run.failure()
    for part in (
        "'a b' is not a name",
        "'one' is not a Julia version",
        "colour is not known",
        "'a:b'",
        "'vax'",
    ):
        assert part in message
    assert untouched(site)


def test_a_store_that_is_a_file_stays_a_file(site):
    variables = store_is_a_file(site)
    run = site.run("site", **variables)
    assert not run.ok
    assert f"{site.folder}/file is not a folder" in run.failure()
    assert (site.folder / "file").read_text() == "not a store"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_full_store_is_named_and_left_as_it_was(site):
    site.store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", site.store], check=True)
    try:
        run = site.run("site")
        assert not run.ok
        assert "No space left on device" in run.failure()
        assert [path.name for path in site.store.rglob("*") if path.name.startswith(".incoming")] == []
        assert site.releases() == []
    finally:
        subprocess.run(["umount", site.store], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a read-only file system")
def test_a_store_that_cannot_be_written_is_named(site):
    site.store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", site.store], check=True)
    try:
        run = site.run("site")
        assert not run.ok
        assert f"depot_store: {site.store}: Read-only file system" in run.failure()
    finally:
        subprocess.run(["umount", site.store], check=True)


@contextmanager
def serving(site: Site, world: PackageWorld, packages: list[str], fault: Fault | None = None):
    """A project that uses packages of a package server; what makes Julia use nothing else."""
    shutil.rmtree(site.project)
    world.project(site.project, packages)
    with PackageServer(world, fault=fault) as server:
        variables = {"JULIA_PKG_SERVER": server.url}
        yield one_environment(site, workload="", variables=variables)


def test_packages_come_from_a_package_server_alone(site, world):
    with serving(site, world, ["DiamondTop", "WithArtifact"]) as variables:
        run = site.run("site", **variables)
        assert run.ok, run.text[-4000:]
        run = site.run("site", **variables)
        assert (run.ok, run.changed) == (True, 0)
    result = site.use("-e", "using DiamondTop", HOME=str(site.folder))
    assert result.returncode == 0, result.stderr


def test_an_unknown_package_is_named(site, world):
    with serving(site, world, ["DiamondTop"]) as variables:
        project = site.project / "Project.toml"
        project.write_text(
            project.read_text().replace("[deps]\n", '[deps]\nNowhere = "11111111-2222-3333-4444-555555555555"\n')
        )
        run = site.run("site", **variables)
    assert not run.ok
    assert "Nowhere" in run.failure()
    assert "cannot be resolved" in run.failure()
    assert not site.store.exists()


def test_packages_that_exclude_each_other_are_named(site, world):
    with serving(site, world, ["ConflictA", "ConflictB"]) as variables:
        run = site.run("site", **variables)
    assert not run.ok
    assert "Conflict" in run.text
    assert "cannot be resolved" in run.failure()


@pytest.mark.parametrize("kind", ["404", "garbage"])
def test_a_broken_server_is_reported(site, world, kind):
    with serving(site, world, ["DiamondTop"], Fault(kind, "/package")) as variables:
        run = site.run("site", **variables)
    assert not run.ok
    assert str(site.folder) in run.failure()
    assert "Traceback" not in run.failure()
    assert not site.store.exists()


def test_a_server_that_hangs_meets_the_time_limit(site, world):
    with serving(site, world, ["DiamondTop"], Fault("hang", "/")) as variables:
        started = time.monotonic()
        run = site.run("site", depot_build_time_limit=5, **variables)
    assert not run.ok
    assert "did not end within time_limit: 5 s" in run.failure()
    assert time.monotonic() - started < 300


def test_a_package_that_fails_is_named_with_its_error(site, world):
    with serving(site, world, ["FailsToPrecompile", "DiamondTop"]) as variables:
        run = site.run("site", **variables)
    assert not run.ok
    assert "FailsToPrecompile" in run.failure()
    assert not site.store.exists()


def test_a_package_that_waits_for_ever_is_killed_with_its_children(site, world):
    with serving(site, world, ["WaitsForever"]) as variables:
        assert site.run("lock", **variables).ok
        run = site.run("site", depot_build_time_limit=15, **variables)
    assert not run.ok
    assert "did not end within time_limit: 15 s" in run.failure()
    assert processes_that_name(site.folder) == []


def processes_that_name(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command and sys.executable not in command:
                found.append(command)
    return found
