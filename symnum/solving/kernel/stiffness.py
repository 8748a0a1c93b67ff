"""How fast the fastest mode of the model is. Kernel code: see `pointers`."""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, compiled, floats, integers
from symnum.solving.kernel.vectors import refresh_jacobian

__all__ = ["radius"]

# Products with J: the growth over the last ones is taken, which evens out complex pairs of eigenvalues.
WARM = 8
COUNTED = 8


@compiled
def length(n: int, values: Floats) -> float:
    total = 0.0
    for i in range(n):
        total += values[i] * values[i]
    return math.sqrt(total)


@compiled
def radius(a: Integers) -> int:
    """RADIUS: the spectral radius of the Jacobian at the accepted state, by power iteration. Uses Y and Z.

    Infinity where J is not finite. The start is the same in every run: numbers from a linear congruence.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    y = floats(a[slot.Y])
    z = floats(a[slot.Z])
    indptr = integers(a[slot.INDPTR])
    indices = integers(a[slot.INDICES])
    values = floats(a[slot.JACOBIAN_VALUES])
    refresh_jacobian(a)
    number = 1
    for i in range(n):
        number = (number * 16807) % 2147483647
        y[i] = 0.5 + number / 2147483647.0
    growth = 0.0
    size = length(n, y)
    for k in range(WARM + COUNTED):
        for i in range(n):
            y[i] /= size
            z[i] = 0.0
        for j in range(n):
            for e in range(indptr[j], indptr[j + 1]):
                z[indices[e]] += values[e] * y[j]
        for i in range(n):
            y[i] = z[i]
        size = length(n, y)
        if not size <= 1e300:
            x[slot.RADIUS] = math.inf
            return slot.OK
        if size == 0.0:
            x[slot.RADIUS] = 0.0
            return slot.OK
        if k >= WARM:
            growth += math.log(size)
    x[slot.RADIUS] = math.exp(growth / COUNTED)
    return slot.OK
