# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``tag`` and ``rollback``."""

from __future__ import annotations

import time
from dataclasses import replace

from .mounts import Health, mounts_of
from .repository import UNDO_TAGS, Repository, Tag, head_tag
from .speech import CommandError, answered_yes, say
from .transactions import own_transaction, working_directory_is_in

BAD_WHITELIST = "failed to fetch repository manifest (8 - bad whitelist)\n"


def existing(name: str, stop: str = "") -> Repository:
    """The repository for a command of the scripts.

    Args:
        name: its fully qualified name
        stop: what ends the message

    Raises:
        CommandError: with status 1 if there is none
    """
    repository = Repository(name)
    if not repository.exists():
        raise CommandError(1, f"The repository {name} does not exist{stop}\n")
    return repository


def require_owner(repository: Repository) -> None:
    """Raise CommandError if the user is neither root nor the repository's owner."""
    if not repository.user_is_owner_or_root:
        raise CommandError(1, f"Permission denied: Repository {repository.fqrn} is owned by {repository.owner}\n")


def _require_stratum0(repository: Repository) -> None:
    if not repository.is_stratum0:
        raise CommandError(1, "This is not a stratum 0 repository\n")


def _print_machine_readable(tags: list[Tag]) -> None:
    for tag in tags:
        say(f"{tag.name} {tag.hash} {tag.size} {tag.revision} {tag.timestamp} (default) {tag.description}")


def _print_table(tags: list[Tag]) -> None:
    width = max(len("Name"), *(len(tag.name) for tag in tags))
    rules = ["─" * (width + 1), "─" * 10, "─" * 22, "─" * 8, "─" * 13]
    say(f"{'Name'.ljust(width)} │ Revision │ {'Timestamp'.ljust(20)} │ Branch │ Description")
    say("┼".join(rules))
    for tag in reversed(tags):
        moment = time.strftime("%d %b %Y %H:%M:%S", time.gmtime(tag.timestamp)).lstrip("0").rjust(20)
        say(f"{tag.name.ljust(width)} │ {tag.revision:8} │ {moment} │ {'':6} │ {tag.description}")
    say("┴".join(rules))
    say(f"listing contains {len(tags)} tags")


def tag(options: dict[str, str], name: str, removed: list[str]) -> None:
    """``tag -l [-x]``, ``tag -a NAME [-m MESSAGE]`` or ``tag -r NAME [-r NAME] [-f]``."""
    if sum((bool(removed), "l" in options, "a" in options)) > 1:
        raise CommandError(1, "Ambiguous parameters. Please either add, remove, inspect or list tags.\n")
    repository = existing(name)
    repository.step("tag:start")
    require_owner(repository)
    _require_stratum0(repository)
    if repository.publishing.is_held():
        raise CommandError(1, "Repository is currently publishing\n")
    Health(repository, native=False).repair()
    if not removed and "a" not in options:
        if repository.whitelist_expired:
            raise CommandError(1, f"{BAD_WHITELIST}failed to load manifest file\nfailed to init environment\n")
        (_print_machine_readable if "x" in options else _print_table)(repository.tags())
        return
    if " " in options.get("a", ""):
        raise CommandError(1, "Spaces are not allowed in tag names\n")
    if repository.in_transaction:
        raise CommandError(1, "Cannot change repository tags while in a transaction\n")
    with own_transaction(repository):
        if removed:
            tags = _without(repository, removed, "f" in options)
        else:
            tags = _with(repository, options["a"], options.get("m", ""))
        repository.step("tag:before-sign")
        repository.sign(replace(repository.manifest, history=repository.store_tags(tags)))
        repository.step("tag:after-sign")


def _with(repository: Repository, name: str, description: str) -> list[Tag]:
    if repository.whitelist_expired:
        raise CommandError(1, f"{BAD_WHITELIST}failed to load manifest file\nfailed to init environment\n")
    if name in UNDO_TAGS:
        raise CommandError(1, "undo tags are managed internally\n")
    tags = repository.tags()
    if any(known.name == name for known in tags):
        raise CommandError(
            1, f"a tag with the name '{name}' already exists. Do you want to move it? (-h <root hash>)\n"
        )
    return [*tags, head_tag(repository.manifest, name, description)]


def _without(repository: Repository, names: list[str], force: bool) -> list[Tag]:
    if not force:
        say(f"You are about to remove these tags from {repository.fqrn}:")
        say("".join(f"* {name}\n" for name in names))
        if not answered_yes("Are you sure (y/N)? "):
            raise CommandError(1)
    if any(name in UNDO_TAGS for name in names):
        raise CommandError(1, "undo tags are handled internally and cannot be deleted\nDid not remove anything\n")
    tags = {known.name: known for known in repository.tags()}
    missing = [name for name in names if name not in tags]
    if missing:
        raise CommandError(
            1, "".join(f"tag '{name}' does not exist\n" for name in missing) + "Did not remove anything\n"
        )
    for name in names:
        say(f"deleting '{name}' ({tags.pop(name).hash})")
    return list(tags.values())


def rollback(options: dict[str, str], name: str) -> None:
    """``rollback [-f] [-t TAG] FQRN``: the tag's content becomes the newest revision, later tags go."""
    repository = existing(name)
    repository.step("rollback:start")
    _require_stratum0(repository)
    if repository.publishing.is_held():
        raise CommandError(1, f"Repository {name} is currently being published\n")
    Health(repository, native=False).repair()
    require_owner(repository)
    if repository.whitelist_expired:
        raise CommandError(1, "Repository whitelist is expired!\n")
    if repository.in_transaction:
        raise CommandError(1, "Cannot rollback a repository in a transaction\n")
    if working_directory_is_in(repository.union):
        message = f"Current working directory is in {repository.union}.  Please release, e.g. by 'cd $HOME'."
        raise CommandError(1, message + "\n")
    wanted = options.get("t")
    target = next((known for known in repository.tags() if known.name == (wanted or "trunk-previous")), None)
    if target is None and wanted is None:
        text = "More than one anonymous undo rollback is not supported. Please specify a tag name (-t)"
        raise CommandError(1, text + "\n")
    if target is None:
        raise CommandError(1, f"Target tag '{wanted}' does not exist\n")
    if "f" not in options and not answered_yes():
        raise CommandError(1)
    say(f"Rolling back repository (leaving behind {repository.manifest.root})")
    with own_transaction(repository):
        _roll_back(repository, target)
    say("Flushing file system buffers")


def _roll_back(repository: Repository, target: Tag) -> None:
    tags = repository.tags()
    gone = [known for known in tags if known.revision > target.revision or known.name == target.name]
    manifest = repository.store_revision(repository.tree(target.hash), repository.manifest)
    kept = [known for known in tags if known not in gone and known.name not in UNDO_TAGS]
    new = [head_tag(manifest, "trunk", "current HEAD")]
    if target.name not in UNDO_TAGS:
        new.append(head_tag(manifest, target.name, target.description))
    width = max(len(known.name) for known in gone)
    for known in gone:
        say(f"removed tag {known.name.ljust(width)} ({known.hash})")
    repository.step("rollback:before-sign")
    repository.sign(replace(manifest, history=repository.store_tags(kept + new)))
    mounts_of(repository).want(manifest.root)
    repository.step("rollback:after-sign")
