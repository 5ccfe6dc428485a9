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

Make sure that `depot` holds the registries named by `wanted` (URLs or folders; empty: Julia's default), or the empty
one where none is needed. `update` brings those that are there up to date.
"""
function prepare(depot, wanted, needed, update)
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
        if isempty(present)
            Pkg.Registry.add(Pkg.RegistrySpec[specification(name) for name in wanted])   # none: the default ones
        elseif update
            Pkg.Registry.update()
        end
    finally
        copy!(DEPOT_PATH, original)
    end
    return nothing
end

specification(name) = isdir(name) ? Pkg.RegistrySpec(path=name) : Pkg.RegistrySpec(url=name)

function write_empty(folder)
    path = joinpath(folder, EMPTY)
    mkpath(path)
    write(joinpath(path, "Registry.toml"), EMPTY_REGISTRY)
    return nothing
end

end
