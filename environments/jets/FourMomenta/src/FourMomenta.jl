# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Four-momenta of particles in natural units (GeV), with the kinematics of hadron colliders: the beams run along z.
"""
module FourMomenta

export FourMomentum, from_pt_rapidity_phi
export pt2, pt, rapidity, phi, mass2, mass, delta_phi, delta_R2
export boost, boost_z, rotate_z

"""
    FourMomentum(px, py, pz, E)

Momentum and energy of a particle or a jet, in GeV.
"""
struct FourMomentum
    px::Float64
    py::Float64
    pz::Float64
    E::Float64
end

"""
    from_pt_rapidity_phi(pt, rapidity, phi, mass = 0.0) -> FourMomentum

The four-momentum with this transverse momentum and mass (GeV), rapidity, and azimuth (radians).
"""
function from_pt_rapidity_phi(pt::Real, rapidity::Real, phi::Real, mass::Real = 0.0)
    mt = hypot(pt, mass)
    return FourMomentum(pt * cos(phi), pt * sin(phi), mt * sinh(rapidity), mt * cosh(rapidity))
end

Base.:+(p::FourMomentum, q::FourMomentum) = FourMomentum(p.px + q.px, p.py + q.py, p.pz + q.pz, p.E + q.E)
Base.:-(p::FourMomentum, q::FourMomentum) = FourMomentum(p.px - q.px, p.py - q.py, p.pz - q.pz, p.E - q.E)
Base.:*(a::Real, p::FourMomentum) = FourMomentum(a * p.px, a * p.py, a * p.pz, a * p.E)
Base.zero(::Type{FourMomentum}) = FourMomentum(0.0, 0.0, 0.0, 0.0)
Base.isfinite(p::FourMomentum) = isfinite(p.px) && isfinite(p.py) && isfinite(p.pz) && isfinite(p.E)

"""
    isapprox(p::FourMomentum, q::FourMomentum; rtol = 1e-9, atol = 0.0)

Whether no component differs by more than `rtol` times the larger energy, or `atol` (GeV). One scale serves all
components, because a component may vanish where large numbers cancel.
"""
function Base.isapprox(p::FourMomentum, q::FourMomentum; rtol::Real = 1e-9, atol::Real = 0.0)
    d = p - q
    return max(abs(d.px), abs(d.py), abs(d.pz), abs(d.E)) <= max(atol, rtol * max(abs(p.E), abs(q.E)))
end

"""
    pt2(p)

Squared transverse momentum, in GeV².
"""
pt2(p::FourMomentum) = p.px^2 + p.py^2

"""
    pt(p)

Transverse momentum, in GeV.
"""
pt(p::FourMomentum) = hypot(p.px, p.py)

"""
    phi(p)

Azimuth in [-π, π], in radians; 0 along the beam, where it has no meaning.
"""
phi(p::FourMomentum) = iszero(pt2(p)) ? 0.0 : atan(p.py, p.px)

"""
    mass2(p)

Squared invariant mass, in GeV². Rounding may leave it a little below zero.
"""
mass2(p::FourMomentum) = (p.E + p.pz) * (p.E - p.pz) - pt2(p)

"""
    mass(p)

Invariant mass, in GeV; with a minus sign where `mass2(p)` is negative.
"""
function mass(p::FourMomentum)
    m2 = mass2(p)
    return copysign(sqrt(abs(m2)), m2)
end

"""
    rapidity(p)

Rapidity along the beam; `Inf` or `-Inf` for a massless particle in the beam itself. A negative squared mass counts as
zero.
"""
function rapidity(p::FourMomentum)
    mt2 = pt2(p) + max(mass2(p), 0.0)
    iszero(mt2) && return copysign(Inf, p.pz)
    # E - |pz| would lose all digits of a forward particle, (E + |pz|)² / mt² does not.
    return copysign(log((p.E + abs(p.pz)) / sqrt(mt2)), p.pz)
end

"""
    delta_phi(phi1, phi2)

Angle between two azimuths in [-π, π], in [0, π].
"""
function delta_phi(phi1::Real, phi2::Real)
    d = abs(phi1 - phi2)
    return min(d, 2π - d)
end

"""
    delta_R2(rapidity1, phi1, rapidity2, phi2)
    delta_R2(p, q)

Squared distance in the plane of rapidity and azimuth. A particle in the beam is infinitely far from all others.
"""
function delta_R2(rapidity1::Real, phi1::Real, rapidity2::Real, phi2::Real)
    (isinf(rapidity1) || isinf(rapidity2)) && return Inf
    return (rapidity1 - rapidity2)^2 + delta_phi(phi1, phi2)^2
end
delta_R2(p::FourMomentum, q::FourMomentum) = delta_R2(rapidity(p), phi(p), rapidity(q), phi(q))

"""
    boost(p, frame::FourMomentum) -> FourMomentum

`p`, given in the rest frame of a particle with four-momentum `frame` (of positive mass), as seen where `frame` is seen.
"""
function boost(p::FourMomentum, frame::FourMomentum)
    m = mass(frame)
    E = (p.E * frame.E + p.px * frame.px + p.py * frame.py + p.pz * frame.pz) / m
    k = (E + p.E) / (frame.E + m)
    return FourMomentum(p.px + k * frame.px, p.py + k * frame.py, p.pz + k * frame.pz, E)
end

"""
    boost_z(p, rapidity) -> FourMomentum

`p` boosted along the beam, so that its rapidity grows by `rapidity`.
"""
function boost_z(p::FourMomentum, rapidity::Real)
    s, c = sinh(rapidity), cosh(rapidity)
    return FourMomentum(p.px, p.py, c * p.pz + s * p.E, c * p.E + s * p.pz)
end

"""
    rotate_z(p, angle) -> FourMomentum

`p` rotated around the beam by `angle`, in radians.
"""
function rotate_z(p::FourMomentum, angle::Real)
    s, c = sincos(angle)
    return FourMomentum(c * p.px - s * p.py, s * p.px + c * p.py, p.pz, p.E)
end

# While Julia precompiles this package: compile what its users call, so that the cache holds it.
if ccall(:jl_generating_output, Cint, ()) == 1
    let p = from_pt_rapidity_phi(1.0, 0.5, 0.25, 0.1), q = rotate_z(boost_z(p, 0.5), 0.25)
        foreach(f -> f(boost(p, q) + 2.0 * p - q), (isfinite, pt2, pt, phi, mass2, mass, rapidity))
        delta_R2(p, q)
        isapprox(p, q)
    end
end

end
