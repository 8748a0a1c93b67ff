"""Differential equations between random events. Kernel code: see `pointers`.

The table of the stochastic part (slots S_...) holds the address of the run's table, where the event function
number 0 is ``hazard - threshold``. Its location on the step's interpolant is the time of the random event.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import (
    Integers,
    call_kernel,
    compiled,
    floats,
    integers,
    shorts,
)
from symnum.solving.kernel.propensity import fire, propensity, refused
from symnum.solving.kernel.random import exponential, uniform
from symnum.solving.kernel.single_event import select
from symnum.solving.kernel.vectors import changed_parameters

__all__ = ["advance", "jump"]


@compiled
def possible(s: Integers, j: int) -> bool:
    """Whether there is as much of all continuous species as reaction j uses up."""
    x = floats(s[slot.S_X])
    start = shorts(s[slot.S_CHANGE_START])
    entry = shorts(s[slot.S_CHANGE])
    count = floats(s[slot.S_CHANGE_COUNT])
    whole = shorts(s[slot.S_WHOLE])
    enough = True
    for k in range(start[j], start[j + 1]):
        i = entry[k]
        if i < s[slot.S_SPECIES] and whole[i] == 0 and count[k] < 0.0 and x[i] + count[k] < 0.0:
            enough = False
    return enough


@compiled
def look(s: Integers, j: int) -> None:
    """PASSED, where reaction j has taken a species across a bound."""
    f = floats(s[slot.S_FLOATS])
    x = floats(s[slot.S_X])
    start = shorts(s[slot.S_CHANGE_START])
    entry = shorts(s[slot.S_CHANGE])
    many = shorts(s[slot.S_MANY])
    for k in range(start[j], start[j + 1]):
        i = entry[k]
        if i < s[slot.S_SPECIES]:
            if many[i] == 0 and x[i] >= f[slot.S_HIGH]:
                s[slot.S_PASSED] = 1
            if many[i] != 0 and x[i] < f[slot.S_LOW]:
                s[slot.S_PASSED] = 1


@compiled
def jump(s: Integers) -> int:
    """One slow reaction happens at the present point of the run; the next threshold is drawn.

    ORDER holds the numbers of the slow reactions, SLOW how many there are. A propensity that is negative by
    the error of the integration counts as zero; counts lose the round-off of the interpolant. An event that
    needs more of a continuous species than there is does not take place.
    """
    a = integers(s[slot.S_RUN])
    x = floats(s[slot.S_X])
    u = floats(a[slot.U])
    t = floats(a[slot.FLOATS])[slot.T]
    entry = shorts(s[slot.S_PERMUTATION])
    n = s[slot.S_ROW]
    whole = shorts(s[slot.S_WHOLE])
    where = shorts(s[slot.S_PLACES])
    for i in range(n):
        x[entry[i]] = u[where[i]]
        if whole[entry[i]] != 0:
            x[entry[i]] = float(math.floor(u[where[i]] + 0.5))
    start = shorts(s[slot.S_MEMBER_START])
    member = shorts(s[slot.S_MEMBER])
    weight = floats(s[slot.S_WEIGHT])
    species = s[slot.S_SPECIES]
    for r in range(s[slot.S_ENTRIES] - species):
        total = 0.0
        for k in range(start[r], start[r + 1]):
            total += weight[k] * x[member[k]]
        x[species + r] = total
    w = floats(s[slot.S_PROPENSITY])
    order = shorts(s[slot.S_ORDER])
    everything = 0.0
    for k in range(s[slot.S_SLOW]):
        value = propensity(s, t, order[k])
        if not abs(value) <= 1e300:
            return refused(s, order[k], value)
        if value < 0.0:
            value = 0.0
        w[k] = value
        everything += value
    stream = s[slot.S_RANDOM]
    if everything > 0.0:
        k = select(w, s[slot.S_SLOW], uniform(stream) * everything)
        if possible(s, order[k]):
            s[slot.S_EVENTS] += 1
            if not fire(s, order[k]):
                return slot.NEGATIVE_COUNT
            look(s, order[k])
    for i in range(n):
        u[where[i]] = x[entry[i]]
    u[s[slot.S_HAZARD]] = 0.0
    floats(a[slot.P])[s[slot.S_THRESHOLD]] = exponential(stream)
    # the hazard is below its threshold again, and may pass it in the first part of the next step
    integers(a[slot.FIRED])[0] = 0
    return slot.OK


@compiled
def restart(s: Integers) -> None:
    """The run goes on from the point behind a jump, with steps as long as before."""
    a = integers(s[slot.S_RUN])
    f = floats(a[slot.FLOATS])
    changed_parameters(a)
    a[slot.HAVE_F0] = 0
    a[slot.HAVE_F1] = 0
    a[slot.HAVE_JACOBIAN] = 0
    a[slot.HAVE_SLOPE0] = 0
    a[slot.PHASE] = slot.RESTART
    # the next event of the same kind is no sign of a crowd
    f[slot.STEP_CAP] = f[slot.MAX_STEP]
    a[slot.CROWDED] = 0
    integers(a[slot.FIRED_BEFORE])[0] = 0


@compiled
def advance(s: Integers) -> int:
    """`loop.advance` that carries out the jumps itself, as long as nothing else happens."""
    a = integers(s[slot.S_RUN])
    fired = integers(a[slot.FIRED])
    while True:
        status = call_kernel(s[slot.S_LOOP], a)
        if status != slot.EVENT or fired[0] == 0:
            return status
        for k in range(1, a[slot.N_EVENTS]):
            if fired[k] != 0:
                return status
        status = jump(s)
        if status != slot.OK:
            return status
        if s[slot.S_PASSED] != 0:
            return slot.EVENT
        restart(s)
