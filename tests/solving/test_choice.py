"""Which method runs when none is asked for, and changes of the method during a run."""

import json
from pathlib import Path

import numpy as np
import pytest

import symnum as sn
from symnum.models.classic.kinetics import robertson
from symnum.solving.choice import Choice, stability_interval
from symnum.solving.integrator import Integrator
from symnum.solving.step_options import StepOptions

D = sn.D
REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "ivp_reference_values.json").read_text())
x, y, z = sn.variables("x y z")


def test_stability_intervals():
    # of R = 1 + z + z^2/2 + z^3/6: the root of R = -1, Hairer and Wanner II, IV.2
    assert stability_interval(sn.METHODS["BS3"]) == pytest.approx(2.5127, abs=0.01)
    assert 3.0 < stability_interval(sn.METHODS["Tsit5"]) < stability_interval(sn.METHODS["Vern7"])


def test_the_spectral_radius_is_that_of_the_jacobian():
    system = sn.System("s", [D(x) == -3 * x + 40 * y, D(y) == -40 * x - 3 * y, D(z) == x - 7 * z])
    problem = sn.Problem(system, {x: 1, y: 0, z: 0})
    integrator = Integrator(
        problem.compiled.model.functions, sn.METHODS["Tsit5"], StepOptions(rtol=1e-6, atol=np.full(3, 1e-6))
    )
    integrator.start(0.0, problem.u, problem.p)
    Choice(problem.compiled.model.functions, 1e-6, interpolated=False).watch(integrator, 1e-3)
    integrator.advance(100.0, pause_after=70)
    eigenvalues = np.linalg.eigvals(problem.compiled.jacobian(0.0, problem.u, problem.p).toarray())
    assert integrator.outlook[1] == pytest.approx(np.abs(eigenvalues).max(), rel=0.05)


def test_smooth_problems_get_an_explicit_method():
    system = sn.System("s", [D(x) == 1.5 * x - x * y, D(y) == x * y - 3 * y])
    problem = sn.Problem(system, {x: 1, y: 1}, (0, 10))
    loose = sn.solve(problem, rtol=1e-4)
    assert loose.method == "Tsit5"
    assert loose.stats.choice.startswith("Tsit5: by the rates at the start")
    assert sn.solve(problem, rtol=1e-2).method == "BS3"
    assert sn.solve(problem, rtol=1e-8, saveat=[10]).method == "Vern7"
    same = sn.solve(problem, "Tsit5", rtol=1e-4)
    np.testing.assert_array_equal(loose.y, same.y)
    assert same.stats.choice == "asked for"


def test_networks_held_back_by_stability_get_a_lower_order():
    n = 60
    beside = np.random.default_rng(2).integers(0, n, (n, 12))
    u = [sn.variable(f"q{k}") for k in range(n)]
    total = [sum((u[j] for j in row), 0.0) for row in beside.tolist()]
    decay = [D(u[k]) == 90 * (total[k] / 24 - u[k]) + sn.cos(sn.t) for k in range(n)]
    # u_k' = sum_j A_kj u_j with an antisymmetric A: nothing decays
    matrix = np.random.default_rng(3).normal(size=(n, n))
    rows = (matrix - matrix.T).tolist()
    turns = [D(u[k]) == sum(a * v for a, v in zip(rows[k], u, strict=True)) for k in range(n)]
    # a hundred radians of the turns add their errors up
    for equations, loose, tight, many in ((decay, "BS3", "Tsit5", 10), (turns, "Tsit5", "Vern7", 100)):
        problem = sn.Problem(sn.System("network", equations), dict.fromkeys(u, 0.1), (0, 5))
        exact = sn.solve(problem, "DOP853", rtol=1e-12, atol=1e-14, saveat=[5.0]).y
        for rtol, method in ((1e-4, loose), (1e-6, tight)):
            found = sn.solve(problem, rtol=rtol, atol=rtol, saveat=[5.0])
            assert found.method == method
            np.testing.assert_allclose(found.y, exact, atol=many * rtol)


def test_algebraic_equations_and_fast_rates_get_rodas5p():
    algebraic = sn.System("s", [D(x) == -y, y + sn.exp(y) == x])
    solution = sn.solve(sn.Problem(algebraic, {x: 1}))
    assert solution.method == "Rodas5P"
    assert "1 algebraic equation" in solution.stats.choice
    stiff = sn.solve(robertson(), rtol=1e-8, atol=1e-16, saveat=[1e11])
    assert stiff.method == "Rodas5P"
    np.testing.assert_allclose(stiff.y[:, -1], REFERENCE["rober"]["values"], rtol=1e-5)


@pytest.mark.parametrize("rtol", [1e-4, 1e-8])
def test_a_run_that_becomes_stiff_changes_over(rtol):
    # at the start only the slow reaction runs
    problem = robertson(40)
    solution = sn.solve(problem, rtol=rtol, atol=rtol * 1e-5)
    assert solution.method in ("Tsit5, Rodas5P", "Vern7, Rodas5P")
    assert "held back by stability" in solution.stats.choice
    np.testing.assert_allclose(solution.y[:, -1], REFERENCE["rober_40"]["values"], rtol=200 * rtol)
    # one solution: times in order, every step counted, values between the steps on both sides of the change
    assert (np.diff(solution.t) > 0).all()
    assert solution.stats.steps == len(solution.t) - 1
    dense = solution(solution.t)
    np.testing.assert_allclose(dense.y, solution.y, rtol=1e-12, atol=1e-18)
    fine = sn.solve(problem, "Rodas5P", rtol=1e-10, atol=1e-16)
    times = np.linspace(0, 40, 300)
    np.testing.assert_allclose(solution(times)["C"], fine(times)["C"], rtol=0, atol=200 * rtol)
    again = sn.solve(problem, rtol=rtol, atol=rtol * 1e-5)
    np.testing.assert_array_equal(again.y, solution.y)


def test_a_run_that_ceases_to_be_stiff_changes_over():
    # x follows the slow y until the bond between them has faded away
    system = sn.System("s", [
        D(x) == -1e6 * sn.exp(-4 * sn.t) * (x - y) - y + sn.cos(7 * sn.t), D(y) == z, D(z) == -36 * y,
    ])  # fmt: skip
    problem = sn.Problem(system, {x: 1, y: 1, z: 0}, (0, 60))
    solution = sn.solve(problem, rtol=1e-6, atol=1e-8)
    assert solution.method == "Rodas5P, Tsit5"
    fine = sn.solve(problem, "Rodas5P", rtol=1e-10, atol=1e-12, saveat=[1, 20, 60])
    np.testing.assert_allclose(solution([1, 20, 60])[x], fine[x], atol=5e-4)
    np.testing.assert_allclose(fine[y], np.cos(6 * fine.t), atol=1e-6)


def test_events_and_limits_go_on_through_a_change():
    # crossings of an oscillation beside the Robertson reaction are counted, and a state is at its bound
    a, b = sn.variables("a b")
    c, (count,) = sn.variable("c"), sn.parameters(count=0)
    system = sn.System("s", [
        D(x) == -0.04 * x + 1e4 * y * z, D(y) == 0.04 * x - 1e4 * y * z - 3e7 * y**2, D(z) == 3e7 * y**2,
        D(a) == 3 * b, D(b) == -3 * a, D(c) == sn.cos(0.2 * sn.t),
        sn.Limit(c, high=0.5),
    ])  # fmt: skip
    crossing = sn.Event(when=a, then={count: count + 1})
    problem = sn.Problem(system, {x: 1, y: 0, z: 0, a: 0.5, b: 1, c: 0}, (0, 20), events=[crossing])
    found = sn.solve(problem, rtol=1e-6, atol=1e-10)
    wanted = sn.solve(problem, "Rodas5P", rtol=1e-8, atol=1e-12)
    assert ", Rodas5P" in found.method
    assert len(found.events) == len(wanted.events) == 19
    np.testing.assert_allclose([e.t for e in found.events], [e.t for e in wanted.events], atol=1e-3)
    times = np.linspace(0, 20, 200)
    np.testing.assert_allclose(found(times)[c], wanted(times)[c], atol=1e-4)
    assert found[c].max() <= 0.5 + 1e-9


def test_an_ensemble_is_stiff_if_one_of_its_members_is():
    (k,) = sn.parameters(k=1)
    problem = sn.Problem(sn.System("s", [D(x) == -k * (x - sn.cos(sn.t))]), {x: 1}, (0, 10))
    slow = sn.solve(sn.Ensemble(problem, {k: np.linspace(1, 2, 50)}))
    mixed = sn.solve(sn.Ensemble(problem, {k: np.geomspace(1, 1e6, 50)}))
    assert slow.stats.steps.mean() < mixed.stats.steps.max()
    exact = (1e6**2 * np.cos(10) + 1e6 * np.sin(10)) / (1 + 1e6**2)
    assert mixed.y[-1, 0, -1] == pytest.approx(exact, abs=1e-5)
    assert mixed.stats.steps.max() < 1000  # an explicit method would need millions
    # one that is not among those looked at is done again
    values = np.ones(64)
    values[3] = 1e7
    lone = sn.solve(sn.Ensemble(problem, {k: values}), max_steps=5000)
    assert (lone.status == "done").all()
    assert lone.y[3, 0, -1] == pytest.approx(np.cos(10), abs=1e-5)
    assert lone.stats.alone == 1
