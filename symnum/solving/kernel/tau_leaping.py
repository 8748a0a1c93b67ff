"""Leaps over many events at once, with counts that never become negative. Kernel code: see `pointers`.

A leap of the length h is the weak trapezoidal one with theta = 1/2, of second order in mean and variance:

y = X + sum_j nu_j P(a_j(X) h/2),  X + ... = y + sum_j nu_j P(max(2 a_j(y) - a_j(X), 0) h/2)

with independent Poisson numbers P: D. F. Anderson and M. Koyama, "Weak error analysis of numerical methods
for stochastic models of population processes", Multiscale Model. Simul. 10 (2012) 1493. Its length: Y. Cao,
D. T. Gillespie, L. R. Petzold, J. Chem. Phys. 124 (2006) 044109; critical reactions: the same, J. Chem. Phys.
123 (2005) 054104. Reactions within CRITICAL_BELOW firings of using up a reactant happen one at a time; a leap
that would still make a count negative is halved; where leaps would be short, events are followed one by one.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.direct import event
from symnum.solving.kernel.direct import total as sum_of_all
from symnum.solving.kernel.leap import horizon, leap_length
from symnum.solving.kernel.pointers import Integers, compiled, floats, shorts
from symnum.solving.kernel.propensity import propensity, refresh, save, save_until
from symnum.solving.kernel.random import exponential, poisson, uniform
from symnum.solving.kernel.single_event import idle, interrupted
from symnum.solving.kernel.vectors import larger, smaller

__all__ = ["advance"]

CRITICAL_BELOW = 10.0
SHORT = 10.0  # leaps over less than this many events are not worth it,
SINGLE = 100  # and so many events are followed singly then
COUNTABLE = 2.0**53  # above, doubles leave out whole numbers: one event would change nothing, without end


@compiled
def choose(a: Integers, total: float) -> int:
    """One of the critical reactions by its propensity; total: their sum."""
    w = floats(a[slot.S_PROPENSITY])
    critical = shorts(a[slot.S_CRITICAL])
    left = uniform(a[slot.S_RANDOM]) * total
    found = 0
    for j in range(a[slot.S_REACTIONS]):
        if w[j] > 0.0 and critical[j] != 0:
            found = j
            left -= w[j]
            if left <= 0.0:
                return j
    return found


@compiled
def singly(a: Integers) -> int:
    """Up to SINGLE events one by one."""
    for _ in range(SINGLE):
        status = event(a)
        if status == slot.DONE:
            return slot.OK
        if status != slot.OK:
            return status
        a[slot.S_EVENTS] += 1
    return slot.OK


@compiled
def mark(a: Integers) -> float:
    """CRITICAL; returns the sum of the critical propensities."""
    w = floats(a[slot.S_PROPENSITY])
    x = floats(a[slot.S_X])
    start = shorts(a[slot.S_CHANGE_START])
    entry = shorts(a[slot.S_CHANGE])
    count = floats(a[slot.S_CHANGE_COUNT])
    critical = shorts(a[slot.S_CRITICAL])
    total = 0.0
    for j in range(a[slot.S_REACTIONS]):
        critical[j] = 0
        if w[j] > 0.0:
            for k in range(start[j], start[j + 1]):
                taken = -count[k]
                if taken > 0.0 and entry[k] < a[slot.S_SPECIES] and x[entry[k]] < taken * CRITICAL_BELOW:
                    critical[j] = 1
            if critical[j] != 0:
                total += w[j]
    return total


@compiled
def shift(a: Integers, j: int, firings: float) -> None:
    """X after so many turnovers of reaction j."""
    x = floats(a[slot.S_X])
    start = shorts(a[slot.S_CHANGE_START])
    entry = shorts(a[slot.S_CHANGE])
    count = floats(a[slot.S_CHANGE_COUNT])
    for k in range(start[j], start[j + 1]):
        x[entry[k]] += count[k] * firings


@compiled
def lowest(a: Integers) -> float:
    """The least count, 0 at most."""
    x = floats(a[slot.S_X])
    least = 0.0
    for i in range(a[slot.S_SPECIES]):
        least = smaller(least, x[i])
    return least


@compiled
def countable(a: Integers) -> bool:
    """Whether no count is above COUNTABLE."""
    x = floats(a[slot.S_X])
    highest = 0.0
    for i in range(a[slot.S_SPECIES]):
        highest = larger(highest, x[i])
    return highest <= COUNTABLE


@compiled
def stages(a: Integers, length: float, chosen: int) -> float:
    """X and how many reactions have happened after both stages; -1 when a count would be negative.

    So it is where a propensity is negative or not finite between the stages; events one by one say why.
    """
    w = floats(a[slot.S_PROPENSITY])
    second = floats(a[slot.S_SECOND_STAGE])
    critical = shorts(a[slot.S_CRITICAL])
    half = 0.5 * length
    happened = 0.0
    for j in range(a[slot.S_REACTIONS]):
        if critical[j] == 0 and w[j] > 0.0:
            number = poisson(a[slot.S_RANDOM], w[j] * half)
            happened += number
            shift(a, j, number)
    if lowest(a) < 0.0:
        return -1.0
    t = floats(a[slot.S_FLOATS])[slot.S_T] + half
    for j in range(a[slot.S_REACTIONS]):
        second[j] = 0.0
        if critical[j] == 0:
            second[j] = propensity(a, t, j)
            if not 0.0 <= second[j] <= 1e300:
                return -1.0
    for j in range(a[slot.S_REACTIONS]):
        number = 0.0
        if critical[j] == 0 and 2.0 * second[j] > w[j]:
            number = poisson(a[slot.S_RANDOM], (2.0 * second[j] - w[j]) * half)
        if j == chosen:
            number = 1.0
        if number > 0.0:
            happened += number
            shift(a, j, number)
    if lowest(a) < 0.0:
        return -1.0
    return happened


@compiled
def attempt(a: Integers, length: float, chosen: int) -> float:
    """A leap of this length with one firing of ``chosen`` (-1: none): how many reactions have happened.

    -1, and X as before, when a count would be negative.
    """
    x = floats(a[slot.S_X])
    before = floats(a[slot.S_NEXT])
    for i in range(a[slot.S_ENTRIES]):
        before[i] = x[i]
    happened = stages(a, length, chosen)
    if happened < 0.0:
        for i in range(a[slot.S_ENTRIES]):
            x[i] = before[i]
    return happened


@compiled
def leap(a: Integers, total: float) -> int:
    """One leap, or events one by one where leaps would be short."""
    f = floats(a[slot.S_FLOATS])
    single = mark(a)
    length = smaller(leap_length(a), f[slot.S_MAX_STEP])
    while True:
        if length * total < SHORT:
            return singly(a)
        end = horizon(a)
        tau = length
        chosen = False
        if single > 0.0:
            wait = exponential(a[slot.S_RANDOM]) / single
            if wait <= tau:
                tau = wait
                chosen = True
        t = f[slot.S_T] + tau
        if not t < end:
            tau = end - f[slot.S_T]
            t = end
            chosen = False
        reaction = -1
        if chosen:
            reaction = choose(a, single)
        happened = attempt(a, tau, reaction)
        if happened >= 0.0:
            break
        a[slot.S_REJECTED] += 1
        length = 0.5 * tau
    a[slot.S_EVENTS] += math.floor(happened + 0.5)
    a[slot.S_STEPS] += 1
    a[slot.S_PAUSE_LEFT] -= 1
    f[slot.S_T] = t
    save_until(a, t)
    if a[slot.S_EVERY] != 0:
        save(a, t)
    return refresh(a)


@compiled
def advance(a: Integers) -> int:
    """Run to T_STOP, or until the host is needed."""
    f = floats(a[slot.S_FLOATS])
    if a[slot.S_FRESH] != 0:
        status = refresh(a)
        if status != slot.OK:
            return status
    while True:
        if not f[slot.S_T] < f[slot.S_T_STOP]:
            return idle(a)
        status = interrupted(a)
        if status != slot.OK:
            return status
        save_until(a, f[slot.S_T])
        total = sum_of_all(a)
        if total > 0.0:
            status = leap(a, total)
            if status != slot.OK:
                return status
            if not countable(a):
                return slot.UNCOUNTABLE
        else:
            return idle(a)
