# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caches of packages in a depot, as Julia lays them out."""

from __future__ import annotations

import os
from typing import Any, Iterator

from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import names


def find_caches(depot: str) -> Iterator[dict[str, Any]]:
    """``compiled/v<x.y>/<package>/<slug>.ji``, with the native image beside it from Julia 1.9 on."""
    folder = os.path.join(depot, "compiled")
    for version in names(folder):
        for package in names(os.path.join(folder, version)):
            for name in names(os.path.join(folder, version, package)):
                path = os.path.join(folder, version, package, name)
                if not name.endswith(".ji"):
                    continue
                files = cache_files(path)
                yield {
                    "package": package,
                    "julia": version[1:],
                    "path": path,
                    "native": len(files) > 1,
                    "bytes": sum(os.stat(file).st_size for file in files),
                }


def cache_files(path: str) -> list[str]:
    """The files of a cache: its ``.ji``, and the native image where there is one."""
    image = path[: -len(".ji")] + ".so"
    return [path, image] if os.path.isfile(image) else [path]
