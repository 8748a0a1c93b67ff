"""Two reaction networks and the ignition of methane: symnum and its peers in turns, at equal achieved error.

    OPENBLAS_NUM_THREADS=1 python benchmarks/reactions.py --peers /path/to/python [--only egfr,bcr,gri]

egfr_net (356 species, t = 10) and BCR (1,122 species, t = 1e4) from their ``.net`` files against CVODE
(scikit-sundae) with SuperLU and with LAPACK, right-hand side and exact Jacobian compiled by numba;
numbalsoda; libRoadRunner and COPASI, for which the networks are written as SBML. GRI-Mech 3.0 against
Cantera's reactors, direct and preconditioned.

Solve: CPU time of one solve with everything loaded and compiled, in turns, medians, each program at the
loosest tolerance from which on it keeps to the error. From the file: a fresh process from its start to the
result at that tolerance, CPU time with all imports; symnum with an empty cache and with a warm one, the
kernels of its solvers made before, as in an installed package. Use a Python in which symnum is installed and
not linked: a linked one is found at every start by a search that takes 10 ms. The error is the largest
relative one: of a species at the end (with one molecule added), of the temperature at the times of Cantera's
reference, the ignition front included. What takes longer than --limit seconds for one answer, loading
included, is stopped, and the table says so; what takes longer than 20 s is timed once. One JSON line a row,
tables to RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from equal_error import Array, Candidate, compare, timed, write
from reactions_symnum import FILES, GRI, solution

TARGETS = {"egfr": (1e-3, 1e-5), "bcr": (1e-2, 1e-3), "gri": (1e-3, 1e-5)}
TOLERANCES = {
    "egfr": tuple(10.0 ** (-k / 2) for k in range(4, 21)),
    "bcr": tuple(10.0**-k for k in range(3, 9)),
    "gri": tuple(10.0 ** (-k / 2) for k in range(6, 23)),
}
ROUNDS = {"egfr": (5, 5), "bcr": (3, 1), "gri": (5, 5)}  # rounds, repeats
SIZE = {"egfr": 1.0, "bcr": 1.0, "gri": 0.0}
METHODS = {"egfr": (None, "DOP853"), "bcr": (None, "Rodas4P"), "gri": (None, "Rodas4P")}
NETWORKS = (
    "cvode:sparse", "cvode:lapackdense", "numbalsoda:lsoda", "numbalsoda:dop853", "roadrunner", "copasi",
)
PEERS = {"egfr": NETWORKS, "bcr": NETWORKS, "gri": ("cantera:plain", "cantera:preconditioned")}


def reference(problem: str, data: Path) -> Array:
    if problem == "gri":
        table = np.genfromtxt(data / "cantera" / f"{GRI}.csv", delimiter=",", names=True)
        return np.asarray(table["T"][1:])
    path = (data / FILES[problem]).with_name("species.csv")
    return np.genfromtxt(path, delimiter=",", skip_header=1)[:, -1]


SLOW = 20.0  # seconds


class Peer:
    """A process of `reactions_worker.py`, started when it is needed. ``note``: why it gave up, if it did."""

    def __init__(
        self, python: str, program: str, problem: str, data: Path, folder: str, limit: float
    ) -> None:
        self.command = [python, str(Path(__file__).with_name("reactions_worker.py")), _named(program, folder),
                        GRI if problem == "gri" else problem, str(data)]  # fmt: skip
        self.limit, self.note = limit, ""
        self.failures = 0
        self.slow: dict[float, float] = {}  # seconds of long solves by tolerance
        self.process: subprocess.Popen[str] | None = None
        self.answers: queue.Queue[str] = queue.Queue()

    def started(self) -> subprocess.Popen[str]:
        if self.process is None:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(
                self.command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
            )
            threading.Thread(target=self.listen, args=(self.process,), daemon=True).start()
        return self.process

    def listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("{"):  # solvers print to standard output too
                self.answers.put(line)
        self.answers.put("")  # the process has ended

    def ask(self, tolerance: float, repeat: int, states: bool) -> dict[str, Any]:
        if self.note:
            return {}
        process = self.started()
        assert process.stdin
        asked = {"tolerance": tolerance, "repeat": repeat, "states": states}
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        try:
            line = self.answers.get(timeout=self.limit)
        except queue.Empty:
            process.kill()
            self.note = f"more than {self.limit:g} s"
            return {}
        if not line:
            self.note = "ended without an answer"
            return {}
        answer = dict(json.loads(line))
        self.failures = self.failures + 1 if "error" in answer else 0
        if self.failures == 2:  # at two tolerances, one after the other
            self.note = answer["error"]
        return answer

    def candidate(self, name: str) -> Candidate:
        def states(tolerance: float) -> Array:
            answer = self.ask(tolerance, 0, True)
            if answer.get("once", 0.0) > SLOW:
                self.slow[tolerance] = answer["once"]
            return np.array(answer.get("final", np.nan))

        def seconds(tolerance: float, repeat: int) -> float:
            if tolerance in self.slow:
                return self.slow[tolerance]
            return float(self.ask(tolerance, repeat, False).get("seconds", np.nan))

        return Candidate(name, seconds, states)


def _named(program: str, folder: str) -> str:
    return f"{program}:{folder}" if program in ("roadrunner", "copasi") else program


def process_seconds(command: list[str], environment: dict[str, str], limit: float | None = None) -> float:
    """CPU seconds of a process, its own and the system's for it; NaN for one stopped at the limit."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    quiet = subprocess.DEVNULL
    try:
        subprocess.run(command, env=environment, check=True, stdout=quiet, stderr=quiet, timeout=limit)
    except subprocess.TimeoutExpired:
        return float("nan")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def from_file(
    problem: str, rows: list[dict[str, Any]], peers: dict[str, Peer], data: Path, rounds: int
) -> list[dict[str, Any]]:
    """The fresh processes, at the tolerances that the solves were compared at."""
    target = TARGETS[problem][0]
    chosen = {row["program"]: row for row in rows if row["error"] == target and "note" not in row}
    environment = dict(os.environ)
    script = str(Path(__file__).with_name("reactions_symnum.py"))
    with tempfile.TemporaryDirectory() as cache:
        fresh = {**environment, "SYMNUM_CACHE": cache}
        process_seconds([sys.executable, "-c", KERNELS], fresh)
        commands: dict[str, tuple[list[str], dict[str, str], dict[str, Any]]] = {}
        taken: dict[str, list[float]] = {}
        for name, row in chosen.items():
            tolerance = repr(row["tolerance"])
            if name in peers:
                commands[name] = [*peers[name].command, tolerance], environment, row
                continue
            method = name.removeprefix("symnum ") if name != "symnum" else "None"
            command = [sys.executable, script, problem, str(data), method, tolerance]
            if name == "symnum":
                taken[f"{name}, empty cache"] = [process_seconds(command, fresh)]
            process_seconds(command, fresh)
            commands[f"{name}, warm cache"] = command, fresh, row
        for _ in range(rounds):  # in turns
            for name, (command, where, _row) in commands.items():
                limit = 2 * peers[name].limit if name in peers else None
                taken.setdefault(name, []).append(process_seconds(command, where, limit))
    first = min(float(np.median(taken[name])) for name in commands if name in peers)
    found = []
    for name, times in taken.items():
        row = chosen[name.partition(", ")[0]]
        seconds = float(np.median(times))
        found.append(
            {
                "problem": f"{problem}, from the file", "error": target, "program": name,
                "tolerance": row["tolerance"], "achieved": row["achieved"], "milliseconds": 1e3 * seconds,
                "times faster": first / seconds,
            }
        )  # fmt: skip
    found += [
        {"problem": f"{problem}, from the file", "error": target, "program": name, "note": peer.note}
        for name, peer in peers.items()
        if peer.note
    ]
    return found


KERNELS = """
from symnum.solving.kernel.library import UNITS, addresses
for unit in UNITS:
    addresses(unit)
"""


def main() -> None:
    default = os.environ.get("SYMNUM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", required=True, help="a Python that has the peers")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--only", default="egfr,bcr,gri")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one answer of a peer")
    arguments = parser.parse_args()
    for problem in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            measure(problem, arguments.peers, arguments.data, folder, arguments.limit)


def measure(problem: str, python: str, data: Path, folder: str, limit: float) -> None:
    peers = {name: Peer(python, name, problem, data, folder, limit) for name in PEERS[problem]}
    candidates = [peer.candidate(name) for name, peer in peers.items()]
    for method in METHODS[problem]:
        run = solution(problem, data, method)
        name = "symnum" if method is None else f"symnum {method}"
        candidates.append(Candidate(name, lambda t, n, run=run: timed(lambda: run(t), n), run))
    rounds, repeat = ROUNDS[problem]
    rows = compare(
        problem, candidates, reference(problem, data), SIZE[problem], TARGETS[problem], repeat, rounds,
        tolerances=TOLERANCES[problem],
    )  # fmt: skip
    rows = against_best(rows, peers)
    files = from_file(problem, rows, peers, data, rounds=1 if problem == "bcr" else 5)
    for row in files:
        print(json.dumps(row), flush=True)
    write(
        f"reactions {problem}", f"Reactions, {TITLES[problem]} (`reactions.py`)",
        "CPU time of one solve, alternately, and of a fresh process from the file to the result; "
        "error: the largest relative one. The last column compares with the fastest peer of a block. "
        f"Load average {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.",
        [*rows, *files],
    )  # fmt: skip
    for peer in peers.values():
        if peer.process is not None:
            peer.process.terminate()


TITLES = {
    "egfr": "egfr_net, 356 species and 3,749 reactions, t = 10",
    "bcr": "BCR, 1,122 species and 24,388 reactions, t = 10,000",
    "gri": "ignition of methane in air with GRI-Mech 3.0, 1400 K, 1 atm, constant volume",
}


def against_best(rows: list[dict[str, Any]], peers: dict[str, Peer]) -> list[dict[str, Any]]:
    """The last column against the fastest peer at that error; a row for every peer that has none."""
    result = []
    for target in dict.fromkeys(row["error"] for row in rows):
        block = [row for row in rows if row["error"] == target]
        best = min((row["milliseconds"] for row in block if row["program"] in peers), default=np.nan)
        problem = block[0]["problem"]
        there = {row["program"] for row in block}
        result += [{**row, "times faster": best / row["milliseconds"]} for row in block]
        result += [
            {"problem": problem, "error": target, "program": name, "note": peer.note or "no such error"}
            for name, peer in peers.items()
            if name not in there
        ]
    return result


if __name__ == "__main__":
    main()
