"""State machines: of several states one is active, and conditions lead from one to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from weakref import WeakSet

from symnum.errors import ModelError
from symnum.language.event import Event
from symnum.language.variables import checked_expr, checked_name
from symnum.record import record
from symnum.rewriting.expr import Expr, Operand, Symbol, apply, as_expr, symbol

__all__ = ["STATES", "StateMachine", "Transition"]

STATES: WeakSet[Expr] = WeakSet()  # parameters that the transitions of machines set


@record
class Transition:
    """From state ``source`` to state ``target`` as soon as the condition holds; ``then`` as in `Event`.

    Of several transitions that could be taken at one time, the first of the list is.
    """

    source: str
    target: str
    condition: Expr
    then: Mapping[Expr, Operand] = {}


class StateMachine:
    """The first of ``states`` is active at the start, or ``initial``.

    ``machine["name"]`` is a condition, true while the state is active, for equations (`ifelse`) and
    transitions of other machines; ``machine.state`` is the parameter with its number. ``machine.events``
    go to the events of the system. Transitions are taken in the instant in which their condition becomes
    true, also where an earlier one at the same time has made it true or has entered their state.

    D. Harel, "Statecharts", Sci. Comput. Program. 8 (1987) 231, without hierarchy.
    """

    def __init__(
        self, name: str, states: Sequence[str], transitions: Sequence[Transition], initial: str | None = None
    ) -> None:
        self.name = checked_name(name, "StateMachine: ")
        self.states = tuple(states)
        if isinstance(states, str) or len(set(self.states)) != len(self.states) or not self.states:
            raise ModelError(f"StateMachine {name}: give the names of its states, each once, not {states!r}")
        first = self.number(self.states[0] if initial is None else initial)
        about = ", ".join(f"{number}: {state}" for number, state in enumerate(self.states))
        self.state = symbol(Symbol(name, "parameter", None, about, first))
        count = len(transitions)
        self.events = tuple(
            self._event(transition, count - place) for place, transition in enumerate(transitions)
        )
        if self.events:
            STATES.add(self.state)

    def number(self, state: str) -> int:
        """The number of a state; ModelError where there is none of this name."""
        if state not in self.states:
            raise ModelError(
                f"StateMachine {self.name}: there is no state {state!r}; there are {', '.join(self.states)}"
            )
        return self.states.index(state)

    def __getitem__(self, state: str) -> Expr:
        return apply("equal", self.state, as_expr(self.number(state)))

    def _event(self, transition: Transition, priority: int) -> Event:
        title = f"{self.name}: {transition.source} to {transition.target}"
        if self.state in transition.then:
            raise ModelError(f"{title}: the state is set by the transition itself; leave it out of then=")
        return Event(
            trigger=apply("and", self[transition.source], checked_expr(transition.condition, title)),
            then={**transition.then, self.state: self.number(transition.target)},
            priority=priority, persistent=False, initially=False, name=title,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<StateMachine {self.name}: {', '.join(self.states)}>"
