# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Resolves a project and leaves the lock beside its project file.
#
# Request: project (a copy of the folder that may be written to), registries_depot (folder), registries (URLs),
# update (bring registries and packages up to date; else what a lock already pins stays).
# Events: phase(name), lock(path), done.

include("compat.jl")
include("report.jl")
include("environment.jl")
include("registries.jl")

import Pkg
using .Report: emit, read_request
using .Environment: project_file

"Tell Pkg of [sources] where it does not read them itself; the project file stays as its author wrote it."
function develop_sources(folder)
    file = project_file(folder)
    sources = get(Compat.toml_file(file), "sources", Dict())
    isempty(sources) && return nothing
    original = read(file)
    try
        paths = [Pkg.PackageSpec(path=source["path"]) for source in values(sources) if haskey(source, "path")]
        isempty(paths) || cd(() -> Pkg.develop(paths), folder)
        urls = [Pkg.PackageSpec(name=name, url=source["url"], rev=get(source, "rev", nothing))
                for (name, source) in sources if haskey(source, "url")]
        isempty(urls) || Pkg.add(urls)
    finally
        write(file, original)
    end
    Pkg.activate(folder)   # again, since Pkg keeps what it read
    return nothing
end

function main()
    request = read_request()
    folder = request["project"]
    ENV["JULIA_PKG_PRECOMPILE_AUTO"] = "0"
    emit(:phase, name="registries")
    Registries.prepare(request["registries_depot"], request["registries"], Registries.are_needed(folder),
                       request["update"])
    emit(:phase, name="resolve")
    Pkg.activate(folder)
    Compat.reads_sources() || develop_sources(folder)
    if request["update"] || !isfile(Compat.manifest_path(folder))
        Pkg.update(; update_registry=false)
    else
        Pkg.resolve()
    end
    emit(:lock, path=Compat.manifest_path(folder))
    emit(:done)
end

main()
