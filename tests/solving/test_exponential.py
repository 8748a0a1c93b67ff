"""Exponential Rosenbrock methods: phi-functions against dense exponentials, and whole problems."""

import numpy as np
import pytest
from scipy.linalg import expm

import symnum as sn
from symnum.errors import ModelError, SolveFailed
from symnum.models.spatial import reaction_diffusion
from symnum.solving.tableaus import METHODS

D = sn.D
x, y = sn.variables("x y")
NAMES = ["exprb32", "exprb43"]


def phi(k, matrix, vector):
    """phi_k(matrix) vector, from one dense exponential with the vector beside the matrix."""
    n = len(matrix)
    whole = np.zeros((n + k, n + k))
    whole[:n, :n], whole[:n, n] = matrix, vector
    whole[range(n, n + k - 1), range(n + 1, n + k)] = 1.0
    return expm(whole)[:n, n + k - 1]


def step_by_hand(name, f, jacobian, gradient, u, h):
    """The formulas of the paper, from t = 0, with dense matrices."""
    matrix, v = jacobian(u), gradient

    def remainder(c, state):
        return f(c * h, state) - f(0.0, u) - matrix @ (state - u) - c * h * v

    def start(c):
        part = c * h * matrix
        return u + c * h * phi(1, part, f(0.0, u)) + (c * h) ** 2 * phi(2, part, v)

    linear = start(1.0)
    if name == "exprb32":
        return linear + 2 * h * phi(3, h * matrix, remainder(1.0, linear))
    d2 = remainder(0.5, start(0.5))
    d3 = remainder(1.0, linear + h * phi(1, h * matrix, d2))
    third, fourth = 16 * d2 - 2 * d3, -48 * d2 + 12 * d3
    return linear + h * (phi(3, h * matrix, third) + phi(4, h * matrix, fourth))


@pytest.mark.parametrize("n", [6, 60, 510])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_against_dense_phi_functions(name, n):
    # a stiff line of n unknowns that are driven: all phi-functions, and substeps, take part
    w = [sn.variable(f"w{k}") for k in range(n)]
    beside = [sn.sin(3 * sn.t), *w, 0.5]
    spread, wind = 0.05 * n**1.5, 0.3 * n**0.75
    equations = [
        D(w[k])
        == spread * (beside[k] - 2 * w[k] + beside[k + 2]) + wind * (beside[k] - beside[k + 2]) - w[k] ** 3
        for k in range(n)
    ]
    start = np.cos(np.linspace(0, 3, n))
    problem = sn.Problem(sn.System("line", equations), dict(zip(w, start, strict=True)), (0.0, 0.1))
    compiled = sn.compile(problem.system)
    below, above = np.full(n - 1, spread + wind), np.full(n - 1, spread - wind)
    matrix = np.diag(below, -1) + np.diag(above, 1) - 2 * spread * np.eye(n)

    def f(t, u):
        out = matrix @ u - u**3
        out[0] += (spread + wind) * np.sin(3 * t)
        out[-1] += (spread - wind) * 0.5
        return out

    def jacobian(u):
        return matrix - 3 * np.diag(u**2)

    np.testing.assert_allclose(compiled.jacobian(0.0, start, problem.p).toarray(), jacobian(start))
    gradient = np.zeros(n)
    gradient[0] = 3 * (spread + wind)
    found = sn.solve(problem, name, step=0.1, rtol=1e-9, atol=1e-10)
    exact = step_by_hand(name, f, jacobian, gradient, start, 0.1)
    np.testing.assert_allclose(found.y[:, -1], exact, rtol=0, atol=2e-10)
    assert found.stats.jacobians == 1
    assert found.stats.factorizations == found.stats.solves == 0


@pytest.mark.parametrize("name", NAMES)
def test_linear_systems_are_solved_exactly(name):
    system = sn.System("linear", [D(x) == -50 * x + 49 * y + sn.t, D(y) == 49 * x - 50 * y + 1])
    found = sn.solve(sn.Problem(system, {x: 1, y: 0}, (0, 4)), name, step=2.0, rtol=1e-10, atol=1e-12)
    exact = sn.solve(sn.Problem(system, {x: 1, y: 0}, (0, 4)), "Rodas5P", rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found.y[:, -1], exact.y[:, -1], rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_reaction_and_diffusion_on_a_square(name):
    model = reaction_diffusion.brusselator(diffusivity=2.0)
    grid = dict.fromkeys(model.coordinates, sn.Central(16))
    problem = sn.Problem(sn.discretize(model, grid), span=(0.0, 1.0))
    exact = sn.solve(problem, "Rodas5P", rtol=1e-9, atol=1e-11, saveat=[1.0]).y
    errors = []
    for rtol in (1e-3, 1e-5):
        found = sn.solve(problem, name, rtol=rtol, atol=rtol, saveat=[1.0])
        errors.append(np.abs(found.y - exact).max())
        # the steps are those of accuracy: an explicit method needs thousands
        assert found.stats.steps < 400
        assert found.stats.linear == "none"
    assert errors[0] < 3e-2
    assert errors[1] < 3e-4


def test_a_linear_part_that_is_far_too_stiff_is_slow_and_right():
    # Prothero and Robinson's equation for many time constants at once: Krylov spaces need substeps
    n = 40
    w = [sn.variable(f"v{k}") for k in range(n)]
    rates = np.logspace(0, 6, n)
    smooth = sn.sin(sn.t)
    equations = [
        D(u) == -rate * (u - smooth) + sn.cos(sn.t) for u, rate in zip(w, rates.tolist(), strict=True)
    ]
    problem = sn.Problem(sn.System("prothero_robinson", equations), dict.fromkeys(w, 0.0), (0, 1))
    found = sn.solve(problem, "exprb43", rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.y[:, -1], np.sin(1.0), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_events_and_values_between_the_steps(name):
    system = sn.System("s", [D(x) == y, D(y) == -x])
    problem = sn.Problem(system, {x: 1, y: 0}, (0, 6), events=[sn.Event(when=x, then={y: 2 * y})])
    found = sn.solve(problem, name, rtol=1e-6, atol=1e-8, max_step=0.2)
    np.testing.assert_allclose([e.t for e in found.events], [np.pi / 2, 3 * np.pi / 2], atol=1e-4)
    np.testing.assert_allclose(found([0.5, 1.0])[x], np.cos([0.5, 1.0]), atol=1e-5)


def test_what_they_cannot_do_is_said():
    with pytest.raises(ModelError, match="cannot solve systems with algebraic"):
        sn.solve(sn.Problem(sn.System("dae", [D(x) == -y, y**3 + y == x]), {x: 1, y: 0.6}, (0, 1)), "exprb43")
    with pytest.raises(SolveFailed, match=r"D\(x\) == exp\(x\)"):
        sn.solve(sn.Problem(sn.System("bounds", [D(x) == sn.exp(x)]), {x: 0}, (0, 2)), "exprb43")
    assert METHODS["exprb43"].stages == 3
