"""Ordinary NumPy functions become systems: the function runs once on arrays that remember what is done."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, TraceError
from symnum.language.block import (
    Block,
    Column,
    GridNames,
    IndexedEquation,
    IndexedSums,
    Quantities,
    References,
)
from symnum.language.system import System
from symnum.language.variables import checked_name, parameter
from symnum.lowering.traced_array import (
    Heap,
    TracedArray,
    addresses,
    elementwise,
    product,
    refuse,
    summed,
)
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.numpy_functions import SYMBOLIC
from symnum.rewriting.operators import ifelse
from symnum.rewriting.walk import substitute

IntArray = NDArray[np.int64]


def trace(
    function: Callable[..., Any],
    shape: int | Sequence[int],
    *,
    name: str | None = None,
    parameters: Mapping[str, float] | None = None,
) -> System:
    """The system D(u) = function(u), or function(t, u) with two arguments as SciPy has them, over an array.

    shape: of u, and of what the function returns. parameters: {name: usual value} of further arguments of the
    function, given by name, which become parameters of the system. The unknowns are called u[0,0], ...;
    ``sn.Problem(system, {"u": array})`` starts it and ``sol["u"]`` is an array over times and elements.
    Slicing, shifts, padding, stacking, arithmetic, np.where, products with constant (sparse) matrices, sums
    and assignments to slices are traced; what is not raises `TraceError` with the line of the function.
    """
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if not sizes or not all(isinstance(n, (int, np.integer)) and n > 0 for n in sizes):
        raise ModelError(f"trace: shape={shape!r}: give positive whole numbers")
    title = checked_name(name or getattr(function, "__name__", "traced").replace("<lambda>", "traced"))
    heap = Heap()
    heap.unknowns = int(np.prod(sizes))
    own = heap.add(slot("u", 0), "u", [np.arange(heap.unknowns)], heap.unknowns).reshape(sizes)
    symbols = [parameter(value, name=key) for key, value in (parameters or {}).items()]
    given = {
        symbol.name: TracedArray(heap, heap.add(slot("p", 0), "p", [np.array([k])], 1).reshape(()))
        for k, symbol in enumerate(symbols)
    }
    result = _called(function, TracedArray(heap, own.copy()), heap, given, title)
    try:
        table = addresses(heap, result)
    except TraceError as error:
        raise TraceError(f"trace: {title} returns {error}") from error
    if table.shape != sizes:
        raise TraceError(f"trace: {title} returns shape {table.shape} for an argument of shape {sizes}")
    return _Assembly(heap, sizes, symbols, title).system(table.ravel())


def _called(
    function: Callable[..., Any], u: TracedArray, heap: Heap, given: Mapping[str, Any], title: str
) -> Any:
    try:
        positional = [
            p
            for p in inspect.signature(function).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            and p.default is p.empty
            and p.name not in given
        ]
    except (TypeError, ValueError):  # a compiled function without a signature
        positional = [None]  # type: ignore[list-item]
    if len(positional) not in (1, 2):
        named = ", ".join(p.name for p in positional)
        raise ModelError(
            f"trace: {title} takes ({named}); it takes (u) or (t, u), and what is named in parameters="
        )
    time = TracedArray(heap, heap.add(TIME, "", [], 1).reshape(()))
    try:
        return function(*((u,) if len(positional) == 1 else (time, u)), **given)
    except Exception as error:
        where = _line_in(function, error.__traceback__)
        refused = _refusal(error)
        if refused is not None:
            raise TraceError(f"trace: {title} cannot be traced{where}: {refused}") from error
        raise TraceError(f"trace: {title} fails{where}: {type(error).__name__}: {error}") from error


def _refusal(error: BaseException | None) -> TraceError | None:
    """What was refused: NumPy wraps the errors of values that it is given to store."""
    while error is not None and not isinstance(error, TraceError):
        error = error.__cause__ or error.__context__
    return error


def _line_in(function: Callable[..., Any], trail: TracebackType | None) -> str:
    """The last line of the user's own file on the way to an error."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ""
    lines = [frame for frame in traceback.extract_tb(trail) if frame.filename == code.co_filename]
    return f" at line {lines[-1].lineno}, `{lines[-1].line}`" if lines else ""


class _Assembly:
    """From addresses to a block of equations."""

    def __init__(self, heap: Heap, shape: tuple[int, ...], symbols: list[Expr], title: str) -> None:
        self.heap, self.title = heap, title
        axes = tuple((f"index_{a}", np.arange(n, dtype=float)) for a, n in enumerate(shape))
        self.u = Quantities("variable", GridNames("u", shape), axes=axes)
        extra = heap.unknowns - len(self.u)
        self.inner = Quantities("variable", GridNames("inner", (extra,))) if extra else None
        self.symbols = References(tuple(symbols)) if symbols else None

    def system(self, result: IntArray) -> System:
        equations = self.rows(result, np.arange(len(self.u)), True, "u")
        for first, kept in self.heap.stored:
            equations += self.rows(kept, first + np.arange(len(kept)), False, "inner")
        quantities = tuple(q for q in (self.u, self.inner, self.symbols) if q is not None)
        return System(self.title, [Block(quantities, tuple(equations), self.sums())])

    def rows(
        self, elements: IntArray, targets: IntArray, derivative: bool, what: str
    ) -> list[IndexedEquation]:
        """target (or its derivative) == element, a family for each piece."""
        heap = self.heap
        found = []
        pieces = heap.piece_of(elements)
        for g in np.unique(pieces).tolist():
            piece, here = heap.pieces[g], np.flatnonzero(pieces == g)
            inside = elements[here] - heap.starts[g]
            columns = [self.column(targets[here], derivative)]
            mapping = {slot(letter, k): slot(letter, k + 1) for k, letter in enumerate(piece.letters)}
            for letter, column in zip(piece.letters, piece.columns, strict=True):
                if letter == "u":
                    columns.append(self.column(np.asarray(column[inside], np.int64), False))
                elif letter == "p":
                    columns.append(Column(self.symbols, np.asarray(column[inside], np.int64)))
                else:
                    columns.append(Column(None, column[inside]))
            (root,) = substitute((piece.root,), mapping)
            found.append(
                IndexedEquation(slot("u", 0) - root, tuple(columns), _labels(self.title, what, targets[here]))
            )
        return found

    def column(self, numbers: IntArray, derivative: bool) -> Column:
        if self.inner is None or int(numbers.max()) < len(self.u):
            return Column(self.u, numbers, derivative)
        return Column((self.u, self.inner), numbers, derivative)

    def sums(self) -> tuple[IndexedSums, ...]:
        made = []
        for first, indptr, numbers, factors in self.heap.sums:
            assert self.inner is not None
            rows = len(indptr) - 1
            unknown = np.insert(numbers, indptr[1:], first + np.arange(rows))
            coefficient = np.insert(factors, indptr[1:], -1.0)
            starts = indptr + np.arange(rows + 1)
            label = _labels(self.title, "inner", first + np.arange(rows))
            made.append(IndexedSums((self.u, self.inner), starts, unknown, coefficient, label))
        return tuple(made)


def _labels(title: str, what: str, targets: IntArray) -> Callable[[int], str]:
    return lambda copy: f"{title}, element {int(targets[copy])} of {what}"


# ---- NumPy's functions ----------------------------------------------------------------------------
def _structural(name: str) -> Callable[..., Any]:
    """A function that moves elements about: NumPy's own, on the addresses."""

    def moved(heap: Heap, *args: Any, **options: Any) -> Any:
        def table(value: Any) -> Any:
            if isinstance(value, TracedArray):
                return value.address
            if isinstance(value, (list, tuple)) and any(isinstance(item, TracedArray) for item in value):
                return type(value)([addresses(heap, item) for item in value])
            return value

        result = getattr(np, name)(*map(table, args), **{key: table(value) for key, value in options.items()})
        if isinstance(result, (list, tuple)):
            return [TracedArray(heap, np.asarray(part, np.int64)) for part in result]
        return TracedArray(heap, np.asarray(result, np.int64))

    return moved


def _pad(heap: Heap, array: TracedArray, width: Any, mode: str = "constant", **options: Any) -> TracedArray:
    if mode == "constant":
        filling = addresses(heap, options.get("constant_values", 0))
        if filling.ndim:
            refuse("np.pad with several constants")
        return TracedArray(heap, np.pad(array.address, width, constant_values=int(filling)))
    if mode not in ("wrap", "edge", "reflect", "symmetric"):
        refuse(f"np.pad with mode={mode!r}")
    return TracedArray(heap, np.pad(array.address, width, mode=mode, **options))  # type: ignore[call-overload]


def _where(heap: Heap, condition: Any, *choices: Any) -> TracedArray:
    if len(choices) != 2:
        refuse("np.where with a condition alone")
    if not isinstance(condition, TracedArray):
        mask = np.asarray(condition, bool)
        return TracedArray(heap, np.where(mask, *(addresses(heap, choice) for choice in choices)))
    return elementwise(heap, ifelse, condition, *choices)


def _filled(value: float) -> Callable[..., TracedArray]:
    def like(heap: Heap, array: Any, *_: Any, shape: Any = None, **__: Any) -> TracedArray:
        return TracedArray(heap, heap.constant(np.full(np.shape(array) if shape is None else shape, value)))

    return like


def _full_like(heap: Heap, array: Any, value: Any, *_: Any, **__: Any) -> TracedArray:
    return TracedArray(heap, np.broadcast_to(addresses(heap, value), np.shape(array)).copy())


def _sum(heap: Heap, array: Any, axis: Any = None, keepdims: Any = False, **_: Any) -> TracedArray:
    return summed(TracedArray(heap, addresses(heap, array)), axis, bool(keepdims))


def _mean(heap: Heap, array: TracedArray, axis: Any = None, keepdims: Any = False, **_: Any) -> TracedArray:
    return array.mean(axis, bool(keepdims))


def _diff(heap: Heap, array: TracedArray, n: int = 1, axis: int = -1) -> Any:
    result: Any = array
    for _ in range(n):
        before = [slice(None)] * result.ndim
        behind = list(before)
        before[axis], behind[axis] = slice(None, -1), slice(1, None)
        result = result[tuple(behind)] - result[tuple(before)]
    return result


def _gradient(heap: Heap, array: TracedArray, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences inside, one-sided ones of first order at the ends, as np.gradient has them."""
    if edge_order != 1 or any(np.ndim(h) for h in spacing):
        refuse("np.gradient with coordinates or edge_order=2")
    axes = list(range(array.ndim)) if axis is None else [int(a) for a in np.atleast_1d(axis)]
    steps = list(spacing) or [1.0]
    steps = steps * len(axes) if len(steps) == 1 else steps
    found = []
    for a, h in zip(axes, steps, strict=True):
        moved: Any = TracedArray(heap, np.moveaxis(array.address, a, 0))
        inner = (moved[2:] - moved[:-2]) / (2 * h)
        ends = [(moved[1:2] - moved[:1]) / h, (moved[-1:] - moved[-2:-1]) / h]
        table = np.concatenate([ends[0].address, inner.address, ends[1].address])
        found.append(TracedArray(heap, np.moveaxis(table, 0, a)))
    return found[0] if len(found) == 1 else found


def _dot(heap: Heap, left: Any, right: Any) -> TracedArray:
    if np.ndim(left) == 0 or np.ndim(right) == 0:
        return elementwise(heap, SYMBOLIC["multiply"], left, right)
    return product(heap, left, right)


def _clip(heap: Heap, array: Any, low: Any = None, high: Any = None) -> TracedArray:
    return TracedArray(heap, addresses(heap, array)).clip(low, high)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: _structural(name)
        for name in (
            "roll",
            "transpose",
            "reshape",
            "ravel",
            "concatenate",
            "stack",
            "vstack",
            "hstack",
            "dstack",
            "column_stack",
            "flip",
            "fliplr",
            "flipud",
            "rot90",
            "moveaxis",
            "swapaxes",
            "expand_dims",
            "squeeze",
            "broadcast_to",
            "take",
            "repeat",
            "tile",
            "split",
            "array_split",
            "diagonal",
            "copy",
            "atleast_1d",
            "atleast_2d",
            "insert",
            "append",
            "delete",
        )
    },
    "pad": _pad,
    "where": _where,
    "zeros_like": _filled(0.0),
    "empty_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "full_like": _full_like,
    "sum": _sum,
    "mean": _mean,
    "diff": _diff,
    "gradient": _gradient,
    "dot": _dot,
    "clip": _clip,
    "shape": lambda heap, array: np.shape(addresses(heap, array)),
    "ndim": lambda heap, array: addresses(heap, array).ndim,
    "size": lambda heap, array: addresses(heap, array).size,
}
