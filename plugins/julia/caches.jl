# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Reads the CPU targets of native caches.
#
# Request: caches (paths of .ji files).
# Events: cache(path, targets, images, error), done. Targets are the names alone; images are those of
# `Compat.image_targets`.

include("compat.jl")
include("report.jl")

using .Report: emit, read_request

function main()
    for path in read_request()["caches"]
        try
            images = Compat.image_targets(path)
            emit(:cache, path=path, targets=[image.name for image in images], images=images, error="")
        catch err
            emit(:cache, path=path, targets=String[], images=String[], error=sprint(showerror, err))
        end
    end
    emit(:done)
end

main()
