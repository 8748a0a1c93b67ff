"""One step of an RK-TASE method with several operators. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, compiled, floats, integers
from symnum.solving.kernel.vectors import (
    accumulate,
    copy,
    due,
    factor_at,
    function,
    solve_at,
)  # fmt: skip

__all__ = ["step"]


@compiled
def step(a: Integers) -> int:
    """With W_j = M - h alpha_j J: K_i = sum_j beta_j k_ij, where

    W_j k_ij = f(t + c_i h, u + h sum_l a_il K_l) + h alpha_j df/dt,

    v = u + h sum_i b_i K_i, error = h sum_i e_i K_i. Table: alpha (q), beta (q), c (s), A (s, s), b (s),
    e (s). The linear systems at hand are W_j / (h alpha_j).
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    q = a[slot.SWEEPS]
    t = x[slot.T]
    h = x[slot.H_STEP]
    alpha = floats(a[slot.TABLE])
    beta = at(alpha, q)
    c = at(beta, q)
    rows = at(c, s)
    b = at(rows, s * s)
    estimate = at(b, s)
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    y = floats(a[slot.Y])
    z = floats(a[slot.Z])
    gradient = floats(a[slot.GT])
    error = floats(a[slot.ERROR])
    stages = floats(a[slot.STAGES])
    systems = integers(a[slot.SYSTEMS])
    if due(a, 1.0 / (h * alpha[0])):
        for j in range(q):
            x[slot.SCALE] = 1.0 / (h * alpha[j])
            status = factor_at(a, systems[j])
            if status != slot.OK:
                return status
        a[slot.W_READY] = 1
    slope = floats(a[slot.F1])
    for i in range(s):
        k = at(stages, i * n)
        if i == 0:
            copy(n, floats(a[slot.F0]), slope)
        else:
            copy(n, u, y)
            accumulate(n, i, h, at(rows, i * s), stages, y)
            function(a, t + c[i] * h, y, slope)
        for l in range(n):
            k[l] = 0.0
        for j in range(q):
            scale = 1.0 / (h * alpha[j])
            for l in range(n):
                z[l] = slope[l] * scale
            if a[slot.GRADIENT] != 0:
                for l in range(n):
                    z[l] += gradient[l]
            solve_at(a, systems[j], a[slot.Z])
            for l in range(n):
                k[l] += beta[j] * z[l]
    copy(n, u, v)
    accumulate(n, s, h, b, stages, v)
    for l in range(n):
        error[l] = 0.0
    accumulate(n, s, h, estimate, stages, error)
    a[slot.HAVE_F1] = 0
    return slot.OK
