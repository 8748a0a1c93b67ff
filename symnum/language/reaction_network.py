"""A reaction network: species, reactions and their readings. It is born as tables and never expanded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.language.block import Block, IntArray
from symnum.language.compartment import Compartment
from symnum.language.component import Component
from symnum.language.conservation import check_events, left_null_space
from symnum.language.event import Event, checked_events
from symnum.language.network_block import block_of
from symnum.language.network_contents import NetworkContents
from symnum.language.reaction_tables import RateFamily, Sides, Totals, grouped_rates
from symnum.language.reactions import RATE, Reaction
from symnum.language.system import System
from symnum.language.written_reactions import (
    amount_rate,
    latex_list,
    sides,
    text_list,
    text_of,
    written,
)
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, add

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


class ReactionNetwork(NetworkContents):
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

    @staticmethod
    def joined(name: str, networks: Sequence[ReactionNetwork]) -> ReactionNetwork:
        """All reactions of several networks; what is the same symbol in two of them is one."""
        from symnum.language.composition import joined

        return joined(name, networks)

    def copy(self, name: str, *, shared: Iterable[Expr] = (), own: Iterable[Expr] = ()) -> ReactionNetwork:
        """The same network as ``name``: species X is ``name.X`` then, and so are other variables.

        shared: species and variables that keep their name, to have them in common with other networks. own:
        parameters of which the copy gets one of its own, ``name.k``.
        """
        from symnum.language.composition import copied

        return copied(self, name, shared=shared, own=own)

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
