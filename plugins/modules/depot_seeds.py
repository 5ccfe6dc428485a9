#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: depot_seeds
short_description: Find what a new build of a Julia environment can take over
description:
  - Used by the role P(scisoft.julia_depots.depot_build#role). It looks on a builder for earlier builds that are staged
    there, and for the release in use where the store is seen there.
  - It changes nothing.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  staging:
    description:
      - The folder in which builds are staged.
    type: path
    required: true
  store:
    description:
      - The root of the store.
    type: path
    required: true
  environment:
    description:
      - Name of the environment.
    type: str
    required: true
  release:
    description:
      - The release that is to be built, which is no seed of itself.
    type: str
    required: true
  arch:
    description:
      - The architecture that is to be built.
    type: str
    required: true
  build:
    description:
      - The identity of the Julia that builds; see M(scisoft.julia_depots.julia_depot_info).
    type: str
    required: true
  levels:
    description:
      - The CPU target of each level that is to be built, by its name.
    type: dict
    required: true
  variables:
    description:
      - The environment variables with which it is built.
    type: dict
    default: {}
  platforms:
    description:
      - Platforms for which packages and artifacts are to be installed without caches, as triplets.
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
"""

EXAMPLES = r"""
- name: See what can be taken over
  scisoft.julia_depots.depot_seeds:
    staging: /var/lib/julia_depots/staging
    store: /srv/julia
    environment: jets
    release: 0123456789abcdef
    arch: x86_64
    build: 00de3f6f2c7c9c2b
    levels: {generic: generic}
  register: seeds
"""

RETURN = r"""
depots:
  description: Depots with packages and artifacts, those of the same environment first.
  returned: success
  type: list
  elements: str
platforms:
  description: For each of O(platforms) the depots with packages and artifacts for it.
  returned: success
  type: dict
caches:
  description: >-
    For each level the depots (C(depot)) with caches, and the path below which these were made (C(built_below)).
  returned: success
  type: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.seeds import ARGUMENT_SPEC, find


def main() -> None:
    run_module(find, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
