# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
    AntiKt.demo(; io = stdout, seed = 2008, events = 3, R = 0.4, ptmin = 20.0) -> Vector{Vector{PseudoJet}}

Generate events from `seed`, cluster each with radius `R`, print the jets above `ptmin` (GeV) to `io`, and return them,
event by event. Throws an `ErrorException` should `cluster_by_definition` find other jets.
"""
function demo(; io::IO = stdout, seed::Integer = 2008, events::Integer = 3, R::Real = 0.4, ptmin::Real = 20.0)
    rng, generator = Xoshiro256(seed), Generator()
    samples = [particles(generate(rng, generator)) for _ in 1:events]
    jets = [cluster(sample, R; ptmin = ptmin) for sample in samples]
    for event in 1:events
        println(io, table("Event $event: $(length(samples[event])) particles, anti-kt jets with R = $R", jets[event]))
    end
    for event in 1:events
        same_jets(jets[event], cluster_by_definition(samples[event], R; ptmin = ptmin)) ||
            error("seed = $seed, event $event: the jets differ from those of the definition")
    end
    println(io, "The definition, evaluated by brute force, gives the same jets.")
    return jets
end

"Whether two lists hold jets of the same constituents, in whatever order."
same_jets(a::Vector{PseudoJet}, b::Vector{PseudoJet}) =
    length(a) == length(b) && all(jet -> any(other -> constituents(other) == constituents(jet), b), a)

"The jets as lines of text below a title."
function table(title::String, jets::Vector{PseudoJet})
    lines = [title, " jet  pt [GeV]  rapidity     phi  mass [GeV]  constituents"]
    for (i, jet) in enumerate(jets)
        push!(lines, row(i, jet))
    end
    return join(lines, '\n')
end

row(i::Int, jet::PseudoJet) = @sprintf("%4d  %8.2f  %8.3f  %6.3f  %10.2f  %12d",
                                       i, pt(jet), rapidity(jet), phi(jet), mass(jet), length(constituents(jet)))
