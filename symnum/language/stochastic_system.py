"""A reaction network read as a random process: single events, or their diffusion limit."""

from __future__ import annotations

from collections.abc import Iterable

from symnum.language.event import Event, checked_events
from symnum.language.propensities import Propensities
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.system import System

__all__ = ["StochasticSystem"]


class StochasticSystem:
    """What `ReactionNetwork.jumps` and `ReactionNetwork.langevin` return: for `Problem`, like a `System`.

    reading: "jumps" or "langevin". propensities: the rates per time of every reaction over counts.
    """

    def __init__(self, reading: str, propensities: Propensities, events: Iterable[Event]) -> None:
        self.reading = reading
        self.propensities = propensities
        self.name = propensities.original.name
        self.events = checked_events(events, self.name)

    @property
    def network(self) -> ReactionNetwork:
        """The network whose rates are the propensities."""
        return self.propensities.network

    def drift(self) -> System:
        """The mean change per time as ordinary differential equations of counts.

        Their solution is the mean of the process only where all propensities are linear.
        """
        return self.network.system(events=self.events)

    def __repr__(self) -> str:
        species, reactions = len(self.network.species), self.network.n_reactions
        return f"<StochasticSystem {self.name}: {self.reading}, {species} species, {reactions} reactions>"
