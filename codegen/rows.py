"""Rows of a grid, found in index tables: runs of copies in which every regular column advances evenly.

A region of a 2-D or 3-D grid, its wrapped or clipped neighbours included, is a table of row starts: within a
row neighbours are contiguous, so that loads need no table and the copies of a row can be vectorized.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from symnum.codegen.distinct import distinct
from symnum.codegen.runs import Array, runs_of

__all__ = ["Rows", "row_offsets", "rows_of"]

_SHORTEST = 8  # copies of an average row: below, finding its places costs more than it saves


class Rows(NamedTuple):
    """Row r holds the copies ``start[r]`` ... ``start[r + 1] - 1``; ``stride[k]`` is the step of column k."""

    start: Array
    stride: tuple[int | None, ...]


def rows_of(columns: Sequence[Array], irregular: Sequence[bool]) -> Rows | None:
    """Rows in which those columns that are ``irregular`` but mostly advance evenly do so throughout.

    columns: (count,) positions each, equally long. None: there are no such columns, or the rows are short.
    """
    found = [runs_of(index) if wanted else None for index, wanted in zip(columns, irregular, strict=True)]
    regular = [runs for runs in found if runs is not None]
    if not regular:
        return None
    start = distinct(np.concatenate([runs.start for runs in regular]))
    if (len(start) - 1) * _SHORTEST > len(columns[0]):
        return None
    return Rows(start, tuple(None if runs is None else runs.step for runs in found))


def row_offsets(rows: Rows, index: Array, step: int) -> Array:
    """(number of rows,) what to add to ``step * copy`` for the places of a column."""
    first = rows.start[:-1]
    offsets: Array = index[first] - step * first
    return offsets
