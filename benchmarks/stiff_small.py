"""HIRES and POLLU, one solve each: symnum's tiers and numbalsoda's lsoda in turns, at equal achieved error.

    OPENBLAS_NUM_THREADS=1 taskset -c 0 python benchmarks/stiff_small.py --numbalsoda /path/to/python

CPU time of one solve from Python with everything compiled, medians of 5 rounds of 50, in turns. "whole
solve" is `sn.solve`, "again" the same run repeated on an `Integrator` that exists already. The error is the
largest relative one (with 1e-6 added to the states) at the end, against a run at 1e-12; tolerances by
quarter decades. One JSON line a row, table to RESULTS.md.
"""

from __future__ import annotations

import argparse

import numpy as np
from equal_error import Array, Candidate, Worker, compare, timed, write

import symnum as sn
from symnum.models.classic import kinetics
from symnum.solving.integrator import Integrator
from symnum.solving.specialised import specialised_step
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import find

D = sn.D
SIZE = 1e-6
QUARTERS = tuple(float(10.0 ** (-k / 4)) for k in range(10, 45))


def whole(problem: sn.Problem, method: str, tier: str) -> Candidate:
    def run(tolerance: float) -> Array:
        sol = sn.solve(
            problem, method, rtol=tolerance, atol=tolerance * SIZE, saveat=[problem.span[1]], tier=tier
        )
        return np.asarray(sol.y[:, -1])

    name = f"symnum {method}, {tier}, whole solve"
    return Candidate(name, lambda tolerance, repeat: timed(lambda: run(tolerance), repeat), run)


def again(problem: sn.Problem, method: str, tier: str) -> Candidate:
    model, record = problem.compiled.model, find(method)
    begin, end = problem.span
    step = specialised_step(model, record, begin, problem.u, problem.p, end - begin)
    assert step is not None
    integrators: dict[float, Integrator] = {}
    grid = np.array([end])

    def run(tolerance: float) -> Array:
        if tolerance not in integrators:
            atol = np.full(len(problem.u), tolerance * SIZE)
            made = Integrator(model.functions, record, StepOptions(rtol=tolerance, atol=atol))
            if tier == "specialised":
                step.put_into(made)
            integrators[tolerance] = made
        integrator = integrators[tolerance]
        integrator.start(begin, problem.u, problem.p)
        integrator.advance(end, saveat=grid)
        return integrator.saved()[1][:, -1]

    name = f"symnum {method}, {tier}, again"
    return Candidate(name, lambda tolerance, repeat: timed(lambda: run(tolerance), repeat), run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbalsoda", required=True, help="a Python that has numbalsoda")
    python = parser.parse_args().numbalsoda
    rows = []
    for name, problem in (("hires", kinetics.hires()), ("pollu", kinetics.pollution())):
        candidates = [Worker(python, name, "lsoda").candidate("numbalsoda lsoda")]
        candidates += [
            again(problem, "Rodas5P", "specialised"), again(problem, "Rodas5P", "generic"),
            again(problem, "Rodas4P", "specialised"),
            whole(problem, "Rodas5P", "specialised"), whole(problem, "Rodas5P", "generic"),
        ]  # fmt: skip
        exact = whole(problem, "Rodas5P", "generic").states(1e-12)
        rows += compare(name, candidates, exact, SIZE, (1e-3, 1e-5, 1e-7), repeat=50, tolerances=QUARTERS)
    write(
        "stiff_small", "Small stiff systems against numbalsoda (`stiff_small.py`)",
        "CPU time of one solve, alternately, on a machine with other load; relative error at the end, at the "
        "loosest tolerance (by quarter decades) that keeps to it. "
        "The last column compares with the first program of each block.", rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
