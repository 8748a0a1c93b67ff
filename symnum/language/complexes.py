"""The complexes of a reaction network, what links them, and the deficiency."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.block import IntArray
from symnum.language.conservation import left_null_space, rank
from symnum.language.reactions import side_text
from symnum.record import record
from symnum.rewriting.expr import Expr, rational
from symnum.rewriting.walk import leaves

if TYPE_CHECKING:
    from scipy.sparse import csc_array

    from symnum.language.reaction_network import ReactionNetwork

__all__ = ["Complexes", "complexes_of", "rate_constant"]

_SHOWN = 30


@record
class Complexes:
    """The sides of the reactions as nodes of a graph whose edges are the reactions.

    Constant and boundary species are left out: ``A >> X`` with A constant leads from the complex 0 to X.
    members[c]: (species, count) of complex c, the empty one included where there is one. reactant, product:
    (n_reactions,) the complexes that each reaction joins; where only fixed species differ both are the same.
    Feinberg, Foundations of Chemical Reaction Network Theory, Springer 2019, chapters 3, 6 and 7.
    """

    network: ReactionNetwork
    members: tuple[tuple[tuple[int, float], ...], ...]
    reactant: IntArray
    product: IntArray

    def __len__(self) -> int:
        return len(self.members)

    def text(self, c: int) -> str:
        """Complex c as ``2*A + B``, or 0."""
        species = self.network.species
        return side_text((species[i], rational(count)) for i, count in self.members[c])

    @cached_property
    def composition(self) -> csc_array:
        """(n_species, n_complexes): how often each species stands in each complex."""
        from scipy.sparse import csc_array

        entries = [(i, c, count) for c, side in enumerate(self.members) for i, count in side]
        i, c, count = zip(*entries, strict=True) if entries else ((), (), ())
        return csc_array((np.array(count, float), (i, c)), shape=(len(self.network.species), len(self)))

    @cached_property
    def incidence(self) -> csc_array:
        """(n_complexes, n_reactions): -1 at the reactant complex, +1 at the product complex."""
        from scipy.sparse import csc_array

        j = np.arange(len(self.reactant))
        ones = np.ones(len(j), np.int64)
        rows, columns = np.concatenate([self.reactant, self.product]), np.concatenate([j, j])
        return csc_array((np.concatenate([-ones, ones]), (rows, columns)), shape=(len(self), len(j)))

    @cached_property
    def linkage(self) -> IntArray:
        """(n_complexes,) the linkage class of each complex: joined by reactions in whatever direction."""
        return self._components("weak")

    @cached_property
    def strong_linkage(self) -> IntArray:
        """(n_complexes,) the strong linkage class: complexes that reach each other along reactions."""
        return self._components("strong")

    def _components(self, kind: str) -> IntArray:
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        n = len(self)
        graph = csr_array((np.ones(len(self.reactant)), (self.reactant, self.product)), shape=(n, n))
        label = np.asarray(connected_components(graph, directed=True, connection=kind)[1], np.int64)
        # numbered in the order of the first complex of each
        _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[inverse].astype(np.int64)

    @property
    def linkage_classes(self) -> tuple[tuple[int, ...], ...]:
        """The complexes of each linkage class."""
        return _members(self.linkage)

    @property
    def strong_linkage_classes(self) -> tuple[tuple[int, ...], ...]:
        """The complexes of each strong linkage class."""
        return _members(self.strong_linkage)

    @cached_property
    def is_terminal(self) -> NDArray[np.bool_]:
        """(n_complexes,) whether no reaction leaves the strong linkage class of a complex."""
        label = self.strong_linkage
        leaving = label[self.reactant] != label[self.product]
        open_classes = np.zeros(label.max() + 1, bool)
        open_classes[label[self.reactant[leaving]]] = True
        return np.asarray(~open_classes[label])

    @property
    def terminal_classes(self) -> tuple[tuple[int, ...], ...]:
        """The strong linkage classes that no reaction leaves."""
        return tuple(members for members in self.strong_linkage_classes if self.is_terminal[members[0]])

    @property
    def weakly_reversible(self) -> bool:
        """Does every linkage class consist of complexes that reach each other?"""
        return bool(self.strong_linkage.max() == self.linkage.max())

    @property
    def reversible(self) -> bool:
        """Does every reaction have its reverse?"""
        there = set(zip(self.reactant.tolist(), self.product.tolist(), strict=True))
        return all((end, begin) in there for begin, end in there)

    @cached_property
    def rank(self) -> int:
        """The dimension of the stoichiometric subspace, exact."""
        m = len(self.network.species)
        return m - len(left_null_space(self.network.change, m))

    @property
    def deficiency(self) -> int:
        """Complexes minus linkage classes minus rank: how many dependencies the graph does not show."""
        return len(self) - len(self.linkage_classes) - self.rank

    @cached_property
    def class_deficiencies(self) -> tuple[int, ...]:
        """The deficiency of each linkage class as a network of its own. Their sum is at most `deficiency`."""
        found = []
        for members in self.linkage_classes:
            first = dict(self.members[members[0]])
            differences = []
            for c in members[1:]:
                other = dict(self.members[c])
                differences.append({i: other.get(i, 0) - first.get(i, 0) for i in {*first, *other}})
            found.append(len(members) - 1 - rank(differences))
        return tuple(found)

    def __str__(self) -> str:
        kind = "weakly reversible" if self.weakly_reversible else "not weakly reversible"
        classes = f"{len(self.linkage_classes)} linkage class{'es' * (len(self.linkage_classes) > 1)}"
        lines = [
            f"{self.network.name}: {len(self)} complexes, {classes}, "
            f"rank {self.rank}, deficiency {self.deficiency}, {kind}"
        ]
        for members in self.linkage_classes[:_SHOWN]:
            shown = ", ".join(self.text(c) for c in members[:_SHOWN])
            lines.append(f"    {shown}{', ...' if len(members) > _SHOWN else ''}")
        if len(self.linkage_classes) > _SHOWN:
            lines.append(f"    ... {len(self.linkage_classes) - _SHOWN} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Complexes of {self.network.name}: {len(self)}, deficiency {self.deficiency}>"


def _members(label: IntArray) -> tuple[tuple[int, ...], ...]:
    order = np.argsort(label, kind="stable")
    return tuple(
        tuple(part.tolist()) for part in np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    )


def complexes_of(network: ReactionNetwork) -> Complexes:
    """The complexes in the order in which the reactions name them."""
    free = network.is_free
    number: dict[tuple[tuple[int, float], ...], int] = {}
    left, right = (
        _grouped(side.reaction, side.species, side.count, network.n_reactions, free)
        for side in (network.reactants, network.products)
    )
    table = np.array(
        [[number.setdefault(c, len(number)) for c in ends] for ends in zip(left, right, strict=True)]
    )
    return Complexes(network, tuple(number), table[:, 0], table[:, 1])


def _grouped(
    reaction: IntArray, species: IntArray, count: NDArray[np.float64], n: int, free: NDArray[np.bool_]
) -> list[tuple[tuple[int, float], ...]]:
    rows: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    kept = free[species]
    for j, i, c in zip(reaction[kept].tolist(), species[kept].tolist(), count[kept].tolist(), strict=True):
        rows[j].append((i, c))
    return [tuple(sorted(row)) for row in rows]


def rate_constant(network: ReactionNetwork, j: int) -> Expr:
    """The constant of reaction j in mass action of amounts: rate over the product of what reacts.

    Constant species belong to it. Raises ModelError where the rate is not mass action with a constant that
    stays the same.
    """
    constant = network.rate(j)
    for i, count in network.reactants.of_reaction(j):
        if network.is_free[i]:
            constant = constant / network.amount(i) ** rational(count)
    fixed = set(network.constant)
    for leaf in leaves((constant,)):
        if leaf.kind != "parameter" and leaf not in fixed:
            raise ModelError(
                f"{network.name}: reaction {j}, {network.text(j)}, has the rate {network.rate(j)}, which is "
                "not mass action with a constant factor; this analysis needs mass action"
            )
    return constant
