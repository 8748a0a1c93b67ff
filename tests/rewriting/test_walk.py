"""Order, substitution, values and cost."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.errors import ModelError
from symnum.rewriting.expr import TIME, Symbol, add, apply, node, number, slot, symbol
from symnum.rewriting.operators import cos, exp, floor, ifelse, log, sin, sqrt
from symnum.rewriting.walk import (
    cost,
    evaluate,
    evaluate_arrays,
    is_leaf,
    leaves,
    postorder,
    substitute,
    transform,
)

x, y, z = (symbol(Symbol(name, "variable")) for name in "xyz")
k = symbol(Symbol("k", "parameter"))
DX = node("D", (x,))


@settings(max_examples=30)
@given(data=st.data())
def test_postorder_gives_arguments_first_and_each_node_once(broken, data):
    roots = [data.draw(broken) for _ in range(3)]
    seen: list[int] = []
    for expr in postorder(roots):
        assert all(id(arg) in seen for arg in expr.args)
        assert id(expr) not in seen
        seen.append(id(expr))
    assert all(id(root) in seen for root in roots)


def test_postorder_takes_a_shared_graph_in_linear_time():
    e = x
    for _ in range(200):  # 2**200 paths
        e = sin(e) * cos(e)
    assert sum(1 for _ in postorder(e)) == 601
    assert evaluate(e, {x: 1.0}) == pytest.approx(_sin_cos(1.0, 200))


def _sin_cos(value: float, times: int) -> float:
    for _ in range(times):
        value = math.sin(value) * math.cos(value)
    return value


def test_leaves_are_symbols_slots_and_derivatives():
    e = sin(x * k) + DX * slot("u", 3) - TIME + 2
    assert set(leaves(e)) == {x, k, DX, slot("u", 3), TIME}
    assert leaves((y, x, y)) == (y, x)
    assert leaves(DX) == (DX,)  # its variable is inside, but nothing looks there
    assert is_leaf(DX)
    assert not is_leaf(number(2))


def test_substitution_is_simultaneous():
    assert substitute(x - y, {x: y, y: x}) is y - x
    assert substitute((x * y, sin(x)), {x: 2 * y}) == (2 * y**2, sin(2 * y))
    assert substitute(sin(x + y) + cos(x + y), {x + y: z}) is sin(z) + cos(z)
    assert substitute(ifelse(x < y, x, y), {x: number(1), y: number(2)}) is number(1)
    assert substitute(x + y, {}) is x + y
    assert substitute((), {x: y}) == ()


def test_substitution_reaches_time_derivatives():
    assert substitute(DX + x, {x: y}) is node("D", (y,)) + y
    assert substitute(DX, {x: -2 * y}) is -2 * node("D", (y,))
    assert substitute(DX, {x: y * z}) is node("D", (y,)) * z + y * node("D", (z,))
    assert substitute(DX + x, {DX: z}) is z + x
    assert substitute(DX, {x: number(3)}) is number(0)


@settings(max_examples=60)
@given(data=st.data())
def test_substitution_agrees_with_values(smooth, point, mp_value, data):
    e, inner, values = data.draw(smooth), data.draw(smooth), data.draw(point)
    replaced = substitute(e, {x: inner})
    with mpmath.workdps(30):
        expected = mp_value(e, {**values, x: mp_value(inner, values)})
        assert _close(mp_value(replaced, values), expected, 1e-15)


def _close(a, b, relative):
    return abs(a - b) <= relative * (1 + abs(b)) or (mpmath.isnan(a) and mpmath.isnan(b)) or abs(b) > 1e200


def test_transform_rebuilds_bottom_up():
    def sines_to_cosines(expr):
        return cos(*expr.args) if expr.op == "sin" else expr

    assert transform((sin(sin(x)) + 1, y), sines_to_cosines) == (cos(cos(x)) + 1, y)
    assert transform((x * y,), lambda e: number(0) if e is x else e) == (number(0),)


@given(data=st.data())
def test_values_agree_with_mpmath(broken, point, mp_value, data):
    e, values = data.draw(broken), data.draw(point)
    with mpmath.workdps(40):
        exact = mp_value(e, values)
    conditioning = sum(abs(v) for v in values.values()) * 1e-12
    found = evaluate(e, values)
    near = {leaf: value * (1 + 1e-13) for leaf, value in values.items()}
    with mpmath.workdps(40):
        moved = mp_value(e, near)  # how far the value moves when the input does
    if mpmath.isfinite(exact) and abs(exact) < 1e150:
        allowed = 100 * abs(moved - exact) + abs(exact) * 1e-12 + conditioning
        if allowed < 1e-3 * (1 + abs(exact)):
            assert abs(found - exact) <= allowed


@settings(max_examples=40)
@given(data=st.data())
def test_arrays_agree_with_single_values(broken, point, data):
    e, f = data.draw(broken), data.draw(broken)
    points = [data.draw(point) for _ in range(3)]
    columns = {leaf: np.array([p[leaf] for p in points]) for leaf in points[0]}
    together = evaluate_arrays((e, f), columns)
    for n, values in enumerate(points):
        for array, single in zip(together, evaluate((e, f), values), strict=True):
            found = float(np.broadcast_to(array, (3,))[n])
            if abs(single) < 1e150:
                assert found == pytest.approx(single, rel=1e-9, abs=1e-9)


def test_published_values(published, mp_value):
    # reading and canonical form change no value; the decimals of the Feynman lectures stand for doubles
    for record, expr, names in published:
        tolerance = 1e-14 if record["id"].startswith("feynman") else 1e-20
        for point, expected in zip(record["points"], record["values"], strict=True):
            with mpmath.workdps(40):
                found = mp_value(expr, {names[name]: value for name, value in point.items()})
                assert abs(found - mpmath.mpf(expected)) <= tolerance * abs(found), record["id"]


def test_arrays_keep_their_type_and_shape():
    grid = np.arange(6).reshape(2, 3)
    assert evaluate_arrays(x / 2, {x: grid}).dtype == float
    assert evaluate_arrays(x * y, {x: grid, y: np.ones(3)}).shape == (2, 3)
    assert evaluate_arrays(x * x, {x: np.longdouble(1) / 3}).dtype == np.longdouble
    assert evaluate_arrays(number(2) + 0 * x, {}).shape == ()


@pytest.mark.parametrize(
    ("expr", "value", "expected"),
    [
        (1 / x, 0.0, math.inf),
        (1 / x, -0.0, -math.inf),
        (x ** Fraction(-1, 2), 0.0, math.inf),
        (log(x), 0.0, -math.inf),
        (log(x), -1.0, math.nan),
        (sqrt(x), -1.0, math.nan),
        (x ** Fraction(1, 3), -8.0, math.nan),
        (exp(x), 1000.0, math.inf),
        (x**200, 1e10, math.inf),
        (sin(x), math.inf, math.nan),
        (floor(x), math.inf, math.inf),
        (floor(x), math.nan, math.nan),
        (x / x**2 * 0 + number(10) ** 400 * x, 1.0, math.inf),
    ],
)
def test_nothing_raises_at_the_edges(expr, value, expected):
    assert evaluate(expr, {x: value}) == pytest.approx(expected, nan_ok=True)
    assert float(evaluate_arrays(expr, {x: value})) == pytest.approx(expected, nan_ok=True)


def test_a_missing_value_is_named():
    with pytest.raises(ModelError, match=r"`y` has no value"):
        evaluate(x + y, {x: 1.0})
    with pytest.raises(ModelError, match="time has no value"):
        evaluate_arrays(x + TIME, {x: 1.0})
    assert evaluate(DX + x, {x: 1.0, DX: 2.0}) == 3.0
    assert evaluate(sin(x) + y, {sin(x): 4.0, y: 1.0}) == 5.0  # any node can be given


@pytest.mark.parametrize(
    ("roots", "expected"),
    [
        (x, 0),
        (x + y, 1),
        (x + y + 1, 2),
        (x - y, 1),
        (-x, 1),
        (-x - y, 2),
        (2 * x, 1),
        (2 * x + 2 * y, 2),  # 2*(x + y)
        (2 * x + 3 * y, 3),
        (2 * x - 1, 2),
        (x * y * z, 2),
        (x / y, 4),
        (1 / x, 4),
        (x / (y * z), 5),
        (sqrt(x), 5),
        (x**2, 1),
        (x**7, 4),
        (x**-2, 5),
        (x ** Fraction(3, 2), 6),
        (x ** Fraction(1, 3), 20),
        (sin(x), 15),
        (sin(x) + sin(x) ** 2, 17),
        ((sin(x), cos(x) + sin(x)), 31),
        (x**y, 20),
        (apply("min", x, y), 1),
        (number(3), 0),
    ],
)
def test_cost(roots, expected):
    assert cost(roots) == expected


def test_deep_expressions():
    e = x
    for _ in range(20_000):  # twenty times Python's recursion limit
        e = sin(e)
    assert len(leaves(e)) == 1
    assert cost(e) == 300_000
    assert evaluate(e, {x: 0.0}) == 0.0
    assert evaluate_arrays(e, {x: np.zeros(2)}).tolist() == [0.0, 0.0]
    swapped = substitute(e, {x: y})
    assert leaves(swapped) == (y,)
    assert repr(e).endswith("…")


def test_wide_sums():
    many = [symbol(Symbol(f"u{n}", "variable")) for n in range(20_000)]
    total = add(many)
    assert len(total.args) == 20_000
    assert evaluate(total, dict.fromkeys(many, 0.5)) == 10_000
