"""Values of expressions over numbered quantities at one time: over entries of u and p, and as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.flat import FlatSystem
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.python_code import python_function
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.initialize import value_of

__all__ = ["ValueFunction", "over_entries", "over_numbers", "value_function"]

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


def over_entries(flat: FlatSystem, value: Expr) -> Expr:
    """An expression over numbers of unknowns as one over entries of u."""
    known: dict[Expr, Expr] = {}
    stack: list[tuple[Expr | None, Expr]] = [(None, value)]
    while True:
        leaf, body = stack[-1]
        waiting: list[tuple[Expr, Expr]] = []
        for x in leaves((body,)):
            if x in known or x.op != "slot" or x.data[0] == "p":
                continue
            definition = flat.definition(x.data[1])
            if definition is None:
                known[x] = slot("u", int(flat.position[x.data[1]]))
            else:
                waiting.append((x, definition))
        if waiting:
            stack += waiting
            continue
        (found,) = substitute((body,), known)
        stack.pop()
        if leaf is None:
            return found
        known[leaf] = found
