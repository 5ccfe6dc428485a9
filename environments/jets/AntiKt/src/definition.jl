# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
    cluster_by_definition(particles, R = 0.4; ptmin = 0.0) -> Vector{PseudoJet}

The jets of `cluster`, by the letter of the definition: in every step all distances are computed anew, so that the time
grows as N³. For checking.
"""
function cluster_by_definition(particles::AbstractVector{FourMomentum}, R::Real = 0.4; ptmin::Real = 0.0)
    active = pseudojets(particles, R)
    jets = PseudoJet[]
    while !isempty(active)
        i, j = closest(active, R)
        if j == BEAM
            push!(jets, active[i])
            deleteat!(active, i)
        else
            merged = merge(active[i], active[j])
            deleteat!(active, (i, j))
            push!(active, merged)
        end
    end
    return inclusive(jets, ptmin)
end

"""
    distance(a::PseudoJet, b::PseudoJet, R)

The distance d_ij = min(1/pt_i², 1/pt_j²) ΔR_ij² / R², in GeV⁻².
"""
distance(a::PseudoJet, b::PseudoJet, R::Real) = min(a.weight, b.weight) * delta_R2(a, b) / R^2

"""
    beam_distance(a::PseudoJet)

The distance d_iB = 1/pt_i² from the beam, in GeV⁻².
"""
beam_distance(a::PseudoJet) = a.weight

"""
    closest(active, R) -> Tuple{Int,Int}

The pair i < j of the least distance of all, or i and `BEAM`.
"""
function closest(active::Vector{PseudoJet}, R::Real)
    least, i = findmin(beam_distance.(active))
    j = BEAM
    for b in 2:length(active), a in 1:(b - 1)
        d = distance(active[a], active[b], R)
        if d < least
            least, i, j = d, a, b
        end
    end
    return i, j
end
