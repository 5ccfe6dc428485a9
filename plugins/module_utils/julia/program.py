# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running one of this collection's Julia programs, enclosed or not."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import JuliaError, TimeLimitError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import FLAGS
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.watch import EventFile, Watch
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import (
    BASE_ENVIRONMENT,
    Mount,
    Sandbox,
)

# Where the sandbox shows the programs and the files that are exchanged with them; both lie in its private /tmp.
PROGRAMS_INSIDE = "/tmp/programs"
EXCHANGE_INSIDE = "/tmp/exchange"
ERROR_LINES = 30  # what Pkg says of versions that conflict is long
DEFAULT_BUNDLE_ERROR = (
    "the Julia programs did not arrive with the module; call it by its full name scisoft.julia_depots.*, "
    "so that the collection's action plugin carries them"
)


@contextmanager
def unpacked(bundle: str | None) -> Iterator[str]:
    """A folder with the programs that the action plugin sent as one JSON document ``{file name: text}``.

    :raises JuliaError: nothing was sent.
    """
    if not bundle or not os.path.isfile(bundle):
        raise JuliaError(DEFAULT_BUNDLE_ERROR)
    with open(bundle, encoding="utf-8") as stream:
        texts = json.load(stream)
    folder = tempfile.mkdtemp(prefix="julia-programs-")
    try:
        os.chmod(folder, 0o755)
        for name, text in texts.items():
            with open(os.path.join(folder, os.path.basename(name)), "w", encoding="utf-8") as stream:
                stream.write(text)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Outcome:
    """What a program reported, and how it ended."""

    events: list[dict[str, Any]] = field(default_factory=list)
    completed: process.Completed | None = None

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def first(self, name: str) -> dict[str, Any] | None:
        return next(iter(self.of(name)), None)


@dataclass(frozen=True)
class Runner:
    """Starts programs of one Julia in one kind of surroundings.

    :param julia: path of the executable on this machine.
    :param programs: folder with the programs.
    :param sandbox: none: not enclosed (a client node, where nothing is built).
    """

    julia: str
    programs: str
    sandbox: Sandbox | None
    timeout: float | None = None

    def run(
        self, program: str, request: Mapping[str, Any], env: Mapping[str, str], flags: Sequence[str] = ()
    ) -> Outcome:
        """Run a program to its end.

        :param program: file name, for example ``check.jl``.
        :param request: what the program asks for in its head comment; lists, strings, numbers and booleans.
        :param flags: further options of Julia, for example ``--check-bounds=yes``.
        :raises JuliaError: it ended badly, or without its last event.
        :raises TimeLimitError: its time was over.
        """
        with tempfile.TemporaryDirectory(prefix="julia-exchange-") as exchange:
            inside = EXCHANGE_INSIDE if self.sandbox else exchange
            file, watch, events = EventFile(os.path.join(exchange, "events.jsonl")), Watch(), []

            def look() -> None:
                for event in file.new():
                    events.append(event)
                    watch.see(event)
                watch.tell()

            asked = dict(request, events=os.path.join(inside, "events.jsonl"), scratch=inside)
            with open(os.path.join(exchange, "request.toml"), "w", encoding="utf-8") as stream:
                stream.write(toml(asked))
            argv, environment = self._command(program, exchange, env, [*FLAGS, *flags])
            try:
                completed = process.run(argv, environment, timeout=self.timeout, on_poll=look)
            except TimeLimitError as error:
                raise TimeLimitError(
                    f"{program} did not end within time_limit: {self.timeout:g} s, and was killed with all its "
                    f"children{_busy_with(watch)}",
                    **error.details,
                ) from error
            outcome = Outcome(events, completed)
        if not completed.ok:
            raise JuliaError(f"{program} failed: {_last_error(completed.stderr)}", **completed.details())
        if outcome.first("done") is None:
            raise JuliaError(f"{program} ended before its work was done", **completed.details())
        return outcome

    def _command(
        self, program: str, exchange: str, env: Mapping[str, str], flags: Sequence[str]
    ) -> tuple[list[str], dict[str, str]]:
        if self.sandbox is None:
            argv = [
                self.julia,
                *flags,
                os.path.join(self.programs, program),
                os.path.join(exchange, "request.toml"),
            ]
            return argv, dict(BASE_ENVIRONMENT, **env)
        enclosed = Sandbox(
            mounts=[
                *self.sandbox.mounts,
                Mount(self.programs, PROGRAMS_INSIDE),
                Mount(exchange, EXCHANGE_INSIDE, writable=True),
            ],
            network=self.sandbox.network,
            variables=dict(self.sandbox.variables, **env),
        )
        argv = [
            enclosed.inside(self.julia),
            *flags,
            os.path.join(PROGRAMS_INSIDE, program),
            os.path.join(EXCHANGE_INSIDE, "request.toml"),
        ]
        return enclosed.command(argv), enclosed.environment()


def toml(request: Mapping[str, Any]) -> str:
    """A flat request as TOML: JSON's strings, numbers, booleans and lists of them are TOML's as well.

    The one exception, DEL, is escaped here.
    """
    return "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n".replace("\x7f", "\\u007f")
        for key, value in request.items()
    )


def depot_path(depots: Sequence[str]) -> str:
    """A depot path whose trailing colon stands for what comes with Julia (in that form on every version)."""
    return ":".join([*depots, ""])


def _busy_with(watch: Watch) -> str:
    """What a program was doing at its last event, as the end of a sentence."""
    busy = watch.running or [watch.phase]
    return f"; it was busy with {', '.join(busy)}" if any(busy) else ""


def _last_error(stderr: str) -> str:
    """What says most about why Julia ended: the last error without its stack trace, else the last line."""
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith("ERROR")]
    if not starts:
        return lines[-1] if lines else "it printed nothing"
    said = itertools.takewhile(lambda line: not line.startswith("Stacktrace:"), lines[starts[-1] :])
    return "\n".join(itertools.islice(said, ERROR_LINES))
