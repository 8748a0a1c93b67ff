"""Layers found among the items of a function, and their kernels, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from symnum.codegen.compiled import CompiledFunction
from symnum.codegen.dense_layer import Layer, LayerBack, with_layers
from symnum.codegen.emitter import emitter_for
from symnum.codegen.function import Array, Column, Function, Gather, Loop, Output
from symnum.codegen.netted import netted
from symnum.codegen.pullback import pullback
from symnum.record import replace
from symnum.rewriting.expr import slot
from symnum.rewriting.operators import tanh

SIZES = [(1, 4), (2, 13), (3, 8), (4, 16), (5, 31), (9, 12), (17, 50), (64, 64)]  # rows, columns


def layer(rows: int, columns: int) -> Function:
    """out = tanh(matrix @ u) with the matrix as parameters 3 ..., as a network is written down."""
    k, row = np.arange(rows * columns), np.arange(rows)
    products = Loop(
        "products", rows * columns, (slot("p", 0) * slot("u", 1),),
        (Column("p", 3 + k), Column("u", k % columns)), (Output("w", k),),
    )  # fmt: skip
    sums = Gather(
        "sums",
        Output("w", rows * columns + row),
        columns * np.arange(rows + 1),
        "w",
        k,
        None,
        np.ones(len(k)),
    )
    ends = Loop(
        "ends", rows, (tanh(slot("w", 0)),), (Column("w", rows * columns + row),), (Output("out", row),)
    )
    return Function("layer", (products, sums, ends), rows, rows * columns + rows)


def evaluated(function: Function, u: Array, p: Array, backend: str) -> Array:
    emitter = emitter_for(backend)
    program = emitter.emit({"f": function})
    loaded = emitter.load(program.names, emitter.build(program), program.tables)
    out, work = np.zeros(function.n_out), np.full(max(program.n_work, function.n_work) + 1, np.nan)
    CompiledFunction(loaded.addresses["f"], loaded.owners)(0.0, out, u, p, work)
    return out


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_products_with_a_matrix(rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    u, p = rng.normal(size=columns), rng.normal(size=3 + rows * columns)
    function = layer(rows, columns)
    assert [type(step) for step in with_layers(function)] == [Layer, Loop]
    expected = np.tanh(p[3:].reshape(rows, columns) @ u)
    np.testing.assert_allclose(evaluated(function, u, p, "llvm"), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_their_reverse(rows: int, columns: int) -> None:
    rng = np.random.default_rng(columns)
    u, p, incoming = rng.normal(size=columns), rng.normal(size=3 + rows * columns), rng.normal(size=rows)
    back = pullback(layer(rows, columns), columns, len(p))
    assert back is not None
    assert LayerBack in [type(step) for step in with_layers(back)]
    matrix = p[3:].reshape(rows, columns)
    share = incoming * (1 - np.tanh(matrix @ u) ** 2)
    expected = np.concatenate([share @ matrix, np.zeros(3), np.outer(share, u).ravel()])
    found = evaluated(back, np.concatenate([u, incoming]), p, "llvm")
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_what_is_no_layer_stays() -> None:
    """Products that are read elsewhere, sums with signs, values in another order: the same numbers."""
    rows, columns = 6, 12
    plain = layer(rows, columns)
    products, sums, ends = plain.items
    assert isinstance(products, Loop)
    assert isinstance(sums, Gather)
    assert isinstance(ends, Loop)
    k = np.arange(rows * columns)
    also = Loop("also", 1, (slot("w", 0),), (Column("w", np.array([5])),), (Output("out", np.array([rows])),))
    signs = replace(sums, coefficient=np.where(k % 3, 1.0, -1.0))
    turned = replace(products, columns=(products.columns[0], Column("u", columns - 1 - k % columns)))
    rng = np.random.default_rng(1)
    u, p = rng.normal(size=columns), rng.normal(size=3 + rows * columns)
    for items, n_out in (
        ((products, sums, ends, also), 7),
        ((products, signs, ends), 6),
        ((turned, sums, ends), 6),
    ):
        function = Function("other", items, n_out, plain.n_work)
        assert all(isinstance(step, (Loop, Gather)) for step in with_layers(function))
        found = evaluated(function, u, p, "llvm")
        np.testing.assert_allclose(found, evaluated(function, u, p, "numpy"), rtol=1e-13, atol=1e-14)


def test_products_of_a_layer_are_not_fused_into_other_sums() -> None:
    """Each product occurs in one sum alone, so that `netted` would add them up four at a time."""
    function = layer(64, 64)
    assert [type(step) for step in with_layers(netted(function))] == [Layer, Loop]
