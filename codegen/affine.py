"""Derivatives that are linear in the unknowns, with coefficients of parameters alone.

Every derivative of a reaction of first or second order is a parameter times an unknown, or a parameter. So
every entry of such a Jacobian is ``K0 + K1*u1 + K2*u2 + ...`` with sums of parameters K that ``setup``
computes once. Written like this no product goes through scratch, terms with the same unknown are one, and
entries that are multiples of each other (what one species loses the other gains) are computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from symnum.codegen.function import (
    Array,
    Column,
    Function,
    Gather,
    Item,
    Loop,
    Output,
    compact,
    item_outputs,
    prune,
)
from symnum.codegen.proportional import proportional
from symnum.codegen.runs import counted
from symnum.record import replace
from symnum.rewriting.expr import ONE, Expr, Rational, linear, multiply, rational, slot
from symnum.rewriting.factor import expanded
from symnum.rewriting.walk import postorder

__all__ = ["AffineTerms", "affine_items", "affine_rows"]

_LEAST = 2000
"""Rows below which straight-line code, or a few loops as they are, runs as fast."""

_LONGEST = 8
"""Terms of a row in a loop; longer rows run faster as a gather."""

_USES = 8
"""Multiples of one row that one loop writes."""

_SWEPT = 8000
"""Rows from which they are computed to scratch first."""

_FAMILY = 16
"""Rows of one kind that are worth a loop."""


class AffineTerms(NamedTuple):
    """coefficient * p * u for places ``place``; -1 where p or u is missing. Equal lengths."""

    place: Array
    coefficient: Array
    p: Array
    u: Array

    def take(self, which: Array) -> AffineTerms:
        return AffineTerms(*(field[which] for field in self))


def _joined(parts: Sequence[AffineTerms]) -> AffineTerms:
    return AffineTerms(*(np.concatenate([part[k] for part in parts]) for k in range(4)))


def affine_rows(function: Function) -> Function:
    """The same function with the rows of its result that are affine in the unknowns written as such."""
    if any(output.accumulate for item in function.items for output in item_outputs(item)):
        return function
    if _rows_at_most(function) < _LEAST:
        return function
    found = _Affine(function)
    rows = found.rows()
    if rows is None or len(np.unique(rows.place)) < _LEAST:
        return function
    items, n_work = affine_items(f"{function.name}: linear", "out", rows, function.n_work)
    kept: list[Item] = []
    for item, taken in zip(function.items, found.taken, strict=True):
        if not any(taken):
            kept.append(item)
        elif isinstance(item, Loop) and not all(taken):
            rest = [k for k, gone in enumerate(taken) if not gone]
            roots = tuple(item.roots[k] for k in rest)
            outputs = tuple(item.outputs[k] for k in rest)
            kept.append(compact(Loop(item.name, item.count, roots, item.columns, outputs)))
    return prune(replace(function, items=(*kept, *items), n_work=n_work))


def _rows_at_most(function: Function) -> int:
    """A bound on the rows of the result that may be affine: a look at the operators, before any work."""
    total = 0
    rows = sum(len(o.index) for item in function.items for o in item_outputs(item) if o.space == "out")
    for item in function.items if rows >= _LEAST else ():
        if isinstance(item, Gather):
            total += len(item.output.index) if item.output.space == "out" else 0
            continue
        linear_in_each: dict[Expr, bool] = {}
        for node in postorder(item.roots):
            plain = node.op in ("slot", "number", "+") or (node.op == "*" and set(node.data) == {1})
            linear_in_each[node] = plain and all(linear_in_each[arg] for arg in node.args)
        outputs = zip(item.roots, item.outputs, strict=True)
        total += item.count * sum(o.space == "out" and linear_in_each[root] for root, o in outputs)
    return total


def affine_items(name: str, space: str, terms: AffineTerms, n_work: int) -> tuple[list[Item], int]:
    """Items that write sum of coefficient*p*u to every place of ``terms``, and the scratch needed with them.

    Every term has a parameter. ``n_work``: places of scratch that are in use already.
    """
    assembly = _Assembly(name, space, terms, n_work)
    return assembly.items, assembly.n_work


class _Affine:
    """Which places of scratch and of the result are affine, and their terms."""

    def __init__(self, function: Function) -> None:
        self.start = np.full(function.n_work, -1)
        self.length = np.zeros(function.n_work, np.int64)
        self.pool: list[AffineTerms] = []
        self.size = 0
        self.results: list[AffineTerms] = []
        self.taken: list[list[bool]] = []
        self.read = 0  # terms that the items which are replaced read now
        for item in function.items:
            if isinstance(item, Gather):
                self.taken.append([self._gather(item)])
            else:
                self.taken.append([self._root(item, k) for k in range(len(item.roots))])

    def rows(self) -> AffineTerms | None:
        """The terms of the rows of the result, if they are no more than what is read now."""
        if not self.results:
            return None
        terms = _joined(self.results)
        return terms if len(terms.place) <= 2 * self.read else None

    def _gather(self, item: Gather) -> bool:
        if item.second is not None or item.space == "u":
            return False
        row = np.repeat(np.arange(len(item.output.index)), np.diff(item.indptr))
        terms = self._opened(row, item.coefficient, item.space, item.first)
        return terms is not None and self._keep(item.output, terms, len(row))

    def _root(self, item: Loop, number: int) -> bool:
        if item.outputs[number].space == "out" and all(column.space in "pc" for column in item.columns):
            return False  # parameters alone, which setup writes
        parts = []
        copies = np.arange(item.count)
        root = item.roots[number]
        if any(factor.op == "+" for term, _ in root.terms() for factor, _ in term.factors()):
            (root,) = expanded((root,))
        for term, coefficient in [*root.terms(), (ONE, root.constant)]:
            if not coefficient:
                continue
            found = self._term(item, copies, term, float(coefficient))
            if found is None:
                return False
            parts.append(found)
        return bool(parts) and self._keep(item.outputs[number], _joined(parts), len(parts) * item.count)

    def _term(self, item: Loop, copies: Array, term: Expr, coefficient: float) -> AffineTerms | None:
        """One term of a template in all copies."""
        numbers = np.full(item.count, coefficient)
        read: dict[str, Array] = {}
        for base, exponent in term.factors() if term is not ONE else ():
            if base.op != "slot" or exponent != 1:
                return None
            column = item.columns[base.data[1]]
            if column.space == "c":
                numbers = numbers * column.index
            elif column.space in read:
                return None
            else:
                read[column.space] = column.index
        if "w" in read:
            return self._opened(copies, numbers, "w", read["w"]) if len(read) == 1 else None
        none = np.full(item.count, -1)
        return AffineTerms(copies, numbers, read.get("p", none), read.get("u", none))

    def _opened(self, row: Array, coefficient: Array, space: str, index: Array) -> AffineTerms | None:
        """Terms over scratch replaced by those of its places; None where one is not affine."""
        if space == "p":
            return AffineTerms(row, np.asarray(coefficient, float), index, np.full(len(row), -1))
        start, length = self.start[index], self.length[index]
        if (start < 0).any():
            return None
        pool = self._pool()
        ends = np.cumsum(length)
        at = np.repeat(start, length) + np.arange(ends[-1]) - np.repeat(ends - length, length)
        inner = pool.take(at)
        scale = np.repeat(np.asarray(coefficient, float), length)
        return inner._replace(place=np.repeat(row, length), coefficient=scale * inner.coefficient)

    def _pool(self) -> AffineTerms:
        if len(self.pool) > 1:
            self.pool = [_joined(self.pool)]
        return self.pool[0]

    def _keep(self, output: Output, terms: AffineTerms, read: int) -> bool:
        """Note the terms of an output, numbered by copies or rows; True for rows of the result that move."""
        if output.space == "w":
            terms = terms.take(np.argsort(terms.place, kind="stable"))
            length = np.bincount(terms.place, minlength=len(output.index))
            self.start[output.index] = self.size + np.cumsum(length) - length
            self.length[output.index] = length
            self.pool.append(terms)
            self.size += len(terms.place)
            self.read += read
            return False
        if not (terms.u >= 0).any() or (terms.p < 0).any():
            return False  # parameters alone, which setup writes, or no parameter
        self.results.append(terms._replace(place=output.index[terms.place].astype(np.int64)))
        self.read += read
        return True


class _Assembly:
    """New items for the rows: sums of parameters, loops by length, gathers for what is long or rare."""

    def __init__(self, name: str, space: str, terms: AffineTerms, n_work: int) -> None:
        self.name = name
        self.space = space
        self.n_work = n_work
        self.items: list[Item] = []
        n_p = int(terms.p.max(initial=0)) + 2
        monomial = (terms.u + 1) * n_p + terms.p + 1
        order = np.lexsort((monomial, terms.place))
        terms, monomial = terms.take(order), monomial[order]
        new = _changes(terms.place, monomial)
        first = np.flatnonzero(new)
        coefficient = np.add.reduceat(terms.coefficient, first)
        terms = terms.take(first)._replace(coefficient=coefficient)
        terms = terms.take(np.flatnonzero(coefficient != 0))
        monomials = (terms.u + 1) * n_p + terms.p + 1
        starts = np.flatnonzero(_changes(terms.place))
        start = np.append(starts, len(terms.place))
        _, column = np.unique(monomials, return_inverse=True)
        group, lead = proportional(start, column.reshape(-1), terms.coefficient)
        self.rows = terms.place[starts]
        self.lead = lead
        self.terms, self.start = terms, start
        self.uses = _split_uses(group, lead)
        # A result larger than the fastest cache is written in one sweep, not by each loop in turn.
        self.swept = space == "out" and len(self.rows) > _SWEPT
        self.values: list[tuple[Array, Array]] = []  # (sets of rows, where their common value is in scratch)
        self._build()
        self._sweep()

    def _allocate(self, count: int) -> Array:
        self.n_work += count
        return np.arange(self.n_work - count, self.n_work)

    def _build(self) -> None:
        # one model row for each set of multiples: (model, users)
        models = self.uses[:, 0]
        # one coefficient for each unknown of a row: terms are sorted by u within a row
        sizes = np.diff(self.start)[models]
        at = np.repeat(self.start[models], sizes) + counted(sizes)
        row = np.repeat(np.arange(len(models)), sizes)
        terms = self.terms.take(at)
        normal = terms.coefficient / np.repeat(self.lead[models], sizes)
        new = _changes(row, terms.u)
        number = np.cumsum(new) - 1  # of the coefficient that each term belongs to
        of_row, unknown = row[new], terms.u[new]
        lengths = np.bincount(of_row, minlength=len(models))
        constant = np.zeros(len(models), bool)
        constant[of_row[unknown < 0]] = True
        begin = np.cumsum(lengths) - lengths
        place = np.full(len(of_row), -1)
        long = np.zeros(len(models), bool)
        for kind in self._kinds(lengths, constant):
            if len(kind) < _FAMILY or lengths[kind[0]] > _LONGEST:
                long[kind] = True
                continue
            size = int(lengths[kind[0]])
            mine = begin[kind][:, None] + np.arange(size)
            places = self._allocate(mine.size).reshape(size, len(kind)).T
            place[mine] = places
            parts: list[tuple[Expr, Rational]] = []
            columns: list[Column] = []
            for k in range(size):
                factors: list[tuple[Expr, Rational]] = [(slot("w", len(columns)), 1)]
                columns.append(Column("w", places[:, k]))
                if k or not constant[kind[0]]:
                    factors.append((slot("u", len(columns)), 1))
                    columns.append(Column("u", unknown[mine[:, k]]))
                parts.append((multiply(factors), 1))
            self._write(kind, linear(parts), columns)
        if long.any():
            starts = np.append(np.flatnonzero(new), len(new))
            same, size_ = proportional(starts, terms.p, normal)
            equal = _numbers(same, size_)
            self._long(np.flatnonzero(long), begin, lengths, unknown, equal, place)
        self.items.insert(0, self._coefficients(place, number, normal, terms))

    def _kinds(self, lengths: Array, constant: npt.NDArray[np.bool_]) -> Iterator[Array]:
        """Rows with equally many terms and the same multiples."""
        keys = np.stack([lengths, constant], axis=1)
        if not self.swept:
            ratio = np.where(self.uses >= 0, self.lead[self.uses], 0.0)
            keys = np.concatenate([keys, ratio], axis=1)
        _, which = np.unique(keys, axis=0, return_inverse=True)
        # in the order of the places: a result larger than the fastest cache is then written line by line
        order = np.lexsort((self.rows[self.uses[:, 0]], which.reshape(-1)))
        bounds = np.flatnonzero(_changes(which.reshape(-1)[order]))
        yield from np.split(order, bounds[1:])

    def _write(self, kind: Array, value: Expr, columns: Sequence[Column]) -> None:
        if self.swept:
            target = self._allocate(len(kind))
            self.values.append((kind, target))
            self.items.append(Loop(self.name, len(kind), (value,), tuple(columns), (Output("w", target),)))
            return
        uses = self.uses[kind]
        used = [k for k in range(uses.shape[1]) if uses[0, k] >= 0]
        roots = tuple(linear([(value, rational(float(self.lead[uses[0, k]])))]) for k in used)
        outputs = tuple(Output(self.space, self.rows[uses[:, k]]) for k in used)
        self.items.append(Loop(self.name, len(kind), roots, tuple(columns), outputs))

    def _long(
        self, rows: Array, begin: Array, lengths: Array, unknown: Array, equal: Array, place: Array
    ) -> None:
        """Long and rare rows: unknowns with equal coefficients are added up first, each set of them once."""
        size = int(unknown.max()) + 2
        copied = self._allocate(size)
        reads = np.arange(size - 1)
        one = Loop("one", 1, (ONE,), (), (Output("w", copied[:1]),))
        output = Output("w", copied[1:])
        copies = Loop("unknowns", size - 1, (slot("u", 0),), (Column("u", reads),), (output,))
        counts = lengths[rows]
        row = np.repeat(np.arange(len(rows)), counts)
        mine = np.repeat(begin[rows], counts) + counted(counts)
        order = np.lexsort((unknown[mine], equal[mine], row))
        row, mine = row[order], mine[order]
        starts = np.flatnonzero(_changes(row, equal[mine]))
        bounds = np.append(starts, len(mine))
        which, _ = proportional(bounds, unknown[mine] + 1, np.ones(len(mine)))
        _, model, which = np.unique(which, return_index=True, return_inverse=True)
        sizes = np.diff(bounds)[model]
        members = np.repeat(starts[model], sizes) + counted(sizes)
        sums = self._allocate(len(model))
        added = Gather(
            f"{self.name}, sums", Output("w", sums), np.append(0, np.cumsum(sizes)), "w",
            copied[unknown[mine[members]] + 1], None, np.ones(len(members)),
        )  # fmt: skip
        _, one_of, coefficient = np.unique(equal[mine[starts]], return_index=True, return_inverse=True)
        coefficients = self._allocate(len(one_of))
        place[mine[starts[one_of]]] = coefficients
        target = self._allocate(len(rows))
        per_row = np.bincount(row[starts], minlength=len(rows))
        gather = Gather(
            self.name, Output("w", target), np.append(0, np.cumsum(per_row)), "w",
            coefficients[coefficient.reshape(-1)], sums[which.reshape(-1)], np.ones(len(starts)),
        )  # fmt: skip
        self.items += [one, copies, added, gather]
        self.values.append((rows, target))

    def _sweep(self) -> None:
        """Write the multiples of the values that are in scratch: signs and factors first, then one copy."""
        if not self.values:
            return
        sets, target = (np.concatenate(parts) for parts in zip(*self.values, strict=True))
        uses = self.uses[sets]
        used = uses >= 0
        source = np.broadcast_to(target[:, None], uses.shape)[used]
        ratio, places = self.lead[uses[used]], self.rows[uses[used]]
        for root, mine in ((-slot("w", 0), ratio == -1.0), (slot("c", 1) * slot("w", 0), abs(ratio) != 1.0)):
            if not mine.any():
                continue
            pairs = np.stack([source[mine], ratio[mine]], axis=1)
            pairs, which = np.unique(pairs, axis=0, return_inverse=True)
            scaled = self._allocate(len(pairs))
            columns = [Column("w", pairs[:, 0].astype(np.int64)), Column("c", pairs[:, 1])]
            loop = Loop(self.name, len(pairs), (root,), tuple(columns), (Output("w", scaled),))
            self.items.append(compact(loop))
            source[mine] = scaled[which.reshape(-1)]
        order = np.argsort(places)
        column, output = Column("w", source[order]), Output(self.space, places[order])
        self.items.append(Loop(self.name, len(order), (slot("w", 0),), (column,), (output,)))

    def _coefficients(self, place: Array, number: Array, normal: Array, terms: AffineTerms) -> Item:
        """Sums of parameters, all in one: setup will compute them."""
        wanted = np.flatnonzero(place[number] >= 0)
        order = wanted[np.argsort(place[number[wanted]], kind="stable")]
        target = place[number[order]]
        starts = np.flatnonzero(_changes(target))
        p, coefficient = terms.p[order], normal[order]
        return Gather(
            f"{self.name}, coefficients", Output("w", target[starts]),
            np.append(starts, len(target)), "p", p, None, coefficient,
        )  # fmt: skip


def _changes(*keys: Array) -> npt.NDArray[np.bool_]:
    """Where a row of keys differs from the one before; True for the first."""
    new = np.zeros(len(keys[0]), bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return new


def _numbers(*keys: Array) -> Array:
    """A number for each row of keys, equal rows the same."""
    order = np.lexsort(keys)
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(_changes(*(key[order] for key in keys))) - 1
    return number


def _split_uses(group: Array, lead: Array) -> Array:
    """(sets, _USES) rows of one group, -1 where there are fewer."""
    order = np.lexsort((np.arange(len(group)), -lead, group))
    begin = np.flatnonzero(_changes(group[order]))
    rank = np.arange(len(order)) - np.repeat(begin, np.diff(np.append(begin, len(order))))
    number = np.cumsum(rank % _USES == 0) - 1
    table = np.full((int(number[-1]) + 1, _USES), -1)
    table[number, rank % _USES] = order
    return table
