"""Values at the start: initial assignments and rules evaluated in the order of their dependence.

The result is symbolic: starts are expressions of constant parameters, so that a start follows when a
parameter is given another value.
"""

from __future__ import annotations

from collections.abc import Mapping

from symnum.models.chemistry.sbml_formula import ids, quantity, rate_of
from symnum.models.chemistry.sbml_quantities import Quantities, Quantity, made
from symnum.models.chemistry.sbml_reactions import Reaction
from symnum.rewriting.expr import ONE, TIME, ZERO, Expr
from symnum.rewriting.walk import leaves, substitute, transform

__all__ = ["Starts", "within"]


class Starts:
    """Finds the start of every quantity, and gives it its symbol and meaning."""

    def __init__(self, quantities: Quantities, reactions: Mapping[str, Reaction]) -> None:
        self.quantities, self.reactions = quantities, reactions
        self.known: dict[Expr, Expr] = {TIME: ZERO}  # leaves at the start, over parameters
        self.rate_formulas: dict[str, Expr] = {}
        self.missing: set[str] = set()

    def run(self) -> None:
        for name, found in self.quantities.all.items():
            if found.role != "assigned" and found.role != "algebraic":
                self.resolve(quantity(name))
        for name, found in self.quantities.all.items():
            if found.role == "assigned":
                found.symbol = made(found, None)
            elif found.role == "algebraic":
                # only where Newton begins: a value that cannot be told is left out
                simple = found.given is not None and name not in self.quantities.initial
                start = self.value(quantity(name)) if simple or name in self.quantities.initial else None
                found.symbol = made(found, self.as_amount(found, start), self.nominal(found))
        for found in self.quantities.all.values():
            self.give_meaning(found)

    # ---- order ------------------------------------------------------------------------------------
    def resolve(self, wanted: Expr) -> None:
        """The value of a leaf, after those it needs; an explicit stack, as chains may be long."""
        stack: list[Expr] = [wanted]
        path: dict[Expr, None] = {}
        while stack:
            leaf = stack[-1]
            if leaf in self.known:
                stack.pop()
                path.pop(leaf, None)
                continue
            formula = self.formula(leaf)
            below = [x for x in self.needed(leaf, formula) if x not in self.known]
            if not below:
                self.settle(leaf, formula)
                continue
            path[leaf] = None
            for x in below:
                if x in path:
                    self.circle([*list(path)[list(path).index(x) :], x])
            stack += below[:1]

    def circle(self, leaves: list[Expr]) -> None:
        names = [leaf.name for leaf in leaves]
        element = self.quantities.elements.get(names[0])
        if element is None:
            known = self.quantities.all.get(names[0])
            element = self.reactions[names[0]].element if known is None else known.element
        self.quantities.fail(element, f"{names[0]} is defined by itself: {' -> '.join(names)}")

    def formula(self, leaf: Expr) -> Expr | None:
        """What a leaf is at the start, over quantities."""
        name = leaf.name
        if leaf.kind == "rate":
            return self.rate_formula(name)
        if name in self.reactions:
            return self.reactions[name].law
        found = self.quantities
        if name in found.assignments:
            return found.assignments[name]
        return found.initial.get(name, found.all[name].given)

    def needed(self, leaf: Expr, formula: Expr | None) -> list[Expr]:
        if formula is None:
            return []
        below = [quantity(n) if kind == "quantity" else rate_of(n) for n, kind in ids(formula).items()]
        found = self.quantities.all.get(leaf.name)
        if leaf.kind == "quantity" and found is not None and found.size is not None:
            below.append(quantity(found.size))
        return below

    def settle(self, leaf: Expr, formula: Expr | None) -> None:
        found = self.quantities.all.get(leaf.name)
        value = None if formula is None else within(formula, self.known)
        if leaf.kind == "rate" or found is None or found.role == "assigned":
            self.known[leaf] = ZERO if value is None else value
            return
        if found.role == "algebraic":
            element = self.quantities.elements.get(found.name, found.element)
            self.quantities.fail(
                element, f"a start depends on {found.name}, which an algebraic rule determines: not supported"
            )
        if value is None:
            self.missing.add(found.name)
            value = ONE if found.kind == "compartment" else ZERO
        found.symbol = made(found, self.as_amount(found, value), self.nominal(found))
        if found.role == "constant":
            size = None if found.size is None else self.known[quantity(found.size)]
            value = found.symbol if size is None else found.symbol / size
        self.known[leaf] = value

    def value(self, leaf: Expr) -> Expr:
        formula = self.formula(leaf)
        for below in self.needed(leaf, formula):
            self.resolve(below)
        return ZERO if formula is None else within(formula, self.known)

    def as_amount(self, found: Quantity, value: Expr | None) -> Expr | None:
        if value is None or found.size is None:
            return value
        if found.amount is not None and found.name not in self.quantities.initial:
            return found.amount
        return value * self.known[quantity(found.size)]

    def nominal(self, found: Quantity) -> float | None:
        """The amount at a concentration of 1: tolerances are meant for concentrations."""
        given = None if found.size is None else self.quantities.all[found.size].given
        if given is None or not given.is_number or given.value <= 0 or given is ONE:
            return None
        return float(given)

    # ---- before the start -------------------------------------------------------------------------
    def before(self, formula: Expr) -> Expr | None:
        """A formula over quantities at times before the start, over parameters and time.

        Initial assignments hold there with the time as it is, rules hold, what else has a value keeps it,
        and nothing changes. None where an algebraic rule would have to be solved.
        """
        mapping: dict[Expr, Expr] = {}
        for name, kind in ids(formula).items():
            found = self.quantities.all.get(name)
            if kind == "rate":
                mapping[rate_of(name)] = ZERO
                continue
            if found is None:
                value = self.before(self.reactions[name].law)
            elif found.role == "assigned":
                value = self.before(self.quantities.assignments[name])
            elif found.role == "algebraic":
                value = None
            else:
                value = self.known[quantity(name)]
                moving = self.before(self.quantities.initial.get(name, ZERO))
                if moving is not None and TIME in leaves((moving,)):
                    value = moving
            if value is None:
                return None
            mapping[quantity(name)] = value
        return earlier(substitute(formula, mapping))

    # ---- rates ------------------------------------------------------------------------------------
    def rate_formula(self, name: str) -> Expr:
        """The rate of change of an id, over quantities."""
        if name in self.rate_formulas:
            return self.rate_formulas[name]
        found = self.quantities.all.get(name)
        result: Expr = ZERO
        if name in self.quantities.rates:
            result = self.quantities.rates[name]
        elif found is not None and found.kind == "species" and found.role == "state":
            for reaction in self.reactions.values():
                for species, stoichiometry, sign in reaction.sides:
                    if species == name:
                        result = result + sign * stoichiometry * quantity(reaction.name)
            if found.size is not None:
                result = (result - quantity(name) * rate_of(found.size)) / quantity(found.size)
        self.rate_formulas[name] = result
        return result

    # ---- meaning ----------------------------------------------------------------------------------
    def give_meaning(self, found: Quantity) -> None:
        found.meaning = found.symbol
        if found.size is not None and found.role != "assigned":
            home = self.quantities.all[found.size]
            found.meaning = found.symbol / home.symbol


def earlier(formula: Expr) -> Expr:
    """Delays within what holds before the start: the value there, that much earlier."""

    def looked_up(part: Expr) -> Expr:
        if part.op != "delay":
            return part
        value, lag = part.args[0], part.args[1]
        return substitute(value, {TIME: TIME - lag})

    return transform((formula,), looked_up)[0]


def within(formula: Expr, known: Mapping[Expr, Expr]) -> Expr:
    """A formula with its leaves replaced by what is known of them; the rest of ``known`` costs nothing."""
    return substitute(formula, {leaf: known[leaf] for leaf in leaves((formula,)) if leaf in known})
