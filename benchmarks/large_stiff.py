"""Large stiff systems: BDF, exponential and one-step methods of symnum and CVODE, at equal achieved error.

    OPENBLAS_NUM_THREADS=1 python benchmarks/large_stiff.py --problems ladder,brusselator64

egfr_net and BCR (reaction networks), the Brusselator on 64 x 64 and 128 x 128 points, an RC ladder of 5,000
sections. CPU time of one solve from Python with everything compiled, in turns. All call the right-hand side
and the Jacobian that symnum compiled: CVODE (scikit-sundae, the `sundials` extra) with sparse factors on
networks and the ladder, on grids with GMRES and no preconditioner. Reference: a run of another method far
below the smallest error. One JSON line a row, a section of RESULTS.md for each problem.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from codegen_models import ladder
from equal_error import Array, Candidate, compare, timed, write

import symnum as sn
from symnum.models.spatial import reaction_diffusion
from symnum.solving.kernel.call import model_function

TARGETS = (1e-3, 1e-5, 1e-7)
DECADES = tuple(float(10.0**-k) for k in range(4, 10))
HALVES = tuple(float(10.0 ** (-k / 2)) for k in range(5, 23))


class Case(NamedTuple):
    """size: of states, for relative errors and absolute tolerances. reference: method and tolerance."""

    title: str
    problem: sn.Problem
    size: float
    reference: tuple[str, float]
    methods: tuple[str | None, ...]
    targets: tuple[float, ...] = TARGETS
    tolerances: tuple[float, ...] = HALVES
    rounds: int = 3


IMPLICIT = (None, "BDF", "Rodas5P", "Rodas4P", "Kvaerno5", "CVODE")


def data() -> Path:
    return Path(os.environ.get("SYMNUM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def network(file: str, end: float) -> sn.Problem:
    read: Any = sn.read(data() / "bng_net" / file)
    return sn.Problem(read.system(), span=(0.0, end))


def egfr() -> Case:
    problem = network("egfr_net/egfr_net.net", 10.0)
    return Case("egfr_net, 356 species, t = 10", problem, 1.0, ("DOP853", 1e-12), IMPLICIT)


def bcr() -> Case:
    return Case(
        "BCR, 1,122 species and 24,388 reactions, t = 10,000", network("bcr/bcr.net", 1e4), 1.0,
        ("Rodas5P", 1e-8), (None, "Rodas5P", "Kvaerno5", "CVODE"), (1e-3, 1e-5), DECADES, rounds=2,
    )  # fmt: skip


def brusselator(side: int) -> Case:
    model = reaction_diffusion.brusselator()
    problem = sn.Problem(
        sn.discretize(model, dict.fromkeys(model.coordinates, sn.Central(side))), span=(0.0, 2.0)
    )
    methods = (None, "BDF", "Rodas5P", "ROS34PW2", "Kvaerno5", "exprb32", "exprb43", "CVODE")
    title = f"Brusselator, {side} x {side} points, {2 * side * side:,} unknowns, diffusion 0.02, t = 2"
    return Case(title, problem, 1e-3, ("DOP853", 1e-11), methods)


def rc_ladder() -> Case:
    problem = sn.Problem(ladder(5000), span=(0.0, 1e4))
    title = "RC ladder, 5,000 sections, t = 10,000 time constants"
    return Case(title, problem, 1e-3, ("RadauIIA5", 1e-11), IMPLICIT)


CASES: dict[str, Callable[[], Case]] = {
    "egfr": egfr, "bcr": bcr, "brusselator64": lambda: brusselator(64),
    "brusselator128": lambda: brusselator(128), "ladder": rc_ladder,
}  # fmt: skip


def own(case: Case, method: str | None) -> Candidate:
    problem, end = case.problem, case.problem.span[1]

    def run(tolerance: float) -> Array:
        found = sn.solve(problem, method, rtol=tolerance, atol=tolerance * case.size, saveat=[end])
        return np.asarray(found.y[:, -1])

    name = "CVODE, sparse" if method == "CVODE" else f"symnum {method or 'default'}"
    return Candidate(name, lambda tolerance, repeat: timed(lambda: run(tolerance), repeat), run)


def cvode_with_gmres(case: Case) -> Candidate:
    from sksundae.cvode import CVODE

    functions, u, p = case.problem.compiled.model.functions, case.problem.u, case.problem.p
    work, entries = np.zeros(functions.n_work + 1), np.zeros(len(functions.indices))
    model_function(functions.setup, 0.0, *(a.ctypes.data for a in (entries, u, p, work)))
    at = p.ctypes.data, work.ctypes.data

    def right(t: float, y: Array, yp: Array) -> None:
        model_function(functions.rhs, t, yp.ctypes.data, y.ctypes.data, *at)

    def run(tolerance: float) -> Array:
        solver = CVODE(
            right, rtol=tolerance, atol=tolerance * case.size, linsolver="gmres", krylov_dim=20,
            max_num_steps=100_000,
        )  # fmt: skip
        return np.asarray(solver.solve(np.array(case.problem.span), u).y[-1])

    return Candidate("CVODE, GMRES", lambda tolerance, repeat: timed(lambda: run(tolerance), repeat), run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", default=",".join(CASES))
    for name in parser.parse_args().problems.split(","):
        case = CASES[name]()
        grid = name.startswith("brusselator")
        candidates = [
            cvode_with_gmres(case) if grid and method == "CVODE" else own(case, method)
            for method in case.methods
        ]
        reference = own(case, case.reference[0]).states(case.reference[1])
        rows = compare(
            name, candidates, reference, case.size, case.targets, repeat=1, rounds=case.rounds,
            tolerances=case.tolerances,
        )  # fmt: skip
        write(
            f"large_stiff {name}", f"Large stiff systems: {case.title} (`large_stiff.py`)",
            "CPU time of one solve, in turns; largest relative error at the end. All run the functions that "
            "symnum compiled. Last column: symnum's default over this program. Load of the machine (one "
            f"minute): {os.getloadavg()[0]:.1f}.",
            rows,
        )  # fmt: skip


if __name__ == "__main__":
    main()
