# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts tell: entries of the facts ``depot_build_results`` and ``depot_client_checks``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# What is known of a build before anybody has told of it.
UNTOLD: dict[str, Any] = {
    "seconds": None,
    "packages": None,
    "bytes": None,
    "startup_seconds": None,
    "workload_seconds": None,
    "rejected": [],
    "error": "",
}
ERROR_LIMIT = 4000  # characters; a message begins with what failed and where


def build_results(
    builds: Sequence[Mapping[str, Any]],
    host: str,
    release: str,
    levels: Sequence[Mapping[str, Any]] = (),
    complete: bool = False,
    fault: str = "",
    failure: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """One entry for each build of one environment that is this builder's.

    :param builds: these builds, of the plan, in the order in which they are built.
    :param levels: what was built of them in this run, as the role remembers each level.
    :param complete: whether all was there before.
    :param fault: why the first of those that are not among ``levels`` was not built; empty: nobody tried.
    :param failure: the failed result of the module that is to blame, if there is one.
    :returns: ``environment``, ``release``, ``julia``, ``arch``, ``level``, ``host``, ``outcome``, ``seconds``,
        ``packages``, ``bytes``, ``startup_seconds``, ``workload_seconds``, ``rejected`` and ``error``. Numbers that
        nobody has measured in this run are none. An outcome is ``built``, ``partly`` (some packages were there),
        ``fresh`` (all were there), ``failed`` or ``skipped`` (none tried).
    """
    done = {level["name"]: level for level in levels}
    results, blamed = [], False
    for build in builds:
        entry: dict[str, Any] = {
            "environment": build["environment"],
            "release": release,
            "julia": build["julia"]["version"],
            "arch": build["arch"],
            "level": build["level"],
            "host": host,
            "outcome": "fresh" if complete else "skipped",
            **UNTOLD,
        }
        level = done.get(build["level"])
        if level:
            entry.update(_built(level))
        elif fault and not complete and not blamed:
            blamed = True
            entry.update(_failed(fault, failure or {}))
        results.append(entry)
    return results


def _built(level: Mapping[str, Any]) -> dict[str, Any]:
    totals, check = level["totals"], level["check"]
    compiled, fresh = totals["compiled"], totals["fresh"]
    return {
        "outcome": "fresh" if not compiled else "partly" if fresh else "built",
        "seconds": totals["seconds"],
        "packages": {"compiled": compiled, "fresh": fresh, "failed": 0},
        "bytes": level["size"]["bytes"],
        "startup_seconds": check["startup_seconds"],
        "workload_seconds": check["workload_seconds"],
    }


def _failed(fault: str, failure: Mapping[str, Any]) -> dict[str, Any]:
    packages = failure.get("packages") if failure.get("failed_packages") else None
    states = [package.get("state") for package in packages or []]
    return {
        "outcome": "failed",
        "packages": {state: states.count(state) for state in ("compiled", "fresh", "failed")} if packages else None,
        "rejected": list(failure.get("rejected") or []),
        "error": fault[:ERROR_LIMIT],
    }


def check_results(
    environments: Sequence[str],
    host: str,
    proofs: Sequence[Mapping[str, Any]] = (),
    waited: Mapping[str, Any] | None = None,
    wanted: int = 0,
) -> list[dict[str, Any]]:
    """One entry for each environment that a node was to prove, as far as that was tried.

    :param environments: their names.
    :param proofs: results of ``depot_release_check``, in the order of the environments; those skipped tell nothing.
    :param waited: result of ``cvmfs_revision``, where the node waited for a revision; the ``wanted`` one.
    :returns: ``environment``, ``host``, ``outcome`` (``proved``, ``failed`` or ``lagging``) and ``error``; of what was
        tried also ``release``, ``missing``, ``startup_seconds``, ``workload_seconds`` and ``rejected``, of a lagging
        node ``revision`` and ``wanted``.
    """
    if waited and waited.get("failed"):
        served = next(iter(waited.get("lagging") or []), {}).get("revision")
        lag = {"host": host, "outcome": "lagging", "error": _shortened(waited), "revision": served, "wanted": wanted}
        return [dict(lag, environment=environment) for environment in environments]
    return [
        {
            "environment": environment,
            "host": host,
            "outcome": "failed" if proof.get("failed") else "proved",
            "error": _shortened(proof) if proof.get("failed") else "",
            "release": proof.get("release", ""),
            "missing": proof.get("missing", []),
            "startup_seconds": proof.get("startup_seconds"),
            "workload_seconds": proof.get("workload_seconds"),
            "rejected": proof.get("rejected", []),
        }
        for environment, proof in zip(environments, proofs, strict=False)
        if not proof.get("skipped")
    ]


def _shortened(failure: Mapping[str, Any]) -> str:
    return (failure.get("msg") or "it failed")[:ERROR_LIMIT]
