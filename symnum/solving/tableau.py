"""Coefficients of explicit, Rosenbrock and RK-TASE methods, and what they are checked for."""

from __future__ import annotations

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.record import keyword_record
from symnum.solving.controller import INTEGRAL, PROPORTIONAL_INTEGRAL
from symnum.solving.method import TOLERANCE, Method, array, square

__all__ = ["ExplicitTableau", "RosenbrockTableau", "TaseSumTableau", "TaseTableau"]


@keyword_record
class ExplicitTableau(Method):
    """Explicit Runge-Kutta: k_i = f(t + c_i h, u + h sum_j a_ij k_j), v = u + h sum_i b_i k_i.

    a: also the rows of the stages that only the dense output needs, of which the first is f at v.
    interpolant: rows r_i with b_i(theta) = sum_j r_ij theta^j, j = 1, 2, ... second: with weights b - e
    of order `second_order`, the estimate of Hairer, Norsett and Wanner I, II.10, whose norm is |E|^2 /
    sqrt(|E|^2 + |e|^2 / 100), E from bhat; e times h.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    bhat: tuple[float, ...]
    interpolant: tuple[tuple[float, ...], ...]
    second: tuple[float, ...] = ()
    second_order: int = 0

    family = "explicit"
    factors = False
    controller = PROPORTIONAL_INTEGRAL

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def extra_stages(self) -> int:
        return len(self.a) - self.stages

    @property
    def error_power(self) -> int:
        power = self.embedded + 1
        return 2 * power - (self.second_order + 1) if self.second else power

    @property
    def first_same_as_last(self) -> bool:
        row = square(self.a, len(self.a))[self.stages - 1, : self.stages]
        return bool(np.array_equal(row, array(self.b)))

    def _nodes(self) -> FloatArray:
        c: FloatArray = square(self.a, len(self.a)).sum(axis=1)
        c[np.abs(c - 1.0) < TOLERANCE] = 1.0
        return c

    def table(self) -> FloatArray:
        s = self.stages
        a, b = square(self.a, len(self.a))[:s, :s], array(self.b)
        parts = [self._nodes()[:s], a.ravel(), b, b - array(self.bhat), array(self.second)]
        return np.concatenate(parts)

    def extra_table(self) -> FloatArray:
        s = self.stages
        return np.concatenate([self._nodes()[s:], square(self.a, len(self.a))[s:].ravel()])

    def dense_table(self) -> FloatArray:
        # sum_j q_j theta^j = theta sum_j q_j + theta (1 - theta) (k_1 + theta (k_2 + ...)), where k_l is
        # minus the sum of all q_j beyond l
        beyond: FloatArray = np.cumsum(array(self.interpolant).T[:0:-1], axis=0)
        return array(-beyond[::-1])

    def check(self) -> None:
        s, total = self.stages, len(self.a)
        a, b = square(self.a, total), np.pad(array(self.b), (0, total - s))
        bhat, second = np.pad(array(self.bhat), (0, total - s)), np.pad(array(self.second), (0, 1))
        conditions = self.check_order(a, np.zeros_like(a), b, bhat)
        if self.second:
            defect = conditions.defect(self.second_order, b - np.pad(second[:-1], (0, total - s)))
            if not defect < TOLERANCE:
                raise self.fail(f"second estimate not of order {self.second_order}: violated by {defect:.1e}")
        if total > s and not np.allclose(a[s], b, rtol=0.0, atol=TOLERANCE):
            raise self.fail("the first extra stage is not f at the new state")
        rows = array(self.interpolant)
        if not np.allclose(rows.sum(axis=1), b, rtol=0.0, atol=TOLERANCE):
            raise self.fail("the dense output does not end at the new state")
        for theta in (0.3, 0.8):
            weights = rows @ theta ** np.arange(1.0, rows.shape[1] + 1.0)
            self.check_dense(conditions, theta, weights)


@keyword_record
class RosenbrockTableau(Method):
    """Rosenbrock and Rosenbrock-W methods in the transformed form of Hairer and Wanner II, IV.7.

    (M/(h gamma) - J) k_i = f(t + c_i h, u + sum_j a_ij k_j) + M sum_j c_ij k_j / h + h d_i df/dt, v = u
    + sum_i m_i k_i, error = sum_i e_i k_i; `coupling` are the c_ij, `interpolant` the rows of
    `kernel.dense`. a, coupling, c and d go on with the stages that only the dense output needs.
    """

    gamma: float
    a: tuple[tuple[float, ...], ...]
    coupling: tuple[tuple[float, ...], ...]
    c: tuple[float, ...]
    d: tuple[float, ...]
    m: tuple[float, ...]
    e: tuple[float, ...]
    interpolant: tuple[tuple[float, ...], ...] = ()

    family = "rosenbrock"
    controller = INTEGRAL

    @property
    def stages(self) -> int:
        return len(self.m)

    @property
    def extra_stages(self) -> int:
        return len(self.a) - self.stages

    def table(self) -> FloatArray:
        s, total = self.stages, len(self.a)
        a, coupling = square(self.a, total)[:s, :s], square(self.coupling, total)[:s, :s]
        return np.concatenate(
            [[self.gamma], self.c[:s], self.d[:s], a.ravel(), coupling.ravel(), self.m, self.e]
        )

    def extra_table(self) -> FloatArray:
        s, total = self.stages, len(self.a)
        a, coupling = square(self.a, total)[s:], square(self.coupling, total)[s:]
        return np.concatenate([self.c[s:], self.d[s:], a.ravel(), coupling.ravel()])

    def dense_table(self) -> FloatArray | None:
        return array(self.interpolant) if self.interpolant else None

    def check(self) -> None:
        s, total = self.stages, len(self.a)
        a, coupling = square(self.a, total), square(self.coupling, total)
        m, e = (np.pad(array(weights), (0, total - s)) for weights in (self.m, self.e))
        gamma = array(np.linalg.inv(np.eye(total) / self.gamma - coupling))
        alpha, b = array(a @ gamma), array(m @ gamma)
        for name, stated, found in (("c", self.c, alpha.sum(axis=1)), ("d", self.d, gamma.sum(axis=1))):
            if not np.allclose(stated, found, rtol=0.0, atol=TOLERANCE):
                raise self.fail(f"{name} is not the row sum of its coefficients")
        conditions = self.check_order(alpha, gamma, b, array((m - e) @ gamma))
        step = (alpha + gamma)[:s, :s]
        self.check_stability(b[:s], step)
        ends = abs(self.c[s - 1] - 1.0) < TOLERANCE
        accurate = ends and np.allclose(step[-1], b[:s], rtol=0.0, atol=TOLERANCE)
        if accurate != self.stiffly_accurate:
            raise self.fail(f"stiff accuracy is {accurate}, not {self.stiffly_accurate}")
        self.check_algebra(alpha[:s, :s], gamma[:s, :s], b[:s])
        rows = array(self.interpolant)
        for theta in (0.3, 0.8) if self.interpolant else ():
            inner = theta ** np.arange(len(rows)) @ rows
            self.check_dense(conditions, theta, array((theta * m + theta * (1.0 - theta) * inner) @ gamma))


@keyword_record
class TaseTableau(Method):
    """Modified singly RK-TASE: an explicit method (a, b) whose slopes are filtered by X = (M - h alpha J)^-1.

    K_i = sum_j beta_ij X^j f(u + h sum_l a_il K_l), written out in `kernel.step_tase`; v = u + h sum_i
    b_i K_i, error = h sum_ij err_ij k_ij. Calvo, Montijano and Randez (arXiv:2407.01785) proposed the
    class.
    """

    alpha: float
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    beta: tuple[tuple[float, ...], ...]
    err: tuple[tuple[float, ...], ...]

    family = "tase"
    controller = INTEGRAL

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def sweeps(self) -> int:
        return len(self.beta[0])

    def table(self) -> FloatArray:
        a = square(self.a, self.stages)
        beta, err = array(self.beta), array(self.err)
        return np.concatenate([[self.alpha], a.sum(axis=1), a.ravel(), self.b, beta.ravel(), err.ravel()])

    def check(self) -> None:
        # The same method as a W-method with one stage for every solve (i, j).
        s, q = self.stages, self.sweeps
        a, beta = square(self.a, s), array(self.beta)
        alpha = np.repeat((a[:, :, None] * beta[None, :, :]).reshape(s, s * q), q, axis=0)
        gamma = array(np.kron(np.eye(s), self.alpha * np.tri(q)))
        b = (array(self.b)[:, None] * beta).ravel()
        self.check_order(alpha, gamma, b, b - array(self.err).ravel())
        self.check_stability(b, alpha + gamma)
        self.check_algebra(alpha, gamma, b)


@keyword_record
class TaseSumTableau(Method):
    """RK-TASE: an explicit method (a, b) whose slopes are filtered by T = sum_j beta_j (M - h alpha_j J)^-1.

    The beta_j follow from T = 1 + O(h^q), q operators: beta_j = alpha_j^(1-q) / prod_l (1/alpha_j -
    1/alpha_l). Bassenne, Fu and Mani, J. Comput. Phys. 424:109847 (2021); Calvo, Montijano, Randez and Rojas,
    J. Comput. Phys. 436:110316 (2021).
    """

    alphas: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    bhat: tuple[float, ...]

    family = "tase_sum"
    controller = INTEGRAL

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def sweeps(self) -> int:
        return len(self.alphas)

    @property
    def operators(self) -> int:
        return len(self.alphas)

    def _beta(self) -> FloatArray:
        inverse = 1.0 / array(self.alphas)
        differences = inverse[:, None] - inverse[None, :] + np.eye(len(inverse))
        return array(inverse ** (len(inverse) - 1) / differences.prod(axis=1))

    def table(self) -> FloatArray:
        a, b = square(self.a, self.stages), array(self.b)
        e = b - array(self.bhat)
        return np.concatenate([self.alphas, self._beta(), a.sum(axis=1), a.ravel(), b, e])

    def check(self) -> None:
        # The same method as a W-method with one stage for every solve (i, j).
        s, q, beta = self.stages, self.sweeps, self._beta()
        a = square(self.a, s)
        alpha = np.repeat((a[:, :, None] * beta[None, None, :]).reshape(s, s * q), q, axis=0)
        gamma = array(np.diag(np.tile(array(self.alphas), s)))
        b, bhat = (array(np.outer(weights, beta).ravel()) for weights in (self.b, self.bhat))
        self.check_order(alpha, gamma, b, bhat)
        self.check_stability(b, alpha + gamma)
