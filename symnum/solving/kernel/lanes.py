"""An ensemble in lanes: several trajectories side by side, each with a step size of its own.

The steps themselves are made by the model's RUN function on all lanes at once, until a lane needs attention:
it has passed a time to save at, has arrived, or cannot go on. A lane that is through gets the next member.
Kernel code: see `pointers`.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, call_kernel, compiled, floats, integers

__all__ = ["ensemble"]


@compiled
def load(a: Integers, lane: int) -> bool:
    """Give the lane the next member, which BEGIN_LANES then makes ready; False when there is none left."""
    x = floats(a[slot.L_FLOATS])
    w = a[slot.L_LANES]
    n = a[slot.L_N]
    count = a[slot.L_COUNT]
    times = floats(a[slot.L_TIMES])
    u = floats(a[slot.L_U])
    p = floats(a[slot.L_P])
    floats(a[slot.L_ACCEPTED])[lane] = 0.0
    floats(a[slot.L_TAKEN])[lane] = 0.0
    floats(a[slot.L_REFUSED])[lane] = 0.0
    floats(a[slot.L_SHRUNK])[lane] = 0.0
    floats(a[slot.L_BEFORE])[lane] = 0.0
    member = a[slot.L_FIRST]
    if member >= a[slot.L_LAST]:
        floats(a[slot.L_ACTIVE])[lane] = 0.0
        floats(a[slot.L_FRESH])[lane] = 0.0
        floats(a[slot.L_H])[lane] = x[slot.L_END] - x[slot.L_BEGIN]
        return False
    a[slot.L_FIRST] = member + 1
    integers(a[slot.L_MEMBER])[lane] = member
    start = at(floats(a[slot.L_STARTS]), member * n)
    values = at(floats(a[slot.L_VALUES]), member * a[slot.L_PARAMETERS])
    saved = at(floats(a[slot.L_SAVED]), member * count * n)
    for i in range(n):
        u[i * w + lane] = start[i]
    for i in range(a[slot.L_PARAMETERS]):
        p[i * w + lane] = values[i]
    floats(a[slot.L_T])[lane] = x[slot.L_BEGIN]
    k = 0
    while k < count and times[k] <= x[slot.L_BEGIN]:
        for i in range(n):
            saved[k * n + i] = start[i]
        k += 1
    integers(a[slot.L_POSITION])[lane] = k
    floats(a[slot.L_NEXT])[lane] = x[slot.L_END]
    if k < count:
        floats(a[slot.L_NEXT])[lane] = times[k]
    floats(a[slot.L_ACTIVE])[lane] = 1.0
    floats(a[slot.L_FRESH])[lane] = 1.0
    return True


@compiled
def begin(a: Integers) -> int:
    """Make the members ready that lanes have been given; how many lanes go without one after that.

    A member whose right-hand side is not finite at the start makes room for the next one.
    """
    w = a[slot.L_LANES]
    fresh = floats(a[slot.L_FRESH])
    attention = floats(a[slot.L_ATTENTION])
    status = integers(a[slot.L_STATUS])
    idle = 0
    again = True
    while again:
        call_kernel(a[slot.L_BEGIN_LANES], a)
        again = False
        for lane in range(w):
            if fresh[lane] != 0.0:
                fresh[lane] = 0.0
                if attention[lane] != slot.L_NOTHING:
                    status[integers(a[slot.L_MEMBER])[lane]] = slot.NOT_FINITE
                    if load(a, lane):
                        again = True
                    else:
                        idle += 1
    return idle


@compiled
def save(a: Integers, lane: int) -> None:
    """Write the times that the accepted step of this lane passes."""
    w = a[slot.L_LANES]
    n = a[slot.L_N]
    s = a[slot.L_STAGES]
    count = a[slot.L_COUNT]
    times = floats(a[slot.L_TIMES])
    positions = integers(a[slot.L_POSITION])
    saved = at(floats(a[slot.L_SAVED]), integers(a[slot.L_MEMBER])[lane] * count * n)
    u = floats(a[slot.L_U])
    v = floats(a[slot.L_V])
    stages = floats(a[slot.L_K])
    table = floats(a[slot.L_DENSE])
    rows = a[slot.L_DENSE_ROWS]
    begin = floats(a[slot.L_T])[lane]
    h = floats(a[slot.L_STEP])[lane]
    end = floats(a[slot.L_T1])[lane]
    factor = 1.0
    if a[slot.L_EXPLICIT] != 0:
        factor = h
    k = positions[lane]
    while k < count and times[k] <= end:
        out = at(saved, k * n)
        if times[k] == end:
            for i in range(n):
                out[i] = v[i * w + lane]
        else:
            theta = (times[k] - begin) / h
            left = 1.0 - theta
            for i in range(n):
                out[i] = 0.0
            for j in range(s):
                weight = 0.0
                for l in range(rows - 1, -1, -1):
                    weight = weight * theta + table[l * s + j]
                weight *= factor
                for i in range(n):
                    out[i] += weight * stages[(j * n + i) * w + lane]
            for i in range(n):
                out[i] = left * u[i * w + lane] + theta * (v[i * w + lane] + left * out[i])
        k += 1
    positions[lane] = k
    floats(a[slot.L_NEXT])[lane] = floats(a[slot.L_FLOATS])[slot.L_END]
    if k < count:
        floats(a[slot.L_NEXT])[lane] = times[k]


@compiled
def ensemble(a: Integers) -> int:
    """All members from FIRST to LAST. OK."""
    w = a[slot.L_LANES]
    attention = floats(a[slot.L_ATTENTION])
    members = integers(a[slot.L_MEMBER])
    status = integers(a[slot.L_STATUS])
    end = floats(a[slot.L_FLOATS])[slot.L_END]
    active = 0
    for lane in range(w):
        if load(a, lane):
            active += 1
    active -= begin(a)
    while active > 0:
        call_kernel(a[slot.L_RUN], a)
        loaded = False
        for lane in range(w):
            code = attention[lane]
            if code != slot.L_NOTHING:
                through = True
                outcome = slot.DONE
                if code == slot.L_CROSSED:
                    save(a, lane)
                    through = floats(a[slot.L_T1])[lane] >= end
                elif code == slot.L_TOO_SMALL:
                    outcome = slot.STEP_TOO_SMALL
                elif code == slot.L_BAD_VALUE:
                    outcome = slot.NOT_FINITE
                elif code == slot.L_TOO_MANY:
                    outcome = slot.MAX_STEPS_REACHED
                else:
                    outcome = slot.REPIVOT
                if through:
                    member = members[lane]
                    status[member] = outcome
                    floats(a[slot.L_STEPS_OUT])[member] = floats(a[slot.L_TAKEN])[lane]
                    floats(a[slot.L_REJECTED_OUT])[member] = floats(a[slot.L_REFUSED])[lane]
                    if load(a, lane):
                        loaded = True
                    else:
                        active -= 1
        if loaded:
            active -= begin(a)
    return slot.OK
