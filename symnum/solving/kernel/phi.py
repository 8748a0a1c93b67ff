"""Combinations of phi-functions of h J by Krylov spaces of adaptive dimension, in adaptive substeps.

y = sum_k phi_k(h J) b_k, k = 1 to p, is the value at 1 of y' = h J y + sum_k tau^(k-1)/(k-1)! b_k, y(0) = 0.
With w = (tau^(p-1)/(p-1)!, ..., tau, 1) behind y this is one matrix exponential, which is projected on a
Krylov space: Niesen and Wright, ACM Trans. Math. Softw. 38:22 (2012); Gaudreault, Rainwater and Tokman, J.
Comput. Phys. 372:236 (2018). Kernel code: see `pointers`.

HISTORY: rows of n with b_1 to b_4, the result, the result at 1/2 and two that the step uses; then the basis;
then small matrices of SIDE columns: H, then six that are used for its exponential.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, at, compiled, floats, integers
from symnum.solving.kernel.step_esdirk import weighted
from symnum.solving.kernel.vectors import larger, smaller

__all__ = ["combination", "times_jacobian"]

RESULT, HALF, SPARE, OTHER, ROWS = 4, 5, 6, 7, 8
MOST = 40  # dimensions of a Krylov space
SIDE = 42
LONGEST = 4  # functions in a combination
# Error of a combination beside errors that count as 1, and substeps beyond which the step itself is too long.
TOLERANCE = 0.05
SUBSTEPS = 200
# Unknowns up to which new vectors are made orthogonal to all others; beyond to the last WINDOW, which costs
# less and is the same where J is symmetric.
FEW = 500
WINDOW = 2
# Norm up to which the Taylor polynomial of degree 12 is exact to round-off.
EXACT = 0.25


@compiled
def times_jacobian(a: Integers, factor: float, x: Floats, y: Floats) -> None:
    """y = factor J x."""
    n = a[slot.N]
    indptr = integers(a[slot.INDPTR])
    indices = integers(a[slot.INDICES])
    values = floats(a[slot.JACOBIAN_VALUES])
    for i in range(n):
        y[i] = 0.0
    for j in range(n):
        value = factor * x[j]
        for e in range(indptr[j], indptr[j + 1]):
            y[indices[e]] += values[e] * value


@compiled
def multiply(k: int, first: Floats, second: Floats, out: Floats) -> None:
    """out = first second, (k, k) each."""
    for j in range(k):
        column = at(out, j * SIDE)
        for i in range(k):
            column[i] = 0.0
        for l in range(k):
            value = second[j * SIDE + l]
            if value != 0.0:
                row = at(first, l * SIDE)
                for i in range(k):
                    column[i] += row[i] * value


@compiled
def add_powers(k: int, degree: float, x: Floats, out: Floats) -> None:
    """out += sum_r x^r/(degree + r)!, r from 0 to 3; x, x^2, x^3 lie one behind the other."""
    factor = 1.0
    number = degree
    while number > 1.0:
        factor /= number
        number -= 1.0
    for i in range(k):
        out[i * SIDE + i] += factor
    for r in range(1, 4):
        factor /= degree + r
        power = at(x, (r - 1) * SIDE * SIDE)
        for j in range(k):
            for i in range(k):
                out[j * SIDE + i] += factor * power[j * SIDE + i]


@compiled
def exponential(k: int, x: Floats) -> int:
    """exp(x) of a (k, k) matrix by scaling and squaring; five further matrices behind x are used.

    Returns the number, from x on, of the matrix that holds the result. x is destroyed.
    """
    size = SIDE * SIDE
    norm = 0.0
    for j in range(k):
        total = 0.0
        for i in range(k):
            total += abs(x[j * SIDE + i])
        norm = larger(norm, total)
    squarings = 0
    factor = 1.0
    while norm * factor > EXACT:
        factor *= 0.5
        squarings += 1
    for j in range(k):
        for i in range(k):
            x[j * SIDE + i] *= factor
    multiply(k, x, x, at(x, size))
    multiply(k, at(x, size), x, at(x, 2 * size))
    multiply(k, at(x, 2 * size), x, at(x, 3 * size))
    now = 4
    other = 5
    power = at(x, 3 * size)
    out = at(x, now * size)
    for j in range(k):
        for i in range(k):
            out[j * SIDE + i] = power[j * SIDE + i] / 479001600.0  # 12!
    add_powers(k, 8.0, x, out)
    for part in range(2):
        multiply(k, at(x, now * size), power, at(x, other * size))
        now, other = other, now
        add_powers(k, 4.0 - 4.0 * part, x, at(x, now * size))
    for _ in range(squarings):
        multiply(k, at(x, now * size), at(x, now * size), at(x, other * size))
        now, other = other, now
    return now


@compiled
def extend(a: Integers, p: int, largest: float, j: int) -> bool:
    """Basis vector j + 1 and column j of H; True where the space is complete."""
    n = a[slot.N]
    whole = n + p
    history = floats(a[slot.HISTORY])
    basis = at(history, ROWS * n)
    small = at(basis, (MOST + 1) * (n + LONGEST))
    column = at(small, j * SIDE)
    v = at(basis, j * whole)
    new = at(v, whole)
    times_jacobian(a, floats(a[slot.FLOATS])[slot.H_STEP], v, new)
    for k in range(p):
        value = v[n + k] / largest
        b = at(history, (p - 1 - k) * n)
        for i in range(n):
            new[i] += value * b[i]
        new[n + k] = 0.0
        if k + 1 < p:
            new[n + k] = v[n + k + 1]
    for i in range(SIDE):
        column[i] = 0.0
    first = 0
    if n > FEW and j + 1 > WINDOW:
        first = j + 1 - WINDOW
    before = 0.0
    for l in range(whole):
        before += new[l] * new[l]
    for i in range(first, j + 1):
        old = at(basis, i * whole)
        value = 0.0
        for l in range(whole):
            value += old[l] * new[l]
        column[i] = value
        for l in range(whole):
            new[l] -= value * old[l]
    size = 0.0
    for l in range(whole):
        size += new[l] * new[l]
    if size <= 1e-28 * before:
        return True
    size = math.sqrt(size)
    column[j + 1] = size
    for l in range(whole):
        new[l] /= size
    return False


@compiled
def projected(a: Integers, m: int, s: float) -> int:
    """exp of s times H bordered by e_1, whose last column gives s phi_1(s H) e_1: see `exponential`."""
    n = a[slot.N]
    small = at(floats(a[slot.HISTORY]), ROWS * n + (MOST + 1) * (n + LONGEST))
    x = at(small, SIDE * SIDE)
    for j in range(m + 1):
        for i in range(m + 1):
            x[j * SIDE + i] = 0.0
            if i < m and j < m:
                x[j * SIDE + i] = s * small[j * SIDE + i]
    x[m * SIDE] = s
    return exponential(m + 1, x)


@compiled
def combination(a: Integers, p: int, halfway: bool) -> int:
    """The combination of b_1 to b_p in RESULT, and with `halfway` the value at 1/2 in HALF.

    OK, NOT_FINITE, or NOT_CONVERGED where too many substeps are needed. The error estimate of a space of
    dimension m is beta h_(m+1,m) |e_m s phi_1(s H) e_1| times its next vector, which is also added.
    """
    n = a[slot.N]
    whole = n + p
    history = floats(a[slot.HISTORY])
    y = at(history, RESULT * n)
    u = floats(a[slot.U])
    basis = at(history, ROWS * n)
    small = at(basis, (MOST + 1) * (n + LONGEST))
    size = SIDE * SIDE
    largest = 0.0
    for k in range(p):
        total = 0.0
        b = at(history, k * n)
        for i in range(n):
            total += b[i] * b[i]
        if not total <= 1e300:
            return slot.NOT_FINITE
        largest = larger(largest, math.sqrt(total))
    for i in range(n):
        y[i] = 0.0
        if halfway:
            history[HALF * n + i] = 0.0
    if largest == 0.0:
        return slot.OK
    tau = 0.0
    longest = 1.0
    for _ in range(SUBSTEPS):
        end = 1.0
        if halfway and tau < 0.5:
            end = 0.5
        s = smaller(end - tau, longest)
        beta = 0.0
        for i in range(n):
            basis[i] = y[i]
            beta += y[i] * y[i]
        power = 1.0
        for k in range(p - 1, -1, -1):
            basis[n + k] = power
            beta += power * power
            power *= tau / (p - k)
        beta = math.sqrt(beta)
        if not beta <= 1e300:
            return slot.NOT_FINITE
        for i in range(whole):
            basis[i] /= beta
        m = 0
        target = 4
        result = 0
        while True:
            complete = False
            while m < target and not complete:
                complete = extend(a, p, largest, m)
                m += 1
            error = 0.0
            result = projected(a, m, s)
            last = at(small, size + result * size + m * SIDE)
            if complete:
                last[m - 1] = 0.0
                break
            next_vector = at(basis, m * whole)
            last[m - 1] *= small[(m - 1) * SIDE + m]
            error = beta * largest * abs(last[m - 1]) * weighted(a, next_vector, u)
            if error <= TOLERANCE * s:
                break
            if not error <= 1e300:
                error = 1e300
            if m < MOST:
                target = m + m // 2 if m + m // 2 < MOST else MOST
            else:
                s *= larger(0.1, 0.8 * (TOLERANCE * s / error) ** (4.0 / m))
        exact = at(small, size + result * size)
        correction = exact[m * SIDE + m - 1]
        for i in range(n):
            y[i] = 0.0
        for j in range(m):
            value = beta * exact[j]
            v = at(basis, j * whole)
            for i in range(n):
                y[i] += value * v[i]
        if correction != 0.0:
            value = beta * correction
            v = at(basis, m * whole)
            for i in range(n):
                y[i] += value * v[i]
        if m == MOST:
            longest = 1.5 * s
        if s >= end - tau:
            tau = end
        else:
            tau += s
        if tau == 0.5 and halfway:
            for i in range(n):
                history[HALF * n + i] = largest * y[i]
        if tau == 1.0:
            for i in range(n):
                y[i] *= largest
            return slot.OK
    return slot.NOT_CONVERGED

