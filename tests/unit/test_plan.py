# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From site variables to builds: every fault at once, selection, and what identifies a release."""

from __future__ import annotations

import json

import ansible.template
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import fault_of_tree
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import origins, plan
from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.plan import build_plan

UUID = "7876af07-990d-54b4-ab0e-23690620f79a"
STORE = {"type": "directory", "path": "/srv/julia"}
TARGETS = {"x86_64": ["x86-64-v3", "generic"], "aarch64": "generic"}


@pytest.fixture
def base(tmp_path) -> str:
    """A folder with two projects."""
    for name in ("jets", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Project.toml").write_text(f'[deps]\nExample = "{UUID}"\n')
    return str(tmp_path)


def environment(**changes):
    """A good environment, with some keys changed, or taken out where None."""
    whole = {"name": "jets", "project": "jets", "julia": "1.10.8", **changes}
    return {key: value for key, value in whole.items() if value is not ...}


def faults(base, environments, select="", **given) -> list[str]:
    with pytest.raises(InputError) as error:
        build_plan(environments, given.get("store", STORE), given.get("targets", TARGETS), select, base)
    for fault in error.value.faults:
        assert fault in error.value.message
    return error.value.faults


def test_a_build_for_each_architecture_and_level_worst_first(base):
    builds = build_plan(
        [environment(), environment(name="b", targets={"aarch64": ["a64fx"]})], STORE, TARGETS, base=base
    )
    assert [(build["environment"], build["arch"], build["level"]) for build in builds] == [
        ("jets", "x86_64", "generic"),
        ("jets", "x86_64", "x86-64-v3"),
        ("jets", "aarch64", "generic"),
        ("b", "aarch64", "a64fx"),
    ]
    digest = builds[0]["project"]["digest"]
    assert builds[1] == {
        "environment": "jets",
        "arch": "x86_64",
        "level": "x86-64-v3",
        "target": "haswell,-rdrnd,-fsgsbase",
        "flags": builds[1]["flags"],
        "julia": {"version": "1.10.8", "executable": ""},
        "project": {
            "source": f"{base}/jets",
            "lock": None,
            "lock_path": f"{base}/jets/Manifest.toml",
            "lock_folder": f"{base}/jets",
            "boundary": "",
            "preferences": {},
            "origin": {},
            "digest": digest,
        },
        "workload": "",
        "lazy_artifacts": False,
        "registries": [],
        "variables": {},
        "registry": False,
        "check_bounds": False,
        "slim": [],
        "platforms": [],
        "store": "/srv/julia",
        "targets": {
            "x86_64": {"generic": "generic", "x86-64-v3": "haswell,-rdrnd,-fsgsbase"},
            "aarch64": {"generic": "generic"},
        },
        "may_lack": [],
    }
    json.dumps(builds)


def test_a_relative_base_gives_absolute_projects(base, monkeypatch):
    monkeypatch.chdir(f"{base}/jets")
    assert build_plan([environment(project=".")], STORE, TARGETS)[0]["project"]["source"] == f"{base}/jets"


W = "depot_environments[0] (jets): "
NO_STORE = (
    "is no store; for example {type: cvmfs, repository: software.example.org, path: julia}; "
    "{type: directory, path: /srv/julia}"
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "a/b"}, "depot_environments[0] (a/b): name: 'a/b' is not a name"),
        ({"name": "a b"}, "depot_environments[0] (a b): name: 'a b' is not a name"),
        ({"name": "a..b"}, "depot_environments[0] (a..b): name: 'a..b' is not a name"),
        ({"name": "jets\n"}, "depot_environments[0] (jets\n): name: 'jets\\n' is not a name"),
        ({"name": ...}, "depot_environments[0] (without a name): name: None is not a name"),
        ({"name": ["a"]}, "depot_environments[0] (['a']): name: ['a'] is not a name"),
        ({"project": ...}, W + "project: None is not the folder of a Julia project"),
        ({"project": ""}, W + "project: '' is not the folder"),
        ({"project": {"git": "x"}}, W + "project: version: None is not a commit, tag or branch, as text"),
        ({"project": 3}, W + "project: 3 is not the folder of a Julia project on the controller, nor {git: "),
        ({"registries": ["https://me:secret@x"]}, W + "registries: the URL https://me:***@x holds a password"),
        ({"preferences": ["A"]}, W + "preferences: ['A'] is not a mapping of packages"),
        ({"preferences": {"Other": {"a": 1}}, "julia": "1.5.3"}, W + "preferences: Julia 1.5.3 has no preferences"),
        ({"project": "nowhere"}, W + "project: {base}/nowhere is not a folder on the controller"),
        ({"project": "."}, W + "project: {base} has no Project.toml"),
        ({"julia": ...}, W + "julia: 'None' is not a Julia version such as 1.10.8"),
        ({"julia": 1.10}, W + "julia: '1.1' is not a Julia version"),
        ({"julia": "1.4.2"}, W + "julia: 1.4.2 is older than 1.5.0"),
        ({"julia": "1.11.0-rc1"}, W + "julia: 1.11.0-rc1 can crash on CPUs with AVX-512"),
        ({"julia": "1.11.1"}, W + "julia: 1.11.1 can crash on CPUs with AVX-512"),
        ({"julia": {"version": "1.10.8", "path": "/x"}}, W + "julia: path is not known; known are version, executable"),
        (
            {"julia": {"version": "1.10.8", "executable": "julia"}},
            W + "julia: executable: 'julia' is not an absolute path",
        ),
        ({"targets": {"x86_64": ["v3"]}}, W + "targets: x86_64: 'v3' is neither a level of x86_64"),
        ({"targets": {"x86_64": "generic;haswell"}}, W + "targets: x86_64: 'generic;haswell' holds several targets"),
        ({"targets": {"x86_64": [["generic"]]}}, W + "targets: x86_64: [['generic']] is not a list of levels"),
        ({"targets": {"x86_64": None}}, W + "targets: x86_64: None is not a list of levels"),
        ({"targets": {"sparc": ["generic"]}}, W + "targets: sparc: architecture 'sparc' has no table of levels"),
        ({"targets": ["generic"]}, W + "targets: ['generic'] is not levels for each architecture"),
        ({"targets": {}}, W + "targets: {} is not levels for each architecture"),
        ({"targets": None}, W + "targets: None is not levels for each architecture"),
        ({"julai": "1.10.8"}, W + "julai is not known; known are name, project, julia, targets"),
        ({"workload": 3}, W + "workload: 3 is not text"),
        ({"lazy_artifacts": "yes"}, W + "lazy_artifacts: 'yes' is not true or false"),
        ({"registries": "https://x"}, W + "registries: 'https://x' is not a list"),
        ({"registries": [3]}, W + "registries: 3 is not the URL or folder of a registry"),
        ({"variables": ["A=1"]}, W + "variables: ['A=1'] is not a mapping"),
        ({"variables": {"A=B": "x"}}, W + "variables: 'A=B' is not the name of an environment variable"),
        ({"variables": {3: "x"}}, W + "variables: 3 is not the name of an environment variable"),
        ({"variables": {"A": True}}, W + "variables: A: True is neither text nor a number; quote it"),
        ({"variables": {"A": ["x"]}}, W + "variables: A: ['x'] is neither text nor a number"),
        ({"variables": {"A": "x\0"}}, W + "variables: A: 'x\\x00' is neither text"),
        ({"registry": "yes"}, W + "registry: 'yes' is not true or false"),
        ({"check_bounds": 1}, W + "check_bounds: 1 is not true or false"),
        ({"slim": "tests"}, W + "slim: 'tests' is not true, false or a list"),
        ({"slim": ["test"]}, W + "slim: 'test' is none of tests, docs, artifacts"),
        ({"platforms": "aarch64-linux-gnu"}, W + "platforms: 'aarch64-linux-gnu' is not a list (triplets"),
        ({"platforms": None}, W + "platforms: None is not a list"),
        ({"platforms": [3]}, W + "platforms: 3 is not a triplet such as aarch64-linux-gnu"),
        ({"platforms": [""]}, W + "platforms: '' is not a triplet"),
        ({"platforms": ["aarch64"]}, W + "platforms: 'aarch64' is not a triplet"),
        ({"platforms": ["i686-linux-gnu; rm"]}, W + "platforms: 'i686-linux-gnu; rm' is not a triplet"),
        ({"platforms": ["i686-../x"]}, W + "platforms: 'i686-../x' is not a triplet"),
        ({"platforms": ["i686-..-x"]}, W + "platforms: 'i686-..-x' is not a triplet"),
        ({"platforms": ["i686-linux-gnu\n"]}, W + "platforms: 'i686-linux-gnu\\n' is not a triplet"),
        (
            {"platforms": ["arm64-apple-darwin"]},
            W + "platforms: 'arm64-apple-darwin' does not begin with an architecture",
        ),
        (
            {"platforms": ["i686-linux-gnu"] * 3},
            W + "platforms: 'i686-linux-gnu' stands there more than once",
        ),
        (
            {"platforms": ["x86_64-linux-gnu"]},
            W + "platforms: 'x86_64-linux-gnu' is what is built for x86_64, with caches",
        ),
        ({"platforms": ["aarch64-linux"]}, W + "platforms: 'aarch64-linux' is what is built for aarch64"),
    ],
)
def test_a_fault_of_an_environment_names_the_variable_and_the_value(base, changes, expected):
    found = faults(base, [environment(**changes)])
    assert len(found) == 1
    assert found[0].startswith(expected.replace("{base}", base))


def test_all_faults_of_platforms_are_told_at_once(base):
    asked = ["x86_64-linux-gnu", "", "vax-linux-gnu", "i686-linux-gnu", "i686-linux-gnu"]
    found = faults(base, [environment(platforms=asked)])
    assert [fault.partition("platforms: ")[2].split(" ")[0] for fault in found] == [
        "''",
        "'vax-linux-gnu'",
        "'i686-linux-gnu'",
        "'x86_64-linux-gnu'",
    ]


TRIPLETS = [
    "aarch64-linux-gnu",
    "aarch64-linux-musl",
    "x86_64-linux-musl-libgfortran5-cxx11",
    "x86_64-apple-darwin14.1",
    "x86_64-unknown-freebsd",
    "x86_64-w64-mingw32",
    "x86_64-linux-gnu-cuda+12.1",
    "armv7l-linux-gnueabihf",
]


@given(st.lists(st.sampled_from(TRIPLETS), unique=True))
def test_platforms_have_places_and_count_in_the_release_only_where_there_are_some(asked):
    targets = {"x86_64": {"generic": "generic"}}
    builds = {"environment": "jets", "julia": {"version": "1.10.8"}, "project": {"digest": "d"}, "targets": targets}
    builds.update(lazy_artifacts=False, variables={}, store="/srv/julia")
    julia = {"version": "1.10.8", "arch": "x86_64", "build": "b", "prefix": "/opt/julia"}

    def inputs(platforms):
        return plan.release_inputs([{**builds, "platforms": platforms}], [julia])

    found: list[str] = []
    plan._check_platforms(asked, "x", found)
    assert found == []
    plain = plan.release_inputs([builds], [julia])
    assert (inputs(asked) == plain) is (asked == [])
    name = plan.staged_paths("/w", inputs(asked), "x86_64")["release"]
    assert (name == plan.staged_paths("/w", plain, "x86_64")["release"]) is (asked == [])
    staged = plan.staged_paths("/w", inputs(asked), "x86_64")
    assert staged["platforms"] == {
        triplet: {
            "depot": f"{staged['staging']}/{triplet}/common",
            "record": f"{staged['staging']}/{triplet}/platform.json",
        }
        for triplet in asked
    }


def test_platforms_are_planned_in_one_order(base):
    asked = ["i686-linux-gnu", "aarch64-apple-darwin"]
    planned = [
        build_plan([environment(platforms=platforms)], STORE, TARGETS, base=base) for platforms in (asked, asked[::-1])
    ]
    assert planned[0] == planned[1]
    assert planned[0][0]["platforms"] == sorted(asked)


@pytest.mark.parametrize("asked", ["1.5.0", "1.9.0", "1.11.2", {"version": "1.12.0", "executable": "/opt/julia"}])
def test_versions_at_the_edges_are_taken(base, asked):
    assert build_plan([environment(julia=asked)], STORE, TARGETS, base=base)


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        (None, [f"depot_store: None {NO_STORE}"]),
        ("/srv/julia", [f"depot_store: '/srv/julia' {NO_STORE}"]),
        (
            {"type": "cvmfs", "path": "/srv"},
            ["depot_store: repository: None is not a repository's", "depot_store: path: '/srv' is not a path below"],
        ),
        ({"path": "/srv"}, ["depot_store: {'path': '/srv'} is no store"]),
        ({"type": "directory"}, ["depot_store: path: None is not an absolute path"]),
        ({"type": "directory", "path": "srv"}, ["depot_store: path: 'srv' is not an absolute path"]),
        ({"type": "directory", "path": "/a:b"}, ["depot_store: path: '/a:b' holds a character"]),
        ({"type": "directory", "path": "/a/../b"}, ["depot_store: path: '/a/../b' is not a plain path"]),
        (
            {"type": "directory", "path": 3, "mode": 1, 4: 2},
            [
                "depot_store: 4 is not known",
                "depot_store: mode is not known",
                "depot_store: path: 3 is not an absolute path",
            ],
        ),
    ],
)
def test_a_fault_of_the_store_names_the_value(base, store, expected):
    found = faults(base, [environment()], store=store)
    assert len(found) == len(expected)
    assert all(fault.startswith(start) for fault, start in zip(found, expected, strict=True))


@pytest.mark.parametrize("environments", [[], {}, None, "jets", {"name": "jets"}])
def test_environments_must_be_a_list_with_something(base, environments):
    assert faults(base, environments, store={}) == [
        f"depot_store: {{}} {NO_STORE}",
        "depot_environments: must be a list with at least one environment",
    ]


def test_all_faults_of_all_variables_are_told_at_once(base):
    found = faults(
        base,
        [
            environment(name="a b", project="nowhere", targets={"x86_64": ["v9"]}, workload=1, extra=1),
            "jets",
            environment(name="twice", julia="1.4"),
            environment(name="twice", targets={"sparc": [], "x86_64": []}),
            {3: 4, "x": 5},
        ],
        store={"type": "directory", "path": "relative"},
    )
    beginnings = [
        "depot_store: path: 'relative'",
        "depot_environments: the name 'twice' stands there more than once",
        "depot_environments[0] (a b): extra is not known",
        "depot_environments[0] (a b): name:",
        "depot_environments[0] (a b): project:",
        "depot_environments[0] (a b): workload:",
        "depot_environments[0] (a b): targets: x86_64:",
        "depot_environments[1]: 'jets' is not a mapping",
        "depot_environments[2] (twice): julia:",
        "depot_environments[3] (twice): targets: sparc:",
        "depot_environments[3] (twice): targets: x86_64:",
        "depot_environments[4] (without a name): 3 is not known",
        "depot_environments[4] (without a name): x is not known",
        "depot_environments[4] (without a name): name:",
        "depot_environments[4] (without a name): julia:",
        "depot_environments[4] (without a name): project:",
    ]
    assert len(found) == len(beginnings)
    assert all(fault.startswith(start) for fault, start in zip(found, beginnings, strict=True)), found


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "jets", "generic", "x86_64", "1.10.8", "/a", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["x86_64", "version", "type", "path", "name", 3]), inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = st.sampled_from([*plan.ENVIRONMENT_KEYS, "other", 3])


@given(
    st.lists(st.dictionaries(KEYS, JUNK, max_size=5).map(lambda junk: {**environment(), **junk}) | JUNK, max_size=3)
    | JUNK,
    st.just(STORE) | JUNK,
    st.just(TARGETS) | JUNK,
    st.just("") | JUNK,
)
def test_whatever_is_given_is_planned_or_refused_with_faults(environments, store, targets, select):
    found = []
    try:
        builds = build_plan(environments, store, targets, select, "/nowhere")
    except InputError as error:
        builds, found = [], error.faults
    assert builds or found
    assert all(fault.startswith("depot_") for fault in found)


# --- depot_select


def selected(base, select):
    environments = [environment(), environment(name="other", project="other")]
    return [
        (build["environment"], build["arch"], build["level"])
        for build in build_plan(environments, STORE, TARGETS, select, base)
    ]


ALL = [
    (name, arch, level)
    for name in ("jets", "other")
    for arch, level in (("x86_64", "generic"), ("x86_64", "x86-64-v3"), ("aarch64", "generic"))
]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("", ALL),
        ("@", ALL),
        ("[?environment=='jets']", ALL[:3]),
        ("[?arch=='aarch64' && environment!='jets']", ALL[5:]),
        ("[?julia.version=='1.10.8'] | [:2]", ALL[:2]),
        ("reverse(@)", ALL),
        ("[[0], [0, 1]] | [] ", None),
        ("[@[1], @[0], @[1]]", ALL[:2]),
    ],
)
def test_a_selection_keeps_the_order_of_the_plan(base, select, expected):
    if expected is None:
        with pytest.raises(InputError):
            selected(base, select)
    else:
        assert selected(base, select) == expected


@pytest.mark.parametrize(
    ("select", "fault"),
    [
        ("[?environment==", "is not a JMESPath expression: "),
        ("  ", "is not a JMESPath expression: "),
        ("nosuch(@)", "is not a JMESPath expression: "),
        ("abs(@)", "is not a JMESPath expression: "),
        (3, "is not a JMESPath expression"),
        ("[0]", "does not give a list of builds; for example"),
        ("[].environment", "does not give a list of builds"),
        ("length(@)", "does not give a list of builds"),
        ("[?environment=='none']", "selects none of 6 builds"),
        ("[].nothing", "selects none of 6 builds"),
    ],
)
def test_a_fault_of_the_selection_names_it(base, select, fault):
    with pytest.raises(InputError) as error:
        selected(base, select)
    assert error.value.message.startswith(f"depot_select: {select!r} {fault}")


def test_ansibles_tagged_strings_are_selected_by(base):
    trust_as_template = getattr(ansible.template, "trust_as_template", None)
    if trust_as_template is None:
        pytest.skip("ansible-core up to 2.18 tags no strings")
    tagged = environment(**{key: trust_as_template(value) for key, value in environment().items()})
    assert tagged["name"].__class__ is not str
    builds = build_plan([tagged], STORE, TARGETS, trust_as_template("[?environment=='jets']"), base)
    assert [build["level"] for build in builds] == ["generic", "x86-64-v3", "generic"]


def test_a_thousand_builds_read_a_project_once(base, monkeypatch):
    reads = []
    read = origins.projects.read
    monkeypatch.setattr(origins.projects, "read", lambda *args: reads.append(args) or read(*args))
    environments = [environment(name=f"e{index}") for index in range(250)]
    targets = {"x86_64": ["generic", "x86-64-v2", "x86-64-v3", "x86-64-v4"]}
    builds = build_plan(environments, STORE, targets, "[?level!='generic']", base)
    assert len(builds) == 750
    assert len(reads) == 1


# --- releases


def inputs_of(base, version="1.10.8", **changes):
    builds = build_plan([environment(**changes)], STORE, TARGETS, base=base)
    return plan.release_inputs(builds, installed(version))


def installed(version="1.10.8", **builds):
    builds = {"x86_64": "b1", "aarch64": "b2", **builds}
    return [
        {"version": version, "arch": arch, "build": build, "prefix": "/opt/julia"} for arch, build in builds.items()
    ]


def test_the_inputs_of_a_release_are_all_that_went_in(base):
    inputs = inputs_of(base, variables={"A": "1"}, lazy_artifacts=True, workload="print(1)", registries=["https://x"])
    digest = inputs.pop("project")
    assert len(digest) == 64
    assert inputs == {
        "environment": "jets",
        "julia": {"version": "1.10.8", "builds": {"aarch64": "b2", "x86_64": "b1"}},
        "targets": {
            "aarch64": {"generic": "generic"},
            "x86_64": {"generic": "generic", "x86-64-v3": "haswell,-rdrnd,-fsgsbase"},
        },
        "lazy_artifacts": True,
        "variables": {"A": "1"},
        "store": "/srv/julia",
    }


def test_a_selected_part_belongs_to_the_same_release_as_the_whole(base):
    part = build_plan([environment()], STORE, TARGETS, select="[?level=='x86-64-v3']", base=base)
    assert [build["level"] for build in part] == ["x86-64-v3"]
    assert plan.release_inputs(part, installed()) == inputs_of(base)


def test_an_architecture_without_a_julia_and_two_different_builds_are_told_at_once(base):
    builds = build_plan([environment()], STORE, {**TARGETS}, base=base)
    installations = [*installed()[:1], {**installed()[0], "build": "b9"}, *installed("1.12.1")]
    with pytest.raises(InputError) as error:
        plan.release_inputs(builds, installations)
    different, missing = error.value.faults
    assert different.startswith("two builders have different builds of Julia 1.10.8 for x86_64")
    assert missing.startswith("jets: no builder has Julia 1.10.8 for aarch64; add a builder")


def test_a_julia_among_the_files_of_the_system_is_refused(base):
    builds = build_plan([environment()], STORE, TARGETS, base=base)
    with pytest.raises(InputError) as error:
        plan.release_inputs(builds, [{**julia, "prefix": "/usr"} for julia in installed()])
    assert error.value.faults == [fault_of_tree("/usr")]
    assert "it is installed into /usr and has no tree of its own" in error.value.message


def test_two_builders_with_the_same_build_are_one(base):
    builds = build_plan([environment()], STORE, TARGETS, base=base)
    assert plan.release_inputs(builds, installed() * 2) == plan.release_inputs(builds, installed())


@pytest.mark.parametrize(
    "change",
    [
        {"variables": {"A": "1"}},
        {"lazy_artifacts": True},
        {"registry": True},
        {"check_bounds": True},
        {"slim": ["docs"]},
        {"targets": {"x86_64": ["generic"], "aarch64": ["generic"]}},
        {"project": "changed"},
        {"name": "other"},
    ],
)
def test_another_input_is_another_release(base, change, tmp_path):
    (tmp_path / "changed").mkdir()
    (tmp_path / "changed" / "Project.toml").write_text(f'[deps]\nExample = "{UUID}"\n# changed\n')

    def name(inputs):
        return plan.staged_paths("/w", inputs, "x86_64")["release"]

    assert name(inputs_of(base, **change)) != name(inputs_of(base))


def test_paths_of_a_staged_release(base):
    inputs = inputs_of(base)
    paths = plan.staged_paths("/work dir", inputs, "x86_64")
    name = paths["release"]
    staged = f"/work dir/staging/jets/{name}"
    assert paths == {
        "release": name,
        "staging": staged,
        "target": f"/srv/julia/environments/jets/releases/{name}",
        "common": f"{staged}/x86_64/common",
        "project": f"{staged}/x86_64/common/environments/jets",
        "levels": {"generic": f"{staged}/x86_64/generic", "x86-64-v3": f"{staged}/x86_64/x86-64-v3"},
        "levels_file": f"{staged}/x86_64/levels",
        "build_file": f"{staged}/x86_64/build.json",
        "platforms": {},
        "julia_target": "/srv/julia/julia/1.10.8/x86_64",
        "snapshot": f"/work dir/projects/{inputs['project'][:16]}",
    }
    assert plan.staged_paths("/work dir", inputs, "sparc")["levels"] == {}


def staged(arch, builder="b1", release="a", **more):
    """What the role depot_build tells of one architecture."""
    return {
        "environment": "jets",
        "release": release,
        "builder": builder,
        "arch": arch,
        "workdir": f"/{builder}",
        "source": f"/{builder}/staging/jets/{release}",
        "architectures": ["aarch64", "x86_64"],
        "inputs": {"x": 1},
        "workload": "",
        "changed": False,
        "julias": [{"version": "1.10.8", "arch": arch, "build": f"of {arch}", "prefix": f"/{builder}/julia"}],
        **more,
    }


def taken(merged):
    return [(one["arch"], one["builder"], one["others"]) for one in merged["stagings"]]


def test_what_several_builders_staged_is_one_release_with_the_julias_of_all():
    x86, arm = staged("x86_64", "b1"), staged("aarch64", "b2", changed=True)
    other = staged("x86_64", "b1", "b", architectures=["x86_64"])
    before = json.dumps([x86, other, arm])
    merged = plan.merged_releases([x86, other, arm])
    assert json.dumps([x86, other, arm]) == before
    assert [entry["release"] for entry in merged] == ["a", "b"]
    assert merged[0] == {
        "environment": "jets",
        "release": "a",
        "source": "/b2/staging/jets/a",
        "architectures": ["aarch64", "x86_64"],
        "inputs": {"x": 1},
        "workload": "",
        "changed": True,
        "julias": [*arm["julias"], *x86["julias"]],
        "stagings": [
            {
                "arch": entry["arch"],
                "builder": entry["builder"],
                "source": entry["source"],
                "workdir": entry["workdir"],
                "julia": entry["julias"][0],
                "others": [],
            }
            for entry in (arm, x86)
        ],
        "platforms": [],
    }
    assert (merged[1]["changed"], taken(merged[1])) == (False, [("x86_64", "b1", [])])
    assert plan.merged_releases([]) == []


def test_of_builders_that_staged_the_same_architecture_one_is_taken_and_the_others_are_told():
    entries = [staged(arch, builder) for builder in ("b1", "b2", "b1", "b3") for arch in ("x86_64", "aarch64")]
    first = plan.merged_releases(entries)[0]
    assert taken(first) == [("aarch64", "b1", ["b2", "b3"]), ("x86_64", "b1", ["b2", "b3"])]
    assert [julia["prefix"] for julia in first["julias"]] == ["/b1/julia", "/b1/julia"]
    preferred = plan.merged_releases(entries, prefer="b3")[0]
    assert taken(preferred) == [("aarch64", "b3", ["b1", "b2"]), ("x86_64", "b3", ["b1", "b2"])]
    assert preferred["source"] == "/b3/staging/jets/a"


def test_an_entry_without_a_builder_is_of_the_host_that_publishes():
    entry = staged("x86_64", architectures=["x86_64"])
    for key in ("builder", "arch", "workdir"):
        del entry[key]
    (merged,) = plan.merged_releases([entry, staged("x86_64", "b2", architectures=["x86_64"])], prefer="here")
    assert taken(merged) == [("x86_64", "", ["b2"])]


def test_architectures_that_nobody_staged_are_told_all_at_once():
    with pytest.raises(InputError) as error:
        plan.merged_releases([staged("x86_64", "b1"), staged("aarch64", "b2", "b")])
    assert [fault.partition(";")[0] for fault in error.value.faults] == [
        "jets: release a must have aarch64, but no builder staged that, only x86_64 by b1",
        "jets: release b must have x86_64, but no builder staged that, only aarch64 by b2",
    ]


@given(st.permutations([staged(arch, builder) for arch in ("x86_64", "aarch64") for builder in ("b1", "b2")]))
def test_each_architecture_comes_from_a_builder_that_staged_it_itself(entries):
    (merged,) = plan.merged_releases(entries)
    for staging in merged["stagings"]:
        assert staging["julia"]["arch"] == staging["arch"]
        assert staging["source"].startswith(f"/{staging['builder']}/")
        assert sorted([staging["builder"], *staging["others"]]) == ["b1", "b2"]


def test_a_release_has_a_path_and_the_current_one_is_a_link():
    assert plan.release_path(STORE, "jets") == "/srv/julia/environments/jets/current"
    assert plan.release_path(STORE, "jets", "a" * 16) == f"/srv/julia/environments/jets/releases/{'a' * 16}"
    cvmfs = {"type": "cvmfs", "repository": "software.example.org", "path": "julia"}
    assert plan.release_path(cvmfs, "jets") == "/cvmfs/software.example.org/julia/environments/jets/current"
    with pytest.raises(InputError) as error:
        plan.release_path({}, "a b", "newest")
    assert [fault.partition(":")[0] for fault in error.value.faults] == ["depot_store", "environment", "release"]


@pytest.mark.parametrize(
    ("asked", "parts"),
    [(True, ["tests", "docs", "artifacts"]), (False, []), ([], []), (["docs", "tests"], ["tests", "docs"])],
)
def test_what_a_release_is_to_lack_is_told_in_one_order(base, asked, parts):
    (build, *_rest) = build_plan([environment(slim=asked)], STORE, TARGETS, base=base)
    assert build["slim"] == parts


def test_extras_that_are_not_asked_for_leave_the_name_of_a_release(base):
    assert (
        not {"registry", "check_bounds", "slim"} & inputs_of(base, registry=False, slim=[], check_bounds=False).keys()
    )


@given(st.lists(st.from_regex(r"[A-Za-z0-9_./-]{1,12}", fullmatch=True)), st.sampled_from([",", " ", ", ", "\n", " ,"]))
def test_words_are_a_list_whatever_is_between_them(given_words, between):
    assert plan.words(given_words) == given_words
    assert plan.words(between.join(given_words)) == given_words
    assert plan.words(f"{between}{between.join(given_words)}{between}") == given_words
