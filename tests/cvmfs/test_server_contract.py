# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``cvmfs_server`` answers: the same assertions on the emulation, in both modes, and on a real server."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cvmfs.servers import Answer, Server, nobody_cannot_run_the_emulation

IDLE = "stratum0 / local"
OPEN = "stratum0 / local - in transaction"
UNHEALTHY = "stratum0 / local - in transaction - unhealthy"
NOBODY = pwd.getpwnam("nobody").pw_uid
MISSING = "contract-missing.example.org"


def open_transaction(server: Server) -> None:
    assert server.run("transaction", server.name) == Answer(0, "", "")


def publish(server: Server, *arguments: str) -> Answer:
    answer = server.run("publish", *arguments, server.name)
    assert answer.status == 0, answer
    return answer


def publish_file(server: Server, name: str, text: str, *arguments: str) -> None:
    open_transaction(server)
    (server.path / name).write_text(text)
    publish(server, *arguments)


def abort(server: Server) -> Answer:
    answer = server.run("abort", "-f", server.name)
    assert answer.status == 0, answer
    assert server.state == IDLE
    return answer


def check(server: Server) -> None:
    answer = server.run("check", server.name)
    assert answer.status == 0, answer
    assert answer.stdout.endswith("no problems found\n")


def is_writable(server: Server) -> bool:
    """Whether the mount is writable, by its options, or by the modes of a folder that is not mounted."""
    options = server.mount_options()
    return "rw" in options if options else bool(server.path.stat().st_mode & 0o200)


@contextmanager
def process_in(folder: Path) -> Iterator[None]:
    """A process that works in a folder and has nothing open in it."""
    process = subprocess.Popen(["sleep", "600"], cwd=folder)
    try:
        yield
    finally:
        process.kill()
        process.wait()


# Making and removing


def test_a_repository_is_not_made_twice(server: Server) -> None:
    answer = server.run("mkfs", "-o", "root", server.name)
    assert answer == Answer(1, "", f"The repository {server.name} already exists\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "no-such-user", MISSING), "No user no-such-user\n"),
        (("contract%.example.org",), "invalid repository name: contract%.example.org\n"),
    ],
)
def test_mkfs_refuses(server: Server, arguments: tuple[str, ...], message: str) -> None:
    assert server.run("mkfs", *arguments) == Answer(1, "", message)


def test_a_repository_comes_and_goes(another_server: Callable[..., Server]) -> None:
    server = another_server("-z")
    assert server.state == IDLE
    assert server.revision == 1
    assert (server.path / "new_repository").read_text() == f"New CernVM-FS repository for {server.name}\n"
    assert {name.partition("-")[0] for name in server.tags} == {"generic", "trunk"}
    assert {path.name for path in Path("/etc/cvmfs/keys").glob(f"{server.name}.*")} == {
        f"{server.name}.{ending}" for ending in ("masterkey", "pub", "key", "crt")
    }

    assert server.run("rmfs", server.name).status == 1  # it asks, and nobody answers
    assert server.state == IDLE
    answer = server.run("rmfs", "-f", server.name)
    assert answer.status == 0
    assert answer.stdout.endswith(f"CernVM-FS repository {server.name} wiped out!\n")
    for path in (server.path, server.spool, server.storage, server.configuration):
        assert not path.exists()
    assert not list(Path("/etc/cvmfs/keys").glob(f"{server.name}.*"))


def test_info(server: Server) -> None:
    answer = server.run("info", server.name)
    assert (answer.status, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"Repository name: {server.name}\nCreated by CernVM-FS 143\n")
    assert re.search(
        r"^Stratum1 replication allowed: yes\nWhitelist is valid for another 29 days$", answer.stdout, re.M
    )
    assert f"  CVMFS_SERVER_URL=http://localhost/cvmfs/{server.name}\n" in answer.stdout
    assert f"  CVMFS_PUBLIC_KEY=/etc/cvmfs/keys/{server.name}.pub\n" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("transaction",),
            "CernVM-FS error: Unable to find the configuration file `server.conf` for the cvmfs publisher: ",
        ),
        (
            ("abort", "-f"),
            "CernVM-FS error: Unable to find the configuration file `server.conf` for the cvmfs publisher: ",
        ),
        (("publish",), "The repository {}."),
        (("rmfs", "-f"), "The repository {}."),
        (("gc", "-f"), "The repository {}."),
        (("resign",), "The repository {}."),
        (("tag", "-l"), "The repository {}"),
        (("rollback", "-f", "-t", "x"), "The repository {}"),
        (("check",), "The repository {}"),
        (("list-catalogs",), "The repository {}"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_unknown_repository(server: Server, arguments: tuple[str, ...], message: str) -> None:
    answer = server.run(*arguments, MISSING)
    expected = message.format(f"{MISSING} does not exist") if "{}" in message else message + MISSING
    assert answer == Answer(1, "", expected + "\n")


def test_info_of_an_unknown_repository(server: Server) -> None:
    answer = server.run("info", MISSING)
    assert (answer.status, answer.stdout) == (1, "")
    assert "cannot load whitelist [failed to download whitelist]" in answer.stderr


def test_unknown_command(server: Server) -> None:
    answer = server.run("frobnicate")
    assert answer.status == 3
    assert "Unrecognized command: frobnicate" in answer.stdout


def test_others_are_refused(server: Server) -> None:
    reason = "" if server.is_real else nobody_cannot_run_the_emulation()
    if reason:
        pytest.skip(reason)
    environment = {**server.environment, "CVMFS_EMULATION_PYTHON": "/usr/bin/python3"}

    def run(*arguments: str) -> tuple[int, str]:
        program = ["cvmfs_server", *arguments, server.name]
        result = subprocess.run(
            program, user=NOBODY, group=NOBODY, cwd="/", env=environment, capture_output=True, text=True, check=False
        )
        return result.returncode, result.stderr

    denied = f"Permission denied: Repository {server.name} is owned by root\n"
    assert run("transaction") == (1, "Permission error: No write permission to repository\n")
    assert run("abort", "-f") == (1, "Permission error: No write permission to repository\n")
    assert run("check") == (1, denied)
    assert run("list-catalogs") == (1, denied)
    assert run("resign") == (1, "Only root can resign whitelists\n")
    assert run("publish")[0] == 2  # it cannot make is_publishing.lock
    assert server.state == IDLE


# Transactions


def test_a_transaction_is_an_empty_lock_and_a_writable_mount(server: Server) -> None:
    assert server.state == IDLE
    assert not is_writable(server)
    open_transaction(server)
    assert server.state == OPEN
    assert (server.spool / "in_transaction.lock").read_bytes() == b""
    assert is_writable(server)
    (server.path / "thrown away").write_text("x")
    answer = abort(server)
    assert f"CernVM-FS: mounted cvmfs on {server.spool}/rdonly\n" in answer.stdout
    assert answer.stderr == ""
    assert not (server.spool / "in_transaction.lock").exists()
    assert not is_writable(server)
    assert not (server.path / "thrown away").exists()


def test_only_one_transaction(server: Server) -> None:
    refused = "CernVM-FS transaction error: another transaction is already open\n"
    open_transaction(server)
    (server.path / "kept").write_text("x")
    assert server.run("transaction", server.name) == Answer(17, "", refused)
    answer = server.run("transaction", "-t", "1", server.name)
    assert (answer.status, answer.stderr) == (17, refused)
    assert set(answer.stdout.splitlines()) == {"repository busy, retrying"}
    assert server.state == OPEN
    assert (server.path / "kept").read_text() == "x"


def test_a_transaction_waits_for_another_one(server: Server) -> None:
    open_transaction(server)
    process = server.start("transaction", "-t", "0", server.name)
    try:
        assert process.stdout.readline() == "repository busy, retrying\n"
        assert server.run("abort", "-f", server.name).status == 0
        assert set(process.stdout.read().splitlines()) <= {"repository busy, retrying"}
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert server.state == OPEN


def test_outside_of_a_transaction(server: Server) -> None:
    message = f"Repository {server.name} is not in a transaction\n"
    assert server.run("publish", server.name) == Answer(1, message, "")
    assert server.run("abort", "-f", server.name) == Answer(22, "", message)


def test_a_path_without_a_gateway(server: Server) -> None:
    assert server.run("transaction", f"{server.name}/a/b/c") == Answer(
        2, "", "CernVM-FS transaction error: cannot open transaction on non-existing path /a/b\n"
    )
    assert server.state == IDLE
    answer = server.run("transaction", f"{server.name}/new_repository/below")
    assert answer.status == 20
    assert answer.stderr.endswith("cannot open transaction on /new_repository, which is not a directory\n")
    assert server.state == IDLE
    assert server.run("transaction", f"{server.name}/julia") == Answer(0, "", "")
    assert server.state == OPEN
    assert server.run("abort", "-f", f"{server.name}/any/thing").status == 0
    assert server.state == IDLE


def test_abort_asks(server: Server) -> None:
    question = f"OF THE CURRENT TRANSACTION for {server.name}!  Are you sure (y/N)? "
    open_transaction(server)
    answer = server.run("abort", server.name, input="n\n")
    assert (answer.status, answer.stderr) == (4, "")
    assert answer.stdout.endswith(question)
    assert server.state == OPEN
    answer = server.run("abort", server.name)  # the end of the input is a yes
    assert answer.status == 0
    assert question in answer.stdout
    assert server.state == IDLE


# Publishing


def test_publish(server: Server) -> None:
    before = server.revision
    open_transaction(server)
    folder = server.path / "published"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "program").write_text("#!/bin/sh\n")
    (folder / "sub" / "program").chmod(0o750)
    (folder / "link").symlink_to("sub/program")
    os.utime(folder / "sub" / "program", ns=(1_700_000_000_700_000_000,) * 2)
    os.utime(folder / "sub", ns=(1_600_000_000_900_000_000,) * 2)
    answer = publish(server, "-a", "published-1", "-m", "in two words")
    assert answer.stderr == ""
    assert answer.stdout.splitlines() == [
        "Swissknife Sync: Processing changes...",
        "Waiting for upload of files before committing...",
        "Committing file catalogs...",
        "Swissknife Sync: Wait for all uploads to finish",
        "Swissknife Sync: Exporting repository manifest",
        f"Statistics stored at: {server.spool}/stats.db",
        f"Tagging {server.name}",
        "Flushing file system buffers",
        "Signing new manifest",
        "Remounting newly created repository revision",
    ]
    assert server.state == IDLE
    assert not (server.spool / "is_publishing.lock").exists()
    assert server.revision == before + 1
    assert not is_writable(server)
    program = (folder / "sub" / "program").stat()
    assert program.st_mode & 0o7777 == 0o750
    assert program.st_mtime_ns == 1_700_000_000 * 10**9
    assert (folder / "sub").stat().st_mtime_ns == 1_600_000_000 * 10**9
    assert os.readlink(folder / "link") == "sub/program"
    tags = server.tags
    assert (tags["published-1"].revision, tags["published-1"].description) == (before + 1, "in two words")
    assert tags["trunk"].hash == tags["published-1"].hash
    assert tags["trunk-previous"].revision == before


def test_hard_links_are_broken_up(server: Server) -> None:
    open_transaction(server)
    for name in ("one", "two"):
        (server.path / "hard" / name).mkdir(parents=True)
    (server.path / "hard" / "one" / "file").write_text("x")
    os.link(server.path / "hard" / "one" / "file", server.path / "hard" / "two" / "file")
    answer = publish(server)
    warning = f"Warning: Found file with linkcount > 1 ({server.path}/hard/one/file). We will break up these hardlinks."
    assert warning in answer.stderr.splitlines()
    for name in ("one", "two"):
        assert (server.path / "hard" / name / "file").stat().st_nlink == 1
        assert (server.path / "hard" / name / "file").read_text() == "x"


def test_removal_and_replacement_are_published(server: Server) -> None:
    open_transaction(server)
    (server.path / "changing" / "folder").mkdir(parents=True)
    (server.path / "changing" / "folder" / "inner").write_text("x")
    (server.path / "changing" / "current").symlink_to("one")
    publish(server)
    open_transaction(server)
    (server.path / "changing" / "folder" / "inner").unlink()
    (server.path / "changing" / "folder").rmdir()
    (server.path / "changing" / "folder").write_text("now a file")
    (server.path / "changing" / "new").symlink_to("two")
    (server.path / "changing" / "new").replace(server.path / "changing" / "current")
    publish(server)
    assert sorted(os.listdir(server.path / "changing")) == ["current", "folder"]
    assert (server.path / "changing" / "folder").read_text() == "now a file"
    assert os.readlink(server.path / "changing" / "current") == "two"


def test_publishing_nothing_makes_a_revision_and_a_tag(server: Server) -> None:
    before, tags = server.revision, set(server.tags)
    open_transaction(server)
    answer = publish(server)
    automatic = re.match(r"Using auto tag '(generic(?:_\d+)?-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)'\n", answer.stdout)
    assert automatic
    assert server.revision == before + 1
    assert set(server.tags) - tags == {automatic[1], "trunk-previous"} - tags


@pytest.mark.parametrize(
    ("tag", "message"),
    [("used", "Tag name 'used' is already in use.\n"), ("two words", "Spaces are not allowed in tag names\n")],
)
def test_a_bad_tag_leaves_the_transaction_open(server: Server, tag: str, message: str) -> None:
    if "used" not in server.tags:
        assert server.run("tag", "-a", "used", server.name).status == 0
    open_transaction(server)
    (server.path / "kept").write_text("x")
    assert server.run("publish", "-a", tag, server.name) == Answer(1, "", message)
    assert server.state == OPEN
    assert (server.path / "kept").read_text() == "x"


# Open files


def test_an_open_writable_file(server: Server) -> None:
    before = server.revision
    open_transaction(server)
    refused = Answer(1, f"Open writable file descriptors on {server.name}\n", "")
    with open(server.path / "open", "w"):
        assert server.run("publish", server.name) == refused
        assert server.run("publish", "-f", server.name) == refused
        assert server.state == OPEN
        answer = server.run("abort", "-f", server.name)
        assert answer.status == 0  # although the mount could not be taken down
        assert answer.stdout.startswith(f"WARNING: Open file descriptors on {server.path} (possible race!)\n")
        assert re.search(rf"^/\S+ {os.getpid()} root {server.path}/open$", answer.stdout, re.M)
        assert f"umount: {server.path}: target is busy.\n" in answer.stderr
        assert f"Trying to unmount {server.path}... fail\n" in answer.stderr
        assert server.state == IDLE
        assert server.run("abort", "-f", server.name).status == 22
    assert server.state == IDLE
    assert server.revision == before
    assert not (server.path / "open").exists()


def test_an_open_readable_file(server: Server) -> None:
    publish_file(server, "read", "old")
    before = server.revision
    open_transaction(server)
    (server.path / "read").unlink()
    (server.path / "read").write_text("new")
    (server.path / "other").write_text("x")
    with open(server.path / "other"):
        answer = server.run("publish", server.name)
        assert answer.status == 1
        assert f"WARNING! There are open read-only file descriptors in {server.path}\n" in answer.stdout
        assert re.search(rf"^python\S* +{os.getpid()} +root +{server.path}/other$", answer.stdout, re.M)
        assert answer.stdout.endswith("Do you want to proceed anyway? (y/N) aborted.\n")
        assert server.state == OPEN
        assert server.revision == before
        answer = server.run("publish", "-f", server.name)
        assert answer.status == 0
        assert f"WARNING: Open file descriptors on {server.path} (possible race!)\n" in answer.stdout
    assert server.state == IDLE
    assert server.revision == before + 1
    assert (server.path / "read").read_text() == "new"


def test_a_removed_file_that_is_open(server: Server) -> None:
    publish_file(server, "removed", "old")
    before = server.revision
    open_transaction(server)
    with open(server.path / "removed"):
        (server.path / "removed").unlink()
        answer = server.run("publish", "-f", server.name)
        assert answer.status == 32  # it can be read only, but the kernel does not remount then
        assert f"mount: {server.path}: mount point is busy.\n" in answer.stderr
        assert not (server.spool / "is_publishing.lock").exists()
        assert server.state == OPEN
    publish(server)
    assert server.revision == before + 1
    assert not (server.path / "removed").exists()


def test_working_directories(server: Server) -> None:
    release = f"Current working directory is in {server.path}.  Please release, e.g. by 'cd $HOME'.\n"
    open_transaction(server)
    assert server.run("publish", server.name, cwd=server.path) == Answer(1, release, "")
    assert server.run("abort", "-f", server.name, cwd=server.path) == Answer(1, release, "")
    with process_in(server.path):
        answer = server.run("publish", server.name)
        assert answer.status == 1
        assert re.search(rf"^sleep +\d+ +root +{server.path}$", answer.stdout, re.M)
        assert answer.stdout.endswith("aborted.\n")
    assert server.state == OPEN


# A publisher that dies, and what is broken otherwise


def test_killed_before_the_revision_is_signed(server: Server) -> None:
    before = server.revision
    open_transaction(server)
    (server.path / "lost").write_text("x")
    server.publish_killed("sign", "-a", "lost")
    assert server.state == UNHEALTHY
    assert (server.spool / "in_transaction.lock").exists()
    assert server.revision == before

    broken = f"{server.name} is in a transaction but {server.path} is not mounted read/write\n"
    hint = f"Repository {server.name} is in a transaction and cannot be repaired.\n--> Run `cvmfs_server abort "
    script = Answer(1, "", f"{broken}{hint}{server.name}` to revert and repair.\n")
    assert server.run("publish", "-a", "lost", server.name) == script
    assert server.run("tag", "-l", server.name) == script
    assert server.run("tag", "-a", "x", server.name) == script
    assert server.run("check", server.name) == script
    assert server.run("rollback", "-f", "-t", "x", server.name) == script
    answer = server.run("list-catalogs", server.name)
    assert answer == Answer(1, "", f"{broken}Repository {server.name} is not healthy\n")
    answer = server.run("transaction", server.name)  # not 17: it cannot tell a dead transaction from an open one
    assert (answer.status, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"{broken}{hint}$name` to revert and repair.\n")
    assert "(unexpected termination) cannot establish writable mountpoint" in answer.stderr

    answer = abort(server)
    assert answer.stderr == f"{broken}Trying to remount {server.path} read/write... success\n"
    assert server.revision == before
    assert not (server.path / "lost").exists()
    assert "lost" not in server.tags
    check(server)


def test_killed_after_the_revision_is_signed(server: Server) -> None:
    before = server.revision
    open_transaction(server)
    (server.path / "saved").write_text("x")
    server.publish_killed("remount", "-a", "saved")
    assert server.state == UNHEALTHY
    assert server.revision == before + 1
    assert server.run("publish", "-a", "saved", server.name).stderr == "Tag name 'saved' is already in use.\n"
    assert server.run("transaction", server.name).status == 1
    abort(server)  # closes the transaction, and does not take back what is published
    assert server.revision == before + 1
    assert (server.path / "saved").read_text() == "x"
    assert server.tags["saved"].revision == before + 1
    check(server)


def test_while_somebody_publishes(server: Server) -> None:
    before = server.revision
    open_transaction(server)
    (server.path / "half").write_text("x")
    lock = server.spool / "is_publishing.lock"
    with server.publishing():
        assert server.state == UNHEALTHY
        answer = server.run("transaction", server.name)
        assert answer.status == 1
        assert f"The repository {server.name} is currently publishing and should not\nbe touched." in answer.stderr
        assert server.run("abort", "-f", server.name) == Answer(22, "", f"Could not acquire lock {lock}\n")
        active = f"Another publish process is active for {server.name}\n"
        assert server.run("publish", server.name) == Answer(1, "", active)
        assert server.run("tag", "-l", server.name) == Answer(1, "", "Repository is currently publishing\n")
        assert server.run("check", server.name).status == 1
        assert lock.exists()
    assert server.state == UNHEALTHY
    abort(server)
    assert server.revision == before
    assert not (server.path / "half").exists()


def test_a_lock_that_nothing_stands_behind(server: Server) -> None:
    (server.spool / "in_transaction.lock").touch()
    assert server.state == UNHEALTHY
    assert server.run("publish", server.name).status == 1
    abort(server)


def test_a_mount_that_is_gone(server: Server) -> None:
    if not server.mount_options():
        pytest.skip("there is no mount in this mode")
    subprocess.run(["umount", server.path], check=True)
    assert server.state == "stratum0 / local - unhealthy"
    text = f"{server.path} is not mounted properly\nTrying to mount {server.path}... success\n"
    assert server.run("transaction", server.name) == Answer(0, "", text)
    assert server.state == OPEN
    (server.path / "thrown away").write_text("x")
    subprocess.run(["umount", server.path], check=True)
    assert server.state == UNHEALTHY
    answer = server.run("publish", server.name)
    assert answer.status == 1
    assert answer.stderr.startswith(f"{server.path} is not mounted properly.\n{server.name} is in a transaction but ")
    assert abort(server).stderr == text + f"Trying to remount {server.path} read/write... success\n"
    assert not (server.path / "thrown away").exists()
    subprocess.run(["umount", server.path], check=True)
    subprocess.run(["umount", server.spool / "rdonly"], check=True)
    answer = server.run("tag", "-l", server.name)  # the scripts repair too
    assert answer.status == 0
    assert f"Note: Trying to mount {server.path}... success\n" in answer.stderr
    assert server.state == IDLE


def test_a_mount_that_is_writable_outside_of_a_transaction(server: Server) -> None:
    if not server.mount_options():
        pytest.skip("there is no mount in this mode")
    subprocess.run(["mount", "-o", "remount,rw", "dev", server.path], check=True)
    assert server.state == "stratum0 / local - unhealthy"
    answer = server.run("transaction", server.name)
    assert answer.status == 0
    assert answer.stderr == (
        f"{server.name} is not in a transaction but {server.path} is mounted read/write\n"
        f"Trying to remount {server.path} read-only... success\n"
    )


# Tags


def test_listing_tags(server: Server) -> None:
    publish_file(server, "listed", "x", "-a", "listed-1", "-m", "a description")
    answer = server.run("tag", "-l", "-x", server.name)
    assert (answer.status, answer.stderr) == (0, "")
    line = r"\S+ [0-9a-f]{40} \d+ \d+ \d{10} \(default\) .*"
    assert all(re.fullmatch(line, text) for text in answer.stdout.splitlines())
    assert re.search(r"^listed-1 .* \(default\) a description$", answer.stdout, re.M)
    timestamps = [int(text.split()[4]) for text in answer.stdout.splitlines()]
    assert timestamps == sorted(timestamps, reverse=True)

    table = server.run("tag", "-l", server.name)
    assert (table.status, table.stderr) == (0, "")
    lines = table.stdout.splitlines()
    assert re.fullmatch(r"Name +│ Revision │ Timestamp            │ Branch │ Description", lines[0])
    assert re.fullmatch(r"─+┼─{10}┼─{22}┼─{8}┼─{13}", lines[1])
    assert re.search(r"^listed-1 +│ +\d+ │ \d\d? \w{3} \d{4} \d\d:\d\d:\d\d │ {8}│ a description$", table.stdout, re.M)
    assert re.fullmatch(r"─+┴─{10}┴─{22}┴─{8}┴─{13}", lines[-2])
    assert lines[-1] == f"listing contains {len(timestamps)} tags"


def test_adding_and_removing_tags(server: Server) -> None:
    before = server.revision
    assert server.run("tag", "-a", "one", "-m", "kept it", server.name) == Answer(0, "", "")
    assert server.run("tag", "-a", "two", server.name) == Answer(0, "", "")
    tags = server.tags
    assert (tags["one"].description, tags["one"].hash) == ("kept it", tags["trunk"].hash)
    assert server.revision == before
    twice = "a tag with the name 'one' already exists. Do you want to move it? (-h <root hash>)\n"
    assert server.run("tag", "-a", "one", server.name) == Answer(1, "", twice)

    asked = f"You are about to remove these tags from {server.name}:\n* one\n\n"
    assert server.run("tag", "-r", "one", server.name) == Answer(1, asked, "")
    assert server.run("tag", "-r", "one", server.name, input="n\n") == Answer(1, asked, "")
    assert "one" in server.tags
    missing = "tag 'nope' does not exist\nDid not remove anything\n"
    assert server.run("tag", "-r", "nope", "-f", server.name) == Answer(1, "", missing)
    internal = "undo tags are handled internally and cannot be deleted\nDid not remove anything\n"
    assert server.run("tag", "-f", "-r", "trunk", server.name) == Answer(1, "", internal)
    assert server.state == IDLE

    digest = tags["one"].hash
    removed = f"deleting 'one' ({digest})\ndeleting 'two' ({digest})\n"
    assert server.run("tag", "-f", "-r", "one", "-r", "two", server.name) == Answer(0, removed, "")
    assert not {"one", "two"} & set(server.tags)
    assert server.state == IDLE


def test_tags_do_not_change_in_a_transaction(server: Server) -> None:
    open_transaction(server)
    refused = Answer(1, "", "Cannot change repository tags while in a transaction\n")
    assert server.run("tag", "-a", "x", server.name) == refused
    assert server.run("tag", "-f", "-r", "x", server.name) == refused
    assert server.run("tag", "-l", "-x", server.name).status == 0
    assert server.state == OPEN


# Rollback


def test_rollback(server: Server) -> None:
    publish_file(server, "rolled", "one", "-a", "roll-1", "-m", "first")
    publish_file(server, "rolled", "two", "-a", "roll-2")
    publish_file(server, "another", "of another team", "-a", "roll-3")
    before, tags = server.revision, server.tags
    assert server.run("rollback", "-f", "-t", "nope", server.name) == Answer(
        1, "", "Target tag 'nope' does not exist\n"
    )
    assert server.run("rollback", "-t", "roll-1", server.name).status == 1  # it asks, and nobody answers
    assert server.revision == before

    answer = server.run("rollback", "-f", "-t", "roll-1", server.name)
    assert (answer.status, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[0] == f"Rolling back repository (leaving behind {tags['trunk'].hash})"
    assert lines[-1] == "Flushing file system buffers"
    removed = {line.split()[2]: line.split()[3] for line in lines[1:-1]}
    expected = ("trunk", "trunk-previous", "roll-1", "roll-2", "roll-3")
    assert removed == {name: f"({tags[name].hash})" for name in expected}
    assert server.revision == before + 1
    assert (server.path / "rolled").read_text() == "one"
    assert not (server.path / "another").exists()
    after = server.tags
    assert not {"roll-2", "roll-3", "trunk-previous"} & set(after)
    assert (after["roll-1"].revision, after["roll-1"].description) == (before + 1, "first")
    assert after["trunk"].hash == after["roll-1"].hash != tags["roll-1"].hash

    message = "More than one anonymous undo rollback is not supported. Please specify a tag name (-t)\n"
    assert server.run("rollback", "-f", server.name) == Answer(1, "", message)
    check(server)


def test_undoing_the_last_publish(server: Server) -> None:
    publish_file(server, "undone", "one", "-a", "undo-1")
    publish_file(server, "undone", "two", "-a", "undo-2")
    before = server.revision
    assert server.run("rollback", "-f", server.name).status == 0
    assert server.revision == before + 1
    assert (server.path / "undone").read_text() == "one"
    tags = server.tags
    assert tags["undo-1"].revision == before - 1
    assert not {"undo-2", "trunk-previous"} & set(tags)


def test_no_rollback_in_a_transaction(server: Server) -> None:
    open_transaction(server)
    refused = Answer(1, "", "Cannot rollback a repository in a transaction\n")
    assert server.run("rollback", "-f", "-t", "x", server.name) == refused
    assert server.state == OPEN


# Catalogs, checks, garbage collection, whitelist


def test_catalogs(server: Server) -> None:
    open_transaction(server)
    top = server.path / "catalogs"
    for folder in ("a/b/c", "a/d", "z"):
        (top / folder).mkdir(parents=True)
    for name in (".cvmfscatalog", "a/.cvmfscatalog", "a/b/.cvmfscatalog", "z/.cvmfscatalog", "a/b/c/file", "a/d/file"):
        (top / name).touch()
    publish(server)
    answer = server.run("list-catalogs", "-s", "-e", "-x", server.name)
    assert (answer.status, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert [line for line in lines if not re.fullmatch(r"\d+B \d+ /\S*", line)] == []
    assert lines[0].endswith(" /")
    # A catalog's own root counts, and so do the roots of those below it.
    expected = {"/catalogs": 4, "/catalogs/a": 5, "/catalogs/a/b": 4, "/catalogs/z": 2}
    assert {line.split()[2]: int(line.split()[1]) for line in lines[1:]} == expected
    tree = server.run("list-catalogs", server.name).stdout
    assert set(tree.splitlines()) == {
        "/",
        "├─ /catalogs",
        "│  ├─ /catalogs/a",
        "│  │  ├─ /catalogs/a/b",
        "│  ├─ /catalogs/z",
    }
    answer = server.run("check", server.name)
    assert (answer.status, answer.stderr) == (0, "")
    found = re.findall(r"^\[inspecting catalog\] [0-9a-f]{40} at (/.*)$", answer.stdout, re.M)
    assert sorted(found) == ["/", *sorted(expected)]


def test_check(server: Server) -> None:
    answer = server.run("check", server.name)
    assert (answer.status, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[0] == f"Verifying integrity of {server.name}..."
    assert lines[-1] == "no problems found"


def test_garbage_collection_must_be_enabled(server: Server) -> None:
    answer = server.run("gc", "-f", server.name)
    assert answer.status == 1
    assert answer.stderr == f"Garbage Collection is not enabled for {server.name}\n"
    assert answer.stdout.startswith(
        f"Affected Repositories:          {server.name}\nDry Run (no actual deletion):  no\n"
    )
    assert re.search(r"^Preserve Revisions newer than: \d{4}/\d\d/\d\d \d\d:\d\d:\d\d$", answer.stdout, re.M)


def test_garbage_collection(another_server: Callable[..., Server]) -> None:
    server = another_server("-z")
    for number in (1, 2, 3, 4):
        publish_file(server, "file", str(number), "-a", f"v{number}")
    assert server.run("tag", "-f", "-r", "v2", server.name).status == 0
    assert server.run("gc", server.name).status == 1  # it asks, and nobody answers
    exclusive = server.run("gc", "-f", "-r", "1", "-t", "3 days ago", server.name)
    assert (exclusive.status, exclusive.stdout) == (1, "")
    open_transaction(server)
    answer = server.run("gc", "-f", server.name)
    assert (answer.status, answer.stderr) == (1, "Cannot run garbage collection while in a transaction\n")
    abort(server)

    recent = server.run("gc", "-f", server.name)
    assert (recent.status, recent.stderr) == (0, "")
    assert "unreferenced revisions removed" not in recent.stdout
    answer = server.run("gc", "-f", "-r", "0", server.name)
    assert (answer.status, answer.stderr) == (0, "")
    assert "Preserved Legacy Revisions:    0\nOnly the latest revision will be preserved.\n" in answer.stdout
    # The empty revision that mkfs made, and that of v2; trunk-previous keeps v3's.
    assert re.search(r"^      - 100%    2 / 2 unreferenced revisions removed \[.* GMT\]$", answer.stdout, re.M)
    assert "  --> done garbage collecting [" in answer.stdout
    assert server.state == IDLE
    check(server)
    assert server.run("rollback", "-f", "-t", "v1", server.name).status == 0
    assert (server.path / "file").read_text() == "1"


def test_what_garbage_collection_removed(another_server: Callable[..., Server], tmp_path: Path) -> None:
    """The log of deletions, and the statistics, which count bytes where they are told to."""
    server = another_server("-z", "-g")
    log = tmp_path / "deleted"
    statistics = server.spool / "stats.db"
    for counted in (False, True):
        if counted:
            server.configure("CVMFS_EXTENDED_GC_STATS=true")
        for _number in range(3):
            publish_file(server, "file", os.urandom(20_000).hex())
        before = _collections(statistics)
        dry = server.run("gc", "-f", "-d", "-r", "0", "-L", str(log), server.name)
        assert (dry.status, dry.stderr) == (0, "")
        assert _collections(statistics) == before
        listed = _deleted(log)
        log.unlink()
        assert server.run("gc", "-f", "-r", "0", "-L", str(log), server.name).status == 0
        assert 0 < len(listed) <= len(_deleted(log))
        assert all(re.fullmatch("[0-9a-f]{40}[CHMX]?", name) for name in _deleted(log))
        assert sum(name.endswith("C") for name in _deleted(log)) >= 2
        size = _collections(statistics)[-1]
        assert (size is not None and size > 20_000) if counted else size in (None, "")
        log.unlink()
    check(server)


def _deleted(log: Path) -> list[str]:
    lines = log.read_text().splitlines()
    assert lines[0].startswith("# Garbage Collection started at ")
    assert lines[-2].startswith("# Garbage Collection finished at ")
    return [line for line in lines if line and not line.startswith("#")]


def _collections(statistics: Path) -> list[int | None]:
    """The bytes of each garbage collection, as far as they were counted."""
    if not statistics.is_file():
        return []
    with closing(sqlite3.connect(statistics)) as connection:
        try:
            rows = connection.execute("SELECT sz_condemned_bytes FROM gc_statistics ORDER BY gc_id").fetchall()
        except sqlite3.OperationalError:  # there has been none
            return []
    return [row[0] for row in rows]


def test_keys_of_which_some_are_missing(server: Server) -> None:
    other = server.another()
    key = Path(f"/etc/cvmfs/keys/{other.name}.crt")
    try:
        key.write_bytes(Path(f"/etc/cvmfs/keys/{server.name}.crt").read_bytes())
        answer = other.run("mkfs", "-o", "root", other.name)
        assert answer.status == 1
        assert answer.stdout.endswith("Importing CernVM-FS Master Key and Certificate from '/etc/cvmfs/keys'... ")
        missing = key.with_suffix(".masterkey")
        assert answer.stderr == f"cp: cannot stat '{missing}': No such file or directory\nfail!\n"
    finally:
        other.destroy()


def test_snapshots_of_a_replica(server: Server, tmp_path: Path) -> None:
    replica = server.another()
    url, key = f"http://localhost/cvmfs/{server.name}", Path(f"/etc/cvmfs/keys/{server.name}.pub")
    try:
        answer = replica.run("add-replica", "-o", "root", "-n", replica.name, "-g", "nightly", url, str(key))
        assert answer.status == 0, answer
        assert "CVMFS_SNAPSHOT_GROUP=nightly\n" in (replica.configuration / "server.conf").read_text()
        again = replica.run("add-replica", "-o", "root", "-n", replica.name, url, str(key))
        assert again == Answer(1, "", f"There is already a Stratum1 repository {replica.name}\n")

        settings = replica.configuration / "replica.conf"
        right = settings.read_text()
        missing = tmp_path / "missing.pub"
        settings.write_text(right.replace(str(key), str(missing)))
        answer = replica.run("snapshot", replica.name)
        assert answer.status == 1
        assert answer.stderr == f"failed to load public repo key '{missing}'\nfailed to initialize CVMFS signatures\n"
        settings.write_text(right)

        lock = replica.spool / "is_updating.lock"
        with open(lock, "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            answer = replica.run("snapshot", "-t", replica.name)
            assert answer == Answer(1, "another update is in progress... aborting\n", "")
            answer = replica.run("snapshot", replica.name)
            assert answer == Answer(1, "an initial snapshot is in progress... aborting\n", "")
        answer = replica.run("snapshot", replica.name)
        assert (answer.status, answer.stderr) == (0, "")
        assert answer.stdout.startswith("Initial snapshot\nCernVM-FS: replicating from ")
        assert f"CernVM-FS: using public key(s) {key}\n" in answer.stdout
        assert f"\nServing revision {server.revision}\n" in answer.stdout
        assert (replica.storage / ".cvmfs_last_snapshot").is_file()

        with open(lock, "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            waiting = replica.start("snapshot", replica.name)
            assert waiting.stdout.readline() == "waiting for another update to finish...\n"
        assert "Initial snapshot" not in waiting.stdout.read()
        assert waiting.wait(60) == 0
        waiting.stdout.close()
    finally:
        replica.destroy()


def test_resign(server: Server) -> None:
    signed = Answer(0, "Signing 30 day whitelist with master key... done\n", "")
    assert server.run("resign", server.name) == signed
    answer = server.run("resign", "-d", "31", server.name)  # it asks, and nobody answers
    assert answer.status == 1
    assert answer.stdout.startswith("Warning: whitelist expiration is more than 30 days.\n")
    open_transaction(server)
    assert server.run("resign", server.name) == signed
    assert server.state == OPEN


def test_a_whitelist_that_ends_soon(server: Server) -> None:
    assert server.run("resign", "-d", "0", server.name).stdout.startswith("Signing 0 day whitelist")
    assert server.run("resign", "-d", "1", server.name).status == 0
    assert "Whitelist is valid for another 0 days\n" in server.run("info", server.name).stdout
    open_transaction(server)


def test_an_expired_whitelist(server: Server) -> None:
    expired = "cannot load whitelist [expired whitelist]"
    assert server.run("resign", "-d", "-1", server.name).status == 0
    assert server.state == "stratum0 / local - whitelist expired"
    assert server.run("transaction", server.name) == Answer(5, "", f"{expired}\n")
    answer = server.run("info", server.name)
    assert (answer.status, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"(unexpected termination) {expired}\n")
    for arguments in (("tag", "-l", "-x"), ("check",), ("list-catalogs",), ("tag", "-a", "x")):
        assert server.run(*arguments, server.name).status == 1
    answer = server.run("rollback", "-f", "-t", "trunk", server.name)
    assert answer == Answer(1, "", "Repository whitelist is expired!\n")

    assert server.run("resign", server.name).status == 0
    open_transaction(server)
    assert server.run("resign", "-d", "-1", server.name).status == 0
    assert server.state == "stratum0 / local - in transaction - whitelist expired"
    answer = server.run("publish", server.name)
    assert answer == Answer(1, f"Repository whitelist for {server.name} is expired!\n", "")
    answer = server.run("abort", "-f", server.name)
    assert answer.status == 1
    assert answer.stderr.startswith(f"(unexpected termination) {expired}\n")
    assert server.run("resign", server.name).status == 0
    assert server.state == OPEN
    abort(server)
