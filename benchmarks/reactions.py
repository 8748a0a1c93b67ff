"""Two reaction networks and the ignition of methane: symnum and its peers in turns, at equal achieved error.

    OPENBLAS_NUM_THREADS=1 python benchmarks/reactions.py --peers /path/to/python [--only egfr,bcr,gri]

egfr_net (356 species, t = 10) and BCR (1,122 species, t = 1e4) from their ``.net`` files against CVODE
(scikit-sundae) with SuperLU and with LAPACK, right-hand side and exact Jacobian compiled by numba;
numbalsoda; libRoadRunner and COPASI, for which the networks are written as SBML. GRI-Mech 3.0 against
Cantera's reactors, direct and preconditioned.

Solve: CPU time of one solve with everything loaded and compiled, in turns, medians, each program at the
loosest tolerance from which on it keeps to the error. From the file: a fresh process from its start to the
result at that tolerance, CPU time with all imports; symnum with an empty cache and with a warm one. The error
is the largest relative one: of a species at the end (with one molecule added), of the temperature at the
times of Cantera's reference, the ignition front included. One JSON line a row, tables to RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from equal_error import Array, Candidate, compare, timed, write

import symnum as sn

ENDS = {"egfr": 10.0, "bcr": 1e4}
FILES = {"egfr": "bng_net/egfr_net/egfr_net.net", "bcr": "bng_net/bcr/bcr.net"}
TARGETS = {"egfr": (1e-3, 1e-5), "bcr": (1e-2, 1e-3), "gri": (1e-3, 1e-5)}
TOLERANCES = {
    "egfr": tuple(10.0 ** (-k / 2) for k in range(4, 21)),
    "bcr": tuple(10.0**-k for k in range(3, 9)),
    "gri": tuple(10.0 ** (-k / 2) for k in range(6, 23)),
}
ROUNDS = {"egfr": (5, 5), "bcr": (3, 1), "gri": (5, 5)}  # rounds, repeats
SIZE = {"egfr": 1.0, "bcr": 1.0, "gri": 0.0}
METHODS = {"egfr": (None, "DOP853"), "bcr": (None, "Rodas4P"), "gri": (None, "Rodas4P")}
PEERS = {
    "egfr": (
        "cvode:sparse", "cvode:lapackdense", "numbalsoda:lsoda", "numbalsoda:dop853", "roadrunner", "copasi",
    ),
    "bcr": ("cvode:sparse", "cvode:lapackdense"),
    "gri": ("cantera:plain", "cantera:preconditioned"),
}
GRI = "ch4air_V_1400K_1atm"

CHILD = """
import sys, json
sys.path.insert(0, sys.argv[1])
from reactions import solution
print(json.dumps(solution(sys.argv[2], sys.argv[3], None if sys.argv[4] == "None" else sys.argv[4])(
    float(sys.argv[5])).tolist()))
"""


def solution(problem: str, data: str, method: str | None) -> Any:
    """run(tolerance) -> states, from the file on."""
    folder = Path(data)
    if problem == "gri":
        case = json.loads((folder / "cantera" / "index.json").read_text())[GRI]
        gas: Any = sn.read(folder / "cantera" / case["mechanism"])
        system = gas.reactor("constant volume", T=case["T0"], P=case["P0_Pa"], X=case["mixture_molar"])
        text = (folder / "cantera" / f"{GRI}.csv").read_text().splitlines()[2:]
        times = np.array([float(line.partition(",")[0]) for line in text])
        made = sn.Problem(system, span=(0, float(times[-1])))

        def temperatures(tolerance: float) -> Array:
            sol = sn.solve(made, method, rtol=tolerance, atol=tolerance * 1e-6, saveat=times)
            return np.asarray(sol["T"])

        return temperatures
    network: Any = sn.read(folder / FILES[problem])
    end = ENDS[problem]
    posed = sn.Problem(network.system(), span=(0, end))

    def states(tolerance: float) -> Array:
        sol = sn.solve(posed, method, rtol=tolerance, atol=tolerance, saveat=[end])
        return np.asarray(sol.y[:, -1])

    return states


def reference(problem: str, data: Path) -> Array:
    if problem == "gri":
        table = np.genfromtxt(data / "cantera" / f"{GRI}.csv", delimiter=",", names=True)
        return np.asarray(table["T"][1:])
    path = (data / FILES[problem]).with_name("species.csv")
    return np.genfromtxt(path, delimiter=",", skip_header=1)[:, -1]


class Peer:
    """A process of `reactions_worker.py`."""

    def __init__(self, python: str, program: str, problem: str, data: Path, folder: str) -> None:
        self.command = [python, str(Path(__file__).with_name("reactions_worker.py")), _named(program, folder),
                        GRI if problem == "gri" else problem, str(data)]  # fmt: skip
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, tolerance: float, repeat: int, states: bool) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        asked = {"tolerance": tolerance, "repeat": repeat, "states": states}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def candidate(self, name: str) -> Candidate:
        def states(tolerance: float) -> Array:
            return np.array(self.ask(tolerance, 0, True).get("final", np.nan))

        return Candidate(name, lambda tolerance, n: float(self.ask(tolerance, n, False)["seconds"]), states)


def _named(program: str, folder: str) -> str:
    return f"{program}:{folder}" if program in ("roadrunner", "copasi") else program


def process_seconds(command: list[str], environment: dict[str, str]) -> float:
    """CPU seconds of a process, its own and the system's for it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def from_file(
    problem: str, rows: list[dict[str, Any]], peers: dict[str, Peer], data: Path, rounds: int
) -> list[dict[str, Any]]:
    """The fresh processes, at the tolerances that the solves were compared at."""
    target = TARGETS[problem][0]
    chosen = {row["program"]: row for row in rows if row["error"] == target}
    environment = dict(os.environ)
    found = []
    for name, row in chosen.items():
        tolerance = repr(row["tolerance"])
        if name in peers:
            seconds = [process_seconds([*peers[name].command, tolerance], environment) for _ in range(rounds)]
            found.append((name, row, min(seconds)))
            continue
        method = name.removeprefix("symnum ") if name != "symnum" else "None"
        here = str(Path(__file__).parent)
        command = [sys.executable, "-c", CHILD, here, problem, str(data), method, tolerance]
        with tempfile.TemporaryDirectory() as cache:
            fresh = {**environment, "SYMNUM_CACHE": cache}
            process_seconds(  # the kernels of the solvers are those of an installed wheel: made once
                [sys.executable, "-c", WARM], fresh
            )
            found.append((f"{name}, empty cache", row, process_seconds(command, fresh)))
            seconds = [process_seconds(command, fresh) for _ in range(rounds)]
            found.append((f"{name}, warm cache", row, min(seconds)))
    first = min(seconds for name, _, seconds in found if name in peers)
    return [
        {
            "problem": f"{problem}, from the file", "error": target, "program": name,
            "tolerance": row["tolerance"], "achieved": row["achieved"], "milliseconds": 1e3 * seconds,
            "times faster": first / seconds,
        }
        for name, row, seconds in found
    ]  # fmt: skip


WARM = """
import symnum as sn
x, y = sn.variables("x y")
problem = sn.Problem(sn.System("s", [sn.D(x) == -x * y, sn.D(y) == x - y]), {x: 1, y: 1}, (0, 1))
for method in sn.METHODS:
    sn.solve(problem, method)
sn.solve(problem)
"""


def main() -> None:
    default = os.environ.get("SYMNUM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", required=True, help="a Python that has the peers")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--only", default="egfr,bcr,gri")
    arguments = parser.parse_args()
    for problem in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            peers = {
                name: Peer(arguments.peers, name, problem, arguments.data, folder) for name in PEERS[problem]
            }
            candidates = [peer.candidate(name) for name, peer in peers.items()]
            for method in METHODS[problem]:
                run = solution(problem, str(arguments.data), method)
                name = "symnum" if method is None else f"symnum {method}"
                candidates.append(Candidate(name, lambda t, n, run=run: timed(lambda: run(t), n), run))
            rounds, repeat = ROUNDS[problem]
            exact = reference(problem, arguments.data)
            rows = compare(
                problem, candidates, exact, SIZE[problem], TARGETS[problem], repeat, rounds,
                tolerances=TOLERANCES[problem],
            )  # fmt: skip
            rows = against_best(rows, peers)
            files = from_file(problem, rows, peers, arguments.data, rounds=1 if problem == "bcr" else 2)
            for row in files:
                print(json.dumps(row), flush=True)
            write(
                f"reactions {problem}", f"Reactions, {TITLES[problem]} (`reactions.py`)",
                "CPU time of one solve, alternately, and of a fresh process from the file to the result; "
                "error: the largest relative one. The last column compares with the fastest peer of a block.",
                [*rows, *files],
            )  # fmt: skip
            for peer in peers.values():
                peer.process.terminate()


TITLES = {
    "egfr": "egfr_net, 356 species and 3,749 reactions, t = 10",
    "bcr": "BCR, 1,122 species and 24,388 reactions, t = 10,000",
    "gri": "ignition of methane in air with GRI-Mech 3.0, 1400 K, 1 atm, constant volume",
}


def against_best(rows: list[dict[str, Any]], peers: dict[str, Peer]) -> list[dict[str, Any]]:
    """The last column against the fastest peer at that error."""
    for target in {row["error"] for row in rows}:
        block = [row for row in rows if row["error"] == target]
        best = min((row["milliseconds"] for row in block if row["program"] in peers), default=np.nan)
        for row in block:
            row["times faster"] = best / row["milliseconds"]
    return rows


if __name__ == "__main__":
    main()
