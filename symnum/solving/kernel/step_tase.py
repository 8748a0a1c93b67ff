"""One step of a modified singly RK-TASE method. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, compiled, floats
from symnum.solving.kernel.vectors import accumulate, copy, function, matrix_of_step, solve

__all__ = ["step"]


@compiled
def step(a: Integers) -> int:
    """With W = M - h alpha J: K_i = sum_j beta_ij k_ij, where

    W k_i1 = f(t + c_i h, u + h sum_l a_il K_l) + h alpha df/dt,   W k_ij = M k_i,j-1 + h alpha df/dt,

    v = u + h sum_i b_i K_i, error = h sum_ij err_ij k_ij.
    Table: alpha, c (s), A (s, s), b (s), beta (s, q), err (s, q). The linear system at hand is W / (h alpha).
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    q = a[slot.SWEEPS]
    t = x[slot.T]
    h = x[slot.H_STEP]
    table = floats(a[slot.TABLE])
    c = at(table, 1)
    rows = at(c, s)
    b = at(rows, s * s)
    beta = at(b, s)
    estimate = at(beta, s * q)
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    y = floats(a[slot.Y])
    z = floats(a[slot.Z])
    gradient = floats(a[slot.GT])
    error = floats(a[slot.ERROR])
    mass = floats(a[slot.MASS])
    stages = floats(a[slot.STAGES])
    scale = 1.0 / (h * table[0])
    status = matrix_of_step(a, scale)
    if status != slot.OK:
        return status
    for l in range(n):
        error[l] = 0.0
    for i in range(s):
        k = at(stages, i * n)
        if i == 0:
            copy(n, floats(a[slot.F0]), z)
        else:
            copy(n, u, y)
            accumulate(n, i, h, at(rows, i * s), stages, y)
            function(a, t + c[i] * h, y, z)
        for l in range(n):
            k[l] = 0.0
        for j in range(q):
            if j == 0:
                for l in range(n):
                    z[l] *= scale
            else:
                for l in range(n):
                    z[l] *= mass[l] * scale
            if a[slot.GRADIENT] != 0:
                for l in range(n):
                    z[l] += gradient[l]
            solve(a, slot.W, a[slot.Z])
            weight = beta[i * q + j]
            share = h * estimate[i * q + j]
            for l in range(n):
                k[l] += weight * z[l]
                error[l] += share * z[l]
    copy(n, u, v)
    accumulate(n, s, h, b, stages, v)
    a[slot.HAVE_F1] = 0
    return slot.OK
