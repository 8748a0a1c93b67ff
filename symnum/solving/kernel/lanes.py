"""An ensemble in lanes: several trajectories side by side, each with a step size of its own.

The steps themselves are made by the model's RUN function on all lanes at once, until a lane needs attention:
it has passed a time to save at, has arrived, or cannot go on. A lane that is through gets the next member.
Kernel code: see `pointers`.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, at, call_kernel, compiled, floats, integers
from symnum.solving.kernel.vectors import larger, smaller

__all__ = ["ensemble"]


@compiled
def sizes_of(a: Integers, lane: int, value: Floats, relative: Floats) -> float:
    """Root mean square of value_i / (atol_i + rtol |relative_i|) in one lane."""
    w = a[slot.L_LANES]
    n = a[slot.L_N]
    rtol = floats(a[slot.L_FLOATS])[slot.L_RTOL]
    atol = floats(a[slot.L_ATOL])
    total = 0.0
    for i in range(n):
        scaled = value[i * w + lane] / (atol[i * w + lane] + rtol * abs(relative[i * w + lane]))
        total += scaled * scaled
    return math.sqrt(total / n)


@compiled
def first_step(a: Integers, lane: int) -> float:
    """As in `loop.first_step`; f at the start is in F1."""
    x = floats(a[slot.L_FLOATS])
    w = a[slot.L_LANES]
    n = a[slot.L_N]
    u = floats(a[slot.L_U])
    f = floats(a[slot.L_F1])
    y = floats(a[slot.L_Y])
    keep = floats(a[slot.L_F0])
    span = x[slot.L_END] - x[slot.L_BEGIN]
    if x[slot.L_FIRST_STEP] > 0.0:
        return smaller(x[slot.L_FIRST_STEP], span)
    d0 = sizes_of(a, lane, u, u)
    d1 = sizes_of(a, lane, f, u)
    h = 1e-6
    if d0 >= 1e-5 and d1 >= 1e-5:
        h = 0.01 * d0 / d1
    if d1 < 1e-5:
        h = larger(h, 1e-3 * span)
    h = smaller(h, span)
    for i in range(n):
        y[i * w + lane] = u[i * w + lane] + h * f[i * w + lane]
        keep[i * w + lane] = f[i * w + lane]
    floats(a[slot.L_PROBE_T])[lane] = x[slot.L_BEGIN] + h
    call_kernel(a[slot.L_PROBE], a)
    for i in range(n):
        y[i * w + lane] = f[i * w + lane] - keep[i * w + lane]
    top = larger(d1, sizes_of(a, lane, y, u) / h)
    if not top <= 1e300:
        return smaller(h, 1e-6 * span)
    if top <= 1e-15:
        return smaller(100.0 * h, larger(1e-6 * span, 1e-3 * h))
    return smaller(100.0 * h, (0.01 / top) ** (1.0 / x[slot.L_ORDER]))


@compiled
def fill(a: Integers, lane: int) -> bool:
    """Give the lane the next member; False when there is none left."""
    x = floats(a[slot.L_FLOATS])
    w = a[slot.L_LANES]
    n = a[slot.L_N]
    count = a[slot.L_COUNT]
    times = floats(a[slot.L_TIMES])
    u = floats(a[slot.L_U])
    y = floats(a[slot.L_Y])
    p = floats(a[slot.L_P])
    f = floats(a[slot.L_F1])
    f0 = floats(a[slot.L_F0])
    members = integers(a[slot.L_MEMBER])
    positions = integers(a[slot.L_POSITION])
    floats(a[slot.L_ACCEPTED])[lane] = 0.0
    floats(a[slot.L_TAKEN])[lane] = 0.0
    floats(a[slot.L_REFUSED])[lane] = 0.0
    floats(a[slot.L_SHRUNK])[lane] = 0.0
    floats(a[slot.L_BEFORE])[lane] = 0.0
    while a[slot.L_FIRST] < a[slot.L_LAST]:
        member = a[slot.L_FIRST]
        a[slot.L_FIRST] = member + 1
        members[lane] = member
        start = at(floats(a[slot.L_STARTS]), member * n)
        values = at(floats(a[slot.L_VALUES]), member * a[slot.L_PARAMETERS])
        saved = at(floats(a[slot.L_SAVED]), member * count * n)
        for i in range(n):
            u[i * w + lane] = start[i]
            y[i * w + lane] = start[i]
        for i in range(a[slot.L_PARAMETERS]):
            p[i * w + lane] = values[i]
        floats(a[slot.L_T])[lane] = x[slot.L_BEGIN]
        floats(a[slot.L_PROBE_T])[lane] = x[slot.L_BEGIN]
        call_kernel(a[slot.L_SETUP], a)
        call_kernel(a[slot.L_PROBE], a)
        wrong = 0.0
        for i in range(n):
            wrong += f[i * w + lane] - f[i * w + lane]
        k = 0
        while k < count and times[k] <= x[slot.L_BEGIN]:
            for i in range(n):
                saved[k * n + i] = start[i]
            k += 1
        positions[lane] = k
        floats(a[slot.L_NEXT])[lane] = x[slot.L_END]
        if k < count:
            floats(a[slot.L_NEXT])[lane] = times[k]
        if wrong != 0.0:
            integers(a[slot.L_STATUS])[member] = slot.NOT_FINITE
        else:
            h = first_step(a, lane)
            if x[slot.L_FIRST_STEP] > 0.0:
                for i in range(n):
                    f0[i * w + lane] = f[i * w + lane]
            floats(a[slot.L_H])[lane] = h
            floats(a[slot.L_ACTIVE])[lane] = 1.0
            return True
    floats(a[slot.L_ACTIVE])[lane] = 0.0
    floats(a[slot.L_H])[lane] = x[slot.L_END] - x[slot.L_BEGIN]
    return False


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
        if fill(a, lane):
            active += 1
    while active > 0:
        call_kernel(a[slot.L_RUN], a)
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
                    if not fill(a, lane):
                        active -= 1
    return slot.OK
