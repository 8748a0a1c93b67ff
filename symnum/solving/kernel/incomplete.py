"""Incomplete LU factors of scale M - J over the matrix's own pattern, ILU(0), as a preconditioner.

Saad, Iterative Methods for Sparse Linear Systems, 2nd ed. (2003), section 10.3. Kernel code: see `pointers`.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, compiled, floats, shorts

__all__ = ["factor", "solve"]

_HUGE = 1.7976931348623157e308


@compiled
def factor(s: Integers) -> int:
    """Row by row; the reciprocal pivots stay on the diagonal. SINGULAR where one is zero or not finite."""
    n = s[slot.IN_N]
    scale = floats(s[slot.IN_SCALE_AT])[0]
    jacobian = floats(s[slot.IN_MATRIX])
    mass = floats(s[slot.IC_MASS])
    x = floats(s[slot.IC_VALUES])
    start = shorts(s[slot.IC_START])
    column = shorts(s[slot.IC_COLUMN])
    diagonal = shorts(s[slot.IC_DIAGONAL])
    source = shorts(s[slot.IC_SOURCE])
    target = shorts(s[slot.IC_TARGET])
    where = shorts(s[slot.IC_WHERE])
    for e in range(s[slot.IC_NNZ]):
        x[e] = 0.0
    for e in range(s[slot.IC_ENTRIES]):
        x[target[e]] = -jacobian[source[e]]
    for i in range(n):
        x[diagonal[i]] += scale * mass[i]
        where[i] = -1
    for i in range(n):
        for e in range(start[i], start[i + 1]):
            where[column[e]] = e
        for e in range(start[i], diagonal[i]):
            k = column[e]
            multiplier = x[e] * x[diagonal[k]]
            x[e] = multiplier
            for g in range(diagonal[k] + 1, start[k + 1]):
                to = where[column[g]]
                if to >= 0:
                    x[to] -= multiplier * x[g]
        for e in range(start[i], start[i + 1]):
            where[column[e]] = -1
        inverse = 1.0 / x[diagonal[i]]
        if not abs(inverse) <= _HUGE:
            return slot.SINGULAR
        x[diagonal[i]] = inverse
    return slot.OK


@compiled
def solve(s: Integers) -> int:
    n = s[slot.IN_N]
    b = floats(s[slot.IN_RIGHT])
    x = floats(s[slot.IC_VALUES])
    start = shorts(s[slot.IC_START])
    column = shorts(s[slot.IC_COLUMN])
    diagonal = shorts(s[slot.IC_DIAGONAL])
    for i in range(n):
        value = b[i]
        for e in range(start[i], diagonal[i]):
            value -= x[e] * b[column[e]]
        b[i] = value
    for i in range(n - 1, -1, -1):
        value = b[i]
        for e in range(diagonal[i] + 1, start[i + 1]):
            value -= x[e] * b[column[e]]
        b[i] = value * x[diagonal[i]]
    return slot.OK
