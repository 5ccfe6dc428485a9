# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an invented site would tell, for tests of reports and for the picture in the README. None of it was measured."""

from __future__ import annotations

import uuid
from typing import Any

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.document import Known
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.report.outcomes import UNTOLD

STORE = {"type": "cvmfs", "repository": "software.example.org", "path": "julia"}
TIME = "2026-11-28T03:12:40+00:00"
ENVIRONMENTS = {
    # name: Julia, packages, seconds to compile for generic, megabytes of caches for it, of all that is common
    "jets": ("1.10.8", 138, 742.0, 412, 1190),
    "event-display": ("1.11.5", 96, 655.0, 388, 940),
    "statistics": ("1.10.8", 61, 231.0, 140, 310),
}
LEVELS = {"x86_64": {"generic": 1.0, "x86-64-v3": 1.08, "x86-64-v4": 1.13}, "aarch64": {"generic": 1.31}}
TARGETS = {"generic": "generic", "x86-64-v3": "haswell,-rdrnd", "x86-64-v4": "skylake-avx512"}
CLIENTS = [f"wn{number:03}" for number in range(1, 41)]
MANIFEST = """
julia_version = "1.10.8"
manifest_format = "2.0"
"""
LOCKS = {
    "before": {"JetReconstruction": "0.4.3", "LorentzVectorHEP": "0.1.6", "UnROOT": "0.10.34", "Zygote": "0.6.75"},
    "after": {"JetReconstruction": "0.4.6", "LorentzVectorHEP": "0.1.8", "UnROOT": "0.10.36", "EDM4hep": "0.4.1"},
}
ERROR = """1 of 61 packages failed to precompile for skylake-avx512:
- StatsPlots: LoadError: UndefVarError: `KernelDensity` not defined
Stacktrace:
 [1] top-level scope
   @ ~/packages/StatsPlots/SiylL/src/StatsPlots.jl:21
in expression starting at ~/packages/StatsPlots/SiylL/src/StatsPlots.jl:1"""
REJECTED = {
    "cache": "/cvmfs/software.example.org/julia/environments/jets/releases/4f0c9a6be21d7733/x86_64/x86-64-v3/"
    "compiled/v1.10/UnROOT/RdDcQ_4kLmn.ji",
    "reason": "because it is for file /cvmfs/software.example.org/julia/environments/jets/releases/4f0c9a6be21d7733/"
    "x86_64/common/packages/UnROOT/k2Wvc/src/UnROOT.jl, which has changed",
}


def manifest(packages: dict[str, str]) -> str:
    """The text of a lock that pins these packages."""
    entries = [
        f'[[deps.{name}]]\nuuid = "{uuid.uuid5(uuid.NAMESPACE_DNS, name)}"\nversion = "{version}"\n'
        for name, version in sorted(packages.items())
    ]
    return MANIFEST + "\n".join(entries)


def record(name: str, release: str, published: str, growth: float = 1.0) -> dict[str, Any]:
    """The record of a release, as the module ``depot_release_info`` tells it."""
    julia, packages, seconds, caches, common = ENVIRONMENTS[name]
    levels = {
        arch: [
            {
                "name": level,
                "target": TARGETS[level],
                "totals": {"compiled": packages, "fresh": 0, "seconds": round(seconds * factor, 1)},
                "size": {"bytes": int(caches * factor * growth * 1e6), "entries": 4 * packages},
                "check": {"compiled": [], "startup_seconds": 2.1 * factor, "workload_seconds": 3.0 * factor},
                "rebuilt": "",
            }
            for level, factor in factors.items()
        ]
        for arch, factors in LEVELS.items()
    }
    total = common * 2 * growth * 1e6 + sum(level["size"]["bytes"] for entries in levels.values() for level in entries)
    return {
        "release": release,
        "environment": name,
        "published": published,
        "julia": julia,
        "size": {"bytes": int(total), "entries": 52_310},
        "missing": [],
        "platforms": [],
        "inputs": {"project": release, "targets": LEVELS},
        "architectures": {
            arch: {"host": f"builder-{arch}", "size": {"bytes": int(common * 1e6)}, "levels": entries}
            for arch, entries in levels.items()
        },
    }


def held(name: str, current: str, previous: str | None = None) -> dict[str, Any]:
    """What the store holds of an environment."""
    before = record(name, previous, "2026-11-14T03:08:11.120394+00:00", growth=0.93) if previous else None
    now = record(name, current, "2026-11-28T03:09:55.402113+00:00" if name == "jets" else "2026-11-21T03:10:02+00:00")
    locks = {lock: manifest(packages) for lock, packages in LOCKS.items()} if before and name == "jets" else {}
    return {
        "environment": name,
        "current": current,
        "previous": previous,
        "releases": [{"release": current, "published": now["published"]}],
        "record": now,
        "record_before": before,
        "locks": locks,
    }


def result(name: str, release: str, arch: str, level: str, outcome: str, **told: Any) -> dict[str, Any]:
    """What a builder tells of a build."""
    return {
        "environment": name,
        "release": release,
        "julia": ENVIRONMENTS[name][0],
        "arch": arch,
        "level": level,
        "host": f"builder-{arch}",
        "outcome": outcome,
        **UNTOLD,
        **told,
    }


def check(host: str, name: str, release: str, seconds: float, **told: Any) -> dict[str, Any]:
    """What a client tells of a proof."""
    proof = {"environment": name, "host": host, "outcome": "proved", "error": "", "release": release, "rejected": []}
    return {**proof, "startup_seconds": round(seconds, 2), "workload_seconds": round(seconds * 1.4, 2), **told}


RELEASES = {"jets": "4f0c9a6be21d7733", "event-display": "b7721d09ce5a6f18", "statistics": "0c52e9d3a8f41b6e"}
EARLIER = {"jets": "91d3be07f6c2a845", "event-display": "3a80c4f1d92be657"}


def first() -> Known:
    """The first run: all is built and published."""
    return Known(
        store=STORE,
        held=[held(name, release) for name, release in RELEASES.items()],
        builds=[
            result(name, release, arch, level, "built")
            for name, release in RELEASES.items()
            for arch, levels in LEVELS.items()
            for level in levels
        ],
        publishes=[publish(name, release, True) for name, release in RELEASES.items()],
        checks=checks(),
        builders=["builder-aarch64", "builder-x86_64"],
        clients=CLIENTS,
        revision=118,
    )


def publish(name: str, release: str, changed: bool, **told: Any) -> dict[str, Any]:
    """What the publisher tells of a release."""
    return {"environment": name, "published": release, "missing": [], "changed": changed, **told}


def checks() -> list[dict[str, Any]]:
    return [
        check(host, name, release, 1.7 + 0.9 * index + 0.021 * (number * 7 % 40))
        for index, (name, release) in enumerate(RELEASES.items())
        for number, host in enumerate(CLIENTS)
    ]


def update() -> Known:
    """A later run: one environment has a new lock, the others are as they were."""
    return Known(
        store=STORE,
        held=[held(name, release, EARLIER.get(name)) for name, release in RELEASES.items()],
        builds=[
            result(name, release, arch, level, "partly" if name == "jets" else "fresh")
            for name, release in RELEASES.items()
            for arch, levels in LEVELS.items()
            for level in levels
        ],
        publishes=[publish(name, release, name == "jets") for name, release in RELEASES.items()],
        checks=checks(),
        builders=["builder-aarch64", "builder-x86_64"],
        clients=CLIENTS,
        revision=124,
    )


def failed() -> Known:
    """A package of one environment does not compile, and nothing of that run is published."""
    builds = [
        result(name, RELEASES[name] if name != "statistics" else "77e0f4c1b29d5a30", arch, level, "fresh")
        for name in RELEASES
        for arch, levels in LEVELS.items()
        for level in levels
    ]
    for build in builds:
        if (build["environment"], build["level"]) == ("statistics", "x86-64-v4"):
            packages = {"compiled": 60, "fresh": 0, "failed": 1}
            build.update(outcome="failed", error=ERROR, packages=packages)
        elif build["environment"] == "statistics":
            done = {"outcome": "built", "seconds": 240.0, "bytes": 150_000_000}
            build.update({"outcome": "skipped"} if build["arch"] == "aarch64" else done)
    return Known(
        store=STORE,
        held=[held(name, release, EARLIER.get(name)) for name, release in RELEASES.items()],
        builds=builds,
        builders=["builder-aarch64", "builder-x86_64"],
        revision=None,
    )


def lagging() -> Known:
    """A replica and a client do not follow, one client fails, and one says nothing."""
    proofs = [entry for entry in checks() if entry["host"] not in ("wn007", "wn023", "wn031")]
    late = {"outcome": "lagging", "revision": 117, "wanted": 124, "startup_seconds": None}
    error = "repository: software.example.org: revision 124 is not served by 1 of 1 after 900 s"
    proofs += [check("wn007", name, "", 0, error=error, **late) for name in RELEASES]
    error = "the depot is not proved:\n- compiled although a cache was to be there: UnROOT"
    refused = {"outcome": "failed", "rejected": [REJECTED]}
    proofs += [
        check("wn023", name, RELEASES[name], 14.2, **({"error": error, **refused} if name == "jets" else {}))
        for name in RELEASES
    ]
    known = update()
    replica = {"url": "http://stratum1-b.example.org/cvmfs/software.example.org", "revision": 121, "wanted": 124}
    return Known(**{**known.__dict__, "checks": proofs, "lagging": [replica]})


def measured() -> Known:
    """An update with what the playbook ``benchmark`` has measured."""

    def spread(median: float) -> dict[str, Any]:
        samples = [round(median * factor, 3) for factor in (0.93, 0.97, 1.0, 1.05, 1.12)]
        return {"samples": samples, "median": samples[2], "low": samples[1], "high": samples[3]}

    measurements = {"nothing": 212.0, "private": 2.4, "published_cold": 4.1, "published_warm": 2.3}
    benchmark = {
        "environment": "jets",
        "release": RELEASES["jets"],
        "julia": "1.10.8",
        "arch": "x86_64",
        "level": "x86-64-v3",
        "host": "wn001",
        "times": 5,
        "measurements": {name: spread(median) for name, median in measurements.items()},
    }
    return Known(**{**update().__dict__, "benchmarks": [benchmark]})


def large() -> Known:
    """A site of 125 environments with four levels each, a hundred clients, and something to tell of each."""
    first_run = first()
    names = [f"environment-{number:03}" for number in range(125)]
    packages = {f"Package{number}": "1.0.0" for number in range(60)}
    locks = {"before": manifest(dict.fromkeys(packages, "0.9.0")), "after": manifest(packages)}
    entry, builds = held("jets", RELEASES["jets"], EARLIER["jets"]), first_run.builds[:4]
    return Known(
        store=STORE,
        held=[{**entry, "environment": name, "locks": locks} for name in names],
        builds=[{**build, "environment": name} for name in names for build in builds],
        publishes=[publish(name, RELEASES["jets"], True) for name in names],
        checks=[
            check(f"wn{number:03}", name, RELEASES["jets"], 2.0, **({"rejected": [REJECTED]} if number == 7 else {}))
            for name in names
            for number in range(100)
        ],
    )


SCENES = {"first": first, "update": update, "failed": failed, "lagging": lagging, "measured": measured}
