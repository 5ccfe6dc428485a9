#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: depot_release
short_description: Publish, activate, remove or prune releases of an environment in a store
description:
  - Brings a store to the state that is asked for, one step after another. Readers see each whole or not at all.
  - A release is published only if every build in it is complete and was checked. It comes with its Julia, and with what
    its users start it with.
  - Whatever ended an earlier run in the middle is put right first, and told in RV(recovered).
  - Where nothing is to be done, the store is only read.
  - In CernVM-FS the node is the stratum-0, and all steps are one transaction, whose owner is recorded. It is open while
    the release is copied, and no longer; a release that is much like the current one begins as its clone, so that only
    what differs is copied. What it makes is tagged with environment, release and time. A stranger's transaction is
    waited for, then told, and never touched.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  environment:
    description:
      - Name of the environment.
    type: str
    required: true
  state:
    description:
      - V(published) adds a release, makes it current (see O(activate)), and prunes.
      - V(active) makes a release current that is there.
      - V(absent) removes one release. The current and the previous one are never removed.
      - V(pruned) removes the oldest beyond O(keep).
    type: str
    choices: [published, active, absent, pruned]
    default: published
  release:
    description:
      - Name of the release. V(previous) with O(state=active) takes back the last activation.
    type: str
  source:
    description:
      - Folder of the staged release on the node. Required with O(state=published).
    type: path
  architectures:
    description:
      - Architectures whose builds must be there, complete and checked.
    type: list
    elements: str
    default: []
  missing:
    description:
      - Architectures that the release does without, for its record. Each is warned of.
    type: list
    elements: dict
    default: []
    suboptions:
      arch:
        description:
          - The architecture.
        type: str
        required: true
      reason:
        description:
          - Why the release does without it.
        type: str
        required: true
  platforms:
    description:
      - Platforms without caches, as triplets such as V(aarch64-linux-gnu), whose packages and artifacts must be there
        too. What is there is told in the release's record.
    type: list
    elements: str
    default: []
  julias:
    description:
      - The Julias that made the builds, one an architecture. Required with O(state=published).
    type: list
    elements: dict
    default: []
    suboptions:
      version:
        description:
          - Its version.
        type: str
        required: true
      arch:
        description:
          - Its architecture.
        type: str
        required: true
      build:
        description:
          - Identity of its build. The store holds one build of each version and architecture.
        type: str
        required: true
      prefix:
        description:
          - Its folder on the node, with C(bin/julia).
        type: path
        required: true
  inputs:
    description:
      - What went into the release, for its record.
    type: dict
    default: {}
  activate:
    description:
      - Make a published release current.
    type: bool
    default: true
  keep:
    description:
      - How many releases to keep, V(0) for all. The current and the previous one are kept in any case, and count.
    type: int
    default: 0
  lock_timeout:
    description:
      - Seconds to wait for another run that writes to the store, and for a stranger's transaction in its repository.
    type: int
    default: 600
  force:
    description:
      - With O(store.type=cvmfs), publish although somebody has files of the repository open for reading on the node.
    type: bool
    default: false
  open_files_timeout:
    description:
      - With O(store.type=cvmfs), seconds to wait until nobody has files of the repository open on the node.
    type: int
    default: 60
  whitelist_days:
    description:
      - With O(store.type=cvmfs), renew the repository's whitelist first where it is valid for fewer days; warn where
        its master key is elsewhere.
    type: int
    default: 7
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.store
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.bundle
  - scisoft.julia_depots.depots.job
"""

EXAMPLES = r"""
- name: Publish
  scisoft.julia_depots.depot_release:
    store: {type: directory, path: /srv/julia}
    environment: jets
    release: 0123456789abcdef
    source: /var/lib/julia_depots/staging/jets/0123456789abcdef
    architectures: [x86_64]
    julias:
      - version: 1.10.8
        arch: x86_64
        build: 4c16ff44be8b2f3a
        prefix: /opt/julia-1.10.8
    keep: 5

- name: Publish in CernVM-FS
  scisoft.julia_depots.depot_release:
    store: {type: cvmfs, repository: software.example.org, path: julia}
    environment: jets
    release: 0123456789abcdef
    source: /var/lib/julia_depots/staging/jets/0123456789abcdef
    julias:
      - version: 1.10.8
        arch: x86_64
        build: 4c16ff44be8b2f3a
        prefix: /opt/julia-1.10.8

- name: Go back to the release before
  scisoft.julia_depots.depot_release:
    store: {type: directory, path: /srv/julia}
    environment: jets
    state: active
    release: previous
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
      sample: release
    id:
      description: Which one.
      type: str
      sample: 0123456789abcdef
    status:
      description: What became of it.
      type: str
      sample: published
release:
  description: Name of the current release.
  returned: success
  type: str
previous:
  description: Name of the release that was current before.
  returned: success
  type: str
releases:
  description: The releases in the store (C(release)) with the time of their publication (C(published)), newest first.
  returned: success
  type: list
  elements: dict
recovered:
  description: What a dead run had left, and was put right.
  returned: success
  type: list
  elements: dict
revision:
  description: The revision that readers get, where the store counts them.
  returned: success
  type: int
removed_bytes:
  description:
    - Bytes of the releases that were removed, as their records tell, or would be in check mode. In CernVM-FS a garbage
      collection gives their space back later.
  returned: success
  type: int
path:
  description: Path of the link to the current release.
  returned: success
  type: str
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.publish import (
    ARGUMENT_SPEC,
    REQUIRED_IF,
    change,
)


def main() -> None:
    run_module(change, ARGUMENT_SPEC, required_if=REQUIRED_IF)


if __name__ == "__main__":
    main()
