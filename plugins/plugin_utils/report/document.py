# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what roles tell and a store holds to the document of a report: ``report.json``, as ``schema.json`` has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import store_root
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.publish import TOOL
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report import changes
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.outcomes import ERROR_LIMIT, UNTOLD

SCHEMA = 1
NAMED = 2  # so many environments the summary calls by their names
CHECK_KEYS = {
    "environment": "",
    "release": "",
    "outcome": "proved",
    "error": "",
    "startup_seconds": None,
    "workload_seconds": None,
    "revision": None,
    "wanted": None,
}
SAID_ELSEWHERE = "what was printed while the playbook ran says why"
SILENT = f"nothing is known of it: it failed before, or could not be reached; {SAID_ELSEWHERE}"


@dataclass(frozen=True)
class Known:
    """All that a report is made of.

    :param store: ``depot_store``.
    :param held: what the store holds, as the module ``depot_release_info`` tells it.
    :param builds: ``depot_build_results`` of all hosts.
    :param publishes: ``depot_publish_results`` of all hosts.
    :param checks: ``depot_client_checks`` of all hosts, each with its ``host``.
    :param lagging: ``depot_publish_lagging`` of all hosts.
    :param benchmarks: ``depot_benchmark_results`` of all hosts.
    :param builder_errors: ``depot_build_error``, by the name of the host; ``client_errors``: ``depot_client_error``.
    :param builders: hosts of which results of builds are expected, ``clients`` of which checks are.
    :param revision: the revision that was published last; none where the store counts none.
    """

    store: Mapping[str, Any]
    held: Sequence[Mapping[str, Any]] = ()
    builds: Sequence[Mapping[str, Any]] = ()
    publishes: Sequence[Mapping[str, Any]] = ()
    checks: Sequence[Mapping[str, Any]] = ()
    lagging: Sequence[Mapping[str, Any]] = ()
    benchmarks: Sequence[Mapping[str, Any]] = ()
    builder_errors: Mapping[str, str] = field(default_factory=dict)
    client_errors: Mapping[str, str] = field(default_factory=dict)
    builders: Sequence[str] = ()
    clients: Sequence[str] = ()
    revision: int | None = None

    @property
    def ran(self) -> bool:
        """Whether there was a run to tell of, beside what the store holds."""
        return bool(self.builds or self.publishes or self.checks or self.lagging or self.builders or self.clients)


def document(known: Known, time: str) -> dict[str, Any]:
    """The document of a report.

    :param time: when it was made, in ISO 8601.
    """
    environments = [_environment(known, name) for name in _names(known)]
    checks = _checks(known)
    lagging = _lagging(known, checks)
    told = {
        "schema": SCHEMA,
        "time": time,
        "tool": dict(TOOL),
        "source": "run" if known.ran else "store",
        "store": {"type": known.store["type"], "root": store_root(known.store), "revision": known.revision},
        "environments": environments,
        "checks": checks,
        "lagging": lagging,
        "benchmarks": [_benchmark(entry) for entry in known.benchmarks],
        "failures": [*_failures(known, environments), *_failed_checks(checks)],
    }
    outcome = "failed" if told["failures"] else "attention" if _needs_attention(told) else "well"
    return {**told, "outcome": outcome, "summary": _summary(told, outcome)}


def same_state(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a later run has nothing to tell that an earlier report does not say.

    It has where it built or published something, and where an outcome, a release or a message is another one. What is
    measured anew at each run, and what was built by then and is there now, makes no difference.
    """
    news = [build for build in _builds(new) if build["outcome"] in ("built", "partly")]
    published = [entry for entry in new["environments"] if entry["outcome"] == "published"]
    return not news and not published and _essence(old) == _essence(new)


def _essence(document: Mapping[str, Any]) -> dict[str, Any]:
    there = {"built": "there", "partly": "there", "fresh": "there", "held": "there"}
    settled = {"published": "there", "unchanged": "there", "held": "there"}
    return {
        **{key: document[key] for key in ("schema", "source", "store", "lagging", "benchmarks", "failures")},
        "environments": [
            {
                **{key: entry[key] for key in ("environment", "release", "previous", "missing")},
                "outcome": settled.get(entry["outcome"], entry["outcome"]),
                "builds": [
                    (build["arch"], build["level"], there.get(build["outcome"], build["outcome"]), build["error"])
                    for build in entry["builds"]
                ],
            }
            for entry in document["environments"]
        ],
        "checks": [
            {key: check[key] for key in ("host", "environment", "release", "outcome", "error", "rejected")}
            for check in document["checks"]
        ],
    }


def _names(known: Known) -> list[str]:
    entries = (*known.builds, *known.publishes, *known.held)
    return sorted({str(entry["environment"]) for entry in entries})


def _of(entries: Iterable[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if entry["environment"] == name]


@dataclass
class _Parts:
    """What there is of one environment."""

    held: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    publish: Mapping[str, Any] = field(default_factory=dict)


def _environment(known: Known, name: str) -> dict[str, Any]:
    held = next(iter(_of(known.held, name)), {})
    publishes = _of(known.publishes, name)
    parts = _Parts(held, held.get("record") or {}, held.get("record_before") or {}, publishes[-1] if publishes else {})
    results = _of(known.builds, name)
    builds = _merged(results, parts.record)
    missing = parts.publish.get("missing") if parts.publish else parts.record.get("missing")
    return {
        "environment": name,
        "julia": str(results[0]["julia"] if results else parts.record.get("julia", "")),
        "release": held.get("current"),
        "previous": held.get("previous"),
        "published": parts.record.get("published"),
        "outcome": _outcome(parts, results, known.ran),
        "missing": [{"arch": str(entry["arch"]), "reason": str(entry["reason"])} for entry in missing or []],
        "platforms": list(parts.record.get("platforms") or []),
        "size": _size(parts.record),
        "size_before": _size(parts.before),
        "builds": builds,
        "changes": changes.between(parts.before, parts.record, held.get("locks") or {})
        if parts.before and parts.record
        else None,
    }


def _outcome(parts: _Parts, results: Sequence[Mapping[str, Any]], ran: bool) -> str:
    if parts.publish.get("error"):
        return "failed"
    if parts.publish:
        return "published" if parts.publish.get("changed") else "unchanged"
    if not ran or not results:
        return "held"
    return "unchanged" if all(entry.get("release") == parts.held.get("current") for entry in results) else "withheld"


def _size(record: Mapping[str, Any]) -> dict[str, int] | None:
    size = record.get("size")
    return {"bytes": int(size["bytes"]), "entries": int(size["entries"])} if size else None


def _merged(results: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each build once: what this run says of it, with numbers of the record where it is of the very release."""
    recorded = {
        (arch, level["name"]): _recorded(arch, build, level)
        for arch, build in (record.get("architectures") or {}).items()
        for level in build["levels"]
    }
    merged: dict[tuple[str | None, str | None], dict[str, Any]] = {}
    for result in results:
        key = (result.get("arch"), result.get("level"))
        told = {name: result[name] for name in _BUILD if result.get(name) is not None}
        known = recorded.get(key) if result.get("release") == record.get("release") else None
        entry = {**_BUILD, **(known or {}), **told}
        # Where two builders have the architecture, the one that did something tells more.
        if key not in merged or merged[key]["outcome"] in ("fresh", "skipped"):
            merged[key] = entry
    for key, entry in recorded.items():
        merged.setdefault(key, entry)
    return [merged[key] for key in sorted(merged, key=lambda key: (key[0] or "", key[1] or ""))]


_BUILD: dict[str, Any] = {
    "arch": None,
    "level": None,
    "target": "",
    "host": "",
    "outcome": "held",
    **UNTOLD,
}


def _recorded(arch: str, build: Mapping[str, Any], level: Mapping[str, Any]) -> dict[str, Any]:
    totals, check = level.get("totals") or {}, level.get("check") or {}
    return {
        **_BUILD,
        "arch": arch,
        "level": level["name"],
        "target": str(level.get("target", "")),
        "host": str(build.get("host", "")),
        "seconds": totals.get("seconds"),
        "packages": {"compiled": totals.get("compiled", 0), "fresh": totals.get("fresh", 0), "failed": 0}
        if totals
        else None,
        "bytes": (level.get("size") or {}).get("bytes"),
        "startup_seconds": check.get("startup_seconds"),
        "workload_seconds": check.get("workload_seconds"),
    }


def _checks(known: Known) -> list[dict[str, Any]]:
    told = [
        {
            "host": str(check["host"]),
            **{key: check.get(key, default) for key, default in CHECK_KEYS.items()},
            "rejected": _rejected(check),
        }
        for check in known.checks
    ]
    if known.ran:
        unwell = {check["host"] for check in told if check["outcome"] != "proved"}
        heard = {check["host"] for check in told} - (set(known.client_errors) - unwell)
        told += [
            {"host": host, **CHECK_KEYS, **_silence(known.client_errors.get(host)), "rejected": []}
            for host in known.clients
            if host not in heard
        ]
    return sorted(told, key=lambda check: (check["environment"], check["host"]))


def _silence(error: str | None) -> dict[str, str]:
    """What is said of a client that proved nothing."""
    if error:
        return {"outcome": "failed", "error": error[:ERROR_LIMIT]}
    return {"outcome": "silent", "error": SILENT}


def _rejected(entry: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"cache": str(item["cache"]), "reason": str(item["reason"])} for item in entry.get("rejected") or []]


def _lagging(known: Known, checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    replicas = [
        {"what": "replica", "id": str(entry["url"]), "revision": entry.get("revision"), "wanted": entry.get("wanted")}
        for entry in known.lagging
    ]
    clients = {
        check["host"]: {
            "what": "client",
            "id": check["host"],
            "revision": check["revision"],
            "wanted": check["wanted"],
        }
        for check in checks
        if check["outcome"] == "lagging"
    }
    return replicas + [clients[host] for host in sorted(clients)]


def _benchmark(entry: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("environment", "release", "julia", "arch", "level", "host", "times")
    measurements = entry.get("measurements") or {}
    return {
        **{key: entry.get(key) for key in keys},
        "measurements": {
            name: {key: value[key] for key in ("samples", "median", "low", "high")}
            for name, value in measurements.items()
            if value
        },
    }


def _failures(known: Known, environments: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    failures = []
    for entry in environments:
        for build in entry["builds"]:
            if build["outcome"] == "failed":
                what = " ".join(word for word in (entry["environment"], build["arch"], build["level"]) if word)
                failures.append(_failure(build["host"], f"build of {what}", build["error"]))
    for publish in known.publishes:
        if publish.get("error"):
            where = str(publish.get("host") or "")
            failures.append(_failure(where, f"publishing {publish['environment']}", str(publish["error"])))
    heard = {str(entry["host"]) for entry in known.builds}
    if known.ran:
        failures += [
            _failure(host, "builder", (known.builder_errors.get(host) or SILENT)[:ERROR_LIMIT])
            for host in known.builders
            if host not in heard
        ]
    # Where something failed already, that is why it is not published.
    if not failures:
        failures += [
            _failure(
                "", f"publishing {entry['environment']}", "what is built of it was not published; " + SAID_ELSEWHERE
            )
            for entry in environments
            if entry["outcome"] == "withheld" and _all_built(entry)
        ]
    return failures


def _all_built(entry: Mapping[str, Any]) -> bool:
    return all(build["outcome"] in ("built", "partly", "fresh", "held") for build in entry["builds"])


def _failed_checks(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    failures, seen = [], set()
    for check in checks:
        if check["outcome"] == "proved" or (check["host"], check["error"]) in seen:
            continue
        seen.add((check["host"], check["error"]))
        tried = check["outcome"] == "failed" and check["environment"]
        what = f"proof of {check['environment']}" if tried else "client"
        failures.append(_failure(check["host"], what, check["error"]))
    return failures


def _failure(where: str, what: str, message: str) -> dict[str, str]:
    return {"where": where, "what": what, "message": message}


def _builds(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [build for entry in document["environments"] for build in entry["builds"]]


def _needs_attention(document: Mapping[str, Any]) -> bool:
    return bool(
        document["lagging"]
        or any(entry["missing"] or entry["outcome"] == "withheld" for entry in document["environments"])
        or any(build["outcome"] == "skipped" for build in _builds(document))
    )


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 build``, ``2 builds``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def _summary(document: Mapping[str, Any], outcome: str) -> str:
    """One line: is all well, and what happened."""
    builds = [build["outcome"] for build in _builds(document)]
    failed = builds.count("failed")
    facts = []
    if failed:
        facts.append(f"{failed} of {counted(len(builds), 'build')} failed")
    elif not builds:
        facts.append("nothing is built")
    elif document["source"] == "store":
        facts.append(f"{counted(len(builds), 'build')} of {counted(len(document['environments']), 'environment')}")
    else:
        new = builds.count("built") + builds.count("partly")
        facts.append(f"{new} of {counted(len(builds), 'build')} made anew" if new else "nothing had to be built")
    published = [entry["environment"] for entry in document["environments"] if entry["outcome"] == "published"]
    if published:
        facts.append(f"{counted(len(published), 'environment')} published")
    withheld = [
        entry["environment"] for entry in document["environments"] if entry["outcome"] in ("withheld", "failed")
    ]
    if 0 < len(withheld) <= NAMED:
        facts.append(f"{' and '.join(withheld)} not published")
    elif withheld:
        facts.append(f"{len(withheld)} environments not published")
    lacking = sum(bool(entry["missing"]) for entry in document["environments"])
    if lacking:
        facts.append(f"{counted(lacking, 'release lacks', 'releases lack')} an architecture")
    hosts = {check["host"] for check in document["checks"]}
    bad = {check["host"] for check in document["checks"] if check["outcome"] in ("failed", "silent")}
    late = {check["host"] for check in document["checks"] if check["outcome"] == "lagging"}
    if bad or late:
        proved = len(hosts - bad - late)
        facts.append(f"{proved} of {counted(len(hosts), 'client')} proved")
    elif hosts:
        facts.append("proved on the only client" if len(hosts) == 1 else f"proved on all {len(hosts)} clients")
    if document["lagging"]:
        facts.append(f"{counted(len(document['lagging']), 'lags', 'lag')} behind")
    other = len(document["failures"]) - failed
    if other and not bad and not late:
        facts.append(f"{counted(other, 'failure')} beside" if failed else counted(other, "failure"))
    head = {"well": "All is well", "attention": "Look at this", "failed": "Something failed"}[outcome]
    return f"{head}: {', '.join(facts)}."
