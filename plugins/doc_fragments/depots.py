# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of the modules of this collection."""

    # What every module promises.
    ATTRIBUTES = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description: >-
      Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
"""

    # Of modules that need files of the collection on the node.
    BUNDLE = r"""
options:
  _bundle:
    description:
      - Where the files of the collection are on the node. The action plugin says it; leave it alone.
    type: path
"""

    # Of modules that run as jobs.
    JOB = r"""
options:
  _job:
    description:
      - How the job of this task is followed. The action plugin says it; leave it alone.
    type: dict
notes:
  - The module runs as a job on the node. While it does, a line from time to time says how far it is, unless the
    variable C(depot_progress) is false. The job ends when the run that wants its result ends, in whatever way. With
    the task's own C(async) it runs as that says, without such lines.
"""

    # Of modules that are about a store.
    STORE = r"""
options:
  store:
    description:
      - The store.
    type: dict
    required: true
    suboptions:
      type:
        description:
          - What it is. V(directory) is a folder of the node or of a network file system, V(cvmfs) a path in a
            repository of CernVM-FS.
        type: str
        choices: [cvmfs, directory]
        required: true
      repository:
        description:
          - Fully qualified name of the repository. Required with O(store.type=cvmfs).
        type: str
      path:
        description:
          - With O(store.type=directory), its root, as clients see it; required.
          - With O(store.type=cvmfs), its path below the root of the repository; by default that root itself.
        type: path
"""

    # Of modules that are about one release, beside the store.
    RELEASE = r"""
options:
  environment:
    description:
      - Name of the environment.
    type: str
    required: true
  release:
    description:
      - Name of its release, or V(current) for the one in use.
    type: str
    default: current
"""

    # Of modules that start Julia.
    JULIA = r"""
options:
  julia:
    description:
      - Path of the Julia executable on the node.
    type: path
    required: true
  julia_version:
    description:
      - The version that the executable must have, for example V(1.10.8). Another version is an error.
    type: str
  time_limit:
    description:
      - Seconds after which Julia is killed with all the processes that it started.
    type: int
    default: 7200
  variables:
    description:
      - Environment variables for Julia, beside those that the module sets. Nothing else of the node's environment
        reaches it; of the task's environment only what names a proxy, certificates or a package server does,
        and only where there is a network.
    type: dict
    default: {}
  mounts:
    description:
      - Folders of the node that Julia sees at another path. All other options name paths of the node.
      - The path under which packages are installed and compiled is recorded in caches; up to Julia 1.10 they are valid
        at that very path only. So a folder that is filled here and used elsewhere is shown under the path of its
        use.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description:
          - The folder on the node.
        type: path
        required: true
      target:
        description:
          - The path at which Julia sees it. It need not exist on the node.
        type: path
        required: true
requirements:
  - bubblewrap (the command C(bwrap)) for what runs in a sandbox
  - Julia 1.5 or later
notes:
  - Julia runs in a sandbox in which the node is read-only, C(/tmp) and the home directory are private, and which dies
    with the module. It works for root and for ordinary users, where the kernel grants them user namespaces.
"""

    # Of modules that write to a depot.
    LOCK = r"""
options:
  lock_timeout:
    description:
      - Seconds to wait for another run that works on the same folder.
    type: int
    default: 600
"""
