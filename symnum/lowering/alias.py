"""Aliases: unknowns that equations say to be equal become one unknown."""

from __future__ import annotations

import numpy as np

from symnum.codegen.distinct import distinct
from symnum.errors import LoweringError
from symnum.lowering.connections import least_of_sets
from symnum.lowering.families import Family, IntArray, compacted, is_equality
from symnum.lowering.raw import RawSystem, Sums, Texts
from symnum.record import record, replace
from symnum.rewriting.expr import slot


@record
class Equations:
    """What is left when equal unknowns are one: families and sums over the numbers of representatives.

    representative: (n,) the unknown that stands for each one.
    """

    families: list[Family]
    sums: Sums
    representative: IntArray

    def text(self, equation: int) -> str:
        """The user's own equation; equations are counted family by family, then the rows of the sums."""
        for family in self.families:
            if equation < family.count:
                return family.label(equation)
            equation -= family.count
        return self.sums.labels[equation]


def without_aliases(raw: RawSystem) -> Equations:
    n = len(raw.unknowns)
    representative = _representatives(raw, n)
    families, sums = _unequal(raw.families, n), raw.sums
    if not (representative == np.arange(n)).all():
        number = np.concatenate([representative, n + representative])
        families = [_renumbered(f, number) for f in families]
        sums = replace(sums, unknown=number[sums.unknown])
    sums, short = _short_sums(sums)
    families = [f for f in (*families, *short) if not _redundant(raw.name, f)]
    return Equations(families, sums, representative)


@record
class Unknowns:
    """states: numbers of the unknowns whose derivative occurs. wanted: (2n,) what is to be determined."""

    states: IntArray
    wanted: np.ndarray[tuple[int], np.dtype[np.bool_]]


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


def _representatives(raw: RawSystem, n: int) -> IntArray:
    """Union of equal unknowns. For a set stands one that is differentiated, else the least deeply nested."""
    pairs = [raw.equalities]
    for family in raw.families:
        if is_equality(family.root):
            left, right = family.columns[0], family.columns[1]
            plain = (left < n) & (right < n)
            pairs.append(np.stack([left[plain], right[plain]], axis=1))
    joined_pairs = np.concatenate(pairs)
    if not len(joined_pairs):
        return np.arange(n)
    differentiated = np.zeros(n, bool)
    for family in raw.families:
        for k in family.slots_from(n):
            column = family.columns[k]
            differentiated[column[column >= n] - n] = True
    label = least_of_sets(n, joined_pairs)
    touched = np.zeros(n, bool)
    touched[joined_pairs] = True
    joined = np.flatnonzero(touched)
    result = np.arange(n)
    order = np.lexsort((joined, raw.unknowns.depths()[joined], ~differentiated[joined], label[joined]))
    ranked = joined[order]
    first = np.concatenate([[True], label[ranked[1:]] != label[ranked[:-1]]])
    best = np.zeros(n, np.int64)
    best[label[ranked[first]]] = ranked[first]
    result[joined] = best[label[joined]]
    return result


def _unequal(families: list[Family], n: int) -> list[Family]:
    kept = []
    for family in families:
        if is_equality(family.root):
            rows = np.flatnonzero((family.columns[0] >= n) | (family.columns[1] >= n))
            if len(rows):
                kept.append(family.select(rows))
        else:
            kept.append(family)
    return kept


def _renumbered(family: Family, number: IntArray) -> Family:
    columns = tuple(
        number[column] if letter == "u" else column
        for letter, column in zip(family.letters, family.columns, strict=True)
    )
    return compacted(replace(family, columns=columns))


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
    keep = np.flatnonzero(length > 2)
    kept = [np.arange(sums.indptr[r], sums.indptr[r + 1]) for r in keep]
    entries = np.concatenate(kept or [np.zeros(0, np.int64)])
    left = Sums(
        np.concatenate([[0], np.cumsum(length[keep])]).astype(np.int64),
        sums.unknown[entries],
        sums.coefficient[entries],
        Texts.of(sums.labels).select(keep),
        None if sums.written_out is None else sums.written_out[keep],
    )
    return left, families


def _redundant(name: str, family: Family) -> bool:
    """Whether aliasing left ``0 == 0``; ``0 == 1`` is an error."""
    if not family.root.is_number:
        return False
    if family.root.value:
        raise LoweringError(f"{name}: {family.label(0)} cannot hold: it says 0 == {family.root}")
    return True
