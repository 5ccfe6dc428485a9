#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: depot_incoming
short_description: Receive trees that are staged on builders, where releases are published
description:
  - One half of the way of a staged release to the host that publishes; M(scisoft.julia_depots.depot_outgoing) is the
    other. The role P(scisoft.julia_depots.depot_publish#role) puts both together.
  - A tree is one architecture of a staged release, a platform without caches of one, or a Julia. It gets its name when
    all of it has arrived and was compared with the inventory of its builder. What has arrived by then is kept, whatever
    ends a run.
  - What any tree here holds already, by SHA-256, is not sent.
  - A builder is not trusted. Paths and links that leave the tree, devices and permissions beyond C(0777) are refused,
    and files are written below folders that the module itself has made.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  state:
    description:
      - V(planned) tells which trees the releases need that are not in the store.
      - V(compared) tells which of them are here.
      - V(expected) takes the inventory of a tree, lays out all but what has to be sent, and tells the parcels.
      - V(unpacked) lays out a parcel.
      - V(complete) compares a tree with its inventory, and gives it its name.
      - V(assembled) brings the architectures of each release together, and tells from where to publish it.
      - V(pruned) removes what is needed no more.
    type: str
    choices: [planned, compared, expected, unpacked, complete, assembled, pruned]
    required: true
  workdir:
    description:
      - Folder of the node in which trees are received, in C(incoming).
    type: path
    required: true
  store_root:
    description:
      - The store's absolute path on every node. Required with O(state=planned), O(state=assembled) and O(state=pruned).
    type: path
  host:
    description:
      - Name of the node in the inventory. Required with O(state=planned) and O(state=compared).
    type: str
  releases:
    description:
      - The releases. Required with O(state=planned), as the filter P(scisoft.julia_depots.merged_releases#filter) gives
        them, and with O(state=assembled) and O(state=pruned), as RV(releases) told them.
    type: list
    elements: dict
  trees:
    description:
      - Trees, as RV(trees) told them. Required with O(state=compared).
    type: list
    elements: dict
  listings:
    description:
      - What M(scisoft.julia_depots.depot_outgoing) says of the trees of other hosts, by their ids.
    type: dict
    default: {}
  transfer:
    description:
      - V(auto) takes what is staged on other hosts through the controller, unless the folder here is the very same one.
      - V(shared) demands that staged releases are seen here.
      - V(controller) takes all through the controller.
    type: str
    choices: [auto, shared, controller]
    default: auto
  shared:
    description:
      - Where folders of builders are seen here, by the builder's name, for those whose path is another one here.
    type: dict
    default: {}
  id:
    description:
      - Id of the tree. Required with O(state=expected), O(state=unpacked) and O(state=complete).
    type: str
  source:
    description:
      - Path of the inventory or the parcel on the controller. Required with O(state=expected) and O(state=unpacked).
    type: path
  size:
    description:
      - Size of the tree in bytes, to be told in check mode.
    type: int
    default: 0
  parcel_size:
    description:
      - Size of a parcel in MiB, from 1 to 1024.
    type: int
    default: 64
  links_to:
    description:
      - Absolute paths at which, and below which, links of a tree may point, though they are outside of it.
    type: list
    elements: path
    default: []
  inventory:
    description:
      - Digest of the inventory, as RV(inventory) told it. Required with O(state=unpacked).
    type: str
  number:
    description:
      - Number of the parcel. Required with O(state=unpacked).
    type: int
  sha256:
    description:
      - Its SHA-256. Required with O(state=unpacked).
    type: str
  places:
    description:
      - Where each tree is on the node, by its id; empty for those that are yet to come. Required with
        O(state=assembled).
    type: dict
  keep:
    description:
      - How many releases of an environment to keep; contents of later ones are taken from them.
    type: int
    default: 1
  _file:
    description:
      - Where the action plugin has put the source on the node. It says so itself; leave it alone.
    type: path
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
  - scisoft.julia_depots.depots.lock
seealso:
  - module: scisoft.julia_depots.depot_outgoing
"""

EXAMPLES = r"""
- name: Expect a tree
  scisoft.julia_depots.depot_incoming:
    state: expected
    workdir: /var/lib/julia_depots
    id: releases/jets/0123456789abcdef/x86_64
    source: /tmp/transfer/inventory
  register: expected

- name: Lay out its first parcel
  scisoft.julia_depots.depot_incoming:
    state: unpacked
    workdir: /var/lib/julia_depots
    id: releases/jets/0123456789abcdef/x86_64
    source: /tmp/transfer/parcel
    inventory: "{{ expected.inventory }}"
    number: "{{ expected.parcels[0].number }}"
    sha256: "{{ packed.sha256 }}"

- name: Give it its name
  scisoft.julia_depots.depot_incoming:
    state: complete
    workdir: /var/lib/julia_depots
    id: releases/jets/0123456789abcdef/x86_64
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
      sample: tree
    id:
      description: Which one.
      type: str
      sample: releases/jets/0123456789abcdef/x86_64
    status:
      description: What became of it.
      type: str
      sample: received
releases:
  description: >-
    The releases, with C(stored), whether the store has them. With O(state=assembled) they have C(source) and C(julias),
    from which to publish, and C(pending), whether check mode would bring something of them here first.
  returned: with O(state=planned) and O(state=assembled)
  type: list
  elements: dict
trees:
  description: >-
    The trees: C(id), C(label), C(builder), and C(path), C(workdir) and C(requires) on the builder. With
    O(state=compared) they have C(way), one of V(local), V(same), V(shared), V(arrived), V(send) and V(missing),
    C(place) and C(size).
  returned: with O(state=planned) and O(state=compared)
  type: list
  elements: dict
inventory:
  description: Digest of the inventory.
  returned: with O(state=expected)
  type: str
needed:
  description: Which files have to be sent, for M(scisoft.julia_depots.depot_outgoing).
  returned: with O(state=expected)
  type: str
parcels:
  description: The parcels that have yet to come, with C(number), C(offset) and C(length).
  returned: with O(state=expected)
  type: list
  elements: dict
total:
  description: How many parcels there are in all.
  returned: with O(state=expected)
  type: int
size:
  description: Bytes that have to be sent in all. In check mode, the most that it can be.
  returned: with O(state=expected)
  type: int
reused:
  description: Bytes that were here already.
  returned: with O(state=expected)
  type: int
damaged:
  description: Whether a parcel was damaged on its way, and can be sent again.
  returned: on failure with O(state=unpacked)
  type: bool
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.transfer.receive import (
    ARGUMENT_SPEC,
    REQUIRED_IF,
    take,
)


def main() -> None:
    run_module(take, ARGUMENT_SPEC, required_if=REQUIRED_IF)


if __name__ == "__main__":
    main()
