"""Wide sums that give an unknown explicitly: production rates, mixture properties, totals that rates read.

A sum of many terms is no template; it is evaluated as a row of a table into scratch. The choice of explicit
unknowns leaves such rows implicit; here those that can be evaluated in an order become explicit, and their
unknowns need no place in ``u``.

A sum whose value spreads to many equations stays implicit on purpose: written out, every one of these would
depend on every term, and the Jacobian would fill up; as an unknown of its own it costs one row. Rows marked
as ``written_out`` are excepted: spectral derivatives depend on all points anyway.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from symnum.codegen.distinct import difference
from symnum.lowering.families import Family, IntArray
from symnum.lowering.structure import Structure
from symnum.record import replace

_READERS = 16  # equations reached from a sum, directly or through explicit unknowns, beyond which it spreads


def with_explicit_sums(structure: Structure) -> Structure:
    """The structure with rows moved from ``residual_sums`` to ``sum_rows``."""
    if not len(structure.residual_sums):
        return structure
    found = _Search(structure).run()
    if not found:
        return structure
    rows = np.array(list(found.values()), np.int64)
    targets = np.array(list(found), np.int64)
    return replace(
        structure,
        implicit=difference(structure.implicit, targets),
        sum_rows=np.concatenate([structure.sum_rows, rows]),
        sum_targets=np.concatenate([structure.sum_targets, targets]),
        residual_sums=difference(structure.residual_sums, rows),
    )


class _Search:
    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.n = len(structure.representative)
        sums, rows = structure.sums, structure.residual_sums
        length = np.diff(sums.indptr)[rows]
        start = np.repeat(sums.indptr[rows] - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
        self.entry = sums.unknown[start + np.arange(int(length.sum()))]
        self.row = np.repeat(np.arange(len(rows)), length)
        implicit = np.zeros(2 * self.n, bool)
        implicit[structure.implicit] = True
        implicit[self.n :] = False
        for family in structure.residuals:  # unknowns of true algebraic equations stay what they are
            for k in family.unknown_slots():
                implicit[family.columns[k]] = False
        self.candidate = implicit
        marked = sums.written_out
        self.written_out = np.zeros(len(rows), bool) if marked is None else marked[rows]

    def run(self) -> dict[int, int]:
        """{unknown: row} of the sums that become explicit."""
        structure = self.structure
        known = np.ones(2 * self.n, bool)
        for family in structure.definitions:
            known[family.target] = False
        known[np.flatnonzero(self.candidate)] = False
        found: dict[int, int] = {}
        open_rows = np.ones(len(structure.residual_sums), bool)
        while True:
            self._evaluate(known)
            missing = ~known[self.entry]
            count = np.bincount(self.row[missing], minlength=len(open_rows))
            ready = open_rows & (count == 1)
            single = np.flatnonzero(missing & ready[self.row] & self.candidate[self.entry])
            if not len(single):
                # what is left depends on itself, or on more than sums
                return found if self._is_ordered(found) else {}
            for at in single.tolist():
                target, row = int(self.entry[at]), int(self.row[at])
                if known[target]:
                    continue
                open_rows[row] = False
                known[target] = True  # as an explicit unknown, or as one in ``u``
                if self.written_out[row] or not self._spreads(target):
                    found[target] = int(structure.residual_sums[row])

    def _evaluate(self, known: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        for family in self.structure.definitions:  # in order of dependence
            ready = np.ones(family.count, bool)
            for k in family.unknown_slots():
                ready &= known[family.columns[k]]
            known[family.target[ready]] = True

    def _spreads(self, target: int) -> bool:
        """Whether more than a few equations read the unknown, directly or through what they define."""
        seen = {target}
        stack = [target]
        readers = 0
        while stack:
            for reader in self._readers[stack.pop()].tolist():
                readers += 1
                if readers > _READERS:
                    return True
                if reader >= 0 and reader not in seen:
                    seen.add(reader)
                    stack.append(reader)
        return False

    @cached_property
    def _readers(self) -> _Readers:
        return _Readers(self.structure, self.entry, self.row, self.candidate)

    def _is_ordered(self, found: dict[int, int]) -> bool:
        """Whether whole families, and the sums by their depth, can be evaluated one after the other."""
        structure, sums = self.structure, self.structure.sums
        depth = np.zeros(2 * self.n, np.int64)
        bound = len(structure.definitions) + len(found) + 1
        for _ in range(bound):
            changed = False
            for family in structure.definitions:
                best = 1 + max(
                    (int(depth[family.columns[k]].max(initial=0)) for k in family.unknown_slots()), default=0
                )
                if best > int(depth[family.target].max(initial=0)):
                    depth[family.target] = best
                    changed = True
            for target, row in found.items():
                entries = sums.unknown[sums.row(row)]
                best = 1 + int(depth[entries[entries != target]].max(initial=0))
                if best > depth[target]:
                    depth[target] = best
                    changed = True
            if not changed:
                return True
        return False


class _Readers:
    """For each number the numbers defined by what reads it; -1 for a residual."""

    def __init__(
        self, structure: Structure, entry: IntArray, row: IntArray,
        candidate: np.ndarray[tuple[int], np.dtype[np.bool_]],
    ) -> None:  # fmt: skip
        read: list[IntArray] = []
        reader: list[IntArray] = []

        def add(family: Family, target: IntArray) -> None:
            for k in family.unknown_slots():
                read.append(np.asarray(family.columns[k], np.int64))
                reader.append(target)

        for family in structure.definitions:
            add(family, family.target)
        for family in structure.residuals:
            add(family, np.full(family.count, -1))
        # an open row defines one of its candidates; each of them is taken for a reader of the others
        for place in np.flatnonzero(candidate[entry]).tolist():
            members = entry[row == row[place]]
            others = members[members != entry[place]]
            read.append(others)
            reader.append(np.full(len(others), entry[place]))
        sums = structure.sums
        solved = np.full(sums.count, -1, np.int64)
        solved[structure.sum_rows] = structure.sum_targets
        target = np.repeat(solved, np.diff(sums.indptr))
        other = (target >= 0) & (target != sums.unknown)
        read.append(sums.unknown[other])
        reader.append(target[other])
        all_read, all_reader = np.concatenate(read), np.concatenate(reader)
        order = np.argsort(all_read, kind="stable")
        self._reader = all_reader[order]
        counts = np.bincount(all_read, minlength=2 * len(structure.representative))
        self._start = np.concatenate([[0], np.cumsum(counts)])

    def __getitem__(self, number: int) -> IntArray:
        return self._reader[self._start[number] : self._start[number + 1]]
