"""The differential equations of a reaction network as tables: a statement of a `System`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from symnum.language.block import (
    Block,
    Column,
    GridNames,
    IndexedEquation,
    IndexedSums,
    IntArray,
    Quantities,
    References,
)
from symnum.language.reaction_tables import RateFamily
from symnum.rewriting.expr import Expr, Symbol, slot, symbol
from symnum.rewriting.walk import leaves, substitute

if TYPE_CHECKING:
    from symnum.language.reaction_network import ReactionNetwork

__all__ = ["block_of"]


def block_of(network: ReactionNetwork, *, eliminate: bool = False) -> Block:
    """The equations of all rates and species; ``eliminate`` puts conservation laws in place of some."""
    return _Writer(network, eliminate).block()


class _Writer:
    """Collects quantities, families and sums.

    A species with a concentration changes by ``rate / volume``. Where the volume is a number it goes into the
    table; where it is a symbol, the quotients are families of their own, in which the volume usually cancels.
    """

    def __init__(self, network: ReactionNetwork, eliminate: bool) -> None:
        self.network, self.name = network, network.name
        self.rates = Quantities("variable", GridNames(f"{self.name}.rate", (network.n_reactions,)))
        self.species = References(network.species)
        self.quantities: dict[int, Quantities | References] = {}
        self.equations: list[IndexedEquation] = []
        self.sums: list[IndexedSums] = []
        laws = network.conserved() if eliminate else np.zeros((0, len(network.species)), np.int64)
        first = np.array([np.flatnonzero(law)[0] for law in laws], np.int64)
        held = network.is_free[first]  # a constant species is a law of its own
        self.laws, self.dependent = laws[held], first[held]
        self.volumes: list[Expr] = []
        self.volume = np.full(len(network.species), -1, np.int64)  # of a concentration, if it is a symbol
        self.size = np.ones(len(network.species))  # the volume of a concentration, if it is a number
        for i, (compartment, amount) in network.placed.items():
            volume = compartment.volume
            if amount:
                continue
            if volume.is_number:
                self.size[i] = float(volume)
                continue
            if volume not in self.volumes:
                self.volumes.append(volume)
            self.volume[i] = self.volumes.index(volume)

    def block(self) -> Block:
        network = self.network
        self.add(self.species)  # before the rates, so that a rate equal to a species goes by its name
        self.add(self.rates)
        for family in network.rates:
            columns = [Column(of, index) for of, index in family.columns]
            label = self.rate_label(family.reactions)
            self.family(family.root, columns, self.rates, family.reactions, label)
        self.balances()
        self.conservation()
        if network.declared:
            self.add(References(network.declared))
        if network.totals is not None:
            totals = References(network.totals.symbols)
            members = network.totals.members
            self.sum_rows(
                (totals, self.species), len(totals),
                [(members.reaction, len(totals) + members.species, members.count)],
                lambda r: f"{totals.symbols[r].name} is a sum of species",
            )  # fmt: skip
        return Block(tuple(self.quantities.values()), tuple(self.equations), tuple(self.sums))

    # ---- pieces -----------------------------------------------------------------------------------
    def add(self, numbered: Quantities | References) -> None:
        self.quantities[id(numbered)] = numbered

    def family(
        self, root: Expr, columns: Sequence[Column], target: Quantities, index: IntArray,
        label: Callable[[int], str],
    ) -> None:  # fmt: skip
        """``target[index] == root`` for every copy; columns that the root does not read are left out."""
        used: dict[int, int] = {}
        mapping: dict[Expr, Expr] = {}
        kept: list[Column] = []
        for leaf in leaves((root,)):
            if leaf.op == "slot":
                letter, k = leaf.data
                if k not in used:
                    used[k] = len(kept)
                    kept.append(columns[k])
                mapping[leaf] = slot(letter, used[k])
        for column in kept:
            sets = column.of if isinstance(column.of, tuple) else (column.of,)
            for numbered in sets:
                if numbered is not None:
                    self.add(numbered)
        (renumbered,) = substitute((root,), mapping)
        kept.append(Column(target, index))
        self.equations.append(IndexedEquation(slot("u", len(kept) - 1) - renumbered, tuple(kept), label))

    def sum_rows(
        self, of: tuple[Quantities | References, ...], count: int,
        entries: list[tuple[IntArray, IntArray, np.ndarray[tuple[int], np.dtype[np.float64]]]],
        label: Callable[[int], str], own: IntArray | None = None,
    ) -> None:  # fmt: skip
        """``0 == -own[r] + sum of (row, unknown, coefficient)``; own is the first ``count`` without it."""
        for numbered in of:
            self.add(numbered)
        row = np.concatenate([np.arange(count), *(entry[0] for entry in entries)])
        unknown = np.concatenate([np.arange(count) if own is None else own, *(entry[1] for entry in entries)])
        coefficient = np.concatenate([np.full(count, -1.0), *(entry[2] for entry in entries)])
        order = np.argsort(row, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=count))])
        self.sums.append(IndexedSums(of, indptr, unknown[order], coefficient[order], label))

    def rate_label(self, reactions: IntArray) -> Callable[[int], str]:
        return lambda copy: f"rate of {self.network.text(int(reactions[copy]))}"

    # ---- species ----------------------------------------------------------------------------------
    def balances(self) -> None:
        """0 == -D(x_i) + sum of the rates that change x_i, per volume where x_i is a concentration."""
        network, net = self.network, self.network.change
        free = network.is_free.copy()
        free[self.dependent] = False
        rows = np.flatnonzero(free | network.is_constant)
        row_of = np.full(len(network.species), -1, np.int64)
        row_of[rows] = np.arange(len(rows))
        kept = row_of[net.species] >= 0
        reaction, species, count = net.reaction[kept], net.species[kept], net.count[kept]
        scaled, place = self.scaled_rates(reaction, species)
        dilution, diluted = self.dilutions(np.flatnonzero(free))
        of = (self.species, self.rates, scaled, dilution)
        starts = np.concatenate([[0], np.cumsum([len(part) for part in of])])
        unknown = np.where(place >= 0, starts[2] + place, starts[1] + reaction)
        self.sum_rows(
            tuple(part for part in of if len(part)), len(rows),
            [
                (row_of[species], unknown, count / self.size[species]),
                (row_of[diluted], starts[3] + np.arange(len(diluted)), np.full(len(diluted), -1.0)),
            ],
            lambda r: f"D({network.species[int(rows[r])].name}) is the sum of the rates of its reactions",
            own=starts[-1] + rows,
        )  # fmt: skip

    def scaled_rates(self, reaction: IntArray, species: IntArray) -> tuple[Quantities, IntArray]:
        """Quotients rate / volume, one for each reaction and volume that meet; the place of each entry's."""
        volume = self.volume[species]
        inside = volume >= 0
        width = len(self.volumes) or 1
        key, where = np.unique(reaction[inside] * width + volume[inside], return_inverse=True)
        place = np.full(len(reaction), -1, np.int64)
        place[inside] = where
        scaled = Quantities("variable", GridNames(f"{self.name}.rate_per_volume", (len(key),)))
        for family in self.network.rates:
            for v, symbol_ in enumerate(self.volumes):
                wanted = np.flatnonzero(np.isin(family.reactions * width + v, key))
                if not len(wanted):
                    continue
                columns = [Column(of, index[wanted]) for of, index in family.columns]
                k = _slot_of(family, wanted, symbol_)
                if k is None:
                    k = len(columns)
                    columns.append(Column(References((symbol_,)), np.zeros(len(wanted), np.int64)))
                letter = "p" if symbol_.kind == "parameter" else "u"
                target = np.searchsorted(key, family.reactions[wanted] * width + v)
                label = self.rate_label(family.reactions[wanted])
                self.family(family.root / slot(letter, k), columns, scaled, target, label)
        return scaled, place

    def dilutions(self, rows: IntArray) -> tuple[Quantities, IntArray]:
        """``x * D(V) / V`` of the concentrations in volumes that vary, and whose they are."""
        varies = np.array([volume.kind == "variable" for volume in self.volumes] + [False])
        diluted = rows[varies[self.volume[rows]]]
        dilution = Quantities("variable", GridNames(f"{self.name}.dilution", (len(diluted),)))
        if len(diluted):
            volumes = References(tuple(self.volumes))
            where = self.volume[diluted]
            self.family(
                slot("u", 0) * slot("u", 1) / slot("u", 2),
                [Column(self.species, diluted), Column(volumes, where, True), Column(volumes, where)],
                dilution, np.arange(len(diluted)),
                lambda copy: f"dilution of {self.network.species[int(diluted[copy])].name}",
            )  # fmt: skip
        return dilution, diluted

    # ---- conservation -----------------------------------------------------------------------------
    def conservation(self) -> None:
        """0 == -total + sum(weight * amount): what the first species of each law follows from."""
        if not len(self.laws):
            return
        network, count = self.network, len(self.laws)
        quantities = [network.quantity(law) for law in self.laws]
        totals = References(
            tuple(
                symbol(Symbol(f"{self.name}.total[{r}]", "parameter", about=f"{quantity}", default=quantity))
                for r, quantity in enumerate(quantities)
            )
        )
        values = Quantities("variable", GridNames(f"{self.name}.conserved", (count,)))
        self.family(
            slot("p", 0), [Column(totals, np.arange(count))], values, np.arange(count),
            lambda r: f"{quantities[r]} does not change",
        )  # fmt: skip
        row, species = np.nonzero(self.laws != 0)
        weight = np.array([float(self.laws[r, i]) for r, i in zip(row, species, strict=True)])
        weight = weight * self.size[species]
        involved = np.unique(species[self.volume[species] >= 0])
        amounts = Quantities("variable", GridNames(f"{self.name}.amount", (len(involved),)))
        for v, volume in enumerate(self.volumes):
            here = involved[self.volume[involved] == v]
            if len(here):
                letter = "p" if volume.kind == "parameter" else "u"
                volumes = Column(References((volume,)), np.zeros(len(here), np.int64))
                self.family(
                    slot("u", 0) * slot(letter, 1), [Column(self.species, here), volumes],
                    amounts, np.searchsorted(involved, here),
                    lambda copy, here=here: f"amount of {network.species[int(here[copy])].name}",  # type: ignore[misc]
                )  # fmt: skip
        first = count, count + len(self.species)
        unknown = np.where(
            self.volume[species] >= 0, first[1] + np.searchsorted(involved, species), first[0] + species
        )
        parts = (values, self.species, amounts) if len(involved) else (values, self.species)
        self.sum_rows(parts, count, [(row, unknown, weight)], lambda r: f"{quantities[r]} does not change")


def _slot_of(family: RateFamily, rows: IntArray, leaf: Expr) -> int | None:
    """The slot that reads ``leaf`` in all these copies."""
    for k, (of, index) in enumerate(family.columns):
        if of is not None and all(of.symbols[int(i)] is leaf for i in np.unique(index[rows])):
            return k
    return None


