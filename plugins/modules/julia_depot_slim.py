#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: julia_depot_slim
short_description: Take out of a Julia depot what its users do not need
description:
  - Removes the folders of tests and of documentation from the packages of a depot, and artifacts that none of its
    packages takes on this platform.
  - Local packages, which lie in the folder of their environment, stay whole.
  - What a cache depends on stays, so that no cache becomes stale. What a package reads at run time from such a folder
    is not seen; prove the depot afterwards with M(scisoft.julia_depots.julia_depot_check).
  - What was removed is recorded in the depot (C(slimmed.toml)). Tests of a package (C(Pkg.test)) cannot be run from the
    depot afterwards.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  project:
    description:
      - Folder of an environment in the depot.
    type: path
    required: true
  depot:
    description:
      - Folder of the depot with the packages.
    type: path
    required: true
  cache_depots:
    description:
      - Depots with the caches of these packages; see M(scisoft.julia_depots.julia_precompile). They are read only.
    type: list
    elements: path
    required: true
  parts:
    description:
      - What to remove.
    type: list
    elements: str
    choices: [tests, docs, artifacts]
    default: [tests, docs, artifacts]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
  - scisoft.julia_depots.depots.julia
  - scisoft.julia_depots.depots.lock
"""

EXAMPLES = r"""
- name: Leave tests and documentation out
  scisoft.julia_depots.julia_depot_slim:
    julia: /opt/julia/bin/julia
    project: /srv/julia/common/environments/jets
    depot: /srv/julia/common
    cache_depots: [/srv/julia/generic]
    parts: [tests, docs]
"""

RETURN = r"""
actions:
  description: What was removed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: V(tests), V(docs) or V(artifacts).
      type: str
    id:
      description: The folder in the depot, or the tree hash of the artifact.
      type: str
      sample: packages/Printf/AbCdE/test
    status:
      description: What became of it.
      type: str
      sample: removed
removed:
  description: Bytes that this run removed, by part.
  returned: success
  type: dict
saved:
  description: Bytes that the depot lacks in all, with what earlier runs removed.
  returned: success
  type: int
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.slim import ARGUMENT_SPEC, slim


def main() -> None:
    run_module(slim, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
