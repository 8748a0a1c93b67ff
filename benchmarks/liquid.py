"""Closed-form cells against the liquid time constants that they stand for, on series at irregular times.

    OPENBLAS_NUM_THREADS=1 python benchmarks/liquid.py

The differential equations are solved at the loosest tolerance, of tenths of decades, whose error is at most
that of the closed form beside which it stands, and once at 1e-8. CPU time of all series together, the least
of five in turns. One JSON line a row, table to RESULTS.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from results import machine, replace_section
from scipy.optimize import minimize

import symnum as sn
from symnum.models.neural import ClosedForm, LiquidTimeConstants

ROUNDS, NEURONS, SAMPLES = 5, 8, 100
TOLERANCES = tuple(float(10.0 ** (-k / 2)) for k in range(1, 13))
phase = sn.parameter(0.0, name="phase")
SIGNALS = [sn.sin(2 * sn.t + phase), sn.cos(0.9 * sn.t - 2 * phase)]


class Case(NamedTuple):
    """Series of the same times (SAMPLES + 1,) and several phases; exact: (neurons, times, series)."""

    at: Any
    phases: Any
    values: Any
    exact: Any


def series(exact: Callable[..., Any], count: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    at = np.append(0.0, np.cumsum(rng.uniform(0.05, 0.55, SAMPLES)))
    phases = rng.uniform(0, 2 * np.pi, count)
    t = at[:, None]
    values = np.stack([np.sin(2 * t + phases), np.cos(0.9 * t - 2 * phases)])
    return Case(at, phases, values, exact(at, phases))


def main() -> None:
    teacher = LiquidTimeConstants("ltc", SIGNALS, NEURONS, hidden=[16], seed=1)
    ends = np.linspace(0.5, 2, NEURONS), np.linspace(-1, 1, NEURONS)
    weights = np.concatenate([3 * teacher.network.initial, *ends])
    numbers = dict(zip(teacher.weights, weights.tolist(), strict=True))
    system, start = sn.System("ltc", teacher.equations), dict.fromkeys(teacher.states, 0.0)

    def prepared(at: Any, phases: Any) -> Callable[[float], Any]:
        """What solves all series at a tolerance, with everything made that does not depend on it."""
        problem = sn.Problem(system, start, (0, at[-1]), {**numbers, phase: phases[0]})
        given = problem if len(phases) == 1 else sn.Ensemble(problem, {phase: phases})

        def run(tolerance: float) -> Any:
            return sn.solve(given, "Tsit5", rtol=tolerance, atol=1e-2 * tolerance, saveat=at)

        return run

    def states(runs: Any) -> Any:
        found = np.stack([np.asarray(runs[x]) for x in teacher.states])
        return found[:, :, None] if found.ndim == 2 else found.transpose(0, 2, 1)

    def exact(at: Any, phases: Any) -> Any:
        return states(prepared(at, phases)(1e-10))

    learning = series(exact, 100, 0)
    cell = ClosedForm("cfc", SIGNALS, NEURONS, hidden=[24], seed=2)

    def loss(theta: Any) -> Any:
        found, pull = cell.vjp(learning.values, learning.at, 0.0, theta)
        residual = found - learning.exact
        return (residual**2).mean(), pull(2 * residual / residual.size)

    begin = time.process_time()
    learnt = minimize(loss, cell.network.initial, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    training = time.process_time() - begin

    rows = list[dict[str, Any]]()
    for count in (1, 100, 1000):
        unseen = series(exact, count, 7)  # of other times and phases than those that were learnt

        def error(found: Any, case: Case = unseen) -> float:
            return float(np.sqrt(((found - case.exact) ** 2).mean()) / case.exact.std())

        def closed(case: Case = unseen) -> Any:
            return teacher.run(case.values, case.at, 0.0, weights)

        def trained(case: Case = unseen) -> Any:
            return cell.run(case.values, case.at, 0.0, learnt)

        ode = prepared(unseen.at, unseen.phases)
        reached = [(tolerance, error(states(ode(tolerance)))) for tolerance in TOLERANCES]
        for name, run in (("closed form of the LTC", closed), ("trained CfC cell", trained)):
            wanted = error(run())
            equal = next(tolerance for tolerance, got in reached if got <= wanted)
            runs: dict[str, Callable[[], Any]] = {
                "closed": run, "equal": partial(ode, equal), "tight": partial(ode, 1e-8),
            }  # fmt: skip
            least = dict.fromkeys(runs, np.inf)
            for _ in range(ROUNDS):
                for key, one in runs.items():
                    before = time.process_time()
                    one()
                    least[key] = min(least[key], time.process_time() - before)
            row: dict[str, Any] = {
                "series": count, "program": name, "error": wanted, "ms": 1e3 * least["closed"],
                "ode tolerance": equal, "ode error": dict(reached)[equal], "ode ms": 1e3 * least["equal"],
                "ode 1e-8 ms": 1e3 * least["tight"],
            }  # fmt: skip
            rows.append(row)
            print(json.dumps(row), flush=True)

    lines = [
        "## Liquid time constants in closed form (`liquid.py`)", "",
        f"{NEURONS} neurons, 2 inputs, {SAMPLES} samples at irregular times which are not those of the",
        "training; root mean square error over the spread of the states, CPU time of all series together.",
        "Closed forms are NumPy, all series side by side; the differential equations are compiled, several",
        "series as an ensemble, at the loosest tolerance that is as exact and at 1e-8. The cell was trained",
        f"in {training:.1f} s. Faster: above one the closed form wins. Few or single series are solved",
        "faster by the compiled equations than by NumPy's calls for each sample, and so are loose",
        "tolerances.",
        machine(), "",
        "| series | closed form | error | ms | ODE: tolerance | error | ms | faster | at 1e-8: ms | faster |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {r['series']} | {r['program']} | {r['error']:.1e} | {r['ms']:.2f} | {r['ode tolerance']:.0e} | "
        f"{r['ode error']:.1e} | {r['ode ms']:.2f} | {r['ode ms'] / r['ms']:.2f} | {r['ode 1e-8 ms']:.2f} | "
        f"{r['ode 1e-8 ms'] / r['ms']:.2f} |"
        for r in rows
    ]
    replace_section("liquid", lines)


if __name__ == "__main__":
    main()
