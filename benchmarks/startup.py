"""From the start of a process to the first solution: symnum, CasADi, numbalsoda and diffrax, alternately.

    OPENBLAS_NUM_THREADS=1 python benchmarks/startup.py --casadi PYTHON --numbalsoda PYTHON --diffrax PYTHON

PYTHON: the interpreter of an environment that holds the peer; without one it is left out. Two problems:
Robertson's to t = 1e11, and a network of 40 nonlinear states, both at rtol 1e-6. Every program is what a
user would write, in a file, run as a process of its own. The time ends when the solution is printed.

"nothing cached": the first use ever, of symnum (which builds its steppers), of numba's cache of compiled
functions and of JAX's compilation cache. "new model": symnum with its steppers built and no models in its
cache. "second process on": all caches filled. CasADi keeps no cache. Python's own byte code is always there.
The floor is a process that only imports what a warm symnum needs.

The error is the largest relative difference of the end state (for Robertson's, of its first component, in
units of its size) from a solution at rtol 1e-11. One JSON line a row goes to standard output, a table to
RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results import machine, replace_section

import symnum as sn

PROGRAMS = Path(__file__).with_name("startup_programs")
PROBLEMS = ("robertson", "network")
TITLES = {"robertson": "Robertson", "network": "network, 40 states"}
HEADING = "## Start-up: from the start of a process to the first solution (`startup.py`)"

_SLOW = 2.0  # seconds; longer runs are repeated less often

FIRST, NEW, WARM = "nothing cached", "new model", "second process on"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for peer in ("casadi", "numbalsoda", "diffrax"):
        parser.add_argument(f"--{peer}", metavar="PYTHON", help="interpreter of its environment")
    parser.add_argument("--rounds", type=int, default=9, help="of everything but what is slow")
    parser.add_argument("--first", type=int, default=3, help="rounds of first uses and of what takes seconds")
    arguments = parser.parse_args()
    interpreters = {"symnum": sys.executable}
    for peer in ("casadi", "numbalsoda", "diffrax"):
        if getattr(arguments, peer):
            interpreters[peer] = getattr(arguments, peer)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        runs = planned(Path(folder), interpreters)
        for number in range(arguments.rounds):
            for run in runs:  # in turns, so that a machine that drifts does so for all
                if number < (arguments.first if run.state == FIRST or run.slow else arguments.rounds):
                    run.once()
    reference = {problem: reference_solution(problem) for problem in PROBLEMS}
    for run in runs:
        row = run.row(reference)
        rows.append(row)
        print(json.dumps(row))
    write_table(rows, arguments.rounds, arguments.first)


class Run:
    """One program in one state of the caches, and its measurements."""

    def __init__(
        self,
        program: str,
        problem: str,
        state: str,
        command: list[str],
        caches: Path,
        empty: Callable[[], None],
    ) -> None:
        self.program, self.problem, self.state = program, problem, state
        self.command, self.empty = command, empty
        self.environment = environment(caches)
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.answer: list[float] = []
        self.version = ""

    @property
    def slow(self) -> bool:
        return bool(self.wall) and min(self.wall) > _SLOW

    def once(self) -> None:
        self.empty()
        began = time.perf_counter()
        process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.environment, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or not line:
            raise SystemExit(f"{self.program}, {self.problem}: the process failed: {' '.join(self.command)}")
        self.wall.append(seconds)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        answer = json.loads(line)
        self.answer, self.version = answer["y"], answer["version"]

    def row(self, reference: dict[str, list[float]]) -> dict[str, Any]:
        error = None
        if self.answer:
            exact = np.array(reference[self.problem])
            count = 1 if self.problem == "robertson" else len(exact)
            found = np.array(self.answer)
            error = float(np.max(np.abs(found - exact)[:count]) / np.max(np.abs(exact)[:count]))
        return {
            "program": self.program, "version": self.version, "problem": self.problem, "caches": self.state,
            "runs": len(self.wall), "wall_s": statistics.median(self.wall), "wall_min_s": min(self.wall),
            "cpu_s": statistics.median(self.cpu), "error": error,
        }  # fmt: skip


def planned(folder: Path, interpreters: dict[str, str]) -> list[Run]:
    """All runs of one round, first uses before those that find the caches filled."""
    runs = []

    def add(program: str, problem: str, state: str, caches: Path, empty: Callable[[], None]) -> None:
        source = str(shutil.copy(PROGRAMS / f"{program}_{problem}.py", folder))  # numba's cache is for files
        runs.append(Run(program, problem, state, [interpreters[program], source], caches, empty))

    for state, modules in (("numpy", "numpy"), ("numpy, llvmlite", "numpy, llvmlite.binding")):
        code = f'import {modules}; print(\'{{"y": [], "version": ""}}\', flush=True)'
        command = [sys.executable, "-c", code]
        runs.append(Run(f"floor: import {state}", "", WARM, command, folder, lambda: None))
    for program in interpreters:
        for problem in PROBLEMS:
            own = folder / f"{program}-{problem}"
            (own / "warm").mkdir(parents=True)
            if program != "casadi":
                (own / "first").mkdir()
                add(program, problem, FIRST, own / "first", emptier(own / "first", "*"))
            if program == "symnum":
                (own / "new").mkdir()
                add(program, problem, NEW, own / "new", emptier(own / "new", "symnum/model-*"))
            add(program, problem, WARM, own / "warm", lambda: None)
    for run in runs:
        if run.state != FIRST:
            run.once()  # fills the caches and makes the byte code
            run.wall.clear()
            run.cpu.clear()
    return runs


def emptier(folder: Path, pattern: str) -> Callable[[], None]:
    def empty() -> None:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return empty


def environment(caches: Path) -> dict[str, str]:
    """That of this process, with all caches in one folder and byte code allowed."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {
        "OPENBLAS_NUM_THREADS": "1",
        "SYMNUM_CACHE": str(caches / "symnum"),
        "NUMBA_CACHE_DIR": str(caches / "numba"),
        "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def reference_solution(problem: str) -> list[float]:
    """End state of symnum's program at tight tolerances."""
    with contextlib.redirect_stdout(io.StringIO()):
        space = runpy.run_path(str(PROGRAMS / f"symnum_{problem}.py"), {"tolerances": (1e-11, 1e-14)})
    end: list[float] = space["solution"].y[:, -1].tolist()
    return end


def write_table(rows: list[dict[str, Any]], rounds: int, first: int) -> None:
    """Replace this benchmark's section of RESULTS.md."""
    lines = [
        HEADING, "",
        f"Made by `benchmarks/startup.py`: medians of {rounds} processes, {first} of what takes seconds,",
        "in turns, from the start of the process to the solution, and CPU time of the whole process.",
        f"symnum {sn.__version__}. {machine()}", "",
        "| problem | program | caches | wall / s (fastest) | CPU / s | error |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    order = {problem: number for number, problem in enumerate(("", *PROBLEMS))}
    for row in sorted(rows, key=lambda row: (order[row["problem"]], row["wall_s"])):
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        lines.append(
            f"| {TITLES.get(row['problem'], '')} | {row['program']} {row['version']} | {row['caches']} "
            f"| {row['wall_s']:.3f} ({row['wall_min_s']:.3f}) | {row['cpu_s']:.3f} | {error} |"
        )
    replace_section("startup", lines)


if __name__ == "__main__":
    main()
