# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the collection: thin, since all that they do is in ``plugin_utils``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import DepotError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import store_root
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import origins, plan
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.outcomes import build_results, check_results


def _explained(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except DepotError as error:
            raise AnsibleFilterError(error.message) from error
        except OSError as error:
            raise AnsibleFilterError(f"{error.strerror or error}: {error.filename or 'no file named'}") from error
        except ValueError as error:
            raise AnsibleFilterError(str(error)) from error

    return call


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "build_plan": _explained(plan.build_plan),
            "build_results": _explained(build_results),
            "check_results": _explained(check_results),
            "merged_releases": _explained(plan.merged_releases),
            "missing_architectures": _explained(plan.missing_architectures),
            "own_builds": _explained(plan.own_builds),
            "own_platforms": _explained(plan.own_platforms),
            "project_contents": _explained(origins.contents),
            "project_lock": _explained(origins.lock_text),
            "project_revisions": _explained(origins.wanted),
            "release_inputs": _explained(plan.release_inputs),
            "release_path": _explained(plan.release_path),
            "staged_paths": _explained(plan.staged_paths),
            "store_root": _explained(store_root),
            "words": _explained(plan.words),
        }
