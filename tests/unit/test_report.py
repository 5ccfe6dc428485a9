# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: its document by its schema, and its page, whatever builders, clients and packages say."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report import page, words
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.charts import Bar, bars
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.document import Known, document, same_state
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.outcomes import ERROR_LIMIT
from tests import reports

FOLDER = Path(page.__file__).parent
SCHEMA = json.loads((FOLDER / "schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)

# What somebody might put into a name, a message or the output of a package.
NASTY = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onmouseover='alert(1)",
            "</style></svg></title></pre>",
            "{{ 7 * 7 }}{% raw %}",
            "\x1b[31mred\x1b[0m\x00\x07\r\n",
            "\u202egnp.exe\u2066",
            "\udc80",
            "W" * 400,
            "&amp;&lt;&#60;",
        ]
    ),
)
NUMBER = st.one_of(st.none(), st.floats(0, 1e7, allow_nan=False), st.integers(0, 10**6))
WHOLE = st.one_of(st.none(), st.integers(0, 10**12))
NAMES = st.sampled_from(["jets", "more-jets", "x" * 64])
REJECTED = st.lists(st.fixed_dictionaries({"cache": NASTY, "reason": NASTY}), max_size=2)
COUNTS = st.one_of(
    st.none(), st.fixed_dictionaries({key: st.integers(0, 99) for key in ("compiled", "fresh", "failed")})
)
RESULTS = st.fixed_dictionaries(
    {
        "environment": NAMES,
        "release": st.sampled_from(["0123456789abcdef", "fedcba9876543210"]),
        "julia": NASTY,
        "arch": st.one_of(st.none(), NASTY),
        "level": st.one_of(st.none(), NASTY),
        "host": NASTY,
        "outcome": st.sampled_from(["built", "partly", "fresh", "failed", "skipped"]),
        "seconds": NUMBER,
        "packages": COUNTS,
        "bytes": WHOLE,
        "startup_seconds": NUMBER,
        "workload_seconds": NUMBER,
        "rejected": REJECTED,
        "error": NASTY,
    }
)
PUBLISHES = st.fixed_dictionaries(
    {"environment": NAMES, "changed": st.booleans(), "missing": st.just([{"arch": "aarch64", "reason": "<b>no"}])},
    optional={"error": NASTY, "host": NASTY},
)
CHECKS = st.fixed_dictionaries(
    {"environment": NAMES, "host": NASTY},
    optional={
        "release": NASTY,
        "outcome": st.sampled_from(["proved", "failed", "lagging"]),
        "error": NASTY,
        "startup_seconds": NUMBER,
        "workload_seconds": NUMBER,
        "rejected": REJECTED,
        "revision": WHOLE,
        "wanted": WHOLE,
    },
)
LOCKS = st.fixed_dictionaries({"before": NASTY, "after": st.sampled_from(["", reports.manifest({"<i>A": "1<2"})])})
HELD = st.builds(
    lambda name, previous, locks: {**reports.held(name, "0123456789abcdef", previous), "locks": locks},
    st.sampled_from(sorted(reports.ENVIRONMENTS)),
    st.one_of(st.none(), st.just("fedcba9876543210")),
    LOCKS,
)
MEASURED = st.fixed_dictionaries({key: st.floats(0, 1e4) for key in ("median", "low", "high")}).map(
    lambda entry: {**entry, "samples": [entry["median"]]}
)
BENCHMARKS = st.fixed_dictionaries(
    {
        "environment": NAMES,
        "release": NASTY,
        "julia": NASTY,
        "arch": NASTY,
        "level": NASTY,
        "host": NASTY,
        "times": st.integers(1, 9),
        "measurements": st.dictionaries(st.sampled_from(sorted(page.MEASUREMENTS)), st.one_of(st.none(), MEASURED)),
    }
)
KNOWN = st.builds(
    Known,
    store=st.sampled_from([reports.STORE, {"type": "directory", "path": "/srv/a & b<i>"}]),
    held=st.lists(HELD, max_size=2, unique_by=lambda held: held["environment"]),
    builds=st.lists(RESULTS, max_size=4),
    publishes=st.lists(PUBLISHES, max_size=2),
    checks=st.lists(CHECKS, max_size=4),
    lagging=st.lists(st.fixed_dictionaries({"url": NASTY, "revision": WHOLE, "wanted": WHOLE}), max_size=2),
    benchmarks=st.lists(BENCHMARKS, max_size=2),
    builder_errors=st.dictionaries(NASTY, NASTY, max_size=2),
    client_errors=st.dictionaries(NASTY, NASTY, max_size=2),
    builders=st.lists(NASTY, max_size=2),
    clients=st.lists(NASTY, max_size=2),
    revision=WHOLE,
)

# All that a page is made of. Nothing else may come in by what it tells of.
VOID = {"meta", "rect", "line"}
ATTRIBUTES = {
    "html": {"lang"},
    "meta": {"charset", "http-equiv", "content", "name"},
    "p": {"class", "role"},
    "span": {"class", "aria-hidden"},
    "section": {"aria-labelledby"},
    "article": {"class"},
    "h2": {"id"},
    "table": {"class"},
    "caption": {"class"},
    "th": {"scope", "class"},
    "td": {"class"},
    "ul": {"class"},
    "li": {"class"},
    "div": {"class"},
    "svg": {"id", "role", "aria-labelledby", "width", "height"},
    "title": {"id"},
    "desc": {"id"},
    "text": {"class", "x", "y", "dx"},
    "rect": {"class", "x", "y", "width", "height", "rx"},
    "line": {"class", "x1", "x2", "y1", "y2"},
    **{tag: set() for tag in ("head", "style", "body", "header", "h1", "main", "strong", "thead", "tbody", "tr")},
    **{tag: set() for tag in ("h3", "pre", "figure", "figcaption", "code", "footer")},
}


class Outline(HTMLParser):
    """Reads a page as a browser does, and notes what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: Counter[str] = Counter()
        self.named: set[str] = set()
        self.tags: Counter[str] = Counter()
        self.text: list[str] = []
        self.captions = 0
        self.feed(text)
        self.close()
        self.faults += [f"{tag} is not closed" for tag in self.open]
        self.faults += [f"two are called {name}" for name, number in self.ids.items() if number > 1]
        self.faults += [f"nothing is called {name}" for name in self.named - set(self.ids)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in ATTRIBUTES:
            self.faults.append(f"unexpected {tag}")
        for name, value in attrs:
            if name not in ATTRIBUTES.get(tag, set()):
                self.faults.append(f"unexpected {name} of {tag}")
            if name == "id":
                self.ids[value or ""] += 1
            if name == "aria-labelledby":
                self.named.update((value or "").split())
        if tag == "th" and dict(attrs).get("scope") not in ("row", "col"):
            self.faults.append("a heading of a table without scope")
        if tag == "caption":
            self.captions += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} ends where it is not open")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"a comment: {data}")


def faults_of(text: str) -> list[str]:
    outline = Outline(text)
    faults = list(outline.faults)
    if outline.tags["table"] != outline.captions:
        faults.append("a table without a caption")
    if outline.tags["h1"] != 1 or outline.tags["main"] != 1:
        faults.append("no page with one heading and one main part")
    if outline.tags["svg"] != outline.tags["desc"]:
        faults.append("a chart without a text in its stead")
    shown = "".join(outline.text)
    hidden = {char for char in shown if char not in "\n\t" and not char.isprintable() and not char.isspace()}
    return faults + ([f"characters that act unseen: {hidden!r}"] if hidden else [])


@given(KNOWN)
@settings(max_examples=200)
def test_every_document_keeps_to_the_schema_and_every_page_to_its_outline(known):
    told = document(known, reports.TIME)
    assert [error.message for error in VALIDATOR.iter_errors(told)] == []
    assert json.loads(json.dumps(told)) == told
    assert faults_of(page.render(told)) == []


@given(KNOWN)
@settings(max_examples=30)
def test_what_failed_is_never_called_well(known):
    told = document(known, reports.TIME)
    bad = any(build["outcome"] == "failed" for entry in told["environments"] for build in entry["builds"])
    bad = bad or any(entry.get("error") for entry in known.publishes)
    bad = bad or any(check["outcome"] != "proved" for check in told["checks"])
    if bad:
        assert told["outcome"] == "failed"
        assert told["failures"]
    if told["lagging"]:
        assert told["outcome"] != "well"
    assert told["summary"].startswith("All is well") is (told["outcome"] == "well")


@given(KNOWN)
@settings(max_examples=30)
def test_a_document_says_the_same_as_itself_unless_something_was_made(known):
    told = document(known, reports.TIME)
    made = any(build["outcome"] in ("built", "partly") for entry in told["environments"] for build in entry["builds"])
    made = made or any(entry["outcome"] == "published" for entry in told["environments"])
    assert same_state(json.loads(json.dumps(told)), told) is not made


@pytest.mark.parametrize("scene", sorted(reports.SCENES))
def test_the_scenes_of_the_pictures_keep_to_schema_and_outline(scene):
    told = document(reports.SCENES[scene](), reports.TIME)
    assert [error.message for error in VALIDATOR.iter_errors(told)] == []
    assert faults_of(page.render(told)) == []


def test_the_schema_is_one_and_describes_itself():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"] == {"description": "Version of this document.", "const": 1}


def settled(known: Known) -> Known:
    """The same site a run later, in which nothing had to be done and all was measured anew."""
    builds = [{**build, "outcome": "fresh", "seconds": None, "packages": None} for build in known.builds]
    publishes = [{**entry, "changed": False} for entry in known.publishes]
    checks = [{**check, "startup_seconds": 9.9} for check in known.checks]
    return Known(**{**known.__dict__, "builds": builds, "publishes": publishes, "checks": checks})


def test_a_run_that_finds_nothing_to_do_leaves_the_report_of_the_one_before():
    before = document(reports.first(), reports.TIME)
    after = document(settled(reports.first()), "2026-11-29T03:00:00+00:00")
    assert same_state(before, after)
    assert not same_state(after, before)  # that one had built something


@pytest.mark.parametrize(
    "change",
    [
        {"checks": []},
        {"lagging": [{"url": "http://s1.example.org", "revision": 1, "wanted": 2}]},
        {"builders": ["another"]},
        {"revision": 119},
        {"held": [reports.held("jets", "00000000deadbeef")]},
        {"benchmarks": reports.measured().benchmarks},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_run_that_has_something_to_tell_writes_anew(change):
    before = document(reports.first(), reports.TIME)
    later = settled(reports.first())
    assert not same_state(before, document(Known(**{**later.__dict__, **change}), reports.TIME))


def summary_of(known: Known) -> str:
    return document(known, reports.TIME)["summary"]


def test_the_summary_says_in_one_line_what_happened():
    assert summary_of(reports.first()) == (
        "All is well: 12 of 12 builds made anew, 3 environments published, proved on all 40 clients."
    )
    assert summary_of(settled(reports.first())) == "All is well: nothing had to be built, proved on all 40 clients."
    assert summary_of(reports.failed()) == "Something failed: 1 of 12 builds failed, statistics not published."
    assert summary_of(reports.lagging()) == (
        "Something failed: 4 of 12 builds made anew, 1 environment published, 37 of 40 clients proved, 2 lag behind."
    )
    assert summary_of(Known(store=reports.STORE)) == "All is well: nothing is built."
    alone = Known(store=reports.STORE, held=[reports.held("jets", "0123456789abcdef")])
    assert summary_of(alone) == "All is well: 4 builds of 1 environment."


def test_numbers_of_the_record_are_used_for_its_own_release_alone():
    held = [reports.held("jets", "0123456789abcdef")]
    same = reports.result("jets", "0123456789abcdef", "x86_64", "generic", "fresh")
    other = reports.result("jets", "fedcba9876543210", "x86_64", "generic", "skipped")
    for result, seconds in ((same, 742.0), (other, None)):
        told = document(Known(store=reports.STORE, held=held, builds=[result]), reports.TIME)
        builds = {(build["arch"], build["level"]): build for build in told["environments"][0]["builds"]}
        assert builds["x86_64", "generic"]["seconds"] == seconds
        assert builds["x86_64", "x86-64-v3"]["outcome"] == "held"


def test_of_two_builders_of_one_architecture_the_one_that_built_is_told():
    fresh, built = (
        {**reports.result("jets", "0123456789abcdef", "x86_64", "generic", outcome), "host": outcome}
        for outcome in ("fresh", "built")
    )
    for results in ([fresh, built], [built, fresh]):
        told = document(Known(store=reports.STORE, builds=results), reports.TIME)
        assert [build["host"] for build in told["environments"][0]["builds"]] == ["built"]


def test_builders_and_clients_from_which_nothing_came_are_told():
    told = document(Known(store=reports.STORE, builders=["b1"], clients=["c1"]), reports.TIME)
    assert [(failure["where"], failure["what"]) for failure in told["failures"]] == [
        ("b1", "builder"),
        ("c1", "client"),
    ]


def test_why_nothing_came_from_builders_and_clients_is_told_where_they_said_so():
    errors = {"builder_errors": {"b1": "no Julia"}, "client_errors": {"c1": "no mount" + "!" * ERROR_LIMIT}}
    told = document(Known(store=reports.STORE, builders=["b1"], clients=["c1"], **errors), reports.TIME)
    builder, client = told["failures"]
    assert builder == {"where": "b1", "what": "builder", "message": "no Julia"}
    assert (client["where"], client["what"], len(client["message"])) == ("c1", "client", ERROR_LIMIT)
    (check,) = told["checks"]
    assert (check["outcome"], check["environment"]) == ("failed", "")
    assert "no Julia" in page.render(told)


def test_a_client_that_was_proved_before_it_failed_is_no_proved_one():
    proved, failed = ({"host": "c1", "environment": "jets", "outcome": outcome} for outcome in ("proved", "failed"))
    known = Known(store=reports.STORE, checks=[proved], clients=["c1"], client_errors={"c1": "no mount"})
    assert [failure["message"] for failure in document(known, reports.TIME)["failures"]] == ["no mount"]
    # What its proof said is told once.
    known = dataclasses.replace(known, checks=[proved, {**failed, "environment": "plots", "error": "no mount"}])
    assert [failure["what"] for failure in document(known, reports.TIME)["failures"]] == ["proof of plots"]


def test_all_clients_are_in_the_document_and_the_page_stays_short():
    told = document(reports.first(), reports.TIME)
    assert len(told["checks"]) == 120
    text = page.render(told)
    assert "40 clients" in text
    assert "wn017" not in text


# --- words and charts


@given(st.text())
def test_visible_text_has_nothing_hidden_and_printable_text_stays(text):
    shown = words.visible(text)
    assert all(char.isprintable() or char.isspace() for char in shown)
    if text.isprintable():
        assert shown == text


@given(st.text(max_size=200), st.integers(4, 60))
def test_shortened_text_fits_and_keeps_its_ends(text, limit):
    short = words.shortened(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else short[0] == text[0] and short[-1] == text[-1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (7440, "2 h 4 min"),
    ],
)
def test_durations_read_well(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_600, "1.0 MB"),
        (57e9, "57 GB"),
        (5e15, "5000 TB"),
    ],
)
def test_sizes_read_well(number, text):
    assert words.size(number) == text


@given(st.lists(st.builds(Bar, label=NASTY, value=st.floats(0, 1e12), text=st.just("1 s")), max_size=20))
def test_bars_are_as_long_as_their_values(entries):
    text = str(bars("chart", "Title", entries))
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)%"', text)]
    assert len(widths) == len(entries)
    assert all(0 < width <= 72 for width in widths)
    by_value = [width for _value, width in sorted(zip((entry.value for entry in entries), widths, strict=True))]
    assert by_value == sorted(by_value)


# --- colours


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


STYLE = (FOLDER / "page.css").read_text()
SCHEMES = {"light": STYLE[: STYLE.index("@media")], "dark": STYLE[STYLE.index("@media") : STYLE.index("* {")]}
# What is written on what; bars need less, as graphics do.
TEXTS = {
    "paper": ["ink", "muted", "accent"],
    "panel": ["ink", "muted"],
    "good-paper": ["ink", "muted", "good"],
    "bad-paper": ["ink", "muted", "bad"],
    "warn-paper": ["ink", "muted", "warn"],
}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_contrast_is_enough_for_everybody(scheme):
    named: dict[str, Any] = colours(SCHEMES[scheme])
    assert set(named) == set(colours(SCHEMES["light"]))
    low = {
        (text, paper): round(contrast(named[text], named[paper]), 2)
        for paper, texts in TEXTS.items()
        for text in texts
        if contrast(named[text], named[paper]) < 4.5
    }
    assert low == {}
    assert {name for name in named if name.startswith("bar") and contrast(named[name], named["paper"]) < 3} == set()


def test_all_colours_have_names_that_the_contrast_is_measured_by():
    rest = STYLE[STYLE.index("* {") :]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", rest) == []
    assert set(re.findall(r"var\(--([\w-]+)\)", rest)) == set(colours(SCHEMES["light"]))
    written = {text for texts in TEXTS.values() for text in texts}
    assert set(colours(SCHEMES["light"])) == {*TEXTS, *written, "line", "bar", "bar-other", "bar-strong"}
