"""The reaction benchmarks as a user of symnum writes them.

    python reactions_symnum.py PROBLEM DATA METHOD TOLERANCE

From the file to the result once; METHOD "None" leaves the choice to symnum. The states at the end, or the
temperatures at the times of the reference, go to standard output. Imports nothing but what this takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import symnum as sn

ENDS = {"egfr": 10.0, "bcr": 1e4}
FILES = {"egfr": "bng_net/egfr_net/egfr_net.net", "bcr": "bng_net/bcr/bcr.net"}
GRI = "ch4air_V_1400K_1atm"


def solution(problem: str, data: Path, method: str | None) -> Callable[[float], np.ndarray[Any, Any]]:
    """run(tolerance) -> states, from the file on."""
    return ignition(data, method) if problem == "gri" else network(problem, data, method)


def ignition(data: Path, method: str | None) -> Callable[[float], np.ndarray[Any, Any]]:
    case = json.loads((data / "cantera" / "index.json").read_text())[GRI]
    gas: Any = sn.read(data / "cantera" / case["mechanism"])
    system = gas.reactor("constant volume", T=case["T0"], P=case["P0_Pa"], X=case["mixture_molar"])
    lines = (data / "cantera" / f"{GRI}.csv").read_text().splitlines()[2:]
    times = np.array([float(line.partition(",")[0]) for line in lines])
    posed = sn.Problem(system, span=(0, float(times[-1])))

    def temperatures(tolerance: float) -> np.ndarray[Any, Any]:
        sol = sn.solve(posed, method, rtol=tolerance, atol=tolerance * 1e-6, saveat=times)
        return np.asarray(sol["T"])

    return temperatures


def network(problem: str, data: Path, method: str | None) -> Callable[[float], np.ndarray[Any, Any]]:
    read: Any = sn.read(data / FILES[problem])
    end = ENDS[problem]
    posed = sn.Problem(read.system(), span=(0, end))

    def states(tolerance: float) -> np.ndarray[Any, Any]:
        sol = sn.solve(posed, method, rtol=tolerance, atol=tolerance, saveat=[end])
        return np.asarray(sol.y[:, -1])

    return states


if __name__ == "__main__":
    name, folder, wanted, rtol = sys.argv[1:]
    run = solution(name, Path(folder), None if wanted == "None" else wanted)
    sys.stdout.write(json.dumps(run(float(rtol)).tolist()) + "\n")
