#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: julia_depot_check
short_description: Prove that an environment loads and that nothing is compiled
description:
  - Starts Julia with an empty first depot, loads every package of an environment, runs a workload, and looks whether
    the first depot is still empty. If anything was compiled there, it fails and says which cache was rejected and why.
  - It changes nothing.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  project:
    description:
      - Folder of the environment on the node, with its lock.
    type: path
    required: true
  depots:
    description:
      - The depots to prove, the one with the caches first.
    type: list
    elements: path
    required: true
  workload:
    description:
      - Julia code to run once everything is loaded.
    type: str
    default: ""
  check_bounds:
    description:
      - Prove it for C(julia --check-bounds=yes).
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
  - scisoft.julia_depots.depots.job
  - scisoft.julia_depots.depots.julia
seealso:
  - module: scisoft.julia_depots.depot_release_check
"""

EXAMPLES = r"""
- name: Prove what was compiled, at the path where it will be used
  scisoft.julia_depots.julia_depot_check:
    julia: /opt/julia/bin/julia
    project: /var/tmp/staging/x86_64/common/environments/jets
    depots: [/var/tmp/staging/x86_64/generic, /var/tmp/staging/x86_64/common]
    mounts:
      - source: /var/tmp/staging
        target: /srv/julia/environments/jets/releases/0123456789abcdef
    workload: using AntiKt; AntiKt.demo()
"""

RETURN = r"""
packages:
  description: Every package that was loaded, with the seconds that took.
  returned: always
  type: list
  elements: dict
startup_seconds:
  description: Seconds from the start of Julia until all direct dependencies were loaded.
  returned: always
  type: float
workload_seconds:
  description: Seconds that the workload took.
  returned: when there is a workload
  type: float
output:
  description: The end of what was printed.
  returned: always
  type: str
compiled:
  description: Packages that were compiled although their caches were to be there.
  returned: always
  type: list
  elements: str
rejected:
  description: Caches that Julia looked at and did not take (C(cache)), and why (C(reason)).
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.check import ARGUMENT_SPEC, check


def main() -> None:
    run_module(check, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
