"""Equations without time: the field is given by its own values everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import symnum as sn
from symnum.errors import SolveFailed

D = sn.D


def square() -> tuple[sn.Expr, sn.Expr, sn.Expr]:
    x, y = sn.coordinate("x", 0, 1), sn.coordinate("y", 0, 1)
    return x, y, sn.field("u", x, y)


def error(points: int) -> float:
    """Of the Poisson equation with a known solution, at its largest."""
    x, y, u = square()
    pi = math.pi
    exact = sn.sin(pi * x) * sn.sin(pi * y) + x**2 * y
    model = sn.PDE(
        "poisson",
        [D(u, x, 2) + D(u, y, 2) == -2 * pi**2 * sn.sin(pi * x) * sn.sin(pi * y) + 2 * y],
        boundary=[u.at(x, 0) == 0, u.at(x, 1) == y, u.at(y, 0) == 0, u.at(y, 1) == x**2],
    )
    found = sn.steady_state(sn.Problem(sn.discretize(model, {x: sn.Central(points), y: sn.Central(points)})))
    return float(abs(found[u - exact]).max())


def test_poisson_on_large_grids() -> None:
    errors = [error(points) for points in (26, 51, 101)]
    assert errors[-1] < 1e-4
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.1)


def test_bratu() -> None:
    """u'' + L exp(u) = 0: u = -2 log(cosh((x - 1/2) k/2)/cosh(k/4)), k = sqrt(2 L) cosh(k/4)."""
    strength = 2.0
    x = sn.coordinate("x", 0, 1)
    u = sn.field("u", x)
    model = sn.PDE(
        "bratu", [D(u, x, 2) + strength * sn.exp(u) == 0], boundary=[u.at(x, 0) == 0, u.at(x, 1) == 0]
    )
    problem = sn.Problem(sn.discretize(model, {x: sn.Central(601, order=4)}))
    k = brentq(lambda k: k - math.sqrt(2 * strength) * math.cosh(k / 4), 0, 4)
    points = np.linspace(0, 1, 601)
    exact = -2 * np.log(np.cosh((points - 0.5) * k / 2) / np.cosh(k / 4))
    np.testing.assert_allclose(sn.steady_state(problem)[u], exact, atol=1e-10)


def test_closed_faces_need_a_mean() -> None:
    """With slopes alone given, u is known up to a constant: the integral says which."""
    x, y, u = square()
    a = sn.variable("a")
    faces = [D(u, c).at(c, end) == 0 for c in (x, y) for end in (0, 1)]
    source = sn.cos(math.pi * x)
    grid = {x: sn.Central(41), y: sn.Central(21)}
    bare = sn.PDE("closed", [D(u, x, 2) + D(u, y, 2) == source], boundary=faces)
    with pytest.raises(SolveFailed, match="closed: no consistent start"):
        sn.steady_state(sn.Problem(sn.discretize(bare, grid)))
    model = sn.PDE(
        "mean",
        [D(u, x, 2) + D(u, y, 2) + a == source, sn.integral(u, x, y) == 0],
        boundary=faces,
    )
    found = sn.steady_state(sn.Problem(sn.discretize(model, grid)))
    assert abs(found[a]) < 1e-12
    assert abs(found[u + sn.cos(math.pi * x) / math.pi**2]).max() < 2e-3
