"""A reaction network with its fast reactions as differential equations, its slow ones as random events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.block import References
from symnum.language.event import Event, checked_events
from symnum.language.propensities import Propensities
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.reaction_tables import RateFamily, Sides
from symnum.language.system import System
from symnum.rewriting.expr import Expr, Symbol, slot, symbol

__all__ = ["HybridSystem"]


class HybridSystem:
    """What `ReactionNetwork.hybrid` returns: for `Problem`, like a `System`.

    ``fast``: (n_reactions,) the reactions that run continuously, or None where that changes in the run: then
    a reaction is continuous as long as all species that it reads or changes are many, which they are from
    ``molecules`` on until there are half as many. Between events the species follow the continuous reactions,
    and ``hazard`` the sum of the propensities of all others; an event takes place where it reaches
    ``threshold``, an exponentially distributed number: M. H. A. Davis, "Piecewise-deterministic Markov
    processes", J. R. Stat. Soc. B 46 (1984) 353; A. Alfonsi et al., ESAIM: Proc. 14 (2005) 1.
    """

    def __init__(
        self, propensities: Propensities, fast: NDArray[np.bool_] | None, molecules: float,
        events: Iterable[Event],
    ) -> None:  # fmt: skip
        self.propensities = propensities
        self.name = propensities.original.name
        if isinstance(molecules, bool) or not isinstance(molecules, (int, float)) or not molecules >= 2:
            raise ModelError(f"{self.name}: molecules={molecules!r}: give a number from 2 on")
        self.fast = fast
        self.molecules = float(molecules)
        self.events = checked_events(events, self.name)
        self.hazard: Expr = symbol(Symbol(f"{self.name}.hazard", "variable", default=0))
        self.threshold: Expr = symbol(Symbol(f"{self.name}.threshold", "parameter", default=1))
        self.jump = Event(
            when=self.hazard - self.threshold, crossing="up", then={self.hazard: 0}, name=f"{self.name}.jump"
        )
        count = range(propensities.network.n_reactions if fast is None else 0)
        # of each reaction: whether it is continuous, 1 or 0, and how often it happened as long as it is
        self.continuous = tuple(
            symbol(Symbol(f"{self.name}.continuous[{j}]", "parameter", default=0)) for j in count
        )
        self.extents = tuple(
            symbol(Symbol(f"{self.name}.extent[{j}]", "variable", default=0)) for j in count
        )
        self.bounds: tuple[Event, ...] = ()
        if fast is None:
            stays = {self.hazard: self.hazard}
            self.bounds = tuple(
                Event(when=leaf - bound, crossing=crossing, then=stays, name=f"{leaf.name} passes {bound:g}")
                for leaf in self.species
                for bound, crossing in ((molecules, "up"), (molecules / 2, "down"))
            )

    @property
    def species(self) -> tuple[Expr, ...]:
        """The species of the network, which are numbers of molecules here."""
        return self.propensities.network.species

    def between_events(self) -> System:
        """The differential equations between two events, with the events that are not the user's."""
        network = self.propensities.network
        m, hazard = network.n_reactions, len(network.species)
        rates, count = network.rates, m
        if self.fast is not None:
            slow = np.flatnonzero(~self.fast)
            reactants, kept = _of(network.reactants, self.fast), _of(network.products, self.fast)
            more = Sides(slow, np.full(len(slow), hazard), np.ones(len(slow)))
        else:
            rates, count = tuple(self._switched(network.rates)), 2 * m
            reactants, kept = network.reactants, network.products
            each = np.arange(m)
            more = Sides(
                np.concatenate([each, m + each]),
                np.concatenate([hazard + 1 + each, np.full(m, hazard)]),
                np.ones(2 * m),
            )
        products = Sides.of(
            np.concatenate([kept.reaction, more.reaction]),
            np.concatenate([kept.species, more.species]),
            np.concatenate([kept.count, more.count]),
        )
        extended = ReactionNetwork.from_tables(
            self.name, (*network.species, self.hazard, *self.extents), reactants, products, rates, count,
            constant=np.flatnonzero(network.is_constant).tolist(),
            boundary=np.flatnonzero(network.is_boundary).tolist(),
            parameters=(*network.declared, self.threshold, *self.continuous),
            equations=network.equations, events=[self.jump, *self.bounds, *network.events],
            totals=network.totals, starts=network.starts,
        )  # fmt: skip
        return extended.system(events=self.events)

    def _switched(self, families: Iterable[RateFamily]) -> Iterator[RateFamily]:
        """Each rate twice: what runs continuously, and what adds to the hazard."""
        switches = References(self.continuous)
        for family in families:
            columns = (*family.columns, (switches, family.reactions))
            switch = slot("p", len(family.columns))
            yield RateFamily(family.root * switch, columns, family.reactions)
            yield RateFamily(family.root * (1 - switch), columns, len(self.continuous) + family.reactions)

    def __repr__(self) -> str:
        if self.fast is None:
            return f"<HybridSystem {self.name}: continuous from {self.molecules:g} molecules on>"
        return f"<HybridSystem {self.name}: {self.fast.sum()} of {len(self.fast)} reactions run continuously>"


def _of(sides: Sides, chosen: NDArray[np.bool_]) -> Sides:
    inside = chosen[sides.reaction]
    return Sides(sides.reaction[inside], sides.species[inside], sides.count[inside])


def fast_reactions(network: ReactionNetwork, fast: Any) -> NDArray[np.bool_]:
    """(n_reactions,) the reactions named by number or name, or ModelError."""
    mask = np.zeros(network.n_reactions, bool)
    if isinstance(fast, (str, int)) or not isinstance(fast, Iterable):
        raise ModelError(f"{network.name}: fast={fast!r}: give a list of numbers or names of reactions")
    names = {name: j for j, name in enumerate(network.reaction_names) if name is not None}
    for item in fast:
        if isinstance(item, str) and network.reaction_names.count(item) > 1:
            raise ModelError(f"{network.name}: fast= names {item!r}, as which several reactions are known")
        j = names.get(item) if isinstance(item, str) else item
        if isinstance(j, bool) or not isinstance(j, (int, np.integer)) or not 0 <= j < network.n_reactions:
            raise ModelError(
                f"{network.name}: fast= names {item!r}; reactions are numbered from 0 to "
                f"{network.n_reactions - 1}{' or called ' + ', '.join(list(names)[:8]) if names else ''}"
            )
        mask[j] = True
    return mask
