# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

using AntiKt
using FourMomenta
using Random: MersenneTwister, randperm
using Test
using ToyEvents
using ToyEvents: uniform!

at(pt, y, φ, m = 0.0) = from_pt_rapidity_phi(pt, y, φ, m)

"Massless particles spread evenly in rapidity and azimuth, over four orders of magnitude in transverse momentum."
gas(rng, n) = [at(10^uniform!(rng, -2, 2), uniform!(rng, -2, 2), uniform!(rng, -π, π)) for _ in 1:n]

const EVENTS = let rng = Xoshiro256(42)
    generated = [particles(generate(rng, Generator(soft_pairs = pairs))) for pairs in (0, 5, 20, 40), _ in 1:5]
    vcat(vec(generated), [gas(rng, n) for n in (2, 3, 10, 50, 50, 100, 100, 200)])
end

partition(jets) = Set(constituents.(jets))

"Whether two lists of jets hold the same momenta; order and the numbers of the constituents may differ."
same_momenta(a, b) =
    length(a) == length(b) && all(p -> any(q -> isapprox(p, q; atol = 1e-6), momentum.(b)), momentum.(a))

@testset "AntiKt" begin
    @testset "the definition, R = $R" for R in (0.05, 0.4, 1.0, 3.0, 20.0)
        for event in EVENTS
            jets, expected = cluster(event, R), cluster_by_definition(event, R)
            @test partition(jets) == partition(expected)
            @test same_momenta(jets, expected)
        end
    end

    @testset "conservation, R = $R" for R in (0.4, 1.0)
        for event in EVENTS
            jets = cluster(event, R)
            @test sum(momentum, jets) ≈ sum(event)
            @test sort(reduce(vcat, constituents.(jets))) == eachindex(event)
            @test all(momentum(jet) ≈ sum(event[constituents(jet)]) for jet in jets)
        end
    end

    @testset "by hand" begin
        pair = [at(50, 0.0, 3.1), at(20, 0.1, -3.1)]
        @test partition(cluster(pair, 0.4)) == Set([[1, 2]])
        @test partition(cluster(pair, 0.1)) == Set([[1], [2]])
        # A soft particle goes with the harder of two neighbours, though the other is nearer.
        @test partition(cluster([at(100, 0.0, 0.0), at(10, 0.0, 1.0), at(1, 0.0, 0.6)], 0.8)) == Set([[1, 3], [2]])
        # All that is soft within R of a lone hard particle is its jet: a perfect cone.
        cone = [at(1e-6, r * cos(a), r * sin(a)) for r in (0.1, 0.2, 0.39, 0.41) for a in 0:0.5:6]
        jet = cluster([at(100, 0.0, 0.0); cone])[1]
        @test constituents(jet) == 1:40
    end

    @testset "infrared and collinear safety" begin
        rng = Xoshiro256(7)
        for event in EVENTS
            jets = cluster(event; ptmin = 10)
            soft = [at(1e-9, uniform!(rng, -4, 4), uniform!(rng, -3, 3)) for _ in 1:30]
            @test same_momenta(cluster([event; soft]; ptmin = 10), jets)
            hardest = argmax(pt.(event))
            for z in (0.5, 0.9, 0.999)
                split = [event; (1 - z) * event[hardest]]
                split[hardest] = z * event[hardest]
                @test same_momenta(cluster(split; ptmin = 10), jets)
            end
        end
    end

    @testset "symmetries" begin
        rng = MersenneTwister(1)
        for event in EVENTS
            jets = cluster(event)
            order = randperm(rng, length(event))
            permuted = cluster(event[order])
            @test Set(sort(order[constituents(jet)]) for jet in permuted) == partition(jets)
            @test same_momenta(permuted, jets)
            @test partition(cluster(boost_z.(event, 1.3))) == partition(jets)
            @test partition(cluster(rotate_z.(event, 2.5))) == partition(jets)
            @test partition(cluster(1000.0 .* event)) == partition(jets)
        end
    end

    @testset "edges: $f" for f in (cluster, cluster_by_definition)
        @test isempty(f(FourMomentum[]))
        one = only(f([at(5, 1.0, 2.0, 0.1)]))
        @test constituents(one) == [1] && pt(one) ≈ 5 && rapidity(one) ≈ 1 && phi(one) ≈ 2
        @test mass(one) ≈ 0.1 atol = 1e-6
        @test isempty(f([at(5, 1.0, 2.0)]; ptmin = 6))

        up, down = FourMomentum(0.0, 0.0, 90.0, 90.0), FourMomentum(0.0, 0.0, -90.0, 90.0)
        event = [up, at(30, 0.0, 0.0), up, at(20, 0.1, 0.1), down, zero(FourMomentum)]
        @test partition(f(event)) == Set([[1], [2, 4], [3], [5], [6]])
        @test partition(f(event, 1000.0)) == Set([[1], [2, 4], [3], [5], [6]])
        at_rest = FourMomentum(0.0, 0.0, 0.0, 1.0)
        @test partition(f([at_rest, at_rest, at(30, 3.0, 0.0)])) == Set([[1, 2], [3]])

        @test partition(f(EVENTS[1], 1e-12)) == Set([[i] for i in eachindex(EVENTS[1])])
        @test partition(f(EVENTS[1], 1e6)) == Set([collect(eachindex(EVENTS[1]))])
        for R in (0.0, -0.4, NaN, Inf)
            @test_throws ArgumentError f(EVENTS[1], R)
        end
        @test_throws ArgumentError f([at(5, 1.0, 2.0), FourMomentum(NaN, 0.0, 0.0, 1.0)])
        @test pt.(f(EVENTS[4])) == sort(pt.(f(EVENTS[4])); rev = true)
        @test @inferred(f(EVENTS[1])) isa Vector{PseudoJet}
    end

    @testset "jets follow partons" begin
        rng = Xoshiro256(11)
        found = map(1:50) do _
            event = generate(rng, Generator())
            leading = cluster(particles(event), 0.6)[1:2]
            count(parton -> any(jet -> delta_R2(momentum(jet), parton) < 0.3^2, leading), event.partons)
        end
        @test sum(found) > 80
    end

    @testset "demo" begin
        first, second = IOBuffer(), IOBuffer()
        jets = AntiKt.demo(io = first)
        @test length(jets) == 3 && all(!isempty, jets)
        @test all(jet -> pt(jet) >= 20, reduce(vcat, jets))
        @test partition.(AntiKt.demo(io = second)) == partition.(jets)
        text = String(take!(first))
        @test text == String(take!(second))
        @test count("anti-kt jets with R = 0.4", text) == 3
        @test occursin("gives the same jets", text)
        @test !AntiKt.same_jets(jets[1], jets[2])
        @test isempty(AntiKt.demo(io = devnull, events = 0))
    end
end
