"""Expressions over numbered quantities as functions of time, u and p."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.flat import FlatSystem
from symnum.lowering.written_out import over_entries
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.python_code import python_function
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.initialize import value_of

__all__ = ["ValueFunction", "over_numbers", "value_function"]

FloatArray: TypeAlias = NDArray[np.float64]
ValueFunction: TypeAlias = Callable[[float, FloatArray, FloatArray], float]


def value_function(flat: FlatSystem, expr: Expr) -> ValueFunction:
    """(t, u, p) -> the value of an expression over ``slot("u", number)`` and ``slot("p", parameter)``.

    As `value_of` gives it, but made for being asked often.
    """
    entries = over_entries(flat, expr)
    names = {TIME: "t"}
    for leaf in leaves((entries,)):
        if leaf.op == "slot":
            letter, number = leaf.data
            names[leaf] = f"{letter}.item({number})"
    fast = python_function(entries, "t, u, p", names)

    def value(t: float, u: FloatArray, p: FloatArray) -> float:
        try:
            return fast(t, u, p)
        except (ArithmeticError, ValueError):  # inf and nan, which Python does not compute
            return value_of(flat, expr, t, u, p)

    return value


def over_numbers(flat: FlatSystem, value: Expr) -> Expr:
    """An expression over entries of u as one over numbers of unknowns."""
    entries = [leaf for leaf in leaves((value,)) if leaf.op == "slot" and leaf.data[0] == "u"]
    return substitute(value, {leaf: slot("u", int(flat.vector[leaf.data[1]])) for leaf in entries})
