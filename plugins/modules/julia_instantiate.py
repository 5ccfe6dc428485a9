#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: julia_instantiate
short_description: Lock a Julia project, and install its packages and artifacts into a depot
description:
  - Resolves the project where that is asked for, and returns the lock (C(Manifest.toml)).
  - Installs everything that the lock names into a depot, and puts the project into it as a named environment.
  - Nothing is precompiled; that is left to M(scisoft.julia_depots.julia_precompile).
  - An interrupted run is marked in the depot, and the next one repairs it.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  project:
    description:
      - Folder of the project on the node. It is read only.
    type: path
    required: true
  environment:
    description:
      - Name of the environment in the depot (C(environments/<name>)). Required with O(depot).
    type: str
  depot:
    description:
      - Folder of the depot. Without it the project is only locked.
    type: path
  lock:
    description:
      - V(require) takes the lock as it is, and it is an error if there is none.
      - V(resolve) makes one where there is none, and else adds to it what the project asks for beyond it.
      - V(update) takes the newest versions that the project allows.
      - C([sources]) of the project count on every Julia, also on those before 1.11 which do not know them.
    type: str
    choices: [require, resolve, update]
    default: require
  registries:
    description:
      - URLs or folders of package registries. Without any it is Julia's default, General.
    type: list
    elements: str
    default: []
  registries_depot:
    description:
      - Folder of a depot that keeps the registries between runs, apart from the packages. Without it they are
        fetched anew each time that something from them is needed.
    type: path
  lazy_artifacts:
    description:
      - Install lazy artifacts too, which Julia else fetches when a program first asks for them.
    type: bool
    default: false
  offline:
    description:
      - Use what is there, and no network.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details: A lock is resolved in check mode as well, since that is what would change; nothing is written to the node.
  diff_mode:
    support: partial
    details: The lock before and after.
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
  - scisoft.julia_depots.depots.julia
  - scisoft.julia_depots.depots.lock
seealso:
  - module: scisoft.julia_depots.julia_precompile
"""

EXAMPLES = r"""
- name: Lock a project
  scisoft.julia_depots.julia_instantiate:
    julia: /opt/julia/bin/julia
    project: /home/me/jets
    lock: resolve
  register: locked

- name: Install its packages where they will be used
  scisoft.julia_depots.julia_instantiate:
    julia: /opt/julia/bin/julia
    project: /home/me/jets
    environment: jets
    depot: /srv/julia/common
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
      sample: package
    id:
      description: Which one.
      type: str
      sample: Printf
    status:
      description: What became of it.
      type: str
      sample: installed
manifest:
  description: The lock, when O(lock=resolve) or O(lock=update).
  returned: when the project was locked
  type: dict
  contains:
    name:
      description: Its file name.
      type: str
      sample: Manifest.toml
    content:
      description: Its text.
      type: str
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import (
    ARGUMENT_SPEC,
    instantiate,
)


def main() -> None:
    run_module(instantiate, ARGUMENT_SPEC, required_by={"depot": "environment"})


if __name__ == "__main__":
    main()
