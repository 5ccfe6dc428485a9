# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release ids, ``release.json`` and the layout of a store: the one place that knows a path in the store."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError

LAYOUT = 1  # part of every release id: a release of another layout is another release
ENVIRONMENT_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")
RELEASE_ID = re.compile(r"^[0-9a-f]{16}\Z")
# A platform as Julia names it (base/binaryplatforms.jl): architecture, system, and more after further hyphens. One
# hyphen at least, so that it is no architecture, which has a folder beside it in a release.
TRIPLET = re.compile(r"^(?=.{3,128}\Z)(?!.*\.\.)[a-z0-9_]+(-[A-Za-z0-9_.]+(\+[A-Za-z0-9_.]+)?)+\Z", re.ASCII)
REPOSITORY_NAME = re.compile(
    r"^(?=.{3,255}\Z)[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)+\Z", re.ASCII
)
# What describes a store of each type, beside the type.
STORES = {"cvmfs": ("repository", "path"), "directory": ("path",)}
STORE_SPEC = {
    "type": "dict",
    "required": True,
    "options": {
        "type": {"type": "str", "choices": list(STORES), "required": True},
        "repository": {"type": "str"},
        "path": {"type": "path"},
    },
    "required_if": [("type", "directory", ("path",)), ("type", "cvmfs", ("repository",))],
}
CURRENT = "current"
# Of modules that are about one release.
RELEASE_SPEC = {
    "store": STORE_SPEC,
    "environment": {"type": "str", "required": True},
    "release": {"type": "str", "default": CURRENT},
}
STORE_EXAMPLES = (
    "{type: cvmfs, repository: software.example.org, path: julia}",
    "{type: directory, path: /srv/julia}",
)
# A depot path is separated by colons; the others would need quoting in one of the shells that read the files.
FORBIDDEN = ":'\"\\$`!;"


def fault_of_repository(name: Any) -> str | None:
    """Why this cannot be the fully qualified name of a CernVM-FS repository; none if it can."""
    if isinstance(name, str) and REPOSITORY_NAME.match(name):
        return None
    return f"{name!r} is not a repository's fully qualified name, such as software.example.org"


def fault_of_name(name: Any) -> str | None:
    """Why this cannot be the name of an environment; none if it can."""
    if isinstance(name, str) and ENVIRONMENT_NAME.match(name) and ".." not in name:
        return None
    return f"{name!r} is not a name: it takes a letter, then letters, digits, '_', '-' and '.', 64 in all, no '..'"


def fault_of_path(path: Any) -> str | None:
    """Why this cannot be the root of a store; none if it can."""
    if not isinstance(path, str) or not path.startswith("/"):
        return f"{path!r} is not an absolute path"
    if any(char in FORBIDDEN for char in path) or not path.isprintable():
        return (
            f"{path!r} holds a character that a depot path or a shell would misread "
            "(one of : ' \" \\ $ ` ! ; or an unprintable one)"
        )
    if os.path.normpath(path) != path.rstrip("/") or path.startswith("//") or path.strip("/") == "":
        return f"{path!r} is not a plain path below /"
    return None


def faults_of_store(store: Any) -> list[str]:
    """What is wrong with a store, as site variables describe it: ``{type: cvmfs, repository: ..., path: ...}``."""
    kind = store.get("type") if isinstance(store, Mapping) else None
    if not isinstance(kind, str) or kind not in STORES:
        examples = "; ".join(STORE_EXAMPLES)
        return [f"{store!r} is no store; for example {examples}"]
    unknown = sorted(set(store) - {"type", *STORES[kind]}, key=str)
    faults = [f"{key} is not known for type {kind}; known are type, {', '.join(STORES[kind])}" for key in unknown]
    if kind == "cvmfs":
        fault = fault_of_repository(store.get("repository"))
        faults += [f"repository: {fault}"] if fault else []
        path = store.get("path", "")
        if not isinstance(path, str) or path.startswith("/"):
            return [*faults, f"path: {path!r} is not a path below the root of the repository, such as julia"]
    fault = fault_of_path(_root(store))
    return faults + ([f"path: {fault}"] if fault else [])


def given_store(store: Mapping[str, Any]) -> dict[str, Any]:
    """A store without what was left out of it, which Ansible hands to a module as none."""
    return {key: value for key, value in store.items() if value is not None}


def store_root(store: Mapping[str, Any]) -> str:
    """The absolute path of a store on every node.

    :raises InputError: what is given is no store.
    """
    faults = faults_of_store(store)
    if faults:
        raise InputError([f"depot_store: {fault}" for fault in faults])
    return _root(store).rstrip("/")


def release_of(store: Mapping[str, Any], environment: str, release: str = CURRENT, variable: str = "store") -> Release:
    """A release in a store, which need not be there.

    :param release: its name, or ``current`` for the one in use.
    :param variable: what faults call the store.
    :raises InputError: faults of the inputs.
    """
    faults = [f"{variable}: {fault}" for fault in faults_of_store(store)]
    fault = fault_of_name(environment)
    if fault:
        faults.append(f"environment: {fault}")
    if release != CURRENT and not RELEASE_ID.match(release):
        faults.append(f"release: {release!r} is neither current nor the name of a release (16 hexadecimal digits)")
    if faults:
        raise InputError(faults)
    layout = Layout(store_root(store))
    if release == CURRENT:
        return Release(layout.current(environment), environment)
    return layout.release(environment, release)


def _root(store: Mapping[str, Any]) -> Any:
    if store["type"] == "directory":
        return store.get("path")
    return os.path.join("/cvmfs", str(store.get("repository")), store.get("path", "")).rstrip("/")


@dataclass(frozen=True)
class Layout:
    """Paths below the root of one store."""

    root: str

    @property
    def julias(self) -> str:
        return os.path.join(self.root, "julia")

    def julia(self, version: str, arch: str) -> str:
        return os.path.join(self.julias, version, arch)

    @property
    def environments(self) -> str:
        return os.path.join(self.root, "environments")

    def environment(self, name: str) -> str:
        return os.path.join(self.environments, name)

    def releases(self, name: str) -> str:
        return os.path.join(self.environment(name), "releases")

    def release(self, name: str, release: str) -> Release:
        return Release(os.path.join(self.releases(name), release), name)

    def current(self, name: str) -> str:
        return os.path.join(self.environment(name), CURRENT)

    def previous(self, name: str) -> str:
        return os.path.join(self.environment(name), "previous")

    @staticmethod
    def link_target(release: str) -> str:
        """What ``current`` and ``previous`` hold: relative, so that the store can be mounted anywhere."""
        return os.path.join("releases", release)

    @property
    def lock(self) -> str:
        return os.path.join(self.root, ".lock")


@dataclass(frozen=True)
class Release:
    """Paths in one release, staged or published."""

    path: str
    environment: str

    def settled(self) -> Release:
        """This release under its own name, where it was named as ``current``: that may lead to another one soon."""
        name = link_of(self.path)
        if name is None:
            return self
        return Release(os.path.join(os.path.dirname(self.path), Layout.link_target(name)), self.environment)

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def record(self) -> str:
        return os.path.join(self.path, "release.json")

    def read_record(self) -> dict[str, Any]:
        """What the release tells of itself.

        :raises InputError: there is no such release.
        """
        record = read_json(self.record)
        if record is None:
            raise InputError(
                [
                    f"environment: no release of {self.environment!r} is at {self.path}; publish it first, or name "
                    "another one"
                ]
            )
        return record

    @property
    def command(self) -> str:
        """What users start."""
        return os.path.join(self.path, "bin", "julia")

    @property
    def files(self) -> str:
        """What is in the release, so that the next one can be compared with it without looking at each file."""
        return os.path.join(self.path, "files.json")

    def arch(self, arch: str) -> str:
        return os.path.join(self.path, arch)

    def common(self, arch: str) -> str:
        return os.path.join(self.path, arch, "common")

    def project(self, arch: str) -> str:
        return os.path.join(self.common(arch), "environments", self.environment)

    def level(self, arch: str, level: str) -> str:
        return os.path.join(self.path, arch, level)

    def levels(self, arch: str) -> str:
        return os.path.join(self.path, arch, "levels")

    def build(self, arch: str) -> str:
        return os.path.join(self.path, arch, "build.json")

    def platform(self, triplet: str) -> str:
        """What a platform without caches has: its depot is where the ``common`` one of an architecture would be."""
        return os.path.join(self.path, triplet, "platform.json")

    def architectures(self) -> list[str]:
        """The architectures that have a complete build here."""
        return [name for name in self._names() if os.path.isfile(self.build(name))]

    def platforms(self) -> list[str]:
        """The platforms whose packages and artifacts are all here, without caches."""
        return [name for name in self._names() if TRIPLET.match(name) and os.path.isfile(self.platform(name))]

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.path))
        except FileNotFoundError:
            return []


def link_of(path: str) -> str | None:
    """The name of the release to which ``current`` or ``previous`` leads; none where there is no such link."""
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return None


def release_id(inputs: Mapping[str, Any]) -> str:
    """The name of the release made from these inputs: 16 hexadecimal digits of a SHA-256.

    :param inputs: anything that JSON can hold: project digest, Julia versions and builds, targets, store root.
    """
    text = json.dumps(dict(inputs, layout=LAYOUT), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_json(path: str) -> dict[str, Any] | None:
    """A JSON document; none where there is no file or it is no document."""
    try:
        with open(path, encoding="utf-8") as stream:
            document = json.load(stream)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no UTF-8, or no JSON
        return None
    return document if isinstance(document, dict) else None


def write_json(path: str, document: Mapping[str, Any], indent: int | None = 2) -> None:
    """Write a JSON document so that a reader sees it whole or not at all."""
    text = json.dumps(document, indent=indent, sort_keys=True, ensure_ascii=False) + "\n"
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
