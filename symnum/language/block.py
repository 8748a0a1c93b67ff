"""Equations that are born as families: reaction networks and discretized fields write them as tables.

A `Block` stands among the statements of a `System`. Nothing in it is ever expanded into scalar expressions:
its equations are templates over numbered slots with one integer column per slot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.record import record
from symnum.rewriting.expr import Expr

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]


class GridNames(Sequence[str]):
    """The names ``u[0,0]``, ``u[0,1]``, … of the points of a grid, made when asked for."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        rest, index = int(i) % len(self), list[str]()
        for size in reversed(self.shape):
            rest, k = divmod(rest, size)
            index.append(str(k))
        return f"{self.name}[{','.join(reversed(index))}]"

    def find(self, name: str) -> int | None:
        """The number of a name, or None."""
        head, bracket, tail = name.partition("[")
        if head != self.name or not bracket or not tail.endswith("]"):
            return None
        parts = tail[:-1].split(",")
        if len(parts) != len(self.shape) or not all(part.strip().isdigit() for part in parts):
            return None
        number = 0
        for part, size in zip(parts, self.shape, strict=True):
            k = int(part)
            if k >= size:
                return None
            number = number * size + k
        return number


@record
class Quantities:
    """A numbered set of unknowns (kind "variable") or parameters of a block.

    values: (count,) starts or parameter values, NaN where there is none; None for none at all.
    axes: name and points of each coordinate of a grid, whose names are `GridNames`.
    """

    kind: str
    names: Sequence[str]
    values: FloatArray | None = None
    unit: str | None = None
    axes: tuple[tuple[str, FloatArray], ...] = ()

    def __len__(self) -> int:
        return len(self.names)


@record
class References:
    """Symbols of one kind that have a declaration of their own: what a block shares with other equations."""

    symbols: tuple[Expr, ...]

    @property
    def kind(self) -> str:
        return self.symbols[0].kind if self.symbols else "variable"

    def __len__(self) -> int:
        return len(self.symbols)


Numbered: TypeAlias = Quantities | References


@record
class Column:
    """What one slot reads in each copy: ``index`` into ``of`` (of None: the numbers themselves).

    Several sets are counted through one after the other.
    """

    of: Numbered | tuple[Numbered, ...] | None
    index: IntArray | FloatArray
    derivative: bool = False


@record
class IndexedEquation:
    """``0 == root`` for every copy; ``slot(letter, k)`` reads ``columns[k]``, letters u, p, c.

    ``label(copy)`` is the equation in the user's words.
    """

    root: Expr
    columns: tuple[Column, ...]
    label: Callable[[int], str]


@record
class IndexedSums:
    """Rows ``0 == sum(coefficient * unknown)`` of any length, in compressed-row form.

    ``unknown`` counts through ``of`` one after the other; with m of them, m + i is the derivative of i.
    written_out: every row gives an unknown explicitly, though much may read it: what reads it then depends
    on all terms of the row. Otherwise such an unknown stays one of the system, for a sparser Jacobian.
    """

    of: tuple[Numbered, ...]
    indptr: IntArray
    unknown: IntArray
    coefficient: FloatArray
    label: Callable[[int], str]
    written_out: bool = False


@record
class Block:
    """Quantities with the equations among them. Equations may read what other statements declare, too."""

    quantities: tuple[Numbered, ...]
    equations: tuple[IndexedEquation, ...]
    sums: tuple[IndexedSums, ...] = ()

    def __len__(self) -> int:
        """The number of equations."""
        copies = sum(max((len(c.index) for c in each.columns), default=1) for each in self.equations)
        return copies + sum(len(rows.indptr) - 1 for rows in self.sums)

    def symbols(self) -> Iterator[Expr]:
        """The symbols that the block refers to."""
        for numbered in self.quantities:
            if isinstance(numbered, References):
                yield from numbered.symbols
