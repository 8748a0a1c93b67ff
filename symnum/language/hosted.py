"""Components whose equations other code computes, such as an imported functional mock-up unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from symnum.language.component import Component
from symnum.language.event import Event
from symnum.language.variables import D, Declaration
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import TIME, Expr

__all__ = ["NO_EVENT", "HostedComponent", "HostedUnit", "hidden_quantities"]

NO_EVENT = 1e300  # the time of an event that is not planned


class HostedUnit(Protocol):
    """The code behind one instance. States x, inputs and parameters in the order of the component.

    Raises any exception where a value cannot be computed; a run then tries a shorter step.
    """

    steps: bool  # whether it is to be told of steps
    ended: bool  # it has asked for the end of the run

    def calls(self) -> Any:
        """C functions for `values` and `slopes`: `codegen.outside_calls.OutsideCalls`, or None."""

    def begin(self, t: float, parameters: Any) -> tuple[Any, float]:
        """Initialize anew: (states, time of the next event or `NO_EVENT`)."""

    def values(self, t: float, x: Any, inputs: Any) -> Any:
        """Derivatives, outputs, event indicators: one array."""

    def slopes(self, t: float, x: Any, inputs: Any) -> Any:
        """(derivatives and outputs, states and inputs) their partial derivatives."""

    def event(self, t: float, x: Any, inputs: Any) -> tuple[Any, float]:
        """What an event makes: (states, time of the next one)."""

    def stepped(self, t: float, x: Any, inputs: Any) -> bool:
        """Told of every step that was made; whether the unit wants an event there."""


class HostedComponent(Component):
    """Base of the classes that are made for such code; `hidden_quantities` goes into their bodies.

    The equations are linear around the present point, ``D(x) == f0 + J (z - z0)`` with z the states and
    inputs. Before every evaluation the parameters f0, J and z0 are set for the point at hand, so that values
    and derivatives are those of the unit. reads: (row, column) that J may have, rows being derivatives, then
    outputs, columns states, then inputs.
    """

    states: ClassVar[tuple[str, ...]] = ()
    inputs: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ()
    settable: ClassVar[tuple[str, ...]] = ()
    indicators: ClassVar[int] = 0
    reads: ClassVar[tuple[tuple[int, int], ...]] = ()

    def unit(self) -> HostedUnit:
        """New code for this instance."""
        raise NotImplementedError

    def equations(self) -> Sequence[Equation]:
        columns = [getattr(self, name) for name in (*self.states, *self.inputs)]
        around = [z - getattr(self, f"hidden_point_{k}") for k, z in enumerate(columns)]
        rows = len(self.states) + len(self.outputs)
        right = [getattr(self, f"hidden_value_{k}") for k in range(rows)]
        for row, column in self.reads:
            right[row] = right[row] + getattr(self, f"hidden_slope_{row}_{column}") * around[column]
        left = [*(D(getattr(self, name)) for name in self.states), *(getattr(self, o) for o in self.outputs)]
        return [one == other for one, other in zip(left, right, strict=True)]

    def events(self) -> Sequence[Event]:
        then: dict[Expr, Expr] = {
            getattr(self, name): getattr(self, f"hidden_new_{k}") for k, name in enumerate(self.states)
        }
        then[self.hidden_next] = self.hidden_new_next
        rows = len(self.states) + len(self.outputs)
        found = []
        for k in range(self.indicators):
            indicator = getattr(self, f"hidden_value_{rows + k}")
            found.append(Event(when=indicator, then=then, name=f"{self.path}: indicator {k}"))
        planned = Event(
            when=TIME - self.hidden_next, crossing="up", then=then, name=f"{self.path}: planned event"
        )
        return [*found, planned]


def hidden_quantities(
    states: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    indicators: int,
    reads: Sequence[tuple[int, int]],
) -> dict[str, Declaration]:
    """The parameters that are set in the course of a run, for the body of a class with these quantities."""
    rows = len(states) + len(outputs)
    names = [f"hidden_value_{k}" for k in range(rows + indicators)]
    names += [f"hidden_point_{k}" for k in range(len(states) + len(inputs))]
    names += [f"hidden_slope_{row}_{column}" for row, column in reads]
    names += [f"hidden_new_{k}" for k in range(len(states))]
    found = {name: Declaration("parameter", 0.0, None, "set in the run") for name in names}
    for name in ("hidden_next", "hidden_new_next"):
        found[name] = Declaration("parameter", NO_EVENT, None, "set in the run")
    return found
