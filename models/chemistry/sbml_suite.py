"""Runs a folder of cases of the SBML Test Suite (semantic) and says which are reproduced.

``python -m symnum.models.chemistry.sbml_suite DIR`` prints a table per class and tag. A case is a folder
``NNNNN`` with ``NNNNN-sbml-lXvY.xml``, ``NNNNN-settings.txt`` and ``NNNNN-results.csv``; the classes are
those of an ``index.json`` beside the cases, else "all". The suite: https://github.com/sbmlteam/sbml-test-suite.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SymnumError
from symnum.models.chemistry.sbml import read_sbml
from symnum.models.chemistry.sbml_model import SBMLModel
from symnum.record import record
from symnum.rewriting.expr import Expr
from symnum.solving.solution import Sample
from symnum.solving.solve import solve

__all__ = ["Case", "Outcome", "cases_in", "run_case"]

FloatArray = NDArray[np.float64]

_RTOL, _ATOL = (
    1e-9,
    1e-12,
)  # tightest tolerances of the suite are 1e-5 and 1e-8; never looser than a hundredth
_SAME_TIME = 1e-12


@record
class Case:
    """One case of the suite. absolute, relative: what a value may differ by."""

    name: str
    model: Path
    results: Path
    settings: dict[str, str]
    labels: tuple[str, ...]  # its class first, then its tags

    def numbers(self) -> tuple[float, float, int]:
        """(start, duration, steps)."""
        s = self.settings
        return float(s["start"] or 0), float(s["duration"]), int(s["steps"])

    def listed(self, key: str) -> list[str]:
        return [name.strip() for name in self.settings.get(key, "").split(",") if name.strip()]

    def tolerance(self, key: str) -> float:
        return float(self.settings[key])


@record
class Outcome:
    """passed, refused (with the message) or wrong; error: in multiples of what is allowed."""

    case: Case
    status: str
    message: str
    error: float
    seconds: float


def cases_in(folder: Path) -> list[Case]:
    """All cases of a folder, by name. Of several models the highest Level and Version is run."""
    index: dict[str, Any] = {}
    if (folder / "index.json").is_file():
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    found = []
    for settings in sorted(folder.glob("*/*-settings.txt")):
        name = settings.name.removesuffix("-settings.txt")
        models = sorted(settings.parent.glob(f"{name}-sbml-l*.xml"))
        results = settings.parent / f"{name}-results.csv"
        if not models or not results.is_file():
            continue
        about = index.get(name, {})
        labels = (about.get("class", "all"), *about.get("component", ()), *about.get("test", ()))
        found.append(Case(name, models[-1], results, _settings(settings), labels))
    return found


def _settings(path: Path) -> dict[str, str]:
    lines = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in lines}


def run_case(case: Case) -> Outcome:
    """Simulate a case and compare it with the suite's results."""
    began = time.perf_counter()
    try:
        if not case.settings.get("duration"):
            raise ModelError(f"{case.name} is no time course")
        error = _error(case, read_sbml(case.model))
    except SymnumError as refusal:
        return Outcome(case, "refused", str(refusal), np.nan, time.perf_counter() - began)
    status = "passed" if error <= 1.0 else "wrong"
    return Outcome(case, status, f"{error:.3g} times the tolerance", error, time.perf_counter() - began)


def _error(case: Case, model: SBMLModel) -> float:
    """The largest deviation over what is allowed; infinite where infinities or NaN do not match."""
    start, duration, steps = case.numbers()
    names = case.listed("variables")
    times = np.linspace(start, start + duration, steps + 1)
    expressions = [_reported(case, model, name) for name in names]
    found = trajectories(model, expressions, times, rtol=_RTOL, atol=_ATOL)
    wanted = _table(case.results)
    worst = 0.0
    for name, values in zip(names, found, strict=True):
        reference = wanted[name]
        if len(reference) != len(values):
            raise ModelError(f"{case.name}: the results have {len(reference)} rows, not {len(values)}")
        allowed = case.tolerance("absolute") + case.tolerance("relative") * np.abs(reference)
        finite = np.isfinite(reference)
        if not np.array_equal(values[~finite], reference[~finite], equal_nan=True):
            return float("inf")
        ratio = np.abs(values - reference)[finite] / allowed[finite]
        worst = max(worst, float(np.max(np.where(np.isnan(ratio), np.inf, ratio), initial=0.0)))
    return worst


def _reported(case: Case, model: SBMLModel, name: str) -> Expr:
    if name in model.species and name in case.listed("amount"):
        return model.amount(name)
    if name in model.species and name in case.listed("concentration"):
        return model.concentration(name)
    return model[name]


def trajectories(
    model: SBMLModel, expressions: Sequence[Expr], times: FloatArray, *, rtol: float, atol: float
) -> FloatArray:
    """(m, k) the expressions at the times; where an event happens at one of these, after it."""
    problem = model.problem((0.0, float(times[-1])))
    solution = solve(problem, rtol=rtol, atol=atol, dense=True)
    sample = solution(np.clip(times, solution.t[0], solution.t[-1]))
    y, segment = sample.y.copy(), sample.segment.copy()
    events = np.array(sorted({event.t for event in solution.events}))
    if len(events):
        allowed = _SAME_TIME * np.maximum(1.0, np.abs(times))
        last = np.searchsorted(events, times + allowed, side="right") - 1
        for k in np.flatnonzero((last >= 0) & (times - events[last] <= allowed)):
            place = np.searchsorted(solution.t, events[last[k]], side="right") - 1
            y[:, k], segment[k] = solution.y[:, place], solution.segment[place]
    after = Sample(solution.flat, solution.segments, times, y, segment, solution.past)
    return np.array([after[expression] for expression in expressions])


def _table(path: Path) -> Mapping[str, FloatArray]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.reader(stream) if row]
    head = [name.strip() for name in rows[0]]
    values = np.array([[float(cell) for cell in row] for row in rows[1:]])
    return {name: values[:, k] for k, name in list(enumerate(head))[1:]}


# ---- the table ------------------------------------------------------------------------------------
def report(outcomes: Iterable[Outcome], *, tags: bool = True) -> str:
    """Passed, refused and wrong per class, and per tag."""
    classes: dict[str, list[Outcome]] = {}
    tagged: dict[str, list[Outcome]] = {}
    everything = list(outcomes)
    for outcome in everything:
        classes.setdefault(outcome.case.labels[0], []).append(outcome)
        for tag in outcome.case.labels[1:]:
            tagged.setdefault(tag, []).append(outcome)
    lines = [f"{'':32}{'cases':>8}{'passed':>8}{'refused':>9}{'wrong':>7}{'rate':>8}{'s/case':>8}"]
    lines += [_row(name, found) for name, found in sorted(classes.items())]
    lines.append(_row("all", everything))
    if tags:
        lines += ["", *(_row(name, found) for name, found in sorted(tagged.items()))]
    return "\n".join(lines)


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    count = {status: sum(o.status == status for o in outcomes) for status in ("passed", "refused", "wrong")}
    rate = 100 * count["passed"] / max(len(outcomes), 1)
    seconds = sum(outcome.seconds for outcome in outcomes) / max(len(outcomes), 1)
    return (
        f"{name:32}{len(outcomes):8}{count['passed']:8}{count['refused']:9}{count['wrong']:7}"
        f"{rate:7.1f}%{seconds:8.2f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sbml_suite", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="the folder with the cases")
    parser.add_argument("--only", default="", help="names of cases or classes, with commas")
    parser.add_argument("--quiet", action="store_true", help="print the tables alone")
    chosen = parser.parse_args(arguments)
    only = {name for name in chosen.only.split(",") if name}
    cases = [c for c in cases_in(chosen.folder) if not only or only & {c.name, c.labels[0]}]
    outcomes = []
    for case in cases:
        outcome = run_case(case)
        outcomes.append(outcome)
        if not chosen.quiet and outcome.status != "passed":
            print(f"{case.name} {case.labels[0]} {outcome.status}: {outcome.message}", flush=True)
    print(report(outcomes, tags=not only))
    return 0 if all(outcome.status != "wrong" for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
