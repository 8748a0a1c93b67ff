"""More accurate expressions: rules tried one at a time, each kept where a measurement says so.

The measure is the mean over points inside the declared bounds of the bits that evaluation in double
precision loses against `settled_values`. A step must lower it clearly and must not raise the worst point.
The idea is that of Herbie (Panchekha et al., PLDI 2015); here without series and regimes, and as a beam of
one over the rules of `rules.accuracy`.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symnum.rewriting.bounds import Where, intervals
from symnum.rewriting.expr import Expr, rebuild
from symnum.rewriting.factor import factored
from symnum.rewriting.limits import with_limits
from symnum.rewriting.match import Matcher
from symnum.rewriting.precise import settled_values
from symnum.rewriting.rules.accuracy import ACCURACY
from symnum.rewriting.rules.rule import Rule
from symnum.rewriting.term import EXPR
from symnum.rewriting.walk import evaluate, leaves, postorder, transform

POINTS = 24
GAIN = 0.15
"""Mean bits that a step must win."""

STEPS = 5
LARGEST = 200
"""Nodes beyond which an expression is left alone: every candidate is evaluated in high precision."""

_BITS = 64.0  # lost where the double has no value at all


def accurate(expr: Expr, where: Where, deadline: float = math.inf) -> Expr:
    """The expression, or one that loses fewer bits at points within the bounds, with limits of quotients such
    as sin(a)/a where a may be 0."""
    found = _with_fewer_bits_lost(expr, where, deadline)
    limited = with_limits(found, where)
    if limited is not found and _same(expr, limited, sample(leaves(expr), where)):
        return limited
    return found


def _with_fewer_bits_lost(expr: Expr, where: Where, deadline: float) -> Expr:
    if sum(1 for _ in postorder(expr)) > LARGEST:
        return expr
    points = sample(leaves(expr), where)
    exact = [row[0] for row in settled_values([expr], points)]
    best, lost = expr, lost_bits(expr, points, exact)
    seen = {expr}
    for _ in range(STEPS):
        if sum(lost) / len(lost) < GAIN or time.thread_time() > deadline:
            break
        found: tuple[float, Expr, list[float]] | None = None
        for new in neighbours(best, where):
            if new in seen or time.thread_time() > deadline:
                continue
            seen.add(new)
            bits = lost_bits(new, points, exact)
            total = sum(bits)
            if (found is None or total < found[0]) and max(bits) <= max(lost) + 0.5:
                found = total, new, bits
        if found is None or found[0] > sum(lost) - GAIN * len(lost) or not _same(expr, found[1], points):
            break
        _, best, lost = found
    return best


def _same(old: Expr, new: Expr, points: Sequence[Mapping[Expr, float]]) -> bool:
    """Equal in high precision wherever the old one has a value."""
    for before, after in settled_values([old, new], points):
        if before == before and not abs(before - after) <= abs(before) * 1e-22 + 1e-300:
            return False
    return True


def sample(unknown: Sequence[Expr], where: Where) -> list[dict[Expr, float]]:
    """Points within the bounds: half evenly, half evenly in the logarithm, where small values are."""
    draw = random.Random(1)
    points = []
    for k in range(POINTS):
        point = {}
        for leaf in unknown:
            low, high = where.get(leaf, (-2.0, 2.0))
            low, high = max(low, -1e300), min(high, 1e300)
            if k % 2 and (low > 0 or high < 0 or low <= 0 <= high):
                point[leaf] = _logarithmic(draw, low, high)
            else:
                point[leaf] = draw.uniform(low, high)
        points.append(point)
    return points


def _logarithmic(draw: random.Random, low: float, high: float) -> float:
    largest = max(abs(low), abs(high))
    smallest = min(abs(low), abs(high)) if low > 0 or high < 0 else largest * 1e-12
    if largest == 0:
        return 0.0
    size = math.exp(draw.uniform(math.log(max(smallest, 1e-300)), math.log(largest)))
    signed = [s * size for s in (1, -1) if low <= s * size <= high]
    return draw.choice(signed) if signed else draw.uniform(low, high)


def lost_bits(expr: Expr, points: Sequence[Mapping[Expr, float]], exact: Sequence[Any]) -> list[float]:
    """Bits of error of the double at each point where the exact value is finite and a double."""
    lost = []
    for point, value in zip(points, exact, strict=True):
        if value != value or not 1e-300 < abs(value) < 1e300:
            continue
        got = evaluate(expr, point)
        if not math.isfinite(got):
            lost.append(_BITS)
            continue
        error = float(abs(got - value) / abs(value)) / 2**-53
        lost.append(min(_BITS, math.log2(error)) if error > 1 else 0.0)
    return lost or [0.0]


def neighbours(expr: Expr, where: Where) -> Iterator[Expr]:
    """All results of one rule at one place and at all places at once, and the factored form."""
    for node in postorder(expr):
        if node.args:
            for rule in ACCURACY.rules:
                for new in _applied(rule, node, where):
                    yield replaced(expr, node, new)
    for rule in ACCURACY.rules:
        # two cancellations of one kind hide each other: mending one alone shows no gain
        yield transform((expr,), lambda node, r=rule: next(_applied(r, node, where), node))[0]  # type: ignore[misc]
    yield factored((expr,))[0]


def _applied(rule: Rule, node: Expr, where: Where) -> Iterator[Expr]:
    for new, binding in Matcher(EXPR).applications(rule, node):
        if rule.assume:
            known = intervals(list(binding.values()), where)
            if not all(known[binding[v]].fact(fact) for fact, v in rule.assume):
                continue
        yield new


def replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    """The expression with every occurrence of one of its nodes replaced."""
    done: dict[Expr, Expr] = {}
    for node in postorder(expr):
        if node is old:
            done[node] = new
        elif node.args and node.op != "D":
            args = tuple(done[arg] for arg in node.args)
            changed = any(x is not y for x, y in zip(args, node.args, strict=True))
            done[node] = rebuild(node, args) if changed else node
        else:
            done[node] = node
    return done[expr]
