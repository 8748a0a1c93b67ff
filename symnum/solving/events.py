"""What events do: new values for states and parameters, checked before a run and applied in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.event import Event
from symnum.lowering.flat import FlatSystem
from symnum.record import record
from symnum.rewriting.expr import Expr, slot
from symnum.rewriting.walk import leaves
from symnum.solving.values import ValueFunction, value_function

if TYPE_CHECKING:
    from symnum.solving.problem import Problem

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = tuple[float, ...]

_KEPT = 1000  # actions of events that are made anew for every problem


@record
class Action:
    """One event with its targets found: positions in ``u`` and ``p``, values over numbered slots."""

    event: Event
    states: tuple[tuple[int, Expr], ...]
    parameters: tuple[tuple[int, Expr], ...]
    functions: tuple[ValueFunction, ...]  # the values of both, in that order

    @classmethod
    def of(cls, flat: FlatSystem, event: Event) -> Action:
        where = f"{event}"
        states, parameters = [], []
        values = flat.with_numbers(tuple(event.then.values()), where)
        constrained = {int(x) for choice in flat.structure.choices for x in choice.candidates}
        for target, value in zip(event.then, values, strict=True):
            if target.kind == "parameter":
                parameters.append((flat.parameter_index(target, where), value))
                continue
            number, sign = flat.without_sign(flat.number_of(target, where))
            at = flat.position[number]
            if at < 0 or not (flat.mass[at] or number in constrained):
                raise ModelError(
                    f"{where}: {target} is determined by the equations and cannot be set. "
                    "Set a state or a parameter that it follows from."
                )
            states.append((int(at), sign * value))
        functions = tuple(value_function(flat, value) for _, value in (*states, *parameters))
        return cls(event, tuple(states), tuple(parameters), functions)

    def values(self, t: float, before: tuple[FloatArray, FloatArray]) -> Values:
        """The new values at time t and ``before`` = (u, p): states, then parameters."""
        found = tuple(function(t, *before) for function in self.functions)
        for value in found:
            if not math.isfinite(value):
                raise ModelError(f"{self.event} at t = {t:g}: a new value is {value}; it must be finite")
        return found

    def apply(self, values: Values, u: FloatArray, p: FloatArray) -> list[int]:
        """Write the new values; returns the parameters changed."""
        for (at, _), value in zip(self.states, values, strict=False):
            u[at] = value
        for (at, _), value in zip(self.parameters, values[len(self.states) :], strict=True):
            p[at] = value
        return [at for at, _ in self.parameters]


@record
class Schedule:
    """Time events in order, ``times[i]`` with ``actions[i]``; state events by their number in the code."""

    times: tuple[float, ...]
    actions: tuple[tuple[Action, ...], ...]
    crossing: tuple[Action, ...]

    @classmethod
    def of(cls, problem: Problem) -> Schedule:
        flat, span = problem.flat, problem.span
        timed: dict[float, list[Action]] = {}
        crossing = []
        for event in problem.events:
            if event.trigger is not None:
                continue  # these belong to `triggers`
            action = _action(problem, event)
            if event.at is None:
                crossing.append(action)
                continue
            for time in event.at:
                if span[0] <= time <= span[1]:
                    timed.setdefault(time, []).append(action)
        order = sorted(timed)
        for time in order:
            no_conflict(flat, time, timed[time])
        return cls(tuple(order), tuple(tuple(timed[time]) for time in order), tuple(crossing))


def _action(problem: Problem, event: Event) -> Action:
    """Made once for all problems derived from this one: it takes as long as many steps of a small problem."""
    known: dict[int, Action] = problem.memory.setdefault("actions", {})
    found = known.get(id(event))  # which is of no other event as long as the action holds this one
    if found is None:
        if len(known) >= _KEPT:
            known.clear()
        found = known[id(event)] = Action.of(problem.flat, event)
    return found


def no_conflict(flat: FlatSystem, time: float, actions: Sequence[Action]) -> None:
    """Of events at one time, all of which see the values before, no two may set the same to different values.

    Nor may two change the same one relative to itself: the second change would be lost.
    """
    seen: dict[tuple[str, int], tuple[Action, Expr]] = {}
    for action in actions:
        for kind, targets in (("u", action.states), ("p", action.parameters)):
            for at, value in targets:
                other = seen.setdefault((kind, at), (action, value))
                if other[0] is action:
                    continue
                name = flat.state_names[at] if kind == "u" else flat.parameters[at].name
                number = int(flat.vector[at]) if kind == "u" else at
                if other[1] is not value:
                    problem = f"set {name} to different values"
                elif slot(kind, number) in leaves((value,)):
                    problem = f"both change {name} relative to its old value, which would count once"
                else:
                    continue
                raise ModelError(
                    f"{flat.name}: two events at t = {time:g} {problem}: {other[0].event}; {action.event}. "
                    "Make them one event, or move one of them in time."
                )
