"""Coefficients of implicit Runge-Kutta methods, and what they are checked for."""

from __future__ import annotations

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.record import keyword_record
from symnum.solving.controller import INTEGRAL
from symnum.solving.method import TOLERANCE, Method, array, square

__all__ = ["EsdirkTableau", "RadauTableau"]


@keyword_record
class EsdirkTableau(Method):
    """ESDIRK: implicit stages with one number gamma on the diagonal behind a first, explicit stage.

    Y_i = u + h sum_j a_ij f(t + c_j h, Y_j), j up to i; v is the last Y_i; error = h sum_i (b_i - bhat_i)
    f(Y_i), filtered. Simplified Newton iterations solve for the stages, so that the order does not depend on
    how good the Jacobian is. a_explicit: of the explicit method that goes with it on a split f (additive
    Runge-Kutta), with the same c, b and bhat.
    """

    a: tuple[tuple[float, ...], ...]
    bhat: tuple[float, ...]
    a_explicit: tuple[tuple[float, ...], ...] = ()

    family = "esdirk"
    controller = INTEGRAL

    @property
    def stages(self) -> int:
        return len(self.bhat)

    def _matrix(self) -> FloatArray:
        matrix = np.zeros((self.stages, self.stages))
        for i, row in enumerate(self.a):
            matrix[i, : len(row)] = row
        return array(matrix)

    @property
    def additive(self) -> bool:
        return bool(self.a_explicit)

    def keeps(self, algebraic: int) -> bool:
        return True

    def memory(self, n: int) -> int:
        return self.stages * n if self.additive else 0

    def table(self) -> FloatArray:
        a, other = self._matrix(), square(self.a_explicit, self.stages)
        return np.concatenate(
            [[a[-1, -1]], a.sum(axis=1), a.ravel(), a[-1] - array(self.bhat), other.ravel()]
        )

    def check(self) -> None:
        a = self._matrix()
        diagonal = np.diag(a)
        if diagonal[0] != 0.0 or not np.allclose(diagonal[1:], a[-1, -1], rtol=0.0, atol=TOLERANCE):
            raise self.fail("the diagonal is not zero and then one number")
        if not abs(a[-1].sum() - 1.0) < TOLERANCE or not self.stiffly_accurate:
            raise self.fail("the last stage is not the new state")
        # a Runge-Kutta method: the conditions are those of explicit ones, with a full matrix
        self.check_order(a, np.zeros_like(a), a[-1], array(self.bhat))
        if self.additive:
            self._check_additive(a, square(self.a_explicit, len(a)))
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


    def _check_additive(self, implicit: FloatArray, explicit: FloatArray) -> None:
        """Every node of a tree may belong to either part: the order conditions of additive methods."""
        if not np.allclose(implicit.sum(axis=1), explicit.sum(axis=1), rtol=0.0, atol=TOLERANCE):
            raise self.fail("the nodes of the explicit and the implicit method differ")
        for name, order, b in (("", self.order, implicit[-1]), ("error estimate ", self.embedded, self.bhat)):
            from symnum.solving.trees import additive_defect  # see `check_order`

            defect = additive_defect(order, (implicit, explicit), array(b))
            if not defect < TOLERANCE:
                raise self.fail(f"{name}not of order {order} on a split f: violated by {defect:.1e}")


@keyword_record
class RadauTableau(Method):
    """Radau IIA, collocation at c: M Y_i = M u + h sum_j a_ij f(t + c_j h, Y_j), v is the last of three Y_i.

    error = (M - h J / gamma)^-1 (h f(u) / gamma + M sum_i e_i (Y_i - u) / gamma), gamma the real eigenvalue
    of A^-1. Simplified Newton iterations solve for the stages, in the coordinates in which A^-1 is a number
    and a 2 x 2 block. Hairer and Wanner II, IV.5 and IV.8.
    """

    a: tuple[tuple[float, ...], ...]
    e: tuple[float, ...]

    family = "radau"
    controller = INTEGRAL

    @property
    def stages(self) -> int:
        return len(self.a)

    @property
    def operators(self) -> int:
        return 2

    def keeps(self, algebraic: int) -> bool:
        return True

    def memory(self, n: int) -> int:
        return 11 * n

    def spectrum(self) -> tuple[float, float, float, FloatArray]:
        """gamma, alpha, beta and T: A^-1 T = T [[gamma, 0, 0], [0, alpha, beta], [0, -beta, alpha]]."""
        values, vectors = np.linalg.eig(np.linalg.inv(array(self.a)))
        real, pair = int(np.argmin(np.abs(values.imag))), int(np.argmax(values.imag))
        t = np.array([vectors[:, real].real, vectors[:, pair].real, vectors[:, pair].imag]).T
        return float(values[real].real), float(values[pair].real), float(values[pair].imag), array(t)

    def table(self) -> FloatArray:
        gamma, alpha, beta, t = self.spectrum()
        c = array(self.a).sum(axis=1)
        c[-1] = 1.0
        return np.concatenate([[gamma, alpha, beta], c, np.linalg.inv(t).ravel(), t.ravel(), self.e])

    def dense_table(self) -> FloatArray:
        # theta z_3 + theta (1 - theta) (k_1 + theta k_2) passes through the z_i at c_i
        c = array(self.a).sum(axis=1)
        q = np.array([[1.0, 0.0, -c[0]], [0.0, 1.0, -c[1]]]) / (c[:2] * (1.0 - c[:2]))[:, None]
        second = (q[1] - q[0]) / (c[1] - c[0])
        return array([q[0] - c[0] * second, second])

    def check(self) -> None:
        a, s = array(self.a), self.stages
        if s != 3:
            raise self.fail("the step function has three stages")
        gamma = self.spectrum()[0]
        # f at the start takes part in the estimate
        whole = np.zeros((s + 1, s + 1))
        whole[1:, 1:] = a
        b = np.append(0.0, a[-1])
        bhat = b + np.append(1.0, array(self.e) @ a) / gamma
        conditions = self.check_order(array(whole), np.zeros_like(whole), array(b), array(bhat))
        self.check_stability(array(a[-1]), a)
        if not abs(a[-1].sum() - 1.0) < TOLERANCE or not self.stiffly_accurate:
            raise self.fail("the last stage is not the new state")
        self.check_algebra(a, np.zeros_like(a), array(a[-1]))
        rows = self.dense_table()
        for theta in (0.3, 0.8):
            inner = theta ** np.arange(2.0) @ rows
            weights = (theta * np.array([0.0, 0.0, 1.0]) + theta * (1.0 - theta) * inner) @ a
            self.check_dense(conditions, theta, np.append(0.0, weights))
