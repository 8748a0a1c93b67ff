"""What all methods share that follow events one by one. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, compiled, floats, shorts
from symnum.solving.kernel.propensity import fire, propensity, refused, save, save_until
from symnum.solving.kernel.random import exponential

__all__ = ["happen", "idle", "interrupted", "next_time", "renew", "select"]


@compiled
def interrupted(a: Integers) -> int:
    """Why the host is needed before anything else can happen; OK where it is not."""
    if a[slot.S_PAUSE_LEFT] == 0:
        return slot.PAUSED
    if a[slot.S_STEPS] == a[slot.S_MAX_STEPS]:
        return slot.MAX_STEPS_REACHED
    if a[slot.S_SAVED_COUNT] == a[slot.S_SAVED_CAPACITY]:
        return slot.BUFFER_FULL
    return slot.OK


@compiled
def next_time(a: Integers, total: float) -> float:
    """When the next event takes place, total being the sum of all propensities; T_STOP if none can."""
    f = floats(a[slot.S_FLOATS])
    if total > 0.0:
        return f[slot.S_T] + exponential(a[slot.S_RANDOM]) / total
    return f[slot.S_T_STOP]


@compiled
def idle(a: Integers) -> int:
    """Nothing happens any more up to T_STOP."""
    f = floats(a[slot.S_FLOATS])
    save_until(a, f[slot.S_T_STOP])
    f[slot.S_T] = f[slot.S_T_STOP]
    return slot.DONE


@compiled
def select(w: Floats, count: int, left: float) -> int:
    """The number whose part of the sum of w (count,) holds the point ``left`` from its beginning."""
    j = 0
    while j < count - 1 and left > w[j]:
        left -= w[j]
        j += 1
    while w[j] == 0.0:  # behind the last one that can happen, by round-off
        j -= 1
    return j


@compiled
def happen(a: Integers, j: int, t: float) -> bool:
    """Reaction j takes place at t. False if a count is negative then: the reaction is in FAILED."""
    save_until(a, t)
    floats(a[slot.S_FLOATS])[slot.S_T] = t
    a[slot.S_STEPS] += 1
    a[slot.S_PAUSE_LEFT] -= 1
    return fire(a, j)


@compiled
def renew(a: Integers, j: int) -> int:
    """The propensities that depend on what reaction j changes, and what TOTAL gains by them; X is saved then.

    OK, or NEGATIVE_RATE or NOT_FINITE with the reaction in FAILED.
    """
    f = floats(a[slot.S_FLOATS])
    w = floats(a[slot.S_PROPENSITY])
    first_range = shorts(a[slot.S_RANGE_START])
    ranges = shorts(a[slot.S_RANGES])
    dependent = shorts(a[slot.S_DEPENDENT])
    t = f[slot.S_T]
    gained = 0.0
    for part in range(first_range[j], first_range[j + 1]):
        for k in range(ranges[2 * part], ranges[2 * part + 1]):
            i = dependent[k]
            value = propensity(a, t, i)
            if not 0.0 <= value <= 1e300:
                return refused(a, i, value)
            gained += value - w[i]
            w[i] = value
    f[slot.S_TOTAL] += gained
    if a[slot.S_EVERY] != 0:
        save(a, t)
    return slot.OK
