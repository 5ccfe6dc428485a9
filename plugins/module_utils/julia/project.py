# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects at revisions of git repositories, in a folder that keeps them: what the module ``julia_project`` does."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from typing import Any, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ProcessError

COMMIT = re.compile(r"^([0-9a-f]{40}|[0-9a-f]{64})\Z")
INCOMING = ".incoming-"
OUT_OF_USE = 30 * 24 * 3600  # seconds after which what nobody asked for is dropped
REVISION_SPEC = {
    "git": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
}
ARGUMENT_SPEC = {
    "projects": {"type": "list", "elements": "dict", "required": True, "options": REVISION_SPEC},
    "cache": {"type": "path", "required": True},
    "time_limit": {"type": "int", "default": 600},
}


def fetch(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring each revision into a folder of its own, named by its commit, which then never changes.

    Check mode makes no difference: whoever plans needs the files, and nothing but this folder is written to.

    :returns: the module's result: ``changed``, ``actions``, and ``projects``, each with ``path`` and ``commit``, or
        with ``fault``.
    """
    del check_mode
    os.umask(0o022)
    os.makedirs(params["cache"], exist_ok=True)
    actions: list[dict[str, str]] = []
    projects = []
    for revision in params["projects"]:
        place = {"git": revision["git"], "version": revision["version"]}
        try:
            commit, path, fetched = _provide(revision["git"], revision["version"], params)
        except ProcessError as error:
            projects.append(dict(place, fault=error.message))
            continue
        projects.append(dict(place, commit=commit, path=path))
        if fetched:
            actions.append({"what": "revision", "id": f"{revision['git']} {commit}", "status": "fetched"})
    _drop_old(params["cache"])
    return {"changed": bool(actions), "actions": actions, "projects": projects}


def _provide(url: str, version: str, params: Mapping[str, Any]) -> tuple[str, str, bool]:
    """The commit of a revision, the folder that holds it, and whether it had to be fetched."""
    commit = version if COMMIT.match(version) else _commit_of(url, version, params["time_limit"])
    repository = hashlib.sha256(url.encode()).hexdigest()[:16]
    path = os.path.join(params["cache"], repository, commit)
    if os.path.isdir(path):
        os.utime(path)  # it is in use
        return commit, path, False
    os.makedirs(os.path.dirname(path), exist_ok=True)
    incoming = tempfile.mkdtemp(prefix=INCOMING, dir=os.path.dirname(path))
    try:
        _check_out(url, version, commit, incoming, params["time_limit"])
        os.chmod(incoming, 0o755)
        try:
            os.rename(incoming, path)
        except OSError:
            if not os.path.isdir(path):  # else another run was faster, with the same files
                raise
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return commit, path, True


def _commit_of(url: str, version: str, limit: float) -> str:
    """The commit that a tag or branch names now; a tag counts more, as it does for git itself."""
    names = [f"refs/tags/{version}^{{}}", f"refs/tags/{version}", f"refs/heads/{version}"]
    if version.startswith("refs/"):
        names = [f"{version}^{{}}", version]
    listed = _git(["ls-remote", "--", url, *names], url, version, limit).stdout
    found = dict(reversed(line.split("\t", 1)) for line in listed.splitlines() if "\t" in line)
    commit = next((found[name] for name in names if name in found), None)
    if commit is None:
        raise ProcessError(
            f"{url} has neither a tag nor a branch {version!r}; a commit is named by all 40 digits of its hash"
        )
    return commit


def _check_out(url: str, version: str, commit: str, folder: str, limit: float) -> None:
    """The files of one commit, its submodules' too, and nothing of version control."""
    at = ["-C", folder]
    _git([*at, "init", "--quiet", "--template="], url, version, limit)
    _git([*at, "remote", "add", "origin", url], url, version, limit)
    try:
        _git([*at, "fetch", "--quiet", "--depth=1", "origin", commit], url, version, limit)
    except ProcessError:
        # A server may hand out tips of branches and tags alone, or no shallow copies.
        everything = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        _git([*at, "fetch", "--quiet", "origin", *everything], url, version, limit)
    _git([*at, "-c", "core.autocrlf=false", "checkout", "--quiet", "--detach", commit], url, version, limit)
    if os.path.lexists(os.path.join(folder, ".gitmodules")):
        _git([*at, "submodule", "update", "--quiet", "--init", "--recursive"], url, version, limit)
    for parent, folders, files in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
            shutil.rmtree(os.path.join(parent, ".git"))
        if ".git" in files:
            os.unlink(os.path.join(parent, ".git"))


def _git(arguments: Sequence[str], url: str, version: str, limit: float) -> process.Completed:
    """Run git as the user who runs this, whose configuration, keys and proxies count; it asks nobody anything.

    :raises ProcessError: it failed; the message names the repository and the revision.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    env.update(LC_ALL="C.UTF-8", GIT_TERMINAL_PROMPT="0")
    try:
        completed = process.run(["git", *arguments], env, timeout=limit)
    except ProcessError as error:
        raise ProcessError(f"{url} at {version} cannot be fetched: {error.message}", **error.details) from error
    if not completed.ok:
        said = [line for line in completed.stderr.splitlines() if line.strip()]
        reason = "\n".join(said[-3:]) or f"git ended with status {completed.returncode}"
        raise ProcessError(f"{url} at {version} cannot be fetched: {reason}", **completed.details())
    return completed


# What of git's own variables says how to reach a server; others name another repository than ours.
_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_NO_VERIFY", "GIT_CONFIG_GLOBAL", "GIT_ASKPASS")


def _drop_old(cache: str) -> None:
    """Remove revisions that nobody has asked for in a while, and what a run that died has left."""
    now = time.time()
    for repository in _folders(cache):
        for path in _folders(repository):
            with contextlib.suppress(FileNotFoundError):  # another run was faster
                age = now - os.stat(path).st_mtime
                if age > OUT_OF_USE or (os.path.basename(path).startswith(INCOMING) and age > 24 * 3600):
                    shutil.rmtree(path, ignore_errors=True)


def _folders(path: str) -> list[str]:
    return [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
