# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in a CernVM-FS repository: each change is one transaction of its server, and readers follow its revisions."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import trees
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import (
    catalogs,
    ownership,
    server,
    tags,
    transaction,
    whitelist,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import (
    Layout,
    Release,
    link_of,
    read_json,
    write_json,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.base import (
    Delivery,
    Store,
    copy_tree,
    explained,
    remove_tree,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.plan import Step

WORTH_CLONING = 0.5  # of the entries must be as in the release that is cloned; taking others out costs as much


class CvmfsStore(Store):
    """Releases below a path of a repository, on the server that publishes it.

    :param root: the store as clients see it, below ``/cvmfs/<repository>``.
    """

    def __init__(self, repository: Repository, root: str, options: transaction.Options) -> None:
        super().__init__(root)
        self.repository = repository
        self.path = os.path.relpath(root, repository.mount)
        self.options = options
        self.settings = server.require(repository)
        # Of what is published, made before a transaction opens: what is in a release, and the catalogs by source.
        self._listing: dict[str, list[Any]] = {}
        self._catalogs: dict[str, catalogs.Plan] = {}
        self._template: tuple[str, trees.Difference] | None = None  # the clone that a release begins with

    @property
    def published(self) -> Layout:
        return Layout(os.path.normpath(os.path.join(self.repository.read_only, self.path)))

    @contextmanager
    def exclusive(self, wait: float) -> Iterator[list[dict[str, str]]]:
        with ownership.exclusive(self.repository, wait, f"publish in {self.layout.root}") as recovered:
            yield recovered

    def left_behind(self) -> list[dict[str, str]]:
        return ownership.left_behind(self.repository)

    def revision(self) -> int:
        return self.repository.manifest().revision

    @contextmanager
    def transaction(self, environment: str, todo: Sequence[Step], delivery: Delivery | None) -> Iterator[None]:
        renewed, warnings = whitelist.keep_valid(self.repository, self.options.whitelist_days)
        self.actions += renewed
        self.warnings += warnings
        self._plan(todo, delivery)
        gateway = transaction.is_gateway(self.settings)
        # A template that cannot be cloned leaves a gateway's lease taken (2.12, publish/repository_transaction.cc).
        template = None if gateway else self._choose_template(environment, todo, delivery)
        moment = tags.moment_of_publish(self.repository.manifest().published)
        with explained(self.layout.root), transaction.around(
            self.repository,
            purpose=_purpose(environment, todo),
            options=self.options,
            tag=tags.publish_tag(environment, _release_of(todo), moment),
            lease=self.path if gateway and self.path != "." else "",
            template=template,
        ) as opened:
            if not opened.cloned:
                self._template = None
            yield
        self.warnings += opened.warnings

    def _plan(self, todo: Sequence[Step], delivery: Delivery | None) -> None:
        """Read what is to be published, so that only the copy is left to do while a transaction is open."""
        if delivery is None:
            return
        added = [
            delivery.julias[(step.details["version"], step.details["arch"])][0] for step in todo if _is_julia(step)
        ]
        if any(_is_release(step) for step in todo):
            added.append(delivery.source)
            self._listing = trees.listing(delivery.source)
        self._catalogs = {source: catalogs.plan(source) for source in added}
        for plan in self._catalogs.values():
            self.warnings += plan.warnings

    def _choose_template(
        self, environment: str, todo: Sequence[Step], delivery: Delivery | None
    ) -> tuple[str, str] | None:
        """The paths in the repository of the current release and of the one that can begin as its clone, if one can."""
        self._template = None
        new = next((step.id for step in todo if _is_release(step)), None)
        current = link_of(self.published.current(environment))
        if new is None or current is None or delivery is None:
            return None
        there = self.published.release(environment, current)
        held = read_json(there.files)
        if held is None:
            return None
        found = trees.difference(delivery.source, self._listing, there.path, held)
        if found.unchanged < WORTH_CLONING * found.total:
            return None
        self._template = (self.layout.release(environment, new).path, found)
        return tuple(
            os.path.relpath(self.layout.release(environment, release).path, self.repository.mount)
            for release in (current, new)
        )

    def take(self, environment: str, step: Step, delivery: Delivery | None) -> None:
        super().take(environment, step, delivery)
        if _is_release(step):
            _list_files(self._listing, self.layout.release(environment, step.id))

    def _add(self, source: str, destination: str, finish: Callable[[str], None]) -> None:
        if self._template and self._template[0] == destination:
            trees.update(source, destination, self._template[1])
        else:
            os.makedirs(os.path.dirname(destination), exist_ok=True)
            copy_tree(source, destination)
        finish(destination)
        catalogs.place(destination, self._catalogs[source])

    def _remove(self, path: str) -> None:
        remove_tree(path)


def _is_julia(step: Step) -> bool:
    return step.what == "julia"


def _is_release(step: Step) -> bool:
    """Whether a step publishes one."""
    return step.what == "release" and step.status == "published"


def _list_files(listing: Mapping[str, list[Any]], release: Release) -> None:
    """Record what a release was made from, and what it was given beside that."""
    found = dict(listing)
    for name in trees.names(release.path):
        if name != catalogs.MARKER:
            found.setdefault(name, ["other", 0, 0, 0])
    write_json(release.files, found, indent=None)


def _release_of(todo: Sequence[Step]) -> str:
    """The release that a transaction is about: what becomes current, or is published, or is removed."""
    for status in ("activated", "published", "removed"):
        for step in todo:
            if step.status == status:
                return step.id
    return "julia"


def _purpose(environment: str, todo: Sequence[Step]) -> str:
    return f"{environment}: " + ", ".join(f"{step.verb} {step.what} {step.id}" for step in todo)
