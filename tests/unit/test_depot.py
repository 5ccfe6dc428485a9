# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a depot holds, as read from its folders."""

from __future__ import annotations

import json

import pytest

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import InputError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.julia.depot import ARGUMENT_SPEC, info
from tests.unit.helpers import FakeJulia, params_of


@pytest.fixture
def depot(tmp_path):
    depot = tmp_path / "depot"
    files = {
        "packages/Example/abcde/Project.toml": 'name = "Example"\nversion = "0.5.3"\n',
        "packages/Example/fghij/Project.toml": 'name = "Example"\n[compat]\nversion = "9"\n',
        "packages/Other/klmno/JuliaProject.toml": 'version="1.0.0"\n',
        "packages/Other/klmno/Project.toml": 'version = "2.0.0"\n',
        "packages/Bare/pqrst/src/Bare.jl": "",
        "artifacts/0123/bin/tool": "xx",
        "compiled/v1.10/Example/a_b.ji": "12345",
        "compiled/v1.10/Example/a_b.so": "1234567890",
        "compiled/v1.5/Other/c.ji": "123",
        "compiled/v1.5/Other/c.ji.pidfile": "",
        "environments/jets/Project.toml": "",
        ".incomplete": "",
        "a file": "1234",
    }
    for name, text in files.items():
        path = depot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return depot


def ask(**params):
    return info(params_of(ARGUMENT_SPEC, **params), False)


def test_packages_artifacts_caches_environments_and_sizes_are_told(depot):
    found = ask(depot=str(depot))
    assert found["changed"] is False
    assert [(item["name"], item["version"]) for item in found["packages"]] == [
        ("Bare", None),
        ("Example", "0.5.3"),
        ("Example", None),
        ("Other", "1.0.0"),
    ]
    assert found["packages"][1]["path"] == f"{depot}/packages/Example/abcde"
    assert found["artifacts"] == ["0123"]
    assert found["environments"] == ["jets"]
    assert found["caches"] == [
        {
            "package": "Example",
            "julia": "1.10",
            "path": f"{depot}/compiled/v1.10/Example/a_b.ji",
            "native": True,
            "bytes": 15,
        },
        {"package": "Other", "julia": "1.5", "path": f"{depot}/compiled/v1.5/Other/c.ji", "native": False, "bytes": 3},
    ]
    everything = list(depot.rglob("*"))
    files = sum(path.stat().st_size for path in everything if path.is_file())
    assert (found["size"]["entries"], found["size"]["bytes"]) == (len(everything), files)
    assert found["size"]["parts"]["artifacts"] == {"entries": 3, "bytes": 2}
    assert found["size"]["parts"]["a file"] == {"entries": 0, "bytes": 4}
    assert "julia" not in found


def test_an_empty_depot_holds_nothing(tmp_path):
    found = ask(depot=str(tmp_path))
    assert [found[key] for key in ("packages", "artifacts", "caches", "environments")] == [[], [], [], []]
    assert found["size"] == {"entries": 0, "bytes": 0, "parts": {}}


def test_what_is_no_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=f"^depot: {tmp_path}/nowhere is not a folder on this machine$"):
        ask(depot=str(tmp_path / "nowhere"))


def test_a_julia_tells_what_it_is_and_the_targets_of_the_caches(depot, tmp_path):
    fake = FakeJulia(tmp_path)
    paths = [cache["path"] for cache in ask(depot=str(depot))["caches"]]
    events = [
        {"event": "cache", "path": path, "targets": targets}
        for path, targets in zip(paths, (["haswell"], []), strict=True)
    ]
    fake.ends_with([*reversed(events), {"event": "done"}])
    found = ask(depot=str(depot), julia=str(fake.executable), _bundle=str(fake.bundle))
    assert found["julia"]["version"] == "1.10.8"
    assert [cache["targets"] for cache in found["caches"]] == [["haswell"], []]
    alone = ask(julia=str(fake.executable), julia_version="1.10.8", _bundle=str(fake.bundle))
    assert alone == {"changed": False, "julia": found["julia"]}
    json.dumps(found)
