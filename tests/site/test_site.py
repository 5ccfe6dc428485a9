# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a site: first run, second run, an update, going back."""

from __future__ import annotations

import os
import subprocess

DEMO = "using AntiKt; AntiKt.demo()"


def bare_environment(tmp_path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home)}


def compiled_in(folder) -> list[str]:
    return [name for _parent, _folders, files in os.walk(folder / "compiled") for name in files]


def test_a_bare_shell_finds_jets_and_compiles_nothing(published, tmp_path):
    environment = bare_environment(tmp_path)
    result = published.use("-e", DEMO, **environment)
    assert result.returncode == 0, result.stderr
    assert "brute force, gives the same jets" in result.stdout
    assert compiled_in(tmp_path / "home" / ".julia") == []


def test_the_second_run_changes_nothing_and_publishes_nothing(published):
    before = published.releases()
    run = published.run("site")
    assert run.ok, run.text[-3000:]
    assert run.changed_tasks == []
    assert run.changed == 0
    assert published.releases() == before


def test_check_mode_after_the_first_run_changes_nothing(published):
    run = published.run("site", "--check")
    assert run.ok, run.text[-3000:]
    assert run.changed == 0


def test_verify_changes_nothing(published):
    run = published.run("verify")
    assert run.ok, run.text[-3000:]
    assert run.changed == 0


def test_check_mode_on_a_clean_machine_touches_nothing(site):
    before = sorted(str(path) for path in site.folder.rglob("*"))
    run = site.run("site", "--check")
    assert run.ok, run.text[-3000:]
    after = sorted(str(path) for path in site.folder.rglob("*") if "runner" not in path.parts)
    assert after == before


def test_each_playbook_alone_makes_the_same_way(site):
    for playbook in ("lock", "build", "publish", "clients", "verify"):
        run = site.run(playbook)
        assert run.ok, (playbook, run.text[-3000:])
    assert len(site.releases()) == 1
    run = site.run("site")
    assert run.ok, run.text[-3000:]
    assert run.changed_tasks == ["Write the report on the controller"]


def test_a_changed_source_is_one_new_release_and_rollback_returns(site, tmp_path):
    assert site.run("site").ok
    first = site.current
    source = site.project / "AntiKt" / "src" / "AntiKt.jl"
    source.write_text(source.read_text() + "\n# changed\n")
    run = site.run("site")
    assert run.ok, run.text[-3000:]
    second = site.current
    assert second != first
    assert site.releases() == sorted([first, second])

    run = site.run("rollback", depot_publish_environment="jets")
    assert run.ok, run.text[-3000:]
    assert site.current == first
    assert site.releases() == sorted([first, second])
    for release in (first, second):
        result = site.use("-e", DEMO, release=release, **bare_environment(tmp_path))
        assert result.returncode == 0, result.stderr
        assert compiled_in(tmp_path / "home" / ".julia") == []

    run = site.run("rollback", depot_publish_environment="jets", depot_publish_release=first)
    assert (run.ok, run.changed) == (True, 0)


def test_the_oldest_are_pruned_but_never_current_or_previous(site):
    source = site.project / "AntiKt" / "src" / "AntiKt.jl"
    seen = []
    for number in range(3):
        source.write_text(f"{source.read_text()}\n# {number}\n")
        run = site.run("site", depot_keep_releases=1)
        assert run.ok, run.text[-3000:]
        seen.append(site.current)
    assert site.releases() == sorted(seen[1:])


def test_users_get_modules_a_profile_and_a_command(published, tmp_path):
    environment = {**bare_environment(tmp_path), "PATH": "/usr/bin:/bin"}
    command = published.folder / "bin" / "julia"
    result = subprocess.run([command, "-e", DEMO], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    profile = published.folder / "profile.d" / "julia_depots.sh"
    result = subprocess.run(
        ["sh", "-c", f". '{profile}' && julia -e '{DEMO}'"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (published.folder / "modules" / "julia" / "jets.lua").is_file()
    assert (published.folder / "modules" / "julia" / "jets").is_file()
    assert compiled_in(tmp_path / "home" / ".julia") == []


def test_depot_select_builds_a_part(published):
    run = published.run("build", depot_select="[?environment=='other']")
    assert not run.ok
    assert "selects none of 1 builds" in run.failure()
