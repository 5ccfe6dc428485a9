# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Staged releases, small and not made by Julia, and what publishes them, for tests of stores."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores import publish
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.directory import DirectoryStore

TEMPLATES = Path(publish.__file__).resolve().parents[2] / "release"
A, B, C, D = (letter * 16 for letter in "abcd")
VERSION, ARCH = "1.10.8", "x86_64"


class Site:
    """A folder with a Julia and staged releases, and a store.

    Attributes:
        root: the store, below the folder unless it is told
        store: as site variables describe it
    """

    def __init__(self, folder: Path, root: Path | None = None, store: dict | None = None):
        self.folder = folder
        self.root = root or folder / "store"
        self.store = store or {"type": "directory", "path": str(self.root)}
        self.bundle = folder / "bundle.json"
        self.bundle.write_text(json.dumps({path.name: path.read_text() for path in TEMPLATES.iterdir()}))
        self.julia = folder / "julia"
        (self.julia / "bin").mkdir(parents=True)
        (self.julia / "bin" / "julia").write_text("#!/bin/sh\n")
        (self.julia / "bin" / "julia").chmod(0o755)

    def staged(self, release: str) -> Path:
        source = self.folder / "staging" / release
        if source.exists():
            return source
        project = source / ARCH / "common" / "environments" / "jets"
        project.mkdir(parents=True)
        (project / "Project.toml").write_text(release)
        cache = source / ARCH / "generic" / "compiled" / "cache.ji"
        cache.parent.mkdir(parents=True)
        cache.write_text(release)
        os.utime(cache, (1e9, 1e9 + 0.25))
        cache.chmod(0o444)
        os.link(cache, cache.with_name("same.ji"))
        (cache.parent / "link").symlink_to("cache.ji")
        cache.parent.chmod(0o555)
        (source / ARCH / "levels").write_text("generic\n")
        self.record(source, [{"name": "generic", "check": {"compiled": []}}])
        return source

    @staticmethod
    def record(source: Path, levels: list) -> None:
        (source / ARCH / "build.json").write_text(json.dumps({"levels": levels}))

    def params(self, release: str | None, **changes):
        defaults = {name: spec.get("default") for name, spec in publish.ARGUMENT_SPEC.items()}
        published = changes.get("state", "published") == "published"
        return {
            **defaults,
            "store": self.store,
            "environment": "jets",
            "release": release,
            "source": str(self.staged(release)) if published else None,
            "architectures": [ARCH] if published else [],
            "julias": [{"version": VERSION, "arch": ARCH, "build": "b1", "prefix": str(self.julia)}]
            if published
            else [],
            "inputs": {"environment": "jets"},
            "lock_timeout": 60,
            "_bundle": str(self.bundle),
            **changes,
        }

    def change(self, release: str | None = None, check_mode=False, **changes):
        return publish.change(self.params(release, **changes), check_mode)

    def state(self) -> tuple:
        """The current, the previous, and all releases of the environment."""
        held = DirectoryStore(str(self.root)).held("jets")
        return held.current, held.previous, sorted(held.ids)

    def files(self) -> dict:
        """All that lies in the store, but for the lock, with its content."""
        return {
            str(path.relative_to(self.root)): os.readlink(path)
            if path.is_symlink()
            else path.is_file() and path.read_bytes()
            for path in self.root.rglob("*")
            if path.name != ".lock"
        }


def statuses(result) -> list[str]:
    return [f"{action['what']} {action['status']}" for action in result["actions"]]


def whole(release: Path) -> bool:
    """Whether a release has all that its users need."""
    names = (
        "release.json",
        "bin/julia",
        "setup.sh",
        "activate.jl",
        f"{ARCH}/build.json",
        f"{ARCH}/generic/compiled/cache.ji",
    )
    return all((release / name).is_file() for name in names)
