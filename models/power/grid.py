"""From a solved power flow to a `System`: a component for every record, joined at the buses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import symnum as sn
from symnum.errors import ModelError
from symnum.models.power.bus import Bus
from symnum.models.power.connectors import Terminal
from symnum.models.power.inertia import CenterOfInertia
from symnum.models.power.line import Line
from symnum.models.power.load import Load
from symnum.models.power.network import LoadData, Name, Network, islands, shown
from symnum.models.power.powerflow import PowerFlow
from symnum.models.power.shunt import Fault, Shunt

Machine = Any  # a component with terminal, frame, delta: GENROU, GENCLS or one's own


def power_system(
    name: str,
    network: Network,
    flow: PowerFlow,
    machines: Mapping[str, Machine],
    *,
    faults: Mapping[str, tuple[Name, Fault]] | None = None,
    frame_angle: float = 0.0,
    frequency: float = 60.0,
) -> sn.System:
    """The dynamic system of ``network`` around its power flow.

    machines: a component for each generator of the network, under its name. faults: name -> (bus, component).
    frame_angle: where the frame starts, in rad; the machines' ``delta`` are relative to it. Buses are called
    ``bus_<name>``, the rest as in the network; the frame is ``coi``. Loads are constant impedances.
    A trip that leaves buses without a tie to the rest is refused when it happens.
    """
    buses = {bus.name: _bus(bus.name, flow.voltage[bus.name], frame_angle) for bus in network.buses}
    meeting: dict[Name, list[Terminal]] = {bus: [part.terminal] for bus, part in buses.items()}
    parts: list[Any] = list(buses.values())

    def place(part: Any, **terminals: Name) -> None:
        parts.append(part)
        for terminal, bus in terminals.items():
            meeting[bus].append(getattr(part, terminal))

    for generator in network.generators:
        place(machines[generator.name], terminal=generator.bus)
    for k in network.branches:
        line = Line(
            k.name, r=k.r, x=k.x, b=k.b, g=k.g, b1=k.b1, g1=k.g1, b2=k.b2, g2=k.g2,
            tap=k.tap, phase=k.phase, guard=k.guard,
        )  # fmt: skip
        place(line, start=k.start, end=k.end)
    for load in network.loads:
        place(impedance_load(load, flow), terminal=load.bus)
    for shunt in network.shunts:
        place(Shunt(shunt.name, g=shunt.g, b=shunt.b), terminal=shunt.bus)
    for fault_name, (bus, fault) in (faults or {}).items():
        if bus not in meeting:
            raise ModelError(f"{name}: {fault_name} is at bus {bus}, which is not among the buses")
        place(fault, terminal=bus)

    frame = CenterOfInertia("coi", frequency=frequency, angle=frame_angle)
    turning = [frame.frame, *(m.frame for m in machines.values()), *(bus.frame for bus in buses.values())]
    joints = [sn.connect(*terminals) for terminals in meeting.values() if len(terminals) > 1]
    return sn.System(
        name, [*joints, sn.connect(*turning)], parts=[*parts, frame], guards=[IslandGuard(name, network)]
    )


def _bus(name: Name, voltage: complex, frame_angle: float) -> Bus:
    import cmath

    seen = voltage * cmath.exp(-1j * frame_angle)
    return Bus(f"bus_{name}", v_re=seen.real, v_im=seen.imag)


def impedance_load(load: LoadData, flow: PowerFlow) -> Load:
    """The load as the impedance that draws what it draws in the power flow."""
    drawn = flow.load[load.name]
    return Load(load.name, p=drawn.real, q=drawn.imag, v0=abs(flow.voltage[load.bus]))


_KEPT = 1000  # switchings whose outcome a guard remembers


class IslandGuard:
    """Says which buses have lost their tie, and by which open branches, or None while all hang together.

    Angles are relative to one centre of inertia, and a part without a machine has no voltage at all: a
    system that falls apart is another system.
    """

    def __init__(self, name: str, network: Network) -> None:
        self.name = name
        self.buses: Sequence[Name] = [bus.name for bus in network.buses]
        self.ties = {branch.name: (branch.start, branch.end) for branch in network.branches}
        self.alone = len(islands(self.buses, self.ties.values()))
        self.known: dict[tuple[str, ...], str | None] = {}  # by what is open: many runs ask for the same

    def __call__(self, values: Mapping[str, float]) -> str | None:
        """values: all parameters by full name; the branches' ``closed`` are read."""
        opened = tuple(name for name in self.ties if values[f"{name}.closed"] == 0.0)
        if not opened:
            return None
        if opened in self.known:
            return self.known[opened]
        if len(self.known) >= _KEPT:
            self.known = {}
        found = self.known[opened] = self.message(opened)
        return found

    def message(self, opened: tuple[str, ...]) -> str | None:
        """opened: names of branches."""
        parts = islands(self.buses, (ends for name, ends in self.ties.items() if name not in opened))
        if len(parts) <= self.alone:
            return None
        part_of = {bus: number for number, part in enumerate(parts) for bus in part}
        between = [name for name in opened if part_of[self.ties[name][0]] != part_of[self.ties[name][1]]]
        return (
            f"{self.name} falls apart: with {_joined(between)} open, bus {shown(parts[1])} has no tie to bus "
            f"{shown(parts[0])}. Simulate the islands as systems of their own, or keep a tie closed."
        )


def _joined(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
