"""Models in the Systems Biology Markup Language, Levels 1 to 3: `read_sbml`.

What is read: Hucka et al., SBML Level 3 Version 2 Core, J. Integrative Bioinformatics 16 (2019) 20190021, and
the earlier Levels; models that are composed of submodels (package comp) are flattened by libSBML.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symnum.language.block import Block, References
from symnum.language.compartment import Compartment
from symnum.language.event import Event
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.reaction_tables import Sides, grouped_rates
from symnum.language.variables import D
from symnum.models.chemistry.sbml_document import Element, open_model
from symnum.models.chemistry.sbml_events import event_targets, events_of
from symnum.models.chemistry.sbml_formula import Formulas, ids, quantity, rate_of
from symnum.models.chemistry.sbml_model import SBMLModel
from symnum.models.chemistry.sbml_quantities import Quantities
from symnum.models.chemistry.sbml_reactions import Reaction, reactions_of
from symnum.models.chemistry.sbml_starts import Starts, within
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import ONE, ZERO, Expr, Symbol, node, symbol
from symnum.rewriting.walk import postorder, transform

__all__ = ["read_sbml"]

FAST = 1e9  # relative errors of a quasi-equilibrium are its inverse, where rates are of the order of 1


def read_sbml(path: str | Path) -> SBMLModel:
    """The model in an SBML file. Raises ModelError with file, line and id of what is wrong or unknown."""
    where = Path(path)
    document, model = open_model(where)
    found = _Reader(where, model).model()
    del document  # had to live until here
    return found


class _Reader:
    def __init__(self, path: Path, model: Element) -> None:
        self.path, self.source = path, model
        self.quantities = Quantities(path, model, Formulas(path, model))
        self.reactions = reactions_of(self.quantities)
        self.read_ids: set[str] = set()
        self.fast: Expr | None = None  # by how much fast reactions are faster than their laws say
        if any(reaction.fast for reaction in self.reactions.values()):
            about = "speed of fast reactions over that of their laws"
            self.fast = symbol(Symbol(self.unused("fast"), "parameter", None, about, FAST))
        self.relaxation: list[Equation] = []

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
        self.starts = starts = Starts(found, self.reactions)
        starts.run()
        self.check_rules()
        self.refuse_missing(starts.missing)
        self.environment = self.meanings()
        self.known: dict[Expr, Expr] = {}  # formulas over the symbols of the run
        rules = self.rule_equations()
        statements: list[Any] = [*rules]
        events = events_of(found, self.meant)
        for reaction in self.reactions.values():  # before it is decided which rates are variables
            for formula in (reaction.law, *(stoichiometry for _, stoichiometry, _ in reaction.sides)):
                self.meant(reaction.element, formula)
        network = self.network(changed)
        if network is None:
            statements += self.reaction_equations(changed)
            if self.parameters():
                statements.insert(0, Block((References(self.parameters()),), ()))
        statements += self.clock(statements, network)
        if self.relaxation:  # what holds at any time holds while the fast reactions settle
            self.relaxation += [rule for rule in rules if rule.lhs.op != "D"]
        watched = self.watched(rules)
        for each in found.all.values():
            each.element = None  # it belongs to the document, which ends with the reading
        meaning = {name: each.meaning for name, each in found.all.items()}
        for name, reaction in self.reactions.items():
            meaning[name] = self.rate_symbol(reaction)
        return SBMLModel(
            _name(self.source, self.path),
            found.all,
            meaning,
            network,
            tuple(statements),
            tuple(events),
            watched,
            tuple([*statements[:1], *self.relaxation] if self.relaxation else ()),
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
        if formula.is_number:
            return formula
        if formula in self.known:
            return self.known[formula]
        self.quantities.check_known(element, formula, self.reactions)
        for name, kind in ids(formula).items():
            if kind == "rate" and rate_of(name) not in self.environment:
                self.environment[rate_of(name)] = self.rate(element, name)
            if name in self.reactions:
                self.read_ids.add(name)
        self.known[formula] = within(self.with_past(formula), self.environment)
        return self.known[formula]

    def with_past(self, formula: Expr) -> Expr:
        """Delays get what they look up before the start."""

        def completed(part: Expr) -> Expr:
            if part.op != "delay" or len(part.args) != 2:
                return part
            before = self.starts.before(part.args[0])
            return part if before is None else node("delay", (*part.args, before))

        return transform((formula,), completed)[0]

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

    def watched(self, rules: Sequence[Equation]) -> tuple[Event, ...]:
        """The conditions of pieces, where what they choose jumps: steps end there."""
        laws = [self.meant(reaction.element, reaction.law) for reaction in self.reactions.values()]
        every = postorder([*laws, *(rule.rhs for rule in rules), *(rule.lhs for rule in rules)])
        conditions = dict.fromkeys(part.args[0] for part in every if part.op == "ifelse")
        return tuple(Event(trigger=condition, then={}) for condition in conditions)

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
        if any(part.op in ("D", "delay") for part in postorder(rate for _, rate in rates)):
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
            parameters=self.parameters(), names=tuple(self.reactions), compartments=self.homes(order),
        )  # fmt: skip

    def homes(self, species: Iterable[str]) -> list[Compartment]:
        """The compartments with the amounts in them."""
        found: dict[str, list[Expr]] = {}
        for name in species:
            each = self.quantities.all[name]
            found.setdefault(each.home, []).append(each.symbol)
        every = self.quantities.all
        return [Compartment(_plain(c), every[c].symbol, amounts=inside) for c, inside in found.items()]

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
        self.read_ids |= self.reactions.keys()
        slow, fast = self.totals(changed, fast=False), self.totals(changed, fast=True)
        rates = self.read_rates()
        speed: Expr = ONE
        if self.fast is not None:
            speed = self.fast
            states = [name for name, each in self.quantities.all.items() if each.role == "state"]
            self.relaxation = [Equation(D(self.quantities.all[n].symbol), fast.get(n, ZERO)) for n in states]
            self.relaxation += rates
        changes = [Equation(D(self.quantities.all[n].symbol), slow[n] + speed * fast[n]) for n in slow]
        return [*changes, *rates]

    def totals(self, changed: set[str], *, fast: bool) -> dict[str, Expr]:
        """What the fast or the other reactions add to each species, per time."""
        total: dict[str, Expr] = dict.fromkeys(sorted(changed), ZERO)
        for reaction in self.reactions.values():
            rate = symbol(Symbol(reaction.name, "variable"))
            for species, stoichiometry, sign in reaction.sides:
                if species in changed and reaction.fast == fast:
                    amount = sign * self.meant(reaction.element, stoichiometry)
                    total[species] = total[species] + self.conversion(species) * amount * rate
        return total

    def unused(self, name: str) -> str:
        while name in self.quantities.all or name in self.reactions:
            name += "_"
        return name

    def clock(self, statements: list[Any], network: ReactionNetwork | None) -> list[Equation]:
        """A model without a differential equation gets one, so that time passes in it."""
        if network is not None or any(each.role == "state" for each in self.quantities.all.values()):
            return []
        name = self.unused("clock")
        return [Equation(D(symbol(Symbol(name, "variable", about="passes the time", default=0))), ONE)]


def _name(model: Element, path: Path) -> str:
    """A name of the model that Python takes."""
    return _plain(re.sub(r"\W", "_", model.getIdAttribute() or path.stem))


def _plain(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name) or name == "t":
        name = f"model_{name}"
    return name
