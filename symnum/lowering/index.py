"""The structural index: how often each equation must be differentiated.

Pantelides' algorithm on arrays. With c[i] the derivatives taken of equation i and d[j] the highest derivative
of unknown j that then occurs, an equation is differentiated as long as the highest derivatives cannot be
matched to the equations. All equations of the over-determined part of that graph are differentiated at once:
each lies in a minimal structurally singular subset, which is what the algorithm differentiates one by one, so
that the outcome is the same: the least offsets of Pryce's signature method.

C. C. Pantelides, SIAM J. Sci. Stat. Comput. 9 (1988) 213; J. D. Pryce, BIT 41 (2001) 364.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.dulmage_mendelsohn import Decomposition
from symnum.lowering.families import Family, IntArray
from symnum.lowering.incidence import Incidence, match
from symnum.lowering.raw import RawSystem, Sums
from symnum.record import record

_MOST = 100  # derivatives of one equation: an index beyond that is no model of anything


@record
class Signature:
    """Which derivatives of which unknowns the equations hold, in numbers ``order * n + unknown``.

    One entry per (equation, slot): ``equation[k]`` holds derivative ``order[k]`` of unknown ``base[k]``.
    least: (n,) derivatives that must be determined, because they have a name.
    """

    n: int
    equation: IntArray
    base: IntArray
    order: IntArray
    first: IntArray  # see `Incidence`
    present: NDArray[np.bool_]  # (n,) which unknowns occur
    least: IntArray

    def graph(self, keep: NDArray[np.bool_]) -> Incidence:
        return Incidence(self.equation[keep], self.base[keep], self.first, self.present)

    @property
    def merged(self) -> Incidence:
        """The graph in which an unknown and its derivatives are one."""
        return self.graph(np.ones(len(self.equation), bool))


@record
class Offsets:
    """c: (equations,) derivatives to take of each. d: (n,) highest derivative of each unknown."""

    c: IntArray
    d: IntArray

    @property
    def degrees_of_freedom(self) -> int:
        """How many initial values may be chosen."""
        return int(self.d.sum() - self.c.sum())

    def index(self, present: NDArray[np.bool_]) -> int:
        """The structural index; 0 for what is explicit in all derivatives."""
        algebraic = bool((self.d[present] == 0).any())
        return int(self.c.max(initial=0)) + int(algebraic)


def signature(families: list[Family], sums: Sums, n: int) -> Signature:
    """The signature of equations over numbers ``order * n + unknown``."""
    first = np.cumsum([0, *(family.count for family in families), sums.count]).astype(np.int64)
    equations: list[IntArray] = [first[-2] + np.repeat(np.arange(sums.count), np.diff(sums.indptr))]
    numbers: list[IntArray] = [sums.unknown]
    for start, family in zip(first, families, strict=False):
        for k in family.unknown_slots():
            equations.append(start + np.arange(family.count))
            numbers.append(np.asarray(family.columns[k], np.int64))
    number = np.concatenate(numbers)
    present = np.zeros(n, bool)
    present[number % n] = True
    least = np.zeros(n, np.int64)
    return Signature(n, np.concatenate(equations), number % n, number // n, first, present, least)


def written(raw: RawSystem) -> Signature:
    """The signature of all equations as written, those that only say that two unknowns are equal included."""
    n = len(raw.unknowns)
    found = signature(raw.families, raw.sums, n)
    pairs = np.array(raw.equalities, np.int64).reshape(-1, 2)
    number = found.first[-1] + np.repeat(np.arange(len(pairs)), 2)
    return Signature(
        n,
        np.concatenate([found.equation, number]),
        np.concatenate([found.base, pairs.ravel()]),
        np.concatenate([found.order, np.zeros(2 * len(pairs), np.int64)]),
        np.concatenate([found.first, found.first[-1:] + len(pairs)]),
        np.ones(n, bool),
        np.zeros(n, np.int64),
    )


def offsets(found: Signature) -> Offsets:
    """The offsets of equations that match their unknowns when derivatives are not told apart."""
    c = np.zeros(int(found.first[-1]), np.int64)
    while True:
        reached = found.order + c[found.equation]
        d = found.least.copy()
        np.maximum.at(d, found.base, reached)
        graph = found.graph(reached == d[found.base])
        left = Decomposition(graph, match(graph).equation_of).all_overdetermined()
        if not len(left):
            return Offsets(c, d)
        c[left] += 1
        assert c.max() <= _MOST, "the equations do not match their unknowns"
