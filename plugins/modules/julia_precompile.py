#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: julia_precompile
short_description: Compile the packages of an environment for one CPU target into a depot
description:
  - Compiles every package that the lock of an environment names, extensions among them, and that has no fresh cache
    yet. The outcome is the same on every Julia, also on those whose own C(Pkg.precompile) takes direct dependencies
    only or swallows errors.
  - It has no network.
  - All images in O(depot) are read then, those that were there before among them. One that does not hold what Julia
    makes of O(target) on this machine is an error (Julia 1.10 and later).
  - A package that fails does not keep others from being compiled, but the module then fails and names every failed one
    with its error. What was compiled stays and is fresh in the next run.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  project:
    description:
      - Folder of the environment on the node, with its lock; see M(scisoft.julia_depots.julia_instantiate).
    type: path
    required: true
  depot:
    description:
      - Folder of the depot that gets the caches (C(compiled/)).
    type: path
    required: true
  package_depots:
    description:
      - Depots with the packages, searched after O(depot).
    type: list
    elements: path
    default: []
  target:
    description:
      - The CPU target that Julia compiles for (C(JULIA_CPU_TARGET)). It means something from Julia 1.9 on.
    type: str
    default: generic
  tasks:
    description:
      - How many packages to compile at once. Without it, as many as there are processors and 2 GiB of free memory
        for each, within the limits of the control group. Julia 1.5 compiles one at a time.
    type: int
  seeds:
    description:
      - Depots whose caches are taken over where O(depot) has none yet, so that only what is stale is compiled. Caches
        that are not used are removed again.
      - It means something from Julia 1.11.2 on. Before, caches are valid below one path only, and nothing is taken.
      - The target must be the same, and is not looked at. A cache in which a package left a path from its compilation
        is not taken.
    type: list
    elements: dict
    default: []
    suboptions:
      depot:
        description:
          - Folder of the depot with the caches.
        type: path
        required: true
      built_below:
        description:
          - The path below which packages and caches lay when it was filled. Without it, the parent of O(seeds[].depot).
        type: path
  check_bounds:
    description:
      - Make caches for C(julia --check-bounds=yes) as well, as C(Pkg.test) starts it. Up to Julia 1.8 the caches are
        the same.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
  - scisoft.julia_depots.depots.job
  - scisoft.julia_depots.depots.julia
  - scisoft.julia_depots.depots.lock
seealso:
  - module: scisoft.julia_depots.julia_depot_check
"""

EXAMPLES = r"""
- name: Compile an environment for machines with AVX2
  scisoft.julia_depots.julia_precompile:
    julia: /opt/julia/bin/julia
    project: /srv/julia/common/environments/jets
    depot: /srv/julia/x86-64-v3
    package_depots: [/srv/julia/common]
    target: haswell,-rdrnd,-fsgsbase
"""

RETURN = r"""
actions:
  description: What was changed, or would be in check mode, in order.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: The kind of thing.
      type: str
      sample: cache
    id:
      description: Which one.
      type: str
      sample: Printf
    status:
      description: What became of it.
      type: str
      sample: compiled
packages:
  description: Every package, in the order in which they were settled.
  returned: success, and when packages failed
  type: list
  elements: dict
  contains:
    package:
      description: Its name.
      type: str
    uuid:
      description: Its UUID.
      type: str
    extension:
      description: Whether it is an extension of another package.
      type: bool
    state:
      description: >-
        V(compiled), V(fresh) (there was a cache), V(failed), V(uncacheable) (it forbids precompiling), or V(pending)
        (it would be compiled; check mode).
      type: str
    seconds:
      description: How long it took.
      type: float
    bytes:
      description: Size of its cache, where it was compiled.
      type: int
    error:
      description: Why it failed, with the end of what it printed.
      type: str
images:
  description: Each CPU target in the images. Empty up to Julia 1.9, in check mode on a new depot, and without caches.
  returned: success
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
wrong_images:
  description: Images that do not hold what was asked for, with C(package), C(wanted) and C(found).
  returned: when there are such
  type: list
  elements: dict
totals:
  description: How many packages are in each state, and the sums of C(seconds) and C(bytes).
  returned: success
  type: dict
failed_packages:
  description: Names of the packages that failed.
  returned: when packages failed
  type: list
  elements: str
seeded:
  description: What was taken over from O(seeds).
  returned: success
  type: dict
  contains:
    caches:
      description: How many caches were taken over and are used.
      type: int
    bytes:
      description: Their size.
      type: int
    dropped:
      description: How many were taken and removed again, because they are stale or not used.
      type: int
    refused:
      description: Packages whose caches were left, with the reason.
      type: dict
check_bounds:
  description: RV(packages) and RV(totals) for sessions that check bounds.
  returned: when O(check_bounds=true)
  type: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.precompile import (
    ARGUMENT_SPEC,
    precompile,
)


def main() -> None:
    run_module(precompile, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
