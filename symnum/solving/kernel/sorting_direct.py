"""The direct method with reactions kept in order of how often they happen. Kernel code: see `pointers`.

J. M. McCollum, G. D. Peterson, C. D. Cox, M. L. Simpson, N. F. Samatova, "The sorting direct method for
stochastic simulation of biochemical systems with varying reaction execution behavior", Comput. Biol. Chem. 30
(2006) 39: each reaction that happens moves one place to the front. The total is kept up to date instead of
being summed, and formed anew before round-off could be seen.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.direct import total
from symnum.solving.kernel.pointers import Integers, compiled, floats, shorts
from symnum.solving.kernel.propensity import refresh
from symnum.solving.kernel.random import uniform
from symnum.solving.kernel.single_event import happen, idle, interrupted, next_time, renew

__all__ = ["advance"]

BETWEEN = 1024  # events after which the total is formed anew
FALLEN = 2.0**-20  # the same when it has become this small in comparison


@compiled
def sum_up(a: Integers) -> None:
    f = floats(a[slot.S_FLOATS])
    f[slot.S_TOTAL] = total(a)
    f[slot.S_SEEN_TOTAL] = f[slot.S_TOTAL]
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
    while True:
        status = interrupted(a)
        if status != slot.OK:
            return status
        a[slot.S_UNTIL_REFRESH] -= 1
        if a[slot.S_UNTIL_REFRESH] <= 0 or not f[slot.S_TOTAL] >= FALLEN * f[slot.S_SEEN_TOTAL]:
            sum_up(a)
        t = next_time(a, f[slot.S_TOTAL])
        if not t < f[slot.S_T_STOP]:
            return idle(a)
        left = uniform(a[slot.S_RANDOM]) * f[slot.S_TOTAL]
        k = 0
        while k < m and left > w[order[k]]:
            left -= w[order[k]]
            k += 1
        if k == m:  # beyond all, by round-off of the total
            sum_up(a)
            continue
        j = order[k]
        if k > 0:
            order[k] = order[k - 1]
            order[k - 1] = j
        if not happen(a, j, t):
            return slot.NEGATIVE_COUNT
        status = renew(a, j)
        if status != slot.OK:
            return status
