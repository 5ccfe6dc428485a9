# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a Julia project that uses packages of the test package server.

usage, in the folder of the collection: python project.py FOLDER PACKAGE...
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, ".")

from tests.pkgserver import uuid_of

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
lines = [f'{name} = "{uuid_of(name)}"\n' for name in sorted(sys.argv[2:])]
(folder / "Project.toml").write_text("[deps]\n" + "".join(lines))
