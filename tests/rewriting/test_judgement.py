"""The rewriter steps aside where a search takes longer than what it can win, and says so."""

import logging

import pytest

from symnum.rewriting.cost import CPU
from symnum.rewriting.expr import Expr, Symbol, add, symbol
from symnum.rewriting.judgement import judged, worth
from symnum.rewriting.operators import cos, exp, sin
from symnum.rewriting.schedule import pays, simplify
from symnum.rewriting.walk import cost

x = [symbol(Symbol(f"x{k}", "variable")) for k in range(40)]
p = [symbol(Symbol(f"p{k}", "parameter")) for k in range(40)]


def unlike(count: int) -> list[Expr]:
    """Equations with something to factor, no two of which are alike."""
    return [
        p[k % 7] * x[k % 40] * exp(x[(k + 1) % 40]) + p[k % 7] * x[k % 40] * sin(x[(3 * k + 2) % 40]) - k
        for k in range(count)
    ]


def angles(count: int) -> list[Expr]:
    """Power flow: each pair of angles has its own sine and cosine until they are split."""
    return [
        add(p[i] * sin(x[i] - x[j]) + p[j] * cos(x[i] - x[j]) for j in range(count) if j != i)
        for i in range(count)
    ]


def test_one_copy_of_a_large_system_does_not_pay_and_a_thousand_do(caplog):
    roots = unlike(300)
    with caplog.at_level(logging.INFO, "symnum"):
        assert not pays(roots, worth(1))
    assert any("'factor' steps aside" in text for text in caplog.messages)
    assert any("'egraph' steps aside" in text for text in caplog.messages)
    assert pays(roots, worth(1000))


def test_given_its_worth_simplify_leaves_alone_what_does_not_pay():
    roots = unlike(300)
    assert simplify(roots, free=p, worth=worth(1)) == roots
    found = simplify(roots, free=p, worth=worth(1000), using=["factor"])
    assert cost(found) < cost(roots)


def test_angles_that_can_be_split_are_counted():
    together = judged(tuple(angles(12)), tuple(p), CPU, worth(100)).egraph.gain
    apart = judged(tuple(unlike(60)), tuple(p), CPU, worth(100)).egraph.gain
    # 132 times two functions of differences give way to three operations each; 12 sines and cosines come new
    assert together > worth(100) * (132 * 12 - 12 * 30)
    assert apart < together


def test_the_judgement_looks_at_structure_alone():
    roots = tuple(unlike(50))
    assert judged(roots, tuple(p), CPU, 1e-3) == judged(roots, tuple(p), CPU, 1e-3)


def test_what_comes_after_the_first_thousands_of_nodes_counts_as_like_them():
    one, many = (judged(tuple(unlike(count)), tuple(p), CPU, worth(1)) for count in (600, 3000))
    assert one.nodes < 2000 < 3000 < many.nodes  # only the first 2000 are weighed
    assert many.factor.gain / many.nodes == pytest.approx(one.factor.gain / one.nodes, rel=0.05)
    assert many.factor.pays == one.factor.pays
