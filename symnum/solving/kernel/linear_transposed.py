"""Solving with the transposed matrix by the factors of `linear`. Kernel code: see `pointers`."""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import (
    Floats,
    Integers,
    call_ten,
    compiled,
    floats,
    integers,
    shorts,
)

__all__ = ["solve"]


@compiled
def solve_dense(n: int, a: Floats, pivots: Integers, b: Floats) -> None:
    """With P A = L U: U' y = b, L' z = y, then the exchanges backwards."""
    for k in range(n):
        value = b[k]
        for i in range(k):
            value -= a[k * n + i] * b[i]
        b[k] = value * a[k * n + k]
    for k in range(n - 1, -1, -1):
        value = b[k]
        for i in range(k + 1, n):
            value -= a[k * n + i] * b[i]
        b[k] = value
    for k in range(n - 1, -1, -1):
        row = pivots[k]
        if row != k:
            swap = b[k]
            b[k] = b[row]
            b[row] = swap


@compiled
def solve_lapack(s: Integers, n: int, matrix: int, right: int) -> None:
    pivots = integers(s[slot.PIVOTS])
    size = s[slot.PIVOTS] + 8 * n
    pivots[n] = n
    pivots[n + 1] = 0
    pivots[n + 2] = 1
    pivots[n + 3] = 84  # ASCII "T": transposed
    call_ten(
        s[slot.GETRS], size + 24, size, size + 16, matrix, size, s[slot.PIVOTS], right, size, size + 8, 1
    )


@compiled
def solve_sparse(s: Integers, b: Floats) -> None:
    """The sweeps of `linear.solve_sparse` in the opposite order; U is listed column by column."""
    n = s[slot.SYSTEM_N]
    x = floats(s[slot.STORE])
    y = floats(s[slot.Y_PERMUTED])
    inverse = floats(s[slot.INVERSE])
    row_order = shorts(s[slot.ROW_ORDER])
    column_order = shorts(s[slot.COLUMN_ORDER])
    lower_row = shorts(s[slot.LOWER_ROW])
    lower_column = shorts(s[slot.LOWER_COLUMN])
    upper_row = shorts(s[slot.UPPER_ROW])
    upper_column = shorts(s[slot.UPPER_COLUMN])
    for k in range(n):
        y[k] = b[column_order[k]]
    tail = s[slot.TAIL]
    first = n + s[slot.LOWER_COUNT]
    for e in range(s[slot.UPPER_COUNT]):
        y[upper_column[e]] -= x[first + e] * y[upper_row[e]]
    for k in range(n - tail):
        y[k] *= inverse[k]
    if tail > 0:
        dense = s[slot.STORE] + 8 * (first + s[slot.UPPER_COUNT])
        solve_lapack(s, tail, dense, s[slot.Y_PERMUTED] + 8 * (n - tail))
    for e in range(s[slot.LOWER_COUNT] - 1, -1, -1):
        y[lower_column[e]] -= x[n + e] * y[lower_row[e]]
    for k in range(n):
        b[row_order[k]] = y[k]


@compiled
def solve(s: Integers) -> int:
    """Solve in place for the vector at RIGHT, after `linear.factor`; systems by address are not for this."""
    kind = s[slot.KIND]
    n = s[slot.SYSTEM_N]
    if kind == slot.SPARSE or kind == slot.COLUMNS:
        solve_sparse(s, floats(s[slot.RIGHT]))
    elif kind == slot.DENSE_OWN:
        solve_dense(n, floats(s[slot.STORE]), integers(s[slot.PIVOTS]), floats(s[slot.RIGHT]))
    else:
        solve_lapack(s, n, s[slot.STORE], s[slot.RIGHT])
    return slot.OK
