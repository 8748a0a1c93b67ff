"""Delays are taken out of the equations: each becomes a parameter that the solver keeps up to date."""

from __future__ import annotations

from collections.abc import Sequence

from symnum.errors import LoweringError
from symnum.language.delay import has_delay
from symnum.language.event import Event
from symnum.language.system import System
from symnum.record import record
from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.walk import postorder, transform

__all__ = ["Delay", "without_delays"]


@record
class Delay:
    """``parameter`` is what ``expr`` was ``lag`` ago; ``before`` what it was before the start, or None.

    Delays within these expressions are parameters, too, of delays that stand earlier in the list.
    """

    parameter: str
    expr: Expr
    lag: Expr
    before: Expr | None

    def expressions(self) -> tuple[Expr, ...]:
        return (self.expr, self.lag) if self.before is None else (self.expr, self.lag, self.before)


def without_delays(
    system: System, events: Sequence[Event]
) -> tuple[System, tuple[Event, ...], tuple[Delay, ...]]:
    """The system and the further events with parameters in place of delays, and what these stand for."""
    sides = [side for equation in system.equations for side in (equation.lhs, equation.rhs)]
    every = (*system.events, *events)
    inside = [expr for event in every for expr in event.expressions()]
    if not any(part.op == "delay" for part in postorder([*sides, *inside])):
        return system, tuple(events), ()
    found: dict[str, Delay] = {}

    def named(part: Expr) -> Expr:
        if part.op != "delay":
            return part
        expr, lag, *before = part.args
        name = f"delay({', '.join(str(argument) for argument in part.args)})"
        known = found.setdefault(name, Delay(name, expr, lag, before[0] if before else None))
        if known.expr is not expr or known.lag is not lag:
            raise LoweringError(f"{system.name}: two different delays are written {name}")
        return symbol(Symbol(name, "parameter", default=0))

    def replaced(exprs: Sequence[Expr]) -> Sequence[Expr]:
        return transform(exprs, named)

    changed = system.map_expressions(replaced)
    moved = [event.map_expressions(replaced) for event in every]
    own = len(system.events)
    changed.events = tuple(moved[:own])
    return changed, tuple(moved[own:]), tuple(found.values())


def check_no_delay(expr: Expr, where: str) -> None:
    """Raise where an expression of a component or of a table holds a delay."""
    if has_delay(expr):
        raise LoweringError(
            f"{where}: delays belong into the equations of the system itself. Give the delayed value a name "
            "there: past == sn.delay(x, 1), and read that."
        )
