# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish a staged release as the module `depot_release` does, without Ansible around it.

Arguments: the store, as JSON; folder of the staged release; name of the release.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.benchmark.measures import COLLECTIONS, ROOT

sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.publish import (
    ARGUMENT_SPEC,
    change,
)


def main() -> None:
    store, staged, release = sys.argv[1:]
    templates = {path.name: path.read_text() for path in (ROOT / "plugins" / "release").iterdir()}
    with tempfile.TemporaryDirectory() as folder:
        julia = Path(folder) / "bin" / "julia"
        julia.parent.mkdir()
        julia.write_text("#!/bin/sh\n")
        julia.chmod(0o755)
        bundle = Path(folder) / "bundle.json"
        bundle.write_text(json.dumps(templates))
        params = {name: spec.get("default") for name, spec in ARGUMENT_SPEC.items()}
        params.update(
            store=json.loads(store),
            environment="many",
            release=release,
            source=staged,
            julias=[{"version": "1.10.8", "arch": "x86_64", "build": "0", "prefix": folder}],
            _bundle=str(bundle),
        )
        change(params, False)


main()
