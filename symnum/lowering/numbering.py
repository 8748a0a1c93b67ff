"""Numbers of the unknowns, derivatives and parameters of a system that is being flattened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from symnum.errors import ModelError
from symnum.language.component import Component
from symnum.language.neural_network import is_weight
from symnum.language.switch import switching_events
from symnum.language.system import described
from symnum.language.variables import joined
from symnum.lowering.families import AnyArray, Family, compacted
from symnum.lowering.raw import RawSystem
from symnum.record import replace
from symnum.rewriting.expr import IMAGINARY, Expr, Symbol, slot, symbol
from symnum.rewriting.walk import leaves


class Numbering:
    """Gives each name of ``raw`` its number. Derivatives are -1 - i until `finish`, when n is known.

    first: the numbers of the first unknown and parameter of the component at a path.
    """

    def __init__(self, raw: RawSystem) -> None:
        self.raw = raw
        self.first: dict[str, tuple[int, int]] = {}

    def place(self, components: Sequence[Component]) -> None:
        """Number the quantities of components, one after the other."""
        # a part whose own name has dots may be called like what lies within another part
        dotted = any(component.parent is None and "." in component.path for component in components)
        if dotted or len({component.path for component in components}) < len(components):
            for component in components:
                for quantities in component.declared.quantities.values():
                    for name, _ in quantities:
                        self.must_be_new(joined(component.path, name))
                self._add((component,))
        else:
            self._add(components)

    def _add(self, components: Sequence[Component]) -> None:
        paths = [component.path for component in components]
        firsts = (table.add_components(components) for table in (self.raw.unknowns, self.raw.parameters))
        self.first.update(zip(paths, zip(*firsts, strict=True), strict=True))

    def number_of(self, leaf: Expr, name: str) -> int:
        """The number of a symbol by name; unknown top-level names are new unknowns or parameters."""
        raw = self.raw
        made = "(" in name or is_weight(leaf)  # by an earlier stage, or part of no component
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
        if info.condition is not None:
            raw.events += switching_events(symbol(info))
        return (self.add_parameter if leaf.kind == "parameter" else self.add_unknown)(info)

    def mentioned(self, defaults: Iterable[Any], delayed: Sequence[Expr]) -> None:
        """Parameters that no equation holds, but an event, the value of another parameter or a start does."""
        mentioned = [expr for event in self.raw.events for expr in event.expressions()]
        mentioned += (value for value in defaults if isinstance(value, Expr))
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
                            f"{self.raw.name}: the value of {info.name} is {value}, "
                            f"but may hold parameters and numbers only, not {leaf}"
                        )
                    if leaf.name not in self.raw.parameters:
                        self.number_of(leaf, leaf.name)
                        waiting.append(leaf.data)

    def number_of_unknown(self, leaf: Expr, absolute: Callable[[Expr], str]) -> int:
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

    def finish(self) -> None:
        """Now that n is known, derivative i gets its number n + i."""
        n = len(self.raw.unknowns)

        def numbered(column: AnyArray) -> AnyArray:
            derivative = n - 1 - column
            return derivative if column.max() < 0 else np.where(column < 0, derivative, column)

        def final(family: Family) -> Family:
            columns = tuple(
                numbered(column) if letter == "u" and column.min() < 0 else column
                for letter, column in zip(family.letters, family.columns, strict=True)
            )
            return compacted(replace(family, columns=columns))

        self.raw.families = [final(family) for family in self.raw.families]
        sums = self.raw.sums
        self.raw.sums = replace(sums, unknown=np.where(sums.unknown < 0, n - 1 - sums.unknown, sums.unknown))
        self.raw.limits = [replace(limit, distance=final(limit.distance)) for limit in self.raw.limits]

    def add_unknown(self, info: Symbol) -> int:
        self.must_be_new(info.name)
        return self.raw.unknowns.add(info)

    def add_parameter(self, info: Symbol) -> int:
        self.must_be_new(info.name)
        return self.raw.parameters.add(info)

    def must_be_new(self, *names: str) -> None:
        for known in (self.raw.unknowns, self.raw.parameters):
            name = known.first_of(names)
            if name is not None:
                raise ModelError(
                    f"{self.raw.name}: the name {name} is used twice; rename one of the quantities"
                )
