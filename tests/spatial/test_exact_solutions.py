"""Published exact solutions: the error falls at the nominal order of the scheme.

The formulas are those of the reference set (`pde_exact`), whose tabulated points they are checked against.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.rewriting.expr import number
from symnum.rewriting.walk import evaluate_arrays, leaves, substitute

D, pi, t = sn.D, np.pi, sn.t
Exact = dict[sn.Expr, sn.Expr]


def heat() -> tuple[sn.PDE, Exact]:
    x = sn.coordinate("x", 0, 1)
    u = sn.field("u", x)
    exact = sn.exp(-0.1 * pi**2 * t) * sn.sin(pi * x) + 0.5 * sn.exp(-0.9 * pi**2 * t) * sn.sin(3 * pi * x)
    return pde("heat", [D(u) == 0.1 * D(u, x, 2)], [u.at(x, 0) == 0, u.at(x, 1) == 0], {u: exact})


def advection() -> tuple[sn.PDE, Exact]:
    x = sn.coordinate("x", 0, 1, periodic=True)
    u = sn.field("u", x)
    return pde("advection", [D(u) + D(0.4 * u, x) == 0], [], {u: sn.exp(sn.sin(2 * pi * (x - 0.4 * t)))})


def burgers() -> tuple[sn.PDE, Exact]:
    x = sn.coordinate("x", -1, 1, periodic=True)
    u = sn.field("u", x)
    a = sn.exp(-0.05 * pi**2 * t)
    exact = 0.1 * pi * a * sn.sin(pi * x) / (2 + a * sn.cos(pi * x))
    return pde("burgers", [D(u) + D(u**2 / 2, x) == 0.05 * D(u, x, 2)], [], {u: exact})


def kdv() -> tuple[sn.PDE, Exact]:
    x = sn.coordinate("x", -20, 20)
    u = sn.field("u", x)
    exact = 0.5 / sn.cosh(0.5 * (x - t)) ** 2
    faces = [u.at(x, -20) == 0, u.at(x, 20) == 0, D(u, x).at(x, 20) == 0]
    return pde("kdv", [D(u) + 6 * u * D(u, x) + D(u, x, 3) == 0], faces, {u: exact})


def schroedinger() -> tuple[sn.PDE, Exact]:
    """i psi_t + psi_xx / 2 + |psi|^2 psi = 0 with psi = a + i b."""
    x = sn.coordinate("x", -16, 16, periodic=True)
    a, b = sn.fields("a b", x)
    eta, v = 1.5, 0.5
    size = eta / sn.cosh(eta * (x - v * t))
    phase = v * x + (eta**2 - v**2) * t / 2
    density = a**2 + b**2
    equations = [D(a) == -D(b, x, 2) / 2 - density * b, D(b) == D(a, x, 2) / 2 + density * a]
    return pde("nls", equations, [], {a: size * sn.cos(phase), b: size * sn.sin(phase)})


def fisher() -> tuple[sn.PDE, Exact]:
    x = sn.coordinate("x", -40, 40)
    u = sn.field("u", x)
    exact = (1 + sn.exp((x - 5 * t / np.sqrt(6)) / np.sqrt(6))) ** -2
    return pde("fisher", [D(u) == D(u, x, 2) + u * (1 - u)], by_values(u, x, exact), {u: exact})


def allen_cahn() -> tuple[sn.PDE, Exact]:
    x = sn.coordinate("x", -1, 1)
    u = sn.field("u", x)
    eps, a = 0.1, 0.25
    speed = (1 - 2 * a) / (np.sqrt(2) * eps)
    exact = (1 - sn.tanh((x - speed * t) / (2 * np.sqrt(2) * eps))) / 2
    equation = D(u) == D(u, x, 2) + u * (1 - u) * (u - a) / eps**2
    return pde("allen_cahn", [equation], by_values(u, x, exact), {u: exact})


def wave() -> tuple[sn.PDE, Exact]:
    x = sn.coordinate("x", 0, 1)
    u = sn.field("u", x)
    exact = sn.sin(pi * x) * sn.cos(2 * pi * t) + sn.sin(2 * pi * x) * sn.sin(4 * pi * t) / (4 * pi)
    start = {u: sn.sin(pi * x), D(u): sn.sin(2 * pi * x)}
    return pde("wave", [D(u, 2) == 4 * D(u, x, 2)], [u.at(x, 0) == 0, u.at(x, 1) == 0], {u: exact}, start)


def poisson() -> tuple[sn.PDE, Exact]:
    """Elliptic; an ordinary equation beside it gives the run something to integrate."""
    x, y = sn.coordinate("x", 0, 1), sn.coordinate("y", 0, 1)
    u = sn.field("u", x, y)
    clock = sn.variable("clock", start=0)
    exact = sn.sin(pi * x) * sn.sin(pi * y) + x**2 * y
    source = -2 * pi**2 * sn.sin(pi * x) * sn.sin(pi * y) + 2 * y
    faces = [u.at(x, 0) == 0, u.at(x, 1) == y, u.at(y, 0) == 0, u.at(y, 1) == x**2]
    equations = [D(u, x, 2) + D(u, y, 2) == source, D(clock) == 1]
    return pde("poisson", equations, faces, {u: exact}, {u: 0})


def gaussian() -> tuple[sn.PDE, Exact]:
    x = sn.coordinate("x", -1, 3)
    u = sn.field("u", x)
    spread = 0.04 * (t + 0.25)
    exact = sn.exp(-((x - t) ** 2) / spread) / sn.sqrt(pi * spread)
    return pde("gaussian", [D(u) + D(u, x) == 0.01 * D(u, x, 2)], by_values(u, x, exact), {u: exact})


def pde(
    name: str, equations: list[Any], boundary: list[Any], exact: Exact, start: Any = None
) -> tuple[sn.PDE, Exact]:
    initial = start or {u: at_start(value) for u, value in exact.items()}
    return sn.PDE(name, equations, boundary=boundary, initial=initial), exact


def by_values(u: sn.Expr, x: sn.Expr, exact: sn.Expr) -> list[Any]:
    """The exact values on both faces."""
    ends = (x.data.low, x.data.high)
    return [u.at(x, end) == substitute((exact,), {x: number(end)})[0] for end in ends]


def at_start(exact: sn.Expr) -> sn.Expr:
    return substitute((exact,), {t: number(0)})[0]


# reference problem -> (equations, end time)
PROBLEMS: dict[str, tuple[Callable[[], tuple[sn.PDE, Exact]], float]] = {
    "heat1d_dirichlet": (heat, 1.0),
    "advection_periodic": (advection, 1.0),
    "burgers_colehopf_periodic": (burgers, 2.0),
    "kdv_1soliton": (kdv, 2.0),
    "nls_soliton": (schroedinger, 1.0),
    "fisher_kpp_wave": (fisher, 2.0),
    "allen_cahn_front": (allen_cahn, 0.05),
    "wave1d": (wave, 1.0),
    "poisson2d": (poisson, 0.1),
    "adv_diff_gaussian": (gaussian, 1.0),
}


def values(expr: sn.Expr, time: float, points: dict[str, Any]) -> Any:
    known = {leaf: points[leaf.name] if leaf.kind == "coordinate" else time for leaf in leaves((expr,))}
    return evaluate_arrays(expr, known)


@pytest.mark.parametrize("name", PROBLEMS)
def test_formulas_are_those_of_the_reference(name: str, shared_data: Path) -> None:
    case = json.loads((shared_data / "pde_exact" / "solutions.json").read_text())[name]
    _, exact = PROBLEMS[name][0]()
    for row in case["table"]:
        at = dict(zip(case["coords"], row, strict=False))
        found = [float(values(expr, at.get("t", 0.0), at)) for expr in exact.values()]
        np.testing.assert_allclose(found, row[len(case["coords"]) :], rtol=1e-12, atol=1e-13)


def error(name: str, scheme: Any, rtol: float = 1e-9) -> float:
    """Largest error at the end, relative to the largest value."""
    make, end = PROBLEMS[name]
    model, exact = make()
    system = sn.discretize(model, dict.fromkeys(model.coordinates, scheme))
    problem = sn.Problem(system, span=(0, end))
    solution = sn.solve(problem, "Rodas5P", rtol=rtol, atol=rtol / 100, saveat=[0, end])
    grid = axes(solution, model)
    worst = 0.0
    for u, expr in exact.items():
        expected = values(expr, end, grid)
        worst = max(worst, float(abs(solution[u][-1] - expected).max() / abs(expected).max()))
    return worst


def axes(solution: sn.Solution, model: sn.PDE) -> dict[str, Any]:
    found = solution.flat.unknowns.grid(model.fields[0].name)
    assert found is not None
    mesh = np.meshgrid(*(x for _, x in found[1].axes), indexing="ij")
    return dict(zip((name for name, _ in found[1].axes), mesh, strict=True))


# intervals of the coarsest of four grids
COARSEST = {
    "heat1d_dirichlet": 20,
    "advection_periodic": 80,
    "burgers_colehopf_periodic": 30,
    "kdv_1soliton": 250,
    "nls_soliton": 480,
    "fisher_kpp_wave": 100,
    "allen_cahn_front": 40,
    "wave1d": 40,
    "poisson2d": 12,
    "adv_diff_gaussian": 400,
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_second_order(name: str) -> None:
    """The criterion of the reference: order above 1.7 over three halvings, the finest grid good to 1e-4."""
    model, _ = PROBLEMS[name][0]()
    faces = 0 if model.coordinates[0].data.periodic else 1
    errors = [error(name, sn.Central(points=COARSEST[name] * 2**k + faces)) for k in range(4)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 1.7).all(), (errors, orders)
    assert errors[-1] < 1e-4, errors


@pytest.mark.parametrize(
    ("name", "order", "sizes"),
    [
        ("heat1d_dirichlet", 4, (21, 41, 81)),
        ("heat1d_dirichlet", 6, (21, 41, 81)),
        ("advection_periodic", 4, (40, 80, 160)),
        ("advection_periodic", 6, (40, 80, 160)),
        ("advection_periodic", 8, (30, 60, 90)),
        ("burgers_colehopf_periodic", 4, (20, 40, 80)),
        ("burgers_colehopf_periodic", 6, (20, 40, 80)),
        ("kdv_1soliton", 4, (101, 201, 401)),
        ("nls_soliton", 6, (160, 320)),
        ("fisher_kpp_wave", 4, (101, 201)),
        ("allen_cahn_front", 4, (41, 81, 161)),
        ("wave1d", 4, (21, 41, 81)),
        ("wave1d", 6, (21, 41, 81)),
        ("poisson2d", 4, (9, 17, 33)),
        ("adv_diff_gaussian", 4, (201, 401)),
    ],
)
def test_higher_orders(name: str, order: int, sizes: tuple[int, ...]) -> None:
    """Observed order at least nominal - 0.3 over the last refinement; the finest grid is good to 1e-4."""
    errors = [error(name, sn.Central(points=n, order=order)) for n in sizes]
    ratio = np.log(sizes[-1] / sizes[-2])
    assert np.log(errors[-2] / errors[-1]) / ratio > order - 0.3, errors
    assert errors[-1] < 1e-4, errors


@pytest.mark.parametrize(
    ("name", "scheme", "sizes"),
    [
        ("advection_periodic", sn.Fourier, (8, 16, 32)),
        ("burgers_colehopf_periodic", sn.Fourier, (8, 16, 32)),
        ("nls_soliton", sn.Fourier, (64, 128, 192)),
        ("heat1d_dirichlet", sn.Chebyshev, (8, 12, 18)),
        ("wave1d", sn.Chebyshev, (8, 14, 20)),
        ("allen_cahn_front", sn.Chebyshev, (32, 64, 96)),
        ("fisher_kpp_wave", sn.Chebyshev, (40, 80, 120)),
        ("poisson2d", sn.Chebyshev, (6, 10, 14)),
        ("adv_diff_gaussian", sn.Chebyshev, (40, 80, 130)),
    ],
)
def test_spectral_convergence(name: str, scheme: Any, sizes: tuple[int, ...]) -> None:
    """Exponential: log(error) falls in proportion to the number of points, down to the tolerances."""
    errors = [error(name, scheme(points=n), 1e-11) for n in sizes]
    coarse, fine = -np.diff(np.log(errors)) / np.diff(sizes)
    assert errors[-1] < 2e-9, errors
    assert fine > 0.5 * coarse or errors[-1] < 2e-10, (coarse, fine, errors)
    assert np.log(errors[0] / errors[1]) / np.log(sizes[1] / sizes[0]) > 4, errors


@pytest.mark.parametrize(("scheme", "order"), [(sn.TVD, 1.6), (sn.WENO5, 4.7)])
def test_conservation_laws_converge(scheme: Any, order: float) -> None:
    """In the mean: limiters drop to first order at extrema, so that TVD reaches 2 only slowly."""
    found = []
    for n in (40, 80, 160):
        model, exact = advection()
        system = sn.discretize(model, {model.coordinates[0]: scheme(n)})
        run = sn.solve(sn.Problem(system, span=(0, 1)), "Tsit5", rtol=1e-10, atol=1e-12, saveat=[0, 1])
        grid = axes(run, model)
        (u,) = exact
        found.append(float(abs(run[u][-1] - values(exact[u], 1.0, grid)).mean()))
        total = run[u].sum(axis=1)
        assert abs(total[-1] - total[0]) < 1e-13 * n * abs(total[0])  # conserved to round-off
    assert np.log2(found[1] / found[2]) > order, found
    assert np.log2(found[0] / found[1]) > order, found


@pytest.mark.parametrize("order", [1, 2, 3])
def test_upwind_converges(order: int) -> None:
    x = sn.coordinate("x", 0, 1, periodic=True)
    u = sn.field("u", x)
    model = sn.PDE("up", [D(u) + 0.4 * D(u, x) == 0], initial={u: sn.exp(sn.sin(2 * pi * x))})
    errors = []
    for n in (80, 160, 320):
        run = sn.solve(
            sn.Problem(sn.discretize(model, {x: sn.Upwind(n, order)}), span=(0, 1)), "Tsit5",
            rtol=1e-9, atol=1e-11, saveat=[0, 1],
        )  # fmt: skip
        places = np.arange(n) / n
        errors.append(float(abs(run[u][-1] - np.exp(np.sin(2 * pi * (places - 0.4)))).mean()))
    assert np.log2(errors[1] / errors[2]) > order - 0.3, errors
