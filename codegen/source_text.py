"""Functions as text that people read: what the C and the numba back end have in common.

One function per IR function; loops over copies are loops, index tables are constants of the file. Long
straight-line code is cut into functions, since compilers are worse than linear in the length of one. What
is used once is written where it is used. How a language spells all that is for the subclass to say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeAlias

from symnum.codegen.emitter import addressing
from symnum.codegen.function import Array, Column, Function, Gather, Loop, Output, item_outputs
from symnum.codegen.share import Body, Statement, chunks, statements

__all__ = ["Pattern", "SourceText", "indented"]

Pattern: TypeAlias = tuple[str, int, tuple[int, ...]]
"""Text with a place for each operand, precedence of the result, least precedence of the operands."""

Spelled: TypeAlias = tuple[str, int]
"""Text of a value and its precedence."""

_WIDTH = 100  # characters up to which an expression that is used once is written where it is used
_ATOM = 9  # precedence of what never needs parentheses
_NEGATIVE = 6  # and of a number with a sign


def indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


class SourceText(ABC):
    """The text of one file while it grows.

    n_work: the scratch of the functions, and behind it what the pieces of long code hand on.
    """

    infix: ClassVar[Mapping[str, Pattern]]  # operators that are no calls; "real" makes a number of a truth
    chunk: ClassVar[int]  # statements in a function
    end: ClassVar[str]  # of a statement

    def __init__(self, functions: Mapping[str, Function], reserved: Iterable[str]) -> None:
        """``reserved``: names that have a meaning of their own in generated code."""
        self.taken = set(reserved)
        self.public: dict[str, str] = {}  # what the functions are called in the text
        self.tables: list[str] = []
        self.known: dict[tuple[str, bytes], str] = {}
        self.parts: list[str] = []
        self.scratch = max((f.n_work for f in functions.values()), default=0)
        self.n_work = self.scratch

    # ---- the language -----------------------------------------------------------------------------
    @abstractmethod
    def identifier(self, text: str) -> str:
        """A name that looks like the text."""

    @abstractmethod
    def literal(self, value: float) -> str:
        """A number."""

    @abstractmethod
    def table_text(self, name: str, values: Array) -> str:
        """A constant array."""

    @abstractmethod
    def call(self, op: str) -> Pattern:
        """An operator that is a function."""

    @abstractmethod
    def bound(self, name: str, text: str, *, boolean: bool = False, changes: bool = False) -> str:
        """A statement that gives a value a name."""

    @abstractmethod
    def repeated(self, index: str, begin: str, end: str, lines: list[str]) -> list[str]:
        """A loop from ``begin`` to before ``end``."""

    @abstractmethod
    def block(self, lines: list[str]) -> list[str]:
        """Lines whose names end with them, where the language can say so."""

    @abstractmethod
    def comment(self, text: str) -> str:
        """A line that says something; the text may hold anything."""

    @abstractmethod
    def definition(self, name: str, lines: list[str], *, public: bool) -> str:
        """A function with the common arguments."""

    # ---- names and tables -------------------------------------------------------------------------
    def name(self, *parts: str) -> str:
        """An identifier that nothing else has."""
        base = self.identifier("_".join(parts))
        unique, k = base, 1
        while unique in self.taken:
            k += 1
            unique = f"{base}_{k}"
        self.taken.add(unique)
        return unique

    def table(self, name: str, values: Array) -> str:
        """The name of a constant array with these values."""
        key = (values.dtype.str, values.tobytes())
        if key not in self.known:
            self.known[key] = self.name(name)
            self.tables.append(self.table_text(self.known[key], values))
        return self.known[key]

    # ---- places -----------------------------------------------------------------------------------
    def read(self, where: str, column: Column, k: int) -> str:
        """What a slot reads in copy i."""
        if column.space == "c":
            if len(column.index) == 1 or (column.index == column.index[0]).all():
                return self.literal(float(column.index[0]))
            return f"{self.table(f'{where}_c{k}', column.index)}[i]"
        array = "work" if column.space == "w" else column.space
        return f"{array}[{self.position(f'{where}_{column.space}{k}', column.index)}]"

    def position(self, name: str, index: Array) -> str:
        kind, base, stride = addressing(index)
        if kind == "uniform":
            return str(base)
        if kind == "table":
            return f"{self.table(name, index)}[i]"
        step = "i" if kind == "unit" else f"{stride} * i"
        return f"{base} + {step}" if base else step

    def write(self, where: str, output: Output, k: int, text: str) -> str:
        array = "work" if output.space == "w" else "out"
        equals = "+=" if output.accumulate else "="
        return f"{array}[{self.position(f'{where}_to{k}', output.index)}] {equals} {text}{self.end}"

    # ---- items ------------------------------------------------------------------------------------
    def loop(self, function: str, loop: Loop) -> list[str]:
        where = f"{function}_{loop.name}"
        body = statements(loop.roots)
        slots = {k: self.read(where, column, k) for k, column in enumerate(loop.columns)}
        lines, spelled = self.spell(body, range(len(body.statements)), slots, {}, set(body.roots))
        for k, output in enumerate(loop.outputs):
            lines.append(self.write(where, output, k, spelled[body.roots[k]][0]))
        return self.repeated("i", "0", str(loop.count), lines)

    def straight(self, function: str, loop: Loop) -> list[str]:
        """Lines for a loop of one copy; long ones become functions of their own."""
        where = f"{function}_{loop.name}"
        body = statements(loop.roots)
        slots = {k: self.read(where, column, k) for k, column in enumerate(loop.columns)}
        pieces = []
        for chunk in chunks(body, self.chunk):
            self.n_work = max([self.n_work, *(self.scratch + place + 1 for place in chunk.spills.values())])
            loads = {}
            for value, place in chunk.loads.items():
                read = f"work[{self.scratch + place}]"
                loads[value] = f"({read} != 0.0)" if body.statements[value].boolean else read
            kept = {value for _, value in chunk.roots} | set(chunk.spills)
            lines, spelled = self.spell(body, chunk.values, slots, loads, kept)
            for value, place in chunk.spills.items():
                text = spelled[value][0]
                stored = self.infix["real"][0].format(text) if body.statements[value].boolean else text
                lines.append(f"work[{self.scratch + place}] = {stored}{self.end}")
            for k, value in chunk.roots:
                lines.append(self.write(where, loop.outputs[k], k, spelled[value][0]))
            pieces.append(lines)
        if len(pieces) == 1:
            return self.block(pieces[0])
        calls = []
        for lines in pieces:
            name = self.name(function, loop.name, "part")
            self.parts.append(self.definition(name, lines, public=False))
            calls.append(f"{name}(t, out, u, p, work){self.end}")
        return calls

    def gather(self, function: str, gather: Gather) -> list[str]:
        where = f"{function}_{gather.name}"
        array = "work" if gather.space == "w" else gather.space
        starts = self.table(f"{where}_rows", gather.indptr)
        term = f"{array}[{self.table(f'{where}_first', gather.first)}[k]]"
        if gather.second is not None:
            term += f" * {array}[{self.table(f'{where}_second', gather.second)}[k]]"
        if not (gather.coefficient == 1.0).all():
            term = f"{self.table(f'{where}_coefficients', gather.coefficient)}[k] * {term}"
        terms = self.repeated("k", f"{starts}[i]", f"{starts}[i + 1]", [f"total += {term}{self.end}"])
        lines = [self.bound("total", "0.0", changes=True), *terms]
        lines.append(self.write(where, gather.output, 0, "total"))
        return self.repeated("i", "0", str(len(gather.output.index)), lines)

    def function(self, name: str, function: Function) -> str:
        lines = []
        public = self.public[name]
        for item in function.items:
            count = item.count if isinstance(item, Loop) else len(item_outputs(item)[0].index)
            lines.append(self.comment(f"{item.name}: {count} {'copy' if count == 1 else 'copies'}"))
            if isinstance(item, Gather):
                lines += self.gather(public, item)
            elif item.count == 1:
                lines += self.straight(public, item)
            else:
                lines += self.loop(public, item)
        return self.definition(public, lines, public=True)

    # ---- statements -------------------------------------------------------------------------------
    def spell(
        self, body: Body, values: Iterable[int], slots: Mapping[int, str], loads: Mapping[int, str],
        kept: set[int],
    ) -> tuple[list[str], dict[int, Spelled]]:  # fmt: skip
        """Statements for some values of a body, and the text of each of them.

        Values used once are written in place; ``kept`` values count as used once more.
        """
        wanted = list(values)
        uses = dict.fromkeys([*loads, *wanted], 0)
        for value in kept:
            uses[value] += 1
        for value in wanted:
            for arg in body.statements[value].args:
                uses[arg] += 1
        lines: list[str] = []
        spelled: dict[int, Spelled] = {}

        def name(value: int, text: str, precedence: int, in_place: bool) -> None:
            if in_place:
                spelled[value] = (text, precedence)
            else:
                lines.append(self.bound(f"v{value}", text, boolean=body.statements[value].boolean))
                spelled[value] = (f"v{value}", _ATOM)

        for value, text in loads.items():
            name(value, text, _ATOM, uses[value] <= 1)
        for value in wanted:
            statement = body.statements[value]
            if statement.op == "number":
                assert isinstance(statement.data, float)
                literal = self.literal(statement.data)
                spelled[value] = (literal, _NEGATIVE if literal.startswith("-") else _ATOM)
            elif statement.op == "time":
                spelled[value] = ("t", _ATOM)
            elif statement.op == "slot":
                assert isinstance(statement.data, tuple)
                name(value, slots[statement.data[1]], _ATOM, uses[value] <= 1)
            else:
                text, precedence = self.operation(statement, [spelled[arg] for arg in statement.args])
                name(value, text, precedence, uses[value] <= 1 and len(text) <= _WIDTH)
        return lines, spelled

    def operation(self, statement: Statement, args: list[Spelled]) -> Spelled:
        pattern, precedence, least = self.infix.get(statement.op) or self.call(statement.op)
        texts = [
            text if inner >= bound else f"({text})" for (text, inner), bound in zip(args, least, strict=True)
        ]
        return pattern.format(*texts), precedence
