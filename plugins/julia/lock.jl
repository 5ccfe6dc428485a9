# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Resolves a project and leaves the lock beside its project file.
#
# Request: project (a copy of the folder that may be written to), registries_depot (folder), registries (URLs),
# update (bring registries and packages up to date; else what a lock already pins stays).
# Events: pinned(lock, name, uuid, version) for each package before and after, phase(name), lock(path), done.

include("compat.jl")
include("report.jl")
include("environment.jl")
include("registries.jl")

import Pkg
using .Report: emit, json, read_request
using .Environment: lock_entries, project_file

"What a lock pins, by name; empty where there is none."
function pinned(folder)
    file = Compat.manifest_path(folder)
    return isfile(file) ? lock_entries(file) : NamedTuple[]
end

"The version of a package, and where it comes from if that is no registry."
function described(info)
    version = get(info, "version", "")
    haskey(info, "path") && return strip("$version ($(info["path"]))")
    haskey(info, "repo-url") || return version
    return strip("$version ($(get(info, "repo-rev", "HEAD")) at $(first(get(info, "git-tree-sha1", ""), 8)))")
end

tell_pinned(lock, entries) =
    foreach(entry -> emit(:pinned, lock=lock, name=entry.name, uuid=entry.info["uuid"],
                          version=described(entry.info)), entries)

"Whether a lock has a package from where [sources] say."
function is_from(source, info)
    haskey(source, "path") && return normpath(get(info, "path", "")) == normpath(source["path"])
    return get(info, "repo-url", "") == source["url"] && get(info, "repo-rev", "") == get(source, "rev", "")
end

"Tell Pkg of [sources] where it does not read them itself; the project file stays as its author wrote it."
function develop_sources(folder, locked)
    file = project_file(folder)
    sources = filter(get(Compat.toml_file(file), "sources", Dict())) do (name, source)
        !any(entry -> entry.name == name && is_from(source, entry.info), locked)
    end
    isempty(sources) && return nothing
    original = read(file)
    try
        paths = [Pkg.PackageSpec(path=source["path"]) for source in values(sources) if haskey(source, "path")]
        isempty(paths) || cd(() -> Pkg.develop(paths), folder)
        urls = [Pkg.PackageSpec(name=name, url=source["url"], rev=get(source, "rev", nothing),
                                subdir=get(source, "subdir", nothing))
                for (name, source) in sources if haskey(source, "url")]
        isempty(urls) || Pkg.add(urls)
    finally
        write(file, original)
    end
    Pkg.activate(folder)   # again, since Pkg keeps what it read
    return nothing
end

"""
    install_git(folder, locked)

Install what the lock has from git repositories: the resolver reads the project files of such packages, and takes it that
they are there. A project that names these alone installs nothing else.
"""
function install_git(folder, locked)
    entries = filter(entry -> haskey(entry.info, "repo-url"), locked)
    isempty(entries) && return nothing
    has_format = haskey(Compat.toml_file(Compat.manifest_path(folder)), "manifest_format")
    mktempdir() do alone
        open(joinpath(alone, "Project.toml"), "w") do io
            println(io, "[deps]")
            foreach(entry -> println(io, entry.name, " = ", json(entry.info["uuid"])), entries)
        end
        open(joinpath(alone, "Manifest.toml"), "w") do io
            has_format && println(io, "manifest_format = \"2.0\"")
            for (name, info) in entries
                println(io, has_format ? "[[deps.$name]]" : "[[$name]]")
                foreach(((key, value),) -> println(io, key, " = ", json(value)),
                        filter(pair -> last(pair) isa AbstractString, info))
            end
        end
        Pkg.activate(alone)
        Pkg.instantiate()
    end
    return nothing
end

function main()
    request = read_request()
    folder = request["project"]
    ENV["JULIA_PKG_PRECOMPILE_AUTO"] = "0"
    before = pinned(folder)
    tell_pinned("before", before)
    emit(:phase, name="registries")
    Registries.prepare(request["registries_depot"], request["registries"], Registries.are_needed(folder),
                       request["update"])
    emit(:phase, name="resolve")
    install_git(folder, before)
    Pkg.activate(folder)
    Compat.reads_sources() || develop_sources(folder, request["update"] ? NamedTuple[] : before)
    if request["update"] || !isfile(Compat.manifest_path(folder))
        Pkg.update(; update_registry=false)
    else
        Pkg.resolve()
    end
    tell_pinned("after", pinned(folder))
    emit(:lock, path=Compat.manifest_path(folder))
    emit(:done)
end

main()
