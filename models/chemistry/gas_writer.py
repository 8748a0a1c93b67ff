"""Writing the equations of a gas as families."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from symnum.language.block import Column, IndexedEquation, IndexedSums, Numbered, Quantities, References
from symnum.models.chemistry.gas_reaction import GasReaction, GasSpecies
from symnum.rewriting.expr import Expr, slot

__all__ = ["Columns", "GasWriter", "table"]

Columns: TypeAlias = list[tuple[Numbered | None, Any]]
"""What slots read in each copy: (quantities, numbers), or (None, the values themselves)."""


class GasWriter:
    """Collects equations. ``T``, ``P``, ``density``: variables or parameters; ``Y``, ``moles``: variables."""

    def __init__(
        self, species: Sequence[GasSpecies], reactions: Sequence[GasReaction],
        T: Expr, P: Expr, density: Expr, moles: Expr, Y: Sequence[Expr],
    ) -> None:  # fmt: skip
        self.species, self.reactions = species, reactions
        self.number = {entry.name: i for i, entry in enumerate(species)}
        self.weight = np.array([entry.weight for entry in species])
        self.T, self.density, self.moles = References((T,)), References((density,)), References((moles,))
        self.P = References((P,))
        self.Y = References(tuple(Y))
        names = [entry.name for entry in species]
        self.cp, self.h, self.mu, self.wdot, self.heat, self.capacity = (
            Quantities("variable", [f"{what}[{name}]" for name in names])
            for what in ("cp_R", "h_RT", "mu", "wdot", "heat", "capacity")
        )
        self.heat_sum, self.capacity_sum = (
            Quantities("variable", [f"{what}_sum"]) for what in ("heat", "capacity")
        )
        self.equations: list[IndexedEquation] = []
        self.sums: list[IndexedSums] = []
        self.numbered: list[Numbered] = [self.T, self.P, self.density, self.moles, self.Y]

    # ---- writing equations ------------------------------------------------------------------------
    def add(self, *quantities: Quantities) -> None:
        self.numbered += [entry for entry in quantities if len(entry)]

    def equation(
        self, target: tuple[Numbered, Any], root: Any, columns: Sequence[tuple[Numbered | None, Any]],
        label: Sequence[str],
    ) -> None:  # fmt: skip
        """``target == root`` in every copy, root over ``s(columns)``; a column's index may be one number."""
        count = len(target[1])
        read = [
            Column(of, np.broadcast_to(np.asarray(index, float if of is None else np.int64), (count,)))
            for of, index in (*columns, target)
        ]
        self.equations.append(
            IndexedEquation(slot("u", len(columns)) - root, tuple(read), lambda copy: label[copy])
        )

    @staticmethod
    def slots(columns: Sequence[tuple[Numbered | None, Any]]) -> list[Expr]:
        """The slots that a root reads these columns by."""
        letters = ["c" if of is None else "p" if of.kind == "parameter" else "u" for of, _ in columns]
        return [slot(letter, k) for k, letter in enumerate(letters)]

    def change(self, reaction: GasReaction) -> list[tuple[int, float]]:
        """(species, products minus reactants)."""
        net: dict[int, float] = {}
        for sign, side in ((-1.0, reaction.reactants), (1.0, reaction.products)):
            for name, count in side.items():
                net[self.number[name]] = net.get(self.number[name], 0.0) + sign * count
        return [(i, value) for i, value in net.items() if value]


def table(
    of: tuple[Numbered, ...], rows: Sequence[Sequence[tuple[int, float]]], label: Callable[[int], str]
) -> IndexedSums:
    """Sums from (unknown, coefficient) pairs of each row."""
    return IndexedSums(
        of, np.cumsum([0, *(len(row) for row in rows)]),
        np.array([unknown for row in rows for unknown, _ in row]),
        np.array([value for row in rows for _, value in row]), label,
    )  # fmt: skip
