"""Output of a run: what the kernel saves and the interpolants it keeps, in buffers that the host empties."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.solving.dense import DenseOutput
from symnum.solving.kernel import slot
from symnum.solving.kernel.call import address_of
from symnum.solving.layout import Memory

__all__ = ["Output"]

_NOTHING: FloatArray = np.empty(0)

# Room for this many numbers is made at first when every step is saved; twice as much when that is full.
_CHUNK = 1 << 13


class Output:
    """The output of one integrator of n unknowns, whose kernel reads and writes through ``memory``."""

    def __init__(self, memory: Memory, n: int) -> None:
        self._n = n
        self._integers = memory.table
        self._floats = memory.floats(slot.FLOATS)
        self._u = memory.floats(slot.U)
        self._saved_t = self._saved_u = self._kept = _NOTHING
        self._grid: FloatArray | None = None
        self._saved: list[tuple[FloatArray, FloatArray]] = []
        self._records: list[FloatArray] = []

    def _set(self, where: int, value: int) -> None:
        self._integers[where] = value

    def begin(self, saveat: FloatArray | None) -> None:
        """Make ready for a run from here to T_STOP that saves at these times, or every step."""
        table = self._integers
        t, t_stop = float(self._floats[slot.T]), float(self._floats[slot.T_STOP])
        if table[slot.SAVED_COUNT] or table[slot.KEPT_COUNT]:  # new buffers follow anyway
            self.drain()
        if saveat is None:
            table[slot.SAVE] = slot.SAVE_STEPS
            self._buffers(max(_CHUNK // max(self._n, 1), 16))
        else:
            if saveat is not self._grid:
                self._grid = np.ascontiguousarray(saveat, dtype=np.float64)
                table[slot.GRID] = address_of(self._grid) if len(self._grid) else 0
                table[slot.GRID_SIZE] = len(self._grid)
            grid = self._grid
            first, last = 0, len(grid)
            if last and not (grid[0] > t and grid[-1] <= t_stop):
                begun = table[slot.STEPS] != 0
                first = (bisect_right if begun else bisect_left)(grid, t)
                last = bisect_right(grid, t_stop)
            table[slot.SAVE] = slot.SAVE_GRID
            table[slot.GRID_NEXT] = first
            self._buffers(last - first)
            if first < last and grid[first] == t:
                self._saved_t[0] = t
                self._saved_u[0] = self._u
                table[slot.SAVED_COUNT] = 1
                table[slot.GRID_NEXT] = first + 1
        if table[slot.KEEP_DENSE]:
            self._record_buffer()

    def _buffers(self, room: int) -> None:
        n, table = self._n, self._integers
        buffer = np.empty(room * (n + 1) + 1)
        address = address_of(buffer)
        self._saved_t, self._saved_u = buffer[:room], buffer[room : room * (n + 1)].reshape(room, n)
        table[slot.SAVED_T] = address
        table[slot.SAVED_U] = address + 8 * room
        table[slot.SAVED_CAPACITY] = room
        table[slot.SAVED_COUNT] = 0

    def _record_buffer(self, room: int = 0) -> None:
        size = 3 + (2 + int(self._integers[slot.DENSE_ROWS])) * self._n
        room = max(room, _CHUNK // size, 16)
        self._kept = np.empty((room, size))
        self._set(slot.KEPT, address_of(self._kept))
        self._set(slot.KEPT_CAPACITY, room)
        self._set(slot.KEPT_COUNT, 0)

    def drain(self) -> None:
        """Take over what the kernel has written: full buffers as they are, little of a large one copied."""
        count = int(self._integers[slot.SAVED_COUNT])
        room = int(self._integers[slot.SAVED_CAPACITY])
        if count > 0:
            times, states = self._saved_t[:count], self._saved_u[:count]
            if 2 * count < room:
                self._saved.append((times.copy(), states.copy()))
                self._set(slot.SAVED_COUNT, 0)
            elif count == room and self._integers[slot.GRID_NEXT] == self._integers[slot.GRID_SIZE]:
                self._saved.append((times, states))  # nothing more will come
                self._set(slot.SAVED_COUNT, 0)
                self._set(slot.SAVED_CAPACITY, 0)
            else:
                self._saved.append((times, states))
                self._buffers(2 * room if count == room else room)
        elif room == 0:
            self._buffers(16)
        kept = int(self._integers[slot.KEPT_COUNT])
        if kept > 0:
            records = self._kept[:kept]
            room = int(self._integers[slot.KEPT_CAPACITY])
            if 2 * kept < room:
                self._records.append(records.copy())
                self._set(slot.KEPT_COUNT, 0)
            else:
                self._records.append(records)
                self._record_buffer(2 * room if kept == room else room)

    def saved(self) -> tuple[FloatArray, FloatArray]:
        """Times (k,) and states (n, k) that were saved since the last call."""
        self.drain()
        pieces, self._saved = self._saved, []
        if not pieces:
            return np.empty(0), np.empty((self._n, 0))
        if len(pieces) == 1:
            return pieces[0][0], pieces[0][1].T
        return np.concatenate([t for t, _ in pieces]), np.concatenate([u for _, u in pieces]).T

    def dense(self) -> DenseOutput:
        """The interpolant over the steps that were kept since the last call."""
        self.drain()
        kept, self._records = self._records, []
        rows = int(self._integers[slot.DENSE_ROWS])
        size = 3 + (2 + rows) * self._n
        records = np.concatenate(kept) if kept else np.empty((0, size))
        return DenseOutput.from_records(records, self._n)
