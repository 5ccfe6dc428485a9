#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: depot_release_check
short_description: Prove on a node that a published release loads and that nothing is compiled
description:
  - Does what M(scisoft.julia_depots.julia_depot_check) does, as a user of the node would meet it. The command of the
    release is started in no sandbox, by a user whose own depot is empty; so the level is the one that this node gets.
  - It changes nothing. What it needs lies in temporary folders, and goes with it.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  workload:
    description:
      - Julia code to run once everything is loaded.
    type: str
    default: ""
  time_limit:
    description:
      - Seconds after which Julia is killed with all the processes that it started.
    type: int
    default: 7200
attributes:
  check_mode:
    support: full
    details: It only reads. Where there is no release, it is skipped in check mode, and fails else.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.store
  - scisoft.julia_depots.depots.release
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
  - scisoft.julia_depots.depots.job
seealso:
  - module: scisoft.julia_depots.julia_startup
"""

EXAMPLES = r"""
- name: Prove what is current
  scisoft.julia_depots.depot_release_check:
    store: {type: directory, path: /srv/julia}
    environment: jets
    workload: using AntiKt; AntiKt.demo()
"""

RETURN = r"""
release:
  description: Name of the release.
  returned: when it is there
  type: str
missing:
  description: The architectures that it lacks, as its record tells them.
  returned: when it is there
  type: list
  elements: dict
packages:
  description: Every package that was loaded, with the seconds that took.
  returned: when Julia came to its end
  type: list
  elements: dict
startup_seconds:
  description: Seconds from the start of Julia until all direct dependencies were loaded.
  returned: when Julia came to its end
  type: float
workload_seconds:
  description: Seconds that the workload took.
  returned: when there is a workload
  type: float
output:
  description: The end of what was printed.
  returned: when Julia came to its end
  type: str
compiled:
  description: Packages that were compiled although their caches were to be there.
  returned: when Julia came to its end
  type: list
  elements: str
rejected:
  description: Caches that Julia looked at and did not take (C(cache)), and why (C(reason)).
  returned: when Julia came to its end
  type: list
  elements: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.check import RELEASE_CHECK_SPEC, check_release


def main() -> None:
    run_module(check_release, RELEASE_CHECK_SPEC)


if __name__ == "__main__":
    main()
