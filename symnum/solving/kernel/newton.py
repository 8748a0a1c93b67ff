"""Consistent algebraic variables, and their rates of change. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, compiled, floats, integers, shorts
from symnum.solving.kernel.vectors import copy, factor, function, jacobian, smaller, solve

__all__ = ["reinitialize", "resolve", "slope_end", "slope_start"]

ITERATIONS = 60
SMALLEST_DAMPING = 1e-6
# In units of the error weights: far below what the steps can see, and what is let pass when round-off
# stops progress.
CONVERGED = 1e-6
GOOD_ENOUGH = 1e-2
ROUND_OFF = 1e-13  # relative


@compiled
def correction(a: Integers, f: Floats, right: Floats, weighted_at: Floats) -> float:
    """Solve for the Newton correction of the algebraic variables from f; its size in units of the weights."""
    algebraic = shorts(a[slot.ALGEBRAIC])
    x = floats(a[slot.FLOATS])
    atol = floats(a[slot.ATOL])
    m = a[slot.N_ALGEBRAIC]
    for k in range(m):
        right[k] = f[algebraic[k]]
    solve(a, slot.G, a[slot.Z])
    size = 0.0
    for k in range(m):
        i = algebraic[k]
        part = abs(right[k]) / (atol[i] + x[slot.RTOL] * abs(weighted_at[i]))
        if not part <= size:
            size = part  # a NaN stays
        if size != size:
            break
    return size


@compiled
def reinitialize(a: Integers) -> int:
    """Solve the algebraic equations for the algebraic variables at the accepted state, the others kept.

    Damped Newton iteration: a trial is taken when the correction that the old matrix gives there is
    smaller (natural monotonicity test; Deuflhard, Newton Methods for Nonlinear Problems, section 3.3),
    which does not depend on how the equations are scaled. OK, NOT_CONVERGED, NOT_FINITE (WORST, RESIDUAL
    tell where), SINGULAR, REPIVOT.
    """
    n = a[slot.N]
    m = a[slot.N_ALGEBRAIC]
    x = floats(a[slot.FLOATS])
    t = x[slot.T]
    u = floats(a[slot.U])
    y = floats(a[slot.Y])
    z = floats(a[slot.Z])
    f = floats(a[slot.F0])
    step = floats(a[slot.F1])
    algebraic = shorts(a[slot.ALGEBRAIC])
    a[slot.HAVE_F0] = 0
    a[slot.HAVE_F1] = 0
    a[slot.HAVE_JACOBIAN] = 0
    a[slot.HAVE_SLOPE0] = 0
    function(a, t, u, f)
    status = slot.NOT_CONVERGED
    x[slot.RESIDUAL] = 0.0
    finite = True
    for k in range(m):
        finite = finite and f[algebraic[k]] - f[algebraic[k]] == 0.0
    size = 0.0
    known = False  # is there a correction for this point, from an older matrix?
    iteration = 0
    while finite and iteration < ITERATIONS and status == slot.NOT_CONVERGED:
        iteration += 1
        a[slot.NEWTONS] += 1
        if not known:
            jacobian(a, t, u)
            outcome = factor(a, slot.G)
            if outcome != slot.OK:
                return outcome
            size = correction(a, f, z, u)
            if not size <= 1e300:
                return slot.SINGULAR
        copy(m, z, step)
        known = False
        damping = 1.0
        while True:
            copy(n, u, y)
            for k in range(m):
                y[algebraic[k]] += damping * step[k]
            function(a, t, y, f)
            after = correction(a, f, z, y)
            if after <= CONVERGED or after <= (1.0 - 0.25 * damping) * size:
                break
            if damping == 1.0 and size <= GOOD_ENOUGH:
                after = 0.0  # round-off: further corrections do not shrink
                break
            damping *= 0.5
            if damping < SMALLEST_DAMPING:
                function(a, t, u, f)
                iteration = ITERATIONS
                break
        if damping < SMALLEST_DAMPING:
            break
        copy(n, y, u)
        if after <= CONVERGED:
            status = slot.OK
        elif damping == 1.0 and after <= 0.1 * size:
            known = True  # converging fast: the same matrix will do
            size = after
    worst = 0.0
    a[slot.WORST] = algebraic[0]
    for k in range(m):
        residual = abs(f[algebraic[k]])
        if not residual <= worst:
            worst = residual
            a[slot.WORST] = algebraic[k]
        if worst != worst:
            break
    x[slot.RESIDUAL] = worst
    if not finite:
        return slot.NOT_FINITE
    return status


@compiled
def resolve(a: Integers, t: float, y: Floats) -> None:
    """Solve for the algebraic entries of y at t, within a step and close by; the others are kept.

    Newton iteration with the matrix of another point of the step for as long as that contracts by ten, to
    round-off: signs are read off y. Where it does not converge, y stays as it is.
    """
    m = a[slot.N_ALGEBRAIC]
    f = floats(a[slot.RESOLVE_F])
    z = floats(a[slot.Z])
    kept = floats(a[slot.RESOLVE_KEPT])
    algebraic = shorts(a[slot.ALGEBRAIC])
    for k in range(m):
        kept[k] = y[algebraic[k]]
    before = 1e300
    rounded = smaller(CONVERGED, ROUND_OFF / floats(a[slot.FLOATS])[slot.RTOL])
    for _ in range(ITERATIONS):
        function(a, t, y, f)
        if a[slot.RESOLVE_READY] == 0:
            jacobian(a, t, y)
            if factor(a, slot.G) != slot.OK:
                break
            a[slot.RESOLVE_READY] = 1
            before = 1e300
        size = correction(a, f, z, y)
        if not size < before:
            if before <= CONVERGED:
                return
            break
        for k in range(m):
            y[algebraic[k]] += z[k]
        if size <= rounded:
            return
        if size > 0.1 * before:
            a[slot.RESOLVE_READY] = 0
        before = size
    a[slot.RESOLVE_READY] = 0
    for k in range(m):
        y[algebraic[k]] = kept[k]


@compiled
def slope_start(a: Integers) -> int:
    """SLOPE0 from F0 and the Jacobian at the start of the step."""
    return slope(a, floats(a[slot.F0]), floats(a[slot.SLOPE0]))


@compiled
def slope_end(a: Integers) -> int:
    """SLOPE1 from F1 and the Jacobian at the end of the step."""
    return slope(a, floats(a[slot.F1]), floats(a[slot.SLOPE1]))


@compiled
def slope(a: Integers, f: Floats, out: Floats) -> int:
    """u' of all components, from f and the Jacobian at the same point.

    Differential components have u' = f. The others follow from the derivative of their equations,
    g_y y' + g_z z' + g_t = 0. OK, SINGULAR or REPIVOT.
    """
    n = a[slot.N]
    mass = floats(a[slot.MASS])
    for i in range(n):
        out[i] = mass[i] * f[i]
    m = a[slot.N_ALGEBRAIC]
    status = factor(a, slot.G)
    if status != slot.OK:
        return status
    y = floats(a[slot.Y])
    z = floats(a[slot.Z])
    indptr = integers(a[slot.INDPTR])
    indices = integers(a[slot.INDICES])
    values = floats(a[slot.JACOBIAN_VALUES])
    algebraic = shorts(a[slot.ALGEBRAIC])
    gradient = floats(a[slot.GT])
    for i in range(n):
        y[i] = 0.0
    if a[slot.GRADIENT] != 0:
        copy(n, gradient, y)
    for j in range(n):
        if mass[j] != 0.0:
            for e in range(indptr[j], indptr[j + 1]):
                y[indices[e]] += values[e] * out[j]
    for k in range(m):
        z[k] = y[algebraic[k]]
    solve(a, slot.G, a[slot.Z])
    for k in range(m):
        out[algebraic[k]] = z[k]
    return slot.OK
