"""BDF: variable order and step, kept factors, starts, stops, events and interpolation."""

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError, SolveFailed

D = sn.D
x, y, z = sn.variables("x y z")


def chain(n=200, span=(0, 20)):
    """Diffusion and reaction along a line, forced at one end; f takes its time from the other states."""
    u = [sn.variable(f"u{k}") for k in range(n)]
    beside = [sn.sin(sn.t), *u, 0.0]
    equations = [
        D(u[k]) == 100.0 * (beside[k] - 2 * u[k] + beside[k + 2]) - u[k] ** 3 for k in range(n)
    ]  # fmt: skip
    return sn.Problem(sn.System("chain", equations), dict.fromkeys(u, 0.0), span)


def test_factors_and_jacobians_serve_many_steps():
    problem = chain()
    exact = sn.solve(problem, "Rodas5P", rtol=1e-10, atol=1e-12, saveat=[20.0]).y
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        found = sn.solve(problem, "BDF", rtol=rtol, atol=1e-2 * rtol, saveat=[20.0])
        errors.append(float(np.abs(found.y - exact).max()))
        stats = found.stats
        assert stats.linear == "sparse"
        assert stats.factorizations < 0.35 * stats.steps
        assert stats.jacobians < 0.15 * stats.steps
        assert stats.rhs_evaluations < 2.2 * (stats.steps + stats.rejected)
        assert errors[-1] < 30 * rtol
    assert errors[2] < 0.1 * errors[1] < 0.01 * errors[0]


def test_orders_rise_and_the_steps_with_them():
    problem = sn.Problem(sn.System("s", [D(x) == y, D(y) == -x]), {x: 1, y: 0}, (0, 20))
    steps = [sn.solve(problem, "BDF", rtol=rtol, atol=rtol).stats.steps for rtol in (1e-5, 1e-10)]
    # with order 2 the factor would be 46, with order 5 it is 7
    assert steps[1] < 12 * steps[0]


def test_algebraic_equations_from_the_first_step():
    # z follows x at once, and its rate is known before the first step: no steps are lost on it
    system = sn.System("index_1", [D(x) == -x + y * z, D(y) == -y, z**2 - x - 3 == 0])
    problem = sn.Problem(system, {x: 1.0, y: 1.0, z: 2.0}, (0, 5))
    exact = sn.solve(problem, "Rodas5P", rtol=1e-11, atol=1e-13)
    found = sn.solve(problem, "BDF", rtol=1e-7, atol=1e-9)
    times = np.linspace(0, 5, 201)
    for variable in (x, y, z):
        np.testing.assert_allclose(found(times)[variable], exact(times)[variable], atol=3e-6)
    np.testing.assert_allclose(found[z] ** 2 - found[x], 3.0, atol=1e-7)


def test_a_start_off_the_smooth_solution_and_stiff_decay():
    problem = sn.Problem(sn.System("s", [D(x) == -1e6 * (x - sn.cos(sn.t))]), {x: 3.0}, (0, 10))
    found = sn.solve(problem, "BDF", rtol=1e-6, atol=1e-9)
    after = found.t > 1e-4
    np.testing.assert_allclose(found[x][after], np.cos(found.t[after]), atol=1e-5)
    assert found.stats.steps < 600


def test_stops_between_the_steps_are_exact_and_cost_little():
    problem = sn.Problem(sn.System("s", [D(x) == y, D(y) == -x]), {x: 1, y: 0}, (0, 9))
    whole = sn.solve(problem, "BDF", rtol=1e-7, atol=1e-9)
    stops = [2.0, 2.0 + 1e-9, 5.0]
    stopped = sn.solve(problem, "BDF", rtol=1e-7, atol=1e-9, tstops=stops)
    assert set(stops) < set(stopped.t)
    np.testing.assert_allclose(stopped[x], np.cos(stopped.t), atol=2e-5)
    assert stopped.stats.steps < whole.stats.steps + 150


def test_events_are_located_on_the_polynomial_of_the_order():
    height, speed = sn.variables("height speed")
    system = sn.System("ball", [D(height) == speed, D(speed) == -9.81 - 0.1 * speed])
    bounce = sn.Event(when=height, crossing="down", then={speed: -0.9 * speed})
    problem = sn.Problem(system, {height: 1, speed: 0}, (0, 2.5), events=[bounce])
    exact = sn.solve(problem, "Vern7", rtol=1e-12, atol=1e-12)
    found = sn.solve(problem, "BDF", rtol=1e-8, atol=1e-10)
    assert len(found.events) == len(exact.events) >= 3
    for one, other in zip(found.events, exact.events, strict=True):
        assert one.t == pytest.approx(other.t, abs=1e-6)


def test_a_run_goes_on_with_its_step():
    problem = chain(50, (0, 10))
    first = sn.solve(problem, "BDF", rtol=1e-6, atol=1e-8)
    rest = sn.solve(problem.after(first, end=20.0), "BDF", rtol=1e-6, atol=1e-8, saveat=[20.0])
    exact = sn.solve(problem.with_(span=(0, 20)), "Rodas5P", rtol=1e-10, atol=1e-12, saveat=[20.0])
    np.testing.assert_allclose(rest.y, exact.y, atol=3e-5)


def test_what_it_has_no_use_for_is_refused():
    problem = sn.Problem(sn.System("s", [D(x) == -x]), {x: 1}, (0, 1))
    with pytest.raises(ModelError, match="chooses order and step together"):
        sn.solve(problem, "BDF", controller="PI")
    with pytest.raises(ModelError, match="no specialised step"):
        sn.solve(problem, "BDF", tier="specialised")


def test_equations_that_end_are_named():
    system = sn.System("bounds", [D(x) == sn.exp(x), D(y) == -y])
    with pytest.raises(SolveFailed, match=r"D\(x\) == exp\(x\)") as caught:
        sn.solve(sn.Problem(system, {x: 0, y: 1}, (0, 2)), "BDF")
    assert caught.value.solution.t[-1] == pytest.approx(1, abs=0.01)


def test_the_default_keeps_factors_that_fill_in():
    # couplings without order among 260 unknowns fill the factors; those of a chain do not
    n, others = 260, 10
    u = [sn.variable(f"w{k}") for k in range(n)]
    beside = np.random.default_rng(1).integers(0, n, (n, others))
    equations = [
        D(u[k]) == 1e4 * (1 + k / n) * (sum((u[j] for j in row), 0.0) / (2 * others) - u[k]) + sn.cos(sn.t)
        for k, row in enumerate(beside.tolist())
    ]
    problem = sn.Problem(sn.System("tangle", equations), dict.fromkeys(u, 0.1), (0, 1))
    found = sn.solve(problem, rtol=1e-5)
    assert "BDF" in found.method
    assert "factors that should serve many steps" in found.stats.choice
    exact = sn.solve(problem, "Rodas5P", rtol=1e-9, atol=1e-12, saveat=[1.0])
    np.testing.assert_allclose(found.y[:, -1], exact.y[:, -1], atol=1e-7)
    assert "Rodas5P" in sn.solve(problem, rtol=1e-3).method
    assert "Rodas5P" in sn.solve(chain(300, (0, 100)), rtol=1e-5).method
