# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CPU targets: what is made of what a Julia tells of them, and of the images of a depot."""

from __future__ import annotations

import json

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import BuildError, InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import images
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import Installation
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.program import Runner
from tests import cpus
from tests.unit.helpers import PROBE, FakeJulia, params_of

DONE = {"event": "done"}
V3 = "haswell,-rdrnd"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "flags_of_this_machine", lambda: set(cpus.flags_of("haswell")))
    return FakeJulia(tmp_path)


def image(name, *features, known=True, unknown=()):
    return {"name": name, "features": list(features), "known": known, "unknown_features": list(unknown)}


GENERIC = image("generic", "cx16")


def target(text, *held, output=""):
    return {"event": "target", "target": text, "images": list(held), "output": output}


def ask(fake, *levels, platforms=()):
    given = [dict(zip(("level", "target", "flags"), level, strict=False)) for level in levels]
    for level in given:
        level.setdefault("flags", [])
    params = params_of(images.ARGUMENT_SPEC, julia=str(fake.executable), levels=given, _bundle=str(fake.bundle))
    params["platforms"] = list(platforms)
    return images.check_targets(params, False)


def faults(fake, *levels, platforms=()) -> list[str]:
    with pytest.raises(InputError) as error:
        ask(fake, *levels, platforms=platforms)
    return error.value.faults


def test_levels_are_told_with_what_their_images_need_of_a_node(fake):
    fake.ends_with([target("generic", GENERIC), target(V3, image("haswell", "sse4.2", "bmi")), DONE])
    result = ask(fake, ("generic", "generic"), ("x86-64-v3", V3, ["avx2"]))
    assert (result["changed"], result["julia"]["version"]) == (False, "1.10.8")
    assert [level["images"] for level in result["levels"]] == [
        [{"name": "generic", "features": ["cx16"], "flags": ["cx16"]}],
        [{"name": "haswell", "features": ["sse4.2", "bmi"], "flags": ["bmi1", "sse4_2"]}],
    ]
    json.dumps(result)


def test_platforms_that_are_not_known_are_faults_like_those_of_levels(fake):
    refused = {"event": "refused", "error": "'x86_64-vms' is not a platform that Julia 1.10.8 knows: it is not"}
    fake.ends_with([target("generic", GENERIC), refused, DONE])
    found = faults(fake, ("generic", "generic", ["no"]), platforms=["x86_64-vms", "i686-linux-gnu"])
    assert [fault.partition(": ")[0] for fault in found] == ["targets", "platforms"]
    assert found[1] == f"platforms: {refused['error']}"
    fake.ends_with([DONE])
    assert ask(fake, platforms=["i686-linux-gnu"])["levels"] == []


@pytest.mark.parametrize(
    ("level", "event", "expected"),
    [
        (
            ("portable", "generic;haswel"),
            target("generic;haswel", GENERIC, image("haswel", known=False)),
            "targets: portable: 'generic;haswel': Julia 1.10.8 does not know the CPU haswel, and nodes would take "
            "code for it as fit for every processor; choose another one, or a newer Julia",
        ),
        (
            ("literal", "znver9,-rdrnd"),
            target("znver9,-rdrnd", output="ERROR: Your CPU does not support the CX16 instruction, which is"),
            "targets: literal: 'znver9,-rdrnd': Julia 1.10.8 does not know the CPU znver9",
        ),
        (
            ("literal", "haswell,+avx3"),
            target("haswell,+avx3", image("haswell", unknown=["+avx3"])),
            "targets: literal: 'haswell,+avx3': Julia 1.10.8 does not know the feature avx3 (of haswell); leave it out",
        ),
        (
            ("portable", "haswell;generic"),
            target("haswell;generic", image("haswell"), GENERIC),
            "targets: portable: 'haswell;generic': the first of several targets must be generic",
        ),
        (
            ("portable", "generic;haswell"),
            target("generic;haswell", GENERIC),
            "targets: portable: 'generic;haswell': Julia 1.10.8 writes 1 of these 2 targets into an image; name",
        ),
        (
            ("portable", "generic;haswell,base(1)"),
            target("generic;haswell,base(1)", output="ERROR: Invalid target option: base\n\nFailed to precompile X."),
            "targets: portable: 'generic;haswell,base(1)': Julia 1.10.8 refuses it: ERROR: Invalid target option: base",
        ),
        (
            ("x86-64-v4", "haswell,+avx512f", ["avx2", "avx512f", "avx512bw"]),
            target("haswell,+avx512f", image("haswell")),
            "targets: x86-64-v4: 'haswell,+avx512f': this machine's processor lacks avx512bw, avx512f, so Julia would "
            "compile for less than that; build on a machine that has the level x86-64-v4, or leave it out of targets",
        ),
        (
            ("literal", "haswell,+sse4a,-rdrnd,clone_all"),
            target("haswell,+sse4a,-rdrnd,clone_all", image("haswell", "avx2")),
            "targets: literal: 'haswell,+sse4a,-rdrnd,clone_all': this machine's processor lacks sse4a, so Julia would",
        ),
    ],
)
def test_a_fault_names_the_level_the_target_and_the_remedy(fake, level, event, expected):
    fake.ends_with([event, DONE])
    (found,) = faults(fake, level)
    assert found.startswith(expected)


def test_all_faults_of_all_levels_are_told_at_once(fake):
    fake.answer(json.dumps(dict(PROBE, version="1.11.1", bindir=str(fake.executable.parent))))
    fake.ends_with(
        [
            target("x;y,+z", image("x", known=False), image("y", known=False, unknown=["+z"])),
            target("haswell", image("haswell")),
            DONE,
        ]
    )
    found = faults(fake, ("portable", "x;y,+z"), ("mine", "haswell", ["amx"]))
    assert [" ".join(fault.split()[:2]) for fault in found[1:]] == [*["targets: portable:"] * 4, "targets: mine:"]
    assert found[0].startswith("julia: 1.11.1 can crash on CPUs with AVX-512")


def test_before_native_code_nothing_is_tried(fake):
    fake.answer(json.dumps(dict(PROBE, version="1.8.5", bindir=str(fake.executable.parent))))
    fake.ends_with([], status=1)
    assert ask(fake, ("generic", "nonsense", ["amx"]))["levels"] == [
        {"level": "generic", "target": "nonsense", "flags": ["amx"], "images": []}
    ]


@pytest.mark.parametrize("processor", ["nehalem", "neoverse-v1"])
def test_flags_of_this_machine_are_those_of_its_first_processor(processor):
    assert images.flags_of_this_machine(str(cpus.cpuinfo(processor))) == set(cpus.flags_of(processor))


# --- reading back ---


def read_back(fake, tmp_path, events, version="1.10.8", asked=V3):
    """What read_back() makes of events about the packages of a depot."""
    depot = tmp_path / "level"
    for event in events:
        if event["event"] == "cache":
            cache = depot / event["path"]
            cache.parent.mkdir(parents=True, exist_ok=True)
            cache.touch()
            event["path"] = str(cache)
    depot.mkdir(exist_ok=True)
    fake.ends_with([*events, DONE])
    julia = Installation(**{**PROBE, "version": version, "executable": str(fake.executable), "prefix": ""})
    return images.read_back(Runner(str(fake.executable), "", None), julia, str(depot), asked)


def cache(package, *held):
    return {"event": "cache", "path": f"compiled/v1.10/{package}/x.ji", "images": list(held), "error": ""}


WANTED = target(V3, image("haswell", "avx2", "fma"))


def test_images_that_hold_what_was_asked_for_are_told(fake, tmp_path):
    events = [WANTED, cache("A", image("haswell", "fma", "avx2")), cache("B", image("haswell", "avx2", "fma"))]
    assert read_back(fake, tmp_path, events) == [
        {"name": "haswell", "features": ["avx2", "fma"], "flags": ["avx2", "fma"]}
    ]


def test_every_image_that_holds_something_else_is_named(fake, tmp_path):
    events = [
        WANTED,
        cache("A", image("haswell", "avx2", "fma")),
        cache("B", GENERIC),
        cache("C"),
        cache("D", image("haswell", "avx2", "sse4a", unknown=["+x"])),
    ]
    with pytest.raises(BuildError) as error:
        read_back(fake, tmp_path, events)
    assert error.value.message == (
        f"3 of 4 images in {tmp_path}/level do not hold what was asked for ({V3}):\n"
        "- B: wanted haswell, found generic\n"
        "- C: wanted haswell, found no native code\n"
        "- D: wanted haswell,+fma, found haswell,+sse4a,+x\n"
        "Remove that folder, and build again on one machine."
    )
    assert [wrong["package"] for wrong in error.value.details["wrong_images"]] == ["B", "C", "D"]


@pytest.mark.parametrize(
    ("events", "version"),
    [([], "1.10.8"), ([cache("A")], "1.8.5"), ([target(V3), cache("A")], "1.9.4")],
    ids=["no caches", "no native code", "a Julia that cannot tell"],
)
def test_where_there_is_nothing_to_tell(fake, tmp_path, events, version):
    assert read_back(fake, tmp_path, events, version) == []
