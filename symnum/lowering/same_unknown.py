"""Equations that say of two unknowns that they are equal, or that one is the opposite of the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.families import Family, IntArray
from symnum.lowering.raw import RawSystem, Sums
from symnum.record import record
from symnum.rewriting.expr import Expr

__all__ = ["Equal", "equal_in_families", "equal_in_sums", "equal_potentials", "path", "relation_of"]


@record
class Equal:
    """``one[i] == sign[i] * other[i]``; text(i) is the user's equation."""

    one: IntArray
    other: IntArray
    sign: IntArray
    text: Callable[[int], str]

    def none(self) -> Equal:
        empty = np.zeros(0, np.int64)
        return Equal(empty, empty, empty, self.text)


def equal_potentials(raw: RawSystem) -> Equal:
    """What connections say."""
    one, other = raw.equalities.T

    def text(i: int) -> str:
        return f"{raw.number_name(int(one[i]))} == {raw.number_name(int(other[i]))} by a connection"

    return Equal(one, other, np.ones(len(one), np.int64), text)


def relation_of(root: Expr) -> int:
    """1 where the root says that two unknowns are equal, -1 that they are opposite, else 0."""
    if root.op != "+" or len(root.args) != 2 or root.constant != 0:
        return 0
    if any(arg.op != "slot" or arg.data[0] != "u" for arg in root.args):
        return 0
    one, other = (factor for _, factor in root.terms())
    return 1 if one == -other else -1 if one == other else 0


def equal_in_families(families: Sequence[Family], n: int) -> tuple[list[Equal], list[Family]]:
    """(what the families say to be equal, the families without it); derivatives are left as they are."""
    found, left = [], []
    for family in families:
        terms = _two_terms(family)
        if terms is None:
            left.append(family)
            continue
        (one, a), (other, b) = terms
        plain = (one < n) & (other < n) & (np.abs(a) == np.abs(b)) & (a != 0)
        if plain.any():
            rows = np.flatnonzero(plain)
            alike = family.select(rows)
            sign = np.where(a[rows] == b[rows], -1, 1)
            found.append(Equal(one[rows], other[rows], sign, alike.label))
        if not plain.all():
            left.append(family.select(np.flatnonzero(~plain)))
    return found, left


def _two_terms(family: Family) -> list[tuple[IntArray, NDArray[np.float64]]] | None:
    """(unknowns, their coefficients) of each copy of an equation of two terms; None of any other one."""
    root = family.root
    if root.op != "+" or len(root.args) != 2 or root.constant != 0:
        return None
    found = []
    for term, factor in root.terms():
        held = [base for base, exponent in term.factors() if exponent == 1 and base.op == "slot"]
        letters = sorted(base.data[0] for base in held)
        if letters not in (["u"], ["c", "u"]) or len(held) != len(list(term.factors())):
            return None
        coefficient = np.full(family.count, float(factor))
        unknown = np.zeros(0, np.int64)
        for base in held:
            letter, k = base.data
            if letter == "c":
                coefficient = coefficient * family.columns[k]
            else:
                unknown = np.asarray(family.columns[k], np.int64)
        found.append((unknown, coefficient))
    return found


def equal_in_sums(sums: Sums, n: int) -> tuple[Equal, Sums]:
    """(what sums of two terms say to be equal, the other sums)."""
    rows = np.flatnonzero(np.diff(sums.indptr) == 2)
    first = sums.indptr[rows]
    alike = np.abs(sums.coefficient[first]) == np.abs(sums.coefficient[first + 1])
    alike &= (sums.unknown[first] < n) & (sums.unknown[first + 1] < n)
    if sums.written_out is not None:
        alike &= ~sums.written_out[rows]
    rows, first = rows[alike], first[alike]
    sign = np.where(sums.coefficient[first] == sums.coefficient[first + 1], -1, 1)
    labels = sums.labels
    equal = Equal(sums.unknown[first], sums.unknown[first + 1], sign, lambda i: labels[int(rows[i])])
    if not len(rows):
        return equal, sums
    others = np.ones(sums.count, bool)
    others[rows] = False
    return equal, sums.select(np.flatnonzero(others))


def path(given: Sequence[Equal], start: int, end: int, sign: int) -> list[str]:
    """The fewest equations from which ``start == sign * end`` follows; only messages ask for it."""
    beside: dict[int, list[tuple[int, int, Equal, int]]] = {}
    for equal in given:
        for i, (a, b, s) in enumerate(
            zip(equal.one.tolist(), equal.other.tolist(), equal.sign.tolist(), strict=True)
        ):
            beside.setdefault(a, []).append((b, s, equal, i))
            beside.setdefault(b, []).append((a, s, equal, i))
    reached: dict[tuple[int, int], list[str]] = {(start, 1): []}
    waiting = [(start, 1)]
    for node in waiting:
        for other, s, equal, i in beside.get(node[0], ()):
            after = other, s * node[1]
            if after not in reached:
                reached[after] = [*reached[node], equal.text(i)]
                waiting.append(after)
    return reached.get((end, sign), [])
