"""Layers of networks among the items of a function: products with a matrix, and their reverse.

A dense layer is a loop of products weight * value and a gather of their rows; going back it is a gather that
hands each row's cotangent to its products and a loop that adds them to the cotangents of weights and values.
Where the tables show a whole matrix and a whole vector, one after another in memory, and nothing else reads
the products, both are one kernel: contiguous loads in vectors, no table, no products in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from symnum.codegen.function import Array, Function, Gather, Item, Loop, item_outputs, reads
from symnum.record import replace
from symnum.rewriting.expr import ZERO, Expr, slot

__all__ = ["Layer", "LayerBack", "Step", "makes_layer", "with_layers"]


class Place(NamedTuple):
    """Consecutive places of a space."""

    space: str
    first: int


class Layer(NamedTuple):
    """output (rows,) = matrix (rows, columns) @ vector (columns,)."""

    name: str
    rows: int
    columns: int
    matrix: Place
    vector: Place
    output: Place

    @property
    def places(self) -> tuple[Place, ...]:
        """The arrays, in the order of the kernel's arguments."""
        return self[3:]


class LayerBack(NamedTuple):
    """matrix_bar += incoming (rows, 1) * vector (1, columns); vector_bar += incoming @ matrix."""

    name: str
    rows: int
    columns: int
    matrix: Place
    vector: Place
    incoming: Place
    matrix_bar: Place
    vector_bar: Place

    @property
    def places(self) -> tuple[Place, ...]:
        """The arrays, in the order of the kernel's arguments."""
        return self[3:]


Step: TypeAlias = Item | Layer | LayerBack


def with_layers(function: Function) -> list[Step]:
    """The items of a function, those that make a layer together as one."""
    items = function.items
    uses: Array | None = None
    found: list[Step] = []
    k = 0
    while k < len(items):
        pair = items[k : k + 2]
        layer = (_forward(*pair) or _back(*pair)) if len(pair) == 2 else None
        if layer is not None:
            if uses is None:
                uses = _uses(function)
            inner = item_outputs(pair[0])[0].index  # products, or their cotangents
            if bool((uses[inner] == (1 if isinstance(layer, Layer) else 2)).all()):
                found.append(layer)
                k += 2
                continue
        found.append(items[k])
        k += 1
    return found if len(found) == len(items) else list(_zeros_needed(found))


def makes_layer(first: Item, second: Item) -> bool:
    """Are these the products and the sums of a layer?"""
    return _forward(first, second) is not None


def _forward(first: Item, second: Item) -> Layer | None:
    if not (isinstance(first, Loop) and isinstance(second, Gather)):
        return None
    if len(first.roots) != 1 or first.count < 4 or second.space != "w" or second.second is not None:
        return None
    (output,) = first.outputs
    inner, target = _consecutive(output.index), _consecutive(second.output.index)
    if output.space != "w" or output.accumulate or second.output.accumulate:
        return None
    rows = len(second.output.index)
    if inner is None or target is None or first.count % rows or len(second.first) != first.count:
        return None
    columns = first.count // rows
    whole = (
        _consecutive(second.first) == inner
        and bool((np.diff(second.indptr) == columns).all())
        and bool((second.coefficient == 1.0).all())
    )
    factors = _factors(first, first.roots[0], columns) if whole else None
    if factors is None:
        return None
    return Layer(second.name, rows, columns, *factors, Place(second.output.space, target))


def _back(first: Item, second: Item) -> LayerBack | None:
    if not (isinstance(first, Gather) and isinstance(second, Loop)):
        return None
    count = second.count
    if first.second is not None or count < 4 or len(second.roots) != 2 or len(first.first) != count:
        return None
    inner = _consecutive(first.output.index)
    plain = (
        first.output.space == "w" and first.output.accumulate and len(first.indptr) == count + 1
        and bool((first.coefficient == 1.0).all())
    )  # fmt: skip
    if inner is None or not plain:
        return None
    rows = int(np.count_nonzero(np.diff(first.first))) + 1
    if count % rows:
        return None
    columns = count // rows
    start = int(first.first[0])
    if not np.array_equal(first.first, start + np.arange(count) // columns):
        return None
    incoming = [
        slot("w", k)
        for k, c in enumerate(second.columns)
        if c.space == "w" and _consecutive(c.index) == inner
    ]
    if len(incoming) != 1 or not all(output.accumulate for output in second.outputs):
        return None
    share = incoming[0]
    for a, b in ((0, 1), (1, 0)):  # the cotangent of a value holds the weight, that of the weight the value
        weight, value = _other(second.roots[a], share), _other(second.roots[b], share)
        if weight is None or value is None:
            continue
        matrix, vector = second.columns[weight.data[1]], second.columns[value.data[1]]
        matrix_bar, vector_bar = second.outputs[b], second.outputs[a]
        firsts = (
            _consecutive(matrix.index), _tiled(vector.index, columns),
            _consecutive(matrix_bar.index), _tiled(vector_bar.index, columns),
        )  # fmt: skip
        if None in firsts:
            continue
        spaces = matrix.space, vector.space, matrix_bar.space, vector_bar.space
        m, v, m_bar, v_bar = (Place(space, first or 0) for space, first in zip(spaces, firsts, strict=True))
        return LayerBack(first.name, rows, columns, m, v, Place(first.space, start), m_bar, v_bar)
    return None


def _factors(loop: Loop, root: Expr, columns: int) -> tuple[Place, Place] | None:
    """(matrix, vector) where the root is their product."""
    if root.op != "*" or len(root.args) != 2 or any(arg.op != "slot" for arg in root.args):
        return None
    a, b = root.args
    if root is not a * b or "c" in (a.data[0], b.data[0]):  # with powers, or of numbers
        return None
    for weight, value in ((a, b), (b, a)):
        matrix = _consecutive(loop.columns[weight.data[1]].index)
        vector = _tiled(loop.columns[value.data[1]].index, columns)
        if matrix is not None and vector is not None:
            return Place(weight.data[0], matrix), Place(value.data[0], vector)
    return None


def _other(root: Expr, share: Expr) -> Expr | None:
    """What a product of two slots holds besides ``share``."""
    if root.op != "*" or len(root.args) != 2 or share not in root.args:
        return None
    other = root.args[1] if root.args[0] is share else root.args[0]
    known = other.op == "slot" and other.data[0] != "c" and root is other * share
    return other if known else None


def _consecutive(index: Array) -> int | None:
    """The first of places that follow one another."""
    first = int(index[0])
    if int(index[-1]) - first != len(index) - 1:
        return None
    return first if bool((np.diff(index) == 1).all()) else None


def _tiled(index: Array, columns: int) -> int | None:
    """The first of ``columns`` consecutive places that repeat in every row."""
    first = int(index[0])
    wanted = first + np.arange(columns)
    return first if bool((index.reshape(-1, columns) == wanted).all()) else None


def _uses(function: Function) -> Array:
    """(n_work,) how often each place of scratch is read or added to."""
    count = np.zeros(function.n_work, np.int64)
    for item in function.items:
        used = [index for space, index in reads(item) if space == "w"]
        used += [o.index for o in item_outputs(item) if o.accumulate and o.space == "w"]
        for index in used:
            count += np.bincount(index, minlength=function.n_work)
    return count


def _zeros_needed(steps: list[Step]) -> Iterator[Step]:
    """Without the zeros to which nothing is added any more."""
    used: list[Array] = []
    for step in steps:
        if isinstance(step, (Layer, LayerBack)):
            places = [(step.vector, step.columns)]
            if isinstance(step, LayerBack):
                places += [(step.incoming, step.rows), (step.vector_bar, step.columns),
                           (step.matrix_bar, step.rows * step.columns)]  # fmt: skip
            used += [place.first + np.arange(count) for place, count in places if place.space == "w"]
        else:
            used += [index for space, index in reads(step) if space == "w"]
            used += [o.index for o in item_outputs(step) if o.accumulate and o.space == "w"]
    every = np.concatenate([np.zeros(0, np.int64), *used])
    for step in steps:
        if isinstance(step, Loop) and step.roots == (ZERO,) and step.outputs[0].space == "w":
            (output,) = step.outputs
            needed = output.index[np.isin(output.index, every)]
            if len(needed):
                yield replace(step, count=len(needed), outputs=(output._replace(index=needed),))
        else:
            yield step
