# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package server: its parts by themselves, and each Julia at hand installing from it."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pkgserver import FAILURE_MESSAGE, Fault, PackageServer, PackageWorld
from tests.pkgserver.gittree import Blob, Mode, read_tarball, tarball, tree_hash, write_tree
from tests.pkgserver.registry import version_range

REPOSITORY = Path(__file__).resolve().parents[2]

# A limit for what ought to take seconds: reached only when something hangs.
LIMIT = 600


# Tree hashes and tarballs


def _names() -> st.SearchStrategy[str]:
    # The characters on both sides of "/" are what makes git's order differ from that of plain names.
    names = st.text(alphabet="ab-.0+ é", min_size=1, max_size=4)
    return names.filter(lambda name: name.strip(". ") == name)


def _blobs() -> st.SearchStrategy[Blob]:
    files = st.builds(Blob, st.binary(max_size=40), st.sampled_from([Mode.NORMAL, Mode.EXECUTABLE]))
    links = st.builds(Blob, _names().map(str.encode), st.just(Mode.SYMLINK))
    return files | links


def _flatten(nested: Mapping[str, Blob | Mapping], prefix: str = "") -> dict[str, Blob]:
    tree = {}
    for name, value in nested.items():
        if isinstance(value, Blob):
            tree[prefix + name] = value
        else:
            tree |= _flatten(value, f"{prefix}{name}/")
    return tree


def _trees() -> st.SearchStrategy[dict[str, Blob]]:
    folders = st.dictionaries(
        _names(),
        st.recursive(_blobs(), lambda inner: st.dictionaries(_names(), inner, max_size=4)),
        max_size=5,
    )
    return folders.map(_flatten)


@pytest.fixture(scope="module")
def git_tree(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Blob]], str]:
    """What `git write-tree` says of a tree that lies in a folder."""
    top = tmp_path_factory.mktemp("git")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", "--bare", top / "repository"], check=True, env=environment)
    numbers = itertools.count()

    def write(tree: dict[str, Blob]) -> str:
        number = next(numbers)
        folder = top / f"tree{number}"
        folder.mkdir()
        write_tree(tree, folder)
        inside = {
            **environment,
            "GIT_DIR": str(top / "repository"),
            "GIT_WORK_TREE": str(folder),
            "GIT_INDEX_FILE": str(top / f"index{number}"),
        }
        subprocess.run(["git", "add", "-A", "."], check=True, env=inside, cwd=folder)
        written = subprocess.run(["git", "write-tree"], check=True, env=inside, capture_output=True, text=True)
        return written.stdout.strip()

    return write


@settings(max_examples=60)
@given(tree=_trees())
def test_tree_hash_is_that_of_git(git_tree: Callable[[dict[str, Blob]], str], tree: dict[str, Blob]) -> None:
    assert tree_hash(tree) == git_tree(tree)


def test_tree_hash_sorts_folders_as_git_does(git_tree: Callable[[dict[str, Blob]], str]) -> None:
    tree = {name: Blob.text(name) for name in ("a-b", "a.b", "a/b", "a0")}
    assert tree_hash(tree) == git_tree(tree)


@given(tree=_trees())
def test_tarball_holds_its_tree_and_depends_on_it_alone(tree: dict[str, Blob]) -> None:
    packed = tarball(tree)
    assert read_tarball(packed) == tree
    assert tarball(dict(reversed(tree.items()))) == packed


# The packages and their registry


@pytest.mark.parametrize(
    ("compat", "expected"),
    [("=1.0.0", "1.0.0"), ("1", "1"), ("1.5", "1.5.0-1"), ("1.2.3", "1.2.3-1"), ("2.10", "2.10.0-2")],
)
def test_compat_in_a_registry(compat: str, expected: str) -> None:
    assert version_range(compat) == expected


@pytest.fixture
def world(tmp_path: Path) -> PackageWorld:
    return PackageWorld.generate(tmp_path / "world", many=6)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_two_generations_are_equal(world: PackageWorld, tmp_path: Path) -> None:
    again = PackageWorld.generate(tmp_path / "again", many=6)
    assert _contents(again.folder) == _contents(world.folder)


def test_generating_again_leaves_nothing_of_the_old(world: PackageWorld, tmp_path: Path) -> None:
    PackageWorld.generate(world.folder, many=1)
    assert _contents(world.folder) == _contents(PackageWorld.generate(tmp_path / "new", many=1).folder)


def test_other_seconds_and_megabytes_change_those_packages_alone(world: PackageWorld, tmp_path: Path) -> None:
    other = PackageWorld.generate(tmp_path / "other", many=6, wait_seconds=1, megabytes=1)
    changed = {p.name for p in world.packages if other.package_path(p.name) != world.package_path(p.name)}
    assert changed == {"WaitsForever", "PrintsMegabytes"}


def _toml(blob: Blob) -> dict:
    return tomllib.loads(blob.data.decode())


def test_registry_describes_every_package(world: PackageWorld) -> None:
    registry = read_tarball((world.folder / world.registry_path[1:]).read_bytes())
    assert world.registry_path.endswith("/" + tree_hash(registry))
    listing = _toml(registry["Registry.toml"])
    assert (listing["name"], listing["uuid"]) == ("General", "23338594-aafe-5451-b93e-139f81909106")
    for package in world.packages:
        entry = listing["packages"][package.uuid]
        assert entry["name"] == package.name
        versions = _toml(registry[f"{entry['path']}/Versions.toml"])
        sha = versions[package.version]["git-tree-sha1"]
        served = read_tarball((world.folder / "package" / package.uuid / sha).read_bytes())
        assert tree_hash(served) == sha
        project = _toml(served["Project.toml"])
        assert (project["name"], project["uuid"], project["version"]) == (
            package.name,
            package.uuid,
            package.version,
        )
        deps = _toml(registry.get(f"{entry['path']}/Deps.toml", Blob(b"")))
        assert deps.get(package.version, {}) == project.get("deps", {})
        weak = _toml(registry.get(f"{entry['path']}/WeakDeps.toml", Blob(b"")))
        assert weak.get(package.version, {}) == project.get("weakdeps", {})
    assert {uuid.UUID(key) for key in listing["packages"]} == {uuid.UUID(p.uuid) for p in world.packages}


def test_artifacts_are_served_as_artifacts_toml_says(world: PackageWorld) -> None:
    entries = _toml(world.package("WithArtifact").tree()["Artifacts.toml"])
    assert {name: entry["lazy"] for name, entry in entries.items()} == {"ordinary": False, "lazy": True}
    for name, entry in entries.items():
        served = (world.folder / world.artifact_path(name)[1:]).read_bytes()
        assert tree_hash(read_tarball(served)) == entry["git-tree-sha1"]
        assert [source["sha256"] for source in entry["download"]] == [hashlib.sha256(served).hexdigest()]


def test_many_is_a_dag_of_as_many_as_asked_for(world: PackageWorld) -> None:
    assert world.many == [f"Many00{number}" for number in range(1, 7)]
    for position, name in enumerate(world.many):
        assert set(world.package(name).deps) <= set(world.many[:position])
    assert set(world.package("Many006").deps) == {"Many002", "Many003"}


def test_unknown_names(world: PackageWorld, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no package Missing"):
        world.project(tmp_path / "project", ["Missing"])
    with pytest.raises(KeyError, match="no package DiamondBase 9"):
        world.package_path("DiamondBase", "9")
    with pytest.raises(KeyError, match="no artifact missing"):
        world.artifact_path("missing")


def test_project(world: PackageWorld, tmp_path: Path) -> None:
    folder = world.project(
        tmp_path / "project",
        ["DiamondTop"],
        compat={"DiamondTop": "1"},
        local={"Mine": ["DiamondBase"]},
        preferences={"Preferring": {"greeting": "hello"}},
    )
    mine = tomllib.loads((folder / "Mine/Project.toml").read_text())
    assert mine["deps"] == {"DiamondBase": world.package("DiamondBase").uuid}
    assert tomllib.loads((folder / "Project.toml").read_text()) == {
        "deps": {"DiamondTop": world.package("DiamondTop").uuid, "Mine": mine["uuid"]},
        "sources": {"Mine": {"path": "Mine"}},
        "compat": {"DiamondTop": "1"},
    }
    assert tomllib.loads((folder / "LocalPreferences.toml").read_text()) == {"Preferring": {"greeting": "hello"}}


# The protocol


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _get(url: str) -> bytes:
    with _DIRECT.open(url, timeout=LIMIT) as answer:
        return answer.read()


def _status(url: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        _get(url)
    caught.value.close()
    return caught.value.code


def test_everything_is_served(world: PackageWorld) -> None:
    with PackageServer(world) as server:
        for name, content in _contents(world.folder).items():
            assert _get(f"{server.url}/{name}") == content
        assert sorted(server.requests) == sorted(f"/{name}" for name in _contents(world.folder))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/meta",
        "/package",
        f"/artifact/{'0' * 40}",
        "/registries/",
        "/artifact/../registries",
        "/../world/registries",
    ],
)
def test_nothing_else_is_served(world: PackageWorld, path: str) -> None:
    with PackageServer(world) as server:
        assert _status(server.url + path) == 404
        assert server.requests == [path]


def test_the_port_is_free_after_closing(world: PackageWorld) -> None:
    with PackageServer(world) as server:
        port = server.port
    with PackageServer(world, port=port) as server:
        assert _get(f"{server.url}/registries").decode() == world.registry_path + "\n"


def test_fault_404(world: PackageWorld) -> None:
    with PackageServer(world, Fault("404", "/package/")) as server:
        assert _status(server.url + world.package_path("DiamondTop")) == 404
        assert _get(server.url + world.artifact_path("ordinary"))
        server.fault = None
        assert _get(server.url + world.package_path("DiamondTop"))


def test_fault_garbage(world: PackageWorld) -> None:
    path = world.package_path("DiamondTop")
    with PackageServer(world, Fault("garbage", path)) as server:
        assert not _get(server.url + path).startswith(b"\x1f\x8b")
        assert _get(server.url + world.package_path("DiamondLeft")).startswith(b"\x1f\x8b")


def test_fault_truncate(world: PackageWorld) -> None:
    path = world.package_path("DiamondTop")
    whole = (world.folder / path[1:]).read_bytes()
    with PackageServer(world, Fault("truncate")) as server, pytest.raises(IncompleteRead) as caught:
        _get(server.url + path)
    assert caught.value.partial == whole[: len(whole) // 2]
    assert caught.value.expected == len(whole) - len(whole) // 2


def test_fault_wrong_tree(world: PackageWorld) -> None:
    path = world.package_path("DiamondTop")
    with PackageServer(world, Fault("wrong-tree")) as server:
        assert _get(f"{server.url}/registries").decode() == world.registry_path + "\n"
        tree = read_tarball(_get(server.url + path))
    assert tree_hash(tree) != path.rpartition("/")[2]
    assert tree.keys() - world.package("DiamondTop").tree().keys() == {"unexpected.txt"}


def test_fault_hang_lasts_until_the_server_is_closed(world: PackageWorld) -> None:
    answers: list[object] = []

    def ask(url: str) -> None:
        try:
            answers.append(_get(url))
        except OSError as error:
            answers.append(error)

    with PackageServer(world, Fault("hang", "/artifact/")) as server:
        asking = threading.Thread(target=ask, args=(server.url + world.artifact_path("lazy"),))
        asking.start()
        _until(lambda: server.requests)
        assert _get(f"{server.url}/registries")
        assert not answers
    asking.join(LIMIT)
    assert len(answers) == 1
    assert isinstance(answers[0], OSError)


@pytest.mark.parametrize(("kind", "prefix"), [("500", "/"), ("404", "package")])
def test_faults_that_are_none(kind: str, prefix: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(kind if kind == "500" else prefix))):
        Fault(kind, prefix)


def _until(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds, and fail where that takes so long that it never will."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# The command line


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.pkgserver", *arguments]


def test_command_line_serves_until_sigterm(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = _command("--root", str(tmp_path / "root"), "--port-file", str(port_file), "--many", "3")
    with subprocess.Popen(
        [*command, "--fault", "404:DiamondTop"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            _until(lambda: port_file.exists() or process.poll() is not None)
            url = f"http://127.0.0.1:{int(port_file.read_text())}"
            assert process.stdout.readline() == url + "\n"
            world = PackageWorld.generate(tmp_path / "same", many=3)
            assert _get(f"{url}/registries").decode() == world.registry_path + "\n"
            assert _status(url + world.package_path("DiamondTop")) == 404
            assert _get(url + world.package_path("Many003"))
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [("500", "unknown fault '500': it is one of 404, garbage"), ("404:Missing", "no package Missing")],
)
def test_command_line_refuses_an_unknown_fault(tmp_path: Path, fault: str, message: str) -> None:
    command = _command("--root", str(tmp_path / "root"), "--fault", fault)
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ended.returncode == 2
    assert f"--fault {fault}: {message}" in ended.stderr
    assert "Traceback" not in ended.stderr


# Julia installs from it

PACKAGES = [
    "DiamondTop",
    "DiamondBase",
    "WithArtifact",
    "WithBuild",
    "WithExtension",
    "Preferring",
    "RecordsDir",
    "NotPrecompilable",
]


@dataclass
class Session:
    """A Julia with a depot, a home and a project of its own, that reaches nothing but a package server."""

    julia: str
    version: tuple[int, int]
    folder: Path
    url: str

    def __post_init__(self) -> None:
        self.project.mkdir(parents=True)

    @property
    def depot(self) -> Path:
        return self.folder / "depot"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def environment(self) -> dict[str, str]:
        nowhere = "http://127.0.0.1:9"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            # The trailing colon keeps the standard library's own caches in sight.
            "JULIA_DEPOT_PATH": f"{self.depot}:",
            "JULIA_PKG_SERVER": self.url,
            "JULIA_PKG_PRECOMPILE_AUTO": "0",
            "http_proxy": nowhere,
            "https_proxy": nowhere,
            "no_proxy": "127.0.0.1",
        }

    def command(self, code: str) -> list[str]:
        return [self.julia, "--startup-file=no", f"--project={self.project}", "-e", code]

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(code), env=self.environment(), capture_output=True, text=True, timeout=LIMIT, check=False
        )

    def out(self, code: str) -> str:
        ended = self.run(code)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def error(self, code: str) -> str:
        ended = self.run(code)
        assert ended.returncode != 0, ended.stdout
        return ended.stderr


@pytest.fixture
def small_world(tmp_path: Path) -> PackageWorld:
    return PackageWorld.generate(tmp_path / "world", many=12, megabytes=1)


@pytest.fixture
def server(small_world: PackageWorld) -> Iterator[PackageServer]:
    with PackageServer(small_world) as server:
        yield server


@pytest.fixture
def new_session(julia: str, julia_version: Callable[[str], str], tmp_path: Path) -> Callable[[str], Session]:
    """Makes sessions of the Julia under test, each in an empty depot, for a server's URL."""
    major, minor, *_unused = julia_version(julia).split(".")
    numbers = itertools.count()
    return lambda url: Session(julia, (int(major), int(minor)), tmp_path / f"session{next(numbers)}", url)


@pytest.fixture
def session(new_session: Callable[[str], Session], server: PackageServer) -> Session:
    return new_session(server.url)


def _add(names: list[str]) -> str:
    return f"using Pkg; Pkg.add({json.dumps(names)})"


def test_julia_installs_and_uses_packages(session: Session, server: PackageServer) -> None:
    session.out(_add(PACKAGES))
    ordinary, lazy = (session.depot / "artifacts" / server.world.artifact(name).hash for name in ("ordinary", "lazy"))
    assert (ordinary / "data.txt").read_text() == "ordinary data\n"
    assert not lazy.exists()
    assert server.world.artifact_path("lazy") not in server.requests

    answers = session.out(
        f"""
        using {", ".join(PACKAGES)}
        answers = [DiamondTop.total(1, 2), release(), WithBuild.built_with() == VERSION,
                   WithExtension.describe(Point(1, 2)), Preferring.greeting(), NotPrecompilable.answer(),
                   RecordsDir.recorded() == dirname(pathof(RecordsDir)),
                   strip(WithArtifact.ordinary()), isdir({json.dumps(str(lazy))})]
        println(join(answers, '|'))
        """
    )
    extended = "a point" if session.version >= (1, 9) else "something"
    assert answers.strip() == f"3.0|1.1.0|true|{extended}|default|42|true|ordinary data|false"

    # Julia 1.5 says on stdout that it downloads.
    assert session.out("using WithArtifact; print(WithArtifact.lazy())").endswith("lazy data\n")
    assert (lazy / "data.txt").read_text() == "lazy data\n"
    assert server.world.artifact_path("lazy") in server.requests


def test_julia_instantiates_from_a_manifest(
    session: Session, server: PackageServer, new_session: Callable[[str], Session]
) -> None:
    session.out(_add(["DiamondTop", "WithArtifact"]))
    server.requests.clear()
    fresh = new_session(server.url)
    for file in ("Project.toml", "Manifest.toml"):
        shutil.copy(session.project / file, fresh.project)
    fresh.out("using Pkg; Pkg.instantiate(); using DiamondTop, WithArtifact")
    needed = {server.world.package_path(f"Diamond{part}") for part in ("Top", "Left", "Right", "Base")}
    needed |= {server.world.package_path("WithArtifact"), server.world.artifact_path("ordinary")}
    assert {path for path in server.requests if not path.startswith("/registr")} == needed


def test_julia_updates(session: Session, server: PackageServer) -> None:
    release = "using DiamondBase; print(release())"
    server.world.project(session.project, ["DiamondBase"], compat={"DiamondBase": "=1.0.0"})
    session.out("using Pkg; Pkg.instantiate()")
    assert session.out(release) == "1.0.0"
    server.world.project(session.project, ["DiamondBase"], compat={"DiamondBase": "1"})
    session.out("using Pkg; Pkg.update()")
    assert session.out(release) == "1.1.0"


def test_julia_heeds_a_preference(session: Session, server: PackageServer) -> None:
    server.world.project(session.project, ["Preferring"], preferences={"Preferring": {"greeting": "hello"}})
    greeting = session.out("using Pkg; Pkg.instantiate(); using Preferring; print(Preferring.greeting())")
    assert greeting == ("hello" if session.version >= (1, 6) else "default")


def test_julia_uses_a_local_package(session: Session, server: PackageServer) -> None:
    server.world.project(session.project, ["DiamondTop"], local={"Mine": ["DiamondBase"]})
    session.out(f"using Pkg; Pkg.develop(PackageSpec(path={json.dumps(str(session.project / 'Mine'))}))")
    assert session.out("using Mine, DiamondTop; print(Mine.whoami())") == "Mine"


def test_julia_compiles_many(session: Session, server: PackageServer) -> None:
    many = server.world.many
    session.out(_add(many))
    totals = session.out(f"using {', '.join(many)}; print(join([{', '.join(f'{n}.total()' for n in many)}], ' '))")
    expected = [0]
    for number in range(1, len(many) + 1):
        expected.append(number + sum(expected[needed] for needed in sorted({number // 2, number // 3})))
    assert totals == " ".join(map(str, expected[1:]))


def test_julia_reports_a_failure_to_precompile(session: Session) -> None:
    session.out(_add(["DependsOnFailing"]))
    assert FAILURE_MESSAGE in session.error("using DependsOnFailing")


def test_julia_prints_megabytes(session: Session) -> None:
    session.out(_add(["PrintsMegabytes"]))
    printed = session.run("using PrintsMegabytes")
    assert printed.returncode == 0
    assert len(printed.stdout) + len(printed.stderr) >= 2 * 10**6


def _running(command: list[str]) -> list[int]:
    """The ids of the processes with this very command line."""
    wanted = "".join(f"{word}\0" for word in command).encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cmdline").read_bytes() == wanted:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_julia_waits_and_so_does_the_child(new_session: Callable[[str], Session], tmp_path: Path) -> None:
    # Seconds of this run alone, so that its child is told from everybody else's.
    seconds = 10**6 + os.getpid()
    child = ["sleep", str(seconds)]
    world = PackageWorld.generate(tmp_path / "world", wait_seconds=seconds)
    with PackageServer(world) as server:
        session = new_session(server.url)
        session.out(_add(["WaitsForever"]))
    process = subprocess.Popen(
        session.command("using WaitsForever"),
        env=session.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _until(lambda: _running(child) or process.poll() is not None)
        assert process.poll() is None
        assert len(_running(child)) == 1
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(LIMIT)
        for left in _running(child):
            os.kill(left, signal.SIGKILL)


def test_julia_cannot_resolve_a_conflict(session: Session) -> None:
    session.out(_add(["ConflictA"]))
    error = session.error(_add(["ConflictA", "ConflictB"]))
    assert "Unsatisfiable requirements detected" in error
    assert "DiamondBase" in error


def test_julia_refuses_a_faulty_package_and_recovers(session: Session, server: PackageServer) -> None:
    for kind in ("404", "garbage", "truncate", "wrong-tree"):
        server.fault = Fault(kind, server.world.package_path("DiamondRight"))
        assert "DiamondRight" in session.error(_add(["DiamondTop"])), kind
    server.fault = None
    session.out(_add(["DiamondTop"]))
    assert session.out("using DiamondTop; print(DiamondTop.total(1, 2))") == "3.0"
