"""Cells of neurons for series: closed forms against the differential equations and against events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import symnum as sn
from symnum.errors import ModelError
from symnum.models.neural import ClosedForm, LiquidTimeConstants

phase = sn.parameter(0.0, name="phase")
SIGNALS = [sn.sin(2 * sn.t + phase), sn.cos(0.9 * sn.t - 2 * phase)]


def signals(t: Any, phases: Any) -> Any:
    """(2, times, series) the same in NumPy."""
    t = np.asarray(t)[:, None]
    return np.stack([np.sin(2 * t + phases), np.cos(0.9 * t - 2 * phases)])


def irregular(count: int, end: float, seed: int = 0) -> Any:
    times = np.append(0.0, np.cumsum(np.random.default_rng(seed).uniform(0.1, 1.0, count)))
    return times * end / times[-1]


def solved(cell: LiquidTimeConstants, weights: Any, at: Any, phases: Any) -> Any:
    """(neurons, times, series) of the differential equations."""
    numbers = dict(zip(cell.weights, weights.tolist(), strict=True))
    start = dict.fromkeys(cell.states, 0)
    problem = sn.Problem(sn.System("cells", cell.equations), start, (0, at[-1]), numbers)
    runs = sn.solve(sn.Ensemble(problem, {phase: phases}), "Tsit5", rtol=1e-9, atol=1e-11, saveat=at)
    return np.stack([np.asarray(runs[x]) for x in cell.states]).transpose(0, 2, 1)


def liquid(neurons: int = 4) -> tuple[LiquidTimeConstants, Any]:
    """A cell and weights with which its states depend on each other."""
    cell = LiquidTimeConstants("ltc", SIGNALS, neurons, hidden=[8], seed=1)
    ends = np.linspace(0.5, 2, neurons), np.linspace(-1, 1, neurons)
    return cell, np.concatenate([3 * cell.network.initial, *ends])


def test_the_closed_form_of_liquid_time_constants_is_of_first_order() -> None:
    cell, weights = liquid()
    phases = np.array([0.3, 1.7])
    at, errors = irregular(80, 20.0), []
    for _ in range(4):
        error = cell.run(signals(at, phases), at, 0.0, weights) - solved(cell, weights, at, phases)
        errors.append(float(np.sqrt((error**2).mean())))
        at = np.sort(np.concatenate([at, (at[1:] + at[:-1]) / 2]))  # every gap in halves
    assert errors[0] < 0.02
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(1.0, abs=0.1)


def test_it_is_exact_where_nothing_changes_the_gate_and_bounded_over_any_gap() -> None:
    cell, weights = liquid()
    weights[: len(cell.network.weights)] = 0.0  # f = 1/2 whatever is seen
    at = np.array([0.0, 0.01, 0.5, 7.0])
    found = cell.run(signals(at, np.array([0.0])), at, 0.2, weights)[:, :, 0]
    tau, A = weights[-8:-4, None], weights[-4:, None]
    rate = 1 / tau + 0.5
    assert found == pytest.approx(0.5 * A / rate + (0.2 - 0.5 * A / rate) * np.exp(-rate * at), rel=1e-12)
    cell, weights = liquid()
    at = np.array([0.0, 1e3, 2e3, 1e6])
    assert (np.abs(cell.run(signals(at, np.array([0.4])), at, 0.5, weights)) <= 1.0).all()


def test_a_closed_form_cell_in_a_system() -> None:
    """Sampled by events, its states are those of `run`, and between samples what the formula says."""
    cell = ClosedForm("cfc", SIGNALS, 3, hidden=[5], seed=2)
    at = irregular(9, 4.0)
    system = sn.System("sampled", cell.equations, events=cell.events(at[1:].tolist()))
    start = {**dict.fromkeys(cell.held, 0.1), cell.last: 0.0}
    between = np.append((at[1:] + at[:-1]) / 2, 4.2)
    sol = sn.solve(sn.Problem(system, start, (0, 4.2), {phase: 0.6}), saveat=between)
    expected = cell.run(signals(at, 0.6)[:, :, 0], at, 0.1)
    assert np.stack([sol[x] for x in cell.held]) == pytest.approx(expected, abs=1e-13)
    last = np.array([at[-1], 4.2])
    ahead = cell.run(signals(last, 0.6)[:, :, 0], last, expected[:, -1])[:, 1]
    assert [sol[cell[i]][-1] for i in range(3)] == pytest.approx(ahead, abs=1e-13)


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)])
def test_cotangents_of_a_closed_form_cell(hidden: tuple[int, ...]) -> None:
    cell = ClosedForm("cfc", SIGNALS, 2, hidden=hidden, seed=4)
    at, rng = irregular(7, 5.0), np.random.default_rng(3)
    values, weights = signals(at, np.array([0.1, 0.8, 2.0])), rng.normal(size=len(cell.weights))
    found, pull = cell.vjp(values, at, 0.3, weights)
    cotangents = rng.normal(size=found.shape)
    direction = rng.normal(size=len(weights))
    step = 1e-6 * direction
    ahead, behind = (cell.run(values, at, 0.3, weights + sign * step) for sign in (1, -1))
    by_difference = float((cotangents * (ahead - behind)).sum() / 2e-6)
    assert float(pull(cotangents) @ direction) == pytest.approx(by_difference, rel=1e-7)
    one = cell.run(values[:, :, 1], at, 0.3, weights)
    assert one == pytest.approx(found[:, :, 1], abs=1e-14)


def test_a_closed_form_cell_learns_liquid_time_constants() -> None:
    """From series at irregular times, half of which it has not seen; the equations are solved once."""
    teacher, weights = liquid()
    at, phases = irregular(40, 13.0), np.linspace(0, 6, 40)
    exact, values = solved(teacher, weights, at, phases), signals(at, phases)
    cell = ClosedForm("cfc", SIGNALS, 4, hidden=[12], seed=2)
    seen = np.arange(40) % 2 == 0

    def loss(theta: Any) -> Any:
        found, pull = cell.vjp(values[:, :, seen], at, 0.0, theta)
        residual = found - exact[:, :, seen]
        return (residual**2).mean(), pull(2 * residual / residual.size)

    begin = cell.network.initial
    learnt = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    error = cell.run(values[:, :, ~seen], at, 0.0, learnt) - exact[:, :, ~seen]
    assert float(np.sqrt((error**2).mean())) < 0.12 * float(exact.std())


@pytest.mark.parametrize("kind", [LiquidTimeConstants, ClosedForm])
def test_bad_input(kind: Any) -> None:
    with pytest.raises(ModelError, match="cell: neurons=0: give a whole number, 1 or more"):
        kind("cell", SIGNALS, 0)
    cell = kind("cell", SIGNALS, 2)
    values = np.zeros((2, 3))
    with pytest.raises(ModelError, match="cell: at= needs finite, increasing times"):
        cell.run(values, [0, 1, 1])
    with pytest.raises(ModelError, match=r"values have shape \(2, 3\); 2 inputs at 2 times are \(2, 2\)"):
        cell.run(values, [0, 1])
    with pytest.raises(ModelError, match=r"a value at t = 1 is missing; leave the time out"):
        cell.run(np.array([[0, np.nan, 0], [0, 0, 0]]), [0, 1, 2])
    with pytest.raises(ModelError, match=r"cell: weights have shape \(3,\); it has"):
        cell.run(values, [0, 1, 2], 0.0, np.zeros(3))
