"""Factoring sums of many terms: what the e-graph cannot reach without associativity.

A sum in canonical form is one node with all its terms, so common factors and common denominators are found by
counting. In the binary form of the e-graph the same search explodes: a sum of n terms has about 3**n partial
sums.
"""

from __future__ import annotations

from collections.abc import Iterable

from symnum.rewriting.cost import DIVISION, MULTIPLICATION
from symnum.rewriting.expr import Expr, Rational, linear, multiply
from symnum.rewriting.walk import postorder, transform

Term = tuple[Expr, Rational]
"""An expression and its coefficient in a sum."""


def factored(roots: Iterable[Expr]) -> tuple[Expr, ...]:
    """The same expressions with common factors taken out of sums, greedily, the most frequent factor first.

    Products that are used more than once are left whole: computed anyway, they cost nothing as a term.
    """
    wanted = tuple(roots)
    users: dict[Expr, int] = dict.fromkeys(wanted, 1)
    for expr in postorder(wanted):
        for arg in expr.args:
            users[arg] = users.get(arg, 0) + 1
    shared = {expr for expr, count in users.items() if count > 1 and expr.op == "*"}

    def visit(expr: Expr) -> Expr:
        return _factored_sum(expr, shared) if expr.op == "+" and len(expr.args) > 1 else expr

    return transform(wanted, visit)


def _factored_sum(expr: Expr, shared: set[Expr]) -> Expr:
    constant: Rational = expr.constant
    terms = list(expr.terms())
    done: list[Term] = []
    while True:
        found = _best_factor(terms, shared)
        if found is None:
            return linear([*done, *terms], constant)
        base, exponent, members = found
        inside = [terms[k] for k in members]
        terms = [term for k, term in enumerate(terms) if k not in set(members)]
        quotients = [(multiply(((term, 1), (base, -exponent))), c) for term, c in inside]
        quotient = linear(quotients)
        if quotient.op == "+" and len(quotient.args) > 1:
            quotient = _factored_sum(quotient, shared)
        product = multiply(((base, exponent), (quotient, 1)))
        # A product of a sum can be a term of the next round: x*y*a + x*y*b + x*c.
        (terms if product.op == "*" else done).append((product, 1))


def _best_factor(terms: list[Term], shared: set[Expr]) -> tuple[Expr, Rational, list[int]] | None:
    """The (base, exponent) whose removal saves most, and the positions of the terms that have it."""
    holders: dict[tuple[Expr, bool], list[tuple[int, Rational]]] = {}
    for k, (term, _) in enumerate(terms):
        if term in shared:
            continue
        for base, exponent in term.factors():
            holders.setdefault((base, exponent > 0), []).append((k, exponent))
    best: tuple[float, int, Expr, Rational, list[int]] | None = None
    for (base, above), found in holders.items():
        if len(found) < 2:
            continue
        exponents = [exponent for _, exponent in found]
        exponent = min(exponents) if above else max(exponents)
        saving = (len(found) - 1) * (MULTIPLICATION if above else DIVISION)
        # the structural key makes the choice the same in every process
        if best is None or (saving, base.key) > (best[0], best[1]):
            best = saving, base.key, base, exponent, [k for k, _ in found]
    return None if best is None else best[2:]
