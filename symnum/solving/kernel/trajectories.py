"""Many trajectories of one stochastic problem, one after the other. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, call_kernel, compiled, floats, integers

__all__ = ["trajectories"]


@compiled
def trajectories(a: Integers) -> int:
    """Members FIRST up to LAST, each from its own start with its own stream, saved on the grid.

    Every member has a row of entries in STARTS, of four words in STREAMS, and writes to OUT (members, times,
    n), STATUS, STEPS_OUT, EVENTS_OUT and REJECTED_OUT.
    """
    f = floats(a[slot.S_FLOATS])
    x = floats(a[slot.S_X])
    entries = a[slot.S_ENTRIES]
    stream = integers(a[slot.S_RANDOM])
    out = a[slot.S_OUT]
    statuses = integers(a[slot.S_STATUS])
    size = 8 * a[slot.S_GRID_SIZE] * a[slot.S_ROW]
    for member in range(a[slot.S_FIRST], a[slot.S_LAST]):
        start = at(floats(a[slot.S_STARTS]), member * entries)
        for i in range(entries):
            x[i] = start[i]
        words = integers(a[slot.S_STREAMS])
        for k in range(4):
            stream[k] = words[4 * member + k]
        stream[4] = 0
        f[slot.S_T] = f[slot.S_BEGIN]
        a[slot.S_FRESH] = 1
        a[slot.S_STEPS] = 0
        a[slot.S_EVENTS] = 0
        a[slot.S_REJECTED] = 0
        a[slot.S_GRID_NEXT] = 0
        a[slot.S_SAVED_COUNT] = 0
        a[slot.S_SAVED] = out + member * size
        a[slot.S_PAUSE_LEFT] = -1
        statuses[member] = call_kernel(a[slot.S_ADVANCE], a)
        integers(a[slot.S_STEPS_OUT])[member] = a[slot.S_STEPS]
        integers(a[slot.S_EVENTS_OUT])[member] = a[slot.S_EVENTS]
        integers(a[slot.S_REJECTED_OUT])[member] = a[slot.S_REJECTED]
    return slot.DONE
