"""Fields on the faces between cells: waves, shallow water and Darcy flow on the C grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError

D = sn.D
PI = math.pi
Basin: TypeAlias = tuple[sn.Problem, sn.Solution, dict[str, sn.Expr]]


def observed_order(error: Callable[[int], float], points: tuple[int, int]) -> float:
    coarse, fine = (error(n) for n in points)
    return math.log(coarse / fine) / math.log(points[1] / points[0])


def closed_basin(points: int) -> tuple[sn.Solution, sn.Expr, sn.Expr]:
    """Sound between walls: h = cos(pi x) cos(pi t), u = sin(pi x) sin(pi t)."""
    x = sn.coordinate("x", 0, 1)
    h, u = sn.field("h", x), sn.field("u", x, faces=x)
    walls = [q.at(x, end) == 0 for end in (0, 1) for q in (u, D(h, x))]
    model = sn.PDE(
        "sound", [D(h) == -D(u, x), D(u) == -D(h, x)], boundary=walls, initial={h: sn.cos(PI * x), u: 0}
    )
    problem = sn.Problem(sn.discretize(model, {x: sn.Staggered(points)}), span=(0.0, 1.3))
    return sn.solve(problem, "DOP853", rtol=1e-10, atol=1e-12, saveat=[0.0, 1.3]), h, u


def test_sound_between_walls() -> None:
    def error(points: int) -> float:
        run, h, u = closed_basin(points)
        cells, faces = (np.arange(points) + 0.5) / points, np.arange(points + 1) / points
        return max(
            abs(run[h][-1] - np.cos(PI * cells) * np.cos(PI * 1.3)).max(),
            abs(run[u][-1] - np.sin(PI * faces) * np.sin(PI * 1.3)).max(),
        )

    assert observed_order(error, (20, 40)) == pytest.approx(2, abs=0.05)
    run, h, u = closed_basin(40)
    assert abs(run[h].sum(axis=1)).max() < 1e-13
    np.testing.assert_array_equal(run[u][:, [0, -1]], 0.0)
    assert run[u].shape == (2, 41)
    assert run[u * sn.coordinate("x", 0, 1)].shape == (2, 41)


def test_inertia_gravity_wave() -> None:
    """Linear shallow water that turns: omega^2 = f^2 + g H (k^2 + l^2), on a torus."""
    f, depth, k, l = 1.5, 0.7, 2 * PI, 4 * PI
    omega = math.sqrt(f**2 + depth * (k**2 + l**2))
    x, y = (sn.coordinate(name, 0, 1, periodic=True) for name in "xy")
    h, u, v = sn.field("h", x, y), sn.field("u", x, y, faces=x), sn.field("v", x, y, faces=y)
    phase = k * x + l * y
    # u = Re U e^(i(phase - omega t)) with h = cos(phase - omega t)
    size = omega**2 - f**2
    start = {
        h: sn.cos(phase),
        u: (k * omega * sn.cos(phase) - l * f * sn.sin(phase)) / size,
        v: (l * omega * sn.cos(phase) + k * f * sn.sin(phase)) / size,
    }
    model = sn.PDE(
        "turning",
        [
            D(h) == -depth * (D(u, x) + D(v, y)),
            D(u) == f * v - D(h, x),
            D(v) == -f * u - D(h, y),
        ],
        initial=start,
    )

    def error(points: int) -> float:
        grid = {x: sn.Staggered(points), y: sn.Staggered(points)}
        problem = sn.Problem(sn.discretize(model, grid), span=(0.0, 0.2))
        run = sn.solve(problem, "DOP853", rtol=1e-9, atol=1e-11, saveat=[0.2])
        exact = sn.cos(phase - omega * 0.2)
        return float(abs(run[h - exact][-1]).max())

    assert observed_order(error, (24, 48)) == pytest.approx(2, abs=0.1)


@pytest.fixture(scope="module")
def basin() -> Basin:
    """A hump of water in a closed basin, fluxes written with the depth on the faces."""
    x, y = sn.coordinate("x", 0, 1), sn.coordinate("y", 0, 1)
    h, u, v = sn.field("h", x, y), sn.field("u", x, y, faces=x), sn.field("v", x, y, faces=y)
    closed = [u.at(x, end) == 0 for end in (0, 1)] + [v.at(y, end) == 0 for end in (0, 1)]
    closed += [D(q, c).at(c, end) == 0 for q, c in ((h, x), (h, y), (u, y), (v, x)) for end in (0, 1)]
    model = sn.PDE(
        "basin",
        [
            D(h) == -D(h * u, x) - D(h * v, y),
            D(u) == -u * D(u, x) - v * D(u, y) - D(h, x),
            D(v) == -u * D(v, x) - v * D(v, y) - D(h, y),
        ],
        boundary=closed,
        initial={h: 1 + 0.2 * sn.exp(-30 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)), u: 0, v: 0},
    )
    system = sn.discretize(model, {x: sn.Staggered(24), y: sn.Staggered(24)})
    problem = sn.Problem(system, span=(0.0, 0.8))
    run = sn.solve(problem, rtol=1e-7, atol=1e-9, saveat=[0.0, 0.8])
    return problem, run, {"h": h, "u": u, "v": v}


def test_shallow_water_is_kept_and_symmetric(basin: Basin) -> None:
    _, run, fields = basin
    h, u, v = (run[fields[name]] for name in "huv")
    assert u.shape == (2, 25, 24)
    assert v.shape == (2, 24, 25)
    assert abs(h[1].sum() - h[0].sum()) < 1e-13 * h[0].sum()
    assert h[1].std() < h[0].std()
    assert abs(u[1]).max() > 0.01
    np.testing.assert_allclose(h[1], h[1].T, atol=1e-7)
    np.testing.assert_allclose(h[1], h[1][::-1], atol=1e-7)
    np.testing.assert_allclose(u[1], v[1].T, atol=1e-7)


def test_rates_against_numpy(basin: Basin) -> None:
    """The differences and means of the C grid, written out for inner cells and faces."""
    problem, run, fields = basin
    h, u, v = (run[fields[name]][1] for name in "huv")
    names, n = list(run.states), 24.0
    rates = dict(zip(names, problem.compiled.rhs(0.8, run.y[:, 1], problem.p), strict=True))
    through_x = u[1:-1] * (h[1:] + h[:-1]) / 2
    through_y = v[:, 1:-1] * (h[:, 1:] + h[:, :-1]) / 2
    i, j = 7, 11
    loss = through_x[i, j] - through_x[i - 1, j] + through_y[i, j] - through_y[i, j - 1]
    assert rates[f"h[{i},{j}]"] == pytest.approx(-n * loss, rel=1e-12)
    across = (v[i - 1, j] + v[i, j] + v[i - 1, j + 1] + v[i, j + 1]) / 4
    slope_x, slope_y = (u[i + 1, j] - u[i - 1, j]) / 2, (u[i, j + 1] - u[i, j - 1]) / 2
    push = -u[i, j] * slope_x - across * slope_y - (h[i, j] - h[i - 1, j])
    assert rates[f"u[{i},{j}]"] == pytest.approx(n * push, rel=1e-10)


def test_darcy_flow() -> None:
    """Pressure in cells, flow through faces, no time: what wells give leaves through the ends."""

    def solved(points: int) -> tuple[sn.SteadyState, sn.Expr, sn.Expr]:
        x = sn.coordinate("x", 0, 1)
        p, q = sn.field("p", x), sn.field("q", x, faces=x)
        # p = sin(pi x) with a conductivity of 1 + x
        source = (1 + x) * PI**2 * sn.sin(PI * x) - PI * sn.cos(PI * x)
        ends = [p.at(x, end) == 0 for end in (0, 1)]
        ends += [q.at(x, end) == -(1 + x) * D(p, x).at(x, end) for end in (0, 1)]
        model = sn.PDE("darcy", [q == -(1 + x) * D(p, x), D(q, x) == source], boundary=ends)
        return sn.steady_state(sn.Problem(sn.discretize(model, {x: sn.Staggered(points)}))), p, q

    def error(points: int) -> float:
        found, p, _ = solved(points)
        return float(abs(found[p] - np.sin(PI * (np.arange(points) + 0.5) / points)).max())

    assert observed_order(error, (20, 40)) == pytest.approx(2, abs=0.1)
    found, _, q = solved(40)
    cells = (np.arange(40) + 0.5) / 40
    wells = ((1 + cells) * PI**2 * np.sin(PI * cells) - PI * np.cos(PI * cells)).sum() / 40
    assert found[q][-1] - found[q][0] == pytest.approx(wells, rel=1e-12)


def test_what_cannot_be() -> None:
    x, y = sn.coordinate("x", 0, 1), sn.coordinate("y", 0, 1)
    with pytest.raises(ModelError, match="field u: faces=y: the field does not depend on y"):
        sn.field("u", x, faces=y)
    with pytest.raises(ModelError, match="field u: faces=: 3 is no coordinate"):
        sn.field("u", x, faces=3)
    h, u = sn.field("h", x), sn.field("u", x, faces=x)
    equations = [D(h) == -D(u, x), D(u) == -D(h, x)]
    walls = [q.at(x, end) == 0 for end in (0, 1) for q in (u, D(h, x))]
    good = sn.PDE("sound", equations, boundary=walls, initial={h: 1, u: 0})
    with pytest.raises(ModelError, match=r"sound: u lies on the faces of x, .* not for Central"):
        sn.discretize(good, {x: sn.Central(10)})
    with pytest.raises(ModelError, match=r"for u on each face, and on x = 0 there are 0"):
        sn.discretize(sn.PDE("sound", equations, boundary=walls[1:]), {x: sn.Staggered(10)})
    sloping = [D(u, x).at(x, end) == 0 for end in (0, 1)] + [D(h, x).at(x, end) == 0 for end in (0, 1)]
    with pytest.raises(ModelError, match=r"a condition there gives u itself: u.at\(x, \.\.\.\)"):
        sn.discretize(sn.PDE("sound", equations, boundary=sloping), {x: sn.Staggered(10)})
    steep = [D(h) == -D(u, x), D(u) == -D(h, x) - D(u, x, 4)]
    with pytest.raises(ModelError, match="derivatives of u in x reach beyond the faces"):
        sn.discretize(sn.PDE("steep", steep, boundary=walls), {x: sn.Staggered(10)})
    run = sn.solve(sn.Problem(sn.discretize(good, {x: sn.Staggered(10)}), span=(0, 0.1)), saveat=[0.1])
    with pytest.raises(ModelError, match="h and u do not lie at the same places in x"):
        run[h + u]
    with pytest.raises(ModelError, match="points='many'"):
        sn.Staggered("many")
