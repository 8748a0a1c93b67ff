"""SBML files from reaction networks and systems: Level 3 Version 2.

A network is written with its reactions. Of any other system the flattened form is written, with a rate rule
for each state, an assignment rule for what is explicit and algebraic rules for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from symnum.errors import ModelError
from symnum.language.block import Block
from symnum.language.event import Event
from symnum.language.reaction_network import ReactionNetwork
from symnum.language.system import System
from symnum.lowering.flat import FlatSystem, instance
from symnum.lowering.lower import lower
from symnum.models.chemistry.sbml_mathml import mathml
from symnum.models.chemistry.sbml_model import SBMLModel
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import (
    TIME,
    Expr,
    Operand,
    Symbol,
    as_expr,
    linear,
    node,
    rational,
    symbol,
)
from symnum.rewriting.walk import leaves, substitute, transform

__all__ = ["write_sbml"]

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">\n'
)
_RESERVED = frozenset({"time", "avogadro", "delay", "rateOf"})


def write_sbml(model: ReactionNetwork | SBMLModel | System, path: str | Path) -> Path:
    """Write a model as SBML; returns the path. Raises ModelError for what SBML cannot say."""
    document = _Document(model.name)
    if isinstance(model, SBMLModel) and model.fast:
        raise ModelError(f"{model.name}: SBML Level 3 Version 2, which is written, has no fast reactions")
    if isinstance(model, SBMLModel) and model.network is not None:
        document.add_network(model.network, model.statements, model.events)
    elif isinstance(model, ReactionNetwork):
        document.add_network(model, (), ())
    else:
        document.add_system(model.system() if isinstance(model, SBMLModel) else model)
    target = Path(path)
    target.write_text(document.text(), encoding="utf-8")
    return target


class _Document:
    """The lists of an SBML model, as XML."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ids: dict[tuple[str, str], str] = {}
        self.taken: set[str] = set()
        self.compartments: list[str] = []
        self.species: list[str] = []
        self.parameters: dict[str, str] = {}
        self.initial: list[str] = []
        self.rules: list[str] = []
        self.reactions: list[str] = []
        self.events: list[str] = []
        self.varying: set[str] = set()
        self.declared: set[str] = set()

    # ---- names and formulas -----------------------------------------------------------------------
    def id(self, name: str, kind: str = "") -> str:
        """The SBML id of a name: letters, digits and _ alone. kind: of what is no quantity."""
        key = kind, name
        if key not in self.ids:
            found = re.sub(r"\W", "_", name, flags=re.ASCII)
            found = found if re.match(r"[A-Za-z_]", found) else f"_{found}"
            while found in self.taken:
                found += "_"
            self.ids[key] = found
            self.taken.add(found)
        return self.ids[key]

    def math(self, expr: Expr) -> str:
        for leaf in leaves((expr,)):
            inner = leaf.args[0] if leaf.op == "D" else leaf
            if inner.op == "symbol" and inner.kind in ("variable", "parameter"):
                self.declare(inner)
        return mathml(expr, lambda leaf: self.id(leaf.name))

    def attributes(self, name: str, kind: str = "", **others: Any) -> str:
        own = self.id(name, kind)
        title = f" name={quoteattr(name)}" if own != name else ""
        texts = {k: str(value).lower() if isinstance(value, bool) else value for k, value in others.items()}
        return f'id="{own}"{title}' + "".join(f' {key}="{value}"' for key, value in texts.items())

    def declare(self, leaf: Expr) -> None:
        """A symbol that no list has yet is a parameter."""
        if leaf.name in self.declared:
            return
        self.declared.add(leaf.name)
        constant = leaf.kind == "parameter" and leaf.name not in self.varying
        given = "" if leaf.data.default is None else self.value(leaf.name, leaf.data.default)
        self.parameters[leaf.name] = (
            f"<parameter {self.attributes(leaf.name, constant=constant)}{given and f' value={given!r}'}/>"
        )

    def value(self, name: str, value: Operand) -> str:
        """A number as text; an expression becomes an initial assignment."""
        expr = as_expr(value)
        if expr.is_number:
            return repr(float(expr))
        self.initial.append(
            f'<initialAssignment symbol="{self.id(name)}">{self.math(expr)}</initialAssignment>'
        )
        return "0"

    # ---- rules ------------------------------------------------------------------------------------
    def assignment(self, target: Expr, value: Expr) -> None:
        if target.name not in self.declared:  # whatever its start was said to be, the rule gives it
            self.declare(symbol(Symbol(target.name, "variable")))
        self.rule("assignmentRule", target, value)

    def rate(self, target: Expr, value: Expr) -> None:
        self.rule("rateRule", target, value)

    def rule(self, kind: str, target: Expr, value: Expr) -> None:
        self.declare(target)
        self.rules.append(f'<{kind} variable="{self.id(target.name)}">{self.math(value)}</{kind}>')

    def algebraic(self, residual: Expr) -> None:
        self.rules.append(f"<algebraicRule>{self.math(residual)}</algebraicRule>")

    def add_equations(self, equations: Iterable[Equation], solved: set[str]) -> None:
        """Equations as rules. solved: names that have an equation already."""
        for equation in equations:
            for left, right in ((equation.lhs, equation.rhs), (equation.rhs, equation.lhs)):
                target = left.args[0] if left.op == "D" else left
                if target.kind != "variable" or target.name in solved:
                    continue
                if target in leaves((right,)) and left.op != "D":
                    continue
                solved.add(target.name)
                (self.rate if left.op == "D" else self.assignment)(target, right)
                break
            else:
                self.algebraic(equation.residual)

    # ---- a network --------------------------------------------------------------------------------
    def add_network(
        self, network: ReactionNetwork, statements: Sequence[Any], events: Sequence[Event]
    ) -> None:
        every = (*network.events, *events)
        self.varying |= {target.name for event in every for target in event.then}
        for statement in statements:
            if not isinstance(statement, (Equation, Block)):
                raise ModelError(f"{self.name}: {statement!r} cannot be written as SBML")
        equations = [*network.equations, *(s for s in statements if isinstance(s, Equation))]
        for compartment in network.compartments:
            volume = compartment.volume
            self.declared.add(name := compartment.name if volume.is_number else volume.name)
            size = volume if volume.is_number else volume.data.default
            constant = volume.is_number or (volume.kind == "parameter" and name not in self.varying)
            given = "" if size is None else f' size="{self.value(name, size)}"'
            head = self.attributes(name, spatialDimensions=3, constant=constant)
            self.compartments.append(f"<compartment {head}{given}/>")
        home = ""
        fixed = {leaf.name for leaf in (*network.constant, *network.boundary)}
        for i, leaf in enumerate(network.species):
            self.declared.add(leaf.name)
            amount = True
            if i in network.placed:
                where, amount = network.placed[i]
                inside = self.id(where.name if where.volume.is_number else where.volume.name)
            else:
                inside = home = home or self.unit_compartment()
            start = network.starts.get(leaf, leaf.data.default)
            kind = "initialAmount" if amount else "initialConcentration"
            given = "" if start is None else f' {kind}="{self.value(leaf.name, start)}"'
            head = self.attributes(
                leaf.name, compartment=inside, hasOnlySubstanceUnits=amount,
                boundaryCondition=leaf.name in fixed, constant=False,
            )  # fmt: skip
            self.species.append(f"<species {head}{given}/>")
        for j in range(network.n_reactions):
            self.add_reaction(network, j)
        reacting = {leaf.name for leaf in network.species} - fixed
        if network.totals is not None:
            for row, leaf in enumerate(network.totals.symbols):
                members = network.totals.members.of_reaction(row)
                total = linear((network.species[i], rational(count)) for i, count in members)
                self.assignment(leaf, total)
        self.add_equations(equations, reacting)
        for leaf in network.parameters:
            self.declare(leaf)
        for event in every:
            self.add_event(event)

    def unit_compartment(self) -> str:
        head = self.attributes("compartment", "home", spatialDimensions=3, size=1, constant=True)
        self.compartments.append(f"<compartment {head}/>")
        return self.id("compartment", "home")

    def add_reaction(self, network: ReactionNetwork, j: int) -> None:
        sides = ""
        for tag, side in (("Reactants", network.reactants), ("Products", network.products)):
            references = "".join(
                f'<speciesReference species="{self.id(network.species[i].name)}" stoichiometry="{count!r}"'
                ' constant="true"/>'
                for i, count in side.of_reaction(j)
            )
            sides += f"<listOf{tag}>{references}</listOf{tag}>" if references else ""
        rate = network.rate(j)
        taking_part = {network.species[i] for i, _ in network.reactants.of_reaction(j)}
        taking_part |= {network.species[i] for i, _ in network.products.of_reaction(j)}
        read = [leaf for leaf in network.species if leaf in set(leaves((rate,))) - taking_part]
        modifiers = "".join(f'<modifierSpeciesReference species="{self.id(leaf.name)}"/>' for leaf in read)
        sides += f"<listOfModifiers>{modifiers}</listOfModifiers>" if modifiers else ""
        name = network.reaction_names[j] or f"reaction_{j + 1}"
        head = self.attributes(name, "reaction", reversible=False)
        self.reactions.append(
            f"<reaction {head}>{sides}<kineticLaw>{self.math(rate)}</kineticLaw></reaction>"
        )

    # ---- any system -------------------------------------------------------------------------------
    def add_system(self, system: System) -> None:
        flat = lower(system)
        if flat.limits or flat.structure.choices:
            raise ModelError(
                f"{self.name}: hard limits and states chosen in the run cannot be written as SBML"
            )
        self.varying |= {target.name for event in flat.events for target in event.then}
        defaults = {getattr(key, "name", str(key)): value for key, value in system.defaults.items()}
        symbols = _Symbols(flat, defaults)
        n = len(flat.unknowns)
        for i in range(n):
            target = symbols.of(i)
            if flat.structure.representative[i] != i:
                self.assignment(target, symbols.of(int(flat.structure.representative[i])))
            elif flat.position[i] < 0:
                definition = flat.definition(i)
                assert definition is not None
                self.assignment(target, symbols.named(definition))
            elif flat.mass[flat.position[i]]:
                derivative = flat.definition(n + i)
                value = symbols.of(n + i) if derivative is None else symbols.named(derivative)
                self.rate(target, value)
            else:
                self.declare(target)
        for family in flat.structure.residuals:
            for copy in range(family.count):
                self.algebraic(symbols.named(instance(family, copy)))
        sums = flat.structure.sums
        for row in flat.structure.residual_sums:
            entries = zip(sums.unknown[sums.row(row)], sums.coefficient[sums.row(row)], strict=True)
            self.algebraic(linear((symbols.of(int(k)), rational(float(c))) for k, c in entries))
        for info in flat.parameters:
            if info.name not in symbols.delays:
                self.declare(symbols.parameter(info))
        for event in flat.events:
            self.add_event(event.map_expressions(symbols.renamed))

    # ---- events -----------------------------------------------------------------------------------
    def add_event(self, event: Event) -> None:
        if event.trigger is not None and not event.then and not event.terminal:
            return  # steps end there, which is no business of SBML
        if event.terminal:
            raise ModelError(f"{self.name}: {event}: SBML has no event that ends the run")
        if event.at is not None:
            for time in event.at:
                self.event_element(event, time <= TIME, initially=False)
        elif event.when is not None:
            for direction, condition in ((1, event.when > 0), (-1, event.when < 0)):
                if event.crossing in (0, direction):
                    self.event_element(event, condition, initially=True)
        elif event.trigger is not None:
            self.event_element(event, event.trigger, initially=event.initially)

    def event_element(self, event: Event, condition: Expr, *, initially: bool) -> None:
        early = str(event.values == "trigger" or event.trigger is None).lower()
        parts = [
            f'<trigger initialValue="{str(initially).lower()}" persistent="{str(event.persistent).lower()}">'
            f"{self.math(condition)}</trigger>"
        ]
        for tag, expr in (("priority", event.priority), ("delay", event.delay)):
            if expr is not None:
                parts.append(f"<{tag}>{self.math(expr)}</{tag}>")
        assignments = "".join(
            f'<eventAssignment variable="{self.id(target.name)}">{self.math(value)}</eventAssignment>'
            for target, value in event.then.items()
        )
        for target in event.then:
            self.declare(target)
        own = self.id(f"event_{len(self.events) + 1}", "event")
        title = f" name={quoteattr(event.name)}" if event.name else ""
        self.events.append(
            f'<event id="{own}"{title} useValuesFromTriggerTime="{early}">'
            f"{''.join(parts)}<listOfEventAssignments>{assignments}</listOfEventAssignments></event>"
        )

    # ---- the file ---------------------------------------------------------------------------------
    def text(self) -> str:
        lists = (
            ("Compartments", self.compartments), ("Species", self.species),
            ("Parameters", list(self.parameters.values())), ("InitialAssignments", self.initial),
            ("Rules", self.rules), ("Reactions", self.reactions), ("Events", self.events),
        )  # fmt: skip
        body = "".join(
            f"<listOf{name}>\n" + "\n".join(items) + f"\n</listOf{name}>\n" for name, items in lists if items
        )
        return f"{_HEAD}<model {self.attributes(self.name, 'model')}>\n{body}</model>\n</sbml>\n"


class _Symbols:
    """Numbers of a flat system as symbols with values, delays put back in."""

    def __init__(self, flat: FlatSystem, defaults: dict[str, Any]) -> None:
        self.flat, self.defaults = flat, defaults
        self.delays = {each.parameter: each for each in flat.delays}
        self.starts = flat.unknowns.block_values()
        self.values = flat.parameters.block_values()

    def of(self, number: int) -> Expr:
        """An unknown, or a derivative, which may be an unknown of its own."""
        n = len(self.flat.unknowns)
        if number >= n and self.flat.position[number] < 0:
            return node("D", (self.of(number - n),))
        if number >= n:
            return symbol(Symbol(self.flat.number_name(number), "variable"))
        info = self.flat.unknowns[number]
        start = self.defaults.get(info.name, info.default)
        if start is None and not np.isnan(self.starts[number]):
            start = float(self.starts[number])
        return symbol(Symbol(info.name, "variable", default=info.guess if start is None else start))

    def parameter(self, info: Symbol) -> Expr:
        value = self.defaults.get(info.name, info.default)
        number = self.flat.parameters.find(info.name)
        if value is None and number is not None and not np.isnan(self.values[number]):
            value = float(self.values[number])
        return symbol(Symbol(info.name, "parameter", default=value))

    def named(self, expr: Expr) -> Expr:
        """An expression over numbers as one over symbols."""
        mapping: dict[Expr, Expr] = {}
        for leaf in leaves((expr,)):
            if leaf.op != "slot":
                continue
            letter, number = leaf.data
            if letter == "p":
                mapping[leaf] = self.parameter(self.flat.parameters[number])
            else:
                mapping[leaf] = self.of(number)
        (found,) = self.renamed((substitute((expr,), mapping)[0],))
        return found

    def renamed(self, exprs: Sequence[Expr]) -> Sequence[Expr]:
        """Symbols as written by the user get their values; parameters that stand for delays are delays."""

        def visit(part: Expr) -> Expr:
            if part.op != "symbol" or part.kind not in ("variable", "parameter"):
                return part
            if part.name in self.delays:
                each = self.delays[part.name]
                return node("delay", tuple(self.renamed(each.expressions())))
            number = self.flat.unknowns.find(part.name)
            if number is not None:
                return self.of(number)
            return self.parameter(part.data)

        return transform(exprs, visit)
