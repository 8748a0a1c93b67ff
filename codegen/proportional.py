"""Rows of a sparse table that are multiples of each other."""

from __future__ import annotations

import numpy as np

from symnum.codegen.function import Array
from symnum.errors import CodegenError

__all__ = ["proportional"]


def proportional(start: Array, column: Array, coefficient: Array) -> tuple[Array, Array]:
    """(group, lead) of each row: rows of one group are equal when divided by their lead.

    start: (rows + 1,), growing; row r has the terms ``start[r]:start[r + 1]``, sorted by ``column``, none
    empty and no coefficient 0. The lead has the size of the smallest coefficient of its row, so that what is
    left is whole where it can be, and the sign of the first.
    """
    length = np.diff(start)
    if not coefficient.all():
        raise CodegenError("rows with coefficients of 0 cannot be compared; leave these terms out")
    lead = np.copysign(np.minimum.reduceat(np.abs(coefficient), start[:-1]), coefficient[start[:-1]])
    normal = coefficient / np.repeat(lead, length)
    random = np.random.default_rng(0)
    bits = normal.view(np.uint64) | np.uint64(1)
    keys = [length.astype(np.uint64)]
    for _ in range(2):
        weight = random.integers(1, 1 << 62, int(column.max()) + 1).astype(np.uint64)
        keys.append(np.add.reduceat(weight[column] * bits, start[:-1]))
    order = np.lexsort(keys)
    ordered = np.stack(keys, axis=1)[order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(new) - 1
    leader = order[new]
    alone = np.zeros(len(group), bool)  # two with the same key that are not proportional after all
    for size in np.flatnonzero(np.bincount(length)):
        mine = np.flatnonzero(length == size)
        at = start[mine][:, None] + np.arange(size)
        model = start[leader[group[mine]]][:, None] + np.arange(size)
        same = (column[at] == column[model]) & (normal[at] == normal[model])
        alone[mine[~same.all(axis=1)]] = True
    group[alone] = len(leader) + np.arange(int(alone.sum()))
    return group, lead
