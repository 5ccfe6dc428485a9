# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"Mass of the charged pion in GeV (Particle Data Group, 2022): all hadrons here are pions."
const PION_MASS = 0.13957

"""
    Generator(; pt_min = 60.0, index = 5.0, rapidity_max = 2.0, cutoff = 1.0, soft_pairs = 40, soft_pt = 0.6)

What events look like:

- `pt_min`: least transverse momentum of the hard partons, in GeV; above it the spectrum falls as `pt^-index`;
- `rapidity_max`: the partons' rapidities are spread evenly up to this absolute value;
- `cutoff`: mass in GeV below which the cascade ends in a pion;
- `soft_pairs`, `soft_pt`: pairs of pions in the underlying event, and their mean transverse momentum in GeV.

Throws an `ArgumentError` that names every value out of range.
"""
Base.@kwdef struct Generator
    pt_min::Float64 = 60.0
    index::Float64 = 5.0
    rapidity_max::Float64 = 2.0
    cutoff::Float64 = 1.0
    soft_pairs::Int = 40
    soft_pt::Float64 = 0.6

    function Generator(pt_min, index, rapidity_max, cutoff, soft_pairs, soft_pt)
        faults = String[]
        0 < pt_min < Inf || push!(faults, "pt_min = $pt_min must be positive and finite")
        1 < index < Inf || push!(faults, "index = $index must be above 1 and finite")
        0 <= rapidity_max < Inf || push!(faults, "rapidity_max = $rapidity_max must be finite and not negative")
        2PION_MASS < cutoff < Inf || push!(faults, "cutoff = $cutoff must be above two pion masses and finite")
        soft_pairs >= 0 || push!(faults, "soft_pairs = $soft_pairs must not be negative")
        0 <= soft_pt < Inf || push!(faults, "soft_pt = $soft_pt must be finite and not negative")
        isempty(faults) || throw(ArgumentError(join(faults, "; ")))
        return new(pt_min, index, rapidity_max, cutoff, soft_pairs, soft_pt)
    end
end

"""
    Event(partons, hadrons, soft)

Three vectors of `FourMomentum`: the two hard partons, the hadrons of their cascades (together with the momentum of the
partons), and the pions of the underlying event (together without transverse momentum).
"""
struct Event
    partons::Vector{FourMomentum}
    hadrons::Vector{FourMomentum}
    soft::Vector{FourMomentum}
end

"""
    particles(event::Event) -> Vector{FourMomentum}

What a detector would see of the event: its hadrons and soft pions.
"""
particles(event::Event) = vcat(event.hadrons, event.soft)

"""
    generate(rng::Xoshiro256, generator::Generator) -> Event

The next event. Equal seeds give equal events with every Julia, up to the rounding of its mathematical functions.
"""
function generate(rng::Xoshiro256, generator::Generator)
    partons = hard_scattering(rng, generator)
    hadrons = FourMomentum[]
    foreach(parton -> shower!(hadrons, rng, parton, generator.cutoff), partons)
    return Event(partons, hadrons, underlying_event(rng, generator))
end

"""
    hard_scattering(rng, generator) -> Vector{FourMomentum}

Two partons of equal and opposite transverse momentum. Their virtual mass, 5 to 25 per cent of it, becomes the mass of
the jet.
"""
function hard_scattering(rng::Xoshiro256, generator::Generator)
    pt = power_law!(rng, generator.pt_min, generator.index)
    phi = uniform!(rng, -π, π)
    return [from_pt_rapidity_phi(pt, uniform!(rng, -generator.rapidity_max, generator.rapidity_max), azimuth,
                                 pt * uniform!(rng, 0.05, 0.25)) for azimuth in (phi, phi + π)]
end

"""
    shower!(hadrons, rng, parton, cutoff)

Add to `hadrons` what remains of `parton` once everything heavier than `cutoff` has decayed.
"""
function shower!(hadrons::Vector{FourMomentum}, rng::Xoshiro256, parton::FourMomentum, cutoff::Real)
    m = mass(parton)
    m < cutoff && return push!(hadrons, parton)
    m1 = uniform!(rng, PION_MASS, m - PION_MASS)
    m2 = uniform!(rng, PION_MASS, m - m1)
    on_shell(x) = x < cutoff ? PION_MASS : x
    for daughter in decay(rng, parton, on_shell(m1), on_shell(m2))
        shower!(hadrons, rng, daughter, cutoff)
    end
    return hadrons
end

"""
    decay(rng, parent, m1, m2) -> Tuple{FourMomentum,FourMomentum}

Daughters of masses `m1` and `m2`, of random direction in the rest frame of `parent`.
"""
function decay(rng::Xoshiro256, parent::FourMomentum, m1::Real, m2::Real)
    m = mass(parent)
    p = sqrt((m + m1 + m2) * (m + m1 - m2) * (m - m1 + m2) * (m - m1 - m2)) / 2m
    cosθ = uniform!(rng, -1.0, 1.0)
    sinφ, cosφ = sincos(uniform!(rng, -π, π))
    transverse = p * sqrt(1.0 - cosθ^2)
    first = boost(FourMomentum(transverse * cosφ, transverse * sinφ, p * cosθ, hypot(p, m1)), parent)
    return first, parent - first
end

"""
    underlying_event(rng, generator) -> Vector{FourMomentum}

Pairs of soft pions, back to back in azimuth, with rapidities up to ±5.
"""
function underlying_event(rng::Xoshiro256, generator::Generator)
    soft = FourMomentum[]
    for _ in 1:generator.soft_pairs
        pt = exponential!(rng, generator.soft_pt)
        phi = uniform!(rng, -π, π)
        for azimuth in (phi, phi + π)
            push!(soft, from_pt_rapidity_phi(pt, uniform!(rng, -5.0, 5.0), azimuth, PION_MASS))
        end
    end
    return soft
end
