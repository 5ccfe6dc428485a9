# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Julia project as the controller sees it: its files, its lock, its preferences, and whether they agree.

What travels to the builders is mostly the folder as it is. Where something must differ from the files (preferences of
the site, local packages from outside of the folder, a lock that is kept elsewhere), ``texts`` holds what is sent.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import PROJECT_FILES
from ansible_collections.scisoft.julia_depots.plugins.module_utils.targets import version_text
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import preferences as prefs

FIRST_WITH_VERSIONED_LOCKS = (1, 10, 8)  # Manifest-v1.10.toml
FIRST_WITH_FORMAT_2 = (1, 7, 0)
FIRST_WITH_PREFERENCES = (1, 6, 0)
PREFERENCES_FILES = ("JuliaLocalPreferences.toml", "LocalPreferences.toml")  # Base.preferences_names
# Where a project has its local packages from outside of its folder, once it has left the controller.
OUTSIDE = ".outside"
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
REMEDY = "run the playbook lock, or remove the file"


@dataclass
class Project:
    """A project folder, read once.

    :param source: absolute path on the controller.
    :param lock_folder: where its lock is kept, or will be; the same folder but for projects from git.
    :param boundary: the folder beyond which no local package is taken; empty: none.
    :param lock: path of the lock for the Julia version it was read for; none where there is none yet.
    :param lock_path: path of the lock that locking writes.
    :param faults: what is wrong with it, each with a remedy.
    :param table: its project file, and ``pinned`` the entries of its lock, as parsed.
    :param outside: local packages from outside of the folder: their paths as the project says them, and where they
        are for the builders.
    :param ancestor: the folder above all of these.
    :param texts: files that are sent with another content than they have, or from elsewhere.
    """

    source: str
    version: tuple
    lock_folder: str = ""
    boundary: str = ""
    name: str = PROJECT_FILES[-1]
    lock: str | None = None
    lock_path: str = ""
    faults: list[str] = field(default_factory=list)
    table: dict[str, Any] = field(default_factory=dict)
    pinned: dict[str, Any] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    ancestor: str = ""
    texts: dict[str, str] = field(default_factory=dict)

    def files(self) -> list[str]:
        """What makes up the environment, relative to its folder: all but other versions' locks and debris."""
        return sorted({*self.own_files(), *self.outside_files(), *self.texts})

    def own_files(self) -> list[str]:
        """Those that are taken from the folder as they are."""
        return sorted(name for name in _walk(self.source) if self._counts(name) and name not in self.texts)

    def outside_files(self) -> list[str]:
        """Those of local packages from outside."""
        return sorted(
            {
                os.path.join(target, name)
                for target, folder in self.outside_folders().items()
                for name in _walk(folder, self.source)
            }
        )

    def outside_folders(self) -> dict[str, str]:
        """For each local package from outside: where it is for the builders, and its folder on the controller."""
        return {
            target: os.path.normpath(os.path.join(self.source, relative)) for relative, target in self.outside.items()
        }

    def _counts(self, name: str) -> bool:
        if os.sep in name or not any(fnmatch.fnmatch(name, lock) for lock in LOCKS):
            return True
        return self.lock is not None and os.path.join(self.source, name) == self.lock

    def path_of(self, name: str) -> str:
        """Where on the controller one of :meth:`own_files` or :meth:`outside_files` is."""
        for target, folder in self.outside_folders().items():
            if name.startswith(target + os.sep):
                return os.path.join(folder, os.path.relpath(name, target))
        return os.path.join(self.source, name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, executable bits and contents of :meth:`files`."""
        digest = hashlib.sha256()
        for name in self.files():
            if name in self.texts:
                kind, content = b"file", self.texts[name].encode()
            else:
                kind, content = _content(self.path_of(name))
            digest.update(b"%b %b %d\0" % (kind, os.fsencode(name), len(content)))
            digest.update(content)
        return digest.hexdigest()

    def known_packages(self) -> dict[str, str | None]:
        """The packages whose preferences Julia looks for here, or will once the project lists them: their UUIDs.

        None where several packages have the name.
        """
        listed = ["extras", "deps"] if self.version < (1, 9, 0) else ["weakdeps", "extras", "deps"]
        known: dict[str, str | None] = {}
        for name, entries in self.pinned.items():
            uuids = {entry.get("uuid") for entry in _tables(entries)}
            known[name] = uuids.pop() if len(uuids) == 1 else None
        if "uuid" in self.table and "name" in self.table:
            known[self.table["name"]] = self.table["uuid"]
        for key in listed:
            known.update(_table(self.table, key))
        return known


def read(
    source: str,
    version: tuple,
    lock_folder: str = "",
    boundary: str = "",
    sharing: tuple[tuple, ...] = (),
    renew: bool = False,
) -> Project:
    """Read a project folder for a Julia version; its ``faults`` say what is wrong with it.

    :param lock_folder: where its lock is kept; empty: in the folder itself. A lock there counts more than one in the
        folder.
    :param boundary: the folder beyond which no local package is taken; empty: none.
    :param sharing: the versions of Julia of all environments that take this folder.
    :param renew: whether a lock that does not fit will be made anew, and so is no fault.
    """
    project = Project(source=source, version=version, lock_folder=lock_folder or source, boundary=boundary)
    if not os.path.isdir(source):
        project.faults.append(f"{source} is not a folder on the controller")
        return project
    name = next((name for name in PROJECT_FILES if os.path.isfile(os.path.join(source, name))), None)
    if name is None:
        project.faults.append(f"{source} has no Project.toml")
        return project
    project.name = name
    content = _parse(project.faults, os.path.join(source, name))
    if content is None:
        return project
    project.table = content
    project.faults += _faults_of_files(source, source)
    project.faults += _faults_of_project(project)
    _find_lock(project, sharing, renew)
    for folder in project.outside_folders().values():
        project.faults += _faults_of_files(folder, folder, source)
    if not project.faults:
        _place(project)
    return project


def of_plan(entry: Mapping[str, Any], version: tuple) -> Project:
    """The project of a build, as it was when the plan was made.

    :param entry: ``project`` of a build.
    """
    project = Project(
        source=entry["source"], version=version, lock_folder=entry["lock_folder"], boundary=entry["boundary"]
    )
    project.name = next(name for name in PROJECT_FILES if os.path.isfile(os.path.join(project.source, name)))
    project.table = _parse(project.faults, os.path.join(project.source, project.name)) or {}
    project.lock, project.lock_path = entry["lock"], entry["lock_path"]
    _faults_of_project(project)
    if project.lock is not None:
        _read_lock(project, _parse(project.faults, project.lock) or {})
    _place(project)
    return with_preferences(project, entry["preferences"], {})[0]


def _walk(source: str, leave: str = "") -> Iterator[str]:
    """The files below a folder; ``leave`` is a folder that is left out."""

    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(source, onerror=refuse):
        folders[:] = [name for name in folders if not _left_out(name) and os.path.join(parent, name) != leave]
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in [*files, *links]:
            if not _left_out(name):
                yield os.path.relpath(os.path.join(parent, name), source)


def _left_out(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT)


def _content(path: str) -> tuple[bytes, bytes]:
    if os.path.islink(path):
        return b"link", os.fsencode(os.readlink(path))
    with open(path, "rb") as stream:
        content = stream.read()
        return b"program" if os.fstat(stream.fileno()).st_mode & 0o100 else b"file", content


def _table(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = content.get(key)
    return table if isinstance(table, dict) else {}


def _tables(entries: Any) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _parse(faults: list[str], path: str, text: str | None = None) -> dict[str, Any] | None:
    """A TOML file, or a text that will stand there."""
    try:
        import tomllib
    except ImportError:  # Python 3.10, which ansible-core 2.17 still runs on
        try:
            import tomli as tomllib
        except ImportError:
            faults.append("reading TOML needs Python 3.11 or the package tomli on the controller")
            return None
    try:
        if text is not None:
            return tomllib.loads(text)
        with open(path, "rb") as stream:
            return tomllib.load(stream)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{path} is not TOML: {error}")
    except OSError as error:
        faults.append(f"{path} cannot be read: {error.strerror}")
    return None


def tables_of(text: str) -> dict[str, Any]:
    """What a TOML text says; nothing where it is no TOML, or nobody here can read it."""
    return _parse([], "", text) or {}


def _read_text(path: str) -> str:
    with open(path, encoding="utf-8", newline="") as stream:
        return stream.read()


# --- Faults of files


def _faults_of_files(folder: str, root: str, leave: str = "") -> list[str]:
    faults = []
    root = os.path.realpath(root)
    for name in _walk(folder, leave):
        path = os.path.join(folder, name)
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


def _faults_of_project(project: Project) -> list[str]:
    faults = []
    content = project.table
    path = os.path.join(project.source, project.name)
    deps = content.get("deps", {})
    if not isinstance(deps, dict) or not all(isinstance(uuid, str) for uuid in deps.values()):
        return [f"{path}: [deps] must map names of packages to UUIDs"]
    if not deps and "uuid" not in content:
        faults.append(f"{path} names no package under [deps], so there is nothing to publish")
    if "manifest" in content:
        faults.append(f"{path}: manifest: {content['manifest']!r}: a lock lies beside its project; take the line out")
    for package, origin in _table(content, "sources").items():
        if isinstance(origin, dict) and "path" in origin:
            faults += _faults_of_local(project, f"{path}: [sources] {package}", origin["path"])
    return faults


def _faults_of_local(project: Project, where: str, relative: Any) -> list[str]:
    """A local package travels with the project; one from outside of the folder is noted."""
    if not isinstance(relative, str) or os.path.isabs(relative):
        return [f"{where}: the path {relative!r} of a local package must be relative to the project folder"]
    folder = os.path.normpath(os.path.join(project.source, relative))
    boundary = project.boundary
    if boundary and folder != boundary and not folder.startswith(boundary + os.sep):
        return [f"{where}: the local package {relative} lies outside of the repository of the project"]
    if not any(os.path.isfile(os.path.join(folder, name)) for name in PROJECT_FILES):
        return [f"{where}: the local package {relative} has no Project.toml in {folder}"]
    if folder != project.source and not folder.startswith(project.source + os.sep):
        project.outside[relative] = folder
    return []


# --- Locks


def _find_lock(project: Project, sharing: Sequence[tuple], renew: bool) -> None:
    """Which file is the lock, which one locking writes, and what is wrong with it."""
    version = project.version
    folder = next((f for f in (project.lock_folder, project.source) if _lock_name(f, version)), None)
    prefix = "Julia" if project.name == PROJECT_FILES[0] else ""
    series = version_text(version[:2])
    plain, own = f"{prefix}Manifest.toml", f"{prefix}Manifest-v{series}.toml"
    others = {version_text(other[:2]): other for other in sharing if other[:2] != version[:2]}
    if folder is None:
        name = own if others and version >= FIRST_WITH_VERSIONED_LOCKS else plain
        project.lock_path = os.path.join(project.lock_folder, name)
        if version < FIRST_WITH_VERSIONED_LOCKS:
            project.faults += _faults_of_sharing(project, plain, others)
        return
    name = _lock_name(folder, version)
    project.lock = os.path.join(folder, name)
    project.lock_path = os.path.join(project.lock_folder, name)
    faults: list[str] = []
    lock = _parse(faults, project.lock)
    age = [] if lock is None else _faults_of_age(project, lock)
    if age and others and f"-v{series}." not in name:
        if version >= FIRST_WITH_VERSIONED_LOCKS:
            # It is that of another environment; this one's own is still to be made.
            project.lock, project.lock_path = None, os.path.join(project.lock_folder, own)
            return
        if project.lock == project.lock_path:
            project.faults += _faults_of_sharing(project, name, others) or age
            return
    if lock is None or age:
        if renew:
            project.lock = None
        else:
            project.faults += faults + age
        return
    _read_lock(project, lock)
    faults = _faults_of_lock(project)
    if not renew:
        project.faults += faults


def _lock_name(source: str, version: tuple) -> str | None:
    endings = [".toml"]
    if version >= FIRST_WITH_VERSIONED_LOCKS:
        endings.insert(0, f"-v{version[0]}.{version[1]}.toml")
    candidates = [name + ending for ending in endings for name in ("JuliaManifest", "Manifest")]
    return next((name for name in candidates if os.path.isfile(os.path.join(source, name))), None)


def _faults_of_sharing(project: Project, name: str, others: Mapping[str, tuple]) -> list[str]:
    """Before 1.10.8 Julia reads one name alone, so two such versions cannot share a folder."""
    path = os.path.join(project.lock_folder, name)
    old = sorted(other for other in others.values() if other < FIRST_WITH_VERSIONED_LOCKS)
    if old:
        return [
            f"{project.source} is the project of environments with Julia {version_text(project.version)} and "
            f"{version_text(old[0])}, which both read {path}; give each of them a folder of its own"
        ]
    newer = sorted(others.values())
    if newer and os.path.isfile(path):
        first = version_text(newer[0])
        return [
            f"{path} is the lock of an environment with Julia {first}, and Julia {version_text(project.version)} reads "
            f"no other name; rename it to {name[: -len('.toml')]}-v{version_text(newer[0][:2])}.toml, which Julia "
            f"{first} reads as well"
        ]
    return []


def _faults_of_age(project: Project, lock: dict[str, Any]) -> list[str]:
    """Whether a lock is that of another Julia."""
    asked = version_text(project.version)
    resolved = lock.get("julia_version")
    if resolved is not None and not asked.startswith(".".join(str(resolved).split(".")[:2]) + "."):
        return [f"{project.lock} was resolved by Julia {resolved}, but the environment has julia: {asked}; {REMEDY}"]
    format_2 = "manifest_format" in lock
    if format_2 != (project.version >= FIRST_WITH_FORMAT_2):
        age = "from 1.7 on" if format_2 else "before 1.7"
        return [f"{project.lock} was resolved by a Julia {age}, but the environment has julia: {asked}; {REMEDY}"]
    return []


def _read_lock(project: Project, lock: dict[str, Any]) -> None:
    project.pinned = lock.get("deps", {}) if "manifest_format" in lock else lock
    for entries in _table({"deps": project.pinned}, "deps").values():
        for entry in _tables(entries):
            if isinstance(entry.get("path"), str):
                _faults_of_local(project, "", entry["path"])


def _faults_of_lock(project: Project) -> list[str]:
    """Whether a lock can be that of this project."""
    path, entries = project.lock, project.pinned
    if not isinstance(entries, dict):
        project.pinned = {}
        return [f"{path}: [deps] must map names of packages to what is pinned; {REMEDY}"]
    faults = []
    for name, uuid in _table(project.table, "deps").items():
        if not any(entry.get("uuid") == uuid for entry in _tables(entries.get(name))):
            faults.append(f"{path} does not match the project: it does not pin {name} [{uuid}]; {REMEDY}")
    for name, origin in _table(project.table, "sources").items():
        for entry in _tables(entries.get(name)) if isinstance(origin, dict) else ():
            faults += _faults_of_source(path, name, origin, entry)
    for name, pinned in entries.items():
        for entry in _tables(pinned):
            if isinstance(entry.get("path"), str):
                faults += _faults_of_local(project, f"{path}: {name}", entry["path"])
    return faults


def _faults_of_source(path: str | None, name: str, origin: dict[str, Any], entry: dict[str, Any]) -> list[str]:
    """Whether a lock has a package from where the project's [sources] say."""
    for key, pinned in (("path", "path"), ("url", "repo-url"), ("rev", "repo-rev")):
        asked, found = origin.get(key), entry.get(pinned)
        if not isinstance(asked, str):
            continue
        same = os.path.normpath(asked) == os.path.normpath(str(found)) if key == "path" else asked == found
        if found is None or not same:
            return [
                f"{path} does not match the project: [sources] has {name} with {key} {asked!r}, the lock with "
                f"{found!r}; {REMEDY}"
            ]
    return []


# --- What is sent with another content


def _place(project: Project) -> None:
    """Note what differs from the files in the folder: the lock, and paths to local packages from outside."""
    if project.lock is not None and os.path.dirname(project.lock) != project.source:
        project.texts[os.path.basename(project.lock)] = _read_text(project.lock)
    if not project.outside:
        return
    if os.path.lexists(os.path.join(project.source, OUTSIDE)):
        project.faults.append(f"{project.source}/{OUTSIDE}: the name is taken by local packages from elsewhere")
        return
    folders = [os.path.normpath(os.path.join(project.source, relative)) for relative in project.outside]
    ancestor = os.path.commonpath([project.source, *folders])
    project.ancestor = os.path.dirname(ancestor) if ancestor in folders else ancestor
    project.outside = {
        relative: os.path.join(OUTSIDE, os.path.relpath(folder, project.ancestor))
        for relative, folder in zip(project.outside, folders, strict=True)
    }
    _relocate(project, project.name, os.path.join(project.source, project.name), _relocate_sources)
    if project.lock is not None:
        _relocate(project, os.path.basename(project.lock), project.lock, _relocate_pinned)


def _relocate(project: Project, name: str, path: str, expect: Any) -> None:
    """Change paths in a file to where the packages will be; nothing else in it may change."""
    text = project.texts.get(name) or _read_text(path)
    changed = _with_paths(text, project.outside)
    before, after = _parse([], path, text), _parse([], path, changed)
    if before is None or after != expect(before, project.outside):
        project.faults.append(
            f"{path}: the paths of local packages outside of the project cannot be told from other text; "
            f"write them plainly, or move the packages below {project.source}"
        )
    elif changed != text:
        project.texts[name] = changed


def _with_paths(text: str, paths: Mapping[str, str]) -> str:
    """Every string that is a path, in either of TOML's spellings of short strings, exchanged."""
    if not paths:
        return text
    spellings = {json.dumps(path, ensure_ascii=False): new for path, new in paths.items()}
    spellings.update({f"'{path}'": new for path, new in paths.items()})
    pattern = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))
    return re.sub(pattern, lambda found: json.dumps(spellings[found[0]], ensure_ascii=False), text)


def _relocate_sources(content: dict[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    sources = {name: _relocated(origin, paths) for name, origin in _table(content, "sources").items()}
    return dict(content, sources=sources) if sources else content


def _relocate_pinned(content: dict[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    def relocated(entries: Any) -> Any:
        return [_relocated(entry, paths) for entry in entries] if isinstance(entries, list) else entries

    if "manifest_format" in content:
        pinned = {name: relocated(entries) for name, entries in _table(content, "deps").items()}
        return dict(content, deps=pinned) if pinned else content
    return {name: relocated(entries) for name, entries in content.items()}


def _relocated(entry: Any, paths: Mapping[str, str]) -> Any:
    if isinstance(entry, dict) and entry.get("path") in paths:
        return dict(entry, path=paths[entry["path"]])
    return entry


def lock_for_controller(text: str, project: Project) -> str:
    """A lock that a builder made, with the paths that hold on the controller."""
    return _with_paths(text, {target: relative for relative, target in project.outside.items()})


# --- Preferences


def with_preferences(
    project: Project, own: Mapping[str, Any], site: Mapping[str, Any]
) -> tuple[Project, dict[str, Any], list[str]]:
    """The project with the preferences of a site.

    :param own: those of the environment, which must be of its packages.
    :param site: those of all environments; of packages that are not in this one they do not count.
    :returns: the project; the preferences of the site that count; what is wrong with them.
    """
    version = version_text(project.version)
    if project.version < FIRST_WITH_PREFERENCES:
        fault = f"Julia {version} has no preferences, which came with 1.6; take them out, or name a newer Julia"
        return project, {}, [fault] if own else []
    known = project.known_packages()
    faults = [
        f"{name} is no package of the environment: neither {project.name} nor {project.lock} has it"
        for name in own
        if name not in known and project.lock is not None
    ]
    counting = prefs.merged({name: values for name, values in site.items() if name in known}, own)
    unlisted = {name: known[name] for name in counting if name in known and not _is_listed(project, name)}
    faults += [
        f"several packages are called {name}; list the one that is meant under [extras] of {project.name}"
        for name, uuid in unlisted.items()
        if uuid is None
    ]
    if faults or not counting:
        return project, {}, faults
    texts = dict(project.texts)
    there = next((n for n in PREFERENCES_FILES if os.path.isfile(os.path.join(project.source, n))), None)
    path = os.path.join(project.source, there or PREFERENCES_FILES[-1])
    local = _parse(faults, path) if there else {}
    if local is None:
        return project, {}, faults
    texts[os.path.basename(path)] = prefs.toml(_all_tables(prefs.merged(local, counting), path, faults))
    if unlisted:
        text = texts.get(project.name) or _read_text(os.path.join(project.source, project.name))
        texts[project.name] = _with_extras(text, unlisted, os.path.join(project.source, project.name), faults)
    return replace(project, texts=texts), counting, faults


def _is_listed(project: Project, name: str) -> bool:
    """Whether Julia finds the UUID of a package in the project file, without which it takes no preference from it."""
    keys = ("deps", "extras") if project.version < (1, 9, 0) else ("deps", "extras", "weakdeps")
    return project.table.get("name") == name or any(name in _table(project.table, key) for key in keys)


def _all_tables(content: dict[str, Any], path: str, faults: list[str]) -> dict[str, Any]:
    for name, table in content.items():
        if not isinstance(table, Mapping):
            faults.append(f"{path}: {name}: {table!r} is not a table of preferences")
    return {name: table for name, table in content.items() if isinstance(table, Mapping)}


def _with_extras(text: str, packages: Mapping[str, str | None], path: str, faults: list[str]) -> str:
    """A project file that lists these packages as extras; all else in it stays."""
    lines = "".join(f'{name} = "{packages[name]}"\n' for name in sorted(packages))
    header = re.search(r"^[ \t]*\[[ \t]*extras[ \t]*\][^\n]*(\n|\Z)", text, re.MULTILINE)
    if header:
        start = text[: header.end()]
        changed = start + ("" if start.endswith("\n") else "\n") + lines + text[header.end() :]
    else:
        changed = text + ("" if text.endswith("\n") or not text else "\n") + f"\n[extras]\n{lines}"
    before, after = _parse([], path, text), _parse([], path, changed)
    if before is None or after != dict(before, extras={**_table(before, "extras"), **packages}):
        faults.append(f"{path}: list {', '.join(sorted(packages))} under [extras], so that their preferences count")
    return changed
