"""Models in the Systems Biology Markup Language, Levels 1 to 3: `read_sbml`.

What is read: Hucka et al., SBML Level 3 Version 2 Core, J. Integrative Bioinformatics 16 (2019) 20190021, and
the earlier Levels; models that are composed of submodels (package comp) are flattened by libSBML.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from symnum.errors import UnknownName
from symnum.language.block import Block, References
from symnum.language.event import Event
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.reaction_tables import Sides, grouped_rates
from symnum.language.system import System
from symnum.language.variables import D
from symnum.models.chemistry.sbml_document import Element, open_model
from symnum.models.chemistry.sbml_events import event_targets, events_of
from symnum.models.chemistry.sbml_formula import Formulas, ids, quantity, rate_of
from symnum.models.chemistry.sbml_quantities import Quantities, Quantity
from symnum.models.chemistry.sbml_reactions import Reaction, reactions_of
from symnum.models.chemistry.sbml_starts import Starts
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import ONE, ZERO, Expr, Symbol, symbol
from symnum.rewriting.walk import leaves, substitute

__all__ = ["SBMLModel", "read_sbml"]


def read_sbml(path: str | Path) -> SBMLModel:
    """The model in an SBML file. Raises ModelError with file, line and id of what is wrong or unknown."""
    where = Path(path)
    document, model = open_model(where)
    found = _Reader(where, model).model()
    del document  # had to live until here
    return found


class SBMLModel:
    """A model from an SBML file: ``model["S1"]`` is what the id means in the file, as an expression.

    network: its reactions as a `ReactionNetwork`, or None where stoichiometries vary in time, or nothing
    reacts. events: its events. Species are amounts; `amount` and `concentration` give both for any.
    """

    def __init__(
        self, name: str, quantities: dict[str, Quantity], meaning: dict[str, Expr],
        network: ReactionNetwork | None, statements: tuple[Any, ...], events: tuple[Event, ...],
    ) -> None:  # fmt: skip
        self.name = name
        self._quantities, self._meaning = quantities, meaning
        self.network = network
        self._statements = statements
        self.events = events

    def system(self, equations: Iterable[Any] = (), *, events: Iterable[Event] = ()) -> System:
        """The model as a system of equations with its events; further equations and events come on top."""
        every = (*self.events, *events)
        if self.network is not None:
            return self.network.system((*self._statements, *equations), events=every)
        return System(self.name, (*self._statements, *equations), events=every)

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


class _Reader:
    def __init__(self, path: Path, model: Element) -> None:
        self.path, self.source = path, model
        self.quantities = Quantities(path, model, Formulas(path, model))
        self.reactions = reactions_of(self.quantities)
        self.read_ids: set[str] = set()

    def model(self) -> SBMLModel:
        found = self.quantities
        self.check_ids()
        changed = {
            species
            for reaction in self.reactions.values()
            for species, _, _ in reaction.sides
            if not found.all[species].element.getBoundaryCondition()
        }
        targets = event_targets(found)
        found.match_algebraic(changed, targets)
        for name, each in found.all.items():
            if name in changed:
                each.role = "state"
            elif each.role == "constant" and name in targets:
                each.role = "set"
        starts = Starts(found, self.reactions)
        starts.run()
        self.check_rules()
        self.refuse_missing(starts.missing)
        self.environment = self.meanings()
        statements: list[Any] = [Block((References(self.parameters()),), ())] if self.parameters() else []
        statements += self.rule_equations()
        events = events_of(found, self.meant)
        for reaction in self.reactions.values():  # before it is decided which rates are variables
            for formula in (reaction.law, *(stoichiometry for _, stoichiometry, _ in reaction.sides)):
                self.meant(reaction.element, formula)
        network = self.network(changed)
        if network is None:
            statements += self.reaction_equations(changed)
        statements += self.clock(statements, network)
        for each in found.all.values():
            each.element = None  # it belongs to the document, which ends with the reading
        meaning = {name: each.meaning for name, each in found.all.items()}
        for name, reaction in self.reactions.items():
            meaning[name] = self.rate_symbol(reaction)
        return SBMLModel(
            _name(self.source, self.path), found.all, meaning, network, tuple(statements), tuple(events)
        )

    # ---- checks -----------------------------------------------------------------------------------
    def check_ids(self) -> None:
        found = self.quantities
        for name, formula in (*found.assignments.items(), *found.rates.items(), *found.initial.items()):
            found.check_known(found.elements[name], formula, self.reactions)
        for rule, formula in found.algebraic:
            found.check_known(rule, formula, self.reactions)

    def check_rules(self) -> None:
        """Assignment rules and reactions may not define each other in a circle."""
        found = self.quantities
        formulas = {**found.assignments, **{name: r.law for name, r in self.reactions.items()}}
        below = {name: [x for x in ids(formula) if x in formulas] for name, formula in formulas.items()}
        done: set[str] = set()
        for start in formulas:
            path: list[str] = []
            stack = [(start, 0)]
            while stack:
                name, at = stack.pop()
                if at == 0:
                    if name in done:
                        continue
                    path.append(name)
                if at < len(below[name]):
                    following = below[name][at]
                    stack.append((name, at + 1))
                    if following in path:
                        circle = " -> ".join([*path[path.index(following) :], following])
                        known = found.elements.get(following)
                        element = self.reactions[following].element if known is None else known
                        found.fail(element, f"{following} is defined by itself: {circle}")
                    stack.append((following, 0))
                else:
                    path.pop()
                    done.add(name)

    def refuse_missing(self, missing: set[str]) -> None:
        """A quantity without a value may stand in the file as long as nothing reads it."""
        found = self.quantities
        read = {name for name in found.all if found.all[name].role == "state"}
        for formula in self.formulas():
            read |= ids(formula).keys()
        for name in sorted(read):
            size = found.all[name].size if name in found.all else None
            read = read | {size} if size else read
        for name in found.all:
            if name in missing and name in read:
                each = found.all[name]
                found.fail(
                    each.element, f"{name} has no value, and neither a rule nor an assignment gives it one"
                )

    def formulas(self) -> list[Expr]:
        found = self.quantities
        every = [*found.assignments.values(), *found.rates.values(), *found.initial.values()]
        every += [formula for _, formula in found.algebraic]
        for reaction in self.reactions.values():
            every += [reaction.law, *(stoichiometry for _, stoichiometry, _ in reaction.sides)]
        return every

    # ---- meaning ----------------------------------------------------------------------------------
    def parameters(self) -> tuple[Expr, ...]:
        return tuple(each.symbol for each in self.quantities.all.values() if each.role in ("constant", "set"))

    def meanings(self) -> dict[Expr, Expr]:
        """What the leaves of formulas stand for during the run."""
        found = {quantity(name): each.meaning for name, each in self.quantities.all.items()}
        for name in self.reactions:
            found[quantity(name)] = symbol(Symbol(name, "variable"))
        return found

    def meant(self, element: Element, formula: Expr) -> Expr:
        """A formula over the symbols of the run."""
        self.quantities.check_known(element, formula, self.reactions)
        for name, kind in ids(formula).items():
            if kind == "rate" and rate_of(name) not in self.environment:
                self.environment[rate_of(name)] = self.rate(element, name)
            if name in self.reactions:
                self.read_ids.add(name)
        return substitute(formula, self.environment)

    def rate(self, element: Element, name: str) -> Expr:
        """The rate of change of an id."""
        each = self.quantities.all.get(name)
        if each is None:
            self.quantities.fail(element, f"rateOf({name}): a reaction has no rate of change here")
        if name in self.quantities.rates:
            return self.meant(element, self.quantities.rates[name])
        if each.role == "assigned":
            return D(self.meant(element, self.quantities.assignments[name]))
        return D(each.meaning)

    def rate_symbol(self, reaction: Reaction) -> Expr:
        """The rate of a reaction: a variable of its own where formulas read it, else its law."""
        if reaction.name in self.read_ids:
            return symbol(Symbol(reaction.name, "variable"))
        return self.meant(reaction.element, reaction.law)

    # ---- equations --------------------------------------------------------------------------------
    def rule_equations(self) -> list[Equation]:
        found = self.quantities
        result = []
        for name, formula in found.assignments.items():
            result.append(Equation(found.all[name].symbol, self.meant(found.elements[name], formula)))
        for name, formula in found.rates.items():
            each = found.all[name]
            value = self.meant(found.elements[name], formula)
            if each.size is not None:  # the rate of the concentration is given
                home = found.all[each.size]
                value = value * home.symbol
                if home.role not in ("constant", "set"):
                    value = value + each.meaning * self.rate(each.element, each.size)
            result.append(Equation(D(each.symbol), value))
        for rule, formula in found.algebraic:
            result.append(Equation(self.meant(rule, formula), ZERO))
        return result

    def network(self, changed: set[str]) -> ReactionNetwork | None:
        """The reactions as tables, where they can be."""
        plain = all(
            stoichiometry.is_number for r in self.reactions.values() for _, stoichiometry, _ in r.sides
        )
        factors = any(self.conversion(species) is not ONE for species in changed)
        if not changed or not plain or factors or any(r.fast for r in self.reactions.values()):
            return None
        rates = [(j, self.rate_or_variable(r)) for j, r in enumerate(self.reactions.values())]
        if any(leaf.op == "D" for leaf in leaves(rate for _, rate in rates)):
            return None
        order = {name: i for i, name in enumerate(sorted(changed, key=list(self.quantities.all).index))}
        sides = []
        for wanted in (-1, 1):
            entries = [
                (j, order[species], float(stoichiometry.value))
                for j, reaction in enumerate(self.reactions.values())
                for species, stoichiometry, sign in reaction.sides
                if sign == wanted and species in order
            ]
            reaction_, species_, count = zip(*entries, strict=True) if entries else ((), (), ())
            sides.append(
                Sides.of(np.array(reaction_, np.int64), np.array(species_, np.int64), np.array(count, float))
            )
        return ReactionNetwork.from_tables(
            _name(self.source, self.path), tuple(self.quantities.all[name].symbol for name in order),
            sides[0], sides[1], grouped_rates(rates), len(self.reactions), equations=self.read_rates(),
        )  # fmt: skip

    def rate_or_variable(self, reaction: Reaction) -> Expr:
        law = self.meant(reaction.element, reaction.law)
        return symbol(Symbol(reaction.name, "variable")) if reaction.name in self.read_ids else law

    def read_rates(self) -> list[Equation]:
        """Reactions whose id is read somewhere are variables."""
        return [
            Equation(
                symbol(Symbol(name, "variable")),
                self.meant(self.reactions[name].element, self.reactions[name].law),
            )
            for name in self.reactions
            if name in self.read_ids
        ]

    def conversion(self, species: str) -> Expr:
        """The factor from extents to the unit of a species."""
        element = self.quantities.all[species].element
        if self.source.getLevel() < 3:
            return ONE
        name = element.getConversionFactor() or self.source.getConversionFactor()
        if not name:
            return ONE
        if name not in self.quantities.all:
            self.quantities.fail(element, f"there is no parameter {name!r} for a conversion factor")
        return self.quantities.all[name].symbol

    def reaction_equations(self, changed: set[str]) -> list[Equation]:
        """Each species by its reactions, written one by one."""
        fast = next((r for r in self.reactions.values() if r.fast), None)
        if fast is not None:
            self.quantities.fail(fast.element, "fast reactions are not supported")
        total: dict[str, Expr] = dict.fromkeys(changed, ZERO)
        for reaction in self.reactions.values():
            rate = symbol(Symbol(reaction.name, "variable"))
            self.read_ids.add(reaction.name)
            for species, stoichiometry, sign in reaction.sides:
                if species in changed:
                    total[species] = (
                        total[species] + sign * self.meant(reaction.element, stoichiometry) * rate
                    )
        result = [
            Equation(D(self.quantities.all[name].symbol), self.conversion(name) * value)
            for name, value in total.items()
        ]
        return [*result, *self.read_rates()]

    def clock(self, statements: list[Any], network: ReactionNetwork | None) -> list[Equation]:
        """A model without a differential equation gets one, so that time passes in it."""
        if network is not None or any(each.role == "state" for each in self.quantities.all.values()):
            return []
        name = "clock"
        while name in self.quantities.all or name in self.reactions:
            name += "_"
        return [Equation(D(symbol(Symbol(name, "variable", about="passes the time", default=0))), ONE)]


def _name(model: Element, path: Path) -> str:
    """A name of the model that Python takes."""
    name = re.sub(r"\W", "_", model.getIdAttribute() or path.stem)
    if not name.isidentifier() or keyword.iskeyword(name) or name == "t":
        name = f"model_{name}"
    return name
