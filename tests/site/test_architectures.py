# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several architectures in one release: all of them or nothing, unless a release may lack one.

The second architecture is real: a builder whose Julia is one for aarch64, which QEMU runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import aarch64
from tests.conftest import found_julias, version_of
from tests.sites import Site

PACKAGES = {
    "Inner": ("31a3e0b2-0cc8-46a4-8f6c-3a4b3a2d5b01", {}, "where() = Sys.ARCH"),
    "Outer": ("31a3e0b2-0cc8-46a4-8f6c-3a4b3a2d5b02", {"Inner": ""}, "import Inner\nsay() = println(Inner.where())"),
}
CPUINFO = {
    "x86_64": "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse sse2\n",
    "aarch64": "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd evtstrm\nCPU implementer\t: 0x41\n",
}
BOTH = {"x86_64": ["generic"], "aarch64": ["generic"]}
SAY = "using Outer; Outer.say()"


def make_project(folder: Path) -> None:
    """A project of two packages."""
    for name, (uuid, needs, code) in PACKAGES.items():
        (folder / name / "src").mkdir(parents=True)
        deps = "".join(f'{needed} = "{PACKAGES[needed][0]}"\n' for needed in needs)
        text = f'name = "{name}"\nuuid = "{uuid}"\nversion = "0.1.0"\n\n[deps]\n{deps}'
        (folder / name / "Project.toml").write_text(text)
        (folder / name / "src" / f"{name}.jl").write_text(f"module {name}\n{code}\nend\n")
    text = "[deps]\n" + "".join(f'{name} = "{uuid}"\n' for name, (uuid, _needs, _code) in PACKAGES.items())
    text += "\n[sources]\n" + "".join(f'{name} = {{path = "{name}"}}\n' for name in PACKAGES)
    (folder / "Project.toml").write_text(text)


class Builders(Site):
    """A site with a builder for each of some Julias; the first one publishes."""

    def __init__(self, folder: Path, julias: dict[str, str], version: str, **unreachable: dict) -> None:
        super().__init__(folder, next(iter(julias.values())), version)
        hosts = {
            name: {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "builder_julia": julia,
                "depot_build_workdir": str(folder / name),
                "depot_publish_workdir": str(folder / name),
                # What a release is made from does not change by it.
                "depot_build_time_limit": f"{{{{ {name}_time_limit | default(600) }}}}",
            }
            for name, julia in julias.items()
        }
        first = {next(iter(hosts)): None}
        groups = {
            "julia_builders": dict.fromkeys([*hosts, *unreachable]),
            "cvmfs_stratum0": first,
            "depot_clients": first,
            "cvmfs_stratum1": {},
            "depot_canary_clients": {},
        }
        inventory = {
            "all": {
                "hosts": {**hosts, **unreachable},
                "children": {name: {"hosts": members} for name, members in groups.items()},
                "vars": {"depot_store": {"type": "directory", "path": str(self.store)}, "depot_targets": BOTH},
            }
        }
        self.inventory = folder / "hosts.yml"
        self.inventory.write_text(yaml.safe_dump(inventory, sort_keys=False))
        make_project(self.project)

    def extra(self, **variables):
        environment = {
            "name": "jets",
            "project": str(self.project),
            "julia": {"version": self.version, "executable": "{{ builder_julia }}"},
            "workload": SAY,
        }
        return {"depot_environments": [environment], **variables}

    def record(self) -> dict:
        return json.loads((self.environment / "current" / "release.json").read_text())

    def on(self, arch: str) -> subprocess.CompletedProcess[str]:
        """Use the current release as a node of an architecture does, with an empty home."""
        home = self.folder / f"home-{arch}"
        home.mkdir(exist_ok=True)
        cpuinfo = self.folder / f"cpuinfo-{arch}"
        cpuinfo.write_text(CPUINFO[arch])
        return self.use("-e", SAY, HOME=str(home), JULIA_DEPOTS_CPUINFO=str(cpuinfo))

    def compiled(self, arch: str) -> list[str]:
        """What a node has compiled for itself."""
        folder = self.folder / f"home-{arch}" / ".julia" / "compiled"
        return [name for _parent, _folders, files in os.walk(folder) for name in files]


@pytest.fixture(scope="module")
def julias() -> Iterator[dict[str, str]]:
    """Two Julias of the same version, of both architectures."""
    own = [julia for julia in found_julias() if version_of(julia) == aarch64.VERSION]
    if not own:
        pytest.skip(f"no Julia {aarch64.VERSION} for x86_64, as there is for aarch64")
    try:
        with aarch64.emulated():
            yield {"x86": own[0], "arm": str(aarch64.install())}
    except aarch64.UnavailableError as reason:
        pytest.skip(f"no second architecture: {reason}")


@pytest.fixture
def site(tmp_path: Path, julia: str, julia_version) -> Builders:
    """A site with a builder for this machine's architecture alone."""
    return Builders(tmp_path, {"x86": julia}, julia_version(julia))


def test_all_architectures_are_published_at_once_or_none_unless_one_may_be_missing(tmp_path, julias):
    site = Builders(tmp_path, julias, aarch64.VERSION)

    # One fails: nothing.
    run = site.run("site", arm_time_limit=1)
    assert not run.ok
    assert run.failure().startswith("arm: this builder failed or cannot be reached, so nothing is published")
    assert not site.store.exists()

    # It may: a release that says so.
    run = site.run("site", arm_time_limit=1, depot_allow_partial=["jets/aarch64"])
    assert run.ok, run.text[-5000:]
    partial, record = site.current, site.record()
    assert site.releases() == [partial]
    assert list(record["architectures"]) == ["x86_64"]
    (missing,) = record["missing"]
    assert missing["arch"] == "aarch64"
    assert missing["reason"].startswith("arm: Install packages and artifacts: ")
    assert f"release {partial} of jets has nothing for aarch64: arm: Install packages" in run.text
    assert site.on("x86_64").stdout == "x86_64\n"
    run = site.run("publish", depot_allow_partial=["jets/aarch64"])
    assert (run.ok, run.changed_tasks) == (True, []), run.text[-5000:]

    # The same inputs and no failure: another release, the whole one.
    run = site.run("site")
    assert run.ok, run.text[-5000:]
    whole, record = site.current, site.record()
    assert site.releases() == sorted([partial, whole])
    assert sorted(record["architectures"]) == ["aarch64", "x86_64"]
    assert record["architectures"]["aarch64"]["julia"]["arch"] == "aarch64"
    assert record["architectures"]["aarch64"]["host"] == "arm"
    assert record["missing"] == []
    for arch in ("x86_64", "aarch64"):
        result = site.on(arch)
        assert (result.returncode, result.stdout) == (0, f"{arch}\n"), result.stderr
        assert site.compiled(arch) == []


def test_an_architecture_that_no_builder_has_is_named_before_anything_is_done(site):
    run = site.run("site")
    assert not run.ok
    assert f"jets: no builder has Julia {site.version} for aarch64; add a builder" in run.failure()
    assert not site.store.exists()
    assert not (site.project / "Manifest.toml").exists()
    assert not (site.folder / "x86").exists()
    run = site.run("site", depot_allow_partial=["arm64"])
    assert "depot_allow_partial: 'arm64' names no architecture of the environments" in run.failure()


def test_a_builder_that_cannot_be_reached_is_done_without_where_it_may_be(tmp_path, julia, julia_version):
    lost = {"ansible_host": "127.0.0.1", "ansible_port": 1, "builder_julia": "/nowhere/julia"}
    site = Builders(tmp_path, {"x86": julia}, julia_version(julia), arm=lost)
    run = site.run("site")
    assert not run.ok
    assert run.failure().startswith("arm: this builder failed or cannot be reached")
    assert not site.store.exists()

    run = site.run("site", depot_allow_partial=["aarch64"])
    assert run.stats["dark"] == {"arm": 1}
    assert site.record()["missing"] == [
        {"arch": "aarch64", "reason": f"no builder that takes part has Julia {site.version} for aarch64"}
    ]
    assert site.on("x86_64").stdout == "x86_64\n"
