"""The cubic Schroedinger equation: steps in Fourier space against hand-written split steps, at equal error.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS=1 taskset -c 0 \
        python benchmarks/schroedinger.py

One soliton, whose exact solution is the reference, and two that collide (reference: SciPy's DOP853 at 1e-12
with transforms by NumPy). The split steps are NumPy as one writes it: a phase at the points, a phase of the
waves, two transforms between. One JSON line a row, a table to RESULTS.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from equal_error import Candidate, compare, timed, write
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

import symnum as sn
from symnum.models.spatial.schroedinger import Soliton, solitons

Array = NDArray[Any]
LENGTH, POINTS = 64.0, 512
SPEED = 2 * np.pi / LENGTH * 5  # the phase fits on the ring
WAVES = 2 * np.pi / LENGTH * np.fft.fftfreq(POINTS, 1 / POINTS)
TARGETS = (1e-3, 1e-5)
# For a tolerance tau a method of order p takes this number times tau^(-1/p) steps a unit of time.
PER_UNIT = {2: 1.0, 4: 4.0}
# Strang, and the method of order 4 with six stages of Blanes & Moan, J. Comput. Appl. Math. 142 (2002) 313:
# parts of a step in the waves and at the points, by turns; the last of one step is joined to the next one.
STRANG = ([0.5, 0.5], [1.0])
_A = [0.0792036964311957, 0.353172906049774, -0.0420650803577195]
_B = [0.209515106613362, -0.143851773179818]
BLANES_MOAN = (
    [*_A, 1 - 2 * sum(_A), *_A[::-1]],
    [*_B, 0.5 - sum(_B), 0.5 - sum(_B), *_B[::-1]],
)


def split(start: Array, end: float, steps: int, method: tuple[list[float], list[float]]) -> Array:
    waves, points = method
    h = end / steps
    turns = [np.exp(-0.5j * h * a * WAVES**2) for a in waves]
    joined = np.exp(-0.5j * h * (waves[0] + waves[-1]) * WAVES**2)
    psi = np.fft.ifft(turns[0] * np.fft.fft(start))
    for step in range(steps):
        for k, b in enumerate(points):
            psi = psi * np.exp(1j * h * b * (psi.real**2 + psi.imag**2))
            last = k == len(points) - 1
            turn = joined if last and step < steps - 1 else turns[k + 1]
            psi = np.fft.ifft(turn * np.fft.fft(psi))
    return psi


def by_hand(name: str, start: Array, end: float, order: int, method: Any) -> Candidate:
    def run(tolerance: float) -> Array:
        steps = int(np.ceil(end * PER_UNIT[order] * tolerance ** (-1 / order)))
        return split(start, end, steps, method)

    return Candidate(name, lambda t, repeat: timed(lambda: run(t), repeat), run)


def candidates(problem: sn.Problem, psi: sn.Expr, start: Array, end: float) -> list[Candidate]:
    def solver(method: str | None) -> Callable[[float], Array]:
        return lambda t: np.asarray(
            sn.solve(problem, method, rtol=t, atol=1e-3 * t, saveat=[end])[psi][-1]
        )

    def own(name: str, method: str | None) -> Candidate:
        run = solver(method)
        return Candidate(name, lambda t, repeat: timed(lambda: run(t), repeat), run)

    return [
        own("symnum, ETDRK4", "ETDRK4"), own("symnum, ARK436", "ARK436"),
        by_hand("NumPy, Strang", start, end, 2, STRANG),
        by_hand("NumPy, Blanes and Moan, order 4", start, end, 4, BLANES_MOAN),
    ]  # fmt: skip


def rows_of(title: str, found: list[Soliton], end: float) -> list[dict[str, Any]]:
    model = solitons(found, LENGTH)
    problem = sn.Problem(sn.discretize(model, {model.x: sn.Fourier(POINTS)}), span=(0, end))
    x = -LENGTH / 2 + LENGTH * np.arange(POINTS) / POINTS
    start = sum(s.eta / np.cosh(s.eta * (x - s.place)) * np.exp(1j * s.v * x) for s in found)
    if len(found) == 1:
        (s,) = found
        gone = s.eta / np.cosh(s.eta * (x - s.place - s.v * end))
        reference = gone * np.exp(1j * (s.v * x + (s.eta**2 - s.v**2) / 2 * end))
    else:
        def rate(t: float, psi: Array) -> Array:
            return np.asarray(
                0.5j * np.fft.ifft(-(WAVES**2) * np.fft.fft(psi)) + 1j * abs(psi) ** 2 * psi
            )

        reference = solve_ivp(rate, (0, end), start, "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    # relative to the height: where the field is nearly zero its own size means nothing
    size = 1e6 * float(abs(reference).max())
    targets = tuple(target / 1e6 for target in TARGETS)
    found_rows = compare(
        title, candidates(problem, model.psi, start, end), reference, size, targets, 1, 3,
        tuple(float(10.0 ** (-k / 2)) for k in range(4, 24)),
    )  # fmt: skip
    return [row | {"error": 1e6 * row["error"], "achieved": 1e6 * row["achieved"]} for row in found_rows]


def main() -> None:
    rows = rows_of("soliton", [Soliton(1.5, SPEED, -5.0)], 10.0)
    rows += rows_of("collision", [Soliton(1.2, SPEED, -8.0), Soliton(1.5, -SPEED, 8.0)], 30.0)
    write(
        "schroedinger", "The Schroedinger equation in Fourier space (`schroedinger.py`)",
        f"{POINTS} points; error at the end relative to the largest value; speed relative to the first row.",
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
