"""Equations: what ``==`` between expressions builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy

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

    def to_sympy(self) -> sympy.Eq:
        """The same equation as a SymPy object, left unevaluated."""
        from sympy import Eq as SympyEq

        return SympyEq(self.lhs.to_sympy(), self.rhs.to_sympy(), evaluate=False)

    def __repr__(self) -> str:
        return f"{self.lhs} == {self.rhs}"

    def _repr_latex_(self) -> str | None:
        from symnum.rewriting.show import latex, too_deep

        if too_deep(self.lhs) or too_deep(self.rhs):
            return None  # a notebook shows the text instead
        return f"${latex(self.lhs)} = {latex(self.rhs)}$"


def Eq(lhs: Expr | Number, rhs: Expr | Number) -> Equation:
    """The equation ``lhs == rhs``, for code whose type checker takes ``==`` to be a bool."""
    from symnum.rewriting.expr import as_expr

    return Equation(as_expr(lhs), as_expr(rhs))
