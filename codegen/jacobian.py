"""The exact sparse Jacobian of a function, by forward accumulation over its tables.

Each template is differentiated once. The derivatives of a scratch value with respect to the unknowns are a
sparse row of references to values; a reader of the scratch value multiplies these rows by its own partial
derivatives. All of it happens on index arrays, for all copies together: nothing here runs once per copy.

An entry that is one value times +-1 is an alias: nothing is computed for it, and the value may be stored in
its final place directly. Constant, parameter-only and changing entries are kept apart, so that `hoist` can
move all but the last to ``setup``.

References: places of ``w`` below ``function.n_work`` are the function's own scratch; those from there on
are values of the Jacobian, numbered as they arise and put in place at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from symnum.codegen.function import Array, Column, Function, Gather, Item, Loop, Output, compact, prune
from symnum.codegen.hoist import parameter_only_columns, parameter_only_scratch
from symnum.codegen.sums import NONE, Terms, join, reference, space_of, sum_items
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import TIME, Expr
from symnum.rewriting.walk import leaves

__all__ = ["JacobianPlan", "jacobian"]


@dataclass(frozen=True, eq=False)
class JacobianPlan:
    """df/du in CSC form: ``function`` writes all its values; rows are sorted in each column.

    ``indptr`` (n + 1,) and ``indices`` (nnz,) are int64.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    function: Function


class _Entries(NamedTuple):
    """Derivatives: d(row)/d(column) = coefficient * reference, or the coefficient alone (`NONE`)."""

    row: Array
    column: Array
    coefficient: npt.NDArray[np.float64]
    reference: Array

    def take(self, which: Array) -> _Entries:
        return _Entries(*(f[which] for f in self))


def _join_entries(parts: list[_Entries]) -> _Entries:
    if not parts:
        return _Entries(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    return _Entries(*(np.concatenate([part[k] for part in parts]) for k in range(4)))


@dataclass
class _Partials:
    """Values computed along with item number ``item``: root -> number of its value in the first copy."""

    item: int
    first: dict[Expr, int] = field(default_factory=dict)


@dataclass
class _Sums:
    """Values ``first + r`` that are sums of products; all changing, or all parameter-only."""

    name: str
    first: int
    count: int
    terms: Terms


class _Forward:
    """The sweep over the items: which derivatives there are, and which values they need."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.steps: list[_Partials | _Sums] = []
        self.n_values = function.n_work  # values are numbered after the function's own scratch
        self.changing = ~parameter_only_scratch(function)  # by reference into w
        self.known = _join_entries([])  # derivatives of scratch, sorted by row
        self.start = np.zeros(function.n_work + 1, np.int64)
        self.waiting: list[tuple[Array, Terms]] = []  # (column, terms) of scratch not yet summed up
        self.final: list[tuple[Array, Terms]] = []  # the same of `out`
        for number, item in enumerate(function.items):
            if self.waiting and self._reads_scratch(item):
                self._finish_scratch()
            if isinstance(item, Loop):
                self._loop(number, item)
            else:
                self._gather(item)
        self.result = self._collect(function.name, self.final)

    @staticmethod
    def _reads_scratch(item: Item) -> bool:
        return item.space == "w" if isinstance(item, Gather) else any(c.space == "w" for c in item.columns)

    def new_values(self, count: int, changing: bool) -> int:
        first = self.n_values
        self.n_values += count
        self.changing = np.concatenate([self.changing, np.full(count, changing)])
        return first

    # ---- one item -------------------------------------------------------------------------------
    def _loop(self, number: int, loop: Loop) -> None:
        wanted = [
            leaf for leaf in leaves(loop.roots) if leaf is not TIME and self._differentiable(loop, leaf)
        ]
        if not wanted:
            return
        fixed = parameter_only_columns(loop, self.changing)
        partials = _Partials(number)
        self.steps.append(partials)
        values: dict[Expr, tuple[npt.NDArray[np.float64] | float, Array | int]] = {}
        for output, row in zip(loop.outputs, gradient(loop.roots, wanted), strict=True):
            for leaf, expression in row.items():
                if expression not in values:
                    values[expression] = self._value(loop, expression, partials, fixed)
                coefficient, value = values[expression]
                column = loop.columns[leaf.data[1]]
                parts = (np.broadcast_to(coefficient, loop.count), np.broadcast_to(value, loop.count))
                self._chain(output, np.arange(loop.count), output.index, column.space, column.index, *parts)

    def _differentiable(self, loop: Loop, leaf: Expr) -> bool:
        column: Column = loop.columns[leaf.data[1]]
        if column.space == "w":
            return bool((self.start[column.index + 1] > self.start[column.index]).any())
        return column.space == "u"

    def _value(
        self, loop: Loop, expression: Expr, partials: _Partials, fixed: list[bool]
    ) -> tuple[npt.NDArray[np.float64] | float, Array | int]:
        """(coefficient, reference) of a partial derivative; a value is made if it is no number or place."""
        if expression.op == "number":
            return float(expression.data), NONE
        coefficient = 1.0
        if expression.op == "+" and len(expression.args) == 1 and not expression.data[0]:
            coefficient = float(expression.data[1][0])
            expression = expression.args[0]
        if expression.op == "slot":
            column = loop.columns[expression.data[1]]
            if column.space == "c":
                return coefficient * column.index, NONE
            return coefficient, reference(column.space, column.index)
        if expression not in partials.first:
            changing = any(leaf is TIME or not fixed[leaf.data[1]] for leaf in leaves(expression))
            partials.first[expression] = self.new_values(loop.count, changing)
        return coefficient, partials.first[expression] + np.arange(loop.count)

    def _gather(self, gather: Gather) -> None:
        if gather.space == "p":
            return
        row = np.repeat(gather.output.index, np.diff(gather.indptr))
        copies = np.arange(len(gather.first))
        factors = [(gather.first, gather.second)]
        if gather.second is not None:
            factors.append((gather.second, gather.first))
        for mine, other in factors:
            value = np.full(len(mine), NONE) if other is None else reference(gather.space, other)
            self._chain(gather.output, copies, row, gather.space, mine, gather.coefficient, value)

    def _chain(
        self, output: Output, copies: Array, row: Array, space: str, index: Array,
        coefficient: npt.NDArray[np.float64], value: Array,
    ) -> None:  # fmt: skip
        """Add d(output)/d(space[index]) = coefficient * value, times the derivatives of space[index]."""
        if space == "u":
            none = np.full(len(row), NONE, np.int64)
            column, terms = index, Terms(row, coefficient, value, none)
        else:
            count = self.start[index + 1] - self.start[index]
            copy = np.repeat(copies, count)
            inner = np.repeat(self.start[index] - np.cumsum(count) + count, count) + np.arange(len(copy))
            known = self.known.take(inner)
            column = known.column
            terms = Terms(row[copy], coefficient[copy] * known.coefficient, value[copy], known.reference)
        if len(column):
            target = self.final if output.space == "out" else self.waiting
            target.append((np.asarray(column, np.int64), Terms(*(np.ascontiguousarray(f) for f in terms))))

    # ---- summing up -------------------------------------------------------------------------------
    def _finish_scratch(self) -> None:
        new = self._collect(self.function.name, self.waiting)
        self.waiting = []
        known = _join_entries([self.known, new])
        self.known = known.take(np.argsort(known.row, kind="stable"))
        counts = np.bincount(self.known.row, minlength=self.function.n_work)
        self.start = np.concatenate([[0], np.cumsum(counts)])

    def is_changing(self, references: Array) -> npt.NDArray[np.bool_]:
        """Whether a place changes with u or t."""
        space = space_of(references)
        changing: npt.NDArray[np.bool_] = space == 1
        scratch = space == 0
        changing[scratch] = self.changing[references[scratch]]
        return changing

    def _collect(self, name: str, waiting: list[tuple[Array, Terms]]) -> _Entries:
        """Sum terms of one (row, column); entries of one plain term stay aliases, others become values."""
        if not waiting:
            return _join_entries([])
        columns = np.concatenate([column for column, _ in waiting])
        terms = join([part for _, part in waiting])
        swap = terms.a < terms.b
        terms = terms._replace(a=np.where(swap, terms.b, terms.a), b=np.where(swap, terms.a, terms.b))
        changing = self.is_changing(terms.a) | self.is_changing(terms.b)
        order = np.lexsort((terms.b, terms.a, changing, columns, terms.row))
        terms, columns, changing = terms.take(order), columns[order], changing[order]
        terms, columns, changing = _merged(terms, columns, changing)
        if not len(columns):
            return _join_entries([])

        # Parameter-only terms of a changing entry are summed up before, as a value of their own.
        entry = _group(terms.row, columns)
        n_changing = np.bincount(entry, weights=changing)
        n_fixed = np.bincount(entry, weights=~changing)
        product = (terms.b != NONE) & ~changing
        n_product = np.bincount(entry, weights=product)
        split = ((n_changing > 0) & ((n_fixed > 1) | (n_product > 0)))[entry] & ~changing
        if split.any():
            inner = self._sums(name, terms.take(split), entry[split], changing=False)
            first = np.flatnonzero(split)[_firsts(entry[split])]
            none = np.full(len(first), NONE, np.int64)
            summed = Terms(terms.row[first], np.ones(len(first)), inner, none)
            keep = ~split
            columns = np.concatenate([columns[keep], columns[first]])
            changing = np.concatenate([changing[keep], changing[first]])
            terms = join([terms.take(keep), summed])
            order = np.lexsort((terms.b, terms.a, changing, columns, terms.row))
            terms, columns, changing = terms.take(order), columns[order], changing[order]
            entry = _group(terms.row, columns)

        size = np.bincount(entry)
        first = _firsts(entry)
        alias = (size == 1) & (terms.b[first] == NONE)
        entries = _Entries(
            terms.row[first], columns[first],
            np.where(alias, terms.coefficient[first], 1.0), np.where(alias, terms.a[first], NONE),
        )  # fmt: skip
        entry_changing = np.bincount(entry, weights=changing) > 0
        for kind in (False, True):
            summed_up = ~alias & (entry_changing == kind)
            if summed_up.any():
                mine = summed_up[entry]
                entries.reference[summed_up] = self._sums(name, terms.take(mine), entry[mine], changing=kind)
        return entries

    def _sums(self, name: str, terms: Terms, entry: Array, changing: bool) -> Array:
        """New values, one for each distinct entry number (ascending); returns their references."""
        row = _group(entry, entry)
        count = int(row[-1]) + 1
        first = self.new_values(count, changing)
        self.steps.append(_Sums(name, first, count, terms._replace(row=row)))
        return first + np.arange(count)


def _group(row: Array, column: Array) -> Array:
    """Numbers 0, 1, ... for runs of equal (row, column)."""
    new = (np.diff(row) != 0) | (np.diff(column) != 0)
    return np.concatenate([[0], np.cumsum(new)])


def _firsts(group: Array) -> Array:
    """Position of the first member of each run."""
    return np.flatnonzero(np.concatenate([[True], np.diff(group) != 0]))


def _merged(terms: Terms, columns: Array, changing: Array) -> tuple[Terms, Array, Array]:
    """Add coefficients of equal terms; terms that cancel exactly disappear."""
    same = (
        (np.diff(terms.row) == 0)
        & (np.diff(columns) == 0)
        & (np.diff(terms.a) == 0)
        & (np.diff(terms.b) == 0)
    )
    first = np.flatnonzero(np.concatenate([[True], ~same]))
    coefficient = np.add.reduceat(terms.coefficient, first)
    terms, columns, changing = (
        terms.take(first)._replace(coefficient=coefficient),
        columns[first],
        changing[first],
    )
    keep = coefficient != 0.0
    return terms.take(keep), columns[keep], changing[keep]


# ---- items ----------------------------------------------------------------------------------------
class _Assembly:
    """From the sweep to the items of the Jacobian: what is needed, where it is stored."""

    def __init__(self, forward: _Forward, n: int) -> None:
        self.forward = forward
        self.function = forward.function
        order = np.lexsort((forward.result.row, forward.result.column))
        self.entries = forward.result.take(order)  # entry k is CSC position k
        counts = np.bincount(self.entries.column, minlength=n)
        self.indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.direct: dict[
            int, list[tuple[float, Array]]
        ] = {}  # first value -> stores straight into the result
        self.uses = np.zeros(forward.n_values, np.int64)
        self.items: list[Item] = []
        self.n_work = self.function.n_work
        self.where = np.full(forward.n_values, NONE, np.int64)  # final place of each value
        self.where[: self.n_work] = np.arange(self.n_work)

    def build(self) -> Function:
        copied = self._direct_stores()
        self._count_uses(copied)
        steps = iter(self.forward.steps)
        step = next(steps, None)
        for number, item in enumerate(self.function.items):
            while isinstance(step, _Sums):  # these belong to items before this one
                self._sum(step)
                step = next(steps, None)
            partials = None
            if isinstance(step, _Partials) and step.item == number:
                partials, step = step, next(steps, None)
            self._item(item, partials)
        while isinstance(step, _Sums):
            self._sum(step)
            step = next(steps, None)
        self._copies(copied)
        name = f"{self.function.name}: jacobian"
        return prune(Function(name, tuple(self.items), len(self.entries.row), self.n_work))

    def allocate(self, count: int) -> int:
        first = self.n_work
        self.n_work += count
        return first

    def _direct_stores(self) -> npt.NDArray[np.bool_]:
        """Decide which values go straight to their final place; returns the entries that must be copied."""
        copied = np.ones(len(self.entries.row), bool)
        position = np.arange(len(copied))
        order = np.lexsort((position, self.entries.coefficient, self.entries.reference))
        sorted_reference = self.entries.reference[order]
        for step in self.forward.steps:
            if isinstance(step, _Sums):
                columns = [(step.first, step.count)]
            else:
                count = self._count(step)
                columns = [(first, count) for first in step.first.values()]
            for first, count in columns:
                begin, end = np.searchsorted(sorted_reference, [first, first + count])
                uses = order[begin:end]
                if isinstance(step, _Sums):  # single rows can be stored directly
                    plain = uses[self.entries.coefficient[uses] == 1.0]
                    values, firsts = np.unique(self.entries.reference[plain], return_index=True)
                    places = np.full(count, NONE, np.int64)
                    places[values - first] = plain[firsts]
                    self.direct[first] = [(1.0, places)]
                    copied[plain[firsts]] = False
                elif len(uses) and len(uses) % count == 0:
                    times = len(uses) // count
                    table = uses.reshape(count, times)
                    every = np.broadcast_to(np.arange(first, first + count)[:, None], table.shape)
                    coefficient = self.entries.coefficient[table]
                    if (self.entries.reference[table] == every).all() and (
                        coefficient == coefficient[0]
                    ).all():
                        self.direct[first] = [(float(coefficient[0, k]), table[:, k]) for k in range(times)]
                        copied[uses] = False
        return copied

    def _count(self, step: _Partials) -> int:
        item = self.function.items[step.item]
        assert isinstance(item, Loop)
        return item.count

    def _count_uses(self, copied: npt.NDArray[np.bool_]) -> None:
        """How often each value must be read from scratch; sums that nothing needs count nothing."""
        self._use(self.entries.reference[copied])
        for step in reversed(self.forward.steps):
            if isinstance(step, _Sums):
                needed = self._live_sums(step)[step.terms.row]
                self._use(step.terms.a[needed])
                self._use(step.terms.b[needed])

    def _use(self, references: Array) -> None:
        scratch = references[(references != NONE) & (space_of(references) == 0)]
        self.uses += np.bincount(scratch, minlength=len(self.uses))

    def _live_sums(self, step: _Sums) -> npt.NDArray[np.bool_]:
        live: npt.NDArray[np.bool_] = self.uses[step.first : step.first + step.count] > 0
        live |= self.direct[step.first][0][1] != NONE
        return live

    def _values(self, step: _Partials, count: int) -> list[tuple[Expr, int, bool]]:
        """(root, first value, whether it is read from scratch) of the values that something needs."""
        found = []
        for root, first in step.first.items():
            stored = bool((self.uses[first : first + count] > 0).any())
            if stored or first in self.direct:
                found.append((root, first, stored))
        return found

    def _item(self, item: Item, partials: _Partials | None) -> None:
        if isinstance(item, Gather):
            if item.output.space == "w":
                self.items.append(item)
            return
        roots = [root for root, output in zip(item.roots, item.outputs, strict=True) if output.space == "w"]
        outputs = [output for output in item.outputs if output.space == "w"]
        for root, first, stored in self._values(partials, item.count) if partials else ():
            if stored:
                base = self.allocate(item.count)
                self.where[first : first + item.count] = base + np.arange(item.count)
                roots.append(root)
                outputs.append(Output("w", base + np.arange(item.count)))
            for coefficient, places in self.direct.get(first, ()):
                roots.append(coefficient * root if coefficient != 1.0 else root)
                outputs.append(Output("out", places))
        if roots:
            self.items.append(
                compact(Loop(item.name, item.count, tuple(roots), item.columns, tuple(outputs)))
            )

    def _sum(self, step: _Sums) -> None:
        places = self.direct[step.first][0][1]
        stored = self.uses[step.first : step.first + step.count] > 0
        rows = np.flatnonzero(stored)
        if len(rows):
            base = self.allocate(len(rows))
            self.where[step.first + rows] = base + np.arange(len(rows))
            self._emit_sums(step, rows, "w", base + np.arange(len(rows)))
        # a value that is also read elsewhere is copied from scratch rather than computed twice
        both = np.flatnonzero(stored & (places != NONE))
        if len(both):
            mine = Terms(
                np.arange(len(both)), np.ones(len(both)), self.where[step.first + both],
                np.full(len(both), NONE, np.int64),
            )  # fmt: skip
            self.items += sum_items(step.name, "out", places[both], mine, self.allocate)
        rows = np.flatnonzero(~stored & (places != NONE))
        if len(rows):
            self._emit_sums(step, rows, "out", places[rows])

    def _emit_sums(self, step: _Sums, rows: Array, space: str, target: Array) -> None:
        number = np.full(step.count, NONE, np.int64)
        number[rows] = np.arange(len(rows))
        terms = step.terms.take(number[step.terms.row] != NONE)
        terms = terms._replace(row=number[terms.row], a=self._placed(terms.a), b=self._placed(terms.b))
        self.items += sum_items(step.name, space, target, terms, self.allocate)

    def _placed(self, references: Array) -> Array:
        """References with values replaced by their places."""
        placed = references.copy()
        scratch = (references != NONE) & (space_of(references) == 0)
        placed[scratch] = self.where[references[scratch]]
        return placed

    def _copies(self, copied: npt.NDArray[np.bool_]) -> None:
        """Entries that are numbers, places of u or p, or values used in several ways."""
        references = self._placed(self.entries.reference)
        changing = self.forward.is_changing(self.entries.reference)
        for kind in (False, True):
            rows = np.flatnonzero(copied & (changing == kind))
            if len(rows):
                none = np.full(len(rows), NONE, np.int64)
                terms = Terms(np.arange(len(rows)), self.entries.coefficient[rows], references[rows], none)
                self.items += sum_items(self.function.name, "out", rows, terms, self.allocate)


def jacobian(function: Function, n: int) -> JacobianPlan:
    """d(out)/du of a function of ``n`` unknowns, exact; parameters and time are held fixed.

    The plan's function recomputes the scratch values it needs and reads nothing of ``function``'s.
    """
    assembly = _Assembly(_Forward(function), n)
    written = assembly.build()
    return JacobianPlan(assembly.indptr, assembly.entries.row.astype(np.int64), written)
