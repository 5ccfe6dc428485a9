# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"The packages that a lock names, and how they need each other."
module Environment

export Package, project_file, direct_dependencies, locked, packages

using Base: PkgId, UUID
using ..Compat: Compat

"""
One package, or one extension of a package, that the lock lets a session load.

`needs` are the ids that must be compiled before it; `parent` is the package that an extension belongs to; `from_git`:
it comes from a repository of its own and not from a registry.
"""
struct Package
    id::PkgId
    needs::Vector{PkgId}
    parent::Union{PkgId,Nothing}
    path::Union{String,Nothing}
    tree::Union{String,Nothing}
    version::Union{String,Nothing}
    from_git::Bool
end

"The project file of a folder, by the names that Julia accepts (`Base.project_names`)."
project_file(folder) =
    something(Compat.first_file(folder, Base.project_names), joinpath(folder, "Project.toml"))

"The ids under [deps] of a project, and of the project itself where it is a package, by name."
function direct_dependencies(folder)
    project = Compat.toml_file(project_file(folder))
    table = Dict{String,Any}(dependency_table(project, folder))
    if haskey(project, "name") && haskey(project, "uuid")
        table[project["name"]] = project["uuid"]
    end
    found = PkgId[]
    for name in sort!(collect(keys(table)))
        push!(found, PkgId(UUID(table[name]), name))
    end
    return found
end

"The table [deps] of a project."
function dependency_table(project, folder)
    table = get(project, "deps", Dict())
    table isa AbstractDict || error("$(project_file(folder)): deps is not a table of names and UUIDs")
    return table
end

"""
    packages(folder) -> Vector{Package}

Everything that the lock of a project folder names, with the extensions whose triggers it holds, each after
what it needs (as far as there is no cycle).
"""
function packages(folder)
    entries = lock_entries(Compat.manifest_path(folder))
    project = Compat.toml_file(project_file(folder))
    if haskey(project, "name") && haskey(project, "uuid")
        push!(entries, (name=project["name"], info=merge(project, Dict{String,Any}("path" => "."))))
    end
    ids = Dict(entry.info["uuid"] => PkgId(UUID(entry.info["uuid"]), entry.name) for entry in entries)
    by_name = Dict(entry.name => ids[entry.info["uuid"]] for entry in entries)
    found = Package[]
    for (name, info) in entries
        id = ids[info["uuid"]]
        needs = dependency_ids(get(info, "deps", String[]), by_name, ids)
        push!(found, Package(id, needs, nothing, get(info, "path", nothing), get(info, "git-tree-sha1", nothing),
                             get(info, "version", nothing), haskey(info, "repo-url")))
        Compat.HAS_NATIVE_CODE || continue   # extensions came with the same release
        for (extension, triggers) in get(info, "extensions", Dict())
            wanted = triggers isa AbstractString ? [triggers] : triggers
            all(trigger -> haskey(by_name, trigger), wanted) || continue
            push!(found, Package(Compat.extension_id(id, extension),
                                 [id; PkgId[by_name[trigger] for trigger in wanted]], id, nothing, nothing, nothing,
                                 false))
        end
    end
    return in_order(found)
end

# Every node is proved with this, so here are loops and not comprehensions: those take Julia much longer to compile.
const Entry = NamedTuple{(:name, :info),Tuple{String,Dict{String,Any}}}

"The entries of a lock in either format: tables of arrays at the top (1.0), or below `deps` (2.0)."
function lock_entries(file)
    lock = Compat.toml_file(file)
    tables = haskey(lock, "manifest_format") ? get(lock, "deps", Dict()) : lock
    entries = Entry[]
    for name in sort!(collect(keys(tables)))
        tables[name] isa AbstractVector || continue
        for info in tables[name]
            push!(entries, (name=name, info=info))
        end
    end
    return entries
end

"The ids of all that the lock of a folder names, by name, without extensions."
locked(folder) = PkgId[PkgId(UUID(entry.info["uuid"]), entry.name) for entry in lock_entries(Compat.manifest_path(folder))]

# Dependencies are a list of names, or, where a name is not unique, a table of names and ids.
dependency_ids(names::AbstractVector, by_name, ids) = PkgId[by_name[name] for name in names if haskey(by_name, name)]
dependency_ids(table::AbstractDict, by_name, ids) = PkgId[ids[uuid] for uuid in values(table) if haskey(ids, uuid)]

function in_order(found)
    by_id = Dict(package.id => package for package in found)
    ordered = Package[]
    seen = Set{PkgId}()
    function visit(package)
        package.id in seen && return
        push!(seen, package.id)
        foreach(need -> haskey(by_id, need) && visit(by_id[need]), package.needs)
        push!(ordered, package)
    end
    foreach(visit, found)
    return ordered
end

end
