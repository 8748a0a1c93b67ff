"""How fast the fastest mode of the model is, and which kind of method that asks for.

Kernel code: see `pointers`.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, compiled, floats, integers
from symnum.solving.kernel.vectors import larger, refresh_jacobian

__all__ = ["judge", "look"]

# Products with J: the growth over the last ones is taken, which evens out complex pairs of eigenvalues.
WARM = 8
COUNTED = 8
# An explicit method whose steps times the spectral radius reach this part of its stability interval is held
# back by stability; one that would stay below the other part is not.
HELD_BACK = 0.75
FREE = 0.5


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


@compiled
def judge(a: Integers) -> int:
    """With RADIUS at the accepted state: LOOK_CHANGE, and when to look again.

    A system is stiff for the explicit method while its steps are held back by stability and many of them are
    to come. From the stiff method back it goes when its steps would be stable for the explicit one; of a
    long run several looks must agree on that, since a fast transient is soon over.
    """
    x = floats(a[slot.FLOATS])
    steps = a[slot.STEPS]
    made = steps - a[slot.LOOK_STEPS]
    if made < 1:
        made = 1
    rate = x[slot.RADIUS] / x[slot.LOOK_STABLE]
    reach = (x[slot.T] - x[slot.LOOK_T]) / made * rate
    remaining = (x[slot.LOOK_END] - x[slot.T]) * rate
    x[slot.LOOK_REMAINING] = remaining
    a[slot.LOOK_STEPS] = steps
    x[slot.LOOK_T] = x[slot.T]
    a[slot.LOOK_INTERVAL] *= 2
    a[slot.LOOK_NEXT] = steps + a[slot.LOOK_INTERVAL]
    a[slot.LOOK_CHANGE] = 0
    if a[slot.LOOK_EXPLICIT] != 0:
        if reach > HELD_BACK and remaining > 0.5 * x[slot.LOOK_AFFORDABLE]:
            a[slot.LOOK_PATIENCE] += 1
            a[slot.LOOK_CHANGE] = 1
        return slot.OK
    a[slot.LOOK_FREE] += 1
    if not reach < FREE * larger(1.0, 0.25 * x[slot.LOOK_RATIO]):
        a[slot.LOOK_FREE] = 0
    needed = a[slot.LOOK_PATIENCE]
    if remaining < x[slot.LOOK_AFFORDABLE]:
        needed = 0
    if a[slot.LOOK_FREE] > needed:
        a[slot.LOOK_FREE] = 0
        a[slot.LOOK_CHANGE] = 1
    return slot.OK


@compiled
def look(a: Integers) -> int:
    """What the loop calls at LOOK_NEXT steps: OK, or PAUSED where the method is to change."""
    radius(a)
    judge(a)
    if a[slot.LOOK_CHANGE] != 0:
        return slot.PAUSED
    return slot.OK
