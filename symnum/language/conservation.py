"""Conservation laws: the integer left null space of a stoichiometric matrix, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from symnum.errors import ModelError
from symnum.language.block import IntArray
from symnum.language.event import Event
from symnum.language.reaction_tables import Sides
from symnum.rewriting.expr import Expr
from symnum.rewriting.walk import leaves

__all__ = ["check_events", "left_null_space", "null_space", "rank"]

_Row = dict[int, Fraction | int]
_DENOMINATOR = 10_000  # larger ones are no fractions that somebody writes
_ROUND = 256  # reactions that are taken into account at a time


def left_null_space(change: Sides, n_species: int) -> IntArray:
    """(n_laws, n_species) integers, a basis of {l: l . change_j = 0 for every reaction j}.

    The change vectors are reduced by Gauss and Jordan in exact arithmetic, pivots at the last species that a
    vector holds, so that laws are written in the species that stand first (usually the free molecules).
    A large network repeats few independent vectors: a sample is reduced, and only reactions that violate a
    law of the sample join it.
    """
    vectors = _distinct(change)
    pivots: dict[int, _Row] = {}
    waiting = _sample(vectors)
    laws = _laws(pivots, n_species)
    while waiting:
        for vector in waiting:
            _reduce_into(pivots, dict(vector))
        laws = _laws(pivots, n_species)
        waiting = _violating(laws, vectors)
    return _integers(laws, n_species)


def check_events(name: str, laws: Iterable[Expr], events: Iterable[Event]) -> None:
    """ModelError where an event sets what one of these conservation laws holds."""
    held = set(leaves(laws))
    for event in events:
        for target in event.then:
            if target in held:
                raise ModelError(
                    f"{name}: {event} sets {target}, which is part of a conservation law; "
                    "write system() without eliminate=True"
                )


def rank(vectors: Iterable[Mapping[int, float]]) -> int:
    """The rank of {place: value} vectors, exact."""
    pivots: dict[int, _Row] = {}
    for vector in vectors:
        _reduce_into(pivots, {i: _exact(float(c)) for i, c in vector.items() if c})
    return len(pivots)


def null_space(matrix: Sides, n_columns: int) -> IntArray:
    """(n_vectors, n_columns) integers, a basis of {v: matrix @ v = 0}; its columns are ``reaction``."""
    return left_null_space(Sides.of(matrix.species, matrix.reaction, matrix.count), n_columns)


def _distinct(change: Sides) -> list[tuple[tuple[int, Fraction | int], ...]]:
    """The different change vectors, exact."""
    bounds = np.flatnonzero(np.diff(change.reaction)) + 1
    found: dict[tuple[tuple[int, float], ...], None] = {}
    species, counts = change.species.tolist(), change.count.tolist()
    begin = 0
    for end in [*bounds.tolist(), len(species)]:
        if end > begin:
            found[tuple(zip(species[begin:end], counts[begin:end], strict=True))] = None
        begin = end
    return [tuple((i, _exact(c)) for i, c in vector) for vector in found]


def _exact(value: float) -> Fraction | int:
    """The fraction that a count was written as: 1/3 is the third and not its first sixteen digits."""
    if value.is_integer():
        return int(value)
    short = Fraction(value).limit_denominator(_DENOMINATOR)
    return short if float(short) == value else Fraction(repr(value))


def _sample(
    vectors: list[tuple[tuple[int, Fraction | int], ...]],
) -> list[tuple[tuple[int, Fraction | int], ...]]:
    """The first vector of each last species: independent of each other."""
    by_last: dict[int, tuple[tuple[int, Fraction | int], ...]] = {}
    for vector in vectors:
        by_last.setdefault(vector[-1][0], vector)
    return list(by_last.values())


def _reduce_into(pivots: dict[int, _Row], row: _Row) -> None:
    """Subtract what is known; what is left becomes the pivot row of its last species (coefficient 1)."""
    while row:
        last = max(row)
        pivot = pivots.get(last)
        if pivot is None:
            scale = row[last]
            pivots[last] = {k: _whole(Fraction(c) / scale) for k, c in row.items()}
            return
        _subtract(row, pivot, row[last])


def _subtract(row: _Row, pivot: _Row, factor: Fraction | int) -> None:
    for k, c in pivot.items():
        value = row.get(k, 0) - factor * c
        if value:
            row[k] = _whole(value)
        else:
            row.pop(k, None)


def _whole(value: Fraction | int) -> Fraction | int:
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def _laws(pivots: dict[int, _Row], n_species: int) -> list[_Row]:
    """For each species without pivot the law in which it has coefficient 1, by substitution upwards.

    Pivot row p says x_p = -(sum of c_k x_k over k < p); the weight of species p in a law follows.
    """
    weights: list[_Row] = []  # of each species: {law: coefficient}
    count = 0
    for i in range(n_species):
        pivot = pivots.get(i)
        if pivot is None:
            weights.append({count: 1})
            count += 1
            continue
        mine: _Row = {}
        for k, c in pivot.items():
            if k != i:
                _subtract(mine, weights[k], c)
        weights.append(mine)
    laws: list[_Row] = [{} for _ in range(count)]
    for i, mine in enumerate(weights):
        for law, weight in mine.items():
            laws[law][i] = weight
    return laws


def _violating(
    laws: list[_Row], vectors: list[tuple[tuple[int, Fraction | int], ...]]
) -> list[tuple[tuple[int, Fraction | int], ...]]:
    """Some vectors that change what the laws say is conserved."""
    by_species: dict[int, list[tuple[int, Fraction | int]]] = {}
    for number, law in enumerate(laws):
        for i, weight in law.items():
            by_species.setdefault(i, []).append((number, weight))
    found = []
    for vector in vectors:
        total: _Row = {}
        for i, c in vector:
            for number, weight in by_species.get(i, ()):
                total[number] = total.get(number, 0) + c * weight
        if any(total.values()):
            found.append(vector)
            if len(found) == _ROUND:
                break
    return found


def _integers(laws: list[_Row], n_species: int) -> IntArray:
    rows = []
    for law in laws:
        scale = lcm(*(Fraction(w).denominator for w in law.values()))
        whole = {i: int(w * scale) for i, w in law.items()}
        divisor = gcd(*whole.values())
        row = np.zeros(n_species, object)
        for i, w in whole.items():
            row[i] = w // divisor
        rows.append(row)
    table = np.array(rows, object).reshape(len(rows), n_species)
    largest = max((abs(int(w)) for w in table.flat), default=0)
    return table.astype(np.int64) if largest < 2**62 else table
