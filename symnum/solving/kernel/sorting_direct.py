"""The direct method with reactions kept in order of how often they happen. Kernel code: see `pointers`.

J. M. McCollum, G. D. Peterson, C. D. Cox, M. L. Simpson, N. F. Samatova, "The sorting direct method for
stochastic simulation of biochemical systems with varying reaction execution behavior", Comput. Biol. Chem. 30
(2006) 39: each reaction that happens moves one place to the front. The total is kept up to date instead of
being summed, and formed anew before round-off could be seen.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, compiled, floats, shorts
from symnum.solving.kernel.propensity import fire, propensity, refresh, refused, save, save_until
from symnum.solving.kernel.random import exponential, uniform

__all__ = ["advance"]

BETWEEN = 1024  # events after which the total is formed anew
FALLEN = 2.0**-20  # the same when it has become this small in comparison


@compiled
def sum_up(a: Integers) -> None:
    w = floats(a[slot.S_PROPENSITY])
    total = 0.0
    for j in range(a[slot.S_REACTIONS]):
        total += w[j]
    f = floats(a[slot.S_FLOATS])
    f[slot.S_TOTAL] = total
    f[slot.S_SEEN_TOTAL] = total
    a[slot.S_UNTIL_REFRESH] = BETWEEN


@compiled
def advance(a: Integers) -> int:
    """Run to T_STOP, or until the host is needed."""
    f = floats(a[slot.S_FLOATS])
    m = a[slot.S_REACTIONS]
    order = shorts(a[slot.S_ORDER])
    if a[slot.S_FRESH] != 0:
        status = refresh(a)
        if status != slot.OK:
            return status
        for j in range(m):
            order[j] = j
        sum_up(a)
    w = floats(a[slot.S_PROPENSITY])
    first_range = shorts(a[slot.S_RANGE_START])
    ranges = shorts(a[slot.S_RANGES])
    dependent = shorts(a[slot.S_DEPENDENT])
    stream = a[slot.S_RANDOM]
    stop = f[slot.S_T_STOP]
    while True:
        if a[slot.S_PAUSE_LEFT] == 0:
            return slot.PAUSED
        if a[slot.S_STEPS] == a[slot.S_MAX_STEPS]:
            return slot.MAX_STEPS_REACHED
        if a[slot.S_SAVED_COUNT] == a[slot.S_SAVED_CAPACITY]:
            return slot.BUFFER_FULL
        a[slot.S_UNTIL_REFRESH] -= 1
        if a[slot.S_UNTIL_REFRESH] <= 0 or not f[slot.S_TOTAL] >= FALLEN * f[slot.S_SEEN_TOTAL]:
            sum_up(a)
        total = f[slot.S_TOTAL]
        t = stop
        if total > 0.0:
            t = f[slot.S_T] + exponential(stream) / total
        if not t < stop:
            save_until(a, stop)
            f[slot.S_T] = stop
            return slot.DONE
        left = uniform(stream) * total
        k = 0
        while k < m and left > w[order[k]]:
            left -= w[order[k]]
            k += 1
        if k == m:  # beyond all, by round-off of the total
            sum_up(a)
            continue
        save_until(a, t)
        f[slot.S_T] = t
        j = order[k]
        if k > 0:
            order[k] = order[k - 1]
            order[k - 1] = j
        a[slot.S_STEPS] += 1
        a[slot.S_PAUSE_LEFT] -= 1
        if not fire(a, j):
            return slot.NEGATIVE_COUNT
        for part in range(first_range[j], first_range[j + 1]):
            for k in range(ranges[2 * part], ranges[2 * part + 1]):
                i = dependent[k]
                value = propensity(a, t, i)
                if not 0.0 <= value <= 1e300:
                    return refused(a, i, value)
                f[slot.S_TOTAL] += value - w[i]
                w[i] = value
        if a[slot.S_EVERY] != 0:
            save(a, t)
