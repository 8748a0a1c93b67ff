"""The other programs' side of `ode.py`: one problem and one program in a process.

    python ode_worker.py PROBLEM PROGRAM

Reads lines of JSON {"tolerance": ..., "repeat": ..., "states": true/false}, answers with CPU seconds of one
run and, if asked, the states at the end; NaN where the program gives up. Right-hand sides are compiled by
numba, CasADi or XLA; scikit-sundae and SciPy call theirs through Python.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from ode_problems import OdeProblem, ode_problem

Run = Callable[[float], Any]
_MOST_STEPS = 200_000


class Written(Protocol):
    """Equations as texts in the names of the unknowns."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def equations(self) -> tuple[str, ...]: ...


def source(problem: Written) -> str:
    lines = [f"    {name} = y[{k}]" for k, name in enumerate(problem.names)]
    lines += [f"    d[{k}] = {text}" for k, text in enumerate(problem.equations)]
    return "def right(t, y, d):\n" + "\n".join(lines)


def compiled(problem: Written) -> Any:
    import numba

    scope: dict[str, Any] = {"exp": math.exp, "sin": math.sin}
    exec(source(problem), scope)
    return numba.njit(scope["right"])


def numbalsoda(problem: OdeProblem, solver: str) -> Run:
    import numba
    import numbalsoda as program

    body, n = compiled(problem), len(problem.start)

    @numba.cfunc(program.lsoda_sig)
    def right(t, u, du, p):  # type: ignore[no-untyped-def]
        body(t, numba.carray(u, (n,)), numba.carray(du, (n,)))

    times, address = np.array([0.0, problem.end]), right.address
    options = {"mxstep": _MOST_STEPS} if solver == "lsoda" else {}

    def run(tolerance: float) -> Any:
        found, fine = getattr(program, solver)(
            address, problem.start, times, rtol=tolerance, atol=tolerance * problem.size, **options
        )
        return found[-1] if fine else np.full(n, np.nan)

    return run


def cvode(problem: OdeProblem) -> Run:
    from sksundae.cvode import CVODE

    body, n = compiled(problem), len(problem.start)
    times = np.array([0.0, 0.5 * problem.end, problem.end])
    linear: dict[str, Any] = {"linsolver": "dense"}
    if problem.band:
        linear = {"linsolver": "band", "lband": problem.band, "uband": problem.band}

    def run(tolerance: float) -> Any:
        solver = CVODE(
            lambda t, y, d: body(t, y, d), method="BDF" if problem.stiff else "Adams", rtol=tolerance,
            atol=tolerance * problem.size, max_num_steps=_MOST_STEPS, **linear,
        )  # fmt: skip
        found = solver.solve(times, problem.start)
        return found.y[-1] if found.success else np.full(n, np.nan)

    return run


def casadi(problem: OdeProblem) -> Run:
    import casadi as ca

    x = ca.SX.sym("x", len(problem.start))
    names = dict(zip(problem.names, ca.vertsplit(x), strict=True))
    system = {"x": x, "ode": ca.vertcat(*(eval(text, {}, names) for text in problem.equations))}
    known: dict[float, Any] = {}

    def run(tolerance: float) -> Any:
        if tolerance not in known:
            options = {"reltol": tolerance, "abstol": tolerance * problem.size, "max_num_steps": _MOST_STEPS}
            if not problem.stiff:
                options |= {"linear_multistep_method": "adams", "nonlinear_solver_iteration": "functional"}
            known[tolerance] = ca.integrator("run", "cvodes", system, 0.0, [problem.end], options)
        return np.array(known[tolerance](x0=problem.start)["xf"]).ravel()

    return run


def diffrax(problem: OdeProblem) -> Run:
    import diffrax as dx
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    def right(t: Any, y: Any, args: Any) -> Any:
        names = {name: y[k] for k, name in enumerate(problem.names)}
        return jnp.stack([eval(text, {}, names) + 0.0 * y[0] for text in problem.equations])

    solver = dx.Kvaerno5() if problem.stiff else dx.Tsit5()

    @jax.jit
    def whole(start: Any, rtol: Any, atol: Any) -> Any:
        found = dx.diffeqsolve(
            dx.ODETerm(right), solver, 0.0, problem.end, None, start, max_steps=_MOST_STEPS, throw=False,
            stepsize_controller=dx.PIDController(rtol=rtol, atol=atol),
        )  # fmt: skip
        return jnp.where(found.result == dx.RESULTS.successful, found.ys[-1], jnp.nan)

    start = jnp.asarray(problem.start)
    return lambda tolerance: np.asarray(whole(start, tolerance, tolerance * problem.size))


def scipy(problem: OdeProblem) -> Run:
    from scipy.integrate import solve_ivp

    body, n = compiled(problem), len(problem.start)

    def right(t: float, y: Any) -> Any:
        d = np.empty(n)
        body(t, y, d)
        return d

    method = "LSODA" if problem.stiff else "DOP853"

    def run(tolerance: float) -> Any:
        span = (0.0, problem.end)
        options = {"rtol": max(tolerance, 1e-13), "atol": tolerance * problem.size}
        found = solve_ivp(right, span, problem.start, method, t_eval=[problem.end], **options)
        return found.y[:, -1] if found.success else np.full(n, np.nan)

    return run


PROGRAMS: dict[str, Callable[[OdeProblem], Run]] = {
    "numbalsoda lsoda": lambda problem: numbalsoda(problem, "lsoda"),
    "numbalsoda dop853": lambda problem: numbalsoda(problem, "dop853"),
    "scikit-sundae CVODE": cvode, "CasADi cvodes": casadi, "diffrax": diffrax, "SciPy": scipy,
}  # fmt: skip


def serve(make: Callable[[], Run], n: int) -> None:
    """Answer the lines of standard input about the run of n unknowns that `make` prepares."""
    # what programs print does not get between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run = make()
    for line in sys.stdin:
        wanted = json.loads(line)
        tolerance = wanted["tolerance"]
        try:
            final = np.asarray(run(tolerance))
        except Exception as error:
            print(error, file=sys.stderr)
            final = np.full(n, np.nan)
        answer: dict[str, Any] = {"final": final.tolist()} if wanted["states"] else {}
        began = time.process_time()
        for _ in range(wanted["repeat"] if np.isfinite(final).all() else 0):
            run(tolerance)
        answer["seconds"] = (time.process_time() - began) / max(wanted["repeat"], 1)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    asked = ode_problem(sys.argv[1])
    serve(lambda: PROGRAMS[sys.argv[2]](asked), len(asked.start))
