"""Finite differences: which points a derivative is taken from, and with what weights.

Weights: Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, Math. Comp. 51 (1988)
699-706. Places are relative to the point of the equation, in steps of the grid; those of fluxes lie halfway
between points.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.record import record

FloatArray = NDArray[np.float64]
_HALF = Fraction(1, 2)


@lru_cache(maxsize=4096)
def exact_weights(nodes: tuple[Fraction, ...], at: Fraction, order: int) -> tuple[Fraction, ...]:
    """Weights w with sum w_k f(nodes[k]) = f^(order)(at), exact for polynomials of degree < len(nodes).

    >>> from fractions import Fraction
    >>> [str(w) for w in exact_weights((Fraction(-1), Fraction(0), Fraction(1)), Fraction(0), 2)]
    ['1', '-2', '1']
    """
    table = [[Fraction(0)] * len(nodes) for _ in range(order + 1)]
    table[0][0] = Fraction(1)
    product = Fraction(1)
    for j in range(1, len(nodes)):
        old, product = product, Fraction(1)
        for k in range(j):
            gap = nodes[j] - nodes[k]
            product *= gap
            for m in range(min(j, order), -1, -1):
                below = m * table[m - 1][k] if m else Fraction(0)
                if k == j - 1:
                    table[m][j] = old / product * (below - (nodes[k] - at) * table[m][k])
                table[m][k] = ((nodes[j] - at) * table[m][k] - below) / gap
    return tuple(table[order])


def point_weights(nodes: FloatArray, at: FloatArray, order: int) -> FloatArray:
    """The same for many points at once, in floating point: nodes (count, n), at (count,) -> (count, n)."""
    count, n = nodes.shape
    table = np.zeros((order + 1, n, count))
    table[0, 0] = 1.0
    product = np.ones(count)
    for j in range(1, n):
        old, product = product, np.ones(count)
        for k in range(j):
            gap = nodes[:, j] - nodes[:, k]
            product = product * gap
            for m in range(min(j, order), -1, -1):
                below = m * table[m - 1, k] if m else np.zeros(count)
                if k == j - 1:
                    table[m, j] = old / product * (below - (nodes[:, k] - at) * table[m, k])
                table[m, k] = ((nodes[:, j] - at) * table[m, k] - below) / gap
    return np.ascontiguousarray(table[order].T)


@record
class Room:
    """How many points of the grid lie below and above that of the equation; None: more than are needed."""

    below: int | None = None
    above: int | None = None

    def holds(self, first: Fraction, last: Fraction) -> bool:
        return (self.below is None or first >= -self.below) and (self.above is None or last <= self.above)


def centered_places(
    at: Fraction, order: int, accuracy: int, halves: bool, room: Room, closure: int
) -> list[Fraction]:
    """Places for a derivative of this order at ``at``, symmetric where there is room, else moved inwards.

    halves: take them halfway between points. accuracy: even. closure: accuracy of places that are moved.
    """
    on_lattice = (at.denominator == 1) != halves
    even = order % 2 == 0
    count = order + accuracy - (1 if even == on_lattice else 0)
    first = at - Fraction(count - 1, 2)
    if room.holds(first, first + count - 1):
        return [first + k for k in range(count)]
    return _moved(first, first + count - 1, order + closure, halves, room)


def biased_places(order: int, side: int, room: Room) -> list[Fraction]:
    """Places for a first derivative of this accuracy, 1 to 3, with more points on the side -1 or 1."""
    count = order + 1
    behind = count - 1 if order < 3 else 2
    first = Fraction(-behind if side < 0 else behind - count + 1)
    if room.holds(first, first + count - 1):
        return [first + k for k in range(count)]
    return _moved(first, first + count - 1, count, False, room)


def _moved(first: Fraction, last: Fraction, count: int, halves: bool, room: Room) -> list[Fraction]:
    """``count`` places that begin or end at the face that ``first`` ... ``last`` reach beyond."""
    inset = _HALF if halves else Fraction(0)
    if room.below is not None and first < -room.below:
        start = inset - room.below
        fits = room.above is None or start + count - 1 <= room.above - inset
    else:
        assert room.above is not None
        start = room.above - inset - count + 1
        fits = room.below is None or start >= inset - room.below
    if not fits:
        raise ModelError(f"a stencil at a face needs {count} points; give the grid more")
    return [start + k for k in range(count)]
