# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms without caches in a release: from one builder, by parcels, to the host that publishes."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest
import yaml

from tests.pkgserver import PackageServer, PackageWorld
from tests.sites import Site

ARCH = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}.get(ARCH, "x86_64")
FOREIGN = f"{OTHER}-linux-gnu"
CPUINFO = {"x86_64": "flags\t\t: fpu sse sse2\n", "aarch64": "Features\t: fp asimd\n"}
SAY = "using ForPlatforms; print(ForPlatforms.data())"


class TwoHosts(Site):
    """A site with a builder and another host that publishes; what goes between them goes in parcels."""

    def __init__(self, folder: Path, julia: str, version: str, server: PackageServer) -> None:
        super().__init__(folder, julia, version)
        self.server = server
        hosts = {
            name: {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "depot_build_workdir": str(folder / name),
                "depot_publish_workdir": str(folder / name),
            }
            for name in ("builder", "publisher")
        }
        groups = {
            "julia_builders": "builder",
            "cvmfs_stratum0": "publisher",
            "depot_clients": "publisher",
            "cvmfs_stratum1": "",
            "depot_canary_clients": "",
        }
        inventory = {
            "all": {
                "hosts": hosts,
                "children": {name: {"hosts": {host: None} if host else {}} for name, host in groups.items()},
                "vars": {
                    "depot_store": {"type": "directory", "path": str(self.store)},
                    "depot_targets": {ARCH: ["generic"]},
                    "depot_publish_transfer": "controller",
                },
            }
        }
        self.inventory = folder / "hosts.yml"
        self.inventory.write_text(yaml.safe_dump(inventory, sort_keys=False))

    def extra(self, **variables):
        environment = {
            "name": "jets",
            "project": str(self.project),
            "julia": {"version": self.version, "executable": self.julia},
            "workload": "using ForPlatforms",
            "variables": {"JULIA_PKG_SERVER": self.server.url},
            "platforms": [FOREIGN],
        }
        return {"depot_environments": [{**environment, **variables.pop("environment", {})}], **variables}

    def on(self, arch: str):
        """Use the current release as a node of an architecture does, with an empty home."""
        home = self.folder / f"home-{arch}"
        home.mkdir(exist_ok=True)
        cpuinfo = self.folder / f"cpuinfo-{arch}"
        cpuinfo.write_text(CPUINFO[arch])
        return self.use("-e", SAY, HOME=str(home), JULIA_DEPOTS_CPUINFO=str(cpuinfo))


@pytest.fixture
def site(tmp_path, julia, julia_version):
    world = PackageWorld.generate(tmp_path / "world")
    with PackageServer(world) as server:
        site = TwoHosts(tmp_path, julia, julia_version(julia), server)
        world.project(site.project, ["DiamondBase", "ForPlatforms"])
        yield site


def texts(depot: Path) -> list[str]:
    """What the artifacts of a depot hold."""
    return sorted(path.read_text() for path in (depot / "artifacts").glob("*/data.txt"))


def test_packages_and_artifacts_for_another_platform_are_in_the_release_which_says_that_caches_are_missing(site):
    # What this Julia does not know is told before anything is locked or built.
    unknown = site.run("build", environment={"platforms": ["x86_64-vms", FOREIGN]})
    assert f'platforms: "x86_64-vms" is not a platform that Julia {site.version} knows' in unknown.failure()
    assert "Traceback" not in unknown.text
    assert not (site.project / "Manifest.toml").exists()
    assert not (site.folder / "builder" / "staging").exists()

    assert site.run("lock").ok
    foretold = site.run("site", "--check")
    assert foretold.ok, foretold.text[-4000:]
    assert foretold.changed_tasks != []
    assert not site.store.exists()
    site.server.requests.clear()
    run = site.run("site")
    assert run.ok, run.text[-5000:]
    assert f"Install packages and artifacts for {FOREIGN}" in run.changed_tasks
    fetched = [path for path in site.server.requests if path.startswith(("/package", "/artifact"))]
    assert len(fetched) == len(set(fetched)), "something was downloaded twice"
    requests = len(site.server.requests)
    for arguments in (["--check"], []):
        again = site.run("site", *arguments)
        assert (again.ok, again.changed_tasks) == (True, []), again.text[-4000:]
    assert len(site.server.requests) == requests

    release = (site.environment / "current").resolve()
    depot = release / FOREIGN / "common"
    assert texts(depot) == [f"library for {OTHER}\n"]
    assert texts(release / ARCH / "common") == [f"library for {ARCH}\n"]
    assert sorted(path.name for path in depot.iterdir()) == ["artifacts", "environments", "packages"]
    record = json.loads((release / "release.json").read_text())
    assert list(record["architectures"]) == [ARCH]
    assert record["inputs"]["platforms"] == [FOREIGN]
    told = record["platforms"][FOREIGN]
    assert (told["triplet"], told["caches"], told["unbuilt"], told["host"]) == (FOREIGN, False, [], "builder")
    assert sorted(name for name, _version in told["packages"]) == ["DiamondBase", "ForPlatforms"]
    assert told["artifacts"] == [path.name for path in (depot / "artifacts").iterdir()]
    assert told["size"]["bytes"] > 0

    own, other = site.on(ARCH), site.on(OTHER)
    assert (own.returncode, own.stdout) == (0, f"library for {ARCH}\n"), own.stderr
    assert other.returncode == 64
    assert f"this node is {OTHER}; {release} is for {ARCH} only" in other.stderr
    assert f"packages for {FOREIGN}, without caches, are in {depot}; " in other.stderr
