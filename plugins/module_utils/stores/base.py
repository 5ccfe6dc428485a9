# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores of releases, behind one interface."""

from __future__ import annotations

import os
import shutil
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process, progress
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import StoreError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import (
    RELEASE_ID,
    Layout,
    link_of,
    read_json,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import BASE_ENVIRONMENT
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.plan import Held, Step
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import count, names

COUNTING_SECONDS = 2.0  # a copy that is done before is not counted, and the time between two countings at least
COUNTING_PART = 50.0  # the time between two countings, in multiples of what one takes


@dataclass(frozen=True)
class Delivery:
    """What is to be published: a staged release, the Julia trees with it, and what else belongs into it.

    :param finish: called with the folder of the copy before anybody can see it.
    :param julias: for each ``(version, arch)`` the folder of its tree, and what is called with the copy of that.
    """

    source: str
    finish: Callable[[str], None]
    julias: dict[tuple[str, str], tuple[str, Callable[[str], None]]]


class Store(ABC):
    """A place for releases, below ``root`` as clients see it.

    ``actions`` are what was done beside the steps of a plan, and ``warnings`` are for whoever publishes.
    """

    def __init__(self, root: str) -> None:
        self.layout = Layout(root)
        self.actions: list[dict[str, str]] = []
        self.warnings: list[str] = []

    @abstractmethod
    def exclusive(self, wait: float) -> AbstractContextManager[list[dict[str, str]]]:
        """Hold the store against every other writer; gives what had to be recovered first.

        :raises BusyError: another holds it longer than ``wait`` seconds.
        """

    @abstractmethod
    def transaction(
        self, environment: str, todo: Sequence[Step], delivery: Delivery | None
    ) -> AbstractContextManager[None]:
        """All that is done within becomes visible, or nothing.

        :param todo: the steps that will be taken.
        """

    @abstractmethod
    def revision(self) -> int | None:
        """The revision that readers get, where the store counts them."""

    @abstractmethod
    def left_behind(self) -> list[dict[str, str]]:
        """What a dead run has left, as :meth:`exclusive` will tell it once that is put right."""

    # --- reading

    @property
    def published(self) -> Layout:
        """Where what readers get is read on this machine, also while a transaction is open."""
        return self.layout

    def held(self, environment: str) -> Held:
        """What there is of an environment."""
        layout = self.published
        releases = []
        for name in names(layout.releases(environment)):
            if RELEASE_ID.match(name):
                record = read_json(layout.release(environment, name).record) or {}
                releases.append((name, str(record.get("published", ""))))
        releases.sort(key=lambda item: (item[1], item[0]), reverse=True)
        return Held(
            releases=releases,
            # An activation that died between its two links counts as not begun: it is taken back.
            current=link_of(new_link(layout.previous(environment))) or link_of(layout.current(environment)),
            previous=link_of(layout.previous(environment)),
            julias=frozenset(self._julias()),
        )

    def _julias(self) -> Iterator[tuple[str, str]]:
        folder = self.published.julias
        for version in names(folder):
            for arch in names(os.path.join(folder, version)):
                if not arch.startswith("."):
                    yield version, arch

    # --- writing, within a transaction

    def take(self, environment: str, step: Step, delivery: Delivery | None) -> None:
        """Take one step."""
        if step.what == "julia":
            key = (step.details["version"], step.details["arch"])
            source, finish = delivery.julias[key]
            self._add(source, self.layout.julia(*key), finish)
        elif step.status == "published":
            self._add(delivery.source, self.layout.release(environment, step.id).path, delivery.finish)
        elif step.status == "activated":
            self._activate(environment, step.id, step.details["previous"])
        elif step.status == "removed":
            self._remove(self.layout.release(environment, step.id).path)

    @abstractmethod
    def _add(self, source: str, destination: str, finish: Callable[[str], None]) -> None:
        """Add a copy of a folder, whole; ``finish`` is called with it before anybody can see it."""

    @abstractmethod
    def _remove(self, path: str) -> None:
        """Take a folder out."""

    def _activate(self, environment: str, release: str, previous: str | None) -> None:
        """Move both links. While the new ``previous`` waits for its place, it tells what was current before."""
        links = [(self.layout.current(environment), release)]
        if previous:
            links.append((self.layout.previous(environment), previous))
        for link, target in reversed(links):
            os.symlink(self.layout.link_target(target), new_link(link))
        for link, _target in links:
            os.replace(new_link(link), link)


@contextmanager
def explained(root: str) -> Iterator[None]:
    """Turn what the file system refuses into an error that names the store."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"depot_store: {root}: {error.strerror}: {error.filename or 'no file named'}; what was published before is "
            "unchanged"
        ) from error


def copy_tree(source: str, destination: str) -> None:
    """Copy a folder with modes, modification times and hard links, but owned by who copies.

    :raises StoreError: it could not be copied whole.
    """
    argv = [
        "cp",
        "--recursive",
        "--no-dereference",
        "--preserve=mode,timestamps,links",
        "--reflink=auto",
        "--no-target-directory",
        "--",
        source,
        destination,
    ]
    completed = process.run(argv, BASE_ENVIRONMENT, output_limit=4096, on_poll=_Copying(source, destination).look)
    if not completed.ok:
        free = shutil.disk_usage(os.path.dirname(destination)).free
        raise StoreError(
            f"{source} could not be copied to {destination} ({free // 1024**2} MiB are free there): "
            f"{completed.stderr.strip()}",
            **completed.details(),
        )


class _Copying:
    """How much of a folder was copied. It is counted seldom, so that this takes little of the time of the copy."""

    def __init__(self, source: str, destination: str) -> None:
        self.source = source
        self.destination = destination
        self._total: int | None = None
        self._next = time.monotonic() + COUNTING_SECONDS

    def look(self) -> None:
        """Count and tell, if it is time for that."""
        started = time.monotonic()
        if started < self._next:
            return
        if self._total is None:
            self._total = count(self.source).bytes
        done = min(count(self.destination).bytes, self._total)
        progress.tell("copy", self.source, done=done // 10**6, total=self._total // 10**6, unit="MB")
        now = time.monotonic()
        self._next = now + max(COUNTING_SECONDS, COUNTING_PART * (now - started))


def remove_tree(path: str) -> None:
    """Remove a folder, also where folders in it are read-only; nothing outside of it is touched."""
    try:
        shutil.rmtree(path)
    except PermissionError:
        os.chmod(path, 0o700)
        for parent, folders, _files in os.walk(path):
            for folder in [os.path.join(parent, name) for name in folders]:
                if not os.path.islink(folder):
                    os.chmod(folder, 0o700)
        shutil.rmtree(path)


def new_link(link: str) -> str:
    """Where a link is made before it takes its place."""
    return f"{link}.new"
