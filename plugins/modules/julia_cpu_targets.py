#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: julia_cpu_targets
short_description: See whether a Julia can compile for CPU levels on this machine
description:
  - Compiles a package without content for each target and reads what its image holds. Julia itself takes CPU names
    and features that it does not know, and leaves out of the first target what the machine's processor lacks.
  - It also tells whether the Julia knows the platforms for which packages are to be installed.
  - It fails with all faults of all levels and platforms at once. The role P(scisoft.julia_depots.depot_build#role)
    calls it before anything is built.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  julia:
    description:
      - Path of the Julia executable that will compile.
    type: path
    required: true
  julia_version:
    description:
      - The version that the executable must have, for example V(1.10.8). Another version is an error.
    type: str
  levels:
    description:
      - The levels.
    type: list
    elements: dict
    required: true
    suboptions:
      level:
        description:
          - Its name.
        type: str
        required: true
      target:
        description:
          - What Julia is told to compile for (C(JULIA_CPU_TARGET)).
        type: str
        required: true
      flags:
        description:
          - What C(/proc/cpuinfo) of a node lists that can use the level. This machine must have them too.
        type: list
        elements: str
        default: []
  platforms:
    description:
      - Platforms for which packages are to be installed without caches, as triplets such as V(aarch64-linux-gnu). One
        that the Julia does not know is a fault.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
notes:
  - Julia up to 1.8 compiles no native code, so there every target will do. Julia 1.9 does not tell what an image holds;
    there only what Julia itself refuses is seen, and what the machine's processor lacks.
seealso:
  - module: scisoft.julia_depots.julia_precompile
"""

EXAMPLES = r"""
- name: See whether this machine can compile for its successors
  scisoft.julia_depots.julia_cpu_targets:
    julia: /opt/julia/bin/julia
    levels:
      - level: portable
        target: generic;haswell,-rdrnd,-fsgsbase,clone_all
"""

RETURN = r"""
levels:
  description: The levels as they were given, and what images for them hold.
  returned: success
  type: list
  elements: dict
  contains:
    level:
      description: Its name.
      type: str
    target:
      description: What Julia is told.
      type: str
    flags:
      description: What a node must list.
      type: list
      elements: str
    images:
      description: Each target in an image. Empty up to Julia 1.9.
      type: list
      elements: dict
      contains:
        name:
          description: The CPU.
          type: str
          sample: haswell
        features:
          description: Its features, as Julia names them. A node that lacks one cannot use this target.
          type: list
          elements: str
        flags:
          description: The same as C(/proc/cpuinfo) names them.
          type: list
          elements: str
julia:
  description: What the Julia is, as M(scisoft.julia_depots.julia_depot_info) tells it.
  returned: success
  type: dict
faults:
  description: Everything that is wrong with the levels and the platforms.
  returned: when a level cannot be built, or a platform is not known
  type: list
  elements: str
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.images import (
    ARGUMENT_SPEC,
    check_targets,
)


def main() -> None:
    run_module(check_targets, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
