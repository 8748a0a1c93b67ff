"""Steps of equations u' = L u + N(u, t) in Fourier space, where L is diagonal. Kernel code: see `pointers`.

One form holds exponential and implicit-explicit methods: every stage, the result and the error are the state
and the N of earlier stages, each times a weight for every mode. The weights are functions of h L that the
host works out once for a step size.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import modal_slot as slot
from symnum.solving.kernel.fourier import transform
from symnum.solving.kernel.pointers import (
    Floats,
    Integers,
    at,
    call_model,
    compiled,
    floats,
    integers,
    shorts,
)

__all__ = ["advance", "derivative"]


@compiled
def multiplied(n: int, w: Floats, z: Floats, out: Floats) -> None:
    """out = w * z."""
    for k in range(n):
        out[k] = w[k] * z[k] - w[n + k] * z[n + k]
        out[n + k] = w[k] * z[n + k] + w[n + k] * z[k]


@compiled
def multiplied_by_i(n: int, w: Floats, z: Floats, out: Floats) -> None:
    """out += i * w * z."""
    for k in range(n):
        out[k] -= w[k] * z[n + k] + w[n + k] * z[k]
        out[n + k] += w[k] * z[k] - w[n + k] * z[n + k]


@compiled
def to_points(a: Integers, state: Floats) -> None:
    """The arguments of the compiled function at all points: two real quantities with every transform."""
    n = a[slot.M_POINTS]
    table = integers(a[slot.M_INPUT_TABLE])
    u = floats(a[slot.M_U])
    for k in range(a[slot.M_INPUTS]):
        z = at(u, 2 * n * k)
        row = slot.N_INPUT * k
        first = at(state, 2 * n * table[row + slot.I_FIRST])
        multiplied(n, floats(table[row + slot.I_FIRST_SYMBOL]), first, z)
        if table[row + slot.I_SECOND] >= 0:
            second = at(state, 2 * n * table[row + slot.I_SECOND])
            multiplied_by_i(n, floats(table[row + slot.I_SECOND_SYMBOL]), second, z)
        transform(a, at(z, n), z)


@compiled
def added(n: int, symbol: Floats, k: int, zr: float, zi: float, out: Floats) -> None:
    out[k] += symbol[k] * zr - symbol[n + k] * zi
    out[n + k] += symbol[k] * zi + symbol[n + k] * zr


@compiled
def nonlinear(a: Integers, t: float, state: Floats, out: Floats) -> None:
    """N(state, t) in Fourier space into ``out``, (fields, 2, n)."""
    n = a[slot.M_POINTS]
    for i in range(a[slot.M_COMPONENTS] * 2 * n):
        out[i] = 0.0
    if a[slot.M_OUTPUTS] == 0:
        return
    to_points(a, state)
    results = floats(a[slot.M_OUT])
    call_model(a[slot.M_RHS], t, results, floats(a[slot.M_U]), floats(a[slot.M_P]), floats(a[slot.M_WORK]))
    a[slot.M_EVALUATIONS] += 1
    table = integers(a[slot.M_OUTPUT_TABLE])
    opposite = shorts(a[slot.M_OPPOSITE])
    for j in range(a[slot.M_OUTPUTS]):
        z = at(results, 2 * n * j)
        transform(a, z, at(z, n))
        row = slot.N_OUTPUT * j
        first = at(out, 2 * n * table[row + slot.O_FIRST])
        symbol = floats(table[row + slot.O_FIRST_SYMBOL])
        if table[row + slot.O_COMPLEX] != 0:
            for k in range(n):
                added(n, symbol, k, z[k], z[n + k], first)
            continue
        # z = F(f) + i F(g) of real f and g: F(f)_k = (z_k + conj z_-k)/2, F(g)_k = (z_k - conj z_-k)/(2 i)
        for k in range(n):
            m = opposite[k]
            added(n, symbol, k, 0.5 * (z[k] + z[m]), 0.5 * (z[n + k] - z[n + m]), first)
        if table[row + slot.O_SECOND] >= 0:
            second = at(out, 2 * n * table[row + slot.O_SECOND])
            other = floats(table[row + slot.O_SECOND_SYMBOL])
            for k in range(n):
                m = opposite[k]
                added(n, other, k, 0.5 * (z[n + k] + z[n + m]), 0.5 * (z[m] - z[k]), second)


@compiled
def weighted(size: int, n: int, weight: int, z: Floats, out: Floats) -> None:
    """out += weight * z over all fields."""
    if weight == 0:
        return
    w = floats(weight)
    for f in range(0, size, 2 * n):
        for k in range(f, f + n):
            out[k] += w[k] * z[k] - w[n + k] * z[n + k]
            out[n + k] += w[k] * z[n + k] + w[n + k] * z[k]


@compiled
def combined(a: Integers, row: int, terms: int, out: Floats) -> None:
    """A row of the method: weights times the state and the first ``terms`` of N."""
    n = a[slot.M_POINTS]
    size = a[slot.M_COMPONENTS] * 2 * n
    weights = integers(a[slot.M_WEIGHTS])
    first = row * (a[slot.M_STAGES] + 2)
    for i in range(size):
        out[i] = 0.0
    weighted(size, n, weights[first], floats(a[slot.M_STATE]), out)
    known = floats(a[slot.M_TERMS])
    for j in range(terms):
        weighted(size, n, weights[first + 1 + j], at(known, j * size), out)


@compiled
def conjugate(a: Integers, state: Floats) -> None:
    """Opposite modes of real fields are made conjugate: where L amplifies, what is not would grow."""
    n = a[slot.M_POINTS]
    opposite = shorts(a[slot.M_OPPOSITE])
    real = integers(a[slot.M_REAL])
    for f in range(a[slot.M_COMPONENTS]):
        if real[f] == 0:
            continue
        z = at(state, 2 * n * f)
        for k in range(n):
            m = opposite[k]
            if m >= k:
                re = 0.5 * (z[k] + z[m])
                im = 0.5 * (z[n + k] - z[n + m])
                z[k] = re
                z[m] = re
                z[n + k] = im
                z[n + m] = -im


@compiled
def norm(a: Integers, error: Floats, state: Floats) -> float:
    """The largest of the fields' root mean squares of the error over atol + rtol times that of the field.

    By Parseval a sum over modes is a mean over points.
    """
    x = floats(a[slot.M_FLOATS])
    n = a[slot.M_POINTS]
    atol = floats(a[slot.M_ATOL])
    largest = 0.0
    for f in range(a[slot.M_COMPONENTS]):
        e = at(error, 2 * n * f)
        u = at(state, 2 * n * f)
        above = 0.0
        below = 0.0
        for i in range(2 * n):
            above += e[i] * e[i]
            below += u[i] * u[i]
        found = math.sqrt(above) / (atol[f] + x[slot.M_RTOL] * math.sqrt(below))
        if not found <= largest:
            largest = found
    return largest


@compiled
def advance(a: Integers) -> int:
    """LEFT steps of length H up to STOP, or until the host is needed."""
    x = floats(a[slot.M_FLOATS])
    n = a[slot.M_POINTS]
    s = a[slot.M_STAGES]
    size = a[slot.M_COMPONENTS] * 2 * n
    state = floats(a[slot.M_STATE])
    following = floats(a[slot.M_NEXT])
    argument = floats(a[slot.M_ARGUMENT])
    terms = floats(a[slot.M_TERMS])
    nodes = floats(a[slot.M_NODES])
    last = at(terms, s * size)
    while True:
        if a[slot.M_LEFT] == 0:
            return slot.M_DONE
        if a[slot.M_PAUSE_LEFT] == 0:
            return slot.M_PAUSED
        h = x[slot.M_H]
        t = x[slot.M_T]
        if a[slot.M_HAVE_FIRST] == 0:
            nonlinear(a, t, state, terms)
            a[slot.M_HAVE_FIRST] = 1
        for i in range(1, s):
            combined(a, i - 1, i, argument)
            nonlinear(a, t + nodes[i] * h, argument, at(terms, i * size))
        combined(a, s - 1, s, following)
        for i in range(size):
            following[i] += state[i]
        conjugate(a, following)
        nonlinear(a, t + h, following, last)
        combined(a, s, s + 1, argument)
        error = norm(a, argument, following)
        x[slot.M_ERROR] = error
        a[slot.M_PAUSE_LEFT] -= 1
        if not error <= 1e300:
            return slot.M_NOT_FINITE
        if a[slot.M_ADAPTIVE] != 0 and error > 1.0:
            a[slot.M_REJECTED] += 1
            return slot.M_LEFT_OUT
        if a[slot.M_KEPT] != 0:
            kept = floats(a[slot.M_KEPT])
            for i in range(size):
                kept[i] = state[i]
                kept[size + i] = terms[i]
        for i in range(size):
            state[i] = following[i]
            terms[i] = last[i]
        a[slot.M_LEFT] -= 1
        a[slot.M_STEPS] += 1
        x[slot.M_T] = x[slot.M_STOP] - a[slot.M_LEFT] * h
        if a[slot.M_ADAPTIVE] != 0 and error < x[slot.M_ROOM] and a[slot.M_LEFT] > 0:
            return slot.M_LONGER


@compiled
def derivative(a: Integers) -> int:
    """N at STATE and T as that of the first stage."""
    x = floats(a[slot.M_FLOATS])
    nonlinear(a, x[slot.M_T], floats(a[slot.M_STATE]), floats(a[slot.M_TERMS]))
    a[slot.M_HAVE_FIRST] = 1
    return 0
