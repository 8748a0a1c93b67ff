"""The stepping loop. Kernel code: see `pointers`.

The host calls `advance` until it returns DONE. Every other status says what the host is to do first; the
phase remembers where to go on.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.dense import prepare
from symnum.solving.kernel.pointers import Integers, call_kernel, compiled, floats, integers
from symnum.solving.kernel.saving import save
from symnum.solving.kernel.vectors import (
    changed_parameters,
    copy,
    function,
    larger,
    scaled_norm,
    smaller,
)  # fmt: skip

__all__ = ["advance"]

# A stop that comes so soon after the last one, relative to the time, that steps in between mean nothing;
# and how many.
VANISHING = 1e-12
CROWD = 10
# Two times so close, relative to the time, are one step apart: parts of their distance mean nothing.
ADJACENT = 1e-13
COARSE_TRIES, COARSE_SHARE = 6, 1e-3
APPROACHES, APPROACH_SHARE = 10, 1e-6
# Rejected tries after which algebraic variables are made consistent.
DRIFTED = 6


@compiled
def worst_row(a: Integers) -> int:
    """The component with the largest scaled error, or the first whose error or value is not finite."""
    u = floats(a[slot.U])
    v = floats(a[slot.V])
    error = floats(a[slot.ERROR])
    atol = floats(a[slot.ATOL])
    rtol = floats(a[slot.FLOATS])[slot.RTOL]
    worst = 0
    largest = -1.0
    for i in range(a[slot.N]):
        scaled = abs(error[i]) / (atol[i] + rtol * larger(abs(u[i]), abs(v[i]))) + (v[i] - v[i])
        if not abs(scaled) <= 1e300:
            return i
        if scaled > largest:
            largest = scaled
            worst = i
    return worst


@compiled
def first_step(a: Integers) -> float:
    """A first step from the sizes of u, u' and a difference of u'; algebraic components stay out of it.

    Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, section II.4. Uses V, Y and F1.
    """
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    u = floats(a[slot.U])
    f = floats(a[slot.F0])
    y = floats(a[slot.Y])
    g = floats(a[slot.F1])
    mass = floats(a[slot.MASS])
    atol = floats(a[slot.ATOL])
    span = x[slot.T_STOP] - x[slot.T]
    d0 = 0.0
    d1 = 0.0
    for i in range(n):
        weight = mass[i] / (atol[i] + x[slot.RTOL] * abs(u[i]))
        d0 += (u[i] * weight) * (u[i] * weight)
        d1 += (f[i] * weight) * (f[i] * weight)
    d0 = math.sqrt(d0 / n)
    d1 = math.sqrt(d1 / n)
    h = 1e-6
    if d0 >= 1e-5 and d1 >= 1e-5:
        h = 0.01 * d0 / d1
    if d1 < 1e-5:
        h = larger(h, 1e-3 * span)
    h = smaller(h, span)
    for i in range(n):
        y[i] = u[i] + h * mass[i] * f[i]
    function(a, x[slot.T] + h, y, g)
    d2 = 0.0
    for i in range(n):
        part = (g[i] - f[i]) * mass[i] / (atol[i] + x[slot.RTOL] * abs(u[i]))
        d2 += part * part
    d2 = math.sqrt(d2 / n) / h
    top = larger(d1, d2)
    if not top <= 1e300:
        return smaller(h, 1e-6 * span)
    if top <= 1e-15:
        return smaller(100.0 * h, larger(1e-6 * span, 1e-3 * h))
    return smaller(100.0 * h, (0.01 / top) ** (1.0 / x[slot.ORDER]))


@compiled
def endless(a: Integers) -> int:
    """ZENO or CHATTER: what the last stop was about."""
    fired = integers(a[slot.FIRED])
    for k in range(a[slot.N_EVENTS]):
        if fired[k] != 0:
            return slot.ZENO
    return slot.CHATTER


@compiled
def restart(a: Integers) -> int:
    """f, the sides of the switching functions and the first step, at a start or after a stop."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    if a[slot.HAVE_F0] == 0:
        f = floats(a[slot.F0])
        function(a, x[slot.T], floats(a[slot.U]), f)
        for i in range(n):
            if f[i] - f[i] != 0.0:
                a[slot.WORST] = i
                return slot.NOT_FINITE
        a[slot.HAVE_F0] = 1
    if a[slot.N_EVENTS] + a[slot.N_LIMITS] > 0:
        call_kernel(a[slot.SETTLE_SIDES], a)
    a[slot.FRESH] = 1
    a[slot.HAVE_HISTORY] = 0
    if a[slot.PROPOSE] != 0:
        x[slot.ORDER] = 2.0  # a method that chooses its order begins with the first
    if a[slot.ADAPTIVE] != 0:
        x[slot.ERROR_BEFORE] = 1.0
        x[slot.H_BEFORE] = 0.0
        if x[slot.H] == 0.0:
            x[slot.H] = x[slot.FIRST_STEP]
        if x[slot.H] == 0.0:
            remaining = x[slot.T_STOP] - x[slot.T]
            if remaining <= ADJACENT * abs(x[slot.T]):
                x[slot.H] = remaining
            else:
                x[slot.H] = first_step(a)
                if a[slot.CROWDED] == 0:
                    # at a state of round-off size the estimate may be shorter than time can tell
                    x[slot.H] = larger(x[slot.H], 10.0 * ADJACENT * abs(x[slot.T]))
        x[slot.H] = smaller(x[slot.H], x[slot.STEP_CAP])
    else:
        x[slot.H] = x[slot.FIRST_STEP]
    x[slot.STEP_CAP] = x[slot.MAX_STEP]
    if a[slot.CROWDED] > 0 and not x[slot.T] + 0.1 * x[slot.H] > x[slot.T]:
        return endless(a)
    return slot.OK


@compiled
def changed_limits(a: Integers) -> int:
    """After limits have switched: the parameter-only values anew, and the algebraic variables consistent."""
    changed_parameters(a)
    a[slot.HAVE_F0] = 0
    a[slot.HAVE_JACOBIAN] = 0
    a[slot.HAVE_SLOPE0] = 0
    a[slot.W_READY] = 0
    if a[slot.N_ALGEBRAIC] > 0:
        return call_kernel(a[slot.REINITIALIZE], a)
    return slot.OK


@compiled
def is_coarse(a: Integers, tries: int) -> bool:
    """Is the step too long for its events to show?

    Not after some tries, and not a small part of the longest step: what events depend on may jump.
    """
    if a[slot.EVENT_READS] == 0 or a[slot.ADAPTIVE] == 0 or tries >= COARSE_TRIES:
        return False
    x = floats(a[slot.FLOATS])
    x[slot.DEVIATION] = 0.0
    if x[slot.H_STEP] < COARSE_SHARE * x[slot.LONGEST]:
        return False
    return prepare(a) == slot.OK and call_kernel(a[slot.COARSE], a) != 0


@compiled
def is_approached(a: Integers, tries: int) -> bool:
    """Does an event seem to lie within the step that can be told from the end of a step only? Its SHARE."""
    if a[slot.N_EVENTS] == 0 or a[slot.ADAPTIVE] == 0 or tries >= APPROACHES:
        return False
    x = floats(a[slot.FLOATS])
    if x[slot.H_STEP] < larger(APPROACH_SHARE * x[slot.LONGEST], 1e3 * ADJACENT * abs(x[slot.T])):
        return False
    if call_kernel(a[slot.MAGNIFIES], a) == 0:
        return False
    return prepare(a) == slot.OK and call_kernel(a[slot.APPROACH], a) != 0


@compiled
def one_step(a: Integers) -> int:
    """One accepted step, and the tries rejected before it; DENSE and END as far as they are needed."""
    x = floats(a[slot.FLOATS])
    t = x[slot.T]
    if a[slot.HAVE_F0] == 0:
        f = floats(a[slot.F0])
        function(a, t, floats(a[slot.U]), f)
        a[slot.HAVE_F0] = 1
    shrunk = False
    tries = 0
    approaches = 0
    failed = 0
    longest = 0.0
    while True:
        remaining = x[slot.T_STOP] - t
        h = smaller(x[slot.H], x[slot.MAX_STEP])
        last = h * 1.001 >= remaining  # rather a step longer by a hair than a tiny one left over
        if last:
            h = remaining
        if not (h > 0.0 and t + 0.1 * h > t) and not (last and not shrunk):
            if a[slot.FAILURE] == slot.STEP_TOO_SMALL:
                a[slot.WORST] = worst_row(a)
            return a[slot.FAILURE]
        x[slot.H_STEP] = h
        longest = larger(longest, h)
        status = call_kernel(a[slot.STEP], a)
        if status == slot.REPIVOT:
            return status
        error = -1.0
        if status == slot.OK:
            error = scaled_norm(a, floats(a[slot.ERROR]))
        if not 0.0 <= error <= 1e300:
            # a stage left the domain of the model, or the matrix is singular: a much shorter step may be fine
            a[slot.FAILURE] = slot.SINGULAR
            if status == slot.NOT_CONVERGED:
                a[slot.FAILURE] = slot.STEP_TOO_SMALL
            if status == slot.OK:
                a[slot.FAILURE] = slot.NOT_FINITE
                a[slot.WORST] = worst_row(a)
            if a[slot.ADAPTIVE] == 0:
                return a[slot.FAILURE]
            a[slot.REJECTED] += 1
            x[slot.H] = 0.25 * h
            shrunk = True
        elif error <= 1.0 or a[slot.ADAPTIVE] == 0:
            a[slot.HAVE_DENSE] = 0
            if is_coarse(a, tries):
                tries += 1
                x[slot.H] = h * larger(x[slot.SHRINK], 0.8 * x[slot.DEVIATION] ** -0.25)
            elif is_approached(a, approaches):
                approaches += 1
                x[slot.H] = h * x[slot.SHARE]
            else:
                break
            a[slot.REJECTED] += 1
            shrunk = True
        else:
            a[slot.FAILURE] = slot.STEP_TOO_SMALL
            a[slot.REJECTED] += 1
            x[slot.H] = h * larger(x[slot.SHRINK], x[slot.SAFETY] * error ** (-1.0 / x[slot.ORDER]))
            shrunk = True
            failed += 1
            if failed == DRIFTED and a[slot.N_ALGEBRAIC] > 0 and a[slot.PROPOSE] == 0:
                # what a Rosenbrock method has left of the algebraic equations is part of its error however
                # short the step
                status = call_kernel(a[slot.REINITIALIZE], a)
                if status == slot.REPIVOT:
                    return status
                function(a, t, floats(a[slot.U]), floats(a[slot.F0]))
                a[slot.HAVE_F0] = 1
                if status == slot.OK:
                    x[slot.H] = 0.25 * longest
    a[slot.STEPS] += 1
    x[slot.LONGEST] = larger(x[slot.LONGEST], h)
    a[slot.LOCATED] = 0
    if last:
        x[slot.T1] = x[slot.T_STOP]
    else:
        x[slot.T1] = t + h
    grid = floats(a[slot.GRID])
    switchings = a[slot.N_EVENTS] + a[slot.N_LIMITS]
    if (
        switchings > 0
        or a[slot.KEEP_DENSE] != 0
        or (a[slot.SAVE] == slot.SAVE_GRID and a[slot.GRID_NEXT] < a[slot.GRID_SIZE]
            and grid[a[slot.GRID_NEXT]] < x[slot.T1])
    ):  # fmt: skip
        status = prepare(a)
        if status != slot.OK:
            a[slot.STEPS] -= 1
            return status
    if switchings > 0:
        a[slot.LOCATED] = call_kernel(a[slot.LOCATE], a)
    if a[slot.PROPOSE] != 0:
        call_kernel(a[slot.PROPOSE], a)
    elif a[slot.ADAPTIVE] != 0:
        change = x[slot.GROW]
        if error > 0.0:
            change = x[slot.SAFETY] * error ** -x[slot.EXPONENT]
            if x[slot.EXPONENT_BEFORE] != 0.0:
                change *= x[slot.ERROR_BEFORE] ** x[slot.EXPONENT_BEFORE]
            if x[slot.EXPONENT_RATIO] != 0.0 and x[slot.H_BEFORE] > 0.0:
                change *= (x[slot.H_BEFORE] / h) ** x[slot.EXPONENT_RATIO]
            change = smaller(x[slot.GROW], larger(x[slot.SHRINK], change))
            if a[slot.EVENT_READS] != 0 and x[slot.DEVIATION] > 0.0:
                change = smaller(change, larger(1.0, 0.8 * x[slot.DEVIATION] ** -0.25))
            if change > 1.0 and change < x[slot.STEADY]:
                change = 1.0
        if shrunk:
            change = smaller(change, 1.0)
        if last and not shrunk and h * change < x[slot.H]:
            return slot.OK  # it was the stop that cut this step short: nothing learnt from it
        x[slot.H] = h * change
        x[slot.H_BEFORE] = h
        x[slot.ERROR_BEFORE] = larger(error, 1e-4)
    return slot.OK


@compiled
def commit(a: Integers) -> int:
    """Make the end of the accepted step the accepted state. OK, or EVENT, ZENO, CHATTER at a sign change."""
    x = floats(a[slot.FLOATS])
    n = a[slot.N]
    u = floats(a[slot.U])
    x[slot.T] = x[slot.T1]
    fired = integers(a[slot.FIRED])
    if a[slot.LOCATED] == 0:
        if a[slot.FRESH] != 0:
            for k in range(a[slot.N_EVENTS] + a[slot.N_LIMITS]):
                fired[k] = 0
        a[slot.FRESH] = 0
        copy(n, floats(a[slot.V]), u)
        a[slot.HAVE_F0] = a[slot.HAVE_F1]
        if a[slot.HAVE_F1] != 0:
            copy(n, floats(a[slot.F1]), floats(a[slot.F0]))
        a[slot.HAVE_F1] = 0
        a[slot.HAVE_JACOBIAN] = 0
        a[slot.HAVE_SLOPE0] = 0
        if a[slot.HERMITE] != 0 and a[slot.HAVE_DENSE] != 0:
            copy(n, floats(a[slot.SLOPE1]), floats(a[slot.SLOPE0]))
            a[slot.HAVE_SLOPE0] = 1
            if a[slot.N_ALGEBRAIC] > 0:
                a[slot.HAVE_JACOBIAN] = 1
        return slot.OK
    copy(n, floats(a[slot.END]), u)
    a[slot.FRESH] = 0
    a[slot.HAVE_F0] = 0
    a[slot.HAVE_F1] = 0
    a[slot.HAVE_JACOBIAN] = 0
    a[slot.HAVE_SLOPE0] = 0
    gap = x[slot.T] - x[slot.LAST_STOP]
    x[slot.LAST_STOP] = x[slot.T]
    if gap <= VANISHING * abs(x[slot.T]):
        a[slot.CROWDED] += 1
    else:
        a[slot.CROWDED] = 0
    if a[slot.BETWEEN] == 0:
        a[slot.QUIET] += 1
    else:
        a[slot.QUIET] = 0
    status = slot.OK
    repeated = integers(a[slot.FIRED_BEFORE])
    for k in range(a[slot.N_EVENTS] + a[slot.N_LIMITS]):
        if fired[k] != 0:
            if k < a[slot.N_EVENTS]:
                a[slot.EVENTS] += 1
                status = slot.EVENT
            if repeated[k] != 0 and a[slot.CROWDED] == 0 and a[slot.QUIET] == 0:
                # the same one again: after as long again it might come a third time
                x[slot.STEP_CAP] = smaller(x[slot.STEP_CAP], gap)
        repeated[k] = fired[k]
    if a[slot.CROWDED] >= CROWD or a[slot.QUIET] >= CROWD or a[slot.LOCATED] == 2:
        return endless(a)
    return status


@compiled
def advance(a: Integers) -> int:
    """Step until T_STOP, or until the host is needed."""
    x = floats(a[slot.FLOATS])
    while True:
        phase = a[slot.PHASE]
        if phase == slot.RESTART:
            if a[slot.N_LIMITS] > 0 and call_kernel(a[slot.SWITCH_OUTSIDE], a) != 0:
                # the algebraic variables first, and then all limits are looked at again
                a[slot.ROUNDS] += 1
                a[slot.PENDING] = slot.OK
                a[slot.PHASE] = slot.SWITCHING
                if a[slot.ROUNDS] > 2 * a[slot.N_LIMITS] + 2:
                    return slot.CHATTER
            else:
                status = restart(a)
                if status != slot.OK:
                    return status
                a[slot.ROUNDS] = 0
                a[slot.PHASE] = slot.STEPPING
        elif phase == slot.STEPPING:
            if x[slot.T] >= x[slot.T_STOP]:
                return slot.DONE
            if a[slot.LOOK] != 0 and a[slot.STEPS] >= a[slot.LOOK_NEXT]:
                status = call_kernel(a[slot.LOOK], a)
                if status != slot.OK:
                    return status
            if a[slot.PAUSE_LEFT] == 0:
                return slot.PAUSED
            if a[slot.STEPS] + a[slot.REJECTED] >= a[slot.MAX_STEPS]:
                return slot.MAX_STEPS_REACHED
            status = one_step(a)
            if status != slot.OK:
                return status
            a[slot.PAUSE_LEFT] -= 1
            a[slot.PHASE] = slot.SAVING
        elif phase == slot.SAVING:
            if not save(a):
                return slot.BUFFER_FULL
            a[slot.PHASE] = slot.STEPPING
            status = commit(a)
            if a[slot.LOCATED] != 0:
                if a[slot.N_LIMITS] > 0 and call_kernel(a[slot.SWITCH_FIRED], a) != 0:
                    # the interrupted step was about right for what follows too
                    x[slot.H] = x[slot.H_STEP]
                    a[slot.PHASE] = slot.SWITCHING
                else:
                    a[slot.PHASE] = slot.RESTART
            if status != slot.OK and a[slot.PHASE] != slot.SWITCHING:
                return status
            a[slot.PENDING] = status
        else:
            status = changed_limits(a)
            if status != slot.OK:
                return status
            a[slot.PHASE] = slot.RESTART
            if a[slot.PENDING] != slot.OK:
                return a[slot.PENDING]
