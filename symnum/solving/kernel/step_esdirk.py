"""One step of an ESDIRK method. Kernel code: see `pointers`."""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, at, compiled, floats
from symnum.solving.kernel.vectors import (
    accumulate,
    copy,
    factor,
    function,
    implicit_part,
    larger,
    not_finite,
    refresh_jacobian,
    solve,
)  # fmt: skip

__all__ = ["step"]

# Newton iterations of a stage, and how far below the tolerance they go.
ITERATIONS = 8
CONVERGED = 0.02
# Contraction from which on the Jacobian is taken anew for the next matrix, and how many steps it serves.
SLOW = 0.2
OLDEST = 20
FAILED = -1


@compiled
def weighted(a: Integers, values: Floats, y: Floats) -> float:
    """Root mean square of values in units of the tolerances at u and y; not finite if any of them is not."""
    n = a[slot.N]
    u = floats(a[slot.U])
    atol = floats(a[slot.ATOL])
    rtol = floats(a[slot.FLOATS])[slot.RTOL]
    total = 0.0
    for i in range(n):
        part = values[i] / (atol[i] + rtol * larger(abs(u[i]), abs(y[i])))
        total += part * part
    return math.sqrt(total / n)


@compiled
def matrix(a: Integers, scale: float, anew: bool) -> int:
    """Factor M/(h gamma) - J, with J at the accepted state if `anew`, else as it was."""
    x = floats(a[slot.FLOATS])
    if anew:
        refresh_jacobian(a)
        a[slot.JACOBIAN_AGE] = 0
    x[slot.SCALE] = scale
    status = factor(a, slot.W)
    a[slot.W_READY] = 0
    if status == slot.OK:
        a[slot.W_READY] = 1
        x[slot.W_SCALE] = scale
    return status


@compiled
def stage(a: Integers, t: float, scale: float) -> int:
    """Solve M (Y - base) scale = f(t, Y) for Y, with base in END. OK, FAILED or NOT_FINITE."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    y = floats(a[slot.Y])
    z = floats(a[slot.Z])
    base = floats(a[slot.END])
    mass = floats(a[slot.MASS])
    last = 0.0
    iteration = 0
    while True:
        iteration += 1
        a[slot.NEWTONS] += 1
        implicit_part(a, t, y, z)
        for l in range(n):
            z[l] -= mass[l] * (y[l] - base[l]) * scale
        solve(a, slot.W, a[slot.Z])
        size = weighted(a, z, y)
        if not size <= 1e300:
            return slot.NOT_FINITE
        for l in range(n):
            y[l] += z[l]
        if iteration == 1:
            if size <= 0.1 * CONVERGED:
                return slot.OK
        else:
            contraction = size / last
            if contraction > x[slot.CONTRACTION]:
                x[slot.CONTRACTION] = contraction
            if size <= 1e-3 * CONVERGED:
                return slot.OK
            if contraction >= 0.95:
                return FAILED
            if contraction / (1.0 - contraction) * size <= CONVERGED:
                return slot.OK
            if iteration == ITERATIONS:
                return FAILED
        last = size


@compiled
def stages(a: Integers, scale: float) -> int:
    """All stages by simplified Newton iterations, the last in Y. OK, FAILED, or NOT_FINITE."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    h = x[slot.H_STEP]
    c = at(floats(a[slot.TABLE]), 1)
    rows = at(c, s)
    u = floats(a[slot.U])
    y = floats(a[slot.Y])
    z = floats(a[slot.Z])
    base = floats(a[slot.END])
    mass = floats(a[slot.MASS])
    k = floats(a[slot.STAGES])
    f = floats(a[slot.F0])
    split = a[slot.P_IMPLICIT] != 0
    explicit = floats(a[slot.HISTORY])
    others = at(rows, s * s + s)
    x[slot.CONTRACTION] = 0.0
    if split:
        implicit_part(a, x[slot.T], u, k)
        for l in range(n):
            explicit[l] = f[l] - k[l]
    else:
        for l in range(n):
            k[l] = mass[l] * f[l]
    copy(n, u, y)
    for i in range(1, s):
        copy(n, u, base)
        accumulate(n, i, h, at(rows, i * s), k, base)
        if split:
            accumulate(n, i, h, at(others, i * s), explicit, base)
        before = at(k, (i - 1) * n)
        for l in range(n):
            if mass[l] != 0.0:
                y[l] = base[l] + before[l] / scale
        status = stage(a, x[slot.T] + c[i] * h, scale)
        if status != slot.OK:
            return status
        now = at(k, i * n)
        for l in range(n):
            now[l] = mass[l] * (y[l] - base[l]) * scale
        if split:
            rest = at(explicit, i * n)
            function(a, x[slot.T] + c[i] * h, y, rest)
            implicit_part(a, x[slot.T] + c[i] * h, y, z)
            for l in range(n):
                rest[l] -= z[l]
    return slot.OK


@compiled
def step(a: Integers) -> int:
    """Y_i = u + h sum_j a_ij k_j with k_j = f(t + c_j h, Y_j) in differential rows, 0 = f in algebraic ones.

    v is the last Y_i. error = (M/(h gamma) - J)^-1 M/(h gamma) h sum_i e_i k_i: the filter takes the stiff
    components out of the estimate, and gives one for the algebraic components (Hosea and Shampine, Appl.
    Numer. Math. 20:21, 1996). J and the factorization are kept from step to step.

    Of a split f = f_I + f_E (additive Runge-Kutta, Kennedy and Carpenter, Appl. Numer. Math. 44:139, 2003)
    k_j is f_I, and Y_i has h sum_j A_ij f_E(t + c_j h, Y_j) beside it; v = u + h sum_i b_i (f_I + f_E), and
    the error has h sum_i e_i f_E besides, not filtered, since nothing damps it in v either.

    Table: gamma, c (s), A (s, s), e (s), those of f_E (s, s). Uses END; HISTORY: f_E (s, n).
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    h = x[slot.H_STEP]
    scale = 1.0 / (h * floats(a[slot.TABLE])[0])
    fresh = False
    if a[slot.W_READY] == 0 or abs(x[slot.W_SCALE] - scale) > 1e-9 * scale:
        old = a[slot.W_READY] == 0 or a[slot.JACOBIAN_AGE] > OLDEST or x[slot.CONTRACTION] > SLOW
        status = matrix(a, scale, old)
        fresh = old
        if status != slot.OK:
            return status
    status = stages(a, scale)
    if status != slot.OK and not fresh:
        status = matrix(a, scale, True)
        if status != slot.OK:
            return status
        status = stages(a, scale)
    error = floats(a[slot.ERROR])
    if status != slot.OK:
        a[slot.W_READY] = 0
        if status == slot.NOT_FINITE:
            not_finite(a)
            return slot.OK
        return slot.NOT_CONVERGED
    a[slot.JACOBIAN_AGE] += 1
    mass = floats(a[slot.MASS])
    k = floats(a[slot.STAGES])
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    rows = at(floats(a[slot.TABLE]), 1 + s)
    e = at(rows, s * s)
    for l in range(n):
        error[l] = 0.0
    accumulate(n, s, h * scale, e, k, error)
    if a[slot.P_IMPLICIT] != 0:
        b = at(rows, s * s - s)
        explicit = floats(a[slot.HISTORY])
        copy(n, u, v)
        accumulate(n, s, h, b, k, v)
        accumulate(n, s, h, b, explicit, v)
        a[slot.HAVE_F1] = 0
    else:
        copy(n, floats(a[slot.Y]), v)
        copy(n, at(k, (s - 1) * n), floats(a[slot.F1]))
        a[slot.HAVE_F1] = 1
    for l in range(n):
        error[l] *= mass[l]
    solve(a, slot.W, a[slot.ERROR])
    if a[slot.P_IMPLICIT] != 0:
        accumulate(n, s, h, e, floats(a[slot.HISTORY]), error)
    return slot.OK
