#!/usr/bin/python
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: depot_report
short_description: Write a report of what was built, published and proved
description:
  - Writes C(report.json) and C(report.html) on the controller, from what the roles of this collection tell and what a
    store holds. The role P(scisoft.julia_depots.depot_report#role) brings all that together.
  - The page is one file, without scripts and without anything from elsewhere. The document has a JSON schema,
    C(plugins/plugin_utils/report/schema.json) in this collection.
  - A report that says the same already stays as it is. What is measured anew at each run makes no difference, so that a
    run that finds nothing to do leaves the report of the one that did something.
author:
  - scisoft.julia_depots contributors (@scisoft)
version_added: 0.1.0
options:
  folder:
    description:
      - Folder on the controller. It is made where it is not there.
    type: path
    required: true
  store:
    description:
      - The store, as C(depot_store) describes it.
    type: dict
    required: true
  held:
    description:
      - What the store holds, C(environments) of M(scisoft.julia_depots.depot_release_info).
    type: list
    elements: dict
    default: []
  builds:
    description:
      - What became of builds, C(depot_build_results) of all builders. Without any of O(builds), O(publishes),
        O(checks), O(builders) and O(clients), the report is about what the store holds.
    type: list
    elements: dict
    default: []
  publishes:
    description:
      - What was published, C(depot_publish_results).
    type: list
    elements: dict
    default: []
  checks:
    description:
      - What was proved, C(depot_client_checks) of all clients, each with its C(host).
    type: list
    elements: dict
    default: []
  lagging:
    description:
      - The replicas that lag, C(depot_publish_lagging).
    type: list
    elements: dict
    default: []
  benchmarks:
    description:
      - What was measured, C(depot_benchmark_results).
    type: list
    elements: dict
    default: []
  builder_errors:
    description:
      - Why a builder has no builds to tell of, by its name, C(depot_build_error). Empty where it has.
    type: dict
    default: {}
  client_errors:
    description:
      - Why a client was not set up, by its name, C(depot_client_error).
    type: dict
    default: {}
  builders:
    description:
      - Hosts from which O(builds) are expected. A report tells of those from which nothing came.
    type: list
    elements: str
    default: []
  clients:
    description:
      - Hosts from which O(checks) are expected.
    type: list
    elements: str
    default: []
  revision:
    description:
      - The revision that was published last, where the store counts them.
    type: int
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: It shows C(report.json).
extends_documentation_fragment:
  - scisoft.julia_depots.depots.attributes
seealso:
  - module: scisoft.julia_depots.depot_release_info
"""

EXAMPLES = r"""
- name: See what is published
  scisoft.julia_depots.depot_release_info:
    store: {type: directory, path: /srv/julia}
  register: published

- name: Write a report of it
  scisoft.julia_depots.depot_report:
    folder: /srv/www/julia
    store: {type: directory, path: /srv/julia}
    held: "{{ published.environments }}"
"""

RETURN = r"""
actions:
  description: The files that were written, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: V(file).
      type: str
    id:
      description: Its path.
      type: str
    status:
      description: V(created) or V(updated).
      type: str
path:
  description: Path of the page on the controller.
  returned: success
  type: str
  sample: /srv/www/julia/report.html
outcome:
  description: V(well), V(attention) (nothing failed, but something lags, is lacking or was left out) or V(failed).
  returned: success
  type: str
summary:
  description: The same in one line, with what happened.
  returned: success
  type: str
"""
