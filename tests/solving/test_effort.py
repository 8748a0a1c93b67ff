"""The number of steps as part of a loss: exact derivatives for the steps that were made, what fits gain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnum as sn
from symnum.solving.effort import Effort

x, y = sn.variables("x y")
a, b = sn.parameters(a=3.0, b=1.0)
system = sn.System("turns", [sn.D(x) == a * y - b * x**3, sn.D(y) == -a * x + 0.3 * sn.sin(b * y)])
problem = sn.Problem(system, {x: 1.0, y: 0.3}, span=(0, 5))
RTOL, ATOL, NEGLIGIBLE = 1e-4, 1e-6, 1e-2


def by_hand(mapping: sn.SolutionMap, times: Any, theta: Any, shares: Any) -> float:
    """Steps of the given lengths in NumPy, and the roots of their error estimates."""
    table: Any = mapping.method
    coefficients = np.zeros((table.stages, table.stages))
    for i, row in enumerate(table.a[: table.stages]):
        coefficients[i, : len(row)] = row
    weights = np.array(table.b)
    error_weights = weights - np.array(table.bhat)
    u, total = np.array([theta[2], 0.3]), 0.0
    for share, h in zip(shares, np.diff(times), strict=True):
        k = np.zeros((table.stages, 2))
        for i in range(table.stages):
            p, q = u + h * coefficients[i] @ k
            k[i] = theta[0] * q - theta[1] * p**3, -theta[0] * p + 0.3 * np.sin(theta[1] * q)
        error = h * error_weights @ k
        square = np.mean((error / (ATOL + RTOL * np.abs(u))) ** 2) + NEGLIGIBLE
        total += share * square ** (0.5 / table.error_power)
        u = u + h * weights @ k
    return total


@pytest.mark.parametrize("method", ["Tsit5", "Vern7", "BS3"])
@pytest.mark.parametrize("count", [None, 7])
@pytest.mark.parametrize("keep_every", [1, 5])
def test_the_gradient_is_that_of_the_steps_that_were_made(
    method: str, count: int | None, keep_every: int
) -> None:
    mapping = sn.SolutionMap(
        problem, [x], at=[2.0, 5.0], parameters=[a, b, x], method=method, rtol=RTOL, atol=ATOL,
        keep_every=keep_every,
    )  # fmt: skip
    effort = Effort.of(0.7, count, (0.0, 5.0), 0)
    times = mapping._run(None)[0].stretches[0].times
    shares, theta, h = effort.shares(times, (0.0, 5.0)), mapping.theta, 1e-5
    value, gradient = mapping.value_and_gradient(lambda o: (0.0, np.zeros_like(o)), None, effort)
    assert value == pytest.approx(by_hand(mapping, times, theta, shares), rel=1e-9)
    for k, direction in enumerate(np.eye(3)):
        ahead, behind = (by_hand(mapping, times, theta + s * h * direction, shares) for s in (1, -1))
        assert gradient[k] == pytest.approx((ahead - behind) / (2 * h), rel=1e-4, abs=1e-5)


def test_the_effort_is_about_the_number_of_steps() -> None:
    """The controller aims below the tolerance: a fixed share of the steps, whatever the tolerance is."""
    shares = []
    for rtol in (1e-4, 1e-6, 1e-8):
        mapping = sn.SolutionMap(
            problem, [x], at=[5.0], parameters=[a], method="Tsit5", rtol=rtol, atol=rtol / 100
        )
        nothing = lambda outputs: (0.0, np.zeros_like(outputs))  # noqa: E731
        value = mapping.value_and_gradient(nothing, None, Effort(1.0))[0]
        shares.append(value / mapping._run(None)[0].steps)
        local = mapping.value_and_gradient(nothing, None, Effort.of(1.0, 2000, (0.0, 5.0), 0))[0]
        assert local == pytest.approx(value, rel=0.05)  # random times estimate the same sum
    assert min(shares) > 0.6
    assert max(shares) < 1.0
    assert max(shares) / min(shares) < 1.1


def test_a_fit_with_effort_learns_what_is_cheap_to_integrate() -> None:
    """A map of points by a flow, whose rough first field meets the ends as well as a smooth one does."""
    f = sn.network("f", [2 * x, 2 * y], [16], 2, seed=1, scale=4.0)
    flow = sn.System("flow", [sn.D(x) == f[0], sn.D(y) == f[1]])
    starts = np.random.default_rng(0).normal(size=(4, 2))
    begin = [sn.Problem(flow, {x: p, y: q}) for p, q in starts.tolist()]
    data = [{x: [-q], y: [0.6 * p]} for p, q in starts.tolist()]
    options: dict[str, Any] = {"method": "BS3", "rtol": 1e-5, "atol": 1e-7}

    def learnt(problems: Any, iterations: int, **effort: Any) -> Any:
        return sn.fit(
            problems, data, [1.0], f.weights, optimizer="L-BFGS", iterations=iterations, **options, **effort
        )

    def misfit(found: Any) -> float:
        trajectories = found.objective.trajectories
        return sum(float((t.residuals(t.mapping(found.theta)) ** 2).sum()) for t in trajectories) / 8

    def evaluations(found: Any) -> int:
        runs = [sn.solve(one, saveat=[1.0], **options) for one in found.problems]
        return sum(run.stats.rhs_evaluations for run in runs)

    plain = learnt(begin, 100)
    smooth = learnt(learnt(begin, 60, effort=1e-2).problems, 100)
    assert max(misfit(plain), misfit(smooth)) < 1e-3
    assert evaluations(smooth) <= 0.73 * evaluations(plain)


def test_what_has_no_differentiable_estimate_is_said() -> None:
    data = {x: [0.5, 0.5]}
    at = [1.0, 2.0]
    with pytest.raises(sn.ModelError, match="estimate of Rodas4P is not differentiated"):
        sn.fit(problem, data, at, [a], effort=1e-3, method="Rodas4P")
    with pytest.raises(sn.ModelError, match=r"effort=-1.*above 0"):
        sn.fit(problem, data, at, [a], effort=-1, method="Tsit5")
    with pytest.raises(sn.ModelError, match="effort_times=0"):
        sn.fit(problem, data, at, [a], effort=1.0, effort_times=0, method="Tsit5")
    with pytest.raises(sn.ModelError, match="give that too"):
        sn.fit(problem, data, at, [a], effort_times=4)
    with pytest.raises(sn.ModelError, match="choose 'L-BFGS'"):
        sn.fit(problem, data, at, [a], effort=1e-3, method="Tsit5", optimizer="least squares")
