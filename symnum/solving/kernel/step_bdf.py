"""One step of numerical differentiation formulas of variable order. Kernel code: see `pointers`.

HISTORY holds backward differences D_0 = u, D_1, ... of the polynomial through the last values, for steps of
length HISTORY_STEP, up to two beyond the order; then the correction d; then room for the starter; then the
scratch of `rescale`. Table: ones; gamma; alpha; error constants (8 each, by order); the starter's table.
Shampine and Reichelt, SIAM J. Sci. Comput. 18:1 (1997), section 2.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, at, call_kernel, compiled, floats
from symnum.solving.kernel.step_esdirk import step as starting_step
from symnum.solving.kernel.step_esdirk import weighted
from symnum.solving.kernel.vectors import (
    accumulate,
    accumulate_two,
    copy,
    factor,
    function,
    jacobian,
    larger,
    refresh_jacobian,
    scaled_norm,
    smaller,
    solve,
)  # fmt: skip

__all__ = ["interpolant", "propose", "step"]

CORRECTION = 8  # the row of d
STARTER = 9
STARTER_STAGES = 7
ONES, GAMMA, ALPHA, CONSTANT, STARTER_TABLE = 0, 8, 16, 24, 32
# Iterations of a step, and the error of the last one beside errors that count as 1.
ITERATIONS = 4
CONVERGED = 0.05
FAILED = -1
# The matrix is made anew where its scale is off by more than this; how many steps one matrix and one Jacobian
# serve, and the contraction from which on the Jacobian is taken anew with the matrix.
OFF = 0.45
OLDEST, OLDEST_JACOBIAN = 30, 50
SLOW = 0.3
# A step that has been tried so often is begun anew with order 1: what came before does not continue.
TRIES = 4
# Orders are compared as if errors were so many times larger, so that the order is not raised too easily.
LOWER, SAME, RAISED = 1.3, 1.2, 1.4


@compiled
def rescale(a: Integers, h: float) -> None:
    """The same polynomial in differences for steps of length h.

    p(t + s h) = sum_j D_j s (s + 1) ... (s + j - 1)/j!; new differences are sums over p(t - m h).
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    k = a[slot.BDF_ORDER]
    history = floats(a[slot.HISTORY])
    small = at(history, (STARTER + STARTER_STAGES) * n)
    ratio = h / x[slot.HISTORY_STEP]
    for i in range(1, k + 1):
        for j in range(i, k + 1):
            total = 0.0
            binomial = 1.0
            for m in range(i + 1):
                value = binomial
                for l in range(j):
                    value *= (l - m * ratio) / (l + 1)
                total += value
                binomial *= (m - i) / (m + 1.0)
            small[8 * i + j] = total
    for i in range(1, k + 1):
        row = at(history, i * n)
        weight = small[8 * i + i]
        for l in range(n):
            row[l] *= weight
        accumulate(n, k - i, 1.0, at(small, 8 * i + i + 1), at(row, n), row)
    x[slot.HISTORY_STEP] = h
    a[slot.BDF_EQUAL] = 0


@compiled
def begin(a: Integers) -> int:
    """Order 1 from u and u'. OK, or what the slope of algebraic components returns."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    h = x[slot.H_STEP]
    history = floats(a[slot.HISTORY])
    slope = floats(a[slot.F0])
    if a[slot.N_ALGEBRAIC] > 0:
        refresh_jacobian(a)
        status = call_kernel(a[slot.SLOPE_START], a)
        if status != slot.OK:
            return status
        slope = floats(a[slot.SLOPE0])
    copy(n, floats(a[slot.U]), history)
    first = at(history, n)
    for i in range(n):
        first[i] = h * slope[i]
    a[slot.BDF_ORDER] = 1
    x[slot.ORDER] = 2.0
    x[slot.HISTORY_STEP] = h
    a[slot.BDF_EQUAL] = 0
    a[slot.HAVE_HISTORY] = 1
    return slot.OK


@compiled
def begin_fixed(a: Integers) -> int:
    """The highest order at once, for steps that are not chosen: from values of another method within h.

    The polynomial through u and these values is continued to before the start.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    order = a[slot.HIGHEST]
    h = x[slot.H_STEP]
    t = x[slot.T]
    history = floats(a[slot.HISTORY])
    start = at(history, 7 * n)
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    copy(n, u, start)
    copy(n, u, history)
    table = a[slot.TABLE]
    stages = a[slot.STAGES]
    count = a[slot.STAGE_COUNT]
    a[slot.TABLE] = table + 8 * STARTER_TABLE
    a[slot.STAGES] = a[slot.HISTORY] + 8 * STARTER * n
    a[slot.STAGE_COUNT] = STARTER_STAGES
    x[slot.H_STEP] = h / order
    status = slot.OK
    made = 0
    while made < order and status == slot.OK:
        status = starting_step(a)
        if status == slot.OK:
            made += 1
            for i in range(n):
                value = v[i]
                for j in range(made + 1):
                    before = history[j * n + i]
                    history[j * n + i] = value
                    value -= before
            copy(n, v, u)
            copy(n, floats(a[slot.F1]), floats(a[slot.F0]))
            x[slot.T] = t + h * made / order
            a[slot.HAVE_JACOBIAN] = 0
    a[slot.TABLE] = table
    a[slot.STAGES] = stages
    a[slot.STAGE_COUNT] = count
    x[slot.H_STEP] = h
    x[slot.T] = t
    copy(n, start, u)
    function(a, t, u, floats(a[slot.F0]))
    a[slot.HAVE_JACOBIAN] = 0
    a[slot.HAVE_F1] = 0
    a[slot.W_READY] = 0
    if status != slot.OK:
        return status
    for _ in range(order):
        for j in range(order):
            row = at(history, j * n)
            after = at(row, n)
            for i in range(n):
                row[i] -= after[i]
    copy(n, u, history)
    a[slot.BDF_ORDER] = order
    x[slot.HISTORY_STEP] = h / order
    rescale(a, h)
    a[slot.HAVE_HISTORY] = 1
    return slot.OK


@compiled
def matrix(a: Integers, scale: float, anew: bool) -> int:
    """Factor M alpha/h - J, with J at the prediction in V if `anew`, else as it was."""
    x = floats(a[slot.FLOATS])
    if anew:
        jacobian(a, x[slot.T] + x[slot.H_STEP], floats(a[slot.V]))
        a[slot.HAVE_JACOBIAN] = 0
        a[slot.JACOBIAN_AGE] = 0
        x[slot.BDF_RATE] = 0.0
    x[slot.SCALE] = scale
    status = factor(a, slot.W)
    a[slot.W_READY] = 0
    if status == slot.OK:
        a[slot.W_READY] = 1
        a[slot.BDF_AGE] = 0
        x[slot.W_SCALE] = scale
        x[slot.CONTRACTION] = 1.0
    return status


@compiled
def correct(a: Integers, scale: float, constant: float) -> int:
    """Newton iterations for v and d from the prediction in V. OK, FAILED, or NOT_FINITE.

    psi = sum_m gamma_m D_m is in END. A matrix made for another scale sigma corrects components that do not
    change fast by scale/sigma too much; the mean of both ways is taken.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    end = x[slot.T] + x[slot.H_STEP]
    inverse = 1.0 / x[slot.H_STEP]
    alpha = scale * x[slot.H_STEP]
    psi = floats(a[slot.END])
    v = floats(a[slot.V])
    z = floats(a[slot.Z])
    d = at(floats(a[slot.HISTORY]), CORRECTION * n)
    mass = floats(a[slot.MASS])
    relaxed = 2.0 * x[slot.W_SCALE] / (x[slot.W_SCALE] + scale)
    for i in range(n):
        d[i] = 0.0
    last = 0.0
    iteration = 0
    while True:
        iteration += 1
        a[slot.NEWTONS] += 1
        function(a, end, v, z)
        for i in range(n):
            z[i] -= mass[i] * (psi[i] + alpha * d[i]) * inverse
        solve(a, slot.W, a[slot.Z])
        if relaxed != 1.0:
            for i in range(n):
                if mass[i] != 0.0:
                    z[i] *= relaxed
        size = weighted(a, z, v)
        if not size <= 1e300:
            return slot.NOT_FINITE
        for i in range(n):
            d[i] += z[i]
            v[i] += z[i]
        if iteration > 1:
            x[slot.CONTRACTION] = larger(0.3 * x[slot.CONTRACTION], size / last)
            x[slot.BDF_RATE] = size / last
        if size * constant * smaller(1.0, 1.5 * x[slot.CONTRACTION]) <= CONVERGED:
            return slot.OK
        if iteration == ITERATIONS or (iteration > 1 and size > 2.0 * last):
            return FAILED
        last = size


@compiled
def predict(a: Integers) -> None:
    """The prediction in V, and psi in END."""
    n = a[slot.N]
    psi = floats(a[slot.END])
    v = floats(a[slot.V])
    table = floats(a[slot.TABLE])
    for i in range(n):
        psi[i] = 0.0
        v[i] = 0.0
    count = a[slot.BDF_ORDER] + 1
    accumulate_two(n, count, at(table, ONES), at(table, GAMMA), floats(a[slot.HISTORY]), v, psi)


@compiled
def step(a: Integers) -> int:
    """v from sum_m gamma_m D_m + alpha_k d = h f(t + h, v), v = v0 + d, with M on the left; error = C_k d.

    Uses END.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    h = x[slot.H_STEP]
    a[slot.BDF_TRIES] += 1
    status = slot.OK
    if a[slot.HAVE_HISTORY] == 0:
        status = begin(a) if a[slot.ADAPTIVE] != 0 else begin_fixed(a)
    elif a[slot.BDF_TRIES] == TRIES and a[slot.ADAPTIVE] != 0:
        status = begin(a)
    elif h != x[slot.HISTORY_STEP]:
        rescale(a, h)
    if status != slot.OK:
        if status == FAILED:
            return slot.NOT_CONVERGED
        return status
    k = a[slot.BDF_ORDER]
    table = floats(a[slot.TABLE])
    scale = table[ALPHA + k] / h
    constant = table[CONSTANT + k]
    predict(a)
    fresh = False
    off = a[slot.W_READY] == 0 or abs(x[slot.W_SCALE] - scale) > OFF * scale
    if off or a[slot.BDF_AGE] >= OLDEST:
        fresh = a[slot.W_READY] == 0 or a[slot.JACOBIAN_AGE] >= OLDEST_JACOBIAN or x[slot.BDF_RATE] > SLOW
        status = matrix(a, scale, fresh)
        if status != slot.OK:
            return status
    status = correct(a, scale, constant)
    if status != slot.OK and not fresh:
        predict(a)
        status = matrix(a, scale, True)
        if status != slot.OK:
            return status
        status = correct(a, scale, constant)
    error = floats(a[slot.ERROR])
    d = at(floats(a[slot.HISTORY]), CORRECTION * n)
    if status != slot.OK:
        a[slot.W_READY] = 0
        copy(n, floats(a[slot.Z]), error)
        if status == slot.NOT_FINITE:
            for i in range(n):
                error[i] += floats(a[slot.U])[i] * math.inf - math.inf
            return slot.OK
        return slot.NOT_CONVERGED
    mass = floats(a[slot.MASS])
    psi = floats(a[slot.END])
    f1 = floats(a[slot.F1])
    alpha = table[ALPHA + k]
    for i in range(n):
        error[i] = constant * d[i]
        f1[i] = mass[i] * (psi[i] + alpha * d[i]) / h
    a[slot.HAVE_F1] = 1
    return slot.OK


@compiled
def interpolant(a: Integers) -> int:
    """The polynomial through v, u and what came before, of the degree of the order, in rows of `dense`.

    s (s + 1) ... (s + j - 1)/j! with s = theta - 1 is -theta (1 - theta) (theta + 1) ... (theta + j - 2)/j!.
    """
    n = a[slot.N]
    k = a[slot.BDF_ORDER]
    history = floats(a[slot.HISTORY])
    rows = floats(a[slot.DENSE])
    count = a[slot.DENSE_ROWS]
    for i in range(n):
        difference = history[CORRECTION * n + i]
        first = 0.0
        second = 0.0
        third = 0.0
        fourth = 0.0
        if k >= 5:
            difference += history[5 * n + i]
            first -= difference * (6.0 / 120.0)
            second -= difference * (11.0 / 120.0)
            third -= difference * (6.0 / 120.0)
            fourth -= difference * (1.0 / 120.0)
        if k >= 4:
            difference += history[4 * n + i]
            first -= difference * (2.0 / 24.0)
            second -= difference * (3.0 / 24.0)
            third -= difference * (1.0 / 24.0)
        if k >= 3:
            difference += history[3 * n + i]
            first -= difference * (1.0 / 6.0)
            second -= difference * (1.0 / 6.0)
        if k >= 2:
            difference += history[2 * n + i]
            first -= difference * 0.5
        rows[i] = first
        rows[n + i] = second
        if count > 2:
            rows[2 * n + i] = third
        if count > 3:
            rows[3 * n + i] = fourth
    return slot.OK


@compiled
def growth(error: float, order: int, bias: float) -> float:
    """How many times longer a step with that error could be."""
    root: float = (bias * error) ** (1.0 / (order + 1))
    return 1.0 / (root + 1e-6)


@compiled
def propose(a: Integers) -> int:
    """After an accepted step: its differences, and order and length of the next one.

    Both stay for as many steps as the order asks for, since only then are the differences those of steps of
    one length; a length stays that would grow by little.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    k = a[slot.BDF_ORDER]
    history = floats(a[slot.HISTORY])
    table = floats(a[slot.TABLE])
    d = at(history, CORRECTION * n)
    above = at(history, (k + 1) * n)
    beyond = at(above, n)
    for i in range(n):
        beyond[i] = d[i] - above[i]
        above[i] = d[i]
    for j in range(k, -1, -1):
        row = at(history, j * n)
        after = at(row, n)
        for i in range(n):
            row[i] += after[i]
    a[slot.BDF_EQUAL] += 1
    a[slot.BDF_TRIES] = 0
    a[slot.BDF_AGE] += 1
    a[slot.JACOBIAN_AGE] += 1
    if a[slot.ADAPTIVE] == 0:
        return slot.OK
    h = x[slot.H_STEP]
    if h < x[slot.H] and h < x[slot.MAX_STEP]:
        # a stop cut this step short; differences of so short steps do not reach much farther
        x[slot.H] = smaller(x[slot.H], x[slot.GROW] * h)
        return slot.OK
    x[slot.H] = h
    if a[slot.BDF_EQUAL] <= k:
        return slot.OK
    best = growth(scaled_norm(a, floats(a[slot.ERROR])), k, SAME)
    order = k
    if k > 1:
        lower = growth(table[CONSTANT + k - 1] * scaled_norm(a, at(history, k * n)), k - 1, LOWER)
        if lower > best:
            best = lower
            order = k - 1
    if k < a[slot.HIGHEST]:
        raised = growth(table[CONSTANT + k + 1] * scaled_norm(a, beyond), k + 1, RAISED)
        if raised > best:
            best = raised
            order = k + 1
    change = smaller(x[slot.GROW], larger(x[slot.SHRINK], x[slot.SAFETY] * best))
    if change >= x[slot.STEADY] or change < 1.0:
        x[slot.H] = h * change
        a[slot.BDF_ORDER] = order
        x[slot.ORDER] = order + 1.0
        a[slot.BDF_EQUAL] = 0
    return slot.OK
