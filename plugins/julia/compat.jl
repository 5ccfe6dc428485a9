# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
What differs between Julia 1.5 and 1.12: nothing outside this file asks for a version.

Base's own functions are used where Pkg has none that is the same everywhere; they are named in `base/loading.jl`
of the release that the comment gives.
"""
module Compat

using Base: PkgId, UUID

const HAS_NATIVE_CODE = VERSION >= v"1.9-"

# --- TOML: Pkg's own up to 1.5, then Base's parser and a standard library

if isdefined(Base, :parsed_toml)
    toml_file(path) = Base.parsed_toml(path)
else
    import Pkg
    function toml_file(path)
        try
            return Pkg.TOML.parsefile(path)
        catch err
            err isa CompositeException || rethrow()
            error("$path is not TOML: $(first(err.exceptions).msg)")
        end
    end
end

"The first of these names under which a folder holds a file, as a path; `nothing` where it has none."
function first_file(folder, names)
    paths = [joinpath(folder, name) for name in names]
    index = findfirst(isfile, paths)
    return index === nothing ? nothing : paths[index]
end

# --- Caches

"The identity of this very build of Julia: caches are valid with no other (header of a cache, `parse_cache_header`)."
build_identity() = string(Base.module_build_id(Base), base=16, pad=16)

"Whether the package needs no cache, because the system image holds it."
in_sysimage(pkg::PkgId) =
    isdefined(Base, :in_sysimage) ? Base.in_sysimage(pkg) : haskey(Base.loaded_modules, pkg)

"Whether a session with this depot path would load the package from a cache."
function is_fresh(pkg::PkgId, source)
    isdefined(Base, :isprecompiled) && return Base.isprecompiled(pkg; ignore_loaded=true)   # 1.10
    return any(cache -> is_usable(cache, source), Base.find_all_in_cache_path(pkg))
end

"Whether a cache is fresh, and the very builds of others that it needs are there (`stale_cachefile`, 1.5)."
function is_usable(cache, source)
    result = Base.stale_cachefile(source, cache)
    result === true && return false
    needs = result isa Tuple ? first(result) : result   # 1.9 has the native image beside
    return all(need -> need isa Module || is_provided(need...), needs)
end

# A build that is there stays there; one that is not may come.
const PROVIDED = Set{Tuple{PkgId,UInt64}}()

function is_provided(source, pkg, build)
    key = (pkg, build % UInt64)   # 1.9 has a checksum in the upper half
    key in PROVIDED && return true
    for cache in Base.find_all_in_cache_path(pkg)
        is_usable(cache, source) || continue
        any(((id, own),) -> (id, own % UInt64) == key, first(Base.parse_cache_header(cache))) || continue
        push!(PROVIDED, key)
        return true
    end
    return false
end

"""
    compile(pkg, source, output) -> paths of the cache, or `nothing` for a package that forbids precompiling

Compile one package in a process of its own, whose output goes to the open file `output`. Throws when it fails.
"""
function compile(pkg::PkgId, source, output::IO)
    result = if VERSION >= v"1.9-"
        Base.compilecache(pkg, source, output, output, false)
    elseif VERSION >= v"1.6-"
        Base.compilecache(pkg, source, output, output)
    else
        # 1.5 gives the process this one's streams, which is why it compiles one package at a time.
        redirect_stdout(output) do
            redirect_stderr(() -> Base.compilecache(pkg, source), output)
        end
    end
    is_unprecompilable(result) && return nothing
    return result isa Tuple ? String[path for path in result if path !== nothing] : String[result]
end

is_unprecompilable(result) = result isa Exception && Base.precompilableerror(result)

"How many packages this Julia can compile at once: 1.5 mixes the output of several."
max_tasks(wanted) = VERSION >= v"1.6-" ? wanted : 1

"The files of the cache whose `.ji` is given."
function cache_files(ji)
    so = string(first(splitext(ji)), ".so")
    return isfile(so) ? [ji, so] : [ji]
end

"""
    image_targets(ji) -> names of the CPU targets in the native image beside a cache

Empty where there is no native code. The header's field is the seventh of `parse_cache_header` (tried on 1.10 to 1.12).
"""
function image_targets(ji)
    HAS_NATIVE_CODE && length(cache_files(ji)) == 2 || return String[]
    field = Base.parse_cache_header(ji)[7]
    return String[target.name for target in Base.parse_image_targets(field)]
end

"The id of an extension of a package (`insert_extension_triggers`, 1.9)."
extension_id(parent::PkgId, name) = PkgId(Base.uuid5(parent.uuid, name), name)

# --- Locks

"The lock that this Julia uses for a project, by the names that it accepts in their order (`Base.manifest_names`)."
manifest_path(project_dir) =
    something(first_file(project_dir, Base.manifest_names), joinpath(project_dir, "Manifest.toml"))

"Whether Pkg itself reads [sources] of a project."
reads_sources() = VERSION >= v"1.11-"

# --- Artifacts: a part of Pkg in 1.5, then a standard library

"""
    artifacts(Pkg, toml, lazy) -> (name, hash, meta) of what this platform takes from an Artifacts.toml
"""
function artifacts(Pkg, toml, lazy)
    Artifacts = Pkg.Artifacts
    if isdefined(Artifacts, :select_downloadable_artifacts)
        selected = Artifacts.select_downloadable_artifacts(toml; include_lazy=lazy)
        return [(name=name, hash=meta["git-tree-sha1"], meta=meta) for (name, meta) in selected]
    end
    found = NamedTuple[]
    for name in keys(Artifacts.load_artifacts_toml(toml))
        meta = Artifacts.artifact_meta(name, toml)
        (meta === nothing || !haskey(meta, "download")) && continue
        get(meta, "lazy", false) && !lazy && continue
        push!(found, (name=name, hash=meta["git-tree-sha1"], meta=meta))
    end
    return found
end

artifact_is_there(Pkg, hash) = Pkg.Artifacts.artifact_exists(Base.SHA1(hash))

install_artifact(Pkg, artifact, toml) =
    Pkg.Artifacts.ensure_artifact_installed(artifact.name, artifact.meta, toml)

"The artifact files of a package, by the names that Julia accepts."
function artifact_files(folder)
    path = first_file(folder, ("JuliaArtifacts.toml", "Artifacts.toml"))
    return path === nothing ? String[] : [path]
end

end
