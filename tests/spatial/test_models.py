"""Ready-made equations: what must be conserved is, what has an exact solution follows it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.models.spatial import (
    compressible,
    diffusion,
    potential,
    reaction_diffusion,
    schroedinger,
    transport,
    waves,
)
from symnum.models.spatial.schroedinger import Soliton


def run(
    model: sn.PDE, scheme: object, end: float, method: str = "Rodas5P", rtol: float = 1e-6, times: int = 2
) -> sn.Solution:
    system = sn.discretize(model, dict.fromkeys(model.coordinates, scheme))
    return sn.solve(
        sn.Problem(system, span=(0, end)),
        method,
        rtol=rtol,
        atol=rtol / 100,
        saveat=np.linspace(0, end, times),
    )


def test_heat() -> None:
    solution = run(diffusion.heat(), sn.Central(61, 4), 1.0, rtol=1e-8)
    np.testing.assert_allclose(solution["u"][-1], np.exp(-0.1 * np.pi**2) * solution["u"][0], atol=2e-7)


def test_sorption_front_moves_in_and_stays_within_bounds() -> None:
    model = diffusion.sorption()
    solution = run(model, sn.Central(101), 100.0, times=5)
    u = solution[model.u]
    assert (np.diff(u[:, 20]) > 0).all()
    assert u[:, 1:-1].min() > 0  # the condition at the outlet lets its own point fall below zero
    assert u.max() <= 1 + 1e-9


def test_burgers_against_the_formula_of_cole_and_hopf() -> None:
    """u = -int sin(pi(x-e)) f(x-e) exp(-e^2/4 nu t) de / int f(x-e) exp(-e^2/4 nu t) de by quadrature.

    f(y) = exp(-cos(pi y)/(2 pi nu)); Basdevant et al., Computers & Fluids 14 (1986) 23.
    """
    nu, t = 0.05, 0.5
    model = transport.burgers(nu)
    solution = run(model, sn.Central(201, 4), t, rtol=1e-8)
    nodes, weights = np.polynomial.hermite.hermgauss(60)
    x = np.linspace(-1, 1, 201)[:, None] - nodes * np.sqrt(4 * nu * t)
    f = weights * np.exp(-np.cos(np.pi * x) / (2 * np.pi * nu))
    expected = -(np.sin(np.pi * x) * f).sum(axis=1) / f.sum(axis=1)
    np.testing.assert_allclose(solution[model.u][-1], expected, atol=2e-5)


def test_korteweg_de_vries_solitons_pass_through_each_other() -> None:
    """The faster one overtakes; both have their heights c/2 afterwards, and the mass is kept."""
    model = transport.korteweg_de_vries((4.0, -10.0), (1.0, 0.0))
    solution = run(model, sn.Central(400, 6), 6.0, rtol=1e-7)
    u = solution[model.u]
    assert abs(u[-1].sum() - u[0].sum()) < 1e-10 * u[0].sum()
    x = -20 + 0.1 * np.arange(400)
    inner = (u[-1][1:-1] > u[-1][:-2]) & (u[-1][1:-1] > u[-1][2:]) & (u[-1][1:-1] > 0.1)
    heights = sorted(u[-1][1:-1][inner])
    np.testing.assert_allclose(heights, [0.5, 2.0], rtol=0.02)
    fast = x[np.argmax(u[-1])]
    # phase shift of the faster one: ln((k1 + k2)/(k1 - k2))^2 / (2 k1)... with c = 4 k^2: + ln(3)/1 forwards
    assert fast == pytest.approx(-10 + 4.0 * 6 + np.log(3.0), abs=0.1)


def test_kuramoto_sivashinsky_keeps_its_mean() -> None:
    model = transport.kuramoto_sivashinsky()
    solution = run(model, sn.Central(128, 4), 20.0)
    u = solution[model.u]
    assert abs(u.mean(axis=1)).max() < 1e-10
    assert 1 < abs(u[-1]).max() < 5


def test_gray_scott_and_brusselator_run_in_two_dimensions() -> None:
    for model, end in ((reaction_diffusion.gray_scott(), 50.0), (reaction_diffusion.brusselator(), 1.0)):
        solution = run(model, sn.Central(24), end, rtol=1e-4)
        assert solution[model.u].shape == (2, 24, 24)
        assert np.isfinite(solution[model.v]).all()
        assert solution[model.u].min() > -1e-3


def test_threads_share_a_grid() -> None:
    """Rates and Jacobian to the last bit, on a grid whose loops are cut into pieces."""
    model = reaction_diffusion.brusselator()
    system = sn.discretize(model, dict.fromkeys(model.coordinates, sn.Central(128)))
    one, two = (sn.compile(system, threads=count) for count in (1, 2))
    state, p = np.random.default_rng(4).random(2 * 128**2), sn.Problem(one, span=(0, 1)).p
    np.testing.assert_array_equal(one.rhs(0.0, state, p), two.rhs(0.0, state, p))
    np.testing.assert_array_equal(one.jacobian(0.0, state, p).data, two.jacobian(0.0, state, p).data)


def test_fitzhugh_nagumo_balance() -> None:
    """With closed faces the mean of v changes by the mean of u - v alone."""
    model = reaction_diffusion.fitzhugh_nagumo()
    solution = run(model, sn.Central(33), 1.0, times=201, rtol=1e-7)
    cells = np.outer(*(np.r_[0.5, np.ones(31), 0.5],) * 2) / 32**2
    v, u = ((solution[q] * cells).sum(axis=(1, 2)) for q in (model.v, model.u))
    gained = np.trapezoid(u - v, solution.t)
    assert v[-1] - v[0] == pytest.approx(gained, abs=2e-3)


def test_allen_cahn_front_moves_at_its_speed() -> None:
    model = reaction_diffusion.allen_cahn()
    solution = run(model, sn.Central(201, 4), 0.05, rtol=1e-8)
    speed = 0.5 / (np.sqrt(2) * 0.1)
    x = np.linspace(-1, 1, 201)
    front = np.interp(-0.5, -solution[model.u][-1], x)
    assert front == pytest.approx(speed * 0.05, abs=1e-3)


def drifts(solution: Any, model: sn.PDE) -> dict[str, float]:
    found = schroedinger.invariants(solution, model)
    return {
        name: float(abs(values - values[0]).max() / abs(values[0])) for name, values in found.items()
    }


def test_soliton_invariants_over_ten_periods() -> None:
    """Mass to 1e-12 and energy to 1e-10, relative, while the phase turns ten times."""
    eta = 1.5
    model = schroedinger.solitons([Soliton(eta, 2 * np.pi / 32 * 3)])  # the phase fits on the ring
    end = 10 * 4 * np.pi / eta**2
    problem = sn.Problem(sn.discretize(model, {model.x: sn.Fourier(256)}), span=(0, end))
    # steps end where it is saved: between them there is the error of the interpolant
    solution = sn.solve(problem, "ETDRK4", step=end / 40_000, saveat=end / 10)
    assert len(solution.t) == 11
    found = drifts(solution, model)
    assert found["mass"] < 1e-12
    assert found["energy"] < 1e-10
    assert schroedinger.invariants(solution, model)["mass"][0] == pytest.approx(2 * eta, rel=1e-12)


def place_and_phase(psi: Any, x: Any, soliton: Soliton, near: float) -> tuple[float, float]:
    """Where the middle of |psi|^2 is in the half of the ring around a place, and the phase there, without
    that of the speed."""
    n, length = len(x), -2 * x[0]
    for _ in range(3):
        distance = (x - near + length / 2) % length - length / 2
        density = abs(psi) ** 2 * (abs(distance) < length / 5)
        near += (density * distance).sum() / density.sum()
    waves = 2j * np.pi / length * np.fft.fftfreq(n, 1 / n)
    value = (np.fft.fft(psi) * np.exp(waves * (near - x[0]))).sum() / n
    return near, np.angle(value * np.exp(-1j * soliton.v * near))


@pytest.mark.parametrize("step", [2e-3, pytest.param(1e-3, marks=pytest.mark.slow)])
def test_two_solitons_collide(step: float) -> None:
    """Over ten periods of the higher one: drift of mass 1e-12 and energy 1e-10, place and phase to 1e-6."""
    length, points, eta = 64.0, 512, 1.5
    speed = 2 * np.pi / length * 5  # the phase fits on the ring
    pair = Soliton(1.2, speed, -13.5), Soliton(eta, -speed, 13.5)
    model = schroedinger.solitons(pair, length)
    end = 10 * 4 * np.pi / eta**2
    problem = sn.Problem(sn.discretize(model, {model.x: sn.Fourier(points)}), span=(0, end))
    solution = sn.solve(problem, "ETDRK4", step=step, saveat=[0, end / 2, end])
    found = drifts(solution, model)
    # longer steps, so that this is quick: their truncation shows in the mass
    assert found["mass"] < (1e-12 if step < 2e-3 else 3e-12)
    assert found["energy"] < 1e-10
    x = -length / 2 + length * np.arange(points) / points
    for soliton, other in (pair, pair[::-1]):
        moved, turned = schroedinger.collision(soliton, other)
        before = place_and_phase(solution[model.psi][0], x, soliton, soliton.place)
        alone = soliton.place + soliton.v * end
        after = place_and_phase(solution[model.psi][-1], x, soliton, alone + moved / 2)
        assert abs(moved) > 1
        assert after[0] - before[0] - soliton.v * end == pytest.approx(moved, abs=1e-6)
        phase = after[1] - before[1] - (soliton.eta**2 - soliton.v**2) / 2 * end - turned
        assert (phase + np.pi) % (2 * np.pi) - np.pi == pytest.approx(0, abs=1e-6)
    with pytest.raises(sn.ModelError, match="same speed"):
        schroedinger.collision(pair[0], pair[0])


def test_breather_reaches_its_peak() -> None:
    a = 0.25
    model = schroedinger.breather(a, -4.0)
    solution = run(model, sn.Central(64, 8), 4.0, "DOP853", 1e-11)
    size = abs(solution[model.psi])
    assert size[-1].max() == pytest.approx(1 + 2 * np.sqrt(2 * a), abs=1e-5)


def test_modulation_instability_grows_at_its_rate() -> None:
    a = 0.25
    model = schroedinger.modulated(1e-6, a)
    solution = run(model, sn.Central(64, 8), 4.0, "DOP853", 1e-11, times=5)
    size = abs(solution[model.psi])
    ripple = np.log(size.max(axis=1) - size.min(axis=1))
    np.testing.assert_allclose(np.diff(ripple)[1:], np.sqrt(8 * a * (1 - 2 * a)), rtol=0.02)


@pytest.mark.parametrize("name", ["sod", "rarefactions", "collision"])
def test_tubes_conserve(name: str) -> None:
    """Nothing is lost inside, to round-off: what remains is what flowed through the ends."""
    left, right = compressible.TUBES[name]
    flow = compressible.tube(left, right)
    end = {"sod": 0.3, "rarefactions": 0.1, "collision": 0.03}[name]
    # between the rarefactions there is almost vacuum: only first order keeps the pressure positive
    limiter = "none" if name == "rarefactions" else "van Leer"
    scheme = sn.TVD(100, limiter, speeds=(flow.slowest, flow.fastest))
    system = sn.discretize(flow.model, {flow.model.x: scheme})
    solution = sn.solve(
        sn.Problem(system, span=(0, end)), "Tsit5", rtol=1e-5, atol=1e-7, saveat=np.array([0, end])
    )
    rho = solution[flow.model.rho]
    assert rho.min() > 0
    gained = (rho[-1].sum() - rho[0].sum()) * 0.02
    through = end * (left.rho * left.v - right.rho * right.v)
    assert gained == pytest.approx(through, abs=1e-10 * max(1.0, abs(through)))


@pytest.mark.slow
def test_dam_break_is_round_and_conserves_water() -> None:
    flow = compressible.dam_break()
    model = flow.model
    system = sn.discretize(model, dict.fromkeys((model.x, model.y), sn.TVD(40, speed=flow.speed)))
    solution = sn.solve(
        sn.Problem(system, span=(0, 0.5)), "BS3", rtol=1e-4, atol=1e-6, saveat=np.array([0, 0.5])
    )
    h = solution[model.h]
    assert abs(h[-1].sum() - h[0].sum()) < 1e-11 * h[0].sum()
    np.testing.assert_allclose(h[-1], h[-1].T, atol=1e-9)
    np.testing.assert_allclose(h[-1], h[-1][::-1], atol=1e-9)
    assert 1.0 < h[-1].max() < 2.0


@pytest.mark.parametrize(("name", "points"), [("gray_scott", "32"), ("kuramoto_sivashinsky", "64")])
def test_the_examples(
    name: str, points: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--points", points, "--end", "100"])
    runpy.run_path(str(repository / "examples" / f"{name}.py"), run_name="__main__")
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_string_and_membrane_swing_in_their_modes() -> None:
    model = waves.string(speed=2.0, length=3.0, mode=2)
    k = 2 * np.pi / 3
    errors = []
    for points in (41, 81):
        solution = run(model, sn.Central(points, 4), 1.7, "DOP853", 1e-9)
        exact = np.sin(k * np.linspace(0, 3, points)) * np.cos(k * 2 * 1.7)
        errors.append(abs(solution[model.u][-1] - exact).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.4)
    model = waves.membrane(width=1.0, height=0.5)
    solution = run(model, sn.Central(31, 4), 1.0, "DOP853", 1e-8)
    swing = np.cos(np.pi * np.sqrt(5))
    assert abs(solution[model.u][-1] - swing * solution[model.u][0]).max() < 2e-3


def test_sound_in_a_room() -> None:
    """Of second order, with mass and energy kept to what the steps keep."""
    model = waves.sound(speed=1.5, density=2.0, width=1.0, height=2.0)
    turned = np.cos(1.5 * np.pi * np.sqrt(1.25) * 0.9)
    errors = []
    for points in (10, 20):
        solution = run(model, sn.Staggered(points), 0.9, "DOP853", 1e-10)
        p, u, v = (solution[q] for q in (model.p, model.u, model.v))
        errors.append(abs(p[-1] - turned * p[0]).max())
        assert u.shape[1:] == (points + 1, points)
        assert abs(p.sum(axis=(1, 2))).max() < 1e-10
        moving = (u**2).sum(axis=(1, 2)) + (v**2).sum(axis=(1, 2))
        energy = (p**2).sum(axis=(1, 2)) / (2.0 * 1.5**2) + 2.0 * moving
        assert energy[-1] == pytest.approx(energy[0], rel=1e-7)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


def test_poisson_in_a_box() -> None:
    """Against the series for a constant source, and a source that varies."""
    model = potential.poisson()
    grid = dict.fromkeys(model.coordinates, sn.Central(81, 4))
    found = sn.steady_state(sn.Problem(sn.discretize(model, grid)))[model.u]
    odd = np.arange(1, 60, 2)
    m, n = np.meshgrid(odd, odd)
    middle = (16 / np.pi**4 * np.sin(m * np.pi / 2) * np.sin(n * np.pi / 2) / (m * n * (m**2 + n**2))).sum()
    assert found[40, 40] == pytest.approx(middle, abs=2e-6)
    model = potential.poisson(lambda x, y: sn.sin(np.pi * x) * sn.sin(2 * np.pi * y))
    grid = dict.fromkeys(model.coordinates, sn.Chebyshev(14))
    problem = sn.Problem(sn.discretize(model, grid))
    exact = sn.sin(np.pi * model.x) * sn.sin(2 * np.pi * model.y) / (5 * np.pi**2)
    assert abs(sn.steady_state(problem)[model.u - exact]).max() < 1e-7
    # a run in time has the same values throughout, though nothing moves
    solution = sn.solve(problem, saveat=[0.0, 1.0])
    assert abs(solution[model.u - exact]).max() < 1e-7
