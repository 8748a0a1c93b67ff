"""What a reaction network holds: species, sides, rates, compartments, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, UnknownName
from symnum.language.block import IntArray
from symnum.language.compartment import Compartment, placed
from symnum.language.event import Event, checked_events
from symnum.language.reaction_tables import RateFamily, Sides, Totals
from symnum.language.reactions import Reaction
from symnum.language.variables import checked_name
from symnum.language.written_reactions import amount_rate, made, rate_from_tables
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr
from symnum.rewriting.walk import leaves

__all__ = ["NetworkContents"]


class NetworkContents:
    """The species and reactions of a network as tables, and access to them by name and number.

    `ReactionNetwork` fills them and has the readings and the analysis.
    """

    rates: tuple[RateFamily, ...]
    reaction_names: Sequence[str | None]
    totals: Totals | None
    _given: tuple[Expr, ...]
    _listed: tuple[Reaction, ...] | None

    def _place(
        self, name: str, species: tuple[Expr, ...], reactants: Sides, products: Sides, n_reactions: int
    ) -> None:
        self.name = checked_name(name, "ReactionNetwork: ")
        self.species = species
        self.reactants, self.products = reactants, products
        self.n_reactions = n_reactions
        if not n_reactions:
            raise ModelError(f"{name}: a network needs a reaction")
        self._number = {leaf.name: i for i, leaf in enumerate(species)}
        if len(self._number) != len(species):
            twice = next(leaf for i, leaf in enumerate(species) if self._number[leaf.name] != i)
            raise ModelError(f"{name}: two species are called {twice.name}; rename one")

    def _set_rates(self, rates: Sequence[RateFamily]) -> None:
        self.rates = tuple(rates)
        times = np.bincount(
            np.concatenate([family.reactions for family in self.rates]), minlength=self.n_reactions
        )
        if len(times) != self.n_reactions or (times != 1).any():
            raise ModelError(
                f"{self.name}: every one of the {self.n_reactions} reactions needs exactly one rate"
            )

    def _finish(
        self, constant: Iterable[Expr], boundary: Iterable[Expr], compartments: Iterable[Compartment],
        starts: Mapping[Expr, Any] | None, equations: Iterable[Equation], events: Iterable[Event],
    ) -> None:  # fmt: skip
        m = len(self.species)
        self.is_constant, self.is_boundary = np.zeros(m, bool), np.zeros(m, bool)
        for kind, mask, listed in (
            ("constant=", self.is_constant, constant),
            ("boundary=", self.is_boundary, boundary),
        ):
            if isinstance(listed, Expr) or not isinstance(listed, Iterable):
                raise ModelError(f"{self.name}: {kind} is a list of species, not {listed!r}")
            for leaf in listed:
                mask[self.number(leaf, kind)] = True
        both = np.flatnonzero(self.is_constant & self.is_boundary)
        if len(both):
            twice = self.species[both[0]]
            raise ModelError(f"{self.name}: {twice} is both constant and boundary; choose one")
        for leaf in starts or {}:
            self.number(leaf, "starts=")
        self.starts: dict[Expr, Any] = dict(starts or {})
        self.equations = tuple(equations)
        self.events = checked_events(events, self.name)
        self.compartments = tuple(compartments)
        self.placed = placed(self.name, self.compartments, self.species, self.is_free)

    # ---- by name and number -----------------------------------------------------------------------
    def __getitem__(self, name: str) -> Expr:
        """A species, parameter or other variable of the network by its name."""
        if name in self._number:
            return self.species[self._number[name]]
        found = self._symbols.get(name)
        if found is None:
            raise UnknownName(f"{self.name} has no species, observable or parameter called {name}")
        return found

    @property
    def is_free(self) -> NDArray[np.bool_]:
        """(n_species,) which ones reactions change."""
        return ~(self.is_constant | self.is_boundary)

    def declare(self, parameters: Iterable[Expr]) -> None:
        """Keep these parameters whether rates hold them or not."""
        self._given = tuple(dict.fromkeys([*self._given, *parameters]))

    @property
    def declared(self) -> tuple[Expr, ...]:
        """Parameters that belong to the network whether rates hold them or not."""
        volumes = [c.volume for c in self.compartments if c.volume.kind == "parameter"]
        return tuple(dict.fromkeys([*self._given, *volumes]))

    @cached_property
    def _symbols(self) -> dict[str, Expr]:
        found = {leaf.name: leaf for leaf in self.declared}
        for family in self.rates:
            for of, _ in family.columns:
                for leaf in () if of is None else of.symbols:
                    found.setdefault(leaf.name, leaf)
        for leaf in leaves(side for equation in self.equations for side in (equation.lhs, equation.rhs)):
            if leaf.op == "symbol":
                found.setdefault(leaf.name, leaf)
        for leaf in () if self.totals is None else self.totals.symbols:
            found.setdefault(leaf.name, leaf)
        for compartment in self.compartments:
            if not compartment.volume.is_number:
                found.setdefault(compartment.volume.name, compartment.volume)
        return found

    @property
    def parameters(self) -> tuple[Expr, ...]:
        """The parameters: those of the file, and those that rates and equations hold."""
        return tuple(leaf for leaf in self._symbols.values() if leaf.kind == "parameter")

    @property
    def observables(self) -> tuple[Expr, ...]:
        """The named sums over species."""
        return () if self.totals is None else self.totals.symbols

    @property
    def constant(self) -> tuple[Expr, ...]:
        """The species that stay as they are."""
        return tuple(self.species[i] for i in np.flatnonzero(self.is_constant))

    @property
    def boundary(self) -> tuple[Expr, ...]:
        """The species that other equations determine."""
        return tuple(self.species[i] for i in np.flatnonzero(self.is_boundary))

    @property
    def reactions(self) -> Sequence[Reaction]:
        """The reactions as objects; those of a network from tables are made now."""
        return self._listed if self._listed is not None else self._from_tables

    @cached_property
    def _from_tables(self) -> tuple[Reaction, ...]:
        return tuple(made(self, j) for j in range(self.n_reactions))

    def reaction(self, j: int) -> Reaction:
        """Reaction number j, counted from 0."""
        if not 0 <= j < self.n_reactions:
            raise ModelError(f"{self.name}: reactions are numbered 0 ... {self.n_reactions - 1}, not {j}")
        return made(self, j) if self._listed is None else self._listed[j]

    def concentration(self, i: int) -> Expr:
        """What mass action reads of species i: its value, or the amount over the volume."""
        compartment, amount = self.placed.get(i, (None, False))
        leaf = self.species[i]
        return leaf / compartment.volume if compartment is not None and amount else leaf

    def rate(self, j: int) -> Expr:
        """The rate of reaction j (counted from 0) as an expression: turnovers, or amount, per time."""
        if self._listed is not None:
            return amount_rate(self, self._listed[j])  # exact; tables hold floats
        family, copy = (int(table[j]) for table in self._place_of_rate)
        return rate_from_tables(self, family, copy)

    @cached_property
    def _place_of_rate(self) -> tuple[IntArray, IntArray]:
        family, copy = np.zeros(self.n_reactions, np.int64), np.zeros(self.n_reactions, np.int64)
        for f, rates in enumerate(self.rates):
            family[rates.reactions] = f
            copy[rates.reactions] = np.arange(len(rates.reactions))
        return family, copy

    def number(self, leaf: Any, where: str = "species") -> int:
        """The number of a species, or ModelError."""
        found = self._number.get(leaf.name) if isinstance(leaf, Expr) and leaf.op == "symbol" else None
        if found is None:
            raise ModelError(f"{self.name}, {where}: {leaf} is not a species of this network")
        return found

    def __contains__(self, leaf: Any) -> bool:
        """Whether this is a species of the network."""
        return isinstance(leaf, Expr) and leaf.op == "symbol" and leaf.name in self._number

    def amount(self, i: int) -> Expr:
        """Species i as an amount: its value, or the concentration times the volume."""
        compartment, amount = self.placed.get(i, (None, True))
        leaf = self.species[i]
        return leaf if compartment is None or amount else leaf * compartment.volume
