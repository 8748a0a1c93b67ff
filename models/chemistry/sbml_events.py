"""The events of an SBML model."""

from __future__ import annotations

from collections.abc import Callable

from symnum.language.event import Event
from symnum.models.chemistry.sbml_document import Element
from symnum.models.chemistry.sbml_quantities import Quantities
from symnum.rewriting.expr import Expr

__all__ = ["event_targets", "events_of"]


def event_targets(quantities: Quantities) -> set[str]:
    """The ids that events set."""
    model = quantities.model
    found = set()
    for k in range(model.getNumEvents()):
        event = model.getEvent(k)
        for i in range(event.getNumEventAssignments()):
            assignment = event.getEventAssignment(i)
            name = assignment.getVariable()
            known = quantities.all.get(name)
            if known is None:
                quantities.fail(assignment, f"there is nothing called {name!r}")
            if known.constant:
                quantities.fail(assignment, f"{name} is constant, so that no event can set it")
            if known.role == "assigned":
                quantities.fail(
                    assignment, f"{name} is given by an assignment rule, so that no event can set it"
                )
            found.add(name)
    return found


def events_of(quantities: Quantities, meant: Callable[[Element, Expr], Expr]) -> list[Event]:
    """meant: (element, formula) -> the formula over the symbols of the run."""
    model = quantities.model
    found = []
    for k in range(model.getNumEvents()):
        element = model.getEvent(k)

        def read(part: Element | None, element: Element = element) -> Expr | None:
            formula = None if part is None else quantities.formulas.of(part)
            return None if formula is None else meant(element, formula)

        trigger = element.getTrigger()
        condition = read(trigger)
        then = _then(quantities, element, read)
        if condition is None or not then:
            continue
        old = model.getLevel() < 3
        found.append(
            Event(
                trigger=condition, then=then, name=element.getIdAttribute() or None,
                delay=read(element.getDelay()),
                priority=None if old else read(element.getPriority()),
                persistent=old or not trigger.isSetPersistent() or trigger.getPersistent(),
                initially=old or not trigger.isSetInitialValue() or trigger.getInitialValue(),
                values="trigger" if element.getUseValuesFromTriggerTime() else "execution",
            )
        )  # fmt: skip
    return found


def _then(
    quantities: Quantities, element: Element, read: Callable[[Element], Expr | None]
) -> dict[Expr, Expr]:
    values: dict[str, Expr] = {}
    for i in range(element.getNumEventAssignments()):
        assignment = element.getEventAssignment(i)
        value = read(assignment)
        if value is not None:
            values[assignment.getVariable()] = value
    then: dict[Expr, Expr] = {}
    for name, value in values.items():
        target = quantities.all[name]
        if target.role == "algebraic":
            quantities.fail(
                element, f"{name} is determined by an algebraic rule; setting it is not supported"
            )
        if target.size is not None:
            # also where the event sets the size: the amount is that of the size before
            value = value * quantities.all[target.size].symbol
        then[target.symbol] = value
    return then or {}
