"""Runs that keep their steps, and the discrete adjoint over these steps. Kernel code: see `pointers`.

The adjoint is that of the steps as they were made: their lengths are taken as given, everything else is
differentiated, the Jacobian in the matrix of a Rosenbrock step included. Stages and factors are computed
anew from the state that a step began with.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import (
    Floats,
    Integers,
    at,
    call_kernel,
    call_model,
    compiled,
    floats,
    integers,
)
from symnum.solving.kernel.step_rosenbrock import stage
from symnum.solving.kernel.vectors import accumulate, copy, factor, function, refresh_jacobian

__all__ = ["explicit", "record", "replay", "rosenbrock"]

NEGLIGIBLE = 1e-2  # of the square of an estimate in units of the tolerance: its root stays smooth at zero


@compiled
def record(d: Integers) -> int:
    """Run from stop to stop, with steps of the length that the error allows; DONE behind the last."""
    a = integers(d[slot.D_RUN])
    x = floats(a[slot.FLOATS])
    stops = floats(d[slot.D_STOPS])
    steps = integers(d[slot.D_STOP_STEPS])
    while d[slot.D_STOP_NEXT] < d[slot.D_STOP_COUNT]:
        k = d[slot.D_STOP_NEXT]
        x[slot.T_STOP] = stops[k]
        status = call_kernel(d[slot.D_ADVANCE], a)
        if status != slot.DONE:
            return status
        steps[k] = a[slot.STEPS]
        d[slot.D_STOP_NEXT] = k + 1
    return slot.DONE


@compiled
def inject(d: Integers, n: int, k: int) -> None:
    """Add the cotangent of the state behind step k, if it has one."""
    place = integers(d[slot.D_PLACES])[k]
    if place >= 0:
        source = at(floats(d[slot.D_COTANGENTS]), place * n)
        target = floats(d[slot.D_LAMBDA])
        for i in range(n):
            target[i] += source[i]


@compiled
def begin(d: Integers, a: Integers) -> None:
    """Stand where the present step began."""
    n = a[slot.N]
    x = floats(a[slot.FLOATS])
    k = d[slot.D_AT]
    times = floats(d[slot.D_TIMES])
    x[slot.T] = times[k - 1]
    x[slot.H_STEP] = times[k] - times[k - 1]
    a[slot.STEPS] = k
    copy(n, at(floats(d[slot.D_STATES]), (k - 1) * n), floats(a[slot.U]))
    a[slot.HAVE_JACOBIAN] = 0


@compiled
def replay(d: Integers) -> int:
    """Make steps 1 ... D_STOP_COUNT anew from the first state, with the lengths that they had."""
    a = integers(d[slot.D_RUN])
    n = a[slot.N]
    while d[slot.D_AT] <= d[slot.D_STOP_COUNT]:
        begin(d, a)
        function(a, floats(a[slot.FLOATS])[slot.T], floats(a[slot.U]), floats(a[slot.F0]))
        status = call_kernel(a[slot.STEP], a)
        if status != slot.OK:
            return status
        copy(n, floats(a[slot.V]), at(floats(d[slot.D_STATES]), d[slot.D_AT] * n))
        d[slot.D_AT] += 1
    return slot.DONE


@compiled
def pull(d: Integers, a: Integers, address: int, t: float, u: Floats, cotangent: Floats, size: int) -> Floats:
    """The product of a cotangent (size,) with the derivatives of a function; the part of u is returned.

    The part of the parameters is added to what was found for them.
    """
    n = a[slot.N]
    given = floats(d[slot.D_INPUT])
    found = floats(d[slot.D_OUTPUT])
    if address == 0:  # it depends on nothing
        for i in range(n):
            found[i] = 0.0
        return found
    copy(n, u, given)
    copy(size, cotangent, at(given, n))
    call_model(address, t, found, given, floats(a[slot.P]), floats(d[slot.D_WORK]))
    total = floats(d[slot.D_PARAMETERS])
    share = at(found, n)
    for i in range(d[slot.D_PARAMETER_COUNT]):
        total[i] += share[i]
    return found


@compiled
def explicit(d: Integers) -> int:
    """Adjoint of explicit Runge-Kutta steps: with g_i = h b_i v + h sum_{j>i} a_ji w_j, w_i = f_u' g_i.

    u gets v + sum_i w_i, p gets f_p' g_i; v is the cotangent of the end of the step. Hager, Numer. Math. 87
    (2000) 247.
    """
    a = integers(d[slot.D_RUN])
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    c = floats(a[slot.TABLE])
    rows = at(c, s)
    b = at(rows, s * s)
    k = floats(a[slot.STAGES])
    arguments = floats(d[slot.D_ARGUMENTS])
    bars = floats(d[slot.D_BARS])
    total = floats(d[slot.D_LAMBDA])
    estimated = d[slot.D_EFFORT] != 0
    used = s - a[slot.FSAL]  # the last stage of these is f at the end, which the step does not need
    if estimated:
        used = s  # but its error estimate does
    while d[slot.D_AT] > 0:
        begin(d, a)
        inject(d, n, d[slot.D_AT])
        t = x[slot.T]
        h = x[slot.H_STEP]
        u = floats(a[slot.U])
        for i in range(used):
            y = at(arguments, i * n)
            copy(n, u, y)
            accumulate(n, i, h, at(rows, i * s), k, y)
            if i < used - 1 or estimated:
                function(a, t + c[i] * h, y, at(k, i * n))
            bar = at(bars, i * n)
            weight = h * b[i]
            for l in range(n):
                bar[l] = weight * total[l]
        if estimated:
            by_estimate(d, a, h)
        for back in range(used):
            i = used - 1 - back
            bar = at(bars, i * n)
            found = pull(d, a, d[slot.D_RHS_PULLBACK], t + c[i] * h, at(arguments, i * n), bar, n)
            for l in range(n):
                total[l] += found[l]
            for j in range(i):
                weight = h * rows[i * s + j]
                if weight != 0.0:
                    before = at(bars, j * n)
                    for l in range(n):
                        before[l] += weight * found[l]
        d[slot.D_AT] -= 1
    inject(d, n, 0)
    return slot.DONE


@compiled
def by_estimate(d: Integers, a: Integers, h: float) -> None:
    """What weight * E^(1/q) of this step changes with, E^2 the mean of (err_l / (atol_l + rtol |u_l|))^2 and
    err = h sum e_i k_i: stages, and u by its size. Far below the tolerance E does not count.
    """
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    e = at(floats(a[slot.TABLE]), s + s * s + s)
    u = floats(a[slot.U])
    error = floats(a[slot.ERROR])
    atol = floats(a[slot.ATOL])
    rtol = floats(a[slot.FLOATS])[slot.RTOL]
    bars = floats(d[slot.D_BARS])
    total = floats(d[slot.D_LAMBDA])
    weight = floats(d[slot.D_EFFORT])[d[slot.D_AT] - 1]
    if weight == 0.0:
        return
    for l in range(n):
        error[l] = 0.0
    accumulate(n, s, h, e, floats(a[slot.STAGES]), error)
    square = 0.0
    for l in range(n):
        part = error[l] / (atol[l] + rtol * abs(u[l]))
        square += part * part / n
    square += NEGLIGIBLE
    power = 0.5 / d[slot.D_EFFORT_ORDER]
    value = weight * math.exp(power * math.log(square))
    floats(d[slot.D_EFFORT_SUM])[0] += value
    slope = 2.0 * power * value / (square * n)
    for l in range(n):
        scale = atol[l] + rtol * abs(u[l])
        part = error[l] / scale
        error[l] = slope * part / scale
        size = slope * part * part * rtol / scale
        total[l] -= size if u[l] > 0.0 else -size
    for i in range(s):
        bar = at(bars, i * n)
        for l in range(n):
            bar[l] += h * e[i] * error[l]


@compiled
def rosenbrock(d: Integers) -> int:
    """Adjoint of Rosenbrock steps, see `step_rosenbrock.step` for these.

    With the cotangents g_i of k_i, (M/(h gamma) - J)' w_i = g_i and y_i = f_u' w_i at the argument of stage
    i: g_j gets A_ij y_i + C_ij M w_i / h, u gets y_i and what the product sum_i w_i' J k_i and the time
    derivative h d_i w_i' f_t depend on; so does p.
    """
    a = integers(d[slot.D_RUN])
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    table = floats(a[slot.TABLE])
    c = at(table, 1)
    dt = at(c, s)
    first = at(dt, s)
    second = at(first, s * s)
    m = at(second, s * s)
    arguments = floats(d[slot.D_ARGUMENTS])
    bars = floats(d[slot.D_BARS])
    total = floats(d[slot.D_LAMBDA])
    omega = floats(d[slot.D_OMEGA])
    mass = floats(a[slot.MASS])
    u = floats(a[slot.U])
    y = floats(a[slot.Y])
    system = integers(a[slot.W])
    while d[slot.D_AT] > 0:
        begin(d, a)
        t = x[slot.T]
        h = x[slot.H_STEP]
        refresh_jacobian(a)
        x[slot.SCALE] = 1.0 / (h * table[0])
        status = factor(a, slot.W)
        if status != slot.OK:
            return status
        inject(d, n, d[slot.D_AT])
        function(a, t, u, floats(a[slot.F0]))
        for i in range(s):
            stage(a, i, c[i], dt[i], at(first, i * s), at(second, i * s))
            copy(n, u if i == 0 else y, at(arguments, i * n))
            bar = at(bars, i * n)
            for l in range(n):
                bar[l] = m[i] * total[l]
        for l in range(n):
            omega[l] = 0.0
        per_step = 1.0 / h
        for back in range(s):
            i = s - 1 - back
            w = at(bars, i * n)
            system[slot.RIGHT] = d[slot.D_BARS] + 8 * i * n
            call_kernel(d[slot.D_SOLVE_TRANSPOSED], system)
            found = pull(d, a, d[slot.D_RHS_PULLBACK], t + c[i] * h, at(arguments, i * n), w, n)
            weight = h * dt[i]
            for l in range(n):
                total[l] += found[l]
                omega[l] += weight * w[l]
            for j in range(i):
                from_argument = first[i * s + j]
                from_mass = second[i * s + j] * per_step
                if from_argument != 0.0 or from_mass != 0.0:
                    before = at(bars, j * n)
                    for l in range(n):
                        before[l] += from_argument * found[l] + from_mass * mass[l] * w[l]
        if d[slot.D_JACOBIAN_PULLBACK] != 0:
            by_matrix(d, a, t)
        if d[slot.D_GRADIENT_PULLBACK] != 0:
            found = pull(d, a, d[slot.D_GRADIENT_PULLBACK], t, u, omega, n)
            for l in range(n):
                total[l] += found[l]
        d[slot.D_AT] -= 1
    inject(d, n, 0)
    return slot.DONE


@compiled
def by_matrix(d: Integers, a: Integers, t: float) -> None:
    """What sum_i w_i' J(u, p) k_i changes with: the cotangent of the entry of J in row r, column c is
    sum_i w_ir k_ic.
    """
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    indptr = integers(a[slot.INDPTR])
    indices = integers(a[slot.INDICES])
    rows = floats(a[slot.STAGES])
    bars = floats(d[slot.D_BARS])
    u = floats(a[slot.U])
    total = floats(d[slot.D_LAMBDA])
    entries = floats(d[slot.D_ENTRIES])
    for column in range(n):
        for e in range(indptr[column], indptr[column + 1]):
            row = indices[e]
            value = 0.0
            for i in range(s):
                value += bars[i * n + row] * rows[i * n + column]
            entries[e] = value
    found = pull(d, a, d[slot.D_JACOBIAN_PULLBACK], t, u, entries, indptr[n])
    for l in range(n):
        total[l] += found[l]
