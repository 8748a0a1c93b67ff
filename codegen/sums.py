"""Many sums of products as few loops: rows with the same signature are a family.

A term is coefficient * a * b, where a and b are places in w, u or p, or absent. The signature of a row is
the list of its terms' kinds (which spaces, coefficient +1, -1 or another number). Rows of one signature
become one loop with table columns; signatures that are rare share straight-line code; long rows are first
cut down by gathers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from symnum.codegen.distinct import distinct
from symnum.codegen.function import Array, Column, Gather, Item, Loop, Output
from symnum.record import replace
from symnum.rewriting.expr import ONE, Expr, Rational, linear, multiply, slot

__all__ = ["NONE", "SPACES", "Terms", "place", "reference", "signed", "space_of", "sum_items"]

NONE = -1
"""No factor."""

_SHIFT = 40
SPACES = ("w", "u", "p")
_LONGEST = 10  # terms of a row in a loop; longer rows run faster as a gather
_FAMILY = 16  # rows that are worth a loop of their own
_STRAIGHT = 1500  # terms of rare signatures that may become straight-line code


def reference(space: str, index: Array) -> Array:
    """Places of ``w``, ``u`` or ``p`` as int64 references."""
    return np.asarray(index, np.int64) + (SPACES.index(space) << _SHIFT)


def space_of(references: Array) -> Array:
    """0 for w, 1 for u, 2 for p, -1 for no factor."""
    return references >> _SHIFT


def place(references: Array) -> Array:
    """The position within its space."""
    return references & ((1 << _SHIFT) - 1)


class Terms(NamedTuple):
    """coefficient * a * b for sums number ``row``; a and b are references or `NONE`; equal lengths."""

    row: Array
    coefficient: Array
    a: Array
    b: Array

    def take(self, which: Array) -> Terms:
        """The terms at these positions, or where this mask holds."""
        return Terms(*(field[which] for field in self))


def join(parts: list[Terms]) -> Terms:
    """All terms of several lists."""
    if not parts:
        return Terms(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Terms(*(np.concatenate([part[k] for part in parts]) for k in range(4)))


def _codes(terms: Terms) -> Array:
    """One number per kind of term."""
    sign = np.where(terms.coefficient == 1.0, 0, np.where(terms.coefficient == -1.0, 1, 2))
    sign = np.where(terms.a == NONE, 2, sign)  # a bare number is a coefficient
    codes: Array = ((space_of(terms.a) + 1) * 4 + space_of(terms.b) + 1) * 3 + sign
    return codes


def sum_items(
    name: str, space: str, target: Array, terms: Terms, allocate: Callable[[int], int]
) -> Iterator[Item]:
    """Items that write sum number r to ``space[target[r]]``, for r = 0..len(target)-1; every sum has a term.

    ``allocate(k)`` returns the first of k new consecutive places of scratch.
    """
    length = np.bincount(terms.row, minlength=len(target))
    long = length[terms.row] > _LONGEST
    if long.any():
        items, parts = _gathered(name, terms.take(long), allocate)
        yield from items
        terms = join([terms.take(~long), parts])
    groups, rare = _families(terms, len(target))
    if sum(len(rows) * len(codes) for codes, rows, _ in rare) > _STRAIGHT:
        # Too much for straight-line code. One place per kind of term leaves few signatures.
        odd = np.zeros(len(target), bool)
        for _, rows, _ in rare:
            odd[rows] = True
        items, parts = _gathered(name, terms.take(odd[terms.row]), allocate)
        yield from items
        terms = join([terms.take(~odd[terms.row]), parts])
        groups, rare = _families(terms, len(target))
    for codes, rows, members in groups:
        yield _loop(name, space, target[rows], codes, terms, members)
    if rare:
        yield _straight(name, space, target, rare, terms)


_Family = tuple[tuple[int, ...], Array, Array]  # codes of the terms, rows, terms of these rows (rows, length)


def _families(terms: Terms, count: int) -> tuple[list[_Family], list[_Family]]:
    """Rows grouped by signature: the common ones and the rare ones."""
    codes = _codes(terms)
    order = np.lexsort((terms.b, terms.a, codes, terms.row))
    length = np.bincount(terms.row, minlength=count)
    start = np.concatenate([[0], np.cumsum(length)])
    common: list[_Family] = []
    rare: list[_Family] = []
    for size in distinct(length):
        rows = np.flatnonzero(length == size)
        members = order[start[rows][:, None] + np.arange(size)]
        signatures, which = np.unique(codes[members], axis=0, return_inverse=True)
        which = which.reshape(-1)
        for k, signature in enumerate(signatures):
            chosen = which == k
            family = (tuple(int(code) for code in signature), rows[chosen], members[chosen])
            (common if int(chosen.sum()) >= _FAMILY else rare).append(family)
    return common, rare


def _gathered(name: str, terms: Terms, allocate: Callable[[int], int]) -> tuple[list[Item], Terms]:
    """Sum the terms of each kind with a gather; returns gathers and what is left: a term per row and kind."""
    items: list[Item] = []
    left: list[Terms] = [terms.take(terms.a == NONE)]
    kind = np.where(terms.a == NONE, -1, _codes(terms) // 3)
    for which in distinct(kind[kind >= 0]):
        part = terms.take(kind == which)
        first, second = int(space_of(part.a[0])), int(space_of(part.b[0]))
        if second >= 0 and first != second:  # a gather reads one space only
            left.append(part)
            continue
        part = part.take(np.argsort(part.row, kind="stable"))
        rows, sizes = np.unique(part.row, return_counts=True)
        base = allocate(len(rows))
        items.append(signed(Gather(
            f"{name}: sums", Output("w", base + np.arange(len(rows))),
            np.concatenate([[0], np.cumsum(sizes)]),
            SPACES[first], place(part.a), place(part.b) if second >= 0 else None, part.coefficient,
        )))  # fmt: skip
        sums = reference("w", base + np.arange(len(rows)))
        left.append(Terms(rows, np.ones(len(rows)), sums, np.full(len(rows), NONE, np.int64)))
    return items, join(left)


def signed(gather: Gather) -> Gather:
    """The same sum with terms of coefficient 2, 3, ... written several times where these are few: terms that
    are only added or subtracted need no table of coefficients, which is most of what a sum reads."""
    size = np.abs(gather.coefficient)
    times = size.astype(np.int64)
    if (size == 1.0).all() or (size != times).any() or times.sum() > _REPEATED * len(times):
        return gather
    row = np.repeat(np.arange(len(gather.indptr) - 1), np.diff(gather.indptr))
    counts = np.bincount(np.repeat(row, times), minlength=len(gather.indptr) - 1)
    return replace(
        gather, indptr=np.append(0, np.cumsum(counts)), first=np.repeat(gather.first, times),
        second=None if gather.second is None else np.repeat(gather.second, times),
        coefficient=np.repeat(np.sign(gather.coefficient), times),
    )  # fmt: skip


_REPEATED = 1.25  # times the terms that a sum may have after that


def _term(code: int, slots: Iterator[int]) -> tuple[Expr, Rational]:
    """One term over the next slots, in the order coefficient, a, b."""
    spaces, sign = divmod(code, 3)
    parts: list[tuple[Expr, Rational]] = []
    if sign == 2:
        parts.append((slot("c", next(slots)), 1))
    parts += [(slot(SPACES[s - 1], next(slots)), 1) for s in divmod(spaces, 4) if s > 0]
    return (multiply(parts) if parts else ONE), (-1 if sign == 1 else 1)


def _columns(code: int, terms: Terms, members: Array) -> list[Column]:
    """The columns of the slots of `_term`."""
    spaces, sign = divmod(code, 3)
    columns = [Column("c", terms.coefficient[members])] if sign == 2 else []
    for s, references in zip(divmod(spaces, 4), (terms.a, terms.b), strict=True):
        if s > 0:
            columns.append(Column(SPACES[s - 1], place(references[members])))
    return columns


def _loop(name: str, space: str, target: Array, codes: tuple[int, ...], terms: Terms, members: Array) -> Loop:
    slots = iter(range(3 * len(codes)))
    root = linear(_term(code, slots) for code in codes)
    columns = [column for k, code in enumerate(codes) for column in _columns(code, terms, members[:, k])]
    return Loop(f"{name}: sums", len(target), (root,), tuple(columns), (Output(space, target),))


def _straight(name: str, space: str, target: Array, families: list[_Family], terms: Terms) -> Loop:
    """Rows of rare signatures, all in one copy; places that occur twice share a slot."""
    slots: dict[tuple[str, float], int] = {}
    columns: list[Column] = []
    roots: list[Expr] = []
    outputs: list[Output] = []
    for codes, rows, members in families:
        for row, mine in zip(rows, members, strict=True):
            parts = []
            for code, member in zip(codes, mine, strict=True):
                numbers = []
                for column in _columns(code, terms, member[None]):
                    key = (column.space, float(column.index[0]))
                    if key not in slots:
                        slots[key] = len(columns)
                        columns.append(column)
                    numbers.append(slots[key])
                parts.append(_term(code, iter(numbers)))
            roots.append(linear(parts))
            outputs.append(Output(space, target[row][None]))
    return Loop(f"{name}: sums", 1, tuple(roots), tuple(columns), tuple(outputs))
