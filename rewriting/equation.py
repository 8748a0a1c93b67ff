"""Equations: what ``==`` between expressions builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symnum.rewriting.expr import Expr, Number


class Equation:
    """``lhs == rhs``, structure only.

    Its truth value is whether both sides are the same interned node, which is what dictionaries,
    sets and ``in`` ask for when they compare expressions.
    """

    __slots__ = ("lhs", "rhs")

    def __init__(self, lhs: Expr, rhs: Expr) -> None:
        self.lhs = lhs
        self.rhs = rhs

    @property
    def residual(self) -> Expr:
        """``lhs - rhs``: zero where the equation holds."""
        return self.lhs - self.rhs

    def __bool__(self) -> bool:
        return self.lhs is self.rhs

    def __hash__(self) -> int:
        return hash((self.lhs, self.rhs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equation) and self.lhs is other.lhs and self.rhs is other.rhs

    def __repr__(self) -> str:
        return f"{self.lhs} == {self.rhs}"


def Eq(lhs: Expr | Number, rhs: Expr | Number) -> Equation:
    """The equation ``lhs == rhs``, for code whose type checker takes ``==`` to be a bool."""
    from symnum.rewriting.expr import as_expr

    return Equation(as_expr(lhs), as_expr(rhs))
