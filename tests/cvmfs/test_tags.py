# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags, and catalogs as they were planned, on each kind of server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import catalogs, ownership, tags
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, ServerError
from tests.cvmfs.servers import Emulated, Server, is_mounted
from tests.unit.helpers import in_child, params_of

RELEASE = "0123456789abcdef"


@pytest.fixture
def repository(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """The repository of each kind of server, as the product sees it, with no tags but the server's own."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    repository = Repository(server.name)
    tags.remove(repository, [tag.name for tag in tags.named(tags.listed(repository))])
    yield repository
    assert not os.path.exists(repository.owner_record), "an owner is recorded of a transaction that ended"


def change(server: Server, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Call what the module calls."""
    params = params_of(tags.ARGUMENT_SPEC, **{"repository": server.name, "lock_timeout": 0, **given})
    return tags.change(params, check_mode)


def done(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What was done; as it is said."""
    assert result["changed"] == bool(result["actions"] or result["recovered"])
    assert all(action["what"] == "tag" for action in result["actions"])
    return [(action["id"], action["status"]) for action in result["actions"]]


def names(result: dict[str, Any]) -> list[str]:
    return [tag["name"] for tag in result["tags"]]


def publish(server: Server, tag: str, text: str = "") -> None:
    """Publish a file with a tag."""
    assert server.run("transaction", server.name).status == 0
    (server.path / "file").write_text(text or tag)
    answer = server.run("publish", "-a", tag, server.name)
    assert answer.status == 0, answer


def test_a_tag_is_added(server: Server, repository: Repository) -> None:
    revision = server.revision
    wanted = {"name": ["one", "two"], "description": "it's (not) bad; #1 & more *"}
    result = change(server, check_mode=True, **wanted)
    assert (done(result), names(result)) == ([("one", "added"), ("two", "added")], [])
    assert not {"one", "two"} & set(server.tags)
    result = change(server, **wanted)
    assert (done(result), sorted(names(result))) == ([("one", "added"), ("two", "added")], ["one", "two"])
    assert server.tags["one"].description == result["tags"][0]["description"] == wanted["description"]
    assert server.tags["one"].hash == server.tags["trunk"].hash == repository.manifest().root_hash
    for check_mode in (True, False):
        assert done(change(server, check_mode, **wanted)) == []
    # Tags make no revision.
    assert result["revision"] == server.revision == revision


def test_a_tag_of_another_revision(server: Server, repository: Repository) -> None:
    publish(server, "before")
    publish(server, "after")
    before, after = server.tags["before"], server.tags["after"]
    assert names(change(server, state="absent", name=[])) == ["after", "before"]
    for check_mode in (True, False):
        assert done(change(server, check_mode, name=["before"], root_hash=before.hash)) == []
        assert done(change(server, check_mode, name=["before"])) == []
        match = (
            f"before is the tag of revision {before.revision} with root hash {before.hash} already, not of {after.hash}"
        )
        with pytest.raises(InputError, match=match):
            change(server, check_mode, name=["before", "new"], root_hash=after.hash)
    assert "new" not in server.tags


def test_an_old_revision_is_tagged(server: Server, repository: Repository) -> None:
    if isinstance(server, Emulated):
        pytest.skip("the emulation tags the newest revision alone")
    publish(server, "before")
    publish(server, "after")
    wanted = {"name": ["again"], "root_hash": server.tags["before"].hash}
    assert done(change(server, check_mode=True, **wanted)) == [("again", "added")]
    assert done(change(server, **wanted)) == [("again", "added")]
    assert server.tags["again"].revision == server.tags["before"].revision
    for check_mode in (True, False):
        assert done(change(server, check_mode, **wanted)) == []
    with pytest.raises(ServerError, match=f"the tag none cannot be added: .*{'f' * 40}"):
        change(server, name=["none"], root_hash="f" * 40)


def test_tags_are_removed(server: Server, repository: Repository) -> None:
    change(server, name=["one", "two", "three"])
    revision = server.revision
    wanted = {"state": "absent", "name": ["one", "missing", "two"]}
    assert done(change(server, check_mode=True, **wanted)) == [("one", "removed"), ("two", "removed")]
    assert {"one", "two", "three"} <= set(server.tags)
    result = change(server, **wanted)
    assert (done(result), names(result)) == ([("one", "removed"), ("two", "removed")], ["three"])
    for check_mode in (True, False):
        assert done(change(server, check_mode, **wanted)) == []
    assert server.revision == revision
    assert {"trunk", "trunk-previous", "three"} <= set(server.tags)


def test_tags_are_pruned(server: Server, repository: Repository) -> None:
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    jets = [tags.publish_tag("jets", RELEASE, moment + timedelta(seconds=number)) for number in range(4)]
    others = ["jets-of-mine", tags.publish_tag("jets-dev", RELEASE, moment)]
    for name in [*others, *jets]:
        publish(server, name)
    revision = server.revision
    wanted = {"state": "pruned", "environment": "jets", "keep": 2}
    assert done(change(server, keep_days=1.0, **wanted)) == []
    expected = [(jets[1], "removed"), (jets[0], "removed")]
    assert done(change(server, check_mode=True, **wanted)) == expected
    result = change(server, **wanted)
    assert (done(result), names(result)) == (expected, [jets[3], jets[2], *reversed(others)])
    for check_mode in (True, False):
        assert done(change(server, check_mode, **wanted)) == []
    wanted = {"state": "pruned", "match": "jets-*-*Z", "keep_days": 0.0}
    assert done(change(server, **wanted)) == [(name, "removed") for name in (jets[3], jets[2], others[1])]
    assert names(change(server, **wanted)) == others[:1]
    assert server.revision == revision


def test_where_nothing_is_to_be_done_the_repository_is_only_read(server: Server, repository: Repository) -> None:
    change(server, name=["there"])
    manifest = (server.storage / ".cvmfspublished").read_bytes()
    with ownership.held(repository, 0, "keep others out"):
        assert done(change(server, name=["there"])) == []
        assert done(change(server, state="absent", name=["missing"])) == []
        with pytest.raises(BusyError, match=f"{server.name} is being written to.*to keep others out"):
            change(server, name=["new"])
    assert (server.storage / ".cvmfspublished").read_bytes() == manifest


def test_a_strangers_transaction_is_left_alone(server: Server, repository: Repository) -> None:
    change(server, name=["there"])
    assert server.run("transaction", server.name).status == 0
    (server.path / "strangers").write_text("text")
    assert done(change(server, name=["there"])) == []
    for given in ({"name": ["new"]}, {"state": "absent", "name": ["there"]}):
        with pytest.raises(BusyError, match="not begun by this collection"):
            change(server, **given)
    assert (server.path / "strangers").exists()
    assert set(names(change(server, state="absent", name=[]))) == {"there"}


def test_a_living_publish_is_left_alone(server: Server, repository: Repository) -> None:
    assert server.run("transaction", server.name).status == 0
    with server.publishing(), pytest.raises(BusyError, match="cannot be listed while a publish or an abort goes on"):
        change(server, name=["new"])


def test_a_strangers_dead_publish_is_told(server: Server, repository: Repository) -> None:
    assert server.run("transaction", server.name).status == 0
    (server.path / "file").write_text("killed")
    server.publish_killed("sync")
    match = f"tags cannot be listed: .* not begun by this collection.* run `cvmfs_server abort -f {server.name}`"
    for check_mode in (True, False):
        with pytest.raises(ServerError, match=match):
            change(server, check_mode, name=["new"])


@contextmanager
def expired_whitelist(server: Server) -> Iterator[None]:
    """A whitelist that has expired, or does within the second, until the block ends."""
    assert server.run("resign", "-d", "0", server.name).status == 0
    try:
        yield
    finally:
        assert server.run("resign", server.name).status == 0


def test_an_expired_whitelist_is_told(server: Server, repository: Repository) -> None:
    match = f"tags cannot be listed: .* run `cvmfs_server resign {server.name}` as root"
    with expired_whitelist(server), pytest.raises(ServerError, match=match):
        change(server, name=["new"])


def test_a_lost_mount_is_mounted(server: Server, repository: Repository) -> None:
    if not server.mount_options():
        pytest.skip("this kind of server has no mounts to lose")
    subprocess.run(["umount", server.path], check=True)
    planned = change(server, check_mode=True, name=["new"])
    assert (planned["changed"], done(planned), len(planned["warnings"])) == (True, [], 1)
    assert not server.mount_options()
    result = change(server, name=["new"])
    assert result["recovered"] == planned["recovered"]
    assert [entry["what"] for entry in result["recovered"]] == ["mount"]
    assert (done(result), names(result)) == ([("new", "added")], ["new"])


def test_a_lost_read_only_branch_hinders_nobody(server: Server, repository: Repository) -> None:
    if not is_mounted(Path(repository.read_only)):
        pytest.skip("this kind of server has no mounts to lose")
    subprocess.run(["umount", "-l", repository.read_only], check=True)
    assert done(change(server, name=["new"])) == [("new", "added")]


def test_a_command_that_was_killed_is_recovered(server: Server, repository: Repository) -> None:
    if not isinstance(server, Emulated):
        pytest.skip("no fault can be ordered of a real server")
    server.order("tag:before-sign", "die")
    with pytest.raises(ServerError, match="the tag new cannot be added"):
        in_child(lambda: change(server, name=["new"]))
    assert "in transaction" in server.state
    planned = change(server, check_mode=True, name=["new"])
    assert [entry["status"] for entry in planned["recovered"]] == ["aborted"]
    result = change(server, name=["new"])
    assert [entry["status"] for entry in result["recovered"]] == ["aborted"]
    assert (done(result), names(result)) == ([("new", "added")], ["new"])


# --- catalogs

FOLDERS = {"x86_64/common/packages": 9, "x86_64/common/artifacts/a/lib": 7, "x86_64/common/artifacts/b": 2}
BOUNDS = {"least": 4, "goal": 9, "most": 30}


def fill(top: Path) -> None:
    for folder, files in FOLDERS.items():
        (top / folder).mkdir(parents=True)
        for number in range(files):
            (top / folder / f"a file {number}").write_text(f"{folder} {number}")
    (top / "x86_64" / "link").symlink_to("common")


def test_catalogs_are_published_as_planned(server: Server, repository: Repository) -> None:
    assert server.run("transaction", server.name).status == 0
    top = server.path / "a release"
    fill(top)
    plan = catalogs.plan_of(catalogs.counts(str(top)), **BOUNDS)
    assert len(plan.catalogs) > 2
    catalogs.place(str(top), plan)
    assert server.run("publish", server.name).status == 0
    found = {catalog.path: catalog.entries for catalog in catalogs.listed(repository)}
    prefix = "/a release"
    below = {path[len(prefix) :].lstrip("/"): number for path, number in found.items() if path.startswith(prefix)}
    assert below == plan.sizes
    assert server.run("check", server.name).status == 0
    assert server.run("transaction", server.name).status == 0
    catalogs.place(str(top), catalogs.plan(str(top)))
    assert server.run("publish", server.name).status == 0
    sizes = {catalog.path: catalog.entries for catalog in catalogs.listed(repository)}
    assert {path for path in sizes if path.startswith(prefix)} == {prefix}
    assert sizes[prefix] == catalogs.plan(str(top)).sizes[""]


def test_catalogs_of_a_broken_repository_are_told(server: Server, repository: Repository) -> None:
    with expired_whitelist(server), pytest.raises(ServerError, match="its catalogs cannot be listed: "):
        catalogs.listed(repository)
