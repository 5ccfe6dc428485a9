# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A replica of a repository on a stratum-1: made, brought to what its stratum-0 publishes, removed.

Source: ``cvmfs_server_add_replica.sh``, ``cvmfs_server_snapshot.sh`` and ``acquire_update_lock`` of CernVM-FS 2.12. A
snapshot waits for another without a limit, or fails where that is the first; so the lock is looked at here.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import (
    configuration,
    creation,
    garbage,
    keychain,
    ownership,
    published,
    server,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.result import Result, adjust_settings
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, ServerError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.locks import folder_lock
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import fault_of_repository

KIND = "stratum1"
IN_PROGRESS = "in progress"  # what the script says of a snapshot by another
# Options that have to be as they were when the replica was made, with the setting that tells.
FIXED = {"owner": "CVMFS_USER", "storage": "CVMFS_UPSTREAM_STORAGE"}
# Options that are settings, and can be changed later.
SWITCHES = {
    "url": "CVMFS_STRATUM0",
    "own_url": "CVMFS_STRATUM1",
    "group": "CVMFS_SNAPSHOT_GROUP",
    "public_key": "CVMFS_PUBLIC_KEY",
    "auto_garbage_collection": "CVMFS_AUTO_GC",
}
RESERVED = {
    **{setting: f"use the option {option}" for option, setting in [*FIXED.items(), *SWITCHES.items()]},
    **dict.fromkeys(
        ("CVMFS_CREATOR_VERSION", "CVMFS_REPOSITORY_NAME", "CVMFS_REPOSITORY_TYPE", "CVMFS_SPOOL_DIR"),
        "it is decided when the replica is made",
    ),
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "repository": {"type": "str", "required": True},
    "alias": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "current", "absent"], "default": "present"},
    "url": {"type": "str"},
    "own_url": {"type": "str"},
    "public_key": {"type": "path", "no_log": False},
    "public_key_content": {"type": "str", "no_log": False},
    "owner": {"type": "str"},
    "storage": {"type": "str"},
    "s3_config": {"type": "path"},
    "group": {"type": "str"},
    "configure_apache": {"type": "bool", "default": True},
    "auto_garbage_collection": {"type": "bool"},
    "settings": {"type": "dict", "default": {}},
    "collect_garbage": {"type": "bool", "default": False},
    "garbage_days": {"type": "int", "default": 3},
    "force": {"type": "bool", "default": False},
    "time_limit": {"type": "int", "default": 7200},
    "lock_timeout": {"type": "int", "default": 600},
}
RESTRICTIONS = {
    "mutually_exclusive": [("public_key", "public_key_content"), ("storage", "s3_config")],
}


def change(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the module ``cvmfs_replica`` does.

    :returns: the module's result.
    :raises InputError: what was given cannot be, or not for the replica that is there.
    :raises BusyError: somebody else works on the replica for too long.
    :raises ServerError: the stratum-0 cannot be read, ``cvmfs_server`` failed, or who runs this may not.
    """
    replica = Repository(params["alias"] or params["repository"])
    _refuse_bad(replica, params)
    result = Result(replica.name)
    if params["state"] == "absent":
        _remove(replica, params, check_mode, result)
        return result.as_dict()
    if not replica.exists() or creation.broken_off(replica):
        _make_once(replica, params, check_mode, result)
    is_new = "created" in [entry["status"] for entry in result.actions]
    if check_mode and is_new:
        if params["state"] == "current":
            result.did("snapshot", "taken")
        return result.as_dict()
    settings = server.require(replica, (KIND,))
    _refuse_fixed(replica, params, settings)
    kept = Result(replica.name) if is_new else result  # what a new one is changed to is a part of its making
    _keep(replica, params, check_mode, kept)
    if params["state"] == "current":
        _follow(replica, params, check_mode, result)
    if params["collect_garbage"]:
        _collect(replica, params, check_mode, result)
    revision = _revision(replica)
    result.more.update(revision=revision, url=replica.settings().get("CVMFS_STRATUM1", ""))
    return result.as_dict()


def _refuse_bad(replica: Repository, params: Mapping[str, Any]) -> None:
    """
    :raises InputError: with all that is wrong with what was given.
    """
    faults = [
        f"{variable}: {fault}"
        for variable in ("repository", "alias")
        for fault in [fault_of_repository(params[variable]) if params[variable] is not None else None]
        if fault
    ]
    faults += configuration.faults_of(params["settings"], RESERVED) + garbage.faults_of(params)
    if params["owner"] is not None and not creation.is_user(params["owner"]):
        faults.append(f"owner: there is no user {params['owner']!r} on this machine")
    for variable in ("url", "own_url"):
        if params[variable] is not None and not params[variable].startswith(("http://", "https://")):
            faults.append(
                f"{variable}: {params[variable]!r} is not a URL, such as http://stratum0.example.org/cvmfs/NAME"
            )
    if params["s3_config"] and not params["own_url"]:
        faults.append("own_url: it is needed with s3_config: the URL at which the bucket can be read")
    fault = creation.fault_of_storage(params["storage"]) if params["storage"] else None
    faults += [f"storage: {fault}"] if fault else []
    if params["state"] != "absent":
        faults += _faults_of_key(replica, params)
    if faults:
        raise InputError(faults)


def _faults_of_key(replica: Repository, params: Mapping[str, Any]) -> list[str]:
    """What is wrong with the public key, or missing to make a replica that is not there."""
    path, content, is_there = params["public_key"], params["public_key_content"], replica.exists()
    if content is not None:
        return keychain.mismatches({"pub": content}, "public_key_content")
    if path is not None and not os.path.isfile(path):
        return [f"public_key: {path} is not there; give the key itself as public_key_content, or copy it first"]
    faults = []
    if not is_there and path is None and not os.path.exists(_key_path(params)):
        faults.append(f"public_key: {_key_path(params)} is not there, and no other is given")
    if not is_there and params["url"] is None:
        faults.append("url: it is needed to make a replica: that of the repository on its stratum-0")
    return faults


def _key_path(params: Mapping[str, Any]) -> str:
    return params["public_key"] or Repository(params["repository"]).key("pub")


# Making it


def _make_once(replica: Repository, params: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    """Make a replica that is not there, or of which only a part is."""
    creation.require_root(replica, "made")
    if params["url"] is None:
        raise InputError(["url: it is needed to make a replica: that of the repository on its stratum-0"])
    _read_source(params["url"], params)
    _require_key(params["url"], params)
    upstream = ""
    if not params["s3_config"]:
        storage = params["storage"]
        upstream = creation.upstream_of(storage) if storage else creation.default_upstream(replica)
    storage = creation.local_storage(upstream)
    if check_mode:
        if not creation.broken_off(replica):
            creation.require_room(replica, storage)
        result.did("replica", "created")
        return
    with folder_lock(server.CONFIGURATIONS, params["lock_timeout"]):
        result.recover(creation.settle(replica))
        if replica.exists():  # another run was faster, or what was broken off was all but complete
            return
        creation.require_room(replica, storage)
        key = _key_path(params)
        is_new_key = params["public_key_content"] is not None and not os.path.exists(key)
        with creation.making(replica, storage, [key] if is_new_key else []):
            _write_key(params, False)
            completed = server.run(_add_replica(replica, params, upstream, key), params["time_limit"])
            if not completed.ok:
                said = server.said(completed)
                raise ServerError(
                    f"repository: the replica {replica.name} cannot be made: {said}{advice_on(said, completed.stdout)}",
                    **completed.details(),
                )
        result.did("replica", "created")


def _add_replica(replica: Repository, params: Mapping[str, Any], upstream: str, key: str) -> list[str]:
    words = ["add-replica", "-o", params["owner"] or "root", "-n", replica.name]
    words += ["-w", params["own_url"]] if params["own_url"] else []
    words += ["-s", params["s3_config"]] if params["s3_config"] else ["-u", upstream]
    words += ["-g", params["group"]] if params["group"] else []
    words += ["-z"] if params["auto_garbage_collection"] else []
    words += [] if params["configure_apache"] else ["-a", "-p"]
    return [*words, params["url"], key]


def advice_on(said: str, output: str = "") -> str:
    """What to do about what the scripts say."""
    texts = {
        "CVMFS_GEO_": "set CVMFS_GEO_ACCOUNT_ID and CVMFS_GEO_LICENSE_KEY in /etc/cvmfs/server.local, or "
        "CVMFS_GEO_DB_FILE=NONE to do without the geo database",
        "cvmfs-server/geo": "make the folder, or reinstall the server's package",
        "replicable master copy": "allow replicas on the stratum-0, with replicable of cvmfs_repository",
        "bad whitelist": "the public key is not the repository's, or its whitelist has expired on the stratum-0",
        "failed to load public repo key": "public_key names no key that can be read by the replica's owner",
        "wsgi": "install and enable Apache's module wsgi",
        "Apache": "start Apache, or set configure_apache to false",
    }
    for text, advice in texts.items():
        if text in said or text in output:
            return f". {advice[0].upper()}{advice[1:]}"
    return ""


def _write_key(params: Mapping[str, Any], check_mode: bool) -> bool:
    """Put a public key that was given in its place; whether it has to be.

    :raises InputError: the key there is that of a repository that is published here.
    """
    content = params["public_key_content"]
    key = Repository(params["repository"]).key("pub")
    if content is None or configuration.read(key).strip() == content.strip():
        return False
    if Repository(params["repository"]).settings().get("CVMFS_REPOSITORY_TYPE") == "stratum0":
        raise InputError([f"public_key_content: it is not {key}, the key of the repository that is published here"])
    if not check_mode:
        os.makedirs(server.KEYS, exist_ok=True)
        configuration.write(key, content.strip() + "\n", 0o444)
    return True


# Keeping it


def _refuse_fixed(replica: Repository, params: Mapping[str, Any], settings: Mapping[str, str]) -> None:
    """
    :raises InputError: something is asked to be other than it was made.
    """
    asked = {option: params[option] for option in FIXED if params[option] is not None}
    faults = creation.faults_of_fixed(replica, asked, FIXED)
    name = settings.get("CVMFS_REPOSITORY_NAME", "")
    if name != params["repository"]:
        faults.append(
            f"repository: {replica.name} is a replica of {name} here, not of {params['repository']}; {creation.ANEW}"
        )
    if faults:
        raise InputError(faults)


def _keep(replica: Repository, params: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    """Change what can be changed of a replica that is there."""
    paths = [os.path.join(replica.configuration, name) for name in ("server.conf", "replica.conf")]
    switches = {setting: params[option] for option, setting in SWITCHES.items() if params[option] is not None}
    if params["s3_config"]:
        switches.pop(SWITCHES["own_url"], None)  # add-replica adds the name to it
    if params["public_key_content"] is not None:
        switches[SWITCHES["public_key"]] = _key_path(params)
    wanted = {**params["settings"], **switches}
    if params["collect_garbage"] and os.geteuid() == 0:
        there = {**replica.settings(), **wanted}
        wanted[garbage.COUNT_BYTES] = there.get(garbage.COUNT_BYTES, "true")
    plan = Result(replica.name)
    _adjust(params, paths, wanted, True, plan)
    if {SWITCHES["public_key"], _key_path(params)} & {entry["id"] for entry in plan.actions}:
        _require_key(params["url"] or replica.settings()["CVMFS_STRATUM0"], params)
    if check_mode:
        result.add(plan)
    elif plan.actions:
        with ownership.held(replica, params["lock_timeout"], "change its settings"):
            _adjust(params, paths, wanted, False, result)


def _adjust(
    params: Mapping[str, Any], paths: list[str], wanted: Mapping[str, Any], check_mode: bool, result: Result
) -> None:
    adjust_settings(paths, wanted, check_mode, result)
    if _write_key(params, check_mode):
        result.did("key", "installed", _key_path(params))


# Following its stratum-0


@dataclass(frozen=True)
class Served:
    """What a server has: a renewed whitelist has to reach replicas too, and is no new revision."""

    repository: str
    revision: int
    root_hash: str
    whitelist_expires: datetime


def _served(location: str) -> Served:
    """
    :raises ServerError: it cannot be read.
    """
    manifest, whitelist = published.manifest_of(location), published.whitelist_of(location)
    return Served(manifest.repository, manifest.revision, manifest.root_hash, whitelist.expires)


def _read_source(url: str, params: Mapping[str, Any]) -> Served:
    """What the stratum-0 has.

    :raises ServerError: it cannot be read, or has another repository.
    """
    try:
        source = _served(url)
    except ServerError as error:
        raise ServerError(f"url: the stratum-0 does not answer as it should: {error.message}") from error
    if source.repository != params["repository"]:
        raise ServerError(f"url: {url} serves {source.repository}, not {params['repository']}")
    return source


def _is_current(replica: Repository, url: str, params: Mapping[str, Any]) -> bool:
    """
    :raises ServerError: the stratum-0 cannot be read, or has another repository.
    """
    source = _read_source(url, params)
    try:
        return _served(replica.published_at(replica.settings())) == source
    except ServerError:
        return False  # nothing has been replicated yet


def _require_key(url: str, params: Mapping[str, Any]) -> None:
    """
    :raises InputError: the public key is not that of the repository at a URL.
    """
    path = _key_path(params)
    given = "public_key" if params["public_key_content"] is None else "public_key_content"
    key = configuration.read(path) if params["public_key_content"] is None else params["public_key_content"]
    if keychain.is_foreign(key, published.read_from(url, published.WHITELIST)):
        raise InputError([f"{given}: it is not the key of the repository that {url} serves; it would be {path}"])


def _follow(replica: Repository, params: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    """Bring a replica to what its stratum-0 has, unless another does so first."""
    source = params["url"] or replica.settings()["CVMFS_STRATUM0"]
    deadline = time.monotonic() + params["lock_timeout"]
    result.more["before"] = _revision(replica)
    if _is_current(replica, source, params):
        return
    if check_mode:
        result.did("snapshot", "taken")
        return
    with ownership.held(replica, params["lock_timeout"], "take a snapshot"):
        while True:
            garbage.wait_until_free(replica.lock_of("updating"), deadline, _busy(replica, params))
            if _is_current(replica, source, params):  # another has brought it there
                return
            completed = server.run(["snapshot", "-t", replica.name], params["time_limit"])
            if completed.ok or IN_PROGRESS not in completed.stdout:
                break
            if time.monotonic() >= deadline:
                raise BusyError(_busy(replica, params))
    if not completed.ok or not _revision(replica):
        said = server.said(completed)
        raise ServerError(
            f"repository: {replica.name} cannot be brought to what {source} has: {said}{advice_on(said)}",
            **completed.details(),
        )
    result.did("snapshot", "taken")
    result.more["seconds"] = round(completed.seconds, 3)


def _busy(replica: Repository, params: Mapping[str, Any]) -> str:
    return (
        f"repository: another snapshot or garbage collection of the replica {replica.name} goes on, waited "
        f"{params['lock_timeout']} s; run again later or raise lock_timeout"
    )


def _revision(replica: Repository) -> int:
    """The revision that a replica serves; 0 where it has none yet."""
    try:
        return replica.manifest().revision
    except ServerError:
        return 0


def _collect(replica: Repository, params: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    settings = replica.settings()
    if not _revision(replica):
        return
    if check_mode:
        found = garbage.collect(replica, settings, params["garbage_days"], params["time_limit"], check_mode)
    else:
        deadline = time.monotonic() + params["lock_timeout"]
        with ownership.held(replica, params["lock_timeout"], "collect its garbage"):
            for doing in ("updating", "collecting"):
                garbage.wait_until_free(replica.lock_of(doing), deadline, _busy(replica, params))
            found = garbage.collect(replica, settings, params["garbage_days"], params["time_limit"])
    result.more["garbage"] = found
    if found["objects"]:
        result.did("garbage", "collected")


# Removing it


def _remove(replica: Repository, params: Mapping[str, Any], check_mode: bool, result: Result) -> None:
    is_part = creation.broken_off(replica)
    if not replica.exists() and not is_part:
        return
    creation.require_root(replica, "removed")
    if not is_part:
        settings = server.require(replica, (KIND,))
        if not params["force"]:
            storage = creation.local_storage(settings.get(FIXED["storage"], "")) or "its configuration"
            raise InputError(
                [
                    f"force: {replica.name}, a replica at revision {_revision(replica)}, would be lost with {storage}; "
                    "set force to true to remove it"
                ]
            )
    if check_mode:
        result.did("replica", "removed")
        return
    with folder_lock(server.CONFIGURATIONS, params["lock_timeout"]):
        result.recover(creation.settle(replica))
        if not replica.exists():
            return
        deadline = time.monotonic() + params["lock_timeout"]
        with ownership.held(replica, params["lock_timeout"], "remove it"):
            garbage.wait_until_free(replica.lock_of("updating"), deadline, _busy(replica, params))
            creation.wipe(replica, 0)
    result.did("replica", "removed")
