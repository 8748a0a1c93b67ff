"""Explicit unknowns: which equations are solved for which unknowns, and in which order.

Every unknown is defined once. Unknowns in blocks of one equation are solved for; larger blocks are torn
(`tearing`). What remains becomes an algebraic unknown of the DAE with its residual row.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.distinct import distinct
from symnum.lowering.alias import Equations
from symnum.lowering.families import Family, IntArray, compacted
from symnum.lowering.incidence import Incidence, Matching
from symnum.lowering.raw import Sums
from symnum.lowering.structure import StateChoice, Structure
from symnum.lowering.tearing import tear
from symnum.record import replace
from symnum.rewriting.expr import linear, rational, slot

_WIDEST = 12  # terms: wider sums are rows of a table, never a template
_DEEPEST = 64  # longer chains of explicit unknowns stay implicit: they would need a loop per link


def choose_explicit(
    equations: Equations,
    states: IntArray,
    graph: Incidence,
    matching: Matching,
    keep: NDArray[np.bool_] | None = None,
    choices: tuple[StateChoice, ...] = (),
    held: IntArray | None = None,
) -> Structure:
    """The structure of equations with a perfect matching: definitions in order, and what stays implicit.

    keep: (equations,) those that must stay implicit. choices: ``rows`` are numbers of equations.
    held: unknowns that must stay implicit.
    """
    if held is not None and len(held) and keep is None:
        keep = np.zeros(graph.n_equations, bool)
    chosen = Selection(equations.families, equations.sums, graph, matching, keep, choices)
    if held is not None:
        chosen.kept_unknown[held] = True
    return chosen.structure(equations.representative, states, choices)


class Selection:
    """Chooses, family by family, which equations are solved for which unknowns."""

    def __init__(
        self,
        families: list[Family],
        sums: Sums,
        graph: Incidence,
        matching: Matching,
        keep: NDArray[np.bool_] | None,
        choices: tuple[StateChoice, ...],
    ) -> None:
        self.families, self.sums, self.graph = families, sums, graph
        self.matched = matching.equation_of
        self.size = matching.block  # of the block of each equation
        self.direct = matching.direct and keep is None
        self.least = int(np.argmax(graph.is_unknown))  # below it there are known numbers only
        self.taken = np.zeros(graph.n_equations, bool)
        self.keep = keep
        self.kept_unknown = np.zeros(len(graph.is_unknown), bool)
        for choice in choices:
            self.kept_unknown[choice.candidates] = True
        self.defined = np.full(len(graph.is_unknown), -1, np.int64)  # by group
        self.groups: list[Family] = []
        self.equations: list[IntArray] = []  # the equations that each group solves

    @cached_property
    def block_size(self) -> IntArray:
        """The size of the block of each unknown."""
        return np.where(self.matched >= 0, self.size[self.matched], 0)

    @cached_property
    def occurrences(self) -> IntArray:
        """In how many equations each unknown stands."""
        return np.bincount(self.graph.unknown, minlength=len(self.graph.is_unknown))

    def structure(
        self, representative: IntArray, states: IntArray, choices: tuple[StateChoice, ...]
    ) -> Structure:
        self.single_blocks()
        tear(self)
        sum_rows, sum_targets = self.single_sums()
        self.cut_long_chains()
        order = self.ordered()
        first = self.graph.first
        residuals = []
        for f, family in enumerate(self.families):
            rows = np.flatnonzero(~self.taken[first[f] : first[f + 1]])
            if len(rows):
                residuals.append(family.select(rows))
        left = np.flatnonzero(~self.taken[first[-2] :])
        explicit = self.defined >= 0
        explicit[sum_targets] = True
        implicit = np.flatnonzero(self.graph.is_unknown & ~explicit)
        return Structure(
            representative, np.full(len(representative), -1), states, implicit, tuple(order), self.sums,
            sum_rows, sum_targets, tuple(residuals), left, self.placed(choices),
        )  # fmt: skip

    def placed(self, choices: tuple[StateChoice, ...]) -> tuple[StateChoice, ...]:
        """The choices with their constraints by place among the residuals."""
        if not choices:
            return ()
        place = np.cumsum(~self.taken) - 1
        return tuple(replace(choice, rows=place[choice.rows]) for choice in choices)

    def take(self, f: int, k: int, rows: IntArray) -> None:
        """Solve the copies ``rows`` of family f for the unknowns in its slot k."""
        family = self.families[f]
        solved = family.solved_for(k)
        assert solved is not None
        part = family.select(rows)
        targets = np.asarray(part.columns[k], np.int64)
        self.add(replace(part, target=targets).with_root(solved), self.graph.first[f] + rows)

    def add(self, group: Family, equations: IntArray) -> None:
        self.defined[group.target] = len(self.groups)
        self.taken[equations] = True
        self.groups.append(group)
        self.equations.append(equations)

    def candidates(self, f: int, k: int) -> IntArray:
        """Copies of f whose slot k holds an undefined unknown that occurs once in the copy."""
        family = self.families[f]
        column = family.columns[k]
        fine = self.graph.is_unknown[column] & (self.defined[column] < 0)
        here = slice(self.graph.first[f], self.graph.first[f + 1])
        fine &= ~self.taken[here]
        if self.keep is not None:
            fine &= ~(self.keep[here] | self.kept_unknown[column])
        for other in family.slots_from(self.least):
            if other != k:
                fine &= family.columns[other] != column
        rows = np.flatnonzero(fine)
        if len(rows) == len(column) and (column[1:] > column[:-1]).all():
            return rows  # increasing: every copy holds an unknown of its own
        held = np.asarray(column[rows], np.int64)
        holder = np.empty(len(self.graph.is_unknown), np.int64)
        holder[held[::-1]] = rows[::-1]  # the first copy that holds an unknown stays
        single: IntArray = rows[holder[held] == rows]
        return single

    def single_blocks(self) -> None:
        for f, family in enumerate(self.families):
            slots = family.slots_from(self.least)
            if self.direct and len(slots) == 1:  # it holds the unknown of every copy
                if family.coefficient(slots[0]) is not None:
                    self.take(f, slots[0], np.arange(family.count))
                continue
            equations = np.arange(self.graph.first[f], self.graph.first[f + 1])
            for k in slots:
                own = self.matched[family.columns[k]] == equations
                if not own.any():
                    continue
                own &= self.size[self.graph.first[f] : self.graph.first[f + 1]] == 1
                rows = self.candidates(f, k)
                rows = rows[own[rows]]
                if len(rows) and family.coefficient(k) is not None:
                    self.take(f, k, rows)

    def read_by(self, g: int) -> set[int]:
        group = self.groups[g]
        found: set[int] = set()
        for j in group.slots_from(self.least):
            read = self.defined[group.columns[j]]
            found |= set(np.flatnonzero(np.bincount(read[read >= 0])).tolist())
        return found

    def single_sums(self) -> tuple[IntArray, IntArray]:
        """Rows of the sums that alone determine an unknown.

        Where nothing else reads it (the current into ground) the row is kept for results; short rows become
        templates, by length and signs; longer ones stay implicit.
        """
        sums = self.sums
        if not sums.count:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        entry = np.repeat(np.arange(sums.count), np.diff(sums.indptr))
        equation = int(self.graph.first[-2]) + entry
        hit = (self.size[equation] == 1) & (self.matched[sums.unknown] == equation)
        if self.keep is not None:
            hit &= ~(self.keep[equation] | self.kept_unknown[sums.unknown])
        alone = hit & (self.occurrences[sums.unknown] == 1)
        rows, targets = entry[alone], sums.unknown[alone]
        self.taken[equation[alone]] = True
        for signs_, numbers, table in _short_rows(sums, entry[hit & ~alone], sums.unknown[hit & ~alone]):
            root = linear((slot("u", k), rational(c)) for k, c in enumerate(signs_))
            group = Family(
                root, "u" * len(signs_), tuple(table[1:]), -9, numbers,
                (self.sums.labels.__getitem__, numbers), table[0],
            )  # fmt: skip
            self.add(compacted(group), int(self.graph.first[-2]) + numbers)
        return rows, targets

    # ---- order ------------------------------------------------------------------------------------
    def levels(self) -> IntArray:
        """Per unknown the length of the longest chain of explicit unknowns below it, up to the cap."""
        level = np.zeros(len(self.graph.is_unknown), np.int64)
        for _ in range(_DEEPEST + 1):
            changed = False
            for group in self.groups:
                best = level[group.target]
                for j in group.slots_from(self.least):
                    column = group.columns[j]
                    best = np.maximum(best, np.where(self.defined[column] >= 0, level[column] + 1, 0))
                if (best > level[group.target]).any():
                    level[group.target] = np.minimum(best, _DEEPEST + 1)
                    changed = True
            if not changed:
                break
        return level

    def cut_long_chains(self) -> None:
        """Explicit unknowns at the end of very long chains go back to being implicit."""
        if len(self.groups) <= _DEEPEST and not self.on_cycles():
            return  # no chain is longer than there are groups
        level = self.levels()
        for g, group in enumerate(self.groups):
            deep = level[group.target] > _DEEPEST
            if not deep.any():
                continue
            self.defined[group.target[deep]] = -1
            self.taken[self.equations[g][deep]] = False
            self.groups[g] = group.select(~deep)
            self.equations[g] = self.equations[g][~deep]

    def ordered(self) -> list[Family]:
        """Groups such that each reads only earlier ones; groups on a cycle are split by level first."""
        cyclic = self.on_cycles()
        if cyclic:
            level = self.levels()
            parts: list[Family] = []
            for g, group in enumerate(self.groups):
                if g in cyclic:
                    own = level[group.target]
                    parts += [group.select(own == value) for value in distinct(own)]
                else:
                    parts.append(group)
            self.groups = parts
            for g, group in enumerate(parts):
                self.defined[group.target] = g
        done: list[int] = []
        state = [0] * len(self.groups)
        for start in range(len(self.groups)):
            stack = [(start, iter(sorted(self.read_by(start))))] if not state[start] else []
            state[start] = 1
            while stack:
                g, below = stack[-1]
                following = next((h for h in below if not state[h]), None)
                if following is None:
                    done.append(g)
                    stack.pop()
                else:
                    state[following] = 1
                    stack.append((following, iter(sorted(self.read_by(following)))))
        return [self.groups[g] for g in done if self.groups[g].count]

    def on_cycles(self) -> set[int]:
        """Groups that read themselves, directly or through others."""
        waiting = {g: self.read_by(g) for g in range(len(self.groups))}
        while free := [g for g, below in waiting.items() if not below]:
            for g in free:
                del waiting[g]
            waiting = {g: below - set(free) for g, below in waiting.items()}
        if not waiting:
            return set()
        import networkx

        graph = networkx.DiGraph([(g, h) for g, below in waiting.items() for h in below])
        found = {g for g in graph if graph.has_edge(g, g)}
        for component in networkx.strongly_connected_components(graph):
            if len(component) > 1:
                found |= component
        return found


def _short_rows(
    sums: Sums, rows: IntArray, targets: IntArray
) -> Iterator[tuple[tuple[float, ...], IntArray, IntArray]]:
    """Rows that are short and hold their target once, solved for it: coefficients, rows, (1 + terms, rows).

    Each group holds rows of the same coefficients, which are in order, then the unknowns; the table has the
    targets first.
    """
    length = sums.indptr[rows + 1] - sums.indptr[rows]
    for wide in distinct(length):
        if wide > _WIDEST:
            continue
        same = np.flatnonzero(length == wide)
        entries = sums.indptr[rows[same]][:, None] + np.arange(wide)
        unknown, coefficient = sums.unknown[entries], sums.coefficient[entries]
        own = unknown == targets[same][:, None]
        once = own.sum(axis=1) == 1
        same, unknown, coefficient, own = same[once], unknown[once], coefficient[once], own[once]
        others = unknown[~own].reshape(len(same), wide - 1)
        signs = -(coefficient[~own].reshape(len(same), wide - 1) / coefficient[own][:, None])
        order = np.lexsort((others, signs), axis=1)
        others, signs = np.take_along_axis(others, order, 1), np.take_along_axis(signs, order, 1)
        in_groups = np.lexsort(signs.T) if wide > 1 else np.arange(len(same))
        sorted_ = signs[in_groups]
        cuts = np.flatnonzero((sorted_[1:] != sorted_[:-1]).any(axis=1)) + 1
        for members in np.split(in_groups, cuts) if len(same) else ():
            table = np.concatenate([targets[same[members]][None], others[members].T])
            yield tuple(signs[members[0]].tolist()), rows[same[members]], table
