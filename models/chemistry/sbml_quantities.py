"""What has a value in an SBML model: compartments, species, parameters, stoichiometries; what gives it.

The symbol of a species is its amount, whatever formulas read: a concentration is the amount over the size of
the compartment. Only a species whose concentration is given by an assignment rule has that as its symbol.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from symnum.errors import ModelError
from symnum.models.chemistry.sbml_document import Element, where
from symnum.models.chemistry.sbml_formula import Formulas, ids, quantity
from symnum.rewriting.expr import ZERO, Expr, Symbol, number, symbol

__all__ = ["Quantities", "Quantity"]


@dataclass
class Quantity:
    """One id with a value.

    role: "constant"; "set" (by events alone); "state" (has a rate); "assigned" (by a rule); "algebraic" (by
    an algebraic rule). given: the value in the file over quantities; None: none. size: for a species whose
    id means its concentration, the id of the compartment.
    """

    name: str
    kind: str  # compartment | species | parameter | reference
    element: Element
    constant: bool
    given: Expr | None
    size: str | None = None
    amount: Expr | None = None  # of a species: its initial amount where the file gives that
    home: str = ""  # of a species: the id of its compartment
    role: str = "constant"
    symbol: Expr = field(default=ZERO)
    meaning: Expr = field(default=ZERO)  # of the id in formulas, during the run


class Quantities:
    """All quantities of a model, its rules and initial assignments."""

    def __init__(self, path: Path, model: Element, formulas: Formulas) -> None:
        self.path, self.model, self.formulas = path, model, formulas
        self.all: dict[str, Quantity] = {}
        self.assignments: dict[str, Expr] = {}
        self.rates: dict[str, Expr] = {}
        self.algebraic: list[tuple[Element, Expr]] = []
        self.initial: dict[str, Expr] = {}
        self.elements: dict[str, Element] = {}  # of rules and assignments, by the id that they are about
        self.compartments()
        self.parameters()
        self.species()
        self.references()
        self.rules()

    def fail(self, element: Element, problem: str) -> NoReturn:
        raise ModelError(f"{where(self.path, element)}: {problem}")

    def add(self, found: Quantity) -> None:
        if found.name in self.all:
            self.fail(found.element, f"the id {found.name} is used twice")
        self.all[found.name] = found

    # ---- what the file lists ----------------------------------------------------------------------
    def compartments(self) -> None:
        for k in range(self.model.getNumCompartments()):
            element = self.model.getCompartment(k)
            given = self.finite(element, element.getSize()) if element.isSetSize() else None
            self.add(Quantity(element.getId(), "compartment", element, element.getConstant(), given))

    def parameters(self) -> None:
        for k in range(self.model.getNumParameters()):
            element = self.model.getParameter(k)
            given = self.finite(element, element.getValue()) if element.isSetValue() else None
            self.add(Quantity(element.getId(), "parameter", element, element.getConstant(), given))

    def species(self) -> None:
        for k in range(self.model.getNumSpecies()):
            element = self.model.getSpecies(k)
            home = element.getCompartment()
            if home not in self.all or self.all[home].kind != "compartment":
                self.fail(element, f"there is no compartment {home!r}")
            dimensions = self.all[home].element.getSpatialDimensionsAsDouble()
            size = None if element.getHasOnlySubstanceUnits() or dimensions == 0 else home
            amount = given = None
            if element.isSetInitialAmount():
                amount = self.finite(element, element.getInitialAmount())
                given = amount if size is None else amount / quantity(size)
            elif element.isSetInitialConcentration():
                given = self.finite(element, element.getInitialConcentration())
                if size is None and dimensions != 0:
                    given = given * quantity(home)
            constant = element.getConstant()
            self.add(Quantity(element.getId(), "species", element, constant, given, size, amount, home))

    def references(self) -> None:
        """Stoichiometries that have an id."""
        for k in range(self.model.getNumReactions()):
            reaction = self.model.getReaction(k)
            sides = (reaction.getListOfReactants(), reaction.getListOfProducts())
            for reference in (side.get(i) for side in sides for i in range(side.size())):
                name = reference.getIdAttribute()
                if not name:
                    continue
                if reference.isSetStoichiometryMath():
                    continue
                value = reference.getStoichiometry()
                given = number(value) if math.isfinite(value) else None
                self.add(Quantity(name, "reference", reference, reference.getConstant(), given))

    def finite(self, element: Element, value: float) -> Expr:
        if not math.isfinite(value):
            self.fail(element, f"its value is {value}; values that are not finite are not supported")
        return number(value)

    # ---- rules ------------------------------------------------------------------------------------
    def rules(self) -> None:
        for k in range(self.model.getNumRules()):
            rule = self.model.getRule(k)
            formula = self.formulas.of(rule)
            if formula is None:
                continue  # Level 3 Version 2 allows rules without a formula: they say nothing
            if rule.isAlgebraic():
                self.algebraic.append((rule, formula))
                continue
            target = self.target(rule, rule.getVariable())
            if target in self.assignments or target in self.rates:
                self.fail(rule, f"there are two rules for {target}")
            (self.rates if rule.isRate() else self.assignments)[target] = formula
            self.elements[target] = rule
            self.all[target].role = "state" if rule.isRate() else "assigned"
        for k in range(self.model.getNumInitialAssignments()):
            assignment = self.model.getInitialAssignment(k)
            formula = self.formulas.of(assignment)
            if formula is None:
                continue
            target = assignment.getSymbol()
            if target not in self.all:
                self.fail(assignment, f"there is nothing called {target!r}")
            if target in self.assignments:
                self.fail(assignment, f"{target} is given by a rule already")
            self.initial[target] = formula
            self.elements.setdefault(target, assignment)

    def target(self, rule: Element, name: str) -> str:
        found = self.all.get(name)
        if found is None:
            self.fail(rule, f"there is nothing called {name!r}")
        if found.constant and self.model.getLevel() > 1:
            self.fail(rule, f"{name} is constant, so that no rule can change it")
        return name

    def check_known(self, element: Element, formula: Expr, also: object = ()) -> None:
        """Every id in a formula has to exist. also: ids that are no quantities."""
        for name in ids(formula):
            if name not in self.all and name not in also:  # type: ignore[operator]
                self.fail(element, f"there is nothing called {name!r} in the model")

    # ---- algebraic rules --------------------------------------------------------------------------
    def match_algebraic(self, taken: set[str], preferred_last: set[str]) -> None:
        """Give every algebraic rule a quantity that it determines. taken: what reactions change."""
        free = {
            name
            for name, found in self.all.items()
            if not found.constant and found.role not in ("state", "assigned") and name not in taken
        }
        candidates = []
        for _, formula in self.algebraic:
            reads, waiting = set(), list(ids(formula))
            while waiting:
                name = waiting.pop()
                if name not in reads:
                    reads.add(name)
                    waiting += ids(self.assignments[name]) if name in self.assignments else ()
                    if name in self.all and self.all[name].size is not None:
                        waiting.append(str(self.all[name].size))
            order = {name: k for k, name in enumerate(self.all)}
            mine = sorted(reads & free, key=lambda name: (name in preferred_last, order[name]))
            candidates.append(mine)
        owner: dict[str, int] = {}

        def place(k: int, seen: set[str]) -> bool:
            for name in candidates[k]:
                if name not in seen:
                    seen.add(name)
                    if name not in owner or place(owner[name], seen):
                        owner[name] = k
                        return True
            return False

        for k, (rule, _) in enumerate(self.algebraic):
            if not place(k, set()):
                self.fail(rule, "no quantity is left for this algebraic rule to determine")
        for name in owner:
            self.all[name].role = "algebraic"


def made(found: Quantity, start: Expr | None, nominal: float | None = None) -> Expr:
    """The symbol of a quantity with its start and usual size."""
    about = found.element.getName() or None
    if found.role in ("constant", "set"):
        return symbol(Symbol(found.name, "parameter", None, about, start))
    if found.role == "algebraic":
        return symbol(Symbol(found.name, "variable", None, about, None, start, nominal))
    if found.role == "assigned":
        return symbol(Symbol(found.name, "variable", None, about))
    return symbol(Symbol(found.name, "variable", None, about, start, None, nominal))
