# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores of releases, behind one interface."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import StoreError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import RECORD
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import (
    RELEASE_ID,
    Layout,
    read_json,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import BASE_ENVIRONMENT
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.plan import Held, Step
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import names

INCOMING, REMOVING = ".incoming-", ".removing-"


@dataclass(frozen=True)
class Delivery:
    """What is to be published: a staged release, the Julia trees with it, and what else belongs into it.

    :param finish: called with the folder of the copy before anybody can see it.
    :param julias: ``(version, arch)`` and the folder of its tree.
    :param finish_julia: the same for each copy of a tree.
    """

    source: str
    finish: Callable[[str], None]
    julias: dict[tuple[str, str], str]
    finish_julia: dict[tuple[str, str], Callable[[str], None]]


class Store(ABC):
    """A place for releases, below ``root`` as clients see it."""

    def __init__(self, root: str) -> None:
        self.layout = Layout(root)

    @abstractmethod
    def exclusive(self, wait: float) -> AbstractContextManager[list[dict[str, str]]]:
        """Hold the store against every other writer; gives what had to be recovered first.

        :raises BusyError: another holds it longer than ``wait`` seconds.
        """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """All that is done within becomes visible, or nothing."""

    @abstractmethod
    def revision(self) -> int | None:
        """The revision that readers get, where the store counts them."""

    # --- reading

    def held(self, environment: str) -> Held:
        """What there is of an environment."""
        folder = self.layout.releases(environment)
        releases = []
        for name in names(folder):
            if RELEASE_ID.match(name):
                record = read_json(self.layout.release(environment, name).record) or {}
                releases.append((name, str(record.get("published", ""))))
        releases.sort(key=lambda item: (item[1], item[0]), reverse=True)
        return Held(
            releases=releases,
            current=_link(self.layout.current(environment)),
            previous=_link(self.layout.previous(environment)),
            julias=frozenset(self._julias()),
        )

    def _julias(self) -> Iterator[tuple[str, str]]:
        folder = os.path.join(self.layout.root, "julia")
        for version in names(folder):
            for arch in names(os.path.join(folder, version)):
                if not arch.startswith("."):
                    yield version, arch

    def julia_record(self, version: str, arch: str) -> dict[str, Any]:
        """What a published Julia says of itself; empty where it has no record."""
        return read_json(os.path.join(self.layout.julia(version, arch), RECORD)) or {}

    # --- writing, within a transaction

    def take(self, environment: str, step: Step, delivery: Delivery | None) -> None:
        """Take one step."""
        if step.what == "julia":
            key = (step.details["version"], step.details["arch"])
            self._add(delivery.julias[key], self.layout.julia(*key), delivery.finish_julia[key])
        elif step.status == "published":
            self._add(delivery.source, self.layout.release(environment, step.id).path, delivery.finish)
        elif step.status == "activated":
            previous = step.details["previous"]
            if previous:
                self._point(self.layout.previous(environment), previous)
            self._point(self.layout.current(environment), step.id)
        elif step.status == "removed":
            self._remove(self.layout.release(environment, step.id).path)

    def _add(self, source: str, destination: str, finish: Callable[[str], None]) -> None:
        folder, name = os.path.split(destination)
        os.makedirs(folder, exist_ok=True)
        incoming = os.path.join(folder, INCOMING + name)
        try:
            copy_tree(source, incoming)
            finish(incoming)
            self.settle(incoming)
            os.rename(incoming, destination)
        except BaseException:
            shutil.rmtree(incoming, ignore_errors=True)
            raise

    def settle(self, folder: str) -> None:
        """Make sure that a copy outlives a crash of the machine before it gets its name."""

    def _point(self, link: str, release: str) -> None:
        temporary = f"{link}.new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.symlink(self.layout.link_target(release), temporary)
        os.replace(temporary, link)

    def _remove(self, path: str) -> None:
        folder, name = os.path.split(path)
        removing = os.path.join(folder, REMOVING + name)
        os.rename(path, removing)
        remove_tree(removing)

    def leftovers(self) -> list[str]:
        """Paths that a dead run left: half a copy, half a removal, a link without its place."""
        found = []
        julia = os.path.join(self.layout.root, "julia")
        for version in names(julia):
            found += _hidden(os.path.join(julia, version))
        for environment in names(self.layout.environments):
            found += _hidden(self.layout.releases(environment))
            for link in (self.layout.current(environment), self.layout.previous(environment)):
                if os.path.lexists(f"{link}.new"):
                    found.append(f"{link}.new")
        return found

    def clear(self, paths: Sequence[str]) -> list[dict[str, str]]:
        """Remove leftovers; what was recovered, one entry each."""
        recovered = []
        for path in paths:
            if os.path.islink(path):
                os.unlink(path)
            else:
                remove_tree(path)
            recovered.append({"what": "leftover", "path": path, "status": "removed"})
        return recovered


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
    completed = process.run(argv, BASE_ENVIRONMENT, output_limit=4096)
    if not completed.ok:
        free = shutil.disk_usage(os.path.dirname(destination)).free
        raise StoreError(
            f"{source} could not be copied to {destination} ({free // 1024**2} MiB are free there): "
            f"{completed.stderr.strip()}",
            **completed.details(),
        )


def remove_tree(path: str) -> None:
    """Remove a folder, also where folders in it are read-only."""

    def make_writable(_function: Any, failed: str, _info: Any) -> None:
        os.chmod(os.path.dirname(failed), 0o700)
        os.chmod(failed, 0o700)
        if os.path.isdir(failed):
            shutil.rmtree(failed)
        else:
            os.unlink(failed)

    shutil.rmtree(path, onerror=make_writable)


def _hidden(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in names(folder) if name.startswith((INCOMING, REMOVING))]


def _link(path: str) -> str | None:
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return None
