# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
    Xoshiro256(seed::Integer)

The random number generator xoshiro256** of Blackman and Vigna (https://prng.di.unimi.it), its state filled from
`seed` by splitmix64. Unlike the streams of Julia's own generators, which changed between versions, its numbers depend
on the seed alone.
"""
mutable struct Xoshiro256
    s0::UInt64
    s1::UInt64
    s2::UInt64
    s3::UInt64
end

Xoshiro256(seed::Integer) = Xoshiro256(ntuple(i -> splitmix64(seed % UInt64, i), 4)...)

"""
    splitmix64(seed::UInt64, n::Integer) -> UInt64

The `n`th number, counted from 1, of the generator splitmix64.
"""
function splitmix64(seed::UInt64, n::Integer)
    z = seed + (n % UInt64) * 0x9e3779b97f4a7c15
    z = (z ⊻ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ⊻ (z >> 27)) * 0x94d049bb133111eb
    return z ⊻ (z >> 31)
end

"""
    next!(rng::Xoshiro256) -> UInt64

The next 64 random bits.
"""
function next!(rng::Xoshiro256)
    result = bitrotate(rng.s1 * 5, 7) * 9
    t = rng.s1 << 17
    rng.s2 ⊻= rng.s0
    rng.s3 ⊻= rng.s1
    rng.s1 ⊻= rng.s2
    rng.s0 ⊻= rng.s3
    rng.s2 ⊻= t
    rng.s3 = bitrotate(rng.s3, 45)
    return result
end

"""
    uniform!(rng::Xoshiro256, low = 0.0, high = 1.0) -> Float64

A number distributed evenly over [low, high), on a grid of 2^53 steps.
"""
uniform!(rng::Xoshiro256) = (next!(rng) >> 11) * 2.0^-53
uniform!(rng::Xoshiro256, low::Real, high::Real) = low + (high - low) * uniform!(rng)

"""
    exponential!(rng::Xoshiro256, mean) -> Float64

A number of exponential distribution with this mean.
"""
exponential!(rng::Xoshiro256, mean::Real) = -mean * log(1.0 - uniform!(rng))

"""
    power_law!(rng::Xoshiro256, low, index) -> Float64

A number above `low` whose density falls as its power `-index`, for `index` > 1.
"""
power_law!(rng::Xoshiro256, low::Real, index::Real) = low * (1.0 - uniform!(rng))^(-1.0 / (index - 1.0))
