"""Field equations: traced NumPy code, right-hand sides, whole solves, and what a grid costs to compile.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS=1 taskset -c 0 python benchmarks/pde.py

Needs scikit-sundae (extra ``sundials``) for the rows of CVODE. CPU seconds, fastest of several where it takes
less than a second. Errors are relative to the largest value, against a run of symnum at 1e-9. One JSON line
a row, tables to RESULTS.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from results import replace_section
from scipy.integrate import solve_ivp
from scipy.sparse import csc_array

import symnum as sn
from symnum.models.spatial import reaction_diffusion

Array = NDArray[np.float64]
SIDE = 32
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


def three_species() -> Callable[[Any], Any]:
    """A + B <-> C on a square, A diffuses with closed faces and is fed on one side; Laplacians as matrices.

    The example of the documentation of Symbolics.jl, written afresh from its description.
    """
    inner = np.ones(SIDE - 1)
    along = np.diag(inner, 1) - 2 * np.eye(SIDE) + np.diag(inner, -1)
    along[0, 1] = along[-1, -2] = 2.0
    across = along.T.copy()
    feed = np.where(np.arange(SIDE)[None, :] > 0.6 * SIDE, 1.0, 0.0) * np.ones((SIDE, SIDE))

    def right(u: Any) -> Any:
        a, b, c = u[..., 0], u[..., 1], u[..., 2]
        bound = a * b - c
        change = np.zeros_like(u)
        change[..., 0] = 100.0 * (along @ a + a @ across) + feed - a - bound
        change[..., 1] = 1.0 - b - bound
        change[..., 2] = 1.0 - c + bound
        return change

    return right


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
    run: Callable[[float], Any], error: Callable[[Any], float], goal: float
) -> tuple[float, float]:
    """The loosest tolerance by half decades whose error is no larger than ``goal``, and that error."""
    for k in range(4, 20):
        rtol = float(10 ** (-k / 2))
        found = error(run(rtol))
        if found <= goal:
            return rtol, found
    raise RuntimeError("no tolerance reaches the goal")


@njit(cache=True, fastmath=False)
def by_hand(u: Array, out: Array, n: int, du: float, dv: float, f: float, k: float) -> None:
    """Gray-Scott on a torus, rows with their ends peeled."""
    for i in range(n):
        up, down = (i - 1) % n, (i + 1) % n
        for j in range(n):
            left = j - 1 if j > 0 else n - 1
            right = j + 1 if j < n - 1 else 0
            a, b = u[0, i, j], u[1, i, j]
            lap_a = u[0, up, j] + u[0, down, j] + u[0, i, left] + u[0, i, right] - 4 * a
            lap_b = u[1, up, j] + u[1, down, j] + u[1, i, left] + u[1, i, right] - 4 * b
            r = a * b * b
            out[0, i, j] = du * lap_a - r + f * (1 - a)
            out[1, i, j] = dv * lap_b + r - (f + k) * b


def right_hand_side(n: int) -> None:
    model = reaction_diffusion.gray_scott()
    problem = sn.Problem(sn.discretize(model, dict.fromkeys(model.coordinates, sn.Central(n))), span=(0, 1))
    state = np.random.default_rng(1).random((2, n, n))
    flat, p = state.ravel(), problem.p
    out = np.empty_like(state)
    du, dv = 2e-5 * (n / 2.5) ** 2, 1e-5 * (n / 2.5) ** 2
    by_hand(state, out, n, du, dv, 0.04, 0.06)
    difference = abs(problem.compiled.rhs(0.0, flat, p) - out.ravel()).max() / abs(out).max()

    def numpy() -> Array:
        u, v = state
        laplacians = [
            np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4 * w
            for w in (u, v)
        ]
        r = u * v**2
        return np.stack([du * laplacians[0] - r + 0.04 * (1 - u), dv * laplacians[1] + r - 0.1 * v])

    times = {
        "NumPy, np.roll": fastest(numpy),
        "numba, by hand": fastest(lambda: by_hand(state, out, n, du, dv, 0.04, 0.06)),
        "symnum, called from Python": fastest(lambda: problem.compiled.rhs(0.0, flat, p)),
    }
    for program, spent in times.items():
        note(
            case=f"Gray-Scott {n} x {n}", what="right-hand side", program=program,
            microseconds=round(1e6 * spent, 1), times_faster=round(times["NumPy, np.roll"] / spent, 1),
            difference=float(difference),
        )  # fmt: skip


def brusselator(n: int) -> None:
    model = reaction_diffusion.brusselator()
    schemes = dict.fromkeys(model.coordinates, sn.Central(n))
    spent, problem = once(lambda: sn.Problem(sn.discretize(model, schemes), span=(0.0, 1.0)))
    note(case=f"Brusselator {n} x {n}", what="equations to code", program="symnum", seconds=round(spent, 3))
    exact = sn.solve(problem, "Rodas5P", rtol=1e-9, atol=1e-9, saveat=[0.0, 1.0]).y[:, -1]

    def error(end: Any) -> float:
        return float(abs(end - exact).max() / abs(exact).max())

    compiled, p = problem.compiled, problem.p
    pattern = csc_array(compiled.sparsity)
    goal = 1e-4
    programs: dict[str, Callable[[float], Any]] = {
        "SciPy BDF, compiled f, sparsity given": lambda r: solve_ivp(
            lambda t, y: compiled.rhs(t, y, p), (0, 1), problem.u, "BDF", rtol=r, atol=r, jac_sparsity=pattern
        ).y[:, -1],
        "symnum": lambda r: sn.solve(problem, rtol=r, atol=r, saveat=[0.0, 1.0]).y[:, -1],
        "symnum ROS34PW2": lambda r: sn.solve(problem, "ROS34PW2", rtol=r, atol=r, saveat=[0.0, 1.0]).y[
            :, -1
        ],
    }
    try:
        from sksundae.cvode import CVODE

        def cvode(r: float) -> Any:
            def right(t: float, y: Array, out: Array) -> None:
                out[:] = compiled.rhs(t, y, p)

            return CVODE(right, rtol=r, atol=r, linsolver="gmres").solve([0.0, 1.0], problem.u).y[-1]

        programs["CVODE, GMRES, compiled f called from Python"] = cvode
    except ImportError:
        pass
    spent_by = {}
    for program, run in programs.items():
        rtol, found = equally_good(run, error, goal)
        spent_by[program] = min(once(lambda run=run, rtol=rtol: run(rtol))[0] for _ in range(2))
        note(
            case=f"Brusselator {n} x {n}", what="solve", program=program, rtol=rtol, error=found,
            seconds=round(spent_by[program], 4),
            times_faster=round(spent_by["SciPy BDF, compiled f, sparsity given"] / spent_by[program], 1),
        )  # fmt: skip


def table() -> list[str]:
    columns = ("case", "what", "program", "rtol", "error", "seconds", "microseconds", "times_faster")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [
            f"{row[c]:.1e}" if c in ("rtol", "error") and c in row else str(row.get(c, "")) for c in columns
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    traced()
    for n in (64, 256):
        right_hand_side(n)
    for n in (32, 64):
        brusselator(n)
    text = "CPU time on a machine with other load; errors against a run at 1e-9."
    replace_section("pde", ["## Field equations (`pde.py`)", "", text, "", *table()])


if __name__ == "__main__":
    main()
