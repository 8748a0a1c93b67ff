"""Factoring sums of many terms: what the e-graph cannot reach without associativity.

A sum in canonical form is one node with all its terms, so common factors and common denominators are found by
counting. In the binary form of the e-graph the same search explodes: a sum of n terms has about 3**n partial
sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from symnum.rewriting.cost import DIVISION, MULTIPLICATION, free_nodes
from symnum.rewriting.expr import Expr, Rational, linear, multiply
from symnum.rewriting.walk import postorder, transform

Term = tuple[Expr, Rational]
"""An expression and its coefficient in a sum."""

_DEPTH = 100  # of factors taken out of factors; a polynomial of a higher degree keeps its tail

_Factor = tuple[Expr, bool]
"""A base, and whether it stands above the line of the fraction."""


def factored(roots: Iterable[Expr], *, ties: int = 1) -> tuple[Expr, ...]:
    """The same expressions with common factors taken out of sums, greedily, the most frequent factor first.

    Products that are used more than once are left whole: computed anyway, they cost nothing as a term.
    Between factors that save the same the structural key decides; ``ties=-1`` turns its order round, for the
    best choice is hard to know and easy to try.
    """
    wanted = tuple(roots)
    users: dict[Expr, int] = dict.fromkeys(wanted, 1)
    for expr in postorder(wanted):
        for arg in expr.args:
            users[arg] = users.get(arg, 0) + 1
    shared = {expr for expr, count in users.items() if count > 1 and expr.op == "*"}

    def visit(expr: Expr) -> Expr:
        return _factored_sum(expr, shared, ties, _DEPTH) if expr.op == "+" and len(expr.args) > 1 else expr

    return transform(wanted, visit)


def absorbed(roots: Iterable[Expr], free: Iterable[Expr]) -> tuple[Expr, ...]:
    """The same expressions with free factors moved into sums whose terms all have one: no operation is left
    of p*(q*x + r*y) but those of (p*q)*x + (p*r)*y, as products of free leaves are computed outside."""
    wanted = tuple(roots)
    fixed = free_nodes(wanted, free)

    def scaled(term: Expr) -> bool:
        return term in fixed or (term.op == "*" and any(base in fixed for base in term.args))

    def visit(expr: Expr) -> Expr:
        if expr.op in ("*", "+") and expr not in fixed and all(arg in fixed for arg in expr.args):
            fixed.add(expr)  # made on the way
        if expr.op != "*" or expr in fixed:
            return expr
        given = [(base, e) for base, e in expr.factors() if base in fixed]
        rest = [(base, e) for base, e in expr.factors() if base not in fixed]
        if not given or len(rest) != 1 or rest[0][1] != 1 or rest[0][0].op != "+":
            return expr
        inner = rest[0][0]
        if not all(scaled(term) for term in inner.args):
            return expr
        terms = [(multiply([*given, (term, 1)]), c) for term, c in inner.terms()]
        return linear([*terms, (multiply(given), inner.constant)])

    return transform(wanted, visit)


def _factored_sum(expr: Expr, shared: set[Expr], ties: int, depth: int) -> Expr:
    work = _Terms(expr, shared, ties)
    while (found := work.best_factor()) is not None:
        (base, _), exponent, members = found
        inside = work.take(members)
        quotient = linear([(multiply(((term, 1), (base, -exponent))), c) for term, c in inside])
        if quotient.op == "+" and len(quotient.args) > 1 and depth:
            quotient = _factored_sum(quotient, shared, ties, depth - 1)
        # Being a product, it can be a term of a later round: x*y*a + x*y*b + x*c.
        work.put(multiply(((base, exponent), (quotient, 1))), 1)
    return linear(work.terms.values(), expr.constant)


class _Terms:
    """The terms of a sum, and for each factor which of them have it; a queue offers the best factor.

    The queue may hold outdated savings: they are corrected when they come up, so that a round costs as much
    as the terms it touches and a sum of thousands of terms is no problem.
    """

    def __init__(self, expr: Expr, shared: set[Expr], ties: int) -> None:
        self.terms: dict[int, Term] = {}
        self._shared = shared
        self._ties = ties
        self._holders: dict[_Factor, dict[int, Rational]] = {}
        self._queue: list[tuple[float, int, bool, Expr]] = []
        self._count = 0
        for term, coefficient in expr.terms():
            self.put(term, coefficient, announce=False)
        for factor in self._holders:
            self._announce(factor)

    def put(self, term: Expr, coefficient: Rational, *, announce: bool = True) -> None:
        """Add a term."""
        number = self._count
        self._count += 1
        self.terms[number] = term, coefficient
        for factor, exponent in self._factors(term):
            self._holders.setdefault(factor, {})[number] = exponent
            if announce:
                self._announce(factor)

    def take(self, members: Iterable[int]) -> list[Term]:
        """Remove terms and return them."""
        taken = [self.terms.pop(number) for number in members]
        for number, (term, _) in zip(members, taken, strict=True):
            for factor, _ in self._factors(term):
                del self._holders[factor][number]
        return taken

    def best_factor(self) -> tuple[_Factor, Rational, list[int]] | None:
        """The factor whose removal saves most, the exponent to take out, and the terms that have it."""
        while self._queue:
            saving, _, above, base = heappop(self._queue)
            factor = (base, above)
            holders = self._holders[factor]
            if -saving != self._saving(factor):
                self._announce(factor)
            elif len(holders) > 1:
                exponents = holders.values()
                return factor, min(exponents) if above else max(exponents), list(holders)
        return None

    def _factors(self, term: Expr) -> Iterator[tuple[_Factor, Rational]]:
        if term not in self._shared and term.op != "number":
            for base, exponent in term.factors():
                yield (base, exponent > 0), exponent

    def _saving(self, factor: _Factor) -> float:
        return (len(self._holders[factor]) - 1) * (MULTIPLICATION if factor[1] else DIVISION)

    def _announce(self, factor: _Factor) -> None:
        saving = self._saving(factor)
        if saving > 0:
            base, above = factor
            # the structural key makes the choice the same in every process
            heappush(self._queue, (-saving, self._ties * base.key, above, base))
