"""The report of `symnum.explain` as text."""

from __future__ import annotations

from symnum.lowering.explain import Report, flat_sections, torn
from symnum.lowering.findings import listed
from symnum.lowering.flat_text import some


def text(report: Report) -> str:
    parts = [_headline(report)]
    if report.problems:
        for number, problem in enumerate(report.problems, start=1):
            advice = f"\n{problem.suggestion}" if problem.suggestion else ""
            parts.append(f"{_title(f'Problem {number}: {problem.kind}')}\n{problem.text}{advice}")
        parts.append(f"{_title('Look first at')}\n{listed(list(report.suspects[:6]))}")
    if report.stages:
        parts.append(f"{_title('Stages: sizes behind each, and times')}\n{_stages(report)}")
    sections = flat_sections(report)
    if sections and report.stages:
        sections.insert(2, ("Blocks: what must be solved together", _blocks(report)))
    parts += [f"{_title(title)}\n{body}" for title, body in sections]
    return "\n".join(parts)


def _headline(report: Report) -> str:
    found = [report.name]
    if report.problems:
        count = len(report.problems)
        found.append(f"{count} problem{'s' * (count > 1)}")
    if report.index is not None:
        found.append(f"index {report.index}")
    if report.degrees_of_freedom is not None:
        found.append(f"{report.degrees_of_freedom} degrees of freedom")
    return found[0] + ": " + ", ".join(found[1:])


def _title(title: str) -> str:
    return f"\n{title}\n{'-' * len(title)}"


def _stages(report: Report) -> str:
    lines = [f"{'':32}{'equations':>10}{'unknowns':>10}{'families':>10}{'ms':>10}"]
    for stage in report.stages:
        sizes = [
            "" if size is None else str(size) for size in (stage.equations, stage.unknowns, stage.families)
        ]
        lines.append(f"{stage.name:32}" + "".join(f"{s:>10}" for s in (*sizes, f"{1e3 * stage.seconds:.1f}")))
    return "\n".join(lines)


def _blocks(report: Report) -> str:
    flat = report.inspected.flat
    assert flat is not None
    blocks = report.inspected.blocks
    single = sum(len(block.equations) == 1 for block in blocks)
    lines = [f"{single} equations that one after the other give one unknown each"]
    for block, implicit in torn(report):
        names = [flat.number_name(number) for number in implicit]
        kept = f"torn: {some(names)}; the others follow" if names else "solved explicitly"
        lines.append(f"a block of {len(block.equations)} equations, {kept}")
    for choice in flat.structure.choices:
        candidates = [flat.number_name(int(x)) for x in choice.candidates]
        states = [flat.number_name(int(s)) for s in choice.states]
        lines.append(f"chosen in the run: {some(states)} from {some(candidates)}")
    return "\n".join(lines)
