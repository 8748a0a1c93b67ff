"""What learnt dynamics cost: fits with and without the number of steps in their loss.

    OPENBLAS_NUM_THREADS=1 python benchmarks/effort.py

Two maps by the flow of a neural differential equation over a unit of time, of which only the end is data: a
turn by 1.5 with a stretch (12 points of the plane), and concentric circles told apart by a third state (16
points). The network (32 tanh units of doubled inputs, last layer times 3) begins as a rough field. Two fits
of 400 steps of Adam in a row, without and with effort=. Evaluations of the right-hand side are those of BS3
at rtol 1e-5 over all points. One JSON line a row, table to RESULTS.md.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from results import machine, replace_section

import symnum as sn

METHOD: dict[str, Any] = {"method": "BS3", "rtol": 1e-5, "atol": 1e-7}
ITERATIONS = 400
PLANS = {"none": (None, None), "all steps": (1e-2, 1e-4), "16 random times": (1e-2, 1e-4)}

x, y, z = sn.variables("x y z")


class Adam:
    """As optax has them: Adam with clipped gradients and a rate that falls along a cosine."""

    def __init__(self, rate: float = 0.02) -> None:
        self.rate = rate

    def init(self, theta: Any) -> Any:
        return 0, np.zeros(len(theta)), np.zeros(len(theta))

    def update(self, gradient: Any, state: Any, _: Any) -> Any:
        k, first, second = state
        gradient = gradient * min(1.0, 5.0 / np.linalg.norm(gradient))
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        rate = self.rate * (0.02 + 0.98 * (1 + np.cos(np.pi * min((k + 1) / ITERATIONS, 1.0))) / 2)
        change = -rate * first / (1 - 0.9 ** (k + 1)) / (np.sqrt(second / (1 - 0.99 ** (k + 1))) + 1e-8)
        return change, (k + 1, first, second)


def turned(seed: int) -> tuple[Any, list[sn.Problem], list[dict[Any, Any]]]:
    f = sn.network("f", [2 * x, 2 * y], [32], 2, seed=seed, scale=3.0)
    system = sn.System("turned", [sn.D(x) == f[0], sn.D(y) == f[1]])
    starts = np.random.default_rng(0).normal(size=(12, 2))
    turn = np.array([[np.cos(1.5), -np.sin(1.5)], [np.sin(1.5), np.cos(1.5)]])
    ends = starts @ turn.T * [1.5, 0.6]
    problems = [sn.Problem(system, {x: a, y: b}) for a, b in starts.tolist()]
    return f, problems, [{x: [a], y: [b]} for a, b in ends.tolist()]


def circles(seed: int) -> tuple[Any, list[sn.Problem], list[dict[Any, Any]]]:
    f = sn.network("f", [2 * x, 2 * y, 2 * z], [32], 3, seed=seed, scale=3.0)
    system = sn.System("circles", [sn.D(x) == f[0], sn.D(y) == f[1], sn.D(z) == f[2]])
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    problems, data = [], []
    for radius, side in ((0.5, -1.0), (1.2, 1.0)):
        for a in (angle + radius).tolist():
            problems.append(sn.Problem(system, {x: radius * np.cos(a), y: radius * np.sin(a), z: 0.0}))
            data.append({z: [side]})
    return f, problems, data


def misfit(found: Any) -> float:
    """The mean of the squares of the residuals, without what else the loss holds."""
    objective = found.objective
    parts = [(one.residuals(one.mapping(found.theta)) ** 2).sum() for one in objective.trajectories]
    return float(sum(parts)) / objective.count


def evaluations(problems: list[sn.Problem]) -> int:
    runs = [sn.solve(one, saveat=[1.0], **METHOD) for one in problems]
    return sum(run.stats.rhs_evaluations for run in runs)


def main() -> None:
    rows = []
    for case in (turned, circles):
        for seed in (1, 2):
            base = None
            for name, plan in PLANS.items():
                f, problems, data = case(seed)
                for weight in plan:
                    options: dict[str, Any] = {} if weight is None else {"effort": weight}
                    if name.endswith("times"):
                        options["effort_times"] = 16
                    found = sn.fit(
                        problems, data, [1.0], f.weights, optimizer=Adam(), iterations=ITERATIONS, **METHOD,
                        **options,
                    )  # fmt: skip
                    problems = list(found.problems)
                count = evaluations(problems)
                base = base or count
                row = {
                    "map": case.__name__, "seed": seed, "effort": name, "misfit": misfit(found),
                    "evaluations": count, "share": count / base,
                }  # fmt: skip
                print(json.dumps(row), flush=True)
                rows.append(row)
    lines = [
        "## Dynamics that are cheap to integrate (`effort.py`)", "",
        "Fits of maps by flows with the number of steps in the loss; evaluations over all points, BS3, rtol",
        "1e-5.",
        machine(), "",
        "| map | seed | effort counts | mean square misfit | evaluations | share |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {row['map']} | {row['seed']} | {row['effort']} | {row['misfit']:.1e} | {row['evaluations']} "
        f"| {row['share']:.2f} |"
        for row in rows
    ]
    replace_section("effort", lines)


if __name__ == "__main__":
    main()
