"""Differential-algebraic systems of index 1: symnum, SUNDIALS' IDA through scikit-sundae, and CasADi's IDAS.

    OPENBLAS_NUM_THREADS=1 python benchmarks/dae.py --peers /path/to/python

As `ode.py`: CPU time of one solve from Python with everything compiled, medians of 3 rounds in turns, at
the loosest tolerance from which on no relative error at the end exceeds the target. "default" is `sn.solve`
without a method: initialization, choice, checks and saving included. --peers: a Python that has
scikit-sundae, casadi and numba.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from dae_problems import PROBLEMS, DaeProblem
from dae_worker import PROGRAMS
from equal_error import Worker, compare, write
from ode import candidate, summary

import symnum as sn

TARGETS = (1e-3, 1e-5, 1e-7)
WORKER = Path(__file__).with_name("dae_worker.py")
# beyond, IDA makes millions of steps in the round-off of its residuals
TOLERANCES = tuple(float(10.0 ** (-k / 2)) for k in range(5, 19))


def symbolic(problem: DaeProblem) -> sn.Problem:
    y = sn.variables(" ".join(problem.names))
    scope: dict[str, Any] = {"exp": sn.exp, "sin": sn.sin, "t": sn.t}
    scope |= zip(problem.names, y, strict=True)
    equations = []
    for row, text in zip(problem.mass, problem.equations, strict=True):
        left = sum((float(m) * sn.D(v) for m, v in zip(row, y, strict=True) if m), start=0)
        equations.append(sn.Eq(left, eval(text, {}, scope)))
    start = {
        variable: value
        for variable, value, column in zip(y, problem.start.tolist(), problem.mass.T, strict=True)
        if column.any()
    }
    return sn.Problem(sn.System(problem.name, equations), start, (0.0, problem.end))


def rows_of(name: str, python: str) -> list[dict[str, Any]]:
    problem = PROBLEMS[name]()
    ours = symbolic(problem)
    candidates = [
        candidate(ours, problem.size, method, problem.names) for method in (None, "Rodas5P", "Rodas4P")
    ]
    candidates += [Worker(python, name, program, WORKER).candidate(program) for program in PROGRAMS]
    return compare(
        name, candidates, problem.reference, problem.size, TARGETS, repeat=2, rounds=3,
        tolerances=TOLERANCES,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True, help="a Python that has the other programs")
    arguments = parser.parse_args()
    rows = [row for name in PROBLEMS for row in rows_of(name, arguments.peers)]
    write(
        "dae", "Differential-algebraic systems (`dae.py`)",
        "CPU time of one solve from Python, alternately; relative error at the end. Robertson's problem with "
        "the conservation law as its third equation, until 4e4; the transistor amplifier of the Test Set, "
        "errors relative to 1 V and the voltage. "
        "IDA's residuals are compiled but called through Python and its Jacobian is by differences, CasADi's "
        "are not; both start from consistent values, symnum finds its own. "
        f"Load of the machine (one minute): {os.getloadavg()[0]:.1f}.\n"
        f"{summary(rows, TARGETS)}\n", rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
