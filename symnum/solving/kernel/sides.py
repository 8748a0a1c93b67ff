"""On which side of zero the switching functions of events and limits are. Kernel code: see `pointers`.

Event k has the switching function g_k. Limit k has, while it is free, its distance outside, and while it
holds its state, the negative drive; both are looked at on the way up. SIDE is the sign on which each
switching function is known to be, 0 where the next step has to show it: at a point that was reached as a
sign change the function is round-off. Relations are on a side always: what they switch is known by it.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import (
    Floats,
    Integers,
    at,
    call_model,
    compiled,
    floats,
    integers,
)
from symnum.solving.kernel.vectors import copy, larger

# Round-off of a switching function is estimated from how far it moves when what it reads is moved by about
# 2^-30 of itself, each by another share: 2^-16 of that is 64 units in the last place. What a state has
# gathered before is allowed for by a millionth of its absolute tolerance.
MOVED, ROUND_OFF = 2.0**-30, 2.0**-16
OF_TOLERANCE = 1e-6 / ROUND_OFF
# An event that came back from its stops so often in a row, each sooner than the last, and which then leaves
# further than it came back: the stops were about to pile up. By itself it comes back from a share of that.
PILED, DEEP = 8, 0.25
SOONER, AT_ONCE = 0.999, 1e-12  # of the time before it, and of time itself

__all__ = [
    "count_returns", "has_left", "is_small", "look_at_sides", "raw_roots", "settle_sides",
    "switching",
]  # fmt: skip


@compiled
def raw_roots(a: Integers, t: float, u: Floats) -> Floats:
    values = floats(a[slot.ROOT_VALUES])
    call_model(a[slot.ROOTS], t, values, u, floats(a[slot.P]), floats(a[slot.WORK]))
    return values


@compiled
def switching(a: Integers, t: float, u: Floats) -> Floats:
    """The switching functions at (t, u), (n_events + n_limits,)."""
    values = raw_roots(a, t, u)
    events = a[slot.N_EVENTS]
    held = integers(a[slot.HELD])
    out = at(values, a[slot.N_ROOTS])
    for k in range(events):
        out[k] = values[k]
    for k in range(a[slot.N_LIMITS]):
        if held[k] != 0:
            out[events + k] = -values[events + 2 * k + 1]
        else:
            out[events + k] = values[events + 2 * k]
    return out


@compiled
def wanted(a: Integers, k: int, side: int) -> bool:
    """Is leaving `side` what event or limit k is looking for?"""
    if k >= a[slot.N_EVENTS]:
        return side < 0
    direction = integers(a[slot.DIRECTION])[k]
    return direction == 0 or direction == -side


@compiled
def is_small(a: Integers, k: int, t: float, u: Floats, now: Floats) -> bool:
    """Is event k round-off beside its terms? The difference of two equal sums is."""
    if k >= a[slot.N_EVENTS]:
        return False
    n = a[slot.N]
    m = a[slot.N_EVENTS] + a[slot.N_LIMITS]
    near = floats(a[slot.NEARBY])
    kept = at(near, n)
    atol = floats(a[slot.ATOL])
    copy(m, now, kept)
    moved = 0.0
    for turn in range(2):
        share = 0.5  # of a golden or a silver turn each: no two of them are close to each other
        for i in range(n):
            share += 0.6180339887498949 - 0.2039683 * turn
            if share > 1.0:
                share -= 1.0
            near[i] = u[i] + (2.0 * share - 1.0) * (MOVED * abs(u[i]) + OF_TOLERANCE * atol[i])
        other = switching(a, t * (1.0 + MOVED * (0.7 - 1.4 * turn)), near)
        moved = larger(moved, abs(other[k] - kept[k]))
    copy(m, kept, now)
    return abs(kept[k]) <= ROUND_OFF * moved


@compiled
def has_left(a: Integers, k: int, now: Floats) -> bool:
    """Is switching function k beyond a sign change that is looked for?"""
    side = integers(a[slot.SIDE])[k]
    return side != 0 and now[k] * side < 0.0 and wanted(a, k, side)


@compiled
def look_at_sides(a: Integers, t: float, u: Floats, now: Floats) -> int:
    """What a piece of a step without a wanted sign change shows. 1 where an event has escaped its stops."""
    events = a[slot.N_EVENTS]
    before = floats(a[slot.ROOTS_BEFORE])
    side = integers(a[slot.SIDE])
    returns = integers(a[slot.RETURNS])
    came_from = integers(a[slot.CAME_FROM])
    highest = floats(a[slot.HIGHEST_SINCE])
    largest = floats(a[slot.LARGEST])
    escaped = 0
    for k in range(events + a[slot.N_LIMITS]):
        before[k] = now[k]
        if now[k] == 0.0:
            continue
        shown = -1
        if now[k] > 0.0:
            shown = 1
        if shown != side[k]:
            if is_small(a, k, t, u, now):
                continue
            if k < events and side[k] != 0 and highest[k] > DEEP * at(highest, events)[k]:
                returns[k] = 0
            side[k] = shown
        if returns[k] >= PILED and shown != came_from[k] and abs(now[k]) > at(highest, events)[k]:
            integers(a[slot.FIRED])[k] = came_from[k]
            escaped = 1
        if k < events:
            highest[k] = larger(highest[k], abs(now[k]))
            largest[k] = larger(largest[k], abs(now[k]))
    return escaped


@compiled
def count_returns(a: Integers, t: float) -> None:
    """At a stop at time t: which events have come back to the side that they left, and left it sooner."""
    events = a[slot.N_EVENTS]
    fired = integers(a[slot.FIRED])
    zero = integers(a[slot.SIDE_AT_ZERO])
    returns = integers(a[slot.RETURNS])
    came_from = integers(a[slot.CAME_FROM])
    highest = floats(a[slot.HIGHEST_SINCE])
    last = at(highest, 2 * events)
    gap = at(highest, 3 * events)
    for k in range(events):
        if fired[k] != 0:
            sooner = t - last[k] <= larger(SOONER * gap[k], AT_ONCE * abs(t))
            if zero[k] == 0 and fired[k] == came_from[k] and sooner:
                returns[k] += 1
            else:
                returns[k] = 0
            came_from[k] = fired[k]
            gap[k] = t - last[k]
            last[k] = t
            at(highest, events)[k] = highest[k]
            highest[k] = 0.0


@compiled
def settle_sides(a: Integers) -> int:
    """SIDE at the accepted state, when a run starts or starts again after a stop.

    An event that is zero, or may be by round-off, at a stop for another reason stays on the side that it came
    from, at a start on none: its sign change is still to come. A relation holds there or does not, be it by
    round-off; where it is exactly zero it goes to the side that says so.
    A relation that has just changed is on its new side, be it by round-off: what it switched may push it
    back.
    A limit is inside, be it by a hair outside: `switch_outside` has held what is pushed outwards.
    """
    events = a[slot.N_EVENTS]
    m = events + a[slot.N_LIMITS]
    t = floats(a[slot.FLOATS])[slot.T]
    now = switching(a, t, floats(a[slot.U]))
    returns = integers(a[slot.RETURNS])
    before = floats(a[slot.ROOTS_BEFORE])
    side = integers(a[slot.SIDE])
    fired = integers(a[slot.FIRED])
    zero = integers(a[slot.SIDE_AT_ZERO])
    for k in range(m):
        before[k] = now[k]
        if fired[k] == 0:
            returns[k] = 0
        if fired[k] != 0 and (k >= events or zero[k] == 0 or zero[k] == 2):
            side[k] = 0
        elif fired[k] == 0 and zero[k] == 0 and is_small(a, k, t, floats(a[slot.U]), now):
            pass
        elif k >= events or now[k] < 0.0:
            side[k] = -1
        elif now[k] > 0.0:
            side[k] = 1
        elif zero[k] == 2:
            side[k] = 0
        elif zero[k] != 0:
            side[k] = zero[k]
    return slot.OK
