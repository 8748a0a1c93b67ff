"""Methods as records that check themselves: coefficients, orders, stability, dense output, source.

A record is made from published numbers. What else it states (order, order of the estimate, W-order,
L-stability, stiff accuracy, order of the dense output) is checked against the numbers by `check`, so that
a misprint cannot reach a solver: the tests check the records that come with symnum, `tableaus.find` those
of users. (Checking ours in every process would cost a warm start 3 ms of a hundred.) How it is laid out for
the kernels is written in the step functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.record import keyword_record
from symnum.solving.controller import INTEGRAL, PROPORTIONAL_INTEGRAL, Controller

if TYPE_CHECKING:
    from symnum.solving.trees import OrderConditions

__all__ = [
    "EsdirkTableau", "ExplicitTableau", "InvalidTableau", "Method", "OutsideMethod", "RosenbrockTableau",
    "TaseSumTableau", "TaseTableau",
]  # fmt: skip

# Published coefficients carry 15 to 16 digits, and the conditions multiply a few of them.
TOLERANCE = 1e-12


class InvalidTableau(ModelError):
    """The coefficients of a method contradict what is stated about it."""


def _array(values: npt.ArrayLike) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _square(rows: tuple[tuple[float, ...], ...], stages: int) -> FloatArray:
    """A strictly lower triangular matrix from its rows, which may leave the zeros out."""
    matrix = np.zeros((stages, stages))
    for i, row in enumerate(rows):
        matrix[i, : len(row)] = row
    return _array(matrix)


@keyword_record
class Method(ABC):
    """What every method states about itself.

    order: on ODEs. embedded: order of the solution that the error estimate compares with. dense: order
    of the dense output. dae: order on index-1 systems M u' = f, for both kinds of components; 0 if not
    usable there. w: order with an arbitrary matrix in place of the Jacobian's differential rows; 0 where
    there is no Jacobian. l_stable: R at infinity is 0, and |R| <= 1 within `angle` degrees of the negative
    axis.
    """

    name: str
    order: int
    embedded: int
    dense: int
    dae: int = 0
    w: int = 0
    l_stable: bool = False
    angle: float = 90.0
    stiffly_accurate: bool = False
    cite: str

    family: ClassVar[str]
    controller: ClassVar[Controller]

    def __str__(self) -> str:
        return self.name

    @property
    @abstractmethod
    def stages(self) -> int:
        """Number of stages, which is the number of evaluations of f in a step."""

    @property
    def extra_stages(self) -> int:
        """Further stages that only the dense output needs; they are computed when it is asked for."""
        return 0

    @property
    def error_power(self) -> int:
        """The power of h that the error estimate goes with."""
        return self.embedded + 1

    @property
    def sweeps(self) -> int:
        """How often the linear system is solved in each stage."""
        return 1

    @property
    def operators(self) -> int:
        """How many matrices M - h alpha J are factored in a step."""
        return 1

    @property
    def steady(self) -> float:
        """A step that would grow by less than this stays as it is, where factors are kept."""
        return 1.0

    @property
    def first_same_as_last(self) -> bool:
        """Is the last stage f at the new state, so that the next step can use it?"""
        return False

    @abstractmethod
    def table(self) -> FloatArray:
        """The coefficients in the order that the family's step function reads."""

    @abstractmethod
    def check(self) -> None:
        """Compare everything that the record states with its numbers. InvalidTableau where they disagree."""

    def extra_table(self) -> FloatArray:
        """The coefficients of the extra stages in the order that the family's `extend` reads."""
        return np.zeros(0)

    def dense_table(self) -> FloatArray | None:
        """(rows, stages + extra_stages): weights of the stages in the rows of `kernel.dense`.

        None: cubic Hermite.
        """
        return None

    def fail(self, what: str) -> InvalidTableau:
        return InvalidTableau(f"{self.name}: {what}")

    def check_order(
        self, alpha: FloatArray, gamma: FloatArray, b: FloatArray, bhat: FloatArray
    ) -> OrderConditions:
        """Compare `order`, `embedded` and `w` with the coefficients; returns the order conditions."""
        from symnum.solving.trees import order_conditions  # the methods that come with symnum were checked

        conditions = order_conditions(self.order + 1, alpha, gamma)
        defect = conditions.defect(self.order, b)
        if not defect < TOLERANCE:
            raise self.fail(f"not of order {self.order}: an order condition is violated by {defect:.1e}")
        if conditions.defect(self.order + 1, b) < TOLERANCE:
            raise self.fail(f"of higher order than the {self.order} stated")
        defect = conditions.defect(self.embedded, bhat)
        if not defect < TOLERANCE:
            raise self.fail(f"error estimate not of order {self.embedded}: violated by {defect:.1e}")
        if self.w:
            defect = order_conditions(self.w, alpha, gamma, any_jacobian=True).defect(self.w, b)
            if not defect < TOLERANCE:
                raise self.fail(f"not of order {self.w} with any matrix: violated by {defect:.1e}")
        return conditions

    def check_algebra(self, alpha: FloatArray, gamma: FloatArray, b: FloatArray) -> None:
        """The condition that order 3 on index-1 systems adds to those of ODEs. Hairer and Wanner II, VI.4."""
        if (
            self.dae > 2
            and not abs(b @ np.linalg.solve(alpha + gamma, alpha.sum(axis=1) ** 2) - 1.0) < TOLERANCE
        ):
            raise self.fail(f"not of order {self.dae} on index-1 systems")

    def check_dense(self, conditions: OrderConditions, theta: float, weights: FloatArray) -> None:
        """Compare `dense` with the weights of the interpolant at t + theta h."""
        defect = conditions.defect(self.dense, weights, theta)
        if not defect < TOLERANCE:
            raise self.fail(f"dense output not of order {self.dense}: violated by {defect:.1e}")

    def check_stability(self, b: FloatArray, matrix: FloatArray) -> None:
        """Compare `l_stable` and `angle` with R(z) = 1 + z b (I - z B)^-1 1, on a ray and at infinity."""
        if not self.l_stable:
            return
        ones = np.ones(len(b))
        at_infinity = 1.0 - b @ np.linalg.solve(matrix, ones)
        if not abs(at_infinity) < TOLERANCE:
            raise self.fail(f"not L-stable: R at infinity is {at_infinity:.1e}")
        z = -np.exp(-1j * np.radians(self.angle)) * np.logspace(-2, 4, 61)
        systems = np.eye(len(b)) - z[:, None, None] * matrix
        values = 1.0 + z * (np.linalg.solve(systems, ones[:, None].astype(complex))[:, :, 0] @ b)
        if not np.max(np.abs(values)) < 1.0 + TOLERANCE:
            raise self.fail(
                f"not A({self.angle:g})-stable: |R| reaches {np.max(np.abs(values))} at that angle"
            )


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
        row = _square(self.a, len(self.a))[self.stages - 1, : self.stages]
        return bool(np.array_equal(row, _array(self.b)))

    def _nodes(self) -> FloatArray:
        c: FloatArray = _square(self.a, len(self.a)).sum(axis=1)
        c[np.abs(c - 1.0) < TOLERANCE] = 1.0
        return c

    def table(self) -> FloatArray:
        s = self.stages
        a, b = _square(self.a, len(self.a))[:s, :s], _array(self.b)
        parts = [self._nodes()[:s], a.ravel(), b, b - _array(self.bhat), _array(self.second)]
        return np.concatenate(parts)

    def extra_table(self) -> FloatArray:
        s = self.stages
        return np.concatenate([self._nodes()[s:], _square(self.a, len(self.a))[s:].ravel()])

    def dense_table(self) -> FloatArray:
        # sum_j q_j theta^j = theta sum_j q_j + theta (1 - theta) (k_1 + theta (k_2 + ...)), where k_l is
        # minus the sum of all q_j beyond l
        beyond: FloatArray = np.cumsum(_array(self.interpolant).T[:0:-1], axis=0)
        return _array(-beyond[::-1])

    def check(self) -> None:
        s, total = self.stages, len(self.a)
        a, b = _square(self.a, total), np.pad(_array(self.b), (0, total - s))
        bhat, second = np.pad(_array(self.bhat), (0, total - s)), np.pad(_array(self.second), (0, 1))
        conditions = self.check_order(a, np.zeros_like(a), b, bhat)
        if self.second:
            defect = conditions.defect(self.second_order, b - np.pad(second[:-1], (0, total - s)))
            if not defect < TOLERANCE:
                raise self.fail(f"second estimate not of order {self.second_order}: violated by {defect:.1e}")
        if total > s and not np.allclose(a[s], b, rtol=0.0, atol=TOLERANCE):
            raise self.fail("the first extra stage is not f at the new state")
        rows = _array(self.interpolant)
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
        a, coupling = _square(self.a, total)[:s, :s], _square(self.coupling, total)[:s, :s]
        return np.concatenate(
            [[self.gamma], self.c[:s], self.d[:s], a.ravel(), coupling.ravel(), self.m, self.e]
        )

    def extra_table(self) -> FloatArray:
        s, total = self.stages, len(self.a)
        a, coupling = _square(self.a, total)[s:], _square(self.coupling, total)[s:]
        return np.concatenate([self.c[s:], self.d[s:], a.ravel(), coupling.ravel()])

    def dense_table(self) -> FloatArray | None:
        return _array(self.interpolant) if self.interpolant else None

    def check(self) -> None:
        s, total = self.stages, len(self.a)
        a, coupling = _square(self.a, total), _square(self.coupling, total)
        m, e = (np.pad(_array(weights), (0, total - s)) for weights in (self.m, self.e))
        gamma = _array(np.linalg.inv(np.eye(total) / self.gamma - coupling))
        alpha, b = _array(a @ gamma), _array(m @ gamma)
        for name, stated, found in (("c", self.c, alpha.sum(axis=1)), ("d", self.d, gamma.sum(axis=1))):
            if not np.allclose(stated, found, rtol=0.0, atol=TOLERANCE):
                raise self.fail(f"{name} is not the row sum of its coefficients")
        conditions = self.check_order(alpha, gamma, b, _array((m - e) @ gamma))
        step = (alpha + gamma)[:s, :s]
        self.check_stability(b[:s], step)
        ends = abs(self.c[s - 1] - 1.0) < TOLERANCE
        accurate = ends and np.allclose(step[-1], b[:s], rtol=0.0, atol=TOLERANCE)
        if accurate != self.stiffly_accurate:
            raise self.fail(f"stiff accuracy is {accurate}, not {self.stiffly_accurate}")
        self.check_algebra(alpha[:s, :s], gamma[:s, :s], b[:s])
        rows = _array(self.interpolant)
        for theta in (0.3, 0.8) if self.interpolant else ():
            inner = theta ** np.arange(len(rows)) @ rows
            self.check_dense(conditions, theta, _array((theta * m + theta * (1.0 - theta) * inner) @ gamma))


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
        a = _square(self.a, self.stages)
        beta, err = _array(self.beta), _array(self.err)
        return np.concatenate([[self.alpha], a.sum(axis=1), a.ravel(), self.b, beta.ravel(), err.ravel()])

    def check(self) -> None:
        # The same method as a W-method with one stage for every solve (i, j).
        s, q = self.stages, self.sweeps
        a, beta = _square(self.a, s), _array(self.beta)
        alpha = np.repeat((a[:, :, None] * beta[None, :, :]).reshape(s, s * q), q, axis=0)
        gamma = _array(np.kron(np.eye(s), self.alpha * np.tri(q)))
        b = (_array(self.b)[:, None] * beta).ravel()
        self.check_order(alpha, gamma, b, b - _array(self.err).ravel())
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
        inverse = 1.0 / _array(self.alphas)
        differences = inverse[:, None] - inverse[None, :] + np.eye(len(inverse))
        return _array(inverse ** (len(inverse) - 1) / differences.prod(axis=1))

    def table(self) -> FloatArray:
        a, b = _square(self.a, self.stages), _array(self.b)
        e = b - _array(self.bhat)
        return np.concatenate([self.alphas, self._beta(), a.sum(axis=1), a.ravel(), b, e])

    def check(self) -> None:
        # The same method as a W-method with one stage for every solve (i, j).
        s, q, beta = self.stages, self.sweeps, self._beta()
        a = _square(self.a, s)
        alpha = np.repeat((a[:, :, None] * beta[None, None, :]).reshape(s, s * q), q, axis=0)
        gamma = _array(np.diag(np.tile(_array(self.alphas), s)))
        b, bhat = (_array(np.outer(weights, beta).ravel()) for weights in (self.b, self.bhat))
        self.check_order(alpha, gamma, b, bhat)
        self.check_stability(b, alpha + gamma)


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
        return _array(matrix)

    def table(self) -> FloatArray:
        a = self._matrix()
        return np.concatenate([[a[-1, -1]], a.sum(axis=1), a.ravel(), a[-1] - _array(self.bhat)])

    def check(self) -> None:
        a = self._matrix()
        diagonal = np.diag(a)
        if diagonal[0] != 0.0 or not np.allclose(diagonal[1:], a[-1, -1], rtol=0.0, atol=TOLERANCE):
            raise self.fail("the diagonal is not zero and then one number")
        if not abs(a[-1].sum() - 1.0) < TOLERANCE or not self.stiffly_accurate:
            raise self.fail("the last stage is not the new state")
        # a Runge-Kutta method: the conditions are those of explicit ones, with a full matrix
        self.check_order(a, np.zeros_like(a), a[-1], _array(self.bhat))
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


@keyword_record
class OutsideMethod(Method):
    """A method of another program, which has its coefficients and chooses its order itself."""

    family = "outside"
    controller = INTEGRAL

    @property
    def stages(self) -> int:
        return 0

    def table(self) -> FloatArray:
        return np.zeros(0)

    def check(self) -> None:
        """There is nothing here that could be checked."""
