"""One step of an explicit Runge-Kutta method. Kernel code: see `pointers`."""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, compiled, floats
from symnum.solving.kernel.vectors import accumulate, copy, function, scaled_norm

__all__ = ["extend", "step"]


@compiled
def step(a: Integers) -> int:
    """k_i = f(t + c_i h, u + h sum_j a_ij k_j), v = u + h sum_i b_i k_i, error = h sum_i e_i k_i.

    Table: c (s), A (s, s), b (s), e (s). With FSAL the last stage is f at v and serves the next step. With
    TWO_ESTIMATES the weights of another error estimate g follow, and the error is e |e| / sqrt(|e|^2 +
    |g|^2 / 100).
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    t = x[slot.T]
    h = x[slot.H_STEP]
    c = floats(a[slot.TABLE])
    rows = at(c, s)
    b = at(rows, s * s)
    e = at(b, s)
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    y = floats(a[slot.Y])
    error = floats(a[slot.ERROR])
    k = floats(a[slot.STAGES])
    copy(n, floats(a[slot.F0]), k)
    for i in range(1, s):
        copy(n, u, y)
        accumulate(n, i, h, at(rows, i * s), k, y)
        function(a, t + c[i] * h, y, at(k, i * n))
    if a[slot.FSAL] != 0:
        copy(n, y, v)
        copy(n, at(k, (s - 1) * n), floats(a[slot.F1]))
        a[slot.HAVE_F1] = 1
    else:
        copy(n, u, v)
        accumulate(n, s, h, b, k, v)
        a[slot.HAVE_F1] = 0
    for i in range(n):
        error[i] = 0.0
    accumulate(n, s, h, e, k, error)
    if a[slot.TWO_ESTIMATES] != 0:
        for i in range(n):
            y[i] = 0.0
        accumulate(n, s, h, at(e, s), k, y)
        one = scaled_norm(a, error)
        other = scaled_norm(a, y)
        if one > 0.0:
            share = one / math.sqrt(one * one + 0.01 * other * other)
            for i in range(n):
                error[i] *= share
    return slot.OK


@compiled
def extend(a: Integers) -> int:
    """The further stages k_i of the accepted step, the first of which is f at v and serves the next step.

    Table: c (extra), A (extra, stages and extra). Uses Y.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    extra = a[slot.EXTRA_COUNT]
    h = x[slot.H_STEP]
    c = floats(a[slot.EXTRA_TABLE])
    rows = at(c, extra)
    y = floats(a[slot.Y])
    k = floats(a[slot.STAGES])
    if a[slot.HAVE_F1] == 0:
        function(a, x[slot.T] + h, floats(a[slot.V]), floats(a[slot.F1]))
        a[slot.HAVE_F1] = 1
    copy(n, floats(a[slot.F1]), at(k, s * n))
    for i in range(1, extra):
        copy(n, floats(a[slot.U]), y)
        accumulate(n, s + i, h, at(rows, i * (s + extra)), k, y)
        function(a, x[slot.T] + c[i] * h, y, at(k, (s + i) * n))
    return slot.OK
