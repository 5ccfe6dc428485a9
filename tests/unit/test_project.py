# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Projects on the controller: every fault of a folder, and a digest over what makes up the environment."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.plugin_utils import project as projects
from tests.unit.helpers import as_ordinary_user, give_to_ordinary_user

UUID = "7876af07-990d-54b4-ab0e-23690620f79a"
OTHER = "12345678-990d-54b4-ab0e-23690620f79a"
V1_5, V1_10, V1_12 = (1, 5, 3), (1, 10, 8), (1, 12, 1)
PROJECT = f'[deps]\nExample = "{UUID}"\n'
LOCK_2 = f'julia_version = "1.10.4"\nmanifest_format = "2.0"\n[[deps.Example]]\nuuid = "{UUID}"\nversion = "0.5.3"\n'
LOCK_1 = f'[[Example]]\nuuid = "{UUID}"\nversion = "0.5.3"\n'


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def read(folder: Path, version=V1_10) -> projects.Project:
    return projects.read(str(folder), version)


@pytest.mark.parametrize(
    ("files", "version", "lock"),
    [
        ({"Project.toml": PROJECT}, V1_10, None),
        ({"JuliaProject.toml": PROJECT, "Project.toml": "["}, V1_10, None),
        ({"Project.toml": PROJECT, "Manifest.toml": LOCK_2}, V1_10, "Manifest.toml"),
        ({"Project.toml": PROJECT, "Manifest.toml": LOCK_1}, V1_5, "Manifest.toml"),
        ({"Project.toml": PROJECT, "Manifest-v1.10.toml": LOCK_2, "Manifest.toml": "["}, V1_10, "Manifest-v1.10.toml"),
        ({"Project.toml": PROJECT, "Manifest-v1.10.toml": "["}, (1, 10, 7), None),
        ({"Project.toml": PROJECT, "Manifest-v1.10.toml": "["}, V1_12, None),
        ({"Project.toml": f'name = "Own"\nuuid = "{OTHER}"\n'}, V1_10, None),
        (
            {
                "Project.toml": PROJECT + '[sources]\nExample = {path = "lib/Example"}\n',
                "lib/Example/Project.toml": "",
                "Manifest.toml": LOCK_2 + 'path = "lib/Example"\n',
            },
            V1_10,
            "Manifest.toml",
        ),
    ],
)
def test_a_good_project_has_no_fault(tmp_path, files, version, lock):
    project = read(write(tmp_path, files), version)
    assert project.faults == []
    assert project.lock == (lock and f"{tmp_path}/{lock}")


NOT_TOML = "is not TOML: "
REMEDY = "; run the playbook lock, or remove the file"


@pytest.mark.parametrize(
    ("files", "version", "faults"),
    [
        ({}, V1_10, ["{folder} has no Project.toml"]),
        ({"Project.toml": "[deps"}, V1_10, ["{folder}/Project.toml is not TOML: "]),
        ({"Project.toml": "[deps]\n"}, V1_10, ["{folder}/Project.toml names no package under [deps]"]),
        ({"Project.toml": "deps = 3\n"}, V1_10, ["{folder}/Project.toml: [deps] must map names of packages to UUIDs"]),
        ({"Project.toml": "[deps]\nA = 3\n"}, V1_10, ["{folder}/Project.toml: [deps] must map"]),
        ({"Project.toml": "deps = []\n", "Manifest.toml": LOCK_2}, V1_10, ["{folder}/Project.toml: [deps] must map"]),
        ({"Project.toml": PROJECT, "Manifest.toml": "[["}, V1_10, ["{folder}/Manifest.toml is not TOML: "]),
        (
            {"Project.toml": PROJECT, "Manifest.toml": LOCK_2.replace("1.10.4", "1.9.4")},
            V1_10,
            ["{folder}/Manifest.toml was resolved by Julia 1.9.4, but the environment has julia: 1.10.8" + REMEDY],
        ),
        (
            {"Project.toml": PROJECT, "Manifest.toml": LOCK_2.replace("1.10.4", "1.1.0")},
            V1_10,
            ["{folder}/Manifest.toml was resolved by Julia 1.1.0"],
        ),
        (
            {"Project.toml": PROJECT, "Manifest.toml": LOCK_1},
            V1_10,
            [
                "{folder}/Manifest.toml was resolved by a Julia before 1.7, but the environment has julia: 1.10.8"
                + REMEDY
            ],
        ),
        (
            {"Project.toml": PROJECT, "Manifest.toml": LOCK_2.replace('julia_version = "1.10.4"', "")},
            V1_5,
            [
                "{folder}/Manifest.toml was resolved by a Julia from 1.7 on, but the environment has julia: 1.5.3"
                + REMEDY
            ],
        ),
        (
            {"Project.toml": PROJECT + f'B = "{OTHER}"\n', "Manifest.toml": LOCK_2},
            V1_10,
            [f"{{folder}}/Manifest.toml does not match the project: it does not pin B [{OTHER}]" + REMEDY],
        ),
        (
            {"Project.toml": PROJECT, "Manifest.toml": LOCK_2.replace(UUID, OTHER)},
            V1_10,
            [f"{{folder}}/Manifest.toml does not match the project: it does not pin Example [{UUID}]"],
        ),
        (
            {"Project.toml": PROJECT, "Manifest.toml": 'manifest_format = "2.0"\ndeps = 3\n'},
            V1_10,
            ["{folder}/Manifest.toml: [deps] must map names of packages to what is pinned" + REMEDY],
        ),
        (
            {"Project.toml": PROJECT, "Manifest.toml": 'manifest_format = "2.0"\n[deps]\nExample = 3\n'},
            V1_10,
            ["{folder}/Manifest.toml does not match the project"],
        ),
        (
            {"Project.toml": PROJECT + '[sources]\nExample = {path = "../Example"}\n'},
            V1_10,
            ["{folder}/Project.toml: [sources] Example: the local package ../Example has no Project.toml in "],
        ),
        (
            {"Project.toml": PROJECT + '[sources]\nExample = {path = "lib"}\n'},
            V1_10,
            ["{folder}/Project.toml: [sources] Example: the local package lib has no Project.toml in {folder}/lib"],
        ),
        (
            {"Project.toml": PROJECT + '[sources]\nExample = {path = "/lib"}\nB = {path = 3}\n'},
            V1_10,
            [
                "{folder}/Project.toml: [sources] Example: the path '/lib' of a local package must be relative",
                "{folder}/Project.toml: [sources] B: the path 3 of a local package must be relative",
            ],
        ),
        (
            {"Project.toml": PROJECT, "Manifest.toml": LOCK_2 + 'path = "../Example"\n'},
            V1_10,
            ["{folder}/Manifest.toml: Example: the local package ../Example has no Project.toml in "],
        ),
        (
            {
                "Project.toml": PROJECT + f'B = "{OTHER}"\n[sources]\nB = {{path = "../B"}}\n',
                "Manifest.toml": LOCK_2 + 'path = "C"\n',
            },
            V1_10,
            [
                "{folder}/Project.toml: [sources] B: the local package ../B has no Project.toml in ",
                "{folder}/Manifest.toml does not match the project: it does not pin B",
                "{folder}/Manifest.toml: Example: the local package C has no Project.toml",
            ],
        ),
    ],
)
def test_every_fault_of_a_project_is_told_at_once(tmp_path, files, version, faults):
    found = read(write(tmp_path, files), version).faults
    assert len(found) == len(faults)
    for fault, expected in zip(found, faults, strict=True):
        assert fault.startswith(expected.replace("{folder}", str(tmp_path)))


def test_what_is_no_folder_or_no_utf8_is_a_fault(tmp_path):
    assert read(tmp_path / "nowhere").faults == [f"{tmp_path}/nowhere is not a folder on the controller"]
    (tmp_path / "Project.toml").write_bytes(b'name = "\xff"\n')
    assert read(tmp_path).faults[0].startswith(f"{tmp_path}/Project.toml is not TOML: ")


def test_links_out_of_the_project_and_odd_files_are_faults(tmp_path):
    folder = write(tmp_path / "p", {"Project.toml": PROJECT, "src/a.jl": "", ".git/HEAD": ""})
    for name, target in (
        ("fine", "src/a.jl"),
        ("alsofine", "src"),
        (".git/x", "/etc"),
        ("lost", "x"),
        ("src/out", "/etc"),
    ):
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "fifo")
    assert sorted(read(folder).faults) == sorted(
        [
            f"{folder}/lost is a link to nowhere",
            f"{folder}/src/out is a link out of the project, to /etc; put a copy there",
            f"{folder}/fifo is neither a file nor a folder nor a link; take it out of the project",
        ]
    )


def test_what_the_user_cannot_read_is_a_fault():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        write(folder, {"Project.toml": PROJECT, "secret": ""})
        give_to_ordinary_user(folder)
        (folder / "secret").chmod(0)
        faults = as_ordinary_user(lambda: read(folder).faults)
    finally:
        shutil.rmtree(folder)
    assert faults == [f"{folder}/secret cannot be read by the user who runs Ansible"]


def digest(folder: Path, version=V1_10) -> str:
    return read(folder, version).digest


@pytest.fixture
def folder(tmp_path) -> Path:
    return write(tmp_path / "p", {"Project.toml": PROJECT, "Manifest.toml": LOCK_2, "lib/A/src/A.jl": "module A end"})


@pytest.mark.parametrize(
    "name",
    [
        ".git/HEAD",
        "lib/A/.git",
        ".github/workflows/x.yml",
        "lib/A/src/A.jl.cov",
        "lib/A/src/A.jl.123.cov",
        "lib/A/src/A.jl.mem",
        "Project.toml~",
        ".Project.toml.swp",
        "Manifest-v1.11.toml",
        "Manifest-v1.9.toml",
    ],
)
def test_debris_and_other_locks_are_no_part_of_it(folder, name):
    before = digest(folder)
    write(folder, {name: "x"})
    assert digest(folder) == before
    assert name not in read(folder).files()


CHANGES = {
    "content": lambda folder: write(folder, {"lib/A/src/A.jl": "module A  end"}),
    "the lock": lambda folder: write(folder, {"Manifest.toml": LOCK_2 + "\n"}),
    "a lock of its own": lambda folder: write(folder, {"Manifest-v1.10.toml": LOCK_2}),
    "a name": lambda folder: (folder / "lib/A/src/A.jl").rename(folder / "lib/A/src/B.jl"),
    "a new empty file": lambda folder: write(folder, {"LocalPreferences.toml": ""}),
    "a folder whose name begins like a lock": lambda folder: write(folder, {"Manifests/x.toml": ""}),
    "a local package's lock": lambda folder: write(folder, {"lib/A/Manifest.toml": ""}),
    "an executable bit": lambda folder: (folder / "lib/A/src/A.jl").chmod(0o755),
    "a link": lambda folder: (folder / "link").symlink_to("lib"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_counts_changes_the_digest(folder, change):
    before = digest(folder)
    CHANGES[change](folder)
    assert digest(folder) != before


def test_where_a_link_leads_changes_the_digest(folder):
    (folder / "link").symlink_to("lib")
    before = digest(folder)
    (folder / "link").unlink()
    (folder / "link").symlink_to("lib/A")
    assert digest(folder) != before


def test_time_place_and_mode_of_others_do_not_change_the_digest(folder, tmp_path):
    before = digest(folder)
    os.utime(folder / "Project.toml", (1, 1))
    (folder / "Project.toml").chmod(0o600)
    folder.rename(tmp_path / "elsewhere")
    assert digest(tmp_path / "elsewhere") == before


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "ab", "c d", "a/b", "ü"]), st.sampled_from(["", "a", "b 1", "\0"])),
        min_size=2,
        max_size=2,
    )
)
def test_two_projects_have_one_digest_only_if_they_are_the_same(tmp_path_factory, pair):
    if any({"a", "a/b"} <= set(files) for files in pair):
        return
    left, right = (digest(write(tmp_path_factory.mktemp("p"), files)) for files in pair)
    assert (left == right) is (pair[0] == pair[1])
