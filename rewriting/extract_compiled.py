"""The searches of `extract` over flat arrays, compiled by numba: for graphs of many thousand e-nodes.

Importing this module imports numba, so `extract` does it only where the graph is large. Compiled code is kept
beside this file, or in numba's own cache where that place is read-only.

A graph is a tuple of int64 arrays: ``owner`` (nodes,) the class of each e-node; ``start``, ``args`` the
distinct argument classes of node k in ``args[start[k]:start[k + 1]]``; in the same way ``user_start``,
``users`` the e-nodes that have a class as argument and ``member_start``, ``members`` the e-nodes of a class.
"""

from __future__ import annotations

import importlib
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_njit: Any = importlib.import_module("numba").njit


def _cheapest_trees(
    owner: Ints, start: Ints, user_start: Ints, users: Ints, cost: Floats, weight: Floats
) -> Ints:
    """Knuth's generalization of Dijkstra's algorithm: the e-node chosen for each class, or -1.

    The same as `Extractor._cheapest_trees`, ties included.
    """
    n_nodes, n_classes = len(owner), len(weight)
    best = np.full(n_classes, -1, np.int64)
    missing = np.empty(n_nodes, np.int64)
    total = cost.copy()
    queue = [(0.0, -1)]
    queue.pop()
    for k in range(n_nodes):
        missing[k] = start[k + 1] - start[k]
        if missing[k] == 0:
            heappush(queue, (total[k] * weight[owner[k]], k))
    while len(queue) > 0:
        share, k = heappop(queue)
        c = owner[k]
        if best[c] >= 0:
            continue
        best[c] = k
        for at in range(user_start[c], user_start[c + 1]):
            user = users[at]
            total[user] += share
            missing[user] -= 1
            if missing[user] == 0 and best[owner[user]] < 0:
                heappush(queue, (total[user] * weight[owner[user]], user))
    return best


def _change(
    c: int, sign: int, choice: Ints, references: Ints, start: Ints, args: Ints, cost: Floats, stack: Ints
) -> float:
    """One user more (sign 1) or less (-1) of class c; the cost of what is newly, or no longer, needed."""
    changed = 0.0
    stack[0] = c
    size = 1
    while size > 0:
        size -= 1
        c = stack[size]
        references[c] += sign
        if (sign > 0 and references[c] == 1) or (sign < 0 and references[c] == 0):
            k = choice[c]
            changed += cost[k]
            for at in range(start[k], start[k + 1]):
                stack[size] = args[at]
                size += 1
    return changed


def _change_args(
    k: int, sign: int, choice: Ints, references: Ints, start: Ints, args: Ints, cost: Floats, stack: Ints
) -> float:
    changed = 0.0
    for at in range(start[k], start[k + 1]):
        changed += change(args[at], sign, choice, references, start, args, cost, stack)
    return changed


def _needs(
    k: int, c: int, choice: Ints, start: Ints, args: Ints, seen: Ints, stamp: int, stack: Ints
) -> bool:
    """Whether an argument of e-node k is computed from class c."""
    size = 0
    for at in range(start[k], start[k + 1]):
        stack[size] = args[at]
        size += 1
    while size > 0:
        size -= 1
        arg = stack[size]
        if arg == c:
            return True
        if seen[arg] != stamp:
            seen[arg] = stamp
            node = choice[arg]
            for at in range(start[node], start[node + 1]):
                stack[size] = args[at]
                size += 1
    return False


def _improve(
    choice: Ints,
    roots: Ints,
    start: Ints,
    args: Ints,
    member_start: Ints,
    members: Ints,
    cost: Floats,
    sweeps: int,
) -> int:
    """Exchange one e-node at a time as long as that lowers the DAG cost; ``choice`` is changed in place.

    Returns the number of sweeps over all classes that were used.
    """
    n_classes = len(choice)
    references = np.zeros(n_classes, np.int64)
    seen = np.zeros(n_classes, np.int64)
    stack = np.empty(len(args) + n_classes + 8, np.int64)
    stamp = 0
    for root in roots:
        change(root, 1, choice, references, start, args, cost, stack)
    for sweep in range(sweeps):
        improved = False
        for c in range(n_classes):
            if references[c] == 0:
                continue
            for at in range(member_start[c], member_start[c + 1]):
                new, old = members[at], choice[c]
                if new == old:
                    continue
                possible = True
                for place in range(start[new], start[new + 1]):
                    if args[place] == c or choice[args[place]] < 0:
                        possible = False
                if not possible:
                    continue
                saved = cost[old] + change_args(old, -1, choice, references, start, args, cost, stack)
                choice[c] = new
                spent = cost[new] + change_args(new, 1, choice, references, start, args, cost, stack)
                if spent < saved - 1e-9:
                    stamp += 1
                    if not needs(new, c, choice, start, args, seen, stamp, stack):
                        improved = True
                        continue
                change_args(new, -1, choice, references, start, args, cost, stack)
                choice[c] = old
                change_args(old, 1, choice, references, start, args, cost, stack)
        if not improved:
            return sweep + 1
    return sweeps


cheapest_trees = _njit(cache=True)(_cheapest_trees)
change = _njit(cache=True)(_change)
change_args = _njit(cache=True)(_change_args)
needs = _njit(cache=True)(_needs)
improve = _njit(cache=True)(_improve)
