"""A flattened system, its functions and its Jacobian as readable text."""

from __future__ import annotations

import logging

import numpy as np

from symnum.codegen.function import Function, Loop
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.families import Family
from symnum.lowering.flat import FlatSystem
from symnum.rewriting.expr import ZERO, Expr, Symbol, slot, symbol
from symnum.rewriting.walk import cost, substitute

_SHOWN = 12


def some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > _SHOWN else shown


def unknowns_text(flat: FlatSystem) -> str:
    equal = int((flat.structure.representative != np.arange(len(flat.unknowns))).sum())
    opposite = int((flat.structure.opposite >= 0).sum())
    also = f", {opposite} the opposite of one" if opposite else ""
    lines = [
        f"{len(flat.unknowns)} variables ({equal} of them equal to another one{also}), "
        f"{len(flat.parameters)} parameters",
        f"variables:  {some([info.name for info in flat.unknowns])}",
        f"parameters: {some([info.name for info in flat.parameters])}",
    ]
    return "\n".join(lines)


def structure_text(flat: FlatSystem) -> str:
    names = flat.state_names
    states = [name for name, m in zip(names, flat.mass, strict=True) if m]
    algebraic = [name for name, m in zip(names, flat.mass, strict=True) if not m]
    lines = [f"{len(states)} states: {some(states)}"]
    if algebraic:
        lines.append(f"{len(algebraic)} algebraic unknowns: {some(algebraic)}")
    lines.append("explicit, in order (one line per family):")
    lines += [f"  {_family(flat, family)}" for family in flat.structure.definitions]
    if flat.structure.residuals or len(flat.structure.residual_sums):
        lines.append("implicit equations:")
        lines += [f"  {_family(flat, family)}" for family in flat.structure.residuals]
        lines += [
            f"  0 == {flat.structure.sums.labels[row]}" for row in flat.structure.residual_sums[:_SHOWN]
        ]
        if len(flat.structure.residual_sums) > _SHOWN:
            lines.append(f"  ... {len(flat.structure.residual_sums)} sums in all")
    if flat.limits:
        lines.append(f"hard limits: {sum(len(limit.state) for limit in flat.limits)}")
    for event in flat.events:
        lines.append(f"event: {event}")
    return "\n".join(lines)


def first_copy(flat: FlatSystem, family: Family) -> tuple[Expr, Expr]:
    """(left, right) of the equation of the first copy in the user's names."""
    mapping: dict[Expr, Expr] = {}
    for k, (letter, column) in enumerate(zip(family.letters, family.columns, strict=True)):
        if letter == "u":
            name = flat.number_name(int(column[0]))
        elif letter == "p":
            name = flat.parameters[int(column[0])].name
        else:
            name = f"{float(column[0]):g}"
        mapping[slot(letter, k)] = symbol(Symbol(name, "variable"))
    (root,) = substitute((family.root,), mapping)
    if family.target[0] < 0:
        return ZERO, root
    return symbol(Symbol(flat.number_name(int(family.target[0])), "variable")), root


def _family(flat: FlatSystem, family: Family) -> str:
    """The first copy, and how many there are."""
    left, right = first_copy(flat, family)
    sign = "=" if family.target[0] >= 0 else "=="
    more = f"    (and {family.count - 1} alike)" if family.count > 1 else ""
    return f"{left} {sign} {right}{more}"


def function_text(function: Function) -> str:
    lines = []
    for item in function.items:
        if isinstance(item, Loop):
            lines.append(
                f"{item.name}: {item.count} x {len(item.roots)} results, cost {cost(item.roots):g} a copy"
            )
            lines += [f"    {root}" for root in item.roots[:_SHOWN]]
            if len(item.roots) > _SHOWN:
                lines.append(f"    ... {len(item.roots)} in all")
        else:
            lines.append(f"{item.name}: {len(item.indptr) - 1} sums of {len(item.first)} terms")
    return "\n".join(lines)


def jacobian_text(compiled: CompiledSystem) -> str:
    n = compiled.flat.n
    entries = len(compiled.model.functions.indices)
    return f"{n} x {n}, {entries} entries that may differ from zero ({entries / max(n * n, 1):.1%})"


def rewriting_text(compiled: CompiledSystem) -> str:
    """Costs before and after the rewriter, and what it has to say: budgets that ran out, parts left out."""
    if compiled.simplify is None:
        return "left as written"
    said = _Messages()
    log = logging.getLogger("symnum")
    level = log.level
    log.addHandler(said)
    log.setLevel(logging.INFO)
    try:
        before, after = compiled.model.rewritten()
    finally:
        log.removeHandler(said)
        log.setLevel(level)
    lines = [f"level {compiled.simplify}; costs of one call in additions"]
    for name, function in before.items():
        lines.append(f"{name}: {_cost(function):g} as written, {_cost(after[name]):g} rewritten")
    return "\n".join([*lines, *dict.fromkeys(said.texts)])


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _cost(function: Function) -> float:
    return sum(
        item.count * cost(item.roots) if isinstance(item, Loop) else 2 * len(item.first)
        for item in function.items
    )
