#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cvmfs_transaction
short_description: Open, publish or abort a transaction of a CernVM-FS repository, with an owner
description:
  - Lets the tasks of a playbook change a repository in one transaction, and publish it in the end.
  - CernVM-FS does not know whose a transaction is. This module records it, so that only the run that opened one
    publishes or aborts it, and so that one whose owner is gone is recovered by whoever comes next.
  - A transaction of somebody else is waited for, then told with all that is known of it, and never touched.
  - While it is open nobody else can publish. Do what takes long before.
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
      - V(started) opens a transaction, unless the one that is open is O(run)'s.
      - V(published) publishes what was changed. Where nothing was, the transaction is aborted instead, so that no
        revision is made. That no transaction of O(run) is open is an error, since what was done in it is lost then.
      - V(aborted) discards what was changed.
    type: str
    choices: [started, published, aborted]
    required: true
  run:
    description:
      - What the run calls itself, the same in each of its tasks and unlike any other, such as a job's number.
    type: str
    required: true
  purpose:
    description:
      - What the transaction is for, told to others who wait for it.
    type: str
    default: change it by tasks of a playbook
  lifetime:
    description:
      - Seconds after which the transaction counts as abandoned, and whoever comes next aborts it. After a reboot it
        does at once.
    type: int
    default: 14400
  path:
    description:
      - Path in the repository to be leased, where it is published through a gateway; by default all of it.
    type: str
    default: ""
  tag:
    description:
      - Name of the snapshot that a publish makes, which must be new; by default as the repository's settings have it.
    type: str
    default: ""
  description:
    description:
      - Description of that snapshot.
    type: str
    default: ""
  force:
    description:
      - Publish although somebody has files of the repository open for reading on the node.
    type: bool
    default: false
  open_files_timeout:
    description:
      - Seconds to wait until nobody has files of the repository open on the node. Then the processes are named.
    type: int
    default: 60
  whitelist_days:
    description:
      - Renew the whitelist before the transaction opens where it is valid for fewer days; warn where its master key is
        elsewhere.
    type: int
    default: 7
  lock_timeout:
    description:
      - Seconds to wait for another run, and for a stranger's transaction.
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
- name: Change a repository in one transaction
  vars:
    run: "motd {{ tower_job_id | default(1) }}"
  block:
    - name: Begin
      scisoft.julia_depots.cvmfs_transaction:
        repository: software.example.org
        state: started
        run: "{{ run }}"

    - name: Change a file
      ansible.builtin.copy:
        content: "Maintenance on Monday\n"
        dest: /cvmfs/software.example.org/motd
        mode: "0644"

    - name: Publish
      scisoft.julia_depots.cvmfs_transaction:
        repository: software.example.org
        state: published
        run: "{{ run }}"
  rescue:
    - name: Leave the repository as it was
      scisoft.julia_depots.cvmfs_transaction:
        repository: software.example.org
        state: aborted
        run: "{{ run }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: V(transaction) or V(whitelist).
      type: str
    id:
      description: The repository.
      type: str
    status:
      description: What became of it.
      type: str
      sample: published
recovered:
  description: What a dead run had left, and was put right.
  returned: success
  type: list
  elements: dict
revision:
  description: The revision that is published.
  returned: success
  type: int
path:
  description: Where the repository is mounted.
  returned: success
  type: str
transaction:
  description: What is known of a transaction that is in the way.
  returned: failure, where one is
  type: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.transaction import ARGUMENT_SPEC, change
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module


def main() -> None:
    run_module(change, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
