"""`symnum.explain`: what lowering makes of a system, or what is wrong with it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from symnum.codegen.function import Function
from symnum.errors import SymnumError
from symnum.language.system import System
from symnum.lowering.alias import Equations, Unknowns, unknowns_of
from symnum.lowering.balance import check_balance
from symnum.lowering.blocks import Block, block_triangular
from symnum.lowering.compile import CompiledSystem
from symnum.lowering.compile import compile as compile_system
from symnum.lowering.dulmage_mendelsohn import Decomposition
from symnum.lowering.findings import Finding
from symnum.lowering.flat import FlatSystem
from symnum.lowering.flat_text import (
    function_text,
    jacobian_text,
    rewriting_text,
    structure_text,
    unknowns_text,
)
from symnum.lowering.functions import functions_of
from symnum.lowering.incidence import Incidence, Matching, is_perfect, match
from symnum.lowering.index import Offsets, Signature, offsets, written
from symnum.lowering.lower import lower
from symnum.lowering.raw import RawSystem
from symnum.lowering.reduce import Reduced, in_chains
from symnum.lowering.regularity import check_regular
from symnum.lowering.structure import Structure
from symnum.record import record, replace


@record
class Stage:
    """One pass: its seconds, and how many equations, unknowns and families there are behind it."""

    name: str
    seconds: float
    equations: int | None = None
    unknowns: int | None = None
    families: int | None = None


@record
class Report:
    """What `symnum.explain` returns; print it.

    index: the structural index of the equations as written, None where they do not fit. degrees_of_freedom:
    how many initial values are free. problems: what is wrong, each a `Finding` with ``kind``, ``names``,
    ``text`` and ``suggestion``. stages: passes with sizes and times.
    """

    name: str
    index: int | None
    degrees_of_freedom: int | None
    problems: tuple[Finding, ...]
    stages: tuple[Stage, ...]
    inspected: Inspection

    @property
    def suspects(self) -> tuple[str, ...]:
        """Names of equations, unknowns and components to look at, the most suspicious first."""
        found: dict[str, None] = {}
        longest = max((len(problem.names) for problem in self.problems), default=0)
        for rank in range(longest):
            found.update(dict.fromkeys(p.names[rank] for p in self.problems if rank < len(p.names)))
        return tuple(found)

    def __str__(self) -> str:
        from symnum.lowering.report_text import text

        return text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from symnum.lowering.report_html import page

        return page(self)


class Inspection:
    """A system with what the passes made of it, as far as they came."""

    def __init__(self, system: System | None) -> None:
        self.system = system
        self.raw: RawSystem | None = None
        self.written: Signature | None = None
        self.equations: Equations | None = None
        self.reduced: Reduced | None = None
        self.matched: tuple[Incidence, Matching] | None = None
        self.flat: FlatSystem | None = None
        self.compiled: CompiledSystem | None = None
        self.function: Function | None = None
        self.offsets: Offsets | None = None
        self.hidden = False  # whether constraints were hidden in combinations of equations
        self.stages: list[Stage] = []
        self._began = time.perf_counter()

    def watch(self, name: str, made: Any) -> None:
        """Take over what a pass made."""
        seconds = time.perf_counter() - self._began
        sizes: tuple[int | None, ...] = (None, None, None)
        if isinstance(made, RawSystem):
            self.raw = made
            self.written = written(made)  # now: index reduction adds names, which counts numbers anew
            count = sum(family.count for family in made.families) + len(made.equalities) + made.sums.count
            sizes = count, len(made.unknowns), len(made.families)
        elif isinstance(made, Equations):
            self.hidden = self.equations is not None  # told a second time: with hidden constraints
            self.equations = made
            sizes = _sizes(made, unknowns_of(made))
        elif isinstance(made, Reduced):
            self.reduced = made
            sizes = _sizes(made.equations, made.unknowns)
        elif isinstance(made, Structure):
            implicit = sum(family.count for family in made.residuals) + len(made.residual_sums)
            sizes = implicit, len(made.implicit), len(made.definitions) + len(made.residuals)
        elif isinstance(made, tuple):
            self.matched = made
            sizes = made[0].n_equations, int(made[0].is_unknown.sum()), None
        self.stages.append(Stage(name, seconds, *sizes))
        self._began = time.perf_counter()

    @property
    def blocks(self) -> list[Block]:
        """The block-triangular form; empty where there is no perfect matching."""
        if self.matched is None or not is_perfect(*self.matched):
            return []
        return block_triangular(*self.matched)

    def text(self, equation: int) -> str:
        """An equation of the matched graph by its number."""
        equations = self.reduced.equations if self.reduced is not None else self.equations
        assert equations is not None
        return equations.text(equation)


def explain(system: System | CompiledSystem, *, html: str | Path | None = None) -> Report:
    """What each stage makes of a system: unknowns, states, definitions, loops, Jacobian. Print it.

    A system with mistakes is not refused: ``.problems`` holds the smallest parts that do not fit, with the
    names of equations and unknowns. html: also write one self-contained page to this path.
    """
    if isinstance(system, CompiledSystem):
        inspected = Inspection(None)
        inspected.flat, inspected.compiled = system.flat, system
        inspected.function = functions_of(system.flat).rhs
        problems: tuple[Finding, ...] = ()
    else:
        inspected = Inspection(system)
        problems = _inspect(system, inspected)
    index, freedom = _index(inspected, problems)
    name = system.name if isinstance(system, System) else system.flat.name
    report = Report(name, index, freedom, problems, tuple(inspected.stages), inspected)
    if html is not None:
        from symnum.lowering.report_html import page

        Path(html).write_text(page(report), encoding="utf-8")
    return report


def _inspect(system: System, inspected: Inspection) -> tuple[Finding, ...]:
    try:
        flat = lower(system, watch=inspected.watch)
        if inspected.reduced is None:
            _check_regular(system, inspected)
        inspected.flat = flat
        inspected.function = functions_of(flat).rhs
        inspected.watch("written as loops", None)
        inspected.compiled = compile_system(system)
        inspected.watch("compiled, or found in the cache", None)
    except SymnumError as error:
        return error.findings or (Finding("description", _quoted(str(error)), str(error), ""),)
    return ()


def _check_regular(system: System, inspected: Inspection) -> None:
    """Singular systems of index one or less are found at the start of a run; here without numbers."""
    raw, equations = inspected.raw, inspected.equations
    assert raw is not None
    assert equations is not None
    assert inspected.matched is not None
    graph, matching = inspected.matched
    check_balance(system, raw, equations, Decomposition(graph, matching.equation_of))
    chains, families, found = in_chains(equations)
    sums = replace(equations.sums, unknown=chains.numbers(equations.sums.unknown))
    known = Equations(families, sums, chains.base, equations.sign)
    check_regular(raw.name, families, sums, found, offsets(found), known.text, raw.number_name)


def _index(inspected: Inspection, problems: tuple[Finding, ...]) -> tuple[int | None, int | None]:
    """(index, degrees of freedom) of the equations as written, aliases included."""
    if inspected.written is None:
        flat = inspected.flat
        freedom = None if flat is None else int(flat.mass.sum())
        return None, freedom
    if problems or inspected.equations is None:
        return None, None
    found = inspected.written
    # equalities in a circle: some say nothing new
    if inspected.hidden or not is_perfect(found.merged, match(found.merged)):
        _, _, found = in_chains(inspected.equations)
    inspected.offsets = result = offsets(found)
    return result.index(found.present), result.degrees_of_freedom


def _sizes(equations: Equations, unknowns: Unknowns) -> tuple[int, int, int]:
    count = sum(family.count for family in equations.families) + equations.sums.count
    return count, int(unknowns.wanted.sum()), len(equations.families)


def _quoted(message: str) -> tuple[str, ...]:
    """What a message is about, where its error carries no findings: the text up to the advice."""
    head, _, rest = message.partition(": ")
    return (rest or head,)


def components_text(system: System) -> str:
    counts = Counter(type(component).__name__ for component in system.components())
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def flat_sections(report: Report) -> list[tuple[str, str]]:
    """(title, text) of the stages behind lowering."""
    inspected = report.inspected
    if inspected.flat is None or inspected.compiled is None or inspected.function is None:
        return []
    flat = inspected.flat
    unknowns = unknowns_text(flat)
    if inspected.system is not None and inspected.system.parts:
        unknowns = f"components: {components_text(inspected.system)}\n{unknowns}"
    return [
        (f"Flattened: {flat.name}", unknowns),
        ("Structure: what is integrated, what is given explicitly", structure_text(flat)),
        ("Functions: loops over families; costs in additions", function_text(inspected.function)),
        ("Rewritten: what the rewriter made of the functions", rewriting_text(inspected.compiled)),
        ("Jacobian: exact, sparse", jacobian_text(inspected.compiled)),
    ]


def torn(report: Report) -> list[tuple[Block, list[int]]]:
    """Blocks of several equations, each with the unknowns that stay implicit: the others follow from them."""
    flat = report.inspected.flat
    if flat is None:
        return []
    implicit = np.zeros(2 * len(flat.unknowns), bool)
    implicit[flat.structure.implicit] = True
    return [
        (block, [int(u) for u in block.unknowns if implicit[u]])
        for block in report.inspected.blocks
        if len(block.equations) > 1
    ]
