"""Families: one template and one integer column per slot, the form of everything that lowering handles.

A scalar unknown has a number. With n unknowns, number i < n is unknown i itself and n + i is its time
derivative, so that derivatives take part in matching like any other unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.arrays import Arrays, Remembered
from symnum.codegen.distinct import distinct
from symnum.record import record, replace
from symnum.rewriting.derivative import derivative
from symnum.rewriting.expr import ONE, ZERO, Expr, number, slot
from symnum.rewriting.walk import leaves, postorder, substitute

IntArray: TypeAlias = NDArray[np.int64]
AnyArray: TypeAlias = NDArray[np.int64] | NDArray[np.float64]


greatest = Remembered(lambda column: int(column.max()))


@record
class Family:
    """``count`` copies of ``root``, whose leaf ``slot(letter, k)`` reads ``columns[k][copy]``.

    Letters: u (unknown or derivative, by number), p (parameter, by number), c (a number of the copy's own).
    ``target``: the unknown that each copy defines, or -1: then the copy is the equation 0 == root.
    ``owner`` and ``member`` say which component class and which instance a copy comes from; copies of
    one owner and the same members can share one loop. ``label(copy)`` is the user's own equation.
    """

    root: Expr
    letters: str
    columns: tuple[AnyArray, ...]
    owner: int
    member: IntArray
    origin: tuple[Callable[[int], str], IntArray]
    target: IntArray

    @property
    def count(self) -> int:
        return len(self.member)

    def label(self, copy: int) -> str:
        text, rows = self.origin
        return text(int(rows[copy]))

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Family:
        """The copies in ``rows`` only."""
        if len(rows) == self.count and bool((rows[1:] > rows[:-1]).all()) and rows.dtype != bool:
            return self  # increasing and as many as there are: all of them
        return replace(
            self,
            columns=tuple(column[rows] for column in self.columns),
            member=self.member[rows],
            origin=(self.origin[0], self.origin[1][rows]),
            target=self.target[rows],
        )

    def unknown_slots(self) -> list[int]:
        return [k for k, letter in enumerate(self.letters) if letter == "u"]

    def slots_from(self, least: int) -> list[int]:
        """The slots of unknowns that read the number ``least`` or a higher one in some copy.

        Most slots of a large grid read states alone, and states come before derivatives: their largest
        number tells so many times faster than looking them all up.
        """
        return [k for k in self.unknown_slots() if self.count and greatest(self.columns[k]) >= least]

    def with_root(self, root: Expr, extra: Sequence[tuple[str, AnyArray]] = ()) -> Family:
        """Another root over the old slots and ``extra`` ones; unused slots go, equal columns merge."""
        letters = self.letters + "".join(letter for letter, _ in extra)
        return compacted(
            replace(self, root=root, letters=letters, columns=(*self.columns, *(c for _, c in extra)))
        )

    def solved_for(self, k: int) -> Expr | None:
        """The root solved for slot ``k``, or None where it is not linear in it."""
        split = self.linear_in(k)
        return None if split is None else -split[1] / split[0]

    def coefficient(self, k: int) -> Expr | None:
        """d root / d slot k where the root is linear in it, else None."""
        split = self.linear_in(k)
        return None if split is None else split[0]

    def linear_in(self, k: int) -> tuple[Expr, Expr] | None:
        """(coefficient, rest) with root == coefficient * slot k + rest, or None where there are none."""
        leaf = slot("u", k)
        for term, number_of in self.root.terms() if self.root.op == "+" else ():
            if term is leaf:  # most equations: x - f(...), which needs no derivative
                rest = self.root - number_of * leaf
                if leaf not in leaves((rest,)):
                    return number(number_of), rest
        coefficient = derivative(self.root, leaf)
        if coefficient is ZERO or leaf in leaves((coefficient,)):
            return None
        (rest,) = substitute((self.root,), {leaf: ZERO})
        return coefficient, rest


def compacted(family: Family) -> Family:
    """Slots renumbered in order of use: unused ones go, equal columns merge, uniform numbers are literal."""
    mapping: dict[Expr, Expr] = {}
    letters: list[str] = []
    columns: list[AnyArray] = []
    arrays, known = Arrays(), dict[tuple[str, int], Expr]()
    for leaf in slots_of(family.root):
        letter, k = leaf.data
        column = family.columns[k]
        if letter == "c" and len(column) and (column == column[0]).all():
            mapping[leaf] = number(float(column[0]))
            continue
        entry = (letter, arrays.number(column))
        if entry not in known:
            known[entry] = slot(letter, len(columns))
            letters.append(letter)
            columns.append(column)
        mapping[leaf] = known[entry]
    if len(columns) == len(family.columns) and all(old is new for old, new in mapping.items()):
        return family
    (root,) = substitute((family.root,), mapping)
    compact = replace(family, root=root, letters="".join(letters), columns=tuple(columns))
    # merging columns may cancel leaves: x - y with y standing for x
    return compact if len(slots_of(root)) == len(columns) else compacted(compact)


@lru_cache(maxsize=1024)
def slots_of(root: Expr) -> tuple[Expr, ...]:
    """The distinct slots of a template in order of use; passes ask for them again and again."""
    return tuple(leaf for leaf in leaves((root,)) if leaf.op == "slot")


def split_by(family: Family, pattern: AnyArray) -> list[tuple[int, Family]]:
    """(value, copies with that value of ``pattern``), in order of value."""
    values = distinct(pattern)
    if len(values) == 1:
        return [(int(values[0]), family)]
    return [(int(value), family.select(pattern == value)) for value in values]


def inlined(consumer: Family, producers: Mapping[int, tuple[Family, IntArray]]) -> Family:
    """``consumer`` with each slot k replaced by the root of ``producers[k]``.

    Copy i takes copy ``rows[i]`` of a (producer, rows).
    """
    bodies: dict[Expr, Expr] = {}
    extra: list[tuple[str, AnyArray]] = []
    for k, (producer, rows) in producers.items():
        base = len(consumer.columns) + len(extra)
        shifted = {slot(letter, j): slot(letter, base + j) for j, letter in enumerate(producer.letters)}
        (bodies[slot("u", k)],) = substitute((producer.root,), shifted)
        extra += [
            (letter, column[rows]) for letter, column in zip(producer.letters, producer.columns, strict=True)
        ]
    (root,) = substitute((consumer.root,), bodies)
    return consumer.with_root(root, extra)


def coefficient_rank(coefficient: Expr) -> int:
    """0: plus or minus one, 1: another number, 2: parameters only, 3: anything else.

    One that a condition makes zero is of the last kind: nothing may be divided by it.
    """
    if coefficient is ONE or (coefficient.op == "number" and coefficient.data == -1):
        return 0
    if coefficient.op == "number":
        return 1
    if any(part.op == "ifelse" and ZERO in part.args[1:] for part in postorder(coefficient)):
        return 3
    if all(leaf.op == "slot" and leaf.data[0] in "pc" for leaf in leaves((coefficient,))):
        return 2
    return 3
