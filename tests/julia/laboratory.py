# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of the modules with their defaults, and the depots that the tests share."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.module_utils import activation
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import (
    check,
    depot,
    instantiate,
    precompile,
    slim,
)
from tests.pkgserver import PackageServer

# Where the sandbox shows what the tests build; nothing is there on the machine.
FINAL = "/srv/julia of tests/environments/all/releases/0123456789abcdef/arch"
# A limit for what ought to take seconds: reached only where something hangs.
LIMIT = 900

# What the shared depots are built from. DiamondBase is the trigger of the extension.
PACKAGES = (
    "DiamondBase",
    "DiamondTop",
    "NotPrecompilable",
    "Preferring",
    "PrintsMegabytes",
    "RecordsDir",
    "WithArtifact",
    "WithBuild",
    "WithExtension",
)
MEGABYTES = 3
ARCH = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
TEMPLATES = Path(__file__).resolve().parents[2] / "plugins" / "release"
# Odd enough to find the processes of WaitsForever among all others.
WAIT_SECONDS = 80000 + os.getpid() % 6000


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-")[0].split("."))


@dataclass(frozen=True)
class Laboratory:
    """The functions of the modules with one Julia and the package server; arguments are those of the modules."""

    julia: str
    version: tuple[int, ...]
    bundle: str
    registries: str
    server: PackageServer

    def instantiate(self, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        params.setdefault("registries_depot", self.registries)
        return self._call(instantiate.instantiate, instantiate.ARGUMENT_SPEC, check_mode, params)

    def precompile(self, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        return self._call(precompile.precompile, precompile.ARGUMENT_SPEC, check_mode, params)

    def slim(self, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        return self._call(slim.slim, slim.ARGUMENT_SPEC, check_mode, params)

    def check(self, **params: Any) -> dict[str, Any]:
        return self._call(check.check, check.ARGUMENT_SPEC, False, params)

    def check_release(self, store: Path, **params: Any) -> dict[str, Any]:
        params["store"] = {"type": "directory", "path": str(store)}
        return self._call(check.check_release, check.RELEASE_CHECK_SPEC, False, params)

    def info(self, **params: Any) -> dict[str, Any]:
        return self._call(depot.info, depot.ARGUMENT_SPEC, False, params)

    def lock(self, project: Path, mode: str = "resolve", **params: Any) -> dict[str, Any]:
        """Lock a project, and write the lock into it."""
        result = self.instantiate(project=str(project), lock=mode, **params)
        (project / result["manifest"]["name"]).write_text(result["manifest"]["content"])
        return result

    def release(self, root: Path, release: Path, environment: str, starter: str = "") -> None:
        """Give depots that lie in a store what makes them a release: its record, its command, and this Julia.

        :param starter: a program that starts Julia.
        """
        version = ".".join(map(str, self.version))
        texts = {path.name: path.read_text() for path in TEMPLATES.iterdir()}
        for name, file in activation.render(
            texts, root=str(root), release=str(release), environment=environment, version=version
        ).items():
            path = release / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(file.text)
            path.chmod(file.mode)
        (release / "release.json").write_text(json.dumps({"julia": version, "architectures": {ARCH: {}}}))
        julia = root / "julia" / version / ARCH / "bin" / "julia"
        julia.parent.mkdir(parents=True)
        julia.write_text(f'#!/bin/sh\nexec {starter} {shlex.quote(os.path.realpath(self.julia))} "$@"\n')
        julia.chmod(0o755)

    def _call(
        self,
        function: Callable[[Mapping[str, Any], bool], dict[str, Any]],
        spec: Mapping[str, Mapping[str, Any]],
        check_mode: bool,
        params: Mapping[str, Any],
    ) -> dict[str, Any]:
        return function(self.complete(spec, params), check_mode)

    def complete(self, spec: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a module with its defaults, and with this Julia."""
        unknown = params.keys() - spec.keys()
        assert not unknown, f"no such arguments: {unknown}"
        defaults = {name: option.get("default") for name, option in spec.items()}
        own = {"julia": self.julia, "_bundle": self.bundle, "time_limit": LIMIT}
        own = {name: value for name, value in own.items() if name in spec}
        return {**defaults, **own, **params}


@dataclass(frozen=True)
class Built:
    """Depots that hold the environment ``all``, built below ``staging`` and shown below ``FINAL``."""

    staging: Path
    project: Path
    instantiated: dict[str, Any]
    precompiled: dict[str, Any]

    @property
    def common(self) -> str:
        return str(self.staging / "common")

    @property
    def level(self) -> str:
        return str(self.staging / "level")

    @property
    def environment(self) -> str:
        return f"{self.common}/environments/all"

    def mounts(self, target: str = FINAL) -> list[dict[str, str]]:
        return [{"source": str(self.staging), "target": target}]

    def compiling(self) -> dict[str, Any]:
        """The arguments of precompile()."""
        return {
            "project": self.environment,
            "depot": self.level,
            "package_depots": [self.common],
            "mounts": self.mounts(),
        }

    def proving(self) -> dict[str, Any]:
        """The arguments of check()."""
        return {
            "project": self.environment,
            "depots": [self.level, self.common],
            "mounts": self.mounts(),
        }

    def copy(self, folder: Path) -> Built:
        """The same depots for a test that spoils them."""
        shutil.copytree(self.staging, folder, symlinks=True)
        return Built(folder, self.project, self.instantiated, self.precompiled)


def processes_with(text: str) -> list[int]:
    """The processes that have this text in their command line or their environment, but this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or folder.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if text.encode() in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def wait_until(condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition; it is a failure where it does not come."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"waited {LIMIT} s in vain: {what}"
        time.sleep(0.05)
