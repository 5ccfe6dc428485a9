# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
A toy generator of proton-proton collisions: two hard partons, cascades of decays into hadrons, and a soft underlying
event. Not a model of nature, but its jets have a width, a mass and constituents as real ones have.
"""
module ToyEvents

using FourMomenta

export Xoshiro256, Generator, Event, generate, particles

include("xoshiro.jl")
include("generator.jl")

# While Julia precompiles this package: generate an event, so that the cache holds the code.
if ccall(:jl_generating_output, Cint, ()) == 1
    particles(generate(Xoshiro256(1), Generator()))
end

end
