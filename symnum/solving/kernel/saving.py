"""What an accepted step gives to the output. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.dense import interpolate
from symnum.solving.kernel.pointers import Integers, at, compiled, floats
from symnum.solving.kernel.vectors import copy

__all__ = ["save"]


@compiled
def save(a: Integers) -> bool:
    """Write what the accepted step gives to the output buffers; False when one is full."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    t = x[slot.T]
    end = x[slot.T1]
    h = x[slot.H_STEP]
    located = a[slot.LOCATED] != 0
    state = floats(a[slot.V])
    if located:
        state = floats(a[slot.END])
    if a[slot.KEEP_DENSE] == 1:
        if a[slot.KEPT_COUNT] == a[slot.KEPT_CAPACITY]:
            return False
        size = 3 + (2 + a[slot.DENSE_ROWS]) * n
        record = at(floats(a[slot.KEPT]), a[slot.KEPT_COUNT] * size)
        record[0] = t
        record[1] = h
        record[2] = end
        copy(n, floats(a[slot.U]), at(record, 3))
        copy(n, floats(a[slot.V]), at(record, 3 + n))
        copy(n * a[slot.DENSE_ROWS], floats(a[slot.DENSE]), at(record, 3 + 2 * n))
        a[slot.KEPT_COUNT] += 1
        a[slot.KEEP_DENSE] = 2  # written: do not write it again when `save` is called again
    times = floats(a[slot.SAVED_T])
    states = floats(a[slot.SAVED_U])
    if a[slot.SAVE] == slot.SAVE_GRID:
        grid = floats(a[slot.GRID])
        while a[slot.GRID_NEXT] < a[slot.GRID_SIZE] and grid[a[slot.GRID_NEXT]] <= end:
            k = a[slot.SAVED_COUNT]
            if k == a[slot.SAVED_CAPACITY]:
                return False
            at_time = grid[a[slot.GRID_NEXT]]
            times[k] = at_time
            if at_time == end:
                copy(n, state, at(states, k * n))
            else:
                interpolate(a, (at_time - t) / h, at(states, k * n))
            a[slot.SAVED_COUNT] = k + 1
            a[slot.GRID_NEXT] += 1
    elif a[slot.SAVE] == slot.SAVE_STEPS:
        k = a[slot.SAVED_COUNT]
        if k == a[slot.SAVED_CAPACITY]:
            return False
        times[k] = end
        copy(n, state, at(states, k * n))
        a[slot.SAVED_COUNT] = k + 1
    if a[slot.KEEP_DENSE] == 2:
        a[slot.KEEP_DENSE] = 1
    return True
