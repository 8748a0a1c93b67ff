"""Compile time against the size of a model, and generated loops against loops written by hand.

    OPENBLAS_NUM_THREADS=1 python benchmarks/codegen.py

Every size is compiled in fresh processes with an empty cache: ``describe`` is the time to write the model
down as a `System`, ``compile`` that from there to callable right-hand side and sparse Jacobian, imports
included, both in CPU seconds. ``flatness`` is the compile time over that of the smallest size. ``--stage
loops`` calls the generated functions of the Brusselator and, alternately, a numba loop nest with peeled
boundaries over contiguous rows. ``--stage threads`` calls the same functions compiled for one and for two
threads. One JSON line a row goes to standard output, tables to RESULTS.md.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from results import machine, replace_section

if TYPE_CHECKING:
    from symnum.lowering.compile import CompiledSystem

SIZES = {
    "brusselator": (16, 32, 64, 128, 224, 512),
    "ladder": (5, 50, 500, 5000),
    "network": (10, 100, 1000, 2000),
}
WHAT = {"brusselator": "points a side", "ladder": "sections", "network": "buses"}
STATEMENTS = (1_000, 10_000, 50_000)
TITLE = "## Compile time against size (`codegen.py`)"

CHILD = """
import resource, sys, time
import numpy as np
import codegen_models
import symnum as sn
kind, size = sys.argv[1], int(sys.argv[2])
begin = time.process_time()
system = getattr(codegen_models, kind)(size)
described, started = time.process_time(), time.perf_counter()
if kind == "statements":
    from symnum.codegen.backend_llvm import LlvmEmitter
    emitter = LlvmEmitter()
    program = emitter.emit({"rhs": system})
    emitter.load(program.names, emitter.build(program), program.tables)
    counts = size, 0
else:
    functions = sn.compile(system).model.functions
    counts = functions.n, functions.entries
end, ended = time.process_time(), time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(described - begin, end - described, ended - started, peak, *counts)
"""


def main() -> None:
    arguments = parsed()
    rows: list[dict[str, Any]] = []
    if arguments.stage in ("compile", "all"):
        rows += compile_times(arguments.rounds)
    if arguments.stage in ("loops", "all"):
        rows += [loops(size, arguments.rounds) for size in (64, 224, 512)]
    if arguments.stage in ("threads", "all"):
        rows += [row for size in (512, 1024) for row in threads(size, arguments.rounds)]
    for row in rows:
        print(json.dumps(row))
    if arguments.stage == "all":
        write_results(rows, arguments.rounds)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes a size; rounds of the loops")
    parser.add_argument("--stage", choices=["all", "compile", "loops", "threads"], default="all")
    return parser.parse_args()


def compile_times(rounds: int) -> list[dict[str, Any]]:
    """Medians over fresh processes with empty caches, the sizes of a model in turn."""
    rows = []
    for kind, sizes in {**SIZES, "statements": STATEMENTS}.items():
        runs: dict[int, list[list[float]]] = {size: [] for size in sizes}
        for _ in range(rounds):
            for size in sizes:
                runs[size].append(in_fresh_process(kind, size))
        middle = {size: sorted(found, key=lambda run: run[1])[rounds // 2] for size, found in runs.items()}
        for size, run in middle.items():
            rows.append({
                "case": kind, "size": size, "unknowns": int(run[4]), "entries": int(run[5]),
                "describe_seconds": round(run[0], 3), "compile_seconds": round(run[1], 3),
                "compile_wall_seconds": round(run[2], 3),
                "flatness": round(run[1] / middle[sizes[0]][1], 2), "peak_megabytes": round(run[3]),
            })  # fmt: skip
    return rows


def in_fresh_process(kind: str, size: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SYMNUM_CACHE": folder, "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-c", CHILD, kind, str(size)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def loops(size: int, rounds: int) -> dict[str, Any]:
    """Microseconds a call of the generated right-hand side (through ctypes) and of a loop by hand."""
    from codegen_models import brusselator
    from numba import njit

    import symnum as sn

    model = Calls(sn.compile(brusselator(size)))
    u, out, given = model.u, model.out, model.given

    @njit
    def by_hand(x: Any, y: Any, fx: Any, fy: Any, alpha: float, a: float, b: float) -> None:
        n = len(x)
        for i in range(n):
            above, below = x[i - 1], x[i + 1 if i + 1 < n else 0]
            above_y, below_y = y[i - 1], y[i + 1 if i + 1 < n else 0]
            here, here_y, out_x, out_y = x[i], y[i], fx[i], fy[i]
            for j in range(1, n - 1):
                one, two = here[j], here_y[j]
                made = one * one * two
                around = above[j] + below[j] + here[j - 1] + here[j + 1] - 4 * one
                around_y = above_y[j] + below_y[j] + here_y[j - 1] + here_y[j + 1] - 4 * two
                out_x[j] = b + made - (a + 1) * one + alpha * around
                out_y[j] = a * one - made + alpha * around_y
            for j in (0, n - 1):
                one, two = here[j], here_y[j]
                made = one * one * two
                right = j + 1 if j + 1 < n else 0
                around = above[j] + below[j] + here[j - 1] + here[right] - 4 * one
                around_y = above_y[j] + below_y[j] + here_y[j - 1] + here_y[right] - 4 * two
                out_x[j] = b + made - (a + 1) * one + alpha * around
                out_y[j] = a * one - made + alpha * around_y

    x, y = u.reshape(2, size, size)
    hand = np.zeros((2, size, size))
    values = given["alpha"], given["A"], given["B"]
    seconds: dict[str, list[float]] = {"rhs": [], "by_hand": [], "jacobian": []}
    for _ in range(5 * rounds):
        seconds["rhs"].append(timed(model.rhs))
        seconds["by_hand"].append(timed(lambda: by_hand(x, y, hand[0], hand[1], *values)))
        seconds["jacobian"].append(timed(model.jacobian))
    best = {name: min(found) for name, found in seconds.items()}
    return {
        "case": "brusselator loop", "size": size,
        **{f"{name}_us": round(1e6 * value, 1) for name, value in best.items()},
        "ratio": round(best["rhs"] / best["by_hand"], 2),
        "largest_difference": float(np.abs(out - hand.ravel()).max() / np.abs(hand).max()),
    }  # fmt: skip


class Calls:
    """Right-hand side and Jacobian of a compiled system at one point, into arrays of their own."""

    def __init__(self, compiled: CompiledSystem) -> None:
        functions = compiled.model.functions
        self.compiled = compiled  # owns the code
        self.u = np.random.default_rng(0).uniform(0.5, 1.5, functions.n)
        self.p = np.array([info.default for info in compiled.flat.parameters], float)
        self.given = dict(zip(compiled.parameters, self.p.tolist(), strict=True))
        self.work, self.out = np.zeros(functions.n_work), np.zeros(functions.n)
        self.entries = np.zeros(functions.entries)
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 4)
        self.pointers = [x.ctypes.data for x in (self.u, self.p, self.work)]
        prototype(functions.setup)(0.0, self.entries.ctypes.data, *self.pointers)
        self._rhs, self._jacobian = prototype(functions.rhs), prototype(functions.jacobian)

    def rhs(self) -> None:
        self._rhs(0.0, self.out.ctypes.data, *self.pointers)

    def jacobian(self) -> None:
        self._jacobian(0.0, self.entries.ctypes.data, *self.pointers)


def threads(size: int, rounds: int) -> list[dict[str, Any]]:
    """Microseconds a call with one thread and with two, in turns: the fastest of many."""
    from codegen_models import brusselator

    import symnum as sn

    system = brusselator(size)
    calls = {count: Calls(sn.compile(system, threads=count)) for count in (1, 2)}
    rows = []
    for function, result in (("rhs", "out"), ("jacobian", "entries")):
        best = dict.fromkeys(calls, np.inf)
        for _ in range(100 * rounds):  # other work on the machine leaves a second core free at times only
            for count, model in calls.items():
                best[count] = min(best[count], timed(getattr(model, function), repeats=1))
        one, two = (getattr(model, result) for model in calls.values())
        rows.append({
            "case": "threads", "size": size, "function": function, "one_us": round(1e6 * best[1], 1),
            "two_us": round(1e6 * best[2], 1), "times_faster": round(best[1] / best[2], 2),
            "same_bits": one.tobytes() == two.tobytes(),
        })  # fmt: skip
    return rows


def timed(call: Callable[[], None], repeats: int = 20) -> float:
    """Seconds a call, over some repeats."""
    call()
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begin) / repeats


def write_results(rows: list[dict[str, Any]], rounds: int) -> None:
    """Replace this benchmark's part of RESULTS.md."""
    lines = [
        TITLE, "",
        f"Made by `benchmarks/codegen.py`: {rounds} fresh processes a size, empty cache; CPU seconds,",
        "medians. Describe: to write the model down in Python. Compile: from the `System` to callable",
        "right-hand side and sparse Jacobian, imports included.",
        machine(), "",
        "| model | size | unknowns | entries | describe / s | compile / s | to the smallest | peak / MB |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {row['case']} | {row['size']} {WHAT[row['case']]} | {row['unknowns']} | {row['entries']} "
        f"| {row['describe_seconds']:.2f} | {row['compile_seconds']:.2f} | {row['flatness']:.1f} "
        f"| {row['peak_megabytes']} |"
        for row in rows if row["case"] in SIZES
    ]  # fmt: skip
    lines += ["", "Distinct statements of one to three operations each, in straight-line code, from the",
              "intermediate representation to the callable:", "",
              "| statements | CPU / s | peak / MB |", "|---|---|---|"]  # fmt: skip
    lines += [
        f"| {row['size']} | {row['compile_seconds']:.2f} | {row['peak_megabytes']} |"
        for row in rows if row["case"] == "statements"
    ]  # fmt: skip
    lines += ["", "Single calls, fastest of many, alternately; by hand: a numba loop nest over contiguous",
              "rows with peeled boundaries.", "",
              "| Brusselator | right-hand side / us | by hand / us | ratio | Jacobian / us | difference |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {row['size']} x {row['size']} | {row['rhs_us']} | {row['by_hand_us']} | {row['ratio']} "
        f"| {row['jacobian_us']} | {row['largest_difference']:.1e} |"
        for row in rows if row["case"] == "brusselator loop"
    ]  # fmt: skip
    lines += ["", "One thread and two (`sn.compile(system, threads=2)`), single calls in turns, the fastest",
              "of many; the same bits: whether the results agree to the last bit.",
              f"Load when measured: {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors.", "",
              "| Brusselator | function | one / us | two / us | times faster | the same bits |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {row['size']} x {row['size']} | {row['function']} | {row['one_us']} | {row['two_us']} "
        f"| {row['times_faster']} | {'yes' if row['same_bits'] else 'no'} |"
        for row in rows if row["case"] == "threads"
    ]  # fmt: skip
    replace_section("codegen", lines)


if __name__ == "__main__":
    main()
