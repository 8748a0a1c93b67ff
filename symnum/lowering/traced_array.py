"""Arrays that remember how they were computed: what an ordinary NumPy function sees while it is traced.

All elements live in one heap of pieces. A piece is a template over numbered slots with one column of indices
(or numbers) per slot, a row for each element. An array is a table of addresses in that heap, so that slices,
shifts, paddings and stacks are NumPy's own, applied to the addresses; arithmetic works once for every
combination of pieces that meets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.arrays import Arrays
from symnum.errors import TraceError
from symnum.rewriting.expr import Expr, number, slot
from symnum.rewriting.numpy_functions import SYMBOLIC
from symnum.rewriting.walk import leaves, postorder, substitute

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_WIDEST = 12  # terms: wider sums become a row of a table
_LARGEST = 150  # nodes: what is larger is stored before it is used again


class Piece:
    """``root`` over slots for every row; columns of the letters u (unknown or parameter place) and c."""

    def __init__(self, root: Expr, letters: str, columns: Sequence[NDArray[Any]], rows: int) -> None:
        self.root, self.letters, self.columns, self.rows = root, letters, tuple(columns), rows


class Heap:
    """The elements of a trace. ``store`` gives elements unknowns of their own and returns their numbers."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.starts: list[int] = []
        self.size = 0
        self.stored: list[tuple[int, IntArray]] = []  # (first number, addresses) of what has unknowns
        self.sums: list[
            tuple[int, IntArray, IntArray, FloatArray]
        ] = []  # first number, indptr, numbers, factors
        self.unknowns = 0

    def add(self, root: Expr, letters: str, columns: Sequence[NDArray[Any]], rows: int) -> IntArray:
        """Addresses of a new piece with these rows, compacted."""
        mapping: dict[Expr, Expr] = {}
        kept_letters, kept, arrays, known = "", list[NDArray[Any]](), Arrays(), dict[tuple[str, int], Expr]()
        for leaf in leaves((root,)):
            if leaf.op != "slot":
                continue
            letter, k = leaf.data
            column = columns[k]
            if letter == "c" and (column == column[0]).all():
                mapping[leaf] = number(float(column[0]))
                continue
            entry = letter, arrays.number(column)
            if entry not in known:
                known[entry] = slot(letter, len(kept))
                kept_letters += letter
                kept.append(column)
            mapping[leaf] = known[entry]
        (root,) = substitute((root,), mapping)
        first = self.size
        self.pieces.append(Piece(root, kept_letters, kept, rows))
        self.starts.append(first)
        self.size += rows
        return np.arange(first, first + rows)

    def constant(self, values: Any) -> IntArray:
        """Addresses of numbers, of the same shape."""
        array = np.asarray(values, float)
        if not np.isfinite(array).all():
            raise TraceError("a constant that is not finite")
        distinct, place = np.unique(array.ravel(), return_inverse=True)
        return self.add(slot("c", 0), "c", [distinct], len(distinct))[place].reshape(array.shape)

    def piece_of(self, addresses: IntArray) -> IntArray:
        return np.searchsorted(np.asarray(self.starts), addresses, side="right") - 1

    def new_unknowns(self, count: int) -> tuple[int, IntArray]:
        """(first number, addresses) of unknowns that are defined elsewhere."""
        first = self.unknowns
        self.unknowns += count
        numbers = np.arange(first, first + count)
        return first, self.add(slot("u", 0), "u", [numbers], count)

    def keep(self, addresses: IntArray) -> IntArray:
        """The same elements, evaluated once: addresses of unknowns that equal them."""
        distinct, place = np.unique(addresses.ravel(), return_inverse=True)
        first, made = self.new_unknowns(len(distinct))
        self.stored.append((first, distinct))
        kept: IntArray = made[place].reshape(addresses.shape)
        return kept

    def combined(self, operation: Callable[..., Expr], operands: Sequence[IntArray]) -> IntArray:
        """Addresses of ``operation`` over elements, one by one; the operands have one shape."""
        shape = operands[0].shape
        flat = [self.small(operand.ravel()) for operand in operands]
        if not flat[0].size:
            return np.zeros(shape, np.int64)
        found = [self.piece_of(operand) for operand in flat]
        code = np.zeros(len(flat[0]), np.int64)
        for pieces in found:
            code = code * len(self.pieces) + pieces
        result = np.empty(len(code), np.int64)
        for value in np.unique(code).tolist():
            rows = np.flatnonzero(code == value)
            roots, letters, columns = list[Expr](), "", list[NDArray[Any]]()
            for operand, pieces in zip(flat, found, strict=True):
                piece = self.pieces[int(pieces[rows[0]])]
                inside = operand[rows] - self.starts[int(pieces[rows[0]])]
                shifted = {
                    slot(letter, k): slot(letter, len(columns) + k) for k, letter in enumerate(piece.letters)
                }
                roots.append(substitute((piece.root,), shifted)[0])
                letters += piece.letters
                columns += [column[inside] for column in piece.columns]
            result[rows] = self.add(operation(*roots), letters, columns, len(rows))
        return result.reshape(shape)

    def small(self, addresses: IntArray) -> IntArray:
        """The same elements; those of large templates are stored first."""
        pieces = self.piece_of(addresses)
        for g in np.unique(pieces).tolist():
            if sum(1 for _ in postorder(self.pieces[g].root)) > _LARGEST:
                here = pieces == g
                addresses = addresses.copy()
                addresses[here] = self.keep(addresses[here])
        return addresses

    def linear(self, indptr: IntArray, places: IntArray, factors: FloatArray, of: IntArray) -> IntArray:
        """Addresses of sum(factors[k] * of[places[k]], k in row): a constant matrix times elements."""
        length = np.diff(indptr)
        result = np.empty(len(length), np.int64)
        for width in np.unique(length).tolist():
            rows = np.flatnonzero(length == width)
            if width > _WIDEST:
                result[rows] = self._wide(indptr, places, factors, of, rows)
                continue
            at = indptr[rows][:, None] + np.arange(width)
            total = self.constant(np.zeros(len(rows)))
            for k in range(width):
                weight = self.constant(factors[at[:, k]])
                total = self.combined(lambda s, c, x: s + c * x, [total, weight, of[places[at[:, k]]]])
            result[rows] = total
        return result

    def _wide(
        self, indptr: IntArray, places: IntArray, factors: FloatArray, of: IntArray, rows: IntArray
    ) -> IntArray:
        length = indptr[rows + 1] - indptr[rows]
        at = np.concatenate([np.arange(indptr[r], indptr[r + 1]) for r in rows.tolist()])
        needed, place = np.unique(of[places[at]], return_inverse=True)
        first, _ = self.new_unknowns(len(needed))
        self.stored.append((first, needed))
        number_of, made = self.new_unknowns(len(rows))
        starts = np.concatenate([[0], np.cumsum(length)])
        self.sums.append((number_of, starts, first + place, factors[at]))
        return made


def refuse(what: str) -> NoReturn:
    raise TraceError(what)


class TracedArray:
    """What stands for an array while a function is traced: addresses in a heap, of any shape."""

    __array_priority__ = 1000.0

    def __init__(self, heap: Heap, address: IntArray) -> None:
        self.heap, self.address = heap, address

    # ---- what an array has ------------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        return self.address.shape

    @property
    def ndim(self) -> int:
        return self.address.ndim

    @property
    def size(self) -> int:
        return self.address.size

    @property
    def dtype(self) -> np.dtype[np.float64]:
        return np.dtype(np.float64)

    @property
    def T(self) -> TracedArray:
        return TracedArray(self.heap, self.address.T)

    def _like(self, address: Any) -> TracedArray:
        return TracedArray(self.heap, np.asarray(address, np.int64))

    def __getitem__(self, index: Any) -> TracedArray:
        if isinstance(index, TracedArray):
            refuse("an index that depends on the values of the array; use np.where")
        return self._like(self.address[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, TracedArray):
            refuse("an index that depends on the values of the array; use np.where")
        if not self.address.flags.writeable:
            self.address = self.address.copy()
        self.address[index] = addresses(self.heap, value)

    def __iter__(self) -> Any:
        return (self._like(row) for row in self.address)

    def reshape(self, *shape: Any) -> TracedArray:
        return self._like(self.address.reshape(*shape))

    def ravel(self) -> TracedArray:
        return self._like(self.address.ravel())

    flatten = ravel

    def transpose(self, *axes: Any) -> TracedArray:
        return self._like(self.address.transpose(*axes))

    def copy(self) -> TracedArray:
        return self._like(self.address.copy())

    def astype(self, *_: Any, **__: Any) -> TracedArray:
        return self

    def sum(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return summed(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        total = summed(self, axis, keepdims)
        return elementwise(self.heap, SYMBOLIC["multiply"], total, total.size / self.size)

    def dot(self, other: Any) -> TracedArray:
        return product(self.heap, self, other)

    def clip(self, low: Any = None, high: Any = None) -> TracedArray:
        result: Any = self
        if low is not None:
            result = np.maximum(result, low)
        if high is not None:
            result = np.minimum(result, high)
        clipped: TracedArray = result
        return clipped

    # ---- what cannot be done ----------------------------------------------------------------------
    def __bool__(self) -> bool:
        refuse("a decision on the values of the array (if, while, and, or); use np.where")

    def __float__(self) -> float:
        refuse(
            "a traced value as an ordinary number: it cannot be stored in an ordinary NumPy array "
            "(np.zeros_like(u) makes one that takes it) nor given to math functions (np.sin traces)"
        )

    __int__ = __index__ = __complex__ = __float__

    # ---- arithmetic -------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "reduce" and ufunc is np.add:
            return summed(inputs[0], options.get("axis", 0), bool(options.get("keepdims")))
        out = options.pop("out", (None,))[0]
        name = ufunc.__name__
        if method != "__call__" or set(options) - {"where"} or options.get("where", True) is not True:
            refuse(f"np.{name}.{method} with {', '.join(options) or 'these arguments'}")
        if name == "matmul":
            result = product(self.heap, *inputs)
        elif name in SYMBOLIC:
            result = elementwise(self.heap, SYMBOLIC[name], *inputs)
        else:
            refuse(f"np.{name}")
        if out is None:
            return result
        if not isinstance(out, TracedArray):
            refuse("an ordinary NumPy array that takes traced values; make it with np.zeros_like(u)")
        out[...] = result
        return out

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from symnum.lowering.trace import FUNCTIONS

        name = function.__name__
        if name not in FUNCTIONS:
            refuse(f"np.{name}")
        return FUNCTIONS[name](self.heap, *args, **kwargs)

    def _binary(self, name: str, other: Any, swapped: bool = False) -> Any:
        if type(other).__module__.startswith("scipy.sparse") and name != "matmul":
            refuse("a sparse matrix in elementwise arithmetic")
        pair = (other, self) if swapped else (self, other)
        if name == "matmul":
            return product(self.heap, *pair)
        return elementwise(self.heap, SYMBOLIC[name], *pair)

    def __neg__(self) -> Any:
        return elementwise(self.heap, SYMBOLIC["negative"], self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return elementwise(self.heap, SYMBOLIC["absolute"], self)

    def __invert__(self) -> Any:
        return elementwise(self.heap, SYMBOLIC["logical_not"], self)

    def __eq__(self, other: object) -> Any:
        refuse("== between arrays; compare with < or >, or use np.where on a constant mask")

    __hash__ = None  # type: ignore[assignment]


def _install() -> None:
    """The operators of Python, each by the NumPy function of its name."""
    names = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
        "matmul": "matmul", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
        "and": "logical_and", "or": "logical_or",
    }  # fmt: skip
    for operator, name in names.items():

        def forward(self: TracedArray, other: Any, name: str = name) -> Any:
            return self._binary(name, other)

        def backward(self: TracedArray, other: Any, name: str = name) -> Any:
            return self._binary(name, other, swapped=True)

        setattr(TracedArray, f"__{operator}__", forward)
        if operator not in ("lt", "le", "gt", "ge"):
            setattr(TracedArray, f"__r{operator}__", backward)


_install()


def addresses(heap: Heap, value: Any) -> IntArray:
    """Addresses of an array, a number, or a list of such."""
    if isinstance(value, TracedArray):
        return value.address
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.dtype.kind == "O"):
        parts = [addresses(heap, item) for item in value]
        shapes = {part.shape for part in parts}
        if len(shapes) > 1:
            refuse(f"a list of parts with the shapes {', '.join(map(str, sorted(shapes)))}")
        if parts:
            return np.stack(parts)
    if isinstance(value, Expr):
        refuse(f"the expression {value}; give parameters to the function by parameters=")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        refuse(f"values of type {array.dtype}")
    return heap.constant(array)


def elementwise(heap: Heap, operation: Callable[..., Expr], *operands: Any) -> TracedArray:
    """An operation over elements, with NumPy's broadcasting."""
    spread = np.broadcast_arrays(*(addresses(heap, operand) for operand in operands))
    return TracedArray(heap, heap.combined(operation, [np.array(part) for part in spread]))


def summed(array: TracedArray, axis: Any, keepdims: bool = False) -> TracedArray:
    """The sum over axes (all for None)."""
    heap, table = array.heap, array.address
    axes = tuple(range(table.ndim)) if axis is None else tuple(np.atleast_1d(axis) % max(table.ndim, 1))
    kept = [a for a in range(table.ndim) if a not in axes]
    shape = tuple(table.shape[a] for a in kept)
    rows = table.transpose(*kept, *axes).reshape(int(np.prod(shape)), -1)
    width = rows.shape[1]
    indptr = np.arange(len(rows) + 1) * width
    total = heap.linear(indptr, np.arange(rows.size), np.ones(rows.size), rows.ravel())
    if keepdims:
        shape = tuple(1 if a in axes else n for a, n in enumerate(table.shape))
    return TracedArray(heap, total.reshape(shape))


def product(heap: Heap, left: Any, right: Any) -> TracedArray:
    """A matrix product of which one factor is constant (dense or sparse)."""
    if isinstance(left, TracedArray) and isinstance(right, TracedArray):
        if left.ndim == right.ndim == 1:
            return summed(elementwise(heap, SYMBOLIC["multiply"], left, right), None)
        if left.ndim == 2 and right.ndim == 1:
            return summed(elementwise(heap, SYMBOLIC["multiply"], left, right), 1)
        refuse("a matrix product of two traced matrices; write it with sums")
    if isinstance(left, TracedArray):
        if left.ndim == 1:
            return product(heap, _transposed(right), left)
        turned = product(heap, _transposed(right), left.T)
        return turned.T
    from scipy.sparse import csr_array

    matrix = csr_array(left)
    table = addresses(heap, right)
    if table.ndim not in (1, 2) or matrix.shape[1] != table.shape[0]:
        refuse(f"a matrix product of shapes {matrix.shape} and {table.shape}")
    columns = table.reshape(len(table), -1)
    width = columns.shape[1]
    # row r of the matrix with column j: all rows for j = 0, then for j = 1, ...
    counts = np.tile(np.diff(matrix.indptr), width)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    places = (matrix.indices[None, :] + len(table) * np.arange(width)[:, None]).ravel()
    factors = np.tile(np.asarray(matrix.data, float), width)
    result = heap.linear(indptr, places, factors, columns.T.ravel())
    shaped = result.reshape(width, matrix.shape[0]).T
    return TracedArray(heap, np.ascontiguousarray(shaped if table.ndim == 2 else shaped[:, 0]))


def _transposed(matrix: Any) -> Any:
    return matrix.T if hasattr(matrix, "T") else np.asarray(matrix).T
