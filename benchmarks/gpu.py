"""Ensembles and a large system on a GPU, checked against the CPU and timed beside it.

    pip install "symnum-modeling[cuda]"
    python benchmarks/gpu.py [--members 10000 100000] [--grid 256] [--write]

Ensembles of Lorenz (Tsit5) and Robertson (Rodas4P), every member with parameters of its own, the final state
kept; then a periodic Brusselator with grid x grid points (Tsit5, driven by the host). The GPU's time is that
of a whole call, arrays to the device and back included, after a first call that compiles; it is the median
of some rounds. The CPU solves a sample of the members one after another on one core; its time is that of
the compiled loop alone, scaled up to all members. The GPU's states may differ from the CPU's by a small
multiple of the tolerance, else the program fails. One JSON line a row goes to standard output, with --write
a table to RESULTS.md.

Without a GPU it says so and stops. NUMBA_ENABLE_CUDASIM=1 with a few members runs it in the simulator, which
shows that it works and nothing else.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from codegen_models import brusselator
from numpy.typing import NDArray
from results import replace_section

import symnum as sn
from symnum.codegen import cuda_toolkit
from symnum.errors import CodegenError
from symnum.models.classic import kinetics, oscillators
from symnum.solving.cuda.ensemble import solve_ensemble_cuda
from symnum.solving.cuda.integrate import solve_cuda
from symnum.solving.statistics import Status

Array = NDArray[np.float64]

TITLE = "## GPU: ensembles and a large system (`gpu.py`)"
RTOL, ATOL = 1e-6, 1e-9
CALM = 3.0  # units of time: chaos would turn the tolerance into any difference later on
CLOSE = 1e3  # times the tolerance: both are that far from the solution at most, in these problems


def main() -> None:
    arguments = parsed()
    try:
        cuda_toolkit.require_device()
    except CodegenError as error:
        sys.exit(f"benchmarks/gpu.py: {error}")
    rows = []
    for members in arguments.members:
        rows.append(ensemble("Lorenz", oscillators.lorenz(CALM), "Tsit5", members, arguments))
        rows.append(ensemble("Robertson", kinetics.robertson(1e5), "Rodas4P", members, arguments))
    rows.append(large(arguments.grid, arguments.rounds))
    if arguments.write:
        write_results(rows, arguments.rounds)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--grid", type=int, default=256, help="points along one side of the Brusselator")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sample", type=int, default=200, help="members that the CPU solves as well")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


# ---- the rows -------------------------------------------------------------------------------------------
def ensemble(
    title: str, problem: sn.Problem, method: str, members: int, given: argparse.Namespace
) -> dict[str, Any]:
    """Members whose parameters differ by up to a tenth."""
    rng = np.random.default_rng(0)
    parameters = problem.p * (1 + 0.1 * (2 * rng.random((members, len(problem.p))) - 1))
    starts = np.tile(problem.u, (members, 1))

    def on_gpu() -> tuple[Array, Array]:
        run = solve_ensemble_cuda(problem, parameters, starts, method, RTOL, ATOL)
        return run.y[:, :, 0], run.status

    first, seconds, (found, status) = timed(on_gpu, given.rounds)
    check(f"{title}: every trajectory ends", bool((status == Status.DONE.value).all()))
    sample = np.linspace(0, members - 1, min(members, given.sample)).astype(int)
    cpu, worst = 0.0, 0.0
    names = problem.compiled.parameters
    for member in sample:
        one = problem.with_(parameters=dict(zip(names, parameters[member], strict=True)))
        solution = sn.solve(one, method, rtol=RTOL, atol=ATOL, saveat=[problem.span[1]])
        cpu += solution.stats.solve_milliseconds / 1e3
        worst = max(worst, difference(found[member], solution.y[:, 0]))
    check(f"{title}: the GPU agrees with the CPU ({worst:.1e} tolerances)", worst < CLOSE)
    return row(f"{title}, {members} members", method, first, seconds, cpu * members / len(sample), worst)


def large(side: int, rounds: int) -> dict[str, Any]:
    """The Brusselator, from a smooth start."""
    model = sn.compile(brusselator(side))
    places = np.arange(side) / side * 2 * np.pi
    u = 1 + 0.5 * np.sin(places)[:, None] * np.cos(2 * places)
    v = 3 + 0.3 * np.cos(places)[:, None] + 0 * u
    start = dict(zip(model.states, np.concatenate([u.ravel(), v.ravel()]).tolist(), strict=True))
    problem = sn.Problem(model, start, span=(0, 2), parameters={"alpha": 0.02, "A": 3.4, "B": 1.0})

    def on_gpu() -> Array:
        return solve_cuda(problem, rtol=RTOL, atol=ATOL).y[:, 0]

    first, seconds, found = timed(on_gpu, rounds)
    solution = sn.solve(problem, "Tsit5", rtol=RTOL, atol=ATOL, saveat=[problem.span[1]])
    worst = difference(found, solution.y[:, 0])
    check(f"Brusselator: the GPU agrees with the CPU ({worst:.1e} tolerances)", worst < CLOSE)
    cpu = solution.stats.solve_milliseconds / 1e3
    return row(f"Brusselator {side} x {side}", "Tsit5", first, seconds, cpu, worst)


def timed(call: Callable[[], Any], rounds: int) -> tuple[float, float, Any]:
    """Seconds of the first call, which compiles, and the median of the next ones; the last result."""
    begin = time.perf_counter()
    call()
    first = time.perf_counter() - begin
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - begin)
    return first, statistics.median(seconds), result


def difference(found: Array, expected: Array) -> float:
    """The largest difference in units of the tolerance."""
    return float(np.max(np.abs(found - expected) / (ATOL + RTOL * np.abs(expected))))


def check(what: str, holds: bool) -> None:
    print(f"{'ok' if holds else 'FAILED'}: {what}", file=sys.stderr)
    if not holds:
        sys.exit(1)


def row(case: str, method: str, first: float, seconds: float, cpu: float, worst: float) -> dict[str, Any]:
    entry = {
        "case": case, "method": method, "gpu": device(), "first_call_seconds": first, "gpu_seconds": seconds,
        "cpu_seconds": cpu, "ratio": cpu / seconds, "difference_in_tolerances": worst,
    }  # fmt: skip
    print(json.dumps(entry), flush=True)
    return entry


def device() -> str:
    if cuda_toolkit.simulated():
        return "simulator"
    name = cuda_toolkit.cuda().get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)


def write_results(rows: list[dict[str, Any]], rounds: int) -> None:
    """Replace this benchmark's part of RESULTS.md."""
    lines = [
        TITLE, "",
        f"Made by `benchmarks/gpu.py`: whole calls on the GPU, median of {rounds} after the first; on",
        "the CPU the compiled loop on one core, for ensembles from a sample.",
        f"Python {platform.python_version()}, numpy {np.__version__}, {rows[0]['gpu']}.", "",
        "| case | method | first call / s | GPU / s | one CPU core / s | CPU / GPU | difference / rtol |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {r['case']} | {r['method']} | {r['first_call_seconds']:.1f} | {r['gpu_seconds']:.4f} "
        f"| {r['cpu_seconds']:.3f} | {r['ratio']:.1f} | {r['difference_in_tolerances']:.1e} |"
        for r in rows
    ]
    replace_section("gpu", lines)


if __name__ == "__main__":
    main()
