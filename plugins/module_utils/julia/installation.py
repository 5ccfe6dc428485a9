# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installed Julia: what it is and where its tree lies."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import JuliaError, TimeLimitError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import read_json
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import BASE_ENVIRONMENT
from ansible_collections.scisoft.julia_depots.plugins.module_utils.targets import parse_version

PROBE_SECONDS = 60
RECORD = ".julia-depots.json"  # written into a tree by the role julia
SYSTEM_PREFIXES = ("/", "/usr", "/usr/local")
ANSWER = {"version", "arch", "build", "commit", "bindir", "triplet", "cpu"}  # what probe.jl tells
FLAGS = ("--startup-file=no", "--history-file=no", "--color=no")


@dataclass(frozen=True)
class Installation:
    """A Julia as it describes itself.

    :param executable: absolute path of the command that starts it.
    :param prefix: the folder that holds all of it.
    :param version: for example ``1.10.8``.
    :param arch: ``Sys.ARCH``: ``x86_64``, ``aarch64``.
    :param build: identity of this very build; caches are valid with no other.
    :param triplet: the platform for which artifacts are chosen.
    """

    executable: str
    prefix: str
    version: str
    arch: str
    build: str
    commit: str
    triplet: str
    cpu: str

    @property
    def number(self) -> tuple:
        """The version as ``(major, minor, patch)``."""
        return parse_version(self.version)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def probe(executable: str, programs: str, version: str | None = None) -> Installation:
    """Start a Julia and ask it what it is.

    :param executable: absolute path.
    :param programs: the folder with this collection's Julia programs.
    :param version: the version that it must have; none: any.
    :raises JuliaError: it is not there, is not Julia, or is another version.
    """
    if not os.path.isfile(executable) or not os.access(executable, os.X_OK):
        raise JuliaError(f"julia: {executable!r} is not an executable file on this machine")
    with tempfile.TemporaryDirectory(prefix="julia-probe-") as depot:
        env = dict(BASE_ENVIRONMENT, HOME=depot, JULIA_DEPOT_PATH=f"{depot}:")
        argv = [executable, *FLAGS, os.path.join(programs, "probe.jl")]
        try:
            completed = process.run(argv, env, timeout=PROBE_SECONDS)
        except TimeLimitError as error:
            raise JuliaError(
                f"julia: {executable!r} did not say what it is within {PROBE_SECONDS} s; is it Julia?",
                **error.details,
            ) from error
    answer = _answer(completed.stdout) if completed.ok else None
    if answer is None:
        raise JuliaError(f"julia: {executable!r} does not answer as Julia 1.5 or later does", **completed.details())
    if version is not None and answer["version"] != version:
        raise wrong_version(executable, answer["version"], version)
    bindir = answer.pop("bindir")
    return Installation(executable=executable, prefix=_prefix(bindir), **answer)


def wrong_version(executable: str, found: str, asked: str) -> JuliaError:
    return JuliaError(
        f"julia: {executable!r} is Julia {found}, but version {asked} is asked for; change one of the two"
    )


def fault_of_tree(prefix: str) -> str | None:
    """Why the Julia in this folder cannot be published with the depots that it makes; none if it can.

    It is copied as a tree, so it must have one of its own.
    """
    if prefix not in SYSTEM_PREFIXES:
        return None
    return (
        f"julia: it is installed into {prefix} and has no tree of its own to publish beside the depots, which are "
        "valid with this very build only; use an official archive of Julia (role julia, julia_method: archive)"
    )


def _answer(stdout: str) -> dict[str, str] | None:
    try:
        answer = json.loads(stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return None
    return answer if isinstance(answer, dict) and set(answer) == ANSWER else None


def _prefix(bindir: str) -> str:
    """The tree of a Julia: the folder with our record above its executable, else the parent of its ``bin``."""
    folder = os.path.realpath(bindir)
    while folder != "/":
        folder = os.path.dirname(folder)
        if read_json(os.path.join(folder, RECORD)) is not None:
            return folder
    return os.path.dirname(os.path.realpath(bindir))


def recorded_build(tree: str) -> str | None:
    """Of which build a published tree is; none where it has no record of that."""
    return (read_json(os.path.join(tree, RECORD)) or {}).get("build")


def fault_of_other_build(there: str | None, julia: Mapping[str, str], path: str) -> str | None:
    """Why caches cannot be published beside a Julia of the same version: it is another build than theirs.

    :param there: the :func:`recorded_build` of the tree in the store.
    :param julia: ``version``, ``arch`` and ``build`` of the one that made the caches.
    :param path: of the tree in the store, as builders see it.
    """
    if there == julia["build"]:
        return None
    return (
        f"the store holds another build of Julia {julia['version']} for {julia['arch']} "
        f"({there or 'not published by this collection'}) than the one that made these caches ({julia['build']}), and "
        f"caches are valid with their own build only; build with {path}/bin/julia"
    )
