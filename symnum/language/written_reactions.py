"""Reactions as objects: from the list that a user writes to the tables of a network, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.errors import ModelError
from symnum.language.compartment import common
from symnum.language.delay import has_delay
from symnum.language.reaction_tables import Sides
from symnum.language.reactions import MASS_ACTION, RATE, Reaction, reaction_latex, side_text
from symnum.rewriting.expr import Expr, multiply, number, rational
from symnum.rewriting.walk import leaves, substitute

if TYPE_CHECKING:
    from symnum.language.network_contents import NetworkContents

__all__ = [
    "amount_rate",
    "latex_list",
    "made",
    "rate_from_tables",
    "sides",
    "text_list",
    "text_of",
    "written",
]

_SHOWN = 40  # reactions that a network prints


def written(name: str, reactions: Any) -> tuple[Reaction, ...]:
    """The reactions of a list, tuples in it included, or ModelError."""
    listed = tuple(_flattened(name, reactions))
    for reaction in listed:
        if has_delay(reaction.rate):
            raise ModelError(
                f"{name}: the rate of {reaction} holds a delay; give the delayed value a name in "
                "equations=: past == sn.delay(x, 1), and read that"
            )
        for leaf in leaves((reaction.rate,)):
            if leaf.op == "D":
                raise ModelError(
                    f"{name}: the rate of {reaction} holds {leaf}; name that derivative in equations="
                )
    return listed


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


def sides(reactions: Sequence[Reaction]) -> tuple[tuple[Expr, ...], Sides, Sides]:
    """The species in the order in which the reactions name them, and both sides as tables."""
    order: dict[Expr, int] = {}
    for reaction in reactions:
        for leaf, _ in (*reaction.reactants, *reaction.products):
            order.setdefault(leaf, len(order))
    return tuple(order), _side(reactions, order, "reactants"), _side(reactions, order, "products")


def _side(reactions: Sequence[Reaction], order: Mapping[Expr, int], side: str) -> Sides:
    triples = [
        (j, order[leaf], float(count))
        for j, reaction in enumerate(reactions)
        for leaf, count in getattr(reaction, side)
    ]
    j, i, count = zip(*triples, strict=True) if triples else ((), (), ())
    return Sides.of(np.array(j, np.int64), np.array(i, np.int64), np.array(count, float))


def amount_rate(network: NetworkContents, reaction: Reaction) -> Expr:
    """The rate in amount per time; the rate itself where there are no compartments."""
    if reaction.at is not None and reaction.at not in network.compartments:
        raise ModelError(f"{network.name}: the compartment of {reaction} is not among compartments=")
    if not network.compartments:
        return reaction.rate
    both = (*reaction.reactants, *reaction.products)
    inside = reaction.at or common(network.placed, [network.number(leaf) for leaf, _ in both])
    volume = number(1) if inside is None else inside.volume
    if reaction.law != MASS_ACTION:
        return reaction.rate * volume
    powers = []
    for leaf, power in reaction.orders:
        inner = network.concentration(network.number(leaf)) if leaf in network else leaf
        powers.append((inner, power))
    return multiply([(reaction.constant, 1), (volume, 1), *powers])


def rate_from_tables(network: NetworkContents, family: int, copy: int) -> Expr:
    """The rate that is this copy of a family, as an expression."""
    rates = network.rates[family]
    mapping = {}
    for leaf in leaves((rates.root,)):
        if leaf.op == "slot":
            of, index = rates.columns[leaf.data[1]]
            value = index[copy]
            mapping[leaf] = number(float(value)) if of is None else of.symbols[int(value)]
    (found,) = substitute((rates.root,), mapping)
    return found


def made(network: NetworkContents, j: int) -> Reaction:
    """Reaction j of a network from tables as an object: mass action where its rate is."""
    both = (network.reactants, network.products)
    listed = [[rational(count) * network.species[i] for i, count in side.of_reaction(j)] for side in both]
    inside = common(network.placed, [i for side in both for i, _ in side.of_reaction(j)])
    rate = network.rate(j) if inside is None else network.rate(j) / inside.volume
    constant = rate
    for i, count in network.reactants.of_reaction(j):
        constant = constant / network.concentration(i) ** rational(count)
    if any(leaf in network for leaf in leaves((constant,))):
        return Reaction(rate, *listed, law=RATE, name=network.reaction_names[j])
    return Reaction(constant, *listed, name=network.reaction_names[j])


# ---- looks ----------------------------------------------------------------------------------------
def text_of(network: NetworkContents, j: int) -> str:
    """Reaction j as ``S + E >> SE``."""
    left, right = (
        side_text((network.species[i], rational(count)) for i, count in side.of_reaction(j))
        for side in (network.reactants, network.products)
    )
    return f"{left} >> {right}"


def text_list(network: NetworkContents) -> str:
    """The first reactions, one in a line."""
    lines = [f"{network.name}: {len(network.species)} species, {network.n_reactions} reactions"]
    lines += [f"    {network.reaction(j)}" for j in range(min(network.n_reactions, _SHOWN))]
    if network.n_reactions > _SHOWN:
        lines.append(f"    ... {network.n_reactions - _SHOWN} more")
    return "\n".join(lines)


def latex_list(network: NetworkContents) -> str:
    """The first reactions as LaTeX, one in a line."""
    lines = [reaction_latex(network.reaction(j)) for j in range(min(network.n_reactions, _SHOWN))]
    if network.n_reactions > _SHOWN:
        lines.append(r"\vdots")
    return r"$$\begin{gathered}" + r" \\ ".join(lines) + r"\end{gathered}$$"
