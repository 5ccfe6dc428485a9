#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: julia_depot_info
short_description: Tell what a Julia depot holds, and what a Julia is
description:
  - Lists packages, artifacts, caches with their CPU targets, environments, and sizes of a depot.
  - Asks a Julia for its version, architecture and build, with which alone the caches of a depot are valid.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  depot:
    description:
      - Folder of the depot.
    type: path
  julia:
    description:
      - Path of a Julia executable. With O(depot) it is the one that made the caches; without it their CPU targets are
        not told.
    type: path
  julia_version:
    description:
      - The version that the executable must have, for example V(1.10.8). Another version is an error.
    type: str
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
"""

EXAMPLES = r"""
- name: See what is in a depot
  scisoft.julia_depots.julia_depot_info:
    depot: /srv/julia/common
  register: depot
"""

RETURN = r"""
julia:
  description: What the Julia is.
  returned: when O(julia) is given
  type: dict
  contains:
    executable:
      description: The path that was asked.
      type: str
    prefix:
      description: The folder that holds all of it.
      type: str
    version:
      description: Its version.
      type: str
      sample: 1.10.8
    arch:
      description: Its architecture, as Julia names it.
      type: str
      sample: x86_64
    build:
      description: Identity of this very build; caches are valid with no other.
      type: str
    commit:
      description: The revision that it was built from, where it knows.
      type: str
    triplet:
      description: Its platform.
      type: str
      sample: x86_64-linux-gnu
    cpu:
      description: The node's CPU, by the name that LLVM gives it.
      type: str
packages:
  description: Packages, one entry a version.
  returned: when O(depot) is given
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    version:
      description: Its version, where its project file has one.
      type: str
    path:
      description: Its folder.
      type: str
artifacts:
  description: Tree hashes of the artifacts.
  returned: when O(depot) is given
  type: list
  elements: str
caches:
  description: Caches, one entry a file.
  returned: when O(depot) is given
  type: list
  elements: dict
  contains:
    package:
      description: The package that it is of.
      type: str
    julia:
      description: The minor version of Julia that it is for.
      type: str
      sample: "1.10"
    path:
      description: Its file.
      type: str
    native:
      description: Whether there is native code beside it.
      type: bool
    bytes:
      description: Its size, with the native code.
      type: int
    targets:
      description: Names of the CPU targets in its native code.
      type: list
      elements: str
      returned: when O(julia) is given
environments:
  description: Names of the environments.
  returned: when O(depot) is given
  type: list
  elements: str
size:
  description: C(entries) and C(bytes) of all, and of each part in C(parts).
  returned: when O(depot) is given
  type: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.depot import ARGUMENT_SPEC, info


def main() -> None:
    run_module(info, ARGUMENT_SPEC, required_one_of=[("depot", "julia")])


if __name__ == "__main__":
    main()
