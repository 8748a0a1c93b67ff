"""CVODE and IDA behind `solve`: the same problems, events and outputs as with symnum's own methods."""

import json
from pathlib import Path

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.models.classic.kinetics import robertson

pytest.importorskip("sksundae")

D = sn.D
REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "ivp_reference_values.json").read_text())
x, y, z = sn.variables("x y z")


@pytest.mark.parametrize("method", ["CVODE", "IDA", "ida"])
def test_published_end_values(method):
    solution = sn.solve(robertson(40), method, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(solution.y[:, -1], REFERENCE["rober_40"]["values"], rtol=1e-5)
    assert solution.method == method.upper()
    assert solution.stats.steps == len(solution.t) - 1
    assert solution.stats.jacobians > 0


@pytest.fixture(scope="module")
def circuit():
    # index 1, nonlinear: the algebraic unknown has to be solved for
    system = sn.System("s", [D(x) == -y, y + y**3 == x])
    return sn.Problem(system, {x: 2}, (0, 3))


def test_algebraic_equations_need_ida(circuit):
    exact = sn.solve(circuit, "Rodas5P", rtol=1e-11, atol=1e-12)
    times = np.linspace(0, 3, 50)
    found = sn.solve(circuit, "IDA", rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found(times)[y], exact(times)[y], atol=1e-6)
    np.testing.assert_allclose(found[y] + found[y] ** 3, found[x], atol=1e-8)
    with pytest.raises(ModelError, match="Use IDA"):
        sn.solve(circuit, "CVODE")


@pytest.mark.parametrize("method", ["CVODE", "IDA"])
def test_saved_times_and_values_between_the_steps(method):
    problem = sn.Problem(sn.System("s", [D(x) == y, D(y) == -x]), {x: 1, y: 0}, (0, 10))
    grid = np.linspace(0, 10, 101)
    on_grid = sn.solve(problem, method, rtol=1e-8, atol=1e-10, saveat=grid)
    at_steps = sn.solve(problem, method, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(on_grid.t, grid)
    np.testing.assert_allclose(on_grid[x], np.cos(grid), atol=1e-5)
    # the polynomial is SUNDIALS' own
    np.testing.assert_allclose(at_steps(grid)[x], on_grid[x], atol=1e-9)


@pytest.mark.parametrize("method", ["CVODE", "IDA"])
def test_events(method):
    h, v = sn.variables("h v")
    (count,) = sn.parameters(count=0)
    events = [
        sn.Event(when=h, crossing="down", then={v: -0.9 * v, count: count + 1}),
        sn.Event(at=1.0, then={v: v + 1}),
    ]
    problem = sn.Problem(sn.System("ball", [D(h) == v, D(v) == -9.81]), {h: 1, v: 0}, (0, 2), events=events)
    found = sn.solve(problem, method, rtol=1e-9, atol=1e-11)
    wanted = sn.solve(problem, "Tsit5", rtol=1e-10, atol=1e-12)
    assert [str(e.event) for e in found.events] == [str(e.event) for e in wanted.events]
    np.testing.assert_allclose([e.t for e in found.events], [e.t for e in wanted.events], atol=1e-6)
    np.testing.assert_allclose(found(1.5)[h], wanted(1.5)[h], atol=1e-6)
    assert found[count][-1] == wanted[count][-1] >= 2


def test_a_large_sparse_system():
    n = 150
    u = [sn.variable(f"u{k}") for k in range(n)]
    scale = (n + 1) ** 2
    padded = [0, *u, 0]
    system = sn.System("heat", [D(u[k]) == scale * (padded[k] - 2 * u[k] + padded[k + 2]) for k in range(n)])
    nodes = np.arange(1, n + 1) / (n + 1)
    start = {u[k]: float(np.sin(np.pi * nodes[k])) for k in range(n)}
    decay = 4 * scale * np.sin(np.pi / 2 / (n + 1)) ** 2
    for method in ("CVODE", "IDA"):
        solution = sn.solve(sn.Problem(system, start, (0, 0.1)), method, rtol=1e-6, atol=1e-8, saveat=[0.1])
        np.testing.assert_allclose(
            solution.y[:, -1], np.exp(-0.1 * decay) * np.sin(np.pi * nodes), rtol=2e-4, err_msg=method
        )


def test_what_it_cannot_do_is_said(circuit):
    limited = sn.Problem(sn.System("s", [D(x) == 1, sn.Limit(x, high=0.5)]), {x: 0})
    with pytest.raises(ModelError, match="hard limits"):
        sn.solve(limited, "CVODE")
    smooth = sn.Problem(sn.System("s", [D(x) == -x]), {x: 1})
    with pytest.raises(ModelError, match="controls its steps itself"):
        sn.solve(smooth, "CVODE", step=0.1)
    with pytest.raises(ModelError, match="single problems"):
        sn.solve_ivp(lambda t, u: -u, (0, 1), [1.0], "CVODE")
    with pytest.raises(sn.SolveFailed, match="stopped at t"):
        sn.solve(sn.Problem(sn.System("s", [D(x) == x**2]), {x: 1}, (0, 2)), "CVODE")
