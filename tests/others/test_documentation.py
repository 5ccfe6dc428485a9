# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation as a reader gets it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape

from docs.generator import ROOT, faults, messages, playbooks


def test_the_documentation_is_built_without_warnings_and_has_every_message_and_playbook():
    """Sphinx fails at any warning, such as a reference that leads nowhere. No proxy: nothing is fetched."""
    nowhere = dict.fromkeys(["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"], "http://127.0.0.1:9")
    built = subprocess.run(
        [sys.executable, "-m", "docs.generator", "build"],
        cwd=ROOT,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    html = ROOT / ".build" / "docs" / "html"
    text = unescape(re.sub(r"<[^>]*>", "", (html / "faults.html").read_text()))
    shown = {messages.normal(line) for line in text.splitlines()}
    explained = faults.read(ROOT / "docs" / "faults.yml")
    assert {message for group in explained for fault in group.faults for message in fault.messages} <= shown
    page = (html / "playbooks.html").read_text()
    assert [name for name in playbooks.names(ROOT) if f"playbook-{name}" not in page] == []
    assert (html / "collection" / "depot_build_role.html").exists()
    assert (html / "decisions" / "levels.html").exists()
