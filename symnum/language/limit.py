"""Hard limits of states."""

from __future__ import annotations

from symnum.errors import ModelError
from symnum.language.variables import checked_expr
from symnum.rewriting.expr import Expr, Operand


class Limit:
    """A non-windup limit: the state is held at the bound while its own derivative pushes outwards.

    It is located as an event, in the compiled loop, and released when the derivative turns inwards.
    Bounds may depend on parameters, time and other unknowns; a bound that moves while it holds the state
    does not carry the state along.
    """

    __slots__ = ("high", "low", "state")

    def __init__(self, state: Expr, low: Operand | None = None, high: Operand | None = None) -> None:
        if not (isinstance(state, Expr) and state.op == "symbol" and state.kind == "variable"):
            raise ModelError(f"Limit: {state} is not a variable")
        if low is None and high is None:
            raise ModelError(f"Limit({state}): give low=, high= or both")
        self.state = state
        self.low = None if low is None else checked_expr(low, f"Limit({state}), low")
        self.high = None if high is None else checked_expr(high, f"Limit({state}), high")

    def __repr__(self) -> str:
        return f"Limit({self.state}, low={self.low}, high={self.high})"
