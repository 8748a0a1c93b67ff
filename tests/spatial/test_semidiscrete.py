"""The same discretization written by others and integrated with CVODE at 1e-11: equal to 1e-6."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import symnum as sn
from symnum.models.spatial import transport

D = sn.D


def reference(shared_data: Path, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(times), (times, unknowns)."""
    case = json.loads((shared_data / "pde_semidiscrete" / f"{name}.json").read_text())
    return np.array(case["t"]), np.array(case["y"])


def solved(model: sn.PDE, schemes: dict[sn.Expr, Any], times: NDArray[np.float64]) -> sn.Solution:
    problem = sn.Problem(sn.discretize(model, schemes), span=(0, float(times[-1])))
    return sn.solve(problem, "Rodas5P", rtol=1e-9, atol=1e-11, saveat=times)


def test_brusselator(shared_data: Path) -> None:
    """Hairer & Wanner II, IV.1; values on the faces are given."""
    times, expected = reference(shared_data, "brusselator1d_N40")
    x = sn.coordinate("x", 0, 1)
    u, v = sn.fields("u v", x)
    model = sn.PDE(
        "brusselator",
        [
            D(u) == 1 + u**2 * v - 4 * u + 0.02 * D(u, x, 2),
            D(v) == 3 * u - u**2 * v + 0.02 * D(v, x, 2),
        ],
        boundary=[u.at(x, 0) == 1, u.at(x, 1) == 1, v.at(x, 0) == 3, v.at(x, 1) == 3],
        initial={u: 1 + sn.sin(2 * np.pi * x), v: 3},
    )
    run = solved(model, {x: sn.Central(points=42)}, times)
    inside = np.stack([run[u][:, 1:-1], run[v][:, 1:-1]], axis=2).reshape(len(times), -1)
    assert abs(inside - expected).max() < 1e-6 * abs(expected).max()
    np.testing.assert_array_equal(run[u][:, 0], 1.0)
    np.testing.assert_array_equal(run[v][:, -1], 3.0)


def test_gray_scott(shared_data: Path) -> None:
    times, expected = reference(shared_data, "gray_scott1d_N128")
    x = sn.coordinate("x", 0, 2.5, periodic=True)
    u, v = sn.fields("u v", x)
    bump = sn.exp(-100 * (x - 1.25) ** 2)
    model = sn.PDE(
        "gray_scott",
        [
            D(u) == 2e-5 * D(u, x, 2) - u * v**2 + 0.04 * (1 - u),
            D(v) == 1e-5 * D(v, x, 2) + u * v**2 - 0.1 * v,
        ],
        initial={u: 1 - 0.5 * bump, v: 0.25 * bump},
    )
    run = solved(model, {x: sn.Central(points=128)}, times)
    found = np.concatenate([run[u], run[v]], axis=1)
    assert abs(found - expected).max() < 1e-6 * abs(expected).max()


def test_kuramoto_sivashinsky(shared_data: Path) -> None:
    """Fourier with the 2/3 rule: modes above a third of the points are cut off products."""
    times, expected = reference(shared_data, "kuramoto_sivashinsky_N64")
    model = transport.kuramoto_sivashinsky()
    run = solved(model, {model.x: sn.Fourier(64, dealias=True)}, times)
    assert abs(run[model.u] - expected).max() < 1e-6 * abs(expected).max()
