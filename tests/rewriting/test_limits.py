"""Removable singularities: quotients get their limits, exactly, and certificates cover it."""

import math
from dataclasses import replace

import mpmath
import pytest

from symnum.rewriting.certificate import check, explain
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.operators import (
    OPERATORS,
    cos,
    cosh,
    equal,
    exp,
    expm1,
    ifelse,
    log,
    log1p,
    sin,
    sinh,
    tanh,
)
from symnum.rewriting.precise import settled_values
from symnum.rewriting.rules.limits import SERIES, quotient
from symnum.rewriting.schedule import simplify
from symnum.rewriting.walk import evaluate, postorder, substitute

x, y, k = (symbol(Symbol(name, "variable")) for name in "xyk")
NEAR = (5e-324, 1e-300, 1e-30, 1e-9, 1e-4, 0.01, 0.3)


@pytest.mark.parametrize(
    ("quotient_", "limit"),
    [
        (sin(x) / x, 1.0),
        ((1 - cos(x)) / x**2, 0.5),
        ((exp(x) - 1) / x, 1.0),
        (expm1(x) / x, 1.0),
        (log1p(x) / x, 1.0),
        (log(1 + x) / x, 1.0),
        (x / (exp(x) - 1), 1.0),
        ((cosh(x) - 1) / x**2, 0.5),
        (sinh(2 * x) / x, 2.0),
        (sin(3 * x) ** 2 / x**2, 9.0),
        (x**2 / sin(x) ** 2, 1.0),
        (sin(3 * x) / x + tanh(-x / 2) / (5 * x), 2.9),
    ],
    ids=str,
)
def test_the_limit_and_all_digits_near_it(quotient_: Expr, limit: float) -> None:
    found, certificate = simplify(
        quotient_, target="accuracy", where={x: (-0.4, 0.4)}, certificate=True, budget=30.0
    )
    free = simplify(quotient_, target="accuracy", where={x: (-0.4, 0.4)}, budget=30.0)
    assert check(certificate)
    assert found is free
    for size in NEAR[1:]:
        for at in (size, -size):
            if abs(at) < 1e-100 and "**2" in str(quotient_):
                continue  # the square underflows in the original and here
            ((exact,),) = settled_values([quotient_], [{x: at}])
            if exact != exact:  # more digits than are ever computed: the limit is nearer than a rounding
                assert abs(at) < 1e-100
                exact = limit
            assert evaluate(free, {x: at}) == pytest.approx(float(exact), rel=1e-15)
    assert evaluate(free, {x: 0.0}) == limit


def test_products_around_it_stay() -> None:
    found = simplify(y * sin(k * x) / x, target="accuracy", where={x: (-1, 1), y: (1, 2), k: (1, 3)})
    assert evaluate(found, {x: 0.0, y: 1.5, k: 2.0}) == 3.0
    assert evaluate(found, {x: 0.5, y: 1.5, k: 2.0}) == pytest.approx(1.5 * math.sin(1.0) / 0.5, rel=1e-15)


def test_where_zero_is_out_of_bounds_nothing_is_added() -> None:
    assert simplify(sin(x) / x, target="accuracy", where={x: (0.5, 2.0)}) is sin(x) / x


def test_what_is_guarded_already_is_left_alone() -> None:
    guarded = ifelse(equal(x, 0), 1, sin(x) / x)
    assert simplify(guarded, target="accuracy", where={x: (-1.0, 1.0)}) is guarded


def test_certificates_cover_arguments_with_factors_and_only_right_limits() -> None:
    where = {x: (-0.4, 0.4), k: (-2.0, 2.0), y: (0.5, 2.0)}
    for original in (sin(k * x) / x, expm1(2 * x * y) / x, sin(x) * sin(2 * x) / x**2, y * log1p(-x) / x):
        found, certificate = simplify(original, target="accuracy", where=where, certificate=True, budget=30.0)
        assert any(node.op == "equal" for node in postorder(found))
        assert check(certificate)
        # another value at the place without one: the limit of sin(2*x)/x, or a series with another slope
        for wrong in (2 * found, substitute(found, {x: 2 * x}), *_other_series(found)):
            assert not check(replace(certificate, after=(wrong,)))
            assert explain((original,), (wrong,), where) is None


def _other_series(expr: Expr) -> list[Expr]:
    """The expression with other numbers where a quotient has no value."""
    return [
        substitute(expr, {node: ifelse(node.args[0], node.args[1] + x / 7, node.args[2])})
        for node in postorder(expr)
        if node.op == "ifelse"
    ]


@pytest.mark.parametrize("reciprocal", [False, True], ids=["f/a", "a/f"])
@pytest.mark.parametrize("op", SERIES)
def test_series_are_those_of_the_functions(op: str, reciprocal: bool) -> None:
    """Value, first and second derivative at 0 against differences of the quotient in high precision."""
    limited = quotient(op, x, reciprocal=reciprocal)
    first = derivative(limited, x)
    second = derivative(first, x)
    with mpmath.workdps(60):
        function = mpmath.log1p if op == "log1p" else mpmath.expm1 if op == "expm1" else getattr(mpmath, op)

        def f(a: mpmath.mpf) -> mpmath.mpf:
            return a / function(a) if reciprocal else function(a) / a

        h = mpmath.mpf(10) ** -12
        value = (f(h) + f(-h)) / 2
        slope = (f(h) - f(-h)) / (2 * h)
        curvature = (f(2 * h) + f(-2 * h) - f(h) - f(-h)) / (3 * h**2)
    assert evaluate(limited, {x: 0.0}) == 1.0 == pytest.approx(float(value))
    assert evaluate(first, {x: 0.0}) == pytest.approx(float(slope), abs=1e-15)
    assert evaluate(second, {x: 0.0}) == pytest.approx(float(curvature), abs=1e-9)
    assert op in OPERATORS
