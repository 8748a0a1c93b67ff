"""Gradients of a fit by all its parameters: symnum's adjoint, diffrax and CasADi, in turns.

    OPENBLAS_NUM_THREADS=1 python benchmarks/gradient.py --peers /path/to/python

First the derivatives are compared: adjoint, forward sensitivities and complex steps at tight tolerances. Then
CPU time of one value and gradient with everything compiled, medians of 5 rounds, at equal error of the
gradient (against its largest component). One JSON line a row, table to RESULTS.md. --peers: a Python that has
diffrax and casadi.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from equal_error import Array, Candidate, Worker, compare, timed, write
from gradient_problems import NAMES, GradientProblem, gradient_problem
from gradient_worker import PROGRAMS
from scipy.integrate import solve_ivp

import symnum as sn

TARGETS = (1e-3, 1e-6, 1e-9)
TOLERANCES = tuple(float(10.0 ** (-k / 2)) for k in range(5, 27))
WORKER = Path(__file__).with_name("gradient_worker.py")


def symbolic(problem: GradientProblem) -> tuple[sn.Problem, list[sn.Expr], list[sn.Expr]]:
    """The problem, its states and its parameters."""
    n, m = len(problem.start), len(problem.theta)
    span = 0.0, float(problem.times[-1])
    if problem.sizes:
        states = sn.variables(" ".join(f"u{i}" for i in range(n)))
        f = sn.network("f", list(states), problem.sizes[1:-1], n)
        model = sn.System("fit", [sn.D(state) == f[i] for i, state in enumerate(states)])
        known = dict(zip(f.weights, problem.theta.tolist(), strict=True))
        begin = dict(zip(states, problem.start.tolist(), strict=True))
        return sn.Problem(model, begin, span, known), list(states), list(f.weights)
    u = np.array(sn.variables(" ".join(f"u{i}" for i in range(n))), object)
    k = np.array([sn.parameter(float(v), name=f"k{i}") for i, v in enumerate(problem.theta)], object)
    right = problem.right(u, k, SimpleNamespace(stack=list, roll=np.roll))
    system = sn.System("fit", [sn.D(u[i]) == right[i] for i in range(n)])
    start = dict(zip(u.tolist(), problem.start.tolist(), strict=True))
    return sn.Problem(system, start, span), u.tolist(), [k[i] for i in range(m)]


def loss_of(problem: GradientProblem) -> Any:
    target = 0.5 * problem.start[:, None]
    return lambda y: (float(((y - target) ** 2).sum()), 2 * (y - target))


def candidate(problem: GradientProblem, method: str) -> Candidate:
    model, u, k = symbolic(problem)
    loss, known = loss_of(problem), dict[float, Any]()

    def run(tolerance: float) -> Array:
        if tolerance not in known:
            known[tolerance] = sn.SolutionMap(
                model, u, at=problem.times, parameters=k, method=method, rtol=tolerance, atol=1e-2 * tolerance
            )
        return np.asarray(known[tolerance].value_and_gradient(loss)[1])

    run(1e-5)
    name = f"symnum {method}"
    return Candidate(name, lambda tolerance, repeat: timed(lambda: run(tolerance), repeat), run)


def by_complex_steps(problem: GradientProblem, which: list[int]) -> Array:
    """Im loss(theta + i h e_j)/h by SciPy's DOP853 in complex arithmetic."""
    found = []
    for j in which:
        theta = problem.theta.astype(complex)
        theta[j] += 1e-30j
        run = solve_ivp(
            lambda t, u, theta=theta: problem.right(u, theta, np), (0.0, problem.times[-1]),
            problem.start.astype(complex), "DOP853", t_eval=problem.times, rtol=1e-13, atol=1e-14,
            max_step=0.02,
        )  # fmt: skip
        found.append(((run.y - 0.5 * problem.start[:, None]) ** 2).sum().imag / 1e-30)
    return np.array(found)


def agreement(problem: GradientProblem) -> Array:
    """Print how far adjoint, forward sensitivities and complex steps are apart; the gradient."""
    model, u, k = symbolic(problem)
    tight = {"rtol": 1e-12, "atol": 1e-14}
    gradient: Array = np.zeros(0)
    for method in ("Vern7", "Rodas5P"):
        mapping = sn.SolutionMap(model, u, at=problem.times, parameters=k, method=method, **tight)
        gradient = mapping.value_and_gradient(loss_of(problem))[1]
        which = list(range(0, len(k), max(len(k) // 10, 1)))
        exact = by_complex_steps(problem, which)
        some = [k[j] for j in which]
        forward = sn.sensitivities(model, some, "Vern7", saveat=problem.times, **tight)
        residual = 2 * (forward.y - 0.5 * problem.start[:, None])
        by_forward = np.array([(residual * forward.dy[j]).sum() for j in range(len(some))])
        size = np.abs(gradient).max()
        print(json.dumps({
            "problem": problem.name, "method": method,
            "adjoint - complex step": float(np.abs(gradient[which] - exact).max() / size),
            "forward - complex step": float(np.abs(by_forward - exact).max() / size),
        }), flush=True)  # fmt: skip
    return gradient


def rows_of(name: str, python: str) -> list[dict[str, Any]]:
    problem = gradient_problem(name)
    reference = agreement(problem)
    candidates = [candidate(problem, method) for method in ("Vern7", "Tsit5", "Rodas5P")]
    candidates += [Worker(python, name, program, WORKER).candidate(program) for program in PROGRAMS
                   if not (problem.sizes and program.startswith("CasADi"))]  # fmt: skip
    size = float(np.abs(reference).max())
    return compare(name, candidates, reference, size, TARGETS, 5, tolerances=TOLERANCES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True, help="a Python with diffrax and casadi")
    python = parser.parse_args().peers
    rows = [row for name in NAMES for row in rows_of(name, python)]
    text = (
        "One value and gradient of a sum of squares by all parameters, `benchmarks/gradient.py`.\n"
        "The error is that of the gradient over its largest component. symnum: discrete adjoint, steps\n"
        "end at the times of the data; diffrax: recursive checkpoints; CasADi: the adjoint of CVODES.\n"
        "On the smooth neural ODE the 30 times of the data are more steps than its error asks for, and the\n"
        "layers are loops over tables: diffrax, which interpolates and multiplies matrices, is ahead there,\n"
        "most with wide layers.\n"
    )
    write("gradient", "Gradients", text, rows)


if __name__ == "__main__":
    main()
