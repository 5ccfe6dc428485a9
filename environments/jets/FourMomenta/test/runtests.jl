# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

using FourMomenta
using Test

const SAMPLE = [from_pt_rapidity_phi(pt, y, φ, m) for pt in (0.1, 30.0, 2000.0), y in (-4.5, 0.0, 1.5),
                                                      φ in (-3.1, 0.0, 2.0), m in (0.0, 0.14, 80.0)]

@testset "FourMomenta" begin
    @testset "coordinates" begin
        for p in SAMPLE
            @test from_pt_rapidity_phi(pt(p), rapidity(p), phi(p), mass(p)) ≈ p
        end
        p = FourMomentum(3.0, 4.0, 12.0, 14.0)
        @test pt2(p) == 25 && pt(p) == 5 && mass2(p) == 27 && mass(p) == sqrt(27)
        @test rapidity(p) ≈ log((14 + 12) / (14 - 12)) / 2
        @test phi(p) ≈ atan(4 / 3)
        @test mass(FourMomentum(0.0, 5.0, 0.0, 4.0)) == -3
    end

    @testset "along the beam" begin
        @test rapidity(FourMomentum(0.0, 0.0, 50.0, 50.0)) == Inf
        @test rapidity(FourMomentum(0.0, 0.0, -50.0, 50.0)) == -Inf
        @test rapidity(FourMomentum(0.0, 0.0, -3.0, 5.0)) ≈ -log(2)
        @test rapidity(FourMomentum(0.0, 0.0, 0.0, 5.0)) == 0
        @test phi(FourMomentum(-0.0, -0.0, 50.0, 50.0)) == 0
        forward = FourMomentum(1e-3, 0.0, 5000.0, hypot(1e-3, 5000.0))
        @test rapidity(forward) ≈ asinh(5000 / 1e-3) rtol = 1e-3
    end

    @testset "distances" begin
        at(y, φ) = from_pt_rapidity_phi(10, y, φ)
        @test delta_phi(3.0, -3.0) ≈ 2π - 6
        @test delta_phi(-1.0, 1.0) == 2
        @test delta_R2(at(0.0, 3.1), at(0.3, -3.1)) ≈ 0.09 + (2π - 6.2)^2
        beam = FourMomentum(0.0, 0.0, 50.0, 50.0)
        @test delta_R2(beam, at(1.0, 1.0)) == delta_R2(beam, beam) == Inf
    end

    @testset "boosts and rotations" begin
        for p in SAMPLE
            @test mass(boost_z(p, 0.7)) ≈ mass(p) atol = 1e-7 * p.E
            @test rapidity(boost_z(p, 0.7)) ≈ rapidity(p) + 0.7 atol = 1e-6
            @test boost_z(boost_z(p, 0.7), -0.7) ≈ p
            @test delta_phi(phi(rotate_z(p, 1.0)), phi(p)) ≈ 1
            @test rotate_z(p, 2π) ≈ p
        end
        frame = from_pt_rapidity_phi(40.0, 0.5, 1.0, 5.0)
        @test boost(FourMomentum(0.0, 0.0, 0.0, 5.0), frame) ≈ frame
        p, q = SAMPLE[20], SAMPLE[50]
        @test mass2(boost(p, frame) + boost(q, frame)) ≈ mass2(p + q) rtol = 1e-6
    end

    @testset "types" begin
        p = SAMPLE[1]
        for f in (pt2, pt, rapidity, phi, mass2, mass)
            @test @inferred(f(p)) isa Float64
        end
        @test @inferred(boost_z(p, 1)) isa FourMomentum
        @test p + zero(FourMomentum) == p == 2p - p
        @test !isfinite(FourMomentum(NaN, 0.0, 0.0, 1.0))
    end
end
