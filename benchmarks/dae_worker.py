"""The other programs' side of `dae.py`: a problem and a program in a process, asked as `ode_worker.py` is.

    python dae_worker.py PROBLEM PROGRAM

scikit-sundae calls residuals compiled by numba through Python; CasADi has its own expressions, as the
semi-explicit system x' = f, 0 = g that it asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from dae_problems import PROBLEMS, DaeProblem
from ode_worker import Run, compiled, serve

_MOST_STEPS = 200_000


def ida(problem: DaeProblem) -> Run:
    import numba
    from sksundae.ida import IDA

    body, mass, n = compiled(problem), problem.mass, len(problem.start)
    times, slope = np.array([0.0, 0.5 * problem.end, problem.end]), problem.slope()

    @numba.njit
    def residual(t: float, y: Any, yp: Any, res: Any) -> None:
        body(t, y, res)
        for i in range(n):
            for j in range(n):
                res[i] -= mass[i, j] * yp[j]

    # only rows of zeros make an unknown algebraic by itself
    algebraic = [k for k in range(n) if not mass[:, k].any()] or None

    def run(tolerance: float) -> Any:
        solver = IDA(
            lambda t, y, yp, res: residual(t, y, yp, res), rtol=tolerance, atol=tolerance * problem.size,
            algebraic_idx=algebraic, max_num_steps=_MOST_STEPS,
        )  # fmt: skip
        found = solver.solve(times, problem.start, slope)
        return found.y[-1] if found.success else np.full(n, np.nan)

    return run


def casadi(problem: DaeProblem) -> Run:
    """x = the independent rows of M y, whose derivatives stand alone; of y what is not in x is algebraic."""
    import casadi as ca

    n, mass = len(problem.start), problem.mass
    rows: list[int] = []
    for k in range(n):
        if np.linalg.matrix_rank(mass[[*rows, k]] / np.abs(mass).max()) > len(rows):
            rows.append(k)
    plain = bool(np.array_equal(mass, np.diag(np.diag(mass))))
    y, t = ca.SX.sym("y", n), ca.SX.sym("t")
    values: dict[str, Any] = {"exp": ca.exp, "sin": ca.sin, "t": t}
    values |= zip(problem.names, ca.vertsplit(y), strict=True)
    f = ca.vertcat(*(eval(text, {}, values) for text in problem.equations))
    others = [k for k in range(n) if k not in rows]
    system: dict[str, Any] = {"t": t}
    if plain:
        scale = ca.DM(1 / np.diag(mass)[rows])
        system |= {"x": y[rows], "z": y[others], "ode": scale * f[rows], "alg": f[others]}
        begin: dict[str, Any] = {"x0": problem.start[rows], "z0": problem.start[others]}
    else:
        x = ca.SX.sym("x", len(rows))
        size = np.abs(mass[rows]).max(axis=1)
        scaled = mass[rows] / size[:, None]  # charges in volts
        weights = np.linalg.lstsq(mass[rows].T, mass[others].T, rcond=None)[0].T
        alg = ca.vertcat(f[others] - ca.DM(weights) @ f[rows], x - ca.DM(scaled) @ y)
        system |= {"x": x, "z": y, "ode": f[rows] / ca.DM(size), "alg": alg}
        begin = {"x0": scaled @ problem.start, "z0": problem.start}
    known: dict[float, Any] = {}

    def run(tolerance: float) -> Any:
        if tolerance not in known:
            options = {"reltol": tolerance, "abstol": tolerance * problem.size, "max_num_steps": _MOST_STEPS}
            known[tolerance] = ca.integrator("run", "idas", system, 0.0, [problem.end], options)
        found = known[tolerance](**begin)
        if not plain:
            return np.array(found["zf"]).ravel()
        end = np.empty(n)
        end[rows], end[others] = np.array(found["xf"]).ravel(), np.array(found["zf"]).ravel()
        return end

    return run


PROGRAMS: dict[str, Callable[[DaeProblem], Run]] = {"scikit-sundae IDA": ida, "CasADi idas": casadi}


if __name__ == "__main__":
    asked = PROBLEMS[sys.argv[1]]()
    serve(lambda: PROGRAMS[sys.argv[2]](asked), len(asked.start))
