# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository on its stratum-0: made, kept as it should be, removed.

What ``mkfs`` decides for good, and what ``server.conf`` decides at each publish: ``cvmfs_server_mkfs.sh`` and
``create_config_files_for_new_repository`` of CernVM-FS 2.12.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import (
    configuration,
    creation,
    garbage,
    keychain,
    ownership,
    published,
    server,
    whitelist,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.result import Result, adjust_settings, diff
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError, ServerError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import fault_of_repository

REPLICABLE = ".cvmfs_master_replica"
# Options that have to be as they were when the repository was made, with the setting that tells.
FIXED = {
    "owner": "CVMFS_USER",
    "url": "CVMFS_STRATUM0",
    "storage": "CVMFS_UPSTREAM_STORAGE",
    "hash_algorithm": "CVMFS_HASH_ALGORITHM",
}
SWITCHES = {"garbage_collection": "CVMFS_GARBAGE_COLLECTION", "auto_tag": "CVMFS_AUTO_TAG"}
AT_FIRST = (
    "CVMFS_CREATOR_VERSION",
    "CVMFS_REPOSITORY_NAME",
    "CVMFS_REPOSITORY_TYPE",
    "CVMFS_SPOOL_DIR",
    "CVMFS_UNION_DIR",
    "CVMFS_UNION_FS_TYPE",
)
RESERVED = {
    **{setting: f"use the option {option}" for option, setting in [*FIXED.items(), *SWITCHES.items()]},
    **dict.fromkeys(AT_FIRST, "it is decided when the repository is made"),
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "repository": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "owner": {"type": "str"},
    "url": {"type": "str"},
    "storage": {"type": "str"},
    "s3_config": {"type": "path"},
    "hash_algorithm": {"type": "str", "choices": ["sha1", "rmd160", "shake128"]},
    "configure_apache": {"type": "bool", "default": True},
    "garbage_collection": {"type": "bool"},
    "auto_tag": {"type": "bool"},
    "replicable": {"type": "bool"},
    "settings": {"type": "dict", "default": {}},
    "keys": {
        "type": "dict",
        "no_log": False,
        "options": {kind: {"type": "str", "no_log": kind not in keychain.PUBLIC} for kind in keychain.KINDS},
    },
    "keys_folder": {"type": "path", "no_log": False},
    "whitelist_days": {"type": "int", "default": 14},
    "whitelist_valid_days": {"type": "int", "default": 30},
    "collect_garbage": {"type": "bool", "default": False},
    "garbage_days": {"type": "int", "default": 3},
    "force": {"type": "bool", "default": False},
    "open_files_timeout": {"type": "int", "default": 60},
    "time_limit": {"type": "int", "default": 7200},
    "lock_timeout": {"type": "int", "default": 600},
}
RESTRICTIONS = {"mutually_exclusive": [("keys", "keys_folder"), ("storage", "s3_config")]}


def change(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the module ``cvmfs_repository`` does.

    :returns: the module's result.
    :raises InputError: what was given cannot be, or not for the repository that is there.
    :raises BusyError: somebody else works on the repository.
    :raises ServerError: ``cvmfs_server`` failed, or who runs this may not.
    """
    repository = Repository(params["repository"])
    keys = _given_keys(repository, params)
    result = Result(repository.name)
    if params["state"] == "absent":
        _remove(repository, params, check_mode, result)
        return result.as_dict()
    wanted = _wanted_settings(params)
    if not repository.exists() or creation.broken_off(repository):
        _make_once(repository, params, keys, wanted, check_mode, result)
    is_new = "created" in [entry["status"] for entry in result.actions]
    if not (check_mode and is_new):
        # What a new one is changed to is a part of its making.
        kept = Result(repository.name) if is_new else result
        _keep(repository, params, keys, wanted, check_mode, kept)
        if is_new:
            result.warnings += kept.warnings
            result.more = {**kept.more, **result.more}
    return result.as_dict()


def _given_keys(repository: Repository, params: Mapping[str, Any]) -> dict[str, str]:
    """The keys that were given, after everything that was given has been looked at.

    :raises InputError: with all that is wrong.
    """
    fault = fault_of_repository(repository.name)
    if fault:
        raise InputError([f"repository: {fault}"])
    faults = configuration.faults_of(params["settings"], RESERVED) + garbage.faults_of(params)
    fault = creation.fault_of_storage(params["storage"]) if params["storage"] else None
    faults += [f"storage: {fault}"] if fault else []
    if params["s3_config"] and not params["url"]:
        faults.append("url: it is needed with s3_config: the URL at which the bucket can be read")
    if params["url"] and "://" not in params["url"]:
        faults.append(
            f"url: {params['url']!r} is not a URL, such as http://stratum0.example.org/cvmfs/{repository.name}"
        )
    if params["owner"] is not None and not creation.is_user(params["owner"]):
        faults.append(f"owner: there is no user {params['owner']!r} on this machine")
    if params["whitelist_valid_days"] <= params["whitelist_days"] or params["whitelist_days"] < 0:
        faults.append(
            f"whitelist_days: {params['whitelist_days']} must be at least 0, and less than whitelist_valid_days, "
            f"{params['whitelist_valid_days']}, or the whitelist would be renewed in each run"
        )
    keys = {kind: text for kind, text in (params["keys"] or {}).items() if text is not None}
    if params["keys_folder"]:
        keys, found = keychain.read_folder(repository, params["keys_folder"])
        faults += found
    if keys and not faults and not repository.exists():
        faults += keychain.faults_of(keys, _chain(params), "keys_folder" if params["keys_folder"] else "keys")
    if faults:
        raise InputError(faults)
    return keys


def _chain(params: Mapping[str, Any]) -> tuple[str, ...]:
    return keychain.GATEWAY_CHAIN if (params["storage"] or "").startswith("gw,") else keychain.CHAIN


def _wanted_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were asked for, whether by ``settings`` or by an option of their own."""
    switches = {setting: params[option] for option, setting in SWITCHES.items() if params[option] is not None}
    return {**params["settings"], **switches}


# Making it


def _make_once(
    repository: Repository,
    params: Mapping[str, Any],
    keys: Mapping[str, str],
    wanted: dict[str, Any],
    check_mode: bool,
    result: Result,
) -> None:
    """Make a repository that is not there, or of which only a part is."""
    creation.require_root(repository, "made")
    if params["garbage_collection"] is not False:
        wanted.setdefault(garbage.COUNT_BYTES, "true")
    upstream = creation.upstream_of(params["storage"]) if params["storage"] else ""
    if not params["s3_config"]:
        upstream = upstream or creation.default_upstream(repository)
    storage = creation.local_storage(upstream)
    if check_mode:
        if not creation.broken_off(repository):
            creation.require_room(repository, storage)
        _faults_of_present_keys(repository, params, keys)
        _did_make(repository, wanted, result)
        return
    with folder_lock(server.CONFIGURATIONS, params["lock_timeout"]):
        result.recover(creation.settle(repository))
        if repository.exists():  # another run was faster, or what was broken off was all but complete
            return
        creation.require_room(repository, storage)
        _faults_of_present_keys(repository, params, keys)
        chain = _chain(params)
        new = [repository.key(kind) for kind in chain if not os.path.exists(repository.key(kind))]
        with creation.making(repository, storage, new):
            keychain.install(repository, keys)
            server.must_run(
                _mkfs(repository, params, upstream),
                f"repository: {repository.name} cannot be made",
                params["time_limit"],
            )
        _did_make(repository, wanted, result)


def _mkfs(repository: Repository, params: Mapping[str, Any], upstream: str) -> list[str]:
    words = ["mkfs", "-o", params["owner"] or "root"]
    words += [] if params["garbage_collection"] is False else ["-z"]
    words += [] if params["auto_tag"] else ["-g"]
    words += ["-w", params["url"]] if params["url"] else []
    words += ["-s", params["s3_config"]] if params["s3_config"] else ["-u", upstream]
    words += ["-a", params["hash_algorithm"]] if params["hash_algorithm"] else []
    words += [] if params["configure_apache"] else ["-p"]
    return [*words, repository.name]


def _faults_of_present_keys(repository: Repository, params: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    """Keys that are in their place already would be taken by ``mkfs``, whatever is given.

    :raises InputError: they are others than those given, or not all.
    """
    differing = keychain.differing(repository, keys)
    if differing:
        raise InputError([_fault_of_key(repository, kind) for kind in differing])
    there = keychain.present(repository)
    missing = [kind for kind in _chain(params) if kind not in there and kind not in keys]
    if missing and there and not creation.broken_off(repository):
        raise InputError(
            [
                f"keys: {server.KEYS} has {', '.join(there)} of {repository.name}, but not {', '.join(missing)}; "
                "give those too, or remove what is there"
            ]
        )


def _fault_of_key(repository: Repository, kind: str) -> str:
    return f"keys: {repository.key(kind)} is there, and is another than the {kind} that was given; it is left alone"


def _did_make(repository: Repository, wanted: Mapping[str, Any], result: Result) -> None:
    result.did("repository", "created")
    lines = configuration.edited("", configuration.differences({}, wanted))
    result.more["diff"] = diff(os.path.join(repository.configuration, "server.conf"), "", lines)


# Keeping it


def _keep(
    repository: Repository,
    params: Mapping[str, Any],
    keys: Mapping[str, str],
    wanted: Mapping[str, Any],
    check_mode: bool,
    result: Result,
) -> None:
    """Bring a repository that is there to what was asked for. Where nothing is to be done, nothing is locked."""
    settings = server.require(repository)
    _refuse_fixed(repository, params, keys, settings)
    if params["collect_garbage"] and os.geteuid() == 0:
        wanted = {garbage.COUNT_BYTES: settings.get(garbage.COUNT_BYTES, "true"), **wanted}
    collectable = {**settings, **wanted}.get(SWITCHES["garbage_collection"])
    if params["collect_garbage"] and configuration.as_text(collectable) != "true":
        raise ServerError(
            f"collect_garbage: garbage collection is off for {repository.name}; switch it on with garbage_collection"
        )
    left = ownership.left_behind(repository)
    _renew(repository, params, check_mode, result)
    plan = Result(repository.name)
    _adjust(repository, keys, wanted, params["replicable"], True, plan)
    if check_mode:
        result.recover(left)
        result.add(plan)
        if params["collect_garbage"] and settings.get(SWITCHES["garbage_collection"]) == "true":
            _collect(repository, params, True, result)
    elif left or plan.actions or params["collect_garbage"]:
        with ownership.exclusive(repository, params["lock_timeout"], "keep it as it should be") as recovered:
            result.recover(recovered)
            _adjust(repository, keys, wanted, params["replicable"], False, result)
            if params["collect_garbage"]:
                _collect(repository, params, False, result)
    _describe(repository, result)


def _refuse_fixed(
    repository: Repository, params: Mapping[str, Any], keys: Mapping[str, str], settings: Mapping[str, str]
) -> None:
    """
    :raises InputError: something is asked to be other than it was made.
    """
    asked = {option: params[option] for option in FIXED if params[option] is not None}
    if "url" in asked and params["s3_config"]:
        asked["url"] = f"{asked['url'].rstrip('/')}/{repository.name}"  # mkfs adds the name there
    faults = creation.faults_of_fixed(repository, asked, FIXED)
    s3, there = params["s3_config"], settings.get(FIXED["storage"], "")
    if s3 and not there.endswith(f"@{s3}"):
        faults.append(
            f"s3_config: {repository.name} was made with the storage {there!r}, not that of {s3}; {creation.ANEW}"
        )
    faults += [_fault_of_key(repository, kind) for kind in keychain.differing(repository, keys)]
    if faults:
        raise InputError(faults)


def _renew(repository: Repository, params: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    """Renew the whitelist in time, also where the repository is in a transaction, or its mount is lost."""
    least, days = params["whitelist_days"], params["whitelist_valid_days"]
    found = whitelist.validity(repository)
    if found.days < least and not found.hindrance:
        if check_mode:
            result.did("whitelist", "renewed")
            return
        with ownership.held(repository, params["lock_timeout"], "renew its whitelist"):
            actions, warnings = whitelist.keep_valid(repository, least, days)
    else:
        actions, warnings = whitelist.keep_valid(repository, least, days)
    result.actions += actions
    result.warnings += warnings


def _adjust(
    repository: Repository,
    keys: Mapping[str, str],
    wanted: Mapping[str, Any],
    replicable: bool | None,
    check_mode: bool,
    result: Result,
) -> None:
    """Change what can be changed: settings, keys that are not there, and whether there may be replicas."""
    adjust_settings([os.path.join(repository.configuration, "server.conf")], wanted, check_mode, result)
    for kind in [kind for kind in keys if not os.path.exists(repository.key(kind))]:
        creation.require_root(repository, "given a key")
        if not check_mode:
            keychain.install(repository, {kind: keys[kind]})
        result.did("key", "installed", repository.key(kind))
    if replicable is None or replicable == is_replicable(repository, repository.settings()):
        return
    creation.require_root(repository, "opened to replicas, or closed")
    if not check_mode:
        server.must_run(
            ["alterfs", "-m", "on" if replicable else "off", repository.name],
            f"replicable: it cannot be changed of {repository.name}",
        )
    result.did("replicable", "allowed" if replicable else "forbidden")


def is_replicable(repository: Repository, settings: Mapping[str, str]) -> bool:
    """Whether a repository allows replicas."""
    try:
        published.read_from(repository.published_at(dict(settings)), REPLICABLE)
    except ServerError:
        return False
    return True


def _collect(repository: Repository, params: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    """Collect garbage. The repository is held, which has waited for a check or another collection."""
    settings = repository.settings()
    if check_mode and whitelist.validity(repository).seconds <= 0:
        return  # it would be renewed first; until then nothing can be read
    found = garbage.collect(repository, settings, params["garbage_days"], params["time_limit"], check_mode)
    result.more["garbage"] = found
    if found["objects"]:
        result.did("garbage", "collected")


def _describe(repository: Repository, result: Result) -> None:
    manifest = repository.manifest()
    valid = whitelist.validity(repository)
    result.more.update(
        revision=manifest.revision,
        path=repository.mount,
        public_key=repository.key("pub"),
        whitelist_expires=valid.expires.isoformat(),
    )


# Removing it


def _remove(repository: Repository, params: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    if not repository.exists() and not creation.broken_off(repository):
        return
    creation.require_root(repository, "removed")
    if repository.exists() and not creation.broken_off(repository):
        settings = server.require(repository)
        if not params["force"]:
            raise InputError([_fault_of_removal(repository, settings)])
    if check_mode:
        result.did("repository", "removed")
        return
    with folder_lock(server.CONFIGURATIONS, params["lock_timeout"]), ExitStack() as stack:
        result.recover(creation.settle(repository))
        if not repository.exists():
            return
        if not params["force"]:
            raise InputError([_fault_of_removal(repository, server.require(repository))])
        with suppress(ServerError, FileNotFoundError):  # what is broken beyond repair can still be removed
            stack.enter_context(ownership.exclusive(repository, params["lock_timeout"], "remove it"))
        creation.wipe(repository, params["open_files_timeout"])
    result.did("repository", "removed")


def _fault_of_removal(repository: Repository, settings: Mapping[str, str]) -> str:
    try:
        revision = f"at revision {repository.manifest().revision}"
    except ServerError:
        revision = "whatever is left of it"
    storage = creation.local_storage(settings.get(FIXED["storage"], "")) or "its configuration"
    keys = ", ".join(repository.key(kind) for kind in keychain.present(repository)) or "no keys"
    return (
        f"force: {repository.name}, {revision}, would be lost for good, with {storage} and {keys}; set force to true "
        "to remove it"
    )
