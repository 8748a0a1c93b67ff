"""A system: named equations with their parts and events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from symnum.errors import ModelError, UnknownName
from symnum.language.block import Block
from symnum.language.component import Component, Statement
from symnum.language.connect import Connection
from symnum.language.event import Event, checked_events
from symnum.language.limit import Limit
from symnum.language.neural_network import networks_in
from symnum.language.variables import D, checked_name, variable
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import ONE, Expr, Symbol
from symnum.rewriting.walk import leaves, substitute

Guard = Callable[[Mapping[str, float]], str | None]
_SHOWN = 30  # equations that a notebook shows


class System:
    """Equations in unknown functions of time, with parts, events and guards. Nothing is expanded here.

    equations: equations, `connect` statements and `Limit` statements. parts: components; those that are
    mentioned in a connection need not be listed. defaults: {variable or parameter: value} over those of
    the declarations. guards: functions of all parameter values by name that return a complaint or None;
    they are asked at the start and after each event.
    ``system.g1.omega`` finds parts and symbols by name.
    """

    def __init__(
        self,
        name: str,
        equations: Iterable[Statement] = (),
        *,
        parts: Iterable[Component] = (),
        events: Iterable[Event] = (),
        defaults: Mapping[Expr, Any] | None = None,
        guards: Iterable[Guard] = (),
    ) -> None:
        self.name = checked_name(name, "System: ")
        self.equations: tuple[Equation, ...]
        self.connections: tuple[Connection, ...]
        self.limits: tuple[Limit, ...]
        self.blocks: tuple[Block, ...]
        self.equations, self.connections, self.limits, self.blocks = _sorted_statements(name, equations)
        for one in networks_in(self.equations):
            if one.block not in self.blocks:  # else this system was made of one that holds it
                self.equations += one.equations
                self.blocks += (one.block,)
        self.events = checked_events(events, name)
        self.guards = tuple(guards)
        self.origin: Any = None  # what it was made from, where solvers may work with that: see `discretize`
        self.parts = _all_parts(name, parts, self.connections)
        self._symbols = self._collect()
        self.defaults: dict[Expr, Any] = {
            self[key] if isinstance(key, str) else key: value for key, value in (defaults or {}).items()
        }

    def _collect(self) -> dict[str, Expr]:
        """Symbols that appear in the equations themselves (those of parts are found through the parts)."""
        expressions: list[Expr] = [
            side for equation in self.equations for side in (equation.lhs, equation.rhs)
        ]
        for limit in self.limits:
            expressions += [bound for bound in (limit.state, limit.low, limit.high) if bound is not None]
        found: dict[str, Expr] = {}
        for leaf in (*leaves(expressions), *(leaf for block in self.blocks for leaf in block.symbols())):
            target = leaf
            while target.op == "D":
                target = target.args[0]
            if target.op != "symbol" or target.kind == "time":
                continue
            other = found.setdefault(target.name, target)
            if other is not target:
                raise ModelError(
                    f"{self.name}: two different symbols are called {target.name} ({described(other.data)}; "
                    f"{described(target.data)}). Rename one, or use one declaration for both."
                )
        for name in found:
            part, dot, rest = name.partition(".")
            if dot and part in self.parts and not isinstance(self.parts[part], Component):
                raise ModelError(f"{self.name}: {part} is not a component, so it has no {rest}")
        for name in self.parts:
            if name in found:
                raise ModelError(
                    f"{self.name}: {name} is the name of a part and of a variable; rename one of them"
                )
        return found

    @property
    def symbols(self) -> Mapping[str, Expr]:
        """The symbols of the system's own equations, by name."""
        return self._symbols

    def components(self) -> Iterator[Component]:
        """All components at all levels, parents before children."""
        for part in self.parts.values():
            if part.children:
                yield from part.all_components()
            else:
                yield part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.parts:
            return self.parts[name]
        if name in self._symbols:
            return self._symbols[name]
        known = [*self.parts, *self._symbols]
        from difflib import get_close_matches

        near = get_close_matches(name, known, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UnknownName(f"{self.name} has no part or symbol called {name}.{hint}")

    def __getitem__(self, name: str) -> Any:
        """A part or symbol by its full hierarchical name, ``system["g1.exciter.vf"]``."""
        if name in self._symbols:
            return self._symbols[name]
        found: Any = self
        for step in name.split("."):
            found = getattr(found, step)
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.parts, *(n for n in self._symbols if "." not in n)]

    def map_expressions(self, function: Callable[[Sequence[Expr]], Sequence[Expr]]) -> System:
        """The same system with its own equations rewritten by ``function`` (all sides together)."""
        sides = [side for equation in self.equations for side in (equation.lhs, equation.rhs)]
        new = list(function(sides))
        equations = [Equation(new[i], new[i + 1]) for i in range(0, len(new), 2)]
        return self._with(equations)

    def substitute(self, mapping: Mapping[Expr, Expr]) -> System:
        """The same system with leaves of its own equations replaced."""
        return self.map_expressions(lambda sides: substitute(sides, mapping))

    def _with(self, equations: list[Equation]) -> System:
        return System(
            self.name,
            [*equations, *self.connections, *self.limits, *self.blocks],
            parts=self.parts.values(),
            events=self.events,
            defaults=self.defaults,
            guards=self.guards,
        )

    def along_time(self) -> System:
        """The same system and, as a state, the time passed: for one whose equations hold no derivative."""
        name = "time_passed"
        while name in self._symbols or name in self.parts:
            name += "_"
        clock = variable(name, start=0.0, about="what a run without differential equations goes along")
        return self._with([*self.equations, Equation(D(clock), ONE)])

    def __repr__(self) -> str:
        counts = [f"{len(self.equations) + sum(map(len, self.blocks))} equations"]
        if self.parts:
            counts.append(f"{len(self.parts)} parts")
        if self.events:
            counts.append(f"{len(self.events)} events")
        return f"<System {self.name}: {', '.join(counts)}>"

    def _repr_latex_(self) -> str | None:
        from symnum.rewriting.show import latex, too_deep

        shown = self.equations[:_SHOWN]
        if any(too_deep(e.lhs) or too_deep(e.rhs) for e in shown):
            return None  # a notebook shows the text instead
        lines = [f"{latex(e.lhs)} &= {latex(e.rhs)}" for e in shown]
        if len(self.equations) > _SHOWN:
            lines.append(r"&\;\;\vdots")
        return r"$$\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}$$" if lines else repr(self)


def described(info: Symbol) -> str:
    """What is known about a symbol besides its name."""
    details = [
        f"{key}={value}" for key, value in zip(info._fields[2:], info[2:], strict=True) if value is not None
    ]
    return f"{info.kind}{' ' if details else ''}{', '.join(details)}"


def _sorted_statements(
    name: str, statements: Iterable[Statement]
) -> tuple[tuple[Equation, ...], tuple[Connection, ...], tuple[Limit, ...], tuple[Block, ...]]:
    equations: list[Equation] = []
    connections: list[Connection] = []
    limits: list[Limit] = []
    blocks: list[Block] = []
    if isinstance(statements, (Equation, Connection, Limit, Component)) or not isinstance(
        statements, Iterable
    ):
        raise ModelError(f"{name}: the equations are a list, not {statements!r}; write [...] around them")
    for number, statement in enumerate(statements, start=1):
        if isinstance(statement, Equation):
            equations.append(statement)
        elif isinstance(statement, Connection):
            connections.append(statement)
        elif isinstance(statement, Limit):
            limits.append(statement)
        elif isinstance(statement, Block):
            blocks.append(statement)
        elif isinstance(statement, bool):
            raise ModelError(
                f"{name}: equation {number} is just {statement}. Python compared two numbers or components; "
                "an equation needs a variable or parameter on one side."
            )
        elif isinstance(statement, System):
            raise ModelError(
                f"{name}: equation {number} is {statement!r}, a whole system. Give the equations of both to "
                "one System; ordinary equations that go with fields stand among those of the sn.PDE."
            )
        else:
            what = "an expression" if isinstance(statement, Expr) else f"a {type(statement).__name__}"
            raise ModelError(
                f"{name}: equation {number} is {statement!r}, {what}. "
                "Write `left == right`, sn.connect(...) or sn.Limit(...)."
            )
    return tuple(equations), tuple(connections), tuple(limits), tuple(blocks)


def _all_parts(
    name: str, parts: Iterable[Component], connections: tuple[Connection, ...]
) -> dict[str, Component]:
    found: dict[str, Component] = {}

    def place(part: Component) -> None:
        if not isinstance(part, Component):
            raise ModelError(f"{name}: {part!r} among the parts is a {type(part).__name__}, not a Component")
        if not part.path:
            raise ModelError(
                f"{name}: a {type(part).__name__} has no name; write {type(part).__name__}('name', ...)"
            )
        if found.setdefault(part.path, part) is not part:
            raise ModelError(f"{name}: two parts are called {part.path}; give each its own name")

    if isinstance(parts, Component) or not isinstance(parts, Iterable):
        raise ModelError(f"{name}: the parts are a list, not {parts!r}; write parts=[...]")
    for part in parts:
        place(part)
    for connection in connections:
        for port in connection.ports:
            owner = port.owner
            if owner is None:
                raise ModelError(f"{name}: {connection} joins a connector that belongs to no component")
            while owner.parent is not None:
                owner = owner.parent
            place(owner)
    return found
