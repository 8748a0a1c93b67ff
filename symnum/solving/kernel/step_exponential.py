"""One step of an exponential Rosenbrock method. Kernel code: see `pointers`."""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.phi import HALF, OTHER, RESULT, SPARE, combination, times_jacobian
from symnum.solving.kernel.pointers import Floats, Integers, at, compiled, floats
from symnum.solving.kernel.vectors import copy, function, larger, refresh_jacobian

__all__ = ["step"]


@compiled
def remainder(a: Integers, c: float, out: Floats) -> None:
    """out = N(t + c h, V) - N(t, u) with N(t, u) = f - J u - t df/dt, at the accepted state. Uses Y and Z."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    y = floats(a[slot.Y])
    f = floats(a[slot.F0])
    z = floats(a[slot.Z])
    gradient = floats(a[slot.GT])
    function(a, x[slot.T] + c * x[slot.H_STEP], v, out)
    for i in range(n):
        y[i] = v[i] - u[i]
    times_jacobian(a, 1.0, y, z)
    for i in range(n):
        out[i] -= f[i] + z[i]
    if a[slot.GRADIENT] != 0:
        for i in range(n):
            out[i] -= c * x[slot.H_STEP] * gradient[i]


@compiled
def failed(a: Integers, status: int) -> int:
    """A step with infinite error where numbers are not finite."""
    if status == slot.NOT_FINITE:
        error = floats(a[slot.ERROR])
        for i in range(a[slot.N]):
            error[i] = math.inf - math.inf
        copy(a[slot.N], floats(a[slot.U]), floats(a[slot.V]))
        return slot.OK
    return status


@compiled
def only(a: Integers, p: int, first: float, d: Floats, second: float, e: Floats) -> int:
    """phi_p(h J) (first d + second e) h in RESULT."""
    n = a[slot.N]
    h = floats(a[slot.FLOATS])[slot.H_STEP]
    b = floats(a[slot.HISTORY])
    for i in range((p - 1) * n):
        b[i] = 0.0
    last = at(b, (p - 1) * n)
    for i in range(n):
        last[i] = h * (first * d[i] + second * e[i])
    return combination(a, p, False)


@compiled
def step(a: Integers) -> int:
    """v = u + h phi_1 f + h^2 phi_2 df/dt + h sum_i (third_i phi_3 + fourth_i phi_4) D_i, all phi of h J.

    U_i = u + c_i h phi_1(c_i h J) f + (c_i h)^2 phi_2(c_i h J) df/dt + h a phi_1(h J) D_2, the last only
    for U_3; D_i are what `remainder` gives. Two stages with c_2 = 1, or three with c = (1/2, 1). The error is
    h sum_i fourth_i phi_4 D_i, with two stages the whole sum; but not less than what the cubic
    polynomial through both ends of the linear part lacks in the middle, since values between the steps are to
    be as good. Table: c (2), a, third (2), fourth (2). Uses END and SLOPE1.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    h = x[slot.H_STEP]
    table = floats(a[slot.TABLE])
    three = a[slot.STAGE_COUNT] == 3
    history = floats(a[slot.HISTORY])
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    f = floats(a[slot.F0])
    error = floats(a[slot.ERROR])
    gradient = floats(a[slot.GT])
    refresh_jacobian(a)
    p = 1
    for i in range(n):
        history[i] = h * f[i]
    if a[slot.GRADIENT] != 0:
        p = 2
        for i in range(n):
            history[n + i] = h * h * gradient[i]
    status = combination(a, p, True)
    if status != slot.OK:
        return failed(a, status)
    result = at(history, RESULT * n)
    linear = at(history, SPARE * n)
    d = at(history, OTHER * n)
    e = floats(a[slot.END])
    copy(n, result, linear)
    half = at(history, HALF * n)
    between = floats(a[slot.SLOPE1])
    times_jacobian(a, h, linear, between)
    for i in range(n):
        between[i] = 0.5 * linear[i] - 0.125 * between[i] - half[i]
        if a[slot.GRADIENT] != 0:
            between[i] -= 0.125 * h * h * gradient[i]
    start = half if three else result
    for i in range(n):
        v[i] = u[i] + start[i]
        e[i] = 0.0
    remainder(a, table[0], d)
    if three:
        status = only(a, 1, table[2], d, 0.0, e)
        if status != slot.OK:
            return failed(a, status)
        for i in range(n):
            v[i] = u[i] + linear[i] + result[i]
        remainder(a, table[1], e)
        status = only(a, 4, table[5], d, table[6], e)
        if status != slot.OK:
            return failed(a, status)
        copy(n, result, error)
        for i in range(n):
            linear[i] += result[i]
    status = only(a, 3, table[3], d, table[4], e)
    if status != slot.OK:
        return failed(a, status)
    if not three:
        copy(n, result, error)
    for i in range(n):
        v[i] = u[i] + linear[i] + result[i]
        error[i] = larger(abs(error[i]), abs(between[i]))
    return slot.OK
