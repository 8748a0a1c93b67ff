"""Expressions as a table of nodes in plain values, which files and caches keep.

A row is ``[operator, numbers of the operands, data]``; operands stand in earlier rows. Numbers are text, so
that rationals stay exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from symnum.errors import ModelError
from symnum.rewriting.expr import TIME, Expr
from symnum.rewriting.interning import node
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.rational import Rational
from symnum.rewriting.walk import postorder

__all__ = ["NodeTable", "nodes_of"]

_STRUCTURE = {"number", "symbol", "slot", "+", "*", "D"}


def _refused(symbol: Any) -> Any:
    raise ModelError(f"{symbol} is a name; only expressions over slots and time are kept")


class NodeTable:
    """``rows`` grow with the expressions that are added; what two of them share is there once."""

    def __init__(self, symbol: Callable[[Any], Any] = _refused) -> None:
        """symbol: how the data of a symbol is written as plain values."""
        self.rows: list[list[Any]] = []
        self._symbol = symbol
        self._number: dict[Expr, int] = {}

    def add(self, expr: Expr) -> int:
        """The number of the row of an expression."""
        for part in postorder((expr,)):
            if part not in self._number:
                operands = [self._number[arg] for arg in part.args]
                data = self._data(part)  # may add expressions of its own: the default of a symbol
                self._number[part] = len(self.rows)
                self.rows.append([part.op, operands, data])
        return self._number[expr]

    def _data(self, expr: Expr) -> Any:
        if expr.op == "number":
            return str(expr.data)
        if expr.op == "symbol":
            return None if expr is TIME else self._symbol(expr.data)
        if expr.op == "slot":
            return list(expr.data)
        if expr.op == "+":
            return [str(expr.data[0]), [str(coefficient) for coefficient in expr.data[1]]]
        if expr.op == "*":
            return [str(exponent) for exponent in expr.data]
        return None


def nodes_of(
    rows: Iterable[Sequence[Any]], symbol: Callable[[Any], Any] = _refused, found: list[Expr] | None = None
) -> list[Expr]:
    """The expression of every row, appended to ``found``. ValueError where a row is of no known kind."""
    found = [] if found is None else found
    for op, operands, data in rows:
        if op not in _STRUCTURE and op not in OPERATORS:
            raise ValueError(f"there is no operator {op!r}")
        if op == "symbol" and data is None:
            found.append(TIME)
            continue
        found.append(node(op, tuple([found[k] for k in operands]), _read(op, data, symbol)))
    return found


def _read(op: str, data: Any, symbol: Callable[[Any], Any]) -> Any:
    if op == "number":
        return _rational(data)
    if op == "symbol":
        return symbol(data)
    if op == "slot":
        return data[0], int(data[1])
    if op == "+":
        return _rational(data[0]), tuple([_rational(coefficient) for coefficient in data[1]])
    if op == "*":
        return tuple([_rational(exponent) for exponent in data])
    return None


def _rational(text: str) -> Rational:
    value = Fraction(text)
    return value.numerator if value.denominator == 1 else value
