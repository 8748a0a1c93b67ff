"""The host's side of a kernel linear system: memory, dense or sparse, pivot orders."""

from __future__ import annotations

import ctypes
import functools
from weakref import WeakKeyDictionary

import numpy as np

from symnum.codegen.model_functions import FloatArray, IntArray, ModelFunctions
from symnum.solving.kernel import slot
from symnum.solving.kernel.call import address_of
from symnum.solving.layout import Layout
from symnum.solving.pivot_order import LARGE, PivotOrder, ShortArray

__all__ = ["LinearSystem", "Pattern", "lapack", "pattern_of_pairs", "patterns"]

# Up to here a dense factorization of our own beats everything.
SMALL = 10
# From here LAPACK's blocked code beats our dense loops.
LAPACK_FROM = 64
# Measured costs, in updates of a dense factorization, of a step with one factorization and eight solves: an
# update through the tables, an entry of the sparse factors, and an entry of the dense ones.
SPARSE_UPDATE, SPARSE_ENTRY, DENSE_ENTRY = 2.5, 16.0, 9.5
# A pivot order that goes bad this often in one run is given up for dense pivoting. Where that costs at most
# so many times as much, twice is enough: choosing an order takes as long as tens of steps.
ORDERS, CHEAP = 20, 3.0


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


class Pattern:
    """Where the entries of scale D - J[rows, rows] lie; D is diagonal with ones at `diagonal`, J in CSC form.

    pairs: of the complex matrix (scale - i coupling) D - J the real one of twice its size, real and imaginary
    parts of an unknown side by side: [[scale D - J, coupling D], [-coupling D, scale D - J]].
    It also remembers the pivot order that was last chosen: all runs of a model share its patterns, and
    what was good for one is tried by the next.
    """

    def __init__(
        self, indptr: IntArray, indices: IntArray, diagonal: IntArray, rows: IntArray, *, pairs: bool = False
    ) -> None:
        n = len(rows)
        number = np.full(len(indptr) - 1, -1, dtype=np.int64)
        number[rows] = np.arange(n)
        columns = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        inside = np.flatnonzero((number[indices] >= 0) & (number[columns] >= 0))
        row, column = number[indices[inside]], number[columns[inside]]
        at = number[diagonal]
        coupled = np.zeros((2, 0), dtype=np.int64)  # rows, columns: those of +coupling, then of -coupling
        if pairs:
            n, inside = 2 * n, np.tile(inside, 2)
            row, column, at = (np.concatenate([2 * which, 2 * which + 1]) for which in (row, column, at))
            half = len(diagonal)
            coupled = np.array([at, np.concatenate([at[half:], at[:half]])])
        keys, position = np.unique(
            np.concatenate([column * n + row, at * n + at, coupled[1] * n + coupled[0]]), return_inverse=True
        )
        self.n = n
        self.indices = keys % n
        self.indptr = np.searchsorted(keys, np.arange(n + 1) * n)
        self.source = inside.astype(np.int32)  # entries of J
        self.entry = position[: len(inside)]  # for each of them its entry in the pattern
        self.diagonal = position[len(inside) : len(inside) + len(at)]
        self.coupled = position[len(inside) + len(at) :]
        self.dense = self.indices + np.repeat(np.arange(n), np.diff(self.indptr)) * n
        self.layout = self._layout()  # until a pivot order is known
        self.known: dict[str, Layout] = {}
        self._dense: Layout | None = None
        # before a pivot order is known: as if the factors had twice the entries of the matrix
        self._factor = 4.0 * SPARSE_UPDATE * len(self.indices)
        self._solve = SPARSE_ENTRY / 4.0 * len(self.indices)
        self._cost = self._factor + 8.0 * self._solve

    def dense_cost(self) -> float:
        return self.n**3 / 3 + DENSE_ENTRY * self.n**2

    def step_cost(self) -> float:
        """Of the linear algebra of a step with eight solves, in updates of a dense factorization."""
        return self.dense_cost() if self.n <= SMALL else min(self._cost, self.dense_cost())

    def factor_cost(self) -> float:
        """Of one factorization with the order that was chosen last, or by LAPACK, in the same units."""
        return min(self._factor, self.n**3 / 3)

    def solve_cost(self) -> float:
        return min(self._solve, 2.0 * self.n**2)

    def with_pivoting(self) -> Layout:
        """A dense matrix; pivots are chosen in every factorization."""
        if self._dense is None:
            n = self.n
            getrf, getrs = lapack()
            layout = self._layout(self.dense.astype(np.int32), n * n)
            layout.part(slot.PIVOTS, n + 4)
            layout.table[slot.GETRF], layout.table[slot.GETRS] = getrf, getrs
            layout.table[slot.KIND] = slot.DENSE_LAPACK if getrf and n >= LAPACK_FROM else slot.DENSE_OWN
            self._dense = layout
        return self._dense

    def with_order(self, order: PivotOrder, mode: str) -> Layout:
        """A sparse matrix with a fixed pivot order; with mode "auto" a dense one where that is faster."""
        n = self.n
        entries = n + order.lower_count + order.upper_count + order.tail**2
        self._factor = SPARSE_UPDATE * order.operations + order.tail**3 / 3
        self._solve = SPARSE_ENTRY / 8.0 * entries
        self._cost = self._factor + SPARSE_ENTRY * entries
        if mode == "auto" and n <= LARGE and self._cost > self.dense_cost():
            return self.with_pivoting()
        layout = self._layout(order.position, entries)
        for where, table in order.tables.items():
            layout.constant(where, table)
        layout.table[slot.LEVELS] = order.levels
        layout.table[slot.LOWER_COUNT] = order.lower_count
        layout.table[slot.UPPER_COUNT] = order.upper_count
        if order.tail:
            layout.part(slot.PIVOTS, order.tail + 4)
            layout.table[slot.GETRF], layout.table[slot.GETRS] = lapack()
            layout.table[slot.TAIL] = order.tail
        layout.part(slot.INVERSE, n)
        layout.part(slot.Y_PERMUTED, n)
        layout.table[slot.KIND] = slot.SPARSE if order.listed else slot.COLUMNS
        return layout

    def _layout(self, position: ShortArray | None = None, size: int = 0) -> Layout:
        """position: place of each entry in a store of ``size`` numbers."""
        layout = Layout(slot.SYSTEM_SIZE)
        layout.table[slot.SYSTEM_N] = self.n
        layout.table[slot.ENTRIES] = len(self.source)
        layout.table[slot.DIAGONALS] = len(self.diagonal)
        layout.constant(slot.SOURCE, self.source)
        if position is not None:
            layout.part(slot.STORE, size)
            layout.table[slot.STORE_SIZE] = size
            layout.constant(slot.TARGET, position[self.entry])
            layout.constant(slot.DIAGONAL, position[self.diagonal])
            if len(self.coupled):
                layout.constant(slot.COUPLED, position[self.coupled])
                layout.table[slot.COUPLINGS] = len(self.coupled) // 2
        return layout

    def values(self, jacobian: FloatArray, scale: FloatArray) -> FloatArray:
        """The present numbers, (nnz,). scale: that, and of pairs the coupling."""
        values = np.zeros(len(self.indices))
        np.subtract.at(values, self.entry, jacobian[self.source])
        np.add.at(values, self.diagonal, scale[0])
        if len(self.coupled):
            values[self.coupled] += np.repeat([scale[1], -scale[1]], len(self.coupled) // 2)
        return values


# Runs of one model share its patterns and pivot orders.
_known: WeakKeyDictionary[ModelFunctions, tuple[Pattern, Pattern]] = WeakKeyDictionary()
_pairs: WeakKeyDictionary[ModelFunctions, Pattern] = WeakKeyDictionary()


def pattern_of_pairs(model: ModelFunctions) -> Pattern:
    """The pattern of (alpha + i beta) M / h - J."""
    if model not in _pairs:
        differential = np.flatnonzero(model.mass != 0.0)
        rows = np.arange(model.n)
        _pairs[model] = Pattern(model.indptr, model.indices, differential, rows, pairs=True)
    return _pairs[model]


def patterns(model: ModelFunctions) -> tuple[Pattern, Pattern]:
    """The patterns of M/(h gamma) - J and of the algebraic block of -J."""
    found = _known.get(model)
    if found is None:
        differential, algebraic = np.flatnonzero(model.mass != 0.0), np.flatnonzero(model.mass == 0.0)
        whole = Pattern(model.indptr, model.indices, differential, np.arange(model.n))
        block = Pattern(model.indptr, model.indices, np.zeros(0, dtype=np.int64), algebraic)
        found = _known[model] = (whole, block)
    return found


class LinearSystem:
    """scale D - J[rows, rows] for the kernels, with J and scale in buffers that belong to the run.

    mode: "auto", "dense" or "sparse". The kernel asks for `analyse` (status REPIVOT) before the first
    factorization of a pattern, and whenever the pivot order has become bad for the present numbers.
    """

    def __init__(self, pattern: Pattern, jacobian: FloatArray, scale: FloatArray, mode: str) -> None:
        self.pattern = pattern
        self.mode = mode
        self.table = np.zeros(slot.SYSTEM_SIZE, dtype=np.int64)
        self.address = address_of(self.table)
        self._jacobian = jacobian
        self._scale = scale
        self.orders = 0  # pivot orders chosen in this run
        self._code: tuple[IntArray, FloatArray] | None = None  # table and factors of straight-line code
        if mode == "dense" or (mode == "auto" and pattern.n <= SMALL):
            self._use(pattern.with_pivoting())
        else:
            self._use(pattern.known.get(mode, pattern.layout))

    @property
    def kind(self) -> str:
        kinds = ("not chosen yet", "dense", "dense LAPACK", "sparse", "sparse", "straight-line")
        return kinds[int(self.table[slot.KIND])]

    def use_code(self, factor: int, solve: int, size: int) -> None:
        """From now on straight-line code, by address, factors to ``size`` numbers and solves."""
        if self._code is None:
            self._code = np.zeros(slot.SL_SIZE, dtype=np.int64), np.zeros(size)
            inner, factors = self._code
            inner[slot.IN_MATRIX], inner[slot.IN_SCALE_AT] = (
                address_of(self._jacobian), address_of(self._scale)
            )  # fmt: skip
            inner[slot.IN_N], inner[slot.SL_FACTORS] = self.pattern.n, address_of(factors)
        self.table[slot.SYSTEM_INNER] = address_of(self._code[0])
        self.table[slot.SYSTEM_FACTOR], self.table[slot.SYSTEM_SOLVE] = factor, solve
        self.table[slot.KIND] = slot.BY_ADDRESS

    def use_tables(self) -> bool:
        """Go back to what serves every pattern; False where that was in use."""
        if self.table[slot.KIND] != slot.BY_ADDRESS:
            return False
        self.table[slot.KIND] = self._kind
        return True

    def analyse(self) -> bool:
        """Choose a pivot order on the present numbers; False if they are singular."""
        pattern = self.pattern
        if self.use_tables() and self._kind != slot.UNKNOWN:
            return True
        self.orders += 1
        cheap = self.mode == "auto" and pattern.dense_cost() < CHEAP * pattern.step_cost()
        if pattern.n <= LARGE and self.orders > (1 if cheap else ORDERS):
            self._use(pattern.with_pivoting())  # no order lasts: pivot in every factorization
            if self.mode == "auto":
                pattern.known["auto"] = pattern.with_pivoting()
            return True
        values = pattern.values(self._jacobian, self._scale)
        order = PivotOrder.choose(pattern.indptr, pattern.indices, values, with_tail=lapack() != (0, 0))
        if order is None:
            return False
        pattern.known[self.mode] = pattern.with_order(order, self.mode)
        self._use(pattern.known[self.mode])
        self.table[slot.SYSTEM_FRESH] = 1
        return True

    def _use(self, layout: Layout) -> None:
        self._memory = layout.new()
        self.table[:] = self._memory.table
        self.table[slot.MATRIX] = address_of(self._jacobian)
        self.table[slot.SCALE_AT] = address_of(self._scale)
        self._kind = int(self.table[slot.KIND])
