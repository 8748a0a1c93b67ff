"""Which equation holds which unknown: the bipartite graph as integer arrays, its matching and its blocks."""

from __future__ import annotations

import numpy as np

from symnum.lowering.families import Family, IntArray
from symnum.lowering.raw import Sums
from symnum.record import record


@record
class Incidence:
    """Equations are numbered family by family, then the rows of the sums. Unknowns: see `families`."""

    equation: IntArray  # one entry per (equation, slot)
    unknown: IntArray
    first: IntArray  # first equation of each family, then of the sums, then their total
    is_unknown: np.ndarray[tuple[int], np.dtype[np.bool_]]  # over all 2n numbers

    @property
    def n_equations(self) -> int:
        return int(self.first[-1])

    def locate(self, equation: int) -> tuple[int, int]:
        """(family, copy) of an equation; family == number of families means a row of the sums."""
        family = int(np.searchsorted(self.first[1:], equation, side="right"))
        return family, equation - int(self.first[family])


def incidence(
    families: list[Family], sums: Sums, is_unknown: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Incidence:
    """The graph of those numbers that ``is_unknown``; states, for one, are known."""
    first = np.cumsum([0, *(f.count for f in families), sums.count]).astype(np.int64)
    equations: list[IntArray] = []
    unknowns: list[IntArray] = []
    least = int(np.argmax(is_unknown))
    for start, family in zip(first, families, strict=False):
        for k in family.slots_from(least):
            column = np.asarray(family.columns[k], np.int64)
            held = np.flatnonzero(is_unknown[column])
            equations.append(start + held)
            unknowns.append(column if len(held) == len(column) else column[held])
    keep = is_unknown[sums.unknown]
    equations.append(first[-2] + np.repeat(np.arange(sums.count), np.diff(sums.indptr))[keep])
    unknowns.append(sums.unknown[keep])
    return Incidence(np.concatenate(equations), np.concatenate(unknowns), first, is_unknown)


_ROUNDS = 60  # of peeling; longer chains are left to the general algorithm


@record
class Matching:
    """A maximum matching and its blocks.

    equation_of: (2n,) the equation matched to each number, or -1. block: (n_equations,) the size of the block
    of each equation: 1 where one equation alone determines one unknown. direct: whether every equation holds
    one unknown only, a different one each.
    """

    equation_of: IntArray
    block: IntArray
    direct: bool = False


def is_perfect(graph: Incidence, matching: Matching) -> bool:
    """Whether every equation has its unknown and every unknown its equation."""
    as_many = graph.n_equations == graph.is_unknown.sum()
    return bool(as_many and not (graph.is_unknown & (matching.equation_of < 0)).any())


def match(graph: Incidence) -> Matching:
    """A maximum matching and its blocks (the fine Dulmage-Mendelsohn blocks where it is perfect).

    Equations with one unknown left, and unknowns that stand in one equation only, are peeled off in rounds;
    equal copies peel alike. What remains goes to the algorithms of SciPy.
    """
    matched = np.full(len(graph.is_unknown), -1, np.int64)
    size = np.ones(graph.n_equations, np.int64)
    if _one_each(graph):
        matched[graph.unknown] = graph.equation
        return Matching(matched, size, direct=True)
    active = np.ones(len(graph.equation), bool)
    for _ in range(_ROUNDS):
        before = int(active.sum())
        for mine, other in ((graph.equation, graph.unknown), (graph.unknown, graph.equation)):
            degree = np.bincount(mine[active], minlength=max(graph.n_equations, len(matched)))
            entries = np.flatnonzero(active & (degree[mine] == 1))
            _, first = np.unique(other[entries], return_index=True)  # rivals for one place: the first has it
            chosen = entries[first]
            matched[graph.unknown[chosen]] = graph.equation[chosen]
            taken_unknown = np.zeros(len(matched), bool)
            taken_unknown[graph.unknown[chosen]] = True
            taken_equation = np.zeros(graph.n_equations, bool)
            taken_equation[graph.equation[chosen]] = True
            active &= ~(taken_unknown[graph.unknown] | taken_equation[graph.equation])
        if not active.any() or int(active.sum()) == before:
            break
    if active.any():
        _match_rest(graph, np.flatnonzero(active), matched, size)
    return Matching(matched, size)


def coupled_derivatives(graph: Incidence, matching: Matching) -> bool:
    """Whether a block of several equations determines several derivatives: only there one may be hidden."""
    if (matching.block == 1).all():
        return False
    n = len(graph.is_unknown) // 2
    derivatives = n + np.flatnonzero(graph.is_unknown[n:])
    size = matching.block[matching.equation_of[derivatives]]
    return bool((size > 1).sum() > 1)


def _one_each(graph: Incidence) -> bool:
    """Whether every equation holds one unknown, and all of them different ones."""
    if len(graph.equation) != graph.n_equations:
        return False
    held = np.zeros(graph.n_equations, bool)
    held[graph.equation] = True
    taken = np.zeros(len(graph.is_unknown), bool)
    taken[graph.unknown] = True
    return bool(held.all()) and int(np.count_nonzero(taken)) == graph.n_equations


def _match_rest(graph: Incidence, entries: IntArray, matched: IntArray, size: IntArray) -> None:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching

    equation, unknown = graph.equation[entries], graph.unknown[entries]
    rows, row = np.unique(equation, return_inverse=True)
    columns, column = np.unique(unknown, return_inverse=True)
    ones = np.ones(len(entries), np.int8)
    matrix = csr_array((ones, (row, column)), shape=(len(rows), len(columns)))
    column_of = np.asarray(maximum_bipartite_matching(matrix, perm_type="column"))
    with_column = np.flatnonzero(column_of >= 0)
    matched[columns[column_of[with_column]]] = rows[with_column]
    row_of = np.full(len(columns), -1, np.int64)
    row_of[column_of[with_column]] = with_column
    keep = (row_of[column] >= 0) & (row_of[column] != row)
    adjacency = csr_array((ones[keep], (row[keep], row_of[column][keep])), shape=(len(rows), len(rows)))
    _, label = connected_components(adjacency, directed=True, connection="strong")
    size[rows] = np.bincount(label)[label]
