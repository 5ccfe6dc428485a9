# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users start and source: rendered, and run by real shells, module systems and Julia."""

from __future__ import annotations

import glob
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import activation, targets
from tests import cpus

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATES = {path.name: path.read_text() for path in (PROJECT / "plugins" / "release").iterdir()}

A = "0123456789abcdef"
B = "fedcba9876543210"
LEVELS = {arch: [" ".join([level.name, *level.flags]) for level in levels] for arch, levels in targets.LEVELS.items()}
ACTIVE_LEVELS = {processor: cpus.level_of(processor) for processor in cpus.LEVELS_OF_PROCESSORS}
OWN_ARCH = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())

FAKE_JULIA = """#!/bin/sh
printf '%s\\0' "$$" "$#" "$@"
exec /usr/bin/env -0
"""


@dataclass
class Place:
    """A store below a directory that every user can reach."""

    base: Path

    @property
    def root(self) -> Path:
        return self.base / "the store"

    def release(self, identifier: str = A) -> Path:
        return self.root / "environments" / "jets" / "releases" / identifier

    def publish(
        self,
        identifier: str = A,
        levels=None,
        version: str = "1.5.3",
        julia: str = FAKE_JULIA,
        platforms: tuple[str, ...] = (),
    ) -> Path:
        levels = LEVELS if levels is None else levels
        release = self.release(identifier)
        files = activation.render(
            TEMPLATES,
            root=str(self.root),
            release=str(release),
            environment="jets",
            version=version,
            platforms=platforms,
        )
        for name, file in files.items():
            path = release / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
            path.chmod(file.mode)
        for arch, lines in levels.items():
            (release / arch / "common").mkdir(parents=True, exist_ok=True)
            (release / arch / "levels").write_text("".join(f"{line}\n" for line in lines))
            executable = self.root / "julia" / version / arch / "bin" / "julia"
            if not executable.exists():
                executable.parent.mkdir(parents=True)
                executable.write_text(julia)
                executable.chmod(0o755)
        return release

    def depots(self, active: str, identifier: str = A) -> str:
        release = self.release(identifier)
        return f"{release}/{active}:{release}/{active.split('/')[0]}/common"

    def load(self, active: str, identifier: str = A) -> str:
        return f"{self.release(identifier)}/{active.split('/')[0]}/common/environments/jets"


@pytest.fixture(scope="module")
def place():
    with tempfile.TemporaryDirectory(prefix="activation ") as base:
        Path(base).chmod(0o755)
        found = Place(Path(base))
        found.publish(A)
        found.publish(B)
        (found.base / "home").mkdir()
        yield found


@pytest.fixture
def own_place():
    with tempfile.TemporaryDirectory(prefix="activation ") as base:
        Path(base).chmod(0o755)
        yield Place(Path(base))


def clean_environment(place: Place, processor: str | None = "haswell", **more: str) -> dict[str, str]:
    environment = {"HOME": str(place.base / "home"), "PATH": "/usr/bin:/bin"}
    if processor is not None:
        environment["JULIA_DEPOTS_CPUINFO"] = str(cpus.cpuinfo(processor))
    return {**environment, **more}


def run(command, environment, **options):
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False, **options)


def pairs(text: str) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def wrapper(release: Path, environment, *arguments: str, shell: tuple[str, ...] = (), **options):
    """What Julia gets from bin/julia: its process id, its arguments, its environment."""
    process = run([*shell, str(release / "bin" / "julia"), *arguments], environment, **options)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    identifier, count, rest = process.stdout.split("\0", 2)
    parts = rest.split("\0")
    return int(identifier), parts[: int(count)], pairs("\0".join(parts[int(count) :]))


def sourced(shell: tuple[str, ...], script: str, environment, **options) -> dict[str, str]:
    """The environment of a process that is started after a script."""
    process = run([*shell, "-c", f"{script}\n/usr/bin/env -0"], environment, **options)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return pairs(process.stdout)


def relevant(environment: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name == "PATH" or (name.startswith("JULIA_") and name != "JULIA_DEPOTS_CPUINFO")
    }


def need(program: str) -> str:
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    return found


def shells(*commands: str):
    return [
        pytest.param(
            tuple(command.split()),
            id=command.replace(" ", "-"),
            marks=pytest.mark.skipif(
                shutil.which(command.split()[0]) is None, reason=f"{command.split()[0]} is not installed"
            ),
        )
        for command in commands
    ]


SH = shells("dash", "bash", "bash --posix", "busybox sh", "ksh93", "mksh")
POSIX_SHELLS = [*SH, *shells("zsh")]
every_sh = pytest.mark.parametrize("shell", SH)  # whatever may be /bin/sh, for bin/julia
every_shell = pytest.mark.parametrize("shell", POSIX_SHELLS)  # whatever may source setup.sh


# --- rendering ---

ARGUMENTS = {
    "root": "/srv/julia",
    "release": f"/srv/julia/environments/jets/releases/{A}",
    "environment": "jets",
    "version": "1.10.8",
}
path_texts = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"], exclude_characters=activation.FORBIDDEN),
    min_size=1,
).filter(lambda text: text.isprintable() and not text.endswith("/"))


def test_render_gives_every_file_with_its_mode():
    files = activation.render(TEMPLATES, **ARGUMENTS)
    assert {name: file.mode for name, file in files.items()} == {
        "bin/julia": 0o755,
        **dict.fromkeys(
            ("setup.sh", "setup.csh", "setup.fish", "modulefile.lua", "modulefile.tcl", "activate.jl"), 0o644
        ),
    }
    assert all(ARGUMENTS["release"] in file.text for file in files.values())


@given(path_texts)
def test_render_writes_paths_as_they_are(text):
    root = f"/{text}"
    release = f"{root}/environments/jets/releases/{A}"
    files = activation.render(TEMPLATES, root=root, release=release, environment="jets", version="1.10.8")
    assert all(release in file.text for name, file in files.items() if not name.endswith(".tcl"))


@given(st.sampled_from(activation.FORBIDDEN + "\n\t\0\x7f\u2028"), st.sampled_from(["root", "release"]))
def test_render_refuses_what_no_path_may_hold(char, name):
    with pytest.raises(ValueError, match=f"^{name}: ") as caught:
        activation.render(TEMPLATES, **{**ARGUMENTS, name: f"/srv/a{char}b"})
    assert repr(char) in str(caught.value)


def test_render_names_all_faults_at_once():
    templates = {**TEMPLATES, "extra": "@NAME@"}
    del templates["setup.sh"]
    wrong = {"root": "srv", "release": "/srv/", "environment": "../x", "version": "1.10", "platforms": ["a-b'"]}
    with pytest.raises(ValueError, match=r"setup\.sh is missing") as caught:
        activation.render(templates, **wrong)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "root",
        "release",
        "templates",
        "templates",
        "templates",
        "environment",
        "version",
        "platforms",
    ]
    assert "@NAME@" in str(caught.value)


@pytest.mark.parametrize("version", ["1.5.3", "1.12.0-rc1", "1.10.8"])
def test_render_takes_versions(version):
    assert version in activation.render(TEMPLATES, **{**ARGUMENTS, "version": version})["bin/julia"].text


def test_shellcheck(place):
    program = need("shellcheck")
    release = place.release()
    process = run(
        [program, "--external-sources", "--source-path", str(release), "bin/julia", "setup.sh"],
        dict(os.environ),
        cwd=release,
    )
    assert process.stdout + process.stderr == ""


# --- architecture and level ---


@every_sh
@pytest.mark.parametrize(("processor", "active"), ACTIVE_LEVELS.items())
def test_level_of_real_processors(place, shell, processor, active):
    _unused, _unused, environment = wrapper(place.release(), clean_environment(place, processor), shell=shell)
    assert environment["JULIA_DEPOTS_ACTIVE"] == active
    assert environment["JULIA_DEPOT_PATH"] == f"{place.base}/home/.julia:{place.depots(active)}:"
    assert environment["JULIA_LOAD_PATH"] == f"@:@v#.#:{place.load(active)}:@stdlib"


FLAGS = ["a", "b", "c", "avx", "avx2", "avx512f", "sse4_1"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    node=st.sets(st.sampled_from(FLAGS)),
    needs=st.lists(st.lists(st.sampled_from(FLAGS), unique=True), min_size=1, max_size=6),
    wanted=st.one_of(st.just(""), st.integers(0, 6).map("l{}".format)),
    arch=st.sampled_from(["x86_64", "aarch64"]),
)
def test_level_rule(own_place, node, needs, wanted, arch):
    release = own_place.publish(levels={arch: [" ".join([f"l{i}", *flags]) for i, flags in enumerate(needs)]})
    shutil.rmtree(release / ({"x86_64", "aarch64"} - {arch}).pop(), ignore_errors=True)
    cpuinfo = own_place.base / "cpuinfo"
    title = {"x86_64": "flags\t", "aarch64": "Features"}[arch]
    cpuinfo.write_text(f"processor\t: 0\n{title}\t: {' '.join(sorted(node))}\nbugs\t\t:\n")
    environment = clean_environment(own_place, None, JULIA_DEPOTS_CPUINFO=str(cpuinfo), JULIA_DEPOTS_LEVEL=wanted)

    usable = [f"l{i}" for i, flags in enumerate(needs) if node.issuperset(flags)]
    if usable and (not wanted or wanted in usable):
        _unused, _unused, got = wrapper(release, environment)
        assert got["JULIA_DEPOTS_ACTIVE"] == f"{arch}/{wanted or usable[-1]}"
        return
    process = run([str(release / "bin" / "julia")], environment)
    assert (process.returncode, process.stdout) == (64, "")
    assert len(process.stderr.splitlines()) == 1
    if usable:
        assert f"JULIA_DEPOTS_LEVEL={wanted}" in process.stderr
        assert process.stderr.strip().endswith("choose from: " + " ".join(usable))
    else:
        assert str(cpuinfo) in process.stderr


@every_sh
def test_level_that_the_node_lacks_flags_for(place, shell):
    environment = clean_environment(place, JULIA_DEPOTS_LEVEL="x86-64-v4")
    process = run([*shell, str(place.release() / "bin" / "julia")], environment)
    assert process.returncode == 64
    assert process.stderr == (
        "julia_depots: JULIA_DEPOTS_LEVEL=x86-64-v4: this node lacks the CPU flags "
        "avx512f avx512bw avx512cd avx512dq avx512vl; unset it, or choose from: "
        "generic x86-64-v2 sandybridge ivybridge x86-64-v3 haswell\n"
    )


def test_no_processor_is_read_where_there_is_no_choice(own_place):
    own_place.publish(levels={"aarch64": ["portable"]})
    environment = clean_environment(own_place, None, JULIA_DEPOTS_CPUINFO="/nonexistent")
    _unused, _unused, got = wrapper(own_place.release(), environment)
    assert got["JULIA_DEPOTS_ACTIVE"] == "aarch64/portable"


def test_generic_is_used_where_the_kernel_tells_nothing(own_place):
    own_place.publish(levels={"x86_64": LEVELS["x86_64"]})
    environment = clean_environment(own_place, None, JULIA_DEPOTS_CPUINFO="/nonexistent")
    _unused, _unused, got = wrapper(own_place.release(), environment)
    assert got["JULIA_DEPOTS_ACTIVE"] == "x86_64/generic"


@pytest.mark.parametrize(
    ("levels", "processor", "message"),
    [
        ({"x86_64": LEVELS["x86_64"]}, "a64fx", "this node is aarch64; "),
        (LEVELS, "missing", "does not tell whether this node is x86_64 or aarch64"),
        ({}, "haswell", "was this release removed?"),
    ],
)
def test_node_that_the_release_is_not_for(own_place, levels, processor, message):
    own_place.publish(levels=levels)
    process = run([str(own_place.release() / "bin" / "julia")], clean_environment(own_place, processor))
    assert process.returncode == 64
    assert message in process.stderr


PLATFORMS = ("aarch64-apple-darwin", "aarch64-linux-gnu", "i686-linux-gnu")


def without_caches(place: Place, triplet: str) -> str:
    """What a node is told of a platform."""
    depot = f"{place.release()}/{triplet}/common"
    return (
        f"julia_depots: packages for {triplet}, without caches, are in {depot}; to use them with a Julia 1.5.3 of "
        "your own, which compiles them at first use:\n"
        f'export JULIA_DEPOT_PATH="$HOME/.julia:{depot}:" '
        f'JULIA_LOAD_PATH="@:@v#.#:{depot}/environments/jets:@stdlib"\n'
    )


@every_shell
@pytest.mark.parametrize("levels", [["generic"], LEVELS["x86_64"]])
def test_a_node_without_builds_is_told_what_there_is_without_caches(own_place, shell, levels):
    release = own_place.publish(levels={"x86_64": levels}, platforms=PLATFORMS)
    environment = clean_environment(own_place, "a64fx")
    process = run([*shell, str(release / "bin" / "julia")], environment)
    expected = f"julia_depots: this node is aarch64; {release} is for x86_64 only\n"
    expected += "".join(without_caches(own_place, triplet) for triplet in PLATFORMS[:2])
    assert (process.returncode, process.stdout, process.stderr) == (64, "", expected)
    # Whatever the options of the shell are, and with the names of the triplets around.
    process = run([*shell, "-c", f"set -f; IFS=-; . '{release}/setup.sh'; echo \"$? $IFS\"; env"], environment)
    assert process.stderr == expected
    assert process.stdout.startswith("1 -\n")
    assert "julia_depots" not in process.stdout


def test_the_command_that_a_node_is_told_gives_the_packages(own_place):
    release = own_place.publish(levels={"x86_64": ["generic"]}, platforms=PLATFORMS)
    process = run([str(release / "bin" / "julia")], clean_environment(own_place, "a64fx"))
    command = process.stderr.splitlines()[-1]
    got = sourced(("sh",), command, clean_environment(own_place))
    depot = f"{release}/aarch64-linux-gnu/common"
    assert got["JULIA_DEPOT_PATH"] == f"{own_place.base}/home/.julia:{depot}:"
    assert got["JULIA_LOAD_PATH"] == f"@:@v#.#:{depot}/environments/jets:@stdlib"


@pytest.mark.parametrize("processor", [*ACTIVE_LEVELS, "missing"])
def test_packages_without_caches_change_nothing_for_nodes_that_have_builds(own_place, processor):
    arch = ACTIVE_LEVELS.get(processor, "x86_64/generic").partition("/")[0]
    release = own_place.publish(levels={arch: LEVELS[arch]}, platforms=("i686-linux-gnu",))
    environment = clean_environment(own_place, processor)
    _unused, _unused, got = wrapper(release, environment)
    assert got["JULIA_DEPOTS_ACTIVE"] == ACTIVE_LEVELS.get(processor, "x86_64/generic")


# --- bin/julia ---


def test_arguments_arrive_untouched(place):
    arguments = ["a b", "line\nline", "", "*", "$HOME", "-e", "'\"\\", "--"]
    _unused, got, _unused = wrapper(place.release(), clean_environment(place), *arguments)
    assert got == arguments


@every_sh
def test_julia_takes_the_place_of_the_shell(own_place, shell):
    release = own_place.publish(julia='#!/bin/sh\n[ "$1" = status ] && exit 7\nkill -TERM $$\n')
    environment = clean_environment(own_place)
    command = [*shell, str(release / "bin" / "julia")]
    assert run([*command, "status"], environment).returncode == 7
    assert run([*command, "signal"], environment).returncode == -signal.SIGTERM


@pytest.mark.parametrize("shell", shells("dash", "bash", "busybox sh"))
def test_no_process_is_started_but_julia(place, shell, tmp_path):
    strace = need("strace")
    trace = tmp_path / "trace"
    calls = "execve,execveat,clone,clone3,fork,vfork"
    command = [shutil.which(shell[0]), *shell[1:], str(place.release() / "bin" / "julia")]
    process = run([strace, "-f", "-o", str(trace), "-e", f"trace={calls}", *command], clean_environment(place))
    if process.returncode != 0 and "ptrace" in process.stderr:
        pytest.skip(f"strace may not trace here: {process.stderr.strip()}")
    assert process.returncode == 0, process.stderr
    made = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines() if "(" in line]
    assert [line.split("(")[0] for line in made] == ["execve"] * 3  # the shell, Julia, and what the fake Julia is
    assert f"{place.root}/julia/1.5.3/x86_64/bin/julia" in made[1]


def test_nothing_is_needed_in_the_path(place):
    _unused, _unused, got = wrapper(place.release(), clean_environment(place, PATH="/nonexistent"))
    assert got["PATH"] == "/nonexistent"
    assert "JULIA_DEPOTS_BIN" not in got


def test_through_links_and_from_any_directory(place, tmp_path):
    current = place.release().parent.parent / "current"
    current.symlink_to(f"releases/{A}")
    elsewhere = tmp_path / "julia of jets"
    elsewhere.symlink_to(current / "bin" / "julia")
    expected = wrapper(place.release(), clean_environment(place))[2]["JULIA_DEPOT_PATH"]
    try:
        for command in (str(elsewhere), str(current / "bin" / "julia"), "./julia of jets"):
            process = run([command], clean_environment(place), cwd=tmp_path)
            assert process.returncode == 0, process.stderr
            assert pairs(process.stdout)["JULIA_DEPOT_PATH"] == expected
        script = f". '{current}/setup.sh'; rm '{current}'; ln -s releases/{B} '{current}'; julia"
        process = run(["sh", "-c", script], clean_environment(place))
        assert pairs(process.stdout)["JULIA_DEPOTS_RELEASE"] == str(place.release(A))
    finally:
        current.unlink()


# --- home directories ---


def first_depot(got: dict[str, str]) -> str:
    return got["JULIA_DEPOT_PATH"].split(":")[0]


@every_sh
@pytest.mark.parametrize("home", [None, "", "/nonexistent", "relative", "/tmp:/tmp"])
def test_private_depot_without_a_home(place, shell, home, tmp_path):
    environment = clean_environment(place, TMPDIR=str(tmp_path))
    del environment["HOME"]
    if home is not None:
        environment["HOME"] = home
    first, second = (wrapper(place.release(), environment, shell=shell)[2] for _unused in range(2))
    assert first_depot(first).startswith(f"{tmp_path}/julia-depot-")
    assert first_depot(first) != first_depot(second)
    assert not list(tmp_path.iterdir())
    assert first["HOME"] == (home or first_depot(first))


def test_private_depot_is_below_tmp_where_tmpdir_cannot_be_used(place):
    for unusable in ("/nonexistent", "relative", "", "/tmp:/tmp"):
        environment = clean_environment(place, HOME="/nonexistent", TMPDIR=unusable)
        assert first_depot(wrapper(place.release(), environment)[2]).startswith("/tmp/julia-depot-")


def unprivileged() -> dict[str, int]:
    return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.mark.parametrize("shell", shells("dash", "bash", "busybox sh", "ksh93"))
@pytest.mark.parametrize(
    ("home_mode", "depot_mode", "private"),
    [(0o755, None, False), (0o555, None, True), (0o555, 0o755, False), (0o755, 0o555, True)],
)
def test_private_depot_where_the_home_is_read_only(place, shell, home_mode, depot_mode, private):
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        home = Path(base) / "home"
        made = [home, home / ".julia"] if depot_mode is not None else [home]
        for path in made:
            path.mkdir()
            os.chown(path, *(unprivileged().get(key, -1) for key in ("user", "group")))
        if depot_mode is not None:
            (home / ".julia").chmod(depot_mode)
        home.chmod(home_mode)
        # Not everybody can reach this checkout.
        cpuinfo = Path(base) / "cpuinfo"
        cpuinfo.write_text(cpus.cpuinfo("haswell").read_text())
        environment = clean_environment(place, HOME=str(home), JULIA_DEPOTS_CPUINFO=str(cpuinfo))
        _unused, _unused, got = wrapper(place.release(), environment, shell=shell, cwd="/", **unprivileged())
        home.chmod(0o755)
    assert first_depot(got).startswith("/tmp/julia-depot-") == private
    assert private or first_depot(got) == f"{home}/.julia"


# --- what the user had ---


HASWELL = "x86_64/haswell"


@pytest.mark.parametrize(
    ("had", "depot_path"),
    [
        ("/mine", "/mine:OURS:"),
        ("/mine:", "/mine:OURS:"),
        ("/mine:/other::", "/mine:/other:OURS:"),
        (":/mine", ":/mine:OURS:"),
        ("~/depot with spaces", "~/depot with spaces:OURS:"),
        ("", "HOME/.julia:OURS:"),
        (":", "HOME/.julia:OURS:"),
    ],
)
def test_depot_path_of_the_user_stays(place, had, depot_path):
    _unused, _unused, got = wrapper(place.release(), clean_environment(place, JULIA_DEPOT_PATH=had))
    expected = depot_path.replace("OURS", place.depots(HASWELL)).replace("HOME", f"{place.base}/home")
    assert got["JULIA_DEPOT_PATH"] == expected


def test_load_path_of_a_user_who_set_none_is_the_default_with_the_environment(place):
    for had in ({}, {"JULIA_LOAD_PATH": ""}):
        _unused, _unused, got = wrapper(place.release(), clean_environment(place, **had))
        assert got["JULIA_LOAD_PATH"] == f"@:@v#.#:{place.load(HASWELL)}:@stdlib"


@pytest.mark.parametrize("had", ["/mine", "/mine:", ":/mine", "@:@stdlib", "/a b:/c"])
def test_load_path_of_the_user_stays(place, had):
    _unused, _unused, got = wrapper(place.release(), clean_environment(place, JULIA_LOAD_PATH=had))
    assert got["JULIA_LOAD_PATH"] == f"{had}:{place.load(HASWELL)}"


@every_shell
def test_sourcing_twice_changes_nothing(place, shell):
    source = f". '{place.release()}/setup.sh'"
    environment = clean_environment(place, JULIA_DEPOT_PATH="/mine", JULIA_LOAD_PATH=":/project")
    once = sourced(shell, source, environment)
    assert relevant(sourced(shell, f"{source}; {source}", environment)) == relevant(once)
    assert relevant(once) == {
        "PATH": f"{place.release()}/bin:/usr/bin:/bin",
        "JULIA_DEPOT_PATH": f"/mine:{place.depots(HASWELL)}:",
        "JULIA_LOAD_PATH": f":/project:{place.load(HASWELL)}",
        "JULIA_DEPOTS_RELEASE": str(place.release()),
        "JULIA_DEPOTS_ACTIVE": HASWELL,
        "JULIA_DEPOTS_DEPOTS": place.depots(HASWELL),
        "JULIA_DEPOTS_LOAD": place.load(HASWELL),
        "JULIA_DEPOTS_BIN": f"{place.release()}/bin",
    }


def test_private_depot_is_kept_by_nested_calls(place):
    environment = clean_environment(place, HOME="/nonexistent")
    _unused, _unused, outer = wrapper(place.release(A), environment)
    _unused, _unused, inner = wrapper(place.release(B), outer)
    assert first_depot(inner) == first_depot(outer)


BEFORE = "JULIA_DEPOT_PATH=/b$n:$JULIA_DEPOT_PATH JULIA_LOAD_PATH=/b$n:$JULIA_LOAD_PATH PATH=/b$n:$PATH"
AFTER = "JULIA_DEPOT_PATH=$JULIA_DEPOT_PATH:/a$n JULIA_LOAD_PATH=$JULIA_LOAD_PATH:/a$n PATH=$PATH:/a$n"
STEPS = {
    "A": (". '{A}/setup.sh'", None),
    "B": (". '{B}/setup.sh'", None),
    "before": (BEFORE, -1),
    "after": (AFTER, 1),
    "other-level": ("export JULIA_DEPOTS_LEVEL=x86-64-v2", None),
}


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=8), st.sampled_from("AB"))
def test_releases_replace_each_other_and_the_users_parts_stay(place, steps, last):
    lines, before, after = [], [], []
    for number, step in enumerate(["A", *steps, last]):
        line, side = STEPS[step]
        lines.append(f"n={number}; " + line.format(A=place.release(A), B=place.release(B)))
        if side == -1:
            before.insert(0, f"/b{number}")
        elif side == 1:
            after.append(f"/a{number}")
    got = sourced(("dash",), "\n".join(lines), clean_environment(place, JULIA_DEPOT_PATH="/mine"))

    identifier = {"A": A, "B": B}[last]
    active = "x86_64/x86-64-v2" if "other-level" in steps else HASWELL
    depots = place.depots(active, identifier).split(":")
    assert [entry for entry in got["JULIA_DEPOT_PATH"].split(":") if entry] == [
        *before,
        "/mine",
        *depots,
        *after,
    ]
    assert "" in got["JULIA_DEPOT_PATH"].split(":")[1:]
    assert got["JULIA_LOAD_PATH"].split(":") == [
        *before,
        *("@", "@v#.#", place.load(active, identifier), "@stdlib"),
        *after,
    ]
    assert got["PATH"].split(":") == [f"{place.release(identifier)}/bin", *before, "/usr/bin", "/bin", *after]


@every_shell
def test_sourcing_twice_changes_nothing_where_the_record_was_lost(place, shell):
    source = f". '{place.release()}/setup.sh'"
    lost = "unset JULIA_DEPOTS_DEPOTS JULIA_DEPOTS_LOAD JULIA_DEPOTS_BIN"
    environment = clean_environment(place, JULIA_DEPOT_PATH="/mine")
    once = sourced(shell, source, environment)
    assert relevant(sourced(shell, f"{source}; {lost}; {source}", environment)) == relevant(once)


def test_wrapper_of_another_release_within_a_set_up_shell(place):
    script = f". '{place.release(A)}/setup.sh'; exec '{place.release(B)}/bin/julia'"
    process = run(["sh", "-c", script], clean_environment(place))
    got = pairs(process.stdout)
    assert got["JULIA_DEPOT_PATH"] == f"{place.base}/home/.julia:{place.depots(HASWELL, B)}:"
    assert got["JULIA_LOAD_PATH"] == f"@:@v#.#:{place.load(HASWELL, B)}:@stdlib"
    assert got["PATH"] == f"{place.release(A)}/bin:/usr/bin:/bin"
    assert got["JULIA_DEPOTS_BIN"] == f"{place.release(A)}/bin"


# --- setup.sh in the shells of users ---


@every_shell
@pytest.mark.parametrize("level", ["", "nope"])
def test_sourcing_leaves_the_shell_alone(place, shell, level, tmp_path):
    functions = re.findall(r"^(__julia_depots_\w+)\(\)", TEMPLATES["setup.sh"], re.MULTILINE)
    assert "__julia_depots_setup" in functions
    script = tmp_path / "script"
    script.write_text(f"""
        set -euf
        set -- 'first argument' 'second  argument'
        IFS=/x
        set_before=$-
        . '{place.release()}/setup.sh' || echo "status $?"
        [ "$set_before" = "$-" ] && [ "$IFS" = /x ] && [ $# = 2 ] && [ "$2" = 'second  argument' ]
        [ "$PWD" = '{tmp_path}' ]
        for name in {" ".join(f"'{name}'" for name in functions)}; do
            ! command -v "$name"
        done
        set | grep ^__julia_depots || echo alive
    """)
    process = run([*shell, str(script)], clean_environment(place, JULIA_DEPOTS_LEVEL=level), cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == (["status 1", "alive"] if level else ["alive"])
    assert ("JULIA_DEPOTS_LEVEL=nope: no such level for x86_64" in process.stderr) == bool(level)


@every_shell
@pytest.mark.parametrize("ifs", ["unset IFS", "IFS=", "IFS=_", "IFS=:v"])
def test_any_ifs(place, shell, ifs):
    script = f"{ifs}; . '{place.release()}/setup.sh'; export STATE=${{IFS-unset}}"
    got = sourced(shell, script, clean_environment(place))
    assert got["JULIA_DEPOTS_ACTIVE"] == HASWELL
    assert got["STATE"] == ("unset" if ifs == "unset IFS" else ifs.split("=")[1])


@every_shell
def test_failure_changes_nothing(place, shell):
    environment = clean_environment(place, JULIA_DEPOTS_LEVEL="nope", JULIA_DEPOT_PATH="/mine")
    process = run([*shell, "-c", f". '{place.release()}/setup.sh'; /usr/bin/env -0"], environment)
    assert relevant(pairs(process.stdout)) == relevant(environment)


def test_errexit_ends_a_script_that_cannot_be_set_up(place):
    script = f"set -e; . '{place.release()}/setup.sh'; echo reached"
    process = run(["dash", "-c", script], clean_environment(place, JULIA_DEPOTS_LEVEL="nope"))
    assert (process.returncode, process.stdout) == (1, "")


# --- csh, tcsh and fish ---

OTHER_SHELLS = [
    *(pytest.param(*p.values, "csh", id=p.id, marks=p.marks) for p in shells("tcsh -f", "bsd-csh -f")),
    *(pytest.param(*p.values, "fish", id=p.id, marks=p.marks) for p in shells("fish --no-config")),
]
other_shell = pytest.mark.parametrize(("shell", "suffix"), OTHER_SHELLS)
STRANGE = '/it\'s!a\\b "q" $HOME `id` *:~/x'


@other_shell
@pytest.mark.parametrize("had", [None, "/mine", STRANGE])
def test_other_shells_set_the_same(place, shell, suffix, had):
    environment = clean_environment(place)
    if had:
        environment.update(JULIA_DEPOT_PATH=had, JULIA_LOAD_PATH=had)
    sources = {
        kind: f"source '{place.release(A)}/setup.{kind}'\nsource '{place.release(B)}/setup.{kind}'"
        for kind in ("sh", suffix)
    }
    expected = sourced(("bash",), sources["sh"], environment)
    got = sourced(shell, sources[suffix], environment)
    assert relevant(got) == relevant(expected)
    assert not [name for name in got if name.startswith("__julia_depots")]


@pytest.mark.parametrize("shell", shells("tcsh -f -i", "bsd-csh -f -i"))
def test_no_history_is_recalled_in_an_interactive_csh(place, shell):
    script = f"source '{place.release()}/setup.csh'\n/usr/bin/env -0\n"
    process = run(list(shell), clean_environment(place, JULIA_DEPOT_PATH="/a!b"), input=script)
    assert pairs(process.stdout)["JULIA_DEPOT_PATH"] == f"/a!b:{place.depots(HASWELL)}:"


@other_shell
def test_other_shells_survive_a_failure(place, shell, suffix):
    environment = clean_environment(place, JULIA_DEPOTS_LEVEL="nope", JULIA_DEPOT_PATH="/mine")
    script = f"source '{place.release()}/setup.{suffix}'\necho status $status\n/usr/bin/env -0"
    process = run([*shell, "-c", script], environment)
    assert process.stdout.startswith("status 1\n")
    assert relevant(pairs(process.stdout.split("\n", 1)[1])) == relevant(environment)
    assert process.stderr.count("JULIA_DEPOTS_LEVEL=nope") == 1


@pytest.mark.parametrize(
    ("shell", "suffix"),
    [*(pytest.param(*p.values, "sh", id=p.id, marks=p.marks) for p in POSIX_SHELLS), *OTHER_SHELLS],
)
def test_strange_store_paths(shell, suffix):
    with tempfile.TemporaryDirectory(prefix="[a]{b*c?}~ (d)&|<e>#%^=+,@VERSION@ é ") as base:
        strange = Place(Path(base))
        strange.publish()
        command = "." if suffix == "sh" else "source"
        script = f"{command} '{strange.release()}/setup.{suffix}'"
        got = sourced(shell, script, clean_environment(strange, HOME="/"))
        assert got["JULIA_DEPOTS_DEPOTS"] == strange.depots(HASWELL)
        assert got["PATH"] == f"{strange.release()}/bin:/usr/bin:/bin"


# --- module systems ---


def module_system(kind: str) -> list[str]:
    """The command that prints what a shell evaluates."""
    if kind == "lmod":
        found = [os.environ.get("JULIA_DEPOTS_TEST_LMOD", ""), "/usr/share/lmod/lmod/libexec/lmod"]
        start = []
    else:
        found = [os.environ.get("JULIA_DEPOTS_TEST_MODULECMD", ""), *glob.glob("/usr/lib/*/modulecmd.tcl")]
        start = ["tclsh"]
    command = next((path for path in found if path and os.path.exists(path)), None)
    if command is None:
        pytest.skip(f"{kind} is not installed")
    return [*start, command, "bash"]


@dataclass
class Modules:
    kind: str
    command: list[str]
    folder: Path
    place: Place

    def run(self, script: str, **more: str):
        """Run a script that calls `module`; its output, and the environment at its end."""
        prologue = f'module() {{ eval "$({shlex.join(self.command)} "$@")"; }}\n'
        environment = clean_environment(self.place, MODULEPATH=str(self.folder), **more)
        epilogue = "\nprintf '\\0'; /usr/bin/env -0"
        process = run(["bash", "-c", prologue + script + epilogue], environment)
        output, _unused, rest = process.stdout.partition("\0")
        return output + process.stderr, relevant(pairs(rest))


@pytest.fixture(params=["lmod", "environment-modules"])
def modules(request, place, tmp_path):
    command = module_system(request.param)
    suffix, template = (".lua", "modulefile.lua") if request.param == "lmod" else ("", "modulefile.tcl")
    for name, identifier in (("jets/a", A), ("jets/b", B), ("other/b", B)):
        path = tmp_path / f"{name}{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(place.release(identifier) / template)
    (tmp_path / "julia").mkdir()
    (tmp_path / "julia" / "1.9").write_text("#%Module\nprepend-path PATH /opt/julia-1.9/bin\n")
    return Modules(request.param, command, tmp_path, place)


MODULE_VALUES = [
    {},
    {"JULIA_DEPOT_PATH": "/mine"},
    {"JULIA_DEPOT_PATH": "/mine:/other", "JULIA_LOAD_PATH": ":/project"},
    {"JULIA_LOAD_PATH": "/project"},
]


@pytest.mark.parametrize("had", MODULE_VALUES)
def test_module_sets_what_setup_sets_and_unloading_restores(modules, place, had):
    expected = relevant(sourced(("sh",), f". '{place.release()}/setup.sh'", clean_environment(place, **had)))
    output, loaded = modules.run("module load jets/a", **had)
    assert output == ""
    # Lmod writes an empty last entry as two colons, which is the same to Julia.
    loaded["JULIA_DEPOT_PATH"] = loaded["JULIA_DEPOT_PATH"].rstrip(":") + ":"
    assert loaded.pop("JULIA_DEPOTS_MODULE")
    assert loaded == expected
    for script in ("module load jets/a; module unload jets/a", "module load jets/a; module purge"):
        output, restored = modules.run(script, **had)
        assert output == ""
        assert restored == relevant(clean_environment(place, **had))


def test_module_keeps_what_was_added_meanwhile(modules, place):
    _unused, got = modules.run(
        "module load jets/a\n"
        "JULIA_DEPOT_PATH=/more:$JULIA_DEPOT_PATH JULIA_LOAD_PATH=/project:$JULIA_LOAD_PATH\n"
        "module unload jets/a"
    )
    assert got == {"PATH": "/usr/bin:/bin", "JULIA_DEPOT_PATH": "/more", "JULIA_LOAD_PATH": "/project"}


def test_module_in_place_of_another_release(modules, place):
    _unused, alone = modules.run("module load jets/b")
    _unused, got = modules.run("module load jets/a; module switch jets/a jets/b")
    assert got == alone
    _unused, got = modules.run("module load jets/a; module load other/b")
    expected = alone if modules.kind == "lmod" else modules.run("module load jets/a")[1]
    assert got == expected
    assert modules.run("module load jets/a; module load other/b; module purge")[1] == {"PATH": "/usr/bin:/bin"}


def test_module_after_setup_of_another_release(modules, place):
    _unused, got = modules.run(f". '{place.release(A)}/setup.sh'; module load jets/b")
    entries = [entry for entry in got["JULIA_DEPOT_PATH"].split(":") if entry]
    assert entries == [f"{place.base}/home/.julia", *place.depots(HASWELL, B).split(":")]
    assert got["JULIA_LOAD_PATH"] == f"@:@v#.#:{place.load(HASWELL, B)}:@stdlib"
    assert got["PATH"] == f"{place.release(B)}/bin:/usr/bin:/bin"


def test_module_conflicts_with_another_julia(modules):
    output, got = modules.run("module load julia/1.9; module load jets/a")
    assert "julia" in output
    assert got == {"PATH": "/opt/julia-1.9/bin:/usr/bin:/bin"}


def test_module_that_cannot_be_loaded(modules):
    output, got = modules.run("module load jets/a", JULIA_DEPOTS_LEVEL="nope")
    assert "JULIA_DEPOTS_LEVEL=nope:" in " ".join(output.split())
    assert got == {"PATH": "/usr/bin:/bin", "JULIA_DEPOTS_LEVEL": "nope"}


def test_module_tells_what_it_is(modules, place):
    output, _unused = modules.run("module help jets/a; module whatis jets/a; module show jets/a")
    for text in ("using", "JULIA_DEPOTS_LEVEL", "precompiled environment jets", f"{place.release()}/bin"):
        assert text in output


def test_module_in_a_strange_store(modules, tmp_path):
    with tempfile.TemporaryDirectory(prefix="[a]{b*c?}~ (d)&|<e>#%^=+,@VERSION@ é ") as base:
        strange = Place(Path(base))
        strange.publish()
        lua = modules.kind == "lmod"
        (tmp_path / "strange").mkdir()
        (tmp_path / "strange" / ("a.lua" if lua else "a")).symlink_to(
            strange.release() / ("modulefile.lua" if lua else "modulefile.tcl")
        )
        output, got = modules.run("module load strange/a")
        assert output == ""
        assert got["JULIA_DEPOTS_DEPOTS"] == strange.depots(HASWELL)
        assert got["PATH"] == f"{strange.release()}/bin:/usr/bin:/bin"


# --- Julia itself ---


def launcher(julia: str) -> str:
    return f'#!/bin/sh\nexec {shlex.quote(julia)} "$@"\n'


def evaluate(julia: str, program: str, environment):
    command = [julia, "--startup-file=no", "--history-file=no", "--color=no", "-e", program]
    return run(command, environment)


SHOW = 'print(join(DEPOT_PATH, "\\n"), "\\0", join(LOAD_PATH, "\\n"))'


def shown(process) -> tuple[list[str], list[str]]:
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    depots, load = process.stdout.split("\0")
    return depots.split("\n"), load.split("\n")


@pytest.fixture
def julia_place(own_place, julia, julia_version):
    (own_place.base / "home").mkdir()
    for identifier in (A, B):
        own_place.publish(identifier, version=julia_version(julia), julia=launcher(julia))
    return own_place


OWN_PROCESSORS = {name: active for name, active in ACTIVE_LEVELS.items() if active.startswith(f"{OWN_ARCH}/")}


def include(place: Place, identifier: str = A) -> str:
    return f'include("{place.release(identifier)}/activate.jl"); '


def test_activate_chooses_as_the_shell_does(julia_place, julia):
    place = julia_place
    plain_depots, plain_load = shown(evaluate(julia, SHOW, clean_environment(place)))
    processor, active = next(iter(OWN_PROCESSORS.items()))
    environment = clean_environment(place, processor)
    depots, load = shown(evaluate(julia, include(place) + include(place) + SHOW, environment))
    assert depots == [plain_depots[0], *place.depots(active).split(":"), *plain_depots[1:]]
    assert load == [*plain_load[:-1], place.load(active), plain_load[-1]]


def test_activate_chooses_for_every_processor(julia_place, julia):
    program = "".join(
        f'ENV["JULIA_DEPOTS_CPUINFO"] = "{cpus.cpuinfo(processor)}"; {include(julia_place)}'
        'println(ENV["JULIA_DEPOTS_ACTIVE"]); '
        for processor in OWN_PROCESSORS
    )
    process = evaluate(julia, program, clean_environment(julia_place))
    assert process.stderr == ""
    assert process.stdout.split() == list(OWN_PROCESSORS.values())


def test_activate_replaces_another_release(julia_place, julia):
    place = julia_place
    processor, active = next(iter(OWN_PROCESSORS.items()))
    environment = clean_environment(place, processor, JULIA_DEPOT_PATH="/mine:/other", JULIA_LOAD_PATH=":/project")
    expected = shown(evaluate(julia, include(place, B) + SHOW, environment))
    assert shown(evaluate(julia, include(place, A) + include(place, B) + SHOW, environment)) == expected
    assert place.load(active, B) in expected[1]

    command = [str(place.release(A) / "bin" / "julia"), "--startup-file=no", "-e", include(place, B) + SHOW]
    depots, load = shown(run(command, environment))
    assert not [entry for entry in depots + load if A in entry]
    assert [entry for entry in depots if B in entry] == place.depots(active, B).split(":")


def test_activate_reaches_processes_started_later(julia_place, julia):
    place = julia_place
    processor, active = next(iter(OWN_PROCESSORS.items()))
    environment = clean_environment(place, processor, JULIA_DEPOT_PATH="/mine")
    program = include(place) + 'print(ENV["JULIA_DEPOT_PATH"], "\\0", ENV["JULIA_LOAD_PATH"])'
    assert shown(evaluate(julia, program, environment)) == (
        [f"/mine:{place.depots(active)}:"],
        [f"@:@v#.#:{place.load(active)}:@stdlib"],
    )


def test_activate_leaves_no_names(julia_place, julia):
    program = (
        "before = names(Main; all = true); "
        + include(julia_place)
        + "print(filter(name -> first(string(name)) != '#', setdiff(names(Main; all = true), before, [:before])))"
    )
    process = evaluate(julia, program, clean_environment(julia_place, next(iter(OWN_PROCESSORS))))
    assert process.returncode == 0, process.stderr
    assert process.stdout == "Symbol[]"


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("nope", f"JULIA_DEPOTS_LEVEL=nope: no such level for {OWN_ARCH} in "),
        (LEVELS.get(OWN_ARCH, ["none"])[-1].split()[0], ": this node lacks the CPU flags "),
    ],
)
def test_activate_refuses_levels(julia_place, julia, level, message):
    processor = next(iter(OWN_PROCESSORS))
    environment = clean_environment(julia_place, processor, JULIA_DEPOTS_LEVEL=level)
    process = evaluate(julia, f"try; {include(julia_place)} catch e; showerror(stdout, e); end; {SHOW}", environment)
    assert message in process.stdout
    assert "choose from: generic" in process.stdout
    assert str(julia_place.release() / OWN_ARCH) not in process.stdout.split("choose from")[1]


def test_activate_refuses_another_version(own_place, julia, julia_version):
    own_place.publish(version="1.4.0")
    process = evaluate(julia, include(own_place), clean_environment(own_place))
    assert process.returncode == 1
    assert f"this session runs Julia {julia_version(julia)}" in process.stderr
    assert f"start {own_place.release()}/bin/julia" in process.stderr


def test_activate_tells_what_there_is_without_caches(own_place, julia, julia_version):
    other = ({"x86_64", "aarch64"} - {OWN_ARCH}).pop()
    triplet = f"{OWN_ARCH}-linux-gnu"
    platforms = (triplet, "i686-linux-gnu")
    own_place.publish(levels={other: ["generic"]}, version=julia_version(julia), platforms=platforms)
    process = evaluate(julia, include(own_place), clean_environment(own_place))
    assert process.returncode == 1
    told = f"packages for {triplet}, without caches, are in the depot {own_place.release()}/{triplet}/common"
    assert f"this session runs on {OWN_ARCH}; the release has {other}; {told}\n" in process.stderr


@pytest.mark.parametrize("home", ["usable", "unset"])
def test_packages_of_the_environment_are_found(julia_place, julia, home):
    place = julia_place
    processor, active = next(iter(OWN_PROCESSORS.items()))
    folder = Path(place.load(active))
    source = folder.parent.parent / "packages" / "Demo" / "src"
    source.mkdir(parents=True)
    folder.mkdir(parents=True)
    uuid = "7876af07-990d-54b4-ab0e-23690620f79a"
    (source / "Demo.jl").write_text('module Demo\nanswer(args) = join(args, "|")\nend\n')
    (source.parent / "Project.toml").write_text(f'name = "Demo"\nuuid = "{uuid}"\nversion = "0.1.0"\n')
    (folder / "Project.toml").write_text(f'[deps]\nDemo = "{uuid}"\n')
    (folder / "Manifest.toml").write_text(
        f'[[Demo]]\npath = "../../packages/Demo"\nuuid = "{uuid}"\nversion = "0.1.0"\n'
    )
    environment = clean_environment(place, processor, TMPDIR=str(place.base))
    if home == "unset":
        del environment["HOME"]
    program = "using Demo, Test; print(Demo.answer(ARGS), '|', DEPOT_PATH[1])"
    process = run([str(place.release() / "bin" / "julia"), "-e", program, "a b", "c\nd"], environment)
    assert process.returncode == 0, process.stderr
    said = f"a b|c\nd|{place.base}/home/.julia" if home == "usable" else f"a b|c\nd|{place.base}/julia-depot-"
    assert process.stdout.startswith(said)
