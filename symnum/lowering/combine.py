"""Hidden constraints: a constant combination of equations without highest derivatives takes the place of one.

Two derivatives may stand in two equations as one difference, C (D(x) - D(y)): by structure each equation
determines one of them, but their sum is a constraint. The linear combination method for such systems:
G. Tan, N. S. Nedialkov, J. D. Pryce, BIT 57 (2017) 795.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.alias import Equations
from symnum.lowering.families import Family, IntArray
from symnum.lowering.flat import instance
from symnum.lowering.index import Offsets, Signature, offsets
from symnum.lowering.raw import Sums
from symnum.lowering.reduce import in_chains
from symnum.lowering.sampled import sampled_entries
from symnum.record import replace
from symnum.rewriting.derivative import gradient
from symnum.rewriting.expr import ZERO, Expr, linear, rational
from symnum.rewriting.walk import leaves, substitute

_LARGEST = 200  # equations of a block in which combinations are looked for
_ROUNDS = 20
_SINGULAR = 1e-11  # relative singular value
_SAME = 1e-8  # of null vectors at two points
_SIMPLE = 1000  # denominators up to which a factor is taken for a fraction


def combined(equations: Equations) -> Equations | None:
    """The equations with hidden constraints in place of what they follow from; None where there are none.

    The equations match their unknowns when derivatives are not told apart.
    """
    changed = None
    for _ in range(_ROUNDS):
        current = equations if changed is None else changed
        following = _once(current)
        if following is None:
            return changed
        changed = following
    return changed


def _once(equations: Equations) -> Equations | None:
    """One combination in each block that is singular by constants."""
    chains, families, found = in_chains(equations)
    sums = replace(equations.sums, unknown=chains.numbers(equations.sums.unknown))
    known = offsets(found)
    blocks = _blocks(found, known)
    points = [_Matrix(families, sums, found, known, between) for between in ((0.4, 1.6), (0.5, 3.0))]
    families = list(chains.families)  # in the numbers of ``equations``, the same rows
    done: list[tuple[int, Expr, str]] = []
    for rows, columns in blocks:
        vectors = [point.left_null(rows, columns) for point in points]
        if vectors[0] is None or vectors[1] is None or np.abs(vectors[0] - vectors[1]).max() > _SAME:
            continue
        involved = np.flatnonzero(np.abs(vectors[0]) > _SAME)
        taken = rows[involved]
        if (taken >= found.first[-2]).any() or len(set(known.c[taken].tolist())) > 1:
            continue  # wide sums, or derivatives of different order
        made = _combination(families, found, known, taken, vectors[0][involved], len(chains.base))
        if made is not None:
            done.append(made)
    if not done:
        return None
    new = []
    lost = {row for row, _, _ in done}
    for first, family in zip(found.first, families, strict=False):
        keep = np.array([first + k not in lost for k in range(family.count)])
        if keep.any():
            new.append(family if keep.all() else family.select(np.flatnonzero(keep)))
    new += [_scalar(root, text) for _, root, text in done]
    return Equations([*new, *chains.removed], equations.sums, equations.representative, equations.sign)


def _combination(
    families: list[Family],
    found: Signature,
    known: Offsets,
    rows: IntArray,
    weights: NDArray[np.float64],
    n: int,
) -> tuple[int, Expr, str] | None:
    """(row to be replaced, the combination, its text), or None where it does not cancel exactly."""
    largest = int(np.argmax(np.abs(weights)))
    factors = [Fraction(w / weights[largest]).limit_denominator(_SIMPLE) for w in weights.tolist()]
    if any(abs(float(f) - w / weights[largest]) > _SAME for f, w in zip(factors, weights, strict=True)):
        return None
    roots, texts = [], []
    for row in rows.tolist():
        f = int(np.searchsorted(found.first[1:], row, side="right"))
        roots.append(instance(families[f], row - int(found.first[f])))
        texts.append(families[f].label(row - int(found.first[f])))
    total = linear((root, rational(factor)) for root, factor in zip(roots, factors, strict=True))
    derivatives = [leaf for leaf in leaves((total,)) if leaf.op == "slot" and leaf.data[0] == "u"]
    partial = gradient((total,), derivatives)[0]
    silent = [leaf for leaf in derivatives if leaf not in partial]  # written, but without effect
    total = substitute(total, dict.fromkeys(silent, ZERO))
    tops = {leaf for root in roots for leaf in leaves((root,)) if leaf.op == "slot" and leaf.data[0] == "u"
            and leaf.data[1] >= n}  # fmt: skip
    if not tops or tops & set(leaves((total,))) or total.is_number:
        return None
    text = "  and  ".join(texts) + "  combined"
    return int(rows[largest]), total, text


def _scalar(expr: Expr, text: str) -> Family:
    from symnum.lowering.functions import scalar_family

    family = scalar_family(expr, np.array([-1]))
    return replace(family, origin=(lambda _: text, np.zeros(1, np.int64)))


def _blocks(found: Signature, known: Offsets) -> list[tuple[IntArray, IntArray]]:
    """Blocks of several equations of the highest derivatives: (rows, bases)."""
    from symnum.lowering.blocks import block_triangular
    from symnum.lowering.incidence import match

    graph = found.graph(found.order + known.c[found.equation] == known.d[found.base])
    blocks = block_triangular(graph, match(graph), smallest=2)
    return [(b.equations, b.unknowns) for b in blocks if len(b.equations) <= _LARGEST]


class _Matrix:
    """The derivatives with respect to the highest derivatives at one random point."""

    def __init__(
        self,
        families: list[Family],
        sums: Sums,
        found: Signature,
        known: Offsets,
        between: tuple[float, float],
    ) -> None:
        highest = found.order == known.d[found.base] - known.c[found.equation]
        wanted = np.zeros((int(found.order.max()) + 1) * found.n, bool)
        wanted[(found.order * found.n + found.base)[highest]] = True
        entries = sampled_entries(families, sums, wanted, between)
        base, order = entries.unknown % found.n, entries.unknown // found.n
        keep = order == known.d[base] - known.c[entries.equation]
        self.equation, self.base, self.value = entries.equation[keep], base[keep], entries.value[keep]
        self.n, self.count = found.n, int(found.first[-1])

    def left_null(self, rows: IntArray, columns: IntArray) -> NDArray[np.float64] | None:
        """(rows,) the left null vector with a largest entry of 1, or None of a regular block."""
        row, column = np.full(self.count, -1), np.full(self.n, -1)
        row[rows], column[columns] = np.arange(len(rows)), np.arange(len(columns))
        inside = (row[self.equation] >= 0) & (column[self.base] >= 0)
        matrix = np.zeros((len(rows), len(columns)))
        np.add.at(matrix, (row[self.equation[inside]], column[self.base[inside]]), self.value[inside])
        scale = np.abs(matrix).max(axis=1)
        if not scale.all():
            return None
        left, values, _ = np.linalg.svd(matrix / scale[:, None])
        if values[-1] > _SINGULAR * values[0]:
            return None
        vector = left[:, -1] / scale
        scaled: NDArray[np.float64] = vector / vector[np.argmax(np.abs(vector))]
        return scaled
