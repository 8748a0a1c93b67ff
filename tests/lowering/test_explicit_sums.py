"""Wide sums that give an unknown: scratch where they reach little, unknowns where they spread."""

from __future__ import annotations

import numpy as np

import symnum as sn
from symnum.language.block import Block, Column, IndexedEquation, IndexedSums, Quantities, References
from symnum.language.system import System
from symnum.rewriting.expr import slot

COUNT = 20


def decays(readers: int) -> tuple[System, np.ndarray]:
    """x_i' = -k_i x_i + total, for i < readers, without the total for the others; total = sum of w_i x_i."""
    x = References(sn.variables(" ".join(f"x{i}" for i in range(COUNT))))
    total, product = (
        Quantities("variable", ["total"]),
        Quantities("variable", [f"wx{i}" for i in range(COUNT)]),
    )
    every = np.arange(COUNT)
    weights, rates = 1.0 + every / 10, 1.0 + every
    reading = (every < readers).astype(float)
    products = IndexedEquation(
        slot("u", 1) - slot("c", 2) * slot("u", 0),
        (Column(x, every), Column(product, every), Column(None, weights)), lambda i: f"wx{i}",
    )  # fmt: skip
    sums = IndexedSums(
        (total, product), np.array([0, COUNT + 1]), np.arange(COUNT + 1), np.array([-1.0, *np.ones(COUNT)]),
        lambda _: "total",
    )  # fmt: skip
    equations = [products]
    for which in (every < readers, every >= readers):
        rows = every[which]
        columns = [Column(x, rows, derivative=True), Column(None, rates[rows]), Column(x, rows)]
        root = slot("u", 0) + slot("c", 1) * slot("u", 2)
        if len(rows) and reading[rows[0]]:
            columns.append(Column(total, np.zeros(len(rows), np.int64)))
            root = root - slot("u", 3)
        if len(rows):
            equations.append(IndexedEquation(root, tuple(columns), lambda i: f"D(x{i})"))
    system = sn.System("decays", [Block((x, total, product), tuple(equations), (sums,))])
    matrix = -np.diag(rates) + np.outer(reading, weights)
    return system, matrix


def test_a_sum_with_few_readers_is_no_unknown() -> None:
    system, matrix = decays(3)
    compiled = sn.compile(system)
    assert compiled.mass.all()
    u = np.random.default_rng(0).random(COUNT)
    p = np.zeros(len(compiled.parameters))
    order = [compiled.states.index(f"x{i}") for i in range(COUNT)]
    np.testing.assert_allclose(compiled.rhs(0.0, u, p)[order], matrix @ u[order], rtol=1e-13)
    jacobian = compiled.jacobian(0.0, u, p).toarray()
    np.testing.assert_allclose(jacobian[np.ix_(order, order)], matrix, rtol=1e-13)


def test_a_sum_that_spreads_keeps_the_jacobian_sparse() -> None:
    system, matrix = decays(COUNT)
    compiled = sn.compile(system)
    assert compiled.mass.sum() == COUNT
    assert len(compiled.states) == COUNT + 1  # the total is an algebraic unknown
    assert compiled.sparsity.nnz < 4 * COUNT + 2
    problem = sn.Problem(system, {f"x{i}": 1.0 for i in range(COUNT)}, span=(0, 0.01))
    sol = sn.solve(problem, rtol=1e-9, atol=1e-12)
    from scipy.linalg import expm

    exact = expm(0.01 * matrix) @ np.ones(COUNT)
    np.testing.assert_allclose([sol[f"x{i}"][-1] for i in range(COUNT)], exact, rtol=1e-7)


def test_solutions_and_events_read_explicit_sums() -> None:
    system, _ = decays(3)
    total = system.blocks[0].quantities[1]
    assert isinstance(total, Quantities)
    problem = sn.Problem(system, {f"x{i}": 1.0 for i in range(COUNT)}, span=(0, 0.1))
    sol = sn.solve(problem)
    weights = 1.0 + np.arange(COUNT) / 10
    states = np.array([sol[f"x{i}"] for i in range(COUNT)])
    np.testing.assert_allclose(sol["total"], weights @ states, rtol=1e-13)
