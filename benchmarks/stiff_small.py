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
from symnum.solving.integrator import Integrator
from symnum.solving.specialised import specialised_step
from symnum.solving.tableaus import find

D = sn.D
SIZE = 1e-6
QUARTERS = tuple(float(10.0 ** (-k / 4)) for k in range(10, 45))


def hires() -> sn.Problem:
    y = sn.variables(" ".join(f"y{k}" for k in range(8)))
    v = 280 * y[5] * y[7]
    right = [
        -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007, 1.71 * y[0] - 8.75 * y[1],
        -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4], 8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
        -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
        -v + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6], v - 1.81 * y[6], -v + 1.81 * y[6],
    ]  # fmt: skip
    start = dict.fromkeys(y, 0.0) | {y[0]: 1.0, y[7]: 0.0057}
    equations = [D(a) == b for a, b in zip(y, right, strict=True)]
    return sn.Problem(sn.System("hires", equations), start, (0, 321.8122))


def pollu() -> sn.Problem:
    y = sn.variables(" ".join(f"y{k}" for k in range(20)))
    constants = (
        0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9e3, 0.022, 1.2e4, 1.88, 1.63e4,
        4.8e6, 3.5e-4, 0.0175, 1e8, 4.44e11, 1240.0, 2.1, 5.78, 0.0474, 1780.0, 3.12,
    )  # fmt: skip
    reacting = (
        (0,), (1, 3), (4, 1), (6,), (6,), (6, 5), (8,), (8, 5), (10, 1), (10, 0), (12,), (9, 1), (13,),
        (0, 5), (2,), (3,), (3,), (15,), (15,), (16, 5), (18,), (18,), (0, 3), (18, 0), (19,),
    )  # fmt: skip
    """Verwer's air pollution problem (1994): sums of 25 rates; a number in `sums` is a rate and its sign."""
    rates = [0 * y[0]]
    for constant, species in zip(constants, reacting, strict=True):
        rate = constant * y[species[0]]
        rates.append(rate * y[species[1]] if len(species) > 1 else rate)
    sums = (
        (-1, -10, -14, -23, -24, 2, 3, 9, 11, 12, 22, 25), (-2, -3, -9, -12, 1, 21), (-15, 1, 17, 19, 22),
        (-2, -16, -17, -23, 15), (-3, 4, 4, 6, 7, 13, 20), (-6, -8, -14, -20, 3, 18, 18), (-4, -5, -6, 13),
        (4, 5, 6, 7), (-7, -8), (-12, 7, 9), (-9, -10, 8, 11), (9,), (-11, 10), (-13, 12), (14,),
        (-18, -19, 16), (-20,), (20,), (-21, -22, -24, 23, 25), (-25, 24),
    )  # fmt: skip
    equations = []
    for unknown, terms in zip(y, sums, strict=True):
        equations.append(D(unknown) == sum((1 if k > 0 else -1) * rates[abs(k)] for k in terms))
    start = dict.fromkeys(y, 0.0)
    start |= dict(zip((y[1], y[3], y[6], y[7], y[8], y[16]), (0.2, 0.04, 0.1, 0.3, 0.01, 0.007), strict=True))
    return sn.Problem(sn.System("pollu", equations), start, (0, 60.0))


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
            made = Integrator(model.functions, record, rtol=tolerance, atol=atol)
            if tier == "specialised":
                made.specialise(step.step, step.function, step.factors)
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
    for name, problem in (("hires", hires()), ("pollu", pollu())):
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
