"""Rows of a grid, found in index tables: runs of copies in which every regular column advances evenly.

A region of a 2-D or 3-D grid, its wrapped or clipped neighbours included, is a table of row starts: within a
row neighbours are contiguous, so that loads need no table and the copies of a row can be vectorized.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from symnum.codegen.function import Array

__all__ = ["Rows", "row_offsets", "rows_of"]

_SHORTEST = 8  # copies of an average row: below, finding its places costs more than it saves
_SAMPLES = 64
_LARGEST = 1 << 30  # offsets are stored as int32


class Rows(NamedTuple):
    """Row r holds the copies ``start[r]`` ... ``start[r + 1] - 1``; ``stride[k]`` is the step of column k."""

    start: Array
    stride: tuple[int | None, ...]


def rows_of(columns: Sequence[Array], irregular: Sequence[bool]) -> Rows | None:
    """Rows in which those columns that are ``irregular`` but mostly advance evenly do so throughout.

    columns: (count,) positions each, equally long. None: there are no such columns, or the rows are short.
    """
    count = len(columns[0]) if columns else 0
    new = np.zeros(count, bool)
    stride: list[int | None] = []
    for index, wanted in zip(columns, irregular, strict=True):
        found = _stride(index) if wanted and count >= _SHORTEST * 2 else None
        if found is not None:
            step, broken = found
            offsets = index.astype(np.int64) - step * np.arange(count)
            if max(-int(offsets.min()), int(offsets.max())) < _LARGEST:
                new[1:] |= broken
                stride.append(step)
                continue
        stride.append(None)
    if all(step is None for step in stride):
        return None
    start = np.concatenate([[0], np.flatnonzero(new), [count]])
    return Rows(start, tuple(stride)) if (len(start) - 1) * _SHORTEST <= count else None


def _stride(index: Array) -> tuple[int, Array] | None:
    """(the usual step of a column, where it is another one), or None where there is no usual step."""
    sampled = np.linspace(0, len(index) - 2, _SAMPLES).astype(np.int64)
    steps = index[sampled + 1].astype(np.int64) - index[sampled]
    step = int(Counter(steps.tolist()).most_common(1)[0][0])
    broken = np.diff(index) != step
    return (step, broken) if int(broken.sum()) * _SHORTEST <= len(index) else None


def row_offsets(rows: Rows, index: Array, step: int) -> Array:
    """(number of rows,) what to add to ``step * copy`` for the places of a column."""
    first = rows.start[:-1]
    offsets: Array = index[first] - step * first
    return offsets
