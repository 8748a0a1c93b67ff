"""Functions of the unknowns that several copies need with the same arguments are evaluated once.

A family has one template, so what is shared inside it is shared in every copy; what *copies* share shows only
in the tables: in a reduced network of n machines the template of one machine has n - 1 angles, yet all copies
together have n. Here the dear operations of all loops are collected with the columns that they read. Where
fewer distinct arguments than evaluations are found, a loop of its own evaluates each once, to scratch, and
the others read it there.

``sin`` and ``cos`` of a sum of two angles are split first where that leaves so few distinct angles that it
pays: all pairs of n angles need n sines and cosines instead of n*(n - 1)/2. The absolute error stays at one
rounding of the products; see `symnum.rewriting.rules.trigonometric`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from symnum.codegen.distinct import distinct, distinct_rows
from symnum.codegen.function import Array, Column, Function, Item, Loop, Output, compact
from symnum.record import replace
from symnum.rewriting.expr import Expr, apply, linear, slot
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.shape import canonical
from symnum.rewriting.walk import leaves, postorder, substitute, transform

__all__ = ["evaluated_once"]

_DEAR = 8.0
"""Cost of an operator from which a store, a load and the place of both in tables are cheaper."""

_DEAR_ONES = frozenset(name for name, operator in OPERATORS.items() if operator.cost >= _DEAR)

_MOVED = 3.0
"""What reading one value from scratch costs instead."""

_GAIN = 0.8
"""Splitting must leave less than this part of the cost: its products and loads are counted roughly."""

_FEW = 64
"""Evaluations in all copies together below which the search is not worth its time."""

_MOST = 1 << 20
"""Evaluations beyond which sorting the arguments takes longer than compiling."""


_LARGEST = 200
"""Nodes of an argument, written as a tree, beyond which two copies hardly ever agree in it; looking at all
functions within functions of a deep nest would take the square of its depth."""


def evaluated_once(function: Function, *, split_angles: bool) -> Function:
    """The same function, repeated evaluations of dear operators moved to loops in front."""
    if split_angles:
        function = _split(function)
    found = _Shared(function)
    return found.applied() if found.values else function


class _Use(NamedTuple):
    """One node of one loop; ``rows`` (count, k): what its leaves read in each copy, in canonical order."""

    item: int
    node: Expr
    rows: Array


class _Value(NamedTuple):
    """Distinct arguments (n, k) of one template, and the place of the first result in scratch."""

    root: Expr
    letters: tuple[str, ...]
    rows: Array
    place: int


def _uses(function: Function) -> dict[tuple[Expr, tuple[str, ...]], list[_Use]]:
    """The dear operators over unknowns and parameters alone, by template."""
    found: dict[tuple[Expr, tuple[str, ...]], list[_Use]] = {}
    for number, item in _repeating(function):
        size: dict[Expr, int] = {}
        for node in postorder(item.roots):
            size[node] = 1 + sum([size.get(arg, 1) for arg in node.args])
            if size[node] > _LARGEST or node.op not in _DEAR_ONES:
                continue
            used = leaves((node,))
            spaces = {item.columns[leaf.data[1]].space if leaf.op == "slot" else "t" for leaf in used}
            if not spaces <= {"u", "p"} or "u" not in spaces or len(used) > 4:
                continue
            template = canonical((node,), lambda leaf: str(leaf.data[0]))
            if "c" in template.letters:  # numbers inside: no column to compare
                continue
            columns = [item.columns[leaf.data[1]].index for leaf in template.leaves]
            use = _Use(number, node, np.stack(columns, axis=1))
            found.setdefault((template.roots[0], template.letters), []).append(use)
    return found


def _repeating(function: Function) -> list[tuple[int, Loop]]:
    """The loops, by number, that may evaluate a dear operator as often as it takes, or as another one does.

    One copy is one graph with a column for each of its leaves: it has nothing twice.
    """
    dear: list[tuple[int, Loop]] = []
    evaluations = 0
    for number, item in enumerate(function.items):
        if isinstance(item, Loop):
            many = sum(node.op in _DEAR_ONES for node in postorder(item.roots))
            if many:
                dear.append((number, item))
                evaluations += many * item.count
    if evaluations < _FEW or (len(dear) == 1 and dear[0][1].count == 1):
        return []
    return dear


class _Shared:
    """What is evaluated once, and what is to be read in its place."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.values: list[_Value] = []
        self.n_work = function.n_work
        self.places: list[dict[Expr, Array]] = [{} for _ in function.items]
        for (root, letters), uses in _uses(function).items():
            total = sum(len(use.rows) for use in uses)
            if not _FEW <= total <= _MOST:
                continue
            rows, number = distinct_rows(np.concatenate([use.rows for use in uses]))
            cost = OPERATORS[root.op].cost
            if len(rows) * (cost + _MOVED) + total * _MOVED >= total * cost:
                continue
            self.values.append(_Value(root, letters, rows, self.n_work))
            first = 0
            for use in uses:
                count = len(use.rows)
                self.places[use.item][use.node] = self.n_work + number[first : first + count]
                first += count
            self.n_work += len(rows)

    def applied(self) -> Function:
        items: list[Item] = [self._loop(values) for values in self._together()]
        for item, places in zip(self.function.items, self.places, strict=True):
            if places and isinstance(item, Loop):
                first = len(item.columns)
                read = {node: slot("w", first + k) for k, node in enumerate(places)}
                columns = item.columns + tuple(Column("w", place) for place in places.values())
                roots = substitute(item.roots, read)
                item = compact(Loop(item.name, item.count, roots, columns, item.outputs))
            items.append(item)
        return replace(self.function, items=tuple(items), n_work=self.n_work)

    def _together(self) -> list[list[_Value]]:
        """Values with the same arguments: sine and cosine of an angle belong into one loop."""
        groups: dict[tuple[tuple[str, ...], bytes], list[_Value]] = {}
        for value in self.values:
            groups.setdefault((value.letters, value.rows.tobytes()), []).append(value)
        return list(groups.values())

    def _loop(self, values: Sequence[_Value]) -> Loop:
        rows = values[0].rows
        columns = tuple(Column(letter, rows[:, k]) for k, letter in enumerate(values[0].letters))
        outputs = tuple(Output("w", value.place + np.arange(len(rows))) for value in values)
        name = f"{self.function.name}: once for all copies"
        return Loop(name, len(rows), tuple(value.root for value in values), columns, outputs)


# ---- angles ---------------------------------------------------------------------------------------
def _split(function: Function) -> Function:
    """Sines and cosines of sums of two unknowns split, where all of them together become cheaper."""
    pairs: list[Array] = []
    sums = 0
    for item in function.items:
        if isinstance(item, Loop):
            for node in [node for node in postorder(item.roots) if node.op in ("sin", "cos")]:
                if (angles := _two_angles(node)) is not None:
                    first, second = (item.columns[angle.data[1]].index for angle in angles)
                    pairs.append(np.stack((np.minimum(first, second), np.maximum(first, second)), axis=1))
                    sums += len(first)
    if not _FEW <= sums <= _MOST:
        return function
    rows = np.concatenate(pairs)
    angles_left = len(distinct(rows))
    cost = OPERATORS["sin"].cost
    before = min(sums, 2 * len(distinct_rows(rows)[0])) * cost
    after = 2 * angles_left * cost + 3 * sums
    if after > _GAIN * before:
        return function
    items = [
        replace(item, roots=transform(item.roots, _split_node)) if isinstance(item, Loop) else item
        for item in function.items
    ]
    return replace(function, items=tuple(items))


def _two_angles(node: Expr) -> tuple[Expr, Expr] | None:
    """The unknowns of ``sin(a + b)`` or ``cos(a + b)``, each with coefficient 1 or -1."""
    if node.op not in ("sin", "cos") or node.args[0].op != "+":
        return None
    constant, coefficients = node.args[0].data
    angles = node.args[0].args
    if constant or len(angles) != 2 or not set(coefficients) <= {1, -1}:
        return None
    if any(angle.op != "slot" or angle.data[0] != "u" for angle in angles):
        return None
    return angles[0], angles[1]


def _split_node(node: Expr) -> Expr:
    angles = _two_angles(node)
    if angles is None:
        return node
    (a, b), (p, q) = angles, node.args[0].data[1]
    sine = {a: apply("sin", a), b: apply("sin", b)}
    cosine = {a: apply("cos", a), b: apply("cos", b)}
    if node.op == "sin":
        return linear(((sine[a] * cosine[b], p), (cosine[a] * sine[b], q)))
    return linear(((cosine[a] * cosine[b], 1), (sine[a] * sine[b], -p * q)))
