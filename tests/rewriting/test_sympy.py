"""SymPy in and out: values survive the round trip, and what has no counterpart is named."""

import math

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.codegen import cfunctions

from symnum.errors import ModelError
from symnum.rewriting.expr import ONE, TIME, Symbol, apply, as_expr, node, number, slot, symbol
from symnum.rewriting.operators import OPERATORS, ifelse, sin
from symnum.rewriting.sympy_bridge import from_sympy, to_sympy
from symnum.rewriting.walk import evaluate, leaves

x, y, z = (symbol(Symbol(name, "variable")) for name in "xyz")
k = symbol(Symbol("k", "parameter"))
X, Y, Z, K, T = sympy.symbols("x y z k t")


@pytest.mark.parametrize("op", OPERATORS)
def test_every_operator_goes_out_and_comes_back(op):
    names = (x, y, z)[: OPERATORS[op].arity]
    expr = apply(op, *names)
    out = to_sympy(expr)
    back = from_sympy(out)
    rng = np.random.default_rng(5)
    low, high = {"acosh": (1.1, 3)}.get(op, (0.1, 0.9))
    for _ in range(10):
        values = dict(zip(names, rng.uniform(low, high, len(names)), strict=True))
        expected = evaluate(expr, values)
        numbers = {sympy.Symbol(leaf.name): sympy.Float(v, 30) for leaf, v in values.items()}
        outside = out.subs(numbers)
        outside = float(bool(outside)) if OPERATORS[op].boolean else float(outside.evalf(30))
        assert outside == pytest.approx(expected, rel=1e-13)
        assert evaluate(back, values) == pytest.approx(expected, rel=1e-13)


@settings(max_examples=60)
@given(data=st.data())
def test_round_trip_of_random_expressions(broken, point, mp_value, data):
    e, values = data.draw(broken), data.draw(point)
    out = to_sympy(e)
    back = from_sympy(out, symbols={K: k})
    assert set(leaves(back)) <= set(leaves(e))
    with mpmath.workdps(30):
        before, after = mp_value(e, values), mp_value(back, values)
        if mpmath.isfinite(before) and abs(before) < 1e100:
            assert abs(before - after) <= 1e-20 * (1 + abs(before))


@settings(max_examples=40)
@given(data=st.data())
def test_sympy_sees_the_same_values(smooth, point, mp_value, data):
    e, values = data.draw(smooth), data.draw(point)
    with mpmath.workdps(40):
        expected = mp_value(e, values)
        numbers = [values[leaf] for leaf in (x, y, z, k, TIME)]
        found = sympy.lambdify((X, Y, Z, K, T), to_sympy(e), "mpmath")(*map(mpmath.mpf, numbers))
        if mpmath.isfinite(expected) and abs(expected) < 1e100:
            assert abs(found - expected) <= 1e-25 * (1 + abs(expected))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (X + 2 * Y, x + 2 * y),
        (X**2 / Y, x**2 / y),
        (sympy.sqrt(X), x ** number(0.5)),
        (sympy.Rational(1, 3) * X, x / 3),
        (sympy.Float(0.1) * X, 0.1 * x),
        (sympy.Integer(7), number(7)),
        (sympy.pi, number(math.pi)),
        (sympy.E, number(math.e)),
        (T * X, TIME * x),
        (sympy.Heaviside(X), ifelse(x < 0, 0, ifelse(x > 0, 1, 0.5))),
        (sympy.Max(X, 1), apply("max", ONE, x)),
        (sympy.Lt(X, Y), x < y),
        (sympy.Ge(X, Y), y <= x),
        (sympy.Ne(X, Y), ~apply("equal", x, y)),
        (sympy.true, number(1)),
        (sympy.Piecewise((X, X > 0), (Y, True)), ifelse(x > 0, x, y)),
        (sympy.ITE(X > 0, Y > 0, Y < 0), ifelse(x > 0, y > 0, y < 0)),
        (sympy.Function("x")(T), x),
        (sympy.Derivative(sympy.Function("x")(T), T), node("D", (x,))),
        (cfunctions.log1p(X), apply("log1p", x)),
        (cfunctions.Sqrt(X), x**0.5),
        (cfunctions.Cbrt(X), x / x ** from_sympy(sympy.Rational(2, 3))),
        (cfunctions.fma(X, Y, Z), x * y + z),
        (cfunctions.hypot(X, Y), apply("hypot", x, y)),
        (sympy.Float("0.1000000000000000000000000000001", 40), None),
    ],
    ids=str,
)
def test_from_sympy(given, expected):
    found = from_sympy(given)
    if expected is None:
        assert float(found) == 0.1
        assert found is not number(0.1)  # more digits than a double has are kept
    else:
        assert found is expected


@pytest.mark.parametrize(
    "given",
    [
        sympy.sec(X), sympy.csc(X), sympy.cot(X), sympy.sech(X), sympy.csch(X), sympy.coth(X), sympy.acot(X),
        sympy.acsch(X), sympy.asech(X / 3), sympy.asec(X + 2), sympy.acsc(X + 2), sympy.acoth(X + 2),
        sympy.erfc(X), sympy.sinc(X), sympy.Mod(X, Y), sympy.log(X, 2), sympy.log(X, 10), sympy.exp(X) ** Y,
        2**X, X**Y, sympy.cbrt(X), cfunctions.exp2(X), cfunctions.log2(X),
        sympy.And(X < 1, Y > 2), cfunctions.log10(X), cfunctions.expm1(X),
        sympy.GoldenRatio * X, sympy.Xor(X > 1, Y > 1, Z > 0), sympy.Min(X, Y, Z), sympy.sign(X - Y),
        sympy.atan2(X, Y), sympy.ceiling(4 * X + Y), sympy.Or(X > 1, Y > 0.5),
    ],
    ids=str,
)  # fmt: skip
def test_values_from_sympy(given):
    found = from_sympy(given)
    for values in ({x: 0.7, y: 0.4, z: 1.2}, {x: 1.6, y: 2.3, z: 0.3}):
        substituted = given.subs({sympy.Symbol(leaf.name): sympy.Float(v, 30) for leaf, v in values.items()})
        expected = bool(substituted) if substituted.is_Boolean else substituted.evalf(25)
        assert evaluate(found, values) == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (sympy.I * X, "I"),
        (sympy.oo, "oo"),
        (sympy.zoo, "zoo"),
        (sympy.nan, "nan"),
        (sympy.gamma(X), r"gamma\(x\)"),
        (sympy.Integral(X, X), "Integral"),
        (sympy.Matrix([X, Y]), "Matrix"),
        (sympy.Function("f")(X), r"f\(x\)"),
        (sympy.Derivative(sympy.Function("f")(X), X), r"f\(x\)"),
        (sympy.Derivative(sympy.Function("f")(T), T, T), "first time derivative"),
        (sympy.Piecewise((X, X > 0)), "none of its conditions"),
        (X + sympy.DiracDelta(Y), "DiracDelta"),
    ],
    ids=str,
)
def test_what_has_no_counterpart_is_named(given, named):
    with pytest.raises(ModelError, match=named):
        from_sympy(given)


def test_symbols_can_be_given():
    f = sympy.Function("f")
    assert from_sympy(K * X, symbols={K: k}) is k * x
    assert from_sympy(f(X) + X, symbols={f(X): y}) is x + y
    tau = sympy.Symbol("tau")
    assert from_sympy(f(tau).diff(tau), symbols={tau: TIME, f(tau): x}) is node("D", (x,))


def test_derivatives_make_variables_functions_of_time():
    e = node("D", (x,)) - k * x * y
    out = to_sympy(e)
    f, g = sympy.Function("x")(T), sympy.Function("y")(T)
    assert out == f.diff(T) - K * f * g
    assert from_sympy(out, symbols={K: k}) is e
    assert to_sympy(x * y) == X * Y


def test_sympy_is_accepted_wherever_an_expression_is():
    assert x + X is 2 * x
    assert X * y is x * y
    assert sin(X) is sin(x)
    assert as_expr(sympy.Rational(1, 2)) is number(0.5)
    assert slot("u", 1).to_sympy() == sympy.Symbol("u[1]")


def test_conditions_become_numbers_where_they_are_used_as_numbers():
    out = to_sympy(2 * (x < y) + 1)
    assert out.subs({X: 1, Y: 2}) == 3
    assert out.subs({X: 2, Y: 1}) == 1
    assert to_sympy(ifelse(x, y, z)).subs({X: 0, Y: 5, Z: 7}) == 7
