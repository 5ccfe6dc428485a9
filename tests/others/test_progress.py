# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees while Julia compiles for long, and what becomes of it when nobody waits for it any more."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.jobs import LEASE_SECONDS
from tests.others import sshd
from tests.sites import BIN, ROOT, kill_tree

FOREVER = 3600
GONE_SECONDS = LEASE_SECONDS + 60  # where the machine is loaded and all dies between two looks; else it is below ten
HOST = "builder1"


@dataclass
class Task:
    """A playbook with one task that compiles packages on a node, which is this machine.

    :param packages: seconds that the compilation of each takes.
    :param host: variables of the node.
    """

    folder: Path
    julia: str
    packages: dict[str, float]
    host: dict[str, Any] = field(default_factory=lambda: {"ansible_connection": "local"})
    keywords: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._write_project()
        self.host = {
            "ansible_python_interpreter": str(BIN / "python"),
            "ansible_remote_tmp": str(self.remote),
            **self.host,
        }
        (self.folder / "inventory.json").write_text(json.dumps({"all": {"hosts": {HOST: self.host}}}))
        self.write_playbook()

    def write_playbook(self) -> None:
        task = {
            "name": "Compile",
            "scisoft.julia_depots.julia_precompile": {
                "julia": self.julia,
                "project": str(self.folder / "jets"),
                "depot": str(self.folder / "x86-64-v3"),
                "tasks": 1,
            },
            "register": "compiled",
            **self.keywords,
        }
        said = {"name": "Say what came of it", "ansible.builtin.debug": {"var": "compiled"}}
        play = {
            "name": "Compile",
            "hosts": "all",
            "gather_facts": False,
            "environment": {"TMPDIR": str(self.temporary)},
            "tasks": [task, said],
        }
        (self.folder / "playbook.json").write_text(json.dumps([play]))

    @property
    def remote(self) -> Path:
        """Where Ansible keeps what it sends to the node."""
        return self.folder / "remote_tmp"

    @property
    def temporary(self) -> Path:
        """Where programs of the node make their temporary files."""
        return self.folder / "tmp"

    def _write_project(self) -> None:
        project = self.folder / "jets"
        deps, lock = "[deps]\n", ""
        for name, seconds in self.packages.items():
            own = uuid.uuid5(uuid.NAMESPACE_DNS, name)
            header = f'name = "{name}"\nuuid = "{own}"\nversion = "0.1.0"\n'
            (project / name / "src").mkdir(parents=True)
            (project / name / "Project.toml").write_text(header)
            # The folder of this test is in the sandbox's command line, by which the process is known.
            (project / name / "src" / f"{name}.jl").write_text(f"module {name}\nsleep({seconds})\nend\n")
            deps += f'{name} = "{own}"\n'
            lock += f'[[{name}]]\npath = "{name}"\nuuid = "{own}"\nversion = "0.1.0"\n\n'
        (project / "Project.toml").write_text(deps)
        (project / "Manifest.toml").write_text(lock)
        self.temporary.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "local_tmp"),
        }

    def run(self, check: bool = False, **options: Any) -> ansible_runner.Runner:
        """Run it as AWX would."""
        private = self.folder / "runner"
        private.mkdir(exist_ok=True)
        # Else the options of an earlier run hold for this one too.
        shutil.rmtree(private / "env", ignore_errors=True)
        return ansible_runner.run(
            private_data_dir=str(private),
            playbook=str(self.folder / "playbook.json"),
            inventory=str(self.folder / "inventory.json"),
            envvars=self.environment,
            cmdline="--check" if check else None,
            quiet=True,
            **options,
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Run it as from a shell, to be killed."""
        with open(self.folder / "log", "wb") as log:
            return subprocess.Popen(
                [BIN / "ansible-playbook", "-i", self.folder / "inventory.json", self.folder / "playbook.json"],
                env={**os.environ, **self.environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def processes(self) -> dict[int, str]:
        """The processes on the node: all that have this task's folder in their command line or environment."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                known = command + (folder / "environ").read_bytes()
            except OSError:
                continue
            if str(self.folder).encode() in known and int(folder.name) != os.getpid():
                found[int(folder.name)] = command.decode(errors="replace")
        return found

    def julias(self) -> list[int]:
        """Those of them that are Julia or its sandbox."""
        return [pid for pid, command in self.processes().items() if "precompile.jl" in command]

    def left(self) -> list[str]:
        """Temporary files on the node."""
        folders = [folder for folder in (self.temporary, self.remote) if folder.is_dir()]
        return sorted(str(path) for folder in folders for path in folder.iterdir())


def lines_of(runner: ansible_runner.Runner) -> list[str]:
    """The lines about progress among the events of a run, which are of the kind that AWX shows as they come."""
    return [event["stdout"] for event in runner.events if event["event"] == "verbose" and HOST in event["stdout"]]


def result_of(runner: ansible_runner.Runner) -> dict[str, Any]:
    """What the task gave."""
    kinds = ("runner_on_ok", "runner_on_failed")
    tasks = [e["event_data"] for e in runner.events if e["event"] in kinds and e["event_data"]["task"] == "Compile"]
    return tasks[-1]["res"]


def wait_for(condition: Callable[[], object], what: str, seconds: float = GONE_SECONDS) -> float:
    """Wait until something is so; the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"waited {seconds:g} s in vain until {what}"
        time.sleep(0.1)
    return time.monotonic() - started


def test_events_carry_progress(tmp_path, julia):
    runner = Task(tmp_path, julia, {"Sleeper1": 11, "Sleeper2": 11, "Sleeper3": 11}).run()
    assert runner.status == "successful", runner.stdout.read()
    lines = lines_of(runner)
    print("\n".join(lines))
    assert len(lines) >= 2
    assert len(set(lines)) == len(lines)
    about = re.escape(f"{HOST}  jets x86-64-v3  ")
    phase = r"(start Julia|precompile \d/3(  Sleeper\d)?)"
    assert all(re.fullmatch(about + phase + r"  \d+ (s|min)( \d+ s)?(, about \d+( s)? to go)?", line) for line in lines)
    assert any("precompile 1/3  Sleeper2" in line for line in lines)


# --- nobody waits for the job any more


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Variables of a host that is reached by SSH."""
    with sshd.serving(tmp_path_factory.mktemp("sshd")) as host:
        yield host


CONNECTIONS = {
    "local": {"ansible_connection": "local"},
    "ssh": {},
    "ssh, one connection for each command": {"ansible_ssh_args": "-o ControlMaster=no"},
    "ssh, pipelining": {"ansible_pipelining": True},
}


@pytest.fixture(params=CONNECTIONS)
def connection(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Variables of a host, for each way to reach it."""
    if request.param == "local":
        return CONNECTIONS["local"]
    if sshd.SERVER is None:
        pytest.skip("no sshd: install the package openssh-server")
    return {**request.getfixturevalue("ssh"), **CONNECTIONS[request.param]}


@pytest.fixture
def endless(tmp_path: Path, julia: str, connection: dict[str, Any]) -> Task:
    return Task(tmp_path, julia, {"Sleeper1": FOREVER}, connection)


def gone(task: Task, seconds_since: float) -> None:
    """Nothing of a task is left on the node, and how long that took is told."""
    wait_for(lambda: not task.julias(), "Julia has ended")
    julia = time.monotonic() - seconds_since
    wait_for(lambda: not task.processes(), "no process is left")
    wait_for(lambda: not task.left(), f"no file is left: {task.left()}")
    print(f"Julia ended after {julia:.1f} s, all of it after {time.monotonic() - seconds_since:.1f} s")


def test_a_cancelled_run_ends_julia(endless):
    seen, cancelled = [], []

    def see(event: dict[str, Any]) -> None:
        seen.append(event["event"])

    def cancel() -> bool:
        if "verbose" in seen and endless.julias() and not cancelled:  # the second call follows by then
            cancelled.append(time.monotonic())
        return bool(cancelled)

    runner = endless.run(event_handler=see, cancel_callback=cancel)
    assert runner.status == "canceled", runner.stdout.read()
    gone(endless, cancelled[0])


def end_main(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def interrupt(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)
    process.wait()


def terminate(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


@pytest.mark.parametrize("end", [kill_tree, end_main, interrupt, terminate])
def test_a_controller_that_ends_takes_julia_with_it(endless, end):
    process = endless.start()
    wait_for(endless.julias, "Julia compiles")
    now = time.monotonic()
    end(process)
    gone(endless, now)


# --- what comes of it


@pytest.fixture
def short(tmp_path: Path, julia: str, connection: dict[str, Any]) -> Task:
    return Task(tmp_path, julia, {"Sleeper1": 0, "Sleeper2": 0}, connection)


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what differs from run to run."""
    result = json.loads(json.dumps(result))
    result["totals"].pop("seconds")
    for package in result["packages"]:
        package.pop("seconds")
    for name in ("_bundle", "_job"):
        result["invocation"]["module_args"].pop(name, None)
    # What only Ansible's own jobs have.
    for name in ("ansible_job_id", "started", "finished", "results_file", "stdout", "stderr"):
        result.pop(name, None)
        result.pop(f"{name}_lines", None)
    return result


def test_a_job_gives_what_the_module_gives(short):
    foretold = result_of(short.run(check=True))
    assert (foretold["changed"], foretold["totals"]["pending"]) == (True, 2)
    assert not (short.folder / "x86-64-v3").exists()
    made = result_of(short.run())
    assert (made["changed"], made["totals"]["compiled"]) == (True, 2)
    again = result_of(short.run())
    assert (again["changed"], again["totals"]["fresh"]) == (False, 2)
    assert set(again["invocation"]["module_args"]) >= {"julia", "project", "depot", "tasks"}
    assert not {"_bundle", "_job"} & set(again["invocation"]["module_args"])
    # Without a job, and without lines: the task's own async.
    short.keywords = {"async": 600, "poll": 1}
    short.write_playbook()
    runner = short.run()
    assert lines_of(runner) == []
    alone = result_of(runner)
    assert comparable(alone) == comparable(again)
    wait_for(lambda: not short.left(), "no file is left")


def test_an_error_is_told_as_without_a_job(tmp_path, julia):
    task = Task(tmp_path, julia, {"Sleeper1": 0})
    source = tmp_path / "jets" / "Sleeper1" / "src" / "Sleeper1.jl"
    source.write_text('module Sleeper1\nerror("it is Tuesday")\nend\n')
    runner = task.run()
    assert runner.status == "failed"
    result = result_of(runner)
    assert result["failed_packages"] == ["Sleeper1"]
    assert "it is Tuesday" in result["msg"]
    wait_for(lambda: not task.left(), "no file is left")


def test_progress_can_be_turned_off(tmp_path, julia):
    task = Task(tmp_path, julia, {"Sleeper1": 12}, {"ansible_connection": "local", "depot_progress": False})
    runner = task.run()
    assert runner.status == "successful"
    assert lines_of(runner) == []
    wrong = {"ansible_connection": "local", "depot_progress": "perhaps"}
    task = Task(tmp_path / "wrong", julia, {"Sleeper1": 0}, wrong)
    assert result_of(task.run())["msg"] == "depot_progress: 'perhaps' is neither true nor false"


def test_a_job_that_is_killed_is_told_with_a_remedy(endless):
    process = endless.start()
    wait_for(endless.julias, "Julia compiles")
    sandbox = min(endless.julias())
    worker = int(Path(f"/proc/{sandbox}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(worker, signal.SIGKILL)
    assert process.wait(GONE_SECONDS) == 2
    log = (endless.folder / "log").read_text()
    assert "the job of this task was killed on the node by signal 9" in log
    assert "depot_build_tasks" in log
    assert "Traceback" not in log
    wait_for(lambda: not endless.processes(), "no process is left")
    wait_for(lambda: not endless.left(), "no file is left")
