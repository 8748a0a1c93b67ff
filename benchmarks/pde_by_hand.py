"""What `pde.py` compares with: right-hand sides written out as numba loops, and Dormand and Prince's pair.

Periodic grids, (fields, *points) arrays. Constants hold the diffusivities in steps of the grid.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@njit(inline="always")
def _gray_scott(u, out, c, i, up, down, j, left, right):  # type: ignore[no-untyped-def]
    a, b = u[0, i, j], u[1, i, j]
    lap_a = u[0, up, j] + u[0, down, j] + u[0, i, left] + u[0, i, right] - 4 * a
    lap_b = u[1, up, j] + u[1, down, j] + u[1, i, left] + u[1, i, right] - 4 * b
    r = a * b * b
    out[0, i, j] = c[2] * lap_a - r + c[0] * (1 - a)
    out[1, i, j] = c[3] * lap_b + r - (c[0] + c[1]) * b


@njit(inline="always")
def _brusselator(u, out, c, i, up, down, j, left, right):  # type: ignore[no-untyped-def]
    a, b = u[0, i, j], u[1, i, j]
    lap_a = u[0, up, j] + u[0, down, j] + u[0, i, left] + u[0, i, right] - 4 * a
    lap_b = u[1, up, j] + u[1, down, j] + u[1, i, left] + u[1, i, right] - 4 * b
    r = a * a * b
    out[0, i, j] = c[1] + r - (c[0] + 1) * a + c[2] * lap_a
    out[1, i, j] = c[0] * a - r + c[2] * lap_b


@njit
def gray_scott(u: Array, out: Array, c: Array) -> None:
    """c: feed, kill, du, dv. The ends of rows are peeled off, so that the rest can be vectorized."""
    n = u.shape[1]
    for i in range(n):
        up, down = (i - 1) % n, (i + 1) % n
        _gray_scott(u, out, c, i, up, down, 0, n - 1, 1)
        for j in range(1, n - 1):
            _gray_scott(u, out, c, i, up, down, j, j - 1, j + 1)
        _gray_scott(u, out, c, i, up, down, n - 1, n - 2, 0)


@njit
def brusselator(u: Array, out: Array, c: Array) -> None:
    """c: a, b, diffusion."""
    n = u.shape[1]
    for i in range(n):
        up, down = (i - 1) % n, (i + 1) % n
        _brusselator(u, out, c, i, up, down, 0, n - 1, 1)
        for j in range(1, n - 1):
            _brusselator(u, out, c, i, up, down, j, j - 1, j + 1)
        _brusselator(u, out, c, i, up, down, n - 1, n - 2, 0)


@njit(inline="always")
def _burgers(u, out, drift, spread, j, left, right):  # type: ignore[no-untyped-def]
    a, b, d = u[0, left], u[0, j], u[0, right]
    out[0, j] = (a * a - d * d) * drift + spread * (a + d - 2 * b)


@njit
def burgers(u: Array, out: Array, c: Array) -> None:
    """c: nu, h."""
    n = u.shape[1]
    drift, spread = 1 / (4 * c[1]), c[0] / c[1] ** 2
    _burgers(u, out, drift, spread, 0, n - 1, 1)
    for j in range(1, n - 1):
        _burgers(u, out, drift, spread, j, j - 1, j + 1)
    _burgers(u, out, drift, spread, n - 1, n - 2, 0)


BY_HAND = {"gray_scott": gray_scott, "brusselator": brusselator, "burgers": burgers}

# Dormand and Prince, J. Comput. Appl. Math. 6 (1980) 19
_A = np.zeros((7, 7))
_A[1, :1] = 1 / 5
_A[2, :2] = 3 / 40, 9 / 40
_A[3, :3] = 44 / 45, -56 / 15, 32 / 9
_A[4, :4] = 19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729
_A[5, :5] = 9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656
_A[6, :6] = 35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84
_E = _A[6] - np.array(
    [5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40]
)  # fmt: skip


@njit
def dormand_prince(right, start, constants, end, tolerance, a, e):  # type: ignore[no-untyped-def]
    """The state at ``end``, with relative and absolute tolerances alike."""
    y = start.copy()
    k = np.empty((7, *y.shape))
    new, flat = np.empty_like(y), y.size
    t, h = 0.0, 1e-6
    right(y, k[0], constants)
    while t < end:
        h = min(h, end - t)
        for stage in range(1, 7):
            new[:] = y
            for j in range(stage):
                if a[stage, j] != 0.0:
                    new += (h * a[stage, j]) * k[j]
            right(new, k[stage], constants)
        size = 0.0
        one, two = y.ravel(), new.ravel()
        parts = k.reshape(7, flat)
        for i in range(flat):
            error = 0.0
            for j in range(7):
                error += e[j] * parts[j, i]
            scaled = h * error / (tolerance * (1 + max(abs(one[i]), abs(two[i]))))
            size += scaled * scaled
        size = np.sqrt(size / flat)
        if size <= 1.0:
            t += h
            y[:] = new
            k[0] = k[6]
        h *= min(5.0, max(0.2, 0.9 * max(size, 1e-10) ** -0.2))
    return y


@njit
def repeat(right, u, out, constants, times):  # type: ignore[no-untyped-def]
    """A right-hand side again and again, without the interpreter between."""
    for _ in range(times):
        right(u, out, constants)


def solve_by_hand(problem: str, start: Array, constants: Array, end: float, tolerance: float) -> Array:
    found: Array = dormand_prince(BY_HAND[problem], start, constants, end, tolerance, _A, _E)
    return found.ravel()
