"""The term interface: all that a rewriter has to know about the storage of expressions.

Four functions, after TermInterface.jl and SymbolicUtils (Shah, Ma, Gowda 2021): the operation of a term, its
arguments, what the operation needs besides them, and the way back. `EXPR` serves our own nodes, `SYMPY` the
expressions of SymPy. Both speak the vocabulary of `expr`: a sum is ``+`` with (constant, coefficients), a
product ``*`` with exponents.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from symnum.rewriting.expr import Expr, Rational, apply, linear, multiply, node, number, power
from symnum.rewriting.operators import OPERATORS

if TYPE_CHECKING:
    import sympy

T = TypeVar("T")


class TermInterface(Protocol[T]):
    """What rewriters ask of terms of type T. Equal terms must be equal by ``==`` on their identity keys."""

    def operation(self, term: T) -> str:
        """``+``, ``*``, ``number``, an operator's name, or ``leaf`` for anything without parts."""

    def arguments(self, term: T) -> tuple[T, ...]:
        """Terms of a sum, bases of a product, arguments of an operator."""

    def metadata(self, term: T) -> Any:
        """(constant, coefficients) of a sum, exponents of a product, the value of a number, else None."""

    def rebuild(self, operation: str, arguments: tuple[T, ...], metadata: Any) -> T:
        """The term with this operation, arguments and metadata, in the canonical form of its storage."""

    def same(self, one: T, other: T) -> bool:
        """Whether two terms are structurally equal."""


class ExprTerms:
    """`Expr` as terms."""

    def operation(self, term: Expr) -> str:
        return "leaf" if term.op in ("symbol", "slot", "D") else term.op

    def arguments(self, term: Expr) -> tuple[Expr, ...]:
        return () if term.op == "D" else term.args

    def metadata(self, term: Expr) -> Any:
        return term.data

    def rebuild(self, operation: str, arguments: tuple[Expr, ...], metadata: Any) -> Expr:
        if operation == "+":
            constant, coefficients = metadata
            return linear(zip(arguments, coefficients, strict=True), constant)
        if operation == "*":
            return multiply(zip(arguments, metadata, strict=True))
        if operation == "number":
            return number(metadata)
        if operation == "pow":
            return power(*arguments)
        if operation in OPERATORS:
            return apply(operation, *arguments)
        return node(operation, arguments, metadata)

    def same(self, one: Expr, other: Expr) -> bool:
        return one is other


class SympyTerms:
    """SymPy expressions as terms, without a conversion. Floats are leaves: they are not exact."""

    def operation(self, term: sympy.Basic) -> str:
        if getattr(term, "is_Rational", False):
            return "number"
        if getattr(term, "is_Add", False):
            return "+"
        if getattr(term, "is_Mul", False):
            # a number in front makes it a sum of one term, as in our own canonical form
            return "+" if term.as_coeff_Mul()[0].is_Rational and term.as_coeff_Mul()[0] != 1 else "*"
        if getattr(term, "is_Pow", False):
            return "*" if term.args[1].is_Rational else "pow"
        name = type(term).__name__
        name = {"Abs": "abs", "Min": "min", "Max": "max"}.get(name, name)
        return name if name in OPERATORS and len(term.args) == OPERATORS[name].arity else "leaf"

    def arguments(self, term: sympy.Basic) -> tuple[Any, ...]:
        operation = self.operation(term)
        if operation == "+":
            return tuple(part for part, _ in self._parts(term))
        if operation == "*":
            return tuple(base for base, _ in self._factors(term))
        return () if operation in ("leaf", "number") else tuple(term.args)

    def metadata(self, term: Any) -> Any:
        operation = self.operation(term)
        if operation == "number":
            return _rational(term)
        if operation == "+":
            constant = term.as_coeff_Add()[0] if term.is_Add else 0
            exact = _rational(constant) if getattr(constant, "is_Rational", False) else 0
            return exact, tuple(c for _, c in self._parts(term))
        return tuple(e for _, e in self._factors(term)) if operation == "*" else None

    def rebuild(self, operation: str, arguments: tuple[Any, ...], metadata: Any) -> Any:
        import sympy

        if operation == "+":
            constant, coefficients = metadata
            parts = (_sympy(c) * a for a, c in zip(arguments, coefficients, strict=True))
            return sympy.Add(_sympy(constant), *parts)
        if operation == "*":
            return sympy.Mul(*(a ** _sympy(e) for a, e in zip(arguments, metadata, strict=True)))
        if operation == "number":
            return _sympy(metadata)
        from symnum.rewriting.sympy_bridge import sympy_function

        return sympy_function(operation)(*arguments)

    def same(self, one: sympy.Basic, other: sympy.Basic) -> bool:
        return bool(one == other)

    def _parts(self, term: Any) -> list[tuple[Any, Rational]]:
        found = []
        for part in term.args if term.is_Add else (term,):
            coefficient, rest = part.as_coeff_Mul()
            if not coefficient.is_Rational:
                coefficient, rest = 1, part
            if not getattr(rest, "is_Rational", False):
                found.append((rest, _rational(coefficient)))
        return found

    def _factors(self, term: Any) -> list[tuple[Any, Rational]]:
        found: list[tuple[Any, Rational]] = []
        for factor in term.args if term.is_Mul else (term,):
            base, exponent = factor.as_base_exp()
            if base.is_Rational or not exponent.is_Rational or (base.is_Mul and not exponent.is_Integer):
                base, exponent = factor, 1
            found.append((base, _rational(exponent)))
        return found


def _rational(value: Any) -> Rational:
    exact = Fraction(int(value.p), int(value.q)) if hasattr(value, "p") else Fraction(value)
    return exact.numerator if exact.denominator == 1 else exact


def _sympy(value: Rational) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)


EXPR = ExprTerms()
SYMPY = SympyTerms()
