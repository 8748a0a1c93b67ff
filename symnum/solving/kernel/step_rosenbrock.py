"""One step of a Rosenbrock or Rosenbrock-W method. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, at, compiled, floats
from symnum.solving.kernel.vectors import (
    accumulate,
    accumulate_two,
    copy,
    factor,
    function,
    matrix_of_step,
    solve,
)  # fmt: skip

__all__ = ["extend", "step"]


@compiled
def stage(a: Integers, i: int, c: float, d: float, first: Floats, second: Floats) -> None:
    """k_i from the stages before it; first, second: the rows A_i and C_i. Uses Y and Z."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    h = x[slot.H_STEP]
    rows = floats(a[slot.STAGES])
    k = at(rows, i * n)
    if i == 0:
        copy(n, floats(a[slot.F0]), k)
    else:
        y = floats(a[slot.Y])
        z = floats(a[slot.Z])
        mass = floats(a[slot.MASS])
        copy(n, floats(a[slot.U]), y)
        for l in range(n):
            z[l] = 0.0
        accumulate_two(n, i, first, second, rows, y, z)
        function(a, x[slot.T] + c * h, y, k)
        per_step = 1.0 / h
        for l in range(n):
            k[l] += mass[l] * z[l] * per_step
    if a[slot.GRADIENT] != 0:
        gradient = floats(a[slot.GT])
        weight = h * d
        for l in range(n):
            k[l] += weight * gradient[l]
    solve(a, slot.W, a[slot.STAGES] + 8 * i * n)


@compiled
def step(a: Integers) -> int:
    """(M/(h gamma) - J) k_i = f(t + c_i h, u + sum_j A_ij k_j) + M sum_j C_ij k_j / h + h d_i df/dt.

    v = u + sum_i m_i k_i, error = sum_i e_i k_i. Table: gamma, c (s), d (s), A (s, s), C (s, s), m (s),
    e (s). The transformed form of Hairer and Wanner II, section IV.7: one solve a stage, no product with
    J.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    s = a[slot.STAGE_COUNT]
    h = x[slot.H_STEP]
    table = floats(a[slot.TABLE])
    c = at(table, 1)
    d = at(c, s)
    first = at(d, s)
    second = at(first, s * s)
    m = at(second, s * s)
    e = at(m, s)
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    error = floats(a[slot.ERROR])
    rows = floats(a[slot.STAGES])
    status = matrix_of_step(a, 1.0 / (h * table[0]))
    if status != slot.OK:
        return status
    for i in range(s):
        stage(a, i, c[i], d[i], at(first, i * s), at(second, i * s))
    copy(n, u, v)
    accumulate(n, s, 1.0, m, rows, v)
    for l in range(n):
        error[l] = 0.0
    accumulate(n, s, 1.0, e, rows, error)
    a[slot.HAVE_F1] = 0
    return slot.OK


@compiled
def extend(a: Integers) -> int:
    """The further stages k_i of the accepted step.

    Table: c (extra), d (extra), A and C (extra, stages and extra). A step made for this model keeps its
    factors to itself, so that W is factored for these stages anew.
    """
    x = floats(a[slot.FLOATS])
    s = a[slot.STAGE_COUNT]
    extra = a[slot.EXTRA_COUNT]
    total = s + extra
    c = floats(a[slot.EXTRA_TABLE])
    d = at(c, extra)
    first = at(d, extra)
    second = at(first, extra * total)
    if a[slot.STEP_GENERIC] != 0:
        x[slot.SCALE] = 1.0 / (x[slot.H_STEP] * floats(a[slot.TABLE])[0])
        status = factor(a, slot.W)
        if status != slot.OK:
            return status
    for i in range(extra):
        stage(a, s + i, c[i], d[i], at(first, i * total), at(second, i * total))
    return slot.OK
