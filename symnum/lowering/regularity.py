"""Systems that look solvable from their structure but are singular whatever the numbers.

Structure assumes that entries are independent of each other. At random points, where only identities make a
determinant vanish, the matrix of the unknowns to be determined shows whether they are: the success check of
the signature method (J. D. Pryce, BIT 41 (2001) 364).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from symnum.errors import LoweringError
from symnum.lowering.families import Family, IntArray
from symnum.lowering.findings import Finding, listed, with_findings
from symnum.lowering.index import Offsets, Signature
from symnum.lowering.null_space import dependent_parts
from symnum.lowering.raw import Sums
from symnum.lowering.sampled import sampled_entries

_POINTS = ((0.4, 1.6), (-3.0, 3.0), (-50.0, 50.0))  # ranges: one regular point is enough


def check_regular(
    name: str, families: list[Family], sums: Sums, found: Signature, offsets: Offsets,
    text: Callable[[int], str], unknown_name: Callable[[int], str],
) -> None:  # fmt: skip
    """Raise LoweringError where the highest derivatives are not determined at any point.

    text: of an equation by its number. unknown_name: of a base.
    """
    highest = found.order == offsets.d[found.base] - offsets.c[found.equation]
    numbers = found.order * found.n + found.base
    wanted = np.zeros((int(offsets.d.max(initial=0)) + 1) * found.n, bool)
    wanted[numbers[highest]] = True
    bases = np.flatnonzero(found.present)
    column = np.full(found.n, -1)
    column[bases] = np.arange(len(bases))
    parts = None
    for low, high in _POINTS:
        matrix = _matrix(families, sums, wanted, offsets, column, found.n, (low, high))
        parts = dependent_parts(matrix)
        if parts is None:
            return
    assert parts is not None
    finding = _finding(parts, bases, text, unknown_name)
    raise with_findings(LoweringError(f"{name}: {finding.text}\n{finding.suggestion}"), [finding])


def _matrix(
    families: list[Family], sums: Sums, wanted: NDArray[np.bool_], offsets: Offsets, column: IntArray, n: int,
    between: tuple[float, float],
) -> object:  # fmt: skip
    from scipy.sparse import csc_array

    entries = sampled_entries(families, sums, wanted, between=between)
    base, order = entries.unknown % n, entries.unknown // n
    keep = order == offsets.d[base] - offsets.c[entries.equation]
    size = len(offsets.c)
    place = entries.equation[keep], column[base[keep]]
    return csc_array((entries.value[keep], place), shape=(size, size))


def _finding(
    parts: tuple[IntArray, IntArray], bases: IntArray, text: Callable[[int], str], name: Callable[[int], str]
) -> Finding:
    rows = [text(int(row)) for row in parts[0]]
    names = [name(int(bases[k])) for k in parts[1]]
    return Finding(
        "singular",
        tuple(name for pair in zip_longest(rows, names) for name in pair if name is not None),
        f"as many equations as unknowns, but whatever the numbers, these equations depend on each other\n"
        f"{listed(rows)}\nand do not determine\n{listed(names)}",
        "Do two equations say the same, or is a reference missing, such as the ground of a circuit?",
    )
