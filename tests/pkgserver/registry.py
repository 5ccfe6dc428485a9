# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of the test packages, in the files that Pkg reads from Julia 1.5 to 1.12.

Source: Pkg's ``src/Registry/registry_instance.jl`` and, for 1.5, ``src/Operations.jl`` (``deps_graph``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from .gittree import Blob, tree_hash
from .packages import Package, toml_table, uuid_of

# Pkg installs the registry of this name and UUID by default, from whatever package server it is given.
REGISTRY_NAME = "General"
REGISTRY_UUID = "23338594-aafe-5451-b93e-139f81909106"

# Where Pkg turns when the package server fails it: nowhere, and at once.
NOWHERE = "file:///nonexistent"


def version_range(compat: str) -> str:
    """A compat entry in the spelling of a registry: "=1.0.0" is "1.0.0", "1" is "1", "1.2" is "1.2.0-1"."""
    if compat.startswith("="):
        return compat[1:]
    major, _unused, rest = compat.partition(".")
    if not rest:
        return major
    return ".".join([major, *rest.split("."), "0"][:3]) + f"-{major}"


def _by_version(packages: Iterable[Package], entries: Mapping[str, Mapping[str, str]]) -> str:
    tables = (toml_table(f'"{package.version}"', entries[package.version]) for package in packages)
    return "\n".join(table for table in tables if table)


def _package_files(versions: list[Package]) -> dict[str, str]:
    """The files of one package, of which ``versions`` are all there are."""
    name, uuid = versions[0].name, versions[0].uuid

    def compat(package: Package, weak: bool) -> dict[str, str]:
        return {dep: version_range(spec) for dep, spec in package.compat().items() if (dep in package.weakdeps) is weak}

    files = {
        "Package.toml": toml_table("", {"name": name, "uuid": uuid, "repo": f"{NOWHERE}/{name}.jl.git"}),
        "Versions.toml": _by_version(versions, {p.version: {"git-tree-sha1": tree_hash(p.tree())} for p in versions}),
        "Deps.toml": _by_version(versions, {p.version: {d: uuid_of(d) for d in p.deps} for p in versions}),
        "Compat.toml": _by_version(versions, {p.version: compat(p, weak=False) for p in versions}),
        "WeakDeps.toml": _by_version(versions, {p.version: {d: uuid_of(d) for d in p.weakdeps} for p in versions}),
        "WeakCompat.toml": _by_version(versions, {p.version: compat(p, weak=True) for p in versions}),
    }
    return {file: text for file, text in files.items() if text}


def registry_tree(packages: Iterable[Package]) -> dict[str, Blob]:
    """The registry of ``packages``, in which the versions of a package stand together."""
    tree = {}
    listed = []
    for name, group in groupby(packages, key=lambda package: package.name):
        versions = list(group)
        folder = f"{name[0]}/{name}"
        listed.append(f'{versions[0].uuid} = {{ name = "{name}", path = "{folder}" }}\n')
        for file, text in _package_files(versions).items():
            tree[f"{folder}/{file}"] = Blob.text(text)
    head = toml_table("", {"name": REGISTRY_NAME, "uuid": REGISTRY_UUID, "repo": f"{NOWHERE}/General.git"})
    tree["Registry.toml"] = Blob.text(head + "\n[packages]\n" + "".join(sorted(listed)))
    return tree
