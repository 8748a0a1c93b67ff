import numpy as np
import pytest

from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.model import build_model
from symnum.codegen.rows import row_offsets, rows_of
from symnum.rewriting.expr import slot


def ring(rows: int, columns: int) -> np.ndarray:
    return np.arange(rows * columns).reshape(rows, columns)


def test_wrapped_neighbours_come_in_rows():
    grid = ring(20, 30)
    east, south = np.roll(grid, -1, 1).ravel(), np.roll(grid, -1, 0).ravel()
    found = rows_of([grid.ravel(), east, south], [False, True, True])
    assert found is not None
    assert found.stride == (None, 1, 1)
    # a break before the last point of each row, one at each end of a row
    expected = np.union1d(np.arange(0, 600, 30), np.arange(29, 600, 30))
    assert found.start.tolist() == [*expected.tolist(), 600]
    for index in (east, south):
        offsets = np.repeat(row_offsets(found, index, 1), np.diff(found.start))
        assert (offsets + np.arange(600) == index).all()


def test_scattered_columns_stay_tables():
    scattered = np.random.default_rng(3).permutation(900)
    assert rows_of([scattered], [True]) is None
    found = rows_of([scattered, np.roll(ring(30, 30), -1, 1).ravel()], [True, True])
    assert found is not None
    assert found.stride == (None, 1)
    assert rows_of([np.roll(ring(100, 6), -1, 1).ravel()], [True]) is None  # short rows


@pytest.mark.parametrize("shape", [(40, 50), (8, 10, 36)])
@pytest.mark.parametrize("stride", [1, 2])
def test_diffusion_on_a_wrapped_grid(shape, stride):
    size = int(np.prod(shape))
    grid = np.arange(size).reshape(shape)
    around = [np.roll(grid, shift, axis).ravel() for axis in range(len(shape)) for shift in (1, -1)]
    scattered = np.random.default_rng(1).permutation(size)
    columns = [grid.ravel(), *around]
    loop = Loop(
        "diffusion", size,
        (sum((slot("u", k + 1) for k in range(len(around))), -slot("u", 0) ** 3) * slot("p", len(columns))
         + slot("c", len(columns) + 1),),
        (
            *(Column("u", stride * c) for c in columns), Column("p", scattered),
            Column("c", np.arange(size) / size),
        ),
        (Output("out", stride * np.roll(grid, 1, -1).ravel()),),
    )  # fmt: skip
    n = size * stride
    even = 2 * grid.ravel()
    rest = Loop("rest", size, (slot("u", 0),), (Column("u", even),), (Output("out", even + 1),))
    function = Function("f", (loop, rest) if stride == 2 else (loop,), n, 0)
    model = build_model(function, mass=np.ones(n), n_parameters=size)
    assert "%starts" in model.source("llvm")
    rng = np.random.default_rng(2)
    u, p = rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, size)
    value = u[::stride]
    expected = (sum(value[a] for a in around) - value**3) * p[scattered] + np.arange(size) / size
    found = model.rhs(0.0, u, p)
    np.testing.assert_allclose(found[stride * np.roll(grid, 1, -1).ravel()], expected, rtol=1e-14)
    direction = rng.uniform(-1, 1, n)
    step = 1e-6
    after, before = (model.rhs(0.0, u + h * direction, p) for h in (step, -step))
    difference = (after - before) / (2 * step)
    np.testing.assert_allclose(model.jacobian(0.0, u, p) @ direction, difference, rtol=1e-6, atol=1e-7)
