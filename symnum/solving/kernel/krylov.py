"""GMRES with restarts for (scale M - J) x = b, preconditioned from the left by approximate factors.

Saad and Schultz, SIAM J. Sci. Stat. Comput. 7 (1986) 856-869. Norms are those of the error control, so that
the iteration ends where its error does not count beside the tolerances. Kernel code: see `pointers`.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, at, call_kernel, compiled, floats, integers

__all__ = ["factor", "solve"]

# The preconditioned residual, beside errors that count as 1; and what is still taken when restarts run out.
TOLERANCE = 0.01
BEARABLE = 0.1
RESTARTS = 6


@compiled
def factor(s: Integers) -> int:
    """The preconditioner, and weights 1/(atol + rtol |u|)^2/n at the state of the run."""
    n = s[slot.IN_N]
    u = floats(s[slot.KR_U])
    atol = floats(s[slot.KR_ATOL])
    x = floats(s[slot.KR_FLOATS])
    weight = floats(s[slot.KR_WEIGHT])
    unit = 1.0 * s[slot.KR_HELD]
    if s[slot.KR_SLOPES] != 0:
        unit *= x[slot.H_STEP]
    for i in range(n):
        inverse = unit / (atol[i] + x[slot.RTOL] * abs(u[i]))
        weight[i] = inverse * inverse / n
    return call_kernel(s[slot.KR_FACTOR], integers(s[slot.KR_INNER]))


@compiled
def product(n: int, weight: Floats, first: Floats, second: Floats) -> float:
    a = 0.0
    b = 0.0
    c = 0.0
    d = 0.0
    i = 0
    while i + 3 < n:
        a += weight[i] * first[i] * second[i]
        b += weight[i + 1] * first[i + 1] * second[i + 1]
        c += weight[i + 2] * first[i + 2] * second[i + 2]
        d += weight[i + 3] * first[i + 3] * second[i + 3]
        i += 4
    while i < n:
        a += weight[i] * first[i] * second[i]
        i += 1
    return (a + b) + (c + d)


@compiled
def times_matrix(s: Integers, x: Floats, y: Floats) -> None:
    """y = (scale M - J) x."""
    n = s[slot.IN_N]
    scale = floats(s[slot.IN_SCALE_AT])[0]
    jacobian = floats(s[slot.IN_MATRIX])
    mass = floats(s[slot.KR_MASS])
    indptr = integers(s[slot.KR_INDPTR])
    indices = integers(s[slot.KR_INDICES])
    s[slot.KR_PRODUCTS] += 1
    for i in range(n):
        y[i] = scale * mass[i] * x[i]
    for j in range(n):
        value = x[j]
        for e in range(indptr[j], indptr[j + 1]):
            y[indices[e]] -= jacobian[e] * value


@compiled
def precondition(s: Integers, address: int) -> None:
    inner = integers(s[slot.KR_INNER])
    inner[slot.IN_RIGHT] = address
    call_kernel(s[slot.KR_SOLVE], inner)


@compiled
def arnoldi(s: Integers, j: int) -> None:
    """Basis vector j + 1 and column j of the Hessenberg matrix, made triangular by rotations."""
    n = s[slot.IN_N]
    m = slot.KR_RESTART
    basis = floats(s[slot.KR_BASIS])
    weight = floats(s[slot.KR_WEIGHT])
    h = floats(s[slot.KR_HESSENBERG])
    cosine = at(h, (m + 1) * m)
    sine = at(cosine, m)
    g = at(sine, m)
    new = at(basis, (j + 1) * n)
    times_matrix(s, at(basis, j * n), new)
    precondition(s, s[slot.KR_BASIS] + 8 * (j + 1) * n)
    column = at(h, j * (m + 1))
    for i in range(j + 1):
        v = at(basis, i * n)
        value = product(n, weight, v, new)
        column[i] = value
        for l in range(n):
            new[l] -= value * v[l]
    size = math.sqrt(product(n, weight, new, new))
    if size > 0.0:
        inverse = 1.0 / size
        for l in range(n):
            new[l] *= inverse
    for i in range(j):
        upper = column[i]
        column[i] = cosine[i] * upper + sine[i] * column[i + 1]
        column[i + 1] = cosine[i] * column[i + 1] - sine[i] * upper
    radius = math.sqrt(column[j] * column[j] + size * size)
    cosine[j] = 1.0
    sine[j] = 0.0
    if radius > 0.0:
        cosine[j] = column[j] / radius
        sine[j] = size / radius
    column[j] = radius
    g[j + 1] = -sine[j] * g[j]
    g[j] = cosine[j] * g[j]


@compiled
def add_combination(s: Integers, count: int, x: Floats) -> None:
    """x += the combination of the first basis vectors with the least residual."""
    n = s[slot.IN_N]
    m = slot.KR_RESTART
    basis = floats(s[slot.KR_BASIS])
    h = floats(s[slot.KR_HESSENBERG])
    g = at(h, (m + 1) * m + 2 * m)
    for i in range(count - 1, -1, -1):
        value = g[i]
        for k in range(i + 1, count):
            value -= h[k * (m + 1) + i] * g[k]
        g[i] = value / h[i * (m + 1) + i]
    for i in range(count):
        v = at(basis, i * n)
        for l in range(n):
            x[l] += g[i] * v[l]


@compiled
def solve(s: Integers) -> int:
    """Solve in place. Where the iteration fails the result is not finite, and the step tried again."""
    n = s[slot.IN_N]
    m = slot.KR_RESTART
    right = floats(s[slot.IN_RIGHT])
    weight = floats(s[slot.KR_WEIGHT])
    basis = floats(s[slot.KR_BASIS])
    h = floats(s[slot.KR_HESSENBERG])
    g = at(h, (m + 1) * m + 2 * m)
    b = at(basis, (m + 1) * n)
    for l in range(n):
        b[l] = right[l]
        right[l] = 0.0
        basis[l] = b[l]
    residual = 0.0
    for restart in range(RESTARTS):
        if restart > 0:
            times_matrix(s, right, basis)
            for l in range(n):
                basis[l] = b[l] - basis[l]
        precondition(s, s[slot.KR_BASIS])
        residual = math.sqrt(product(n, weight, basis, basis))
        if not residual > TOLERANCE:
            break
        inverse = 1.0 / residual
        for l in range(n):
            basis[l] *= inverse
        g[0] = residual
        count = 0
        while count < m and residual > TOLERANCE:
            arnoldi(s, count)
            count += 1
            residual = abs(g[count])
        add_combination(s, count, right)
        if residual <= TOLERANCE:
            break
    if not residual <= BEARABLE:
        right[0] = math.nan
    return slot.OK
