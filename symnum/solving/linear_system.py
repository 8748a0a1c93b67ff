"""The host's side of a kernel linear system: memory, dense or sparse, pivot orders."""

from __future__ import annotations

import ctypes
import functools

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.solving.kernel import library, slot

__all__ = ["LinearSystem", "kernel", "lapack"]

ShortArray = npt.NDArray[np.int32]

# Up to here a dense factorization of our own beats everything.
SMALL = 10
# Up to here, if need be with dense scratch of n^2 doubles, the pivot order is chosen on the numbers by
# ourselves.
LARGE = 1000
# From here LAPACK's blocked code beats our dense loops.
LAPACK_FROM = 64
# More updates than this are not listed one by one: the list would fall out of the caches.
LISTED = 100_000
# Measured costs, in updates of a dense factorization, of a step with one factorization and eight solves:
# an update through the tables, an entry of the sparse factors, and an entry of the dense ones.
SPARSE_UPDATE, SPARSE_ENTRY, DENSE_ENTRY = 2.5, 16.0, 9.5


@functools.cache
def lapack() -> tuple[int, int]:
    """Addresses of LAPACK's dgetrf and dgetrs, (0, 0) if none are found.

    NumPy's own copy serves, without importing SciPy; the spelling depends on how NumPy was built.
    SciPy's is next.
    """
    try:
        library_of_numpy = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (OSError, AttributeError):
        library_of_numpy = None
    for prefix, suffix in (("scipy_", "_64_"), ("scipy_", "_"), ("", "_64_"), ("", "_")):
        names = [f"{prefix}{routine}{suffix}" for routine in ("dgetrf", "dgetrs")]
        if all(hasattr(library_of_numpy, name) for name in names):
            found = [ctypes.cast(getattr(library_of_numpy, name), ctypes.c_void_p).value for name in names]
            return found[0] or 0, found[1] or 0
    return 0, 0


def kernel(address: int, table: IntArray) -> int:
    """Call a kernel function with the table; returns its status. The GIL is released meanwhile."""
    return int(_prototype(address)(table.ctypes.data))


@functools.cache
def _prototype(address: int) -> ctypes._CFunctionType:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)


class LinearSystem:
    """scale D - J[rows, rows], with J in CSC form in a buffer of its own and D diagonal with entries 0 and 1.

    mode: "auto", "dense" or "sparse". The memory is made in `analyse`, which the kernel asks for (status
    REPIVOT) before the first factorization and whenever the pivot order has become bad for the present
    numbers.
    """

    def __init__(
        self,
        indptr: IntArray,
        indices: IntArray,
        jacobian: FloatArray,
        scale: FloatArray,
        diagonal: IntArray,
        rows: IntArray,
        mode: str,
    ) -> None:
        n = len(rows)
        self.n = n
        self.mode = mode
        self.table = np.zeros(slot.SYSTEM_SIZE, dtype=np.int64)
        self._jacobian = jacobian
        self._scale = scale
        self._repivots = 0
        self._keep: list[npt.NDArray[np.generic]] = []

        # the pattern of the system: the block of J with the diagonal added
        number = np.full(len(indptr) - 1, -1, dtype=np.int64)
        number[rows] = np.arange(n)
        columns = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        inside = np.flatnonzero((number[indices] >= 0) & (number[columns] >= 0))
        row, column = number[indices[inside]], number[columns[inside]]
        at = number[diagonal]
        keys, position = np.unique(np.concatenate([column * n + row, at * n + at]), return_inverse=True)
        self._indices = keys % n
        self._indptr = np.searchsorted(keys, np.arange(n + 1) * n)
        self._source = inside.astype(np.int32)
        self._entry = position[: len(inside)]  # for each source its entry in the pattern
        self._diagonal = position[len(inside) :]
        self._set(slot.SYSTEM_N, n)
        self._point(slot.SOURCE, self._source)
        self._set(slot.ENTRIES, len(inside))
        self._set(slot.DIAGONALS, len(at))
        self._point(slot.MATRIX, jacobian)
        self._point(slot.SCALE_AT, scale)
        if mode == "dense" or (mode == "auto" and n <= SMALL):
            self._dense()

    def _set(self, where: int, value: int) -> None:
        self.table[where] = value

    def _point(self, where: int, array: npt.NDArray[np.generic]) -> None:
        self.table[where] = array.ctypes.data
        self._keep.append(array)

    def _dense(self) -> None:
        n = self.n
        store = np.zeros(n * n)
        positions = np.repeat(np.arange(n), np.diff(self._indptr)) * n + self._indices
        self._place(positions.astype(np.int32), store)
        self._point(slot.PIVOTS, np.zeros(n + 4, dtype=np.int64))
        getrf, getrs = lapack()
        self._set(slot.GETRF, getrf)
        self._set(slot.GETRS, getrs)
        self._set(slot.KIND, slot.DENSE_LAPACK if getrf and n >= LAPACK_FROM else slot.DENSE_OWN)

    def _place(self, positions: ShortArray, store: FloatArray) -> None:
        self._point(slot.STORE, store)
        self._set(slot.STORE_SIZE, len(store))
        self._point(slot.TARGET, positions[self._entry])
        self._point(slot.DIAGONAL, positions[self._diagonal])

    @property
    def kind(self) -> str:
        return ("not chosen yet", "dense", "dense LAPACK", "sparse", "sparse")[int(self.table[slot.KIND])]

    def analyse(self) -> bool:
        """Choose a pivot order on the present numbers and build the tables; False if they are singular."""
        self._repivots += 1
        if self._repivots > 20 and self.n <= LARGE:
            self._dense()  # no fixed order lasts: pivot in every factorization
            return True
        n = self.n
        values = np.zeros(len(self._indices))
        np.subtract.at(values, self._entry, self._jacobian[self._source])
        np.add.at(values, self._diagonal, self._scale[0])
        table = np.zeros(slot.A_SIZE, dtype=np.int64)
        keep: list[npt.NDArray[np.generic]] = []

        def point(where: int, array: npt.NDArray[np.generic]) -> None:
            table[where] = array.ctypes.data
            keep.append(array)

        functions = library.addresses("analysis")
        table[slot.A_N] = n
        for where, array in ((slot.A_INDPTR, self._indptr), (slot.A_INDICES, self._indices)):
            point(where, np.ascontiguousarray(array, dtype=np.int64))
        point(slot.A_VALUES, values)
        for where in (slot.A_ROW_COUNT, slot.A_COLUMN_COUNT, slot.A_PIVOT_ROW, slot.A_PIVOT_COLUMN):
            point(where, np.zeros(n, dtype=np.int32))
        lower_start, upper_start = np.zeros(n + 1, dtype=np.int32), np.zeros(n + 1, dtype=np.int32)
        point(slot.A_LOWER_START, lower_start)
        point(slot.A_UPPER_START, upper_start)
        if n <= LARGE:
            choose = functions["pivot"]
            point(slot.A_DENSE, np.empty(n * n))
            point(slot.A_FILLED, np.empty(n * n, dtype=np.int8))
            point(slot.A_LISTS, np.empty(2 * n * n, dtype=np.int32))
        else:
            choose = functions["symbolic"]
            order = _order_of_superlu(n, self._indptr, self._indices, values)
            if order is None:
                return False
            point(slot.A_PIVOT_ROW, order[0])
            point(slot.A_PIVOT_COLUMN, order[1])
        capacity = 4 * len(values) + 4 * n
        while True:
            table[slot.A_CAPACITY] = capacity
            lower, upper = np.empty(capacity, dtype=np.int32), np.empty(capacity, dtype=np.int32)
            point(slot.A_LOWER, lower)
            point(slot.A_UPPER, upper)
            point(slot.A_SCRATCH, np.empty(8 * n + 8 + capacity, dtype=np.int32))
            status = kernel(choose, table)
            if status != slot.BUFFER_FULL:
                break
            capacity *= 2
        if status != slot.OK:
            return False
        operations = int(table[slot.A_OPERATIONS])
        sparse_cost = SPARSE_UPDATE * operations + SPARSE_ENTRY * (n + lower_start[n] + upper_start[n])
        if self.mode == "auto" and sparse_cost > n**3 / 3 + DENSE_ENTRY * n**2 and n <= LARGE:
            self._dense()
            return True
        listed = operations <= LISTED
        if not listed:
            operations = 0
            table[slot.A_OPERATIONS] = 0
        counts = {"lower": int(lower_start[n]), "upper": int(upper_start[n])}
        for where, size in (
            (slot.LEVEL_PIVOT, n + 1), (slot.LEVEL_LOWER, n + 1), (slot.LEVEL_OPERATION, n + 1),
            (slot.LOWER_START, n + 1), (slot.UPPER_START, n + 1),
            (slot.LOWER_ROW, counts["lower"]), (slot.LOWER_COLUMN, counts["lower"]),
            (slot.UPPER_ROW, counts["upper"]), (slot.UPPER_COLUMN, counts["upper"]),
            (slot.OPERATION_TO, operations), (slot.OPERATION_LOWER, operations),
            (slot.OPERATION_UPPER, operations), (slot.ROW_ORDER, n), (slot.COLUMN_ORDER, n),
        ):  # fmt: skip
            self._point(where, np.zeros(max(size, 1), dtype=np.int32))
        self._point(slot.INVERSE, np.zeros(n))
        self._point(slot.Y_PERMUTED, np.zeros(n))
        position = np.zeros(len(values), dtype=np.int32)
        point(slot.A_POSITION, position)
        point(slot.A_SYSTEM, self.table)
        kernel(functions["tables"], table)
        self._place(position, np.zeros(n + counts["lower"] + counts["upper"]))
        self._set(slot.KIND, slot.SPARSE if listed else slot.COLUMNS)
        self._set(slot.SYSTEM_FRESH, 1)
        return True


def _order_of_superlu(
    n: int, indptr: IntArray, indices: IntArray, values: FloatArray
) -> tuple[ShortArray, ShortArray] | None:
    """Rows and columns of the pivots that SuperLU chooses, None if the matrix is singular.

    Of its two orderings, one for symmetric patterns and one for any, the one that fills in less is taken.
    """
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

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
