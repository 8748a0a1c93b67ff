"""Whether rewriting can win anything: a cheap look at the structure before the e-graph is started.

Most equations are sums of products that the canonical form has already brought together; importing and
running a rewriter for them would cost a thousand times what it finds, which is nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from symnum.rewriting.expr import ONE, Expr, Rational
from symnum.rewriting.operators import HALF
from symnum.rewriting.walk import postorder

_LOOKED_AT = 8  # factors of a product
_HYPERBOLIC = frozenset({"sinh", "cosh", "tanh"})
_TRIGONOMETRIC = frozenset({"sin", "cos", "tan"})


def worth_rewriting(roots: Iterable[Expr]) -> bool:
    """False when none of these is present, so that no rule set of ours can lower the cost:

    * two terms of a sum with a common factor or denominator, or 1 - x**2 and the like below a denominator;
    * two sums that differ by a number as factor, such as x - y and y - x;
    * two trigonometric functions of sums, a squared one, or several functions of the same angle with a
    tangent
      or a quotient;
    * two products with a common pair of factors, two powers of the same base;
    * two hyperbolic functions of the same argument;
    * two exponentials, two logarithms, or one of each;
    * roots of squares, products of roots, absolute values;
    * two ``ifelse`` with the same condition, one with a common factor, or one with ``not``.
    """
    angles_of_sums = exponentials = logarithms = 0
    sums: set[tuple[tuple[Expr, Rational], ...]] = set()
    conditions: set[Expr] = set()
    functions: dict[Expr, set[str]] = {}
    pairs: set[tuple[int, int]] = set()
    powers: set[Expr] = set()
    for expr in postorder(roots):
        if expr.op == "+":
            if _shares_factor(expr):
                return True
            shape = _without_scale(expr)
            if shape in sums:
                return True
            sums.add(shape)
        elif expr.op == "*":
            if _has_related_factors(expr):
                return True
            keys = sorted(hash((base.key, e)) for base, e in expr.factors())[:_LOOKED_AT]
            for k, one in enumerate(keys):
                for other in keys[k + 1 :]:
                    if (one, other) in pairs:
                        return True
                    pairs.add((one, other))
        elif expr.op == "pow":
            if expr.args[0] in powers:
                return True
            powers.add(expr.args[0])
        elif expr.op in _HYPERBOLIC:
            found = functions.setdefault(expr.args[0], set())
            found.add(expr.op)
            if len(found) > 1:
                return True
        elif expr.op in _TRIGONOMETRIC:
            angle = expr.args[0]
            angles_of_sums += angle.op == "+"
            found = functions.setdefault(angle, set())
            found.add(expr.op)
            if angles_of_sums > 1 or ("tan" in found and len(found) > 1):
                return True
        elif expr.op == "exp":
            exponentials += 1
        elif expr.op == "log":
            logarithms += 1
        elif expr.op == "abs":
            return True
        elif expr.op == "ifelse":
            condition, then, otherwise = expr.args
            if condition in conditions or condition.op == "not" or set(_bases(then)) & set(_bases(otherwise)):
                return True
            conditions.add(condition)
        if exponentials > 1 or logarithms > 1 or (exponentials and logarithms):
            return True
    return False


def needs_egraph(roots: Iterable[Expr]) -> bool:
    """False where sums and products of leaves are all there is: their common parts are found by counting, and
    in polynomial networks of every size the e-graph won less than one part in a hundred beyond that."""
    products = 0
    for expr in postorder(roots):
        if expr.op == "*":
            products += 1
            if any(type(e) is not int or e < 0 for e in expr.data):
                return True
        elif expr.args and expr.op not in ("+", "D"):
            return True
    return products <= SMALL


SMALL = 60
"""Products up to which even a polynomial is given to the e-graph: it costs nearly nothing there."""


def _bases(expr: Expr) -> list[Expr]:
    return [base for base, _ in expr.factors() if base.op != "number"]


def _shares_factor(expr: Expr) -> bool:
    """Two terms with a common factor, also one that shows when products of sums are multiplied out."""
    seen: set[tuple[Expr, bool]] = set()
    for term, _ in expr.terms():
        for factor in dict.fromkeys(_factors(term, _DEPTH)):
            if factor in seen:
                return True
            seen.add(factor)
    return False


_DEPTH = 3


def _factors(term: Expr, depth: int) -> Iterator[tuple[Expr, bool]]:
    """(base, whether it stands above the line) of a term and of the terms of sums among its factors."""
    for base, exponent in term.factors():
        yield base, exponent > 0
        if depth and exponent == 1 and base.op == "+" and len(base.args) <= _LOOKED_AT:
            for inner in base.args:
                yield from _factors(inner, depth - 1)


def _without_scale(expr: Expr) -> tuple[tuple[Expr, Rational], ...]:
    """The sum divided by its first coefficient: x - y and y - x, x + y and 2*x + 2*y are the same."""
    constant, coefficients = expr.data
    if len(coefficients) == 1 and not constant:
        return ((expr, 1),)  # a number times one term shares nothing but the term, which is a node already
    scale = coefficients[0] if abs(coefficients[0]) == 1 else Fraction(1) / coefficients[0]
    scaled = [(a, scale * c) for a, c in zip(expr.args, coefficients, strict=True)]
    return ((ONE, scale * constant), *scaled)


def _has_related_factors(expr: Expr) -> bool:
    roots = 0
    quotients: set[str] = set()
    above = below = False
    for base, exponent in expr.factors():
        if isinstance(exponent, int):
            if base.op in _TRIGONOMETRIC:
                if exponent not in (1, -1):
                    return True
                quotients.add(f"{base.op}{exponent}")
            above = above or (base.op == "+" and exponent > 0)
            below = below or (base.op == "+" and exponent < 0)
        else:
            roots += abs(exponent) % 1 == HALF
            if base.op == "*" and any(isinstance(e, int) and e % 2 == 0 for _, e in base.factors()):
                return True
    return roots > 1 or (above and below) or {"sin1", "cos-1"} <= quotients
