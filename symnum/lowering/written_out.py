"""Expressions written out over the entries of u: explicit unknowns replaced by their definitions."""

from __future__ import annotations

from collections.abc import Sequence

from symnum.lowering.flat import FlatSystem, instance
from symnum.rewriting.expr import Expr, linear, rational, slot
from symnum.rewriting.walk import leaves, substitute

__all__ = ["over_entries", "right_hand_side", "written_out"]


def right_hand_side(flat: FlatSystem) -> tuple[Expr, ...]:
    """f row by row over ``slot("u", position)`` and ``slot("p", parameter)``. For small systems."""
    n = len(flat.unknowns)
    algebraic: list[Expr] = [
        instance(family, copy) for family in flat.structure.residuals for copy in range(family.count)
    ]
    sums = flat.structure.sums
    for r in flat.structure.residual_sums.tolist():
        row = sums.row(r)
        terms = zip(sums.unknown[row].tolist(), sums.coefficient[row].tolist(), strict=True)
        algebraic.append(linear((slot("u", x), rational(c)) for x, c in terms))
    waiting = iter(algebraic)
    rows = [
        slot("u", n + x) if flat.mass[at] else next(waiting) for at, x in enumerate(flat.vector.tolist())
    ]
    return written_out(flat, rows)


def written_out(flat: FlatSystem, exprs: Sequence[Expr]) -> tuple[Expr, ...]:
    """Expressions over numbers of unknowns (see `FlatSystem.with_numbers`) as ones over entries of u.

    Explicit unknowns are replaced by their definitions, whatever the depth.
    """
    known: dict[Expr, Expr] = {}
    found: list[Expr] = []
    for expr in exprs:
        stack: list[tuple[Expr | None, Expr]] = [(None, expr)]
        while stack:
            leaf, body = stack[-1]
            missing: list[tuple[Expr, Expr]] = []
            for one in leaves((body,)):
                if one.op != "slot" or one.data[0] != "u" or one in known:
                    continue
                definition = flat.definition(one.data[1])
                if definition is None:
                    known[one] = slot("u", int(flat.position[one.data[1]]))
                else:
                    missing.append((one, definition))
            if missing:
                stack += missing
                continue
            stack.pop()
            (replaced,) = substitute((body,), known)  # all leaves at once: numbers and entries do not mix
            if leaf is None:
                found.append(replaced)
            else:
                known[leaf] = replaced
    return tuple(found)


def over_entries(flat: FlatSystem, expr: Expr) -> Expr:
    """`written_out` of one expression."""
    return written_out(flat, (expr,))[0]
