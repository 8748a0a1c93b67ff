"""Species and reactions: ``Reaction(k, S + E >> SE)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from symnum.errors import ModelError
from symnum.language.compartment import Compartment
from symnum.language.rate_law import RateLaw
from symnum.language.variables import _split, checked_expr, variable
from symnum.record import record
from symnum.rewriting.arrow import Arrow
from symnum.rewriting.expr import Expr, Operand, Rational, multiply
from symnum.rewriting.show import latex, natural, number_text

Side: TypeAlias = tuple[tuple[Expr, Rational], ...]
"""(species, multiplicity) pairs."""

MASS_ACTION = "mass action"
RATE = "rate"


def species(names: str = "", /, *, unit: str | None = None, **starts: Operand) -> tuple[Expr, ...]:
    """Species without and with starts: ``E, P, S = species("E P", S=100)``. Always a tuple, in that order.

    A species is a variable; its value is an amount or a concentration, as the rate constants have it.
    """
    plain = [variable(name, unit=unit) for name in _split(names)]
    return (*plain, *(variable(name, unit=unit, start=start) for name, start in starts.items()))


@record
class Reaction:
    """One irreversible reaction with its rate law.

    constant: the rate constant, a number or any expression of parameters, variables and time; or a `RateLaw`
    (`MichaelisMenten`, `Hill`), which is the whole rate.
    change: ``S + E >> SE``, multiplicities as numbers (``2*A >> B``), None or 0 for nothing (``0 >> A``); or
    the reactants as a list, with ``products`` as another one.
    law: "mass action": the rate is the constant times the product of the reactants, each to the power of its
    multiplicity. The law is the macroscopic one: ``2*A >> B`` has the rate k*A**2, without a factor 1/2, and
    uses up A at twice that rate. "rate": the constant is the whole rate.
    orders: {species: power} where the kinetic order is not the multiplicity (mass action): with
    ``orders={A: 1}`` the rate of ``2*A >> B`` is k*A. Species that take no part otherwise may be named too.
    at: the compartment whose volume the rate is meant for, where the species lie in several ones; see
    `ReactionNetwork`.
    """

    constant: Expr
    reactants: Side
    products: Side
    _rate: Expr
    law: str = MASS_ACTION
    name: str | None = None
    orders: Side = ()
    at: Compartment | None = None

    def __init__(
        self,
        constant: Operand | RateLaw,
        change: Arrow | Sequence[Operand],
        products: Sequence[Operand] | None = None,
        *,
        law: str | None = None,
        orders: Mapping[Expr, Any] | None = None,
        at: Compartment | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(constant, Arrow):
            raise ModelError(f"Reaction({constant}, ...): the rate constant comes first, then the arrow")
        if isinstance(change, Arrow) and products is None:
            left, right = _side(change.left, str(change)), _side(change.right, str(change))
        elif isinstance(change, (list, tuple)) and isinstance(products, (list, tuple)):
            where = f"Reaction(..., {list(change)}, {list(products)})"
            left, right = _side(change, where), _side(products, where)
        else:
            raise ModelError(
                f"Reaction(..., {change!r}): write the reaction as S + E >> SE, "
                "or give reactants and products as two lists"
            )
        what = f"Reaction {_arrow(left, right)}"
        if law not in (None, MASS_ACTION, RATE):
            raise ModelError(f"law={law!r}: choose {MASS_ACTION!r} or {RATE!r}")
        if isinstance(constant, RateLaw):
            if law == MASS_ACTION:
                raise ModelError(f"{what}: {constant} is a whole rate, not the constant of mass action")
            constant, law = constant.expr, RATE
        if not left and not right:
            raise ModelError("Reaction: nothing becomes nothing; name a reactant or a product")
        if orders is not None and law == RATE:
            raise ModelError(f"{what}: orders= belong to mass action; a whole rate holds its own powers")
        if at is not None and not isinstance(at, Compartment):
            raise ModelError(f"{what}: at={at!r} is not a Compartment")
        k = checked_expr(constant, f"{what}, rate constant")
        powers = _orders(left, orders or {}, what)
        rate = k if law == RATE else multiply([(k, 1), *powers])
        for key, value in (
            ("constant", k), ("reactants", left), ("products", right), ("law", law or MASS_ACTION),
            ("name", name), ("orders", () if law == RATE else powers), ("at", at), ("_rate", rate),
        ):  # fmt: skip
            object.__setattr__(self, key, value)

    @classmethod
    def reversible(
        cls,
        forward: Operand | RateLaw,
        backward: Operand | RateLaw,
        change: Arrow,
        *,
        law: str | None = None,
        at: Compartment | None = None,
        name: str | None = None,
    ) -> tuple[Reaction, Reaction]:
        """A reaction and its reverse, each with its constant or law: a pair for the list of a network."""
        if not isinstance(change, Arrow):
            raise ModelError(f"Reaction.reversible(..., {change!r}): write the reaction as S + E >> SE")
        back = None if name is None else f"{name}_reverse"
        turned = Arrow(change.right, change.left)
        return (
            cls(forward, change, law=law, at=at, name=name),
            cls(backward, turned, law=law, at=at, name=back),
        )

    @property
    def rate(self) -> Expr:
        """Turnovers per time."""
        return self._rate

    @property
    def change(self) -> Side:
        """What one turnover adds (positive) and takes."""
        net: dict[Expr, Rational] = {}
        for sign, side in ((-1, self.reactants), (1, self.products)):
            for leaf, count in side:
                net[leaf] = net.get(leaf, 0) + sign * count
        return tuple((leaf, count) for leaf, count in net.items() if count)

    def __repr__(self) -> str:
        label = "" if self.name is None else f"{self.name}: "
        law = "" if self.law == MASS_ACTION else "rate "
        powers = "" if self.law == RATE or self.orders == self.reactants else f", orders {self._order_text()}"
        at = "" if self.at is None else f", at {self.at.name}"
        return f"{label}{_arrow(self.reactants, self.products)}    {law}{self.constant}{powers}{at}"

    def _order_text(self) -> str:
        return ", ".join(f"{leaf.name}: {number_text(power)}" for leaf, power in self.orders) or "0"

    def _repr_latex_(self) -> str:
        return f"${reaction_latex(self)}$"


def reaction_latex(reaction: Reaction) -> str:
    """The reaction with the rate constant above its arrow; a whole rate is drawn with a double arrow.

    So is a reaction whose kinetic orders are not its multiplicities.
    """
    left, right = (_latex_side(side) for side in (reaction.reactants, reaction.products))
    if reaction.law == RATE or reaction.orders != reaction.reactants:
        return rf"{left} \overset{{{latex(reaction.rate)}}}{{\Longrightarrow}} {right}"
    return rf"{left} \xrightarrow{{{latex(reaction.constant)}}} {right}"


def _arrow(left: Side, right: Side) -> str:
    return f"{side_text(left)} >> {side_text(right)}"


def side_text(side: Iterable[tuple[Expr, Rational]]) -> str:
    """``2*A + B``, or 0."""
    terms = [leaf.name if n == 1 else f"{number_text(n)}*{leaf.name}" for leaf, n in side]
    return " + ".join(terms) or "0"


def _latex_side(side: Side) -> str:
    terms = [latex(leaf) if n == 1 else f"{latex(n * leaf)}" for leaf, n in side]
    return " + ".join(terms) or r"\varnothing"


def _by_name(term: tuple[Expr, Rational]) -> Any:
    return natural(str(term[0]))


def _orders(reactants: Side, given: Mapping[Expr, Any], what: str) -> Side:
    """The kinetic orders: the multiplicities of the reactants, changed by those given; zeros left out."""
    powers = dict(reactants)
    if not isinstance(given, Mapping):
        raise ModelError(f"{what}: orders is {{species: power}}, not {given!r}")
    for leaf, power in given.items():
        if not (isinstance(leaf, Expr) and leaf.kind == "variable"):
            raise ModelError(f"{what}: orders= names {leaf}, which is not a species")
        exponent = checked_expr(power, f"{what}, order of {leaf}")
        if not exponent.is_number:
            raise ModelError(
                f"{what}: the order of {leaf} is {exponent}; an order is a number. "
                'Write the whole rate with law="rate" instead.'
            )
        powers[leaf] = exponent.value
    return tuple((leaf, power) for leaf, power in powers.items() if power)


def _side(value: Any, where: str) -> Side:
    """The species of one side with their multiplicities, or ModelError."""
    counts: dict[Expr, Rational] = {}
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if item is None:
            continue
        expr = checked_expr(item, where)
        if expr.constant != 0:
            raise ModelError(f"{where}: {expr.constant} is not a species; write 0 or None for nothing")
        for leaf, count in sorted(expr.terms(), key=_by_name):
            if leaf.op != "symbol" or leaf.kind != "variable":
                kind = leaf.kind or "expression"
                raise ModelError(
                    f"{where}: {leaf} is a{'n' * (kind == 'expression')} {kind}, not a species. "
                    "A side of a reaction is a sum like A + 2*B."
                )
            if count <= 0:
                raise ModelError(f"{where}: {count}*{leaf}: a species takes part a positive number of times")
            counts[leaf] = counts.get(leaf, 0) + count
    return tuple(counts.items())
