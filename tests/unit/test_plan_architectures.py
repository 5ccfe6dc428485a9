# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three environments for two architectures with three levels each: who builds what, where, and what may be missing."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import plan

UUID = "7876af07-990d-54b4-ab0e-23690620f79a"
STORE = {"type": "cvmfs", "repository": "software.example.org", "path": "julia"}
TARGETS = {
    "x86_64": ["x86-64-v3", "generic", "x86-64-v2"],
    "aarch64": ["neoverse-n1", "generic", "a64fx"],
}
VERSIONS = {"jets": "1.10.8", "tracks": "1.10.8", "plots": "1.12.5"}
ORDER = {"x86_64": ["generic", "x86-64-v2", "x86-64-v3"], "aarch64": ["generic", "a64fx", "neoverse-n1"]}
BUILDERS = {"b-x86": "x86_64", "b-x86-too": "x86_64", "b-arm": "aarch64"}
ALL = [(name, arch, level) for name, arch in product(VERSIONS, ORDER) for level in ORDER[arch]]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    """A folder with a project of each environment."""
    folder = tmp_path_factory.mktemp("projects")
    for name in VERSIONS:
        (folder / name).mkdir()
        (folder / name / "Project.toml").write_text(f'name = "{name}"\n[deps]\nExample = "{UUID}"\n')
    return str(folder)


def planned(base, select="", allow_partial=()):
    environments = [{"name": name, "project": name, "julia": version} for name, version in VERSIONS.items()]
    return plan.build_plan(environments, STORE, TARGETS, select, base, allow_partial=allow_partial)


def held(arch: str) -> dict[str, dict[str, str]]:
    """The Julias of a builder, by version."""
    return {
        version: {"version": version, "arch": arch, "build": f"{version} for {arch}", "prefix": "/opt/julia"}
        for version in VERSIONS.values()
    }


def julias_of(builders=tuple(BUILDERS)):
    return {name: held(BUILDERS[name]) for name in builders}


def key(build):
    return build["environment"], build["arch"], build["level"]


def inputs_of(builds, name, missing=()):
    installations = [julia for builder in julias_of().values() for julia in builder.values()]
    return plan.release_inputs([build for build in builds if build["environment"] == name], installations, missing)


def test_every_build_is_planned_once_with_levels_worst_first(base):
    assert [key(build) for build in planned(base)] == ALL


def test_each_build_is_done_by_the_builders_whose_julia_is_for_its_architecture(base):
    builds = planned(base)
    for builder, arch in BUILDERS.items():
        own = plan.own_builds(builds, held(arch))
        assert [key(build) for build in own] == [row for row in ALL if row[1] == arch], builder
    assert plan.own_builds(builds, {"1.10.8": held("aarch64")["1.10.8"]}) == [
        build for build in builds if build["arch"] == "aarch64" and build["environment"] != "plots"
    ]
    assert plan.own_builds(builds, {}) == []


def test_each_build_has_a_place_of_its_own_below_its_release(base):
    builds = planned(base)
    places = {}
    for name, arch in product(VERSIONS, ORDER):
        inputs = inputs_of(builds, name)
        paths = plan.staged_paths("/work", inputs, arch)
        release = paths["release"]
        store = "/cvmfs/software.example.org/julia"
        assert paths["staging"] == f"/work/staging/{name}/{release}"
        assert paths["target"] == f"{store}/environments/{name}/releases/{release}"
        assert paths["julia_target"] == f"{store}/julia/{VERSIONS[name]}/{arch}"
        assert paths["common"] == f"{paths['staging']}/{arch}/common"
        assert list(paths["levels"]) == ORDER[arch]
        for level, path in paths["levels"].items():
            assert path == f"{paths['staging']}/{arch}/{level}"
            places[path] = (name, arch, level)
    assert sorted(places.values()) == sorted(ALL)
    assert len({inputs_of(builds, name)["project"] for name in VERSIONS}) == 3


@given(st.sets(st.sampled_from(ALL), min_size=1))
def test_depot_select_picks_any_subset_and_it_belongs_to_the_same_release(base, rows):
    select = " || ".join(f"(environment=='{name}' && arch=='{arch}' && level=='{level}')" for name, arch, level in rows)
    part = planned(base, f"[?{select}]")
    assert [key(build) for build in part] == [row for row in ALL if row in rows]
    whole = planned(base)
    for name in {name for name, _arch, _level in rows}:
        assert inputs_of(part, name) == inputs_of(whole, name)


# --- depot_allow_partial


def test_what_a_release_may_lack_is_told_to_each_of_its_builds(base):
    assert dict(_may_lack(base)) == dict.fromkeys(VERSIONS, ())
    assert dict(_may_lack(base, ["aarch64"])) == dict.fromkeys(VERSIONS, ("aarch64",))
    assert dict(_may_lack(base, ["jets/aarch64", "x86_64"])) == {
        "jets": ("x86_64", "aarch64"),
        "tracks": ("x86_64",),
        "plots": ("x86_64",),
    }


def _may_lack(base, allow_partial=()):
    return {(build["environment"], tuple(build["may_lack"])) for build in planned(base, allow_partial=allow_partial)}


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("aarch64", ["depot_allow_partial: 'aarch64' is not a list of architectures, such as [aarch64]"]),
        (True, ["depot_allow_partial: True is not a list of architectures"]),
        (
            ["arm64", 3, "other/aarch64", "aarch64"],
            [
                "depot_allow_partial: 'arm64' names no architecture of the environments; there are x86_64, jets/x86_64",
                "depot_allow_partial: 3 names no architecture",
                "depot_allow_partial: 'other/aarch64' names no architecture",
            ],
        ),
    ],
)
def test_a_fault_of_what_may_be_missing_names_it(base, given_value, expected):
    with pytest.raises(InputError) as error:
        planned(base, allow_partial=given_value)
    assert len(error.value.faults) == len(expected)
    assert all(fault.startswith(start) for fault, start in zip(error.value.faults, expected, strict=True))


def test_two_environments_cannot_have_different_julias_of_a_version(base):
    environments = [
        {"name": "jets", "project": "jets", "julia": {"version": "1.10.8", "executable": "/opt/julia"}},
        {"name": "tracks", "project": "tracks", "julia": "1.10.8"},
    ]
    with pytest.raises(InputError) as error:
        plan.build_plan(environments, STORE, TARGETS, base=base)
    (fault,) = error.value.faults
    assert fault.startswith("depot_environments: Julia 1.10.8 is /opt/julia and the one that is installed")


# --- what is missing


def test_with_a_builder_for_each_architecture_nothing_is_missing(base):
    assert plan.missing_architectures(planned(base), julias_of(), {}) == {name: {} for name in VERSIONS}


def test_architectures_without_a_builder_are_told_for_all_environments_at_once(base):
    with pytest.raises(InputError) as error:
        plan.missing_architectures(planned(base), julias_of(["b-x86"]), {})
    assert [fault.partition(";")[0] for fault in error.value.faults] == [
        f"{name}: no builder has Julia {version} for aarch64" for name, version in VERSIONS.items()
    ]


def test_what_may_be_missing_is_where_nobody_builds_it(base):
    builds = planned(base, allow_partial=["aarch64"])
    assert plan.missing_architectures(builds, julias_of(["b-x86"]), {}) == {
        name: {"aarch64": f"no builder that takes part has Julia {version} for aarch64"}
        for name, version in VERSIONS.items()
    }
    with pytest.raises(InputError) as error:
        plan.missing_architectures(builds, julias_of(["b-arm"]), {})
    assert [fault.partition(";")[0] for fault in error.value.faults] == [
        f"{name}: no builder has Julia {version} for x86_64" for name, version in VERSIONS.items()
    ]


def test_nothing_left_to_publish_is_a_fault(base):
    builds = planned(base, "[?environment=='jets']", ["aarch64", "x86_64"])
    with pytest.raises(InputError) as error:
        plan.missing_architectures(builds, {}, {})
    assert error.value.faults == [
        "jets: depot_allow_partial leaves nothing to publish (x86_64: no builder that takes part has Julia 1.10.8 "
        "for x86_64; aarch64: no builder that takes part has Julia 1.10.8 for aarch64)"
    ]


@given(
    st.dictionaries(
        st.sampled_from(list(BUILDERS)),
        st.dictionaries(st.sampled_from(list(VERSIONS)), st.sampled_from(["", "broken"])),
    )
)
def test_an_architecture_is_missing_once_all_its_builders_have_failed(base, outcomes):
    builds = planned(base, allow_partial=["aarch64"])
    missing = plan.missing_architectures(builds, julias_of(), outcomes)
    for name in VERSIONS:
        failed = outcomes.get("b-arm", {}).get(name) == "broken"
        assert missing[name] == ({"aarch64": "b-arm: broken"} if failed else {})
    both = planned(base, allow_partial=["x86_64"])
    missing = plan.missing_architectures(both, julias_of(), outcomes)
    for name in VERSIONS:
        all_failed = all(outcomes.get(builder, {}).get(name) == "broken" for builder in ("b-x86", "b-x86-too"))
        assert missing[name] == ({"x86_64": "b-x86: broken; b-x86-too: broken"} if all_failed else {})


@pytest.mark.parametrize(
    ("select", "expected"),
    [("[?arch=='x86_64']", {"aarch64": "b-arm: left out"}), ("[?level=='generic']", {})],
)
def test_a_selection_of_some_levels_does_not_make_a_release_without_the_architecture(base, select, expected):
    builds = planned(base, select, ["aarch64"])
    outcomes = {"b-arm": dict.fromkeys(VERSIONS, "left out")}
    assert plan.missing_architectures(builds, julias_of(), outcomes)["jets"] == expected


def test_a_release_that_lacks_an_architecture_is_another_one_than_the_whole_and_than_one_never_meant_to_have_it(base):
    whole = inputs_of(planned(base), "jets")
    partial = inputs_of(planned(base), "jets", ["aarch64"])
    assert "missing" not in whole
    assert partial["missing"] == ["aarch64"]
    assert list(partial["targets"]) == list(partial["julia"]["builds"]) == ["x86_64"]
    json.dumps(partial)
    meant = {key: value for key, value in partial.items() if key != "missing"}
    names = {plan.staged_paths("/w", inputs, "x86_64")["release"] for inputs in (whole, partial, meant)}
    assert len(names) == 3


def test_the_julias_of_architectures_that_are_missing_do_not_matter(base):
    builds = [build for build in planned(base) if build["environment"] == "jets"]
    two = [
        held("x86_64")["1.10.8"],
        held("aarch64")["1.10.8"],
        {**held("aarch64")["1.10.8"], "build": "another", "prefix": "/usr"},
    ]
    assert plan.release_inputs(builds, two, ["aarch64"]) == plan.release_inputs(builds, two[:1], ["aarch64"])
    with pytest.raises(InputError):
        plan.release_inputs(builds, two)


# --- platforms without caches


FOREIGN = ["aarch64-apple-darwin", "i686-linux-gnu"]


@pytest.mark.parametrize(
    ("builders", "select", "missing", "expected"),
    [
        (tuple(BUILDERS), "", (), "b-x86"),
        (("b-arm", "b-x86"), "", (), "b-arm"),
        (tuple(BUILDERS), "[?arch=='aarch64']", (), "b-arm"),
        (tuple(BUILDERS), "", ("x86_64",), "b-arm"),
        (("b-x86-too",), "[?arch=='aarch64']", (), None),
    ],
)
def test_the_first_builder_that_builds_any_of_a_release_installs_its_platforms(
    base, builders, select, missing, expected
):
    builds = [build for build in planned(base, select) if build["environment"] == "jets"]
    inputs = {**inputs_of(planned(base), "jets", missing), "platforms": FOREIGN}
    julias = julias_of(builders)
    found = {name: plan.own_platforms(inputs, builds, name, julias) for name in builders}
    assert found == {name: FOREIGN if name == expected else [] for name in builders}
    del inputs["platforms"]
    assert [plan.own_platforms(inputs, builds, name, julias) for name in builders] == [[]] * len(builders)


def _staged(builder, arch, platforms=()):
    return {
        "environment": "jets",
        "release": "0123456789abcdef",
        "source": f"/{builder}/staging",
        "builder": builder,
        "arch": arch,
        "workdir": f"/{builder}",
        "architectures": [arch],
        "inputs": {"platforms": FOREIGN},
        "platforms": list(platforms),
        "julias": [held(arch)["1.10.8"]],
    }


def test_a_platform_is_taken_from_a_builder_that_staged_it_whoever_staged_the_architecture():
    staged = [_staged("b-x86", "x86_64", FOREIGN), _staged("b-x86-too", "x86_64", FOREIGN[:1]), _staged("b-arm", "x86")]
    (release,) = plan.merged_releases(staged, "b-x86-too")
    assert [(one["triplet"], one["builder"], one["source"]) for one in release["platforms"]] == [
        (FOREIGN[0], "b-x86-too", "/b-x86-too/staging"),
        (FOREIGN[1], "b-x86", "/b-x86/staging"),
    ]
    assert release["platforms"][1]["workdir"] == "/b-x86"


def test_platforms_that_nobody_staged_are_told_all_at_once():
    with pytest.raises(InputError) as error:
        plan.merged_releases([_staged("b-x86", "x86_64")])
    assert [fault.partition(",")[0] for fault in error.value.faults] == [
        f"jets: release 0123456789abcdef must have packages for {triplet}" for triplet in FOREIGN
    ]
