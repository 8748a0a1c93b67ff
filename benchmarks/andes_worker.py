"""Runs ANDES time-domain simulations on request; ``kundur.py`` starts it with the Python that has ANDES.

Reads one scenario name a line from standard input. For each it loads the bundled case anew, solves the power
flow, initializes, runs the time-domain simulation with ANDES' defaults, and answers with one JSON line: CPU
seconds of the time-domain run alone, steps, and the rotor angles at every stored time.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import andes

TRIPS = {"tie": "Line_4", "line": "Line_8"}


def run(scenario: str) -> dict[str, Any]:
    case = andes.get_case("kundur/kundur_full.xlsx")
    system = andes.load(case, setup=False, no_output=True, default_config=True)
    for i in range(system.Toggle.n):
        system.Toggle.u.v[i] = 0  # the event that the case brings along
    if scenario == "fault":
        system.add("Fault", {"bus": 8, "tf": 1.0, "tc": 1.1, "xf": 1e-4, "rf": 0.0})
    else:
        system.add("Toggle", {"model": "Line", "dev": TRIPS[scenario], "t": 2.0})
    system.setup()
    system.PFlow.run()
    system.TDS.config.tf = 20.0
    system.TDS.config.no_tqdm = 1
    system.TDS.init()
    begin = time.process_time()
    finished = system.TDS.run()
    seconds = time.process_time() - begin
    times = system.dae.ts.t
    angles = system.dae.ts.x[:, system.GENROU.delta.a]
    return {
        "finished": bool(finished),
        "cpu_seconds": seconds,
        "steps": len(times) - 1,
        "version": andes.__version__,
        "t": times.tolist(),
        "delta": angles.T.tolist(),
    }


if __name__ == "__main__":
    andes.config_logger(40)
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever ANDES prints is no answer
    for line in sys.stdin:
        print(json.dumps(run(line.strip())), file=answers, flush=True)
