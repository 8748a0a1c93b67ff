"""Branches that the run switches at located times, in place of within a step."""

from __future__ import annotations

from symnum.errors import ModelError
from symnum.language.event import Event
from symnum.language.variables import checked_expr
from symnum.rewriting.expr import ONE, ZERO, Expr, Operand, Symbol, apply, symbol
from symnum.rewriting.operators import ifelse

__all__ = ["switch", "switch_of", "switching_events"]

_CONDITIONS = ("<", "<=", "equal", "and", "or", "not")


def switch(condition: Operand, then: Operand, otherwise: Operand) -> Expr:
    """Like `ifelse`, with the change from one branch to the other located: for expressions that jump.

    Steps end where the condition changes, and within a step only one branch is seen, beyond the place of the
    change as well. In the model the condition is a parameter, 1 or 0, of the name ``holds(condition)`` that
    events set: at the start, and whenever the condition has changed, also by another event at the same time.
    A branch may hold what is not defined where the other one is taken, such as the root of a negative number.

    Where an expression is continuous and only its slope jumps (``maximum``, ``clip``), `ifelse` does: step
    control copes. A condition that is changed back by its own branches has no solution in the usual sense;
    the run then ends with an error that names it (chattering).
    """
    found = checked_expr(condition, "switch, condition")
    if found.op not in _CONDITIONS:
        raise ModelError(f"switch({found}, ...): the condition is a comparison, or several joined by & and |")
    one, other = checked_expr(then, "switch, then"), checked_expr(otherwise, "switch, otherwise")
    return ifelse(apply("<", ONE, 2 * switch_of(found)), one, other)


def switch_of(condition: Expr) -> Expr:
    """The parameter that says whether a condition holds."""
    return symbol(
        Symbol(f"holds({condition})", "parameter", None, f"1 where {condition}", 0, condition=condition)
    )


def switching_events(switch: Expr) -> list[Event]:
    """What keeps the parameter of a switch up to date.

    Of several switches that change at one time one may change others back: these are not carried out.
    """
    condition: Expr = switch.data.condition
    return [
        Event(trigger=when, then={switch: value}, initially=False, persistent=False, name=name)
        for when, value, name in (
            (condition, ONE, f"{condition} holds"),
            (apply("not", condition), ZERO, f"{condition} holds no longer"),
        )
    ]
