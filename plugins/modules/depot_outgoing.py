#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: depot_outgoing
short_description: Give a tree that is staged on a builder to the controller, in parcels
description:
  - One half of the way of a staged release to the host that publishes; M(scisoft.julia_depots.depot_incoming) is the
    other. The role P(scisoft.julia_depots.depot_publish#role) puts both together.
  - A parcel is a range of the contents of the files that are needed, one after another. It is read when it is fetched,
    so that a builder needs room for one. Names, modes, times and links are in the inventory alone.
  - Nothing in the tree is changed.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  path:
    description:
      - Folder of the tree on the node.
    type: path
    required: true
  state:
    description:
      - V(listed) looks at names, modes, sizes and times alone.
      - V(inventoried) reads all files for their digests, unless the very same tree has been read before, and fetches
        the inventory.
      - V(packed) fetches a parcel.
    type: str
    choices: [listed, inventoried, packed]
    default: listed
  requires:
    description:
      - Path below O(path) without which there is no tree to list.
    type: str
  workdir:
    description:
      - Folder of the builder, where inventories are kept in C(outgoing). Required with O(state=inventoried).
    type: path
  inventory:
    description:
      - Path of the inventory on the node, as RV(inventory) told it. Required with O(state=packed).
    type: path
  needed:
    description:
      - Which files are needed, as M(scisoft.julia_depots.depot_incoming) told it. Required with O(state=packed).
    type: str
  offset:
    description:
      - Where the parcel begins, in bytes. Required with O(state=packed).
    type: int
  length:
    description:
      - Its length in bytes. Required with O(state=packed).
    type: int
  dest:
    description:
      - Path on the controller to which the inventory or the parcel is fetched.
    type: path
  _file:
    description:
      - Where the action plugin fetches from. It says so itself; leave it alone.
    type: path
  _skip:
    description:
      - Where the action plugin goes on, if it fetches piece by piece. Leave it alone.
    type: int
    default: 0
  _limit:
    description:
      - The most that the action plugin takes at once. Leave it alone.
    type: int
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
notes:
  - Any connection will do. Where privileges are raised to those of an ordinary user, whose files the user of the
    connection cannot read, contents come in results of the module, which takes longer.
seealso:
  - module: scisoft.julia_depots.depot_incoming
"""

EXAMPLES = r"""
- name: Look at what is staged
  scisoft.julia_depots.depot_outgoing:
    path: /var/lib/julia_depots/staging/jets/0123456789abcdef/x86_64
    requires: build.json
  register: there

- name: Fetch the inventory
  scisoft.julia_depots.depot_outgoing:
    path: /var/lib/julia_depots/staging/jets/0123456789abcdef/x86_64
    state: inventoried
    workdir: /var/lib/julia_depots
    dest: /tmp/transfer/inventory
"""

RETURN = r"""
actions:
  description: Always empty.
  returned: success
  type: list
  elements: dict
listing:
  description: >-
    What there is, or nothing where there is no tree: C(digest) and C(identity) of all entries, the latter with inode
    numbers and times of change, C(root), the same of the folder, C(entries), their number, and C(size) in bytes.
  returned: with O(state=listed)
  type: dict
inventory:
  description: Path of the inventory on the node.
  returned: with O(state=inventoried)
  type: str
size:
  description: Bytes of what was fetched.
  returned: with O(state=inventoried) and O(state=packed)
  type: int
sha256:
  description: Its SHA-256. The copy on the controller was compared with it.
  returned: with O(state=inventoried) and O(state=packed)
  type: str
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.outgoing import (
    ARGUMENT_SPEC,
    REQUIRED_IF,
    give,
)


def main() -> None:
    run_module(give, ARGUMENT_SPEC, required_if=REQUIRED_IF)


if __name__ == "__main__":
    main()
