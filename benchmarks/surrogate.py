"""Surrogates of the two-area system behind a fault: errors of three ways to train them, and their speed.

    OPENBLAS_NUM_THREADS=1 python benchmarks/surrogate.py

The setting of Stiasny, Misyris, Chatzivasileiadis (arXiv:2106.13638): two hidden layers of 200 units,
samples of 5 load steps at 9 times each of 2 s. Trained on values; on values and slopes; on these and the
equations at 1,000 collocation points, from the second on. Errors: of 101 load steps that were not trained
on, at 101 times each, over the largest size of each unknown, quantiles over all. Times: fastest of 50 calls
in turns, of the end alone and of a trajectory of 1,001 points, beside symnum's solver and SciPy's RK45 with
symnum's compiled right-hand side, both at rtol 1e-3. One JSON line a row, table to RESULTS.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from results import machine, replace_section
from scipy.integrate import solve_ivp

import symnum as sn
from symnum.models.neural import pinn
from symnum.models.power import swing

QUANTILES = (0.5, 0.9, 0.99, 1.0)
LOOSE = {"rtol": 1e-3, "atol": 1e-6}


def trained(problem: sn.Problem) -> list[tuple[str, pinn.Training, float]]:
    """(name, training, CPU seconds) of the three variants."""
    model = pinn.surrogate(
        problem, {"load_step": (0, swing.LARGEST_STEP)}, hidden=[200, 200], fast=0.02, seed=1
    )
    samples = pinn.sample(
        problem, {"load_step": np.linspace(0, swing.LARGEST_STEP, 5)}, at=np.linspace(0, 2, 9)
    )
    found: list[tuple[str, pinn.Training, float]] = []

    def run(name: str, begin: pinn.Surrogate, **options: Any) -> pinn.Surrogate:
        before = time.process_time()
        made = pinn.train(begin, samples=samples, **options)
        found.append((name, made, time.process_time() - before))
        return made.surrogate

    run("data", model, points=0, iterations=2000)
    second = run("data and slopes", model, points=0, slopes=1.0, iterations=2000)
    run("physics", second, points=1000, slopes=1.0, iterations=3000, rounds=6)
    return found


def fastest(calls: list[Callable[[], object]], rounds: int = 50) -> list[float]:
    """Milliseconds of each call, in turns."""
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for k, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            least[k] = min(least[k], 1e3 * (time.perf_counter() - begin))
    return least


def main() -> None:
    problem = swing.behind_fault()
    steps = swing.LARGEST_STEP * (np.arange(101) + 0.5) / 101
    unseen = pinn.sample(problem, {"load_step": steps}, at=np.linspace(0, 2, 101))
    largest = np.abs(unseen.values).max(axis=0)
    rows: list[dict[str, Any]] = []
    for name, training, seconds in trained(problem):
        model = training.surrogate
        at = {"load_step": unseen.points[:, 1]}
        errors = np.abs(model(unseen.points[:, 0], at).y.T - unseen.values) / largest
        row = {
            "variant": name, "quantiles": np.quantile(errors, QUANTILES).tolist(),
            "residual": training.residual, "iterations": len(training.history), "cpu_seconds": seconds,
        }  # fmt: skip
        print(json.dumps(row), flush=True)
        rows.append(row)
    one = problem.with_(parameters={"load_step": 3.3})
    exact = sn.solve(one, rtol=1e-10, atol=1e-12, saveat=[2.0]).y[:, -1]
    speeds: list[dict[str, Any]] = []
    for title, times in (("end point", np.array([2.0])), ("1,001 points", np.linspace(0, 2, 1001))):

        def by_symnum(times: Any = times) -> Any:
            return sn.solve(one, saveat=times, **LOOSE).y

        def by_scipy(times: Any = times) -> Any:
            right = one.compiled.rhs
            return solve_ivp(lambda t, u: right(t, u, one.p), one.span, one.u, t_eval=times, **LOOSE).y

        def by_surrogate(times: Any = times) -> Any:
            return model(times, {"load_step": 3.3}).y

        calls: dict[str, Callable[[], Any]] = {
            "surrogate": by_surrogate, "symnum": by_symnum, "RK45": by_scipy,
        }  # fmt: skip
        for name, taken in zip(calls, fastest(list(calls.values())), strict=True):
            error = float((np.abs(calls[name]()[:, -1] - exact) / largest).max())
            speeds.append({"what": title, "program": name, "milliseconds": taken, "end_error": error})
            print(json.dumps(speeds[-1]), flush=True)
    lines = [
        "## Surrogates of the two-area system (`surrogate.py`)", "",
        "Two hidden layers of 200 units, 5 x 9 samples; physics: 1,000 collocation points from there on. "
        "Errors over the largest size of each unknown, of all of them at 101 unseen load steps, 101 times.",
        machine(), "",
        "| trained on | median | 90 % | 99 % | largest | relative residual | iterations | CPU / s |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {row['variant']} | " + " | ".join(f"{q:.1e}" for q in row["quantiles"])
        + f" | {row['residual']:.2g} | {row['iterations']} | {row['cpu_seconds']:.0f} |"
        for row in rows
    ]  # fmt: skip
    lines += ["", "| one load step | program | ms | largest error at the end |", "|---|---|---|---|"]
    lines += [
        f"| {row['what']} | {row['program']} | {row['milliseconds']:.3f} | {row['end_error']:.1e} |"
        for row in speeds
    ]
    replace_section("surrogate", lines)


if __name__ == "__main__":
    main()
