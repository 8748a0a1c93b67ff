"""Expressions written out over the entries of u: explicit unknowns replaced by their definitions."""

from __future__ import annotations

from collections.abc import Sequence

from symnum.lowering.flat import FlatSystem, instance
from symnum.rewriting.expr import Expr, linear, rational, slot
from symnum.rewriting.walk import leaves, substitute

__all__ = ["right_hand_side", "written_out"]


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
    """Expressions over numbers of unknowns (see `FlatSystem.with_numbers`) as ones over entries of u."""
    known: dict[Expr, Expr] = {}

    def written(expr: Expr) -> Expr:
        """Explicit unknowns replaced by their definitions, whatever the depth."""
        stack: list[tuple[Expr | None, Expr]] = [(None, expr)]
        while True:
            leaf, body = stack[-1]
            missing: list[tuple[Expr, Expr]] = []
            for one in leaves((body,)):
                if one.op != "slot" or one.data[0] != "u" or one in known:
                    continue
                definition = flat.definition(one.data[1])
                if definition is None:
                    known[one] = slot("v", int(flat.position[one.data[1]]))
                else:
                    missing.append((one, definition))
            if missing:
                stack += missing
                continue
            (found,) = substitute((body,), known)
            stack.pop()
            if leaf is None:
                return found
            known[leaf] = found

    back = {slot("v", i): slot("u", i) for i in range(flat.n)}
    return substitute(tuple(written(expr) for expr in exprs), back)
