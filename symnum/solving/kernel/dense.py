"""The interpolant of a step. Kernel code: see `pointers`.

Every method's dense output is brought to one form, with theta = (t - t0)/h and two rows k_l or more:

    y(theta) = (1 - theta) u + theta (v + (1 - theta) (k_1 + theta (k_2 + theta (k_3 + ...))))
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, at, call_kernel, compiled, floats
from symnum.solving.kernel.vectors import accumulate, copy, function, jacobian, refresh_jacobian

__all__ = ["interpolate", "prepare"]


@compiled
def prepare(a: Integers) -> int:
    """Compute the rows of the step that has just been accepted. OK, or what `newton.slope` returns.

    Methods with dense output of their own have rows sum_j H_lj k_j, some over stages made for it alone.
    For the others the cubic Hermite polynomial through both ends is used, which needs u' there: f at the
    end then serves the next step, as does the Jacobian when there are algebraic components.
    """
    if a[slot.HAVE_DENSE] != 0:
        return slot.OK
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    rows = floats(a[slot.DENSE])
    h = x[slot.H_STEP]
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    if a[slot.INTERPOLANT] != 0:
        status = call_kernel(a[slot.INTERPOLANT], a)
        if status != slot.OK:
            return status
    elif a[slot.HERMITE] == 0:
        s = a[slot.STAGE_COUNT] + a[slot.EXTRA_COUNT]
        if a[slot.EXTRA_COUNT] != 0:
            status = call_kernel(a[slot.EXTEND], a)
            if status != slot.OK:
                return status
        factor = 1.0
        if a[slot.EXPLICIT] != 0:
            factor = h
        for l in range(a[slot.DENSE_ROWS]):
            row = at(rows, l * n)
            for i in range(n):
                row[i] = 0.0
            accumulate(n, s, factor, at(floats(a[slot.DENSE_TABLE]), l * s), floats(a[slot.STAGES]), row)
    else:
        slope0 = floats(a[slot.SLOPE0])
        slope1 = floats(a[slot.SLOPE1])
        if a[slot.HAVE_SLOPE0] == 0:
            if a[slot.N_ALGEBRAIC] > 0:
                refresh_jacobian(a)
                status = call_kernel(a[slot.SLOPE_START], a)
                if status != slot.OK:
                    return status
            else:
                copy(n, floats(a[slot.F0]), slope0)
            a[slot.HAVE_SLOPE0] = 1
        end = x[slot.T] + h
        if a[slot.HAVE_F1] == 0:
            function(a, end, v, floats(a[slot.F1]))
            a[slot.HAVE_F1] = 1
        if a[slot.N_ALGEBRAIC] > 0:
            a[slot.HAVE_JACOBIAN] = 0  # the buffer now belongs to the end of the step
            jacobian(a, end, v)
            status = call_kernel(a[slot.SLOPE_END], a)
            if status != slot.OK:
                return status
        else:
            copy(n, floats(a[slot.F1]), slope1)
        second = at(rows, n)
        for i in range(n):
            change = v[i] - u[i]
            rows[i] = h * slope0[i] - change
            second[i] = 2.0 * change - h * (slope0[i] + slope1[i])
    a[slot.HAVE_DENSE] = 1
    return slot.OK


@compiled
def interpolate(a: Integers, theta: float, out: Floats) -> None:
    n = a[slot.N]
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    rows = floats(a[slot.DENSE])
    count = a[slot.DENSE_ROWS]
    left = 1.0 - theta
    if count == 2:
        second = at(rows, n)
        for i in range(n):
            out[i] = left * u[i] + theta * (v[i] + left * (rows[i] + theta * second[i]))
    elif count == 3:
        second = at(rows, n)
        third = at(second, n)
        for i in range(n):
            inner = rows[i] + theta * (second[i] + theta * third[i])
            out[i] = left * u[i] + theta * (v[i] + left * inner)
    else:
        for i in range(n):
            inner = 0.0
            for l in range(count - 1, -1, -1):
                inner = rows[l * n + i] + theta * inner
            out[i] = left * u[i] + theta * (v[i] + left * inner)
