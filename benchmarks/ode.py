"""Work and precision on small problems: symnum, numbalsoda, SUNDIALS, CasADi, diffrax and SciPy, in turns.

    OPENBLAS_NUM_THREADS=1 python benchmarks/ode.py --peers /path/to/python [--problems rober,hires]

CPU time of one solve from Python with everything compiled, medians of 3 rounds, in turns. "default" is
`sn.solve` without a method: choice, checks and saving included. The error is the largest relative one at the
end; the loosest tolerance (by half decades) is taken from which on no error exceeds the target. One JSON line
a row, a table for each problem to RESULTS.md. egfr is the network of `reactions.py`, with its peers.
--peers: a Python that has numbalsoda, scikit-sundae, casadi and diffrax.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from equal_error import Array, Candidate, Worker, compare, timed, write
from ode_problems import DATA, NAMES, OdeProblem, ode_problem
from ode_worker import PROGRAMS
from reactions import Peer
from reactions_symnum import solution

import symnum as sn
from symnum.solving.specialised import specialised_step
from symnum.solving.tableaus import find

TARGETS = (1e-3, 1e-5, 1e-7, 1e-9)
WORKER = Path(__file__).with_name("ode_worker.py")
NETWORK_PEERS = ("cvode:lapackdense", "numbalsoda:lsoda", "numbalsoda:dop853")
# solves in a row for one time; fewer of what takes longer
REPEAT = {"brusselator1d": 3, "lorenz": 10}


def symbolic(problem: OdeProblem) -> sn.Problem:
    y = dict(zip(problem.names, sn.variables(" ".join(problem.names)), strict=True))
    equations = [
        sn.D(variable) == eval(text, {}, y)
        for variable, text in zip(y.values(), problem.equations, strict=True)
    ]
    start = dict(zip(y.values(), problem.start.tolist(), strict=True))
    return sn.Problem(sn.System(problem.name, equations), start, (0.0, problem.end))


def candidate(problem: sn.Problem, size: float, method: str | None, names: tuple[str, ...]) -> Candidate:
    """symnum on a problem; names: of the unknowns in the order of the reference."""
    end = problem.span[1]

    def run(tolerance: float) -> sn.Solution:
        return sn.solve(problem, method, rtol=tolerance, atol=tolerance * size, saveat=[end])

    def states(tolerance: float) -> Array:
        try:
            solution = run(tolerance)
        except sn.SolveFailed:
            return np.full(len(names), np.nan)
        return np.array([solution[name][-1] for name in names])

    # what long use of a model brings by itself: steps compiled for it, for all methods that may be chosen
    for used in (method,) if method else ("Tsit5", "Vern7", "Rodas5P"):
        specialised_step(problem.compiled.model, find(used), 0.0, problem.u, problem.p, end)
    for _ in range(10):
        run(1e-5)
    name = f"symnum {method or 'default'}"
    return Candidate(name, lambda tolerance, repeat: timed(lambda: run(tolerance), repeat), states)


def rows_of(name: str, python: str) -> list[dict[str, Any]]:
    problem = ode_problem(name)
    ours = symbolic(problem)
    methods: list[str | None] = [None, "Tsit5", "Vern7", "DOP853"]
    if problem.stiff:
        methods = [None, "Rodas5P", "Rodas4P", "Kvaerno5"]
    candidates = [candidate(ours, problem.size, method, problem.names) for method in methods]
    programs = [p for p in PROGRAMS if p != "numbalsoda dop853" or not problem.stiff]
    candidates += [Worker(python, name, program, WORKER).candidate(program) for program in programs]
    reference = problem.reference
    if reference is None:  # independent of symnum
        reference = Worker(python, name, "SciPy", WORKER).candidate("SciPy").states(1e-13)
    repeat = REPEAT.get(name, 20)
    return compare(name, candidates, reference, problem.size, TARGETS, repeat=repeat, rounds=3)


def network_rows(python: str) -> list[dict[str, Any]]:
    """egfr_net, 356 species and 3,749 reactions, from its file; its peers are those of `reactions.py`."""
    peers = {name: Peer(python, name, "egfr", DATA.parent, "", limit=60.0) for name in NETWORK_PEERS}
    candidates = []
    for method in (None, "Vern7", "DOP853"):
        run = solution("egfr", DATA.parent, method)
        name = f"symnum {method or 'default'}"
        candidates.append(Candidate(name, lambda t, n, run=run: timed(lambda: run(t), n), run))
    candidates += [peer.candidate(name) for name, peer in peers.items()]
    exact = peers["numbalsoda:dop853"].candidate("").states(1e-13)  # independent of symnum
    rows = compare("egfr", candidates, exact, 1.0, TARGETS, repeat=3, rounds=3)
    for peer in peers.values():
        if peer.process is not None:
            peer.process.terminate()
    return rows


def summary(rows: list[dict[str, Any]], targets: tuple[float, ...] = TARGETS) -> str:
    """How symnum's default compares with the best other program, problem by problem."""
    heads = " | ".join(f"{target:.0e}" for target in targets)
    lines = ["", "Best other program over symnum's default:", "", f"| problem | {heads} |"]
    lines.append("|---" * (len(targets) + 1) + "|")
    for problem in dict.fromkeys(row["problem"] for row in rows):
        cells = []
        for target in targets:
            here = [row for row in rows if row["problem"] == problem and row["error"] == target]
            own = [row for row in here if row["program"] == "symnum default"]
            others = [row for row in here if not row["program"].startswith("symnum")]
            if not own or not others:
                cells.append("-")
                continue
            best = min(others, key=lambda row: float(row["milliseconds"]))
            cells.append(f"{best['milliseconds'] / own[0]['milliseconds']:.1f} ({best['program']})")
        lines.append(f"| {problem} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True, help="a Python that has the other programs")
    parser.add_argument("--problems", default=",".join((*NAMES, "egfr")))
    arguments = parser.parse_args()
    for name in arguments.problems.split(","):
        rows = network_rows(arguments.peers) if name == "egfr" else rows_of(name, arguments.peers)
        finish(name, rows)


def finish(name: str, rows: list[dict[str, Any]]) -> None:
    """Write the table of a problem."""
    write(
        f"ode {name}", f"Work and precision: {name} (`ode.py`)",
        "CPU time of one solve from Python, alternately; relative error at the end. The last column compares "
        "with symnum's default. At loose tolerances most of `sn.solve` goes on around the compiled loop: "
        f"`stiff_small.py` measures it alone. Load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores."
        f"\n{summary(rows)}\n", rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
