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
from symnum.lowering.blocks import Block, block_triangular
from symnum.lowering.families import Family, IntArray
from symnum.lowering.findings import Finding, listed, with_findings
from symnum.lowering.incidence import match
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
    wanted = np.zeros((int(offsets.d.max(initial=0)) + 1) * found.n, bool)
    wanted[(found.order * found.n + found.base)[highest]] = True
    graph = found.graph(highest)
    matching = match(graph)
    blocks = block_triangular(graph, matching, smallest=2)
    single = np.flatnonzero(matching.block == 1)  # a block of one equation needs its own entry only
    unknown_of = np.full(graph.n_equations, -1, np.int64)
    bases = np.flatnonzero(found.present)
    unknown_of[matching.equation_of[bases]] = bases
    parts: list[tuple[IntArray, IntArray]] = []
    for between in _POINTS:
        entries = sampled_entries(families, sums, wanted, between=between)
        base, order = entries.unknown % found.n, entries.unknown // found.n
        keep = order == offsets.d[base] - offsets.c[entries.equation]
        row, base, value = entries.equation[keep], base[keep], entries.value[keep]
        own = unknown_of[row] == base
        diagonal = np.bincount(row[own], value[own], minlength=graph.n_equations)
        single = single[diagonal[single] == 0]
        parts = [(np.array([e]), unknown_of[[e]]) for e in single[:1].tolist()]
        singular = [(block, _dependent(block, row, base, value, found)) for block in blocks]
        blocks = [block for block, dependent in singular if dependent is not None]
        parts += [dependent for _, dependent in singular if dependent is not None]
        if not parts:
            return
    finding = _finding(parts[0], text, unknown_name)
    raise with_findings(LoweringError(f"{name}: {finding.text}\n{finding.suggestion}"), [finding])


def _dependent(
    block: Block, row: IntArray, base: IntArray, value: NDArray[np.float64], found: Signature
) -> tuple[IntArray, IntArray] | None:
    """What depends on each other in a block, (equations, bases), or None where its matrix is regular.

    A block-triangular matrix is regular when the blocks on its diagonal are.
    """
    from scipy.sparse import csr_array

    size = len(block.equations)
    place, column = np.full(int(found.first[-1]), -1), np.full(found.n, -1)
    place[block.equations], column[block.unknowns] = np.arange(size), np.arange(size)
    inside = (place[row] >= 0) & (column[base] >= 0)
    entries = value[inside], (place[row[inside]], column[base[inside]])
    dependent = dependent_parts(csr_array(entries, shape=(size, size)))
    return None if dependent is None else (block.equations[dependent[0]], block.unknowns[dependent[1]])


def _finding(
    parts: tuple[IntArray, IntArray], text: Callable[[int], str], name: Callable[[int], str]
) -> Finding:
    rows = [text(int(row)) for row in parts[0]]
    names = [name(int(base)) for base in parts[1]]
    return Finding(
        "singular",
        tuple(name for pair in zip_longest(rows, names) for name in pair if name is not None),
        f"as many equations as unknowns, but whatever the numbers, these equations depend on each other\n"
        f"{listed(rows)}\nand do not determine\n{listed(names)}",
        "Do two equations say the same, or is a reference missing, such as the ground of a circuit?",
    )
