"""The direct method: the exact process by sums over all propensities. Kernel code: see `pointers`.

D. T. Gillespie, "Exact stochastic simulation of coupled chemical reactions", J. Phys. Chem. 81 (1977) 2340;
with a dependency graph, so that only propensities that change are computed anew.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, compiled, floats
from symnum.solving.kernel.propensity import refresh
from symnum.solving.kernel.random import uniform
from symnum.solving.kernel.single_event import happen, idle, interrupted, next_time, renew, select

__all__ = ["advance", "event", "total"]


@compiled
def total(a: Integers) -> float:
    """The sum of all propensities."""
    w = floats(a[slot.S_PROPENSITY])
    m = a[slot.S_REACTIONS]
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
    return (first + second) + (third + fourth)


@compiled
def event(a: Integers) -> int:
    """The next event: OK; or DONE where none takes place before T_STOP, or why the host is needed."""
    status = interrupted(a)
    if status != slot.OK:
        return status
    everything = total(a)
    t = next_time(a, everything)
    if not t < floats(a[slot.S_FLOATS])[slot.S_T_STOP]:
        return idle(a)
    j = select(floats(a[slot.S_PROPENSITY]), a[slot.S_REACTIONS], uniform(a[slot.S_RANDOM]) * everything)
    if not happen(a, j, t):
        return slot.NEGATIVE_COUNT
    return renew(a, j)


@compiled
def advance(a: Integers) -> int:
    """Run to T_STOP, or until the host is needed."""
    if a[slot.S_FRESH] != 0:
        status = refresh(a)
        if status != slot.OK:
            return status
    while True:
        status = event(a)
        if status != slot.OK:
            return status
