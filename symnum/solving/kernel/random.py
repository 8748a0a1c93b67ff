"""Random numbers. Kernel code: see `pointers`.

A stream is a block of six 64-bit words: the state of a xoshiro256++ generator (D. Blackman and S. Vigna,
"Scrambled linear pseudorandom number generators", ACM Trans. Math. Softw. 47 (2021), 36), a flag, and a
normal deviate that is kept for the next call. The host fills the state; it must not be zero throughout.
"""

from __future__ import annotations

import math

from symnum.solving.kernel.pointers import compiled, floats, integers

__all__ = ["exponential", "normal", "poisson", "uniform"]

_HALF = 2.0**-53
# below this mean the inverse of the distribution function is as fast as rejection
_SMALL_MEAN = 10.0


@compiled
def uniform(stream: int) -> float:
    """A multiple of 2**-53 in (0, 1]. stream: address of the block."""
    s = integers(stream)
    s0 = s[0]
    s1 = s[1]
    s2 = s[2]
    s3 = s[3]
    # the shifts to the right are made logical by masks: these are signed numbers
    mixed = s0 + s3
    bits = ((mixed << 23) | ((mixed >> 41) & 0x7FFFFF)) + s0
    shifted = s1 << 17
    s2 ^= s0
    s3 ^= s1
    s[1] = s1 ^ s2
    s[0] = s0 ^ s3
    s[2] = s2 ^ shifted
    s[3] = (s3 << 45) | ((s3 >> 19) & 0x1FFFFFFFFFFF)
    return float(((bits >> 11) & 0x1FFFFFFFFFFFFF) + 1) * _HALF


@compiled
def exponential(stream: int) -> float:
    """Mean 1."""
    return -math.log(uniform(stream))


@compiled
def normal(stream: int) -> float:
    """Mean 0, variance 1, by the polar method (Marsaglia and Bray 1964), which makes two at a time."""
    s = integers(stream)
    kept = floats(stream)
    if s[4] != 0:
        s[4] = 0
        return kept[5]
    while True:
        x = 2.0 * uniform(stream) - 1.0
        y = 2.0 * uniform(stream) - 1.0
        square = x * x + y * y
        if 0.0 < square < 1.0:
            break
    factor = math.sqrt(-2.0 * math.log(square) / square)
    s[4] = 1
    kept[5] = factor * y
    return factor * x


@compiled
def log_factorial(k: float) -> float:
    """log(k!): the product, or Stirling's series with an error below 1e-10."""
    if k < 10.0:
        product = 1.0
        factor = 2.0
        while factor <= k:
            product *= factor
            factor += 1.0
        return math.log(product)
    x = k + 1.0
    inverse = 1.0 / x
    square = inverse * inverse
    series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1260.0))
    return (x - 0.5) * math.log(x) - x + 0.91893853320467274178 + series


@compiled
def poisson(stream: int, mean: float) -> float:
    """A Poisson number with this mean, which is finite and not negative.

    Below a mean of 10 by inversion, above by transformed rejection (W. Hörmann, "The transformed rejection
    method for generating Poisson random variables", Insurance: Math. Econ. 12 (1993) 39, algorithm PTRS).
    """
    if mean < _SMALL_MEAN:
        left = uniform(stream)
        term = math.exp(-mean)
        k = 0.0
        while left > term and k < 100.0:  # far beyond what round-off could leave over
            left -= term
            k += 1.0
            term *= mean / k
        return k
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    log_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    certain = 0.9277 - 3.6224 / (b - 2.0)
    log_mean = math.log(mean)
    while True:
        u = uniform(stream) - 0.5
        v = uniform(stream)
        edge = 0.5 - abs(u)
        if edge <= 0.0:
            continue
        k = float(math.floor((2.0 * a / edge + b) * u + mean + 0.43))
        if edge >= 0.07 and v <= certain:
            return k
        if k < 0.0 or (edge < 0.013 and v > edge):
            continue
        if math.log(v) + log_alpha - math.log(a / (edge * edge) + b) <= (
            k * log_mean - mean - log_factorial(k)
        ):
            return k
