"""Rooted trees and the order conditions of one-step methods."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from symnum.codegen.model_functions import FloatArray

__all__ = ["order_defect", "trees"]

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


def _weights(
    tree: Tree, argument: FloatArray, along: FloatArray, fat: FloatArray | None
) -> Iterator[tuple[FloatArray, bool]]:
    """Phi_i of the tree, once for each way of giving nodes with one branch the matrix J instead of f'."""
    if len(tree) == 1:
        for inner, has_fat in _weights(tree[0], argument, along, fat):
            yield along @ inner, has_fat
            if fat is not None:
                yield fat @ inner, True
        return
    products: list[tuple[FloatArray, bool]] = [(np.ones(len(argument)), False)]
    for branch in tree:
        factors = [(argument @ inner, has_fat) for inner, has_fat in _weights(branch, argument, along, fat)]
        products = [(a * b, x or y) for a, x in products for b, y in factors]
    yield from products


def order_defect(
    order: int,
    b: FloatArray,
    alpha: FloatArray,
    gamma: FloatArray,
    *,
    any_jacobian: bool = False,
    theta: float = 1.0,
) -> float:
    """Largest violation of the order conditions up to `order`.

    b: weights (s,) of the solution at t + theta h; alpha, gamma: (s, s) coefficients of the stages k_i =
    f(u + h sum_j alpha_ij k_j) + h J sum_j gamma_ij k_j. With gamma zero this is a Runge-Kutta method.
    With `any_jacobian` the conditions of W-methods are taken: the order must hold whatever matrix J is.

    Hairer, Norsett and Wanner I, II.2; Hairer and Wanner II, IV.7, for both kinds of Rosenbrock methods.
    """
    worst = 0.0
    for nodes in range(1, order + 1):
        for tree in trees(nodes):
            wanted = theta**nodes / density(tree)
            if any_jacobian:
                weights = _weights(tree, alpha, alpha, gamma)
            else:
                weights = _weights(tree, alpha, alpha + gamma, None)
            for phi, has_fat in weights:
                worst = max(worst, abs(float(b @ phi) - (0.0 if has_fat else wanted)))
    return worst
