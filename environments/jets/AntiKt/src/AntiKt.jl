# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
The anti-kt jet algorithm of M. Cacciari, G. P. Salam and G. Soyez, JHEP 04 (2008) 063, arXiv:0802.1189.
`AntiKt.demo()` shows it at work.
"""
module AntiKt

import FourMomenta: pt, rapidity, phi, mass
using FourMomenta
using Printf: @sprintf
using ToyEvents: Generator, Xoshiro256, generate, particles

export PseudoJet, cluster, cluster_by_definition, constituents, momentum
export pt, rapidity, phi, mass

include("pseudojet.jl")
include("definition.jl")
include("cluster.jl")
include("demo.jl")

# While Julia precompiles this package: run all of it, so that the cache holds the code.
if ccall(:jl_generating_output, Cint, ()) == 1
    demo(io = IOBuffer(), events = 1)
    precompile(demo, ())
end

end
