"""One step of the Radau IIA method with three stages. Kernel code: see `pointers`."""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, compiled, floats, integers
from symnum.solving.kernel.vectors import (
    copy,
    factor_at,
    function,
    larger,
    not_finite,
    refresh_jacobian,
    scaled_norm,
    smaller,
    solve_at,
)  # fmt: skip

__all__ = ["step"]

# Newton iterations, and the contraction from which on the Jacobian is taken anew in the next step.
ITERATIONS = 10
SLOW = 1e-3
FAILED = -1


@compiled
def matrices(a: Integers, scale: float, anew: bool) -> int:
    """Factor the real and the complex matrix, with J at the accepted state if `anew`, else as it was."""
    x = floats(a[slot.FLOATS])
    table = floats(a[slot.TABLE])
    systems = integers(a[slot.SYSTEMS])
    a[slot.W_READY] = 0
    if anew:
        refresh_jacobian(a)
    x[slot.SCALE] = scale
    x[slot.SCALE_PAIR] = scale * table[1] / table[0]
    x[slot.COUPLING] = scale * table[2] / table[0]
    for j in range(2):
        status = factor_at(a, systems[j])
        if status != slot.OK:
            return status
    a[slot.W_READY] = 1
    x[slot.W_SCALE] = scale
    return slot.OK


@compiled
def guess(a: Integers) -> None:
    """STAGES: the collocation polynomial of the step before, extrapolated; zero where there is none."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    c = at(floats(a[slot.TABLE]), 3)
    stages = floats(a[slot.STAGES])
    first = floats(a[slot.HISTORY])
    second = at(first, n)
    third = at(first, 2 * n)
    if a[slot.HAVE_HISTORY] == 0:
        for l in range(3 * n):
            stages[l] = 0.0
        return
    ratio = x[slot.H_STEP] / x[slot.HISTORY_STEP]
    between = 1.0 / (c[1] - c[0])
    for i in range(3):
        z = at(stages, i * n)
        theta = 1.0 + c[i] * ratio
        left = theta * (1.0 - theta)
        for l in range(n):
            one = (first[l] - c[0] * third[l]) / (c[0] * (1.0 - c[0]))
            two = (second[l] - c[1] * third[l]) / (c[1] * (1.0 - c[1]))
            slope = (two - one) * between
            z[l] = (theta - 1.0) * third[l] + left * (one + (theta - c[0]) * slope)


@compiled
def stages(a: Integers) -> int:
    """The stages z_i by simplified Newton iterations. OK, FAILED or NOT_FINITE."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    h = x[slot.H_STEP]
    table = floats(a[slot.TABLE])
    c = at(table, 3)
    into = at(table, 6)
    back = at(table, 15)
    real = table[0] / h
    alpha = table[1] / h
    beta = table[2] / h
    systems = integers(a[slot.SYSTEMS])
    mass = floats(a[slot.MASS])
    atol = floats(a[slot.ATOL])
    rtol = x[slot.RTOL]
    u = floats(a[slot.U])
    y = floats(a[slot.Y])
    right = floats(a[slot.Z])
    z0 = floats(a[slot.STAGES])
    z1 = at(z0, n)
    z2 = at(z0, 2 * n)
    w0 = at(floats(a[slot.HISTORY]), 3 * n)
    w1 = at(w0, n)
    w2 = at(w0, 2 * n)
    f0 = at(w0, 3 * n)
    f1 = at(f0, n)
    f2 = at(f0, 2 * n)
    pair = at(f0, 3 * n)
    guess(a)
    for l in range(n):
        w0[l] = into[0] * z0[l] + into[1] * z1[l] + into[2] * z2[l]
        w1[l] = into[3] * z0[l] + into[4] * z1[l] + into[5] * z2[l]
        w2[l] = into[6] * z0[l] + into[7] * z1[l] + into[8] * z2[l]
    tolerance = larger(2.2e-15 / rtol, smaller(0.03, math.sqrt(rtol)))
    roundoff = 1e-14 / rtol  # a change of about the last digit
    rate = larger(x[slot.NEWTON_RATE], 1e-16) ** 0.8
    x[slot.CONTRACTION] = 0.0
    last = 0.0
    iteration = 0
    while iteration < ITERATIONS:
        iteration += 1
        a[slot.NEWTONS] += 1
        for i in range(3):
            z = at(z0, i * n)
            for l in range(n):
                y[l] = u[l] + z[l]
            function(a, x[slot.T] + c[i] * h, y, at(f0, i * n))
        for l in range(n):
            m = mass[l]
            right[l] = into[0] * f0[l] + into[1] * f1[l] + into[2] * f2[l] - m * real * w0[l]
            pair[2 * l] = (
                into[3] * f0[l] + into[4] * f1[l] + into[5] * f2[l] - m * (alpha * w1[l] + beta * w2[l])
            )
            pair[2 * l + 1] = (
                into[6] * f0[l] + into[7] * f1[l] + into[8] * f2[l] - m * (alpha * w2[l] - beta * w1[l])
            )
        solve_at(a, systems[0], a[slot.Z])
        solve_at(a, systems[1], a[slot.HISTORY] + 72 * n)
        total = 0.0
        for l in range(n):
            weight = 1.0 / (atol[l] + rtol * abs(u[l]))
            one = right[l] * weight
            two = pair[2 * l] * weight
            three = pair[2 * l + 1] * weight
            total += one * one + two * two + three * three
            w0[l] += right[l]
            w1[l] += pair[2 * l]
            w2[l] += pair[2 * l + 1]
            z0[l] = back[0] * w0[l] + back[1] * w1[l] + back[2] * w2[l]
            z1[l] = back[3] * w0[l] + back[4] * w1[l] + back[5] * w2[l]
            z2[l] = back[6] * w0[l] + back[7] * w1[l] + back[8] * w2[l]
        size = math.sqrt(total / (3 * n))
        if not size <= 1e300:
            return slot.NOT_FINITE
        if size <= roundoff:
            return slot.OK
        if iteration > 1:
            contraction = size / last
            x[slot.CONTRACTION] = contraction
            if contraction >= 0.99:
                return FAILED
            rate = contraction / (1.0 - contraction)
            if rate * size * contraction ** float(ITERATIONS - iteration) > tolerance:
                return FAILED
        if rate * size <= tolerance:
            x[slot.NEWTON_RATE] = rate
            return slot.OK
        last = larger(size, 1e-300)
    return FAILED


@compiled
def estimate(a: Integers, f: int, out: int) -> None:
    """out = (gamma/h M - J)^-1 (f + M sum_i e_i z_i / h); f, out: addresses of (n,)."""
    n = a[slot.N]
    mass = floats(a[slot.MASS])
    e = at(floats(a[slot.TABLE]), 24)
    z0 = floats(a[slot.STAGES])
    z1 = at(z0, n)
    z2 = at(z0, 2 * n)
    slope = floats(f)
    error = floats(out)
    per_step = 1.0 / floats(a[slot.FLOATS])[slot.H_STEP]
    for l in range(n):
        error[l] = slope[l] + mass[l] * per_step * (e[0] * z0[l] + e[1] * z1[l] + e[2] * z2[l])
    solve_at(a, integers(a[slot.SYSTEMS])[0], out)


@compiled
def step(a: Integers) -> int:
    """M z_i = h sum_j a_ij f(t + c_j h, u + z_j), v = u + z_3.

    With A^-1 = T D T^-1, D the real eigenvalue gamma and the block [[alpha, beta], [-beta, alpha]], the
    Newton corrections of w = T^-1 z are those of a system gamma/h M - J and of one of twice its size, which
    stands for (alpha + i beta)/h M - J. Both factorizations and J are kept as long as the iterations converge
    fast. Hairer and Wanner II, IV.8. Table: gamma, alpha, beta, c, T^-1, T, e. HISTORY: the stages of the
    step before (3 n), w (3 n), f (3 n), a right-hand side of twice the size.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    t = x[slot.T]
    scale = floats(a[slot.TABLE])[0] / x[slot.H_STEP]
    careful = a[slot.FRESH] != 0 or x[slot.ATTEMPT_T] == t  # a start, or the step before was refused
    if a[slot.FRESH] != 0:
        x[slot.NEWTON_RATE] = 1.0
    elif x[slot.ATTEMPT_T] != t:
        copy(3 * n, floats(a[slot.STAGES]), floats(a[slot.HISTORY]))
        x[slot.HISTORY_STEP] = x[slot.ATTEMPT_H]
        a[slot.HAVE_HISTORY] = 1
    x[slot.ATTEMPT_T] = t
    x[slot.ATTEMPT_H] = x[slot.H_STEP]
    anew = a[slot.W_READY] == 0 or x[slot.CONTRACTION] > SLOW
    if anew or abs(x[slot.W_SCALE] - scale) > 1e-9 * scale:
        status = matrices(a, scale, anew)
        if status != slot.OK:
            return status
    status = stages(a)
    if status != slot.OK and a[slot.HAVE_JACOBIAN] == 0:
        status = matrices(a, scale, True)
        if status != slot.OK:
            return status
        status = stages(a)
    if status != slot.OK:
        a[slot.W_READY] = 0
        x[slot.NEWTON_RATE] = 1.0
        if status == slot.NOT_FINITE:
            not_finite(a)
            return slot.OK
        return slot.NOT_CONVERGED
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    last = at(floats(a[slot.STAGES]), 2 * n)
    for l in range(n):
        v[l] = u[l] + last[l]
    a[slot.HAVE_F1] = 0
    error = floats(a[slot.ERROR])
    estimate(a, a[slot.F0], a[slot.ERROR])
    if careful and scaled_norm(a, error) >= 1.0:
        # the estimate tends to infinity with the stiffness where the start is off the smooth solution
        y = floats(a[slot.Y])
        for l in range(n):
            y[l] = u[l] + error[l]
        function(a, t, y, floats(a[slot.F1]))
        estimate(a, a[slot.F1], a[slot.Z])
        again = floats(a[slot.Z])
        if scaled_norm(a, again) <= 1e300:
            copy(n, again, error)
    return slot.OK
