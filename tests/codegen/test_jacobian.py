"""Derivatives of whole functions against differences and complex steps of the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csc_array

from symnum.codegen.emit_numpy import evaluate
from symnum.codegen.function import Array, Column, Function, Loop, Output
from symnum.codegen.jacobian import jacobian
from symnum.codegen.model import build_model
from symnum.codegen.time_gradient import time_gradient
from symnum.record import replace
from symnum.rewriting.expr import slot

STEP = 2e-3
WEIGHTS = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}  # central differences of order 6


def value(function: Function, t: float | complex, u: Array, p: Array) -> Array:
    kind = np.result_type(np.asarray(t), u, float)
    out = np.full(function.n_out, np.nan, kind)
    evaluate(function, t, out, u, p, np.full(function.n_work, np.nan, kind))
    return out


def dense(model) -> Array:
    plan = jacobian(model.rhs, model.n)
    values = value(plan.function, model.t, model.u, model.p)
    return csc_array((values, plan.pattern.indices, plan.pattern.indptr), shape=(model.n, model.n)).toarray()


def differences(f, x: Array) -> Array:
    """df/dx for f of an array, order 6."""
    columns = []
    for k in range(len(x)):
        e = np.zeros(len(x))
        e[k] = STEP
        columns.append(sum(c * (f(x + j * e) - f(x - j * e)) for j, c in WEIGHTS.items()) / STEP)
    return np.stack(columns, 1)


def test_jacobian_is_the_difference_quotient(model):
    found = dense(model)
    expected = differences(lambda u: value(model.rhs, model.t, u, model.p), model.u)
    assert np.all(np.isfinite(found))
    smooth = np.isclose(found, expected, rtol=3e-9, atol=3e-9)
    # a difference across a kink is no derivative; there must be few of them
    assert smooth.all() if model.smooth else smooth.mean() > 0.95


def test_jacobian_is_the_complex_step(model):
    if not model.complex_step:
        pytest.skip("not analytic")
    found = dense(model)
    h = 1e-30
    for k in range(model.n):
        u = model.u.astype(complex)
        u[k] += 1j * h
        column = value(model.rhs, model.t, u, model.p).imag / h
        assert column == pytest.approx(found[:, k], rel=2e-14, abs=2e-14)


def test_pattern_is_sorted_and_no_wider_than_needed(model):
    plan = jacobian(model.rhs, model.n)
    assert plan.pattern.indptr[0] == 0
    assert plan.pattern.indptr[-1] == len(plan.pattern.indices)
    for column in range(model.n):
        rows = plan.pattern.indices[plan.pattern.indptr[column] : plan.pattern.indptr[column + 1]]
        assert np.all(np.diff(rows) > 0)
    expected = differences(lambda u: value(model.rhs, model.t, u, model.p), model.u)
    if model.smooth:
        # a structural entry may vanish at a point, but hardly half of them do
        assert np.count_nonzero(np.abs(expected) > 1e-8) > 0.5 * len(plan.pattern.indices)


def test_time_gradient(model):
    gradient = time_gradient(model.rhs)
    f = [value(model.rhs, model.t + k * STEP, model.u, model.p) for k in (-3, -2, -1, 1, 2, 3)]
    expected = (WEIGHTS[1] * (f[3] - f[2]) + WEIGHTS[2] * (f[4] - f[1]) + WEIGHTS[3] * (f[5] - f[0])) / STEP
    if gradient is None:
        assert not expected.any()
    else:
        assert value(gradient, model.t, model.u, model.p) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_autonomous_functions_have_no_time_gradient(models):
    assert time_gradient(models["lorenz"]().rhs) is None
    assert time_gradient(models["timed"]().rhs) is not None


def test_entries_that_cancel_exactly_are_left_out():
    i = np.arange(20)
    first = Loop("a", 20, (slot("u", 0) - slot("u", 1), slot("u", 1)), (Column("u", i), Column("u", 20 + i)),
                 (Output("w", i), Output("w", 20 + i)))  # fmt: skip
    second = Loop(
        "b", 20, (slot("w", 0) + slot("w", 1),), (Column("w", i), Column("w", 20 + i)), (Output("out", i),)
    )
    plan = jacobian(Function("f", (first, second), 40, 40), 40)
    assert len(plan.pattern.indices) == 20
    assert np.array_equal(plan.pattern.indices, i)


def test_work_grows_with_shapes_and_not_with_copies(sized):
    small, large = (jacobian(sized(k).rhs, sized(k).n).function for k in (4, 8))
    assert len(small.items) == len(large.items)
    assert [len(a.roots) for a in small.items if isinstance(a, Loop)] == [
        len(b.roots) for b in large.items if isinstance(b, Loop)
    ]


def large_grid(clipped: bool) -> Function:
    """Diffusion and reaction on 30 x 30 points, two fields; outer neighbours wrap or are clipped."""
    shape, size = (30, 30), 900
    grid = np.arange(size).reshape(shape)
    i, j = np.indices(shape)
    mode = "clip" if clipped else "wrap"
    around = [
        np.ravel_multi_index((i + a, j + b), shape, mode=mode).ravel()
        for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    x, y = slot("u", 0), slot("u", 1)
    diffusion = slot("p", 6) * sum((slot("u", 2 + k) for k in range(4)), -4 * x)
    moved = slot("u", 2) * slot("u", 3) * slot("c", 7)
    loops = []
    for field in range(2):
        here, other = grid.ravel() + field * size, grid.ravel() + (1 - field) * size
        columns = (
            Column("u", here), Column("u", other), *(Column("u", a + field * size) for a in around),
            Column("p", np.full(size, field)), Column("c", np.linspace(1, 2, size)),
        )  # fmt: skip
        root = diffusion + x * x * y + (moved if field else 0)
        loops.append(Loop(f"field {field}", size, (root,), columns, (Output("out", here),)))
    # some rows get more: entries at places that the blocks have already
    more = np.arange(0, 600)
    loops.append(
        Loop(
            "more", 600, (slot("u", 0) * slot("u", 1),), (Column("u", more), Column("u", more + size)),
            (Output("out", more, accumulate=True),),
        )
    )  # fmt: skip
    return Function("grid", tuple(loops), 2 * size, 0)


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_large_loops(clipped, whole):
    function = large_grid(clipped)
    if not whole:
        function = replace(function, items=function.items[:2])
    model = build_model(function, mass=np.ones(1800), n_parameters=2)
    rng = np.random.default_rng(5)
    u, p = rng.uniform(0.5, 1.5, 1800), np.array([0.3, 0.7])
    found = model.jacobian(0.0, u, p)
    assert (np.diff(found.indptr) > 0).all()
    for column in range(1800):
        assert (np.diff(found.indices[found.indptr[column] : found.indptr[column + 1]]) > 0).all()
    for _ in range(3):
        direction, step = rng.uniform(-1, 1, 1800), 1e-3
        after, before = (model.rhs(0.0, u + h * direction, p) for h in (step, -step))
        twice, half = (model.rhs(0.0, u + h * direction, p) for h in (2 * step, -2 * step))
        expected = (8 * (after - before) - (twice - half)) / (12 * step)  # exact for cubic functions
        np.testing.assert_allclose(found @ direction, expected, rtol=1e-10, atol=1e-11)
