"""Every stage of a system as readable text."""

from __future__ import annotations

from collections import Counter

import numpy as np

from symnum.codegen.function import Function, Loop
from symnum.language.system import System
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.compile import compile as compile_system
from symnum.lowering.families import Family
from symnum.lowering.flat import FlatSystem
from symnum.lowering.functions import functions_of
from symnum.rewriting.expr import Expr, Symbol, slot, symbol
from symnum.rewriting.walk import cost, substitute

_SHOWN = 12


def explain(system: System | CompiledSystem) -> str:
    """What each stage makes of a system: unknowns, states, definitions, loops, Jacobian. Print it."""
    compiled = system if isinstance(system, CompiledSystem) else compile_system(system)
    flat = compiled.flat
    parts = [
        _title("Flattened", flat.name),
        _unknowns(flat),
        _title("Structure", "what is integrated, what is given explicitly"),
        _structure(flat),
        _title("Functions", "loops over families; costs in additions"),
        _function(functions_of(flat).rhs),
        _title("Jacobian", "exact, sparse"),
        _jacobian(compiled),
    ]
    if isinstance(system, System) and system.parts:
        counts = Counter(type(component).__name__ for component in system.components())
        components = ", ".join(f"{count} {name}" for name, count in counts.items())
        parts.insert(1, f"components: {components}")
    return "\n".join(parts)


def _title(stage: str, what: str) -> str:
    return f"\n{stage}: {what}\n{'-' * (len(stage) + len(what) + 2)}"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > _SHOWN else shown


def _unknowns(flat: FlatSystem) -> str:
    aliases = int((flat.structure.representative != np.arange(len(flat.unknowns))).sum())
    lines = [
        f"{len(flat.unknowns)} variables ({aliases} of them equal to another one), "
        f"{len(flat.parameters)} parameters",
        f"variables:  {_some([info.name for info in flat.unknowns])}",
        f"parameters: {_some([info.name for info in flat.parameters])}",
    ]
    return "\n".join(lines)


def _structure(flat: FlatSystem) -> str:
    names = flat.state_names
    states = [name for name, m in zip(names, flat.mass, strict=True) if m]
    algebraic = [name for name, m in zip(names, flat.mass, strict=True) if not m]
    lines = [f"{len(states)} states: {_some(states)}"]
    if algebraic:
        lines.append(f"{len(algebraic)} algebraic unknowns: {_some(algebraic)}")
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


def _family(flat: FlatSystem, family: Family) -> str:
    """The first copy in the user's names, and how many there are."""
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
    target = flat.number_name(int(family.target[0])) if family.target[0] >= 0 else "0"
    sign = "=" if family.target[0] >= 0 else "=="
    more = f"    (and {family.count - 1} alike)" if family.count > 1 else ""
    return f"{target} {sign} {root}{more}"


def _function(function: Function) -> str:
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


def _jacobian(compiled: CompiledSystem) -> str:
    n = compiled.flat.n
    entries = len(compiled.model.functions.indices)
    return f"{n} x {n}, {entries} entries that may differ from zero ({entries / max(n * n, 1):.1%})"
