# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs a release's command to choose among many levels."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
from pathlib import Path

from tests.benchmark.measures import COLLECTIONS, ROOT, Figure, alternating, quiet

sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.scisoft.julia_depots.plugins.module_utils import activation, targets

LEVELS = 15
LEAST = 60  # samples: the difference is small against a start of Julia


def unavailable() -> str | None:
    """Why this cannot be measured here; none if it can."""
    if shutil.which("dash") is None:
        return "dash is not installed"
    if platform.machine() not in targets.LEVELS:
        return f"{platform.machine()} has no table of levels"
    return None


def wrapper(folder: Path, julia: str, version: str, times: int) -> list[Figure]:
    """A release's command in dash with 15 levels against the same Julia called with what the command would set.

    The best level is the last, and the node has its flags, so that every flag of every level is looked up.
    """
    arch = platform.machine()
    release = folder / "environments" / "many" / "releases" / "0123456789abcdef"
    command = release / "bin" / "julia"
    templates = {path.name: path.read_text() for path in (ROOT / "plugins" / "release").iterdir()}
    files = activation.render(templates, root=str(folder), release=str(release), environment="many", version=version)
    for name, file in files.items():
        path = release / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
        path.chmod(file.mode)
    levels = [(level.name, level.flags) for level in targets.LEVELS[arch]]
    levels = (levels + [(f"{name}-again", flags) for name, flags in levels])[:LEVELS]
    (release / arch / "common").mkdir(parents=True)
    (release / arch / "levels").write_text("".join(f"{' '.join([name, *flags])}\n" for name, flags in levels))
    executable = folder / "julia" / version / arch / "bin" / "julia"
    executable.parent.mkdir(parents=True)
    executable.symlink_to(os.path.realpath(julia))
    processor = folder / "cpuinfo"
    title = "flags\t\t" if arch == "x86_64" else "Features\t"
    every = sorted({flag for _unused, flags in levels for flag in flags})
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    processor.write_text(
        "\n".join(f"{line} {' '.join(every)}" if line.startswith(title) else line for line in lines) + "\n"
    )
    bare = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], "JULIA_DEPOTS_CPUINFO": str(processor)}
    (folder / "home").mkdir()
    common = release / arch / "common"
    same = dict(
        bare,
        JULIA_DEPOT_PATH=f"{folder}/home/.julia:{release / arch / levels[-1][0]}:{common}:",
        JULIA_LOAD_PATH=f"@:@v#.#:{common / 'environments' / 'many'}:@stdlib",
    )
    arguments = ["--startup-file=no", "-e", "nothing"]
    ours, theirs = alternating(
        max(times, LEAST),
        lambda: quiet(["dash", command, *arguments], bare),
        lambda: quiet([executable, *arguments], same),
    )
    more = 1000 * (statistics.median(ours) - statistics.median(theirs))
    name = f"the wrapper with {LEVELS} levels, in dash, beyond Julia called directly"
    return [Figure(name, more, 5, "ms", {"ours": ours, "theirs": theirs})]
