#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: depot_release_info
short_description: Tell what a store of Julia depots holds
description:
  - Tells which releases of each environment are in a store, which one is current, and what the records of the current
    and the previous release say.
  - Works wherever the store can be read. It reads files alone, and waits for nobody.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  environments:
    description:
      - Names of environments. Those that are not in the store are left out. By default all that are there.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.store
  - scisoft.julia_depots.depots.attributes
seealso:
  - module: scisoft.julia_depots.depot_release
  - module: scisoft.julia_depots.depot_report
"""

EXAMPLES = r"""
- name: See what is published
  scisoft.julia_depots.depot_release_info:
    store: {type: directory, path: /srv/julia}
  register: published

- name: Show the current releases
  ansible.builtin.debug:
    msg: "{{ published.environments | items2dict(key_name='environment', value_name='current') }}"
"""

RETURN = r"""
actions:
  description: Always empty, for nothing is changed.
  returned: success
  type: list
  elements: dict
root:
  description: Root of the store, as clients see it.
  returned: success
  type: str
environments:
  description: What there is of each environment.
  returned: success
  type: list
  elements: dict
  contains:
    environment:
      description: Its name.
      type: str
    current:
      description: Name of the current release; none where none is.
      type: str
    previous:
      description: Name of the release that was current before.
      type: str
    releases:
      description: The releases (C(release)) with the time of their publication (C(published)), newest first.
      type: list
      elements: dict
    record:
      description:
        - What the record of the current release says; lists of packages and artifacts are told by their number.
      type: dict
    record_before:
      description: The same of the previous release.
      type: dict
    locks:
      description:
        - The texts of the locks of the current (C(after)) and the previous release (C(before)), where they differ.
      type: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.contents import ARGUMENT_SPEC, info


def main() -> None:
    run_module(info, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
