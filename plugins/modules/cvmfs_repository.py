#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cvmfs_repository
short_description: Make, keep or remove a CernVM-FS repository on its stratum-0
description:
  - Makes a repository with C(cvmfs_server mkfs), or brings one that is there to what is asked for.
  - What is decided for good when a repository is made is compared, and an error where it differs.
  - A making that was broken off is undone by the next run. Keys and data that were there before are left alone.
  - Where a repository lost its mounts, as after a reboot, they are put back.
  - What is changed is changed under the lock that the other modules of the collection take too. A transaction of
    somebody else is waited for, and never touched.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  repository:
    description:
      - Fully qualified name of the repository, such as V(software.example.org).
    type: str
    required: true
  state:
    description:
      - V(absent) removes it with its storage and its keys, which needs O(force).
    type: str
    choices: [present, absent]
    default: present
  owner:
    description:
      - The user who publishes in it; V(root) by default. Decided when it is made.
    type: str
  url:
    description:
      - URL at which the repository can be read; by default C(http://localhost/cvmfs/NAME). With O(s3_config) the URL
        of the bucket, to which the name is added. Decided when it is made.
    type: str
  storage:
    description:
      - Where its data are kept. A folder, or a definition such as C(gw,/srv/cvmfs/NAME/data/txn,http://HOST:4929/api/v1).
        By default C(/srv/cvmfs/NAME). Decided when it is made.
    type: str
  s3_config:
    description:
      - Path on the node of a file with the settings of an S3 storage, instead of O(storage).
    type: path
  hash_algorithm:
    description:
      - How contents are named; V(sha1) by default. Decided when it is made.
    type: str
    choices: [sha1, rmd160, shake128]
  configure_apache:
    description:
      - Configure Apache to serve a repository when it is made. Without it, O(url) must be served already.
    type: bool
    default: true
  garbage_collection:
    description:
      - Whether garbage can be collected (C(CVMFS_GARBAGE_COLLECTION)). A new repository has it switched on unless this
        is V(false); one that is there is left as it is unless this is given.
    type: bool
  auto_tag:
    description:
      - Whether each publish makes a tag of its own (C(CVMFS_AUTO_TAG)), which keeps its revision from being collected.
        A new repository has it switched off unless this is V(true); one that is there is left as it is unless this is
        given.
    type: bool
  replicable:
    description:
      - Whether there may be replicas of it. A new one allows them; one that is there is left as it is unless this is
        given.
    type: bool
  settings:
    description:
      - Other settings of its C(server.conf), such as C(CVMFS_ENABLE_MTIME_NS). Null removes one. Lines that are not
        named are left as they are.
    type: dict
    default: {}
  keys:
    description:
      - The keys of a repository, as their contents. By default C(mkfs) makes some, or takes those that are in
        C(/etc/cvmfs/keys).
      - Needed are all of a chain, O(keys.pub), O(keys.crt), O(keys.key) and O(keys.masterkey), or O(keys.pub),
        O(keys.crt) and O(keys.gw) with a gateway. They are compared before anything is made, where C(openssl) is
        installed.
      - Of a repository that is there, those are added that are missing; others than those there are an error.
    type: dict
    suboptions:
      pub:
        description: The public key, which clients have.
        type: str
      crt:
        description: The certificate.
        type: str
      key:
        description: The key of the certificate, which signs each publish.
        type: str
      masterkey:
        description: The key that signs the whitelist.
        type: str
      gw:
        description: The key for a gateway.
        type: str
  keys_folder:
    description:
      - Folder on the node with the keys, as files C(NAME.pub) and so on, instead of O(keys).
    type: path
  whitelist_days:
    description:
      - Renew the whitelist where it is valid for fewer days. Only root can, and only where the master key is; elsewhere
        a warning says what to do, or an error where it has expired.
    type: int
    default: 14
  whitelist_valid_days:
    description:
      - For how many days it is renewed. CernVM-FS advises against more than 30.
    type: int
    default: 30
  collect_garbage:
    description:
      - Remove what no revision, no tag and no recent past needs. Bytes are counted where
        C(CVMFS_EXTENDED_GC_STATS) is set, which root sets in passing.
    type: bool
    default: false
  garbage_days:
    description:
      - Keep revisions that were the newest within so many days, for clients that have not moved on.
    type: int
    default: 3
  force:
    description:
      - Remove a repository that is there.
    type: bool
    default: false
  open_files_timeout:
    description:
      - Seconds to wait until nobody has files open in a repository that is removed. Then the processes are named.
    type: int
    default: 60
  time_limit:
    description:
      - Seconds after which C(mkfs) and a garbage collection are stopped.
    type: int
    default: 7200
  lock_timeout:
    description:
      - Seconds to wait for another run, for a stranger's transaction, and for a check or garbage collection.
    type: int
    default: 600
notes:
  - Making and removing a repository, renewing its whitelist and changing its settings need root. Its owner can collect
    garbage.
attributes:
  check_mode:
    support: full
    details: With O(collect_garbage), C(cvmfs_server gc -d) tells what would be removed.
  diff_mode:
    support: full
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
seealso:
  - module: scisoft.julia_depots.cvmfs_repository_info
  - module: scisoft.julia_depots.cvmfs_replica
"""

EXAMPLES = r"""
- name: Make a repository with the keys of the site
  scisoft.julia_depots.cvmfs_repository:
    repository: software.example.org
    owner: publisher
    url: http://stratum0.example.org/cvmfs/software.example.org
    keys:
      pub: "{{ lookup('ansible.builtin.file', 'software.example.org.pub') }}"
      crt: "{{ lookup('ansible.builtin.file', 'software.example.org.crt') }}"
      key: "{{ vaulted_key }}"
      masterkey: "{{ vaulted_masterkey }}"
    settings:
      CVMFS_ENABLE_MTIME_NS: true

- name: Collect garbage
  scisoft.julia_depots.cvmfs_repository:
    repository: software.example.org
    collect_garbage: true
  register: maintained

- name: Tell the space given back
  ansible.builtin.debug:
    msg: "{{ maintained.garbage.bytes | ansible.builtin.human_readable }}"

- name: Remove a repository with all that is in it
  scisoft.julia_depots.cvmfs_repository:
    repository: trial.example.org
    state: absent
    force: true
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: >-
        One of V(repository), V(setting), V(key), V(replicable), V(whitelist), V(garbage), V(mount) and V(transaction).
      type: str
    id:
      description: The name of the repository or setting, or the path of the key.
      type: str
    status:
      description: What became of it.
      type: str
      sample: created
recovered:
  description: What a dead run or a reboot had left, and was put right. It is among RV(actions) too.
  returned: success
  type: list
  elements: dict
garbage:
  description: What a garbage collection did, or would do in check mode.
  returned: with O(collect_garbage)
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
revision:
  description: The revision that is published.
  returned: where the repository is there
  type: int
path:
  description: Where the repository is mounted.
  returned: where the repository is there
  type: str
public_key:
  description: Path of its public key.
  returned: where the repository is there
  type: str
whitelist_expires:
  description: When its whitelist expires.
  returned: where the repository is there
  type: str
  sample: "2026-12-24T12:18:34+00:00"
transaction:
  description: What is known of a transaction that is in the way.
  returned: failure, where one is
  type: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.stratum0 import (
    ARGUMENT_SPEC,
    RESTRICTIONS,
    change,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module


def main() -> None:
    run_module(change, ARGUMENT_SPEC, **RESTRICTIONS)


if __name__ == "__main__":
    main()
