"""A simplified form of an expression, on the way from which a start is found that Newton alone misses."""

from __future__ import annotations

from symnum.language.variables import checked_expr, parameter
from symnum.rewriting.expr import Expr, Operand

SHARE = "homotopy"  # the name of the parameter that leads from the simplified form (0) to the actual one (1)


def homotopy(actual: Operand, simplified: Operand) -> Expr:
    """``actual`` in every simulation; ``simplified`` where the search for a consistent start begins.

    When the algebraic equations cannot be solved from the guesses, they are solved with the simplified forms
    of the model, and then followed to the actual ones in steps. The operator of that name in Modelica
    (language specification 3.6, section 3.7.4.3).
    """
    share = parameter(1, name=SHARE, about="0: simplified forms, 1: the model")
    one, other = checked_expr(actual, "homotopy, actual"), checked_expr(simplified, "homotopy, simplified")
    return share * one + (1 - share) * other
