"""Grids in several dimensions, curved coordinates, fluxes, integrals, coupling; fields in solutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import symnum as sn

D, pi, t = sn.D, np.pi, sn.t


def solve(
    model: sn.PDE, schemes: dict[sn.Expr, Any], end: float, start: Any = None, **options: Any
) -> sn.Solution:
    problem = sn.Problem(sn.discretize(model, schemes), start, span=(0, end))
    return sn.solve(problem, **{"rtol": 1e-9, "atol": 1e-11, "saveat": [0, end], **options})


@pytest.mark.parametrize(("order", "coarse"), [(2, 40), (4, 16)])
def test_two_dimensions_with_all_kinds_of_faces(order: int, coarse: int) -> None:
    """Neumann, Dirichlet that moves in time, Robin; a solution that varies along the faces."""
    x, y = sn.coordinate("x", 0, 1), sn.coordinate("y", 0, 2)
    u = sn.field("u", x, y)
    exact = sn.exp(-t) * sn.cos(2 * x) * sn.sin(y)
    model = sn.PDE(
        "heat",
        [D(u) == 0.3 * sn.laplacian(u, sn.cartesian(x, y)) + 0.5 * exact],
        boundary=[
            D(u, x).at(x, 0) == 0,
            u.at(x, 1) == sn.exp(-t) * np.cos(2.0) * sn.sin(y),
            u.at(y, 0) == 0,
            (D(u, y) + u).at(y, 2) == sn.exp(-t) * sn.cos(2 * x) * (np.cos(2.0) + np.sin(2.0)),
        ],
        initial={u: sn.cos(2 * x) * sn.sin(y)},
    )
    errors = []
    for n in (coarse, 2 * coarse):
        run = solve(model, {x: sn.Central(n + 1, order), y: sn.Central(3 * n // 2 + 1, order)}, 1.0)
        mesh = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 2, 3 * n // 2 + 1), indexing="ij")
        expected = np.exp(-1) * np.cos(2 * mesh[0]) * np.sin(mesh[1])
        assert run[u].shape == (2, n + 1, 3 * n // 2 + 1)
        errors.append(float(abs(run[u][-1] - expected).max()))
    assert np.log2(errors[0] / errors[1]) > order - 0.3, errors


def test_three_dimensions() -> None:
    """The slowest mode of a cube decays at its exact rate."""
    x, y, z = (sn.coordinate(name, 0, 1) for name in "xyz")
    u = sn.field("u", x, y, z)
    mode = sn.sin(pi * x) * sn.sin(pi * y) * sn.sin(pi * z)
    faces = [u.at(q, end) == 0 for q in (x, y, z) for end in (0, 1)]
    model = sn.PDE(
        "cube", [D(u) == sn.laplacian(u)], boundary=faces, initial={u: mode}
    )
    n = 12
    run = solve(model, dict.fromkeys((x, y, z), sn.Central(n + 1)), 0.05, rtol=1e-7)
    rate = 3 * (2 * n * np.sin(pi / (2 * n))) ** 2  # of the discrete operator, exactly
    np.testing.assert_allclose(run[u][-1], np.exp(-0.05 * rate) * run[u][0], atol=1e-7)


@pytest.mark.parametrize("order", [2, 4])
def test_fluxes_with_varying_coefficients(order: int) -> None:
    x = sn.coordinate("x", 0, 1)
    u = sn.field("u", x)
    k = 1 + x**2
    source = -sn.exp(-t) * sn.sin(3 * x) - sn.exp(-t) * D(k * 3 * sn.cos(3 * x), x)
    model = sn.PDE(
        "flux",
        [D(u) == D(k * D(u, x), x) + source],
        boundary=[u.at(x, 0) == 0, u.at(x, 1) == np.sin(3.0) * sn.exp(-t)],
        initial={u: sn.sin(3 * x)},
    )
    errors = []
    for n in (20, 40):
        run = solve(model, {x: sn.Central(n + 1, order)}, 0.5)
        errors.append(abs(run[u][-1] - np.exp(-0.5) * np.sin(3 * np.linspace(0, 1, n + 1))).max())
    assert np.log2(errors[0] / errors[1]) > order - 0.3, errors


def test_what_leaves_one_cell_enters_the_next() -> None:
    """With closed faces the flux form keeps the total to round-off, whatever the coefficient."""
    x = sn.coordinate("x", 0, 1, periodic=True)
    u = sn.field("u", x)
    model = sn.PDE(
        "closed", [D(u) == D((0.1 + u**2) * D(u, x), x)], initial={u: 1 + 0.5 * sn.sin(2 * pi * x)}
    )
    run = solve(model, {x: sn.Central(50)}, 1.0, rtol=1e-4)
    total = run[u].sum(axis=1)
    assert abs(total[-1] - total[0]) < 1e-12 * total[0]
    assert abs(run[u][-1] - 1).max() < 0.3


def test_polar_coordinates() -> None:
    """A drum: the Bessel mode J0 decays at the square of its first zero."""
    from scipy.special import j0, jn_zeros

    zero = float(jn_zeros(0, 1)[0])
    r = sn.coordinate("r", 0, 1)
    u = sn.field("u", r)
    model = sn.PDE(
        "drum",
        [D(u) == sn.laplacian(u, sn.polar(r))],
        boundary=[D(u, r).at(r, 0) == 0, u.at(r, 1) == 0],
        initial={u: lambda r: j0(zero * r)},
    )
    errors = []
    for n in (20, 40):
        run = solve(model, {r: sn.Central(n + 1)}, 0.1)
        expected = np.exp(-0.1 * zero**2) * j0(zero * np.linspace(0, 1, n + 1))
        errors.append(abs(run[u][-1] - expected).max())
    assert np.log2(errors[0] / errors[1]) > 1.7, errors


def test_vector_operators_in_spherical_coordinates() -> None:
    """div and curl against a field whose values are known: F = r^2 along r, and along phi."""
    r, theta = sn.coordinate("r", 1, 2), sn.coordinate("theta", 0.5, 1.5)
    geometry = sn.spherical(r, theta)
    assert sn.div((r**2, 0), geometry) == 4 * r
    (out,) = sn.curl((0, r**2), geometry)
    assert out == 3 * r
    assert sn.grad(r**2 * sn.sin(theta), geometry) == (2 * r * sn.sin(theta), r * sn.cos(theta))


@pytest.mark.parametrize("order", [2, 4])
def test_stretched_grids(order: int) -> None:
    x = sn.coordinate("x", 0, 1)
    u = sn.field("u", x)
    model = sn.PDE(
        "heat",
        [D(u) == 0.1 * D(u, x, 2)],
        boundary=[u.at(x, 0) == 0, D(u, x).at(x, 1) == 0],
        initial={u: sn.sin(pi / 2 * x)},
    )

    def packed(z: Any) -> Any:
        return z + 0.1 * np.sin(2 * pi * z)

    errors = []
    for n in (20, 40):
        run = solve(model, {x: sn.Central(n + 1, order, grid=packed)}, 1.0)
        places = packed(np.linspace(0, 1, n + 1))
        errors.append(abs(run[u][-1] - np.exp(-0.025 * pi**2) * np.sin(pi / 2 * places)).max())
    assert np.log2(errors[0] / errors[1]) > order - 0.3, errors


def test_integrals_and_ordinary_equations() -> None:
    """A controller that reads the mean and one place of a rod and heats all of it, against SciPy."""
    from scipy.integrate import solve_ivp

    x = sn.coordinate("x", 0, 1)
    u, c = sn.field("u", x), sn.variable("c", start=0)
    (gain,) = sn.parameters(gain=2.0)
    model = sn.PDE(
        "rod",
        [D(u) == D(u, x, 2) + c, D(c) == -gain * sn.integral(u, x) + u.at(x, 0.5)],
        boundary=[D(u, x).at(x, 0) == 0, D(u, x).at(x, 1) == 0],
        initial={u: 1 + x},
    )
    n, h = 20, 1 / 20
    run = solve(model, {x: sn.Central(n + 1)}, 1.0)

    def whole(inside: Any) -> Any:
        first, last = (4 * inside[0] - inside[1]) / 3, (4 * inside[-1] - inside[-2]) / 3
        return np.concatenate([[first], inside, [last]])

    def right(_: float, y: Any) -> Any:
        full = whole(y[:-1])
        mean = h * (full.sum() - (full[0] + full[-1]) / 2)
        return np.append(np.diff(full, 2) / h**2 + y[-1], -2 * mean + full[n // 2])

    begin = np.append(1 + np.linspace(0, 1, n + 1)[1:-1], 0.0)
    expected = solve_ivp(right, (0, 1), begin, method="Radau", rtol=1e-10, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(run[u][-1], whole(expected[:-1]), atol=1e-8)
    assert run[c][-1] == pytest.approx(expected[-1], abs=1e-8)


def test_fields_in_solutions() -> None:
    x, y = sn.coordinate("x", 0, 1), sn.coordinate("y", 0, 2, periodic=True)
    u, w = sn.field("u", x, y), sn.field("w", y)
    (k,) = sn.parameters(k=0.5)
    model = sn.PDE(
        "two", [D(u) == k * D(u, x, 2) - u, D(w) == -w], boundary=[u.at(x, 0) == 1, u.at(x, 1) == 2],
        initial={u: 1 + x, w: sn.cos(pi * y)},
    )  # fmt: skip
    run = solve(model, {x: sn.Central(5), y: sn.Central(4)}, 1.0, saveat=[0, 0.5, 1])
    assert run[u].shape == (3, 5, 4)
    assert run[w].shape == (3, 4)
    np.testing.assert_allclose(run[u + k * w], run[u] + 0.5 * run[w][:, None, :])
    np.testing.assert_allclose(run[u * x + t][2], run[u][2] * np.linspace(0, 1, 5)[:, None] + 1)
    np.testing.assert_allclose(run["u"], run[u])
    np.testing.assert_allclose(run["u[2,1]"], run[u][:, 2, 1])
    np.testing.assert_allclose(run[D(w)], -run[w], atol=1e-12)
    dense = sn.solve(sn.Problem(sn.discretize(model, {x: sn.Central(5), y: sn.Central(4)}), span=(0, 1)))
    assert dense(0.3)[u].shape == (5, 4)
    np.testing.assert_allclose(dense([0.5, 1.0])[w], run[w][1:], rtol=1e-5)


@pytest.mark.parametrize("start", ["expression", "array", "function", "number"])
def test_starts_of_a_problem(start: str) -> None:
    x = sn.coordinate("x", 0, 1)
    u = sn.field("u", x)
    model = sn.PDE("heat", [D(u) == D(u, x, 2)], boundary=[u.at(x, 0) == 0, u.at(x, 1) == 0])
    given = {
        "expression": 3 * x,
        "array": 3 * np.linspace(0, 1, 7),
        "function": lambda x: 3 * x,
        "number": 2.5,
    }[start]
    run = solve(model, {x: sn.Central(7)}, 0.1, {u: given})
    expected = np.full(7, 2.5) if start == "number" else 3 * np.linspace(0, 1, 7)
    np.testing.assert_allclose(run[u][0][1:-1], expected[1:-1])


def test_a_saved_model_keeps_its_grid(tmp_path: Any) -> None:
    x = sn.coordinate("x", 0, 1)
    u = sn.field("u", x)
    model = sn.PDE("heat", [D(u) == D(u, x, 2)], boundary=[u.at(x, 0) == 0, u.at(x, 1) == 0], initial={u: x})
    path = sn.compile(sn.discretize(model, {x: sn.Central(9)})).save(tmp_path / "heat.model")
    run = sn.solve(sn.Problem(sn.load(path), span=(0, 0.1)), saveat=[0, 0.1])
    np.testing.assert_allclose(run[u * x][0][1:-1], np.linspace(0, 1, 9)[1:-1] ** 2)


def test_the_shock_tube_of_sod() -> None:
    """Density and velocity between the waves, and where the waves are, against the exact solution.

    gamma = 1.4; p* = 0.30313, v* = 0.92745, densities 0.42632 and 0.26557, shock at 1.75216 t (Toro, Riemann
    Solvers and Numerical Methods for Fluid Dynamics, 3rd ed. 2009, table 4.2, test 1).
    """
    x = sn.coordinate("x", -1, 1)
    rho, m, energy = sn.fields("rho m E", x)
    v = m / rho
    p = 0.4 * (energy - m * v / 2)
    sound = sn.sqrt(1.4 * p / rho)
    faces = [D(q, x).at(x, end) == 0 for q in (rho, m, energy) for end in (-1, 1)]
    model = sn.PDE(
        "euler",
        [D(rho) + D(m, x) == 0, D(m) + D(m * v + p, x) == 0, D(energy) + D((energy + p) * v, x) == 0],
        boundary=faces,
        initial={
            rho: sn.ifelse(x < 0, 1.0, 0.125),
            m: 0,
            energy: sn.ifelse(x < 0, 2.5, 0.25),
        },
    )
    run = solve(
        model, {x: sn.TVD(400, speeds=(v - sound, v + sound))}, 0.4, method="Tsit5", rtol=1e-4, atol=1e-6
    )
    places = -1 + (np.arange(400) + 0.5) / 200
    density, speed = run[rho][-1], run[v][-1]

    def between(low: float, high: float) -> Any:
        return (places > low * 0.4) & (places < high * 0.4)

    np.testing.assert_allclose(density[between(0.1, 0.75)], 0.42632, rtol=0.01)
    np.testing.assert_allclose(density[between(1.1, 1.65)], 0.26557, rtol=0.01)
    np.testing.assert_allclose(speed[between(0.1, 1.6)], 0.92745, rtol=0.01)
    shock = places[np.flatnonzero(density > (0.26557 + 0.125) / 2)[-1]]
    assert shock == pytest.approx(1.75216 * 0.4, abs=0.01)
    for q in (rho, m, energy):  # until the waves reach the faces, what is inside changes by the pressure only
        gained = (run[q][-1].sum() - run[q][0].sum()) / 200
        assert gained == pytest.approx((1.0 - 0.1) * 0.4 if q is m else 0.0, abs=1e-12)


def test_upwinding_does_not_oscillate_where_central_differences_do() -> None:
    x = sn.coordinate("x", 0, 1, periodic=True)
    u = sn.field("u", x)
    model = sn.PDE("step", [D(u) + D(u, x) == 0], initial={u: sn.ifelse(x < 0.5, 1.0, 0.0)})
    beyond = {
        type(scheme).__name__: solve(model, {x: scheme}, 0.3, method="Tsit5", rtol=1e-6)[u][-1].max() - 1
        for scheme in (sn.Upwind(50), sn.Central(50))
    }
    assert beyond["Upwind"] < 1e-9
    assert beyond["Central"] > 0.1


def test_events_read_fields_and_ordinary_unknowns_have_starts() -> None:
    """A rod warmed at one end: when the other end, and when the mean, comes to 0.5 by the cosine series."""
    x = sn.coordinate("x", 0, 1)
    u, count = sn.field("u", x), sn.variable("count")
    far = sn.Event(when=u.at(x, 1) - 0.5, then={count: count + 1})
    mean = sn.Event(when=sn.integral(u, x) - 0.5, then={count: count + 10})
    model = sn.PDE(
        "rod",
        [D(u) == 0.1 * D(u, x, 2), D(count) == 0],
        boundary=[u.at(x, 0) == 1, D(u, x).at(x, 1) == 0],
        initial={u: 0, count: 3},
        events=[far, mean],
    )
    odd = np.arange(1, 400, 2) * pi / 2

    def short_of_half(time: float, weights: Any) -> float:
        return 0.5 - float(np.sum(2 / odd * weights * np.exp(-0.1 * odd**2 * time)))

    exact = [brentq(short_of_half, 0.1, 20, (weights,), 1e-12) for weights in (1 / odd, np.sin(odd))]
    run = sn.solve(sn.Problem(sn.discretize(model, {x: sn.Central(81, order=4)}), span=(0, 10)), rtol=1e-8)
    assert [h.t for h in run.events] == pytest.approx(exact, rel=1e-4)  # the sum over 81 points for the mean
    assert (run[count][0], run[count][-1]) == (3, 14)


def test_pictures_and_tables_of_fields() -> None:
    x, y = sn.coordinate("x", 0, 1), sn.coordinate("y", 0, 2, periodic=True)
    u, w = sn.field("u", x, y), sn.field("w", y)
    model = sn.PDE(
        "two",
        [D(u) == D(u, x, 2) - u, D(w) == -w],
        boundary=[u.at(x, 0) == 1, u.at(x, 1) == 2],
        initial={u: 1 + x, w: sn.cos(pi * y)},
    )
    run = solve(model, {x: sn.Central(5), y: sn.Central(4)}, 1.0, saveat=[0, 0.5, 1])
    table = run.to_xarray(u, w)
    assert table["u"].dims == ("t", "x", "y")
    assert float(table["u"].sel(t=0, x=0.5, y=1.0)) == pytest.approx(1.5)
    assert float(table["w"].sel(t=0, y=0.5)) == pytest.approx(0, abs=1e-12)
    assert run.unknowns() == ("u", "w")
    assert run.to_xarray().equals(table)  # fields, not their points
    flat, line = run.plot(u), run.plot(w)
    assert flat.get_title() == "t = 1"
    assert (line.get_xlabel(), line.get_ylabel()) == ("y", "t")
    assert line.collections[0].get_array().shape == (3, 4)
    film = run.animate(w)
    film._func(2)  # type: ignore[attr-defined]  # what matplotlib calls for the third frame
    np.testing.assert_allclose(film._fig.axes[0].lines[0].get_ydata(), run[w][2])  # type: ignore[attr-defined]
    film._draw_was_started = True  # type: ignore[attr-defined]  # or matplotlib warns that it was never shown
    with pytest.raises(sn.SymnumError, match="u is a field; plot it alone"):
        run.plot(u, w)
    with pytest.raises(sn.SymnumError, match="is no field"):
        run.animate("w[0]")
