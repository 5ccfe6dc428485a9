# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Tests of the modules that the Julia programs share.
# usage: julia --startup-file=no tests/julia/runtests.jl

using Random, Test
using Base: PkgId, UUID

const PROGRAMS = normpath(joinpath(@__DIR__, "..", "..", "plugins", "julia"))
for name in ("compat.jl", "report.jl", "environment.jl", "registries.jl", "slimming.jl", "seeding.jl")
    include(joinpath(PROGRAMS, name))
end

const RANDOM = MersenneTwister(20260101)
const HAS_EXTENSIONS = VERSION >= v"1.9-"

"A UUID for a letter or a short name."
id(name) = string(UUID(UInt128(sum(UInt(char) << (8 * (i - 1)) for (i, char) in enumerate(name)))))
package(name) = PkgId(UUID(id(name)), name)
const PRINTF = "de0858da-6303-5e67-8744-51eddeeeb8d7"

"Write files (name => text) into a new folder and hand it to the action."
function with_files(action, files...)
    mktempdir() do folder
        for (name, text) in files
            mkpath(dirname(joinpath(folder, name)))
            write(joinpath(folder, name), text)
        end
        action(folder)
    end
end

project(names...) = string("[deps]\n", ("$name = \"$(id(name))\"\n" for name in names)...)
entry(name, fields="") = "uuid = \"$(id(name))\"\nversion = \"1.2.3\"\n$fields\n"

"A lock in either format, of entries (name => text)."
function lock(format, entries...)
    head = format == 2 ? "julia_version = \"$VERSION\"\nmanifest_format = \"2.0\"\n" : ""
    table = format == 2 ? "deps." : ""
    return string(head, ("\n[[$table$name]]\n$text" for (name, text) in entries)...)
end

ids(found) = [item.id for item in found]
position(found, wanted) = findfirst(==(wanted), ids(found))

# A dictionary's order is its own.
unordered(found) = Set((item.id, Set(item.needs), item.parent, item.path, item.tree, item.version) for item in found)

@testset "The modules that the programs share" begin

@testset "JSON" begin
    @test Report.json("plain") == "\"plain\""
    @test Report.json("a\"b\\c") == "\"a\\\"b\\\\c\""
    @test Report.json("line\nnext\ttab\e[0m\x7f") == "\"line\\u000anext\\u0009tab\\u001b[0m\\u007f\""
    @test Report.json("grüß 🙂 \u2028") == "\"grüß 🙂 \u2028\""
    @test Report.json(String(UInt8['a', 0xff, 0xc3, 'b'])) == "\"a\\ufffd\\ufffdb\""
    @test Report.json(SubString("inside", 1, 2)) == "\"in\""
    @test Report.json(:symbol) == "\"symbol\""
    @test Report.json(true) == "true"
    @test Report.json(nothing) == "null"
    @test Report.json(UInt8(200)) == "200"
    @test Report.json(-3) == "-3"
    @test Report.json(1.5) == "1.5"
    @test Report.json(1 / 3) == "0.333333"
    @test Report.json(1e300) == "1.0e300"
    @test Report.json(2.5f0) == "2.5"
    @test Report.json(NaN) == Report.json(-Inf) == "null"
    @test Report.json([]) == "[]"
    @test Report.json(["a", 1, nothing, [2.0]]) == "[\"a\",1,null,[2.0]]"
    @test Report.json((1, "b")) == "[1,\"b\"]"
    @test Report.json((name="x", list=[1])) == "{\"name\":\"x\",\"list\":[1]}"
    @test Report.json(Dict("a\n" => true)) == "{\"a\\u000a\":true}"
end

@testset "JSON strings say what they were made of" begin
    # A JSON string without \/ is a TOML string too, and TOML has a reader here.
    alphabet = ['a', ' ', '"', '\\', '\n', '\r', '\t', '\b', '\0', '\x1f', '\x7f', '\u80', 'ß', '\u2028', '🙂', '#', '=']
    for _ in 1:300
        text = String(rand(RANDOM, alphabet, rand(RANDOM, 0:12)))
        with_files("x.toml" => "x = $(Report.json(text))\n") do folder
            @test Compat.toml_file(joinpath(folder, "x.toml"))["x"] == text
        end
    end
end

@testset "Requests and events" begin
    with_files("request.toml" => "project = \"/a b/ü\"\ntasks = 2\ndry_run = false\nonly = [\"x\", \"y\"]\n") do folder
        request, events = joinpath(folder, "request.toml"), joinpath(folder, "events.jsonl")
        open(io -> println(io, "events = ", Report.json(events)), request, "a")
        write(events, "{\"event\":\"earlier\"}\n")
        arguments = copy(ARGS)
        try
            copy!(ARGS, [request])
            read = Report.read_request()
            @test read["project"] == "/a b/ü"
            @test read["tasks"] === Int64(2)
            @test read["dry_run"] === false
            @test read["only"] == ["x", "y"]
            Report.emit(:package, package="A", error="two\nlines", seconds=0.25)
            # It is in the file at once, each event on one line.
            @test readlines(events) == [
                "{\"event\":\"earlier\"}",
                "{\"event\":\"package\",\"package\":\"A\",\"error\":\"two\\u000alines\",\"seconds\":0.25}",
            ]
            Report.emit("done")
            @test last(readlines(events)) == "{\"event\":\"done\"}"
            close(Report.EVENTS[])
            for wrong in ([], [request, request])
                copy!(ARGS, wrong)
                @test_throws ErrorException Report.read_request()
            end
        finally
            copy!(ARGS, arguments)
        end
    end
end

@testset "Project files" begin
    with_files("Project.toml" => project("B", "A"), "JuliaProject.toml" => project("C")) do folder
        @test Environment.project_file(folder) == joinpath(folder, "JuliaProject.toml")
        @test Environment.direct_dependencies(folder) == [package("C")]
        rm(joinpath(folder, "JuliaProject.toml"))
        @test Environment.direct_dependencies(folder) == [package("A"), package("B")]
    end
    with_files("Project.toml" => "name = \"Own\"\nuuid = \"$(id("Own"))\"\n") do folder
        @test Environment.direct_dependencies(folder) == [package("Own")]
    end
    with_files() do folder
        @test Environment.project_file(folder) == joinpath(folder, "Project.toml")
    end
    with_files("Project.toml" => "[deps\n") do folder
        error = try
            Environment.direct_dependencies(folder)
        catch err
            sprint(showerror, err)
        end
        @test occursin(joinpath(folder, "Project.toml"), error)
    end
end

@testset "Names of locks" begin
    own = "Manifest-v$(VERSION.major).$(VERSION.minor).toml"
    with_files("Manifest.toml" => "", own => "", "Manifest-v0.7.toml" => "") do folder
        name = own in Base.manifest_names ? own : "Manifest.toml"
        @test Compat.manifest_path(folder) == joinpath(folder, name)
        write(joinpath(folder, "Julia$name"), "")
        @test Compat.manifest_path(folder) == joinpath(folder, "Julia$name")
    end
    with_files("Project.toml" => "") do folder
        @test Compat.manifest_path(folder) == joinpath(folder, "Manifest.toml")
    end
end

@testset "Packages of a lock, format $format" for format in 1:2
    with_files(
        "Project.toml" => project("Top"),
        "Manifest.toml" => lock(
            format,
            "Base" => entry("Base", "git-tree-sha1 = \"$(repeat("0a", 20))\""),
            "Left" => entry("Left", "deps = [\"Base\"]"),
            "Printf" => "uuid = \"$PRINTF\"\n",
            "Right" => entry("Right", "deps = [\"Base\", \"Printf\"]\npath = \"Right\""),
            "Top" => entry("Top", "deps = [\"Left\", \"Right\"]"),
        ),
    ) do folder
        found = Environment.packages(folder)
        @test Set(ids(found)) == Set([package.(["Base", "Left", "Right", "Top"]); PkgId(UUID(PRINTF), "Printf")])
        for item in found, need in item.needs
            @test position(found, need) < position(found, item.id)
        end
        base, right = found[position(found, package("Base"))], found[position(found, package("Right"))]
        @test (base.tree, base.path, base.version, base.parent) == (repeat("0a", 20), nothing, "1.2.3", nothing)
        @test (right.tree, right.path) == (nothing, "Right")
        @test Set(right.needs) == Set([package("Base"), PkgId(UUID(PRINTF), "Printf")])
        @test found[position(found, PkgId(UUID(PRINTF), "Printf"))].version === nothing
    end
end

@testset "A lock without packages, format $format" for format in 1:2
    with_files("Project.toml" => "", "Manifest.toml" => lock(format)) do folder
        @test isempty(Environment.packages(folder))
    end
end

@testset "Names that are not unique, format $format" for format in 1:2
    other = id("other")
    with_files(
        "Project.toml" => project("Twin", "User"),
        "Manifest.toml" => lock(
            format,
            "Twin" => entry("Twin"),
            "Twin" => "uuid = \"$other\"\n",
            "User" => "$(entry("User"))\n    [$(format == 2 ? "deps." : "")User.deps]\n    Twin = \"$other\"\n",
        ),
    ) do folder
        found = Environment.packages(folder)
        @test Set(ids(found)) == Set([package("Twin"), PkgId(UUID(other), "Twin"), package("User")])
        @test found[position(found, package("User"))].needs == [PkgId(UUID(other), "Twin")]
    end
end

@testset "Cycles" begin
    with_files(
        "Project.toml" => project("A"),
        "Manifest.toml" => lock(
            2,
            "A" => entry("A", "deps = [\"B\"]"),
            "B" => entry("B", "deps = [\"C\"]"),
            "C" => entry("C", "deps = [\"A\", \"D\"]"),
            "D" => entry("D"),
        ),
    ) do folder
        found = Environment.packages(folder)
        @test sort(ids(found), by=pkg -> pkg.name) == package.(["A", "B", "C", "D"])
        @test position(found, package("D")) < position(found, package("C"))
    end
end

@testset "Orders of random graphs" begin
    for _ in 1:40
        names = ["P$number" for number in 1:rand(RANDOM, 1:12)]
        needs = Dict(names[i] => [names[j] for j in 1:i-1 if rand(RANDOM) < 0.3] for i in eachindex(names))
        entries = [name => entry(name, "deps = $(Report.json(needs[name]))") for name in shuffle(RANDOM, names)]
        found = map(1:2) do format
            with_files("Project.toml" => project(last(names)), "Manifest.toml" => lock(format, entries...)) do folder
                Environment.packages(folder)
            end
        end
        @test unordered(found[1]) == unordered(found[2])
        @test sort([item.id.name for item in found[1]]) == sort(names)
        @test all(position(found[1], need) < position(found[1], item.id) for item in found[1] for need in item.needs)
    end
end

@testset "Extensions" begin
    with_files(
        "Project.toml" => project("Host", "One", "Two"),
        "Manifest.toml" => lock(
            2,
            "Host" => entry("Host", """
                weakdeps = ["Absent", "One", "Two"]

                    [deps.Host.extensions]
                    AbsentExt = ["Absent", "One"]
                    BothExt = ["One", "Two"]
                    OneExt = "One"
                """),
            "One" => entry("One"),
            "Two" => entry("Two", "deps = [\"Host\"]"),
        ),
    ) do folder
        found = Environment.packages(folder)
        extensions = [item for item in found if item.parent !== nothing]
        @test Set(item.id.name for item in extensions) == Set(HAS_EXTENSIONS ? ["BothExt", "OneExt"] : [])
        for item in extensions
            @test item.parent == package("Host")
            @test item.id == Compat.extension_id(package("Host"), item.id.name)
            @test package("Host") in item.needs
            @test all(position(found, need) < position(found, item.id) for need in item.needs)
        end
        HAS_EXTENSIONS || @test length(found) == 3
    end
end

@testset "A project that is a package" begin
    with_files(
        "Project.toml" => "name = \"Own\"\nuuid = \"$(id("Own"))\"\nversion = \"0.1.0\"\n$(project("Dep"))",
        "Manifest.toml" => lock(2, "Dep" => entry("Dep")),
    ) do folder
        found = Environment.packages(folder)
        @test ids(found) == [package("Dep"), package("Own")]
        @test last(found).needs == [package("Dep")]
        @test last(found).path == "."
    end
end

@testset "Whether registries are needed" begin
    needed(files...) = with_files(Registries.are_needed, files...)
    sources(name, where) = "\n[sources]\n$name = {$where}\n"
    local_package(name, deps...) = "name = \"$name\"\nuuid = \"$(id(name))\"\n$(project(deps...))"
    standard = "Printf = \"$PRINTF\"\n"

    @test !needed()
    @test !needed("Project.toml" => "")
    @test !needed("Project.toml" => project() * standard)
    @test needed("Project.toml" => project("Registered"))
    @test needed("Project.toml" => project("A") * sources("A", "url = \"https://example.org/A.jl\""))
    @test !needed(
        "Project.toml" => project("A") * sources("A", "path = \"A\""),
        "A/Project.toml" => local_package("A") * standard,
    )
    @test needed(
        "Project.toml" => project("A") * sources("A", "path = \"A\""),
        "A/Project.toml" => local_package("A", "Registered"),
    )
    @testset "a local package needs another one" begin
        @test !needed(
            "Project.toml" => project("A", "B") * sources("A", "path = \"A\"") * "B = {path = \"B\"}\n",
            "A/Project.toml" => local_package("A", "B"),
            "B/JuliaProject.toml" => local_package("B", "A"),
        )
    end
end

"Prepare the registries as a request asks for; the folder that they are in."
function prepared(depot, wanted, needed)
    before = copy(DEPOT_PATH)
    try
        push!(DEPOT_PATH, depot)
        Registries.prepare(depot, wanted, needed, false)
        return joinpath(only_new(before), "registries")
    finally
        copy!(DEPOT_PATH, before)
    end
end

function only_new(before)
    new = setdiff(DEPOT_PATH, before)
    @test length(new) == 1
    return first(new)
end

@testset "Registries where none is needed" begin
    mktempdir() do depot
        folder = prepared(depot, ["https://example.org/Registry.git"], false)
        @test readdir(folder) == [Registries.EMPTY]
        toml = Compat.toml_file(joinpath(folder, Registries.EMPTY, "Registry.toml"))
        @test toml["name"] == Registries.EMPTY
        @test isempty(toml["packages"])
    end
end

@testset "Registries that are there, and those of another choice" begin
    registry = "name = \"Mine\"\nuuid = \"$(id("Mine"))\"\nrepo = \"file:///nowhere\"\n\n[packages]\n"
    with_files("Registry.toml" => registry) do source
        mktempdir() do depot
            @test readdir(prepared(depot, [source], false)) == [Registries.EMPTY]
            mine = prepared(depot, [source], true)
            @test readdir(mine) == ["Mine"]
            @test isfile(joinpath(mine, "Mine", "Registry.toml"))
            # What is there stays until it is to be brought up to date.
            @test prepared(depot, [source], false) == mine
            @test readdir(mine) == ["Mine"]
            @test readdir(prepared(depot, [], false)) == [Registries.EMPTY]
        end
    end
end

@testset "Artifact files" begin
    @test with_files(Compat.artifact_file) === nothing
    with_files("Artifacts.toml" => "", "JuliaArtifacts.toml" => "") do folder
        @test Compat.artifact_file(folder) == joinpath(folder, "JuliaArtifacts.toml")
    end
end

@testset "What a build script made is taken away until the rest has the hash" begin
    with_files("src/A.jl" => "module A end", "deps/build.jl" => "") do folder
        hash = Seeding.tree_of(folder)
        write(joinpath(folder, "deps", "deps.jl"), "made")
        mkpath(joinpath(folder, "deps", "usr"))
        write(joinpath(folder, "deps", "usr", "library"), "made as well")
        @test !Seeding.has_tree(folder, hash)
        @test Seeding.unbuild(folder, hash)
        @test Seeding.has_tree(folder, hash)
        @test !ispath(joinpath(folder, "deps", "deps.jl"))
    end
    with_files("src/A.jl" => "module A end", "deps/build.jl" => "") do folder
        hash = Seeding.tree_of(folder)
        write(joinpath(folder, "src", "A.jl"), "changed")
        @test !Seeding.unbuild(folder, hash)
    end
    with_files(folder -> (@test !Seeding.unbuild(folder, "0"^40)), "src/A.jl" => "")
end

@testset "A folder is placed whole or not at all" begin
    with_files("from/a/b" => "text", "from/c" => "more") do folder
        from, to = joinpath(folder, "from"), joinpath(folder, "deep", "to")
        hash = Seeding.tree_of(from)
        @test !Seeding.place(place -> Seeding.has_tree(place, "0"^40), from, to)
        @test readdir(joinpath(folder, "deep")) == []
        @test !Seeding.place(place -> true, joinpath(folder, "absent"), to)
        @test Seeding.place(place -> Seeding.has_tree(place, hash), from, to)
        @test readdir(joinpath(folder, "deep")) == ["to"]
        @test Seeding.has_tree(to, hash)
        @test mtime(joinpath(to, "c")) == mtime(joinpath(from, "c"))
        @test Seeding.bytes(to) == 8
    end
end

@testset "The record of what a depot lacks" begin
    mktempdir() do depot
        @test isempty(Slimming.read_record(depot))
        entries = Dict(name => Dict("parts" => ["docs", "tests"], "tree" => "0"^40, "bytes" => 12)
                       for name in ("packages/A/\"odd\"", "packages/B/xyz"))
        for (name, entry) in entries
            Slimming.add_record(depot, name, entry)
        end
        @test Slimming.read_record(depot) == entries
    end
end

@testset "Tables of a registry" begin
    @test Registries.table("1.0.0", Pair{String,String}[]) == ""
    @test Registries.table("", ["b" => "2", "a" => ["1", "1.2"]]) == "\"a\" = [\"1\",\"1.2\"]\n\"b\" = \"2\"\n"
    @test Registries.table("1.0.0", ["a" => "1"]) == "[\"1.0.0\"]\n\"a\" = \"1\"\n"
    for (entry, inside, outside) in (("1.2", v"1.9.0", v"2.0.0"), ("=1.2.3", v"1.2.3", v"1.2.4"),
                                     ("0.3, 1", v"1.5.0", v"0.4.0"), (["0.3", "1"], v"0.3.2", v"0.4.0"))
        ranges = Registries.Pkg.Types.VersionSpec(Registries.ranges(entry))
        @test inside in ranges
        @test !(outside in ranges)
    end
end

@testset "Files of a cache" begin
    with_files("one.ji" => "", "two.ji" => "", "two.so" => "") do folder
        @test Compat.cache_files(joinpath(folder, "one.ji")) == [joinpath(folder, "one.ji")]
        @test Compat.cache_files(joinpath(folder, "two.ji")) == joinpath.(folder, ["two.ji", "two.so"])
        @test isempty(Compat.image_targets(joinpath(folder, "one.ji")))
    end
end

@testset "This Julia" begin
    @test occursin(r"^[0-9a-f]{16,}$", Compat.build_identity())
    @test Compat.in_sysimage(PkgId(Base))
    @test !Compat.in_sysimage(package("Nobody"))
    @test Compat.max_tasks(3) == (VERSION >= v"1.6-" ? 3 : 1)
end

end
