"""Each primitive against mpmath: its value, its derivative, its folds, its vectorized spelling."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy

from symnum.rewriting import operators as sn
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ONE, ZERO, Symbol, apply, number, symbol
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.walk import evaluate, evaluate_arrays

ARGUMENTS = tuple(symbol(Symbol(name, "variable")) for name in ("a", "b", "c"))

# where each operator is real and smooth enough; the others take (-2, 2)
DOMAINS = {
    "asin": (-0.95, 0.95), "acos": (-0.95, 0.95), "atanh": (-0.95, 0.95), "acosh": (1.05, 5),
    "log": (0.05, 5), "log1p": (-0.9, 5), "log10": (0.05, 5), "pow": (0.05, 3), "tan": (-1.4, 1.4),
}  # fmt: skip


def _points(op, count=25):
    rng = np.random.default_rng(sum(map(ord, op)))
    return rng.uniform(*DOMAINS.get(op, (-2.0, 2.0)), (count, OPERATORS[op].arity))


@pytest.mark.parametrize("op", OPERATORS)
def test_value_and_derivative(op, mp_value):
    leaves = ARGUMENTS[: OPERATORS[op].arity]
    expr = apply(op, *leaves)
    partials = [derivative(expr, leaf) for leaf in leaves]
    for values in _points(op):
        point = dict(zip(leaves, values, strict=True))
        with mpmath.workdps(40):
            exact = mp_value(expr, point)
            assert evaluate(expr, point) == pytest.approx(float(exact), rel=4e-15, abs=1e-16)
            for k, leaf in enumerate(leaves):
                slope = mpmath.diff(lambda v, leaf=leaf, p=point: mp_value(expr, {**p, leaf: v}), values[k])
                assert evaluate(partials[k], point) == pytest.approx(float(slope), rel=1e-13, abs=1e-14)


SMOOTH = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "asin": sympy.asin, "acos": sympy.acos,
    "atan": sympy.atan, "atan2": sympy.atan2, "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh,
    "asinh": sympy.asinh, "acosh": sympy.acosh, "atanh": sympy.atanh, "exp": sympy.exp, "log": sympy.log,
    "expm1": lambda a: sympy.exp(a) - 1, "log1p": lambda a: sympy.log(1 + a), "erf": sympy.erf,
    "log10": lambda a: sympy.log(a) / sympy.log(10), "hypot": lambda a, b: sympy.sqrt(a**2 + b**2),
    "pow": sympy.Pow, "abs": sympy.Abs,
}  # fmt: skip


@pytest.mark.parametrize("op", SMOOTH)
def test_derivative_of_the_composition_against_sympy(op):
    # op(a*b, b, ...): the chain rule through a shared argument
    a, b = ARGUMENTS[:2]
    s, t = sympy.symbols("a b", real=True)
    binary = OPERATORS[op].arity == 2
    ours = derivative(apply(op, a * b, b) if binary else apply(op, a * b), b)
    theirs = sympy.diff(SMOOTH[op](s * t, t) if binary else SMOOTH[op](s * t), t)
    rng = np.random.default_rng(7)
    low, high = DOMAINS.get(op, (0.1, 2.0))
    for _ in range(8):
        product = rng.uniform(low, high)
        second = rng.uniform(0.5, 2.0)
        first = product / second
        expected = float(theirs.evalf(30, subs={s: sympy.Float(first, 40), t: sympy.Float(second, 40)}))
        assert evaluate(ours, {a: first, b: second}) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("op", OPERATORS)
def test_vectorized_spelling_agrees(op):
    leaves = ARGUMENTS[: OPERATORS[op].arity]
    expr = apply(op, *leaves)
    columns = _points(op).T
    if OPERATORS[op].boolean:
        columns = np.round(columns)  # so that equality and zeros occur
    arrays = evaluate_arrays(expr, dict(zip(leaves, columns, strict=True)))
    single = [evaluate(expr, dict(zip(leaves, values, strict=True))) for values in columns.T]
    assert arrays.dtype == float
    np.testing.assert_allclose(arrays, single, rtol=4e-15)
    if OPERATORS[op].boolean:
        assert set(single) == {0.0, 1.0}


@pytest.mark.parametrize("op", OPERATORS)
def test_folds_agree_with_the_value(op):
    grid = [-2, -1, Fraction(-1, 2), 0, Fraction(1, 2), 1, 2]
    arity = OPERATORS[op].arity
    folded = 0
    for first in grid:
        for second in grid if arity > 1 else (0,):
            args = [number(first), number(second), number(3)][:arity]
            expr = apply(op, *args)
            if expr.is_number:
                folded += 1
                exact = OPERATORS[op].python(*(float(arg.value) for arg in args))
                assert float(expr) == exact
    never = {"acos", "acosh", "hypot", "pow"}  # no exact value that is worth a rule
    assert (folded > 0) == (op not in never)


def test_folds_with_expressions():
    a, b, _ = ARGUMENTS
    assert sn.minimum(a, a) is a
    assert sn.ifelse(a < b, b, b) is b
    assert sn.ifelse(1, a, b) is a
    assert sn.ifelse(0, a, b) is b
    assert ~~(a < b) is (a < b)
    assert (a < b) & 1 is (a < b)
    assert evaluate((a < b) & 2, {a: 1.0, b: 3.0}) == 1.0
    assert evaluate(a & 1, {a: 3.0}) == 1.0  # a number that holds is not 1 yet
    assert evaluate(~~a, {a: 3.0}) == 1.0
    assert evaluate(a | a, {a: -3.0}) == 1.0
    assert (a < b) & 0 is ZERO
    assert (a < b) | 1 is ONE
    assert sn.sin(a - a) is ZERO
    assert sn.exp(0) is ONE
    assert sn.floor(Fraction(-7, 2)) is number(-4)


def test_public_functions():
    a, b, c = ARGUMENTS
    point = {a: 3.0, b: -1.0, c: 0.25}
    assert evaluate(sn.clip(a, b, c), point) == 0.25
    assert evaluate(sn.minimum(a, b, c), point) == -1.0
    assert evaluate(sn.maximum(a, b, c), point) == 3.0
    assert evaluate(sn.hypot(3, 4 + 0 * a), {}) == 5.0
    assert evaluate(sn.equal(a, 3), point) == 1.0
    assert evaluate(sn.log10(100 + 0 * a), {}) == pytest.approx(2.0)
    assert evaluate(abs(b), point) == evaluate(sn.absolute(b), point) == 1.0
    assert evaluate(sn.sqrt(c), point) == 0.5


@pytest.mark.parametrize("op", ["min", "max", "sign"])
def test_nan_is_passed_on(op):
    leaves = ARGUMENTS[: OPERATORS[op].arity]
    expr = apply(op, *leaves)
    for bad in range(len(leaves)):
        values = [math.nan if k == bad else 1.0 for k in range(len(leaves))]
        point = dict(zip(leaves, values, strict=True))
        assert math.isnan(evaluate(expr, point))
        assert np.isnan(evaluate_arrays(expr, point))


def test_every_row_is_complete():
    for name, operator in OPERATORS.items():
        leaves = ARGUMENTS[: operator.arity]
        assert len(operator.derivative(*leaves)) == operator.arity, name
        assert operator.cost > 0 or name == "group", name  # a parenthesis
