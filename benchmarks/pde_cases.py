"""The problems of `pde.py`: NumPy functions to be traced, and field equations with constants for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import symnum as sn
from symnum.models.spatial import reaction_diffusion

Array = NDArray[np.float64]
SIDE = 32


def three_species() -> Callable[[Any], Any]:
    """A + B <-> C on a square, A diffuses with closed faces and is fed on one side; Laplacians as matrices.

    The example of the documentation of Symbolics.jl, written afresh from its description.
    """
    inner = np.ones(SIDE - 1)
    along = np.diag(inner, 1) - 2 * np.eye(SIDE) + np.diag(inner, -1)
    along[0, 1] = along[-1, -2] = 2.0
    across = along.T.copy()
    feed = np.where(np.arange(SIDE)[None, :] > 0.6 * SIDE, 1.0, 0.0) * np.ones((SIDE, SIDE))

    def right(u: Any) -> Any:
        a, b, c = u[..., 0], u[..., 1], u[..., 2]
        bound = a * b - c
        change = np.zeros_like(u)
        change[..., 0] = 100.0 * (along @ a + a @ across) + feed - a - bound
        change[..., 1] = 1.0 - b - bound
        change[..., 2] = 1.0 - c + bound
        return change

    return right


def gray_scott_rates(state: Any) -> Any:
    u, v = state
    lap = [
        np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4 * w for w in (u, v)
    ]
    r = u * v**2
    return np.stack([0.2 * lap[0] - r + 0.04 * (1 - u), 0.1 * lap[1] + r - 0.1 * v])


def shallow_water_rates(state: Any) -> Any:
    """Height and momenta by central differences on a torus, Lax-Friedrichs in place of an upwind flux."""
    h, p, q = state
    g, speed = 9.81, 4.0

    def ahead(w: Any, axis: int) -> Any:
        return np.roll(w, -1, axis)

    def flux(f: Any, w: Any, axis: int) -> Any:
        through = 0.5 * (f + ahead(f, axis)) - 0.5 * speed * (ahead(w, axis) - w)
        return through - np.roll(through, 1, axis)

    u, v = p / h, q / h
    return -np.stack([
        flux(p, h, 0) + flux(q, h, 1),
        flux(p * u + 0.5 * g * h**2, p, 0) + flux(p * v, p, 1),
        flux(q * u, q, 0) + flux(q * v + 0.5 * g * h**2, q, 1),
    ])  # fmt: skip


class Case(NamedTuple):
    """A problem for all: the start is (fields, *points), constants are those of `pde_by_hand`."""

    name: str
    title: str
    start: Array
    constants: dict[str, float]
    end: float
    problem: sn.Problem


def brusselator(n: int) -> Case:
    model = reaction_diffusion.brusselator()
    schemes = dict.fromkeys(model.coordinates, sn.Central(n))
    problem = sn.Problem(sn.discretize(model, schemes), span=(0.0, 1.0))
    constants = {"a": 3.4, "b": 1.0, "diffusion": 0.02 * n**2}
    return Case("brusselator", f"Brusselator {n} x {n}", problem.u.reshape(2, n, n), constants, 1.0, problem)


def gray_scott(n: int) -> Case:
    model = reaction_diffusion.gray_scott()
    schemes = dict.fromkeys(model.coordinates, sn.Central(n))
    problem = sn.Problem(sn.discretize(model, schemes), span=(0.0, 50.0))
    scale = (n / 2.5) ** 2
    constants = {"feed": 0.04, "kill": 0.06, "du": 2e-5 * scale, "dv": 1e-5 * scale}
    return Case("gray_scott", f"Gray-Scott {n} x {n}", problem.u.reshape(2, n, n), constants, 50.0, problem)


def burgers(n: int) -> Case:
    """On a ring, so that every program has the same points."""
    x = sn.coordinate("x", -1, 1, periodic=True)
    u = sn.field("u", x)
    nu = 0.01 / np.pi
    model = sn.PDE(
        "burgers", [sn.D(u) + sn.D(u**2 / 2, x) == nu * sn.D(u, x, 2)], initial={u: -sn.sin(np.pi * x)}
    )
    problem = sn.Problem(sn.discretize(model, {x: sn.Central(n)}), span=(0.0, 1.0))
    return Case("burgers", f"Burgers {n}", problem.u.reshape(1, n), {"nu": nu, "h": 2 / n}, 1.0, problem)
