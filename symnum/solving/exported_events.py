"""What events do as tables and functions over the entries of u and p, for simulators outside of symnum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from symnum.codegen.function import Column, Function, Loop, Output
from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.language.condition import Condition
from symnum.language.event import Event
from symnum.lowering.flat import FlatSystem
from symnum.lowering.written_out import written_out
from symnum.record import record
from symnum.rewriting.expr import ONE, ZERO, Expr, apply, slot
from symnum.rewriting.walk import leaves, substitute
from symnum.solving.events import Action, Schedule
from symnum.solving.problem import Problem
from symnum.solving.time_crossings import time_lines

__all__ = ["ExportedEvents", "Value", "straight"]

Value: TypeAlias = float | FloatArray | IntArray


@record
class ExportedEvents:
    """functions: actions, followers, conditions, timing, lines; values: the tables that go with them."""

    functions: dict[str, Function]
    values: dict[str, Value]

    @classmethod
    def of(cls, problem: Problem) -> ExportedEvents:
        flat = problem.flat
        schedule = Schedule.of(problem)
        # those that only have steps end where a condition changes fire nothing
        triggers = [
            (event, condition, numbers)
            for (event, condition), numbers in zip(flat.triggers, flat.relation_numbers, strict=True)
            if event.then or event.terminal
        ]
        timed = [action for actions in schedule.actions for action in actions]
        waiting = [Action.of(flat, event) for event, _, _ in triggers]
        every = [*timed, *schedule.crossing, *waiting]
        targets = [target for action in every for target in _targets(action)]
        counts = [len(_targets(action)) for action in every]
        relations = len(flat.crossings) - len(schedule.crossing)
        followers = problem.dependent_parameters()
        functions = {
            "actions": straight("actions", written_out(flat, [value for _, _, value in targets])),
            "followers": straight("followers", [value for _, value, _ in followers]),
        }
        values: dict[str, Value] = {
            "ACTIONS": len(every), "ACTION_VALUES": len(targets), "TIMES": len(schedule.times),
            "FOLLOWERS": len(followers),
            "EVENT_TIME": np.array(schedule.times, float),
            "TIMED_START": _starts([len(actions) for actions in schedule.actions]),
            "TIMED_ACTION": np.arange(len(timed)),
            "CROSSING_ACTION": np.concatenate(
                [len(timed) + np.arange(len(schedule.crossing)), np.full(relations, -1)]
            ).astype(np.int64),
            "ACTION_START": _starts(counts),
            "ACTION_STATE": np.array([state for state, _, _ in targets], np.int64),
            "ACTION_PARAMETER": np.array([parameter for _, parameter, _ in targets], np.int64),
            "ACTION_TERMINAL": np.array([action.event.terminal for action in every], np.int64),
            "FOLLOWER": np.array([number for number, _, _ in followers], np.int64),
            "FOLLOWER_START": _starts([len(below) for _, _, below in followers]),
            "FOLLOWED": np.array([k for _, _, below in followers for k in below], np.int64),
            "EARLY_VALUES": max([1, *counts[len(every) - len(waiting) :]]),
            "TRIGGER_ACTION": len(every) - len(waiting) + np.arange(len(waiting)),
        }  # fmt: skip
        more_functions, more = _waiting(flat, triggers)
        return cls(functions | more_functions, values | more)


def _waiting(
    flat: FlatSystem, triggers: Sequence[tuple[Event, Condition, tuple[int, ...]]]
) -> tuple[dict[str, Function], dict[str, Value]]:
    """Conditions over which relations hold, delays and priorities, and the event functions a + b t."""
    events = [event for event, _, _ in triggers]
    conditions = [_number(condition, numbers) for _, condition, numbers in triggers]
    timing = flat.with_numbers(
        [
            expr if expr is not None else ZERO
            for event in events
            for expr in (event.delay, event.priority)
        ],
        "export, events",
    )
    lines = time_lines(flat) if triggers else []
    switches = [
        (number, target)
        for number, event in enumerate(events)
        for target, value in event.then.items()
        if target.kind == "parameter" and target.data.condition is not None and value is ONE
    ]
    functions = {
        "conditions": straight("conditions", conditions),
        "timing": straight("timing", written_out(flat, timing)),
        "lines": straight("lines", [part for line in lines for part in (line.at_zero, line.slope)]),
    }

    def flags(name: str) -> IntArray:
        return np.array([bool(getattr(event, name)) for event in events], np.int64)

    return functions, {
        "TRIGGERS": len(events), "LINES": len(lines), "SWITCHES": len(switches),
        "TRIGGER_INITIALLY": flags("initially"), "TRIGGER_PERSISTENT": flags("persistent"),
        "TRIGGER_EARLY": np.array([event.values == "trigger" for event in events], np.int64),
        "TRIGGER_RANKED": np.array([event.priority is not None for event in events], np.int64),
        "EVENT_READS": flat.event_reads, "WATCHED": int((flat.event_reads > 0).sum()),
        "RESOLVE": int((flat.event_reads >= 2).any()),
        "EVENT_SIDE": np.array([side for _, _, side in flat.crossings], np.int64),
        "LINE_EVENT": np.array([line.number for line in lines], np.int64),
        "SWITCH_TRIGGER": np.array([number for number, _ in switches], np.int64),
        "SWITCH_PARAMETER": np.array(
            [flat.parameter_index(target, "switch") for _, target in switches], np.int64
        ),
    }  # fmt: skip


def _number(condition: Condition, numbers: Sequence[int]) -> Expr:
    """1 where the condition holds and else 0, over the truth of relation k as the number ``slot("u", k)``."""
    truths = {slot("r", k): apply("<", ZERO, slot("u", number)) for k, number in enumerate(numbers)}
    holds = substitute(condition.skeleton, truths)
    return holds if holds.is_number else apply("ifelse", holds, ONE, ZERO)


def _targets(action: Action) -> list[tuple[int, int, Expr]]:
    """(state or -1, parameter or -1, value) of what an action sets."""
    states = [(at, -1, value) for at, value in action.states]
    return states + [(-1, at, value) for at, value in action.parameters]


def _starts(counts: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def straight(name: str, values: Sequence[Expr]) -> Function:
    """Straight-line code that writes these expressions over entries of u and p."""
    if not values:
        return Function(name, (), 0, 0)
    mapping: dict[Expr, Expr] = {}
    columns: list[Column] = []
    for leaf in leaves(values):
        if leaf.op == "slot":
            mapping[leaf] = slot(leaf.data[0], len(columns))
            columns.append(Column(leaf.data[0], np.array([leaf.data[1]])))
    outputs = tuple(Output("out", np.array([k])) for k in range(len(values)))
    loop = Loop(name, 1, substitute(tuple(values), mapping), tuple(columns), outputs)
    return Function(name, (loop,), len(values), 0)
