"""Triggers: events whose condition becomes true, with delays, priorities and persistence.

The semantics are those of the Systems Biology Markup Language (Hucka et al., SBML Level 3 Core,
2019, section 4.11): conditions are looked at anew after every event that is carried out, so that one may
fire or withdraw others at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import SolveFailed
from symnum.language.condition import Condition
from symnum.language.event import Event
from symnum.lowering.flat import FlatSystem
from symnum.record import record
from symnum.solving.events import Action, Values
from symnum.solving.values import ValueFunction, value_function

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

_AT_ONCE = 10_000  # events carried out at one time after which no end is expected
_EQUAL_TIMES = 1e-14  # relative distance of times that differ by round-off only


@record
class Trigger:
    """One event with its condition over numbered event functions."""

    action: Action
    condition: Condition
    relations: NDArray[np.int64]  # numbers of the event functions
    delay: ValueFunction | None
    priority: ValueFunction | None

    @property
    def event(self) -> Event:
        return self.action.event

    @classmethod
    def all_of(cls, flat: FlatSystem) -> tuple[Trigger, ...]:
        found = []
        for (event, condition), numbers in zip(flat.triggers, flat.relation_numbers, strict=True):
            if not event.then and not event.terminal:
                continue  # its relations are watched, that is all
            delay, priority = (
                None if expr is None else value_function(flat, flat.with_numbers((expr,), str(event))[0])
                for expr in (event.delay, event.priority)
            )
            relations = np.array(numbers, np.int64)
            found.append(cls(Action.of(flat, event), condition, relations, delay, priority))
        return tuple(found)


@record
class Pending:
    """An event that has fired and waits until ``time``; its new values where they are computed already."""

    time: float
    trigger: Trigger
    values: Values | None


class Triggers:
    """The triggers of one run: what they have been, and which events wait.

    event_values: (t, u, p) -> (n_events,) the event functions.
    """

    def __init__(
        self, flat: FlatSystem, event_values: Callable[[float, FloatArray, FloatArray], FloatArray]
    ) -> None:
        self.flat = flat
        self.all = Trigger.all_of(flat)
        self.event_values = event_values
        self.side = np.array([side for _, _, side in flat.crossings], np.int64)
        self.truth = np.zeros(len(self.side), bool)
        self.held: list[bool] = []
        self.pending: list[Pending] = []

    @property
    def next_time(self) -> float:
        """When the next event is due."""
        return min((event.time for event in self.pending), default=np.inf)

    def begin(self, t: float, u: FloatArray, p: FloatArray) -> None:
        """At the start: what holds there fires if its event says so."""
        before = [trigger.event.initially for trigger in self.all]
        self.truth = self.relations(t, u, p)
        self.changed(before, t, u, p)

    def arrive(
        self, t: float, u: FloatArray, p: FloatArray, sides: NDArray[np.int64], fired: Sequence[int]
    ) -> bool:
        """The run has come to t. sides: of the event functions before; fired: those crossed now.

        True where a relation has changed by being met exactly: the kernel has to settle its sides anew.
        """
        known = (sides != 0) & (self.side != 2)
        before = np.where(known, sides > 0, self.truth & ((self.side != 2) | (sides == 0)))
        self.truth = self.relations(t, u, p)
        crossed = np.zeros(len(self.side), bool)
        crossed[list(fired)] = True
        # what was on one side and now is on the other was equal in between
        self.truth |= crossed & (self.side == 2)
        before[crossed & (self.side != 2)] = ~self.truth[crossed & (self.side != 2)]
        self.changed(self.conditions(before), t, u, p)
        return bool(((before != self.truth) & ~crossed).any())

    def jump(self, t: float, u: FloatArray, p: FloatArray) -> None:
        """An event has changed the state at t."""
        before = self.conditions(self.truth)
        self.truth = self.relations(t, u, p)
        self.changed(before, t, u, p)

    def due(self, t: float, u: FloatArray, p: FloatArray) -> Pending | None:
        """The next event to be carried out at t, taken off the list; None when there is none."""
        waiting = [event for event in self.pending if event.time <= t + _EQUAL_TIMES * abs(t)]
        if not waiting:
            return None
        rank = [self.priority(event.trigger, t, u, p) for event in waiting]
        chosen = waiting[int(np.argmax(rank))]
        self.pending = [event for event in self.pending if event is not chosen]
        return chosen

    # ---- the parts --------------------------------------------------------------------------------
    def relations(self, t: float, u: FloatArray, p: FloatArray) -> BoolArray:
        """(n_events,) which relations hold; what is no relation stays out of use."""
        g = self.event_values(t, u, p)
        return np.where(self.side == 2, g == 0.0, np.where(self.side == 1, g >= 0.0, g > 0.0))

    def conditions(self, truth: BoolArray) -> list[bool]:
        return [trigger.condition.holds(truth[trigger.relations].tolist()) for trigger in self.all]

    def changed(self, before: list[bool], t: float, u: FloatArray, p: FloatArray) -> None:
        """Fire what has become true, and withdraw what has become false and may not."""
        now = self.conditions(self.truth)
        for trigger, was, holds in zip(self.all, before, now, strict=True):
            if not trigger.event.persistent and not (holds and was):
                self.pending = [event for event in self.pending if event.trigger is not trigger]
            if holds and not was:
                self.pending.append(self.fired(trigger, t, u, p))

    def fired(self, trigger: Trigger, t: float, u: FloatArray, p: FloatArray) -> Pending:
        event = trigger.event
        delay = 0.0 if trigger.delay is None else trigger.delay(t, u, p)
        if not delay >= 0.0:
            raise SolveFailed(
                f"{event} at t = {t:g}: its delay {event.delay} is {delay:g}; it cannot be negative"
            )
        early = event.values == "trigger"
        return Pending(t + delay, trigger, trigger.action.values(t, (u, p)) if early else None)

    def priority(self, trigger: Trigger, t: float, u: FloatArray, p: FloatArray) -> float:
        return -np.inf if trigger.priority is None else trigger.priority(t, u, p)


def check_end(count: int, t: float, event: Event) -> None:
    """Raise SolveFailed where events at one time fire each other without end."""
    if count > _AT_ONCE:
        raise SolveFailed(
            f"events fire each other without end at t = {t:g}; the last was {event}. "
            "Let each change something that keeps it from firing again."
        )
