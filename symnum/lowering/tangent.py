"""The tangent system: a system together with the derivatives of its unknowns by some parameters.

Every equation ``0 == F(x, D(x), p, t)`` is joined by its derivative
``0 == F_x S + F_D(x) D(S) + F_p dp/dq`` for each parameter q, in which S = dx/dq. Structure, families and
tables carry over: an equation solved for x has a derivative solved for S, and a sum of rates has a sum of
their derivatives. So nothing is analysed anew, and the cost of code grows with the number of shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from symnum.codegen.distinct import distinct
from symnum.errors import LoweringError
from symnum.language.block import GridNames, Quantities
from symnum.language.event import Event
from symnum.lowering.families import AnyArray, Family, IntArray, compacted
from symnum.lowering.flat import FlatSystem
from symnum.lowering.names import Names
from symnum.lowering.raw import Sums
from symnum.lowering.written_out import right_hand_side, written_out
from symnum.record import record, replace
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ONE, TIME, ZERO, Expr, Symbol, add, as_expr, slot, symbol
from symnum.rewriting.walk import leaves, substitute

__all__ = ["Tangent", "tangent"]


class _TangentNames(GridNames):
    """``d(x)/d(q)`` for every unknown x of a system, made when asked for."""

    def __init__(self, names: Names, parameter: str) -> None:
        self.names, self.parameter = names, parameter
        super().__init__(f"d()/d({parameter})", (len(names),))

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self.of(self.names[k].name) for k in range(*i.indices(len(self)))]
        return self.of(self.names[range(len(self))[i]].name)

    def of(self, name: str) -> str:
        return f"d({name})/d({self.parameter})"

    def find(self, name: str) -> int | None:
        tail = f")/d({self.parameter})"
        if not (name.startswith("d(") and name.endswith(tail)):
            return None
        return self.names.find(name[2 : len(name) - len(tail)])


@record
class Tangent:
    """A system with its derivatives.

    flat: the joint system; its first ``n`` entries of u are those of the system itself. names: the parameters
    q. rows[k]: (n,) the row of the joint f that is the derivative by q_k of row i of f; ``columns[k]``: (n,)
    where the derivative of entry i of u stands. starts: {entry of u: expression} of derivatives that the
    starts have, per parameter; zero where there is none. followers: {(parameter, q): derivative} of the other
    parameters that q changes.
    """

    flat: FlatSystem
    names: tuple[str, ...]
    rows: IntArray
    columns: IntArray
    starts: tuple[dict[int, Expr], ...]
    followers: dict[tuple[str, str], Expr]


def tangent(
    flat: FlatSystem, parameters: Sequence[int], values: Mapping[int, Expr], starts: Mapping[int, Expr]
) -> Tangent:
    """The joint system of ``flat`` and its derivatives by these parameters.

    values: those of parameters that are given by others. starts: {number of an unknown: expression}.
    Raises LoweringError for what is not supported: hard limits, events with triggers, and events when= in
    systems with algebraic unknowns.
    """
    return _Builder(flat, tuple(parameters), values).build(starts)


class _Builder:
    def __init__(self, flat: FlatSystem, parameters: tuple[int, ...], values: Mapping[int, Expr]) -> None:
        self.flat, self.parameters, self.given = flat, parameters, values
        self.n, self.m = len(flat.unknowns), len(parameters)
        self.names = tuple(flat.parameters[q].name for q in parameters)
        self.refuse()
        self.table = flat.parameters.copy()  # the old ones first
        self.moved = {
            flat.parameter_index(target, f"{event}")
            for event in flat.events
            for target in event.then
            if target.kind == "parameter"
        }
        self.known: dict[tuple[int, int], Expr] = {}  # (parameter, q): its derivative, over parameters
        self.hidden: dict[tuple[int, int], int] = {}  # number of the parameter that holds it

    def refuse(self) -> None:
        flat = self.flat
        if flat.delays:
            raise LoweringError(f"{flat.name}: sensitivities of delay equations are not supported")
        if flat.hosted:
            raise LoweringError(f"{flat.name}: no sensitivities of {flat.hosted[0].path}, an imported unit")
        if flat.limits:
            raise LoweringError(
                f"{flat.name}: sensitivities of a system with hard limits (sn.Limit) are not supported: when "
                "a limit holds depends on the parameters. Write a smooth saturation instead."
            )
        for event in flat.events:
            if event.trigger is not None and event.then:
                raise LoweringError(
                    f"{flat.name}: sensitivities across an event with a trigger=, {event}, are not "
                    "supported; those with at= or when= are"
                )
            if event.when is not None and event.then and not flat.mass.all():
                raise LoweringError(
                    f"{flat.name}: {event} happens at a moment that depends on the parameters; sensitivities "
                    "across such an event need a system without algebraic unknowns"
                )
        if flat.structure.choices:
            raise LoweringError(
                f"{flat.name}: the states of this system are chosen during the run (its index was reduced); "
                "sensitivities of it are not supported"
            )

    # ---- parameters -------------------------------------------------------------------------------
    def total(self, expr: Expr, q: int, start: Callable[[Expr], Expr] | None = None) -> Expr:
        """The derivative of an expression of parameters (and of starts) by parameter q."""
        terms = []
        for leaf in leaves((expr,)):
            if leaf.kind == "parameter":
                number = self.flat.parameters.find(leaf.name)
                inner = ZERO if number is None else self.of_parameter(number, q)
            elif leaf.kind == "variable" and start is not None:
                inner = self.total(start(leaf), q, start)
            else:
                continue
            if inner is not ZERO:
                terms.append(derivative(expr, leaf) * inner)
        return add(terms) if terms else ZERO

    def of_parameter(self, number: int, q: int) -> Expr:
        """The derivative of a parameter by parameter q: a number, or an expression of parameters.

        Where events change it, it is a parameter of its own, which they change too.
        """
        if number in self.moved:
            return symbol(self.table[self.holder(number, q)])
        return self.initial(number, q)

    def initial(self, number: int, q: int) -> Expr:
        """The same before any event."""
        if number == self.parameters[q]:
            return ONE
        if (number, q) not in self.known:
            value = self.given.get(number)
            self.known[number, q] = ZERO if value is None else self.total(value, q, self.start_of)
        return self.known[number, q]

    def start_of(self, leaf: Expr) -> Expr:
        number, sign = self.flat.without_sign(self.flat.number_of(leaf, "start"))
        return sign * self.starts.get(number, ZERO)

    def parameter_column(self, column: IntArray, q: int) -> tuple[str, AnyArray] | Expr:
        """The derivatives of the parameters in a column: one number for all, numbers, or other parameters."""
        numbers = distinct(column).tolist()
        values = {i: self.of_parameter(i, q) for i in numbers}
        if all(value.is_number for value in values.values()):
            if len(set(values.values())) == 1:
                return values[numbers[0]]
            place = {i: float(value) for i, value in values.items()}
            return "c", np.array([place[i] for i in column.tolist()])
        holder = {i: self.holder(i, q) for i in numbers}
        return "p", np.array([holder[i] for i in column.tolist()], np.int64)

    def holder(self, number: int, q: int) -> int:
        """The parameter that holds the derivative of another one by parameter q."""
        if (number, q) not in self.hidden:
            name = f"d({self.flat.parameters[number].name})/d({self.names[q]})"
            value = self.initial(number, q) if number in self.moved else self.of_parameter(number, q)
            self.hidden[number, q] = self.table.add(Symbol(name, "parameter", default=value))
        return self.hidden[number, q]

    # ---- equations --------------------------------------------------------------------------------
    def number(self, numbers: IntArray, q: int | None) -> IntArray:
        """Numbers of unknowns and derivatives in the joint system; with q those of the derivatives by q."""
        shift = 0 if q is None else self.n * (1 + q)
        return np.where(numbers < self.n, numbers + shift, numbers + self.n * self.m + shift)

    def same(self, family: Family) -> Family:
        columns = tuple(
            self.number(np.asarray(column, np.int64), None) if letter == "u" else column
            for letter, column in zip(family.letters, family.columns, strict=True)
        )
        target = np.where(family.target >= 0, self.number(family.target, None), -1)
        return replace(family, columns=columns, target=target)

    def differentiated(self, family: Family, q: int) -> Family:
        terms: list[Expr] = []
        letters = family.letters
        columns: list[AnyArray] = [
            self.number(np.asarray(column, np.int64), None) if letter == "u" else column
            for letter, column in zip(family.letters, family.columns, strict=True)
        ]
        for k, letter in enumerate(family.letters):
            partial = derivative(family.root, slot(letter, k)) if letter in "up" else ZERO
            if partial is ZERO:
                continue
            if letter == "u":
                entry: tuple[str, AnyArray] | Expr = (
                    "u", self.number(np.asarray(family.columns[k], np.int64), q)
                )  # fmt: skip
            else:
                entry = self.parameter_column(np.asarray(family.columns[k], np.int64), q)
            if isinstance(entry, Expr):
                terms.append(partial * entry)
            else:
                terms.append(partial * slot(entry[0], len(columns)))
                letters += entry[0]
                columns.append(entry[1])
        text, rows = family.origin
        name = self.names[q]
        target = np.where(family.target >= 0, self.number(family.target, q), -1)
        return compacted(
            replace(
                family, root=add(terms) if terms else ZERO, letters=letters, columns=tuple(columns),
                origin=(lambda copy: f"derivative by {name} of: {text(copy)}", rows), target=target,
            )
        )  # fmt: skip

    def build(self, starts: Mapping[int, Expr]) -> Tangent:
        flat, structure, n, m = self.flat, self.flat.structure, self.n, self.m
        self.starts = starts
        qs = range(m)
        unknowns = flat.unknowns.copy()
        for name in self.names:
            unknowns.add_block(Quantities("variable", _TangentNames(flat.unknowns, name)))
        everywhere: list[int | None] = [None, *qs]

        def all_numbers(numbers: IntArray) -> IntArray:
            return np.concatenate([self.number(numbers, q) for q in everywhere])

        def all_families(families: tuple[Family, ...]) -> tuple[Family, ...]:
            return (
                *map(self.same, families),
                *(self.differentiated(family, q) for q in qs for family in families),
            )

        sums = structure.sums
        length, count = np.diff(sums.indptr), sums.count
        joint_sums = Sums(
            np.concatenate([[0], np.cumsum(np.tile(length, m + 1))]).astype(np.int64),
            all_numbers(sums.unknown), np.tile(sums.coefficient, m + 1),
            (*sums.labels, *(f"derivative by {name} of: {label}" for name in self.names
                             for label in sums.labels)),
        )  # fmt: skip
        every_row, opposite = np.arange(m + 1)[:, None] * count, structure.opposite
        joint = replace(
            structure,
            representative=np.concatenate([structure.representative + n * k for k in range(m + 1)]),
            opposite=np.concatenate([np.where(opposite < 0, -1, opposite + n * k) for k in range(m + 1)]),
            states=all_numbers(structure.states), implicit=all_numbers(structure.implicit),
            definitions=all_families(structure.definitions), sums=joint_sums,
            sum_rows=(structure.sum_rows + every_row).ravel(), sum_targets=all_numbers(structure.sum_targets),
            residuals=all_families(structure.residuals),
            residual_sums=(structure.residual_sums + every_row).ravel(),
        )  # fmt: skip
        vector = all_numbers(flat.vector)
        position = np.full(2 * n * (m + 1), -1, np.int64)
        position[vector] = np.arange(len(vector))
        events = tuple(self.event(event) for event in flat.events)
        followers = {
            (flat.parameters[number].name, self.names[q]): self.of_parameter(number, q)
            for number in sorted({*self.given, *self.moved, *self.parameters})
            for q in qs
        }
        result = FlatSystem(
            flat.name, unknowns, self.table, joint, vector, position, np.tile(flat.mass, m + 1), (),
            np.zeros(0, np.int64), events, flat.guards,
        )  # fmt: skip
        columns = np.arange(flat.n) + flat.n * np.arange(1, m + 1)[:, None]
        return Tangent(result, self.names, self.rows(), columns, tuple(self.start(q) for q in qs), followers)

    def rows(self) -> IntArray:
        """Algebraic equations come family by family, then sums, each with its derivatives behind it."""
        flat, m = self.flat, self.m
        algebraic = np.flatnonzero(flat.mass == 0)
        sums = len(flat.structure.residual_sums)
        families = len(algebraic) - sums
        places = np.flatnonzero(np.tile(flat.mass, m + 1) == 0)
        rows = np.arange(flat.n) + flat.n * np.arange(1, m + 1)[:, None]
        for q in range(m):
            rows[q, algebraic[:families]] = places[families * (1 + q) : families * (2 + q)]
            first = families * (m + 1) + sums * (1 + q)
            rows[q, algebraic[families:]] = places[first : first + sums]
        return rows

    def start(self, q: int) -> dict[int, Expr]:
        found = {}
        for number, expr in self.starts.items():
            value = self.total(expr, q, self.start_of)
            at = int(self.flat.position[number])
            if value is not ZERO and at >= 0:
                found[at] = value
        return found

    # ---- events -----------------------------------------------------------------------------------
    def event(self, event: Event) -> Event:
        """At a given time the derivatives take the derivatives of the new values."""
        if event.when is not None and event.then:
            return self.crossing_event(event)
        if event.at is None:
            return event
        then: dict[Expr, Expr] = dict(event.then)
        for target, value in event.then.items():
            for q in range(self.m):
                change = self.jump(value, q)
                if target.kind == "parameter":
                    number = self.holder(self.flat.parameter_index(target, f"{event}"), q)
                    then[symbol(self.table[number])] = change
                else:
                    then[self.derivative_of(target.name, q)] = change
        return Event(at=list(event.at), then=then, terminal=event.terminal, name=event.name or repr(event))

    def crossing_event(self, event: Event) -> Event:
        """An event whose moment tau moves with q: h(u, p, tau) = 0 gives h_t dtau = -(h_u S + h_p dp).

        h_t is that along the solution. With new values g and slopes f before and f+ after,
        S+ = g_u (S + f dtau) + g_p dp + g_t dtau - f+ dtau. Rozenvasser, Autom. Remote Control 28 (1967) 394.
        """
        flat, n = self.flat, self.flat.n
        where = f"{event}"
        assert event.when is not None
        f = right_hand_side(flat)
        h, *given = written_out(flat, flat.with_numbers((event.when, *event.then.values()), where))
        states = {}
        for target, value in zip(event.then, given, strict=True):
            if target.kind == "variable":
                number, sign = flat.without_sign(flat.number_of(target, where))
                states[int(flat.position[number])] = sign * value
        parameters = {
            flat.parameter_index(target, where): value
            for target, value in zip(event.then, given, strict=True)
            if target.kind == "parameter"
        }
        new: dict[Expr, Expr] = {slot("u", i): value for i, value in states.items()}
        new |= {slot("p", i): value for i, value in parameters.items()}
        f_after = substitute(f, new | self.followed(new))
        slopes = [(slot("u", i), f[i]) for i in range(n)]

        def along(expr: Expr) -> Expr:
            """The derivative by time along the solution."""
            return add([derivative(expr, TIME), *(derivative(expr, u) * rate for u, rate in slopes)])

        values: dict[Expr, Expr] = {}
        for q in range(self.m):

            def by_q(expr: Expr, q: int = q) -> Expr:
                """The derivative by q at a fixed time; the derivatives of u are ``slot("s", i)``."""
                terms = []
                for leaf in leaves((expr,)):
                    if leaf.op == "slot" and leaf.data[0] == "u":
                        terms.append(derivative(expr, leaf) * slot("s", q * n + leaf.data[1]))
                    elif leaf.op == "slot":
                        terms.append(derivative(expr, leaf) * self.of_parameter(leaf.data[1], q))
                return add(terms) if terms else ZERO

            moved = -by_q(h) / along(h)
            for i in range(n):
                g = states.get(i, slot("u", i))
                name = flat.state_names[i]
                values[self.derivative_of(name, q)] = by_q(g) + (along(g) - f_after[i]) * moved
            for i, g in parameters.items():
                values[symbol(self.table[self.holder(i, q)])] = by_q(g) + along(g) * moved
        back: dict[Expr, Expr] = {}
        for leaf in leaves(values.values()):
            if leaf.op == "slot":
                letter, k = leaf.data
                if letter == "p":
                    back[leaf] = symbol(flat.parameters[k])
                elif letter == "u":
                    back[leaf] = symbol(Symbol(flat.state_names[k], "variable"))
                else:
                    back[leaf] = self.derivative_of(flat.state_names[k % n], k // n)
        written = substitute(tuple(values.values()), back)
        other = copy(event)
        other.then = {**event.then, **dict(zip(values, written, strict=True))}
        other.name = event.name or repr(event)
        return other

    def followed(self, new: Mapping[Expr, Expr]) -> dict[Expr, Expr]:
        """What parameters become that are given by ones which an event changes, over slots."""
        result: dict[Expr, Expr] = {}
        known = dict(new)
        for number, value in self.given.items():
            mapping = {}
            for leaf in leaves((value,)):
                at = self.flat.parameters.find(leaf.name) if leaf.kind == "parameter" else None
                if at is not None:
                    mapping[leaf] = known.get(slot("p", at), slot("p", at))
            changed = any(new_leaf.op != "slot" or new_leaf in known for new_leaf in mapping.values())
            if changed and slot("p", number) not in known:
                (written,) = substitute((value,), mapping)
                result[slot("p", number)] = known[slot("p", number)] = written
        return result

    def jump(self, value: Expr, q: int) -> Expr:
        terms = []
        for leaf in leaves((value,)):
            if leaf.kind == "time":
                continue
            if leaf.kind == "parameter":
                number = self.flat.parameters.find(leaf.name)
                if number is None:
                    continue
                inner = self.of_parameter(number, q)
            elif leaf.op == "D":
                inner = substitute(leaf, {leaf.args[0]: self.derivative_of(leaf.args[0].name, q)})
            else:
                inner = self.derivative_of(leaf.name, q)
            terms.append(derivative(value, leaf) * as_expr(inner))
        return add(terms) if terms else ZERO

    def derivative_of(self, name: str, q: int) -> Expr:
        return symbol(Symbol(f"d({name})/d({self.names[q]})", "variable"))
