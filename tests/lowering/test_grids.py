"""A discretized field born as tables, through all passes."""

from __future__ import annotations

import numpy as np
import pytest

import symnum as sn
from symnum.language.block import Block, Column, GridNames, IndexedEquation, Quantities, References
from symnum.rewriting.expr import slot


def fisher(rows: int, columns: int, mode: str) -> sn.System:
    """D(u) = k lap(u) + u (1 - u^2); neighbours beyond the edge wrap, or are the edge itself ("clip")."""
    (k,) = sn.parameters(k=0.3)
    shape = rows, columns
    i, j = np.indices(shape)
    around = [
        np.ravel_multi_index((i + a, j + b), shape, mode=mode).ravel()
        for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    field, shared = Quantities("variable", GridNames("u", shape)), References((k,))
    here = np.arange(rows * columns)
    u = slot("u", 1)
    root = slot("u", 0) - slot("p", 6) * (sum(slot("u", 2 + n) for n in range(4)) - 4 * u) - u * (1 - u**2)
    table = (
        Column(field, here, derivative=True), Column(field, here), *(Column(field, a) for a in around),
        Column(shared, np.zeros(len(here), np.int64)),
    )  # fmt: skip
    equation = IndexedEquation(root, table, lambda copy: f"equation of {field.names[copy]}")
    return sn.System("fisher", [Block((field, shared), (equation,))])


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_right_hand_side_and_jacobian(mode):
    rows, columns = 30, 40
    compiled = sn.compile(fisher(rows, columns, mode))
    u = np.random.default_rng(0).uniform(0.5, 1.5, rows * columns)
    field = np.pad(u.reshape(rows, columns), 1, mode="wrap" if mode == "wrap" else "edge")
    inner = field[1:-1, 1:-1]
    laplacian = field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2] - 4 * inner
    expected = 0.3 * laplacian + inner * (1 - inner**2)
    p = np.array([0.3])
    np.testing.assert_allclose(compiled.rhs(0.0, u, p), expected.ravel(), rtol=1e-13, atol=1e-14)
    jacobian = compiled.jacobian(0.0, u, p)
    direction, step = np.random.default_rng(1).uniform(-1, 1, len(u)), 1e-3
    moved = {k: compiled.rhs(0.0, u + k * step * direction, p) for k in (-2, -1, 1, 2)}
    slope = (8 * (moved[1] - moved[-1]) - (moved[2] - moved[-2])) / (12 * step)  # exact for cubics
    np.testing.assert_allclose(jacobian @ direction, slope, rtol=1e-10, atol=1e-10)
    # 1 - 3 u^2 - 4 k on the diagonal, and k per neighbour: the rest of a row sums to the reaction's slope
    np.testing.assert_allclose(jacobian @ np.ones(len(u)), 1 - 3 * u**2, rtol=1e-11, atol=1e-12)


def test_generated_code_does_not_grow_with_the_grid():
    small, large = (sn.compile(fisher(n, n + 10, "wrap")).source("llvm") for n in (30, 60))
    assert small == large
    assert sn.compile(fisher(60, 70, "wrap")).states[71] == "u[1,1]"
