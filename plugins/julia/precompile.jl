# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Compiles every package of an environment into the first depot of the depot path.
#
# Pkg's own `precompile` compiles direct dependencies only on 1.5, swallows errors up to 1.8, and says nothing that a
# program could read on any version. So the packages are taken here from the lock, in the order of their needs, and
# compiled by Base as Pkg would.
#
# Request: project (folder), tasks (how many at once), scratch (folder), tell_caches (say which caches are used; from
# 1.11 on), dry_run.
# Events: phase(name, total), started(package), package(package, uuid, extension, state, seconds, bytes, error), used(path), done.
# States: fresh, compiled, failed, uncacheable (it declares `__precompile__(false)`), pending (dry run).

include("compat.jl")
include("report.jl")
include("environment.jl")

using Base: PkgId
using .Report: emit, read_request
using .Environment: Package, packages

const ERROR_BYTES = 8192

"The end of what a failing process printed."
function last_words(path)
    size = filesize(path)
    text = open(path) do file
        seek(file, max(0, size - ERROR_BYTES))
        String(read(file))
    end
    return size > ERROR_BYTES ? string("[...] ", text) : text
end

"Compile one package and say how that went."
function compile(package::Package, source, scratch)
    log = joinpath(scratch, string(package.id.name, '-', package.id.uuid, ".log"))
    started = time()
    try
        files = open(output -> Compat.compile(package.id, source, output), log, "w")
        files === nothing && return (state=:uncacheable, seconds=time() - started, bytes=0, error="")
        return (state=:compiled, seconds=time() - started, bytes=sum(filesize, files), error="")
    catch err
        err isa InterruptException && rethrow()
        words = isfile(log) ? last_words(log) : ""
        reason = sprint(showerror, err)
        return (state=:failed, seconds=time() - started, bytes=0, error=string(words, '\n', reason))
    finally
        rm(log, force=true)
    end
end

"Whether a package says that it cannot be precompiled; when it is compiled, Julia learns that by running its code."
forbids_precompiling(source) = occursin(r"^\s*__precompile__\(\s*false\s*\)"m, read(source, String))

"What a package's fate is, given those of the packages that it needs."
function treat(package::Package, fates, request)
    needs = [fates[need] for need in package.needs if haskey(fates, need)]
    failed = [need.name for need in package.needs if get(fates, need, :fresh) === :failed]
    isempty(failed) || return (state=:failed, seconds=0.0, bytes=0, error="needs $(join(failed, ", ")), which failed")
    source = Base.locate_package(package.id)
    source === nothing &&
        return (state=:failed, seconds=0.0, bytes=0, error="$(package.id.name) is not installed in this depot path")
    rebuilt = any(fate -> fate in (:compiled, :pending), needs)
    if !rebuilt && Compat.is_fresh(package.id, source)
        return (state=:fresh, seconds=0.0, bytes=0, error="")
    end
    if request["dry_run"]
        state = :uncacheable in needs || forbids_precompiling(source) ? :uncacheable : :pending
        return (state=state, seconds=0.0, bytes=0, error="")
    end
    emit(:started, package=package.id.name)
    return compile(package, source, request["scratch"])
end

function say(package::Package, outcome)
    emit(:package, package=package.id.name, uuid=string(package.id.uuid), extension=package.parent !== nothing,
         state=outcome.state, seconds=outcome.seconds, bytes=outcome.bytes, error=outcome.error)
end

"""
Treat all packages, each after those that it needs, at most `tasks` at once.

One task takes the next package whose needs are settled; where a cycle leaves none, it takes the first that is left.
"""
function treat_all(todo::Vector{Package}, request)
    fates = Dict{PkgId,Symbol}()
    waiting = copy(todo)
    running = Set{PkgId}()
    known = Set(package.id for package in todo)
    settled(package) = all(need -> !(need in known) || haskey(fates, need), package.needs)
    changed = Condition()

    function next_package()
        while !isempty(waiting)
            index = findfirst(settled, waiting)
            index === nothing && isempty(running) && (index = 1)
            if index !== nothing
                package = waiting[index]
                deleteat!(waiting, index)
                push!(running, package.id)
                return package
            end
            wait(changed)
        end
        return nothing
    end

    function work()
        while (package = next_package()) !== nothing
            outcome = treat(package, fates, request)
            fates[package.id] = outcome.state
            delete!(running, package.id)
            say(package, outcome)
            notify(changed)
        end
        notify(changed)
    end

    @sync for _ in 1:Compat.max_tasks(request["tasks"])
        @async work()
    end
    return nothing
end

function say_used(package::Package)
    source = Base.locate_package(package.id)
    cache = source === nothing ? nothing : Compat.fresh_cache(package.id, source)
    cache === nothing || emit(:used, path=cache)
end

function main()
    request = read_request()
    todo = [package for package in packages(request["project"]) if !Compat.in_sysimage(package.id)]
    emit(:phase, name="precompile", total=length(todo))
    treat_all(todo, request)
    request["tell_caches"] && foreach(say_used, todo)
    emit(:done)
end

main()
