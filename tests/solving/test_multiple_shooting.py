"""Fits over pieces of trajectories: where a single run leads nowhere, and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.errors import ModelError
from symnum.solving.fit_objective import Objective, Penalty, trajectories_of
from symnum.solving.multiple_shooting import _Chain, _Shooting, shot

x, y, z = sn.variables("x y z")
Fit: Any = sn.fit
OPTIONS: dict[str, Any] = {"method": None, "rtol": 1e-9, "atol": 1e-11}


def test_a_chaotic_system_observed_in_one_unknown() -> None:
    """Lorenz over seven times that in which errors grow by e: one run from far away leads nowhere."""
    s, r, b = sn.parameters(s=10.0, r=28.0, b=8 / 3)
    lorenz = sn.System(
        "lorenz", [sn.D(x) == s * (y - x), sn.D(y) == x * (r - z) - y, sn.D(z) == x * y - b * z]
    )
    truth = sn.Problem(lorenz, {x: 1.0, y: 1.0, z: 20.0}, (0, 8))
    times = np.linspace(0.1, 8, 80)
    made = sn.solve(truth, "Vern7", rtol=1e-11, atol=1e-12, saveat=times)[x]
    noise = 0.1 * np.random.default_rng(1).normal(size=80)
    guess = truth.with_(parameters={s: 7.0, r: 20.0, b: 2.0})
    single, found = (
        Fit(guess, {x: made + noise}, times, [s, r, b], shooting=k, rtol=1e-8, atol=1e-9) for k in (1, 8)
    )
    assert single.loss > 1.0
    assert found.loss < np.mean(noise**2)  # the numbers behind the data miss them by the noise
    low, high = found.intervals(0.999).T
    assert (low < [10, 28, 8 / 3]).all()
    assert (high > [10, 28, 8 / 3]).all()
    assert (high - low < 0.2 * found.theta).all()


def oscillators() -> tuple[list[sn.Problem], list[dict[Any, Any]], list[Any], list[Any]]:
    """Two trajectories with times of their own, a missing value, a learnt start."""
    k, c = sn.parameters(k=4.0, c=0.1)
    system = sn.System("oscillator", [sn.D(x) == y, sn.D(y) == -k * x - c * y])
    problems = [sn.Problem(system, {x: 1.0, y: start}, (0, 12)) for start in (0.5, 0.5)]
    times = [np.linspace(0, 12, 25), np.linspace(1, 11, 12)]
    data = [
        {x: sn.solve(one, rtol=1e-10, atol=1e-12, saveat=at)[x]}
        for one, at in zip(problems, times, strict=True)
    ]
    data[0][x][4] = np.nan
    return problems, data, times, [k, c, y]


def test_trajectories_with_a_learnt_start() -> None:
    problems, data, times, learn = oscillators()
    far = [one.with_(parameters={learn[0]: 12.0, learn[1]: 0.0}, start={y: -1.0}) for one in problems]
    trajectories = trajectories_of(far, data, times, None, learn, OPTIONS)
    objective = Objective(trajectories, None, Penalty(None, trajectories[0].mapping.parameters))
    free = np.tile([-np.inf, np.inf], (3, 1))
    begin = shot(objective, trajectories[0].mapping.theta, free, 5, OPTIONS, 100)
    assert begin == pytest.approx([4.0, 0.1, 0.5], rel=1e-3)  # before the ordinary fit
    found = Fit(far, data, times, learn, shooting=5, rtol=1e-9, atol=1e-11)
    assert found.theta == pytest.approx([4.0, 0.1, 0.5], rel=1e-6)
    assert found.loss < 1e-14


def test_derivatives_of_residuals_and_gaps() -> None:
    problems, data, times, learn = oscillators()
    trajectories = trajectories_of(problems, data, times, {x: 2.0}, learn, OPTIONS)
    objective = Objective(trajectories, None, Penalty(0.3, trajectories[0].mapping.parameters))
    theta = np.array([3.0, 0.2, 0.1])
    chains = [_Chain(one, theta, 3, OPTIONS) for one in trajectories]
    shooting = _Shooting(objective, chains, theta, np.tile([-np.inf, np.inf], (3, 1)))
    point = shooting.point + 0.1 * np.random.default_rng(0).normal(size=len(shooting.point))
    assert len(point) == 3 + 2 * (2 * 2)
    found = shooting.jacobian(point, 2.0)
    assert len(found) == (25 - 1 + 12) + 2 * (2 * 2) + 3
    for j, h in enumerate(1e-4 * np.eye(len(point))):
        near = shooting.residuals(point + h, 2.0) - shooting.residuals(point - h, 2.0)
        far = shooting.residuals(point + 2 * h, 2.0) - shooting.residuals(point - 2 * h, 2.0)
        assert found[:, j] == pytest.approx((8 * near - far) / 12e-4, rel=1e-6, abs=1e-7)


def test_wrong_use() -> None:
    problems, data, times, learn = oscillators()
    one: tuple[Any, ...] = (problems[0], data[0], times[0], learn)
    algebraic = sn.System("dae", [sn.D(x) == -learn[0] * z, z + z**3 == x])
    events = sn.System("kicked", [sn.D(x) == -learn[0] * x], events=[sn.Event(at=1.0, then={x: 2.0})])
    tied = sn.parameter(2 * x, name="tied")
    follows = sn.System("follows", [sn.D(x) == -learn[0] * tied])
    for arguments, options, message in (
        (one, {"shooting": 0}, "shooting=0"),
        (one, {"shooting": 25}, "shooting=25 pieces need more than 25 times of data; there are 25"),
        (one, {"shooting": 2, "loss": lambda outputs: (0.0, outputs)}, "without a loss of its own"),
        *(
            ((sn.Problem(system, {x: 1.0}, (0, 2)), {x: np.ones(8)}, np.linspace(0.1, 2, 8), [learn[0]]),
             {"shooting": 2}, message)
            for system, message in (
                (algebraic, "dae has algebraic unknowns"), (events, "kicked has events"),
                (follows, "the start of x also determines"),
            )
        ),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=message):
            Fit(*arguments, **options)
