"""The exact process in a time per event that hardly grows with the network. Kernel code: see `pointers`.

Propensities are sorted into bins by powers of two; a bin is chosen by its sum, a reaction in it by rejection,
which takes two tries at most on average: A. Slepoy, A. P. Thompson, S. J. Plimpton, "A constant-time
kinetic Monte Carlo algorithm for simulation of large biochemical reaction networks", J. Chem. Phys. 128
(2008) 205101.

ORDER holds the reactions bin by bin, so that nothing is ever allocated: from one bin to the next a reaction
moves by an exchange with the one at the border. Bin 0 holds what cannot happen, bin 1 all that is smaller
than the bins above it.
"""

from __future__ import annotations

import math

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, compiled, floats, integers, shorts
from symnum.solving.kernel.propensity import propensity, refresh, refused, save
from symnum.solving.kernel.random import uniform
from symnum.solving.kernel.single_event import happen, idle, interrupted, next_time

__all__ = ["advance"]

LAST = slot.BINS - 1
HEADROOM = 4  # powers of two above the largest propensity when the bins are laid out
BETWEEN = 8192  # events after which all is laid out anew, so that round-off does not add up in the sums
# and sooner when the total has fallen so far that the round-off of larger ones could be seen, or that all
# reactions might have come down to bin 1, where rejection takes long
FALLEN = 2.0**-16


@compiled
def exponent(a: Integers, j: int) -> int:
    """The exponent of propensity j as it is stored: 0 for zero."""
    return integers(a[slot.S_PROPENSITY])[j] >> 52


@compiled
def bin_of(a: Integers, j: int) -> int:
    """The bin of propensity j; beyond LAST when it is too large for all."""
    e = exponent(a, j)
    if e == 0:
        return 0
    b = e - a[slot.S_TOP] + LAST
    if b < 1:
        b = 1
    return b


@compiled
def sums(a: Integers) -> None:
    """The sums of all bins and the total, from the propensities."""
    w = floats(a[slot.S_PROPENSITY])
    order = shorts(a[slot.S_ORDER])
    start = shorts(a[slot.S_BIN_START])
    total = floats(a[slot.S_BIN_TOTAL])
    everything = 0.0
    total[0] = 0.0
    for b in range(1, slot.BINS):
        inside = 0.0
        for k in range(start[b], start[b + 1]):
            inside += w[order[k]]
        total[b] = inside
        everything += inside
    f = floats(a[slot.S_FLOATS])
    f[slot.S_TOTAL] = everything
    f[slot.S_SEEN_TOTAL] = everything
    a[slot.S_UNTIL_REFRESH] = BETWEEN


@compiled
def lay_out(a: Integers) -> None:
    """All reactions into bins, the largest propensity some bins below the last."""
    m = a[slot.S_REACTIONS]
    top = 1
    for j in range(m):
        e = exponent(a, j)
        if e > top:
            top = e
    top += HEADROOM
    a[slot.S_TOP] = top
    # the exponent is written, the fraction is zero: 2.0**(top + 1 - 1023) and halves of it
    bits = integers(a[slot.S_BIN_BOUND])
    bits[LAST] = (top + 1) << 52
    bound = floats(a[slot.S_BIN_BOUND])
    for k in range(LAST):
        bound[LAST - 1 - k] = 0.5 * bound[LAST - k]
    start = shorts(a[slot.S_BIN_START])
    for b in range(slot.BINS + 1):
        start[b] = 0
    for j in range(m):
        start[bin_of(a, j) + 1] += 1
    for b in range(slot.BINS):
        start[b + 1] += start[b]
    order = shorts(a[slot.S_ORDER])
    place = shorts(a[slot.S_PLACE])
    for j in range(m):
        b = bin_of(a, j)
        order[start[b]] = j
        place[j] = start[b]
        start[b] += 1
    for k in range(slot.BINS):
        b = slot.BINS - k
        start[b] = start[b - 1]
    start[0] = 0
    sums(a)


@compiled
def move(a: Integers, j: int, origin: int, target: int) -> None:
    """Reaction j from one bin to another."""
    order = shorts(a[slot.S_ORDER])
    place = shorts(a[slot.S_PLACE])
    start = shorts(a[slot.S_BIN_START])
    here = place[j]
    b = origin
    while b < target:
        border = start[b + 1] - 1
        other = order[border]
        order[here] = other
        place[other] = here
        order[border] = j
        here = border
        start[b + 1] = border
        b += 1
    while b > target:
        border = start[b]
        other = order[border]
        order[here] = other
        place[other] = here
        order[border] = j
        here = border
        start[b] = border + 1
        b -= 1
    place[j] = here


@compiled
def select(a: Integers) -> int:
    """A reaction with the probability of its propensity; -1 when round-off left no bin."""
    f = floats(a[slot.S_FLOATS])
    stream = a[slot.S_RANDOM]
    w = floats(a[slot.S_PROPENSITY])
    order = shorts(a[slot.S_ORDER])
    start = shorts(a[slot.S_BIN_START])
    total = floats(a[slot.S_BIN_TOTAL])
    left = uniform(stream) * f[slot.S_TOTAL]
    b = LAST
    while left > total[b]:
        left -= total[b]
        b -= 1
        if b == 0:
            return -1
    first = start[b]
    size = start[b + 1] - first
    if size == 0:
        return -1
    bound = floats(a[slot.S_BIN_BOUND])[b]
    while True:
        # the whole part of one random number chooses a reaction, its fraction says whether it is taken
        number = (1.0 - uniform(stream)) * size
        k = math.floor(number)
        j = order[first + k]
        if (number - k) * bound < w[j]:
            return j


@compiled
def renew(a: Integers, j: int) -> int:
    """As `single_event.renew`, with the sums of the bins, and all laid out anew where one is too large."""
    f = floats(a[slot.S_FLOATS])
    w = floats(a[slot.S_PROPENSITY])
    in_bin = floats(a[slot.S_BIN_TOTAL])
    bins = shorts(a[slot.S_BIN_START])
    first_range = shorts(a[slot.S_RANGE_START])
    ranges = shorts(a[slot.S_RANGES])
    dependent = shorts(a[slot.S_DEPENDENT])
    t = f[slot.S_T]
    beyond = False
    gained = 0.0
    for part in range(first_range[j], first_range[j + 1]):
        for k in range(ranges[2 * part], ranges[2 * part + 1]):
            i = dependent[k]
            before = w[i]
            value = propensity(a, t, i)
            if not 0.0 <= value <= 1e300:
                return refused(a, i, value)
            if value != before:
                origin = bin_of(a, i)
                w[i] = value
                target = bin_of(a, i)
                gained += value - before
                if target > LAST or beyond:
                    beyond = True
                elif target == origin:
                    in_bin[origin] += value - before
                else:
                    move(a, i, origin, target)
                    in_bin[target] += value
                    in_bin[origin] -= before
                    if bins[origin] == bins[origin + 1]:
                        in_bin[origin] = 0.0
    f[slot.S_TOTAL] += gained
    if beyond:
        lay_out(a)
    if a[slot.S_EVERY] != 0:
        save(a, t)
    return slot.OK


@compiled
def advance(a: Integers) -> int:
    """Run to T_STOP, or until the host is needed."""
    f = floats(a[slot.S_FLOATS])
    if a[slot.S_FRESH] != 0:
        status = refresh(a)
        if status != slot.OK:
            return status
        lay_out(a)
    while True:
        status = interrupted(a)
        if status != slot.OK:
            return status
        a[slot.S_UNTIL_REFRESH] -= 1
        if a[slot.S_UNTIL_REFRESH] <= 0 or not f[slot.S_TOTAL] >= FALLEN * f[slot.S_SEEN_TOTAL]:
            lay_out(a)
        t = next_time(a, f[slot.S_TOTAL])
        if not t < f[slot.S_T_STOP]:
            return idle(a)
        j = select(a)
        if j < 0:
            lay_out(a)
            continue
        if not happen(a, j, t):
            return slot.NEGATIVE_COUNT
        status = renew(a, j)
        if status != slot.OK:
            return status
