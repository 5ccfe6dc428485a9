# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test packages and their registry as files, laid out as Julia's package-server protocol names them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from .gittree import Blob, Tree, tarball, tree_hash, write_tree
from .packages import Artifact, Package, all_packages, many_name, toml_table, uuid_of
from .registry import REGISTRY_UUID, registry_tree

# Odd enough for a test to find the `sleep` that WaitsForever starts by its command line.
WAIT_SECONDS = 86399
MEGABYTES = 20


class PackageWorld:
    """A set of packages and their registry, served from ``folder``.

    ``folder`` holds `registries`, `registry/<uuid>/<hash>`, `package/<uuid>/<hash>` and `artifact/<hash>`, so
    any file server could serve it. Paths of the protocol are given with a leading "/".
    """

    def __init__(self, folder: Path, packages: Iterable[Package]) -> None:
        self.folder = Path(folder)
        self.packages = list(packages)

    @classmethod
    def generate(
        cls,
        folder: Path | str,
        many: int = 0,
        *,
        wait_seconds: int = WAIT_SECONDS,
        megabytes: int = MEGABYTES,
    ) -> PackageWorld:
        """Write the packages to ``folder``, replacing what an earlier call wrote there.

        :param many: how many packages Many001, Many002, ... to add
        :param wait_seconds: how long WaitsForever, and the `sleep` it starts, wait
        :param megabytes: how much PrintsMegabytes prints, in 10^6 bytes, to each of stdout and stderr
        """
        world = cls(Path(folder), all_packages(many, wait_seconds, megabytes))
        world._write()
        return world

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for kind in ("registry", "package", "artifact"):
            shutil.rmtree(self.folder / kind, ignore_errors=True)
        registry = registry_tree(self.packages)
        registry_path = f"/registry/{REGISTRY_UUID}/{tree_hash(registry)}"
        self._write_tarball(registry_path, registry)
        for package in self.packages:
            self._write_tarball(_package_path(package), package.tree())
            for artifact in package.artifacts:
                self._write_tarball(_artifact_path(artifact), artifact.tree)
        (self.folder / "registries").write_text(f"{registry_path}\n")

    def _write_tarball(self, path: str, tree: Tree) -> None:
        target = self.folder / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(tarball(tree))

    def package(self, name: str, version: str | None = None) -> Package:
        """The package ``name`` in ``version``, or in its newest; KeyError where there is none."""
        found = [p for p in self.packages if p.name == name and version in (None, p.version)]
        if not found:
            raise KeyError(f"no package {name} {version or ''}".strip())
        return found[-1]

    @property
    def many(self) -> list[str]:
        """The names Many001, ... in the order of their numbers."""
        names = {package.name for package in self.packages}
        numbers = range(1, len(names) + 1)
        return [many_name(number) for number in numbers if many_name(number) in names]

    @property
    def registry_path(self) -> str:
        """The path under which the registry is served."""
        return (self.folder / "registries").read_text().strip()

    def package_path(self, name: str, version: str | None = None) -> str:
        """The path under which a package is served."""
        return _package_path(self.package(name, version))

    def artifact(self, name: str) -> Artifact:
        """The artifact ``name`` of whichever package has one; KeyError where there is none."""
        for package in self.packages:
            for artifact in package.artifacts:
                if artifact.name == name:
                    return artifact
        raise KeyError(f"no artifact {name}")

    def artifact_path(self, name: str) -> str:
        """The path under which an artifact is served."""
        return _artifact_path(self.artifact(name))

    def project(
        self,
        folder: Path | str,
        packages: Iterable[str],
        *,
        compat: Mapping[str, str] | None = None,
        local: Mapping[str, Iterable[str]] | None = None,
        preferences: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Path:
        """Write a project that uses ``packages``; return its folder.

        :param compat: the project's [compat] entries, by package
        :param local: local packages to write to `<folder>/<name>`, each with the packages it uses itself;
            listed in [deps], and in [sources] for Julia 1.11 and later. Earlier ones need `Pkg.develop`
        :param preferences: what to write to LocalPreferences.toml, by package
        """
        folder = Path(folder)
        local = local or {}
        names = [*packages, *local]
        sources = "".join(f'{name} = {{ path = "{name}" }}\n' for name in sorted(local))
        tables = [
            toml_table("deps", {name: self._uuid(name, local) for name in names}),
            "[sources]\n" + sources if sources else "",
            toml_table("compat", compat or {}),
        ]
        tree = {"Project.toml": Blob.text("\n".join(table for table in tables if table))}
        for name, uses in local.items():
            tree |= {f"{name}/{path}": blob for path, blob in self._local_package(name, uses).tree().items()}
        if preferences:
            entries = [toml_table(name, preferences[name]) for name in sorted(preferences)]
            tree["LocalPreferences.toml"] = Blob.text("\n".join(entries))
        write_tree(tree, folder)
        return folder

    def _uuid(self, name: str, local: Mapping[str, Iterable[str]]) -> str:
        return uuid_of(name) if name in local else self.package(name).uuid

    def _local_package(self, name: str, uses: Iterable[str]) -> Package:
        uses = sorted(uses)
        using = f"using {', '.join(uses)}\n\n" if uses else ""
        return Package(
            name,
            f'module {name}\n\n{using}whoami() = "{name}"\n\nprecompile(whoami, ())\n\nend\n',
            deps={self.package(used).name: "1" for used in uses},
        )


def _package_path(package: Package) -> str:
    return f"/package/{package.uuid}/{tree_hash(package.tree())}"


def _artifact_path(artifact: Artifact) -> str:
    return f"/artifact/{artifact.hash}"
