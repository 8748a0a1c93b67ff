"""Quotients like sin(a)/a, which have a limit at a = 0 and, computed there, no value.

`symnum.rewriting.limits` reads them from right to left, in products of more factors too; from left to right
they are steps of certificates. At exactly 0 the beginning of the power series stands: it has the value of the
limit to the last bit, and the right first and second derivatives. Everywhere else the quotient itself is as
accurate as its operators, down to the smallest double, so nothing is approximated.
"""

from __future__ import annotations

from fractions import Fraction

from symnum.rewriting.expr import ZERO, Expr, Rational, add, apply, multiply, number
from symnum.rewriting.operators import equal, ifelse
from symnum.rewriting.rules.rule import Rule, RuleSet, pattern, rule

SERIES: dict[str, tuple[Rational, Rational]] = {
    "sin": (0, Fraction(-1, 6)),
    "tan": (0, Fraction(1, 3)),
    "asin": (0, Fraction(1, 6)),
    "atan": (0, Fraction(-1, 3)),
    "sinh": (0, Fraction(1, 6)),
    "tanh": (0, Fraction(-1, 3)),
    "asinh": (0, Fraction(-1, 6)),
    "atanh": (0, Fraction(1, 3)),
    "expm1": (Fraction(1, 2), Fraction(1, 6)),
    "log1p": (Fraction(-1, 2), Fraction(1, 3)),
}
"""f(a)/a = 1 + c1*a + c2*a**2 + O(a**3): operator f, c1, c2."""


def quotient(op: str, a: Expr, *, reciprocal: bool = False) -> Expr:
    """f(a)/a, or a/f(a), with its limit at a = 0."""
    c1, c2 = SERIES[op]
    if reciprocal:
        c1, c2 = -c1, c1 * c1 - c2
    series = add([number(1), multiply(((number(c1), 1), (a, 1))), multiply(((number(c2), 1), (a, 2)))])
    exponent = -1 if reciprocal else 1
    return ifelse(equal(a, ZERO), series, multiply(((apply(op, a), exponent), (a, -exponent))))


def _rules() -> tuple[Rule, ...]:
    a = pattern("a")
    limited = [quotient(op, a, reciprocal=turned) for op in SERIES for turned in (False, True)]
    return tuple(rule(left, left.args[2]) for left in limited)


LIMITS = RuleSet(
    "limits",
    level="default",
    valid_over="reals; exact, the left side has a value where the right side has none",
    rules=_rules(),
)
