"""Expressions over numbered quantities as functions of time, u and p."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.flat import FlatSystem
from symnum.lowering.written_out import over_entries
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.python_code import python_function
from symnum.rewriting.walk import evaluate, leaves, substitute

__all__ = ["ValueFunction", "entries_function", "over_numbers", "value_function", "values_at"]

FloatArray: TypeAlias = NDArray[np.float64]
ValueFunction: TypeAlias = Callable[[float, FloatArray, FloatArray], float]


def value_function(flat: FlatSystem, expr: Expr) -> ValueFunction:
    """(t, u, p) -> the value of an expression over ``slot("u", number)`` and ``slot("p", parameter)``."""
    return entries_function(over_entries(flat, expr))


def entries_function(entries: Expr) -> ValueFunction:
    """The same of an expression over entries of u and p, for being asked often."""
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
            return values_at((entries,), t, u, p)[0]

    return value


def values_at(entries: Sequence[Expr], t: float, u: FloatArray, p: FloatArray) -> tuple[float, ...]:
    """The values of expressions over entries of u and p at one point, by IEEE arithmetic."""
    at = {"u": u, "p": p}
    known = {leaf: at[leaf.data[0]].item(leaf.data[1]) for leaf in leaves(entries) if leaf.op == "slot"}
    return evaluate(entries, {**known, TIME: t})


def over_numbers(flat: FlatSystem, value: Expr) -> Expr:
    """An expression over entries of u as one over numbers of unknowns."""
    entries = [leaf for leaf in leaves((value,)) if leaf.op == "slot" and leaf.data[0] == "u"]
    return substitute(value, {leaf: slot("u", int(flat.vector[leaf.data[1]])) for leaf in entries})
