"""Reactions as integer tables: who reacts with whom, and families of rate laws.

Nothing here costs a Python object per reaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from symnum.language.block import FloatArray, IntArray, References
from symnum.record import record
from symnum.rewriting.expr import Expr, slot
from symnum.rewriting.shape import canonical

__all__ = ["RateFamily", "Sides", "Totals", "grouped_rates", "mass_action"]


@record
class Sides:
    """One side of every reaction: (reaction, species, count) triples, one for each species of a side.

    Sorted by reaction; a species stands once in a reaction.
    """

    reaction: IntArray
    species: IntArray
    count: FloatArray

    @classmethod
    def of(cls, reaction: IntArray, species: IntArray, count: FloatArray | None = None) -> Sides:
        """From triples in any order; those of one species in one reaction are added up, zeros left out."""
        weights = np.ones(len(reaction)) if count is None else np.asarray(count, float)
        width = int(species.max(initial=0)) + 1
        key, where = np.unique(reaction * width + species, return_inverse=True)
        total = np.bincount(where, weights, len(key))
        kept = total != 0
        return cls(key[kept] // width, key[kept] % width, total[kept])

    def minus(self, other: Sides) -> Sides:
        """The change by the reactions: ``products.minus(reactants)``."""
        return Sides.of(
            np.concatenate([self.reaction, other.reaction]),
            np.concatenate([self.species, other.species]),
            np.concatenate([self.count, -other.count]),
        )

    def select(self, reactions: IntArray) -> Sides:
        """Some reactions, renumbered 0, 1, ... in the order given."""
        begin = np.searchsorted(self.reaction, reactions)
        length = np.searchsorted(self.reaction, reactions + 1) - begin
        shift = begin - np.concatenate([[0], np.cumsum(length)[:-1]])
        rows = np.repeat(shift, length) + np.arange(length.sum())
        return Sides(np.repeat(np.arange(len(reactions)), length), self.species[rows], self.count[rows])

    def of_reaction(self, reaction: int) -> list[tuple[int, float]]:
        """(species, count) of one reaction."""
        begin, end = np.searchsorted(self.reaction, [reaction, reaction + 1])
        return list(zip(self.species[begin:end].tolist(), self.count[begin:end].tolist(), strict=True))


class Totals:
    """Named sums over species (observables): row r is ``symbols[r] == sum(count * species)``."""

    def __init__(self, symbols: Sequence[Expr], members: Sides) -> None:
        self.symbols = tuple(symbols)
        self.members = members


@record
class RateFamily:
    """Rates of one shape: ``root`` over ``slot(letter, k)``, letters u (variable), p (parameter), c (number).

    columns[k]: (symbols, index) that slot k reads in each copy, or (None, numbers). reactions: (count,) which
    reaction each copy is the rate of.
    """

    root: Expr
    columns: tuple[tuple[References | None, IntArray | FloatArray], ...]
    reactions: IntArray


def mass_action(
    reactants: Sides,
    species: References,
    constants: References,
    constant: IntArray,
    factor: FloatArray,
    which: IntArray,
) -> list[RateFamily]:
    """Families of ``factor * constant * product of species**count`` for the reactions ``which``.

    reactants: whole counts. constant: (n_reactions,) number of the rate constant in ``constants``, whose
    symbols are of one kind. factor: (n_reactions,).
    Copies are sorted by their species, so that neighbours read neighbouring places.
    """
    inside = np.zeros(int(max(reactants.reaction.max(initial=-1), which.max(initial=-1))) + 1, bool)
    inside[which] = True
    chosen = inside[reactants.reaction]
    reaction, leaf, count = reactants.reaction[chosen], reactants.species[chosen], reactants.count[chosen]
    # one number per pattern of multiplicities, with the species of a reaction in order of multiplicity
    order = np.lexsort((leaf, count, reaction))
    reaction, leaf, count = reaction[order], leaf[order], count[order]
    length = np.bincount(reaction, minlength=len(inside))[which]
    first = np.searchsorted(reaction, which)
    width = int(length.max(initial=0))
    pattern = np.zeros((len(which), width + 1))
    pattern[:, width] = factor[which] == 1.0
    for k in range(width):
        has = length > k
        pattern[has, k] = count[first[has] + k]
    kinds, kind = np.unique(pattern, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    letter = "p" if constants.kind == "parameter" else "u"
    families = []
    for number, (*counts, plain) in enumerate(kinds.tolist()):
        rows = np.flatnonzero(kind == number)
        powers = [int(c) for c in counts if c]
        keys = [leaf[first[rows] + k] for k in reversed(range(len(powers)))]
        rows = rows[np.lexsort((constant[which[rows]], *keys))]
        members = which[rows]
        root = slot(letter, 0)
        columns: list[tuple[References | None, IntArray | FloatArray]] = [(constants, constant[members])]
        for k, power in enumerate(powers):
            root = root * slot("u", len(columns)) ** power
            columns.append((species, leaf[first[rows] + k]))
        if not plain:
            root = root * slot("c", len(columns))
            columns.append((None, factor[members]))
        families.append(RateFamily(root, tuple(columns), members))
    return families


def grouped_rates(rates: Iterable[tuple[int, Expr]]) -> list[RateFamily]:
    """Families of rates that were written one by one, by shape: (number of the reaction, rate)."""
    groups: dict[tuple[Expr, tuple[str, ...]], list[tuple[int, tuple[Expr, ...]]]] = {}
    for j, rate in rates:
        template = canonical((rate,), lambda leaf: "p" if leaf.kind == "parameter" else "u")
        groups.setdefault((template.roots[0], template.letters), []).append((j, template.leaves))
    families = []
    for (root, letters), rows in groups.items():
        columns: list[tuple[References | None, IntArray | FloatArray]] = []
        for k, letter in enumerate(letters):
            found = [leaves[k] for _, leaves in rows]
            if letter == "c":
                columns.append((None, np.array([float(leaf) for leaf in found])))
            else:
                distinct = {leaf: i for i, leaf in enumerate(dict.fromkeys(found))}
                index = np.array([distinct[leaf] for leaf in found], np.int64)
                columns.append((References(tuple(distinct)), index))
        families.append(RateFamily(root, tuple(columns), np.array([j for j, _ in rows], np.int64)))
    return families
