"""Interning and the canonical form: equal expressions are the same object, exactly."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum.errors import ModelError
from symnum.rewriting import interning
from symnum.rewriting.equation import Eq, Equation
from symnum.rewriting.expr import (
    ONE,
    ZERO,
    Expr,
    Symbol,
    add,
    apply,
    as_expr,
    linear,
    multiply,
    node,
    number,
    power,
    rational,
    symbol,
)
from symnum.rewriting.operators import OPERATORS, sin, sqrt

x, y, z = (symbol(Symbol(name, "variable")) for name in "xyz")
RATIONALS = st.fractions(-50, 50, max_denominator=60)


@given(data=st.data())
def test_sums_and_products_commute_and_associate(smooth, data):
    a, b, c = (data.draw(smooth) for _ in range(3))
    assert a + b is b + a
    assert a * b is b * a
    assert (a + b) + c is a + (b + c) is add((c, b, a))
    if not any(factor.is_number for factor in (a, b, c)):  # numbers go into the sum that they meet first
        assert (a * b) * c is a * (b * c)
    assert a - a is ZERO
    assert 0 - (0 - a) is a
    assert a + a is 2 * a
    assert a * a is a**2
    assert 3 * (a + b) is 3 * a + 3 * b


@given(data=st.data(), p=RATIONALS, q=RATIONALS)
def test_rational_arithmetic_is_exact(smooth, data, p, q):
    a = data.draw(smooth)
    assert number(p) + number(q) is number(p + q)
    assert number(p) * number(q) is number(p * q)
    assert p * a + q * a is (p + q) * a
    assert p * (q * a) is (p * q) * a
    if q:
        assert number(p) / number(q) is number(p / q)
        assert a / q * q is a


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive_as_the_shortest_decimal(value):
    exact = number(value)
    assert float(exact) == value
    assert exact.value == Fraction(repr(value))
    assert type(exact.value) is int or exact.value.denominator > 1


def test_decimals_are_decimals():
    assert number(0.1) * 3 is number(0.3)  # in binary it is not
    assert 0.1 * x + 0.2 * x is 0.3 * x


@given(base=st.fractions(0, 9, max_denominator=9), p=st.integers(-3, 3), q=st.sampled_from([1, 2, 3]))
def test_powers_of_numbers(base, p, q):
    if base == 0 and p < 0:
        return
    exponent = Fraction(p, q)
    result = power(number(base), number(exponent))
    assert float(base) ** float(exponent) == pytest.approx(_float(result), rel=1e-14)
    assert multiply(((result, q),)) is number(base**p)  # the root, raised again, is exact


def _float(expr: Expr) -> float:
    """A number, or a number times a root."""
    total = float(expr.constant)
    for term, coefficient in expr.terms():
        value = float(coefficient)
        for base, exponent in term.factors():
            value *= float(base) ** float(exponent)
        total += value
    return total


def test_roots_of_numbers_merge():
    assert sqrt(2) * sqrt(2) is number(2)
    assert x * sqrt(2) * sqrt(2) is 2 * x
    assert power(number(2), number(Fraction(3, 2))) is 2 * sqrt(2)
    assert 1 / sqrt(2) is sqrt(2) / 2
    assert sqrt(Fraction(4, 9)) is number(Fraction(2, 3))
    assert sqrt(x * y) * sqrt(x * y) is x * y


def test_even_roots_keep_their_meaning():
    assert sqrt(x**2) is not x  # it is abs(x)
    assert sqrt(x) ** 2 is x
    assert sqrt(-2 * x).args[0] is -2 * x


def test_minus_one_and_minus_two_are_told_apart():
    # Python's hash(-1) is hash(-2): keys made of it would leave the order of these terms to chance
    assert (1 / x).key != (x**-2).key
    assert 1 / x + x**-2 is x**-2 + 1 / x
    assert (-x).key != (-2 * x).key
    assert sin(-x) + sin(-2 * x) is sin(-2 * x) + sin(-x)
    assert (x ** Fraction(-1, 3)).key != (x ** Fraction(-2, 3)).key


def test_every_builder_gives_the_same_node():
    assert linear(((x, 2), (y, -1), (x, -1)), 3) is x - y + 3
    assert multiply(((x, 2), (y, 1), (x, -1))) is x * y
    assert 2 * (x + y) - x - 2 * y is x
    assert (x + y) ** 2 is not x**2 + 2 * x * y + y**2  # products of sums stay factored
    assert x / y * y is x
    assert x**0 is ONE
    assert x * 0 is ZERO


def test_numpy_numbers_mix():
    assert np.float64(2) * x is 2 * x
    assert x + np.int64(3) is x + 3
    assert np.float32(0.5) * x is x / 2


def test_equality_builds_equations_and_identity_is_truth():
    equation = x == y + 1
    assert isinstance(equation, Equation)
    assert not equation
    assert x + y == y + x
    assert x != y
    assert {x: 1, y: 2}[x] == 1
    assert y in [x, y]
    assert equation.residual is x - y - 1
    assert Eq(x, 1).rhs is ONE
    assert len({x == y, x == y, y == x}) == 2


def test_truth_of_a_comparison_names_the_way_out():
    with pytest.raises(TypeError, match="ifelse"):
        bool(x < y)
    with pytest.raises(TypeError, match="ifelse"):
        bool(x)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), np.float64("nan")])
def test_non_finite_numbers_are_refused(bad):
    with pytest.raises(ModelError, match="cannot be part of an expression"):
        x + bad


def test_division_by_zero_is_refused():
    with pytest.raises(ModelError, match="division by zero"):
        x / 0


def test_a_power_beyond_all_doubles_is_refused():
    with pytest.raises(ModelError, match="too large"):
        number(10) ** 5000


def test_foreign_operands():
    with pytest.raises(TypeError):
        x + "y"
    with pytest.raises(TypeError, match="cannot be used in an expression"):
        as_expr("y")
    assert rational(True) == 1


def test_copies_and_pickles_are_the_same_node():
    e = sin(x) / (y + Fraction(1, 3)) ** 2
    assert copy.deepcopy(e) is copy.copy(e) is e
    assert pickle.loads(pickle.dumps(e)) is e


def test_unused_nodes_are_forgotten():
    interning._sweep()
    before = len(interning._TABLE)
    names = [symbol(Symbol(f"temporary{k}", "variable")) for k in range(50)]
    total = add(sin(n) * n for n in names)
    assert len(interning._TABLE) >= before + 150
    del names, total
    gc.collect()
    interning._sweep()
    assert len(interning._TABLE) <= before + 1


def test_the_table_of_nodes_sweeps_itself():
    interning._sweep()
    before = len(interning._TABLE)
    deep = x
    for k in range(3 * interning._LEAST_SWEPT):
        deep = sin(deep) if k < 50_000 else x * k
    assert len(interning._TABLE) <= 2 * before + 2 * interning._LEAST_SWEPT
    assert x * 5 is 5 * x


def test_threads_build_the_same_nodes():
    results: list[list[int]] = []
    keep = []

    def build() -> None:
        nodes = [sin(k * x + y) * (y - k) ** 2 + Fraction(k, 7) for k in range(300)]
        keep.append(nodes)
        results.append([id(n) for n in nodes])

    threads = [threading.Thread(target=build) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert all(result == results[0] for result in results)


def test_keys_do_not_depend_on_the_process():
    code = (
        "from symnum.rewriting.expr import *; from symnum.rewriting.operators import sin;"
        "x = symbol(Symbol('x', 'variable', unit='V', default=-1.5)); k = symbol(Symbol('k', 'parameter'));"
        "print((sin(k*x - 1)/x**2 + 0.1).key, [str(a) for a in (sin(x) - k*x + x**2).args])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip
    assert len(seen) == 1


def test_every_declared_field_is_part_of_the_key():
    """Keys order terms and are what stored code is found by."""
    k = symbol(Symbol("k", "parameter"))
    others = [
        symbol(Symbol("k", "parameter", **{name: value}))
        for name, value in (
            ("unit", "V"), ("about", "V"), ("default", 2), ("guess", 2), ("nominal", 2.0),
            ("state_priority", 2.0), ("condition", x < 2), ("condition", x < 3),
        )
    ]  # fmt: skip
    assert len({k.key, *(other.key for other in others)}) == 1 + len(others)
    # the key that x had when symbols had seven fields: later fields must not move what does not use them
    assert x.key == 130555019057183646


def test_fractions_in_nodes_are_ordinary_fractions():
    half = number(0.5).value
    assert half == Fraction(1, 2)
    assert hash(half) == hash(Fraction(1, 2))
    assert repr(half) == "Fraction(1, 2)"
    assert number(Fraction(1, 2)) is number(0.5)
    assert (x / 2).data[1] == (Fraction(1, 2),)
    assert (x / 2).data[1][0] is sqrt(x).data[0]  # one object: found without arithmetic
    for copied in (pickle.loads(pickle.dumps(half)), copy.deepcopy(half), copy.copy(half)):
        assert copied == half
        assert hash(copied) == hash(half)
    assert node("*", (x,), (Fraction(1, 2),)) is sqrt(x)  # whoever made the number


def test_a_hundred_thousand_levels():
    e = x
    for _ in range(100_000):
        e = sin(e) + 1
    assert e.op == "+"
    assert e is linear(((e.args[0], 1),), 1)
    del e  # must not overflow the stack either


def test_unknown_operators_are_an_error():
    with pytest.raises(KeyError):
        apply("sine", x)
    assert "sin" in OPERATORS
    assert node("D", (x,)) is node("D", (x,))
