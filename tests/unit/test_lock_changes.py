# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a new lock changes, package by package."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.instantiate import lock_changes

PINNED = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B", "C", "D"]), st.sampled_from(["1", "2"])),
    st.sampled_from(["", "1.0.0", "1.1.0"]),
)


def events(lock, pinned):
    return [
        {"event": "pinned", "lock": lock, "name": name, "uuid": uuid, "version": version}
        for (name, uuid), version in pinned.items()
    ]


def test_each_change_is_told_in_one_line():
    before = {("A", "1"): "1.0.0", ("B", "2"): "0.1.0", ("Stay", "3"): "1.0.0", ("Std", "4"): ""}
    after = {("A", "1"): "1.1.0 (main at 12345678)", ("C", "5"): "2.0.0", ("Stay", "3"): "1.0.0", ("New", "6"): ""}
    changes = lock_changes(events("before", before) + events("after", after))
    assert [change["summary"] for change in changes] == [
        "updated: A 1.0.0 -> 1.1.0 (main at 12345678)",
        "removed: B 0.1.0",
        "added: C 2.0.0",
        "added: New",
        "removed: Std",
    ]
    assert changes[0] == {
        "package": "A",
        "uuid": "1",
        "status": "updated",
        "from": "1.0.0",
        "to": "1.1.0 (main at 12345678)",
        "summary": "updated: A 1.0.0 -> 1.1.0 (main at 12345678)",
    }


@given(PINNED, PINNED)
def test_the_changes_lead_from_one_lock_to_the_other(before, after):
    changes = lock_changes(events("before", before) + events("after", after))
    result = dict(before)
    for change in changes:
        key = (change["package"], change["uuid"])
        assert (change["status"] == "added") is (key not in before)
        assert (change["status"] == "removed") is (key not in after)
        result[key] = change["to"]
        if change["status"] == "removed":
            del result[key]
    assert result == after
    assert bool(changes) is (before != after)
