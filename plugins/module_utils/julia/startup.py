# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a node's users wait for Julia, without and with a published depot: what ``julia_startup`` does.

A time is the wall time of one whole process, ``julia -e <workload>``, from its start to its end.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import tempfile
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import client
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError, JuliaError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import arguments, program
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.check import compiled_in
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.images import flags_of_this_machine
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import FLAGS
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import (
    RELEASE_SPEC,
    Layout,
    Release,
    given_store,
    release_of,
    store_root,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import BASE_ENVIRONMENT, NETWORK_VARIABLES

NOTHING, PRIVATE, COLD, WARM = MEASUREMENTS = ("nothing", "private", "published_cold", "published_warm")
DROP_CACHES = "/proc/sys/vm/drop_caches"  # Documentation/admin-guide/sysctl/vm.rst of Linux
PAGES_AND_ENTRIES = "3"
INSTANTIATE = "import Pkg; Pkg.instantiate()"
DIGITS = 3  # of a time in seconds

ARGUMENT_SPEC = {
    **RELEASE_SPEC,
    "workload": {"type": "str", "default": ""},
    "levels": {"type": "list", "elements": "str", "default": []},
    "measurements": {
        "type": "list",
        "elements": "str",
        "choices": list(MEASUREMENTS),
        "default": list(MEASUREMENTS),
    },
    "times": {"type": "int", "default": 5},
    "packages": {"type": "str", "choices": ["published", "installed"], "default": "published"},
    "variables": {"type": "dict", "default": {}},
    "workdir": {"type": "path"},
    "time_limit": {"type": "int", "default": 7200},
}
_TABLE = re.compile(r"^\s*\[(?P<name>[^\[\]]+)\]")
_DEPENDENCY = re.compile(r"^\s*(?P<name>[^\s=\"#\[]+)\s*=")


def measure(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Start Julia as users would, so many times for each measurement, and take the time.

    In check mode nothing is started: ``measurements`` of each level are empty. What a run needs lies in one temporary
    folder, and goes with it.

    :returns: the module's result: what was measured (``environment``, ``release``, ``julia``, ``arch``, ``times``,
        ``packages``), and ``levels``, a list of ``level`` and ``measurements``, by their names :func:`summary` of each.
    :raises InputError: what is asked for is not there, or not for this node.
    :raises JuliaError: a workload fails.
    :raises BuildError: the release is not what it is to be: something was compiled.
    :raises TimeLimitError: one start took longer than ``time_limit`` seconds.
    """
    subject = _subject(params)
    levels = _levels(subject, params["levels"])
    result = {
        "changed": False,
        "actions": [],
        "environment": subject.release.environment,
        "release": subject.release.name,
        "julia": subject.version,
        "arch": subject.arch,
        "times": params["times"],
        "packages": params["packages"],
        "levels": [{"level": level, "measurements": {}} for level in levels],
        "warnings": [],
    }
    if check_mode:
        return result
    with tempfile.TemporaryDirectory(prefix="julia-startup-", dir=params["workdir"]) as folder:
        stopwatch = Stopwatch(subject, params, folder)
        own = _measure_own(stopwatch, params)
        for entry in result["levels"]:
            published, reason = _measure_published(stopwatch, params, entry["level"])
            entry["measurements"] = dict(own, **published)
            if reason:
                result["warnings"] = [f"{COLD} of {subject.release.environment} was not measured: {reason}"]
    return result


def summary(samples: Sequence[float]) -> dict[str, Any]:
    """Times in seconds as ``samples``, in their order, and their ``median``; ``low`` and ``high`` are the quartiles."""
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
    return {
        "samples": [round(sample, DIGITS) for sample in samples],
        "median": round(median, DIGITS),
        "low": round(low, DIGITS),
        "high": round(high, DIGITS),
    }


@dataclass(frozen=True)
class Subject:
    """What is measured: a release as this node sees it.

    :param julia: the executable of its Julia.
    :param version: of that Julia.
    :param workload: Julia code.
    """

    store: Mapping[str, Any]
    release: Release
    arch: str
    version: str
    julia: str
    workload: str


def _subject(params: Mapping[str, Any]) -> Subject:
    store = given_store(params["store"])
    faults = []
    if params["times"] < 1:
        faults.append(f"times: {params['times']} is less than 1; measure at least once")
    if params["workdir"] and not os.path.isdir(params["workdir"]):
        faults.append(f"workdir: {params['workdir']} is not a folder on this machine")
    try:
        release = release_of(store, params["environment"], params["release"]).settled()
    except InputError as error:
        faults = [*error.faults, *faults]
    if faults:
        raise InputError(faults)
    record = release.read_record()
    arch = os.uname().machine
    if not os.path.isfile(release.levels(arch)):
        there = ", ".join(release.architectures())
        raise InputError([f"environment: {release.path} has no caches for this node, which is {arch}; it has {there}"])
    return Subject(
        store=store,
        release=release,
        arch=arch,
        version=record["julia"],
        julia=os.path.join(Layout(store_root(store)).julia(record["julia"], arch), "bin", "julia"),
        workload=params["workload"] or _load_all(release.project(arch)),
    )


def _load_all(project: str) -> str:
    """Julia code that loads what a project names: its workload where it has none of its own."""
    return f"import {', '.join(dependencies(project))}"


def dependencies(project: str) -> list[str]:
    """The names in the table ``deps`` of a project file, as Pkg writes it: one a line."""
    names, table = [], None
    for file in ("JuliaProject.toml", "Project.toml"):
        if os.path.isfile(os.path.join(project, file)):
            with open(os.path.join(project, file), encoding="utf-8") as stream:
                for line in stream:
                    header = _TABLE.match(line)
                    table = header["name"].strip() if header else table
                    entry = _DEPENDENCY.match(line)
                    if table == "deps" and entry:
                        names.append(entry["name"])
            break
    return names


def _levels(subject: Subject, asked: Sequence[str]) -> list[str]:
    """The levels to measure, worst first: those asked for, else all that this node has the CPU flags of.

    :raises InputError: one is not in the release, or not for this node.
    """
    with open(subject.release.levels(subject.arch), encoding="utf-8") as stream:
        needs = {words[0]: set(words[1:]) for words in map(str.split, stream) if words}
    here = flags_of_this_machine()
    usable = [level for level, flags in needs.items() if flags <= here]
    faults = [] if usable else [f"environment: this node has the CPU flags of no level in {subject.release.path}"]
    for level in asked if usable else ():
        if level not in needs:
            faults.append(f"levels: {level!r} is not in {subject.release.path}; choose from {', '.join(usable)}")
        elif level not in usable:
            lacking = ", ".join(sorted(needs[level] - here))
            faults.append(f"levels: {level}: this node lacks the CPU flags {lacking}; choose from {', '.join(usable)}")
    if faults:
        raise InputError(faults)
    return [level for level in usable if level in asked or not asked]


@dataclass(frozen=True)
class Stopwatch:
    """Starts Julia in surroundings that lie below one folder.

    :param folder: on this node, for all that is written.
    """

    subject: Subject
    params: Mapping[str, Any]
    folder: str

    def private(self, depot: str, fill: bool) -> float:
        """The seconds of a start as with a depot of one's own.

        :param depot: the depot's name in the folder.
        :param fill: whether the packages are installed first, if they are to be.
        """
        home = os.path.join(self.folder, depot)
        depots = [os.path.join(home, ".julia")]
        if self.params["packages"] == "installed":
            project = os.path.join(home, "project")
            if fill:
                _copy(self.subject.release.project(self.subject.arch), project)
        else:
            project = self.subject.release.project(self.subject.arch)
            depots.append(self.subject.release.common(self.subject.arch))
        env = {"HOME": home, "JULIA_DEPOT_PATH": program.depot_path(depots), "JULIA_PROJECT": project}
        install = fill and self.params["packages"] == "installed"
        if install:
            env.update({name: os.environ[name] for name in NETWORK_VARIABLES if name in os.environ})
        return self._time(self.subject.julia, ["-e", INSTANTIATE] if install else [], env, "a private depot")

    def published(self, level: str) -> float:
        """The seconds of a start with the release."""
        home = os.path.join(self.folder, "user")
        os.makedirs(home, exist_ok=True)
        env = {"HOME": home, "JULIA_DEPOTS_LEVEL": level}
        seconds = self._time(self.subject.release.command, [], env, f"level {level}")
        compiled = compiled_in(os.path.join(home, ".julia"))
        if compiled:
            raise BuildError(
                f"{self.subject.release.path} is not proved on this node: with level {level} it compiles "
                f"{', '.join(compiled)}; the module julia_depot_check tells why",
                compiled=compiled,
            )
        return seconds

    def _time(self, julia: str, first: Sequence[str], env: Mapping[str, str], what: str) -> float:
        argv = [julia, *FLAGS, *first, "-e", self.subject.workload]
        own = arguments.string_values(self.params["variables"])
        completed = process.run(argv, {**BASE_ENVIRONMENT, **own, **env}, timeout=self.params["time_limit"])
        if not completed.ok:
            said = (completed.stderr.strip() or "it printed nothing").splitlines()[0]
            raise JuliaError(
                f"the workload of {self.subject.release.environment} fails with {what}: {said}", **completed.details()
            )
        return completed.seconds


def _copy(project: str, target: str) -> None:
    """A copy of a published project that belongs to whom it is measured for."""
    shutil.copytree(project, target, copy_function=shutil.copyfile)
    for parent, _folders, _files in os.walk(target):
        os.chmod(parent, 0o755)


def _measure_own(stopwatch: Stopwatch, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the node does without the release: the same for all levels."""
    wanted = [kind for kind in (NOTHING, PRIVATE) if kind in params["measurements"]]
    measured: dict[str, Any] = {}
    if not wanted:
        return measured
    first = [stopwatch.private(depot, fill=True) for depot in _depots(params["times"] if NOTHING in wanted else 1)]
    if NOTHING in wanted:
        measured[NOTHING] = summary(first)
    if PRIVATE in wanted:
        depot = _depots(1)[0]
        measured[PRIVATE] = summary([stopwatch.private(depot, fill=False) for _number in range(params["times"])])
    return measured


def _depots(times: int) -> list[str]:
    return [f"private{number}" for number in range(times)]


def _measure_published(stopwatch: Stopwatch, params: Mapping[str, Any], level: str) -> tuple[dict[str, Any], str]:
    """What the node does with the release at one level; with it why there is no :data:`COLD`, if that was asked for."""
    measured: dict[str, Any] = {}
    reason = ""
    if COLD in params["measurements"]:
        samples = []
        for _number in range(params["times"]):
            reason = _forget(stopwatch.subject.store)
            if reason:
                break
            samples.append(stopwatch.published(level))
        else:
            measured[COLD] = summary(samples)
    if WARM in params["measurements"]:
        stopwatch.published(level)  # so that it is warm
        measured[WARM] = summary([stopwatch.published(level) for _number in range(params["times"])])
    return measured, reason


def _forget(store: Mapping[str, Any]) -> str:
    """Make the node forget what it has read; why it cannot, and empty where it did."""
    if store["type"] == "cvmfs":
        reason = client.empty_cache(store["repository"])
        if reason:
            return f"the cache of the client cannot be emptied: {reason}"
    os.sync()  # only what is written can be dropped
    try:
        with open(DROP_CACHES, "w", encoding="ascii") as stream:
            stream.write(PAGES_AND_ENTRIES)
    except OSError as error:
        return f"the page cache cannot be dropped, which takes root and a kernel that lets it: {error}"
    return ""
