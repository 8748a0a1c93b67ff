"""Sums of stage vectors, and what every step asks of the model. Kernel code: see `pointers`."""

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

__all__ = [
    "accumulate", "accumulate_two", "changed_parameters", "copy", "due", "factor", "factor_at", "function",
    "implicit_part", "jacobian", "larger", "matrix_of_step", "not_finite", "refresh_jacobian",
    "scaled_norm", "smaller", "solve", "solve_at",
]  # fmt: skip


# Numbers of a vector that are worked on at a time: with another vector and two rows a first-level cache.
BLOCK = 1024
# Steps that a Jacobian may serve; steps without keeping one after an old one was no good.
OLDEST = 20
PAUSE = 25


@compiled
def larger(a: float, b: float) -> float:
    return a if a > b else b


@compiled
def smaller(a: float, b: float) -> float:
    return a if a < b else b


@compiled
def copy(n: int, source: Floats, target: Floats) -> None:
    for i in range(n):
        target[i] = source[i]


@compiled
def scaled_norm(a: Integers, value: Floats) -> float:
    """Root mean square of value_i / (atol_i + rtol max(|u_i|, |v_i|)); not finite if any of them is not."""
    n = a[slot.N]
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    atol = floats(a[slot.ATOL])
    rtol = floats(a[slot.FLOATS])[slot.RTOL]
    total = 0.0
    for i in range(n):
        scaled = value[i] / (atol[i] + rtol * larger(abs(u[i]), abs(v[i])))
        total += scaled * scaled + (v[i] - v[i])
    return math.sqrt(total / n)


@compiled
def accumulate(n: int, count: int, factor: float, weights: Floats, rows: Floats, out: Floats) -> None:
    """out += factor sum_j weights[j] rows[j].

    Memory traffic is what costs here: rows in pairs, and of long vectors a part at a time that stays in the
    cache while all rows are added.
    """
    begin = 0
    while begin < n:
        end = n
        if n - begin > BLOCK:
            end = begin + BLOCK
        j = 0
        while j + 1 < count:
            a = factor * weights[j]
            b = factor * weights[j + 1]
            p = at(rows, j * n)
            q = at(rows, j * n + n)
            for i in range(begin, end):
                out[i] += a * p[i] + b * q[i]
            j += 2
        if j < count:
            a = factor * weights[j]
            p = at(rows, j * n)
            for i in range(begin, end):
                out[i] += a * p[i]
        begin = end


@compiled
def accumulate_two(
    n: int, count: int, first: Floats, second: Floats, rows: Floats, out: Floats, other: Floats
) -> None:
    """out += sum_j first[j] rows[j] and other += sum_j second[j] rows[j]."""
    begin = 0
    while begin < n:
        end = n
        if n - begin > BLOCK:
            end = begin + BLOCK
        j = 0
        while j + 1 < count:
            a = first[j]
            b = first[j + 1]
            c = second[j]
            d = second[j + 1]
            p = at(rows, j * n)
            q = at(rows, j * n + n)
            for i in range(begin, end):
                out[i] += a * p[i] + b * q[i]
                other[i] += c * p[i] + d * q[i]
            j += 2
        if j < count:
            a = first[j]
            c = second[j]
            p = at(rows, j * n)
            for i in range(begin, end):
                out[i] += a * p[i]
                other[i] += c * p[i]
        begin = end


@compiled
def not_finite(a: Integers) -> None:
    """Mark the step as one that left the domain of the model; what is not finite in Z tells where."""
    n = a[slot.N]
    error = floats(a[slot.ERROR])
    copy(n, floats(a[slot.Z]), error)
    for i in range(n):
        if not abs(error[i]) <= 1e300:
            return
    error[0] = math.inf


@compiled
def function(a: Integers, t: float, u: Floats, out: Floats) -> None:
    """out = f(t, u, p)."""
    a[slot.RHS_CALLS] += 1
    call_model(a[slot.RHS], t, out, u, floats(a[slot.P]), floats(a[slot.WORK]))


@compiled
def implicit_part(a: Integers, t: float, u: Floats, out: Floats) -> None:
    """out = f(t, u, p) without the terms that an additive method treats explicitly; all if there are none."""
    if a[slot.P_IMPLICIT] == 0:
        function(a, t, u, out)
    else:
        a[slot.RHS_CALLS] += 1
        call_model(a[slot.RHS], t, out, u, floats(a[slot.P_IMPLICIT]), floats(a[slot.WORK_IMPLICIT]))


@compiled
def changed_parameters(a: Integers) -> None:
    """The parameter-only values and the constant entries of J, after p has changed."""
    t = floats(a[slot.FLOATS])[slot.T]
    u = floats(a[slot.U])
    p = floats(a[slot.P])
    entries = floats(a[slot.JACOBIAN_VALUES])
    call_model(a[slot.SETUP], t, entries, u, p, floats(a[slot.WORK]))
    if a[slot.P_IMPLICIT] != 0:
        implicit = floats(a[slot.P_IMPLICIT])
        copy(a[slot.PARAMETERS], p, implicit)
        implicit[a[slot.EXPLICIT_PARAMETER]] = 0.0
        # the second writes its entries over those of the first
        call_model(a[slot.SETUP], t, entries, u, implicit, floats(a[slot.WORK_IMPLICIT]))


@compiled
def jacobian(a: Integers, t: float, u: Floats) -> None:
    """J and df/dt at (t, u); of a split f those of its implicit part."""
    a[slot.JACOBIANS] += 1
    p = floats(a[slot.P])
    work = floats(a[slot.WORK])
    if a[slot.P_IMPLICIT] != 0:
        p = floats(a[slot.P_IMPLICIT])
        work = floats(a[slot.WORK_IMPLICIT])
    call_model(a[slot.JACOBIAN], t, floats(a[slot.JACOBIAN_VALUES]), u, p, work)
    if a[slot.GRADIENT] != 0:
        call_model(a[slot.GRADIENT], t, floats(a[slot.GT]), u, p, work)


@compiled
def refresh_jacobian(a: Integers) -> None:
    """J and df/dt at the accepted state, if they are not known."""
    if a[slot.HAVE_JACOBIAN] == 0:
        jacobian(a, floats(a[slot.FLOATS])[slot.T], floats(a[slot.U]))
        a[slot.HAVE_JACOBIAN] = 1


@compiled
def factor_at(a: Integers, table: int) -> int:
    """Factor the linear system whose table is at that address."""
    a[slot.FACTORIZATIONS] += 1
    status = call_kernel(a[slot.FACTOR], integers(table))
    if status == slot.REPIVOT:
        a[slot.REPIVOT_SYSTEM] = table
    return status


@compiled
def solve_at(a: Integers, table: int, right: int) -> None:
    """Solve in place for the vector at address `right`."""
    a[slot.SOLVES] += 1
    s = integers(table)
    s[slot.RIGHT] = right
    call_kernel(a[slot.SOLVE], s)


@compiled
def factor(a: Integers, system: int) -> int:
    return factor_at(a, a[system])


@compiled
def solve(a: Integers, system: int, right: int) -> None:
    solve_at(a, a[system], right)


@compiled
def due(a: Integers, scale: float) -> bool:
    """Are J and W to be made anew for a step with 1/(h gamma) = scale? If not, df/dt alone is.

    Methods whose order does not depend on J keep both as long as the step stays the same and is accepted;
    where a step with an old J is refused they make new ones for a while. Uses ATTEMPT_T.
    """
    x = floats(a[slot.FLOATS])
    t = x[slot.T]
    again = x[slot.ATTEMPT_T] == t
    x[slot.ATTEMPT_T] = t
    steps = a[slot.STEPS]
    if again and a[slot.JACOBIAN_AGE] > 1 and a[slot.KEEP_FROM] <= steps:
        a[slot.KEEP_FROM] = steps + PAUSE
    if (
        a[slot.KEEP_FROM] > steps
        or a[slot.W_READY] == 0
        or again
        or a[slot.JACOBIAN_AGE] >= OLDEST
        or abs(x[slot.W_SCALE] - scale) > 1e-9 * scale
    ):
        a[slot.W_READY] = 0
        a[slot.JACOBIAN_AGE] = 1
        x[slot.W_SCALE] = scale
        refresh_jacobian(a)
        return True
    a[slot.JACOBIAN_AGE] += 1
    if a[slot.GRADIENT] != 0:
        work = floats(a[slot.WORK])
        call_model(a[slot.GRADIENT], t, floats(a[slot.GT]), floats(a[slot.U]), floats(a[slot.P]), work)
    return False


@compiled
def matrix_of_step(a: Integers, scale: float) -> int:
    """Factor W = scale M - J for a step, unless the factors at hand serve. What `factor` returns."""
    if due(a, scale):
        floats(a[slot.FLOATS])[slot.SCALE] = scale
        status = factor(a, slot.W)
        if status != slot.OK:
            return status
        a[slot.W_READY] = 1
    return slot.OK
