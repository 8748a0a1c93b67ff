"""The reduced two-area system, its starts behind the fault, and a small surrogate of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.models.neural import pinn
from symnum.models.power import swing


def by_hand(u: Any, load_step: float, tie: float, shorted: bool) -> Any:
    """The equations in matrix form: incidence of the lines times the flows."""
    buses = list(swing.VOLTAGE)
    incidence = np.zeros((len(swing.SUSCEPTANCE), 6))
    size = np.zeros(len(swing.SUSCEPTANCE))
    for row, ((first, second), b) in enumerate(swing.SUSCEPTANCE.items()):
        incidence[row, buses.index(first)], incidence[row, buses.index(second)] = 1, -1
        v = {**swing.VOLTAGE, 9: 0.0 if shorted else swing.VOLTAGE[9]}
        size[row] = v[first] * v[second] * b * (tie if (first, second) == (7, 9) else 1)
    delta, omega, theta = u[:4], u[4:8], u[8:]
    drawn = incidence.T @ (size * np.sin(incidence @ np.concatenate([delta, theta])))
    h = np.array(swing.INERTIA)
    power = np.array([-9.67 - load_step, -17.67])
    return np.concatenate([
        omega - h @ omega / h.sum(),
        swing.FREQUENCY / (2 * h) * (np.array(swing.DRIVEN) - swing.GAIN * omega - drawn[:4]),
        (power - drawn[4:]) / [0.2, 0.4],
    ])  # fmt: skip


@pytest.mark.parametrize(("tie", "shorted"), [(1.0, False), (swing.TRIPPED, False), (1.0, True)])
def test_the_equations_are_those_of_the_paper(tie: float, shorted: bool) -> None:
    problem = sn.Problem(
        swing.two_area(), swing.rest(), parameters={"load_step": 2.5, "tie": tie, "shorted": float(shorted)}
    )
    u = np.random.default_rng(0).normal(size=10)
    names = [f"delta_{i}" for i in range(1, 5)] + [f"omega_{i}" for i in range(1, 5)] + ["theta_7", "theta_9"]
    order = [names.index(name) for name in problem.flat.state_names]
    found = problem.compiled.rhs(0.0, u[order], problem.p)
    np.testing.assert_allclose(found, by_hand(u, 2.5, tie, shorted)[order], rtol=1e-12, atol=1e-12)


def test_nothing_moves_at_rest() -> None:
    problem = sn.Problem(swing.two_area(), swing.rest())
    assert np.abs(problem.compiled.rhs(0.0, problem.u, problem.p)).max() < 1e-10


def test_starts_behind_the_fault_are_where_the_run_is() -> None:
    whole = sn.solve(swing.disturbed(4.31), rtol=1e-10, atol=1e-12)
    behind = swing.behind_fault().with_(parameters={"load_step": 4.31})
    after = sn.solve(behind, rtol=1e-10, atol=1e-12, saveat=[0.0, 2.0])
    times = np.array([0.0, 2.0]) + swing.SETTLE + swing.FAULT
    for name in behind.flat.state_names:
        variable = sn.variable(name)
        np.testing.assert_allclose(after[variable][1], whole(times[1])[variable], atol=1e-8)


def test_a_small_surrogate_learns_more_from_the_equations() -> None:
    """The three variants of the paper in small: the equations cut the error that few samples leave."""
    problem = swing.behind_fault()
    model = pinn.surrogate(problem, {"load_step": (0, 6)}, hidden=[30, 30], fast=0.02)
    samples = pinn.sample(problem, {"load_step": np.linspace(0, 6, 5)}, at=np.linspace(0, 2, 9))
    unseen = pinn.sample(problem, {"load_step": [0.7, 2.4, 5.2]}, at=0.02)
    largest = np.abs(unseen.values).max(axis=0)
    data = pinn.train(model, samples=samples, points=0, iterations=200, rounds=1)
    slopes = pinn.train(model, samples=samples, points=0, slopes=1.0, iterations=200, rounds=1)
    physics = pinn.train(slopes.surrogate, samples=samples, points=200, slopes=1.0, iterations=300, rounds=2)
    worst = [(one.surrogate.error(unseen, [0.99]) / largest).max() for one in (data, slopes, physics)]
    assert worst[2] < worst[1] < worst[0]
    assert worst[2] < 0.2
    assert physics.residual < 0.1 * data.residual
    start, found = unseen.starts[0], physics.surrogate(0.0, {"load_step": 0.7})
    np.testing.assert_allclose(found.y[:, 0], start, rtol=1e-12)
