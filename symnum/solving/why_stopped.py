"""Why a run cannot go on: the message of the error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symnum.language.event import Event
from symnum.solving.integrator import Integrator
from symnum.solving.options import FloatArray
from symnum.solving.problem import Problem
from symnum.solving.solution import Happened
from symnum.solving.statistics import Status

__all__ = ["why_stopped"]


def why_stopped(
    status: Status, problem: Problem, integrator: Integrator, happened: Sequence[Happened]
) -> str:
    """What a run that cannot go on has met, in words of its model, and what to try."""
    flat = problem.flat
    at = f"{flat.name}: stopped at t = {integrator.t:.9g} with {integrator.method.name}"
    row = integrator.worst_row
    if status is Status.NOT_FINITE:
        row = _not_finite_row(problem, integrator.t, integrator.u, integrator.p)
    equation = f" in\n    {flat.equation_texts[row]}\n" if 0 <= row < flat.n else " somewhere. "
    hint = " Or does a delay vanish?" if flat.delays else ""
    hosted = problem.compiled.hosted
    if hosted is not None and hosted.error is not None:
        hint += f" The imported code said: {hosted.error}"
    if status is Status.STEP_TOO_SMALL:
        return (
            f"{at}: the step size collapsed. The largest error is{equation}"
            "Does the solution blow up, or is there a discontinuity that should be an event?"
            f"{hint}"
        )
    if status is Status.MAX_STEPS_REACHED:
        steps = integrator.stats.steps
        return f"{at}: {steps} steps were not enough; raise max_steps=, or loosen the tolerances"
    if status is Status.NOT_FINITE:
        return f"{at}: not finite{equation}Does a quantity leave the domain of a function there?{hint}"
    if status is Status.SINGULAR:
        return (
            f"{at}: the matrix of a step is singular. The algebraic equations do not determine "
            "the algebraic "
            f"unknowns here: the system may need index reduction.{hint}"
        )
    if status is Status.ZENO:
        last = happened[-1].event if happened else None
        for target in last.then if isinstance(last, Event) else ():
            if target.data.condition is not None:
                return (
                    f"{at}: chattering: on both sides of where {target.data.condition} changes, the "
                    "equations push back to it, so that it changes without end. Say what holds there, for "
                    "example by a state machine with a state for rest, or let the condition change back a "
                    "little later (hysteresis)."
                )
        names = ", ".join(sorted({str(h.event) for h in happened[-5:]}))
        return (
            f"{at}: events follow each other ever faster and would never end (Zeno): "
            f"{names or 'limits'}. "
            "Let the event change the model into one without it, for example at a small speed."
        )
    if status is Status.CHATTER:
        return f"{at}: a limit is hit and released without end; is its bound moving into the state?"
    if status is Status.NOT_CONVERGED:
        return f"{at}: the algebraic unknowns cannot be made consistent; the worst residual is{equation}"
    return f"{at}: {status.name.lower()}"


def _not_finite_row(problem: Problem, t: float, u: FloatArray, p: FloatArray) -> int:
    """The first row of f that stops being finite a little further along the solution, or -1.

    Within a step one such number spreads to all rows, so that the step itself cannot tell.
    """
    slope = _slope(problem, t, u, p)
    begin, end = problem.span
    for ahead in (end - begin) * np.logspace(-14, 0, 57):
        bad = np.flatnonzero(~np.isfinite(problem.compiled.rhs(t + ahead, u + ahead * slope, p)))
        if len(bad):
            return int(bad[0])
    return -1


def _slope(problem: Problem, t: float, u: FloatArray, p: FloatArray) -> FloatArray:
    """du/dt of all unknowns, the algebraic ones along their equations."""
    compiled = problem.compiled
    slope = np.where(compiled.mass != 0, compiled.rhs(t, u, p), 0.0)
    algebraic = np.flatnonzero(compiled.mass == 0)
    if len(algebraic):
        rows = compiled.jacobian(t, u, p)[algebraic]
        drift = rows @ slope + compiled.time_gradient(t, u, p)[algebraic]
        slope[algebraic] = np.linalg.lstsq(rows[:, algebraic].toarray(), -drift, rcond=None)[0]
    return slope
