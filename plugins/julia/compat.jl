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

"""
    fresh_cache(pkg, source) -> path of the `.ji` that a session with this depot path would load, or `nothing`

Asked from 1.11 on, where caches can be taken over from elsewhere (`compilecache_path`, 1.12).
"""
function fresh_cache(pkg::PkgId, source)
    for path in Base.find_all_in_cache_path(pkg)
        stale = Base.stale_cachefile(source, path; ignore_loaded=true)
        stale === true && continue
        all(need -> need isa Module || has_build(need...), first(stale)) && return path
    end
    return nothing
end

has_build(source, pkg, build) =
    any(path -> Base.stale_cachefile(pkg, build, source, path; ignore_loaded=true) !== true,
        Base.find_all_in_cache_path(pkg))

"""
    included(ji) -> paths of all files and folders on which a cache depends
"""
function included(ji)
    files = first(Base.parse_cache_header(ji)[2])
    return String[file isa Tuple ? file[2] : file.filename for file in files]   # 1.5 has (package, path, time)
end

"The files of the cache whose `.ji` is given."
function cache_files(ji)
    so = string(first(splitext(ji)), ".so")
    return isfile(so) ? [ji, so] : [ji]
end

"Whether this Julia can tell what an image holds (tried on 1.10 to 1.12; 1.9 cannot)."
const TELLS_IMAGES = isdefined(Base, :parse_image_targets)

const UNKNOWN_NAME = 1 << 5   # JL_TARGET_UNKNOWN_NAME in src/processor.h

"""
    image_targets(ji) -> (name, features, known, unknown_features) of each CPU target in the native image beside a cache

`known` says whether this Julia has a set of features for the name; `unknown_features` are passed on to LLVM unseen.
Empty where there is no native code. The header's field is the seventh of `parse_cache_header`.
"""
function image_targets(ji)
    TELLS_IMAGES && length(cache_files(ji)) == 2 || return NamedTuple[]
    names = [(unsafe_string(feature.name), feature) for feature in Base.feature_names()]
    return [(name=target.name,
             features=String[name for (name, feature) in names if Base.test_feature(target.features_en, feature)],
             known=target.flags & UNKNOWN_NAME == 0,
             unknown_features=split(target.ext_features, ','; keepempty=false))
            for target in Base.parse_image_targets(Base.parse_cache_header(ji)[7])]
end

"The id of an extension of a package (`insert_extension_triggers`, 1.9)."
extension_id(parent::PkgId, name) = PkgId(Base.uuid5(parent.uuid, name), name)

# --- Locks

"The lock that this Julia uses for a project, by the names that it accepts in their order (`Base.manifest_names`)."
manifest_path(project_dir) =
    something(first_file(project_dir, Base.manifest_names), joinpath(project_dir, "Manifest.toml"))

"Whether Pkg itself reads [sources] of a project."
reads_sources() = VERSION >= v"1.11-"

# --- Platforms and artifacts: a part of Pkg in 1.5, then of Base and of a standard library

"The platform that a triplet names; throws an `ArgumentError` where this Julia does not know it."
function platform(triplet)
    isdefined(Base, :BinaryPlatforms) &&
        return parse(Base.BinaryPlatforms.Platform, triplet; validate_strict=true)   # 1.6
    found = Pkg.BinaryPlatforms.platform_key_abi(triplet)   # 1.5, for which Pkg is imported above
    found isa Pkg.BinaryPlatforms.UnknownPlatform &&
        throw(ArgumentError("Platform `$triplet` is not an officially supported platform"))
    return found
end

"Whether Pkg can install for another platform without running the packages' build scripts here."
can_leave_builds() = VERSION >= v"1.6-"

"Install what the active project's lock names; for another platform without running build scripts."
function instantiate(Pkg, platform)
    platform === nothing && return Pkg.instantiate()
    return can_leave_builds() ? Pkg.instantiate(; platform=platform, allow_build=false) :
           Pkg.instantiate(; platform=platform)
end

"""
    artifacts(Pkg, folder, lazy, platform) -> (name, hash, meta, toml) of what a platform takes for a package

`platform` is `nothing` for this one. A package with a program `.pkg/select_artifacts.jl` has it choose (1.7), and then
that choice is all, lazy artifacts or not.
"""
function artifacts(Pkg, folder, lazy, platform)
    toml = artifact_file(folder)
    toml === nothing && return NamedTuple[]
    Artifacts = Pkg.Artifacts
    where_ = platform === nothing ? NamedTuple() : (platform=platform,)
    if isdefined(Pkg.Operations, :collect_artifacts) && isfile(joinpath(folder, ".pkg", "select_artifacts.jl"))
        selected = last(only(Pkg.Operations.collect_artifacts(folder; where_...)))
    elseif isdefined(Artifacts, :select_downloadable_artifacts)
        selected = Artifacts.select_downloadable_artifacts(toml; include_lazy=lazy, where_...)
    else
        selected = Dict{String,Any}()
        for name in keys(Artifacts.load_artifacts_toml(toml))
            meta = Artifacts.artifact_meta(name, toml; where_...)
            (meta === nothing || !haskey(meta, "download")) && continue
            get(meta, "lazy", false) && !lazy && continue
            selected[name] = meta
        end
    end
    return [(name=name, hash=meta["git-tree-sha1"], meta=meta, toml=toml) for (name, meta) in selected]
end

"The artifact file of a package, by the names that Julia accepts; `nothing` where it has none."
artifact_file(folder) = first_file(folder, ("JuliaArtifacts.toml", "Artifacts.toml"))

artifact_is_there(Pkg, hash) = Pkg.Artifacts.artifact_exists(Base.SHA1(hash))

install_artifact(Pkg, artifact) =
    Pkg.Artifacts.ensure_artifact_installed(artifact.name, artifact.meta, artifact.toml)

# --- Registries

"The ranges of versions that an entry of [compat] allows, as a registry writes them."
version_ranges(Pkg, entry) = String[string(range) for range in Pkg.Types.semver_spec(entry).ranges]

end
