"""Which derivatives become dummies, so that as many states remain as there are degrees of freedom.

Every constraint (an equation that was differentiated) takes one unknown out of the set of states. The matrix
of the constraints, G = d constraint / d unknown in the derivatives that are highest at each level, must be
regular in the unknowns taken out. It is split into blocks. Where the pivots of a block cannot vanish the
choice is static, else it is dynamic: the block keeps all its unknowns algebraic and gets states ``s = A x``
of its own, with a matrix A of parameters that is chosen anew in a run whenever the pivots become small.

S. E. Mattsson, G. Soederlind, SIAM J. Sci. Comput. 14 (1993) 677 (dummy derivatives); S. E. Mattsson,
H. Olsson, H. Elmqvist, Modelica Workshop 2000, 55 (dynamic selection).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.families import Family, IntArray, coefficient_rank
from symnum.lowering.index import Offsets, Signature
from symnum.lowering.raw import Sums
from symnum.lowering.sampled import sampled_entries
from symnum.record import record

_VARYING = 3  # see `coefficient_rank`
_PRIVATE = 4  # of the weights below: an unknown that stands in one constraint only is taken first
_ALWAYS = 100.0  # a priority from which a variable stays a state though a pivot may vanish
_SINGULAR = 1e-9  # relative: a determinant below this is zero


@record
class Block:
    """Constraints that are solved together for unknowns of theirs, after the blocks before it.

    rows: numbers of equations. columns: unknowns taken out, one per row; where the choice is dynamic all
    candidates.
    """

    rows: IntArray
    columns: IntArray
    dynamic: bool


def select_states(
    families: list[Family], sums: Sums, found: Signature, offsets: Offsets, priority: NDArray[np.float64]
) -> list[Block]:
    """The blocks of constraints, each after those it depends on. priority: (n,) of the unknowns."""
    highest = found.order == offsets.d[found.base] - offsets.c[found.equation]
    keep = highest & (offsets.c[found.equation] > 0)
    if not keep.any():
        return []
    edges = _Edges(families, sums, found, keep)
    return _Blocks(edges, priority).blocks()


class _Edges:
    """The entries of G: row, column, whether its value can vary, and a value at a random point."""

    def __init__(self, families: list[Family], sums: Sums, found: Signature, keep: NDArray[np.bool_]) -> None:
        self.rows, row = np.unique(found.equation[keep], return_inverse=True)
        self.columns, column = np.unique(found.base[keep], return_inverse=True)
        rank = _ranks(families, sums, found)[keep]
        wanted = np.zeros((int(found.order.max()) + 1) * found.n, bool)
        wanted[found.order[keep] * found.n + found.base[keep]] = True
        entries = sampled_entries(families, sums, wanted)
        value: dict[tuple[int, int], float] = {}
        for e, u, v in zip(entries.equation, entries.unknown, entries.value, strict=True):
            value[e, u] = value.get((e, u), 0.0) + v
        self.at: dict[tuple[int, int], tuple[int, float]] = {}  # (row, column): (rank, value)
        numbers = found.order[keep] * found.n + found.base[keep]
        for i, j, e, u, r in zip(row, column, found.equation[keep], numbers, rank, strict=True):
            before = self.at.get((i, j), (0, 0.0))[0]
            self.at[int(i), int(j)] = max(int(r), before), value.get((e, u), 0.0)
        self.at = {place: entry for place, entry in self.at.items() if entry[1]}
        self.of_row: list[list[int]] = [[] for _ in self.rows]
        self.of_column: list[list[int]] = [[] for _ in self.columns]
        for i, j in sorted(self.at):
            self.of_row[i].append(j)
            self.of_column[j].append(i)


def _ranks(families: list[Family], sums: Sums, found: Signature) -> IntArray:
    """How constant the derivative is for each entry of the signature: see `coefficient_rank`."""
    ranks = [np.ones(len(sums.unknown), np.int64)]
    for family in families:
        for k in family.unknown_slots():
            coefficient = family.coefficient(k)
            rank = _VARYING if coefficient is None else coefficient_rank(coefficient)
            ranks.append(np.full(family.count, rank))
    return np.concatenate(ranks)


class _Blocks:
    def __init__(self, edges: _Edges, priority: NDArray[np.float64]) -> None:
        self.edges = edges
        self.priority = priority[edges.columns]
        self.owner = np.full(len(edges.columns), -1)  # the row that each column belongs to
        self.taken_by = self.matched()  # per row the column taken out
        for row, column in enumerate(self.taken_by.tolist()):
            self.owner[column] = row
        self.dynamic: set[int] = set()  # rows
        self.joined: list[tuple[int, int]] = []  # rows that belong to one block whatever the graph says

    def matched(self) -> IntArray:
        """A column for each row: constant pivots and low priorities first, then columns of one row only.

        Rows without a constant pivot take, as long as there are some, columns that no other such row holds,
        so that chains of constraints fall into blocks of one row each.
        """
        edges = self.edges
        if (self.priority == self.priority[0]).all():
            found = self.peeled()
            if (found >= 0).all():
                return found
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import min_weight_full_bipartite_matching

        places = np.array(sorted(edges.at))
        low, high = self.priority.min(), self.priority.max()
        relative = (self.priority - low) / (high - low) if high > low else np.zeros(len(self.priority))
        rank = np.array([edges.at[i, j][0] for i, j in places.tolist()])
        alone = np.array([len(edges.of_column[j]) == 1 for _, j in places.tolist()])
        weight = 1.0 + 1e6 * relative[places[:, 1]] + 100.0 * rank - _PRIVATE * alone + _PRIVATE
        shape = len(edges.rows), len(edges.columns)
        matrix = csr_array((weight, (places[:, 0], places[:, 1])), shape=shape)
        row, column = min_weight_full_bipartite_matching(matrix)
        result = np.full(len(edges.rows), -1)
        result[row] = column
        return result

    def peeled(self) -> IntArray:
        edges = self.edges
        found = np.full(len(edges.rows), -1)
        free = set(range(len(edges.columns)))
        waiting = set(range(len(edges.rows)))
        for constant in (True, False):
            degree = np.zeros(len(edges.columns), np.int64)
            for row in waiting:
                degree[edges.of_row[row]] += 1
            stack = [j for j in sorted(free, reverse=True) if degree[j] == 1]
            while stack:
                column = stack.pop()
                holding = [i for i in edges.of_column[column] if i in waiting]
                if not holding or column not in free:
                    continue
                row = holding[0]
                if constant and edges.at[row, column][0] >= _VARYING:
                    continue
                found[row] = column
                free.discard(column)
                waiting.discard(row)
                for other in edges.of_row[row]:
                    degree[other] -= 1
                    if degree[other] == 1 and other in free:
                        stack.append(other)
            if constant:
                self.constant_pivots(found, free, waiting)
        return found

    def constant_pivots(self, found: IntArray, free: set[int], waiting: set[int]) -> None:
        """Rows with one or several constant pivots take the one that fewest other rows hold."""
        edges = self.edges
        for row in sorted(waiting):
            fitting = [j for j in edges.of_row[row] if j in free and edges.at[row, j][0] < _VARYING]
            if fitting:
                found[row] = min(fitting, key=lambda j: (len(edges.of_column[j]), edges.at[row, j][0], j))
                free.discard(int(found[row]))
                waiting.discard(row)

    def blocks(self) -> list[Block]:
        edges = self.edges
        while True:
            order, above = self.ordered()
            changed = False
            for block, rows in enumerate(order):
                inside = set(rows)
                if not (inside & self.dynamic or self.varies(rows)):
                    continue
                surplus = sorted({j for i in rows for j in edges.of_row[i] if self.owner[j] < 0})
                taken = set(self.taken_by[rows].tolist())
                owned = any(self.owner[j] in inside and j not in taken for i in rows for j in edges.of_row[i])
                if self.wanted(rows, surplus):
                    continue
                if not surplus and not owned:
                    # as many unknowns as constraints: regular only together with those that it follows from
                    free = {i for i, columns in enumerate(edges.of_row) if (self.owner[columns] < 0).any()}
                    wanted = free | self.dynamic
                    joined = [(i, rows[0]) for k in above(block) for i in order[k] if i in wanted]
                    changed |= bool(joined)
                    self.joined += joined
                    continue
                self.dynamic |= inside
                for j in surplus:
                    self.owner[j] = rows[0]
                    changed = True
            if not changed:
                break
        result = []
        for rows in order:
            dynamic = bool(set(rows) & self.dynamic)
            columns = np.flatnonzero(np.isin(self.owner, rows)) if dynamic else self.taken_by[rows]
            result.append(Block(edges.rows[rows], edges.columns[columns], dynamic))
        return result

    def ordered(self) -> tuple[list[list[int]], Callable[[int], set[int]]]:
        """Strongly connected components of the rows, dependencies first; and what each follows from."""
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(range(len(self.edges.rows)))
        for i, columns in enumerate(self.edges.of_row):
            graph.add_edges_from((int(self.owner[j]), i) for j in columns if self.owner[j] not in (-1, i))
        for one, other in self.joined:
            graph.add_edges_from([(one, other), (other, one)])
        whole = networkx.condensation(graph)
        order = list(networkx.lexicographical_topological_sort(whole))
        place = {node: k for k, node in enumerate(order)}
        members = [sorted(whole.nodes[node]["members"]) for node in order]
        return members, lambda k: {place[node] for node in networkx.ancestors(whole, order[k])}

    def varies(self, rows: list[int]) -> bool:
        """Whether the pivots of a block may vanish: some vary, or the constant ones are singular."""
        edges = self.edges
        matrix = np.zeros((len(rows), len(rows)))
        for a, i in enumerate(rows):
            for b, j in enumerate(self.taken_by[rows].tolist()):
                rank, value = edges.at.get((i, j), (0, 0.0))
                if rank >= _VARYING:
                    return True
                matrix[a, b] = value
        return bool(abs(np.linalg.det(matrix)) <= _SINGULAR * np.abs(matrix).max() ** len(rows))

    def wanted(self, rows: list[int], surplus: list[int]) -> bool:
        """Whether the user's priorities decide: what stays is to be a state whatever the pivots do."""
        return bool(surplus) and bool(self.priority[surplus].min() >= _ALWAYS)
