"""Conditions on time alone: when they change is computed, not searched for."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.flat import FlatSystem
from symnum.lowering.written_out import over_entries
from symnum.record import record
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import TIME, ZERO, Expr
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.values import ValueFunction, entries_function

__all__ = ["TimeCrossings", "TimeLine", "time_lines"]

FloatArray: TypeAlias = NDArray[np.float64]


@record
class TimeLine:
    """Event function ``number`` as ``at_zero + slope t``, both over parameters."""

    number: int
    at_zero: Expr
    slope: Expr


def time_lines(flat: FlatSystem) -> list[TimeLine]:
    """The event functions a + b t, with a and b constant between events."""
    found = []
    delayed = {flat.parameter_index(each.parameter, "delay") for each in flat.delays}
    watched = flat.with_numbers([expr for expr, _, _ in flat.crossings], "events")
    for number, expr in enumerate(watched):
        entries = over_entries(flat, expr)
        read = [leaf for leaf in leaves((entries,)) if leaf is not TIME]
        if TIME not in leaves((entries,)) or any(
            leaf.op != "slot" or leaf.data[0] != "p" or leaf.data[1] in delayed for leaf in read
        ):
            continue
        slope = derivative(entries, TIME)
        if slope is not ZERO and TIME not in leaves((slope,)):
            found.append(TimeLine(number, substitute(entries, {TIME: ZERO}), slope))
    return found


class TimeCrossings:
    """`time_lines` in a run: they are zero at -a/b.

    A step ends there, so that a condition that holds for a moment only is not stepped over.
    """

    def __init__(self, flat: FlatSystem) -> None:
        self.lines: list[tuple[ValueFunction, ValueFunction]] = [
            (entries_function(line.at_zero), entries_function(line.slope)) for line in time_lines(flat)
        ]

    def next(self, t: float, end: float, u: FloatArray, p: FloatArray) -> float:
        """The first of these times between t and the end, infinity without any."""
        first = np.inf
        for at_zero, slope in self.lines:
            b = slope(t, u, p)
            if b:
                at = -at_zero(t, u, p) / b
                if t < at < min(first, end):
                    first = at
        return first
