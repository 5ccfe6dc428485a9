#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cvmfs_revision
short_description: Wait until CernVM-FS servers and a client serve a revision, and tell which of them lags
description:
  - Reads which revision of a repository each of some servers publishes, and which one this node's client has mounted.
  - With O(revision) it waits, for a limited time, until all of them serve at least that one. A client is asked to look
    for the newest one at once, where the user of the task may ask it (C(cvmfs_talk)); else it follows when its time to
    live is over.
  - All are asked side by side, so that one that does not answer costs the others no time.
  - Changes nothing.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  repository:
    description:
      - Fully qualified name of the repository.
    type: str
    required: true
  urls:
    description:
      - URLs under which stratum-0 and stratum-1 servers serve the repository, such as
        V(http://stratum1.example.org/cvmfs/software.example.org). V(@fqrn@) in one stands for O(repository), V(@org@)
        for its part before the first dot.
    type: list
    elements: str
    default: []
  client:
    description:
      - Whether to ask this node's own client, whose mount is C(/cvmfs/<repository>).
    type: bool
    default: false
  revision:
    description:
      - The revision that all are to serve, or a newer one. Without it the module only tells what each serves.
    type: int
  timeout:
    description:
      - Seconds to wait. With V(0) each is asked once.
    type: int
    default: 600
  interval:
    description:
      - Seconds from one question to the next.
    type: int
    default: 5
attributes:
  check_mode:
    support: full
    details: It asks each once, and neither waits nor fails where one lags.
  diff_mode:
    support: none
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
"""

EXAMPLES = r"""
- name: Wait for the replicas
  scisoft.julia_depots.cvmfs_revision:
    repository: software.example.org
    urls:
      - http://stratum1-a.example.org/cvmfs/@fqrn@
      - http://stratum1-b.example.org/cvmfs/@fqrn@
    revision: 42
    timeout: 1800

- name: Wait for this node's client
  scisoft.julia_depots.cvmfs_revision:
    repository: software.example.org
    client: true
    revision: 42

- name: Tell what a server and this node serve
  scisoft.julia_depots.cvmfs_revision:
    repository: software.example.org
    urls: [http://stratum0.example.org/cvmfs/software.example.org]
    client: true
  register: revisions
"""

RETURN = r"""
actions:
  description: Always empty, for nothing is changed.
  returned: success
  type: list
  elements: dict
revision:
  description: The revision that was asked for.
  returned: success, and failure where one lags
  type: int
served:
  description: What each serves, servers first, in the order in which they were given.
  returned: success, and failure where one lags
  type: list
  elements: dict
  contains:
    what:
      description: V(url) or V(client).
      type: str
    id:
      description: Its URL, or the path of the mount.
      type: str
    revision:
      description: The revision that it serves; none where that cannot be read.
      type: int
    reason:
      description: Why it cannot be read, or what may keep it from going on. Empty where there is nothing to say.
      type: str
lagging:
  description: Those of RV(served) that do not serve the revision that was asked for.
  returned: success, and failure where one lags
  type: list
  elements: dict
"""

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.client import ARGUMENT_SPEC, change
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import run_module


def main() -> None:
    run_module(change, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
