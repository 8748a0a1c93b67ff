"""A mixed ensemble on all cores: threads, pools of processes, workers of a Dask cluster, results on disk.

    pip install -e ".[scale]"; pip install numbalsoda      # the latter in an environment of its own
    OPENBLAS_NUM_THREADS=1 python benchmarks/ensemble_scaling.py --numbalsoda /path/to/python

20,000 van der Pol oscillators, eps from 1e-6 (stiff, thousands of steps) to 1, the slow ones first, so that
equal shares would be as unequal as they can be. Wall time of whole solves with workers that are there and
know the model; smallest of the rounds, in turns, since other programs may run beside. What two cores can give
at that moment is half the time of two such solves that know nothing of each other. numbalsoda's lsoda runs
every tenth of them on one core, at the tolerance at which the middle member is as accurate, and its time is
multiplied by ten. One JSON line a row, table to RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from equal_error import Array, Worker
from results import machine, replace_section

import symnum as sn
from symnum.models.classic import oscillators

MEMBERS, END, TOLERANCE = 20_000, 11.0, 1e-6
VALUES = np.geomspace(1e-6, 1.0, MEMBERS)
ROUNDS = 5
_SHARE = 10  # of the members numbalsoda runs one in so many
_AT_ONCE = "two solves at once, half their time"


def solve(**where: Any) -> Any:
    ensemble = sn.Ensemble(oscillators.van_der_pol(1e-6, END), {"eps": VALUES})
    return sn.solve(ensemble, "Rodas5P", rtol=TOLERANCE, atol=TOLERANCE, **where)


def alone() -> None:
    """The whole ensemble by one thread of a worker."""
    solve(threads=1)


def side_by_side(workers: Executor) -> None:
    """Two whole ensembles that know nothing of each other, at once: what two cores can give here and now."""
    for done in [workers.submit(alone), workers.submit(alone)]:
        done.result()


def median_error(final: Array, exact: Array) -> float:
    return float(np.median(np.abs(final - exact) / (np.abs(exact) + 1.0)))


def peer(python: str, exact: Array, error: float) -> tuple[float, float, float]:
    """numbalsoda's tolerance, error and seconds, no less accurate than ``error``."""
    worker = Worker(python, "van_der_pol", "lsoda")
    for tolerance in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9):
        asked = worker.ask(tolerance, 1, states=True)
        found = median_error(np.array(asked["final"]), exact[::_SHARE])
        if found <= error:
            break
    return tolerance, found, _SHARE * float(asked["seconds"])


def dask_client(stack: ExitStack, workers: int) -> Any:
    from distributed import Client, LocalCluster

    cluster = stack.enter_context(
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0)
    )
    return stack.enter_context(Client(cluster))


def pool(stack: ExitStack, workers: int) -> Executor:
    return stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbalsoda", required=True, help="a Python that has numbalsoda")
    python = parser.parse_args().numbalsoda
    fine = sn.Ensemble(oscillators.van_der_pol(1e-6, END), {"eps": VALUES})
    exact = sn.solve(fine, "Rodas5P", rtol=1e-11, atol=1e-11).final.T
    runs = solve()
    error = median_error(runs.final.T, exact)
    tolerance, theirs, seconds = peer(python, exact, error)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        numbers = iter(range(1000))
        clients = [dask_client(stack, workers) for workers in (1, 2)]
        pools = [pool(stack, workers) for workers in (1, 2)]
        programs: dict[str, tuple[int, Callable[[], Any]]] = {
            "threads": (1, lambda: solve(threads=1)),
            "threads, 2": (2, lambda: solve(threads=2)),
            "ProcessPoolExecutor": (1, lambda: solve(executor=pools[0])),
            "ProcessPoolExecutor, 2": (2, lambda: solve(executor=pools[1])),
            "Dask": (1, lambda: solve(executor=clients[0])),
            "Dask, 2": (2, lambda: solve(executor=clients[1])),
            "Dask and store, 2": (
                2, lambda: solve(executor=clients[1], store=folder / f"{next(numbers)}.zarr"),
            ),
            _AT_ONCE: (2, lambda: side_by_side(pools[1])),
        }  # fmt: skip
        taken: dict[str, list[float]] = {name: [] for name in programs}
        for name, (_, run) in programs.items():
            for _ in range(2):  # all workers have come to know the model
                found = run()
            assert name == _AT_ONCE or np.array_equal(found.y[:], runs.y), name
        for _ in range(ROUNDS):
            for name, (_, run) in programs.items():
                began = time.perf_counter()
                run()
                share = 2 if name == _AT_ONCE else 1
                taken[name].append((time.perf_counter() - began) / share)
    rows: list[dict[str, Any]] = [
        {
            "program": "numbalsoda lsoda",
            "workers": 1,
            "seconds": seconds,
            "tolerance": tolerance,
            "error": theirs,
        }
    ]
    for name, (workers, _) in programs.items():
        row = {
            "program": f"symnum, {name.partition(', 2')[0]}", "workers": workers, "seconds": min(taken[name]),
            "median": statistics.median(taken[name]), "tolerance": TOLERANCE, "error": error,
        }  # fmt: skip
        rows.append(row)
    for row in rows:
        print(json.dumps(row), flush=True)
    steps = runs.stats.steps
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    base = rows[1]["seconds"]
    lines = [
        "## A mixed ensemble on threads, processes and a cluster (`ensemble_scaling.py`)", "",
        f"{MEMBERS:,} van der Pol oscillators, eps from 1e-6 to 1, {steps.min()} to {steps.max()} steps of "
        "Rodas5P, the slow ones first. Seconds of wall time of whole solves, smallest and median of "
        f"{ROUNDS} rounds in turns; error of the middle member. All rows of symnum have the same bits. The "
        "machine has 2 cores: more than 2 workers cannot be shown here, and what other programs leave of "
        "them the last row tells. numbalsoda ran every tenth member (some stopped at its limit of 10,000 "
        "steps), "
        f"times ten. Load average at the end {load}.",
        machine(), "",
        "| program | workers | tolerance | error | seconds | median | against one thread |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        median = f"{row['median']:.3f}" if "median" in row else ""
        lines.append(
            f"| {row['program']} | {row['workers']} | {row['tolerance']:.1e} | {row['error']:.1e} "
            f"| {row['seconds']:.3f} | {median} | {base / row['seconds']:.2f} |"
        )
    replace_section("ensemble_scaling", lines)


if __name__ == "__main__":
    main()
