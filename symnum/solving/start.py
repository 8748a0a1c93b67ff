"""Where a run begins: unknowns and parameters that fit the equations, checked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from symnum.errors import ModelError
from symnum.solving.guards import guard_message
from symnum.solving.initialize import check_given, consistent
from symnum.solving.options import FloatArray
from symnum.solving.problem import Problem
from symnum.solving.values import value_function

if TYPE_CHECKING:
    from symnum.solving.state_selection import StateSelection

__all__ = ["check_start", "consistent_start", "starting_point", "state_selection"]

_GIVEN = 1  # of `Problem.start_rank`: by the problem, or by the system's defaults
_OUTSIDE = 1e-6  # relative distance beyond its bound at which a start is taken for a mistake


def state_selection(problem: Problem) -> StateSelection:
    """Of a system with states that are chosen in the run; the few that have some import what chooses them."""
    from symnum.solving.state_selection import StateSelection

    return StateSelection(problem.compiled)


def starting_point(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """(u, p) to begin with: what initial equations and constraints on states determine is solved for."""
    if problem.resumed is not None:
        return problem.u, problem.p.copy()
    u, p = _determined(problem)
    if problem.compiled.hosted is not None:
        u = u.copy()
        problem.compiled.hosted.begin(problem.span[0], u, p, problem.start_rank > _GIVEN)
    return _with_switches(problem, u, p) if problem.flat.triggers else (u, p)


def _with_switches(problem: Problem, u: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each switch as its condition is at the start, for the algebraic unknowns that follow from that."""
    flat, t = problem.flat, problem.span[0]
    switches = {
        target
        for event, _ in flat.triggers
        for target in event.then
        if target.kind == "parameter" and target.data.condition is not None
    }
    found = [
        (
            flat.parameter_index(switch, "switch"),
            value_function(flat, flat.with_numbers((switch.data.condition,), "switch")[0]),
        )
        for switch in sorted(switches, key=lambda switch: switch.name)
    ]
    for _ in range(2 * len(found)):  # where they never settle, the run says so
        holds = [float(bool(condition(t, u, p))) for _, condition in found]
        numbers = [number for number, _ in found]
        settled = bool((p[numbers] == holds).all())
        p[numbers] = holds
        u = consistent(problem.compiled, t, u, p)
        if settled:
            break
    return u, p


def _determined(problem: Problem) -> tuple[FloatArray, FloatArray]:
    if problem.flat.structure.choices:
        if problem.initial:
            raise ModelError(
                f"{problem.flat.name}: initial= cannot be used where states are chosen in the run; give "
                "starts, or say with state_priority=100 which variables are the states"
            )
        return state_selection(problem).start(problem)
    if problem.initial:
        from symnum.solving.initial_conditions import solved_start

        return solved_start(problem)
    if any(problem.flat.position[number] < 0 for number in problem.starts):
        from symnum.solving.start_fit import fitted_start

        return fitted_start(problem), problem.p.copy()
    return problem.u, problem.p.copy()


def consistent_start(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """(u, p) at the beginning of the span, algebraic unknowns included and checked."""
    t = problem.span[0]
    u, p = starting_point(problem)
    u = consistent(problem.compiled, t, u, p)
    check_start(problem, u, p, problem.compiled.rhs(t, u, p))
    return u, p


def check_start(problem: Problem, u: FloatArray, p: FloatArray, slopes: FloatArray) -> None:
    """slopes: f at the start, (n,)."""
    flat, t = problem.flat, problem.span[0]
    message = guard_message(flat, p)
    if message is not None:
        raise ModelError(f"{flat.name}: {message}")
    if not math.isfinite(slopes.sum()) and len(bad := np.flatnonzero(~np.isfinite(slopes))):
        rows = "\n    ".join(f"{flat.equation_texts[i]}   gives {slopes[i]}" for i in bad[:5])
        raise ModelError(
            f"{flat.name}: not finite at the start, t = {t:g}:\n    {rows}\n"
            "Is a parameter zero that something is divided by, or a start outside the domain of a function?"
        )
    check_given(problem.compiled, problem.starts, t, u, p)
    _check_limits(problem, u, p)


def _check_limits(problem: Problem, u: FloatArray, p: FloatArray) -> None:
    """No state may start outside of its hard limits: nothing would bring it back."""
    flat, model = problem.flat, problem.compiled.model
    if not flat.limits:
        return
    states = np.concatenate([limit.state for limit in flat.limits])
    distance = model.roots(problem.span[0], u, p)[model.functions.n_events :: 2]
    outside = np.flatnonzero(distance > _OUTSIDE * (1.0 + np.abs(u[flat.position[states]])))
    if len(outside):
        labels = [limit.distance.label(row) for limit in flat.limits for row in range(len(limit.state))]
        at = int(outside[0])
        value = u[flat.position[states[at]]]
        raise ModelError(
            f"{flat.name}: {flat.number_name(int(states[at]))} starts at {value:g}, outside of {labels[at]}. "
            "Correct the start or the bounds."
        )
