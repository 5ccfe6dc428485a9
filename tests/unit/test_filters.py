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
    "merged_releases",
    "project_files",
    "release_inputs",
    "release_path",
    "staged_paths",
    "store_root",
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
        ("project_files", ("/nowhere", "1.10"), "'1.10' is not a Julia version such as 1.10.8"),
        ("project_files", ("/nowhere", "1.10.8"), "No such file or directory: /nowhere"),
    ],
)
def test_a_fault_is_an_error_of_ansible_with_the_whole_message(name, arguments, message):
    with pytest.raises(AnsibleFilterError) as error:
        FILTERS[name](*arguments)
    assert str(error.value).startswith(message)


def test_the_files_of_a_project_are_relative_and_sorted(tmp_path):
    for name in ("Project.toml", "Manifest.toml", "Manifest-v1.9.toml", "a.jl"):
        (tmp_path / name).write_text("")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "b.jl").write_text("")
    assert FILTERS["project_files"](str(tmp_path), "1.10.8") == ["Manifest.toml", "Project.toml", "a.jl", "src/b.jl"]
