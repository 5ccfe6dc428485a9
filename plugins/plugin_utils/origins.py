# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the project of an environment comes from: a folder on the controller, or a revision of a git repository."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.module_utils import targets as cpu
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import preferences as prefs
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import project as projects

KEYS = {
    "git": "the URL of a git repository",
    "version": "a commit, tag or branch, as text",
    "folder": "the folder of the project in the repository",
    "lock": "the folder on the controller that keeps its lock",
}
EXAMPLE = "{git: 'https://git.example.org/jets.git', version: v1.2.0, folder: environments/jets}"
PASSWORD = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://[^/@:]*):[^/@]+@")
LOCKS = "locks"  # where locks of projects from git are kept, a folder for each environment


@dataclass(frozen=True)
class Origin:
    """A project folder on the controller.

    :param source: its absolute path.
    :param lock_folder: where its lock is kept; empty: in the folder itself.
    :param boundary: the folder that nothing of it may lie outside of; empty: none.
    :param record: for a project from git what was asked for (``git``, ``version``, ``folder``), and the ``commit``.
    """

    source: str
    lock_folder: str = ""
    boundary: str = ""
    record: dict[str, str] = field(default_factory=dict)


def fault_of_url(url: Any) -> str | None:
    """Why this cannot be a URL to take something from; none if it can."""
    if not isinstance(url, str) or not url or url.startswith("-") or not url.isprintable():
        return f"{url!r} is not a URL"
    secret = PASSWORD.match(url)
    if secret:
        return (
            f"the URL {secret[1]}:***@{url[secret.end() :]} holds a password, which would be shown and recorded; "
            "give the user who runs Julia or git a key or a credential helper"
        )
    return None


def faults_of(project: Mapping[str, Any]) -> list[str]:
    """What is wrong with a project that is to come from git."""
    faults = [f"{key} is not known; known are {', '.join(KEYS)}" for key in sorted(set(project) - set(KEYS), key=str)]
    fault = fault_of_url(project.get("git"))
    if fault:
        faults.append(f"git: {fault}, for example {EXAMPLE}")
    version = project.get("version")
    if not isinstance(version, str) or not version or version.startswith("-") or not _is_plain(version):
        quote = "; quote it" if isinstance(version, (int, float)) else ""
        faults.append(f"version: {version!r} is not {KEYS['version']}{quote}")
    folder = project.get("folder", "")
    if not isinstance(folder, str) or os.path.isabs(folder) or ".." in folder.split("/"):
        faults.append(f"folder: {folder!r} is not {KEYS['folder']}")
    if "lock" in project and (not isinstance(project["lock"], str) or not project["lock"]):
        faults.append(f"lock: {project['lock']!r} is not {KEYS['lock']}")
    return faults


def _is_plain(version: str) -> bool:
    return version.isprintable() and not any(char in " ~^:?*[\\" for char in version)  # git-check-ref-format(1)


def wanted(environments: Any) -> list[dict[str, str]]:
    """The revisions that environments take their projects from, once each: ``git`` and ``version``.

    What is wrong with an environment is left to the plan.
    """
    found: list[dict[str, str]] = []
    for environment in environments if isinstance(environments, (list, tuple)) else ():
        project = environment.get("project") if isinstance(environment, Mapping) else None
        if isinstance(project, Mapping) and not faults_of(project):
            revision = {"git": project["git"], "version": project["version"]}
            if revision not in found:
                found.append(revision)
    return found


def resolve(
    project: Any, name: Any, base: str, fetched: Sequence[Mapping[str, str]], faults: list[str]
) -> Origin | None:
    """Where a project is; what is wrong goes to ``faults``.

    :param project: ``project`` of an environment.
    :param name: the name of the environment.
    :param base: folder to which folders on the controller are relative.
    :param fetched: what the module ``julia_project`` returned as ``projects``.
    """
    if isinstance(project, str) and project:
        return Origin(_absolute(base, project))
    if not isinstance(project, Mapping):
        faults.append(f"{project!r} is not the folder of a Julia project on the controller, nor {EXAMPLE}")
        return None
    found = faults_of(project)
    faults += found
    if found:
        return None
    revision = {"git": project["git"], "version": project["version"]}
    place = next((entry for entry in fetched if all(entry.get(key) == revision[key] for key in revision)), None)
    if place is None:
        faults.append(f"{project['git']} at {project['version']} is not fetched; the module julia_project does that")
        return None
    if place.get("fault"):
        faults.append(f"git: {place['fault']}")
        return None
    folder = project.get("folder", "")
    source = os.path.normpath(os.path.join(place["path"], folder))
    return Origin(
        source=source,
        lock_folder=_absolute(base, project.get("lock", os.path.join(LOCKS, str(name)))),
        boundary=place["path"],
        record=dict(revision, folder=folder, commit=place["commit"]),
    )


def _absolute(base: str, path: str) -> str:
    return os.path.abspath(os.path.join(base, os.path.expanduser(path)))


class Projects:
    """The projects of all environments of a site, each folder read once for each Julia.

    :param environments: ``depot_environments``.
    :param base: folder to which folders on the controller are relative.
    :param fetched: what the module ``julia_project`` returned as ``projects``.
    :param preferences: ``depot_preferences``.
    :param renew: whether locks that do not fit will be made anew.
    """

    def __init__(
        self,
        environments: Sequence[Any],
        base: str,
        fetched: Sequence[Mapping[str, str]],
        preferences: Mapping[str, Any],
        renew: bool,
    ) -> None:
        self._base = base
        self._fetched = fetched
        self._preferences = preferences
        self._renew = renew
        self._read = lru_cache(maxsize=None)(projects.read)
        self._sharing: dict[tuple[str, str], set[tuple]] = {}
        for environment in environments:
            if isinstance(environment, Mapping):
                self._note(environment)

    def _note(self, environment: Mapping[str, Any]) -> None:
        """Which versions of Julia take a folder."""
        origin = resolve(environment.get("project"), environment.get("name"), self._base, self._fetched, [])
        julia = environment.get("julia")
        version = julia.get("version") if isinstance(julia, Mapping) else julia
        try:
            parsed = cpu.parse_version(str(version))
        except ValueError:
            return
        if origin is not None:
            self._sharing.setdefault((origin.source, origin.lock_folder), set()).add(parsed)

    def of(
        self, environment: Mapping[str, Any], version: tuple | None, where: str, faults: list[str]
    ) -> dict[str, Any]:
        """What the plan says of the project of an environment; what is wrong goes to ``faults``.

        :param version: the version of its Julia; none where that is at fault.
        """
        found: list[str] = []
        origin = resolve(environment.get("project"), environment.get("name"), self._base, self._fetched, found)
        faults += [f"{where}: project: {fault}" for fault in found]
        if origin is None or version is None:
            return {}
        sharing = tuple(sorted(self._sharing.get((origin.source, origin.lock_folder), ())))
        project = self._read(origin.source, version, origin.lock_folder, origin.boundary, sharing, self._renew)
        faults += [f"{where}: project: {fault}" for fault in project.faults]
        own = environment.get("preferences", {})
        found = prefs.faults_of(own, f"{where}: preferences")
        faults += found
        if project.faults or found:
            return {}
        project, counting, found = projects.with_preferences(project, own, self._preferences)
        faults += [f"{where}: preferences: {fault}" for fault in found]
        if found:
            return {}
        return {
            "source": project.source,
            "lock": project.lock,
            "lock_path": project.lock_path,
            "lock_folder": project.lock_folder,
            "boundary": project.boundary,
            "preferences": counting,
            "origin": origin.record,
            "digest": project.digest,
        }


def contents(project: Mapping[str, Any], version: str) -> dict[str, Any]:
    """What has to be brought to a builder for the project of a build.

    :param project: ``project`` of the build.
    :param version: the version of its Julia.
    :returns: ``files`` of the folder as they are; ``ancestor``, and ``outside`` with the files below it that come along
        as ``.outside``; ``written`` is what has to be written to pack all that: lists of both as tar reads them
        (``files``, ``others``), and in ``differs`` files with another content.
    :raises InputError: the project was changed after the plan was made.
    """
    read = projects.of_plan(project, cpu.parse_version(version))
    if read.faults or read.digest != project["digest"]:
        raise InputError([f"project: {read.source} was changed after the builds were planned; run it again"])
    files, outside = read.own_files(), read.outside_files()
    written = {os.path.join("differs", name): text for name, text in read.texts.items()}
    written["files"] = "\0".join(files)
    written["others"] = "\0".join([*read.texts, *outside])
    return {"files": files, "outside": outside, "ancestor": read.ancestor, "written": written}


def lock_text(text: str, project: Mapping[str, Any], version: str) -> str:
    """The lock that a builder made of a project, as it is kept on the controller."""
    return projects.lock_for_controller(text, projects.of_plan(project, cpu.parse_version(version)))
