#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cvmfs_tag
short_description: Add, remove and prune named snapshots of a CernVM-FS repository
description:
  - A tag gives a revision of a repository a name. Clients can mount it, a rollback can go back to it, and garbage
    collection spares what it holds.
  - Tags are changed without a transaction of one's own, and without a new revision, so clients see nothing of it. The
    exception is a repository that shows its snapshots in a folder (C(CVMFS_VIRTUAL_DIR) in its C(server.conf)), of
    which the server publishes a new revision for each change.
  - A publish or a transaction that goes on is waited for, then told, and never touched. What a dead run of this
    collection left is put right first, and told in RV(recovered).
  - Where nothing is to be done, the repository is only read.
  - The tags C(trunk) and C(trunk-previous) are the server's own. They are never added, removed, counted or returned.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  repository:
    description:
      - Fully qualified name of the repository. The node is its stratum-0, and the task runs as its owner or as root.
    type: str
    required: true
  state:
    description:
      - V(present) adds the tags of O(name) that are not there.
      - V(absent) removes those that are there.
      - V(pruned) removes what O(keep) and O(keep_days) do not keep of the tags that O(match) or O(environment) chooses.
    type: str
    choices: [present, absent, pruned]
    default: present
  name:
    description:
      - Names of tags. Required with O(state=present) and O(state=absent).
      - A new one takes letters, digits and C(_.:-).
    type: list
    elements: str
  description:
    description:
      - Description of a new tag, one line without quotation marks, dollar signs, backticks and backslashes. That of one
        that is there stays as it is.
    type: str
    default: ""
  root_hash:
    description:
      - Hash of the root catalog of the revision that a new tag names; by default that of the newest revision.
      - A tag that is there with another one is an error. Without this option, one that is there stays where it is,
        whatever was published since.
    type: str
  keep:
    description:
      - With O(state=pruned), how many of the chosen tags to keep, the newest ones.
    type: int
  keep_days:
    description:
      - With O(state=pruned), keep the chosen tags whose revisions were published within so many days.
      - With both this and O(keep), a tag goes only if neither keeps it. So a quiet year leaves O(keep) tags, and a busy
        week all of its own. One of both is required.
    type: float
  match:
    description:
      - Shell pattern of the names that are chosen, such as V(nightly-*). The others are neither counted nor removed.
    type: str
  environment:
    description:
      - Choose the tags with which M(scisoft.julia_depots.depot_release) has marked the publishes of this environment,
        and those alone.
    type: str
  lock_timeout:
    description:
      - Seconds to wait for another run, for a publish, and for a stranger's transaction.
    type: int
    default: 600
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
"""

EXAMPLES = r"""
- name: Name what is published now
  scisoft.julia_depots.cvmfs_tag:
    repository: software.example.org
    name: before-migration
    description: last state with the old layout

- name: Take two names away
  scisoft.julia_depots.cvmfs_tag:
    repository: software.example.org
    state: absent
    name: [before-migration, test]

- name: Keep a month of publishes of an environment, and at least ten
  scisoft.julia_depots.cvmfs_tag:
    repository: software.example.org
    state: pruned
    environment: jets
    keep: 10
    keep_days: 30

- name: Take the server's automatic tags away after a week
  scisoft.julia_depots.cvmfs_tag:
    repository: software.example.org
    state: pruned
    match: "generic-*"
    keep_days: 7
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: V(tag).
      type: str
    id:
      description: Its name.
      type: str
    status:
      description: V(added) or V(removed).
      type: str
      sample: added
recovered:
  description: What a dead run had left, and was put right.
  returned: success
  type: list
  elements: dict
revision:
  description: The revision that is published.
  returned: success
  type: int
tags:
  description: The tags that there are, newest revision first. In check mode those that there were before.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: jets-0123456789abcdef-20261124T113000Z
    hash:
      description: Hash of the root catalog.
      type: str
      sample: 061cebc1a50f27f22b4fb6c1aaedae03b4a31e0f
    size:
      description: Size of the root catalog in bytes.
      type: int
      sample: 16384
    revision:
      description: The revision that it names.
      type: int
      sample: 2
    timestamp:
      description: When that was published, in seconds since the epoch.
      type: int
      sample: 1795421613
    branch:
      description: The branch it is on.
      type: str
      sample: (default)
    description:
      description: What it is described as.
      type: str
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.tags import ARGUMENT_SPEC, OPTIONS, change
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module


def main() -> None:
    run_module(change, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
