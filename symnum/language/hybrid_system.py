"""A reaction network with its fast reactions as differential equations, its slow ones as random events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.event import Event, checked_events
from symnum.language.propensities import Propensities
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.reaction_tables import Sides
from symnum.language.system import System
from symnum.rewriting.expr import Expr, Symbol, symbol

__all__ = ["HybridSystem"]


class HybridSystem:
    """What `ReactionNetwork.hybrid` returns: for `Problem`, like a `System`.

    ``fast``: (n_reactions,) the reactions that run continuously. Between events the species follow them, and
    ``hazard`` the sum of the propensities of all others; an event takes place where it reaches ``threshold``,
    an exponentially distributed number: M. H. A. Davis, "Piecewise-deterministic Markov processes",
    J. R. Stat. Soc. B 46 (1984) 353; A. Alfonsi et al., ESAIM: Proc. 14 (2005) 1.
    """

    def __init__(self, propensities: Propensities, fast: NDArray[np.bool_], events: Iterable[Event]) -> None:
        self.propensities = propensities
        self.name = propensities.original.name
        self.fast = fast
        self.events = checked_events(events, self.name)
        self.hazard: Expr = symbol(Symbol(f"{self.name}.hazard", "variable", default=0))
        self.threshold: Expr = symbol(Symbol(f"{self.name}.threshold", "parameter", default=1))
        self.jump = Event(
            when=self.hazard - self.threshold, crossing="up", then={self.hazard: 0}, name=f"{self.name}.jump"
        )

    @property
    def species(self) -> tuple[Expr, ...]:
        """The species of the network, which are numbers of molecules here."""
        return self.propensities.network.species

    def continuous(self) -> System:
        """The differential equations between two events, with the event that ends them."""
        network = self.propensities.network
        hazard, slow = len(network.species), np.flatnonzero(~self.fast)
        reactants = _of(network.reactants, self.fast)
        kept = _of(network.products, self.fast)
        products = Sides.of(
            np.concatenate([kept.reaction, slow]),
            np.concatenate([kept.species, np.full(len(slow), hazard)]),
            np.concatenate([kept.count, np.ones(len(slow))]),
        )
        extended = ReactionNetwork.from_tables(
            self.name, (*network.species, self.hazard), reactants, products, network.rates,
            network.n_reactions, constant=np.flatnonzero(network.is_constant).tolist(),
            boundary=np.flatnonzero(network.is_boundary).tolist(),
            parameters=(*network.declared, self.threshold),
            equations=network.equations, events=[self.jump, *network.events], totals=network.totals,
            starts=network.starts, names=network.reaction_names,
        )  # fmt: skip
        return extended.system(events=self.events)

    def __repr__(self) -> str:
        fast = int(self.fast.sum())
        return f"<HybridSystem {self.name}: {fast} of {len(self.fast)} reactions run continuously>"


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
        j = names.get(item) if isinstance(item, str) else item
        if isinstance(j, bool) or not isinstance(j, (int, np.integer)) or not 0 <= j < network.n_reactions:
            raise ModelError(
                f"{network.name}: fast= names {item!r}; reactions are numbered from 0 to "
                f"{network.n_reactions - 1}{' or called ' + ', '.join(list(names)[:8]) if names else ''}"
            )
        mask[j] = True
    return mask
