"""Tearing: in blocks of several equations, most unknowns follow from a few.

Of the linear occurrences of unknowns the equations are solved for those whose coefficients are numbers or
parameters, exactly and by symbols, as long as no cycle arises: what is left implicit are the torn unknowns
and their residuals. A choice is made per family and never per copy, so that families stay whole. Finding the
fewest torn unknowns is NP-complete; here equations of constant coefficients come first, then unknowns that
stand in few equations. Such heuristics: P. Täuber, L. Ochel, W. Braun, B. Bachmann, Practical realization
and adaptation of Cellier's tearing method, EOOLT 2014.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from symnum.codegen.distinct import distinct
from symnum.lowering.families import Family, IntArray, coefficient_rank
from symnum.rewriting.expr import Expr

if TYPE_CHECKING:
    from symnum.lowering.explicit import Selection

__all__ = ["tear"]

_LEAST_PIVOT = 0.5  # of the largest number in the equation: a pivot below it may multiply errors
_BY_PARAMETERS = 2  # see `coefficient_rank`: beyond it a coefficient may vanish in the course of a run


def tear(selection: Selection) -> None:
    """Solve equations of larger blocks for unknowns, the most promising (family, slot) first."""
    ranked = []
    for f, family in enumerate(selection.families):
        sizes = selection.size[selection.graph.first[f] : selection.graph.first[f + 1]]
        rows = np.flatnonzero(sizes > 1)
        if not len(rows):
            continue
        for k in family.unknown_slots():
            coefficient = family.coefficient(k)
            if coefficient is None or coefficient_rank(coefficient) > _BY_PARAMETERS:
                continue
            if _is_small_pivot(family, coefficient):
                continue
            uses = selection.occurrences[family.columns[k][rows]]
            ranked.append((coefficient_rank(coefficient) // 2, int(uses.max()), f, k))
    for _, _, f, k in sorted(ranked):
        family = selection.families[f]
        rows = selection.candidates(f, k)
        inside = selection.size[selection.graph.first[f] + rows] > 1
        inside &= selection.block_size[family.columns[k][rows]] > 1
        rows = rows[inside]
        if len(rows) and not _makes_cycle(selection, f, k, rows):
            selection.take(f, k, rows)


def _makes_cycle(selection: Selection, f: int, k: int, rows: IntArray) -> bool:
    """Whether what these copies of family f would be solved for depends on itself, through other groups."""
    family = selection.families[f]
    new = np.zeros(len(selection.graph.is_unknown), bool)
    new[family.columns[k][rows]] = True
    before: set[int] = set()
    for other in family.unknown_slots():
        if other != k:
            read = family.columns[other][rows]
            if new[read].any():
                return True
            before |= set(distinct(selection.defined[read]).tolist()) - {-1}
    after = {
        g
        for g, group in enumerate(selection.groups)
        if any(new[group.columns[j]].any() for j in group.unknown_slots())
    }
    seen: set[int] = set()
    stack = list(before)
    while stack:
        g = stack.pop()
        if g in after:
            return True
        if g not in seen:
            seen.add(g)
            stack.extend(selection.read_by(g))
    return False


def _is_small_pivot(family: Family, coefficient: Expr) -> bool:
    """Whether solving for an unknown would divide by a number small beside those of the other unknowns.

    Inside a block this is elimination without a choice of pivots: rows of one-sided stencils, solved for the
    unknown with the least weight one after the other, lose all digits.
    """
    if not coefficient.is_number:
        return False
    others = (family.coefficient(k) for k in family.unknown_slots())
    sizes = [abs(float(other)) for other in others if other is not None and other.is_number]
    return abs(float(coefficient)) < _LEAST_PIVOT * max(sizes)
