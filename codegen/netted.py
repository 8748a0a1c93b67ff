"""Rates that always occur together are added up before they are distributed: Breuer's pairs, on tables.

A sparse sum (`Gather`) reads values that loops have written to scratch: the rates of a reaction network, say.
Values with proportional columns are needed only as one weighted sum: the two directions of a reversible
reaction, or one conversion by several enzymes. Where the loops that make them are plain, they are fused four
at a time: ``kf*A*B - kr*C`` and ``A*(k1*E1 + k2*E2 + ...)`` are one store and one load instead of several,
and a factor that all share is taken out. What is left of a group is added up first, if that needs fewer
terms. The order of additions changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from symnum.codegen.affine import AffineTerms, affine_items
from symnum.codegen.dense_layer import makes_layer
from symnum.codegen.distinct import distinct_rows
from symnum.codegen.function import Array, Column, Function, Gather, Item, Loop, Output, compact, reads
from symnum.codegen.proportional import proportional
from symnum.codegen.runs import counted
from symnum.codegen.sums import signed
from symnum.record import replace
from symnum.rewriting.expr import Expr, linear, rational, slot
from symnum.rewriting.factor import factored
from symnum.rewriting.walk import substitute

__all__ = ["netted"]

_LEAST = 64
"""Terms of a sum below which nothing is worth the search."""

_FAMILY = 16
_PART = 200
"""Fused values of one kind that are worth a loop: so many, and at least one in _PART of all columns."""

_SUMMED = 3
"""Values with a common unknown that are worth a sum of their own."""

_FUSED = 4
"""Values that one fused template has."""


def netted(function: Function) -> Function:
    """The same function with values that sums need only together added up where they are made."""
    for before, item in zip((None, *function.items), function.items, strict=False):
        if not isinstance(item, Gather) or item.space != "w" or item.second is not None:
            continue
        if before is not None and makes_layer(before, item):
            continue  # whose products are never stored
        if np.count_nonzero(item.coefficient) >= _LEAST:
            function = _Net(function, item).applied()
    return function


class _Net:
    """The columns of one sum by what they are proportional to."""

    def __init__(self, function: Function, gather: Gather) -> None:
        self.function = function
        self.gather = gather
        self.n_work = function.n_work
        row = np.repeat(np.arange(len(gather.output.index)), np.diff(gather.indptr))
        order = np.lexsort((row, gather.first))
        order = order[gather.coefficient[order] != 0]  # a term of 0 adds nothing, and cannot be divided by
        self.row, self.coefficient = row[order], np.asarray(gather.coefficient)[order]
        place = gather.first[order]
        new = np.ones(len(place), bool)
        new[1:] = place[1:] != place[:-1]
        self.start = np.append(np.flatnonzero(new), len(place))
        self.place = place[new].astype(np.int64)  # (columns,)
        self.length = np.diff(self.start)
        self.family = max(_FAMILY, len(self.place) // _PART)
        self.group, self.lead = proportional(self.start, self.row, self.coefficient)
        self._find_producers()
        self._find_unknowns()
        self._find_rates()

    def _find_producers(self) -> None:
        """The loop and the copy that make each column's value, where it is nothing but a term of this sum."""
        item_of = np.full(self.function.n_work, -1)
        copy_of = np.zeros(self.function.n_work, np.int64)
        busy = np.zeros(self.function.n_work, bool)
        for number, item in enumerate(self.function.items):
            if item is not self.gather:
                for space, index in reads(item):
                    if space == "w":
                        busy[index] = True
            if isinstance(item, Loop) and len(item.roots) == 1 and item.count >= self.family:
                (output,) = item.outputs
                if output.space == "w" and not output.accumulate:
                    item_of[output.index] = number
                    copy_of[output.index] = np.arange(item.count)
        item_of[busy] = -1
        self.item, self.copy = item_of[self.place], copy_of[self.place]

    # ---- what the members read ---------------------------------------------------------------------
    def _find_unknowns(self) -> None:
        """front, back: the unknowns of each member, or -1; first the one that most of its group have
        (``shared``, -2 where none is in two of them). turned: whether they have changed places for that."""
        first = np.full(len(self.place), -1)
        second = np.full(len(self.place), -1)
        for number in self._producers():
            loop = self._loop(number)
            unknowns = [k for k, column in enumerate(loop.columns) if column.space == "u"]
            mine = self.item == number
            if unknowns:
                first[mine] = loop.columns[unknowns[0]].index[self.copy[mine]]
            if len(unknowns) == 2 and _symmetric(loop, *unknowns):
                second[mine] = loop.columns[unknowns[1]].index[self.copy[mine]]
        width = int(max(first.max(initial=0), second.max(initial=0))) + 2
        other = np.where(second == first, -1, second)
        keys = np.concatenate([self.group * width + first + 1, (self.group * width + other + 1)[other >= 0]])
        values, counts = np.unique(keys, return_counts=True)
        group, unknown = values // width, values % width - 1
        order = np.argsort(counts, kind="stable")  # of several the most frequent one is kept
        order = order[(counts[order] > 1) & (unknown[order] >= 0)]
        self.shared = np.full(int(self.group.max()) + 1, -2)
        self.shared[group[order]] = unknown[order]
        wanted = self.shared[self.group]
        self.turned = (second == wanted) & (first != wanted)
        self.front = np.where(self.turned, second, first)
        self.back = np.where(self.turned, first, second)

    def _find_rates(self) -> None:
        """rate: the first parameter that each member reads, or -1. scale: its number in front, where it is
        that times a parameter and one or two unknowns, which ``plain`` says."""
        self.rate = np.full(len(self.place), -1)
        self.plain = np.zeros(len(self.place), bool)
        self.scale = np.ones(len(self.place))
        for number in self._producers():
            loop = self._loop(number)
            mine = self.item == number
            parameters = [column for column in loop.columns if column.space == "p"]
            if parameters:
                self.rate[mine] = parameters[0].index[self.copy[mine]]
            scale = _plain_scale(loop.roots[0])
            if scale is not None:
                self.plain[mine] = True
                self.scale[mine] = scale

    def _producers(self) -> list[int]:
        return [int(number) for number in np.unique(self.item[self.item >= 0])]

    def _loop(self, number: int) -> Loop:
        item = self.function.items[number]
        assert isinstance(item, Loop)
        return item

    # ---- fusing -----------------------------------------------------------------------------------
    def _chunks(self, members: Array) -> Iterator[Array]:
        """Tables (copies, size) of members of one group each, up to four of them, one table for each kind."""
        turned, rate = self.turned, self.rate
        keys = (members, rate[members], turned[members], self.item[members], self.group[members])
        members = members[np.lexsort(keys)]
        group = self.group[members]
        begin = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
        rank = np.arange(len(members)) - np.repeat(begin, np.diff(np.append(begin, len(members))))
        piece = np.flatnonzero(rank % _FUSED == 0)
        sizes = np.diff(np.append(piece, len(members)))
        for size in range(2, _FUSED + 1):
            table = members[piece[sizes == size][:, None] + np.arange(size)]
            if not len(table):
                continue
            what = np.concatenate([self.item[table], turned[table], self.lead[table]], axis=1)
            _, kind = distinct_rows(what)
            # what is the same in all members is read once, and often factored out
            common = [(which[table] == which[table[:, :1]])[:, 1:] for which in (self.front, rate)]
            _, finer = distinct_rows(np.concatenate([kind[:, None], *common], axis=1))
            many = np.bincount(finer)[finer] >= self.family
            kind = np.where(many, finer, kind + int(finer.max()) + 1)
            for one in np.unique(kind):
                chosen = table[kind == one]
                if len(chosen) >= self.family:
                    yield chosen

    def _fused(self, table: Array, places: Array) -> Loop:
        columns: list[Column] = []
        parts = []
        for member in table.T:
            loop = self._loop(int(self.item[member[0]]))
            copies = self.copy[member]
            order = list(range(len(loop.columns)))
            if self.turned[member[0]]:
                one, other = (k for k, column in enumerate(loop.columns) if column.space == "u")
                order[one], order[other] = other, one
            base = len(columns)
            columns += [Column(loop.columns[k].space, loop.columns[k].index[copies]) for k in order]
            renamed: dict[Expr, Expr] = {
                slot(column.space, k): slot(column.space, base + k) for k, column in enumerate(loop.columns)
            }
            lead = float(self.lead[member[0]])
            parts.append((substitute(loop.roots[0], renamed), rational(lead)))
        name = f"{self.function.name}: together"
        output = Output("w", places)
        together = compact(Loop(name, len(places), (linear(parts),), tuple(columns), (output,)))
        return replace(together, roots=factored(together.roots))

    # ---- an unknown times a sum -------------------------------------------------------------------
    def _products(self) -> Array:
        """Members whose group has several with the same unknown: parameter * unknown (* another one)."""
        chosen = self.plain & (self.front == self.shared[self.group])
        chosen &= np.bincount(self.group[chosen], minlength=len(self.shared))[self.group] >= _SUMMED
        return np.flatnonzero(chosen)

    def _sums_times_unknown(self, groups: Array, members: Array, row: Array) -> tuple[list[Item], Array]:
        """Items for ``A*(k1*E1 + k2*E2 + ...)`` of each group, and the places of the results."""
        sums = self._allocate(len(groups))
        scale = self.lead[members] * self.scale[members]
        terms = AffineTerms(sums[row], scale, self.rate[members], self.back[members])
        name = f"{self.function.name}: together"
        items, self.n_work = affine_items(name, "w", terms, self.n_work)
        places = self._allocate(len(groups))
        columns = (Column("u", self.shared[groups]), Column("w", sums))
        output = Output("w", places)
        items.append(Loop(name, len(groups), (slot("u", 0) * slot("w", 1),), columns, (output,)))
        return items, places

    # ---- the new sum ------------------------------------------------------------------------------
    def applied(self) -> Function:
        left = np.ones(len(self.place), bool)
        # what is to be added up: group, place, factor of the group's column
        parts: list[_Values] = []
        made: list[Item] = []
        members = self._products()
        if len(members):
            groups, row = np.unique(self.group[members], return_inverse=True)
            products, places = self._sums_times_unknown(groups, members, row.reshape(-1))
            made += products
            left[members] = False
            parts.append(_Values(groups, places, np.ones(len(groups))))
        for table in self._chunks(np.flatnonzero(left & (self.item >= 0))):
            places = self._allocate(len(table))
            made.append(self._fused(table, places))
            left[table.reshape(-1)] = False
            parts.append(_Values(self.group[table[:, 0]], places, np.ones(len(table))))
        parts.append(_Values(self.group[left], self.place[left], self.lead[left]))
        values = _Values(*(np.concatenate([part[k] for part in parts]) for k in range(3)))
        net, values = self._net(values)
        if not made and not net:
            return self.function
        sum_ = self._distributed(values)
        items: list[Item] = []
        for number, item in enumerate(self.function.items):
            if item is self.gather:
                items += [*made, *net, sum_]
            elif (gone := self._gone(number, left)) is None:
                items.append(item)
            elif not gone.all():
                items.append(_without(self._loop(number), gone))
        return replace(self.function, items=tuple(items), n_work=self.n_work)

    def _gone(self, number: int, left: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
        fused = ~left & (self.item == number)
        if not fused.any():
            return None
        gone = np.zeros(self._loop(number).count, bool)
        gone[self.copy[fused]] = True
        return gone

    def _allocate(self, count: int) -> Array:
        self.n_work += count
        return np.arange(self.n_work - count, self.n_work)

    def _net(self, values: _Values) -> tuple[list[Item], _Values]:
        """Groups with so many values left, and so many rows, that one sum of their own saves terms."""
        counts = np.bincount(values.group)
        lengths = np.zeros(len(counts), np.int64)
        lengths[self.group] = self.length
        chosen = (counts - 1) * lengths > counts + 1
        if not chosen.any():
            return [], values
        mine = np.flatnonzero(chosen[values.group])
        mine = mine[np.argsort(values.group[mine], kind="stable")]
        groups, sizes = np.unique(values.group[mine], return_counts=True)
        places = self._allocate(len(groups))
        net = signed(Gather(
            f"{self.function.name}: together", Output("w", places), np.append(0, np.cumsum(sizes)), "w",
            values.place[mine], None, values.factor[mine],
        ))  # fmt: skip
        rest = ~chosen[values.group]
        joined = _Values(
            np.append(values.group[rest], groups), np.append(values.place[rest], places),
            np.append(values.factor[rest], np.ones(len(groups))),
        )  # fmt: skip
        return [net], joined

    def _distributed(self, values: _Values) -> Gather:
        """The sum over what is left: every value goes where the columns of its group went."""
        leader = np.zeros(int(self.group.max()) + 1, np.int64)
        leader[self.group[::-1]] = np.arange(len(self.group))[::-1]
        model = leader[values.group]
        sizes = self.length[model]
        at = np.repeat(self.start[model], sizes) + counted(sizes)
        normal = self.coefficient[at] / np.repeat(self.lead[model], sizes)
        row = self.row[at]
        first, coefficient = np.repeat(values.place, sizes), normal * np.repeat(values.factor, sizes)
        order = np.lexsort((first, row))
        counts = np.bincount(row, minlength=len(self.gather.output.index))
        return signed(replace(
            self.gather, indptr=np.append(0, np.cumsum(counts)), first=first[order],
            coefficient=coefficient[order],
        ))  # fmt: skip


class _Values(NamedTuple):
    """Places of scratch, the group that each belongs to, and its factor there."""

    group: Array
    place: Array
    factor: Array


def _plain_scale(root: Expr) -> float | None:
    """The number in front of a parameter times one or two unknowns; None for anything else."""
    terms = list(root.terms())
    if len(terms) != 1 or root.constant or terms[0][0].op != "*":
        return None
    term, coefficient = terms[0]
    letters = sorted(base.data[0] for base in term.args if base.op == "slot")
    plain = len(letters) == len(term.args) and set(term.data) == {1}
    return float(coefficient) if plain and "".join(letters) in ("pu", "puu") else None


def _symmetric(loop: Loop, one: int, other: int) -> bool:
    """Whether two unknowns of a template may change places."""
    a, b = slot("u", one), slot("u", other)
    return substitute(loop.roots[0], {a: b, b: a}) is loop.roots[0]


def _without(loop: Loop, gone: npt.NDArray[np.bool_]) -> Loop:
    """The loop without these copies."""
    columns = tuple(Column(column.space, column.index[~gone]) for column in loop.columns)
    outputs = tuple(output._replace(index=output.index[~gone]) for output in loop.outputs)
    return Loop(loop.name, int((~gone).sum()), loop.roots, columns, outputs)
