"""What a power flow needs to know of a grid: buses, branches, loads, shunts and generators, as plain records.

All values are in pu on the system base, angles in rad, unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError

Name = int | str  # a bus goes by its number or its name


@dataclass(frozen=True)
class BusData:
    """A node of the network; ``voltage`` and ``angle`` are where Newton begins."""

    name: Name
    voltage: float = 1.0
    angle: float = 0.0


@dataclass(frozen=True)
class BranchData:
    """A line or transformer: series r + jx, shunt admittances at both ends, ideal transformer at the start.

    ``g + jb`` is shared by both ends, half each; ``g1 + jb1`` sits at the start, ``g2 + jb2`` at the end.
    ``guard`` is added to r and to x (see `symnum.models.power.line`).
    """

    name: str
    start: Name
    end: Name
    r: float
    x: float
    b: float = 0.0
    g: float = 0.0
    b1: float = 0.0
    g1: float = 0.0
    b2: float = 0.0
    g2: float = 0.0
    tap: float = 1.0
    phase: float = 0.0
    guard: float = 0.0

    def two_port(self) -> NDArray[np.complex128]:
        """The (2, 2) admittance matrix: currents into start and end from the voltages at start and end."""
        impedance = complex(self.r + self.guard, self.x + self.guard)
        if impedance == 0 or self.tap == 0:
            raise ModelError(
                f"branch {self.name}: r + jx = {impedance} and tap = {self.tap}; both must differ from zero. "
                "Join its two buses into one if it has no impedance."
            )
        series = 1 / impedance
        at_start = series + complex(self.g1 + self.g / 2, self.b1 + self.b / 2)
        at_end = series + complex(self.g2 + self.g / 2, self.b2 + self.b / 2)
        ratio = self.tap * np.exp(1j * self.phase)
        return np.array([[at_start / self.tap**2, -series / ratio.conjugate()], [-series / ratio, at_end]])


@dataclass(frozen=True)
class LoadData:
    """Draws p + jq while its voltage is inside vmin..vmax.

    Outside the band it turns into the impedance that draws p + jq at the violated limit.
    """

    name: str
    bus: Name
    p: float
    q: float
    vmin: float = 0.0
    vmax: float = np.inf


@dataclass(frozen=True)
class ShuntData:
    """A fixed admittance g + jb from a bus to earth."""

    name: str
    bus: Name
    g: float
    b: float


@dataclass(frozen=True)
class GeneratorData:
    """Holds the voltage magnitude v; the slack also holds ``angle``, the others the power p."""

    name: str
    bus: Name
    v: float
    p: float | None = None
    angle: float | None = None


@dataclass(frozen=True)
class Network:
    """A whole grid in steady state. Raises ModelError for names that are unknown or used twice."""

    buses: tuple[BusData, ...]
    branches: tuple[BranchData, ...]
    loads: tuple[LoadData, ...] = ()
    shunts: tuple[ShuntData, ...] = ()
    generators: tuple[GeneratorData, ...] = ()

    def __post_init__(self) -> None:
        if not self.buses:
            raise ModelError("a network needs at least one bus")
        _distinct("bus", [bus.name for bus in self.buses])
        _distinct("branch", [branch.name for branch in self.branches])
        _distinct("load", [load.name for load in self.loads])
        _distinct("shunt", [shunt.name for shunt in self.shunts])
        _distinct("generator", [generator.name for generator in self.generators])
        known = {bus.name for bus in self.buses}
        for branch in self.branches:
            _known(f"branch {branch.name}", (branch.start, branch.end), known)
            if branch.start == branch.end:
                raise ModelError(f"branch {branch.name} starts and ends at bus {branch.start}")
        for load in self.loads:
            _known(f"load {load.name}", (load.bus,), known)
        for shunt in self.shunts:
            _known(f"shunt {shunt.name}", (shunt.bus,), known)
        for generator in self.generators:
            _known(f"generator {generator.name}", (generator.bus,), known)
            if (generator.p is None) == (generator.angle is None):
                raise ModelError(
                    f"generator {generator.name}: give either p= (a machine with fixed power) or angle= "
                    "(the slack)"
                )

    def index(self) -> dict[Name, int]:
        """Position of each bus."""
        return {bus.name: position for position, bus in enumerate(self.buses)}


def islands(buses: Iterable[Name], ties: Iterable[tuple[Name, Name]]) -> list[list[Name]]:
    """The connected parts of a grid, the largest first, buses in the order given."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    order = {bus: position for position, bus in enumerate(buses)}
    ends = np.array([(order[start], order[end]) for start, end in ties], dtype=np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends)), ends.T), shape=(len(order), len(order)))
    count, label = connected_components(graph, directed=False)
    parts: list[list[Name]] = [[] for _ in range(count)]
    for bus, part in zip(order, label, strict=True):
        parts[part].append(bus)
    return sorted(parts, key=lambda part: (-len(part), order[part[0]]))


def shown(buses: Sequence[Name], limit: int = 8) -> str:
    """Some bus names for a message."""
    text = ", ".join(map(str, buses[:limit]))
    return text if len(buses) <= limit else f"{text} and {len(buses) - limit} more"


def _distinct(kind: str, names: Sequence[Name]) -> None:
    seen: set[Name] = set()
    for name in names:
        if name in seen:
            raise ModelError(f"two entries of kind {kind} are called {name}; give each its own name")
        seen.add(name)


def _known(what: str, names: Sequence[Name], known: set[Name]) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), [str(k) for k in known], 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ModelError(f"{what} is at bus {name}, which is not among the buses.{hint}")
