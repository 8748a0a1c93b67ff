"""Pivot order and tables of a sparse LU factorization, chosen on the numbers of the matrix.

`pivot` eliminates in a dense work matrix, taking among the entries that are not small in their column
the one with the least fill (threshold Markowitz); meant for up to about a thousand unknowns. `symbolic`
follows a pivot order that was chosen elsewhere. Both list, pivot by pivot, the rows of L and the columns
of U; `tables` turns the lists into what `linear.factor_sparse` and `linear.solve_sparse` read. Kernel
code: see `pointers`.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Integers, Shorts, bytes_at, compiled, floats, integers, shorts

__all__ = ["pivot", "symbolic", "tables"]

# Beyond this many unknowns only columns are searched that are about as short as the shortest.
SEARCH_ALL = 200

# An entry may be a pivot if no other one in its column is more than ten times larger.
THRESHOLD = 0.1


@compiled
def remove(items: Shorts, count: int, item: int) -> None:
    """Take one item out of an unordered list of `count`."""
    for k in range(count):
        if items[k] == item:
            items[k] = items[count - 1]
            break


@compiled
def pivot(s: Integers) -> int:
    """Choose the order on the numbers, by elimination.

    Of all entries that are not small in their column, the next pivot is the one whose elimination fills
    in least; among equals one that waits for the fewest others, then the one with the smallest product
    of counts. Returns OK, SINGULAR (A_RANK tells how far it came) or BUFFER_FULL (A_CAPACITY is too
    small).
    """
    n = s[slot.A_N]
    indptr = integers(s[slot.A_INDPTR])
    indices = integers(s[slot.A_INDICES])
    values = floats(s[slot.A_VALUES])
    a = floats(s[slot.A_DENSE])
    filled = bytes_at(s[slot.A_FILLED])
    row_count = shorts(s[slot.A_ROW_COUNT])
    column_count = shorts(s[slot.A_COLUMN_COUNT])
    pivot_row = shorts(s[slot.A_PIVOT_ROW])
    pivot_column = shorts(s[slot.A_PIVOT_COLUMN])
    lower_start = shorts(s[slot.A_LOWER_START])
    upper_start = shorts(s[slot.A_UPPER_START])
    lower = shorts(s[slot.A_LOWER])
    upper = shorts(s[slot.A_UPPER])
    capacity = s[slot.A_CAPACITY]
    row_level = shorts(s[slot.A_SCRATCH])
    column_level = shorts(s[slot.A_SCRATCH] + 4 * n)
    lists = s[slot.A_LISTS]  # the columns of each row, then the rows of each column; only what is left
    for k in range(n * n):
        a[k] = 0.0
        filled[k] = 0
    for k in range(n):
        row_count[k] = 0
        column_count[k] = 0
        row_level[k] = 0
        column_level[k] = 0
    for j in range(n):
        rows = shorts(lists + 4 * n * (n + j))
        for e in range(indptr[j], indptr[j + 1]):
            i = indices[e]
            a[i * n + j] = values[e]
            filled[i * n + j] = 1
            shorts(lists + 4 * n * i)[row_count[i]] = j
            rows[column_count[j]] = i
            row_count[i] += 1
            column_count[j] += 1
    # A row or column that is done has count -1.
    lower_start[0] = 0
    upper_start[0] = 0
    operations = 0
    for k in range(n):
        best_fill = n * n
        best_level = n
        best_cost = n * n
        best_row = -1
        best_column = -1
        longest = n
        if n > SEARCH_ALL:
            for j in range(n):
                if 0 <= column_count[j] < longest:
                    longest = column_count[j]
            longest += 2
        for j in range(n):
            rows = shorts(lists + 4 * n * (n + j))
            largest = 0.0
            if column_count[j] <= longest:
                for e in range(column_count[j]):
                    size = abs(a[rows[e] * n + j])
                    if size > largest:
                        largest = size
            if 0.0 < largest <= 1.7976931348623157e308:
                for e in range(column_count[j]):
                    i = rows[e]
                    if abs(a[i * n + j]) >= THRESHOLD * largest:
                        columns = shorts(lists + 4 * n * i)
                        cost = (row_count[i] - 1) * (column_count[j] - 1)
                        level = row_level[i] if row_level[i] > column_level[j] else column_level[j]
                        fill = 0
                        for g in range(column_count[j]):
                            other = rows[g]
                            if other != i:
                                for c in range(row_count[i]):
                                    fill += 1 - filled[other * n + columns[c]]
                            if fill > best_fill:
                                break
                        if fill < best_fill or (
                            fill == best_fill
                            and (level < best_level or (level == best_level and cost < best_cost))
                        ):
                            best_fill = fill
                            best_level = level
                            best_cost = cost
                            best_row = i
                            best_column = j
        if best_row < 0:
            s[slot.A_RANK] = k
            return slot.SINGULAR
        r = best_row
        c = best_column
        pivot_row[k] = r
        pivot_column[k] = c
        first_lower = lower_start[k]
        first_upper = upper_start[k]
        if first_lower + n > capacity or first_upper + n > capacity:
            return slot.BUFFER_FULL
        end_lower = first_lower
        end_upper = first_upper
        rows = shorts(lists + 4 * n * (n + c))
        columns = shorts(lists + 4 * n * r)
        for e in range(column_count[c]):
            i = rows[e]
            if i != r:
                lower[end_lower] = i
                end_lower += 1
                remove(shorts(lists + 4 * n * i), row_count[i], c)
                row_count[i] -= 1
                if row_level[i] <= best_level:
                    row_level[i] = best_level + 1
        for e in range(row_count[r]):
            j = columns[e]
            if j != c:
                upper[end_upper] = j
                end_upper += 1
                remove(shorts(lists + 4 * n * (n + j)), column_count[j], r)
                column_count[j] -= 1
                if column_level[j] <= best_level:
                    column_level[j] = best_level + 1
        row_count[r] = -1
        column_count[c] = -1
        lower_start[k + 1] = end_lower
        upper_start[k + 1] = end_upper
        operations += (end_lower - first_lower) * (end_upper - first_upper)
        for e in range(first_lower, end_lower):
            i = lower[e]
            multiplier = a[i * n + c] / a[r * n + c]
            for g in range(first_upper, end_upper):
                j = upper[g]
                if filled[i * n + j] == 0:
                    filled[i * n + j] = 1
                    shorts(lists + 4 * n * i)[row_count[i]] = j
                    shorts(lists + 4 * n * (n + j))[column_count[j]] = i
                    row_count[i] += 1
                    column_count[j] += 1
                a[i * n + j] -= multiplier * a[r * n + j]
    s[slot.A_RANK] = n
    s[slot.A_OPERATIONS] = operations
    return slot.OK


@compiled
def symbolic(s: Integers) -> int:
    """The lists for a given order of rows and columns (A_PIVOT_ROW, A_PIVOT_COLUMN). OK or BUFFER_FULL.

    Column by column: the pattern of a column of L + U is that of the matrix's column, joined with the
    column of L of every pivot above its diagonal. The entries of U come out by columns and are turned
    into rows at the end.
    """
    n = s[slot.A_N]
    indptr = integers(s[slot.A_INDPTR])
    indices = integers(s[slot.A_INDICES])
    pivot_row = shorts(s[slot.A_PIVOT_ROW])
    pivot_column = shorts(s[slot.A_PIVOT_COLUMN])
    lower_start = shorts(s[slot.A_LOWER_START])
    upper_start = shorts(s[slot.A_UPPER_START])
    lower = shorts(s[slot.A_LOWER])
    upper = shorts(s[slot.A_UPPER])
    capacity = s[slot.A_CAPACITY]
    scratch = shorts(s[slot.A_SCRATCH])
    rank = scratch  # position of a row in the order
    mark = shorts(s[slot.A_SCRATCH] + 4 * n)
    by_column = shorts(s[slot.A_SCRATCH] + 8 * n)  # (capacity,): rows of U, column after column
    column_end = shorts(s[slot.A_ROW_COUNT])
    for k in range(n):
        rank[pivot_row[k]] = k
        mark[k] = -1
    lower_start[0] = 0
    total_lower = 0
    total_upper = 0
    for k in range(n + 1):
        upper_start[k] = 0
    for k in range(n):
        j = pivot_column[k]
        if total_lower + n > capacity or total_upper + n > capacity:
            return slot.BUFFER_FULL
        top = k
        mark[k] = k
        for e in range(indptr[j], indptr[j + 1]):
            i = rank[indices[e]]
            if mark[i] != k:
                mark[i] = k
                if i > k:
                    lower[total_lower] = pivot_row[i]
                    total_lower += 1
                elif i < top:
                    top = i
        for m in range(top, k):
            if mark[m] == k:
                by_column[total_upper] = m
                total_upper += 1
                upper_start[m + 1] += 1
                for e in range(lower_start[m], lower_start[m + 1]):
                    i = rank[lower[e]]
                    if mark[i] != k:
                        mark[i] = k
                        if i > k:
                            lower[total_lower] = lower[e]
                            total_lower += 1
        column_end[k] = total_upper
        lower_start[k + 1] = total_lower
    operations = 0
    for k in range(n):
        operations += (lower_start[k + 1] - lower_start[k]) * upper_start[k + 1]
        upper_start[k + 1] += upper_start[k]
        mark[k] = upper_start[k]
    e = 0
    for k in range(n):
        while e < column_end[k]:
            m = by_column[e]
            upper[mark[m]] = pivot_column[k]
            mark[m] += 1
            e += 1
    s[slot.A_RANK] = n
    s[slot.A_OPERATIONS] = operations
    return slot.OK


@compiled
def tables(s: Integers) -> int:
    """Fill the tables of the sparse system A_SYSTEM, and A_POSITION, from the lists.

    Pivots that do not wait for one another form a level and are numbered side by side. Store: the
    pivots, L by columns, U by columns. The updates of all pivots of a level stand together, in the order
    of the column they change.
    """
    n = s[slot.A_N]
    indptr = integers(s[slot.A_INDPTR])
    indices = integers(s[slot.A_INDICES])
    pivot_row = shorts(s[slot.A_PIVOT_ROW])
    pivot_column = shorts(s[slot.A_PIVOT_COLUMN])
    lower_start = shorts(s[slot.A_LOWER_START])
    upper_start = shorts(s[slot.A_UPPER_START])
    lower = shorts(s[slot.A_LOWER])
    upper = shorts(s[slot.A_UPPER])
    position = shorts(s[slot.A_POSITION])
    system = integers(s[slot.A_SYSTEM])
    scratch = s[slot.A_SCRATCH]
    row_rank = shorts(scratch)  # (n,): number of a row in the old order, then in the new
    column_rank = shorts(scratch + 4 * n)  # (n,)
    level = shorts(scratch + 8 * n)  # (n,) by old number
    old = shorts(scratch + 12 * n)  # (n,): old number of the new k-th pivot
    place = shorts(scratch + 16 * n)  # (n,): store position of the entries of one column, by row
    cursor = shorts(scratch + 20 * n)  # (n + 1,)
    column_start = shorts(system[slot.UPPER_START])
    lower_first = shorts(system[slot.LOWER_START])

    for k in range(n):
        row_rank[pivot_row[k]] = k
        column_rank[pivot_column[k]] = k
        level[k] = 0
    levels = 0
    for k in range(n):
        after = level[k] + 1
        if after > levels:
            levels = after
        for e in range(lower_start[k], lower_start[k + 1]):
            i = row_rank[lower[e]]
            if level[i] < after:
                level[i] = after
        for e in range(upper_start[k], upper_start[k + 1]):
            j = column_rank[upper[e]]
            if level[j] < after:
                level[j] = after
    level_pivot = shorts(system[slot.LEVEL_PIVOT])
    level_lower = shorts(system[slot.LEVEL_LOWER])
    level_operation = shorts(system[slot.LEVEL_OPERATION])
    for m in range(levels + 1):
        level_pivot[m] = 0
        level_lower[m] = 0
        level_operation[m] = 0
    for k in range(n):
        rows = lower_start[k + 1] - lower_start[k]
        level_pivot[level[k] + 1] += 1
        level_lower[level[k] + 1] += rows
        level_operation[level[k] + 1] += rows * (upper_start[k + 1] - upper_start[k])
    for m in range(levels):
        level_pivot[m + 1] += level_pivot[m]
        level_lower[m + 1] += level_lower[m]
        level_operation[m + 1] += level_operation[m]
        cursor[m] = level_pivot[m]
    row_order = shorts(system[slot.ROW_ORDER])
    column_order = shorts(system[slot.COLUMN_ORDER])
    for k in range(n):
        q = cursor[level[k]]
        cursor[level[k]] += 1
        old[q] = k
        row_order[q] = pivot_row[k]
        column_order[q] = pivot_column[k]
    for q in range(n):
        row_rank[row_order[q]] = q
        column_rank[column_order[q]] = q

    # L by columns
    lower_row = shorts(system[slot.LOWER_ROW])
    lower_column = shorts(system[slot.LOWER_COLUMN])
    total = 0
    for q in range(n):
        k = old[q]
        lower_first[q] = total
        for e in range(lower_start[k], lower_start[k + 1]):
            lower_row[total] = row_rank[lower[e]]
            lower_column[total] = q
            total += 1
    lower_first[n] = total
    first_upper = n + total

    # U by columns
    upper_row = shorts(system[slot.UPPER_ROW])
    upper_column = shorts(system[slot.UPPER_COLUMN])
    for q in range(n + 1):
        column_start[q] = 0
    for k in range(n):
        for e in range(upper_start[k], upper_start[k + 1]):
            column_start[column_rank[upper[e]] + 1] += 1
    for q in range(n):
        column_start[q + 1] += column_start[q]
        cursor[q] = column_start[q]
    for q in range(n):
        k = old[q]
        for e in range(upper_start[k], upper_start[k + 1]):
            j = column_rank[upper[e]]
            upper_row[cursor[j]] = q
            upper_column[cursor[j]] = j
            cursor[j] += 1

    # the updates, and where the entries of the matrix go
    to = shorts(system[slot.OPERATION_TO])
    left = shorts(system[slot.OPERATION_LOWER])
    right = shorts(system[slot.OPERATION_UPPER])
    for m in range(levels):
        cursor[m] = level_operation[m]
    for j in range(n):
        place[j] = j
        for e in range(lower_first[j], lower_first[j + 1]):
            place[lower_row[e]] = n + e
        for e in range(column_start[j], column_start[j + 1]):
            place[upper_row[e]] = first_upper + e
        if s[slot.A_OPERATIONS] > 0:
            for e in range(column_start[j], column_start[j + 1]):
                q = upper_row[e]
                m = level[old[q]]
                for g in range(lower_first[q], lower_first[q + 1]):
                    o = cursor[m]
                    cursor[m] += 1
                    to[o] = place[lower_row[g]]
                    left[o] = n + g
                    right[o] = first_upper + e
        column = column_order[j]
        for e in range(indptr[column], indptr[column + 1]):
            position[e] = place[row_rank[indices[e]]]
    s[slot.A_LEVELS] = levels
    system[slot.LEVELS] = levels
    system[slot.LOWER_COUNT] = total
    system[slot.UPPER_COUNT] = column_start[n]
    return slot.OK
