"""Straight-line statements: what is computed, and how often."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.model import build_model
from symnum.codegen.share import chunks, statements
from symnum.errors import CodegenError
from symnum.rewriting.expr import Expr, Symbol, add, multiply, node, slot, symbol
from symnum.rewriting.operators import OPERATORS, cos, ifelse, sin, sqrt

X, Y, Z = (slot("u", k) for k in range(3))


def operations(*roots: Expr) -> Counter[str]:
    body = statements(roots)
    return Counter(s.op for s in body.statements if s.op not in ("number", "slot", "time"))


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (X * Y / Z, {"mul": 1, "div": 1}),
        (X / (Y * Z), {"mul": 1, "div": 1}),
        (1 / X + 1 / Y, {"div": 2, "add": 1}),
        (3 / X, {"div": 1}),
        (X**2, {"mul": 1}),
        (X**7, {"mul": 4}),
        (X**-4, {"mul": 2, "div": 1}),
        (sqrt(X), {"sqrt": 1}),
        (1 / sqrt(X), {"sqrt": 1, "div": 1}),
        (sqrt(X) ** 3, {"sqrt": 1, "mul": 1}),
        (X ** Fraction(1, 3), {"pow": 1}),
        (Y / X ** Fraction(1, 3), {"pow": 1, "mul": 1}),
        (X**1000, {"pow": 1}),
        (2 * X + 2 * Y, {"add": 1, "mul": 1}),
        (-X - Y, {"add": 1, "neg": 1}),
        (1 - X, {"sub": 1}),
        (-2 * X - 2 * Y + Z, {"add": 1, "mul": 1, "sub": 1}),
        (ifelse((X < Y) & ~(Y < Z), X, Y), {"<": 2, "not": 1, "and": 1, "ifelse": 1}),
        (ifelse(X, Y, Z), {"truth": 1, "ifelse": 1}),
        ((X < Y) * Z, {"<": 1, "real": 1, "mul": 1}),
        (add((X, Y, Z, sin(X), cos(X))), {"add": 4, "sin": 1, "cos": 1}),
    ],
    ids=str,
)
def test_operations(root, expected):
    assert operations(root) == expected


def test_powers_of_one_base_share_their_squares():
    assert operations(X**2, X**4, X**8)["mul"] == 3


def test_equal_subexpressions_of_several_roots_are_computed_once():
    inner = sin(X * Y)
    assert operations(inner + 1, inner * 2, inner / Z)["sin"] == 1


def test_every_operator_can_be_stated():
    leaves = (X, Y, Z)
    for name, operator in OPERATORS.items():
        # a parenthesis states nothing of its own
        assert operations(node(name, leaves[: operator.arity]))[name] == (name != "group")


def test_what_no_back_end_knows():
    with pytest.raises(CodegenError, match="`D`"):
        statements((node("D", (symbol(Symbol("x", "variable")),)),))


def test_wide_sums_are_summed_in_pairs():
    body = statements((add(slot("u", k) for k in range(64)),))
    depth = [0] * len(body.statements)
    for k, statement in enumerate(body.statements):
        depth[k] = 1 + max((depth[a] for a in statement.args), default=0)
    assert max(depth) == 7


@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 1000))
def test_chunks_compute_the_same_as_the_whole(limit, size, seed):
    """Every value a chunk uses is its own, a leaf, or was spilled by an earlier one."""
    rng = np.random.default_rng(seed)
    known: list[Expr] = [slot("u", k) for k in range(5)]
    for _ in range(size):
        a, b = (known[rng.integers(len(known))] for _ in range(2))
        known.append([a * b, a + b, sin(a), ifelse(a < b, a, b)][rng.integers(4)])
    body = statements(tuple(known[-10:]))
    spilled: dict[int, int] = {}
    written: list[int] = []
    for chunk in chunks(body, limit):
        assert sum(body.statements[v].op not in ("number", "slot", "time") for v in chunk.values) <= limit
        available = set(chunk.loads)
        assert all(spilled[v] == place for v, place in chunk.loads.items())
        for value in chunk.values:
            assert set(body.statements[value].args) <= available
            available.add(value)
        spilled |= chunk.spills
        assert all(value in available for _, value in chunk.roots)
        written += [number for number, _ in chunk.roots]
    assert sorted(written) == list(range(len(body.roots)))


def test_deep_expressions():
    """Far deeper than Python's recursion limit, through differentiation, hoisting and emission."""
    deep = X
    for k in range(5000):
        deep = sin(deep) * slot("p", 1) if k % 2 else deep + multiply(((slot("p", 1), 2), (X, 1)))
    loop = Loop(
        "deep", 1, (deep,), (Column("u", np.array([0])), Column("p", np.array([0]))),
        (Output("out", np.array([0])),),
    )  # fmt: skip
    model = build_model(Function("deep", (loop,), 1, 0), mass=np.ones(1), n_parameters=1)
    u, p = np.array([0.3]), np.array([0.9])
    value, slope = 0.3, 1.0
    for k in range(5000):
        if k % 2:
            value, slope = np.sin(value) * 0.9, np.cos(value) * slope * 0.9
        else:
            value, slope = value + 0.81 * 0.3, slope + 0.81
    assert model.rhs(0.0, u, p)[0] == pytest.approx(value, rel=1e-12)
    assert model.jacobian(0.0, u, p).toarray()[0, 0] == pytest.approx(slope, rel=1e-12)
