"""Factor and solve: dense with partial pivoting, sparse over a fixed pattern by tables, or by another solver.

A linear system holds `store`, either the dense matrix by columns or the entries of its LU factors.
`factor` writes -J plus `scale` on the differential diagonal there (a complex matrix as the real one of twice
its size) and replaces it by the factors;
`solve` works in place on the vector at RIGHT. Kernel code: see `pointers`.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import (
    Floats,
    Integers,
    call_kernel,
    call_six,
    call_ten,
    compiled,
    floats,
    integers,
    shorts,
)  # fmt: skip

__all__ = ["factor", "solve"]

# A multiplier beyond this bound means that the pivot order has become a bad one for the present numbers.
GROWTH_BOUND = 1e5
_HUGE = 1.7976931348623157e308


@compiled
def assemble(s: Integers) -> None:
    jacobian = floats(s[slot.MATRIX])
    scale = floats(s[slot.SCALE_AT])[0]
    store = floats(s[slot.STORE])
    source = shorts(s[slot.SOURCE])
    target = shorts(s[slot.TARGET])
    diagonal = shorts(s[slot.DIAGONAL])
    for k in range(s[slot.STORE_SIZE]):
        store[k] = 0.0
    for e in range(s[slot.ENTRIES]):
        store[target[e]] = -jacobian[source[e]]
    for m in range(s[slot.DIAGONALS]):
        store[diagonal[m]] += scale
    pairs = s[slot.COUPLINGS]
    if pairs > 0:
        coupled = shorts(s[slot.COUPLED])
        coupling = floats(s[slot.SCALE_AT])[1]
        for m in range(pairs):
            store[coupled[m]] += coupling
            store[coupled[pairs + m]] -= coupling


@compiled
def factor_dense(n: int, a: Floats, pivots: Integers) -> int:
    """LU with partial pivoting, column by column; the reciprocal pivots stay on the diagonal."""
    for k in range(n):
        column = k * n
        row = k
        largest = abs(a[column + k])
        for i in range(k + 1, n):
            if abs(a[column + i]) > largest:
                largest = abs(a[column + i])
                row = i
        if not 0.0 < largest <= _HUGE:
            return slot.SINGULAR
        pivots[k] = row
        if row != k:
            for j in range(n):
                swap = a[j * n + k]
                a[j * n + k] = a[j * n + row]
                a[j * n + row] = swap
        inverse = 1.0 / a[column + k]
        a[column + k] = inverse
        for i in range(k + 1, n):
            a[column + i] *= inverse
        for j in range(k + 1, n):
            multiplier = a[j * n + k]
            if multiplier != 0.0:
                for i in range(k + 1, n):
                    a[j * n + i] -= a[column + i] * multiplier
    return slot.OK


@compiled
def solve_dense(n: int, a: Floats, pivots: Integers, b: Floats) -> None:
    for k in range(n):
        row = pivots[k]
        if row != k:
            swap = b[k]
            b[k] = b[row]
            b[row] = swap
    for k in range(n):
        value = b[k]
        for i in range(k + 1, n):
            b[i] -= a[k * n + i] * value
    for k in range(n - 1, -1, -1):
        value = b[k] * a[k * n + k]
        b[k] = value
        for i in range(k):
            b[i] -= a[k * n + i] * value


@compiled
def factor_sparse(s: Integers) -> int:
    """Refactor over the tables: level by level, reciprocal pivots, multipliers, updates.

    The three loops of a level have no branches inside, so their lengths are all that can be mispredicted. The
    rows of U are scaled at the end, which leaves no division to the solves.
    """
    n = s[slot.SYSTEM_N]
    x = floats(s[slot.STORE])
    inverse = floats(s[slot.INVERSE])
    lower_column = shorts(s[slot.LOWER_COLUMN])
    level_pivot = shorts(s[slot.LEVEL_PIVOT])
    level_lower = shorts(s[slot.LEVEL_LOWER])
    level_operation = shorts(s[slot.LEVEL_OPERATION])
    to = shorts(s[slot.OPERATION_TO])
    left = shorts(s[slot.OPERATION_LOWER])
    right = shorts(s[slot.OPERATION_UPPER])
    bad = 0
    growth = 0
    for level in range(s[slot.LEVELS]):
        for k in range(level_pivot[level], level_pivot[level + 1]):
            inverse[k] = 1.0 / x[k]
            bad += not abs(inverse[k]) <= _HUGE
        for e in range(level_lower[level], level_lower[level + 1]):
            multiplier = x[n + e] * inverse[lower_column[e]]
            x[n + e] = multiplier
            growth += not abs(multiplier) <= GROWTH_BOUND
        for o in range(level_operation[level], level_operation[level + 1]):
            x[to[o]] -= x[left[o]] * x[right[o]]
    first = n + s[slot.LOWER_COUNT]
    upper_row = shorts(s[slot.UPPER_ROW])
    for e in range(s[slot.UPPER_COUNT]):
        x[first + e] *= inverse[upper_row[e]]
    if bad + growth > 0:
        return slot.REPIVOT
    return slot.OK


@compiled
def factor_columns(s: Integers) -> int:
    """The same factors column by column, for systems whose list of updates would not fit into the caches.

    The last columns may form a dense block, the tail, which is updated by what stands before it and left to
    LAPACK.
    """
    n = s[slot.SYSTEM_N]
    tail = s[slot.TAIL]
    head = n - tail
    x = floats(s[slot.STORE])
    y = floats(s[slot.Y_PERMUTED])
    inverse = floats(s[slot.INVERSE])
    lower_start = shorts(s[slot.LOWER_START])
    upper_start = shorts(s[slot.UPPER_START])
    lower_row = shorts(s[slot.LOWER_ROW])
    upper_row = shorts(s[slot.UPPER_ROW])
    first = n + s[slot.LOWER_COUNT]
    dense = first + s[slot.UPPER_COUNT]
    bad = 0
    for j in range(head):
        for e in range(upper_start[j], upper_start[j + 1]):
            y[upper_row[e]] = x[first + e]
        y[j] = x[j]
        for e in range(lower_start[j], lower_start[j + 1]):
            y[lower_row[e]] = x[n + e]
        for e in range(upper_start[j], upper_start[j + 1]):
            k = upper_row[e]
            value = y[k]
            x[first + e] = value
            for g in range(lower_start[k], lower_start[k + 1]):
                y[lower_row[g]] -= x[n + g] * value
        x[j] = y[j]
        inverse[j] = 1.0 / y[j]
        bad += not abs(inverse[j]) <= _HUGE
        for e in range(lower_start[j], lower_start[j + 1]):
            multiplier = y[lower_row[e]] * inverse[j]
            x[n + e] = multiplier
            bad += not abs(multiplier) <= GROWTH_BOUND
    for j in range(head, n):
        column = dense + (j - head) * tail
        for e in range(upper_start[j], upper_start[j + 1]):
            y[upper_row[e]] = x[first + e]
        for i in range(tail):
            y[head + i] = x[column + i]
        for e in range(upper_start[j], upper_start[j + 1]):
            k = upper_row[e]
            value = y[k]
            x[first + e] = value
            for g in range(lower_start[k], lower_start[k + 1]):
                y[lower_row[g]] -= x[n + g] * value
        for i in range(tail):
            x[column + i] = y[head + i]
    for e in range(s[slot.UPPER_COUNT]):
        x[first + e] *= inverse[upper_row[e]]
    if bad > 0:
        return slot.REPIVOT
    if tail == 0:
        return slot.OK
    return factor_lapack(s, tail, s[slot.STORE] + 8 * dense)


@compiled
def factor_lapack(s: Integers, n: int, matrix: int) -> int:
    """Factor the (n, n) matrix at an address by LAPACK.

    It takes its integers in slots of 8 zeroed bytes, so that it may read 4 or 8 of them.
    """
    pivots = integers(s[slot.PIVOTS])
    pivots[n] = n
    pivots[n + 1] = 0
    size = s[slot.PIVOTS] + 8 * n
    call_six(s[slot.GETRF], size, size, matrix, size, s[slot.PIVOTS], size + 8)
    if pivots[n + 1] != 0:
        return slot.SINGULAR
    a = floats(matrix)
    for k in range(n):
        if not abs(a[k * n + k]) <= _HUGE:
            return slot.SINGULAR
    return slot.OK


@compiled
def solve_lapack(s: Integers, n: int, matrix: int, right: int) -> int:
    pivots = integers(s[slot.PIVOTS])
    size = s[slot.PIVOTS] + 8 * n
    pivots[n] = n
    pivots[n + 1] = 0
    pivots[n + 2] = 1
    pivots[n + 3] = 78  # ASCII "N": not transposed
    call_ten(
        s[slot.GETRS], size + 24, size, size + 16, matrix, size, s[slot.PIVOTS], right, size, size + 8, 1
    )
    return slot.OK


@compiled
def solve_sparse(s: Integers, b: Floats) -> None:
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
        y[k] = b[row_order[k]]
    for e in range(s[slot.LOWER_COUNT]):
        y[lower_row[e]] -= x[n + e] * y[lower_column[e]]
    tail = s[slot.TAIL]
    first = n + s[slot.LOWER_COUNT]
    if tail > 0:
        dense = s[slot.STORE] + 8 * (first + s[slot.UPPER_COUNT])
        solve_lapack(s, tail, dense, s[slot.Y_PERMUTED] + 8 * (n - tail))
    for k in range(n - tail):
        y[k] *= inverse[k]
    for e in range(s[slot.UPPER_COUNT] - 1, -1, -1):
        y[upper_row[e]] -= x[first + e] * y[upper_column[e]]
    for k in range(n):
        b[column_order[k]] = y[k]


@compiled
def factor(s: Integers) -> int:
    """Assemble and factor. OK, SINGULAR, or REPIVOT: the pivot order is unknown or has gone bad."""
    kind = s[slot.KIND]
    if kind == slot.UNKNOWN:
        return slot.REPIVOT
    if kind == slot.BY_ADDRESS:
        return call_kernel(s[slot.SYSTEM_FACTOR], integers(s[slot.SYSTEM_INNER]))
    assemble(s)
    n = s[slot.SYSTEM_N]
    if kind == slot.SPARSE or kind == slot.COLUMNS:
        status = factor_sparse(s) if kind == slot.SPARSE else factor_columns(s)
        if status != slot.OK and s[slot.SYSTEM_FRESH] != 0:
            return slot.SINGULAR  # the order was chosen for these very numbers
        s[slot.SYSTEM_FRESH] = 0
        return status
    if kind == slot.DENSE_OWN:
        return factor_dense(n, floats(s[slot.STORE]), integers(s[slot.PIVOTS]))
    return factor_lapack(s, n, s[slot.STORE])


@compiled
def solve(s: Integers) -> int:
    """Solve in place for the vector at RIGHT."""
    kind = s[slot.KIND]
    n = s[slot.SYSTEM_N]
    if kind == slot.SPARSE or kind == slot.COLUMNS:
        solve_sparse(s, floats(s[slot.RIGHT]))
    elif kind == slot.BY_ADDRESS:
        inner = integers(s[slot.SYSTEM_INNER])
        inner[slot.IN_RIGHT] = s[slot.RIGHT]
        return call_kernel(s[slot.SYSTEM_SOLVE], inner)
    elif kind == slot.DENSE_OWN:
        solve_dense(n, floats(s[slot.STORE]), integers(s[slot.PIVOTS]), floats(s[slot.RIGHT]))
    else:
        solve_lapack(s, n, s[slot.STORE], s[slot.RIGHT])
    return slot.OK
