"""The chemical Langevin equation dX = sum_j nu_j (a_j dt + sqrt(a_j) dW_j). Kernel code: see `pointers`.

Noise is that of max(a_j, 0); the drift is a_j itself. Steps have the length STEP, or where that is 0 one in
which propensities change by epsilon at most; they end at the times of the grid.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.leap import horizon, leap_length
from symnum.solving.kernel.pointers import Integers, compiled, floats, shorts
from symnum.solving.kernel.propensity import propensity, save, save_until
from symnum.solving.kernel.random import normal
from symnum.solving.kernel.single_event import idle, interrupted
from symnum.solving.kernel.vectors import larger, smaller

__all__ = ["euler_maruyama", "weak_trapezoidal"]

# Two times so close, relative to the step, are one: a sum of steps need not hit the grid to the last digit.
ADJACENT = 1e-9


@compiled
def evaluate(a: Integers, t: float, target: int) -> int:
    """All propensities at X into the vector at address ``target``; NOT_FINITE with the reaction in FAILED."""
    w = floats(target)
    for j in range(a[slot.S_REACTIONS]):
        value = propensity(a, t, j)
        w[j] = value
        if not abs(value) <= 1e300:
            a[slot.S_FAILED] = j
            return slot.NOT_FINITE
    return slot.OK


@compiled
def move(a: Integers, j: int, turnovers: float) -> None:
    """X after so many turnovers of reaction j, a whole number or not."""
    x = floats(a[slot.S_X])
    start = shorts(a[slot.S_CHANGE_START])
    entry = shorts(a[slot.S_CHANGE])
    count = floats(a[slot.S_CHANGE_COUNT])
    for k in range(start[j], start[j + 1]):
        x[entry[k]] += count[k] * turnovers


@compiled
def euler_step(a: Integers, h: float) -> int:
    """X + sum_j nu_j (a_j h + sqrt(a_j h) xi_j). G. Maruyama, Rend. Circ. Mat. Palermo 4 (1955) 48."""
    w = floats(a[slot.S_PROPENSITY])
    for j in range(a[slot.S_REACTIONS]):
        if w[j] != 0.0:
            move(a, j, w[j] * h + math.sqrt(larger(w[j], 0.0) * h) * normal(a[slot.S_RANDOM]))
    return slot.OK


@compiled
def trapezoidal_step(a: Integers, h: float) -> int:
    """D. F. Anderson and J. C. Mattingly, "A weak trapezoidal method for a class of stochastic differential
    equations", Commun. Math. Sci. 9 (2011) 301, with theta = 1/2, so that xi_1 = 2 and xi_2 = 1:

    y = X + sum_j nu_j (a_j(X) h/2 + sqrt(a_j(X) h/2) xi_j),
    X + ... = y + sum_j nu_j ((2 a_j(y) - a_j(X)) h/2 + sqrt(max(2 a_j(y) - a_j(X), 0) h/2) eta_j).
    """
    w = floats(a[slot.S_PROPENSITY])
    second = floats(a[slot.S_SECOND_STAGE])
    half = 0.5 * h
    for j in range(a[slot.S_REACTIONS]):
        if w[j] != 0.0:
            move(a, j, w[j] * half + math.sqrt(larger(w[j], 0.0) * half) * normal(a[slot.S_RANDOM]))
    status = evaluate(a, floats(a[slot.S_FLOATS])[slot.S_T] + half, a[slot.S_SECOND_STAGE])
    if status != slot.OK:
        return status
    for j in range(a[slot.S_REACTIONS]):
        drift = 2.0 * second[j] - w[j]
        square = 2.0 * larger(second[j], 0.0) - larger(w[j], 0.0)
        if drift != 0.0 or square > 0.0:
            noise = 0.0
            if square > 0.0:
                noise = math.sqrt(square * half) * normal(a[slot.S_RANDOM])
            move(a, j, drift * half + noise)
    return slot.OK


@compiled
def run(a: Integers, trapezoidal: bool) -> int:
    f = floats(a[slot.S_FLOATS])
    critical = shorts(a[slot.S_CRITICAL])
    for j in range(a[slot.S_REACTIONS]):
        critical[j] = 0
    while True:
        if not f[slot.S_T] < f[slot.S_T_STOP]:
            return idle(a)
        status = interrupted(a)
        if status != slot.OK:
            return status
        save_until(a, f[slot.S_T])
        status = evaluate(a, f[slot.S_T], a[slot.S_PROPENSITY])
        if status != slot.OK:
            return status
        h = f[slot.S_STEP]
        if h == 0.0:
            h = leap_length(a)
        h = smaller(h, f[slot.S_MAX_STEP])
        end = horizon(a)
        t = f[slot.S_T] + h
        if not t < end - ADJACENT * h:
            h = end - f[slot.S_T]
            t = end
        status = trapezoidal_step(a, h) if trapezoidal else euler_step(a, h)
        if status != slot.OK:
            return status
        f[slot.S_T] = t
        a[slot.S_STEPS] += 1
        a[slot.S_PAUSE_LEFT] -= 1
        save_until(a, t)
        if a[slot.S_EVERY] != 0:
            save(a, t)


@compiled
def euler_maruyama(a: Integers) -> int:
    """Run to T_STOP, or until the host is needed."""
    return run(a, False)


@compiled
def weak_trapezoidal(a: Integers) -> int:
    """Run to T_STOP, or until the host is needed."""
    return run(a, True)
