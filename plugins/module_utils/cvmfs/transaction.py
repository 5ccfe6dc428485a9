# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions with an owner: one around a few steps of a program, and one that the tasks of a run share."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import progress
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import (
    ownership,
    server,
    session,
    tags,
    whitelist,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, ServerError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import fault_of_repository

STATES = ("started", "published", "aborted")
ARGUMENT_SPEC = {
    "repository": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "required": True},
    "run": {"type": "str", "required": True},
    "purpose": {"type": "str", "default": "change it by tasks of a playbook"},
    "lifetime": {"type": "int", "default": 14400},
    "path": {"type": "str", "default": ""},
    "tag": {"type": "str", "default": ""},
    "description": {"type": "str", "default": ""},
    "force": {"type": "bool", "default": False},
    "open_files_timeout": {"type": "int", "default": 60},
    "whitelist_days": {"type": "int", "default": 7},
    "lock_timeout": {"type": "int", "default": 600},
}


@dataclass
class Opened:
    """A transaction that is open.

    :param cloned: whether it began with the clone that was asked for.
    :param warnings: what has to be told, complete once it is published.
    """

    cloned: bool
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Options:
    """How a transaction is published.

    :param force: although somebody has files open there for reading.
    :param open_files_timeout: seconds to wait until nobody has.
    :param whitelist_days: so many days the whitelist must still be valid, or it is renewed before.
    """

    force: bool = False
    open_files_timeout: float = 60
    whitelist_days: float = 7


def is_gateway(settings: Mapping[str, str]) -> bool:
    """Whether a repository is published through a gateway, which leases paths of it."""
    return settings.get("CVMFS_UPSTREAM_STORAGE", "").startswith("gw,")


@contextmanager
def around(
    repository: Repository,
    purpose: str,
    options: Options,
    tag: str = "",
    lease: str = "",
    template: tuple[str, str] | None = None,
) -> Iterator[Opened]:
    """Publish what is done within, or nothing. The repository is held by :func:`ownership.exclusive`.

    :param purpose: in words that follow ``to``; also the description of the tag.
    :param lease: path to be leased from a gateway.
    :param template: two paths; the second begins as a clone of the first, where that can be had.
    """
    owner = ownership.this_process(purpose)
    progress.tell("transaction", f"opens in {repository.name}")
    _open(repository, owner, lease, template)
    opened = Opened(template is not None and os.path.isdir(os.path.join(repository.mount, template[1])))
    if template and not opened.cloned:
        # The mount did not follow to the revision with the clone: that can happen while others read there.
        session.abort(repository)
        _open(repository, owner, lease)
    try:
        yield opened
        progress.tell("transaction", f"is published in {repository.name}")
        opened.warnings += session.publish(
            repository, tag, purpose, wait=options.open_files_timeout, force=options.force
        ).warnings
    except BaseException as error:
        _abort_after(repository, error)
        raise
    ownership.forget(repository)


def _open(
    repository: Repository, owner: ownership.Owner, lease: str = "", template: tuple[str, str] | None = None
) -> None:
    """Open a transaction whose owner is written down before and after."""
    ownership.record(repository, owner)
    try:
        session.open_transaction(repository, lease, template)
    except Exception:
        ownership.forget(repository)
        raise
    ownership.record(repository, replace(owner, mark=ownership.mark_of(repository)))


def _abort_after(repository: Repository, error: BaseException) -> None:
    """Abort because of an error, which stays the one that is told; what cannot be aborted the next run recovers."""
    try:
        if ownership.mark_of(repository):
            session.abort(repository, wait=0)
        ownership.forget(repository)
    except (ServerError, OSError) as second:
        if isinstance(error, ServerError):
            error.message += f". The transaction is still open, and the next run will put that right: {second}"


def change(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the module ``cvmfs_transaction`` does.

    :returns: the module's result.
    :raises InputError: what was given cannot be.
    :raises BusyError: a transaction of somebody else is open.
    """
    _validate(params)
    repository = Repository(params["repository"])
    settings = server.require(repository)
    result: dict[str, Any] = {"changed": False, "actions": [], "recovered": [], "warnings": []}
    if params["state"] == "started":
        _start(repository, settings, params, check_mode, result)
    else:
        _end(repository, params, check_mode, result)
    return dict(result, revision=repository.manifest().revision, path=repository.mount)


def _validate(params: Mapping[str, Any]) -> None:
    found = {
        "repository": fault_of_repository(params["repository"]),
        "tag": tags.fault_of_name(params["tag"]) if params["tag"] else None,
        "description": tags.fault_of_description(params["description"]),
        "lifetime": None if params["lifetime"] > 0 else f"{params['lifetime']} is not a number of seconds above 0",
    }
    faults = [f"{name}: {fault}" for name, fault in found.items() if fault]
    if faults:
        raise InputError(faults)


def _is_own(repository: Repository, run: str) -> bool:
    owner = ownership.owner_of(repository)
    return owner is not None and owner.run == run


def _start(
    repository: Repository, settings: Mapping[str, str], params: Mapping[str, Any], check_mode: bool, result: dict
) -> None:
    if _is_own(repository, params["run"]):
        return
    result["recovered"] = ownership.left_behind(repository)
    if not check_mode:
        with ownership.exclusive(repository, params["lock_timeout"], params["purpose"]) as recovered:
            result["recovered"] = recovered
            actions, result["warnings"] = whitelist.keep_valid(repository, params["whitelist_days"])
            result["actions"] += actions
            owner = ownership.this_process(params["purpose"], params["run"], params["lifetime"])
            _open(repository, owner, params["path"] if is_gateway(settings) else "")
    _did(repository, "started", result)


def _end(repository: Repository, params: Mapping[str, Any], check_mode: bool, result: dict) -> None:
    """Publish or abort the transaction of this run."""
    state, run = params["state"], params["run"]
    if not _is_own(repository, run):
        _refuse_to_end(repository, state, run, check_mode)
        return
    if check_mode:
        _did(repository, state, result)
        return
    with ownership.exclusive(repository, params["lock_timeout"], f"end the transaction of {run}", run):
        if state == "published" and not ownership.is_unchanged(repository):
            published = session.publish(
                repository, params["tag"], params["description"], params["open_files_timeout"], params["force"]
            )
            result["warnings"] += published.warnings
            _did(repository, "published", result)
        else:
            session.abort(repository, params["open_files_timeout"])
            _did(repository, "aborted", result)
        ownership.forget(repository)


def _refuse_to_end(repository: Repository, state: str, run: str, check_mode: bool) -> None:
    """A transaction that is not this run's is not ended; that there is none is no fault of ``aborted``."""
    there = ownership.describe(repository)
    if there:
        raise BusyError(
            f"repository: {repository.name}: the transaction that is open is not that of run {run!r}: {there['text']}. "
            "It is left alone",
            transaction=there,
        )
    if state == "published" and not check_mode:
        raise ServerError(
            f"repository: {repository.name}: no transaction of run {run!r} is open, so nothing can be published; it "
            "was not started, or it outlived its lifetime or a reboot and was aborted"
        )


def _did(repository: Repository, status: str, result: dict) -> None:
    result["actions"].append({"what": "transaction", "id": repository.name, "status": status})
    result["changed"] = True
