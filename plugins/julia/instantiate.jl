# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Installs what the lock of a project names into the first depot of the depot path.
#
# Request: project (folder), registries_depot (folder), registries (URLs), lazy (lazy artifacts too), offline, dry_run.
# Events: total(total), missing(package) and missing(artifact) before anything is done, phase(name),
# failed(what, error), done.

include("compat.jl")
include("report.jl")
include("environment.jl")
include("registries.jl")

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

"The artifacts of all packages that are there, as (name, hash, meta, toml)."
function artifacts_of(found, lazy)
    folders = [source_folder(package) for package in found if needs_folder(package)]
    return [merge(artifact, (toml=toml,)) for folder in folders if folder !== nothing
            for toml in Compat.artifact_files(folder) for artifact in Compat.artifacts(Pkg, toml, lazy)]
end

is_there(artifact) = Compat.artifact_is_there(Pkg, artifact.hash)

"Pkg notices only when it installs something that the lock is not of this project."
function refuse_other_lock(project, found)
    locked = Set(package.id for package in found)
    absent = [pkg.name for pkg in direct_dependencies(project) if !(pkg in locked)]
    isempty(absent) || error("the lock does not match the project: it lacks $(join(absent, ", ")); make it anew " *
                             "(lock: resolve)")
end

function install(request, found)
    ENV["JULIA_PKG_PRECOMPILE_AUTO"] = "0"
    request["offline"] && Pkg.offline()
    emit(:phase, name="registries")
    request["offline"] || Registries.prepare(request["registries_depot"], request["registries"],
                                             any(is_registered, found), false)
    emit(:phase, name="packages")
    Pkg.activate(request["project"])
    Pkg.instantiate()
    # Pkg leaves lazy artifacts, and those of standard libraries, to their first use.
    emit(:phase, name="artifacts")
    for artifact in filter(!is_there, artifacts_of(found, request["lazy"]))
        Compat.install_artifact(Pkg, artifact, artifact.toml)
    end
    return nothing
end

"Build scripts whose log tells of an error: Pkg 1.5 says so on its output alone and goes on."
function say_failed_builds(found)
    for package in found
        folder = package.parent === nothing ? source_folder(package) : nothing
        (folder === nothing || !isfile(joinpath(folder, "deps", "build.jl"))) && continue
        log = joinpath(folder, "deps", "build.log")
        isfile(log) && occursin(r"^ERROR: "m, read(log, String)) &&
            emit(:failed, what=package.id.name, error=string("its build script failed:\n", read(log, String)))
    end
end

function main()
    request = read_request()
    found = packages(request["project"])
    refuse_other_lock(request["project"], found)
    emit(:total, total=length(found))
    missing_packages = packages_missing(found)
    missing_artifacts = filter(!is_there, artifacts_of(found, request["lazy"]))
    foreach(package -> emit(:missing, package=package.id.name), missing_packages)
    foreach(artifact -> emit(:missing, artifact=artifact.name), missing_artifacts)
    if !request["dry_run"] && !(isempty(missing_packages) && isempty(missing_artifacts))
        install(request, found)
        foreach(package -> emit(:failed, what=package.id.name, error="is not installed"), packages_missing(found))
        # Pkg 1.5 goes on after an artifact whose content does not have the hash that it should.
        foreach(artifact -> emit(:failed, what=artifact.name, error="is an artifact that is not installed"),
                filter(!is_there, artifacts_of(found, request["lazy"])))
        say_failed_builds(found)
    end
    emit(:done)
end

main()
