"""Common pairs: factors or terms that occur together in several products or sums are computed once.

Breuer's greedy algorithm (Communications of the ACM 12, 1969): the pair with the most users becomes a value
of its own, takes part in further pairs, and so on. It also finds longer common parts, two at a time. Sums and
products are handled in canonical form, where order does not matter; the e-graph would need associativity,
which it cannot afford. Denominators that several quotients share become one reciprocal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from heapq import heappop, heappush

from symnum.rewriting.cost import free_nodes
from symnum.rewriting.expr import Expr, Rational, apply, linear, multiply, rebuild
from symnum.rewriting.walk import is_leaf, postorder

WIDEST = 80
"""Terms or factors beyond which a node is left out: its pairs are too many."""

_Bag = dict[int, Rational]
"""Items of one sum or product by number, with their coefficients (1 in a product)."""

_Pair = tuple[int, int, Rational]
"""Items a < b, and the coefficient of b where a has 1."""


def paired(roots: Iterable[Expr], free: Iterable[Expr] = ()) -> tuple[Expr, ...]:
    """The same expressions with common pairs in parentheses (operator ``group``).

    First reciprocals and products, then sums. What depends on ``free`` leaves only is left where it is.
    """
    given = tuple(free)
    return _paired(_paired(tuple(roots), given, "*"), given, "+")


def _paired(roots: tuple[Expr, ...], free: Sequence[Expr], op: str) -> tuple[Expr, ...]:
    fixed = free_nodes(roots, free)
    order = list(postorder(roots))
    chosen = [e for e in order if e.op == op and e not in fixed and len(e.args) <= WIDEST]
    items: list[tuple[Expr, Rational]] = []  # (base, exponent) of a factor, (term, 1) of a term
    numbers: dict[tuple[Expr, Rational], int] = {}

    def number(item: tuple[Expr, Rational]) -> int:
        found = numbers.get(item)
        if found is None:
            found = numbers[item] = len(items)
            items.append(item)
        return found

    shared = _shared_denominators(chosen, fixed) if op == "*" else {}
    bags: list[_Bag] = []
    for expr in chosen:
        bag: _Bag = {}
        if op == "+":
            for term, coefficient in expr.terms():
                if term not in fixed:
                    bag[number((term, 1))] = coefficient
        else:
            below = shared.get(expr)
            if below is not None:
                bag[number((below, 1))] = 1
            for base, exponent in expr.factors():
                if base not in fixed and (exponent > 0 or below is None):
                    bag[number((base, exponent))] = 1
        bags.append(bag)
    n_items = len(items)
    pairs = extracted(bags, n_items)
    if not pairs and not shared:
        return roots
    done: dict[Expr, Expr] = {}
    parts: list[Expr | None] = [None] * (n_items + len(pairs))

    def part(k: int) -> tuple[Expr, Rational]:
        """Base and exponent of an item, built when first needed: its own parts are finished by then."""
        if k < n_items:
            base, exponent = items[k]
            return (done[base] if base in done else apply("group", base)), exponent
        found = parts[k]
        if found is None:
            a, b, ratio = pairs[k - n_items]
            built = (
                multiply([part(a), part(b)])
                if op == "*"
                else linear([(part(a)[0], 1), (part(b)[0], ratio)])
            )
            found = parts[k] = apply("group", built)
        return found, 1

    bag_of = dict(zip(chosen, bags, strict=True))
    for expr in order:
        if not expr.args or is_leaf(expr):
            done[expr] = expr
        elif expr in bag_of and op == "+":
            outside = [(term, c) for term, c in expr.terms() if term in fixed]
            inside = [(part(k)[0], c) for k, c in bag_of[expr].items()]
            done[expr] = linear([*outside, *inside], expr.constant)
        elif expr in bag_of:
            kept = [(base, e) for base, e in expr.factors() if base in fixed]
            done[expr] = multiply([*kept, *map(part, bag_of[expr])])
        else:
            done[expr] = rebuild(expr, tuple(done[arg] for arg in expr.args))
    return tuple(done[root] for root in roots)


def _shared_denominators(products: Iterable[Expr], fixed: set[Expr]) -> dict[Expr, Expr]:
    """The reciprocal of each product whose denominator another product has too."""
    users: dict[Expr, list[Expr]] = {}
    for expr in products:
        below = [(base, e) for base, e in expr.factors() if e < 0 and base not in fixed]
        if below:
            users.setdefault(multiply(below), []).append(expr)
    return {e: reciprocal for reciprocal, found in users.items() if len(found) > 1 for e in found}


def extracted(bags: list[_Bag], first: int) -> list[_Pair]:
    """Replace common pairs in the bags, in place; the new items are numbered from ``first``."""
    holders: dict[_Pair, set[int]] = {}
    queue: list[tuple[int, int, int, Rational]] = []
    pairs: list[_Pair] = []

    def key(bag: _Bag, a: int, b: int) -> _Pair:
        if a > b:
            a, b = b, a
        top, bottom = bag[b], bag[a]
        return a, b, (top if bottom == 1 else top * bottom if bottom == -1 else _ratio(top, bottom))

    for n, bag in enumerate(bags):
        found = list(bag)
        for i, a in enumerate(found):
            for b in found[i + 1 :]:
                holders.setdefault(key(bag, a, b), set()).add(n)
    for pair, users in holders.items():
        if len(users) > 1:
            heappush(queue, (-len(users), *pair))
    while queue:
        count, a, b, ratio = heappop(queue)
        users = holders[a, b, ratio]
        if len(users) != -count:
            if len(users) > 1:
                heappush(queue, (-len(users), a, b, ratio))
            continue
        new = first + len(pairs)
        pairs.append((a, b, ratio))
        touched: set[_Pair] = set()
        for n in sorted(users):
            bag = bags[n]
            for old in (a, b):
                for other in bag:
                    if other != old and (pair := key(bag, old, other)) != (a, b, ratio):
                        holders[pair].discard(n)
            scale = bag.pop(a)
            del bag[b]
            bag[new] = scale
            for other in bag:
                if other != new:
                    pair = key(bag, other, new)
                    holders.setdefault(pair, set()).add(n)
                    touched.add(pair)
        holders[a, b, ratio] = set()
        for pair in touched:
            if len(holders[pair]) > 1:
                heappush(queue, (-len(holders[pair]), *pair))
    return pairs


def _ratio(top: Rational, bottom: Rational) -> Rational:
    quotient = Fraction(top) / Fraction(bottom)
    return quotient.numerator if quotient.denominator == 1 else quotient
