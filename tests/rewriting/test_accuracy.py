"""The rules that keep digits: what they win on the published expressions, and that they stay correct."""

import random
from typing import Any

import mpmath
import pytest

from symnum.rewriting.accuracy import accurate, lost_bits, sample
from symnum.rewriting.cost import dag_cost
from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.operators import cos, exp, expm1, log, log1p, sin, sqrt
from symnum.rewriting.precise import settled_values
from symnum.rewriting.schedule import simplify
from symnum.rewriting.walk import evaluate, leaves

x = symbol(Symbol("x", "variable"))
y = symbol(Symbol("y", "variable"))


@pytest.mark.parametrize(
    ("before", "after", "bounds"),
    [
        (exp(x) - 1, expm1(x), (-1.0, 1.0)),
        (log(1 + x), log1p(x), (-0.5, 0.5)),
        (1 - cos(x), 2 * sin(x / 2) ** 2, (-1.0, 1.0)),
        (sqrt(x + 1) - 1, x / (sqrt(x + 1) + 1), (0.0, 1.0)),
    ],
)
def test_textbook_cancellations(before: Expr, after: Expr, bounds: tuple[float, float]) -> None:
    assert simplify(before, target="accuracy", where={x: bounds}) is after


def test_what_is_accurate_is_left_alone() -> None:
    for expr in (exp(x) + 1, x * y + x, sin(x) * cos(y)):
        assert simplify(expr, target="accuracy", where={x: (0.5, 2.0), y: (1.0, 2.0)}) is expr


def test_softplus_and_logistic_do_not_overflow() -> None:
    (softplus, logistic) = simplify(
        [log(exp(x) + 1), exp(x) / (exp(x) + 1)], target="accuracy", where={x: (-1000.0, 1000.0)}
    )
    for at, value in ((900.0, 900.0), (-700.0, 9.859676543759770e-305), (0.0, 0.6931471805599453)):
        assert evaluate(softplus, {x: at}) == pytest.approx(value, rel=1e-14)
    assert evaluate(logistic, {x: 900.0}) == 1.0
    assert evaluate(logistic, {x: -30.0}) == pytest.approx(9.357622968839299e-14, rel=1e-14)


def _mean(bits: list[float]) -> float:
    return sum(bits) / len(bits)


def test_the_published_expressions_gain_digits(published: Any) -> None:
    """At least 15 of those from FPBench lose fewer bits, at points that the search has not seen too."""
    better = 0
    for record, before, named in published:
        where = {named[name]: tuple(ends) for name, ends in record["ranges"].items()}
        after = accurate(before, where)
        points = [{named[name]: v for name, v in point.items()} for point in record["points"]]
        limit = 1e-14 if record["id"].startswith("feynman") else 1e-20
        with mpmath.workdps(50):
            for (found,), text in zip(settled_values([after], points), record["values"], strict=True):
                value = mpmath.mpf(text)
                assert abs(found - value) <= limit * (abs(value) or 1), record["id"]
        if after is before or record["id"].startswith("feynman"):
            continue
        fresh = sample(leaves(before), where) + points
        exact = [row[0] for row in settled_values([before], fresh)]
        better += _mean(lost_bits(after, fresh, exact)) < _mean(lost_bits(before, fresh, exact)) - 0.1
    assert better >= 15


def _errors(expr: Expr, points: list[dict[Expr, float]], exact: list[mpmath.mpf]) -> list[float]:
    """Relative errors in double precision."""
    return [float(abs(evaluate(expr, at) - v) / (abs(v) or 1)) for at, v in zip(points, exact, strict=True)]


def _neighbours(point: dict[Expr, float]) -> list[dict[Expr, float]]:
    """Points that are some roundings away in each coordinate."""
    draw = random.Random(0)
    return [{leaf: v * (1 + draw.randint(-8, 8) * 2**-52) for leaf, v in point.items()} for _ in range(8)]


def test_every_level_stays_near_the_original(published: Any) -> None:
    """Error at most four times that of the original, strict at no point worse; no cost added."""
    for record, before, named in published:
        where = {named[name]: tuple(ends) for name, ends in record["ranges"].items()}
        points = [{named[name]: v for name, v in point.items()} for point in record["points"]]
        # ten points alone may all be lucky ones for the original: its error is that over the ranges
        fresh = sample(leaves(before), where)
        with mpmath.workdps(50):
            exact = [mpmath.mpf(text) for text in record["values"]]
            exact += [row[0] for row in settled_values([before], fresh)]
        valued = [(at, v) for at, v in zip(points + fresh, exact, strict=True) if v == v]
        points, exact = [at for at, _ in valued], [v for _, v in valued]
        for level in ("strict", "default", "fast"):
            after = simplify(before, level, where=where, budget=30.0)
            assert dag_cost([after]) <= dag_cost([before])
            errors = [_errors(e, points, exact) for e in (before, after)]
            if level == "strict":
                assert all(new <= old for old, new in zip(*errors, strict=True)), record["id"]
            else:  # where the original has no error at all, one rounding is allowed
                # beside a zero the rounding of one single point is a matter of luck, for either side
                worst = {errors[k].index(max(errors[k])): None for k in (0, 1)}
                near = [neighbour for at in worst for neighbour in _neighbours(points[at])]
                with mpmath.workdps(50):
                    values = [row[0] for row in settled_values([before], near)]
                old, new = (max(*errors[k], *_errors(e, near, values)) for k, e in enumerate((before, after)))
                assert new <= 4 * max(old, 1.2e-16), record["id"]
