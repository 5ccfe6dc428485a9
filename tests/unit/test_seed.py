# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which caches are taken over, and what becomes of those that are not used; where a builder finds earlier builds."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import seeds
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import seed

BELOW = "/srv/julia/environments/jets/releases/0123456789abcdef"
NAMES = st.text(alphabet="abcXYZ019._-", min_size=1, max_size=12)


def as_text(text: str) -> bytes:
    """A text as an image holds it."""
    return struct.pack("<Q", len(text.encode())) + text.encode() + b"\0"


def as_symbol(text: str) -> bytes:
    return struct.pack("<I", len(text.encode())) + text.encode() + b"\0"


def as_debugging_information(text: str) -> bytes:
    return b"\x01\x00\x00\x00\x01" + text.encode() + b"\0"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", None),
        (as_text("nothing of that"), None),
        (as_text(f"{BELOW}/x86_64/common/packages/A/b/src"), f"{BELOW}/x86_64/common/packages/A/b/src"),
        (as_text(BELOW), BELOW),
        (as_symbol(f"{BELOW}/x86_64/common/packages/A/b/src/A.jl"), None),
        (as_debugging_information(f"{BELOW}/x86_64/common/packages/A/b/src"), None),
        (as_text(f"{BELOW}/x86_64/common/packages/A/b/src/A.jl"), None),
        (as_text(f"{BELOW}/x86_64/common/packages/A/b/Artifacts.toml"), None),
        (as_text(f"{BELOW}/packages/A/b/src/../deps/deps.jl"), f"{BELOW}/packages/A/b/src/../deps/deps.jl"),
        (as_text(f"-L{BELOW}/x86_64/lib"), f"L{BELOW}/x86_64/lib"),
        (as_text(f"{BELOW}0/x86_64/common"), None),
        (as_symbol(f"{BELOW}/a.jl") + as_text(f"{BELOW}/data"), f"{BELOW}/data"),
    ],
)
def test_paths_that_a_package_has_left_in_its_cache(tmp_path: Path, content: bytes, found: str | None) -> None:
    file = tmp_path / "A.so"
    file.write_bytes(content)
    text = seed.baked_path(str(file), BELOW.encode())
    assert (text and text.decode()) == found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(st.lists(NAMES, max_size=5), st.lists(NAMES, min_size=1, max_size=4), st.binary(max_size=30))
def test_a_text_is_found_among_whatever_else_is_there(tmp_path: Path, files, path, rest) -> None:
    file = tmp_path / "A.so"
    harmless = b"".join(as_symbol(f"{BELOW}/{name}.jl") for name in files) + rest.replace(b"/srv", b"")
    baked = f"{BELOW}/{'/'.join(path)}/x"
    file.write_bytes(harmless + b"\0" * 8 + as_text(baked))
    assert seed.baked_path(str(file), BELOW.encode()) == baked.encode()


def depot_with(folder: Path, caches: dict[str, bytes]) -> Path:
    for name, content in caches.items():
        for ending in (".ji", ".so"):
            path = folder / "compiled" / "v1.12" / f"{name}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, ns=(10**18 + 5, 10**18 + 7))
    return folder


def test_caches_are_copied_with_their_times_and_those_with_a_path_are_left(tmp_path: Path) -> None:
    source = depot_with(tmp_path / "old", {"A/a_1": b"a", "A/a_2": b"b", "B/b_1": as_text(f"{BELOW}/data")})
    depot = tmp_path / "new"
    depot.mkdir()
    assert seed.is_due(str(depot))
    taken = seed.take(str(depot), [{"depot": str(source), "built_below": BELOW}])
    assert sorted(taken.files) == [f"compiled/v1.12/A/a_{n}{ending}" for n in (1, 2) for ending in (".ji", ".so")]
    assert taken.refused == {"B": f"holds the path {BELOW}/data"}
    for name in taken.files:
        assert (depot / name).stat().st_mtime_ns == 10**18 + 7
        assert (depot / name).stat().st_nlink == 1
    assert not seed.is_due(str(depot))
    assert seed.pending(str(depot)) == taken

    told = seed.settle(str(depot), taken, [str(depot / "compiled/v1.12/A/a_2.ji"), "/opt/julia/share/C.ji"])
    assert told == {"caches": 1, "bytes": 2, "dropped": 1, "refused": taken.refused}
    assert sorted(path.name for path in depot.rglob("*.*")) == ["a_2.ji", "a_2.so", "v1.12"]
    assert seed.pending(str(depot)) is None
    assert not seed.is_due(str(depot))


def test_a_package_of_which_nothing_is_used_leaves_no_folder(tmp_path: Path) -> None:
    source = depot_with(tmp_path / "old", {"A/a_1": b"a", "B/b_1": b"b"})
    depot = tmp_path / "new"
    depot.mkdir()
    taken = seed.take(str(depot), [{"depot": str(source), "built_below": BELOW}])
    (depot / "compiled/v1.12/A/a_new.ji").write_bytes(b"compiled since")
    seed.settle(str(depot), taken, [str(depot / "compiled/v1.12/A/a_new.ji")])
    assert sorted(path.name for path in depot.rglob("*")) == ["A", "a_new.ji", "compiled", "v1.12"]


def test_an_interrupted_copy_is_begun_anew(tmp_path: Path) -> None:
    depot = depot_with(tmp_path / "new", {"A/a_1": b"half"})
    (depot / seed.MARK).touch()
    assert seed.is_due(str(depot))
    assert seed.pending(str(depot)) is None
    source = depot_with(tmp_path / "old", {"A/a_1": b"whole"})
    seed.take(str(depot), [{"depot": str(source), "built_below": ""}])
    assert (depot / "compiled/v1.12/A/a_1.ji").read_bytes() == b"whole"


def test_a_seed_that_is_not_there_gives_nothing(tmp_path: Path) -> None:
    depot = tmp_path / "new"
    depot.mkdir()
    assert seed.take(str(depot), [{"depot": str(tmp_path / "absent"), "built_below": BELOW}]) == seed.Taken()


# --- The module depot_seeds

BUILD = "00de3f6f2c7c9c2b"


def staged(folder: Path, environment: str, release: str, *, time: int = 1, complete: bool = True, **record) -> Path:
    path = folder / environment / release
    (path / "x86_64" / "common").mkdir(parents=True)
    if complete:
        build = {
            "julia": {"build": BUILD},
            "variables": {},
            "levels": [{"name": "generic", "target": "generic"}, {"name": "v3", "target": "haswell"}],
            **record,
        }
        file = path / "x86_64" / "build.json"
        file.write_text(json.dumps(build))
        os.utime(file, (time, time))
    return path


def find(tmp_path: Path, **more) -> dict:
    params = {
        "staging": str(tmp_path / "staging"),
        "store": str(tmp_path / "store"),
        "environment": "jets",
        "release": "c" * 16,
        "arch": "x86_64",
        "build": BUILD,
        "levels": {"generic": "generic", "v3": "haswell,-rdrnd"},
        "variables": {},
        "platforms": [],
        **more,
    }
    return seeds.find(params, True)


def test_earlier_builds_come_newest_first_and_other_environments_last(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    old = staged(staging, "jets", "a" * 16, time=10)
    new = staged(staging, "jets", "b" * 16, time=20)
    half = staged(staging, "jets", "d" * 16, complete=False)
    staged(staging, "jets", "c" * 16, time=30)
    other = staged(staging, "other", "e" * 16, time=40)
    found = find(tmp_path)
    assert found["changed"] is False
    assert found["depots"] == [str(path / "x86_64" / "common") for path in (new, old, half, other)]
    below = f"{tmp_path}/store/environments/jets/releases/{'b' * 16}"
    assert found["caches"] == {
        "generic": [{"depot": str(new / "x86_64" / "generic"), "built_below": below}],
        "v3": [],  # for another target
    }


def test_release_in_use_is_a_seed_where_nothing_is_staged(tmp_path: Path) -> None:
    store = tmp_path / "store" / "environments"
    path = staged(store, "jets/releases", "a" * 16)
    (store / "jets" / "current").symlink_to("releases/" + "a" * 16)
    found = find(tmp_path)
    assert found["depots"] == [str(path / "x86_64" / "common")]
    assert found["caches"]["generic"] == [{"depot": str(path / "x86_64" / "generic"), "built_below": str(path)}]


@pytest.mark.parametrize("record", [{"julia": {"build": "another"}}, {"variables": {"A": "1"}}, {"levels": []}])
def test_caches_of_another_build_are_no_seed_but_its_packages_are(tmp_path: Path, record) -> None:
    path = staged(tmp_path / "staging", "jets", "a" * 16, **record)
    found = find(tmp_path)
    assert found["depots"] == [str(path / "x86_64" / "common")]
    assert found["caches"] == {"generic": [], "v3": []}


def test_a_builder_that_has_nothing_yet_has_no_seeds(tmp_path: Path) -> None:
    assert find(tmp_path, platforms=["i686-linux-gnu"]) == {
        "changed": False,
        "depots": [],
        "platforms": {"i686-linux-gnu": []},
        "caches": {"generic": [], "v3": []},
    }


def test_earlier_builds_are_seeds_for_platforms_without_caches(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    old = staged(staging, "jets", "a" * 16, time=10)
    new = staged(staging, "jets", "b" * 16, time=20)
    this = staged(staging, "jets", "c" * 16, time=30)
    other = staged(staging, "other", "e" * 16, time=40)
    for path in (old, new, this, other):
        (path / "aarch64-linux-gnu" / "common").mkdir(parents=True)
    (old / "aarch64-apple-darwin" / "common").mkdir(parents=True)
    found = find(tmp_path, platforms=["aarch64-linux-gnu", "aarch64-apple-darwin"])
    assert found["platforms"] == {
        "aarch64-linux-gnu": [str(path / "aarch64-linux-gnu" / "common") for path in (new, old, other)],
        "aarch64-apple-darwin": [str(old / "aarch64-apple-darwin" / "common")],
    }
    assert found["depots"] == [str(path / "x86_64" / "common") for path in (new, old, other)]
