"""A flattened, analysed system: what is integrated, what is given explicitly, what everything is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from symnum.errors import ModelError
from symnum.language.condition import Condition
from symnum.language.event import Event
from symnum.language.hosted import HostedUnit
from symnum.language.system import Guard
from symnum.lowering.delays import Delay
from symnum.lowering.families import Family, IntArray
from symnum.lowering.names import Names
from symnum.lowering.raw import LimitFamily
from symnum.lowering.structure import Structure
from symnum.record import record
from symnum.rewriting.expr import TIME, ZERO, Expr, linear, rational, slot
from symnum.rewriting.operators import ifelse
from symnum.rewriting.walk import leaves, substitute

_AT_BOUND = 1e-9  # relative distance from its bound below which a limited state is at it


# What holds where the distance of a relation is exactly zero: the side, of `ModelFunctions.event_side`.
_AT_ZERO = {"<": -1, "<=": 1, "equal": 2}


@record
class Hosted:
    """A part that other code computes; all in numbers of the system.

    unit: makes the code of one instance. states: how many. z: states, then inputs. The parameters: values of
    derivatives, outputs and event indicators; points of z; slopes, whose rows and columns are ``reads``; new
    values of the states and the next event's time after an event; that time; those of the user.
    """

    path: str
    unit: Callable[[], HostedUnit]
    states: int
    z: IntArray
    values: IntArray
    points: IntArray
    slopes: IntArray
    reads: IntArray
    new: IntArray
    next: int
    settable: IntArray


@record
class FlatSystem:
    """``M u' = f(t, u, p)`` with ``M = diag(mass)``, and the rest of the unknowns as explicit definitions.

    unknowns (n) and parameters carry the names. ``vector[i]`` is the number (see `families`) of ``u[i]``:
    below n an unknown, from n on the derivative of unknown ``number - n`` kept as an algebraic unknown.
    ``position`` is its inverse, -1 elsewhere. ``mass`` is 1 for states and 0 for algebraic unknowns.
    ``limit_parameter[j]``: the hidden parameter that is 1 while limit j leaves its state free.
    """

    name: str
    unknowns: Names
    parameters: Names
    structure: Structure
    vector: IntArray
    position: IntArray
    mass: np.ndarray[tuple[int], np.dtype[np.float64]]
    limits: tuple[LimitFamily, ...]
    limit_parameter: IntArray
    events: tuple[Event, ...]
    guards: tuple[Guard, ...]
    delays: tuple[Delay, ...] = ()
    hosted: tuple[Hosted, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        from symnum.lowering.pickling import reduced_flat

        return reduced_flat(self)

    @property
    def n(self) -> int:
        """Length of ``u``."""
        return len(self.vector)

    @cached_property
    def state_names(self) -> tuple[str, ...]:
        """The names of the entries of ``u``."""
        return tuple(self.number_name(int(number)) for number in self.vector)

    @cached_property
    def nominal(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """(n,) the usual sizes of the entries of ``u``, 1 where none is declared."""
        declared = np.ones(len(self.unknowns))
        for number, info in self.unknowns.own_symbols():  # those born in blocks have none
            declared[number] = info.nominal or 1.0
        for _, declaration, numbers, _ in self.unknowns.columns():
            declared[numbers] = declaration.nominal or 1.0
        found: np.ndarray[tuple[int], np.dtype[np.float64]] = declared[self.vector % len(self.unknowns)]
        found.flags.writeable = False
        return found

    @cached_property
    def equation_texts(self) -> tuple[str, ...]:
        """What row i of ``f`` is: the user's equation, or the state whose derivative it gives."""
        texts = [f"D({name})" for name in self.state_names]
        rows = iter(np.flatnonzero(self.mass == 0).tolist())
        for family in self.structure.residuals:
            for copy in range(family.count):
                texts[next(rows)] = family.label(copy)
        for row in self.structure.residual_sums:
            texts[next(rows)] = self.structure.sums.labels[row]
        for part in self.structure.definitions:
            for copy, target in enumerate(part.target.tolist()):
                if target >= len(self.unknowns):
                    texts[self.position[target - len(self.unknowns)]] = part.label(copy)
        return tuple(texts)

    def number_name(self, number: int) -> str:
        n = len(self.unknowns)
        return self.unknowns[number].name if number < n else f"D({self.unknowns[number - n].name})"

    # ---- events -----------------------------------------------------------------------------------
    @cached_property
    def triggers(self) -> tuple[tuple[Event, Condition], ...]:
        """The events with a condition that becomes true."""
        return tuple((e, Condition.of(e.trigger)) for e in self.events if e.trigger is not None)

    @cached_property
    def crossings(self) -> tuple[tuple[Expr, int, int], ...]:
        """(expression, direction, side) of all that is watched: ``when`` of events, relations of triggers.

        side: see `ModelFunctions.event_side`.
        """
        whens = [(event.when, event.crossing, 0) for event in self.events if event.when is not None]
        relations = dict.fromkeys(relation for _, c in self.triggers for relation in c.relations)
        return (*whens, *((distance, 0, _AT_ZERO[kind]) for distance, kind in relations))

    @cached_property
    def event_reads(self) -> IntArray:
        """(events,) what `crossings` read beside states: bits, 1 time, 2 algebraic unknowns."""
        watched = self.with_numbers([expr for expr, _, _ in self.crossings], "events")
        known: dict[int, int] = {}
        return np.array([self._reads(expr, known) for expr in watched], np.int64)

    def _reads(self, expr: Expr, known: dict[int, int]) -> int:
        """`event_reads` of one expression. known: of unknowns that have been looked at."""
        stack: list[tuple[int, Expr]] = [(-1, expr)]
        while True:
            number, body = stack[-1]
            reads, waiting = 0, []
            for leaf in leaves((body,)):
                if leaf is TIME:
                    reads |= 1
                if leaf.op != "slot" or leaf.data[0] != "u":
                    continue
                if leaf.data[1] not in known:
                    definition = self.definition(leaf.data[1])
                    if definition is not None:
                        waiting.append((leaf.data[1], definition))
                        continue
                    known[leaf.data[1]] = 0 if self.mass[self.position[leaf.data[1]]] else 2
                reads |= known[leaf.data[1]]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            if number < 0:
                return reads
            known[number] = reads

    @cached_property
    def relation_numbers(self) -> tuple[tuple[int, ...], ...]:
        """For each of `triggers` the numbers of its relations among `crossings`."""
        whens = sum(event.when is not None for event in self.events)
        keys = [(expr, side) for expr, _, side in self.crossings[whens:]]
        number = {key: whens + k for k, key in enumerate(keys)}
        return tuple(
            tuple(number[distance, _AT_ZERO[kind]] for distance, kind in condition.relations)
            for _, condition in self.triggers
        )

    # ---- from names to numbers --------------------------------------------------------------------
    def parameter_index(self, key: Expr | str, where: str) -> int:
        name = _name_of(key)
        found = self.parameters.find(name)
        if found is None:
            raise ModelError(self._unknown_name(name, self.parameters, self.unknowns, "parameter", where))
        return found

    def number_of(self, key: Expr | str, where: str, kind: str = "variable") -> int:
        """The number of a variable or of a derivative ``D(x)``, by its representative.

        kind: what it might have been, for the message of the ModelError where there is none.
        """
        n = len(self.unknowns)
        if isinstance(key, Expr) and key.op == "D":
            inner = key.args[0]
            named = self.unknowns.find(_derivative_name(key))
            if named is not None:
                return int(self.structure.representative[named])
            below = self.number_of(inner, where)
            own = self.unknowns.find(f"D({self.number_name(below)})")
            if own is not None:
                return int(self.structure.representative[own])
            if below >= n:
                raise ModelError(f"{where}: {key} is not part of the model; add an equation that holds it")
            number = n + below
            if self.position[number] < 0 and not self._is_defined(number):
                raise ModelError(
                    f"{where}: {inner} is not a state of {self.name}, so {key} is not part of the model; "
                    f"add an equation that holds it"
                )
            return number
        name = _name_of(key)
        found = self.unknowns.find(name)
        if found is None:
            raise ModelError(self._unknown_name(name, self.unknowns, self.parameters, kind, where))
        return int(self.structure.representative[found])

    def without_sign(self, number: int) -> tuple[int, int]:
        """(number, sign) of an unknown: of what it is the opposite of by an alias, else of itself.

        What sets values goes by it: starts, tolerances, events.
        """
        if number >= len(self.unknowns) or self.structure.opposite[number] < 0:
            return number, 1
        return int(self.structure.opposite[number]), -1

    def without_signs(
        self, numbers: IntArray, values: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> tuple[IntArray, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        """As `without_sign`, of many unknowns and their values."""
        behind = self.structure.opposite[numbers]
        return np.where(behind < 0, numbers, behind), np.where(behind < 0, values, -values)

    def _unknown_name(self, name: str, table: Names, other: Names, kind: str, where: str) -> str:
        if name in other:
            return f"{where}: {name} is not a {kind} of {self.name}"
        near = table.near(name) or other.near(name)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"{where}: {self.name} has no {kind} called {name}.{hint}"

    def with_numbers(self, exprs: Sequence[Expr], where: str) -> tuple[Expr, ...]:
        """The expressions over ``slot("u", number)`` and ``slot("p", parameter)``."""
        mapping: dict[Expr, Expr] = {}
        for leaf in leaves(exprs):
            if leaf.op == "symbol" and leaf.kind == "time":
                continue
            if leaf.op == "symbol" and leaf.kind == "parameter":
                mapping[leaf] = slot("p", self.parameter_index(leaf, where))
            else:
                mapping[leaf] = slot("u", self.number_of(leaf, where))
        return substitute(tuple(exprs), mapping)

    # ---- definitions of what is not integrated ----------------------------------------------------
    @cached_property
    def _definition(self) -> tuple[IntArray, IntArray]:
        part = np.full(2 * len(self.unknowns), -1, np.int64)
        copy = np.zeros_like(part)
        for g, family in enumerate(self.structure.definitions):
            part[family.target] = g
            copy[family.target] = np.arange(family.count)
        return part, copy

    def definition_places(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """(definition, copy) of explicit unknowns; the definition is -1 where a sum gives them."""
        part, copy = self._definition
        return part[numbers], copy[numbers]

    def representative_numbers(self, numbers: IntArray) -> IntArray:
        """The numbers that stand for these; from n on they are derivatives."""
        n = len(self.unknowns)
        stand = self.structure.representative
        return np.where(numbers < n, stand[numbers % n], n + stand[numbers % n])

    def _is_defined(self, number: int) -> bool:
        return bool(self._definition[0][number] >= 0 or (self.structure.sum_targets == number).any())

    @cached_property
    def _limits_of(self) -> dict[int, list[tuple[LimitFamily, int]]]:
        """Derivatives of limited states by number, with the limits (family, copy) of the state."""
        found: dict[int, list[tuple[LimitFamily, int]]] = {}
        for limit in self.limits:
            for copy, x in enumerate(limit.state.tolist()):
                found.setdefault(len(self.unknowns) + x, []).append((limit, copy))
        return found

    def _as_limited(self, number: int, body: Expr) -> Expr:
        """The derivative of a limited state: zero where a limit holds it, at the bound and driven outwards.

        Told from the values, because the run keeps no record of when each limit held its state.
        """
        for limit, copy in self._limits_of.get(number, ()):
            distance = instance(limit.distance, copy)
            scale = _AT_BOUND * (1 + abs(slot("u", number - len(self.unknowns))))
            body = ifelse((distance >= -scale) & (limit.side * body > 0), ZERO, body)
        return body

    def definition(self, number: int) -> Expr | None:
        """What an explicit unknown equals, over ``slot("u", number)`` and ``slot("p", …)``; None in ``u``."""
        if self.position[number] >= 0:
            return None
        part, copy = self._definition
        if part[number] >= 0:
            family = self.structure.definitions[part[number]]
            return self._as_limited(number, instance(family, int(copy[number])))
        sums = self.structure.sums
        at = np.flatnonzero(self.structure.sum_targets == number)
        row = sums.row(int(self.structure.sum_rows[at[0]]))
        terms = list(zip(sums.unknown[row].tolist(), sums.coefficient[row].tolist(), strict=True))
        own = sum(c for other, c in terms if other == number)
        return linear((slot("u", other), rational(-c / own)) for other, c in terms if other != number)


def instance(family: Family, copy: int) -> Expr:
    """One copy written out over ``slot("u", number)``, ``slot("p", parameter)`` and numbers."""
    from symnum.rewriting.expr import number

    mapping = {
        slot(letter, k): number(float(column[copy])) if letter == "c" else slot(letter, int(column[copy]))
        for k, (letter, column) in enumerate(zip(family.letters, family.columns, strict=True))
    }
    (root,) = substitute((family.root,), mapping)
    return root


def _name_of(key: Expr | str) -> str:
    if isinstance(key, str):
        return key
    if not isinstance(key, Expr) or key.op != "symbol":
        raise ModelError(f"{key} is not the name of a variable or parameter")
    return key.name


def _derivative_name(key: Expr) -> str:
    inner = key.args[0]
    return f"D({_derivative_name(inner) if inner.op == 'D' else inner.name})"
