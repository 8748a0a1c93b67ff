"""Aliases: unknowns that equations say to be equal, or opposite, become one unknown.

Exact elimination over the integers: what is eliminated are the equations ``x == y`` and ``x == -y``, in
whatever form, and those that others become once these are taken into account, until none is left. Copies of a
family in which terms cancel then become a family of their own; all others stay where they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.distinct import distinct
from symnum.errors import LoweringError
from symnum.lowering.connections import least_of_sets
from symnum.lowering.families import AnyArray, Family, IntArray, compacted, slots_of, split_by
from symnum.lowering.raw import RawSystem, Sums
from symnum.lowering.same_unknown import (
    Equal,
    equal_in_families,
    equal_in_sums,
    equal_potentials,
    path,
    relation_of,
)
from symnum.record import record, replace
from symnum.rewriting.expr import slot
from symnum.rewriting.walk import substitute


@record
class Equations:
    """What is left when equal unknowns are one: families and sums over the numbers of representatives.

    representative: (n,) the unknown that stands for each one. sign: (n,) 1 where it equals that one, -1 where
    it is the opposite.
    """

    families: list[Family]
    sums: Sums
    representative: IntArray
    sign: IntArray

    def text(self, equation: int) -> str:
        """The user's own equation; equations are counted family by family, then the rows of the sums."""
        for family in self.families:
            if equation < family.count:
                return family.label(equation)
            equation -= family.count
        return self.sums.labels[equation]


def without_aliases(raw: RawSystem) -> Equations:
    n = len(raw.unknowns)
    found = _Elimination(raw, n)
    while found.eliminate():
        pass
    sums, short = _short_sums(found.sums)
    families = [f for f in (*found.families, *short) if not f.root.is_number]
    return Equations(families, sums, found.representative, found.sign)


@record
class Unknowns:
    """states: numbers of the unknowns whose derivative occurs. wanted: (2n,) what is to be determined."""

    states: IntArray
    wanted: NDArray[np.bool_]


def unknowns_of(equations: Equations) -> Unknowns:
    """States are what stands under a derivative; to be determined are derivatives of states and the rest."""
    n = len(equations.representative)
    appears = np.zeros(2 * n, bool)
    appears[equations.sums.unknown] = True
    for family in equations.families:
        for k in family.slots_from(n):
            appears[family.columns[k]] = True
    is_state = appears[n:]
    wanted = np.zeros(2 * n, bool)
    wanted[:n] = (equations.representative == np.arange(n)) & ~is_state
    wanted[n:] = is_state
    return Unknowns(np.flatnonzero(is_state), wanted)


class _Elimination:
    """Rounds of: collect what is equal or opposite, choose who stands for each set, put that in."""

    def __init__(self, raw: RawSystem, n: int) -> None:
        self.raw, self.n = raw, n
        self.families, self.sums = raw.families, raw.sums
        self.representative, self.sign = np.arange(n), np.ones(n, np.int64)
        self.given: list[Equal] = [equal_potentials(raw)]  # of all rounds, for messages
        self.fresh = self.given[0]

    def eliminate(self) -> bool:
        """One round; whether something was eliminated."""
        alike, self.families = equal_in_families(self.families, self.n)
        rows, self.sums = equal_in_sums(self.sums, self.n)
        equal = [self.fresh, *alike, rows]
        self.fresh = self.fresh.none()
        self.given += [*alike, rows]
        one, other, sign = (
            np.concatenate(part) for part in zip(*((e.one, e.other, e.sign) for e in equal), strict=True)
        )
        if not len(one):
            return False
        label, relative = self.sets(one, other, sign)
        number, factor = self.chosen(label, relative, np.concatenate([one, other]))
        self.sign = self.sign * factor[self.representative]
        self.representative = number[self.representative]
        self.put_in(number, factor)
        return True

    def sets(self, one: IntArray, other: IntArray, sign: IntArray) -> tuple[IntArray, IntArray]:
        """(n,) the least number of the set of each unknown, and its sign relative to that one.

        Each unknown has two nodes, one for itself and one for its opposite. Where both are in one set, all
        unknowns of the set are zero: one of them gets an equation that says so.
        """
        n = self.n
        if (sign > 0).all():
            return least_of_sets(n, np.stack([one, other], axis=1)), np.ones(n, np.int64)
        turned = np.where(sign > 0, 0, n)
        pairs = [np.stack([one, other + turned], axis=1), np.stack([one + n, other + n - turned], axis=1)]
        node = least_of_sets(2 * n, np.concatenate(pairs))
        label = np.minimum(node[:n], node[n:])
        zero = node[:n] == node[n:]
        heads = np.flatnonzero(zero & (label == np.arange(n)))
        if len(heads):
            self.families = [*self.families, *map(self.is_zero, heads.tolist())]
        return label, np.where((node[:n] == label) | zero, 1, -1)

    def is_zero(self, number: int) -> Family:
        """The equation of an unknown that others say to be its own opposite."""
        text = "  and  ".join(path(self.given, number, number, -1))
        return Family(
            slot("u", 0), "u", (np.array([number]),), -2, np.zeros(1, np.int64),
            (lambda _: text, np.zeros(1, np.int64)), np.full(1, -1),
        )  # fmt: skip

    def chosen(self, label: IntArray, relative: IntArray, met: IntArray) -> tuple[IntArray, IntArray]:
        """(n,) who stands for each unknown, and with which sign.

        One with a limit, else one that is differentiated, else one that names a derivative, else the least
        deeply nested.
        """
        n = self.n
        limited, differentiated, rate, touched = np.zeros((4, n), bool)
        for limit in self.raw.limits:
            limited[self.representative[limit.state]] = True
        for family in self.families:
            for k in family.slots_from(n):
                column = family.columns[k]
                differentiated[column[column >= n] - n] = True
            if relation_of(family.root) > 0:  # of two derivatives, or of a derivative and its name
                for column in family.columns:
                    rate[column[column < n]] = True
        touched[met] = True
        joined = np.flatnonzero(touched)
        depth = self.raw.unknowns.depths()[joined]
        ranks = (joined, depth, ~rate[joined], ~differentiated[joined], ~limited[joined])
        order = np.lexsort((*ranks, label[joined]))
        ranked = joined[order]
        first = np.concatenate([[True], label[ranked[1:]] != label[ranked[:-1]]])
        best = np.zeros(n, np.int64)
        best[label[ranked[first]]] = ranked[first]
        number = np.arange(n)
        number[joined] = best[label[joined]]
        return number, relative * relative[number]

    def put_in(self, number: IntArray, factor: IntArray) -> None:
        numbers = np.concatenate([number, self.n + number])
        factors = np.concatenate([factor, factor])
        families = []
        for family in self.families:
            for part in _with_numbers(family, numbers, factors):
                if part.root.is_number and part.root.value:
                    self.refuse(part)
                families.append(part)
        self.families = families
        unknown = numbers[self.sums.unknown]
        if (unknown != self.sums.unknown).any():
            coefficient = self.sums.coefficient * factors[self.sums.unknown]
            self.sums = _cancelled(replace(self.sums, unknown=unknown, coefficient=coefficient))

    def refuse(self, family: Family) -> None:
        """Aliases left ``0 == 1``: say which ones."""
        text = family.label(0)
        others = [e for e in self.equations_behind(text) if e != text]
        because = f" with {'  and  '.join(others)}" if others else ""
        raise LoweringError(
            f"{self.raw.name}: {text} cannot hold{because}: together they say 0 == {family.root}. "
            "Correct one of them."
        )

    def equations_behind(self, text: str) -> list[str]:
        """The equations that made the unknowns of an equation of the user the same ones."""
        n = self.n
        for family in self.raw.families:
            for copy in range(family.count):
                if family.label(copy) != text:
                    continue
                read = [int(family.columns[k][copy]) % n for k in family.unknown_slots()]
                found: dict[str, None] = {}
                for i, a in enumerate(read):
                    for b in read[i + 1 :]:
                        if self.representative[a] == self.representative[b]:
                            sign = int(self.sign[a] * self.sign[b])
                            found |= dict.fromkeys(path(self.given, a, b, sign))
                return list(found)
        return []


def _with_numbers(family: Family, number: IntArray, factor: IntArray) -> list[Family]:
    """The family over the numbers of representatives; copies in which terms cancel come apart.

    A slot that is the opposite of its representative in every copy gets a minus sign, one that is so in some
    copies only a column of signs.
    """
    slots = family.unknown_slots()
    columns = list(family.columns)
    signs: dict[int, IntArray] = {}
    for k in slots:
        old = np.asarray(family.columns[k], np.int64)
        columns[k] = number[old]
        turned = factor[old]
        if (turned < 0).any():
            signs[k] = turned
    if all((columns[k] == family.columns[k]).all() for k in slots):
        return [family]
    renumbered = replace(family, columns=tuple(columns))
    if signs and relation_of(family.root):  # stays what it is for those who look for it
        pattern = sum((2**k * (turned < 0) for k, turned in signs.items()), np.zeros(family.count, np.int64))
        parts = split_by(family, pattern)
        if len(parts) > 1:
            return [piece for _, part in parts for piece in _with_numbers(part, number, factor)]
    whole = _signed(renumbered, signs)
    rest = np.ones(family.count, bool)
    apart: list[Family] = []
    for pattern, rows in _coincidences(renumbered, signs):
        part = _signed(renumbered.select(rows), {k: turned[rows] for k, turned in signs.items()})
        left = sum(leaf.data[0] == "u" for leaf in slots_of(part.root))
        if left < pattern:  # more than two slots that read one number: terms went away
            apart.append(part)
            rest[rows] = False
    if not apart:
        return [whole]
    return [*([whole.select(np.flatnonzero(rest))] if rest.any() else []), *apart]


def _signed(family: Family, signs: dict[int, IntArray]) -> Family:
    turned = {}
    extra: list[tuple[str, AnyArray]] = []
    for k, sign in signs.items():
        if (sign < 0).all():
            turned[slot("u", k)] = -slot("u", k)
        elif (sign < 0).any():
            turned[slot("u", k)] = slot("c", len(family.columns) + len(extra)) * slot("u", k)
            extra.append(("c", sign.astype(float)))
    if not turned:
        return compacted(family)
    (root,) = substitute((family.root,), turned)
    return family.with_root(root, extra)


def _coincidences(family: Family, signs: dict[int, IntArray]) -> list[tuple[int, IntArray]]:
    """(distinct unknowns, copies) of those that read one unknown in two slots, alike in slots and signs."""
    slots = family.unknown_slots()
    if len(slots) < 2:
        return []
    read = np.stack([np.asarray(family.columns[k], np.int64) for k in slots], axis=1)
    ordered = np.sort(read, axis=1)
    rows = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if not len(rows):
        return []
    # the first slot that reads the same number says which slots are alike
    first = (read[rows][:, :, None] == read[rows][:, None, :]).argmax(axis=2)
    turned = np.stack([signs[k][rows] if k in signs else np.ones(len(rows), np.int64) for k in slots], axis=1)
    kinds, kind = np.unique(np.concatenate([first, turned], axis=1), axis=0, return_inverse=True)
    return [(len(distinct(kinds[i, : len(slots)])), rows[kind.ravel() == i]) for i in range(len(kinds))]


def _cancelled(sums: Sums) -> Sums:
    """Terms of one unknown in one row are one term, or none where they cancel."""
    row = np.repeat(np.arange(sums.count), np.diff(sums.indptr))
    order = np.lexsort((sums.unknown, row))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(row[order]) != 0) | (np.diff(sums.unknown[order]) != 0)
    if new.all():
        return sums
    total = np.add.reduceat(sums.coefficient[order], np.flatnonzero(new))
    place = order[new]  # lexsort is stable: where each unknown first stands in its row
    keep = np.flatnonzero(total != 0)
    keep = keep[np.argsort(place[keep])]
    entries = place[keep]
    length = np.bincount(row[entries], minlength=sums.count)
    indptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return replace(sums, indptr=indptr, unknown=sums.unknown[entries], coefficient=total[keep])


def _short_sums(sums: Sums) -> tuple[Sums, list[Family]]:
    """Sums of one or two terms are ordinary equations: ``a = 0`` and ``a + c*b = 0``."""
    length = np.diff(sums.indptr)
    families = []
    for wide in (1, 2):
        rows = np.flatnonzero(length == wide)
        if not len(rows):
            continue
        columns = [sums.unknown[sums.indptr[rows] + k] for k in range(wide)]
        relative = sums.coefficient[sums.indptr[rows] + wide - 1] / sums.coefficient[sums.indptr[rows]]
        for ratio in distinct(relative):
            part = np.flatnonzero(relative == ratio)
            root = slot("u", 0) if wide == 1 else slot("u", 0) + float(ratio) * slot("u", 1)
            count = len(part)
            families.append(
                compacted(
                    Family(
                        root, "u" * wide, tuple(c[part] for c in columns), -3 - wide, rows[part],
                        (sums.labels.__getitem__, rows[part]), np.full(count, -1),
                    )
                )
            )  # fmt: skip
    return sums.select(np.flatnonzero(length > 2)), families
