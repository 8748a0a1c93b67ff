"""symnum and ANDES on the Kundur two-area system, alternately, at equal achieved error.

    pip install andes           # in an environment of its own, because of its pinned dependencies
    OPENBLAS_NUM_THREADS=1 python benchmarks/kundur.py --andes /path/to/andes/bin/python --data DATA

Three scenarios of 20 s: trip of a tie line, trip of a line inside area 2, fault at bus 8. Both programs run
in turns in one session; the CPU time is that of the time-domain run alone: neither loading, power flow,
initialization nor compilation. symnum saves all unknowns every 0.01 s, ANDES every step of its own.

The error is the largest difference of a rotor angle in rad from a reference solution that is good to 1e-9,
at all saved times, once in the synchronous frame and once relative to machine 3 (a common drift of all
angles then does not count). For ANDES it is taken at its own times from 20 ms after an event on, to its
advantage. Per scenario, symnum runs at the loosest tolerance, in quarters of a decade, at which neither
error exceeds that of ANDES, and at the loosest one with an error below 1e-6 rad. One JSON line a row goes
to standard output, a table to RESULTS.md.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import machine, replace_section

import symnum as sn
from symnum.models.power import kundur

Array = NDArray[np.float64]

FILES = {"tie": "trip_tie_Line4", "line": "trip_Line8", "fault": "fault_bus8"}
EVENT_TIMES = {"tie": (2.0,), "line": (2.0,), "fault": (1.0, 1.1)}
TITLES = {"tie": "tie line 7-8 trips", "line": "line 8-9 trips", "fault": "fault at bus 8"}
GRID = np.arange(2001) / 100
MACHINES = ("g1", "g2", "g3", "g4")


def main() -> None:
    arguments = parsed()
    worker = None
    if arguments.andes:
        script = Path(__file__).with_name("andes_worker.py")
        worker = subprocess.Popen(
            [arguments.andes, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    rows = []
    for scenario in FILES:
        rows += measured(scenario, worker, reference(arguments.data, scenario), arguments.rounds)
    if worker is not None and worker.stdin is not None:
        worker.stdin.close()
        worker.wait()
    for row in rows:
        print(json.dumps(row))
    write_results(rows, arguments.rounds)


def parsed() -> argparse.Namespace:
    default = os.environ.get("SYMNUM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--andes", help="Python interpreter of an environment that has ANDES")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with kundur/kundur_full")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds")
    return parser.parse_args()


def reference(folder: Path, scenario: str) -> Array:
    """(4, 2001) rotor angles on the grid of 0.01 s."""
    path = folder / "kundur" / "kundur_full" / f"kundur_full_independent_DOP853_{FILES[scenario]}.csv.gz"
    with gzip.open(path, "rt") as file:
        names = file.readline().strip().split(",")
        values = np.loadtxt(file, delimiter=",")
    return np.array([values[:, names.index(f"delta_G{i}")] for i in range(1, 5)])


def problem_of(scenario: str) -> sn.Problem:
    grid = kundur.two_area(fault_bus=8 if scenario == "fault" else None)
    if scenario == "fault":
        switched = [(1.0, grid.fault.active, 1), (1.1, grid.fault.active, 0)]
    else:
        switched = [(2.0, (grid.line_7_8a if scenario == "tie" else grid.line_8_9b).closed, 0)]
    return sn.Problem(grid, span=(0, 20), events=[sn.Event(at=t, then={p: v}) for t, p, v in switched])


def simulate(problem: sn.Problem, rtol: float) -> tuple[float, sn.Solution]:
    begin = time.process_time()
    solution = sn.solve(problem, "Rodas5P", rtol=rtol, atol=rtol, saveat=GRID)
    return time.process_time() - begin, solution


def measured(scenario: str, worker: Any, exact: Array, rounds: int) -> list[dict[str, Any]]:
    problem = problem_of(scenario)
    andes = ask(worker, scenario) if worker else None  # the first run of both only warms up
    target = andes_error(andes, exact, scenario) if andes else (np.inf, np.inf)
    tolerances = 10.0 ** (-np.arange(8, 37) / 4)
    errors = {rtol: error_of(simulate(problem, rtol)[1], exact) for rtol in tolerances}

    def loosest(absolute: float, relative: float) -> float:
        return float(next(r for r in tolerances if errors[r][0] <= absolute and errors[r][1] <= relative))

    chosen = {"error of ANDES": loosest(*target), "1e-6 rad": loosest(1e-6, np.inf)}
    times: dict[str, list[float]] = {"ANDES": [], **{goal: [] for goal in chosen}}
    inner: dict[str, list[float]] = {goal: [] for goal in chosen}
    steps = {}
    for _ in range(rounds):
        if worker:
            times["ANDES"].append(ask(worker, scenario)["cpu_seconds"])
        for goal, rtol in chosen.items():
            runs = [simulate(problem, rtol) for _ in range(20)]  # milliseconds each: a round is their median
            times[goal].append(statistics.median(seconds for seconds, _ in runs))
            inner[goal].append(statistics.median(s.stats.solve_milliseconds for _, s in runs) / 1e3)
            steps[goal] = runs[-1][1].stats.steps
    rows = []
    if andes:
        rows.append(
            {
                "scenario": scenario, "program": f"ANDES {andes['version']}", "goal": "defaults",
                "steps": andes["steps"], "error_rad": target[0], "relative_error_rad": target[1],
                "finished": andes["finished"], **summary(times["ANDES"]),
            }
        )  # fmt: skip
    for goal, rtol in chosen.items():
        row = {
            "scenario": scenario, "program": f"symnum {sn.__version__}", "goal": goal, "rtol": rtol,
            "steps": steps[goal], "error_rad": errors[rtol][0], "relative_error_rad": errors[rtol][1],
            **summary(times[goal]),
            "cpu_seconds_in_the_loop": statistics.median(inner[goal]),
        }  # fmt: skip
        if andes:
            row["ratio"] = statistics.median(times["ANDES"]) / statistics.median(times[goal])
        rows.append(row)
    return rows


def summary(seconds: list[float]) -> dict[str, float]:
    return {"cpu_seconds": statistics.median(seconds), "fastest": min(seconds), "slowest": max(seconds)}


def ask(worker: Any, scenario: str) -> Any:
    worker.stdin.write(f"{scenario}\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


def error_of(solution: sn.Solution, exact: Array) -> tuple[float, float]:
    return largest(np.array([solution[f"{name}.angle"] for name in MACHINES]) - exact)


def largest(difference: Array) -> tuple[float, float]:
    """Of (4, n) differences of rotor angles: the largest, and the largest relative to machine 3."""
    return float(abs(difference).max()), float(abs(difference - difference[2]).max())


def andes_error(run: dict[str, Any], exact: Array, scenario: str) -> tuple[float, float]:
    """Largest angle error at ANDES' own times, against a spline through the reference between events."""
    from scipy.interpolate import CubicSpline

    times, angles = np.array(run["t"]), np.array(run["delta"])
    bounds = [0.0, *EVENT_TIMES[scenario], 20.0]
    differences = []
    for begin, end in itertools.pairwise(bounds):
        inside = slice(round(100 * begin), round(100 * end) + 1)
        spline = CubicSpline(GRID[inside], exact[:, inside], axis=1)
        own = (times >= begin + (0.02 if begin else 0.0)) & (times <= end)
        differences.append(angles[:, own] - spline(times[own]))
    return largest(np.concatenate(differences, axis=1))


def write_results(rows: list[dict[str, Any]], rounds: int) -> None:
    lines = [
        "# Kundur two-area system, 20 s: symnum and ANDES",
        "",
        f"Made by `benchmarks/kundur.py`: {rounds} alternating rounds, medians of the CPU time of the",
        "time-domain run alone. symnum saves all unknowns every 0.01 s. Error: the largest one of a rotor",
        "angle, against a reference that is good to 1e-9 rad.",
        machine(),
        "",
        "| scenario | program | goal | rtol | steps | error / rad | relative to machine 3 "
        "| CPU / ms (fastest .. slowest) | in the loop / ms | ANDES / symnum |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ms = [1e3 * row[key] for key in ("cpu_seconds", "fastest", "slowest")]
        loop = f"{1e3 * row['cpu_seconds_in_the_loop']:.2f}" if "cpu_seconds_in_the_loop" in row else ""
        rtol = f"{row['rtol']:.1e}" if "rtol" in row else "default"
        ratio = f"{row['ratio']:.0f}" if "ratio" in row else ""
        lines.append(
            f"| {TITLES[row['scenario']]} | {row['program']} | {row['goal']} | {rtol} | {row['steps']} | "
            f"{row['error_rad']:.1e} | {row['relative_error_rad']:.1e} | "
            f"{ms[0]:.2f} ({ms[1]:.2f} .. {ms[2]:.2f}) | {loop} | {ratio} |"
        )
    replace_section("kundur", lines)


if __name__ == "__main__":
    main()
