# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Loads an environment and runs its workload. That nothing was compiled shows in the first depot of the depot path,
# which is empty before; why a cache was rejected shows on standard error, where JULIA_DEBUG=loading puts it.
#
# Request: project (folder), workload (Julia code, may be empty), started_at (seconds since the epoch at which the
# process was started).
# Events: julia(version), phase(name, total), started(package), loaded(package, seconds), ready(seconds: from the start
# until all direct dependencies were loaded), failed(what, error), workload(seconds), done.

include("compat.jl")
include("report.jl")
include("environment.jl")

using .Report: emit, read_request
using .Environment: direct_dependencies, locked

const ERROR_BYTES = 8192

function attempt(action, what)
    try
        started = time()
        action()
        return time() - started
    catch err
        words = sprint(showerror, err)
        emit(:failed, what=what, error=first(words, ERROR_BYTES))
        return nothing
    end
end

function load(pkg)
    emit(:started, package=pkg.name)
    seconds = attempt(() -> Base.require(pkg), pkg.name)
    seconds === nothing || emit(:loaded, package=pkg.name, seconds=seconds)
end

function main()
    request = read_request()
    emit(:julia, version=string(VERSION))
    direct = direct_dependencies(request["project"])
    # Extensions load by themselves, once their triggers are there.
    indirect = filter(!in(direct), locked(request["project"]))
    emit(:phase, name="load", total=length(direct) + length(indirect))
    foreach(load, direct)
    emit(:ready, seconds=time() - request["started_at"])
    foreach(load, indirect)
    if !isempty(request["workload"])
        emit(:phase, name="workload")
        seconds = attempt(() -> Base.include_string(Main, request["workload"], "workload"), "workload")
        seconds === nothing || emit(:workload, seconds=seconds)
    end
    emit(:done)
end

main()
