# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Tells what native images hold: those of caches, and those that this Julia makes of CPU targets on this machine. For
# that a package without content is compiled for each target, as any other would be. Julia refuses a few wrong targets
# and takes all others as they are.
#
# And it tells which platforms this Julia does not know.
#
# Request: targets (values of JULIA_CPU_TARGET), caches (paths of .ji files), platforms (triplets), scratch (folder).
# Events: target(target, images, output), cache(path, targets, images, error), refused(error) for a platform, done.
# Images are those of `Compat.image_targets`; where Julia refused, there are none, and output is what it printed. Up to
# 1.9 there is nothing to tell, and images are empty as well. The targets of a cache are the names alone.

include("compat.jl")
include("report.jl")
include("platform.jl")

using Base: PkgId, UUID
using .Report: emit, read_request

const EMPTY = PkgId(UUID("6a1f7c3e-9d25-4c0b-8b43-0c5d1f2a7e90"), "EmptyPackage")

"What the image of an empty package holds that is compiled for a target, and what Julia printed."
function try_target(target, folder)
    source = joinpath(folder, "$(EMPTY.name).jl")
    write(source, "module $(EMPTY.name)\nend\n")
    log = joinpath(folder, "log")
    pushfirst!(DEPOT_PATH, joinpath(folder, "depot"))
    try
        files = withenv("JULIA_CPU_TARGET" => target) do
            open(output -> Compat.compile(EMPTY, source, output), log, "w")
        end
        return (images=Compat.image_targets(first(files)), output="")
    catch err
        err isa InterruptException && rethrow()
        return (images=NamedTuple[], output=string(read(log, String), '\n', sprint(showerror, err)))
    finally
        popfirst!(DEPOT_PATH)
    end
end

function tell_cache(path)
    try
        images = Compat.image_targets(path)
        emit(:cache, path=path, targets=[image.name for image in images], images=images, error="")
    catch err
        emit(:cache, path=path, targets=String[], images=String[], error=sprint(showerror, err))
    end
end

function main()
    request = read_request()
    for (number, target) in enumerate(request["targets"])
        folder = mkpath(joinpath(request["scratch"], "target-$number"))
        outcome = try_target(target, folder)
        emit(:target, target=target, images=outcome.images, output=outcome.output)
    end
    foreach(tell_cache, request["caches"])
    foreach(Platforms.asked, request["platforms"])
    emit(:done)
end

main()
