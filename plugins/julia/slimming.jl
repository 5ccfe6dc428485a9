# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
The record of what a depot lacks on purpose: `slimmed.toml`, one table a package folder.

With it a slimmed package can be taken over by another depot that is to be slim as well: `tree` is the tree hash of what
is left.
"""
module Slimming

using ..Compat: Compat
using ..Report: json

const RECORD = "slimmed.toml"

"What `slimmed.toml` of a depot says, by package folder relative to the depot: `parts`, `tree` and `bytes`."
function read_record(depot)
    path = joinpath(depot, RECORD)
    return isfile(path) ? Compat.toml_file(path) : Dict{String,Any}()
end

function write_record(depot, entries)
    open(joinpath(depot, RECORD), "w") do file
        for name in sort!(collect(keys(entries)))
            entry = entries[name]
            println(file, '[', json(name), ']')
            for key in ("parts", "tree", "bytes")
                println(file, key, " = ", json(entry[key]))
            end
        end
    end
    return nothing
end

function add_record(depot, name, entry)
    entries = read_record(depot)
    entries[name] = entry
    return write_record(depot, entries)
end

end
