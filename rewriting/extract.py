"""Choosing from an e-graph: one e-node per class, all roots together, shared nodes paid once.

The best choice with sharing (DAG cost) is a hard problem, and the obvious approximation, the best *tree*, is
worse than no rewriting at all where much is shared: it never sees that ``sin(d_i)`` serves many differences.
So the tree problem is solved several times with the cost of a class divided by a power of the number of its
users, each solution teaches the next how much is really shared, and a local search with reference counts
finishes. Exact solutions of small problems (integer programming) were at most 1 % better.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from symnum.rewriting.binary import BinaryNode
from symnum.rewriting.cost import ADDITION, CPU, HOISTED, MULTIPLICATION, CostTable
from symnum.rewriting.egraph import Classes

DISCOUNTS = (1.0, 0.7, 0.4, 0.0)
"""Exponents of the number of users by which the cost of a class is discounted, one start each."""

ROUNDS = 3
"""Times that each start is repeated with the numbers of users of its own solution."""


def _node_costs(table: CostTable) -> dict[str, float]:
    return {
        "Num": 0.0,
        "Leaf": 0.0,
        "Add": ADDITION,
        "Mul": MULTIPLICATION,
        "Neg": 0.0,  # signs are absorbed by the sums above
        "Inv": table.division - MULTIPLICATION,  # the multiplication with it becomes the division
        "Sqrt": table.square_root,
        **table.functions,
    }


COMPILED_FROM = 20_000
"""Number of e-nodes from which compiled searches win back the time of importing numba."""


class _Arrays(NamedTuple):
    """The graph as `extract_compiled` takes it."""

    owner: Any
    cost: Any
    roots: Any
    start: Any
    args: Any
    user_start: Any
    users: Any
    member_start: Any
    members: Any


class Selection:
    """One e-node per class that is needed: ``choice[c]`` is its number in ``classes.nodes``; ``cost`` of all
    together as the search counts it."""

    def __init__(self, classes: Classes, choice: dict[int, int], cost: float) -> None:
        self.classes = classes
        self.choice = choice
        self.cost = cost

    def order(self) -> Iterator[tuple[int, BinaryNode]]:
        """The chosen (class, e-node) that the roots need, arguments first."""
        nodes = self.classes.nodes
        seen: set[int] = set()
        stack = list(reversed(self.classes.roots))
        while stack:
            owner = stack[-1]
            if owner in seen:
                stack.pop()
                continue
            node = nodes[self.choice[owner]]
            waiting = [arg for arg in node.args if arg not in seen]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            seen.add(owner)
            yield owner, node


class Extractor:
    """Selections of low DAG cost from saturated classes."""

    def __init__(self, classes: Classes, table: CostTable = CPU) -> None:
        self.classes = classes
        self._costs = _node_costs(table)
        nodes = classes.nodes
        self.owner = [0] * len(nodes)
        for owner, members in enumerate(classes.members):
            for member in members:
                self.owner[member] = owner
        self.args = [tuple(dict.fromkeys(node.args)) for node in nodes]
        self.cost = [self._cost(k) for k in range(len(nodes))]
        self.parents: list[list[int]] = [[] for _ in classes.members]
        for k, args in enumerate(self.args):
            for arg in args:
                self.parents[arg].append(k)
        self.arrays = self._arrays() if len(nodes) > COMPILED_FROM else None

    def _cost(self, k: int) -> float:
        node = self.classes.nodes[k]
        cost = self._costs[node.op]
        # The empty choice must not look free: among equal costs fewer nodes are better.
        return HOISTED * cost if self.classes.free[self.owner[k]] else cost + 1e-4

    def _arrays(self) -> _Arrays:
        import numpy as np

        def rows(lists: Iterable[Sequence[int]]) -> tuple[Any, Any]:
            lists = list(lists)
            start = np.zeros(len(lists) + 1, np.int64)
            np.cumsum([len(row) for row in lists], out=start[1:])
            return start, np.array([item for row in lists for item in row], np.int64)

        start, args = rows(self.args)
        user_start, users = rows(self.parents)
        member_start, members = rows(self.classes.members)
        roots = np.array(list(dict.fromkeys(self.classes.roots)), np.int64)
        owner, cost = np.array(self.owner, np.int64), np.array(self.cost)
        return _Arrays(owner, cost, roots, start, args, user_start, users, member_start, members)

    # ---- starts ------------------------------------------------------------------------------------
    def selections(self, deadline: float) -> Iterator[Selection]:
        """Distinct selections, each a local optimum, until the deadline (`time.thread_time`)."""
        initial = [float(max(len({self.owner[k] for k in users}), 1)) for users in self.parents]
        known: set[frozenset[tuple[int, int]]] = set()
        for exponent in DISCOUNTS:
            users = initial
            for _ in range(ROUNDS if exponent else 1):
                choice = self._cheapest_trees([1.0 / u**exponent for u in users])
                users = self._users(choice, initial)
                used = frozenset((c, choice[c]) for c in self._used(choice))
                if used in known:
                    break
                known.add(used)
                self._improve(choice, deadline)
                yield Selection(self.classes, choice, sum(self.cost[choice[c]] for c in self._used(choice)))
                if time.thread_time() > deadline:
                    return

    def _cheapest_trees(self, weight: Sequence[float]) -> dict[int, int]:
        """Knuth's generalization of Dijkstra's algorithm; never cyclic: a class waits for its arguments.

        The queue is ordered by the discounted cost. By the full one, a dear function that many share would be
        settled only after all that could use it has been settled without it.
        """
        if self.arrays is not None:
            return self._cheapest_trees_compiled(self.arrays, weight)
        missing = [len(args) for args in self.args]
        total = list(self.cost)
        best: dict[int, int] = {}
        queue: list[tuple[float, int]] = []
        for k, count in enumerate(missing):
            if count == 0:
                heappush(queue, (total[k] * weight[self.owner[k]], k))
        while queue:
            share, k = heappop(queue)
            owner = self.owner[k]
            if owner in best:
                continue
            best[owner] = k
            for parent in self.parents[owner]:
                total[parent] += share
                missing[parent] -= 1
                if missing[parent] == 0 and self.owner[parent] not in best:
                    heappush(queue, (total[parent] * weight[self.owner[parent]], parent))
        return best

    def _cheapest_trees_compiled(self, arrays: _Arrays, weight: Sequence[float]) -> dict[int, int]:
        import numpy as np

        from symnum.rewriting.extract_compiled import cheapest_trees

        a = arrays
        best = cheapest_trees(a.owner, a.start, a.user_start, a.users, a.cost, np.array(weight))
        return {c: k for c, k in enumerate(best.tolist()) if k >= 0}

    def _used(self, choice: dict[int, int]) -> set[int]:
        used = set(self.classes.roots)
        stack = list(used)
        while stack:
            for arg in self.args[choice[stack.pop()]]:
                if arg not in used:
                    used.add(arg)
                    stack.append(arg)
        return used

    def _users(self, choice: dict[int, int], initial: Sequence[float]) -> list[float]:
        """Users of each class in this selection; the estimate where the selection does not use it."""
        count = [0] * len(initial)
        for owner in self._used(choice):
            for arg in self.args[choice[owner]]:
                count[arg] += 1
        return [float(n) if n else guess for n, guess in zip(count, initial, strict=True)]

    # ---- local search ------------------------------------------------------------------------------
    def _improve(self, choice: dict[int, int], deadline: float) -> None:
        """Exchange one e-node at a time as long as that lowers the DAG cost."""
        if self.arrays is not None:
            self._improve_compiled(choice, self.arrays, deadline)
            return
        references = [0] * len(self.classes.members)
        for root in dict.fromkeys(self.classes.roots):
            self._add(root, choice, references)
        improved = True
        while improved and time.thread_time() < deadline:
            improved = False
            for owner in sorted(self._used(choice)):
                if not references[owner]:
                    continue
                for alternative in self.classes.members[owner]:
                    old = choice[owner]
                    args = self.args[alternative]
                    if alternative == old or owner in args or any(arg not in choice for arg in args):
                        continue
                    saved = self.cost[old] + self._drop_args(old, choice, references)
                    choice[owner] = alternative
                    spent = self.cost[alternative] + self._add_args(alternative, choice, references)
                    # the search for a cycle is the dearest part, so it comes last
                    if spent < saved - 1e-9 and not self._needs(args, owner, choice):
                        improved = True
                        continue
                    self._drop_args(alternative, choice, references)
                    choice[owner] = old
                    self._add_args(old, choice, references)
                if time.thread_time() > deadline:
                    return

    def _improve_compiled(self, choice: dict[int, int], a: _Arrays, deadline: float) -> None:
        import numpy as np

        from symnum.rewriting.extract_compiled import improve

        chosen = np.full(len(self.classes.members), -1, np.int64)
        chosen[list(choice)] = list(choice.values())
        # one sweep a call: compiled code cannot look at the deadline
        while True:
            before = chosen.copy()
            improve(chosen, a.roots, a.start, a.args, a.member_start, a.members, a.cost, 1)
            if time.thread_time() > deadline or (before == chosen).all():
                break
        choice.update((c, k) for c, k in enumerate(chosen.tolist()) if k >= 0)

    def _needs(self, args: Iterable[int], owner: int, choice: dict[int, int]) -> bool:
        """Whether one of the classes ``args`` is computed from ``owner``."""
        seen: set[int] = set()
        stack = list(args)
        while stack:
            arg = stack.pop()
            if arg == owner:
                return True
            if arg not in seen:
                seen.add(arg)
                stack.extend(self.args[choice[arg]])
        return False

    def _add(self, owner: int, choice: dict[int, int], references: list[int]) -> float:
        """One more user of a class; returns what becomes newly needed."""
        spent = 0.0
        stack = [owner]
        while stack:
            c = stack.pop()
            references[c] += 1
            if references[c] == 1:
                spent += self.cost[choice[c]]
                stack.extend(self.args[choice[c]])
        return spent

    def _drop(self, owner: int, choice: dict[int, int], references: list[int]) -> float:
        """One user less; returns what is no longer needed."""
        saved = 0.0
        stack = [owner]
        while stack:
            c = stack.pop()
            references[c] -= 1
            if references[c] == 0:
                saved += self.cost[choice[c]]
                stack.extend(self.args[choice[c]])
        return saved

    def _add_args(self, k: int, choice: dict[int, int], references: list[int]) -> float:
        return sum(self._add(arg, choice, references) for arg in self.args[k])

    def _drop_args(self, k: int, choice: dict[int, int], references: list[int]) -> float:
        return sum(self._drop(arg, choice, references) for arg in self.args[k])


def selections(classes: Classes, deadline: float, table: CostTable = CPU) -> Iterable[Selection]:
    """Selections of low DAG cost, none twice, until the deadline."""
    return Extractor(classes, table).selections(deadline)
