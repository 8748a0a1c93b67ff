"""10,000 Robertson and 10,000 Lorenz trajectories: symnum and numbalsoda in turns, at equal achieved error.

    pip install numbalsoda      # in an environment of its own; builds with gfortran and cmake
    OPENBLAS_NUM_THREADS=1 taskset -c 0 python benchmarks/ensemble.py --numbalsoda /path/to/python

One thread each. CPU time of a whole `sn.solve(sn.Ensemble(...))` with a compiled model, medians of 5 rounds
in turns. The error is the largest relative one (with 1e-8 added to Robertson's states, 1 to Lorenz') of all
members at the end, against a run at 1e-12; tolerances by half decades. One JSON line a row, table to
RESULTS.md.
"""

from __future__ import annotations

import argparse

import numpy as np
from equal_error import Array, Candidate, Worker, compare, timed, write

import symnum as sn
from symnum.models.classic import kinetics, oscillators

D = sn.D
MEMBERS = 10_000


def candidate(
    problem: sn.Problem, changes: dict[str, Array], method: str, size: float, tier: str
) -> Candidate:
    ensemble = sn.Ensemble(problem, changes)

    def run(tolerance: float) -> Array:
        chosen = None if tier == "lanes" else tier
        runs = sn.solve(ensemble, method, rtol=tolerance, atol=tolerance * size, threads=1, tier=chosen)
        return np.asarray(runs.final.T)

    name = f"symnum {method}, {tier}"
    return Candidate(name, lambda tolerance, repeat: timed(lambda: run(tolerance), repeat), run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbalsoda", required=True, help="a Python that has numbalsoda")
    python = parser.parse_args().numbalsoda
    rows = []
    for name, problem, parameter, values, size, methods, solvers in (
        ("robertson", kinetics.robertson(1e5), "k1", np.linspace(0.02, 0.08, MEMBERS), 1e-8,
         ("Rodas5P", "Rodas4P"), ("lsoda",)),
        ("lorenz", oscillators.lorenz(1.0), "rho", np.linspace(0.0, 21.0, MEMBERS), 1.0,
         ("Tsit5", "Vern7"), ("dop853", "lsoda")),
    ):  # fmt: skip
        changes = {parameter: values}
        candidates = [Worker(python, name, solver).candidate(f"numbalsoda {solver}") for solver in solvers]
        candidates += [candidate(problem, changes, method, size, "lanes") for method in methods]
        candidates.append(candidate(problem, changes, methods[0], size, "generic"))
        exact = candidate(problem, changes, methods[0], size, "lanes").states(1e-12)
        rows += compare(f"{MEMBERS} {name}", candidates, exact, size, (1e-3, 1e-5), repeat=1)
    write(
        "ensemble", "Ensembles against numbalsoda (`ensemble.py`)",
        "One thread, CPU time of whole solves, alternately; largest error of all members at the end. "
        "The last column compares with the first program of each block.", rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
