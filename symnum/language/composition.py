"""Networks made of networks: several joined to one, and copies with names of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from symnum.errors import ModelError
from symnum.language.block import IntArray, References
from symnum.language.compartment import Compartment
from symnum.language.event import Event
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.reaction_tables import RateFamily, Sides, Totals
from symnum.language.variables import checked_name
from symnum.record import replace
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, symbol
from symnum.rewriting.walk import substitute

__all__ = ["copied", "joined"]


def joined(name: str, networks: Sequence[ReactionNetwork]) -> ReactionNetwork:
    """All reactions of several networks; species, parameters and observables of the same symbol are one.

    A species that is constant or boundary in one network must be so in all that hold it.
    """
    if not networks:
        raise ModelError(f"{name}: no networks to join")
    species: dict[Expr, int] = {}
    for network in networks:
        for leaf in network.species:
            species.setdefault(leaf, len(species))
    place = [np.array([species[leaf] for leaf in network.species], np.int64) for network in networks]
    first = np.concatenate([[0], np.cumsum([network.n_reactions for network in networks])]).astype(np.int64)
    rates = [
        replace(family, reactions=family.reactions + first[k])
        for k, network in enumerate(networks)
        for family in network.rates
    ]
    constant = _agreed(name, networks, place, len(species), "is_constant", "constant")
    boundary = _agreed(name, networks, place, len(species), "is_boundary", "boundary")
    starts = {leaf: value for network in networks for leaf, value in network.starts.items()}
    return ReactionNetwork.from_tables(
        name, tuple(species),
        _stacked([network.reactants for network in networks], place, first),
        _stacked([network.products for network in networks], place, first),
        rates, int(first[-1]),
        constant=np.flatnonzero(constant).tolist(), boundary=np.flatnonzero(boundary).tolist(),
        compartments=_once([c for network in networks for c in network.compartments]),
        parameters=_once([leaf for network in networks for leaf in network.declared]),
        equations=_once([equation for network in networks for equation in network.equations]),
        events=_once([event for network in networks for event in network.events]),
        totals=_all_totals(networks, place), starts=starts,
        names=[label for network in networks for label in network.reaction_names],
    )  # fmt: skip


def _once(items: list) -> list:  # type: ignore[type-arg]  # of anything
    return list(dict.fromkeys(items))


def _stacked(sides: list[Sides], place: list[IntArray], first: IntArray) -> Sides:
    return Sides.of(
        np.concatenate([side.reaction + first[k] for k, side in enumerate(sides)]),
        np.concatenate([place[k][side.species] for k, side in enumerate(sides)]),
        np.concatenate([side.count for side in sides]),
    )


def _agreed(
    name: str, networks: Sequence[ReactionNetwork], place: list[IntArray], count: int, mask: str, word: str
) -> IntArray:
    said = np.full(count, -1, np.int64)
    for k, network in enumerate(networks):
        own = getattr(network, mask).astype(np.int64)
        before = said[place[k]]
        odd = np.flatnonzero((before >= 0) & (before != own))
        if len(odd):
            raise ModelError(
                f"{name}: {network.species[odd[0]]} is {word} in one of the networks and not in another; "
                "declare it alike in both"
            )
        said[place[k]] = own
    return said


def _all_totals(networks: Sequence[ReactionNetwork], place: list[IntArray]) -> Totals | None:
    symbols: list[Expr] = []
    parts: list[tuple[IntArray, IntArray, np.ndarray[tuple[int], np.dtype[np.float64]]]] = []
    for k, network in enumerate(networks):
        if network.totals is not None:
            members = network.totals.members
            parts.append((members.reaction + len(symbols), place[k][members.species], members.count))
            symbols += network.totals.symbols
    if not parts:
        return None
    row, species, count = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Totals(symbols, Sides.of(row, species, count))


def copied(
    network: ReactionNetwork, name: str, *, shared: Iterable[Expr] = (), own: Iterable[Expr] = ()
) -> ReactionNetwork:
    """The same network under another name: species X becomes ``name.X``, and so do other variables.

    shared: species and variables that keep their name, so that copies have them in common. own: parameters
    of which the copy gets one of its own; the others stay in common.
    """
    checked_name(name, "copy: ")
    stays = _known(network, shared, "variable", "shared=")
    moves = _known(network, own, "parameter", "own=")
    named: dict[Expr, Expr] = {}
    everything = [*network.species, *network._symbols.values()]
    for leaf in everything:
        if leaf not in stays and (leaf.kind == "variable" or leaf in moves):
            named[leaf] = symbol(leaf.data._replace(name=f"{name}.{leaf.name}"))
    for leaf, new in named.items():  # starts and values may be expressions of what is renamed
        if isinstance(new.data.default, Expr):
            named[leaf] = symbol(new.data._replace(default=substitute(new.data.default, named)))

    def exchanged(leaves_: Iterable[Expr]) -> tuple[Expr, ...]:
        return tuple(named.get(leaf, leaf) for leaf in leaves_)

    def written(expr: Expr) -> Expr:
        return substitute(expr, named)

    rates = []
    for family in network.rates:
        columns = tuple(
            (None if of is None else References(exchanged(of.symbols)), index)
            for of, index in family.columns
        )
        rates.append(RateFamily(family.root, columns, family.reactions))
    totals = network.totals
    return ReactionNetwork.from_tables(
        name, exchanged(network.species), network.reactants, network.products, rates, network.n_reactions,
        constant=np.flatnonzero(network.is_constant).tolist(),
        boundary=np.flatnonzero(network.is_boundary).tolist(),
        compartments=[
            Compartment(
                f"{name}.{c.name}", written(c.volume), exchanged(c.species), amounts=exchanged(c.amounts)
            )
            for c in network.compartments
        ],
        parameters=exchanged(network.declared),
        equations=[Equation(written(e.lhs), written(e.rhs)) for e in network.equations],
        events=[_copied_event(event, name, named) for event in network.events],
        totals=None if totals is None else Totals(exchanged(totals.symbols), totals.members),
        starts={
            named.get(leaf, leaf): written(value) if isinstance(value, Expr) else value
            for leaf, value in network.starts.items()
        },
        names=[None if label is None else f"{name}.{label}" for label in network.reaction_names],
    )  # fmt: skip


def _known(network: ReactionNetwork, given: Iterable[Expr], kind: str, where: str) -> frozenset[Expr]:
    if isinstance(given, Expr) or not isinstance(given, Iterable):
        raise ModelError(f"{network.name}, {where}: give a list, not {given!r}")
    found = frozenset(given)
    there = {*network.species, *network._symbols.values()}
    for leaf in found:
        if leaf not in there or leaf.kind != kind:
            raise ModelError(f"{network.name}, {where}: {leaf} is not a {kind} of this network")
    return found


def _copied_event(event: Event, name: str, named: dict[Expr, Expr]) -> Event:
    copy = object.__new__(Event)
    for field in Event.__slots__:
        value = getattr(event, field)
        if isinstance(value, Expr):
            value = substitute(value, named)
        elif isinstance(value, dict):
            value = {named.get(target, target): substitute(new, named) for target, new in value.items()}
        setattr(copy, field, value)
    copy.name = None if event.name is None else f"{name}.{event.name}"
    return copy
