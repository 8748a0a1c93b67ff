"""A flattened system before any structural pass: names, families, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnum.language.event import Event
from symnum.language.hosted import HostedComponent
from symnum.lowering.families import Family, IntArray
from symnum.lowering.names import Names
from symnum.record import record


class Texts(Sequence[str]):
    """``text(row)`` of some rows, made when asked for: of many thousands hardly any is ever shown."""

    def __init__(self, text: Callable[[int], str], rows: IntArray) -> None:
        self._text, self._rows = text, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return Texts(self._text, self._rows[i])
        return self._text(int(self._rows[i]))

    def select(self, rows: IntArray) -> Texts:
        """The texts of these rows."""
        return Texts(self._text, self._rows[rows])

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """Texts that are there, or are made already."""
        return texts if isinstance(texts, Texts) else cls(texts.__getitem__, np.arange(len(texts)))


@record
class Sums:
    """Rows ``0 == sum(coefficient * unknown)``: Kirchhoff's law at every node of a connection.

    written_out: the rows that give an unknown explicitly whatever reads it, a bool each; None for none.
    """

    indptr: IntArray
    unknown: IntArray
    coefficient: np.ndarray[Any, np.dtype[np.float64]]
    labels: Sequence[str]
    written_out: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    @property
    def count(self) -> int:
        return len(self.indptr) - 1

    def row(self, r: int) -> slice:
        return slice(int(self.indptr[r]), int(self.indptr[r + 1]))

    def select(self, rows: IntArray) -> Sums:
        """These rows only."""
        length = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        entry = np.repeat(self.indptr[rows] - indptr[:-1], length) + np.arange(int(indptr[-1]))
        marked = None if self.written_out is None else self.written_out[rows]
        labels = Texts.of(self.labels).select(rows)
        return Sums(indptr, self.unknown[entry], self.coefficient[entry], labels, marked)


@record
class LimitFamily:
    """Limits of one template: ``distance`` is positive outside; ``side`` is +1 for high, -1 for low."""

    distance: Family
    state: IntArray
    side: int


class RawSystem:
    """A flattened system before any structural pass."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.unknowns, self.parameters = Names("unknowns"), Names("parameters")
        self.families: list[Family] = []
        self.equalities: IntArray = np.zeros((0, 2), np.int64)  # pairs of equal unknowns
        self.sums = Sums(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0), ())
        self.limits: list[LimitFamily] = []
        self.events: list[Event] = []
        self.hosted: list[HostedComponent] = []  # parts that other code computes

    def number_name(self, number: int) -> str:
        """The name of an unknown or of a derivative, by the numbers of `families`."""
        n = len(self.unknowns)
        return self.unknowns[number].name if number < n else f"D({self.unknowns[number - n].name})"
