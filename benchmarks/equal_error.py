"""What `ensemble.py` and `stiff_small.py` share: alternating runs at equal achieved error, and tables."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from results import machine, replace_section

Array = NDArray[np.float64]
TOLERANCES = tuple(float(10.0 ** (-k / 2)) for k in range(5, 23))
NUMBALSODA = Path(__file__).with_name("numbalsoda_worker.py")


class Candidate(NamedTuple):
    """A program on one problem. run(tolerance, repeat) gives CPU seconds; states(tolerance) the end."""

    name: str
    run: Callable[[float, int], float]
    states: Callable[[float], Array]


class Worker:
    """Another program in a process of its own, by default numbalsoda."""

    def __init__(self, python: str, problem: str, solver: str, script: Path = NUMBALSODA) -> None:
        self.process = subprocess.Popen(
            [python, str(script), problem, solver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, tolerance: float, repeat: int, states: bool) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        asked = {"tolerance": tolerance, "repeat": repeat, "states": states}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def candidate(self, name: str) -> Candidate:
        return Candidate(
            name,
            lambda tolerance, repeat: float(self.ask(tolerance, repeat, False)["seconds"]),
            lambda tolerance: np.array(self.ask(tolerance, 1, True)["final"]),
        )


def timed(run: Callable[[], Any], repeat: int) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    for _ in range(repeat):
        run()
    return (time.process_time() - began) / repeat


def loosest(
    candidate: Candidate, reference: Array, size: float, targets: tuple[float, ...],
    tolerances: tuple[float, ...] = TOLERANCES,
) -> dict[float, Any]:  # fmt: skip
    """For every target the loosest tolerance from which on no error exceeds it, and the error there.

    Where a program fails at all tolerances beyond one, what it does up to there counts.
    """
    found: dict[float, Any] = {}
    errors: list[tuple[float, float]] = []
    for tolerance in tolerances:
        states = candidate.states(tolerance)
        error = float(np.max(np.abs(states - reference) / (np.abs(reference) + size)))
        errors.append((tolerance, error))
        if error < 0.2 * min(targets):
            break
        if len(errors) > 2 and np.isnan([error for _, error in errors[-2:]]).all():
            break
    while errors and np.isnan(errors[-1][1]):
        errors.pop()
    for target in targets:
        good = None
        for tolerance, error in reversed(errors):
            if not error <= target:
                break
            good = (tolerance, error)
        found[target] = good
    return found


def compare(
    problem: str, candidates: list[Candidate], reference: Array, size: float, targets: tuple[float, ...],
    repeat: int, rounds: int = 5, tolerances: tuple[float, ...] = TOLERANCES,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row for each target and candidate: median milliseconds, and how many times the first takes."""
    chosen = [loosest(candidate, reference, size, targets, tolerances) for candidate in candidates]
    rows = []
    for target in targets:
        runs = [(c, found[target]) for c, found in zip(candidates, chosen, strict=True) if found[target]]
        taken: dict[str, list[float]] = {candidate.name: [] for candidate, _ in runs}
        for k in range(rounds):
            for candidate, (tolerance, _error) in runs if k % 2 == 0 else reversed(runs):
                if repeat > 1:  # what ran before has emptied the caches
                    candidate.run(tolerance, 1)
                taken[candidate.name].append(candidate.run(tolerance, repeat))
        first = statistics.median(taken[candidates[0].name]) if candidates[0].name in taken else np.nan
        for candidate, (tolerance, error) in runs:
            median = statistics.median(taken[candidate.name])
            row = {
                "problem": problem, "error": target, "program": candidate.name, "tolerance": tolerance,
                "achieved": error, "milliseconds": 1e3 * median, "times faster": first / median,
            }  # fmt: skip
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def write(name: str, title: str, text: str, rows: list[dict[str, Any]]) -> None:
    """Put the table between its marks in RESULTS.md, in place of an older one.

    A row with a "note" has it in place of a time.
    """
    lines = [
        f"## {title}", "", text,
        machine(), "",
        "| problem | error | program | tolerance | achieved | CPU ms | times faster |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        begin = f"| {row['problem']} | {row['error']:.0e} | {row['program']} |"
        if "note" in row:
            lines.append(f"{begin} | | {row['note']} | |")
            continue
        lines.append(
            f"{begin} {row['tolerance']:.1e} | {row['achieved']:.1e} "
            f"| {row['milliseconds']:.4g} | {row['times faster']:.1f} |"
        )
    replace_section(name, lines)
