"""RK-TASE methods beside Rosenbrock(-W) methods, on the kinds of problems that they were proposed for.

    OPENBLAS_NUM_THREADS=1 python benchmarks/tase.py [--problems heat,burgers]

Everything is symnum's, so that methods are compared and not programs: generic steps, one linear solver for
all methods of a problem where they can use it. CPU time of one solve, medians of 3 rounds, in turns, at the
loosest tolerance from which on no relative error at the end exceeds the target. One JSON line a row, table to
RESULTS.md. References: the exact solution (heat), SciPy's explicit DOP853 on the NumPy function (the others).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from equal_error import Array, Candidate, compare, timed, write
from scipy.integrate import solve_ivp

import symnum as sn

TARGETS = (1e-2, 1e-4, 1e-6)
TOLERANCES = tuple(float(10.0 ** (-k / 2)) for k in range(3, 17))
TASE = ("MSRKTASE2", "MSRKTASE3", "MSRKTASE4", "SRKTASE3", "RKTASE2", "RKTASE3")
# the newer methods are compared with these
BESIDE = ("ROS34PW2", "Rodas4PW", "Rodas5P")


class GridProblem(NamedTuple):
    """u' = rates(u) from start, an array of any shape; linear: "sparse" or "factored" solves for stages."""

    rates: Callable[[Any], Any]
    start: Array
    end: float
    linear: str
    exact: Callable[[], Array] | None = None


def _heat() -> GridProblem:
    """Linear and stiff: heat in a rod whose ends are kept cold, with a source; rates from 3 to 2.6e5."""
    n, d = 255, 1.0
    x = np.arange(1, n + 1) / (n + 1)
    source = 10.0 * x * (1.0 - x)
    scale = d * (n + 1) ** 2

    def rates(u: Any) -> Any:
        padded = np.pad(u, 1)
        return scale * (padded[:-2] - 2 * u + padded[2:]) + source

    start = np.sin(np.pi * x) + (x > 0.5)

    def exact() -> Array:
        matrix = scale * (np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1) - 2 * np.eye(n))
        values, vectors = np.linalg.eigh(matrix)
        rest = -np.linalg.solve(matrix, source)
        return np.asarray(rest + vectors @ (np.exp(0.2 * values) * (vectors.T @ (start - rest))))

    return GridProblem(rates, start, 0.2, "sparse", exact)


def _burgers() -> GridProblem:
    """Viscous Burgers on a line with closed ends: a wave steepens and decays."""
    n, viscosity = 200, 0.02
    x = np.arange(1, n + 1) / (n + 1)

    def rates(u: Any) -> Any:
        padded = np.pad(u, 1)
        flux = 0.5 * padded**2
        second = padded[:-2] - 2 * u + padded[2:]
        return viscosity * (n + 1) ** 2 * second - 0.5 * (n + 1) * (flux[2:] - flux[:-2])

    return GridProblem(rates, np.sin(2 * np.pi * x) + 0.5 * np.sin(np.pi * x), 0.5, "sparse")


def _brusselator() -> GridProblem:
    """Reaction and diffusion on a periodic square, 2 x 32 x 32; W is a product along the two directions."""
    n, alpha = 32, 0.1
    x = np.arange(n) / n
    scale = alpha * n**2

    def rates(state: Any) -> Any:
        u, v = state
        spread = [
            scale * (np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4 * w)
            for w in (u, v)
        ]
        square = u * u * v
        return np.stack([1.0 + square - 4.4 * u + spread[0], 3.4 * u - square + spread[1]])

    u = 22.0 * (x * (1 - x)) ** 1.5
    start = np.stack([np.tile(u, (n, 1)), np.tile(27.0 / 22.0 * u[:, None], (1, n))])
    return GridProblem(rates, start, 1.0, "factored")


PROBLEMS = {"heat": _heat, "burgers": _burgers, "brusselator": _brusselator}


def reference(case: GridProblem) -> Array:
    if case.exact is not None:
        return case.exact()
    shape = case.start.shape
    run = solve_ivp(
        lambda _, y: case.rates(y.reshape(shape)).ravel(), (0.0, case.end), case.start.ravel(), "DOP853",
        rtol=1e-9, atol=1e-10,
    )  # fmt: skip
    return np.asarray(run.y[:, -1])


def candidate(problem: sn.Problem, method: str, linear: str) -> Candidate:
    def run(tolerance: float) -> sn.Solution:
        return sn.solve(
            problem, method, rtol=tolerance, atol=tolerance, saveat=[problem.span[1]], linear=linear,
            tier="generic",
        )  # fmt: skip

    def states(tolerance: float) -> Array:
        try:
            return np.asarray(run(tolerance)["u"][-1]).ravel()
        except sn.SolveFailed:
            return np.full(problem.flat.n, np.nan)

    return Candidate(
        f"{method}, {linear}", lambda tolerance, repeat: timed(lambda: run(tolerance), repeat), states
    )


def rows_of(name: str) -> list[dict[str, Any]]:
    case = PROBLEMS[name]()
    problem = sn.Problem(sn.trace(case.rates, case.start.shape), {"u": case.start}, (0.0, case.end))
    candidates = []
    for method in (*TASE, *BESIDE):
        holds = case.linear == "sparse" or sn.METHODS[method].keeps(0)
        candidates.append(candidate(problem, method, case.linear if holds else "sparse"))
    if case.linear == "factored":
        candidates.append(candidate(problem, "Rodas5P", "krylov"))
    exact = reference(case)
    return compare(name, candidates, exact, 1.0, TARGETS, repeat=1, rounds=5, tolerances=TOLERANCES)


def summary(rows: list[dict[str, Any]]) -> str:
    """The best RK-TASE method and the best other one, problem by problem."""
    heads = " | ".join(f"{target:.0e}" for target in TARGETS)
    lines = [
        "",
        "Time of the best other method over that of the best RK-TASE method:",
        "",
        f"| problem | {heads} |",
    ]
    lines.append("|---" * (len(TARGETS) + 1) + "|")
    for problem in dict.fromkeys(row["problem"] for row in rows):
        cells = []
        for target in TARGETS:
            here = [row for row in rows if row["problem"] == problem and row["error"] == target]
            tase = [row for row in here if row["program"].split(",")[0] in TASE]
            others = [row for row in here if row not in tase]
            if not tase or not others:
                cells.append("-")
                continue
            ours, other = (min(group, key=lambda row: float(row["milliseconds"])) for group in (tase, others))
            ratio = other["milliseconds"] / ours["milliseconds"]
            cells.append(f"{ratio:.2f} ({other['program']} / {ours['program']})")
        lines.append(f"| {problem} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in arguments.problems.split(","):
        rows += rows_of(name)
    write(
        "tase", "RK-TASE methods beside Rosenbrock(-W) methods (`tase.py`)",
        "All with symnum's generic steps: CPU time of one solve, alternately; relative error at the end. "
        "heat: 255 unknowns, linear, stiff; burgers: 200 unknowns; brusselator: 2 x 32 x 32 unknowns on a "
        "periodic square, whose matrices are products along the two directions for methods that keep their "
        f"order with them. The last column compares with MSRKTASE2. Load of the machine (one minute): "
        f"{os.getloadavg()[0]:.1f}.\n{summary(rows)}\n", rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
