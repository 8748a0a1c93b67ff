"""Unknowns that are the opposite of another one get the definition that says so, for results."""

from __future__ import annotations

import numpy as np

from symnum.lowering.alias import Equations
from symnum.lowering.families import Family, IntArray
from symnum.lowering.names import Names
from symnum.lowering.structure import Structure
from symnum.record import replace
from symnum.rewriting.expr import slot

OWNER = -13


def with_opposites(structure: Structure, equations: Equations, names: Names) -> Structure:
    """``x = -r`` as the last definitions, of values and of those derivatives that the model knows.

    What was eliminated with a minus sign then stands for itself again; nothing that is computed reads it.
    """
    turned = np.flatnonzero(equations.sign < 0)
    if not len(turned):
        return structure
    n = len(names)
    behind = structure.representative[turned]
    known = np.zeros(2 * n, bool)
    known[structure.states] = known[structure.implicit] = True
    known[structure.sum_targets] = True
    for family in structure.definitions:
        known[family.target] = True
    differentiated = known[n + behind]
    target = np.concatenate([turned, n + turned[differentiated]])
    source = np.concatenate([behind, n + behind[differentiated]])
    if len(names) > len(equations.representative):  # index reduction gave some derivatives names
        others = zip(turned[~differentiated].tolist(), behind[~differentiated].tolist(), strict=True)
        named = [(n + x, names.find(f"D({names[r].name})")) for x, r in others]
        found = np.array([pair for pair in named if pair[1] is not None], np.int64).reshape(-1, 2)
        target = np.concatenate([target, found[:, 0]])
        source = np.concatenate([source, structure.representative[found[:, 1]]])
    representative = structure.representative.copy()
    representative[turned] = turned
    opposite = np.full(n, -1, np.int64)
    opposite[turned] = behind
    return replace(
        structure,
        representative=representative,
        opposite=opposite,
        definitions=(*structure.definitions, _definition(target, source, names)),
    )


def _definition(target: IntArray, source: IntArray, names: Names) -> Family:
    n = len(names)

    def name(number: int) -> str:
        return names[number].name if number < n else f"D({names[number - n].name})"

    def text(row: int) -> str:
        return f"{name(int(target[row]))} == -{name(int(source[row]))}"

    rows = np.arange(len(target))
    return Family(-slot("u", 0), "u", (source,), OWNER, rows, (text, rows), target)
