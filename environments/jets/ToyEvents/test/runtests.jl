# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

using FourMomenta
using Test
using ToyEvents
using ToyEvents: next!, splitmix64, uniform!, exponential!, power_law!

mean(x) = sum(x) / length(x)

@testset "ToyEvents" begin
    @testset "random numbers" begin
        # Published outputs: splitmix64 from the seed 1234567, xoshiro256** from the state 1, 2, 3, 4.
        @test [splitmix64(UInt64(1234567), n) for n in 1:3] ==
              UInt64[6457827717110365317, 3203168211198807973, 9817491932198370423]
        rng = Xoshiro256(1, 2, 3, 4)
        @test [next!(rng) for _ in 1:6] ==
              UInt64[11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600]

        rng = Xoshiro256(-7)
        u = [uniform!(rng) for _ in 1:10_000]
        @test all(x -> 0 <= x < 1, u)
        @test mean(u) ≈ 1 / 2 atol = 0.02
        @test mean(uniform!(rng, -1, 3) for _ in 1:10_000) ≈ 1 atol = 0.1
        @test mean(exponential!(rng, 2) for _ in 1:10_000) ≈ 2 atol = 0.15
        p = [power_law!(rng, 10, 5) for _ in 1:10_000]
        @test minimum(p) >= 10
        @test mean(p .> 20) ≈ 2.0^-4 atol = 0.01
    end

    @testset "momentum conservation" begin
        rng = Xoshiro256(1)
        for _ in 1:50
            event = generate(rng, Generator())
            hard, soft = sum(event.partons), sum(event.soft)
            @test sum(event.hadrons) ≈ hard
            @test pt(hard) < 1e-9 * hard.E
            @test pt(soft) < 1e-9 * soft.E
            @test all(pt.(event.partons) .>= 60 - 1e-9)
            @test all(abs.(mass.(particles(event)) .- ToyEvents.PION_MASS) .< 1e-5)
            @test length(event.hadrons) > 4 && length(event.soft) == 80
        end
    end

    @testset "the same event from the same seed" begin
        a, b, c = (generate(Xoshiro256(seed), Generator()) for seed in (3, 3, 4))
        @test particles(a) == particles(b)
        @test particles(a) != particles(c)
        @test length(a.hadrons) == 21
        pinned = FourMomentum(-3.5419458400547192, -4.201516842928829, -0.9673628959722507, 5.581522630313287)
        @test last(a.hadrons) ≈ pinned
    end

    @testset "parameters" begin
        @test isempty(generate(Xoshiro256(1), Generator(soft_pairs = 0)).soft)
        @test_throws ArgumentError Generator(cutoff = 0.2)
        message = try
            Generator(pt_min = -5, index = 1, rapidity_max = NaN, soft_pairs = -1, soft_pt = Inf)
        catch err
            sprint(showerror, err)
        end
        for fault in ("pt_min = -5", "index = 1", "rapidity_max = NaN", "soft_pairs = -1", "soft_pt = Inf")
            @test occursin(fault, message)
        end
    end

    @test @inferred(generate(Xoshiro256(1), Generator())) isa Event
end
