"""Flattening: a `System` becomes numbered scalar unknowns and parameters with families of equations.

Components of one class and variant are traced once: their equations are born as families whose columns are
looked up by name. Connections become pairs of equal potentials and rows of a sparse table of flows. The
system's own equations are grouped by shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from symnum.errors import ModelError, UnitError
from symnum.language.block import Block, GridNames, IndexedSums, Numbered, References
from symnum.language.component import TEMPLATE_PATH, Component, Statement, check_attributes
from symnum.language.connect import Connection
from symnum.language.event import Event, checked_events
from symnum.language.limit import Limit
from symnum.language.system import System, described
from symnum.language.variables import joined
from symnum.lowering.connections import Nodes
from symnum.lowering.delays import Delay, check_no_delay
from symnum.lowering.families import AnyArray, Family, IntArray, compacted
from symnum.lowering.raw import LimitFamily, RawSystem, Sums
from symnum.record import record, replace
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import IMAGINARY, Expr, Symbol, slot
from symnum.rewriting.shape import canonical
from symnum.rewriting.walk import leaves, substitute


def flatten(system: System, events: Sequence[Event] = (), delays: Sequence[Delay] = ()) -> RawSystem:
    """Number everything and write every equation as a family row. ``events`` come after the system's own.

    delays: those that were taken out of the equations.
    """
    return _Flattener(system).run(events, delays)


class _Flattener:
    def __init__(self, system: System) -> None:
        self.system = system
        self.raw = RawSystem(system.name)
        self.block_numbers: dict[int, IntArray] = {}  # by id of the quantities of a block
        self.block_first: dict[int, int] = {}  # the first number of those that are numbered through
        self.block_sums: list[tuple[IndexedSums, IntArray]] = []
        self.dotted = False  # is there a part with dots in its name?
        self.first: dict[str, tuple[int, int]] = {}  # first unknown and parameter of the component at a path

    def run(self, events: Sequence[Event], delays: Sequence[Delay]) -> RawSystem:
        components = list(self.system.components())
        self.nodes = Nodes(self.system.name, components)
        for component in components:
            self.place(component)
        groups: dict[Any, list[Component]] = {}
        for component in components:
            groups.setdefault(component.variant(), []).append(component)
        for owner, members in enumerate(groups.values()):
            self.trace(owner, members)
        for block in self.system.blocks:
            self.place_block(block)
        self.scalar_equations(len(groups))
        for number, block in enumerate(self.system.blocks):
            self.block_equations(block, len(groups) + len(self.system.equations) + number)
        for connection in self.system.connections:
            self.nodes.join(connection)
        self.raw.equalities, flows = self.nodes.equations(self.first)
        self.raw.sums = self.with_block_sums(flows)
        own = (e for component in components if component.declared.has_events for e in _own_events(component))
        self.raw.events = [*self.system.events, *own, *events]
        self.number_mentioned([expr for each in delays for expr in each.expressions()])
        self.number_derivatives()
        return self.raw

    # ---- names ------------------------------------------------------------------------------------
    def add_unknown(self, info: Symbol) -> int:
        self.must_be_new(info.name)
        return self.raw.unknowns.add(info)

    def add_parameter(self, info: Symbol) -> int:
        self.must_be_new(info.name)
        return self.raw.parameters.add(info)

    def must_be_new(self, name: str) -> None:
        if name in self.raw.unknowns or name in self.raw.parameters:
            raise ModelError(
                f"{self.system.name}: the name {name} is used twice; rename one of the quantities"
            )

    def place_block(self, block: Block) -> None:
        """Number the quantities of a block and the symbols that it refers to."""
        for quantities in block.quantities:
            if isinstance(quantities, References):
                self.block_numbers[id(quantities)] = np.array(
                    [self.number_declared(leaf) for leaf in quantities.symbols], np.int64
                )
                continue
            for name in (
                quantities.names if not isinstance(quantities.names, GridNames) else (quantities.names[0],)
            ):
                self.must_be_new(name)
            table = self.raw.parameters if quantities.kind == "parameter" else self.raw.unknowns
            first = self.block_first[id(quantities)] = table.add_block(quantities)
            self.block_numbers[id(quantities)] = np.arange(first, first + len(quantities))

    def block_equations(self, block: Block, owner: int) -> None:
        """Take over the tables of a block."""
        for equation in block.equations:
            columns: list[AnyArray] = []
            letters = ""
            for column in equation.columns:
                if column.of is None:
                    letters += "c"
                    columns.append(np.asarray(column.index, float))
                else:
                    sets = column.of if isinstance(column.of, tuple) else (column.of,)
                    letters += "p" if sets[0].kind == "parameter" else "u"
                    number = self.taken(sets, np.asarray(column.index, np.int64))
                    columns.append(-1 - number if column.derivative else number)
            count = len(columns[0])
            members = np.arange(count)
            self.raw.families.append(
                Family(
                    equation.root, letters, tuple(columns), owner, members, (equation.label, members),
                    np.full(count, -1),
                )
            )  # fmt: skip
        for sums in block.sums:
            number = np.concatenate([self.block_numbers[id(q)] for q in sums.of])
            size = len(number)
            derivative = sums.unknown >= size
            unknown = number[np.where(derivative, sums.unknown - size, sums.unknown)]
            self.block_sums.append((sums, np.where(derivative, -1 - unknown, unknown)))

    def taken(self, sets: Sequence[Numbered], index: IntArray) -> IntArray:
        """The numbers of a set, or of several one after the other, at these places."""
        first = self.block_first.get(id(sets[0])) if len(sets) == 1 else None
        if first is not None and len(index) and int(index.min()) >= 0 and int(index.max()) < len(sets[0]):
            return index if first == 0 else index + first
        numbers = [self.block_numbers[id(numbered)] for numbered in sets]
        every = numbers[0] if len(numbers) == 1 else np.concatenate(numbers)
        if len(index) and index.min() == index.max():  # one parameter for all copies
            return np.broadcast_to(every[index[:1]], len(index))
        return np.asarray(every[index])

    def with_block_sums(self, flows: Sums) -> Sums:
        """The rows of flows, followed by the sums of the blocks."""
        indptr, unknown, coefficient = [flows.indptr], [flows.unknown], [flows.coefficient]
        labels = list(flows.labels)
        written_out = [np.zeros(flows.count, bool)]
        for sums, numbers in self.block_sums:
            indptr.append(indptr[-1][-1] + sums.indptr[1:])
            unknown.append(numbers)
            coefficient.append(sums.coefficient)
            labels += [sums.label(row) for row in range(len(sums.indptr) - 1)]
            written_out.append(np.full(len(sums.indptr) - 1, sums.written_out))
        return Sums(
            indptr=np.concatenate(indptr),
            unknown=np.concatenate(unknown),
            coefficient=np.concatenate(coefficient),
            labels=tuple(labels),
            written_out=np.concatenate(written_out),
        )

    def place(self, component: Component) -> None:
        """Number the quantities of a component, one after the other."""
        path = component.path
        # a part whose own name has dots may be called like what lies within another part
        self.dotted = self.dotted or (component.parent is None and "." in path)
        if self.dotted or path in self.first:
            for quantities in component.declared.quantities.values():
                for name, _ in quantities:
                    self.must_be_new(joined(path, name))
        raw = self.raw
        self.first[path] = raw.unknowns.add_component(component), raw.parameters.add_component(component)

    def number_of(self, leaf: Expr, name: str) -> int:
        """The number of a symbol by name; unknown top-level names are new unknowns or parameters."""
        raw = self.raw
        made = "(" in name  # by an earlier stage
        if "." in name and not made and name not in raw.unknowns and name not in raw.parameters:
            near = raw.unknowns.near(name, 1) or raw.parameters.near(name, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ModelError(
                f"{raw.name}: {name} belongs to a component that is not part of the system; add it "
                f"to parts=.{hint}"
            )
        return self.number_declared(leaf, name)

    def number_declared(self, leaf: Expr, name: str | None = None) -> int:
        """The number of a symbol, here called ``name``; it is new unless something of this name is there."""
        raw = self.raw
        name = leaf.name if name is None else name
        table, other = raw.unknowns, raw.parameters
        if leaf.kind == "parameter":
            table, other = other, table
        found = table.find(name)
        if found is not None:
            declared = table.single(found)
            if leaf.name == name and declared is not None and declared != leaf.data:
                raise ModelError(
                    f"{raw.name}: two different symbols are called {name} ({described(leaf.data)}; "
                    f"{described(declared)}). Rename one, or use one declaration for both."
                )
            return found
        if name in other:
            raise ModelError(f"{raw.name}: {name} is both a variable and a parameter; rename one of them")
        if leaf is IMAGINARY:
            raise ModelError(
                f"{raw.name}: an equation holds the imaginary unit. Only fields may be complex; elsewhere "
                "write real and imaginary part as two variables"
            )
        info = leaf.data._replace(name=name)
        return (self.add_parameter if leaf.kind == "parameter" else self.add_unknown)(info)

    def number_mentioned(self, delayed: Sequence[Expr]) -> None:
        """Parameters that no equation holds, but an event, the value of another parameter or a start does."""
        mentioned = [expr for event in self.raw.events for expr in event.expressions()]
        mentioned += (value for value in self.system.defaults.values() if isinstance(value, Expr))
        for leaf in leaves((*mentioned, *delayed)):
            if leaf.kind == "parameter":
                self.number_of(leaf, leaf.name)
        waiting = [*self.raw.unknowns.given_by_others(), *self.raw.parameters.given_by_others()]
        while waiting:
            info = waiting.pop()
            for value in (info.default, info.guess):
                for leaf in leaves((value,)) if isinstance(value, Expr) else ():
                    known = leaf.kind == "variable" and leaf.name in self.raw.unknowns
                    if known and info.kind == "parameter":
                        continue  # its value at the start
                    if leaf.kind != "parameter":
                        raise ModelError(
                            f"{self.system.name}: the value of {info.name} is {value}, "
                            f"but may hold parameters and numbers only, not {leaf}"
                        )
                    if leaf.name not in self.raw.parameters:
                        self.number_of(leaf, leaf.name)
                        waiting.append(leaf.data)

    def unknown_id(self, leaf: Expr, absolute: Callable[[Expr], str]) -> int:
        """The number of an unknown or of ``D(x)`` (n is not known yet: derivatives are -1 - i)."""
        if leaf.op == "D":
            inner = leaf.args[0]
            if inner.op == "D":  # D(D(x)): the inner derivative becomes an unknown of its own
                return -1 - self.derivative_unknown(inner, absolute)
            return -1 - self.number_of(inner, absolute(inner))
        return self.number_of(leaf, absolute(leaf))

    def derivative_unknown(self, leaf: Expr, absolute: Callable[[Expr], str]) -> int:
        inner = leaf.args[0]
        if inner.op == "D":
            below = self.derivative_unknown(inner, absolute)
        else:
            below = self.number_of(inner, absolute(inner))
        name = f"D({self.raw.unknowns[below].name})"
        found = self.raw.unknowns.find(name)
        if found is None:
            found = self.add_unknown(
                Symbol(name, "variable", about=f"derivative of {self.raw.unknowns[below].name}")
            )
            self.raw.families.append(
                Family(
                    slot("u", 0) - slot("u", 1), "uu", (np.array([-1 - below]), np.array([found])),
                    -1, np.array([found]), (lambda _: f"{name} is the derivative", np.zeros(1, np.int64)),
                    np.array([-1]),
                )
            )  # fmt: skip
        return found

    def number_derivatives(self) -> None:
        """Now that n is known, derivative i gets its number n + i."""
        n = len(self.raw.unknowns)

        def final(family: Family) -> Family:
            columns = tuple(
                np.where(column < 0, n - 1 - column, column) if letter == "u" and column.min() < 0 else column
                for letter, column in zip(family.letters, family.columns, strict=True)
            )
            return compacted(replace(family, columns=columns))

        self.raw.families = [final(family) for family in self.raw.families]
        sums = self.raw.sums
        self.raw.sums = replace(sums, unknown=np.where(sums.unknown < 0, n - 1 - sums.unknown, sums.unknown))
        self.raw.limits = [replace(limit, distance=final(limit.distance)) for limit in self.raw.limits]

    # ---- components -------------------------------------------------------------------------------
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
        statements = _statements(template.equations(), title)

        group = Members(paths, own, {})
        for statement in statements:
            if isinstance(statement, Connection):
                self.nodes.join_members(statement, template, self.homes(statement, template, paths))
            elif isinstance(statement, Equation):
                _check_units(statement, title, statement)
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

    def homes(
        self, connection: Connection, template: Component, paths: list[str]
    ) -> list[list[str]]:
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

    def family(
        self, root: Expr, members: Members, owner: int, label: Callable[[int], str]
    ) -> Family:
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
                return self.number_of(leaf, absolute(leaf))
            return self.unknown_id(leaf, absolute)

        paths, named = members.paths, leaf.args[0] if leaf.op == "D" else leaf
        first = number(paths[0])
        if named.op == "D":  # a second derivative may be an unknown of its own, numbered where it occurs
            return np.array([first, *(number(path) for path in paths[1:])], np.int64)
        if named not in members.own:
            return np.full(len(paths), first, np.int64)
        child, _ = members.own[named]
        key = child, leaf.kind == "parameter"
        if key not in members.start:
            homes = [joined(path, child) for path in paths] if child else paths
            members.start[key] = np.array([self.first[home][key[1]] for home in homes], np.int64)
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
            _check_units(Equation(limit.state, bound), title, limit)
            distance = self.family(side * (limit.state - bound), members, owner, label)
            self.raw.limits.append(LimitFamily(distance, state, side))

    # ---- the system's own equations ---------------------------------------------------------------
    def scalar_equations(self, owner: int) -> None:
        self.number_in_reading_order()
        grouped: dict[Expr, list[tuple[tuple[Expr, ...], Equation]]] = {}
        letters_of: dict[Expr, str] = {}
        for equation in self.system.equations:
            _check_units(equation, self.system.name, equation)
            residual = equation.residual
            if residual.is_number:
                raise ModelError(
                    f"{self.system.name}: the equation {equation} holds no unknown and is "
                    f"{'always true' if residual.value == 0 else 'never true'}; remove it"
                )
            template = canonical((residual,), _classify)
            root = template.roots[0]
            flipped = canonical((-residual,), _classify)
            if flipped.roots[0].key < root.key:  # the sign of a residual is arbitrary: let equal shapes meet
                template, root = flipped, flipped.roots[0]
            grouped.setdefault(root, []).append((template.leaves, equation))
            letters_of[root] = "".join(
                _classify(leaf) if leaf.op != "number" else "c" for leaf in template.leaves
            )
        for number_, (root, rows) in enumerate(grouped.items()):
            letters = letters_of[root]
            columns: list[Any] = []
            for k, letter in enumerate(letters):
                found = [leaves_[k] for leaves_, _ in rows]
                if letter == "c":
                    columns.append(np.array([float(leaf) for leaf in found]))
                elif letter == "p":
                    columns.append(np.array([self.number_of(leaf, leaf.name) for leaf in found], np.int64))
                else:
                    columns.append(
                        np.array([self.unknown_id(leaf, lambda s: s.name) for leaf in found], np.int64)
                    )
            (body,) = substitute(
                (root,), {slot("d", k): slot("u", k) for k, x in enumerate(letters) if x == "d"}
            )
            equations = [equation for _, equation in rows]
            count = len(rows)
            family = Family(
                body, letters.replace("d", "u"), tuple(columns), owner + number_, np.arange(count),
                (_text_of(equations), np.arange(count)), np.full(count, -1),
            )  # fmt: skip
            self.raw.families.append(compacted(_with_literals(family, [leaves_ for leaves_, _ in rows])))
        for limit in self.system.limits:
            self.limit(limit, Members([""], {}, {}), -2, self.system.name, [""])

    def number_in_reading_order(self) -> None:
        """Unknowns in the order of the equations: D(x) on a left side first, then the rest."""
        equations = self.system.equations
        sides = [side for equation in equations for side in (equation.lhs, equation.rhs)]
        for side in [equation.lhs for equation in equations] + sides:
            derivatives = [leaf for leaf in leaves((side,)) if leaf.op == "D"]
            for leaf in sorted(derivatives, key=_name):
                while leaf.op == "D":
                    leaf = leaf.args[0]
                self.number_of(leaf, leaf.name)
        for side in sides:
            symbols = [leaf for leaf in leaves((side,)) if leaf.op == "symbol" and leaf.kind != "time"]
            for leaf in sorted(symbols, key=_name):
                self.number_of(leaf, leaf.name)


def _check_units(equation: Equation, owner: str, statement: Statement) -> None:
    """Raise UnitError, which names the statement, where units do not fit."""
    if any(_symbol(leaf).unit is not None for leaf in leaves((equation.lhs, equation.rhs))):
        from symnum.lowering.unit_check import check_units

        try:
            check_units(equation, f"{owner}: {statement}")
        except UnitError as error:
            from symnum.lowering.findings import Finding, with_findings

            symbols = [_name(leaf) for leaf in leaves((equation.lhs, equation.rhs))]
            names = (str(statement), owner, *symbols)
            raise with_findings(error, [Finding("units", names, str(error), "")]) from None


def _symbol(leaf: Expr) -> Symbol:
    """What is known about a symbol, or about x of ``D(D(x))``."""
    while leaf.op == "D":
        leaf = leaf.args[0]
    found: Symbol = leaf.data
    return found


def _name(leaf: Expr) -> str:
    """The text of a symbol or of a derivative of one."""
    return f"D({_name(leaf.args[0])})" if leaf.op == "D" else leaf.name


def _text_of(equations: Sequence[Equation]) -> Callable[[int], str]:
    """Texts are made when one is asked for: there are thousands of equations, and few are ever shown."""
    return lambda row: str(equations[row])


def _absolute(path: str, template_name: str) -> str:
    """A name in the template as the instance at ``path`` has it."""
    own = template_name.removeprefix(TEMPLATE_PATH + ".")
    return template_name if own == template_name else joined(path, own)


def _labels(statement: Statement, paths: Sequence[str]) -> Callable[[int], str]:
    """The statement of a class in the names of its instances."""
    text = str(statement)
    return lambda row: re.sub(rf"\b{TEMPLATE_PATH}\.", f"{paths[row]}.", text)


def _own_events(component: Component) -> tuple[Event, ...]:
    return checked_events(component.events(), f"{type(component).__name__}.events")


def _statements(found: Any, title: str) -> list[Statement]:
    if isinstance(found, (Equation, Connection, Limit)) or not isinstance(found, Iterable):
        raise ModelError(f"{title}.equations: return a list of equations, not {found!r}")
    return list(found)


def _classify(leaf: Expr) -> str:
    if leaf.op == "D":
        return "d"
    return "p" if leaf.kind == "parameter" else "u"


def _with_literals(family: Family, rows: list[tuple[Expr, ...]]) -> Family:
    """Numbers that are the same in every copy are written into the root, exactly."""
    mapping = {
        slot("c", k): rows[0][k]
        for k, letter in enumerate(family.letters)
        if letter == "c" and all(row[k] is rows[0][k] for row in rows)
    }
    return replace(family, root=substitute((family.root,), mapping)[0]) if mapping else family


@record
class Members:
    """The components of one variant: their paths; and per symbol of their template (path of child, name).

    start: by path of child, and whether of parameters, the numbers of the first quantity of every member.
    """

    paths: Sequence[str]
    own: dict[Expr, tuple[str, str]]
    start: dict[tuple[str, bool], IntArray]


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
