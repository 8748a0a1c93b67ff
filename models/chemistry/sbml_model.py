"""A model that was read from an SBML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from symnum.errors import UnknownName
from symnum.language.event import Event
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.system import System
from symnum.models.chemistry.sbml_quantities import Quantity
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import TIME, Expr, number
from symnum.rewriting.walk import substitute
from symnum.solving.problem import Problem
from symnum.solving.solve import solve

__all__ = ["SBMLModel"]

_SETTLED = 1e9  # time, in the units of their laws, after which fast reactions have settled


class SBMLModel:
    """A model from an SBML file: ``model["S1"]`` is what the id means in the file, as an expression.

    network: its reactions as a `ReactionNetwork`, or None where stoichiometries vary in time, or nothing
    reacts. events: its events. Species are amounts; `amount` and `concentration` give both for any.
    Fast reactions keep their quasi-equilibrium because they are ``fast`` times as fast as their laws say, a
    parameter of the system; only `problem` starts in that equilibrium.
    """

    def __init__(
        self, name: str, quantities: dict[str, Quantity], meaning: dict[str, Expr],
        network: ReactionNetwork | None, statements: tuple[Any, ...], events: tuple[Event, ...],
        watched: tuple[Event, ...] = (), relaxation: tuple[Any, ...] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self._quantities, self._meaning = quantities, meaning
        self.network = network
        self._statements = statements
        self.events = events
        self._watched, self._relaxation = watched, relaxation

    @property
    def fast(self) -> bool:
        """Whether there are fast reactions."""
        return bool(self._relaxation)

    @property
    def statements(self) -> tuple[Any, ...]:
        """The equations beside those of the network."""
        return self._statements

    def system(self, equations: Iterable[Any] = (), *, events: Iterable[Event] = ()) -> System:
        """The model as a system of equations with its events; further equations and events come on top."""
        every = (*self.events, *self._watched, *events)
        if self.network is not None:
            return self.network.system((*self._statements, *equations), events=every)
        return System(self.name, (*self._statements, *equations), events=every)

    def problem(
        self,
        span: tuple[float, float] = (0.0, 1.0),
        *,
        start: Mapping[Any, Any] | None = None,
        parameters: Mapping[Any, Any] | None = None,
    ) -> Problem:
        """The model with numbers, as `sn.Problem` makes it; fast reactions start in equilibrium."""
        problem = Problem(self.system(), start, span, parameters)
        if not self._relaxation:
            return problem
        now = {TIME: number(span[0])}
        settling = [
            Equation(*substitute((each.lhs, each.rhs), now)) if isinstance(each, Equation) else each
            for each in self._relaxation
        ]
        fast = Problem(System(f"{self.name}.fast", settling), start, (0.0, _SETTLED), parameters)
        end = solve(fast, "Rodas5P", rtol=1e-10, atol=1e-14, saveat=[_SETTLED])
        is_state = fast.flat.mass != 0
        found = {
            name: value for name, value, keep in zip(end.states, end.y[:, -1], is_state, strict=True) if keep
        }
        return problem.with_(start=found)

    def __getitem__(self, name: str) -> Expr:
        """What an id means in formulas: the concentration of most species, the rate of a reaction."""
        if name not in self._meaning:
            raise UnknownName(f"{self.name} has no quantity with the id {name}")
        return self._meaning[name]

    def __iter__(self) -> Any:
        return iter(self._meaning)

    def __len__(self) -> int:
        return len(self._meaning)

    @property
    def species(self) -> tuple[str, ...]:
        """The ids of the species."""
        return tuple(name for name, found in self._quantities.items() if found.kind == "species")

    def amount(self, species: str) -> Expr:
        """The amount of a species."""
        found = self._species(species)
        if found.role == "assigned" and found.size is not None:
            return found.symbol * self._quantities[found.size].symbol
        return found.symbol

    def concentration(self, species: str) -> Expr:
        """The amount of a species over the size of its compartment."""
        found = self._species(species)
        if found.role == "assigned" and found.size is not None:
            return found.symbol
        return found.symbol / self._quantities[found.home].symbol

    def _species(self, name: str) -> Quantity:
        found = self._quantities.get(name)
        if found is None or found.kind != "species":
            raise UnknownName(f"{self.name} has no species with the id {name}")
        return found

    def __repr__(self) -> str:
        kinds = [found.kind for found in self._quantities.values()]
        reactions = 0 if self.network is None else self.network.n_reactions
        return (
            f"<SBMLModel {self.name}: {kinds.count('species')} species, {reactions} reactions, "
            f"{len(self.events)} events>"
        )
