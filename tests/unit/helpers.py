# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several unit tests share: children of their own, ordinary users, and processes that must be gone."""

from __future__ import annotations

import json
import os
import pickle
import pwd
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WAIT_SECONDS = 30

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")


def start_child(function: Callable[..., Any], *args: Any) -> tuple[int, int]:
    """Run a function in a forked child; its process id, and where to read what it gives."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        os.close(reading)
        try:
            answer = (True, function(*args))
        except BaseException as error:
            answer = (False, error if _can_travel(error) else RuntimeError(traceback.format_exc()))
        with os.fdopen(writing, "wb") as stream:
            pickle.dump(answer, stream)
    finally:
        os._exit(0)


def _can_travel(error: BaseException) -> bool:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def answer_of(child: tuple[int, int]) -> Any:
    """What the function of a child gave, or its exception; None where the child died first."""
    pid, reading = child
    with os.fdopen(reading, "rb") as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    if not text:
        return None
    fine, value = pickle.loads(text)
    if fine:
        return value
    raise value


def in_child(function: Callable[..., Any], *args: Any) -> Any:
    """Run a function in a child of its own, and give what it gives."""
    return answer_of(start_child(function, *args))


def as_ordinary_user(function: Callable[..., Any], *args: Any) -> Any:
    """Run a function as ``nobody`` where the tests run as root, else as the user who runs them."""

    def drop_and_call() -> Any:
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
            os.chdir("/")
        return function(*args)

    return in_child(drop_and_call)


def give_to_ordinary_user(folder: Path) -> None:
    """Let whom :func:`as_ordinary_user` runs as own a folder and all in it."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def processes_with(word: str) -> list[int]:
    """The living processes with this word among their arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words:
            found.append(int(folder.name))
    return found


def wait_until(condition: Callable[[], Any], what: str) -> None:
    """Wait until something is so; far longer than it takes, so that a busy machine fails no test."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {WAIT_SECONDS} s in vain until {what}")
        time.sleep(0.02)


PROBE = {
    "version": "1.10.8",
    "arch": "x86_64",
    "build": "0123456789abcdef",
    "commit": "",
    "triplet": "x86_64-linux-gnu",
    "cpu": "haswell",
}


class FakeJulia:
    """A command that answers as ``probe.jl`` does, and for other programs writes given events.

    It prints the request and its environment, leaves both in the first depot too, and compiles a given package there.
    """

    def __init__(self, folder: Path) -> None:
        self.prefix = folder / "julia tree"
        self.executable = self.prefix / "bin" / "julia"
        self.executable.parent.mkdir(parents=True)
        self.bundle = folder / "bundle.json"
        self.bundle.write_text(json.dumps({"probe.jl": "", "check.jl": ""}))
        self.answer(json.dumps(dict(PROBE, bindir=str(self.executable.parent))))
        self.ends_with([])

    def answer(self, text: str, status: int = 0) -> None:
        (self.prefix / "answer").write_text(text + "\n")
        (self.prefix / "answer.status").write_text(str(status))

    def ends_with(self, events: list[dict[str, Any]], stderr: str = "", status: int = 0, compiled: str = "") -> None:
        (self.prefix / "events").write_text("".join(json.dumps(event) + "\n" for event in events))
        (self.prefix / "stderr").write_text(stderr)
        self.executable.write_text(
            "#!/bin/sh\n"
            "here=${0%/bin/julia}; for request; do :; done\n"
            'case $* in *probe.jl) cat "$here/answer"; read -r status < "$here/answer.status"; exit $status ;; esac\n'
            'events=$(sed -n \'s/^events = "\\(.*\\)"$/\\1/p\' "$request"); depot=${JULIA_DEPOT_PATH%%:*}\n'
            'cat "$here/events" >> "$events"; cat "$here/stderr" >&2; cat "$request"; env\n'
            f'compiled="{compiled}"; [ -z "$compiled" ] || {{ mkdir -p "$depot/compiled/v1.10/$compiled"; '
            'touch "$depot/compiled/v1.10/$compiled/x.ji"; }\n'
            '{ cat "$request" > "$depot/request.toml"; env > "$depot/env"; } 2>/dev/null\n'
            f"exit {status}\n"
        )
        self.executable.chmod(0o755)


def params_of(spec: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Parameters of a module as Ansible makes them: what is given, and the defaults of its specification."""
    return {**{name: option.get("default") for name, option in spec.items()}, **given}
