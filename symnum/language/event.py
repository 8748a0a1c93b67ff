"""Events: changes of states and parameters at a time or when an expression crosses zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any

from symnum.errors import ModelError
from symnum.language.variables import checked_expr
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Operand

DIRECTIONS = {"up": 1, "down": -1, "both": 0}


class Event:
    """At time ``at``, when ``when`` crosses zero, or when ``trigger`` becomes true, targets take new values.

    at: a number or a sequence of numbers. when: an expression, or a comparison (``x < 1``: fires when it
    becomes true). crossing: "up", "down" or "both" (of ``when``). then: {state or parameter: expression};
    the right-hand sides are all taken before the event. terminal: the solution ends here.
    Algebraic unknowns are made consistent again after every event. An expression that another event makes
    jump across zero has not crossed it. Crossings are looked for at the quarters of each step, which is made
    shorter where a condition on time or algebraic unknowns varies faster than the states; one on states that
    holds for a moment only needs shorter steps still, by ``max_step=``.

    trigger: a condition, comparisons joined by ``&``, ``|`` and ``~``. It fires when it becomes true in
    any way, by an event before it at the same time as well; its options are

    * delay: an expression, taken when the trigger fires: the time from there until the new values are set.
    * priority: an expression, taken when the event is due. Of several that are due at one time the highest
      goes first; without one an event goes last; equal ones go in the order in which they are listed.
      Each sees what those before it have set.
    * persistent: False to drop the event when the trigger becomes false before it was carried out.
    * initially: what the trigger was before the start. With False it fires at the start if it holds there.
    * values: "trigger" to compute the new values when the trigger fires, "execution" when they are set.

    With ``then={}`` nothing is set: steps end where one of the comparisons changes, so that none extends over
    a jump in the equations that the condition stands for.
    Events with ``at`` or ``when`` go before triggers that are due at the same time.
    """

    __slots__ = (
        "at", "crossing", "delay", "initially", "name", "persistent", "priority", "terminal", "then",
        "trigger", "values", "when",
    )  # fmt: skip

    def __init__(
        self,
        *,
        at: float | list[float] | tuple[float, ...] | None = None,
        when: Expr | None = None,
        trigger: Expr | bool | None = None,
        crossing: str = "both",
        then: Mapping[Expr, Operand] | None = None,
        terminal: bool = False,
        name: str | None = None,
        delay: Operand | None = None,
        priority: Operand | None = None,
        persistent: bool = True,
        initially: bool = True,
        values: str = "execution",
    ) -> None:
        if [at is None, when is None, trigger is None].count(False) != 1:
            raise ModelError(
                "Event: give either at= (times) or when= (an expression that crosses zero) "
                "or trigger= (a condition that becomes true)"
            )
        if crossing not in DIRECTIONS:
            raise ModelError(f'Event: crossing is "up", "down" or "both", not {crossing!r}')
        if not then and not terminal and (then is None or trigger is None):
            raise ModelError("Event: nothing happens; give then={target: value} or terminal=True")
        self.at: tuple[float, ...] | None = None if at is None else _times(at)
        self.crossing = DIRECTIONS[crossing]
        self.when: Expr | None = None
        if when is not None:
            self.when = _checked_condition(when, "when")
            if self.when.op in ("<", "<="):  # true is positive: fires when it becomes true
                left, right = self.when.args
                self.when, self.crossing = right - left, 1
            if self.when.op in ("and", "or", "not", "equal"):
                raise ModelError(
                    f"Event(when={when}): give one expression that crosses zero, or one comparison; "
                    "a condition of several is a trigger="
                )
        self.trigger: Expr | None = None if trigger is None else _checked_condition(trigger, "trigger")
        self.then: dict[Expr, Expr] = {}
        if then is not None and not isinstance(then, Mapping):
            raise ModelError(f"Event: then is {{target: new value}}, not {then!r}")
        for target, value in (then or {}).items():
            if not (
                isinstance(target, Expr)
                and target.op == "symbol"
                and target.kind in ("variable", "parameter")
            ):
                raise ModelError(f"Event: {target!r} cannot be set; targets are states and parameters")
            self.then[target] = checked_expr(value, f"Event, new value of {target}")
        self.terminal = terminal
        self.name = name
        self.delay: Expr | None = None if delay is None else checked_expr(delay, "Event, delay")
        self.priority: Expr | None = None if priority is None else checked_expr(priority, "Event, priority")
        self.persistent, self.initially, self.values = bool(persistent), bool(initially), values
        if values not in ("trigger", "execution"):
            raise ModelError(f'Event: values is "trigger" or "execution", not {values!r}')
        if trigger is None and (delay, priority, persistent, initially, values) != (
            None, None, True, True, "execution"
        ):  # fmt: skip
            raise ModelError(
                "Event: delay, priority, persistent, initially and values belong to a trigger; "
                "write trigger=condition in place of at= or when="
            )

    def map_expressions(self, function: Callable[[Sequence[Expr]], Sequence[Expr]]) -> Event:
        """The same event with everything that it reads rewritten by ``function``."""
        other = copy(self)
        names = [n for n in ("when", "trigger", "delay", "priority") if getattr(self, n) is not None]
        new = list(function([*(getattr(self, n) for n in names), *self.then.values()]))
        for name, value in zip(names, new, strict=False):
            setattr(other, name, value)
        other.then = dict(zip(self.then, new[len(names) :], strict=True))
        return other

    def expressions(self) -> tuple[Expr, ...]:
        """Everything that the event reads."""
        watched = (self.when, self.trigger, self.delay, self.priority)
        return (*(expr for expr in watched if expr is not None), *self.then.values())

    def __repr__(self) -> str:
        if self.name:
            return self.name
        start = f"when={self.when}" if self.trigger is None else f"trigger={self.trigger}"
        if self.at is not None:
            start = f"at={', '.join(map(str, self.at))}"
        if self.delay is not None:
            start += f", delay={self.delay}"
        then = ", ".join(f"{target}: {value}" for target, value in self.then.items())
        return f"Event({start}, then={{{then}}}{', terminal' if self.terminal else ''})"


def _checked_condition(when: Any, what: str) -> Expr:
    if isinstance(when, Equation):
        raise ModelError(
            f"Event({what}={when}): an equation is no event; write when={when.residual}, which crosses zero"
        )
    return checked_expr(when, f"Event, {what}")


def _times(at: Any) -> tuple[float, ...]:
    several = hasattr(at, "__iter__") and not isinstance(at, (str, Expr))
    times = [checked_expr(time, "Event, at") for time in (at if several else (at,))]
    for time in times:
        if not time.is_number:
            raise ModelError(
                f"Event(at={time}): a time is a number; for a moving time use when=sn.t - ({time})"
            )
    if not times:
        raise ModelError("Event: at= holds no time")
    return tuple(sorted({float(time) for time in times}))


def checked_events(events: Any, where: str) -> tuple[Event, ...]:
    """The events as a tuple, or ModelError."""
    if isinstance(events, Event) or not isinstance(events, Iterable):
        raise ModelError(f"{where}: the events are a list, not {events!r}; write events=[...]")
    found = tuple(events)
    for event in found:
        if not isinstance(event, Event):
            raise ModelError(f"{where}: {event!r} among the events is a {type(event).__name__}, not an Event")
    return found
