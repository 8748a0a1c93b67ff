"""Steps in Fourier space: what they compute, their orders, output between steps, and what they refuse."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.models.spatial import schroedinger, transport
from symnum.models.spatial.schroedinger import Soliton
from symnum.solving.fourier_choice import fourier_form_of
from symnum.solving.fourier_integrator import FourierIntegrator
from symnum.solving.fourier_method import FourierMethod, phi_functions
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import IN_FOURIER_SPACE
from symnum.solving.tableaus.fourier import ETDRK4

D, pi = sn.D, np.pi
METHODS = sorted(IN_FOURIER_SPACE)


def ring(name: str, length: float = 2 * pi) -> sn.Expr:
    return sn.coordinate(name, 0, length, periodic=True)


def burgers() -> sn.PDE:
    """A flux, a product and a source that varies; coefficients are parameters."""
    x = ring("x")
    u = sn.field("u", x)
    nu, drive = sn.parameters(nu=0.05, drive=0.3)
    right = nu * D(u, x, 2) - D(u**2 / 2, x) + drive * sn.cos(x - sn.t) * u + u * D(u, x, 2) / 50
    return sn.PDE("burgers", [D(u) == right], initial={u: sn.sin(x) + sn.cos(2 * x)})


def driven_waves() -> sn.PDE:
    """A complex field with a flux of its own, a potential, and a term that does not turn with the phase."""
    x = ring("x")
    psi = sn.field("psi", x, complex=True)
    (a,) = sn.parameters(a=0.4)
    flux = D(abs(psi) ** 2 * psi, x)
    right = D(psi, x, 2) / 2 - (sn.cos(x) - 0.1j) * psi + 1j * a * flux + a * sn.conj(psi)
    return sn.PDE("waves", [1j * D(psi) == right], initial={psi: sn.exp(1j * sn.sin(x))})


def two_species() -> sn.PDE:
    """Two fields whose linear parts differ, coupled by their values; three read quantities."""
    x = ring("x")
    u, v = sn.fields("u v", x)
    return sn.PDE(
        "species",
        [D(u) == D(u, x, 2) / 10 - D(u, x, 4) / 100 + u - v - u**3, D(v) == D(v, x, 3) / 20 + u * D(v, x)],
        initial={u: sn.sin(x), v: sn.cos(x) / 2},
    )


def plane() -> sn.PDE:
    x, y = ring("x"), ring("y", 3.0)
    u = sn.field("u", x, y)
    right = sn.laplacian(u, sn.cartesian(x, y)) / 50 + D(u, x, y) / 100 + D(u**2, y) + u - u**3
    return sn.PDE("plane", [D(u) == right], initial={u: sn.sin(x) * sn.cos(2 * pi * y / 3) + 0.2})


def space() -> sn.PDE:
    x, y, z = ring("x"), ring("y", 2.0), ring("z", 3.0)
    u = sn.field("u", x, y, z)
    right = D(u, x, 2) / 9 + D(u, y, 1) + D(u, z, 2) / 7 - u * D(u, z)
    return sn.PDE("space", [D(u) == right], initial={u: sn.sin(x)})


MODELS: dict[str, tuple[Callable[[], sn.PDE], tuple[int, ...]]] = {
    "burgers": (burgers, (24,)), "complex": (driven_waves, (20,)), "species": (two_species, (18,)),
    "plane": (plane, (10, 12)), "space": (space, (5, 6, 4)),
}  # fmt: skip


def problem_of(model: sn.PDE, points: tuple[int, ...], end: float = 1.0, **options: Any) -> sn.Problem:
    schemes = {x: sn.Fourier(n, **options) for x, n in zip(model.coordinates, points, strict=True)}
    return sn.Problem(sn.discretize(model, schemes), span=(0, end))


def slope(problem: sn.Problem, t: float, u: Any) -> Any:
    integrator = FourierIntegrator(
        fourier_form_of(problem, ETDRK4),
        problem.flat,
        ETDRK4,
        StepOptions(rtol=1e-6, atol=np.full(len(u), 1e-9)),
    )
    integrator.start(t, u, problem.p)
    return integrator.slope()


@pytest.mark.parametrize("name", MODELS)
def test_the_slope_is_that_of_the_system(name: str) -> None:
    """L u + N by transforms against the compiled system, which sums over all points."""
    make, points = MODELS[name]
    problem = problem_of(make(), points)
    u = np.random.default_rng(5).standard_normal(problem.flat.n)
    expected = problem.compiled.rhs(0.7, u, problem.p)
    np.testing.assert_allclose(slope(problem, 0.7, u), expected, atol=2e-12 * abs(expected).max())


@pytest.mark.parametrize("n", [4, 5, 6, 7, 8, 9, 11, 15, 16, 22, 25, 32, 39, 60, 64, 98, 105, 128])
def test_transforms_of_any_length(n: int) -> None:
    problem = problem_of(burgers(), (n,), dealias=n % 2 == 1)
    u = np.random.default_rng(n).standard_normal(n)
    expected = problem.compiled.rhs(0.1, u, problem.p)
    np.testing.assert_allclose(slope(problem, 0.1, u), expected, atol=1e-12 * abs(expected).max())


def test_weights_near_zero_and_far_out() -> None:
    """Against the power series in rational steps, and where the formula loses no digits."""
    z = np.array([0.0, 1e-9, 1e-3j, -0.4 + 0.3j, 0.999, 1.001, -1.001, 1.2j])
    for k, found in enumerate(phi_functions(z)):
        series, term = np.zeros_like(z, complex), np.ones_like(z, complex) / np.prod(np.arange(1.0, k + 1))
        for j in range(60):
            series += term
            term = term * z / (j + k + 1)
        np.testing.assert_allclose(found, series, rtol=4e-15)
    far = phi_functions(np.array([-1e6, 40j]))
    np.testing.assert_allclose(far[1], (np.exp([-1e6, 40j]) - 1) / np.array([-1e6, 40j]), rtol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_records_are_what_they_state(method: str) -> None:
    IN_FOURIER_SPACE[method].check()


# ---- orders -----------------------------------------------------------------------------------------
def kdv_soliton() -> tuple[sn.Problem, Any, Any]:
    """Exact: 3 c sech(sqrt(c) (x - c t)/2)^2 solves u_t + u u_x + u_xxx = 0."""
    c, length, n, end = 4.0, 40.0, 192, 1.0
    x = ring("x", length)
    u = sn.field("u", x)
    start = 3 * c / sn.cosh(np.sqrt(c) / 2 * (x - 16)) ** 2
    model = sn.PDE("kdv", [D(u) + D(u**2 / 2, x) + D(u, x, 3) == 0], initial={u: start})
    points = length * np.arange(n) / n
    exact = 3 * c / np.cosh(np.sqrt(c) / 2 * (points - 16 - c * end)) ** 2
    return problem_of(model, (n,), end), u, exact


def nls_soliton() -> tuple[sn.Problem, Any, Any]:
    soliton, n, end = Soliton(1.5, pi / 4, -3.0), 320, 2.0  # the phase fits on the ring
    model = schroedinger.solitons([soliton], 40.0)
    points = -20 + 40 * np.arange(n) / n
    eta, v = soliton.eta, soliton.v
    angle = v * points + (eta**2 - v**2) / 2 * end
    exact = eta / np.cosh(eta * (points + 3 - v * end)) * np.exp(1j * angle)
    return problem_of(model, (n,), end), model.psi, exact


def kuramoto() -> tuple[sn.Problem, Any, Any]:
    model = transport.kuramoto_sivashinsky()
    problem = problem_of(model, (64,), 8.0)
    return problem, model.u, by_sums_over_points(problem, model.u)


def allen_cahn() -> tuple[sn.Problem, Any, Any]:
    x = ring("x")
    u = sn.field("u", x)
    model = sn.PDE("allen_cahn", [D(u) == D(u, x, 2) / 50 + u - u**3], initial={u: sn.sin(x) + sn.cos(3 * x)})
    problem = problem_of(model, (48,), 3.0)
    return problem, u, by_sums_over_points(problem, u)


def in_the_plane() -> tuple[sn.Problem, Any, Any]:
    model = plane()
    problem = problem_of(model, (16, 12), 1.0)
    return problem, model.u, by_sums_over_points(problem, model.u)


def by_sums_over_points(problem: sn.Problem, u: Any) -> Any:
    """The same system by another method and without transforms."""
    return sn.solve(problem, "Vern7", rtol=1e-12, atol=1e-13, saveat=[problem.span[1]])[u][-1]


ORDERS = {"kdv": kdv_soliton, "nls": nls_soliton, "kuramoto": kuramoto, "allen_cahn": allen_cahn,
          "plane": in_the_plane}  # fmt: skip
STEPS = {"kdv": 200, "nls": 50, "kuramoto": 40, "allen_cahn": 30, "plane": 16}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ORDERS)
def test_measured_order(name: str, method: str) -> None:
    problem, u, exact = ORDERS[name]()
    span, errors = problem.span[1], []
    for steps in (STEPS[name], 2 * STEPS[name], 4 * STEPS[name]):
        run = sn.solve(problem, method, step=span / steps, saveat=[span])
        assert run.stats.steps == steps
        errors.append(abs(run[u][-1] - exact).max() / abs(exact).max())
    measured = np.log2(np.array(errors[:-1]) / errors[1:])
    assert measured[-1] == pytest.approx(4.0, abs=0.35), errors
    assert errors[-1] < 1e-4


# ---- tolerances and output --------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_tolerances_are_kept_to(method: str) -> None:
    problem, u, exact = allen_cahn()
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        run = sn.solve(problem, method, rtol=rtol, atol=1e-3 * rtol, saveat=[3.0])
        errors.append(abs(run[u][-1] - exact).max())
        assert errors[-1] < 30 * rtol
    assert errors[2] < 1e-2 * errors[0]


def test_steps_that_fail_are_made_shorter() -> None:
    problem, u, exact = nls_soliton()
    run = sn.solve(problem, "ETDRK4", rtol=1e-7, first_step=1.0, saveat=[2.0])
    assert run.stats.rejected > 0
    assert abs(run[u][-1] - exact).max() < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_output_between_steps(method: str) -> None:
    """Dense output and save times against fine steps that end there; where N is stiff, too: every wave of the
    linear part turns many times within a step."""
    problem, psi, _ = nls_soliton()
    times = np.array([0.0, 0.01, 0.137, 0.5, 0.77, 1.999, 2.0])
    run = sn.solve(problem, method, rtol=1e-6, atol=1e-8)
    fine = sn.solve(problem, method, step=2e-4, saveat=times)
    np.testing.assert_allclose(fine.t, times)
    assert abs(run(times)[psi] - fine[psi]).max() < 3e-5
    assert run.stats.steps < 1000
    assert len(run.t) == run.stats.steps + 1
    saved = sn.solve(problem, method, rtol=1e-6, atol=1e-8, saveat=times)
    assert abs(saved[psi] - run(times)[psi]).max() < 1e-12
    spaced = sn.solve(problem, method, rtol=1e-6, atol=1e-8, saveat=0.25)
    np.testing.assert_allclose(spaced.t, np.arange(9) * 0.25)
    assert abs(spaced[psi] - run(spaced.t)[psi]).max() < 1e-12


def test_a_linear_equation_is_exact() -> None:
    """Without N every step is, however long: advection and diffusion of waves."""
    x = ring("x")
    u = sn.field("u", x)
    model = sn.PDE("linear", [D(u) == D(u, x, 2) / 10 - 2 * D(u, x)], initial={u: sn.sin(3 * x) + 1})
    run = sn.solve(problem_of(model, (16,), 5.0), "ETDRK4", saveat=[0.0, 1.3, 5.0])
    points = 2 * pi * np.arange(16) / 16
    for t, values in zip(run.t, run[u], strict=True):
        np.testing.assert_allclose(values, 1 + np.exp(-0.9 * t) * np.sin(3 * (points - 2 * t)), atol=1e-13)
    assert run.stats.steps == 1


def test_a_solution_can_be_pickled_and_steps_have_a_limit() -> None:
    problem, u, exact = allen_cahn()
    run = sn.solve(problem, "ETDRK4", rtol=1e-7, max_step=0.01)
    assert np.diff(run.t).max() <= 0.01 * (1 + 1e-12)
    copy = pickle.loads(pickle.dumps(run))
    assert (copy(1.234)[u] == run(1.234)[u]).all()
    assert abs(copy[u][-1] - exact).max() < 1e-6


def test_events_at_given_times_and_stops() -> None:
    """A coefficient of L and one of N change on the way; the same by another method."""
    model = burgers()
    schemes = {model.x: sn.Fourier(24)}
    nu, drive = sn.parameters(nu=0.05, drive=0.3)
    events = [sn.Event(at=0.4, then={nu: 0.2, drive: 1.5})]
    problem = sn.Problem(sn.discretize(model, schemes), span=(0, 1), events=events)
    times = [0.2, 0.4, 0.9, 1.0]
    ours, other = (
        sn.solve(problem, method, rtol=1e-9, atol=1e-11, saveat=times, tstops=[0.6])
        for method in ("ETDRK4", "Vern7")
    )
    assert abs(ours[model.u] - other[model.u]).max() < 1e-7
    dense = sn.solve(problem, "ETDRK4", rtol=1e-9, atol=1e-11)
    assert abs(dense(times)[model.u] - ours[model.u]).max() < 1e-8


def test_runs_that_go_on_and_compiled_systems() -> None:
    model = burgers()
    system = sn.discretize(model, {model.x: sn.Fourier(24)})
    whole = sn.solve(sn.Problem(system, span=(0, 2)), "ETDRK4", rtol=1e-9, saveat=[2.0])
    problem = sn.Problem(sn.compile(system), span=(0, 1))
    part = sn.solve(problem, "ETDRK4", rtol=1e-9)
    rest = sn.solve(problem.after(part, end=2.0), "ETDRK4", rtol=1e-9, saveat=[2.0])
    assert abs(rest[model.u][-1] - whole[model.u][-1]).max() < 1e-8
    runs = sn.solve(sn.Ensemble(problem, {"nu": [0.05, 0.1]}), "ETDRK4", rtol=1e-9)
    assert abs(runs[model.u][0] - part[model.u][-1]).max() < 1e-8
    assert abs(runs[model.u][1] - part[model.u][-1]).max() > 1e-2


# ---- choice -----------------------------------------------------------------------------------------
def test_chosen_where_it_pays() -> None:
    """Stiff in its linear part: chosen. Mild, at a tight tolerance, or not of the form: not chosen."""
    model = transport.kuramoto_sivashinsky()
    run = sn.solve(problem_of(model, (128,), 30.0), saveat=[30.0])
    assert run.method == "ETDRK4"
    assert "diagonal in Fourier space" in run.stats.choice
    assert sn.solve(problem_of(model, (128,), 0.1), saveat=[0.1]).method != "ETDRK4"
    assert sn.solve(problem_of(model, (128,), 5.0), tier="generic", saveat=[1.0]).method != "ETDRK4"
    mild = sn.solve(problem_of(burgers(), (24,)), saveat=[1.0])
    assert mild.method != "ETDRK4"


def refused(model: sn.PDE, schemes: dict[sn.Expr, Any], match: str, **options: Any) -> None:
    problem = sn.Problem(sn.discretize(model, schemes), span=(0, 1), **options)
    with pytest.raises(sn.ModelError, match=match):
        sn.solve(problem, "ETDRK4")


def test_what_is_not_of_the_form_is_named() -> None:
    x, y = ring("x"), sn.coordinate("y", 0, 1)
    u, v, w = sn.field("u", x), sn.field("v", x), sn.field("w", x, y)
    model = sn.PDE("wave", [D(u) == v, D(v) == D(u, x, 2)], initial={u: sn.sin(x), v: 0})
    refused(model, {x: sn.Fourier(16)}, r"wave: ETDRK4 .* not diagonal .*D\(u, x, 2\).*for v.*Rodas5P")
    refused(model, {x: sn.Central(16)}, "the scheme of x is Central; take sn.Fourier")
    model = sn.PDE(
        "channel", [D(w) == D(w, x, 2) + D(w, y, 2)], boundary=[w.at(y, 0) == 0, w.at(y, 1) == 0],
        initial={w: 0},
    )  # fmt: skip
    refused(model, {x: sn.Fourier(8), y: sn.Chebyshev(8)}, "the scheme of y is Chebyshev")
    total = sn.variable("total", start=0)
    model = sn.PDE("mean", [D(u) == D(u, x, 2), D(total) == sn.integral(u, x)], initial={u: sn.sin(x)})
    refused(model, {x: sn.Fourier(8)}, "ordinary equations")
    model = sn.PDE("mean", [D(u) == D(u, x, 2) - u * sn.integral(u, x)], initial={u: sn.sin(x)})
    refused(model, {x: sn.Fourier(8)}, "not of the point")
    model = sn.PDE("second", [D(u, 2) == D(u, x, 2)], initial={u: sn.sin(x), D(u): 0})
    refused(model, {x: sn.Fourier(8)}, "of order 2 in time")
    model = sn.PDE("factor", [(1 + u**2) * D(u) == D(u, x, 2)], initial={u: sn.sin(x)})
    refused(model, {x: sn.Fourier(8)}, "must stand in its equation alone")
    model = sn.PDE("product", [D(u) == D(u, x, 2) + u * D(u**2, x)], initial={u: sn.sin(x)})
    refused(model, {x: sn.Fourier(8)}, "factor that is not constant in the equation for u")
    model = burgers()
    (nu,) = sn.parameters(nu=0.05)
    stop = sn.Event(when=sn.t - 0.5, then={nu: 0.1})
    refused(model, {model.x: sn.Fourier(8)}, "no events on conditions", events=[stop])
    lorenz = sn.variable("z")
    plain = sn.Problem(sn.System("plain", [D(lorenz) == -lorenz]), {lorenz: 1.0})
    with pytest.raises(sn.ModelError, match=r"plain: ETDRK4 works in Fourier space: .*discretize"):
        sn.solve(plain, "ETDRK4")


def test_options_that_mean_nothing_here() -> None:
    problem = problem_of(burgers(), (16,))
    for options, match in (
        ({"controller": "PI"}, "controller="), ({"linear": "dense"}, "linear="),
    ):  # fmt: skip
        with pytest.raises(sn.ModelError, match=match):
            sn.solve(problem, "ETDRK4", **options)


def test_a_solution_that_blows_up() -> None:
    x = ring("x")
    u = sn.field("u", x)
    model = sn.PDE("blow_up", [D(u) == D(u, x, 2) / 10 + u**2], initial={u: 1 + sn.sin(x) / 2})
    with pytest.raises(sn.SolveFailed, match="blow_up") as caught:
        sn.solve(problem_of(model, (16,), 5.0), "ETDRK4")
    assert 0.5 < caught.value.solution.t[-1] < 1.0


def test_methods_are_of_their_kind() -> None:
    assert all(isinstance(method, FourierMethod) for method in IN_FOURIER_SPACE.values())
    with pytest.raises(sn.ModelError, match="ETDRK4"):
        sn.solve(problem_of(burgers(), (16,)), "ETDRK")


def test_waves_in_the_plane_converge_exponentially() -> None:
    """Fourier by Fourier: a nonlinear equation with a source that makes exp(sin x cos y - t) its solution."""
    errors = []
    x, y = ring("x"), ring("y", 2 * pi)
    u = sn.field("u", x, y)
    exact = sn.exp(sn.sin(x) * sn.cos(y) - sn.t)
    right = (D(exact, x, 2) + D(exact, y, 2)) / 5 + exact * D(exact, x)
    source = -exact - right
    model = sn.PDE(
        "plane",
        [D(u) == sn.laplacian(u, sn.cartesian(x, y)) / 5 + u * D(u, x) + source],
        initial={u: sn.exp(sn.sin(x) * sn.cos(y))},
    )
    for points in (8, 12, 16):
        run = sn.solve(problem_of(model, (points, points), 0.5), "ETDRK4", rtol=1e-10, saveat=[0.5])
        at = 2 * pi * np.arange(points) / points
        expected = np.exp(np.sin(at)[:, None] * np.cos(at) - 0.5)
        errors.append(abs(run[u][-1] - expected).max())
    assert errors[-1] < 1e-7
    # each four points more are worth a decade and more: faster than any order
    assert np.log10(errors[0] / errors[1]) > 1.0
    assert np.log10(errors[1] / errors[2]) > 1.0
