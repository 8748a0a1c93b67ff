"""Events: changes of states and parameters at a time or when an expression crosses zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symnum.errors import ModelError
from symnum.rewriting.expr import Expr, Operand, as_expr

DIRECTIONS = {"up": 1, "down": -1, "both": 0}


class Event:
    """At time ``at``, or when ``when`` crosses zero, the targets of ``then`` take new values.

    at: a number or a sequence of numbers. when: an expression, or a comparison (``x < 1``: fires when it
    becomes true). crossing: "up", "down" or "both" (of ``when``). then: {state or parameter: expression};
    the right-hand sides are all taken before the event. terminal: the solution ends here.
    Algebraic unknowns are made consistent again after every event.
    """

    __slots__ = ("at", "crossing", "name", "terminal", "then", "when")

    def __init__(
        self,
        *,
        at: float | list[float] | tuple[float, ...] | None = None,
        when: Expr | None = None,
        crossing: str = "both",
        then: Mapping[Expr, Operand] | None = None,
        terminal: bool = False,
        name: str | None = None,
    ) -> None:
        if (at is None) == (when is None):
            raise ModelError("Event: give either at= (times) or when= (an expression that crosses zero)")
        if crossing not in DIRECTIONS:
            raise ModelError(f'Event: crossing is "up", "down" or "both", not {crossing!r}')
        if not then and not terminal:
            raise ModelError("Event: nothing happens; give then={target: value} or terminal=True")
        self.at: tuple[float, ...] | None = None if at is None else _times(at)
        self.crossing = DIRECTIONS[crossing]
        self.when: Expr | None = None
        if when is not None:
            self.when = as_expr(when)
            if self.when.op in ("<", "<="):  # true is positive: fires when it becomes true
                left, right = self.when.args
                self.when, self.crossing = right - left, 1
            if self.when.op in ("and", "or", "not", "equal"):
                raise ModelError(f"Event(when={when}): give one expression that crosses zero, or one comparison")
        self.then: dict[Expr, Expr] = {}
        for target, value in (then or {}).items():
            if not (isinstance(target, Expr) and target.op == "symbol" and target.kind in ("variable", "parameter")):
                raise ModelError(f"Event: {target!r} cannot be set; targets are states and parameters")
            self.then[target] = as_expr(value)
        self.terminal = terminal
        self.name = name

    def __repr__(self) -> str:
        if self.name:
            return self.name
        start = f"at={', '.join(map(str, self.at))}" if self.at is not None else f"when={self.when}"
        then = ", ".join(f"{target}: {value}" for target, value in self.then.items())
        return f"Event({start}, then={{{then}}}{', terminal' if self.terminal else ''})"


def _times(at: Any) -> tuple[float, ...]:
    times = at if hasattr(at, "__iter__") else (at,)
    result = tuple(float(as_expr(time)) for time in times)  # refuses NaN and infinity
    return tuple(sorted(result))
