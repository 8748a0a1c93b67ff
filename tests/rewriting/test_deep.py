"""Expressions nested 100,000 levels deep: no recursion of ours, and a clear word where SymPy's would fail."""

import copy
import pickle

import pytest

from symnum.errors import ModelError
from symnum.rewriting.derivative import derivative
from symnum.rewriting.equation import Eq
from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.operators import sin
from symnum.rewriting.pickling import height
from symnum.rewriting.schedule import simplify
from symnum.rewriting.show import latex
from symnum.rewriting.walk import evaluate, substitute

DEPTH = 100_000
x, y = (symbol(Symbol(name, "variable")) for name in "xy")


@pytest.fixture(scope="module")
def deep() -> Expr:
    expr = x
    for level in range(DEPTH):
        expr = sin(expr) if level % 2 else 1 / (expr + y)
    return expr


def test_pickles_and_copies_are_the_same_node(deep):
    assert height(deep) == DEPTH * 3 // 2  # the sum is a level of its own
    assert pickle.loads(pickle.dumps(deep)) is deep
    assert copy.deepcopy([deep])[0] is deep


def test_a_list_of_all_partial_results_pickles_in_little_more_room_than_the_last():
    chain = [x]
    for _ in range(4000):
        chain.append(sin(chain[-1]))
    alone, together = len(pickle.dumps(chain[-1])), len(pickle.dumps(chain))
    assert all(a is b for a, b in zip(pickle.loads(pickle.dumps(chain)), chain, strict=True))
    assert together < 20 * alone  # log n times; one by one it would be 2000 times


def test_text_ends_after_some_thousand_characters(deep):
    assert len(repr(deep)) < 21_000
    assert len(str(deep)) < 21_000


def test_value_derivative_substitution_and_simplification(deep):
    assert 0 < evaluate(deep, {x: 0.5, y: 0.5}) < 2
    assert height(derivative(deep, x)) > DEPTH
    assert height(substitute(deep, {x: y})) == height(deep)
    assert evaluate(simplify(deep), {x: 0.5, y: 0.5}) == evaluate(deep, {x: 0.5, y: 0.5})


def test_what_sympy_cannot_hold_is_refused_by_name(deep):
    with pytest.raises(ModelError, match=r"to_sympy: .* nested 150000 levels deep"):
        deep.to_sympy()
    nested = x
    for _ in range(1500):
        nested = sin(nested)
    with pytest.raises(ModelError, match=r"to_sympy: .* nested 1500 levels deep"):
        nested.to_sympy()


def test_notebooks_get_text_where_latex_would_be_too_deep(deep):
    assert deep._repr_latex_() is None
    assert Eq(deep, x)._repr_latex_() is None
    assert sin(x)._repr_latex_() is not None
    with pytest.raises(ModelError, match="cannot be set in LaTeX"):
        latex(deep)


def test_latex_comes_through_just_below_the_limit():
    nested = x
    while height(nested) < 59:
        nested = 1 / (nested + y) if height(nested) % 3 else sin(nested)
    assert nested._repr_latex_() is not None
