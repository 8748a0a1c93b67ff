"""A reaction network: species, reactions and their readings. It is born as tables and never expanded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, UnknownName
from symnum.language.block import Block, IntArray
from symnum.language.compartment import Compartment, placed
from symnum.language.component import Component
from symnum.language.conservation import check_events, left_null_space
from symnum.language.event import Event, checked_events
from symnum.language.network_block import block_of
from symnum.language.reaction_tables import RateFamily, Sides, Totals, grouped_rates
from symnum.language.reactions import RATE, Reaction
from symnum.language.system import System
from symnum.language.variables import checked_name
from symnum.language.written_reactions import (
    amount_rate,
    latex_list,
    made,
    rate_from_tables,
    sides,
    text_list,
    text_of,
    written,
)
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, add
from symnum.rewriting.walk import leaves

if TYPE_CHECKING:
    import networkx
    from matplotlib.axes import Axes
    from scipy.sparse import csc_array

    from symnum.language.complexes import Complexes
    from symnum.language.deficiency import Statement
    from symnum.language.detailed_balance import DetailedBalance
    from symnum.language.hybrid_system import HybridSystem
    from symnum.language.stochastic_system import StochasticSystem

__all__ = ["ReactionNetwork"]


class ReactionNetwork:
    """Reactions among species: ordinary differential equations by `system`, random events by `jumps`.

    reactions: `Reaction` objects, or tuples of them (`Reaction.reversible`). starts: {species: amount}.
    constant: species that reactions do not change and that stay as they are (buffered). boundary: species
    that reactions do not change and that other equations determine. equations: further equations that
    define what rates read: other variables, algebraic constraints. events: as in `System`.

    compartments: where the species are, all of them but constant and boundary ones; without any, a rate is
    what the values of the species change by. A reaction whose species lie in one compartment runs there, and
    its rate is per volume of it; one between compartments has a rate in amount per time, unless ``at=`` names
    a volume. Mass action is taken of concentrations, also where the values of species are amounts; every
    other law reads the species as they are. Concentrations are diluted by a volume that grows.
    ``network.rate(j)`` and the variable ``name.rate[j]`` are amount per time.

    ``literal``: (n_reactions,) which rates were written as a whole, with ``law="rate"`` or as a rate law.

    Readers with tables use `from_tables`; no reaction is a Python object then unless it is asked for.
    """

    def __init__(
        self,
        name: str,
        reactions: Iterable[Reaction | Iterable[Reaction]],
        *,
        starts: Mapping[Expr, Any] | None = None,
        constant: Iterable[Expr] = (),
        boundary: Iterable[Expr] = (),
        compartments: Iterable[Compartment] = (),
        equations: Iterable[Equation] = (),
        events: Iterable[Event] = (),
    ) -> None:
        listed = written(name, reactions)
        self._place(name, *sides(listed), len(listed))
        self._finish(constant, boundary, compartments, starts, equations, events)
        self._listed: tuple[Reaction, ...] | None = listed
        self.literal: NDArray[np.bool_] = np.array([reaction.law == RATE for reaction in listed])
        self.reaction_names: Sequence[str | None] = tuple(reaction.name for reaction in listed)
        self._set_rates(grouped_rates((j, amount_rate(self, r)) for j, r in enumerate(listed)))
        self._given: tuple[Expr, ...] = ()
        self.totals: Totals | None = None

    @classmethod
    def from_tables(
        cls,
        name: str,
        species: Sequence[Expr],
        reactants: Sides,
        products: Sides,
        rates: Sequence[RateFamily],
        n_reactions: int,
        *,
        constant: Sequence[int] = (),
        boundary: Sequence[int] = (),
        compartments: Iterable[Compartment] = (),
        parameters: Sequence[Expr] = (),
        equations: Iterable[Equation] = (),
        events: Iterable[Event] = (),
        totals: Totals | None = None,
        starts: Mapping[Expr, Any] | None = None,
        names: Sequence[str | None] | None = None,
    ) -> ReactionNetwork:
        """A network from tables, as readers of files make it.

        species: symbols with their starts. rates: families that hold each of the ``n_reactions`` once, as
        amount per time. constant, boundary: numbers of species. parameters: those to be kept whether rates
        hold them or not. totals: named sums over species. names: of the reactions.
        """
        network = cls.__new__(cls)
        network._place(name, tuple(species), reactants, products, n_reactions)
        network._finish(
            [network.species[i] for i in constant], [network.species[i] for i in boundary], compartments,
            starts, equations, events,
        )  # fmt: skip
        network._listed = None
        network.literal = np.zeros(n_reactions, bool)
        network.reaction_names = (None,) * n_reactions if names is None else tuple(names)
        network._set_rates(rates)
        network._given = tuple(parameters)
        network.totals = totals
        return network

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

    @staticmethod
    def joined(name: str, networks: Sequence[ReactionNetwork]) -> ReactionNetwork:
        """All reactions of several networks; what is the same symbol in two of them is one."""
        from symnum.language.composition import joined

        return joined(name, networks)

    def copy(
        self, name: str, *, shared: Iterable[Expr] = (), own: Iterable[Expr] = ()
    ) -> ReactionNetwork:
        """The same network as ``name``: species X is ``name.X`` then, and so are other variables.

        shared: species and variables that keep their name, to have them in common with other networks. own:
        parameters of which the copy gets one of its own, ``name.k``.
        """
        from symnum.language.composition import copied

        return copied(self, name, shared=shared, own=own)

    # ---- what is in it ----------------------------------------------------------------------------
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

    # ---- readings ---------------------------------------------------------------------------------
    def system(
        self,
        equations: Iterable[Any] = (),
        *,
        events: Iterable[Event] = (),
        parts: Iterable[Component] = (),
        eliminate: bool = False,
    ) -> System:
        """The network as ordinary differential equations: each species changes by its reactions.

        equations: further statements, which may read the species; events and parts as in `System`. The rate
        of reaction j is the variable ``network.rate[j]``, counted from 0.
        eliminate: the first species of each conservation law follows from the law instead of an equation of
        its own, ``sol[species]`` gives it still. The totals are the parameters ``network.total[k]``, which
        take their values from the starts; an event must not set a species that a law holds.
        """
        happening = [*self.events, *checked_events(events, self.name)]
        if eliminate:
            check_events(self.name, self.conserved_quantities(), happening)
        return System(
            self.name, [self.block(eliminate=eliminate), *self.equations, *equations],
            events=happening, parts=parts, defaults=self.starts,
        )  # fmt: skip

    def jumps(
        self, *, volume: Any = None, constants: str = "macroscopic", events: Iterable[Event] = ()
    ) -> StochasticSystem:
        """The network as single random events; the species are numbers of molecules.

        volume: what concentrations are multiplied by to give counts (a number or a parameter), None where
        the species are counts. Declared starts are concentrations then; those of a `Problem` are counts.
        constants: "macroscopic" or "stochastic"; see `Propensities` for the factors.
        """
        return self._stochastic("jumps", volume, constants, events)

    def langevin(
        self, *, volume: Any = None, constants: str = "macroscopic", events: Iterable[Event] = ()
    ) -> StochasticSystem:
        """The chemical Langevin equation, the diffusion limit of `jumps` for many molecules:
        dX = sum_j nu_j (a_j dt + sqrt(a_j) dW_j). Gillespie, J. Chem. Phys. 113 (2000) 297.

        Arguments as for `jumps`. Noise vanishes with its propensity and where that is negative.
        """
        return self._stochastic("langevin", volume, constants, events)

    def hybrid(
        self,
        fast: Iterable[int | str] | None = None,
        *,
        molecules: float = 100,
        volume: Any = None,
        constants: str = "macroscopic",
        events: Iterable[Event] = (),
    ) -> HybridSystem:
        """Some reactions as differential equations, the others as random events, whose times follow exactly
        from the propensities as they change in between.

        fast: numbers (from 0) or names of the reactions that run continuously. Without it they are chosen
        anew during the run: those among species of which there are at least ``molecules`` each; a species
        counts as many until there are half as many.
        An event that needs more of a continuous species than there is does not take place. An empty list
        makes `jumps` of a network whose rates hold the time. Other arguments as for `jumps`. Solved by the
        methods for differential equations.
        """
        from symnum.language.hybrid_system import HybridSystem, fast_reactions
        from symnum.language.propensities import Propensities

        chosen = None if fast is None else fast_reactions(self, fast)
        return HybridSystem(Propensities(self, volume, constants), chosen, molecules, events)

    def _stochastic(
        self, reading: str, volume: Any, constants: str, events: Iterable[Event]
    ) -> StochasticSystem:
        from symnum.language.propensities import Propensities  # which are made of networks
        from symnum.language.stochastic_system import StochasticSystem

        return StochasticSystem(reading, Propensities(self, volume, constants), events)

    def block(self, *, eliminate: bool = False) -> Block:
        """The differential equations as tables: a statement of a `System`."""
        return block_of(self, eliminate=eliminate)

    def text(self, j: int) -> str:
        """Reaction j as ``S + E >> SE``."""
        return text_of(self, j)

    @cached_property
    def change(self) -> Sides:
        """What one turnover of each reaction adds to each species; constant and boundary ones left out."""
        net = self.products.minus(self.reactants)
        kept = self.is_free[net.species]
        return Sides(net.reaction[kept], net.species[kept], net.count[kept])

    # ---- analysis ---------------------------------------------------------------------------------
    @cached_property
    def stoichiometry(self) -> csc_array:
        """(n_species, n_reactions): what a turnover adds to each species; integers where all counts are."""
        from scipy.sparse import csc_array

        net = self.change
        whole = bool((net.count == np.round(net.count)).all())
        values = net.count.astype(np.int64) if whole else net.count
        return csc_array((values, (net.species, net.reaction)), shape=(len(self.species), self.n_reactions))

    def conserved(self) -> IntArray:
        """(n_laws, n_species) integers L with L @ stoichiometry == 0: a basis of all laws, exact.

        They weigh amounts. A constant species is a law of its own; one that other equations determine is in
        none.
        """
        laws = left_null_space(self.change, len(self.species))
        kept = ~(laws[:, self.is_boundary] != 0).any(axis=1)
        return np.asarray(laws[kept])

    def conserved_quantities(self) -> tuple[Expr, ...]:
        """The conservation laws as sums of species (times volumes, for concentrations) that do not change."""
        return tuple(self.quantity(law) for law in self.conserved())

    def quantity(self, law: Any) -> Expr:
        """The sum of amounts that the weights (n_species,) of a law stand for."""
        return add([int(law[i]) * self.amount(i) for i in np.flatnonzero(law).tolist()])

    def amount(self, i: int) -> Expr:
        """Species i as an amount: its value, or the concentration times the volume."""
        compartment, amount = self.placed.get(i, (None, True))
        leaf = self.species[i]
        return leaf if compartment is None or amount else leaf * compartment.volume

    def complexes(self) -> Complexes:
        """Complexes, linkage classes, deficiency; see `Complexes`."""
        from symnum.language.complexes import complexes_of

        return complexes_of(self)

    def statements(self) -> tuple[Statement, ...]:
        """What deficiency theory says about the steady states, whatever the rate constants."""
        from symnum.language.deficiency import statements

        return statements(self.complexes())

    def detailed_balance(self, parameters: Mapping[Expr | str, Any] | None = None) -> DetailedBalance:
        """Detailed balance at the declared or these values of parameters; see `DetailedBalance`."""
        from symnum.language.detailed_balance import detailed_balance

        return detailed_balance(self, parameters)

    def complex_balance(self, parameters: Mapping[Expr | str, Any] | None = None) -> bool:
        """Is there a positive state at which every complex is made as fast as it is used up?"""
        from symnum.language.detailed_balance import complex_balance

        return complex_balance(self, parameters)

    def graph(self) -> networkx.MultiDiGraph:
        """Species and reactions as the two kinds of nodes of a directed graph; see `reaction_graph`."""
        from symnum.language.reaction_graph import graph_of

        return graph_of(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the graph of species and reactions with matplotlib; returns the axes."""
        from symnum.language.reaction_graph import draw

        return draw(self, ax)

    # ---- looks ------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        return f"<ReactionNetwork {self.name}: {len(self.species)} species, {self.n_reactions} reactions>"

    def __str__(self) -> str:
        return text_list(self)

    def _repr_latex_(self) -> str:
        return latex_list(self)
