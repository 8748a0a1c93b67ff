"""Derivatives against 50-digit differences, SymPy, and a dense reference."""

import math
import random
from fractions import Fraction

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.errors import LoweringError, ModelError
from symnum.rewriting.derivative import derivative, gradient, time_derivative
from symnum.rewriting.expr import ONE, TIME, ZERO, Symbol, add, linear, node, slot, symbol
from symnum.rewriting.operators import cos, exp, ifelse, maximum, minimum, sin, sqrt
from symnum.rewriting.walk import evaluate, leaves, postorder

x, y, z = (symbol(Symbol(name, "variable")) for name in "xyz")
k = symbol(Symbol("k", "parameter"))


def D(variable):
    return node("D", (variable,))


@settings(max_examples=80)
@given(data=st.data())
def test_against_differences_in_high_precision(smooth, point, mp_value, data):
    e, values = data.draw(smooth), data.draw(point)
    (row,) = gradient((e,), (x, y, TIME))
    with mpmath.workdps(60):
        for leaf in (x, y, TIME):
            slope = mpmath.diff(lambda v, leaf=leaf: mp_value(e, {**values, leaf: v}), values[leaf])
            if not mpmath.isfinite(slope) or abs(slope) > mpmath.mpf(10) ** 12:
                continue
            assert abs(mp_value(row.get(leaf, ZERO), values) - slope) <= mpmath.mpf(10) ** -15 * (
                1 + abs(slope)
            )


def test_published_expressions(published, mp_value):
    checked = 0
    for record, expr, names in published:
        rows = gradient((expr,), names.values())[0]
        for point in record["points"][:3]:
            values = {names[name]: value for name, value in point.items()}
            for leaf in names.values():
                with mpmath.workdps(50):
                    slope = mpmath.diff(lambda v: mp_value(expr, {**values, leaf: v}), values[leaf])  # noqa: B023
                    found = mp_value(rows.get(leaf, ZERO), values)
                    assert abs(found - slope) <= 1e-10 * (abs(slope) + 1e-10), (record["id"], leaf)
                checked += 1
    assert checked > 500


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_higher_orders_against_sympy(order):
    ours = derivative(sin(x * y) * exp(x) / (1 + x**2), x, order)
    a, b = sympy.symbols("x y")
    theirs = sympy.diff(sympy.sin(a * b) * sympy.exp(a) / (1 + a**2), a, order)
    for values in ((0.3, 1.7), (-1.2, 0.4)):
        expected = float(theirs.evalf(30, subs={a: values[0], b: values[1]}))
        assert evaluate(ours, {x: values[0], y: values[1]}) == pytest.approx(expected, rel=1e-11)


def test_simple_derivatives_are_in_canonical_form():
    assert derivative(x**3, x) is 3 * x**2
    assert derivative(k * x * y, x) is k * y
    assert derivative(x + 2 * y, x) is ONE
    assert derivative(y, x) is ZERO
    assert derivative(sqrt(x), x) is Fraction(1, 2) / sqrt(x)
    assert derivative(x / y, y) is -x / y**2
    assert derivative(sin(x) ** 2 + cos(x) ** 2, x) is ZERO
    assert derivative(D(x) * x, D(x)) is x
    assert derivative(D(x) * x, x) is D(x)  # other leaves are held fixed
    assert derivative(slot("u", 0) * slot("p", 1), slot("u", 0)) is slot("p", 1)
    assert derivative(TIME**2, TIME) is 2 * TIME


def test_rows_are_sparse_and_in_the_order_asked_for():
    rows = gradient((x * y + z, k * z, x - x), (z, y, x))
    assert [list(row) for row in rows] == [[z, y, x], [z], []]
    assert rows[0][y] is x


def test_a_branch_not_taken_does_not_spoil_the_derivative():
    # the derivative of sqrt at 0 is infinite, and infinity times 0 is nan
    clipped = ifelse(x > 0, sqrt(x), 0)
    assert evaluate(derivative(clipped, x), {x: 0.0}) == 0.0
    assert evaluate(derivative(maximum(x, 1 / y), y), {x: 1.0, y: -0.0}) == 0.0
    assert evaluate(derivative(minimum(x, 1 / y), y), {x: 1.0, y: 0.0}) == 0.0
    assert derivative(ifelse(x < y, k, 3 * k), x) is ZERO


def test_time_derivative_along_a_solution():
    assert time_derivative(k * x * y) is k * D(x) * y + k * x * D(y)
    assert time_derivative(sin(TIME) * x) is cos(TIME) * x + sin(TIME) * D(x)
    assert time_derivative(TIME) is ONE
    assert time_derivative(k**2) is ZERO


def test_a_second_time_derivative_names_the_way_out():
    with pytest.raises(LoweringError, match="Introduce a variable for D"):
        time_derivative(x * D(x))
    with pytest.raises(LoweringError, match="template"):
        time_derivative(slot("u", 0))


def test_bad_requests():
    with pytest.raises(ModelError, match="which is an expression"):
        derivative(x, x + y)
    with pytest.raises(ModelError, match="order is -1"):
        derivative(x, x, -1)


def test_reaction_network_against_a_dense_reference():
    source = random.Random(1)
    species = [symbol(Symbol(f"s{n}", "variable")) for n in range(40)]
    rates = [symbol(Symbol(f"k{n}", "parameter")) for n in range(120)]
    values = {leaf: source.uniform(0.5, 2) for leaf in (*species, *rates)}
    terms: list[list[tuple[object, int]]] = [[] for _ in species]
    expected = [[0.0] * 40 for _ in species]
    for rate in rates:
        a, b, c = source.choices(range(40), k=3)  # a may equal b: then the rate is k*a**2
        speed = rate * species[a] * species[b]
        for row, sign in ((a, -1), (b, -1), (c, 1)):
            terms[row].append((speed, sign))
            expected[row][a] += sign * values[rate] * values[species[b]]
            expected[row][b] += sign * values[rate] * values[species[a]]
    rows = gradient([linear(part) for part in terms], species)
    assert sum(map(len, rows)) < 700
    for row, reference in zip(rows, expected, strict=True):
        found = [evaluate(row.get(leaf, ZERO), values) for leaf in species]
        assert found == pytest.approx(reference, rel=1e-12, abs=1e-12)


def test_deep_chains():
    e = x
    for _ in range(5_000):
        e = sin(e)
    slope = derivative(e, x)
    value, expected = 1.0, 1.0
    for _ in range(5_000):
        value, expected = math.sin(value), expected * math.cos(value)
    assert evaluate(slope, {x: 1.0}) == pytest.approx(expected, rel=1e-9)
    horner = y
    for _ in range(5_000):
        horner = horner * x + 1
    assert leaves(derivative(horner, y)) == (x,)


def test_shared_graphs_are_differentiated_once():
    e = x
    for _ in range(60):  # as a tree: 2**60 nodes
        e = add((sin(e), cos(e)))
    assert sum(1 for _ in postorder(derivative(e, x))) < 1_000
