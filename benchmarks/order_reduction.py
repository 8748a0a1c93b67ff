"""Reduced models: error and speed-up against the number of states.

    OPENBLAS_NUM_THREADS=1 taskset -c 0 python benchmarks/order_reduction.py

Burgers' equation at 256 points and the Brusselator on 64 x 64 points (8,192 unknowns), each reduced from one
solution with 101 saved times. Error: largest difference from that solution, relative to its largest value,
both at rtol 1e-8. Times: fastest of 15 whole solves at rtol 1e-6 that save the end, in turns. One JSON line a
row, table to RESULTS.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from results import machine, replace_section

import symnum as sn
from symnum.models.spatial import reaction_diffusion, transport

STATES = (2, 4, 8, 12, 16)
FINE = {"rtol": 1e-8, "atol": 1e-10}
PLAIN = {"rtol": 1e-6, "atol": 1e-8}


def problems() -> Iterator[tuple[str, sn.Problem]]:
    burgers = transport.burgers(0.05)
    system = sn.discretize(burgers, {burgers.coordinates[0]: sn.Central(256)})
    yield "Burgers, 256 points", sn.Problem(system, span=(0, 1))
    brusselator = reaction_diffusion.brusselator()
    system = sn.discretize(brusselator, dict.fromkeys(brusselator.coordinates, sn.Central(64)))
    yield "Brusselator, 64 x 64 points", sn.Problem(system, span=(0, 2))


def seconds(solves: list[Callable[[], object]], rounds: int = 15) -> list[float]:
    """The fastest of some calls of each, in turns."""
    fastest = [float("inf")] * len(solves)
    for _ in range(rounds + 1):
        for k, call in enumerate(solves):
            begin = time.perf_counter()
            call()
            fastest[k] = min(fastest[k], time.perf_counter() - begin)
    return fastest


def main() -> None:
    rows: list[dict[str, Any]] = []
    for title, problem in problems():
        end = problem.span[1]
        full = sn.solve(problem, saveat=np.linspace(0, end, 101), **FINE)
        for states in STATES:
            begin = time.process_time()
            reduced = sn.reduce_order(problem, full, states)
            made = time.process_time() - begin
            solves = [partial(sn.solve, one, saveat=[end], **PLAIN) for one in (problem, reduced.problem)]
            large, small = seconds(solves)
            row = {
                "problem": title, "unknowns": problem.flat.n, "states": states, "rows": len(reduced.sampled),
                "error": reduced.error(full, **FINE), "made_seconds": made,
                "full_milliseconds": 1e3 * large, "reduced_milliseconds": 1e3 * small, "ratio": large / small,
            }  # fmt: skip
            print(json.dumps(row), flush=True)
            rows.append(row)
    lines = [
        "## Model-order reduction (`order_reduction.py`)", "",
        "Whole solves at rtol 1e-6; the error is taken at 1e-8. Made: CPU time of `sn.reduce_order`.",
        machine(), "",
        "| problem | unknowns | states | rows of f | error | made / s | full / ms | reduced / ms | faster |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {row['problem']} | {row['unknowns']} | {row['states']} | {row['rows']} | {row['error']:.1e} "
        f"| {row['made_seconds']:.2f} | {row['full_milliseconds']:.2f} | {row['reduced_milliseconds']:.3f} "
        f"| {row['ratio']:.1f} |"
        for row in rows
    ]
    replace_section("order_reduction", lines)


if __name__ == "__main__":
    main()
