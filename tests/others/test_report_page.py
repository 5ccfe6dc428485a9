# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report in a browser: on a phone, in the dark, and printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.document import Known, document
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.page import render
from tests import browser, reports

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium is installed")

LONG = "W" * 300
# The widest that reaches beyond the right edge, and by how much the page could be moved sideways.
OVERFLOW = """(() => {
  const root = page.documentElement, width = root.clientWidth;
  const beyond = [...page.body.querySelectorAll("*")].filter((element) => !element.closest("svg") &&
    !element.classList.contains("unseen") && element.getBoundingClientRect().right > width + 1);
  return {width, scroll: root.scrollWidth - width, beyond: beyond.slice(0, 3).map((element) => element.outerHTML)};
})()"""
BACKGROUND = "page.defaultView.getComputedStyle(page.body).backgroundColor"


def long_words() -> Known:
    """A site in which all that somebody names is one very long word."""
    name = "E" + "x" * 63
    result = reports.result("jets", reports.RELEASES["jets"], LONG, LONG, "failed", error=LONG, rejected=[])
    refused = [{"cache": f"/{LONG}", "reason": LONG}]
    return Known(
        store={"type": "directory", "path": f"/{LONG}"},
        held=[{**reports.held("jets", reports.RELEASES["jets"], reports.EARLIER["jets"]), "environment": name}],
        builds=[{**result, "environment": name, "host": LONG, "rejected": refused}],
        checks=[reports.check(LONG, name, LONG, 1, outcome="failed", error=LONG, rejected=refused)],
        lagging=[{"url": f"http://{LONG}", "revision": 10**12, "wanted": 10**12}],
        benchmarks=[{**reports.measured().benchmarks[0], "environment": name, "level": LONG}],
    )


@pytest.fixture(params=[*sorted(reports.SCENES), "long words"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    scene = long_words if request.param == "long words" else reports.SCENES[request.param]
    path = tmp_path / "report.html"
    path.write_text(render(document(scene(), reports.TIME)))
    return path


@pytest.fixture
def update(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(render(document(reports.update(), reports.TIME)))
    return path


def test_nothing_reaches_beyond_the_edge_of_a_phone(page):
    told = browser.ask(page, 360, OVERFLOW)
    assert told == {"width": 360, "scroll": 0, "beyond": []}


def test_the_page_follows_the_readers_scheme_of_colours(update):
    assert browser.ask(update, 1280, BACKGROUND) == "rgb(255, 255, 255)"
    assert browser.ask(update, 1280, BACKGROUND, browser.DARK) == "rgb(22, 21, 26)"


def test_it_prints(update, tmp_path):
    browser.pdf(update, tmp_path / "report.pdf")
    printed = (tmp_path / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert 1 <= printed.count(b"/Type /Page\n") <= 5


def test_the_browser_finds_all_its_parts(update):
    counts = browser.ask(
        update,
        1280,
        "Object.fromEntries(['table', 'svg', 'script', 'link', 'img'].map("
        "(tag) => [tag, page.querySelectorAll(tag).length]))",
    )
    assert counts == {"table": 4, "svg": 3, "script": 0, "link": 0, "img": 0}
