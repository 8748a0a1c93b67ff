"""Approximate factors of 1/a - J on a grid: a product of banded matrices, one for each direction.

J is a sum of J_1, J_2, ... along the coordinates, with diagonals that make their rows sum to zero, and J_0 at
the points, which holds the rest. Then (1 - a J_0) ... (1 - a J_2)(1 - a J_1) is 1 - a J but for terms of
order a^2, and methods that keep their order with any matrix in place of J (W-methods) keep it with this one:
Hundsdorfer and Verwer, Numerical Solution of Time-Dependent Advection-Diffusion-Reaction Equations (2003),
section IV.5. Each factor falls apart into lines; all lines of a batch are eliminated side by side, without
pivoting. Kernel code: see `pointers`.
"""

from __future__ import annotations

from symnum.solving.kernel import slot
from symnum.solving.kernel.pointers import Floats, Integers, at, compiled, floats, integers, shorts

__all__ = ["factor", "solve"]

_HUGE = 1.7976931348623157e308


@compiled
def subtract(n: int, weight: float, source: Floats, target: Floats) -> None:
    """target -= weight source."""
    for i in range(n):
        target[i] -= weight * source[i]


@compiled
def subtract_product(n: int, weight: Floats, source: Floats, target: Floats) -> None:
    """target -= weight source, number by number."""
    for i in range(n):
        target[i] -= weight[i] * source[i]


@compiled
def scale(n: int, weight: float, target: Floats) -> None:
    for i in range(n):
        target[i] *= weight


@compiled
def scale_each(n: int, weight: Floats, target: Floats) -> None:
    for i in range(n):
        target[i] *= weight[i]


@compiled
def assemble(s: Integers, b: Integers, a: float) -> None:
    """The band of a batch; rows of a direction sum to one."""
    lines = b[slot.B_LINES]
    length = b[slot.B_LENGTH]
    width = b[slot.B_WIDTH]
    row_size = (2 * width + 1) * lines
    band = floats(b[slot.B_BAND])
    jacobian = floats(s[slot.IN_MATRIX])
    source = shorts(b[slot.B_SOURCE])
    target = shorts(b[slot.B_TARGET])
    place = shorts(b[slot.B_PLACE])
    row = integers(s[slot.SP_ROWS])
    outer = floats(s[slot.SP_OUTER])
    total = floats(s[slot.SP_TOTAL])
    for k in range(length * row_size):
        band[k] = 0.0
    if b[slot.B_LOCAL] != 0:
        for e in range(b[slot.B_ENTRIES]):
            band[target[e]] = -a * jacobian[source[e]]
    else:
        for k in range(length * lines):
            if place[k] >= 0:
                outer[place[k]] = 0.0
        for e in range(b[slot.B_ENTRIES]):
            value = jacobian[source[e]]
            band[target[e]] = -a * value
            outer[row[source[e]]] += value
    for p in range(length):
        diagonal = at(band, p * row_size + width * lines)
        for l in range(lines):
            q = place[p * lines + l]
            if q < 0:
                diagonal[l] = 1.0
            elif b[slot.B_LOCAL] != 0:
                diagonal[l] += 1.0 - a * total[q]
            else:
                diagonal[l] = 1.0 + a * outer[q]
                total[q] += outer[q]


@compiled
def all_alike(b: Integers) -> bool:
    """Whether the band is the same on every line; then it is written to LINE."""
    lines = b[slot.B_LINES]
    count = b[slot.B_LENGTH] * (2 * b[slot.B_WIDTH] + 1)
    band = floats(b[slot.B_BAND])
    line = floats(b[slot.B_LINE])
    for k in range(count):
        first = band[k * lines]
        line[k] = first
        different = 0
        for l in range(lines):
            different += band[k * lines + l] != first
        if different > 0:
            return False
    return True


@compiled
def compare(s: Integers) -> None:
    """Which batches have the same entries on every line; one pass over J in its own order."""
    jacobian = floats(s[slot.IN_MATRIX])
    block = shorts(s[slot.SP_BLOCK])
    first = shorts(s[slot.SP_FIRST])
    reference = floats(s[slot.SP_REFERENCE])
    owner = shorts(s[slot.SP_OWNER])
    different = integers(s[slot.SP_DIFFERENT])
    for k in range(s[slot.SP_BATCHES]):
        different[k] = 0
    for k in range(s[slot.SP_BLOCKS]):
        reference[k] = 0.0
        if first[k] >= 0:
            reference[k] = jacobian[first[k]]
    for e in range(s[slot.SP_ENTRIES]):
        k = block[e]
        if k >= 0 and jacobian[e] != reference[k]:
            different[owner[k]] = 1


@compiled
def assemble_line(s: Integers, b: Integers, a: float) -> None:
    """The band of all lines of a batch, from the blocks."""
    lines = b[slot.B_LINES]
    width = b[slot.B_WIDTH]
    line = floats(b[slot.B_LINE])
    reference = at(floats(s[slot.SP_REFERENCE]), b[slot.B_BLOCK])
    place = shorts(b[slot.B_PLACE])
    total = floats(s[slot.SP_TOTAL])
    for p in range(b[slot.B_LENGTH]):
        outer = 0.0
        for d in range(2 * width + 1):
            k = p * (2 * width + 1) + d
            line[k] = -a * reference[k]
            outer += reference[k]
        line[p * (2 * width + 1) + width] = 1.0 + a * outer
        for l in range(lines):
            total[place[p * lines + l]] += outer


@compiled
def eliminate(count: int, lines: int, length: int, width: int, band: Floats) -> int:
    """LU factors of ``count`` of the lines, reciprocal pivots in the middle. The number of bad pivots."""
    row_size = (2 * width + 1) * lines
    bad = 0
    for p in range(length):
        pivot = at(band, p * row_size + width * lines)
        for l in range(count):
            pivot[l] = 1.0 / pivot[l]
            bad += not abs(pivot[l]) <= _HUGE
        for d in range(1, width + 1):
            if p + d < length:
                below = at(band, (p + d) * row_size)
                multiplier = at(below, (width - d) * lines)
                scale_each(count, pivot, multiplier)
                for e in range(1, width + 1):
                    subtract_product(
                        count, multiplier, at(band, p * row_size + (width + e) * lines),
                        at(below, (width - d + e) * lines),
                    )  # fmt: skip
    return bad


@compiled
def factor(s: Integers) -> int:
    """Assemble and factor. SINGULAR where a pivot is zero or not finite."""
    a = 1.0 / floats(s[slot.IN_SCALE_AT])[0]
    total = floats(s[slot.SP_TOTAL])
    tables = integers(s[slot.SP_TABLES])
    different = integers(s[slot.SP_DIFFERENT])
    for i in range(s[slot.IN_N]):
        total[i] = 0.0
    compare(s)
    for k in range(s[slot.SP_BATCHES]):
        b = integers(tables[k])
        b[slot.B_SHARED] = 1
        if b[slot.B_BLOCK] >= 0 and different[k] == 0:
            assemble_line(s, b, a)
        else:
            assemble(s, b, a)
            if not all_alike(b):
                b[slot.B_SHARED] = 0
        lines = b[slot.B_LINES]
        length = b[slot.B_LENGTH]
        width = b[slot.B_WIDTH]
        bad = 0
        if b[slot.B_SHARED] != 0:
            bad = eliminate(1, 1, length, width, floats(b[slot.B_LINE]))
        else:
            first = 0
            while first < lines:
                count = lines - first
                if count > b[slot.B_CHUNK]:
                    count = b[slot.B_CHUNK]
                bad += eliminate(count, lines, length, width, at(floats(b[slot.B_BAND]), first))
                first += count
        if bad > 0:
            return slot.SINGULAR
    return slot.OK


@compiled
def sweep_shared(b: Integers, count: int, x: Floats) -> None:
    """Forward and backward through ``count`` lines, all with the same factors."""
    length = b[slot.B_LENGTH]
    width = b[slot.B_WIDTH]
    line = floats(b[slot.B_LINE])
    for p in range(1, length):
        row = at(line, p * (2 * width + 1) + width)
        for d in range(1, width + 1):
            if d <= p and row[-d] != 0.0:
                subtract(count, row[-d], at(x, (p - d) * count), at(x, p * count))
    for p in range(length - 1, -1, -1):
        row = at(line, p * (2 * width + 1) + width)
        for d in range(1, width + 1):
            if p + d < length and row[d] != 0.0:
                subtract(count, row[d], at(x, (p + d) * count), at(x, p * count))
        scale(count, row[0], at(x, p * count))


@compiled
def sweep_each(b: Integers, first: int, count: int, x: Floats) -> None:
    """The same for lines with factors of their own, from line ``first``."""
    lines = b[slot.B_LINES]
    length = b[slot.B_LENGTH]
    width = b[slot.B_WIDTH]
    row_size = (2 * width + 1) * lines
    band = at(floats(b[slot.B_BAND]), width * lines + first)
    for p in range(1, length):
        for d in range(1, width + 1):
            if d <= p:
                subtract_product(
                    count, at(band, p * row_size - d * lines), at(x, (p - d) * count), at(x, p * count)
                )
    for p in range(length - 1, -1, -1):
        for d in range(1, width + 1):
            if p + d < length:
                subtract_product(
                    count, at(band, p * row_size + d * lines), at(x, (p + d) * count), at(x, p * count)
                )
        scale_each(count, at(band, p * row_size), at(x, p * count))


@compiled
def solve(s: Integers) -> int:
    """Solve in place, direction by direction, a chunk of lines at a time that fits into the cache."""
    a = 1.0 / floats(s[slot.IN_SCALE_AT])[0]
    right = floats(s[slot.IN_RIGHT])
    x = floats(s[slot.SP_SCRATCH])
    tables = integers(s[slot.SP_TABLES])
    for k in range(s[slot.SP_BATCHES]):
        b = integers(tables[k])
        place = shorts(b[slot.B_PLACE])
        lines = b[slot.B_LINES]
        length = b[slot.B_LENGTH]
        chunk = b[slot.B_CHUNK]
        first = 0
        while first < lines:
            count = chunk
            if lines - first < chunk:
                count = lines - first
            for p in range(length):
                for l in range(count):
                    q = place[p * lines + first + l]
                    value = 0.0
                    if q >= 0:
                        value = right[q]
                    x[p * count + l] = value
            if b[slot.B_SHARED] != 0:
                sweep_shared(b, count, x)
            else:
                sweep_each(b, first, count, x)
            factor_of_all = 1.0
            if b[slot.B_LOCAL] != 0:
                factor_of_all = a  # every unknown belongs to one of these
            for p in range(length):
                for l in range(count):
                    q = place[p * lines + first + l]
                    if q >= 0:
                        right[q] = factor_of_all * x[p * count + l]
            first += count
    return slot.OK
