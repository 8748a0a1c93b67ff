"""The other programs' side of `gradient.py`: one problem and one program in a process.

    python gradient_worker.py PROBLEM PROGRAM

Reads lines of JSON {"tolerance": ..., "repeat": ..., "states": true/false}, answers with CPU seconds of one
value and gradient and, if asked, the gradient (as "final").
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from gradient_problems import GradientProblem, gradient_problem

Run = Callable[[float], Any]
_MOST_STEPS = 16_384


def diffrax(problem: GradientProblem) -> Run:
    """Tsit5 with the adjoint that is its default: recursive checkpoints through the steps."""
    import diffrax as dx
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    def right(t: Any, u: Any, k: Any) -> Any:
        return problem.right(u, k, jnp)

    def loss(theta: Any, tolerance: Any) -> Any:
        found = dx.diffeqsolve(
            dx.ODETerm(right), dx.Tsit5(), 0.0, float(problem.times[-1]), None, jnp.asarray(problem.start),
            theta, saveat=dx.SaveAt(ts=jnp.asarray(problem.times)), max_steps=_MOST_STEPS,
            stepsize_controller=dx.PIDController(rtol=tolerance, atol=1e-2 * tolerance),
        )  # fmt: skip
        return jnp.sum((found.ys - 0.5 * problem.start) ** 2)

    both = jax.jit(jax.value_and_grad(loss))
    return lambda tolerance: np.asarray(both(jnp.asarray(problem.theta), tolerance)[1])


def casadi(problem: GradientProblem) -> Run:
    """CVODES with its adjoint, Adams or BDF (the faster is reported by its own row)."""
    return _casadi(problem, {"linear_multistep_method": "adams", "nonlinear_solver_iteration": "functional"})


def casadi_bdf(problem: GradientProblem) -> Run:
    return _casadi(problem, {})


def _casadi(problem: GradientProblem, more: dict[str, Any]) -> Run:
    import casadi as ca

    u, k = ca.SX.sym("u", len(problem.start)), ca.SX.sym("k", len(problem.theta))

    def roll(vector: Any, places: int) -> Any:
        parts = ca.vertsplit(vector)
        return ca.vertcat(*(parts[(i - places) % len(parts)] for i in range(len(parts))))

    xp = SimpleNamespace(stack=lambda parts: ca.vertcat(*parts), roll=roll)
    system = {"x": u, "p": k, "ode": problem.right(u, k, xp)}
    known: dict[float, Any] = {}

    def run(tolerance: float) -> Any:
        if tolerance not in known:
            options = {"reltol": tolerance, "abstol": 1e-2 * tolerance, "max_num_steps": _MOST_STEPS, **more}
            solver = ca.integrator("run", "cvodes", system, 0.0, problem.times.tolist(), options)
            theta = ca.MX.sym("theta", len(problem.theta))
            states = solver(x0=problem.start, p=theta)["xf"]
            loss = ca.sumsqr(states - 0.5 * ca.repmat(ca.DM(problem.start), 1, len(problem.times)))
            known[tolerance] = ca.Function("both", [theta], [loss, ca.gradient(loss, theta)])
        return np.array(known[tolerance](problem.theta)[1]).ravel()

    return run


PROGRAMS: dict[str, Callable[[GradientProblem], Run]] = {
    "diffrax Tsit5": diffrax, "CasADi cvodes Adams": casadi, "CasADi cvodes BDF": casadi_bdf,
}  # fmt: skip


def main() -> None:
    # what programs print does not get between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    problem = gradient_problem(sys.argv[1])
    run = PROGRAMS[sys.argv[2]](problem)
    for line in sys.stdin:
        wanted = json.loads(line)
        tolerance = wanted["tolerance"]
        try:
            final = np.asarray(run(tolerance))
        except Exception as error:
            print(error, file=sys.stderr)
            final = np.full(len(problem.theta), np.nan)
        answer: dict[str, Any] = {"final": final.tolist()} if wanted["states"] else {}
        began = time.process_time()
        for _ in range(wanted["repeat"] if np.isfinite(final).all() else 0):
            run(tolerance)
        answer["seconds"] = (time.process_time() - began) / max(wanted["repeat"], 1)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
