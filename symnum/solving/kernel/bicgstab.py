"""BiCGStab for (scale M - J) x = b, with what `krylov` has: preconditioner, norms and their end.

H. A. van der Vorst, SIAM J. Sci. Stat. Comput. 13 (1992) 631-644, of the matrix with its preconditioner from
the left. It needs five vectors where GMRES keeps a basis, and two products in an iteration. Kernel code: see
`pointers`.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.krylov import BEARABLE, RESTARTS, TOLERANCE, precondition, product, times_matrix
from symnum.solving.kernel.pointers import Integers, at, compiled, floats

__all__ = ["solve"]

# As many products as GMRES makes at most.
ITERATIONS = RESTARTS * slot.KR_RESTART // 2
# A residual so nearly perpendicular to the first one takes its place: the recursion has lost its way.
PERPENDICULAR = 1e-12


@compiled
def solve(s: Integers) -> int:
    """Solve in place. Where the iteration fails the result is not finite, and the step tried again."""
    n = s[slot.IN_N]
    x = floats(s[slot.IN_RIGHT])
    weight = floats(s[slot.KR_WEIGHT])
    base = s[slot.KR_BASIS]
    r = floats(base)
    shadow = at(r, n)
    p = at(r, 2 * n)
    v = at(r, 3 * n)
    w = at(r, 4 * n)
    for i in range(n):
        r[i] = x[i]
        x[i] = 0.0
        p[i] = 0.0
        v[i] = 0.0
    precondition(s, base)
    squared = product(n, weight, r, r)
    first = True
    rho = 1.0
    alpha = 1.0
    omega = 1.0
    count = 0
    while squared > TOLERANCE * TOLERANCE and count < ITERATIONS:
        count += 1
        new = 0.0
        if not first:
            new = product(n, weight, shadow, r)
            length = product(n, weight, shadow, shadow)
            first = abs(new) <= PERPENDICULAR * math.sqrt(length * squared)
        beta = 0.0
        if first:
            for i in range(n):
                shadow[i] = r[i]
            new = squared
            first = False
        else:
            beta = new / rho * (alpha / omega)
        rho = new
        for i in range(n):
            p[i] = r[i] + beta * (p[i] - omega * v[i])
        times_matrix(s, p, v)
        precondition(s, base + 24 * n)
        alpha = rho / product(n, weight, shadow, v)
        for i in range(n):
            r[i] -= alpha * v[i]
            x[i] += alpha * p[i]
        squared = product(n, weight, r, r)
        if squared <= TOLERANCE * TOLERANCE:
            break
        times_matrix(s, r, w)
        precondition(s, base + 32 * n)
        omega = product(n, weight, w, r) / product(n, weight, w, w)
        for i in range(n):
            x[i] += omega * r[i]
            r[i] -= omega * w[i]
        squared = product(n, weight, r, r)
    if not squared <= BEARABLE * BEARABLE:
        x[0] = math.nan
    return slot.OK
