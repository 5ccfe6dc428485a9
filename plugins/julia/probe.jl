# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Says what this Julia is, as one line of JSON on standard output.
# usage: julia --startup-file=no probe.jl

include("compat.jl")
include("report.jl")

println(Report.json((
    version=string(VERSION),
    arch=string(Sys.ARCH),
    build=Compat.build_identity(),
    commit=Base.GIT_VERSION_INFO.commit,
    bindir=Sys.BINDIR,
    triplet=Base.MACHINE,
    cpu=Sys.CPU_NAME,
)))
