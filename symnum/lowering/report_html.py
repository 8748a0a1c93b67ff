"""The report of `symnum.explain` as one self-contained page: no scripts, no fonts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

import numpy as np

from symnum.language.component import TEMPLATE_PATH, Component
from symnum.lowering.explain import Inspection, Report, components_text, torn
from symnum.lowering.families import Family
from symnum.lowering.flat import FlatSystem
from symnum.lowering.flat_text import first_copy, function_text
from symnum.lowering.mathml import equation_mathml
from symnum.lowering.pictures import bar_svg, pattern_svg
from symnum.rewriting.equation import Equation
from symnum.rewriting.expr import Expr, Symbol, symbol
from symnum.rewriting.walk import leaves, substitute

_SHOWN = 40  # equations or names of one list; the rest is counted

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fff; --soft: #eef1f6; --line: #cfd6e2;
  --accent: #2458b8; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8f0; --paper: #14181f; --soft: #1f2530;
  --line: #3a4354; --accent: #8ab0ff; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem;
  border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
.cards { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; }
.card { background: var(--soft); border-radius: .5rem; padding: .5rem .9rem; }
.card b { display: block; font-size: 1.4rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .7rem; text-align: right; }
th { font-weight: 600; border-bottom: 1px solid var(--line); }
td:first-child, th:first-child { text-align: left; }
svg rect { fill: var(--accent); } svg .paper { fill: var(--soft); }
svg .frame { fill: none; stroke: var(--bad); stroke-width: 1.2; }
.pattern { border: 1px solid var(--line); }
.problem { border-left: 4px solid var(--bad); background: var(--soft); padding: .4rem 1rem; margin: 1rem 0; }
.problem h3 { margin: .2rem 0; } .advice { font-style: italic; }
math { margin: .25rem 1rem .25rem 0; font-size: 1.05rem; }
.equation { overflow: auto hidden; padding: .15rem 0; margin: .15rem 0; }
.alike { color: var(--accent); font-size: .85rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { background: var(--soft); padding: .7rem;
  overflow-x: auto; border-radius: .4rem; }
details > summary { cursor: pointer; color: var(--accent); margin: .3rem 0; }
.columns { display: flex; flex-wrap: wrap; gap: 1.5rem; } li { margin: .1rem 0; }
"""


def page(report: Report) -> str:
    """The whole page."""
    found = report.inspected
    sections = [*_problems(report), *_written(found)]
    if report.stages:
        sections.append(("Passes", _passes(report)))
    if found.flat is not None:
        flat = found.flat
        sections += [("States", _states(report, flat)), ("Eliminated variables", _eliminated(flat))]
        sections.append(("What the equations became", _families(flat)))
    if report.stages and found.flat is not None:
        sections.append(("Block-triangular form", _block_picture(report, found.flat)))
    if found.compiled is not None:
        sections += [("Jacobian", _jacobian(found)), ("Generated code", _code(found))]
    body = "".join(f"<section><h2>{escape(title)}</h2>{text}</section>" for title, text in sections)
    name = escape(report.name)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><h1>{name}</h1>{_cards(report)}{body}</body></html>\n"
    )


def _cards(report: Report) -> str:
    found = report.inspected
    cards: list[tuple[object, str]] = []
    if report.problems:
        cards.append((len(report.problems), "problems" if len(report.problems) > 1 else "problem"))
    if report.index is not None:
        cards.append((report.index, "index"))
    if report.degrees_of_freedom is not None:
        cards.append((report.degrees_of_freedom, "degrees of freedom"))
    if found.raw is not None and report.stages:
        cards += [(report.stages[0].equations, "equations"), (report.stages[0].unknowns, "unknowns")]
    if found.flat is not None:
        cards.append((int((found.flat.mass == 0).sum()), "algebraic unknowns left"))
        cards.append((len(found.flat.parameters), "parameters"))
    shown = "".join(f'<div class="card"><b>{value}</b>{escape(what)}</div>' for value, what in cards)
    return f'<div class="cards">{shown}</div>'


# ---- what is wrong ----------------------------------------------------------------------------------
def _problems(report: Report) -> Iterator[tuple[str, str]]:
    if not report.problems:
        return
    shown = []
    for problem in report.problems:
        lines = escape(problem.text)
        names = _list(f"<code>{escape(name)}</code>" for name in problem.names)
        shown.append(
            f'<div class="problem"><h3>{escape(problem.kind)}</h3><pre>{lines}</pre>'
            f'<p class="advice">{escape(problem.suggestion)}</p>'
            f"<details><summary>All names, the most suspicious first</summary>{names}</details></div>"
        )
    first = _list(f"<code>{escape(name)}</code>" for name in report.suspects[:6])
    yield "What is wrong", f"{''.join(shown)}<p>Look first at</p>{first}"


# ---- equations as written -----------------------------------------------------------------------------
def _written(found: Inspection) -> Iterator[tuple[str, str]]:
    system = found.system
    if system is None:
        return
    parts = []
    if system.parts:
        parts.append(f"<p>Components: {escape(components_text(system))}.</p>")
    if system.equations:
        parts.append(_equations(system.equations))
    variants: dict[object, list[Component]] = {}
    for component in system.components():
        variants.setdefault(component.variant(), []).append(component)
    for members in variants.values():
        equations = _own_equations(members[0])
        if equations:
            title = f"{type(members[0]).__name__} ({len(members)})"
            parts.append(
                f"<details><summary>{escape(title)}: {len(equations)} equations each</summary>"
                f"{_equations(equations)}</details>"
            )
    if system.connections:
        texts = [f"<code>{escape(str(connection))}</code>" for connection in system.connections]
        parts.append(f"<details><summary>{len(texts)} connections</summary>{_list(texts)}</details>")
    yield "Equations as written", "".join(parts)


def _own_equations(component: Component) -> list[Equation]:
    """The equations of a class, without the name of the instance."""
    found = [s for s in component.template().equations() if isinstance(s, Equation)]
    sides = [side for equation in found for side in (equation.lhs, equation.rhs)]
    short: dict[Expr, Expr] = {}
    for leaf in leaves(sides):
        inner = leaf
        while inner.op == "D":
            inner = inner.args[0]
        if inner.op == "symbol" and inner.name.startswith(f"{TEMPLATE_PATH}."):
            name = str(leaf).replace(f"{TEMPLATE_PATH}.", "")
            short[leaf] = symbol(Symbol(name, inner.kind))
    new = substitute(tuple(sides), short)
    return [Equation(new[i], new[i + 1]) for i in range(0, len(new), 2)]


def _equations(equations: Sequence[Equation]) -> str:
    shown = [f'<div class="equation">{equation_mathml(e.lhs, e.rhs)}</div>' for e in equations[:_SHOWN]]
    more = f"<p>… {len(equations)} in all</p>" if len(equations) > _SHOWN else ""
    return "".join(shown) + more


# ---- passes -------------------------------------------------------------------------------------------
def _passes(report: Report) -> str:
    largest = max(stage.seconds for stage in report.stages)
    rows = "".join(
        f"<tr><td>{escape(stage.name)}</td>"
        + "".join(
            f"<td>{'' if size is None else size}</td>"
            for size in (stage.equations, stage.unknowns, stage.families)
        )
        + f"<td>{1e3 * stage.seconds:.1f}</td><td>{bar_svg(stage.seconds, largest)}</td></tr>"
        for stage in report.stages
    )
    return (
        "<table><tr><th>behind the pass</th><th>equations</th><th>unknowns</th><th>families</th><th>ms</th>"
        f"<th></th></tr>{rows}</table><p>A family is one equation with its copies. Behind the pass that "
        "solves what is explicit, the implicit equations and their unknowns are counted.</p>"
    )


def _states(report: Report, flat: FlatSystem) -> str:
    states = [name for name, m in zip(flat.state_names, flat.mass, strict=True) if m]
    parts = [f"<p>{len(states)} states</p>", _names(states)]
    found = report.inspected
    if found.reduced is not None and found.offsets is not None:
        taken = int(found.offsets.c.sum())
        parts.append(
            f"<p>Of index {report.index} as written: {taken} differentiations, and with the constraints as "
            "many unknowns taken out of the set of states.</p>"
        )
    for choice in flat.structure.choices:
        s, x = ([flat.number_name(int(k)) for k in ids] for ids in (choice.states, choice.candidates))
        parts.append(f"<p>Chosen anew in the run: {escape(', '.join(s))} from {escape(', '.join(x))}</p>")
    return "".join(parts)


def _eliminated(flat: FlatSystem) -> str:
    representative = flat.structure.representative
    gone = np.flatnonzero(representative != np.arange(len(representative)))
    equal = [
        f"<code>{escape(flat.unknowns[int(i)].name)}</code> equals "
        f"<code>{escape(flat.number_name(int(representative[i])))}</code>"
        for i in gone[:_SHOWN].tolist()
    ]
    turned = np.flatnonzero(flat.structure.opposite >= 0)
    opposite = [
        f"<code>{escape(flat.unknowns[int(i)].name)}</code> equals "
        f"<code>-{escape(flat.number_name(int(flat.structure.opposite[i])))}</code>"
        for i in turned[:_SHOWN].tolist()
    ]
    turned_text = (
        f"<p>{len(turned)} variables are the opposite of another one, as the currents into the two pins of a "
        f"part are.</p><details><summary>show</summary>{_list(opposite, len(turned))}</details>"
    )
    count = sum(family.count for family in flat.structure.definitions)
    return (
        f"<p>{len(gone)} variables are equal to another one, by a connection or by an equation that says so."
        f"</p><details><summary>show</summary>{_list(equal, len(gone))}</details>"
        f"{turned_text if len(turned) else ''}"
        f"<p>{count} unknowns are given explicitly by an equation: they are computed where needed and "
        "can be asked for in a solution. The equations are below.</p>"
    )


def _families(flat: FlatSystem) -> str:
    structure = flat.structure
    parts = ["<details open><summary>Explicit, in order</summary>"]
    parts += [_family(flat, family) for family in structure.definitions[:_SHOWN]]
    if len(structure.definitions) > _SHOWN:
        parts.append(f"<p>… {len(structure.definitions)} families in all</p>")
    parts.append("</details>")
    if structure.residuals or len(structure.residual_sums):
        parts.append("<details open><summary>Implicit</summary>")
        parts += [_family(flat, family) for family in structure.residuals[:_SHOWN]]
        sums = [f"0 = {structure.sums.labels[row]}" for row in structure.residual_sums[:_SHOWN]]
        parts += [_list(map(escape, sums), len(structure.residual_sums)), "</details>"]
    return "".join(parts)


def _family(flat: FlatSystem, family: Family) -> str:
    left, right = first_copy(flat, family)
    alike = f' <span class="alike">and {family.count - 1} alike</span>' if family.count > 1 else ""
    return f'<div class="equation">{equation_mathml(left, right)}{alike}</div>'


# ---- pictures -----------------------------------------------------------------------------------------
def _block_picture(report: Report, flat: FlatSystem) -> str:
    found = report.inspected
    blocks = found.blocks
    if not blocks or found.matched is None:
        return "<p>There is no equation to be solved.</p>"
    graph = found.matched[0]
    sizes = [len(block.equations) for block in blocks]
    n = sum(sizes)
    row = np.empty(n, np.int64)
    row[np.concatenate([block.equations for block in blocks])] = np.arange(n)
    column = np.empty(len(graph.is_unknown), np.int64)
    column[np.concatenate([block.unknowns for block in blocks])] = np.arange(n)
    starts = np.cumsum([0, *sizes])
    frames = [(int(s), size) for s, size in zip(starts, sizes, strict=False) if size > 1]
    picture = pattern_svg(
        row[graph.equation], column[graph.unknown], n, "equations and unknowns by blocks", frames
    )
    lines = [f"{sum(size == 1 for size in sizes)} equations give one unknown each, one after the other."]
    for block, implicit in torn(report):
        names = ", ".join(f"<code>{escape(flat.number_name(k))}</code>" for k in implicit[:_SHOWN])
        more = f" and {len(implicit) - _SHOWN} more" if len(implicit) > _SHOWN else ""
        kept = f"torn at {names}{more}: the others follow" if implicit else "solved explicitly"
        lines.append(f"A block of {len(block.equations)} equations, {kept}.")
    return f'<div class="columns">{picture}<div>{_list(lines)}</div></div>'


def _jacobian(found: Inspection) -> str:
    assert found.compiled is not None
    functions = found.compiled.model.functions
    n = functions.n
    columns = np.repeat(np.arange(n), np.diff(functions.indptr))
    entries = len(functions.indices)
    picture = pattern_svg(np.asarray(functions.indices), columns, n, "entries of the Jacobian")
    text = f"{n} × {n}, {entries} entries that may differ from zero ({entries / max(n * n, 1):.1%})."
    return f'<div class="columns">{picture}<p>{text}</p></div>'


def _code(found: Inspection) -> str:
    assert found.compiled is not None
    rows = []
    for name, function in found.compiled.model.lowered.items():
        roots = sum(len(getattr(item, "roots", ())) for item in function.items)
        rows.append(
            f"<tr><td>{escape(name)}</td><td>{len(function.items)}</td><td>{roots}</td>"
            f"<td>{function.n_out}</td></tr>"
        )
    source = found.compiled.source("llvm")
    table = (
        "<table><tr><th>function</th><th>loops and sums</th><th>expressions</th><th>results</th></tr>"
        f"{''.join(rows)}</table>"
    )
    size = f"<p>{len(source.encode()):,} bytes of LLVM text, {source.count(chr(10)):,} lines.</p>"
    loops = ""
    if found.function is not None:
        loops = (
            "<details><summary>The right-hand side as loops</summary>"
            f"<pre>{escape(function_text(found.function))}</pre></details>"
        )
    return table + size + loops


# ---- lists --------------------------------------------------------------------------------------------
def _names(names: Sequence[str]) -> str:
    shown = ", ".join(f"<code>{escape(name)}</code>" for name in names[:_SHOWN])
    return f"<p>{shown}{f' … {len(names)} in all' if len(names) > _SHOWN else ''}</p>"


def _list(items: Iterable[str], count: int | None = None) -> str:
    found = list(items)
    total = len(found) if count is None else count
    shown = "".join(f"<li>{item}</li>" for item in found[:_SHOWN])
    return f"<ul>{shown}{f'<li>… {total} in all</li>' if total > _SHOWN else ''}</ul>"
