"""What to say when equations and unknowns do not match one to one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from symnum.codegen.distinct import distinct
from symnum.errors import LoweringError, SymnumError, UnbalancedSystem
from symnum.lowering.families import IntArray
from symnum.lowering.incidence import Incidence, match

_SHOWN = 6


def imbalance(
    name: str,
    graph: Incidence,
    whole: Incidence,
    matched: IntArray,
    equation_text: Callable[[int], str],
    unknown_name: Callable[[int], str],
    n: int,
) -> SymnumError:
    """The error that explains a matching which leaves equations or unknowns over.

    whole: the graph with the states, which are known to ``graph``.
    """
    unknowns = np.flatnonzero(graph.is_unknown)
    over = np.setdiff1d(np.arange(graph.n_equations), matched[unknowns])
    under = unknowns[matched[unknowns] < 0]
    head = f"{name}: {_count(graph.n_equations, 'equation')} for {_count(len(unknowns), 'unknown')}."
    if len(over) and len(under) and _regular_if_states_are_unknown(graph, whole, n):
        return LoweringError(
            f"{name}: needs index reduction, which is not available yet. The equations\n"
            f"{_list([equation_text(int(e)) for e in over])}\n"
            "constrain states only, so that nothing "
            f"determines\n{_list([unknown_name(int(u)) for u in under])}\n"
            "Differentiate the constraint by hand (D(...) of both sides) and replace one "
            "differential equation by it."
        )
    lines = [head]
    if len(under):
        lines.append(f"Nothing determines\n{_list([unknown_name(int(u)) for u in under])}")
    if len(over):
        related = _competitors(graph, matched, over)
        lines.append(
            "Too many equations for their unknowns; left "
            f"over:\n{_list([equation_text(int(e)) for e in over])}"
        )
        if related:
            lines.append(f"They compete with\n{_list([equation_text(e) for e in related])}")
    lines.append(
        "Add an equation for what is undetermined."
        if len(under) and not len(over)
        else "Remove an equation, or declare another unknown."
        if len(over) and not len(under)
        else "Is a name misspelt, or one equation written twice?"
    )
    return UnbalancedSystem("\n".join(lines))


def _regular_if_states_are_unknown(graph: Incidence, whole: Incidence, n: int) -> bool:
    """Whether the equations match with x and D(x) as one unknown: then only the index is too high."""
    merged = whole.unknown % n
    present = np.zeros(n, bool)
    present[np.flatnonzero(graph.is_unknown) % n] = True
    keep = present[merged]
    again = Incidence(whole.equation[keep], merged[keep], graph.first, present)
    return bool((match(again).equation_of[present] >= 0).all())


def _competitors(graph: Incidence, matched: IntArray, over: IntArray) -> list[int]:
    """Equations that hold the unknowns of the left-over ones: alternating paths, one step deep."""
    wanted = np.isin(graph.equation, over)
    rivals = distinct(matched[graph.unknown[wanted]])
    return [int(e) for e in rivals if e >= 0 and e not in over]


def _list(lines: list[str]) -> str:
    shown = [f"    {line}" for line in lines[:_SHOWN]]
    if len(lines) > _SHOWN:
        shown.append(f"    ... and {len(lines) - _SHOWN} more")
    return "\n".join(shown)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
