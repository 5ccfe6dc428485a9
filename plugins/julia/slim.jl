# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Takes out of a depot what its users do not need, and no cache depends on.
#
# Request: project (folder of an environment in the depot), depot (folder), caches (depots with the caches of its
# packages), parts (tests, docs, artifacts), dry_run.
# Events: slimmed(part, id, bytes), total(bytes: all that the depot lacks, what earlier runs took out as well), done.

include("compat.jl")
include("report.jl")
include("environment.jl")
include("slimming.jl")
include("seeding.jl")

import Pkg
using .Report: emit, read_request

const FOLDERS = ("tests" => ("test",), "docs" => ("docs", "doc"))

"All package folders of a depot, relative to it."
package_folders(depot) =
    [joinpath("packages", name, slug) for name in names(joinpath(depot, "packages"))
     for slug in names(joinpath(depot, "packages", name))]

names(folder) = isdir(folder) ? readdir(folder) : String[]

"Every file and folder on which a cache in these depots depends."
function dependencies(depots)
    found = Set{String}()
    for depot in depots, (parent, _, files) in walkdir(joinpath(depot, "compiled")), file in files
        endswith(file, ".ji") && union!(found, map(normpath, Compat.included(joinpath(parent, file))))
    end
    return found
end

"Whether no cache needs a folder in a package: neither what is in it, nor the list of what its package holds."
function is_free(folder, package, needed)
    inside = string(folder, '/')
    return !(folder in needed) && !(package in needed) && !any(path -> startswith(path, inside), needed)
end

function slim_package(depot, name, parts, needed, dry_run)
    package = joinpath(depot, name)
    removed = 0
    taken = String[]
    for (part, folders) in FOLDERS, folder in folders
        path = joinpath(package, folder)
        (part in parts && isdir(path) && is_free(path, package, needed)) || continue
        bytes = Seeding.bytes(path)
        emit(:slimmed, part=part, id=joinpath(name, folder), bytes=bytes)
        removed += bytes
        push!(taken, part)
        dry_run || rm(path, recursive=true)
    end
    isempty(taken) || dry_run || note(depot, name, taken, Seeding.tree_of(package), removed)
    return nothing
end

"Add to what an earlier run has noted."
function note(depot, name, parts, tree, bytes)
    before = get(Slimming.read_record(depot), name, Dict("parts" => String[], "bytes" => 0))
    entry = Dict("parts" => union(before["parts"], parts), "tree" => tree, "bytes" => before["bytes"] + bytes)
    return Slimming.add_record(depot, name, entry)
end

function slim_artifacts(depot, dry_run)
    wanted = Set(artifact.hash for name in package_folders(depot)
                 for artifact in Compat.artifacts(Pkg, joinpath(depot, name), true, nothing))
    removed = 0
    for hash in names(joinpath(depot, "artifacts"))
        hash in wanted && continue
        path = joinpath(depot, "artifacts", hash)
        bytes = Seeding.bytes(path)
        emit(:slimmed, part="artifacts", id=hash, bytes=bytes)
        removed += bytes
        dry_run || rm(path, recursive=true)
    end
    removed == 0 || dry_run || note(depot, "artifacts", ["artifacts"], "", removed)
    return nothing
end

function main()
    request = read_request()
    depot, parts, dry_run = request["depot"], request["parts"], request["dry_run"]
    Pkg.activate(request["project"])   # a package's own program may ask for its preferences
    needed = dependencies(request["caches"])
    foreach(name -> slim_package(depot, name, parts, needed, dry_run), package_folders(depot))
    "artifacts" in parts && slim_artifacts(depot, dry_run)
    emit(:total, bytes=sum(Int[entry["bytes"] for entry in values(Slimming.read_record(depot))]))
    emit(:done)
end

main()
