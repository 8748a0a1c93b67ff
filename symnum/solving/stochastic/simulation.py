"""The host's side of the stochastic kernels: memory, calls, output."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel
from symnum.solving.stochastic.methods import StochasticMethod
from symnum.solving.stochastic.tables import NetworkTables

__all__ = ["Simulation", "StochasticStatistics", "StochasticStatus", "streams"]

_ROOM = 1 << 16  # numbers that are saved before the host takes them, at least
# Reactions up to which a sorted list is faster than bins: a ring of equal reactions, the worst case for a
# sorted list, took 42 and 40 ns an event with 32 of them, 52 and 40 ns with 64.
_SORTED_UP_TO = 40


class StochasticStatus(enum.Enum):
    """How a run came to stand still; the kernels never raise."""

    DONE = slot.DONE
    PAUSED = slot.PAUSED
    BUFFER_FULL = slot.BUFFER_FULL
    MAX_STEPS_REACHED = slot.MAX_STEPS_REACHED
    NOT_FINITE = slot.NOT_FINITE  # a propensity is
    NEGATIVE_RATE = slot.NEGATIVE_RATE  # a propensity is
    NEGATIVE_COUNT = slot.NEGATIVE_COUNT  # a reaction happened without its reactants
    UNCOUNTABLE = slot.UNCOUNTABLE  # there are more molecules than doubles count one by one


@dataclass
class StochasticStatistics:
    """What a run has cost so far.

    steps: events of exact methods, else leaps or steps. events: reactions that happened, 0 where these are no
    single ones. rejected: leaps that were shortened.
    """

    method: str
    steps: int = 0
    events: int = 0
    rejected: int = 0
    setup_milliseconds: float = 0.0
    solve_milliseconds: float = 0.0


def streams(seed: int | np.random.SeedSequence | None, members: int) -> NDArray[np.int64]:
    """(members, 4) states of as many generators. The first k do not depend on how many there are.

    They are the output of a counter-based generator with the seed as its key, so that no two streams
    come near each other in the period of 2**256 - 1.
    """
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    raw: NDArray[np.uint64] = np.random.Philox(sequence).random_raw(4 * members)
    return raw.view(np.int64).reshape(members, 4)


class Simulation:
    """Memory and calls for one thread. Parameters and start are given by `begin`.

    step, epsilon, max_step: as in `solve`; step None: chosen by the method.
    """

    def __init__(
        self,
        tables: NetworkTables,
        method: StochasticMethod,
        *,
        epsilon: float = 0.03,
        step: float | None = None,
        max_step: float = math.inf,
        max_steps: int | None = None,
    ) -> None:
        self.tables = tables
        self.unit = method.unit or (
            "sorting_direct" if tables.reactions <= _SORTED_UP_TO else "composition_rejection"
        )
        self.exact = method.exact
        self._keep: dict[int, NDArray[Any]] = {}
        self.table = np.zeros(slot.S_SIZE, np.int64)
        self.floats = np.zeros(slot.S_FLOATS_SIZE)
        parameters = len(tables.flat.parameters)
        self.x = np.zeros(tables.entries + parameters + len(tables.numbers))
        self.x[tables.entries + parameters :] = tables.numbers
        self.constant = np.zeros(tables.reactions)
        m, entries = tables.reactions, tables.entries
        sizes = {
            slot.S_SPECIES: tables.species, slot.S_ENTRIES: entries, slot.S_REACTIONS: m,
            slot.S_ROW: tables.flat.n, slot.S_MAX_STEPS: -1 if max_steps is None else max_steps,
            slot.S_ADVANCE: library.addresses(self.unit)[method.function],
        }  # fmt: skip
        for where, number in sizes.items():
            self.table[where] = number
        shared = {
            slot.S_KIND: tables.kind, slot.S_ONE: tables.one, slot.S_TWO: tables.two,
            slot.S_POWER_START: tables.power_start, slot.S_POWER: tables.power,
            slot.S_POWER_COUNT: tables.power_count, slot.S_FUNCTION: tables.function,
            slot.S_LEAF_START: tables.leaf_start, slot.S_LEAF: tables.leaf,
            slot.S_CHANGE_START: tables.change_start, slot.S_CHANGE: tables.change.species.astype(np.int32),
            slot.S_CHANGE_COUNT: tables.change.count,
            slot.S_RANGE_START: tables.range_start, slot.S_RANGES: tables.ranges,
            slot.S_DEPENDENT: tables.dependent,
            slot.S_REACTANT_START: tables.reactant_start, slot.S_REACTANT: tables.reactant,
            slot.S_ORDERS: tables.orders, slot.S_PERMUTATION: tables.permutation,
        }  # fmt: skip
        own = {
            slot.S_FLOATS: self.floats, slot.S_X: self.x, slot.S_CONSTANT: self.constant,
            slot.S_RANDOM: np.zeros(6, np.int64), slot.S_LEAVES: np.zeros(tables.most_leaves + 1),
            slot.S_WORK: np.zeros(tables.n_work + 1), slot.S_PROPENSITY: np.zeros(m),
            slot.S_ORDER: np.zeros(m, np.int32), slot.S_PLACE: np.zeros(m, np.int32),
            slot.S_BIN_START: np.zeros(slot.BINS + 1, np.int32), slot.S_BIN_TOTAL: np.zeros(slot.BINS),
            slot.S_BIN_BOUND: np.zeros(slot.BINS),
            slot.S_MEAN: np.zeros(entries), slot.S_VARIANCE: np.zeros(entries),
            slot.S_HIGHEST: np.zeros(entries), slot.S_NEXT: np.zeros(entries),
            slot.S_CRITICAL: np.zeros(m, np.int32),
            slot.S_SECOND_STAGE: np.zeros(m), slot.S_GRID: np.zeros(0),
        }  # fmt: skip
        for where, array in (shared | own).items():
            self._point(where, array)
        self.floats[slot.S_EPSILON] = epsilon
        self.floats[slot.S_STEP] = step or 0.0
        self.floats[slot.S_MAX_STEP] = max_step

    def place(self, arrays: dict[int, NDArray[Any]]) -> None:
        """Put arrays under these slots."""
        for where, array in arrays.items():
            self._point(where, array)

    def _point(self, where: int, array: NDArray[Any]) -> None:
        array = np.ascontiguousarray(array)
        self._keep[where] = array
        self.table[where] = array.ctypes.data

    @property
    def t(self) -> float:
        return float(self.floats[slot.S_T])

    @property
    def u(self) -> FloatArray:
        """The species in the order of the unknowns."""
        return self.x[self.tables.permutation]

    @property
    def failed(self) -> int:
        """The reaction that a failure is about."""
        return int(self.table[slot.S_FAILED])

    def set_parameters(self, p: FloatArray) -> None:
        """From now on propensities are those of these parameters."""
        entries = self.tables.entries
        self.x[entries : entries + len(p)] = p
        self.constant[:] = self.tables.constants(p)
        self.table[slot.S_FRESH] = 1

    def set_state(self, t: float, u: FloatArray) -> None:
        """Go on from here."""
        self.floats[slot.S_T] = t
        self.x[: self.tables.entries] = self.tables.start(u)
        self.table[slot.S_FRESH] = 1

    def seed(self, stream: NDArray[np.int64]) -> None:
        """The four words of a stream."""
        self._keep[slot.S_RANDOM][:4] = stream
        self._keep[slot.S_RANDOM][4] = 0

    # ---- one trajectory ---------------------------------------------------------------------------
    def output(self, grid: FloatArray | None) -> None:
        """Save at the times of the grid, or after every event."""
        self.table[slot.S_EVERY] = int(grid is None)
        self._point(slot.S_GRID, np.zeros(0) if grid is None else grid)
        self.table[slot.S_GRID_SIZE] = 0 if grid is None else len(grid)
        self.table[slot.S_GRID_NEXT] = 0
        n = self.tables.flat.n
        room = max(_ROOM // n, 64) if grid is None else len(grid) + 1
        self._point(slot.S_SAVED_T, np.zeros(room))
        self._point(slot.S_SAVED, np.zeros((room, n)))
        self.table[slot.S_SAVED_CAPACITY] = room
        self.table[slot.S_SAVED_COUNT] = 0

    def saved(self) -> tuple[FloatArray, FloatArray]:
        """(k,) times and (k, n) states that were saved since the last call."""
        count = int(self.table[slot.S_SAVED_COUNT])
        self.table[slot.S_SAVED_COUNT] = 0
        times, states = self._keep[slot.S_SAVED_T], self._keep[slot.S_SAVED]
        return times[:count].copy(), states[:count].copy()

    def advance(self, t_stop: float, pause_after: int) -> StochasticStatus:
        """Run to t_stop, or until there is something for the host to do."""
        self.floats[slot.S_T_STOP] = t_stop
        self.table[slot.S_PAUSE_LEFT] = pause_after
        return StochasticStatus(kernel(int(self.table[slot.S_ADVANCE]), self.table))

    def count(self, stats: StochasticStatistics) -> None:
        """Write what the run has cost."""
        stats.steps = int(self.table[slot.S_STEPS])
        stats.events = stats.steps if self.exact else int(self.table[slot.S_EVENTS])
        stats.rejected = int(self.table[slot.S_REJECTED])

    # ---- many trajectories ------------------------------------------------------------------------
    def trajectories(
        self, first: int, last: int, span: tuple[float, float], starts: FloatArray,
        stream: NDArray[np.int64], out: dict[int, NDArray[Any]],
    ) -> None:  # fmt: skip
        """Members first up to last of an ensemble, saved on the grid of `output`.

        starts: (members, entries). out: the arrays under the slots that `kernel.trajectories` names.
        """
        self.floats[slot.S_BEGIN], self.floats[slot.S_T_STOP] = span
        self.table[slot.S_FIRST], self.table[slot.S_LAST] = first, last
        self._point(slot.S_STARTS, starts)
        self._point(slot.S_STREAMS, stream)
        for where, array in out.items():
            self._point(where, array)
        kernel(library.addresses("trajectories")["trajectories"], self.table)
