"""Methods for u' = L u + N(u, t) with a number L for every wave: exponential, and implicit-explicit.

Every stage, the result and the error estimate are the state and the N of earlier stages, each times a
function of z = h L; see `kernel.modal`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray
from symnum.record import keyword_record
from symnum.solving.controller import INTEGRAL
from symnum.solving.method import TOLERANCE, Method, array, square

__all__ = ["AdditiveTableau", "ExponentialTableau", "FourierMethod", "phi_functions"]

ComplexArray = NDArray[np.complex128]
Rows = list[list[ComplexArray | None]]

_ON_CIRCLE = 32
_SAMPLES: ComplexArray = np.array([0.0, -0.3, -2.0 + 1.0j, -40.0, 5.0j, -1e4])


def phi_functions(z: ComplexArray) -> tuple[ComplexArray, ...]:
    """exp(z), phi_1(z), phi_2(z), phi_3(z), where phi_k(z) = (phi_(k-1)(z) - 1/(k-1)!)/z.

    Near zero, where digits would cancel, as means over a circle around z: Kassam & Trefethen, SIAM J. Sci.
    Comput. 26 (2005) 1214. Its radius is 2, so that no point of it comes close to zero either.
    """
    z = np.asarray(z, np.complex128)
    near = abs(z) < 1.0
    found = _by_recurrence(np.where(near, 1.0, z))
    if near.any():
        turn = np.exp(2j * np.pi * (np.arange(_ON_CIRCLE) + 0.5) / _ON_CIRCLE)
        around = _by_recurrence(z[near] + 2.0 * turn[:, None])
        for values, means in zip(found, around, strict=True):
            values[near] = means.mean(axis=0)
        found[0][near] = np.exp(z[near])
    return found


def _by_recurrence(z: ComplexArray) -> tuple[ComplexArray, ...]:
    exponential = np.exp(z)
    first = (exponential - 1.0) / z
    second = (first - 1.0) / z
    return exponential, first, second, (second - 0.5) / z


@keyword_record
class FourierMethod(Method):
    """A method of this kind. middle: (weight, stage) of N halfway through the step. last: the stage of N at
    its end that the dense output takes."""

    c: tuple[float, ...]
    middle: tuple[tuple[float, int], ...]
    last: int

    family = "fourier"
    controller = INTEGRAL
    own_loop = True

    @property
    def stages(self) -> int:
        return len(self.c)

    def table(self) -> FloatArray:
        return array(self.c)

    @abstractmethod
    def weights(self, z: ComplexArray, h: float) -> Rows:
        """Of stages 2, 3, ..., of the change in the step, of the error; each (state, N of the stages, N at
        the end).

        z: (m,) h L. None stands for zero. The change, and not the result: its weights are small, and the same
        in every step, so that their rounding would add up.
        """

    def limits(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(a, b, b of the embedded solution) where L is zero, with N at the end as one stage more."""
        rows = self.weights(np.zeros(1, np.complex128), 1.0)
        s = self.stages
        numbers = np.array([[0.0 if w is None else w[0].real for w in row] for row in rows])
        a = np.zeros((s + 1, s + 1))
        a[1:s] = numbers[: s - 1, 1:]
        a[s] = b = numbers[s - 1, 1:]
        return a, b, b - numbers[s, 1:]


@keyword_record
class ExponentialTableau(FourierMethod):
    """An exponential Runge-Kutta method: a[i][j] and b[j] are sums of (factor, k, c), factor * phi_k(c z).

    The error is h d (N_s - N_(s+1)), with the slope at the end of the step, which the next step begins with.
    """

    a: tuple[tuple[tuple[tuple[float, int, float], ...], ...], ...]
    b: tuple[tuple[tuple[float, int, float], ...], ...]
    d: tuple[tuple[float, int, float], ...]

    def weights(self, z: ComplexArray, h: float) -> Rows:
        known = {c: phi_functions(c * z) for c in sorted({c for c in self.c if c} | {1.0})}

        def value(terms: Sequence[tuple[float, int, float]]) -> ComplexArray | None:
            total = sum((h * factor * known[c][k] for factor, k, c in terms), np.zeros_like(z))
            return total if terms else None

        s = self.stages
        rows: Rows = []
        for c, row in zip(self.c[1:], self.a, strict=True):
            rows.append([known[c][0], *map(value, row), *[None] * (s + 1 - len(row))])
        rows.append([np.expm1(z), *map(value, self.b), None])
        d = value(self.d)
        assert d is not None
        rows.append([None, *[None] * (s - 1), d, -d])
        return rows

    def check(self) -> None:
        a, b, bhat = self.limits()
        self.check_order(a, np.zeros_like(a), b, bhat)
        # constant N is integrated exactly, in stages and result
        rows = self.weights(_SAMPLES, 1.0)
        for c, row in zip((*self.c[1:], 1.0), rows[:-1], strict=True):
            exact = c * phi_functions(c * _SAMPLES)[1]
            total = sum((w for w in row[1:] if w is not None), np.zeros_like(_SAMPLES))
            if not np.max(abs(total - exact)) < TOLERANCE:
                raise self.fail("the weights of a stage do not sum up to c phi_1(c z)")


@keyword_record
class AdditiveTableau(FourierMethod):
    """An additive Runge-Kutta method: L by the implicit a, N by the explicit one, both with the same b."""

    implicit: tuple[tuple[float, ...], ...]
    explicit: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    bhat: tuple[float, ...]

    def weights(self, z: ComplexArray, h: float) -> Rows:
        s = self.stages
        one = np.ones_like(z)
        # stage i = sum_j stages[i, j] times (state, N_1, ..., N_s)
        stages = np.zeros((s, s + 1, len(z)), np.complex128)
        stages[0, 0] = one
        for i in range(1, s):
            total = stages[i]
            total[0] = one
            for j in range(i):
                total[1 + j] += h * self.explicit[i][j]
                total += self.implicit[i][j] * z * stages[j]
            total /= one - self.implicit[i][i] * z
        result, error = np.zeros((2, s + 1, len(z)), np.complex128)
        for j in range(s):
            e = self.b[j] - self.bhat[j]
            result += self.b[j] * z * stages[j]
            result[1 + j] += h * self.b[j]
            error += e * z * stages[j]
            error[1 + j] += h * e
        rows: Rows = [[*stages[i], None] for i in range(1, s)]
        return [*rows, [*result, None], [*error, None]]

    def check(self) -> None:
        s = self.stages
        explicit, b, bhat = square(self.explicit, s), array(self.b), array(self.bhat)
        implicit = np.zeros((s, s))
        for i, row in enumerate(self.implicit):
            implicit[i, : len(row)] = row
        c = array(self.c)
        if not max(abs(explicit.sum(axis=1) - c).max(), abs(implicit.sum(axis=1) - c).max()) < TOLERANCE:
            raise self.fail("the rows do not sum up to the nodes")
        self.check_order(explicit, np.zeros_like(explicit), b, bhat)
        self.check_order(array(implicit), np.zeros_like(implicit), b, bhat)
        for first, second in ((explicit, implicit), (implicit, explicit)):
            if not abs(b @ first @ second @ c - 1 / 24) < TOLERANCE:
                raise self.fail("an order condition that couples both parts is violated")
        far = np.append(-np.logspace(-2, 4, 61) * np.exp(-1j * np.radians(self.angle)), -1e14)
        change = self.weights(far, 1.0)[s - 1][0]
        assert change is not None
        growth = abs(1.0 + change)
        if not (growth.max() < 1.0 + TOLERANCE and growth[-1] < TOLERANCE):
            raise self.fail(f"not L-stable: |R| reaches {growth.max()}, and {growth[-1]:.1e} far out")
