"""The passes from the right-hand side to all functions of a model: differentiate, share, simplify, hoist."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from symnum.codegen.affine import affine_rows
from symnum.codegen.function import Function, Item, Loop, compact
from symnum.codegen.hoist import Split, hoist, parameter_only, parameter_only_columns, parameter_only_scratch
from symnum.codegen.jacobian import jacobian
from symnum.codegen.netted import netted
from symnum.codegen.pattern import Pattern
from symnum.codegen.repeated import evaluated_once
from symnum.codegen.time_gradient import time_gradient
from symnum.errors import CodegenError
from symnum.record import record, replace
from symnum.rewriting.expr import Expr, slot
from symnum.rewriting.walk import cost, substitute

__all__ = ["Lowered", "Rewrite", "Simplify", "differentiated", "lowered"]

Rewrite: TypeAlias = Callable[[tuple[Expr, ...], frozenset[Expr]], tuple[Expr, ...]]
"""(roots, parameter-only slots) -> equivalent roots. What depends on these slots only is free of cost."""

Simplify: TypeAlias = Callable[[tuple[Expr, ...], int], Rewrite | None]
"""(roots, number of copies) -> what rewrites them, or None where searching costs more than it can win."""

_WORTH_SIMPLIFYING = 8.0  # cost of a template below which there is nothing to find


@record
class Lowered:
    """All functions of a model, ready to be emitted, and the pattern of the Jacobian."""

    functions: dict[str, Function]
    pattern: Pattern


def lowered(
    rhs: Function, roots: Function | None, n: int, simplify: Simplify | None, *, reassociate: bool = False
) -> Lowered:
    """All functions that a model with ``n`` unknowns needs besides ``rhs`` and ``roots``.

    reassociate: whether roundings may move: sums in another order, sines of differences split.
    """
    plan = jacobian(rhs, n)
    functions = {"rhs": rhs, "jacobian": plan.function}
    if simplify is not None and reassociate:
        functions = {"rhs": netted(rhs), "jacobian": affine_rows(plan.function)}
    gradient = time_gradient(rhs)
    if gradient is not None:
        functions["time_gradient"] = gradient
    if roots is not None:
        functions["roots"] = roots
    if simplify is not None:
        once = {name: evaluated_once(f, split_angles=reassociate) for name, f in functions.items()}
        functions = {name: _simplified(f, simplify) for name, f in once.items()}
    setup, functions = hoist(functions, persistent="jacobian")
    return Lowered({"setup": setup, **functions}, plan.pattern)


def differentiated(rhs: Function, n: int) -> dict[str, Function]:
    """``rhs``, its Jacobian (all entries, in the order of the pattern) and its time derivative, if any."""
    functions = {"rhs": rhs, "jacobian": jacobian(rhs, n).function}
    gradient = time_gradient(rhs)
    if gradient is not None:
        functions["time_gradient"] = gradient
    return functions


def _simplified(function: Function, simplify: Simplify) -> Function:
    """Every loop with its changing roots simplified together; what ``setup`` computes is left as it is."""
    changing = ~parameter_only_scratch(function)
    items: list[Item] = []
    for item in function.items:
        if isinstance(item, Loop):
            fixed = parameter_only_columns(item, changing)
            known = parameter_only(item.roots, fixed)
            roots = tuple(root for root in item.roots if not known[root])
            dear = cost(roots, _WORTH_SIMPLIFYING) >= _WORTH_SIMPLIFYING
            rewrite = simplify(roots, item.count) if dear else None
            if rewrite is not None:
                free = frozenset(slot(c.space, k) for k, c in enumerate(item.columns) if fixed[k])
                split = Split(roots, known)  # a parameter-only subexpression is one free leaf, whatever it is
                first = len(item.columns)
                inner = {slot("w", first + k): value for k, value in enumerate(split.values)}
                simpler = rewrite(split.roots(first), free | inner.keys())
                if len(simpler) != len(roots):
                    raise CodegenError(
                        f"loop {item.name!r}: simplify returned {len(simpler)} of {len(roots)} roots"
                    )
                better = iter(substitute(simpler, inner))
                new = tuple(root if known[root] else next(better) for root in item.roots)
                item = compact(Loop(item.name, item.count, new, item.columns, item.outputs))
        items.append(item)
    if all(new is old for new, old in zip(items, function.items, strict=True)):
        return function  # a function looks at all its places when it is made
    return replace(function, items=tuple(items))
