"""Pivot orders of sparse systems, and the tables that the kernels factor and solve by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.record import record, replace
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel

__all__ = ["LARGE", "PivotOrder", "ShortArray"]

ShortArray = npt.NDArray[np.int32]

# Up to here, with dense scratch of n^2 doubles, the order is chosen on the numbers by a kernel of our own. On
# reaction networks and random matrices of this size a factorization takes a quarter fewer updates then than
# in the order of SuperLU (of BCR, 1,122 unknowns: two thirds of the time), on grids as many; the choice takes
# up to 0.4 s, about what it takes to import SciPy and to order.
LARGE = 1500
# More updates than this are not listed one by one: the list would fall out of the caches.
LISTED = 100_000
# Seconds of an update of one entry by the kernel, and of one by LAPACK. Smaller tails are not worth it.
UPDATE, DENSE_UPDATE = 7e-10, 8e-11
SMALLEST_TAIL = 64


@record
class PivotOrder:
    """A pivot order with all that follows from it and the pattern; never changed, so runs can share it."""

    tables: dict[int, ShortArray]  # for each slot of a linear system its table
    levels: int
    lower_count: int
    upper_count: int
    operations: int  # updates in a factorization
    listed: bool  # are they in the tables? otherwise the factors are made column by column
    tail: int  # so many of the last rows and columns are a dense block behind L and U in the store
    position: ShortArray  # (nnz,): where in the store the entries of the pattern lie

    @classmethod
    def choose(
        cls, indptr: IntArray, indices: IntArray, values: FloatArray, with_tail: bool
    ) -> PivotOrder | None:
        """For a square matrix in CSC form with these numbers; None if they are singular.

        with_tail: the last pivots may be left to LAPACK as a dense block.
        """
        lists = _Lists(indptr, indices, values)
        return lists.tables(with_tail) if lists.find() else None


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

    def tables(self, with_tail: bool) -> PivotOrder:
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
        found = PivotOrder(made, int(system[slot.LEVELS]), lower, upper, operations, listed, 0, position)
        return found if listed or not with_tail else self.with_tail(found)

    def with_tail(self, order: PivotOrder) -> PivotOrder:
        """The same order with its last pivots as a dense block, where that is faster."""
        n, made = self.n, order.tables
        lower = np.diff(made[slot.LOWER_START]).astype(np.int64)
        upper = np.bincount(made[slot.UPPER_ROW][: order.upper_count], minlength=n)
        before = np.concatenate([[0], np.cumsum(lower * upper)])  # updates by the first k pivots
        sizes = np.arange(n + 1)
        seconds = UPDATE * before[n - sizes] + DENSE_UPDATE * sizes**3 / 3
        tail = int(seconds.argmin())
        head = n - tail
        if tail < SMALLEST_TAIL:
            return order
        in_lower = made[slot.LOWER_COLUMN] < head
        in_upper = made[slot.UPPER_ROW] < head
        new_lower, new_upper = int(in_lower.sum()), int(in_upper.sum())
        tables = dict(made)
        for where in (slot.LOWER_ROW, slot.LOWER_COLUMN):
            tables[where] = made[where][in_lower]
        for where in (slot.UPPER_ROW, slot.UPPER_COLUMN):
            tables[where] = made[where][in_upper]
        for where, of, kept in (
            (slot.LOWER_START, slot.LOWER_COLUMN, in_lower), (slot.UPPER_START, slot.UPPER_COLUMN, in_upper)
        ):  # fmt: skip
            counts = np.bincount(made[of][kept], minlength=n)
            tables[where] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        # places: pivots, L by columns, U by columns, the dense block by columns
        place = order.position.astype(np.int64)
        old_lower, old_upper = np.cumsum(in_lower) - 1, np.cumsum(in_upper) - 1
        is_lower = (place >= n) & (place < n + order.lower_count)
        is_upper = place >= n + order.lower_count
        moved = place.copy()
        moved[is_lower] = n + old_lower[place[is_lower] - n]
        moved[is_upper] = n + new_lower + old_upper[place[is_upper] - n - order.lower_count]
        row_rank, column_rank = np.empty(n, np.int64), np.empty(n, np.int64)
        row_rank[made[slot.ROW_ORDER]] = np.arange(n)
        column_rank[made[slot.COLUMN_ORDER]] = np.arange(n)
        indptr, indices = self.keep[slot.A_INDPTR], self.keep[slot.A_INDICES]
        row = row_rank[np.asarray(indices, np.int64)] - head
        column = np.repeat(column_rank, np.diff(indptr)) - head
        inside = (row >= 0) & (column >= 0)
        moved[inside] = n + new_lower + new_upper + column[inside] * tail + row[inside]
        return replace(
            order, tables=tables, lower_count=new_lower, upper_count=new_upper, tail=tail,
            operations=int(before[head]), position=moved.astype(np.int32),
        )  # fmt: skip


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
