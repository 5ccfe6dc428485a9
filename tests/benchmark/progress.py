# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to be told how far a long compilation is."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path

from tests.benchmark.measures import BIN, ROOT, Figure, alternating, quiet, ratio

# A minute of compiling, in which a job is looked at more often than later.
PACKAGES, BUSY_SECONDS = 6, 10


def measure(folder: Path, julia: str, times: int) -> list[Figure]:
    """The task with its lines against the module alone, called in a way that passes the action plugin by.

    The packages keep a processor busy while they compile, for a time that the processor counts, so that whatever else
    takes of it shows.
    """
    _write_project(folder / "jets")
    programs = sorted((ROOT / "plugins" / "julia").iterdir())
    (folder / "julia.json").write_text(json.dumps({path.name: path.read_text() for path in programs}))
    arguments = {"julia": julia, "project": str(folder / "jets"), "depot": str(folder / "generic"), "tasks": 1}
    ours = _playbook(folder / "ours.json", "scisoft.julia_depots.julia_precompile", arguments)
    alone = _playbook(folder / "alone.json", "julia_precompile", {**arguments, "_bundle": str(folder / "julia.json")})
    environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LIBRARY": str(ROOT / "plugins" / "modules")}

    def run(playbook: Path) -> None:
        shutil.rmtree(folder / "generic", ignore_errors=True)
        quiet([BIN / "ansible-playbook", "-i", "localhost,", playbook], {**os.environ, **environment})

    with_lines, without = alternating(times, lambda: run(ours), lambda: run(alone))
    return [ratio("a minute of compiling with lines about it / the module alone", with_lines, without, 1.02)]


def _playbook(path: Path, module: str, arguments: dict[str, object]) -> Path:
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": str(BIN / "python")},
        "tasks": [{module: arguments}],
    }
    path.write_text(json.dumps([play]))
    return path


def _write_project(project: Path) -> None:
    """A project of packages that take long to compile, with its lock."""
    deps, lock = "[deps]\n", ""
    for number in range(PACKAGES):
        name = f"Busy{number}"
        own = uuid.uuid5(uuid.NAMESPACE_DNS, name)
        header = f'name = "{name}"\nuuid = "{own}"\nversion = "0.1.0"\n'
        (project / name / "src").mkdir(parents=True)
        (project / name / "Project.toml").write_text(header)
        (project / name / "src" / f"{name}.jl").write_text(
            f"module {name}\nlet until = ccall(:clock, Clong, ()) + {BUSY_SECONDS} * 1_000_000\n"
            "    while ccall(:clock, Clong, ()) < until end\nend\nend\n"
        )
        deps += f'{name} = "{own}"\n'
        lock += f'[[{name}]]\npath = "{name}"\nuuid = "{own}"\nversion = "0.1.0"\n\n'
    (project / "Project.toml").write_text(deps)
    (project / "Manifest.toml").write_text(lock)
