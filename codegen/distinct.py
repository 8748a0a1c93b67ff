"""Distinct values of an array, of one without another, and distinct rows of a table."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["difference", "distinct", "distinct_rows"]

Scalar = TypeVar("Scalar", bound=np.generic)


def distinct(values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Each value once, in increasing order, (k,); NaN has no place here.

    What ``np.unique`` returns. That function imports numpy.ma, 8 ms of a start that takes a hundred.
    """
    ordered = np.sort(values, axis=None)
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    found: npt.NDArray[Scalar] = ordered[new]
    return found


def difference(values: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The distinct values that are none of the others, in increasing order, (k,): ``np.setdiff1d``."""
    mine, theirs = distinct(values), distinct(others)
    if not len(theirs):
        return mine
    place = np.minimum(np.searchsorted(theirs, mine), len(theirs) - 1)
    found: npt.NDArray[np.int64] = mine[theirs[place] != mine]
    return found


def distinct_rows(rows: npt.NDArray[Scalar]) -> tuple[npt.NDArray[Scalar], npt.NDArray[np.int64]]:
    """(each row once, in lexicographic order, (k, m); the number of each given row among them, (n,))."""
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    new = np.ones(len(rows), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    number = np.empty(len(rows), np.int64)
    number[order] = np.cumsum(new) - 1
    return ordered[new], number
