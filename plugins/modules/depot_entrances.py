#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: depot_entrances
short_description: Give a node's users module files, a profile snippet and a command for published depots
description:
  - Makes links into a store, and a snippet for login shells. They lead to what is current, so they stay as they are
    when a release is published, and may be made before the first one is.
  - What somebody else has put at such a place is left alone, and nothing is made then.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  environments:
    description:
      - Names of the environments.
    type: list
    elements: str
    required: true
  modules:
    description:
      - Folder of module files, on the node's C(MODULEPATH); it gets C(julia/<environment>.lua) for Lmod and
        C(julia/<environment>) for Environment Modules. Empty is none.
    type: path
    default: ""
  profile:
    description:
      - Folder of profile snippets, such as C(/etc/profile.d); it gets C(julia_depots.sh) and C(julia_depots.csh), which
        set up O(default) in every login shell. Empty is none.
    type: path
    default: ""
  bin:
    description:
      - Folder in users' C(PATH) that gets the command C(julia), such as C(/usr/local/bin). Empty is none.
    type: path
    default: ""
  default:
    description:
      - The environment of the profile snippet and of the command. Needed with either.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
extends_documentation_fragment:
  - scisoft.julia_depots.depots.store
  - scisoft.julia_depots.depots.attributes
"""

EXAMPLES = r"""
- name: Give module files and a command
  scisoft.julia_depots.depot_entrances:
    store: {type: directory, path: /srv/julia}
    environments: [jets, plots]
    modules: /usr/share/modulefiles
    bin: /usr/local/bin
    default: jets
"""

RETURN = r"""
actions:
  description: What was made (C(id)), a C(link) or a C(file) (C(what)).
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.entrances import ARGUMENT_SPEC, provide
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module


def main() -> None:
    run_module(provide, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
