#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cvmfs_repository_info
short_description: Tell what is known of the CernVM-FS repositories of a stratum-0 or stratum-1
description:
  - Tells how repositories and replicas are configured, what they publish, and in which state they are.
  - What cannot be found out is null, and a warning says why.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  repository:
    description:
      - Fully qualified name of a repository, or the name of a replica on this machine. By default all of them.
    type: str
  tags:
    description:
      - Tell the tags too.
    type: bool
    default: true
  catalogs:
    description:
      - Tell the nested catalogs too.
    type: bool
    default: false
  open_files:
    description:
      - Tell what is open below the mount, by process. Only root sees the processes of others.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
seealso:
  - module: scisoft.julia_depots.cvmfs_repository
"""

EXAMPLES = r"""
- name: See what a repository is like
  scisoft.julia_depots.cvmfs_repository_info:
    repository: software.example.org
  register: known

- name: Tell who is in the way
  ansible.builtin.debug:
    msg: "{{ known.repositories[0].transaction.text }}"
  when: known.repositories[0].transaction is not none
"""

RETURN = r"""
repositories:
  description: The repository that was asked for, whether it is there or not; else all of the machine, by name.
  returned: success
  type: list
  elements: dict
  contains:
    repository:
      description: Its name on this machine.
      type: str
    exists:
      description: Whether it is there. Only V(broken_off) is told besides where it is not.
      type: bool
    broken_off:
      description: Whether a making of it by this collection goes on, or was broken off.
      type: bool
    type:
      description: V(stratum0) or V(stratum1).
      type: str
    replica_of:
      description: The repository that a replica replicates; null for a stratum-0.
      type: str
    owner:
      description: The user who publishes in it, or takes snapshots.
      type: str
    url:
      description: Where it can be read.
      type: str
    stratum0:
      description: Where it can be read on its stratum-0.
      type: str
    storage:
      description: The definition of its storage.
      type: str
    settings:
      description: All settings of its C(server.conf).
      type: dict
    path:
      description: Where it is mounted; null for a replica.
      type: str
    revision:
      description: The revision that is published.
      type: int
    root_hash:
      description: Hash of its root catalog.
      type: str
    published:
      description: When it was published.
      type: str
    whitelist:
      description: RV(repositories[].whitelist.expires), C(days) that are left, and whether it is C(renewable) here.
      type: dict
      contains:
        expires:
          description: When it expires.
          type: str
        days:
          description: Days that are left; negative where it has expired.
          type: float
        renewable:
          description: Whether it can be renewed by this user on this machine.
          type: bool
    garbage_collection:
      description: Whether garbage can be collected; null for a replica, where the stratum-0 decides.
      type: bool
    collecting:
      description: Whether garbage is collected, or the repository checked, at this moment.
      type: bool
    keys:
      description: The paths of its keys by kind, as far as they are there.
      type: dict
    updating:
      description: Whether a snapshot is taken at this moment.
      returned: for a replica
      type: bool
    mounted:
      description: V(ro), V(rw), or null where it is not mounted.
      returned: for a stratum-0
      type: str
    healthy:
      description: Whether its mounts and its whitelist are as they should be. While a publish goes on they are not.
      returned: for a stratum-0
      type: bool
    replicable:
      description: Whether there may be replicas of it.
      returned: for a stratum-0
      type: bool
    transaction:
      description: What is known of the transaction that is open, in words as C(text); null where none is.
      returned: for a stratum-0
      type: dict
    publishing:
      description: Whether a publish or an abort goes on at this moment.
      returned: for a stratum-0
      type: bool
    tags:
      description: Its tags; null where they cannot be listed in the state that it is in.
      returned: for a stratum-0, with O(tags)
      type: list
      elements: dict
    catalogs:
      description: Its catalogs; null where they cannot be listed in the state that it is in.
      returned: for a stratum-0, with O(catalogs)
      type: list
      elements: dict
    open_files:
      description: What is open below its mount.
      returned: for a stratum-0, with O(open_files)
      type: list
      elements: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.information import ARGUMENT_SPEC, tell
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module


def main() -> None:
    run_module(tell, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
