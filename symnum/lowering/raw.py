"""A flattened system before any structural pass: names, families, tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnum.language.event import Event
from symnum.lowering.families import Family, IntArray
from symnum.lowering.names import Names
from symnum.record import record


@record
class Sums:
    """Rows ``0 == sum(coefficient * unknown)``: Kirchhoff's law at every node of a connection.

    written_out: the rows that give an unknown explicitly whatever reads it, a bool each; None for none.
    """

    indptr: IntArray
    unknown: IntArray
    coefficient: np.ndarray[Any, np.dtype[np.float64]]
    labels: tuple[str, ...]
    written_out: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    @property
    def count(self) -> int:
        return len(self.indptr) - 1

    def row(self, r: int) -> slice:
        return slice(int(self.indptr[r]), int(self.indptr[r + 1]))


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

    def number_name(self, number: int) -> str:
        """The name of an unknown or of a derivative, by the numbers of `families`."""
        n = len(self.unknowns)
        return self.unknowns[number].name if number < n else f"D({self.unknowns[number - n].name})"
