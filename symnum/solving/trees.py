"""Rooted trees and the order conditions of one-step methods."""

from __future__ import annotations

import functools

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.record import record

__all__ = ["OrderConditions", "additive_defect", "order_conditions", "trees"]

# A tree is the sorted tuple of its root's subtrees; a single node is ().
Tree = tuple["Tree", ...]


@functools.cache
def trees(order: int) -> tuple[Tree, ...]:
    """All rooted trees with `order` nodes: 1, 1, 2, 4, 9, 20, ..."""
    if order == 1:
        return ((),)
    found: set[Tree] = set()

    def extend(left: int, largest: int, chosen: Tree) -> None:
        if left == 0:
            found.add(tuple(sorted(chosen)))
            return
        for size in range(1, min(left, largest) + 1):
            for tree in trees(size):
                extend(left - size, size, (*chosen, tree))

    extend(order - 1, order - 1, ())
    return tuple(sorted(found))


@functools.cache
def size(tree: Tree) -> int:
    return 1 + sum(size(branch) for branch in tree)


@functools.cache
def density(tree: Tree) -> int:
    """gamma(tree): the product over all nodes of the number of nodes at or above."""
    value = size(tree)
    for branch in tree:
        value *= density(branch)
    return value


@record
class OrderConditions:
    """sum_i b_i phi_i = theta^size wanted for every row: the conditions on the weights b at t + theta h."""

    phi: FloatArray  # (k, s)
    size: FloatArray  # (k,): nodes of the tree
    wanted: FloatArray  # (k,)

    def defect(self, order: int, b: FloatArray, theta: float = 1.0) -> float:
        """The largest violation of the conditions up to `order`."""
        rows = self.size <= order
        wanted = self.wanted[rows] * theta ** self.size[rows]
        return float(np.max(np.abs(self.phi[rows] @ b - wanted), initial=0.0))


def order_conditions(
    order: int, alpha: FloatArray, gamma: FloatArray, *, any_jacobian: bool = False
) -> OrderConditions:
    """The conditions up to `order` for the stages k_i = f(u + h sum_j alpha_ij k_j) + h J sum_j gamma_ij k_j.

    alpha, gamma: (s, s). With gamma zero this is a Runge-Kutta method. With `any_jacobian` the
    conditions are those of W-methods, whose order holds whatever matrix J is: every node with one branch
    may then carry J instead of f', and what has such a node must vanish. Hairer, Norsett and Wanner I,
    II.2; Hairer and Wanner II, IV.7.
    """
    both = alpha + gamma
    # for each tree its variants: the weights phi, and whether J occurs
    known: dict[Tree, list[tuple[FloatArray, bool]]] = {}
    rows: list[tuple[FloatArray, int, float]] = []
    for nodes in range(1, order + 1):
        for tree in trees(nodes):
            if len(tree) == 1 and any_jacobian:
                variants = [(alpha @ inner, has) for inner, has in known[tree[0]]]
                variants += [(gamma @ inner, True) for inner, _ in known[tree[0]]]
            elif len(tree) == 1:
                variants = [(both @ known[tree[0]][0][0], False)]
            else:
                variants = [(np.ones(len(alpha)), False)]
                for branch in tree:
                    factors = [(alpha @ inner, has) for inner, has in known[branch]]
                    variants = [(a * b, x or y) for a, x in variants for b, y in factors]
            known[tree] = variants
            rows += [(phi, nodes, 0.0 if has else 1.0 / density(tree)) for phi, has in variants]
    phi, sizes, wanted = zip(*rows, strict=True)
    return OrderConditions(np.array(phi), np.array(sizes, dtype=np.float64), np.array(wanted))


def additive_defect(order: int, matrices: tuple[FloatArray, ...], b: FloatArray) -> float:
    """The largest violation of the conditions up to ``order`` of y' = sum_v f_v(y) by an additive method.

    Y_i = u + h sum_v sum_j a^v_ij f_v(Y_j), v = u + h sum_i b_i sum_v f_v(Y_i), with matrices a^v: below each
    node stands the matrix of the part that the node belongs to. Kennedy and Carpenter, Appl. Numer. Math.
    44:139 (2003).
    """
    known: dict[Tree, list[FloatArray]] = {}
    worst = 0.0
    for nodes in range(1, order + 1):
        for tree in trees(nodes):
            variants = [np.ones(len(b))]
            for branch in tree:
                factors = [matrix @ inner for matrix in matrices for inner in known[branch]]
                variants = [value * factor for value in variants for factor in factors]
            known[tree] = variants
            worst = max(worst, *(abs(float(b @ phi) - 1.0 / density(tree)) for phi in variants))
    return worst
