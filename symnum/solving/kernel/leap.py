"""How long propensities stay nearly as they are. Kernel code: see `pointers`.

Y. Cao, D. T. Gillespie, L. R. Petzold, "Efficient step size selection for the tau-leaping simulation method",
J. Chem. Phys. 124 (2006) 044109, equations 27 and 33.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, compiled, floats, shorts
from symnum.solving.kernel.propensity import propensity
from symnum.solving.kernel.vectors import larger, smaller

__all__ = ["horizon", "leap_length"]

# No species loses more than this times epsilon of its molecules in a leap. The paper's bounds are on the net
# change alone, which is small near an equilibrium however fast molecules come and go, while the error of the
# variance of a decay follows the part that is lost.
LOST = 3.0


@compiled
def elasticity(a: Integers, t: float, j: int, entry: int) -> float:
    """The local order of a general law in an entry of X, |d log a / d log x|, from a molecule more and less.

    This takes the place of the order of mass action, which the paper is about.
    """
    here = floats(a[slot.S_PROPENSITY])[j]
    x = floats(a[slot.S_X])
    kept = x[entry]
    if not here > 0.0 or not kept > 0.0:
        return 1.0
    below = smaller(kept, 1.0)
    x[entry] = kept + 1.0
    above_value = propensity(a, t, j)
    x[entry] = kept - below
    below_value = propensity(a, t, j)
    x[entry] = kept
    order = abs(above_value - below_value) / (1.0 + below) * kept / here
    if not order <= 1e6:
        return 1e6
    return order


@compiled
def orders(a: Integers) -> None:
    """HIGHEST: g_i of the paper for every entry, 0 where no propensity reads it."""
    g = floats(a[slot.S_HIGHEST])
    x = floats(a[slot.S_X])
    t = floats(a[slot.S_FLOATS])[slot.S_T]
    start = shorts(a[slot.S_REACTANT_START])
    reactant = shorts(a[slot.S_REACTANT])
    order = floats(a[slot.S_ORDERS])
    kind = shorts(a[slot.S_KIND])
    for i in range(a[slot.S_ENTRIES]):
        g[i] = 0.0
    for j in range(a[slot.S_REACTIONS]):
        first = start[j]
        last = start[j + 1]
        if kind[j] == slot.GENERAL:
            for k in range(first, last):
                i = reactant[k]
                local = (last - first) * elasticity(a, t, j, i)
                g[i] = larger(g[i], larger(local, 1.0))
        else:
            whole = 0.0
            for k in range(first, last):
                whole += order[k]
            for k in range(first, last):
                i = reactant[k]
                own = order[k]
                value = own
                taken = 1.0
                while taken < own:
                    value += taken / larger(x[i] - taken, 1.0)
                    taken += 1.0
                g[i] = larger(g[i], whole / own * value)


@compiled
def leap_length(a: Integers) -> float:
    """The time in which no propensity changes by more than about epsilon, by reactions that are not CRITICAL.

    No sum of changes is to exceed max(epsilon x_i / g_i, 1) in mean or standard deviation, and no sum of
    losses max(LOST epsilon x_i, 1).
    """
    f = floats(a[slot.S_FLOATS])
    x = floats(a[slot.S_X])
    w = floats(a[slot.S_PROPENSITY])
    mean = floats(a[slot.S_MEAN])
    variance = floats(a[slot.S_VARIANCE])
    lost = floats(a[slot.S_NEXT])
    g = floats(a[slot.S_HIGHEST])
    start = shorts(a[slot.S_CHANGE_START])
    entry = shorts(a[slot.S_CHANGE])
    count = floats(a[slot.S_CHANGE_COUNT])
    critical = shorts(a[slot.S_CRITICAL])
    orders(a)
    entries = a[slot.S_ENTRIES]
    for i in range(entries):
        mean[i] = 0.0
        variance[i] = 0.0
        lost[i] = 0.0
    for j in range(a[slot.S_REACTIONS]):
        if critical[j] == 0 and w[j] != 0.0:
            for k in range(start[j], start[j + 1]):
                i = entry[k]
                mean[i] += count[k] * w[j]
                variance[i] += count[k] * count[k] * abs(w[j])
                lost[i] += larger(-count[k] * w[j], 0.0)
    length = 1e300
    for i in range(entries):
        if g[i] > 0.0:
            bound = larger(f[slot.S_EPSILON] * abs(x[i]) / g[i], 1.0)
            if mean[i] != 0.0:
                length = smaller(length, bound / abs(mean[i]))
            if variance[i] > 0.0:
                length = smaller(length, bound * bound / variance[i])
            if lost[i] > 0.0:
                most = larger(LOST * f[slot.S_EPSILON] * abs(x[i]), 1.0)
                length = smaller(length, most / lost[i])
    return length


@compiled
def horizon(a: Integers) -> float:
    """The next time at which a leap has to end: of the grid, or T_STOP."""
    f = floats(a[slot.S_FLOATS])
    if a[slot.S_GRID_NEXT] < a[slot.S_GRID_SIZE]:
        return smaller(floats(a[slot.S_GRID])[a[slot.S_GRID_NEXT]], f[slot.S_T_STOP])
    return f[slot.S_T_STOP]
