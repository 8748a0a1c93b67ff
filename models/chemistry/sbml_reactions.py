"""The reactions of an SBML model: rate laws over quantities, and what a turnover adds to each species."""

from __future__ import annotations

import math
from typing import NamedTuple

from symnum.models.chemistry.sbml_document import Element
from symnum.models.chemistry.sbml_formula import quantity
from symnum.models.chemistry.sbml_quantities import Quantities, Quantity
from symnum.rewriting.expr import ONE, Expr, number
from symnum.rewriting.walk import substitute

__all__ = ["Reaction", "reactions_of"]


class Reaction(NamedTuple):
    """law: extent per time, over quantities. sides: (species, stoichiometry over quantities, sign)."""

    name: str
    element: Element
    law: Expr
    sides: tuple[tuple[str, Expr, int], ...]

    @property
    def fast(self) -> bool:
        return bool(self.element.getFast())


def reactions_of(quantities: Quantities) -> dict[str, Reaction]:
    """The reactions by id. Local parameters become quantities called ``reaction:parameter``."""
    model = quantities.model
    found: dict[str, Reaction] = {}
    for k in range(model.getNumReactions()):
        element = model.getReaction(k)
        name = element.getId()
        if name in quantities.all or name in found:
            quantities.fail(element, f"the id {name} is used twice")
        found[name] = Reaction(name, element, _law(quantities, element), _sides(quantities, element))
    for reaction in found.values():
        quantities.check_known(reaction.element, reaction.law, found)
        for _, stoichiometry, _ in reaction.sides:
            quantities.check_known(reaction.element, stoichiometry, found)
    return found


def _law(quantities: Quantities, reaction: Element) -> Expr:
    law = reaction.getKineticLaw()
    formula = None if law is None else quantities.formulas.of(law)
    if formula is None:
        quantities.fail(
            reaction, f"{reaction.getId()} has no kinetic law, so that nothing says how fast it runs; add one"
        )
    local = law.getListOfParameters() if quantities.model.getLevel() < 3 else law.getListOfLocalParameters()
    mapping: dict[Expr, Expr] = {}
    for k in range(local.size()):
        parameter = local.get(k)
        name = f"{reaction.getId()}:{parameter.getId()}"
        given = quantities.finite(parameter, parameter.getValue()) if parameter.isSetValue() else None
        quantities.add(Quantity(name, "parameter", parameter, True, given))
        mapping[quantity(parameter.getId())] = quantity(name)
    return substitute(formula, mapping)


def _sides(quantities: Quantities, reaction: Element) -> tuple[tuple[str, Expr, int], ...]:
    found = []
    for references, sign in ((reaction.getListOfReactants(), -1), (reaction.getListOfProducts(), 1)):
        for k in range(references.size()):
            reference = references.get(k)
            species = reference.getSpecies()
            known = quantities.all.get(species)
            if known is None or known.kind != "species":
                quantities.fail(reaction, f"there is no species {species!r}")
            if not known.element.getBoundaryCondition():
                if known.constant:
                    quantities.fail(reaction, f"the species {species} is constant and cannot react")
                if species in quantities.rates or species in quantities.assignments:
                    quantities.fail(
                        reaction, f"{species} is given by a rule; only a boundary species may react as well"
                    )
            found.append((species, _stoichiometry(quantities, reaction, reference), sign))
    return tuple(found)


def _stoichiometry(quantities: Quantities, reaction: Element, reference: Element) -> Expr:
    if reference.isSetStoichiometryMath():
        formula = quantities.formulas.of(reference.getStoichiometryMath())
        return ONE if formula is None else formula
    name = reference.getIdAttribute()
    known = quantities.all.get(name) if name else None
    if known is not None and (known.role != "constant" or not known.constant or name in quantities.initial):
        return quantity(name)
    value = reference.getStoichiometry()
    if not math.isfinite(value):
        quantities.fail(reaction, f"the stoichiometry of {reference.getSpecies()} has no value")
    if value < 0:
        quantities.fail(
            reaction,
            f"the stoichiometry of {reference.getSpecies()} is {value:g}; name the species on the other side",
        )
    return number(value) / number(reference.getDenominator())
