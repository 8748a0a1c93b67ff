"""Index reduction: equations of any index become equations of index one.

Equations are differentiated as often as `index` says, once per template and part of a family, and constraints
stay beside their derivatives. `state_selection` says which unknowns the constraints take out of the set of
states. Unknowns ``v`` with an equation ``D(x) == v`` are names of derivatives here, so that positions, speeds
and accelerations are levels of one unknown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.distinct import difference, distinct
from symnum.lowering.alias import Equations, Unknowns
from symnum.lowering.differentiate import differentiated, differentiated_sums, joined_sums
from symnum.lowering.families import Family, IntArray, compacted
from symnum.lowering.index import Offsets, Signature, offsets, signature
from symnum.lowering.raw import RawSystem, Sums
from symnum.lowering.regularity import check_regular
from symnum.lowering.same_unknown import relation_of
from symnum.lowering.state_selection import Block, select_states
from symnum.lowering.structure import StateChoice
from symnum.record import record, replace
from symnum.rewriting.expr import Symbol, slot

_NONE = -(1 << 62)  # of a derivative that does not occur
_NAMED = 3  # unknowns in the name of a state

SELECTION = -10  # owners of the families that define states chosen in a run, and of their derivatives
SELECTION_SLOPE = -12
DERIVATIVE = -11  # owner of the families that say whose derivative an unknown is


@record
class Chains:
    """Unknowns as derivatives of others: unknown i is derivative ``order[i]`` of unknown ``base[i]``."""

    base: IntArray
    order: IntArray
    families: list[Family]  # without the equations that say so
    removed: list[Family]  # these

    def numbers(self, column: IntArray) -> IntArray:
        """Numbers of `families` (n + i is the derivative of i) as ``order * n + base``."""
        n = len(self.base)
        unknown = column % n
        return np.asarray((self.order[unknown] + column // n) * n + self.base[unknown], np.int64)


@record
class Reduced:
    """Equations of index one at most, and what led to them.

    keep: (equations,) those that stay implicit, because a choice of states reads their derivatives.
    choices: their ``rows`` are numbers of equations.
    """

    equations: Equations
    unknowns: Unknowns
    keep: NDArray[np.bool_]
    choices: tuple[StateChoice, ...]


def derivative_chains(equations: Equations) -> Chains:
    n = len(equations.representative)
    parent = np.full(n, -1, np.int64)

    def top(i: int) -> int:
        while parent[i] >= 0:
            i = int(parent[i])
        return i

    kept: list[Family] = []
    removed: list[Family] = []
    for family in equations.families:
        if relation_of(family.root) <= 0:
            kept.append(family)
            continue
        rows = []
        for row, (one, two) in enumerate(zip(*(c.tolist() for c in family.columns), strict=True)):
            derivative, plain = (one, two) if one >= n else (two, one)
            if derivative >= n > plain and parent[plain] < 0 and top(derivative - n) != plain:
                parent[plain] = derivative - n
            else:
                rows.append(row)
        if rows:
            kept.append(family.select(np.array(rows)))
        others = difference(np.arange(family.count), np.array(rows, np.int64))
        if len(others):
            removed.append(family.select(others))
    base, order = np.arange(n), np.zeros(n, np.int64)
    while True:
        above = parent[base]
        deeper = above >= 0
        if not deeper.any():
            return Chains(base, order, kept, removed)
        base = np.where(deeper, above, base)
        order = order + deeper


def in_chains(equations: Equations) -> tuple[Chains, list[Family], Signature]:
    """The equations over numbers ``order * n + base``, and their signature."""
    chains = derivative_chains(equations)
    n = len(chains.base)
    families = [_renumbered(family, chains) for family in chains.families]
    sums = replace(equations.sums, unknown=chains.numbers(equations.sums.unknown))
    own = (equations.representative == np.arange(n)) & (chains.order == 0)
    least = np.zeros(n, np.int64)
    np.maximum.at(least, chains.base, chains.order)
    return chains, families, replace(signature(families, sums, n), present=own, least=least)


def _renumbered(family: Family, chains: Chains) -> Family:
    columns = tuple(
        chains.numbers(np.asarray(column, np.int64)) if letter == "u" else column
        for letter, column in zip(family.letters, family.columns, strict=True)
    )
    return compacted(replace(family, columns=columns))


def reduce_index(raw: RawSystem, equations: Equations) -> Reduced:
    """Differentiate, select states, and name what is new; adds names to ``raw``.

    The equations must match their unknowns when derivatives are not told apart.
    """
    return _Reduction(raw, equations).reduced()


class _Reduction:
    def __init__(self, raw: RawSystem, equations: Equations) -> None:
        self.raw, self.given = raw, equations
        self.chains, self.families, self.signature = in_chains(equations)
        self.n = len(self.chains.base)
        self.sums = replace(equations.sums, unknown=self.chains.numbers(equations.sums.unknown))
        self.offsets: Offsets = offsets(self.signature)
        self.check_regular()
        self.blocks: list[Block] = select_states(
            self.families, self.sums, self.signature, self.offsets, self.priorities()
        )
        self.implicit_from = self.offsets.d.copy()  # orders from here on are algebraic
        for block in self.blocks:
            taken = self.offsets.c[block.rows]
            if block.dynamic:
                most = np.minimum(int(taken.max()), self.offsets.d[block.columns])
                self.implicit_from[block.columns] -= most
            else:
                self.implicit_from[block.columns] -= taken
        self.parameters = raw.parameters.copy()
        self.names = raw.unknowns.copy()
        self.number = np.full((int(self.offsets.d.max()) + 1) * self.n, _NONE, np.int64)
        own = equations.representative == np.arange(self.n)
        self.named: dict[tuple[int, int], int] = {}  # (base, order): an unknown that the user gave a name
        for i in np.flatnonzero((self.chains.order > 0) & own).tolist():
            self.named.setdefault((int(self.chains.base[i]), int(self.chains.order[i])), i)
        self.states: list[int] = []
        self.links: list[tuple[int, int]] = []  # (x, D(x)) where both are unknowns of their own
        self.also: list[tuple[int, int]] = []  # (new name, the unknown that it stands for)
        for j in np.flatnonzero(self.signature.present).tolist():
            self.place(j)

    def check_regular(self) -> None:
        known = Equations(self.families, self.sums, self.chains.base, self.given.sign)
        check_regular(
            self.raw.name, self.families, self.sums, self.signature, self.offsets, known.text,
            self.raw.number_name,
        )  # fmt: skip

    def priorities(self) -> NDArray[np.float64]:
        """Of every base the priority of itself or of a derivative of it that has a name."""
        result = np.zeros(self.n)
        for i, info in self.raw.unknowns.singles():
            wanted = info.state_priority
            number = self.given.representative[i]
            base = self.chains.base[number]
            if wanted is not None and (result[base] == 0 or wanted > result[base]):
                result[base] = wanted
        return result

    # ---- numbers ----------------------------------------------------------------------------------
    def place(self, j: int) -> None:
        """A number for each derivative of unknown j; ``-1 - x`` stands for the derivative of unknown x."""
        self.number[j] = below = j
        for order in range(1, int(self.offsets.d[j]) + 1):
            below_is_state = order - 1 < self.implicit_from[j]
            if below_is_state:
                self.states.append(below)
            found = self.named.get((j, order))
            if found is None and below_is_state and order == self.offsets.d[j]:
                self.number[order * self.n + j] = -1 - below
                return
            if found is None:
                found = self.new(below)
            elif not below_is_state:
                self.also.append((self.new(below), found))
            if below_is_state:
                self.links.append((below, found))
            self.number[order * self.n + j] = below = found

    def new(self, below: int) -> int:
        name = f"D({self.names[below].name})"
        while name in self.names:
            name = f"{name}'"
        return self.names.add(Symbol(name, "variable", about=f"derivative of {self.names[below].name}"))

    # ---- equations --------------------------------------------------------------------------------
    def reduced(self) -> Reduced:
        choices = [found for block in self.blocks if block.dynamic for found in self.choices(block)]
        n = len(self.names)  # complete now, and with it the numbers of derivatives
        number = np.where(self.number < 0, n - 1 - self.number, self.number)
        number[self.number == _NONE] = _NONE
        families: list[Family] = []
        keep: list[NDArray[np.bool_]] = []
        at: dict[tuple[int, int], int] = {}  # (equation, derivatives taken): its new number
        held = self.kept()
        count = 0
        for family, equation, taken in self.differentiated():
            families.append(_with_numbers(family, number))
            keep.append(np.array([(e, taken) in held for e in equation.tolist()], bool))
            at.update(((e, taken), count + row) for row, e in enumerate(equation.tolist()))
            count += family.count
        extra = [
            *self.link_families(n),
            *self.selection(choices, number, n),
        ]
        count += sum(family.count for family in extra)
        # never solved for x: an entry of A may be zero
        keep += [np.full(family.count, family.owner == SELECTION) for family in extra]
        parts = []
        for sums, equation, taken in self.differentiated_sums():
            parts.append(replace(sums, unknown=number[sums.unknown]))
            keep.append(np.array([(e, taken) in held for e in equation.tolist()], bool))
            at.update(((e, taken), count + row) for row, e in enumerate(equation.tolist()))
            count += sums.count
        numbered = tuple(
            replace(
                choice,
                candidates=number[choice.candidates],
                rows=np.array([at[e, int(self.offsets.c[e]) - choice.level] for e in choice.rows.tolist()]),
            )
            for choice in choices
        )
        self.raw.unknowns, self.raw.parameters = self.names, self.parameters
        states = np.array(
            [*self.states, *(s for choice in choices for s in choice.states.tolist())], np.int64
        )
        wanted = np.zeros(2 * n, bool)
        wanted[self.number[self.number >= 0]] = True
        wanted[states] = False
        wanted[n + states] = True
        sign = np.concatenate([self.given.sign, np.ones(n - self.n, np.int64)])
        equations = Equations([*families, *extra], joined_sums(parts), self.representative(n), sign)
        return Reduced(equations, Unknowns(np.sort(states), wanted), np.concatenate(keep), numbered)

    def representative(self, n: int) -> IntArray:
        result = np.concatenate([self.given.representative, np.arange(self.n, n)])
        for i in np.flatnonzero(self.chains.order[result[: self.n]]).tolist():
            own = result[i]
            found = self.number[self.chains.order[own] * self.n + self.chains.base[own]]
            if found >= 0:  # two names of one derivative are one unknown
                result[i] = found
        for name, stands_for in self.also:
            result[name] = stands_for
        return result

    def differentiated(self) -> list[tuple[Family, IntArray, int]]:
        """(family, numbers of its equations before, derivatives taken) of every level of every part."""
        found = []
        for first, family in zip(self.signature.first, self.families, strict=False):
            equation = first + np.arange(family.count)
            for most in distinct(self.offsets.c[equation]).tolist():
                rows = np.flatnonzero(self.offsets.c[equation] == most)
                part = family.select(rows)
                for taken in range(most + 1):
                    part = differentiated(part, self.n) if taken else part
                    found.append((part, equation[rows], taken))
        return found

    def differentiated_sums(self) -> list[tuple[Sums, IntArray, int]]:
        equation = int(self.signature.first[-2]) + np.arange(self.sums.count)
        found = [(self.sums.select(np.zeros(0, np.int64)), equation[:0], 0)]
        for most in distinct(self.offsets.c[equation]).tolist():
            rows = np.flatnonzero(self.offsets.c[equation] == most)
            part = self.sums.select(rows)
            for taken in range(most + 1):
                part = differentiated_sums(part, self.n) if taken else part
                found.append((part, equation[rows], taken))
        return found

    def kept(self) -> set[tuple[int, int]]:
        """(equation, derivatives taken) of the constraints that a choice of states needs as residuals."""
        return {
            (e, int(self.offsets.c[e]) - level)
            for block in self.blocks
            if block.dynamic
            for e in block.rows.tolist()
            for level in range(1, int(self.offsets.c[e]) + 1)
        }

    def link_families(self, n: int) -> list[Family]:
        if not self.links:
            return []
        below, above = np.array(self.links, np.int64).T
        names = [f"D({self.names[x].name}) == {self.names[y].name}" for x, y in self.links]
        rows = np.arange(len(names))
        return [
            Family(
                slot("u", 0) - slot("u", 1), "uu", (n + below, above), DERIVATIVE, rows,
                (names.__getitem__, rows), np.full(len(rows), -1),
            )
        ]  # fmt: skip

    # ---- dynamic selection ------------------------------------------------------------------------
    def choices(self, block: Block) -> list[StateChoice]:
        """For each level of a dynamic block its states and the parameters that select them."""
        c, d = self.offsets.c[block.rows], self.offsets.d[block.columns]
        found = []
        for level in range(1, int(c.max()) + 1):
            rows, columns = block.rows[c >= level], block.columns[d >= level]
            count = len(columns) - len(rows)
            if not count:
                continue
            numbers = (self.offsets.d[columns] - level) * self.n + columns
            title = ", ".join(self.name_of(k) for k in numbers[:_NAMED].tolist())
            title = f"state({title}{', ...' if len(numbers) > _NAMED else ''})"
            states, parameters = [], np.zeros((count, len(columns)), np.int64)
            for i in range(count):
                name = f"{title}[{i}]" if count > 1 else title
                name = name + "'" * sum(name + "'" * k in self.names for k in range(3))
                states.append(self.names.add(Symbol(name, "variable", about="chosen in the run")))
                for k, number in enumerate(numbers.tolist()):
                    share = f"select({name}, {self.name_of(number)})"
                    parameters[i, k] = self.parameters.add(
                        Symbol(share, "parameter", default=float(k == len(rows) + i))
                    )
            found.append(StateChoice(np.array(states), numbers, parameters, rows, level))
        return found

    def name_of(self, number: int) -> str:
        """The name of ``order * n + base``, which has an unknown of its own."""
        return self.names[int(self.number[number])].name

    def selection(self, choices: list[StateChoice], number: IntArray, n: int) -> list[Family]:
        """The equations ``s == A x`` and ``D(s) == A D(x)``, one family for all choices with as many x."""
        found = []
        for m in distinct(np.array([len(choice.candidates) for choice in choices], np.int64)).tolist():
            alike = [choice for choice in choices if len(choice.candidates) == m]
            counts = [len(choice.states) for choice in alike]
            states = np.concatenate([choice.states for choice in alike])
            shares = np.concatenate([choice.parameters for choice in alike])
            candidates = np.repeat([choice.candidates for choice in alike], counts, axis=0)
            names = [", ".join(self.name_of(x) for x in row[:_NAMED]) for row in candidates.tolist()]
            members = np.arange(len(states))
            root = -slot("u", 0)
            for k in range(m):
                root = root + slot("p", 1 + 2 * k) * slot("u", 2 + 2 * k)
            for derivative in (False, True):
                of = self.n if derivative else 0
                columns = [n + states if derivative else states]
                for k in range(m):
                    columns += [shares[:, k], number[candidates[:, k] + of]]
                form = "D({0}) == A*D({1})" if derivative else "{0} == A*({1})"
                texts = [
                    form.format(self.names[s].name, x) for s, x in zip(states.tolist(), names, strict=True)
                ]
                owner = SELECTION_SLOPE if derivative else SELECTION
                found.append(
                    compacted(
                        Family(
                            root, "u" + "pu" * m, tuple(columns), owner, members,
                            (texts.__getitem__, members), np.full(len(states), -1),
                        )
                    )
                )  # fmt: skip
        return found


def _with_numbers(family: Family, number: IntArray) -> Family:
    columns = tuple(
        number[np.asarray(column, np.int64)] if letter == "u" else column
        for letter, column in zip(family.letters, family.columns, strict=True)
    )
    return compacted(replace(family, columns=columns))
