# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure, and print a table and JSON.

Usage: ``python -m tests.benchmark [--times N] [--only WORD] [--json FILE]``, by ``make bench``. Ends with status 1
where a figure is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmark import choice, cvmfs, levels, measures, progress, seeding
from tests.benchmark.measures import ROOT, Figure


def julias() -> list[tuple[str, str]]:
    """Every Julia found: executable and version."""
    found = subprocess.run([ROOT / "scripts" / "find_julias"], check=True, capture_output=True, text=True)
    executables = found.stdout.split("\n")[:-1]
    if not executables:
        sys.exit("no Julia is found: run `make test-julia` once, which installs one, or set JULIA_DEPOTS_TEST_JULIAS")
    return [
        (
            executable,
            subprocess.run(
                [executable, "--startup-file=no", "-e", "print(VERSION)"], check=True, capture_output=True, text=True
            ).stdout,
        )
        for executable in executables
    ]


def figures(folder: Path, times: int, only: str) -> Iterator[Figure]:
    general = {
        "publishing": measures.publishing,
        "planning": measures.planning,
        "reading": measures.reading_depots,
        "reporting": measures.reporting,
    }
    there_is_cvmfs = not (reason := cvmfs.unavailable())
    if there_is_cvmfs:
        general["cvmfs_publishing"] = cvmfs.publishing
    else:
        print(f"SKIPPED the figures of CernVM-FS: {reason}", file=sys.stderr)
    for name, measure in general.items():
        if only in name:
            place = folder / name
            place.mkdir()
            yield from measure(place, times)
            shutil.rmtree(place)
    choosing = only in "choice"
    if choosing and (reason := choice.unavailable()):
        print(f"SKIPPED the figure of choosing among levels: {reason}", file=sys.stderr)
        choosing = False
    for executable, version in julias():
        if choosing:
            place = folder / f"{version}-choice"
            for figure in choice.wrapper(place, executable, version, times):
                yield dataclasses.replace(figure, name=f"Julia {version}: {figure.name}")
            shutil.rmtree(place)
        if only in "seeding":
            place = folder / f"{version}-seeding"
            place.mkdir()
            for figure in seeding.measure(place, executable, version):
                yield dataclasses.replace(figure, name=f"Julia {version}: {figure.name}")
            shutil.rmtree(place)
        if only in "progress":
            place = folder / f"{version}-progress"
            place.mkdir()
            for figure in progress.measure(place, executable, min(times, 3)):
                yield dataclasses.replace(figure, name=f"Julia {version}: {figure.name}")
            shutil.rmtree(place)
        if only in "levels" and (reason := levels.unavailable(version)):
            print(f"SKIPPED the figures of levels: {reason}", file=sys.stderr)
        elif only in "levels":
            place = folder / f"{version}-levels"
            place.mkdir()
            for figure in levels.building(place, executable, version, times):
                yield dataclasses.replace(figure, name=f"Julia {version}: {figure.name}")
            shutil.rmtree(place)
        for environment in ("jets", "fifty"):
            for name, measure in (
                ("start_up", measures.start_up),
                ("wrapper", measures.wrapper),
                ("second_run", measures.second_run),
                ("clients", measures.clients),
                ("levels_running", levels.running),
                ("cvmfs_start_up", cvmfs.start_up),
            ):
                if only not in name or (not name.endswith("start_up") and environment == "fifty"):
                    continue
                if name == "levels_running" and levels.unavailable(version):
                    continue
                if name.startswith("cvmfs") and not there_is_cvmfs:
                    continue
                place = folder / f"{version}-{environment}-{name}"
                with measures.bench_site(place, executable, version, environment) as site:
                    measured = measure(site, times)
                for figure in measured:
                    yield dataclasses.replace(figure, name=f"Julia {version}: {figure.name}")
                shutil.rmtree(place)


def show(figure: Figure) -> None:
    unit = "" if figure.unit == "ratio" else f" {figure.unit}"
    limit = "" if figure.limit is None else f"limit {figure.limit:g}{unit:3}  "
    verdict = "told" if figure.limit is None else "reached" if figure.reached else "MISSED"
    print(f"{figure.name:75} {figure.value:8.3f}{unit:3}  {limit}{verdict}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure, and print a table and JSON.")
    parser.add_argument("--times", type=int, default=10, help="samples of each (default 10)")
    parser.add_argument("--only", default="", help="measure what has this in its name: start_up, wrapper, ...")
    parser.add_argument("--json", type=Path, default=ROOT / ".build" / "benchmark.json", help="where the JSON goes")
    options = parser.parse_args()
    measured = []
    with tempfile.TemporaryDirectory(prefix="julia-depots-benchmark-", dir=ROOT / ".build") as folder:
        for figure in figures(Path(folder), options.times, options.only):
            show(figure)
            measured.append(figure)
    options.json.write_text(json.dumps([figure.as_dict() for figure in measured], indent=2) + "\n")
    limited = [figure for figure in measured if figure.limit is not None]
    print(f"\n{sum(figure.reached for figure in limited)} of {len(limited)} reached; all samples: {options.json}")
    return 0 if measured and all(figure.reached for figure in measured) else 1


sys.exit(main())
