# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
    cluster(particles, R = 0.4; ptmin = 0.0) -> Vector{PseudoJet}

The anti-kt jets of radius `R` with a transverse momentum of at least `ptmin` (GeV), hardest first. Particles that merge
add their four-momenta (E scheme). Time grows as N²: each pseudojet remembers its nearest neighbour (M. Cacciari and
G. P. Salam, Phys. Lett. B 641 (2006) 57, arXiv:hep-ph/0512210).

A massless particle in the beam has infinite rapidity, and becomes a jet of its own with `pt` 0. Throws an
`ArgumentError` where `R` is not positive and finite, or a momentum is not finite.

```julia
jets = cluster([from_pt_rapidity_phi(50, 0.0, 1.0), from_pt_rapidity_phi(20, 0.1, 1.2)])
pt(jets[1]), constituents(jets[1])
```
"""
function cluster(particles::AbstractVector{FourMomentum}, R::Real = 0.4; ptmin::Real = 0.0)
    neighbours = Neighbours(pseudojets(particles, R), R)
    jets = PseudoJet[]
    while !isempty(neighbours)
        i, j = closest(neighbours)
        if j == BEAM
            push!(jets, remove!(neighbours, i))
            rescan!(neighbours)
        else
            # The higher index first: a removal moves the last pseudojet into the gap.
            b, a = remove!(neighbours, max(i, j)), remove!(neighbours, min(i, j))
            rescan!(neighbours)
            insert!(neighbours, merge(a, b))
        end
    end
    return inclusive(jets, ptmin)
end

"Marks a nearest neighbour that is gone."
const GONE = -1

"""
    Neighbours(active::Vector{PseudoJet}, R)

The pseudojets not yet in a jet, and for each its nearest neighbour in rapidity and azimuth: the index, or `BEAM` where
none is within `R`, and the squared distance ΔR², or R².

Nearest neighbours suffice: where d_ij is the least distance of all and i the harder, no k is closer to i than j, for
else d_ik < d_ij.
"""
struct Neighbours
    active::Vector{PseudoJet}
    nearest::Vector{Int}
    dist2::Vector{Float64}
    R2::Float64
end

function Neighbours(active::Vector{PseudoJet}, R::Real)
    n = length(active)
    return rescan!(Neighbours(active, fill(GONE, n), fill(0.0, n), R^2))
end

Base.isempty(neighbours::Neighbours) = isempty(neighbours.active)

"Find anew the nearest neighbour of each pseudojet that lost its own."
function rescan!(neighbours::Neighbours)
    for i in eachindex(neighbours.active)
        neighbours.nearest[i] == GONE && scan!(neighbours, i)
    end
    return neighbours
end

"Find the nearest neighbour of the pseudojet `i`."
function scan!(neighbours::Neighbours, i::Int)
    active = neighbours.active
    nearest, least = BEAM, neighbours.R2
    for j in eachindex(active)
        d = delta_R2(active[i], active[j])
        if d < least && j != i
            nearest, least = j, d
        end
    end
    neighbours.nearest[i], neighbours.dist2[i] = nearest, least
    return neighbours
end

"The pseudojet with the least distance of all, and its nearest neighbour, or `BEAM`."
function closest(neighbours::Neighbours)
    i = argmin([least_distance(neighbours, i) for i in eachindex(neighbours.active)])
    return i, neighbours.nearest[i]
end

"The lesser of d_ij and d_iB, times R², for the pseudojet `i` and its nearest neighbour j."
function least_distance(neighbours::Neighbours, i::Int)
    j = neighbours.nearest[i]
    weight = neighbours.active[i].weight
    return (j == BEAM ? weight : min(weight, neighbours.active[j].weight)) * neighbours.dist2[i]
end

"Take out the pseudojet `i` and return it; the last one moves to its place."
function remove!(neighbours::Neighbours, i::Int)
    n = length(neighbours.active)
    removed = swap_out!(neighbours.active, i)
    swap_out!(neighbours.nearest, i)
    swap_out!(neighbours.dist2, i)
    replace!(j -> j == i ? GONE : j == n ? i : j, neighbours.nearest)
    return removed
end

"Take out the element `i` and return it; the last one moves to its place."
function swap_out!(column::Vector, i::Int)
    removed = column[i]
    column[i] = last(column)
    pop!(column)
    return removed
end

"Add a pseudojet, which becomes the nearest neighbour of those it is closest to."
function Base.insert!(neighbours::Neighbours, jet::PseudoJet)
    push!(neighbours.active, jet)
    push!(neighbours.nearest, BEAM)
    push!(neighbours.dist2, neighbours.R2)
    new = length(neighbours.active)
    for i in 1:(new - 1)
        d = delta_R2(neighbours.active[i], jet)
        d < neighbours.dist2[i] && ((neighbours.nearest[i], neighbours.dist2[i]) = (new, d))
        d < neighbours.dist2[new] && ((neighbours.nearest[new], neighbours.dist2[new]) = (i, d))
    end
    return neighbours
end
