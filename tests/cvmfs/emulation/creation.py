# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``mkfs``, ``rmfs``, ``add-replica`` and ``snapshot``."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .faults import step
from .mounts import choose_mode, mounts_of, take_down
from .repository import KEY_ENDINGS, KEYS, Lock, Repository, remove_files
from .speech import CommandError, answered_yes, say, silence
from .tags import existing
from .transactions import publish, transaction

REPLICABLE = "This file marks the repository as replicatable to stratum 1 servers\n"
# A real server on the same machine reads each public key in the folder of keys, whosever it is. The private part of
# this one was thrown away.
PUBLIC_KEY = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApD92XrJYP2np1rRUOPBB
wTLE9ZzJxPEz7I4YL+5tjE7TH0HgTg9IA6wXW7FRDNxVpU3hmd+1/r3f2c2Z0BNo
pVsk/4BWRH0o9yD8XC6zpiS7IYKYxaQkS0y3e/t2uR/wTkbyNp5EPptb5rnRq7a6
BAUhCfYYhvCfQ6HRvb/Y+ZHp1dyRhkX37trb5UsLftcjAOuOWjoVnbeSpCqP5zzc
71q9ZeI2KL68VjqL+HnEZRAionElxr7y1hmJTaIhkKi0urKQ40v9VlcJlMwXI1Hl
0SaFGbzTg+sA6sQzKQWk5Exi3Kg4BthNT6249uIH0bI9lJ4WmvcjecTx16z4OHFt
2QIDAQAB
-----END PUBLIC KEY-----
"""


def _require_new(repository: Repository, owner: str) -> None:
    name = repository.fqrn
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}", name):
        raise CommandError(1, f"invalid repository name: {name}\n")
    if os.geteuid() != 0:
        raise CommandError(1, "Only root can create a new repository\n")
    if repository.configuration.exists():
        raise CommandError(1, f"The repository {name} already exists\n")
    try:
        pwd.getpwnam(owner)
    except KeyError:
        raise CommandError(1, f"No user {owner}\n") from None


def _configure(repository: Repository, settings: dict[str, str]) -> None:
    repository.configuration.mkdir(parents=True)
    lines = ["# Created by cvmfs_server.", *(f"{name}={value}" for name, value in settings.items())]
    (repository.configuration / "server.conf").write_text("\n".join(lines) + "\n")
    (repository.configuration / "emulation.json").write_text(json.dumps({"mode": "plain", "faults": []}) + "\n")


def mkfs(options: dict[str, str], name: str) -> None:
    """``mkfs [-o OWNER] [-z] [-g] [-w URL] [-u UPSTREAM] FQRN``."""
    step("mkfs:start")
    repository = Repository(name)
    owner = options.get("o", "root")
    _require_new(repository, owner)
    collectable = "z" in options
    if collectable and "g" not in options:
        say("Note: Autotagging all revisions impedes garbage collection")
    say("Creating Configuration Files... ", end="")
    settings = {
        "CVMFS_CREATOR_VERSION": "143",
        "CVMFS_REPOSITORY_NAME": name,
        "CVMFS_REPOSITORY_TYPE": "stratum0",
        "CVMFS_USER": owner,
        "CVMFS_UNION_DIR": str(repository.union),
        "CVMFS_SPOOL_DIR": str(repository.spool),
        "CVMFS_STRATUM0": options.get("w", f"http://localhost/cvmfs/{name}"),
        "CVMFS_UPSTREAM_STORAGE": options.get("u", f"local,{repository.storage}/data/txn,{repository.storage}"),
        "CVMFS_UNION_FS_TYPE": "overlayfs",
        "CVMFS_HASH_ALGORITHM": "sha1",
        "CVMFS_AUTO_TAG": "false" if "g" in options else "true",
        "CVMFS_GARBAGE_COLLECTION": "true" if collectable else "false",
        "CVMFS_AUTO_REPAIR_MOUNTPOINT": "true",
        "CVMFS_IGNORE_XDIR_HARDLINKS": "true",
    }
    if collectable:
        settings["CVMFS_AUTO_GC"] = "true"
    _configure(repository, settings)
    (repository.configuration / "client.conf").write_text(f"CVMFS_PUBLIC_KEY={KEYS}/{name}.pub\n")
    say("done")
    _make_keys(repository)
    _make_folders(repository)
    say("Signing 30 day whitelist with master key... ", end="")
    repository.sign_whitelist(30)
    say("done")
    _initial_revision(repository)


def _make_keys(repository: Repository) -> None:
    KEYS.mkdir(parents=True, exist_ok=True)
    present = [(KEYS / f"{repository.fqrn}.{ending}") for ending in KEY_ENDINGS]
    if any(path.is_file() for path in present):
        say(f"Importing CernVM-FS Master Key and Certificate from '{KEYS}'... ", end="")
        for path in present:
            if not path.is_file():
                raise CommandError(1, f"cp: cannot stat '{path}': No such file or directory\nfail!\n")
            path.chmod(0o444 if path.suffix in (".pub", ".crt") else 0o400)
            repository.give(path)
        say("done")
        return
    say("Creating CernVM-FS Master Key and Self-Signed Certificate... ", end="")
    for path in present:
        text = f"the {path.suffix[1:]} of the emulated repository {repository.fqrn}\n"
        repository.write(path, text + (PUBLIC_KEY if path.suffix == ".pub" else ""))
        path.chmod(0o444 if path.suffix in (".pub", ".crt") else 0o400)
    say("done")


def _make_folders(repository: Repository) -> None:
    say("Creating CernVM-FS Server Infrastructure... ", end="")
    for path in (
        repository.union,
        repository.spool,
        repository.scratch.parent,
        repository.scratch,
        repository.scratch.parent / "wastebin",
        repository.readonly,
        repository.work,
        repository.spool / "tmp",
        repository.spool / "cache",
    ):
        repository.folder(path)
    say("done")
    say("Creating Backend Storage... ", end="")
    for path in (repository.storage, repository.storage / "data", repository.store, repository.store / "revisions"):
        repository.folder(path)
    say("done")


def _initial_revision(repository: Repository) -> None:
    say("Creating Initial Repository... ", end="")
    mode = choose_mode(repository)
    if mode == "plain":
        configuration = repository.configuration / "server.conf"
        configuration.write_text(configuration.read_text().replace("=overlayfs\n", "=none\n"))
    repository.settings_file.write_text(json.dumps({"mode": mode, "faults": []}, indent=2) + "\n")
    repository.give(repository.settings_file)
    repository.give(repository.configuration)
    empty = repository.spool / "tmp" / "empty"
    repository.folder(empty)
    manifest = replace(repository.store_revision(empty, None), history=repository.store_tags([]))
    empty.rmdir()
    repository.sign(manifest)
    say("done")
    step("mkfs:before-mount")
    say("Mounting CernVM-FS Storage... (overlayfs) done")
    mounts = mounts_of(repository)
    mounts.want(manifest.root)
    with silence():
        mounts.mount_readonly()
        mounts.mount_union()
    say("Allowing Replication of this Repository... done")
    repository.write(repository.storage / ".cvmfs_master_replica", REPLICABLE)
    say("Initial commit... ", end="")
    with silence():
        _initial_commit(repository)
    say((repository.union / "new_repository").read_text(), end="")
    say("Updating global JSON information... done")
    say(
        "\nBefore you can install anything, call `cvmfs_server transaction`\n"
        "to enable write access on your repository. Then install your\n"
        f"software in {repository.union} as user {repository.owner}.\n"
        "Once you're happy, publish using `cvmfs_server publish`\n\n"
        "For client configuration, have a look at 'cvmfs_server info'\n\n"
        "If you go for production, backup your masterkey from /etc/cvmfs/keys/!"
    )


def _initial_commit(repository: Repository) -> None:
    transaction({}, repository.fqrn)
    path = repository.union / "new_repository"
    path.write_text(f"New CernVM-FS repository for {repository.fqrn}\n")
    repository.give(path)
    publish({}, repository.fqrn)


def alterfs(options: dict[str, str], name: str) -> None:
    """``alterfs -m on|off FQRN``."""
    repository = existing(name)
    if os.geteuid() != 0:
        raise CommandError(1, "Only root can alter a repository\n")
    mark = repository.storage / ".cvmfs_master_replica"
    if options["m"] == "off" and mark.exists():
        mark.unlink()
        say("Disallowing Replication of this Repository... done")
    elif options["m"] == "on" and not mark.exists():
        repository.write(mark, REPLICABLE)
        say("Allowing Replication of this Repository... done")


def rmfs(options: dict[str, str], names: list[str]) -> None:
    """``rmfs [-f] [-p] FQRN``."""
    if os.geteuid() != 0:
        raise CommandError(1, "Only root can remove a repository\n")
    repositories = [existing(name, ".") for name in names]
    for repository in repositories:
        repository.step("rmfs:start")
        if "f" not in options and not answered_yes():
            continue
        if repository.is_stratum0:
            say("Unmounting CernVM-FS Area... ", end="")
            if not take_down(repository):
                raise CommandError(1, "fail\n")
            say("done")
        say("Removing Spool Area... done")
        say("Removing Configuration... done")
        preserve = "p" in options
        remove_files(repository, preserve)
        if repository.union.is_dir():
            repository.union.rmdir()
        if not preserve:
            say("Removing Repository Storage... done\nRemoving Keys and Certificate... done")
        say("Updating global JSON information... done")
        say(f"CernVM-FS repository {repository.fqrn} wiped out!")


def _source(url: str) -> Repository:
    """The emulated repository that a URL names by its last part."""
    source = Repository(url.rstrip("/").rpartition("/")[2])
    if not (source.storage / ".cvmfspublished").is_file():
        raise CommandError(1, f"Failed to access Stratum0 repository at {url}\n")
    if not (source.storage / ".cvmfs_master_replica").is_file():
        text = f"The repository URL {url} does not point to a replicable master copy of {source.fqrn}"
        raise CommandError(1, text + "\n")
    return source


def add_replica(options: dict[str, str], url: str, key: str) -> None:
    """``add-replica [-o OWNER] [-n ALIAS] [-w URL] [-z] [-a] [-p] URL KEY``."""
    step("add-replica:start")
    source = _source(url)
    replica = Repository(options.get("n", source.fqrn))
    if replica.exists() and replica.is_stratum0:
        text = f"Repository {replica.fqrn} already exists as a Stratum0 repository."
        hint = f"Use -n to create an aliased Stratum1 replica for {source.fqrn} on this machine."
        raise CommandError(1, f"{text}\n{hint}\n")
    if replica.exists():
        raise CommandError(1, f"There is already a Stratum1 repository {replica.fqrn}\n")
    _require_new(replica, options.get("o", "root"))
    settings = {
        "CVMFS_CREATOR_VERSION": "143",
        "CVMFS_REPOSITORY_NAME": source.fqrn,
        "CVMFS_REPOSITORY_TYPE": "stratum1",
        "CVMFS_USER": options.get("o", "root"),
        "CVMFS_SPOOL_DIR": str(replica.spool),
        "CVMFS_STRATUM0": url,
        "CVMFS_STRATUM1": options.get("w", f"http://localhost/cvmfs/{replica.fqrn}"),
        "CVMFS_UPSTREAM_STORAGE": options.get("u", f"local,{replica.storage}/data/txn,{replica.storage}"),
        "CVMFS_SNAPSHOT_GROUP": options.get("g", ""),
    }
    if "z" in options:
        settings["CVMFS_AUTO_GC"] = "true"
    _configure(replica, settings)
    replica.give(replica.configuration)
    replica.give(replica.settings_file)
    text = f"CVMFS_NUM_WORKERS=16\nCVMFS_PUBLIC_KEY={key}\nCVMFS_HTTP_TIMEOUT=10\nCVMFS_HTTP_RETRIES=3\n"
    (replica.configuration / "replica.conf").write_text(f"# Created by cvmfs_server.\n{text}")
    say("Creating Configuration Files... done")
    for path in (replica.storage, replica.store, replica.store / "revisions", replica.spool):
        replica.folder(path)
    say("Create CernVM-FS Storage... done\nCreating CernVM-FS Server Infrastructure... done")
    say("Updating global JSON information... done")
    say(
        f"\nUse 'cvmfs_server snapshot' to replicate {replica.fqrn}.\n"
        "Make sure to install the repository public key in /etc/cvmfs/keys/\n"
        f"You might have to add the key in {replica.configuration}/replica.conf"
    )


@contextmanager
def updating(replica: Repository, abort_on_conflict: bool = False) -> Iterator[None]:
    """Hold a replica as ``acquire_update_lock`` does, after another snapshot or garbage collection.

    Raises:
        CommandError: with status 1 if it is not to be waited for, or is the first snapshot
    """
    lock = Lock(replica.spool / "is_updating.lock")
    if not lock.acquire():
        if abort_on_conflict:
            raise CommandError(1, stdout="another update is in progress... aborting\n")
        if not (replica.storage / ".cvmfs_last_snapshot").is_file():
            raise CommandError(1, stdout="an initial snapshot is in progress... aborting\n")
        say("waiting for another update to finish...")
        while not lock.acquire():
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()


def snapshot(options: dict[str, str], names: list[str]) -> None:
    """``snapshot [-t] FQRN``: bring a replica to what its stratum-0 publishes."""
    replicas = [existing(name, ".") for name in names]
    for replica in replicas:
        replica.step("snapshot:start")
        if replica.is_stratum0:
            raise CommandError(1, stdout=f"Repository {replica.fqrn} is not a stratum 1 repository\n")
        if not replica.user_is_owner_or_root:
            raise CommandError(1, stdout=f"Permission denied: Repository {replica.fqrn} is owned by {replica.owner}\n")
        with updating(replica, "t" in options):
            _pull(replica, _source(replica.configured["CVMFS_STRATUM0"]))
            replica.write(replica.storage / ".cvmfs_last_snapshot", time.strftime("%c UTC\n", time.gmtime()))


def _require_key(replica: Repository, source: Repository) -> None:
    """The public key must be that of the repository.

    Raises:
        CommandError: with status 1 if it is not
    """
    text = (replica.configuration / "replica.conf").read_text()
    key = Path(re.search("^CVMFS_PUBLIC_KEY=(.*)$", text, re.M)[1].strip('"'))
    if not key.is_file():
        text = f"failed to load public repo key '{key}'\nfailed to initialize CVMFS signatures\n"
        raise CommandError(1, text)
    say(f"CernVM-FS: using public key(s) {key}")
    if key.read_bytes() != (KEYS / f"{source.fqrn}.pub").read_bytes() or source.whitelist_expired:
        raise CommandError(1, "failed to fetch manifest (8 - bad whitelist)\n")


def _pull(replica: Repository, source: Repository) -> None:
    if not (replica.storage / ".cvmfspublished").is_file():
        say("Initial snapshot")
    say(f"CernVM-FS: replicating from {replica.configured['CVMFS_STRATUM0']}")
    _require_key(replica, source)
    replica.step("snapshot:before-pull")
    manifest = source.manifest
    tags = source.tags(manifest)
    say(f"Found {len(tags)} named snapshots")
    for root in sorted({manifest.root, *(tag.hash for tag in tags)}):
        _pull_revision(replica, source, root)
    replica.step("snapshot:before-manifest")
    for name in (f"emulation/history-{manifest.history}.json", ".cvmfswhitelist", ".cvmfspublished"):
        replica.write(replica.storage / name, (source.storage / name).read_bytes())
    say(f"Serving revision {manifest.revision}")


def _pull_revision(replica: Repository, source: Repository, root: str) -> None:
    target = replica.tree(root)
    if not source.tree(root).is_dir() or target.is_dir():
        return
    new = replica.tree("new")
    replica.discard(new)
    shutil.copytree(source.tree(root), new, symlinks=True)
    replica.write(target.with_suffix(".json"), source.tree(root).with_suffix(".json").read_bytes())
    new.replace(target)
