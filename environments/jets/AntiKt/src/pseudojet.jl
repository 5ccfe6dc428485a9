# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
    PseudoJet(momentum::FourMomentum, constituents::Vector{Int})

A particle, or several merged ones, on its way to a jet: the four-momentum, the indices of the particles it holds, and,
computed once, what distances are made of.
"""
struct PseudoJet
    momentum::FourMomentum
    constituents::Vector{Int}
    rapidity::Float64
    phi::Float64
    weight::Float64

    function PseudoJet(momentum::FourMomentum, constituents::Vector{Int})
        # The floor keeps the weight of a particle without transverse momentum finite, and 0 × weight a number.
        weight = inv(max(pt2(momentum), 1e-300))
        return new(momentum, constituents, rapidity(momentum), phi(momentum), weight)
    end
end

"""
    merge(a::PseudoJet, b::PseudoJet) -> PseudoJet

`a` and `b` recombined in the E scheme: four-momenta add.
"""
Base.merge(a::PseudoJet, b::PseudoJet) = PseudoJet(a.momentum + b.momentum, vcat(a.constituents, b.constituents))

"""
    momentum(jet::PseudoJet) -> FourMomentum

Four-momentum of the jet, in GeV.
"""
momentum(jet::PseudoJet) = jet.momentum

"""
    constituents(jet::PseudoJet) -> Vector{Int}

Which particles the jet holds: their indices in what was clustered, in rising order.
"""
constituents(jet::PseudoJet) = jet.constituents

pt(jet::PseudoJet) = pt(jet.momentum)
mass(jet::PseudoJet) = mass(jet.momentum)
rapidity(jet::PseudoJet) = jet.rapidity
phi(jet::PseudoJet) = jet.phi

FourMomenta.delta_R2(a::PseudoJet, b::PseudoJet) = delta_R2(a.rapidity, a.phi, b.rapidity, b.phi)

"Stands for the beam where an index of a pseudojet is expected."
const BEAM = 0

"""
    pseudojets(particles, R) -> Vector{PseudoJet}

Each particle as a pseudojet. Throws an `ArgumentError` that names an `R`, or the first momentum, which cannot be used.
"""
function pseudojets(particles::AbstractVector{FourMomentum}, R::Real)
    Base.require_one_based_indexing(particles)
    0 < R < Inf || throw(ArgumentError("R = $R must be positive and finite"))
    bad = findfirst(!isfinite, particles)
    bad === nothing || throw(ArgumentError("particles[$bad] = $(particles[bad]) must be finite"))
    return [PseudoJet(particles[i], [i]) for i in eachindex(particles)]
end

"""
    inclusive(jets, ptmin) -> Vector{PseudoJet}

The jets with a transverse momentum of at least `ptmin`, hardest first, their constituents in rising order.
"""
function inclusive(jets::Vector{PseudoJet}, ptmin::Real)
    kept = filter(jet -> pt(jet) >= ptmin, jets)
    foreach(jet -> sort!(jet.constituents), kept)
    return sort!(kept; by = pt, rev = true)
end
