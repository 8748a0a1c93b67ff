"""The host's side of solvers for large systems: products of banded matrices on a grid, GMRES, BiCGStab.

Both stand where a `LinearSystem` does. The numbers of their matrices lie in memory that belongs to a run.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray, IntArray, ModelFunctions
from symnum.errors import ModelError
from symnum.solving.grid_lines import Lines, lines_of
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import address_of
from symnum.solving.linear_system import Pattern
from symnum.solving.method import Method

__all__ = ["ITERATED", "KINDS", "LargeSystem", "kind_for", "splits"]

# "krylov" is GMRES, whose basis takes the memory of some thirty states.
ITERATED = ("krylov", "bicgstab")
KINDS = ("auto", "dense", "sparse", "factored", *ITERATED)
VECTORS = 5  # that BiCGStab works with
# Numbers of one line, times the lines that are solved together: half of a second-level cache.
_CACHE = 16384
# From here a product of banded matrices is faster than sparse factors, and sparse factors of a grid in
# several directions take more memory than a Krylov space.
FACTORED_FROM, KRYLOV_FROM = 2_000, 40_000


def splits(model: ModelFunctions) -> bool:
    """Whether products of banded matrices serve best: a large grid with all couplings along its lines."""
    if model.n < FACTORED_FROM:
        return False
    lines = lines_of(model)
    return lines is not None and lines.directions > 1 and not lines.dropped


def kind_for(model: ModelFunctions, method: Method, asked: str) -> str:
    """How the linear systems of a run are solved, from the pattern; ModelError where it cannot be as asked.

    "factored" needs a grid, and a method that keeps its order with an approximate Jacobian.
    """
    if asked not in KINDS:
        raise ModelError(f"linear={asked!r}: choose one of {', '.join(map(repr, KINDS))}")
    if not method.factors:
        return asked
    holds = method.w >= method.order
    if asked == "auto":
        real = method.family != "radau"
        if splits(model) and real:
            return "factored" if holds else "krylov"
        several = real and model.grid is not None and model.grid.shape[1] > 2 and not model.n_algebraic
        return "krylov" if several and model.n >= KRYLOV_FROM else asked
    if asked in ITERATED and method.family == "radau":
        raise ModelError(
            f"linear={asked!r} solves real systems, and {method} has a complex one in every step; "
            "take Rodas5P or Kvaerno5, or leave linear out"
        )
    if asked == "factored":
        if lines_of(model) is None:
            why = "has algebraic equations" if model.n_algebraic else "lies on no grid"
            raise ModelError(
                f"linear='factored' splits a Jacobian along the lines of a grid, and this one {why}"
            )
        if not holds:
            raise ModelError(
                f"linear='factored' replaces the Jacobian by an approximation, with which {method} loses its "
                "order; take ROS34PW2, Rodas4PW or a TASE method, or linear='krylov'"
            )
    return asked


class LargeSystem:
    """scale M - J for the kernels, "factored" along a grid or solved by iteration."""

    def __init__(
        self, model: ModelFunctions, method: Method, kind: str, jacobian: FloatArray, scale: FloatArray,
        run: dict[int, int],
    ) -> None:  # fmt: skip
        """run: addresses of the state, absolute tolerances and floats of the run, by slot."""
        self.kind = kind
        self.preconditioner = ""
        self.orders = 0
        self._keep: list[npt.NDArray[np.generic]] = [jacobian, scale]
        self._common = {
            slot.IN_MATRIX: address_of(jacobian), slot.IN_SCALE_AT: address_of(scale), slot.IN_N: model.n,
        }  # fmt: skip
        lines = lines_of(model)
        if kind == "factored":
            assert lines is not None
            self.inner, unit = self._split(model, lines), "splitting"
        else:
            self.inner, unit = self._iterated(model, method, kind, lines, run), kind
        functions = library.addresses(unit)
        self.table = np.zeros(slot.SYSTEM_SIZE, np.int64)
        self.address = address_of(self.table)
        self.table[slot.KIND] = slot.BY_ADDRESS
        self.table[slot.SYSTEM_N] = model.n
        self.table[slot.SYSTEM_INNER] = address_of(self.inner)
        self.table[slot.SYSTEM_FACTOR] = functions["factor"]
        self.table[slot.SYSTEM_SOLVE] = functions["solve"]

    def analyse(self) -> bool:
        """No pivot order is ever wanted."""
        return False

    def _table(self, size: int, entries: dict[int, int]) -> IntArray:
        table: IntArray = np.zeros(size, np.int64)
        for where, value in entries.items():
            table[where] = value
        self._keep.append(table)
        return table

    def _array(self, array: npt.NDArray[np.generic]) -> int:
        """The address of an array that lives as long as this object."""
        array = np.ascontiguousarray(array)
        self._keep.append(array)
        return int(array.ctypes.data)

    def _short(self, array: npt.NDArray[np.generic]) -> int:
        return self._array(array.astype(np.int32))

    def _room(self, count: int) -> int:
        return self._array(np.zeros(max(count, 1)))

    def _split(self, model: ModelFunctions, lines: Lines) -> IntArray:
        batches, scratch = [], 0
        block = np.full(len(model.indices), -1, np.int32)
        first: list[IntArray] = []
        owner: list[IntArray] = []
        blocks = 0
        for number, batch in enumerate(lines.batches):
            own = batch.blocks()
            if own is not None:
                block[batch.source] = blocks + own[0]
                first.append(own[1])
                owner.append(np.full(len(own[1]), number))
            length, count = batch.place.shape
            chunk = max(8, min(count, _CACHE // length))
            scratch = max(scratch, length * chunk)
            band = length * (2 * batch.width + 1)
            table = self._table(slot.B_SIZE, {
                slot.B_LINES: count, slot.B_LENGTH: length, slot.B_WIDTH: batch.width,
                slot.B_ENTRIES: len(batch.source), slot.B_SOURCE: self._array(batch.source),
                slot.B_TARGET: self._array(batch.target), slot.B_PLACE: self._array(batch.place),
                slot.B_BAND: self._room(band * count), slot.B_LINE: self._room(band),
                slot.B_LOCAL: int(batch.local), slot.B_CHUNK: chunk,
                slot.B_BLOCK: -1 if own is None else blocks,
            })  # fmt: skip
            batches.append(address_of(table))
            blocks += 0 if own is None else band
        nothing = np.zeros(0, np.int64)
        return self._table(slot.SP_SIZE, self._common | {
            slot.SP_BATCHES: len(batches), slot.SP_TABLES: self._array(np.array(batches, np.int64)),
            slot.SP_ROWS: self._array(model.indices), slot.SP_OUTER: self._room(model.n),
            slot.SP_TOTAL: self._room(model.n), slot.SP_SCRATCH: self._room(scratch),
            slot.SP_ENTRIES: len(block), slot.SP_BLOCK: self._array(block), slot.SP_BLOCKS: blocks,
            slot.SP_FIRST: self._short(np.concatenate([nothing, *first])),
            slot.SP_REFERENCE: self._room(blocks),
            slot.SP_OWNER: self._short(np.concatenate([nothing, *owner])),
            slot.SP_DIFFERENT: self._array(np.zeros(len(batches), np.int64)),
        })  # fmt: skip

    def _incomplete(self, model: ModelFunctions) -> IntArray:
        pattern = Pattern(model.indptr, model.indices, np.arange(model.n), np.arange(model.n))
        column = np.repeat(np.arange(model.n), np.diff(pattern.indptr))
        by_row = np.lexsort((column, pattern.indices))
        place = np.empty(len(by_row), np.int64)
        place[by_row] = np.arange(len(by_row))
        start = np.searchsorted(pattern.indices[by_row], np.arange(model.n + 1))
        return self._table(slot.IC_SIZE, self._common | {
            slot.IC_START: self._short(start), slot.IC_COLUMN: self._short(column[by_row]),
            slot.IC_DIAGONAL: self._short(place[pattern.diagonal]), slot.IC_ENTRIES: len(pattern.source),
            slot.IC_SOURCE: self._short(pattern.source), slot.IC_TARGET: self._short(place[pattern.entry]),
            slot.IC_MASS: self._array(model.mass), slot.IC_VALUES: self._room(len(by_row)),
            slot.IC_WHERE: self._short(np.zeros(model.n)), slot.IC_NNZ: len(by_row),
        })  # fmt: skip

    def _iterated(
        self, model: ModelFunctions, method: Method, kind: str, lines: Lines | None, run: dict[int, int]
    ) -> IntArray:
        """The preconditioner is the product of banded matrices where there is one, else ILU(0)."""
        m = slot.KR_RESTART
        gmres = kind == "krylov"
        split = lines is not None and not lines.dropped
        unit = "splitting" if split else "incomplete"
        self.preconditioner = unit
        inner = self._split(model, lines) if lines is not None and split else self._incomplete(model)
        functions = library.addresses(unit)
        return self._table(slot.KR_SIZE, self._common | {
            slot.KR_INDPTR: self._array(model.indptr), slot.KR_INDICES: self._array(model.indices),
            slot.KR_MASS: self._array(model.mass), slot.KR_INNER: address_of(inner),
            slot.KR_FACTOR: functions["factor"], slot.KR_SOLVE: functions["solve"],
            slot.KR_U: run[slot.U], slot.KR_ATOL: run[slot.ATOL], slot.KR_FLOATS: run[slot.FLOATS],
            slot.KR_SLOPES: int(method.family.startswith("tase")), slot.KR_HELD: method.held,
            slot.KR_WEIGHT: self._room(model.n),
            slot.KR_BASIS: self._room((m + 2 if gmres else VECTORS) * model.n),
            slot.KR_HESSENBERG: self._room((m + 1) * m + 2 * m + m + 1 if gmres else 0),
        })  # fmt: skip
