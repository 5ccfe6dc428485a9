# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandbox, as root and as an ordinary user, with the real bubblewrap."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process, sandbox
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import SandboxError
from ansible_collections.scisoft.julia_depots.plugins.module_utils.sandbox import Mount, Sandbox
from tests.unit.helpers import (
    answer_of,
    as_ordinary_user,
    give_to_ordinary_user,
    needs_bwrap,
    processes_with,
    start_child,
    wait_until,
)

ENCLOSED = Sandbox()


def directly(function, *args):
    return function(*args)


@pytest.fixture(
    params=[
        pytest.param(directly, id="root", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root")),
        pytest.param(as_ordinary_user, id="ordinary-user"),
    ]
)
def sh(request):
    """A function that runs a shell script in a sandbox, as root and as an ordinary user."""

    def run(script: str, enclosure: Sandbox) -> process.Completed:
        return process.run(enclosure.command(["/bin/bash", "-c", script]), enclosure.environment(), timeout=60)

    return lambda script, enclosure=ENCLOSED: request.param(run, script, enclosure)


@pytest.fixture
def folder():
    """A folder that lies neither in /tmp, which the sandbox hides, nor out of an ordinary user's reach."""
    path = Path(tempfile.mkdtemp(prefix="sandbox-test-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def source(folder):
    """A folder to show elsewhere, which everybody may write to."""
    source = folder / "source"
    (source / "below").mkdir(parents=True)
    (source / "file").write_text("content")
    source.chmod(0o777)
    return source


@needs_bwrap
def test_the_machine_is_read_only(sh, folder):
    give_to_ordinary_user(folder)
    completed = sh(f"touch {folder}/x || touch /etc/x || touch /usr/x || touch /var/tmp/x || echo refused")
    assert completed.stdout == "refused\n"
    assert completed.stderr.count("Read-only file system") == 4


@needs_bwrap
def test_tmp_and_home_are_private_and_writable(sh, folder):
    with tempfile.NamedTemporaryFile(dir="/tmp") as stranger:
        completed = sh(f"ls /tmp; test -e {stranger.name} || echo hidden; echo $HOME $TMPDIR; pwd; touch ~/x /tmp/mark")
    assert completed.stdout.split() == ["home", "hidden", "/tmp/home", "/tmp", "/tmp/home"]
    assert completed.ok
    assert not os.path.exists("/tmp/mark")


@needs_bwrap
def test_the_environment_is_an_allow_list(sh, monkeypatch):
    for name in sandbox.NETWORK_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("SECRET", "https_proxy", "JULIA_PKG_SERVER", "LD_PRELOAD", "JULIA_DEPOT_PATH"):
        monkeypatch.setenv(name, "caller")
    always = {"PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "PWD", "SHLVL", "_"}
    for network, names in ((False, {"MINE"}), (True, {"MINE", "https_proxy", "JULIA_PKG_SERVER"})):
        seen = sh("env", Sandbox(variables={"MINE": "1"}, network=network)).stdout
        assert {line.partition("=")[0] for line in seen.splitlines()} == always | names


@needs_bwrap
@pytest.mark.parametrize("network", [False, True])
def test_the_network_is_there_only_when_asked_for(sh, network):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        completed = sh(f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached", Sandbox(network=network))
    assert completed.stdout == ("reached\n" if network else "")
    assert completed.ok is network


@needs_bwrap
def test_no_process_of_the_machine_can_be_seen(sh):
    assert int(sh("ls -d /proc/[0-9]* | wc -l").stdout) <= 5


@needs_bwrap
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_reads_what_others_hide_but_keeps_no_other_power(folder):
    hidden = folder / "hidden"
    hidden.write_text("x\n")
    give_to_ordinary_user(folder)
    hidden.chmod(0o600)
    enclosure = Sandbox(mounts=[Mount(str(folder), str(folder), writable=True)])
    argv = ["/bin/sh", "-c", f"cat {hidden}; chown 0 {hidden}; echo y > {hidden}; grep CapEff /proc/self/status"]
    completed = process.run(enclosure.command(argv), enclosure.environment())
    assert completed.stdout.split() == ["x", "CapEff:", "0000000000000004"]
    assert hidden.read_text() == "x\n"


@needs_bwrap
@pytest.mark.parametrize(
    "target",
    [
        "/srv/nowhere",
        "/srv/no/where/at/all",
        "/nowhere",
        "/no/where/at all",
        "/usr/nowhere/x",
        "/usr/bin/no/where",
        "/tmp/x/y",
    ],
)
@pytest.mark.parametrize("writable", [False, True])
def test_a_folder_is_shown_at_a_path_that_does_not_exist(sh, source, target, writable):
    enclosure = Sandbox(mounts=[Mount(str(source), target, writable)])
    completed = sh(
        f"cat '{target}/file'; touch '{target}/written'; test -x /usr/bin/env && ls /usr/bin | wc -l", enclosure
    )
    assert completed.stdout.startswith("content")
    assert int(completed.stdout.removeprefix("content")) >= len(os.listdir("/usr/bin"))
    assert (source / "written").exists() is writable
    assert target.startswith("/tmp") or not os.path.exists(target)


@needs_bwrap
def test_what_lies_beside_stays_as_it_is(sh, source, folder):
    (folder / "beside").mkdir()
    (folder / "beside" / "file").write_text("same")
    (folder / "link").symlink_to("beside")
    (folder / "dangling").symlink_to("nowhere")
    mounts = [
        Mount(str(source), f"{folder}/new/one"),
        Mount(str(source), f"{folder}/new/two", writable=True),
        Mount(str(source), f"{folder}/beside/three"),
        Mount(str(source), "/top/level"),
    ]
    completed = sh(
        f"cd {folder}; cat link/file new/one/file new/two/file beside/three/file; ls . beside", Sandbox(mounts)
    )
    assert completed.stdout.startswith("same" + 3 * "content")
    expected = [".:", "beside", "dangling", "link", "new", "source", "beside:", "file", "three"]
    assert completed.stdout.removeprefix("same" + 3 * "content").split() == expected
    assert sorted(os.listdir(folder)) == ["beside", "dangling", "link", "source"]
    assert os.listdir(folder / "beside") == ["file"]


@needs_bwrap
def test_a_folder_is_shown_within_another_that_is_shown(sh, source, folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text("inner")
    mounts = [Mount(str(source), "/srv/outer"), Mount(str(folder / "inner"), "/srv/outer/below")]
    completed = sh("cat /srv/outer/file /srv/outer/below/file", Sandbox(mounts))
    assert completed.stdout == "contentinner"


@needs_bwrap
@pytest.mark.parametrize("absolute", [False, True], ids=["relative-link", "absolute-link"])
@pytest.mark.parametrize("below", ["", "/new", "/real/deep/er"])
def test_a_folder_is_shown_where_links_lead(sh, source, folder, absolute, below):
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real" if absolute else "real")
    target = f"{folder}/link{below}"
    completed = sh(f"cat {target}/file; cd {target} && pwd -P", Sandbox([Mount(str(source), target)]))
    assert completed.stdout == f"content{folder}/real{below}\n"
    assert completed.stderr == ""


@needs_bwrap
@needs_bwrap
def test_it_dies_with_the_process_that_started_it():
    nap = f"300.{uuid.uuid4().int}"
    enclosure = Sandbox()
    argv = enclosure.command(["/bin/sh", "-c", f"(trap '' TERM HUP; sleep {nap}) & setsid sleep {nap} & wait"])
    child = start_child(process.run, argv, enclosure.environment())
    wait_until(lambda: len(processes_with(nap)) >= 2, "the sandbox runs")
    os.kill(child[0], signal.SIGKILL)
    assert answer_of(child) is None
    wait_until(lambda: not processes_with(nap), "no process is left")


@needs_bwrap
def test_this_machine_is_proved_to_have_one():
    sandbox.require()


def test_a_machine_without_bubblewrap_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sandbox.BASE_ENVIRONMENT, "PATH", "/nowhere")
    with pytest.raises(SandboxError, match=r"bwrap.* not installed .*apt-get install bubblewrap"):
        sandbox.require()


def test_bubblewrap_that_fails_is_an_error_with_what_it_said(monkeypatch, tmp_path):
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho 'bwrap: Creating new namespace failed: sorry' >&2; exit 1\n")
    bwrap.chmod(0o755)
    monkeypatch.setitem(sandbox.BASE_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SandboxError, match="cannot make a sandbox on this machine: bwrap: Creating") as error:
        sandbox.require()
    assert error.value.details["rc"] == 1


USERNS = "/proc/sys/kernel/unprivileged_userns_clone"
APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
NUMBER = "/proc/sys/user/max_user_namespaces"


@pytest.mark.parametrize(
    ("switches", "user", "stderr", "remedies"),
    [
        ({USERNS: "0"}, 1000, "", ["sysctl kernel.unprivileged_userns_clone=1", "become: true"]),
        ({APPARMOR: "1"}, 1000, "", ["AppArmor profile that grants userns", "become: true"]),
        ({NUMBER: "0"}, 1000, "", ["sysctl user.max_user_namespaces=15000"]),
        (
            {USERNS: "0", APPARMOR: "1", NUMBER: "0"},
            1000,
            "",
            ["unprivileged_userns_clone=1; an AppArmor", "; sysctl user.max_user_namespaces"],
        ),
        ({USERNS: "1", APPARMOR: "0", NUMBER: "9"}, 1000, "Can't mount proc on /newroot/proc", ["may mount /proc"]),
        ({USERNS: "0"}, 0, "Can't mount proc", ["may mount /proc"]),
        ({}, 0, "Operation not permitted", ["in a container these must be granted"]),
    ],
)
def test_the_remedy_fits_the_switches_of_the_kernel(monkeypatch, switches, user, stderr, remedies):
    monkeypatch.setattr(sandbox, "_read", lambda path: switches.get(path, ""))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    remedy = sandbox._remedy(stderr)
    for text in remedies:
        assert text in remedy


def test_too_many_neighbours_are_an_error_that_names_the_folder(monkeypatch, folder):
    monkeypatch.setattr(sandbox, "MAX_SIBLINGS", 1)
    for name in "ab":
        (folder / name).mkdir()
    with pytest.raises(SandboxError, match=rf"{folder} has 2 entries, too many .*at most 1"):
        Sandbox([Mount("/etc", f"{folder}/new")])._root()


# --- where a path is seen

NAMES = st.sampled_from(["a", "b", "ab", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(PATHS, unique=True, max_size=4), PATHS)
def test_inside_the_longest_source_wins(sources, path):
    enclosure = Sandbox([Mount(source, f"/t{index}") for index, source in enumerate(sources)])
    parts = path.split("/")
    expected = path
    for length in range(len(parts), 1, -1):
        above = "/".join(parts[:length])
        if above in sources:
            expected = "/".join([f"/t{sources.index(above)}", *parts[length:]])
            break
    assert enclosure.inside(path) == expected


@given(st.lists(PATHS, unique=True, max_size=4), PATHS)
def test_outside_takes_back_what_inside_does(sources, path):
    enclosure = Sandbox([Mount(source, f"/t{index}") for index, source in enumerate(sources)])
    assert enclosure.outside(enclosure.inside(path)) == path


@given(PATHS, PATHS)
def test_what_lies_below_is_told_by_whole_names(path, folder):
    assert sandbox.is_below(path, folder) == (Path(folder) in [Path(path), *Path(path).parents])
    assert sandbox.is_below(path, "/")
