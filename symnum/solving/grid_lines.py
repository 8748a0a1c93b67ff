"""A Jacobian on a grid as a sum over directions: which entries lie along which lines.

The pattern says what couples, `ModelFunctions.grid` where on the grid. Factors: see `kernel.splitting`.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from symnum.codegen.model_functions import IntArray, ModelFunctions, ShortArray
from symnum.record import record

__all__ = ["Batch", "Lines", "lines_of"]


@record
class Batch:
    """Lines of one direction over the same fields, or the points themselves.

    place: (length, lines) number of the unknown, -1 where a line is shorter. source: entries of J. target:
    their places in (length, 2 width + 1, lines).
    """

    place: ShortArray
    width: int
    source: ShortArray
    target: ShortArray
    local: bool

    def blocks(self) -> tuple[IntArray, IntArray] | None:
        """Block of each entry, and one entry of each of the (length * (2 width + 1)) blocks, -1 of none.

        A block is what all lines have at one place of the band. None where lines differ in what they have.
        """
        length, lines = self.place.shape
        block = self.target // lines
        count = np.bincount(block, minlength=length * (2 * self.width + 1))
        if self.local or (self.place < 0).any() or not np.isin(count, (0, lines)).all():
            return None
        first = np.full(len(count), -1, np.int64)
        first[block[::-1]] = self.source[::-1]
        return block.astype(np.int64), first


@record
class Lines:
    """batches: those of directions, then those of points. dropped: entries of J that lie in none.

    directions: how many coordinates couple.
    """

    batches: tuple[Batch, ...]
    dropped: int
    directions: int

    @property
    def cost(self) -> float:
        """Numbers that are read in one solution, each a multiplication."""
        return float(sum(batch.place.size * (2 * batch.width + 3) for batch in self.batches))


_known: WeakKeyDictionary[ModelFunctions, Lines | None] = WeakKeyDictionary()


def lines_of(model: ModelFunctions) -> Lines | None:
    """None where nothing lies on a grid, or some rows are algebraic: their pivots may vanish."""
    if model not in _known:
        usable = model.grid is not None and not model.n_algebraic
        _known[model] = _found(model) if usable else None
    return _known[model]


def _found(model: ModelFunctions) -> Lines:
    grid = model.grid
    assert grid is not None
    n = model.n
    row, column = model.indices, np.repeat(np.arange(n), np.diff(model.indptr))
    axes = grid.shape[1] - 1
    away = np.zeros(len(row), np.int8)
    along = np.full(len(row), -1, np.int8)
    for a in range(axes):
        moved = grid[row, 1 + a] != grid[column, 1 + a]
        away += moved
        along[moved] = a
    on_grid = (grid[row, 0] >= 0) & (grid[column, 0] >= 0)
    here = (row == column) | (on_grid & (away == 0))
    straight = on_grid & (away == 1)
    batches: list[Batch] = []
    directions = 0
    for a in range(axes):
        entries = np.flatnonzero(straight & (along == a))
        if len(entries):
            directions += 1
            batches += _batches(grid, row, column, entries, a)
    batches += _batches(grid, row, column, np.flatnonzero(here), None)
    outside = np.flatnonzero(grid[:, 0] < 0)
    if len(outside):
        own = np.flatnonzero(here & (grid[row, 0] < 0))
        batches.append(_batch(outside, np.arange(len(outside)), None, row, column, own, n))
    return Lines(tuple(batches), int(len(row) - (here | straight).sum()), directions)


def _batches(
    grid: ShortArray, row: IntArray, column: IntArray, entries: IntArray, axis: int | None
) -> list[Batch]:
    """Those of one direction (None: of points), one for each set of fields that it couples."""
    n, fields = len(grid), int(grid[:, 0].max()) + 1
    entries = entries[grid[row[entries], 0] >= 0]
    group = np.arange(fields)
    pairs = np.unique(grid[row[entries], 0].astype(np.int64) * fields + grid[column[entries], 0])
    for one, other in zip((pairs // fields).tolist(), (pairs % fields).tolist(), strict=True):
        group[group == group[one]] = group[other]
    held = np.zeros(fields, bool)
    held[grid[row[entries], 0]] = True
    found = []
    for g in np.unique(group if axis is None else group[held]):
        unknowns = np.flatnonzero((grid[:, 0] >= 0) & (group[grid[:, 0]] == g))
        chosen = entries[group[grid[row[entries], 0]] == g]
        others = [1 + a for a in range(grid.shape[1] - 1) if a != axis]
        line = np.zeros(len(unknowns), np.int64)
        for k in others:
            line = line * (int(grid[:, k].max()) + 2) + grid[unknowns, k] + 1
        _, line = np.unique(line, return_inverse=True)
        fields_here = grid[unknowns, 0].astype(np.int64)
        if axis is None:
            found.append(_batch(unknowns, line, fields_here, row, column, chosen, n, axis))
            continue
        rank = grid[unknowns, 1 + axis].astype(np.int64)
        last = int(rank.max())
        # around a periodic coordinate: both ends first, so that what couples stays close
        folded = np.where(2 * rank <= last, 2 * rank, 2 * (last - rank) + 1)
        candidates = [
            _batch(unknowns, line, place * fields + fields_here, row, column, chosen, n, axis)
            for place in (rank, folded)
        ]
        found.append(min(candidates, key=lambda batch: batch.width))
    return found


def _batch(
    unknowns: IntArray,
    line: IntArray,
    place: IntArray | None,
    row: IntArray,
    column: IntArray,
    entries: IntArray,
    n: int,
    axis: int | None = None,
) -> Batch:
    """unknowns in the order of ``place`` on their lines. The places of entries are int32: see `Lines`."""
    order = np.lexsort((np.zeros(len(line)) if place is None else place, line))
    count = np.bincount(line)
    position = np.empty(len(unknowns), np.int64)
    position[order] = np.arange(len(unknowns)) - np.repeat(np.cumsum(count) - count, count)
    lines, length = len(count), int(count.max())
    table = np.full((length, lines), -1, np.int32)
    table[position, line] = unknowns
    where, on = np.empty(n, np.int64), np.empty(n, np.int64)
    where[unknowns], on[unknowns] = position, line
    p, q = where[row[entries]], where[column[entries]]
    width = int(np.abs(p - q).max(initial=0))
    target = (p * (2 * width + 1) + width + q - p) * lines + on[row[entries]]
    by_target = np.argsort(target)
    small = [np.ascontiguousarray(values[by_target], np.int32) for values in (entries, target)]
    return Batch(table, width, small[0], small[1], axis is None)
