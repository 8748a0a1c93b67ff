"""Events and limits: sign changes on the interpolant, and what a limit does. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.dense import interpolate
from symnum.solving.kernel.newton import resolve
from symnum.solving.kernel.pointers import Floats, Integers, at, compiled, floats, integers
from symnum.solving.kernel.sides import (
    count_returns,
    has_left,
    is_small,
    look_at_sides,
    raw_roots,
    switching,
)
from symnum.solving.kernel.vectors import copy, larger, smaller

FOLLOWED = 0.02  # of the range of an event function, how close the polynomial through five values has to be
# What is round-off in this, as a share of the largest value so far, and of the absolute tolerance.
NOISE, NOISE_OF_TOLERANCE = 1e-9, 1e-3
HIDDEN = 4.0  # as `FOLLOWED` counts: a step that seems to hide a sign change
# Relative resolution of time, and where an event depends on algebraic unknowns, which are known to round-off
# of their equations only: a run stops so far behind that the sign stays when they are solved anew.
SHARP, BLURRED = 4e-16, 1e-12

# Relative to time: two stops further apart than this are not about to pile up.
CLOSE = 1e-6

__all__ = ["coarse", "locate", "switch_fired", "switch_outside"]


@compiled
def point(a: Integers, theta: float, y: Floats) -> None:
    """The solution within the step, with algebraic unknowns that fit where events depend on them.

    They have no error estimate of their own: the interpolant may be far off where a step is long.
    """
    interpolate(a, theta, y)
    if a[slot.RESOLVE] != 0:
        x = floats(a[slot.FLOATS])
        resolve(a, x[slot.T] + theta * x[slot.H_STEP], y)


@compiled
def keep_jacobian(a: Integers) -> None:
    """What `resolve` overwrites belongs to the step."""
    if a[slot.RESOLVE] != 0:
        a[slot.RESOLVE_READY] = 0
        entries = integers(a[slot.INDPTR])[a[slot.N]]
        copy(entries, floats(a[slot.JACOBIAN_VALUES]), floats(a[slot.RESOLVE_JACOBIAN]))
        copy(a[slot.N], floats(a[slot.GT]), floats(a[slot.RESOLVE_GT]))


@compiled
def give_back_jacobian(a: Integers) -> None:
    if a[slot.RESOLVE] != 0:
        entries = integers(a[slot.INDPTR])[a[slot.N]]
        copy(entries, floats(a[slot.RESOLVE_JACOBIAN]), floats(a[slot.JACOBIAN_VALUES]))
        copy(a[slot.N], floats(a[slot.RESOLVE_GT]), floats(a[slot.GT]))


@compiled
def coarse(a: Integers) -> int:
    """1 where the step is so long that an event could hide in it; DEVIATION.

    The error estimate bounds how states vary within a step, and nothing else. So event functions that read
    time or algebraic unknowns have to vary as the polynomial through their values at its quarters does.
    """
    keep_jacobian(a)
    worst = variation(a)
    give_back_jacobian(a)
    floats(a[slot.FLOATS])[slot.DEVIATION] = worst
    if worst > 1.0:
        return 1
    return 0


@compiled
def smallest_tolerance(a: Integers) -> float:
    atol = floats(a[slot.ATOL])
    smallest = atol[0]
    for i in range(a[slot.N]):
        smallest = smaller(smallest, atol[i])
    return smallest


@compiled
def quartic(values: Floats, m: int, k: int, theta: float) -> float:
    """The polynomial of degree 4 through the values of event k at the quarters of a step."""
    found = 0.0
    for i in range(5):
        weight = 1.0
        for j in range(5):
            if j != i:
                weight *= (4.0 * theta - j) / (i - j)
        found += weight * values[i * m + k]
    return found


@compiled
def variation(a: Integers) -> float:
    """How far event functions are from their polynomial of degree 4, in units of `FOLLOWED`.

    More than 1 also where that crosses zero between quarters at which the function is on one side.
    """
    x = floats(a[slot.FLOATS])
    y = floats(a[slot.Y])
    m = a[slot.N_EVENTS]
    reads = integers(a[slot.EVENT_READS])
    values = floats(a[slot.WATCHED])
    largest = floats(a[slot.LARGEST])
    smallest = smallest_tolerance(a)
    for quarter in range(5):
        point(a, 0.25 * quarter, y)
        copy(m, switching(a, x[slot.T] + 0.25 * quarter * x[slot.H_STEP], y), at(values, quarter * m))
    worst = 0.0
    for between in range(2):
        theta = 0.125 + 0.5 * between
        point(a, theta, y)
        now = switching(a, x[slot.T] + theta * x[slot.H_STEP], y)
        for k in range(m):
            if reads[k] == 0:
                continue
            low = now[k]
            high = now[k]
            largest[k] = larger(largest[k], abs(now[k]))
            for i in range(5):
                low = smaller(low, values[i * m + k])
                high = larger(high, values[i * m + k])
            gap = abs(now[k] - quartic(values, m, k, theta))
            if gap > NOISE * largest[k] + NOISE_OF_TOLERANCE * smallest:
                worst = larger(worst, gap / (FOLLOWED * (high - low)))
    for k in range(m):
        if reads[k] != 0 and hides(a, k, NOISE * largest[k] + NOISE_OF_TOLERANCE * smallest):
            worst = larger(worst, HIDDEN)
    return worst


@compiled
def hides(a: Integers, k: int, noise: float) -> bool:
    """Does event k seem to cross zero and to come back between two quarters of the step?"""
    m = a[slot.N_EVENTS]
    values = floats(a[slot.WATCHED])
    for quarter in range(4):
        left = values[quarter * m + k]
        right = values[(quarter + 1) * m + k]
        if left * right > 0.0:
            for part in range(1, 4):
                between = quartic(values, m, k, 0.25 * quarter + 0.0625 * part)
                if between * left < 0.0 and abs(between) > noise:
                    return True
    return False


@compiled
def is_blurred(a: Integers, k: int) -> bool:
    """Does event k depend on algebraic unknowns?"""
    return a[slot.RESOLVE] != 0 and k < a[slot.N_EVENTS] and integers(a[slot.EVENT_READS])[k] >= 2


@compiled
def sharpness(a: Integers, k: int, right: float) -> float:
    """The share of the step to which the sign change of switching function k is located."""
    x = floats(a[slot.FLOATS])
    relative = SHARP
    if is_blurred(a, k):
        relative = BLURRED
    return larger(relative * (abs(x[slot.T]) + x[slot.H_STEP]) / x[slot.H_STEP], 1e-15 * right)


@compiled
def find(a: Integers, k: int, left: float, value_left: float, right: float, value_right: float) -> float:
    """The sign change of switching function k in (left, right], as the first point found beyond it.

    Illinois' variant of false position, kept a resolution away from the ends of the bracket, so that a
    guess on the root settles the bracket in one more evaluation; bisection where that is slow. The
    bracket shrinks to the resolution of time, and its far end is returned: a point that was evaluated,
    on the other side.
    """
    x = floats(a[slot.FLOATS])
    side = integers(a[slot.SIDE])[k]
    t0 = x[slot.T]
    h = x[slot.H_STEP]
    y = floats(a[slot.Y])
    resolution = sharpness(a, k, right)
    end = right
    if value_left * side <= 0.0:
        value_left = side * 1e-300  # exactly on the sign change: it counts as before it
    tries = 0
    width = right - left
    last = 0
    while right - left > resolution and tries < 200:
        tries += 1
        guess = right - value_right * (right - left) / (value_right - value_left)
        if tries % 4 == 0:
            if right - left > 0.125 * width:
                guess = 0.5 * (left + right)
            width = right - left
        if not guess > left + 0.6 * resolution:
            guess = left + 0.6 * resolution
        if guess > right - 0.6 * resolution:
            guess = right - 0.6 * resolution
        point(a, guess, y)
        value = switching(a, t0 + guess * h, y)[k]
        if value * side < 0.0:
            right = guess
            value_right = value
            if last == 1:
                value_left *= 0.5
            last = 1
        else:
            left = guess
            value_left = value
            if value * side <= 0.0:
                value_left = side * 1e-300
            if last == -1:
                value_right *= 0.5
            last = -1
    if is_blurred(a, k):
        right = smaller(right + resolution, end)
    return right


@compiled
def search(a: Integers, left: float, right: float) -> int:
    """Look for the first wanted sign change in (left, right]: 1 when there is one.

    Then END, T1 are the state and the time just beyond it, and FIRED marks all whose sign has changed there.
    2 where an event has escaped the stops that should have gone on for ever, FIRED marks it.
    """
    x = floats(a[slot.FLOATS])
    t0 = x[slot.T]
    h = x[slot.H_STEP]
    y = floats(a[slot.Y])
    before = floats(a[slot.ROOTS_BEFORE])
    side = integers(a[slot.SIDE])
    fired = integers(a[slot.FIRED])
    m = a[slot.N_EVENTS] + a[slot.N_LIMITS]
    clear = floats(a[slot.CLEAR])  # 1 where it is not by round-off that a sign has changed
    point(a, right, y)
    t = t0 + right * h
    now = switching(a, t, y)
    first = -1
    for k in range(m):
        clear[k] = 0.0
        if has_left(a, k, now) and not is_small(a, k, t, y, now):
            clear[k] = 1.0
            first = k
    found = 1
    if first < 0:
        if look_at_sides(a, t, y, now) == 0:
            return 0
        found = 2
    else:
        for k in range(m):
            fired[k] = 0
    # Of several in this piece the earliest wins: go on with one that is already beyond its sign change where
    # the last one was found, until there is none that lies clearly earlier.
    while first >= 0:
        place = find(a, first, left, before[first], right, now[first])
        apart = 1e-14 * right
        if is_blurred(a, first):
            apart = larger(apart, 2.0 * sharpness(a, first, right))
        if right - place > apart:
            for k in range(m):
                fired[k] = 0
            right = place
        fired[first] = side[first]
        point(a, right, y)
        t = t0 + right * h
        now = switching(a, t, y)
        first = -1
        for k in range(m):
            left_now = fired[k] == 0 and has_left(a, k, now)
            if left_now and (clear[k] != 0.0 or not is_small(a, k, t, y, now)):
                first = k
    copy(a[slot.N], y, floats(a[slot.END]))
    x[slot.T1] = t
    if found == 1:
        count_returns(a, t)
        a[slot.BETWEEN] = 0
        if a[slot.FRESH] == 0 or t - x[slot.LAST_STOP] > CLOSE * abs(t) or between(a, 0.5 * right):
            a[slot.BETWEEN] = 1
    return found


@compiled
def between(a: Integers, middle: float) -> bool:
    """Has any of the functions whose sign has changed been more than round-off between the stops?"""
    x = floats(a[slot.FLOATS])
    fired = integers(a[slot.FIRED])
    y = floats(a[slot.Y])
    point(a, middle, y)
    t = x[slot.T] + middle * x[slot.H_STEP]
    now = switching(a, t, y)
    for k in range(a[slot.N_EVENTS] + a[slot.N_LIMITS]):
        if fired[k] != 0 and not is_small(a, k, t, y, now):
            return True
    return False


@compiled
def locate(a: Integers) -> int:
    """Search the accepted step piece by piece, the first step after a stop also close behind the stop.

    As `search`; 0 where the step ends as it is.
    """
    keep_jacobian(a)
    found = first_of_step(a)
    give_back_jacobian(a)
    return found


@compiled
def first_of_step(a: Integers) -> int:
    left = 0.0
    if a[slot.FRESH] != 0:
        for exponent in range(3):
            right = 2.0**-20
            if exponent == 1:
                right = 2.0**-12
            elif exponent == 2:
                right = 2.0**-6
            found = search(a, left, right)
            if found != 0:
                return found
            left = right
    for quarter in range(1, 5):
        right = 0.25 * quarter
        found = search(a, left, right)
        if found != 0:
            return found
        left = right
    return 0


@compiled
def free(a: Integers, k: int) -> None:
    """Set the parameter of limit k's state: 1 when no limit that shares it holds."""
    held = integers(a[slot.HELD])
    parameter = integers(a[slot.LIMIT_PARAMETER])
    value = 1.0
    for l in range(a[slot.N_LIMITS]):
        if parameter[l] == parameter[k] and held[l] != 0:
            value = 0.0
    floats(a[slot.P])[parameter[k]] = value


@compiled
def switch_outside(a: Integers) -> int:
    """Hold what is on or beyond its bound and pushed outwards; release what is pulled back, and what an event
    has moved off its bound. 1 if any.
    """
    limits = a[slot.N_LIMITS]
    held = integers(a[slot.HELD])
    values = at(raw_roots(a, floats(a[slot.FLOATS])[slot.T], floats(a[slot.U])), a[slot.N_EVENTS])
    smallest = smallest_tolerance(a)
    switched = 0
    for k in range(limits):
        distance = values[2 * k]
        drive = values[2 * k + 1]
        inside = distance < -smallest  # more than bounds differ by that algebraic unknowns enter
        if (held[k] == 0 and distance >= 0.0 and drive > 0.0) or (held[k] != 0 and (drive < 0.0 or inside)):
            held[k] = 1 - held[k]
            free(a, k)
            a[slot.SWITCHES] += 1
            switched = 1
    return switched


@compiled
def switch_fired(a: Integers) -> int:
    """Switch the limits whose sign change ended the step; 1 if any."""
    held = integers(a[slot.HELD])
    fired = integers(a[slot.FIRED])
    events = a[slot.N_EVENTS]
    switched = 0
    for k in range(a[slot.N_LIMITS]):
        if fired[events + k] != 0:
            held[k] = 1 - held[k]
            free(a, k)
            a[slot.SWITCHES] += 1
            switched = 1
    return switched
