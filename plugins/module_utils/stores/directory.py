# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in a shared directory: each step is one rename, and one lock keeps writers apart."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import Callable, Iterator, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import locks, process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import (
    BusyError,
    InputError,
    StoreError,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import link_of
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import BASE_ENVIRONMENT
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.base import (
    Delivery,
    Store,
    copy_tree,
    explained,
    new_link,
    remove_tree,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.stores.plan import Step
from ansible_collections.scisoft.julia_depots.plugins.module_utils.trees import names

INCOMING, REMOVING = ".incoming-", ".removing-"


class DirectoryStore(Store):
    """Releases in a folder of this machine or of a network file system."""

    @contextmanager
    def exclusive(self, wait: float) -> Iterator[list[dict[str, str]]]:
        root = self.layout.root
        if os.path.lexists(root) and not os.path.isdir(root):
            raise InputError([f"depot_store: path: {root} is not a folder"])
        with explained(root):
            os.makedirs(root, exist_ok=True)
            descriptor = os.open(self.layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                locks.acquire(descriptor, wait, f"depot_store: {root} is being written to")
            except BusyError as error:
                raise BusyError(f"{error.message}. Held by: {locks.read_holder(descriptor)}") from None
            with explained(root):
                locks.write_holder(descriptor, "publish")
                yield self._clear(self._leftovers())
        finally:
            os.close(descriptor)

    @contextmanager
    def transaction(self, environment: str, todo: Sequence[Step], delivery: Delivery | None) -> Iterator[None]:
        with explained(self.layout.root):
            yield

    def revision(self) -> None:
        return None

    def left_behind(self) -> list[dict[str, str]]:
        return [_removed(path) for path in self._leftovers()]

    def _settle(self, folder: str) -> None:
        """Make sure that a copy outlives a crash of the machine before it gets its name."""
        completed = process.run(["sync", "--file-system", folder], BASE_ENVIRONMENT)
        if not completed.ok:
            raise StoreError(f"{folder} could not be written to its disk: {completed.stderr}", **completed.details())

    def _add(self, source: str, destination: str, finish: Callable[[str], None]) -> None:
        folder, name = os.path.split(destination)
        os.makedirs(folder, exist_ok=True)
        incoming = os.path.join(folder, INCOMING + name)
        try:
            copy_tree(source, incoming)
            finish(incoming)
            self._settle(incoming)
            os.rename(incoming, destination)
        except BaseException:
            with suppress(OSError):  # what cannot be removed is a leftover, which the next run tells
                remove_tree(incoming)
            raise

    def _remove(self, path: str) -> None:
        folder, name = os.path.split(path)
        removing = os.path.join(folder, REMOVING + name)
        os.rename(path, removing)
        remove_tree(removing)

    def _leftovers(self) -> list[str]:
        """Paths that a dead run left: half a copy, half a removal, a link without its place."""
        found = []
        julia = self.layout.julias
        for version in names(julia):
            found += _hidden(os.path.join(julia, version))
        for environment in names(self.layout.environments):
            found += _hidden(self.layout.releases(environment))
            for link in (self.layout.current(environment), self.layout.previous(environment)):
                if os.path.lexists(new_link(link)):
                    found.append(new_link(link))
        return found

    def _clear(self, paths: Sequence[str]) -> list[dict[str, str]]:
        """Remove leftovers; what was recovered, one entry each."""
        recovered = []
        for path in paths:
            if not os.path.islink(path):
                remove_tree(path)
            else:
                recovered += self._take_back(path)
                os.unlink(path)
            recovered.append(_removed(path))
        return recovered

    def _take_back(self, link: str) -> list[dict[str, str]]:
        """Undo the activation that left ``previous.new``, if it came as far as ``current``."""
        environment = os.path.basename(os.path.dirname(link))
        before, current = link_of(link), self.layout.current(environment)
        if link != new_link(self.layout.previous(environment)) or link_of(current) == before:
            return []
        os.symlink(self.layout.link_target(before), new_link(current))
        os.replace(new_link(current), current)
        return [{"what": "current", "path": current, "status": "taken back"}]


def _removed(path: str) -> dict[str, str]:
    """An entry of ``recovered``."""
    return {"what": "leftover", "path": path, "status": "removed"}


def _hidden(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in names(folder) if name.startswith((INCOMING, REMOVING))]
