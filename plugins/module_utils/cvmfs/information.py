# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is known of the repositories and replicas of a machine, found without changing anything."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Callable, Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import locks
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import (
    catalogs,
    creation,
    descriptors,
    keychain,
    ownership,
    server,
    stratum0,
    tags,
    whitelist,
)
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import DepotError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import fault_of_repository

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "repository": {"type": "str"},
    "tags": {"type": "bool", "default": True},
    "catalogs": {"type": "bool", "default": False},
    "open_files": {"type": "bool", "default": False},
}


def tell(params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """What the module ``cvmfs_repository_info`` does.

    :returns: the module's result; what cannot be found out is left empty, with the reason among the warnings.
    :raises InputError: that cannot be the name of a repository.
    """
    name = params["repository"]
    fault = None if name is None else fault_of_repository(name)
    if fault:
        raise InputError([f"repository: {fault}"])
    warnings: list[str] = []
    names = server.repositories() if name is None else [name]
    return {
        "changed": False,
        "repositories": [_known(Repository(name), params, warnings) for name in names],
        "warnings": warnings,
    }


def _known(repository: Repository, params: Mapping[str, Any], warnings: list[str]) -> dict[str, Any]:
    """Of one repository."""
    settings = repository.settings()
    known = {
        "repository": repository.name,
        "exists": bool(settings),
        "broken_off": creation.broken_off(repository),
    }
    if not settings:
        return known
    is_stratum0 = settings.get("CVMFS_REPOSITORY_TYPE") == "stratum0"

    def found(look: Callable[[], Any], nothing: Any = None) -> Any:
        """What a look gives, or a warning where it fails."""
        try:
            return look()
        except DepotError as error:
            warnings.append(error.message)
        except OSError as error:
            warnings.append(f"{error.strerror}: {error.filename}")
        return nothing

    manifest = found(repository.manifest)
    known.update(
        type=settings.get("CVMFS_REPOSITORY_TYPE", ""),
        replica_of=None if is_stratum0 else settings.get("CVMFS_REPOSITORY_NAME", ""),
        owner=settings.get("CVMFS_USER", ""),
        url=settings.get("CVMFS_STRATUM0" if is_stratum0 else "CVMFS_STRATUM1", ""),
        stratum0=settings.get("CVMFS_STRATUM0", ""),
        storage=settings.get("CVMFS_UPSTREAM_STORAGE", ""),
        settings=settings,
        path=repository.mount if is_stratum0 else None,
        revision=manifest.revision if manifest else None,
        root_hash=manifest.root_hash if manifest else None,
        published=manifest.published.isoformat() if manifest else None,
        whitelist=found(lambda: _whitelist(repository)),
        garbage_collection=settings.get(stratum0.SWITCHES["garbage_collection"]) == "true" if is_stratum0 else None,
        collecting=locks.is_held(repository.lock_of("collecting")),
        keys={kind: repository.key(kind) for kind in keychain.present(repository)} if is_stratum0 else {},
    )
    if not is_stratum0:
        known["updating"] = locks.is_held(repository.lock_of("updating"))
        return known
    remarks = found(lambda: server.remarks(repository))
    options = repository.mount_options()
    known.update(
        mounted="rw" if "rw" in options else "ro" if "ro" in options else None,
        healthy=None if remarks is None else not remarks - {"in transaction"},
        replicable=stratum0.is_replicable(repository, settings),
        transaction=found(lambda: ownership.describe(repository)),
        publishing=found(repository.is_publishing),
    )
    may_list = known["healthy"] and not known["publishing"] and manifest and _is_valid(known["whitelist"])
    may_list = may_list and found(lambda: bool(server.require(repository)), False)
    if params["tags"]:
        known["tags"] = found(lambda: [asdict(tag) for tag in tags.listed(repository)]) if may_list else None
    if params["catalogs"]:
        known["catalogs"] = (
            found(lambda: [asdict(entry) for entry in catalogs.listed(repository)]) if may_list else None
        )
    if params["open_files"]:
        known["open_files"] = [asdict(holder) for holder in descriptors.below(repository.mount)]
    return known


def _whitelist(repository: Repository) -> dict[str, Any]:
    """
    :raises ServerError: it cannot be read.
    """
    valid = whitelist.validity(repository)
    return {
        "expires": valid.expires.isoformat(),
        "days": round(valid.days, 2),
        "renewable": not valid.hindrance,
    }


def _is_valid(valid: Mapping[str, Any] | None) -> bool:
    return bool(valid) and valid["days"] > 0
