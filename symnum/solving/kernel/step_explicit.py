"""One step of an explicit Runge-Kutta method. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, compiled, floats
from symnum.solving.kernel.vectors import accumulate, copy, function

__all__ = ["step"]


@compiled
def step(a: Integers) -> int:
    """k_i = f(t + c_i h, u + h sum_j a_ij k_j), v = u + h sum_i b_i k_i, error = h sum_i e_i k_i.

    Table: c (s), A (s, s), b (s), e (s). With FSAL the last stage is f at v and serves the next step.
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
    return slot.OK
