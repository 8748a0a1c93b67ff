"""How the passes of lowering grow with the size of a model, beside other programs.

    python benchmarks/structure.py [--rounds 3] [--peers /path/to/python]

Three models: an RC ladder of 5 to 20,000 sections built of components, a chain of up to 800 masses on
springs, and a planar pendulum of up to 100 rods in Cartesian coordinates (index 3, states selected in the
run). CPU seconds of each pass, medians over rounds in one process after a first one; then the pendulum is
simulated. ``--peers`` names an interpreter that has casadi and jaxonomy: CasADi reduces the same pendulum
(`dae_reduce_index`) and builds the ladder's function and Jacobian, jaxonomy compiles the ladder of its own
acausal components. Prints one JSON line per row and writes its section of RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from results import machine, replace_section

import symnum as sn
from symnum.lowering.functions import functions_of
from symnum.lowering.lower import lower
from symnum.models.electrical.pins import Pin

D = sn.D
TITLE = "## Structure: passes of lowering against size"
SIZES = {"ladder": (5, 100, 1000, 5000, 20_000), "masses": (50, 200, 800), "rods": (5, 50, 100)}
PASSES = ("flattened", "aliases joined", "matched", "index reduced", "solved where explicit", "loops")


# ---- models -------------------------------------------------------------------------------------------
class Section(sn.Component):
    """A series resistor, then a capacitor to ground."""

    a, b = Pin(), Pin()
    R, C = sn.parameter(1.0, unit="ohm"), sn.parameter(1.0, unit="F")
    v = sn.variable(unit="V", start=0.0)

    def equations(self) -> Sequence[Any]:
        return [
            self.a.v - self.b.v == self.R * self.a.i,
            self.C * D(self.v) == self.a.i + self.b.i,
            self.v == self.b.v,
        ]


class Source(sn.Component):
    p = Pin()

    def equations(self) -> Sequence[Any]:
        return [self.p.v == 1]


class End(sn.Component):
    p = Pin()

    def equations(self) -> Sequence[Any]:
        return [self.p.i == 0]


def ladder(count: int) -> sn.System:
    sections = [Section(f"s{k}", R=1.0 + 0.001 * (k % 7)) for k in range(count)]
    joints = [sn.connect(one.b, two.a) for one, two in pairwise(sections)]
    ends = [sn.connect(Source("source").p, sections[0].a), sn.connect(sections[-1].b, End("end").p)]
    return sn.System("ladder", [*joints, *ends])


def masses(count: int) -> sn.System:
    x, v = ([sn.variable(f"{name}{k}") for k in range(count)] for name in "xv")
    f = [sn.variable(f"f{k}") for k in range(count + 1)]
    ends = [0, *x, 0]
    return sn.System(
        "masses",
        [
            *(D(a) == b for a, b in zip(x, v, strict=True)),
            *(D(b) == right - left for b, (left, right) in zip(v, pairwise(f), strict=True)),
            *(force == 30 * (b - a) + (b - a) ** 3 for force, (a, b) in zip(f, pairwise(ends), strict=True)),
        ],
    )


def rods(count: int) -> sn.System:
    x, y, u, v, f = ([sn.variable(f"{name}{k}") for k in range(count)] for name in "xyuvf")
    equations: list[Any] = []
    for k in range(count):
        before = (x[k - 1], y[k - 1]) if k else (0, 0)
        pull = [-2 * f[k] * (q - q0) for q, q0 in zip((x[k], y[k]), before, strict=True)]
        if k + 1 < count:
            pull = [p + 2 * f[k + 1] * (q[k + 1] - q[k]) for p, q in zip(pull, (x, y), strict=True)]
        equations += [D(x[k]) == u[k], D(y[k]) == v[k], D(u[k]) == pull[0], D(v[k]) == pull[1] - 9.81]
        equations.append((x[k] - before[0]) ** 2 + (y[k] - before[1]) ** 2 == 1)
    return sn.System("rods", equations)


MODELS = {"ladder": ladder, "masses": masses, "rods": rods}


# ---- symnum -------------------------------------------------------------------------------------------
class Clock:
    """CPU seconds since the last call, by name."""

    def __init__(self) -> None:
        self.last = time.process_time()
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, made: Any = None) -> None:
        now = time.process_time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.last
        self.last = now


def passes(case: str, size: int, rounds: int) -> dict[str, Any]:
    found: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        clock = Clock()
        system = MODELS[case](size)
        clock("described")
        flat = lower(system, watch=clock)
        clock("solved where explicit")
        functions_of(flat)
        clock("loops")
        for name, value in clock.seconds.items():
            found.setdefault(name, []).append(value)
    middle = {name: round(median(values[1:]), 5) for name, values in found.items()}
    families = len(flat.structure.definitions) + len(flat.structure.residuals)
    return {
        "case": case, "size": size, "unknowns": len(flat.unknowns), "states": int(flat.mass.sum()),
        "families": families, "seconds": middle,
        "total": round(sum(v for k, v in middle.items() if k != "described"), 4),
    }  # fmt: skip


def simulated(count: int) -> dict[str, Any]:
    """The rods fall from the horizontal for a second."""
    start = {f"x{k}": k + 1.0 for k in range(count)} | {f"{n}{k}": 0.0 for k in range(count) for n in "yuv"}
    began = time.process_time()
    problem = sn.Problem(rods(count), start, (0, 1.0))
    compiled = time.process_time()
    solution = sn.solve(problem, rtol=1e-6, atol=1e-8)
    seconds = time.process_time() - compiled
    energy = sum(
        (solution[f"u{k}"] ** 2 + solution[f"v{k}"] ** 2) / 2 + 9.81 * solution[f"y{k}"] for k in range(count)
    )
    drift = max(abs(solution["x0"] ** 2 + solution["y0"] ** 2 - 1))
    return {
        "case": "rods simulated", "size": count, "compile_seconds": round(compiled - began, 3),
        "solve_seconds": round(seconds, 4), "steps": solution.stats.steps,
        "selections": solution.stats.state_selections, "energy_error": float(abs(energy - energy[0]).max()),
        "drift": float(drift),
    }  # fmt: skip


# ---- peers --------------------------------------------------------------------------------------------
CASADI_RODS = """
import casadi as ca, json, sys, time
n = int(sys.argv[1])
began = time.process_time()
x, y, u, v, f = (ca.SX.sym(name, n) for name in "xyuvf")
ode, alg = [], []
for k in range(n):
    x0, y0 = (x[k-1], y[k-1]) if k else (0, 0)
    ax, ay = -2*f[k]*(x[k]-x0), -2*f[k]*(y[k]-y0) - 9.81
    if k + 1 < n:
        ax, ay = ax + 2*f[k+1]*(x[k+1]-x[k]), ay + 2*f[k+1]*(y[k+1]-y[k])
    ode.append((u[k], v[k], ax, ay))
    alg.append((x[k]-x0)**2 + (y[k]-y0)**2 - 1)
dae = {"x_impl": ca.vertcat(x, y, u, v), "z": f}
dx = ca.SX.sym("dx", 4*n)
rhs = ca.vertcat(*[o[0] for o in ode], *[o[1] for o in ode], *[o[2] for o in ode], *[o[3] for o in ode])
dae["dx_impl"] = dx
dae["alg"] = ca.vertcat(dx - rhs, *alg)
reduced, stats = ca.dae_reduce_index(dae)
print(json.dumps({"seconds": time.process_time() - began, "index": int(stats["index"])}))
"""
CASADI_LADDER = """
import casadi as ca, json, sys, time
n = int(sys.argv[1])
began = time.process_time()
v = ca.SX.sym("v", n)
out = []
for k in range(n):
    left = v[k-1] if k else 1
    i = (left - v[k]) / (1.0 + 0.001*(k % 7))
    right = (v[k] - v[k+1]) / (1.0 + 0.001*((k+1) % 7)) if k + 1 < n else 0
    out.append(i - right)
rhs = ca.vertcat(*out)
f = ca.Function("f", [v], [rhs, ca.jacobian(rhs, v)])
print(json.dumps({"seconds": time.process_time() - began}))
"""
JAXONOMY_LADDER = """
import json, sys, time
import jaxonomy
from jaxonomy.acausal import AcausalCompiler, AcausalDiagram, EqnEnv, electrical as el
n = int(sys.argv[1])
began = time.process_time()
ev, ad = EqnEnv(), AcausalDiagram()
src = el.VoltageSource(ev, name="src", v=1.0)
ground = el.Ground(ev, name="ground")
last = (src, "p")
for k in range(n):
    r = el.Resistor(ev, name=f"r{k}", R=1.0 + 0.001*(k % 7))
    c = el.Capacitor(ev, name=f"c{k}", C=1.0, initial_voltage=0.0, initial_voltage_fixed=True)
    ad.connect(last[0], last[1], r, "p")
    ad.connect(r, "n", c, "p")
    ad.connect(c, "n", ground, "p")
    last = (r, "n")
ad.connect(src, "n", ground, "p")
system = AcausalCompiler(ev, ad)()
print(json.dumps({"seconds": time.process_time() - began}))
"""
PEERS = {
    "CasADi rods": (CASADI_RODS, (5, 50, 100)),
    "CasADi ladder, equations by hand": (CASADI_LADDER, (5, 100, 1000, 5000, 20_000)),
    "jaxonomy ladder": (JAXONOMY_LADDER, (5, 20, 40)),
}
PATIENCE = 240  # seconds for one peer and size


def peer(python: str, title: str, size: int) -> dict[str, Any]:
    row: dict[str, Any] = {"case": title, "size": size}
    try:
        done = subprocess.run(
            [python, "-c", PEERS[title][0], str(size)], capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return row | {"failed": f"more than {PATIENCE} s"}
    if done.returncode:
        return row | {"failed": done.stderr.strip().splitlines()[-1][:200]}
    return row | json.loads(done.stdout.strip().splitlines()[-1])


# ---- results ------------------------------------------------------------------------------------------
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="an interpreter with casadi and jaxonomy")
    chosen = parser.parse_args()
    rows = []

    def add(row: dict[str, Any]) -> None:
        rows.append(row)
        print(json.dumps(row), flush=True)

    for case, sizes in SIZES.items():
        for size in sizes:
            add(passes(case, size, 1 if size >= 5000 else chosen.rounds))
    simulated(2)  # loads the kernels
    for count in (10, 50):
        add(simulated(count))
    if chosen.peers:
        for title, (_, sizes) in PEERS.items():
            for size in sizes:
                add(peer(chosen.peers, title, size))
    write_results(rows, chosen.rounds)


def write_results(rows: list[dict[str, Any]], rounds: int) -> None:
    """Replace this benchmark's part of RESULTS.md."""
    lines = [
        TITLE, "",
        f"Made by `benchmarks/structure.py`, {rounds} rounds (one from 5000 sections on); CPU milliseconds",
        "of each pass, medians. Families: templates that code is made from. Aliases: equal and opposite "
        "unknowns joined.",
        f"symnum {sn.__version__}. {machine()}", "",
        "| model | size | unknowns | states | families | flatten | aliases | match | index | explicit "
        "| loops | all |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        if row["case"] in SIZES:
            times = " | ".join(f"{1e3 * row['seconds'].get(name, 0.0):.1f}" for name in PASSES)
            lines.append(
                f"| {row['case']} | {row['size']} | {row['unknowns']} | {row['states']} | {row['families']} "
                f"| {times} | {1e3 * row['total']:.0f} |"
            )
    lines += [
        "", "Pendulum of rods, simulated for a second from the horizontal, rtol 1e-6:", "",
        "| rods | to the compiled problem / s | solve / s | steps | selections | energy error | drift |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {row['size']} | {row['compile_seconds']:.2f} | {row['solve_seconds']:.3f} | {row['steps']} "
        f"| {row['selections']} | {row['energy_error']:.1e} | {row['drift']:.1e} |"
        for row in rows if row["case"] == "rods simulated"
    ]  # fmt: skip
    others = [row for row in rows if row["case"] in PEERS]
    if others:
        lines += [
            "", "Other programs, CPU seconds from the description on: CasADi `dae_reduce_index` of the same",
            "rods; CasADi function and Jacobian of ladder equations that were eliminated by hand; jaxonomy's",
            "acausal compiler. Published for a ladder of 640 sections, on other machines: ModelingToolkit",
            "20.9 s, OpenModelica 42.4 s in all (SciMLBenchmarksOutput, ModelingToolkit/RCCircuit.md).", "",
            "| program and model | size | CPU / s |", "|---|---|---|",
        ]  # fmt: skip
        lines += [
            f"| {row['case']} | {row['size']} | "
            f"{row['failed'] if 'failed' in row else format(row['seconds'], '.3f')} |"
            for row in others
        ]
    replace_section("structure", lines)


if __name__ == "__main__":
    main()
