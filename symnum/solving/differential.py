"""Expressions with their partial derivatives, as Python functions of one point (t, u, p)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import TIME, Expr
from symnum.rewriting.python_code import python_function
from symnum.rewriting.walk import evaluate, leaves

__all__ = ["Differential"]

FloatArray: TypeAlias = NDArray[np.float64]
_Value: TypeAlias = Callable[[float, FloatArray, FloatArray], float]


class Differential:
    """An expression over time, ``slot("u", entry)`` and ``slot("p", parameter)``."""

    def __init__(self, expr: Expr) -> None:
        self.value = _function(expr)
        self.partials: list[tuple[str, int, _Value]] = []  # (space or "t", place, derivative)
        for leaf in leaves((expr,)):
            space, place = ("t", 0) if leaf is TIME else leaf.data
            self.partials.append((space, place, _function(derivative(expr, leaf))))

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


def _function(expr: Expr) -> _Value:
    names = {TIME: "t"}
    slots = [leaf for leaf in leaves((expr,)) if leaf is not TIME]
    for leaf in slots:
        letter, number = leaf.data
        names[leaf] = f"{letter}.item({number})"
    fast = python_function(expr, "t, u, p", names)

    def value(t: float, u: FloatArray, p: FloatArray) -> float:
        try:
            return fast(t, u, p)
        except (ArithmeticError, ValueError):  # inf and nan, which Python does not compute
            known = {leaf: float((u if leaf.data[0] == "u" else p)[leaf.data[1]]) for leaf in slots}
            return float(evaluate(expr, {**known, TIME: t}))

    return value
