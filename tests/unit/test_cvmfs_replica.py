# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused and explained of a replica, without a server."""

from __future__ import annotations

import fcntl
import time

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils import locks
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import garbage, replica
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BusyError, InputError, ServerError
from tests.unit.helpers import answer_of, needs_root, start_child, wait_until

DEFAULTS = {name: spec.get("default") for name, spec in replica.ARGUMENT_SPEC.items()}
PARAMS = {**DEFAULTS, "repository": "nowhere.example.org"}


def test_what_was_given_is_looked_at_as_a_whole():
    given = {
        "alias": "a/b",
        "owner": "no-such-user",
        "url": "ftp://x",
        "own_url": "y",
        "storage": "x,y",
        "public_key": "/nonexistent/x.pub",
        "settings": {"CVMFS_STRATUM0": "x", "CVMFS_REPOSITORY_NAME": "y"},
        "garbage_days": -1,
        "time_limit": 0,
    }
    with pytest.raises(InputError) as error:
        replica.change({**PARAMS, **given}, True)
    names = [fault.partition(":")[0] for fault in error.value.faults]
    assert names == [
        "alias",
        "settings",
        "settings",
        "garbage_days",
        "time_limit",
        "owner",
        "url",
        "own_url",
        "storage",
        "public_key",
    ]
    assert "CVMFS_STRATUM0 cannot be set there; use the option url" in error.value.faults[1]


@needs_root
def test_what_is_needed_to_make_one():
    with pytest.raises(InputError) as error:
        replica.change(PARAMS, True)
    assert [fault.partition(":")[0] for fault in error.value.faults] == ["public_key", "url"]
    assert "/etc/cvmfs/keys/nowhere.example.org.pub is not there, and no other is given" in error.value.faults[0]
    with pytest.raises(InputError, match="own_url: it is needed with s3_config"):
        replica.change({**PARAMS, "s3_config": "/x", "url": "http://x/y", "public_key": "/dev/null"}, True)
    assert replica.change({**PARAMS, "state": "absent"}, False)["changed"] is False


@needs_root
def test_a_stratum0_that_cannot_be_reached_is_told(tmp_path):
    key = tmp_path / "pub"
    key.write_text("key")
    with pytest.raises(ServerError, match=r"url: the stratum-0 does not answer as it should: http://localhost:9/"):
        replica.change({**PARAMS, "url": "http://localhost:9/cvmfs/nowhere.example.org", "public_key": str(key)}, True)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("CVMFS_GEO_ACCOUNT_ID not set", "CVMFS_GEO_DB_FILE=NONE"),
        ("Directory '/var/lib/cvmfs-server/geo' doesn't exist or is not writable by root", "Make the folder"),
        ("The repository URL x does not point to a replicable master copy of y", "Allow replicas"),
        ("failed to fetch manifest (8 - bad whitelist)", "The public key is not the repository's"),
        ("Apache must be installed and running", "Start Apache"),
        ("The apache wsgi module must be installed and enabled.", "Install and enable Apache's module wsgi"),
    ],
)
def test_what_the_server_says_is_explained(said, remedy):
    assert replica.advice_on(said).startswith(". ")
    assert remedy in replica.advice_on(said)
    assert remedy in replica.advice_on("", said)


def test_what_is_not_known_is_not_explained():
    assert replica.advice_on("No space left on device") == ""


def test_a_lock_is_waited_for_and_only_looked_at(tmp_path):
    lock, held, release = tmp_path / "is_updating.lock", tmp_path / "held", tmp_path / "release"
    garbage.wait_until_free(str(lock), 0, "never")
    assert not lock.exists()

    def hold() -> None:
        with open(lock, "w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            held.touch()
            wait_until(release.exists, "the lock may be released")

    child = start_child(hold)
    wait_until(held.exists, "it is held")
    assert locks.is_held(str(lock))
    with pytest.raises(BusyError, match="somebody is there"):
        garbage.wait_until_free(str(lock), time.monotonic(), "somebody is there")
    release.touch()
    garbage.wait_until_free(str(lock), time.monotonic() + 60, "somebody is there")
    assert answer_of(child) is None
    assert not locks.is_held(str(lock))
