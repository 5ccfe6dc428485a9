# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build by an ordinary user, where the tests run as root; else all of them are run by one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import check, instantiate, precompile
from tests.julia.laboratory import LIMIT, Laboratory
from tests.pkgserver import PackageServer, PackageWorld

ROOT = Path(__file__).resolve().parents[2]
USER = "65534"  # nobody, everywhere
BUILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import SandboxError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.check import check
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import instantiate
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.precompile import precompile
asked = json.load(sys.stdin)
try:
    results = [f(asked[f.__name__], False) for f in (instantiate, precompile, check)]
except SandboxError as error:
    results = error.message
print(json.dumps(results))
"""


def as_user(*argv: str) -> list[str]:
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", *argv]


def reachable(path: str) -> bool:
    return subprocess.run(as_user("test", "-x", path), check=False).returncode == 0


def test_ordinary_user_can_build(laboratory: Laboratory, server: PackageServer, world: PackageWorld) -> None:
    if os.geteuid() != 0:
        pytest.skip("the tests are run by an ordinary user already")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    folder = Path("/var/tmp") / f"julia-depots-test-{os.getpid()}"  # pytest's own folders are for root alone
    folder.mkdir(mode=0o755)
    try:
        build_as_user(laboratory, world, folder)
    finally:
        shutil.rmtree(folder)


def build_as_user(laboratory: Laboratory, world: PackageWorld, folder: Path) -> None:
    # The Python of the tests may lie where only root can go.
    pythons = [path for path in (sys._base_executable, "/usr/bin/python3") if reachable(path)]
    if not pythons:
        pytest.skip("an ordinary user cannot start Python here")
    for path in (laboratory.julia, str(ROOT / "plugins")):
        if not reachable(path):
            pytest.skip(f"{path} is not within reach of an ordinary user")
    project = world.project(folder / "project", ["DiamondLeft"])
    laboratory.lock(project)
    bundle = shutil.copy(laboratory.bundle, folder / "bundle.json")
    own = folder / "own"
    own.mkdir()
    os.chown(own, int(USER), int(USER))
    depot, level, environment = (str(own / name) for name in ("depot", "level", "depot/environments/e"))
    mounts = [{"source": str(own), "target": "/srv/of a user"}]
    common = {"_bundle": str(bundle), "mounts": mounts}
    asked = {
        "instantiate": laboratory.complete(
            instantiate.ARGUMENT_SPEC, {"project": str(project), "environment": "e", "depot": depot, **common}
        ),
        "precompile": laboratory.complete(
            precompile.ARGUMENT_SPEC,
            {"project": environment, "depot": level, "package_depots": [depot], **common},
        ),
        "check": laboratory.complete(check.ARGUMENT_SPEC, {"project": environment, "depots": [level, depot], **common}),
    }
    completed = subprocess.run(
        as_user(pythons[0], "-c", BUILD, str(ROOT / ".build" / "collections")),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(own)},
        timeout=LIMIT,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    results = json.loads(completed.stdout)
    if isinstance(results, str):
        pytest.skip(f"an ordinary user gets no sandbox here: {results}")
    instantiated, precompiled, checked = results
    assert instantiated["changed"]
    assert precompiled["totals"]["compiled"] == 2
    assert checked["compiled"] == []
    assert {path.stat().st_uid for path in own.rglob("*")} == {int(USER)}
