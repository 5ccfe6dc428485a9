# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
How a program is asked and how it answers: a request as a TOML file, events as lines of JSON in another file.

Standard output and error are left to the packages, which print what they like.
"""
module Report

export read_request, emit, json

using ..Compat: Compat

const EVENTS = Ref{IO}(stdout)

"""
    read_request() -> Dict

The request in the file that the first argument names; events go to the file that its `events` names.
"""
function read_request()
    request = Compat.toml_file(only_argument())
    EVENTS[] = open(request["events"], "a")
    return request
end

function only_argument()
    length(ARGS) == 1 && return ARGS[1]
    error("usage: julia $(basename(PROGRAM_FILE)) REQUEST.toml")
end

"Write one event; it is in the file when this returns."
function emit(event; fields...)
    write_line(Any[:event => string(event), fields...])
end

# One type for all events, so that Julia compiles this once and not for the fields of each.
function write_line(fields::Vector{Any})
    io = EVENTS[]
    for (number, (key, value)) in enumerate(fields)
        print(io, number == 1 ? '{' : ',', json(key), ':', json(value))
    end
    println(io, '}')
    flush(io)
    return nothing
end

json(value::Union{AbstractString,Symbol}) = string('"', join(escape(char) for char in string(value)), '"')
json(value::Bool) = value ? "true" : "false"
json(value::Integer) = string(value)
json(value::AbstractFloat) = isfinite(value) ? string(round(Float64(value), digits=6)) : "null"
json(::Nothing) = "null"
json(value::Union{AbstractVector,Tuple}) = string('[', join((json(item) for item in value), ','), ']')
json(value::Union{AbstractDict,NamedTuple}) =
    string('{', join((string(json(key), ':', json(item)) for (key, item) in pairs(value)), ','), '}')

function escape(char::Char)
    char == '"' && return "\\\""
    char == '\\' && return "\\\\"
    # What a package prints need not be valid UTF-8.
    isvalid(char) || return "\\ufffd"
    iscntrl(char) && return string("\\u", string(UInt32(char), base=16, pad=4))
    return string(char)
end

end
