# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the document of a report to its page: one file of HTML, with no script and nothing from elsewhere."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report import charts, words
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.charts import Bar
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.document import counted

FOLDER = os.path.dirname(os.path.abspath(__file__))
# How many of a kind the page shows; the document has all.
MOST_BARS, MOST_FAILURES, MOST_CHANGES, MOST_CLIENTS, MOST_REJECTED = 16, 50, 40, 24, 100
ALL_CHANGES, FEWEST_CHANGES = 400, 5  # packages in all, as far as each environment has a few
MOST_PROVED = 6  # clients; more of them are told by their number
MESSAGE_LIMIT = 3000  # characters
ALL_ELSEWHERE = "report.json has all of them."

# What an outcome looks like: class, sign, word.
BUILDS = {
    "built": ("good", "✓", "built"),
    "partly": ("good", "✓", "built, in part taken over"),
    "fresh": ("calm", "✓", "unchanged"),
    "held": ("calm", "✓", "in the store"),
    "skipped": ("warn", "○", "not built"),
    "failed": ("bad", "✗", "failed"),
}
CHECKS = {
    "proved": ("good", "✓", "proved"),
    "failed": ("bad", "✗", "failed"),
    "lagging": ("warn", "…", "lags behind"),
    "silent": ("bad", "?", "nothing known"),
}
BANNERS = {"well": "✓", "attention": "!", "failed": "✗"}
SIGNS = {"added": "+", "removed": "−", "updated": "→"}
MEASUREMENTS = {
    "nothing": ("with nothing", "other"),
    "private": ("private depot", "other"),
    "published_cold": ("published depot, cold", "strong"),
    "published_warm": ("published depot, warm", "strong"),
}


def render(document: Mapping[str, Any]) -> str:
    """The page of a document that :func:`document.document` has made."""
    document = _plain(document)
    environments, checks, failures = document["environments"], document["checks"], document["failures"]
    rejected = _rejected(environments, checks)
    return _template().render(
        document=document,
        style=_style(),
        title=f"Julia depots: {document['store']['root']}",
        subtitle=_subtitle(document),
        banner_sign=BANNERS[document["outcome"]],
        matrix=_matrix(environments),
        failures=[_failure(entry) for entry in failures[:MOST_FAILURES]],
        failures_left_out=_left_out(failures, MOST_FAILURES, "failure"),
        lagging=document["lagging"],
        changes=_all_changes(environments),
        charts=_charts(document),
        clients=_clients(checks),
        rejected=rejected[:MOST_REJECTED],
        rejected_left_out=_left_out(rejected, MOST_REJECTED, "cache"),
        releases=[_release(entry) for entry in environments if entry["release"]],
    )


@lru_cache(maxsize=1)
def _visible(value: Any) -> Any:
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return words.visible(value) if is_text else value


def _template() -> Template:
    """The page, in which all that is written out is made visible and escaped, unless it is markup of our own."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    return environment.get_template("page.html.j2")


@lru_cache(maxsize=1)
def _style() -> Markup:
    """The style, without the notice that the file begins with."""
    with open(os.path.join(FOLDER, "page.css"), encoding="utf-8") as stream:
        return Markup(stream.read().partition("*/\n")[2].rstrip())


def _plain(value: Any) -> Any:
    """The same with plain strings: what a task hands over may be of classes of Ansible's own, or call itself safe."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _subtitle(document: Mapping[str, Any]) -> str:
    what = "Run of" if document["source"] == "run" else "What the store holds,"
    revision = document["store"]["revision"]
    parts = [f"{what} {words.moment(document['time'])}"]
    parts += [f"revision {revision}"] if revision else []
    return ", ".join(parts)


def _left_out(entries: Sequence[Any], most: int, one: str) -> str:
    more = len(entries) - most
    return f"And {counted(more, f'more {one}')}; {ALL_ELSEWHERE}" if more > 0 else ""


def _look(looks: Mapping[str, tuple[str, str, str]], outcome: str) -> dict[str, str]:
    return dict(zip(("look", "sign", "word"), looks[outcome], strict=True))


def _matrix(environments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"environment": entry["environment"], "texts": _about(entry), "groups": [*_groups(entry), *_lacking(entry)]}
        for entry in environments
    ]


def _about(entry: Mapping[str, Any]) -> list[str]:
    packages = max((_packages(build) for build in entry["builds"]), default=0)
    texts = [f"Julia {entry['julia']}"] if entry["julia"] else []
    return texts + ([counted(packages, "package")] if packages else [])


def _packages(build: Mapping[str, Any]) -> int:
    return sum(build["packages"].values()) if build["packages"] else 0


def _groups(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "arch": arch or "architecture not known",
            "chips": [
                {
                    "name": build["level"] or "all levels",
                    **_look(BUILDS, build["outcome"]),
                    "facts": _build_facts(build),
                }
                for build in builds
            ],
        }
        for arch, builds in groupby(entry["builds"], key=lambda build: build["arch"])
    ]


def _lacking(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The architectures that a release does without, where no build of it says so already."""
    told = {build["arch"] for build in entry["builds"]}
    return [
        {
            "arch": lacking["arch"],
            "chips": [{"name": "lacking", "look": "warn", "sign": "○", "word": lacking["reason"], "facts": ""}],
        }
        for lacking in entry["missing"]
        if lacking["arch"] not in told
    ]


def _build_facts(build: Mapping[str, Any]) -> str:
    failed = build["packages"]["failed"] if build["packages"] else 0
    if failed:
        return f"{failed} of {counted(_packages(build), 'package')}"
    facts = [words.duration(build["seconds"])] if build["seconds"] else []
    facts += [words.size(build["bytes"])] if build["bytes"] else []
    return ", ".join(facts)


def _failure(failure: Mapping[str, Any]) -> dict[str, str]:
    what, where = failure["what"], failure["where"]
    head = f"{what} {where}" if what in ("client", "builder") else f"{what} on {where}" if where else what
    message = failure["message"]
    if len(message) > MESSAGE_LIMIT:
        message = message[:MESSAGE_LIMIT] + "\n…"
    return {"head": head[:1].upper() + head[1:], "message": message}


def _all_changes(environments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those of what this run has published, or of all where it published nothing."""
    news = [entry for entry in environments if entry["outcome"] == "published"] or environments
    each = min(MOST_CHANGES, max(FEWEST_CHANGES, ALL_CHANGES // max(len(news), 1)))
    return [_changes(entry, each) for entry in news if entry["changes"]]


def _changes(entry: Mapping[str, Any], most: int) -> dict[str, Any]:
    changes = entry["changes"]
    texts = []
    if changes["julia"]:
        texts.append(f"Julia {changes['julia']['from']} → {changes['julia']['to']}")
    texts += changes["others"]
    if not changes["packages"]:
        texts.append("no package has another version")
    before, after = entry["size_before"], entry["size"]
    if before and after:
        texts.append(f"size {words.size(before['bytes'])} → {words.size(after['bytes'])}")
    text = "; ".join(texts)
    packages = changes["packages"]
    return {
        "environment": entry["environment"],
        "text": text[:1].upper() + text[1:] + "." if text else "",
        "packages": [dict(change, sign=SIGNS[change["status"]]) for change in packages[:most]],
        "left_out": _left_out(packages, most, "package"),
    }


def _clients(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for name, group in groupby(checks, key=lambda check: check["environment"]):
        entries = list(group)
        proved = [check for check in entries if check["outcome"] == "proved"]
        others = [check for check in entries if check["outcome"] != "proved"]
        chips = [_client(check["host"], check["outcome"], _check_facts(check)) for check in others[:MOST_CLIENTS]]
        if len(proved) > MOST_PROVED:
            chips.append(_client(counted(len(proved), "client"), "proved", _span(proved)))
        else:
            chips += [_client(check["host"], "proved", _check_facts(check)) for check in proved]
        rows.append(
            {
                "environment": name or "Not known",
                "text": f"{len(proved)} of {len(entries)} proved",
                "chips": chips,
                "left_out": _left_out(others, MOST_CLIENTS, "client"),
            }
        )
    return rows


def _client(name: str, outcome: str, facts: str) -> dict[str, str]:
    return {"name": name, **_look(CHECKS, outcome), "facts": facts}


def _span(proved: Sequence[Mapping[str, Any]]) -> str:
    seconds = [check["startup_seconds"] for check in proved if check["startup_seconds"] is not None]
    return f"{words.duration(min(seconds))} to {words.duration(max(seconds))}" if seconds else ""


def _check_facts(check: Mapping[str, Any]) -> str:
    if check["outcome"] == "lagging":
        serves = "an unknown revision" if check["revision"] is None else f"revision {check['revision']}"
        return f"serves {serves}" + (f", not {check['wanted']}" if check["wanted"] is not None else "")
    return words.duration(check["startup_seconds"]) if check["startup_seconds"] is not None else ""


def _rejected(environments: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    where = [
        (f"builder {build['host']}, {entry['environment']} {build['arch']} {build['level']}", build["rejected"])
        for entry in environments
        for build in entry["builds"]
    ]
    where += [(f"client {check['host']}, {check['environment']}", check["rejected"]) for check in checks]
    return [
        {"where": place, "cache": "/".join(item["cache"].split("/")[-2:]), "reason": item["reason"]}
        for place, items in where
        for item in items
    ]


def _release(entry: Mapping[str, Any]) -> dict[str, str]:
    size = entry["size"]
    texts = [words.moment(entry["published"])] if entry["published"] else []
    texts += [f"with packages for {', '.join(entry['platforms'])}"] if entry["platforms"] else []
    texts += [f"before: {entry['previous']}"] if entry["previous"] else []
    return {
        "environment": entry["environment"],
        "release": entry["release"],
        "text": "; ".join(texts),
        "size": words.size(size["bytes"]) if size else "–",
    }


# --- charts


def _charts(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    environments = document["environments"]
    start_up = _benchmark_bars(document["benchmarks"]) or _start_up_bars(environments, document["checks"])
    measured = bool(document["benchmarks"])
    sections = [
        (
            "start-up",
            "Start-up, before and after",
            "A first session with the workload: medians, and where the middle half of the samples lies."
            if measured
            else "Without the depot a first session compiles, here summed over packages. With it, it loads: the "
            "median, and from the fastest client to the slowest.",
            start_up,
        ),
        ("size", "Size of releases", "The current one, and in grey the one before.", _size_bars(environments)),
        (
            "compile",
            "Time to compile",
            "Summed over packages, once for each level.",
            _sorted_bars(
                Bar(_of_build(entry, build), build["seconds"], words.duration(build["seconds"]))
                for entry in environments
                for build in entry["builds"]
                if build["seconds"]
            ),
        ),
    ]
    return [
        {
            "title": title,
            "text": text,
            "svg": charts.bars(f"chart-{name}", title, entries[:MOST_BARS]),
            "left_out": _left_out(entries, MOST_BARS, "bar"),
        }
        for name, title, text, entries in sections
        if entries
    ]


def _of_build(entry: Mapping[str, Any], build: Mapping[str, Any]) -> str:
    return " ".join(str(word) for word in (entry["environment"], build["arch"], build["level"]) if word)


def _sorted_bars(found: Any) -> list[Bar]:
    return sorted(found, key=lambda bar: -bar.value)


def _benchmark_bars(benchmarks: Sequence[Mapping[str, Any]]) -> list[Bar]:
    return [
        Bar(
            f"{entry['environment']} {entry['level'] or ''}: {MEASUREMENTS[name][0]}",
            measured["median"],
            words.duration(measured["median"]),
            MEASUREMENTS[name][1],
            measured["low"],
            measured["high"],
        )
        for entry in benchmarks
        for name in MEASUREMENTS
        if (measured := entry["measurements"].get(name))
    ]


def _start_up_bars(environments: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]) -> list[Bar]:
    found = []
    for entry in environments:
        name = entry["environment"]
        compiling = [build["seconds"] for build in entry["builds"] if build["seconds"]]
        there = [
            check["startup_seconds"]
            for check in checks
            if check["environment"] == name and check["startup_seconds"] is not None
        ]
        where = f"on {counted(len(there), 'client')}"
        if not there:
            there = [b["startup_seconds"] for b in entry["builds"] if b["startup_seconds"] is not None]
            where = "on builders"
        if not there:
            continue
        if compiling:
            before = statistics.median(compiling)
            found.append(Bar(f"{name}: without the depot", before, words.duration(before), "other"))
        after = statistics.median(there)
        spread = (min(there), max(there)) if len(there) > 1 else (None, None)
        found.append(Bar(f"{name}: with it, {where}", after, words.duration(after), "strong", *spread))
    return found


def _size_bars(environments: Sequence[Mapping[str, Any]]) -> list[Bar]:
    found = []
    largest_first = sorted(environments, key=lambda entry: -(entry["size"] or {"bytes": 0})["bytes"])
    for entry in largest_first:
        if entry["size"]:
            found.append(Bar(entry["environment"], entry["size"]["bytes"], words.size(entry["size"]["bytes"])))
        if entry["size"] and entry["size_before"]:
            before = entry["size_before"]["bytes"]
            found.append(Bar(f"{entry['environment']}, the release before", before, words.size(before), "other"))
    return found
