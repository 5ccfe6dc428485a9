#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: julia_startup
short_description: Measure how long users of a node wait for Julia, without and with a published depot
description:
  - Starts C(julia -e <workload>) as a user of the node would, several times, and tells the wall time of these whole
    processes.
  - V(nothing) is the first start with an empty depot of one's own, in which all is compiled on first use, and
    V(private) each later start with it. They are the node's own, and the same for all levels.
  - V(published_cold) and V(published_warm) are starts with the release, by a user whose own depot is empty; cold, after
    the node has forgotten all that it has read.
  - It changes nothing. What it needs lies in one temporary folder, and goes with it.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  workload:
    description:
      - Julia code. Where it is empty, the packages that the project names are loaded.
    type: str
    default: ""
  levels:
    description:
      - The levels to measure. Default are all that this node has the CPU flags of.
    type: list
    elements: str
    default: []
  measurements:
    description:
      - What to measure.
      - V(published_cold) takes root and a kernel that lets root drop the page cache; where the store is in CernVM-FS,
        the client's cache is emptied as well, with all that it holds of other repositories. Where that is not possible,
        it is left out, with a warning.
    type: list
    elements: str
    choices: [nothing, private, published_cold, published_warm]
    default: [nothing, private, published_cold, published_warm]
  times:
    description:
      - How often each is measured.
    type: int
    default: 5
  packages:
    description:
      - Where V(nothing) has its packages from.
      - V(published) takes packages and artifacts from the release, so that all there is to do is to compile, and no
        network is needed. V(installed) installs them by the lock first, and counts that, as it is for a user who has
        nothing.
    type: str
    choices: [published, installed]
    default: published
  variables:
    description:
      - Environment variables for Julia, for example C(JULIA_NUM_THREADS).
    type: dict
    default: {}
  workdir:
    description:
      - Folder of the node for the temporary folder, which comes to hold a whole depot. Default is the system's.
    type: path
  time_limit:
    description:
      - Seconds after which a start is given up.
    type: int
    default: 7200
attributes:
  check_mode:
    support: full
    details: It starts nothing, and says what it would measure.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.store
  - scisoft.julia_depots.depots.release
  - scisoft.julia_depots.depots.attributes
seealso:
  - module: scisoft.julia_depots.depot_release_check
"""

EXAMPLES = r"""
- name: Measure what a release spares
  scisoft.julia_depots.julia_startup:
    store: {type: directory, path: /srv/julia}
    environment: jets
    workload: using AntiKt; AntiKt.demo()
    times: 10
"""

RETURN = r"""
environment:
  description: The environment.
  returned: success
  type: str
release:
  description: The name of the release that was measured.
  returned: success
  type: str
julia:
  description: The version of its Julia.
  returned: success
  type: str
arch:
  description: The architecture of the node.
  returned: success
  type: str
times:
  description: How often each was measured.
  returned: success
  type: int
packages:
  description: Where V(nothing) had its packages from.
  returned: success
  type: str
levels:
  description: One entry a level, worst first.
  returned: success
  type: list
  elements: dict
  contains:
    level:
      description: The level.
      type: str
    measurements:
      description: >-
        By its name each that was made, with C(samples) in seconds, their C(median), and their quartiles C(low) and
        C(high). Empty in check mode.
      type: dict
  sample:
    - level: x86-64-v3
      measurements:
        published_warm: {samples: [0.61, 0.59, 0.6], median: 0.6, low: 0.595, high: 0.605}
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.startup import ARGUMENT_SPEC, measure


def main() -> None:
    run_module(measure, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
