# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags: their listing, their names, and which of them go."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime, timedelta, timezone
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import tags
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.tags import Publish, Tag
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from tests.unit.helpers import params_of

RELEASE = "0123456789abcdef"
HASH, OTHER_HASH = "061cebc1a50f27f22b4fb6c1aaedae03b4a31e0f", "4978ee94523ece00cbde8ca014b65093c811d736"
# As a server 2.12.0 printed it.
LISTING = (
    "rel-1 061cebc1a50f27f22b4fb6c1aaedae03b4a31e0f 16384 2 1795421613 (default) first release\n"
    "trunk 061cebc1a50f27f22b4fb6c1aaedae03b4a31e0f 16384 2 1795421613 (default) current HEAD\n"
    "generic-2026-11-23T08:13:00Z 4978ee94523ece00cbde8ca014b65093c811d736 16384 1 1795421581 (default) \n"
    "trunk-previous 4978ee94523ece00cbde8ca014b65093c811d736 16384 1 1795421581 (default) default undo target\n"
)
NOW = 1_795_500_000.0

environments = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,30}(\.[a-z0-9]+)?", fullmatch=True)
releases = st.from_regex(r"[0-9a-f]{16}", fullmatch=True) | st.just("julia")
moments = st.datetimes(datetime(2000, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC))
lines = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))
any_tags = st.lists(
    st.builds(
        Tag,
        name=st.sampled_from(tags.UNDO_TAGS) | st.from_regex(r"(nightly|jets)-[a-z0-9]{1,3}", fullmatch=True),
        hash=st.from_regex(r"[0-9a-f]{40}(-rmd160|-shake128)?", fullmatch=True),
        size=st.integers(0, 10**9),
        revision=st.integers(0, 10**6),
        timestamp=st.integers(int(NOW) - 100 * 86400, int(NOW) + 86400),
        branch=st.just("(default)"),
        description=lines,
    ),
    unique_by=lambda tag: tag.name,
)


def tag(name: str, revision: int, days: float = 0, root_hash: str = HASH) -> Tag:
    return Tag(name, root_hash, 16384, revision, int(NOW - days * 86400), "(default)", "")


def names(found: list[Tag]) -> list[str]:
    return [tag.name for tag in found]


# --- the listing


def test_a_real_listing_is_read():
    found = tags.parse_listing(LISTING)
    assert names(found) == ["rel-1", "trunk", "generic-2026-11-23T08:13:00Z", "trunk-previous"]
    assert found[0] == Tag("rel-1", HASH, 16384, 2, 1795421613, "(default)", "first release")
    assert found[2].description == ""
    assert names(tags.named(found)) == ["rel-1", "generic-2026-11-23T08:13:00Z"]


@given(any_tags)
def test_a_listing_is_read_as_it_was_written(found):
    text = "".join(" ".join(str(field) for field in vars(tag).values()) + "\n" for tag in found)
    assert tags.parse_listing(text) == found


def test_a_description_may_have_several_lines():
    text = LISTING.replace("first release", "first\n\nrelease 1 2")
    assert tags.parse_listing(text)[0].description == "first\n\nrelease 1 2"
    assert names(tags.parse_listing(text)) == names(tags.parse_listing(LISTING))


@pytest.mark.parametrize(
    "text", ["[12 bytes left out]\n", "failed to load manifest\n", f"rel-1 {HASH} 16384 x 1 (default) \n"]
)
def test_another_text_is_no_listing(text):
    with pytest.raises(ValueError, match="not a line of tag -l -x"):
        tags.parse_listing(text + LISTING)


def test_a_long_listing_is_read_whole(tmp_path, monkeypatch):
    (tmp_path / "listing").write_text("".join(f"tag{number} {LISTING.split(maxsplit=1)[1]}" for number in range(3000)))
    program = tmp_path / "cvmfs_server"
    program.write_text(f"#!/bin/sh\nexec cat '{tmp_path}/listing'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert sum(name.startswith("tag") for name in names(tags.listed(Repository("software.example.org")))) == 3000


# --- names


@pytest.mark.parametrize("name", ["v1", "1.0", "a" * 200, "generic-2026-11-23T08:13:00Z", "a_b.c-d:e"])
def test_names(name):
    assert tags.fault_of_name(name) is None


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", ".a", "ä", "a'b", "a$b", "a" * 201, "a\n", None, 1])
def test_bad_names(name):
    assert repr(name) in tags.fault_of_name(name)


@pytest.mark.parametrize("name", tags.UNDO_TAGS)
def test_the_servers_own_names(name):
    assert tags.fault_of_name(name) == f"{name!r} is a tag of the server's own"


@pytest.mark.parametrize("text", ["", "first release, of 2", "it's (not) bad; #1 & more *", "ümlaut"])
def test_descriptions(text):
    assert tags.fault_of_description(text) is None


@pytest.mark.parametrize("text", ['say "hi"', "$(id)", "`id`", "a\\b", "two\nlines", "a\tb"])
def test_bad_descriptions(text):
    assert repr(text) in tags.fault_of_description(text)


def test_the_tag_of_a_publish():
    when = datetime(2026, 11, 24, 12, 30, tzinfo=timezone(timedelta(hours=1)))
    assert tags.publish_tag("jets", RELEASE, when) == "jets-0123456789abcdef-20261124T113000Z"


def test_two_publishes_are_never_named_in_one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1e9 + 0.25]
    monkeypatch.setattr(tags.time, "time", lambda: clock[0])
    monkeypatch.setattr(tags.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    for signed, waited in ((1e9 - 5, 0), (1e9, 0.75), (1e9, 0), (1e9 + 3600, 0)):
        before = clock[0]
        tags.moment_of_publish(datetime.fromtimestamp(signed, UTC))
        assert clock[0] - before == waited


@given(environments, releases, moments)
def test_the_tag_of_a_publish_is_recognised(environment, release, when):
    name = tags.publish_tag(environment, release, when)
    assert tags.fault_of_name(name) is None
    assert tags.publish_of(name) == Publish(environment, release, when.replace(microsecond=0))


@pytest.mark.parametrize(
    "name",
    [
        "jets",
        "jets-0123456789abcdef",
        "jets-backup-20261124T113000Z",
        "jets-0123456789abcdef-20261324T113000Z",
        "jets-0123456789ABCDEF-20261124T113000Z",
        "jets-0123456789abcdef-20261124T113000Z\n",
        "0jets-0123456789abcdef-20261124T113000Z",
        "generic-2026-11-23T08:13:00Z",
    ],
)
def test_other_tags_are_of_no_publish(name):
    assert tags.publish_of(name) is None


@given(environments, environments, releases, moments)
def test_each_environment_has_its_own_tags(environment, other, release, when):
    chosen = tags.choice(None, environment)
    assert chosen(tags.publish_tag(environment, release, when))
    assert chosen(tags.publish_tag(other, release, when)) == (environment == other)
    assert not chosen(tags.publish_tag(f"{environment}-{other}", release, when))
    assert not chosen(environment)


# --- what goes


@given(
    any_tags, st.integers(0, 8), st.sampled_from([0.0, 0.5, 7.0, 30.0, math.inf]), st.sampled_from(["*", "jets-*", "x"])
)
def test_what_goes_is_chosen_old_and_surplus(found, keep, keep_days, match):
    gone = tags.surplus(found, keep, keep_days, NOW, tags.choice(match, None))
    considered = [tag for tag in tags.named(found) if fnmatchcase(tag.name, match)]
    for tag in found:
        newer = considered.index(tag) if tag in considered else None
        young = keep_days > 0 and NOW - tag.timestamp < keep_days * 86400
        assert (tag in gone) == (newer is not None and newer >= keep and not young)
    assert gone == tags.newest_first(gone)
    left = [tag for tag in found if tag not in gone]
    assert len([tag for tag in left if tag in considered]) >= min(keep, len(considered))
    assert tags.surplus(left, keep, keep_days, NOW, tags.choice(match, None)) == []


def test_a_quiet_year_leaves_the_number_and_a_busy_week_its_own():
    quiet = [tag(f"q{number}", number, 400 - number) for number in range(5)]
    assert names(tags.surplus(quiet, 3, 30, NOW, tags.choice("*", None))) == ["q1", "q0"]
    busy = [tag(f"b{number}", 10 + number, 1) for number in range(9)]
    assert names(tags.surplus(quiet + busy, 3, 30, NOW, tags.choice("*", None))) == ["q4", "q3", "q2", "q1", "q0"]


def test_newest_is_the_revision_whatever_the_clock_said():
    found = [tag("old", 1, 0), tag("new", 2, 5)]
    assert names(tags.surplus(found, 1, 0, NOW, tags.choice("*", None))) == ["old"]


def test_the_servers_own_tags_stay():
    found = [tag("trunk", 2), tag("trunk-previous", 1), tag("trunk-1", 1)]
    assert names(tags.surplus(found, 0, 0, NOW, tags.choice("trunk*", None))) == ["trunk-1"]


def steps(found: list[Tag], **given: object) -> list[tuple[str, str]]:
    params = params_of(tags.ARGUMENT_SPEC, **given)
    return [(action["id"], action["status"]) for action in tags.steps(found, params, NOW)]


def test_steps():
    found = [tag("a", 1), tag("b", 2, root_hash=OTHER_HASH)]
    assert steps(found, name=["a", "c", "c"]) == [("c", "added")]
    assert steps(found, name=["a"], root_hash=HASH) == []
    assert steps(found, name=["b", "x", "a", "b"], state="absent") == [("b", "removed"), ("a", "removed")]
    assert steps(found, match="*", keep=1, state="pruned") == [("a", "removed")]
    assert steps(found, match="*", keep_days=1.0, state="pruned") == []
    with pytest.raises(InputError) as caught:
        steps(found, name=["a", "b"], root_hash="f" * 40)
    assert len(caught.value.faults) == 2
    assert f"b is the tag of revision 2 with root hash {OTHER_HASH} already" in caught.value.faults[1]


def test_many_are_removed_a_few_hundred_at_once(monkeypatch):
    calls = []
    monkeypatch.setattr(tags, "_edit", lambda repository, words, fault: calls.append((words, fault)))
    gone = [f"{number:03}{'n' * 197}" for number in range(1000)]
    tags.remove(Repository("software.example.org"), gone)
    assert [word for words, _fault in calls for word in words[2::2]] == gone
    assert {(words[0], *words[1::2]) for words, _fault in calls} == {("-f", *["-r"] * 400), ("-f", *["-r"] * 200)}
    # The names go on to a shell in one word, which Linux limits.
    assert max(len(" ".join(words)) for words, _fault in calls) < 128 * 1024
    tags.remove(Repository("software.example.org"), [])
    assert len(calls) == 3


# --- bad input


def faults(**given: object) -> list[str]:
    params = params_of(tags.ARGUMENT_SPEC, **{"repository": "software.example.org", **given})
    with pytest.raises(InputError) as caught:
        tags.change(params, True)
    return caught.value.faults


def test_all_faults_are_named_at_once():
    found = faults(repository="x", name=["trunk", "a b"], description="$x", root_hash="123")
    assert [fault.split(":")[0] for fault in found] == ["repository", "name", "name", "description", "root_hash"]
    assert faults(state="absent", name=["trunk", "a'b"]) == [
        "name: 'trunk' is a tag of the server, and stays",
        'name: "a\'b" cannot be a tag',
    ]
    assert faults(state="pruned", keep=-1, keep_days=-0.5, match="") == [
        "keep: -1 is less than 0",
        "keep_days: -0.5 is less than 0",
        "match: it is empty; '*' matches every name",
    ]
    assert "environment: 'a b' is not a name" in faults(state="pruned", keep_days=math.nan, environment="a b")[1]
