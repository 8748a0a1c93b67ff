"""Events of functions that magnify what tolerances let pass: at ends of steps. Kernel code: see `pointers`.

The voltage of a blocking diode is its tiny current over a tiny conductance: an error of the current that no
tolerance minds makes volts of it. At the end of a step a stiff method has the current right; the interpolant
has not. So a step in which such an event seems to lie is made anew, to the place where it seems to be.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.locate import find, give_back_jacobian, keep_jacobian, point
from symnum.solving.kernel.pointers import Integers, at, compiled, floats
from symnum.solving.kernel.sides import has_left, is_small, switching
from symnum.solving.kernel.vectors import copy, larger, smaller

# Times the relative tolerance, of the largest value of an event function: what tolerances may make of it. A
# loose tolerance counts as this one.
MAGNIFIED, LOOSE = 20.0, 1e-5
# An event in this last part of a step is where it seems to be; the step goes by this share beyond it.
LAST, BEYOND = 0.99999, 1.000001
# The step does not become shorter than this share at once, and not for what is nearly zero at its start.
SHORTEST, NEARLY = 0.01, 1e-9

__all__ = ["approach", "magnifies"]


@compiled
def magnified(a: Integers, k: int) -> bool:
    """What `magnifies` found of event k."""
    return floats(a[slot.CLEAR])[k] != 0.0


@compiled
def magnifies(a: Integers) -> int:
    """1 where changes of all unknowns by their tolerances make much of event functions; CLEAR: of which."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    m = a[slot.N_EVENTS]
    end = floats(a[slot.V])
    atol = floats(a[slot.ATOL])
    largest = floats(a[slot.LARGEST])
    clear = floats(a[slot.CLEAR])
    near = floats(a[slot.NEARBY])
    kept = at(near, n)
    t = x[slot.T] + x[slot.H_STEP]
    for i in range(n):
        near[i] = end[i] + atol[i] + x[slot.RTOL] * abs(end[i])
    copy(m, switching(a, t, near), kept)
    now = switching(a, t, end)
    least = MAGNIFIED * smaller(x[slot.RTOL], LOOSE)
    found = 0
    for k in range(m):
        clear[k] = 0.0
        if abs(kept[k] - now[k]) > least * larger(largest[k], abs(now[k])):
            clear[k] = 1.0
            found = 1
    return found


@compiled
def approach(a: Integers) -> int:
    """1 where an event that `magnifies` marked seems to lie well within the step; SHARE: to just beyond."""
    keep_jacobian(a)
    share = first_place(a)
    give_back_jacobian(a)
    floats(a[slot.FLOATS])[slot.SHARE] = larger(SHORTEST, share * BEYOND)
    if share < LAST:
        return 1
    return 0


@compiled
def first_place(a: Integers) -> float:
    """Where the first of these events seems to be, as a share of the step; 1 without one."""
    x = floats(a[slot.FLOATS])
    y = floats(a[slot.Y])
    before = floats(a[slot.ROOTS_BEFORE])
    largest = floats(a[slot.LARGEST])
    m = a[slot.N_EVENTS]
    # values at the left end of each quarter
    kept = at(floats(a[slot.NEARBY]), a[slot.N] + m + a[slot.N_LIMITS])
    copy(m, before, kept)
    left = 0.0
    for quarter in range(1, 5):
        right = 0.25 * quarter
        point(a, right, y)
        t = x[slot.T] + right * x[slot.H_STEP]
        now = switching(a, t, y)
        place = 1.0
        for k in range(m):
            if magnified(a, k) and has_left(a, k, now) and not is_small(a, k, t, y, now):
                found = find(a, k, left, kept[k], right, now[k])
                if found > SHORTEST or abs(before[k]) > NEARLY * largest[k]:
                    place = smaller(place, found)
                point(a, right, y)
                now = switching(a, t, y)
        if place < 1.0:
            return place
        copy(m, now, kept)
        left = right
    return 1.0
