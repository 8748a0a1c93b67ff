"""One template as straight-line code: statements of one operation each, every value computed once.

Emitters spell these statements in their language, so that operation counts, the order of sums and the
treatment of powers and divisions are the same in all of them:

* a product has one division, powers are repeated squaring, half powers use ``sqrt``;
* a sum takes positive terms first and subtracts the others; terms of equal |coefficient| share one
  multiplication; wide sums are summed in pairs (short dependency chains, smaller rounding error);
* conditions are truth values, not numbers, until arithmetic needs them as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from symnum.errors import CodegenError
from symnum.rewriting.expr import TIME, Expr, Rational
from symnum.rewriting.operators import OPERATORS
from symnum.rewriting.walk import as_float, postorder

__all__ = ["Body", "Chunk", "Statement", "chunks", "statements"]

_LARGEST_SQUARED = 64  # integer powers up to this are multiplied out; pow() is as accurate and shorter beyond
_LEAVES = ("number", "slot", "time")


class Statement(NamedTuple):
    """One operation on earlier values (``args`` are their numbers).

    ``op``: number, slot, time; add, sub, mul, div, neg, sqrt; truth (double -> truth value), real (back);
    ifelse; or the name of an operator. ``data``: the number, or (letter, column) of a slot.
    """

    op: str
    args: tuple[int, ...]
    data: float | tuple[str, int] | None
    boolean: bool


class Body(NamedTuple):
    """Statements in order, and the number of the statement that holds each root (always a double)."""

    statements: tuple[Statement, ...]
    roots: tuple[int, ...]


class Chunk(NamedTuple):
    """A run of statements that becomes a function of its own.

    ``loads``: value -> spill place it is read from; ``spills``: value -> spill place it is written to;
    ``roots``: (root number, value) written by this chunk. Leaves may be repeated in several chunks.
    """

    values: tuple[int, ...]
    loads: dict[int, int]
    spills: dict[int, int]
    roots: tuple[tuple[int, int], ...]


class _Builder:
    """Value numbering: the same operation on the same values is stated once."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.known: dict[tuple[str, tuple[int, ...], float | tuple[str, int] | None], int] = {}

    def state(
        self, op: str, *args: int, data: float | tuple[str, int] | None = None, boolean: bool = False
    ) -> int:
        if op in ("add", "mul") and args[0] > args[1]:
            args = (args[1], args[0])
        entry = (op, args, data)
        found = self.known.get(entry)
        if found is None:
            found = self.known[entry] = len(self.statements)
            self.statements.append(Statement(op, args, data, boolean))
        return found

    def number(self, value: Rational) -> int:
        return self.state("number", data=as_float(value))

    def real(self, value: int) -> int:
        return self.state("real", value) if self.statements[value].boolean else value

    def truth(self, value: int) -> int:
        return value if self.statements[value].boolean else self.state("truth", value, boolean=True)

    def pairwise(self, op: str, values: Sequence[int]) -> int:
        """Combine any number of values in a balanced tree."""
        if len(values) == 1:
            return values[0]
        level = list(values)
        while len(level) > 1:
            paired = [self.state(op, level[k], level[k + 1]) for k in range(0, len(level) - 1, 2)]
            level = paired + level[len(level) - len(level) % 2 :]
        return level[0]

    # ---- powers and products ------------------------------------------------------------------
    def power(self, base: int, exponent: Rational) -> int:
        """``base ** exponent`` for a positive exponent."""
        if isinstance(exponent, int):
            if exponent <= _LARGEST_SQUARED:
                return self.whole_power(base, exponent)
        elif exponent.denominator == 2 and exponent.numerator <= 2 * _LARGEST_SQUARED:
            root = self.state("sqrt", base)
            whole = exponent.numerator // 2
            return self.state("mul", self.whole_power(base, whole), root) if whole else root
        return self.state("pow", base, self.number(exponent))

    def whole_power(self, base: int, exponent: int) -> int:
        result: int | None = None
        square = base
        while True:
            if exponent & 1:
                result = square if result is None else self.state("mul", result, square)
            exponent >>= 1
            if not exponent:
                break
            square = self.state("mul", square, square)
        assert result is not None
        return result

    def product(self, expr: Expr, values: dict[Expr, int], scale: Rational = 1) -> int:
        """``scale * product`` with one division at most."""
        above: list[int] = []
        below: list[int] = []
        for base, exponent in zip(expr.args, expr.data, strict=True):
            value = self.real(values[base])
            if exponent > 0:
                above.append(self.power(value, exponent))
            elif isinstance(exponent, Fraction) and exponent.denominator != 2:
                above.append(self.state("pow", value, self.number(exponent)))  # saves the division
            else:
                below.append(self.power(value, -exponent))
        if scale != 1 and not above:
            above.append(self.number(scale))
            scale = 1
        top = self.pairwise("mul", above) if above else self.number(1)
        if scale != 1:
            top = self.state("mul", self.number(scale), top)
        return self.state("div", top, self.pairwise("mul", below)) if below else top

    # ---- sums ---------------------------------------------------------------------------------
    def sum(self, expr: Expr, values: dict[Expr, int]) -> int:
        constant, coefficients = expr.data
        groups: dict[Rational, list[tuple[Expr, bool]]] = {}
        for term, coefficient in zip(expr.args, coefficients, strict=True):
            groups.setdefault(abs(coefficient), []).append((term, coefficient > 0))
        plus: list[int] = []
        minus: list[int] = []
        for size, members in groups.items():
            if size == 1:
                plus += [self.real(values[term]) for term, positive in members if positive]
                minus += [self.real(values[term]) for term, positive in members if not positive]
            elif len(members) == 1:
                term, positive = members[0]
                (plus if positive else minus).append(self.scaled(term, size, values))
            else:
                upward = [self.real(values[term]) for term, positive in members if positive]
                downward = [self.real(values[term]) for term, positive in members if not positive]
                flipped = not upward
                if flipped:
                    upward, downward = downward, upward
                inner = self.difference(upward, downward)
                (minus if flipped else plus).append(self.state("mul", self.number(size), inner))
        if constant:
            (plus if constant > 0 else minus).append(self.number(abs(constant)))
        return self.difference(plus, minus)

    def scaled(self, term: Expr, size: Rational, values: dict[Expr, int]) -> int:
        """``size * term``; a pure reciprocal takes the size into its division."""
        if term.op == "*" and all(exponent < 0 for exponent in term.data):
            return self.product(term, values, size)
        return self.state("mul", self.number(size), self.real(values[term]))

    def difference(self, plus: list[int], minus: list[int]) -> int:
        if not plus:
            return self.state("neg", self.pairwise("add", minus))
        total = self.pairwise("add", plus)
        return self.state("sub", total, self.pairwise("add", minus)) if minus else total

    # ---- the rest -----------------------------------------------------------------------------
    def operator(self, expr: Expr, values: dict[Expr, int]) -> int:
        operator = OPERATORS.get(expr.op)
        if operator is None:
            raise CodegenError(f"no back end can evaluate `{expr.op}` in {expr}")
        args = [values[arg] for arg in expr.args]
        if expr.op in ("and", "or", "not"):
            return self.state(expr.op, *(self.truth(arg) for arg in args), boolean=True)
        if expr.op == "ifelse":
            return self.state("ifelse", self.truth(args[0]), self.real(args[1]), self.real(args[2]))
        return self.state(expr.op, *(self.real(arg) for arg in args), boolean=operator.boolean)


def statements(roots: Sequence[Expr]) -> Body:
    """The statements that compute all roots together."""
    build = _Builder()
    values: dict[Expr, int] = {}
    for expr in postorder(roots):
        if expr.op == "number":
            values[expr] = build.number(expr.data)
        elif expr is TIME:
            values[expr] = build.state("time")
        elif expr.op == "slot":
            values[expr] = build.state("slot", data=expr.data)
        elif expr.op == "*":
            values[expr] = build.product(expr, values)
        elif expr.op == "+":
            values[expr] = build.sum(expr, values)
        elif expr.op == "group":
            values[expr] = values[expr.args[0]]
        else:
            values[expr] = build.operator(expr, values)
    return _live(build.statements, [build.real(values[root]) for root in roots])


def _live(stated: Sequence[Statement], roots: Sequence[int]) -> Body:
    """Drop what no root needs (a reciprocal whose scaled form is used instead)."""
    needed = bytearray(len(stated))
    for root in roots:
        needed[root] = 1
    for k in range(len(stated) - 1, -1, -1):
        if needed[k]:
            for arg in stated[k].args:
                needed[arg] = 1
    if all(needed):
        return Body(tuple(stated), tuple(roots))
    number = [0] * len(stated)
    kept: list[Statement] = []
    for k, (op, args, data, boolean) in enumerate(stated):
        if needed[k]:
            number[k] = len(kept)
            kept.append(Statement(op, tuple([number[arg] for arg in args]), data, boolean))
    return Body(tuple(kept), tuple(number[root] for root in roots))


def chunks(body: Body, limit: int) -> list[Chunk]:
    """Cut a long body into runs of about ``limit`` statements; values needed later go through spill places.

    Instruction selection is worse than linear in the length of a block, so no block is long.
    """
    stated = body.statements
    home: dict[int, int] = {}
    filled = current = 0
    for k, statement in enumerate(stated):
        if statement.op not in _LEAVES:
            if filled >= limit:
                current, filled = current + 1, 0
            home[k] = current
            filled += 1
    places: dict[int, int] = {}
    for k, statement in enumerate(stated):
        for arg in statement.args:
            if arg in home and home[arg] != home[k]:
                places.setdefault(arg, len(places))
    values: list[set[int]] = [set() for _ in range(current + 1)]
    loads: list[dict[int, int]] = [{} for _ in range(current + 1)]
    for k, chunk in home.items():
        values[chunk].add(k)
        for arg in stated[k].args:
            if arg not in home:
                values[chunk].add(arg)
            elif home[arg] != chunk:
                loads[chunk][arg] = places[arg]
    roots: list[list[tuple[int, int]]] = [[] for _ in range(current + 1)]
    for number, value in enumerate(body.roots):
        chunk = home.get(value, current)
        values[chunk].add(value)
        roots[chunk].append((number, value))
    return [
        Chunk(
            tuple(sorted(values[c])), loads[c],
            {v: places[v] for v in sorted(values[c]) if v in places}, tuple(roots[c]),
        )
        for c in range(current + 1)
    ]  # fmt: skip
