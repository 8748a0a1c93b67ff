"""Flattening: a `System` becomes numbered scalar unknowns and parameters with families of equations.

Components of one class and variant are traced once (`component_equations`), blocks bring their tables
(`block_equations`), the system's own equations are grouped by shape (`own_equations`). Connections become
pairs of equal potentials and rows of a sparse table of flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnum.errors import ModelError
from symnum.language.component import Component
from symnum.language.event import Event, checked_events
from symnum.language.hosted import HostedComponent
from symnum.language.state_machine import STATES
from symnum.language.system import System
from symnum.lowering.block_equations import BlockEquations
from symnum.lowering.component_equations import ComponentEquations, Members
from symnum.lowering.connections import Nodes
from symnum.lowering.delays import Delay
from symnum.lowering.numbering import Numbering
from symnum.lowering.own_equations import OwnEquations
from symnum.lowering.raw import RawSystem


def flatten(system: System, events: Sequence[Event] = (), delays: Sequence[Delay] = ()) -> RawSystem:
    """Number everything and write every equation as a family row. ``events`` come after the system's own.

    delays: those that were taken out of the equations.
    """
    raw = RawSystem(system.name)
    numbering = Numbering(raw)
    components = list(system.components())
    nodes = Nodes(system.name, components)
    traced, tables = ComponentEquations(numbering, nodes), BlockEquations(numbering)
    raw.hosted = [component for component in components if isinstance(component, HostedComponent)]
    numbering.place(components)
    groups: dict[Any, list[Component]] = {}
    for component in components:
        groups.setdefault(component.variant(), []).append(component)
    for owner, members in enumerate(groups.values()):
        traced.trace(owner, members)
    for block in system.blocks:
        tables.place(block)
    OwnEquations(numbering, system.equations).write(len(groups))
    for limit in system.limits:
        traced.limit(limit, Members([""], {}, {}), -2, system.name, [""])
    for number, block in enumerate(system.blocks):
        tables.write(block, len(groups) + len(system.equations) + number)
    for connection in system.connections:
        nodes.join(connection)
    raw.equalities, flows = nodes.equations(numbering.first)
    raw.sums = tables.with_sums(flows)
    own = (e for component in components if component.declared.has_events for e in _own_events(component))
    raw.events = [*system.events, *own, *events, *raw.events]
    numbering.mentioned(system.defaults.values(), [expr for each in delays for expr in each.expressions()])
    numbering.finish()
    _check_machines(raw)
    return raw


def _check_machines(raw: RawSystem) -> None:
    """Raise ModelError where the state of a machine is read and its transitions are forgotten."""
    for state in list(STATES):
        number = raw.parameters.find(state.name)
        if number is None or raw.parameters[number] != state.data:
            continue
        if not any(state in event.then for event in raw.events):
            raise ModelError(
                f"{raw.name}: the state machine {state.name} stays in its state for ever, as its transitions "
                f"are not among the events. Write System(..., events={state.name}.events)"
            )


def _own_events(component: Component) -> tuple[Event, ...]:
    return checked_events(component.events(), f"{type(component).__name__}.events")
