"""Memory of the kernels in one piece: what a table of addresses points to, planned once, made for every run.

Asking NumPy for some thirty arrays and their addresses takes longer than a small problem takes to solve.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.solving.kernel.call import address_of

__all__ = ["Layout", "Memory"]

# Parts begin with a cache line: a vector across two lines costs twice.
_LINE = 8


class Layout:
    """A table of integers, some of which are addresses: of constant arrays, or of parts of one block.

    ``size``: the integers of the table. Everything in the block is eight bytes wide.
    """

    def __init__(self, size: int) -> None:
        self.table: IntArray = np.zeros(size, dtype=np.int64)
        self._constants: list[npt.NDArray[np.generic]] = []
        self._parts: dict[int, tuple[int, int]] = {}
        self._length = 0
        self._inside: IntArray = np.zeros(size, dtype=np.int64)  # 1 where an address lies in the block

    def constant(self, where: int, array: npt.NDArray[np.generic]) -> None:
        """All runs read the same array."""
        self._constants.append(array)
        self.table[where] = array.ctypes.data

    def part(self, where: int, count: int) -> None:
        """Room for ``count`` numbers in the block, zero at first."""
        self._parts[where] = (self._length, count)
        self.table[where] = 8 * self._length
        self._inside[where] = 1
        self._length += -(-count // _LINE) * _LINE

    def new(self) -> Memory:
        """A table and a block of its own for one run."""
        block = np.zeros(self._length + _LINE)
        address = address_of(block)
        shift = -(address // 8) % _LINE
        table = self._inside * (address + 8 * shift)
        table += self.table
        return Memory(table, block[shift:], self._parts, self)


class Memory:
    """The table and the block of one run."""

    def __init__(
        self, table: IntArray, block: FloatArray, parts: dict[int, tuple[int, int]], layout: Layout
    ) -> None:
        self.table = table
        self._block, self._parts = block, parts
        self._layout = layout  # holds the constant arrays

    def floats(self, where: int) -> FloatArray:
        """One part of the block."""
        first, count = self._parts[where]
        return self._block[first : first + count]

    def integers(self, where: int) -> IntArray:
        """One part of the block that holds integers."""
        return self.floats(where).view(np.int64)
