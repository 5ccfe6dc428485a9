# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests that are written in Julia."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.julia.laboratory import LIMIT


def test_modules_of_the_programs(julia: str, tmp_path: Path) -> None:
    command = [julia, "--startup-file=no", "--color=no", str(Path(__file__).with_name("runtests.jl"))]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "JULIA_DEPOT_PATH": f"{tmp_path}:"}
    completed = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    print(completed.stdout)
    assert completed.returncode == 0
    assert "Test Summary:" in completed.stdout
