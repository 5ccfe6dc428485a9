# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users of a node find there: made once, left alone where it is somebody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils.entrances import PROFILES, provide
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError


def wanted(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "store": {"type": "directory", "path": "/srv/julia"},
        "environments": ["jets", "plots"],
        "modules": str(folder / "modules"),
        "profile": str(folder / "profile.d"),
        "bin": str(folder / "bin"),
        "default": "jets",
        **more,
    }


def below(folder: Path) -> dict[str, str]:
    """What is below a folder: targets of links, contents of files, and modes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        else:
            found[name] = oct(path.stat().st_mode & 0o777) + (path.read_text() if path.is_file() else "")
    return found


def test_they_are_planned_made_and_left(tmp_path):
    planned = provide(wanted(tmp_path), True)
    assert below(tmp_path) == {}
    umask = os.umask(0o077)
    try:
        done = provide(wanted(tmp_path), False)
    finally:
        os.umask(umask)
    assert planned == done
    assert [action["id"][len(str(tmp_path)) + 1 :] for action in done["actions"]] == [
        "modules/julia/jets.lua",
        "modules/julia/jets",
        "modules/julia/plots.lua",
        "modules/julia/plots",
        "profile.d/julia_depots.sh",
        "profile.d/julia_depots.csh",
        "bin/julia",
    ]
    found = below(tmp_path)
    current = "/srv/julia/environments/jets/current"
    assert found["bin/julia"] == f"-> {current}/bin/julia"
    assert found["modules/julia/plots"] == "-> /srv/julia/environments/plots/current/modulefile.tcl"
    assert found["profile.d/julia_depots.sh"].startswith("0o644# Managed by Ansible")
    assert {found[name] for name in ("bin", "modules", "modules/julia", "profile.d")} == {"0o755"}
    assert len(found) == 11
    for check_mode in (True, False):
        assert provide(wanted(tmp_path), check_mode) == {"changed": False, "actions": [], "diff": []}
    assert below(tmp_path) == found


def test_what_differs_is_put_right(tmp_path):
    provide(wanted(tmp_path), False)
    right = below(tmp_path)
    (tmp_path / "profile.d" / "julia_depots.sh").chmod(0o600)
    (tmp_path / "profile.d" / "julia_depots.csh").write_text("something else\n")
    (tmp_path / "bin" / "julia").unlink()
    (tmp_path / "bin" / "julia").symlink_to("/srv/julia/environments/old/current/bin/julia")
    done = provide(wanted(tmp_path), False)
    assert [os.path.basename(action["id"]) for action in done["actions"]] == [
        "julia_depots.sh",
        "julia_depots.csh",
        "julia",
    ]
    assert done["diff"][1]["before"] == "something else\n"
    assert below(tmp_path) == right


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_somebody_elses_command_is_left_alone(tmp_path, kind):
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "julia"
    {
        "file": lambda: command.write_text("mine"),
        "link": lambda: command.symlink_to("/opt/julia/bin/julia"),
        "folder": command.mkdir,
    }[kind]()
    before = below(tmp_path)
    with pytest.raises(InputError) as error:
        provide(wanted(tmp_path), False)
    assert str(error.value) == (
        f"bin: {command} is there already and is not a link into the store /srv/julia. Remove it, or choose another "
        "folder."
    )
    assert below(tmp_path) == before


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(InputError) as error:
        provide(wanted(tmp_path, store={"type": "directory"}, environments=["a b"], modules="x", default="c"), False)
    assert len(error.value.faults) == 4
    for words in (
        "store: ",
        "environments: 'a b' is not a name",
        "modules: 'x' is not an absolute",
        "default: 'c' is not",
    ):
        assert any(words in fault for fault in error.value.faults), error.value
    assert below(tmp_path) == {}


@given(
    folders=st.sets(st.sampled_from(["modules", "profile", "bin"])),
    names=st.lists(st.sampled_from(["jets", "plots", "a.b", "x_1"]), min_size=1, unique=True),
)
def test_a_second_time_there_is_nothing_to_do(tmp_path_factory, folders, names):
    folder = tmp_path_factory.mktemp("node")
    given_folders = {name: str(folder / name) if name in folders else "" for name in ("modules", "profile", "bin")}
    params = wanted(folder, environments=names, default=names[0], **given_folders)
    first = provide(params, False)
    count = 2 * len(names) * ("modules" in folders) + 2 * ("profile" in folders) + ("bin" in folders)
    assert (first["changed"], len(first["actions"])) == (count > 0, count)
    assert not provide(params, False)["changed"]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_snippet_is_sound_shell(tmp_path):
    script = tmp_path / "julia_depots.sh"
    script.write_text(PROFILES["sh"].format(default="jets", current="/srv/julia/environments/jets/current"))
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
