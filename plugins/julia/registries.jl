# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Registries in a depot of their own, so that none is published with the packages.

Pkg installs registries into the first depot, and where it finds none it clones General, even if nothing is needed
from it. So the depot path is changed while registries are added, and where nothing registered is needed an empty
registry stands in.
"""
module Registries

import Pkg
using Base: UUID
using ..Compat: Compat
using ..Environment: dependency_table, project_file
using ..Report: json

const GENERAL = "General"   # Pkg takes it from its package server where there is one
const EMPTY = "julia-depots-empty"
const EMPTY_REGISTRY = """
name = "$EMPTY"
uuid = "5b0b0f2c-9d8a-4a4e-8a53-6f0f5d1c2a7e"
repo = ""
description = "Stands in where no registered package is needed."

[packages]
"""

"Whether a project, or a local package that it takes from a folder, needs a package from a registry."
function are_needed(folder, seen=Set{String}())
    file = project_file(folder)
    (file in seen || !isfile(file)) && return false
    push!(seen, file)
    project = Compat.toml_file(file)
    sources = get(project, "sources", Dict())
    for (name, uuid) in dependency_table(project, folder)
        Pkg.Types.is_stdlib(UUID(uuid)) && continue
        source = get(sources, name, nothing)
        if source === nothing
            # A local package's own dependency may be local to the project that takes both.
            any(known -> name in local_names(known), seen) || return true
        elseif haskey(source, "path")
            are_needed(normpath(joinpath(folder, source["path"])), seen) && return true
        else
            return true
        end
    end
    return false
end

local_names(file) = keys(get(Compat.toml_file(file), "sources", Dict()))

"""
    prepare(depot, wanted, needed, update)

Make sure that `depot` holds the registries named by `wanted` (URLs, folders, or $GENERAL; empty: Julia's default), or
the empty one where none is needed. `update` brings those that are there up to date.

Each choice of registries has a depot of its own below `depot`, which takes its place in the depot path: an environment
must not find packages in a registry that only another one names.
"""
function prepare(depot, wanted, needed, update)
    own = place(depot, wanted)
    replace!(DEPOT_PATH, depot => own)
    fill_depot(own, wanted, needed, update)
    return nothing
end

place(depot, wanted) =
    isempty(wanted) ? depot : joinpath(depot, "of", string(Base._crc32c(join(wanted, '\n')), base=16, pad=8))

function fill_depot(depot, wanted, needed, update)
    folder = joinpath(depot, "registries")
    present = isdir(folder) ? filter(name -> name != EMPTY, readdir(folder)) : String[]
    if !needed
        isempty(present) && write_empty(folder)
        return nothing
    end
    rm(joinpath(folder, EMPTY), recursive=true, force=true)
    original = copy(DEPOT_PATH)
    filter!(path -> path != depot, DEPOT_PATH)
    pushfirst!(DEPOT_PATH, depot)
    try
        # From a package server a registry is two files, NAME.tar.gz and NAME.toml.
        if length(unique(first(split(name, '.')) for name in present)) < max(1, length(wanted))
            Pkg.Registry.add(Pkg.RegistrySpec[specification(name) for name in wanted])   # none: the default ones
        elseif update
            Pkg.Registry.update()
        end
    finally
        copy!(DEPOT_PATH, original)
    end
    return nothing
end

function specification(name)
    name == GENERAL && return Pkg.RegistrySpec(name=GENERAL, uuid=UUID("23338594-aafe-5451-b93e-139f81909106"),
                                               url="https://github.com/JuliaRegistries/General.git")
    return isdir(name) ? Pkg.RegistrySpec(path=name) : Pkg.RegistrySpec(url=name)
end

function write_empty(folder)
    path = joinpath(folder, EMPTY)
    mkpath(path)
    write(joinpath(path, "Registry.toml"), EMPTY_REGISTRY)
    return nothing
end

# --- A registry of what a depot holds

const NAMESPACE = UUID("0f4c5f0a-52a1-4e57-9f0c-7a4d51a3f7b1")

"""
    write_held(folder, name, held, source_folder)

Write a registry of these packages in the very versions that are installed, from their own project files, so that a
client can add them without a network. `source_folder` gives the folder of a package.

It names no repository: what it lists is installed wherever it is seen.
"""
function write_held(folder, name, held, source_folder)
    mkpath(folder)
    lines = String[]
    for package in sort(held, by=package -> (package.id.name, package.id.uuid))
        place = joinpath(package.id.name[1:1], package.id.name)
        push!(lines, "$(package.id.uuid) = { name = $(json(package.id.name)), path = $(json(place)) }")
        write_package(joinpath(folder, place), package, Compat.toml_file(project_file(source_folder(package))))
    end
    head = ["name" => name, "uuid" => string(Base.uuid5(NAMESPACE, name)), "repo" => "",
            "description" => "What the environment $name holds."]
    text = string(table("", head), "\n[packages]\n", join(lines, '\n'), '\n')
    write(joinpath(folder, "Registry.toml"), text)
    return nothing
end

function write_package(folder, package, project)
    version = package.version
    weak = get(project, "weakdeps", Dict())
    compat = Dict(name => ranges(entry) for (name, entry) in get(project, "compat", Dict()))
    deps = get(project, "deps", Dict())
    known(names) = [name => compat[name] for name in keys(names) if haskey(compat, name)]
    strong = haskey(compat, "julia") ? ["julia" => compat["julia"]] : Pair{String,Any}[]
    mkpath(folder)
    for (file, text) in (
        "Package.toml" => table("", ["name" => package.id.name, "uuid" => string(package.id.uuid), "repo" => ""]),
        "Versions.toml" => table(version, ["git-tree-sha1" => package.tree]),
        "Deps.toml" => table(version, [name => uuid for (name, uuid) in deps if !haskey(weak, name)]),
        "Compat.toml" => table(version, [strong; [pair for pair in known(deps) if !haskey(weak, first(pair))]]),
        "WeakDeps.toml" => table(version, collect(weak)),
        "WeakCompat.toml" => table(version, known(weak)),
    )
        isempty(text) || write(joinpath(folder, file), text)
    end
    return nothing
end

# An entry of [compat] may be a list.
ranges(entry::AbstractString) = Compat.version_ranges(Pkg, entry)
ranges(entries::AbstractVector) = reduce(vcat, map(ranges, entries))

"A table of TOML, sorted; empty where there are no entries. The top table has no name."
function table(name, entries)
    isempty(entries) && return ""
    head = isempty(name) ? "" : "[$(json(name))]\n"
    return string(head, (string(json(key), " = ", json(value), '\n') for (key, value) in sort!(collect(entries), by=first))...)
end

end
