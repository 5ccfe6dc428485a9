# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU levels with real Julias: what they make of targets, and what they load where QEMU gives them another processor.

QEMU runs Julia as that processor. It does not change what the kernel tells, so a file is bound over ``/proc/cpuinfo``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import images
from tests import cpus
from tests.julia.laboratory import ARCH, LIMIT, Laboratory
from tests.pkgserver import PackageWorld

QEMU = next(filter(None, map(shutil.which, ("qemu-x86_64-static", "qemu-x86_64"))), None)
TELLS_IMAGES = (1, 10)
MULTIPLE = targets.FIRST_WITH_MULTIPLE_TARGETS


def need_native_code(laboratory: Laboratory) -> None:
    if laboratory.version < TELLS_IMAGES:
        pytest.skip("this Julia writes no native code, or cannot tell what is in it")


def check(laboratory: Laboratory, *levels: tuple[str, str] | tuple[str, str, list[str]]):
    given = [{"level": name, "target": target, "flags": list(*flags)} for name, target, *flags in levels]
    return images.check_targets(laboratory.complete(images.ARGUMENT_SPEC, {"levels": given}), False)["levels"]


def test_the_flags_of_a_level_are_all_that_its_images_need(laboratory: Laboratory) -> None:
    need_native_code(laboratory)
    rows = [level for level in targets.LEVELS[ARCH] if level.first_version <= laboratory.version]
    # What is first is cut to what this machine has, so a level comes second where that can be.
    second = "generic;{},clone_all" if laboratory.version >= MULTIPLE else "{}"
    found = check(laboratory, *[(row.name, second.format(row.target_for(laboratory.version))) for row in rows])
    for row, told in zip(rows[1:], found[1:], strict=True):
        held = told["images"][-1]
        assert held["name"] == targets.cpu_names(row.target_for(laboratory.version))[0]
        assert set(held["flags"]) <= set(row.flags), f"{row.name} needs more"


@pytest.mark.parametrize("name", ["portable", "official"])
def test_bundles_are_known(laboratory: Laboratory, name: str) -> None:
    chosen = targets.resolve(name, ARCH, laboratory.version)
    found = check(laboratory, *[(level.name, level.target_for(laboratory.version)) for level in chosen])
    if laboratory.version >= MULTIPLE:
        (held,) = [[image["name"] for image in level["images"]] for level in found]
        assert held == targets.cpu_names(chosen[0].target_for(laboratory.version))


def test_what_julia_itself_would_take_is_refused(laboratory: Laboratory) -> None:
    need_native_code(laboratory)
    name = "haswell" if ARCH == "x86_64" else "neoverse-n1"
    wrong = [("a", "nonsense"), ("b", f"{name},+nonsense"), ("c", "generic;generic,base(1)"), ("d", "generic", ["no"])]
    with pytest.raises(InputError) as error:
        check(laboratory, *wrong, ("e", "generic"))
    found = error.value.faults
    assert [fault.split(":")[1] for fault in found] == [" a", " b", " c", " d"]
    for fault, words in zip(
        found, ("does not know the CPU", "does not know the feature", "refuses it", "lacks no"), strict=True
    ):
        assert words in fault
    if laboratory.version >= MULTIPLE:
        with pytest.raises(InputError, match="does not know the CPU nonsense"):
            check(laboratory, ("f", "generic;nonsense"))


@dataclass(frozen=True)
class Published:
    """A release at the place where it was built, whose Julia starts in QEMU."""

    path: Path
    levels: list[str]

    def run(self, processor: str, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Start the release's Julia as a processor: QEMU's name for it, and the file that tells of it."""
        model, cpuinfo = MODELS[processor]
        home = self.path.parent / "home"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        return subprocess.run(
            [
                *("bwrap", "--dev-bind", "/", "/", "--ro-bind", str(cpus.cpuinfo(cpuinfo)), "/proc/cpuinfo"),
                *(str(self.path / "bin" / "julia"), "--startup-file=no", "-e", program),
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(home), "QEMU_CPU": model, **environment},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    @property
    def compiled(self) -> list[Path]:
        """What the last run compiled."""
        return list((self.path.parent / "home" / ".julia" / "compiled").rglob("*.*i"))


# QEMU 7 has no AVX-512, so its Skylake-Server has what a Skylake has. The fourth is not of the levels' vendor.
MODELS = {
    "nehalem": ("Nehalem", "nehalem"),
    "haswell": ("Haswell", "haswell"),
    "skylake": ("Skylake-Server", "skylake"),
    "zen1": ("EPYC", "vm-zen1"),
}
CHOSEN = {"nehalem": "generic", "haswell": "x86-64-v3", "skylake": "skylake", "zen1": "skylake"}


@pytest.fixture(scope="module")
def published(laboratory: Laboratory, world: PackageWorld, tmp_path_factory: pytest.TempPathFactory) -> Published:
    need_native_code(laboratory)
    if ARCH != "x86_64":
        pytest.skip("the processors that QEMU gives are of x86-64")
    if QEMU is None:
        pytest.skip("qemu-x86_64-static (qemu-user-static) is not installed")
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap (bwrap) is not installed")
    wanted = ["portable"] if laboratory.version >= MULTIPLE else ["generic", "x86-64-v3", "skylake"]
    levels = targets.resolve(wanted, ARCH, laboratory.version)
    lacking = {flag for level in levels for flag in level.flags} - images.flags_of_this_machine()
    if lacking:
        pytest.skip(f"this machine cannot compile for the levels: it lacks {', '.join(sorted(lacking))}")
    root = tmp_path_factory.mktemp("store")
    release = root / "0123456789abcdef"
    build(laboratory, world, release, levels)
    laboratory.release(root, release, "all", starter=QEMU)
    return Published(release, [level.name for level in levels])


def build(laboratory: Laboratory, world: PackageWorld, release: Path, levels: list[targets.Level]) -> None:
    """Build below ``release`` as the roles do; every image must hold what was asked for."""
    project = world.project(release.parent / "project", ["DiamondTop"])
    laboratory.lock(project)
    common = release / ARCH / "common"
    laboratory.instantiate(project=str(project), environment="all", depot=str(common))
    for level in levels:
        target = level.target_for(laboratory.version)
        result = laboratory.precompile(
            project=f"{common}/environments/all",
            depot=str(release / ARCH / level.name),
            package_depots=[str(common)],
            target=target,
        )
        assert [image["name"] for image in result["images"]] == targets.cpu_names(target)
        assert set(result["images"][0]["flags"]) <= {*level.flags, "cx16"}
    lines = [" ".join([level.name, *level.flags]) for level in levels]
    (release / ARCH / "levels").write_text("".join(f"{line}\n" for line in lines))


LOAD = 'using DiamondTop; print(Sys.CPU_NAME, " ", ENV["JULIA_DEPOTS_ACTIVE"])'


@pytest.mark.parametrize("processor", MODELS)
def test_each_processor_loads_the_best_that_it_can_run(published: Published, processor: str) -> None:
    name = {"nehalem": "nehalem", "haswell": "haswell", "skylake": "skylake-avx512", "zen1": "znver1"}[processor]
    level = CHOSEN[processor] if len(published.levels) > 1 else "portable"
    done = published.run(processor, LOAD)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{name} x86_64/{level}"
    assert published.compiled == []


def test_a_level_that_is_too_high_is_refused_before_julia_starts(published: Published) -> None:
    if len(published.levels) == 1:
        pytest.skip("one level fits every processor from Julia 1.11.2 on")
    done = published.run("nehalem", LOAD, JULIA_DEPOTS_LEVEL="skylake")
    assert (done.returncode, done.stdout) == (64, "")
    assert "JULIA_DEPOTS_LEVEL=skylake: this node lacks the CPU flags " in done.stderr
    assert done.stderr.endswith("choose from: generic\n")
    lower = published.run("skylake", LOAD, JULIA_DEPOTS_LEVEL="x86-64-v3")
    assert lower.stdout == "skylake-avx512 x86_64/x86-64-v3", lower.stderr


def test_an_image_that_holds_something_else_fails_the_build(published: Published, laboratory: Laboratory) -> None:
    arch = published.path / ARCH
    copy = arch / "copy"
    shutil.copytree(arch / published.levels[-1], copy)
    with pytest.raises(BuildError) as error:
        laboratory.precompile(
            project=f"{arch}/common/environments/all",
            depot=str(copy),
            package_depots=[str(arch / "common")],
            target="nehalem",
        )
    shutil.rmtree(copy)
    names = {image["package"] for image in error.value.details["wrong_images"]}
    assert "DiamondTop" in names
    assert "DiamondTop: wanted nehalem, found " in error.value.message
