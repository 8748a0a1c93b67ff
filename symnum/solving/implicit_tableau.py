"""Coefficients of implicit Runge-Kutta methods, and what they are checked for."""

from __future__ import annotations

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.record import keyword_record
from symnum.solving.controller import INTEGRAL
from symnum.solving.method import TOLERANCE, Method, array

__all__ = ["EsdirkTableau"]


@keyword_record
class EsdirkTableau(Method):
    """ESDIRK: implicit stages with one number gamma on the diagonal behind a first, explicit stage.

    Y_i = u + h sum_j a_ij f(t + c_j h, Y_j), j up to i; v is the last Y_i; error = h sum_i (b_i - bhat_i)
    f(Y_i), filtered. Simplified Newton iterations solve for the stages, so that the order does not depend on
    how good the Jacobian is.
    """

    a: tuple[tuple[float, ...], ...]
    bhat: tuple[float, ...]

    family = "esdirk"
    controller = INTEGRAL

    @property
    def stages(self) -> int:
        return len(self.bhat)

    @property
    def steady(self) -> float:
        return 1.2

    def _matrix(self) -> FloatArray:
        matrix = np.zeros((self.stages, self.stages))
        for i, row in enumerate(self.a):
            matrix[i, : len(row)] = row
        return array(matrix)

    def table(self) -> FloatArray:
        a = self._matrix()
        return np.concatenate([[a[-1, -1]], a.sum(axis=1), a.ravel(), a[-1] - array(self.bhat)])

    def check(self) -> None:
        a = self._matrix()
        diagonal = np.diag(a)
        if diagonal[0] != 0.0 or not np.allclose(diagonal[1:], a[-1, -1], rtol=0.0, atol=TOLERANCE):
            raise self.fail("the diagonal is not zero and then one number")
        if not abs(a[-1].sum() - 1.0) < TOLERANCE or not self.stiffly_accurate:
            raise self.fail("the last stage is not the new state")
        # a Runge-Kutta method: the conditions are those of explicit ones, with a full matrix
        self.check_order(a, np.zeros_like(a), a[-1], array(self.bhat))
        if self.l_stable:
            # the first row is zero, so that infinity is reached only in the limit, as 1/z
            far = -1e9
            value = 1.0 + far * a[-1] @ np.linalg.solve(np.eye(len(a)) - far * a, np.ones(len(a)))
            if not abs(value) < 1e-6:
                raise self.fail(f"not L-stable: R at {far:g} is {value:.1e}")
            z = 1j * np.logspace(-2, 4, 61)
            systems = np.eye(len(a)) - z[:, None, None] * a
            ones = np.ones((len(a), 1), complex)
            reach = float(np.max(np.abs(1.0 + z * (np.linalg.solve(systems, ones)[:, :, 0] @ a[-1]))))
            if not reach < 1.0 + TOLERANCE:
                raise self.fail(f"not A-stable: |R| reaches {reach} on the imaginary axis")
