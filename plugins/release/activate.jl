# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes the environment @ENVIRONMENT@ usable in a session of Julia @VERSION@ that is already running:
#   include("@RELEASE@/activate.jl")
# Packages that are loaded already stay as they are. The variables that count are those of setup.sh, and they are set
# here too, so that processes started from this session find the same environment. Including the file again changes
# nothing; another release's entries are taken out.

let release = "@RELEASE@", environment = "@ENVIRONMENT@", version = v"@VERSION@"
    same_version(a, b) = (a.major, a.minor, a.patch, a.prerelease) == (b.major, b.minor, b.patch, b.prerelease)
    same_version(VERSION, version) || error(
        "this session runs Julia $VERSION, and $release is for Julia $version, ",
        "whose compiled packages no other version can use: start $release/bin/julia",
    )

    arch = string(Sys.ARCH)
    levels_file = joinpath(release, arch, "levels")
    isfile(levels_file) || error(
        "$levels_file is not there: this session runs on $arch; the release has ",
        join(filter(name -> isfile(joinpath(release, name, "levels")), ["x86_64", "aarch64"]), ", "),
        [
            "; packages for $triplet, without caches, are in the depot $(joinpath(release, triplet, "common"))"
            for triplet in split("@PLATFORMS@") if startswith(triplet, "$arch-")
        ]...,
    )

    # The first processor's flags, as the kernel tells them: "flags" on x86_64, "Features" on aarch64.
    node_flags() = begin
        cpuinfo = get(ENV, "JULIA_DEPOTS_CPUINFO", "")
        file = isempty(cpuinfo) ? "/proc/cpuinfo" : cpuinfo
        isfile(file) || return String[]
        for line in eachline(file)
            occursin(r"^(flags|Features)\s*:", line) && return split(last(split(line, ':'; limit = 2)))
        end
        return String[]
    end

    levels = [(first(words), words[2:end]) for words in map(split, eachline(levels_file)) if !isempty(words)]
    flags = all(level -> isempty(last(level)), levels) ? String[] : node_flags()
    usable = [first(level) for level in levels if issubset(last(level), flags)]
    isempty(usable) && error("no level in $levels_file has all its CPU flags on this node")
    wanted = get(ENV, "JULIA_DEPOTS_LEVEL", "")
    if !isempty(wanted) && !(wanted in usable)
        known = findfirst(level -> first(level) == wanted, levels)
        fault = known === nothing ? "no such level for $arch in $release" :
            string("this node lacks the CPU flags ", join(setdiff(last(levels[known]), flags), " "))
        error("JULIA_DEPOTS_LEVEL=$wanted: $fault; unset it, or choose from: ", join(usable, " "))
    end
    level = isempty(wanted) ? last(usable) : wanted

    common = joinpath(release, arch, "common")
    depots = [joinpath(release, arch, level), common]
    load = joinpath(common, "environments", environment)
    earlier_depots = split(get(ENV, "JULIA_DEPOTS_DEPOTS", ""), ':'; keepempty = false)
    earlier_load = get(ENV, "JULIA_DEPOTS_LOAD", "")

    filter!(depot -> !(depot in earlier_depots) && !(depot in depots), DEPOT_PATH)
    isempty(DEPOT_PATH) ? append!(DEPOT_PATH, depots) : splice!(DEPOT_PATH, 2:1, depots)
    filter!(entry -> entry != earlier_load && entry != load, LOAD_PATH)
    # Before the standard library: a lock may pin a newer version of a part of that, and caches were made with it.
    last_entry = isempty(LOAD_PATH) ? "" : last(LOAD_PATH)
    last_entry == "@stdlib" ? insert!(LOAD_PATH, length(LOAD_PATH), load) : push!(LOAD_PATH, load)

    # What setup.sh does: an earlier release's part is replaced where it stands, a new one comes after the user's.
    function put(name, earlier, ours, otherwise)
        list = ":" * get(ENV, name, "") * ":"
        for part in (earlier, ours)
            if !isempty(part) && occursin(":$part:", list)
                return ENV[name] = replace(list, ":$part:" => ":$ours:"; count = 1)[2:end-1]
            end
        end
        ENV[name] = otherwise(list[2:end-1])
    end
    ours = join(depots, ':')
    put("JULIA_DEPOT_PATH", join(earlier_depots, ':'), ours,
        list -> string(isempty(strip(list, ':')) ? first(DEPOT_PATH) : rstrip(list, ':'), ':', ours, ':'))
    put("JULIA_LOAD_PATH", earlier_load, load, list -> isempty(list) ? "@:@v#.#:$load:@stdlib" : "$list:$load")
    ENV["JULIA_DEPOTS_RELEASE"] = release
    ENV["JULIA_DEPOTS_ACTIVE"] = "$arch/$level"
    ENV["JULIA_DEPOTS_DEPOTS"] = ours
    ENV["JULIA_DEPOTS_LOAD"] = load
    nothing
end
