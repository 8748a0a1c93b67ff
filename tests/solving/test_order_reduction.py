"""Reduced models against the solutions that they stand for, and against exact ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.models.spatial import diffusion, reaction_diffusion, transport

D = sn.D
FINE = {"rtol": 1e-9, "atol": 1e-11}


def burgers(viscosity: float = 0.05) -> sn.Problem:
    model = transport.burgers(viscosity)
    return sn.Problem(sn.discretize(model, {model.coordinates[0]: sn.Central(256)}), span=(0, 1))


def test_the_error_falls_with_the_number_of_states() -> None:
    problem = burgers()
    full = sn.solve(problem, saveat=np.linspace(0, 1, 101), **FINE)
    errors = [sn.reduce_order(problem, full, states).error(full, **FINE) for states in (2, 4, 8, 12)]
    assert errors[0] < 0.2
    assert errors[1] < 5e-3
    assert errors[2] < 1e-5
    assert errors[3] < 1e-7


def test_between_the_parameters_of_the_snapshots() -> None:
    problem = burgers()
    times = np.linspace(0, 1, 51)
    known = [problem.with_(parameters={"nu": nu}) for nu in (0.03, 0.045, 0.07, 0.1)]
    runs = [sn.solve(one, saveat=times, **FINE) for one in known]
    reduced = sn.reduce_order(problem, runs, 16)
    between = problem.with_(parameters={"nu": 0.055})
    expected = sn.solve(between, saveat=times, **FINE)
    found = sn.solve(reduced.problem.with_(parameters={"nu": 0.055}), saveat=times, **FINE)
    assert np.abs(reduced.lifted(found).y - expected.y).max() < 2e-3
    (u,) = transport.burgers().fields
    assert reduced.lifted(found)[u].shape == (51, 256)


def test_a_linear_system_is_projected_exactly() -> None:
    model = diffusion.heat()
    problem = sn.Problem(sn.discretize(model, {model.coordinates[0]: sn.Central(64)}), span=(0, 1))
    full = sn.solve(problem, saveat=np.linspace(0, 1, 21), **FINE)
    reduced = sn.reduce_order(problem, full, 4)
    assert reduced.sampled == ()
    assert reduced.error(full, **FINE) < 1e-8


def test_a_force_that_depends_on_time_counts_as_nonlinear() -> None:
    x, y, z = sn.variables("x y z")
    system = sn.System(
        "driven", [D(x) == -x + y, D(y) == -2 * y + sn.sin(sn.t), D(z) == -3 * z + y - sn.sin(sn.t)]
    )
    problem = sn.Problem(system, dict.fromkeys((x, y, z), 0.0), span=(0, 2 * math.pi))
    full = sn.solve(problem, saveat=np.linspace(0, 2 * math.pi, 40), **FINE)
    assert sn.reduce_order(problem, full, 3).error(full, **FINE) < 1e-8


def test_two_fields_in_the_plane() -> None:
    model = reaction_diffusion.brusselator()
    grid = dict.fromkeys(model.coordinates, sn.Central(24))
    problem = sn.Problem(sn.discretize(model, grid), span=(0, 2))
    full = sn.solve(problem, rtol=1e-7, atol=1e-9, saveat=np.linspace(0, 2, 81))
    reduced = sn.reduce_order(problem, full, 16)
    assert reduced.problem.flat.n == 16
    assert reduced.error(full, rtol=1e-7, atol=1e-9) < 1e-3


def test_what_cannot_be_reduced_is_refused() -> None:
    x, y = sn.variables("x y")
    problem = sn.Problem(sn.System("s", [D(x) == -x, D(y) == -x]), {x: 1.0, y: 1.0})
    run = sn.solve(problem)
    with pytest.raises(ModelError, match=r"vary in 1 direction.* fewer than 2 states"):
        sn.reduce_order(problem, run, 2)
    with pytest.raises(ModelError, match="states=0: give a number"):
        sn.reduce_order(problem, run, 0)
    with pytest.raises(ModelError, match="give one solution"):
        sn.reduce_order(problem, [], 1)
    with pytest.raises(ModelError, match="is no solution"):
        sn.reduce_order(problem, [1.0], 1)  # type: ignore[list-item]  # what is refused
    other = sn.Problem(sn.System("other", [D(x) == -x]), {x: 1.0})
    with pytest.raises(ModelError, match=r"s: this is a solution of another system, other"):
        sn.reduce_order(problem, sn.solve(other), 1)
    algebraic = sn.Problem(sn.System("a", [D(x) == -y, y + y**3 == x]), {x: 1.0})
    with pytest.raises(ModelError, match="a: the order of a system with algebraic equations"):
        sn.reduce_order(algebraic, sn.solve(algebraic), 1)
    bouncing = sn.Problem(
        sn.System("b", [D(x) == y, D(y) == -1], events=[sn.Event(when=x, then={y: -y})]), {x: 1.0, y: 0.0}
    )
    with pytest.raises(ModelError, match="b: the order of a system with events"):
        sn.reduce_order(bouncing, sn.solve(bouncing), 1)
