"""Training of networks in differential equations: symnum, diffrax with Equinox and optax, torchdiffeq.

    OPENBLAS_NUM_THREADS=1 taskset -c 0 python benchmarks/training.py --peers /path/to/python

The same network from the same weights, the same Adam, the same tolerances, in double precision: losses
agree to what the tolerances leave, and iterations are compared one to one. CPU time of whole trainings, each
after a short one that compiles everything; the last rows are symnum with its own optimizer, to the loss that
Adam came to. A problem that a program does not get through within its time has a note. One JSON line a
row, table to RESULTS.md. --peers: a Python with diffrax, equinox, optax, torch and torchdiffeq.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from results import machine, replace_section
from training_problems import NAMES, TrainingProblem, training_problem
from training_worker import PROGRAMS

import symnum as sn

WORKER = Path(__file__).with_name("training_worker.py")
PATIENCE = 600  # seconds for a program's training


class Adam:
    """The same as optax's and PyTorch's."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def init(self, theta: Any) -> Any:
        return 0, np.zeros(len(theta)), np.zeros(len(theta))

    def update(self, gradient: Any, state: Any, _: Any) -> Any:
        k, first, second = state
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        change = -self.rate * first / (1 - 0.9 ** (k + 1)) / (np.sqrt(second / (1 - 0.999 ** (k + 1))) + 1e-8)
        return change, (k + 1, first, second)


def symbolic(problem: TrainingProblem) -> tuple[sn.Problem, list[sn.Expr], Any]:
    """The problem, its states and the weights."""
    u = sn.variables(" ".join(f"u{i}" for i in range(len(problem.start))))
    made: list[Any] = []

    def network(inputs: Any) -> Any:
        made.append(sn.network("f", inputs, problem.sizes[1:-1], problem.sizes[-1]))
        return made[0]

    class Stack:
        stack = list

    right = problem.right(u, network, Stack)
    system = sn.System("trained", [sn.D(state) == r for state, r in zip(u, right, strict=True)])
    weights = made[0].weights
    known = dict(zip(weights, problem.theta.tolist(), strict=True))
    start = dict(zip(u, problem.start.tolist(), strict=True))
    return sn.Problem(system, start, (0.0, float(problem.times[-1])), known), list(u), weights


def ours(problem: TrainingProblem, method: str) -> list[dict[str, Any]]:
    model, u, weights = symbolic(problem)
    data = dict(zip(u, problem.data, strict=True))
    options: dict[str, Any] = {
        "method": method, "rtol": problem.rtol, "atol": problem.atol,
        "weights": {state: 1.0 / scale for state, scale in zip(u, problem.scale, strict=True)},
    }  # fmt: skip

    def train(**more: Any) -> Any:
        return sn.fit(model, data, problem.times, weights, **options, **more)

    def timed(**more: Any) -> tuple[float, Any]:
        began = time.process_time()
        found = train(**more)
        return time.process_time() - began, found

    began = time.perf_counter()
    train(optimizer=Adam(problem.rate), iterations=2)
    first = time.perf_counter() - began
    cpu, found = timed(optimizer=Adam(problem.rate), iterations=problem.iterations)
    rows = [row(problem, f"symnum {method}", first, cpu, problem.iterations, found.loss)]
    own = "least squares" if len(weights) <= 512 else "L-BFGS"
    cpu, quick = timed(optimizer=own, iterations=problem.iterations, target=found.loss)
    rows.append(row(problem, f"symnum {method}, {own}", first, cpu, len(quick.history), quick.loss))
    return rows


def row(
    problem: TrainingProblem, program: str, first: float, cpu: float, iterations: int, loss: float
) -> dict[str, Any]:
    return {
        "problem": problem.name, "program": program, "to compile / s": first, "cpu / s": cpu,
        "iterations": iterations, "ms an iteration": 1e3 * cpu / max(iterations, 1), "loss": loss,
    }  # fmt: skip


def theirs(problem: TrainingProblem, program: str, python: str) -> dict[str, Any]:
    command = [python, str(WORKER), problem.name, program, str(problem.iterations)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except subprocess.TimeoutExpired:
        return {"problem": problem.name, "program": program, "note": f"not through in {PATIENCE} s"}
    except subprocess.CalledProcessError as error:
        told = [line for line in error.stderr.splitlines() if "Error" in line or "error" in line]
        note = f"fails: {told[-1].strip()[:100]}" if told else f"ends with code {error.returncode}"
        return {"problem": problem.name, "program": program, "note": note}
    found = json.loads(done.stdout)
    losses = found["losses"]
    if not np.isfinite(losses).all():
        return {"problem": problem.name, "program": program, "note": "its loss is not finite"}
    return row(problem, program, found["first"], found["cpu"], problem.iterations, min(losses))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--problems", default="; ".join(NAMES), help="separated by semicolons")
    arguments = parser.parse_args()
    lines = [
        "## Training of neural differential equations (`training.py`)", "",
        "Same network, weights at first, Adam, tolerances and double precision; CPU time of a training when",
        "everything is compiled. Times: of the program's CPU time over that of symnum's first row.",
        machine(), "",
        "| problem | program | to compile / s | iterations | loss | CPU / s | ms an iteration | times |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in arguments.problems.split("; "):
        problem = training_problem(name)
        rows = ours(problem, "Rodas5P" if problem.stiff else "Tsit5")
        for program in PROGRAMS:
            if problem.stiff or "Kvaerno5" not in program:
                rows.append(theirs(problem, program, arguments.peers))
        for one in rows:
            print(json.dumps(one), flush=True)
            if "note" in one:
                lines.append(f"| {name} | {one['program']} | | | {one['note']} | | | |")
                continue
            lines.append(
                f"| {name} | {one['program']} | {one['to compile / s']:.1f} | {one['iterations']} "
                f"| {one['loss']:.2e} | {one['cpu / s']:.3f} | {one['ms an iteration']:.3f} "
                f"| {one['cpu / s'] / rows[0]['cpu / s']:.1f} |"
            )
    replace_section("training", lines)


if __name__ == "__main__":
    main()
