# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that starts a process."""

from __future__ import annotations

import ctypes
import os
import selectors
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import IO, Callable, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ProcessError, TimeLimitError

PR_SET_PDEATHSIG = 1  # linux/prctl.h
POLL_SECONDS = 0.5
GRACE_SECONDS = 2.0
LINGER_SECONDS = 1.0  # how long output is read on after the end of a program whose child keeps writing


class Tail:
    """The last ``limit`` bytes of a stream, however much it prints."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.dropped = 0
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> None:
        self._kept += chunk
        surplus = len(self._kept) - self.limit
        if surplus > 0:
            del self._kept[:surplus]
            self.dropped += surplus

    def text(self) -> str:
        kept = self._kept.decode("utf-8", "replace")
        return f"[{self.dropped} bytes left out]\n{kept}" if self.dropped else kept


@dataclass(frozen=True)
class Completed:
    """A program that has ended: its status, the ends of its output and its wall time in seconds."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.returncode == 0

    def details(self) -> dict[str, object]:
        return {
            "cmd": shlex.join(self.argv),
            "rc": self.returncode,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "seconds": round(self.seconds, 3),
        }


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout: float | None = None,
    cwd: str | None = None,
    output_limit: int = 65536,
    on_poll: Callable[[], None] | None = None,
) -> Completed:
    """Run a program to its end.

    :param argv: the program and its arguments; no shell is involved.
    :param env: its whole environment.
    :param timeout: seconds after which it and all its children are killed; none: no limit.
    :param output_limit: how many bytes of the end of stdout and of stderr are kept.
    :param on_poll: called about twice a second while it runs, and once after its end.
    :raises ProcessError: it cannot be started.
    :raises TimeLimitError: its time was over.
    """
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in a word, or '=' in the name of a variable
        reason = getattr(error, "strerror", None) or error
        raise ProcessError(f"{argv[0]} cannot be started: {reason}", cmd=shlex.join(argv)) from error

    tails = {process.stdout: Tail(output_limit), process.stderr: Tail(output_limit)}
    try:
        in_time = _drain(process, tails, None if timeout is None else started + timeout, on_poll)
    finally:
        # A child that outlives its leader, or an exception here, must leave nothing behind.
        _kill_group(process)
        for stream in tails:
            stream.close()
    if on_poll:
        on_poll()
    completed = Completed(
        argv=tuple(argv),
        returncode=process.returncode,
        stdout=tails[process.stdout].text(),
        stderr=tails[process.stderr].text(),
        seconds=time.monotonic() - started,
    )
    if not in_time:
        raise TimeLimitError(
            f"{os.path.basename(argv[0])} did not end within {timeout:g} s and was killed with all its children",
            **completed.details(),
        )
    return completed


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when the thread that started it ends (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def _drain(
    process: subprocess.Popen,
    tails: Mapping[IO[bytes], Tail],
    deadline: float | None,
    on_poll: Callable[[], None] | None,
) -> bool:
    """Read both streams until the process has ended; False when the deadline came first."""
    with selectors.DefaultSelector() as selector:
        for stream in tails:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        last_poll = time.monotonic()
        ended = None
        while process.poll() is None or selector.get_map():
            ready = selector.select(POLL_SECONDS) if selector.get_map() else []
            for key, _events in ready:
                chunk = os.read(key.fd, 65536)
                if chunk:
                    tails[key.fileobj].feed(chunk)
                else:
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if deadline is not None and now > deadline and process.poll() is None:
                return False
            if process.poll() is not None:
                ended = now if ended is None else ended
                if not ready or now - ended > LINGER_SECONDS:
                    return True  # somebody else keeps the pipe open; it dies with the group
            if not selector.get_map():
                time.sleep(0.01)
            if on_poll and now - last_poll >= POLL_SECONDS:
                last_poll = now
                on_poll()
    return True


def _kill_group(process: subprocess.Popen) -> None:
    """End what is left of the process group: politely first where the leader still runs."""
    polite = process.poll() is None
    for number in (signal.SIGTERM, signal.SIGKILL) if polite else (signal.SIGKILL,):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):  # none is left, or only such as others own, and clear up for it
            break
        if number == signal.SIGTERM:
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                continue
    process.wait()
