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
      - URLs or folders of package registries, and V(General) for Julia's own, which comes from its package server
        where there is one. Without any it is General.
      - Each choice of registries is kept apart, so that no environment finds packages in a registry of another one.
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
  platform:
    description:
      - Install for another platform, which is named by a triplet such as V(aarch64-linux-gnu). Its artifacts are
        installed, also where a package's own program C(.pkg/select_artifacts.jl) chooses them (Julia 1.7 and later).
      - Caches for it cannot be made on this machine, so that there they are compiled at first use.
      - Build scripts are not run, since they would make files for this machine. Julia 1.5 runs them all the same, and
        packages that have one are an error there.
    type: str
  seeds:
    description:
      - Depots from which packages and artifacts are taken instead of being downloaded, in this order. What does not
        have the content that the lock names is not taken. They are read only, and need not be there.
      - What is taken is a copy, with its modification times; where the file system can, its blocks are shared
        (reflink). Build scripts are run anew.
    type: list
    elements: path
    default: []
  slim:
    description:
      - What packages from O(seeds) may lack, because M(scisoft.julia_depots.julia_depot_slim) removes it from this
        depot too.
    type: list
    elements: str
    choices: [tests, docs, artifacts]
    default: []
  registry:
    description:
      - Keep a registry in the depot that lists the registered packages of the environment in the versions that are
        there, so that C(Pkg.add) can add them without a network.
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
    details: The versions of all packages in the lock before and after, or its lines where only others change.
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
  - scisoft.julia_depots.depots.job
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

- name: Install them for nodes of another architecture, without downloading the packages again
  scisoft.julia_depots.julia_instantiate:
    julia: /opt/julia/bin/julia
    project: /home/me/jets
    environment: jets
    depot: /srv/julia/aarch64/common
    platform: aarch64-linux-gnu
    seeds: [/srv/julia/common]
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
      description: What became of it; a package or an artifact is V(installed) from the network or V(seeded).
      type: str
      sample: installed
seeded:
  description: What was taken from O(seeds), or would be in check mode (packages alone).
  returned: when O(depot) is given
  type: dict
  contains:
    packages:
      description: How many packages.
      type: int
    artifacts:
      description: How many artifacts.
      type: int
    bytes:
      description: The bytes of both.
      type: int
downloaded:
  description: What came from the network, or would in check mode (without artifacts of packages that are not there).
  returned: when O(depot) is given
  type: dict
  contains:
    packages:
      description: Names of packages.
      type: list
      elements: str
    artifacts:
      description: Names of artifacts.
      type: list
      elements: str
platform:
  description: For which platform it was installed.
  returned: when O(platform) is given
  type: dict
  contains:
    triplet:
      description: The platform.
      type: str
      sample: aarch64-linux-gnu
    caches:
      description: Always V(false). There are no caches for it.
      type: bool
    unbuilt:
      description: Packages whose build scripts were not run.
      type: list
      elements: str
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
    packages:
      description: What it changes, by the names of packages. Empty where only other lines of the lock change.
      type: list
      elements: dict
      contains:
        package:
          description: The package.
          type: str
          sample: Example
        uuid:
          description: Its UUID.
          type: str
        status:
          description: C(added), C(removed) or C(updated).
          type: str
          sample: updated
        from:
          description: >-
            The version in the lock before, and where it comes from if that is no registry. Empty where there is none.
          type: str
          sample: 0.5.3
        to:
          description: The version in the lock after.
          type: str
          sample: 0.5.5
        summary:
          description: All that as one line.
          type: str
          sample: "updated: Example 0.5.3 -> 0.5.5"
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
