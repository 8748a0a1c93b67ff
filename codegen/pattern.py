"""The pattern of a Jacobian in compressed columns, and the place of each derivative in it.

Columns that follow one another and have their entries at the same distances from the diagonal are one
segment: a grid has a few for each of its rows. Where the derivatives come in long runs, places and pattern
are found from the runs; else the entries are sorted.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from symnum.codegen.runs import Array, Runs, counted, expanded, runs_of
from symnum.record import record

__all__ = ["Ordering", "Pattern", "Places"]

_SHORT = 8  # columns up to which segments are better expanded one by one
_FEWER = 8  # times fewer pieces of runs than entries: else sorting is as fast


class Places(NamedTuple):
    """Derivatives d(row)/d(column) by their places, two arrays of one length."""

    row: Array
    column: Array


@record
class Pattern:
    """Columns ``bound[s]`` ... ``bound[s + 1] - 1`` hold ``degree[s]`` entries each.

    ``distance``: row minus column of the entries of one column, segment by segment, increasing. ``bound``
    begins with 0 and ends with the number of columns.
    """

    bound: Array
    degree: Array
    distance: Array

    @classmethod
    def of(cls, indptr: Array, indices: Array) -> Pattern:
        """One segment for each column."""
        degree = np.diff(indptr)
        column = np.repeat(np.arange(len(degree)), degree)
        return cls(np.arange(len(indptr)), degree, np.asarray(indices, np.int64) - column)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.dot(self.degree, np.diff(self.bound)))

    @cached_property
    def indptr(self) -> npt.NDArray[np.int64]:
        """(columns + 1,)."""
        found = np.zeros(int(self.bound[-1]) + 1, np.int64)
        np.cumsum(np.repeat(self.degree, np.diff(self.bound)), out=found[1:])
        return found

    @cached_property
    def indices(self) -> npt.NDArray[np.int64]:
        """(entries,) the rows, sorted in each column."""
        length = np.diff(self.bound)
        if len(length) == self.bound[-1]:  # one column each
            return np.asarray(self.distance + np.repeat(self.bound[:-1], self.degree), np.int64)
        entries = self.degree * length
        found = np.empty(int(entries.sum()), np.int64)
        at = np.cumsum(entries) - entries
        start = np.cumsum(self.degree) - self.degree
        long = (length > _SHORT) & (self.degree > 0)
        columns = np.arange(int(self.bound[-1]))[:, None]
        for s in np.flatnonzero(long).tolist():
            rows = found[at[s] : at[s] + entries[s]].reshape(length[s], self.degree[s])
            distance = self.distance[start[s] : start[s] + self.degree[s]]
            np.add(columns[self.bound[s] : self.bound[s + 1]], distance, out=rows)
        for size in range(1, _SHORT + 1):
            short = np.flatnonzero((length == size) & ~long)
            degree = self.degree[short]
            mine = np.repeat(start[short], degree) + counted(degree)
            for k in range(size):
                place = np.repeat(at[short] + k * degree, degree) + counted(degree)
                found[place] = self.distance[mine] + np.repeat(self.bound[short] + k, degree)
        return found


class Ordering:
    """The entries of several parts in the order of columns, then rows."""

    def __init__(self, parts: list[Places], n: int) -> None:
        """n: the number of columns."""
        self.parts = parts
        self.n = n
        self.total = sum(len(part.row) for part in parts)
        self.pieces = _pieces(parts, self.total)

    @cached_property
    def _sorted(self) -> tuple[Array, Array]:
        """(key of each entry, which grows with its column, then its row; order of the entries)."""
        size = max((int(part.row.max(initial=0)) for part in self.parts), default=0) + 1
        keys = np.empty(self.total, np.int64)
        start = 0
        for part in self.parts:
            mine = keys[start : start + len(part.row)]
            np.multiply(part.column, size, out=mine, dtype=np.int64)
            mine += part.row
            start += len(mine)
        # large parts are long ascending runs, which a merge sort takes in a pass or two
        return keys, np.argsort(keys, kind="stable")

    def shared(self) -> list[npt.NDArray[np.bool_]] | None:
        """For each part, which entries share their place with another one; None where none does."""
        if self.pieces is not None:
            copies = self.pieces.shared()
        else:
            keys, order = self._sorted
            same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
            copies = np.concatenate([order[same], order[same + 1]])
        if not len(copies):
            return None
        found = np.zeros(self.total, bool)
        found[copies] = True
        return np.split(found, np.cumsum([len(part.row) for part in self.parts])[:-1])

    def placed(self) -> tuple[Pattern, list[Array]]:
        """The pattern, and the places of the entries of each part; no two entries share one."""
        if self.pieces is not None:
            return self.pieces.pattern(self.n), self.pieces.places(self.parts)
        _, order = self._sorted
        position = np.empty(len(order), np.int32)
        position[order] = np.arange(len(order), dtype=np.int32)
        row = np.concatenate([part.row for part in self.parts], dtype=np.int64)[order]
        column = np.concatenate([part.column for part in self.parts], dtype=np.int64)
        indptr = np.append(0, np.cumsum(np.bincount(column, minlength=self.n)))
        bounds = np.cumsum([len(part.row) for part in self.parts])[:-1]
        return Pattern.of(indptr, row), np.split(position, bounds)


class _Pieces:
    """Runs cut where a segment of columns ends, so that each piece takes one entry in all columns of one.

    All arrays have an entry a piece: ``copy`` the number of its first entry, all parts counted through.
    """

    def __init__(self, copy: Array, column: Array, distance: Array, length: Array) -> None:
        self.bound = np.unique(np.concatenate([column, column + length]))
        low = np.searchsorted(self.bound, column)
        count = np.searchsorted(self.bound, column + length) - low
        self.segment = np.repeat(low, count) + counted(count)
        self.copy = np.repeat(copy - column, count) + self.bound[self.segment]
        self.distance = np.repeat(distance, count)
        self.order = np.lexsort((self.distance, self.segment))
        self.length = np.diff(self.bound)
        self.degree = np.bincount(self.segment, minlength=len(self.length))

    def shared(self) -> Array:
        """The entries that share their place with another one."""
        segment, distance = self.segment[self.order], self.distance[self.order]
        same = np.flatnonzero((segment[1:] == segment[:-1]) & (distance[1:] == distance[:-1]))
        pieces = np.union1d(self.order[same], self.order[same + 1])
        length = self.length[self.segment[pieces]]
        return np.repeat(self.copy[pieces], length) + counted(length)

    def pattern(self, n: int) -> Pattern:
        bound, degree = self.bound, self.degree
        if bound[0] > 0:
            bound, degree = np.append(0, bound), np.append(0, degree)
        if bound[-1] < n:
            bound, degree = np.append(bound, n), np.append(degree, 0)
        return Pattern(bound, degree, self.distance[self.order])

    def places(self, parts: list[Places]) -> list[Array]:
        rank = np.empty(len(self.order), np.int64)
        rank[self.order] = counted(self.degree)
        base = np.cumsum(self.degree * self.length) - self.degree * self.length
        first, step = base[self.segment] + rank, self.degree[self.segment]
        ends = np.cumsum([len(part.row) for part in parts])
        found: list[Array] = []
        for part, end in zip(parts, ends.tolist(), strict=True):
            low, high = np.searchsorted(self.copy, [end - len(part.row), end])
            copy = self.copy[low:high] - (end - len(part.row))
            found.append(_expanded(np.append(copy, len(part.row)), first[low:high], step[low:high]))
        return found


def _expanded(start: Array, first: Array, step: Array) -> Array:
    """(entries,) places of pieces with steps of their own."""
    if not len(step):
        return np.zeros(0, np.int32)
    if (step == step[0]).all():
        return expanded(Runs(start, first, int(step[0])))
    length = np.diff(start)
    offset = np.repeat((first - step * start[:-1]).astype(np.int32), length)
    advance = np.repeat(step.astype(np.int32), length) * np.arange(start[-1], dtype=np.int32)
    return np.asarray(offset + advance)


def _pieces(parts: list[Places], total: int) -> _Pieces | None:
    """The pieces of all parts in order; None where there are too many of them."""
    found: list[tuple[Array, ...]] = []
    count = begin = 0
    for part in parts:
        size = len(part.row)
        runs = runs_of(part.row), runs_of(part.column)
        if all(one is not None and one.step == 1 for one in runs):
            start = np.unique(np.concatenate([one.start[:-1] for one in runs if one is not None]))
        else:
            start = np.arange(size)
        count += len(start)
        if count * _FEWER > total:
            return None
        column = part.column[start].astype(np.int64)
        distance = part.row[start] - column
        found.append((begin + start, column, distance, np.diff(np.append(start, size))))
        begin += size
    if not total:
        return None
    pieces = _Pieces(*(np.concatenate(fields) for fields in zip(*found, strict=True)))
    return pieces if len(pieces.copy) * _FEWER <= total else None
