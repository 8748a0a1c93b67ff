"""Dulmage-Mendelsohn decomposition: the parts of a bipartite graph that keep a matching from being perfect.

A. L. Dulmage, N. S. Mendelsohn, Coverings of bipartite graphs, Canad. J. Math. 10 (1958).
"""

from __future__ import annotations

import numpy as np

from symnum.lowering.families import IntArray
from symnum.lowering.incidence import Incidence
from symnum.record import record

_STARTS = 64  # unmatched equations or unknowns from which the smallest part is looked for


@record
class Part:
    """Some equations and the unknowns that belong to them; not equally many."""

    equations: IntArray
    unknowns: IntArray


class Decomposition:
    """What a maximum matching leaves over, and why.

    matched: (numbers,) the equation matched to each unknown, or -1.
    """

    def __init__(self, graph: Incidence, matched: IntArray) -> None:
        self.graph = graph
        unknowns = np.flatnonzero(graph.is_unknown)
        self._equation_of = matched
        self._unknown_of = np.full(graph.n_equations, -1, np.int64)
        held = unknowns[matched[unknowns] >= 0]
        self._unknown_of[matched[held]] = held
        self.left_over = np.flatnonzero(self._unknown_of < 0)
        self.undetermined = unknowns[matched[unknowns] < 0]

    def overdetermined(self) -> list[Part]:
        """For equations left over the smallest set with too few unknowns that holds them, smallest first.

        Each part has one equation more than unknowns, and every one of its equations could be the surplus.
        """
        rows = _rows(self.graph.equation, self.graph.unknown, self.graph.n_equations)
        return self._parts(self.left_over, rows, self._equation_of, equations_first=True)

    def underdetermined(self) -> list[Part]:
        """For unknowns left over the smallest set with too few equations, smallest first."""
        columns = _rows(self.graph.unknown, self.graph.equation, len(self.graph.is_unknown))
        return self._parts(self.undetermined, columns, self._unknown_of, equations_first=False)

    def all_overdetermined(self) -> IntArray:
        """Every equation that an alternating path reaches from an equation left over."""
        return self._all(self.left_over, self.graph.equation, self.graph.unknown, self._equation_of)

    def _all(self, starts: IntArray, mine: IntArray, other: IntArray, back: IntArray) -> IntArray:
        """Nodes of one side reached from ``starts`` of that side, in sweeps over all edges."""
        reached = np.zeros(max(self.graph.n_equations, len(self.graph.is_unknown)), bool)
        reached[starts] = True
        front = starts
        rows = None
        while len(front):
            if rows is None:
                rows = _rows(mine, other, len(reached))
            indptr, neighbours = rows
            met = np.concatenate([neighbours[indptr[i] : indptr[i + 1]] for i in front.tolist()])
            following = back[met]
            following = np.unique(following[following >= 0])
            front = following[~reached[following]]
            reached[front] = True
        return np.flatnonzero(reached)

    def _parts(
        self, starts: IntArray, rows: tuple[IntArray, IntArray], back: IntArray, *, equations_first: bool
    ) -> list[Part]:
        indptr, neighbours = rows
        found: dict[bytes, Part] = {}
        for start in starts[:_STARTS].tolist():
            seen, others = {start}, set[int]()
            stack = [start]
            while stack:
                node = stack.pop()
                for other in neighbours[indptr[node] : indptr[node + 1]].tolist():
                    if other not in others:
                        others.add(other)
                        following = int(back[other])
                        if following >= 0 and following not in seen:
                            seen.add(following)
                            stack.append(following)
            one, two = np.array(sorted(seen), np.int64), np.array(sorted(others), np.int64)
            found.setdefault(one.tobytes(), Part(one, two) if equations_first else Part(two, one))
        return sorted(found.values(), key=lambda part: len(part.equations) + len(part.unknowns))


def _rows(mine: IntArray, other: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """(indptr, neighbours) of each node of one side."""
    order = np.argsort(mine, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(mine, minlength=count))])
    return indptr, other[order]
