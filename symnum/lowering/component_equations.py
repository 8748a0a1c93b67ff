"""Equations of components: those of one class and variant are traced once and are born as families."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from symnum.errors import ModelError
from symnum.language.component import TEMPLATE_PATH, Component, Statement, check_attributes
from symnum.language.connect import Connection
from symnum.language.limit import Limit
from symnum.language.neural_network import with_networks_written_out
from symnum.language.switch import switch_of
from symnum.language.variables import joined
from symnum.lowering.connections import Nodes
from symnum.lowering.delays import check_no_delay
from symnum.lowering.families import Family, IntArray, compacted
from symnum.lowering.numbering import Numbering
from symnum.lowering.raw import LimitFamily
from symnum.lowering.statement_units import check_statement
from symnum.record import record
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Symbol, slot, symbol
from symnum.rewriting.walk import leaves, substitute


@record
class Members:
    """The components of one variant: their paths; and per symbol of their template (path of child, name).

    start: by path of child, and whether of parameters, the numbers of the first quantity of every member.
    """

    paths: Sequence[str]
    own: dict[Expr, tuple[str, str]]
    start: dict[tuple[str, bool], IntArray]


class ComponentEquations:
    """Writes the families, connections and limits of components to ``numbering.raw`` and ``nodes``."""

    def __init__(self, numbering: Numbering, nodes: Nodes) -> None:
        self.numbering, self.nodes = numbering, nodes
        self.raw = numbering.raw

    def trace(self, owner: int, members: list[Component]) -> None:
        template = members[0].template()
        for member in members:
            if not member.children:
                check_attributes(member, template)
                continue
            for one, read in zip(member.all_components(), template.all_components(), strict=True):
                check_attributes(one, read)
        own = _own_symbols(template)
        paths = [member.path for member in members]
        title = type(template).__name__
        statements = _without_networks(_statements(template.equations(), title))

        group = Members(paths, own, {})
        for statement in statements:
            if isinstance(statement, Connection):
                self.nodes.join_members(statement, template, self.homes(statement, template, paths))
            elif isinstance(statement, Equation):
                check_statement(statement, title, statement)
                check_no_delay(statement.residual, f"{title}: {statement}")
                label = _labels(statement, paths)
                self.raw.families.append(self.family(statement.residual, group, owner, label))
            elif isinstance(statement, Limit):
                self.limit(statement, group, owner, title, paths)
            else:
                raise ModelError(
                    f"{title}.equations: {statement!r} is neither an equation, a connection nor a limit. "
                    "Python may have compared two plain values: an equation needs a variable or parameter."
                )

    def homes(self, connection: Connection, template: Component, paths: list[str]) -> list[list[str]]:
        """For every connector of a class's connection the path of its component, in all instances."""
        own = {component.path for component in template.all_components()}
        found = []
        for port in connection.ports:
            path = "" if port.owner is None else port.owner.path
            child = path.removeprefix(TEMPLATE_PATH).removeprefix(".")
            found.append([path] * len(paths))
            if path in own:
                found[-1] = [joined(home, child) for home in paths] if child else paths
        return found

    def family(self, root: Expr, members: Members, owner: int, label: Callable[[int], str]) -> Family:
        mapping: dict[Expr, Expr] = {}
        letters = ""
        columns: list[IntArray] = []
        for leaf in leaves((root,)):
            if leaf.op == "symbol" and leaf.kind == "time":
                continue
            if leaf.op == "symbol" and leaf.kind == "parameter":
                letter = "p"
            elif leaf.op in ("symbol", "D"):
                letter = "u"
            else:
                continue
            mapping[leaf] = slot(letter, len(columns))
            letters += letter
            columns.append(self.numbers(leaf, members))
        (body,) = substitute((root,), mapping)
        count = len(members.paths)
        return compacted(
            Family(
                body,
                letters,
                tuple(columns),
                owner,
                np.arange(count),
                (label, np.arange(count)),
                np.full(count, -1),
            )
        )

    def numbers(self, leaf: Expr, members: Members) -> IntArray:
        """(members,) the numbers of an unknown, derivative or parameter of a template.

        Quantities of a component are numbered one after the other, so that the first member tells how far
        behind the first quantity of its component one stands, in all members.
        """

        def number(path: str) -> int:
            def absolute(leaf: Expr) -> str:
                return joined(path, joined(*members.own[leaf])) if leaf in members.own else leaf.name

            if leaf.kind == "parameter":
                return self.numbering.number_of(leaf, absolute(leaf))
            return self.numbering.number_of_unknown(leaf, absolute)

        paths, named = members.paths, leaf.args[0] if leaf.op == "D" else leaf
        if named.op == "symbol" and named.data.condition is not None:
            switches = [_switch_at(path, named, members) for path in paths]
            return np.array([self.numbering.number_of(one, one.name) for one in switches], np.int64)
        first = number(paths[0])
        if named.op == "D":  # a second derivative may be an unknown of its own, numbered where it occurs
            return np.array([first, *(number(path) for path in paths[1:])], np.int64)
        if named not in members.own:
            return np.full(len(paths), first, np.int64)
        child, _ = members.own[named]
        key = child, leaf.kind == "parameter"
        if key not in members.start:
            homes = [joined(path, child) for path in paths] if child else paths
            members.start[key] = np.array([self.numbering.first[home][key[1]] for home in homes], np.int64)
        start = members.start[key]
        numbers: IntArray = first + (start[0] - start if leaf.op == "D" else start - start[0])
        return numbers

    def limit(
        self,
        limit: Limit,
        members: Members,
        owner: int,
        title: str,
        paths: Sequence[str],
    ) -> None:
        label = _labels(limit, paths)
        state = self.numbers(limit.state, members)
        for side, bound in ((1, limit.high), (-1, limit.low)):
            if bound is None:
                continue
            check_statement(Equation(limit.state, bound), title, limit)
            distance = self.family(side * (limit.state - bound), members, owner, label)
            self.raw.limits.append(LimitFamily(distance, state, side))


def _labels(statement: Statement, paths: Sequence[str]) -> Callable[[int], str]:
    """The statement of a class in the names of its instances."""
    text = str(statement)
    return lambda row: re.sub(rf"\b{TEMPLATE_PATH}\.", f"{paths[row]}.", text)


def _statements(found: Any, title: str) -> list[Statement]:
    if isinstance(found, (Equation, Connection, Limit)) or not isinstance(found, Iterable):
        raise ModelError(f"{title}.equations: return a list of equations, not {found!r}")
    return list(found)


def _without_networks(statements: list[Statement]) -> list[Statement]:
    """Networks are written out: their layers would be families of one copy, and there are many members."""
    equations = iter(with_networks_written_out([one for one in statements if isinstance(one, Equation)]))
    return [next(equations) if isinstance(one, Equation) else one for one in statements]


def _own_symbols(template: Component) -> dict[Expr, tuple[str, str]]:
    """Symbols of a template instance and of its children: (path of the child, name within it)."""
    own: dict[Expr, tuple[str, str]] = {}
    for component in template.all_components():
        child = component.path.removeprefix(TEMPLATE_PATH).removeprefix(".")
        for declaration in component.quantities.values():
            if declaration.role != "option":
                own[declaration.symbol(component.path, component.settings)] = child, declaration.name
        for name, prototype in component.connectors.items():
            for declaration in prototype.quantities:
                leaf = declaration.symbol(joined(component.path, name), {})
                own[leaf] = child, joined(name, declaration.name)
    return own


def _switch_at(path: str, leaf: Expr, members: Members) -> Expr:
    """The parameter of a switch of the template as the instance at ``path`` has it."""
    condition: Expr = leaf.data.condition
    mapping: dict[Expr, Expr] = {}
    for own in leaves((condition,)):
        while own.op == "D":
            own = own.args[0]
        if own in members.own:
            mapping[own] = symbol(Symbol(joined(path, joined(*members.own[own])), own.kind))
    return switch_of(substitute((condition,), mapping)[0])
