"""The direct method: the exact process by sums over all propensities. Kernel code: see `pointers`.

D. T. Gillespie, "Exact stochastic simulation of coupled chemical reactions", J. Phys. Chem. 81 (1977) 2340;
with a dependency graph, so that only propensities that change are computed anew.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, compiled, floats, shorts
from symnum.solving.kernel.propensity import fire, propensity, refresh, refused, save, save_until
from symnum.solving.kernel.random import exponential, uniform

__all__ = ["advance"]


@compiled
def advance(a: Integers) -> int:
    """Run to T_STOP, or until the host is needed."""
    f = floats(a[slot.S_FLOATS])
    if a[slot.S_FRESH] != 0:
        status = refresh(a)
        if status != slot.OK:
            return status
    w = floats(a[slot.S_PROPENSITY])
    first_range = shorts(a[slot.S_RANGE_START])
    ranges = shorts(a[slot.S_RANGES])
    dependent = shorts(a[slot.S_DEPENDENT])
    stream = a[slot.S_RANDOM]
    m = a[slot.S_REACTIONS]
    stop = f[slot.S_T_STOP]
    while True:
        if a[slot.S_PAUSE_LEFT] == 0:
            return slot.PAUSED
        if a[slot.S_STEPS] == a[slot.S_MAX_STEPS]:
            return slot.MAX_STEPS_REACHED
        if a[slot.S_SAVED_COUNT] == a[slot.S_SAVED_CAPACITY]:
            return slot.BUFFER_FULL
        # four sums side by side: one alone would wait for each addition
        first = 0.0
        second = 0.0
        third = 0.0
        fourth = 0.0
        j = 0
        while j + 3 < m:
            first += w[j]
            second += w[j + 1]
            third += w[j + 2]
            fourth += w[j + 3]
            j += 4
        while j < m:
            first += w[j]
            j += 1
        total = (first + second) + (third + fourth)
        t = stop
        if total > 0.0:
            t = f[slot.S_T] + exponential(stream) / total
        if not t < stop:
            save_until(a, stop)
            f[slot.S_T] = stop
            return slot.DONE
        save_until(a, t)
        f[slot.S_T] = t
        left = uniform(stream) * total
        j = 0
        while j < m - 1 and left > w[j]:
            left -= w[j]
            j += 1
        while w[j] == 0.0:  # behind the last one that can happen, by round-off
            j -= 1
        a[slot.S_STEPS] += 1
        a[slot.S_PAUSE_LEFT] -= 1
        if not fire(a, j):
            return slot.NEGATIVE_COUNT
        for part in range(first_range[j], first_range[j + 1]):
            for k in range(ranges[2 * part], ranges[2 * part + 1]):
                i = dependent[k]
                value = propensity(a, t, i)
                w[i] = value
                if not 0.0 <= value <= 1e300:
                    return refused(a, i, value)
        if a[slot.S_EVERY] != 0:
            save(a, t)
