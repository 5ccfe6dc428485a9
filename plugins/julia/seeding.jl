# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Packages and artifacts that another depot holds already are taken from there, so that nothing is downloaded twice.

What is taken is a copy (or a reflink), never a hard link, so that nothing that happens here can change the other depot;
and it is taken only if its content has the tree hash that the lock or the artifact file names.
"""
module Seeding

import Pkg
using ..Compat: Compat
using ..Environment: Package
using ..Slimming: Slimming

const MAX_PRODUCTS = 64   # files that a build script is thought to have made

"Where a package lies in a depot (`Pkg.Operations.source_path`)."
place_of(package::Package) =
    joinpath("packages", package.id.name, Base.version_slug(package.id.uuid, Base.SHA1(package.tree)))

place_of_artifact(hash) = joinpath("artifacts", hash)

"The hash that git would give to the content of a folder."
tree_of(folder) = bytes2hex(Pkg.GitTools.tree_hash(folder))

has_tree(folder, hash) = tree_of(folder) == hash

has_build_script(folder) = isfile(joinpath(folder, "deps", "build.jl"))

"Bytes of all files below a folder."
function bytes(folder)
    total = 0
    for (parent, _, files) in walkdir(folder), file in files
        total += lstat(joinpath(parent, file)).size
    end
    return total
end

"""
Take from a folder what a build script made there, newest files first, until its content is the one that was downloaded.

The tree hash decides, so that a wrong guess costs a download and nothing else.
"""
function unbuild(folder, hash)
    has_build_script(folder) || return false
    files = [joinpath(parent, file) for (parent, _, files) in walkdir(joinpath(folder, "deps")) for file in files]
    sort!(files, by=file -> lstat(file).mtime, rev=true)
    for file in Iterators.take(files, MAX_PRODUCTS)
        rm(file)
        has_tree(folder, hash) && return true
    end
    return false
end

"Copy a folder under a temporary name, and give it its own if the copy is good."
function place(is_good, source, target)
    temporary = string(target, ".incoming")
    rm(temporary, force=true, recursive=true)
    mkpath(dirname(target))
    try
        # A seed may be removed, or still be filled, while it is read.
        copied = success(`cp --recursive --no-dereference --preserve=mode,timestamps --reflink=auto -- $source $temporary`)
        (copied && is_good(temporary)) || return false
        mv(temporary, target)
        return true
    catch err
        err isa Union{SystemError,Base.IOError} || rethrow()
        return false
    finally
        rm(temporary, force=true, recursive=true)
    end
end

"""
    take(package, seeds, depot, slim) -> bytes, or `nothing` where no seed has it undamaged

`slim` names the parts that it may lack.
"""
function take(package::Package, seeds, depot, slim)
    name = place_of(package)
    for seed in seeds
        source = joinpath(seed, name)
        isdir(source) || continue
        record = get(Slimming.read_record(seed), name, nothing)
        slimmed = record !== nothing && record["parts"] ⊆ slim
        is_good(folder) = has_tree(folder, package.tree) ||
                          (slimmed && has_tree(folder, record["tree"])) || unbuild(folder, package.tree)
        place(is_good, source, joinpath(depot, name)) || continue
        slimmed && Slimming.add_record(depot, name, record)
        return bytes(joinpath(depot, name))
    end
    return nothing
end

function take_artifact(hash, seeds, depot)
    name = place_of_artifact(hash)
    for seed in seeds
        source = joinpath(seed, name)
        isdir(source) && place(folder -> has_tree(folder, hash), source, joinpath(depot, name)) &&
            return bytes(joinpath(depot, name))
    end
    return nothing
end

"""
Depots that show the artifacts of the seeds and nothing else.

While Pkg installs the packages that no seed has, it finds the artifacts of those that it needs in them.
"""
function views(seeds, scratch)
    found = String[]
    for (number, seed) in enumerate(seeds)
        isdir(joinpath(seed, "artifacts")) || continue
        view = joinpath(scratch, "seed-$number")
        mkpath(view)
        symlink(joinpath(seed, "artifacts"), joinpath(view, "artifacts"))
        push!(found, view)
    end
    return found
end

end
