"""All isolated roots of a small polynomial system: total-degree homotopy in projective space.

``H(x, t) = (1 - t) F(x) + t gamma G(x)`` leads from the known roots of G_i = x_i^d_i - b_i x_0^d_i at t = 1
to those of the homogenized F at t = 0. With random complex gamma, b and a random affine patch of projective
space no path meets a singularity before t = 0, with probability one, and paths to infinity have finite ends
(Morgan, Solving Polynomial Systems Using Continuation, 1987; Sommese, Wampler, The Numerical Solution of
Systems of Polynomials, 2005, chapters 2, 3 and 7).
All paths are followed side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["roots_by_homotopy"]

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]
Polynomial: TypeAlias = tuple[NDArray[np.int64], FloatArray]
"""(terms, variables) exponents and (terms,) coefficients."""

_STEPS = 4000
_FIRST, _LARGEST, _SMALLEST = 1e-2, 5e-2, 1e-13
_CORRECTED = 1e-9  # relative size of the last correction along a path
_END = 1e-12  # t at which a path is taken to be at its end
_INFINITE = 1e-6  # |x_0| below which a projective point of length one lies at infinity
_REAL = 1e-7  # relative imaginary part of a real root; that of a multiple root is known less well
_TRIES = 3


def roots_by_homotopy(polynomials: Sequence[Polynomial]) -> tuple[list[FloatArray], int]:
    """(real roots, number of paths lost). As many polynomials as variables, or more: then a random mix.

    Roots that are found twice are listed once. A path counts as lost if two tries with other random numbers
    lose as many.
    """
    best: tuple[list[FloatArray], int] | None = None
    for attempt in range(_TRIES):
        found = _attempt(polynomials, np.random.default_rng(attempt))
        if best is not None:
            found = (_merged(best[0] + found[0]), min(best[1], found[1]))
        best = found
        if not found[1]:
            break
    assert best is not None
    return best


def _attempt(polynomials: Sequence[Polynomial], rng: np.random.Generator) -> tuple[list[FloatArray], int]:
    n = polynomials[0][0].shape[1]
    system = _System(_square(polynomials, n, rng), n, rng)
    ends, lost = system.follow()
    found = []
    for x in ends:
        if abs(x[0]) < _INFINITE * np.abs(x).max():
            continue
        affine = x[1:] / x[0]
        size = 1.0 + np.abs(affine).max()
        if np.abs(affine.imag).max() <= _REAL * size or system.is_multiple_and_real(x):
            found.append(affine.real * system.scale)
    return _merged(found), lost


def _merged(roots: list[FloatArray]) -> list[FloatArray]:
    kept: list[FloatArray] = []
    for root in roots:
        size = 1e-9 + np.abs(root).max()
        if not any(np.abs(root - other).max() <= 1e-6 * size for other in kept):
            kept.append(root)
    return kept


def _square(polynomials: Sequence[Polynomial], n: int, rng: np.random.Generator) -> list[Polynomial]:
    """n random combinations of more polynomials than variables; their common roots stay roots."""
    if len(polynomials) == n:
        return list(polynomials)
    ordered = sorted(polynomials, key=lambda poly: int(poly[0].sum(axis=1).max()), reverse=True)
    mixed = []
    for i in range(n):
        weights = rng.normal(size=len(ordered))
        weights[:i] = 0.0
        exponents = np.vstack([poly[0] for poly in ordered])
        coefficients = np.concatenate([w * poly[1] for w, poly in zip(weights, ordered, strict=True)])
        mixed.append((exponents, coefficients))
    return mixed


class _System:
    """F scaled and homogenized, G, the patch, and the paths."""

    def __init__(self, polynomials: Sequence[Polynomial], n: int, rng: np.random.Generator) -> None:
        self.n = n
        self.scale, scaled = _scaled(polynomials, n)
        self.degrees = np.array([int(e.sum(axis=1).max()) for e, _ in scaled])
        monomials: dict[tuple[int, ...], int] = {}
        rows: list[tuple[int, int, float]] = []
        for i, (exponents, coefficients) in enumerate(scaled):
            for exponent, c in zip(exponents, coefficients, strict=True):
                key = (int(self.degrees[i] - exponent.sum()), *exponent.tolist())
                rows.append((i, monomials.setdefault(key, len(monomials)), float(c)))
        self.exponents = np.array(list(monomials), np.int64)  # (terms, n + 1)
        self.table = np.zeros((n, len(monomials)))
        for i, k, c in rows:
            self.table[i, k] += c
        angle = rng.uniform(0, 2 * np.pi, n + 2)
        self.gamma = np.exp(1j * angle[0]) * rng.uniform(0.7, 1.4)
        self.b = np.exp(1j * angle[1 : n + 1]) * rng.uniform(0.7, 1.4, n)
        self.patch = rng.normal(size=n + 1) + 1j * rng.normal(size=n + 1)

    def starts(self) -> ComplexArray:
        """(paths, n + 1) the roots of G on the patch."""
        roots = [
            b ** (1.0 / d) * np.exp(2j * np.pi * np.arange(d) / d)
            for b, d in zip(self.b, self.degrees, strict=True)
        ]
        points = np.array([(1.0, *combination) for combination in product(*roots)], complex)
        found: ComplexArray = points / (points @ self.patch)[:, None]
        return found

    def f(self, x: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """F (paths, n) and its derivatives (paths, n, n + 1)."""
        top = int(self.exponents.max())
        powers = np.ones((top + 1, *x.shape), complex)
        for k in range(1, top + 1):
            powers[k] = powers[k - 1] * x
        columns = np.arange(self.n + 1)
        factors = powers[self.exponents, :, columns]  # (terms, n + 1, paths)
        values = factors.prod(axis=1)
        jacobian = np.empty((len(x), self.n, self.n + 1), complex)
        for j in range(self.n + 1):
            e = self.exponents[:, j]
            others = np.delete(factors, j, axis=1).prod(axis=1)
            lowered = e[:, None] * powers[np.maximum(e - 1, 0), :, j]
            jacobian[:, :, j] = (self.table @ (others * lowered)).T
        return (self.table @ values).T, jacobian

    def g(self, x: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        d = self.degrees
        value = x[:, 1:] ** d - self.b * x[:, :1] ** d
        jacobian = np.zeros((len(x), self.n, self.n + 1), complex)
        i = np.arange(self.n)
        jacobian[:, i, i + 1] = d * x[:, 1:] ** (d - 1)
        jacobian[:, :, 0] = -self.b * d * x[:, :1] ** (d - 1)
        return value, jacobian

    def h(self, x: ComplexArray, t: FloatArray) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
        """H with the patch equation (paths, n + 1), dH/dx and dH/dt."""
        f, df = self.f(x)
        g, dg = self.g(x)
        s = t[:, None]
        value = np.concatenate([(1 - s) * f + s * self.gamma * g, (x @ self.patch)[:, None] - 1.0], axis=1)
        jacobian = np.empty((len(x), self.n + 1, self.n + 1), complex)
        jacobian[:, : self.n] = (1 - s[:, :, None]) * df + s[:, :, None] * self.gamma * dg
        jacobian[:, self.n] = self.patch
        by_t = np.concatenate([self.gamma * g - f, np.zeros((len(x), 1))], axis=1)
        return value, jacobian, by_t

    def slope(self, x: ComplexArray, t: FloatArray) -> ComplexArray:
        _, jacobian, by_t = self.h(x, t)
        return _solve(jacobian, -by_t)

    def corrected(self, x: ComplexArray, t: FloatArray, iterations: int) -> tuple[ComplexArray, FloatArray]:
        """Newton at fixed t; the relative size of the last correction."""
        last = np.full(len(x), np.inf)
        for _ in range(iterations):
            value, jacobian, _ = self.h(x, t)
            step = _solve(jacobian, -value)
            x = x + step
            last = np.abs(step).max(axis=1) / np.maximum(np.abs(x).max(axis=1), 1e-300)
            last = np.where(np.isfinite(last), last, np.inf)
        return x, last

    def follow(self) -> tuple[ComplexArray, int]:
        """The ends of the paths and how many were lost."""
        x = self.starts()
        t, step = np.ones(len(x)), np.full(len(x), _FIRST)
        running = np.ones(len(x), bool)
        lost = np.zeros(len(x), bool)
        for _ in range(_STEPS):
            at = np.flatnonzero(running)
            if not len(at):
                break
            # near the end steps are shares of what is left, as paths to multiple roots turn ever faster
            h = np.minimum(step[at], np.where(t[at] > 0.1, t[at], 0.5 * t[at]))
            here, now = x[at], t[at]
            k1 = self.slope(here, now)
            k2 = self.slope(here - 0.5 * h[:, None] * k1, now - 0.5 * h)
            k3 = self.slope(here - 0.5 * h[:, None] * k2, now - 0.5 * h)
            k4 = self.slope(here - h[:, None] * k3, now - h)
            guess = here - h[:, None] / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            new, last = self.corrected(guess, now - h, 2)
            apart = np.abs(new - guess).max(axis=1) / np.abs(here).max(axis=1)
            good = (last < _CORRECTED) & (apart < 1e-3)
            x[at[good]], t[at[good]] = new[good], (now - h)[good]
            easy = good & (apart < 1e-5)
            step[at] = np.where(good, np.where(easy, np.minimum(2 * h, _LARGEST), h), 0.4 * h)
            stuck = step[at] < _SMALLEST * np.maximum(t[at], 1e-3)
            lost[at[stuck]] = t[at[stuck]] > 1e-6  # this near to its end a path is as good as there
            running[at[stuck | (t[at] <= _END)]] = False
        lost |= running & (t > 1e-6)
        ended = ~lost
        final, last = self.corrected(x[ended], np.zeros(int(ended.sum())), 3)
        moved = np.abs(final - x[ended]).max(axis=1) / np.abs(x[ended]).max(axis=1)
        sharp = (last < 1e-10) & (moved < 1e-3)
        return np.where(sharp[:, None], final, x[ended]), int(lost.sum())

    def is_multiple_and_real(self, x: ComplexArray) -> bool:
        """A root whose Jacobian is singular is known to some digits only; is it real within these?"""
        affine = x[1:] / x[0]
        size = 1.0 + np.abs(affine).max()
        if np.abs(affine.imag).max() > 1e-3 * size:
            return False
        jacobian = self.f(x[None])[1][0, :, 1:]
        return bool(np.linalg.cond(jacobian) > 1e6)


def _solve(matrices: ComplexArray, right: ComplexArray) -> ComplexArray:
    """Batched; singular matrices give infinities, not errors."""
    try:
        found = np.linalg.solve(matrices, right[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        found = np.empty_like(right)
        for k in range(len(right)):
            try:
                found[k] = np.linalg.solve(matrices[k], right[k])
            except np.linalg.LinAlgError:
                found[k] = np.inf
    return np.asarray(found)


def _scaled(polynomials: Sequence[Polynomial], n: int) -> tuple[FloatArray, list[Polynomial]]:
    """Scales of variables (x = scale * new x) and equations that bring all coefficients near one.

    Least squares on their logarithms (Morgan 1987, chapter 5).
    """
    rows, right = [], []
    for i, (exponents, coefficients) in enumerate(polynomials):
        for exponent, c in zip(exponents, coefficients, strict=True):
            row = np.zeros(n + len(polynomials))
            row[:n], row[n + i] = exponent, 1.0
            rows.append(row)
            right.append(-np.log(abs(c)))
    found = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    scale = np.exp(np.clip(found[:n], -30, 30))
    scaled = [
        (e, c * np.prod(scale**e, axis=1) * np.exp(found[n + i])) for i, (e, c) in enumerate(polynomials)
    ]
    return scale, [(e, c / np.abs(c).max()) for e, c in scaled]
