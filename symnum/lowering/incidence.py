"""Which equation holds which unknown: the bipartite graph as integer arrays, its matching and its blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from symnum.lowering.families import Family, IntArray
from symnum.lowering.flatten import Sums


@dataclass(frozen=True)
class Incidence:
    """Equations are numbered family by family, then the rows of the sums. Unknowns: see `families`."""

    equation: IntArray  # one entry per (equation, slot)
    unknown: IntArray
    first: IntArray  # first equation of each family, then of the sums, then their total
    is_unknown: np.ndarray[tuple[int], np.dtype[np.bool_]]  # over all 2n numbers
    all_equations: IntArray  # the same with the entries of states, which are known
    all_numbers: IntArray

    @property
    def n_equations(self) -> int:
        return int(self.first[-1])

    def locate(self, equation: int) -> tuple[int, int]:
        """(family, copy) of an equation; family == number of families means a row of the sums."""
        family = int(np.searchsorted(self.first[1:], equation, side="right"))
        return family, equation - int(self.first[family])


def incidence(families: list[Family], sums: Sums, is_unknown: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Incidence:
    first = np.cumsum([0, *(f.count for f in families), sums.count]).astype(np.int64)
    equations: list[IntArray] = []
    unknowns: list[IntArray] = []
    for start, family in zip(first, families, strict=False):
        for k in family.unknown_slots():
            equations.append(np.arange(start, start + family.count))
            unknowns.append(np.asarray(family.columns[k], np.int64))
    equations.append(first[-2] + np.repeat(np.arange(sums.count), np.diff(sums.indptr)))
    unknowns.append(sums.unknown)
    equation, unknown = np.concatenate(equations), np.concatenate(unknowns)
    keep = is_unknown[unknown]
    return Incidence(equation[keep], unknown[keep], first, is_unknown, equation, unknown)


def match(graph: Incidence) -> IntArray:
    """A maximum matching: for each of the 2n numbers the equation matched to it, or -1."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    matched = np.full(len(graph.is_unknown), -1, np.int64)
    if not graph.n_equations or not len(graph.is_unknown):
        return matched
    shape = (graph.n_equations, len(graph.is_unknown))
    matrix = csr_array((np.ones(len(graph.equation), np.int8), (graph.equation, graph.unknown)), shape=shape)
    column_of = np.asarray(maximum_bipartite_matching(matrix, perm_type="column"))
    rows = np.flatnonzero(column_of >= 0)
    matched[column_of[rows]] = rows
    return matched


def blocks(graph: Incidence, matched: IntArray) -> IntArray:
    """The number of equations in the block (strong component) of each equation, for a perfect matching."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    target = matched[graph.unknown]
    off = target != graph.equation
    n = graph.n_equations
    adjacency = csr_array((np.ones(int(off.sum()), np.int8), (graph.equation[off], target[off])), shape=(n, n))
    _, label = connected_components(adjacency, directed=True, connection="strong")
    return np.asarray(np.bincount(label)[label], np.int64)
