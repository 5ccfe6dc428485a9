# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store holds of one environment, what is wanted of it, and the steps between the two. No step is taken here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import StoreError

VERBS = {"added": "add", "published": "publish", "activated": "activate", "removed": "remove"}


@dataclass(frozen=True)
class Held:
    """What a store holds of one environment; ``releases`` are the ids with the time of publication, newest first."""

    releases: Sequence[tuple[str, str]] = ()
    current: str | None = None
    previous: str | None = None
    julias: frozenset = frozenset()

    @property
    def ids(self) -> list[str]:
        return [release for release, _published in self.releases]


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    :param publish: a release to add, with the Julia trees ``(version, arch)`` that it needs.
    :param activate: a release to make current; ``previous`` stands for the one before.
    :param remove: releases to take out.
    :param keep: how many releases to keep, 0: all.
    """

    publish: str | None = None
    julias: Sequence[tuple[str, str]] = ()
    activate: str | None = None
    remove: Sequence[str] = ()
    keep: int = 0


@dataclass(frozen=True)
class Step:
    """One change: ``what`` is ``julia``, ``release`` or ``current``; ``status`` is what becomes of it."""

    what: str
    id: str
    status: str
    details: dict = field(default_factory=dict, compare=False)

    @property
    def verb(self) -> str:
        """What is done, for sentences about it."""
        return VERBS[self.status]

    def action(self) -> dict[str, str]:
        return {"what": self.what, "id": self.id, "status": self.status}


def steps(held: Held, wanted: Wanted) -> list[Step]:
    """The steps from what is held to what is wanted, in the order in which they are safe.

    :raises StoreError: a release that is asked for is not held, or one that is in use is to be removed.
    """
    found: list[Step] = []
    ids = list(held.ids)
    for version, arch in wanted.julias:
        if (version, arch) not in held.julias:
            found.append(Step("julia", f"{version}/{arch}", "added", {"version": version, "arch": arch}))
    if wanted.publish and wanted.publish not in ids:
        found.append(Step("release", wanted.publish, "published"))
        ids.insert(0, wanted.publish)
    current, previous = held.current, held.previous
    target = _activated(held, wanted, ids)
    if target and target != current:
        found.append(Step("current", target, "activated", {"previous": current}))
        current, previous = target, current
    protected = {current, previous}
    left = [release for release in ids if release not in wanted.remove]
    surplus = _surplus(left, {*protected, wanted.publish}, wanted.keep)
    for release in [*dict.fromkeys(wanted.remove), *surplus]:
        if release not in ids:
            continue
        if release in protected:
            raise StoreError(
                f"release {release} is {'current' if release == current else 'the previous one'} and is not removed; "
                "activate others first"
            )
        found.append(Step("release", release, "removed"))
    return found


def _activated(held: Held, wanted: Wanted, ids: Sequence[str]) -> str | None:
    if wanted.activate is None:
        return None
    target = wanted.activate
    if target == "previous":
        target = held.previous if held.previous in ids and held.previous != held.current else None
        if target is None:
            raise StoreError("there is no previous release to activate")
    if target not in ids:
        there = ", ".join(ids) or "none"
        raise StoreError(f"release {target!r} is not in the store; there are: {there}")
    return target


def _surplus(ids: Sequence[str], protected: set, keep: int) -> list[str]:
    """The oldest releases beyond ``keep``, as far as they are not in use."""
    if keep <= 0:
        return []
    kept = [release for release in ids if release in protected]
    room = max(0, keep - len(kept))
    others = [release for release in ids if release not in protected]
    return others[room:]
