"""What to say when equations and unknowns do not match one to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from symnum.errors import UnbalancedSystem
from symnum.language.component import TEMPLATE_PATH, Component
from symnum.language.connect import Connection
from symnum.language.system import System
from symnum.language.variables import joined
from symnum.lowering.alias import Equations
from symnum.lowering.dulmage_mendelsohn import Decomposition, Part
from symnum.lowering.families import IntArray
from symnum.lowering.findings import Finding, listed, with_findings
from symnum.lowering.incidence import Incidence, is_perfect, match
from symnum.lowering.index import Signature
from symnum.lowering.raw import RawSystem
from symnum.lowering.reduce import Chains, in_chains
from symnum.lowering.sampled import sampled_entries
from symnum.record import replace
from symnum.rewriting.equation import Equation
from symnum.rewriting.walk import leaves

_PARTS = 3  # parts of each kind in a message
_LARGEST = 400  # equations of a part in which dependent ones are looked for by numbers
_DEPENDENT = 1e-9  # relative to the largest: smaller entries of a null vector are zero


def check_balance(system: System, raw: RawSystem, equations: Equations, plain: Decomposition) -> None:
    """Raise UnbalancedSystem unless the equations match the unknowns with x and D(x) as one.

    Where they do, the system can be solved, whatever its index. The findings of the error hold the smallest
    over- and under-determined parts, the most suspicious names first.
    plain: of the graph in which states are known.
    """
    chains, families, found = in_chains(equations)
    graph = found.merged
    matching = match(graph)
    if not is_perfect(graph, matching):
        sums = replace(equations.sums, unknown=chains.numbers(equations.sums.unknown))
        merged = Equations(families, sums, chains.base, equations.sign)
        suspects = _left_over(equations, plain)
        alone = _alone(equations, chains)
        raise _imbalance(system, raw, merged, found, matching.equation_of, suspects, alone)


def _imbalance(
    system: System,
    raw: RawSystem,
    equations: Equations,
    found: Signature,
    matched: IntArray,
    suspects: frozenset[str],
    alone: dict[int, list[int]],
) -> UnbalancedSystem:
    graph = found.merged
    parts = Decomposition(graph, matched)
    occurrences = np.bincount(graph.unknown, minlength=len(graph.is_unknown))
    over, under = parts.overdetermined(), parts.underdetermined()
    findings = [*_components(system)]
    differentiated = np.zeros(len(graph.is_unknown), bool)
    differentiated[found.base[found.order > 0]] = True

    def suspicion(unknown: int) -> tuple[bool, int]:
        """States are seldom what an equation is missing for; what stands in few equations is."""
        count = int(occurrences[unknown])
        return bool(differentiated[unknown]) and count > 1, count

    advice = (
        "Is a name misspelt, or one equation written twice?"
        if over and under
        else "Add an equation for what is undetermined. "
        "Is a reference missing, such as the ground of a circuit?"
        if under and any(system.components())
        else "Add an equation for what is undetermined."
        if under
        else "Remove an equation, or declare another unknown."
    )
    for part in under[:_PARTS]:
        names = [raw.number_name(int(u)) for u in sorted(part.unknowns, key=suspicion)]
        names = [raw.number_name(v) for u in part.unknowns.tolist() for v in alone.get(u, [])] + names
        texts = [equations.text(int(e)) for e in part.equations]
        if len(names) == 1:
            text = f"Nothing determines\n{listed(names)}"
        elif not texts:
            text = (
                f"Nothing determines\n    {names[0]}\n"
                f"nor, as each is known only as a derivative of the other,\n{listed(names[1:])}"
            )
        else:
            text = (
                f"Nothing determines\n    {names[0]}\nor, as {len(names)} unknowns share "
                f"{_count(len(texts), 'equation')}, one of\n{listed(names[1:])}\n"
                f"The equations are\n{listed(texts)}"
            )
        findings.append(Finding("under-determined", (*names, *texts), text, advice))
    for part in over[:_PARTS]:
        texts = [equations.text(e) for e in _most_dependent(part, equations, graph)]
        texts.sort(key=lambda text: text not in suspects)
        names = [raw.number_name(int(u)) for u in part.unknowns]
        holds = f"hold only {_count(len(names), 'unknown')}" if names else "hold no unknown"
        held = f"\n{listed(names)}" if names else " (what they name are states and parameters)"
        if len(texts) == 1:
            text = f"This equation is left over: nothing is left for it to determine\n{listed(texts)}"
        else:
            text = f"One of these {len(texts)} equations is left over\n{listed(texts)}\nThey {holds}{held}"
        findings.append(Finding("over-determined", (*texts, *names), text, advice))
    hidden = max(0, len(under) - _PARTS) + max(0, len(over) - _PARTS)
    more = [f"... and {hidden} more such parts"] if hidden else []
    unknowns = int(graph.is_unknown.sum())
    head = f"{system.name}: {_count(graph.n_equations, 'equation')} for {_count(unknowns, 'unknown')}."
    lines = [head, *(finding.text for finding in findings), *more, advice]
    return with_findings(UnbalancedSystem("\n".join(lines)), findings)


def _alone(equations: Equations, chains: Chains) -> dict[int, list[int]]:
    """Names of derivatives that stand in one equation only, by the unknown that they are derivatives of.

    Nothing but ``D(x) == v`` holds such a v: often it is a misspelt one.
    """
    n = len(chains.base)
    columns = [f.columns[k] % n for f in equations.families for k in f.unknown_slots()]
    occurrences = np.bincount(np.concatenate([*columns, equations.sums.unknown % n]), minlength=n)
    found: dict[int, list[int]] = {}
    for v in np.flatnonzero((chains.order > 0) & (occurrences == 1)).tolist():
        found.setdefault(int(chains.base[v]), []).append(v)
    return found


def _left_over(equations: Equations, plain: Decomposition) -> frozenset[str]:
    """Equations of the smallest over-determined parts where states are known: they constrain states."""
    parts = plain.overdetermined()[:_PARTS]
    return frozenset(equations.text(int(e)) for part in parts for e in part.equations)


def _most_dependent(part: Part, equations: Equations, graph: Incidence) -> list[int]:
    """The equations of an over-determined part, those that depend on each other first.

    Two equal equations with many unknowns belong to a large part, but at any point they alone are dependent.
    """
    rows, columns = part.equations, part.unknowns
    if not 2 < len(rows) <= _LARGEST:
        return [int(row) for row in rows]
    n = len(graph.is_unknown)
    most = max(int(c.max(initial=0)) for f in equations.families for c in f.columns if c.dtype != float) // n
    highest = max(most, int(equations.sums.unknown.max(initial=0)) // n)
    entries = sampled_entries(equations.families, equations.sums, np.ones((highest + 1) * n, bool))
    place = np.full(graph.n_equations, -1)
    place[rows] = np.arange(len(rows))
    column = np.full(len(graph.is_unknown), -1)
    column[columns] = np.arange(len(columns))
    matrix = np.zeros((len(rows), len(columns)))
    unknown = entries.unknown % n
    here = (place[entries.equation] >= 0) & (column[unknown] >= 0)
    np.add.at(matrix, (place[entries.equation[here]], column[unknown[here]]), entries.value[here])
    weight = np.abs(np.linalg.svd(matrix.T)[2][-1])
    involved = weight > _DEPENDENT * weight.max()
    order = np.argsort(~involved, kind="stable")
    return [int(rows[k]) for k in order]


def _components(system: System) -> Iterator[Finding]:
    """Components whose class has not as many equations as it needs.

    A component gives one equation for each variable of its own and one for each potential of a connector
    that it does not join to others inside itself; the flows follow from what it is connected to (balanced
    models: Modelica language specification 3.6, section 4.8). Variables that equations outside of it name
    may be given there, as the input of a controller is, and so may potentials of connectors without flows.
    """
    named = _named_outside(system)
    wrong: Counter[tuple[str, int, int]] = Counter()
    example: dict[tuple[str, int, int], str] = {}
    known: dict[tuple[object, ...], tuple[int, int, int]] = {}
    for component in system.components():
        variant = component.variant()
        if variant not in known:
            known[variant] = _balance(component)
        have, need, given = known[variant]
        inputs = given + sum(f"{component.path}.{name}" in named for name in component.quantities)
        if not need - inputs <= have <= need:
            key = type(component).__name__, have, need
            wrong[key] += 1
            example.setdefault(key, component.path)
    for (kind, have, need), count in sorted(wrong.items(), key=lambda item: -item[1]):
        path = example[kind, have, need]
        others = f" (and {count - 1} more of the class)" if count > 1 else ""
        yield Finding(
            "over-determined" if have > need else "under-determined",
            (path, kind),
            f"{path}{others}: {kind} has {_count(have, 'equation')}, and its variables and connectors "
            f"call for {need}",
            f"{'Remove an equation from' if have > need else 'Add an equation to'} the class {kind}.",
        )


def _named_outside(system: System) -> set[str]:
    """Names of quantities of components in equations that are not the component's own."""
    found = {str(leaf) for equation in system.equations for leaf in leaves((equation.lhs, equation.rhs))}
    for component in system.components():
        if not component.children:
            continue
        template = component.template()
        for statement in template.equations():
            if isinstance(statement, Equation):
                names = map(str, leaves((statement.lhs, statement.rhs)))
                found |= {joined(component.path, name.removeprefix(f"{TEMPLATE_PATH}.")) for name in names}
    return found


def _balance(component: Component) -> tuple[int, int, int]:
    """(equations, equations needed, of these perhaps given from outside) of a component without children."""
    template = component.template()
    statements = list(template.equations())
    inside = {
        port.path
        for statement in statements
        if isinstance(statement, Connection)
        for port in statement.ports
        if port.owner is template
    }
    need = sum(d.role == "variable" for d in template.quantities.values())
    given = 0
    for name, prototype in template.connectors.items():
        if getattr(template, name).path not in inside:
            potentials = sum(d.role == "potential" for d in prototype.quantities)
            need += potentials
            given += potentials * all(d.role == "potential" for d in prototype.quantities)
    return sum(isinstance(statement, Equation) for statement in statements), need, given


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
