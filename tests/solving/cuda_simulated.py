"""Run by `test_cuda_ensemble` in a process in which numba simulates the GPU: against the CPU's solver.

Step control is the same on both sides, so steps are compared one by one; round-off differs, as the CPU fuses
multiplication and addition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.codegen import cuda_toolkit
from symnum.codegen.model_functions import FloatArray
from symnum.solving.cuda.ensemble import CudaEnsemble, EnsembleRun, solve_ensemble_cuda
from symnum.solving.cuda.integrate import solve_cuda
from symnum.solving.statistics import Status
from symnum.solving.tableaus import find

# the simulator warns where a GPU goes on with infinities
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
D = sn.D
x, y, z = sn.variables("x y z")
k, r = sn.parameters(k=1.0, r=2.0)


def lorenz() -> sn.Problem:
    s, rho, b = sn.parameters(sigma=10, rho=28, beta=8 / 3)
    system = sn.System("lorenz", [D(x) == s * (y - x), D(y) == x * (rho - z) - y, D(z) == x * y - b * z])
    return sn.Problem(system, {x: 1, y: 0, z: 0}, span=(0, 1.5))


def robertson() -> sn.Problem:
    slow = r * x / 50
    system = sn.System(
        "robertson",
        [D(x) == -slow + 1e4 * y * z, D(y) == slow - 1e4 * y * z - 3e7 * y**2, D(z) == 3e7 * y**2],
    )
    return sn.Problem(system, {x: 1, y: 0, z: 0}, span=(0, 1e3))


def forced() -> sn.Problem:
    """Stiff and driven: needs df/dt; one parameter-only value is prepared."""
    system = sn.System("forced", [D(x) == -200 * sn.exp(k) * (x - sn.cos(r * sn.t)), D(y) == x - k * y])
    return sn.Problem(system, {x: 0.5, y: 0}, span=(0, 3))


def semi_explicit() -> sn.Problem:
    """Index 1: y is given by a cubic that cannot be solved for it."""
    system = sn.System("cubic", [D(x) == -k * y, y**3 + r * y == x + sn.sin(sn.t)])
    return sn.Problem(system, {x: 1.0}, span=(0, 4))


def members(problem: sn.Problem, count: int = 3) -> tuple[FloatArray, FloatArray]:
    """Parameters (count, n_p) and consistent starts (count, n), all different."""
    from symnum.solving.start import consistent_start

    parameters = np.tile(problem.p, (count, 1)) * (1 + 0.1 * np.arange(count))[:, None]
    starts = []
    for row in parameters:
        changed = problem.with_(parameters=dict(zip(problem.compiled.parameters, row, strict=True)))
        starts.append(consistent_start(changed)[0])
    return parameters, np.array(starts)


def run(problem: sn.Problem, method: str, times: Any, **options: Any) -> EnsembleRun:
    parameters, starts = members(problem)
    ensemble = CudaEnsemble.of(problem.compiled.model, find(method))
    options = {"rtol": 1e-6, "atol": np.full(starts.shape[1], 1e-9), **options}
    return ensemble.run(problem.span, np.asarray(times, float), starts, parameters, **options)


CASES = {
    "lorenz": (lorenz, "Tsit5", [0, 0.3, 0.31, 0.32, 1.5]),
    "robertson": (robertson, "Rodas4P", [0.5, 7.0, 1000.0]),
    "robertson 5": (robertson, "Rodas5P", [0, 1.0, 2.0]), "forced": (forced, "Rodas4P", [0.0, 1.0, 2.5, 3.0]),
    "cubic": (semi_explicit, "Rodas4P", [0, 2.2, 4.0]), "cubic 5": (semi_explicit, "Rodas5P", [4.0]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_step_is_the_same_as_on_the_cpu(case):
    make, method, times = CASES[case]
    problem = make()
    found = run(problem, method, times)
    assert cuda_toolkit.simulated()
    assert (found.status == Status.DONE.value).all()
    for i, row in enumerate(members(problem)[0]):
        values = dict(zip(problem.compiled.parameters, row, strict=True))
        expected = sn.solve(problem.with_(parameters=values), method, rtol=1e-6, atol=1e-9, saveat=times)
        assert (found.steps[i], found.rejected[i]) == (expected.stats.steps, expected.stats.rejected)
        # round-off of an error estimate moves the steps by its share of the tolerance
        assert np.all(np.abs(found.y[i] - expected.y) <= 1e-9 * (1 + np.abs(expected.y)))


def test_accuracy_is_that_of_the_method():
    """Against a much finer computation by another method, in an order of magnitude of the tolerance."""
    problem = forced()
    found = run(problem, "Rodas4P", [3.0])
    for i, row in enumerate(members(problem)[0]):
        values = dict(zip(problem.compiled.parameters, row, strict=True))
        fine = sn.solve(problem.with_(parameters=values), "Rodas5P", rtol=1e-11, atol=1e-13, saveat=[3.0])
        assert np.abs(found.y[i] - fine.y).max() < 1e-5


def test_one_trajectory_may_fail_without_the_others():
    """x' = k x^2 from 1 grows beyond all bounds at t = 1/k."""
    problem = sn.Problem(sn.System("growth", [D(x) == k * x**2]), {x: 1}, span=(0, 2))
    _, found, status, *_ = solve_ensemble_cuda(
        problem, np.array([[0.25], [1.0], [0.4]]), np.ones((3, 1)), saveat=np.array([0.5, 2.0])
    )
    assert status[0] == status[2] == Status.DONE.value
    assert Status(status[1]) in (Status.STEP_TOO_SMALL, Status.NOT_FINITE)
    assert np.allclose(found[[0, 2], 0, 1], [2.0, 5.0], rtol=1e-4)
    assert np.allclose(found[:, 0, 0], 1 / (1 - 0.5 * np.array([0.25, 1.0, 0.4])), rtol=1e-4)
    assert np.isnan(found[1, 0, 1])


def test_steps_are_limited():
    found = run(lorenz(), "Tsit5", [0.001, 1.5], max_steps=12)
    assert (found.status == Status.MAX_STEPS_REACHED.value).all()
    assert (found.steps == 12).all()
    assert np.isfinite(found.y[:, :, 0]).all()
    assert np.isnan(found.y[:, :, 1]).all()


def test_not_finite_from_the_beginning():
    problem = sn.Problem(sn.System("root", [D(x) == sn.sqrt(x - k)]), {x: 1.5}, span=(0, 1))
    _, found, status, *_ = solve_ensemble_cuda(problem, np.array([[1.0], [2.0]]), np.full((2, 1), 1.5))
    assert list(status) == [Status.DONE.value, Status.NOT_FINITE.value]
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


# ---- one large system -------------------------------------------------------------------------------------
def ring(n: int = 9) -> sn.Problem:
    u = sn.variables(" ".join(f"u{i}" for i in range(n)))
    rows = [D(u[i]) == k * (u[(i + 1) % n] - 2 * u[i] + u[i - 1]) + sn.sin(r * sn.t) * u[i] for i in range(n)]
    return sn.Problem(sn.System("ring", rows), {u[i]: 0.1 + 0.3 * (i % 4) for i in range(n)}, span=(0, 1))


def test_a_large_system_takes_the_steps_of_the_cpu():
    times = [0.0, 0.4, 1.0]
    found = solve_cuda(ring(), rtol=1e-4, saveat=times)
    expected = sn.solve(ring(), "Tsit5", rtol=1e-4, saveat=times)
    assert (found.steps, found.rejected) == (expected.stats.steps, expected.stats.rejected)
    assert np.abs(found.y - expected.y).max() < 1e-12


def test_fixed_steps_converge_with_the_order():
    problem = ring(4)
    fine = sn.solve(problem, "Rodas5P", rtol=1e-12, atol=1e-14, saveat=[1.0]).y
    coarse, half = (np.abs(solve_cuda(problem, step=h).y - fine).max() for h in (0.1, 0.05))
    assert 24 < coarse / half < 50


def test_a_large_system_that_leaves_its_domain():
    problem = sn.Problem(sn.System("growth", [D(x) == k * x**2, D(y) == -y]), {x: 1, y: 1}, span=(0, 2))
    with pytest.raises(sn.SolveFailed, match=r"growth: stopped at t = (1|0\.99).*(collapsed|finite)"):
        solve_cuda(problem, rtol=1e-3)


def test_an_ensemble_by_its_public_name():
    """Parameters and starts that differ, algebraic unknowns made consistent, any expression of the result."""
    problem = semi_explicit()
    ensemble = sn.Ensemble(problem, {k: [1.0, 1.3], x: [1.0, 0.8]})
    found = sn.solve(ensemble, "Rodas4P", saveat=[1.0, 2.0], on="cuda")
    expected = sn.solve(ensemble, "Rodas4P", saveat=[1.0, 2.0])
    assert found.stats.how == "on a GPU"
    assert list(found.status) == ["done", "done"]
    assert found[y**3 - x] == pytest.approx(expected[y**3 - x], abs=1e-8)
    stiff = sn.Ensemble(forced(), {k: [1.0, 1.2]})  # takes Rodas5P by itself
    chosen, expected = sn.solve(stiff, saveat=[0.5], on="cuda"), sn.solve(stiff, saveat=[0.5])
    assert chosen.y == pytest.approx(expected.y, abs=1e-4)


def test_steps_of_members_are_limited():
    problem = lorenz()
    ensemble = sn.Ensemble(problem, {"rho": [10.0, 28.0]})
    runs = sn.solve(ensemble, "Tsit5", saveat=[1.5], on="cuda", max_steps=12)
    assert list(runs.status) == ["max_steps_reached"] * 2
    assert (runs.stats.steps + runs.stats.rejected <= 12).all()


def test_a_system_by_its_public_name():
    system = sn.System("circle", [D(x) == -y, D(y) == x])
    sol = sn.solve(sn.Problem(system, {x: 1, y: 0}, span=(0, 2)), rtol=1e-8, saveat=0.5, on="cuda")
    assert sol[x + y] == pytest.approx(np.cos(sol.t) + np.sin(sol.t), abs=1e-6)
    assert (sol.method, sol.stats.tier) == ("Tsit5", "on a GPU")
