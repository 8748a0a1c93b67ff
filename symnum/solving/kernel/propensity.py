"""Propensities, the effects of reactions, and saving. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, call_model, compiled, floats, integers, shorts

__all__ = ["fire", "propensity", "refresh", "save", "save_until"]


@compiled
def propensity(a: Integers, t: float, j: int) -> float:
    """Of reaction j at X: turnovers per time. May be negative or no number where a general law is."""
    kind = shorts(a[slot.S_KIND])[j]
    x = floats(a[slot.S_X])
    value = floats(a[slot.S_CONSTANT])[j]
    if kind == slot.FIRST_ORDER:
        return value * x[shorts(a[slot.S_ONE])[j]]
    if kind == slot.TWO_SPECIES:
        return value * x[shorts(a[slot.S_ONE])[j]] * x[shorts(a[slot.S_TWO])[j]]
    if kind == slot.ONE_SPECIES_TWICE:
        count = x[shorts(a[slot.S_ONE])[j]]
        return value * count * (count - 1.0)
    if kind == slot.FALLING:
        start = shorts(a[slot.S_POWER_START])
        power = shorts(a[slot.S_POWER])
        multiplicity = shorts(a[slot.S_POWER_COUNT])
        for k in range(start[j], start[j + 1]):
            count = x[power[k]]
            for _ in range(multiplicity[k]):
                value *= count
                count -= 1.0
    if kind == slot.GENERAL:
        start = shorts(a[slot.S_LEAF_START])
        leaf = shorts(a[slot.S_LEAF])
        leaves = floats(a[slot.S_LEAVES])
        first = start[j]
        for k in range(first, start[j + 1]):
            leaves[k - first] = x[leaf[k]]
        result = floats(a[slot.S_WORK])
        call_model(integers(a[slot.S_FUNCTION])[j], t, result, leaves, leaves, at(result, 1))
        value = result[0]
    return value


@compiled
def refresh(a: Integers) -> int:
    """All propensities anew. OK, or NEGATIVE_RATE or NOT_FINITE with the reaction in FAILED."""
    w = floats(a[slot.S_PROPENSITY])
    t = floats(a[slot.S_FLOATS])[slot.S_T]
    for j in range(a[slot.S_REACTIONS]):
        value = propensity(a, t, j)
        w[j] = value
        if not 0.0 <= value <= 1e300:
            return refused(a, j, value)
    a[slot.S_FRESH] = 0
    return slot.OK


@compiled
def refused(a: Integers, j: int, value: float) -> int:
    """The status for a propensity that is none."""
    a[slot.S_FAILED] = j
    if value < 0.0:
        return slot.NEGATIVE_RATE
    return slot.NOT_FINITE


@compiled
def fire(a: Integers, j: int) -> bool:
    """One turnover of reaction j. False if a count is negative then: the entry is in FAILED."""
    x = floats(a[slot.S_X])
    start = shorts(a[slot.S_CHANGE_START])
    entry = shorts(a[slot.S_CHANGE])
    count = floats(a[slot.S_CHANGE_COUNT])
    lowest = 0.0
    for k in range(start[j], start[j + 1]):
        value = x[entry[k]] + count[k]
        x[entry[k]] = value
        if value < lowest:
            a[slot.S_FAILED] = j
            lowest = value
    return lowest >= 0.0


@compiled
def save(a: Integers, t: float) -> None:
    """X at t to the output; there must be room."""
    k = a[slot.S_SAVED_COUNT]
    n = a[slot.S_ROW]
    x = floats(a[slot.S_X])
    place = shorts(a[slot.S_PERMUTATION])
    out = at(floats(a[slot.S_SAVED]), k * n)
    for i in range(n):
        out[i] = x[place[i]]
    floats(a[slot.S_SAVED_T])[k] = t
    a[slot.S_SAVED_COUNT] = k + 1


@compiled
def save_until(a: Integers, t: float) -> None:
    """The present X at all times of the grid up to t, which lie behind the last event."""
    grid = floats(a[slot.S_GRID])
    k = a[slot.S_GRID_NEXT]
    while k < a[slot.S_GRID_SIZE] and grid[k] <= t:
        save(a, grid[k])
        k += 1
    a[slot.S_GRID_NEXT] = k
