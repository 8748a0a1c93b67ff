"""Adaptive runs against published end values, both kinds of linear algebra, and how runs end."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import sympy

from symnum.errors import ModelError
from symnum.solving.integrator import Integrator
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import METHODS, find

t, w, x, y, z = sympy.symbols("t w x y z")

# End values of the Test Set for IVP Solvers (Mazzia and Magherini, Bari and CWI), as stored in R's deTestSet.
ROBERTSON = np.array([2.083340149701255e-08, 8.333360770334713e-14, 0.999999979166505])
HIRES = np.array([
    0.0007371312573325668, 0.0001442485726316185, 5.888729740967575e-05, 0.001175651343283149,
    0.002386356198831331, 0.006238968252742796, 0.002849998395185769, 0.002850001604814231,
])  # fmt: skip


@pytest.fixture(scope="module")
def robertson(build):
    rate = [-0.04 * x + 1e4 * y * z, 3e7 * y**2]
    return build([x, y, z], [rate[0], -rate[0] - rate[1], rate[1]])


@pytest.fixture(scope="module")
def robertson_dae(build):
    rate = [-0.04 * x + 1e4 * y * z, 3e7 * y**2]
    return build([x, y, z], [rate[0], -rate[0] - rate[1], x + y + z - 1], mass=[1, 1, 0])


@pytest.fixture(scope="module")
def hires(build):
    u = sympy.symbols("u1:9")
    v = 280 * u[5] * u[7]
    right = [
        -1.71 * u[0] + 0.43 * u[1] + 8.32 * u[2] + 0.0007,
        1.71 * u[0] - 8.75 * u[1],
        -10.03 * u[2] + 0.43 * u[3] + 0.035 * u[4],
        8.32 * u[1] + 1.71 * u[2] - 1.12 * u[3],
        -1.745 * u[4] + 0.43 * u[5] + 0.43 * u[6],
        -v + 0.69 * u[3] + 1.71 * u[4] - 0.43 * u[5] + 0.69 * u[6],
        v - 1.81 * u[6],
        -v + 1.81 * u[6],
    ]
    return build(u, right)


def integrate(model, method, u0, end, rtol, atol, **options):
    integrator = Integrator(
        model, METHODS[method], StepOptions(rtol=rtol, atol=np.broadcast_to(atol, (model.n,)), **options)
    )
    integrator.start(0.0, np.array(u0, dtype=float), np.zeros(0))
    assert integrator.advance(end) is Status.DONE
    return integrator


# loosest tolerances at which each method is worth running, and ten times what was measured there
@pytest.mark.parametrize(("method", "rtol", "error"), [
    ("Rodas5P", 1e-7, 2e-4), ("Rodas4P", 1e-7, 2e-3), ("ROS34PW2", 1e-5, 1e-1), ("MSRKTASE3", 1e-4, 3e-1),
    ("BDF", 1e-7, 5e-3),
])  # fmt: skip
def test_robertson(robertson, robertson_dae, method, rtol, error):
    atol = rtol * np.array([1e-4, 1e-8, 1.0])
    for model in (robertson, robertson_dae):
        found = integrate(model, method, [1, 0, 0], 1e11, rtol, atol)
        assert np.max(np.abs(found.u / ROBERTSON - 1)) < error
        assert found.stats.rhs_evaluations < 2e5


def test_error_follows_the_tolerance(hires):
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        found = integrate(hires, "Rodas5P", [1, 0, 0, 0, 0, 0, 0, 0.0057], 321.8122, rtol, rtol * 1e-3)
        errors.append(np.max(np.abs(found.u / HIRES - 1)))
    assert errors[-1] < 1e-8
    assert all(later < 0.2 * earlier for earlier, later in pairwise(errors))


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].dae])
def test_dense_and_sparse_take_the_same_course(hires, robertson_dae, method):
    # only round-off differs, which the step control must not magnify
    for model, u0, end in ((hires, [1, 0, 0, 0, 0, 0, 0, 0.0057], 30.0), (robertson_dae, [1, 0, 0], 40.0)):
        runs = [integrate(model, method, u0, end, 1e-5, 1e-8, linear=kind) for kind in ("dense", "sparse")]
        assert runs[0].linear.startswith("dense")
        assert runs[1].linear == "sparse"
        assert np.allclose(runs[0].u, runs[1].u, rtol=1e-8, atol=0)
        assert abs(runs[0].stats.steps - runs[1].stats.steps) <= 1


@pytest.mark.parametrize("method", METHODS)
def test_saved_points_and_dense_output(build, method):
    model = build([x, y], [y, -x + sympy.cos(3 * t)], t=t)
    exact = sympy.lambdify(
        t, [(9 * sympy.cos(t) - sympy.cos(3 * t)) / 8, -(9 * sympy.sin(t) - 3 * sympy.sin(3 * t)) / 8]
    )
    grid = np.linspace(0, 5, 501)
    options = {"rtol": 1e-6, "atol": np.full(2, 1e-6)}
    saved = Integrator(model, METHODS[method], StepOptions(**options))
    saved.start(0.0, np.array(exact(0.0), dtype=float), np.zeros(0))
    assert saved.advance(5.0, saveat=grid, dense=True) is Status.DONE
    times, states = saved.saved()
    assert np.array_equal(times, grid)
    reference = np.array([exact(time) for time in grid]).T
    assert np.max(np.abs(states - reference)) < 2e-4
    assert np.array_equal(states[:, 0], exact(0.0))
    assert np.array_equal(states[:, -1], saved.u)
    # the interpolant is what was saved
    sol = saved.dense_output()
    assert np.allclose(sol(grid), states, rtol=0, atol=1e-14)
    assert sol(2.5).shape == (2,)
    with pytest.raises(ValueError, match=r"from t = 0\.0 to 5\.0"):
        sol(5.1)
    # saving changes nothing
    plain = Integrator(model, METHODS[method], StepOptions(**options))
    plain.start(0.0, np.array(exact(0.0), dtype=float), np.zeros(0))
    plain.advance(5.0, saveat=np.zeros(0))
    assert np.array_equal(plain.u, saved.u)
    assert plain.saved()[0].shape == (0,)


def test_every_step_is_saved_however_many(build, monkeypatch):
    model = build([x, y], [y, -x])
    monkeypatch.setattr("symnum.solving.output._CHUNK", 64)
    integrator = Integrator(
        model, METHODS["Rodas5P"], StepOptions(rtol=1e-6, atol=np.full(2, 1e-6), max_step=0.05)
    )
    integrator.start(0.0, np.array([1.0, 0.0]), np.zeros(0))
    integrator.advance(60.0, dense=True)
    times, states = integrator.saved()
    assert len(times) == integrator.stats.steps >= 1200  # the buffers were full several times
    assert np.max(np.abs(integrator.dense_output()(times) - states)) < 1e-13
    assert states.shape == (2, len(times))
    assert np.all(np.diff(times) > 0)
    assert times[-1] == 60.0
    assert np.max(np.abs(states[0] - np.cos(times))) < 1e-4


def test_pauses_do_not_change_the_course(hires):
    u0 = np.array([1, 0, 0, 0, 0, 0, 0, 0.0057])
    whole = integrate(hires, "Rodas5P", u0, 100.0, 1e-6, 1e-9)
    pieces = Integrator(hires, METHODS["Rodas5P"], StepOptions(rtol=1e-6, atol=np.full(8, 1e-9)))
    pieces.start(0.0, u0, np.zeros(0))
    pauses = 0
    while pieces.advance(100.0, saveat=np.linspace(0, 100, 11), pause_after=7) is Status.PAUSED:
        pauses += 1
        assert pieces.stats.steps == 7 * pauses
    assert pauses > 3
    assert np.array_equal(pieces.u, whole.u)
    assert np.array_equal(pieces.saved()[0], np.linspace(0, 100, 11))


def test_stops_are_exact_and_do_not_shrink_the_steps(build):
    model = build([x, y], [y, -x])
    integrator = Integrator(model, METHODS["Tsit5"], StepOptions(rtol=1e-8, atol=np.full(2, 1e-8)))
    integrator.start(0.0, np.array([1.0, 0.0]), np.zeros(0))
    integrator.advance(18.5)
    unhindered = integrator.stats.steps
    integrator.start(0.0, np.array([1.0, 0.0]), np.zeros(0))
    stops = np.cumsum(np.full(50, 0.37))
    for stop in stops:
        assert integrator.advance(stop) is Status.DONE
        assert integrator.t == stop
    assert integrator.u[0] == pytest.approx(np.cos(stops[-1]), abs=1e-6)
    assert integrator.stats.steps < unhindered + 50


def test_collapse_of_the_step_size(build):
    # u' = u^2 from 1 is infinite at t = 1
    model = build([x, y], [-x, y**2])
    for method in ("Tsit5", "Rodas5P"):
        integrator = Integrator(model, METHODS[method], StepOptions(rtol=1e-6, atol=np.full(2, 1e-9)))
        integrator.start(0.0, np.ones(2), np.zeros(0))
        assert integrator.advance(2.0) in (Status.STEP_TOO_SMALL, Status.NOT_FINITE)
        assert integrator.t == pytest.approx(1.0, abs=1e-5)
        assert integrator.worst_row == 1


def test_leaving_the_domain(build):
    # the second component's rate is not a number beyond t = 1, which no step size mends
    model = build([x, y], [-x, sympy.sqrt(1 - t)], t=t)
    integrator = Integrator(model, METHODS["Tsit5"], StepOptions(rtol=1e-6, atol=np.full(2, 1e-9)))
    integrator.start(0.0, np.ones(2), np.zeros(0))
    assert integrator.advance(2.0) in (Status.NOT_FINITE, Status.STEP_TOO_SMALL)
    assert integrator.worst_row == 1
    assert 0.999 < integrator.t <= 1.0
    # at once
    integrator.start(1.5, np.ones(2), np.zeros(0))
    assert integrator.advance(2.0) is Status.NOT_FINITE
    assert (integrator.t, integrator.worst_row) == (1.5, 1)


def test_singular_algebra(build):
    # the algebraic variable does not occur in its equation
    model = build([x, y, z], [-x, -y + z, x - y], mass=[1, 1, 0])
    integrator = Integrator(model, METHODS["Rodas5P"], StepOptions(rtol=1e-6, atol=np.full(3, 1e-9)))
    integrator.start(0.0, np.array([1.0, 1.0, 0.0]), np.zeros(0))
    outcome = integrator.reinitialize()
    assert not outcome.converged
    assert outcome.reason == "singular"


def test_too_many_steps(build):
    model = build([x, y], [y, -x])
    integrator = Integrator(
        model, METHODS["Tsit5"], StepOptions(rtol=1e-6, atol=np.full(2, 1e-6), max_steps=10)
    )
    integrator.start(0.0, np.array([1.0, 0.0]), np.zeros(0))
    assert integrator.advance(1e3) is Status.MAX_STEPS_REACHED
    assert 0 < integrator.t < 1e3


def test_a_state_at_rest_goes_in_long_steps(build):
    model = build([x, y], [-x, -y])
    integrator = Integrator(model, METHODS["Rodas5P"], StepOptions(rtol=1e-6, atol=np.full(2, 1e-6)))
    integrator.start(0.0, np.zeros(2), np.zeros(0))
    assert integrator.advance(1e6) is Status.DONE
    assert integrator.stats.steps < 20


def test_algebraic_variables_are_made_consistent(build):
    # y exp(y) = x has one root; z is linear in both. The start is far off, and Newton needs damping.
    model = build([x, y, z], [-x, z + 2 * y - x, y * sympy.exp(y) - x], mass=[1, 0, 0])
    for linear in ("dense", "sparse"):
        integrator = Integrator(
            model, METHODS["Rodas5P"], StepOptions(rtol=1e-8, atol=np.full(3, 1e-10), linear=linear)
        )
        integrator.start(0.0, np.array([5.0, -0.9, 40.0]), np.zeros(0))
        outcome = integrator.reinitialize()
        assert outcome.converged
        root = float(np.real(sympy.LambertW(5).evalf()))
        assert integrator.u == pytest.approx([5.0, root, 5.0 - 2 * root], abs=1e-13)
        assert outcome.residual < 1e-12
        integrator.advance(3.0)
        root = float(sympy.LambertW(5 * sympy.exp(-3)).evalf())
        assert integrator.u[1] == pytest.approx(root, abs=1e-7)


def test_no_consistent_start(build):
    model = build([x, y], [-x, y**2 + x], mass=[1, 0])
    integrator = Integrator(model, METHODS["Rodas5P"], StepOptions(rtol=1e-6, atol=np.full(2, 1e-9)))
    integrator.start(0.0, np.array([1.0, 0.3]), np.zeros(0))
    outcome = integrator.reinitialize()
    assert not outcome.converged
    assert outcome.worst_row == 1
    assert outcome.residual > 0.5


def test_runs_in_several_threads_do_not_meet(hires):
    u0 = np.array([1, 0, 0, 0, 0, 0, 0, 0.0057])

    def run(end):
        return integrate(hires, "Rodas5P", u0, end, 1e-6, 1e-9, linear="sparse").u

    ends = [20.0, 30.0, 40.0, 50.0] * 2
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, ends))
    for end, found in zip(ends, together, strict=True):
        assert found == pytest.approx(run(end), rel=1e-9)


def test_bad_requests_are_errors(build):
    model = build([x, y], [-x, y - x], mass=[1, 0])
    options = {"rtol": 1e-6, "atol": np.full(2, 1e-6)}
    with pytest.raises(ModelError, match="Use Rodas5P"):
        Integrator(model, METHODS["Tsit5"], StepOptions(**options))
    with pytest.raises(ModelError, match="linear='banded'"):
        Integrator(model, METHODS["Rodas5P"], StepOptions(linear="banded", **options))
    with pytest.raises(ModelError, match="positive"):
        Integrator(model, METHODS["Rodas5P"], StepOptions(rtol=0.0, atol=np.full(2, 1e-6)))
    with pytest.raises(ModelError, match="first_step"):
        Integrator(model, METHODS["Rodas5P"], StepOptions(adaptive=False, **options))
    with pytest.raises(ModelError, match=r"Did you mean .*Rodas5P"):
        find("Rodas5")
    assert find("rodas5p") is METHODS["Rodas5P"]
    integrator = Integrator(model, METHODS["Rodas5P"], StepOptions(**options))
    integrator.start(1.0, np.ones(2), np.zeros(0))
    for end in (0.5, np.inf, np.nan):
        with pytest.raises(ModelError, match="finite, not earlier"):
            integrator.advance(end)
