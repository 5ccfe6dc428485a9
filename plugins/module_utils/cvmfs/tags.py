# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named snapshots of a repository: what the module ``cvmfs_tag`` does, and how the tags of publishes are named.

Sources: ``cvmfs/server/cvmfs_server_tag.sh``, ``cvmfs/swissknife_history.cc`` and ``cvmfs/sanitizer.h`` of
CernVM-FS 2.12.
"""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils import release
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import ownership, server, whitelist
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, ServerError

UNDO_TAGS = ("trunk", "trunk-previous")  # the server's own
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}\Z")
# Others may have made names with a slash, too; any other character would be read by a shell of cvmfs_server.
REMOVABLE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:/-]*\Z")
UNQUOTED = '"\\$`'  # a shell of cvmfs_server would read these in a description
ROOT_HASH = re.compile(r"^[0-9a-f]{40}(-rmd160|-shake128)?\Z")
LINE = re.compile(
    r"^(?P<name>\S+) (?P<hash>[0-9a-f]{40}\S*) (?P<size>\d+) (?P<revision>\d+) (?P<timestamp>-?\d+) (?P<branch>\S+)"
    r"(?: (?P<description>.*))?\Z"
)
PUBLISH_TAG = re.compile(
    r"^(?P<environment>[A-Za-z][A-Za-z0-9_.-]{0,63})-(?P<release>[0-9a-f]{16}|julia)-(?P<when>[0-9]{8}T[0-9]{6}Z)\Z"
)
NUMBERS = ("size", "revision", "timestamp")
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
REMOVED_AT_ONCE = 400  # names that together stay below the 128 KiB of one word of a command line
NAMED = 10  # so many of them are named in a message
POLL_SECONDS = 0.5
DAY = 86400.0

STATES = ("present", "absent", "pruned")
ARGUMENT_SPEC = {
    "repository": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "name": {"type": "list", "elements": "str"},
    "description": {"type": "str", "default": ""},
    "root_hash": {"type": "str"},
    "keep": {"type": "int"},
    "keep_days": {"type": "float"},
    "match": {"type": "str"},
    "environment": {"type": "str"},
    "lock_timeout": {"type": "int", "default": 600},
}
OPTIONS = {
    "required_if": [
        ("state", "present", ("name",)),
        ("state", "absent", ("name",)),
        ("state", "pruned", ("match", "environment"), True),
        ("state", "pruned", ("keep", "keep_days"), True),
    ],
    "mutually_exclusive": [("match", "environment")],
}


@dataclass(frozen=True)
class Tag:
    """A named snapshot.

    :param hash: of the root catalog.
    :param size: of the root catalog in bytes.
    :param timestamp: when its revision was published, in seconds since the epoch.
    """

    name: str
    hash: str
    size: int
    revision: int
    timestamp: int
    branch: str
    description: str


@dataclass(frozen=True)
class Publish:
    """What the tag of a publish says of it."""

    environment: str
    release: str
    when: datetime


# --- names


def fault_of_name(name: Any) -> str | None:
    """Why this cannot be the name of a new tag; none if it can."""
    if name in UNDO_TAGS:
        return f"{name!r} is a tag of the server's own"
    if isinstance(name, str) and NAME.match(name):
        return None
    return f"{name!r} is not the name of a tag: it takes a letter or digit, then letters, digits and '_.:-', 200 in all"


def fault_of_description(description: str) -> str | None:
    """Why this cannot be the description of a tag, which ``cvmfs_server`` puts into a shell's line; none if it can."""
    if description.isprintable() and not any(char in UNQUOTED for char in description):
        return None
    return f"{description!r} is not one line without the characters {' '.join(UNQUOTED)}, as a tag's description is"


def publish_tag(environment: str, release_id: str, when: datetime) -> str:
    """The name of the tag of one publish, such as ``jets-0123456789abcdef-20261124T113000Z``.

    :param environment: whose release it is.
    :param release_id: of the release that it is about; ``julia`` where it is about none.
    :param when: the time of the publish, with its time zone.
    """
    return f"{environment}-{release_id}-{when.astimezone(timezone.utc).strftime(TIME_FORMAT)}"


def moment_of_publish(last: datetime) -> datetime:
    """Now, in a later second than the publish before, for :func:`publish_tag` tells seconds apart.

    :param last: when the publish before was signed.
    """
    ahead = last.timestamp() + 1 - time.time()
    if 0 < ahead <= 1:  # more is another machine's clock that is wrong
        time.sleep(ahead)
    return datetime.now(timezone.utc)


def publish_of(name: str) -> Publish | None:
    """What :func:`publish_tag` has named so; none where it is another tag."""
    match = PUBLISH_TAG.match(name)
    if not match:
        return None
    try:
        when = datetime.strptime(match.group("when"), TIME_FORMAT).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return Publish(match.group("environment"), match.group("release"), when)


# --- planning


def newest_first(tags: Sequence[Tag]) -> list[Tag]:
    return sorted(tags, key=lambda tag: (tag.revision, tag.timestamp, tag.name), reverse=True)


def named(tags: Sequence[Tag]) -> list[Tag]:
    """Those that are not the server's own, newest first."""
    return newest_first([tag for tag in tags if tag.name not in UNDO_TAGS])


def surplus(tags: Sequence[Tag], keep: int, keep_days: float, now: float, chosen: Callable[[str], bool]) -> list[Tag]:
    """The tags that number and age let go, newest first.

    A tag stays if it is among the newest ``keep``, or younger than ``keep_days``: either alone suffices, so a quiet
    year leaves ``keep`` tags, and a busy week all of its own. With 0 for one, the other decides; with 0 for both, none
    stays. The server's own tags always do.

    :param keep_days: days since the tag's revision was published.
    :param now: seconds since the epoch.
    :param chosen: tells of a name whether it is considered, and counts, at all.
    """
    candidates = [tag for tag in named(tags) if chosen(tag.name)]
    return [tag for tag in candidates[max(0, keep) :] if keep_days <= 0 or now - tag.timestamp >= keep_days * DAY]


def choice(match: str | None, environment: str | None) -> Callable[[str], bool]:
    """Which names are considered: those that fnmatch a pattern, or those of the publishes of an environment."""
    if environment is not None:
        return lambda name: getattr(publish_of(name), "environment", None) == environment
    return lambda name: fnmatchcase(name, match or "")


def steps(tags: Sequence[Tag], params: Mapping[str, Any], now: float) -> list[dict[str, str]]:
    """What has to be done to the tags that are there, as entries of ``actions``.

    :raises InputError: a tag that is wanted is there with another root hash.
    """
    if params["state"] == "pruned":
        chosen = choice(params["match"], params["environment"])
        gone = surplus(tags, params["keep"] or 0, params["keep_days"] or 0.0, now, chosen)
        return [_action(tag.name, "removed") for tag in gone]
    there = {tag.name: tag for tag in tags}
    names = list(dict.fromkeys(params["name"]))
    if params["state"] == "absent":
        return [_action(name, "removed") for name in names if name in there]
    wanted = params["root_hash"]
    faults = [
        f"name: {name} is the tag of revision {there[name].revision} with root hash {there[name].hash} already, not of "
        f"{wanted}; take another name, or remove it first"
        for name in names
        if wanted and name in there and there[name].hash != wanted
    ]
    if faults:
        raise InputError(faults)
    return [_action(name, "added") for name in names if name not in there]


def _action(name: str, status: str) -> dict[str, str]:
    return {"what": "tag", "id": name, "status": status}


# --- the server's tags


def parse_listing(text: str) -> list[Tag]:
    """What ``cvmfs_server tag -l -x`` prints: a line a tag, with further ones where a description has several.

    :raises ValueError: it begins with something else.
    """
    found: list[dict[str, Any]] = []
    for line in text[:-1].split("\n") if text else []:  # the text ends with its last line
        match = LINE.match(line)
        if match:
            found.append(dict(match.groupdict(""), **{key: int(match.group(key)) for key in NUMBERS}))
        elif found:
            found[-1]["description"] += f"\n{line}"
        else:
            raise ValueError(f"not a line of tag -l -x: {line!r}")
    return [Tag(**fields) for fields in found]


def listed(repository: Repository, wait: float = 0) -> list[Tag]:
    """All tags of a repository, in the server's order. No lock is taken.

    :param wait: seconds to wait for a publish, while which they cannot be listed.
    :raises BusyError: it takes longer.
    :raises ServerError: they cannot be listed; the message says what to do.
    """
    deadline = time.monotonic() + wait
    is_second = False
    while True:
        completed = server.run(["tag", "-l", "-x", repository.name], output_limit=server.LISTING_BYTES)
        if completed.ok:
            try:
                return parse_listing(completed.stdout)
            except ValueError as error:
                if is_second:
                    raise ServerError(f"repository: {repository.name}: {error}") from error
            is_second = True  # the first one began with what cvmfs_server says when it repairs a mount
            continue
        fault = f"repository: {repository.name}: its tags cannot be listed"
        if not repository.is_publishing():
            raise ServerError(f"{fault}: {server.said(completed)}{_remedy(repository)}", **completed.details())
        if time.monotonic() >= deadline:
            raise BusyError(f"{fault} while a publish or an abort goes on; waited {wait:g} s, run again later")
        time.sleep(POLL_SECONDS)


def _remedy(repository: Repository) -> str:
    """What to do about a repository whose tags cannot be listed."""
    program, name = server.PROGRAM, repository.name
    found = server.remarks(repository)
    if "whitelist expired" in found or whitelist.validity(repository).seconds <= 0:
        return f". Its whitelist has expired: run `{program} resign {name}` as root where the master key is"
    if "whitelist unreachable" in found:
        return f". Its web server does not answer: start it, or see CVMFS_STRATUM0 in {repository.configuration}"
    if "in transaction" in found:
        there = ownership.describe(repository) or {"text": "it has just ended"}
        return (
            f". A transaction is open: {there['text']}. If nobody works on it any more, run `{program} abort -f {name}`"
        )
    return f". Mount it again with `{program} mount {name}`" if "unhealthy" in found else ""


def add(repository: Repository, name: str, description: str = "", root_hash: str | None = None) -> None:
    """Add a tag that is not there, to a repository held by :func:`ownership.exclusive`.

    :param root_hash: of the root catalog of the revision; the newest without it.
    :raises ServerError: it cannot be added.
    """
    words = ["-a", name] + (["-m", description] if description else []) + (["-h", root_hash] if root_hash else [])
    _edit(repository, words, f"the tag {name} cannot be added")


def remove(repository: Repository, names: Sequence[str]) -> None:
    """Remove tags that are there, from a repository held by :func:`ownership.exclusive`.

    :raises ServerError: they cannot be removed.
    """
    for first in range(0, len(names), REMOVED_AT_ONCE):
        some = names[first : first + REMOVED_AT_ONCE]
        words = ["-f"] + [word for name in some for word in ("-r", name)]
        _edit(repository, words, f"{len(some)} tags cannot be removed ({', '.join(some[:NAMED])})")


def _edit(repository: Repository, words: Sequence[str], fault: str) -> None:
    """Change tags, for which ``cvmfs_server`` opens a transaction of its own, and closes it unless it is killed."""
    owner = ownership.this_process("change its tags")
    ownership.record(repository, owner)
    completed = server.run(["tag", *words, repository.name])
    if completed.returncode < 0:
        ownership.record(repository, replace(owner, mark=ownership.mark_of(repository)))
    else:
        ownership.forget(repository)
    if not completed.ok:
        raise ServerError(f"repository: {repository.name}: {fault}: {server.said(completed)}", **completed.details())


# --- the module


def change(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the module ``cvmfs_tag`` does. Where nothing is to be done, the repository is only read.

    :returns: the module's result: ``changed``, ``tags``, ``actions``, ``recovered``, ``revision``.
    :raises InputError: what was given cannot be.
    :raises BusyError: somebody else has a transaction open, or publishes.
    """
    _validate(params)
    repository = Repository(params["repository"])
    server.require(repository)
    left = ownership.left_behind(repository)
    if check_mode and left:
        warning = f"repository: the tags of {repository.name} are seen once what a dead run left is put right"
        return dict(_result(repository, [], [], left), warnings=[warning])
    wait = params["lock_timeout"]
    if not left:
        there = listed(repository, wait)
        todo = steps(there, params, time.time())
        if check_mode or not todo:
            return _result(repository, there, todo, [])
    with ownership.exclusive(repository, wait, "change its tags") as recovered:
        there = listed(repository)
        todo = steps(there, params, time.time())  # another writer may have been there while we waited
        for action in todo:
            if action["status"] == "added":
                add(repository, action["id"], params["description"], params["root_hash"])
        remove(repository, [action["id"] for action in todo if action["status"] == "removed"])
        return _result(repository, listed(repository) if todo else there, todo, recovered)


def _validate(params: Mapping[str, Any]) -> None:
    faults = [f"repository: {fault}" for fault in [release.fault_of_repository(params["repository"])] if fault]
    names = params["name"] or []
    if params["state"] == "present":
        faults += [f"name: {fault}" for fault in map(fault_of_name, names) if fault]
        fault = fault_of_description(params["description"])
        faults += [f"description: {fault}"] if fault else []
        if params["root_hash"] and not ROOT_HASH.match(params["root_hash"]):
            faults.append(
                f"root_hash: {params['root_hash']!r} is not the hash of a root catalog (40 hexadecimal digits)"
            )
    elif params["state"] == "absent":
        faults += [
            f"name: {name!r} {'is a tag of the server, and stays' if name in UNDO_TAGS else 'cannot be a tag'}"
            for name in names
            if name in UNDO_TAGS or not REMOVABLE_NAME.match(name)
        ]
    else:
        faults += [
            f"{key}: {params[key]:g} is less than 0"
            for key in ("keep", "keep_days")
            if params[key] is not None and not params[key] >= 0
        ]
        if params["match"] == "":
            faults.append("match: it is empty; '*' matches every name")
        fault = release.fault_of_name(params["environment"]) if params["environment"] is not None else None
        faults += [f"environment: {fault}"] if fault else []
    if faults:
        raise InputError(faults)


def _result(
    repository: Repository, tags: Sequence[Tag], todo: list[dict[str, str]], recovered: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "changed": bool(todo or recovered),
        "tags": [asdict(tag) for tag in named(tags)],
        "actions": todo,
        "recovered": recovered,
        "revision": repository.manifest().revision,
    }
