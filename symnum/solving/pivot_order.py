"""Pivot orders of sparse systems, and the tables that the kernels factor and solve by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.record import record
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel

__all__ = ["LARGE", "PivotOrder", "ShortArray"]

ShortArray = npt.NDArray[np.int32]

# Up to here, with dense scratch of n^2 doubles, the order is chosen on the numbers by a kernel of our own.
LARGE = 1000
# More updates than this are not listed one by one: the list would fall out of the caches.
LISTED = 100_000


@record
class PivotOrder:
    """A pivot order with all that follows from it and the pattern; never changed, so runs can share it."""

    tables: dict[int, ShortArray]  # for each slot of a linear system its table
    levels: int
    lower_count: int
    upper_count: int
    operations: int  # updates in a factorization
    listed: bool  # are they in the tables? otherwise the factors are made column by column
    position: ShortArray  # (nnz,): where in the store the entries of the pattern lie

    @classmethod
    def choose(cls, indptr: IntArray, indices: IntArray, values: FloatArray) -> PivotOrder | None:
        """For a square matrix in CSC form with these numbers; None if they are singular."""
        lists = _Lists(indptr, indices, values)
        return lists.tables() if lists.find() else None


class _Lists:
    """The work of one analysis: for each pivot the rows of L and the columns of U."""

    def __init__(self, indptr: IntArray, indices: IntArray, values: FloatArray) -> None:
        n = len(indptr) - 1
        self.n = n
        self.table = np.zeros(slot.A_SIZE, dtype=np.int64)
        self.keep: dict[int, npt.NDArray[np.generic]] = {}
        self.table[slot.A_N] = n
        self.point(slot.A_INDPTR, np.ascontiguousarray(indptr, dtype=np.int64))
        self.point(slot.A_INDICES, np.ascontiguousarray(indices, dtype=np.int64))
        self.point(slot.A_VALUES, values)
        for where in (slot.A_ROW_COUNT, slot.A_COLUMN_COUNT, slot.A_PIVOT_ROW, slot.A_PIVOT_COLUMN):
            self.point(where, np.zeros(n, dtype=np.int32))
        self.lower_start, self.upper_start = np.zeros(n + 1, dtype=np.int32), np.zeros(n + 1, dtype=np.int32)
        self.point(slot.A_LOWER_START, self.lower_start)
        self.point(slot.A_UPPER_START, self.upper_start)

    def point(self, where: int, array: npt.NDArray[np.generic]) -> None:
        self.table[where] = array.ctypes.data
        self.keep[where] = array

    def find(self) -> bool:
        """Choose the order and make the lists; False if the matrix is singular."""
        n = self.n
        if n <= LARGE:
            choose = library.addresses("analysis")["pivot"]
            self.point(slot.A_DENSE, np.empty(n * n))
            self.point(slot.A_FILLED, np.empty(n * n, dtype=np.int8))
            self.point(slot.A_LISTS, np.empty(2 * n * n, dtype=np.int32))
        else:
            choose = library.addresses("analysis")["symbolic"]
            order = _order_of_superlu(*(self.keep[k] for k in (slot.A_INDPTR, slot.A_INDICES, slot.A_VALUES)))
            if order is None:
                return False
            self.point(slot.A_PIVOT_ROW, order[0])
            self.point(slot.A_PIVOT_COLUMN, order[1])
        capacity = 4 * len(self.keep[slot.A_VALUES]) + 4 * n
        while True:
            self.table[slot.A_CAPACITY] = capacity
            self.point(slot.A_LOWER, np.empty(capacity, dtype=np.int32))
            self.point(slot.A_UPPER, np.empty(capacity, dtype=np.int32))
            self.point(slot.A_SCRATCH, np.empty(8 * n + 8 + capacity, dtype=np.int32))
            status = kernel(choose, self.table)
            if status != slot.BUFFER_FULL:
                return status == slot.OK
            capacity *= 2

    def tables(self) -> PivotOrder:
        n = self.n
        operations = int(self.table[slot.A_OPERATIONS])
        listed = operations <= LISTED
        length = operations if listed else 0
        self.table[slot.A_OPERATIONS] = length
        lower, upper = int(self.lower_start[n]), int(self.upper_start[n])
        sizes = {
            slot.LEVEL_PIVOT: n + 1, slot.LEVEL_LOWER: n + 1, slot.LEVEL_OPERATION: n + 1,
            slot.LOWER_START: n + 1, slot.UPPER_START: n + 1, slot.ROW_ORDER: n, slot.COLUMN_ORDER: n,
            slot.LOWER_ROW: lower, slot.LOWER_COLUMN: lower, slot.UPPER_ROW: upper, slot.UPPER_COLUMN: upper,
            slot.OPERATION_TO: length, slot.OPERATION_LOWER: length, slot.OPERATION_UPPER: length,
        }  # fmt: skip
        made = {where: np.zeros(max(size, 1), dtype=np.int32) for where, size in sizes.items()}
        system = np.zeros(slot.SYSTEM_SIZE, dtype=np.int64)
        for where, array in made.items():
            system[where] = array.ctypes.data
        position = np.zeros(len(self.keep[slot.A_VALUES]), dtype=np.int32)
        self.point(slot.A_POSITION, position)
        self.point(slot.A_SYSTEM, system)
        kernel(library.addresses("analysis")["tables"], self.table)
        return PivotOrder(made, int(system[slot.LEVELS]), lower, upper, operations, listed, position)


def _order_of_superlu(
    indptr: npt.NDArray[np.generic], indices: npt.NDArray[np.generic], values: npt.NDArray[np.generic]
) -> tuple[ShortArray, ShortArray] | None:
    """Rows and columns of the pivots that SuperLU chooses, None if the matrix is singular.

    Of its two orderings, one for symmetric patterns and one for any, the one that fills in less is taken.
    """
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    n = len(indptr) - 1
    matrix = csc_matrix((values, indices, indptr), shape=(n, n))
    try:
        found = [
            splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.01, options={"SymmetricMode": True}),
            splu(matrix, permc_spec="COLAMD", diag_pivot_thresh=0.1),
        ]
    except RuntimeError:
        return None
    factors = min(found, key=lambda factors: factors.L.nnz + factors.U.nnz)
    return np.argsort(factors.perm_r).astype(np.int32), np.argsort(factors.perm_c).astype(np.int32)
