"""A reaction network: species, reactions and their readings. It is born as tables and never expanded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.errors import ModelError, UnknownName
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
from symnum.language.component import Component
from symnum.language.conservation import left_null_space
from symnum.language.event import Event
from symnum.language.reaction_tables import RateFamily, Sides, grouped_rates
from symnum.language.reactions import RATE, Reaction, reaction_latex, side_text
from symnum.language.system import System
from symnum.language.variables import checked_name
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, linear, number, rational, slot
from symnum.rewriting.walk import leaves, substitute

if TYPE_CHECKING:
    import networkx
    from scipy.sparse import csc_array

__all__ = ["ReactionNetwork", "Totals"]

_SHOWN = 40  # reactions that a network prints


class Totals:
    """Named sums over species (observables): row r is ``symbols[r] == sum(count * species)``."""

    def __init__(self, symbols: Sequence[Expr], members: Sides) -> None:
        self.symbols = tuple(symbols)
        self.members = members


class ReactionNetwork:
    """Reactions among species, read as ordinary differential equations by `system`.

    reactions: `Reaction` objects, or tuples of them (`Reaction.reversible`). starts: {species: amount}.
    constant: species that reactions do not change (buffered, boundary). equations: further equations that
    define what rates read: other variables, algebraic constraints.
    Readers with tables use `from_tables`; no reaction is a Python object then unless it is asked for.
    """

    def __init__(
        self,
        name: str,
        reactions: Iterable[Reaction | Iterable[Reaction]],
        *,
        starts: Mapping[Expr, Any] | None = None,
        constant: Iterable[Expr] = (),
        equations: Iterable[Equation] = (),
    ) -> None:
        listed = tuple(_flattened(name, reactions))
        order: dict[Expr, int] = {}
        for reaction in listed:
            for leaf, _ in (*reaction.reactants, *reaction.products):
                order.setdefault(leaf, len(order))
            for leaf in leaves((reaction.rate,)):
                if leaf.op == "D":
                    raise ModelError(
                        f"{name}: the rate of {reaction} holds {leaf}; name that derivative in equations="
                    )
        self._place(
            name, tuple(order), _sides(listed, order, "reactants"), _sides(listed, order, "products"),
            grouped_rates((j, reaction.rate) for j, reaction in enumerate(listed)), len(listed),
        )  # fmt: skip
        self._listed: tuple[Reaction, ...] | None = listed
        self._declared: tuple[Expr, ...] = ()
        self._constant = np.zeros(len(order), bool)
        for leaf in constant:
            self._constant[self._index(leaf, "constant=")] = True
        for leaf in starts or {}:
            self._index(leaf, "starts=")
        self.starts: dict[Expr, Any] = dict(starts or {})
        self.equations = tuple(equations)
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
        parameters: Sequence[Expr] = (),
        equations: Iterable[Equation] = (),
        totals: Totals | None = None,
    ) -> ReactionNetwork:
        """A network from tables, as readers of files make it.

        species: symbols with their starts. rates: families that hold each of the ``n_reactions`` once.
        constant: numbers of species that no reaction changes. parameters: those to be kept whether rates
        hold them or not. totals: named sums over species.
        """
        network = cls.__new__(cls)
        network._place(name, tuple(species), reactants, products, rates, n_reactions)
        network._listed = None
        network._constant = np.zeros(len(species), bool)
        network._constant[list(constant)] = True
        network.starts = {}
        network._declared = tuple(parameters)
        network.equations = tuple(equations)
        network.totals = totals
        return network

    def _place(
        self, name: str, species: tuple[Expr, ...], reactants: Sides, products: Sides,
        rates: Sequence[RateFamily], n_reactions: int,
    ) -> None:  # fmt: skip
        self.name = checked_name(name, "ReactionNetwork: ")
        self.species = species
        self.reactants, self.products = reactants, products
        self.rates = tuple(rates)
        self.n_reactions = n_reactions
        if not n_reactions:
            raise ModelError(f"{name}: a network needs a reaction")
        times = np.bincount(
            np.concatenate([family.reactions for family in self.rates]), minlength=n_reactions
        )
        if len(times) != n_reactions or (times != 1).any():
            raise ModelError(f"{name}: every one of the {n_reactions} reactions needs exactly one rate")
        self._number = {leaf.name: i for i, leaf in enumerate(species)}
        if len(self._number) != len(species):
            twice = next(leaf for i, leaf in enumerate(species) if self._number[leaf.name] != i)
            raise ModelError(f"{name}: two species are called {twice.name}; rename one")

    # ---- what is in it ----------------------------------------------------------------------------
    def __getitem__(self, name: str) -> Expr:
        """A species, parameter or other variable of the network by its name."""
        if name in self._number:
            return self.species[self._number[name]]
        found = self._symbols.get(name)
        if found is None:
            raise UnknownName(f"{self.name} has no species, observable or parameter called {name}")
        return found

    @cached_property
    def _symbols(self) -> dict[str, Expr]:
        found = {leaf.name: leaf for leaf in self._declared}
        for family in self.rates:
            for of, _ in family.columns:
                for leaf in () if of is None else of.symbols:
                    found.setdefault(leaf.name, leaf)
        for leaf in leaves(side for equation in self.equations for side in (equation.lhs, equation.rhs)):
            if leaf.op == "symbol":
                found.setdefault(leaf.name, leaf)
        for leaf in () if self.totals is None else self.totals.symbols:
            found.setdefault(leaf.name, leaf)
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
        """The species that no reaction changes."""
        return tuple(self.species[i] for i in np.flatnonzero(self._constant))

    @property
    def reactions(self) -> Sequence[Reaction]:
        """The reactions as objects; those of a network from tables are made now."""
        if self._listed is None:
            self._listed = tuple(self._made(j) for j in range(self.n_reactions))
        return self._listed

    def reaction(self, j: int) -> Reaction:
        """Reaction number j, counted from 0."""
        if not 0 <= j < self.n_reactions:
            raise ModelError(f"{self.name}: reactions are numbered 0 ... {self.n_reactions - 1}, not {j}")
        return self._made(j) if self._listed is None else self._listed[j]

    def _made(self, j: int) -> Reaction:
        sides = [
            [rational(count) * self.species[i] for i, count in side.of_reaction(j)]
            for side in (self.reactants, self.products)
        ]
        rate = self.rate(j)
        powers = [self.species[i] ** rational(count) for i, count in self.reactants.of_reaction(j)]
        constant = rate
        for power in powers:
            constant = constant / power
        if any(leaf in self._species_set for leaf in leaves((constant,))):
            return Reaction(rate, *sides, law=RATE)
        return Reaction(constant, *sides)

    @cached_property
    def _species_set(self) -> frozenset[Expr]:
        return frozenset(self.species)

    @cached_property
    def _place_of_rate(self) -> tuple[IntArray, IntArray]:
        family, copy = np.zeros(self.n_reactions, np.int64), np.zeros(self.n_reactions, np.int64)
        for f, rates in enumerate(self.rates):
            family[rates.reactions] = f
            copy[rates.reactions] = np.arange(len(rates.reactions))
        return family, copy

    def rate(self, j: int) -> Expr:
        """The rate of reaction j (counted from 0) as an expression."""
        family, copy = (table[j] for table in self._place_of_rate)
        rates = self.rates[family]
        mapping = {}
        for leaf in leaves((rates.root,)):
            if leaf.op == "slot":
                of, index = rates.columns[leaf.data[1]]
                value = index[copy]
                mapping[leaf] = number(float(value)) if of is None else of.symbols[int(value)]
        (found,) = substitute((rates.root,), mapping)
        return found

    def _index(self, leaf: Any, where: str) -> int:
        found = self._number.get(leaf.name) if isinstance(leaf, Expr) and leaf.op == "symbol" else None
        if found is None:
            raise ModelError(f"{self.name}, {where}: {leaf} is not a species of this network")
        return found

    # ---- readings ---------------------------------------------------------------------------------
    def system(
        self,
        equations: Iterable[Any] = (),
        *,
        events: Iterable[Event] = (),
        parts: Iterable[Component] = (),
    ) -> System:
        """The network as ordinary differential equations: each species changes by its reactions.

        equations: further statements, which may read the species; events and parts as in `System`. The rate
        of reaction j is the variable ``network.rate[j]``, counted from 0.
        """
        return System(
            self.name, [self.block(), *self.equations, *equations],
            events=events, parts=parts, defaults=self.starts,
        )  # fmt: skip

    def block(self) -> Block:
        """The differential equations as tables: a statement of a `System`."""
        rates = Quantities("variable", GridNames(f"{self.name}.rate", (self.n_reactions,)))
        species = References(self.species)
        numbered: dict[int, Quantities | References] = {id(rates): rates, id(species): species}
        equations = []
        for family in self.rates:
            for of, _ in family.columns:
                if of is not None:
                    numbered[id(of)] = of
            columns = (*(Column(of, index) for of, index in family.columns), Column(rates, family.reactions))
            root = slot("u", len(family.columns)) - family.root
            equations.append(IndexedEquation(root, columns, self._rate_label(family)))
        if self._declared:
            declared = References(self._declared)
            numbered[id(declared)] = declared
        sums = [self._balances(species, rates)]
        if self.totals is not None:
            totals = References(self.totals.symbols)
            numbered[id(totals)] = totals
            sums.append(_total_sums(self.totals, totals, species))
        return Block(tuple(numbered.values()), tuple(equations), tuple(sums))

    def _rate_label(self, family: RateFamily) -> Callable[[int], str]:
        return lambda copy: f"rate of {self._text(int(family.reactions[copy]))}"

    def _text(self, j: int) -> str:
        left, right = (
            side_text((self.species[i], rational(count)) for i, count in side.of_reaction(j))
            for side in (self.reactants, self.products)
        )
        return f"{left} >> {right}"

    @cached_property
    def change(self) -> Sides:
        """What one turnover of each reaction adds to each species; constant species are left out."""
        net = self.products.minus(self.reactants)
        kept = ~self._constant[net.species]
        return Sides(net.reaction[kept], net.species[kept], net.count[kept])

    def _balances(self, species: References, rates: Quantities) -> IndexedSums:
        """0 == -D(x_i) + sum of the rates that change x_i."""
        m, net = len(species), self.change
        derivatives = m + len(rates) + np.arange(m)
        row = np.concatenate([np.arange(m), net.species])
        unknown = np.concatenate([derivatives, m + net.reaction])
        coefficient = np.concatenate([np.full(m, -1.0), net.count])
        order = np.argsort(row, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=m))])
        return IndexedSums(
            (species, rates), indptr, unknown[order], coefficient[order],
            lambda i: f"D({self.species[i].name}) is the sum of the rates of its reactions",
        )  # fmt: skip

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

        A constant species is a law of its own.
        """
        return left_null_space(self.change, len(self.species))

    def conserved_quantities(self) -> tuple[Expr, ...]:
        """The conservation laws as sums of species that do not change."""
        return tuple(
            linear((self.species[i], int(law[i])) for i in np.flatnonzero(law)) for law in self.conserved()
        )

    def graph(self) -> networkx.MultiDiGraph:
        """Species and reactions as the two kinds of nodes of a directed graph.

        Nodes: species by name (kind="species") and reactions by number (kind="reaction", label, constant
        and rate as text). Edges carry the multiplicity as ``count``.
        """
        import networkx

        graph = networkx.MultiDiGraph(name=self.name)
        for leaf in self.species:
            graph.add_node(leaf.name, kind="species")
        for j in range(self.n_reactions):
            graph.add_node(j, kind="reaction", label=self._text(j), rate=str(self.rate(j)))
            for i, count in self.reactants.of_reaction(j):
                graph.add_edge(self.species[i].name, j, count=count)
            for i, count in self.products.of_reaction(j):
                graph.add_edge(j, self.species[i].name, count=count)
        return graph

    # ---- looks ------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        return f"<ReactionNetwork {self.name}: {len(self.species)} species, {self.n_reactions} reactions>"

    def __str__(self) -> str:
        lines = [f"{self.name}: {len(self.species)} species, {self.n_reactions} reactions"]
        lines += [f"    {self.reaction(j)}" for j in range(min(self.n_reactions, _SHOWN))]
        if self.n_reactions > _SHOWN:
            lines.append(f"    ... {self.n_reactions - _SHOWN} more")
        return "\n".join(lines)

    def _repr_latex_(self) -> str:
        lines = [reaction_latex(self.reaction(j)) for j in range(min(self.n_reactions, _SHOWN))]
        if self.n_reactions > _SHOWN:
            lines.append(r"\vdots")
        return r"$$\begin{gathered}" + r" \\ ".join(lines) + r"\end{gathered}$$"


def _flattened(name: str, reactions: Any) -> Iterator[Reaction]:
    if isinstance(reactions, Reaction) or not isinstance(reactions, Iterable):
        raise ModelError(f"{name}: the reactions are a list, not {reactions!r}; write [...] around them")
    for item in reactions:
        if isinstance(item, Reaction):
            yield item
        elif isinstance(item, (list, tuple)):
            yield from _flattened(name, item)
        else:
            raise ModelError(
                f"{name}: {item!r} is a {type(item).__name__}, not a Reaction; write sn.Reaction(k, {item})"
            )


def _sides(reactions: Sequence[Reaction], order: Mapping[Expr, int], side: str) -> Sides:
    triples = [
        (j, order[leaf], float(count))
        for j, reaction in enumerate(reactions)
        for leaf, count in getattr(reaction, side)
    ]
    j, i, count = zip(*triples, strict=True) if triples else ((), (), ())
    return Sides.of(np.array(j, np.int64), np.array(i, np.int64), np.array(count, float))


def _total_sums(totals: Totals, symbols: References, species: References) -> IndexedSums:
    """0 == -total + sum(count * species)."""
    m, members = len(symbols), totals.members
    row = np.concatenate([np.arange(m), members.reaction])
    unknown = np.concatenate([np.arange(m), m + members.species])
    coefficient = np.concatenate([np.full(m, -1.0), members.count])
    order = np.argsort(row, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=m))])
    return IndexedSums(
        (symbols, species), indptr, unknown[order], coefficient[order],
        lambda r: f"{totals.symbols[r].name} is a sum of species",
    )  # fmt: skip
