"""Expressions with their partial derivatives, as Python functions of one point (t, u, p)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import TIME, Expr
from symnum.rewriting.walk import leaves
from symnum.solving.values import ValueFunction, entries_function

__all__ = ["Differential"]

FloatArray: TypeAlias = NDArray[np.float64]


class Differential:
    """An expression over time, ``slot("u", entry)`` and ``slot("p", parameter)``."""

    def __init__(self, expr: Expr) -> None:
        self.value = entries_function(expr)
        self.partials: list[tuple[str, int, ValueFunction]] = []  # (space or "t", place, derivative)
        for leaf in leaves((expr,)):
            space, place = ("t", 0) if leaf is TIME else leaf.data
            self.partials.append((space, place, entries_function(derivative(expr, leaf))))

    def pull(
        self, t: float, u: FloatArray, p: FloatArray, weight: float, by_u: FloatArray, by_p: FloatArray
    ) -> float:
        """Add ``weight`` times the derivatives to those by u and p; returns the one by time."""
        by_time = 0.0
        if weight != 0.0:
            for space, place, function in self.partials:
                share = weight * function(t, u, p)
                if space == "t":
                    by_time += share
                else:
                    (by_u if space == "u" else by_p)[place] += share
        return by_time
