# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``list``, ``info``, ``check``, ``list-catalogs``, ``gc`` and ``resign``."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import time
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path

from . import trees
from .creation import updating
from .mounts import Health
from .repository import KEYS, Repository, all_repositories
from .speech import CommandError, answered_yes, say
from .tags import BAD_WHITELIST, existing, require_owner
from .transactions import own_transaction

DAY = 86400
COLLECTION_LOG = Path("/var/log/cvmfs/gc.log")


def list_all() -> None:
    """``list``."""
    for repository in all_repositories():
        repository.step("list:start")
        words = [f"{repository.configured['CVMFS_REPOSITORY_TYPE']} / {repository.upstream}"]
        if repository.is_stratum0:
            words += ["in transaction"] if repository.in_transaction else []
            words += _whitelist_words(repository)
            words += [] if Health(repository, native=False).ok else ["unhealthy"]
        say(f"{repository.fqrn} ({' - '.join(words)})  ")


def _whitelist_words(repository: Repository) -> list[str]:
    if repository.whitelist_seconds is None:
        return ["whitelist unreachable"]
    return ["whitelist expired"] if repository.whitelist_expired else []


def info(name: str) -> None:
    """``info FQRN``."""
    repository = Repository(name)
    if not repository.exists():
        text = "(unexpected termination) cannot load whitelist [failed to download whitelist]"
        raise CommandError(1, text + "\n\nStacktrace:\n\n")
    repository.step("info:start")
    repository.require_native_whitelist()
    replicable = (repository.storage / ".cvmfs_master_replica").exists()
    say(f"Repository name: {name}")
    say(f"Created by CernVM-FS {repository.configured['CVMFS_CREATOR_VERSION']}")
    say(f"Stratum1 replication allowed: {'yes' if replicable else 'no'}")
    say(f"Whitelist is valid for another {int(repository.whitelist_seconds // DAY)} days\n")
    say(
        f"Client configuration:\nAdd {name} to CVMFS_REPOSITORIES in /etc/cvmfs/default.local\n"
        f"Create /etc/cvmfs/config.d/{name}.conf and set\n  CVMFS_SERVER_URL={repository.url}\n"
        f"  CVMFS_PUBLIC_KEY={KEYS}/{name}.pub\nCopy {KEYS}/{name}.pub to the client"
    )


def check(name: str) -> None:
    """``check FQRN``: whether all that the published revision and the tags need is there, and is what it was."""
    repository = existing(name)
    repository.step("check:start")
    require_owner(repository)
    if repository.is_stratum0:
        Health(repository, native=False).repair()
    say(f"Verifying integrity of {name}...")
    if repository.whitelist_expired:
        raise CommandError(1, f"{BAD_WHITELIST}failed to load repository manifest\n")
    say("Inspecting log of references")
    say("Inspecting tag database")
    problems = [
        f"catalog {tag.hash} of tag {tag.name} is missing"
        for tag in repository.tags()
        if not repository.tree(tag.hash).is_dir()
    ]
    root = repository.manifest.root
    for catalog in repository.record(root)["catalogs"]:
        say(f"[inspecting catalog] {catalog['hash']} at {catalog['path']}")
    if trees.read(str(repository.tree(root))).digest != repository.record(root)["digest"]:
        problems.append(f"content of catalog {root} differs")
    if problems:
        raise CommandError(
            1, "".join(f"{problem}\n" for problem in problems), "CATALOG PROBLEMS OR OTHER ERRORS FOUND\n"
        )
    say("no problems found")


def list_catalogs(options: dict[str, str], name: str) -> None:
    """``list-catalogs [-s] [-e] [-h] [-x] FQRN``."""
    repository = existing(name)
    repository.step("list-catalogs:start")
    require_owner(repository)
    if repository.is_stratum0:
        health = Health(repository, native=False)
        if not health.ok:
            health.report()
            raise CommandError(1, f"Repository {name} is not healthy\n")
    if repository.whitelist_expired:
        raise CommandError(1, "failed to load manifest (6 - manifest signature is invalid)\n")
    catalogs = [trees.Catalog(**entry) for entry in repository.record(repository.manifest.root)["catalogs"]]
    for catalog in catalogs:
        words = [catalog.hash] if "h" in options else []
        words += [f"{catalog.size}B"] if "s" in options else []
        words += [str(catalog.entries)] if "e" in options else []
        indent = "" if "x" in options else _indent(catalog, catalogs)
        say(indent + " ".join([*words, catalog.path]))


def _indent(catalog: trees.Catalog, catalogs: list[trees.Catalog]) -> str:
    level = sum(catalog.path != other.path and catalog.path.startswith(other.path + "/") for other in catalogs[1:])
    return "" if catalog.path == "/" else "│  " * level + "├─ "


# gc


def _parsed_time(text: str) -> int:
    result = subprocess.run(["date", "--date", text, "+%s"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CommandError(1, f"Cannot parse time stamp '{text}'\n")
    return int(result.stdout)


def gc(options: dict[str, str], names: list[str]) -> None:
    """``gc [-r REVISIONS | -t TIME] [-f] [-d] [-l] FQRN``, or ``gc -a`` for all that collect garbage."""
    if "a" in options:
        repositories = [repository for repository in all_repositories() if _is_collectable(repository)]
        if not repositories:
            raise CommandError(1, "There are no active garbage-collectable repositories\n")
    else:
        repositories = [existing(name, ".") for name in names]
    if "r" in options and "t" in options:
        text = "Please specify either timestamp OR revision thresholds (-r and -t are mutual exclusive)"
        raise CommandError(1, text + "\n")
    keep = int(options.get("r", -1))
    newer = _parsed_time(options.get("t", "3 days ago")) if keep < 0 else 0
    for repository in repositories:
        repository.step("gc:start")
    _announce(options, " ".join(repository.fqrn for repository in repositories), keep, newer)
    for repository in repositories:
        if "a" in options:
            _collect_into_log(repository, options, keep, newer)
        else:
            _collect(repository, options, keep, newer)


def _announce(options: dict[str, str], names: str, keep: int, newer: int) -> None:
    force, dry_run = "f" in options, "d" in options
    if not force and not dry_run:
        say("YOU ARE ABOUT TO DELETE DATA! Are you sure you want to do the following:")
    if not force or "a" not in options:
        say(f"Affected Repositories:          {names}")
        say(f"Dry Run (no actual deletion):  {'yes' if dry_run else 'no'}")
        say("Needs Reflog reconstruction:   no")
        if keep >= 0:
            say(f"Preserved Legacy Revisions:    {keep}")
        if newer:
            say(f"Preserve Revisions newer than: {time.strftime('%Y/%m/%d %H:%M:%S', time.localtime(newer))}")
        if keep <= 0 and not newer:
            say("Only the latest revision will be preserved.")
    if not force:
        say("")
        if not answered_yes("Please confirm this action (y/N)? "):
            raise CommandError(1)


def _collect_into_log(repository: Repository, options: dict[str, str], keep: int, newer: int) -> None:
    """Collect as ``gc -a`` does, which always ends with status 0."""
    COLLECTION_LOG.parent.mkdir(parents=True, exist_ok=True)
    with open(COLLECTION_LOG, "a") as log, redirect_stdout(log), redirect_stderr(log):
        say(f"\nStarting {repository.fqrn} at {time.ctime()}")
        try:
            _collect(repository, options, keep, newer)
        except CommandError as error:
            say(f"{error.stdout}{error.stderr}ERROR from cvmfs_server gc!")
        say(f"Finished {repository.fqrn} at {time.ctime()}")


def _is_collectable(repository: Repository) -> bool:
    """As ``is_garbage_collectable``: the stratum-0 decides for its replicas."""
    return repository.collectable if repository.is_stratum0 else repository.manifest.collectable


def _collect(repository: Repository, options: dict[str, str], keep: int, newer: int) -> None:
    if not _is_collectable(repository):
        raise CommandError(1, f"Garbage Collection is not enabled for {repository.fqrn}\n")
    require_owner(repository)
    if "d" in options:
        say("Running Garbage Collection ")
        _sweep(repository, options, keep, newer)
        return
    if not repository.collecting.acquire():
        text = f"A check or other gc on {repository.fqrn} is in progress... aborting\n"
        raise CommandError(1, f"Failed to acquire gc lock for {repository.fqrn}\n", text)
    try:
        if not repository.is_stratum0:
            with updating(repository):
                say("Running Garbage Collection ")
                _sweep(repository, options, keep, newer)
            return
        if repository.in_transaction:
            raise CommandError(1, "Cannot run garbage collection while in a transaction\n")
        with own_transaction(repository):
            say("Running Garbage Collection ")
            if repository.whitelist_expired:
                text = "failed to load repository manifest (6 - manifest signature is invalid)\nFail (6)!\n"
                raise CommandError(1, text)
            repository.step("gc:before-sweep")
            _sweep(repository, options, keep, newer)
            repository.step("gc:after-sweep")
    finally:
        repository.collecting.release()


def _sweep(repository: Repository, options: dict[str, str], keep: int, newer: int) -> None:
    """Remove what no tag names, and what is neither among the newest revisions nor new enough."""
    revisions = repository.revisions
    tagged = {tag.hash for tag in repository.tags()}
    oldest = repository.manifest.revision - max(keep, 0)
    gone = [
        root
        for root, revision in revisions.items()
        if root not in tagged and revision < oldest and not (newer and repository.record(root)["timestamp"] > newer)
    ]
    moment = time.strftime("[%a, %d %b %Y %H:%M:%S GMT]", time.gmtime())
    say(f"  --> marking unreferenced objects {moment}")
    say(f"  --> sweeping unreferenced objects {moment}")
    if gone:
        say(f"      - 100%    {len(gone)} / {len(gone)} unreferenced revisions removed {moment}")
    kept = [repository.tree(root) for root in revisions if root not in gone]
    contents = _contents([repository.tree(root) for root in gone])
    for digest in _contents(kept):
        contents.pop(digest, None)
    if "L" in options:
        _log_deletions(Path(options["L"]), [*contents, *(f"{root}C" for root in gone)])
    say(f"  --> done garbage collecting {moment}")
    if "d" in options:
        return
    for root in gone:
        repository.discard_revision(root)
    say(f"Statistics stored at: {repository.spool}/stats.db")
    _store_statistics(repository, len(gone), contents)


def _contents(folders: list[Path]) -> dict[str, int]:
    """Hashes of the contents of all files in some folders, with their sizes in bytes."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    contents = {path: path.read_bytes() for path in files}
    return {hashlib.sha1(content).hexdigest(): len(content) for content in contents.values()}


def _log_deletions(path: Path, names: list[str]) -> None:
    moment = time.strftime("%d %b %Y %H:%M:%S", time.gmtime())
    with open(path, "a") as log:
        log.write(f"# Garbage Collection started at {moment}\n")
        log.writelines(f"{name}\n" for name in names)
        log.write(f"# Garbage Collection finished at {moment}\n\n")


def _store_statistics(repository: Repository, catalogs: int, contents: dict[str, int]) -> None:
    """Bytes are counted only where the settings say so."""
    is_counted = repository.configured.get("CVMFS_EXTENDED_GC_STATS") == "true"
    columns = "n_preserved_catalogs, n_condemned_catalogs, n_condemned_objects, sz_condemned_bytes, success"
    path = repository.spool / "stats.db"
    with closing(sqlite3.connect(path)) as database, database as connection:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS gc_statistics (gc_id INTEGER PRIMARY KEY, {columns.replace(',', ' INTEGER,')})"
        )
        values = (len(repository.revisions), catalogs, catalogs + len(contents))
        connection.execute(
            f"INSERT INTO gc_statistics ({columns}) VALUES (?, ?, ?, ?, 1)",
            (*values, sum(contents.values()) if is_counted else None),
        )
    repository.give(path)


def resign(options: dict[str, str], names: list[str]) -> None:
    """``resign [-d DAYS] [-f] FQRN`` or ``resign -p FQRN``."""
    repositories = [existing(name, ".") for name in names]
    days = int(options.get("d", 30))
    if os.geteuid() != 0 and "p" not in options:
        raise CommandError(1, "Only root can resign whitelists\n")
    if days > 30:
        say("Warning: whitelist expiration is more than 30 days.")
        say("Long expirations increase risk from repository key compromises!")
        if "f" not in options and not answered_yes("Are you sure you want to do this (y/N)? "):
            raise CommandError(1)
    for repository in repositories:
        repository.step("resign:start")
        if not repository.is_stratum0:
            raise CommandError(1, stdout=f"Repository {repository.fqrn} is not a stratum 0 repository\n")
        if "p" in options:
            say("Signing .cvmfspublished... done")
            continue
        if not (KEYS / f"{repository.fqrn}.masterkey").is_file():
            raise CommandError(1, "Neither masterkey nor masterkeycard is available to sign whitelist!\n")
        say(f"Signing {days} day whitelist with master key... ", end="")
        repository.step("resign:before-sign")
        repository.sign_whitelist(days)
        say("done")
