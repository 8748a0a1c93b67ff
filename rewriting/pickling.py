"""Pickling expressions of any depth: pickle recurses into what it is given, so it is given no deep nests.

Every eighth level, a node of height h is written together with all that it needs down to the height
h - lowbit(h), as in a Fenwick tree; what lies below is written by itself. So pickle recurses over a logarithm
of the height, and a list of all partial results of a chain of n nodes takes n log n rows, not n**2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symnum.rewriting.interning import node

if TYPE_CHECKING:
    from symnum.rewriting.expr import Expr

_UNIT = 8
"""Levels between nodes that are written in this way: with a few calls a level, and this many levels for each
bit of the height, pickle stays far below Python's usual limit of 1000."""


def height(expr: Expr) -> int:
    """Levels below a node, 0 for a leaf; noted on the nodes, so that each is looked at once."""
    stack = [expr]
    while stack:
        top = stack[-1]
        if hasattr(top, "height"):
            stack.pop()
            continue
        waiting = [arg for arg in top.args if not hasattr(arg, "height")]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        top.height = max([arg.height + 1 for arg in top.args], default=0)
    return expr.height


def reduced(expr: Expr) -> tuple[Any, ...]:
    """What ``__reduce__`` of an expression returns."""
    units, above = divmod(height(expr), _UNIT)
    if above or not units:
        return node, (expr.op, expr.args, expr.data)
    floor = (units - (units & -units)) * _UNIT
    numbers: dict[Expr, int] = {}
    rows: list[tuple[str, tuple[int | Expr, ...], Any]] = []
    stack = [expr]
    while stack:
        top = stack[-1]
        waiting = [arg for arg in top.args if arg.height > floor and arg not in numbers]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        if top not in numbers:
            numbers[top] = len(rows)
            rows.append((top.op, tuple([numbers.get(arg, arg) for arg in top.args]), top.data))
    return restored, (rows,)


def restored(rows: list[tuple[str, tuple[int | Expr, ...], Any]]) -> Expr:
    """The expression of the last row; operands are numbers of earlier rows, or expressions."""
    found: list[Expr] = []
    for op, operands, data in rows:
        args = tuple([found[arg] if isinstance(arg, int) else arg for arg in operands])
        found.append(node(op, args, data))
    return found[-1]
