# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing in a process of its own, so that its time and memory are its own."""

from __future__ import annotations

import json
import sys
import time

from tests.benchmark.measures import COLLECTIONS, peak_megabytes

sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.depot import info
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.plan import build_plan
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report import files
from tests import reports

LEVELS = ["generic", "x86-64-v2", "x86-64-v3", "x86-64-v4"]


def plan(project: str) -> None:
    environments = [{"name": f"jets{number}", "project": project, "julia": "1.10.8"} for number in range(250)]
    builds = build_plan(environments, {"type": "directory", "path": "/srv/julia"}, {"x86_64": LEVELS})
    assert len(builds) == 1000


def read(depot: str) -> None:
    found = info({"depot": depot, "julia": None, "julia_version": None, "_bundle": None}, False)
    assert len(found["packages"]) == 1000
    assert found["size"]["entries"] >= 100_000


def report(folder: str) -> None:
    _told, planned = files.planned(reports.large(), folder)
    files.write(planned)


started = time.monotonic()
{"plan": plan, "info": read, "report": report}[sys.argv[1]](sys.argv[2])
print(json.dumps({"seconds": time.monotonic() - started, "megabytes": peak_megabytes()}))
