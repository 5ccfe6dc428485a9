# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Installs what the lock of a project names into the first depot of the depot path.
#
# Request: project (folder), depot (folder), seeds (depots from which packages and artifacts may be taken), slim (parts
# that packages may lack), registries_depot (folder), registries (URLs), lazy (lazy artifacts too), platform (triplet;
# empty: this one), registry (name of a registry of what the depot holds; empty: none), offline, dry_run.
# Events: refused(error) where the platform cannot be served, missing(package) and missing(artifact) before anything is
# done, phase(name, total), count(done) of that total, started(what) and finished(what), seeded(package or artifact, bytes), downloaded(package or
# artifact), unbuilt(package) where a build script was left, failed(what, error), registered(changed), done.

include("compat.jl")
include("report.jl")
include("environment.jl")
include("registries.jl")
include("slimming.jl")
include("seeding.jl")
include("platform.jl")

import Pkg
using .Report: emit, read_request
using .Environment: Package, direct_dependencies, packages

is_registered(package::Package) = package.tree !== nothing

"The folder of a package, or nothing where it is not installed."
function source_folder(package::Package)
    source = Base.locate_package(package.id)
    return source === nothing || !isfile(source) ? nothing : dirname(dirname(source))
end

needs_folder(package::Package) = package.parent === nothing && !Pkg.Types.is_stdlib(package.id.uuid)

packages_missing(found) =
    [package for package in found if needs_folder(package) && source_folder(package) === nothing]

# A package's own program chooses for seconds, and what it chooses stays.
const ARTIFACTS = Dict{String,Vector{NamedTuple}}()

"The artifacts of all packages that are there, as (name, hash, meta, toml)."
function artifacts_of(found, request)
    folders = [source_folder(package) for package in found if needs_folder(package)]
    choose(folder) = Compat.artifacts(Pkg, folder, request["lazy"], request["platform"])
    return [artifact for folder in folders if folder !== nothing
            for artifact in get!(() -> choose(folder), ARTIFACTS, folder)]
end

is_there(artifact) = Compat.artifact_is_there(Pkg, artifact.hash)

"Pkg notices only when it installs something that the lock is not of this project."
function refuse_other_lock(project, found)
    locked = Set(package.id for package in found)
    absent = [pkg.name for pkg in direct_dependencies(project) if !(pkg in locked)]
    isempty(absent) || error("the lock does not match the project: it lacks $(join(absent, ", ")); make it anew " *
                             "(lock: resolve)")
end

"Take from the seeds what is missing; the names of the packages and the hashes of the artifacts that were taken."
function take_over(found, request, depot)
    taken = Package[]
    hashes = String[]
    for package in filter(is_registered, packages_missing(found))
        bytes = Seeding.take(package, request["seeds"], depot, request["slim"])
        bytes === nothing && continue
        push!(taken, package)
        emit(:seeded, package=package.id.name, bytes=bytes)
    end
    for artifact in filter(!is_there, artifacts_of(found, request))
        artifact.hash in hashes && continue
        bytes = Seeding.take_artifact(artifact.hash, request["seeds"], depot)
        bytes === nothing && continue
        push!(hashes, artifact.hash)
        emit(:seeded, artifact=artifact.name, bytes=bytes)
    end
    return taken, hashes
end

function install(request, found)
    depot = request["depot"]
    missing_before = [package.id.name for package in packages_missing(found)]
    artifacts_before = Set(artifact.hash for artifact in artifacts_of(found, request) if is_there(artifact))
    emit(:phase, name="seeds")
    taken, hashes = take_over(found, request, depot)
    views = Seeding.views(request["seeds"], request["scratch"])
    if !isempty(packages_missing(found))
        emit(:phase, name="registries")
        request["offline"] || Registries.prepare(request["registries_depot"], request["registries"],
                                                 any(is_registered, found), false)
        append!(DEPOT_PATH, views)
        counting(filter(is_registered, packages_missing(found)), depot) do
            Compat.instantiate(Pkg, request["platform"])
        end
        filter!(path -> !(path in views), DEPOT_PATH)
    end
    artifacts = artifacts_of(found, request)
    emit(:phase, name="artifacts")
    # What Pkg took for installed, because it saw it in a view.
    seen = [artifact for artifact in artifacts if !is_there(artifact) && !get(artifact.meta, "lazy", false)]
    append!(hashes, last(take_over(found, request, depot)))
    # Pkg leaves lazy artifacts, and those of standard libraries, to their first use.
    install_all(filter(!is_there, artifacts))
    # A build script that has run already may have noted where an artifact was then.
    scripted = isempty(views) || isempty(seen) ? taken : filter(is_registered, found)
    request["platform"] === nothing && build(request, filter(has_script, scripted), found)
    names = Set(package.id.name for package in taken)
    foreach(name -> name in names || emit(:downloaded, package=name), missing_before)
    for artifact in unique(artifact -> artifact.hash, artifacts)
        artifact.hash in artifacts_before || artifact.hash in hashes || !is_there(artifact) ||
            emit(:downloaded, artifact=artifact.name)
    end
    return nothing
end

"Say every second how many of some packages a depot holds, while Pkg installs them."
function counting(action, missing_packages, depot)
    emit(:phase, name="packages", total=length(missing_packages))
    places = [joinpath(depot, Seeding.place_of(package)) for package in missing_packages]
    timer = Timer(timer -> emit(:count, done=count(isdir, places)), 1; interval=1)
    try
        action()
    finally
        close(timer)
    end
end

"Install artifacts, and say which."
function install_all(artifacts)
    emit(:phase, name="artifacts", total=length(artifacts))
    for artifact in artifacts
        emit(:started, what=artifact.name)
        Compat.install_artifact(Pkg, artifact)
        emit(:finished, what=artifact.name)
    end
end

function has_script(package::Package)
    folder = source_folder(package)
    return folder !== nothing && Seeding.has_build_script(folder)
end

"What the depot holds of what comes from a registry."
held(found) = [package for package in found
               if is_registered(package) && !package.from_git && source_folder(package) !== nothing]

"What a dry run can tell of where the missing comes from: artifacts of packages that are not there are not known yet."
function foretell(request, found, missing_packages, missing_artifacts)
    taken, hashes = take_over(found, request, joinpath(request["scratch"], "depot"))
    names = Set(package.id.name for package in taken)
    foreach(package -> package.id.name in names || emit(:downloaded, package=package.id.name), missing_packages)
    foreach(artifact -> artifact.hash in hashes || emit(:downloaded, artifact=artifact.name), missing_artifacts)
end

"Run the build scripts of packages, with a registry of what is held, since Pkg resolves anew for each of them."
function build(request, scripted, found)
    isempty(scripted) && return nothing
    emit(:phase, name="build scripts")
    depot = joinpath(request["scratch"], "held")
    Registries.write_held(joinpath(depot, "registries", "held"), "held", held(found), source_folder)
    push!(DEPOT_PATH, depot)
    Pkg.build([Pkg.PackageSpec(name=package.id.name, uuid=package.id.uuid) for package in scripted])
    filter!(path -> path != depot, DEPOT_PATH)
    return nothing
end

"Build scripts whose log tells of an error: Pkg 1.5 says so on its output alone and goes on."
function say_failed_builds(found)
    for package in found
        (package.parent === nothing && has_script(package)) || continue
        log = joinpath(source_folder(package), "deps", "build.log")
        isfile(log) && occursin(r"^ERROR: "m, read(log, String)) &&
            emit(:failed, what=package.id.name, error=string("its build script failed:\n", read(log, String)))
    end
end

"What an installation for another platform does not have, because it would have to run here."
function say_left_builds(found)
    for package in filter(is_registered, found)
        has_script(package) || continue
        Compat.can_leave_builds() ? emit(:unbuilt, package=package.id.name) :
        emit(:failed, what=package.id.name, error="has a build script, which Pkg of Julia $VERSION runs on this " *
                                                  "machine, so that it makes files for this platform; use Julia 1.6 " *
                                                  "or later")
    end
end

"Keep a registry of what the depot holds in it; a dry run tells whether that would change it."
function register(request, found)
    made = joinpath(request["scratch"], "registry")
    Registries.write_held(made, request["registry"], held(found), source_folder)
    place = joinpath(request["depot"], "registries", request["registry"])
    changed = !isdir(place) || Seeding.tree_of(place) != Seeding.tree_of(made)
    emit(:registered, changed=changed)
    (request["dry_run"] || !changed) && return nothing
    rm(place, force=true, recursive=true)
    mkpath(dirname(place))
    cp(made, place)
    return nothing
end

function main()
    request = read_request()
    ENV["JULIA_PKG_PRECOMPILE_AUTO"] = "0"
    request["offline"] && Pkg.offline()
    triplet = request["platform"]
    request["platform"] = isempty(triplet) ? nothing : Platforms.asked(triplet)
    request["platform"] === missing && return emit(:done)
    found = packages(request["project"])
    refuse_other_lock(request["project"], found)
    Pkg.activate(request["project"])
    missing_packages = packages_missing(found)
    missing_artifacts = filter(!is_there, artifacts_of(found, request))
    foreach(package -> emit(:missing, package=package.id.name), missing_packages)
    foreach(artifact -> emit(:missing, artifact=artifact.name), missing_artifacts)
    complete = isempty(missing_packages) && isempty(missing_artifacts)
    if request["dry_run"]
        foretell(request, found, missing_packages, missing_artifacts)
    elseif !complete
        install(request, found)
        foreach(package -> emit(:failed, what=package.id.name, error="is not installed"), packages_missing(found))
        # Pkg 1.5 goes on after an artifact whose content does not have the hash that it should.
        foreach(artifact -> emit(:failed, what=artifact.name, error="is an artifact that is not installed"),
                filter(!is_there, artifacts_of(found, request)))
        request["platform"] === nothing && say_failed_builds(found)
    end
    request["platform"] === nothing || say_left_builds(found)
    isempty(request["registry"]) || register(request, found)
    emit(:done)
end

main()
