"""Factoring sums of many terms: what the e-graph cannot reach without associativity.

A sum in canonical form is one node with all its terms, so common factors and common denominators are found by
counting. In the binary form of the e-graph the same search explodes: a sum of n terms has about 3**n partial
sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from math import prod
from typing import NamedTuple

from symnum.rewriting.cost import DIVISION, MULTIPLICATION, free_nodes
from symnum.rewriting.expr import ONE, Expr, Rational, linear, multiply, rebuild
from symnum.rewriting.walk import is_leaf, postorder, transform

Term = tuple[Expr, Rational]
"""An expression and its coefficient in a sum."""

_DEPTH = 100  # of factors taken out of factors; a polynomial of a higher degree keeps its tail

_Factor = tuple[Expr, bool]
"""A base, and whether it stands above the line of the fraction."""


def factored(roots: Iterable[Expr], *, ties: int = 1, free: Iterable[Expr] = ()) -> tuple[Expr, ...]:
    """The same expressions with common factors taken out of sums, greedily, the most frequent factor first.

    Products that are used more than once are left whole: computed anyway, they cost nothing as a term.
    Between factors that save the same the structural key decides; ``ties=-1`` turns its order round, for the
    best choice is hard to know and easy to try. Factors of ``free`` leaves only stay in their terms: what
    they make together is computed outside.
    """
    wanted = tuple(roots)
    users: dict[Expr, int] = dict.fromkeys(wanted, 1)
    for expr in postorder(wanted):
        for arg in expr.args:
            users[arg] = users.get(arg, 0) + 1
    shared = {expr for expr, count in users.items() if count > 1 and expr.op == "*"}
    kept = _Kept(shared, free_nodes(wanted, free) if free else set(), ties)

    def visit(expr: Expr) -> Expr:
        return _factored_sum(expr, kept, _DEPTH) if expr.op == "+" and len(expr.args) > 1 else expr

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


def expanded(roots: Iterable[Expr]) -> tuple[Expr, ...]:
    """The same expressions with products of sums multiplied out, where that leaves few terms and the sums
    have no other user: another place to start factoring from."""
    wanted = tuple(roots)
    users: dict[Expr, int] = dict.fromkeys(wanted, 2)
    for expr in postorder(wanted):
        for arg in expr.args:
            users[arg] = users.get(arg, 0) + 1
    done: dict[Expr, Expr] = {}
    for expr in postorder(wanted):
        if not expr.args or is_leaf(expr):
            done[expr] = expr
            continue
        opened = []
        if expr.op == "*":
            opened = [base for base, e in expr.factors() if e == 1 and users[base] == 1 and base.op == "+"]
        sums = [list(_parts(done[base])) for base in opened]
        if not sums or prod(map(len, sums)) > _OPENED:
            done[expr] = rebuild(expr, tuple(done[arg] for arg in expr.args))
            continue
        terms: list[Term] = [(multiply((done[b], e) for b, e in expr.factors() if b not in opened), 1)]
        for parts in sums:
            terms = [(multiply(((t, 1), (s, 1))), c * d) for t, c in terms for s, d in parts]
        done[expr] = linear(terms)
    return tuple(done[root] for root in wanted)


_OPENED = 32  # terms that a product of sums may become


def _parts(expr: Expr) -> Iterator[Term]:
    """The terms of a sum, its constant among them."""
    yield from expr.terms()
    if expr.constant:
        yield ONE, expr.constant


class _Kept(NamedTuple):
    """Products that stay whole, bases that stay in their terms, and the sign of the key among equals."""

    whole: set[Expr]
    free: set[Expr]
    ties: int


def _factored_sum(expr: Expr, kept: _Kept, depth: int) -> Expr:
    work = _Terms(expr, kept)
    while (found := work.best_factor()) is not None:
        (base, _), exponent, members = found
        inside = work.take(members)
        quotient = linear([(multiply(((term, 1), (base, -exponent))), c) for term, c in inside])
        if quotient.op == "+" and len(quotient.args) > 1 and depth:
            quotient = _factored_sum(quotient, kept, depth - 1)
        # Being a product, it can be a term of a later round: x*y*a + x*y*b + x*c.
        work.put(multiply(((base, exponent), (quotient, 1))), 1)
    return linear(work.terms.values(), expr.constant)


class _Terms:
    """The terms of a sum, and for each factor which of them have it; a queue offers the best factor.

    The queue may hold outdated savings: they are corrected when they come up, so that a round costs as much
    as the terms it touches and a sum of thousands of terms is no problem.
    """

    def __init__(self, expr: Expr, kept: _Kept) -> None:
        self.terms: dict[int, Term] = {}
        self._kept = kept
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
        if term not in self._kept.whole and term.op != "number":
            for base, exponent in term.factors():
                if base not in self._kept.free:
                    yield (base, exponent > 0), exponent

    def _saving(self, factor: _Factor) -> float:
        return (len(self._holders[factor]) - 1) * (MULTIPLICATION if factor[1] else DIVISION)

    def _announce(self, factor: _Factor) -> None:
        saving = self._saving(factor)
        if saving > 0:
            base, above = factor
            # the structural key makes the choice the same in every process
            heappush(self._queue, (-saving, self._kept.ties * base.key, above, base))
