"""Propensities: the rates of a network as probabilities per time of single events."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.language.block import FloatArray, IntArray, References
from symnum.language.reaction_tables import RateFamily, Sides, grouped_rates
from symnum.record import record
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import ONE, TIME, Expr, Rational, as_expr, multiply, number, slot
from symnum.rewriting.walk import leaves, substitute

if TYPE_CHECKING:
    from symnum.language.reaction_network import ReactionNetwork

__all__ = ["MACROSCOPIC", "STOCHASTIC", "Law", "Propensities"]

MACROSCOPIC = "macroscopic"
STOCHASTIC = "stochastic"


@record
class Law:
    """Propensities of one shape.

    family: the propensities over counts. constant: of mass action the factor that holds parameters and
    numbers only, over the slots of the family; None for every other law.
    """

    family: RateFamily
    constant: Expr | None

    @property
    def timed(self) -> bool:
        """Whether the propensity changes between events because it holds the time."""
        return TIME in leaves((self.family.root,))


class Propensities:
    """The propensities of a network whose species are numbers of molecules.

    A mass-action rate ``k*A**n*B**m`` becomes ``k*V**(1 - n - m) * A(A-1)...(A-n+1) * B(B-1)...``: where
    molecules are many this is the deterministic rate with the same k. With ``constants="stochastic"`` k is
    the probability per time of one set of reactant molecules, of which there are ``A(A-1)/2`` for
    ``2*A >> B``: the product is divided by n! m!. Every other rate r (``law="rate"``, Michaelis-Menten, Hill)
    is taken as it is written, ``V * r(A/V, B/V)``. D. T. Gillespie, Physica A 188 (1992) 404.

    volume: what turns concentrations into counts, a positive number or a parameter; None where the species
    of the network are counts already. Compartments bring their volumes with them: a species with a
    concentration has that times the volume as its count, one with an amount has the amount.
    ``network``: the same network with propensities for rates.
    """

    def __init__(self, original: ReactionNetwork, volume: Any, constants: str) -> None:
        if constants not in (MACROSCOPIC, STOCHASTIC):
            raise ModelError(f"constants={constants!r}: choose {MACROSCOPIC!r} or {STOCHASTIC!r}")
        if constants == STOCHASTIC and volume is not None:
            raise ModelError(
                f"{original.name}: stochastic constants belong to one volume already; leave volume= away"
            )
        if original.compartments and (volume is not None or constants == STOCHASTIC):
            raise ModelError(
                f"{original.name}: the compartments have volumes; leave volume= and constants= away"
            )
        if original.events and (volume is not None or original.compartments):
            raise ModelError(
                f"{original.name}: {original.events[0]} belongs to the network, whose species are no counts; "
                "give events in counts by events="
            )
        self.original = original
        self.combinations = constants == STOCHASTIC
        self.volume = None if volume is None else _checked_volume(original.name, volume)
        _check_changes(original)
        self._number = {leaf: i for i, leaf in enumerate(original.species)}
        self._counted = frozenset((*original.species, *original.observables))
        self.sizes = _sizes(original)
        self._definitions = _definitions(original, self.sizes)
        self._order = np.bincount(
            original.reactants.reaction, original.reactants.count, minlength=original.n_reactions
        )
        self.laws: tuple[Law, ...] = tuple(
            law for family in self._closed(original.rates) for law in self._laws(family)
        )
        self.network = self._over_counts()

    def volumes(self) -> Iterator[tuple[Expr, Expr]]:
        """(species, volume) of all species that are declared as concentrations."""
        for i, leaf in enumerate(self.original.species):
            if self.volume is not None:
                yield leaf, self.volume
            elif leaf in self.sizes:
                yield leaf, self.original.placed[i][0].volume

    # ---- from rates to propensities ---------------------------------------------------------------
    def _closed(self, families: tuple[RateFamily, ...]) -> Iterator[RateFamily]:
        """The families over species, sums and parameters: what equations define is written out."""
        for family in families:
            symbols = {leaf for of, _ in family.columns if of is not None for leaf in of.symbols}
            self._check_known(symbols)
            if symbols.isdisjoint(self._definitions) and not self.sizes:
                yield family
                continue
            rates = [(int(j), self.original.rate(int(j))) for j in family.reactions]
            closed = substitute(tuple(rate for _, rate in rates), {**self.sizes, **self._definitions})
            yield from grouped_rates((j, rate) for (j, _), rate in zip(rates, closed, strict=True))

    def _check_known(self, symbols: set[Expr]) -> None:
        for leaf in symbols:
            if leaf.kind == "variable" and leaf not in self._counted and leaf not in self._definitions:
                raise ModelError(
                    f"{self.original.name}: rates read {leaf}, which is neither a species nor defined in "
                    "equations="
                )

    def _laws(self, family: RateFamily) -> Iterator[Law]:
        powers, rest = self._powers(family)
        matching = self._matching(family, powers)
        for chosen, mass_action in ((matching, True), (~matching, False)):
            if chosen.any():
                part = family if chosen.all() else _part(family, chosen)
                yield self._mass_action(part, powers, rest) if mass_action else self._literal(part)

    def _powers(self, family: RateFamily) -> tuple[dict[int, int], Expr]:
        """Slots of species that stand as whole powers in the product, and the other factors."""
        root, coefficient = family.root, ONE
        if root.op == "+" and not root.constant:
            terms = tuple(root.terms())
            if len(terms) == 1:
                root, coefficient = terms[0][0], number(terms[0][1])
        powers: dict[int, int] = {}
        rest: list[tuple[Expr, Rational]] = [(coefficient, 1)]
        for factor, exponent in root.factors():
            of = family.columns[factor.data[1]][0] if factor.op == "slot" else None
            whole = isinstance(exponent, int) and exponent > 0
            if whole and of is not None and all(leaf in self._number for leaf in of.symbols):
                powers[factor.data[1]] = int(exponent)
            else:
                rest.append((factor, exponent))
        return powers, multiply(rest)

    def _matching(self, family: RateFamily, powers: dict[int, int]) -> NDArray[np.bool_]:
        """The copies whose powers are those of their reactants: which reactions follow mass action."""
        network, members = self.original, family.reactions
        species = [self._species_of(family, k) for k in powers]
        found = Sides.of(
            np.tile(members, len(species)),
            np.concatenate([np.zeros(0, np.int64), *species]),
            np.repeat(np.array(list(powers.values()), float), len(members)),
        )
        inside = np.zeros(network.n_reactions, bool)
        inside[members] = True
        sides = network.reactants
        own = inside[sides.reaction]
        reactants = Sides(sides.reaction[own], sides.species[own], sides.count[own])
        good = np.ones(network.n_reactions, bool)
        good[found.minus(reactants).reaction] = False
        several = np.zeros(network.n_reactions, bool)
        several[reactants.reaction[reactants.count != 1.0]] = True
        good &= ~(network.literal & several)  # a rate of the user's own is not corrected
        return good[members]

    def _species_of(self, family: RateFamily, k: int) -> IntArray:
        of, index = family.columns[k]
        assert of is not None
        numbers = np.array([self._number[leaf] for leaf in of.symbols], np.int64)
        found: IntArray = numbers[np.asarray(index, np.int64)]
        return found

    def _mass_action(self, family: RateFamily, powers: dict[int, int], rest: Expr) -> Law:
        factors: list[tuple[Expr, Rational]] = [(self._in_counts(family, rest), 1)]
        divisor = 1
        for k, power in powers.items():
            for taken in range(power):
                factors.append((slot("u", k) - taken, 1))
                divisor *= taken + 1
        columns, constant = family.columns, rest
        if self.combinations:
            constant = constant / divisor
            factors.append((number(divisor), -1))
        if self.volume is not None:
            exponent = 1 - sum(powers.values())
            columns, volume = self._with_volume(family)
            constant = constant * volume**exponent
            factors = [(self._in_counts(family, rest), 1), *factors[1:], (volume, exponent)]
        pure = all(leaf.op == "slot" and leaf.data[0] in "pc" for leaf in leaves((rest,)))
        full = RateFamily(multiply(factors), columns, family.reactions)
        return Law(full, constant if pure else None)

    def _literal(self, family: RateFamily) -> Law:
        if self.volume is None:
            return Law(family, None)
        columns, volume = self._with_volume(family)
        root = volume * self._in_counts(family, family.root)
        return Law(RateFamily(root, columns, family.reactions), None)

    def _in_counts(self, family: RateFamily, root: Expr) -> Expr:
        """An expression of concentrations as one of counts."""
        if self.volume is None:
            return root
        volume = self._with_volume(family)[1]
        slots = [leaf for leaf in leaves((root,)) if leaf.op == "slot" and leaf.data[0] == "u"]
        return substitute(root, {leaf: leaf / volume for leaf in slots})

    def _with_volume(
        self, family: RateFamily
    ) -> tuple[tuple[tuple[References | None, IntArray | FloatArray], ...], Expr]:
        """The columns with the volume behind them, and its slot."""
        assert self.volume is not None
        count, last = len(family.reactions), len(family.columns)
        if self.volume.is_number:
            return (*family.columns, (None, np.full(count, float(self.volume)))), slot("c", last)
        column = References((self.volume,)), np.zeros(count, np.int64)
        return (*family.columns, column), slot("p", last)

    # ---- the network over counts ------------------------------------------------------------------
    def _over_counts(self) -> ReactionNetwork:
        network = copy.copy(self.original)
        network.__dict__ = {key: value for key, value in network.__dict__.items() if key not in _DERIVED}
        network.rates = tuple(law.family for law in self.laws)
        network.compartments, network.placed = (), {}
        if self.volume is not None or self.sizes:
            mapping = self.sizes
            if self.volume is not None:
                mapping = {leaf: leaf / self.volume for leaf in self._counted}
            network.declare(leaf for leaf in leaves(mapping.values()) if leaf.kind == "parameter")
            network.equations = tuple(
                Equation(*substitute((equation.lhs, equation.rhs), mapping))
                for equation in self.original.equations
            )
        return network


# What a network computes from its rates when it is asked for, and what its reactions say about them.
_DERIVED = ("_symbols", "_place_of_rate")


def _part(family: RateFamily, chosen: NDArray[np.bool_]) -> RateFamily:
    columns = tuple((of, index[chosen]) for of, index in family.columns)
    return RateFamily(family.root, columns, family.reactions[chosen])


def _checked_volume(name: str, volume: Any) -> Expr:
    try:
        found = as_expr(volume)
    except (TypeError, ModelError) as error:
        raise ModelError(f"{name}: volume={volume!r} is not a number or a parameter") from error
    if found.is_number:
        if not float(found) > 0:
            raise ModelError(f"{name}: volume={volume} must be positive")
    elif not (found.op == "symbol" and found.kind == "parameter"):
        raise ModelError(f"{name}: volume={volume}: give a positive number or a parameter")
    return found


def _check_changes(network: ReactionNetwork) -> None:
    count = network.change.count
    broken = np.flatnonzero(count != np.round(count))
    if len(broken):
        j = int(network.change.reaction[broken[0]])
        raise ModelError(
            f"{network.name}: the reaction {network.reaction(j)} changes "
            f"{network.species[network.change.species[broken[0]]]} by {count[broken[0]]:g}. Single events "
            "make and use up whole molecules; write it with whole numbers, or take network.system()."
        )


def _sizes(network: ReactionNetwork) -> dict[Expr, Expr]:
    """The concentrations in compartments over counts: {species: species / volume}."""
    found: dict[Expr, Expr] = {}
    for i, (compartment, amount) in network.placed.items():
        if amount:
            continue
        if compartment.volume.kind == "variable":
            raise ModelError(
                f"{network.name}: the volume {compartment.volume} of {compartment.name} is a variable; a "
                "stochastic reading knows constant volumes only"
            )
        if compartment.volume is not ONE:
            found[network.species[i]] = network.species[i] / compartment.volume
    if found and network.observables:
        raise ModelError(
            f"{network.name}: sums over concentrations in compartments have no stochastic reading"
        )
    return found


def _definitions(network: ReactionNetwork, sizes: Mapping[Expr, Expr]) -> dict[Expr, Expr]:
    """What the equations of the network define, over counts, sums, parameters and time."""
    texts: dict[Expr, Expr] = {}
    known = {*network.species, *network.observables} - {*network.boundary}
    if network.totals is not None and network.is_boundary[network.totals.members.species].any():
        raise ModelError(f"{network.name}: sums over boundary species have no stochastic reading")
    for equation in network.equations:
        sides = (equation.lhs, equation.rhs), (equation.rhs, equation.lhs)
        for variable, value in sides:
            free = variable.op == "symbol" and variable.kind == "variable"
            if free and variable not in known and variable not in texts:
                texts[variable] = value
                break
        else:
            raise ModelError(
                f"{network.name}: {equation} does not give a variable explicitly. A stochastic reading knows "
                "variables that are defined as x == ...; differential and implicit equations belong to "
                "network.system() or network.hybrid()."
            )
    found: dict[Expr, Expr] = {}

    def resolve(variable: Expr, pending: tuple[Expr, ...]) -> None:
        if variable in found:
            return
        if variable in pending:
            circle = " -> ".join(str(leaf) for leaf in (*pending, variable))
            raise ModelError(f"{network.name}: {circle}: these variables are defined by each other")
        inside = leaves((texts[variable],))
        for leaf in inside:
            if leaf.op == "D":
                raise ModelError(
                    f"{network.name}: {variable} is defined by {leaf}, which a stochastic reading has not"
                )
            if leaf in texts:
                resolve(leaf, (*pending, variable))
        mapping = {leaf: found[leaf] for leaf in inside if leaf in found}
        found[variable] = substitute(texts[variable], {**sizes, **mapping})

    for variable in texts:
        resolve(variable, ())
    return found
