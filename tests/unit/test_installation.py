# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an executable says that it is, whatever it is."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import JuliaError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia import installation
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.installation import fault_of_tree, probe
from tests.unit.helpers import PROBE, FakeJulia, processes_with, wait_until

PROGRAMS = str(Path(installation.__file__).resolve().parents[2] / "julia")


@pytest.fixture
def fake(tmp_path):
    return FakeJulia(tmp_path)


def test_a_julia_says_what_it_is(fake):
    found = probe(str(fake.executable), PROGRAMS, "1.10.8")
    assert found.as_dict() == {**PROBE, "executable": str(fake.executable), "prefix": str(fake.prefix)}
    assert found.number == (1, 10, 8)


def test_what_is_printed_before_the_answer_does_not_matter(fake):
    answer = (fake.prefix / "answer").read_text().strip()
    fake.answer(f"a greeting\n{{\n{answer}")
    assert probe(str(fake.executable), PROGRAMS).version == "1.10.8"


@pytest.mark.parametrize("kind", ["nothing", "folder", "no program"])
def test_what_is_no_executable_file_is_named(tmp_path, kind):
    path = tmp_path / "julia"
    if kind == "folder":
        path.mkdir()
    elif kind == "no program":
        path.write_text("#!/bin/sh\n")
    with pytest.raises(JuliaError, match=f"^julia: '{path}' is not an executable file on this machine$"):
        probe(str(path), PROGRAMS)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "garbage",
        "[]",
        "3",
        '{"build": "x"}',
        '{"version": "1.10.8", "build": ',
        json.dumps({**PROBE, "bindir": "/", "more": 1}),
    ],
)
def test_what_answers_otherwise_is_not_julia(fake, answer):
    fake.answer(answer)
    with pytest.raises(JuliaError, match=r"does not answer as Julia 1\.5 or later does") as error:
        probe(str(fake.executable), PROGRAMS)
    assert error.value.details["rc"] == 0


def test_what_fails_is_not_julia(fake):
    fake.answer((fake.prefix / "answer").read_text(), status=3)
    with pytest.raises(JuliaError, match="does not answer as Julia") as error:
        probe(str(fake.executable), PROGRAMS)
    assert error.value.details["rc"] == 3


@pytest.mark.parametrize("path", ["/bin/true", "/bin/cat"])
def test_other_programs_are_not_julia(path):
    with pytest.raises(JuliaError, match=f"julia: '{path}' does not answer as Julia"):
        probe(path, PROGRAMS)


def test_what_hangs_is_stopped_and_named(fake, monkeypatch):
    monkeypatch.setattr(installation, "PROBE_SECONDS", 0.3)
    nap = f"300.{os.getpid()}"
    fake.executable.write_text(f"#!/bin/sh\nsleep {nap} & wait\n")
    with pytest.raises(JuliaError, match=r"did not say what it is within 0\.3 s; is it Julia\?") as error:
        probe(str(fake.executable), PROGRAMS)
    assert "cmd" in error.value.details
    wait_until(lambda: not processes_with(nap), "nothing of it is left")


def test_another_version_is_refused_with_both(fake):
    with pytest.raises(
        JuliaError, match=r"is Julia 1\.10\.8, but version 1\.10\.9 is asked for; change one of the two"
    ):
        probe(str(fake.executable), PROGRAMS, "1.10.9")


def test_the_tree_is_the_folder_with_the_record(fake):
    inner = fake.prefix / "usr" / "bin"
    inner.mkdir(parents=True)
    fake.answer(json.dumps({**PROBE, "bindir": str(inner)}))
    assert probe(str(fake.executable), PROGRAMS).prefix == str(fake.prefix / "usr")
    (fake.prefix / installation.RECORD).write_text("{}")
    assert probe(str(fake.executable), PROGRAMS).prefix == str(fake.prefix)


@pytest.mark.parametrize("prefix", ["/", "/usr", "/usr/local"])
def test_a_julia_spread_over_the_system_cannot_be_published(prefix):
    assert re.search(rf"is installed into {prefix} and has no tree .*julia_method: archive", fault_of_tree(prefix))


def test_a_tree_of_its_own_can_be_published():
    assert fault_of_tree("/opt/julia-1.10.8") is None


def test_a_real_julia_says_what_it_is(julia, julia_version):
    found = probe(julia, PROGRAMS, julia_version(julia))
    assert found.executable == julia
    assert re.fullmatch(r"[0-9a-f]{16,32}", found.build)
    assert found.arch in ("x86_64", "aarch64")
    assert found.arch in found.triplet
    assert found.number >= (1, 5, 0)
    assert os.path.isdir(found.prefix)
    assert probe(julia, PROGRAMS) == found
    with pytest.raises(JuliaError, match=r"but version 0\.0\.1 is asked for"):
        probe(julia, PROGRAMS, "0.0.1")
