"""Sparse LU factorization and solves as straight-line code over an exact pattern.

The pivot order is static: chosen once, by fill and by the magnitudes in some samples of the matrix. The
generated code reports how large its multipliers became, so that a caller can pivot where the order is bad.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from symnum.codegen.lanes import Lanes
from symnum.record import record

__all__ = ["Elimination", "emit_lu"]

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.integer]

# A pivot should not be smaller than this part of the largest entry of its column, in any sample.
_THRESHOLD = 0.05


@record
class Elimination:
    """An order of pivots with its fill, for a matrix of n rows.

    pivots: (row, column) in order. lower: for each pivot the rows below it in its column. upper: for each
    the columns right of it in its row; fill included.
    """

    n: int
    pivots: tuple[tuple[int, int], ...]
    lower: tuple[tuple[int, ...], ...]
    upper: tuple[tuple[int, ...], ...]

    @classmethod
    def choose(cls, rows: Places, columns: Places, samples: Numbers, n: int) -> Elimination | None:
        """The order for entries at (rows, columns), (nnz,), with values (samples, nnz); None if none is
        possible."""
        a = np.zeros((len(samples), n, n))
        a[:, rows, columns] = samples
        filled = np.zeros((n, n), bool)
        filled[rows, columns] = True
        free_rows, free_columns = np.ones(n, bool), np.ones(n, bool)
        pivots, lower, upper = [], [], []
        for _ in range(n):
            left = filled & free_rows[:, None] & free_columns[None, :]
            size = np.where(left, np.abs(a), 0.0)
            largest = size.max(axis=1, keepdims=True)
            ratio = np.where(largest > 0.0, size / np.where(largest > 0.0, largest, 1.0), 0.0).min(axis=0)
            ratio[~left] = -1.0
            best = ratio.max()
            if not best > 0.0:
                return None
            cost = np.maximum(left.sum(axis=1) - 1, 0)[:, None] * np.maximum(left.sum(axis=0) - 1, 0)[None, :]
            wanted = ratio >= min(_THRESHOLD, best)
            r, c = np.unravel_index(np.argmin(np.where(wanted, cost, n * n)), (n, n))
            below = np.flatnonzero(left[:, c] & (np.arange(n) != r))
            right = np.flatnonzero(left[r] & (np.arange(n) != c))
            pivots.append((int(r), int(c)))
            lower.append(tuple(int(i) for i in below))
            upper.append(tuple(int(j) for j in right))
            filled[np.ix_(below, right)] = True
            with np.errstate(all="ignore"):
                multiplier = np.nan_to_num(a[:, below, c] / a[:, r, c][:, None], posinf=0.0, neginf=0.0)
            a[:, below[:, None], right[None, :]] -= multiplier[:, :, None] * a[:, r, right][:, None, :]
            free_rows[r] = free_columns[c] = False
        return cls(n, tuple(pivots), tuple(lower), tuple(upper))

    @property
    def size(self) -> int:
        """How many numbers the factors are: multipliers, reciprocal pivots, scaled rows of U."""
        return self.n + sum(map(len, self.lower)) + sum(map(len, self.upper))

    @property
    def operations(self) -> int:
        """Updates in a factorization."""
        return sum(len(below) * len(right) for below, right in zip(self.lower, self.upper, strict=True))


def emit_lu(
    lanes: Lanes,
    elimination: Elimination,
    entries: tuple[tuple[int, int], ...],
    mass: tuple[float, ...],
    attributes: str,
    *,
    name: str = "",
    pairs: bool = False,
) -> None:
    """Add ``T factor(T scale, T *jacobian, T *lu)`` and ``void solve(T *lu, T *b)`` to ``lanes``.

    The matrix is scale diag(mass) - J, J with these entries (row, column) in order. ``factor`` returns the
    sum of the sizes of all multipliers, NaN if a pivot is zero or not finite. ``solve`` works in place.
    name: goes before their names. pairs: ``T factor(T scale, T coupling, T *jacobian, T *lu)`` is for
    (scale - i coupling) diag(mass) - J as a real matrix of twice the size, real and imaginary parts of an
    unknown side by side.
    """
    number = lanes.type
    place: dict[tuple[int, int], int] = {}  # (row, column) -> place of its number in the factors
    for (r, c), below, right in zip(elimination.pivots, elimination.lower, elimination.upper, strict=True):
        for row, column in [*((i, c) for i in below), (r, c), *((r, j) for j in right)]:
            place[row, column] = len(place)
    value_of = _matrix_of_pairs if pairs else _matrix
    _emit_factor(lanes, elimination, value_of, entries, mass, place, attributes, name)
    lines: list[str] = []
    value = {i: lanes.load(lines, f"%b{i}", "%b", i) for i in range(elimination.n)}
    serial = 0

    def subtract(value: str, factor: str, other: str) -> str:
        nonlocal serial
        serial += 1
        lines.append(f"%p{serial} = fmul contract {number} {factor}, {other}")
        lines.append(f"%q{serial} = fsub contract {number} {value}, %p{serial}")
        return f"%q{serial}"

    for (r, c), below in zip(elimination.pivots, elimination.lower, strict=True):
        for i in below:
            factor = lanes.load(lines, f"%l{place[i, c]}", "%lu", place[i, c])
            value[i] = subtract(value[i], factor, value[r])
    found: dict[int, str] = {}
    for (r, c), right in zip(reversed(elimination.pivots), reversed(elimination.upper), strict=True):
        inverse = lanes.load(lines, f"%l{place[r, c]}", "%lu", place[r, c])
        lines.append(f"%x{c} = fmul contract {number} {value[r]}, {inverse}")
        found[c] = f"%x{c}"
        # what has been known for longest first: the newest value is then waited for only once
        for j in sorted(right, key=list(found).index):
            factor = lanes.load(lines, f"%l{place[r, j]}", "%lu", place[r, j])
            found[c] = subtract(found[c], factor, found[j])
    for c, result in found.items():
        lanes.store(lines, f"%o{c}", result, "%b", c)
    lanes.functions.append("\n".join([
        f"define internal void @{name}solve(ptr noalias readonly %lu, ptr noalias %b) {attributes} {{",
        *(f"  {line}" for line in lines), "  ret void", "}",
    ]))  # fmt: skip


def _matrix(
    lanes: Lanes, lines: list[str], entries: tuple[tuple[int, int], ...], mass: tuple[float, ...]
) -> dict[tuple[int, int], str]:
    """{(row, column): value} of scale diag(mass) - J."""
    number = lanes.type
    value: dict[tuple[int, int], str] = {}
    for k, entry in enumerate(entries):
        loaded = lanes.load(lines, f"%j{k}", "%jacobian", k)
        row, column = entry
        if row == column and mass[row] != 0.0:
            lines.append(f"%m{k} = fsub contract {number} %scale, {loaded}")
        else:
            lines.append(f"%m{k} = fneg {number} {loaded}")
        value[entry] = f"%m{k}"
    for row, weight in enumerate(mass):
        if weight != 0.0:
            value.setdefault((row, row), "%scale")
    return value


def _matrix_of_pairs(
    lanes: Lanes, lines: list[str], entries: tuple[tuple[int, int], ...], mass: tuple[float, ...]
) -> dict[tuple[int, int], str]:
    """The same for (scale - i coupling) diag(mass) - J, real and imaginary parts side by side."""
    value = {
        (2 * row + part, 2 * column + part): found
        for (row, column), found in _matrix(lanes, lines, entries, mass).items()
        for part in (0, 1)
    }
    lines.append(f"%minus = fneg {lanes.type} %coupling")
    for row, weight in enumerate(mass):
        if weight != 0.0:
            value[2 * row, 2 * row + 1] = "%coupling"
            value[2 * row + 1, 2 * row] = "%minus"
    return value


def _emit_factor(
    lanes: Lanes,
    elimination: Elimination,
    value_of: Callable[..., dict[tuple[int, int], str]],
    entries: tuple[tuple[int, int], ...],
    mass: tuple[float, ...],
    place: dict[tuple[int, int], int],
    attributes: str,
    name: str,
) -> None:
    number = lanes.type
    lines: list[str] = []
    value = value_of(lanes, lines, entries, mass)
    coupling = f"{number} %coupling, " if value_of is _matrix_of_pairs else ""
    checked: list[str] = []
    serial = 0
    lanes.declare(number, f"llvm.fabs.{_suffix(lanes)}", number)
    for step, (pivot, below, right) in enumerate(
        zip(elimination.pivots, elimination.lower, elimination.upper, strict=True)
    ):
        r, c = pivot
        lines.append(f"%inverse{step} = fdiv {number} {lanes.number(1.0)}, {value[pivot]}")
        lines.append(f"%zero{step} = fmul {number} %inverse{step}, {lanes.number(0.0)}")
        checked.append(f"%zero{step}")
        lanes.store(lines, f"%at{place[pivot]}", f"%inverse{step}", "%lu", place[pivot])
        for i in below:
            factor = f"%l{place[i, c]}"
            lines.append(f"{factor} = fmul contract {number} {value[i, c]}, %inverse{step}")
            lines.append(f"{factor}.s = call {number} @llvm.fabs.{_suffix(lanes)}({number} {factor})")
            checked.append(f"{factor}.s")
            lanes.store(lines, f"%at{place[i, c]}", factor, "%lu", place[i, c])
            for j in right:
                serial += 1
                lines.append(f"%p{serial} = fmul contract {number} {factor}, {value[r, j]}")
                if (i, j) in value:
                    lines.append(f"%q{serial} = fsub contract {number} {value[i, j]}, %p{serial}")
                else:
                    lines.append(f"%q{serial} = fneg {number} %p{serial}")
                value[i, j] = f"%q{serial}"
        for j in right:
            lines.append(f"%u{place[r, j]} = fmul contract {number} {value[r, j]}, %inverse{step}")
            lanes.store(lines, f"%at{place[r, j]}", f"%u{place[r, j]}", "%lu", place[r, j])
    growth = lanes.tree(lines, "%grown", checked)
    lanes.functions.append("\n".join([
        f"define internal {number} @{name}factor({number} %scale, {coupling}ptr noalias readonly %jacobian, "
        f"ptr noalias %lu) {attributes} {{",
        *(f"  {line}" for line in lines), f"  ret {number} {growth}", "}",
    ]))  # fmt: skip


def _suffix(lanes: Lanes) -> str:
    return "f64" if lanes.lanes == 1 else f"v{lanes.lanes}f64"
