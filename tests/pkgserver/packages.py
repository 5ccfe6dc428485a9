# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Julia packages of the tests, each of which shows one thing that packages do, on Julia 1.5 to 1.12."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .gittree import Blob, Tree, tarball, tree_hash

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://julia-depots.test/packages")

# Julia's standard library: stdlib/Pkg/Project.toml
STDLIB_UUIDS = {"Pkg": "44cfe95a-1eb2-52ea-b672-e2afdf69b78f"}

JULIA_COMPAT = "1.5"

# What FailsToPrecompile says, for tests to find in an error message.
FAILURE_MESSAGE = "FailsToPrecompile fails on purpose"


def uuid_of(name: str) -> str:
    """The UUID of a package: that of the standard library, or one made from the name alone."""
    return STDLIB_UUIDS.get(name) or str(uuid.uuid5(_NAMESPACE, name))


@dataclass(frozen=True)
class Artifact:
    """A folder that a package downloads beside its source."""

    name: str
    tree: Tree
    lazy: bool = False
    # Of the platform that it is for, as an Artifacts.toml names it: arch, os, libc. Empty: any.
    platform: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        return tree_hash(self.tree)

    def toml(self) -> str:
        """Its part of an Artifacts.toml.

        Pkg installs only what has a download entry, and turns to its URL after the package server; the URL
        points at nothing, so that a fault of the server is not made good from elsewhere.
        """
        head = f"[[{self.name}]]" if self.platform else f"[{self.name}]"
        platform = "".join(f"{key} = {json.dumps(value)}\n" for key, value in self.platform.items())
        sha256 = hashlib.sha256(tarball(self.tree)).hexdigest()
        return (
            f'{head}\n{platform}git-tree-sha1 = "{self.hash}"\nlazy = {json.dumps(self.lazy)}\n\n'
            f'    [[{self.name}.download]]\n    sha256 = "{sha256}"\n'
            f'    url = "file:///nonexistent/{self.name}.tar.gz"\n'
        )


@dataclass(frozen=True)
class Package:
    """One version of a package.

    ``deps`` and ``weakdeps`` give the compat entry for each dependency in Project.toml's spelling
    ("1", "1.2", "=1.0.0"), or None for the standard library. ``extensions`` maps an extension to its trigger.
    """

    name: str
    source: str
    version: str = "1.0.0"
    deps: Mapping[str, str | None] = field(default_factory=dict)
    weakdeps: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    files: Tree = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        return uuid_of(self.name)

    def compat(self) -> dict[str, str]:
        named = {name: spec for name, spec in {**self.deps, **self.weakdeps}.items() if spec is not None}
        return {**named, "julia": JULIA_COMPAT}

    def project_toml(self) -> str:
        parts = [f'name = "{self.name}"\nuuid = "{self.uuid}"\nversion = "{self.version}"\n']
        parts.append(toml_table("deps", {name: uuid_of(name) for name in self.deps}))
        parts.append(toml_table("weakdeps", {name: uuid_of(name) for name in self.weakdeps}))
        parts.append(toml_table("extensions", self.extensions))
        parts.append(toml_table("compat", self.compat()))
        return "\n".join(part for part in parts if part)

    def tree(self) -> dict[str, Blob]:
        tree = {
            "Project.toml": Blob.text(self.project_toml()),
            f"src/{self.name}.jl": Blob.text(self.source),
            **self.files,
        }
        if self.artifacts:
            tree["Artifacts.toml"] = Blob.text("\n".join(artifact.toml() for artifact in self.artifacts))
        return tree


def toml_table(name: str, entries: Mapping[str, str]) -> str:
    """A TOML table of strings, sorted; nothing where there are none. The top table's ``name`` is empty."""
    if not entries:
        return ""
    head = f"[{name}]\n" if name else ""
    return head + "".join(f"{key} = {json.dumps(entries[key])}\n" for key in sorted(entries))


def _diamond() -> Iterator[Package]:
    for version in ("1.0.0", "1.1.0"):
        yield Package(
            "DiamondBase",
            f"""\
module DiamondBase

export Point, release

struct Point
    x::Float64
    y::Float64
end

"The version of this package."
release() = v"{version}"

norm2(p::Point) = p.x^2 + p.y^2

precompile(norm2, (Point,))

end
""",
            version=version,
        )
    for side, axis in (("Left", "x"), ("Right", "y")):
        yield Package(
            f"Diamond{side}",
            f"""\
module Diamond{side}

using DiamondBase

{side.lower()}(p::Point) = p.{axis}

precompile({side.lower()}, (Point,))

end
""",
            deps={"DiamondBase": "1"},
        )
    yield Package(
        "DiamondTop",
        """\
module DiamondTop

using DiamondBase, DiamondLeft, DiamondRight

total(x, y) = (p = Point(x, y); DiamondLeft.left(p) + DiamondRight.right(p))

precompile(total, (Float64, Float64))

end
""",
        deps={"DiamondBase": "1", "DiamondLeft": "1", "DiamondRight": "1"},
    )


def _preferring() -> Package:
    return Package(
        "Preferring",
        f"""\
module Preferring

# Preferences came with Julia 1.6. What is read while compiling has to be recorded: only then does a change
# make the cache stale.
@static if isdefined(Base, :get_preferences)
    const uuid = Base.UUID("{uuid_of("Preferring")}")
    Base.record_compiletime_preference(uuid, "greeting")
    const GREETING = get(Base.get_preferences(uuid), "greeting", "default")::String
else
    const GREETING = "default"
end

"The preference `greeting` as it was when this package was compiled."
greeting() = GREETING

end
""",
    )


def _with_artifact() -> Package:
    return Package(
        "WithArtifact",
        """\
module WithArtifact

# Every Julia has Pkg.Artifacts, while Artifacts is in the standard library from 1.6 on. With Pkg in scope a
# lazy artifact needs no LazyArtifacts.
using Pkg
using Pkg.Artifacts: @artifact_str

ordinary() = read(joinpath(artifact"ordinary", "data.txt"), String)

"Downloads the artifact at the first call."
lazy() = read(joinpath(artifact"lazy", "data.txt"), String)

end
""",
        deps={"Pkg": None},
        artifacts=(
            Artifact("ordinary", {"data.txt": Blob.text("ordinary data\n")}),
            Artifact("lazy", {"data.txt": Blob.text("lazy data\n")}, lazy=True),
        ),
    )


# Of both architectures that the tests know.
PLATFORMS = {arch: {"arch": arch, "os": "linux", "libc": "glibc"} for arch in ("x86_64", "aarch64")}


def _for_platforms() -> Iterator[Package]:
    """One package with an artifact for each platform, and one whose own program chooses it (Julia 1.7 and later)."""
    yield Package(
        "ForPlatforms",
        """\
module ForPlatforms

using Pkg
using Pkg.Artifacts: @artifact_str

data() = read(joinpath(artifact"library", "data.txt"), String)

end
""",
        deps={"Pkg": None},
        artifacts=tuple(
            Artifact("library", {"data.txt": Blob.text(f"library for {arch}\n")}, platform=platform)
            for arch, platform in PLATFORMS.items()
        ),
    )
    yield Package(
        "ChoosesArtifact",
        "module ChoosesArtifact\n\nend\n",
        artifacts=tuple(
            Artifact(f"{kind}_{arch}", {"data.txt": Blob.text(f"{kind} for {arch}\n")}, platform=platform)
            for kind in ("fast", "slow")
            for arch, platform in PLATFORMS.items()
        ),
        files={
            ".pkg/select_artifacts.jl": Blob.text("""\
using Artifacts, Base.BinaryPlatforms, TOML

# As programs do that look for a processor's features, or a graphics card: it takes one of several.
platform = parse(Platform, ARGS[1])
toml = joinpath(@__DIR__, "..", "Artifacts.toml")
name = "fast_$(arch(platform))"
TOML.print(stdout, Dict(name => Artifacts.artifact_meta(name, toml; platform=platform)))
""")
        },
    )


def _with_much_beside() -> Iterator[Package]:
    """Packages with tests and documentation, of which one needs a file of its tests when it is compiled."""
    beside = {
        "test/runtests.jl": Blob.text("using Test\n" + "# filler\n" * 500),
        "docs/make.jl": Blob.text("# documentation\n" * 300),
        "docs/src/index.md": Blob.text("# Manual\n" * 100),
    }
    yield Package("WithMuchBeside", "module WithMuchBeside\n\nanswer() = 42\n\nend\n", files=beside)
    yield Package(
        "NeedsItsTests",
        'module NeedsItsTests\n\ninclude(joinpath(@__DIR__, "..", "test", "shared.jl"))\n\nend\n',
        files={**beside, "test/shared.jl": Blob.text('shared() = "shared with the tests"\n')},
    )


def _with_build() -> Package:
    return Package(
        "WithBuild",
        """\
module WithBuild

const DEPS = joinpath(@__DIR__, "..", "deps", "deps.jl")
isfile(DEPS) || error("WithBuild is not built: run Pkg.build(\\"WithBuild\\")")
include(DEPS)

built_with() = BUILT_WITH

end
""",
        files={
            "deps/build.jl": Blob.text("""\
println("WithBuild is being built")
write(joinpath(@__DIR__, "deps.jl"), "const BUILT_WITH = v\\"$VERSION\\"\\n")
""")
        },
    )


def _with_extension() -> Package:
    return Package(
        "WithExtension",
        """\
module WithExtension

"Has a better answer for a DiamondBase.Point where Julia knows extensions (1.9 and later)."
describe(x) = "something"

end
""",
        weakdeps={"DiamondBase": "1"},
        extensions={"WithExtensionDiamondBaseExt": "DiamondBase"},
        files={
            "ext/WithExtensionDiamondBaseExt.jl": Blob.text("""\
module WithExtensionDiamondBaseExt

using WithExtension, DiamondBase

WithExtension.describe(p::DiamondBase.Point) = "a point"

end
""")
        },
    )


def _failing() -> Iterator[Package]:
    yield Package(
        "FailsToPrecompile",
        f"""\
module FailsToPrecompile

error("{FAILURE_MESSAGE}")

end
""",
    )
    yield Package(
        "DependsOnFailing",
        """\
module DependsOnFailing

using FailsToPrecompile

end
""",
        deps={"FailsToPrecompile": "1"},
    )


def _prints_megabytes(megabytes: int) -> Package:
    return Package(
        "PrintsMegabytes",
        f"""\
module PrintsMegabytes

const MEGABYTES = {megabytes}

# Lines of 100 bytes; a megabyte is 10^6 bytes, to each of the two streams.
let line = "x"^99
    for _ in 1:(MEGABYTES * 10_000)
        println(stdout, line)
        println(stderr, line)
    end
end

end
""",
    )


def _waits_forever(seconds: int) -> Package:
    return Package(
        "WaitsForever",
        f"""\
module WaitsForever

const SECONDS = {seconds}

# The child keeps this process's output open, as a careless package's would: whoever kills only this process
# goes on waiting for the end of its output.
let
    run(pipeline(`sleep $SECONDS`; stdout=stdout, stderr=stderr); wait=false)
    sleep(SECONDS)
end

end
""",
    )


def _records_dir() -> Package:
    return Package(
        "RecordsDir",
        """\
module RecordsDir

const DIR = @__DIR__

"The folder of this source file when the package was compiled."
recorded() = DIR

end
""",
    )


def _not_precompilable() -> Package:
    return Package(
        "NotPrecompilable",
        """\
__precompile__(false)

module NotPrecompilable

answer() = 42

end
""",
    )


def _conflicting() -> Iterator[Package]:
    for letter, base in (("A", "=1.0.0"), ("B", "=1.1.0")):
        yield Package(
            f"Conflict{letter}",
            f"""\
module Conflict{letter}

using DiamondBase

end
""",
            deps={"DiamondBase": base},
        )


def many_name(number: int) -> str:
    return f"Many{number:03d}"


def _many(count: int) -> Iterator[Package]:
    """``count`` small packages; number i needs i//2 and i//3, which makes a DAG of logarithmic depth."""
    for number in range(1, count + 1):
        needs = [many_name(n) for n in sorted({number // 2, number // 3} - {0})]
        using = f"using {', '.join(needs)}\n\n" if needs else ""
        total = " + ".join([str(number), *(f"{name}.total()" for name in needs)])
        name = many_name(number)
        yield Package(
            name,
            f"module {name}\n\n{using}total() = {total}\n\nprecompile(total, ())\n\nend\n",
            deps=dict.fromkeys(needs, "1"),
        )


def all_packages(many: int, wait_seconds: int, megabytes: int) -> list[Package]:
    """Every package in every version, by name and version."""
    packages = [
        *_diamond(),
        _preferring(),
        _with_artifact(),
        *_for_platforms(),
        *_with_much_beside(),
        _with_build(),
        _with_extension(),
        *_failing(),
        _prints_megabytes(megabytes),
        _waits_forever(wait_seconds),
        _records_dir(),
        _not_precompilable(),
        *_conflicting(),
        *_many(many),
    ]
    return sorted(packages, key=lambda package: (package.name, package.version))
