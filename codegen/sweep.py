"""Forward accumulation: which derivatives a function has, and the values they are made of.

Each template is differentiated once. The derivatives of a scratch value with respect to the unknowns are a
sparse row of references to values; a reader of the scratch value multiplies these rows by its own partial
derivatives. All of it happens on index arrays, for all copies at once.

An entry that is one value times a number is an alias: nothing is computed for it. Constant, parameter-only
and changing parts are kept apart, so that `hoist` can move all but the last to ``setup``.

References: places of ``w`` below ``function.n_work`` are the function's own scratch; those from there on are
values of the Jacobian, numbered as they arise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from symnum.codegen.function import Array, Column, Function, Gather, Item, Loop, Output
from symnum.codegen.hoist import parameter_only_columns, parameter_only_scratch
from symnum.codegen.pattern import Ordering, Places
from symnum.codegen.runs import runs_of
from symnum.codegen.sums import NONE, Terms, join, reference, space_of
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import TIME, Expr
from symnum.rewriting.walk import leaves

__all__ = ["Block", "Entries", "Partials", "Sums", "Sweep"]

_LARGE = 512  # copies from which the derivatives of a loop are kept as a block, neither sorted nor grouped


class Entries(NamedTuple):
    """Derivatives: d(row)/d(column) = coefficient * reference, or the coefficient alone (`NONE`)."""

    row: Array
    column: Array
    coefficient: npt.NDArray[np.float64]
    reference: Array

    def take(self, which: Array) -> Entries:
        """The entries at these positions."""
        return Entries(*(f[which] for f in self))

    @property
    def places(self) -> Places:
        """Where the entries stand."""
        return Places(self.row, self.column)


class Block(NamedTuple):
    """One derivative of a large loop in all its copies; no other entry stands at the same places.

    ``value``: the number of the value in the first copy where the references are those of all copies in
    order, else `NONE`.
    """

    entries: Entries
    value: int


def join_entries(parts: list[Entries]) -> Entries:
    """All entries of several lists."""
    if not parts:
        return Entries(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    return Entries(*(np.concatenate([part[k] for part in parts]) for k in range(4)))


@dataclass
class Partials:
    """Values computed along with item number ``item``: root -> number of its value in the first copy."""

    item: int
    first: dict[Expr, int] = field(default_factory=dict)


@dataclass
class Sums:
    """Values ``first + r`` that are sums of products; all changing, or all parameter-only.

    They read what items before number ``item`` wrote, and are read by that one or later ones.
    """

    item: int
    name: str
    first: int
    count: int
    terms: Terms


class Sweep:
    """The sweep over the items: which derivatives there are, and which values they need."""

    def __init__(self, function: Function, n: int) -> None:
        """n: the number of unknowns."""
        self.function = function
        self.n = n
        self.steps: list[Partials | Sums] = []
        self.n_values = function.n_work  # values are numbered after the function's own scratch
        self.changing = ~parameter_only_scratch(function)  # by reference into w
        self.known = join_entries([])  # derivatives of scratch, sorted by row
        self.start = np.zeros(function.n_work + 1, np.int64)
        self.waiting: list[tuple[Array, Terms]] = []  # (column, terms) of scratch not yet summed up
        self.final: list[tuple[Array, Terms]] = []  # the same of `out`
        self.blocks: list[Block] = []
        self.ordering: Ordering | None = None  # of the entries of the blocks, where they are all there is
        self.item = 0
        for self.item, item in enumerate(function.items):
            if self.waiting and self._reads_scratch(item):
                self._finish_scratch()
            if isinstance(item, Loop):
                self._loop(item)
            else:
                self._gather(item)
        self.item = len(function.items)
        self._separate_blocks()
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
    def _loop(self, loop: Loop) -> None:
        wanted = [
            leaf for leaf in leaves(loop.roots) if leaf is not TIME and self._differentiable(loop, leaf)
        ]
        if not wanted:
            return
        fixed = parameter_only_columns(loop, self.changing)
        partials = Partials(self.item)
        self.steps.append(partials)
        values: dict[Expr, tuple[npt.NDArray[np.float64] | float, Array | int]] = {}
        for output, row in zip(loop.outputs, gradient(loop.roots, wanted), strict=True):
            for leaf, expression in row.items():
                if expression not in values:
                    values[expression] = self._value(loop, expression, partials, fixed)
                coefficient, value = values[expression]
                column = loop.columns[leaf.data[1]]
                parts = (np.broadcast_to(coefficient, loop.count), np.broadcast_to(value, loop.count))
                if loop.count >= _LARGE and (column.space, output.space) == ("u", "out") and parts[0].all():
                    first = partials.first.get(_unscaled(expression), NONE)
                    self.blocks.append(Block(Entries(output.index, column.index, *parts), first))
                    continue
                self._chain(output, np.arange(loop.count), output.index, column.space, column.index, *parts)

    def _differentiable(self, loop: Loop, leaf: Expr) -> bool:
        column: Column = loop.columns[leaf.data[1]]
        if column.space == "w":
            return bool((self.start[column.index + 1] > self.start[column.index]).any())
        return column.space == "u"

    def _value(
        self, loop: Loop, expression: Expr, partials: Partials, fixed: list[bool]
    ) -> tuple[npt.NDArray[np.float64] | float, Array | int]:
        """(coefficient, reference) of a partial derivative; a value is made if it is no number or place."""
        if expression.op == "number":
            return float(expression.data), NONE
        coefficient = 1.0
        if _unscaled(expression) is not expression:
            coefficient = float(expression.data[1][0])
            expression = _unscaled(expression)
        if expression.op == "slot":
            column = loop.columns[expression.data[1]]
            if column.space == "c":
                return coefficient * column.index, NONE
            runs = runs_of(column.index)
            if runs is not None and runs.step == 0 and len(runs.first) == 1:
                return coefficient, reference(column.space, column.index[:1])  # the same in all copies
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

    def _separate_blocks(self) -> None:
        """Entries of blocks that share their place with another one become ordinary terms."""
        if not self.blocks:
            return
        others = [Places(terms.row, column) for column, terms in self.final]
        ordering = Ordering([*(block.entries.places for block in self.blocks), *others], self.n)
        shared = ordering.shared()
        if shared is None:
            if not others:
                self.ordering = ordering
            return
        separate: list[Block] = []
        for block, mine in zip(self.blocks, shared, strict=False):
            if not mine.any():
                separate.append(block)
                continue
            if np.count_nonzero(~mine) >= _LARGE:
                separate.append(Block(block.entries.take(~mine), NONE))
            else:
                mine = np.ones(len(mine), bool)
            row, column, coefficient, value = block.entries.take(mine)
            terms = Terms(row.astype(np.int64), coefficient, value, np.full(len(row), NONE, np.int64))
            self.final.append((column.astype(np.int64), terms))
        self.blocks = separate

    # ---- summing up -------------------------------------------------------------------------------
    def _finish_scratch(self) -> None:
        new = self._collect(self.function.name, self.waiting)
        self.waiting = []
        known = join_entries([self.known, new])
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

    def _collect(self, name: str, waiting: list[tuple[Array, Terms]]) -> Entries:
        """Sum terms of one (row, column); entries of one plain term stay aliases, others become values."""
        if not waiting:
            return join_entries([])
        columns = np.concatenate([column for column, _ in waiting])
        terms = join([part for _, part in waiting])
        swap = terms.a < terms.b
        terms = terms._replace(a=np.where(swap, terms.b, terms.a), b=np.where(swap, terms.a, terms.b))
        changing = self.is_changing(terms.a) | self.is_changing(terms.b)
        order = np.lexsort((terms.b, terms.a, changing, columns, terms.row))
        terms, columns, changing = terms.take(order), columns[order], changing[order]
        terms, columns, changing = _merged(terms, columns, changing)
        if not len(columns):
            return join_entries([])

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
        entries = Entries(
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
        self.steps.append(Sums(self.item, name, first, count, terms._replace(row=row)))
        return first + np.arange(count)


def _unscaled(expression: Expr) -> Expr:
    """The expression without a numeric factor."""
    scaled = expression.op == "+" and len(expression.args) == 1 and not expression.data[0]
    return expression.args[0] if scaled else expression


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
