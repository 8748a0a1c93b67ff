"""The Kundur two-area power system after a line trip or a fault.

``python examples/kundur_two_area.py --event fault --out results`` prints the power flow, the
electromechanical modes and what the solver did, and writes ``kundur.csv`` and ``kundur.png``.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np

import symnum as sn
from symnum.models.power import kundur

START = time.perf_counter()
MACHINES = ("g1", "g2", "g3", "g4")
EVENTS = {
    "line": "line 8-9 b trips at 2.0 s",
    "tie": "tie line 7-8 a trips at 2.0 s",
    "fault": "three-phase fault at bus 8, 1.0 s to 1.1 s",
}


def main() -> None:
    arguments = parsed()
    fault = arguments.event == "fault"
    grid = kundur.two_area(pss=arguments.pss, fault_bus=8 if fault else None)
    events, marks = disturbance(grid, arguments.event)
    variant = ", with stabilizers" if arguments.pss else ""
    print(f"Kundur two-area system{variant}: {EVENTS[arguments.event]}\n")
    print_power_flow()

    problem = sn.Problem(grid, span=(0, 20), events=events)
    print_modes(sn.linearize(problem, at=0.0))

    begin = time.perf_counter()
    solution = sn.solve(
        problem, arguments.method, rtol=arguments.rtol, atol=arguments.rtol, saveat=np.arange(2001) / 100
    )
    elapsed = time.perf_counter() - begin
    print_run(solution, elapsed)

    arguments.out.mkdir(parents=True, exist_ok=True)
    write_table(solution, grid, arguments.out / "kundur.csv")
    title = f"{EVENTS[arguments.event][0].upper()}{EVENTS[arguments.event][1:]}"
    draw(solution, grid, marks, title, arguments.out / "kundur.png")
    print(f"\nwrote {arguments.out / 'kundur.csv'} and {arguments.out / 'kundur.png'}")
    print(f"{time.perf_counter() - START:.2f} s in all")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--event", choices=EVENTS, default="fault", help="what happens (default: fault)")
    parser.add_argument("--pss", action="store_true", help="with a power system stabilizer on each machine")
    parser.add_argument("--method", default="Rodas5P", help="solver (default: Rodas5P)")
    parser.add_argument("--rtol", type=float, default=1e-6, help="tolerance, relative and absolute")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: out)")
    return parser.parse_args()


def disturbance(grid: sn.System, event: str) -> tuple[list[sn.Event], tuple[float, float]]:
    """The events of the problem, and begin and end of the disturbance in s."""
    if event == "fault":
        on, off = sn.Event(at=1.0, then={grid.fault.active: 1}), sn.Event(at=1.1, then={grid.fault.active: 0})
        return [on, off], (1.0, 1.1)
    line = grid.line_7_8a if event == "tie" else grid.line_8_9b
    return [sn.Event(at=2.0, then={line.closed: 0})], (2.0, 2.0)


def print_power_flow() -> None:
    network, flow = kundur.network(), kundur.solved_flow()
    steps = len(flow.mismatches) - 1
    print(f"power flow: {steps} Newton steps to a mismatch of {flow.mismatches[-1]:.0e} pu")
    print(f"{'bus':>5} {'V / pu':>9} {'angle / deg':>12} {'generation / MVA':>20} {'load / MVA':>20}")
    base = kundur.data()["system"]["base"]
    generation = {g.bus: base * flow.generation[g.name] for g in network.generators}
    load = {d.bus: base * flow.load[d.name] for d in network.loads}
    for bus in network.buses:
        v = flow.voltage[bus.name]
        powers = " ".join(f"{power(of.get(bus.name)):>20}" for of in (generation, load))
        print(f"{bus.name:>5} {abs(v):9.5f} {np.angle(v, deg=True):12.4f} {powers}")
    losses = base * flow.losses
    print(f"losses {losses.real:.2f} MW\n")


def power(value: complex | None) -> str:
    return "" if value is None else f"{value.real:8.2f} {value.imag:+8.2f}j"


def print_modes(modes: Any) -> None:
    """The oscillations in which the rotors take part, slowest first."""
    row = {state: i for i, state in enumerate(modes.states)}
    rotors = {name: [row[f"{name}.delta"], row[f"{name}.slip"]] for name in MACHINES}
    print("electromechanical modes")
    print(f"{'frequency / Hz':>15} {'damping / %':>12}   eigenvalue               machines that take part")
    for k in np.argsort(modes.frequencies):
        value = modes.eigenvalues[k]
        if value.imag <= 0:
            continue
        share = {name: abs(modes.participation[rows, k]).sum() for name, rows in rotors.items()}
        if sum(share.values()) < 0.5:  # a mode of the controls
            continue
        order = sorted(share, key=share.__getitem__, reverse=True)
        whole = sum(share.values())
        taking = ", ".join(f"{name} {share[name] / whole:.0%}" for name in order if share[name] > 0.1 * whole)
        print(
            f"{modes.frequencies[k]:15.4f} {100 * modes.damping[k]:12.2f}   "
            f"{value.real:+.4f} {value.imag:+.4f}j".ljust(56) + taking
        )


def print_run(solution: sn.Solution, elapsed: float) -> None:
    stats = solution.stats
    print(f"\n20 s of simulation with {solution.method}: {1e3 * elapsed:.1f} ms")
    counts = {
        "steps": stats.steps,
        "rejected steps": stats.rejected,
        "right-hand sides": stats.rhs_evaluations,
        "Jacobians": stats.jacobians,
        "factorizations": stats.factorizations,
        "linear solves": stats.solves,
        "limits hit or left": stats.limit_switches,
    }
    for what, count in counts.items():
        print(f"{what:>22} {count:>7}")
    print(f"{'in the compiled loop':>22} {stats.solve_milliseconds:>7.1f} ms")
    for happened in solution.events:
        (target, value), *_ = happened.event.then.items()
        print(f"{'event':>22} {happened.t:>7.1f} s   {target} = {value}")


def write_table(solution: sn.Solution, grid: sn.System, path: Path) -> None:
    columns = kundur.columns(grid)
    values = np.column_stack([solution.t, *(solution[expr] for expr in columns.values())])
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["t", *columns])
        writer.writerows([f"{value:.11g}" for value in row] for row in values)


def draw(solution: sn.Solution, grid: sn.System, marks: tuple[float, float], title: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    # blue for area 1 and orange for area 2, dark enough on white and apart for the colour-blind
    colors = {"g1": "#0072B2", "g2": "#56B4E9", "g3": "#E69F00", "g4": "#D55E00"}
    buses = {5: "#0B3C6F", 6: "#0072B2", 7: "#56B4E9", 8: "#8C2D04", 9: "#D55E00", 10: "#E69F00"}
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, (angles, speeds, voltages) = plt.subplots(3, 1, figsize=(9, 9), sharex=True, layout="constrained")
    t = solution.t
    for name, color in colors.items():
        machine = grid[name]
        label = f"{name} (area {1 if name in ('g1', 'g2') else 2})"
        angles.plot(t, np.rad2deg(solution[machine.delta]), color=color, lw=1.4, label=label)
        speeds.plot(t, 60 * solution[machine.omega], color=color, lw=1.4)
    speeds.plot(t, 60 * solution[grid.coi.omega], color="0.35", lw=1.2, ls="--", label="centre of inertia")
    panels = [voltages]
    if marks[1] > marks[0]:  # the fault is a spike at this scale: look closer where there is room
        panels.append(voltages.inset_axes((0.3, 0.13, 0.66, 0.58)))
        panels[1].set_xlim(marks[0] - 0.1, marks[1] + 0.6)
        panels[1].axvspan(*marks, color="0.85", lw=0, zorder=0)
    for number, color in buses.items():
        for panel in panels:
            panel.plot(t, solution[grid[f"bus_{number}"].v], color=color, lw=1.2, label=f"bus {number}")

    angles.set_ylabel("rotor angle relative to\nthe centre of inertia / °")
    speeds.set_ylabel("frequency / Hz")
    voltages.set_ylabel("voltage / pu")
    voltages.set_xlabel("time / s")
    voltages.set_xlim(t[0], t[-1])
    for axes in (angles, speeds, voltages):
        axes.grid(color="0.92", lw=0.8)
        axes.set_axisbelow(True)
        axes.ticklabel_format(useOffset=False)
        axes.axvline(marks[0], color="0.4", lw=0.9, ls=":")
        if marks[1] > marks[0]:
            axes.axvspan(*marks, color="0.85", lw=0, zorder=0)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0.0)
    word = "fault" if marks[1] > marks[0] else "trip"
    where = (sum(marks) / 2, 1.0)
    angles.annotate(word, where, xycoords=("data", "axes fraction"), ha="center", va="bottom", color="0.35")
    voltages.set_xticks(range(0, 21, 2))
    angles.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=18)
    figure.align_ylabels()
    figure.savefig(path, dpi=160)
    plt.close(figure)


if __name__ == "__main__":
    main()
