#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cvmfs_replica
short_description: Make, follow or remove a replica of a CernVM-FS repository on a stratum-1
description:
  - Makes a replica with C(cvmfs_server add-replica), brings it to what its stratum-0 has, or removes it.
  - A snapshot is taken only where the stratum-0 has another revision or whitelist than the replica. One of somebody
    else is waited for.
  - A making that was broken off is undone by the next run.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  repository:
    description:
      - Fully qualified name of the repository, such as V(software.example.org).
    type: str
    required: true
  alias:
    description:
      - Name of the replica on this machine, where it cannot be that of the repository.
    type: str
  state:
    description:
      - V(present) makes a replica that is not there, and changes its settings.
      - V(current) also brings it to what the stratum-0 has.
      - V(absent) removes it with its storage, which needs O(force).
    type: str
    choices: [present, current, absent]
    default: present
  url:
    description:
      - URL of the repository on its stratum-0. Needed to make a replica.
    type: str
  own_url:
    description:
      - URL at which the replica can be read; by default C(http://localhost/cvmfs/NAME).
    type: str
  public_key:
    description:
      - Path of the repository's public key on the node; by default C(/etc/cvmfs/keys/NAME.pub).
    type: path
  public_key_content:
    description:
      - The public key itself, which is put there.
    type: str
  owner:
    description:
      - The user who takes snapshots; V(root) by default. Decided when the replica is made.
    type: str
  storage:
    description:
      - Where its data are kept, a folder or a definition; by default C(/srv/cvmfs/NAME). Decided when the replica is
        made.
    type: str
  s3_config:
    description:
      - Path on the node of a file with the settings of an S3 storage, instead of O(storage).
    type: path
  group:
    description:
      - Group of replicas that C(cvmfs_server snapshot -a -g) takes snapshots of.
    type: str
  configure_apache:
    description:
      - Configure Apache to serve a replica when it is made, which needs its module wsgi.
    type: bool
    default: true
  auto_garbage_collection:
    description:
      - Collect garbage after snapshots (C(CVMFS_AUTO_GC)).
    type: bool
  settings:
    description:
      - Other settings, such as C(CVMFS_NUM_WORKERS), changed in C(server.conf) or C(replica.conf), wherever they stand,
        and else added to C(server.conf). Null removes one.
    type: dict
    default: {}
  collect_garbage:
    description:
      - Remove what no revision, no tag and no recent past needs. Bytes are counted where
        C(CVMFS_EXTENDED_GC_STATS) is set, which root sets in passing, and where the replica has the name of the
        repository.
    type: bool
    default: false
  garbage_days:
    description:
      - Keep revisions that were the newest within so many days, for clients that have not moved on.
    type: int
    default: 3
  force:
    description:
      - Remove a replica that is there.
    type: bool
    default: false
  time_limit:
    description:
      - Seconds after which a making, a snapshot or a garbage collection is stopped.
    type: int
    default: 7200
  lock_timeout:
    description:
      - Seconds to wait for another run, and for a snapshot or garbage collection of somebody else.
    type: int
    default: 600
notes:
  - Making and removing a replica, and changing its settings, need root. Its owner can take snapshots and collect
    garbage.
  - A new replica on a machine needs a geo database, or C(CVMFS_GEO_DB_FILE=NONE) in C(/etc/cvmfs/server.local).
attributes:
  check_mode:
    support: full
    details: With O(collect_garbage), C(cvmfs_server gc -d) tells what would be removed.
  diff_mode:
    support: full
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
seealso:
  - module: scisoft.julia_depots.cvmfs_repository
  - module: scisoft.julia_depots.cvmfs_revision
"""

EXAMPLES = r"""
- name: Replicate a repository
  scisoft.julia_depots.cvmfs_replica:
    repository: software.example.org
    state: current
    url: http://stratum0.example.org/cvmfs/software.example.org
    own_url: http://stratum1.example.org/cvmfs/software.example.org
    public_key_content: "{{ lookup('ansible.builtin.file', 'software.example.org.pub') }}"

- name: Fetch what was published since
  scisoft.julia_depots.cvmfs_replica:
    repository: software.example.org
    state: current
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: V(replica), V(snapshot), V(setting), V(key), V(garbage) or V(repository), which is a broken making.
      type: str
    id:
      description: The name of the replica or setting, or the path of the key.
      type: str
    status:
      description: What became of it.
      type: str
      sample: taken
recovered:
  description: What a dead run had left, and was put right. It is among RV(actions) too.
  returned: success
  type: list
  elements: dict
before:
  description: The revision that the replica had before; 0 where it had none.
  returned: with O(state=current), where the replica was there
  type: int
revision:
  description: The revision that the replica has; 0 where it has none.
  returned: where the replica is there
  type: int
url:
  description: URL at which the replica can be read.
  returned: where the replica is there
  type: str
seconds:
  description: How long the snapshot took.
  returned: where one was taken
  type: float
garbage:
  description: What a garbage collection did, or would do in check mode.
  returned: with O(collect_garbage), where the replica has a revision
  type: dict
  contains:
    objects:
      description: Number of objects removed from the storage.
      type: int
    bytes:
      description: Bytes of the contents removed, without catalogs; none where they are not counted, as in check mode.
      type: int
    seconds:
      description: How long it took.
      type: float
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.replica import (
    ARGUMENT_SPEC,
    RESTRICTIONS,
    change,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module


def main() -> None:
    run_module(change, ARGUMENT_SPEC, **RESTRICTIONS)


if __name__ == "__main__":
    main()
