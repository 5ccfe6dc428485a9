#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: julia_project
short_description: Fetch Julia projects at revisions of git repositories
description:
  - Brings each revision into a folder that is named by its commit and never changes, and says which one it is.
  - A tag or branch is looked up each time, a commit that is there already needs no network.
  - It is meant for the controller, where P(scisoft.julia_depots.build_plan#filter) reads projects.
  - Git runs with the configuration, keys and proxies of the user who runs the task, and never asks for a password.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  projects:
    description:
      - The revisions, as P(scisoft.julia_depots.project_revisions#filter) lists them.
    type: list
    elements: dict
    required: true
    suboptions:
      git:
        description:
          - URL or path of the repository.
        type: str
        required: true
      version:
        description:
          - A commit (all digits of its hash), a tag or a branch.
        type: str
        required: true
  cache:
    description:
      - Folder that keeps the revisions. One that was not asked for in 30 days is removed.
    type: path
    required: true
  time_limit:
    description:
      - Seconds that one call of git may take.
    type: int
    default: 600
attributes:
  check_mode:
    support: full
    details: Fetches in check mode as well, since plans need the files. Only the folder O(cache) is written to.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
requirements:
  - git
seealso:
  - plugin: scisoft.julia_depots.build_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Fetch the projects of all environments
  scisoft.julia_depots.julia_project:
    projects: "{{ depot_environments | scisoft.julia_depots.project_revisions }}"
    cache: /var/cache/julia_depots
  register: fetched
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
actions:
  description: What was changed, in order.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: The kind of thing.
      type: str
      sample: revision
    id:
      description: Which one.
      type: str
      sample: https://git.example.org/jets.git 3f1c0ba5a9a7e2e0c8c0e0f5a3b0d5a5c8d2b1aa
    status:
      description: What became of it.
      type: str
      sample: fetched
projects:
  description: The revisions, in the order given. One that cannot be had does not keep the others from being fetched.
  returned: success
  type: list
  elements: dict
  contains:
    git:
      description: The repository.
      type: str
    version:
      description: The revision that was asked for.
      type: str
    commit:
      description: The commit that it is.
      returned: when it was fetched or is there
      type: str
    path:
      description: The folder that holds its files.
      returned: when it was fetched or is there
      type: str
    fault:
      description: Why it cannot be had.
      returned: when it cannot
      type: str
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.project import ARGUMENT_SPEC, fetch


def main() -> None:
    run_module(fetch, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
