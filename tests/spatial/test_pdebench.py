"""The one-dimensional parameter sets of Takamoto et al., PDEBench, NeurIPS 2022, on coarser grids.

Their numbers of points, 1,024, run with ``-m slow``.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import symnum as sn
from symnum.models.spatial import compressible, diffusion
from symnum.models.spatial.compressible import Gas

D = sn.D
SPEEDS = (0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 4.0, 7.0)
VISCOSITIES = (0.001, 0.002, 0.004, 0.01, 0.02, 0.04, 0.1, 0.2, 0.4, 1.0, 2.0, 4.0)
GRIDS = [pytest.param(96, id="96"), pytest.param(1024, id="1024", marks=pytest.mark.slow)]


def ring() -> tuple[sn.Expr, sn.Expr]:
    x = sn.coordinate("x", 0, 1, periodic=True)
    return x, sn.field("u", x)


def mass_drift(u: NDArray[np.float64]) -> float:
    """Largest change of the sum over cells, beside the sum of the sizes."""
    return float(abs(u.sum(axis=1) - u[0].sum()).max() / abs(u[0]).sum())


@pytest.mark.parametrize("points", GRIDS)
@pytest.mark.parametrize("speed", SPEEDS)
def test_advection(speed: float, points: int) -> None:
    """Sums of sines travel unchanged; over a distance, so that every speed has the same work."""
    x, u = ring()

    def start(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sin(2 * np.pi * x + 0.3) + 0.5 * np.sin(6 * np.pi * x + 1.1)

    model = sn.PDE("advection", [D(u) + D(speed * u, x) == 0], initial={u: start})
    end = min(2.0, 1.5 / speed)
    problem = sn.Problem(sn.discretize(model, {x: sn.WENO5(points, speed=speed)}), span=(0.0, end))
    run = sn.solve(problem, "Tsit5", rtol=1e-7, atol=1e-8, saveat=[0.0, end])
    cells = (np.arange(points) + 0.5) / points
    error = abs(run[u][-1] - start(cells - speed * end)).max()
    # order 5 from three periods on 96 cells
    assert error < 1.5e-3 * (96 / points) ** 4 + 1e-6
    assert mass_drift(run[u]) < 1e-13


@pytest.mark.parametrize("points", GRIDS)
@pytest.mark.parametrize("viscosity", VISCOSITIES)
def test_burgers(viscosity: float, points: int) -> None:
    """u_t + (u^2/2)_x = (nu/pi) u_xx from a sine wave: the mean stays; quadrature where it is smooth."""
    x, u = ring()
    nu, end = viscosity / math.pi, 0.4 / (1 + viscosity)
    model = sn.PDE(
        "burgers", [D(u) + D(u**2 / 2, x) == nu * D(u, x, 2)], initial={u: sn.sin(2 * math.pi * x)}
    )
    system = sn.discretize(model, {x: sn.TVD(points, "van Leer", speed=abs(u))})
    run = sn.solve(sn.Problem(system, span=(0.0, end)), rtol=1e-6, atol=1e-8, saveat=[0.0, end])
    found = run[u]
    # what the factors of the steps round off grows with the grid
    assert mass_drift(found) < 1e-13 * max(points / 512, 1)
    assert abs(found[-1]).max() <= abs(found[0]).max() + 1e-9
    if viscosity < 0.02:
        return  # a shock of a cell's width
    nodes, weights = np.polynomial.hermite.hermgauss(120)
    y = ((np.arange(points) + 0.5) / points)[:, None] - nodes * math.sqrt(4 * nu * end)
    # Cole and Hopf: u = -2 nu (log phi)_x, phi spread from exp(-int u0 / 2 nu)
    exponent = (np.cos(2 * np.pi * y) - 1) / (4 * np.pi * nu)
    f = weights * np.exp(exponent - exponent.max())
    exact = (np.sin(2 * np.pi * y) * f).sum(axis=1) / f.sum(axis=1)
    assert abs(found[-1] - exact).max() < 0.04 * (96 / points) * abs(exact).max() + 1e-6


@pytest.mark.parametrize("points", [pytest.param(65), pytest.param(1025, marks=pytest.mark.slow)])
def test_diffusion_sorption(points: int) -> None:
    """To t = 500, against the same differences written out in NumPy."""
    model = diffusion.sorption()
    system = sn.discretize(model, {model.x: sn.Central(points)})
    run = sn.solve(sn.Problem(system, span=(0.0, 500.0)), rtol=1e-7, atol=1e-9, saveat=[0.0, 500.0])
    h, spread = 1 / (points - 1), 5e-4

    def whole(inner: NDArray[np.float64]) -> NDArray[np.float64]:
        # u = D (3 u - 4 u_1 + u_2)/(2 h) at the outlet
        last = spread * (inner[-2] - 4 * inner[-1]) / (2 * h - 3 * spread)
        return np.concatenate([[1.0], inner, [last]])

    def right(_: float, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        u = whole(inner)
        retardation = 1 + (1 - 0.29) / 0.29 * 2880 * 3.5e-4 * 0.874 * u[1:-1] ** (0.874 - 1)
        return spread / retardation * (u[2:] - 2 * u[1:-1] + u[:-2]) / h**2

    reference = solve_ivp(
        right, (0, 500), np.full(points - 2, 0.1), "LSODA", rtol=1e-8, atol=1e-10, lband=2, uband=2
    )
    expected = reference.y[:, -1]
    found = run[model.u][-1]
    np.testing.assert_allclose(found[1:-1], expected, atol=1e-6)
    assert found.max() <= 1.0 + 1e-9
    assert (np.diff(found[: points // 2]) < 0).all()


# Toro's tests, table 4.1 and section 10.8, and the end times of the data set
TUBES = {
    "sod": (Gas(1.0, 0.0, 1.0), Gas(0.125, 0.0, 0.1), 0.4),
    "rarefactions": (Gas(1.0, -2.0, 0.4), Gas(1.0, 2.0, 0.4), 0.15),
    "blast": (Gas(1.0, 0.0, 1000.0), Gas(1.0, 0.0, 0.01), 0.012),
    "collision": (Gas(5.99924, 19.5975, 460.894), Gas(5.99242, -6.19633, 46.0950), 0.035),
    "blast in a stream": (Gas(1.0, -19.59745, 1000.0), Gas(1.0, -19.59745, 0.01), 0.012),
    "contact at rest": (Gas(1.4, 0.0, 1.0), Gas(1.0, 0.0, 1.0), 2.0),
    "slow contact": (Gas(1.4, 0.1, 1.0), Gas(1.0, 0.1, 1.0), 2.0),
}
GAMMA = 5 / 3


def middle(left: Gas, right: Gas) -> tuple[float, float]:
    """Pressure and velocity between the waves; Toro, section 4.2."""

    def change(p: float, side: Gas) -> float:
        sound = math.sqrt(GAMMA * side.p / side.rho)
        if p <= side.p:
            return 2 * sound / (GAMMA - 1) * ((p / side.p) ** ((GAMMA - 1) / (2 * GAMMA)) - 1)
        a, b = 2 / ((GAMMA + 1) * side.rho), (GAMMA - 1) / (GAMMA + 1) * side.p
        return (p - side.p) * math.sqrt(a / (p + b))

    p = brentq(lambda p: change(p, left) + change(p, right) + right.v - left.v, 1e-12, 1e5, xtol=1e-14)
    return p, 0.5 * (left.v + right.v + change(p, right) - change(p, left))


@pytest.mark.parametrize("points", [pytest.param(120), pytest.param(1024, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TUBES)
def test_riemann_tubes(name: str, points: int) -> None:
    """Mass, momentum and energy change by what flows through the ends alone, and the state in the middle."""
    left, right, end = TUBES[name]
    flow = compressible.tube(left, right, GAMMA)
    model = flow.model
    # between the rarefactions there is almost vacuum: only first order keeps the pressure positive
    limiter = "none" if name == "rarefactions" else "minmod"
    scheme = sn.TVD(points, limiter, speeds=(flow.slowest, flow.fastest))
    problem = sn.Problem(sn.discretize(model, {model.x: scheme}), span=(0.0, end))
    run = sn.solve(problem, "Tsit5", rtol=1e-5, atol=1e-7, saveat=[0.0, end / 4, end])
    states = []
    for gas in (left, right):
        energy = gas.p / (GAMMA - 1) + gas.rho * gas.v**2 / 2
        fluxes = (gas.rho * gas.v, gas.rho * gas.v**2 + gas.p, (energy + gas.p) * gas.v)
        states.append(np.array(fluxes))
    kept = np.stack([run[field] for field in (model.rho, model.m, model.E)]).sum(axis=2) * 2 / points
    # a quarter of the time: by the end small waves have left through the open ends
    gained, through = kept[:, 1] - kept[:, 0], end / 4 * (states[0] - states[1])
    assert (abs(gained - through) < 1e-12 * (abs(kept).max() + abs(through))).all()
    rho, m, energy = (run[field][-1] for field in (model.rho, model.m, model.E))
    assert rho.min() > 0
    pressure = (GAMMA - 1) * (energy - m**2 / rho / 2)
    assert pressure.min() > 0
    expected = middle(left, right)
    cell = np.searchsorted((np.arange(points) + 0.5) * 2 / points - 1, expected[1] * end) - 1
    scale = max(left.p, right.p)
    assert pressure[cell] == pytest.approx(expected[0], abs=0.03 * scale, rel=0.1)
