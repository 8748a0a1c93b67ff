"""Field equations: traced NumPy code, right-hand sides, whole solves, and what a grid costs to compile.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS=1 taskset -c 0 \
        python benchmarks/pde.py [PYTHON]

Needs scikit-sundae (extra ``sundials``) for the rows of CVODE. PYTHON: an interpreter with casadi, jax and
py-pde, see `pde_worker.py`; without it their rows are left out. CPU seconds without compiling, the less of
two runs. Errors are relative to the largest value, against an explicit run of symnum at 1e-10; each program
has the loosest tolerance, by half decades, that reaches the goal (on finer grids beginning with the one
that did before). One JSON line a row, tables to RESULTS.md.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from equal_error import Worker
from numba import njit
from numpy.typing import NDArray
from pde_by_hand import BY_HAND, repeat, solve_by_hand
from pde_cases import (
    SIDE,
    Case,
    brusselator,
    burgers,
    gray_scott,
    gray_scott_rates,
    shallow_water_rates,
    three_species,
)
from results import machine, replace_section
from scipy.integrate import solve_ivp
from scipy.sparse import csc_array

import symnum as sn

Array = NDArray[np.float64]
rows: list[dict[str, Any]] = []


def note(**row: Any) -> None:
    rows.append(row)
    print(json.dumps(row), flush=True)


def fastest(call: Callable[[], Any], repeat: int = 5) -> float:
    """CPU seconds of one call, the least of several."""
    best = np.inf
    for _ in range(repeat):
        count = 0
        began = time.process_time()
        while count < 1 or time.process_time() - began < 0.05:
            call()
            count += 1
        best = min(best, (time.process_time() - began) / count)
    return best


def once(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def traced() -> None:
    right = three_species()
    shape = (SIDE, SIDE, 3)
    seconds, problem = once(
        lambda: sn.Problem(sn.trace(right, shape), {"u": np.zeros(shape)}, span=(0.0, 10.0))
    )
    note(case="three species", what="trace and compile", program="symnum", seconds=round(seconds, 3))
    values = np.random.default_rng(0).random(shape)
    flat, none = values.ravel(), np.zeros(0)
    compiled = fastest(lambda: problem.compiled.rhs(0.0, flat, none))
    plain = fastest(lambda: right(values))
    for program, spent in (("NumPy", plain), ("symnum, called from Python", compiled)):
        note(
            case="three species", what="right-hand side", program=program, microseconds=round(1e6 * spent, 1),
            times_faster=round(plain / spent, 1),
        )  # fmt: skip
    exact = sn.solve(problem, rtol=1e-9, atol=1e-11, saveat=[0.0, 10.0])["u"][-1]

    def error(end: Any) -> float:
        return float(abs(end - exact).max() / abs(exact).max())

    spent, run = once(
        lambda: solve_ivp(lambda _, y: right(y.reshape(shape)).ravel(), (0, 10), np.zeros(flat.size), "BDF")
    )
    goal = error(run.y[:, -1].reshape(shape))
    note(
        case="three species", what="solve", program="SciPy BDF, numerical Jacobian", rtol=1e-3, error=goal,
        seconds=round(spent, 3), times_faster=1.0,
    )  # fmt: skip
    rtol, found = equally_good(
        lambda r: sn.solve(problem, rtol=r, atol=r, saveat=[0.0, 10.0])["u"][-1], error, goal
    )
    mine = fastest(lambda: sn.solve(problem, rtol=rtol, atol=rtol, saveat=[0.0, 10.0]))
    note(
        case="three species", what="solve", program="symnum", rtol=rtol, error=found, seconds=round(mine, 5),
        times_faster=round(spent / mine, 1),
    )  # fmt: skip


def equally_good(
    run: Callable[[float], Any], error: Callable[[Any], float], goal: float, first: float = 1e-2
) -> tuple[float, float]:
    """The loosest tolerance by half decades from ``first`` whose error is no larger, and that error."""
    for k in range(16):
        rtol = float(first * 10 ** (-k / 2))
        found = error(run(rtol))
        if found <= goal:
            return rtol, found
    raise RuntimeError("no tolerance reaches the goal")


def traced_stencils() -> None:
    """NumPy code with shifts and slices: Gray-Scott, and a step of the shallow-water equations."""
    for n in (64, 256):
        traced_rates(f"Gray-Scott {n} x {n}, traced", gray_scott_rates, (2, n, n))
        traced_rates(f"shallow water {n} x {n}, traced", shallow_water_rates, (3, n, n))


def traced_rates(case: str, function: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    state = 1.0 + np.random.default_rng(2).random(shape)
    spent, compiled = once(lambda: sn.compile(sn.trace(function, shape)))
    note(case=case, what="trace and compile", program="symnum", seconds=round(spent, 3))
    expected, none = function(state), np.zeros(0)
    difference = abs(compiled.rhs(0.0, state.ravel(), none) - expected.ravel()).max()
    rates(case, {
        "NumPy": fastest(lambda: function(state)),
        "symnum, called from Python": fastest(lambda: compiled.rhs(0.0, state.ravel(), none)),
    }, "NumPy", float(difference / abs(expected).max()))  # fmt: skip


def rates(case: str, times: dict[str, float], base: str, difference: float) -> None:
    """Rows of right-hand sides."""
    for program, spent in times.items():
        note(
            case=case, what="right-hand side", program=program, error=difference,
            microseconds=round(1e6 * spent, 1), times_faster=round(times[base] / spent, 2),
        )  # fmt: skip


class Program(NamedTuple):
    name: str
    run: Callable[[float], Array]
    seconds: Callable[[float], float]


def here(name: str, run: Callable[[float], Array]) -> Program:
    """A program in this process."""

    def seconds(r: float) -> float:
        first = once(lambda: run(r))[0]
        return first if first > 2.0 else min(first, once(lambda: run(r))[0])

    return Program(name, run, seconds)


def elsewhere(python: str | None, case: Case, programs: dict[str, str], folder: str) -> list[Program]:
    """Programs of `pde_worker.py`; the rates of their right-hand sides are noted at once."""
    if python is None:
        return []
    path = Path(folder) / f"{case.title}.npz"
    np.savez(path, problem=case.name, start=case.start, end=case.end, **case.constants)
    found = []
    for program, name in programs.items():
        worker = Worker(python, str(path), program, Path(__file__).with_name("pde_worker.py"))
        assert worker.process.stdout
        first = json.loads(worker.process.stdout.readline())
        if first["rhs"]:
            note(
                case=case.title, what="right-hand side", program=name,
                microseconds=round(1e6 * first["rhs"], 1),
            )  # fmt: skip

        found.append(Program(name, *_calls(worker, case.title, name)))
    return found


def _calls(
    worker: Worker, title: str, name: str
) -> tuple[Callable[[float], Array], Callable[[float], float]]:
    """The end state for a tolerance, and the seconds; the first answer tells how long it took to begin."""
    begun = False

    def run(r: float) -> Array:
        nonlocal begun
        answer = worker.ask(r, 0, True)
        if not begun:
            note(case=title, what="equations to first end", program=name, seconds=round(answer["build"], 3))
        begun = True
        return np.array(answer["final"])

    return run, lambda r: float(worker.ask(r, 2, False)["seconds"])


def right_hand_side(case: Case) -> None:
    """symnum's by its address, as solvers call it, and the hand-written one, each in a compiled loop."""
    functions, p = case.problem.compiled.model.functions, case.problem.p
    u, out = case.start.copy(), np.empty_like(case.start)
    values, work = np.zeros(len(functions.indices)), np.zeros(functions.n_work + 1)
    constants = np.array([*case.constants.values()])
    by_hand = BY_HAND[case.name]
    signature = ctypes.CFUNCTYPE(None, ctypes.c_double, *(ctypes.c_void_p,) * 4)
    setup, right = signature(functions.setup), signature(functions.rhs)
    places = [a.ctypes.data for a in (u, p, work)]
    setup(0.0, values.ctypes.data, *places)

    @njit
    def repeated(times: int, out: int, u: int, p: int, work: int) -> None:
        for _ in range(times):
            right(0.0, out, u, p, work)

    by_hand(u, out, constants)
    expected = out.copy()
    count = max(1, 200_000 // u.size)
    repeated(1, out.ctypes.data, *places)
    difference = float(abs(out - expected).max() / abs(expected).max())
    rates(case.title, {
        "numba, by hand": fastest(lambda: repeat(by_hand, u, out, constants, count)) / count,
        "symnum": fastest(lambda: repeated(count, out.ctypes.data, *places)) / count,
    }, "numba, by hand", difference)  # fmt: skip


def solves(case: Case, goal: float, programs: list[Program], before: dict[str, float]) -> None:
    """before: the tolerances that were good enough on the grid before, to begin with."""
    exact = sn.solve(case.problem, "DOP853", rtol=1e-10, atol=1e-10, saveat=[case.end], max_steps=10**7).y[
        :, -1
    ]

    def error(end: Any) -> float:
        return float(abs(end - exact).max() / abs(exact).max())

    spent: dict[str, float] = {}
    for program in programs:
        rtol, found = equally_good(program.run, error, goal, before.get(program.name, 1e-2))
        before[program.name] = rtol
        spent[program.name] = program.seconds(rtol)
        note(
            case=case.title, what="solve", program=program.name, rtol=rtol, error=found,
            seconds=round(spent[program.name], 4),
            times_symnum=round(spent[program.name] / spent["symnum"], 2),
        )  # fmt: skip


def symnum(case: Case, name: str, method: str | None = None, **options: Any) -> Program:
    return here(name, lambda r: sn.solve(
        case.problem, method, rtol=r, atol=r, saveat=[case.end], **options
    ).y[:, -1])  # fmt: skip


def stiff(n: int, python: str | None, folder: str, before: dict[str, float]) -> None:
    """The Brusselator, its diffusion ever faster on finer grids."""
    spent, case = once(lambda: brusselator(n))
    more, _ = once(lambda: case.problem.compiled)
    note(case=case.title, what="equations to code", program="symnum", seconds=round(spent + more, 3))
    right_hand_side(case)
    constants, shape = np.array([*case.constants.values()]), case.start.shape
    by_hand, out = BY_HAND["brusselator"], np.empty(shape)

    def right(t: float, y: Array) -> Array:
        by_hand(y.reshape(shape), out, constants)
        return out.ravel().copy()

    pattern = csc_array(case.problem.compiled.sparsity)
    programs = [
        symnum(case, "symnum"), symnum(case, "symnum Rodas4PW, factored", "Rodas4PW"),
        symnum(case, "symnum MSRKTASE3, factored", "MSRKTASE3", linear="factored"),
        symnum(case, "symnum Rodas5P, GMRES", "Rodas5P", linear="krylov"),
    ]  # fmt: skip
    if n < 128:  # minutes there
        programs.append(here("SciPy BDF, f by hand, sparsity given", lambda r: solve_ivp(
            right, (0, 1), case.start.ravel(), "BDF", rtol=r, atol=r, jac_sparsity=pattern
        ).y[:, -1]))  # fmt: skip
    try:
        from sksundae.cvode import CVODE

        def filled(t: float, y: Array, rate: Array) -> None:
            by_hand(y.reshape(shape), rate.reshape(shape), constants)

        def cvode(r: float, **options: Any) -> Array:
            run = CVODE(filled, rtol=r, atol=r, max_num_steps=100_000, **options)
            return np.asarray(run.solve([0.0, 1.0], case.start.ravel()).y[-1])

        programs.append(here("CVODE, GMRES, f by hand", lambda r: cvode(r, linsolver="gmres")))
        if n < 128:  # minutes there
            short = csc_array(
                (pattern.data, pattern.indices.astype(np.int32), pattern.indptr.astype(np.int32))
            )
            options: dict[str, Any] = {"linsolver": "sparse", "sparsity": short}
            programs.append(here("CVODE, sparse, f by hand", lambda r: cvode(r, **options)))
    except ImportError:
        pass
    if n < 128:  # as above
        programs += elsewhere(python, case, {"casadi-gmres": "CasADi, CVODES, GMRES"}, folder)
    solves(case, 1e-4, programs, before)


def smooth(case: Case, python: str | None, folder: str) -> None:
    """Mild problems, by explicit steps."""
    right_hand_side(case)
    constants = np.array([*case.constants.values()])
    programs = [
        symnum(case, "symnum"),
        here("numba, Dormand-Prince by hand", lambda r: solve_by_hand(
            case.name, case.start, constants, case.end, r
        )),
    ]  # fmt: skip
    programs += elsewhere(python, case, {"jax": "jax, odeint", "py-pde": "py-pde, Runge-Kutta"}, folder)
    programs[1].run(1e-2)  # compiles
    # py-pde compiles for half a minute for each tolerance; these two grids need less than this one
    solves(case, 1e-4, programs, {"py-pde, Runge-Kutta": 1e-3})


GROWTH = """
import json, sys, time
import symnum as sn
from symnum.models.spatial import reaction_diffusion
n = int(sys.argv[1])
began = time.process_time()
model = reaction_diffusion.brusselator()
grid = dict.fromkeys(model.coordinates, sn.Central(n))
problem = sn.Problem(sn.discretize(model, grid), span=(0.0, 1.0))
problem.compiled
ready = time.process_time()
found = sn.solve(problem, "Rodas4PW", rtol=1e-4, atol=1e-4, saveat=[1.0])
spent = time.process_time() - ready
error = None
if n <= 128:
    exact = sn.solve(problem, "DOP853", rtol=1e-10, atol=1e-10, saveat=[1.0], max_steps=10**7).y[:, -1]
    error = float(abs(found.y[:, -1] - exact).max() / abs(exact).max())
# not ru_maxrss, which counts what the parent had when it forked
status = open("/proc/self/status").read()
peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps([ready - began, spent, found.stats.steps, error, peak]))
"""


def growth() -> None:
    """To a million unknowns, each grid in a process of its own; the least of two runs."""
    for n in (64, 128, 256, 512, 708):
        runs = [
            json.loads(subprocess.run(
                [sys.executable, "-c", GROWTH, str(n)], capture_output=True, text=True, check=True
            ).stdout)
            for _ in range(2)
        ]  # fmt: skip
        code, spent = (min(run[k] for run in runs) for k in (0, 1))
        title = f"Brusselator {n} x {n}, {2 * n * n:,} unknowns"
        note(case=title, what="equations to code (import included)", program="symnum", seconds=round(code, 3))
        note(
            case=title, what=f"solve to t = 1, {runs[0][2]} steps, peak {runs[0][4]:.0f} MB",
            program="symnum Rodas4PW, factored", rtol=1e-4,
            seconds=round(spent, 3), **({"error": runs[0][3]} if runs[0][3] else {}),
        )  # fmt: skip


def table() -> list[str]:
    columns = (
        "case",
        "what",
        "program",
        "rtol",
        "error",
        "seconds",
        "microseconds",
        "times_faster",
        "times_symnum",
    )
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [
            f"{row[c]:.1e}" if c in ("rtol", "error") and c in row else str(row.get(c, "")) for c in columns
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def write() -> None:
    """The rows so far: a run that is stopped leaves what it had."""
    text = (
        "CPU time on a machine with other load. SciPy BDF, sparse CVODE and CasADi take minutes at 128 x 128 "
        f"and are left out there. {machine()}"
    )
    replace_section("pde", ["## Field equations (`pde.py`)", "", text, "", *table()])


def main() -> None:
    python = sys.argv[1] if len(sys.argv) > 1 else None
    traced()
    traced_stencils()
    growth()
    with tempfile.TemporaryDirectory() as folder:
        before: dict[str, float] = {}
        for n in (32, 64, 128):
            stiff(n, python, folder, before)
            write()
        for case in (burgers(1024), gray_scott(256)):
            smooth(case, python, folder)
            write()


if __name__ == "__main__":
    main()
