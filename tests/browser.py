# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chromium without a window, for pages of this machine."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DARK = "--blink-settings=preferredColorScheme=0"
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Asks a page in a frame of a given width, since a window has a least one.
FRAME = """<!DOCTYPE html><meta charset="utf-8"><body>
<iframe id="frame" width="{width}" height="800" srcdoc="{page}"></iframe>
<script>
document.getElementById("frame").addEventListener("load", (event) => {{
  const page = event.target.contentDocument, answer = {question};
  document.body.innerHTML = "";
  document.body.append("ANSWER " + JSON.stringify(answer) + " END");
}});
</script>"""


def run(page: Path, *options: str) -> str:
    """Start the browser for a page, and give what it prints."""
    if PROGRAM is None:
        raise RuntimeError("no Chromium is installed")
    with TemporaryDirectory(prefix="chromium-") as profile:
        done = subprocess.run(
            [PROGRAM, *OPTIONS, f"--user-data-dir={profile}", *options, page.as_uri()],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{PROGRAM}: {done.stderr[-2000:]}")
    return done.stdout


def screenshot(page: Path, target: Path, width: int, height: int, *options: str) -> None:
    """A picture of the top of a page, at least 500 pixels wide."""
    run(page, f"--window-size={width},{height}", f"--screenshot={target}", *options)


def pdf(page: Path, target: Path) -> None:
    """A page as it is printed."""
    run(page, f"--print-to-pdf={target}", "--no-pdf-header-footer")


def ask(page: Path, width: int, question: str, *options: str) -> Any:
    """The value of an expression of JavaScript in which ``page`` is the document, shown at this width."""
    with TemporaryDirectory(prefix="frame-") as folder:
        frame = Path(folder) / "frame.html"
        frame.write_text(FRAME.format(width=width, page=html.escape(page.read_text()), question=question))
        printed = run(frame, "--dump-dom", "--virtual-time-budget=5000", *options)
    answer = re.search(r"ANSWER (.*) END", printed, re.DOTALL)
    if answer is None:
        raise RuntimeError(f"{page} did not answer: {printed[:2000]}")
    return json.loads(html.unescape(answer[1]))
