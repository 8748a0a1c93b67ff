"""Terms that additive methods treat explicitly, marked where they stand in the equations."""

from __future__ import annotations

from symnum.language.variables import checked_expr, parameter
from symnum.rewriting.expr import Expr, Operand

__all__ = ["EXPLICIT", "EXPLICIT_NAME", "explicit"]

# The hidden parameter that marked terms are multiplied by: with 0 in its place f is its implicit part. Like
# any parameter it passes through components, fields and families, and there is one compiled f for both.
EXPLICIT_NAME = "explicit_part_"
EXPLICIT = parameter(1.0, name=EXPLICIT_NAME, unit="1", about="1: the terms marked as explicit take part")


def explicit(term: Operand) -> Expr:
    """The term, marked for additive (IMEX) methods: ``D(u) == explicit(-a * D(u, x)) + d * D(u, x, 2)``.

    KenCarp4 then takes the marked terms with its explicit method and the others with its implicit one, whose
    Jacobian leaves them out. Mark what is not stiff and is dear or hard to solve for, advection or reactions
    beside diffusion. All other methods take no notice. Only in equations for derivatives.
    """
    return EXPLICIT * checked_expr(term, "explicit")
