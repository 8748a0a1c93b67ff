"""The value that an expression had some time ago."""

from __future__ import annotations

from symnum.errors import ModelError
from symnum.language.variables import checked_expr
from symnum.rewriting.expr import ZERO, Expr, Operand, node
from symnum.rewriting.walk import leaves, postorder

__all__ = ["delay", "has_delay"]


def delay(expr: Operand, lag: Operand, before: Operand | None = None) -> Expr:
    """What ``expr`` was ``lag`` ago: ``D(x) == -delay(x, 1)`` is a delay differential equation.

    lag: not negative; a number, or an expression of parameters, time and variables (a delay that depends on
    the state). before: what ``expr`` was before the start, an expression of time and parameters; without it
    what it is at the start.
    """
    value = checked_expr(expr, "delay")
    since = checked_expr(lag, f"delay({value}), lag")
    if since is ZERO:
        return value
    if since.is_number and since.value < 0:
        raise ModelError(f"delay({value}, {since}): a delay looks back; the lag cannot be negative")
    if before is None:
        return value if value.is_number else node("delay", (value, since))
    history = checked_expr(before, f"delay({value}), before")
    if any(leaf.op == "D" or leaf.kind == "variable" for leaf in leaves((history,))):
        raise ModelError(f"delay({value}): before={history} may hold time and parameters only")
    return node("delay", (value, since, history))


def has_delay(expr: Expr) -> bool:
    """Whether an expression holds a delay."""
    return any(part.op == "delay" for part in postorder(expr))
