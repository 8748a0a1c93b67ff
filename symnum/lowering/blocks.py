"""The block-triangular form: equations and unknowns in the order in which they could be solved."""

from __future__ import annotations

import numpy as np

from symnum.lowering.families import IntArray
from symnum.lowering.incidence import Incidence, Matching
from symnum.record import record


@record
class Block:
    """Equations that must be solved together, and the unknowns matched to them, in the same order."""

    equations: IntArray
    unknowns: IntArray


def block_triangular(graph: Incidence, matching: Matching, smallest: int = 1) -> list[Block]:
    """The strongly connected components of a perfect matching, each after those that it depends on.

    Components come in the order of the longest chain of others below them. smallest: equations that a block
    has at least; smaller ones are left out.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n = graph.n_equations
    below = matching.equation_of[graph.unknown]  # the equation that determines what an equation reads
    keep = below != graph.equation
    ones = np.ones(int(keep.sum()), np.int8)
    graph_of_equations = csr_array((ones, (graph.equation[keep], below[keep])), shape=(n, n))
    count, label = connected_components(graph_of_equations, directed=True, connection="strong")
    upper, lower = label[graph.equation[keep]], label[below[keep]]
    edges = np.unique(np.stack([upper, lower])[:, upper != lower], axis=1)
    level = _levels(count, edges)
    unknown_of = np.full(n, -1, np.int64)
    unknowns = np.flatnonzero(graph.is_unknown)
    unknown_of[matching.equation_of[unknowns]] = unknowns
    order = np.lexsort((np.arange(n), label, level[label]))
    ends = np.flatnonzero(np.diff(label[order], append=-1)) + 1
    starts = np.concatenate([np.zeros(1, np.int64), ends])[: len(ends)]
    wide = ends - starts >= smallest
    parts = [order[i:j] for i, j in zip(starts[wide].tolist(), ends[wide].tolist(), strict=True)]
    return [Block(part, unknown_of[part]) for part in parts]


def _levels(count: int, edges: IntArray) -> IntArray:
    """Per component the longest chain of components below it."""
    level = np.zeros(count, np.int64)
    waiting = np.bincount(edges[0], minlength=count)  # on how many components each one still waits
    order = np.argsort(edges[1], kind="stable")
    upper = edges[0][order]
    start = np.concatenate([[0], np.cumsum(np.bincount(edges[1], minlength=count))])
    front = np.flatnonzero(waiting == 0)
    depth = 0
    while len(front):
        level[front] = depth
        met = np.concatenate([upper[start[k] : start[k + 1]] for k in front.tolist()])
        waiting = waiting - np.bincount(met, minlength=count)
        front = np.unique(met[waiting[met] == 0])
        depth += 1
    return level
