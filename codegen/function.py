"""The intermediate representation: a function is a list of loops over families, and of sparse sums.

A `Loop` evaluates one template (several expressions over numbered slots) for `count` copies; a column per
slot says what that slot reads in each copy. What does not repeat is a loop of one copy. A `Gather` sums
products over the rows of a sparse table: Kirchhoff's law, stoichiometry. Both write to `out` or to scratch
`w`, which later items may read.

Spaces: ``u`` unknowns, ``p`` parameters, ``w`` scratch, ``c`` numbers given per copy, ``out`` the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import is_
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from symnum.codegen import cache
from symnum.codegen.arrays import Arrays, Remembered
from symnum.codegen.runs import are_distinct, runs_of
from symnum.errors import CodegenError
from symnum.record import record, replace
from symnum.rewriting.expr import TIME, Expr, slot
from symnum.rewriting.walk import leaves, postorder, substitute

__all__ = [
    "Column",
    "Function",
    "Gather",
    "Item",
    "Loop",
    "Output",
    "compact",
    "digest",
    "item_outputs",
    "prune",
    "reads",
    "template_text",
]

Array: TypeAlias = npt.NDArray[Any]

_LARGE = 4096  # places from which stores are checked by their runs
_FEW = 64  # copies up to which one look at all columns is faster than one at each


class Column(NamedTuple):
    """What one slot reads: ``index`` (count,) places in ``space``; for space ``c`` the numbers themselves."""

    space: str
    index: Array  # type: ignore[assignment]  # hides tuple.index, which means nothing here


class Output(NamedTuple):
    """Where one root is written: ``index`` (count,) positions in ``out`` or ``w``.

    No two stores of a function write the same place. With ``accumulate`` the value is added to what earlier
    items wrote there; places may then repeat.
    """

    space: str
    index: Array  # type: ignore[assignment]
    accumulate: bool = False


@record
class Loop:
    """``roots`` for every copy; slot number k reads ``columns[k]``, root number k goes to ``outputs[k]``.

    A copy reads nothing that the loop itself writes, so the copies may run in any order.
    """

    name: str
    count: int
    roots: tuple[Expr, ...]
    columns: tuple[Column, ...]
    outputs: tuple[Output, ...]

    def __post_init__(self) -> None:
        where = f"loop {self.name!r}"
        columns = tuple(Column(c.space, _positions(c.space, c.index)) for c in self.columns)
        outputs = tuple(
            Output(o.space, _positions(o.space, o.index), bool(o.accumulate)) for o in self.outputs
        )
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "outputs", outputs)
        _require(self.count >= 1, where, f"has {self.count} copies; leave empty loops out")
        _require(
            len(self.roots) == len(outputs), where, f"has {len(self.roots)} roots, {len(outputs)} outputs"
        )
        for k, column in enumerate(columns):
            _require(
                column.space in ("u", "p", "w", "c"),
                where,
                f"column {k} is in unknown space {column.space!r}",
            )
            _require(column.index.shape == (self.count,), where, f"column {k} has shape {column.index.shape}")
        for k, output in enumerate(outputs):
            _require(output.space in ("out", "w"), where, f"output {k} is in unknown space {output.space!r}")
            _require(output.index.shape == (self.count,), where, f"output {k} has shape {output.index.shape}")
        for leaf in leaves(self.roots):
            if leaf is TIME:
                continue
            if leaf.op != "slot":
                raise CodegenError(f"{where}: {leaf} is no slot; lowering must replace every name by a slot")
            letter, k = leaf.data
            if not 0 <= k < len(columns):
                raise CodegenError(f"{where}: slot {letter}{k} has no column")
            if columns[k].space != letter:
                raise CodegenError(f"{where}: slot {letter}{k} has a column of space {columns[k].space!r}")


@record
class Gather:
    """Row r of ``output``: the sum of coefficient[k]*space[first[k]] (*space[second[k]]).

    k runs over indptr[r]:indptr[r+1].
    """

    name: str
    output: Output
    indptr: Array
    space: str
    first: Array
    second: Array | None
    coefficient: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        where = f"gather {self.name!r}"
        output = Output(self.output.space, _positions("w", self.output.index), bool(self.output.accumulate))
        object.__setattr__(self, "output", output)
        object.__setattr__(self, "indptr", np.ascontiguousarray(self.indptr, np.int32))
        object.__setattr__(self, "first", _positions("w", self.first))
        object.__setattr__(self, "coefficient", _positions("c", self.coefficient))
        if self.second is not None:
            object.__setattr__(self, "second", _positions("w", self.second))
        rows, terms = len(output.index), len(self.first)
        _require(rows >= 1, where, "has no rows; leave empty gathers out")
        _require(self.space in ("u", "p", "w"), where, f"reads unknown space {self.space!r}")
        _require(output.space in ("out", "w"), where, f"writes unknown space {output.space!r}")
        _require(
            self.indptr.shape == (rows + 1,), where, f"has {rows} rows, but indptr has {self.indptr.shape}"
        )
        _require(
            self.indptr[0] == 0 and self.indptr[-1] == terms and bool(np.all(np.diff(self.indptr) >= 0)),
            where, "needs an indptr that grows from 0 to the number of terms",
        )  # fmt: skip
        _require(
            len(self.coefficient) == terms, where, f"has {terms} terms, {len(self.coefficient)} coefficients"
        )
        _require(self.second is None or len(self.second) == terms, where, f"has {terms} first factors only")


Item: TypeAlias = Loop | Gather


@record
class Function:
    """``out = f(t, u, p)``, items in dependency order; places of ``out`` that none writes stay as they were.

    ``n_work``: scratch needed. The first ``n_prepared`` places of scratch were written by ``setup``.
    """

    name: str
    items: tuple[Item, ...]
    n_out: int
    n_work: int
    n_prepared: int = 0

    def __post_init__(self) -> None:
        sizes = {"out": self.n_out, "w": self.n_work}
        distinct = self._writes_each_place_once()
        written = {space: np.zeros(size, bool) for space, size in sizes.items()}
        written["w"][: self.n_prepared] = True
        for item in self.items:
            where = f"function {self.name!r}, item {item.name!r}"
            for space, index in reads(item):
                _require(_bounds(index)[0] >= 0, where, f"reads {space} at a negative place")
                if space == "w":
                    _in_range(index, self.n_work, where, "reads w")
                    late = index[~written["w"][index]]
                    _require(
                        not len(late), where, f"reads w[{late[0] if len(late) else 0}] before it is written"
                    )
            outputs = item_outputs(item)
            for output in outputs:
                _in_range(output.index, sizes[output.space], where, f"writes {output.space}")
                if not (distinct and output.space == "out"):
                    _store(output, written[output.space], where)
            if any(output.space == "w" for output in outputs):
                own = np.zeros(self.n_work, bool)
                for output in outputs:
                    if output.space == "w":
                        own[output.index] = True
                for space, index in reads(item):
                    if space == "w" and len(clash := index[own[index]]):
                        raise CodegenError(f"{where} reads w[{clash[0]}], which it writes itself")

    def _writes_each_place_once(self) -> bool:
        """Whether runs alone show that large stores to ``out`` are valid."""
        outputs = [o for item in self.items for o in item_outputs(item) if o.space == "out"]
        large = sum(len(output.index) for output in outputs) >= _LARGE
        stored = large and not any(output.accumulate for output in outputs)
        return stored and are_distinct([output.index for output in outputs])

    def check(self, n: int, n_parameters: int) -> None:
        """Raise `CodegenError` where an item reads beyond ``n`` unknowns or ``n_parameters`` parameters."""
        sizes = {"u": n, "p": n_parameters}
        for item in self.items:
            for space, index in reads(item):
                if space in sizes:
                    _in_range(
                        index, sizes[space], f"function {self.name!r}, item {item.name!r}", f"reads {space}"
                    )


def reads(item: Item) -> Iterator[tuple[str, Array]]:
    """(space, positions) of everything an item reads, columns of few copies taken together."""
    if isinstance(item, Gather):
        if len(item.first):
            yield item.space, item.first
            if item.second is not None:
                yield item.space, item.second
        return
    for space in ("u", "p", "w"):
        columns = [column.index for column in item.columns if column.space == space]
        if item.count > _FEW:
            yield from ((space, index) for index in columns)
        elif columns:
            yield space, np.concatenate(columns)


def item_outputs(item: Item) -> tuple[Output, ...]:
    """The outputs of a loop or a gather."""
    return item.outputs if isinstance(item, Loop) else (item.output,)


def compact(loop: Loop) -> Loop:
    """The same loop without unused columns and with equal columns merged; itself where there are none."""
    mapping: dict[Expr, Expr] = {}
    columns: list[Column] = []
    arrays, known = Arrays(), dict[tuple[str, int], int]()
    for leaf in leaves(loop.roots):
        if leaf is not TIME:
            column = loop.columns[leaf.data[1]]
            k = known.setdefault((column.space, arrays.number(column.index)), len(columns))
            if k == len(columns):
                columns.append(column)
            mapping[leaf] = slot(column.space, k)
    if len(columns) == len(loop.columns):
        return loop
    return Loop(loop.name, loop.count, substitute(loop.roots, mapping), tuple(columns), loop.outputs)


def prune(function: Function) -> Function:
    """The same function without scratch values that nothing reads."""
    needed = np.zeros(function.n_work, bool)
    kept: list[Item] = []
    for item in reversed(function.items):
        live = [output.space == "out" or bool(needed[output.index].any()) for output in item_outputs(item)]
        if not any(live):
            continue
        if isinstance(item, Loop) and not all(live):
            roots = tuple(root for root, wanted in zip(item.roots, live, strict=True) if wanted)
            outputs = tuple(output for output, wanted in zip(item.outputs, live, strict=True) if wanted)
            item = compact(Loop(item.name, item.count, roots, item.columns, outputs))
        for space, index in reads(item):
            if space == "w":
                needed[index] = True
        for output in item_outputs(item):
            if output.accumulate and output.space == "w":
                needed[output.index] = True  # whoever writes the places that are added to must stay
        kept.append(item)
    kept.reverse()
    same = len(kept) == len(function.items) and all(map(is_, kept, function.items))
    return function if same else replace(function, items=tuple(kept))


def _positions(space: str, index: Array) -> Array:
    kind = np.float64 if space == "c" else np.int32
    if isinstance(index, np.ndarray) and index.strides == (0,) and len(index) > 1:
        return np.broadcast_to(index[:1].astype(kind), len(index))  # one for all copies takes no memory
    return np.ascontiguousarray(index, kind)


def _require(condition: bool, where: str, problem: str) -> None:
    if not condition:
        raise CodegenError(f"{where} {problem}")


_bounds = Remembered(lambda index: (int(index.min()), int(index.max())) if len(index) else (0, -1))


def _in_range(index: Array, size: int, where: str, what: str) -> None:
    least, greatest = _bounds(index)
    if least < 0 or greatest >= size:
        bad = int(index.max()) if int(index.max()) >= size else int(index.min())
        raise CodegenError(f"{where} {what}[{bad}], but {what.split()[-1]} has {size} places")


def _store(output: Output, written: npt.NDArray[np.bool_], where: str) -> None:
    if output.accumulate:
        early = output.index[~written[output.index]]
        _require(
            not len(early),
            where,
            f"adds to {output.space}[{early[0] if len(early) else 0}], which nothing wrote",
        )
        return
    index = output.index
    before = int(np.count_nonzero(written))
    places = _consecutive(index)
    old = written.copy() if places is None else written[places].copy()
    written[index if places is None else places] = True
    if int(np.count_nonzero(written)) == before + len(index):
        return
    twice = index[old[index]] if places is None else index[old]
    _require(not len(twice), where, f"writes {output.space}[{twice[0] if len(twice) else 0}] a second time")
    raise CodegenError(f"{where} writes a place of {output.space} in two copies")


def _consecutive(index: Array) -> slice | None:
    """The places as a slice where they follow one another."""
    first, last = int(index[0]), int(index[-1])
    if last - first != len(index) - 1 or not bool((index[1:] > index[:-1]).all()):
        return None
    return slice(first, last + 1)


# ---- identity -------------------------------------------------------------------------------------
@lru_cache(maxsize=512)
def template_text(roots: tuple[Expr, ...]) -> str:
    """The template as text, node by node: the same in every process."""
    number: dict[Expr, int] = {}
    lines: list[str] = []
    for k, expr in enumerate(postorder(roots)):
        number[expr] = k
        data = "t" if expr is TIME else repr(expr.data)
        lines.append(f"{expr.op} {' '.join(str(number[arg]) for arg in expr.args)} {data}")
    lines.append(" ".join(str(number[root]) for root in roots))
    return "\n".join(lines)


def _parts(item: Item) -> Iterator[bytes | str]:
    yield f"{type(item).__name__} {item.name}"
    if isinstance(item, Loop):
        yield f"{item.count} {' '.join(c.space for c in item.columns)}"
        yield template_text(item.roots)
        yield from (part for column in item.columns for part in _content(column.index))
    else:
        yield f"{item.space} {item.second is not None}"
        yield from (
            a.tobytes() for a in (item.indptr, item.first, item.second, item.coefficient) if a is not None
        )
    for output in item_outputs(item):
        yield f"{output.space} {output.accumulate}"
        yield from _content(output.index)


def _content(index: Array) -> Iterator[bytes | str]:
    """What a column holds; runs say it in fewer bytes."""
    runs = runs_of(index) if len(index) >= _LARGE and index.dtype == np.int32 else None
    if runs is None:
        yield index.tobytes()
    else:
        yield f"runs {runs.step}"
        yield runs.start.tobytes()
        yield runs.first.tobytes()


def digest(function: Function | Iterable[Function]) -> str:
    """Content hash of one function, or several: equal in every process for equal functions."""
    functions = (function,) if isinstance(function, Function) else tuple(function)
    parts: list[bytes | str] = []
    for f in functions:
        parts.append(f"{f.name} {f.n_out} {f.n_work} {f.n_prepared} {len(f.items)}")
        for item in f.items:
            parts.extend(_parts(item))
    return cache.digest(*parts)
