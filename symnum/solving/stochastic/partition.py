"""Which reactions of a hybrid problem run continuously, as the numbers of molecules change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.language.hybrid_system import HybridSystem
from symnum.lowering.flat import FlatSystem
from symnum.solving.kernel import slot
from symnum.solving.stochastic.simulation import Simulation
from symnum.solving.stochastic.tables import NetworkTables

__all__ = ["Partition"]


class Partition:
    """The division of the reactions, and what changing it does to the state.

    A reaction is continuous while all species that it reads or changes are many. When it ceases to be, it has
    happened a whole number of times and a part: with the probability of that part it is completed, else it is
    taken back, so that the mean and every conservation law are kept, and counts are whole again.
    """

    def __init__(
        self, system: HybridSystem, flat: FlatSystem, tables: NetworkTables, simulation: Simulation,
        stream: IntArray,
    ) -> None:  # fmt: skip
        self.system, self.simulation = system, simulation
        self.random = np.random.default_rng([*stream.view(np.uint64).tolist(), 1])
        self.change = system.propensities.network.change
        m, n = tables.reactions, tables.species
        self.place = np.full(n, -1, np.int64)
        self.place[tables.counted] = tables.position
        self.extent = np.array(
            [flat.position[flat.number_of(leaf, "hybrid")] for leaf in system.extents], np.int64
        )
        self.switch = np.array([flat.parameter_index(leaf, "hybrid") for leaf in system.continuous], np.int64)
        reads = tables.reactant < n
        reader = np.repeat(np.arange(m), np.diff(tables.reactant_start))[reads]
        self.reaction = np.concatenate([reader, self.change.reaction])
        self.involved = np.concatenate([tables.reactant[reads], self.change.species]).astype(np.int64)
        self.fast: NDArray[np.bool_] = np.zeros(m, bool) if system.fast is None else system.fast
        self.many: NDArray[np.int32] = np.zeros(n, np.int32)
        self.whole: NDArray[np.int32] = np.ones(n, np.int32)
        self.order: NDArray[np.int32] = np.zeros(m + 1, np.int32)
        simulation.place({slot.S_MANY: self.many, slot.S_WHOLE: self.whole, slot.S_ORDER: self.order})
        adaptive = system.fast is None
        simulation.floats[slot.S_HIGH] = system.molecules if adaptive else np.inf
        simulation.floats[slot.S_LOW] = system.molecules / 2 if adaptive else -np.inf
        self.tell()

    @property
    def passed(self) -> bool:
        """Whether a random event has taken a species across a bound."""
        return bool(self.simulation.table[slot.S_PASSED])

    def settle(self, u: FloatArray, p: FloatArray) -> None:
        """Divide anew at this state, which changes by parts of molecules; ``p`` holds the switches."""
        self.simulation.table[slot.S_PASSED] = 0
        if self.system.fast is not None:
            return
        here = self.place >= 0
        x = np.where(here, u[self.place], np.inf)
        high, low = self.system.molecules, self.system.molecules / 2
        self.many[:] = x >= np.where(self.many != 0, low, high)
        fast = np.bincount(self.change.reaction, minlength=len(self.fast)) > 0
        fast[self.reaction[self.many[self.involved] == 0]] = False
        for j in np.flatnonzero(self.fast & ~fast).tolist():
            part = u[self.extent[j]] - np.floor(u[self.extent[j]])
            more = 1.0 - part if self.random.random() < part else -part
            begin, end = np.searchsorted(self.change.reaction, [j, j + 1])
            u[self.place[self.change.species[begin:end]]] += more * self.change.count[begin:end]
        u[self.extent[self.fast != fast]] = 0.0
        self.fast = fast
        p[self.switch] = fast
        self.tell()
        settled = here & (self.whole != 0)
        u[self.place[settled]] = np.round(u[self.place[settled]])

    def tell(self) -> None:
        """Write the division to the tables of the kernel."""
        slow = np.flatnonzero(~self.fast)
        self.order[: len(slow)] = slow
        self.simulation.table[slot.S_SLOW] = len(slow)
        self.whole[:] = 1
        self.whole[self.change.species[self.fast[self.change.reaction]]] = 0
