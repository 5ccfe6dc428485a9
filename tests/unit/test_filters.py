# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters: faults arrive as errors of Ansible with the whole message."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.scisoft.julia_depots.plugins.filter.depots import FilterModule

FILTERS = FilterModule().filters()
NAMES = [
    "build_plan",
    "build_results",
    "check_results",
    "merged_releases",
    "missing_architectures",
    "own_builds",
    "own_platforms",
    "project_contents",
    "project_lock",
    "project_revisions",
    "release_inputs",
    "release_path",
    "staged_paths",
    "store_root",
    "words",
]


def test_the_filters_are_these():
    assert sorted(FILTERS) == NAMES


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "build_plan",
            ([], {}, {}),
            "2 faults in the input:\n"
            "- depot_store: {} is no store; for example {type: cvmfs, repository: software.example.org, path: julia}; "
            "{type: directory, path: /srv/julia}\n"
            "- depot_environments: must be a list with at least one environment",
        ),
        ("release_path", ({"type": "directory", "path": "/srv"}, "a/b"), "environment: 'a/b' is not a name"),
        ("project_contents", ({}, "1.10"), "'1.10' is not a Julia version such as 1.10.8"),
    ],
)
def test_a_fault_is_an_error_of_ansible_with_the_whole_message(name, arguments, message):
    with pytest.raises(AnsibleFilterError) as error:
        FILTERS[name](*arguments)
    assert str(error.value).startswith(message)


def test_the_files_of_a_project_are_relative_and_sorted(tmp_path):
    for name in ("Project.toml", "Manifest-v1.10.toml", "Manifest-v1.9.toml", "a.jl"):
        (tmp_path / name).write_text('manifest_format = "2.0"' if name == "Manifest-v1.10.toml" else "uuid = '1'")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "b.jl").write_text("")
    store = {"type": "directory", "path": "/srv/julia"}
    environment = {"name": "a", "project": str(tmp_path), "julia": "1.10.8", "targets": {"x86_64": ["generic"]}}
    (build,) = FILTERS["build_plan"]([environment], store, {})
    assert FILTERS["project_contents"](build["project"], "1.10.8") == {
        "files": ["Manifest-v1.10.toml", "Project.toml", "a.jl", "src/b.jl"],
        "outside": [],
        "ancestor": "",
        "written": {"files": "Manifest-v1.10.toml\0Project.toml\0a.jl\0src/b.jl", "others": ""},
    }
    (tmp_path / "a.jl").write_text("changed")
    with pytest.raises(AnsibleFilterError, match="was changed after the builds were planned; run it again"):
        FILTERS["project_contents"](build["project"], "1.10.8")
