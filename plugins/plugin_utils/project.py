# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Julia project as the controller sees it: its files, its lock, and whether the two agree."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import PROJECT_FILES

FIRST_WITH_VERSIONED_LOCKS = (1, 10, 8)  # Manifest-v1.10.toml
FIRST_WITH_FORMAT_2 = (1, 7, 0)
# Version control, coverage and memory traces of Julia, editors' copies: no part of an environment.
LEFT_OUT = (
    ".git",
    ".hg",
    ".svn",
    ".github",
    "*.jl.cov",
    "*.jl.*.cov",
    "*.jl.mem",
    "*.jl.*.mem",
    "*~",
    ".*.swp",
)
LOCKS = ("Manifest*.toml", "JuliaManifest*.toml")  # Base.manifest_names


@dataclass
class Project:
    """A project folder, read once.

    :param source: absolute path on the controller.
    :param lock: file name of the lock for the Julia version it was read for; none where there is none yet.
    :param faults: what is wrong with it, each with a remedy.
    """

    source: str
    version: tuple
    lock: str | None = None
    faults: list[str] = field(default_factory=list)

    def files(self) -> list[str]:
        """What makes up the environment, relative to its folder: all but other versions' locks and debris."""
        return sorted(name for name in _walk(self.source) if self._counts(name))

    def _counts(self, name: str) -> bool:
        return os.sep in name or name == self.lock or not any(fnmatch.fnmatch(name, lock) for lock in LOCKS)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, executable bits and contents of :meth:`files`."""
        digest = hashlib.sha256()
        for name in self.files():
            path = os.path.join(self.source, name)
            if os.path.islink(path):
                kind, content = b"link", os.fsencode(os.readlink(path))
            else:
                with open(path, "rb") as stream:
                    content = stream.read()
                kind = b"program" if os.stat(path).st_mode & 0o100 else b"file"
            digest.update(b"%b %b %d\0" % (kind, os.fsencode(name), len(content)))
            digest.update(content)
        return digest.hexdigest()


def read(source: str, version: tuple) -> Project:
    """Read a project folder for a Julia version; its ``faults`` say what is wrong with it."""
    project = Project(source=source, version=version)
    if not os.path.isdir(source):
        project.faults.append(f"{source} is not a folder on the controller")
        return project
    name = next((name for name in PROJECT_FILES if os.path.isfile(os.path.join(source, name))), None)
    if name is None:
        project.faults.append(f"{source} has no Project.toml")
        return project
    project.lock = _lock_name(source, version)
    content = _parse(project, name)
    if content is None:
        return project
    project.faults += _faults_of_files(source)
    project.faults += _faults_of_project(source, name, content)
    if project.lock is not None:
        lock = _parse(project, project.lock)
        if lock is not None:
            project.faults += _faults_of_lock(project, content, lock)
    return project


def _walk(source: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(source, onerror=refuse):
        folders[:] = [name for name in folders if not _left_out(name)]
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in [*files, *links]:
            if not _left_out(name):
                yield os.path.relpath(os.path.join(parent, name), source)


def _left_out(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT)


def _lock_name(source: str, version: tuple) -> str | None:
    endings = [".toml"]
    if version >= FIRST_WITH_VERSIONED_LOCKS:
        endings.insert(0, f"-v{version[0]}.{version[1]}.toml")
    candidates = [name + ending for ending in endings for name in ("JuliaManifest", "Manifest")]
    return next((name for name in candidates if os.path.isfile(os.path.join(source, name))), None)


def _parse(project: Project, name: str) -> dict[str, Any] | None:
    path = os.path.join(project.source, name)
    try:
        import tomllib
    except ImportError:  # Python 3.10, which ansible-core 2.17 still runs on
        try:
            import tomli as tomllib
        except ImportError:
            project.faults.append("reading TOML needs Python 3.11 or the package tomli on the controller")
            return None
    try:
        with open(path, "rb") as stream:
            return tomllib.load(stream)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        project.faults.append(f"{path} is not TOML: {error}")
    except OSError as error:
        project.faults.append(f"{path} cannot be read: {error.strerror}")
    return None


def _faults_of_files(source: str) -> list[str]:
    faults = []
    root = os.path.realpath(source)
    for name in _walk(source):
        path = os.path.join(source, name)
        if os.path.islink(path):
            target = os.path.realpath(path)
            if not os.path.exists(target):
                faults.append(f"{path} is a link to nowhere")
            elif not target.startswith(root + os.sep):
                faults.append(f"{path} is a link out of the project, to {target}; put a copy there")
        elif not os.path.isfile(path):
            faults.append(f"{path} is neither a file nor a folder nor a link; take it out of the project")
        elif not os.access(path, os.R_OK):
            faults.append(f"{path} cannot be read by the user who runs Ansible")
    return faults


def _faults_of_project(source: str, name: str, content: dict[str, Any]) -> list[str]:
    faults = []
    path = os.path.join(source, name)
    deps = content.get("deps", {})
    if not isinstance(deps, dict) or not all(isinstance(uuid, str) for uuid in deps.values()):
        return [f"{path}: [deps] must map names of packages to UUIDs"]
    if not deps and "uuid" not in content:
        faults.append(f"{path} names no package under [deps], so there is nothing to publish")
    sources = content.get("sources", {})
    for package, origin in sources.items() if isinstance(sources, dict) else ():
        if isinstance(origin, dict) and "path" in origin:
            faults += _faults_of_local(source, f"{path}: [sources] {package}", origin["path"])
    return faults


def _faults_of_local(source: str, where: str, relative: Any) -> list[str]:
    """A local package travels with the project, so it must lie in its folder."""
    if not isinstance(relative, str) or os.path.isabs(relative):
        return [f"{where}: the path {relative!r} of a local package must be relative to the project folder"]
    folder = os.path.normpath(os.path.join(source, relative))
    if folder != source and not folder.startswith(source + os.sep):
        return [f"{where}: the local package {relative} lies outside of the project folder; move it below {source}"]
    if not any(os.path.isfile(os.path.join(folder, name)) for name in PROJECT_FILES):
        return [f"{where}: the local package {relative} has no Project.toml in {folder}"]
    return []


def _faults_of_lock(project: Project, content: dict[str, Any], lock: dict[str, Any]) -> list[str]:
    """Whether a lock can be that of this project with this Julia."""
    path = os.path.join(project.source, project.lock)
    remedy = "run the playbook lock, or remove the file"
    asked = ".".join(str(number) for number in project.version)
    resolved = lock.get("julia_version")
    if resolved is not None and not asked.startswith(".".join(str(resolved).split(".")[:2]) + "."):
        return [f"{path} was resolved by Julia {resolved}, but the environment has julia: {asked}; {remedy}"]
    format_2 = "manifest_format" in lock
    if format_2 != (project.version >= FIRST_WITH_FORMAT_2):
        age = "from 1.7 on" if format_2 else "before 1.7"
        return [f"{path} was resolved by a Julia {age}, but the environment has julia: {asked}; {remedy}"]
    entries = lock.get("deps", {}) if format_2 else lock
    if not isinstance(entries, dict):
        return [f"{path}: [deps] must map names of packages to what is pinned; {remedy}"]
    faults = []
    deps = content.get("deps", {})
    for name, uuid in deps.items() if isinstance(deps, dict) else ():
        pinned = entries.get(name, [])
        if not isinstance(pinned, list) or not any(
            isinstance(entry, dict) and entry.get("uuid") == uuid for entry in pinned
        ):
            faults.append(f"{path} does not match the project: it does not pin {name} [{uuid}]; {remedy}")
    for name, pinned in entries.items():
        for entry in pinned if isinstance(pinned, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                faults += _faults_of_local(project.source, f"{path}: {name}", entry["path"])
    return faults
